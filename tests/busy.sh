#!/bin/sh
# busy.sh - how much longer a drawing takes beside busy programs, one for each core: at most 2.5 times as long.
#     sh tests/busy.sh [TIMES]          five pairs; by hand, on a machine that is otherwise quiet
# Each pair draws once alone and once beside loops that never sleep, so that a slow spell of the machine meets both.
# The median of the ratios counts.
times=${1:-5}
here=$(pwd)
: "${MOST:=2.5}"
work=$(mktemp -d) || exit 1
loops=
stop_loops() { for loop in $loops; do kill "$loop"; wait "$loop"; done 2>/dev/null; loops=; }
trap 'stop_loops; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
start_loops() {
    i=0
    while [ $i -lt "$cores" ]; do
        sh -c 'while :; do :; done' &
        loops="$loops $!" i=$((i + 1))
    done
}

# takes: the seconds that the program says it took
takes() {
    "$here/persona" "$here/prompt.txt" --steps 8 --seed 1 -o "$work/a.gif" >/dev/null 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
    rm -f "$work/a.gif"
    sed -n 's/^done in \([0-9.]*\) s.*/\1/p' "$work/said"
}
load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null)
echo "load before: ${load:-not known}; it should be near 0"
takes >/dev/null                         # the first one also reads the files from the disk
n=0
while [ $n -lt "$times" ]; do
    quiet=$(takes) || exit 1
    start_loops
    busy=$(takes) || exit 1
    grep -o 'measured while.*' "$work/said" >>"$work/told"
    stop_loops
    ratio=$(awk "BEGIN { print $busy / $quiet }")
    echo "$ratio" >>"$work/ratios"
    echo "quiet $quiet s, beside $cores busy loops $busy s: $ratio times"
    n=$((n + 1))
done
median=$(sort -n "$work/ratios" | sed -n "$(((times + 1) / 2))p")
echo "the plan said so in $(wc -l <"$work/told" | tr -d ' ') of $times"
echo "median: $median times, at most $MOST"
awk "BEGIN { exit !($median <= $MOST) }"
