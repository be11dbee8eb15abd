"""The variables of the build, what they may be, and the folder that a combination builds into."""
import fcntl
import os
import sys

from SCons.Script import ARGUMENTS, COMMAND_LINE_TARGETS, Variables

CHOICES = {
    "mode": ("release", "debug", "asan", "tsan", "fuzz"),
    "cc": ("gcc", "clang"),
    "AIO_BACKEND": ("all", "uring", "epoll"),
    "cares": ("1", "0"),
    "context": ("asm", "ucontext"),
    "werror": ("0", "1"),
    "verbose": ("0", "1"),
    "smoke": ("0", "1"),
}

MEANINGS = {
    "mode": "optimised and hardened, for debugging, AddressSanitizer and UBSan, ThreadSanitizer, "
    "or what `scons fuzz` chooses by itself",
    "cc": "the compiler",
    "AIO_BACKEND": "the backends that are compiled in; the other's library is not looked for",
    "cares": "ask name servers by c-ares, where it is found",
    "context": "how tasks switch: assembly (x86-64, aarch64) or ucontext",
    "werror": "warnings are errors",
    "verbose": "print whole command lines",
    "smoke": "bench: a few seconds, to see that the programs work",
}

FREE = (
    ("cross", "triplet of a cross compiler, as aarch64-linux-gnu (tests run under qemu-user)", ""),
    ("suite", "test: only the suites whose program or name is one of these (a,b)", ""),
    ("row", "test: only these rows (uring, epoll, ...)", ""),
    ("filter", "test: only suites whose 'program/suite' contains this", ""),
    ("repeat", "test: run everything so many times", "1"),
    ("valgrind", "test: run these suites, and only these, under Valgrind", ""),
    ("jobs", "test: processes at a time (0: one per processor)", "0"),
    ("only", "bench, fuzz: only these scenarios or targets (a,b)", ""),
    ("seconds", "fuzz: how long each target runs", "10"),
    ("KERNEL", "test-kernel: another kernel image or package", ""),
    ("PREFIX", "install: where to", "/usr/local"),
    ("LIBDIR", "install: libraries, when not PREFIX/lib (or PREFIX/lib/<multiarch> in /usr)", ""),
    ("DESTDIR", "install: a staging folder put in front of PREFIX", ""),
)


def fail(sentence):
    """Ends the build with one sentence instead of a Python traceback."""
    sys.stdout.flush()
    sys.stderr.write("scons: %s\n" % sentence)
    sys.exit(2)


def validate(key, value, _env):
    if value not in CHOICES[key]:
        fail("unknown %s '%s': choose one of %s" % (key, value, ", ".join(CHOICES[key])))


def help_line(env, key, text, default, actual, aliases):
    return "  %-14s %s%s\n" % (key, text, " [%s]" % default if default else "")


def declare():
    """The Variables, of the command line only: AIO_BACKEND in the environment is the runtime's."""
    variables = Variables(None, ARGUMENTS)
    for key, values in CHOICES.items():
        text = "%s (%s)" % (MEANINGS[key], "|".join(values))
        variables.Add(key, text, values[0], validate)
    for key, text, default in FREE:
        variables.Add(key, text, default)
    variables.FormatVariableHelpText = help_line
    return variables


def warn_unknown(variables):
    known = ", ".join(sorted(list(CHOICES) + [row[0] for row in FREE]))
    for key in variables.UnknownVariables():
        sys.stderr.write("scons: warning: unknown variable '%s'; known are %s\n" % (key, known))


def choose_fuzzing(env):
    """`scons fuzz` has a mode and a compiler of its own, and so a folder."""
    if "fuzz" in COMMAND_LINE_TARGETS:
        env.Replace(mode="fuzz", cc="clang")
    elif env["mode"] == "fuzz":
        fail("mode=fuzz is only for `scons fuzz`")


def build_folder(env):
    """build/<mode>, with a suffix per other choice, so that variants do not fight."""
    parts = [env["mode"]]
    parts += [env[key] for key in ("cc", "AIO_BACKEND", "context") if env[key] != CHOICES[key][0]]
    if env["cares"] == "0":
        parts.append("nocares")
    if env["cross"]:
        parts.append(env["cross"])
    return "build/" + "-".join(parts)


def lock_folder(env, folder):
    """Two scons at once in one build folder would overwrite each other's records: wait instead."""
    os.makedirs(folder, exist_ok=True)
    lock = open(os.path.join(folder, ".lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write("scons: waiting for another scons in %s\n" % folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
    env["AIO_LOCK"] = lock  # held until this process ends
