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
  fuzz           the fuzz targets under libFuzzer (clang); seconds= only= narrow it
  test-kernel    the tests on another kernel under qemu; KERNEL= names it
  install        into PREFIX (and DESTDIR)
  -c             removes what was built

Variables:
"""


def link_shared(env, name, objects, needs=()):
    """A shared library lib<name>.so, known by its SONAME, and its link names: (library, links)."""
    build, soname = "#" + env["AIO_BUILD"], install.SONAMES[name]
    linked = env.Clone()
    linked.Append(LINKFLAGS=["-Wl,-soname," + soname])
    linked.Append(LINKFLAGS=["-Wl,--version-script,lib%s.map" % name])
    linked.Prepend(LIBS=list(needs))
    if env["mode"] not in ("asan", "tsan", "fuzz"):  # their runtime is the program's
        linked.Append(LINKFLAGS=["-Wl,-z,defs"])
    path = "%s/%s" % (build, install.real_name(name))
    real = linked.SharedLibrary(path, objects, SHLIBPREFIX="", SHLIBSUFFIX="")
    env.Depends(real, "#lib%s.map" % name)
    links = install.symlink(env, "%s/%s" % (build, soname), real)
    links += install.symlink(env, "%s/lib%s.so" % (build, name), real)
    return real, links


def build_library(env, objects):
    """One set of position-independent objects, both libraries."""
    static = env.StaticLibrary("#%s/libaio.a" % env["AIO_BUILD"], objects)
    real, links = link_shared(libraries.merge(env, *env["AIO_LIBS"]), "aio", objects)
    return {"static": static, "shared": real, "links": links}


def build_tls(env, objects, aio):
    """libaio-tls in the same manner, over libaio."""
    static = env.StaticLibrary("#%s/libaio-tls.a" % env["AIO_BUILD"], objects)
    linked = libraries.merge(env, env["AIO_TLS"])
    real, links = link_shared(linked, "aio-tls", objects, aio["shared"])
    return {"tls_static": static, "tls_shared": real, "tls_links": links}


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
    library = list(aio.values())
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
    if tests["fuzz"]:
        words = Split("$PYTHON tests/fuzz/run.py --seconds '$seconds' --only '$only'")
        command(env, "fuzz", words + [str(node) for node in tests["fuzz"]], tests["fuzz"])
    if tests["soak"]:
        command(env, "soak", runner(env, tests["soak"]), tests["soak"])
