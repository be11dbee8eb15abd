"""Counting the system calls of a process with perf's raw_syscalls:sys_enter tracepoint."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

EVENT = "raw_syscalls:sys_enter"
TRACING = "/sys/kernel/tracing"


def why_not():
    """None when system calls can be counted here, else the reason as a sentence."""
    if not shutil.which("perf"):
        return "perf is not installed (Debian package linux-perf)"
    if not os.path.exists(TRACING + "/events"):
        subprocess.run(["mount", "-t", "tracefs", "nodev", TRACING], capture_output=True)
    if not os.path.exists(TRACING + "/events/raw_syscalls"):
        return "tracefs is not mounted at %s and cannot be" % TRACING
    probe = subprocess.run(["perf", "stat", "-e", EVENT, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        return "perf may not use the tracepoint: " + (probe.stderr.split("\n") + [""])[0]
    return None


class Counter:
    """The count, once the block that `counting` runs is over."""

    calls = None


@contextlib.contextmanager
def counting(pid):
    """Counts exactly while the block runs: perf starts disabled and is switched by its control
    pipe, which it answers."""
    control_read, control_write = os.pipe()
    ack_read, ack_write = os.pipe()
    counter = Counter()
    with tempfile.NamedTemporaryFile("r") as output:
        command = ["perf", "stat", "-x", ",", "-e", EVENT, "-p", str(pid), "-o", output.name]
        command += ["-D", "-1", "--control", "fd:%d,%d" % (control_read, ack_write)]
        process = subprocess.Popen(
            command, pass_fds=(control_read, ack_write), stderr=subprocess.DEVNULL
        )
        os.close(control_read)
        os.close(ack_write)
        try:
            os.write(control_write, b"enable\n")
            os.read(ack_read, 16)
            yield counter
            os.write(control_write, b"disable\n")
            os.read(ack_read, 16)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            os.close(control_write)
            os.close(ack_read)
        for line in output.read().splitlines():
            if EVENT in line:
                counter.calls = int(line.split(",")[0])
