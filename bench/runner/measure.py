"""Measuring in pairs: each run stands between two runs of a bracket server, and only the ratio to
them counts, because the speed of the machine drifts by more than what is to be seen."""
import statistics
import time

from .process import BenchError, Server

SPREAD_LIMIT = 0.15  # how far the two brackets may differ
BUSY_LIMIT = 0.85  # what the busier side must reach, else something else had the CPU
TRIES = 4  # runs per kept round before the round is given up


class Bench:
    """The settings all runs share, and the two ways to run a server."""

    def __init__(self, load, seconds, warmup, rounds, smoke=False, say=print):
        self.load = load
        self.seconds = seconds
        self.warmup = warmup
        self.rounds = rounds
        self.smoke = smoke
        self.say = say

    def run(self, server, shape):
        """A fresh server, one load run; its figures."""
        with Server(server.command, server.env, server.udp) as process:
            return self.load.run(process, shape, self.seconds, self.warmup)

    def paired_rounds(self, shape, servers, bracket):
        """The kept and the dropped pairs of each server, as {name: [pair...]}."""
        kept = {server.name: [] for server in servers}
        dropped = {server.name: [] for server in servers}
        before = None if self.smoke else self.run(bracket, shape)
        for number in range(self.rounds):
            for server in servers:
                before = self._one_pair(shape, server, bracket, before, kept, dropped)
            self.say("    round %d of %d" % (number + 1, self.rounds))
        return kept, dropped

    def _one_pair(self, shape, server, bracket, before, kept, dropped):
        """Repeats until a pair can be kept. The bracket after is the next one's bracket before."""
        for attempt in range(TRIES):
            figures = self.run(server, shape)
            if self.smoke:
                kept[server.name].append({"run": figures})
                return None
            after = self.run(bracket, shape)
            pair = make_pair(figures, before, after)
            pair["reason"] = reason_to_drop(pair, shape)
            before = after
            if pair["reason"] is None:
                kept[server.name].append(pair)
                return before
            dropped[server.name].append(pair)
            self.say("    %s dropped: %s" % (server.name, pair["reason"]))
            time.sleep(attempt)  # what disturbs the machine may pass
        return before


def make_pair(figures, before, after):
    middle = (before["cpu_us"] + after["cpu_us"]) / 2
    spread = abs(before["cpu_us"] - after["cpu_us"]) / min(before["cpu_us"], after["cpu_us"])
    return {
        "run": figures,
        "before": before,
        "after": after,
        "ratio": figures["cpu_us"] / middle,
        "spread": spread,
    }


def reason_to_drop(pair, shape):
    if pair["spread"] > SPREAD_LIMIT:
        return "its brackets differ by %.0f %%" % (100 * pair["spread"])
    if shape["connections"] == 1:
        return None  # client and server take turns, so neither can be busy all the time
    for name in ("before", "run", "after"):
        busy = max(pair[name]["server_busy"], pair[name]["busy"])
        if busy < BUSY_LIMIT:
            return "neither side was busy (%s: %.0f %%)" % (name, 100 * busy)
    return None


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def take_turns(bench, servers, run, peer):
    """Each round a run of each of {name: (command, environment)}; medians, and the ratio of the
    first figure to the peer's."""
    runs = {name: [] for name in servers}
    for number in range(bench.rounds):
        for name, (command, env) in servers.items():
            runs[name].append(run(command, env))
        bench.say("    round %d of %d" % (number + 1, bench.rounds))
    rows = {name: {key: median([value[key] for value in values]) for key in values[0]}
            for name, values in runs.items()}
    first = next(iter(rows[peer]))
    for row in rows.values():
        row["ratio"] = row[first] / rows[peer][first]
    return {"rows": rows, "runs": runs}


def idle_bytes(bench, server, connections):
    """Private resident memory per connection that has echoed once and now waits."""
    with Server(server.command, server.env) as process:
        with bench.load.idle(process, 1):
            pass  # one connection first: what the server allocates once is not counted
        empty = process.private_bytes()
        with bench.load.idle(process, connections) as figures:
            held = figures["connected"]
            if held < connections:
                raise BenchError("only %d of %d connections stood" % (held, connections))
            full = process.private_bytes()
    return {"connections": held, "bytes_empty": empty, "bytes_full": full,
            "bytes_per_connection": (full - empty) / held}
