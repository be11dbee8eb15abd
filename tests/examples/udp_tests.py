"""The UDP echo server: what was sent comes back, whole, to whoever sent it; clients that are gone
and datagrams that are empty do not disturb it."""
import signal
import socket

from support import HOST, call, noise, stop, until


def client(context, server):
    """A socket with the server as its peer."""
    connection = context.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    connection.bind((HOST, 0))
    connection.connect((HOST, server.port))
    return connection


def test_every_size(context):
    server = context.start("udp_echo")
    connection = client(context, server)
    for size in (0, 1, 2, 1400, 1472, 1473, 9000, 65507):
        connection.send(noise(size, size + 1))
        assert connection.recv(65536) == noise(size, size + 1), "%d bytes" % size
    stop(server)


def test_many_at_once(context):
    """As many as the socket's buffers hold come back, each once, in order."""
    server = context.start("udp_echo")
    connection = client(context, server)
    for turn in range(5):
        sent = [b"%d of turn %d" % (number, turn) for number in range(100)]
        for text in sent:
            connection.send(text)
        assert [connection.recv(100) for _ in sent] == sent
    stop(server)


def test_to_its_sender(context):
    server = context.start("udp_echo")
    connections = [client(context, server) for _ in range(20)]
    for turn in range(3):
        for number, connection in enumerate(connections):
            connection.send(noise(100 + number, turn))
        for number, connection in enumerate(connections):
            assert connection.recv(1000) == noise(100 + number, turn), number
    stop(server)


def test_gone_clients(context):
    """Their hosts answer that nobody is there, which is nobody's error."""
    server = context.start("udp_echo")
    for _ in range(50):
        connection = client(context, server)
        connection.send(b"leaving")
        connection.close()
    connection = client(context, server)
    connection.send(b"still there")
    assert connection.recv(100) == b"still there"
    stop(server)


def test_bad_start(context):
    server = context.start("udp_echo")
    taken = "%s:%d" % (HOST, server.port)
    for word, name in ((taken, "EADDRINUSE"), ("nonsense", "EINVAL")):
        status, said = call([context.program("udp_echo"), word], env=context.environment())
        assert status == 1 and word in said and name in said, said
    stop(server)


def test_idle_costs_nothing(context):
    server = context.start("udp_echo")
    connection = client(context, server)
    connection.send(b"wake")
    connection.recv(10)
    server.rests(0.1, 0.5)
    stop(server)


def test_stops_when_asked(context):
    for number in (signal.SIGINT, signal.SIGTERM):
        server = context.start("udp_echo")
        connection = client(context, server)
        connection.send(b"x")
        connection.recv(10)
        stop(server, number)
        until(lambda: refuses(context, server), "the port is free again")


def refuses(context, server):
    connection = client(context, server)
    connection.settimeout(0.2)
    try:
        connection.send(b"anybody?")
        connection.recv(10)
    except ConnectionRefusedError:
        return True
    except socket.timeout:
        return False
    return False
