/* test_hostile_picture_files.c - broken WebP, BMP and rare JPEG files, and broken settings inside pictures: every
 * truncation, many flipped bits, and mutations that keep the structure of chunks.  Nothing may be read or written
 * outside (run it under ASan and UBSan: make asan), and nothing may take long.  What is read must have a size, and what
 * is not a reason.  None of these formats has a checksum, so a changed file may well be read. */
#include "hostile_pictures.h"
#include "image.h"
#include "picture_info.h"
#include "picture_settings.h"
#include "safetensors.h"
#include "test.h"
#include <stdlib.h>
#include <time.h>

typedef unsigned char Byte;

enum { MUTATIONS = 30000, FLIPS = 500, LARGEST = 1 << 14, LARGE_PICTURE = 1 << 20 };

/* Large pictures only take time. */
static int is_large(const Byte *file, size_t n)
{
    int width, height;
    picture_size(file, n, &width, &height);
    return width && height > LARGE_PICTURE / width;
}

/* Reads a copy with nothing behind it. 1: it is a picture. */
static int survives(Arena *a, const Byte *data, size_t n)
{
    char why[MESSAGE] = "it is too large for this test";
    size_t before = mark(a);
    Byte *copy = malloc(n ? n : 1);
    memcpy(copy, data, n);
    Reading r = { a, { copy, n }, { 0 } };
    double begun = now();
    int refused = is_large(copy, n) || attempt(a, read_it, &r, why);
    if (now() - begun > slowest) slowest = now() - begun;
    int is_good = refused ? strlen(why) >= 12 : r.got.width >= 1 && r.got.height >= 1;
    if (!is_good) CHECK_MSG(0, "a picture of %dx%d, or for no reason: %s", r.got.width, r.got.height, why);
    picture_settings(a, copy, n);
    release(a, before);
    free(copy);
    return !refused;
}

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* ---- small changes ---- */

static void truncations_and_flips(Arena *a, const WeightFile *g)
{
    static Byte data[LARGEST];
    size_t cut = 0, flipped = 0, read = 0;
    for (size_t i = 0; i < g->count; i++) {
        const char *name = g->weight[i].name;
        size_t n = g->weight[i].bytes;
        int is_webp = begins(name, "webp.");
        memcpy(data, g->weight[i].data, n);
        for (size_t k = 0; k < n; k++) {
            int good = survives(a, data, k);
            CHECK_MSG(!good || !is_webp, "%s is read from its first %zu bytes", name, k);
        }
        size_t step = 8 * n / FLIPS | 1;
        for (size_t k = i % step; k < 8 * n; k += step) {
            data[k / 8] ^= (Byte)(1 << k % 8);
            read += (size_t)survives(a, data, n);
            data[k / 8] ^= (Byte)(1 << k % 8);
            flipped++;
        }
        cut += n;
    }
    printf("%zu truncations, %zu flipped bits (%zu of them leave a picture that can be read), the slowest %.1f ms\n",
           cut, flipped, read, slowest * 1e3);
}

/* ---- mutations ---- */

/* One of the numbers that break things, or any. */
static Byte odd_byte(void)
{
    static const Byte odd[] = { 0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255 };
    return any(2) ? odd[any(sizeof odd)] : (Byte)any(256);
}

static void disturb(Byte *p, size_t n)
{
    for (uint32_t k = 1 + any(4); k > 0 && n > 0; k--) p[any((uint32_t)n)] = odd_byte();
}

/* Changes some bytes, or ends early: then the sizes of the file and of its chunk are made to fit. */
static size_t mutate_webp(Byte *data, size_t n)
{
    enum { HEAD = 20 };                         /* of the file, and of its first chunk */
    int is_simple = data[15] != 'X';
    if (any(4) || !is_simple) {
        disturb(data + HEAD, n - HEAD);
        return n;
    }
    n = HEAD + any((uint32_t)(n - HEAD));
    data[4] = (Byte)(n - 8);
    data[5] = (Byte)((n - 8) >> 8);
    data[16] = (Byte)(n - HEAD);
    data[17] = (Byte)((n - HEAD) >> 8);
    return n;
}

static size_t mutate_bmp(Byte *data, size_t n)
{
    enum { HEAD = 14 };
    int in_header = any(2) && n > 54;
    disturb(data + HEAD, in_header ? 40 : n - HEAD);
    return any(8) ? n : n - any((uint32_t)n);
}

static size_t mutate_jpeg(Byte *data, size_t n)
{
    disturb(data + 2, n - 2);
    return any(16) ? n : n - any((uint32_t)n);
}

static size_t mutate_settings(Byte *data, size_t n)
{
    disturb(data + 2, n < 200 ? n - 2 : 198);
    return n;
}

static void mutations(Arena *a, const WeightFile *g, const char *kind, size_t mutate(Byte *data, size_t n))
{
    static Byte data[LARGEST];
    const Weight *file[256];
    size_t files = 0, read = 0;
    slowest = 0;
    for (size_t i = 0; i < g->count; i++)
        if (begins(g->weight[i].name, kind) && files < 256) file[files++] = &g->weight[i];
    CHECK(files > 20);
    double begun = now();
    for (int i = 0; i < MUTATIONS; i++) {
        const Weight *w = file[any((uint32_t)files)];
        memcpy(data, w->data, w->bytes);
        read += (size_t)survives(a, data, mutate(data, w->bytes));
    }
    printf("%s %d mutations of %zu files in %.1f s, %zu of them read, the slowest %.1f ms\n",
           kind, MUTATIONS, files, now() - begun, read, slowest * 1e3);
    CHECK_MSG(slowest < 2, "a file of some kilobytes takes %.1f s", slowest);
    CHECK_MSG(read > MUTATIONS / 100 && read < MUTATIONS, "%zu are read: the mutations are too tame or too wild", read);
}

int main(void)
{
    Arena *a = arena_new();
    const WeightFile *g = safetensors_open(a, "tests/golden/picture_files.golden");
    truncations_and_flips(a, g);
    mutations(a, g, "webp.", mutate_webp);
    mutations(a, g, "bmp.", mutate_bmp);
    mutations(a, g, "jpeg.", mutate_jpeg);
    mutations(a, g, "settings.", mutate_settings);
    arena_free(a);
    return done();
}
