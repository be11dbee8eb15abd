"""The compiler and its flags: what is common, what a mode adds, and what only the library gets."""
import os
import shutil
import subprocess

from aio_build.options import fail

# Without -Wpedantic: the code is GNU C on purpose (the public headers are not: tests/api).
WARNINGS = """-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wswitch-enum -Wundef -Wvla -Wformat=2 -Wcast-qual -Wwrite-strings
    -Wimplicit-fallthrough""".split()

SANITIZERS = {
    "asan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "tsan": ["-fsanitize=thread"],
    "fuzz": ["-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize-recover=undefined"],
}

MODES = {
    "release": ["-O2", "-g", "-fstack-clash-protection", "-fstack-protector-strong", "-fno-plt"],
    "debug": ["-O0", "-g3", "-fstack-clash-protection"],
    "asan": ["-O1", "-g", "-fno-omit-frame-pointer"] + SANITIZERS["asan"],
    "tsan": ["-O1", "-g", "-fno-omit-frame-pointer"] + SANITIZERS["tsan"],
    "fuzz": ["-O1", "-g", "-fno-omit-frame-pointer"] + SANITIZERS["fuzz"],
}

SHORT = {"CC": "CC", "SHCC": "CC", "ASPP": "AS", "LINK": "LINK", "SHLINK": "LINK", "AR": "AR"}


def choose_compiler(env):
    prefix = env["cross"] + "-" if env["cross"] and env["cc"] == "gcc" else ""
    name = prefix + env["cc"]
    if not shutil.which(name):
        fail("the compiler '%s' is not here: install it, or choose another with cc=" % name)
    env.Replace(CC=name, SHCC=name, AS=name, LINK=name, SHLINK=name)
    env.Replace(CXX=prefix + {"gcc": "g++", "clang": "clang++"}[env["cc"]])
    env.Replace(AR=prefix + "ar", RANLIB=prefix + "ranlib")
    if env["cross"] and env["cc"] == "clang":
        env.Append(CCFLAGS=["--target=" + env["cross"]], LINKFLAGS=["--target=" + env["cross"]])


def machine(env):
    """The first word of the target's triplet, e.g. x86_64 or aarch64."""
    return env["cross"].split("-")[0] if env["cross"] else os.uname().machine


def shorten_output(env):
    for command, word in SHORT.items():
        env[command + "COMSTR"] = "%6s $TARGET" % word
    env["RANLIBCOMSTR"] = "RANLIB $TARGET"


def hardening_defines(env):
    """Fortify needs the optimiser, and its checks are not the sanitizers' business."""
    if env["mode"] != "release":
        return ["AIO_DEBUG=1"]
    return ["_FORTIFY_SOURCE=3"]


def configure(env):
    """Flags of everything that is compiled here; the library's own are in library_flags."""
    env.Append(
        CFLAGS=["-std=gnu11"],
        CCFLAGS=MODES[env["mode"]] + ["-fPIC", "-pthread"] + WARNINGS,
        CPPDEFINES=["_GNU_SOURCE"] + hardening_defines(env),
        CPPPATH=["#include"],
        LINKFLAGS=["-pthread", "-Wl,-z,relro,-z,now,-z,noexecstack", "-Wl,--as-needed"],
    )
    env.Append(LINKFLAGS=SANITIZERS.get(env["mode"], []))
    if env["mode"] == "release":
        env.Prepend(CPPFLAGS=["-U_FORTIFY_SOURCE"])
    if machine(env) == "x86_64":
        env.Append(CCFLAGS=["-fcf-protection=branch"])  # IBT; shadow stacks are not supported
    if env["cc"] == "clang":
        env.Append(CCFLAGS=["-Wno-gnu-variable-sized-type-not-at-end"])  # GNU C, as said above
    if env["werror"] == "1":
        env.Append(CCFLAGS=["-Werror"])
    for name in ("CPPFLAGS", "CFLAGS", "LDFLAGS"):  # the packager's, last so that they win
        env.Append(**{"LINKFLAGS" if name == "LDFLAGS" else name: os.environ.get(name, "").split()})
    if env["verbose"] == "0":
        shorten_output(env)


def check_fuzzer(env):
    """Ends the build where clang cannot link a libFuzzer program."""
    source = "int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }"
    words = [env["CC"], "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"]
    done = subprocess.run(words, input=source, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail("fuzzing needs clang with its fuzzer runtime (Debian: clang, libclang-rt-14-dev)")


def library_env(env):
    """The library sees its own private headers from the root, and hides what is not AIO_API."""
    library = env.Clone()
    library.Append(CCFLAGS=["-fvisibility=hidden", "-ftls-model=initial-exec"], CPPPATH=["#"])
    return library
