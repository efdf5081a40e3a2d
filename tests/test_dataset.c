/* test_dataset.c - training examples: buckets against kohya's rule (tests/golden_buckets.py), captions augmented,
 * class images and validation images in an epoch, pictures mirrored.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "dataset.h"
#include "hash_weights.h"
#include "png.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- buckets ------------------------------------------------------------------------------------ */

static int same_bucket(Bucket x, Bucket y)
{
    return x.width == y.width && x.height == y.height && x.wide == y.wide && x.high == y.high;
}

/* the golden: a line of eleven numbers for each case */
static int read_case(FILE *f, Buckets *b, int *width, int *height, Bucket *e)
{
    return fscanf(f, "%d %d %d %d %d %d %d %d %d %d %d", &b->side, &b->least, &b->most, &b->step, &b->no_upscale, width,
                  height, &e->width, &e->height, &e->wide, &e->high) == 11;
}

static void buckets(void)
{
    FILE *f = fopen("tests/golden/buckets.txt", "r");
    Buckets b;
    Bucket e;
    int width, height;
    int cases = 0;
    while (f && read_case(f, &b, &width, &height, &e)) {
        Bucket is = bucket_of(&b, width, height);
        cases++;
        CHECK_MSG(same_bucket(is, e), "%dx%d at %d in steps of %d: %dx%d of %dx%d, expected %dx%d of %dx%d", width,
                  height, b.side, b.step, is.width, is.height, is.wide, is.high, e.width, e.height, e.wide, e.high);
    }
    if (f) fclose(f);
    CHECK(cases == 422);
}

/* resolution -> the usual least and most side, and step */
static void usual_buckets(Arena *a)
{
    static const struct { int side, least, most, step; } expected[] = {
        { 512, 256, 1024, 64 }, { 768, 256, 1024, 64 }, { 1280, 256, 1280, 64 }, { 128, 64, 256, 16 },
        { 64, 32, 128, 8 },
    };
    TrainingConfig c = training_config_default;
    CHECK(training_buckets(a, &c, 512).step == 0);
    c.enable_bucket = 1;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        Buckets b = training_buckets(a, &c, expected[i].side);
        int is_right = b.least == expected[i].least && b.most == expected[i].most && b.step == expected[i].step;
        CHECK_MSG(is_right, "at %d: %d to %d in steps of %d", b.side, b.least, b.most, b.step);
    }
}

/* ---- captions ----------------------------------------------------------------------------------- */

static const CaptionAugmentation NONE = { .keep_tokens = 1 };

/* Each order equally often, and the part in front stays. */
static void shuffled_captions(Arena *a, Rng *rng)
{
    enum { TIMES = 2400, ORDERS = 6 };
    static const char *const order[ORDERS] = {
        "sks, a, b c, d", "sks, a, d, b c", "sks, b c, a, d", "sks, b c, d, a", "sks, d, a, b c", "sks, d, b c, a"
    };
    const CaptionAugmentation shuffle = { .shuffle_caption = 1, .keep_tokens = 1 };
    int seen[ORDERS] = { 0 };
    for (int i = 0; i < TIMES; i++) {
        const char *text = caption_augmented(a, " sks,a ,b c,  d ", &shuffle, 1, 0, rng);
        for (int k = 0; k < ORDERS; k++)
            if (!strcmp(text, order[k])) seen[k]++;
    }
    for (int k = 0; k < ORDERS; k++)      /* 80: 4.4 standard deviations */
        CHECK_MSG(abs(seen[k] - TIMES / ORDERS) < 80, "%s: %d times of %d", order[k], seen[k], TIMES);
    const CaptionAugmentation keep_all = { .shuffle_caption = 1, .keep_tokens = 5 };
    CHECK(!strcmp(caption_augmented(a, "a,b", &keep_all, 1, 0, rng), "a, b"));
    CHECK(!strcmp(caption_augmented(a, "", &(CaptionAugmentation){ .shuffle_caption = 1 }, 1, 0, rng), ""));
}

static void dropped_captions(Arena *a, Rng *rng)
{
    enum { TIMES = 2400 };
    const CaptionAugmentation drop = { .caption_dropout_rate = 0.25 };
    int dropped = 0;
    for (int i = 0; i < TIMES; i++)
        if (!caption_augmented(a, "x", &drop, 1, 0, rng)) dropped++;
    CHECK_MSG(abs(dropped - TIMES / 4) < 100, "dropped %d times of %d", dropped, TIMES);
}

/* What is not asked for draws no random number. */
static void plain_captions(Arena *a, Rng *rng)
{
    Rng *before = allocate(a, 1, sizeof *before);
    *before = *rng;
    caption_augmented(a, "a, b", &NONE, 1, 0, rng);
    CHECK(!memcmp(before, rng, sizeof *rng));
}

static void captions(Arena *a)
{
    Rng *rng = allocate(a, 1, sizeof *rng);
    rng_seed(rng, 1);
    shuffled_captions(a, rng);
    dropped_captions(a, rng);
    plain_captions(a, rng);
}

