/* test_preview.c - the picture as it forms: how well the map knows the decoder, that looking changes nothing, and the
 * bytes a terminal gets. */
#include "checkpoint.h"
#include "generate.h"
#include "preview.h"
#include "terminal.h"
#include "test.h"
#include "vae.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 128, CELLS = SIDE / 8 };

static const Job example = { .prompt = "portrait of a woman with red hair, blue eyes, beach",
                             .model = "weights/persona.safetensors", .merges = "weights/merges.txt", .steps = 8,
                             .width = SIDE, .height = SIDE, .cfg = 4, .seed = 6, .frames = 1 };

typedef struct { Arena *a; Job job; Callbacks watch; Pictures p; int looks; Pictures seen; } Drawing;

static void draw(void *to) { Drawing *d = to; d->p = generate(d->a, &d->job, &d->watch); }

static void see(void *to, Pictures small)
{
    static unsigned char kept[CELLS * CELLS * 3];
    Drawing *d = to;
    d->looks++, d->seen = small, d->seen.rgb = kept;
    memcpy(kept, small.rgb, sizeof kept);
}

static double correlation(const double *x, const double *y, int n)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < n; i++) mx += x[i] / n, my += y[i] / n;
    for (int i = 0; i < n; i++)
        xx += (x[i] - mx) * (x[i] - mx), yy += (y[i] - my) * (y[i] - my), xy += (x[i] - mx) * (y[i] - my);
    return xy / sqrt(xx * yy);
}

/* root of the mean square of the differences, of 255 */
static double difference(const unsigned char *small, const unsigned char *rgb)
{
    double sum = 0, mean[CELLS * CELLS * 3] = { 0 };
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        mean[(i / 3 / SIDE / 8 * CELLS + i / 3 % SIDE / 8) * 3 + i % 3] += rgb[i] / 64.0;
    for (int i = 0; i < CELLS * CELLS * 3; i++) sum += (small[i] - mean[i]) * (small[i] - mean[i]);
    return sqrt(sum / (CELLS * CELLS * 3));
}

/* of the small picture with the means of 8x8 pixels, channel by channel: the worst */
static double likeness(const unsigned char *small, const unsigned char *rgb)
{
    double worst = 1;
    for (int c = 0; c < 3; c++) {
        double x[CELLS * CELLS], y[CELLS * CELLS] = { 0 };
        for (int i = 0; i < CELLS * CELLS; i++) x[i] = small[3 * i + c];
        for (int i = 0; i < SIDE * SIDE; i++) y[i / SIDE / 8 * CELLS + i % SIDE / 8] += rgb[3 * i + c] / 64.0;
        double now = correlation(x, y, CELLS * CELLS);
        if (now < worst) worst = now;
    }
    return worst;
}

static void test_looking(Arena *a)
{
    char why[MESSAGE];
    Drawing plain = { .a = a, .job = example }, seen = { .a = a, .job = example };
    seen.watch.to = &seen, seen.watch.preview = see;
    CHECK_MSG(!attempt(a, draw, &plain, why) && !attempt(a, draw, &seen, why), "%s", why);
    CHECK(!memcmp(plain.p.rgb, seen.p.rgb, 3 * SIDE * SIDE));
    CHECK(!plain.looks && seen.looks >= 1 && seen.looks <= 8 && seen.seen.frames == 1 && seen.seen.width == CELLS
          && seen.seen.height == CELLS);
    double alike = likeness(seen.seen.rgb, seen.p.rgb);
    CHECK_MSG(alike > 0.6, "%.3f", alike);                /* of an early step with the last one */
}

/* the latents of a picture that was drawn, by the encoder; their map; the picture that decodes from them */
static void test_map(Arena *a)
{
    char why[MESSAGE];
    Drawing d = { .a = a, .job = example };
    CHECK_MSG(!attempt(a, draw, &d, why), "%s", why);
    Machine machine = { a, 2, 0, 0, 0 };
    Run run = { .machine = &machine, .weights = weights_add(a, NULL, example.model, MODEL_FILE), .frames = 1 };
    Tensor x = tensor(&run, 1, SIDE, SIDE, 3), z = tensor(&run, 1, CELLS, CELLS, 4);
    for (size_t i = 0; i < size(x); i++) x.x[i] = d.p.rgb[i] / 127.5f - 1;
    Tensor moments = vae_encode(&run, x);
    for (size_t i = 0; i < size(z); i++) z.x[i] = LATENT_SCALE * moments.x[i / 4 * 8 + i % 4];
    LatentMap map = preview_fit(&run, z);
    unsigned char small[CELLS * CELLS * 3];
    preview_draw(&map, z, small);
    double alike = likeness(small, d.p.rgb), apart = difference(small, d.p.rgb);
    printf("  the map and the decoder: correlation of the worst channel %.3f, apart by %.1f/255\n", alike, apart);
    CHECK_MSG(alike > 0.95 && apart < 25, "%.3f, %.1f", alike, apart);
    z = tensor(&run, 1, 40, 2, 4);                        /* long and narrow, and all of one colour */
    for (size_t i = 0; i < size(z); i++) z.x[i] = 0.5f;
    map = preview_fit(&run, z);
    for (int c = 0; c < 3; c++) CHECK(isfinite(map.offset[c]) && fabsf(map.factor[0][c]) < 10);
}

static void test_blocks(Arena *a)
{
    unsigned char rgb[] = { 1, 2, 3, 1, 2, 3, 255, 0, 9,   4, 5, 6, 7, 8, 9, 7, 8, 9,   10, 20, 30, 10, 20, 30, 40, 50,
                            60 };
    static const char expected[] = "\r\033[38;2;1;2;3;48;2;4;5;6m\xe2\x96\x80\033[48;2;7;8;9m\xe2\x96\x80\033[38;2;255;0;9m\xe2\x96\x80\033[0m\033[K\n"
                                   "\r\033[38;2;10;20;30m\xe2\x96\x80\xe2\x96\x80\033[38;2;40;50;60m\xe2\x96\x80\033[0m\033[K\n";
    const char *text = half_block_text(a, (Picture){ 3, 3, rgb });
    CHECK_MSG(!strcmp(text, expected), "%s", text);
    /* as long as a character can be, and all within what was taken */
    unsigned char wide[200 * 3 * 2];
    for (int i = 0; i < 1200; i++) wide[i] = (unsigned char)(100 + i % 151);
    size_t before = mark(a);
    text = half_block_text(a, (Picture){ 200, 2, wide });
    CHECK(strlen(text) > 200 * 38 && strlen(text) < mark(a) - before);
}

static void test_refusal(void)
{
    const char *lacks = terminal_why_no_preview();
    CHECK(!lacks || !strncmp(lacks, "no preview: ", 12));
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_looking(a), test_map(a), test_blocks(a), test_refusal();
    arena_free(a);
    return done();
}
