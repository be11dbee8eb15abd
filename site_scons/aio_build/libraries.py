"""Finding what AIO stands on. A backend that is not wanted is not even looked for."""
import sys

from SCons.SConf import SetCacheMode
from SCons.Script import Configure

from aio_build.options import fail


def pkg_config(context, module, version=""):
    """The flags of a pkg-config module, or None."""
    query = "%s >= %s" % (module, version) if version else module
    tool = context.env["cross"] + "-pkg-config" if context.env["cross"] else "pkg-config"
    context.Message("Checking for %s by pkg-config... " % query)
    ok, flags = context.TryAction("%s --cflags --libs '%s' > $TARGET" % (tool, query))
    context.Result(ok)
    return context.env.ParseFlags(flags) if ok else None


def find(conf, module, header, library, version=""):
    """A library's flags: from pkg-config where it has a module, else header and library by name."""
    flags = conf.PkgConfig(module, version) if module else None
    if flags is None and conf.CheckCHeader(header) and conf.CheckLib(library, autoadd=0):
        flags = {"LIBS": [library]}
    return flags


def need_backend(env, flags, package, other):
    if flags is None:
        fail(
            "AIO_BACKEND=%s needs %s: install it, or build without it by AIO_BACKEND=%s"
            % (env["AIO_BACKEND"], package, other)
        )
    return flags


def detect(env, folder):
    """Fills env: AIO_URING, AIO_EV, AIO_CARES, AIO_CUNIT, AIO_HTTP, AIO_HIREDIS, AIO_TLS, AIO_UV,
    AIO_FUSE (flags or None), AIO_PEERS (of the baselines, by Debian package: flags or None),
    AIO_LIBS, the defines."""
    target = [flag for flag in env["LINKFLAGS"] if flag.startswith("--target")]
    probe = env.Clone(CCFLAGS=["-pthread"] + target, LINKFLAGS=target)
    if not env.GetOption("no_exec"):
        SetCacheMode("force")  # what was installed since the last time counts; it takes 0.2 s
    conf = Configure(
        probe,
        custom_tests={"PkgConfig": pkg_config},
        conf_dir="#%s/.sconf" % folder,
        log_file="#%s/config.log" % folder,
    )
    uring, ev = (env["AIO_BACKEND"] in ("all", name) for name in ("uring", "epoll"))
    env["AIO_URING"] = env["AIO_EV"] = None
    if uring:
        flags = find(conf, "liburing", "liburing.h", "uring", "2.3")
        package = "liburing 2.3 or later (Debian: liburing-dev)"
        env["AIO_URING"] = need_backend(env, flags, package, "epoll")
    if ev:
        flags = find(conf, None, "ev.h", "ev")
        env["AIO_EV"] = need_backend(env, flags, "libev (Debian: libev-dev)", "uring")
    env["AIO_CARES"] = None
    if env["cares"] == "1":
        env["AIO_CARES"] = find(conf, "libcares", "ares.h", "cares", "1.18")
    env["AIO_CUNIT"] = find(conf, "cunit", "CUnit/CUnit.h", "cunit")
    env["AIO_HTTP"] = find(conf, None, "http_parser.h", "http_parser")
    env["AIO_TLS"] = conf.PkgConfig("openssl", "3.0")
    env["AIO_HIREDIS"] = find(conf, None, ["sys/time.h", "hiredis/hiredis.h"], "hiredis")
    env["AIO_UV"] = find(conf, "libuv", "uv.h", "uv")
    env["AIO_FUSE"] = conf.PkgConfig("fuse3", "3.2")
    env["AIO_PEERS"] = {
        "liburing-dev": env["AIO_URING"],
        "libev-dev": env["AIO_EV"],
        "libuv1-dev": env["AIO_UV"],
        "libevent-dev": find(conf, "libevent_core", "event2/event.h", "event_core"),
    }
    valgrind = conf.CheckCHeader("valgrind/memcheck.h")
    conf.Finish()
    if not env["AIO_TLS"]:
        sys.stderr.write(
            "scons: TLS is left out: it needs OpenSSL 3 (Debian: libssl-dev) and pkg-config\n"
        )

    env.Append(CPPDEFINES=["AIO_WITH_URING=%d" % uring, "AIO_WITH_EV=%d" % ev])
    if valgrind:
        env.Append(CPPDEFINES=["AIO_HAVE_VALGRIND=1"])
    if env["context"] == "ucontext":
        env.Append(CPPDEFINES=["AIO_CONTEXT_UCONTEXT=1"])
    needed = (env["AIO_URING"], env["AIO_EV"], env["AIO_CARES"])
    env["AIO_LIBS"] = [flags for flags in needed if flags]


def merge(env, *found):
    """A clone of env that compiles and links with these libraries."""
    clone = env.Clone()
    for flags in found:
        if flags:
            clone.MergeFlags(flags)
    return clone
