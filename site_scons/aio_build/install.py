"""Installation beside Linux's own libaio without being taken for it: the real library has a SONAME
of its own in the normal folder, and the names libaio.so and libaio.a stand in a private one. The
pkg-config modules name them by their path: -L would capture somebody's own -laio."""
import os
import re
import subprocess

from SCons.Script import Action, Dir, Glob

SONAMES = {"aio": "libaio-uring.so.0", "aio-tls": "libaio-uring-tls.so.0"}

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
    "aio-tls": """Name: aio-tls
Description: TLS for AIO's streams, on OpenSSL 3
Version: %(version)s
Requires: aio
Cflags: -I${includedir}
Libs: ${libdir}/aio/libaio-tls.so
""",
    "aio-tls-static": """Name: aio-tls-static
Description: TLS for AIO's streams, on OpenSSL 3, linked statically
Version: %(version)s
Requires: aio-static
Cflags: -I${includedir}
Libs: ${libdir}/aio/libaio-tls.a %(tls)s
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


def real_name(name):
    """The file of a shared library, whose SONAME is its start."""
    return SONAMES[name][:-1] + version()


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
        "tls": " ".join(link_words(env["AIO_TLS"])),
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


def shared(env, lib, name, library):
    """A shared library in lib, its SONAME, and its link name in the private folder."""
    real = env.Install(lib, library)
    links = symlink(env, "%s/%s" % (lib, SONAMES[name]), real)
    return real + links + symlink(env, "%s/aio/lib%s.so" % (lib, name), real)


def tree(env, aio, test_library, destdir, prefix):
    """All nodes of an installation under destdir + prefix."""
    libdir = library_folder(env) if prefix == env["PREFIX"] else prefix + "/lib"
    lib, private = destdir + libdir, destdir + libdir + "/aio"
    include = destdir + prefix + "/include/"
    nodes = env.Install(private, aio["static"] + test_library)
    nodes += shared(env, lib, "aio", aio["shared"])
    left_out = []
    if env["AIO_TLS"]:
        nodes += env.Install(private, aio["tls_static"])
        nodes += shared(env, lib, "aio-tls", aio["tls_shared"])
    else:
        left_out += ["aio-tls", "aio-tls-static"]
    if not test_library:
        left_out += ["aio-test"]
    for folder in ("aio", "aio-tls", "aio-test"):
        if folder not in left_out:
            nodes += env.Install(include + folder, Glob("#include/%s/*.h" % folder))
    for module in MODULES:
        if module in left_out:
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
