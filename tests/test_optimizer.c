/* test_optimizer.c - what moves the trainable parameters, against bitsandbytes, torch and diffusers:
 * tests/golden_optimizer.py says what the golden holds and what the constants here are.  Run from the repository's
 * root. */
#include "chars.h"
#include "hash_weights.h"
#include "lr_scheduler.h"
#include "optimizer.h"
#include "test.h"

#include <math.h>

enum { STEPS = 50, BLOCK = 256, SCHEDULE_STEPS = 20 };
static const AdamW HOW = { .lr = 1e-2, .weight_decay = 1e-1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };

typedef struct { Arena *a; const WeightFile *golden; } Case;

static const Weight *tensor_of(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->golden, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

/* ---- AdamW ------------------------------------------------------------------------------------ */

/* A tensor after all steps, and its moments. */
typedef struct { float *x; AdamWState s; } Moved;

/* The golden's gradient: the cube of a uniform number; in the first steps the second block has none. */
static void fill_gradient(Arena *a, float *d, size_t n, int step)
{
    const char *name = format(a, "d %zu %d", n, step);
    for (size_t i = 0; i < n; i++) {
        double u = hash_value(name, i);
        int has_none = step <= 10 && i / BLOCK == 1;
        d[i] = has_none ? 0 : (float)(0.1 * (u * u * u));
    }
}

static Moved moved(Arena *a, size_t n, int eight_bits, int threads)
{
    Moved m = { .x = allocate(a, n, sizeof(float)), .s = { .eight_bits = eight_bits } };
    float *d = allocate(a, n, sizeof *d);
    const char *name = format(a, "x %zu", n);
    adamw_add(&m.s, n);
    adamw_allocate(a, &m.s);
    for (size_t i = 0; i < n; i++) m.x[i] = (float)hash_value(name, i);
    for (int step = 1; step <= STEPS; step++) {
        AdamWState next = m.s;
        fill_gradient(a, d, n, step);
        adamw_step(&next, m.x, d, n, HOW, step, threads);
    }
    return m;
}

/* the largest difference; of what was found every stride-th element counts */
static double off(const float *found, size_t stride, const Weight *expected)
{
    const float *x = expected->data;
    double worst = 0;
    for (size_t i = 0; i < expected->bytes / 4; i++)
        worst = fmax(worst, fabs((double)found[i * stride] - (double)x[i]));
    return worst;
}

static const double TOLERANCE = 2e-6;      /* 50 steps that round in float32 at up to 1.5 */

/* every code and every block's absmax, to the bit */
static void check_codes(Case *c, const char *what, size_t n, const Moment *m)
{
    const uint8_t *codes = tensor_of(c, format(c->a, "%s.%zu", what, n))->data;
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++)
        if (codes[i] != m->code[i]) wrong++;
    CHECK_MSG(!wrong, "%zu of %zu codes of %s are others", wrong, n, what);
    CHECK(off(m->absmax, 1, tensor_of(c, format(c->a, "%s.largest.%zu", what, n))) <= 0);
}

static void check_quantized(Case *c, size_t n, const AdamWState *s)
{
    CHECK(s->codes == n && s->blocks == (n + BLOCK - 1) / BLOCK && !s->floats);
    check_codes(c, "mean", n, &s->mean);
    check_codes(c, "square", n, &s->square);
}

static void check_floats(Case *c, size_t n, const AdamWState *s)
{
    CHECK(s->floats == n && !s->codes && !s->blocks);
    CHECK(off(s->mean.value, 8, tensor_of(c, format(c->a, "mean.%zu", n))) < TOLERANCE);
    CHECK(off(s->square.value, 8, tensor_of(c, format(c->a, "square.%zu", n))) < TOLERANCE);
}

static void adamw_8bit(Case *c)
{
    static const size_t sizes[] = { 300, 4095, 4096, 4353 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        Moved one = moved(c->a, n, 1, 1);
        Moved three = moved(c->a, n, 1, 3);
        double error = off(one.x, 8, tensor_of(c, format(c->a, "x.%zu", n)));
        printf("  AdamW8bit, %zu elements, %d steps: %.2g of %g\n", n, STEPS, error, TOLERANCE);
        CHECK_MSG(error < TOLERANCE, "%zu elements are off by %.2g", n, error);
        if (n < 4096) check_floats(c, n, &one.s);
        else check_quantized(c, n, &one.s);
        CHECK(!memcmp(one.x, three.x, n * 4));      /* any number of threads gives the same bytes */
        CHECK(!memcmp(one.s.mean.code, three.s.mean.code, one.s.codes));
        CHECK(!memcmp(one.s.mean.value, three.s.mean.value, one.s.floats * 4));
    }
}

