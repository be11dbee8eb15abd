"""The parallel job runner: what it runs and how much of it at once, whose output is whose, and what
it leaves behind when it is stopped."""
import fcntl
import glob
import os
import pty
import re
import resource
import select
import signal
import subprocess
import tempfile
import time

from support import PATIENCE, SANITIZED, need_tool, until


def ordinary_signals():
    """A shell has some ignored in what it runs in the background."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(context, *words, before=(), **options):
    options = dict({"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                    "stderr": subprocess.PIPE, "preexec_fn": ordinary_signals}, **options)
    return subprocess.Popen([*before, context.program("run"), *words], text=True,
                            env=context.environment(), **options)


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def run(context, lines, *words, **options):
    """(exit code, standard output, standard error)"""
    process = start(context, *words, **options)
    out, errors = process.communicate(lines, timeout=PATIENCE)
    return process.returncode, out, errors


def test_one_at_a_time(context):
    lines = "echo one\n\n# a comment\n   \n  # another\necho two; echo err >&2\nexec echo three"
    code, out, errors = run(context, lines, "-j", "1")
    assert (code, out) == (0, "one\ntwo\nerr\nthree\n"), (code, out, errors)
    told = re.findall(r"^run: done after \d+\.\d\d s: (.*)$", errors, re.MULTILINE)
    assert told == ["echo one", "echo two; echo err >&2", "exec echo three"], errors


def test_lines_of_a_file(context):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("cat\necho %d\r\n" % os.getpid())  # nothing to read
        file.flush()
        code, out, errors = run(context, "", "-j1", file.name)
    assert (code, out) == (0, "%d\n" % os.getpid()), errors
    assert run(context, "") == (0, "", "")


def test_closed_standard_streams(context):
    """They are as /dev/null."""
    def close(*fds):
        def before():
            for fd in fds:
                os.close(fd)
        return before

    with tempfile.TemporaryDirectory() as folder:
        lines = os.path.join(folder, "lines")
        with open(lines, "w") as file:
            file.write("echo a; ls /proc/self/fd >&2; touch %s/done\n" % folder)
        for fds in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
            assert run(context, "", preexec_fn=close(*fds)) == (0, "", ""), fds
            code, out, errors = run(context, "", lines, preexec_fn=close(*fds))
            assert code == 0, (fds, out, errors)
            assert out == ("" if 1 in fds else "a\n0\n1\n2\n3\n"), (fds, out)
            assert ("run: done after" in errors) == (2 not in fds), (fds, errors)
            os.remove(folder + "/done")


def test_lines_of_a_fifo(context):
    """Whoever writes them comes later; until then it may be stopped."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        process = start(context, "-j1", path)
        with open(path, "w") as fifo:
            fifo.write("echo a\necho b\n")
        out, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (0, "a\nb\n"), (out, errors)
        process = start(context, path)
        until(lambda: caught(process.pid, signal.SIGINT), "it can be stopped")
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 2 and "stopped by a signal" in errors, errors


def test_started_with_sigchld_ignored(context):
    """As some programs start others."""
    code, out, errors = run(context, "echo a\nexit 0\n", preexec_fn=ignore_children)
    assert (code, out) == (0, "a\n"), (code, out, errors)


def test_so_many_at_once(context):
    """Four that wait for each other; and never more than two when two are allowed."""
    with tempfile.TemporaryDirectory() as folder:
        wait = "until test -e %s/3; do sleep 0.01; done" % folder
        lines = ["touch %s/%d; %s" % (folder, i, wait) for i in range(4)]
        assert run(context, "\n".join(lines), "-j4")[0] == 0
        count = "cd %s; mkdir run$$; echo run* | wc -w; sleep 0.02; rmdir run$$\n" % folder
        code, out, errors = run(context, 8 * count, "-j2")
    assert code == 0 and set(out.split()) <= {"1", "2"}, (out, errors)


