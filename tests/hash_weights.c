/* hash_weights.c - weight files made from a recipe.
 *
 *     name dtype dims offset scale       value = offset + scale * u(name, element)
 *     name dtype dims sinusoid           a motion module's positions, [1,L,C]
 *
 * u is a multiple of 2^-23 in [-1, 1), scale a float32: their product is exact in double, so fused
 * arithmetic or not, the sum is rounded once, then to float32, then to the file's type. */
#include "hash_weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = 4096 };

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

static void fill(const Weight *w, void *data, size_t count, Rule rule)
{
    uint64_t start = fnv1a(w->name);
    for (size_t i = 0; i < count; i++) {
        double v = rule.sinusoid ? position(i, w->shape[w->rank - 1]) : rule.offset + rule.scale * uniform(start + i * 0x9E3779B97F4A7C15u);
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
    if (sscanf(line, "%255s %7s %63s %31s %31s", name, type, dims, offset, scale) < 4) fail(a, "not a recipe's line: %.80s", line);
    size_t *shape = take(a, 8, sizeof *shape), count = 1;
    Weight w = { .name = format(a, "%s", name), .type = type_of(a, type), .shape = shape };
    for (char *s = *dims == '-' ? NULL : dims; s && w.rank < 8; s = *s == ',' ? s + 1 : NULL) count *= shape[w.rank++] = strtoul(s, &s, 10);
    w.bytes = count * (w.type == F32 ? 4 : w.type == I64 ? 8 : 2);
    w.data = take(a, w.bytes, 1);
    /* float32 constants, as in golden.py */
    fill(&w, (void *)w.data, count, (Rule){ strtof(offset, NULL), strtof(scale, NULL), !strcmp(offset, "sinusoid") });
    return w;
}

void hash_weights(Arena *a, const char *recipe, const char *path)
{
    size_t before = mark(a), count = 0;
    Bytes text = file_map(a, recipe);
    Weight *made = take(a, MOST_TENSORS, sizeof *made);
    for (const char *s = (const char *)text.data, *end = s + text.size; s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop) stop = end;
        if (count == MOST_TENSORS) fail(a, "%s: more than %d tensors", recipe, MOST_TENSORS);
        if (stop > s) made[count++] = make(a, format(a, "%.*s", (int)(stop - s), s));
        s = stop + 1;
    }
    safetensors_save(a, path, made, count, NULL, 0);
    release(a, before);
}
