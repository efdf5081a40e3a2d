/* safetensors.c - weights by name.
 *
 *     8 bytes  N, little-endian
 *     N bytes  one JSON object: {"name": {"dtype": "F16", "shape": [2,3], "data_offsets": [0,12]}, ...}
 *     data     offsets count from here; tensors lie back to back, no hole, no overlap, no byte to spare
 *
 * The rules are those of the reference reader (huggingface/safetensors, safetensors/src/tensor.rs):
 * N at most 10^8; strict UTF-8; strict JSON, nested at most 128 deep; known dtypes; shapes and offsets whole numbers;
 * sizes by checked multiplication; begin of each tensor = end of the one before; the last end = end of file.
 * Two rules are stricter here: a name given twice and a name with a NUL in it are refused.
 *
 * The file is hostile until checked: one cursor that never passes its end, no recursion, counts
 * bounded by the bytes that could hold them.  Nothing of the data part is read. */
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 128 };
static const size_t LONGEST_HEADER = 100000000;

/* ---- a strict JSON cursor --------------------------------------------------------------------- */

typedef struct { Arena *mem; const char *path; const unsigned char *at, *end; } Cursor;

static _Noreturn void bad(const Cursor *c, const char *what)
{
    fail(c->mem, "%s: not a valid safetensors file: %s; download or convert it again", c->path, what);
}

static void space(Cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static int peek(Cursor *c)
{
    space(c);
    return c->at < c->end ? *c->at : -1;
}

static int next_is(Cursor *c, int want)
{
    if (peek(c) != want) return 0;
    c->at++;
    return 1;
}

static void expect(Cursor *c, int want, const char *else_say)
{
    if (!next_is(c, want)) bad(c, else_say);
}

static unsigned hex4(Cursor *c)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        int d = c->at < c->end ? *c->at++ : 0;
        if      (d >= '0' && d <= '9') d -= '0';
        else if (d >= 'a' && d <= 'f') d -= 'a' - 10;
        else if (d >= 'A' && d <= 'F') d -= 'A' - 10;
        else bad(c, "its header has a broken \\u escape");
        value = value * 16 + (unsigned)d;
    }
    return value;
}

/* \uXXXX, in pairs where it is a surrogate, as UTF-8 */
static size_t unicode_escape(Cursor *c, char *out)
{
    unsigned u = hex4(c);
    if (u >= 0xdc00 && u < 0xe000) bad(c, "its header has half a surrogate pair");
    if (u >= 0xd800 && u < 0xdc00) {
        if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u') bad(c, "its header has half a surrogate pair");
        c->at += 2;
        unsigned low = hex4(c);
        if (low < 0xdc00 || low >= 0xe000) bad(c, "its header has half a surrogate pair");
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    if (u == 0) bad(c, "a name in its header contains a NUL character");
    if (u < 0x80)    { out[0] = (char)u; return 1; }
    if (u < 0x800)   { out[0] = (char)(0xc0 | u >> 6); out[1] = (char)(0x80 | (u & 63)); return 2; }
    if (u < 0x10000) { out[0] = (char)(0xe0 | u >> 12); out[1] = (char)(0x80 | (u >> 6 & 63)); out[2] = (char)(0x80 | (u & 63)); return 3; }
    out[0] = (char)(0xf0 | u >> 18); out[1] = (char)(0x80 | (u >> 12 & 63)); out[2] = (char)(0x80 | (u >> 6 & 63)); out[3] = (char)(0x80 | (u & 63));
    return 4;
}

static char simple_escape(Cursor *c, int e)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = e ? strchr(from, e) : NULL;
    if (!p) bad(c, "its header has an unknown escape in a string");
    return to[p - from];
}

static char *string(Cursor *c)
{
    expect(c, '"', "its header is not the JSON it should be (a string was expected)");
    const unsigned char *close = c->at;
    while (close < c->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= c->end) bad(c, "a string in its header does not end");
    char *out = take(c->mem, (size_t)(close - c->at) + 1, 1), *o = out;      /* an escape is longer than what it stands for */
    while (*c->at != '"') {
        int b = *c->at++;
        if (b < 0x20) bad(c, "a string in its header has a control character");
        if (b != '\\') { *o++ = (char)b; continue; }
        int e = *c->at++;
        if (e == 'u') o += unicode_escape(c, o);
        else *o++ = simple_escape(c, e);
    }
    c->at++;
    *o = 0;
    return out;
}

