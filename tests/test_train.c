/* test_train.c - training against PyTorch: the gradient of every LoRA pair of the UNet and the text encoder and of
 * token vectors, the losses of ten steps, and the pairs after them; DreamBooth with prior preservation; then the same
 * with pairs for convolutions too, in batches, and with products in bf16.  tests/golden_train.py and golden_prior.py
 * say what the goldens hold.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "dataset.h"
#include "hash_weights.h"
#include "objective.h"
#include "optimizer.h"
#include "test.h"
#include "vae.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLES = 16, ROW = SAMPLES + 1 };      /* of each tensor a golden holds 16 elements and its root mean square */

typedef struct {
    Arena           *a;
    Machine          machine;
    Run              run;
    Trainable       *trainable;
    Optimizer       *optimizer;
    const WeightFile *golden;
    const char      *model;
    TrainingExample  example;
    float           *noise;
    int              checkpointing;      /* gradient checkpointing */
} Case;

/* PyTorch's own float32 is as far from float64 as the golden's metadata say: gradients 6.5e-5 in the worst tensor. */
static const double TOLERANCE = 1e-4;

/* ---- what the golden holds ---------------------------------------------------------------------- */

static double number(const Case *c, const char *key)
{
    const char *text = file_metadata(c->golden, key);
    if (!text) fail(c->a, "the golden has no %s", key);
    return strtod(text, NULL);
}

