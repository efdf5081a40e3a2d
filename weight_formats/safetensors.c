/* safetensors.c - the safetensors format: one JSON header, then the data of all tensors.
 *
 *     byte 0        8              8 + N                                   end of file
 *          +--------+--------------+-----------+-----------+-------------+
 *          |   N    |    header    | tensor 0  | tensor 1  |     ...     |
 *          +--------+--------------+-----------+-----------+-------------+
 *          uint64     N bytes of     data offsets count from here;
 *          little-    JSON           the tensors lie back to back
 *          endian
 *
 *     {"__metadata__": {"key": "value"}, "name": {"dtype": "F16", "shape": [2,3], "data_offsets": [0,12]}, ...}
 *
 * Header checks: the rules are those of the reference reader (huggingface/safetensors, safetensors/src/tensor.rs): N
 * is at most 10^8; the JSON is strict (json.c); dtypes are known; shapes and offsets are whole numbers; products of
 * sizes are checked for overflow; the first tensor begins at 0, each other where the one before it ends, and the last
 * ends with the file. Two rules are stricter: a name that is there twice and a name with a NUL in it are refused.
 *
 * The file may be made to harm.  Memory for tensors is bounded by the bytes of the header that could describe them.
 * No byte of the data is read here. */
#include "safetensors.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH = 8, LONGEST_HEADER = 100000000 };

/* ---- one tensor's entry in the header --------------------------------------------------------- */

/* A tensor, and its data offsets. */
typedef struct { Weight weight; size_t begin, end; } Entry;

/* Returns how many bytes b there are from the cursor to the end of the text. */
static size_t count_of(const Json *c, int b)
{
    size_t n = 0;
    for (const unsigned char *p = c->at; p < c->end; p++)
        if (*p == b) n++;
    return n;
}

/* Returns how many commas there are before the next ']'. */
static size_t commas_in_list(const Json *c)
{
    size_t commas = 0;
    for (const unsigned char *p = c->at; p < c->end && *p != ']'; p++)
        if (*p == ',') commas++;
    return commas;
}

/* Reads a list of whole numbers, [2, 3], and writes how many they are. */
static size_t *size_list(Json *c, size_t *count)
{
    json_expect(c, '[', "a shape or offset is not a list");
    size_t most = commas_in_list(c) + 1;
    size_t *list = allocate(c->mem, most, sizeof *list);
    *count = 0;
    if (json_accept(c, ']')) return list;
    do {
        if (*count == most) json_bad(c, "a shape or offset is malformed");
        list[(*count)++] = json_size(c);
    } while (json_accept(c, ','));
    json_expect(c, ']', "a shape or offset is malformed");
    return list;
}

static DType dtype_named(const Json *c, const char *tensor, const char *name)
{
    for (int t = 0; t < SAFETENSORS_DTYPES; t++)
        if (!strcmp(dtype_name((DType)t), name)) return (DType)t;
    fail(c->mem, "%s: %s has dtype %s, which safetensors does not know", c->path, tensor, name);
}

static void data_offsets(Json *c, Entry *e)
{
    size_t count;
    const size_t *pair = size_list(c, &count);
    if (count != 2) json_bad(c, "data_offsets is not a pair");
    e->begin = pair[0];
    e->end = pair[1];
}

/* Which members of an entry have been seen. */
typedef struct { int dtype, shape, data_offsets; } Seen;

static void first_time(const Json *c, int *seen)
{
    if (*seen) json_bad(c, "a tensor's entry says one thing twice");
    *seen = 1;
}

/* Reads one member of an entry.  Members with other names are skipped. */
static void entry_member(Json *c, Entry *e, Seen *seen)
{
    const char *key = json_string(c);
    json_expect(c, ':', "its header lacks a colon after a name");
    if (!strcmp(key, "dtype")) {
        first_time(c, &seen->dtype);
        e->weight.type = dtype_named(c, e->weight.name, json_string(c));
    }
    else if (!strcmp(key, "shape")) {
        first_time(c, &seen->shape);
        e->weight.shape = size_list(c, &e->weight.rank);
    }
    else if (!strcmp(key, "data_offsets")) {
        first_time(c, &seen->data_offsets);
        data_offsets(c, e);
    }
    else json_skip(c, 2);
}

static void check_complete(const Json *c, const Entry *e, const Seen *seen)
{
    const char *missing = NULL;
    if (!seen->data_offsets) missing = "data_offsets";
    if (!seen->shape) missing = "shape";
    if (!seen->dtype) missing = "dtype";
    if (missing) fail(c->mem, "%s: the entry of %s lacks %s", c->path, e->weight.name, missing);
}

/* The size that dtype and shape give must be that of the data offsets. */
static void check_size(const Json *c, Entry *e)
{
    Weight *w = &e->weight;
    const char *wrong = shape_bytes(w->type, w->rank, w->shape, &w->bytes);
    if (wrong) fail(c->mem, "%s: %s %s", c->path, w->name, wrong);
    if (e->end >= e->begin && e->end - e->begin == w->bytes) return;
    fail(c->mem, "%s: %s is %s %s and so %zu bytes, but its data_offsets are %zu to %zu", c->path, w->name,
         dtype_name(w->type), shape_text(c->mem, w), w->bytes, e->begin, e->end);
}