def limit_files(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_descriptors(context):
    """Jobs that find none wait for others to end; and none sees any limit but that of run."""
    limit = limit_files(64, 64)
    lines = "".join("ulimit -Sn; ulimit -Hn; sleep 0.0%d\n" % (i % 10) for i in range(200))
    code, out, errors = run(context, lines, "-j200", preexec_fn=limit)
    assert (code, out) == (0, "64\n" * 400), (code, out[:1000], errors)
    process, mark = start_jobs(context, *["sleep %s"] * 50, words=["-j", "400"], least=10,
                               preexec_fn=limit)
    process.send_signal(signal.SIGTERM)
    check_stopped(process, mark, 50)


def test_few_descriptors_and_a_failure(context):
    """What waits to be started is not started any more when another one has failed."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ("touch %s/$$; %secho x; exit 3\n" % (folder, wait_for(folder, "go"))) * 200
        process = start(context, "-j200", preexec_fn=limit_files(64, 64))
        process.stdin.write(lines)
        process.stdin.close()
        process.stdin = None
        until(lambda: len(os.listdir(folder)) >= 5, "some jobs run")
        touch(folder, "go")
        out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and 5 <= out.count("x") < 100, (out.count("x"), errors)
    assert "cannot be run" not in errors and "stopped" not in errors, errors


def test_more_descriptors_than_the_limit(context):
    """Up to the hard one."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["ulimit -Sn; touch %s/%d; %s" % (folder, i, wait_for(folder, "49", 0.2))
                 for i in range(50)]
        code, out, errors = run(context, "\n".join(lines), "-j50", preexec_fn=limit_files(64, 1024))
    assert (code, out) == (0, "64\n" * 50), (code, out, errors)


def test_output_in_one_piece(context):
    lines = ["for n in 1 2 3 4 5; do echo %d; sleep 0.00%d; done; head -c 100000 /dev/zero | tr "
             "'\\0' x; echo" % (i, i) for i in range(6)]
    code, out, errors = run(context, "\n".join(lines), "-j6")
    assert code == 0, errors
    pieces = sorted(out.replace("x" * 100000 + "\n", "|").split("|"))
    assert pieces == [""] + ["%d\n" % i * 5 for i in range(6)], pieces


def test_failure_stops(context):
    code, out, errors = run(context, "echo a\nexit 3\necho b\n", "-j1")
    assert (code, out) == (2, "a\n"), (code, out)
    assert "run: failed with exit code 3 after" in errors and "1 done, 1 failed" in errors, errors


def test_keep_going(context):
    lines = "exit 3\necho a\nkill -KILL $$\n/no/such/program\necho b\n"
    code, out, errors = run(context, lines, "-k", "-j", "1")
    assert code == 2 and out.startswith("a\n") and out.endswith("b\n"), (code, out)
    assert "failed by signal 9" in errors and "2 done, 3 failed" in errors, errors


def test_bad_usage(context):
    for words in (["-j", "0"], ["-j", "x"], ["-j", "99999"], ["-j"], ["-x"], ["a", "b"]):
        code, out, errors = run(context, "echo never\n", *words)
        assert (code, out) == (2, "") and "usage: run" in errors, (words, out, errors)
    for path, name in (("/nowhere", "ENOENT"), ("/", "EISDIR")):
        code, _, errors = run(context, "", path)
        assert code == 2 and name in errors, errors
    code, _, errors = run(context, "echo " + "x" * 100000 + "\n")
    assert code == 2 and "too long" in errors, errors
    for text in ("echo a\0b\n", "echo a\0b"):
        code, out, errors = run(context, text)
        assert (code, out) == (2, "") and "NUL" in errors, (out, errors)


def test_much_output_is_cut(context):
    code, out, errors = run(context, "head -c 17000000 /dev/zero | tr '\\0' x\n")
    assert code == 0 and len(out) == 16 << 20, len(out)
    assert "output beyond 16 MiB was dropped" in errors, errors


