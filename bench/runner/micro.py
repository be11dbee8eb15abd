"""Scenarios that are programs of their own, which print a JSON line for each figure."""
import json
import os
import subprocess

from .measure import median
from .peers import built
from .process import LOAD_CPU, SERVER_CPU, BenchError, NotHere, pin

LIMIT_SECONDS = 300  # of one program: they end long before, also on a machine that is busy
NOT_ENOUGH_MEMORY = 3  # the exit code of bench/parked
PEERS = {"go_micro": "go", "tokio_micro": "tokio"}  # built by their own builders
BOTH = (SERVER_CPU, LOAD_CPU)


def locate(bench, name):
    """The program's path; NotHere when it was not built."""
    if name in PEERS:
        if bench.smoke:
            raise NotHere("not in a smoke run")
        path, missing = built(bench.root, bench.build, PEERS[name], name)
        if missing:
            raise NotHere(missing)
        return path
    path = os.path.join(bench.build, "bench", name)
    if not os.path.exists(path):
        raise NotHere("not built")
    return path


def run_program(words, cpus, env=None):
    """The JSON lines of a program that runs on these processors."""
    try:
        done = subprocess.run(
            [str(word) for word in words], preexec_fn=pin(*cpus), capture_output=True, text=True,
            env=dict(os.environ, **(env or {})), timeout=LIMIT_SECONDS, check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError("%s did not end" % words[0]) from None
    if done.returncode == NOT_ENOUGH_MEMORY:
        raise NotHere(done.stderr.strip())
    if done.returncode != 0:
        raise BenchError("%s failed: %s %s" % (words[0], done.stderr.strip(), done.stdout.strip()))
    return [json.loads(line) for line in done.stdout.splitlines()]


class Micro:
    """Nanoseconds of single operations: the programs take turns, the figures are medians. With a
    ratio (a, b) of two rows, a's row has the median of a/b, each of one run of the program."""

    uses_servers = False

    def __init__(self, name, about, programs, cpus=(LOAD_CPU,), ratio=None):
        self.name = name
        self.about = about
        self.programs = [program.split() for program in programs]  # and the measures wanted
        self.cpus = cpus
        self.ratio = ratio

    def measure(self, bench, _candidates):
        commands, left_out = [], {}
        for name, *wanted in self.programs:
            try:
                quick = ["--quick"] if bench.smoke else []
                commands.append([locate(bench, name)] + quick + wanted)
            except NotHere as reason:
                left_out[name] = str(reason)
        if not commands:
            raise NotHere("; ".join("%s: %s" % pair for pair in left_out.items()))
        runs, ratios = {}, []
        for _ in range(bench.rounds):
            for command in commands:
                figures = {line["name"]: line["ns"] for line in run_program(command, self.cpus)}
                for name, ns in figures.items():
                    runs.setdefault(name, []).append(ns)
                if self.ratio and self.ratio[0] in figures:
                    ratios.append(figures[self.ratio[0]] / figures[self.ratio[1]])
        rows = {name: {"ns": median(values)} for name, values in runs.items()}
        if ratios:
            rows[self.ratio[0]]["ratio"] = median(ratios)
        return {"rows": rows, "runs": runs, "ratios": ratios, "left_out": left_out}


class Parked:
    """Memory of tasks that wait. A count that there is no memory for is left out."""

    uses_servers = False

    def __init__(self, name, about, counts):
        self.name = name
        self.about = about
        self.counts = counts

    def measure(self, bench, _candidates):
        program = locate(bench, "parked")
        rows, left_out = {}, {}
        for count in (10000,) if bench.smoke else self.counts:
            try:
                (line,) = run_program([program, count], (LOAD_CPU,))
            except NotHere as reason:
                left_out[str(count)] = str(reason)
                continue
            rows[str(count)] = {
                "KiB_per_task": line["bytes_per_task"] / 1024,
                "page_table_bytes": line["page_table_bytes_per_task"],
                "peak_GiB": line["peak_bytes"] / 2**30,
                "mappings": line["mappings"],
                "failed": line["failed"],
                "seconds": line["seconds"],
            }
        return {"rows": rows, "left_out": left_out}


class Ticks:
    """Ticks in time beside a task that only yields, or works on a file, on each backend."""

    uses_servers = False
    KEYS = ("share", "share_5ms_late", "late_p50_us", "late_p99_us", "late_max_us")

    def __init__(self, name, about, file=False):
        self.name = name
        self.about = about
        self.file = file

    def measure(self, bench, _candidates):
        words = [locate(bench, "ticks"), bench.seconds]
        path = os.path.join(bench.build, "bench", "ticks.file")
        if self.file:
            words.append(path)
        runs, left_out = {}, {}
        for _ in range(bench.rounds):
            for backend in ("uring", "epoll"):
                try:
                    lines = run_program(words, (LOAD_CPU,), {"AIO_BACKEND": backend})
                    runs.setdefault(backend, []).extend(lines)
                except BenchError as error:
                    left_out[backend] = str(error)
        if self.file and os.path.exists(path):
            os.unlink(path)
        if not runs:
            raise BenchError("; ".join(left_out.values()))
        rows = {backend: {key: median([line[key] for line in lines]) for key in self.KEYS}
                for backend, lines in runs.items()}
        return {"rows": rows, "runs": runs, "left_out": left_out}
