/* weight_file.c - tensors by name, and shapes, for the readers of all formats.
 *
 * A table of weights is an array sorted by name (strcmp), searched by bisection.  No two tensors of a file may have the
 * same name: readers that take the first and readers that take the last would see different weights.
 *
 * Shapes come from files that may be made to harm.  So dims are multiplied in their order, and each product is checked
 * before it is made, as the reference reader of safetensors does: [0, 2^63, 4] is a shape, [2^63, 4, 0] is refused. */
#include "weight_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables of weights ------------------------------------------------------------------------ */

static int by_name(const void *x, const void *y)
{
    const Weight *a = x;
    const Weight *b = y;
    return strcmp(a->name, b->name);
}

void weights_sort(Weight *w, size_t count)
{
    if (count) qsort(w, count, sizeof *w, by_name);
}

const Weight *weight_named(const Weight *w, size_t count, const char *name)
{
    Weight key = { .name = name };
    if (!count) return NULL;
    return bsearch(&key, w, count, sizeof key, by_name);
}

void file_sort(Arena *a, WeightFile *f)
{
    weights_sort(f->weight, f->count);
    for (size_t i = 1; i < f->count; i++) {
        const char *name = f->weight[i].name;
        if (!strcmp(f->weight[i - 1].name, name)) fail(a, "%s: %s is there twice", f->path, name);
    }
}

const Weight *file_weight(const WeightFile *f, const char *name) { return weight_named(f->weight, f->count, name); }

const char *file_metadata(const WeightFile *f, const char *key)
{
    for (size_t i = 0; i < f->pairs; i++)
        if (!strcmp(f->metadata[i].key, key)) return f->metadata[i].value;
    return NULL;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

const char *shape_bytes(DType t, size_t rank, const size_t *shape, size_t *bytes)
{
    enum { WIDEST = 64 };      /* bits of the widest element: the size in bits can be counted, too */
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] && n > SIZE_MAX / WIDEST / shape[i]) return "has a shape that is too large to count";
        n *= shape[i];
    }
    if (!dtype_bytes(t, n, bytes)) return "does not fill whole bytes";
    return NULL;
}

size_t weight_numel(const Weight *w)
{
    size_t n = 1;
    for (size_t i = 0; i < w->rank; i++) n *= w->shape[i];
    return n;
}

const char *shape_text(Arena *a, const Weight *w)
{
    enum { DIGITS = 20 };      /* of the largest size_t; a comma goes with each */
    char *text = allocate(a, w->rank * (DIGITS + 1) + 3, 1);
    char *end = text;
    *end++ = '[';
    for (size_t i = 0; i < w->rank; i++) {
        if (i) *end++ = ',';
        end += sprintf(end, "%zu", w->shape[i]);
    }
    *end++ = ']';
    *end = 0;
    return text;
}
