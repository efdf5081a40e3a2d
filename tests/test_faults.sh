#!/bin/sh
# test_faults.sh [all] - trains a little while calls of the operating system fail, and looks at what is there afterwards.
#
# The training saves results, states, samples and a loss curve on its way, and an older file stands at each of their places.
# tests/faults.c makes one call fail, or all from one on: here and there; with `all` (make faults) each of them.  Then:
#   - status 0 says that the file whose path is printed has the right bytes; any other status comes with a message
#   - when all steps were done, the LoRA is somewhere, and it is said where
#   - each file has its old bytes or all of its new ones; nothing half written stays
# Run from the root of the source.
source=$PWD
runs=${1:-2}                                            # of each kind of fault
test=test_faults; . tests/asking.sh
library=$dir/faults.so injected=0
: >err

# What cannot be tried is said to be unsupported; it is no check that passed.
unsupported() { echo "test_faults: unsupported here: $1"; echo "test_faults: 0 passed, 0 failed"; exit 0; }
[ "$(uname)" = Linux ] || unsupported 'these faults are made on Linux'
${CC:-cc} -std=c11 -shared -fPIC -o "$library" "$source/tests/faults.c" -ldl 2>why || unsupported 'tests/faults.c needs glibc, and a compiler of shared libraries'
FAULT_CALL=open FAULT_AT=1 FAULT_ERROR=13 LD_PRELOAD=$library cat why >out 2>err && unsupported 'a library is not loaded by LD_PRELOAD'

# ---- a little training of everything that is written ----
train() { folder=$1; shift; timeout 100 env OMP_NUM_THREADS=1 GOMP_SPINCOUNT=0 TMPDIR="$dir/tmp" "$@" "$persona" train photos -o "$folder/x.safetensors" --resolution 64 \
    --network_dim 2 --network_train_unet_only --max_train_steps 2 --save_every_n_steps 1 --save_state --sample_prompts prompts --sample_every_n_steps 1 --seed 1 --threads 1 >printed 2>err; status=$?; }