/* The word stands where it is named, or in front, but not of a class image, nor of a caption that is left out. */
static void words(Arena *a, const Tokenizer *t)
{
    enum { FIRST = 50000 };
    const Captions with_word = { .tokenizer = t, .word = "sks", .first = FIRST, .vectors = 2, .chunks = 1 };
    const Captions without = { .tokenizer = t, .chunks = 1 };
    int ids[CONTEXT], plain[CONTEXT];
    caption_ids(a, &with_word, "man", 1, ids);
    caption_ids(a, &without, "man", 1, plain);
    CHECK(ids[0] == plain[0] && ids[1] == FIRST && ids[2] == FIRST + 1);
    CHECK(ids[3] == plain[1] && ids[4] == tokenizer_eos(t));
    caption_ids(a, &with_word, "man", 0, ids);
    CHECK(!memcmp(ids, plain, sizeof ids));
    caption_ids(a, &with_word, "man sks", 0, ids);
    CHECK(ids[1] == plain[1] && ids[2] == FIRST && ids[3] == FIRST + 1);
    caption_ids(a, &with_word, NULL, 1, ids);
    caption_ids(a, &without, "", 1, plain);
    CHECK(!memcmp(ids, plain, sizeof ids));
}

/* ---- an epoch ----------------------------------------------------------------------------------- */

static Photos pretend(Arena *a, size_t count, int repeats)
{
    Photos p = { .photo = allocate(a, count, sizeof *p.photo), .count = count, .repeated = count * (size_t)repeats,
                 .instances = count };
    for (size_t i = 0; i < count; i++)
        p.photo[i] = (Photo){ .path = "", .name = "", .caption = "", .repeats = repeats };
    return p;
}

