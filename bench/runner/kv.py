"""examples/kv against Redis, both under redis-benchmark and each alone on its processor."""
import csv
import os
import re
import shutil
import subprocess
import time

from .measure import median
from .process import LOAD_CPU, BenchError, NotHere, Server, pin

TESTS = "set,get,incr,ping"
TESTS_RUN = 5  # ping is two of them
PROBE_REQUESTS = 2000
REQUESTS_MAX = 2000000
LIMIT_SECONDS = 120  # of one run of redis-benchmark


def redis_words(address):
    """Redis without persistence, listening there."""
    host, port = address.split(":")
    return ["redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no",
            "--loglevel", "warning"]


def redis_version():
    for tool in ("redis-server", "redis-benchmark"):
        if not shutil.which(tool):
            raise NotHere("%s is not installed (Debian: redis-server, redis-tools)" % tool)
    done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    return re.search(r"v=(\S+)", done.stdout)[1]


def drive(server, depth, requests):
    """A run of redis-benchmark with so many requests for each of its tests."""
    host, port = server.address.split(":")
    words = ["redis-benchmark", "-h", host, "-p", port, "-t", TESTS, "-P", depth, "-n", requests]
    cpu, begin = server.cpu_ns(), time.monotonic()
    try:
        done = subprocess.run(
            [str(word) for word in words] + ["--csv"], preexec_fn=pin(LOAD_CPU),
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError("redis-benchmark did not end") from None
    seconds, cpu = time.monotonic() - begin, server.cpu_ns() - cpu
    tests = [row for row in csv.reader(done.stdout.splitlines()) if row and row[0] != "test"]
    if done.returncode != 0 or len(tests) != TESTS_RUN:
        raise BenchError("redis-benchmark failed: %s %s" % (done.stderr, done.stdout))
    commands = requests * len(tests)
    return {"cpu_us": cpu / commands / 1000, "commands_per_s": commands / seconds,
            "server_busy": cpu / seconds / 1e9, "commands": commands, "seconds": seconds}


class Kv:
    """Server CPU per command, as a ratio of medians to Redis. The servers take turns."""

    uses_servers = False

    def __init__(self, name, about, depths):
        self.name = name
        self.about = about
        self.depths = depths

    def measure(self, bench, _candidates):
        version = redis_version()
        program = os.path.join(bench.build, "examples", "kv")
        if not os.path.exists(program):
            raise NotHere("%s is not built" % program)
        servers = {"redis": (redis_words, {}), "kv": ([program], {"AIO_BACKEND": "auto"}),
                   "kv-epoll": ([program], {"AIO_BACKEND": "epoll"})}
        rows, runs = {}, {}
        for depth in self.depths:
            requests = self._requests(bench, depth)
            for _ in range(bench.rounds):
                for name, (command, env) in servers.items():
                    with Server(command, env) as server:
                        run = drive(server, depth, requests)
                    runs.setdefault("%s -P %d" % (name, depth), []).append(run)
        for name, values in runs.items():
            rows[name] = {key: median([value[key] for value in values])
                          for key in ("cpu_us", "commands_per_s", "server_busy")}
        for name, row in rows.items():
            row["ratio"] = row["cpu_us"] / rows["redis -P " + name.split()[-1]]["cpu_us"]
        return {"rows": rows, "runs": runs, "redis": version}

    @staticmethod
    def _requests(bench, depth):
        """As many as Redis answers in the time of a run."""
        if bench.smoke:
            return PROBE_REQUESTS
        with Server(redis_words) as server:
            seconds = drive(server, depth, PROBE_REQUESTS)["seconds"]
            seconds = drive(server, depth, 10 * PROBE_REQUESTS)["seconds"] - seconds
        wanted = int(9 * PROBE_REQUESTS * 2 * bench.seconds / max(seconds, 0.01))
        return min(REQUESTS_MAX, max(PROBE_REQUESTS, wanted))
