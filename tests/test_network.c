/* test_network.c - dropouts and max norm regularization of LoRA pairs by kohya's formulas, and going on from a file.
 *
 * tests/golden_network.py says what the golden holds.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "nn.h"
#include "test.h"
#include "trainable.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { RANK = 4 };
static const float ALPHA_OF_ALL = 2;

typedef struct {
    Arena            *a;
    Machine           machine;
    Run               run;
    Trainable        *trainable;
    const WeightFile *golden;
    const char       *path;
} Case;

static const struct { const char *name, *layer; } layers[] = {
    { "linear", "unet.a.attentions.0.proj_in" },
    { "conv", "unet.a.resnets.0.conv1" },
};

static const Weight *golden(const Case *c, const char *name, const char *what)
{
    const Weight *w = file_weight(c->golden, format(c->a, "%s.%s", name, what));
    if (!w) fail(c->a, "the golden has no %s.%s", name, what);
    return w;
}

static double number(const Case *c, const char *key) { return strtod(file_metadata(c->golden, key), NULL); }

static const Weights *model(Case *c)
{
    static const size_t six[] = { 6 };
    Weight *w = allocate(c->a, 4, sizeof *w);
    for (size_t i = 0; i < 2; i++) {
        float *bias = allocate(c->a, 6, sizeof *bias);
        memset(bias, 0, 6 * sizeof *bias);
        w[2 * i] = *golden(c, layers[i].name, "w");
        w[2 * i].name = format(c->a, "%s.weight", layers[i].layer);
        w[2 * i + 1] = (Weight){ format(c->a, "%s.bias", layers[i].layer), bias, F32, 1, six, 24 };
    }
    return weights_of(c->a, NULL, w, 4);
}

static void copy_part(const Case *c, size_t i, AdapterPart p, const char *what)
{
    const Weight *to = trainable_module(c->trainable, layers[i].layer)->part[p];
    memcpy((void *)(uintptr_t)to->data, golden(c, layers[i].name, what)->data, to->bytes);
}

static void begin(Case *c)
{
    TrainableConfig config = { .unet = 1, .rank = RANK, .conv_rank = RANK, .alpha = ALPHA_OF_ALL,
                               .conv_alpha = ALPHA_OF_ALL };
    c->machine = (Machine){ .mem = c->a, .threads = 2 };
    c->run = (Run){ .machine = &c->machine, .weights = model(c), .frames = 1 };
    c->trainable = trainable_new(c->a, c->run.weights, config);
    c->run.trainable = c->trainable;
    for (size_t i = 0; i < 2; i++) {
        copy_part(c, i, DOWN, "down");
        copy_part(c, i, UP, "up");
    }
}

static double difference(const float *x, const Weight *expected)
{
    const float *y = expected->data;
    double error = 0, whole = 0;
    for (size_t i = 0; i < weight_numel(expected); i++) {
        error += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        whole += (double)y[i] * (double)y[i];
    }
    return sqrt(error / whole);
}

static void near(const Case *c, const float *x, size_t i, const char *what)
{
    double d = difference(x, golden(c, layers[i].name, what));
    CHECK_MSG(d < 2e-6, "%s %s: off by %.2g", layers[i].name, what, d);
}

/* ---- dropouts ----------------------------------------------------------------------------------- */

static void hand_over(Machine *m, const Op *op)
{
    if (!m->dry) memcpy(op->embedding.d, op->y.d, size(op->y.t) * sizeof(float));
}

/* y of layer i, and where its gradient goes; d_x is the input's */
static Tensor forward(Case *c, size_t i, float *d_x)
{
    const Weight *w = golden(c, layers[i].name, "x");
    Tensor x = tensor(&c->run, 2, 3, 4, 5);
    if (!c->machine.dry) memcpy(x.x, w->data, w->bytes);
    x = record(&c->machine, c->run.tape, x,
               (Op){ .backward = hand_over, .is_leaf = 1, .embedding = { .d = d_x } });
    return i ? conv2d(&c->run, layers[i].layer, x, 1) : linear(&c->run, layers[i].layer, x);
}