static void adamw(Case *c)
{
    Moved m = moved(c->a, 300, 0, 1);
    double error = off(m.x, 1, tensor_of(c, "torch.x"));
    printf("  AdamW: %.2g of %g\n", error, TOLERANCE);
    CHECK(error < TOLERANCE);
    CHECK(off(m.s.mean.value, 1, tensor_of(c, "torch.mean")) < TOLERANCE);
    CHECK(off(m.s.square.value, 1, tensor_of(c, "torch.square")) < TOLERANCE);
    CHECK(m.s.floats == 300 && !m.s.codes);
}

static void maps(Case *c)
{
    float code[QUANTIZATION_CODES];
    dynamic_map(code, 0);
    CHECK(!memcmp(code, tensor_of(c, "unsigned")->data, sizeof code));
    dynamic_map(code, 1);
    CHECK(!memcmp(code, tensor_of(c, "signed")->data, sizeof code));
}

/* The kernels' search ends at an even code, and what is halfway to one beside it stays there.
 * tests/golden_optimizer.py's search says so too. */
static void halfway(Case *c)
{
    enum { N = 4096, LAST = QUANTIZATION_CODES - 1 };
    float code[QUANTIZATION_CODES], x[N] = { 0 }, d[N] = { 0 };
    float share = 1 - (float)HOW.beta1;
    AdamWState s = { .eight_bits = 1 };
    adamw_add(&s, N);
    adamw_allocate(c->a, &s);
    dynamic_map(code, 1);
    for (size_t i = 0; i < LAST; i++) d[i] = (code[i] + code[i + 1]) / 2;
    d[LAST] = 1;
    AdamWState next = s;
    adamw_step(&next, x, d, N, HOW, 1, 1);
    size_t found = 0;
    for (size_t i = 0; i < LAST; i++) {
        float back = share * d[i] / share;
        if (memcmp(&back, &d[i], sizeof back)) continue;
        found++;
        CHECK_MSG(s.mean.code[i] == (i + 1) / 2 * 2, "between %zu and %zu: %d", i, i + 1, s.mean.code[i]);
    }
    CHECK_MSG(found > 100, "only %zu stayed halfway", found);
    size_t others = 0;
    for (size_t i = BLOCK; i < N; i++)
        if (s.mean.code[i]) others++;
    CHECK_MSG(!others, "a block of zeros has the code 0");
}

/* Small and large tensors one after the other: each finds its own moments. */
static void several(Case *c)
{
    enum { TENSORS = 4, ALL = 13198 };
    static const size_t sizes[TENSORS] = { 5000, 7, 4096, 4095 };
    AdamWState s = { .eight_bits = 1 };
    float *x = allocate(c->a, ALL, sizeof *x);
    float *d = allocate(c->a, ALL, sizeof *d);
    for (size_t i = 0; i < ALL; i++) {
        x[i] = 0;
        d[i] = (float)hash_value("several", i);
    }
    for (int i = 0; i < TENSORS; i++) adamw_add(&s, sizes[i]);
    CHECK(s.codes == 9096 && s.floats == 4102 && s.blocks == 36);
    adamw_allocate(c->a, &s);
    AdamWState next = s;
    size_t at = 0;
    for (int i = 0; i < TENSORS; i++) {
        adamw_step(&next, x + at, d + at, sizes[i], HOW, 1, 2);
        at += sizes[i];
    }
    CHECK(next.mean.value == s.mean.value + s.floats && next.square.code == s.square.code + s.codes);
    CHECK(next.mean.absmax == s.mean.absmax + s.blocks);
    double length = HOW.lr * (1 - HOW.lr * HOW.weight_decay);
    double worst = 0;
    for (size_t i = 0; i < ALL; i++)
        if (d[i] != 0) worst = fmax(worst, fabs(fabs((double)x[i]) / length - 1));
    /* eps where d is 1e-7 is more than 0.1 % of it */
    CHECK_MSG(worst < 2e-3, "the first step is one of the rate's length: off by %g", worst);
}