static const Weight *tensor_of(const Case *c, const WeightFile *f, const char *name)
{
    const Weight *w = file_weight(f, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

static const void *data(const Case *c, const char *name) { return tensor_of(c, c->golden, name)->data; }

/* One step of the golden: five float64. */
typedef struct { double timestep, alpha_bar, seed, loss, norm; } Step;

static Step step_of(const Case *c, size_t i)
{
    const double *x = (const double *)data(c, "steps") + 5 * i;
    return (Step){ .timestep = x[0], .alpha_bar = x[1], .seed = x[2], .loss = x[3], .norm = x[4] };
}

/* ---- beginning ---------------------------------------------------------------------------------- */

/* kohya's name of a layer's weight */
static const char *kohya_name(Arena *a, const char *layer, const char *end)
{
    char *name = format(a, "lora_%s%s", layer, end);
    for (char *p = name + 5, *stop = p + strlen(layer); p < stop; p++)
        if (*p == '.') *p = '_';
    return name;
}

static void fill(Arena *a, const char *layer, const Weight *w, double scale)
{
    const char *name = kohya_name(a, layer, format(a, ".%s", w->name));
    float *x = (float *)(uintptr_t)w->data;
    for (size_t i = 0; i < w->bytes / 4; i++) x[i] = (float)(scale * hash_value(name, i));
}

/* up: of the part that begins at 0 */
static void fill_module(Arena *a, const Module *m, double up)
{
    const Weight *down = m->part[DOWN];
    fill(a, m->layer, down, 1 / sqrt((double)(down->bytes / 4 / down->shape[0])));
    fill(a, m->layer, m->part[UP], up);
}

static TrainableConfig config_of(const Case *c)
{
    const Weight *words = file_weight(c->golden, "words_after");
    TrainableConfig config = { .unet = 1, .text = 1 };
    config.rank = (int)number(c, "rank");
    config.alpha = (float)number(c, "alpha");
    if (words) config.vectors = (int)words->shape[0];
    else {
        config.conv_rank = (int)number(c, "conv_rank");
        config.conv_alpha = (float)number(c, "conv_alpha");
    }
    return config;
}

/* up: the scale of the pairs' second matrix, which is 0 at the beginning of training */
static void begin(Case *c, int threads, double up, int bf16)
{
    const Weight *ids = tensor_of(c, c->golden, "ids");
    const Weight *latents = tensor_of(c, c->golden, "latents");
    c->machine = (Machine){ .mem = c->a, .threads = threads, .bf16 = bf16 };
    c->run = (Run){ .machine = &c->machine, .weights = weights_add(c->a, NULL, c->model, MODEL_FILE), .frames = 1,
                    .gradient_checkpointing = c->checkpointing };
    Trainable *t = trainable_new(c->a, c->run.weights, config_of(c));
    c->trainable = t;
    c->run.trainable = t;
    for (size_t i = 0; i < t->word_count; i++) t->x[i] = (float)(number(c, "word") * hash_value("words", i));
    for (size_t i = 0; i < t->modules; i++) fill_module(c->a, &t->module[i], up);
    c->example = (TrainingExample){ .ids = ids->data, .texts = (int)ids->shape[0] };
    c->example.clip_skip = (int)number(c, "clip_skip");
    c->example.latents = (Tensor){ .n = 1, .h = (int)latents->shape[1], .w = (int)latents->shape[2], .c = 4 };
    c->noise = allocate(c->a, size(c->example.latents), sizeof *c->noise);
    c->example.noise = c->noise;
    OptimizerArgs args = optimizer_args_default(OPTIMIZER_ADAMW);
    c->optimizer = optimizer_new(c->a, t, OPTIMIZER_ADAMW, args, (LearningRates){ 0 });
    objective_dry_run(&c->run, &c->example);
    objective_start(&c->run);
}

/* ---- steps -------------------------------------------------------------------------------------- */

/* torch draws [4,h,w]; ours is [h,w,4] */
static void draw_noise(Case *c, size_t n, uint64_t seed)
{
    size_t before = mark(c->a);
    size_t plane = n / 4;
    Rng *rng = allocate(c->a, 1, sizeof *rng);
    float *drawn = allocate(c->a, n, sizeof *drawn);
    rng_seed(rng, seed);
    rng_normal(rng, drawn, n);
    for (size_t i = 0; i < n; i++) c->noise[i] = drawn[i % 4 * plane + i / 4];
    release(c->a, before);
}

/* Adds the gradients of step i of the golden, times weight; returns its loss. */
static double backward_of(Case *c, size_t i, double weight)
{
    const Weight *latents = tensor_of(c, c->golden, "latents");
    Step s = step_of(c, i);
    TrainingExample *e = &c->example;
    size_t n = size(e->latents);
    e->latents.x = (float *)(uintptr_t)latents->data + i % latents->shape[0] * n;
    e->timestep = (int)s.timestep;
    e->alpha_bar = (float)s.alpha_bar;
    draw_noise(c, n, (uint64_t)s.seed);
    return objective_backward(&c->run, e, weight);
}

static void zero_gradients(Case *c) { memset(c->trainable->d, 0, c->trainable->count * sizeof *c->trainable->d); }

static void optimize(Case *c, size_t i, double word_rate, double eps)
{
    Optimizer *o = c->optimizer;
    o->rates = (LearningRates){ .words = word_rate, .text = number(c, "text_rate"), .unet = number(c, "unet_rate") };
    o->args.weight_decay = number(c, "decay");
    o->args.eps = eps;
    optimizer_step(c->a, o, c->trainable, 1, (int)i + 1, 2);
}

/* ---- comparing ---------------------------------------------------------------------------------- */

typedef struct {
    double      worst, square, whole;    /* of the worst tensor; sums over all: of errors and of values, squared */
    const char *name;                    /* of the worst */
} Error;

/* Root mean square of the samples' errors, in parts of the tensor's root mean square.  What is 0 but for rounding, as
 * the gradient of what a group norm of one channel takes away again, counts as it is. */
static void compare(Error *e, const float *found, size_t n, const float *row, const char *name)
{
    double square = 0;
    double whole = (double)row[SAMPLES] * (double)row[SAMPLES];
    for (uint64_t j = 0; j < SAMPLES; j++) {
        double error = (double)found[(j * 2654435761u + 12345) % n] - (double)row[j];
        square += error * error / SAMPLES;
    }
    double error = sqrt(whole > 1e-20 ? square / whole : square);
    e->square += square;
    e->whole += whole;
    if (error < e->worst || isnan(e->worst)) return;      /* a NaN stays the worst */
    e->worst = error;
    e->name = name;
}

/* Of all pairs what lies in the array `from`: their down matrices, or their up matrices.  The golden has both by
 * turns. */
static Error compare_all(Case *c, const float *from, const float *golden, AdapterPart which)
{
    const Trainable *t = c->trainable;
    Error e = { 0 };
    size_t expected = tensor_of(c, c->golden, "gradients")->shape[0];
    CHECK_MSG(2 * t->modules == expected, "%zu pairs, PyTorch has %zu", t->modules, expected / 2);
    for (size_t i = 0; i < t->modules && 2 * t->modules == expected; i++) {
        const Weight *w = t->module[i].part[which];
        const float *row = golden + (2 * i + (which == UP)) * ROW;
        const char *name = format(c->a, "%s %s", t->module[i].layer, w->name);
        compare(&e, from + ((const float *)w->data - t->x), w->bytes / 4, row, name);
    }
    return e;
}

/* the token vectors, all of them */
static void compare_words(Case *c, const char *what, const float *found, const char *golden)
{
    const float *expected = data(c, golden);
    double square = 0, whole = 0;
    for (size_t i = 0; i < c->trainable->word_count; i++) {
        square += pow((double)found[i] - (double)expected[i], 2);
        whole += pow((double)expected[i], 2);
    }
    double error = sqrt(square / whole);
    printf("  new words, %s: %.2g of %g\n", what, error, TOLERANCE);
    CHECK_MSG(error < TOLERANCE, "new words, %s: off by %.2g", what, error);
}

static void compare_pairs(Case *c, const char *what, const float *from, const float *golden)
{
    for (AdapterPart which = DOWN; which <= UP; which++) {
        Error e = compare_all(c, from, golden, which);
        printf("  %s: worst %.2g of %g (%s), all %.2g\n", what, e.worst, TOLERANCE, e.name, sqrt(e.square / e.whole));
        CHECK_MSG(e.worst < TOLERANCE, "%s: %s is off by %.2g of its size", what, e.name, e.worst);
    }
}

/* of down and up matrices together, in parts of their size */
static double error_of_all(Case *c, const float *from, const float *golden)
{
    Error down = compare_all(c, from, golden, DOWN);
    Error up = compare_all(c, from, golden, UP);
    return sqrt((down.square + up.square) / (down.whole + up.whole));
}

static void check_loss(const char *what, double loss, double expected)
{
    CHECK_MSG(fabs(loss / expected - 1) < 1e-5, "%s %.9g, expected %.9g", what, loss, expected);
}

/* ---- the checks --------------------------------------------------------------------------------- */

static void gradients(Case *c)
{
    begin(c, 2, number(c, "up"), 0);
    check_loss("loss", backward_of(c, 0, 1), number(c, "loss"));
    compare_pairs(c, "gradients", c->trainable->d, data(c, "gradients"));
    if (c->trainable->word_count) compare_words(c, "gradient", c->trainable->d, "word_gradient");
}

static double norm_of_gradients(const Case *c)
{
    double square = 0;
    for (size_t i = 0; i < c->trainable->count; i++) square += (double)c->trainable->d[i] * (double)c->trainable->d[i];
    return sqrt(square);
}

/* Half a mask is half the loss and half the gradients.  Smooth L1 with a large c is l2, divided by c. */
static void masked(Case *c)
{
    enum { PLACES = 20 * 12 };
    float mask[PLACES];
    begin(c, 2, number(c, "up"), 0);
    double whole = backward_of(c, 0, 1);
    double gradient_norm = norm_of_gradients(c);
    for (size_t i = 0; i < PLACES; i++) mask[i] = 0.5f;
    c->example.mask = mask;
    zero_gradients(c);
    double half = backward_of(c, 0, 1);
    CHECK(size(c->example.latents) == LATENT * PLACES);
    CHECK(fabs(2 * half / whole - 1) < 1e-12 && fabs(2 * norm_of_gradients(c) / gradient_norm - 1) < 1e-12);
    c->example.mask = NULL;
    c->example.loss = (Loss){ .type = LOSS_SMOOTH_L1, .c = 1e4 };
    CHECK(fabs(1e4 * backward_of(c, 0, 1) / whole - 1) < 1e-3);
    c->example.loss = (Loss){ .type = LOSS_L2 };
}

/* The losses of held-out pictures, which stand behind one that is learned from.  max_validation_steps takes the first. */
static void validation(Case *c)
{
    const WeightFile *golden = weights_open(c->a, "tests/golden/validation.golden");
    const Weight *expected = tensor_of(c, golden, "losses");
    const Weight *latents = tensor_of(c, c->golden, "latents");
    size_t pictures = expected->shape[0];
    TrainingConfig config = training_config_default;
    Objective objective = { 0 };
    Photo *photo = allocate(c->a, pictures + 1, sizeof *photo);
    DatasetItem *item = allocate(c->a, pictures + 1, sizeof *item);
    begin(c, 2, number(c, "up"), 0);
    objective_schedule(&objective);
    config.validation_seed = atoi(file_metadata(golden, "seed"));
    for (size_t i = 0; i <= pictures; i++) {
        photo[i] = (Photo){ .role = i ? VALIDATION_IMAGE : INSTANCE_IMAGE };
        item[i] = (DatasetItem){ .photo = &photo[i], .example = c->example };
        size_t at = (i ? i - 1 : 0) * size(c->example.latents);
        item[i].example.latents.x = (float *)(uintptr_t)latents->data + at;
    }
    Dataset d = { .mem = c->a, .run = &c->run, .config = &config, .objective = &objective, .item = item,
                  .noise = c->noise, .photos = { .photo = photo, .count = pictures + 1, .validations = pictures } };
    for (size_t n = 1; n <= pictures; n++) {
        double loss[VALIDATION_TIMES];
        config.max_validation_steps = n < pictures ? (int)n : 0;
        dataset_validate(&d, loss);
        for (size_t k = 0; k < VALIDATION_TIMES; k++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) sum += ((const double *)expected->data)[VALIDATION_TIMES * i + k];
            check_loss("loss of held-out pictures", loss[k], sum / (double)n);
        }
    }
}

/* two batches of two pictures are four pictures, each for a quarter */
static void batches(Case *c)
{
    double loss = 0;
    begin(c, 2, number(c, "up"), 0);
    for (size_t i = 0; i < 4; i++) loss += backward_of(c, i, 0.25) / 4;
    check_loss("loss of batches", loss, number(c, "batch_loss"));
    compare_pairs(c, "batch 2, accumulated 2", c->trainable->d, data(c, "batch"));
}

/* torch's Conv2d and Linear begin uniform in +-1/sqrt of the inputs that one output sees; kohya's pairs, too */
static void beginnings(Case *c)
{
    Rng *rng = allocate(c->a, 1, sizeof *rng);
    begin(c, 1, 0, 0);
    rng_seed(rng, 1);
    trainable_init(c->trainable, c->run.weights, rng);
    for (size_t k = 0; k < c->trainable->modules; k++) {
        const Weight *down = c->trainable->module[k].part[DOWN];
        const float *x = down->data;
        const float *up = c->trainable->module[k].part[UP]->data;
        double most = 0;
        double bound = sqrt((double)down->shape[0] / (double)(down->bytes / 4));
        for (size_t i = 0; i < down->bytes / 4; i++) most = fmax(most, fabs((double)x[i]));
        int is_right = most < bound && most > 0.9 * bound && *up == 0;
        CHECK_MSG(is_right, "%s begins up to %g, expected %g", c->trainable->module[k].layer, most, bound);
    }
}

/* Ten steps of AdamW.  Returns the worst of losses and, where they are asked for, norms, in parts of PyTorch's. */
static double train(Case *c, int bf16, int norms)
{
    double worst = 0;
    begin(c, 2, 0, bf16);
    Trainable *t = c->trainable;
    double word_rate = t->word_count ? number(c, "word_rate") : 0;
    for (size_t i = 0; i < tensor_of(c, c->golden, "steps")->shape[0]; i++) {
        Step expected = step_of(c, i);
        zero_gradients(c);
        double loss = backward_of(c, i, 1);
        double norm = clip_grad_norm(t->d, t->count, number(c, "clip"));
        worst = fmax(worst, fabs(loss / expected.loss - 1));
        if (norms) worst = fmax(worst, fabs(norm / expected.norm - 1));
        optimize(c, i, word_rate, number(c, "eps"));
    }
    return worst;
}

static void ten_steps(Case *c)
{
    double worst = train(c, 0, 1);
    printf("  losses and norms of ten steps: %.2g of %g\n", worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "losses or norms of ten steps are off by %.2g", worst);
    compare_pairs(c, "after them", c->trainable->x, data(c, "after"));
    if (c->trainable->word_count) compare_words(c, "after ten steps", c->trainable->x, "words_after");
}

/* hardly farther from float64 than PyTorch is under autocast to bfloat16: the roundings are as many and as large, but
 * others */
static void within(Case *c, const char *key, double error)
{
    double most = 1.5 * number(c, key);
    printf("  %s: %.2g of %.2g\n", key, error, most);
    CHECK_MSG(error < most, "%s is off by %.2g of %.2g", key, error, most);
}

static void with_bf16(Case *c)
{
    begin(c, 2, number(c, "up"), 1);
    backward_of(c, 0, 1);
    within(c, "bf16.all", error_of_all(c, c->trainable->d, data(c, "gradients")));
    within(c, "bf16.losses", train(c, 1, 0));
    within(c, "bf16.after", error_of_all(c, c->trainable->x, data(c, "after")));
}

/* ---- prior preservation ------------------------------------------------------------------------- */

/* One of a batch of an instance image and a class image.  expected: timestep, alpha_bar, seed of the noise, loss.
 * Returns how far off the loss is. */
static double half_step(Case *c, const Objective *o, TrainingExample e, const double *expected, const float *latents)
{
    e.latents.x = (float *)(uintptr_t)latents;
    e.timestep = (int)expected[0];
    e.alpha_bar = (float)expected[1];
    draw_noise(c, size(e.latents), (uint64_t)expected[2]);
    double loss = objective_backward(&c->run, &e, objective_weight(o, &e) / 2);
    double error = fabs(loss / expected[3] - 1);
    const char *what = e.is_class_image ? "class picture" : "picture";
    CHECK_MSG(error < TOLERANCE, "%s: loss %.9g, expected %.9g", what, loss, expected[3]);
    return error;
}

static TrainingExample class_example(Case *c, const WeightFile *golden)
{
    const Weight *latents = tensor_of(c, golden, "class_latents");
    TrainingExample e = c->example;
    e.ids = tensor_of(c, golden, "class_ids")->data;
    e.texts = 1;
    e.latents.h = (int)latents->shape[1];
    e.latents.w = (int)latents->shape[2];
    e.is_class_image = 1;
    return e;
}

static void prior(Case *c)
{
    const WeightFile *golden = weights_open(c->a, "tests/golden/prior.golden");
    const Objective o = { .prior_loss_weight = strtod(file_metadata(golden, "prior"), NULL) };
    const Weight *class_latents = tensor_of(c, golden, "class_latents");
    const Weight *steps = tensor_of(c, golden, "steps");
    const float *latents = data(c, "latents");
    double eps = strtod(file_metadata(golden, "eps"), NULL);
    double worst = 0;
    begin(c, 2, 0, 0);
    TrainingExample picture = c->example;
    TrainingExample class_picture = class_example(c, golden);
    size_t n = size(class_picture.latents);
    c->run.tape = NULL;
    objective_dry_run(&c->run, &class_picture);
    objective_dry_run(&c->run, &picture);
    objective_start(&c->run);
    for (size_t i = 0; i < steps->shape[0]; i++) {
        const double *expected = (const double *)steps->data + 8 * i;
        size_t at = i % class_latents->shape[0] * n;
        zero_gradients(c);
        worst = fmax(worst, half_step(c, &o, picture, expected, latents + at));
        worst = fmax(worst, half_step(c, &o, class_picture, expected + 4, (const float *)class_latents->data + at));
        optimize(c, i, 0, eps);
    }
    printf("  prior preservation: losses %.2g of %g\n", worst, TOLERANCE);
    compare_pairs(c, "after its steps", c->trainable->x, tensor_of(c, golden, "after")->data);
}

/* min_snr_gamma against Hang et al.: min(snr, gamma) / snr, on both sides of gamma, and without */
static void min_snr(Case *c)
{
    const Objective o = { .min_snr_gamma = 5, .prior_loss_weight = 0.5 };
    TrainingExample e = { .alpha_bar = 0.9375f };      /* snr 15 */
    (void)c;
    CHECK(fabs(objective_weight(&o, &e) - 1.0 / 3) < 1e-12);
    CHECK(objective_weight(&(Objective){ .min_snr_gamma = 0 }, &e) >= 1);
    e.is_class_image = 1;
    CHECK(fabs(objective_weight(&o, &e) - 1.0 / 6) < 1e-12);
    e.alpha_bar = 0.75f;                               /* snr 3 */
    CHECK(fabs(objective_weight(&o, &e) - 0.5) < 1e-12);
    CHECK(objective_examples(&(Objective){ .train_batch_size = 3, .gradient_accumulation_steps = 4 }) == 12);
}

/* ---- the same bytes ----------------------------------------------------------------------------- */

static void threads(Case *c)
{
    begin(c, 1, number(c, "up"), 0);
    backward_of(c, 0, 1);
    const float *one = c->trainable->d;
    begin(c, 3, number(c, "up"), 0);
    backward_of(c, 0, 1);
    CHECK(!memcmp(one, c->trainable->d, c->trainable->count * sizeof *one));
}

/* two passes over the same tape; the gradients are those of the second */
static void two_passes(Case *c, int checkpointing)
{
    c->checkpointing = checkpointing;
    begin(c, 2, number(c, "up"), 0);
    for (size_t i = 0; i < 2; i++) {
        zero_gradients(c);
        backward_of(c, i, 1);
    }
    c->checkpointing = 0;
}

/* the same bytes in less memory */
static void gradient_checkpointing(Case *c)
{
    two_passes(c, 0);
    const float *kept = c->trainable->d;
    size_t copies = tape_copies(c->run.tape);
    two_passes(c, 1);
    size_t fewer = tape_copies(c->run.tape);
    CHECK(!memcmp(kept, c->trainable->d, c->trainable->count * sizeof *kept));
    CHECK_MSG(fewer < copies / 2, "%zu bytes of copies, %zu without computing again", fewer, copies);
}

/* ---- pictures to latents ------------------------------------------------------------------------ */

static void encoder(Case *c)
{
    const Weight *picture = tensor_of(c, c->golden, "picture");
    const Weight *moments = tensor_of(c, c->golden, "moments");
    Run r = { .machine = &c->machine, .weights = weights_add(c->a, NULL, c->model, MODEL_FILE), .frames = 1 };
    c->machine = (Machine){ .mem = c->a, .threads = 2 };
    Tensor pixels = { 1, (int)picture->shape[1], (int)picture->shape[2], 3, (float *)(uintptr_t)picture->data };
    Tensor x = vae_encode(&r, pixels);
    CHECK(x.h == (int)moments->shape[1] && x.w == (int)moments->shape[2] && x.c == 8);
    double worst = 0;
    double square = 0;
    for (size_t i = 0; i < moments->bytes / 4; i++) {
        double expected = (double)((const float *)moments->data)[i];
        worst = fmax(worst, fabs((double)x.x[i] - expected));
        square += expected * expected;
    }
    worst /= sqrt(square / (double)(moments->bytes / 4));
    printf("  encoder: %.2g of %g\n", worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "the autoencoder's moments are off by %.2g of their rms", worst);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

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
    static Check *const first[] = { min_snr, encoder, gradients, masked, validation, ten_steps, prior, NULL };
    static Check *const second[] = {
        beginnings, gradients, batches, ten_steps, with_bf16, threads, gradient_checkpointing, NULL
    };
    against(to, "tests/golden/train.golden", first);
    against(to, "tests/golden/train_conv.golden", second);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], model[4200], message[MESSAGE];
    snprintf(folder, sizeof folder, "%s/train-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    snprintf(model, sizeof model, "%s/model.safetensors", folder);
    Case c = { .a = a, .model = model };
    CHECK_MSG(!attempt(a, run, &c, message), "%s", message);
    arena_free(a);
    unlink(model);
    rmdir(folder);
    return done();
}
