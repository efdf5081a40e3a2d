/* test_hostile_pictures.c - broken PNG and JPEG files: every truncation, every flipped bit, and many mutations that
 * keep the file's structure, so that what is broken lies deep inside.  Nothing may be read or written outside (run it
 * under ASan and UBSan: make asan), and nothing may take long.  What is read must have a size, and what is not must
 * have a reason. */
#include "deflate.h"
#include "hostile_pictures.h"
#include "image.h"
#include "png.h"
#include "safetensors.h"
#include "test.h"
#include <stdlib.h>
#include <time.h>

typedef unsigned char Byte;

enum { MUTATIONS = 200000, LARGEST = 1 << 16, PARTS = 64 };

/* Reads a copy with nothing behind it. 1: it is a picture. */
static int survives(Arena *a, const Byte *data, size_t n)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Byte *copy = malloc(n ? n : 1);
    memcpy(copy, data, n);
    Reading r = { a, { copy, n }, { 0 } };
    double begun = now();
    int refused = attempt(a, read_it, &r, why);
    if (now() - begun > slowest) slowest = now() - begun;
    int is_good = refused ? strlen(why) >= 12 : r.got.width >= 1 && r.got.height >= 1;
    if (!is_good) CHECK_MSG(0, "a picture of %dx%d, or for no reason: %s", r.got.width, r.got.height, why);
    release(a, before);
    free(png_text(copy, n, "parameters"));
    free(copy);
    return !refused;
}

/* ---- all that a small change can do ---- */

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

static int is_pixels(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".rgb");
}

static void truncations_and_flips(Arena *a, const WeightFile *g)
{
    static Byte data[LARGEST];
    size_t cut = 0, flipped = 0, read = 0;
    for (size_t i = 0; i < g->count; i++) {
        const char *name = g->weight[i].name;
        size_t n = g->weight[i].bytes;
        int is_jpeg = begins(name, "jpeg.");
        if (is_pixels(name) || (!is_jpeg && !begins(name, "png.") && !begins(name, "text."))) continue;
        memcpy(data, g->weight[i].data, n);
        for (size_t k = 0; k < n; k++) CHECK_MSG(!survives(a, data, k), "%s is read from its first %zu bytes", name, k);
        for (size_t k = 0; k < 8 * n; k++) {
            data[k / 8] ^= (Byte)(1 << k % 8);
            int good = survives(a, data, n);
            CHECK_MSG(is_jpeg || !good, "%s is read with bit %zu of byte %zu changed", name, k % 8, k / 8);
            data[k / 8] ^= (Byte)(1 << k % 8);
            read += (size_t)good;
        }
        cut += n;
        flipped += 8 * n;
    }
    printf("%zu truncations, %zu flipped bits (%zu of them leave a JPEG that can be read), the slowest %.1f ms\n",
           cut, flipped, read, slowest * 1e3);
}

/* ---- mutations that keep the structure ---- */

typedef struct { Byte at[LARGEST]; size_t size; } Data;

static void add(Data *d, const void *from, size_t n)
{
    if (n > LARGEST - d->size) n = LARGEST - d->size;
    memcpy(d->at + d->size, from, n);
    d->size += n;
}

static uint32_t get(const Byte *p, int bytes)
{
    uint32_t x = 0;
    while (bytes--) x = x << 8 | *p++;
    return x;
}

static void set(Byte *p, uint32_t x, int bytes) { while (bytes--) *p++ = (Byte)(x >> 8 * bytes); }

typedef struct { size_t at, size; } Part;

/* One of the numbers that break things, or any. */
static Byte odd_byte(void)
{
    static const Byte odd[] = { 0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255 };
    return any(2) ? odd[any(sizeof odd)] : (Byte)any(256);
}

static void disturb(Byte *p, size_t n)
{
    for (uint32_t k = 1 + any(3); k > 0 && n > 0; k--) {
        size_t i = any((uint32_t)n);
        if (any(2)) p[i] = odd_byte();
        else p[i] ^= (Byte)(1 << any(8));
    }
}

/* A file's parts in another order: one left out, doubled, moved, or taken from another file. */
static void shuffle(Part *part, size_t *n)
{
    size_t i = 1 + any((uint32_t)*n - 1);
    size_t k = 1 + any((uint32_t)*n - 1);
    Part p = part[i];
    switch (any(3)) {
    case 0:
        --*n;
        memmove(part + i, part + i + 1, (*n - i) * sizeof *part);
        break;
    case 1:
        if (*n >= PARTS) break;
        memmove(part + k + 1, part + k, (*n - k) * sizeof *part);
        part[k] = p;
        ++*n;
        break;
    default:
        part[i] = part[k];
        part[k] = p;
        break;
    }
}

/* PNG: signature, then chunks. */
static size_t png_parts(const Byte *d, size_t n, Part *part)
{
    size_t parts = 1, at = 8;
    part[0] = (Part){ 0, 8 };
    while (at + 12 <= n && parts < PARTS) {
        part[parts] = (Part){ at, 12 + get(d + at, 4) };
        at += part[parts].size;
        parts++;
    }
    return parts;
}

/* Its data unpacked, disturbed and packed again. */
static void repack(Byte *data, size_t *n)
{
    static Byte rows[LARGEST];
    size_t got;
    Buffer packed = { 0 };
    zlib_decompress(data, *n, rows, sizeof rows, &got);
    disturb(rows, got);
    if (!any(4)) got -= got ? any((uint32_t)got) : 0;
    zlib_compress(&packed, rows, got);
    if (packed.size <= *n + 512) {
        memcpy(data, packed.at, packed.size);
        *n = packed.size;
    }
    free(packed.at);
}