static size_t digits(Cursor *c)
{
    size_t n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++, n++;
    return n;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?   and says whether it was a plain whole number */
static int number(Cursor *c, size_t *value)
{
    const unsigned char *start = c->at;
    int whole = 1;
    if (c->at < c->end && *c->at == '-') c->at++, whole = 0;
    const unsigned char *first = c->at;
    size_t n = digits(c);
    if (!n || (n > 1 && *first == '0')) bad(c, "its header has a malformed number");
    if (c->at < c->end && *c->at == '.') {
        c->at++, whole = 0;
        if (!digits(c)) bad(c, "its header has a malformed number");
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++, whole = 0;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (!digits(c)) bad(c, "its header has a malformed number");
    }
    *value = 0;
    for (const unsigned char *p = start; whole && p < c->at; p++) {
        size_t d = (size_t)(*p - '0');
        if (*value > (SIZE_MAX - d) / 10) return 0;
        *value = *value * 10 + d;
    }
    return whole;
}

static size_t whole_number(Cursor *c)
{
    size_t value;
    int b = peek(c);
    if (b != '-' && (b < '0' || b > '9')) bad(c, "a shape or offset is not a number");
    if (!number(c, &value)) bad(c, "a shape or offset is not a whole number that can be counted");
    return value;
}

static int word(Cursor *c, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, w, n)) return 0;
    c->at += n;
    return 1;
}

/* Steps over any one value; open brackets are kept on a small stack, not on ours. */
static void skip_value(Cursor *c, int depth)
{
    char open[DEEPEST];
    int top = 0;
    for (;;) {
        int b = peek(c);
        if (b == '{' || b == '[') {
            c->at++;
            if (top + depth >= DEEPEST) bad(c, "its header is nested too deep");
            if (!next_is(c, b == '{' ? '}' : ']')) {
                open[top++] = (char)b;
                if (b == '{') { string(c); expect(c, ':', "its header lacks a colon after a name"); }
                continue;
            }
        }
        else if (b == '"') string(c);
        else if (b == '-' || (b >= '0' && b <= '9')) { size_t ignored; number(c, &ignored); }
        else if (!word(c, "true") && !word(c, "false") && !word(c, "null")) bad(c, "its header is not the JSON it should be");
        while (top && next_is(c, open[top - 1] == '{' ? '}' : ']')) top--;
        if (!top) return;
        expect(c, ',', "its header lacks a comma");
        if (open[top - 1] == '{') { string(c); expect(c, ':', "its header lacks a colon after a name"); }
    }
}

/* ---- tables of weights ------------------------------------------------------------------------ */

static int by_name(const void *x, const void *y) { return strcmp(((const Weight *)x)->name, ((const Weight *)y)->name); }

void weights_sort(Weight *w, size_t count) { if (count) qsort(w, count, sizeof *w, by_name); }

const Weight *weight_named(const Weight *w, size_t count, const char *name)
{
    Weight key = { .name = name };
    return count ? bsearch(&key, w, count, sizeof key, by_name) : NULL;
}

/* ---- the header ------------------------------------------------------------------------------- */

static int utf8_valid(const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        unsigned b = *p++, more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : 9;
        if (more == 9 || (size_t)(end - p) < more) return 0;
        if (more && ((b == 0xe0 && *p < 0xa0) || (b == 0xed && *p > 0x9f) || (b == 0xf0 && *p < 0x90) || (b == 0xf4 && *p > 0x8f))) return 0;
        while (more--) if ((*p++ & 0xc0) != 0x80) return 0;
    }
    return 1;
}

static DType dtype_by_name(const Cursor *c, const char *tensor, const char *name)
{
    for (int t = 0; t < SAFETENSORS_DTYPES; t++) if (!strcmp(dtype_name((DType)t), name)) return (DType)t;
    fail(c->mem, "%s: %s has dtype %s, which safetensors does not know", c->path, tensor, name);
}

