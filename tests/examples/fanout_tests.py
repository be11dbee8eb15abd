"""A race of connects: the first that stands wins, whatever becomes of the others, in bounded
time."""
import re
import select
import time

from support import HOST, PATIENCE, call

LINE = re.compile(r"^(\S+) answered first, after ([0-9.]+) ms\n$")


def fanout(context, *words):
    return call([context.program("fanout"), *map(str, words)], env=context.environment())


def text_of(port):
    return "%s:%d" % (HOST, port)


def listening(context, backlog=16):
    """A listener, and its address as text."""
    listener = context.listen(backlog)
    return listener, text_of(listener.getsockname()[1])


def refusing(context):
    """An address at which nobody listens."""
    return text_of(context.bind().getsockname()[1])


def silent(context):
    """The address of a server that does not even answer the handshake."""
    return text_of(context.silent_port())


def test_one_server(context):
    listener, text = listening(context)
    status, said = fanout(context, 5000, text)
    assert status == 0 and LINE.match(said).group(1) == text, said
    assert context.accept(listener).recv(1) == b""


def test_refused_and_silent_lose(context):
    _, text = listening(context)
    words = [refusing(context), silent(context), text, silent(context)]
    start = time.monotonic()
    status, said = fanout(context, 60000, *words)
    assert status == 0 and LINE.match(said).group(1) == text, said
    assert float(LINE.match(said).group(2)) < 10000
    assert time.monotonic() - start < PATIENCE, "it waited for the losers"


def test_all_answer(context):
    """Losers whose connection stands are closed: every accepted one comes to its end."""
    servers = [listening(context, 64) for _ in range(20)]
    status, said = fanout(context, 5000, *[text for _, text in servers])
    assert status == 0 and LINE.match(said).group(1) in [text for _, text in servers], said
    accepted = 0
    for listener, _ in servers:
        while select.select([listener], [], [], 0)[0]:
            accepted += 1
            assert context.accept(listener).recv(1) == b""
    assert accepted >= 1


def test_nobody(context):
    words = [refusing(context) for _ in range(3)]
    status, said = fanout(context, 5000, *words)
    assert status == 1 and said.count("Connection refused") == 3, said
    for word in words:
        assert word in said, said


def test_deadline(context):
    start = time.monotonic()
    status, said = fanout(context, 300, silent(context), silent(context))
    seconds = time.monotonic() - start
    assert status == 1 and said.count("timed out") == 2, said
    assert 0.3 <= seconds < 0.3 + PATIENCE, "%.1f s" % seconds


def test_usage(context):
    cases = [(), (5,), (0, HOST + ":1"), ("x", HOST + ":1"), ("5x", HOST + ":1"), ("", HOST + ":1"),
             (-5, HOST + ":1"), (10**20, HOST + ":1"), (5, "nonsense"), (5, HOST + ":1", HOST),
             (5, *[HOST + ":1"] * 65)]
    for words in cases:
        status, said = fanout(context, *words)
        assert status == 2 and "usage: fanout" in said, (words, said)
