#!/bin/sh
# test_cli.sh - the program as its user meets it: what is printed where, exit status, what is written and what is left alone.
# Run from the root of the source; draws small pictures with the model in weights/.
test=test_cli; . tests/asking.sh


# refuses STATUS WORDS ARGUMENTS...: exit status, message, silence on stdout, nothing new in the folder
refuses() {
    want=$1 words=$2; shift 2
    ls -a >before; run "$@"; ls -a >after
    if [ $status = "$want" ] && grep -qF -- "$words" err && [ ! -s out ] && cmp -s before after; then ok
    else wrong "persona $*: status $status, expected $want and \"$words\""; fi
}

absent_words() { ! grep -q -- "$1" err; }

: >before; : >after; : >out; : >err
small='Steps: 1, Seed: 7, Size: 32x32'
printf 'portrait of a woman with red hair\nNegative prompt: hat\n%s, Frames: 3, FPS: 8\n' "$small" >p.txt

# ---- what comes back ----
run p.txt
holds 'p.txt draws' is $status 0
holds 'stdout is the path' is "$(cat out)" p.gif
holds 'a GIF' is "$(head -c 6 p.gif)" GIF89a
for words in 'model ' 'motion module ' 'betas linear' 'seed 7' 'plan: ' 'step 1/1' 'it/s' 'frame 3/3' 'done in ' 'peak memory'; do says "$words"; done
holds 'order of talk' is "$(grep -n -o -E '^(model|betas|plan|step|done)' err | tr -d '0-9:\n')" modelbetasplanstepdone
mkdir deep
run p.txt -o deep/x.gif --threads 1 --quiet
holds 'quiet' is "$status$(cat err)$(cat out)" 0deep/x.gif
holds 'one thread, same bytes' same p.gif deep/x.gif
run p.txt --threads=3 --output=deep/y.gif
holds 'three threads, same bytes' same p.gif deep/y.gif

run p.txt --preview -o seen.gif
says 'no preview: stderr is no terminal'
holds 'and the same bytes' same p.gif seen.gif

# ---- a size to keep to ----
run p.txt --max-size 2K -o fits.gif
holds 'a GIF of at most 2K' [ "$status" = 0 -a "$(wc -c <fits.gif)" -le 2048 ]
says 'to keep to 2K: '
says ' colours, matched within '
run fits.gif
says 'the same bytes'
run p.txt --max-size 1M -o fits.gif
holds 'one that is small as it is' is "$(grep -c 'to keep' err)" 0
run p.txt --max-size 50 -o fits.gif
says 'is as small as this GIF gets'
refuses 1 'Max size makes GIFs smaller' p.txt --max-size 3K -o fits.png
refuses 2 'expected bytes like 256K' p.txt --max-size 3Q

