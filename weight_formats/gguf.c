/* gguf.c - GGUF, the weight files of ggml's programs (ggml, docs/gguf.md).
 *
 *     "GGUF", version (4 bytes), number of tensors (8), number of key-value pairs (8)
 *     pairs      key, type of the value (4), value
 *     tensors    name, number of dims (4), dims (8 each, fastest first), type (4), offset (8)
 *     data       begins at the next multiple of the alignment, and so does each tensor; offsets count from here
 *
 * A string is its length (8 bytes) and its bytes.  An array is the type of its elements (4 bytes), their number (8),
 * and the elements.
 *
 * Counts and lengths are eight bytes wide, and readers have overflowed with each of them.  So a count is compared with
 * the bytes that are left before memory is taken for it; sizes are multiplied and rounded up with a check; and each
 * offset must be what the sizes of the tensors before it give: no hole, no overlap.  The file ends with its last
 * tensor, or with the padding of that one.
 *
 * Quantisation types that dtype.c cannot read are refused by name. */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DIMS = 4, LONGEST_NAME = 500, LONGEST_VALUE = 1 << 20, DEFAULT_ALIGNMENT = 32 };
enum { SHORTEST_PAIR = 13, SHORTEST_TENSOR = 24 };      /* bytes */

typedef struct { Arena *mem; const char *path; const unsigned char *at, *end; } Cursor;

static _Noreturn void bad(const Cursor *c, const char *what)
{
    fail(c->mem, "%s: not a valid GGUF file: %s; download or convert it again", c->path, what);
}

/* ---- numbers and strings ---------------------------------------------------------------------- */

static size_t bytes_left(const Cursor *c) { return (size_t)(c->end - c->at); }

static const unsigned char *bytes(Cursor *c, size_t n)
{
    if (bytes_left(c) < n) bad(c, "it is cut short");
    const unsigned char *p = c->at;
    c->at += n;
    return p;
}

/* Reads an unsigned number of `width` bytes, little-endian. */
static uint64_t number(Cursor *c, size_t width)
{
    uint64_t u = 0;
    const unsigned char *p = bytes(c, width);
    for (size_t i = width; i-- > 0; ) u = u << 8 | p[i];
    return u;
}

/* Reads a count of things that take `each` bytes at least, which must have room in the rest of the file. */
static size_t count_of(Cursor *c, size_t each)
{
    uint64_t n = number(c, 8);
    if (n > bytes_left(c) / each) bad(c, "it counts more than there is room for");
    return (size_t)n;
}

/* Reads a string. */
static Bytes string_bytes(Cursor *c)
{
    size_t n = count_of(c, 1);
    return (Bytes){ bytes(c, n), n };
}

/* Reads a key, or the name of a tensor. */
static const char *name_string(Cursor *c)
{
    Bytes s = string_bytes(c);
    if (s.size > LONGEST_NAME || memchr(s.data, 0, s.size)) bad(c, "a name is too long, or has a NUL in it");
    return format(c->mem, "%.*s", (int)s.size, (const char *)s.data);
}

/* ---- key-value pairs: metadata ---------------------------------------------------------------- */

typedef enum {
    V_UINT8, V_INT8, V_UINT16, V_INT16, V_UINT32, V_INT32, V_FLOAT32, V_BOOL, V_STRING, V_ARRAY,
    V_UINT64, V_INT64, V_FLOAT64, VALUE_TYPES
} ValueType;

/* The dtype of a value that is one number. */
static const DType number_dtypes[VALUE_TYPES] = {
    [V_UINT8]   = U8,
    [V_INT8]    = I8,
    [V_UINT16]  = U16,
    [V_INT16]   = I16,
    [V_UINT32]  = U32,
    [V_INT32]   = I32,
    [V_FLOAT32] = F32,
    [V_BOOL]    = U8,
    [V_UINT64]  = U64,
    [V_INT64]   = I64,
    [V_FLOAT64] = F64,
};

/* Returns the bytes of a value that is one number. */
static size_t number_width(uint64_t type)
{
    size_t width = 0;
    dtype_bytes(number_dtypes[type], 1, &width);
    return width;
}

/* Steps over an array.  Returns what the metadata say of it: "(a list of 3)". */
static const char *array_value(Cursor *c)
{
    enum { SHORTEST_STRING = 8 };
    uint64_t type = number(c, 4);
    if (type >= VALUE_TYPES || type == V_ARRAY) bad(c, "a list holds what no list holds");
    size_t n;
    if (type == V_STRING) {
        n = count_of(c, SHORTEST_STRING);
        for (size_t i = 0; i < n; i++) string_bytes(c);
    } else {
        size_t width = number_width(type);
        n = count_of(c, width);
        bytes(c, n * width);
    }
    return format(c->mem, "(a list of %zu)", n);
}

