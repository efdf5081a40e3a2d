/* test_train_lycoris.c - training of LoHa, LoKr and DoRA against LyCORIS: which layers learn and what their tensors are
 * called, the gradient of every tensor, the losses of ten steps, and the tensors after them; and the file that is
 * written draws as what was trained.  tests/golden_lycoris.py says what the goldens hold.  Run from the root. */
#define _POSIX_C_SOURCE 200809L
#include "adapter_weight.h"
#include "hash_weights.h"
#include "lora.h"
#include "objective.h"
#include "optimizer.h"
#include "test.h"
#include "training_config.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLES = 4, ROW = SAMPLES + 1 };

typedef struct {
    Arena            *a;
    Machine           machine;
    Run               run;
    Trainable        *trainable;
    Optimizer        *optimizer;
    const WeightFile *golden;
    const char       *model, *result;
    TrainingExample   example;
    float            *noise;
} Case;

static const double TOLERANCE = 1e-4;

static const char *text(const Case *c, const char *key)
{
    const char *t = file_metadata(c->golden, key);
    if (!t) fail(c->a, "the golden has no %s", key);
    return t;
}

static double number(const Case *c, const char *key) { return strtod(text(c, key), NULL); }

static const Weight *tensor_of(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->golden, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

/* ---- beginning ---------------------------------------------------------------------------------- */

/* As kohya's trainer is told: every argument of the network is an option. */
static TrainableConfig config_of(const Case *c)
{
    TrainingConfig config = training_config_default;
    config.network_dim = (int)number(c, "rank");
    config.network_alpha = number(c, "alpha");
    config.network_module = LYCORIS_KOHYA;
    for (size_t i = 0; i < c->golden->pairs; i++) {
        const KeyValue *p = &c->golden->metadata[i];
        if (!strncmp(p->key, "kind.", 5)) training_config_set(c->a, &config, p->key + 5, p->value);
    }
    training_config_check(c->a, &config);
    return training_trainable(&config);
}

static const char *kohya_name(Arena *a, const char *layer, AdapterPart part)
{
    char *name = format(a, "lora_%s.%s", layer, adapter_part_name(part));
    for (char *p = name + 5, *stop = p + strlen(layer); p < stop; p++)
        if (*p == '.') *p = '_';
    return name;
}

static int begins_at_zero(AdapterPart p) { return p == UP || p == HADA_2A || p == LOKR_2 || p == LOKR_2B; }

static void fill(Case *c, double up)
{
    for (size_t i = 0; i < c->trainable->modules; i++)
        for (AdapterPart p = DOWN; p < ALPHA; p++) {
            const Module *m = &c->trainable->module[i];
            if (!m->part[p] || p == SCALE) continue;
            const char *name = kohya_name(c->a, m->layer, p);
            double scale = begins_at_zero(p) ? up : number(c, "scale");
            float *x = (float *)(uintptr_t)m->part[p]->data;
            for (size_t k = 0; k < weight_numel(m->part[p]); k++) x[k] = (float)(scale * hash_value(name, k));
        }
}

static void begin(Case *c, double up)
{
    const Weight *ids = tensor_of(c, "ids"), *latents = tensor_of(c, "latents");
    Rng *rng = allocate(c->a, 1, sizeof *rng);
    c->machine = (Machine){ .mem = c->a, .threads = 2 };
    c->run = (Run){ .machine = &c->machine, .weights = weights_add(c->a, NULL, c->model, MODEL_FILE), .frames = 1 };
    c->trainable = trainable_new(c->a, c->run.weights, config_of(c));
    c->run.trainable = c->trainable;
    rng_seed(rng, 1);
    trainable_init(c->trainable, c->run.weights, rng);
    fill(c, up);
    c->example = (TrainingExample){ .ids = ids->data, .texts = (int)ids->shape[0] };
    c->example.clip_skip = (int)number(c, "clip_skip");
    c->example.latents = (Tensor){ .n = 1, .h = (int)latents->shape[1], .w = (int)latents->shape[2], .c = 4 };
    c->noise = allocate(c->a, size(c->example.latents), sizeof *c->noise);
    c->example.noise = c->noise;
    OptimizerArgs args = optimizer_args_default(OPTIMIZER_ADAMW);
    args.weight_decay = number(c, "decay");
    args.eps = number(c, "eps");
    c->optimizer = optimizer_new(c->a, c->trainable, OPTIMIZER_ADAMW, args,
                                 (LearningRates){ .text = number(c, "text_rate"), .unet = number(c, "unet_rate") });
    objective_dry_run(&c->run, &c->example);
    objective_start(&c->run);
}

/* ---- steps -------------------------------------------------------------------------------------- */

/* torch draws [4,h,w]; ours is [h,w,4] */
static void draw_noise(Case *c, size_t n, uint64_t seed)
{
    size_t before = mark(c->a);
    Rng *rng = allocate(c->a, 1, sizeof *rng);
    float *drawn = allocate(c->a, n, sizeof *drawn);
    rng_seed(rng, seed);
    rng_normal(rng, drawn, n);
    for (size_t i = 0; i < n; i++) c->noise[i] = drawn[i % 4 * (n / 4) + i / 4];
    release(c->a, before);
}

/* One step of the golden: timestep, alpha_bar, seed, loss, norm. */
static const double *step_of(const Case *c, size_t i) { return (const double *)tensor_of(c, "steps")->data + 5 * i; }

static double backward_of(Case *c, size_t i)
{
    const Weight *latents = tensor_of(c, "latents");
    const double *s = step_of(c, i);
    size_t n = size(c->example.latents);
    c->example.latents.x = (float *)(uintptr_t)latents->data + i % latents->shape[0] * n;
    c->example.timestep = (int)s[0];
    c->example.alpha_bar = (float)s[1];
    draw_noise(c, n, (uint64_t)s[2]);
    return objective_backward(&c->run, &c->example, 1);
}

/* The error of all samples together, in parts of their size; and the worst tensor, of those that are not nearly 0. */
static void compare(Case *c, const char *what, const float *from, const char *golden)
{
    const Weight *expected = tensor_of(c, golden);
    const float *row = expected->data;
    double error = 0, whole = 0, worst = 0;
    const char *name = "";
    size_t tensors = 0;
    for (size_t i = 0; i < c->trainable->modules; i++)
        for (AdapterPart p = DOWN; p < ALPHA; p++) {
            const Module *m = &c->trainable->module[i];
            const Weight *w = m->part[p];
            if (!w || tensors++ >= expected->shape[0]) continue;
            const float *found = from + ((const float *)w->data - c->trainable->x);
            double square = 0, own = (double)row[SAMPLES] * (double)row[SAMPLES];
            for (uint64_t j = 0; j < SAMPLES; j++) {
                double e = (double)found[(j * 2654435761u + 12345) % weight_numel(w)] - (double)row[j];
                square += e * e / SAMPLES;
            }
            error += square;
            whole += own;
            if (own > 1e-14 && sqrt(square / own) > worst) {
                worst = sqrt(square / own);
                name = kohya_name(c->a, m->layer, p);
            }
            row += ROW;
        }
    CHECK_MSG(tensors == expected->shape[0], "%zu tensors, LyCORIS has %zu", tensors, expected->shape[0]);
    printf("  %s: all %.2g of %g, worst %.2g (%s)\n", what, sqrt(error / whole), TOLERANCE, worst, name);
    CHECK_MSG(sqrt(error / whole) < TOLERANCE, "%s: off by %.2g", what, sqrt(error / whole));
    CHECK_MSG(worst < 20 * TOLERANCE, "%s: %s is off by %.2g of its size", what, name, worst);
}

static void gradients(Case *c)
{
    begin(c, number(c, "up"));
    double loss = backward_of(c, 0), expected = number(c, "loss");
    CHECK_MSG(fabs(loss / expected - 1) < 1e-5, "loss %.9g, expected %.9g", loss, expected);
    compare(c, "gradients", c->trainable->d, "gradients");
}

static void ten_steps(Case *c)
{
    /* DoRA's norms are far from float64's in PyTorch's own float32, too */
    const char *own = file_metadata(c->golden, "float32.norms");
    double norms = own ? fmax(TOLERANCE, 2 * strtod(own, NULL)) : TOLERANCE;
    double worst = 0, worst_norm = 0;
    begin(c, 0);
    Trainable *t = c->trainable;
    for (size_t i = 0; i < tensor_of(c, "steps")->shape[0]; i++) {
        memset(t->d, 0, t->count * sizeof *t->d);
        double loss = backward_of(c, i);
        double norm = clip_grad_norm(t->d, t->count, number(c, "clip"));
        worst = fmax(worst, fabs(loss / step_of(c, i)[3] - 1));
        worst_norm = fmax(worst_norm, fabs(norm / step_of(c, i)[4] - 1));
        optimizer_step(c->a, c->optimizer, t, 1, (int)i + 1, 2);
    }
    printf("  losses of ten steps: %.2g of %g, norms %.2g of %.2g\n", worst, TOLERANCE, worst_norm, norms);
    CHECK_MSG(worst < TOLERANCE, "losses of ten steps are off by %.2g", worst);
    CHECK_MSG(worst_norm < norms, "norms of ten steps are off by %.2g", worst_norm);
    compare(c, "after them", t->x, "after");
}

/* ---- the file ----------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return strcmp(*(char *const *)x, *(char *const *)y); }

/* As LyCORIS writes it: names, shapes and alphas. */
static void written(Case *c)
{
    trainable_save_lora(c->a, c->trainable, c->result, NULL, 0);
    const WeightFile *f = weights_open(c->a, c->result);
    const char **line = allocate(c->a, f->count, sizeof *line);
    uint64_t h = 14695981039346656037u;
    char found[17];
    for (size_t i = 0; i < f->count; i++) {
        const Weight *w = &f->weight[i];
        const char *dims = "";
        for (size_t d = 0; d < w->rank; d++) dims = format(c->a, "%s%s%zu", dims, d ? "," : "", w->shape[d]);
        if (!w->rank) dims = format(c->a, "%.3f", (double)dtype_value(w->data, w->type, 0));
        line[i] = format(c->a, "%s %s\n", w->name, dims);
        CHECK_MSG(w->type == F16, "%s is no half", w->name);
    }
    qsort(line, f->count, sizeof *line, by_text);
    for (size_t i = 0; i < f->count; i++)
        for (const char *p = line[i]; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
    snprintf(found, sizeof found, "%016llx", (unsigned long long)h);
    CHECK_MSG(!strcmp(found, text(c, "file")), "the file has other names, shapes or alphas than LyCORIS': %s", line[0]);
}

/* What is read back from the file makes the weight that was trained, but for the rounding to half precision. */
static void drawn(Case *c)
{
    LoraUse use = { c->result, 1, 1 };
    Lora *l = lora_open(c->a, &use, 1);
    for (size_t i = 0; i < c->trainable->modules; i += 7) {
        const Module *m = &c->trainable->module[i];
        const Weight *w = weights_find(c->run.weights, format(c->a, "%s.weight", m->layer)), *merged = w, *bias = NULL;
        const Weight *trained = adapter_changed(&c->machine, w, m);
        const char *wrong = lora_merge(&c->machine, l, m->layer, &merged, &bias);
        CHECK_MSG(!wrong && merged != w, "%s: %s", m->layer, wrong ? wrong : "not applied");
        if (wrong || merged == w) continue;
        double square = 0, whole = 0;
        for (size_t k = 0; k < weight_numel(w); k++) {
            double x = (double)((const float *)merged->data)[k], y = (double)((const float *)trained->data)[k];
            square += (x - y) * (x - y);
            whole += y * y;
        }
        CHECK_MSG(square < 1e-6 * whole, "%s: the file differs by %.2g", m->layer, sqrt(square / whole));
    }
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static void run(void *to)
{
    static const char *const goldens[] = { "train_loha", "train_lokr", "train_dora", "train_dokr" };
    Case *c = to;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        size_t before = mark(c->a);
        c->golden = weights_open(c->a, format(c->a, "tests/golden/%s.golden", goldens[i]));
        if (!file_is(c->model))
            hash_weights(c->a, format(c->a, "tests/golden/%s.weights", text(c, "model")), c->model);
        printf("  %s\n", goldens[i]);
        gradients(c);
        ten_steps(c);
        written(c);
        drawn(c);
        release(c->a, before);
    }
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], model[4200], result[4200], message[MESSAGE];
    snprintf(folder, sizeof folder, "%s/lycoris-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    snprintf(model, sizeof model, "%s/model.safetensors", folder);
    snprintf(result, sizeof result, "%s/result.safetensors", folder);
    Case c = { .a = a, .model = model, .result = result };
    CHECK_MSG(!attempt(a, run, &c, message), "%s", message);
    arena_free(a);
    unlink(model);
    unlink(result);
    rmdir(folder);
    return done();
}
