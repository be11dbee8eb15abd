"""The bars that AIO has to reach, and tables: of every scenario, of the bars, and of the bars as
markdown for bench/README.md."""
from collections import namedtuple

# A bar is an upper limit, or the least that will do. `beside` are other rows of its scenario to be
# read with it: (title, row, key).
Bar = namedtuple("Bar", "measure limit unit scenario values beside least",
                 defaults=((), False))

AIO = ("aio-uring", "aio-epoll")
RATIO, CALLS, NANOSECONDS, KIB, GIB, PERCENT = "ratio", "calls", "ns", "KiB", "GiB", "%"
RAW_URING = (("raw liburing", "raw-uring", "ratio"),)


def _ratio(*names):
    return lambda rows: [rows[name]["ratio"] for name in names]


def _calls(name, connections):
    return lambda rows: [rows[name][str(connections)]]


def _idle(rows):
    return [rows[name]["bytes_per_connection"] / 1024 for name in AIO if name in rows]


def _rented_idle(rows):
    return [rows[name]["bytes_per_connection"] / 1024 for name in ("rent-uring", "rent-epoll")]


def _row(name, key):
    return lambda rows: [rows[name][key]]


def _nanoseconds(name):
    return _row(name, "ns")


def _every_row(key):
    return lambda rows: [row[key] for row in rows.values()]


def _peers(**rows):
    """Title and row of others' programs; an underscore in a title stands for a space."""
    return tuple((title.replace("_", " "), row, "ns") for title, row in rows.items())


