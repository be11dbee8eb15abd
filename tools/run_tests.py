#!/usr/bin/env python3
"""Runs test programs: a process per suite and row, several at a time, each with a time limit.

A program prints its suites (--list) and its rows (--rows), runs one of them (--suite S --row R),
and ends with a line "N passed, N failed" (", N skipped" may follow). Exit status 0: passed, 77: the
row cannot be had here, anything else: failed. The last line printed here adds all of them up.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)
VALGRIND = "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"

ALIVE = set()  # processes that an interrupt has to end

# What a sanitizer does when it finds something; what the environment says goes before it.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=50",
}
SANITIZED = ("asan", "tsan")
SLOWER = {"release": 1, "debug": 1, "asan": 3, "tsan": 6}


class Result:
    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped = name, 0, 0, 0
        self.seconds, self.output, self.remark = 0.0, "", ""


def arguments():
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    processors = len(os.sched_getaffinity(0))
    parser.add_argument("programs", nargs="+", help="test programs; *.py are run by this Python")
    parser.add_argument("--suite", default="", help="only these programs or suites (a,b)")
    parser.add_argument("--row", default="", help="only these rows (a,b)")
    parser.add_argument("--filter", default="", help="only where program/suite contains this")
    parser.add_argument("--valgrind", default="", help="only these suites, under Valgrind")
    parser.add_argument("--wrapper", default="", help="a command put before each program")
    parser.add_argument("--jobs", type=int, default=processors, help="processes at a time")
    parser.add_argument("--repeat", type=int, default=1, help="run everything so many times")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one suite and row")
    parser.add_argument("--mode", choices=sorted(SLOWER), default="release", help="of the build")
    parser.add_argument("--verbose", action="store_true", help="print all output")
    return parser.parse_args()


def command_of(program, options):
    words = [sys.executable] if program.endswith(".py") else shlex.split(options.wrapper)
    if options.valgrind:
        words = shlex.split(VALGRIND) + words
    if options.mode in SANITIZED:  # it needs its part of the address space as it expects it
        words = ["setarch", "-R"] + words
    return words + [program]


def names(program, flag, options):
    """What a program prints for --list or --rows, a name per line."""
    words = [sys.executable] if program.endswith(".py") else shlex.split(options.wrapper)
    answer = subprocess.run(
        words + [program, flag], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        timeout=60, check=True,
    )
    return answer.stdout.split()


def chosen(wanted, *candidates):
    return not wanted or any(word in candidates for word in wanted.split(","))


def plan(options):
    """All (program, suite, row) that the options leave."""
    runs = []
    for program in options.programs:
        base = os.path.splitext(os.path.basename(program))[0]
        short = os.path.basename(os.path.dirname(program)) if base == "run" else base
        if options.valgrind and program.endswith(".py"):
            continue
        rows = [row for row in names(program, "--rows", options) if chosen(options.row, row)]
        for suite in names(program, "--list", options):
            label = "%s/%s" % (short, suite)
            lists = (options.suite, options.valgrind)
            keep = all(chosen(wanted, short, suite, label) for wanted in lists)
            if keep and options.filter in label:
                runs += [(program, short, suite, row) for row in rows]
    return runs * options.repeat


def time_limit(options):
    return options.timeout * SLOWER[options.mode] * (4 if options.valgrind else 1)


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def finish(process, limit):
    """The exit status, or None when the limit was reached. Nothing of its group is left running."""
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill_group(process)
        process.wait()
        ALIVE.discard(process)


def clean_up(pid):
    """Removes what a test that was killed has left, see test_temporary() of tests/harness."""
    for folder in ("/tmp", "/dev/shm"):
        for path in glob.glob("%s/aio-test-%d-*" % (folder, pid)):
            if path in mount_points():
                subprocess.run(["umount", "--lazy", path], check=False)
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def mount_points():
    with open("/proc/self/mounts") as mounts:
        return [line.split()[1] for line in mounts]


def judge(result, status):
    """Turns output and exit status into counts. A crash, a hang, or silence is one failure."""
    found = SUMMARY.findall(result.output)
    if status == SKIPPED:
        result.skipped, result.remark = 1, reason(result.output)
        return
    if found:
        result.passed, result.failed, result.skipped = (int(n or 0) for n in found[-1])
    if status is None:
        result.remark = "killed at its time limit"
    elif status < 0:
        result.remark = "killed by %s" % signal.Signals(-status).name
    elif status != 0:
        result.remark = "exit status %d" % status
    elif not found:
        result.remark = "no closing line"
    if result.remark and not result.failed:
        result.failed = 1


def reason(output):
    """Why a row was skipped: the last line that is not the closing one."""
    lines = [line for line in output.splitlines() if line.strip() and not SUMMARY.match(line)]
    return lines[-1].strip() if lines else ""


def run(job, options):
    program, short, suite, row = job
    result = Result("%s/%s [%s]" % (short, suite, row) if row != "-" else "%s/%s" % (short, suite))
    command = command_of(program, options) + ["--suite", suite, "--row", row]
    environment = dict(SANITIZERS) if options.mode in SANITIZED else {}
    environment.update(os.environ)
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:  # not a pipe, which a stray grandchild could keep open
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True, env=environment,
        )
        ALIVE.add(process)
        status = finish(process, time_limit(options))
        clean_up(process.pid)
        out.seek(0)
        result.output = out.read().decode(errors="replace")
    result.seconds = time.monotonic() - start
    judge(result, status)
    return result


def show(result, verbose):
    word = "FAIL" if result.failed else "skip" if result.skipped and not result.passed else "ok"
    counts = "%d passed" % result.passed
    if result.failed:
        counts += ", %d failed" % result.failed
    if result.skipped:
        counts += ", %d skipped" % result.skipped
    remark = "  (%s)" % result.remark if result.remark else ""
    print("%-4s %-44s %6.2f s  %s%s" % (word, result.name, result.seconds, counts, remark))
    if result.failed or verbose:
        print("".join("     | %s\n" % line for line in result.output.splitlines()), end="")
    sys.stdout.flush()


class Times:
    """How long each took the last time: the longest go first, so that the end has no tail."""

    def __init__(self, options):
        self.path = os.path.join(os.environ.get("AIO_BUILD", ""), "test-times.json")
        try:
            with open(self.path) as old:
                self.seconds = json.load(old)
        except (OSError, ValueError):
            self.seconds = {}

    def key(self, job):
        return " ".join(job[1:])

    def sort(self, jobs):
        return sorted(jobs, key=lambda job: -self.seconds.get(self.key(job), 60))

    def save(self):
        if os.environ.get("AIO_BUILD"):
            with open(self.path, "w") as new:
                json.dump(self.seconds, new, indent=0)


def run_all(jobs, options, times):
    """Runs the jobs and shows each as it ends; an interrupt ends what is running."""
    results = []
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        running = {pool.submit(run, job, options): job for job in jobs}
        try:
            for future in concurrent.futures.as_completed(running):
                result = future.result()
                times.seconds[times.key(running[future])] = round(result.seconds, 2)
                results.append(result)
                show(result, options.verbose)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(ALIVE):
                kill_group(process)
            raise
    times.save()
    return results


def main():
    options = arguments()
    times = Times(options)
    try:
        jobs = plan(options)
    except (OSError, subprocess.SubprocessError) as problem:
        print("a test program does not list its suites: %s" % problem)
        print("0 passed, 1 failed")
        return 1
    results = run_all(times.sort(jobs), options, times)
    failed = [result for result in results if result.failed]
    if failed:
        print("failed: " + ", ".join(sorted(result.name for result in failed)))
    passed = sum(result.passed for result in results)
    failures = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    if passed + failures == 0:
        print("no test was run: does suite= or row= name one?")
        failures = 1
    end = ", %d skipped" % skipped if skipped else ""
    print("%d passed, %d failed%s" % (passed, failures, end))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