def test_nobody_reads_the_output(context):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(context, stdout=writer)
    os.close(writer)
    errors = process.communicate("echo a\n", timeout=PATIENCE)[1]
    assert process.returncode == 2 and "EPIPE" in errors, (process.returncode, errors)


def test_output_cannot_be_written(context):
    with open("/dev/full", "w") as full:
        code, _, errors = run(context, "echo a\nexit 3\n", "-j1", "-k", stdout=full)
    assert code == 2 and "0 done, 2 failed" in errors, errors
    assert "run: output lost (ENOSPC) after" in errors and "done after" not in errors, errors
    code, _, errors = run(context, "echo a\n", stdout=subprocess.DEVNULL)
    assert code == 0 and "run: done after" in errors, errors


def wait_for(folder, name, seconds=0.01):
    """A command that waits for a file, and looks so often."""
    return "until test -e %s/%s; do sleep %g; done; " % (folder, name, seconds)


def touch(folder, name):
    with open(os.path.join(folder, name), "w"):
        pass


def read_until(fd, mark):
    said = b""
    while mark not in said:
        assert select.select([fd], [], [], PATIENCE)[0], said[-1000:]
        piece = os.read(fd, 64)
        assert piece, "it ended behind %r" % said[-1000:]
        said += piece
    return said


def read_to_end(fd):
    said = b""
    try:
        while piece := os.read(fd, 65536):
            said += piece
    except OSError:  # the end of a terminal
        pass
    os.close(fd)
    return said


