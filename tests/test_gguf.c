/* GGUF: a file of gguf's own against its values, each rule kept and broken, every truncation and flipped bit,
 * mutations. */
#include "damage.h"

#include "gguf.h"
#include "weights_open.h"

static const WeightFile *read_gguf(Arena *a, const char *path, Bytes file) { return gguf_read(a, path, file); }

static void test_contents(Arena *a)
{
    size_t before = mark(a);
    const WeightFile *found = weights_open(a, "tests/golden/files/gguf_small.gguf");
    const WeightFile *wanted = weights_open(a, "tests/golden/files/gguf_expected.safetensors");
    CHECK(found->count == wanted->count);
    for (size_t i = 0; i < wanted->count; i++) {
        const Weight *w = &wanted->weight[i], *f = file_weight(found, w->name);
        CHECK_MSG(f, "%s is missing", w->name);
        if (!f) continue;
        size_t n = w->bytes / 4, wrong = f->rank != w->rank;
        for (size_t k = 0; !wrong && k < w->rank; k++) wrong += f->shape[k] != w->shape[k];
        for (size_t k = 0; !wrong && k < n; k++)
            wrong += dtype_value(f->data, f->type, k) != dtype_value(w->data, F32, k);
        CHECK_MSG(!wrong, "%s differs", w->name);
    }
    const char *const said[][2] = { { "general.architecture", "sd1" }, { "answer", "42" }, { "half", "0.5" },
                                    { "yes", "1" }, { "words", "(a list of 2)" } };
    for (size_t i = 0; i < 5; i++) {
        const char *value = file_metadata(found, said[i][0]);
        CHECK_MSG(value && !strcmp(value, said[i][1]), "%s: %s", said[i][0], value ? value : "missing");
    }
    release(a, before);
}

/* ---- files made here: two pairs, two tensors --------------------------------------------------- */

typedef struct {
    uint64_t version, tensors, pairs, alignment, alignment_type, key, list_type, list_count, name, rank, dim, type,
        offset, second, extra;
    const char *same_key, *same_name;
} Recipe;

static const Recipe sound = { 3, 2, 2, 64, 4, 17, 4, 2, 1, 2, 4, 0, 0, 64, 0, "list", "b" };

static void put(unsigned char **p, const void *bytes, size_t n) { memcpy(*p, bytes, n); *p += n; }
static void put_number(unsigned char **p, uint64_t value, size_t n) { put_little(*p, value, n); *p += n; }

static size_t make(unsigned char *file, Recipe r)
{
    unsigned char *p = file;
    put(&p, "GGUF", 4), put_number(&p, r.version, 4), put_number(&p, r.tensors, 8), put_number(&p, r.pairs, 8);
    put_number(&p, r.key, 8), put(&p, "general.alignment", 17), put_number(&p, r.alignment_type, 4),
        put_number(&p, r.alignment, 4);
    put_number(&p, strlen(r.same_key), 8), put(&p, r.same_key, strlen(r.same_key)), put_number(&p, 9, 4),
        put_number(&p, r.list_type, 4);
    put_number(&p, r.list_count, 8), put_number(&p, 1, 4), put_number(&p, 2, 4);
    put_number(&p, r.name, 8), put(&p, "a", 1), put_number(&p, r.rank, 4), put_number(&p, r.dim, 8),
        put_number(&p, 2, 8), put_number(&p, r.type, 4), put_number(&p, r.offset, 8);
    put_number(&p, 1, 8), put(&p, r.same_name, 1), put_number(&p, 1, 4), put_number(&p, 3, 8), put_number(&p, 0, 4),
        put_number(&p, r.second, 8);
    size_t head = (size_t)(p - file), begin = (head + 63) / 64 * 64;
    memset(p, 0, begin - head + 64 + 12 + r.extra);
    return begin + 64 + 12 + (size_t)r.extra;
}

