#!/bin/sh
# Compiles switch_registers.c with each compiler, optimisation and instruction set that changes
# which registers are used, runs each program here or under qemu-aarch64, prints a line for each and
# "N passed, N failed" at the end. A loop that lost its counter may run for ever: hence the limit.
#
# usage: tests/aarch64/switch.sh [FOLDER]      FOLDER for the programs, default build/aarch64/switch
set -u

cd "$(dirname "$0")/../.." || exit 2
folder=${1:-build/aarch64/switch}
triplet=aarch64-linux-gnu
mkdir -p "$folder"
passed=0
failed=0

# try RUNNER COMPILER OPTIONS...: RUNNER is a command put before the program, or "here".
try() {
    runner=$1
    shift
    program=$folder/switch
    rm -f "$program"
    "$@" -std=gnu11 -D_GNU_SOURCE -I. -o "$program" \
        tests/aarch64/switch_registers.c core/context/boot.c || said='does not compile'
    [ "$runner" = here ] && runner=
    # shellcheck disable=SC2086  # the runner is words of its own
    if [ -x "$program" ] && said=$(timeout 20 $runner "$program" 2>&1); then
        passed=$((passed + 1))
        echo "ok   $*: $said"
    else
        failed=$((failed + 1))
        echo "FAIL $*: $said"
    fi
}

# levels RUNNER COMPILER OPTIONS...
levels() {
    for level in -O0 -O1 -O2 -O3 '-O2 -fomit-frame-pointer'; do
        # shellcheck disable=SC2086  # the level may be two words
        try "$@" $level
    done
}

for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    levels here $compiler
    levels here $compiler -march=native
    levels here $compiler -DAIO_CONTEXT_UCONTEXT=1
done

emulator="qemu-aarch64 -cpu max -L /usr/$triplet"
if command -v qemu-aarch64 >/dev/null 2>&1; then
    for compiler in "$triplet-gcc" "clang --target=$triplet"; do
        command -v "${compiler%% *}" >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086  # the compiler may be two words
        for options in '' '-mbranch-protection=standard' '-march=armv8.2-a+sve' \
            '-DAIO_CONTEXT_UCONTEXT=1'; do
            levels "$emulator" $compiler $options
        done
    done
else
    echo "skip aarch64: qemu-aarch64 is missing; apt-get install qemu-user"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
