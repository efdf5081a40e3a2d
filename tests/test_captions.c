/* test_captions.c - captions: files in every encoding, whole, cut short and damaged; what a step sees of one, against
 * kohya's rules; and captions of 75, 150 and 225 tokens against kohya's way to encode them (tests/golden_captions.py).
 * Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "caption_file.h"
#include "captions.h"
#include "hash_weights.h"
#include "safetensors.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- files -------------------------------------------------------------------------------------- */

#define FILE_OF(text) ((Bytes){ (const unsigned char *)(text), sizeof(text) - 1 })

static void reads(Arena *a, Bytes file, const char *expected)
{
    const char *fault = "";
    const char *text = caption_file_text(a, file, &fault);
    CHECK_MSG(text && !strcmp(text, expected), "expected \"%s\", found \"%s\" %s", expected, text ? text : "", fault);
}

static void refuses(Arena *a, Bytes file, const char *words)
{
    const char *fault = "";
    const char *text = caption_file_text(a, file, &fault);
    CHECK_MSG(!text && strstr(fault, words), "expected \"%s\", found %s", words, text ? text : fault);
}

static void test_files(Arena *a)
{
    reads(a, FILE_OF("  a man \r\n"), "a man");
    reads(a, FILE_OF("\xEF\xBB\xBF" "caf\xC3\xA9"), "caf\xC3\xA9");
    reads(a, FILE_OF("\n \r\n\r\na\rb\n\n c"), "a\nb\nc");
    reads(a, FILE_OF(""), "");
    reads(a, FILE_OF("\xFF\xFE" "a\0\n\0\xE9\0\x3D\xD8\x00\xDE"), "a\n\xC3\xA9\xF0\x9F\x98\x80");
    reads(a, FILE_OF("\xFE\xFF" "\0a\x20\xAC"), "a\xE2\x82\xAC");
    refuses(a, FILE_OF("caf\xE9"), "save it again as UTF-8");
    refuses(a, FILE_OF("a\0b\0"), "save it again as UTF-8");
    refuses(a, FILE_OF("\xFF\xFE" "a\0b"), "UTF-8");                   /* half of a unit */
    refuses(a, FILE_OF("\xFF\xFE\x3D\xD8"), "UTF-8");                  /* half of a surrogate pair */
    refuses(a, FILE_OF("\xFF\xFE\x3D\xD8" "a\0"), "UTF-8");
    refuses(a, FILE_OF("\xFF\xFE\x00\xDE"), "UTF-8");
    refuses(a, FILE_OF("\xFF\xFE\0\0a\0\0\0"), "UTF-8");               /* UTF-32 */
    refuses(a, (Bytes){ memset(allocate(a, 65537, 1), 'a', 65537), 65537 }, "at most 65536 bytes, found 65537");
}

/* Whatever the bytes are, what is accepted is UTF-8 without NUL and without blank lines. */
static void check_damaged(Arena *a, const unsigned char *bytes, size_t n)
{
    size_t before = mark(a);
    const char *fault = NULL;
    unsigned char *exact = malloc(n ? n : 1);       /* the sanitizers see a byte too far */
    if (!exact) abort();
    memcpy(exact, bytes, n);
    const char *text = caption_file_text(a, (Bytes){ exact, n }, &fault);
    int is_tidy = text && *text != '\n' && !strstr(text, "\n\n") && !strchr(text, '\r');
    CHECK(text ? is_tidy : fault != NULL);
    free(exact);
    release(a, before);
}

static void test_damage(Arena *a)
{
    static const unsigned char utf8[] = "\xEF\xBB\xBF" "caf\xC3\xA9,\r\n\xF0\x9F\x98\x80";
    static const unsigned char utf16[] = "\xFF\xFE" "a\0\r\0\n\0\x3D\xD8\x00\xDE" "b";
    static const struct { const unsigned char *bytes; size_t n; } files[] = {
        { utf8, sizeof utf8 - 1 }, { utf16, sizeof utf16 }
    };
    for (size_t f = 0; f < 2; f++) {
        unsigned char damaged[64];
        for (size_t n = 0; n < files[f].n; n++) check_damaged(a, files[f].bytes, n);
        for (size_t bit = 0; bit < 8 * files[f].n; bit++) {
            memcpy(damaged, files[f].bytes, files[f].n);
            damaged[bit / 8] ^= (unsigned char)(1 << bit % 8);
            check_damaged(a, damaged, files[f].n);
        }
    }
}

/* ---- what a step sees --------------------------------------------------------------------------- */

static Rng *seeded(Arena *a)
{
    Rng *rng = allocate(a, 1, sizeof *rng);
    rng_seed(rng, 5);
    return rng;
}

