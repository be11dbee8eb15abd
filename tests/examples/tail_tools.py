"""For the tests of tail: one that runs, and the files that it follows."""
import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
import threading

from support import BUILD, PATIENCE, Server, Skip, until


def heed_permissions():
    """In a new process: also the root user may not read what its mode forbids. (Others have none of
    these capabilities to lose.)"""
    drop, override, search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    prctl = ctypes.CDLL(None).prctl
    prctl(drop, override, 0, 0, 0)
    prctl(drop, search, 0, 0, 0)


def has_ended(server, folder):
    """A signal just before the server's next read has no effect before it reads something."""
    with contextlib.suppress(OSError):
        os.statvfs(folder)
    return server.poll() is not None


@contextlib.contextmanager
def long_names():
    """A folder whose names may be longer than 255 bytes."""
    program = os.path.join(BUILD, "tests", "names_fs")
    if not os.path.exists(program):
        raise Skip("it needs libfuse 3 (Debian: libfuse3-dev)")
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("it needs root and /dev/fuse")
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([program, folder])
        try:
            until(lambda: os.path.ismount(folder) or server.poll() is not None, "it is mounted")
            assert server.poll() is None, "names_fs has ended"
            yield folder
        finally:
            server.terminate()
            until(lambda: has_ended(server, folder), "names_fs ends")


class Tail:
    """A tail of files in a folder of its own. printed() is all that has come so far."""

    def __init__(self, context, names, *options, links=(), arrange=None, **contents):
        self.home = tempfile.TemporaryDirectory()
        self.folder = self.home.name
        for name in links:
            os.symlink(links[name], self.path(name))
        for name, text in contents.items():
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self.write(name, text)
        words = [context.program("tail"), *options, *(self.path(name) for name in names)]
        self.server = Server(words, context.environment(), arrange=arrange)
        context.servers.append(self.server)
        self.bytes = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            piece = os.read(self.server.process.stdout.fileno(), 1 << 16)
            if not piece:
                return
            self.bytes += piece

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode="a"):
        with open(self.path(name), mode) as file:
            file.write(text)

    def hide(self, name):
        """A file that nobody may read yet; as if made with such a umask."""
        os.close(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o200))

    def show(self, name):
        os.chmod(self.path(name), 0o600)

    def rename(self, old, new):
        os.rename(self.path(old), self.path(new))

    def is_stopped(self):
        with open("/proc/%d/stat" % self.server.pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"

    @contextlib.contextmanager
    def paused(self):
        """What happens inside is seen all at once."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            until(self.is_stopped, "it has stopped")
            yield
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def lead(self, target):
        """Makes the symlink "link" anew, as `ln -sfn` does."""
        os.symlink(target, self.path("new"))
        self.rename("new", "link")

    def printed(self):
        return self.bytes.decode().replace(self.folder + "/", "")

    def prints(self, text):
        """Waits until exactly this has been printed."""
        until(lambda: len(self.printed()) >= len(text), "%d bytes are printed" % len(text))
        assert self.printed() == text, "printed: %r" % self.printed()

    def says(self, text):
        until(lambda: text in self.server.said(), "it says: " + text)

    def stop(self, number=signal.SIGTERM):
        status, _ = self.server.end(number)
        self.reader.join(PATIENCE)
        assert status == 0, "exit status %d: %s" % (status, self.server.said())


def lines(first, last, word="line"):
    return "".join("%s %d\n" % (word, number) for number in range(first, last + 1))
