"""examples/static against nginx with sendfile, both under bench/download: server CPU per byte."""
import os
import tempfile

from .http import need, nginx_words
from .measure import take_turns
from .micro import locate, run_program
from .network import cubic
from .process import LOAD_CPU, NotHere, Server

NAME = "file.bin"
WARM_UP_SECONDS = 0.3  # the cache, TCP's windows


def drive(server, words, seconds):
    cpu = server.cpu_ns()
    (line,) = run_program([words[0], server.address, *words[1:], seconds], (LOAD_CPU,))
    cpu = server.cpu_ns() - cpu
    return {"cpu_ns_per_KiB": cpu / line["bytes"] * 1024,
            "MB_per_s": line["bytes"] / line["seconds"] / 1e6,
            "server_busy": cpu / line["seconds"] / 1e9}


class Static:
    """Server CPU per byte, as a ratio of medians to nginx. The servers take turns."""

    uses_servers = False

    def __init__(self, name, about, size, connections):
        self.name = name
        self.about = about
        self.size = size
        self.connections = connections

    def measure(self, bench, _candidates):
        program = os.path.join(bench.build, "examples", "static")
        if not os.path.exists(program):
            raise NotHere("%s is not built" % program)
        need(nginx="nginx-light")
        with tempfile.TemporaryDirectory(prefix="aio-bench-") as folder, cubic() as control:
            root = os.path.join(folder, "root")
            os.mkdir(root)
            os.chmod(folder, 0o755)  # nginx may serve as somebody else
            path = os.path.join(root, NAME)
            with open(path, "wb") as file:
                file.write(os.urandom(self.size))
            client = [locate(bench, "download"), path, self.connections]

            def run(command, env):
                with Server(command, env) as server:
                    if not bench.smoke:
                        drive(server, client, WARM_UP_SECONDS)
                    return drive(server, client, bench.seconds)

            serve = "root %s;" % root
            servers = {"nginx": (nginx_words(folder, serve), {}),
                       "nginx-nopush": (nginx_words(folder, "tcp_nopush on; " + serve), {})}
            for backend in ("uring", "epoll"):
                servers["aio-" + backend] = (lambda address: [program, address, root],
                                             {"AIO_BACKEND": backend})
            return dict(take_turns(bench, servers, run, "nginx"), congestion=control)
