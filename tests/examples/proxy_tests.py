"""The proxy between clients and targets: every byte, each direction's end, and pressure from behind
are passed on; errors end both sides; nothing is left behind."""
import select
import signal
import socket
import time

from support import HOST, MEMORY_SLACK, PATIENCE, call, ended, fill, in_background, need_tool
from support import noise, receive, receive_all, reset, stop, until


def start_proxy(context, port):
    return context.start("proxy", "%s:%d" % (HOST, port))


class Pair:
    """A connection through a proxy, seen from both ends."""

    def __init__(self, context):
        self.listener = context.listen()
        self.proxy = start_proxy(context, self.listener.getsockname()[1])
        self.idle_descriptors = self.proxy.descriptors_without_pipes()
        self.connect(context)

    def connect(self, context):
        self.client = context.connect(self.proxy.port)
        self.target = context.accept(self.listener)

    def is_left(self):
        """Waits until the proxy has closed both of its ends."""
        count = self.proxy.descriptors_without_pipes
        until(lambda: count() == self.idle_descriptors, "both ends are closed")


def test_8_mib_through_echo(context):
    echo = context.start("echo")
    proxy = start_proxy(context, echo.port)
    connection, data = context.connect(proxy.port), noise(8 << 20)
    sender = in_background(connection.sendall, data)
    assert receive(connection, len(data)) == data
    sender()
    connection.shutdown(socket.SHUT_WR)
    assert receive_all(connection) == b""
    stop(proxy)
    stop(echo)


def test_8_mib_both_ways(context):
    pair = Pair(context)
    up, down = noise(8 << 20, 2), noise(8 << 20, 3)
    work = [in_background(pair.client.sendall, up), in_background(pair.target.sendall, down)]
    received = in_background(receive, pair.target, len(up))
    assert receive(pair.client, len(down)) == down
    assert received() == up
    for done in work:
        done()
    stop(pair.proxy)


def test_client_ends_first(context):
    """The target sees the end of the request and answers after it."""
    pair = Pair(context)
    pair.client.sendall(b"request")
    pair.client.shutdown(socket.SHUT_WR)
    assert receive_all(pair.target) == b"request"
    answer = noise(1 << 20)
    sender = in_background(pair.target.sendall, answer)
    assert receive(pair.client, len(answer)) == answer
    sender()
    pair.target.close()
    assert receive_all(pair.client) == b""
    pair.is_left()
    stop(pair.proxy)


def test_target_ends_first(context):
    pair = Pair(context)
    pair.target.sendall(b"greeting")
    pair.target.shutdown(socket.SHUT_WR)
    assert receive_all(pair.client) == b"greeting"
    data = noise(1 << 20)
    sender = in_background(pair.client.sendall, data)
    assert receive(pair.target, len(data)) == data
    sender()
    pair.client.close()
    assert receive_all(pair.target) == b""
    pair.is_left()
    stop(pair.proxy)


def passes_pressure_on(pair, writer, reader):
    """While nobody reads, the writer is held back and the proxy neither grows nor spins."""
    before = pair.proxy.memory()
    data = fill(writer, 64 << 20)
    grown = pair.proxy.memory() - before
    assert grown < MEMORY_SLACK, "it grew by %d bytes" % grown
    pair.proxy.rests(0.1, 0.5)
    writer.shutdown(socket.SHUT_WR)
    assert receive_all(reader) == data


def test_slow_client(context):
    pair = Pair(context)
    passes_pressure_on(pair, pair.target, pair.client)
    stop(pair.proxy)


def test_slow_target(context):
    pair = Pair(context)
    passes_pressure_on(pair, pair.client, pair.target)
    stop(pair.proxy)


def test_errors_end_both(context):
    """A reset on one side ends the other one, also while the other direction is blocked."""
    pair = Pair(context)
    for blocked in (False, True):
        for side in ("client", "target"):
            pair.connect(context)
            one, other = pair.client, pair.target
            if side == "target":
                one, other = other, one
            one.sendall(b"hello")
            assert receive(other, 5) == b"hello"
            if blocked:
                fill(other, 64 << 20)
            reset(one)
            assert ended(other), side
    pair.connect(context)
    stop(pair.proxy)


def test_resets_leave_nothing(context):
    """Neither descriptors nor memory, such as that of tasks which nobody joins."""
    pair = Pair(context)
    for number in range(400):
        if number == 100:
            before = pair.proxy.memory()
        reset(pair.client if number % 2 else pair.target)
        assert ended(pair.target if number % 2 else pair.client)
        pair.is_left()
        pair.connect(context)
    grown = pair.proxy.memory() - before
    assert grown < MEMORY_SLACK, "it grew by %d bytes" % grown
    stop(pair.proxy)


def test_target_down(context):
    target = context.bind()
    proxy = start_proxy(context, target.getsockname()[1])
    for _ in range(5):
        assert ended(context.connect(proxy.port))
    target.listen()
    client = context.connect(proxy.port)
    context.accept(target).sendall(b"up again")
    assert receive(client, 8) == b"up again"
    stop(proxy)