/* Reads a value as text. */
static const char *value(Cursor *c, uint64_t type)
{
    if (type >= VALUE_TYPES) bad(c, "a value is of no known type");
    if (type == V_ARRAY) return array_value(c);
    if (type == V_STRING) {
        Bytes s = string_bytes(c);
        int n = s.size < LONGEST_VALUE ? (int)s.size : LONGEST_VALUE;
        return format(c->mem, "%.*s", n, (const char *)s.data);
    }
    const unsigned char *p = bytes(c, number_width(type));
    return format(c->mem, "%.9g", (double)dtype_value(p, number_dtypes[type], 0));
}

/* Reads the value of general.alignment, but does not move behind it. */
static size_t alignment_value(const Cursor *c, uint64_t type)
{
    enum { LEAST = 8, MOST = 1 << 16 };
    Cursor ahead = *c;
    if (type != V_UINT32) bad(c, "its alignment is not a number of the type it has to be");
    size_t n = (size_t)number(&ahead, 4);
    if (n < LEAST || n > MOST || n & (n - 1)) bad(c, "its alignment is no power of two from 8 to 65536");
    return n;
}

/* Reads `count` pairs as the metadata of f; writes the alignment if it is among them. */
static void read_pairs(Cursor *c, WeightFile *f, size_t count, size_t *alignment)
{
    f->metadata = allocate(c->mem, count, sizeof *f->metadata);
    while (f->pairs < count) {
        const char *key = name_string(c);
        uint64_t type = number(c, 4);
        if (!strcmp(key, "general.alignment")) *alignment = alignment_value(c, type);
        f->metadata[f->pairs++] = (KeyValue){ key, value(c, type) };
    }
}

static int by_key(const void *x, const void *y)
{
    const KeyValue *a = x;
    const KeyValue *b = y;
    return strcmp(a->key, b->key);
}

/* Sorts the metadata by key.  No two may have the same. */
static void sort_metadata(Arena *a, WeightFile *f)
{
    if (f->pairs) qsort(f->metadata, f->pairs, sizeof *f->metadata, by_key);
    for (size_t i = 1; i < f->pairs; i++) {
        const char *key = f->metadata[i].key;
        if (!strcmp(f->metadata[i - 1].key, key)) fail(a, "%s: %s is there twice", f->path, key);
    }
}

/* ---- tensors ---------------------------------------------------------------------------------- */

#define SUPPORTED(name)    { #name, name }
#define UNSUPPORTED(name)  { #name, DTYPES }
#define REMOVED            { NULL, DTYPES }

/* ggml's numbers of its types (enum ggml_type). */
static const struct { const char *name; DType type; } ggml_types[] = {
    [0] =  SUPPORTED(F32),
    [1] =  SUPPORTED(F16),
    [2] =  SUPPORTED(Q4_0),
    [3] =  SUPPORTED(Q4_1),
    [4] =  REMOVED,
    [5] =  REMOVED,
    [6] =  SUPPORTED(Q5_0),
    [7] =  SUPPORTED(Q5_1),
    [8] =  SUPPORTED(Q8_0),
    [9] =  UNSUPPORTED(Q8_1),
    [10] = SUPPORTED(Q2_K),
    [11] = SUPPORTED(Q3_K),
    [12] = SUPPORTED(Q4_K),
    [13] = SUPPORTED(Q5_K),
    [14] = SUPPORTED(Q6_K),
    [15] = UNSUPPORTED(Q8_K),
    [16] = UNSUPPORTED(IQ2_XXS),
    [17] = UNSUPPORTED(IQ2_XS),
    [18] = UNSUPPORTED(IQ3_XXS),
    [19] = UNSUPPORTED(IQ1_S),
    [20] = UNSUPPORTED(IQ4_NL),
    [21] = UNSUPPORTED(IQ3_S),
    [22] = UNSUPPORTED(IQ2_S),
    [23] = UNSUPPORTED(IQ4_XS),
    [24] = SUPPORTED(I8),
    [25] = SUPPORTED(I16),
    [26] = SUPPORTED(I32),
    [27] = SUPPORTED(I64),
    [28] = SUPPORTED(F64),
    [29] = UNSUPPORTED(IQ1_M),
    [30] = SUPPORTED(BF16),
};
enum { GGML_TYPES = sizeof ggml_types / sizeof *ggml_types };

#undef SUPPORTED
#undef UNSUPPORTED
#undef REMOVED

static DType tensor_dtype(Cursor *c, const char *tensor)
{
    uint64_t t = number(c, 4);
    if (t >= GGML_TYPES || !ggml_types[t].name)
        fail(c->mem, "%s: %s is of ggml's type %llu, which is not known here", c->path, tensor, (unsigned long long)t);
    if (ggml_types[t].type == DTYPES)
        fail(c->mem, "%s: %s is of ggml's type %s, which is not supported; "
             "take the file as F16, Q8_0, or any other of Q2_K to Q6_K and Q4_0 to Q5_1", c->path, tensor,
             ggml_types[t].name);
    return ggml_types[t].type;
}

