#!/bin/sh
# test_every_fault.sh - every fault at once: of two faults of different kinds, both are told in one run and nothing else,
# and so are all together.  Run from the root of the source.
test=test_every_fault; . tests/asking.sh

pair='"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight":{"dtype":"F16","shape":[4,320],"data_offsets":[0,2560]},"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight":{"dtype":"F16","shape":[320,4],"data_offsets":[2560,5120]}'
safetensors shape.safetensors "{$pair}" 5120
safetensors flux.safetensors '{"lora_unet_double_blocks_0_img_attn.lora_down.weight":{"dtype":"F16","shape":[4,8],"data_offsets":[0,64]},"lora_unet_double_blocks_0_img_attn.lora_up.weight":{"dtype":"F16","shape":[8,4],"data_offsets":[64,128]}}' 128
mkdir embeddings
safetensors embeddings/wide.safetensors '{"emb_params":{"dtype":"F16","shape":[1,1024],"data_offsets":[0,2048]}}' 2048
for name in textvae textlora textmotion; do echo text >$name.safetensors; done
echo text >pic.png

# Each fault: the words of the prompt file that it takes | the options | what is told of it.
cat >faults <<'END'
|--steps abc|--steps is "abc", expected a whole number
|--cfg x|--cfg is "x", expected a number
|--sampler foo|--sampler is "foo", expected DDIM
|--size 33x32|--size is "33x32"
|--nosuch|"--nosuch" is no option of persona
|--stpes 3|did you mean --steps?
|--quiet=1|--quiet takes no value
|--weights nofolder|--weights is "nofolder", and there is no such folder
|-o none/x.gif|none/x.gif: there is no folder "none"
|--lora a:much|--lora: the strength is "much"
|--network_dim 4|"--network_dim" is no option of drawing, but of persona train
<lora:a:many>||: in "<lora:a:many>": the strength is "many"
<lora:../b:1>||: in "<lora:../b:1>": a tag takes a name without folders
__nocolours__||the prompt cannot be drawn
wide||embeddings/wide.safetensors: this embedding's vectors are 1024 wide
((((x:9999999))))||the prompt gives "x" the weight
<lora:shape:1>||lora_down.weight is [4,320] and its lora_up [320,4]
<lora:flux:1>||flux.safetensors: nothing of this LoRA fits this model
<lora:textlora:1>||textlora.safetensors: is text, expected weights
|--vae textvae|textvae.safetensors: is text, expected weights
|--motion textmotion|textmotion.safetensors: is text, expected weights
|--init pic.png|pic.png: is no picture
|--clip-skip 12|Clip skip is 12, but this text encoder has
|--frames 50 --context 8 --overlap 8|Overlap is 8, expected less than the 8 frames
|--x Steps:1,b|--x: Steps is "b", expected a whole number
|--y Stpes:1|--y: "Stpes" is no setting (did you mean Steps?)
END
n=$(wc -l <faults)
field() { sed -n "$1p" faults | cut -d'|' -f"$2"; }

# ask WORDS OPTIONS: one run on a prompt of these words
ask() {
    printf 'a woman %s\nSteps: 2, Size: 32x32, Seed: 1\n' "$1" >p.txt
    shift
    run check p.txt "$@"
}
both_told() {
    # shellcheck disable=SC2046
    ask "$(field "$1" 1) $(field "$2" 1)" $(field "$1" 2) $(field "$2" 2)
    for k in "$1" "$2"; do
        if grep -qF -- "$(field "$k" 3)" err; then ok; else wrong "of $(field "$1" 3) and $(field "$2" 3): no \"$(field "$k" 3)\""; fi
    done
    if [ "$status" != 0 ] && grep -q '^2 faults, so nothing was done' err; then ok; else wrong "$(field "$1" 3) and $(field "$2" 3): not two faults"; fi
}
# a third of all pairs, in which each fault meets many others: the rest would take as long again, twice
i=1
while [ $i -le "$n" ]; do
    k=$((i + 3 - (2 * i) % 3))
    while [ $k -le "$n" ]; do [ $k = $i ] || both_told $i $k; k=$((k + 3)); done
    i=$((i + 1))
done

# ---- all of them
# shellcheck disable=SC2046
ask "$(cut -d'|' -f1 faults | tr '\n' ' ')" $(cut -d'|' -f2 faults | tr '\n' ' ')
i=1
while [ $i -le "$n" ]; do says "$(field $i 3)"; i=$((i + 1)); done
says "$n faults, so nothing was done"
holds 'what was typed wrong counts' is $status 2

# ---- grouped: the lines of a file stand together, and options come last
printf 'a <lora:../b:1> <lora:nobody:1>\nSteps: 2, Size: 32x32, Seed: 1, Model: none1, VAE: none2\n' >g.txt
run check g.txt --steps abc --vae none3
holds 'the order' is "$(sed -n 's/^\(g.txt\|--[a-z]*\)[: ].*/\1/p' err | tr '\n' ' ')" 'g.txt g.txt g.txt --steps --vae '

# ---- nothing follows from another fault
run check nowhere.txt --steps abc --lora nobody:1
says 'nowhere.txt: cannot be opened'
says '3 faults, so nothing was done'
run check nowhere.txt --size 512x512; holds 'which model it names is not known, so none is told' is "$(grep -c . err)" 1
run check p.txt --steps --cfg 5
says '--steps needs a value behind it, found the option --cfg'
run trian photos --network_dim 4 --nosuch
holds 'a wrong command alone' is "$(wc -l <err | tr -d ' ')$status" 12
run info --nosuch x
holds 'a wrong option of info' is "$status" 2
printf 'a woman\nSteps: 2, Size: 32x32, Seed: 1, Model: none1\n' >g.txt
run check g.txt --frames 4 --motion none2
says '2 faults, so nothing was done'

# ---- cells: each fault once, with the cell that has it
printf 'a woman\nSteps: 2, Size: 32x32, Seed: 1, Frames: 1\n' >g.txt
run check g.txt --x 'VAE: none, textvae, nobody' --y 'Clip skip: 1, 12' --init pic.png
says 'VAE: textvae, Clip skip: 1 and 1 more picture: textvae.safetensors: is text'
says 'VAE: nobody, Clip skip: 1 and 1 more picture: --x: VAE is "nobody", and there is no such file'
says 'VAE: none, Clip skip: 12 and 2 more pictures: Clip skip is 12'
holds 'what all cells have is told without one' grep -q '^pic.png: is no picture' err
says '4 faults, so nothing was done'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
