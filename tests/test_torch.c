/* Files of torch.save: both layouts against what safetensors reads in the same weights, calls refused by name, the
 * rules of pickle and zip one by one, every truncation and flipped bit, and mutations of instructions and of headers.
 * */
#define _POSIX_C_SOURCE 200809L
#include "damage.h"

#include "checkpoint.h"
#include "pickle.h"
#include "torch.h"
#include "zip.h"

#include <unistd.h>

static const WeightFile *read_torch(Arena *a, const char *path, Bytes file) { return torch_read(a, path, file); }

static Bytes golden(Arena *a, const char *name) { return file_map(a, format(a, "tests/golden/files/%s", name)); }

/* ---- what they hold --------------------------------------------------------------------------- */

static void compare(const WeightFile *found, const WeightFile *wanted)
{
    CHECK_MSG(found->count == wanted->count, "%s: %zu tensors, expected %zu", found->path, found->count, wanted->count);
    for (size_t i = 0; i < wanted->count; i++) {
        const Weight *w = &wanted->weight[i], *f = file_weight(found, w->name);
        CHECK_MSG(f, "%s: %s is missing", found->path, w->name);
        if (!f) continue;
        int same = f->type == w->type && f->rank == w->rank && f->bytes == w->bytes;
        for (size_t k = 0; same && k < w->rank; k++) same = f->shape[k] == w->shape[k];
        CHECK_MSG(same && !memcmp(f->data, w->data, w->bytes), "%s: %s differs", found->path, w->name);
    }
}

static void test_contents(Arena *a)
{
    static const char *const names[] = { "torch_zip.ckpt", "torch_old.ckpt", "torch_protocol4.ckpt" };
    static const KeyValue said[] = { { "epoch", "7" }, { "global_step", "8589934592" }, { "lr", "0.0001" },
                                     { "done", "true" },
                                 { "pytorch-lightning_version", "1.4.2" }, { "optimizer_states.0.state.0.step", "3" },
                                 { "optimizer_states.0.param_groups.0.lr", "0.1" } };
    size_t before = mark(a);
    const WeightFile *wanted = weights_open(a, "tests/golden/files/torch_expected.safetensors");
    for (size_t i = 0; i < 3; i++) {
        const WeightFile *f = weights_open(a, format(a, "tests/golden/files/%s", names[i]));
        compare(f, wanted);
        CHECK_MSG(f->pairs == sizeof said / sizeof *said, "%s: %zu settings", names[i], f->pairs);
        for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
            const char *value = file_metadata(f, said[k].key);
            CHECK_MSG(value && !strcmp(value, said[k].value), "%s: %s is %s", names[i], said[k].key,
                      value ? value : "missing");
        }
    }
    release(a, before);
}

static void test_calls(Arena *a)
{
    static const char *const names[][2] = { { "calls_zip.ckpt", "calls posix.system" },
                                            { "calls_old.ckpt", "calls posix.system" },
                                            { "calls_bare.ckpt", "calls posix.system" },
                                            { "calls_eval.ckpt", "calls builtins.eval" } };
    char message[MESSAGE];
    for (size_t i = 0; i < 4; i++) {
        size_t before = mark(a);
        Bytes file = golden(a, names[i][0]);
        CHECK_MSG(reads(a, weights_read, file.data, file.size, message) && strstr(message, names[i][1]), "%s: '%s'",
                  names[i][0], message);
        release(a, before);
    }
}

/* ---- containers made here --------------------------------------------------------------------- */

