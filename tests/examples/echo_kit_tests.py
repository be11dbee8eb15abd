"""The server kit as a program: serving, a graceful end, sockets of a service manager."""
import os
import signal
import socket
import tempfile

from support import HOST, PATIENCE, Server, ended, noise, receive, receive_all, stop


def echoes(connection, size=5000):
    connection.sendall(noise(size))
    assert receive(connection, size) == noise(size)


def test_echo(context):
    server = context.start("echo_kit")
    connections = [context.connect(server.port) for _ in range(20)]
    for connection in connections:
        echoes(connection)
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b""
    stop(server)


def test_idle_connections_do_not_hold_it_up(context):
    server = context.start("echo_kit")
    idle = [context.connect(server.port) for _ in range(10)]
    last = context.connect(server.port)
    echoes(last)
    last.close()
    status, seconds = server.end(signal.SIGTERM)
    assert status == 0 and seconds < 0.9 * 10, (status, seconds)
    assert all(ended(connection) for connection in idle)


def activate(context, sockets, count=None, pid="$$", port="1"):
    """The program as a service manager starts it, with these sockets from descriptor 3 on."""

    def arrange():
        copies = [os.dup2(s.fileno(), 100 + number) for number, s in enumerate(sockets)]
        for number, copy in enumerate(copies):
            os.dup2(copy, 3 + number)
            os.set_inheritable(3 + number, True)

    script = "LISTEN_PID=%s LISTEN_FDS=%s exec %s %s:%s" % (
        pid, len(sockets) if count is None else count, context.program("echo_kit"), HOST, port)
    server = Server(["sh", "-c", script], context.environment(), arrange=arrange)
    context.servers.append(server)
    return server


def test_inherited_socket(context):
    """It serves on the first one, not on the address; the others are left alone."""
    listeners = [context.listen(), context.listen()]
    port = listeners[0].getsockname()[1]
    early = context.connect(port)  # before anybody accepts
    server = activate(context, listeners)
    assert server.wait_ready()
    echoes(early)
    echoes(context.connect(port))
    stop(server)


def test_inherited_socket_outlives_the_program(context):
    """Who comes while it restarts is served by the next one."""
    listener = context.listen()
    port = listener.getsockname()[1]
    for _ in range(2):
        between = context.connect(port)
        server = activate(context, [listener])
        assert server.wait_ready()
        echoes(between)
        between.close()
        stop(server)


def test_inherited_unix_socket(context):
    with tempfile.TemporaryDirectory() as folder:
        listener = context.keep(socket.socket(socket.AF_UNIX))
        listener.bind(folder + "/socket")
        listener.listen()
        server = activate(context, [listener])
        assert server.wait_ready()
        connection = context.keep(socket.socket(socket.AF_UNIX))
        connection.connect(folder + "/socket")
        echoes(connection)
        stop(server)


def test_variables_of_another_process(context):
    server = activate(context, [context.listen()], pid="1", port="0")
    assert server.wait_ready()
    stop(server)


def test_bad_variables(context):
    plain = context.keep(socket.socket())
    for sockets, count in (([plain], None), ([context.listen()], "x"), ([context.listen()], 40)):
        server = activate(context, sockets, count)
        assert not server.wait_ready()
        assert "EINVAL" in server.said() or "EBADF" in server.said(), server.said()


def test_connection_limit(context):
    """Beyond 1000 nobody is accepted; a place that is freed is taken."""
    server = context.start("echo_kit", descriptors=4096)
    connections = [context.connect(server.port) for _ in range(1000)]
    echoes(connections[-1], 10)
    late = context.connect(server.port)
    late.sendall(b"late")
    late.settimeout(0.2)
    try:
        assert not late.recv(4), "it was served"
    except socket.timeout:
        pass
    late.settimeout(PATIENCE)
    connections[0].close()
    assert receive(late, 4) == b"late"
    stop(server)
