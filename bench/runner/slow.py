"""Making system calls as dear as on machines where they cost a microsecond.

What a ring saves is system calls, so a ratio to epoll says little on a machine where they cost a
tenth of that. A seccomp filter that allows everything, but only after some thousand instructions,
adds a fixed price to each call of the server, whichever server it is. It does not touch the work
that the kernel does behind the call.
"""
import ctypes
import json
import struct
import subprocess

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
LOAD_ARGUMENT = struct.pack("HBBI", 0x20, 0, 0, 16)  # of an argument: the kernel must not cache it
RETURN_ALLOW = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
INSTRUCTIONS_MAX = 4096


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _install(libc, loads):
    code = LOAD_ARGUMENT * loads + RETURN_ALLOW
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(loads + 1, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("no_new_privs was refused")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError("the seccomp filter was refused")


def installer(instructions):
    """For preexec_fn: filters of so many instructions in all, as many as it takes."""
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        left = instructions
        while left > 0:
            part = min(left, INSTRUCTIONS_MAX - 1)
            _install(libc, part)
            left -= part

    return install


def _call_ns(micro, instructions):
    done = subprocess.run([micro, "syscall"], capture_output=True, text=True, check=True,
                          preexec_fn=installer(instructions))
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if row["name"] == "syscall":
            return row["ns"]
    raise OSError("%s does not measure a system call" % micro)


def calibrate(micro, wanted_ns):
    """Instructions that make a system call cost wanted_ns, and what it costs then."""
    low, high = _call_ns(micro, 1), _call_ns(micro, 4000)
    if wanted_ns <= low:
        return 0, low
    instructions = int(4000 * (wanted_ns - low) / max(high - low, 1))
    return instructions, _call_ns(micro, instructions)
