#!/bin/sh
# Runs the test programs on another Linux kernel, in a virtual machine that qemu
# emulates: it needs no kvm, network or disk, only an initramfs with a shell and the programs.
#
# usage: tests/kernel/run.sh [OPTION]... [BUILD]     BUILD: a build folder, default build/release
#
#   --programs "a b"   which of BUILD/tests/* (default: unit contract behaviour fallback)
#   --suites GLOB      only suites of that name       --rows GLOB    only rows of that name
#   --timeout SECONDS  for the whole virtual machine (default 1500)
#   --slow FACTOR      how much longer than on real hardware a test may take (default 10)
#   --expect BACKEND   what `auto` must choose: uring or epoll (default: by the guest's version)
#   --arch ARCH        amd64 (default), or arm64 with a build folder that was cross-built
#   --sysctl NAME=VALUE    set in the guest first, e.g. kernel.io_uring_disabled=2 (Linux 6.6 and
#                      later) together with --expect epoll
#   --cpus N, --memory MB
#   --shell            an interactive shell in the guest instead of the tests
#
# KERNEL in the environment names the kernel:
#   (empty)                          Debian's current kernel of this machine's own release
#   linux-image-6.1.0-50-cloud-amd64 a package of this machine's own release
#   bullseye                         the current kernel of another Debian release (here: 5.10)
#   bullseye/linux-image-amd64       a package of another release
#   ./some.deb  /boot/vmlinuz-6.12   a kernel package, or a kernel image, in a file
#
# Packages are kept under build/kernels/; remove a folder there to fetch it anew.
# Exit status: 0 all passed, 1 a test failed, 2 the rig itself could not do its work, 3 timeout.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 2
# shellcheck source=tests/kernel/packages.sh
. "$here/packages.sh"

programs='unit contract behaviour fallback'
suites='*'
rows='*'
timeout=1500
slow=10
expect=
cpus=2
memory=2048
arch=amd64
sysctl=
shell=0
build=

die() {
    echo "test-kernel: $*" >&2
    exit 2
}

say() {
    echo "test-kernel: $*"
}

while [ $# -gt 0 ]; do
    case $1 in
    --programs) programs=${2?} && shift ;;
    --suites) suites=${2?} && shift ;;
    --rows) rows=${2?} && shift ;;
    --timeout) timeout=${2?} && shift ;;
    --slow) slow=${2?} && shift ;;
    --expect) expect=${2?} && shift ;;
    --cpus) cpus=${2?} && shift ;;
    --memory) memory=${2?} && shift ;;
    --sysctl) sysctl=${2?} && shift ;;
    --arch) arch=${2?} && shift ;;
    --shell) shell=1 ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    -*) die "unknown option $1 (try --help)" ;;
    *) build=$1 ;;
    esac
    shift
done

# What differs between the architectures. The emulated processors are chosen for speed: five-level
# page tables (la57) and pointer authentication only cost time here.
case $arch in
amd64)
    build=${build:-build/release}
    qemu=qemu-system-x86_64 qemu_package=qemu-system-x86
    machine='-machine q35 -cpu max,la57=off' console=ttyS0
    export CC="${CC:-cc}" LIBRARIES=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/usr/local/lib
    ;;
arm64)
    build=${build:-build/release-aarch64-linux-gnu}
    qemu=qemu-system-aarch64 qemu_package=qemu-system-arm
    machine='-machine virt -cpu max,pauth=off' console=ttyAMA0
    sysroot=$root/build/aarch64/sysroot/usr/lib/aarch64-linux-gnu
    export CC=aarch64-linux-gnu-gcc LIBRARIES="$sysroot:/usr/aarch64-linux-gnu/lib"
    ;;
*) die "unknown architecture $arch: choose amd64 or arm64" ;;
esac

need() {
    command -v "$1" >/dev/null 2>&1 || die "$1 is missing; apt-get install $2"
}

# Unpacks a kernel package and names its image in $image. Kernel modules are left out of the
# initramfs: all the tests need is built in, in Debian's kernels.
unpack_package() {
    rm -rf "$2" "$2.part"
    mkdir -p "$2.part"
    dpkg-deb -x "$1" "$2.part" || die "cannot unpack $1"
    rm -rf "$2.part/lib" "$2.part/usr"
    mv "$2.part" "$2"
}

image_in() {
    image=$(find "$1/boot" -name 'vmlinuz-*' 2>/dev/null | sort | tail -n 1)
}

