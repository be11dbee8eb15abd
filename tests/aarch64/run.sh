#!/bin/sh
# Cross-builds the library and its tests for aarch64 and runs them under qemu-user.
#
# usage: tests/aarch64/run.sh [--mode release|debug] [--context asm|ucontext] [--programs "a b"]
#                             [--slow FACTOR] [--jobs N] [--kernel]
#
# First the switch alone, by many compilers (switch.sh), then the suites.
#
# What this can show: the assembly switch, the stacks with their guards, and every suite on the
# epoll backend, run as aarch64 code. What it cannot: qemu-user answers io_uring_setup with ENOSYS,
# so the ring's rows report themselves as not to be had here. With --kernel everything runs in a
# virtual machine with Debian's arm64 kernel instead (tests/kernel/run.sh; KERNEL= names another),
# where the ring is the real one; this needs qemu-system-arm.
#
# Needs gcc-aarch64-linux-gnu and qemu-user. The arm64 libraries (libev, liburing, CUnit) are not
# installed into this machine: their packages are unpacked into build/aarch64/sysroot, and wrappers
# in build/aarch64/bin add that sysroot to the cross tools, so that SCons needs to know nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
# shellcheck source=tests/kernel/packages.sh
. "$root/tests/kernel/packages.sh"

triplet=aarch64-linux-gnu
programs='unit contract behaviour fallback'
mode=release
context=asm
slow=10
jobs=2
kernel=0
# In qemu-user 7.2 a process forked while another thread runs cannot start threads itself: qemu
# fails its own assertion in qemu_plugin_vcpu_init_hook. These suites' children do.
left_out='behaviour/task_misuse behaviour/lessons_runtime behaviour/overflow'
cache=$root/build/aarch64
sysroot=$cache/sysroot
libraries=$sysroot/usr/lib/$triplet

die() {
    echo "aarch64: $*" >&2
    exit 2
}

need() {
    command -v "$1" >/dev/null 2>&1 || die "$1 is missing; apt-get install $2"
}

make_sysroot() {
    [ -e "$sysroot/.complete" ] && return
    rm -rf "$sysroot" "$cache/debs"
    packages_open "$cache" '' arm64
    packages_fetch "$cache/debs" libev4 libev-dev libcunit1 libcunit1-dev liburing2 liburing-dev
    for package in "$cache"/debs/*.deb; do
        dpkg-deb -x "$package" "$sysroot"
    done
    rm -rf "$cache/debs"
    : >"$sysroot/.complete"
}

# wrapper NAME FIRST-WORDS: a script of that name that puts these words in front of the arguments.
wrapper() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$cache/bin/$1"
    chmod +x "$cache/bin/$1"
}

make_wrappers() {
    mkdir -p "$cache/bin"
    wrapper "$triplet-gcc" "$(command -v "$triplet-gcc") -isystem $sysroot/usr/include -L$libraries"
    wrapper "$triplet-pkg-config" \
        "env PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$sysroot pkg-config"
}

while [ $# -gt 0 ]; do
    case $1 in
    --mode) mode=${2?} && shift ;;
    --context) context=${2?} && shift ;;
    --programs) programs=${2?} && shift ;;
    --slow) slow=${2?} && shift ;;
    --jobs) jobs=${2?} && shift ;;
    --kernel) kernel=1 ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *) die "unknown option $1 (try --help)" ;;
    esac
    shift
done

need "$triplet-gcc" gcc-aarch64-linux-gnu
need qemu-aarch64 qemu-user
need scons scons
make_sysroot
make_wrappers
export PATH="$cache/bin:$PATH"

status=0
"$here/switch.sh" "$cache/switch" || status=1

# The folder that SCons builds this variant into.
build=build/$mode
[ "$context" = asm ] || build=$build-$context
build=$build-$triplet
targets=
for name in $programs; do
    targets="$targets $build/tests/$name"
done
# shellcheck disable=SC2086  # the targets are words of their own
nice -n 10 scons -Q -j2 cross=$triplet mode="$mode" context="$context" $targets "$build/examples"
if [ "$kernel" = 1 ]; then
    "$root/tests/kernel/run.sh" --arch arm64 --slow "$slow" --programs "$programs" "$build" ||
        status=1
    exit $status
fi
# The emulated loader looks below -L for libc; our own libraries are found by the variable.
emulator="qemu-aarch64 -L /usr/$triplet"
export QEMU_SET_ENV="LD_LIBRARY_PATH=$libraries"
suites=
for name in $programs; do
    for suite in $($emulator "$build/tests/$name" --list); do
        case " $left_out " in
        *" $name/$suite "*) echo "skip $name/$suite: beyond qemu-user, see $0; try --kernel" ;;
        *) suites=$suites,$name/$suite ;;
        esac
    done
done
# shellcheck disable=SC2086
AIO_TEST_SLOW=$slow nice -n 10 python3 tools/run_tests.py --jobs "$jobs" --wrapper "$emulator" \
    --suite "${suites#,}" $targets || status=1
exit $status
