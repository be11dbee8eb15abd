"""The file server under clients that are slow, stall or ask without end, and while it ends."""
import signal
import socket
import time

from http_tests import Answer, check_slow_header, read_answer
from static_tests import ask, content, get, start
from support import HOST, PATIENCE, SANITIZED, receive, receive_all, reset, stop, until


def unavailable(context, _suite):
    return context.unavailable("static")


def test_slow_header_is_refused(context):
    server = start(context, "header=2")
    check_slow_header(context.connect(server.port),
                      lambda: ask(context, server, b"/").status == 200)
    stop(server)


def take_slowly(client):
    """What comes in 3 s and more, and the longest time for which nothing was taken."""
    data, pause, last = b"", 0, time.monotonic()
    try:
        for _ in range(20):  # the kernel holds some 4 of the 20 MiB
            data += receive(client, 1 << 20)
            time.sleep(0.15)
            pause, last = max(pause, time.monotonic() - last), time.monotonic()
        data += receive_all(client)
    except ConnectionError:
        pass
    return data, max(pause, time.monotonic() - last)


def test_slow_client_gets_all(context):
    """It takes longer than a write may, but something all the time."""
    server = start(context, "idle=2")
    for _ in range(5):  # the machine may be busy
        client = context.keep(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        client.connect((HOST, server.port))
        client.sendall(get(b"/big.bin", b"Connection: close"))
        data, pause = take_slowly(client)
        if data.endswith(content("big.bin")):
            stop(server)
            return
        assert pause > 1, "%d bytes came" % len(data)  # else it was sent away rightly
    raise AssertionError("the machine is too slow to tell")


def test_client_that_takes_next_to_nothing(context):
    """A few bytes now and then do not hold a connection and a file for ever."""
    server = start(context, "idle=1")
    before = server.descriptors_without_pipes()
    client = context.keep(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((HOST, server.port))
    client.sendall(get(b"/big.bin"))

    def sent_away():
        try:
            client.recv(10)
        except ConnectionError:
            pass
        return server.descriptors_without_pipes() == before

    until(sent_away, "it is sent away", 3 + PATIENCE)
    stop(server)


def test_drains(context):
    """Who waits for a request is sent away at once; who takes a file gets the rest of it."""
    server = start(context)
    idle, busy = context.connect(server.port), context.connect(server.port)
    idle.sendall(get(b"/"))
    assert read_answer(idle).status == 200
    busy.sendall(get(b"/big.bin"))
    begin = busy.recv(1000)
    server.process.send_signal(signal.SIGTERM)
    assert idle.recv(1) == b""
    assert Answer(begin + receive_all(busy)).body == content("big.bin")
    assert server.process.wait(timeout=PATIENCE) == 0 and server.said() == ""


def test_stalled_client_does_not_hold_up_the_end(context):
    server = start(context)
    stalled = context.connect(server.port)
    stalled.sendall(get(b"/big.bin"))
    assert stalled.recv(1000)
    status, seconds = server.end()
    assert status == 0 and seconds < 5 + PATIENCE, (status, seconds)


def test_fills_no_memory(context):
    """A client that asks and asks and takes nothing is not read on."""
    server = start(context)
    memory = server.memory()
    connection = context.connect(server.port)
    fill_requests(connection)
    assert server.memory() < memory + ((64 if SANITIZED else 4) << 20)
    reset(connection)
    stop(server)


def fill_requests(connection):
    """Sends requests until no more are taken."""
    connection.setblocking(False)
    request, sent = get(b"/100k.bin") * 100, 0
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and sent < 64 << 20:
        try:
            sent += connection.send(request[sent % len(request) :])
        except BlockingIOError:
            return
    raise AssertionError("%d bytes of requests were taken" % sent)