static void pass(Case *c, size_t i, float *d_x, float *y)
{
    size_t before = mark(c->a);
    const Weight *dy = golden(c, layers[i].name, "dy");
    memset(c->trainable->d, 0, c->trainable->count * sizeof *c->trainable->d);
    Tensor t = forward(c, i, d_x);
    float *d = gradient(c->run.tape, t);
    if (!c->machine.dry) {
        memcpy(y, t.x, size(t) * sizeof *y);
        memcpy(d, dy->data, dy->bytes);
    }
    release(c->a, before);
    backward(&c->machine, c->run.tape);
}

static void both_passes(Case *c, size_t i, float *d_x, float *y)
{
    c->run.tape = tape_new(c->a);
    c->machine.dry = 1;
    pass(c, i, d_x, y);
    c->machine.dry = 0;
    tape_start(c->a, c->run.tape);
    pass(c, i, d_x, y);
}

static void dropouts(Case *c)
{
    static const struct { const char *name; float element, rank; } cases[] = {
        { "network", 0.3f, 0 }, { "rank", 0, 0.4f }, { "both", 0.2f, 0.3f },
    };
    float d_x[2 * 3 * 4 * 5], y[2 * 3 * 4 * 6];
    begin(c);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 3; k++) {
            const Module *m = trainable_module(c->trainable, layers[i].layer);
            c->trainable->dropout = (Dropout){ (uint64_t)number(c, "seed"), cases[k].element, cases[k].rank };
            both_passes(c, i, d_x, y);
            near(c, y, i, format(c->a, "%s.y", cases[k].name));
            near(c, d_x, i, format(c->a, "%s.d_x", cases[k].name));
            near(c, trainable_gradient(c->trainable, m->part[DOWN]->data), i, format(c->a, "%s.d_down", cases[k].name));
            near(c, trainable_gradient(c->trainable, m->part[UP]->data), i, format(c->a, "%s.d_up", cases[k].name));
        }
}

/* module_dropout: the layer alone in about so many cases, and never without a seed */
static void modules(Case *c)
{
    int dropped = 0;
    begin(c);
    c->trainable->module_dropout = 0.3;
    const Module *m = trainable_module(c->trainable, layers[0].layer);
    CHECK(!trainable_is_dropped(c->trainable, m));
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        c->trainable->dropout.seed = seed;
        dropped += trainable_is_dropped(c->trainable, m);
    }
    CHECK_MSG(abs(dropped - 1200) < 100, "%d of 4000", dropped);
    c->trainable->module_dropout = 1;
    float d_x[2 * 3 * 4 * 5], y[2 * 3 * 4 * 6], sum = 0;
    both_passes(c, 0, d_x, y);
    for (size_t i = 0; i < c->trainable->count; i++) sum += fabsf(c->trainable->d[i]);
    CHECK_MSG(sum == 0, "an adapter that is left out has gradients");
    c->trainable->dropout.seed = 0;
    both_passes(c, 0, d_x, y);
    for (size_t i = 0; i < c->trainable->count; i++) sum += fabsf(c->trainable->d[i]);
    CHECK(sum > 0);
}

/* ---- max norm regularization --------------------------------------------------------------------- */

static void norms(Case *c)
{
    double mean;
    begin(c);
    size_t scaled = trainable_limit_norms(&c->machine, c->trainable, c->run.weights, number(c, "limit"), &mean);
    CHECK_MSG(scaled == (size_t)number(c, "keys_scaled"), "%zu keys scaled", scaled);
    CHECK_MSG(fabs(mean / number(c, "mean") - 1) < 1e-6, "mean norm %g", mean);
    for (size_t i = 0; i < 2; i++) {
        const Module *m = trainable_module(c->trainable, layers[i].layer);
        near(c, m->part[DOWN]->data, i, "limited.down");
        near(c, m->part[UP]->data, i, "limited.up");
    }
}

