"""The HTTPS server under curl and openssl's own client, with certificates of the openssl command:
what a client checks is right, resumption works, and whatever is not TLS or not trusted ends."""
import os
import re
import socket
import ssl
import tempfile

from http_tests import check_slow_header
from support import HOST, PATIENCE, ROOT, call, need_tool, receive_all, stop, until

GREETING = "Hello, world!\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
FOLDER = tempfile.TemporaryDirectory(prefix="aio-https-")


def certificate():
    """A certificate for localhost and its key, made once: their paths."""
    paths = [os.path.join(FOLDER.name, name) for name in ("certificate.pem", "key.pem")]
    if not os.path.exists(paths[0]):
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
        words += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -days 2"
        words = [need_tool("openssl"), *words.split(), "-out", paths[0], "-keyout", paths[1]]
        status, said = call(words)
        assert status == 0, said
    return paths


def unavailable(context, name):
    """Why this suite cannot run on this row, or an empty text; `name` needs no TLS."""
    if not os.path.exists(context.program("https_hello")):
        return "https_hello was not built: it needs OpenSSL 3 (Debian: libssl-dev)"
    return context.unavailable(name)


def start(context, *more):
    return context.start("https_hello", *certificate(), *more)


def curl(server, *words, path="/", trusted=True, host="localhost"):
    """(exit status, what curl said)"""
    trust = ["--cacert", certificate()[0]] if trusted else []
    to = "%s:%d:%s" % (host, server.port, HOST)
    url = "https://%s:%d%s" % (host, server.port, path)
    command = [need_tool("curl"), "-sS", "--max-time", "10", "--resolve", to, *trust, *words, url]
    return call(command)


def connect(context, server, **options):
    """Python's client, which is OpenSSL too."""
    settings = ssl.create_default_context(cafile=certificate()[0])
    for name, value in options.items():
        setattr(settings, name, value)
    connection = settings.wrap_socket(context.connect(server.port), server_hostname="localhost")
    return context.keep(connection)


def test_curl(context):
    server = start(context)
    assert curl(server) == (0, GREETING)
    status, said = curl(server, "-I")
    assert status == 0 and "HTTP/1.1 200 OK" in said and "Hello" not in said, said
    assert "HTTP/1.1 404 " in curl(server, "-i", path="/other")[1]
    assert "HTTP/1.1 405 " in curl(server, "-i", "-X", "DELETE")[1]
    assert "HTTP/1.1 413 " in curl(server, "-i", "-d", "some=data")[1]
    stop(server)


def test_curl_keeps_the_connection(context):
    server = start(context)
    url = "https://localhost:%d/" % server.port
    status, said = curl(server, "-w", "%{num_connects}\n", url)
    assert status == 0 and re.findall(r"^(\d)$", said, re.MULTILINE) == ["1", "0"], said
    stop(server)


def test_curl_versions_and_protocols(context):
    server = start(context)
    for version in ("1.2", "1.3"):
        assert curl(server, "--tlsv" + version, "--tls-max", version) == (0, GREETING)
    assert curl(server, "--tls-max", "1.1")[0] == 35
    status, said = curl(server, "--http2", "-w", "%{http_version}")
    assert (status, said) == (0, GREETING + "1.1"), said
    stop(server)


def test_curl_trusts_nobody_else(context):
    server = start(context)
    assert curl(server, trusted=False)[0] == 60
    assert curl(server, host="elsewhere.test")[0] == 60
    assert curl(server) == (0, GREETING)
    stop(server)


def s_client(server, *words):
    words = [need_tool("openssl"), "s_client", "-connect", "%s:%d" % (HOST, server.port), *words]
    return call([*words, "-servername", "localhost", "-CAfile", certificate()[0]])


def test_openssl_client(context):
    server = start(context)
    status, said = s_client(server, "-verify_return_error", "-verify_hostname", "localhost")
    assert status == 0 and "Verify return code: 0 (ok)" in said, said
    status, said = s_client(server, "-alpn", "http/1.1")
    assert status == 0 and "ALPN protocol: http/1.1" in said, said
    status, said = s_client(server, "-alpn", "h2")
    assert status != 0 and "no application protocol" in said, said
    stop(server)


def test_openssl_client_resumes(context):
    """-reconnect connects five times more with the session of the first."""
    server = start(context)
    status, said = s_client(server, "-reconnect", "-tls1_2")
    assert status == 0 and len(re.findall(r"^Reused, TLSv1.2", said, re.MULTILINE)) == 5, said
    stop(server)


def test_openssl_client_resumes_1_3(context):
    """By a ticket that it has kept in a file."""
    server, session = start(context), os.path.join(FOLDER.name, "session")
    request = r"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for words, told in (("-sess_out " + session, "New"), ("-sess_in " + session, "Reused")):
        command = "printf '%s' | exec %s s_client -tls1_3 -ign_eof -connect %s:%d %s" % (
            request, need_tool("openssl"), HOST, server.port, words)
        status, said = call(["sh", "-c", command])
        assert status == 0 and GREETING in said, said
        assert re.search("^%s, TLSv1.3" % told, said, re.MULTILINE), said
    stop(server)


def test_goodbye(context):
    """The server says goodbye after the last answer: no truncation, in both versions."""
    server = start(context)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        connection = connect(context, server, maximum_version=version)
        connection.sendall(GET + LAST)
        assert receive_all(connection).count(GREETING.encode()) == 2
        assert connection.unwrap() is not None
    stop(server)


def test_renegotiation_is_refused(context):
    server = start(context)
    command = "echo R | exec openssl s_client -tls1_2 -connect %s:%d" % (HOST, server.port)
    assert need_tool("openssl")
    said = call(["sh", "-c", command])[1]
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said
    assert curl(server) == (0, GREETING)
    stop(server)


def test_garbage(context):
    server = start(context)
    before = server.descriptors()
    for data in (b"", GET, b"\x16\x03\x01\x02\x00\x01", b"\0" * 100, GET * 99):
        connection = context.connect(server.port)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            receive_all(connection)
        except ConnectionError:
            pass
        connection.close()
    until(lambda: server.descriptors() == before, "all descriptors are closed")
    assert curl(server) == (0, GREETING)
    stop(server)


def test_silence_ends(context):
    """A client that never shakes hands has 5 seconds; others are served meanwhile."""
    server = start(context)
    silent = context.connect(server.port)
    silent.settimeout(10 + PATIENCE)
    assert curl(server) == (0, GREETING)
    assert silent.recv(1) == b""
    stop(server)


def test_slow_header_is_refused(context):
    server = start(context, "header=2")
    check_slow_header(connect(context, server), lambda: curl(server) == (0, GREETING))
    stop(server)


def test_big_head(context):
    server = start(context)
    connection = connect(context, server)
    connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"z" * 5000)
    assert receive_all(connection) == b""
    stop(server)


def test_bad_start(context):
    program, paths = context.program("https_hello"), certificate()
    for words, name in (
        ([HOST + ":0", paths[0], "/nowhere.pem"], "ENOENT"),
        ([HOST + ":0", ROOT + "/LICENSE", paths[1]], "EINVAL"),
        (["nonsense", *paths], "EINVAL"),
    ):
        status, said = call([program, *words], env=context.environment())
        assert status == 1 and name in said, said
    for words in ([], [HOST + ":0", *paths, "header=0"], [HOST + ":0", *paths, "header=2", "x"]):
        assert call([program, *words], env=context.environment())[0] == 2
