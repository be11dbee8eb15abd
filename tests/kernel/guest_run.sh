# shellcheck shell=dash source=/dev/null disable=SC2154
# Runs every test program of the guest, a process per suite and row, sums their closing lines and
# prints the result that run.sh looks for. Reads /aio/settings.
#
# The programs' side: `--list` prints the suites, `--rows` the rows, `--suite S --row R` runs one;
# the last line is `N passed, N failed` and perhaps `, N skipped`; exit status 77 means the row is
# not to be had here. The lines printed are those of tools/run_tests.py.
. /aio/settings
export AIO_TEST_SLOW="$slow"

passed=0
failed=0
skipped=0
failures=
summary='^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$'
# A process that hangs beyond the harness' own watchdog must not cost the whole run.
limit=$((60 * slow))

version_at_least() {
    awk -v want="$1" -v have="$(uname -r)" 'BEGIN {
        split(want, w, "."); split(have, h, ".");
        exit !(h[1] > w[1] || (h[1] == w[1] && h[2] + 0 >= w[2] + 0)) }'
}

# Below 5.15 the library asks for epoll: the ring lacks what it needs, or is too buggy.
if [ -z "$expect" ]; then
    expect=epoll
    version_at_least 5.15 && expect=uring
fi
AIO_TEST_REQUIRE=epoll
[ "$expect" = uring ] && AIO_TEST_REQUIRE=uring,epoll
export AIO_TEST_REQUIRE

matches() {
    # shellcheck disable=SC2254  # the glob is meant as one
    case $1 in
    $2) return 0 ;;
    esac
    return 1
}

# What `auto` chooses, and why, in the library's own words.
check_choice() {
    program=$build/examples/echo
    [ -x "$program" ] || return 0
    AIO_LOG=info AIO_BACKEND=auto "$program" 127.0.0.1:0 >/tmp/choice 2>&1 &
    waited=0
    until grep -q 'backend: ' /tmp/choice || [ $waited -ge $((20 * slow)) ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    sleep 0.5
    kill -TERM $!
    wait $!
    echo "auto:"
    sed 's/^/    /' /tmp/choice
    if grep -q "backend: $expect\$" /tmp/choice; then
        passed=$((passed + 1))
    else
        echo "FAIL auto did not choose $expect"
        failed=$((failed + 1))
        failures=" auto,"
    fi
}

# run_one PROGRAM SUITE ROW; a program without rows has the one row "-".
run_one() {
    started=$(date +%s)
    timeout -s KILL "$limit" "$1" --suite "$2" --row "$3" >/tmp/out 2>&1 </dev/null
    status=$?
    took=$(($(date +%s) - started))
    label=$(basename "$1")/$2
    [ "$3" = - ] || label="$label [$3]"
    closing=$(grep -E "$summary" /tmp/out | tail -n 1)
    if [ "$status" = 77 ]; then
        skipped=$((skipped + 1))
        echo "skip $label: $(grep -vE "$summary|^ *$" /tmp/out | tail -n 1)"
        return
    fi
    good=$(number 1 "$closing")
    bad=$(number 3 "$closing")
    passed=$((passed + good))
    skipped=$((skipped + $(number 5 "$closing")))
    if [ "$status" = 0 ] && [ -n "$closing" ] && [ "$bad" = 0 ]; then
        echo "ok   $label: $closing, $took s"
        return
    fi
    # A process that died has at least one failure, whatever it counted.
    [ "$bad" -gt 0 ] || bad=1
    failed=$((failed + bad))
    failures="$failures $label,"
    echo "FAIL $label: ${closing:-no closing line}, exit status $status, $took s"
    tail -n 80 /tmp/out | sed 's/^/     | /'
}

# The N-th word of a closing line "1 passed, 2 failed, 3 skipped", 0 where it has none.
number() {
    echo "$2" | awk -v n="$1" '{ print $n + 0 }'
}

run_program() {
    if ! list=$("$1" --list) || ! all_rows=$("$1" --rows) || [ -z "$list" ]; then
        echo "FAIL $1 does not list its suites and rows"
        failed=$((failed + 1))
        failures="$failures $1,"
        return
    fi
    for suite in $list; do
        matches "$suite" "$suites" || continue
        for row in $all_rows; do
            matches "$row" "$rows" && run_one "$1" "$suite" "$row"
        done
    done
}

# A kernel that complains while the tests run is a finding too, even when they pass.
check_kernel_log() {
    dmesg | grep -E 'BUG:|WARNING:|Oops|general protection|hung task|detected stall' >/tmp/bad &&
        echo "note: the kernel complained:" && sed 's/^/    /' /tmp/bad
}

set -f
check_choice
for name in $programs; do
    run_program "$build/tests/$name"
done
check_kernel_log
[ -z "$failures" ] || echo "failed:${failures%,}"
verdict=pass
[ "$failed" = 0 ] && [ "$passed" -gt 0 ] || verdict=fail
echo "KERNEL TEST RESULT: $verdict: $passed passed, $failed failed, $skipped skipped," \
    "$(uname -r)"
