#!/bin/sh
# test_resume.sh [COUNT] - work that is interrupted goes on to the same bytes: by Ctrl-C, by kill -9 at COUNT random moments, on a full disk.
# Run from the root of the source.
count=${1:-4}
test=test_resume; . tests/asking.sh
export OMP_NUM_THREADS=1

learn() { out=$1; shift; "$persona" train photos -o "$out.safetensors" --resolution 64 --network_dim 1 --network_train_unet_only --threads 1 "$@" >out 2>err; status=$?; }
short() { out=$1; shift; learn "$out" --max_train_steps 8 --train_batch_size 2 --noise_offset 0.1 --lr_warmup_steps 2 "$@"; }
resumed_differs() { what=$1; shift; short cut --seed 3 "$@" --resume .; says "cannot be resumed, for $what differs"; holds 'status' is $status 1; }
: >err

mkdir photos
for n in 1 2 3; do "$persona" --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o photos/$n.png >out 2>err; done
echo 'a man' >photos/2.txt

# ---- on the way ----
short whole --seed 3
short cut --seed 3 --save_every_n_epochs 2 --save_every_n_steps 5
holds 'saving changes nothing' cmp -s whole.safetensors cut.safetensors
holds 'what is saved' is "$(echo cut*)" 'cut-000002.safetensors cut-loss.png cut-state.safetensors cut-step00000005.safetensors cut.safetensors'
says 'cut-state.safetensors: the state stays; --resume with a larger --max_train_steps learns on from it; it may be deleted'
short cut --seed 3
says 'warning: cut-state.safetensors was there from a job before and is cut-state-before.safetensors now'
holds 'a state that was not gone on with stays' absent cut-state.safetensors; mv cut-state-before.safetensors cut-state.safetensors
mv cut-state.safetensors state; cp state cut-state.safetensors; rm cut.safetensors
short cut --resume cut-state.safetensors
says 'cut-state.safetensors: goes on after step 5 of 8'
holds 'by the file, without the seed' cmp -s whole.safetensors cut.safetensors
"$persona" info state >out
for words in ' a state of training, step 5 of 8, 3 pictures' 'dtype: 9 tensors' 'loss, on average, of 5 steps'; do holds "info: $words" grep -q "$words" out; done
short cut --seed 3 --resume . --save_state
holds 'by the folder' cmp -s whole.safetensors cut.safetensors
short cut --resume .
says 'goes on after step 8 of 8'
holds 'from the end' cmp -s whole.safetensors cut.safetensors
cp state cut-state.safetensors
"$persona" train photos -o word.safetensors --method textual_inversion --resolution 64 --max_train_steps 3 --seed 3 --threads 1 --save_every_n_steps 2 >out 2>err
cp word.safetensors keep
"$persona" train photos -o word.safetensors --method textual_inversion --resolution 64 --max_train_steps 3 --threads 1 --resume . >out 2>err
holds 'a word' cmp -s word.safetensors keep
eight() { out=$1; shift; "$persona" train photos -o "$out.safetensors" --resolution 64 --network_dim 64 --max_train_steps 3 --seed 3 --threads 1 --save_every_n_steps 2 "$@" >out 2>err; status=$?; }
eight wide --optimizer_type adamw; wide=$(wc -c <wide-state.safetensors)
eight eight --optimizer_type AdamW8bit; narrow=$(wc -c <eight-state.safetensors)
holds "8 bits a moment: $narrow bytes, $wide in 32" [ $((narrow * 10)) -lt $((wide * 6)) ]
cp eight.safetensors keep
eight eight --optimizer_type AdamW8bit --resume .
says 'goes on after step 2 of 3'
holds 'in 8 bits' cmp -s eight.safetensors keep
for optimizer in Prodigy Adafactor Lion; do
    eight other --optimizer_type $optimizer --lr_scheduler constant
    cp other.safetensors other
    eight other --optimizer_type $optimizer --lr_scheduler constant --resume .
    says 'goes on after step 2 of 3'
    holds "$optimizer" cmp -s other.safetensors other
done
eight eight --resume .; says 'for --optimizer_type differs: "AdamW" now, "AdamW8bit" when it was saved'
"$persona" info keep >out; holds 'its metadata' grep -q 'ss_optimizer: bitsandbytes.optim.adamw.AdamW8bit' out

learn both --token sks --max_train_steps 3 --seed 3 --save_every_n_steps 2; mv both.safetensors keep; mv embeddings/sks.safetensors keep2
learn both --token sks --max_train_steps 3 --resume .
holds 'a LoRA and a word' cmp -s both.safetensors keep
holds 'a word and a LoRA' cmp -s embeddings/sks.safetensors keep2
rm -rf embeddings both*

# ---- more steps than were asked for at first: where the learning rate does not know their number, as if they had been ----
steady() { out=$1; shift; learn "$out" --lr_scheduler constant --train_batch_size 2 --seed 3 "$@"; }
steady long --max_train_steps 6
steady more --max_train_steps 4 --save_state; holds 'four are not six' is "$(cmp -s long.safetensors more.safetensors; echo $?)" 1
steady more --max_train_steps 6 --resume .
says 'goes on after step 4 of 6; they were 4 when it was saved, and the learning rate follows the new number from here on'
holds 'two more' cmp -s long.safetensors more.safetensors
steady more --max_train_steps 3 --resume .
says 'more-state.safetensors: 4 steps are done, and 3 are asked for now; ask for more'
rm -f long* more*

