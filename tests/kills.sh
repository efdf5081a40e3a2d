#!/bin/sh
# kills.sh [COUNT] - drawing jobs of every kind are killed (kill -9) at COUNT random moments, begun again by the same command, and end with the
# bytes of a job that nobody killed.  Run from the root of the source; KINDS: which kinds ("hires lcm"), if not all.
count=${1:-200}
test=kills; . tests/asking.sh
: >err

printf 'portrait of a woman with red hair\nNegative prompt: hat\nSteps: 6, Seed: 7, Size: 64x64, Frames: 2\n' >p.txt
"$persona" p.txt --frames 1 --seed 1 -o init.png --quiet >out

# kind NAME ENDING OPTIONS...: the arguments of one kind of job stand in a file of their own, one in each line
mkdir kinds
kind() { name=$1; shift; if [ -z "$KINDS" ] || echo " $KINDS " | grep -q " $name "; then printf '%s\n' "$@" >"kinds/$name"; fi; }
kind still    png  --frames 1
kind series   png  --frames 2
kind windows  gif  --frames 6 --context 4 --overlap 2 --steps 4
kind closed   gif  --frames 4 --closed-loop A --steps 4
kind hires    gif  --hires 1.5 --hires-steps 4 --strength 0.6
kind pictures gif  --hires 1.5 --hires-steps 4 --strength 0.6 --hires-upscaler Lanczos
kind init     apng --init init.png --strength 0.7 --steps 8
kind mask     gif  --init init.png --mask 16,8,56,40 --strength 0.7 --steps 8 --sampler 'Euler a'
kind last     gif  --frames 3 --init init.png --last init.png --strength 0.7 --last-strength 0.9 --steps 8
kind nv       gif  --rng NV --sampler 'Euler a'
kind lcm      gif  --sampler LCM --cfg 1.5
kind euler_a  gif  --sampler 'Euler a'
kind heun     png  --frames 1 --sampler Heun
kind lms      png  --frames 1 --sampler LMS --steps 9
kind plms     png  --frames 1 --sampler PLMS --steps 9
kind dpm2_a   png  --frames 1 --sampler 'DPM2 a'
kind 2m       gif  --sampler 'DPM++ 2M'
kind 2m_sde   png  --frames 1 --sampler 'DPM++ 2M SDE' --hires 1.5
kind sde_heun png  --frames 1 --sampler 'DPM++ 2M SDE Heun' --steps 9
kind 2s_a     png  --frames 1 --sampler 'DPM++ 2S a'
kind sde      png  --frames 1 --sampler 'DPM++ SDE' --init init.png
kind 3m_sde   gif  --sampler 'DPM++ 3M SDE' --steps 8
kind unipc    gif  --sampler UniPC
kind bf16     gif  --precision bf16
kind grid     gif  --frames 1 --x 'CFG scale: 3, 7' --y 'Seed: 1-2'
kind cells    apng --x 'Sampler: DDIM, Euler a' --steps 8

# draws NAME OUT: the job of this kind, into "$child"
draws() {
    set --  "$2" "kinds/$1"
    into=$1; file=$2
    set -- p.txt --state-every 0 --quiet
    ending=
    while IFS= read -r word; do
        if [ -z "$ending" ]; then ending=$word; else set -- "$@" "$word"; fi
    done <"$file"
    "$persona" "$@" -o "$into.$ending" >out 2>err & child=$!
}
now() { date +%s%N; }

# kill_once NAME: one run of the job, killed at a random moment up to a little longer than it takes, or finished
kill_once() {
    draws "$1" "cut/$1"
    sleep "$(awk -v seed="$kills$(now)" -v took="$took" 'BEGIN { srand(seed); print rand() * took / 1e9 * 1.1 }')"
    if kill -9 $child 2>err2; then kills=$((kills + 1)) killed=$((killed + 1)); fi
    wait $child 2>err2; status=$?
    case $status in
        0)   ended=1 ;;
        137) [ -z "$(ls cut | grep 'state$')" ] || kept=$((kept + 1)) ;;
        *)   wrong "$1: status $status after $killed kills"; ended=1 ;;
    esac
}

mkdir whole cut
kills=0 kept=0 began_at=$(now)
each=$((count / $(ls kinds | wc -l) + 1))
for name in $(ls kinds); do
    begun=$(now); draws "$name" "whole/$name"; wait $child; status=$?; took=$(($(now) - begun))
    holds "$name: drawn" is $status 0
    killed=0 ended=0
    while [ $killed -lt $each ] && [ $kills -lt "$count" ]; do
        kill_once "$name"
        if [ $ended = 1 ]; then
            for f in whole/"$name"[.-]*; do holds "$name: other bytes after $killed kills" same "$f" "cut/${f#whole/}"; done
            rm -rf cut/*; ended=0
        fi
    done 2>/dev/null
    draws "$name" "cut/$name"; wait $child; status=$?
    holds "$name: ends after $killed kills" is $status 0
    for f in whole/"$name"[.-]*; do holds "$name: other bytes after $killed kills" same "$f" "cut/${f#whole/}"; done
    holds "$name: leaves nothing: $(ls cut)" is "$(ls cut | wc -l)" "$(ls whole/"$name"[.-]* | wc -l)"
    rm -rf cut/*
done

echo "killed $kills times, a state was there $kept times"
echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
