/* safetensors.c - weights by name.
 *
 *     8 bytes  N, little-endian
 *     N bytes  one JSON object: {"name": {"dtype": "F16", "shape": [2,3], "data_offsets": [0,12]}, ...}
 *     data     offsets count from here; tensors lie back to back, no hole, no overlap, no byte to spare
 *
 * The rules are those of the reference reader (huggingface/safetensors, safetensors/src/tensor.rs):
 * N at most 10^8; strict JSON (json.c); known dtypes; shapes and offsets whole numbers;
 * sizes by checked multiplication; begin of each tensor = end of the one before; the last end = end of file.
 * Two rules are stricter here: a name given twice and a name with a NUL in it are refused.
 *
 * The file is hostile until checked: counts are bounded by the bytes that could hold them.  Nothing of the data part is read. */
#include "safetensors.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t LONGEST_HEADER = 100000000;

/* ---- tables of weights ------------------------------------------------------------------------ */

static int by_name(const void *x, const void *y) { return strcmp(((const Weight *)x)->name, ((const Weight *)y)->name); }

void weights_sort(Weight *w, size_t count) { if (count) qsort(w, count, sizeof *w, by_name); }

const Weight *weight_named(const Weight *w, size_t count, const char *name)
{
    Weight key = { .name = name };
    return count ? bsearch(&key, w, count, sizeof key, by_name) : NULL;
}

/* ---- the header ------------------------------------------------------------------------------- */

static DType dtype_by_name(const Json *c, const char *tensor, const char *name)
{
    for (int t = 0; t < SAFETENSORS_DTYPES; t++) if (!strcmp(dtype_name((DType)t), name)) return (DType)t;
    fail(c->mem, "%s: %s has dtype %s, which safetensors does not know", c->path, tensor, name);
}

/* [ n, n, ... ]: counted first, so that the array is taken once */
static size_t *numbers(Json *c, size_t *count)
{
    json_expect(c, '[', "a shape or offset is not a list");
    size_t commas = 0;
    for (const unsigned char *p = c->at; p < c->end && *p != ']'; p++) commas += *p == ',';
    size_t *list = take(c->mem, commas + 1, sizeof *list), n = 0;
    if (!json_next(c, ']')) {
        do { if (n > commas) json_bad(c, "a shape or offset is malformed"); list[n++] = json_whole(c); } while (json_next(c, ','));
        json_expect(c, ']', "a shape or offset is malformed");
    }
    *count = n;
    return list;
}

/* {"dtype": .., "shape": .., "data_offsets": [begin, end]}; begin is kept in data until it is checked */
static void tensor_entry(Json *c, Weight *w, size_t *begin, size_t *end)
{
    int dtype = 0, shape = 0, offsets = 0;
    size_t count;
    json_expect(c, '{', "a tensor's entry in its header is not an object");
    if (!json_next(c, '}')) {
        do {
            const char *key = json_string(c);
            json_expect(c, ':', "its header lacks a colon after a name");
            if (!strcmp(key, "dtype") && !dtype++) w->type = dtype_by_name(c, w->name, json_string(c));
            else if (!strcmp(key, "shape") && !shape++) w->shape = numbers(c, &w->rank);
            else if (!strcmp(key, "data_offsets") && !offsets++) {
                size_t *pair = numbers(c, &count);
                if (count != 2) json_bad(c, "data_offsets is not a pair");
                *begin = pair[0], *end = pair[1];
            }
            else if (!strcmp(key, "dtype") || !strcmp(key, "shape") || !strcmp(key, "data_offsets")) json_bad(c, "a tensor's entry says one thing twice");
            else json_skip(c, 2);
        } while (json_next(c, ','));
        json_expect(c, '}', "a tensor's entry in its header does not end");
    }
    if (!dtype || !shape || !offsets) fail(c->mem, "%s: the entry of %s lacks %s", c->path, w->name, !dtype ? "dtype" : !shape ? "shape" : "data_offsets");
    const char *wrong = shape_bytes(w->type, w->rank, w->shape, &w->bytes);
    if (wrong) fail(c->mem, "%s: %s %s", c->path, w->name, wrong);
    if (*end < *begin || *end - *begin != w->bytes)
        fail(c->mem, "%s: %s is %s %s and so %zu bytes, but its data_offsets are %zu to %zu", c->path, w->name,
             dtype_name(w->type), shape_text(c->mem, w->rank, w->shape), w->bytes, *begin, *end);
}

