#!/bin/sh
# test_standard_streams.sh - "-" in place of a file, and --format.
# Run from the root of the source; draws stills of 32x32.
source=$PWD; test=test_standard_streams; . tests/asking.sh

: >out; : >err
words='a woman
Steps: 1, Seed: 7, Size: 32x32, Frames: 1'
echo "$words" >p.txt
run p.txt; mv p.gif want.gif
run p.txt -o want.png

# ---- standard input ----
echo "$words" | "$persona" - >out 2>err; status=$?
holds 'a prompt from standard input' is "$status$(cat out)" 0persona.gif
holds 'the same picture' same persona.gif want.gif
echo "$words" | "$persona" check /dev/stdin >out 2>err; says 'persona.gif'
"$persona" - -o again.gif <want.gif >out 2>err; holds 'from a picture' same again.gif want.gif
"$persona" info - <want.gif >out 2>err; holds 'info of it' grep -q 'standard input: a GIF of 32x32' out
"$persona" info - <"$source/weights/persona_motion.safetensors" >out 2>err; holds 'info of weights' grep -q 'motion module' out
"$persona" - --seed 8 -o other.gif <p.txt >out 2>err; holds 'options win' is "$(cmp -s other.gif want.gif; echo $?)" 1
: | "$persona" - >out 2>err; holds 'nothing on it' is $? 1; says 'standard input: is empty, expected a prompt'
"$persona" - <&- >out 2>err; holds 'it is closed' is $? 1; says 'standard input: cannot be read'
"$persona" - </dev/null >out 2>err; says 'is empty'
printf '\377\330\377\333' | "$persona" - >out 2>err; holds 'a broken picture' is $? 1; says 'standard input: this JPEG'
head -c 300000 /dev/zero | "$persona" - >out 2>err; holds 'no text' is $? 1; says 'standard input: '
if [ -e /dev/fd/3 ] || [ -d /dev/fd ]; then
    exec 3<p.txt; "$persona" /dev/fd/3 -o three.gif >out 2>err; exec 3<&-
    holds 'another open file' same three.gif want.gif
fi
run train - -o x.safetensors; holds 'no photos come from it' [ $status != 0 ]
run - -; says 'one file at a time'

# ---- standard output ----
"$persona" p.txt -o - >got 2>err; holds 'a GIF on standard output' is $? 0
holds 'and nothing else' same got want.gif
holds 'nor a file' absent p.gif 'standard output.gif'
"$persona" p.txt -o - --format png >got 2>err; holds 'a PNG' same got want.png
"$persona" p.txt -o /dev/stdout --format=PNG -q >got 2>err; holds 'by its other name' same got want.png
echo "$words" | "$persona" - -o - | "$persona" - -o - -q 2>err | "$persona" info - >out 2>err; holds 'a pipe of three' grep -q 'Seed: 7' out
mkdir closed; chmod 555 closed; (cd closed && "$persona" ../p.txt -o - 2>../err | cmp -s - ../want.gif); holds 'where nothing can be written' is $? 0
{ "$persona" p.txt -o - 2>err; echo $? >status; } | true
holds 'nobody reads it' is "$(cat status)" 1
says 'standard output cannot be written: Broken pipe'
if [ -e /dev/full ]; then "$persona" p.txt -o - 2>err >/dev/full; holds 'no room' is $? 1; says 'standard output cannot be written'; fi
run p.txt -o /dev/null --format gif; holds 'a device is written to as it is' is "$status$(cat out)" 0; holds 'nothing beside it' absent /dev/null.gif /dev/null.gif.state
if [ -e /dev/full ]; then run p.txt -o /dev/full; holds 'a device without room' is $status 1; says '/dev/full cannot be written'; fi
run p.txt -o /dev/null --batch 2; says '/dev/null is one file'
if [ -d /dev/fd ]; then "$persona" p.txt -o /dev/fd/4 4>got 2>err; holds 'an open file' same got want.gif; fi
run p.txt --frames 2 --format png -o -; says 'standard output: a clip as PNG is a file for each frame'
holds 'and nothing came' is "$status$(cat out)" 1
run p.txt --x 'Seed: 1, 2' -o - --steps 1; holds 'a grid' is "$status$(head -c 6 out)" 0GIF89a
if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    script -qec "'$persona' p.txt -o -" /dev/null >out 2>err </dev/null
    holds 'a terminal shows no picture' grep -q 'standard output is a terminal' out
fi

# ---- the format ----
run p.txt --format png; holds 'a name of its own' is "$status$(cat out)" 0p.png
run p.txt --format apng -o x; holds 'an ending' is "$status$(cat out)" 0x.apng
run want.png --format gif; holds 'another format' is "$status$(cat out)" 0want.gif
cp want.png kept.png; run want.png --format png; holds 'the same in place' is "$status$(cat out)" 0want.png
run p.txt --format gif -o x.png; holds 'two formats' is $status 2; says 'x.png: --format is gif'
run p.txt --format jpg; holds 'no such format' is $status 2; says '--format is "jpg", expected gif, png or apng'

echo "test_standard_streams: $passed passed, $failed failed"
[ $failed = 0 ]
