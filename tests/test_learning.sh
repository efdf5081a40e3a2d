#!/bin/sh
# test_learning.sh - persona train as its user meets it, on small pictures that persona itself draws.  Run from the root of the source.
test=test_learning; . tests/asking.sh

refuses() {     # STATUS WORDS ARGUMENTS...: exit status, message, silence on stdout, nothing new in the folder
    want=$1 words=$2; shift 2
    ls -a >before; run "$@"; ls -a >after
    if [ $status = "$want" ] && grep -qF -- "$words" err && [ ! -s out ] && cmp -s before after; then ok
    else wrong "persona $*: status $status, expected $want and \"$words\""; fi
}
: >before; : >after; : >out; : >err

mkdir -p photos/2_sks empty broken long
for n in 1 2 3; do run --prompt 'portrait of a man with red hair' --frames 1 --steps 2 --size 64x64 --seed $n -o $n.png; done
mv 1.png photos/a.png; mv 2.png photos/b.png; mv 3.png photos/2_sks/c.png
printf 'portrait of sks\nsecond line\n' >photos/a.txt; echo 'sks smiling' >photos/b.caption; echo 'no picture' >photos/notes.txt

# ---- what comes back ----
run train photos -o one.safetensors --resolution 64 --network-dim 4 --max_train_steps 4 --seed 3 --threads 1
holds 'learns' is "$status$(cat out)" 0one.safetensors
for words in 'photos: 3 pictures, 2 with a caption, 4 in an epoch' 'LoRA of rank 4 on 210 layers, 4 steps of 1, learning rate 0.001, seed 3' 'plan: ' 'picture 3/3' 'step 4/4: loss 0.' 'step 4/4 loss 0.' ', rate 0.000146, ' 'done in ' 'peak memory'; do says "$words"; done
run train photos -o three.safetensors --resolution 64 --network_dim=4 --MAX_TRAIN_STEPS 4 --seed 3 --threads 3 --quiet
holds 'three threads, same bytes' cmp -s one.safetensors three.safetensors
holds 'quiet' is "$(cat err)" ''
run train photos -o other.safetensors --resolution 64 --network_dim 4 --max_train_steps 4 --seed 4
holds 'another seed, another LoRA' is "$(cmp -s one.safetensors other.safetensors; echo $?)" 1
run info one.safetensors --verbose
for words in 'loss, on average, of 4 steps' '210 layers (18 text encoder, 192 UNet)' 'ss_network_dim: 4' 'ss_network_alpha: 4' 'F16     \[\] *lora_unet_mid_block_attentions_0_proj_in.alpha'; do
    holds "info: $words" grep -q "$words" out
done
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o without.png
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o with.png --lora one.safetensors:1
says 'applied 210/210'
holds 'it draws otherwise' is "$(cmp -s with.png without.png; echo $?)" 1
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o skip.png --lora one.safetensors:1 --clip-skip 2
says 'applied 204/210; 6 for what Clip skip leaves out'
run --prompt 'portrait of sks <lora:one:1>' --frames 1 --steps 1 --size 64x64 --seed 1 -o once.png --lora ./one.safetensors:0.3
holds 'another spelling of a tag wins over it' is "$(grep '^LoRA' err | cut -d, -f1)" 'LoRA ./one.safetensors: strength 0.3'
printf 'one --q 3\n' >bad; refuses 1 'bad, line 1: "--q" is no option of a sample' train photos -o x.safetensors --resolution 64 --max_train_steps 1 --sample_prompts bad; rm bad

