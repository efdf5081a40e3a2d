#!/bin/sh
# test_places.sh - where weights are: PERSONA_WEIGHTS, and the trees of the web UI and ComfyUI.
# Run from the root of the source; nothing is drawn.
source=$PWD; test=test_places; . tests/asking.sh
our_model=$source/weights/persona.safetensors our_motion=$source/weights/persona_motion.safetensors

: >out; : >err
# finds WORDS ARGUMENTS...: persona check succeeds and says so
finds() {
    words=$1; shift
    run check "$@"
    if [ $status = 0 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}
lacks() {
    words=$1; shift
    run check "$@"
    if [ $status = 1 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}
put() { mkdir -p "${2%/*}" && ln -s "$1" "$2"; }

printf 'a woman\nSteps: 2, Model: mine, Frames: 1\n' >p.txt

# ---- PERSONA_WEIGHTS ----
put "$our_model" models/deep/mine.safetensors
lacks 'looked in the current folder' p.txt
PERSONA_WEIGHTS=models finds 'model models/deep/mine.safetensors' p.txt
PERSONA_WEIGHTS=nowhere:models finds 'model models/deep/mine.safetensors' p.txt
says 'PERSONA_WEIGHTS is "nowhere", and there is no such folder'
PERSONA_WEIGHTS="$(head -c 5000 /dev/zero | tr '\0' b):models" finds 'model models/deep/mine.safetensors' p.txt
says '", and there is no such folder'
PERSONA_WEIGHTS=model:models finds 'there is no such folder; did you mean models?' p.txt
PERSONA_WEIGHTS=": models ::" finds 'model models/deep/mine.safetensors' p.txt
PERSONA_WEIGHTS=  lacks 'there is no such file' p.txt
mkdir -p "$HOME"; put "$our_model" "$HOME/mine/mine.safetensors"
PERSONA_WEIGHTS='~/mine' finds "model $HOME/mine/mine.safetensors" p.txt
finds "model $HOME/mine/mine.safetensors" p.txt --weights=~/mine
PERSONA_WEIGHTS=models finds "model $HOME/mine/mine.safetensors" p.txt --weights "$HOME/mine"
run check p.txt --weights nowhere
holds 'a folder that was typed must be there' is $status 1
mkdir -p models/wildcards; echo green >models/wildcards/colour.txt
PERSONA_WEIGHTS=models run check --prompt 'a __colour__ hat' --frames 1 -v; says 'a green hat'
put "$our_model" weights/mine.safetensors
PERSONA_WEIGHTS=models finds 'model models/deep/mine.safetensors' p.txt
rm -r weights

# ---- the trees of other programs ----
lora='{"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]},"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight":{"dtype":"F32","shape":[64,1],"data_offsets":[256,512]}}'
ui=$dir/apps/stable-diffusion-webui
put "$our_model" $ui/models/Stable-diffusion/sub/mine.safetensors
put "$our_motion" $ui/extensions/sd-webui-animatediff/model/moves.safetensors
mkdir -p $ui/models/Lora/people $ui/embeddings $ui/outputs/txt2img-images $ui/extensions/sd-dynamic-prompts/wildcards
safetensors $ui/models/Lora/people/her.safetensors "$lora" 512 073
echo blue >$ui/extensions/sd-dynamic-prompts/wildcards/paint.txt
put "$our_model" $ui/venv/lib/hidden.safetensors
finds "model $ui/models/Stable-diffusion/sub/mine.safetensors" p.txt --weights $ui
finds 'LoRA ' p.txt --weights $ui --prompt 'a woman <lora:her:0.5>'
finds "motion module $ui/extensions/sd-webui-animatediff/model/moves.safetensors" p.txt --weights $ui --motion moves --frames 2
lacks '--model is "hidden", and there is no such file' p.txt --weights $ui --model hidden
PERSONA_WEIGHTS=$dir/apps finds "model $ui/models/Stable-diffusion/sub/mine.safetensors" p.txt
PERSONA_WEIGHTS=$ui/models finds "model $ui/models/Stable-diffusion/sub/mine.safetensors" p.txt
PERSONA_WEIGHTS=$ui finds 'a blue hat' --prompt 'a __paint__ hat' --frames 1 -v
cp p.txt $ui/outputs/txt2img-images/
finds 'is in a folder of the Stable Diffusion web UI, so its weights are found too' $ui/outputs/txt2img-images/p.txt
cd $ui/outputs || exit 1
finds 'model ./../models/Stable-diffusion/sub/mine.safetensors' "$dir/p.txt"
cd "$dir" || exit 1

comfy=$dir/ComfyUI
put "$our_model" $comfy/models/checkpoints/mine.safetensors
put "$our_motion" $comfy/custom_nodes/ComfyUI-AnimateDiff-Evolved/models/moves.safetensors
mkdir -p $comfy/models/loras $comfy/models/embeddings $comfy/input
safetensors $comfy/models/loras/her.safetensors "$lora" 512 073
finds "model $comfy/models/checkpoints/mine.safetensors" p.txt --weights $comfy --lora her
finds "motion module $comfy/custom_nodes/ComfyUI-AnimateDiff-Evolved/models/moves.safetensors" p.txt --weights $comfy --motion moves --frames 2
cp "$source/weights/prompt.gif" $comfy/input/; mkdir $comfy/output; cp p.txt $comfy/output
finds 'is in a folder of ComfyUI' $comfy/output/p.txt

# ---- at home: what is nowhere else ----
# ---- extra_model_paths.yaml ----
mkdir -p other/ckpt other/words other/first other/second
mv $comfy/models/loras/her.safetensors other/second/her2.safetensors; put "$our_model" other/ckpt/far.safetensors
yaml=$comfy/extra_model_paths.yaml
printf '# mine\nempty:\nmy disk:\n    base_path: ../other/   # beside\n    checkpoints: ckpt\n    loras: |\n         first\n         second\n    embeddings: "words"\n    clip_vision: nowhere\n' >$yaml
finds "other/ckpt/far.safetensors" p.txt --weights $comfy --model far --lora her2
safetensors other/words/nightly.safetensors '{"emb_params":{"dtype":"F32","shape":[1,128],"data_offsets":[0,512]}}' 512 073
finds 'nightly' --prompt 'a nightly walk' --weights $comfy --frames 1
finds "model $comfy/models/checkpoints/mine.safetensors" p.txt --weights $comfy
put "$our_model" other/ckpt/mine.safetensors; printf "a111:\r\n  is_default: true\r\n  checkpoints:\r\n  - '$dir/other/ckpt'\r\n" >$yaml
finds "model $dir/other/ckpt/mine.safetensors" p.txt --weights $comfy
printf 'a:\n  loras: gone\n' >$yaml; finds 'extra_model_paths.yaml: line 2: loras is "' p.txt --weights $comfy
for hostile in 'a: &x\n  loras: *x\n' 'a:\n\tloras: x\n' 'a:\n  loras: [x, y]\n' 'loras: x\n' '  loras: x\n' 'a:\n  loras: "x\n' 'nonsense\n' 'a:\n  loras: !!python/object x\n' '{"a": 1}\n'; do
    printf "$hostile" >$yaml; finds 'the folders that it names are not searched' p.txt --weights $comfy
done
printf 'a:\n  loras: \0\n' >$yaml; finds 'is no text; the folders' p.txt --weights $comfy
{ printf 'a:\n  loras: '; head -c 5000 /dev/zero | tr '\0' b; } >$yaml; finds 'a path that is too long; the folders' p.txt --weights $comfy
printf 'a:\n  base_path: .\n  loras: .\n  checkpoints: ../ComfyUI\n' >$yaml; finds 'model ' p.txt --weights $comfy      # a circle
rm -r other $yaml

mkdir -p "$HOME/ComfyUI/models"; mv $comfy/models/checkpoints "$HOME/ComfyUI/models/checkpoints"; rm -r "$comfy"
finds "taken is $HOME/ComfyUI/models/checkpoints/mine.safetensors, as it is nowhere else" p.txt
PERSONA_WEIGHTS=models finds 'model models/deep/mine.safetensors' p.txt

# ---- too many, too deep, not to be read ----
deep=models/1/2/3/4/5/6/7/8/9; put "$our_model" $deep/far.safetensors
PERSONA_WEIGHTS=models run check p.txt --model far
says 'models/1/2/3/4/5/6/7/8: is 8 folders deep; those in it are not searched'
ln -s .. models/1/circle; PERSONA_WEIGHTS=models finds 'model models/deep/mine.safetensors' p.txt
if [ "$(id -u)" != 0 ]; then
    mkdir models/lost+found; chmod 0 models/lost+found
    PERSONA_WEIGHTS=models finds 'lost+found: this folder cannot be read' p.txt; says 'model models/deep/mine.safetensors'
    chmod 700 models/lost+found
fi

echo "test_places: $passed passed, $failed failed"
[ $failed = 0 ]
