"""Running the load generator (bench/load) pinned to its own CPU."""
import contextlib
import json
import os
import subprocess

from .process import LOAD_CPU, BenchError, pin


def _spawn(command, env, **streams):
    return subprocess.Popen(
        [str(part) for part in command],
        env=dict(os.environ, **env),
        preexec_fn=pin(LOAD_CPU),
        text=True,
        **streams,
    )


class Load:
    """How to load a server; every run of a scenario uses the same."""

    def __init__(self, program, backend="auto"):
        self.program = program
        self.env = {"AIO_BACKEND": backend}

    def run(self, server, shape, seconds, warmup):
        """One run against a Server; returns the figures that the load printed as JSON."""
        command = [self.program, server.address, "--json", "--watch", server.pid]
        command += ["--connections", shape["connections"], "--size", shape["size"]]
        command += ["--depth", shape.get("depth", 1), "--seconds", seconds, "--warmup", warmup]
        command += shape.get("flags", ())
        process = _spawn(command, self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, errors = process.communicate(timeout=seconds + warmup + 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise BenchError("the load did not end") from None
        if process.returncode != 0:
            raise BenchError("load failed (code %d): %s %s" % (process.returncode, errors, out))
        figures = json.loads(out)
        figures["cpu_us"] = figures["server_cpu_ns"] / max(1, figures["requests"]) / 1000
        return figures

    @contextlib.contextmanager
    def idle(self, server, connections):
        """Holds connections that have been used once; the block runs while they stand."""
        command = [self.program, server.address, "--idle", "--json", "--size", "512"]
        process = _spawn(
            command + ["--connections", connections],
            self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            line = process.stdout.readline()
            if not line:
                raise BenchError("the idle load ended early (code %s)" % process.wait())
            yield json.loads(line)
        finally:
            process.stdin.close()  # its end is the load's sign to go
            process.stdout.read()
            process.wait(timeout=30)
