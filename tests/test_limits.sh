#!/bin/sh
# test_limits.sh - what a model was made for is said before the work, and its defaults are those of its metadata.  Run from the root of the
# source.
source=$PWD; test=test_limits; . tests/asking.sh
our_model=$source/weights/persona.safetensors
still() { run check --frames 1 --seed 1 "$@"; }
silent() { if grep -q '^warning' err; then wrong "a warning for: $*"; else ok; fi; }

# ---- defaults are the model's ----
still --prompt 'portrait of a woman'
says 'drawn at 128x128, then upscaled to 256x256'; says 'DDIM, 25 steps, CFG scale 4, clip skip 1, 128x128'; says "as the model's metadata say: Steps, CFG scale, Size"; says 'all is well'; silent
still --prompt 'portrait of a woman' --cfg 7.5 --steps 3 --size 112x128
says '3 steps, CFG scale 7.5'; holds 'nothing is the model'"'"'s' is "$(grep -c 'metadata say' err)" 0; silent

# ---- sizes ----
printf 'masterpiece, 1girl, red hair\nNegative prompt: lowres\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768' >pasted.txt
run check pasted.txt
says 'no Model is named, so the small one that comes with persona draws'
says 'warning: Size 512x768 is not what '; says 'from 112x112 to 128x144'; says 'use 112x144'; says '--model v1-5-pruned-emaonly'
holds 'a warning is not well' is "$status$(grep -c 'all is well' err)" 00; says '1 warning above'
for size in 112x112 128x128 128x144 112x144; do still --prompt 'a man' --size $size; silent $size; done
for size in 96x96 136x144 64x128 512x768 128x104 112x152; do still --prompt 'a man' --size $size; says "warning: Size $size"; done

# a larger one of a shape that it draws is drawn at its own size, and then upscaled
becomes() { still --prompt 'a man' --size "$1"; silent "$1"; says "drawn at $2, then upscaled to $1 by "; }
becomes 256x256 128x128; becomes 512x512 128x128; becomes 144x144 128x128; becomes 192x216 128x144; becomes 1024x1024 128x128; becomes 448x576 112x144
still --prompt 'a man' --size 128x128; holds 'a size that it draws is not upscaled' is "$(grep -c upscale err)" 0
still --prompt 'a man' --size 256x256 --upscaler None; says 'warning: Size 256x256'
still --prompt 'a man' --size 1032x1032; says 'warning: Size 1032x1032'
still --prompt 'a man' --size 200x208; says 'warning: Size 200x208'
still --prompt 'a man' --upscale-by 1.5; says 'drawn at 128x128, then upscaled to 192x192'
run --prompt 'a man' --size 240x240 --frames 1 --steps 1 --seed 1 -o large.png; run info large.png; holds 'as large as asked' grep -q 'of 240x240' out
holds 'its settings make it again' grep -q 'Size: 128x128.*Upscaler: persona_upscaler.*, Upscale by: 1.875' out
run large.png -o again.png; holds 'to the same bytes' cmp -s large.png again.png
run --prompt 'a man' --size 64x64 --frames 1 --steps 1 --seed 1 -o small.png; says 'warning: Size 64x64'; holds 'drawn' [ -s small.png ]
run check --prompt 'a man' --seed 1 --frames 1 --size 64x64 --x 'Steps: 1, 2' --y 'Prompt S/R: man, cat, dog' -o grid.png
holds 'the size once' is "$(grep -c 'warning: Size' err)" 1; holds 'each word' is "$(grep -c 'not know' err)" 2

# ---- words ----
knows() { still --prompt "$1"; silent "$1"; }
lacks() { still --prompt "$1"; says "does not know $2: such words"; holds 'one line' is "$(grep -c '^warning' err)" 1; }
still --prompt 'a zorgblat'; asked=$(sed -n 's/.*persona.words in persona \(info --verbose [^ ]*\) are.*/\1/p' err); run $asked
holds 'the command that it names shows all words' grep -q '^knows the words: .* young$' out
while read -r words; do knows "$words"; done <<END
portrait of a woman with long blonde hair, light skin, blue eyes, red sweater, beach, happy, wind in the hair
cute anime girl with blue hair and green eyes
masterpiece, best quality, 1girl, solo, long pink hair, smile, upper body
(masterpiece:1.2), ultra-detailed, 8k, portrait of a (blonde:1.3) lady wearing a yellow t-shirt, [blue|green] eyes
1boy, spiky_hair, brown_eyes, black_jacket, night_sky, talking
a dark-skinned woman's face, golden crown, pink dress AND a bald man, full beard BREAK forest
furious man with ginger hair and mustache
END
lacks 'old man with white beard and a hat, wizard, old' 'old, wizard'
lacks 'blnode woman in the city' 'blnode (blonde?), city'
lacks 'yumin woman' yumin
cut() { printf '%s' "$1" >cut.txt; still --prompt "$1"; [ $status -lt 3 ] || wrong "$1"; ok; }
cut '((((('; cut '<lora'; cut "$(printf 'a\377\376b')"; cut "'-'-'"

