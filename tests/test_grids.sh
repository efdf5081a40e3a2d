#!/bin/sh
# test_grids.sh - grids as their user meets them: cells are what they would be alone, work that is interrupted goes on to the same bytes,
# the settings inside make the same again, and nothing that was there is lost.  Run from the root of the source.
test=test_grids; . tests/asking.sh

silent() { if grep -qF -- "$1" err; then wrong "\"$1\" in the message"; else ok; fi; }
refuses() {
    want=$1 words=$2; shift 2
    ls -aR >before; run "$@"; ls -aR >after
    if [ $status = "$want" ] && grep -qF -- "$words" err && [ ! -s out ] && cmp -s before after; then ok
    else wrong "persona $*: status $status, expected $want and \"$words\""; fi
}

: >before; : >after; : >out; : >err
printf 'portrait of a woman with red hair\nNegative prompt: hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 3, FPS: 12.5\n' >p.txt

# ---- a grid, and each of its cells alone ----
run p.txt --x 'CFG scale: 3, 7' --y 'Prompt S/R: red, green' --z 'Seed: 7-8' -o g.apng --keep-cells
holds 'a grid' is "$status$(cat out)" 0g.apng
for words in 'grid: 2 x 2 x 2 pictures of 32x32' 'plan: ' 'cell 8/8: CFG scale: 7, green, Seed: 8' 'step 8/8' '3 frames of'; do says "$words"; done
holds 'what is loaded is said once' is "$(grep -c '^model' err)" 1
holds 'the cells' is "$(echo g.cells/*)" "$(echo g.cells/x1-y1-z1.apng g.cells/x1-y1-z2.apng g.cells/x1-y2-z1.apng g.cells/x1-y2-z2.apng g.cells/x2-y1-z1.apng g.cells/x2-y1-z2.apng g.cells/x2-y2-z1.apng g.cells/x2-y2-z2.apng)"
holds 'nothing unfinished' absent g.cells.part
run p.txt --cfg 3 -o alone.apng;                                                 holds 'the first alone' same alone.apng g.cells/x1-y1-z1.apng
run p.txt --cfg 7 --seed 8 --prompt 'portrait of a woman with green hair' -o alone.apng; holds 'the last alone' same alone.apng g.cells/x2-y2-z2.apng
run g.cells/x2-y1-z1.apng -o alone.apng;                                         holds 'a cell from its own settings' same alone.apng g.cells/x2-y1-z1.apng

# ---- its settings make it again; cells that are there are not drawn ----
cp g.apng again.apng
run again.apng
says 'the same bytes'
holds 'drawn anew' grep -q 'step 8/8' err
holds 'and not left behind' absent again.cells again.cells.part
run g.apng
says 'the same bytes'
silent 'step '
holds 'kept cells stay' is "$(ls g.cells | wc -l | tr -d ' ')" 8
run p.txt --x 'CFG scale: 3, 7, 9' --y 'Prompt S/R: red, green' -o g.gif
says 'step 2/2'
holds 'two that are new, for a GIF' is "$(head -c 6 g.gif)" GIF89a
holds 'kept as they were' is "$(ls g.cells | wc -l | tr -d ' ')" 8
run info g.gif
holds 'its settings' grep -q 'Frames: 3, FPS: 12.5, X: "CFG scale: 3, 7, 9", Y: "Prompt S/R: red, green"' out
cp g.gif one.gif; run one.gif; says 'the same bytes'
run g.gif --x none --y none -o single.gif; holds 'without its axes' is "$status$(wc -c <out | tr -d ' ')" 011
run p.txt --x 'Seed: 1, 2' -o m.gif --max-size 6K; holds 'a size to keep to' [ "$(wc -c <m.gif)" -le 6144 ]
cp m.gif m2.gif; run m2.gif; says 'the same bytes'

# ---- what the web UI wrote; names; cells that are alike ----
printf 'portrait of a woman with red hair\nNegative prompt: hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 3, FPS: 12.5, Script: X/Y/Z plot, X Type: CFG Scale, X Values: "3,7", Y Type: Prompt S/R, Y Values: "red,green", Z Type: Seed, Z Values: 7-8' >web.txt
run web.txt -o web.apng
silent 'ignored'
says 'cell 8/8: CFG scale: 7, green, Seed: 8'
run p.txt --frames 1 --steps 1 --x 'Seed: 1, 2' -o still.png; cp still.png kept.png; run still.png
holds 'a grid of stills is made again as one' is "$status$(cmp -s still.png kept.png; echo $?)$(ls still-* 2>/dev/null)" 00
run p.txt --frames 1 --x 'Model: persona, persona.safetensors' --y 'Sampler: DDIM, Euler Karras' --z 'Steps: 1, 1' -o names.png
says 'grid: 2 x 2 x 2 pictures of 32x32, 4 of them as another one'
says 'step 4/4'
cp names.png n.png; run n.png; says 'the same bytes'