static uint32_t crc_of(const unsigned char *p, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

typedef struct { unsigned char *at; size_t n; } Out;

static void put(Out *o, const void *bytes, size_t n) { if (n) memcpy(o->at + o->n, bytes, n); o->n += n; }
static void put_number(Out *o, uint64_t value, size_t n) { put_little(o->at + o->n, value, n); o->n += n; }

/* the fields that both headers share: flags 0, method 0, no time, checksum, sizes, length of the name */
static void put_shared(Out *o, const ZipEntry *e, uint32_t crc)
{
    put_number(o, 0, 8);
    put_number(o, crc, 4), put_number(o, e->data.size, 4), put_number(o, e->data.size, 4),
        put_number(o, strlen(e->name), 2), put_number(o, 0, 2);
}

static size_t make_zip(unsigned char *out, const ZipEntry *e, size_t count)
{
    Out o = { out, 0 };
    size_t begin[32];
    uint32_t crc[32];
    for (size_t i = 0; i < count; i++) {
        begin[i] = o.n, crc[i] = crc_of(e[i].data.data, e[i].data.size);
        put(&o, "PK\3\4\0\0", 6), put_shared(&o, &e[i], crc[i]);
        put(&o, e[i].name, strlen(e[i].name)), put(&o, e[i].data.data, e[i].data.size);
    }
    size_t central = o.n;
    for (size_t i = 0; i < count; i++) {
        put(&o, "PK\1\2\0\0\0\0", 8), put_shared(&o, &e[i], crc[i]);
        put_number(&o, 0, 8), put_number(&o, 0, 2), put_number(&o, begin[i], 4), put(&o, e[i].name, strlen(e[i].name));
    }
    size_t size = o.n - central;
    put(&o, "PK\5\6\0\0\0\0", 8), put_number(&o, count, 2), put_number(&o, count, 2), put_number(&o, size, 4),
        put_number(&o, central, 4), put_number(&o, 0, 2);
    return o.n;
}

/* ---- pickles, rule by rule -------------------------------------------------------------------- */

#define STORAGE(type, count)  "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" "0X\3\0\0\0cpuK" count "tQ"
#define TENSOR(storage, view) "\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" storage view "\x89)tRs."
#define PICKLE(text) text, sizeof text - 1

/* data/0 has 24 bytes; why NULL: accepted */
static const struct { const char *pickle; size_t size; const char *why; } rules[] = {
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2K\3\x86K\3K\1\x86")), NULL },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2K\3\x86K\1K\2\x86")), NULL },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\5K\1\x85K\x63\x85")), NULL },
    { PICKLE(TENSOR(STORAGE("HalfStorage", "\x0c"), "K\0)) ")), "instruction" },
    { PICKLE(TENSOR(STORAGE("HalfStorage", "\x0c"), "K\0))")), NULL },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\0K\3\x86K\3K\1\x86")), NULL },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2K\4\x86K\4K\1\x86")), "reaches beyond" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\6K\1\x85K\1\x85")), "reaches beyond" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2\x85K\6\x85")), "reaches beyond" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0J\xff\xff\xff\xff\x85K\1\x85")), "whole number" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2\x85J\xff\xff\xff\xff\x85")), "whole number" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\3\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
      "reaches beyond" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"),
                    "K\0\x8a\x08\0\0\0\0\0\0\0\x40\x8a\x08\0\0\0\0\0\0\0\x40\x86K\0K\0\x86")), "too large to count" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0\x8a\x05\0\0\0\0\4\x85K\0\x85")), "larger than the file" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "K\0K\2K\3\x86K\1\x85")), "size or stride" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\7"), "K\0K\2\x85K\1\x85")), "24 bytes, expected 28" },
    { PICKLE(TENSOR(STORAGE("DoubleStorage", "\6"), "K\0K\2\x85K\1\x85")), "24 bytes, expected 48" },
    { PICKLE(TENSOR(STORAGE("QInt8Storage", "\x18"), "K\0K\2\x85K\1\x85")), "not known here" },
    { PICKLE("\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("FloatStorage",
            "\6") "K\0))\x89N}X\3\0\0\0neg\x88stRs."), "negative view" },
    { PICKLE("\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("FloatStorage", "\6") "K\0))\x89N}tRs."),
      NULL },
    { PICKLE(TENSOR("N", "K\0K\2\x85K\1\x85")), "no storage" },
    { PICKLE(TENSOR("NQ", "K\0K\2\x85K\1\x85")), "no storage" },
    { PICKLE(TENSOR(STORAGE("FloatStorage", "\6"), "")), "too few parts" },
    { PICKLE("\x80\2}."), NULL },
    { PICKLE("\x80\2N."), NULL },
    { PICKLE("\x80\2]q\0h\0a."), NULL },
    { PICKLE("\x80\2}(X\1\0\0\0aK\1u."), NULL },
    { PICKLE("\x80\4\x95\4\0\0\0\0\0\0\0}\x94h\0\x86."), NULL },
    { PICKLE("\x80\2ccollections\nOrderedDict\n)R}b."), NULL },
    { PICKLE("\x80\2cpytorch_lightning.callbacks\nModelCheckpoint\n)\x81}X\1\0\0\0aK\1sb."), NULL },
    { PICKLE("\x80\2cany.thing\nat_all\n."), NULL },
    { PICKLE("\x80\2cany.thing\nat_all\n)R."), "calls any.thing.at_all" },
    { PICKLE("\x80\2cany.thing\nat_all\n)\x81."), "calls any.thing.at_all" },
    { PICKLE("\x80\4\x8c\2os\x8c\6system\x93)R."), "calls os.system" },
    { PICKLE("\x80\4\x8c\2os\x8c\6system\x93)}\x92."), "calls os.system" },
    { PICKLE("(X\2\0\0\0idios\nsystem\n."), "it names os.system" },
    { PICKLE("cos\nsystem\n(S'id'\ntR."), "it names os.system" },
    { PICKLE("(cos\nsystem\nX\2\0\0\0ido."), "it names os.system" },
    { PICKLE("\x80\2ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R."),
      "calls torch._utils._rebuild_tensor_v2.__globals__" },
    { PICKLE("\x80\2ctorch.hub\nload\n)R."), "calls torch.hub.load" },
    { PICKLE("\x80\2c__builtin__\neval\nX\1\0\0\0""1\x85R."), "calls __builtin__.eval" },
    { PICKLE("\x80\2ccollections\nOrderedDict\n)RcA\nb\n\x85R."), "no name" },
    { PICKLE("\x80\6N."), "version of pickle" },
    { PICKLE(""), "cut short" },
    { PICKLE("\x80\2N"), "cut short" },
    { PICKLE("\x80\2."), "left over" },
    { PICKLE("\x80\2NN."), "left over" },
    { PICKLE("\x80\2(N."), "left over" },
    { PICKLE("\x80\2N.N"), "goes on after its end" },
    { PICKLE("\x80\2t."), "mark" },
    { PICKLE("\x80\2N(\x85."), "nothing is left" },
    { PICKLE("\x80\2h\0."), "memo" },
    { PICKLE("\x80\2Nr\xff\xff\xff\xff."), "memo number" },
    { PICKLE("\x80\2Na."), "nothing is left" },
    { PICKLE("\x80\2NNa."), "neither list nor dict" },
    { PICKLE("\x80\2]NNs."), "neither list nor dict" },
    { PICKLE("\x80\2}(Nu."), "without a value" },
    { PICKLE("\x80\2NNb."), "state" },
    { PICKLE("\x80\2X\xff\xff\xff\xff."), "cut short" },
    { PICKLE("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "cut short" },
    { PICKLE("\x80\2cno end."), "does not end" },
    { PICKLE("\x80\2}X\3\0\0\0a\0bK\1s."), "NUL" },
};

static int reads_pickle(Arena *a, const char *pickle, size_t size, char message[MESSAGE])
{
    size_t before = mark(a);
    unsigned char *file = allocate(a, size + 1000, 1);
    const ZipEntry entries[] = { { "x/data.pkl", { (const unsigned char *)pickle, size }, 0 },
                                 { "x/byteorder", { (const unsigned char *)"little", 6 }, 0 },
                                 { "x/data/0", { (const unsigned char *)"aaaabbbbccccddddeeeeffff", 24 }, 0 } };
    int status = reads(a, read_torch, file, make_zip(file, entries, 3), message);
    release(a, before);
    return status;
}

static void test_pickles(Arena *a)
{
    char message[MESSAGE];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int refused = reads_pickle(a, rules[i].pickle, rules[i].size, message);
        if (!rules[i].why) CHECK_MSG(!refused, "rule %zu: %s", i, message);
        else
            CHECK_MSG(refused && strstr(message, rules[i].why), "rule %zu: expected '%s', found '%s'", i, rules[i].why,
                      refused ? message : "accepted");
    }
}

