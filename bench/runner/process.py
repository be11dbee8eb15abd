"""Starting a program on one CPU, knowing when it listens, stopping it, reading its memory."""
import glob
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time

SERVER_CPU = 0
LOAD_CPU = 1


class BenchError(Exception):
    """A run that cannot be measured; the text says why."""


class NotHere(BenchError):
    """What is to be measured cannot be had on this machine, which is no failure."""


def raise_file_limit():
    """Ten thousand connections need as many descriptors, on either side."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin(*cpus, then=None):
    """For preexec_fn: the program runs on these CPUs alone, after `then`."""
    def prepare():
        os.sched_setaffinity(0, cpus)
        if then:
            then()
    return prepare


class Server:
    """A server process on SERVER_CPU. Use it with `with`; leaving the block stops it. The command's
    last word is the address, unless the command is a function that makes its words of that."""

    slow_down = None  # for every server: what makes its system calls dear, see slow.py

    def __init__(self, command, env=None, udp=False, ending=signal.SIGTERM):
        self.udp = udp
        self.ending = ending
        self.address = "127.0.0.1:%d" % free_port()
        words = command(self.address) if callable(command) else list(command) + [self.address]
        self.command = [str(word) for word in words]
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.errors = ""
        self.stopped = False

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            preexec_fn=pin(SERVER_CPU, then=Server.slow_down),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._wait_listening()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        code = self.stop()
        if kind is None and code != 0:
            raise BenchError("%s ended with code %d: %s"
                             % (self.command[0], code, self.first_error()))

    @property
    def pid(self):
        return self.process.pid

    def _reach(self, host, port):
        """Of UDP an echo is wanted, since nobody else would answer."""
        if not self.udp:
            socket.create_connection((host, port), 1).close()
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect((host, port))
            probe.send(b"?")
            probe.recv(1)

    def _wait_listening(self, seconds=10):
        host, port = self.address.split(":")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.stop()
                raise BenchError("%s did not start: %s"
                                 % (os.path.basename(self.command[0]), self.first_error()))
            try:
                self._reach(host, int(port))
                return
            except (ConnectionRefusedError, socket.timeout):
                time.sleep(0.01)
        raise BenchError("%s does not listen on %s" % (self.command[0], self.address))

    def stop(self):
        """Asks with a signal, which a good server answers by exit code 0."""
        if self.stopped:
            return self.process.returncode
        self.stopped = True
        if self.process.poll() is None:
            self.process.send_signal(self.ending)
        try:
            self.errors += self.process.communicate(timeout=10)[1] or ""
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.errors += self.process.communicate()[1] or ""
            self.errors += "(did not stop when it was asked)\n"
        return self.process.returncode

    def read_errors(self, seconds=0.2):
        """What stands on its standard error by now, without waiting for its end."""
        while select.select([self.process.stderr], [], [], seconds)[0]:
            chunk = os.read(self.process.stderr.fileno(), 65536).decode(errors="replace")
            if not chunk:
                break
            self.errors += chunk
        return self.errors

    def first_error(self):
        """The first thing it complained of, else its exit code."""
        lines = self.errors.strip().splitlines()
        told = [line for line in lines if "error" in line] or lines
        return told[0] if told else "exit code %s, no message" % self.process.returncode

    def cpu_ns(self):
        """Processor time of all its threads, those that the kernel works for it in included."""
        total = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.pid):
            with open(path) as file:
                total += int(file.read().split()[0])
        return total

    def private_bytes(self):
        """Resident memory that only this process has."""
        with open("/proc/%d/smaps_rollup" % self.pid) as file:
            sizes = re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", file.read(), re.M)
        return 1024 * sum(int(size) for size in sizes)
