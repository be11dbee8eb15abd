"""examples/static against nginx with sendfile, both under wrk: server CPU per byte of a file."""
import os
import re
import subprocess
import tempfile

from .http import need, nginx_words
from .measure import take_turns
from .process import LOAD_CPU, BenchError, NotHere, Server, pin

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static.lua")
NAME = "file.bin"


def drive(server, connections, seconds):
    """A run of wrk, whose script tells how many bytes came."""
    words = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % max(1, round(seconds)), "-s", SCRIPT,
             "--timeout", "20s", "http://%s/%s" % (server.address, NAME)]
    cpu = server.cpu_ns()
    done = subprocess.run(words, preexec_fn=pin(LOAD_CPU), capture_output=True, text=True,
                          timeout=seconds + 60, check=False)
    cpu = server.cpu_ns() - cpu
    found = re.search(r"^result (\d+) (\d+) (\d+)$", done.stdout, re.M)
    size, duration_us, failed = (int(word) for word in found.groups()) if found else (0, 0, 0)
    if done.returncode != 0 or failed or not size:
        raise BenchError("wrk failed: %s %s" % (done.stderr, done.stdout))
    return {"cpu_ns_per_KiB": cpu / size * 1024, "MB_per_s": size / duration_us,
            "server_busy": cpu / duration_us / 1000}


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
        need(nginx="nginx-light", wrk="wrk")
        with tempfile.TemporaryDirectory(prefix="aio-bench-") as folder:
            root = os.path.join(folder, "root")
            os.mkdir(root)
            os.chmod(folder, 0o755)  # nginx may serve as somebody else
            with open(os.path.join(root, NAME), "wb") as file:
                file.write(os.urandom(self.size))

            def run(command, env):
                with Server(command, env) as server:
                    if not bench.smoke:
                        drive(server, self.connections, 1)  # the cache, TCP's windows
                    return drive(server, self.connections, bench.seconds)

            servers = {"nginx": (nginx_words(folder, "root %s;" % root), {})}
            for backend in ("uring", "epoll"):
                servers["aio-" + backend] = (lambda address: [program, address, root],
                                             {"AIO_BACKEND": backend})
            return take_turns(bench, servers, run, "nginx")