/* {"dtype": "F16", "shape": [2,3], "data_offsets": [0,12]} */
static void tensor_entry(Json *c, Entry *e)
{
    Seen seen = { 0 };
    json_expect(c, '{', "a tensor's entry in its header is not an object");
    if (!json_accept(c, '}')) {
        do {
            entry_member(c, e, &seen);
        } while (json_accept(c, ','));
        json_expect(c, '}', "a tensor's entry in its header does not end");
    }
    check_complete(c, e, &seen);
    check_size(c, e);
}

/* ---- the header ------------------------------------------------------------------------------- */

/* {"key": "value", ...}, or null. */
static void metadata_entry(Json *c, WeightFile *f)
{
    if (json_literal(c, "null")) return;
    json_expect(c, '{', "__metadata__ is not an object");
    f->metadata = allocate(c->mem, count_of(c, ':') + 1, sizeof *f->metadata);
    if (json_accept(c, '}')) return;
    do {
        KeyValue *pair = &f->metadata[f->pairs++];
        pair->key = json_string(c);
        json_expect(c, ':', "__metadata__ lacks a colon");
        pair->value = json_string(c);
    } while (json_accept(c, ','));
    json_expect(c, '}', "__metadata__ may hold only strings, and must end");
}

/* Reads the whole header and returns the entries of its f->count tensors. */
static Entry *header_entries(Json *c, WeightFile *f)
{
    int has_metadata = 0;
    Entry *entry = allocate(c->mem, count_of(c, '{') + 1, sizeof *entry);
    json_expect(c, '{', "its header is not a JSON object");
    if (!json_accept(c, '}')) {
        do {
            const char *name = json_string(c);
            json_expect(c, ':', "its header lacks a colon after a name");
            if (!strcmp(name, "__metadata__")) {
                if (has_metadata) json_bad(c, "__metadata__ is there twice");
                has_metadata = 1;
                metadata_entry(c, f);
                continue;
            }
            Entry *e = &entry[f->count++];
            *e = (Entry){ .weight.name = name };
            tensor_entry(c, e);
        } while (json_accept(c, ','));
        json_expect(c, '}', "its header lacks a comma or its end");
    }
    if (json_peek(c) != -1) json_bad(c, "its header goes on after its end");
    return entry;
}

static int by_offsets(const void *x, const void *y)
{
    const Entry *a = x;
    const Entry *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->weight.name, b->weight.name);
}

/* The tensors must lie back to back from the first byte of the data to the last of `bytes`.  Sorts them so. */
static void check_offsets(const Json *c, Entry *entry, size_t count, size_t bytes)
{
    size_t at = 0;
    qsort(entry, count, sizeof *entry, by_offsets);
    for (size_t i = 0; i < count; i++) {
        const Entry *e = &entry[i];
        if (e->begin != at)
            fail(c->mem, "%s: the data of %s begin at byte %zu, expected %zu: tensors must lie back to back",
                 c->path, e->weight.name, e->begin, at);
        at = e->end;
    }
    if (at < bytes)
        fail(c->mem, "%s: %zu bytes after the last tensor: not a valid safetensors file", c->path, bytes - at);
    if (at > bytes)
        fail(c->mem, "%s: cut short: %zu bytes of data expected, %zu found; download it again", c->path, at, bytes);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Reads the N at the start of the file, and checks it against the file's size. */
static size_t header_length(const Json *c, Bytes file)
{
    uint64_t n = 0;
    if (file.size < LENGTH) json_bad(c, "it is shorter than 8 bytes");
    for (int i = LENGTH - 1; i >= 0; i--) n = n << 8 | file.data[i];
    if (n > LONGEST_HEADER) json_bad(c, "its header would be longer than 100 MB (is it another kind of file?)");
    if (n > file.size - LENGTH) json_bad(c, "its header is cut short");
    return (size_t)n;
}

WeightFile *safetensors_read(Arena *a, const char *path, Bytes file)
{
    Json c = { .mem = a, .path = format(a, "%s", path), .kind = "safetensors file" };
    size_t header = header_length(&c, file);
    const unsigned char *data = file.data + LENGTH + header;
    c = json_begin(a, path, c.kind, (Bytes){ file.data + LENGTH, header });

    WeightFile *f = allocate(a, 1, sizeof *f);
    *f = (WeightFile){ .path = c.path, .bytes = file.size };
    Entry *entry = header_entries(&c, f);
    check_offsets(&c, entry, f->count, file.size - LENGTH - header);

    f->weight = allocate(a, f->count, sizeof *f->weight);
    for (size_t i = 0; i < f->count; i++) {
        f->weight[i] = entry[i].weight;
        f->weight[i].data = data + entry[i].begin;
    }
    file_sort(a, f);
    return f;
}

WeightFile *safetensors_open(Arena *a, const char *path) { return safetensors_read(a, path, file_map(a, path)); }

/* ---- writing ---------------------------------------------------------------------------------- */

/* A text that is written twice: first with at = NULL, which only counts its bytes, then into memory of that size. */
typedef struct { char *at; size_t n; } Text;

static void put_text(Text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->at) memcpy(t->at + t->n, s, n);
    t->n += n;
}

