#!/bin/sh
# Makes the initramfs of the test guest: busybox as the shell, the test programs and examples at the
# same relative paths as here, the shared libraries they name, and the guest's scripts. Of this
# machine's architecture it also has the programs that the tests of processes start, as busybox's
# are not quite the same.
#
# usage: initramfs.sh BUILD WORK "PROGRAMS"      writes WORK/initramfs.gz; WORK/settings must exist
# environment: CC the (cross) compiler, LIBRARIES the folders of its libraries, BUSYBOX a static one
set -eu

build=$1
work=$2
programs=$3
here=$(cd "$(dirname "$0")" && pwd)
tree=$work/tree
strip=$(echo "$CC" | sed -n 's/gcc$/strip/p')
strip=${strip:-strip}

die() {
    echo "initramfs: $*" >&2
    exit 1
}

# Copies a program, its loader, and all the libraries they name; readelf, unlike ldd, also reads
# another architecture's. In the guest they all stand in /lib, where every loader looks.
add_program() {
    mkdir -p "$tree/aio/$(dirname "$1")"
    cp "$1" "$tree/aio/$1"
    # Debug information is most of a program's size and of no use in the guest.
    "$strip" --strip-debug "$tree/aio/$1"
    add_loader "$1"
    add_libraries "$1"
}

add_loader() {
    loader=$(readelf -lW "$1" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
    if [ -n "$loader" ] && [ ! -e "$tree$loader" ]; then
        mkdir -p "$tree$(dirname "$loader")"
        cp -L "$(find_library "$(basename "$loader")")" "$tree$loader"
    fi
}

add_tool() {
    file=/usr/bin/$1
    [ -x "$file" ] || return 0
    cp -L "$file" "$tree/usr/bin/$1"
    add_loader "$file"
    add_libraries "$file"
}

find_library() {
    echo "$LIBRARIES" | tr : '\n' | while read -r folder; do
        [ -e "$folder/$1" ] && echo "$folder/$1" && break
    done
}

add_libraries() {
    readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)]/\1/p' | while read -r name; do
        [ -e "$tree/lib/$name" ] && continue
        file=$(find_library "$name")
        [ -n "$file" ] || die "library $name of $1 is not in $LIBRARIES"
        cp -L "$file" "$tree/lib/$name"
        add_libraries "$file"
    done
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
mkdir -p "$tree/bin" "$tree/usr/bin" "$tree/lib" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/run"
mkdir -p "$tree/aio"
mkdir -m 1777 "$tree/tmp"
cp "$BUSYBOX" "$tree/bin/busybox"
cp "$here/guest_init.sh" "$tree/init"
cp "$here/guest_run.sh" "$work/settings" "$tree/aio/"
chmod 755 "$tree/init"
add_accounts
"$CC" -std=gnu11 -O2 -Wall -Wextra -static -o "$tree/bin/ring_facts" "$here/ring_facts.c"

for name in $programs; do
    is_program "$build/tests/$name" || die "no test program $build/tests/$name; build it first"
    add_program "$build/tests/$name"
done
for example in "$build"/examples/*; do
    if is_program "$example"; then
        add_program "$example"
    fi
done
if [ "$strip" = strip ]; then
    for tool in dash cat env false grep head id ls nice perl readlink sleep true; do
        add_tool "$tool"
    done
fi
# glibc loads this one by itself when a thread is cancelled or a stack is walked.
if [ -n "$(find_library libgcc_s.so.1)" ]; then
    cp -L "$(find_library libgcc_s.so.1)" "$tree/lib/"
fi

(cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initramfs.gz"
rm -rf "$tree"