# ---- from a picture, and larger ----
run p.txt --frames 1 --seed 5 -o photo.png
run p.txt --init photo.png --strength 0.5 --steps 4 -o from.gif
holds 'from a picture' is "$status$(cat out)" 0from.gif
says 'begins as photo.png (32x32), strength 0.5: 2 of 4 steps'
says 'step 2/2'
run info from.gif
holds 'its settings' grep -q 'Init image: photo.png, Denoising strength: 0.5' out
run from.gif
says 'the same bytes'
run p.txt --frames 1 --hires 1.5 --hires-steps 1 -o large.png
says 'then at 48x48, Latent, strength 0.75: 1 step'
run info large.png
holds 'larger' grep -q 'PNG of 48x48' out
# ---- to another picture ----
run p.txt --seed 9 --frames 1 -o end.png
run p.txt --init photo.png --last end.png --strength 0.5 --last-strength 0.8 --steps 4 --frames 3 -o to.gif
holds 'to a picture' is "$status$(cat out)" 0to.gif
says 'ends as end.png (32x32), strength 0.8: the middle frame begins as 50% of the first and 20% of the last picture'
run info to.gif
holds 'its settings' grep -q 'Last image: end.png, Last strength: 0.8' out
run to.gif
says 'the same bytes'
refuses 1 'Last image needs a clip' p.txt --init photo.png --last end.png --frames 1
refuses 1 'there is no first one' p.txt --last end.png
refuses 1 'end.png: would be replaced by what is made from it' p.txt --init photo.png --last end.png --frames 3 -o end.png
refuses 2 'expected a number from 1 to 128' p.txt --init photo.png --last end.png --latent-scale 0
# ---- from a clip ----
run p.txt --frames 4 --seed 5 -o four.gif
run check p.txt --init four.gif --frames 4 -o clip.gif
says 'begins as four.gif (32x32, frame by frame: 4), strength 0.75'
run check p.txt --init four.gif --frames 2 -o clip.gif
says 'begins as four.gif (32x32, of its 4 frames 2: 1, 3), strength 0.75'
mkdir frames; cp photo.png frames/f9.png; cp large.png frames/f10.png; : > frames/notes.txt
run check p.txt --init frames --frames 2 -o clip.gif
says 'begins as frames (32x32, frame by frame: 2)'
run check p.txt --init frames/f%d.png --frames 1 -o clip.gif
says 'begins as frames/f%d.png (32x32, of its 2 frames 1: 1)'
refuses 1 'there is no such file' p.txt --init frames/g%d.png
mkdir empty; refuses 1 'no picture is in this folder' p.txt --init empty
head -c 300 four.gif > cut.gif; refuses 1 'cut.gif: this GIF cannot be read: the file ends within' p.txt --init cut.gif
refuses 1 'there is no such file; looked in' p.txt --init nothing.png
refuses 1 'photo.png: would be replaced by what is made from it' p.txt --init photo.png -o photo.png --frames 1
cp photo.png other.png; refuses 1 'photo.png: would be replaced by what is made from it' p.txt --x 'Init image: other.png, photo.png' -o photo.png --frames 1 --steps 4
refuses 1 'p.txt: is no picture, expected a PNG, JPEG, WebP or BMP' p.txt --init p.txt
refuses 1 'set it to 0.5 or more' p.txt --init photo.png --steps 2 --strength 0.4

# ---- settings travel inside ----
run info p.gif
holds 'info of a GIF' grep -q 'Steps: 1, Sampler: DDIM, CFG scale: 4, Seed: 7, Size: 32x32, Model: persona, RNG: CPU, Motion module: persona_motion, Frames: 3, FPS: 8' out
cp p.gif again.gif; run again.gif
holds 'again, in place' is "$status$(cat out)" 0again.gif
holds 'the same bytes' same p.gif again.gif
says 'the same bytes'
run p.gif -o elsewhere.gif
holds 'again, elsewhere' same p.gif elsewhere.gif
# a JPEG with these words as its comment: | FF D8 | FF FE | size 2 | words | FF D9 |
{ printf "\\377\\330\\377\\376\\000\\$(printf %o $(($(wc -c <p.txt) + 2)))"; cat p.txt; printf '\377\331'; } >words.jpg
run info words.jpg
holds 'info of a JPEG with settings' grep -q 'Steps: 1, Seed: 7, Size: 32x32' out
run words.jpg -o elsewhere.gif
holds 'drawn from a JPEG' same p.gif elsewhere.gif
run p.gif --seed 8
holds 'a different picture stands beside' is "$(cat out)" p-again.gif
holds 'the first is kept' same p.gif elsewhere.gif
cp p-again.gif second.gif; run p.gif --seed 9
holds 'and the second' is "$(cat out)$(cmp p-again.gif second.gif)" p-again-2.gif
run p.gif --seed 9; holds 'which is the same again' is "$(cat out)" p-again-2.gif
run p.gif --seed 8 -o again.gif
holds '-o replaces' same again.gif p-again.gif