/* [ n, n, ... ]: counted first, so that the array is taken once */
static size_t *numbers(Cursor *c, size_t *count)
{
    expect(c, '[', "a shape or offset is not a list");
    size_t commas = 0;
    for (const unsigned char *p = c->at; p < c->end && *p != ']'; p++) commas += *p == ',';
    size_t *list = take(c->mem, commas + 1, sizeof *list), n = 0;
    if (!next_is(c, ']')) {
        do { if (n > commas) bad(c, "a shape or offset is malformed"); list[n++] = whole_number(c); } while (next_is(c, ','));
        expect(c, ']', "a shape or offset is malformed");
    }
    *count = n;
    return list;
}

/* {"dtype": .., "shape": .., "data_offsets": [begin, end]}; begin is kept in data until it is checked */
static void tensor_entry(Cursor *c, Weight *w, size_t *begin, size_t *end)
{
    int dtype = 0, shape = 0, offsets = 0;
    size_t count;
    expect(c, '{', "a tensor's entry in its header is not an object");
    if (!next_is(c, '}')) {
        do {
            const char *key = string(c);
            expect(c, ':', "its header lacks a colon after a name");
            if (!strcmp(key, "dtype") && !dtype++) w->type = dtype_by_name(c, w->name, string(c));
            else if (!strcmp(key, "shape") && !shape++) w->shape = numbers(c, &w->rank);
            else if (!strcmp(key, "data_offsets") && !offsets++) {
                size_t *pair = numbers(c, &count);
                if (count != 2) bad(c, "data_offsets is not a pair");
                *begin = pair[0], *end = pair[1];
            }
            else if (!strcmp(key, "dtype") || !strcmp(key, "shape") || !strcmp(key, "data_offsets")) bad(c, "a tensor's entry says one thing twice");
            else skip_value(c, 2);
        } while (next_is(c, ','));
        expect(c, '}', "a tensor's entry in its header does not end");
    }
    if (!dtype || !shape || !offsets) fail(c->mem, "%s: the entry of %s lacks %s", c->path, w->name, !dtype ? "dtype" : !shape ? "shape" : "data_offsets");
    const char *wrong = shape_bytes(w->type, w->rank, w->shape, &w->bytes);
    if (wrong) fail(c->mem, "%s: %s %s", c->path, w->name, wrong);
    if (*end < *begin || *end - *begin != w->bytes)
        fail(c->mem, "%s: %s is %s %s and so %zu bytes, but its data_offsets are %zu to %zu", c->path, w->name,
             dtype_name(w->type), shape_text(c->mem, w->rank, w->shape), w->bytes, *begin, *end);
}

static void metadata(Cursor *c, WeightFile *s)
{
    if (peek(c) == 'n' && word(c, "null")) return;
    expect(c, '{', "__metadata__ is not an object");
    size_t most = 1;
    for (const unsigned char *p = c->at; p < c->end; p++) most += *p == ':';
    s->metadata = take(c->mem, most, sizeof *s->metadata);
    if (next_is(c, '}')) return;
    do {
        Pair *m = &s->metadata[s->pairs++];
        m->key = string(c);
        expect(c, ':', "__metadata__ lacks a colon");
        m->value = string(c);
    } while (next_is(c, ','));
    expect(c, '}', "__metadata__ may hold only strings, and must end");
}

typedef struct { Weight w; size_t begin, end; } Entry;

static int by_place(const void *x, const void *y)
{
    const Entry *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->end != b->end ? (a->end < b->end ? -1 : 1) : strcmp(a->w.name, b->w.name);
}

/* back to back from the first byte to the last */
static void check_places(const Cursor *c, Entry *e, size_t count, size_t data)
{
    size_t at = 0;
    qsort(e, count, sizeof *e, by_place);
    for (size_t i = 0; i < count; at = e[i++].end)
        if (e[i].begin != at) fail(c->mem, "%s: the data of %s begin at byte %zu, expected %zu: tensors must lie back to back", c->path, e[i].w.name, e[i].begin, at);
    if (at < data) fail(c->mem, "%s: %zu bytes after the last tensor: not a valid safetensors file", c->path, data - at);
    if (at > data) fail(c->mem, "%s: cut short: %zu bytes of data expected, %zu found; download it again", c->path, at, data);
}

