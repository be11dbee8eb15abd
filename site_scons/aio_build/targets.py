"""The library itself, programs over it, and the targets that one can name on the command line."""
import os
import sys

from SCons.Script import COMMAND_LINE_TARGETS, Action, Flatten, Split

from aio_build import install, libraries

HELP = """AIO: an async runtime for C. Targets:

  (none)         the library (libaio.a, libaio.so), the examples, the bench programs
  examples       the examples only
  test           builds and runs all tests; suite= row= filter= repeat= valgrind= jobs= narrow it
  test-<suite>   one of them: a program (test-contract) or a suite in it (test-tcp)
  check          formatting, our own rules, clang-tidy, cppcheck
  demo           the echo server on each backend under the load generator, with a small table
  bench          the benchmarks against their baselines; smoke=1 for a few seconds of each
  soak           the long storms
  test-kernel    the tests on another kernel under qemu; KERNEL= names it
  install        into PREFIX (and DESTDIR)
  -c             removes what was built

Variables:
"""


def build_library(env, objects):
    """One set of position-independent objects, both libraries. The .so is known by its SONAME."""
    build = "#" + env["AIO_BUILD"]
    static = env.StaticLibrary(build + "/libaio.a", objects)
    shared_env = libraries.merge(env, *env["AIO_LIBS"])
    shared_env.Append(LINKFLAGS=["-Wl,-soname," + install.SONAME])
    shared_env.Append(LINKFLAGS=["-Wl,--version-script,libaio.map"])
    if env["mode"] not in ("asan", "tsan"):  # their runtime is the program's
        shared_env.Append(LINKFLAGS=["-Wl,-z,defs"])
    name = "%s/libaio-uring.so.%s" % (build, install.version())
    real = shared_env.SharedLibrary(name, objects, SHLIBPREFIX="", SHLIBSUFFIX="")
    env.Depends(real, "#libaio.map")
    links = install.symlink(env, "%s/%s" % (build, install.SONAME), real)
    links += install.symlink(env, build + "/libaio.so", real)
    return {"static": static, "shared": real, "links": links}


def program(env, target, sources, aio, before=()):
    """build/<mode>/<target> over libaio.a; `before` are libraries of ours that use it."""
    linked = libraries.merge(env, *env["AIO_LIBS"])
    linked.Prepend(LIBS=Flatten([list(before), aio["static"]]))
    linked.Append(LINKFLAGS=["-pie"])
    return linked.Program("#%s/%s" % (env["AIO_BUILD"], target), sources)


def base_name(source):
    return os.path.splitext(source.name)[0]


def runner(env, tests):
    """The command line of tools/run_tests.py over these programs."""
    words = ["$PYTHON", "tools/run_tests.py", "--mode", env["mode"]]
    for option in ("suite", "row", "filter", "repeat", "valgrind", "jobs"):
        if env[option] and env[option] != "0":
            words += ["--" + option, "'%s'" % env[option]]
    if env["cross"]:
        machine = env["cross"].split("-")[0]
        words += ["--wrapper", "'qemu-%s -L /usr/%s'" % (machine, env["cross"])]
    return words + [str(node) for node in tests]


def command(env, name, action, needs=()):
    """A target that is always carried out, after what it needs was built."""
    if isinstance(action, list):
        action = " ".join(action)
    return env.AlwaysBuild(env.Alias(name, list(needs), Action(action, "")))


def suite_targets(env, tests, needs):
    """test-<suite> for whatever the command line names; the suites are known by the programs."""
    for name in COMMAND_LINE_TARGETS:
        if name.startswith("test-") and name != "test-kernel":
            narrowed = env.Clone(suite=name[len("test-"):])
            command(env, name, runner(narrowed, tests), needs)


def declare(env, aio, examples, bench, tests):
    env["PYTHON"] = sys.executable
    build = env["AIO_BUILD"]
    env["ENV"].update(AIO_BUILD=build, AIO_CC=env["CC"], AIO_CXX=env["CXX"])
    library = [aio["static"], aio["shared"], aio["links"]]
    database = env.CompilationDatabase("#build/compile_commands.json")
    env.Default(library, examples, bench, database)
    env.Alias("lib", library)
    env.Alias("examples", examples)

    programs = library + [examples, bench]
    everything = programs + [tests["needs"]]
    if tests["programs"]:
        command(env, "test", runner(env, tests["programs"]), everything)
        suite_targets(env, tests["programs"], everything)
    else:
        command(env, "test", "echo 'no tests without CUnit (Debian: libcunit1-dev)' >&2; exit 1")
    smoke = ["--smoke"] if env["smoke"] == "1" else []
    only = ["--only %s" % name for name in Split(env["only"].replace(",", " "))]
    run = Split("$PYTHON bench/run.py --build") + [build]
    command(env, "bench", run + smoke + only, programs)
    command(env, "demo", Split("$PYTHON bench/demo.py --build") + [build], programs)
    command(env, "check", Split("$PYTHON tools/check.py"), [database])
    kernel = ["KERNEL='%s'" % env["KERNEL"], "tests/kernel/run.sh", build]
    command(env, "test-kernel", kernel, everything)
    if tests["soak"]:
        command(env, "soak", runner(env, tests["soak"]), tests["soak"])