static void test_rules(Arena *a)
{
    unsigned char *file = allocate(a, 4096, 1);
    char message[MESSAGE];
#define RULE(why, ...) do {                                                                                            \
        Recipe r = sound;                                                                                              \
        __VA_ARGS__;                                                                                                   \
        int refused = reads(a, read_gguf, file, make(file, r), message);                                               \
        const char *words = why;                                                                                       \
        if (!*words) CHECK_MSG(!refused, "%s: %s", #__VA_ARGS__, message);                                             \
        else CHECK_MSG(refused && strstr(message, words), "%s: expected '%s', found '%s'", #__VA_ARGS__, words, refused ? message : "accepted"); \
    } while (0)
    RULE("", r.version = 3);
    RULE("", r.version = 2);
    RULE("", r.extra = 52);                                    /* the last tensor's padding */
    RULE("version 1", r.version = 1);
    RULE("version 4", r.version = 4);
    RULE("big-endian", r.version = 0x03000000);
    RULE("room", r.tensors = UINT64_MAX);
    RULE("room", r.pairs = UINT64_MAX);
    RULE("room", r.pairs = (uint64_t)1 << 63);
    RULE("room", r.key = UINT64_MAX);
    RULE("room", r.name = (uint64_t)1 << 62);
    RULE("type", r.alignment_type = 77);
    RULE("alignment", r.alignment_type = 5);
    RULE("alignment", r.alignment = 0);
    RULE("alignment", r.alignment = 48);
    RULE("alignment", r.alignment = 0x80000000);
    RULE("list", r.list_type = 9);
    RULE("list", r.list_type = 99);
    RULE("room", r.list_count = UINT64_MAX / 4 + 1);
    RULE("room", r.list_type = 8, r.list_count = (uint64_t)1 << 61);
    RULE("5 dims", r.rank = 5);
    RULE("dims", r.rank = 0xffffffff);
    RULE("too large", r.dim = UINT64_MAX);
    RULE("too large", r.dim = (uint64_t)1 << 61);
    RULE("begin", r.dim = (uint64_t)1 << 40);
    RULE("whole blocks", r.type = 8, r.dim = 16);
    RULE("whole blocks", r.type = 12, r.dim = 128);
    RULE("Q8_K", r.type = 15, r.dim = 256);
    RULE("not known", r.type = 4);
    RULE("not known", r.type = 1000);
    RULE("begin", r.offset = 64);
    RULE("begin", r.offset = UINT64_MAX);
    RULE("begin", r.second = 0);
    RULE("begin", r.second = 32);
    RULE("follows", r.extra = 51);
    RULE("follows", r.extra = 53);
    RULE("twice", r.same_name = "a");
    RULE("NUL", r.same_name = "\0");
#undef RULE
    Recipe twice = sound;
    twice.same_key = "general.alignment";
    CHECK(reads(a, read_gguf, file, make(file, twice), message) && strstr(message, "alignment"));
}

/* ---- mutations: the numbers of the header, by their width -------------------------------------- */

static size_t mutate(uint64_t *state, Bytes file, unsigned char *out)
{
    size_t n = file.size;
    memcpy(out, file.data, n);
    for (size_t times = 1 + below(state, 3); times > 0; times--) {
        /* header, pairs, entries of the tensors */
        size_t width = (size_t)1 << below(state, 4), at = below(state, 240);
        /* where a small number stands */
        while (at + 8 < n && get_little(out + at, 8) > 1000 && below(state, 4)) at++;
        if (at + width <= n) put_little(out + at, edge(state, get_little(out + at, width)), width);
    }
    if (below(state, 8) == 0) {
        size_t at = below(state, n), some = 1 + below(state, 40);
        if (below(state, 2) && at + some < n) memmove(out + at, out + at + some, n - at - some), n -= some;
        else memmove(out + at + some, out + at, n - at), n += some;
    }
    return n;
}

int main(void)
{
    Arena *a = arena_new();
    test_contents(a);
    test_rules(a);
    unsigned char *file = allocate(a, 4096, 1);
    Bytes small = { file, make(file, sound) };
    damage(a, read_gguf, small, "gguf");
    Bytes whole = file_map(a, "tests/golden/files/gguf_small.gguf");
    /* without the last padding, which may be absent */
    damage(a, read_gguf, (Bytes){ whole.data, whole.size - 24 }, "gguf_small.gguf");
    mutations(a, read_gguf, small, mutate, "gguf");
    arena_free(a);
    return done();
}
