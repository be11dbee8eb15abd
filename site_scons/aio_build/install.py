"""Installation beside Linux's own libaio without being taken for it: the real library has a SONAME
of its own in the normal folder, and the names libaio.so and libaio.a stand in a private one. The
pkg-config modules name them by their path: -L would capture somebody's own -laio."""
import os
import re
import subprocess

from SCons.Script import Action, Dir, Glob

SONAME = "libaio-uring.so.0"

PREAMBLE = """prefix=%(prefix)s
libdir=%(libdir)s
includedir=${prefix}/include

"""

MODULES = {
    "aio": """Name: aio
Description: async runtime for C on io_uring and epoll
Version: %(version)s
Cflags: -I${includedir} -pthread -fstack-clash-protection
Libs: ${libdir}/aio/libaio.so -pthread
""",
    "aio-static": """Name: aio-static
Description: async runtime for C on io_uring and epoll, linked statically
Version: %(version)s
Cflags: -I${includedir} -pthread -fstack-clash-protection
Libs: ${libdir}/aio/libaio.a %(backends)s -pthread
""",
    "aio-test": """Name: aio-test
Description: CUnit tests whose bodies are AIO tasks
Version: %(version)s
Requires: aio
Cflags: -I${includedir}
Libs: ${libdir}/aio/libaio-test.a %(cunit)s
""",
}


def version():
    """The library's version, which <aio/base.h> holds."""
    with open(Dir("#").abspath + "/include/aio/base.h") as header:
        return re.search(r'AIO_VERSION_TEXT "([0-9.]+)"', header.read()).group(1)


def library_folder(env):
    """The system's place for libraries: Debian's multiarch folder in /usr, else lib."""
    if env["LIBDIR"]:
        return env["LIBDIR"]
    if env["PREFIX"] != "/usr":
        return env["PREFIX"] + "/lib"
    multiarch = subprocess.run(
        [env["CC"], "-print-multiarch"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "/usr/lib/" + multiarch if multiarch else "/usr/lib"


def link_words(*found):
    """The linker's words for libraries that libraries.find found."""
    words = []
    for flags in found:
        if flags:
            words += ["-L" + path for path in flags.get("LIBPATH", [])]
            words += [lib if str(lib).startswith("-") else "-l%s" % lib for lib in flags["LIBS"]]
    return words


def pkg_config_file(env, module, prefix, libdir):
    """The text of a module; paths below prefix are written relative to it, so it can be moved."""
    inside = os.path.relpath(libdir, prefix)
    text = (PREAMBLE + MODULES[module]) % {
        "prefix": prefix,
        "libdir": libdir if inside.startswith("..") else "${prefix}/" + inside,
        "version": version(),
        "backends": " ".join(link_words(*env["AIO_LIBS"]) + ["-lm"]),
        "cunit": " ".join(link_words(env["AIO_CUNIT"])),
    }
    return text


def write_text(target, source, env):
    with open(str(target[0]), "w") as out:
        out.write(source[0].get_contents().decode())


def make_link(target, source, env):
    """A relative link: it stays right when a staging folder is unpacked elsewhere."""
    link = str(target[0])
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(os.path.relpath(str(source[0]), os.path.dirname(link)), link)


def symlink(env, link, node):
    return env.Command(link, node, Action(make_link, "    LN $TARGET"))


def tree(env, aio, test_library, destdir, prefix):
    """All nodes of an installation under destdir + prefix."""
    libdir = library_folder(env) if prefix == env["PREFIX"] else prefix + "/lib"
    lib, private = destdir + libdir, destdir + libdir + "/aio"
    include = destdir + prefix + "/include/"
    real = env.Install(lib, aio["shared"])
    nodes = real + symlink(env, lib + "/" + SONAME, real)
    nodes += symlink(env, private + "/libaio.so", real)
    nodes += env.Install(private, aio["static"] + test_library)
    nodes += env.Install(include + "aio", Glob("#include/aio/*.h"))
    if test_library:
        nodes += env.Install(include + "aio-test", Glob("#include/aio-test/*.h"))
    for module in MODULES:
        if module == "aio-test" and not test_library:
            continue
        text = env.Value(pkg_config_file(env, module, prefix, libdir))
        pc = "%s/pkgconfig/%s.pc" % (lib, module)
        nodes += env.Command(pc, text, Action(write_text, "    PC $TARGET"))
    return nodes


def declare(env, aio, tests):
    """`scons install`, and the staged tree that the tests link outside programs with."""
    prefix, destdir = os.path.normpath(env["PREFIX"]), env["DESTDIR"].rstrip("/")
    if not os.path.isabs(prefix):
        prefix = os.path.abspath(prefix)
    env["PREFIX"] = prefix
    nodes = tree(env, aio, tests["library"], os.path.abspath(destdir) if destdir else "", prefix)
    env.Alias("install", nodes)


def stage(env, aio, test_library):
    """An installation below the build folder, as a package would be made."""
    destdir = "%s/%s/stage" % (Dir("#").abspath, env["AIO_BUILD"])
    return tree(env, aio, test_library, destdir, "/opt/aio")
