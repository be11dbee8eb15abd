#!/usr/bin/env python3
"""The project's own rules of form, those that no other tool checks; what is not enforced here is
not claimed. Each rule is a function over a File and has samples, some that trip it and some that do
not; they are tried first. A comment excuses a call on its line: /* tidy: allow NAME */.
"""
import collections
import os
import re
import sys

LIBRARY = ("core/", "backends/", "net/", "fs/", "os/", "tls/")
FOLDERS = LIBRARY + ("include/", "tests/", "bench/", "examples/")
SCRIPTS = ("SConstruct", "site_scons/", "tools/", ".ci/")

# Headers that do not belong to libc. Folders see only what stands here, the first match counts;
# libc they see all.
FOREIGN = r'"|<(aio|aio-test|aio-tls|openssl|core|backends|tests|bench|CUnit|valgrind|sanitizer)/'
FOREIGN += r"|<(liburing|ev\.h|ev\+\+|ares\.h|http_parser\.h|hiredis/|linux/io_uring|libaio\.h)"
MAY_INCLUDE = (
    ("include/aio-test/", r"<(aio|aio-test|CUnit)/"),
    ("include/", r"<aio/"),
    ("core/", r'"core/|<(aio|valgrind|sanitizer)/'),
    ("backends/uring/", r'"(core|backends/uring)/|"backends/\w+\.h|<(aio|valgrind|sanitizer)/'
                        r"|<liburing|<linux/io_uring"),
    ("backends/ev/", r'"core/|"backends/(ev/|\w+\.h)|<aio/|<ev\.h'),
    ("backends/", r'"(core|backends)/|<aio/'),
    ("net/resolve_dns.c", r'"net/|"core/(?!backend\.h)|<aio/|<ares\.h'),
    ("net/", r'"net/|"core/(?!backend\.h)|<aio/'),
    ("fs/", r'"fs/|"core/(?!backend\.h)|<aio/'),
    ("os/", r'"os/|"core/(?!backend\.h)|<aio/'),
    ("tls/", r'"tls/|<(aio|aio-tls|openssl)/'),
    ("tests/tls/", r'"tests/(tls|behaviour|harness)/|<(aio|aio-test|aio-tls|openssl)/'),
    ("tests/behaviour/", r'"tests/(behaviour|harness)/|<(aio|aio-test|CUnit)/'),
    ("tests/lib/", r'"tests/lib/|<(aio|aio-test|CUnit|valgrind|sanitizer)/'),
    ("tests/api/", r"<(aio|aio-test|aio-tls)/|<libaio\.h"),
    ("tests/", r'"(tests|core|backends|net|fs|os|examples)/'
               r"|<(aio|aio-test|CUnit|valgrind|sanitizer)/|<linux/io_uring"),
    ("bench/baselines/", r'"bench/|<liburing|<ev\.h'),
    ("bench/", r'"bench/|<aio/'),
    ("examples/", r'<(aio|aio-tls)/|<http_parser\.h|<hiredis/|"examples/'),
)

# (folders, exempt files, names, what to use instead)
BANNED = (
    (LIBRARY, ("core/alloc.c",), "malloc calloc realloc free strdup strndup", "core/alloc.h"),
    (LIBRARY, (), "strerror perror", "aio_error_name, which needs no locale and no lock"),
    (FOLDERS, (), "sprintf vsprintf strcpy strcat gets", "snprintf"),
    (FOLDERS, (), "signal", "sigaction"),
    (FOLDERS, (), "usleep", "aio_time_sleep, or a wait for the event itself"),
    (("tests/",), (), "sleep", "a wait for the event itself"),
    (("tests/behaviour/",), (), "nanosleep", "a wait for the event itself"),
    (("net/",), (), "close read write recv send accept accept4 connect", "an op"),
)


class File:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self.lines = text.split("\n")
        self.is_c = path.endswith((".c", ".h"))
        self.code = without_comments(text).split("\n") if self.is_c else []


def without_comments(text):
    """The text with comments and the insides of strings blanked, line by line as before."""
    def blank(match):
        found = match.group(0)
        return found[0] * 2 if found[0] in "\"'" else re.sub(r"[^\n]", " ", found)

    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def excused(file, number, name):
    return "tidy: allow " + name in file.lines[number - 1]


def includes(file):
    for number, line in enumerate(file.lines, 1):
        found = re.match(r'\s*#\s*include\s+([<"][^>"]+)', line)
        if not found or not re.match(FOREIGN, found.group(1)):
            continue
        allowed = next((may for folder, may in MAY_INCLUDE if file.path.startswith(folder)), None)
        if allowed and not re.match(allowed, found.group(1)):
            yield number, "%s is not for this folder" % found.group(1)[1:]


