/* The safetensors format: each of its rules kept and broken, every truncation, every flipped bit, and what we write. */
#define _POSIX_C_SOURCE 200809L
#include "damage.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct { Arena *a; const unsigned char *bytes; size_t size; WeightFile *s; } Reading;
static void read_it(void *job)
{
    Reading *r = job;
    r->s = safetensors_read(r->a, "test.safetensors", (Bytes){ r->bytes, r->size });
}

/* 0 when accepted; the arena is back where it was either way */
static int reading(Arena *a, const unsigned char *bytes, size_t size, char message[MESSAGE])
{
    size_t before = mark(a);
    unsigned char *exact = malloc(size ? size : 1);            /* so that ASan sees a byte too far */
    memcpy(exact, bytes, size);
    Reading r = { a, exact, size, NULL };
    message[0] = 0;
    int status = attempt(a, read_it, &r, message);
    for (size_t i = 0; !status && i < r.s->count; i++) {       /* whatever is accepted keeps the promises */
        const Weight *w = &r.s->weight[i];
        const unsigned char *data = w->data;
        CHECK(w->bytes <= size && data >= exact && data + w->bytes <= exact + size);
    }
    release(a, before);
    free(exact);
    return status;
}

/* header text and n bytes of data as a file */
static size_t file_of(unsigned char *out, const char *header, size_t length, size_t data)
{
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(out + 8, header, length);
    memset(out + 8 + length, 7, data);
    return 8 + length + data;
}

/* why: NULL is valid, else words of the message */
static const struct { const char *header; size_t data; const char *why; } rules[] = {
    { "{}", 0, NULL },
    { " \t\r\n{} \n", 0, NULL },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24, NULL },
    { "{\"a\":{\"shape\":[],\"data_offsets\":[0,2],\"dtype\":\"F16\"}}", 2, NULL },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775808,4],\"data_offsets\":[0,0]}}", 0, NULL },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, NULL },
    { "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 3, NULL },
    { "{\"__metadata__\":{\"k\":\"v\\u00e9\\ud83d\\ude00\\n\"},\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, NULL },
    { "{\"__metadata__\":null}", 0, NULL },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, NULL },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":[{\"x\":[1.5e-3,true,null,{}]},[]]}}", 1,
      NULL },

    { "", 0, "not a JSON object" },
    { "[]", 0, "not a JSON object" },
    { "{", 0, "string" },
    { "{}x", 0, "after its end" },
    { "{}{}", 0, "after its end" },
    { "{\"a\"}", 0, "colon" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},}", 1, "string" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", 1, "comma" },
    { "{\"a\":5}", 0, "not an object" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "lacks data_offsets" },
    { "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "lacks shape" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "lacks dtype" },
    { "{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "does not know" },
    { "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "does not know" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "whole number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "whole number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1e0],\"data_offsets\":[0,1]}}", 1, "whole number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]}}", 1, "malformed number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}}", 1, "not a number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0, "whole number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,],\"data_offsets\":[0,1]}}", 1, "not a number" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, "not a list" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "not a pair" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "not a pair" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "data_offsets are" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 2, "data_offsets are" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "back to back" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "back to back" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}", 3, "back to back" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, "after the last tensor" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 2, "cut short" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808,4,0],\"data_offsets\":[0,0]}}", 0, "too large" },
    { "{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "too large" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "too large" },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "whole bytes" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "twice" },
    { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "string" },
    { "{\"__metadata__\":[]}", 0, "not an object" },
    { "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "NUL" },
    { "{\"a\\ud800\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "surrogate" },
    { "{\"a\\x\":{}}", 0, "escape" },
    { "{\"a\tb\":{}}", 0, "control" },
    { "{\"\xff\":{}}", 0, "UTF-8" },
    { "{\"\xed\xa0\x80\":{}}", 0, "UTF-8" },
    { "{\"\xc0\x80\":{}}", 0, "UTF-8" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":NaN}}", 0, "JSON" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":[1}}}", 0, "comma" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]} /* no */}", 0, "comma" },
};

static void test_rules(Arena *a)
{
    unsigned char file[1024];
    char message[MESSAGE];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        size_t n = file_of(file, rules[i].header, strlen(rules[i].header), rules[i].data);
        int status = reading(a, file, n, message);
        if (!rules[i].why) CHECK_MSG(status == 0, "%s: refused: %s", rules[i].header, message);
        else
            CHECK_MSG(status && strstr(message, rules[i].why) && strstr(message, "test.safetensors"),
                      "%s: expected a word on '%s', found '%s'", rules[i].header, rules[i].why, message);
    }
    CHECK(reading(a, (const unsigned char *)"\2\0\0\0\0\0\0", 7, message) && strstr(message, "8 bytes"));
    CHECK(reading(a, (const unsigned char *)"\0\0\0\0\0\0\0\0", 8, message));
    CHECK(reading(a, (const unsigned char *)"\3\0\0\0\0\0\0\0{}", 10, message) && strstr(message, "cut short"));
    CHECK(reading(a, (const unsigned char *)"\1\341\365\5\0\0\0\0{}", 10, message) && strstr(message, "100 MB"));
    CHECK(reading(a, (const unsigned char *)"\377\377\377\377\377\377\377\377{}", 10, message)
          && strstr(message, "100 MB"));
}

