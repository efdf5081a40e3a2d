#!/bin/sh
# test_next_command.sh - the commands that persona prints to be typed next do what they say, as they stand.
# Run from the root of the source.
test=test_next_command; . tests/asking.sh
: >out; : >err
export OMP_NUM_THREADS=1

small='--frames 1 --steps 1 --size 64x64 -o next.png'
command_said() { sed -n 's/^    //p' err | tail -1; }
# types MORE: the command that was said, with these words behind it
types() { command_said >said.sh; sed "s|\$| $1|" said.sh >typed.sh; sh typed.sh >out 2>err; status=$?; }
learn() { run train "$photos" --max_train_steps 1 --resolution 64 --network_dim 1 --seed 1 "$@"; }

photos="it's my \$folder"
mkdir "$photos" made
for n in 1 2 3; do run --prompt "a man $n" --frames 1 --steps 1 --size 64x64 --seed $n -o "$photos/$n.png"; done
echo 'portrait of sks woman, red hat, smiling (a bit)' >"$photos/1.txt"
echo 'portrait of sks woman, smiling (a bit), {x|y}' >"$photos/2.txt"
echo 'smiling (a bit), portrait of SKS woman, beach' >"$photos/3.txt"

# ---- after training ----
learn -o "made/her \"face\".safetensors"
says 'to draw with it:'
holds 'the words that all captions have' grep -qF 'portrait of sks woman, smiling \(a bit\)' err
types "$small"
holds 'draws' is "$status$(cat out)" 0next.png
says 'LoRA made/her "face".safetensors'

learn -o word.safetensors --method textual_inversion --token sks --init_word woman
types "$small"
holds 'an embedding that no folder of embeddings has' is "$status$(cat out)" 0next.png
holds 'is used by its name' grep -q 'embeddings/word.safetensors' err

learn -o made/both.safetensors --token sks --init_word woman --network_train_unet_only
types "$small"
holds 'both' is "$status$(cat out)" 0next.png
holds 'the word' grep -q 'made/embeddings/sks.safetensors' err
says 'LoRA made/both.safetensors'

cp "$(dirname "$persona")/weights/persona.safetensors" 'my model.safetensors'
rm "$photos"/*.txt; echo 'in the rain <lora:x:1>' >"$photos/1.txt"
learn -o made/c.safetensors --model 'my model' --clip_skip 2 --network_train_unet_only --prompt 'AND {a|b}'
types "$small"
holds 'draws' is "$status$(cat out)" 0next.png
says 'model my model.safetensors: '
says 'clip skip 2'

run train "$photos" -o q.safetensors --max_train_steps 1 --resolution 64 --network_dim 1 --network_train_unet_only --quiet
holds 'quiet' is "$(cat err)" ''

# ---- after drawing ----
first="--frames 1 --steps 1 --size 64x64 -o a.png"
run --prompt "it's a \"man\" for \$5!" --seed 4 $first
holds 'drawn' is "$status" 0
types '-o b.png'
holds 'another seed' is "$status$(cat out)" 0b.png
says 'drawn at random'
run info b.png
holds 'the same words' grep -qF "it's a \"man\" for \$5!" out
for said in '--seed=5' '--seed 5 --cfg 5'; do
    run --prompt 'a man' $said $first
    holds "$said is replaced" is "$(command_said | grep -c -e '5 .*--seed -1$' -e 'seed.5')" "$(echo "$said" | grep -c cfg)"
done
run --prompt 'a man' $first; says 'another picture of these words: the same command again'
run --prompt 'a man' --seed 1 --frames 1 --steps 1 --size 64x64 -o grid.png --x 'Seed: 1-2'
holds 'not for grids' is "$(grep -c another err)" 0

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
