"""Installation beside Linux's own libaio without being taken for it: the real library has a SONAME
of its own in the normal folder, and the names libaio.so and libaio.a stand in a private one. The
pkg-config modules name them by their path: -L would capture somebody's own -laio."""
import os
import subprocess

VERSION = "0.1.0"
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
Libs: ${libdir}/aio/libaio.a %(libraries)s -pthread
""",
    "aio-test": """Name: aio-test
Description: CUnit tests whose bodies are AIO tasks
Version: %(version)s
Requires: aio
Cflags: -I${includedir}
Libs: ${libdir}/aio/libaio-test.a %(cunit)s
""",
}


def declare(env, aio, tests):
    pass
