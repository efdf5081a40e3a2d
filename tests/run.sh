#!/bin/sh
# Runs every test in build folder $1 and every script tests/test_*.sh; the last line counts all checks.
# A test ends with "name: N passed, M failed"; one that ends otherwise has crashed, which counts as a failure.
build=$1 passed=0 failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
unset PERSONA_WEIGHTS; HOME=$log.home XDG_CONFIG_HOME=$log.home; export HOME XDG_CONFIG_HOME       # folders that are not there
for t in tests/test_*.c tests/test_*.sh; do
    name=$(basename "${t%.*}")
    # threads that wait while spinning make a busy machine slow; the program sees to that itself
    case $t in *.c) OMP_WAIT_POLICY=passive "$build/$name" >"$log" 2>&1 ;; *) B=$build sh "$t" >"$log" 2>&1 ;; esac
    status=$?
    cat "$log"
    counts=$(sed -n "s/^$name: \([0-9]*\) passed, \([0-9]*\) failed\$/\1 \2/p" "$log" | tail -1)
    if [ -z "$counts" ]; then echo "$name: ended with status $status before it was done"; counts="0 1"; fi
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
    [ "${counts#* }" = 0 ] && [ $status -ne 0 ] && { echo "$name: status $status"; failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
