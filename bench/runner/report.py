"""The bars that AIO has to reach, and tables: of every scenario, of the bars, and of the bars as
markdown for bench/README.md."""
from collections import namedtuple

Bar = namedtuple("Bar", "measure limit unit scenario values")

AIO = ("aio-uring", "aio-epoll")
RATIO, CALLS, NANOSECONDS, KIB = "ratio", "calls", "ns", "KiB"


def _ratio(*names):
    return lambda rows: [rows[name]["ratio"] for name in names]


def _calls(name, connections):
    return lambda rows: [rows[name][str(connections)]]


def _idle(rows):
    return [rows[name]["bytes_per_connection"] / 1024 for name in AIO if name in rows]


def _nanoseconds(name):
    return lambda rows: [rows[name]["ns"]]


BARS = (
    Bar("ring against raw liburing, alternating", 1.10, RATIO, "direct", _ratio("aio-uring")),
    Bar("ring against raw epoll", 0.62, RATIO, "c64", _ratio("aio-uring")),
    Bar("epoll against raw epoll", 1.10, RATIO, "c64", _ratio("aio-epoll")),
    Bar("ring against raw epoll, 1000 connections", 0.62, RATIO, "c1000", _ratio("aio-uring")),
    Bar("ring against raw epoll, 1 connection", 1.05, RATIO, "c1", _ratio("aio-uring")),
    Bar("epoll against raw epoll, 1 connection", 1.05, RATIO, "c1", _ratio("aio-epoll")),
    Bar("calls per request, ring, 64 connections", 0.10, CALLS, "calls", _calls("aio-uring", 64)),
    Bar("calls per request, epoll, 64 connections", 2.1, CALLS, "calls", _calls("aio-epoll", 64)),
    Bar("calls per request, ring, 1 connection", 2.1, CALLS, "calls", _calls("aio-uring", 1)),
    Bar("calls per request, epoll, 1 connection", 3.1, CALLS, "calls", _calls("aio-epoll", 1)),
    Bar("yield", 15, NANOSECONDS, "task", _nanoseconds("yield")),
    Bar("spawn and join", 45, NANOSECONDS, "task", _nanoseconds("spawn_join")),
    Bar("memory of an idle connection, worse backend", 6, KIB, "idle", _idle),
)


def measured(bar, results):
    """The worst value of the bar, None when it was not measured."""
    rows = results["scenarios"].get(bar.scenario, {}).get("rows")
    try:
        values = [value for value in bar.values(rows) if value is not None] if rows else []
    except KeyError:
        return None
    return max(values) if values else None


def limit_here(bar, results):
    """What raw liburing itself reached where a ring is compared with raw epoll."""
    if bar.scenario not in ("c64", "c1000", "c1") or not bar.measure.startswith("ring"):
        return None
    rows = results["scenarios"].get(bar.scenario, {}).get("rows", {})
    return rows.get("raw-uring", {}).get("ratio")


def _unit(bar):
    return " " + bar.unit if bar.unit in (NANOSECONDS, KIB) else ""


def _digits(bar):
    return 2 if bar.unit in (RATIO, CALLS) else 0


def figure(value):
    """Three figures that count, as a reader of a table wants them."""
    if value is None:
        return "-"
    if value >= 100:
        return "%.0f" % value
    return "%.1f" % value if value >= 10 else "%.2f" % value if value >= 0.1 else "%.3f" % value


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
    if "bracket" in result:
        return title + _echo_table(result)
    return title + _other_table(result["rows"])


def _mark(value, limit):
    return "-" if value is None else "pass" if value <= limit else "MISS"


def _bar_cells(bar, results):
    value = measured(bar, results)
    limit = limit_here(bar, results)
    note = "" if limit is None else " (raw liburing %s)" % figure(limit)
    return [bar.measure, "at most %.*f%s" % (_digits(bar), bar.limit, _unit(bar)),
            figure(value) + ("" if value is None else _unit(bar)) + note, _mark(value, bar.limit)]


def bars_text(results):
    rows = [_bar_cells(bar, results) for bar in BARS
            if bar.scenario in results["scenarios"]]
    return table(["measure", "bar", "measured", ""], rows) if rows else ""


def bars_missed(results):
    return [bar.measure for bar in BARS
            if (measured(bar, results) or 0) > bar.limit]


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
