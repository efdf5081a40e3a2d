/* test_train.c - learning against PyTorch: the gradient of every pair of the UNet and the text encoder, the losses of ten steps, and
 * the pairs after them; DreamBooth with prior preservation; then the same with pairs for convolutions too, in batches, and with products in bf16.
 * tests/golden_train.py and golden_prior.py say what the goldens hold.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "dataset.h"
#include "vae.h"
#include "hash_weights.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLES = 16, ROW = SAMPLES + 1, STEP = 5 };

typedef struct {
    Arena  *a;
    Machine machine;
    Run     run;
    Learner *learner;
    const WeightFile *golden;
    const char *model;
    Lesson  lesson;
    float  *noise;
    int     again;                       /* blocks are computed again on the way back */
} Case;

/* PyTorch's own float32 is as far from float64 as the golden's metadata say: gradients 6.5e-5 in the worst tensor. */
static const double TOLERANCE = 1e-4;

typedef struct { double worst, square, whole; const char *name; } Error;

static double number(const Case *c, const char *key)
{
    const char *text = file_metadata(c->golden, key);
    if (!text) fail(c->a, "the golden has no %s", key);
    return strtod(text, NULL);
}

static const void *data(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->golden, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w->data;
}

/* kohya's name of a layer's weight */
static const char *flat(Arena *a, const char *layer, const char *end)
{
    char *name = format(a, "lora_%s%s", layer, end);
    for (char *p = name + 5, *stop = p + strlen(layer); p < stop; p++) if (*p == '.') *p = '_';
    return name;
}

static void fill(Arena *a, const Weight *w, const char *end, double scale)
{
    const char *name = flat(a, w->name, end);
    for (size_t i = 0; i < w->bytes / 4; i++) ((float *)(uintptr_t)w->data)[i] = (float)(scale * hash_value(name, i));
}

static void begin(Case *c, int threads, double up, int bf16)
{
    const Weight *words = file_weight(c->golden, "words_after");
    const Weight *ids = file_weight(c->golden, "ids"), *latents = file_weight(c->golden, "latents");
    if (!ids || !latents) fail(c->a, "the golden lacks ids or latents");
    c->machine = (Machine){ .mem = c->a, .threads = threads, .bf16 = bf16 };
    c->run = (Run){ .machine = &c->machine, .weights = weights_add(c->a, NULL, c->model, MODEL_FILE), .frames = 1, .gradient_checkpointing = c->again };
    c->learner = learner_new(c->a, c->run.weights, (LearnPlan){ .unet = 1, .text = 1, .rank = (int)number(c, "rank"), .alpha = (float)number(c, "alpha"),
        .conv_rank = words ? 0 : (int)number(c, "conv_rank"), .conv_alpha = words ? 0 : (float)number(c, "conv_alpha"), .vectors = words ? (int)words->shape[0] : 0 });
    c->run.learner = c->learner;
    for (size_t i = 0; i < c->learner->word_count; i++) c->learner->x[i] = (float)(number(c, "word") * hash_value("words", i));
    for (size_t i = 0; i < c->learner->pairs; i++) {
        const Weight *down = &c->learner->down[i];
        fill(c->a, down, ".lora_down.weight", 1 / sqrt((double)(down->bytes / 4 / down->shape[0])));
        fill(c->a, &c->learner->up[i], ".lora_up.weight", up);
    }
    c->lesson = (Lesson){ .ids = ids->data, .texts = (int)ids->shape[0], .clip_skip = (int)number(c, "clip_skip"),
                          .latents = { 1, (int)latents->shape[1], (int)latents->shape[2], 4, NULL } };
    c->lesson.noise = c->noise = take(c->a, size(c->lesson.latents), sizeof *c->noise);
    rehearse_lesson(&c->run, &c->lesson);
    begin_lessons(&c->run);
}

/* torch draws [4,h,w]; ours is [h,w,4] */
static void draw_noise(Case *c, uint64_t seed)
{
    size_t before = mark(c->a), n = size(c->lesson.latents), plane = n / 4;
    Rng *rng = take(c->a, 1, sizeof *rng);
    float *drawn = take(c->a, n, sizeof *drawn);
    rng_seed(rng, seed);
    rng_normal(rng, drawn, n);
    for (size_t i = 0; i < n; i++) c->noise[i] = drawn[i % 4 * plane + i / 4];
    release(c->a, before);
}

