#!/usr/bin/env python3
"""What a user of the library meets: headers that stand alone, exported names that take nobody's
place, and an installation that lives beside Linux's libaio and POSIX's <aio.h>.

Speaks as every test program here does: --list, --rows, --suite NAME, a closing line. AIO_BUILD
names the build folder, AIO_CC and AIO_CXX the compilers (scons sets them).
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("AIO_BUILD", "build/release"))
PREFIX = BUILD + "/stage/opt/aio"
CC = os.environ.get("AIO_CC", "gcc")
CXX = os.environ.get("AIO_CXX", "g++")
STRICT = "-Wall -Wextra -Wpedantic -Werror -fsyntax-only".split()
LANGUAGES = (("c11", [CC, "-std=c11", "-xc"]), ("c17", [CC, "-std=c17", "-xc"]))
LANGUAGES += (("c++17", [CXX, "-std=c++17", "-xc++"]),)
HAS_TLS = os.path.exists(BUILD + "/libaio-tls.a")
SANITIZED = os.path.basename(BUILD).split("-")[0] in ("asan", "tsan")
PUBLIC = re.compile(r"^aio_[a-z0-9]+_[a-z0-9_]+$")


class Unavailable(Exception):
    """The suite cannot run here; the text says why."""


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s\n%s" % (what, detail))
        return good


def call(words, **options):
    """(exit status is 0, everything the command printed)"""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    return done.returncode == 0, done.stdout


def output(words, **options):
    good, text = call(words, **options)
    if not good:
        raise RuntimeError("%s\n%s" % (" ".join(words), text))
    return text


def headers():
    found = sorted(glob.glob(ROOT + "/include/aio/*.h"))
    if HAS_TLS:
        found += sorted(glob.glob(ROOT + "/include/aio-tls/*.h"))
    if os.path.exists(BUILD + "/libaio-test.a"):
        found += sorted(glob.glob(ROOT + "/include/aio-test/*.h"))
    return [os.path.relpath(path, ROOT + "/include") for path in found]


def test_headers(checks):
    """Each header alone, and before and after the headers it could be mixed up with."""
    for header in headers():
        ours = "#include <%s>\n" % header
        others = "#include <aio.h>\n"
        if os.path.exists("/usr/include/libaio.h"):
            others += "#include <signal.h>\n#include <libaio.h>\n"  # which needs sigset_t
        orders = (("alone", ours), ("after others", others + ours))
        orders += (("before others", ours + others),)
        for language, compiler in LANGUAGES:
            for order, text in orders:
                extensions = [] if order == "alone" else ["-D_GNU_SOURCE"]
                words = compiler + STRICT + extensions + ["-I" + ROOT + "/include", "-"]
                good, said = call(words, input=text + ours)
                checks.check(good, "<%s> %s in %s" % (header, order, language), said)


def defined(path, *flags):
    """The global names that a library defines (not the version's own name)."""
    lines = output(["nm", "--defined-only", "--format=posix", *flags, path]).splitlines()
    rows = [line.split() for line in lines]
    return {row[0].split("@")[0] for row in rows if len(row) > 2 and row[1] in "TDBRVWGSiu"}


def declared(folder):
    """The functions that the public headers of a folder declare."""
    text = "".join(open(path).read() for path in glob.glob(ROOT + "/include/%s/*.h" % folder))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"\bAIO_API\b[^;{]*?\b(aio_\w+)\s*\(", text))


def libc_names():
    libc = output([CC, "-print-file-name=libc.so.6"]).strip()
    return {name for name in defined(libc, "-D") if re.match(r"(aio|lio)_", name)}


