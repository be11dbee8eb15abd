#!/usr/bin/env python3
"""`scons check`: formatting, our own rules, clang-tidy, cppcheck, shellcheck, as many at a time as
there are processors. clang-tidy reads build/compile_commands.json, which scons has just written. A
tool that is not installed is a failure, not a pass."""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

LIBRARY = ("core/", "backends/", "net/", "fs/", "os/", "tls/")
C_FOLDERS = LIBRARY + ("include/", "tests/", "bench/", "examples/")

# What cppcheck is told not to say: it does not see libc; and a pointer to a local variable may be
# handed on, as an op in its waiter's frame is.
CPPCHECK = """cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --quiet
    --error-exitcode=1 --suppress=missingIncludeSystem --suppress=unknownMacro
    --suppress=autoVariables
    --template={file}:{line}:{severity}:{id}:{message} -Iinclude -I. -D__x86_64__=1 -D__linux__=1
    -D__GNUC__=12 -DAIO_WITH_URING=1 -DAIO_WITH_EV=1""".split()


class Step:
    """A command with a name; where one of several is run per file, the file is part of the name."""

    def __init__(self, name, words):
        self.name, self.words, self.seconds, self.output, self.good = name, words, 0.0, "", False

    def run(self):
        start = time.monotonic()
        if shutil.which(self.words[0]) is None:
            self.output = "%s is not installed\n" % self.words[0]
            return self
        done = subprocess.run(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )
        self.good = done.returncode == 0
        self.output = re.sub(r"^\d+ warnings? generated.\n", "", done.stdout, flags=re.MULTILINE)
        self.seconds = time.monotonic() - start
        return self


def c_files():
    found = []
    for folder in C_FOLDERS:
        found += glob.glob(folder + "**/*.[ch]", recursive=True)
    return sorted(found)


def compiled_library_files():
    """The library's sources that this configuration compiles: a file once, however often built."""
    with open("build/compile_commands.json") as database:
        entries = json.load(database)
    return sorted({e["file"] for e in entries if e["file"].startswith(LIBRARY) and
                   e["file"].endswith(".c")})


def steps():
    """The slow ones first, so that the end has no tail."""
    library = compiled_library_files()
    tidy = ["clang-tidy", "--quiet", "-p", "build"]
    found = [Step("clang-tidy " + path, tidy + [path]) for path in library]
    if library:
        found.insert(0, Step("cppcheck", CPPCHECK + library))
    found.append(Step("clang-format", ["clang-format", "--dry-run", "-Werror"] + c_files()))
    found.append(Step("tidy", [sys.executable, "tools/tidy.py"]))
    scripts = [".ci/run"] + sorted(glob.glob("[bt]e*/**/*.sh", recursive=True))
    for path in scripts:
        found.append(Step("shellcheck " + path, ["shellcheck", "-x", "-S", "warning", path]))
    return found


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start, failed, done = time.monotonic(), [], 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for step in pool.map(Step.run, steps()):
            done += 1
            if not step.good:
                failed.append(step.name)
                print("FAIL %s\n%s" % (step.name, step.output), flush=True)
            elif not step.name.startswith(("clang-tidy", "shellcheck")):
                print("ok   %-14s %.1f s" % (step.name, step.seconds), flush=True)
    print("check: %d of %d passed, %.0f s" % (done - len(failed), done, time.monotonic() - start))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