static double step(Case *c, size_t i, double share, double *expected, double *norm)
{
    const Weight *latents = file_weight(c->golden, "latents");
    const double *told = (const double *)data(c, "steps") + i * STEP;
    c->lesson.latents.x = (float *)(uintptr_t)latents->data + i % latents->shape[0] * size(c->lesson.latents);
    c->lesson.timestep = (int)told[0], c->lesson.alpha_bar = (float)told[1];
    draw_noise(c, (uint64_t)told[2]);
    *expected = told[3], *norm = told[4];
    return learn_from(&c->run, &c->lesson, share);
}

static void forget(Case *c) { memset(c->learner->d, 0, c->learner->count * sizeof *c->learner->d); }

/* Root mean square of the samples' errors, in parts of the tensor's root mean square.  What is 0 but for rounding, as the gradient of what a
 * group norm of one channel takes away again, counts as it is. */
static void compare(Error *e, const float *found, size_t n, const float *row, const char *name)
{
    double square = 0, whole = (double)row[SAMPLES] * (double)row[SAMPLES];
    for (uint64_t j = 0; j < SAMPLES; j++) {
        double error = (double)found[(j * 2654435761u + 12345) % n] - (double)row[j];
        square += error * error / SAMPLES;
    }
    double error = sqrt(whole > 1e-20 ? square / whole : square);
    e->square += square, e->whole += whole;
    if (error >= e->worst || isnan(error)) e->worst = error, e->name = name;
}

/* of all pairs, what lies in the array `from`: down, or up */
static Error compare_all(Case *c, const float *from, const float *golden, size_t up)
{
    const Learner *l = c->learner;
    Error e = { 0 };
    size_t expected = file_weight(c->golden, "gradients")->shape[0];
    CHECK_MSG(2 * l->pairs == expected, "%zu pairs, PyTorch has %zu", l->pairs, expected / 2);
    for (size_t i = up; i < 2 * l->pairs && 2 * l->pairs == expected; i += 2) {
        const Weight *w = up ? &l->up[i / 2] : &l->down[i / 2];
        compare(&e, from + ((const float *)w->data - l->x), w->bytes / 4, golden + i * ROW, format(c->a, "%s %s", w->name, up ? "up" : "down"));
    }
    return e;
}

/* the vectors of new words, all of them */
static void compare_words(Case *c, const char *what, const float *found, const char *golden)
{
    const float *expected = data(c, golden);
    double square = 0, whole = 0;
    for (size_t i = 0; i < c->learner->word_count; i++) square += pow((double)found[i] - (double)expected[i], 2), whole += pow((double)expected[i], 2);
    double error = sqrt(square / whole);
    printf("  new words, %s: %.2g of %g\n", what, error, TOLERANCE);
    CHECK_MSG(error < TOLERANCE, "new words, %s: off by %.2g", what, error);
}

/* down, then up */
static void compare_pairs(Case *c, const char *what, const float *from, const float *golden)
{
    for (size_t up = 0; up < 2; up++) {
        Error e = compare_all(c, from, golden, up);
        printf("  %s: worst %.2g of %g (%s), all %.2g\n", what, e.worst, TOLERANCE, e.name, sqrt(e.square / e.whole));
        CHECK_MSG(e.worst < TOLERANCE, "%s: %s is off by %.2g of its size", what, e.name, e.worst);
    }
}

static void gradients(Case *c)
{
    double expected, norm;
    begin(c, 2, number(c, "up"), 0);
    double loss = step(c, 0, 1, &expected, &norm);
    expected = number(c, "loss");
    CHECK_MSG(fabs(loss / expected - 1) < 1e-5, "loss %.9g, expected %.9g", loss, expected);
    compare_pairs(c, "gradients", c->learner->d, data(c, "gradients"));
    if (c->learner->word_count) compare_words(c, "gradient", c->learner->d, "word_gradient");
}

/* two batches of two pictures are four pictures, each for a quarter */
static void batches(Case *c)
{
    double loss = 0, expected, norm;
    begin(c, 2, number(c, "up"), 0);
    for (size_t i = 0; i < 4; i++) loss += step(c, i, 0.25, &expected, &norm) / 4;
    expected = number(c, "batch_loss");
    CHECK_MSG(fabs(loss / expected - 1) < 1e-5, "loss of batches %.9g, expected %.9g", loss, expected);
    compare_pairs(c, "batch 2, accumulated 2", c->learner->d, data(c, "batch"));
}

/* torch's Conv2d and Linear begin uniform in +-1/sqrt of the inputs that one output sees; kohya's pairs, too */
static void beginnings(Case *c)
{
    Rng *rng = take(c->a, 1, sizeof *rng);
    begin(c, 1, 0, 0);
    rng_seed(rng, 1);
    learner_seed(c->learner, rng);
    for (size_t k = 0; k < c->learner->pairs; k++) {
        const Weight *down = &c->learner->down[k], *up = &c->learner->up[k];
        double most = 0, bound = sqrt((double)down->shape[0] / (double)(down->bytes / 4));
        for (size_t i = 0; i < down->bytes / 4; i++) most = fmax(most, fabs((double)((const float *)down->data)[i]));
        CHECK_MSG(most < bound && most > 0.9 * bound && *(const float *)up->data == 0, "%s begins up to %g, expected %g", down->name, most, bound);
    }
}