/* Things that would be large or endless if they were copied, or walked more than once. */
static void test_growth(Arena *a)
{
    enum { LEVELS = 30, DEEP = 100000 };
    char message[MESSAGE], *bomb = allocate(a, 4 * DEEP, 1), *p = bomb;
    memcpy(p, "\x80\2(}q\0", 6), p += 6;
    for (int i = 1; i < LEVELS; i++) {                         /* dicts that hold the one before under ten names */
        memcpy(p, "}(", 2), p += 2;
        for (int k = 0; k < 10; k++) *p++ = 'K', *p++ = (char)k, *p++ = 'h', *p++ = (char)(i - 1);
        *p++ = 'u', *p++ = 'q', *p++ = (char)i;
    }
    memcpy(p, "t.", 2), p += 2;
    CHECK_MSG(!reads_pickle(a, bomb, (size_t)(p - bomb), message), "%s", message);
    memset(bomb, '(', DEEP), memset(bomb + DEEP, 't', DEEP), bomb[2 * DEEP] = '.';
    CHECK_MSG(reads_pickle(a, bomb, 2 * DEEP + 1, message) && strstr(message, "too deep"), "%s", message);
}

/* ---- containers ------------------------------------------------------------------------------- */

static void refused_as(Arena *a, const unsigned char *file, size_t size, const char *why)
{
    char message[MESSAGE];
    int refused = reads(a, weights_read, file, size, message);
    CHECK_MSG(refused && strstr(message, why), "expected '%s', found '%s'", why, refused ? message : "accepted");
}

