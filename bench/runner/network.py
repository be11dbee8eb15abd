"""A network namespace of one's own, whose TCP is as on most machines.

BBR, where it is the default, sends by a timer. On a loopback that costs either side what it likes:
the same server's CPU per byte differed by a factor of two from run to run, and by 1 % with CUBIC.
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1
CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _loopback_up():
    with socket.socket() as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def congestion_control():
    with open(CONTROL) as file:
        return file.read().strip()


@contextlib.contextmanager
def cubic():
    """Within it, this process and those it starts are in a namespace with CUBIC, if there is
    such; or, without the right to that, where they were. Gives the name of the congestion control
    in use."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _check(libc.unshare(CLONE_NEWNET))
        except OSError:
            yield congestion_control()
            return
        try:
            _loopback_up()
            # Not every kernel has it.
            with contextlib.suppress(OSError), open(CONTROL, "w") as file:
                file.write("cubic")
            yield congestion_control()
        finally:
            _check(libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)
