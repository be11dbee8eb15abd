"""What a figure must be read with: the machine, its kernel, the commit and the date."""
import datetime
import os
import subprocess


def _read(path, default="unknown"):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return default


def _cpu():
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return os.uname().machine


def describe():
    return {
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "kernel": os.uname().release,
        "arch": os.uname().machine,
        "congestion": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
    }


def commit(root):
    def git(*arguments):
        done = subprocess.run(
            ["git", "-C", root] + list(arguments), capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    name = git("rev-parse", "--short", "HEAD")
    if not name:
        return "unknown"
    return name + ("+changes" if git("status", "--porcelain", "-uno") else "")


def now():
    return datetime.datetime.now().astimezone().isoformat(timespec="minutes")