run p.txt -o still.png --frames 1
holds 'a still' is "$status$(cat out)" 0still.png
cp still.png s.png; run s.png
holds 'again, a PNG' same s.png still.png
run p.txt -o still2.png --motion none
holds 'no motion module, no motion' same still.png still2.png
mkdir m-002.png elsewhere; TMPDIR=$PWD/elsewhere; export TMPDIR; run p.txt -o m.png; unset TMPDIR
holds 'all frames or none' is "$status$(ls m-*)" 0
says 'm-002.png: cannot be replaced: it is a folder'; rmdir m-002.png
holds 'all of them elsewhere' is "$(ls elsewhere | tr '\n' ' ')" 'm-001.png m-002.png m-003.png '; rm -r elsewhere
run p.txt -o n.png
holds 'numbered frames' is "$(tr '\n' ' ' <out)" 'n-001.png n-002.png n-003.png '
cp n-002.png old.png; run n-001.png
holds 'the series again' same old.png n-002.png
holds 'nothing else' absent n.png n-001-001.png
run p.txt -o a.apng
holds 'an animated PNG' grep -q acTL a.apng
cp a.apng b.apng; run b.apng
holds 'again, animated' same a.apng b.apng
run p.txt --frames 1 -o tall.gif --size 64x32
run info tall.gif
holds 'width and height' grep -q '64x32' out

"$persona" p.txt -o unheard.gif 2>&1 >out | true
holds 'nobody listens, and it is drawn' same unheard.gif p.gif

# ---- how it may be asked ----
run --prompt 'portrait of a woman with red hair' --negative hat --steps 1 --seed 7 --size 32x32 --frames 3
holds 'words alone' is "$status$(cat out)" 0persona.gif
holds 'options are the file' same persona.gif p.gif
printf '\357\273\277portrait of a woman with red hair\r\nNegative prompt: hat\r\n%s, Frames: 3\r\n' "$small" >crlf.txt
run crlf.txt
holds 'CR LF and byte-order mark' same crlf.gif p.gif
printf 'portrait of a woman with red hair\nNegative prompt: hat\nsteps: 1, SEED: 7, size: 32x32, Foo bar: 3, AnimateDiff: "enable: True, video_length: 3, fps: 8"' >odd.txt
run odd.txt
holds 'AnimateDiff as pasted' same odd.gif p.gif
says '"Foo bar"'
run p.txt --cfg_scale 3 --clip-skip=2 --eta 0.5 --fps 12.5 --seed 18446744073709551615 --verbose -o many.gif
says 'CFG scale: 3, Seed: 18446744073709551615, Size: 32x32, Model: persona, Clip skip: 2, RNG: CPU, Eta: 0.5, Motion module: persona_motion, Frames: 3, FPS: 12.5'
cp many.gif many2.gif; run many2.gif
holds 'again, with all of these' same many.gif many2.gif
cp p.txt persona.safetensors; cp p.gif p2.gif; run p2.gif; says 'the same bytes as before'; rm persona.safetensors
run p.txt --sampler 'Euler a' --steps 2 --eta 0 -o none.gif; run p.txt --sampler 'Euler a' --steps 2 -o usual.gif
holds 'no noise is not the usual noise' is "$(cmp -s none.gif usual.gif; echo $?)" 1
cp none.gif n2.gif; run n2.gif; says 'the same bytes as before'
run p.txt --sampler 'DPM++ 2M SDE Karras' --steps 3 --rng nv --frames 6 --context 4 --overlap 2 --closed-loop A -o long.gif
for words in 'DPM++ 2M SDE Karras, 3 steps, NV noise' 'windows of 4 frames, overlap 2, stride 1, closed loop A: 9 passes in 3 steps' 'pass 9/9' 'frame 6/6'; do says "$words"; done
cp long.gif long2.gif; run long2.gif
holds 'again, windows and all' same long.gif long2.gif
run p.txt --seed -1 -o r1.gif; seed=$(sed -n 's/^seed \([0-9]*\),.*/\1/p' err)
run p.txt --seed "$seed" -o r2.gif
holds 'the random seed is told' same r1.gif r2.gif
printf 'a \377\303( \342\202 b\n%s, Frames: 1\n' "$small" >bad.txt
run bad.txt -o bad.png; cp bad.png bad2.png; run bad2.png
holds 'broken UTF-8' same bad.png bad2.png
(cd / && "$persona" "$dir/p.txt" >"$dir/out" 2>"$dir/err")
holds 'from another folder' is "$(cat out)" "$dir/p.gif"
run p.txt --prompt 'portrait of a woman <hypernet:nobody:1>' --sampler Restart --steps 2 -o near.gif
for words in 'ignored in the prompt: ' '"<hypernet:nobody:1>"' 'lbw=17 or 26 numbers' 'Sampler Restart is not here; Heun Karras instead'; do says "$words"; done
run info near.gif
holds 'what drew it is what it says' grep -q 'Sampler: Heun, Schedule type: Karras' out
run p.txt --strength 0.5 --overlap 2 --hires-steps 3 -o near.gif
for words in 'Denoising strength has no effect' 'Hires steps have no effect' 'no effect: all 3 frames are seen together'; do says "$words"; done
ln -s "$persona" linked; ./linked p.txt -o l.gif >out 2>err
holds 'through a link' same l.gif p.gif

