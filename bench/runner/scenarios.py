"""The scenarios: each asks one question of some servers and returns plain figures for the JSON."""
from . import perf
from .copy import Copy
from .files import FileRead
from .http import Http
from .kv import Kv
from .measure import idle_bytes, median
from .micro import BOTH, Micro, Parked, Ticks
from .process import BenchError, Server
from .proxy import Proxy
from .spawn import Spawn
from .static import Static

RENT = ("rent-uring",)
UDP = ("udp-uring", "udp-epoll", "raw-uring-udp")
EVERY_SERVER = ("aio-uring", "aio-epoll", "raw-uring", "tokio")


class Echo:
    """CPU per request against the raw epoll loop, or another server as the bracket."""

    uses_servers = True

    def __init__(self, name, about, shape, servers=EVERY_SERVER, bracket="raw-epoll"):
        self.name = name
        self.about = about
        self.shape = shape
        self.servers = servers
        self.bracket = bracket

    def measure(self, bench, candidates):
        wanted = [candidates[name] for name in self.servers]
        usable = [candidate for candidate in wanted if not candidate.missing]
        bracket = candidates[self.bracket]
        if bracket.missing:
            raise BenchError(bracket.missing)
        shape = dict(self.shape)
        if bench.smoke:
            shape["connections"] = min(shape["connections"], 64)
        kept, dropped = bench.paired_rounds(shape, usable, bracket)
        rows = {}
        for name, pairs in kept.items():
            rows[name] = summary(pairs, len(dropped[name]))
        brackets = [run for pairs in kept.values() for run in bracket_runs(pairs)]
        if brackets:
            rows[self.bracket] = summary([{"run": run, "ratio": 1.0} for run in brackets], 0)
        return {"shape": shape, "bracket": self.bracket, "rows": rows, "kept": kept,
                "dropped": dropped}


def bracket_runs(pairs):
    return [pair[side] for pair in pairs for side in ("before", "after") if side in pair]


def summary(pairs, dropped):
    runs = [pair["run"] for pair in pairs]
    row = {"kept": len(pairs), "dropped": dropped}
    row["ratio"] = median([pair.get("ratio") for pair in pairs])
    for key in ("cpu_us", "requests_per_s", "p50_us", "p99_us", "p999_us", "server_busy", "busy"):
        row[key] = median([run[key] for run in runs])
    row["load_is_bottleneck"] = any(run["bottleneck"] for run in runs)
    return row


class Calls:
    """System calls of the server per request, counted over a whole run of the load."""

    uses_servers = True

    def __init__(self, name, about, shapes, servers=EVERY_SERVER):
        self.name = name
        self.about = about
        self.shapes = shapes
        self.servers = servers

    def measure(self, bench, candidates):
        reason = perf.why_not()
        if reason:
            raise BenchError(reason)
        rows = {}
        for name in self.servers + ("raw-epoll",):
            if not candidates[name].missing:
                rows[name] = {
                    str(shape["connections"]): self._count(bench, candidates[name], shape)
                    for shape in self.shapes
                }
        return {"rows": rows}

    @staticmethod
    def _count(bench, candidate, shape):
        """The requests of the warm-up count too: they were made while perf counted."""
        values = []
        for _ in range(min(3, bench.rounds)):
            with Server(candidate.command, candidate.env) as process:
                with perf.counting(process.pid) as counter:
                    figures = bench.load.run(process, shape, bench.seconds, bench.warmup)
            if counter.calls is None:
                raise BenchError("perf gave no count")
            values.append(counter.calls / max(1, figures["requests_total"]))
        return median(values)


class Idle:
    """Memory per connection that waits."""

    uses_servers = True

    def __init__(self, name, about, connections, servers=EVERY_SERVER):
        self.name = name
        self.about = about
        self.connections = connections
        self.servers = servers

    def measure(self, bench, candidates):
        count = 200 if bench.smoke else self.connections
        count = min(count, bench.file_limit - 200)
        rows = {}
        for name in self.servers + ("raw-epoll",):
            if not candidates[name].missing:
                rows[name] = idle_bytes(bench, candidates[name], count)
        return {"rows": rows}


def shape(connections, size=512, depth=1, flags=()):
    return {"connections": connections, "size": size, "depth": depth, "flags": flags}


