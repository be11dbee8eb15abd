"""The file server under curl, wrk and raw sockets: right bytes, right answers to conditions and
ranges, and nothing of what lies outside its root."""
import email.utils
import os
import re
import socket
import tempfile
import time

from http_tests import Answer, post, refused, statuses, talk, wrk
from support import (HOST, PATIENCE, call, in_background, need_tool, noise, receive_all, reset,
                     stop, until)

LARGE = 5 << 30  # offsets beyond 4 GiB; the file is a hole
FOLDER = {}


def root():
    """The folder that is served, made once; it is removed when the process ends."""
    if not FOLDER:
        FOLDER["object"] = tempfile.TemporaryDirectory()
        make_root(os.path.join(FOLDER["object"].name, "root"))
    return os.path.join(FOLDER["object"].name, "root")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def make_root(path):
    os.makedirs(path + "/sub/deep")
    write(path + "/../secret.txt", b"secret\n")
    write(path + "/index.html", b"<p>hello</p>\n")
    write(path + "/sub/index.html", b"sub\n")
    write(path + "/sub/deep/data.txt", b"deep\n")
    write(path + "/empty", b"")
    write(path + "/.hidden", b"hidden\n")
    write(path + "/a b%c#?.txt", b"odd\n")
    write(path + "/unreadable", b"x")
    os.chmod(path + "/unreadable", 0)
    for name, size in (("small.bin", 1000), ("100k.bin", 100 << 10), ("big.bin", 20 << 20)):
        write(path + "/" + name, noise(size))
    with open(path + "/large.bin", "wb") as file:
        file.truncate(LARGE)
        os.pwrite(file.fileno(), b"beyond", (4 << 30) + 10)
    os.mkfifo(path + "/fifo")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path + "/socket")
    for name, target in (("inside", "sub/deep/data.txt"), ("outside", "../secret.txt"),
                         ("absolute", path + "/index.html"), ("loop", "loop"),
                         ("up", ".."), ("folder", "sub")):
        os.symlink(target, path + "/" + name)


def start(context, *more):
    return context.start("static", root(), *more)


def get(target, *fields, method=b"GET"):
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), b"Host: here", *fields, b"", b""])


def ask(context, server, target, *fields):
    """The answer to one request."""
    request = get(target, *fields, b"Connection: close")
    found = talk(context, server, request)
    assert len(found) == 1, found
    return found[0]


def content(name):
    with open(os.path.join(root(), name), "rb") as file:
        return file.read()


def curl(server, path, *words):
    """What curl saved, and what it printed."""
    target = os.path.join(FOLDER["object"].name, "got")
    status, said = call([need_tool("curl"), "-sS", "--max-time", "60", "--path-as-is", "-o", target,
                         *words, "http://%s:%d%s" % (HOST, server.port, path)])
    assert status == 0, "curl: %d: %s" % (status, said)
    with open(target, "rb") as file:
        return file.read(), said


def test_curl(context):
    server = start(context)
    for path, name in (("/", "index.html"), ("/small.bin", "small.bin"), ("/100k.bin", "100k.bin"),
                       ("/sub/", "sub/index.html"), ("/inside", "sub/deep/data.txt"),
                       ("/folder/deep/data.txt", "sub/deep/data.txt"), ("/empty", "empty"),
                       ("/a%20b%25c%23%3f.txt", "a b%c#?.txt"), ("//sub///", "sub/index.html"),
                       ("/big.bin?query", "big.bin")):
        got, said = curl(server, path, "-w", "%{http_code}")
        assert (said, got) == ("200", content(name)), (path, said)
    got, said = curl(server, "/sub?x=1", "-L", "-w", "%{http_code} %{url_effective}")
    assert got == b"sub\n" and said.endswith("/sub/?x=1"), said
    stop(server)


