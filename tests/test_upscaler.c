/* test_upscaler.c - upscalers against spandrel's modules, in every spelling of their names; tiles and threads.
 *
 * tests/golden_upscaler.py says what the golden holds.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "checkpoint.h"
#include "hash_weights.h"
#include "test.h"
#include "upscaler.h"
#include "upscaling.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* A network that adds 200 numbers in float32, of a size of about 1. */
static const double TOLERANCE = 1e-5;

static const struct { const char *name, *said; } cases[] = {
    { "compact_4x", "SRVGGNetCompact of 5 convolutions, 4x" },
    { "compact_2x", "SRVGGNetCompact of 7 convolutions, 2x" },
    { "compact_1x", "SRVGGNetCompact of 4 convolutions, 1x" },
    { "compact_relu", "SRVGGNetCompact of 4 convolutions, 2x" },
    { "rrdb_4x", "RRDBNet of 2 blocks, 4x" },
    { "rrdb_2x", "RRDBNet of 1 block, 2x" },
    { "rrdb_1x", "RRDBNet of 1 block, 1x" },
    { "rrdb_trunk", "RRDBNet of 1 block, 4x" },
    { "esrgan_4x", "RRDBNet of 2 blocks, 4x" },
    { "esrgan_2x", "RRDBNet of 1 block, 2x" },
    { "esrgan_1x", "RRDBNet of 1 block, 1x" },
    { "esrgan_8x", "RRDBNet of 1 block, 8x" },
    { "esrgan_plus", "RRDBNet of 1 block, 4x" },
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct {
    Arena   *a;
    Machine  machine;
    Run      run;
    Upscaler network;
    char     folder[64];
} Case;

/* Opens the network of a recipe, as a file that is read. */
static void open_case(Case *c, const char *name)
{
    char *path = format(c->a, "%s/%s.safetensors", c->folder, name);
    hash_weights(c->a, format(c->a, "tests/golden/upscaler_%s.weights", name), path);
    c->run = (Run){ .machine = &c->machine, .weights = weights_add_upscaler(c->a, NULL, path, "upscaler.") };
    unlink(path);
    c->network = upscaler_of(&c->run, "upscaler.");
}

static Tensor golden(Case *c, const WeightFile *f, const char *name, const char *what)
{
    const Weight *w = file_weight(f, format(c->a, "%s.%s", name, what));
    if (!w) fail(c->a, "the golden has no %s.%s", name, what);
    Tensor x = tensor(&c->run, 1, (int)w->shape[0], (int)w->shape[1], (int)w->shape[2]);
    memcpy(x.x, w->data, w->bytes);
    return x;
}

static double largest_difference(Tensor x, Tensor y)
{
    double most = 0;
    if (size(x) != size(y) || x.w != y.w) return INFINITY;
    for (size_t i = 0; i < size(x); i++) {
        double d = fabs((double)x.x[i] - (double)y.x[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

static void test_goldens(void *to)
{
    Case *c = to;
    double worst = 0;
    const WeightFile *f = weights_open(c->a, "tests/golden/upscaler.golden");
    for (size_t i = 0; i < CASES; i++) {
        size_t before = mark(c->a);
        open_case(c, cases[i].name);
        const char *said = upscaler_said(c->a, &c->network);
        CHECK_MSG(!strcmp(said, cases[i].said), "%s: %s, expected %s", cases[i].name, said, cases[i].said);
        Tensor y = upscale(&c->run, &c->network, golden(c, f, cases[i].name, "x"), 0);
        double d = largest_difference(y, golden(c, f, cases[i].name, "y"));
        CHECK_MSG(d <= TOLERANCE, "%s: differs by %g", cases[i].name, d);
        if (d > worst) worst = d;
        release(c->a, before);
    }
    printf("upscalers against spandrel: %.2g of the tolerance\n", worst / TOLERANCE);
}

/* A picture of bands and a disc, so that tiles have something to differ in. */
static Tensor picture(Run *r, int height, int width)
{
    Tensor x = tensor(r, 1, height, width, 3);
    float *at = x.x;
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            for (int k = 0; k < 3; k++) *at++ = 0.5f + 0.4f * sinf(0.07f * (float)(k + 1) * (float)(i + 2 * j));
    return x;
}

/* SRVGGNetCompact gives the same bytes in tiles as whole, and any number of threads does. */
static void test_tiles(void *to)
{
    Case *c = to;
    open_case(c, "compact_4x");
    Tensor x = picture(&c->run, 99, 130);
    Tensor whole = upscale(&c->run, &c->network, x, 0);
    Tensor tiles = upscale(&c->run, &c->network, x, 24);
    CHECK(!memcmp(whole.x, tiles.x, size(whole) * sizeof *whole.x));
    c->machine.threads = 3;
    tiles = upscale(&c->run, &c->network, x, 24);
    CHECK(!memcmp(whole.x, tiles.x, size(whole) * sizeof *whole.x));
    open_case(c, "compact_2x");                          /* 24 channels: no Winograd */
    c->machine.threads = 1;
    whole = upscale(&c->run, &c->network, x, 0);
    tiles = upscale(&c->run, &c->network, x, 31);
    CHECK(!memcmp(whole.x, tiles.x, size(whole) * sizeof *whole.x));
}

/* An RRDBNet's tiles differ by less than a level of 255 from the whole picture. */
static void test_rrdb_tiles(void *to)
{
    Case *c = to;
    open_case(c, "rrdb_2x");
    Tensor x = picture(&c->run, 61, 75);
    double d = largest_difference(upscale(&c->run, &c->network, x, 0), upscale(&c->run, &c->network, x, 32));
    printf("RRDBNet: tiles differ by %.2g\n", d);
    CHECK(d < 0.5 / 255);
}

/* Pillow: Image.resize, and the floats are clamped and rounded as torch does it. */
static void test_bytes(void *to)
{
    Case *c = to;
    c->run = (Run){ .machine = &c->machine };
    Tensor x = tensor(&c->run, 1, 2, 2, 3);
    static const float values[] = { -3, -1, -0.5f, 0, 0.5f, 1, 3, 0.25f, -0.25f, 1, 1, 1 };
    static const unsigned char expected[] = { 0, 0, 64, 128, 191, 255, 255, 159, 96, 255, 255, 255 };
    unsigned char rgb[4 * 3 * 3];
    memcpy(x.x, values, sizeof values);
    upscale_picture(&c->run, &(Upscaling){ .method = NOT_UPSCALED }, x, rgb, 2, 2);
    CHECK(!memcmp(rgb, expected, sizeof expected));
    upscale_picture(&c->run, &(Upscaling){ .method = BY_NEAREST }, x, rgb, 4, 3);
    static const int from[] = { 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3 };
    for (size_t i = 0; i < 12; i++) CHECK(!memcmp(rgb + 3 * i, expected + 3 * from[i], 3));
}

/* ---- what is refused ----------------------------------------------------------------------------- */

static void open_lines(Case *c, const char *lines)
{
    char *recipe = format(c->a, "%s/lines", c->folder);
    char *path = format(c->a, "%s/lines.safetensors", c->folder);
    FILE *f = fopen(recipe, "w");
    if (!f) fail(c->a, "no recipe can be written");
    fputs(lines, f);
    fclose(f);
    hash_weights(c->a, recipe, path);
    unlink(recipe);
    c->run = (Run){ .machine = &c->machine, .weights = weights_add_upscaler(c->a, NULL, path, "upscaler.") };
    unlink(path);
    c->network = upscaler_of(&c->run, "upscaler.");
    upscale(&c->run, &c->network, picture(&c->run, 8, 8), 0);
}

typedef struct { Case *c; const char *lines; } Broken;

static void try_lines(void *to)
{
    Broken *b = to;
    open_lines(b->c, b->lines);
}

/* the first lines of recipes */
#define FIRST    "body.0.weight F32 8,3,3,3 0 1\nbody.0.bias F32 8 0 1\n"
#define LAST(n)  "body.2.weight F32 " #n ",8,3,3 0 1\nbody.2.bias F32 " #n " 0 1\n"

static void test_broken(Case *c)
{
    static const struct { const char *lines, *message; } broken[] = {
        { "body.0.weight F32 8,4,3,3 0 1\nbody.0.bias F32 8 0 1\n" LAST(12), "neither SRVGGNetCompact" },
        { FIRST LAST(13), "neither SRVGGNetCompact" },
        { FIRST "body.2.weight F32 12,9,3,3 0 1\n", "body.2.weight is [12,9,3,3]" },
        { "body.0.weight F32 8,3,3,3 0 1\n" LAST(12), "body.0.bias is missing" },
        { "body.0.weight F32 8 0 1\n" LAST(12), "neither SRVGGNetCompact" },
        { FIRST "body.1.weight F32 7 0 1\n" LAST(12), "body.1.weight is [7], expected [8]" },
        { "body.0.rdb1.conv1.weight F32 32,64,3,3 0 1\n", "neither body.0.weight nor conv_first.weight" },
        { "conv_first.weight F32 64,5,3,3 0 1\nbody.0.rdb1.conv1.weight F32 32,64,3,3 0 1\n",
          "neither SRVGGNetCompact" },
        { "layers.0.residual_group.blocks.0.norm1.weight F32 4 0 1\n", "found an upscaler (SwinIR)" },
        { "first_stage_model.x F32 4 0 1\n", "found a VAE: name it as VAE" },
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char message[MESSAGE] = "nothing";
        Broken b = { c, broken[i].lines };
        int failed = attempt(c->a, try_lines, &b, message);
        CHECK_MSG(failed && strstr(message, broken[i].message), "%s: %s", broken[i].message, message);
    }
}

static void check(Case *c, void (*test)(void *), const char *name)
{
    char message[MESSAGE];
    size_t before = mark(c->a);
    c->machine = (Machine){ .mem = c->a, .threads = 1 };
    CHECK_MSG(!attempt(c->a, test, c, message), "%s: %s", name, message);
    release(c->a, before);
}

int main(void)
{
    Case c = { .a = arena_new(), .folder = "/tmp/test_upscaler_XXXXXX" };
    if (!c.a || !mkdtemp(c.folder)) return 1;
    check(&c, test_goldens, "goldens");
    check(&c, test_tiles, "tiles");
    check(&c, test_rrdb_tiles, "tiles of an RRDBNet");
    check(&c, test_bytes, "bytes");
    c.machine = (Machine){ .mem = c.a, .threads = 1 };
    test_broken(&c);
    rmdir(c.folder);
    arena_free(c.a);
    return done();
}