def read_stalled(context, ours, theirs, first, mark):
    """What run writes when the reader, who has read up to the mark in what the first job writes,
    goes on only after others have ended."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(context, "-j4", "-k", stdout=theirs, stderr=theirs)
        os.close(theirs)
        process.stdin.write(first + "; touch %s/0\n" % folder)
        for i in (1, 2):
            wait = wait_for(folder, i - 1) + wait_for(folder, "go")
            process.stdin.write(wait + "touch %s/%d\n" % (folder, i))
        process.stdin.flush()
        said = read_until(ours, mark)
        touch(folder, "go")
        until(lambda: os.path.exists(os.path.join(folder, "2")), "the others have ended")
        process.stdin.close()
        said += read_to_end(ours)
        assert process.wait(timeout=PATIENCE) == 0, said[-1000:]
    return said


def test_reports_between_the_outputs(context):
    """Also where both go to one pipe, and an output lacks its end of line."""
    first = "head -c 300000 /dev/zero | tr '\\0' x"
    said = read_stalled(context, *os.pipe(), first, b"x")
    assert b"x" * 300000 + b"\nrun: done after" in said, said.replace(b"x" * 1000, b"")
    assert said.count(b"\nrun: done after") == 3, said.replace(b"x" * 1000, b"")


def look_at(pid):
    """Its state, and how often it has slept."""
    with open("/proc/%d/status" % pid) as status:
        text = status.read()
    return re.findall(r"^(?:State|voluntary_ctxt_switches):\t(\w+)", text, re.MULTILINE)


def rest(pid):
    """Waits until it sleeps on. (Where ThreadSanitizer keeps a signal for the task that runs, and
    that task ends, the signal is lost.)"""
    def sleeps():
        before = look_at(pid)
        time.sleep(0.02)
        return before[0] == "S" and look_at(pid) == before
    until(sleeps, "it has nothing to do")


def full(writer):
    return not select.select([], [writer], [], 0)[1]


def check_stalled(context, lines, stall, close):
    """Nobody reads what it writes to `stall`; run ends all the same when it is asked to."""
    mark = "1%09d" % (time.monotonic_ns() % 10**9)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
    process = start(context, "-j4", "-k", **{stall: writer})
    process.stdin.write(lines if close else "sleep %s\n" % mark + lines)
    process.stdin.flush()
    if close:
        process.stdin.close()
        process.stdin = None
    until(lambda: full(writer), "it waits for the reader")
    os.close(writer)
    until(lambda: running("sleep\0" + mark) == (0 if close else 1), "the job runs")
    rest(process.pid)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=PATIENCE)[1]
    os.close(reader)
    assert process.returncode == 2, (process.returncode, errors)
    assert not running("sleep\0" + mark)
    assert stall == "stderr" or "run: stopped by a signal" in errors, errors


def test_stopped_while_nobody_reads_the_output(context):
    for close in (False, True):
        check_stalled(context, "seq 1 100000\n" * 2, "stdout", close)


def test_stopped_while_nobody_reads_the_errors(context):
    for close in (False, True):
        check_stalled(context, "exit 3 # %s\n" % ("x" * 3000) * 6, "stderr", close)


def running(mark):
    """How many processes have the mark in their command line."""
    count = 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path) as words:
                count += mark in words.read()
        except OSError:  # it has ended
            continue
    return count


def caught(pid, number):
    """Whether the process has a handler for the signal."""
    with open("/proc/%d/status" % pid) as status:
        mask = next(line for line in status if line.startswith("SigCgt:"))
    return int(mask.split()[1], 16) >> (number - 1) & 1


def start_jobs(context, *scripts, words=("-j9",), least=None, **options):
    """Jobs that sleep for a time that no other process does; and how to know them. At least so many
    of them run, or all."""
    mark = "1%09d" % (time.monotonic_ns() % 10**9)
    process = start(context, "-k", *words, **options)
    process.stdin.write("".join(script % mark + "\n" for script in scripts))
    process.stdin.flush()  # and stays open: it waits for more
    until(lambda: running("sleep\0" + mark) >= (least or len(scripts)), "the jobs run")
    rest(process.pid)
    return process, mark


def check_stopped(process, mark, count):
    """It ends soon, has told so, and leaves none of the jobs behind; what they have written."""
    out, errors = process.communicate(timeout=PATIENCE)
    assert not running("sleep\0" + mark), "there are jobs left"
    assert process.returncode == 2, (process.returncode, out, errors)
    assert errors.count("run: stopped after") == count, errors
    assert "run: stopped by a signal" in errors, errors
    return out


def check_signal(context, number, *scripts):
    process, mark = start_jobs(context, *scripts)
    process.send_signal(number)
    return check_stopped(process, mark, len(scripts))


TIDIES = "trap 'echo tidied; exit 1' TERM; sleep %s & wait"
DEAF = "trap '' TERM; sleep %s"


def test_interrupted(context):
    """One that says that it has been asked to end, and one with a child."""
    assert check_signal(context, signal.SIGINT, "sleep %s & wait", TIDIES) == "tidied\n"


def test_hung_up(context):
    assert check_signal(context, signal.SIGHUP, "sleep %s & wait", TIDIES) == "tidied\n"


def test_quit(context):
    assert check_signal(context, signal.SIGQUIT, "sleep %s & wait", TIDIES) == "tidied\n"


def test_signals_ignored_from_the_start(context):
    """As by nohup."""
    process, mark = start_jobs(
        context, TIDIES, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert not caught(process.pid, signal.SIGHUP) and caught(process.pid, signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert check_stopped(process, mark, 1) == "tidied\n"


def has_time_to_tidy(send_two):
    """A job that is stopped by two signals near to each other. A busy machine may keep them apart
    for so long that the second one counts, and then it is tried again."""
    for _ in range(5):
        begin = time.monotonic()
        out = send_two()
        if out == "tidied\n":
            return
        assert time.monotonic() - begin > 0.5, "it wrote %r" % out
    raise AssertionError("the jobs have no time to end")


def test_two_signals_at_once(context):
    """They are no worse than one: jobs have time to end."""
    def send_two():
        process, mark = start_jobs(context, TIDIES)
        process.send_signal(signal.SIGSTOP)  # so that they come at the same time
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        return check_stopped(process, mark, 1)
    has_time_to_tidy(send_two)


def test_under_timeout(context):
    """It sends a signal to its child, and then to the child's group."""
    def send_two():
        process, mark = start_jobs(context, TIDIES, before=[need_tool("timeout"), "600"],
                                   start_new_session=True)
        with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as children:
            rest(int(children.read()))
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=PATIENCE)
        until(lambda: not running("sleep\0" + mark), "the jobs are gone")
        assert "run: stopped by a signal" in errors, (out, errors)
        return out
    has_time_to_tidy(send_two)


