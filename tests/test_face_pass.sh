#!/bin/sh
# test_face_pass.sh - Face pass: a small face drawn anew, as its user sees it.
# Run from the root of the source; draws small pictures.
test=test_face_pass; . tests/asking.sh

: >out; : >err
words='portrait of a woman with purple hair, happy'
cp "${persona%/persona}/examples/yumin/03.png" photo.png
printf '%s\nSteps: 2, Seed: 1, Size: 160x160, Frames: 1, Init image: photo.png, Denoising strength: 0.5\n' "$words" >p.txt
run p.txt -o without.png
run p.txt --face-pass 0.5 -o with.png
holds 'a face pass' is "$status$(cat out)" 0with.png
says 'then the face, where it is smaller than 128 pixels, drawn anew at 128x128, strength 0.5: 1 step'
if grep -q '^face: ' err; then holds 'draws the face anew' eval '! same without.png with.png'
else says 'stays as it was'; fi
"$persona" info with.png >out; holds 'it stands in the picture' grep -q 'Face pass: 0.5' out
cp with.png first.png; run with.png -q; holds 'which makes itself again' same first.png with.png
run check p.txt; plan=$(grep -o 'plan: .*about [^,]*' err)
run check p.txt --face-pass 0.5; holds 'the plan has it' eval '[ "$plan" != "$(grep -o "plan: .*about [^,]*" err)" ]'
run p.txt --face-pass 0.5 --face-prompt 'portrait of a man, sad' -o man.png
"$persona" info man.png >out; holds 'its words stand in the picture' grep -q 'Face prompt: "portrait of a man, sad"' out

# ---- wrong ----
run check p.txt --face-pass 2; holds 'too strong' is $status 2; says '--face-pass is "2", expected a number from 0 to 1'
run check p.txt --face-prompt 'a man'; says 'Face prompt has no effect without Face pass'
run check p.txt --face-pass 0.4 --face-prompt 'a man <lora:x:1>'; holds 'a LoRA there' is $status 1; says 'Face prompt names a LoRA'
run check p.txt --face-pass 0; holds 'none' eval '! grep -q "then the face" err'

echo "test_face_pass: $passed passed, $failed failed"
[ $failed = 0 ]