# ---- convolutions too ----
run train photos -o conv.safetensors --resolution 64 --network_dim 2 --conv_dim 3 --conv_alpha 1.5 --max_train_steps 3 --seed 3 --threads 1 --optimizer_type adamw8bit
says 'LoRA of rank 2, 3x3 convolutions 3, on 294 layers'
run train photos -o again.safetensors --resolution 64 --network_dim 2 --conv_dim 3 --conv_alpha 1.5 --max_train_steps 3 --seed 3 --threads 3 --optimizer_type AdamW8bit
holds 'three threads, same bytes' cmp -s conv.safetensors again.safetensors
run info conv.safetensors --verbose
for words in '294 layers (18 text encoder, 276 UNet)' 'ss_network_args: {"conv_dim": "3", "conv_alpha": "1.5"}' 'ss_optimizer: bitsandbytes.optim.adamw.AdamW8bit' '\[3,.*,3,3\] *lora_unet_down_blocks_0_downsamplers_0_conv.lora_down' \
    '\[2,.*,1,1\] *lora_unet_up_blocks_0_resnets_0_conv_shortcut.lora_down' '\[2,[0-9]*\] *lora_unet_mid_block_resnets_0_time_emb_proj.lora_down'; do
    holds "info: $words" grep -q "$words" out
done
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o with.png --lora conv.safetensors:1
says 'applied 294/294'

# ---- a new word ----
mkdir embeddings
run train photos -o embeddings/sks.safetensors --method textual-inversion --num_vectors 2 --init_word man --resolution 64 --max_train_steps 3 --seed 3 --threads 1
says 'textual inversion of 2 vectors, called sks, 3 steps of 1, learning rate 0.005'
run train photos -o again.safetensors --method textual_inversion --token sks --num_vectors 2 --init_word man --resolution 64 --max_train_steps 3 --seed 3 --threads 3
holds 'three threads, same bytes' cmp -s embeddings/sks.safetensors again.safetensors
run train photos -o strange.safetensors --method textual_inversion --token strange --num_vectors 2 --init_word man --resolution 64 --max_train_steps 3 --seed 3
holds 'in front of captions without it: learned, but otherwise' is "$(cmp -s strange.safetensors again.safetensors; echo $status$?)" 01
run info again.safetensors --verbose
holds 'info of an embedding' grep -q 'F32     \[2,128\].* emb_params' out
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o word.png
says 'embedding sks: 2 vectors'
holds 'it draws otherwise' is "$(cmp -s word.png without.png; echo $?)" 1
rm -r embeddings

# ---- both: the word lies where this program and others look for it ----
run train photos -o both.safetensors --token sks --num_vectors 2 --init_word man --resolution 64 --network_dim 2 --max_train_steps 2 --seed 3
says 'LoRA of rank 2 on 210 layers and 2 vectors, called sks, 2 steps of 1'
holds 'both are there' is "$(echo both* embeddings/*)" 'both-loss.png both.safetensors embeddings/sks.safetensors'
run --prompt 'portrait of sks' --frames 1 --steps 1 --size 64x64 --seed 1 -o both.png --lora both.safetensors:1
says 'embedding sks: 2 vectors'
says 'applied 210/210'
refuses 2 'expected a word that can be a file' train photos -o x.safetensors --token a/b
rm -r embeddings

# ---- what is looked at first ----
mkdir -p mixed/1_a tree
cp photos/a.png mixed/a.png; cp photos/a.png mixed/b.png; cp photos/2_sks/c.png mixed/1_a/c.png
run --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x128 --seed 4 -o mixed/d.png; cp photos/b.png mixed/e.png; cp photos/b.caption mixed/e.caption
printf '\357\273\277\n' >mixed/a.txt           # a byte order mark is no word
run train mixed -o mixed.safetensors --resolution 64 --network_dim 1 --network_train_unet_only --max_train_steps 2 --enable_bucket --flip_aug --shuffle_caption --keep_tokens 1 --caption_dropout_rate 0.5 --validation_split 0.2 --seed 3
holds 'learns' is "$status$(cat out)" 0mixed.safetensors
for words in 'mixed: 5 pictures, 2 with a caption, 4 in an epoch; 1 held out' 'the same picture twice: a.png and b.png' 'nothing is said of a.png, b.png, d.png;' 'buckets: 4 of 64x64, 1 of 40x88' \
    'held out: loss 0.' '2 steps as asked for, 0.5 epochs; the UNet at 0.001, no text encoder, AdamW, cosine, gradients of at most 1'; do says "$words"; done