# words that a LoRA was trained with, and names of embeddings
key=lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q
parts="\"$key.lora_down.weight\":{\"dtype\":\"F32\",\"shape\":[1,64],\"data_offsets\":[0,256]},\"$key.lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[64,1],\"data_offsets\":[256,512]}"
safetensors tags.safetensors "{\"__metadata__\":{\"ss_tag_frequency\":\"{\\\"10_a\\\": {\\\"sks dragon\\\": 3}}\"},$parts}" 512
safetensors phrase.safetensors "{\"__metadata__\":{\"modelspec.trigger_phrase\":\"ohwx\"},$parts}" 512
safetensors silent.safetensors "{$parts}" 512
safetensors broken.safetensors "{\"__metadata__\":{\"ss_tag_frequency\":\"{\\\"10_a\\\": {\\\"sks\"},$parts}" 512
knows 'sks dragon <lora:tags:1>'; knows 'ohwx woman <lora:phrase:1>'; knows 'anything at all <lora:silent:1>'; knows 'anything <lora:broken:1>'
lacks 'sks kitten <lora:tags:1>' kitten

# ---- metadata that make no sense are told, and do nothing ----
length=$(od -An -tu4 -N4 "$our_model" | tr -d ' ')
other() {     # NAME SED: the small model with other metadata, in a header of the same length
    head -c $((length + 8)) "$our_model" | tail -c "$length" | sed "$2" | head -c "$length" >header
    { head -c 8 "$our_model"; cat header; tail -c +$((length + 9)) "$our_model"; } >"$1"
}
other odd.safetensors 's/"persona.cfg_scale":"4"/"persona.cfg_scale":"x"/; s/"112x112-128x144"/"912x112-128x144"/; s/"persona.steps":"25"/"persona.steps":"-1"/'
still --prompt 'portrait of a woman' --model odd.safetensors --size 512x512
says 'persona.cfg_scale is "x", expected a number from 0.1 to 100'; says 'persona.sizes is "912x112-128x144"'; says 'persona.steps is "-1"'
says '25 steps, CFG scale 7.5'; holds 'no limit' is "$(grep -c 'warning: Size' err)" 0

# ---- training ----
mkdir photos
cp "$source"/examples/yumin/01.png "$source"/examples/yumin/01.txt photos
run train photos -o a.safetensors --network_dim 1 --max_train_steps 1 --seed 1 --threads 1
says 'learning rate 0.001'; says 'for no option said otherwise: --learning_rate 0.001 --min_snr_gamma 5'
run train photos -o b.safetensors --network_dim 1 --max_train_steps 1 --seed 1 --threads 1 --learning_rate 1e-3 --min_snr_gamma 5
holds 'the same as when it is written' is "$(grep -c 'said otherwise' err)" 0
data() { tail -c +$(($(od -An -tu4 -N4 "$1" | tr -d ' ') + 9)) "$1"; }
data a.safetensors >a.data; data b.safetensors >b.data; holds 'the same LoRA' same a.data b.data
run train photos -o c.safetensors --network_dim 1 --max_train_steps 1 --seed 1 --min_snr_gamma 0 --learning_rate 1e-4
holds 'what is given wins' is "$(grep -c 'said otherwise' err)" 0; data c.safetensors >c.data; holds 'another LoRA' [ "$(cmp a.data c.data | wc -l)" = 1 ]
run train photos -o d.safetensors --network_dim 1 --max_train_epochs 1 --seed 1 --resolution 64
says 'for no option said otherwise: --learning_rate 0.001'; says 'warning: Resolution 64x64 is not what'
run train photos -o e.safetensors --method textual_inversion --max_train_steps 1 --seed 1 --init_word woman
says '8 vectors, called e'; says '--min_snr_gamma 5 --num_vectors 8'

# ---- kinds of pictures ----
still --prompt 'a woman' --init photos/01.png; silent 'a drawn portrait'
{ printf 'BM\066\060\0\0\0\0\0\0\066\0\0\0\050\0\0\0\100\0\0\0\100\0\0\0\001\0\030\0\0\0\0\0\0\060\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
  od -An -v -tu1 -N12288 "$our_model" | awk '{ for (i = 1; i <= NF; i++) printf "%c", 1 + ($i * 37 + NR * 91) % 126 }'; } >noise.bmp
still --prompt 'a woman' --init noise.bmp; says 'warning: noise.bmp is another kind of picture'; says 'drawn portraits'; holds 'not well' is "$(grep -c 'all is well' err)" 0
mkdir noise; cp noise.bmp noise/a.bmp; echo 'a cat' >noise/a.txt
run train noise -o n.safetensors --network_dim 1 --max_train_steps 1 --seed 1; says 'cannot draw pictures like these'; says 'drawn portraits with one below 10'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
