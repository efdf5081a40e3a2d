# Files that can be copied out: each group is copied to an empty folder, with a small program, and built there without warnings.
here=$(pwd)
: "${CC:=cc}"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0
check() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "test_alone: $2"; fi; }

build() {     # name, files: copies them and builds name.c from stdin with them
    name=$1; shift
    mkdir "$folder/$name"
    cat > "$folder/$name/main.c"
    for f; do cp "$here"/$f "$folder/$name/" 2>/dev/null || cp "$here"/*/$f "$folder/$name/"; done
    (cd "$folder/$name" && $CC -std=c11 -O1 -Wall -Wextra -Wno-missing-field-initializers -Werror *.c -lm -o program 2>log) || cat "$folder/$name/log"
    test -x "$folder/$name/program"; check $? "$name does not build from $*"
}

build gif gif.c gif.h palette.c palette.h <<'END'
#include "gif.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    unsigned char rgb[2 * 4 * 4 * 3] = { 255 };
    size_t size;
    unsigned char *gif = gif_encode(rgb, 2, 4, 4, 8, "hello", &size);
    printf("%.6s\n", gif ? (char *)gif : "?");
    free(gif);
    return 0;
}
END
[ "$("$folder/gif/program")" = GIF89a ]; check $? "gif.c with palette.c alone makes no GIF"

build gif_limit gif_limit.c gif_limit.h gif_comment.c gif_comment.h gif.c gif.h palette.c palette.h <<'END'
#include "gif_comment.h"
#include "gif_limit.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    unsigned char rgb[2 * 4 * 4 * 3] = { 255 };
    size_t size;
    GifEffort effort;
    unsigned char *gif = gif_encode_within(rgb, 2, 4, 4, 8, "hello", 1000, &effort, &size);
    char *comment = gif ? gif_comment(gif, size) : NULL;
    puts(comment ? comment : "?");
    free(comment);
    free(gif);
    return 0;
}
END
[ "$("$folder/gif_limit/program")" = hello ]; check $? "gif_comment.c alone does not bring back the comment of gif_limit.c"

build png png.c png.h deflate.c deflate.h <<'END'
#include "png.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    unsigned char rgb[3] = { 1, 2, 3 };
    size_t size;
    unsigned char *png = png_encode(rgb, 1, 1, "hello", &size);
    char *text = png ? png_text(png, size, "parameters") : NULL;
    puts(text ? text : "?");
    free(text);
    free(png);
    return 0;
}
END
[ "$("$folder/png/program")" = hello ]; check $? "png.c with deflate.c alone does not bring its text back"

build jpeg jpeg.c jpeg.h jpeg_arithmetic.c jpeg_arithmetic.h jpeg_pixels.c jpeg_pixels.h <<'END'
#include "jpeg.h"
#include <stdio.h>
int main(void)
{
    int width, height;
    char why[JPEG_WHY];
    puts(jpeg_decode((const unsigned char *)"\xFF\xD8\xFF\xD9", 4, &width, &height, why) ? "?" : why);
    return 0;
}
END
[ "$("$folder/jpeg/program")" = "no picture in it" ]; check $? "jpeg.c alone does not say what is wrong"

of_webp='webp vp8l vp8 vp8_predict vp8_filter vp8_tables'
# shellcheck disable=SC2046
build webp $(for f in $of_webp; do echo $f.c $f.h; done) <<'END'
#include "webp.h"
#include <stdio.h>
#include <stdlib.h>
/* one pixel, lossless: a group of five prefix codes of one symbol each, which take no bits */
int main(void)
{
    static const unsigned char file[] =
        "RIFF\x1A\0\0\0WEBPVP8L\x0D\0\0\0\x2F\0\0\0\0\x88\x88\x08\x08\0\0\0\0\0";
    int width, height;
    char why[WEBP_WHY] = "";
    unsigned char *rgb = webp_decode(file, sizeof file - 1, &width, &height, why);
    printf("%s%d %d\n", why, width, height);
    free(rgb);
    return 0;
}
END
[ "$("$folder/webp/program")" = "1 1" ]; check $? "$of_webp alone does not read a pixel: $("$folder/webp/program")"

of_image='image picture_info picture_kinds exif png jpeg jpeg_arithmetic jpeg_pixels bmp webp vp8l vp8 vp8_predict vp8_filter vp8_tables deflate chars utf16 unicode files tensor system'
# shellcheck disable=SC2046
build image $(for f in $of_image; do echo $f.c $f.h; done) <<'END'
#include "image.h"
#include "png.h"
#include <stdio.h>
static void work(void *arena)
{
    size_t size;
    unsigned char *png = png_encode((const unsigned char *)"\1\2\3\4\5\6", 1, 2, NULL, &size);
    Picture p = image_resize(arena, image_decode(arena, (Bytes){ png, size }, "mine"), 1, 1, BOX);
    printf("%d %d %d\n", p.rgb[0], p.rgb[1], p.rgb[2]);
}
int main(void)
{
    Arena *a = arena_new();
    char message[MESSAGE];
    if (attempt(a, work, a, message)) puts(message);
    arena_free(a);
    return 0;
}
END
[ "$("$folder/image/program")" = "3 4 5" ]; check $? "$of_image alone does not read and shrink"

build ddim ddim.c ddim.h <<'END'
#include "ddim.h"
#include <stdio.h>
/* a model that knows x0: 25 steps of DDIM end at it */
int main(void)
{
    enum { STEPS = 25 };
    float alpha_bar[TRAIN_TIMESTEPS], x = 1, x0 = 0.25f;
    alpha_bars(alpha_bar, LINEAR, 0);
    for (int i = 0; i < STEPS; i++) {
        NoiseLevel t = noise_level_at(alpha_bar, ddim_timestep(i, STEPS)), prev = ddim_final_level(alpha_bar, 1);
        if (i + 1 < STEPS) prev = noise_level_at(alpha_bar, ddim_timestep(i + 1, STEPS));
        float eps = (float)((x - t.sqrt_alpha_bar * x0) / t.sqrt_one_minus_alpha_bar), predicted = eps;
        predict_x0(&predicted, &x, 1, t, 0);
        ddim_step(&x, &x, &predicted, NULL, 1, t, prev, 0);
    }
    printf("%d %d %.4f\n", ddim_timestep(0, STEPS), ddim_timestep(STEPS - 1, STEPS), (double)x);
    return 0;
}
END
[ "$("$folder/ddim/program")" = "961 1 0.2500" ]; check $? "ddim.c alone does not end at x0"

build sampler sampler.c sampler.h schedule.c schedule.h ddim.c ddim.h <<'END'
#include "sampler.h"
#include <stdio.h>
int main(void)
{
    Sampler s;
    float memory[SAMPLER_BUFFERS], x = 1, model_output = 0;
    SamplerSetup setup = { .betas = LINEAR, .steps = 25, .memory = memory, .n = 1 };
    setup.method = sampler_named("DDIM", &setup.type);
    sampler_init(&s, &setup);
    sampler_step(&s, 0, &x, &model_output, NULL, 1);
    printf("%g %d\n", sampler_timestep(&s, 0), x > 1);
    return 0;
}
END
[ "$("$folder/sampler/program")" = "961 1" ]; check $? "sampler.c with schedule.c and ddim.c alone counts its timesteps wrong"

build random random.c random.h <<'END'
#include "random.h"
#include <stdio.h>
int main(void)
{
    float x[16];
    Rng r;
    rng_seed(&r, 1);
    rng_normal(&r, x, 16);
    printf("%.4f\n", (double)x[0]);
    return 0;
}
END
[ "$("$folder/random/program")" = -1.5256 ]; check $? "random.c alone does not draw as torch.manual_seed(1); torch.randn(16)"

build windows context_windows.c context_windows.h <<'END'
#include "context_windows.h"
#include <stdio.h>
int main(void) { printf("%d\n", context_windows(&(ContextOptions){ 64, 16, 4, 1, CLOSED }, 0, NULL)); return 0; }
END
[ "$("$folder/windows/program")" = 6 ]; check $? "context_windows.c alone counts its windows wrong"

build weights safetensors.c safetensors.h json.c json.h weight_file.c weight_file.h dtype.c dtype.h files.c files.h tensor.c tensor.h system.c system.h <<'END'
#include "safetensors.h"
#include <stdio.h>
static void work(void *arena)
{
    float x[2] = { 1, 2.5f };
    size_t shape[1] = { 2 };
    safetensors_save(arena, "x.safetensors", &(Weight){ "x", x, F32, 1, shape, 8 }, 1, NULL, 0);
    const Weight *w = file_weight(safetensors_open(arena, "x.safetensors"), "x");
    printf("%g\n", dtype_value(w->data, w->type, 1));
    safetensors_open(arena, "main.c");
}
int main(void)
{
    Arena *a = arena_new();
    char message[MESSAGE];
    puts(attempt(a, work, a, message) ? "refused" : "?");
    arena_free(a);
    return 0;
}
END
[ "$(cd "$folder/weights" && ./program | tr '\n' ' ')" = "2.5 refused " ]; check $? "safetensors.c with json.c, dtype.c, files.c, tensor.c and system.c alone do not write, read and refuse"

# all files side by side: the example of docs/embedding.md builds with them by the line that stands there.  Its speed
# flags are those of make's kernels; here -O1 is quicker.
mkdir -p "$folder/flat/build"
awk '/^```c$/ { inside = 1; next }  /^```$/ { inside = 0 }  inside' docs/embedding.md > "$folder/flat/your.c"
line=$(grep '^cc .*build/flat' docs/embedding.md)
case $line in *" -O3 -march=native -ffp-contract=fast "*) true ;; *) false ;; esac; check $? "docs/embedding.md builds with other flags: $line"
PLAIN= MAKEFLAGS= make -nB B=build build/gemm.o 2>/dev/null | grep -q -- '-O3 \(-march=native \)\?-ffp-contract=fast'; check $? "make builds the kernels with other flags than $line"
MAKEFLAGS= make -s flat B="$folder/flat/build" && ln -s "$here/weights" "$folder/flat/weights"
line=$(printf '%s' "$line" | sed "s/^cc /$CC /; s/-O3/-O1/; s/-march=native//")
[ "$PLAIN" ] && line=$(printf '%s' "$line" | sed 's/-fopenmp//')
(cd "$folder/flat" && eval "$line -o your" 2> log && ./your) > "$folder/out" 2>&1; check $? "the flat folder does not build, or its program fails: $(cat "$folder/flat/log" "$folder/out" | tail -3)"
grep -q '^drew 1 frames of 256x256' "$folder/out"; check $? "the flat program does not draw: $(cat "$folder/out")"

# what CFLAGS say goes for all files, and the kernels stay quick
PLAIN= MAKEFLAGS= make -nB B=build build/gemm.o build/text.o CFLAGS=-g NATIVE= 2>/dev/null > "$folder/made"
[ "$(grep -c -- ' -g ' "$folder/made")$(grep -c -- '-O3 .*gemm' "$folder/made")$(grep -c -- '-O3 .*text' "$folder/made")" = 210 ]; check $? "make CFLAGS=-g does not keep -g for all and -O3 for the kernels"

echo "test_alone: $passed passed, $failed failed"
[ $failed = 0 ]
