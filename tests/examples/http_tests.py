"""The HTTP server under curl, wrk and raw sockets: right answers however requests are cut into
pieces, and a plain refusal of everything that is malformed, too large or too slow."""
import re
import signal
import socket
import time

from support import HOST, PATIENCE, call, in_background, need_tool, receive_all, stop, until

GREETING = b"Hello, world!\n"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def post(*fields, body=b"", path=b"/"):
    lines = [b"POST %s HTTP/1.1" % path, b"Host: here", *fields, b"", body]
    return b"\r\n".join(lines)


def with_length(size):
    return post(b"Content-Length: %d" % size, body=b"x" * size)


def chunked(*sizes):
    chunks = b"".join(b"%x\r\n%s\r\n" % (size, b"y" * size) for size in sizes)
    return post(b"Transfer-Encoding: chunked", body=chunks + b"0\r\n\r\n")


class Answer:
    """One answer at the start of some bytes; left is what follows it."""

    def __init__(self, data, head_only=False):
        head, end, self.left = data.partition(b"\r\n\r\n")
        assert end, "not an answer: %r" % data[:200]
        lines = head.split(b"\r\n")
        self.status = int(re.fullmatch(rb"HTTP/1\.1 (\d\d\d) [\w ]+", lines[0]).group(1))
        self.fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        self.body = b""
        if self.status >= 200 and not head_only:
            size = int(self.fields[b"content-length"])
            assert len(self.left) >= size, "a body of %d bytes, not %d" % (len(self.left), size)
            self.body, self.left = self.left[:size], self.left[size:]


def answers(data):
    found = []
    while data:
        found.append(Answer(data))
        data = found[-1].left
    return found


def read_answer(connection):
    """One answer from a connection that stays open."""
    data = b""
    while True:
        piece = connection.recv(65536)
        assert piece, "the connection ended after %r" % data
        data += piece
        try:
            return Answer(data)
        except AssertionError:
            continue


def talk(context, server, request, end=False):
    """Sends these bytes while it receives; all answers until the server ends the connection."""
    connection = context.connect(server.port)
    sender = in_background(send_what_is_taken, connection, request, end)
    found = answers(receive_all(connection))
    sender()
    connection.close()
    return found


def send_what_is_taken(connection, request, end):
    """The server may refuse in the middle of a request; what it said until then must arrive."""
    try:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
    except ConnectionError:
        pass


def statuses(found):
    return [answer.status for answer in found]


def refused(found, status):
    """Only the last answer is this refusal, and it tells that the connection ends."""
    assert statuses(found)[-1:] == [status], "%s, not %d" % (statuses(found), status)
    assert found[-1].fields[b"connection"] == b"close"
    return True


def curl(server, *words, path="/"):
    program = need_tool("curl")
    url = "http://%s:%d%s" % (HOST, server.port, path)
    status, said = call([program, "-sS", "--max-time", "10", *words, url])
    assert status == 0, "curl: %d: %s" % (status, said)
    return said


def test_slow_header_is_refused(context):
    """Time is up so long after the first byte, however many bytes follow; others are served."""
    server = context.start("http_hello", "header=2")
    check_slow_header(context.connect(server.port),
                      lambda: read_answer_of(context, server).body == GREETING)
    stop(server)


def check_slow_header(slow, serves_others):
    """A server with header=2 refuses a header that comes byte by byte."""
    start = time.monotonic()
    slow.settimeout(0.5)
    slow.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: ")
    while time.monotonic() < start + 7 + PATIENCE:
        try:
            slow.sendall(b"z")
            data = slow.recv(65536)
            break
        except socket.timeout:
            assert serves_others()
    seconds = time.monotonic() - start
    assert refused(answers(data), 408)
    assert 1.9 < seconds < 4 + PATIENCE, "%.1f s" % seconds
    slow.close()  # else the server waits for it


def read_answer_of(context, server, request=GET):
    connection = context.connect(server.port)
    connection.sendall(request)
    return read_answer(connection)


def test_curl(context):
    server = context.start("http_hello")
    assert curl(server) == GREETING.decode()
    assert curl(server, "-0") == GREETING.decode()
    assert curl(server, path="/?query=1") == GREETING.decode()
    assert "HTTP/1.1 404 " in curl(server, "-i", path="/other")
    head = curl(server, "-I")
    assert "HTTP/1.1 200 OK" in head and "Content-Length: 14" in head and "Hello" not in head
    for method in ("PUT", "DELETE", "OPTIONS"):
        said = curl(server, "-i", "-X", method)
        assert "HTTP/1.1 405 " in said and "Allow: GET, HEAD" in said, said
    assert "HTTP/1.1 405 " in curl(server, "-i", "-d", "some=data")
    stop(server)