# ---- check, info, help ----
{ printf '\120\0\0\0\0\0\0\0'; printf '%-80s' '{"a\u001b[31mred":{"dtype":"F99","shape":[1],"data_offsets":[0,1]}}'; } >escape.safetensors
run info escape.safetensors
says 'a?[31mred has dtype F99'
holds 'nothing that a terminal obeys' is "$status$(LC_ALL=C tr -d '\040-\176\n' <err)" 1
refuses 0 'plan: ' check p.txt
run --help;    holds 'help'    grep -q -- '--clip-skip' out
cp out help; run help; holds 'help without dashes' same out help
for command in '' me train; do
    run $command --help
    holds "$command --help fits 80 columns" is "$(awk 'length($0) > 80 || / $/' out | wc -l)" 0
done
run --help;       holds 'each group of help has its heading' is "$(grep -c '^$' out)" 15
run train --help; holds 'each group of the help of training' is "$(awk '/^$/ { getline; print }' out | grep -vc '^ \|^PHOTOS\|^Ctrl-C')" 13
run --version; holds 'version' grep -q '^persona [0-9]' out
env OMP_DISPLAY_ENV=verbose "$persona" --version >out 2>err
holds 'threads that wait soon sleep' is "$(sed -n "s/.*GOMP_SPINCOUNT = '\(.*\)'/\1/p" err | sed -n '$p' | sed 's/^500$//')" ''        # nothing said: another OpenMP, or none
run info "${persona%/*}/weights/persona_motion.safetensors"
holds 'info of weights' grep -q 'motion' out
holds 'its tensors are not asked for' is "$(grep -c temporal_transformer out)" 0
run info "${persona%/*}/weights/persona_motion.safetensors" --verbose
holds 'its tensors' grep -q 'temporal_transformer.norm.weight' out

# ---- the command line was wrong ----
refuses 2 'needs a prompt file'
refuses 2 'did you mean --steps?' p.txt --stpes 3
refuses 2 '"-x"' p.txt -x
refuses 2 'did you mean --quiet?' p.txt -quiet
refuses 2 'did you mean --output?' p.txt --out=x.gif
refuses 1 'did you mean persona train?' trian
refuses 2 '"trian" is no command of persona; did you mean train?' trian photos -o x.safetensors
refuses 2 '"--lora_dir" is no option of persona; here it is --weights DIR' p.txt --lora_dir x
refuses 2 '"-w" is no option of persona; here it is -W N and -H N' p.txt -w 512
refuses 2 'is no option of persona; persona --help lists them' p.txt --qqqqqqq 1
refuses 2 'is no option of persona; persona train --help lists them' train . --qqqqqqq 1
refuses 0 'FPS is 60, but browsers play' check p.txt --fps 60
run check p.txt --fps 50; holds 'nothing is said of 50 frames a second' absent_words browsers
refuses 2 'in persona'"'"'s words: persona train x --network_dim 4' train x --rank 4
refuses 2 '"--network_dim" is no option of drawing, but of persona train' p.txt --network_dim 4
refuses 2 '--x is empty, expected SETTING: VALUE' p.txt --x ''
refuses 2 '"Stps" is no setting (did you mean Steps?)' p.txt --x 'Stps: 1, 2'
refuses 2 '--steps is "abc", expected a whole number from 1 to 1000' p.txt --steps abc
refuses 2 '--steps needs a value' p.txt --steps
refuses 2 '--quiet takes no value' p.txt --quiet=1
refuses 2 '.gif, .png or .apng' p.txt -o x.jpg
refuses 2 '.gif, .png or .apng' p.txt -o x
refuses 2 'found "p.txt" and "crlf.txt"' p.txt crlf.txt
refuses 2 'persona info needs a file' info
refuses 2 'an argument is empty, expected the name of a file' ''
refuses 2 'an argument is empty, expected the name of a file' info ''
refuses 2 '-o is empty, expected the name of a file' p.txt -o ''
refuses 2 'persona check needs' check
refuses 2 '--size is "33x32"' p.txt --size 33x32
refuses 2 '--sampler is "Oiler", expected DDIM, Euler' p.txt --sampler Oiler

