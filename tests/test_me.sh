#!/bin/sh
# test_me.sh - persona me: which photos it leaves out, what it calls the person, that each step is the command that it prints, and that it goes on.
# Run from the root of the source.
test=test_me; . tests/asking.sh
: >out; : >err
export OMP_NUM_THREADS=1
quick='--max_train_steps 2 --resolution 64 --network_dim 1 --network_train_unet_only --steps 2 --size 64x64 --frames 2 --threads 1'
me() { run me "$@" $quick; }
command() { sed -n "/^step $1: /{n;s/^  //p;}" err; }                           # command N: what step N printed
says_not() { if grep -qF -- "$1" err; then wrong "\"$1\" in the message"; else ok; fi; }
n=0
painted() { n=$((n + 1)); "$persona" --prompt "portrait of a $2" --frames 1 --steps 4 --size 64x64 --seed $n --threads 1 --quiet -o "$1"; }

# ---- drawn photos with captions ----
mkdir yumin
for i in 1 2 3; do painted yumin/$i.png 'woman' >out 2>err; done
echo 'portrait of yumin woman, red sweater' >yumin/1.txt; echo 'portrait of yumin woman, beach' >yumin/2.txt; echo 'portrait of yumin woman, happy' >yumin/3.txt
ls -l yumin >before
me yumin
holds 'status' is $status 0
holds 'what is printed' is "$(cat out | tr '\n' ' ')" 'yumin-persona/me.safetensors yumin-persona/me-sheet.png yumin-persona/me.gif '
says 'yumin: 3 of 3 pictures used'
says '3 pictures: few; 10 to 20'
says 'prompts call the person by "portrait of yumin woman": the words that all captions have in common'
ls -l yumin >after; holds 'nothing is written to the photos' same before after
command 1 >train.sh; command 3 >draw.sh
cp yumin-persona/me.safetensors lora; cp yumin-persona/me.gif gif
holds 'the words of training' grep -q -- 'train yumin -o yumin-persona/me.safetensors .*--save_every_n_epochs 5' train.sh
holds 'not the recipe, which is the model'"'"'s' eval '! grep -q learning_rate train.sh'
holds 'the words of drawing' grep -q -- "--prompt 'portrait of yumin woman, waving' --lora yumin-persona/me.safetensors:0.9" draw.sh; says_not "--cfg"

# ---- what is done is passed over; what changed is done again ----
me yumin
holds 'done before' is "$(grep -c '^  done before$' err) $status" '3 0'
holds 'their paths' is "$(tail -1 out)" yumin-persona/me.gif
rm yumin-persona/me.gif; me yumin
holds 'only the clip' is "$(grep -c '^  done before$' err)" 2
holds 'to the same bytes' same gif yumin-persona/me.gif
echo changed >yumin-persona/me.gif; me yumin
holds 'not what somebody else wrote' same gif yumin-persona/me.gif
me yumin --prompt 'red sweater, beach'
holds 'other words: training is done' is "$(grep -c '^  done before$' err)" 1
holds 'they stand in the prompt' grep -q "'portrait of yumin woman, red sweater, beach'" err

# ---- training is the recipe of the model's metadata ----
run train yumin -o recipe.safetensors --max_train_steps 2 --learning_rate 1e-3 --min_snr_gamma 5 --seed 1 --resolution 64 --network_dim 1 --network_train_unet_only --threads 1
holds 'the same bytes' same lora recipe.safetensors

# ---- each step is what it prints ----
rm -r yumin-persona; mkdir yumin-persona
sh ./train.sh >out 2>err; holds 'training' same lora yumin-persona/me.safetensors
sh ./draw.sh >out 2>err; holds 'drawing' same gif yumin-persona/me.gif

# ---- interrupted, it goes on ----
rm -r yumin-persona
"$persona" me yumin $quick --max_train_steps 40 --save_every_n_steps 2 >out 2>err; cp yumin-persona/me.safetensors whole; rm -r yumin-persona
"$persona" me yumin $quick --max_train_steps 40 --save_every_n_steps 2 >out 2>err & pid=$!
i=0; until [ -e yumin-persona/me-state.safetensors ] || [ $i -gt 300 ]; do i=$((i + 1)); sleep 0.1; done
kill -9 $pid; wait $pid 2>/dev/null
holds 'it was killed in training' absent yumin-persona/me.safetensors
"$persona" me yumin $quick --max_train_steps 40 --save_every_n_steps 2 >out 2>err
says '--resume yumin-persona/me-state.safetensors'
says 'goes on after step'
holds 'to the same bytes' same whole yumin-persona/me.safetensors
rm -r yumin-persona
"$persona" me yumin --resolution 64 --threads 1 >out 2>err & pid=$!
i=0; until grep -q 'step [0-9]*/600' err || [ $i -gt 300 ]; do i=$((i + 1)); sleep 0.1; done
kill -INT $pid; wait $pid; status=$?
holds 'status of Ctrl-C' is $status 130
says 'the same persona me command goes on'
says '--max_train_steps 600 --learning_rate 0.001 --min_snr_gamma 5'

# ---- what is warned of in each step is told once ----
me yumin --prompt 'a zeppelin' -o warned --resolution 64
holds 'of pictures to learn from and of drawn ones, once each' is "$(grep -c '^warning: .* was made for' err)$(grep '^warning: ' err | sort | uniq -d)" 2

