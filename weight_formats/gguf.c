/* gguf.c - weights as ggml's programs write them.
 *
 *     "GGUF", version, number of tensors, number of pairs
 *     pairs      key, type, value
 *     tensors    name, number of dims, dims (fastest first), type, offset
 *     data       from the next multiple of the alignment on; each tensor begins at the next multiple behind the last
 *
 * Counts and lengths are eight bytes wide and every one of them has been somebody's overflow.  So a count is held
 * against the bytes that are left before anything is taken for it, sizes are multiplied and rounded up with a
 * check, and offsets are not believed but compared with the sum of what came before: no hole, no overlap, and
 * the file ends with its last tensor, or that one's padding.
 *
 * Types of block that are not known here are refused by name. */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 4, LONGEST_NAME = 500, ALIGNMENT = 32, SHORTEST_PAIR = 13, SHORTEST_TENSOR = 24 };
enum { TEXT = 8, LIST = 9, VALUE_TYPES = 13 };

typedef struct { Arena *mem; const char *path; const unsigned char *at, *end; } Cursor;

static const unsigned char widths[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
static const DType numbers[VALUE_TYPES] = { U8, I8, U16, I16, U32, I32, F32, U8, 0, 0, U64, I64, F64 };

static const struct { const char *name; DType type; } types[] = {      /* by ggml's number; DTYPES: not known here */
    { "F32", F32 }, { "F16", F16 }, { "Q4_0", Q4_0 }, { "Q4_1", Q4_1 }, { 0 }, { 0 }, { "Q5_0", Q5_0 }, { "Q5_1", Q5_1 }, { "Q8_0", Q8_0 }, { "Q8_1", DTYPES },
    { "Q2_K", Q2_K }, { "Q3_K", Q3_K }, { "Q4_K", Q4_K }, { "Q5_K", Q5_K }, { "Q6_K", Q6_K }, { "Q8_K", DTYPES }, { "IQ2_XXS", DTYPES },
    { "IQ2_XS", DTYPES }, { "IQ3_XXS", DTYPES }, { "IQ1_S", DTYPES }, { "IQ4_NL", DTYPES }, { "IQ3_S", DTYPES }, { "IQ2_S", DTYPES }, { "IQ4_XS", DTYPES },
    { "I8", I8 }, { "I16", I16 }, { "I32", I32 }, { "I64", I64 }, { "F64", F64 }, { "IQ1_M", DTYPES }, { "BF16", BF16 },
};
enum { TYPES = sizeof types / sizeof *types };

static _Noreturn void bad(const Cursor *c, const char *what) { fail(c->mem, "%s: not a valid GGUF file: %s; download or convert it again", c->path, what); }

static size_t left(const Cursor *c) { return (size_t)(c->end - c->at); }

static const unsigned char *bytes(Cursor *c, size_t n)
{
    if (left(c) < n) bad(c, "it is cut short");
    return (c->at += n) - n;
}

static uint64_t number(Cursor *c, size_t width)
{
    uint64_t u = 0;
    const unsigned char *p = bytes(c, width);
    while (width-- > 0) u = u << 8 | p[width];
    return u;
}

/* how many of something of at least `each` bytes follow */
static size_t count_of(Cursor *c, size_t each)
{
    uint64_t n = number(c, 8);
    if (n > left(c) / each) bad(c, "it counts more than there is room for");
    return (size_t)n;
}

static const char *text(Cursor *c, size_t most)
{
    size_t n = count_of(c, 1);
    const char *p = (const char *)bytes(c, n);
    if (n > most || memchr(p, 0, n)) bad(c, "a name is too long, or has a NUL in it");
    return format(c->mem, "%.*s", (int)n, p);
}

/* ---- pairs ------------------------------------------------------------------------------------ */

static void skip_text(Cursor *c) { bytes(c, count_of(c, 1)); }

static const char *list(Cursor *c)
{
    uint64_t type = number(c, 4);
    if (type >= VALUE_TYPES || type == LIST) bad(c, "a list holds what no list holds");
    size_t n = count_of(c, type == TEXT ? 8 : widths[type]);
    if (type != TEXT) bytes(c, n * widths[type]);
    for (size_t i = 0; type == TEXT && i < n; i++) skip_text(c);
    return format(c->mem, "(a list of %zu)", n);
}

static const char *value(Cursor *c, uint64_t type)
{
    if (type >= VALUE_TYPES) bad(c, "a value is of no known type");
    if (type == LIST) return list(c);
    if (type == TEXT) {
        size_t n = count_of(c, 1);
        const char *p = (const char *)bytes(c, n);
        return format(c->mem, "%.*s", n < 1 << 20 ? (int)n : 1 << 20, p);
    }
    const unsigned char *p = bytes(c, widths[type]);
    return format(c->mem, "%.9g", (double)dtype_value(p, numbers[type], 0));
}

static void pairs(Cursor *c, WeightFile *f, size_t count, size_t *alignment)
{
    f->metadata = take(c->mem, count, sizeof *f->metadata);
    while (f->pairs < count) {
        const char *key = text(c, LONGEST_NAME);
        uint64_t type = number(c, 4);
        if (!strcmp(key, "general.alignment")) {
            if (type != 4) bad(c, "its alignment is not a number of the type it has to be");
            *alignment = (size_t)number(c, 4), c->at -= 4;
            if (*alignment < 8 || *alignment > 1 << 16 || *alignment & (*alignment - 1)) bad(c, "its alignment is no power of two from 8 to 65536");
        }
        f->metadata[f->pairs++] = (Pair){ key, value(c, type) };
    }
}

static int by_key(const void *x, const void *y) { return strcmp(((const Pair *)x)->key, ((const Pair *)y)->key); }

/* ---- tensors ---------------------------------------------------------------------------------- */

static DType type_of(Cursor *c, const char *name)
{
    uint64_t t = number(c, 4);
    if (t >= TYPES || !types[t].name) fail(c->mem, "%s: %s is of ggml's type %llu, which is not known here", c->path, name, (unsigned long long)t);
    if (types[t].type == DTYPES)
        fail(c->mem, "%s: %s is of ggml's type %s, which is not supported; take the file as F16, Q8_0, or any other of Q2_K to Q6_K and Q4_0 to Q5_1",
             c->path, name, types[t].name);
    return types[t].type;
}

/* the next multiple of the alignment, or 0 when there is none to count to */
static size_t rounded(size_t n, size_t alignment) { return n > SIZE_MAX - alignment ? 0 : (n + alignment - 1) / alignment * alignment; }

/* One tensor's entry.  *next: where its data have to begin; moved behind them.  Its data follow when it is known where they are. */
static Weight tensor(Cursor *c, size_t alignment, size_t *next)
{
    Weight w = { .name = text(c, LONGEST_NAME) };
    uint64_t rank = number(c, 4), row = 1;
    if (rank > MOST_DIMS) fail(c->mem, "%s: %s has %llu dims, expected at most %d", c->path, w.name, (unsigned long long)rank, MOST_DIMS);
    size_t *shape = take(c->mem, MOST_DIMS, sizeof *shape);
    w.shape = shape, w.rank = (size_t)rank;
    for (size_t i = w.rank; i-- > 0; ) {
        uint64_t n = number(c, 8);
        if (n > SIZE_MAX) bad(c, "a tensor is too large to count");
        shape[i] = (size_t)n;
        if (i == w.rank - 1) row = n;
    }
    w.type = type_of(c, w.name);
    const char *wrong = shape_bytes(w.type, w.rank, shape, &w.bytes);
    size_t row_bytes, offset = *next;
    if (wrong || !dtype_bytes(w.type, (size_t)row, &row_bytes)) fail(c->mem, "%s: %s %s", c->path, w.name, wrong ? wrong : "has rows that do not fill whole blocks");
    if (number(c, 8) != offset) fail(c->mem, "%s: %s does not begin where the tensor before it ends: not a valid GGUF file", c->path, w.name);
    if (w.bytes > SIZE_MAX - offset - alignment) bad(c, "its tensors are too large to count");
    *next = rounded(offset + w.bytes, alignment);
    return w;
}

static void place(Cursor *c, WeightFile *f, const unsigned char *start, size_t alignment)
{
    size_t begin = rounded((size_t)(c->at - start), alignment), next = 0, end = 0;
    if (f->count && begin > f->bytes) bad(c, "it is cut short");
    for (size_t i = 0; i < f->count; i++) {
        Weight *w = &f->weight[i];
        if (next > f->bytes - begin || w->bytes > f->bytes - begin - next) fail(c->mem, "%s: cut short in %s; download it again", c->path, w->name);
        w->data = start + begin + next;
        end = begin + next + w->bytes;
        next = rounded(next + w->bytes, alignment);
    }
    if (f->count ? f->bytes != end && f->bytes != begin + next : f->bytes > begin) bad(c, "something follows its last tensor");
}

/* ---- the file --------------------------------------------------------------------------------- */

int gguf_is(Bytes file) { return stands_at(file, 0, "GGUF", 4); }

WeightFile *gguf_read(Arena *a, const char *path, Bytes file)
{
    Cursor c = { a, format(a, "%s", path), file.data, file.data + file.size };
    WeightFile *f = take(a, 1, sizeof *f);
    *f = (WeightFile){ .path = c.path, .bytes = file.size };
    size_t alignment = ALIGNMENT, next = 0;
    bytes(&c, 4);
    uint64_t version = number(&c, 4);
    if (version != 2 && version != 3) fail(a, "%s: is version %llu of GGUF, or big-endian, expected 2 or 3", c.path, (unsigned long long)version);
    size_t tensors = count_of(&c, SHORTEST_TENSOR), many = count_of(&c, SHORTEST_PAIR);
    pairs(&c, f, many, &alignment);
    if (tensors > left(&c) / SHORTEST_TENSOR) bad(&c, "it counts more than there is room for");
    f->weight = take(a, tensors, sizeof *f->weight);
    while (f->count < tensors) f->weight[f->count++] = tensor(&c, alignment, &next);
    place(&c, f, file.data, alignment);
    file_sort(a, f);
    if (f->pairs) qsort(f->metadata, f->pairs, sizeof *f->metadata, by_key);
    for (size_t i = 1; i < f->pairs; i++)
        if (!strcmp(f->metadata[i - 1].key, f->metadata[i].key)) fail(a, "%s: %s is there twice", c.path, f->metadata[i].key);
    return f;
}