run train mixed -o wide.safetensors --resolution 64 --network_dim 1 --network_train_unet_only --max_train_epochs 2 --train_batch_size 2 --validation_split 0.2 --seed 3 --threads 1
says 'epoch 2: held out: loss 0.'
says '2 epochs of 4 pictures'
refuses 1 '--validation_split 0.05 of 5 pictures holds out none of them' train mixed -o x.safetensors --validation_split 0.05
refuses 1 'do not hold --resolution 64' train mixed -o x.safetensors --resolution 64 --enable_bucket --min_bucket_reso 128
cp photos/a.png broken/fine.png 2>/dev/null || { mkdir -p broken; cp photos/a.png broken/fine.png; }
printf 'no picture' >broken/a.png; head -c 300 photos/a.png >broken/b.png
refuses 1 '  broken/a.png: is no picture' train broken -o x.safetensors --resolution 64
says 'broken/b.png: this PNG cannot be read'; says '2 of 3 pictures cannot be used; repair them, take them away, or leave them out with --skip_unreadable:'
rm broken/*

# ---- the count that people know: 15 pictures, 40 times each, 6 epochs ----
mkdir '40_yumin woman'; for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do cp photos/a.png "40_yumin woman/$n.png"; done; mkdir yumin; mv '40_yumin woman' yumin
"$persona" train yumin -o y.safetensors --resolution 64 --network_dim 1 --max_train_epochs 6 --train_batch_size 1 --threads 1 >out 2>err & child=$!
while kill -0 $child 2>/dev/null && ! grep -q '^plan' err; do sleep 0.05; done; kill -INT $child; wait $child
says 'yumin: 15 pictures, 0 with a caption, 600 in an epoch'
says ', 3600 steps of 1,'
rm -f y-state.safetensors

# ---- DreamBooth: class pictures are drawn once, and stay ----
run train photos -o db.safetensors --method dreambooth --class_prompt 'portrait of a man' --num_class_images 2 --resolution 64 --network_dim 1 --network_train_unet_only --max_train_epochs 1 --seed 3
for words in 'db-class: draws 2 class pictures: portrait of a man' 'db-class: 2 pictures, 0 with a caption' '2 pictures of the class, counting 1: with them 8 pictures in an epoch' ', 8 steps of 1,'; do says "$words"; done
holds 'class pictures' is "$(echo db-class/*)" 'db-class/0001.png db-class/0002.png'
cp db-class/0001.png one.png; cp db.safetensors keep.safetensors; rm db-class/0001.png; cp photos/b.png db-class/0002.png
run train photos -o db.safetensors --method dreambooth --class_prompt 'portrait of a man' --num_class_images 2 --resolution 64 --network_dim 1 --network_train_unet_only --max_train_epochs 1 --seed 3
says 'db-class: 1 class picture there already, kept'
holds 'drawn again as it was' cmp -s one.png db-class/0001.png
holds 'never replaced' cmp -s photos/b.png db-class/0002.png
says 'warning: db-class/0002.png was drawn of "portrait of a man with red hair'
run train photos -o reg.safetensors --reg_data_dir db-class --prior_loss_weight 0 --resolution 64 --network_dim 1 --network_train_unet_only --max_train_epochs 1 --seed 3
says '2 pictures of the class, counting 0: with them 8 pictures in an epoch'
"$persona" info reg.safetensors >out
for words in 'ss_num_train_images: 4' 'ss_num_reg_images: 2' 'ss_reg_dataset_dirs: {"db-class": {"n_repeats": 2, "img_count": 2}}'; do holds "info: $words" grep -q "$words" out; done
holds 'the weight counts' is "$(cmp -s db.safetensors reg.safetensors; echo $status$?)" 01
refuses 1 'nothing: there is no such folder of pictures' train photos -o x.safetensors --reg_data_dir nothing
says 'smaller than they are learned at, so enlarged and soft: a.png (64x64), b.png (64x64), 2_sks/c.png (64x64)'

# ---- options ----
run train photos/ -o unet.safetensors --resolution 64 --network_dim 2 --network_alpha 1 --network_train_unet_only --max_train_epochs 2 --train_batch_size 2 --min_snr_gamma 5 \
    --noise_offset 0.05 --lr_scheduler linear --lr_warmup_steps 1 --seed 3
says 'LoRA of rank 2 on 192 layers, 4 steps of 2'
run info unet.safetensors
for words in 'ss_num_reg_images: 0' 'ss_bucket_info: {"buckets": {"0": {"resolution": \[64, 64\], "count": 4}}}' 'ss_dataset_dirs: {"photos": {"n_repeats": 1, "img_count": 2}, "2_sks": {"n_repeats": 2, "img_count": 1}}' \
    'ss_tag_frequency: {"photos": {' 'ss_epoch: 2' 'ss_num_epochs: 2' 'ss_total_batch_size: 2' 'ss_lr_warmup_steps: 1'; do holds "info: $words" grep -q "$words" out; done
holds 'UNet only' grep -q '192 layers (192 UNet)' out
run train --help
holds 'help' is "$status$(grep -c '^  --network_dim \|^  --max_grad_norm \|^  --lr_scheduler ' out)" 03

# ---- only a part of it learns; what training draws is no training image ----
run train photos -o part.safetensors --resolution 64 --network_dim 2 --max_train_steps 1 --text_encoder_lr 0 --seed 3
says 'the UNet at 0.001, no text encoder'; says 'on 192 layers'
run train photos -o part.safetensors --resolution 64 --network_dim 2 --max_train_steps 9 --max_train_epochs 1 --unet_lr 0 --seed 3
says 'no UNet, the text encoder at 0.0005'; says '4 steps of 1'
run train photos -o part.safetensors --resolution 64 --network_dim 2 --max_train_steps 2 --max_train_epochs 1 --seed 3; says '2 steps of 1'
mkdir photos/more; cp photos/a.png photos/more/d.png
cp photos/a.png photos/own-1.png
run train photos -o photos/own.safetensors --resolution 64 --network_dim 1 --max_train_steps 1 --seed 3
says 'photos: 4 pictures'
says 'warning: pictures in photos/more are left out; to learn from them call it <repeats>_<words>, as 1_more'
rm -r photos/own* photos/more

# ---- what is refused, with nothing written ----
refuses 2 'needs a folder of pictures, and -o' train
refuses 2 'persona train photos needs -o OUT.safetensors too' train photos
refuses 2 'ends in .safetensors' train photos -o x.gif
refuses 1 'expected a folder of pictures' train nothing -o x.safetensors
refuses 1 'there is no folder' train photos -o no/x.safetensors
mkdir -p often/65536_a; cp photos/a.png often/65536_a/
refuses 1 'fewer repeats, please' train often -o x.safetensors --repeats 65536
refuses 1 'fewer repeats, please' train often -o x.safetensors --repeats 15259
refuses 1 'empty: no pictures to learn from: looked for pictures by what is in the files' train empty -o x.safetensors
refuses 2 '--network_dim is "0", expected a whole number from 1 to 1024' train photos -o x.safetensors --network_dim 0
refuses 2 '--network_dim is "1.5"' train photos -o x.safetensors --network_dim 1.5
refuses 2 '--learning_rate is "1e"' train photos -o x.safetensors --learning_rate 1e
refuses 2 '--resolution is "64,96", expected one side' train photos -o x.safetensors --resolution 64,96
refuses 1 'nothing.txt: cannot be opened: No such file or directory; expected a file of prompts' train photos -o x.safetensors --resolution '64, 64' --sample_prompts nothing.txt
refuses 2 '--resolution is "100", expected a multiple of 8' train photos -o x.safetensors --resolution 100
refuses 2 'expected lora, dreambooth or textual_inversion' train photos -o x.safetensors --method dreams
refuses 2 'expected AdamW, AdamW8bit, Lion' train photos -o x.safetensors --optimizer_type sgd
refuses 2 'has no warm-up' train photos -o x.safetensors --lr_scheduler constant --lr_warmup_steps 0.1
refuses 2 'expected constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial, inverse_sqrt' train photos -o x.safetensors --lr_scheduler cubic
refuses 2 'did you mean --network_dim?' train photos -o x.safetensors --network_dimm 4
refuses 2 'is no option' --network_dim 4 --prompt x
printf 'not a picture' >broken/a.png
refuses 1 'broken/a.png' train broken -o x.safetensors --resolution 64
cp photos/a.png long/a.png; printf 'a\000b' >long/a.txt
refuses 1 'long/a.txt: expected a caption' train long -o x.safetensors --resolution 64
printf 'caf\351' >long/a.txt
refuses 1 'long/a.txt: expected a caption in UTF-8' train long -o x.safetensors --resolution 64
echo portrait >long/a.txt; echo 'of another format' >long/b.webp
refuses 1 'long/b.webp: is no picture' train long -o x.safetensors --resolution 64
refuses 1 'not finite' train photos -o x.safetensors --resolution 64 --network_dim 1 --max_train_steps 40 --learning_rate 1e1 --max_grad_norm 0 --lr_scheduler constant --network_alpha 65504 --seed 3
for words in ': the ' ' is not finite a' 'the step is left out' 'x.safetensors was not written'; do says "$words"; done
run train photos -o broken.safetensors --resolution 64 --network_dim 2 --max_train_steps 40 --learning_rate 1 --seed 3
says 'warning: learning breaks: the last 20 steps have a loss of '
says 'stop it, and take a lower rate: --learning_rate 0.001 instead of 1'
holds 'once' is "$(grep -c 'learning breaks' err)" 1
run train photos -o broken.safetensors --resolution 64 --network_dim 2 --max_train_steps 40 --learning_rate 0.01 --seed 3
holds 'not of what learns' is "$(grep -c 'learning breaks' err)" 0
refuses 2 'from 0 to 65504' train photos -o x.safetensors --network_alpha 1e5
refuses 2 'nothing learns' train photos -o x.safetensors --learning_rate 0
refuses 2 'needs pictures of the class' train photos -o x.safetensors --method dreambooth
refuses 2 'add --sample_prompts' train photos -o x.safetensors --sample_every_n_epochs 1
refuses 1 'Clip skip is 12, but this text encoder has' train photos -o x.safetensors --resolution 64 --clip-skip 12
for there in x.safetensors x-state.safetensors x-loss.png; do
    mkdir $there; refuses 1 "$there: is there and no file" train photos -o x.safetensors --resolution 64 --max_train_steps 1; rmdir $there
done
mkdir embeddings; cp photos/a.png embeddings/sks.safetensors
refuses 1 'embeddings/sks.safetensors: is there, and was not learned here' train photos -o x.safetensors --resolution 64 --max_train_steps 1 --token sks
cp "${persona%/*}"/weights/persona.safetensors model.safetensors
refuses 1 'model.safetensors: would be replaced by what is made from it' train photos -o model.safetensors --model model.safetensors --resolution 64 --max_train_steps 1
refuses 1 'one.safetensors: would be replaced by what is made from it' train photos -o one.safetensors --network_weights one.safetensors --dim_from_weights --resolution 64 --max_train_steps 1
cp one.safetensors keep.safetensors
run train broken -o one.safetensors --resolution 64
holds 'an old result stays' cmp -s one.safetensors keep.safetensors

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