def test_curl_resumes(context):
    """A download that was broken off goes on where it stopped, if the file is the same."""
    server = start(context)
    whole, target = content("big.bin"), os.path.join(FOLDER["object"].name, "got")
    for range_, expected in (("0-0", whole[:1]), ("-5", whole[-5:]), ("1000000-", whole[1000000:]),
                             ("20971519-99999999", whole[-1:])):
        assert curl(server, "/big.bin", "-r", range_)[0] == expected, range_
    write(target, whole[:12345])
    assert curl(server, "/big.bin", "-C", "-")[0] == whole
    start_ = (4 << 30) + 8
    assert curl(server, "/large.bin", "-r", "%d-%d" % (start_, start_ + 9))[0] == b"\0\0beyond\0\0"
    stop(server)


def test_curl_conditions(context):
    server = start(context)
    tags = os.path.join(FOLDER["object"].name, "tag")
    assert curl(server, "/small.bin", "--etag-save", tags)[0] == content("small.bin")
    code = ("-w", "%{http_code}")
    assert curl(server, "/small.bin", "--etag-compare", tags, *code)[1] == "304"
    assert curl(server, "/small.bin", "-z", root() + "/small.bin", *code)[1] == "304"
    assert curl(server, "/small.bin", "-z", "1 Jan 2001", *code)[1] == "200"
    stop(server)


def test_heads(context):
    """HEAD has the head of GET, without the body."""
    server = start(context)
    for target in (b"/", b"/small.bin", b"/big.bin", b"/empty", b"/missing", b"/sub"):
        with_body = ask(context, server, target)
        connection = context.connect(server.port)
        connection.sendall(get(target, b"Connection: close", b"Range: bytes=0-1", method=b"HEAD"))
        without = Answer(receive_all(connection), head_only=True)
        connection.close()
        for answer in (with_body, without):
            del answer.fields[b"date"]
        assert (without.status, without.fields, without.left) == (
            with_body.status, with_body.fields, b""), target
    stop(server)


def test_fields(context):
    server = start(context)
    for target, kind in ((b"/", b"text/html; charset=utf-8"), (b"/small.bin", b"application/octet-"
                         b"stream"), (b"/inside", b"application/octet-stream"),
                         (b"/sub/deep/data.txt", b"text/plain; charset=utf-8")):
        answer = ask(context, server, target)
        assert answer.status == 200 and answer.fields[b"content-type"] == kind, target
        assert answer.fields[b"accept-ranges"] == b"bytes"
        changed = email.utils.parsedate_to_datetime(answer.fields[b"last-modified"].decode())
        assert abs(changed.timestamp() - time.time()) < 1000
        date = email.utils.parsedate_to_datetime(answer.fields[b"date"].decode())
        assert abs(date.timestamp() - time.time()) < 10 + PATIENCE
    stop(server)


def test_conditions(context):
    server = start(context)
    known = ask(context, server, b"/small.bin").fields
    tag, date = known[b"etag"], known[b"last-modified"].title().replace(b"Gmt", b"GMT")
    when = email.utils.parsedate_to_datetime(date.decode())
    old = b"Sunday, 06-Nov-94 08:49:37 GMT"
    asctime = when.strftime("%a %b %e %H:%M:%S %Y").encode()
    rfc850 = when.strftime("%A, %d-%b-%y %H:%M:%S GMT").encode()
    for status, fields in (
        (304, [b"If-None-Match: " + tag]),
        (304, [b"If-None-Match: W/" + tag]),
        (304, [b'If-None-Match: "a", "b,c" ,' + tag]),
        (304, [b'If-None-Match: "a"', b"If-None-Match: " + tag]),
        (304, [b"If-None-Match: *"]),
        (304, [b"If-Modified-Since: " + date]),
        (304, [b"If-Modified-Since: " + asctime]),
        (304, [b"If-Modified-Since: " + rfc850]),
        (200, [b"If-Modified-Since: " + old]),
        (200, [b"If-Modified-Since: yesterday"]),
        (200, [b'If-None-Match: "a"', b"If-Modified-Since: " + date]),
        (200, [b"If-None-Match: " + tag.strip(b'"')]),
        (200, [b"If-Match: " + tag, b"If-Unmodified-Since: " + date]),
        (412, [b"If-Match: W/" + tag]),
        (412, [b'If-Match: "a"']),
        (412, [b"If-Unmodified-Since: " + old]),
    ):
        request = get(b"/small.bin", *fields, b"Connection: close")
        connection = context.connect(server.port)
        connection.sendall(request)
        answer = Answer(receive_all(connection), head_only=True)
        connection.close()
        assert answer.status == status, (fields, answer.status)
        assert answer.left == (b"" if status == 304 else answer.left)
        assert status == 412 or answer.fields[b"etag"] == tag
    stop(server)


