#!/bin/sh
# test_library.sh - the library: which names are visible, and that C and C++ programs can use it as persona.h says.
#
# The host program below has functions of the names that persona's own files use; they must stay untouched.
: "${CC:=cc}" "${B:=build}"
here=$(pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
check() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "test_library: $2"; fi; }
says() { printf '%s\n' "$said" | grep -q -- "$1"; check $? "the host does not say \"$1\": $said"; }

MAKEFLAGS= make -s lib > "$work/log" 2>&1
[ -s libpersona.a ]; check $? "make lib: $(tail -5 "$work/log")"

# ---- names
nm -g --defined-only libpersona.a 2>/dev/null | awk 'NF == 3 { print $3 }' | sed 's/^_persona/persona/' | sort > "$work/names"
others=$(grep -v '^persona_' "$work/names"); [ -z "$others" ]; check $? "libpersona.a shows other names:" "$others"
sed -n 's/^PERSONA_API .*[ *]\(persona_[a-z_]*\)(.*/\1/p' persona.h | sort | cmp -s - "$work/names"
check $? "libpersona.a has other functions than persona.h: $(cat "$work/names")"
foreign=$(grep '^#include' persona.h | grep -v '<stddef.h>\|<stdint.h>'); [ -z "$foreign" ]; check $? "persona.h includes $foreign"
version=$(sed -n 's/^#define PERSONA_VERSION "\(.*\)"/\1/p' persona.h)
numbers=$(sed -n 's/^#define PERSONA_VERSION_[A-Z]* \([0-9]*\)$/\1/p' persona.h | tr '\n' .)
[ "$numbers" = "$version." ]; check $? "persona.h has two versions: $numbers and $version"
[ "$(./persona --version)" = "persona $version" ]; check $? "./persona --version says $(./persona --version), persona.h $version"

# ---- a host in C
cat > "$work/host.c" <<'HOST'
#include "persona.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the host's own functions, with names that persona has too */
int touched = 0;
void add(void)     { touched++; }
void copy(void)    { touched++; }
void find(void)    { touched++; }
void concat(void)  { touched++; }
void release(void) { touched++; }
void mark(void)    { touched++; }
void fail(void)    { touched++; }
void take(void)    { touched++; }

typedef struct { int messages, progress, previews, layers, cancel_at; } Heard;

static void on_message(void *to, const char *line) { if (*line) ((Heard *)to)->messages++; }
static void on_progress(void *to, const char *stage, int done, int of) { if (*stage && done <= of) ((Heard *)to)->progress++; }
static void on_preview(void *to, const unsigned char *rgb, int frames, int width, int height)
{
    if (rgb && frames > 0 && width > 0 && height > 0) ((Heard *)to)->previews++;
}
static int on_cancel(void *to)
{
    Heard *h = to;
    return ++h->layers == h->cancel_at;
}

static persona_file read_file(const char *name, const char *path, int misaligned)
{
    FILE *f = fopen(path, "rb");
    persona_file file = { name, NULL, 0 };
    if (!f) return file;
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    char *data = malloc(size + 64);
    rewind(f);
    file.size = fread(data + misaligned, 1, size, f);
    file.data = data + misaligned;
    fclose(f);
    return file;
}

static persona_job small_job(void)
{
    persona_job job = { 0 };
    job.prompt = "portrait of a man with red hair";
    job.model = "weights/persona.safetensors";
    job.motion = "weights/persona_motion.safetensors";
    job.merges = "weights/merges.txt";
    job.frames = 2;
    job.seed = 3;
    job.steps = 2;
    return job;
}

static const char *status_name(persona_status s)
{
    const char *names[] = { "OK", "FAILED", "CANCELLED", "OUT_OF_MEMORY" };
    return names[s];
}

static void write_gif(const persona_pictures *p, double fps, const char *comment, const char *path)
{
    size_t size = 0;
    unsigned char *gif = persona_gif_encode(p->rgb, p->frames, p->width, p->height, fps, comment, &size);
    FILE *f = fopen(path, "wb");
    fwrite(gif, 1, size, f);
    fclose(f);
    persona_free(gif);
}

static void train(const char *what, persona_job job, const char *out, const char *const *option, size_t options, int cancel_at)
{
    char message[PERSONA_MESSAGE];
    Heard heard = { 0 };
    persona_callbacks callbacks = { 0 };
    callbacks.to = &heard;
    callbacks.cancel = on_cancel;
    heard.cancel_at = cancel_at;
    persona_status status = persona_train("examples/yumin", out, &job, option, options, &callbacks, message);
    printf("%s: %s %s\n", what, status_name(status), message);
}

