"""examples/proxy against haproxy in TCP mode with splicing, both under iperf3: CPU per byte."""
import contextlib
import json
import os
import signal
import subprocess
import tempfile

from .http import need
from .measure import take_turns
from .process import LOAD_CPU, BenchError, NotHere, Server, free_port, pin

HAPROXY = """
global
    nbthread 1
    maxconn 1000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option splice-request
    option splice-response
frontend front
    bind %(address)s
    default_backend back
backend back
    server target %(target)s
"""


def haproxy_words(folder, target):
    """A command for Server, which knows the address."""
    def words(address):
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(HAPROXY % {"address": address, "target": target})
        return ["haproxy", "-db", "-q", "-f", path]
    return words


@contextlib.contextmanager
def target_on(port):
    """iperf3 waits there for one test, on the load's CPU."""
    process = subprocess.Popen(["iperf3", "-s", "-1", "-p", str(port), "--forceflush"],
                               preexec_fn=pin(LOAD_CPU), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            if "listening" in line:
                break
        else:
            raise BenchError("iperf3 does not listen")
        yield
    finally:
        process.kill()
        process.communicate()


def drive(server, seconds):
    """A test of iperf3 through the proxy."""
    host, port = server.address.split(":")
    cpu = server.cpu_ns()
    done = subprocess.run(
        ["iperf3", "-c", host, "-p", port, "-t", "%d" % max(1, round(seconds)), "-J"],
        preexec_fn=pin(LOAD_CPU), capture_output=True, text=True, timeout=seconds + 60, check=False)
    cpu = server.cpu_ns() - cpu
    try:
        received = json.loads(done.stdout)["end"]["sum_received"]
    except (ValueError, KeyError):
        raise BenchError("iperf3 failed: %s %s" % (done.stderr, done.stdout)) from None
    if received["bytes"] == 0:
        raise BenchError("iperf3 got nothing through")
    return {"cpu_ns_per_KiB": cpu / received["bytes"] * 1024,
            "Gbit_per_s": received["bits_per_second"] / 1e9,
            "server_busy": cpu / received["seconds"] / 1e9}


class Proxy:
    """Proxy CPU per byte, as a ratio of medians to haproxy. The proxies take turns."""

    uses_servers = False

    def __init__(self, name, about):
        self.name = name
        self.about = about

    def measure(self, bench, _candidates):
        program = os.path.join(bench.build, "examples", "proxy")
        if not os.path.exists(program):
            raise NotHere("%s is not built" % program)
        need(haproxy="haproxy", iperf3="iperf3")

        def run(command, env):
            port = free_port()
            target = "127.0.0.1:%d" % port
            with tempfile.TemporaryDirectory(prefix="aio-bench-") as folder:
                words, ending = haproxy_words(folder, target), signal.SIGUSR1
                if command is not None:
                    words, ending = lambda at: command + [at, target], signal.SIGTERM
                with Server(words, env, ending=ending) as server, target_on(port):
                    return drive(server, bench.seconds)

        servers = {"haproxy": (None, {}), "aio-uring": ([program], {"AIO_BACKEND": "uring"}),
                   "aio-epoll": ([program], {"AIO_BACKEND": "epoll"})}
        return take_turns(bench, servers, run, "haproxy")
