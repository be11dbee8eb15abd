#!/bin/busybox sh
# shellcheck shell=dash source=/dev/null disable=SC2154
# The first process of the test guest: mounts what a program expects, tells the kernel's facts, and
# hands over to guest_run.sh. Its last line is the result; then it resets the machine, which ends
# qemu (-no-reboot).
export PATH=/usr/bin:/bin
/bin/busybox --install -s /bin
[ ! -x /usr/bin/dash ] || ln -sf /usr/bin/dash /bin/sh

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t devpts devpts /dev/pts
ln -sf /proc/self/fd /dev/fd
ip link set lo up
# What systemd gives a service, instead of the bare kernel's 4096.
ulimit -Hn 1048576
ulimit -c 0

. /aio/settings
[ -z "$sysctl" ] || sysctl -w "$sysctl"

echo "kernel:  $(uname -r) ($(sed 's/.*) *#/#/' /proc/version))"
echo "limits:  memlock $(ulimit -l) KiB, nofile $(ulimit -Sn) of $(ulimit -Hn), $(nproc) cpus," \
    "$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MB"
disabled=$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo 'no such setting')
echo "io_uring_disabled: $disabled"
ring_facts

cd /aio || exit
if [ "$shell" = 1 ]; then
    echo "A shell in the guest; the programs are under $build. Leave with ^D."
    setsid cttyhack sh
else
    setsid sh /aio/guest_run.sh # a process group other than 0
fi
sync
reboot -f
