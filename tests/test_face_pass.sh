#!/bin/sh
# test_face_pass.sh - Face pass: a small face drawn anew, as its user sees it.
# Run from the root of the source; draws small pictures.
test=test_face_pass; . tests/asking.sh
# the pixels of a PNG, behind its settings
pixels() { od -An -v -tx1 "$1" | tr -d ' \n' | sed 's/.*49444154//'; }
same_pixels() { [ "$(pixels "$1")" = "$(pixels "$2")" ]; }

: >out; : >err
words='portrait of a woman with purple hair, happy'
cp "${persona%/persona}/examples/yumin/03.png" photo.png
printf '%s\nSteps: 2, Seed: 1, Size: 160x160, Frames: 1, Init image: photo.png, Denoising strength: 0.5\n' "$words" >p.txt
run p.txt -o without.png
run p.txt --face-pass 0.5 -o with.png
holds 'a face pass' is "$status$(cat out)" 0with.png
says 'before the upscaler the face, where it is smaller than 128 pixels, drawn anew at 128x128, strength 0.5: 1 step'
if grep -q '^face: ' err; then holds 'draws the face anew' eval '! same without.png with.png'
else says 'stays as it was'; fi
"$persona" info with.png >out; holds 'it stands in the picture' grep -q 'Face pass: 0.5' out
cp with.png first.png; run with.png -q; holds 'which makes itself again' same first.png with.png
run check p.txt --steps 400; plan=$(grep -o 'plan: .*about [^,]*' err)
run check p.txt --steps 400 --face-pass 0.5; holds 'the plan has it' eval '[ "$plan" != "$(grep -o "plan: .*about [^,]*" err)" ]'
run p.txt --face-pass 0.5 --face-prompt 'portrait of a man, sad' -o man.png
"$persona" info man.png >out; holds 'its words stand in the picture' grep -q 'Face prompt: "portrait of a man, sad"' out


# ---- the upscaler comes behind it: it may make the face as large as it likes ----
printf '%s\nSteps: 2, Seed: 1, Frames: 1, Face pass: 0.5\n' "$words" >large.txt
for size in 128x128 256x256; do
    run large.txt --size $size -o $size.png; holds "at $size" is "$status" 0
    sed -n 's/^face: \([0-9x]* pixels at [0-9,]*\),.*/\1/p' err >$size.box; holds "a face at $size" test -s $size.box
done
holds 'the same face' same 128x128.box 256x256.box
run large.txt --size 128x128 --upscaler Nearest --upscale-by 1 -o nearest.png; holds 'an upscaler that changes nothing' same_pixels 128x128.png nearest.png
run large.txt --size 128x128 --upscaler None --face-pass 0 -o plain.png; holds 'the face is another' eval '! same_pixels plain.png nearest.png'

# ---- pasted ----
printf '%s\nSteps: 2, Seed: 1, Size: 128x128, Frames: 1, ADetailer model: face_yolov8n.pt, ADetailer denoising strength: 0.5\n' "$words" >pasted.txt
run pasted.txt -o pasted.png; says 'ADetailer model "face_yolov8n.pt" is Face pass 0.5'; holds 'as ADetailer says' same_pixels pasted.png 128x128.png

# ---- wrong ----
run check p.txt --face-pass 2; holds 'too strong' is $status 2; says '--face-pass is "2", expected a number from 0 to 1'
run check p.txt --face-prompt 'a man'; says 'Face prompt has no effect without Face pass'
run check p.txt --face-pass 0.4 --face-prompt 'a man <lora:x:1>'; holds 'a LoRA there' is $status 1; says 'Face prompt names a LoRA'
run check p.txt --face-pass 0; holds 'none' eval '! grep -q "then the face" err'

echo "test_face_pass: $passed passed, $failed failed"
[ $failed = 0 ]