/* ---- the optimizer ----------------------------------------------------------------------------- */

/* Each parameter group moves at its own rate. */
static void groups(Case *c)
{
    float x[3] = { 0 }, d[3] = { 1, -1, 1 };
    ParameterTensor tensor[] = {
        { .offset = 0, .count = 1, .group = TOKEN_VECTORS },
        { .offset = 1, .count = 1, .group = TEXT_ENCODER_LORA },
        { .offset = 2, .count = 1, .group = UNET_LORA },
    };
    Trainable t = { .x = x, .d = d, .count = 3, .tensor = tensor, .tensors = 3 };
    OptimizerArgs args = optimizer_args_default(OPTIMIZER_ADAMW);
    LearningRates rates = { .words = 0.6, .text = 0.4, .unet = 0 };
    Optimizer *o = optimizer_new(c->a, &t, OPTIMIZER_ADAMW, args, rates);
    optimizer_step(c->a, o, &t, 0.5, 1, 1);
    CHECK(fabsf(x[0] + 0.3f) < 1e-6f && fabsf(x[1] - 0.2f) < 1e-6f && !(fabsf(x[2]) > 0));
    CHECK(!o->adamw.eight_bits && optimizer_new(c->a, &t, OPTIMIZER_ADAMW_8BIT, args, rates)->adamw.eight_bits);
}

/* ---- Lion, Adafactor, Prodigy, D-Adaptation ----------------------------------------------------- */

enum { SHAPES = 5, MANY_STEPS = 40, ALL_ELEMENTS = 375 };

/* The tensors of tests/golden_optimizers.py: elements, and the last two dimensions. */
static const ParameterTensor shapes[SHAPES] = {
    { .count = 120, .rows = 6, .columns = 20 }, { .count = 120, .rows = 20, .columns = 6 },
    { .count = 7,   .rows = 0, .columns = 7 },  { .count = 108, .rows = 3,  .columns = 3 },
    { .count = 20,  .rows = 1, .columns = 1 },
};

static Trainable begin_shapes(Arena *a)
{
    Trainable t = { .count = ALL_ELEMENTS, .tensors = SHAPES };
    t.x = allocate(a, ALL_ELEMENTS, sizeof *t.x);
    t.d = allocate(a, ALL_ELEMENTS, sizeof *t.d);
    t.tensor = allocate(a, SHAPES, sizeof *t.tensor);
    size_t offset = 0;
    for (size_t i = 0; i < SHAPES; i++) {
        t.tensor[i] = shapes[i];
        t.tensor[i].offset = offset;
        t.tensor[i].group = UNET_LORA;
        const char *name = format(a, "x %zu", i);
        for (size_t k = 0; k < shapes[i].count; k++) t.x[offset + k] = i == 1 ? 0 : (float)hash_value(name, k);
        offset += shapes[i].count;
    }
    return t;
}

/* 0.1 u("d i s")^3 + 0.05 (x - u("goal i")) */
static void fill_gradients(Arena *a, Trainable *t, int step)
{
    for (size_t i = 0; i < SHAPES; i++) {
        const char *name = format(a, "d %zu %d", i, step);
        const char *goal = format(a, "goal %zu", i);
        for (size_t k = 0; k < shapes[i].count; k++) {
            size_t at = t->tensor[i].offset + k;
            double u = hash_value(name, k);
            float noise = (float)(0.1 * (u * u * u));
            t->d[at] = noise + 0.05f * (t->x[at] - (float)hash_value(goal, k));
        }
    }
}

/* Takes " name=value" out of the arguments; `otherwise` when it is not among them, or None. */
static double take_argument(char *arguments, const char *name, double otherwise)
{
    char *at = strstr(arguments, name);
    double value;
    if (!at) return otherwise;
    size_t n = number_at(at + strlen(name), &value);
    if (!n) value = otherwise;
    memset(at, ' ', 1 + strcspn(at + 1, " "));
    return value;
}

static OptimizerType optimizer_named(const char *name)
{
    int i = 0;
    while (optimizer_names[i] && strcmp(optimizer_names[i], name)) i++;
    return (OptimizerType)i;
}

