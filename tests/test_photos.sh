#!/bin/sh
# test_photos.sh - which files of a folder persona train learns from, what it says of the others, and how captions in them are read.
# Run from the root of the source.
test=test_photos; . tests/asking.sh
: >out; : >err
export OMP_NUM_THREADS=1

learn() { run train "$@" -o t.safetensors --max_train_steps 1 --resolution 64 --network_dim 1 --network_train_unet_only --seed 1 --threads 1; }
says_not() { if grep -qF -- "$1" err; then wrong "\"$1\" in the message"; else ok; fi; }
mkdir made; for n in 1 2 3; do run --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o made/$n.png; done

# ---- by content, whatever the name ----
mkdir names; cp made/1.png names/a.jfif; cp made/2.png names/b; cp made/3.png names/c.gif; echo 'a word' >names/a.txt; echo x >names/d.txt
printf '\0\0\0\040ftypisom' >names/clip.mp4; printf 'PK\3\4' >names/all.zip; mkdir names/more names/10_x names/10_x/deep
cp made/1.png names/more/e.jpg; cp made/2.png names/10_x/f.jpe; cp made/3.png names/10_x/deep/g.png
learn names
says 'names: 4 pictures, 1 with a caption, 13 in an epoch'
says 'neither pictures nor captions of one, so left out: all.zip, clip.mp4, d.txt'
says 'warning: pictures in names/more are left out; to learn from them call it <repeats>_<words>, as 1_more'
says 'warning: pictures in names/10_x/deep are left out, for folders in a folder of repeats are not read'
learn names --caption_extension .cap
says 'left out: a.txt, all.zip, clip.mp4 and 1 more'

# ---- pipes and devices are not waited for, and not passed over without a word ----
mkdir pipes; cp made/1.png pipes/a.png; ln -s /dev/zero pipes/b.png; mkfifo pipes/c.jpg
learn pipes
holds 'status' is $status 0; says 'neither pictures nor captions of one, so left out: b.png, c.jpg'
mkfifo pipes/a.txt; learn pipes
holds 'status' is $status 1; says 'pipes/a.txt: expected a caption in a file, found a folder, a pipe or a device'

# ---- all that is wrong, at once ----
mkdir bad; cp made/1.png bad/a.png; cp made/2.png bad/b.png; printf 'caf\351' >bad/b.txt; printf '\0\0\0\040ftypheic\0\0\0\0heicmif1' >bad/c.heic
printf 'II*\0\10\0\0\0' >bad/d.tif; printf '%%PDF-1.4' >bad/e.pdf; printf '<svg xmlns=' >bad/f; printf '8BPS' >bad/g.psd; head -c 200 made/3.png >bad/h.png
printf 'of another format' >bad/i.webp; : >bad/j.png
learn bad
holds 'status' is $status 1
says '9 of 10 pictures cannot be used; repair them, take them away, or leave them out with --skip_unreadable:'
for words in '  bad/b.txt: expected a caption in UTF-8' '  bad/c.heic: is a HEIC, ' 'bad/c.png' '  bad/d.tif: is a TIFF' '  bad/e.pdf: is a PDF' '  bad/f: is an SVG'; do says "$words"; done
rm t.safetensors; for n in $(seq 120); do cp bad/c.heic bad/c$n.heic; done; learn bad
holds 'as many as a message holds' grep -q '^ *and [1-9][0-9]* more$' err; rm t-loss.png
holds 'nothing is written' absent t.safetensors t-loss.png
rm bad/[cdefg]*; learn bad --skip_unreadable
holds 'learns from the rest' is "$status$(cat out)" 0t.safetensors
says 'warning: left out, for they cannot be used:'
for words in '  bad/b.txt: expected a caption' '  bad/h.png: this PNG cannot be read' '  bad/i.webp: is no picture' '  bad/j.png: is an empty file' 'bad: 1 picture, 0 with a caption, 1 in an epoch'; do says "$words"; done
rm bad/a.png; learn bad --skip_unreadable
holds 'status' is $status 1; says 'none of 4 pictures can be used:'

# ---- what training drew is no photo; a picture that was drawn on purpose is one ----
mkdir own; cp made/1.png made/2.png own/; echo 'portrait of a man' >prompts
run train own -o own/me.safetensors --max_train_steps 4 --resolution 64 --network_dim 1 --network_train_unet_only --seed 1 --threads 1 --sample_prompts prompts --sample_every_n_steps 2 \
    --class_prompt 'a man' --num_class_images 2 --save_every_n_steps 2