def check_symbols(checks, name):
    """What libNAME exports is what <NAME/...> declares."""
    exported, wanted = defined("%s/lib%s.so" % (BUILD, name), "-D"), declared(name)
    checks.check(exported, name + " exports something")
    strange = {name for name in exported if not PUBLIC.match(name)}
    checks.check(not strange, "every exported name is aio_<noun>_<verb>", sorted(strange))
    missing, surplus = wanted - exported, exported - wanted
    checks.check(not missing, "every function of <%s/...> is exported" % name, sorted(missing))
    checks.check(not surplus, "every name is declared in <%s/...>" % name, sorted(surplus))
    inside = defined("%s/lib%s.a" % (BUILD, name), "-g")
    inside = {name for name in inside if not name.startswith("__odr_asan.")}
    strange = {name for name in inside if not re.match(r"aio_(_|[a-z0-9]+_)", name)}
    checks.check(not strange, "every global name of %s is ours" % name, sorted(strange))
    return exported


def test_symbols(checks):
    """Nothing but three-word public names goes out, all that is declared does, none is libc's."""
    exported = check_symbols(checks, "aio")
    if HAS_TLS:
        exported |= check_symbols(checks, "aio-tls")
    taken = libc_names()
    checks.check("aio_read" in taken, "libc's own aio_* names were found", sorted(taken))
    checks.check(not exported & taken, "no exported name is libc's", sorted(exported & taken))


def elf_files():
    programs = sorted(glob.glob(BUILD + "/examples/*")) + sorted(glob.glob(BUILD + "/tests/*"))
    return [BUILD + "/libaio.so"] + [path for path in programs if os.access(path, os.X_OK)]


def test_hardening(checks):
    """RELRO, immediate binding, no executable stack, position-independent, IBT marked if x86."""
    for path in elf_files():
        name = os.path.basename(path)
        dynamic, segments = output(["readelf", "-dW", path]), output(["readelf", "-hlW", path])
        checks.check("BIND_NOW" in dynamic or "NOW" in dynamic, name + " binds at once", dynamic)
        checks.check("GNU_RELRO" in segments, name + " has RELRO", segments)
        stack = re.search(r"GNU_STACK.*", segments)
        plain = stack and "RWE" not in stack.group(0)
        checks.check(plain, name + " has no executable stack", stack)
        movable = re.search(r"Type: +DYN", segments)
        checks.check(movable, name + " is position-independent", segments)
        checks.check("TEXTREL" not in dynamic, name + " has no text relocations", dynamic)


def pkg_config(*words):
    """pkg-config on the staged installation."""
    environment = dict(os.environ, PKG_CONFIG_PATH=PREFIX + "/lib/pkgconfig")
    command = ["pkg-config", "--define-variable=prefix=" + PREFIX, *words]
    return shlex.split(output(command, env=environment))


def link(checks, folder, name, module, before=(), after=(), source="outside.c"):
    """Compiles a source with a module's flags and runs it; the program's path, or None."""
    flags = pkg_config("--cflags", module), pkg_config("--libs", module)
    captures = [word for word in flags[1] if word.startswith("-L" + PREFIX)]
    checks.check(not captures, module + " has no -L", flags[1])
    program = os.path.join(folder, name)
    words = [CC, "-Wall", "-Werror", *flags[0], ROOT + "/tests/api/" + source, "-o", program]
    good, said = call(words + [*before, *flags[1], *after])
    if not checks.check(good, name + " links", " ".join(words) + "\n" + said):
        return None
    environment = dict(os.environ, LD_LIBRARY_PATH=PREFIX + "/lib")
    good, said = call([program], env=environment, timeout=60)
    checks.check(good, name + " runs", said)
    return program


def needed(program):
    return set(re.findall(r"NEEDED.*\[(.*)\]", output(["readelf", "-d", program])))


