"""The echo server inside other loops: it echoes, the loop's own timer ticks beside it, at rest
nothing turns, and it ends as asked."""
import os
import re
import signal
import time

from support import PATIENCE, Skip, in_background, noise, receive, stop, until


def echoes(connection, data):
    sender = in_background(connection.sendall, data)
    same = receive(connection, len(data)) == data
    sender()
    return same


def start(context, name):
    """What needs a library that is not there was not built; where all tools must be, it must be."""
    required = os.environ.get("AIO_TEST_REQUIRE_TOOLS") == "1"
    if not required and not os.path.exists(context.program(name)):
        raise Skip("%s was not built" % name)
    return context.start(name)


def check_echoes(context, name):
    server = start(context, name)
    for size in (1, 1023, 1024, 65537, 1 << 20):
        assert echoes(context.connect(server.port), noise(size, size)), "%d bytes" % size
    stop(server)


def check_many(context, name):
    server = start(context, name)
    before = server.descriptors()
    connections = [context.connect(server.port) for _ in range(100)]
    for number, connection in enumerate(connections):
        connection.sendall(noise(2000, number))
    for number, connection in enumerate(connections):
        assert receive(connection, 2000) == noise(2000, number)
        connection.close()
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    stop(server)


def check_rests(context, name):
    server = start(context, name)
    connection = context.connect(server.port)
    assert echoes(connection, b"x")
    server.rests(0.05)
    assert echoes(connection, b"y")
    stop(server)


def count_ticks(context, name, seconds):
    """How often the timer, of 100 ms, ticks while the server is kept busy."""
    server = start(context, name)
    connection = context.connect(server.port)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert echoes(connection, b"z" * 100)
    server.process.send_signal(signal.SIGINT)
    said = server.process.stdout.read().decode()
    assert server.process.wait(timeout=PATIENCE) == 0, server.said()
    return int(re.search(r"(\d+) ticks", said).group(1))


def check_ticks(context, name):
    """What is due several times while the machine is busy with others ticks only once in libuv:
    then longer is needed for three ticks."""
    ticks = []
    for seconds in (0.7, 1.5, 3, 6):
        ticks.append(count_ticks(context, name, seconds))
        if ticks[-1] >= 3:
            return
    raise AssertionError("it ticks %s times" % ticks)


def test_epoll_echoes(context):
    check_echoes(context, "embed_epoll")


def test_epoll_many(context):
    check_many(context, "embed_epoll")


def test_epoll_rests(context):
    check_rests(context, "embed_epoll")


def test_epoll_ticks(context):
    check_ticks(context, "embed_epoll")


def test_uv_echoes(context):
    check_echoes(context, "embed_uv")


def test_uv_many(context):
    check_many(context, "embed_uv")


def test_uv_rests(context):
    check_rests(context, "embed_uv")


def test_uv_ticks(context):
    check_ticks(context, "embed_uv")
