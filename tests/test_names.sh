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

# ---- names as other programs write them ----
# called WORDS WHAT: what was taken, and why
called() { if [ $status = 0 ] && grep -qF -- "taken is $1" err; then ok; else wrong "expected \"taken is $1\""; fi; }
mkdir -p weights/SD15 weights/loras; rm -r weights/sub
cp "$our_model" weights/SD15/Real_Vision-V5.safetensors
model=weights/SD15/Real_Vision-V5.safetensors
written() { printf 'a woman\nSteps: 2, %s' "$1" >p.txt; shift; run check p.txt --frames 1 "$@"; }
while IFS='|' read -r name why; do
    written "Model: $name"
    if [ -n "$why" ]; then called "$model, $why"; else holds "$name is found in silence" is "$status$(grep -c taken err)" 00; fi
done <<'END'
Real_Vision-V5.safetensors [a1b2c3d4e5]|
SD15\Real_Vision-V5.safetensors|
SD15/Real_Vision-V5 [a1b2c3d4e5]|
Real_Vision-V5.ckpt|the same name with another ending, or in another folder
models\checkpoints\Real_Vision-V5.safetensors|the same name with another ending, or in another folder
real_vision-v5|the same name but for capitals
Real Vision V5.ckpt|the same name but for capitals and signs
END
written 'Model: persona.ckpt'
called "$source/weights/persona.safetensors, the same name with another ending"
written 'Motion module: persona_motion.ckpt [69ed0f5f]' --frames 2
called "$source/weights/persona_motion.safetensors, the same name"
lacks 'is "./real_vision-v5", and there is no such file' --prompt x --model ./real_vision-v5
lacks 'there is no such file' --prompt x --model "$dir/weights/Real_Vision-V5.ckpt"

# lora FILE [METADATA]
lora() { safetensors "weights/loras/$1.safetensors" "{${2:+\"__metadata__\":{$2\},}$pair}" 256 "${3:-000}"; }
pair='"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight":{"dtype":"F16","shape":[1,64],"data_offsets":[0,128]},"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight":{"dtype":"F16","shape":[64,1],"data_offsets":[128,256]}'
tagged() { run check --prompt "a woman <lora:$1:0.8>" --frames 1; }
lora myface-000002; lora myface-000008; lora myface-step00000300; lora myface-old
tagged myface; called 'weights/loras/myface-000008.safetensors, the last one of that name that training saved'
tagged MyFace; called 'weights/loras/myface-000008.safetensors, the last one'
rm weights/loras/myface-00*; tagged myface; called 'weights/loras/myface-step00000300.safetensors, the last one'
lora run1 '"ss_output_name":"her face","modelspec.title":"ignored"'
tagged 'her face'; called 'weights/loras/run1.safetensors, which its metadata call so'
lacks 'there is no such file' --prompt '<lora:ignored:1>'
lora run2 '"modelspec.title":"a title"'
tagged 'a title'; called 'weights/loras/run2.safetensors, which its metadata call so'
lora run3 '"ss_output_name":"her face"'
lacks 'two call themselves so, weights/loras/run1.safetensors and weights/loras/run3.safetensors' --prompt '<lora:her face:1>'
lora 'her face'; tagged 'her face'; holds 'a stem wins over an alias' is "$status$(grep -c taken err)" 00
cp "$our_model" weights/both.safetensors; lora both
tagged both; holds 'a name is of the kind that is asked for' grep -q '^LoRA weights/loras/both.safetensors' err
rm weights/both.safetensors
mkdir weights/other; cp "weights/loras/run2.safetensors" weights/other/x.ckpt
lacks 'model is "x.safetensors", and there is no such file' p.txt --model x.safetensors

