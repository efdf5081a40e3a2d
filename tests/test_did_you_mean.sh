#!/bin/sh
# test_did_you_mean.sh - paths that are not there, or are something else, and what may have been meant.
# Run from the root of the source; one still of 32x32 is drawn.
test=test_did_you_mean; . tests/asking.sh

: >out; : >err
# proposes STATUS PATH ARGUMENTS...: the message ends by asking for that path; "-" for PATH: for none
proposes() {
    want=$1 path=$2; shift 2
    run "$@"
    words="did you mean $path?"
    [ "$path" = - ] && words='did you mean'
    found=$(grep -cF -- "$words" err)
    if [ $status = "$want" ] && { [ "$path" = - ] && [ "$found" = 0 ] || [ "$path" != - -a "$found" = 1 ]; }; then ok
    else wrong "$*: status $status, expected $want and \"$path\""; fi
}

mkdir prompts photos 'my photos'
printf 'a woman\nSteps: 1, Seed: 7, Size: 32x32, Frames: 1\n' >prompt.txt
cp prompt.txt prompts/Woman.txt
"$persona" prompt.txt -o photos/face.png -q >/dev/null || wrong 'a still'

# ---- prompt files ----
proposes 1 prompt.txt promt.txt
proposes 1 prompt.txt prompt.tx
proposes 1 prompt.txt prompttxt
proposes 1 prompt.txt prompt.text
proposes 1 prompt.txt check Prompt.TXT
proposes 1 prompt.txt pompt
proposes 1 prompts/Woman.txt prompts/woman.txt
proposes 1 prompts/Woman.txt promts/Woman.txt
proposes 1 prompts/Woman.txt Prompts/womn.txt
proposes 1 prompt.txt info promt.txt
proposes 1 - nothing.txt
proposes 1 - a.txt
proposes 1 - none/at/all.txt
holds 'the reason stays' grep -q 'No such file or directory; expected a prompt file' err
esc=$(printf '\033')
: >"evil${esc}[31m.txt"
proposes 1 - evilx[31m.txt
if [ "$(id -u)" != 0 ]; then mkdir closed; chmod 0 closed; proposes 1 - closed/p.txt; chmod 700 closed; fi

# ---- a name without its ending ----
run prompt --steps 1
says 'prompt: there is no such file; taken is prompt.txt'
holds 'and drawn beside it' is "$status$(cat out)" 0prompt.gif
run check prompts/Woman; says 'taken is prompts/Woman.txt'
cp prompt.txt bare
run check bare; holds 'the very name comes first' is "$(grep -c taken err)" 0

# ---- something else ----
run photos;  says 'photos: is a folder, expected a prompt file'
says 'to learn from its pictures: persona train photos -o NAME.safetensors'
run prompts; says 'name one of the files in it, like prompts/Woman.txt'
run 'my photos'; says 'my photos: is a folder, expected a prompt file, or a picture to make again'
proposes 1 photos/face.png prompt.txt --init photos/fase.png
proposes 1 photos/face.png prompt.txt --init photo/face.png
proposes 1 photos prompt.txt --weights phtos
proposes 1 prompts prompt.txt -o prompt/x.gif
proposes 1 photos train fotos -o x.safetensors
proposes 1 'my photos' train my_photos -o x.safetensors

# ---- an output that is a folder ----
run prompt.txt -o photos; holds 'into a folder' is "$status$(cat out)" 0photos/prompt.gif
run prompt.txt -o photos/; holds 'or with its stroke' is "$status$(cat out)" 0photos/prompt.gif
proposes 1 photos prompt.txt -o phots/

echo "test_did_you_mean: $passed passed, $failed failed"
[ $failed = 0 ]
