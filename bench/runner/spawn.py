"""Many short processes: bench/spawn on each backend against xargs, whole programs by the clock."""
import os
import shutil
import subprocess
import time

from .measure import median
from .micro import BOTH, LIMIT_SECONDS, locate
from .process import BenchError, NotHere, pin


class Spawn:
    """Wall time of some hundred processes, so many at once, ours and xargs' taking turns."""

    uses_servers = False

    def __init__(self, name, about, processes, at_once):
        self.name = name
        self.about = about
        self.processes = processes
        self.at_once = at_once

    def measure(self, bench, _candidates):
        program = locate(bench, "spawn")
        xargs = shutil.which("xargs")
        if xargs is None:
            raise NotHere("xargs is not installed (Debian: findutils)")
        count = 50 if bench.smoke else self.processes
        lines = "".join("%d\n" % number for number in range(count))
        theirs = [xargs, "-P%d" % self.at_once, "-n1", "/bin/true"]
        ours = [program, str(count), str(self.at_once)]
        seconds = {"xargs": []}
        ratios = {}
        for _ in range(bench.rounds):
            for backend in ("uring", "epoll"):
                peer = self._time(theirs, lines)
                own = self._time(ours, "", AIO_BACKEND=backend)
                seconds["xargs"].append(peer)
                seconds.setdefault(backend, []).append(own)
                ratios.setdefault(backend, []).append(own / peer)
        rows = {name: {"ms": 1000 * median(values)} for name, values in seconds.items()}
        for backend, values in ratios.items():
            rows[backend]["ratio"] = median(values)
        return {"rows": rows, "runs": seconds, "ratios": ratios}

    @staticmethod
    def _time(words, lines, **env):
        begin = time.monotonic()
        done = subprocess.run(
            words, input=lines, preexec_fn=pin(*BOTH), env=dict(os.environ, **env), text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS, check=False,
        )
        if done.returncode != 0:
            raise BenchError("%s failed: %s" % (words[0], done.stderr.strip()))
        return time.monotonic() - begin