mkdir photos tmp old right half
for n in 1 2; do run --prompt 'portrait of a man' --frames 1 --steps 1 --size 64x64 --seed $n -o photos/$n.png; done
echo 'a man' >photos/1.txt
echo 'a man --w 64 --h 64 --s 1 --d 1' >prompts
train right FAULT_CALL=none
for f in right/*; do echo "old ${f#right/}" >old/"${f#right/}"; done
holds 'what is written' is "$(cd right && echo *)" 'x-loss.png x-sample1.png x-state.safetensors x-step00000001-sample1.png x-step00000001.safetensors x.safetensors'

# the state after the first step: that after the second cannot take its place
train half LD_PRELOAD="$library" FAULT_CALL=rename FAULT_WHERE=half/x-state FAULT_ERROR=5 FAULT_AT=2 FAULT_FOR_GOOD=1
"$persona" info half/x-state.safetensors >out 2>err; holds 'a state on the way' grep -q 'step 1 of 2' out; rm -f out ./x*

# ---- what must hold after each ----
# The samples' settings name the LoRA, and a sample beside an old one is not another picture, so all of these are as they were without a fault.
is_known() {
    name=$(basename "$1" | sed 's/-before//; s/-2\././')
    for known in right old half; do [ -f $known/"$name" ] && cmp -s "$1" $known/"$name" && return; done
    return 1
}
are_whole() {
    for f in out/* tmp/* ./*.safetensors ./*.png; do
        [ ! -f "$f" ] || [ "${f%.part}" != "$f" ] || is_known "$f" || { echo "$f: neither old nor new" >>err; return 1; }
    done
    for f in old/*; do
        name=${f#old/}
        [ -f "out/$name" ] || [ -f "out/${name%.*}-before.${name##*.}" ] || { echo "out/$name: lost" >>err; return 1; }
    done
}
is_true() {
    case $status in
    0) cmp -s "$(cat printed)" right/x.safetensors ;;
    1) [ -s err ] && [ ! -s printed ] ;;
    *) false ;;
    esac
}
is_all_learned() { grep -q 'step 2/2: loss' err; }

# fault CALL ERROR ONCE|FOR_GOOD N [WHERE]: the Nth call fails
fault() {
    rm -rf out tmp ./x*; mkdir tmp; cp -r old out
    good=; [ "$3" = for_good ] && good=FAULT_FOR_GOOD=1
    where=; [ -n "$5" ] && where=FAULT_WHERE=$5
    train out LD_PRELOAD="$library" FAULT_CALL="$1" FAULT_ERROR="$2" FAULT_AT="$4" $good $where
    injected=$((injected + 1))
    is="$1 of errno $2, $3, call $4${5:+ in $5}"
    holds "$is: status $status, printed $(cat printed)" is_true
    holds "$is: whole files" are_whole
    [ "$1" = unlink ] || holds "$is: nothing half" is "$(find . -name '*.part')" ''
    # once: the next try is right.  For good in one folder: another folder takes it.
    if is_all_learned && { [ "$3" = once ] || [ -n "$5" ]; }; then holds "$is: the LoRA is not lost" is $status 0; fi
    [ "$2" = 4 ] && holds "$is: made again" is "$status$(grep -c warning err)" "0$warnings"
}

count_calls() { rm -rf out; cp -r old out; train out LD_PRELOAD="$library" FAULT_CALL="$1" FAULT_COUNT="$dir/count" ${2:+FAULT_WHERE=$2}; calls=$(cat count); }

# faults CALL ERROR ONCE|FOR_GOOD [WHERE]: at each call, or at $runs of them up to the last
faults() {
    count_calls "$1" "$4"
    every=1; [ "$runs" = all ] || every=$(((calls + runs - 1) / runs))
    n=$calls
    while [ "$n" -gt 0 ]; do fault "$1" "$2" "$3" "$n" "$4"; n=$((n - every)); done
}

rm -rf out; cp -r old out; train out FAULT_CALL=none
warnings=$(grep -c warning err)
ENOENT=2 EINTR=4 EIO=5 ENOMEM=12 EACCES=13 EMFILE=24 ENOSPC=28 EROFS=30 HALF=0

# ---- the place of the results: the disk is full, read-only, gone ----
faults write  $ENOSPC for_good out/
faults open   $EROFS  for_good out/
faults rename $EIO    for_good out/
faults fsync  $EIO    for_good out/
# ---- a signal, and half of a write ----
for call in open write fsync rename opendir readdir; do faults $call $EINTR once; done
faults write $HALF once
# ---- once ----
faults write  $ENOSPC once
faults rename $EACCES once
faults malloc $ENOMEM once
if [ "$runs" = all ]; then
    for call in open fopen close fsync unlink stat lstat fstat opendir readdir statvfs; do faults $call $EIO once; done
    faults close $EINTR once
    faults open $EMFILE once
    faults mmap $ENOMEM once
    for call in write open fopen close rename fsync unlink stat lstat fstat opendir readdir statvfs; do faults $call $EIO for_good; done
    for call in close fstat stat lstat; do faults $call $EIO for_good out/; done
    for call in malloc mmap; do faults $call $ENOMEM for_good; done
    faults open $EACCES for_good
    faults write $ENOSPC for_good
    faults rename $EROFS for_good
    faults mkdir $EROFS for_good
fi

# ---- a folder that cannot be read, or only in part, is no empty folder ----
unreadable() { holds "$1: status" is $status 1; says "$2"; [ "$status" = 1 ] || cat err >&2; }
count_calls readdir photos
for n in 1 3 $calls; do fault readdir $EIO once $n photos; unreadable 'readdir' 'photos: this folder cannot be read: Input/output error'; done
fault opendir $EACCES once 1 photos; unreadable opendir 'photos: this folder cannot be read: Permission denied'
mkdir -p weights/more; fault opendir $EACCES once 1 weights/more         # one that is only searched is told, and left out
holds 'search path: status' is $status 0; says 'weights/more: this folder cannot be read: Permission denied'; rm -r weights

# ---- the folder of the results is deleted while training: made again; and where a file stands in its place, elsewhere ----
long() { : >err; env OMP_NUM_THREADS=1 GOMP_SPINCOUNT=0 TMPDIR="$dir/tmp" "$persona" train photos -o "out/x.safetensors" --resolution 64 --network_dim 2 --max_train_steps 12 --seed 1 --threads 1 "$@" >printed 2>err & child=$!
    while kill -0 $child 2>why && ! grep -q 'step 2/' err; do sleep 0.02; done; }
rm -rf out tmp ./x*; mkdir out tmp
long; rm -r out; wait $child; status=$?
holds 'the folder is made again' is "$status$(cat printed)$(echo out/*)" '0out/x.safetensorsout/x-loss.png out/x.safetensors'
mv out/x.safetensors whole; rm -r out; mkdir out
long; rm -r out; : >out; wait $child; status=$?
holds 'beside the pictures' is "$status$(cat printed)" 0x.safetensors
holds 'the same bytes' cmp -s x.safetensors whole
says 'so it was saved as x.safetensors'
long --method textual_inversion --token sks; wait $child; status=$?; mv "$(cat printed)" word 2>why
rm -rf out ./x*; mkdir out
long --method textual_inversion --token sks; rm -r out; : >out; wait $child; status=$?
holds 'an embedding' is "$status$(cat printed)" 0x.safetensors
rm -rf out ./x*; mkdir out
long; rm -r out; : >out; kill -INT $child; wait $child; status=$?
holds 'Ctrl-C' is $status 130
says 'with --resume x-state.safetensors goes on from there'
rm out; mkdir out
long --resume x-state.safetensors; wait $child; status=$?
holds 'it goes on to the same bytes' cmp -s out/x.safetensors whole

echo "$injected faults were injected"
echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