/* One case: "NAME lr=1 warmup=5 more=arguments". */
static void check_optimizer(Case *c, const Weight *expected, int threads)
{
    char *arguments = copy(c->a, expected->name, strlen(expected->name));
    size_t length = strcspn(arguments, " ");
    OptimizerType type = optimizer_named(copy(c->a, arguments, length));
    CHECK(type < OPTIMIZERS);
    arguments += length;
    double lr = take_argument(arguments, " lr=", 0);
    double warmup = take_argument(arguments, " warmup=", 0);
    OptimizerArgs args = optimizer_args_default(type);
    optimizer_args_read(c->a, &args, type, arguments);
    Trainable t = begin_shapes(c->a);
    Optimizer *o = optimizer_new(c->a, &t, type, args, (LearningRates){ .unet = lr });
    const Weight *estimates = file_weight(c->golden, format(c->a, "d %s", expected->name));
    CHECK(!estimates == !finds_own_rate(type));
    double worst_d = 0;
    for (int step = 1; step <= MANY_STEPS; step++) {
        fill_gradients(c->a, &t, step);
        optimizer_step(c->a, o, &t, step - 1 < warmup ? (step - 1) / warmup : 1, step, threads);
        double d = estimates ? ((const double *)estimates->data)[step - 1] : 1;
        worst_d = fmax(worst_d, fabs(optimizer_d(o) / d - 1));
    }
    double error = off(t.x, 1, expected);
    printf("  %s: %.2g, d %.2g of %g\n", expected->name, error, worst_d, TOLERANCE);
    CHECK_MSG(error < TOLERANCE && worst_d < TOLERANCE, "%s is off by %.2g, d by %.2g", expected->name, error, worst_d);
}

/* Text as people paste it, and what is said of the rest. */
typedef struct { Arena *a; OptimizerType type; const char *text; OptimizerArgs args; } Reading;

static void read_args(void *to)
{
    Reading *r = to;
    r->args = optimizer_args_default(r->type);
    optimizer_args_read(r->a, &r->args, r->type, r->text);
}

static void arguments(Case *c)
{
    static const struct { OptimizerType type; const char *text, *message; } wrong[] = {
        { OPTIMIZER_LION, "decouple=True d0=1", "--optimizer_args: Lion has no \"decouple\", expected weight_decay, betas or "
          "decoupled_weight_decay; Lion has no \"d0\"" },
        { OPTIMIZER_PRODIGY, "d0=0", "d0 is \"0\", expected a number from 1e-30 to 1000" },
        { OPTIMIZER_PRODIGY, "d_coef=0", "d_coef is \"0\", expected a number from 0.000001 to 1000000" },
        { OPTIMIZER_PRODIGY, "decouple=yes betas=0.9", "decouple is \"yes\", expected True or False; betas is \"0.9\", "
          "expected two numbers" },
        { OPTIMIZER_ADAMW, "amsgrad=True", "AdamW has no \"amsgrad\"" },
        { OPTIMIZER_ADAMW, "fast", "\"fast\" is no name=value" },
        { OPTIMIZER_ADAMW, "weight_decay=nan", "weight_decay is \"nan\"" },
    };
    char message[MESSAGE];
    Reading r = { .a = c->a, .type = OPTIMIZER_PRODIGY };
    r.text = "\"weight_decay=0.1\"  betas=(0.8, 0.99) 'decouple=False' fused=True beta3=None growth_rate=float('inf')";
    CHECK_MSG(!attempt(c->a, read_args, &r, message), "%s", message);
    CHECK(r.args.weight_decay > 0.09 && r.args.beta1 < 0.81 && r.args.beta2 < 0.991 && !r.args.decouple);
    CHECK(!(r.args.beta3 > 0) && isinf(r.args.growth_rate));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Reading bad = { .a = c->a, .type = wrong[i].type, .text = wrong[i].text };
        CHECK(attempt(c->a, read_args, &bad, message));
        CHECK_MSG(strstr(message, wrong[i].message), "%s: %s", wrong[i].text, message);
    }
}

static int scheduler_named(const char *name)
{
    int i = 0;
    while (lr_scheduler_names[i] && strcmp(lr_scheduler_names[i], name)) i++;
    return i;
}

