#!/usr/bin/env python3
"""The examples, as programs: started as a user would start them and used by real clients.

Speaks as every test program here does: --list, --rows, --suite NAME --row ROW, a closing line;
--test NAME runs one test of the suite. AIO_BUILD names the build folder (scons sets it). The rows
are the backends. A tool that is missing skips a test, with AIO_TEST_REQUIRE_TOOLS=1 it fails it; a
backend that AIO_TEST_REQUIRE names and that cannot be had fails the row.
"""
import argparse
import os
import re
import sys
import time
import traceback

sys.dont_write_bytecode = True

import backup_mounts_tests  # noqa: E402  (found beside this file, and must leave nothing there)
import backup_tests  # noqa: E402
import chat_tests  # noqa: E402
import dns_tests  # noqa: E402
import echo_kit_tests  # noqa: E402
import echo_tests  # noqa: E402
import embed_tests  # noqa: E402
import fanout_tests  # noqa: E402
import http_tests  # noqa: E402
import https_tests  # noqa: E402
import kv_tests  # noqa: E402
import proxy_tests  # noqa: E402
import redis_tests  # noqa: E402
import run_tests  # noqa: E402
import static_clients_tests  # noqa: E402
import static_tests  # noqa: E402
import tail_tests  # noqa: E402
import udp_tests  # noqa: E402
from support import ROOT, Context, Skip  # noqa: E402

ROWS = ("uring", "epoll")
NOT_HERE = 77


def read(path):
    with open(path) as text:
        return text.read()


def test_readme_shows_echo(context):
    """The echo server in the README is the one that is compiled and tested, byte for byte."""
    if not os.path.exists(ROOT + "/README.md"):
        raise Skip("there is no README.md")
    blocks = re.findall(r"^```c\n(.*?)^```$", read(ROOT + "/README.md"), re.MULTILINE | re.DOTALL)
    assert read(ROOT + "/examples/echo.c") in blocks, "no C block of README.md is examples/echo.c"


SUITES = {
    "backup": backup_tests,
    "backup_mounts": backup_mounts_tests,
    "chat": chat_tests,
    "dns_forward": dns_tests,
    "echo": echo_tests,
    "echo_kit": echo_kit_tests,
    "embed_epoll": embed_tests,
    "fanout": fanout_tests,
    "http_hello": http_tests,
    "https_hello": https_tests,
    "kv": kv_tests,
    "proxy": proxy_tests,
    "redis_client": redis_tests,
    "run": run_tests,
    "static": static_tests,
    "static_clients": static_clients_tests,
    "tail": tail_tests,
    "udp_echo": udp_tests,
    "readme": sys.modules[__name__],
}
CLIENTS = ("fanout", "https_hello", "run")  # another server tells whether their row can be had


def tests_of(suite, wanted):
    """The module's functions test_*, in the order of their definition."""
    module = SUITES[suite]
    found = [value for name, value in vars(module).items() if name.startswith("test_")]
    return [test for test in found if not wanted or test.__name__ == "test_" + wanted]


def run_one(test, context):
    """'passed', 'failed' or 'skipped'; says why unless it passed."""
    name, start = test.__name__[len("test_"):], time.monotonic()
    try:
        test(context)
        word = "passed"
    except Skip as reason:
        print("%s: skipped: %s" % (name, reason))
        word = "skipped"
    except Exception:  # a test may fail in any way
        print("FAIL %s\n%s" % (name, traceback.format_exc()))
        word = "failed"
    finally:
        context.clean_up()
    if word == "passed":
        print("ok   %-32s %5.2f s" % (name, time.monotonic() - start))
    sys.stdout.flush()
    return word


def run_suite(suite, row, wanted):
    context = Context(row)
    if suite != "readme":
        ask = getattr(SUITES[suite], "unavailable", Context.unavailable)
        problem = ask(context, "echo" if suite in CLIENTS else suite)
        if problem:
            print(problem)
            required = os.environ.get("AIO_TEST_REQUIRE", "").split(",")
            print("0 passed, %d failed, 1 skipped" % (row in required))
            return 1 if row in required else NOT_HERE
    words = [run_one(test, context) for test in tests_of(suite, wanted)]
    skipped = words.count("skipped")
    end = ", %d skipped" % skipped if skipped else ""
    print("%d passed, %d failed%s" % (words.count("passed"), words.count("failed"), end))
    return 1 if "failed" in words or not words else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the suites")
    parser.add_argument("--rows", action="store_true", help="print the rows")
    parser.add_argument("--suite", choices=SUITES, help="the suite to run")
    parser.add_argument("--row", choices=ROWS, default=ROWS[0], help="the backend")
    parser.add_argument("--test", default="", help="only this test of the suite")
    options = parser.parse_args()
    if options.list or options.rows:
        print("\n".join(SUITES if options.list else ROWS))
        return 0
    if not options.suite:
        parser.error("--suite is missing")
    return run_suite(options.suite, options.row, options.test)


if __name__ == "__main__":
    sys.exit(main())
