#!/bin/sh
# Makes the initramfs of the test guest: busybox as the shell, the test programs and examples at the
# same relative paths as here, the shared libraries they name, and the guest's scripts.
#
# usage: initramfs.sh BUILD WORK "PROGRAMS"      writes WORK/initramfs.gz; WORK/settings must exist
set -eu

build=$1
work=$2
programs=$3
here=$(cd "$(dirname "$0")" && pwd)
tree=$work/tree

die() {
    echo "initramfs: $*" >&2
    exit 1
}

static_busybox() {
    for candidate in /bin/busybox /usr/bin/busybox; do
        [ -x "$candidate" ] && ! ldd "$candidate" >/dev/null 2>&1 && echo "$candidate" && return
    done
    die "a statically linked busybox is missing; apt-get install busybox-static"
}

# Copies a program and every library ldd names for it, the loader included.
add_program() {
    mkdir -p "$tree/aio/$(dirname "$1")"
    cp "$1" "$tree/aio/$1"
    # Debug information is most of a program's size and of no use in the guest.
    strip --strip-debug "$tree/aio/$1" 2>/dev/null || :
    ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t*\(\/[^ ]*\) (.*/\1/p' | while read -r library; do
        add_library "$library"
    done
}

add_library() {
    [ -e "$tree$1" ] && return
    mkdir -p "$tree$(dirname "$1")"
    cp -L "$1" "$tree$1"
}

is_program() {
    [ -f "$1" ] && [ -x "$1" ] && [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]
}

add_accounts() {
    mkdir -p "$tree/etc"
    printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"
}

rm -rf "$tree"
mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/run" "$tree/aio"
mkdir -m 1777 "$tree/tmp"
cp "$(static_busybox)" "$tree/bin/busybox"
cp "$here/guest_init.sh" "$tree/init"
cp "$here/guest_run.sh" "$work/settings" "$tree/aio/"
chmod 755 "$tree/init"
add_accounts
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -static -o "$tree/bin/ring_facts" "$here/ring_facts.c"

for name in $programs; do
    is_program "$build/tests/$name" || die "no test program $build/tests/$name; run scons test first"
    add_program "$build/tests/$name"
done
for example in "$build"/examples/*; do
    if is_program "$example"; then
        add_program "$example"
    fi
done
# glibc loads this one by itself when a thread is cancelled or a stack is walked.
gcc_library=$(${CC:-cc} -print-file-name=libgcc_s.so.1)
case $gcc_library in
/*) mkdir -p "$tree/lib/x86_64-linux-gnu" && cp -L "$gcc_library" "$tree/lib/x86_64-linux-gnu/" ;;
esac
[ -x "$tree/lib64/ld-linux-x86-64.so.2" ] || [ -z "$programs" ] || die "the loader is missing"

(cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initramfs.gz"
rm -rf "$tree"