/* Names of kohya's that another one stands in for; those that only differ in where the state lies need no word. */
static void stand_ins(Case *c)
{
    const char *note = NULL;
    (void)c;
    CHECK(optimizer_instead("paged_adamw_8bit", &note) == OPTIMIZERS);
    CHECK(optimizer_instead("PagedAdamW8bit", &note) == OPTIMIZER_ADAMW_8BIT && !note);
    CHECK(optimizer_instead("lion8bit", &note) == OPTIMIZER_LION && note);
    CHECK(optimizer_instead("DAdaptation", &note) == OPTIMIZER_DADAPT_ADAM && note);
}

static void other_schedules(Case *c)
{
    double worst = 0;
    int found = 0;
    c->golden = safetensors_open(c->a, "tests/golden/optimizers.golden");
    for (size_t i = 0; i < c->golden->count; i++) {
        const Weight *w = &c->golden->weight[i];
        const double *expected = w->data;
        char name[64];
        LrScheduler s = { .type = LR_CONSTANT };
        if (sscanf(w->name, "schedule %63s %lf %lf %lf %lf %lf", name, &s.warmup, &s.cycles, &s.timescale, &s.min_ratio,
                   &s.decay) != 6) continue;
        s.type = (LrSchedulerType)scheduler_named(name);
        found++;
        for (int step = 0; step < SCHEDULE_STEPS; step++)
            worst = fmax(worst, fabs(lr_factor(&s, step, SCHEDULE_STEPS) - expected[step]));
    }
    printf("  %d more schedules: %.2g of 1e-12\n", found, worst);
    CHECK(found == 7 && worst < 1e-12);
}

static void other_optimizers(Case *c)
{
    size_t cases = 0;
    c->golden = safetensors_open(c->a, "tests/golden/optimizers.golden");
    for (size_t i = 0; i < c->golden->count; i++) {
        const Weight *w = &c->golden->weight[i];
        if (w->type != F32) continue;
        check_optimizer(c, w, 1 + (int)(cases++ % 3));
    }
    CHECK(cases == 15);
}

static void schedules(Case *c)
{
    double worst = 0;
    int found = 0;
    for (size_t i = 0; i < c->golden->count; i++) {
        const Weight *w = &c->golden->weight[i];
        char name[64];
        LrScheduler s = { .end = 1e-7 / 1e-3 };
        if (w->type != F64 || sscanf(w->name, "%63s %lf %lf %lf", name, &s.warmup, &s.cycles, &s.power) != 4) continue;
        s.type = (LrSchedulerType)scheduler_named(name);
        CHECK(s.type < LR_SCHEDULERS);
        found++;
        for (int step = 0; step < SCHEDULE_STEPS; step++) {
            double expected = ((const double *)w->data)[step] / 1e-3;
            double factor = lr_factor(&s, step, SCHEDULE_STEPS);
            double error = fabs(factor - expected);
            CHECK_MSG(error < 1e-12, "%s, step %d: %.15g, expected %.15g", w->name, step, factor, expected);
            worst = fmax(worst, error);
        }
    }
    CHECK(found == 10);
    printf("  %d schedules: %.2g of 1e-12\n", found, worst);
    LrScheduler all_warmup = { .type = LR_LINEAR, .warmup = 5 };
    LrScheduler over = { .type = LR_COSINE, .warmup = 3 };
    CHECK(lr_factor(&all_warmup, 4, 5) < 1 && lr_factor(&over, 3, 3) >= 1);
}

static void clipping(Case *c)
{
    float d[] = { 3, 0, -4 }, small[] = { 0.3f, 0.4f };
    (void)c;
    CHECK(fabs(clip_grad_norm(d, 3, 1) - 5) < 1e-12 && fabsf(d[0] - 0.6f) < 1e-6f && fabsf(d[2] + 0.8f) < 1e-6f);
    clip_grad_norm(small, 2, 1);
    CHECK(small[0] >= 0.3f);
    d[0] = 30;
    CHECK(clip_grad_norm(d, 3, 0) > 29 && d[0] >= 30);
    d[0] = NAN;
    CHECK(isnan(clip_grad_norm(d, 3, 1)));
}

static void run(void *to)
{
    Case *c = to;
    c->golden = safetensors_open(c->a, "tests/golden/optimizer.golden");
    void (*const parts[])(Case *) = { maps, adamw, adamw_8bit, halfway, several, groups, schedules, clipping, arguments, other_optimizers,
                                    other_schedules, stand_ins };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) parts[i](c);
}

int main(void)
{
    char message[MESSAGE];
    Case c = { .a = arena_new() };
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    arena_free(c.a);
    return done();
}