static void entries(Cursor *c, WeightFile *s, const unsigned char *data, size_t bytes)
{
    size_t most = 1, seen = 0;
    for (const unsigned char *p = c->at; p < c->end; p++) most += *p == '{';
    Entry *e = take(c->mem, most, sizeof *e);
    expect(c, '{', "its header is not a JSON object");
    if (!next_is(c, '}')) {
        do {
            const char *name = string(c);
            expect(c, ':', "its header lacks a colon after a name");
            if (!strcmp(name, "__metadata__")) {
                if (seen++) bad(c, "__metadata__ is there twice");
                metadata(c, s);
                continue;
            }
            Entry *now = &e[s->count++];
            *now = (Entry){ .w.name = name };
            tensor_entry(c, &now->w, &now->begin, &now->end);
        } while (next_is(c, ','));
        expect(c, '}', "its header lacks a comma or its end");
    }
    if (peek(c) != -1) bad(c, "its header goes on after its end");
    check_places(c, e, s->count, bytes);
    s->weight = take(c->mem, s->count, sizeof *s->weight);
    for (size_t i = 0; i < s->count; i++) {
        s->weight[i] = e[i].w;
        s->weight[i].data = data + e[i].begin;
    }
}

static void refuse_doubles(const Cursor *c, const WeightFile *s)
{
    for (size_t i = 1; i < s->count; i++)
        if (!strcmp(s->weight[i - 1].name, s->weight[i].name)) fail(c->mem, "%s: %s is there twice", c->path, s->weight[i].name);
}

WeightFile *safetensors_read(Arena *a, const char *path, Bytes file)
{
    Cursor c = { .mem = a, .path = format(a, "%s", path) };
    uint64_t n = 0;
    if (file.size < 8) bad(&c, "it is shorter than 8 bytes");
    for (int i = 7; i >= 0; i--) n = n << 8 | file.data[i];
    if (n > LONGEST_HEADER) bad(&c, "its header would be longer than 100 MB (is it another kind of file?)");
    if (n > file.size - 8) bad(&c, "its header is cut short");
    c.at = file.data + 8;
    c.end = c.at + n;
    if (!utf8_valid(c.at, c.end)) bad(&c, "its header is not UTF-8");
    if (memchr(c.at, 0, (size_t)n)) bad(&c, "its header contains a NUL");
    WeightFile *s = take(a, 1, sizeof *s);
    *s = (WeightFile){ .path = c.path, .bytes = file.size };
    entries(&c, s, c.end, file.size - 8 - (size_t)n);
    weights_sort(s->weight, s->count);
    refuse_doubles(&c, s);
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

static void put(Text *t, const char *bytes, size_t n)
{
    if (t->at) memcpy(t->at + t->n, bytes, n);
    t->n += n;
}
static void put_text(Text *t, const char *s) { put(t, s, strlen(s)); }

static void put_string(Text *t, const char *s)
{
    put_text(t, "\"");
    for (; *s; s++) {
        char escape[8];
        if (*s == '"' || *s == '\\') sprintf(escape, "\\%c", *s), put_text(t, escape);
        else if ((unsigned char)*s < 0x20) sprintf(escape, "\\u%04x", (unsigned)(unsigned char)*s), put_text(t, escape);
        else put(t, s, 1);
    }
    put_text(t, "\"");
}

static void put_header(Arena *a, Text *t, const Weight *w, size_t count, const Pair *m, size_t pairs)
{
    put_text(t, "{");
    if (pairs) put_text(t, "\"__metadata__\":{");
    for (size_t i = 0; i < pairs; i++) {
        if (i) put_text(t, ",");
        put_string(t, m[i].key);
        put_text(t, ":");
        put_string(t, m[i].value);
    }
    if (pairs) put_text(t, count ? "}," : "}");
    for (size_t i = 0, at = 0; i < count; at += w[i++].bytes) {
        size_t here = mark(a);
        if (i) put_text(t, ",");
        put_string(t, w[i].name);
        put_text(t, format(a, ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", dtype_name(w[i].type), shape_text(a, w[i].rank, w[i].shape), at, at + w[i].bytes));
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
