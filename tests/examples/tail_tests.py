"""tail: whatever becomes of a file (it grows, is cut, renamed, deleted, made anew), each of its
lines is printed once, and in order."""
import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
import threading

from support import PATIENCE, Server, Skip, call, until


def unavailable(context, name):
    """Why the example cannot run on this row, or an empty text."""
    if not os.path.exists(context.program(name)):
        return "%s was not built" % name
    status, said = call([context.program(name), "/"], env=context.environment())
    return "" if status == 1 and "EISDIR" in said else "row %s: %s" % (context.row, said)


LINES = 20000


def heed_permissions():
    """In a new process: also the root user may not read what its mode forbids. (Others have none of
    these capabilities to lose.)"""
    drop, override, search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    prctl = ctypes.CDLL(None).prctl
    prctl(drop, override, 0, 0, 0)
    prctl(drop, search, 0, 0, 0)


class Tail:
    """A tail of files in a folder of its own. printed() is all that has come so far."""

    def __init__(self, context, names, *options, links=(), arrange=None, **contents):
        self.home = tempfile.TemporaryDirectory()
        self.folder = self.home.name
        for name in links:
            os.symlink(links[name], self.path(name))
        for name, text in contents.items():
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

    @contextlib.contextmanager
    def paused(self):
        """What happens inside is seen all at once."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
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


def test_last_lines(context):
    text = lines(1, 20000)
    for options, first in (((), 19991), (("-n", "3"), 19998), (("-n30000",), 1),
                           (("-n", "19000"), 1001), (("-n", "2", "-n1", "--"), 20000)):
        tail = Tail(context, ["a"], *options, a=text)
        tail.prints(lines(first, 20000))
        tail.write("a", "more\n")
        tail.prints(lines(first, 20000) + "more\n")
        tail.stop()


def test_no_last_lines(context):
    tail = Tail(context, ["a", "b"], "-n0", a="old\n", b="old\n")
    tail.prints("==> a <==\n\n==> b <==\n")
    tail.write("b", "new\n")
    tail.prints("==> a <==\n\n==> b <==\nnew\n")
    tail.stop()


def test_ends_without_newline(context):
    tail = Tail(context, ["a"], "-n", "2", a="one\ntwo\nthr")
    tail.prints("two\nthr")
    tail.write("a", "ee\n")
    tail.prints("two\nthree\n")
    tail.stop(signal.SIGINT)


def test_empty_and_blank(context):
    tail = Tail(context, ["a", "b"], "-n", "2", a="", b="\n\n\n")
    tail.prints("==> a <==\n\n==> b <==\n\n\n")
    tail.stop()


def test_several_files(context):
    tail = Tail(context, ["a", "b"], a="1\n", b="2\n")
    begin = "==> a <==\n1\n\n==> b <==\n2\n"
    tail.prints(begin)
    tail.write("b", "3\n")
    tail.prints(begin + "3\n")
    tail.write("a", "4\n")
    tail.prints(begin + "3\n\n==> a <==\n4\n")
    tail.stop()


def test_rotation(context):
    """The old file is written to after its name has gone to a new one."""
    tail = Tail(context, ["log"], log="1\n")
    tail.prints("1\n")
    with open(tail.path("log"), "a", 1) as old:
        tail.rename("log", "log.1")
        old.write("2\n")
        tail.prints("1\n2\n")
        tail.write("log", "3\n")
        tail.prints("1\n2\n3\n")
        old.write("4\n")
        tail.prints("1\n2\n3\n4\n")
    tail.write("log", "5\n")
    tail.prints("1\n2\n3\n4\n5\n")
    tail.stop()


def test_many_rotations(context):
    """Names come and go as soon as what was written is printed: no line is lost or doubled."""
    tail = Tail(context, ["log"], log="begin\n")
    tail.prints("begin\n")
    number = 0
    for turn in range(40):
        number += 50
        tail.write("log", lines(number - 49, number))
        until(lambda: tail.printed().endswith("line %d\n" % number), "turn %d is printed" % turn)
        if turn % 2:
            tail.rename("log", "log.1")
        else:
            os.unlink(tail.path("log"))
    tail.prints("begin\n" + lines(1, number))
    tail.stop()


def test_rotations_without_a_pause(context):
    """Most files are another's predecessor before anybody has looked: each is read all the same."""
    tail = Tail(context, ["log"], log="begin\n")
    tail.prints("begin\n")
    last = 0
    for turn in range(60):
        last += 5
        with open(tail.path("log"), "a") as file:
            file.write(lines(last - 4, last - 2))
            if turn % 3:
                tail.rename("log", "log.%d" % turn)
            file.write(lines(last - 1, last))
        if turn % 3 == 0:
            tail.rename("log", "log.%d" % turn)
    tail.write("log", "end\n")
    until(lambda: tail.printed().endswith("end\n"), "all is printed")
    assert tail.printed() == "begin\n" + lines(1, last) + "end\n", tail.printed()
    tail.stop()


