/* test_dataset.c - what is learned from: sizes against kohya's rule (tests/golden_buckets.py), captions in a new order, class pictures and held-out ones in
 * an epoch, pictures mirrored.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "dataset.h"
#include "png.h"
#include "hash_weights.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static void buckets(void)
{
    FILE *f = fopen("tests/golden/buckets.txt", "r");
    Buckets b;
    int width, height, cases = 0;
    Bucket e;
    while (f && fscanf(f, "%d %d %d %d %d %d %d %d %d %d %d", &b.side, &b.least, &b.most, &b.step, &b.no_upscale, &width, &height, &e.width, &e.height, &e.wide, &e.high) == 11) {
        Bucket is = bucket_of(&b, width, height);
        cases++;
        CHECK_MSG(!memcmp(&is, &e, sizeof e), "%dx%d at %d in steps of %d: %dx%d of %dx%d, expected %dx%d of %dx%d", width, height, b.side, b.step, is.width, is.height, is.wide, is.high,
                  e.width, e.height, e.wide, e.high);
    }
    if (f) fclose(f);
    CHECK(cases == 422);
}

static void sizes_chosen(Arena *a)
{
    Recipe r = recipe_default;
    CHECK(recipe_buckets(a, &r, 512).step == 0);
    r.buckets = 1;
    static const int expected[][4] = { { 512, 256, 1024, 64 }, { 768, 256, 1024, 64 }, { 1280, 256, 1280, 64 }, { 128, 64, 256, 16 }, { 64, 32, 128, 8 } };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        Buckets b = recipe_buckets(a, &r, expected[i][0]);
        CHECK_MSG(b.least == expected[i][1] && b.most == expected[i][2] && b.step == expected[i][3], "at %d: %d to %d in steps of %d", b.side, b.least, b.most, b.step);
    }
}

/* ---- captions ----------------------------------------------------------------------------------- */

static void captions(Arena *a)
{
    enum { TIMES = 2400 };
    static const char *const order[] = { "sks, a, b c, d", "sks, a, d, b c", "sks, b c, a, d", "sks, b c, d, a", "sks, d, a, b c", "sks, d, b c, a" };
    int seen[6] = { 0 }, none = 0;
    Rng *rng = take(a, 2, sizeof *rng);
    rng_seed(rng, 1);
    for (int i = 0; i < TIMES; i++) {
        const char *text = caption_drawn(a, " sks,a ,b c,  d ", (CaptionChance){ 0, 1, 1 }, rng);
        for (int k = 0; k < 6; k++) seen[k] += !strcmp(text, order[k]);
        none += !caption_drawn(a, "x", (CaptionChance){ 0.25, 0, 0 }, rng);
    }
    for (int k = 0; k < 6; k++) CHECK_MSG(abs(seen[k] - TIMES / 6) < 80, "%s: %d times of %d", order[k], seen[k], TIMES);      /* 80: 4.4 standard deviations */
    CHECK_MSG(abs(none - TIMES / 4) < 100, "dropped %d times of %d", none, TIMES);
    CHECK(!strcmp(caption_drawn(a, "a,b", (CaptionChance){ 0, 1, 5 }, rng), "a, b"));
    CHECK(!strcmp(caption_drawn(a, "", (CaptionChance){ 0, 1, 0 }, rng), ""));
    rng[1] = rng[0];
    caption_drawn(a, "a, b", (CaptionChance){ 0, 0, 1 }, rng);
    CHECK(!memcmp(&rng[0], &rng[1], sizeof *rng));
}

/* the word stands where it is named, or in front, but not of a class picture, nor where nothing is said */
static void words(Arena *a, const Tokenizer *t)
{
    const Captions c = { t, "sks", 50000, 2 };
    const int first = 50000;
    int ids[CONTEXT], plain[CONTEXT];
    const Captions without = { .tokenizer = t };
    caption_ids(a, &c, "man", 1, ids), caption_ids(a, &without, "man", 1, plain);
    CHECK(ids[0] == plain[0] && ids[1] == first && ids[2] == first + 1 && ids[3] == plain[1] && ids[4] == tokenizer_eos(t));
    caption_ids(a, &c, "man", 0, ids);
    CHECK(!memcmp(ids, plain, sizeof ids));
    caption_ids(a, &c, "man sks", 0, ids);
    CHECK(ids[1] == plain[1] && ids[2] == first && ids[3] == first + 1);
    caption_ids(a, &c, NULL, 1, ids), caption_ids(a, &without, "", 1, plain);
    CHECK(!memcmp(ids, plain, sizeof ids));
}

/* ---- an epoch ----------------------------------------------------------------------------------- */

static Photos pretend(Arena *a, size_t count, int repeats)
{
    Photos p = { take(a, count, sizeof *p.photo), count, count * (size_t)repeats, 0, count, 0, 0 };
    for (size_t i = 0; i < count; i++) p.photo[i] = (Photo){ .path = "", .name = "", .caption = "", .repeats = repeats };
    return p;
}

