#!/bin/sh
# test_goes_on.sh - a clip that is interrupted goes on to the same bytes, and what it leaves on the way.  Run from the root of the source.
# More kills, of jobs of every kind: tests/kills.sh.
KINDS='windows 2m_sde euler_a grid pictures' sh tests/kills.sh 10 >"${TMPDIR:-/tmp}/kills.$$" 2>&1
killed=$?; cat "${TMPDIR:-/tmp}/kills.$$" >&2; rm -f "${TMPDIR:-/tmp}/kills.$$"
test=test_goes_on; . tests/asking.sh
: >err
holds 'kill -9' is $killed 0

printf 'portrait of a woman with red hair\nNegative prompt: hat\nSteps: 16, CFG scale: 7.5, Seed: 7, Size: 64x64, Frames: 1\n' >p.txt

# stops SIGNAL OUT OPTIONS...: begins a job, and sends the signal when the state is there
stops() {
    signal=$1 file=$2; shift 2
    "$persona" "$@" --state-every 0 -o "$file" >out 2>err & child=$!
    n=0; while [ ! -f "$file.state" ] && [ $n -lt 400 ]; do sleep 0.02; n=$((n + 1)); done
    kill -"$signal" $child; wait $child; status=$?
} 2>/dev/null

run p.txt -o whole.png
holds 'a short job leaves nothing' absent whole.png.state

# ---- signals ----
for signal in INT TERM HUP; do
    stops $signal cut.png p.txt
    holds "SIG$signal" is $status 130
    says 'interrupted after step '
    says ' of 16; the same command goes on from there, by cut.png.state'
    holds 'nothing else is left' is "$(echo cut*)" cut.png.state
    cp cut.png.state kept
    run check p.txt -o cut.png
    says 'cut.png.state: goes on after step '
    holds 'check changes nothing' same kept cut.png.state
    run p.txt -o cut.png --threads 1 --fps 5
    says 'cut.png.state: goes on after step '
    holds 'the same bytes' same whole.png cut.png
    holds 'and no state' is "$(echo cut*)" cut.png; rm cut.png
done

# ---- another job, and a damaged file ----
mv kept cut.png.state; cp cut.png.state kept
run p.txt -o cut.png --steps 2 --cfg 3
says 'cut.png.state: is left alone, another job goes on from it: Steps is "16" there and "2" here, CFG scale is "7.5" there and "3" here'
holds 'it stays' same kept cut.png.state
stops KILL cut.png p.txt --seed 8
run p.txt -o cut.png
says 'cut.png.state: goes on after'
holds 'the same bytes beside another' same whole.png cut.png
rm -f cut*
head -c 2000 kept >cut.png.state
run p.txt -o cut.png
says 'warning: no job can go on from this: cut.png.state: '
holds 'the bytes all the same' same whole.png cut.png
holds 'a damaged file stays' is "$(wc -c <cut.png.state | tr -d ' ')" 2000
rm -f cut*; cp kept cut.png.state
run p.txt -o cut.png --fresh
says 'cut.png.state: is not gone on from; this job begins anew and will replace it'
holds 'begun anew' same whole.png cut.png
rm -f cut*

# ---- every option of drawing that changes the picture is another job's ----
cp kept cut.png.state
cp whole.png init.png
while read -r name value; do
    run check p.txt -o cut.png --$name "$value"
    if grep -q 'goes on after' err; then wrong "--$name $value: is taken for the same job"; else ok; fi
done <<END
prompt a man
negative shoes
size 64x72
frames 2
steps 31
sampler Euler
schedule Karras
cfg 7
cfg-rescale 0.5
eta 0.5
seed 8
clip-skip 2
rng NV
prediction v
precision bf16
init init.png
mask 8,8,40,40
hires 1.5
upscaler Nearest
face-pass 0.5
END
for option in '--fps 3' '--threads 1' '--quiet' '--preview'; do
    run check p.txt -o cut.png $option
    [ "$option" = --quiet ] || says 'goes on after'
done
# a setting that is new belongs into clip_identity.c when it changes a pixel, and into this list
tried='prompt negative size width height frames steps sampler schedule-type cfg cfg-rescale eta seed clip-skip rng prediction precision init mask hires face-pass upscaler fps threads'
by_content='model vae motion last lora lora-hashes ti-hashes hashes model-hash vae-hash dynamic-prompts max-size batch x y z'
alike='strength face-prompt hires-steps hires-upscaler noise-schedule context stride overlap closed-loop motion-strength upscale-by mask-blur mask-mode masked-content last-strength latent-power latent-scale latent-power-last latent-scale-last'
run --help
for name in $(sed -n 's/^  .*--\([a-z-]*\) .*/\1/p' out | sed '/^output$/,$d'); do
    case " $tried $by_content $alike " in *" $name "*) ok ;; *) wrong "--$name: does a clip depend on it? see clip_identity.c" ;; esac