/* Returns the next multiple of the alignment, or 0 when it overflows. */
static size_t rounded_up(size_t n, size_t alignment)
{
    if (n > SIZE_MAX - alignment) return 0;
    return (n + alignment - 1) / alignment * alignment;
}

/* Reads the dims, fastest first, into w's shape, slowest first. */
static void read_shape(Cursor *c, Weight *w)
{
    uint64_t rank = number(c, 4);
    if (rank > MOST_DIMS)
        fail(c->mem, "%s: %s has %llu dims, expected at most %d",
             c->path, w->name, (unsigned long long)rank, MOST_DIMS);
    size_t *shape = allocate(c->mem, MOST_DIMS, sizeof *shape);
    w->rank = (size_t)rank;
    w->shape = shape;
    for (size_t i = w->rank; i-- > 0; ) {
        uint64_t n = number(c, 8);
        if (n > SIZE_MAX) bad(c, "a tensor is too large to count");
        shape[i] = (size_t)n;
    }
}

/* Writes the size of w.  Its rows, the fastest dim, must fill whole blocks. */
static void set_bytes(const Cursor *c, Weight *w)
{
    size_t row = w->rank ? w->shape[w->rank - 1] : 1;
    size_t row_bytes;
    const char *wrong = shape_bytes(w->type, w->rank, w->shape, &w->bytes);
    if (!wrong && !dtype_bytes(w->type, row, &row_bytes)) wrong = "has rows that do not fill whole blocks";
    if (wrong) fail(c->mem, "%s: %s %s", c->path, w->name, wrong);
}

/* Reads the entry of one tensor.  Its data are set later, by place_data.
 * *next: the offset that it must have; moved to that of the next tensor. */
static Weight tensor_entry(Cursor *c, size_t alignment, size_t *next)
{
    Weight w = { .name = name_string(c) };
    size_t offset = *next;
    read_shape(c, &w);
    w.type = tensor_dtype(c, w.name);
    set_bytes(c, &w);
    if (number(c, 8) != offset)
        fail(c->mem, "%s: %s does not begin where the tensor before it ends: not a valid GGUF file", c->path, w.name);
    if (w.bytes > SIZE_MAX - offset - alignment) bad(c, "its tensors are too large to count");
    *next = rounded_up(offset + w.bytes, alignment);
    return w;
}

/* Sets the data of all tensors, which must end with the file.  The cursor is behind the last entry.
 * start: the first byte of the file */
static void place_data(const Cursor *c, WeightFile *f, const unsigned char *start, size_t alignment)
{
    size_t begin = rounded_up((size_t)(c->at - start), alignment);      /* of all data in the file */
    size_t next = 0;                                                    /* offset of the next tensor in the data */
    size_t end = 0;                                                     /* of the last tensor, without its padding */
    if (!f->count) {
        if (f->bytes > begin) bad(c, "something follows its last tensor");
        return;
    }
    if (begin > f->bytes) bad(c, "it is cut short");
    for (size_t i = 0; i < f->count; i++) {
        Weight *w = &f->weight[i];
        if (next > f->bytes - begin || w->bytes > f->bytes - begin - next)
            fail(c->mem, "%s: cut short in %s; download it again", c->path, w->name);
        w->data = start + begin + next;
        end = begin + next + w->bytes;
        next = rounded_up(next + w->bytes, alignment);
    }
    if (f->bytes != end && f->bytes != begin + next) bad(c, "something follows its last tensor");
}

/* ---- the file --------------------------------------------------------------------------------- */

int gguf_is(Bytes file) { return has_bytes_at(file, 0, "GGUF", 4); }

static void check_version(Cursor *c)
{
    uint64_t version = number(c, 4);
    if (version != 2 && version != 3)
        fail(c->mem, "%s: is version %llu of GGUF, or big-endian, expected 2 or 3",
             c->path, (unsigned long long)version);
}

WeightFile *gguf_read(Arena *a, const char *path, Bytes file)
{
    Cursor c = { .mem = a, .path = format(a, "%s", path), .at = file.data, .end = file.data + file.size };
    WeightFile *f = allocate(a, 1, sizeof *f);
    *f = (WeightFile){ .path = c.path, .bytes = file.size };

    bytes(&c, strlen("GGUF"));
    check_version(&c);
    size_t tensors = count_of(&c, SHORTEST_TENSOR);
    size_t pairs = count_of(&c, SHORTEST_PAIR);
    size_t alignment = DEFAULT_ALIGNMENT;
    read_pairs(&c, f, pairs, &alignment);
    if (tensors > bytes_left(&c) / SHORTEST_TENSOR) bad(&c, "it counts more than there is room for");
    f->weight = allocate(a, tensors, sizeof *f->weight);
    size_t next = 0;
    while (f->count < tensors) f->weight[f->count++] = tensor_entry(&c, alignment, &next);

    place_data(&c, f, file.data, alignment);
    file_sort(a, f);
    sort_metadata(a, f);
    return f;
}