# ---- what is left out ----
cp -r yumin mixed; rm mixed/2.txt
cp mixed/1.png mixed/again.png; printf 'II*\0\10\0\0\0' >mixed/scan.tif; head -c 90 mixed/2.png >mixed/broken.png
"$persona" --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x16 --seed 5 --threads 1 --quiet -o mixed/narrow.png >out 2>err
me mixed --resolution 64
holds 'status' is $status 0
says 'mixed: 3 of 7 pictures used'
says 'left out: again.png is the same picture as 1.png'
says 'left out: mixed/scan.tif: is a TIFF'
says 'left out: mixed/broken.png: this PNG cannot be read'
says 'left out: narrow.png is long and narrow, 64x16'
holds 'copies with captions' is "$(ls mixed-persona/photos-*/ | tr '\n' ' ')" '1.png 1.txt 2.png 2.txt 3.png 3.txt '
holds 'a caption by a look at the colours' grep -q '^portrait of yumin woman, [a-z]* clothes, [a-z]* background' mixed-persona/photos-*/2.txt

# ---- nothing of the person's is replaced ----
echo 'portrait of yumin woman, a caption of mine' >$(echo mixed-persona/photos-*)/2.txt; cp mixed-persona/me.gif gif
cp mixed-persona/me.safetensors lora
me mixed --resolution 64
holds 'an edited caption stays' grep -q 'of mine' mixed-persona/photos-*/2.txt
says 'what was changed there is used as it is now: 1 file'
holds 'it is learned from' is "$(grep -c '^  done before$' err)" 0
holds 'what was made before is kept' is "$(cat mixed-persona/me-before.safetensors mixed-persona/me-before.gif | cksum)" "$(cat lora gif | cksum)"
me mixed --resolution 64
holds 'done before' is "$(grep -c '^  done before$' err)" 3

# ---- what the person is called ----
mkdir -p 'tree/20_dorvek man'; cp yumin/*.png 'tree/20_dorvek man'
me tree; says 'call the person by "dorvek man"'
mkdir mute; cp yumin/*.png mute
me mute; says 'call the person by "portrait of ohwx person": for no caption names anybody; --name "yumin woman" would'
me mute --name 'dorvek man'; says "'portrait of dorvek man, waving'"
cp -r yumin others; for i in 1 2 3; do echo "a woman, $i" >others/$i.txt; done
me others --name brisa; says 'portrait of brisa": the words of --name, put before every caption'; says "--caption_prefix 'portrait of brisa, '"

# ---- one picture ----
me yumin/1.png
holds 'status' is $status 0
says 'one picture is too few to learn from, so the portrait begins as it'
holds 'its folder' is "$(tail -1 out)" yumin/1-persona/me.gif
holds 'a description by its colours' grep -q "'portrait of a [a-z]* with [a-z]* [a-z]* hair, [a-z]* skin, .* background, happy, waving'" err
says 'nothing says whether it is a woman or a man: --name woman'
me yumin/1.png --name man; says "'portrait of a man with "; says_not 'nothing says whether'
me yumin/1.png --prompt 'portrait of a man with green hair'; says "'portrait of a man with green hair' --init"

echo mine >yumin/1-persona/me-photo.png; me yumin/1.png
holds 'what is in the place of its cut photo is kept' grep -q mine yumin/1-persona/me-photo-before.png

# ---- pictures that show nobody ----
# bmp SIDE FILE: a BMP of 64x64 (100) or 4x4 (4), whose pixels are the bytes of that file
bmp() { printf "BM\\0\\0\\0\\0\\0\\0\\0\\0\\066\\0\\0\\0\\050\\0\\0\\0\\$1\\0\\0\\0\\$1\\0\\0\\0\\1\\0\\030"; head -c 25 /dev/zero; head -c 12288 "$2"; }
bmp 100 /dev/zero >black.bmp; bmp 4 /dev/zero >tiny.bmp; bmp 100 "${persona%/*}/weights/persona.safetensors" >noise.bmp
for i in black tiny; do me $i.bmp; holds "$i" is $status 1; says "$i.bmp shows nothing: all of it is nearly one colour"; done
mkdir dark; cp black.bmp tiny.bmp dark; me dark; holds 'all of them' is $status 1; says 'left out: black.bmp shows nothing'; says 'none of its pictures can be used'
me noise.bmp
says 'noise.bmp: no face is found, so the whole picture is taken, and of the person nothing is put into words; --prompt can'
holds 'no hair, no skin, no clothes' grep -q 'in words, by its colours: portrait of a person, [a-z]* background, happy' err

# ---- wrong words ----
run me; holds 'no photos' is $status 2; says 'persona me needs a folder of photos, or one photo'
run me nowhere; holds 'nowhere' is $status 1; says 'nowhere: '
mkdir empty; run me empty; holds 'empty' is $status 1; says 'empty: no pictures to learn from'; holds 'nothing is made' absent empty-persona
run me yumin -o yumin/; holds 'the photos themselves' is $status 2; says 'is the folder of photos, where nothing is written'
run me . ; holds 'here' is $status 2; says 'persona me . needs -o FOLDER too'
run me yumin --init a.png; holds 'status' is $status 2; says '--init is an option of drawing that persona me does not take'
run me yumin --cfg many --init a.png --model nope --resolution 0; holds 'all that was typed is checked before the first step' is $status 2
says '--cfg'; says '--init'; says '--model'; says '--resolution'; says '4 faults, so nothing was done'
run yumin --name x; holds 'status' is $status 2; says '--name is an option of persona me'
run me --help; holds 'help' grep -q 'Ctrl-C stops it, and the same command goes on' out

echo "test_me: $passed passed, $failed failed"
[ $failed = 0 ]
