#!/bin/sh
# docs/experiments.sh - makes the pictures of docs/evening.md again.
#
#     sh docs/experiments.sh              all of them, into docs/pictures/: some ten minutes on two cores
#     sh docs/experiments.sh x0 betas     these experiments only
#     KIND=png sh docs/experiments.sh     as PNG, into build/experiments/; of clips every fourth frame, below each other
#
# Some experiments change one line of the program.  That happens in a copy of the source, in build/experiments/source.
# A line that is not there exactly once is an error: then the source has changed, and the experiment must change too.
cd "$(dirname "$0")/.." || exit 1
set -eu
: "${CC:=cc}" "${KIND:=gif}"
work=build/experiments
copy=$work/source
persona=$work/persona
pictures=docs/pictures
[ "$KIND" = gif ] || pictures=$work
prompt=docs/evening.txt
folders=$(sed -n "s/^FOLDERS *= //p" Makefile)

# ---- building ----

copy_source() {
    mkdir -p "$copy" "$pictures"
    for folder in . $folders; do
        mkdir -p "$copy/$folder"
        for file in "$folder"/*.[ch]; do cmp -s "$file" "$copy/$file" || cp "$file" "$copy/$file"; done
    done
    cp Makefile "$copy/"
}

build() { make -s -C "$copy" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }; cp "$copy/persona" "$1"; }

# edited PROGRAM FILE OLD NEW: builds PROGRAM with one line of FILE changed, and changes it back.
# OLD leaves out the comment behind the code.
edited() {
    lines=$(sed 's|  */\*.*\*/$||' "$2" | grep -nFx -- "$3" | cut -d: -f1)
    if [ "$(printf '%s\n' "$lines" | grep -c .)" != 1 ]; then
        echo "experiments: $2 has this line not exactly once: $3" >&2
        exit 1
    fi
    printf '%s\n' "$4" > "$work/new"
    sed -e "${lines}r $work/new" -e "${lines}d" "$2" > "$copy/$2"
    build "$work/$1"
    cp "$2" "$copy/$2"
}