def test_ranges(context):
    server = start(context)
    data = content("small.bin")
    for wanted, first, end in ((b"0-9", 0, 10), (b"990-", 990, 1000), (b"-10", 990, 1000),
                               (b"-5000", 0, 1000), (b"999-99999999999999999999", 999, 1000),
                               (b" 5-6 ", 5, 7), (b"0-0,2000-", 0, 1)):
        answer = ask(context, server, b"/small.bin", b"Range: bytes=" + wanted)
        assert (answer.status, answer.body) == (206, data[first:end]), wanted
        told = b"bytes %d-%d/1000" % (first, end - 1)
        assert answer.fields[b"content-range"] == told, answer.fields
    for wanted in (b"1000-", b"-0", b"5000-6000,7000-"):
        answer = ask(context, server, b"/small.bin", b"Range: bytes=" + wanted)
        assert answer.status == 416 and answer.fields[b"content-range"] == b"bytes */1000", wanted
    many = b",".join(b"%d-%d" % (i * 10, i * 10) for i in range(17))
    for field in (b"bytes=", b"bytes=a-b", b"bytes=5-4", b"bytes=1", b"bytes=--1", b"lines=0-1",
                  b"bytes 0-1", b"bytes=0-1;2-3", b"bytes=0-9,5-15", b"bytes=0-9,0-9",
                  b"bytes=" + many, b"bytes=" + b"0-," * 1000):
        answer = ask(context, server, b"/small.bin", b"Range: " + field)
        assert (answer.status, answer.body) == (200, data), field
    assert ask(context, server, b"/empty", b"Range: bytes=0-").status == 200
    stop(server)


def parts(answer, size):
    """(first, bytes) of each part of a multipart answer."""
    boundary = re.fullmatch(rb"multipart/byteranges; boundary=(\w+)",
                            answer.fields[b"content-type"]).group(1)
    pieces = answer.body.split(b"\r\n--" + boundary)
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n", pieces
    for piece in pieces[1:-1]:
        head, _, body = piece.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Range: bytes (\d+)-(\d+)/(\d+)", head)
        first, last, whole = (int(word) for word in found.groups())
        assert whole == size and last - first + 1 == len(body)
        yield first, body


def test_several_ranges(context):
    server = start(context)
    data = content("big.bin")
    spec = [(0, 1), (10 << 20, 1 << 20), (500, 7), ((20 << 20) - 3, 3)]
    field = b",".join(b"%d-%d" % (first, first + size - 1) for first, size in spec)
    answer = ask(context, server, b"/big.bin", b"Range: bytes=" + field)
    assert answer.status == 206
    found = list(parts(answer, len(data)))
    assert [(first, len(body)) for first, body in found] == spec
    assert all(body == data[first : first + len(body)] for first, body in found)
    stop(server)


def test_if_range(context):
    server = start(context)
    known = ask(context, server, b"/small.bin").fields
    tag = known[b"etag"]
    for validator, status in ((tag, 206), (b'"other"', 200), (b"W/" + tag, 200),
                              (b"Sun, 06 Nov 1994 08:49:37 GMT", 200), (b"nonsense", 200)):
        answer = ask(context, server, b"/small.bin", b"Range: bytes=0-9", b"If-Range: " + validator)
        assert answer.status == status, validator
    stop(server)


