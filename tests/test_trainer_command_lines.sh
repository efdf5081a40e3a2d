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
# answers N "one fault" "another"... -- arguments...: status 2 ($wanted_status), and all N faults in one run
answers() { n=$1; shift; said=; rm -f wanted; while [ "$1" != -- ]; do printf '%s\n' "$1" >>wanted; shift; done; shift
            run train "$@"; [ "$status" = "$wanted_status" ] || wrong "$*: status $status, expected $wanted_status"
            while read -r said; do says "$said"; done <wanted
            [ "$n" = 1 ] || says "$n faults, so nothing was done"; }
lacks_words() { ! grep -qF -- "$1" err; }
wanted_status=2
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
answers 9 '--fused_backward_pass is for models of another kind' '--v2 is for Stable Diffusion 2' '--algo is "lokro", expected' 'expected NAME=VALUE, found "foo"' \
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

# ---- --config_file: tables mean nothing, the command line wins, keys that nobody knows are told
cat >c.toml <<'END'
[model]
pretrained_model_name_or_path = "m.safetensors"
[stuff]
train_data_dir = "img"
output_dir = "made"
output_name = "fromtoml"
network_module = "networks.lora"
network_args = ["conv_dim=2", "conv_alpha=1"]
optimizer_args = ["weight_decay=0.1", "betas=(0.9,0.99)"]
network_dim = 2
max_train_steps = 500
resolution = "64,64"
xformers = true
flip_aug = false
lr_warmup_steps = 0
learning_rate = 1e-4
clip_skp = 3
END
trained=made/fromtoml.safetensors
learns 'c.toml: nothing here is called, and so nothing is done with: clip_skp' train_network.py --config_file c --max_train_steps=1 --seed 1
says '--optimizer_args "weight_decay=0.1 betas=(0.9,0.99)"'
says 'LoRA of rank 2, 3x3 convolutions 2, on 294 layers, 1 step of 1'
answers 1 '--config_file is "d", and there is no such file' -- one -o x.safetensors --config_file d
printf 'a = 1\na = 2\n' >twice.toml
answers 1 'twice.toml, line 2: "a" is there twice' -- one -o x.safetensors --config_file twice.toml

# ---- --dataset_config: a subset's own, its dataset's, [general]'s, the command line's
mkdir -p b reg
cp "$pictures"/04.* "$pictures"/05.* b
cp "$pictures"/06.png reg
cat >d.toml <<'END'
[general]
enable_bucket = true
shuffle_caption = true
caption_extension = '.txt'
[[datasets]]
resolution = 64
batch_size = 1
keep_tokens = 1
  [[datasets.subsets]]
  image_dir = 'img/10_sks woman'
  class_tokens = 'sks woman'
  num_repeats = 3
  flip_aug = true
  [[datasets.subsets]]
  image_dir = 'reg'
  is_reg = true
  class_tokens = 'woman'
  [[datasets.subsets]]
  image_dir = 'b'
  num_repeats = 0
[[datasets]]
resolution = [96, 96]
  [[datasets.subsets]]
  image_dir = 'b'
  num_repeats = 2
  [[datasets.subsets]]
  image_dir = 'b'
END
trained=d.safetensors
learns 'd.toml: datasets.0.subsets.2 is passed over: its num_repeats is below 1' -o d.safetensors --dataset_config d.toml --model m.safetensors --max_train_steps 2 --network_dim 2 --seed 1
says 'd.toml: datasets.1.subsets.1 is passed over: b is in datasets.1 already'
says '3 folders: 4 pictures, 4 with a caption, 10 in an epoch'
says 'buckets: 2 of 64x64, 2 of 96x96'
says '1 picture of the class, counting 1: with them 20 pictures in an epoch'
"$persona" train -o d.safetensors --dataset_config d.toml --model m.safetensors --max_train_steps 2 --network_dim 2 --seed 1 --quiet >said 2>err
"$persona" info d.safetensors >said
holds 'repeats of each folder' grep -qF 'ss_dataset_dirs: {"10_sks woman": {"n_repeats": 3, "img_count": 2}, "b": {"n_repeats": 2, "img_count": 2}}' said
holds 'the class apart' grep -qF 'ss_reg_dataset_dirs: {"reg": {"n_repeats": 10, "img_count": 1}}' said
printf '{"datasets": [{"resolution": 64, "subsets": [{"image_dir": "b", "num_repeats": 2}]}]}' >d.json
learns 'b: 2 pictures, 2 with a caption, 4 in an epoch' -o d.safetensors --dataset_config d.json --model m.safetensors --max_train_steps 1 --network_dim 2 --seed 1
cat >bad.toml <<'END'
[general]
nonsense = 1
prior_loss_weight = 2
resolution = 100
[[datasets]]
image_dir = 'x'
network_multiplier = 0.5
validation_split = 0
  [[datasets.subsets]]
  image_dir = 'gone'
  resolution = 512
  num_repeats = 'many'
  captoin_prefix = 'x'
  [[datasets.subsets]]
  num_repeats = 2
  [[datasets.subsets]]
  image_dir = 'lost'