SCENARIOS = (
    Echo("c64", "64 connections, 512 bytes, against the raw epoll loop", shape(64)),
    Echo("direct", "64 connections, AIO's ring alternating with raw liburing", shape(64),
         ("aio-uring",), "raw-uring"),
    Echo("c1000", "1000 connections, 512 bytes, against the raw epoll loop", shape(1000)),
    Echo("c1", "1 connection, 512 bytes, against the raw epoll loop", shape(1)),
    Calls("calls", "system calls per request, 64 connections and 1", (shape(64), shape(1))),
    Idle("idle", "memory of 10,000 idle connections", 10000),
    Micro("micro", "tasks, scopes, locks, channels of one core in ns, beside Go and tokio",
          ("micro_task", "micro_sync", "micro_channel", "micro_scope", "go_micro", "tokio_micro")),
    Micro("deadline", "a timer armed and disarmed beside 10,000 others in ns",
          ("micro_task deadline clock", "baselines/timer_libev", "baselines/timer_libuv",
           "baselines/timer_libevent", "go_micro go_timer", "tokio_micro tokio_timer")),
    Micro("wake", "a call and its answer between two cores that sleep, against bare eventfds",
          ("micro_core",), BOTH, ("core_call_sleeping", "eventfd_ping_pong")),
    Micro("shared", "messages between two cores in ns",
          ("micro_shared", "go_micro go_two_processors"), BOTH),
    Parked("parked", "memory of 100,000 and of 1,000,000 tasks that wait", (100000, 1000000)),
    Ticks("ticks", "ticks of 1 ms in time (per cent) beside a task that only yields"),
    Kv("kv", "examples/kv on one core against Redis, CPU per command", (1, 16)),
    Static("static-100k", "examples/static against nginx, CPU per byte of a file of 100 KiB",
           100 << 10, 16),
    Static("static-100m", "examples/static against nginx, CPU per byte of a file of 100 MiB",
           100 << 20, 4),
    Echo("rent", "rented buffers, 64 connections, 512 bytes, against raw liburing", shape(64),
         RENT, "raw-uring"),
    Echo("rent-1000", "rented buffers, 1000 connections, against raw liburing", shape(1000),
         RENT, "raw-uring"),
    Echo("rent-16k", "rented buffers, 64 connections, 16 KiB, against raw liburing",
         shape(64, 16384), RENT, "raw-uring"),
    Echo("rent-64k", "rented buffers, 64 connections, 64 KiB, against raw liburing",
         shape(64, 65536), RENT, "raw-uring"),
    Echo("rent-pipe16", "rented buffers, 16 requests in the pipe, against raw liburing",
         shape(64, 512, 16), RENT, "raw-uring"),
    Echo("rent-1", "rented buffers, 1 connection, against the raw epoll loop", shape(1), RENT),
    Echo("rent-epoll", "rented buffers on epoll, 64 connections, against the raw epoll loop",
         shape(64), ("rent-epoll",)),
    Calls("rent-calls", "system calls per request with rented buffers, 64 connections and 1",
          (shape(64), shape(1)), ("rent-uring", "rent-epoll", "raw-uring")),
    Idle("rent-idle", "memory of 10,000 idle connections on rented reads", 10000,
         ("rent-uring", "rent-epoll", "raw-uring")),
    Copy("copy-small", "20,000 files of about 4 KiB copied, against cp -a", 20000, 4096),
    Copy("copy-large", "a file of 2 GiB copied, against cp -a", 1, 2 << 30),
    FileRead("file-cached", "cached 4 KiB reads by 32 tasks on the ring, against fio's io_uring",
             "uring", "io_uring", 32),
    FileRead("file-direct", "O_DIRECT 4 KiB reads by 32 tasks on the ring, against fio's io_uring",
             "uring", "io_uring", 32, direct=True),
    FileRead("file-direct-128", "the same by 128 tasks", "uring", "io_uring", 128, direct=True),
    FileRead("file-epoll", "cached 4 KiB reads by 32 tasks on epoll, against 32 threads of fio",
             "epoll", "psync", 32),
    Ticks("file-ticks", "ticks of 1 ms beside a task that writes, syncs and reads 1 GiB",
          file=True),
    Echo("udp", "datagrams, 64 in flight, 512 bytes, against recvmmsg and sendmmsg",
         shape(1, 512, 64, ("--udp",)), UDP, "raw-epoll-udp"),
    Echo("udp-runs", "the same in runs (GSO and GRO), against recvmmsg and sendmmsg",
         shape(1, 512, 64, ("--udp", "--segments")), UDP, "raw-epoll-udp"),
    Echo("accept", "a connection for each request, against the raw epoll loop",
         shape(64, 64, 1, ("--reopen",)), ("rent-uring", "aio-uring", "rent-epoll", "raw-uring")),
    Http("http", "examples/http_hello against nginx, wrk with 64 connections, CPU per request"),
    Proxy("proxy", "examples/proxy against haproxy with splicing, iperf3, CPU per byte"),
    Spawn("spawn", "500 processes of /bin/true, 16 at once, by the clock, against xargs -P16", 500,
          16),
)

# Not among the bars; run by --only.
EXTRA = (
    Echo("c8", "8 connections, 512 bytes", shape(8)),
    Echo("c64-16k", "64 connections, 16 KiB", shape(64, 16384)),
    Echo("c64-64k", "64 connections, 64 KiB", shape(64, 65536)),
    Echo("pipe16", "64 connections, 512 bytes, 16 requests in the pipe", shape(64, 512, 16)),
)

SMOKE = ("c64", "c1", "idle", "micro", "deadline", "wake", "shared", "parked", "ticks", "kv",
         "file-cached", "copy-small", "copy-large", "udp", "udp-runs", "accept", "http", "proxy",
         "static-100k", "spawn")
