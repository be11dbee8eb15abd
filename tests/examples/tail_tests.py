"""tail: whatever becomes of a file (it grows, is cut, renamed, deleted, made anew), each of its
lines is printed once, and in order."""
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from support import PATIENCE, Skip, call, until
from tail_tools import Tail, heed_permissions, lines, long_names


def unavailable(context, name):
    """Why the example cannot run on this row, or an empty text."""
    if not os.path.exists(context.program(name)):
        return "%s was not built" % name
    status, said = call([context.program(name), "/"], env=context.environment())
    return "" if status == 1 and "EISDIR" in said else "row %s: %s" % (context.row, said)


LINES = 20000


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


def test_long_names(context):
    """Longer than 255 bytes: of other files in the folder, of old ones, of the file itself."""
    own = "log" + "x" * 700
    with long_names() as folder:
        tail = Tail(context, ["link/" + own], links={"link": folder}, **{"link/" + own: "1\n"})
        tail.prints("1\n")
        tail.write("link/" + "y" * 1024, "of another\n")
        tail.write("link/" + own, "2\n")
        tail.prints("1\n2\n")
        with tail.paused():
            for number in range(3, 6):
                tail.rename("link/" + own, "link/" + "%d" % number * 1000)
                tail.write("link/" + own, "%d\n" % number)
        tail.prints("1\n2\n3\n4\n5\n")
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


def test_folder_comes_later(context):
    """What is in the way is told once, although it is looked for again and again."""
    tail = Tail(context, ["new/logs/log", "there"], "-n", "0", there="")
    tail.says("new/logs/log: No such file or directory (ENOENT)")
    tail.prints("==> there <==\n")
    os.mkdir(tail.path("new"))
    os.mkdir(tail.path("new/logs"))
    tail.write("new/logs/log", "1\n")
    tail.prints("==> there <==\n\n==> new/logs/log <==\n1\n")
    tail.write("new/logs/log", "2\n")
    tail.prints("==> there <==\n\n==> new/logs/log <==\n1\n2\n")
    tail.stop()
    assert tail.server.said().count("ENOENT") == 1, tail.server.said()


def test_folder_may_not_be_read_at_first(context):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "log"), "w") as file:
            file.write("1\n")
        os.chmod(folder, 0)
        tail = Tail(context, [os.path.join(folder, "log")], arrange=heed_permissions)
        tail.says("EACCES")
        os.chmod(folder, 0o700)
        until(lambda: tail.bytes == b"1\n", "the file is printed")
        tail.stop()


def test_folder_is_made_again(context):
    """Of the old one, whose file is held open, no event tells."""
    tail = Tail(context, ["logs/log"], **{"logs/log": "a\n"})
    wanted = "a\n"
    tail.prints(wanted)
    for turn in range(2):
        with open(tail.path("logs/log"), "a", 1) as old:
            shutil.rmtree(tail.path("logs"))
            os.mkdir(tail.path("logs"))
            tail.write("logs/log", "b1 %d\n" % turn)
            wanted += "b1 %d\n" % turn
            tail.prints(wanted)
            tail.write("logs/log", "b2 %d\n" % turn)
            wanted += "b2 %d\n" % turn
            tail.prints(wanted)
            old.write("late %d\n" % turn)
            wanted += "late %d\n" % turn
            tail.prints(wanted)
    tail.rename("logs/log", "logs/log.1")
    tail.write("logs/log", "c\n")
    tail.prints(wanted + "c\n")
    tail.stop()


def test_folder_is_gone_for_a_while(context):
    tail = Tail(context, ["logs/log"], **{"logs/log": "1\n"})
    tail.prints("1\n")
    tail.rename("logs", "away")
    tail.says("ENOENT")
    tail.write("away/log", "2\n")
    tail.prints("1\n2\n")
    tail.rename("away", "logs")
    tail.says("has appeared")
    tail.write("logs/log", "3\n")
    tail.prints("1\n2\n3\n")
    tail.stop()


def test_another_folder_has_the_name(context):
    """What gets the file's name in the old one is none of ours."""
    tail = Tail(context, ["a/logs/log"], **{"a/logs/log": "1\n", "b/logs/log": "2\n3\n"})
    tail.prints("1\n")
    tail.rename("a", "old")
    tail.rename("b", "a")
    tail.prints("1\n2\n3\n")
    tail.rename("old/logs/log", "old/logs/log.1")
    tail.write("old/logs/log", "wrong\n")
    tail.write("old/logs/log.1", "late\n")
    tail.prints("1\n2\n3\nlate\n")
    tail.write("a/logs/log", "4\n")
    tail.prints("1\n2\n3\nlate\n4\n")
    tail.stop()


def test_symlink_among_the_folders(context):
    tail = Tail(context, ["link/log"], links={"link": "a"}, **{"a/log": "1\n", "b/log": "2\n"})
    tail.prints("1\n")
    tail.lead("b")
    tail.prints("1\n2\n")
    tail.write("a/log", "3\n")
    tail.prints("1\n2\n3\n")
    tail.lead("nowhere")
    tail.says("ENOENT")
    tail.lead("a")
    tail.says("has appeared")
    tail.write("a/log", "4\n")
    tail.prints("1\n2\n3\n4\n")
    tail.stop()


def test_symlink_is_switched_before_the_events_are_read(context):
    """The files that they tell of have the names of others in the new folder."""
    tail = Tail(context, ["link/log"], links={"link": "a"},
                **{"a/log": "1\n", "b/log": "3\n", "b/log.1": "wrong\n"})
    tail.prints("1\n")
    with tail.paused():
        tail.rename("a/log", "a/log.2")
        tail.write("a/log", "2\n")
        tail.rename("a/log", "a/log.1")
        tail.write("a/log", "2\n")
        tail.lead("b")
    tail.prints("1\n3\n")
    tail.write("b/log", "4\n")
    tail.prints("1\n3\n4\n")
    tail.stop()


def test_symlink_into_a_folder_that_comes_later(context):
    tail = Tail(context, ["link"], links={"link": "middle", "middle": "logs/log"})
    tail.says("ENOENT")
    os.mkdir(tail.path("logs"))
    tail.write("logs/log", "1\n")
    tail.prints("1\n")
    shutil.rmtree(tail.path("logs"))
    os.mkdir(tail.path("logs"))
    tail.write("logs/log", "2\n")
    tail.prints("1\n2\n")
    tail.stop()


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
    tail.server.rests(0.05, 0.3)
    tail.stop()
    tail = Tail(context, ["nowhere/at/all"])
    tail.says("ENOENT")
    tail.server.rests(0.05, 0.3)  # though it waits for a folder
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
    refuses(context, ["/" + 300 * "x"], "ENAMETOOLONG")


def test_bad_file_beside_a_good_one(context):
    tail = Tail(context, [".", "a"], a="1\n")
    tail.says("EISDIR")
    tail.prints("==> a <==\n1\n")
    tail.stop()


def test_no_file_until_another_has_the_name(context):
    """A FIFO is opened once: who writes to it would take tail for its reader."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        os.mkfifo(path)
        tail = Tail(context, [path, "a"], a="1\n")
        tail.says("EINVAL")
        tail.prints("==> a <==\n1\n")
        os.rename(path, path + ".1")
        with open(path, "w") as file:
            file.write("2\n")
        until(lambda: tail.printed().endswith("/log <==\n2\n"), "the file is printed")
        tail.stop()
    assert tail.server.said().count("EINVAL") == 1, tail.server.said()


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