END
answers 12 '--learning_rate is "x"' 'line 2: general.nonsense is no key of a dataset configuration' 'prior_loss_weight is for the command line only' '--resolution is "100"' \
    'datasets.0.image_dir stands in [[datasets.subsets]]' 'network_multiplier is not done here' 'resolution stands in [[datasets]] or [general], not in a subset' \
    'num_repeats is wrong' 'did you mean caption_prefix?' 'datasets.0.subsets.1 has no image_dir' 'image_dir "gone" is no folder here' 'image_dir "lost"' -- \
    --dataset_config bad.toml -o x.safetensors --model m.safetensors --learning_rate x
learns 'with --dataset_config no other folder of pictures counts' one -o d.safetensors --dataset_config d.json --model m.safetensors --max_train_steps 1 --network_dim 2 --seed 1

# ---- what other programs keep in JSON: the GUI of kohya's trainer, OneTrainer
cat >gui.json <<'END'
{ "LoRA_type": "Kohya LoCon", "adaptive_noise_scale": 0, "additional_parameters": "", "block_alphas": "", "bucket_no_upscale": true, "bucket_reso_steps": 64, "cache_latents": true,
  "caption_extension": ".txt", "clip_skip": "1", "color_aug": false, "conv_alpha": 1, "conv_dim": 2, "enable_bucket": true, "epoch": 1, "flip_aug": false, "keep_tokens": "0",
  "learning_rate": 0.0001, "logging_dir": "", "lr_scheduler": "cosine", "lr_warmup": 10, "max_resolution": "64,64", "max_train_steps": 1, "mixed_precision": "fp16",
  "model_list": "custom", "network_alpha": 1, "network_dim": 2, "noise_offset": 0, "noise_offset_type": "Original", "optimizer": "AdamW8bit", "output_dir": "gui", "output_name": "g",
  "pretrained_model_name_or_path": "m.safetensors", "reg_data_dir": "", "sample_prompts": "", "save_precision": "fp16", "scale_weight_norms": 0, "seed": "", "text_encoder_lr": 5e-05,
  "train_batch_size": 1, "train_data_dir": "img", "unet_lr": 0.0001, "v2": false, "xformers": "xformers" }
END
trained=gui/g.safetensors
learns '--lr_warmup_steps 10% --network_module networks.lora --text_encoder_lr 5e-05 --seed 1 img --output gui/g.safetensors' gui.json --seed 1
says 'without a meaning here: --cache_latents, --mixed_precision, --save_precision'
cat >one.json <<'END'
{"__version": 6, "training_method": "LORA", "base_model_name": "m.safetensors", "output_model_destination": "one.safetensors", "concepts": [{"path": "img/10_sks woman"}],
 "learning_rate_scheduler": "CONSTANT", "learning_rate": 0.0003, "learning_rate_warmup_steps": 200.0, "epochs": 1, "batch_size": 2, "resolution": "64", "lora_rank": 2, "lora_alpha": 1.0,
 "optimizer": {"optimizer": "ADAMW_8BIT", "weight_decay": 0.01}, "loss_weight_fn": "MIN_SNR_GAMMA", "loss_weight_strength": 5.0, "text_encoder": {"train": false}, "ema": "OFF"}
END
trained=one.safetensors
learns 'the UNet at 0.0003, no text encoder, AdamW8bit, constant_with_warmup after 200 steps' python scripts/train.py --config-path="one.json" --seed 1
says '--min_snr_gamma 5.0'

# the fields of other models, which the GUI writes into every file, and those that it keeps for itself
cat >fields.json <<'END'
{ "LoRA_type": "LyCORIS/LoHa", "LyCORIS_preset": "attn-mlp", "max_resolution": "64,64", "max_train_steps": 1, "network_alpha": 1, "network_dim": 2, "output_dir": "gui", "output_name": "g",
  "pretrained_model_name_or_path": "m.safetensors", "train_data_dir": "img", "learning_rate": 0.0001, "guidance_scale": 3.5, "discrete_flow_shift": 3, "train_blocks": "all", "t5xxl_dtype": "bf16",
  "unit": 1, "train_on_input": true, "sdxl": false, "enable_bucket": true, "bucket_no_upscale": true, "min_bucket_reso": 256, "min_timestep": 0, "max_timestep": 900,
  "additional_parameters": "--noise_offset 0.1 --flip_aug", "sample_prompts": "a woman --s 20", "some_new_key": 5 }
