"""What the tests of the examples share: starting and stopping a server, looking at its memory,
descriptors and processor time, and clients over plain sockets. Nothing here waits for a fixed time:
until() looks again and again, and gives up after a bound."""
import errno
import os
import random
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("AIO_BUILD", "build/release"))
SANITIZED = os.path.basename(BUILD).split("-")[0] in ("asan", "tsan")
PATIENCE = 30 if SANITIZED else 10  # seconds until something is taken for hung
MEMORY_SLACK = (16 if SANITIZED else 1) << 20  # bytes by which a server may grow
HOST = "127.0.0.1"


class Skip(Exception):
    """The test cannot run here; the text says why."""


def until(condition, what, seconds=PATIENCE):
    """Waits until condition() is true and gives its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited %g s in vain until %s" % (seconds, what)
        time.sleep(0.005)


def need_tool(name, package=None):
    """The path of a program from Debian."""
    path = shutil.which(name)
    if path is None:
        problem = "%s is not installed (Debian: %s)" % (name, package or name)
        if os.environ.get("AIO_TEST_REQUIRE_TOOLS") == "1":
            raise AssertionError(problem)
        raise Skip(problem)
    return path


def free_port():
    """A port nobody uses now. Somebody else may take it first: Context.start tries again."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def call(words, seconds=PATIENCE, **options):
    """Runs a command to its end: (exit status, everything it printed)."""
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=seconds, check=False, **options
    )
    return done.returncode, done.stdout


class Server:
    """An example that runs. said() is what it has printed to standard error."""

    def __init__(self, words, environment, descriptors=None, arrange=None):
        self.errors = tempfile.TemporaryFile("w+")
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.errors, preexec_fn=limit if descriptors else arrange, close_fds=not arrange,
        )
        self.pid = self.process.pid
        self.port = 0

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def wait_ready(self):
        """Whether it came so far as to listen; else it has ended."""
        readable = select.select([self.process.stdout], [], [], PATIENCE)[0]
        if readable and b" listening on " in self.process.stdout.readline():
            return True
        self.kill()
        return False

    def alive(self):
        return self.process.poll() is None

    def end(self, number=signal.SIGTERM, seconds=PATIENCE):
        """Asks it to stop; (its exit status, the seconds it took)."""
        start = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout=seconds)
        return status, time.monotonic() - start

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def memory(self):
        """Resident bytes."""
        with open("/proc/%d/status" % self.pid) as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def descriptors_without_pipes(self):
        """Of a server that keeps pipes for reuse."""
        folder, count = "/proc/%d/fd" % self.pid, 0
        for name in os.listdir(folder):
            try:
                count += not os.readlink(os.path.join(folder, name)).startswith("pipe:")
            except FileNotFoundError:  # closed meanwhile
                continue
        return count

    def processor_seconds(self):
        with open("/proc/%d/stat" % self.pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, seconds=1.0):
        """Processor seconds it uses in a second, measured."""
        start, used = time.monotonic(), self.processor_seconds()
        time.sleep(seconds)
        return (self.processor_seconds() - used) / (time.monotonic() - start)

    def rests(self, limit, seconds=1.0):
        """Waits until it uses less than so much of a processor. What it still had to do may count
        in the first measurement; one that spins fails them all."""
        until(lambda: self.load(seconds) < limit, "it uses less than %g of a processor" % limit)