/* ten steps of AdamW -> the worst of losses and, where they are asked for, norms, in parts of PyTorch's */
static double train(Case *c, int bf16, int norms)
{
    Learner *l;
    double worst = 0;
    begin(c, 2, 0, bf16);
    l = c->learner;
    for (size_t i = 0; i < file_weight(c->golden, "steps")->shape[0]; i++) {
        forget(c);
        double expected, expected_norm, loss = step(c, i, 1, &expected, &expected_norm), norm = clip_gradients(l->d, l->count, number(c, "clip"));
        worst = fmax(worst, fmax(fabs(loss / expected - 1), norms ? fabs(norm / expected_norm - 1) : 0));
        learner_step(l, (Rates){ l->word_count ? number(c, "word_rate") : 0, number(c, "text_rate"), number(c, "unet_rate") }, (AdamW){ 0, number(c, "decay"), 0.9, 0.999, number(c, "eps") }, (int)i + 1, 2);
    }
    return worst;
}

static void ten_steps(Case *c)
{
    double worst = train(c, 0, 1);
    printf("  losses and norms of ten steps: %.2g of %g\n", worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "losses or norms of ten steps are off by %.2g", worst);
    compare_pairs(c, "after them", c->learner->x, data(c, "after"));
    if (c->learner->word_count) compare_words(c, "after ten steps", c->learner->x, "words_after");
}

/* hardly farther from float64 than PyTorch is under autocast to bfloat16: the roundings are as many and as large, but others */
static void within(Case *c, const char *key, double error)
{
    double most = 1.5 * number(c, key);
    printf("  %s: %.2g of %.2g\n", key, error, most);
    CHECK_MSG(error < most, "%s is off by %.2g of %.2g", key, error, most);
}

static void with_bf16(Case *c)
{
    double expected, norm, square = 0, whole = 0;
    begin(c, 2, number(c, "up"), 1);
    step(c, 0, 1, &expected, &norm);
    for (size_t up = 0; up < 2; up++) {
        Error e = compare_all(c, c->learner->d, data(c, "gradients"), up);
        square += e.square, whole += e.whole;
    }
    within(c, "bf16.all", sqrt(square / whole));
    within(c, "bf16.losses", train(c, 1, 0));
    square = whole = 0;
    for (size_t up = 0; up < 2; up++) {
        Error e = compare_all(c, c->learner->x, data(c, "after"), up);
        square += e.square, whole += e.whole;
    }
    within(c, "bf16.after", sqrt(square / whole));
}

/* of a picture or a class picture, one of a batch of both */
static double half_step(Case *c, const Recipe *recipe, Lesson l, Role role, const double *told, const float *latents)
{
    const Dataset d = { .recipe = recipe };
    const Photo photo = { .role = role };
    l.latents.x = (float *)(uintptr_t)latents, l.timestep = (int)told[0], l.alpha_bar = (float)told[1];
    c->lesson.latents = l.latents;
    draw_noise(c, (uint64_t)told[2]);
    double loss = learn_from(&c->run, &l, sample_weight(&d, &(Sample){ .photo = &photo, .lesson = l }) / 2), error = fabs(loss / told[3] - 1);
    CHECK_MSG(error < TOLERANCE, "%s: loss %.9g, expected %.9g", role == PRIOR ? "class picture" : "picture", loss, told[3]);
    return error;
}

static const Weight *tensor_of(Case *c, const WeightFile *f, const char *name)
{
    const Weight *w = file_weight(f, name);
    return w ? w : (fail(c->a, "the golden has no %s", name), NULL);
}