BARS = (
    Bar("ring against raw liburing, alternating", 1.10, RATIO, "direct", _ratio("aio-uring")),
    Bar("ring against raw epoll", 0.62, RATIO, "c64", _ratio("aio-uring"), RAW_URING),
    Bar("epoll against raw epoll", 1.10, RATIO, "c64", _ratio("aio-epoll")),
    Bar("ring against raw epoll, 1000 connections", 0.62, RATIO, "c1000", _ratio("aio-uring"),
        RAW_URING),
    Bar("ring against raw epoll, 1 connection", 1.05, RATIO, "c1", _ratio("aio-uring"), RAW_URING),
    Bar("epoll against raw epoll, 1 connection", 1.05, RATIO, "c1", _ratio("aio-epoll")),
    Bar("calls per request, ring, 64 connections", 0.10, CALLS, "calls", _calls("aio-uring", 64)),
    Bar("calls per request, epoll, 64 connections", 2.1, CALLS, "calls", _calls("aio-epoll", 64)),
    Bar("calls per request, ring, 1 connection", 2.1, CALLS, "calls", _calls("aio-uring", 1)),
    Bar("calls per request, epoll, 1 connection", 3.1, CALLS, "calls", _calls("aio-epoll", 1)),
    Bar("memory of an idle connection, worse backend", 6, KIB, "idle", _idle),
    Bar("yield", 12, NANOSECONDS, "micro", _nanoseconds("yield"),
        _peers(Go="go_yield", tokio="tokio_yield")),
    Bar("spawn and join", 36, NANOSECONDS, "micro", _nanoseconds("spawn_join"),
        _peers(Go="go_spawn_join", tokio="tokio_spawn_join")),
    Bar("channel of one core, unbuffered, one way", 30, NANOSECONDS, "micro",
        _nanoseconds("channel_unbuffered"),
        _peers(Go="go_channel_unbuffered", tokio="tokio_channel_1")),
    Bar("mutex, uncontended", 4, NANOSECONDS, "micro", _nanoseconds("mutex"),
        _peers(pthread="mutex_pthread", Go="go_mutex", tokio="tokio_mutex")),
    Bar("deadline armed and disarmed, 10,000 pending, without the clock", 10, NANOSECONDS,
        "deadline", _nanoseconds("deadline_armed_10000_timers"),
        _peers(libev="timer_libev", libevent="timer_libevent", libuv="timer_libuv", Go="go_timer",
               tokio="tokio_timer")),
    Bar("memory of a parked task, of 100,000", 4.5, KIB, "parked", _row("100000", "KiB_per_task")),
    Bar("1,000,000 parked tasks, woken and joined: peak", 5, GIB, "parked",
        _row("1000000", "peak_GiB")),
    Bar("channel between two busy cores, one way", 50, NANOSECONDS, "shared",
        _nanoseconds("shared_one_way_1024"), _peers(Go="go_two_processors_channel_1024")),
    Bar("call and answer between two sleeping cores, against eventfds", 1.20, RATIO, "wake",
        _row("core_call_sleeping", "ratio")),
    Bar("kv on 1 core against Redis, -P 1", 0.70, RATIO, "kv", _row("kv -P 1", "ratio"),
        (("epoll", "kv-epoll -P 1", "ratio"),)),
    Bar("kv on 1 core against Redis, -P 16", 0.90, RATIO, "kv", _row("kv -P 16", "ratio"),
        (("epoll", "kv-epoll -P 16", "ratio"),)),
    Bar("ticks in time beside a task that only yields, worse backend", 95, PERCENT, "ticks",
        _every_row("share"), least=True),
    Bar("static against nginx, CPU per byte of a file of 100 KiB, worse backend", 1.00, RATIO,
        "static-100k", _ratio(*AIO), (("nginx with tcp_nopush", "nginx-nopush", "ratio"),)),
    Bar("the same, of 100 MiB", 1.00, RATIO, "static-100m", _ratio(*AIO),
        (("nginx with tcp_nopush", "nginx-nopush", "ratio"),)),
    Bar("rented buffers against raw liburing", 1.05, RATIO, "rent", _ratio("rent-uring")),
    Bar("the same, 1000 connections", 1.05, RATIO, "rent-1000", _ratio("rent-uring")),
    Bar("the same, 16 KiB", 1.08, RATIO, "rent-16k", _ratio("rent-uring")),
    Bar("the same, 64 KiB", 1.08, RATIO, "rent-64k", _ratio("rent-uring")),
    Bar("the same, 16 requests in the pipe", 1.05, RATIO, "rent-pipe16", _ratio("rent-uring")),
    Bar("rented buffers against raw epoll, 1 connection", 0.95, RATIO, "rent-1",
        _ratio("rent-uring")),
    Bar("calls per request, rented buffers, 1 connection", 1.10, CALLS, "rent-calls",
        _calls("rent-uring", 1)),
    Bar("rented buffers on epoll against raw epoll", 1.05, RATIO, "rent-epoll",
        _ratio("rent-epoll")),
    Bar("memory of an idle connection on rented reads, worse backend", 5, KIB, "rent-idle",
        _rented_idle),
    Bar("cached random reads, ring, CPU against fio io_uring batched", 1.10, RATIO, "file-cached",
        _row("aio", "cpu_ratio")),
    Bar("O_DIRECT random reads, 32 tasks, reads per second against the same", 0.95, RATIO,
        "file-direct", _row("aio", "rate_ratio"), least=True),
    Bar("the same, 128 tasks", 0.95, RATIO, "file-direct-128", _row("aio", "rate_ratio"),
        least=True),
    Bar("cached random reads, epoll, reads per second against fio psync", 1.00, RATIO, "file-epoll",
        _row("aio", "rate_ratio"), (("CPU", "aio", "cpu_ratio"),), least=True),
    Bar("ticks 5 ms late beside 1 GiB of file writes, reads and syncs, worse backend", 1, PERCENT,
        "file-ticks", _every_row("share_5ms_late")),
    Bar("datagrams against recvmmsg and sendmmsg", 1.0, RATIO, "udp", _ratio("udp-uring"),
        (("epoll", "udp-epoll", "ratio"), ("raw liburing", "raw-uring-udp", "ratio"))),
    Bar("the same, in runs that the kernel cuts and joins", 0.80, RATIO, "udp-runs",
        _ratio("udp-uring"), (("epoll", "udp-epoll", "ratio"),)),
    Bar("accept, request, close on rented buffers against raw epoll", 0.95, RATIO, "accept",
        _ratio("rent-uring"),
        RAW_URING + (("plain reads", "aio-uring", "ratio"), ("epoll", "rent-epoll", "ratio"))),
    Bar("http_hello against nginx", 0.80, RATIO, "http", _row("aio-uring", "ratio"),
        (("epoll", "aio-epoll", "ratio"),)),
    Bar("TCP proxy against haproxy with splicing", 0.85, RATIO, "proxy", _row("aio-uring", "ratio"),
        (("epoll", "aio-epoll", "ratio"),)),
    Bar("copy of 20,000 small files against cp -a, worse backend", 0.80, RATIO, "copy-small",
        _ratio("uring", "epoll")),
    Bar("copy of a file of 2 GiB against cp -a, worse backend", 1.10, RATIO, "copy-large",
        _ratio("uring", "epoll")),
    Bar("500 processes, 16 at once, against xargs -P16, worse backend", 1.00, RATIO, "spawn",
        _ratio("uring", "epoll")),
)


def _rows(bar, results):
    return results["scenarios"].get(bar.scenario, {}).get("rows", {})