/* LyCORIS' families: dW is as long as asked for, whatever shares it out. */
static void norms_of_relatives(Case *c)
{
    static const AdapterKind kinds[] = { { .algo = ALGO_LOHA }, { .algo = ALGO_LOKR, .factor = -1, .full_matrix = 1 } };
    begin(c);
    for (size_t k = 0; k < 2; k++) {
        double mean;
        Trainable *t = trainable_new(c->a, c->run.weights, (TrainableConfig){ .unet = 1, .rank = 2, .alpha = 1,
                                                                              .kind = kinds[k] });
        for (size_t i = 0; i < t->count; i++) t->x[i] = 1 + 0.1f * (float)(i % 7);
        CHECK(trainable_limit_norms(&c->machine, t, c->run.weights, 0.5, &mean) == 1);
        CHECK(fabs(mean - 0.5) < 1e-6);
        const Weight *w = weights_find(c->run.weights, "unet.a.attentions.0.proj_in.weight");
        CHECK(fabs(adapter_norm(&c->machine, &t->module[0], w) - 0.5) < 1e-6);
    }
}

/* ---- going on from a file ------------------------------------------------------------------------ */

typedef struct { Case *c; TrainableConfig config; int like; Trainable *t; size_t missing; } Going;

static void go_on(void *to)
{
    Going *g = to;
    Arena *a = g->c->a;
    LoraFile *f = allocate(a, 1, sizeof *f);
    *f = adapter_open(a, (LoraUse){ g->c->path, 1, 1 });
    g->t = g->like ? trainable_like(a, g->c->run.weights, g->config, f)
                   : trainable_new(a, g->c->run.weights, g->config);
    g->missing = trainable_take(a, g->t, f);
}

static void file(Case *c)
{
    char message[MESSAGE];
    begin(c);
    trainable_save_lora(c->a, c->trainable, c->path, NULL, 0);
    Going same = { c, { .unet = 1, .rank = RANK, .conv_rank = RANK, .alpha = 1, .conv_alpha = 1 }, 0, NULL, 0 };
    CHECK_MSG(!attempt(c->a, go_on, &same, message), "%s", message);
    Going like = { c, { .unet = 1, .rank = 9, .alpha = 1 }, 1, NULL, 0 };
    CHECK_MSG(!attempt(c->a, go_on, &like, message), "%s", message);
    const Trainable *both[] = { same.t, like.t };
    for (int k = 0; k < 2; k++) {
        CHECK(both[k]->modules == 2 && both[k]->count == c->trainable->count);
        for (size_t i = 0; i < c->trainable->count; i++) {
            double x = (double)c->trainable->x[i];
            CHECK(fabs((double)both[k]->x[i] - x) < 1e-3 * (1 + fabs(x)));
        }
        CHECK((double)both[k]->module[1].scale == 0.5);      /* the file's, not that of the options */
    }
    Going other = { c, { .unet = 1, .rank = 3, .conv_rank = 5, .alpha = 1, .conv_alpha = 1 }, 0, NULL, 0 };
    CHECK(attempt(c->a, go_on, &other, message));
    CHECK_MSG(strstr(message, "2 of its layers do not fit") && strstr(message, "[4,5] there, [3,5] here")
              && strstr(message, "[4,5,3,3] there, [5,5,3,3] here"), "%s", message);
    Going text = { c, { .text = 1, .rank = 3 }, 1, NULL, 0 };
    CHECK(attempt(c->a, go_on, &text, message) && strstr(message, "none of its 2 layers"));
}

static void run(void *to)
{
    Case *c = to;
    c->golden = weights_open(c->a, "tests/golden/network.golden");
    dropouts(c);
    modules(c);
    norms(c);
    norms_of_relatives(c);
    file(c);
}

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX", path[64], message[MESSAGE];
    Case c = { .a = arena_new(), .path = path };
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lora.safetensors", folder);
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    unlink(path);
    rmdir(folder);
    arena_free(c.a);
    return done();
}