static void test_containers(Arena *a)
{
    static unsigned char file[4096];
    const Bytes empty = { (const unsigned char *)"\x80\2}.", 4 }, big = { (const unsigned char *)"bigend", 6 };
    const ZipEntry good = { "x/data.pkl", empty, 0 };
    memset(file, 0, 512), memcpy(file + 257, "ustar", 5);
    refused_as(a, file, 1024, "tar layout");
#define ZIPPED(count, why, ...) refused_as(a, file, make_zip(file, (ZipEntry[count]){ __VA_ARGS__ }, count), why)
    ZIPPED(2, "is there twice",        good, good);
    ZIPPED(2, "several folders",       good, { "y/data.pkl", empty, 0 });
    ZIPPED(2, "beside the folder",     good, { "data.pkl", empty, 0 });
    ZIPPED(1, "without a data.pkl",    { "x/version", empty, 0 });
    ZIPPED(2, "TorchScript",           good, { "x/constants.pkl", empty, 0 });
    ZIPPED(2, "big-endian",            good, { "x/byteorder", big, 0 });
#undef ZIPPED
    char message[MESSAGE];
    CHECK(reads(a, weights_read, file, make_zip(file, &good, 1), message) == 0);
    /* safetensors whose length reads as a zip, a pickle, a web page */
    for (size_t i = 0; i < 4; i++) {
        static const char *const heads[] = { "PK\0", "\x80\2\0", "<!\0", "PK\3" };
        size_t n = i < 3 ? (unsigned char)heads[i][0] | (size_t)heads[i][1] << 8 : 0x34b50;
        unsigned char *text = allocate(a, n + 8, 1);
        memset(text, ' ', n + 8), put_little(text, n, 8), memcpy(text + 8, "{}", 2);
        CHECK(!memcmp(text, heads[i], 3));
        CHECK_MSG(reads(a, weights_read, text, n + 8, message) == 0, "%s", message);
    }
}