def line_length(file):
    for number, line in enumerate(file.lines, 1):
        if len(line) > 100:
            yield number, "%d columns, at most 100" % len(line)


def file_length(file):
    if len(file.lines) > 601:
        yield 1, "%d lines, at most 600" % len(file.lines)


def function_length(file):
    start = 0
    for number, line in enumerate(file.code, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            around = file.lines[max(0, start - 6) : number]
            table = any("tidy: opcode table" in text for text in around)
            if number - start - 1 > 70 and not table:
                yield start, "a function of %d lines, at most 70" % (number - start - 1)
            start = 0


def banned_calls(file):
    for folders, exempt, names, instead in BANNED:
        if not file.path.startswith(folders) or file.path in exempt:
            continue
        pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % names.replace(" ", "|"))
        for number, line in enumerate(file.code, 1):
            for found in pattern.finditer(line):
                if not excused(file, number, found.group(1)):
                    yield number, "%s: use %s" % (found.group(1), instead)


def fatal_assertions(file):
    """CUnit's fatal assertions longjmp off the task's stack."""
    if file.path.startswith("tests/unit/"):
        return
    for number, line in enumerate(file.code, 1):
        if re.search(r"\bCU_\w+_FATAL\b|\bCU_FAIL_FATAL\b", line):
            yield number, "no fatal assertion: it would jump off the task's stack"


def marks(file):
    for number, line in enumerate(file.lines, 1):
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line):
            yield number, "finish it, or open an issue"


LABEL = r"^ \* (?:Suspends|Context|Lifetime|Returns): "


def public_functions(file):
    """(line number, name, return type, the comment above or None) of each AIO_API function."""
    if not file.path.startswith("include/"):
        return
    pattern = r"^AIO_API\s+((?:[\w\s*]|__attribute__\(\([^;]*?\)\))*?)\b(\w+)\s*\("
    for found in re.finditer(pattern, file.text, re.MULTILINE):
        above = file.text[: found.start()].rstrip("\n")
        comment = above[above.rindex("/*"):] if above.endswith("*/") else None
        kind = re.sub(r"AIO_\w+|__attribute__.*", "", found.group(1)).strip()
        yield above.count("\n") + 2, found.group(2), kind, comment


def docstrings(file):
    for number, name, kind, comment in public_functions(file):
        if file.path.startswith("include/aio-test/"):
            continue
        if comment is None:
            yield number, "%s has no comment" % name
        elif re.sub(r"^/\*[\s*]*", "", comment).split()[0] != name:
            yield number, "the comment of %s does not begin with its name" % name
        elif kind != "void" and "Returns:" not in comment:
            yield number, "the comment of %s has no Returns:" % name


def labels(file):
    """Suspends, Context, Lifetime, Returns begin a line, and what follows is indented below them:
    the formatter joins lines when it cuts one that is too long."""
    for number, _, _, comment in public_functions(file):
        lines = (comment or "").split("\n")
        first = next((at for at, text in enumerate(lines) if re.match(LABEL, text)), len(lines))
        for at, text in enumerate(lines[first:-1], first):
            joined = re.search(r"\S\s" + LABEL[5:], text[3:])
            if joined or not re.match(LABEL + r"|^ \* {12}\S", text):
                yield number - len(lines) + at, "labels begin a line, their text stands below it"
                break


def three_words(file):
    for number, name, _, _ in public_functions(file):
        if not re.fullmatch(r"aio_[a-z0-9]+_[a-z0-9_]+", name):
            yield number, "%s is not aio_<noun>_<verb>" % name


