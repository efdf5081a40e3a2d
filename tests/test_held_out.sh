#!/bin/sh
# test_held_out.sh - likeness while learning: pictures are held out by name, measured with, and the best step is kept and told; the same bytes after an
# interruption.  Run from the root of the source.
test=test_held_out; . tests/asking.sh
export OMP_NUM_THREADS=1
: >err

mkdir photos
for n in 1 2 3 4 5; do "$persona" --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o photos/$n.png >out 2>err; echo 'a man' >photos/$n.txt; done
# a rate far too high, so that the best comes early
learn() { out=$1; shift; run train photos -o "$out.safetensors" --resolution 64 --network_dim 1 --network_train_unet_only --threads 1 --seed 3 "$@"; }
held() { out=$1; shift; learn "$out" --max_train_steps 6 --learning_rate 0.1 --lr_scheduler constant --validation_split 0.2 --validate_every_n_steps 1 "$@"; }

held whole --save_every_n_steps 1
holds 'learns' is "$status$(cat out)" 0whole.safetensors
for words in 'photos: 5 pictures, 5 with a caption, 4 in an epoch; 1 held out' 'held out, to measure likeness with and not to learn from: 3.png' 'held out: loss 0.' \
    'step 1: held out: loss ' ' at first; likeness ' 'step 6: held out: loss '; do says "$words"; done
holds 'what is there' test -s whole-loss.png -a -s whole-state.safetensors -a -s whole-step00000005.safetensors

# ---- the best is told, and kept: the file of its step ----
best=$("$persona" info whole.safetensors | sed -n 's/^ *persona_likeness: //p' | tr ' ' '\n' | sort -t: -k2 -rn | head -1 | sed 's/:.*//')
if [ "$best" -gt 0 ]; then
    says "likeness was best after step $best of 6"
    says 'whole-best.safetensors'
    holds 'the best is the result of its step' cmp -s whole-best.safetensors "whole-step0000000$best.safetensors"
else
    says 'nothing that was learned comes nearer to the held-out pictures'
    holds 'no best' absent whole-best.safetensors
fi
"$persona" info whole.safetensors >out
for words in 'ss_num_validation_images: 1' 'ss_validation_split: 0.2' 'ss_validate_every_n_steps: 1' 'persona_validation_loss: 0:' 'persona_likeness: 0:0 1:'; do
    holds "metadata: $words" grep -q "$words" out; done

# ---- a gentle rate: the best is the last, and there is no other file ----
learn gentle --max_train_steps 2 --learning_rate 1e-3 --lr_scheduler constant --validation_split 0.2
says 'likeness was best at the end'
holds 'no other file' is "$(echo gentle*)" 'gentle-loss.png gentle.safetensors'

# ---- measuring changes nothing that is learned, and costs time that the plan knows ----
held rare --validate_every_n_steps 6
holds 'how often it is measured changes no weight' is "$(tail -c 20000 rare.safetensors | cksum)" "$(tail -c 20000 whole.safetensors | cksum)"
holds 'at the beginning and at the end' is "$(grep -c 'held out: loss' err)" 2

# ---- interrupted and resumed: the same bytes, of the best and of the chart, too ----
held cut --save_every_n_steps 4
rm cut.safetensors cut-loss.png
held cut --save_every_n_steps 4 --resume .
says 'goes on after step 4 of 6'
held sure --save_every_n_steps 4
holds 'the result' cmp -s cut.safetensors sure.safetensors
holds 'the chart' cmp -s cut-loss.png sure-loss.png
holds 'the best' is "$(cat cut-best.safetensors 2>/dev/null | cksum)" "$(cat sure-best.safetensors 2>/dev/null | cksum)"
held cut --resume . --validation_seed 4
says 'cannot be resumed, for --validation_seed differs: 4 now, none when it was saved'

# ---- which, by a seed; how many are measured ----
held seeded --max_train_steps 1 --validation_split 0.4 --validation_seed 1 --max_validation_steps 1
first=$(grep 'not to learn from' err)
held seeded --max_train_steps 1 --validation_split 0.4 --validation_seed 1 --max_validation_steps 1
holds 'the same ones by the same seed' is "$first" "$(grep 'not to learn from' err)"
"$persona" info seeded.safetensors >out
for words in 'ss_validation_seed: 1' 'ss_max_validation_steps: 1' 'ss_num_validation_images: 2'; do holds "metadata: $words" grep -q "$words" out; done

# ---- wrong ----
learn idle --max_train_steps 1 --validate_every_n_steps 2 --validation_seed 1
says '--validate_every_n_steps (no pictures are held out without --validation_split)'
says '--validation_seed (no pictures are held out'
holds 'nothing is measured' is "$(grep -c 'held out:' err)" 0
rm photos/5.png
learn few --max_train_steps 1 --validation_split 0.25
holds 'few' is $status 1
says '--validation_split 0.25 of 4 pictures: of fewer than 5 none can be held out'
learn wrong --validation_seed -1 --validate_every_n_steps 0 --max_validation_steps x --validation_split 1
holds 'wrong' is $status 2
for words in '--validation_seed is "-1"' '--validate_every_n_steps is "0"' '--max_validation_steps is "x"' '--validation_split is "1"'; do says "$words"; done

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