class Context:
    """A row, and the servers and sockets of the test that runs; the end of a test ends them all."""

    def __init__(self, row):
        self.row = row
        self.servers, self.sockets = [], []

    def environment(self, **more):
        return dict(os.environ, AIO_BACKEND=self.row, **more)

    def program(self, name):
        return os.path.join(BUILD, "examples", name)

    def unavailable(self, name):
        """Why this example cannot run on this row, or an empty text."""
        if not os.path.exists(self.program(name)):
            return "%s was not built" % name
        try:
            server = Server([self.program(name), HOST + ":0"], self.environment())
        except OSError as problem:
            return "%s cannot be started: %s" % (name, problem)
        ready = server.wait_ready()
        server.kill()
        if ready:
            return ""
        return "row %s: %s" % (self.row, "; ".join(server.said().strip().split("\n")))

    def start(self, name, *more, descriptors=None):
        """A server that listens on a port of its own, server.port."""
        for _ in range(5):
            port = free_port()
            words = [self.program(name), "%s:%d" % (HOST, port), *more]
            server = Server(words, self.environment(), descriptors)
            if server.wait_ready():
                server.port = port
                self.servers.append(server)
                return server
            if "EADDRINUSE" not in server.said():
                break
        raise AssertionError("%s did not start: %s" % (name, server.said()))

    def keep(self, connection):
        connection.settimeout(PATIENCE)
        self.sockets.append(connection)
        return connection

    def connect(self, port):
        connection = self.keep(socket.create_connection((HOST, port), PATIENCE))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def bind(self, host=HOST, kind=socket.SOCK_STREAM):
        """A socket whose port is ours, so that nobody else can come to serve there, and where
        whoever connects is refused until it listens."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        holder = self.keep(socket.socket(family, kind))
        holder.bind((host, 0))
        if kind == socket.SOCK_DGRAM:  # datagrams of all others are refused now
            holder.connect(holder.getsockname())
        return holder

    def listen(self, backlog=16):
        listener = self.bind()
        listener.listen(backlog)
        return listener

    def silent_port(self):
        """Of one that does not even answer the handshake."""
        listener = self.listen(backlog=0)
        for _ in range(4):  # what does not fit in the backlog gets no answer
            queued = self.keep(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        return listener.getsockname()[1]

    def accept(self, listener):
        return self.keep(listener.accept()[0])

    def close_connections(self):
        for connection in self.sockets:
            connection.close()

    def clean_up(self):
        self.close_connections()
        for server in self.servers:
            server.kill()
        self.servers, self.sockets = [], []


def stop(server, number=signal.SIGTERM):
    """The server stops when asked, soon, with exit code 0 and no complaint."""
    status, _ = server.end(number)
    assert status == 0, "exit status %d: %s" % (status, server.said())
    assert server.said() == "", "it said: " + server.said()


def noise(count, seed=1):
    """Bytes that differ everywhere, the same for the same seed."""
    return random.Random(seed).randbytes(count)


def receive(connection, count):
    """Exactly count bytes, fewer only at the end of the stream."""
    pieces, missing = [], count
    while missing > 0:
        piece = connection.recv(min(missing, 1 << 16))
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def receive_all(connection):
    """Everything up to the end of the stream."""
    pieces = []
    while True:
        piece = connection.recv(1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def in_background(function, *arguments):
    """Runs a function in a thread; the result's join() gives what it returned or raised."""
    outcome = {}

    def work():
        try:
            outcome["value"] = function(*arguments)
        except BaseException as problem:  # handed on to the thread that joins
            outcome["problem"] = problem

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def join():
        thread.join(3 * PATIENCE)
        assert not thread.is_alive(), "%s hangs" % function.__name__
        if "problem" in outcome:
            raise outcome["problem"]
        return outcome["value"]

    return join


def fill(connection, limit):
    """Sends noise until nobody takes any more for a while; what was taken. Fails at limit."""
    data, sent = noise(limit, 7), 0
    connection.setblocking(False)
    while select.select([], [connection], [], 0.3)[1]:
        assert sent < limit, "%d bytes were taken although nobody reads" % sent
        try:
            sent += connection.send(data[sent : sent + (1 << 16)])
        except BlockingIOError:
            continue
    connection.settimeout(PATIENCE)
    return data[:sent]


def reset(connection):
    """Closes so that the peer gets a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ended(connection):
    """Whether the peer ended the connection, by an end or by a reset; drops what came before."""
    try:
        receive_all(connection)
    except ConnectionError as problem:
        return problem.errno in (errno.ECONNRESET, errno.EPIPE)
    return True
