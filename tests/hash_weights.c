/* hash_weights.c - weight files made from a recipe, and the files of libraries filled with such weights again.
 *
 *     name dtype dims offset scale       value = offset + scale * u(name, element)
 *     name dtype dims sinusoid           a motion module's positions, [1,L,C]
 *     metadata key value                 of the file
 *
 * u is a multiple of 2^-23 in [-1, 1), scale a float32: their product is exact in double, so fused
 * arithmetic or not, the sum is rounded once, then to float32, then to the file's type. */
#define _POSIX_C_SOURCE 200809L
#include "hash_weights.h"
#include "deflate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_TENSORS = 4096, MOST_PAIRS = 8 };

static uint64_t fnv1a(const char *s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return h;
}

/* splitmix64's finaliser: the upper 24 bits, as a number in [-1, 1) */
static double uniform(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    h ^= h >> 31;
    return (double)(h >> 40) * 0x1p-23 - 1;
}

double hash_value(const char *name, size_t i) { return uniform(fnv1a(name) + i * 0x9E3779B97F4A7C15u); }

/* pe[p,2i] = sin(p 10000^(-2i/C)), pe[p,2i+1] = cos(the same) */
static double position(size_t element, size_t channels)
{
    size_t p = element / channels, c = element % channels;
    double angle = (double)p * pow(10000, -2.0 * (double)(c / 2) / (double)channels);
    return c % 2 ? cos(angle) : sin(angle);
}

typedef struct { double offset, scale; int sinusoid; } Rule;

static void fill_weight(const Weight *w, void *data, size_t count, Rule rule)
{
    uint64_t start = fnv1a(w->name);
    for (size_t i = 0; i < count; i++) {
        double v = rule.sinusoid ? position(i, w->shape[w->rank - 1]) : rule.offset
            + rule.scale * uniform(start + i * 0x9E3779B97F4A7C15u);
        float f = (float)v;
        if (w->type == F32) ((float *)data)[i] = f;
        else if (w->type == I64) ((int64_t *)data)[i] = (int64_t)f;
        else ((uint16_t *)data)[i] = w->type == F16 ? float_to_half(f) : float_to_bf16(f);
    }
}

static DType type_of(Arena *a, const char *name)
{
    for (int t = 0; t < DTYPES; t++)
        if (!strcmp(name, dtype_name((DType)t)) && (t == F32 || t == F16 || t == BF16 || t == I64)) return (DType)t;
    fail(a, "a recipe cannot make %s", name);
}

/* one line of a recipe -> a tensor */
static Weight make(Arena *a, const char *line)
{
    char name[256], type[8], dims[64], offset[32], scale[32] = "0";
    if (sscanf(line, "%255s %7s %63s %31s %31s", name, type, dims, offset, scale) < 4)
        fail(a, "not a recipe's line: %.80s", line);
    size_t *shape = allocate(a, 8, sizeof *shape), count = 1;
    Weight w = { .name = format(a, "%s", name), .type = type_of(a, type), .shape = shape };
    for (char *s = *dims == '-' ? NULL : dims; s && w.rank < 8; s = *s == ',' ? s + 1 : NULL)
        count *= shape[w.rank++] = strtoul(s, &s, 10);
    w.bytes = count * (w.type == F32 ? 4 : w.type == I64 ? 8 : 2);
    w.data = allocate(a, w.bytes, 1);
    /* float32 constants, as in golden.py */
    fill_weight(&w, (void *)w.data, count,
                (Rule){ strtof(offset, NULL), strtof(scale, NULL), !strcmp(offset, "sinusoid") });
    return w;
}

/* the next line of a recipe, NULL at its end */
static char *recipe_line(Arena *a, Bytes *text)
{
    if (!text->size) return NULL;
    const unsigned char *stop = memchr(text->data, '\n', text->size);
    size_t n = stop ? (size_t)(stop - text->data) : text->size, step = stop ? n + 1 : n;
    char *line = format(a, "%.*s", (int)n, (const char *)text->data);
    *text = (Bytes){ text->data + step, text->size - step };
    return line;
}

static char *metadata_of(char *line) { return strncmp(line, "metadata ", 9) ? NULL : line + 9; }

Weight *hash_recipe(Arena *a, const char *recipe, size_t *count)
{
    Bytes text = file_map(a, recipe);
    Weight *made = allocate(a, MOST_TENSORS, sizeof *made);
    *count = 0;
    for (char *line; (line = recipe_line(a, &text)); ) {
        if (*count == MOST_TENSORS) fail(a, "%s: more than %d tensors", recipe, MOST_TENSORS);
        if (*line && !metadata_of(line)) made[(*count)++] = make(a, line);
    }
    return made;
}

static size_t recipe_metadata(Arena *a, const char *recipe, KeyValue *pairs)
{
    Bytes text = file_map(a, recipe);
    size_t n = 0;
    for (char *line, *key, *value; (line = recipe_line(a, &text)); ) {
        if (!(key = metadata_of(line)) || !(value = strchr(key, ' ')) || n == MOST_PAIRS) continue;
        *value = 0;
        pairs[n++] = (KeyValue){ key, value + 1 };
    }
    return n;
}

