#!/bin/sh
# test_foreign_pictures.sh - pictures of other programs, workflows of ComfyUI and dynamic prompts, as a user meets them: what is drawn, what is said,
# and that a picture draws itself again.  Run from the root of the source; draws small pictures with the model in weights/.
test=test_foreign_pictures; . tests/asking.sh
: >out; : >err

# an API workflow of ComfyUI, made for the model in weights/; $1: more nodes
workflow() {
    cat <<END
{"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 1, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 1,
  "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
 "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub\\\\persona.safetensors"}},
 "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 32, "height": 64, "batch_size": 1}},
 "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a [red] {cat}", "clip": ["4", 1]}},
 "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "hat", "clip": ["4", 1]}}, $1
 "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}}}
END
}

# ---- workflows ----
workflow '"9": {"class_type": "FaceDetailer", "inputs": {"seed": 1}},' >flow.json
run flow.json
holds 'a workflow draws' is "$status$(cat out)" 0flow.gif
says 'flow.json: made by ComfyUI'
says 'persona has nothing like it: FaceDetailer'
printf 'a \\[red\\] {cat}\nNegative prompt: hat\nSteps: 1, Sampler: Euler, Schedule type: Normal, Seed: 7, RNG: CPU, Size: 32x64, Frames: 1' >same.txt
run same.txt
run info same.gif; sed 1d out >one; run info flow.gif; sed 1d out >two
holds 'as the settings that it stands for' grep -q 'Steps: 1, Sampler: Euler, Schedule type: Normal, CFG scale: 7.5, Seed: 7, Size: 32x64' two
run info flow.json
holds 'info of a workflow' grep -q '^flow.json: made by ComfyUI' out
holds 'with its settings' grep -q 'Steps: 1, Sampler: euler, Schedule type: normal, CFG scale: 7.5, Seed: 7' out
holds 'and what is lost' grep -q 'not translated: FaceDetailer' out
printf '{"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}' >odd.json
run odd.json
holds 'no sampler, no picture' is "$status$(ls odd.gif 2>/dev/null)" 1
says 'not plain enough to be read: no sampler'
says 'it has 1 node: "LoadImage"'
run info odd.json
holds 'info says so, too' is "$status$(grep -c 'not plain enough to be read: no sampler' out)" 01
printf '{"a": 1}' >other.json; run other.json
holds 'JSON of nobody' is $status 1
says 'neither a workflow of ComfyUI nor'

# ---- dynamic prompts ----
mkdir wildcards; printf '# colours\nred\nblue\n' >wildcards/colour.txt
printf '# mine\na {big|small} __colour__ cat, ${x=!{sun|rain}}${x} and ${x}\nNegative prompt: {hat|cap}\nSteps: 1, Seed: 3, Size: 32x32, Frames: 1' >dyn.txt
run dyn.txt
holds 'drawn' is "$status$(cat out)" 0dyn.gif
run info dyn.gif
holds 'what came out' grep -qE '^a (big|small) (red|blue) cat, (sun and sun|rain and rain)$' out
holds 'of the negative prompt too' grep -qE '^Negative prompt: (hat|cap)$' out
holds 'its template' grep -qF 'Template: a {big|small} __colour__ cat, ${x=!{sun|rain}}${x} and ${x}' out
holds 'both' grep -qF 'Negative Template: {hat|cap}' out
mv wildcards gone; cp dyn.gif again.gif; run again.gif
holds 'the same bytes, without the files' same dyn.gif again.gif
run dyn.txt
holds 'a missing file is an error' is $status 1
says 'there is no wildcard file for "__colour__", looked in wildcards/, extensions/sd-dynamic-prompts/wildcards/ and '
run dyn.txt --dynamic-prompts off -o off.gif
run info off.gif
holds 'off: words' grep -qF '{big|small} __colour__ cat' out
holds 'and says so' grep -qF 'Dynamic prompts: off' out
mv gone wildcards
printf 'a {red|blue} cat\nSteps: 1, Size: 32x32, Frames: 1, Seed: 1, X: "Seed: 1, 2, 3, 4, 5, 6, 7, 8"' >grid.txt
run grid.txt -o grid.png --keep-cells
for f in grid.cells/*.png; do "$persona" info "$f" | sed -n 2p; done | sort -u >kinds
holds 'each cell draws by its seed' is "$(tr '\n' ' ' <kinds)" 'a blue cat a red cat '
cp grid.png grid2.png; run grid2.png; holds 'a grid again' same grid.png grid2.png

# ---- words of others ----
run check --prompt 'a cat --ar 16:9, red++, {{more}}' --negative '<lora:x:1>' --steps 1 --size 32x32
for words in '"--ar 16:9"' 'here (red:1.21)' 'NovelAI' '1 LoRA tag in the negative prompt left out'; do says "$words"; done
printf 'a cat\nSteps: 1, Size: 32x32, Civitai resources: [{"type":"lora","weight":0.6,"modelName":"Detail"}]' >civ.txt
run check civ.txt
says 'the picture'\''s "Detail" (write <lora:FILE:0.6>)'
printf 'a cat <lora:x:1>\nSteps: 1, Size: 32x32, Civitai resources: [{"type":"checkpoint","modelName":"Dream","modelVersionName":"8"}]' >civ.txt
run check civ.txt
says 'the picture'\''s "Dream 8" (write Model: FILE)'

echo "$test: $passed passed, $failed failed"
[ $failed = 0 ]