done
rm -f cut*

# ---- between two passes, while the pictures of the first are enlarged ----
between='p.txt --frames 3 --steps 1 --hires 3 --hires-steps 1 --strength 0.5 --hires-upscaler Lanczos'
run $between -o whole.gif
stops TERM cut.gif $between
says 'interrupted after step 1 of 1; the same command goes on from there, by cut.gif.state'
run $between --hires-upscaler Nearest -o cut.gif
says 'Hires upscaler is "Lanczos" there and "Nearest" here'
rm cut.gif
run $between -o cut.gif
says 'cut.gif.state: goes on after step 1 of 1'
holds 'the same bytes' same whole.gif cut.gif
rm -f cut* whole.gif

# ---- a seed that was drawn at random ----
chance='--prompt portrait --frames 1 --size 64x64 --steps 16'
stops KILL cut.png $chance
seed=$(sed -n 's/^seed \([0-9]*\),.*/\1/p' err)
run $chance -o cut.png --cfg 3 --steps 1
if grep -q "^seed $seed," err; then wrong 'another job has its seed'; else ok; fi
run $chance -o cut.png
says "seed $seed, drawn at random"
says 'cut.png.state: goes on after step '
run $chance -o whole2.png --seed "$seed"
holds 'with its seed' same whole2.png cut.png
run $chance -o cut.png --steps 1
if grep -q "^seed $seed," err; then wrong 'the next one has its seed'; else ok; fi
rm -f cut*

# ---- a full disk: no file may be longer than this ----
stops KILL cut.png p.txt; cp cut.png.state kept
(ulimit -f 2; "$persona" p.txt -o cut.png --state-every 0 >out 2>err); holds 'a full disk' is $? 1
says 'warning: how far this job is cannot be kept: cut.png.state: cannot be written'
holds 'the last state stays' same kept cut.png.state
run p.txt -o cut.png; holds 'after a full disk' same whole.png cut.png
run p.txt -o cut.png --state-every often; holds 'a value that is none' is $status 2
says '--state-every is "often", expected seconds, 0 to 86400, or off'
rm -f cut*

# ---- the final latents ----
run p.txt -o cut.png --keep-latents
says 'latents: cut.latents.safetensors'
run cut.latents.safetensors -o again.png
says 'the latents are there, and are only decoded'
holds 'decoded again' same cut.png again.png
run p.txt -o cut.png --keep-latents --seed 8
says 'cut.latents.safetensors was there, and is cut.latents-before.safetensors now'
run cut.latents.safetensors --size 64x72 -b 2; holds 'another size' is $status 2
says '--size would change the picture, but latents are only decoded'
says '--batch would change the picture'
safetensors x.latent '{"latent_tensor":{"dtype":"F32","shape":[1,4,8,8],"data_offsets":[0,1024]},"latent_format_version_0":{"dtype":"F32","shape":[0],"data_offsets":[1024,1024]}}' 1024
run x.latent -o comfy.png --seed 1; holds "ComfyUI's" is "$status$(cat out)" 0comfy.png
safetensors x.latent '{"latent_tensor":{"dtype":"F32","shape":[1,16,8,8],"data_offsets":[0,4096]}}' 4096
run x.latent -o flux.png; holds "another model's" is $status 1
says 'x.latent: latent_tensor is [1,16,8,8] of F32, expected latents of Stable Diffusion 1.x'
run p.txt -o grid.png --x 'Seed: 1, 2' --keep-latents; holds 'of a grid' is $status 2
rm -f cut*

# ---- what a process left that was killed while it wrote ----
: >cut.png.999999999.part; : >cut.png.state.999999999.part; : >cut.png.$$.part; : >cut.png.x.part
run p.txt -o cut.png
holds 'only what is abandoned is removed' is "$(echo cut*)" "$(echo cut.png cut.png.$$.part cut.png.x.part)"
: >set-001.png.999999999.part; : >set-002.png.999999999.part
run p.txt --frames 2 -o set.png
holds 'of a series too' is "$(echo set*)" 'set-001.png set-002.png'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