# ---- the job failed ----
cp p.gif old.gif
refuses 1 'nowhere.txt: cannot be opened: No such file or directory; expected a prompt file' nowhere.txt
printf '\n{"3": {"inputs": {}}}\n' >flow.json;          refuses 1 'flow.json: this is JSON' flow.json
refuses 1 '--prompt' 'a woman with red hair'
refuses 1 'deep: is a folder' deep
refuses 1 'there is no folder "none' p.txt -o none/x.gif
mkdir folder.gif
refuses 1 'no file' p.txt -o folder.gif
refuses 1 'weights file' "${persona%/*}/weights/persona.safetensors"
refuses 1 '--model is "persoan"' p.txt --model persoan
printf 'a\nModel: persona_motoin\n' >m.txt;          refuses 1 'persona_motion.safetensors' m.txt
printf 'a <lora:nobody:1>\n%s\n' "$small" >l.txt;    refuses 1 '"nobody", and there is no such file' l.txt
printf 'a <lora:../x:1>\n' >t.txt;                   refuses 1 'without folders' t.txt
printf 'a\nSteps: abc\n' >s.txt
refuses 0 's.txt: left out: Steps is "abc", expected a whole number from 1 to 1000' check s.txt
printf 'a\0b\n' >z.txt;                              refuses 1 'z.txt: byte 2 is NUL' z.txt
: >e.txt;                                            refuses 1 'e.txt: is empty' e.txt
printf '\377\330\377\340' >j.txt;                    refuses 1 'JPEG' j.txt
run info j.txt; holds 'info of a JPEG' grep -q 'j.txt: a JPEG of 0x0, without settings' out
refuses 1 'crlf.txt: is text, expected weights' p.txt --lora crlf.txt:1
refuses 1 'still.png: is a PNG, expected weights' p.txt --lora still.png:1
refuses 1 'j.txt: is a JPEG, expected weights' p.txt --model j.txt
printf '\037\213\010' >packed.ckpt;                 refuses 1 'packed.ckpt: is packed by gzip, expected weights: unpack it' p.txt --vae packed.ckpt
printf '\n<!DOCTYPE html>' >login.ckpt;              refuses 1 'login.ckpt: is a web page, expected weights' p.txt --motion login.ckpt
printf 'version https://git-lfs.github.com/spec/v1\n' >lfs.pt; refuses 1 'lfs.pt: is a Git LFS pointer, expected weights' p.txt --lora lfs.pt:1
refuses 1 'p.txt: is a file, expected a folder of pictures' train p.txt -o x.safetensors
head -c 100 p.gif >cut.gif;                          refuses 1 'cut.gif: ' cut.gif
head -c 60 still.png >cut.png;                       refuses 1 'cut.png: ' cut.png
refuses 1 'Context is 40' p.txt --frames 50 --context 40
refuses 1 'Overlap is 8' p.txt --frames 50 --context 8 --overlap 8
refuses 1 '--weights is "none"' p.txt --weights none
printf 'a\n%s\n' "$small" >own.gif; cp own.gif own.txt
refuses 1 'would replace the prompt file' own.gif
holds 'the prompt file is as it was' same own.gif own.txt
long=$(printf '%0300d' 0)
refuses 1 'cannot be written' p.txt -o "$long.gif"
holds 'an old picture is as it was' same p.gif old.gif