static void put_metadata(Arena *a, Text *t, const KeyValue *metadata, size_t pairs)
{
    put_text(t, "\"__metadata__\":{");
    for (size_t i = 0; i < pairs; i++) {
        size_t before = mark(a);
        if (i) put_text(t, ",");
        put_text(t, json_quoted(a, metadata[i].key));
        put_text(t, ":");
        put_text(t, json_quoted(a, metadata[i].value));
        release(a, before);
    }
    put_text(t, "}");
}

static void put_entry(Arena *a, Text *t, const Weight *w, size_t begin)
{
    size_t before = mark(a);
    put_text(t, format(a, "%s:{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", json_quoted(a, w->name),
                       dtype_name(w->type), shape_text(a, w), begin, begin + w->bytes));
    release(a, before);
}

static void put_header(Arena *a, Text *t, const Weight *w, size_t count, const KeyValue *metadata, size_t pairs)
{
    size_t begin = 0;
    put_text(t, "{");
    if (pairs) put_metadata(a, t, metadata, pairs);
    for (size_t i = 0; i < count; i++) {
        if (i || pairs) put_text(t, ",");
        put_entry(a, t, &w[i], begin);
        begin += w[i].bytes;
    }
    put_text(t, "}");
    while (t->n % 8) put_text(t, " ");
}

/* The order is the reference writer's: the widest dtype first, so that every tensor is aligned, then by name. */
static int by_width(const void *x, const void *y)
{
    const Weight *a = x;
    const Weight *b = y;
    size_t a_width = 0, b_width = 0;      /* of 8 elements, as an element may be half a byte; 0 for blocks of 32 */
    dtype_bytes(a->type, 8, &a_width);
    dtype_bytes(b->type, 8, &b_width);
    if (a_width != b_width) return a_width > b_width ? -1 : 1;
    return strcmp(a->name, b->name);
}

static Weight *in_order_of_width(Arena *a, const Weight *weights, size_t count)
{
    Weight *w = allocate(a, count, sizeof *w);
    if (count) {
        memcpy(w, weights, count * sizeof *w);
        qsort(w, count, sizeof *w, by_width);
    }
    return w;
}

/* The data go to the file in blocks, so that saving takes no memory of the file's size. */
enum { BLOCK = 1 << 16 };                /* bytes */

typedef struct {
    FileWriter    *file;
    unsigned char *bytes;                /* [BLOCK], of which `used` wait to be written */
    size_t         used;
} Block;

static void write_block(Block *b)
{
    file_append(b->file, b->bytes, b->used);
    b->used = 0;
}

static void put_bytes(Block *b, const void *data, size_t n)
{
    if (n > BLOCK - b->used) write_block(b);
    if (n > BLOCK) file_append(b->file, data, n);
    else if (n) {
        memcpy(b->bytes + b->used, data, n);
        b->used += n;
    }
}

static void put_halves(Block *b, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t half = float_to_half(x[i]);
        put_bytes(b, &half, sizeof half);
    }
}

/* w: [count] in the file's order */
static void put_file_header(Arena *a, Block *b, const Weight *w, size_t count, const KeyValue *metadata, size_t pairs)
{
    unsigned char length[LENGTH];
    Text counted = { NULL, 0 };
    put_header(a, &counted, w, count, metadata, pairs);
    Text header = { allocate(a, counted.n, 1), 0 };
    put_header(a, &header, w, count, metadata, pairs);
    for (int i = 0; i < LENGTH; i++) length[i] = (unsigned char)((uint64_t)header.n >> 8 * i);
    put_bytes(b, length, LENGTH);
    put_bytes(b, header.at, header.n);
}

/* are_floats: the tensors are float32 in memory, and F16 in the file */
static void save(Arena *a, const char *path, const Weight *weights, size_t count, const KeyValue *metadata,
                 size_t pairs, int are_floats)
{
    size_t before = mark(a);
    const Weight *w = in_order_of_width(a, weights, count);
    Block b = { .file = file_begin(a, path), .bytes = allocate(a, BLOCK, 1) };
    put_file_header(a, &b, w, count, metadata, pairs);
    for (size_t i = 0; i < count; i++) {
        if (are_floats) put_halves(&b, w[i].data, w[i].bytes / sizeof(uint16_t));
        else put_bytes(&b, w[i].data, w[i].bytes);
    }
    write_block(&b);
    file_finish(b.file);
    file_replace(b.file);
    release(a, before);
}

void safetensors_save(Arena *a, const char *path, const Weight *weights, size_t count,
                      const KeyValue *metadata, size_t pairs)
{
    save(a, path, weights, count, metadata, pairs, 0);
}

void safetensors_save_halves(Arena *a, const char *path, const Weight *weights, size_t count,
                             const KeyValue *metadata, size_t pairs)
{
    save(a, path, weights, count, metadata, pairs, 1);
}
