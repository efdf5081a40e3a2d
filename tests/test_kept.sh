#!/bin/sh
# test_kept.sh - nothing is replaced in silence: what stands in the place of a result and is not of the same job is there afterwards.
# Run from the root of the source.
source=$PWD
test=test_kept; . tests/asking.sh
: >err

digest() { cksum <"$1" | cut -d' ' -f1; }
names() { echo $(ls "$@" 2>why); }
draw() { run p.txt --seed "$@"; }
printf 'portrait of a woman\nSteps: 1, Seed: 1, Size: 32x32, Frames: 3\n' >p.txt

# ---- nobody named the file: the new one gets a name that is free ----
draw 1; one=$(digest p.gif)
draw 1; holds 'the same job again' is "$status$(cat out)$(names ./*.gif)" '0p.gif./p.gif'
draw 2; holds 'another job' is "$status$(cat out)$(digest p.gif)" "0p-2.gif$one"
says 'p.gif: another picture is there and stays; this one becomes p-2.gif'
draw 2; holds 'which is done again' is "$(cat out)" p-2.gif
run check p.txt --seed 3; says 'this one becomes p-3.gif'; holds 'check writes nothing' absent p-3.gif
draw 3 --overwrite; holds 'asked for' is "$(cat out)$([ "$(digest p.gif)" = "$one" ] || echo other)" p.gifother
cp "$source/examples/yumin/01.png" p.gif; photo=$(digest p.gif)
draw 4 --overwrite; holds 'a photo stays' is "$(cat out)$(digest p.gif)" "p-3.gif$photo"
rm ./*.gif
printf 'portrait of a woman\nSteps: 1, Size: 32x32, Frames: 1\n' >free.txt
pids=; for n in 1 2 3 4; do "$persona" free.txt --seed $n --threads 1 --quiet >out$n 2>err$n & pids="$pids $!"; done; wait $pids
holds 'four at once' is "$(cat out? | sort | tr '\n' ' ')$(cksum free*.gif | cut -d' ' -f1 | sort -u | wc -l | tr -d ' ')" 'free-2.gif free-3.gif free-4.gif free.gif 4'
rm -f ./*.gif out? err?

# ---- named by -o: what was there is kept ----
draw 1 -o x.apng; one=$(digest x.apng)
draw 1 -o x.apng; holds 'the same job again' is "$status$(names x*)" 0x.apng
draw 2 -o x.apng; two=$(digest x.apng)
says 'x.apng: what was there before is kept as x-before.apng'
holds 'kept' is "$(digest x-before.apng)" "$one"
run check p.txt --seed 3 -o x.apng; says 'x.apng: what is there now will be kept as x-before-2.apng'
draw 3 -o x.apng; holds 'an earlier one is not lost' is "$(digest x-before.apng)$(digest x-before-2.apng)" "$one$two"
draw 4 -o x.apng --overwrite; holds 'asked for' is "$(names x*)" 'x-before-2.apng x-before.apng x.apng'
cp "$source/examples/yumin/01.png" me.png
draw 1 --frames 1 -o me.png --overwrite; holds 'a photo: status' is "$status$(digest me.png)" "1$photo"; says 'me.png: was not drawn by persona'
draw 1 --frames 1 -o me.png; holds 'a photo is kept' is "$status$(digest me-before.png)" "0$photo"
run p.txt --x 'Seed: 1, 2' -o g.gif; run p.txt --x 'Seed: 1, 3' -o g.gif; says 'g.gif: what was there before is kept as g-before.gif'
run p.txt --x 'Seed: 1, 3' -o g.gif; holds 'the same grid' is "$(names g*)" 'g-before.gif g.gif'
draw 1 -o w.gif; chmod 444 w.gif; draw 2 -o w.gif; holds 'write-protected' is "$status$(names w*.gif)" 1w.gif; says 'w.gif: is write-protected'
mkdir real; ln -s real/real.gif link.gif
draw 1 -o link.gif; draw 2 -o link.gif; holds 'through a link' is "$(ls -F link.gif real | tr '\n' ' ')" 'link.gif@  real: real-before.gif real.gif '

# ---- a series: all of it, and frames of a longer one before are not mixed with it ----
draw 1 --frames 5 -o n.png; cat n-00?.png | cksum >five
draw 2 -o n.png; holds 'the longer clip is together' is "$(names n-0*)$(cat n-before-00?.png | cksum)" "n-001.png n-002.png n-003.png$(cat five)"
draw 3 --init n-001.png --steps 2 -o n.png; holds 'the picture that it begins from' is "$status$(names n-before-2*)" '0n-before-2-001.png n-before-2-002.png n-before-2-003.png'
echo words >n-004.png; draw 4 -o n.png --overwrite; says 'warning: n-004.png is there, and is no frame of this clip'
draw 9 --init n-002.png --steps 2 -o n.png --overwrite; holds 'nor with --overwrite is that one lost' is "$(names n-before-3*)" n-before-3-002.png
draw 4 -o m.png; run m-001.png --seed 5; holds 'drawn again' is "$(names m-again*)" 'm-again-001.png m-again-002.png m-again-003.png'
run m-001.png --seed 6 --overwrite; holds 'and replaced' is "$status$(names m-again-2*)" 0
faults=$dir/faults.so
if [ "$(uname)" = Linux ] && ${CC:-cc} -std=c11 -shared -fPIC -o "$faults" "$source/tests/faults.c" -ldl 2>why; then
    mkdir elsewhere; TMPDIR=$PWD/elsewhere; export TMPDIR
    cat n-00[123].png | cksum >before; names n* >listed
    for n in 1 2 3; do for more in '' --overwrite; do
        FAULT_CALL=rename FAULT_AT=1 FAULT_ERROR=5 FAULT_WHERE=n-00$n.png LD_PRELOAD=$faults "$persona" p.txt --seed 7 -o n.png $more >out 2>err; status=$?
        names n* >seen
        holds "frame $n cannot be renamed $more" is "$status$(cat n-00[123].png | cksum)" "0$(cat before)"
        holds "nothing is left of it $more" cmp -s listed seen
        holds "the new frames are elsewhere $more" is "$(cat out)" "$(for k in 1 2 3; do echo "$TMPDIR/n-00$k.png"; done)"
        rm -f elsewhere/*
    done; done
    draw 1 -o full.gif; full=$(digest full.gif)
    FAULT_CALL=write FAULT_AT=1 FAULT_ERROR=28 FAULT_WHERE=full LD_PRELOAD=$faults "$persona" p.txt --seed 2 -o full.gif >out 2>err
    holds 'a full disk' is "$?$(cat out)$(names full*)$(digest full.gif)" "0$TMPDIR/full.giffull.gif$full"
    says 'full.gif: cannot be written'; says "; so it was saved as $TMPDIR/full.gif"
    rm -f elsewhere/*; chmod 500 elsewhere; mkdir gone
    FAULT_CALL=write FAULT_AT=1 FAULT_ERROR=28 FAULT_WHERE=latents LD_PRELOAD=$faults "$persona" p.txt --seed 2 -o gone/l.gif --keep-latents >out 2>err
    holds 'latents that cannot be kept' is "$?$(cat out)$(names gone/*)" 0gone/l.gifgone/l.gif
    says 'warning: the final latents cannot be kept'
    chmod 700 elsewhere; unset TMPDIR
fi

# ---- training ----
learn() { run train photos -o "$@" --resolution 64 --network_dim 1 --network_train_unet_only --threads 1; }
mkdir photos; for n in 1 2; do run --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o photos/$n.png; done
echo 'a man --w 64 --h 64 --s 1 --d 1' >prompts
all='--max_train_steps 2 --save_every_n_steps 1 --sample_prompts prompts'
learn t.safetensors $all --seed 1; ours=$(names t*); cat t.safetensors t-loss.png t-sample1.png t-step*1.safetensors | cksum >first
learn t.safetensors $all --seed 1; holds 'the same training again' is "$status$(names t[.-][!s]* t.* t-s*[0-9].*)" "0$(names t[.-][!s]* t.* t-s*[0-9].*)"
holds 'replaces its own' is "$(names t*before* | sed 's/t-state[^ ]*//g')" ''
learn t.safetensors $all --seed 2; holds 'another training' is $status 0
says 't.safetensors: what was there before is kept as t-before.safetensors'
holds 'what was learned before, its chart, sample and step' is "$(cat t-before.safetensors t-loss-before.png t-sample1-before.png t-step*1-before.safetensors | cksum)" "$(cat first)"
learn t.safetensors --max_train_steps 3 --seed 2; holds 'more steps are another job' is "$(names t-before-*)" t-before-2.safetensors
learn t.safetensors --max_train_steps 3 --seed 3 --overwrite; holds 'asked for' is "$(names t-before-*)" t-before-2.safetensors
learn t.safetensors --max_train_steps 2 --save_every_n_steps 1 --seed 2 --network_weights t-step00000001.safetensors
holds 'a step that it goes on from' is $status 1; says 't-step00000001.safetensors: would be replaced by what is made from it'
rm -f t*; : >err1
"$persona" train photos -o t.safetensors --resolution 64 --network_dim 1 --network_train_unet_only --threads 1 --max_train_steps 100000 >out1 2>err1 & child=$!
n=0; while ! grep -q 'step 1/' err1 && [ $n -lt 400 ]; do sleep 0.05; n=$((n + 1)); done
learn t.safetensors --max_train_steps 1; holds 'a second one at once' is $status 1; says 't.safetensors: another run of persona trains to this file'
kill -9 $child; wait $child 2>why
learn t.safetensors --max_train_steps 1 --seed 1; holds 'after that one is gone' is "$status$(names t*)" '0t-loss.png t.safetensors'

# ---- the same settings and another LoRA of the same name: other bytes, another picture ----
printf 'portrait of a man, <lora:t:1>\nSteps: 1, Seed: 1, Size: 32x32, Frames: 1\n' >l.txt
run l.txt -o l.png; first=$(digest l.png); run l.txt
learn t.safetensors --max_train_steps 2 --seed 2 --learning_rate 1e-2
run l.txt -o l.png; holds 'kept' is "$status$(digest l-before.png)" "0$first"; says 'l.png: what was there before is kept as l-before.png'
run l.txt; holds 'a free name' is "$(cat out)" l-2.gif; says 'l.gif: the picture that is there is another one and stays; this one is l-2.gif'
run l.txt; holds 'which is done again' is "$(cat out)$(names l.gif l-*.gif)" 'l-2.gifl-2.gif l.gif'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