def test_numbers_that_move(context):
    """As logrotate does it: log.1 becomes log.2 before log becomes log.1, time after time."""
    tail = Tail(context, ["log"], log="begin\n")
    tail.prints("begin\n")
    for turn in range(1, 25):
        tail.write("log", lines(10 * turn - 9, 10 * turn))
        for number in range(turn - 1, 0, -1):
            tail.rename("log.%d" % number, "log.%d" % (number + 1))
        tail.rename("log", "log.1")
    until(lambda: tail.printed().endswith("line 240\n"), "all is printed")
    assert tail.printed() == "begin\n" + lines(1, 240), tail.printed()
    tail.stop()


def test_old_ones_are_written_to(context):
    """Also when they have been replaced twice."""
    tail = Tail(context, ["log"], log="0\n")
    tail.prints("0\n")
    wanted, old = "0\n", []
    for turn in range(1, 3):
        old.append(open(tail.path("log"), "a", 1))
        tail.rename("log", "log.%d" % turn)
        tail.write("log", "%d\n" % turn)
        wanted += "%d\n" % turn
        tail.prints(wanted)
    for turn, file in enumerate(old):
        file.write("late %d\n" % turn)
        wanted += "late %d\n" % turn
        tail.prints(wanted)
        file.close()
    tail.stop()


def test_gone_before_it_was_seen(context):
    tail = Tail(context, ["log"], log="0\n")
    tail.prints("0\n")
    for turn in range(100):
        tail.write("log", "", "w")
        os.unlink(tail.path("log"))
    tail.write("log", "1\n")
    tail.prints("0\n1\n")
    tail.stop()


def test_more_than_the_kernel_queues(context):
    """What the kernel has not told of is found all the same, if it has the name by then."""
    with open("/proc/sys/fs/inotify/max_queued_events") as limit:
        rounds = int(limit.read()) // 4 + 10
    if rounds > 20000:
        raise Skip("fs.inotify.max_queued_events is too many to fill")
    tail = Tail(context, ["log"], log="0\n")
    tail.prints("0\n")
    with tail.paused():
        for _ in range(rounds):
            tail.rename("log", "other")
            tail.rename("other", "log")
        tail.write("log", "1\n")
        tail.rename("log", "other")
        tail.write("log", "2\n")
    tail.prints("0\n1\n2\n")
    tail.write("other", "3\n")
    tail.prints("0\n1\n2\n3\n")
    tail.write("log", "4\n")
    tail.prints("0\n1\n2\n3\n4\n")
    tail.stop()


def test_symlink(context):
    """What it leads to is rotated; then it is made to lead elsewhere, to nothing, and back."""
    with tempfile.TemporaryDirectory() as other:
        real = os.path.join(other, "real")
        with open(real, "w") as file:
            file.write("1\n2\n")
        tail = Tail(context, ["link"], "-n1", links={"link": "middle", "middle": real})
        tail.prints("2\n")
        os.rename(real, real + ".1")
        with open(real, "w") as file:
            file.write("3\n")
        tail.prints("2\n3\n")
        tail.write("beside", "4\n")
        tail.lead("beside")
        tail.prints("2\n3\n4\n")
        with open(real, "a") as file:
            file.write("5\n")
        tail.prints("2\n3\n4\n5\n")
        tail.lead("later")
        tail.says("ENOENT")
        tail.write("later", "6\n")
        tail.prints("2\n3\n4\n5\n6\n")
        tail.says("has appeared")
        tail.lead("link")
        tail.says("ELOOP")
        tail.lead(real)
        tail.write("later", "7\n")
        tail.prints("2\n3\n4\n5\n6\n7\n")
        tail.stop()


def test_renamed_back(context):
    tail = Tail(context, ["log"], log="1\n")
    tail.prints("1\n")
    tail.rename("log", "other")
    tail.says("ENOENT")
    tail.write("log", "2\n")
    tail.prints("1\n2\n")
    tail.rename("other", "log")
    tail.says("was replaced")
    tail.write("log", "3\n")
    tail.prints("1\n2\n3\n")
    tail.stop()


def test_truncated(context):
    tail = Tail(context, ["log"], log=lines(1, 10))
    tail.prints(lines(1, 10))
    tail.write("log", "anew\n", "w")
    tail.prints(lines(1, 10) + "anew\n")
    tail.says("was truncated")
    tail.write("log", "on\n")
    tail.prints(lines(1, 10) + "anew\non\n")
    tail.stop()


