#!/bin/sh
# test_user_config.sh - ~/.config/persona/config: what it says where nobody else does, and what it must not touch.
# Run from the root of the source; one small still is drawn.
source=$PWD; test=test_user_config; . tests/asking.sh
config=$XDG_CONFIG_HOME/persona/config shown='~/.config/persona/config'
mkdir -p "${config%/*}" "$HOME/models" "$HOME/other"
ln -s "$source/weights/persona.safetensors" "$HOME/models/mine.safetensors"
ln -s "$source/weights/persona.safetensors" "$HOME/other/mine.safetensors"
: >out; : >err
config()  { printf '%s\n' "$@" >"$config"; }
prompt()  { printf 'a woman\n%s\n' "$1" >p.txt; }
draws()   { run check "$@" -v; holds "check $*: status $status" is $status 0; }
from()    { if grep -qxF -- "from $shown: $1" err; then ok; else wrong "not from the config: $1"; fi; }     # these and no others
silent()  { if grep -qF -- "$1" err; then wrong "\"$1\" is said"; else ok; fi; }

# ---- what the file leaves open, and no more ----
config '# mine' 'Weights: ~/models' 'Model: mine' 'Steps: 30' 'CFG scale = 6' 'Frames: 1'
prompt 'Steps: 4'
draws p.txt
from "Model, CFG scale, Frames"
says "model $HOME/models/mine.safetensors"
says 'Steps: 4, Sampler: DDIM, CFG scale: 6,'
draws p.txt --steps 3 --cfg 5
from "Model, Frames"
says 'Steps: 3, Sampler: DDIM, CFG scale: 5,'
draws --prompt 'a woman'
from "Model, Steps, CFG scale, Frames"
says 'Steps: 30,'
draws p.txt --no-config --frames 1
silent "$shown"; says 'CFG scale: 4,'
draws p.txt --weights "$HOME/other"
says "model $HOME/other/mine.safetensors"
PERSONA_WEIGHTS=$HOME/other draws p.txt
says "model $HOME/other/mine.safetensors"
draws p.txt --x 'CFG scale: 3, 7'
from "Model, Frames"
XDG_CONFIG_HOME= draws p.txt; from "Model, CFG scale, Frames"
XDG_CONFIG_HOME=relative draws p.txt; from "Model, CFG scale, Frames"
mkdir -p "$dir/xdg/persona"; echo 'Steps: 7' >"$dir/xdg/persona/config"
XDG_CONFIG_HOME=$dir/xdg draws --prompt x; says "from $dir/xdg/persona/config: Steps"
run list; holds 'list looks there too' grep -q mine out
run info mine; holds 'info finds by it' is $status 0

# ---- settings that belong to another ----
config 'Sampler: DPM++ 2M Karras' 'Schedule type: Karras' 'Eta: 0.5' 'Frames: 1' 'Prediction type: v' 'Negative prompt: a, b'
prompt 'Steps: 4, Sampler: Euler a'
draws p.txt
from "Frames, Prediction type, Negative prompt"
says 'Sampler: Euler a, CFG'; silent 'Eta: 0.5'
draws --prompt x --sampler Euler; says 'Sampler: Euler, CFG'
draws --prompt x --x 'Sampler: Euler, Heun'; from "Frames, Prediction type, Negative prompt"
prompt 'Schedule type: Exponential'
draws p.txt; says 'Sampler: DPM++ 2M, Schedule type: Exponential'
prompt 'Model: persona'
draws p.txt; silent 'Prediction type'
printf 'a woman\nNegative prompt: mine\n' >p.txt
draws p.txt; says 'Negative prompt: mine'
config 'Frames: 16'
draws --prompt x --motion none; silent "$shown"
config 'Model: nowhere'
prompt 'Model hash: 0123456789'
run check p.txt; silent nowhere

# ---- what is wrong: told, all at once, and left out ----
config 'Steps: 3' 'Stepz: 4' 'CFG scale: abc' 'LoRA: her' 'Weights: gone' 'some words' 'Frames: 1'
draws --prompt x
says "$shown: left out: line 2: \"Stepz\" is no setting (did you mean Steps?); line 3: CFG scale is \"abc\", expected"
says 'line 4: LoRA belongs to one picture, and this file to all; line 6: "some words", expected Key: value'
says "$shown: line 5: Weights is \"${config%/*}/gone\", and there is no such folder"
says 'Steps: 3,'
config 'Model: gone'
run check --prompt x
holds 'another model is never drawn with instead' is $status 1
says "$shown: line 1: Model is \"gone\", and there is no such file"

# ---- a picture that is drawn again ----
prompt 'Steps: 1, Size: 64x64, Frames: 1, Seed: 1'
run p.txt --no-config -o a.png; holds 'it draws' is $status 0
config 'Steps: 3' 'Model: gone' 'Negative prompt: x'
run a.png -o b.png; holds 'the same bytes' same a.png b.png; silent "$shown"

# ---- training ----
config 'Model: gone' 'Steps: 3' 'Stepz: 1'
run train "$source/examples/yumin" -o x.safetensors
holds 'a model that is not there ends it' is $status 1
from "Model"; says "$shown: line 1: Model is \"gone\""
run --help; holds 'help does not read it' is "$(cat err)" ''
holds 'help tells of it' grep -q -- --no-config out

# ---- files that are none ----
head -c 70000 /dev/zero | tr '\0' '#' >"$config"; draws --prompt x --frames 1; says 'left out: all of it: 70000 bytes'
printf 'Steps: 3\0\n' >"$config";                 draws --prompt x --frames 1; says 'left out: all of it: no text'
: >"$config";                                     draws --prompt x --frames 1; silent "$shown"
rm "$config"; mkfifo "$config";                   draws --prompt x --frames 1; says "$shown: left out: all of it: "
rm "$config"; mkdir "$config";                    draws --prompt x --frames 1; says "$shown: left out: all of it: "
rmdir "$config"; ln -s gone "$config";            draws --prompt x --frames 1; says "$shown: left out: all of it: "
rm "$config"; echo 'Steps: 3' >"$config"; chmod 0 "$config"
draws --prompt x --frames 1
if [ "$(id -u)" != 0 ]; then says "$shown: left out: all of it: cannot be"; fi
chmod 600 "$config"
(unset HOME XDG_CONFIG_HOME; "$persona" check --prompt x --frames 1 >out 2>err); holds 'without a home' is $? 0
silent config

echo "test_user_config: $passed passed, $failed failed"
[ $failed = 0 ]
