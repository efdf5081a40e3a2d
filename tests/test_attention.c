/* test_attention.c - cross-attention maps against diffusers' UNet with a processor that keeps the softmax.
 *
 * Each golden (tests/golden/attention/CASE.safetensors, by tests/golden_attention.py) is a job, words of its prompt, and
 * the map of each word in each layer.  Weights are built here from their recipes.  Maps of clips are those of each
 * frame; "long" has windows that overlap.  Also: the picture is the same to the byte, and what is no word is told.
 *
 * Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "attention_maps.h"
#include "attention_pictures.h"
#include "chars.h"
#include "generate.h"
#include "hash_weights.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Sums over some steps; PyTorch's float64 is the reference.  In clips the resnets' norms join all frames, so that the
 * float32 error of three steps is up to 1.3e-4 of sums up to 3; a wrong column, head or frame is off by 1e-2 and more. */
static const double TOLERANCE = 2e-5, CLIP_TOLERANCE = 3e-4;

typedef struct {
    Arena *a;
    const char *folder, *name;
    const WeightFile *golden;
    Job job;
    int words;                           /* that had a map */
    Picture strip;
} Case;

static const char *weights_file(Case *c, const char *name)
{
    const char *path = format(c->a, "%s/%s.safetensors", c->folder, name);
    if (!file_is(path)) hash_weights(c->a, format(c->a, "tests/golden/%s.weights", name), path);
    return path;
}

static void setting(Case *c, const char *key, const char *value)
{
    Job *j = &c->job;
    if      (!strcmp(key, "model"))   j->model = weights_file(c, value);
    else if (!strcmp(key, "motion"))  j->motion = weights_file(c, value);
    else if (!strcmp(key, "steps"))   j->steps = atoi(value);
    else if (!strcmp(key, "cfg"))     j->cfg = atof(value);
    else if (!strcmp(key, "seed"))    j->seed = strtoull(value, NULL, 10);
    else if (!strcmp(key, "width"))   j->width = atoi(value);
    else if (!strcmp(key, "height"))  j->height = atoi(value);
    else if (!strcmp(key, "frames"))  j->frames = atoi(value);
    else if (!strcmp(key, "context")) j->context = atoi(value);
    else if (!strcmp(key, "overlap")) j->overlap = atoi(value);
    else fail(c->a, "%s: unknown setting %s", c->name, key);
}