def test_curl_keeps_the_connection(context):
    server = context.start("http_hello")
    url = "http://%s:%d/" % (HOST, server.port)
    said = curl(server, "-w", "%{num_connects}\n", url, "-d", "body", url)
    assert re.findall(r"^(\d)$", said, re.MULTILINE) == ["1", "0", "0"], said
    said = curl(server, "-0", "-H", "Connection: keep-alive", "-w", "%{num_connects}\n", url)
    assert re.findall(r"^(\d)$", said, re.MULTILINE) == ["1", "0"], said
    stop(server)


def test_curl_upgrade_is_ignored(context):
    server = context.start("http_hello")
    assert curl(server, "--http2", "-w", " %{http_version}") == GREETING.decode() + " 1.1"
    stop(server)


def test_expect_continue(context):
    server = context.start("http_hello")
    connection = context.connect(server.port)
    connection.sendall(post(b"Content-Length: 5", b"expect: 100-continue"))
    assert read_answer(connection).status == 100
    connection.sendall(b"12345" + LAST)
    assert statuses(answers(receive_all(connection))) == [405, 200]
    stop(server)


def test_connections_end_as_told(context):
    server = context.start("http_hello")
    plain, keep = b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert statuses(talk(context, server, LAST)) == [200]
    assert statuses(talk(context, server, LAST + GET)) == [200]
    assert statuses(talk(context, server, plain)) == [200]
    found = talk(context, server, keep + keep + plain)
    assert statuses(found) == [200, 200, 200]
    said = [answer.fields.get(b"connection") for answer in found]
    assert said == [b"keep-alive", b"keep-alive", b"close"], said
    assert statuses(talk(context, server, GET + GET, end=True)) == [200, 200]
    assert talk(context, server, b"", end=True) == []
    assert talk(context, server, GET[:20], end=True) == []
    stop(server)


def test_pipelining(context):
    """More requests, and more answers, than any buffer holds; each answer is that of its turn."""
    server = context.start("http_hello")
    other = GET.replace(b"/ ", b"/other ", 1)
    requests = [GET, other, with_length(10), chunked(3, 300)] * 500
    found = talk(context, server, b"\r\n".join(requests) + LAST)
    assert statuses(found) == [200, 404, 405, 405] * 500 + [200]
    assert all(answer.body == GREETING for answer in found[::4])
    stop(server)


def test_head_has_no_body(context):
    server = context.start("http_hello")
    connection = context.connect(server.port)
    connection.sendall(GET.replace(b"GET", b"HEAD") + LAST.replace(b"GET", b"HEAD"))
    first = Answer(receive_all(connection), head_only=True)
    second = Answer(first.left, head_only=True)
    assert (first.status, second.status, second.left) == (200, 200, b"")
    assert first.fields[b"content-length"] == second.fields[b"content-length"] == b"14"
    stop(server)


def test_split_at_every_byte(context):
    """The second parts are sent when the first ones were surely read: an answer to a request that
    came after them is there."""
    server = context.start("http_hello")
    request = chunked(5, 17) + with_length(3) + GET.replace(b"/ ", b"/?a=b ", 1) + LAST
    positions = range(1, len(request))
    connections = [context.connect(server.port) for _ in positions]
    for position, connection in zip(positions, connections):
        connection.sendall(request[:position])
    for _ in range(2):
        assert read_answer_of(context, server).status == 200
    for position, connection in zip(positions, connections):
        connection.sendall(request[position:])
        found = answers(receive_all(connection))
        assert statuses(found) == [405, 405, 200, 200], "split at %d" % position
    stop(server)


def test_a_byte_at_a_time(context):
    server = context.start("http_hello")
    connection = context.connect(server.port)
    for byte in chunked(5, 17) + with_length(3) + GET + LAST:
        connection.sendall(bytes((byte,)))
    assert statuses(answers(receive_all(connection))) == [405, 405, 200, 200]
    stop(server)


