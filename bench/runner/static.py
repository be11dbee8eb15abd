"""examples/static against nginx, both under wrk: server CPU per byte of a file."""
import os
import re
import shutil
import subprocess
import tempfile

from .measure import median
from .process import LOAD_CPU, BenchError, NotHere, Server, pin

NGINX = """daemon off; master_process off; worker_processes 1; pid %(folder)s/pid;
error_log stderr error;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    server { listen %(address)s; root %(root)s; } }
"""
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static.lua")


def nginx_version():
    for tool, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        if not shutil.which(tool):
            raise NotHere("%s is not installed (Debian: %s)" % (tool, package))
    done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    return re.search(r"nginx/(\S+)", done.stderr)[1]


def nginx_words(folder, root):
    """Makes the command for an address."""
    def words(address):
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(NGINX % {"folder": folder, "address": address, "root": root})
        return ["nginx", "-e", "stderr", "-c", path]
    return words


def static_words(program, root):
    return lambda address: [program, address, root]


def drive(server, name, connections, seconds):
    """A run of wrk for one file."""
    words = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % max(1, round(seconds)), "-s", SCRIPT,
             "--timeout", "20s", "http://%s/%s" % (server.address, name)]
    cpu = server.cpu_ns()
    done = subprocess.run(words, preexec_fn=pin(LOAD_CPU), capture_output=True, text=True,
                          timeout=seconds + 60, check=False)
    cpu = server.cpu_ns() - cpu
    found = re.search(r"^result (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.M)
    if done.returncode != 0 or not found:
        raise BenchError("wrk failed: %s %s" % (done.stderr, done.stdout))
    size, requests, duration_us, failed = (int(word) for word in found.groups())
    if failed or not size:
        raise BenchError("%d requests failed" % failed)
    return {"cpu_ns_per_byte": cpu / size, "requests": requests,
            "MB_per_s": size / duration_us, "server_busy": cpu / duration_us / 1000}


class Static:
    """Server CPU per byte, as a ratio of medians to nginx. The servers take turns."""

    uses_servers = False

    def __init__(self, name, about, sizes):
        self.name = name
        self.about = about
        self.sizes = sizes  # {title: (bytes, connections)}

    def measure(self, bench, _candidates):
        version = nginx_version()
        program = os.path.join(bench.build, "examples", "static")
        if not os.path.exists(program):
            raise NotHere("%s is not built" % program)
        with tempfile.TemporaryDirectory() as folder:
            root = os.path.join(folder, "root")
            os.mkdir(root)
            os.chmod(folder, 0o755)  # nginx may serve as somebody else
            for title, (size, _) in self.sizes.items():
                with open(os.path.join(root, title), "wb") as file:
                    file.write(os.urandom(size))
            servers = {"nginx": (nginx_words(folder, root), {})}
            for backend in ("uring", "epoll"):
                servers["static-" + backend] = (static_words(program, root),
                                                {"AIO_BACKEND": backend})
            runs = self._runs(bench, servers)
        rows = {name: {key: median([run[key] for run in values]) for key in values[0]}
                for name, values in runs.items()}
        for name, row in rows.items():
            row["ratio"] = row["cpu_ns_per_byte"] / rows["nginx " + name.split()[1]][
                "cpu_ns_per_byte"]
        return {"rows": rows, "runs": runs, "nginx": version}

    def _runs(self, bench, servers):
        runs = {}
        for title, (_, connections) in self.sizes.items():
            for _ in range(bench.rounds):
                for name, (command, env) in servers.items():
                    with Server(command, env) as server:
                        drive(server, title, connections, 1)  # the cache, the windows of TCP
                        run = drive(server, title, connections, bench.seconds)
                    runs.setdefault("%s %s" % (name, title), []).append(run)
        return runs