static void metadata(Json *c, WeightFile *s)
{
    if (json_peek(c) == 'n' && json_word(c, "null")) return;
    json_expect(c, '{', "__metadata__ is not an object");
    size_t most = 1;
    for (const unsigned char *p = c->at; p < c->end; p++) most += *p == ':';
    s->metadata = take(c->mem, most, sizeof *s->metadata);
    if (json_next(c, '}')) return;
    do {
        Pair *m = &s->metadata[s->pairs++];
        m->key = json_string(c);
        json_expect(c, ':', "__metadata__ lacks a colon");
        m->value = json_string(c);
    } while (json_next(c, ','));
    json_expect(c, '}', "__metadata__ may hold only strings, and must end");
}

typedef struct { Weight w; size_t begin, end; } Entry;

static int by_place(const void *x, const void *y)
{
    const Entry *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->end != b->end ? (a->end < b->end ? -1 : 1) : strcmp(a->w.name, b->w.name);
}

/* back to back from the first byte to the last */
static void check_places(const Json *c, Entry *e, size_t count, size_t data)
{
    size_t at = 0;
    qsort(e, count, sizeof *e, by_place);
    for (size_t i = 0; i < count; at = e[i++].end)
        if (e[i].begin != at) fail(c->mem, "%s: the data of %s begin at byte %zu, expected %zu: tensors must lie back to back", c->path, e[i].w.name, e[i].begin, at);
    if (at < data) fail(c->mem, "%s: %zu bytes after the last tensor: not a valid safetensors file", c->path, data - at);
    if (at > data) fail(c->mem, "%s: cut short: %zu bytes of data expected, %zu found; download it again", c->path, at, data);
}

static void entries(Json *c, WeightFile *s, const unsigned char *data, size_t bytes)
{
    size_t most = 1, seen = 0;
    for (const unsigned char *p = c->at; p < c->end; p++) most += *p == '{';
    Entry *e = take(c->mem, most, sizeof *e);
    json_expect(c, '{', "its header is not a JSON object");
    if (!json_next(c, '}')) {
        do {
            const char *name = json_string(c);
            json_expect(c, ':', "its header lacks a colon after a name");
            if (!strcmp(name, "__metadata__")) {
                if (seen++) json_bad(c, "__metadata__ is there twice");
                metadata(c, s);
                continue;
            }
            Entry *now = &e[s->count++];
            *now = (Entry){ .w.name = name };
            tensor_entry(c, &now->w, &now->begin, &now->end);
        } while (json_next(c, ','));
        json_expect(c, '}', "its header lacks a comma or its end");
    }
    if (json_peek(c) != -1) json_bad(c, "its header goes on after its end");
    check_places(c, e, s->count, bytes);
    s->weight = take(c->mem, s->count, sizeof *s->weight);
    for (size_t i = 0; i < s->count; i++) {
        s->weight[i] = e[i].w;
        s->weight[i].data = data + e[i].begin;
    }
}

void file_sort(Arena *a, WeightFile *f)
{
    weights_sort(f->weight, f->count);
    for (size_t i = 1; i < f->count; i++)
        if (!strcmp(f->weight[i - 1].name, f->weight[i].name)) fail(a, "%s: %s is there twice", f->path, f->weight[i].name);
}

WeightFile *safetensors_read(Arena *a, const char *path, Bytes file)
{
    Json c = { .mem = a, .path = format(a, "%s", path), .kind = "safetensors file" };
    uint64_t n = 0;
    if (file.size < 8) json_bad(&c, "it is shorter than 8 bytes");
    for (int i = 7; i >= 0; i--) n = n << 8 | file.data[i];
    if (n > LONGEST_HEADER) json_bad(&c, "its header would be longer than 100 MB (is it another kind of file?)");
    if (n > file.size - 8) json_bad(&c, "its header is cut short");
    c = json_begin(a, path, c.kind, (Bytes){ file.data + 8, (size_t)n });
    WeightFile *s = take(a, 1, sizeof *s);
    *s = (WeightFile){ .path = c.path, .bytes = file.size };
    entries(&c, s, c.end, file.size - 8 - (size_t)n);
    file_sort(a, s);
    return s;
}

