#!/bin/sh
# test_info_files.sh - what persona info says of the files that people have: of each kind, of every family, with the notes
# beside them, broken, several at once, and made to harm the terminal.  All files are headers that are made here.
test=test_info_files
. tests/asking.sh

# tensors NAME SHAPE BYTES ...: a safetensors file f.safetensors of F16 tensors; $metadata: of __metadata__
tensors() {
    header="{\"__metadata__\":{$metadata}" offset=0
    while [ $# -gt 0 ]; do
        header="$header,\"$1\":{\"dtype\":\"F16\",\"shape\":[$2],\"data_offsets\":[$offset,$((offset + $3))]}"
        offset=$((offset + $3)); shift 3
    done
    safetensors f.safetensors "$header}" $offset
}
metadata=
told() { if grep -qF -- "$1" out; then ok; else wrong "no \"$1\" in: $(head -c 400 out)"; fi; }
# kind 'WORDS' TENSOR SHAPE BYTES ...: the first line says these words
kind() {
    words=$1; shift
    tensors "$@"
    run info f.safetensors
    holds "$words: status" is $status 0
    holds "$words, found $(head -1 out)" is "$(head -1 out)" "f.safetensors: $words"
}

# ---- kinds, by a tensor or two ----
unet=model.diffusion_model
kind 'an SDXL checkpoint' conditioner.embedders.1.model.ln_final.weight 4 8 $unet.input_blocks.0.0.weight 4,4,3,3 288
kind 'an SDXL refiner' conditioner.embedders.0.model.ln_final.weight 4 8 $unet.input_blocks.0.0.weight 4,4,3,3 288
kind 'an SDXL checkpoint for inpainting' conditioner.embedders.1.model.ln_final.weight 4 8 $unet.input_blocks.0.0.weight 4,9,3,3 648
kind 'a Stable Diffusion 2.x checkpoint' cond_stage_model.model.ln_final.weight 4 8 $unet.input_blocks.0.0.weight 4,4,3,3 288
kind 'a Stable Diffusion 3 model' $unet.joint_blocks.0.context_block.attn.qkv.weight 2,2 8
kind 'a Flux model' double_blocks.0.img_attn.norm.key_norm.scale 2 4 single_blocks.0.linear1.weight 2,2 8
told 'not used here: use one for Stable Diffusion 1.x; ComfyUI and Forge can use this one'
kind 'a Flux model for inpainting (Fill)' double_blocks.0.img_attn.norm.key_norm.scale 2 4 img_in.weight 2,384 1536
kind 'a Chroma model' distilled_guidance_layer.norms.0.scale 2 4 double_blocks.0.img_attn.norm.key_norm.scale 2 4
kind 'a Hunyuan Video model' txt_in.individual_token_refiner.blocks.0.norm1.weight 2 4 double_blocks.0.img_attn_qkv.weight 2,2 8
kind 'a Wan model' blocks.0.cross_attn.q.weight 2,2 8 head.modulation 1,2,2 8
kind 'a PixArt model' t_block.1.weight 2,2 8
kind 'a Stable Cascade model (stage C)' clip_txt_mapper.weight 2,2 8
kind 'a Qwen-Image model' txt_norm.weight 2 4
kind 'an LTX-Video model' patchify_proj.weight 2,2 8
kind 'a Stable Video Diffusion model' $unet.input_blocks.1.1.time_stack.0.attn1.to_q.weight 2,2 8
kind 'an inpainting checkpoint for Stable Diffusion 1.x' $unet.input_blocks.0.0.weight 4,9,3,3 648 $unet.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight 2,768 3072
kind 'an editing checkpoint (InstructPix2Pix)' $unet.input_blocks.0.0.weight 4,8,3,3 576
kind 'a ControlNet for SDXL' controlnet_cond_embedding.conv_in.weight 16,3,3,3 864 down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight 2,2048 8192
told 'for: guides a picture by another'
kind 'a ControlNet for Stable Diffusion 1.x' control_model.input_hint_block.0.weight 16,3,3,3 864 control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight 2,768 3072
kind 'a ControlNet as a LoRA' lora_controlnet 1 2
kind 'a T2I-Adapter' adapter.body.0.resnets.0.block1.weight 2,2,3,3 72
kind 'an IP-Adapter for Stable Diffusion 1.x' image_proj.proj.weight 2,1024 4096 ip_adapter.1.to_k_ip.weight 2,768 3072
kind 'an IP-Adapter (plus) for SDXL' image_proj.latents 1,2,2 8 ip_adapter.1.to_k_ip.weight 2,2048 8192
kind 'a SparseCtrl for Stable Diffusion 1.x' controlnet_cond_embedding.weight 2,2,1,1 8 down_blocks.0.motion_modules.0.temporal_transformer.norm.weight 2 4
kind 'an AnimateDiff motion module for SDXL' up_blocks.2.motion_modules.0.temporal_transformer.proj_in.weight 2,320 1280
kind 'a HotShot motion module, for SDXL' down_blocks.0.temporal_attentions.0.norm.weight 2 4
kind 'a VAE of Stable Diffusion 3 or Flux' decoder.conv_in.weight 2,16,3,3 576 decoder.up.0.block.0.conv1.weight 2,2,3,3 72
kind "a small VAE's decoder (TAESD)" 1.weight 2,4,3,3 144 3.conv.0.weight 2,2,3,3 72
kind 'a text encoder (CLIP-L) without its checkpoint' text_model.encoder.layers.0.self_attn.q_proj.weight 2,768 3072
kind 'a text encoder (T5)' encoder.block.0.layer.0.SelfAttention.k.weight 2,2 8
kind 'an image encoder (CLIP vision)' vision_model.embeddings.class_embedding 2 4
kind 'a safety checker' concept_embeds 2,2 8 vision_model.vision_model.embeddings.class_embedding 2 4
kind 'an upscaler (ESRGAN)' model.1.sub.0.RDB1.conv1.0.weight 2,2,3,3 72
kind 'an upscaler (Real-ESRGAN)' params_ema.body.0.rdb1.conv1.weight 2,2,3,3 72
kind 'an upscaler (SwinIR)' layers.0.residual_group.blocks.0.norm1.weight 2 4
kind 'a face restorer (GFPGAN)' stylegan_decoder.style_mlp.1.weight 2,2 8
kind 'an aesthetic predictor' layers.0.weight 2,768 3072 layers.7.weight 1,2 4
kind 'a hypernetwork' 768.0.linear.0.weight 2,2 8
kind 'a state of an optimizer' state.0.exp_avg 2 4
kind 'the final latents of a picture' latent_tensor 2 4
kind 'a file of no kind known here' anything 1 2

# ---- families of LoRA: by their tensors, or by their metadata ----
lora=lora_unet_down_blocks_0_attentions_0_transformer_blocks_0
kind 'a LoRA for Stable Diffusion 1.x' ${lora}_attn2_to_k.lora_down.weight 1,768 1536 ${lora}_attn2_to_k.lora_up.weight 2,1 4
told '<lora:'; told ':0.8> in the prompt, or --lora '
kind 'a LoRA for SDXL' ${lora}_attn2_to_k.lora_down.weight 1,2048 4096 ${lora}_attn2_to_k.lora_up.weight 2,1 4
told 'not used here: use one for Stable Diffusion 1.x'
kind 'a LoRA for Stable Diffusion 2.x' ${lora}_attn2_to_k.lora_down.weight 1,1024 2048 ${lora}_attn2_to_k.lora_up.weight 2,1 4
kind 'a LoRA for SDXL' lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight 1,2 4 lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight 2,1 4
kind 'a LoRA for Flux' diffusion_model.double_blocks.0.img_attn.proj.lora_A.weight 1,2 4 diffusion_model.double_blocks.0.img_attn.proj.lora_B.weight 2,1 4
kind 'a LoRA for Flux' transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight 1,2 4 transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight 2,1 4
kind 'a LoRA for Wan' diffusion_model.blocks.0.cross_attn.k.lora_A.weight 1,2 4 diffusion_model.blocks.0.cross_attn.k.lora_B.weight 2,1 4
pair="lora_unet_x.lora_down.weight 1,2 4 lora_unet_x.lora_up.weight 2,1 4"
metadata='"ss_base_model_version":"sdxl_base_v1-0"';                 kind 'a LoRA for SDXL' $pair; told 'base model: sdxl_base_v1-0'
metadata='"modelspec.architecture":"stable-diffusion-v1/lora"';     kind 'a LoRA for Stable Diffusion 1.x' $pair
metadata='"modelspec.architecture":"flux-1-dev/lora"';               kind 'a LoRA for Flux' $pair
metadata='"ss_base_model_version":"hunyuan_video"';                  kind 'a LoRA for Hunyuan Video' $pair
metadata='"ss_base_model_version":"brandnew-7"';                     kind 'a LoRA for brandnew-7' $pair
metadata='"ss_sd_model_name":"ponyDiffusionV6XL.safetensors"';       kind 'a LoRA for SDXL' $pair
metadata='"ss_base_model_version":"sd_v1"'; kind 'a LoRA for Flux' diffusion_model.double_blocks.0.x.lora_A.weight 1,2 4 diffusion_model.double_blocks.0.x.lora_B.weight 2,1 4

# ---- words, strength, notes beside the file; what matters first ----
metadata='"ss_base_model_version":"sd_v1","ss_sd_model_name":"v1-5.safetensors","ss_network_dim":"16","ss_tag_frequency":"{\"10_a\": {\"ohwx woman\": 20, \"smiling\": 9}}","modelspec.trigger_phrase":"ohwx"'
tensors $pair
mv f.safetensors face.safetensors
printf '{"activation text": "from notes", "preferred weight": 0.65, "negative text": "blurry", "sd version": "SD1"}' >face.json
run info face.safetensors
told 'use: <lora:face:0.65> in the prompt, or --lora face:0.65'
told 'base model: v1-5.safetensors, sd_v1, SD1'
told 'trained words: ohwx'
told 'tags: ohwx woman 20, smiling 9'
told 'strength: 0.65'
told 'negative prompt: blurry'
told 'trained: on v1-5.safetensors, rank 16'
told "hashes: AutoV2 $(sha256sum face.safetensors 2>/dev/null | cut -c1-10)"
order=$(grep -n '^for: \|^use: \|^base model: \|^trained words: \|^strength: \|^trained: \|^size: \|^dtype: \|^metadata:' out | sed 's/^[0-9]*:\([a-z ]*\):.*/\1/' | tr '\n' ',')
holds "what matters first: $order" is "$order" 'for,use,base model,trained words,strength,trained,size,dtype,metadata,'
holds 'no tensors' is "$(grep -c 'lora_unet_x.lora_up' out)" 0
run info face.safetensors --verbose
told 'F16     [2,1]                lora_unet_x.lora_up.weight'
metadata='"a":"b"'; tensors $pair; mv f.safetensors face.safetensors
run info face.safetensors; told 'trained words: from notes'; rm face.json
printf '{"trainedWords": ["abc", "de f"], "baseModel": "SD 1.5", "model": {"name": "Nice face"}}' >face.civitai.info
run info face.safetensors; told 'trained words: abc, de f'; told 'title: Nice face'; told 'base model: SD 1.5'
printf '{"trainedWords": ["abc"' >face.civitai.info; run info face.safetensors; holds 'broken notes' is $status 0; rm face.civitai.info
metadata='"ss_dataset_dirs":"{\"10_ohwx man\": {\"n_repeats\": 10}}"'; tensors $pair; run info f.safetensors; told 'trained words: ohwx man'
mv f.safetensors style-lcm.safetensors; run info style-lcm.safetensors; told 'by its name it is for few steps'

# ---- made to harm ----
metadata='"ss_sd_model_name":"\u001b[31mred\u0007","x\u001by":"\u009b2J","ss_tag_frequency":"{\"a\": {\"b\": "'
tensors 'lora_unet_\u001b[2J.lora_down.weight' 1,2 4 'lora_unet_\u001b[2J.lora_up.weight' 2,1 4
run info f.safetensors --verbose
holds 'nothing that a terminal obeys' is "$status$(LC_ALL=C tr -d '\040-\176\n' <out)$(LC_ALL=C tr -d '\040-\176\n' <err)" 0

# ---- what a failed download leaves; other files ----
metadata=
refuses() { run info "$1"; holds "$1: status" is $status 1; says "$2"; }
printf '<!DOCTYPE html><html>' >page.safetensors;                    refuses page.safetensors 'is a web page, expected weights: the download asked for a login, or failed'
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n' >lfs.ckpt; refuses lfs.ckpt 'is a Git LFS pointer, expected weights: run git lfs pull'
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n' >lfs.bin;  refuses lfs.bin 'is a Git LFS pointer'
: >empty.safetensors;                                                refuses empty.safetensors 'is empty, expected weights; download it again'
: >empty.pt;                                                         refuses empty.pt 'is empty'
printf '\200\002cultralytics.nn.tasks\nDetectionModel\n)R.' >face_yolov8n.pt;  refuses face_yolov8n.pt 'is a detector (YOLO) with its program'
tensors $pair; head -c $(($(wc -c <f.safetensors) - 3)) f.safetensors >cut.safetensors; refuses cut.safetensors 'cut short: '
printf 'a woman\n' >words.txt;                                       refuses words.txt 'for a prompt file there is persona check'
refuses nothing.safetensors 'No such file'

# ---- several files, folders, names ----
tensors $pair; mkdir many weights; cp f.safetensors many/a.safetensors; cp empty.safetensors many/broken.safetensors; cp f.safetensors weights/mine.safetensors
run info many
holds 'a line each' is "$status$(grep -c '^  many/' out)" 12
told 'many/a.safetensors'; told 'a LoRA'; told 'is empty, expected weights'
run info many/a.safetensors weights/mine.safetensors
holds 'two files' is "$status$(wc -l <out | tr -d ' ')" 02
run info mine
told 'weights/mine.safetensors: a LoRA'; told 'use: <lora:mine:0.8>'
run info many/a.safetensors; told '<lora:many/a.safetensors:0.8>'
mkdir none; refuses none 'is a folder without files of weights'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
