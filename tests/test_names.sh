#!/bin/sh
# test_names.sh - names of weights as people write them, and the files that they mean.
# Run from the root of the source; nothing is drawn but a few stills of 32x32.
source=$PWD; test=test_names; . tests/asking.sh
our_model=$source/weights/persona.safetensors

# finds PATH ARGUMENTS...: persona check takes that file as the model
finds() {
    path=$1; shift
    run check "$@" --frames 1
    if [ $status = 0 ] && grep -qxF "model $path: Stable Diffusion 1.x" err; then ok; else wrong "check $*: expected the model $path"; fi
}
# lacks WORDS ARGUMENTS...: persona check fails and says so
lacks() {
    words=$1; shift
    run check "$@" --frames 1
    if [ $status = 1 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}

# ---- folders: each is searched as deep as any of its names asks for ----
mkdir -p weights/sub/deeper
cp "$our_model" weights/sub/deeper/mine.safetensors
printf 'a woman\nSteps: 2, Model: mine' >p.txt
cp p.txt weights/p.txt
finds weights/sub/deeper/mine.safetensors p.txt
finds weights/sub/deeper/mine.safetensors weights/p.txt
cd weights || exit 1
finds sub/deeper/mine.safetensors ../p.txt --weights .
finds ../weights/sub/deeper/mine.safetensors p.txt --weights ../weights
finds "$dir/weights/sub/deeper/mine.safetensors" p.txt --weights "$dir/weights"
cd ..
ln -s weights other
mkdir elsewhere
ln -s ../weights/sub elsewhere/link
finds weights/sub/deeper/mine.safetensors other/p.txt
finds elsewhere/link/deeper/mine.safetensors p.txt --weights elsewhere
lacks 'looked in the current folder, weights/ and below' p.txt --model nothing
lacks 'looked in the current folder and below, ' p.txt --model nothing --weights .
ln -s ../.. weights/sub/circle
lacks 'looked in the current folder and below, ' p.txt --model nothing
rm weights/sub/circle

# ---- embeddings inside a LoRA, by every key that files of embeddings have ----
pair='"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight":{"dtype":"F16","shape":[1,64],"data_offsets":[0,128]},"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight":{"dtype":"F16","shape":[64,1],"data_offsets":[128,256]}'
vectors='{"dtype":"F16","shape":[2,128],"data_offsets":[256,768]}'
for key in 'string_to_param.*' emb_params clip_l any; do
    safetensors bundle.safetensors "{$pair,\"bundle_emb.yumin.$key\":$vectors}" 768
    run check --prompt 'a yumin woman' --lora bundle:1 --frames 1
    says 'embedding yumin: 2 vectors, bundle.safetensors'
    run check --prompt 'a woman' --lora bundle:1 --frames 1
    says 'bundle.safetensors carries the embedding "yumin": to use it too, write its name into the prompt'
done
safetensors bundle.safetensors "{$pair,\"bundle_emb.yumin.clip_g\":$vectors,\"bundle_emb.yumin.clip_l\":{\"dtype\":\"F16\",\"shape\":[2,128],\"data_offsets\":[768,1280]},\"bundle_emb.b.emb_params\":{\"dtype\":\"F16\",\"shape\":[4,64],\"data_offsets\":[1280,1792]}}" 1792
run check --prompt 'a woman' --lora bundle:1 --frames 1
says 'carries the embedding "yumin": it cannot be used: bundle.safetensors: this embedding is for SDXL'
says "carries the embedding \"b\": it cannot be used: bundle.safetensors: this embedding's vectors are 64 wide, but the model's are 128"
lacks 'bundle.safetensors: this embedding is for SDXL' --prompt 'a yumin woman' --lora bundle:1

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
