"""examples/http_hello against nginx with one worker, both under wrk."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from .measure import take_turns
from .process import LOAD_CPU, BenchError, NotHere, Server, pin

CONNECTIONS = 64

# One process, which is the worker; all that it writes is in the folder.
NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid %(folder)s/pid;
error_log %(folder)s/log crit;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    default_type text/plain;
    keepalive_requests 1000000000;
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    server {
        listen %(address)s;
        %(serve)s
    }
}
"""


HELLO = 'location / { return 200 "Hello, world!\\n"; }'


def nginx_words(folder, serve):
    """A command for Server, which knows the address."""
    def words(address):
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(NGINX % {"folder": folder, "address": address, "serve": serve})
        return ["nginx", "-p", folder, "-e", os.path.join(folder, "log"), "-c", path]
    return words


def need(**tools):
    """{program: Debian's package}: all of them, or NotHere."""
    for tool, package in tools.items():
        if not shutil.which(tool):
            raise NotHere("%s is not installed (Debian: %s)" % (tool, package))


def drive(server, seconds):
    """A run of wrk. Its errors are the run's."""
    words = ["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % max(1, round(seconds)),
             "http://%s/" % server.address]
    cpu, begin = server.cpu_ns(), time.monotonic()
    done = subprocess.run(words, preexec_fn=pin(LOAD_CPU), capture_output=True, text=True,
                          timeout=seconds + 60, check=False)
    took, cpu = time.monotonic() - begin, server.cpu_ns() - cpu
    count = re.search(r"(\d+) requests in", done.stdout)
    wrong = re.search(r"Socket errors|Non-2xx", done.stdout)
    if done.returncode != 0 or not count or wrong or int(count[1]) == 0:
        raise BenchError("wrk failed: %s %s" % (done.stderr, done.stdout))
    requests = int(count[1])
    return {"cpu_us": cpu / requests / 1000, "requests_per_s": requests / took,
            "server_busy": cpu / took / 1e9}


class Http:
    """Server CPU per request, as a ratio of medians to nginx. The servers take turns."""

    uses_servers = False

    def __init__(self, name, about):
        self.name = name
        self.about = about

    def measure(self, bench, _candidates):
        program = os.path.join(bench.build, "examples", "http_hello")
        if not os.path.exists(program):
            raise NotHere("%s is not built" % program)
        need(nginx="nginx-light", wrk="wrk")

        def run(command, env):
            with tempfile.TemporaryDirectory(prefix="aio-bench-") as folder:
                words = nginx_words(folder, HELLO) if command is None else command
                with Server(words, env) as server:
                    return drive(server, bench.seconds)

        servers = {"nginx": (None, {}), "aio-uring": ([program], {"AIO_BACKEND": "uring"}),
                   "aio-epoll": ([program], {"AIO_BACKEND": "epoll"})}
        return take_turns(bench, servers, run, "nginx")