def test_link(checks):
    """An outside program with our library, Linux's libaio and <aio.h>, in every way of linking."""
    if SANITIZED:
        raise Unavailable("an outside program is not linked against a sanitized library")
    if not os.path.exists("/usr/include/libaio.h"):
        raise Unavailable("Linux's libaio is not installed (Debian: libaio-dev)")
    with tempfile.TemporaryDirectory() as folder:
        for name, before, after in (("shared", [], ["-laio"]), ("shared-after", ["-laio"], [])):
            program = link(checks, folder, name, "aio", before, after)
            if program:
                libraries = needed(program)
                for library in ("libaio-uring.so.0", "libaio.so.1"):
                    checks.check(library in libraries, "%s needs %s" % (name, library), libraries)
        program = link(checks, folder, "static", "aio-static", after=["-laio"])
        if program:
            libraries = needed(program)
            absent = "libaio-uring.so.0" not in libraries
            checks.check(absent, "static does not need ours", libraries)
            checks.check("libaio.so.1" in libraries, "static needs libaio.so.1", libraries)
        link(checks, folder, "static-all", "aio-static", before=["-static"], after=["-laio"])


def test_tls(checks):
    """An outside program with TLS, shared and static."""
    if SANITIZED:
        raise Unavailable("an outside program is not linked against a sanitized library")
    if not HAS_TLS:
        raise Unavailable("TLS was not built: it needs OpenSSL 3 (Debian: libssl-dev)")
    with tempfile.TemporaryDirectory() as folder:
        ours = {"libaio-uring.so.0", "libaio-uring-tls.so.0"}
        for module in ("aio-tls", "aio-tls-static"):
            program = link(checks, folder, module, module, source="outside_tls.c")
            if program:
                there = needed(program) & ours
                checks.check(there == (ours if module == "aio-tls" else set()), module, there)


def test_testing(checks):
    """An outside test program, by the module that brings CUnit."""
    if SANITIZED:
        raise Unavailable("an outside program is not linked against a sanitized library")
    with tempfile.TemporaryDirectory() as folder:
        program = link(checks, folder, "tester", "aio-test", source="outside_test.c")
        if program:
            said = call([program], env=dict(os.environ, LD_LIBRARY_PATH=PREFIX + "/lib"))[1]
            checks.check("1 passed, 0 failed" in said, "one test ran", said)


def test_install(checks):
    """The tree that `scons install` makes, seen as a package would be."""
    real = os.path.realpath(PREFIX + "/lib/aio/libaio.so")
    named = re.fullmatch(r"libaio-uring\.so\.[0-9.]+", os.path.basename(real))
    checks.check(named, "libaio.so leads to libaio-uring.so", real)
    checks.check(os.path.dirname(real) == PREFIX + "/lib", "the real library is in lib", real)
    soname = os.path.realpath(PREFIX + "/lib/libaio-uring.so.0")
    checks.check(soname == real, "the SONAME leads to it", soname)
    said = output(["readelf", "-d", real])
    checks.check("[libaio-uring.so.0]" in said, "the SONAME is libaio-uring.so.0", said)
    plain = glob.glob(PREFIX + "/lib/libaio.*") + glob.glob(PREFIX + "/include/aio.h")
    checks.check(not plain, "nothing is called libaio or aio.h outside our folders", plain)
    for header in headers():
        checks.check(os.path.exists(PREFIX + "/include/" + header), header + " is installed")
    flags = pkg_config("--cflags", "aio")
    checks.check("-fstack-clash-protection" in flags, "cflags protect the guard page", flags)


SUITES = {
    "headers": test_headers,
    "symbols": test_symbols,
    "hardening": test_hardening,
    "install": test_install,
    "link": test_link,
    "testing": test_testing,
    "tls": test_tls,
}


def main():
    words = sys.argv[1:]
    if "--list" in words:
        print("\n".join(SUITES))
        return 0
    if "--rows" in words:
        print("-")
        return 0
    name = words[words.index("--suite") + 1] if "--suite" in words else ""
    if name not in SUITES:
        print("usage: run.py --list | --rows | --suite %s" % "|".join(SUITES))
        return 2
    checks = Checks()
    try:
        SUITES[name](checks)
    except Unavailable as reason:
        print(reason)
        return 77
    print("%d passed, %d failed" % (checks.passed, checks.failed))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