def test_malformed(context):
    server = context.start("http_hello")
    host = b"Host: here\r\n"
    for request in (
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"NONSENSE / HTTP/1.1\r\n" + host + b"\r\n",
        b"get / HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /\r\n\r\n",
        b"GET / SPDY/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/2.0\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\n" + host + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"Na me: value\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : here\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"no colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: a\x00b\r\n\r\n",
        post(b"Content-Length: many"),
        post(b"Content-Length: -1"),
        post(b"Content-Length: 1", b"Content-Length: 2"),
        post(b"Content-Length: 99999999999999999999999999"),
        post(b"Transfer-Encoding: gzip", body=b"abc"),
        post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"xyz\r\n"),
        post(b"Transfer-Encoding: chunked", body=b"2\r\nabc\r\n0\r\n\r\n"),
    ):
        try:
            assert refused(talk(context, server, request), 400)
            found = talk(context, server, GET + GET + request)
            assert refused(found, 400) and statuses(found) == [200, 200, 400]
        except Exception as problem:
            raise AssertionError("%r: %s" % (request, problem)) from problem
    assert read_answer_of(context, server).status == 200
    stop(server)


def test_refusal_arrives(context):
    """Though much more was sent than the server read before it refused, no reset eats its words."""
    server = context.start("http_hello")
    for _ in range(10):
        assert refused(talk(context, server, b"NONSENSE\r\n" + b"z" * 500000), 400)
    stop(server)


def test_header_limit(context):
    server = context.start("http_hello")
    field = b"X: " + b"z" * 100 + b"\r\n"
    for header in (b"X: " + b"z" * 9000 + b"\r\n", field * 90):
        assert refused(talk(context, server, GET[:-2] + header + b"\r\n"), 431)
    assert refused(talk(context, server, GET.replace(b"/ ", b"/" + b"u" * 9000 + b" ", 1)), 431)
    assert refused(talk(context, server, GET[:-2] + field * 10000), 431)
    assert statuses(talk(context, server, GET[:-2] + field * 70 + b"\r\n" + LAST)) == [200, 200]
    stop(server)


def test_body_limit(context):
    server = context.start("http_hello")
    most = 1 << 20
    assert statuses(talk(context, server, with_length(most) + LAST)) == [405, 200]
    assert statuses(talk(context, server, chunked(*[most // 16] * 16) + LAST)) == [405, 200]
    assert refused(talk(context, server, with_length(most + 1)), 413)
    assert refused(talk(context, server, post(b"Content-Length: 1000000000000")), 413)
    assert refused(talk(context, server, chunked(*[most // 16] * 17)), 413)
    assert refused(talk(context, server, chunked(most, 1)), 413)
    stop(server)


def wrk(server, path="/", connections=16, least=1):
    """So many requests are answered, none of them with an error, in some seconds."""
    url = "http://%s:%d%s" % (HOST, server.port, path)
    words = [need_tool("wrk"), "-t1", "-c%d" % connections, "--timeout", "%ds" % PATIENCE]
    for seconds in (1, 2, 4, 8):  # the machine may be busy
        status, said = call([*words, "-d%ds" % seconds, url], seconds + PATIENCE)
        assert status == 0, said
        assert "Socket errors" not in said and "Non-2xx" not in said, said
        if int(re.search(r"(\d+) requests in", said).group(1)) >= least:
            return
    raise AssertionError(said)


def test_wrk(context):
    need_tool("wrk")
    server = context.start("http_hello")
    wrk(server, least=100)
    stop(server)


def test_leavers(context):
    server = context.start("http_hello")
    before = server.descriptors()
    for data in (b"", GET[:10], GET, GET * 1000, b"NONSENSE"):
        for _ in range(20):
            connection = context.connect(server.port)
            connection.sendall(data)
            connection.close()
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    assert read_answer_of(context, server).body == GREETING
    stop(server)


def test_stops_on_signals(context):
    for number in (signal.SIGINT, signal.SIGTERM):
        server = context.start("http_hello")
        connections = [context.connect(server.port) for _ in range(20)]
        for connection in connections:
            connection.sendall(GET)
            assert read_answer(connection).status == 200
            connection.sendall(GET[:9])
        stop(server, number)
        assert all(ended_silently(connection) for connection in connections)


def ended_silently(connection):
    """By a reset where the server had not come to read all."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_bad_start(context):
    server = context.start("http_hello")
    program, address = context.program("http_hello"), "%s:%d" % (HOST, server.port)
    for word, name, *before in ((address, "EADDRINUSE"), ("nonsense", "EINVAL"),
                                ("header=0", "EINVAL", "127.0.0.1:0")):
        status, said = call([program, *before, word], env=context.environment())
        assert status == 1 and word in said and name in said, said
    stop(server)
