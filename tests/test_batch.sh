#!/bin/sh
# test_batch.sh - several pictures in one run: --batch.
# Run from the root of the source; draws stills of 32x32.
test=test_batch; . tests/asking.sh

: >out; : >err
printf 'a {red|blue|green|black} hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 1\n' >p.txt

run p.txt --batch 3
holds 'three pictures' is "$status$(tr '\n' ' ' <out)" '0p-1.gif p-2.gif p-3.gif '
says 'picture 2 of 3: seed 8, p-2.gif'
for i in 1 2 3; do
    run p.txt --seed $((6 + i)) -o alone.gif; holds "picture $i is what its seed makes alone" same alone.gif p-$i.gif
    cp p-$i.gif before.gif; run p-$i.gif; holds 'and draws itself again' same before.gif p-$i.gif; holds 'alone' is "$(cat out)" p-$i.gif
done
rm -f p*.gif alone* before*
run p.txt -b2 -o a.png; holds 'as PNG' is "$status$(tr '\n' ' ' <out)" '0a-1.png a-2.png '
run a-1.png --batch 2 -o b.png; run a-1.png --seed 8 -o e.png; holds 'from a picture, with its words' same b-2.png e.png
run a-1.png -b 2; holds 'the picture stays' is "$status$(tr '\n' ' ' <out)" '0a-1-1.png a-1-2.png '
run p.txt --batch-count 10 -o c.gif -q; holds 'ten sort by name' is "$(sed -n '1p;10p' out | tr '\n' ' ')" 'c-01.gif c-10.gif '
run p.txt --batch 1 -o one.gif; holds 'one is as ever' is "$(cat out)" one.gif
printf 'a hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 1, Batch: 2\n' >b.txt
run b.txt; holds 'in a prompt file' is "$status$(tr '\n' ' ' <out)" '0b-1.gif b-2.gif '
run info b-2.gif; holds 'the settings are those of one' is "$(grep -c Batch out)$(grep -c 'Seed: 8' out)" 01
run --prompt 'a hat' --batch 2 --steps 1 --size 32x32 --frames 1
seed=$(sed -n 's/^picture 1 of 2: seed \([0-9]*\),.*/\1/p' err)
holds 'a random seed and the one behind it' grep -q "picture 2 of 2: seed $((seed + 1)), persona-2.gif" err
run check p.txt -b 2; says 'picture 1 of 2'; holds 'check draws nothing' is "$status$(cat out)" 0
mkdir d-2.gif; run p.txt -b 3 -o d.gif
holds 'one that fails does not lose the others' is "$status$(tr '\n' ' ' <out)" '1d-1.gif d-3.gif '
says '1 picture failed; 2 are drawn; the same command draws what is missing'; says 'd-2.gif'
rmdir d-2.gif; echo other >d-3.gif; run p.txt -b 3 -o d.gif
says 'picture 1 of 3: seed 7, d-1.gif is there already'
holds 'the same command draws the others' is "$status$(tr '\n' ' ' <out)$(grep -c '^done in' err)" '0d-1.gif d-2.gif d-3.gif 2'
holds 'what another wrote is kept aside' is "$(cat d-3-before.gif)" other
holds 'no state is left' absent d.gif.state
run p.txt -b 3 --model nothing; holds 'what is wrong with all is said once' is "$status$(grep -c '"nothing"' err)" 11
holds 'nor then' absent p.gif.state
run p.txt -b 2 --x 'Steps: 1, 2'; holds 'a grid is none' is $status 2; says 'give it an axis, as --z "Seed: 1-4"'
run p.txt -b 2 -o -; holds 'nor standard output' is $status 2; says 'standard output is one file'
run p.txt --x 'Batch count: 1, 2' -o x.png; holds 'nor an axis' is $status 2; says 'a cell of a grid is one picture'
run p.txt --batch 0; holds 'none' is $status 2; says '--batch is "0", expected a whole number from 1 to 1000'

# ---- interrupted, with a seed at random: the same command goes on with it ----
printf 'a hat\nSteps: 4, Size: 128x128, Frames: 4\n' >i.txt
"$persona" i.txt -b 3 --state-every 0 >out 2>err & job=$!
for n in $(seq 400); do [ -e i-1.gif ] && break; sleep 0.05; done
kill -INT $job; wait $job; holds 'interrupted' is $? 130
cp i-1.gif first.gif
run i.txt -b 3 --state-every 0
holds 'goes on' is "$status$(tr '\n' ' ' <out)" '0i-1.gif i-2.gif i-3.gif '
holds 'with the same seed' same first.gif i-1.gif
says 'i-1.gif is there already'; holds 'two are drawn' is "$(grep -c '^done in' err)" 2
holds 'and leaves no state' absent i*.state

# ---- one of several pictures of the web UI ----
printf 'a hat\nSteps: 1, Sampler: DDIM, CFG scale: 7.5, Seed: 9, Size: 32x32, Batch size: 4, Batch pos: 2, RNG: CPU, Frames: 1\n' >w.txt
run w.txt; holds 'one picture' is "$status$(cat out)" 0w.gif; says 'Batch pos "2" of "4" is this one picture, by its own Seed'
run --prompt 'a hat' --seed 9 --size 32x32 --cfg 7.5 --steps 1 --frames 1 -o alone.gif; holds 'of its seed' same w.gif alone.gif
printf 'a hat\nSteps: 1, Seed: 9, Size: 32x32, Frames: 1, Batch size: 4\n' >s.txt
run check s.txt; says 'Batch count is how many'

echo "test_batch: $passed passed, $failed failed"
[ $failed = 0 ]