# suite/package from the mirrors; a metapackage stands for the package it depends on.
fetch_kernel() {
    kept=$cache/$arch-${1:-own}-$2
    image_in "$kept"
    [ -n "$image" ] && return
    packages_open "$cache" "$1" "$arch"
    real=$(packages_dependency "$2" 'linux-image-[0-9]*')
    say "fetching ${real:-$2} from $packages_suite"
    rm -rf "$kept.deb" && packages_fetch "$kept.deb" "${real:-$2}"
    unpack_package "$kept.deb"/*.deb "$kept"
    rm -rf "$kept.deb"
    image_in "$kept"
    [ -n "$image" ] || die "no kernel image in package ${real:-$2}"
}

# The guest's shell must be static: this machine's, if it is, or one unpacked from its package.
find_busybox() {
    export BUSYBOX=/bin/busybox
    [ "$arch" = amd64 ] && [ -x $BUSYBOX ] && ! readelf -lW $BUSYBOX | grep -q INTERP && return
    BUSYBOX=$cache/$arch-busybox/bin/busybox
    [ -x "$BUSYBOX" ] && return
    packages_open "$cache" '' "$arch"
    packages_fetch "$cache/$arch-busybox" busybox-static
    dpkg-deb -x "$cache/$arch-busybox"/*.deb "$cache/$arch-busybox" || die "no static busybox"
}

find_kernel() {
    case $KERNEL in
    '') fetch_kernel '' "linux-image-cloud-$arch" ;;
    *.deb)
        [ -r "$KERNEL" ] || die "cannot read $KERNEL"
        unpack_package "$KERNEL" "$cache/file-$(basename "$KERNEL" .deb)"
        image_in "$cache/file-$(basename "$KERNEL" .deb)"
        ;;
    linux-image-*) fetch_kernel '' "$KERNEL" ;;
    *)
        if [ -f "$KERNEL" ]; then
            image=$KERNEL
        else
            case $KERNEL in
            /* | ./* | */*/*) die "no such file: $KERNEL" ;;
            */*) fetch_kernel "${KERNEL%%/*}" "${KERNEL#*/}" ;;
            *) fetch_kernel "$KERNEL" "linux-image-cloud-$arch" ;;
            esac
        fi
        ;;
    esac
    [ -r "${image:-}" ] || die "no kernel image found for KERNEL=$KERNEL"
}

write_settings() {
    cat <<SETTINGS
build='$build'
programs='$programs'
suites='$suites'
rows='$rows'
slow='$slow'
expect='$expect'
shell='$shell'
sysctl='$sysctl'
SETTINGS
}

# TCG emulates one processor per thread. Mitigations are off because there is no other tenant in the
# guest and they are slow to emulate.
boot() {
    # shellcheck disable=SC2086  # the machine's options are words of their own
    nice -n 10 timeout --foreground -k 10 "$timeout" $qemu $machine -accel tcg,thread=multi \
        -smp "$cpus" -m "$memory" -nodefaults -no-user-config -no-reboot -display none \
        -serial stdio -kernel "$image" -initrd "$work/initramfs.gz" \
        -append "console=$console quiet panic=-1 mitigations=off nowatchdog random.trust_cpu=on"
}

need $qemu $qemu_package
need cpio cpio
need readelf binutils
need "$CC" gcc
[ -d "$build" ] || die "no build folder $build; run scons first"
KERNEL=${KERNEL:-}
cache=$root/build/kernels
mkdir -p "$cache"
find_kernel
find_busybox
work=$root/build/kernels/run-$$
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT INT TERM
write_settings >"$work/settings"
sh "$here/initramfs.sh" "$build" "$work" "$programs" || die "the initramfs could not be made"
say "booting $(basename "$image") ($arch) with $cpus cpus, $memory MB, at most $timeout s"

if [ "$shell" = 1 ]; then
    boot
    exit 0
fi
log=$root/build/kernels/last.log
{ boot </dev/null 2>&1; echo $? >"$work/status"; } | sed -u 's/\r$//' | tee "$log"
status=$(cat "$work/status")
[ "$status" = 124 ] && say "timeout: the guest did not finish in $timeout s" && exit 3
[ "$status" = 0 ] || die "qemu ended with status $status"
case $(grep '^KERNEL TEST RESULT: ' "$log" | tail -n 1) in
*': pass'*) exit 0 ;;
*': fail'*) exit 1 ;;
*) die "the guest ended without a result (a panic, or out of memory); see $log" ;;
esac