/* Faults of an archive of torch's, one each: the number at a place counted from the first mark of that kind. */
static void test_headers(Arena *a)
{
    static const struct { const char *mark; int at, size; uint64_t value; const char *why; } faults[] = {
        { "PK\1\2", 8,  2, 0x0809, "encrypted" },               { "PK\1\2", 8,  2, 0x0848, "encrypted" },
        { "PK\1\2", 8,  2, 0x080a, "flags" },                   { "PK\1\2", 10, 2, 8,      "compressed" },
        { "PK\1\2", 12, 2, 1,      "differ in flags" },         { "PK\1\2", 16, 4, 1,      "contradicts" },
        { "PK\1\2", 20, 4, 1,      "two sizes" },
        { "PK\1\2", 24, 4, 0xffffffff, "zip64 field is missing" },
        { "PK\1\2", 28, 2, 0,      "name is empty" },           { "PK\1\2", 30, 2, 0xffff, "damaged" },
        { "PK\1\2", 32, 2, 1,      "comment" },                 { "PK\1\2", 34, 2, 1,      "disk" },
        { "PK\1\2", 42, 4, 1,      "overlap" },                 { "PK\1\2", 46, 1, 0,      "NUL" },
        { "PK\3\4", 6,  2, 0x0800, "differ in flags" },         { "PK\3\4", 8,  2, 8,      "differ in flags, method" },
        { "PK\3\4", 14, 4, 1,      "says that they follow" },   { "PK\3\4", 22, 4, 1,      "says that they follow" },
        { "PK\3\4", 26, 2, 3,      "another name" },            { "PK\3\4", 28, 2, 0xffff, "does not fit" },
        { "PK\3\4", 30, 1, 'z',    "another name" },            { "PK\7\10", 4, 4, 1,      "contradicts" },
        { "PK\7\10", 8, 4, 1,      "contradicts" },             { "PK\7\10", 12, 4, 1,     "contradicts" },
        { "PK\6\6", 4,  8, 45,     "zip64 end" },               { "PK\6\6", 24, 8, 1,      "disks" },
        { "PK\6\6", 32, 8, 1,      "disks" },                   { "PK\6\6", 40, 8, 1,      "two ends disagree" },
        { "PK\6\6", 48, 8, 1,      "two ends disagree" },       { "PK\6\7", 8,  8, 1,      "locator" },
        { "PK\6\7", 16, 4, 2,      "locator" },                 { "PK\5\6", 4,  2, 1,      "disks" },
        { "PK\5\6", 10, 2, 1,      "disks" },                   { "PK\5\6", 12, 4, 1,      "two ends disagree" },
        { "PK\5\6", 16, 4, 1,      "two ends disagree" },       { "PK\5\6", 20, 2, 1,      "does not end" },
    };
    Bytes good = golden(a, "torch_tiny.pt");
    unsigned char *file = allocate(a, good.size, 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        memcpy(file, good.data, good.size);
        size_t at = 0;
        while (at + 4 < good.size && memcmp(file + at, faults[i].mark, 4)) at++;
        put_little(file + at + faults[i].at, faults[i].value, (size_t)faults[i].size);
        refused_as(a, file, good.size, faults[i].why);
    }
    memcpy(file, good.data, good.size);
    for (size_t i = 0; i + 4 < good.size; i++) if (!memcmp(file + i, "data.pkl", 8)) { file[i + 80] ^= 1; break; }
    refused_as(a, file, good.size, "checksum does not hold");
}

