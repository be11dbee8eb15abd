#!/usr/bin/env python3
"""`scons demo`: the echo server on each backend in turn, under the project's own load generator.

Shows requests/s live, then a table: what each backend did, what it cost the server, and which
features of the ring are in use or why the ring was refused.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import threading

from runner import report
from runner.process import LOAD_CPU, BenchError, Server, pin, raise_file_limit

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BACKENDS = (("uring", "io_uring"), ("epoll", "epoll"))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release", help="where the programs are")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each backend (3)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--size", type=int, default=512, help="bytes of a request (512)")
    return parser.parse_args(arguments)


def show_progress(stream, title, live):
    """The load's progress lines: one line that is rewritten, or plain ones into a file. What is
    not a progress line is a message, which is kept and returned by the list."""
    messages = []
    for line in stream:
        found = re.match(r"([\d.]+) s +(\d+) requests/s", line)
        if not found:
            messages.append(line.rstrip())
            continue
        text = "  %-8s %5.2f s  %s requests/s" % (title, float(found[1]), thousands(found[2]))
        print(("\r" if live else "") + text, end="" if live else "\n", flush=True)
    if live:
        print()
    return messages


def thousands(number):
    return "{:,}".format(int(float(number)))


def drive(options, server, title):
    """Runs the load against the server; its figures."""
    command = [os.path.join(options.build, "bench", "load"), server.address, "--json", "--progress"]
    command += ["--watch", str(server.pid), "--connections", str(options.connections)]
    command += ["--size", str(options.size), "--seconds", str(options.seconds)]
    cpus = os.sched_getaffinity(0)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=pin(LOAD_CPU) if LOAD_CPU in cpus else None,
    )
    out = []
    reader = threading.Thread(target=lambda: out.append(process.stdout.read()))
    reader.start()
    messages = show_progress(process.stderr, title, sys.stdout.isatty())
    reader.join()
    if process.wait() != 0:
        raise BenchError("the load failed: " + " ".join(messages))
    return json.loads(out[0])


def log_lines(errors):
    """What the runtime says about itself under AIO_LOG=info, without its prefix."""
    lines = []
    for line in errors.splitlines():
        found = re.match(r"(?:aio: )?(?:info|warning|error)?:? *(.*)", line.strip())
        lines.append(found[1] if found else line)
    return [line for line in lines if line]


def try_backend(options, backend, title):
    """One row of the table: figures, or the reason why there are none."""
    program = os.path.join(options.build, "examples", "echo")
    env = {"AIO_BACKEND": backend, "AIO_LOG": "info"}
    server = Server([program], env)
    row = {"title": title, "figures": None, "reason": None}
    print("%s: echo server and %d connections of %d bytes"
          % (title, options.connections, options.size))
    try:
        with server:
            server.read_errors()
            row["figures"] = drive(options, server, backend)
    except BenchError as error:
        row["reason"] = str(error)
        print("  not run: %s" % error)
    row["log"] = log_lines(server.errors)
    return row


def table(rows):
    header = ["backend", "requests/s", "p50 us", "p99 us", "server CPU us/request"]
    body = []
    for row in rows:
        figures = row["figures"]
        if not figures:
            body.append([row["title"], "refused", "-", "-", "-"])
            continue
        cpu = figures["server_cpu_ns"] / max(1, figures["requests"]) / 1000
        body.append([row["title"], thousands(figures["requests_per_s"]),
                     "%.0f" % figures["p50_us"], "%.0f" % figures["p99_us"], "%.2f" % cpu])
    return report.table(header, body)


def explain(rows):
    """Features or refusal, one paragraph for each backend."""
    for row in rows:
        print("\n%s:" % row["title"])
        for line in row["log"] or [row["reason"] or "nothing was said"]:
            print("  " + line)


def main():
    options = parse(sys.argv[1:])
    options.build = os.path.join(ROOT, options.build)
    for name in ("examples/echo", "bench/load"):
        if not os.path.exists(os.path.join(options.build, name)):
            sys.exit("%s/%s is not built: run `scons` first" % (options.build, name))
    raise_file_limit()
    rows = [try_backend(options, backend, title) for backend, title in BACKENDS]
    print("\n" + table(rows))
    explain(rows)
    checked = sum(row["figures"]["requests_total"] for row in rows if row["figures"])
    print("\n%s answers, every byte of them checked" % thousands(checked))
    return 0 if any(row["figures"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
