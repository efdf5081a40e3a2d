/* test_sweep.c - axes to values, values to cells, cells to a labelled grid.  What ranges come to was worked out by the
 * web UI's own rules. */
#include "axis.h"
#include "deflate.h"
#include "font.h"
#include "grid.h"
#include "png.h"
#include "random.h"
#include "sweep.h"
#include "test.h"

#include <stdlib.h>

typedef struct { Arena *a; const char *text; Axis axis; Request *r; Sweep *sweep; const char *more[3]; } Reading;

static void read_axis(void *to) { Reading *x = to; x->axis = axis_read(x->a, (Name){ x->text, "--x" }); }

static void read_sweep(void *to)
{
    Reading *x = to;
    for (int i = 0; i < 3; i++)
        if (x->more[i]) x->r->axis[i] = (Name){ x->more[i], i == 0 ? "--x" : i == 1 ? "--y" : "--z" };
    x->sweep = sweep_read(x->a, x->r);
}

static const char *joined(Arena *a, const Axis *x)
{
    const char *all = "";
    for (int i = 0; i < x->count; i++) all = format(a, "%s%s%s", all, i ? "|" : "", x->value[i]);
    return all;
}

static void test_values(Arena *a)
{
    static const char *const table[][2] = {
        { "Steps: 1-5", "1|2|3|4|5" }, { "Steps: 1-5 (+2)", "1|3|5" }, { "Steps: 10-5 (-3)", "10|7" },
        { "Steps: 1-10 [5]", "1|3|5|7|10" }, { "Steps: 1-10 [1]", "1" },
        { "Steps: 10-50 (+10)", "10|20|30|40|50" }, { "Steps: 1, 3-5, 8", "1|3|4|5|8" },
        { "Steps:1-5(+2), 7", "1|3|5|7" }, { "steps:  2 - 4 ", "2|3|4" },
        { "Steps: 20-10 [3]", "20|15|10" }, { "Steps: 1-9 [4]", "1|3|6|9" }, { "Steps: 5", "5" },
        { "Steps: 1,,2,", "1|2" }, { "Steps: 1-11 [8]", "1|2|3|5|6|8|9|11" },
        { "Seed: 0-61 [8]", "0|8|17|26|34|43|52|61" },
        { "CFG scale: 1-3 (+0.5)", "1|1.5|2|2.5|3" }, { "Eta: 0.0-1.0 [6]", "0|0.2|0.4|0.6|0.8|1" },
        { "cfg: 3, 7.5", "3|7.5" }, { "CFG Scale: 1-5", "1|2|3|4|5" },
        { "CFG scale: 7-7.3 (+0.1)", "7|7.1|7.2|7.3" }, { "CFG scale: 5-1 [3]", "5|3|1" },
        { "CFG scale: 0.1-0.3 [3]", "0.1|0.2|0.3" },
        { "Steps: 10-4 (-3)", "10|7|4" }, { "CFG scale: 1-2 (+0.4)", "1|1.4|1.8" }, { "CFG scale: 10-5 (-3)", "10|7" },
        { "CFG scale: 1.5-3", "1.5|2.5" },      /* an end is not left out, nor passed */
        { "Seed: 1793506252-1793506254", "1793506252|1793506253|1793506254" },
        { "Seed: 18446744073709551615", "18446744073709551615" }, { "LoRA yumin: 0.4-0.8 [3]", "0.4|0.6|0.8" },
        { "LoRA yumin: 0.5, -1", "0.5|-1" }, { "Prompt S/R: red, green", "red|green" },
        { "prompt s/r: \"a, b\", c", "a, b|c" }, { "Prompt S/R: \"say \"\"hi\"\"\", x", "say \"hi\"|x" },
        { "Prompt S/R: a,\"b\"c,d", "a|bc|d" }, { "Prompt S/R: red,", "red|" }, { "Prompt S/R: a\nb", "a|b" },
        { "Prompt S/R:  x , \"y\" ", "x|y" }, { "Prompt S/R: 1-3, 2", "1-3|2" },
        { "Checkpoint name: a, b.ckpt", "a|b.ckpt" },
        { "Sampler: Euler a, DPM++ 2M Karras", "Euler a|DPM++ 2M Karras" }, { "Size: 64x64, 128x64", "64x64|128x64" },
        { "Motion module: none, mm_sd_v14", "none|mm_sd_v14" }, { "Denoising: 0.5", "0.5" },
        { "Overlap: -1, 0-2", "-1|0|1|2" }, { "prompt: \"a woman, smiling\", a man", "a woman, smiling|a man" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char why[MESSAGE] = "";
        Reading x = { .a = a, .text = table[i][0] };
        attempt(a, read_axis, &x, why);
        CHECK_MSG(!*why && !strcmp(joined(a, &x.axis), table[i][1]), "%s: %s, expected %s%s", table[i][0],
                  *why ? "" : joined(a, &x.axis), table[i][1], why);
    }
}

static void test_refused(Arena *a)
{
    static const char *const table[][2] = {
        { "Steps", "--x is \"Steps\", expected SETTING: VALUE" },
        { "Stepz: 1", "\"Stepz\" is no setting (did you mean Steps?)" }, { "Steps:", "expected values" },
        { "Prompt S/R:", "expected values" },
        { "Steps: 0-3", "--x: Steps is \"0\", expected a whole number from 1 to 1000" },
        { "Steps: 1, two", "--x: Steps is \"two\"" }, { "Steps: 1.5", "--x: Steps is \"1.5\"" },
        { "CFG scale: 7, 700", "--x: CFG scale is \"700\", expected a number from 0.1 to 100" },
        { "Sampler: Oiler", "--x: Sampler is \"Oiler\", expected DDIM, Euler" },
        { "Steps: 5-1", "\"5-1\" holds no value" }, { "Steps: 1-5 (-1)", "holds no value" },
        { "Steps: 1-5 (+0)", "more than 1000 values" }, { "Steps: 1-5 [0]", "holds no value" },
        { "Seed: 1-1000000000", "comes to more than 1000 values" }, { "Seed: 0-99999999999999999999", "--x: Seed is" },
        { "CFG scale: 1-2 (+0.000001)", "more than 1000 values" },
        { "CFG scale: 1-2 [99999999999]", "more than 1000 values" }, { "Seed: 1-999, 1-2", "more than 1000 values" },
        { "Seed: -1, 2", "another seed each time" }, { "Size: 33x32", "--x: Size is \"33x32\"" },
        { "Frames: 1, 2", "--x: Frames is one for all" }, { "Max size: 1M", "Max size is one for all" },
        { "X: Steps: 1", "\"X\" is no setting" }, { "LoRA yumin: much", "the strength is \"much\"" },
        { "Steps: 1-5 (2", "--x: Steps is \"1-5 (2\"" }, { "Steps: 1-5 [2.5]", "--x: Steps is" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char why[MESSAGE] = "";
        Reading x = { .a = a, .text = table[i][0] };
        attempt(a, read_axis, &x, why);
        CHECK_MSG(*why && strstr(why, table[i][1]), "%s: \"%s\", expected \"%s\"", table[i][0], why, table[i][1]);
    }
}

static void test_replaced(Arena *a)
{
    Request r = { .job = { .prompt = "" } };
    char why[MESSAGE] = "";
    static const char text[] = "red hair, a red hat <lora:yumin:0.8>\nNegative prompt: blue\nSteps: 3";
    prompt_parse(a, &r, text, strlen(text), "p.txt", NULL, NULL);
    Axis colour = axis_read(a, (Name){ "Prompt S/R: red, blonde,", "--x" }),
        tag = axis_read(a, (Name){ "Prompt S/R: yumin:0.8, yumin:0.4", "--y" });
    Axis negative = axis_read(a, (Name){ "Prompt S/R: blue, green", "--z" }),
        strength = axis_read(a, (Name){ "LoRA yumin: 0.2, 0.3", "--z" });
    axis_set(a, &colour, 1, &r), axis_set(a, &tag, 1, &r), axis_set(a, &negative, 1, &r), axis_set(a, &strength, 1, &r);
    CHECK_MSG(!strcmp(r.prompt, "blonde hair, a blonde hat <lora:yumin:0.4>"), "%s", r.prompt);
    CHECK(!strcmp(r.job.prompt, "blonde hair, a blonde hat ") && r.tags == 1 && r.tag[0].text == 0.4
          && !strcmp(r.job.negative, "green"));
    CHECK(r.keys == 1 && !strcmp(r.key[0].name.text, "yumin") && r.key[0].text == 0.3 && r.key[0].unet == 0.3);
    Request plain = { .prompt = "a red hat", .job = { .prompt = "a red hat" } };
    axis_set(a, &colour, 2, &plain);
    CHECK(!strcmp(plain.prompt, "a  hat"));
    Reading x = { .a = a, .r = &plain, .more = { "Prompt S/R: hot, cold" } };
    CHECK(attempt(a, read_sweep, &x, why)
          && strstr(why, "--x: Prompt S/R looks for \"hot\", and it stands neither in the prompt"));
}

static void test_cells(Arena *a)
{
    char why[MESSAGE] = "";
    Request r = { .prompt = "a", .job = { .prompt = "a" } };
    Reading x = { .a = a, .r = &r, .more = { "Steps: 1-3", "Steps: 4" } };
    CHECK(!sweep_asked(&r));
    CHECK(attempt(a, read_sweep, &x, why) && strstr(why, "--x and --y both go through Steps"));
    x = (Reading){ .a = a, .r = &r, .more = { "Seed: 1-101", "Steps: 1-10" } };
    CHECK(attempt(a, read_sweep, &x, why)
          && strstr(why, "101 x 10 x 1 values are 1010 pictures, expected at most 1000"));
    x = (Reading){ .a = a, .r = &r, .more = { "Seed: 1-1000", "Steps: 1-1000", "CFG scale: 1-50" } };
    CHECK(attempt(a, read_sweep, &x, why) && strstr(why, "50000000 pictures"));
    CHECK(sweep_asked(&r));
}

/* ---- what the web UI wrote, and what we write --------------------------------------------------- */

static void test_text(Arena *a)
{
    static const char pasted[] = "a red hat\nSteps: 20, Sampler: DDIM, Script: X/Y/Z plot, X Type: Steps, X Values: \"10-50 (+10)\", Y Type: Prompt S/R, Y Values: \"red, \\\"blue, dark\\\"\", "
                                 "Z Type: Seed, Z Values: \"-1,-1\", Fixed Z Values: \"7, 8\"";
    Request r, again;
    prompt_parse(a, &r, pasted, strlen(pasted), "p.txt", NULL, NULL);
    CHECK_MSG(r.axis[0].text && !strcmp(r.axis[0].text, "Steps: 10-50 (+10)"), "%s",
              r.axis[0].text ? r.axis[0].text : "none");
    CHECK(r.axis[1].text && !strcmp(r.axis[1].text, "Prompt S/R: red, \"blue, dark\"") && r.axis[2].text
          && !strcmp(r.axis[2].text, "Seed: 7, 8"));
    char *text = prompt_infotext(a, &r);
    prompt_parse(a, &again, text, strlen(text), "p.txt", NULL, NULL);
    for (int i = 0; i < 3; i++) CHECK(again.axis[i].text && !strcmp(again.axis[i].text, r.axis[i].text));
    prompt_set(a, &again, "x", "none"), prompt_set(a, &again, "Y", "None"), prompt_set(a, &again, "z", "none");
    CHECK(!sweep_asked(&again) && !strstr(prompt_infotext(a, &again), "X:"));
}

/* ---- letters ------------------------------------------------------------------------------------ */

enum { SIDE = 40 };

static int dark(const unsigned char *rgb, int x, int y) { return !rgb[3 * (y * SIDE + x)]; }

static void draw_alone(unsigned char *rgb, int x, int y, int scale, const char *text)
{
    memset(rgb, 255, 3 * SIDE * SIDE);
    font_draw(rgb, SIDE, SIDE, x, y, scale, text);
}

static void test_font(void)
{
    static unsigned char one[3 * SIDE * SIDE], other[3 * SIDE * SIDE];
    int count[256] = { 0 };
    for (int c = ' '; c <= '~'; c++) {
        int outside = 0;
        draw_alone(one, 10, 10, 1, (char[]){ (char)c, 0 });
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                count[c] += dark(one, x, y);
                outside += dark(one, x, y)
                    && (x < 10 || x >= 10 + FONT_WIDTH - 1 || y < 10 || y >= 10 + FONT_HEIGHT - 1);
            }
        CHECK_MSG(!outside && (c == ' ') == !count[c], "'%c' has %d pixels, %d outside its place", c, count[c],
                  outside);
        for (int d = ' '; d < c; d++) {
            draw_alone(other, 10, 10, 1, (char[]){ (char)d, 0 });
            CHECK_MSG(memcmp(one, other, sizeof one), "'%c' looks as '%c'", c, d);
        }
    }
    CHECK(count['.'] < count['o'] && count['o'] < count['8'] && count['-'] < count['='] && count['i'] < count['m']
          && count['B'] > count['P']);
    draw_alone(one, 0, 0, 1, "gj_"), draw_alone(other, 0, 0, 1, "T\"^");
    int below = 0, above = 0;
    for (int x = 0; x < SIDE; x++)
        below += dark(one, x, 7) + dark(one, x, 8), above += dark(other, x, 7) + dark(other, x, 8);
    CHECK(below > 8 && !above);
    /* what is even stays so, drawn the right way round */
    int mirrored = 0;
    draw_alone(one, 0, 0, 1, "AT8");
    for (int y = 0; y < 7; y++)
        for (int g = 0; g < 3; g++)
            for (int x = 0; x < 5; x++) mirrored += dark(one, 6 * g + x, y) == dark(one, 6 * g + 4 - x, y);
    /* A's tip, T's bar */
    CHECK(mirrored == 7 * 3 * 5 && dark(one, 2, 0) && !dark(one, 0, 0) && dark(one, 6, 0) && dark(one, 10, 0));
    draw_alone(one, 0, 0, 1, "7jE"), draw_alone(other, 0, 0, 1, "L");         /* which way round */
    CHECK(dark(one, 4, 1) && !dark(one, 0, 1) && dark(one, 12, 2) && !dark(one, 16, 2) && dark(other, 0, 2)
          && !dark(other, 4, 2));
    draw_alone(one, 0, 0, 1, "L"), draw_alone(other, 4, 2, 3, "L");
    int wrong = 0;
    for (int y = 2; y < SIDE; y++)
        for (int x = 4; x < SIDE; x++) wrong += dark(other, x, y) != dark(one, (x - 4) / 3, (y - 2) / 3);
    CHECK(!wrong);
    draw_alone(one, 0, 0, 1, "\xc3"), draw_alone(other, 0, 0, 1, "\x1f");
    CHECK(!memcmp(one, other, sizeof one) && dark(one, 0, 0) && !dark(one, 1, 1));
    /* over all edges; a sanitizer would tell */
    draw_alone(one, -3, -4, 2, "WWWWWWWWWWWWWWWW"), draw_alone(one, SIDE - 2, SIDE - 3, 3, "W");
}

/* ---- grids -------------------------------------------------------------------------------------- */

static void test_grid(Arena *a)
{
    static const char *const x[] = { "CFG scale: 3", "a longer label that goes over many lines and then some more of them until it ends" }, *const y[] = { "one", "\xe9\x9b\xaa", "" }, *const z[] = { "Seed: 1", "Seed: 2" };
    GridSetup setup = { { 2, 3, 2 }, { x, y, z }, 2, 60, 40 };
    Grid g = grid_layout(a, &setup);
    CHECK(!g.rgb && g.scale == 1 && g.width > 2 * 60 && g.height > 3 * 40);
    grid_begin(a, &g);
    size_t frame = (size_t)g.width * (size_t)g.height * 3, ink = 0, covered = 0, found = 0;
    unsigned char *blank = allocate(a, 2 * frame, 1), *cell = allocate(a, 2 * 60 * 40 * 3, 1);
    memcpy(blank, g.rgb, 2 * frame);
    CHECK(!memcmp(blank, blank + frame, frame));
    for (size_t i = 0; i < frame; i += 3) ink += blank[i] == 0;
    for (int i = 0; i < 12; i++) {
        for (size_t k = 0; k < 2 * 60 * 40 * 3; k++)
            cell[k] = (unsigned char)(7 + i + 40 * (int)(k / (60 * 40 * 3)) + (int)(k % 7));
        grid_paste(&g, i % 2, i / 2 % 3, i / 6, cell);
        /* its upper left corner, by looking for its first row */
        size_t at = 0;
        while (at < frame && memcmp(g.rgb + at, cell, 180)) at += 3;
        found += at < frame;
        for (size_t row = 0; row < 40 && at < frame; row++)
            for (size_t f = 0; f < 2; f++)
                found += !memcmp(g.rgb + f * frame + at + row * (size_t)g.width * 3, cell + f * 7200 + row * 180, 180);
    }
    CHECK_MSG(found == 12 + 12 * 80, "%zu", found);
    /* the last cell ends where the margin begins */
    size_t bottom = (size_t)(g.height - g.gap - 40) * (size_t)g.width + (size_t)(g.width - g.gap - 60);
    CHECK(!memcmp(g.rgb + 3 * bottom, cell, 180) && g.rgb[3 * bottom - 1] == 255);
    for (size_t i = 0; i < frame; i += 3) covered += blank[i] == 0 && memcmp(g.rgb + i, blank + i, 3);
    CHECK_MSG(ink > 1000 && !covered, "%zu black pixels of labels, %zu of them under cells", ink, covered);
    setup = (GridSetup){ { 3, 1, 1 }, { NULL, NULL, NULL }, 1, 384, 512 };
    g = grid_layout(a, &setup);
    CHECK(g.scale == 2 && g.width == 8 + 3 * 392 && g.height == 8 + 520);
}

typedef struct { Arena *a; GridSetup setup; } Large;

static void lay_out(void *to) { Large *l = to; grid_layout(l->a, &l->setup); }

static void test_large(Arena *a)
{
    static const GridSetup setups[] = {
        { { 1000, 1, 1 }, { NULL }, 1, 64, 64 }, { { 1, 1, 1000 }, { NULL }, 1, 8192, 8192 },
        { { 1, 1, 1 }, { NULL }, 1, 65536, 8 }, { { 1000, 1000, 1000 }, { NULL }, 100000, 65536, 65536 },
        { { 20, 20, 1 }, { NULL }, 1, 512, 512 } };
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        char why[MESSAGE] = "";
        size_t before = mark(a);
        arena_peak_reset(a);
        CHECK_MSG(attempt(a, lay_out, &(Large){ a, setups[i] }, why)
                  && strstr(why, "expected at most 65535 a side and 67 million pixels"), "%zu: %s", i, why);
        CHECK(arena_peak(a) < before + 100000);
    }
}