/* pictures, repeats, class pictures, repeats -> those in use, and repeats of the first and the last: kohya's loop, by hand */
static void class_pictures(Arena *a)
{
    static const int cases[][7] = { { 15, 40, 100, 1, 100, 6, 6 }, { 3, 1, 2, 1, 2, 2, 1 }, { 3, 1, 10, 1, 3, 1, 1 }, { 4, 2, 3, 2, 3, 3, 2 }, { 2, 2, 1, 1, 1, 4, 4 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int *k = cases[i];
        Photos p = pretend(a, (size_t)k[0], k[1]);
        photos_add_prior(a, &p, pretend(a, (size_t)k[2], k[3]));
        CHECK_MSG(p.prior == (size_t)k[4] && p.count == p.learned + p.prior && p.photo[k[0]].repeats == k[5] && p.photo[p.count - 1].repeats == k[6] && p.photo[p.count - 1].role == PRIOR
                  && p.repeated == (size_t)(2 * k[0] * k[1]), "%d times %d pictures with %d times %d of the class: %zu, %zu in an epoch", k[1], k[0], k[3], k[2], p.prior, p.repeated);
    }
}

static void held_out(Arena *a)
{
    Photos p = pretend(a, 15, 2);
    photos_hold_out(a, &p, 0.2);
    CHECK(p.held_out == 3 && p.learned == 12 && p.repeated == 24);
    for (size_t i = 0; i < 15; i++) CHECK((p.photo[i].role == HELD_OUT) == (i % 5 == 2) && p.photo[i].repeats == (i % 5 == 2 ? 0 : 2));
}

/* ---- pictures ------------------------------------------------------------------------------------ */

enum { SIDE = 16 };

static void save_picture(Arena *a, const char *path, int mirrored)
{
    unsigned char rgb[SIDE * SIDE * 3];
    for (int i = 0; i < SIDE * SIDE; i++)
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = (unsigned char)(128 + 120 * hash_value("picture", (uint64_t)(3 * (mirrored ? i / SIDE * SIDE + SIDE - 1 - i % SIDE : i) + c)));
    size_t size;
    unsigned char *png = png_encode(rgb, SIDE, SIDE, NULL, &size);
    files_save(a, &(File){ path, { png, size } }, 1);
    free(png);
}

static Dataset read_set(Arena *a, Run *run, Recipe *r, const Tokenizer *t, const char *path, const char *other)
{
    Dataset d = { .mem = a, .run = run, .recipe = r, .captions = { .tokenizer = t }, .clip_skip = 1, .photos = pretend(a, other ? 2 : 1, 1) };
    Rng *rng = take(a, 1, sizeof *rng);
    for (size_t i = 0; i < d.photos.count; i++) d.photos.photo[i].path = i ? other : path, d.photos.photo[i].bucket = (Bucket){ SIDE, SIDE, SIDE, SIDE };
    rng_seed(rng, 7);
    dataset_read(&d, rng);
    return d;
}

/* a mirrored picture is that of the mirrored file; both ways are equally likely */
static void mirrored(Arena *a, Run *run, const Tokenizer *t, const char *folder)
{
    const char *path = format(a, "%s/a.png", folder), *other = format(a, "%s/b.png", folder);
    Recipe plain = recipe_default, flip = recipe_default;
    int turned = 0;
    flip.flip = 1;
    save_picture(a, path, 0), save_picture(a, other, 1);
    Dataset two = read_set(a, run, &plain, t, path, other), one = read_set(a, run, &flip, t, path, NULL);
    size_t bytes = size(one.sample[0].lesson.latents) * sizeof(float);
    CHECK(!memcmp(one.sample[0].latents[0], two.sample[0].latents[0], bytes) && !memcmp(one.sample[0].latents[1], two.sample[1].latents[0], bytes));
    CHECK(memcmp(one.sample[0].latents[0], one.sample[0].latents[1], bytes) && !two.sample[0].latents[1]);
    Course *course = take(a, course_bytes(1), 1);
    rng_seed(&course->rng, 3);
    dataset_order(&one, course);
    for (int i = 0; i < 400; i++) turned += dataset_next(&one, course)->lesson.latents.x == one.sample[0].latents[1];
    CHECK_MSG(abs(turned - 200) < 45, "mirrored %d times of 400", turned);
    unlink(path), unlink(other);
}

typedef struct { Arena *a; const char *folder; } Start;

static void run(void *to)
{
    Arena *a = ((Start *)to)->a;
    const char *folder = ((Start *)to)->folder, *model = format(a, "%s/model.safetensors", folder);
    buckets();
    sizes_chosen(a);
    captions(a);
    class_pictures(a);
    held_out(a);
    hash_weights(a, "tests/golden/model_f32.weights", model);
    Machine machine = { .mem = a, .threads = 2 };
    Run r = { .machine = &machine, .weights = weights_add(a, NULL, model, MODEL_FILE), .frames = 1 };
    const Tokenizer *t = tokenizer_new(a, file_map(a, "weights/merges.txt"), (size_t)clip_vocabulary(r.weights));
    words(a, t);
    mirrored(a, &r, t, folder);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], message[1024];
    snprintf(folder, sizeof folder, "%s/dataset-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) { perror(folder); return 1; }
    CHECK_MSG(!attempt(a, run, &(Start){ a, folder }, message), "%s", message);
    unlink(format(a, "%s/model.safetensors", folder));
    rmdir(folder);
    arena_free(a);
    return done();
}
