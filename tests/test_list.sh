#!/bin/sh
# test_list.sh - persona list: the models, modules, LoRAs and embeddings that names can mean, a line each.
# All files are headers that are made here; the small model is there because the program lies beside its weights/.
test=test_list
. tests/asking.sh

told()  { if grep -qF -- "$1" out; then ok; else wrong "no \"$1\" in: $(head -c 1500 out)"; fi; }
quiet() { if grep -qF -- "$1" out; then wrong "\"$1\" in: $(head -c 1500 out)"; else ok; fi; }
# lora FILE METADATA [WIDTH]: a LoRA
lora() {
    n=${3:-768}
    safetensors "$1" "{\"__metadata__\":{$2},\"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight\":{\"dtype\":\"F16\",\"shape\":[1,$n],\"data_offsets\":[0,$((2 * n))]},\"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[$((2 * n)),$((2 * n + 4))]}}" $((2 * n + 4))
}
# one FILE TENSOR SHAPE BYTES
one() { safetensors "$1" "{\"$2\":{\"dtype\":\"F16\",\"shape\":[$3],\"data_offsets\":[0,$4]}}" "$4"; }

# ---- only what comes with the program ----
run list
holds 'status' is $status 0
told 'Models: Model: NAME in a prompt file, or --model NAME'
told '  persona '; told 'SD 1.x     16.1 MB  drawn portraits'
told '  persona_motion '; told 'AnimateDiff v3'
says 'persona info NAME says more of one'

# ---- every kind, with its words ----
mkdir -p weights/loras/people weights/embeddings weights/upscalers
lora weights/loras/people/yumin.safetensors '"ss_tag_frequency":"{\"5_a\": {\"yumin\": 20, \"red hair\": 9}}"'
lora weights/loras/pixel.safetensors '"modelspec.trigger_phrase":"pixel art"' 2048
lora weights/loras/plain.safetensors '"ss_output_name":"plain"'
one weights/embeddings/bad_hands.safetensors emb_params 4,768 6144
one weights/stray.safetensors emb_params 3,768 4608
one weights/ft-mse.safetensors decoder.up.0.block.0.conv1.weight 2,2,3,3 72
one weights/upscalers/4x.safetensors model.1.sub.0.RDB1.conv1.0.weight 2,2,3,3 72
printf '<!DOCTYPE html>' >weights/page.ckpt
run list
holds 'a line of a LoRA' grep -q '^  yumin  *SD 1.x  *1.9 kB  yumin, red hair$' out; told 'yumin, red hair'
told 'LoRAs: <lora:NAME:0.8> in the prompt, or --lora NAME:0.8'
told 'Embeddings: NAME in the prompt'; told '4 vectors of 768'
told 'a prompt does not find it here; put it into weights/embeddings/'
told 'VAEs: VAE: NAME in a prompt file, or --vae NAME'
told 'a LoRA for SDXL'; told 'is a web page, expected weights'
holds 'groups in order' is "$(grep -o '^[A-Z][A-Za-z ]*' out | tr '\n' ',')" 'Models,VAEs,Motion modules,LoRAs,Embeddings,Upscalers,Not used here,'
holds '80 columns' is "$(grep -v '^      ' out | awk 'length > 80' | wc -l | tr -d ' ')" 0
for name in yumin plain; do
    run check --prompt "a <lora:$name:1>" --size 32x32 --steps 1 --frames 1
    holds "$name is found by its name" is "$(grep -c 'no such file' err)" 0
done

# ---- one kind, a part of a name, another folder ----
run list lora; told yumin; quiet 4x; quiet 'Models'; quiet pixel
run list loras PLAIN; told plain; quiet yumin
run list embeddings; told bad_hands; quiet plain
run list unused; told pixel; quiet 4x; quiet persona_upscaler; quiet yumin
run list upscalers; told 4x; told persona_upscaler; quiet yumin
run list people; told yumin; quiet plain
run list plain yumin; told yumin; told plain; quiet bad_hands
run list lora embeddings; told yumin; told bad_hands; quiet 4x
run list yumin nobody noone; told yumin; says 'no weights are called "nobody" or "noone"'
run list nobody noone; holds 'two of nothing' is $status 1; says 'no weights are called "nobody" or "noone" in '
mkdir more; lora more/elsewhere.safetensors ''; run list --weights more; told elsewhere
run list nobody; holds 'nothing of that name' is $status 1; says 'no weights are called "nobody" in '; says 'put checkpoints, motion modules and LoRAs into weights/'
run list --weights nowhere; holds 'no such folder' is $status 1

# ---- two of one name, copies ----
mkdir weights/old; cp weights/loras/plain.safetensors weights/old/same.safetensors; lora weights/old/yumin.safetensors '"x":"y"'
run list lora
told 'this name means weights/loras/people/yumin.safetensors; for this file type weights/old/yumin.safetensors'
told 'the same file as weights/loras/plain.safetensors'
run check --prompt 'a <lora:yumin:1>' --size 32x32 --steps 1 --frames 1
holds 'it does' grep -q 'weights/loras/people/yumin.safetensors' err
rm -r weights/old

# ---- a diffusers folder is one model; a folder of PEFT is one LoRA ----
mkdir -p weights/pipe/unet weights/pipe/vae weights/peft
printf '{"_class_name": "StableDiffusionPipeline"}' >weights/pipe/model_index.json
one weights/pipe/unet/diffusion_pytorch_model.safetensors down_blocks.0.resnets.0.conv1.weight 2,2,3,3 72
one weights/pipe/vae/diffusion_pytorch_model.safetensors decoder.up_blocks.0.resnets.0.conv1.weight 2,2,3,3 72
lora weights/peft/adapter_model.safetensors ''
run list
told '  pipe '; told '  peft '; quiet diffusion_pytorch_model; quiet adapter_model; quiet ' unet'

# ---- made to harm, and many ----
lora weights/loras/evil.safetensors '"modelspec.trigger_phrase":"\u001b[31mred\u0007\u009b2J"'
bell=$(printf '\007'); lora "weights/loras/b${bell}ell.safetensors" ''
run list
holds 'nothing that a terminal obeys' is "$status$(LC_ALL=C tr -d '\040-\176\n' <out)$(LC_ALL=C tr -d '\040-\176\n' <err)" 0
i=0; while [ $i -lt 300 ]; do cp weights/loras/plain.safetensors weights/loras/n$i.safetensors; i=$((i + 1)); done
run list lora
holds '300 more' is "$(grep -c '^  n[0-9]' out)" 300

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