LONG = "int f(void)\n{\n" + "    g();\n" * 71 + "}\n"
MARKED = LONG.replace("{\n", "{ /* tidy: opcode table */\n", 1)
DOC = "/*\n * aio_a_b is.\n *\n * Returns:  0.\n */\nAIO_API %saio_a_b(void);"
BAD, GOOD = True, False
SAMPLES = (
    (includes, BAD, "core/a.c", "#include <ev.h>\n"),
    (includes, BAD, "net/a.c", '#include "backends/caps.h"\n'),
    (includes, BAD, "os/a.c", '#include "core/backend.h"\n'),
    (includes, BAD, "include/aio/a.h", '#include "core/op.h"\n'),
    (includes, BAD, "tests/behaviour/a.c", '#include "core/op.h"\n'),
    (includes, BAD, "net/a.c", "#include <openssl/ssl.h>\n"),
    (includes, BAD, "tls/a.c", '#include "core/core.h"\n'),
    (includes, BAD, "backends/ev/a.c", "#include <liburing.h>\n"),
    (includes, GOOD, "net/a.c", '#include "core/op.h"\n#include <aio/net.h>\n#include <net/if.h>'),
    (line_length, BAD, "net/a.c", "x" * 101),
    (line_length, GOOD, "net/a.c", "x" * 100),
    (file_length, BAD, "net/a.c", "\n" * 601),
    (file_length, GOOD, "net/a.c", "\n" * 600),
    (function_length, BAD, "net/a.c", LONG),
    (function_length, GOOD, "net/a.c", MARKED),
    (banned_calls, BAD, "core/a.c", "p = malloc(4);"),
    (banned_calls, BAD, "net/a.c", "close(fd);"),
    (banned_calls, BAD, "tests/unit/a.c", "sleep (1);"),
    (banned_calls, BAD, "bench/a.c", "signal(2, f);"),
    (banned_calls, GOOD, "core/alloc.c", "malloc(4);"),
    (banned_calls, GOOD, "net/a.c", "close(fd); /* tidy: allow close: no handle yet */"),
    (banned_calls, GOOD, "net/a.c", "/* close() */ aio__close(fd); ops->close(x);"),
    (fatal_assertions, BAD, "tests/behaviour/a.c", "CU_ASSERT_FATAL(x);"),
    (fatal_assertions, GOOD, "tests/unit/a.c", "CU_ASSERT_FATAL(x);"),
    (marks, BAD, "net/a.c", "/* TO" "DO: later */"),
    (marks, GOOD, "net/a.c", "/* done */"),
    (docstrings, BAD, "include/aio/a.h", "AIO_API int aio_a_b(void);"),
    (docstrings, BAD, "include/aio/a.h", "/* Starts. */\nAIO_API void aio_a_b(void);"),
    (docstrings, BAD, "include/aio/a.h", "/* aio_a_b is. */\nAIO_API AIO_NODISCARD int aio_a_b();"),
    (docstrings, GOOD, "include/aio/a.h", "/* aio_a_b is. */\nAIO_API void aio_a_b(void);"),
    (docstrings, GOOD, "include/aio/a.h", DOC % "const char *"),
    (labels, BAD, "include/aio/a.h", DOC.replace("Returns:", "Suspends:  no. Returns:") % "int "),
    (labels, BAD, "include/aio/a.h", DOC.replace("0.", "0;\n * or 1.") % "int "),
    (labels, GOOD, "include/aio/a.h", DOC.replace("0.", "0;\n *            or 1.") % "int "),
    (three_words, BAD, "include/aio/a.h", "AIO_API int aio_read(void);"),
    (three_words, GOOD, "include/aio/a.h", DOC % "int "),
)
RULES = tuple(dict.fromkeys(sample[0] for sample in SAMPLES))


def single_use(files):
    """Functions shared between files that only one file uses: they should be static there."""
    sources = [file for file in files if file.is_c and not file.path.startswith("include/")]
    users, home = {}, {}
    for file in sources:
        text = "\n".join(file.code)
        shared = re.findall(r"^(?!static|typedef|#)\w.*?\b(aio__\w+)\(", text, re.M)
        for name, count in collections.Counter(re.findall(r"\baio__\w+", text)).items():
            if file.path.endswith(".c") or count > 1:  # a header that declares and uses it
                users.setdefault(name, set()).add(file.path)
        for name in shared if file.path.endswith(".c") else ():
            home[name] = file.path
    for name, path in sorted(home.items()):
        if len(users[name]) == 1:
            yield path, 1, "%s is used by this file only: make it static" % name


def self_test():
    """The rules that misjudge one of their samples."""
    wrong = [
        rule.__name__ for rule, bad, path, text in SAMPLES if bad != any(rule(File(path, text)))
    ]
    used = [File("core/a.c", "void aio__x(void)\n{\n}\n"), File("os/b.c", "  aio__x();\n")]
    if not list(single_use(used[:1])) or list(single_use(used)):
        wrong.append("single_use")
    return wrong


def sources():
    for top in FOLDERS + SCRIPTS:
        paths = [top] if os.path.isfile(top) else []
        for folder, _, names in os.walk(top):
            paths += [os.path.join(folder, name) for name in names]
        for path in sorted(paths):
            if path.endswith((".c", ".h", ".S", ".py", ".sh", "SConscript", "SConstruct", "/run")):
                with open(path) as text:
                    yield File(path, text.read())


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    wrong = self_test()
    if wrong:
        print("tidy.py misjudges its own samples: " + ", ".join(wrong))
        return 1
    files = list(sources())
    found = [(file.path,) + hit for file in files for rule in RULES for hit in rule(file)]
    found += list(single_use(files))
    for path, number, text in found:
        print("%s:%d: %s" % (path, number, text))
    print("tidy: %d files, %d findings" % (len(files), len(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
