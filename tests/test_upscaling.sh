#!/bin/sh
# test_upscaling.sh - Upscaler and Upscale by as people write them, and a model's own upscaler.  Run from the root of the source.
# A Compact network whose weights are all zero gives each pixel four times, as Nearest does.
source=$PWD; test=test_upscaling; . tests/asking.sh
model=$source/weights/persona.safetensors
mkdir w
last='"body.2.weight":{"dtype":"F32","shape":[12,8,3,3],"data_offsets":[896,4352]},"body.2.bias":{"dtype":"F32","shape":[12],"data_offsets":[4352,4400]}}'
safetensors w/realesr-animevideov3.safetensors "{\"body.0.weight\":{\"dtype\":\"F32\",\"shape\":[8,3,3,3],\"data_offsets\":[0,864]},\"body.0.bias\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[864,896]},$last" 4400
printf 'portrait of a woman\nSteps: 1, Seed: 1, Size: 64x72, Frames: 1' >p.txt
pixels() { "$persona" info "$1" | sed -n 's/.*: a [A-Z]* of \([0-9x]*\).*/\1/p'; }
# the pixels of a PNG, behind the settings
data() { tail -c 8000 "$1" | cksum; }

# ---- what it gives ----
run p.txt -o plain.png; holds 'no upscaler' is "$(pixels plain.png)" 64x72
run p.txt -o net.png --upscaler realesr-animevideov3 --weights w; holds 'the network' is "$(pixels net.png)" 128x144
says 'realesr-animevideov3.safetensors: SRVGGNetCompact of 2 convolutions, 2x'; says 'then upscaled to 128x144'
says '1 frame of 128x144'
run p.txt -o near.png --upscaler nearest; holds 'Nearest' is "$(pixels near.png)" 128x144
holds 'zero weights give the nearest pixels' is "$(data net.png)" "$(data near.png)"
run net.png -o again.png --weights w; holds 'the picture again' same net.png again.png
run p.txt -o half.png --upscaler realesr-animevideov3 --upscale-by 1.5 --weights w; holds 'resized' is "$(pixels half.png)" 96x108
run p.txt -o by.png --upscale-by 3; holds 'by its own' is "$(pixels by.png)" 192x216; says 'upscaled to 192x216 by '
run p.txt -o three.png --upscaler Lanczos --upscale-by 3; holds 'by Lanczos' is "$(pixels three.png)" 192x216; says 'upscaled to 192x216 by Lanczos'
run by.png -o again.png; holds 'that again' same by.png again.png
run p.txt --frames 2 -o clip.gif --upscaler Lanczos; holds 'a clip' is "$(pixels clip.gif)" 128x144
run p.txt --frames 2 -o set.png --upscaler Lanczos; holds 'a series' is "$(pixels set-002.png)" 128x144
run p.txt -o grid.png --x 'Upscaler: Nearest, Lanczos' --y 'Upscale by: 2, 3' --keep-cells; holds 'a grid' is "$status" 1
says 'all pictures of a grid are of one size and length'
run p.txt -o row.png --x 'Upscaler: Nearest, Lanczos'; holds 'a row of them' is "$status" 0

# ---- before the second pass ----
hires='p.txt --size 64x64 --steps 4 --hires 2 --hires-steps 2 --strength 0.5 --weights w'
run $hires --hires-upscaler Nearest --rng NV -o hnear.png; holds 'Hires by Nearest' is "$(pixels hnear.png)" 128x128
says 'then at 128x128, Nearest, strength 0.5: 2 steps'
run p.txt --size 64x64 --steps 4 --upscaler Nearest --rng NV -o before.png
run p.txt --size 128x128 --steps 4 --init before.png --strength 0.5 --rng NV -o after.png
holds "it is img2img of the enlarged picture" is "$(data hnear.png)" "$(data after.png)"
run $hires --hires-upscaler realesr-animevideov3 --rng NV -o hnet.png; holds 'zero weights are Nearest there, too' is "$(data hnet.png)" "$(data hnear.png)"
says 'w/realesr-animevideov3.safetensors: SRVGGNetCompact of 2 convolutions, 2x'
run hnet.png --weights w -o again.png; holds 'made again' same hnet.png again.png
holds 'by its name' grep -q 'Hires upscaler: realesr-animevideov3,*' hnet.png
run $hires --hires-upscaler lanczos --rng NV -o hlanczos.png
if [ "$(data hlanczos.png)" = "$(data hnear.png)" ]; then wrong 'Lanczos is Nearest'; else ok; fi
run $hires --hires 1.5 --hires-upscaler realesr-animevideov3 --upscaler realesr-animevideov3 -o both.png; holds 'both' is "$(pixels both.png)" 192x192
run $hires --hires-upscaler realesr-animevideov3 --frames 2 -o h.gif; holds 'of a clip' is "$(pixels h.gif)" 128x128
web='portrait of a woman\nSteps: 2, Seed: 1, Size: 64x64, Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: '
printf "${web}R-ESRGAN AnimeVideo" >web.txt
run web.txt --frames 1 -o web.png --weights w; holds "the web UI's name of it" is "$(pixels web.png)" 128x128
says 'animevideov3.safetensors, strength 0.5'
printf "${web}R-ESRGAN 4x+ Anime6B" >web.txt
run web.txt --frames 1 -o web.png --weights w; holds 'not here' is "$status" 0
says 'Hires upscaler R-ESRGAN 4x+ Anime6B is not here; Latent instead'
holds 'it says what was done' grep -q 'Hires upscaler: Latent,*' web.png
run check $hires --hires-upscaler "$model"; holds 'a checkpoint for Hires' is "$status" 1; says 'expected an upscaler'
run check p.txt --hires-upscaler realesr-animevideov3 --weights w; says 'Hires upscaler has no effect without Hires upscale'

