/* test_pictures.c - png.c, jpeg.c, deflate.c and image.c against Pillow, libjpeg-turbo and zlib: the files and pixels
 * of tests/golden_pictures.py, which says who made what.  And what is written here is read here. */
#include "deflate.h"
#include "image.h"
#include "png.h"
#include "safetensors.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>

typedef unsigned char Byte;

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

typedef struct { Arena *a; const char *name; Bytes file; Picture got; } Reading;

static void read_it(void *reading)
{
    Reading *r = reading;
    r->got = image_decode(r->a, r->file, r->name);
}

/* A copy with nothing behind it, so that the sanitizers see a byte read too many. */
static Bytes copied(Arena *a, const void *data, size_t n)
{
    Byte *copy = malloc(n ? n : 1);
    on_release(a, free, copy);
    memcpy(copy, data, n);
    return (Bytes){ copy, n };
}

/* The largest difference; 999: of another size. */
static int difference(Picture p, const Weight *w)
{
    if (w->rank != 3 || w->shape[0] != (size_t)p.height || w->shape[1] != (size_t)p.width) return 999;
    int most = 0;
    for (size_t i = 0; i < w->bytes; i++) {
        int d = abs(p.rgb[i] - ((const Byte *)w->data)[i]);
        if (d > most) most = d;
    }
    return most;
}

static void check_picture(Arena *a, const WeightFile *goldens, const Weight *w, int *most)
{
    char why[MESSAGE];
    Reading r = { a, w->name, copied(a, w->data, w->bytes), { 0 } };
    const Weight *pixels = file_weight(goldens, format(a, "%s.rgb", w->name));
    if (attempt(a, read_it, &r, why)) {
        CHECK_MSG(0, "%s", why);
        return;
    }
    int d = difference(r.got, pixels);
    CHECK_MSG(d == 0, "%s differs by %d", w->name, d);
    if (d > *most) *most = d;
}

static void check_refusal(Arena *a, const WeightFile *goldens, const Weight *w)
{
    char why[MESSAGE] = "it is read";
    Reading r = { a, w->name, copied(a, w->data, w->bytes), { 0 } };
    const char *reason = file_metadata(goldens, w->name);
    int refused = attempt(a, read_it, &r, why);
    CHECK_MSG(refused && strstr(why, reason), "%s: expected \"%s\"", why, reason);
}

static void check_size(Arena *a, const WeightFile *goldens, const Weight *w)
{
    char filter[8];
    int width, height;
    const Weight *s = file_weight(goldens, "size.source");
    if (sscanf(w->name, "size.%7s %d %d", filter, &width, &height) != 3) return;
    Picture from = { (int)s->shape[1], (int)s->shape[0], allocate(a, s->bytes, 1) };
    memcpy(from.rgb, s->data, s->bytes);
    Picture to;
    if (!strcmp(filter, "cover")) to = image_resize_and_crop(a, from, width, height, LANCZOS);
    else if (!strcmp(filter, "box")) to = image_resize(a, from, width, height, BOX);
    else to = image_resize(a, from, width, height, LANCZOS);
    int d = difference(to, w);
    CHECK_MSG(d == 0, "%s differs by %d", w->name, d);
}

/* Words that Pillow stored as the web UI does. */
static void check_text(const WeightFile *goldens, const Weight *w)
{
    char *text = png_text(w->data, w->bytes, "parameters");
    CHECK_MSG(text && !strcmp(text, file_metadata(goldens, w->name)), "%s: %s", w->name, text ? text : "nothing");
    free(text);
}

enum { GOOD, BAD, EARLY };

/* A wrong checksum alone is good here: what was changed is the stream's inside. */
static int verdict_of(const char *wrong)
{
    if (!wrong || !strcmp(wrong, "a wrong checksum")) return GOOD;
    return strcmp(wrong, "an early end") ? BAD : EARLY;
}

/* Each stream: length, zlib's verdict, bytes. */
static void check_streams(const Weight *w)
{
    const Byte *at = w->data, *end = at + w->bytes;
    int count[3] = { 0 };
    for (; at < end; at += 2 + at[0]) {
        static Byte to[100000];
        size_t got;
        const char *wrong = zlib_decompress(at + 2, at[0], to, sizeof to, &got);
        int verdict = verdict_of(wrong);
        CHECK_MSG(verdict == at[1], "stream at byte %td: verdict %d (%s), zlib's is %d",
                  at - (const Byte *)w->data, verdict, wrong ? wrong : "good", at[1]);
        count[at[1]]++;
    }
    CHECK(count[GOOD] > 50 && count[BAD] > 50 && count[EARLY] > 5);
}

