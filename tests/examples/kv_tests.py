"""kv under Redis's own clients and under ones that split, pipeline and break the protocol; with one
core and with several, where a pipeline's keys belong to different cores."""
import socket

from support import HOST, call, ended, in_background, need_tool, noise, receive, reset, stop

CORES = ("1", "3")


def words(*arguments):
    """A request as clients send it."""
    pieces = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        pieces.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(pieces)


def bulk(data):
    return b"$%d\r\n%s\r\n" % (len(data), data)


def asks(connection, request, answer):
    connection.sendall(request)
    got = receive(connection, len(answer))
    assert got == answer, "%r was answered by %r" % (request[:80], got[:200])


def each(context):
    """A server and a connection for every number of cores."""
    for cores in CORES:
        server = context.start("kv", cores)
        yield server, context.connect(server.port)
        stop(server)


def test_commands(context):
    for _, connection in each(context):
        asks(connection, words("PING"), b"+PONG\r\n")
        asks(connection, words("ping", "hello"), bulk(b"hello"))
        asks(connection, words("ECHO", b"\x00\r\n"), bulk(b"\x00\r\n"))
        asks(connection, words("GET", "nothing"), b"$-1\r\n")
        asks(connection, words("SET", "key", "value"), b"+OK\r\n")
        asks(connection, words("GET", "key"), bulk(b"value"))
        asks(connection, words("SET", "key", ""), b"+OK\r\n")
        asks(connection, words("GET", "key"), bulk(b""))
        asks(connection, words("INCR", "n"), b":1\r\n")
        asks(connection, words("INCRBY", "n", -42), b":-41\r\n")
        asks(connection, words("DECR", "n"), b":-42\r\n")
        asks(connection, words("EXISTS", "n", "key", "none", "n"), b":3\r\n")
        asks(connection, words("DBSIZE"), b":2\r\n")
        asks(connection, words("DEL", "n", "key", "none"), b":2\r\n")
        asks(connection, words("FLUSHALL"), b"+OK\r\n")
        asks(connection, words("DBSIZE"), b":0\r\n")


def test_errors(context):
    for _, connection in each(context):
        asks(connection, words("SET", "text", "abc"), b"+OK\r\n")
        wrong = b"-ERR value is not an integer or out of range\r\n"
        asks(connection, words("INCR", "text"), wrong)
        asks(connection, words("SET", "big", str(2**63 - 1)), b"+OK\r\n")
        asks(connection, words("INCR", "big"), wrong)
        asks(connection, words("GET", "big"), bulk(b"9223372036854775807"))
        asks(connection, words("NONSENSE", "x"), b"-ERR unknown command 'NONSENSE'\r\n")
        asks(connection, words("GET"), b"-ERR wrong number of arguments for 'GET'\r\n")
        asks(connection, b"\r\n" + words("PING"), b"+PONG\r\n")


def breaks(context, request, answer):
    """A request after which the server answers this and ends the connection; others go on."""
    server = context.start("kv", "2")
    connection = context.connect(server.port)
    connection.sendall(request)
    assert receive(connection, len(answer)) == answer, answer
    assert ended(connection)
    asks(context.connect(server.port), words("PING"), b"+PONG\r\n")
    stop(server)