void hash_weights(Arena *a, const char *recipe, const char *path)
{
    size_t before = mark(a), count;
    Weight *made = hash_recipe(a, recipe, &count);
    KeyValue pairs[MOST_PAIRS];
    safetensors_save(a, path, made, count, pairs, recipe_metadata(a, recipe, pairs));
    release(a, before);
}

/* ---- other types ------------------------------------------------------------------------------ */

/* nearest even with so many bits of mantissa, the smallest exponent of normal numbers being `least`; nothing here is
 * too large */
static unsigned char float_to_f8(float f, int mantissa, int least)
{
    int e;
    frexpf(f, &e);
    e = e - 1 < least ? least : e - 1;
    int q = (int)nearbyint(ldexp(fabs(f), mantissa - e));
    return (unsigned char)((signbit(f) ? 0x80 : 0) | (((e - least) << mantissa) + q));
}

/* as gguf rounds: the largest of 32 becomes 127, halves away from nought; the scale is rounded to a half last */
static void to_q8_0(unsigned char out[34], const float *x)
{
    float most = 0;
    for (int i = 0; i < 32; i++) if (fabsf(x[i]) > most) most = fabsf(x[i]);
    float d = most / 127, inverse = d != 0 ? 1 / d : 0;
    uint16_t half = float_to_half(d);
    memcpy(out, &half, 2);
    for (int i = 0; i < 32; i++) out[2 + i] = (unsigned char)(signed char)roundf(x[i] * inverse);
}

Weight hash_as(Arena *a, Weight w, DType type)
{
    size_t n = 1, each;
    for (size_t i = 0; i < w.rank; i++) n *= w.shape[i];
    if (type == w.type) return w;
    if (!dtype_bytes(type, n, &w.bytes)) fail(a, "%s cannot be %s", w.name, dtype_name(type));
    float *x = allocate(a, n, sizeof *x);
    unsigned char *out = allocate(a, w.bytes, 1);
    dtype_to_float(x, w.data, w.type, 0, n);
    for (size_t i = 0; type == Q8_0 && i < n; i += 32) to_q8_0(out + i / 32 * 34, x + i);
    for (size_t i = 0; dtype_bytes(type, 1, &each) && i < n; i++) {
        double d = x[i];
        if (type == F64) memcpy(out + 8 * i, &d, 8);
        if (type == F8_E4M3) out[i] = float_to_f8(x[i], 3, -6);
        if (type == F8_E5M2) out[i] = float_to_f8(x[i], 2, -14);
    }
    w.data = out, w.type = type;
    return w;
}

/* ---- shells ----------------------------------------------------------------------------------- */

typedef struct { Arena *mem; const char *shell; const unsigned char *at, *end; } Shell;

static const unsigned char *piece(Shell *s, size_t n)
{
    if ((size_t)(s->end - s->at) < n) fail(s->mem, "%s: damaged", s->shell);
    return (s->at += n) - n;
}

static uint32_t number(Shell *s)
{
    const unsigned char *p = piece(s, 4);
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const char *line(Shell *s)
{
    const unsigned char *stop = memchr(s->at, '\n', (size_t)(s->end - s->at)), *begin = s->at;
    if (!stop) fail(s->mem, "%s: damaged", s->shell);
    s->at = stop + 1;
    return format(s->mem, "%.*s", (int)(stop - begin), (const char *)begin);
}

/* the folders above a path, each */
static void make_folders(Arena *a, const char *path)
{
    char *folder = format(a, "%s", path);
    for (char *p = folder + 1; *p; p++) if (*p == '/') *p = 0, mkdir(folder, 0777), *p = '/';
}

/* -> the size of the file */
static size_t fill(Shell *s, unsigned char *file, const Weight *weights, size_t count)
{
    static const DType types[] = { F32, F16, BF16, Q8_0, I64, F64, F8_E4M3, F8_E5M2 };
    for (size_t n = 0;;) {
        size_t plain = number(s);
        memcpy(file + n, piece(s, plain), plain), n += plain;
        uint32_t which = number(s);
        if (which == UINT32_MAX) return n;
        uint32_t type = number(s);
        if (which >= count || type >= sizeof types / sizeof *types) fail(s->mem, "%s: damaged", s->shell);
        Weight w = hash_as(s->mem, weights[which], types[type]);
        memcpy(file + n, w.data, w.bytes), n += w.bytes;
    }
}

void hash_shell(Arena *a, const char *shell, const char *folder)
{
    enum { ROOM = 64 << 20 };
    size_t before = mark(a), count, size = 0;
    Bytes packed = file_map(a, shell);
    unsigned char *plain = allocate(a, ROOM, 1), *file = allocate(a, ROOM, 1);
    const char *wrong = zlib_decompress(packed.data, packed.size, plain, ROOM, &size);
    if (wrong) fail(a, "%s: %s", shell, wrong);
    Shell s = { a, shell, plain, plain + size };
    Weight *weights = hash_recipe(a, format(a, "tests/golden/%s.weights", line(&s)), &count);
    while (s.at < s.end) {
        const char *path = format(a, "%s/%s", folder, line(&s));
        make_folders(a, path);
        files_save(a, &(File){ path, { file, fill(&s, file, weights, count) } }, 1);
    }
    release(a, before);
}
