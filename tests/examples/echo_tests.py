"""The echo server under clients that behave and clients that do not: whatever they do, exactly the
bytes that were taken come back, the server goes on, and its memory stays bounded."""
import os
import shutil
import signal
import socket
import tempfile

from support import HOST, MEMORY_SLACK, PATIENCE, Server, Skip, call, ended, fill, in_background
from support import noise, receive, receive_all, reset, stop, until

NOBODY = 65534


def echoes(connection, data):
    """Whether these bytes come back, sent while they are received."""
    sender = in_background(connection.sendall, data)
    same = receive(connection, len(data)) == data
    sender()
    return same


def test_bytes_come_back(context):
    server = context.start("echo")
    connection = context.connect(server.port)
    for size in (1, 2, 1023, 1024, 1025, 4096, 65537, 1 << 20):
        assert echoes(connection, noise(size, size)), "%d bytes" % size
    stop(server)


def test_16_mib(context):
    server = context.start("echo")
    assert echoes(context.connect(server.port), noise(16 << 20))
    stop(server)


def test_200_connections(context):
    server = context.start("echo")
    before = server.descriptors()
    connections = [context.connect(server.port) for _ in range(200)]
    for turn in range(3):
        for number, connection in enumerate(connections):
            connection.sendall(noise(2000, number + turn))
        for number, connection in enumerate(connections):
            assert receive(connection, 2000) == noise(2000, number + turn), number
    for connection in connections:
        connection.close()
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    stop(server)


def test_a_byte_at_a_time(context):
    server = context.start("echo")
    connection = context.connect(server.port)
    data = noise(500)
    for index in range(len(data)):
        connection.sendall(data[index : index + 1])
        assert connection.recv(1) == data[index : index + 1], index
    for index in range(len(data)):
        connection.sendall(data[index : index + 1])
    assert receive(connection, len(data)) == data
    stop(server)


def leaves_nothing(context, leave):
    """50 clients leave in the same way; the server serves on and keeps no descriptor of them."""
    server = context.start("echo")
    before = server.descriptors()
    for _ in range(50):
        connection = context.connect(server.port)
        connection.sendall(noise(100000))
        leave(connection)
    for _ in range(50):
        leave(context.connect(server.port))
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    assert echoes(context.connect(server.port), b"still there")
    stop(server)


def test_early_close(context):
    leaves_nothing(context, lambda connection: connection.close())


def test_reset(context):
    leaves_nothing(context, reset)


def test_half_close(context):
    server = context.start("echo")
    connection = context.connect(server.port)
    data = noise(300000)
    receiver = in_background(receive_all, connection)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    assert receiver() == data
    stop(server)


def test_peer_never_reads(context):
    server = context.start("echo")
    assert echoes(context.connect(server.port), noise(1 << 20))
    before = server.memory()
    connection = context.connect(server.port)
    data = fill(connection, 64 << 20)
    grown = server.memory() - before
    assert grown < MEMORY_SLACK, "it grew by %d bytes" % grown
    server.rests(0.1)
    assert echoes(context.connect(server.port), b"others are served")
    connection.shutdown(socket.SHUT_WR)
    assert receive_all(connection) == data
    stop(server)


def stops_on(context, number):
    server = context.start("echo")
    idle = [context.connect(server.port) for _ in range(20)]
    for connection in idle:
        assert echoes(connection, b"served")
    blocked = context.connect(server.port)
    fill(blocked, 64 << 20)
    stop(server, number)
    assert all(ended(connection) for connection in idle + [blocked])


def test_stops_on_sigint(context):
    stops_on(context, signal.SIGINT)


def test_stops_on_sigterm(context):
    stops_on(context, signal.SIGTERM)


def test_stops_when_idle(context):
    for number in (signal.SIGINT, signal.SIGTERM):
        stop(context.start("echo"), number)


def refuses(context, words, *expected, **options):
    """The program ends with exit code 1 and one sentence that has all these words."""
    options.setdefault("env", context.environment())
    status, said = call(words, **options)
    assert status == 1, "exit status %d: %s" % (status, said)
    missing = [word for word in expected if word not in said]
    assert not missing, "not said: %s, but: %s" % (missing, said)


def test_port_in_use(context):
    server = context.start("echo")
    address = "%s:%d" % (HOST, server.port)
    refuses(context, [context.program("echo"), address], address, "EADDRINUSE")
    stop(server)


def test_bad_address(context):
    for address in ("", "nonsense", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                    "127.0.0.1:-1", "300.0.0.1:80", "[::1:80", "1.2.3:80", "127.0.0.1:80x"):
        refuses(context, [context.program("echo"), address], address, "EINVAL")


def test_privileged_port(context):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as start:
        if int(start.read()) <= 1:
            raise Skip("every port is open to all: net.ipv4.ip_unprivileged_port_start")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the build folder may be closed to others
        program = shutil.copy(context.program("echo"), folder)
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        refuses(context, [program, HOST + ":1"], HOST + ":1", "EACCES", **who)


def test_unknown_backend(context):
    strange = dict(os.environ, AIO_BACKEND="kqueue")
    refuses(context, [context.program("echo")], "kqueue", "auto", "uring", "epoll", env=strange)


def test_out_of_descriptors(context):
    """With room for some connections only, the others wait in the backlog; waiting costs nothing,
    and as many as have room are served."""
    server = context.start("echo", descriptors=20)
    waiting = [context.connect(server.port) for _ in range(40)]
    for number, connection in enumerate(waiting):
        connection.sendall(b"%02d" % number)
    served = []

    def serve_more():
        for connection in list(waiting):
            connection.settimeout(0)
            try:
                answer = receive(connection, 2)
            except BlockingIOError:
                continue
            assert answer.isdigit(), answer
            waiting.remove(connection)
            served.append(connection)
        return served

    until(serve_more, "the first are served")
    server.rests(0.2)
    serve_more()
    assert 0 < len(served) < 20, "%d are served" % len(served)
    for connection in served:
        connection.settimeout(PATIENCE)
        assert echoes(connection, b"as before")
    while waiting:
        for connection in served:
            connection.close()
        served.clear()
        until(serve_more, "those who waited are served")
    status, _ = server.end()
    assert status == 0, "exit status %d" % status
    assert "EMFILE" in server.said(), "it did not warn: " + server.said()


def test_second_signal_ends_at_once(context):
    """One signal asks; whoever does not want to wait sends two."""
    server = context.start("echo")
    server.process.send_signal(signal.SIGINT)
    server.process.send_signal(signal.SIGTERM)
    status = server.process.wait(timeout=PATIENCE)
    assert status in (0, -signal.SIGTERM, -signal.SIGINT), status


def test_listens_on_ipv6(context):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        raise Skip("there is no IPv6 here")
    server = Server([context.program("echo"), "[::1]:0"], context.environment())
    context.servers.append(server)
    if not server.wait_ready():
        assert "EADDRNOTAVAIL" in server.said(), server.said()
        raise Skip("the loopback has no IPv6 address")
    stop(server)