def send_in_pieces(connection, request, ends):
    """Each but the last gets time to arrive by itself; if it does not, the answer is the same."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for begin, end in zip([0] + ends, ends + [len(request)]):
        connection.sendall(request[begin:end])
        if end < len(request):
            time.sleep(0.01)


def test_blanks_behind_values(context):
    """They are no part of a value, wherever the bytes are cut."""
    server = start(context)
    known = ask(context, server, b"/small.bin").fields
    tag, date = known[b"etag"], known[b"last-modified"].title().replace(b"Gmt", b"GMT")
    for status, field in ((200, b"If-Match: *"), (304, b"If-None-Match: *"),
                          (304, b"If-None-Match: " + tag), (304, b"If-Modified-Since: " + date),
                          (206, b"Range: bytes=0-9\r\nIf-Range: " + tag), (417, b"Expect: "),
                          (412, b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT")):
        for blanks in (b" ", b"\t", b" \t \t"):
            for after in (b"X-Last: x", b"Connection: close"):
                request = get(b"/small.bin", b"Connection: close", field + blanks, after)
                blank = request.index(field) + len(field)
                for ends in ([], [blank], [blank + 1], [blank, blank + len(blanks)]):
                    connection = context.connect(server.port)
                    send_in_pieces(connection, request, ends)
                    answer = Answer(receive_all(connection), head_only=True)
                    connection.close()
                    assert answer.status == status, (field, blanks, ends, answer.status)
    stop(server)


def test_traversal(context):
    """Whatever the path says, nothing outside is served; the refusals tell nothing of it."""
    server = start(context)
    for target in (b"/../secret.txt", b"/%2e%2e/secret.txt", b"/%2E%2e%2Fsecret.txt", b"/..",
                   b"/sub/../../secret.txt", b"/..%2fsecret.txt", b"/sub/%2e%2e/index.html",
                   b"/./index.html", b"/.hidden", b"/%2ehidden", b"/outside", b"/up/secret.txt",
                   b"/up", b"/absolute", b"/loop", b"/fifo", b"/socket", b"//../secret.txt",
                   b"/..%00", b"http://here/../secret.txt"):
        answer = ask(context, server, target)
        assert answer.status == 403 and b"secret" not in answer.body, (target, answer.status)
    for target in (b"/missing", b"/index.html/", b"/small.bin/x", b"/sub/deep/",
                   b"/%5c..%5csecret.txt", b"/" + b"n" * 300):
        answer = ask(context, server, target)
        assert answer.status in (400, 404) and b"secret" not in answer.body, target
    for target in (b"/%", b"/%2", b"/%zz", b"/%00", b"/a%0", b"*", b"/a#b", b"here:80"):
        assert refused(talk(context, server, get(target, b"Connection: close")), 400), target
    if os.geteuid() != 0:
        assert ask(context, server, b"/unreadable").status == 403
    stop(server)


def test_redirects_stay_here(context):
    """A path cannot be made into the name of another server."""
    server = start(context)
    for target, place in ((b"/sub", b"/sub/"), (b"//sub", b"/sub/"),
                          (b"/sub/deep?a=b", b"/sub/deep/?a=b"), (b"http://other/sub", b"/sub/"),
                          (b"/s%75b", b"/sub/")):
        answer = ask(context, server, target)
        assert (answer.status, answer.fields[b"location"]) == (301, place), target
    stop(server)


def test_refusals(context):
    server = start(context)
    host = b"Host: here\r\n"
    for request, status in (
        (post(b"Content-Length: 3", body=b"abc") + get(b"/", b"Connection: close"), 200),
        (get(b"/" + b"u" * 3000), 414),
        (get(b"/", b"X: " + b"z" * 9000), 431),
        (get(b"/", *[b"If-Match: " + b"z" * 500] * 12), 431),
        (post(b"Content-Length: 1000000"), 413),
        (post(b"Transfer-Encoding: chunked", body=b"20000\r\n" + b"z" * 0x20000), 413),
        (post(b"Content-Length: 3", b"Expect: 100-continue"), 417),
        (b"BREW / HTTP/1.1\r\n" + host + b"\r\n", 501),
        (b"GET / HTTP/2.0\r\n" + host + b"\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : here\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ):
        assert refused(talk(context, server, request), status), request[:60]
    for request in (b"HEAD / HTTP/1.1\r\n\r\n", get(b"/", b"X: " + b"z" * 9000, method=b"HEAD")):
        connection = context.connect(server.port)
        connection.sendall(request)
        said = receive_all(connection)
        connection.close()  # else the server waits for it
        assert said.endswith(b"\r\n\r\n") and said.count(b"\r\n\r\n") == 1, said
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS"):
        answer = talk(context, server, get(b"/", b"Connection: close", method=method))[0]
        assert answer.status == 405 and answer.fields[b"allow"] == b"get, head"
    stop(server)


def test_pipelining(context):
    """Large and small bodies, errors, requests with bodies: each answer is that of its turn."""
    server = start(context)
    requests = [get(b"/small.bin"), get(b"/missing"), post(b"Content-Length: 3", body=b"abc"),
                get(b"/100k.bin"), get(b"/small.bin", b"Range: bytes=0-1,5-6")] * 40
    found = talk(context, server, b"".join(requests) + get(b"/", b"Connection: close"))
    assert statuses(found) == [200, 404, 405, 200, 206] * 40 + [200]
    assert all(answer.body == content("100k.bin") for answer in found[3::5])
    assert all(answer.body == content("small.bin") for answer in found[0:-1:5])
    stop(server)


def test_many_at_once(context):
    """Several take a large file at the same time, some leave in the middle."""
    server = start(context)
    before = server.descriptors_without_pipes()
    whole, pending = content("big.bin"), []
    for i in range(12):
        connection = context.connect(server.port)
        connection.sendall(get(b"/big.bin", b"Connection: close"))
        if i % 3 == 0:
            assert connection.recv(1000)
            reset(connection)
        else:
            pending.append(in_background(receive_all, connection))
    for join in pending:
        assert Answer(join()).body == whole
    context.close_connections()
    until(lambda: server.descriptors_without_pipes() == before, "all descriptors are closed")
    stop(server)


def test_changed_files(context):
    """A file that changes is another version at once; another file under its name soon is."""
    server, path = start(context), os.path.join(root(), "changes")
    write(path, b"first")
    first = ask(context, server, b"/changes")
    write(path, b"a second one")
    second = ask(context, server, b"/changes")
    assert (first.body, second.body) == (b"first", b"a second one")
    assert first.fields[b"etag"] != second.fields[b"etag"]
    write(path + ".new", b"third")
    os.rename(path + ".new", path)
    until(lambda: ask(context, server, b"/changes").body == b"third", "the new file is served")
    os.unlink(path)
    until(lambda: ask(context, server, b"/changes").status == 404, "it is gone")
    until(lambda: descriptor_count(server, path) == 0, "it is let go")
    stop(server)


def descriptor_count(server, path):
    """How many descriptors of the server are that file's, deleted or not."""
    folder, count = "/proc/%d/fd" % server.pid, 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(os.path.join(folder, name)).startswith(path)
        except FileNotFoundError:  # closed meanwhile
            continue
    return count