static void becomes(Arena *a, CaptionAugmentation how, const char *caption, size_t epoch, size_t step,
                    const char *expected)
{
    const char *text = caption_augmented(a, caption, &how, epoch, step, seeded(a));
    int is_right = expected ? text && !strcmp(text, expected) : !text;
    CHECK_MSG(is_right, "%s: expected %s, found %s", caption, expected ? expected : "none", text ? text : "none");
}

/* What does not depend on chance. */
static void test_rules(Arena *a)
{
    const CaptionAugmentation plain = { 0 };
    becomes(a, plain, "one\ntwo", 1, 0, "one");
    becomes(a, plain, "{a|a}", 1, 0, "{a|a}");
    CaptionAugmentation framed = { .caption_prefix = "photo,", .caption_suffix = "sharp" };
    becomes(a, framed, "a man", 1, 0, "photo, a man sharp");
    CaptionAugmentation wild = { .enable_wildcard = 1, .caption_prefix = "p", .caption_suffix = "s" };
    becomes(a, wild, "x\nx", 1, 0, "p x s");                           /* each line has both */
    becomes(a, wild, "{a|a} {{b|c}} {} {d", 1, 0, "p a {b|c} {} {d s");
    becomes(a, wild, "{|}x", 1, 0, "p x s");
    CaptionAugmentation second = { .secondary_separator = ";" };
    becomes(a, second, "a;b, c", 1, 0, "a,b, c");
    second.caption_separator = " | ";
    becomes(a, second, "a;b", 1, 0, "a | b");
    CaptionAugmentation kept = { .keep_tokens_separator = "|||" };
    becomes(a, kept, "a, b ||| c,, d ||| e", 1, 0, "a, b, c, d, e");   /* it never stays */
    becomes(a, kept, "a,,b", 1, 0, "a,,b");
    CaptionAugmentation drops = { .caption_tag_dropout_rate = 1, .keep_tokens = 1 };
    becomes(a, drops, "a, b, c", 1, 0, "a");
    drops.keep_tokens_separator = "|||";
    becomes(a, drops, "a, b ||| c, d ||| e", 1, 0, "a, b, e");
    becomes(a, drops, "a, b ||| c, d", 1, 0, "a, b");
    CaptionAugmentation never = { .caption_dropout_every_n_epochs = 2, .caption_prefix = "p" };
    becomes(a, never, "a", 1, 0, "p a");
    becomes(a, never, "a", 2, 0, NULL);
    becomes(a, never, "a", 3, 0, "p a");
}

/* kohya:  floor(step * ((8 - 2) / 5)) + 2 of eight tags, and all from step 5 on */
static void test_warm_up(Arena *a)
{
    static const size_t seen[] = { 2, 3, 4, 5, 6, 8, 8 };
    const CaptionAugmentation how = { .token_warmup_step = 5, .token_warmup_min = 2, .keep_tokens = 1 };
    for (size_t step = 0; step < sizeof seen / sizeof *seen; step++) {
        const char *text = caption_augmented(a, "k,1,2,3,4,5,6,7,8", &how, 1, step, seeded(a));
        size_t tags = 0;
        for (const char *s = text; *s; s++) tags += *s == ',';
        CHECK_MSG(tags == seen[step] && !strncmp(text, "k, 1, 2", 7), "step %zu: %s", step, text);
    }
    becomes(a, (CaptionAugmentation){ .token_warmup_step = 5, .token_warmup_min = 4 }, "a,b", 1, 1, "a, b");
}

/* Each line, and each alternative, equally often. */
static void test_wildcards(Arena *a)
{
    enum { TIMES = 3000, KINDS = 6 };
    static const char *const kind[KINDS] = { "1 a", "1 b", "1 c, d", "2 a", "2 b", "2 c, d" };
    const CaptionAugmentation how = { .enable_wildcard = 1 };
    Rng *rng = seeded(a);
    int seen[KINDS] = { 0 };
    for (int i = 0; i < TIMES; i++) {
        const char *text = caption_augmented(a, "1 {a|b|c, d}\n2 {a|b|c, d}", &how, 1, 0, rng);
        for (int k = 0; k < KINDS; k++)
            if (!strcmp(text, kind[k])) seen[k]++;
    }
    for (int k = 0; k < KINDS; k++)      /* 90: 4.4 standard deviations */
        CHECK_MSG(abs(seen[k] - TIMES / KINDS) < 90, "%s: %d times of %d", kind[k], seen[k], TIMES);
}

static void test_tag_dropout(Arena *a)
{
    enum { TIMES = 3000 };
    const CaptionAugmentation how = { .caption_tag_dropout_rate = 0.3 };
    Rng *rng = seeded(a);
    int dropped = 0;
    for (int i = 0; i < TIMES; i++) {
        const char *text = caption_augmented(a, "a, b", &how, 1, 0, rng);
        dropped += (strchr(text, 'a') == NULL) + (strchr(text, 'b') == NULL);
    }
    CHECK_MSG(abs(dropped - 1800) < 160, "%d of %d tags dropped", dropped, 2 * TIMES);
}

