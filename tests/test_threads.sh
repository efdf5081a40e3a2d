#!/bin/sh
# test_threads.sh - how many threads a job takes: what OpenMP's variables say, what taskset leaves, and what is typed.
# Run from the root of the source.  tests/test_system.c has the limits of containers.
test=test_threads; . tests/asking.sh

# takes N WHY: the plan of the last run is for so many threads
takes() { holds "$2" is "$(found)" "$1"; }
found() { sed -n 's/.* on \([0-9]*\) thread.*/\1/p' err; }
plan() { run check --prompt 'a man' --frames 1 --steps 1 --size 64x64 --seed 1 "$@"; }
unset OMP_NUM_THREADS OMP_THREAD_LIMIT
plan
usual=$(found)
holds 'some threads' [ "${usual:-0}" -ge 1 ]
plan --threads 7; takes 7 'what is typed'

# a program of one thread, by a compiler without OpenMP, has nothing to choose
OMP_NUM_THREADS=3; export OMP_NUM_THREADS
plan
if grep -q 'on 3 threads' err; then
    takes 3 'OMP_NUM_THREADS'
    plan --threads 7; takes 7 'what is typed wins'
    for asked in '5,2' ' 5 ' '+5'; do OMP_NUM_THREADS=$asked; plan; takes 5 "OMP_NUM_THREADS='$asked'"; done
    for asked in 0 -2 many '3x' ''; do OMP_NUM_THREADS=$asked; plan; takes "$usual" "OMP_NUM_THREADS='$asked'"; done
    OMP_NUM_THREADS=3 OMP_THREAD_LIMIT=2; export OMP_THREAD_LIMIT
    plan; takes 2 'OMP_THREAD_LIMIT'
    unset OMP_NUM_THREADS OMP_THREAD_LIMIT
    first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status 2>/dev/null)
    if [ -n "$first" ] && command -v taskset >/dev/null; then
        taskset -c "$first" "$persona" check --prompt 'a man' --frames 1 --steps 1 --size 64x64 --seed 1 >out 2>err
        takes 1 'taskset'
    fi
fi
echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