def measured(bar, results):
    """The worst value of the bar, None when it was not measured."""
    try:
        values = [value for value in bar.values(_rows(bar, results)) if value is not None]
    except KeyError:
        return None
    if not values:
        return None
    return min(values) if bar.least else max(values)


def missed(bar, value):
    return value is not None and (value < bar.limit if bar.least else value > bar.limit)


def _beside(bar, results):
    """Like " (raw liburing 0.51)": what others reached in the same run."""
    rows = _rows(bar, results)
    found = [(title, rows.get(row, {}).get(key)) for title, row, key in bar.beside]
    words = ["%s %s" % (title, figure(value)) for title, value in found if value is not None]
    return " (%s)" % ", ".join(words) if words else ""


def _unit(bar):
    return "" if bar.unit in (RATIO, CALLS) else " " + bar.unit


def _digits(bar):
    if bar.unit in (RATIO, CALLS):
        return 2
    return 0 if bar.limit == int(bar.limit) else 1


def figure(value):
    """Three figures that count, as a reader of a table wants them."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100 or value == 0 or isinstance(value, int):
        return "%.0f" % value
    return "%.1f" % value if size >= 10 else "%.2f" % value if size >= 0.1 else "%.3f" % value


def table(header, rows):
    """Columns as wide as they need to be; the first one to the left, figures to the right."""
    cells = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        lines.append("  ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]))
    return "\n".join(line.rstrip() for line in lines)


def _echo_table(result):
    header = ["server", "CPU us/req", "ratio", "req/s", "p50 us", "p99 us", "p99.9 us",
              "server busy", "load busy", "kept", "dropped"]
    rows = []
    for name, row in result["rows"].items():
        if row["cpu_us"] is None:
            rows.append([name] + ["-"] * 8 + [0, row["dropped"]])
            continue
        rows.append([
            name + (" *" if row["load_is_bottleneck"] else ""),
            "%.2f" % row["cpu_us"], figure(row["ratio"]), "%.0f" % row["requests_per_s"],
            "%.0f" % row["p50_us"], "%.0f" % row["p99_us"], "%.0f" % row["p999_us"],
            "%.0f %%" % (100 * row["server_busy"]), "%.0f %%" % (100 * row["busy"]),
            row["kept"], row["dropped"],
        ])
    text = table(header, rows)
    if any(row["load_is_bottleneck"] for row in result["rows"].values()):
        text += "\n* in at least one run the load, not the server, was the bottleneck"
    return text


def _other_table(rows):
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    body = [[name] + [figure(row.get(key)) for key in columns] for name, row in rows.items()]
    return table([""] + columns, body)


def scenario_text(name, about, result):
    title = "%s: %s\n" % (name, about)
    if "error" in result:
        return title + "  not measured: " + result["error"]
    if "missing" in result:
        return title + "  left out: " + result["missing"]
    if "bracket" in result:
        return title + _echo_table(result)
    left_out = ["\nleft out: %s: %s" % pair for pair in result.get("left_out", {}).items()]
    return title + _other_table(result["rows"]) + "".join(left_out)


def _bar_cells(bar, results):
    value = measured(bar, results)
    limit = "%s %.*f%s" % ("at least" if bar.least else "at most", _digits(bar), bar.limit,
                           _unit(bar))
    if value is None:
        return [bar.measure, limit, "-", "-"]
    return [bar.measure, limit, figure(value) + _unit(bar) + _beside(bar, results),
            "MISS" if missed(bar, value) else "pass"]


def bars_text(results):
    rows = [_bar_cells(bar, results) for bar in BARS
            if bar.scenario in results["scenarios"]]
    return table(["measure", "bar", "measured", ""], rows) if rows else ""


def bars_missed(results):
    return [bar.measure for bar in BARS if missed(bar, measured(bar, results))]


def machine_text(results):
    machine = results["machine"]
    call, slowed = machine.get("syscall_ns"), machine.get("syscall_slowed_ns")
    cost = ", a system call costs %.0f ns" % call if call else ""
    if slowed:
        cost = ", system calls of the servers slowed to %.0f ns by a seccomp filter" % slowed
    return "%s, %d CPUs, Linux %s, %s%s; %s, commit %s" % (
        machine["cpu"], machine["cpus"], machine["kernel"], machine["congestion"], cost,
        results["date"], results["commit"])


def markdown(results):
    lines = ["Measured on: %s.\n" % machine_text(results),
             "| measure | bar | measured | | command |", "|---|---|---|---|---|"]
    for bar in BARS:
        cells = _bar_cells(bar, results) + ["`bench/run.py --only %s`" % bar.scenario]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