/* ---- finished cells ----------------------------------------------------------------------------- */

static unsigned char *good_copy(const unsigned char *png, size_t n, int frames, int width, int height)
{
    /* so that a sanitizer sees every byte read past the end */
    unsigned char *alone = malloc(n ? n : 1), *rgb;
    memcpy(alone, png, n);
    rgb = apng_decode(alone, n, frames, width, height);
    free(alone);
    return rgb;
}

/* every chunk's CRC made right, as far as chunks can be followed */
static void mend(unsigned char *png, size_t n)
{
    for (size_t at = 8; at + 12 <= n; ) {
        size_t size = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3];
        if (size > n - at - 12) return;
        uint32_t crc = crc32_of(0, png + at + 4, size + 4);
        for (int i = 0; i < 4; i++) png[at + 8 + size + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
        at += 12 + size;
    }
}

static void test_finished(void)
{
    enum { FRAMES = 4, W = 13, H = 9, N = FRAMES * W * H * 3 };
    unsigned char rgb[N];
    size_t n;
    Rng random;
    rng_seed(&random, 1);
    for (int i = 0; i < N; i++) rgb[i] = i < W * H * 3 ? (unsigned char)rng_bits(&random) : rgb[i - W * H * 3];
    /* a part of each frame is new */
    for (int f = 1; f < FRAMES; f++)
        for (int y = f; y < f + 4; y++)
            for (int x = 6; x < 9 * f; x++) rgb[((f * H + y) * W + x % W) * 3] ^= (unsigned char)rng_bits(&random);
    for (int frames = 1; frames <= FRAMES; frames++) {
        unsigned char *png = apng_encode(rgb, frames, W, H, 8, "settings", &n), *back = good_copy(png, n, frames, W, H);
        CHECK(back && !memcmp(back, rgb, (size_t)frames * W * H * 3));
        free(back);
        CHECK(!good_copy(png, n, frames + 1, W, H) && !good_copy(png, n, frames, W + 1, H)
              && !good_copy(png, n, frames, W, H - 1) && !good_copy(png, n, 0, W, H));
        CHECK(frames == 1 || !good_copy(png, n, frames - 1, W, H));
        int whole = 0;
        for (size_t cut = 0; cut < n; cut++)
            back = good_copy(png, cut, frames, W, H), whole += back != NULL, free(back);
        CHECK(!whole);
        /* damage, its CRCs made right again half of the time */
        for (int i = 0; i < 3000; i++) {
            unsigned char *bad = malloc(n);
            memcpy(bad, png, n);
            for (unsigned k = 0; k <= rng_bits(&random) % 3; k++)
                bad[rng_bits(&random) % n] = (unsigned char)rng_bits(&random);
            if (i % 2) mend(bad, n);
            free(good_copy(bad, n, frames, W, H));
            free(bad);
        }
        free(png);
    }
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_values(a), test_refused(a), test_replaced(a), test_cells(a), test_text(a);
    test_font(), test_grid(a), test_large(a), test_finished();
    arena_free(a);
    return done();
}
