#!/bin/sh
# test_sampling.sh - samples that persona train draws on the way: they change nothing, are what the saved file draws, and stop for Ctrl-C; and
# which of its saves it deletes.  Run from the root of the source.
test=test_sampling; . tests/asking.sh
export OMP_NUM_THREADS=1

learn() { out=$1; shift; run train photos -o "$out.safetensors" --resolution 64 --network_dim 1 --seed 3 --threads 1 --prompt 'a man called sks' "$@"; }
drawn_again() { cp "$1" was; run "$1" --threads 1; says 'the same bytes as before'; holds "$1 is what the file draws" cmp -s "$1" was; }
refuses() { want=$1 words=$2; shift 2; learn x "$@"; holds "status for $words" is $status "$want"; says "$words"; holds 'nothing written' is "$(ls x* 2>&1 | grep -c '^x')" 0; }
: >err

mkdir photos embeddings
for n in 1 2 3; do run --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o photos/$n.png; done
printf '# still, clip\nportrait of sks --n blurry --w 64 --s 2 --l 4\nportrait of sks, waving --w 64 --s 1 --frames 2\n' >prompts
printf 'sks smiling\nNegative prompt: low\nSteps: 1, Size: 64x64, Frames: 1, CFG scale: 3\n' >sks.txt

# ---- a LoRA ----
learn whole --max_train_steps 7
learn a --max_train_steps 7 --sample_prompts prompts --sample_every_n_epochs 1 --sample_every_n_steps 5 --save_every_n_epochs 1
holds 'samples change nothing' cmp -s whole.safetensors a.safetensors
holds 'what is drawn' is "$(echo a-*sample*)" 'a-000001-sample1.png a-000001-sample2.gif a-000002-sample1.png a-000002-sample2.gif a-sample1.png a-sample2.gif a-step00000005-sample1.png a-step00000005-sample2.gif'
says 'sample a-000001-sample1.png'
holds 'they differ' is "$(cmp -s a-000001-sample1.png a-000002-sample1.png; echo $?)" 1
for sample in a-000001-sample1.png a-000002-sample2.gif a-sample1.png; do drawn_again $sample; done
says 'LoRA a.safetensors: strength 1'
learn b --max_train_steps 7 --sample_prompts sks.txt
holds 'infotext, at the end' is "$(echo b*)" 'b-loss.png b-sample1.png b.safetensors'
drawn_again b-sample1.png

# ---- a word ----
learn w --method textual_inversion --token sks --max_train_steps 4
learn v --method textual_inversion --token sks --max_train_steps 4 --sample_prompts prompts --sample_every_n_epochs 1 --save_every_n_epochs 1
holds 'samples change no word' cmp -s w.safetensors v.safetensors
run --prompt 'portrait of sks' --negative blurry --size 64x64 --steps 2 --cfg 4 --seed 3 --frames 1 -o without.png
cp v-000001.safetensors embeddings/sks.safetensors
drawn_again v-000001-sample1.png
says 'embedding sks: 8 vectors'
holds 'the word is in it' is "$(cmp -s without.png v-000001-sample1.png; echo $?)" 1
rm embeddings/*

# ---- Ctrl-C while a sample is drawn ----
"$persona" train photos -o c.safetensors --resolution 64 --network_dim 1 --seed 3 --threads 1 --prompt 'a man called sks' --max_train_steps 7 \
    --sample_prompts prompts --sample_every_n_steps 2 >out 2>err &
child=$!
while kill -0 $child 2>err2 && ! grep -q 'c-step00000002-sample1.png' err; do sleep 0.01; done
kill -INT $child; wait $child; status=$?
holds 'interrupted' is $status 130
says 'with --resume c-state.safetensors goes on from there'
holds 'nothing half' is "$(ls | grep -c 'part$\|^c.safetensors')" 0
learn c --max_train_steps 7 --resume .
holds 'after it the same' cmp -s whole.safetensors c.safetensors

# ---- a sample that cannot be drawn: learning goes on ----
mkdir d-sample1.png
learn d --max_train_steps 7 --sample_prompts sks.txt
holds 'learning goes on' is "$status$(cmp -s whole.safetensors d.safetensors; echo $?)" 00
says 'sample d-sample1 was not drawn: d-sample1.png: '

# ---- the last saves ----
learn e --max_train_steps 12 --save_every_n_epochs 1 --save_every_n_steps 4 --save_last_n_epochs 2
holds 'the last two, and those of steps' is "$(echo e-0* e-step*)" 'e-000002.safetensors e-000003.safetensors e-step00000004.safetensors e-step00000008.safetensors'
learn g --max_train_steps 12 --save_every_n_steps 8
cp e-000002.safetensors f-000002.safetensors; cp a.safetensors f-000001.safetensors
learn f --max_train_steps 12 --save_every_n_epochs 1 --save_last_n_epochs 1 --resume g-state.safetensors
holds 'what another job wrote stays' is "$(echo f-0*)" 'f-000001.safetensors f-000003.safetensors'
echo 'no weights' >f-000002.safetensors
learn f --max_train_steps 12 --save_every_n_epochs 1 --save_last_n_epochs 1 --resume g-state.safetensors
holds 'what is none stays' is "$(cat f-000002.safetensors)" 'no weights'

# ---- what is refused ----
refuses 2 'add --sample_prompts' --sample_every_n_steps 2
refuses 1 'nowhere: cannot be opened' --sample_prompts nowhere
echo 'one --q 3' >bad; refuses 1 'bad, line 1: "--q" is no option of a sample' --sample_prompts bad
echo 'a <lora:missing:1>' >bad; refuses 1 'there is no such file' --sample_prompts bad
echo 'a man --clip-skip 9' >bad; refuses 1 'Clip skip is 9' --sample_prompts bad
refuses 1 'weights file, expected a prompt file' --sample_prompts whole.safetensors

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
