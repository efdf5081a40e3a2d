#!/bin/sh
# test_pasted.sh - settings as people paste them, from the web UI of several years, its extensions and forks, and galleries: tests/pasted.txt.
# Each begins with a line "# words", which must stand in what is said.  They run unchanged, but for the names of weights nobody has
# here: those of model and module are given as options, and the LoRAs are one that changes nothing.  Run from the root of the source.
weights=$PWD/weights texts=$PWD/tests/pasted.txt
test=test_pasted; . tests/asking.sh

# a pair of rank 1, of zeros, for one layer of the model
awk '/^# / { n++; words = "words" n; text = "text" n ".txt"; print substr($0, 3) >words; next } { print >text }' "$texts"
name=lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q
head=$(printf '{"%s.lora_down.weight":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]},"%s.lora_up.weight":{"dtype":"F32","shape":[64,1],"data_offsets":[256,512]}}' $name $name)
while [ $((${#head} % 8)) != 0 ]; do head="$head "; done
{ printf "\\$(printf %o $((${#head} % 256)))\\$(printf %o $((${#head} / 256)))\\0\\0\\0\\0\\0\\0%s" "$head"; head -c 512 /dev/zero; } >any_detail.safetensors
cp any_detail.safetensors any_style.safetensors

n=0
for words in words*; do
    n=$((n + 1)) text=text${words#words}.txt motion=none
    grep -q 'AnimateDiff: "enable: True' $text && motion=persona_motion
    "$persona" check $text --model "$weights/persona" --motion $motion --size 32x32 >out 2>err
    status=$?
    if [ $status = 0 ] && grep -qF -- "$(cat $words)" err && grep -q '^plan: ' err; then passed=$((passed + 1)); else wrong "$text: status $status, expected \"$(cat $words)\""; fi
    # JSON is one value, and no part of it a key
    if grep 'ignored, as persona' err | grep -qE 'modelVersion|"}|\[|"type|"weight|keep_input'; then wrong "$text: parts of JSON are taken for keys"; else passed=$((passed + 1)); fi
    grep -q "AnimateDiff\|hypernet\|Civitai\|PLMS" $text || continue
    "$persona" $text --model "$weights/persona" --motion $motion --size 32x32 --steps 2 --quiet -o drawn.gif >out 2>err
    status=$?
    if [ "$status$(cat out)" = 0drawn.gif ]; then passed=$((passed + 1)); else wrong "$text: status $status"; fi
done
[ $n -ge 30 ] || wrong "only $n texts"

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