static void mutate_chunk(Data *to, const Byte *chunk, size_t size)
{
    static Byte data[LARGEST];
    size_t n = size - 12;
    uint32_t kind = any(8);
    memcpy(data, chunk, size);
    int is_header = !memcmp(chunk + 4, "IHDR", 4);
    int is_packed = !memcmp(chunk + 4, "IDAT", 4);
    if (is_packed && kind < 3) repack(data + 8, &n);
    else if (kind < 6) disturb(data + 8, n);
    else if (kind == 6 && any(2)) n -= n ? any((uint32_t)n) : 0;
    else if (kind == 6) for (uint32_t more = any(1000); more; more--) data[8 + n++] = odd_byte();
    else disturb(data + 4, 4);
    if (is_header) {                                /* large pictures only take time */
        memset(data + 8, 0, 2);
        memset(data + 12, 0, 2);
    }
    set(data, (uint32_t)n, 4);
    if (any(50)) set(data + 8 + n, crc32_of(0, data + 4, n + 4), 4);
    add(to, data, 12 + n);
}

static void mutate_png(const Byte *d, size_t n, Data *to)
{
    Part part[PARTS + 1];
    size_t parts = png_parts(d, n, part);
    if (!any(4)) shuffle(part, &parts);
    size_t hit = any((uint32_t)parts);
    for (size_t i = 0; i < parts; i++) {
        if (part[i].size > 8 && (i == hit || !any(8))) mutate_chunk(to, d + part[i].at, part[i].size);
        else add(to, d + part[i].at, part[i].size);
    }
}

/* A marker that ends a scan: neither the data byte FF nor a restart marker. */
static int is_marker(const Byte *d) { return d[0] == 0xFF && d[1] != 0 && d[1] >> 3 != 0xD0 >> 3; }

/* JPEG: segments; a scan's bits belong to its segment. */
static size_t jpeg_parts(const Byte *d, size_t n, Part *part)
{
    size_t parts = 1, at = 2;
    part[0] = (Part){ 0, 2 };
    while (at + 4 <= n && parts < PARTS) {
        size_t end = at + 2 + get(d + at + 2, 2);
        int is_scan = d[at + 1] == 0xDA;
        while (is_scan && end + 1 < n && !is_marker(d + end)) end++;
        part[parts++] = (Part){ at, end - at };
        at = end;
    }
    part[parts++] = (Part){ at, n - at };
    return parts;
}

static void mutate_segment(Data *to, const Byte *segment, size_t size)
{
    static Byte data[LARGEST];
    memcpy(data, segment, size);
    int is_frame = data[1] >= 0xC0 && data[1] <= 0xC2;
    size_t length = 2 + get(data + 2, 2);
    uint32_t kind = any(16);
    if (kind < 10) {
        disturb(data + 4, size > length && any(2) ? size - 4 : length - 4);
    } else if (kind < 12) {
        disturb(data + length, size - length);
    } else if (kind < 14) {
        size -= any((uint32_t)size - 3);
        set(data + 2, (uint32_t)(size < length ? size : length) - 2, 2);
    } else if (kind == 14) {
        data[1] = (Byte)(0xC0 + any(64));
    } else {
        disturb(data + 2, 2);
    }
    if (is_frame) {                                 /* large pictures only take time */
        data[5] = 0;
        data[7] = 0;
    }
    add(to, data, size);
}

static void mutate_jpeg(const Byte *d, size_t n, Data *to)
{
    Part part[PARTS + 2];
    size_t parts = jpeg_parts(d, n, part);
    if (!any(4) && parts > 2) shuffle(part, &parts);
    size_t hit = 1 + any((uint32_t)parts - 1);
    for (size_t i = 0; i < parts; i++) {
        if (part[i].size > 4 && (i == hit || !any(12))) mutate_segment(to, d + part[i].at, part[i].size);
        else add(to, d + part[i].at, part[i].size);
    }
}

static void mutations(Arena *a, const WeightFile *g, const char *kind, void mutate(const Byte *d, size_t n, Data *to))
{
    static Data data;
    const Weight *file[256];
    size_t files = 0, read = 0;
    slowest = 0;
    for (size_t i = 0; i < g->count; i++) {
        const char *name = g->weight[i].name;
        if (begins(name, kind) && !is_pixels(name) && files < 256) file[files++] = &g->weight[i];
    }
    CHECK(files > 20);
    double begun = now();
    for (int i = 0; i < MUTATIONS; i++) {
        const Weight *w = file[any((uint32_t)files)];
        data.size = 0;
        mutate(w->data, w->bytes, &data);
        read += (size_t)survives(a, data.at, data.size);
    }
    printf("%s %d mutations of %zu files in %.1f s, %zu of them read, the slowest %.1f ms\n",
           kind, MUTATIONS, files, now() - begun, read, slowest * 1e3);
    CHECK_MSG(slowest < 2, "a file of some kilobytes takes %.1f s", slowest);
    CHECK_MSG(read > MUTATIONS / 100 && read < MUTATIONS, "%zu are read: the mutations are too tame or too wild", read);
}

int main(void)
{
    Arena *a = arena_new();
    const WeightFile *g = safetensors_open(a, "tests/golden/pictures.golden");
    truncations_and_flips(a, g);
    mutations(a, g, "png.", mutate_png);
    mutations(a, g, "jpeg.", mutate_jpeg);
    arena_free(a);
    return done();
}
