#!/usr/bin/env python3
"""The models of the protocols between threads, checked by spin: every one must hold, and every
step that is left out of it must be noticed.

Speaks as every test program here does: --list, --rows, --suite NAME, a closing line. Exit status 77
when spin or a compiler is not there, a failure instead with AIO_TEST_REQUIRE_TOOLS=1.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CC = os.environ.get("AIO_CC", "gcc")
SPIN_SECONDS = 100

# A model, and what it is tried with: in these forms it holds, in those it must not.
SUITES = {
    "model_mailbox": (
        "mailbox.pml",
        ("", "-DSPAWN -DPOSTS=0 -DIO=0", "-DTHREADS=2 -DPOSTS=0 -DIO=0"),
        ("-DLATE", "-DLATE_CORE", "-DNO_LOOK", "-DNO_ADD", "-DNO_POKE", "-DNO_RETRY"),
    ),
    "model_closing": (
        "closing.pml", ("",), ("-DNO_COUNT", "-DNO_WAIT", "-DNO_AWAKE", "-DNO_CLOSE"),
    ),
    "model_shared_channel": (
        "shared_channel.pml",
        (
            "-DCANCEL_SENDER -DCLOSE",
            "-DCANCEL_RECEIVER -DSENDERS=1 -DRECEIVERS=2 -DCLOSE",
        ),
        ("-DNO_LOOK", "-DLATE", "-DNO_SETTLE", "-DNO_STATE", "-DONE -DRECEIVERS=2"),
    ),
    "model_shared_many": (
        "shared_channel.pml",
        ("-DSENDERS=2 -DRECEIVERS=2", "-DSENDERS=3 -DRECEIVERS=1 -DCAPACITY=2"),
        (),
    ),
    "model_select": (
        "select.pml",
        ("-DCANCEL", "-DCANCEL -DTHIRD", "-DCANCEL -DRING"),
        ("-DNO_ORDER", "-DNO_SELF -DTHIRD", "-DNO_CLAIM", "-DNO_LOCK -DRING -DCANCEL", "-DNO_TOLD",
         "-DNO_DELIST -DTHIRD"),
    ),
}


def call(words, folder):
    done = subprocess.run(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=SPIN_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(words), done.stdout))
    return done.stdout


def errors_of(model, defines):
    """How many errors an exhaustive search found (it ends at the first), and its report."""
    with tempfile.TemporaryDirectory() as folder:
        call(["spin", *defines.split(), "-a", os.path.join(HERE, model)], folder)
        # -E: that everybody waits is what the model's own `timeout` judges.
        call([CC, "-O1", "-DSAFETY", "-w", "-o", "pan", "pan.c"], folder)
        report = call(["./pan", "-E", "-m100000"], folder)
    errors = int(re.search(r"errors: (\d+)", report).group(1))
    if errors == 0 and ("too small" in report or "not completed" in report):
        raise RuntimeError("%s %s: not searched to the end\n%s" % (model, defines, report))
    return errors, report


def run(name):
    model, good, bad = SUITES[name]
    passed = failed = 0
    for defines, holds in [(each, True) for each in good] + [(each, False) for each in bad]:
        errors, report = errors_of(model, defines)
        if (errors == 0) == holds:
            passed += 1
        else:
            failed += 1
            wanted = "does not hold" if holds else "should have been noticed"
            print("FAIL %s %s: %s\n%s" % (model, defines, wanted, report))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def main():
    words = sys.argv[1:]
    if "--list" in words:
        print("\n".join(SUITES))
        return 0
    if "--rows" in words:
        print("-")
        return 0
    name = words[words.index("--suite") + 1] if "--suite" in words else ""
    if name not in SUITES:
        print("usage: run.py --list | --rows | --suite %s" % "|".join(SUITES))
        return 2
    missing = [tool for tool in ("spin", CC.split()[0]) if shutil.which(tool) is None]
    if missing:
        print("%s is not installed (Debian: spin, gcc)" % ", ".join(missing))
        return 1 if os.environ.get("AIO_TEST_REQUIRE_TOOLS") == "1" else 77
    return run(name)


if __name__ == "__main__":
    sys.exit(main())