END
trained=gui/g.safetensors
learns 'and so nothing is done with: some_new_key, sample_prompts (put them into a file' fields.json --seed 1
for words in '--max_timestep 900' '--algo LoHa --preset attn-mlp' '--noise_offset 0.1 --flip_aug'; do says "$words"; done
sed 's/"sdxl": false/"sdxl": true/' fields.json >sdxl.json
answers 1 '--sdxl is for models of another kind' -- sdxl.json
sed 's/"ema": "OFF"/"ema": "GPU", "masked_training": true, "mae_strength": 0.0, "mse_strength": 1.0/' one.json >beyond.json
trained=one.safetensors
learns 'nothing is done with: ema GPU, masked_training true' beyond.json --seed 1
holds 'what is as usual is not told' lacks_words strength
trained=own.safetensors
learns 'LoRA of rank 2, 3x3 convolutions 2, as DoRA, on' one -o own.safetensors --prompt x --network_module lycoris.kohya --dora_wd $short

# ---- kohya's documentation, in a .bat: ^ at the ends of lines, %names%, quotes of cmd.exe
cat >train.bat <<'END'
@echo off
REM LoRA of SD 1.5
set MODEL=m.safetensors
call venv\Scripts\activate
accelerate launch --num_cpu_threads_per_process 1 "D:\sd-scripts\train_network.py" ^
  --pretrained_model_name_or_path="%MODEL%" ^
  --train_data_dir='one' --output_dir=bat --output_name=b --learning_rate='1e-4' ^  
  --network_module=lycoris.kohya --network_args "algo=locon" "preset=attn-mlp" "dora_wd=False" "conv_dim=2" "conv_alpha=1" ^
  --network_dim=2 --network_alpha=1 --max_train_epochs=1 --max_train_steps=400 --resolution="64,96" --enable_bucket --noise_offset=0.0 --scale_v_pred_loss_like_noise_pred=False ^
  --lr_scheduler_type "" --vae "" --seed=1
pause
END
trained=bat/b.safetensors
learns 'not run: "call venv' train.bat
says '--max_train_epochs wins over --max_train_steps, as in kohya'"'"'s trainer'
says '--resolution 64,96: buckets of about that area, --resolution 72'
says '--conv_alpha 1'

# ---- options alone in a text file, with the dashes of a web page and no ends of lines
printf 'one\n\342\200\223\342\200\223model m.safetensors\n\342\200\224max_train_steps 1 \342\200\223rank 2\n--resolution 64 --seed 1\n-o text.safetensors --prompt "a b"\n' >options.txt
trained=text.safetensors
learns 'persona train one --model' @options.txt
says '--network_dim 2'

# ---- diffusers: textual inversion, as its README has it; kohya's
trained=ti/learned_embeds.safetensors
learns 'in persona'"'"'s words: persona train --model m.safetensors --token sks --init_word woman' accelerate launch textual_inversion.py --pretrained_model_name_or_path=m.safetensors \
    --train_data_dir=one --learnable_property="object" --placeholder_token="sks" --initializer_token="woman" --resolution=64 --train_batch_size=1 --gradient_accumulation_steps=4 \
    --max_train_steps=1 --learning_rate=5.0e-04 --scale_lr --lr_scheduler="constant" --lr_warmup_steps=7 --output_dir="ti" --seed 1
says '--learning_rate 0.002'
says '--num_vectors 1'
says '--prompt "a photo of sks"'
says '--lr_warmup_steps is not used by --lr_scheduler constant, as in diffusers'
trained=ti/kohya.safetensors
learns 'textual inversion of 2 vectors, called sks' train_textual_inversion.py --pretrained_model_name_or_path m.safetensors --train_data_dir img --output_dir ti --output_name kohya --token_string sks --init_word woman \
    --num_vectors_per_token 2 --max_train_steps 1 --resolution 64 --use_object_template --learning_rate 1e-3 --save_model_as safetensors --seed 1

