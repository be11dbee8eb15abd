"""hiredis, run by tasks, against the real redis-server: the library waits only for its own task."""
import os
import signal
import socket
import subprocess
import tempfile

from support import HOST, PATIENCE, Server, Skip, call, free_port, need_tool, receive
from support import receive_all, until


def unavailable(context, name):
    """Why the example cannot run on this row, or an empty text. It needs no server to say so."""
    if not os.path.exists(context.program(name)):
        return "%s was not built" % name
    status, said = run(context, context.bind().getsockname()[1])
    return "" if status == 1 and "ECONNREFUSED" in said else "row %s: %s" % (context.row, said)


def words(context, port, *more):
    return [context.program("redis_client"), "%s:%d" % (HOST, port), *more]


def run(context, port, *more):
    done = subprocess.run(
        words(context, port, *more), env=context.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3 * PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


class Redis:
    """A redis-server of the test's own, that keeps nothing."""

    def __init__(self, context):
        self.folder = tempfile.TemporaryDirectory()
        for _ in range(5):  # somebody else may take the port first
            self.port = free_port()
            self.process = subprocess.Popen(
                [need_tool("redis-server"), "--port", str(self.port), "--bind", HOST, "--save", "",
                 "--dir", self.folder.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            context.servers.append(self)
            until(lambda: self.answers(context) or self.process.poll() is not None,
                  "redis-server answers")
            if self.process.poll() is None:
                return
        raise AssertionError("redis-server does not start")

    def answers(self, context):
        """Itself, and not another one at the same port."""
        try:
            connection = context.connect(self.port)
            connection.sendall(b"INFO server\r\nQUIT\r\n")
            return b"\nprocess_id:%d\r" % self.process.pid in receive_all(connection)
        except OSError:
            return False

    def ask(self, context, command, answer):
        connection = context.connect(self.port)
        connection.sendall(command.encode() + b"\r\n")
        same = receive(connection, len(answer)) == answer
        connection.close()
        return same

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def test_workers_count(context):
    redis = Redis(context)
    for workers, rounds in ((1, 1), (4, 100), (20, 30)):
        status, said = run(context, redis.port, str(workers), str(rounds))
        assert status == 0, said
        total = workers * rounds
        assert said == "redis_client: %d workers counted to %d, %d messages were heard\n" % (
            workers, total, total), said
        assert redis.ask(context, "GET aio:example:counter",
                         b"$%d\r\n%d\r\n" % (len(str(total)), total))


def started(context, redis):
    """A client with much to do, that is at it."""
    client = Server(words(context, redis.port, "4", "1000000"), context.environment())
    context.servers.append(client)
    until(lambda: not redis.ask(context, "EXISTS aio:example:3", b":0\r\n"), "it works")
    return client


def test_server_dies(context):
    redis = Redis(context)
    client = started(context, redis)
    redis.process.kill()
    assert client.process.wait(timeout=PATIENCE) == 1
    assert "ECONNRESET" in client.said() or "EPIPE" in client.said(), client.said()


def test_server_stalls(context):
    """A server that says nothing any more is given up after the deadline."""
    redis = Redis(context)
    client = started(context, redis)
    redis.process.send_signal(signal.SIGSTOP)
    assert client.process.wait(timeout=PATIENCE) == 1
    assert "ETIMEDOUT" in client.said(), client.said()


def test_server_says_nothing(context):
    """Nor is one waited for that has never said anything."""
    listener = context.listen()
    status, said = run(context, listener.getsockname()[1])
    assert status == 1 and "ETIMEDOUT" in said, said


def test_stops_when_asked(context):
    redis = Redis(context)
    client = started(context, redis)
    status, seconds = client.end()
    assert status == 0 and client.said() == "", client.said()
    assert seconds < PATIENCE


def test_ipv6(context):
    """hiredis takes the host without the brackets in which it stands here."""
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        raise Skip("this system has no IPv6")
    try:
        port = context.bind("::1").getsockname()[1]
    except OSError:  # the loopback has no such address, and so no port is taken there
        port = 1
    status, said = call([context.program("redis_client"), "[::1]:%d" % port],
                        env=context.environment())
    assert status == 1 and ("ECONNREFUSED" in said or "EADDRNOTAVAIL" in said), said


def test_bad_arguments(context):
    for more in (("0",), ("65",), ("4", "0")):
        status, said = run(context, 1, *more)
        assert status == 1 and "usage" in said, said