def test_deleted_and_back(context):
    tail = Tail(context, ["log"], log="1\n")
    tail.prints("1\n")
    os.unlink(tail.path("log"))
    tail.says("No such file or directory (ENOENT)")
    tail.write("log", "2\n")
    tail.prints("1\n2\n")
    tail.says("has appeared")
    tail.stop()


def test_comes_later(context):
    tail = Tail(context, ["late", "there"], there="1\n")
    tail.prints("==> there <==\n1\n")
    tail.says("late: No such file or directory (ENOENT)")
    tail.write("late", "2\n")
    tail.prints("==> there <==\n1\n\n==> late <==\n2\n")
    tail.stop()


def test_rotated_before_it_may_be_read(context):
    tail = Tail(context, ["log"], arrange=heed_permissions, log="0\n")
    tail.prints("0\n")
    tail.rename("log", "log.1")
    tail.hide("log")
    tail.says("EACCES")
    tail.write("log", "1\n")
    tail.write("log.1", "old\n")
    tail.prints("0\nold\n")
    tail.show("log")
    tail.prints("0\nold\n1\n")
    tail.says("has appeared")
    tail.write("log", "2\n")
    tail.prints("0\nold\n1\n2\n")
    tail.stop()
    assert tail.server.said().count("EACCES") == 1, tail.server.said()


def test_may_be_read_and_is_rotated(context):
    """Both at once: nobody looks in between."""
    tail = Tail(context, ["log"], arrange=heed_permissions)
    tail.says("ENOENT")
    tail.hide("log")
    tail.says("EACCES")
    tail.write("log", "1\n")
    with tail.paused():
        tail.show("log")
        tail.rename("log", "log.1")
        tail.write("log", "2\n")
    tail.prints("1\n2\n")
    tail.stop()


def test_may_not_be_read_at_first(context):
    """All of it is new when it appears."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        with open(path, "w") as file:
            file.write("1\n2\n")
        os.chmod(path, 0)
        tail = Tail(context, [path], "-n", "1", arrange=heed_permissions)
        tail.says("EACCES")
        os.chmod(path, 0o600)
        tail.prints("1\n2\n")
        tail.stop()
    assert tail.server.said().count("EACCES") == 1, tail.server.said()


def test_many_lines_fast(context):
    """Of several writers at once: everything of each, in order."""
    tail = Tail(context, ["a", "b"], a="", b="")
    tail.prints("==> a <==\n\n==> b <==\n")

    def pour(name):
        with open(tail.path(name), "a") as file:
            for number in range(1, LINES + 1):
                file.write("%s %d\n" % (name, number))

    writers = [threading.Thread(target=pour, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lasts = ["%s %d\n" % (name, LINES) for name in "ab"]
    until(lambda: all(last in tail.printed() for last in lasts), "all is printed")
    tail.stop()
    parts = {"a": "", "b": ""}
    for part in tail.printed().split("==> ")[1:]:
        parts[part[0]] += part[len("a <==\n"):]
    for name in "ab":
        # the blank line before a header looks like the end of a line that is cut there
        assert parts[name].replace("\n", "") == lines(1, LINES, name).replace("\n", ""), name


def test_costs_nothing_when_idle(context):
    tail = Tail(context, ["a"], a="1\n")
    tail.prints("1\n")
    assert tail.server.load(0.3) < 0.05, "it spins"
    tail.stop()


def refuses(context, words, *expected):
    status, said = call([context.program("tail"), *words], env=context.environment())
    assert status == 1, "exit status %d: %s" % (status, said)
    missing = [word for word in expected if word not in said]
    assert not missing, "not said: %s, but: %s" % (missing, said)


def test_bad_input(context):
    for words in ([], ["-n"], ["-n", "x", "a"], ["-n", "-1", "a"], ["-n", "", "a"], ["-x", "a"]):
        refuses(context, words, "usage: tail")
    refuses(context, ["/"], "tail: /", "EISDIR", "no file to follow")
    refuses(context, ["/dev/null"], "tail: /dev/null", "EINVAL")
    refuses(context, ["/nowhere/at/all"], "/nowhere/at/all", "ENOENT")


def test_bad_file_beside_a_good_one(context):
    tail = Tail(context, [".", "a"], a="1\n")
    tail.says("EISDIR")
    tail.prints("==> a <==\n1\n")
    tail.stop()


def test_output_that_nobody_reads(context):
    """A sentence and exit code 1; no signal."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("1\n")
        file.flush()
        readable, writable = os.pipe()
        os.close(readable)
        done = subprocess.run(
            [context.program("tail"), file.name], env=context.environment(), stdout=writable,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
            check=False,
        )
        os.close(writable)
        assert done.returncode == 1, done.returncode
        assert "EPIPE" in done.stderr, done.stderr