/* A checkpoint of over 4 GB, of which only the ends are kept: between them is a hole. */
static void test_large(Arena *a)
{
    char path[] = "/tmp/persona-test-XXXXXX";
    size_t before = mark(a), end = 4096;
    Bytes ends = golden(a, "torch_large.ends");
    off_t size = (off_t)get_little(ends.data, 8);
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ends.size == 8 + 2 * end);
    CHECK(ftruncate(fd, size) == 0 && pwrite(fd, ends.data + 8, end, 0) == (ssize_t)end
          && pwrite(fd, ends.data + 8 + end, end, size - (off_t)end) == (ssize_t)end);
    close(fd);
    const WeightFile *f = weights_open(a, path);
    const Weight *large = file_weight(f, "large"), *behind = file_weight(f, "behind");
    CHECK(f->count == 2 && large && large->bytes == ((size_t)1 << 32) + 100
          && ((const char *)large->data)[large->bytes - 1] == 0);
    CHECK(behind && behind->type == F32 && behind->shape[0] == 5 && dtype_value(behind->data, F32, 4) == 4);
    release(a, before);
    unlink(path);
}

/* ---- mutations -------------------------------------------------------------------------------- */

/* a number of a header of an archive, sometimes together with its twin in the other header */
static size_t mutate_zip(uint64_t *state, Bytes file, unsigned char *out)
{
    static const struct { unsigned char central, local, size; } twins[] = { { 8, 6, 2 }, { 10, 8, 2 }, { 12, 10, 4 },
            { 16, 14, 4 }, { 20, 18, 4 }, { 24, 22, 4 }, { 28, 26, 2 }, { 30, 28, 2 } };
    size_t n = file.size, header[64], headers = 0;
    memcpy(out, file.data, n);
    for (size_t i = 0; i + 30 < n && headers < 64; i++)
        if (out[i] == 'P' && out[i + 1] == 'K' && out[i + 2] < 9) header[headers++] = i;
    for (size_t times = 1 + below(state, 3); times > 0; times--) {
        size_t at = header[below(state, headers)], width = (size_t)1 << below(state, 4), twin = below(state, 8);
        if (out[at + 2] == 1 && below(state, 2)) {             /* a central header: both copies */
            size_t local = (size_t)get_little(out + at + 42, 4), size = twins[twin].size;
            uint64_t value = edge(state, get_little(out + at + twins[twin].central, size));
            if (local + 30 < n)
                put_little(out + at + twins[twin].central, value, size),
                    put_little(out + local + twins[twin].local, value, size);
            continue;
        }
        size_t field = at + 4 + below(state, 60);
        if (field + width <= n) put_little(out + field, edge(state, get_little(out + field, width)), width);
    }
    if (below(state, 8) == 0) {                                /* bytes inserted, left out, or left over */
        size_t at = below(state, n), some = 1 + below(state, 40);
        if (below(state, 2) && at + some < n) memmove(out + at, out + at + some, n - at - some), n -= some;
        else memmove(out + at + some, out + at, n - at), n += some;
    }
    return n;
}

/* bytes of the instruction at p, or 0 at the end or where there is none */
static size_t instruction(const unsigned char *p, size_t room)
{
    size_t n = 1, lines = 0;
    if (!room) return 0;
    if (strchr("KqhU\x80\x8a\x8c", *p) && *p) n = 2;
    if (*p == 'M') n = 3;
    if (*p && strchr("JXrjTB", *p)) n = 5;
    if (*p == 'G') n = 9;
    if (n > room) return 0;
    if (*p == 'X' || *p == 'T' || *p == 'B') n += (size_t)get_little(p + 1, 4);
    if (*p == 'U' || *p == 0x8a || *p == 0x8c) n += p[1];
    for (; *p == 'c' && lines < 2 && n < room; n++) lines += p[n] == '\n';
    return n <= room ? n : 0;
}