# ---- interrupted, and gone on with ----
slow='p.txt --frames 1 --x Steps:2,1000 --y Seed:3-4'
: >err; "$persona" $slow -o cut.png >out 2>err & pid=$!
n=0; while ! grep -q '^cell 2/4' err && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
kill -INT $pid; wait $pid; holds 'interrupted' is $? 130
says 'interrupted; 1 finished pictures are in cut.cells.part, and the same command goes on from there'
holds 'no grid yet' absent cut.png cut.cells
short='p.txt --frames 1 --x Steps:2,3 --y Seed:3-4'
run $short -o whole.png
cp cut.cells.part/x1-y1.png first.png
printf mine >cut.cells.part/mine.txt; : >cut.cells.part/x9.png.77.part
run $short -o cut.png
says 'step 8/8'
holds 'the same as without' same cut.png whole.png
holds 'only what is not ours stays' is "$(ls cut.cells.part)" mine.txt
mkdir old.cells; cp first.png old.cells/x1-y1.png; cp first.png old.cells/x2-y2.png; head -c 200 first.png >old.cells/broken.png
run $short -o old.png --keep-cells
says 'step 8/8'
holds 'the same again' same old.png whole.png
holds 'other pictures keep their names' is "$(echo old.cells/*)" 'old.cells/broken.png old.cells/x1-y1.png old.cells/x1-y2.png old.cells/x2-y1.png old.cells/x2-y2-2.png old.cells/x2-y2.png'
holds 'and their bytes' same old.cells/x2-y2.png first.png
mv old.cells/x2-y1.png . && rm -r old.cells && mkdir old.cells.part && mv x2-y1.png old.cells.part; cp old.cells.part/x2-y1.png kept.png
run $short -o old.png --keep-cells
holds 'begun without, they are kept all the same' same old.cells/x2-y1.png kept.png
holds 'all of them' is "$(ls old.cells | wc -l | tr -d ' ')$(ls -d old.cells.part 2>/dev/null)" 4
mkdir new.cells weights; cp first.png new.cells/; sleep 0.01; cp "${persona%/*}"/weights/persona.safetensors weights/mine.safetensors
run $short -o new.png --model mine; says 'step 10/10'
cp "${persona%/*}"/weights/persona.safetensors weights/mine.safetensors
mkdir mine.cells; run p.txt --frames 1 --steps 2 --seed 3 --model mine -o mine.cells/a.png; touch mine.cells/a.png
run $short -o mine.png --model mine; says 'step 8/8'
sleep 0.01; touch weights/mine.safetensors
run $short -o mine.png --model mine; says 'step 10/10'
run p.txt --frames 1 --steps 2 --seed 3 --model mine -o mine.cells/a.png
cp -p weights/mine.safetensors weights/same; sleep 0.01; mv weights/same weights/mine.safetensors
run $short -o mine.png --model mine; says 'step 10/10'                         # an older file in its place
mkdir mine.cells.part; cp first.png mine.cells.part/x7-y7.png
run $short -o mine.png --model mine; holds 'cells of another grid stay' is "$(ls mine.cells.part)" x7-y7.png
chance='--prompt portrait --frames 1 --size 32x32 --x Steps:1,1000'
: >err; "$persona" $chance -o chance.png --state-every off >out 2>err & pid=$!
n=0; while ! grep -q '^cell 2/2' err && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
kill -INT $pid; wait $pid; seed=$(sed -n 's/.*the same command with --seed \([0-9]*\) goes on from there/\1/p' err)
run --prompt portrait --frames 1 --size 32x32 --x Steps:1,2 --seed "${seed:-none}" -o chance.png
says 'step 2/2'
chance='--prompt portrait --frames 1 --size 32x32 --x Steps:1,40 -o drawn.png'
: >err; "$persona" $chance >out 2>err & pid=$!
n=0; while ! grep -q '^cell 2/2' err && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
kill -INT $pid; wait $pid; seed=$(sed -n 's/^seed \([0-9]*\),.*/\1/p' err)
says 'in drawn.cells.part, and the same command goes on from there'
run $chance
says "seed ${seed:-none}, drawn at random"
says 'step 40/40'
holds 'and nothing is left' absent drawn.png.state drawn.cells.part

# ---- what would happen, and what cannot ----
refuses 0 'grid: 3 x 1 x 1 pictures of 32x32' check p.txt --x 'Steps: 1-3'
says 'plan: '
refuses 2 '--x: Steps is "1001"' p.txt --x 'Steps: 1, 1001'
refuses 2 '"Setps" is no setting (did you mean Steps?)' p.txt --y 'Setps: 1'
refuses 2 '--z: Prompt S/R looks for "blue"' p.txt --z 'Prompt S/R: blue, green'
refuses 2 'expected at most 1000' p.txt --x 'Seed: 1-100' --y 'Steps: 1-100'
refuses 1 'all pictures of a grid are of one size and length' p.txt --x 'Size: 32x32, 64x32'
refuses 1 '--x: Model is "nobody", and there is no such file' p.txt --frames 1 --x 'Model: persona, nobody'
refuses 1 'Clip skip: 9: Clip skip is 9, but this text encoder has' p.txt --x 'Clip skip: 1, 9'
refuses 1 'million pixels' p.txt --x 'Seed: 1-80' --size 1024x1024 --frames 1
printf 'a\nSteps: 1, X: nothing\n' >bad.txt; refuses 1 'bad.txt: X is "nothing", expected SETTING: VALUE' bad.txt
(ulimit -f 1; "$persona" $short --size 64x64 -o cut.png >out 2>err); holds 'a full disk' is $? 1
holds 'the grid stays' same cut.png whole.png

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