WeightFile *safetensors_open(Arena *a, const char *path) { return safetensors_read(a, path, file_map(a, path)); }

const Weight *file_weight(const WeightFile *f, const char *name) { return weight_named(f->weight, f->count, name); }

const char *file_metadata(const WeightFile *f, const char *key)
{
    for (size_t i = 0; i < f->pairs; i++) if (!strcmp(f->metadata[i].key, key)) return f->metadata[i].value;
    return NULL;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

const char *shape_bytes(DType t, size_t rank, const size_t *shape, size_t *bytes)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] && n > SIZE_MAX / 64 / shape[i]) return "has a shape that is too large to count";
        n *= shape[i];
    }
    return dtype_bytes(t, n, bytes) ? NULL : "does not fill whole bytes";
}

size_t weight_values(const Weight *w)
{
    size_t n = 1;
    for (size_t i = 0; i < w->rank; i++) n *= w->shape[i];
    return n;
}

const char *shape_text(Arena *a, size_t rank, const size_t *shape)
{
    char *text = take(a, rank * 21 + 3, 1), *p = text;
    *p++ = '[';
    for (size_t i = 0; i < rank; i++) p += sprintf(p, i ? ",%zu" : "%zu", shape[i]);
    *p++ = ']';
    *p = 0;
    return text;
}

/* ---- writing ---------------------------------------------------------------------------------- */

typedef struct { char *at; size_t n; } Text;      /* at: NULL while only counting */

static void put_text(Text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->at) memcpy(t->at + t->n, s, n);
    t->n += n;
}

static void put_header(Arena *a, Text *t, const Weight *w, size_t count, const Pair *m, size_t pairs)
{
    put_text(t, "{");
    if (pairs) put_text(t, "\"__metadata__\":{");
    for (size_t i = 0; i < pairs; i++) {
        size_t here = mark(a);
        put_text(t, format(a, "%s%s:%s", i ? "," : "", json_quoted(a, m[i].key), json_quoted(a, m[i].value)));
        release(a, here);
    }
    if (pairs) put_text(t, count ? "}," : "}");
    for (size_t i = 0, at = 0; i < count; at += w[i++].bytes) {
        size_t here = mark(a);
        put_text(t, format(a, "%s%s:{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", i ? "," : "", json_quoted(a, w[i].name), dtype_name(w[i].type),
                           shape_text(a, w[i].rank, w[i].shape), at, at + w[i].bytes));
        release(a, here);
    }
    put_text(t, "}");
    while (t->n % 8) put_text(t, " ");
}

/* widest type first, so that everything is aligned; then by name */
static int by_width(const void *x, const void *y)
{
    const Weight *a = x, *b = y;
    size_t p = 0, q = 0;
    dtype_bytes(a->type, 8, &p), dtype_bytes(b->type, 8, &q);
    return p != q ? (p > q ? -1 : 1) : strcmp(a->name, b->name);
}

void safetensors_save(Arena *a, const char *path, const Weight *weights, size_t count, const Pair *m, size_t pairs)
{
    size_t here = mark(a), data = 0;
    Weight *w = take(a, count, sizeof *w);
    if (count) memcpy(w, weights, count * sizeof *w), qsort(w, count, sizeof *w, by_width);
    for (size_t i = 0; i < count; i++) data += w[i].bytes;
    Text t = { NULL, 0 };
    put_header(a, &t, w, count, m, pairs);
    size_t header = t.n;
    unsigned char *file = take(a, 8 + header + data, 1);
    t = (Text){ (char *)file + 8, 0 };
    put_header(a, &t, w, count, m, pairs);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)header >> 8 * i);
    unsigned char *at = file + 8 + header;
    for (size_t i = 0; i < count; at += w[i++].bytes) if (w[i].bytes) memcpy(at, w[i].data, w[i].bytes);
    files_save(a, &(File){ path, { file, 8 + header + data } }, 1);
    release(a, here);
}