static void test_stays(void)
{
    CHECK(caption_stays(&(CaptionAugmentation){ .caption_prefix = "a", .secondary_separator = ";", .keep_tokens = 2 }));
    CHECK(!caption_stays(&(CaptionAugmentation){ .caption_dropout_every_n_epochs = 2 }));
    CHECK(!caption_stays(&(CaptionAugmentation){ .enable_wildcard = 1 }));
    CHECK(!caption_stays(&(CaptionAugmentation){ .token_warmup_step = 2 }));
    CHECK(!caption_stays(&(CaptionAugmentation){ .caption_tag_dropout_rate = 0.1 }));
}

/* ---- as kohya encodes it ------------------------------------------------------------------------ */

typedef struct {
    Arena            *a;
    Run               run;
    const WeightFile *golden;
    Captions          captions;
} Lab;

static const Weight *tensor_of(const Lab *l, const char *kind, const char *name, int length)
{
    const char *key = format(l->a, "%s_%s_%d", kind, name, length);
    const Weight *w = file_weight(l->golden, key);
    if (!w) fail(l->a, "the golden has no %s", key);
    return w;
}

static void check_states(const Lab *l, const int *ids, const char *name, int length, int clip_skip)
{
    static const size_t rows_of[] = { 0, 1, 37, 75, 76, 77, 150, 151, 152, 225, 226 };
    Run r = l->run;
    const Weight *w = tensor_of(l, "states", name, length);
    Tensor t = clip_join_chunks(&r, clip_encode(&r, ids, l->captions.chunks, clip_skip, NULL));
    CHECK(t.n == 1 && t.h == 1 && t.w == length + 2);
    size_t width = (size_t)t.c;
    const float *expected = (const float *)w->data + (size_t)(clip_skip - 1) * w->shape[0] / 2 * width;
    double worst = 0;
    for (size_t i = 0; i < w->shape[0] / 2; i++)
        for (size_t c = 0; c < width; c++)
            worst = fmax(worst, fabs((double)(t.x[rows_of[i] * width + c] - expected[i * width + c])));
    CHECK_MSG(worst < 2e-5, "%s at %d, clip skip %d: off by %g", name, length, clip_skip, worst);
}

static void check_encoded(Lab *l, const char *name, int length)
{
    size_t before = mark(l->a);
    const Weight *w = tensor_of(l, "ids", name, length);
    int ids[MOST_CHUNKS * CONTEXT];
    l->captions.chunks = length / CHUNK_TOKENS;
    caption_ids(l->a, &l->captions, file_metadata(l->golden, name), 1, ids);
    CHECK_MSG(w->bytes == sizeof *ids * CONTEXT * (size_t)l->captions.chunks && !memcmp(ids, w->data, w->bytes),
              "%s at %d: other token numbers", name, length);
    check_states(l, ids, name, length, 1);
    check_states(l, ids, name, length, 2);
    release(l->a, before);
}

static void test_encoded(Arena *a, const char *model)
{
    static const char *const names[] = { "short", "middle", "long" };
    hash_weights(a, "tests/golden/model_f32.weights", model);
    Machine machine = { .mem = a, .threads = 2 };
    Lab l = { .a = a, .golden = safetensors_open(a, "tests/golden/captions.golden") };
    l.run = (Run){ .machine = &machine, .weights = weights_add(a, NULL, model, MODEL_FILE), .frames = 1 };
    size_t vocabulary = (size_t)clip_vocabulary(l.run.weights);
    l.captions.tokenizer = tokenizer_new(a, file_map(a, "weights/merges.txt"), vocabulary);
    for (size_t i = 0; i < 3; i++)
        for (int length = 75; length <= 225; length += 75) check_encoded(&l, names[i], length);
    CHECK(caption_length(a, &l.captions, file_metadata(l.golden, "long"), 1) > 225);
    CHECK(caption_length(a, &l.captions, NULL, 1) == 0);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *model; } Start;

static void run(void *to)
{
    Arena *a = ((Start *)to)->a;
    test_files(a);
    test_damage(a);
    test_rules(a);
    test_warm_up(a);
    test_wildcards(a);
    test_tag_dropout(a);
    test_stays();
    test_encoded(a, ((Start *)to)->model);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], message[MESSAGE];
    snprintf(folder, sizeof folder, "%s/captions-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    const char *model = format(a, "%s/model.safetensors", folder);
    CHECK_MSG(!attempt(a, run, &(Start){ a, model }, message), "%s", message);
    unlink(model);
    rmdir(folder);
    arena_free(a);
    return done();
}