# join OUT LABEL PREFIX [LABEL PREFIX ...]: pictures PREFIX.png, or clips PREFIX-001.png and on, side by side.
build_join() {
    cat > "$work/join.c" <<'END'
#include "gif.h"
#include "grid.h"
#include "image.h"
#include "png.h"
#include <stdio.h>
#include <string.h>

enum { MOST_CELLS = 16, MOST_FRAMES = 64 };

typedef struct { Arena *arena; int count; char **argument; } Command;
typedef struct { Picture frame[MOST_FRAMES]; int frames; } Clip;

static Clip open_clip(Arena *a, const char *prefix)
{
    Clip c = { .frames = 0 };
    const char *still = format(a, "%s.png", prefix);
    if (file_is(still)) c.frame[c.frames++] = image_open(a, still);
    while (c.frames < MOST_FRAMES) {
        const char *path = format(a, "%s-%03d.png", prefix, c.frames + 1);
        if (!file_is(path)) break;
        c.frame[c.frames++] = image_open(a, path);
    }
    if (!c.frames) fail(a, "%s: no such pictures", still);
    return c;
}

/* A clip that is shorter than the others begins again.  every: of a PNG, the frames that become rows */
static void join(void *command)
{
    Command *c = command;
    Arena *a = c->arena;
    const char *out = c->argument[1];
    int is_png = strstr(out, ".png") != NULL;
    int cells = (c->count - 2) / 2;
    int frames = 0;
    const char *label[MOST_CELLS];
    static Clip clip[MOST_CELLS];
    if (cells < 1 || cells > MOST_CELLS) fail(a, "join: %d cells, expected 1 to %d", cells, MOST_CELLS);
    for (int i = 0; i < cells; i++) {
        label[i] = c->argument[2 + 2 * i];
        clip[i] = open_clip(a, c->argument[3 + 2 * i]);
        if (clip[i].frames > frames) frames = clip[i].frames;
    }
    int every = is_png && frames > 1 ? 4 : 1;
    int rows = is_png ? (frames + every - 1) / every : 1;
    Picture first = clip[0].frame[0];
    GridSetup setup = {
        .count = { cells, rows, 1 },
        .label = { label, NULL, NULL },
        .frames = 1,
        .width = first.width,
        .height = first.height,
    };
    if (!is_png) setup.frames = frames;
    Grid g = grid_layout(a, &setup);
    grid_begin(a, &g);
    size_t bytes = (size_t)first.width * (size_t)first.height * 3;
    unsigned char *cell = allocate(a, bytes * (size_t)setup.frames, 1);
    for (int i = 0; i < cells; i++)
        for (int row = 0; row < rows; row++) {
            for (int f = 0; f < setup.frames; f++) {
                Picture p = clip[i].frame[(row * every + f) % clip[i].frames];
                if (p.width != first.width || p.height != first.height) fail(a, "join: pictures differ in size");
                memcpy(cell + (size_t)f * bytes, p.rgb, bytes);
            }
            grid_paste(&g, i, row, 0, cell);
        }
    size_t size;
    unsigned char *file;
    if (is_png) file = png_encode(g.rgb, g.width, g.height, NULL, &size);
    else file = gif_encode(g.rgb, setup.frames, g.width, g.height, 8, NULL, &size);
    arena_own(a, file);
    if (!file) fail(a, "join: out of memory");
    File save = { out, { file, size } };
    files_save(a, &save, 1);
}

int main(int count, char **argument)
{
    Arena *a = arena_new();
    char why[MESSAGE];
    Command c = { a, count, argument };
    int failed = attempt(a, join, &c, why);
    if (failed) fprintf(stderr, "%s\n", why);
    arena_free(a);
    return failed ? 1 : 0;
}
END
    set --
    for folder in . $folders; do set -- "$@" "-I$copy/$folder"; done
    (cd "$copy" && ls gif.c tensor.c base/*.c image_formats/*.c) | sed "s|^|$copy/|" > "$work/files"
    # shellcheck disable=SC2046
    $CC -std=c11 -O2 "$@" "$work/join.c" $(cat "$work/files") -lm -o "$work/join"
}

# ---- drawing ----

# grid NAME ARGUMENTS: a grid of stills by the program as it is
grid() {
    name=$1; shift
    "$persona" "$prompt" --frames 1 --quiet "$@" -o "$pictures/$name.$KIND"
}

# draw PROGRAM NAME ARGUMENTS: PNG pictures for join
draw() {
    program=$1 name=$2; shift 2
    rm -f "$work/$name.png" "$work/$name"-[0-9]*.png
    "$work/$program" "$prompt" --quiet "$@" -o "$work/$name.png"
}

join() { name=$1; shift; "$work/join" "$pictures/$name.$KIND" "$@"; }

emphasis() { grid emphasis --x 'Prompt S/R: green eyes, (sunglasses:-1), (sunglasses:0), (sunglasses:0.5), sunglasses, (sunglasses:1.5)'; }

clip_skip() { grid clip_skip --x 'Clip skip: 1-3' --y 'Seed: 5, 6'; }

cross_attention() {
    edited persona-deaf unet.c \
        '    h = add(r, h, cross_attention(r, at(r, p, "attn2"), layer_norm(r, at(r, p, "norm2"), h), c->text));' \
        '    /* the text is not read */'
    draw persona words --frames 1
    draw persona-deaf no_words --frames 1
    join cross_attention 'as it is' "$work/words" 'no cross-attn' "$work/no_words"
}

motion() {
    edited persona-still motion.c \
        '    if (!has_module(motion_kind(r->weights), slot)) return x;' \
        '    if (!has_module(NO_MOTION, slot)) return x;'
    draw persona moving --frames 8
    draw persona-still still --frames 8
    join motion 'module on' "$work/moving" 'module off' "$work/still"
}

length() {
    draw persona short --frames 8
    draw persona long --frames 16
    join length '8 frames' "$work/short" '16 frames' "$work/long"
}

x0() {
    set --
    for k in 1 3 6 10 15 25; do
        edited "persona-x0-$k" denoise.c \
            '        if (d->on_x0) d->on_x0(d->on_x0_to, x0);' \
            "        if (i + 1 == $k) { memcpy(x.x, x0.x, n * sizeof *x.x); break; }"
        draw "persona-x0-$k" "x0-$k" --frames 1
        set -- "$@" "step $k" "$work/x0-$k"
    done
    join x0 "$@"
}

guidance() { grid guidance --x 'CFG scale: 1, 2.5, 4, 7.5, 11, 15'; }

steps() { grid steps --x 'Steps: 2, 4, 6, 10, 15, 25'; }

betas() {
    edited persona-betas drawing/job_files.c \
        '    w->denoising.sampling.betas = moves ? LINEAR : SCALED_LINEAR;' \
        '    w->denoising.sampling.betas = moves ? SCALED_LINEAR : LINEAR;'
    draw persona right --frames 8
    draw persona-betas wrong --frames 8
    draw persona right_still --frames 1
    draw persona-betas wrong_still --frames 1
    join betas 'right' "$work/right" 'wrong' "$work/wrong" 'still, right' "$work/right_still" 'still, wrong' "$work/wrong_still"
}

latents() {
    edited persona-latents generate.c \
        '    upscale_picture(&w->run, &w->upscaling, picture, rgb, width, height);' \
'    unsigned char *small = allocate(w->mem, rows(latents), 3);
    LatentMap map = { 0 };
    if (!w->machine.dry) map = preview_fit(&w->run, latents);
    if (!w->machine.dry) preview_draw(&map, latents, small);
    for (size_t i = 0; i < size(picture) && !w->machine.dry; i++) {
        size_t row = i / 3 / (size_t)picture.w / FACTOR;
        size_t column = i / 3 % (size_t)picture.w / FACTOR;
        rgb[i] = small[(row * (size_t)latents.w + column) * 3 + i % 3];
    }'
    draw persona-latents latents --frames 1
    draw persona decoded --frames 1
    join latents '16x16 latents' "$work/latents" 'decoded' "$work/decoded"
}

# The LoRA of examples/README.md, which the next two experiments need.
train() {
    [ -f examples/yumin.safetensors ] && [ -f examples/yumin-step00000100.safetensors ] && return
    "$persona" train examples/yumin -o examples/yumin.safetensors --max_train_steps 600 --learning_rate 1e-3 \
        --min_snr_gamma 5 --seed 1 --save_every_n_steps 100 --quiet
}

lora() {
    train
    "$persona" examples/yumin.txt --frames 1 --quiet --x 'LoRA yumin: 0-1.5 [6]' -o "$pictures/lora.$KIND"
}

training() {
    train
    "$persona" examples/yumin.txt --frames 1 --quiet -o "$pictures/training.$KIND" \
        --prompt "portrait of yumin woman, red sweater, happy, at the beach, <lora:yumin-step00000100:0.9>" \
        --x "Prompt S/R: step00000100, step00000200, step00000300, step00000400, step00000500"
}

all='emphasis clip_skip cross_attention motion length x0 guidance steps betas latents lora training'
[ $# -gt 0 ] || set -- $all
for experiment; do
    case " $all " in *" $experiment "*) ;; *) echo "experiments: $experiment is none of: $all" >&2; exit 2 ;; esac
done
copy_source
build "$persona"
build_join
for experiment; do
    echo "$experiment"
    $experiment
done