# ---- as other programs write it ----
web='portrait of a woman\nSteps: 1, Seed: 1, Size: 64x72, Frames: 1, Postprocess upscale by: 3, Postprocess upscaler: '
printf "${web}R-ESRGAN AnimeVideo" >web.txt
run web.txt -o web.png --weights w; holds "the web UI's" is "$(pixels web.png)" 192x216
printf "${web}R-ESRGAN 4x+" >web.txt
run check web.txt; holds 'what is not here is left out' is "$status" 0
says 'Postprocess upscaler is "RealESRGAN_x4plus", and there is no such file'; says '; it is left out'

# ---- what is wrong ----
safetensors nan.safetensors "{\"body.0.weight\":{\"dtype\":\"F32\",\"shape\":[8,3,3,3],\"data_offsets\":[0,864]},\"body.0.bias\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[864,896]},$last" 4400 377
run p.txt -o nan.png --upscaler ./nan.safetensors; holds 'NaN' is "$status" 1; holds 'no picture of NaN' absent nan.png
says 'the upscaled picture is not finite: ./nan.safetensors: upscaler.body.'; says 'use another upscaler'
run check p.txt --upscaler nothere; holds 'no such file' is "$status" 1; says '--upscaler is "nothere", and there is no such file'
run check p.txt --upscaler "$model"; holds 'a checkpoint' is "$status" 1; says 'found a Stable Diffusion 1.x checkpoint: name it as Model'
run check p.txt --model w/realesr-animevideov3.safetensors; says 'found an upscaler (Real-ESRGAN, compact): name it as Upscaler or --upscaler'
run check p.txt --upscale-by 9; holds 'too much' is "$status" 2; says '--upscale-by is "9", expected a number from 0.1 to 8'
run check p.txt --upscaler Lanczos --upscale-by 8 --size 2048x2048; says 'Upscale by is 8, which makes 16384x16384; expected 1 to 8192 a side'
run check p.txt --upscaler None --upscale-by 2; says 'Upscale by has no effect: Upscaler is None'

# ---- list and info ----
run list upscalers --weights w; holds 'list' grep -q 'realesr-animevideov3' out
run info w/realesr-animevideov3.safetensors; holds 'info' grep -q '^use: Upscaler: ' out

# ---- a model's own ----
# named FILE NAME: a copy of our model whose metadata name this upscaler
named() {
    length=$(od -An -tu4 -N4 "$model" | tr -d ' ')
    header=$(head -c $((length + 8)) "$model" | tail -c "$length" | sed "s/\"persona.upscaler\":\"[^\"]*\"/\"persona.upscaler\":\"$2\"/")
    n=$(printf %s "$header" | wc -c)
    printf "$(printf '\\%03o\\%03o\\%03o' $((n % 256)) $((n / 256 % 256)) $((n / 65536)))\\0\\0\\0\\0\\0%s" "$header" >"$1"
    tail -c +$((length + 9)) "$model" >>"$1"
}
mkdir own; cp w/realesr-animevideov3.safetensors own/up.safetensors
named own/m.safetensors up.safetensors
printf 'portrait of a woman\nSteps: 1, Seed: 1, Frames: 1' >o.txt
run p.txt -o own.png --model own/m.safetensors; holds 'a small size is as asked for' is "$(pixels own.png)" 64x72
run o.txt -o own.png --model own/m.safetensors; holds 'its own' is "$(pixels own.png)" 256x256
says "the model's own (Upscaler: None turns it off)"
holds 'the picture names it' grep -q 'Upscaler: own/up.safetensors' own.png
run own.png -o again.png; holds 'and is made again' same own.png again.png
run o.txt -o none.png --model own/m.safetensors --upscaler None; holds 'turned off' is "$(pixels none.png)" 128x128
run none.png -o again.png; holds 'it stays off' same none.png again.png
rm own/up.safetensors
run check p.txt --model own/m.safetensors; holds 'not there' is "$status" 0
says 'names the upscaler up.safetensors, which is not beside it'
named own/m.safetensors '..\/w\/realesr-animevideov3.safetensors'
run check p.txt --model own/m.safetensors; says 'persona.upscaler is "../w/realesr-animevideov3.safetensors", expected the name of a file'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
