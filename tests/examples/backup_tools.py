"""What the tests of the backup example need: trees and what they are, and files that cannot be
opened for a while."""
import fcntl
import os
import shutil
import signal
import tempfile

from support import Skip


class Trees:
    """A source and a place for a target, in memory where there is some."""

    def __init__(self):
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.home = tempfile.mkdtemp(prefix="aio-backup-", dir=where)
        self.source, self.target = self.home + "/source", self.home + "/target"
        os.mkdir(self.source)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for folder, _, _ in os.walk(self.home):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.home)

    def write(self, name, data=b"", mode=0o644, modified=1_600_000_000):
        path = os.path.join(self.source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        os.utime(path, (modified, modified))
        return path


def facts(top):
    """What a tree is: path, type, permissions, time and content of everything in it."""
    found = {}
    for folder, folders, files in os.walk(top.encode()):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if os.path.islink(path):
                content = os.readlink(path)
            else:
                content = b"" if os.path.isdir(path) else open(path, "rb").read()
            found[os.path.relpath(path, top.encode())] = (status.st_mode, status.st_mtime_ns,
                                                          content)
    return found


def same(trees):
    source, target = facts(trees.source), facts(trees.target)
    for path in sorted(set(source) | set(target)):
        assert source.get(path) == target.get(path), "%r differs" % path


class Lease:
    """While it is held, whoever opens the file waits: so a copy of it is held up."""

    def __init__(self, path):
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # that somebody waits
        self.file = os.open(path, os.O_RDWR)
        try:
            fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            os.close(self.file)
            raise Skip("this file system has no leases") from None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        os.close(self.file)
