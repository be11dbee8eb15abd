#!/usr/bin/env python3
"""Measures AIO against its baselines and its bars; see bench/README.md.

Server on CPU 0, load on CPU 1; every run between two runs of the raw epoll loop; medians of five
kept rounds; all rounds as JSON, a table of medians and the bars on the terminal.
"""
import argparse
import json
import os
import sys
import time

from runner import machine, report, servers, slow
from runner.load import Load
from runner.measure import Bench
from runner.process import BenchError, NotHere, Server, raise_file_limit
from runner.scenarios import EXTRA, SCENARIOS, SMOKE

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="kept rounds (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (2)")
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds before it counts (0.3)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does all run?")
    parser.add_argument("--only", action="append", metavar="NAME", help="this scenario; repeatable")
    parser.add_argument("--list", action="store_true", help="the scenarios")
    parser.add_argument("--markdown", action="store_true", help="the bars as a markdown table")
    parser.add_argument("--from", dest="source", metavar="JSON", help="print a former run again")
    parser.add_argument("--build", default="build/release", help="where the programs are")
    parser.add_argument("--output", metavar="JSON", help="default build/bench/results[-NAME].json")
    parser.add_argument("--load-backend", default="auto", help="AIO_BACKEND of the load (auto)")
    parser.add_argument("--syscall-ns", type=int, default=0, metavar="NS",
                        help="let each system call of the servers cost this much, see slow.py")
    return parser.parse_args(arguments)


def choose(options):
    """The scenarios asked for, in their order."""
    if not options.only:
        return [s for s in SCENARIOS if not options.smoke or s.name in SMOKE]
    known = {scenario.name: scenario for scenario in SCENARIOS + EXTRA}
    unknown = [name for name in options.only if name not in known]
    if unknown:
        sys.exit("unknown scenario %s; there are: %s" % (unknown[0], " ".join(known)))
    return [known[name] for name in options.only]


def prepare(options, build):
    raise_file_limit()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("the bench needs two CPUs: one for the server, one for the load")
    program = os.path.join(build, "bench", "load")
    if not os.path.exists(program):
        sys.exit("%s is not built: run `scons` first" % program)
    if options.smoke:
        bench = Bench(Load(program, options.load_backend), 0.15, 0.05, 1, smoke=True)
    else:
        bench = Bench(Load(program, options.load_backend), options.seconds, options.warmup,
                      options.rounds)
    bench.root = ROOT
    bench.build = build
    bench.file_limit = raise_file_limit()
    return bench


def slow_down(options, build, about):
    """Says in the results what a system call costs then."""
    if options.syscall_ns == 0:
        return
    instructions, about["syscall_slowed_ns"] = slow.calibrate(
        os.path.join(build, "bench", "micro_task"), options.syscall_ns)
    Server.slow_down = slow.installer(instructions)


def find_servers(options, build, scenarios):
    """Nothing is built and tried for scenarios that need no echo server."""
    if not any(scenario.uses_servers for scenario in scenarios):
        return {}
    candidates = servers.all_candidates(ROOT, build, with_tokio=not options.smoke)
    for candidate in candidates.values():
        servers.try_start(candidate)
        if candidate.missing:
            print("left out: %s: %s" % (candidate.title, candidate.missing))
    return candidates


def measure(bench, scenarios, candidates, results):
    """A scenario that cannot be measured says why and the others go on."""
    for scenario in scenarios:
        print("\n%s ..." % scenario.name, flush=True)
        started = time.monotonic()
        try:
            result = scenario.measure(bench, candidates)
        except NotHere as reason:
            result = {"missing": str(reason)}
        except BenchError as error:
            result = {"error": str(error)}
        result["took_s"] = round(time.monotonic() - started, 1)
        results["scenarios"][scenario.name] = result
        print(report.scenario_text(scenario.name, scenario.about, result), flush=True)
    micro = results["scenarios"].get("micro", {}).get("rows", {})
    if "syscall" in micro:
        results["machine"]["syscall_ns"] = micro["syscall"]["ns"]


def save(options, results):
    name = "results%s%s.json" % ("-" + "-".join(options.only) if options.only else "",
                                 "-slowed" if options.syscall_ns else "")
    if options.smoke:
        name = "smoke.json"
    path = options.output or os.path.join(ROOT, "build", "bench", name)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as file:
        json.dump(results, file, indent=1)
    print("\nall rounds: %s" % os.path.relpath(path))


def conclude(options, results):
    """The smoke run proves only that everything runs; a full run shows the bars."""
    failed = [name for name, result in results["scenarios"].items() if "error" in result]
    if options.smoke:
        print("smoke: " + ("failed: " + " ".join(failed) if failed else "everything runs"))
        return 1 if failed else 0
    print("\n" + report.machine_text(results))
    print(report.markdown(results) if options.markdown else report.bars_text(results))
    missed = report.bars_missed(results)
    print("%d bars missed%s" % (len(missed), ": " + "; ".join(missed) if missed else ""))
    return 0


def main():
    options = parse(sys.argv[1:])
    if options.list:
        for scenario in SCENARIOS + EXTRA:
            print("%-8s %s" % (scenario.name, scenario.about))
        return 0
    if options.source:
        with open(options.source) as file:
            results = json.load(file)
        print(report.markdown(results) if options.markdown else report.bars_text(results))
        return 0
    scenarios = choose(options)
    build = os.path.join(ROOT, options.build)
    bench = prepare(options, build)
    about = machine.describe()
    slow_down(options, build, about)
    candidates = find_servers(options, build, scenarios)
    results = {"machine": about, "commit": machine.commit(ROOT),
               "date": machine.now(), "seconds": bench.seconds, "rounds": bench.rounds,
               "servers": {name: c.missing or "measured" for name, c in candidates.items()},
               "scenarios": {}}
    measure(bench, scenarios, candidates, results)
    save(options, results)
    return conclude(options, results)


if __name__ == "__main__":
    sys.exit(main())