/* 100 levels pass, 200 are refused, a million do not hurt */
static void test_depth(Arena *a)
{
    char message[MESSAGE];
    for (size_t deep = 100; deep <= 1000000; deep = deep == 100 ? 200 : deep * 5000) {
        const char *start = "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":";
        size_t n = strlen(start);
        unsigned char *file = malloc(8 + n + 2 * deep + 2);
        char *header = malloc(n + 2 * deep + 2);
        memcpy(header, start, n);
        memset(header + n, '[', deep);
        memset(header + n + deep, ']', deep);
        memcpy(header + n + 2 * deep, "}}", 2);
        size_t size = file_of(file, header, n + 2 * deep + 2, 0);
        CHECK_MSG(!reading(a, file, size, message) == (deep == 100), "%zu levels: '%s'", deep, message);
        free(file);
        free(header);
    }
}

static const char sample[] = "{\"__metadata__\":{\"a\":\"b\"},\"x\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]},\"y\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[6,10]}}";

static const WeightFile *read_safetensors(Arena *a, const char *path, Bytes file)
{
    return safetensors_read(a, path, file);
}

/* numbers, signs and stretches of the header, and its length put right more often than not */
static size_t mutate(uint64_t *state, Bytes file, unsigned char *out)
{
    static const char signs[] = "{}[]\"\\,:-.eE0";
    size_t n = (size_t)get_little(file.data, 8), data = file.size - 8 - n;
    char *text = (char *)out + 8, number[24];
    memcpy(text, file.data + 8, n);
    for (size_t times = 1 + below(state, 3); times > 0; times--) {
        size_t at = below(state, n), some = 1 + below(state, 12);
        if (at + some > n) some = n - at;
        switch (below(state, 4)) {
        case 0: text[at] = signs[below(state, sizeof signs - 1)]; break;
        case 1: memmove(text + at, text + at + some, n - at - some), n -= some; break;
        case 2: memmove(text + at + some, text + at, n - at), n += some; break;
        default:
            while (at < n && (text[at] < '0' || text[at] > '9')) at++;
            size_t digits = strspn(text + at, "0123456789"),
                with = (size_t)snprintf(number, sizeof number, "%llu", (unsigned long long)edge(state, 10));
            if (at + digits > n) break;
            memmove(text + at + with, text + at + digits, n - at - digits), memcpy(text + at, number, with),
                n = n - digits + with;
        }
        if (!n) n = 1;
    }
    put_little(out, below(state, 8) ? n : edge(state, n), 8);
    memcpy(text + n, file.data + file.size - data, data);
    return 8 + n + data;
}

static void test_damage(Arena *a)
{
    unsigned char file[512];
    Bytes whole = { file, file_of(file, sample, strlen(sample), 10) };
    damage(a, read_safetensors, whole, "safetensors");
    mutations(a, read_safetensors, whole, mutate, "safetensors");
}

typedef struct { Arena *a; const char *path; const Weight *w; size_t n; const KeyValue *m; size_t pairs; } Saving;
static void save_it(void *job) { Saving *s = job; safetensors_save(s->a, s->path, s->w, s->n, s->m, s->pairs); }

static void test_writing(Arena *a)
{
    char path[] = "/tmp/persona-test-XXXXXX", message[MESSAGE];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && !close(fd));
    size_t two[] = { 2 }, flat[] = { 1, 3 }, none[1];
    uint16_t halves[] = { 0x3c00, 0xc000, 0x7bff };
    float floats[] = { 1.5f, -2 };
    Weight w[] = { { "b.\"quoted\"\n", halves, F16, 2, flat, 6 }, { "z", floats, F32, 1, two, 8 },
                   { "a", floats, F32, 0, none, 4 } };
    KeyValue m[] = { { "ss_network_dim", "16" }, { "tab\t", "\xc3\xa9\\" },
                     { "latin", "caf\xe9 \xf0\x9f\x98\x80\xc3" } };
    Saving s = { a, path, w, 3, m, 3 };
    CHECK_MSG(attempt(a, save_it, &s, message) == 0, "%s", message);
    size_t before = mark(a);
    WeightFile *back = safetensors_open(a, path);
    const Weight *h = file_weight(back, "b.\"quoted\"\n"), *z = file_weight(back, "z");
    CHECK(back->count == 3 && h && z && !file_weight(back, "q"));
    CHECK(h->rank == 2 && h->shape[0] == 1 && h->shape[1] == 3 && h->bytes == 6 && !memcmp(h->data, halves, 6));
    CHECK(dtype_value(h->data, F16, 1) == -2 && dtype_value(z->data, F32, 0) == 1.5f);
    CHECK(!strcmp(file_metadata(back, "tab\t"), "\xc3\xa9\\") && !file_metadata(back, "x"));
    CHECK(!strcmp(file_metadata(back, "latin"), "caf\xef\xbf\xbd \xf0\x9f\x98\x80\xef\xbf\xbd"));
    CHECK((uintptr_t)z->data % 4 == 0);                        /* widest first keeps everything aligned */
    release(a, before);
    Saving empty = { a, path, NULL, 0, NULL, 0 };
    CHECK(attempt(a, save_it, &empty, message) == 0 && safetensors_open(a, path)->count == 0);
    release(a, before);
    unlink(path);
}

int main(void)
{
    Arena *a = arena_new();
    test_rules(a);
    test_depth(a);
    test_damage(a);
    test_writing(a);
    arena_free(a);
    return done();
}