def test_truncated_while_sent(context):
    """The connection ends early instead of hanging, and others are served."""
    server = start(context)
    path = os.path.join(root(), "shrinks.bin")
    write(path, noise(64 << 20))
    connection = context.connect(server.port)
    connection.sendall(get(b"/shrinks.bin"))
    got = len(connection.recv(1000))
    os.truncate(path, 1 << 20)
    got += len(receive_all(connection))
    assert 1000 <= got < 64 << 20
    assert ask(context, server, b"/small.bin").body == content("small.bin")
    os.unlink(path)
    stop(server)


def test_wrk(context):
    need_tool("wrk")
    server = start(context)
    for path, connections in (("/small.bin", 16), ("/100k.bin", 16), ("/big.bin", 2)):
        wrk(server, path, connections)
    stop(server)


def test_bad_start(context):
    server = start(context)
    program, address = context.program("static"), "%s:%d" % (HOST, server.port)
    for words, told, name in (([address, root()], address, "EADDRINUSE"),
                              (["nonsense", root()], "nonsense", "EINVAL"),
                              ([HOST + ":0", root(), "idle=0"], "idle=0", "EINVAL"),
                              ([HOST + ":0", root() + "/missing"], "missing", "ENOENT"),
                              ([HOST + ":0", root() + "/small.bin"], "small.bin", "ENOTDIR")):
        status, said = call([program, *words], env=context.environment())
        assert status == 1 and told in said and name in said, said
    stop(server)
