#!/bin/sh
# test_trainer_command_lines.sh - command lines of other trainers, as people paste them: kohya's, its GUI's, diffusers'.
# Each is understood, or answered in one run with everything that is wrong.  Run from the root of the source.
model=$PWD/weights/persona.safetensors pictures=$PWD/examples/yumin
test=test_trainer_command_lines; . tests/asking.sh
mkdir -p "img/10_sks woman" one
cp "$pictures"/01.* "$pictures"/02.* "img/10_sks woman"
cp "$pictures"/03.* one
cp "$model" m.safetensors

# learns "what is said" arguments...: it trains, to $trained
learns()  { what=$1; shift; run train "$@"; if [ "$status" = 0 ] && grep -qF -- "$what" err && [ -s "$trained" ]; then ok; else wrong "$*: status $status, expected \"$what\" and $trained"; fi; rm -f "$trained"; }
# answers N "one fault" "another"... -- arguments...: status 2, and all N faults in one run
answers() { n=$1; shift; said=; rm -f wanted; while [ "$1" != -- ]; do printf '%s\n' "$1" >>wanted; shift; done; shift
            run train "$@"; [ "$status" = 2 ] || wrong "$*: status $status, expected 2"
            while read -r said; do says "$said"; done <wanted
            [ "$n" = 1 ] || says "$n faults, so nothing was done"; }
short="--max_train_steps 1 --resolution 64 --network_dim 2 --seed 1"

# ---- kohya's trainer, as arguments: bash takes the ends of lines, but for one with a blank behind it
trained=result/yumin.safetensors
learns 'without a meaning here: --cache_latents, --xformers, --mixed_precision' accelerate launch --num_cpu_threads_per_process 8 train_network.py \
    --pretrained_model_name_or_path=m.safetensors --train_data_dir=img --output_dir=result --output_name=yumin \  --network_module=networks.lora \
    --network_dim=2 --max_train_steps=1 --learning_rate=1e-4 --resolution=64,64 --cache_latents --xformers --mixed_precision="fp16" --save_model_as=safetensors \
    --optimizer_type "AdamW8bit" --lr_scheduler "cosine_with_restarts" --network_args "conv_dim=2" "conv_alpha=1" --lr_warmup_steps 5% --seed 1
says "defaults of kohya's trainer, for its command line was given: --network_alpha 1, --text_encoder_lr 1e-4"
says 'LoRA of rank 2, 3x3 convolutions 2'
says 'cosine_with_restarts'

# ---- everything that is wrong, in one run
answers 9 '--fused_backward_pass is for models of another kind' '--v2 is for Stable Diffusion 2' '"algo=lokro" is not known here' 'expected NAME=VALUE, found "foo"' \
    'did you mean --learning_rate?' 'did you mean --network_module?' '--optimizer_type is "Foo"' 'nope: cannot be opened' -- \
    --rank 4 --lora_alpha 3 --learning_rte 3 --network_moduel x --optimizer_type Foo --train_data_dir nope --output_dir made --fused_backward_pass --v2 --network_args algo2=lokr foo algo=lokro
holds 'nothing was made' absent made

# ---- files of words
cat >readme.sh <<'END'
#!/bin/bash
cd /workspace
source venv/bin/activate     # as the README says
export MODEL_NAME="m.safetensors"
export INSTANCE_DIR="img/10_sks woman"
export OUTPUT_DIR="saved"

accelerate launch train_dreambooth_lora.py \
  --pretrained_model_name_or_path=$MODEL_NAME  \
  --instance_data_dir="$INSTANCE_DIR" \
  --output_dir=$OUTPUT_DIR \
  --instance_prompt="a photo of sks woman" \
  --resolution=64 \
  --train_batch_size=1 \
  --gradient_accumulation_steps=1 \ 
  --checkpointing_steps=100 \
  --learning_rate=1e-4 \
  --report_to="wandb" \
  --lr_scheduler="constant" \
  --lr_warmup_steps=0 \
  --max_train_steps=1 --rank 2 \
  --seed="0" \
  --push_to_hub
END
trained=saved/pytorch_lora_weights.safetensors
learns 'not run: "cd /workspace", "source venv/bin/activate"' readme.sh
says 'in persona'"'"'s words: persona train --model m.safetensors --prompt "a photo of sks woman"'
says 'without a meaning here: --report_to, --push_to_hub'
says '--network_train_unet_only'

# ---- names of neighbours beside persona's own
trained=own.safetensors
learns 'in persona'"'"'s words: persona train one -o own.safetensors --network_dim 2 --network_alpha 1' one -o own.safetensors --rank 2 --lora_alpha 1 --steps 1 --size 64 --prompt 'x' --seed 1

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
