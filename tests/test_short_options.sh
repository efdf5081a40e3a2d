#!/bin/sh
# test_short_options.sh - options of one letter, and what they mean in other programs.
# Run from the root of the source; nothing is drawn but a still of 32x32.
test=test_short_options; . tests/asking.sh

: >out; : >err
printf 'a woman\nSteps: 1, Seed: 7, Size: 64x32, Frames: 1\n' >p.txt

# means WORDS ARGUMENTS...: persona check --verbose prints settings with these words
means() {
    words=$1; shift
    run check p.txt --verbose "$@"
    if [ $status = 0 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}
# wrongly WORDS ARGUMENTS...: the command line is wrong, and the message says so
wrongly() {
    words=$1; shift
    run check p.txt "$@"
    if [ $status = 2 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}

means 'Seed: 42, Size: 64x32' -s 42
means 'Seed: 42, Size: 64x32' -s42
means 'Seed: 42, Size: 64x32' -s=42
means 'Size: 512x32' -W512
means 'Size: 64x48' -H 48
means 'Size: 128x96' --width 128 --height=96
means 'Size: 128x128' --width 64 --size 128x128
means 'Size: 64x128' --size 128x128 -W 64
means 'Negative prompt: hat' -n hat
means 'Negative prompt: old hat' '-nold hat'
means 'a tall man' -p 'a tall man'
means 'Seed: 5' -s5 -t 1 -m persona
run check p.txt -s-1; holds 'a random seed' is $status 0
run check p.txt -q; holds '-q is quiet' is "$status$(cat err)" 0
run check p.txt -v; says 'Seed: 7'
run -h; holds '-h is help' grep -q -- '-W, --width' out
run p.txt -ofirst.png; run p.txt -o second.png -s 7
holds '-o' same first.png second.png

wrongly 'did you mean --steps?' -steps 20
wrongly 'did you mean --steps?' --stpes 20
wrongly 'did you mean --prompt?' -prompt x
wrongly '"-Wall" is no option' -Wall
wrongly '-s needs a value' -s
wrongly '-n needs a value behind it, found the option -s1' -n -s1
wrongly '-p needs a value behind it, found the option -q' -p -q
wrongly '--seed is "ten"' -s ten
wrongly '--width is "33", expected a multiple of 8' -W33
wrongly '-q takes no value' -q=1
wrongly 'here it is -W N and -H N' -w 512
wrongly 'here it is --seed N' -S 3
wrongly 'here it is --cfg X' -C 7
wrongly 'here it is --sampler NAME' -A k_lms
wrongly '-n is the negative prompt, found "4"; for a number of pictures: --batch 4' -n 4
mkdir photos
run train photos -o x.safetensors -W 512
says '--width is an option of drawing'

echo "test_short_options: $passed passed, $failed failed"
[ $failed = 0 ]
