/* test_upscaler.c - upscalers against spandrel's modules, in every spelling of their names; tiles and threads.
 *
 * tests/golden_upscaler.py says what the golden holds.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "checkpoint.h"
#include "damage.h"
#include "hash_weights.h"
#include "upscaler.h"
#include "upscaler_names.h"
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
        { "conv_first.weight F32 8,27,3,3 0 1\nbody.0.rdb1.conv1.weight F32 4,8,3,3 0 1\n"
          "conv_up1.weight F32 8,8,3,3 0 1\nconv_up2.weight F32 8,8,3,3 0 1\n"
          "conv_up3.weight F32 8,8,3,3 0 1\n", "neither SRVGGNetCompact" },               /* 8/3 */
        { "model.0.weight F32 8,3,3,3 0 1\nmodel.1.sub.0.RDB1conv1aaaaaa F32 8 0 1\nmodel.1.sub.1.weight F32 8 0 1\n"
          "model.1.sub.0.RDB1.conv1.0.weight F32 4,8,3,3 0 1\n", "is missing" },
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

/* A name without a last part stays as it is. */
static void test_short_names(Arena *a)
{
    size_t count;
    static Weight weight[] = { { .name = "model.1.sub.0.RDB1conv1aaaaaa" }, { .name = "model.1.sub.1.weight" },
                               { .name = "model.0.weight" } };
    const WeightFile f = { .path = "test", .weight = weight, .count = 3 };
    const Weight *w = upscaler_weights(a, &f, "", &count);
    CHECK_MSG(!strcmp(w[0].name, "body.0.RDB1conv1aaaaaa"), "%s", w[0].name);
    CHECK_MSG(!strcmp(w[1].name, "conv_body.weight"), "%s", w[1].name);
}

/* ---- damage ------------------------------------------------------------------------------------- */

/* The tensors as BasicSR names them. */
static const WeightFile *read_names(Arena *a, const char *path, Bytes file)
{
    WeightFile *f = safetensors_read(a, path, file);
    f->weight = upscaler_weights(a, f, "upscaler.", &f->count);
    return f;
}

/* The same, and whether they make a network, which is seen dry. */
static const WeightFile *read_network(Arena *a, const char *path, Bytes file)
{
    Machine machine = { .mem = a, .threads = 1, .dry = 1 };
    const WeightFile *f = read_names(a, path, file);
    Run r = { .machine = &machine, .weights = weights_of(a, NULL, f->weight, f->count) };
    Upscaler u = upscaler_of(&r, "upscaler.");
    upscale(&r, &u, tensor(&r, 1, 5, 7, 3), 0);
    return f;
}

/* Now and then the length of the header; else up to three of its bytes, digits for digits: numbers in names, shapes and
 * offsets. */
static size_t mutate(uint64_t *state, Bytes file, unsigned char *out)
{
    size_t header = get_little(file.data, 8);
    memcpy(out, file.data, file.size);
    if (!below(state, 50)) put_little(out, edge(state, header), 8);
    for (size_t i = 1 + below(state, 3); i > 0; i--) {
        size_t at = 8 + below(state, header);
        int is_digit = out[at] >= '0' && out[at] <= '9';
        if (is_digit) out[at] = (unsigned char)('0' + below(state, 10));
        else if (!below(state, 3)) out[at] = (unsigned char)(' ' + below(state, 95));
    }
    return file.size;
}

/* has_mutations: 0 where damage is enough */
static void damage_lines(Case *c, Read *read, const char *lines, const char *name, int has_mutations)
{
    size_t before = mark(c->a);
    char *recipe = format(c->a, "%s/lines", c->folder);
    char *path = format(c->a, "%s/lines.safetensors", c->folder);
    files_save(c->a, &(File){ recipe, { (const unsigned char *)lines, strlen(lines) } }, 1);
    hash_weights(c->a, recipe, path);
    Bytes file = file_map(c->a, path);
    unlink(recipe);
    unlink(path);
    damage(c->a, read, file, name);
    if (has_mutations) mutations(c->a, read, file, mutate, name);
    release(c->a, before);
}

static void test_damage(Case *c)
{
    damage_lines(c, read_network, "body.0.weight F16 1,3,3,3 0 1\nbody.0.bias F16 1 0 1\nbody.1.weight F16 1 0 1\n"
                 "body.2.weight F16 3,1,3,3 0 1\nbody.2.bias F16 3 0 1\n", "SRVGGNetCompact", 1);
    damage_lines(c, read_names, "state_dict.model.0.weight F16 1 0 1\n"
                 "state_dict.model.1.sub.0.RDB1.conv1.0.weight F16 1 0 1\n"
                 "state_dict.model.1.sub.1.weight F16 1 0 1\nstate_dict.model.3.weight F16 1 0 1\n"
                 "state_dict.model.5.weight F16 1 0 1\nstate_dict.model.7.weight F16 1 0 1\n", "ESRGAN's numbers", 1);
    damage_lines(c, read_names, "params_ema.module.RRDB_trunk.0.RDB1.conv1.weight F16 1 0 1\n"
                 "params_ema.module.trunk_conv.weight F16 1 0 1\nparams_ema.module.upconv1.weight F16 1 0 1\n"
                 "params_ema.module.HRconv.weight F16 1 0 1\n", "BSRGAN's names", 0);
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
    test_short_names(c.a);
    test_damage(&c);
    rmdir(c.folder);
    arena_free(c.a);
    return done();
}
