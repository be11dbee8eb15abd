"""Random reads of a file by bench/file_read, beside fio's engines on the same file in turn."""
import json
import os
import shutil
import subprocess

from .measure import median
from .micro import locate, run_program
from .process import LOAD_CPU, BenchError, NotHere, pin

FILE_MIB = 256
FILE_MIB_SMOKE = 4
LIMIT_SECONDS = 60  # of one run of fio, beyond the time it measures
KEYS = ("reads_per_s", "cpu_ns_per_read")


def test_file(bench):
    """A file of random bytes, kept for the next run; all of it is in the page cache."""
    size = (FILE_MIB_SMOKE if bench.smoke else FILE_MIB) << 20
    path = os.path.join(bench.build, "bench", "file_read.%d" % size)
    if not os.path.exists(path) or os.path.getsize(path) != size:
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass
    return path


def fio_words(path, engine, depth, direct, seconds):
    """So many reads at a time: on a ring batched, as it is meant to be used, else by as many
    threads; without the clock for every read."""
    words = ["fio", "--name=read", "--filename=" + path, "--rw=randread", "--bs=4k",
             "--ioengine=" + engine, "--direct=%d" % direct, "--norandommap", "--invalidate=0",
             "--time_based", "--runtime=%gs" % seconds, "--gtod_reduce=1", "--output-format=json"]
    if engine == "io_uring":
        words += ["--iodepth=%d" % depth, "--iodepth_batch_submit=%d" % depth,
                  "--iodepth_batch_complete_min=%d" % max(1, depth // 2),
                  "--iodepth_batch_complete_max=%d" % depth]
    else:
        words += ["--numjobs=%d" % depth, "--thread", "--group_reporting"]
    return words


def run_fio(words):
    """Its figures of CPU are those of one thread, on average."""
    try:
        done = subprocess.run(words, preexec_fn=pin(LOAD_CPU), capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError("fio did not end") from None
    if done.returncode != 0:
        raise BenchError("fio failed: %s" % done.stderr.strip())
    job = json.loads(done.stdout)["jobs"][0]
    rate = job["read"]["iops"]
    threads = int(job["job options"].get("numjobs", 1))
    cpu = (job["usr_cpu"] + job["sys_cpu"]) / 100 * threads
    # A rate is the sum over threads that start one after another, each in its own time: together
    # they would have had more than the one processor there is.
    return {"reads_per_s": rate / max(1, cpu), "cpu_ns_per_read": cpu / max(rate, 1) * 1e9}


class FileRead:
    """One backend against one engine of fio: they take turns, and each pair makes a ratio of CPU
    per read and one of reads per second."""

    uses_servers = False

    def __init__(self, name, about, backend, engine, tasks, direct=False):
        self.name = name
        self.about = about
        self.backend = backend
        self.engine = engine
        self.tasks = tasks
        self.direct = direct

    def measure(self, bench, _candidates):
        if not shutil.which("fio"):
            raise NotHere("fio is not installed (Debian: fio)")
        program, path = locate(bench, "file_read"), test_file(bench)
        ours = [program, path, self.tasks, bench.seconds] + (["direct"] if self.direct else [])
        seconds = max(1, round(bench.seconds))
        theirs = fio_words(path, self.engine, self.tasks, self.direct, seconds)
        runs = {"aio": [], "fio": []}
        for _ in range(bench.rounds):
            runs["fio"].append(run_fio(theirs))
            (line,) = run_program(ours, (LOAD_CPU,), {"AIO_BACKEND": self.backend})
            runs["aio"].append({key: line[key] for key in KEYS})
        rows = {name: {key: median([run[key] for run in values]) for key in KEYS}
                for name, values in runs.items()}
        pairs = list(zip(runs["aio"], runs["fio"]))
        for key, ratio in (("cpu_ns_per_read", "cpu_ratio"), ("reads_per_s", "rate_ratio")):
            rows["aio"][ratio] = median([own[key] / other[key] for own, other in pairs])
        return {"rows": rows, "runs": runs}