def test_bad_count(context):
    breaks(context, b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n")


def test_too_many_arguments(context):
    breaks(context, b"*1000000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n")


def test_bad_length(context):
    breaks(context, b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n")


def test_too_long(context):
    breaks(context, b"*1\r\n$999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n")


def test_endless_line(context):
    breaks(context, b"a" * 70000, b"-ERR Protocol error: too big inline request\r\n")


def test_quit_answers_what_came_before(context):
    breaks(context, words("SET", "a", 1) + words("QUIT") + words("SET", "a", 2), b"+OK\r\n+OK\r\n")


def test_a_byte_at_a_time(context):
    for _, connection in each(context):
        for byte in words("SET", "slow", b"v\r\nv"):
            connection.sendall(bytes([byte]))
        assert receive(connection, 5) == b"+OK\r\n"
        asks(connection, words("GET", "slow"), bulk(b"v\r\nv"))


def test_inline_commands(context):
    for _, connection in each(context):
        request = b"SET inline 5\r\nincr  inline\nGET inline\r\n"
        asks(connection, request, b"+OK\r\n:6\r\n" + bulk(b"6"))


def test_pipeline_over_all_cores(context):
    """Answers come in the order of the requests, whichever cores their keys belong to."""
    for _, connection in each(context):
        requests, answers = [], []
        for number in range(2000):
            key = "key:%d" % (number % 97)
            requests.append(words("INCR", key) + words("SET", "other:%d" % number, number))
            requests.append(words("PING", number) + words("GET", "other:%d" % number))
            text = str(number).encode()
            answers.append(b":%d\r\n+OK\r\n" % (number // 97 + 1) + bulk(text) + bulk(text))
        send = in_background(connection.sendall, b"".join(requests))
        wanted = b"".join(answers)
        assert receive(connection, len(wanted)) == wanted
        send()


def test_big_values(context):
    for _, connection in each(context):
        value = noise(1 << 20)
        asks(connection, words("SET", "big", value), b"+OK\r\n")
        asks(connection, words("GET", "big"), bulk(value))


def test_counters_of_many_clients(context):
    """Every increment counts, whichever core the client is on."""
    for server, connection in each(context):
        clients = [context.connect(server.port) for _ in range(20)]
        for client in clients:
            client.sendall(words("INCR", "shared") * 200)
        for client in clients:
            seen = [int(line[1:]) for line in receive_lines(client, 200)]
            assert seen == sorted(seen) and len(set(seen)) == 200
        asks(connection, words("GET", "shared"), bulk(b"4000"))


def receive_lines(connection, count):
    data = b""
    while data.count(b"\r\n") < count:
        data += connection.recv(1 << 16)
    return data.split(b"\r\n")[:count]


def test_clients_that_leave(context):
    for server, connection in each(context):
        for _ in range(30):
            client = context.connect(server.port)
            client.sendall(words("SET", "left", noise(100000)) + b"*3\r\n$3\r\nSET\r\n")
            reset(client)
        asks(connection, words("PING"), b"+PONG\r\n")


def test_redis_cli(context):
    cli = need_tool("redis-cli", "redis-tools")
    for server, _ in each(context):
        address = ["-h", HOST, "-p", str(server.port)]
        assert call([cli, *address, "set", "from cli", "a b"]) == (0, "OK\n")
        assert call([cli, *address, "get", "from cli"]) == (0, "a b\n")
        assert call([cli, *address, "incr", "n"]) == (0, "1\n")


def test_redis_benchmark(context):
    bench = need_tool("redis-benchmark", "redis-tools")
    for server, _ in each(context):
        for depth in ("1", "16"):
            asked = ["-t", "set,get,incr,ping", "-n", "5000", "-r", "1000", "-P", depth]
            status, text = call([bench, "-h", HOST, "-p", str(server.port), "-q", *asked])
            assert status == 0 and "rror" not in text, text
            assert all(name in text for name in ("SET: ", "GET: ", "INCR: ", "PING_INLINE: ")), text


def test_refuses_a_bad_number_of_cores(context):
    for cores in ("0", "x", "999"):
        status, text = call([context.program("kv"), HOST + ":0", cores])
        assert status == 2 and "usage: kv" in text, text


def test_address_in_use(context):
    listener = context.keep(socket.socket())
    listener.bind((HOST, 0))
    listener.listen(1)
    address = "%s:%d" % (HOST, listener.getsockname()[1])
    status, text = call([context.program("kv"), address, "2"], env=context.environment())
    assert status == 1 and "EADDRINUSE" in text, (status, text)
