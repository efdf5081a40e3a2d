#!/bin/sh
# test_attention_files.sh - --attention: where each word was looked at, in files beside the picture.
# Run from the root of the source; draws stills of 32x32.
test=test_attention_files; . tests/asking.sh

: >out; : >err
printf 'a (red hat:1.2), smiling\nSteps: 2, Seed: 7, Size: 32x32, Frames: 1\n' >p.txt
run p.txt -o plain.gif
run p.txt -o p.gif --attention 'hat, Red Hat'
holds 'two words' is "$status$(cat out)" 0p.gif
holds 'the picture stays the same' same plain.gif p.gif
holds 'four files' is "$(ls p-attention* | tr '\n' ' ')" \
    'p-attention-Red_Hat-layers.png p-attention-Red_Hat.png p-attention-hat-layers.png p-attention-hat.png '
says 'attention of hat: p-attention-hat.png, p-attention-hat-layers.png'
cp p-attention-hat.png before.png; run p.gif --attention hat
holds 'the same maps again' same before.png p-attention-hat.png; holds 'and no copy of them' absent p-attention-hat-before.png
run p.txt -o p.gif --attention hat --seed 8
holds 'maps of another picture are kept' same before.png p-attention-hat-before.png; says 'p-attention-hat-before.png'
run p.txt -o q.gif --attention hat; run p.txt -o q.gif --attention hat --seed 8 --overwrite
holds 'unless --overwrite is given' absent q-attention-hat-before.png
rm -f ./*attention*; run p.txt -o a.gif --attention all
holds 'all words' is "$(ls ./*attention* | grep -vc layers)" 4
printf 'red/hat, red hat, hat-layers, hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 1\n' >s.txt
run s.txt -o s.gif --overwrite --attention 'red/hat, red hat, hat, hat-layers'
holds 'words whose names are alike have files of their own' is "$(ls s-attention* | wc -l | tr -d ' ')" 8
says 'attention of red hat: s-attention-red_hat-2.png, s-attention-red_hat-2-layers.png'
says 'attention of hat-layers: s-attention-hat-layers-2.png, s-attention-hat-layers-2-layers.png'

# ---- wrong ----
run check p.txt --attention 'hat,hut,coat'
holds 'words that are not there' is "$status" 1
says '--attention: the prompt has no "hut" (did you mean hat?); its words are: a red hat smiling'
says 'the prompt has no "coat"'
run check p.txt --attention ','; holds 'no words' is $status 2; says '--attention is empty'
run p.txt --x 'Steps: 1, 2' --attention hat -o g.gif; holds 'a grid' is $status 2; says '--attention is for one picture'
run p.txt --keep-latents -o l.gif; run l.latents.safetensors --attention hat
holds 'latents are drawn already' is $status 2; says 'draw anew from the words'
printf 'a hat\nSteps: 1, Seed: 7, Size: 32x32, Frames: 1\n' >w.txt
mkdir w-attention-hat.png; run w.txt --attention hat
holds 'a map that cannot be saved loses no picture' is "$status$(cat out)" 0w.gif; says 'warning: the attention map of hat cannot be saved'

echo "test_attention_files: $passed passed, $failed failed"
[ $failed = 0 ]
