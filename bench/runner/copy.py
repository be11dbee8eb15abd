"""Trees copied by examples/backup, in turn with cp -a, by the clock on the wall."""
import os
import random
import shutil
import subprocess
import tempfile
import time

from .measure import median
from .process import BenchError, NotHere

LIMIT_SECONDS = 600
FOLDERS = 200
BACKENDS = ("uring", "epoll")


def choose_home(build, needed):
    """In memory where there is room: what a disk and its write-back do is the same for both, and
    hides what differs. AIO_BENCH_FILES names another place."""
    place = os.environ.get("AIO_BENCH_FILES", "/dev/shm")
    if not os.access(place, os.W_OK) or shutil.disk_usage(place).free < needed * 2:
        place = os.path.join(build, "bench")
    if shutil.disk_usage(place).free < needed * 2:
        raise NotHere("there is no room for %d MiB twice" % (needed >> 20))
    return tempfile.mkdtemp(prefix="aio-copy-", dir=place)


def make_files(top, count, mean_bytes):
    """Files of half to one and a half times the mean, in folders; a single one is just that."""
    numbers = random.Random(1)
    for i in range(count):
        folder = os.path.join(top, "%03d" % (i % FOLDERS))
        os.makedirs(folder, exist_ok=True)
        left = mean_bytes // 2 + numbers.randrange(mean_bytes + 1) if count > 1 else mean_bytes
        with open(os.path.join(folder, str(i)), "wb") as file:
            while left > 0:
                left -= file.write(numbers.randbytes(min(left, 1 << 20)))


def seconds_of(words, target, environment=None):
    shutil.rmtree(target, ignore_errors=True)
    start = time.monotonic()
    try:
        done = subprocess.run(words, env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError("%s did not end" % words[0]) from None
    if done.returncode != 0:
        raise BenchError("%s failed: %s" % (words[0], done.stderr.strip()))
    return time.monotonic() - start


class Copy:
    """`count` files of about that size. Nothing is verified, as cp verifies nothing."""

    uses_servers = False

    def __init__(self, name, about, count, mean_bytes):
        self.name = name
        self.about = about
        self.count = count
        self.mean_bytes = mean_bytes

    def measure(self, bench, _candidates):
        program = os.path.join(bench.build, "examples", "backup")
        if not os.path.exists(program):
            raise BenchError("%s is not built" % program)
        count = max(1, self.count // 100) if bench.smoke else self.count
        size = min(self.mean_bytes, 8 << 20) if bench.smoke else self.mean_bytes
        home = choose_home(bench.build, count * size)
        source, target = home + "/source", home + "/target"
        runs = {backend: [] for backend in BACKENDS}
        try:
            make_files(source, count, size)
            for _ in range(bench.rounds):
                for backend in BACKENDS:
                    theirs = seconds_of(["cp", "-a", source, target], target)
                    environment = dict(os.environ, AIO_BACKEND=backend)
                    ours = seconds_of([program, "-n", source, target], target, environment)
                    runs[backend].append({"seconds": ours, "cp_seconds": theirs})
        finally:
            shutil.rmtree(home)
        rows = {backend: row_of(found) for backend, found in runs.items()}
        return {"rows": rows, "runs": runs}


def row_of(found):
    row = {key: median([run[key] for run in found]) for key in ("seconds", "cp_seconds")}
    row["ratio"] = median([run["seconds"] / run["cp_seconds"] for run in found])
    return row