static void read_case(Case *c)
{
    c->golden = safetensors_open(c->a, format(c->a, "tests/golden/attention/%s.safetensors", c->name));
    c->job = (Job){ .prompt = file_metadata(c->golden, "prompt"), .negative = file_metadata(c->golden, "negative"),
                    .merges = "weights/merges.txt", .frames = 1, .clip_skip = 1, .threads = 2 };
    char *text = format(c->a, "%s", file_metadata(c->golden, "settings"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *colon = strstr(line, ": ");
        if (!colon) fail(c->a, "%s: not a setting: %s", c->name, line);
        *colon = 0;
        setting(c, line, colon + 2);
    }
}

static double worst_of(const float *found, const Weight *expected, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)found[i] - (double)((const float *)expected->data)[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/* Compares all maps; called with the pictures, while they are there. */
static void compare(Case *c, const AttentionMaps *m)
{
    size_t before = mark(c->a);
    double tolerance = m->frames > 1 ? CLIP_TOLERANCE : TOLERANCE;
    for (int i = 0; i < m->layers; i++) {
        const AttentionLayer *l = &m->layer[i];
        const Weight *w = file_weight(c->golden, l->name);
        size_t n = m->words.count * (size_t)m->frames * (size_t)l->h * (size_t)l->w;
        CHECK_MSG(w && w->rank == 4, "%s: PyTorch has no map of %s", c->name, l->name);
        if (!w) continue;
        int is_right = w->shape[0] * w->shape[1] * w->shape[2] * w->shape[3] == n && w->shape[2] == (size_t)l->h;
        CHECK_MSG(is_right, "%s: the maps of %s have another shape", c->name, l->name);
        double worst = is_right ? worst_of(l->sum, w, n) : INFINITY;
        CHECK_MSG(worst <= tolerance, "%s: the map of %s is off by %g", c->name, l->name, worst);
    }
    const Weight *whole = file_weight(c->golden, "map");
    for (size_t word = 0; word < m->words.count; word++) {
        int h, w;
        const float *map = attention_map(c->a, m, word, &h, &w);
        size_t n = (size_t)m->frames * (size_t)h * (size_t)w;
        Weight part = *whole;
        part.data = (const char *)whole->data + word * n * sizeof *map;
        double worst = worst_of(map, &part, n);
        CHECK_MSG(worst <= tolerance, "%s: the map of word %zu is off by %g", c->name, word, worst);
    }
    CHECK(m->layers + 1 == (int)c->golden->count);
    CHECK(m->calls == m->all_calls);
    release(c->a, before);
}

static void on_map(void *to, const char *word, Picture strip, Picture sheet)
{
    Case *c = to;
    CHECK(strstr(file_metadata(c->golden, "words"), word) != NULL);
    CHECK(strip.width == c->job.width * c->job.frames && strip.height == c->job.height);
    CHECK(sheet.width > c->job.width && sheet.height > c->job.height);
    c->words++;
}

static void on_maps(void *to, const AttentionMaps *m) { compare(to, m); }

static void run(void *to)
{
    Case *c = to;
    read_case(c);
    Pictures without = generate(c->a, &c->job, NULL);
    AttentionWish wish = { .asked = file_metadata(c->golden, "words"), .on_map = on_map, .on_maps = on_maps, .to = c };
    Pictures with = generate(c->a, &c->job, &(Callbacks){ .attention = &wish });
    size_t bytes = (size_t)with.frames * (size_t)with.width * (size_t)with.height * 3;
    CHECK_MSG(!memcmp(without.rgb, with.rgb, bytes), "%s: the picture changes when somebody looks", c->name);
    size_t count;
    comma_parts(c->a, wish.asked, &count);
    CHECK_MSG(c->words == (int)count, "%s: %d words had maps", c->name, c->words);
}

/* ---- words -------------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *asked, *prompt, *joined; } Asked;

static void ask(void *to)
{
    Asked *w = to;
    Lines l = attention_words(w->a, w->asked, w->prompt);
    w->joined = lines_joined(w->a, &l, "|");
}

static void test_words(Arena *a)
{
    static const struct { const char *asked, *prompt, *words; } rows[] = {
        { "hair", "", "hair" },
        { " hair , red sweater,Hair,", "", "hair|red sweater" },
        { "all", "a (red:1.2) hat, 8k, <b>\xc3\xa9t\xc3\xa9", "a|red|hat|k|b|\xc3\xa9t\xc3\xa9" },
        { "ALL", "one One ONE", "one" },
        { "all", "12, 3", NULL },
        { ",", "a", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[MESSAGE];
        Asked w = { a, rows[i].asked, rows[i].prompt, NULL };
        int failed = attempt(a, ask, &w, why);
        CHECK_MSG(!!failed == !rows[i].words, "\"%s\" of \"%s\"", rows[i].asked, rows[i].prompt);
        if (!failed && rows[i].words) CHECK_MSG(!strcmp(w.joined, rows[i].words), "%s", w.joined);
    }
}

/* A row of three: the samples between are those of torch's bicubic. */
static void test_bicubic(Arena *a)
{
    static const float x[] = { 0, 1, 0 };
    static const float expected[] = { -0.10546875f, 0.26171875f, 0.87890625f, 0.87890625f, 0.26171875f, -0.10546875f };
    const float *y = bicubic(a, x, 1, 1, 3, 1, 6);
    for (int i = 0; i < 6; i++) CHECK_MSG(fabsf(y[i] - expected[i]) < 1e-6f, "%d: %g", i, (double)y[i]);
}

int main(void)
{
    static const char *const cases[] = { "still", "clip", "long" };
    char folder[] = "/tmp/test_attention.XXXXXX";
    char message[MESSAGE];
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) return 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t before = mark(a);
        Case c = { .a = a, .folder = folder, .name = cases[i] };
        CHECK_MSG(!attempt(a, run, &c, message), "%s: %s", cases[i], message);
        release(a, before);
    }
    test_words(a);
    test_bicubic(a);
    static const char *const files[] = { "model_f32", "motion_v1" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(format(a, "%s/%s.safetensors", folder, files[i]));
    rmdir(folder);
    arena_free(a);
    return done();
}