int main(int argc, char **argv)
{
    const char *folder = argv[1], *comment = argc > 2 ? argv[2] : NULL;
    char message[PERSONA_MESSAGE], path[1000];
    persona_pictures drawn, again;
    persona_plan plan;
    Heard heard = { 0 };
    persona_callbacks callbacks = { &heard, on_message, on_progress, on_preview, on_cancel };

    persona_job job = small_job();
    persona_status status = persona_check(&job, NULL, &plan, message);
    printf("check: %s%s, %d frames of %dx%d\n", status_name(status), message, plan.frames, plan.width, plan.height);
    printf("plan: %s\n", plan.memory > plan.mapped && plan.operations > 1e6 && plan.seconds > 0 && plan.passes == 2 ? "well" : "wrong");

    job = small_job();
    job.keep_latents = 1;
    status = persona_generate(&job, &callbacks, &drawn, message);
    printf("paths: %s%s, %d frames of %dx%d, cfg %g\n", status_name(status), message, drawn.frames, drawn.width, drawn.height, job.cfg);
    printf("heard: %s\n", heard.messages > 2 && heard.progress > 3 && heard.layers > 100 ? "well" : "little");
    if (status) return 1;
    size_t bytes = (size_t)drawn.frames * (size_t)drawn.width * (size_t)drawn.height * 3, finite = 0, various = 0;
    for (size_t i = 0; i < bytes / 3 / 64 * 4; i++) {
        finite += !!isfinite(drawn.latents[i]);
        various += drawn.latents[i] != drawn.latents[0];
    }
    printf("latents: %s\n", finite == bytes / 3 / 64 * 4 && various > finite / 2 ? "finite" : "broken");
    snprintf(path, sizeof path, "%s/host.gif", folder);
    write_gif(&drawn, job.fps, comment, path);
    size_t size = 0;
    unsigned char *png = persona_png_encode(drawn.rgb, drawn.width, drawn.height, NULL, &size);
    printf("png: %s\n", png && size > 8 && !memcmp(png, "\x89PNG", 4) ? "well" : "broken");

    /* the same from memory; a job that has no paths of files at all */
    persona_file file[] = {
        read_file("mem:model", "weights/persona.safetensors", 0),
        read_file("mem:motion", "weights/persona_motion.safetensors", 1),
        read_file("mem:merges", "weights/merges.txt", 3),
        { "mem:picture", png, size },
        read_file("persona_upscaler.safetensors", "weights/persona_upscaler.safetensors", 0),
    };
    job = small_job();
    job.model = "mem:model";
    job.motion = "mem:motion";
    job.merges = "mem:merges";
    job.file = file;
    job.files = 5;
    status = persona_generate(&job, NULL, &again, message);
    int same = status == PERSONA_OK && !memcmp(drawn.rgb, again.rgb, bytes) && !again.latents;
    printf("memory: %s%s, %s\n", status_name(status), message, same ? "same bytes" : "other bytes");
    persona_pictures_free(&again);
    job.init = "mem:picture";
    status = persona_generate(&job, NULL, &again, message);
    printf("init: %s%s\n", status_name(status), message);
    persona_pictures_free(&again);
    persona_free(png);

    /* what goes wrong */
    job = small_job();
    job.model = "no such file";
    status = persona_generate(&job, NULL, &again, message);
    printf("missing: %s %s%s\n", status_name(status), message, again.rgb ? ", and pictures" : "");
    job = small_job();
    job.prediction = "vanilla";
    status = persona_check(&job, NULL, &plan, message);
    printf("choice: %s %s\n", status_name(status), message);
    job = small_job();
    job.width = job.height = 8192;
    job.frames = 100000;
    status = persona_check(&job, NULL, &plan, NULL);
    printf("huge: %s\n", status_name(status));
    job = small_job();
    job.keep_latents = 1;
    heard.cancel_at = heard.layers + 400;
    status = persona_generate(&job, &callbacks, &again, message);
    printf("cancel: %s %s%s\n", status_name(status), message, again.rgb || again.latents ? ", and pictures" : "");

    /* training */
    const char *wrong[] = { "network_rank=4" }, *bare[] = { "network_dim" }, *none[] = { "train_batch_size=0" };
    const char *right[] = { "network_dim=2", "max_train_steps=1", "flip_aug", "resolution=64" };
    snprintf(path, sizeof path, "%s/face.safetensors", folder);
    job = small_job();
    train("unknown", job, path, wrong, 1, 0);
    train("bare", job, path, bare, 1, 0);
    train("batch", job, path, none, 1, 0);
    train("ending", job, "face.gif", NULL, 0, 0);
    train("stopped", job, path, right, 4, 400);
    train("trained", job, path, right, 4, 0);
    persona_lora lora = { path, 1, 1, NULL };
    job.lora = &lora;
    job.loras = 1;
    status = persona_check(&job, NULL, &plan, message);
    printf("lora: %s%s\n", status_name(status), message);
    persona_pictures_free(&drawn);
    for (int i = 0; i < 3; i++) free((char *)file[i].data - (i == 1) - 3 * (i == 2));
    printf("version: %s\n", strcmp(persona_version(), PERSONA_VERSION) ? "two" : "one");
    printf("touched: %d\n", touched);
    return 0;
}
HOST

