"""The servers that are compared: AIO's echo example on each backend, and the baselines."""
import os

from .peers import built
from .process import BenchError, Server


class Candidate:
    """One server: how to start it, or why it is not to be had here."""

    udp = False

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


def _of_udp(candidate):
    candidate.udp = True
    return candidate


def _udp(build, backend):
    return _of_udp(_on_backend("udp-" + backend, "AIO, %s, datagrams" % backend, backend,
                               os.path.join(build, "examples", "udp_echo")))


def _baseline(build, name, title, source):
    program = os.path.join(build, "bench", "baselines", source)
    missing = None if os.path.exists(program) else "%s is not built" % program
    return Candidate(name, title, [program], missing=missing)


def _tokio(root, build, wanted):
    """Left out, with the reason, where its builder fails."""
    program, missing = None, "not in a smoke run"
    if wanted:
        program, missing = built(root, build, "tokio", "tokio_echo")
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
        _udp(build, "uring"),
        _udp(build, "epoll"),
        _of_udp(_baseline(build, "raw-epoll-udp", "recvmmsg and sendmmsg", "epoll_udp")),
        _of_udp(_baseline(build, "raw-uring-udp", "raw liburing, datagrams", "uring_udp")),
    ]
    return {candidate.name: candidate for candidate in found}


def try_start(candidate):
    """Sets the reason when a server that exists does not start, as when the ring is refused."""
    if candidate.missing:
        return
    try:
        with Server(candidate.command, candidate.env, candidate.udp):
            pass
    except BenchError as error:
        candidate.missing = str(error)