# ---- prompts ----
run check --prompt 'a <lora:yumin:0.8' --size 32x32
says '"<lora:yumin:0.8" in the prompt is no tag, expected <lora:NAME:STRENGTH>'
printf 'a man\nSteps 3, Size: 32x32\n' >typed.txt
run check typed.txt
says 'typed.txt: "Size:" stands among words, so its line is read as words'
run check p.txt
holds 'a prompt that is right warns of nothing' is "$(grep -c 'is no tag\|the last line holds' err)" 0
printf 'a man with red hair :0.9 AND a [hat|coat:1.2]\n0: smiling\n2: (sad:1.3)\n%s, Frames: 3\n' "$small" >travel.txt
refuses 1 "the prompt's key at frame 1 stands behind the one at 2" --prompt "$(printf '2: a\n1: b')" --frames 3
run check travel.txt
holds 'ANDs and keys: status' is $status 0
says 'prompt: 2 at once, weights 0.9, 1; travel over 2 keys'
sed 's/^2:/3:/' travel.txt >late.txt
refuses 1 'the prompt has a key at frame "3", but the clip'"'"'s 3 frames are 0 to 2' late.txt
awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "("; print "x" }' >deep.txt
refuses 1 'the prompt has more than 1024 brackets open at once' check deep.txt
awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "a AND " }' >many.txt
refuses 1 'the prompt has 1000001 prompts between its ANDs, expected at most 64' check many.txt
refuses 1 'the prompt gives "x" the weight 1e+07, expected at most 1000' check --prompt '(x:9999999)' --size 32x32
mkdir embeddings
cp "$OLDPWD/tests/golden/embeddings/sks_face.safetensors" embeddings/
run check p.txt
holds 'an embedding that nobody names: status' is $status 0
refuses 1 "embeddings/sks_face.safetensors: this embedding's vectors are 64 wide, but the model's are 128" check --prompt 'portrait of (SKS_face:1.1)'

# ---- a disk that is full; here, no file may grow past 512 bytes ----
(ulimit -f 1; "$persona" p.txt --size 64x64 --quiet -o p.gif >out 2>err); status=$?
holds 'full disk: status' is $status 1
says 'p.gif: '
holds 'full disk: the old picture stays' same p.gif old.gif
holds 'full disk: nothing half written' is "$(ls | grep -c part)" 0
"$persona" p.txt --quiet >/dev/full 2>err; status=$?
[ -e /dev/full ] && holds 'stdout that cannot be written' is $status 1

# ---- a file that is cut while it is in use ----
cp "${persona%/*}/weights/persona.safetensors" lost.safetensors; cp "${persona%/*}/weights/merges.txt" .
: >err
"$persona" p.txt --model lost --frames 1 --steps 1000 -o p.gif >out 2>err & pid=$!
n=0; while ! grep -q '^plan' err && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
: >lost.safetensors; wait $pid; status=$?
holds "cut while in use: status $status" is $status 1
says 'lost.safetensors: was cut short'
holds 'cut while in use: the old picture stays, nothing half written' is "$(same p.gif old.gif; echo $?)$(ls | grep -c part)" 00
rm -f lost.safetensors merges.txt

# ---- interrupted ----
for signal in INT TERM; do
    : >err
    "$persona" p.txt --steps 1000 -o p.gif >out 2>err & pid=$!
    n=0; while ! grep -q '^plan' err && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
    kill -$signal $pid; wait $pid; status=$?
    holds "$signal: status $status" is $status 130
    says 'interrupted'
    holds "$signal: silent" is "$(cat out)" ''
    holds "$signal: the old picture stays" same p.gif old.gif
done

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