def test_100_connections(context):
    echo = context.start("echo")
    proxy = start_proxy(context, echo.port)
    before = proxy.descriptors_without_pipes()
    connections = [context.connect(proxy.port) for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.sendall(noise(5000, number))
    for number, connection in enumerate(connections):
        assert receive(connection, 5000) == noise(5000, number), number
        connection.close()
    count = proxy.descriptors_without_pipes
    until(lambda: count() == before, "all descriptors are closed")
    stop(proxy)
    stop(echo)


def test_curl_through_it(context):
    curl = need_tool("curl")
    server = context.start("http_hello")
    proxy = start_proxy(context, server.port)
    url = "http://%s:%d/" % (HOST, proxy.port)
    assert call([curl, "-sS", "--max-time", "10", url, url]) == (0, "Hello, world!\n" * 2)
    stop(proxy)
    stop(server)


def test_stops_on_signals(context):
    for number in (signal.SIGINT, signal.SIGTERM):
        pair = Pair(context)
        idle = [pair.client, pair.target]
        pair.connect(context)
        fill(pair.client, 64 << 20)
        stop(pair.proxy, number)
        assert all(ended(side) for side in idle + [pair.client])


def test_bad_start(context):
    proxy = start_proxy(context, 1)
    program, taken = context.program("proxy"), "%s:%d" % (HOST, proxy.port)
    for words, name in (((taken,), "EADDRINUSE"), (("nonsense",), "EINVAL"),
                        ((HOST + ":0", "elsewhere"), "EINVAL"),
                        ((HOST + ":0", taken, "idle=0"), "EINVAL"),
                        ((HOST + ":0", taken, "idle=1s"), "EINVAL")):
        status, said = call([program, *words], env=context.environment())
        assert status == 1 and words[-1] in said and name in said, said
    stop(proxy)


V2 = b"\r\n\r\n\0\r\nQUIT\n"


def through_headers(context, *options):
    """A proxy with these options, and the listener of its target."""
    listener = context.listen()
    target = "%s:%d" % (HOST, listener.getsockname()[1])
    return context.start("proxy", target, *options), listener


def test_idle_connections_are_ended(context):
    """But not those on which something moves, be it with a pause."""
    proxy, listener = through_headers(context, "idle=3")
    idle = context.connect(proxy.port)
    context.accept(listener)
    moving = context.connect(proxy.port)
    target = context.accept(listener)
    idle.sendall(b"nobody reads this")

    def idle_ends():
        moving.sendall(b"x")
        assert receive(target, 1) == b"x"
        return select.select([idle], [], [], 0.05)[0]

    until(idle_ends, "the idle one is ended")
    assert ended(idle)
    moving.sendall(b"on")
    assert receive(target, 2) == b"on"
    stop(proxy)


def test_proxy_headers_are_taken_off(context):
    proxy, listener = through_headers(context, "accept-proxy")
    for header in (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", b"PROXY UNKNOWN\r\n",
                   V2 + b"\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\x09\0\x0a", V2 + b"\x20\0\0\0"):
        for split in (len(header), 3):  # with bytes behind it, and in two pieces
            client = context.connect(proxy.port)
            client.sendall(header[:split] + (b"early" if split == len(header) else b""))
            client.sendall(header[split:] + b"late")
            client.shutdown(socket.SHUT_WR)
            target = context.accept(listener)
            assert receive_all(target) in (b"earlylate", b"late"), header
            target.sendall(b"answer")
            target.close()
            assert receive_all(client) == b"answer"
    stop(proxy)


def test_proxy_headers_are_passed_on(context):
    proxy, listener = through_headers(context, "accept-proxy", "send-proxy")
    line = b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n"
    for header in (line, V2 + b"\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\x09\0\x0a"):
        client = context.connect(proxy.port)
        client.sendall(header + b"body")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(context.accept(listener)) == line + b"body"
    stop(proxy)


def test_proxy_headers_are_made(context):
    proxy, listener = through_headers(context, "send-proxy")
    client = context.connect(proxy.port)
    client.shutdown(socket.SHUT_WR)
    ports = (client.getsockname()[1], proxy.port)
    line = "PROXY TCP4 %s %s %d %d\r\n" % (HOST, HOST, *ports)
    assert receive_all(context.accept(listener)) == line.encode()
    stop(proxy)


def test_silence_ends(context):
    """A target is given 5 s for the handshake, and a client, be it that it says nothing or that it
    stops within it, for the proxy header. (They wait at the same time.)"""
    slow, _ = through_headers(context, "accept-proxy")
    silent, stopped = context.connect(slow.port), context.connect(slow.port)
    stopped.sendall(b"PROXY TCP4 1.2")
    proxy = start_proxy(context, context.silent_port())
    start, client = time.monotonic(), context.connect(proxy.port)
    assert ended(client)
    seconds = time.monotonic() - start
    assert 4.9 < seconds < 5 + PATIENCE, "%.1f s" % seconds
    assert ended(stopped) and ended(silent)
    stop(proxy)
    stop(slow)


def test_bad_proxy_headers(context):
    """Whoever begins otherwise, or ends within the header, is closed and no target hears of it."""
    proxy, listener = through_headers(context, "accept-proxy")
    for start in (b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", V2 + b"\x31\0\0\0",
                  b"PROXY " + b"x" * 200, V2 + b"\x21\x11\xff\xff"):
        client = context.connect(proxy.port)
        client.sendall(start)
        assert ended(client), start
    client = context.connect(proxy.port)
    client.sendall(b"PROXY TCP4 ")
    client.shutdown(socket.SHUT_WR)
    assert ended(client)
    listener.setblocking(False)
    try:
        listener.accept()
        raise AssertionError("the target was connected to")
    except BlockingIOError:
        pass
    stop(proxy)