static void goldens(Arena *a)
{
    const WeightFile *g = safetensors_open(a, "tests/golden/pictures.golden");
    int most = 0, files = 0;
    for (size_t i = 0; i < g->count; i++) {
        const Weight *w = &g->weight[i];
        size_t before = mark(a);
        size_t n = strlen(w->name);
        if (begins(w->name, "refuse.")) check_refusal(a, g, w);
        else if (begins(w->name, "size.")) check_size(a, g, w);
        else if (begins(w->name, "zlib.")) check_streams(w);
        else if (begins(w->name, "text.")) check_text(g, w);
        else if (n < 4 || strcmp(w->name + n - 4, ".rgb")) {
            check_picture(a, g, w, &most);
            files++;
        }
        release(a, before);
    }
    printf("%d files read, the largest difference %d\n", files, most);
}

/* ---- what is written here, read here ---- */

static uint32_t mixed(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

static void our_own(Arena *a)
{
    static const struct { int width, height; unsigned levels; } t[] = {
        { .width = 1, .height = 1, .levels = 256 },
        { .width = 300, .height = 200, .levels = 256 },
        { .width = 300, .height = 200, .levels = 3 },
        { .width = 257, .height = 129, .levels = 20 },
        { .width = 1, .height = 5000, .levels = 9 },
        { .width = 5000, .height = 1, .levels = 60 },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        size_t bytes, n = 3 * (size_t)t[i].width * (size_t)t[i].height;
        size_t before = mark(a);
        Byte *rgb = allocate(a, n, 1);
        char why[MESSAGE] = "";
        for (size_t k = 0; k < n; k++) rgb[k] = (Byte)((k / 7 + mixed((uint32_t)k) % t[i].levels) & 255);
        Byte *png = png_encode(rgb, t[i].width, t[i].height, "words", &bytes);
        Reading r = { a, "ours", copied(a, png, bytes), { 0 } };
        int refused = attempt(a, read_it, &r, why);
        int is_size = r.got.width == t[i].width && r.got.height == t[i].height;
        CHECK_MSG(!refused && is_size && !memcmp(r.got.rgb, rgb, n), "%dx%d: %s", t[i].width, t[i].height, why);
        free(png);
        release(a, before);
    }
}

/* All sizes of room but the right one are too small, or are not filled. */
static void streams(void)
{
    static Byte data[70000], back[70001];
    for (size_t n = 0; n <= sizeof data; n = 3 * n + 1) {
        Buffer packed = { 0 };
        size_t got;
        for (size_t i = 0; i < n; i++) data[i] = (Byte)(mixed((uint32_t)(i / 3)) % (1 + n % 256));
        zlib_compress(&packed, data, n);
        const char *wrong = zlib_decompress(packed.at, packed.size, back, n, &got);
        CHECK_MSG(!wrong && got == n && !memcmp(data, back, n), "%zu bytes: %s", n, wrong ? wrong : "changed");
        CHECK(!zlib_decompress(packed.at, packed.size, back, n + 1, &got) && got == n);
        if (n) CHECK(zlib_decompress(packed.at, packed.size, back, n - 1, &got));
        for (size_t k = 0; k < packed.size; k++) CHECK(zlib_decompress(packed.at, k, back, n, &got));
        packed.at[packed.size - 1] ^= 1;
        wrong = zlib_decompress(packed.at, packed.size, back, n, &got);
        CHECK(wrong && !strcmp(wrong, "a wrong checksum"));
        free(packed.at);
        if (n > 20000) break;
    }
    CHECK(crc32_of(0, (const Byte *)"123456789", 9) == 0xCBF43926);
    CHECK(crc32_of(crc32_of(0, (const Byte *)"1234", 4), (const Byte *)"56789", 5) == 0xCBF43926);
}

/* Enlarged whole it would be 20000 x 128 as wide as high */
static void strip(Arena *a)
{
    size_t before = mark(a);
    Picture p = { 20000, 1, allocate(a, 20000, 3) };
    memset(p.rgb, 200, 60000);
    arena_peak_reset(a);
    p = image_resize_and_crop(a, p, 128, 128, LANCZOS);
    CHECK_MSG(p.width == 128 && p.height == 128 && p.rgb[128 * 128 * 3 - 1] == 200, "a strip");
    CHECK_MSG(arena_peak(a) - before < 256 << 20, "a strip takes %zu MB", (arena_peak(a) - before) >> 20);
    release(a, before);
}

int main(void)
{
    Arena *a = arena_new();
    goldens(a);
    strip(a);
    our_own(a);
    streams();
    arena_free(a);
    return done();
}