/* kohya's loop, by hand: what there is -> class images in use, and the repeats of the first and the last */
static void class_images(Arena *a)
{
    static const struct { int photos, repeats, class_images, class_repeats, used, first, last; } cases[] = {
        { 15, 40, 100, 1, 100, 6, 6 }, { 3, 1, 2, 1, 2, 2, 1 }, { 3, 1, 10, 1, 3, 1, 1 }, { 4, 2, 3, 2, 3, 3, 2 },
        { 2, 2, 1, 1, 1, 4, 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int photos = cases[i].photos, repeats = cases[i].repeats;
        Photos p = pretend(a, (size_t)photos, repeats);
        photos_add_class(a, &p, pretend(a, (size_t)cases[i].class_images, cases[i].class_repeats));
        const Photo *first = &p.photo[photos];
        const Photo *last = &p.photo[p.count - 1];
        int are_used = p.classes == (size_t)cases[i].used && p.count == p.instances + p.classes;
        int is_last = last->repeats == cases[i].last && last->role == CLASS_IMAGE;
        CHECK_MSG(are_used, "case %zu: %zu in use", i, p.classes);
        CHECK_MSG(first->repeats == cases[i].first, "case %zu: the first %d times", i, first->repeats);
        CHECK_MSG(is_last, "case %zu: the last %d times", i, last->repeats);
        CHECK_MSG(p.repeated == (size_t)(2 * photos * repeats), "case %zu: %zu in an epoch", i, p.repeated);
    }
}

static void validation_images(Arena *a)
{
    Photos p = pretend(a, 15, 2);
    photos_hold_out(a, &p, 0.2, -1);
    CHECK(p.validations == 3 && p.instances == 12 && p.repeated == 24);
    for (size_t i = 0; i < 15; i++) {
        int is_held_out = i % 5 == 2;
        CHECK((p.photo[i].role == VALIDATION_IMAGE) == is_held_out && p.photo[i].repeats == (is_held_out ? 0 : 2));
    }
}

static unsigned held_out_by(Arena *a, size_t count, double split, int seed)
{
    unsigned which = 0;
    Photos p = pretend(a, count, 2);
    photos_hold_out(a, &p, split, seed);
    for (size_t i = 0; i < count; i++) which |= (unsigned)(p.photo[i].role == VALIDATION_IMAGE) << i;
    return which;
}

static int count_bits(unsigned x) { return x ? (int)(x & 1) + count_bits(x >> 1) : 0; }

/* By a seed: the same each time, as many as without one, others for another seed, each picture by some seed. */
static void validation_by_seed(Arena *a)
{
    unsigned all = 0;
    CHECK(held_out_by(a, 15, 0.2, 3) == held_out_by(a, 15, 0.2, 3));
    CHECK(held_out_by(a, 15, 0.2, 3) != held_out_by(a, 15, 0.2, 4));
    for (int seed = 0; seed < 40; seed++) {
        unsigned which = held_out_by(a, 15, 0.2, seed);
        CHECK(count_bits(which) == 3);
        all |= which;
    }
    CHECK(all == 0x7fff);
}

typedef struct { Arena *a; size_t count; double split; } HoldOut;

static void try_hold_out(void *to)
{
    HoldOut *h = to;
    held_out_by(h->a, h->count, h->split, -1);
}

static void few_validation_images(Arena *a)
{
    char why[MESSAGE];
    CHECK(attempt(a, try_hold_out, &(HoldOut){ a, 4, 0.5 }, why) && strstr(why, "of fewer than 5 none can be held out"));
    CHECK(attempt(a, try_hold_out, &(HoldOut){ a, 5, 0.05 }, why) && strstr(why, "holds out none of them"));
    CHECK(attempt(a, try_hold_out, &(HoldOut){ a, 5, 0.9 }, why) && strstr(why, "holds out all of them"));
    CHECK(!attempt(a, try_hold_out, &(HoldOut){ a, 5, 0.2 }, why));
}

/* ---- pictures ------------------------------------------------------------------------------------ */

enum { SIDE = 16 };

static void save_picture(Arena *a, const char *path, int mirrored)
{
    unsigned char rgb[SIDE * SIDE * 3];
    for (int i = 0; i < SIDE * SIDE; i++) {
        int row = i / SIDE * SIDE;
        int from = mirrored ? row + SIDE - 1 - i % SIDE : i;
        for (int c = 0; c < 3; c++) {
            double u = hash_value("picture", (uint64_t)(3 * from + c));
            rgb[3 * i + c] = (unsigned char)(128 + 120 * u);
        }
    }
    size_t size;
    unsigned char *png = png_encode(rgb, SIDE, SIDE, NULL, &size);
    files_save(a, &(File){ path, { png, size } }, 1);
    free(png);
}

/* a set of one picture, or of two */
static Dataset read_set(Arena *a, Run *run, const TrainingConfig *config, const Tokenizer *t, const char *path,
                        const char *other)
{
    Objective *objective = allocate(a, 1, sizeof *objective);
    *objective = (Objective){ 0 };
    objective_schedule(objective);
    Dataset d = { .mem = a, .run = run, .config = config, .objective = objective, .clip_skip = 1 };
    d.captions.tokenizer = t;
    d.captions.chunks = 1;
    d.photos = pretend(a, other ? 2 : 1, 1);
    Rng *rng = allocate(a, 1, sizeof *rng);
    for (size_t i = 0; i < d.photos.count; i++) {
        d.photos.photo[i].path = i ? other : path;
        d.photos.photo[i].bucket = (Bucket){ .width = SIDE, .height = SIDE, .wide = SIDE, .high = SIDE };
    }
    rng_seed(rng, 7);
    dataset_read(&d, rng);
    return d;
}

/* A mirrored picture is that of the mirrored file; both ways are equally likely. */
static void flip_aug(Arena *a, Run *run, const Tokenizer *t, const char *folder)
{
    const char *path = format(a, "%s/a.png", folder);
    const char *other = format(a, "%s/b.png", folder);
    TrainingConfig plain = training_config_default;
    TrainingConfig flip = training_config_default;
    flip.flip_aug = 1;
    save_picture(a, path, 0);
    save_picture(a, other, 1);
    Dataset two = read_set(a, run, &plain, t, path, other);
    Dataset one = read_set(a, run, &flip, t, path, NULL);
    const DatasetItem *item = &one.item[0];
    size_t bytes = size(item->example.latents) * sizeof(float);
    CHECK(!memcmp(item->latents, two.item[0].latents, bytes));
    CHECK(!memcmp(item->mirrored, two.item[1].latents, bytes));
    CHECK(memcmp(item->latents, item->mirrored, bytes) && !two.item[0].mirrored);
    TrainingProgress *progress = allocate(a, progress_bytes(1), 1);
    rng_seed(&progress->rng, 3);
    dataset_begin(&one, progress);
    int mirrored = 0;
    for (int i = 0; i < 400; i++)
        if (dataset_next(&one, progress)->example.latents.x == item->mirrored) mirrored++;
    CHECK_MSG(abs(mirrored - 200) < 45, "mirrored %d times of 400", mirrored);
    unlink(path);
    unlink(other);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *folder; } Start;

static void run(void *to)
{
    Arena *a = ((Start *)to)->a;
    const char *folder = ((Start *)to)->folder;
    const char *model = format(a, "%s/model.safetensors", folder);
    buckets();
    usual_buckets(a);
    captions(a);
    class_images(a);
    validation_images(a);
    validation_by_seed(a);
    few_validation_images(a);
    hash_weights(a, "tests/golden/model_f32.weights", model);
    Machine machine = { .mem = a, .threads = 2 };
    Run r = { .machine = &machine, .weights = weights_add(a, NULL, model, MODEL_FILE), .frames = 1 };
    const Tokenizer *t = tokenizer_new(a, file_map(a, "weights/merges.txt"), (size_t)clip_vocabulary(r.weights));
    words(a, t);
    flip_aug(a, &r, t, folder);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], message[MESSAGE];
    snprintf(folder, sizeof folder, "%s/dataset-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    CHECK_MSG(!attempt(a, run, &(Start){ a, folder }, message), "%s", message);
    unlink(format(a, "%s/model.safetensors", folder));
    rmdir(folder);
    arena_free(a);
    return done();
}
