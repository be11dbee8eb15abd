"""The servers that are compared: AIO's echo example on each backend, and the baselines."""
import os
import subprocess

from .process import BenchError, Server


class Candidate:
    """One server: how to start it, or why it is not to be had here."""

    def __init__(self, name, title, command, env=None, missing=None):
        self.name = name
        self.title = title
        self.command = command
        self.env = env or {}
        self.missing = missing


def _aio(build, backend):
    return _on_backend("aio-" + backend, "AIO, %s" % backend, backend,
                       os.path.join(build, "examples", "echo"))


def _rent(build, backend):
    return _on_backend("rent-" + backend, "AIO, %s, rented buffers" % backend, backend,
                       os.path.join(build, "bench", "echo_rent"))


def _on_backend(name, title, backend, program):
    missing = None if os.path.exists(program) else "%s is not built" % program
    return Candidate(name, title, [program], {"AIO_BACKEND": backend}, missing)


def _baseline(build, name, title, source):
    program = os.path.join(build, "bench", "baselines", source)
    missing = None if os.path.exists(program) else "%s is not built" % program
    return Candidate(name, title, [program], missing=missing)


def _tokio(root, build, wanted):
    """Built here, because its builder is cargo. Left out, with the reason, where that fails."""
    program = os.path.join(build, "bench", "tokio", "release", "tokio_echo")
    missing = None
    if wanted and not os.path.exists(program):
        script = os.path.join(root, "bench", "baselines", "tokio_echo", "build.sh")
        done = subprocess.run(
            ["sh", script, os.path.join(build, "bench", "tokio")], capture_output=True, text=True
        )
        if done.returncode != 0:
            missing = ([""] + done.stderr.strip().splitlines())[-1]
    if missing is None and not os.path.exists(program):
        missing = "not built"
    return Candidate("tokio", "tokio, current_thread", [program], missing=missing)


def all_candidates(root, build, with_tokio=True):
    """{name: Candidate}, those that are missing included."""
    found = [
        _aio(build, "uring"),
        _aio(build, "epoll"),
        _rent(build, "uring"),
        _rent(build, "epoll"),
        _baseline(build, "raw-epoll", "raw epoll", "epoll_echo"),
        _baseline(build, "raw-uring", "raw liburing", "uring_echo"),
        _tokio(root, build, with_tokio),
    ]
    return {candidate.name: candidate for candidate in found}


def try_start(candidate):
    """Sets the reason when a server that exists does not start, as when the ring is refused."""
    if candidate.missing:
        return
    try:
        with Server(candidate.command, candidate.env):
            pass
    except BenchError as error:
        candidate.missing = str(error)