# ---- hashes ----
if command -v sha256sum >hash; then sha() { sha256sum | cut -c"1-$1"; }; else sha() { shasum -a 256 | cut -c"1-$1"; }; fi
whole=$(sha 10 <$model)
oldest=$(tail -c +1048577 $model | head -c 65536 | sha 8)
written "Model hash: $whole, Model: nobody knows"
says "Model: reading 2 files"
called "$model, which has the hash $whole"
written "Model: nobody knows [$(echo "$whole" | tr a-f A-F)]"; called "$model, which has the hash"
written "Model: nobody knows, Model hash: $oldest"; called "$model, which has the hash $oldest"
holds 'without reading files' is "$(grep -c reading err)" 0
written "Model hash: $whole"
says "Model hash: $model has this hash"
finds "$model" p.txt
written 'Model hash: 0123456789'
says 'Model hash is "0123456789", and no model in '
written 'Model: nobody, Model hash: 0123456789'
holds 'none has it' is $status 1
says 'there is no such file (as .safetensors, .ckpt, .pt, .bin, .pth or .gguf), and none has the hash 0123456789'
written "Model hash: $whole" --model nobody
holds 'a typed name is no other file' is $status 1
lora hashed '"sshs_model_hash":"0xABCDEF0123456789"' 001
data=$(tail -c 256 weights/loras/hashed.safetensors | sha 12)
file=$(sha 10 <weights/loras/hashed.safetensors)
for list in "Lora hashes: \"some one: abcdef012345, b: 1\"" "Lora hashes: \"a: 1, some one: $data\"" "Hashes: {\"model\": \"1\", \"lora:some one\": \"$file\"}"; do
    printf 'a woman <lora:some one:1>\nSteps: 2, Size: 32x32, %s' "$list" >p.txt
    run check p.txt --frames 1; called 'weights/loras/hashed.safetensors, which has the hash'
done
run p.txt --frames 1 --steps 1 -o x.png
run x.png -o y.png
called 'weights/loras/hashed.safetensors, which has the hash'
holds 'the picture keeps the hashes that it needs' is $status 0

# ---- files of other kinds ----
kind() { safetensors weights/kind.safetensors "{\"$1\":{\"dtype\":\"F16\",\"shape\":[2,4],\"data_offsets\":[0,16]}}" 16; lacks "$2" --prompt x "$3" kind; }
kind image_proj.proj.weight 'found an IP-Adapter' --model
kind body.0.rdb1.conv1.weight 'found an upscaler' --model
kind down_blocks.0.temporal_attentions.0.proj_in.weight 'found a HotShot motion module, for SDXL' --model
kind emb_params 'found a textual inversion embedding: put it in embeddings/' --model
kind model.diffusion_model.input_blocks.0.0.weight 'kind.safetensors: it lacks a text encoder: use a whole checkpoint as Model; it lacks a VAE: name one as VAE or --vae, such as vae-ft-mse-840000-ema-pruned' --model
safetensors weights/xl.safetensors '{"down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight":{"dtype":"F16","shape":[2,4],"data_offsets":[0,16]}}' 16
run check --prompt x --motion xl --frames 2
says 'weights/xl.safetensors: this motion module has three levels, so it is for SDXL'
rm weights/kind.safetensors weights/xl.safetensors

# ---- a tag where it does nothing ----
printf 'a woman\nNegative prompt: bad <lora:nothing:0.8>, worse\nSteps: 2' >n.txt
run check n.txt --frames 1
says 'n.txt: 1 LoRA tag in the negative prompt left out'

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

# ---- everything that is not here, in one message; and what a picture was drawn with besides ----
printf 'a <lora:none1:1> <lora:none2:1>\nSteps: 2, Size: 32x32, Model: none3, VAE: none4' >p.txt
for n in 1 2 3 4; do lacks "none$n\", and there is no such file" p.txt; done
lacks '4 files are missing' p.txt
printf 'a' >many.txt
for n in $(seq 40); do printf ' <lora:a name that is long enough to fill a message %s:1>' $n >>many.txt; done
lacks '40 files are missing; looked in the current folder, weights/ and below' many.txt
printf 'a <lora:people/none1:1>\nSteps: 2, Size: 32x32' >p.txt
lacks 'people/none1", and there is no such file' p.txt
hashes='TI hashes: "EasyNegative: c74b4e810b03", Lora hashes: "add_detail: 7c6bad76eb54"'
printf 'a\nNegative prompt: EasyNegative\nSteps: 2, Size: 32x32, Seed: 1, %s' "$hashes" >p.txt
run check p.txt
says 'embeddings that are not here, so their names are read as words: "EasyNegative"'
says 'LoRAs that the prompt does not name: "add_detail"'
printf 'a\nSteps: 2, Size: 32x32, Seed: 1, Hashes: {"model": "aaaaaaaaaa", "lora:b": "bbbbbbbbbb", "embed:c": "cccccccccc"}' >p.txt
run check p.txt
for words in "the model's is \"aaaaaaaaaa\", and no model in" 'does not name: "b"' 'read as words: "c"'; do says "$words"; done

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
