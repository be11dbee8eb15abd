#!/usr/bin/env python3
"""Runs fuzz targets (programs made with clang's libFuzzer), each for some seconds. They begin with
the corpus of tests/fuzz/corpus, and with what former runs found, which is kept in the build folder.
An input that breaks a target is left there too, and named."""
import argparse
import os
import re
import subprocess
import sys

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def run(program, seconds):
    """Whether the target held."""
    name = os.path.basename(program)
    found = program + ".found"
    os.makedirs(found, exist_ok=True)
    words = ["setarch", "-R", program, "-max_total_time=%d" % seconds, "-timeout=10",
             "-max_len=4096", "-print_final_stats=1", "-artifact_prefix=%s." % program,
             found, os.path.join(CORPUS, name)]
    done = subprocess.run(words, env=dict(OPTIONS, **os.environ), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    executed = re.search(r"stat::number_of_executed_units: (\d+)", done.stdout)
    if done.returncode == 0 and executed:
        print("ok   %-16s %d s, %s inputs" % (name, seconds, executed.group(1)), flush=True)
        return True
    print("FAIL %s\n%s" % (name, done.stdout))
    left = re.search(r"Test unit written to (\S+)", done.stdout)
    if left:
        print("again: %s %s" % (program, left.group(1)), flush=True)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--seconds", type=int, default=10, help="of each target (10)")
    parser.add_argument("--only", default="", help="these targets (a,b)")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    chosen = [program for program in options.programs
              if not wanted or os.path.basename(program) in wanted]
    results = [run(program, options.seconds) for program in chosen]
    print("%d targets held, %d failed" % (results.count(True), results.count(False)))
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