# ---- diffusers: text to image; what must be downloaded is not there
wanted_status=1         # nothing is wrong but that files are missing
answers 2 'lambdalabs/naruto-blip-captions: cannot be opened' '--model is "CompVis/stable-diffusion-v1-4", and there is no such file' -- \
    accelerate launch --mixed_precision="fp16" train_text_to_image_lora.py --pretrained_model_name_or_path=CompVis/stable-diffusion-v1-4 --dataset_name=lambdalabs/naruto-blip-captions \
    --caption_column="text" --resolution=512 --random_flip --train_batch_size=1 --num_train_epochs=100 --checkpointing_steps=5000 --learning_rate=1e-04 --lr_scheduler="constant" \
    --lr_warmup_steps=0 --seed=42 --output_dir="sd-naruto-model-lora" --validation_prompt="cute dragon creature" --report_to="wandb" --dataloader_num_workers=8
says '--dataset_name: persona uses no network; load the pictures down'
wanted_status=2

# ---- diffusers: DreamBooth with prior preservation
trained=prior/pytorch_lora_weights.safetensors
learns '1 picture of the class, counting 0.5' train_dreambooth_lora.py --pretrained_model_name_or_path m.safetensors --instance_data_dir one --class_data_dir reg --with_prior_preservation \
    --prior_loss_weight=0.5 --instance_prompt "photo of sks" --class_prompt "photo of a woman" --resolution 64 --train_batch_size 1 --max_train_steps 1 --rank 2 --output_dir prior \
    --train_text_encoder --use_8bit_adam --adam_beta1 0.9 --validation_prompt "a photo of sks" --seed 1 --num_train_epochs 3
says '--text_encoder_lr 5e-4'
says '--max_train_steps wins over --max_train_epochs, as in diffusers'
holds 'the validation prompt was drawn' test -s prior/pytorch_lora_weights-sample1.png

# ---- diffusers' names of what AdamW has; what is given twice; a wrong value is told once
trained=adam/pytorch_lora_weights.safetensors
adam="train_dreambooth_lora.py --pretrained_model_name_or_path m.safetensors --instance_data_dir one --output_dir adam --resolution 64 --max_train_steps 1 --train_batch_size 1 --seed 1"
learns '--optimizer_args "betas=0.8,0.95 eps=1e-6"' $adam --instance_prompt 'sks' --adam_beta1 0.8 --adam_beta2=0.95 --adam_epsilon 1e-6 --rank 2
holds 'nothing is given twice' lacks_words 'more than once'
learns 'given more than once, and the last counts: --network_dim 2 (not 4)' $adam --instance_prompt 'sks' --rank 4 --dim 2 --adam_beta1 0.9 --adam_epsilon 1e-08
holds 'the usual betas are not said' lacks_words 'betas='
learns '--optimizer_type Lion (not AdamW8bit)' $adam --instance_prompt 'sks' --use_8bit_adam --optimizer_type Lion --rank 2
answers 1 '--learning_rate is "abc"' -- train_network.py --pretrained_model_name_or_path m.safetensors --train_data_dir one --output_dir made --learning_rate abc
holds 'the rate of the text encoder is not wrong too' lacks_words '--text_encoder_lr'
wanted_status=1
answers 1 'on Hugging Face'"'"'s hub, and persona uses no network: download v1-5-pruned-emaonly.safetensors' -- $adam --instance_prompt 'sks' --pretrained_model_name_or_path runwayml/stable-diffusion-v1-5
wanted_status=2

# ---- scripts for what persona does not do
answers 2 'sdxl_train_network.py trains models of another kind' 'nope: cannot be opened' -- sdxl_train_network.py --train_data_dir nope --pretrained_model_name_or_path m.safetensors --output_dir made
answers 1 'train_db.py trains a whole model' -- train_db.py --train_data_dir one --pretrained_model_name_or_path m.safetensors --output_dir made2

# ---- files that are no command line of one training
printf 'accelerate launch train_network.py --a 1\naccelerate launch train_network.py --b 1\n' >two.sh
run train two.sh
says 'two.sh: holds command lines of several trainings; one at a time'
printf 'python train_network.py --train_data_dir "$PHOTOS" --output_dir x\n' >unset.sh
run train unset.sh
says 'unset.sh: $PHOTOS is not set in it; add a line PHOTOS=VALUE'
printf 'python train_network.py --train_data_dir "one\n' >open.sh
run train open.sh
says 'open.sh, line 1: a quote is opened and never closed'

# ---- what changes nothing is told
trained=own.safetensors
learns 'warning: without effect here: --conv_alpha (without --conv_dim), --keep_tokens (without --shuffle_caption)' one -o own.safetensors --keep_tokens 1 --conv_alpha 2 $short

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