def test_second_signal(context):
    """It ends jobs that take their time, and not run before them."""
    for _ in range(5):  # the machine may be busy
        process, mark = start_jobs(context, DEAF, DEAF)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.6)
        process.send_signal(signal.SIGINT)
        assert check_stopped(process, mark, 2) == ""
        if time.monotonic() - begin < 1.9:  # they would have been killed then anyway
            return
    raise AssertionError("the second signal does not hurry")


def test_interrupted_at_any_time(context):
    """Whatever it is about just then, it leaves nobody behind."""
    mark = "1%09d" % (time.monotonic_ns() % 10**9)
    lines = "(trap '' TERM; exec sleep %s >/dev/null 2>&1) & wait\n" % mark * 40
    for step in range(12):
        process = start(context, "-j8", "-k")
        process.stdin.write(lines)
        process.stdin.flush()
        time.sleep(0.004 * step)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=5 if SANITIZED else PATIENCE)
        except subprocess.TimeoutExpired:
            assert SANITIZED, "the signal does not stop it"
            process.send_signal(signal.SIGINT)  # see rest
            process.communicate(timeout=PATIENCE)
        assert process.returncode in (2, -signal.SIGINT), process.returncode
        until(lambda: not running("sleep\0" + mark), "the jobs are gone")


def test_terminated(context):
    """One that does not end when it is asked to."""
    assert check_signal(context, signal.SIGTERM, DEAF, "exec sleep %s") == ""


def test_progress_on_a_terminal(context):
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as folder:
        process = start(context, "-j1", "-k", stderr=theirs)
        os.close(theirs)
        process.stdin.write("echo a\nfalse\n" + wait_for(folder, "go") + "echo b\n")
        process.stdin.close()
        process.stdin = None
        said = read_until(ours, b"\r\x1b[K1 running, 1 done, 1 failed")
        touch(folder, "go")
        out = process.communicate(timeout=PATIENCE)[0]
    said += read_to_end(ours)
    assert (process.returncode, out) == (2, "a\nb\n"), (process.returncode, out)
    assert b"failed with exit code 1" in said and b"run: done" not in said, said
    assert said.rstrip().endswith(b"run: 2 done, 1 failed"), said


def test_output_on_a_terminal(context):
    """Lines without an end stand there as well, and each message on a line of its own."""
    ours, theirs = pty.openpty()
    process = start(context, "-j1", "-k", stdout=theirs, stderr=theirs)
    os.close(theirs)
    process.stdin.write("printf one\nprintf two; false\necho three\nprintf four\n")
    process.stdin.close()
    said = read_to_end(ours)
    process.wait(timeout=PATIENCE)
    lines = said.decode().replace("\r\n", "\n").split("\n")
    shown = [re.sub(r"^.*\r\x1b\[K", "", line) for line in lines]  # what stands there in the end
    told = "run: failed with exit code 1 after"
    assert [line for line in shown if not line.startswith((told, "0 ", "1 "))] == [
        "one", "two", "three", "four", "run: 3 done, 1 failed", ""], said
    assert sum(line.startswith(told) for line in shown) == 1, said


def test_progress_between_the_outputs(context):
    """Also on a slow terminal."""
    said = read_stalled(context, *pty.openpty(), "seq 1 30000", b"\r\n100\r\n")
    block = b"".join(b"%d\r\n" % i for i in range(1, 30001))
    assert block in said, said[-1000:]