# ---- with class pictures, buckets, and all that chance decides ----
chancy() { out=$1; shift; learn "$out" --max_train_steps 8 --train_batch_size 2 --enable_bucket --flip_aug --shuffle_caption --caption_dropout_rate 0.3 --validation_split 0.34 --reg_data_dir photos "$@"; }
"$persona" --prompt 'a man' --frames 1 --steps 1 --size 64x128 --seed 5 -o photos/5.png >out 2>err; cp photos/5.png photos/6.png; echo 'a, man, b, c' >photos/1.txt
chancy all --seed 3
for steps in 1 4; do
    chancy part --seed 3 --save_every_n_steps $steps; mv part-state.safetensors last; rm part*
    mv last part-state.safetensors; chancy part --resume .
    says 'goes on after step'
    holds 'the same with all of it' cmp -s all.safetensors part.safetensors
done
chancy cut --seed 3 --resume part-state.safetensors --prior_loss_weight 0.5; says 'cannot be resumed, for --prior_loss_weight differs'
rm -f photos/1.txt photos/5.png photos/6.png cut.safetensors; cp state cut-state.safetensors

# ---- what must be the same ----
short cut --seed 4 --resume .;                     says 'for seed differs: 4 now, 3 when it was saved'
resumed_differs --network_dim --network_dim 2
resumed_differs --learning_rate --learning_rate 2e-3
cp "$(dirname "$persona")/weights/persona.safetensors" other.safetensors; printf 1 | dd of=other.safetensors bs=1 seek=9000000 conv=notrunc 2>err
resumed_differs model --model other.safetensors; rm other.safetensors
echo 'a woman' >photos/2.txt; resumed_differs 'picture 2'; says '"a woman"'; echo 'a man' >photos/2.txt
cp photos/1.png photos/4.png; resumed_differs 'the number of pictures'; rm photos/4.png
cp photos/1.png kept; cp photos/2.png photos/1.png; resumed_differs 'picture 1'; mv kept photos/1.png
short cut --resume whole.safetensors;              says 'whole.safetensors: no state of training'
short cut --resume nothing;                        says 'nothing/cut-state.safetensors: cannot be opened'
head -c 5000 state >short.safetensors; short cut --resume short.safetensors; says 'short.safetensors: cut short'
holds 'the state stays' cmp -s state cut-state.safetensors

# ---- Ctrl-C ----
for signal in INT TERM HUP; do
    rm -f cut*
    "$persona" train photos -o cut.safetensors --resolution 64 --network_dim 1 --network_train_unet_only --threads 1 \
        --max_train_steps 8 --train_batch_size 2 --noise_offset 0.1 --lr_warmup_steps 2 --seed 3 --save_every_n_steps 3 >out 2>err &
    child=$!
    while kill -0 $child 2>err2 && ! grep -q 'step 4/8' err; do sleep 0.01; done
    kill -$signal $child; wait $child; status=$?
    holds 'interrupted' is $status 130
    says 'with --resume cut-state.safetensors goes on from there'
    holds 'no result yet, and nothing half' is "$(echo cut*)" "$(echo cut-state.safetensors cut-step*.safetensors)"
    short cut --resume cut-state.safetensors
    holds 'after it the same' cmp -s whole.safetensors cut.safetensors
done

# ---- a full disk: no file may be longer than this ----
cp state cut-state.safetensors; rm cut.safetensors
(ulimit -f 8; short cut --resume . --save_every_n_steps 1; exit $status); holds 'a full disk' is $? 1
says 'cannot be written'
holds 'the last state stays' cmp -s state cut-state.safetensors
holds 'nothing half' is "$(ls | grep -c 'part$\|^cut.safetensors')" 0

# ---- as much memory as was planned, though all of it is saved, and is read again ----
as_planned() { awk '/^plan: / { plan = 1000 * $2 } / peak memory / { peak = $(NF - 1) } END { print "    planned " plan " MB, taken " peak; exit !(peak > 0.9 * plan && peak < 1.1 * plan) }' err; }
learn large --network_dim 512 --max_train_steps 2 --save_every_n_steps 1 --seed 3; holds 'the memory of saving' as_planned
learn large --network_dim 512 --max_train_steps 3 --resume .; holds 'the memory of resuming' as_planned
rm large*

# ---- kill -9, at random moments up to a little longer than it takes ----
began=$(date +%s%N); short cut --seed 3 --save_every_n_steps 1; took=$((($(date +%s%N) - began) / 1000000))
rm -f cut*
kills=0 finished=0
while [ $kills -lt $count ]; do
    resume=; [ -f cut-state.safetensors ] && resume='--resume cut-state.safetensors'
    "$persona" train photos -o cut.safetensors --resolution 64 --network_dim 1 --network_train_unet_only --threads 1 \
        --max_train_steps 8 --train_batch_size 2 --noise_offset 0.1 --lr_warmup_steps 2 --seed 3 --save_every_n_steps 1 $resume >out 2>err &
    child=$!
    sleep "$(awk -v seed="$kills$(date +%N)" -v took=$took 'BEGIN { srand(seed); print rand() * took / 1000 }')"
    if kill -9 $child 2>err2; then kills=$((kills + 1)); fi
    wait $child 2>err2; status=$?
    case $status in
        0) holds 'finished with other bytes' cmp -s whole.safetensors cut.safetensors; finished=$((finished + 1)); rm -f cut* ;;
        137) if [ -f cut-state.safetensors ]; then holds 'a state that is whole' "$persona" info cut-state.safetensors >out; fi ;;
        *) wrong "status $status after kill $kills"; break ;;
    esac
done 2>/dev/null
resume=; [ -f cut-state.safetensors ] && resume='--resume cut-state.safetensors'
short cut --seed 3 $resume
holds "the same bytes after $count kills" cmp -s whole.safetensors cut.safetensors

echo "killed $kills times, $finished runs finished between"
echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