static void prior(Case *c)
{
    const WeightFile *golden = weights_open(c->a, "tests/golden/prior.golden");
    const Recipe recipe = { .prior_weight = strtod(file_metadata(golden, "prior"), NULL) };
    const Weight *latents = tensor_of(c, golden, "class_latents"), *steps = tensor_of(c, golden, "steps");
    begin(c, 2, 0, 0);
    Lesson picture = c->lesson, class = picture;
    class.ids = tensor_of(c, golden, "class_ids")->data, class.texts = 1, class.latents.h = (int)latents->shape[1], class.latents.w = (int)latents->shape[2];
    c->run.tape = NULL;
    rehearse_lesson(&c->run, &class), rehearse_lesson(&c->run, &picture);
    begin_lessons(&c->run);
    double worst = 0;
    for (size_t i = 0, n = size(class.latents); i < steps->shape[0]; i++) {
        const double *told = (const double *)steps->data + 8 * i;
        size_t k = i % latents->shape[0] * n;
        forget(c);
        worst = fmax(worst, half_step(c, &recipe, picture, LEARNED, told, (const float *)data(c, "latents") + k));
        worst = fmax(worst, half_step(c, &recipe, class, PRIOR, told + 4, (const float *)latents->data + k));
        learner_step(c->learner, (Rates){ 0, number(c, "text_rate"), number(c, "unet_rate") }, (AdamW){ 0, number(c, "decay"), 0.9, 0.999, strtod(file_metadata(golden, "eps"), NULL) }, (int)i + 1, 2);
    }
    printf("  prior preservation: losses %.2g of %g\n", worst, TOLERANCE);
    compare_pairs(c, "after its steps", c->learner->x, tensor_of(c, golden, "after")->data);
}

static void threads(Case *c)
{
    float *one = NULL;
    for (int n = 1; n <= 3; n += 2) {
        double expected, norm;
        begin(c, n, number(c, "up"), 0);
        step(c, 0, 1, &expected, &norm);
        if (n == 1) one = c->learner->d;
        else CHECK(!memcmp(one, c->learner->d, c->learner->count * sizeof *one));
    }
}

/* the same bytes in less memory, in the second pass over the same tape too */
static void computed_again(Case *c)
{
    float *kept = NULL;
    size_t copies = 0;
    for (c->again = 0; c->again < 2; c->again++)
        for (int pass = 0; pass < 2; pass++) {
            double expected, norm;
            if (!pass) begin(c, 2, number(c, "up"), 0);
            forget(c);
            step(c, (size_t)pass, 1, &expected, &norm);
            if (!c->again && !pass) continue;
            if (!c->again) kept = c->learner->d, copies = tape_copies(c->run.tape);
            else if (pass) CHECK(!memcmp(kept, c->learner->d, c->learner->count * sizeof *kept));
        }
    size_t fewer = tape_copies(c->run.tape);
    CHECK_MSG(fewer < copies / 2, "%zu bytes of copies, %zu without computing again", fewer, copies);
    c->again = 0;
}

/* pictures to latents */
static void encoder(Case *c)
{
    const Weight *picture = file_weight(c->golden, "picture"), *moments = file_weight(c->golden, "moments");
    Run r = { .machine = &c->machine, .weights = weights_add(c->a, NULL, c->model, MODEL_FILE), .frames = 1 };
    c->machine = (Machine){ .mem = c->a, .threads = 2 };
    Tensor x = vae_encode(&r, (Tensor){ 1, (int)picture->shape[1], (int)picture->shape[2], 3, (float *)(uintptr_t)picture->data });
    CHECK(x.h == (int)moments->shape[1] && x.w == (int)moments->shape[2] && x.c == 8);
    double worst = 0, square = 0;
    for (size_t i = 0; i < moments->bytes / 4; i++) {
        double expected = (double)((const float *)moments->data)[i];
        worst = fmax(worst, fabs((double)x.x[i] - expected)), square += expected * expected;
    }
    worst /= sqrt(square / (double)(moments->bytes / 4));
    printf("  encoder: %.2g of %g\n", worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "the autoencoder's moments are off by %.2g of their rms", worst);
}

typedef void Check(Case *c);

static void against(Case *c, const char *golden, Check *const *part)
{
    c->golden = weights_open(c->a, golden);
    const char *model = file_metadata(c->golden, "model");
    if (!file_is(c->model)) hash_weights(c->a, format(c->a, "tests/golden/%s.weights", model), c->model);
    size_t before = mark(c->a);
    printf("  %s\n", golden);
    for (; *part; part++) {
        (*part)(c);
        release(c->a, before);
    }
}

static void run(void *to)
{
    static Check *const first[] = { encoder, gradients, ten_steps, prior, NULL }, *const second[] = { beginnings, gradients, batches, ten_steps, with_bf16, threads, computed_again, NULL };
    against(to, "tests/golden/train.golden", first);
    against(to, "tests/golden/train_conv.golden", second);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], model[4200], message[1024];
    snprintf(folder, sizeof folder, "%s/train-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) { perror(folder); return 1; }
    snprintf(model, sizeof model, "%s/model.safetensors", folder);
    Case c = { .a = a, .model = model };
    CHECK_MSG(!attempt(a, run, &c, message), "%s", message);
    arena_free(a);
    unlink(model);
    rmdir(folder);
    return done();
}
