#!/bin/sh
# test_finite.sh - weights with NaN in them: an error that names the tensor, wherever it is met, and no black picture.
# Run from the root of the source.
source=$PWD; test=test_finite; . tests/asking.sh
our_model=$source/weights/persona.safetensors our_motion=$source/weights/persona_motion.safetensors

# fails WORDS ARGUMENTS...: status 1, these words, and no picture
fails() {
    words=$1; shift
    rm -f x.png
    run "$@"
    if [ $status = 1 ] && grep -qF -- "$words" err && absent x.png; then ok
    else wrong "persona $*: status $status, expected \"$words\""; fi
}

small='--steps 2 --size 32x32 --frames 1 --seed 5 -o x.png'
run --prompt 'a woman' --steps 1 --size 32x32 --frames 1 --seed 5 -o photo.png
spoiled "$our_model" first_stage_model.decoder.conv_in.bias decoder.safetensors
spoiled "$our_model" first_stage_model.encoder.conv_in.bias encoder.safetensors
spoiled "$our_model" cond_stage_model.transformer.text_model.final_layer_norm.bias text.safetensors
spoiled "$our_model" model.diffusion_model.out.2.bias unet.safetensors
spoiled "$our_motion" down_blocks.0.motion_modules.0.temporal_transformer.norm.bias moves.safetensors

# shellcheck disable=SC2086
{
fails 'the picture is not finite after the VAE: decoder.safetensors: vae.decoder.conv_in.bias holds numbers that are not finite' --prompt x --vae decoder.safetensors $small
says 'name another one as VAE or --vae: vae-ft-mse-840000-ema-pruned, or kl-f8-anime2 for drawings'
fails 'after the VAE: decoder.safetensors' --prompt x --model decoder $small
fails "after the VAE's encoder: encoder.safetensors: vae.encoder.conv_in.bias" --prompt x --vae encoder.safetensors --init photo.png --strength 1 $small
run --prompt x --vae encoder.safetensors $small
holds 'the encoder is not used' is $status 0
fails "the text encoder's result is not finite: text.safetensors: te.text_model.final_layer_norm.bias" --prompt x --model text $small
fails 'the picture is not finite after step 1: unet.safetensors: unet.conv_out.bias' --prompt x --model unet $small
fails 'after step 1: moves.safetensors: motion.down_blocks.0.motion_modules.0.temporal_transformer.norm.bias' --prompt x --motion moves.safetensors --frames 2 --steps 1 --size 32x32 --seed 5 -o x.gif
for weight in attn1.to_q attn2.to_k; do              # a softmax must not hide them
    spoiled "$our_model" model.diffusion_model.input_blocks.1.1.transformer_blocks.0.$weight.weight softmax.safetensors
    fails "after step 1: softmax.safetensors: unet.down_blocks.0.attentions.0.transformer_blocks.0.$weight.weight" --prompt x --model softmax $small
    fails 'after step 1: softmax.safetensors' --prompt x --model softmax $small --precision bf16
done
lora=lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q
safetensors nan_lora.safetensors "{\"$lora.lora_down.weight\":{\"dtype\":\"F16\",\"shape\":[1,64],\"data_offsets\":[0,128]},\"$lora.lora_up.weight\":{\"dtype\":\"F16\",\"shape\":[64,1],\"data_offsets\":[128,256]}}" 256 377
fails "nan_lora.safetensors: $lora.lora_down.weight holds numbers that are not finite" --prompt x --lora nan_lora:1 $small
mkdir embeddings
safetensors embeddings/broken.safetensors '{"emb_params":{"dtype":"F32","shape":[1,128],"data_offsets":[0,512]}}' 512 377
fails 'embeddings/broken.safetensors: the embedding broken holds numbers that are not finite' --prompt broken $small
run --prompt x $small
holds 'an embedding that is not named' is $status 0
}
mkdir photos; cp photo.png photos/
fails "the latents are not finite after the VAE's encoder: encoder.safetensors" train photos -o y.safetensors --vae encoder.safetensors --prompt x --resolution 64 --network_dim 1 --max_train_steps 1 --seed 1
holds 'nothing is left' absent y.safetensors

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