holds 'drawn' is "$status $(echo own/*.png own/me-class/*)" '0 own/1.png own/2.png own/me-loss.png own/me-sample1.png own/me-step00000002-sample1.png own/me-class/0001.png own/me-class/0002.png'
run --prompt 'portrait of a man' --x 'Seed: 1-2' --frames 1 --steps 1 --size 64x64 -o own/grid.png
mv own/me-loss.png own/renamed.jpg
learn own
says 'own: 2 pictures, '
says 'left out, for they are no photos, but drawn by training or as a grid: 1 loss curve, 2 samples, 2 class pictures, 1 grid'
says_not 'pictures in own/me-class are left out'
run train own -o own/me.safetensors --max_train_steps 1 --resolution 64 --network_dim 1 --network_train_unet_only --seed 1 --threads 1 --reg_data_dir own/me-class
says 'own/me-class: 2 pictures'; says_not 'neither pictures'
printf 'portrait of a man --frames 2 --steps 2 --motion %s\n' "${persona%/*}/weights/persona_motion.safetensors" >prompts; mkdir clip; cp made/1.png clip
run train clip -o clip/c.safetensors --max_train_steps 1 --resolution 64 --network_dim 1 --network_train_unet_only --seed 1 --threads 1 --sample_prompts prompts
learn clip
says 'clip: 1 picture, '; says '1 loss curve, 1 sample'
mkdir alone; cp own/me-sample1.png alone; learn alone
holds 'status' is $status 1; says 'no pictures to learn from'; says '1 sample'

# ---- kohya's folders, at whatever level they are named ----
mkdir -p "train/img/10_sks man" 'train/reg/2_man' train/log train/model; cp made/1.png made/2.png "train/img/10_sks man"; cp made/3.png train/reg/2_man
learn "train/img/10_sks man"
says '10_sks man: by this name each picture comes 10 times in an epoch, and one without a caption shows "sks man"'
says '10_sks man: 2 pictures, 0 with a caption, 20 in an epoch'
learn "train/img/10_sks man/" --prompt 'photo of sks'
says 'shows "photo of sks"'
learn train/img; says 'train/img: 2 pictures, 0 with a caption, 20 in an epoch'
learn train --method dreambooth
says 'train: as kohya'; says "so pictures are those of train/img"; says 'train/reg: 1 picture'; says '1 picture of the class, counting 1: with them 40 pictures in an epoch'
run info t.safetensors
holds 'info' grep -qF 'ss_reg_dataset_dirs: {"2_man": {"n_repeats": 20, "img_count": 1}}' out
mkdir 2024_trip; cp made/1.png 2024_trip; learn 2024_trip; says '2024_trip: 1 picture, 0 with a caption, 1 in an epoch'
mkdir crops; cp made/1.png crops/a_0_1_2_3.png; echo 'photo of sks' >crops/a.txt; learn crops; says '1 with a caption'

# ---- what the small model can draw: no false alarm ----
run train "${persona%/*}/examples/yumin" -o t.safetensors --max_train_steps 1 --resolution 64 --network_dim 1 --network_train_unet_only --seed 1 --threads 1
holds 'no warning but of the size' is "$status$(grep warning err | grep -vc 'Resolution 64x64')" 00

# ---- captions ----
mkdir lines; cp made/1.png lines/1.png; cp made/2.png lines/2.png
printf '\n\nphoto of sks\nand more\n' >lines/1.txt; printf '\377\376s\0k\0s\0' >lines/2.txt
learn lines
says 'warning: only the first line of a caption is learned, and there are more of 1 file: 1.png; --enable_wildcard'
run info t.safetensors; holds 'info' grep -qF 'ss_tag_frequency: {"lines": {"photo of sks": 1, "sks": 1}}' out
learn lines --enable_wildcard; says_not 'only the first line'
run info t.safetensors; holds 'info' grep -qF '"and more": 1' out
printf '{a|b} man\n' >lines/1.txt
learn lines; says 'warning: {a|b} in a caption is learned as it stands, with its signs: 1.png; --enable_wildcard'
learn lines --enable_wildcard; says_not 'learned as it stands'
many=$(printf 'hat, %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40)
echo "${many}sks" >lines/1.txt; echo "${many}dog" >lines/2.txt; cp made/3.png lines/3.png; echo short >lines/3.txt
learn lines
says 'warning: 2 captions of 3 are longer than the 75 tokens that are read, the longest '; says ' (1.png); what is behind them is not learned; --max_token_length 150 reads all of it'
run info t.safetensors; holds 'what is cut is no tag' is "$(grep -c '"sks"\|"dog"' out)" 0
cp t.safetensors cut.safetensors; echo "${many}cat" >lines/1.txt; learn lines
learn lines --max_token_length 150; says_not 'longer than'
run info t.safetensors; holds 'info' grep -qF '"cat": 1' out; holds 'info' grep -q 'ss_max_token_length: 150' out
echo "$many$many$many$many" >lines/1.txt; learn lines
says '--max_token_length 225 reads most of it, and more cannot be read'
learn lines --max_token_length 225; says 'shorter captions, please'
learn lines --max_token_length 100; holds 'status' is $status 2; says 'expected 75, 150 or 225'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
