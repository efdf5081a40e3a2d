#!/bin/sh
# test_names.sh - names of weights as people write them, and the files that they mean.
# Run from the root of the source; nothing is drawn but a few stills of 32x32.
source=$PWD; test=test_names; . tests/asking.sh
our_model=$source/weights/persona.safetensors

# finds PATH ARGUMENTS...: persona check takes that file as the model
finds() {
    path=$1; shift
    run check "$@" --frames 1
    if [ $status = 0 ] && grep -qxF "model $path: Stable Diffusion 1.x" err; then ok; else wrong "check $*: expected the model $path"; fi
}
# lacks WORDS ARGUMENTS...: persona check fails and says so
lacks() {
    words=$1; shift
    run check "$@" --frames 1
    if [ $status = 1 ] && grep -qF -- "$words" err; then ok; else wrong "check $*: status $status, expected \"$words\""; fi
}

# ---- folders: each is searched as deep as any of its names asks for ----
mkdir -p weights/sub/deeper
cp "$our_model" weights/sub/deeper/mine.safetensors
printf 'a woman\nSteps: 2, Model: mine' >p.txt
cp p.txt weights/p.txt
finds weights/sub/deeper/mine.safetensors p.txt
finds weights/sub/deeper/mine.safetensors weights/p.txt
cd weights || exit 1
finds sub/deeper/mine.safetensors ../p.txt --weights .
finds ../weights/sub/deeper/mine.safetensors p.txt --weights ../weights
finds "$dir/weights/sub/deeper/mine.safetensors" p.txt --weights "$dir/weights"
cd ..
ln -s weights other
mkdir elsewhere
ln -s ../weights/sub elsewhere/link
finds weights/sub/deeper/mine.safetensors other/p.txt
finds elsewhere/link/deeper/mine.safetensors p.txt --weights elsewhere
lacks 'looked in the current folder, weights/ and below' p.txt --model nothing
lacks 'looked in the current folder and below, ' p.txt --model nothing --weights .
ln -s ../.. weights/sub/circle
lacks 'looked in the current folder and below, ' p.txt --model nothing
rm weights/sub/circle

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