# a clip of the program, and what it says in its comment
printf 'portrait of a man with red hair\nSteps: 2, Seed: 3, Frames: 2, Motion module: persona_motion\n' > "$work/prompt.txt"
./persona "$work/prompt.txt" --quiet -o "$work/persona.gif" > /dev/null; check $? "./persona does not draw"
comment=$(./persona info "$work/persona.gif" | sed 1d)

openmp=$(echo 'int main(void){return 0;}' | $CC -fopenmp -x c - -o /dev/null 2>/dev/null && [ -z "$PLAIN" ] && echo -fopenmp)
strict="-std=c11 -Wall -Wextra -Werror -O1 -I$here"
$CC $strict "$work/host.c" libpersona.a $openmp -lm -o "$work/host" 2> "$work/log"; check $? "a host in C does not build: $(head -5 "$work/log")"
said=$("$work/host" "$work" "$comment" 2> "$work/err"); check $? "the host fails"
[ ! -s "$work/err" ]; check $? "the library prints: $(head -3 "$work/err")"
says '^check: OK, 2 frames of 256x256$'
says '^plan: well'
says '^paths: OK, 2 frames of 256x256, cfg 4$'
says '^heard: well$'
says '^latents: finite$'
says '^png: well$'
says '^memory: OK, same bytes$'
says '^init: OK$'
says '^missing: FAILED no such file: cannot be opened: [^,]*$'
says '^choice: FAILED Prediction type is vanilla, expected epsilon or v$'
says '^huge: OUT_OF_MEMORY$'
says '^cancel: CANCELLED interrupted$'
says '^unknown: FAILED "network_rank=4" is no option of training here (did you mean network_dim?)'
says '^bare: FAILED "network_dim": expected network_dim=VALUE$'
says '^batch: FAILED --train_batch_size is "0", expected a whole number from 1 to 1024$'
says '^ending: FAILED face.gif: expected an output that ends in .safetensors$'
says '^stopped: CANCELLED interrupted'
says '^trained: OK $'
says '^lora: OK$'
says '^version: one$'
says '^touched: 0$'
cmp -s "$work/host.gif" "$work/persona.gif"; check $? "the host's GIF is not the one that ./persona writes"

# ---- the example of the documentation, with the shared library where there is one
awk '/^```c$/ { inside = 1; next }  /^```$/ { inside = 0 }  inside' docs/embedding.md > "$work/example.c"
library=libpersona.a
[ -e libpersona.so ] && library="$here/libpersona.so"
$CC $strict "$work/example.c" $library $openmp -lm -o "$work/example" 2> "$work/log"; check $? "the example of docs/embedding.md does not build: $(head -5 "$work/log")"
ln -s "$here/weights" "$work/weights"
said=$(cd "$work" && ./example); check $? "the example of docs/embedding.md fails"
says '^no such file: cannot be opened'
says '^drew 1 frames of 256x256$'
[ -s "$work/still.gif" ]; check $? "the example of docs/embedding.md writes no GIF"

# ---- a host in C++, when there is a compiler
cat > "$work/host.cpp" <<'HOST'
#include "persona.h"
#include <cstdio>
int main()
{
    persona_job job = {};
    persona_plan plan;
    char message[PERSONA_MESSAGE];
    job.model = "weights/persona.safetensors";
    job.merges = "weights/merges.txt";
    persona_status status = persona_check(&job, nullptr, &plan, message);
    std::printf("%s %d %s%d\n", persona_version(), status, message, plan.width);
}
HOST
cxx=$(command -v c++ || command -v g++ || command -v clang++)
if [ "$cxx" ]; then
    $cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror -I. "$work/host.cpp" libpersona.a $openmp -lm -o "$work/hostpp" 2> "$work/log"; check $? "a host in C++ does not build: $(head -5 "$work/log")"
    [ "$("$work/hostpp")" = "$version 0 256" ]; check $? "the host in C++ says $("$work/hostpp")"
fi

echo "test_library: $passed passed, $failed failed"
[ $failed = 0 ]