/* instructions left out, repeated, moved, replaced, and their numbers; in a sound archive around the same storages */
static size_t mutate_pickle(uint64_t *state, Bytes file, unsigned char *out)
{
    static const char opcodes[] = "\x88\x89()N]}\x85\x86\x87tRa.esubQ\x81\x8f\x90\x91\x92\x93\x94";
    static unsigned char pickle[4096];
    static size_t at[2048];
    const size_t shared = get_little(file.data, 8);            /* the pickle, behind its length; then data/0 */
    Bytes data = { file.data + 8 + shared, file.size - 8 - shared };
    size_t n = shared;
    memcpy(pickle, file.data + 8, n);
    for (size_t times = 1 + below(state, 4); times > 0; times--) {
        size_t count = 0, size;
        for (size_t i = 0; count < 2048 && (size = instruction(pickle + i, n - i)); i += size) at[count++] = i;
        if (!count) break;
        size_t here = at[below(state, count)], there = at[below(state, count)];
        size_t mine = instruction(pickle + here, n - here), other = instruction(pickle + there, n - there);
        switch (below(state, 5)) {
        case 0: memmove(pickle + here, pickle + here + mine, n - here - mine), n -= mine; break;
        case 1:
            if (n + other > 2048) break;
            unsigned char copy[2048];
            memcpy(copy, pickle + there, other);
            memmove(pickle + here + other, pickle + here, n - here), memcpy(pickle + here, copy, other), n += other;
            break;
        case 2: if (mine == 1) pickle[here] = (unsigned char)opcodes[below(state, sizeof opcodes - 1)]; break;
        case 3: if (mine > 1 && mine < 10) put_little(pickle + here + 1,
                                                      edge(state, get_little(pickle + here + 1, mine - 1)), mine - 1);
                                                      break;
        default: pickle[here + below(state, mine)] = (unsigned char)random64(state);
        }
        if (!n) n = 1;
    }
    const ZipEntry entries[] = { { "x/data.pkl", { pickle, n }, 0 }, { "x/data/0", data, 0 } };
    return make_zip(out, entries, 2);
}

static void test_mutations(Arena *a)
{
    static const char pickle[] =
        "\x80\2}q\0(X\1\0\0\0aq\1ctorch._utils\n_rebuild_tensor_v2\nq\2(" STORAGE("FloatStorage",
            "\6") "q\3K\0K\2K\3\x86q\4K\3K\1\x86"
                                 "\x89" "ccollections\nOrderedDict\n)Rtq\5Rq\6X\1\0\0\0b}(K\1h\2(h\3K\1K\2\x85K\2\x85\x89)tRX\1\0\0\0ch\6uX\1\0\0\0d]q\7(K\5G?\xe0\0\0\0\0\0\0h\6eu.";
    static unsigned char both[1024];
    size_t n = sizeof pickle - 1;
    put_little(both, n, 8), memcpy(both + 8, pickle, n), memset(both + 8 + n, 'a', 24);
    char message[MESSAGE];
    CHECK_MSG(!reads_pickle(a, pickle, n, message), "%s", message);
    mutations(a, read_torch, (Bytes){ both, 8 + n + 24 }, mutate_pickle, "pickle");
    mutations(a, read_torch, golden(a, "torch_tiny.pt"), mutate_zip, "zip");
}

int main(void)
{
    Arena *a = arena_new();
    test_contents(a);
    test_calls(a);
    test_pickles(a);
    test_growth(a);
    test_containers(a);
    test_headers(a);
    test_large(a);
    damage(a, read_torch, golden(a, "torch_tiny.pt"), "torch_tiny.pt");
    damage(a, read_torch, golden(a, "torch_tiny_old.pt"), "torch_tiny_old.pt");
    damage(a, read_torch, golden(a, "torch_zip.ckpt"), "torch_zip.ckpt");
    damage(a, read_torch, golden(a, "torch_protocol4.ckpt"), "torch_protocol4.ckpt");
    damage(a, read_torch, golden(a, "torch_old.ckpt"), "torch_old.ckpt");
    test_mutations(a);
    arena_free(a);
    return done();
}
