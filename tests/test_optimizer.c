/* test_optimizer.c - what moves the weights, against bitsandbytes, torch and diffusers: tests/golden_optimizer.py says what the golden holds and
 * what the constants here are.  Run from the repository's root. */
#include "optimizer.h"
#include "hash_weights.h"
#include "test.h"

#include <math.h>

enum { STEPS = 50, BLOCK = 256, SCHEDULE_STEPS = 20 };
static const AdamW HOW = { 1e-2, 1e-1, 0.9, 0.999, 1e-8 };

typedef struct { Arena *a; const WeightFile *golden; } Case;

static const Weight *tensor_of(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->golden, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

/* ---- AdamW ------------------------------------------------------------------------------------ */

typedef struct { float *x; Moments m; } Moved;

static Moved move(Arena *a, size_t n, int eight_bits, int threads)
{
    Moved to = { take(a, n, sizeof(float)), { .eight_bits = eight_bits } };
    float *d = take(a, n, sizeof *d);
    moments_add(&to.m, n), moments_take(a, &to.m);
    const char *name = format(a, "x %zu", n);
    for (size_t i = 0; i < n; i++) to.x[i] = (float)hash_value(name, i);
    for (int step = 1; step <= STEPS; step++) {
        Moments next = to.m;
        name = format(a, "d %zu %d", n, step);
        for (size_t i = 0; i < n; i++) {
            double u = hash_value(name, i);
            d[i] = step <= 10 && i / BLOCK == 1 ? 0 : (float)(0.1 * (u * u * u));
        }
        moments_step(&next, to.x, d, n, HOW, step, threads);
    }
    return to;
}

static double off(const float *found, size_t stride, const Weight *expected)
{
    double worst = 0;
    for (size_t i = 0; i < expected->bytes / 4; i++) worst = fmax(worst, fabs((double)found[i * stride] - (double)((const float *)expected->data)[i]));
    return worst;
}

static const double TOLERANCE = 2e-6;      /* 50 steps that round in float32 at up to 1.5 */

/* every code and every block's largest, to the bit */
static void in_8_bits(Case *c, size_t n, const Moved *got)
{
    const struct { const char *what; const struct Moment *m; } kinds[] = { { "mean", &got->m.mean }, { "square", &got->m.square } };
    CHECK(got->m.codes == n && got->m.blocks == (n + BLOCK - 1) / BLOCK && !got->m.floats);
    for (int k = 0; k < 2; k++) {
        const uint8_t *codes = tensor_of(c, format(c->a, "%s.%zu", kinds[k].what, n))->data;
        size_t wrong = 0;
        for (size_t i = 0; i < n; i++) wrong += codes[i] != kinds[k].m->code[i];
        CHECK_MSG(!wrong, "%zu of %zu codes of %s are others", wrong, n, kinds[k].what);
        CHECK(off(kinds[k].m->most, 1, tensor_of(c, format(c->a, "%s.largest.%zu", kinds[k].what, n))) <= 0);
    }
}

static void in_32_bits(Case *c, size_t n, const Moved *got)
{
    CHECK(got->m.floats == n && !got->m.codes && !got->m.blocks);
    CHECK(off(got->m.mean.value, 8, tensor_of(c, format(c->a, "mean.%zu", n))) < TOLERANCE);
    CHECK(off(got->m.square.value, 8, tensor_of(c, format(c->a, "square.%zu", n))) < TOLERANCE);
}

static void adamw_8_bits(Case *c)
{
    for (int i = 0; i < 4; i++) {
        size_t n = (size_t[]){ 300, 4095, 4096, 4353 }[i];
        Moved got = move(c->a, n, 1, 1), three = move(c->a, n, 1, 3);
        double error = off(got.x, 8, tensor_of(c, format(c->a, "x.%zu", n)));
        printf("  AdamW8bit, %zu elements, %d steps: %.2g of %g\n", n, STEPS, error, TOLERANCE);
        CHECK_MSG(error < TOLERANCE, "%zu elements are off by %.2g", n, error);
        (n < 4096 ? in_32_bits : in_8_bits)(c, n, &got);
        CHECK(!memcmp(got.x, three.x, n * 4) && !memcmp(got.m.mean.code, three.m.mean.code, got.m.codes) && !memcmp(got.m.mean.value, three.m.mean.value, got.m.floats * 4));
    }
}

static void adamw_32_bits(Case *c)
{
    Moved got = move(c->a, 300, 0, 1);
    double error = off(got.x, 1, tensor_of(c, "torch.x"));
    printf("  AdamW: %.2g of %g\n", error, TOLERANCE);
    CHECK(error < TOLERANCE && off(got.m.mean.value, 1, tensor_of(c, "torch.mean")) < TOLERANCE && off(got.m.square.value, 1, tensor_of(c, "torch.square")) < TOLERANCE);
    CHECK(got.m.floats == 300 && !got.m.codes);
}

static void maps(Case *c)
{
    float code[256];
    for (int with_sign = 0; with_sign < 2; with_sign++) {
        dynamic_map(code, with_sign);
        CHECK(!memcmp(code, tensor_of(c, with_sign ? "signed" : "unsigned")->data, sizeof code));
    }
}

/* The kernels' search ends at an even code, and what is halfway to one beside it stays there.  tests/golden_optimizer.py's search says so too. */
static void halfway(Case *c)
{
    float code[256], x[4096] = { 0 }, d[4096] = { 0 }, share = 1 - (float)HOW.b1;
    size_t found = 0;
    Moments m = { .eight_bits = 1 };
    moments_add(&m, 4096), moments_take(c->a, &m);
    dynamic_map(code, 1);
    for (size_t i = 0; i < 255; i++) d[i] = (code[i] + code[i + 1]) / 2;
    d[255] = 1;
    Moments next = m;
    moments_step(&next, x, d, 4096, HOW, 1, 1);
    for (size_t i = 0; i < 255; i++) {
        float back = share * d[i] / share;
        if (memcmp(&back, &d[i], sizeof back)) continue;
        found++;
        CHECK_MSG(m.mean.code[i] == (i + 1) / 2 * 2, "between %zu and %zu: %d", i, i + 1, m.mean.code[i]);
    }
    CHECK_MSG(found > 100, "only %zu stayed halfway", found);
    size_t others = 0;
    for (size_t i = 256; i < 4096; i++) others += m.mean.code[i] != 0;
    CHECK_MSG(!others, "a block of zeros has the code 0");
}

/* small and large tensors one after the other: each finds its own */
static void several(Case *c)
{
    static const size_t sizes[] = { 5000, 7, 4096, 4095 };
    Moments m = { .eight_bits = 1 };
    float *x = take(c->a, 13198, sizeof *x), *d = take(c->a, 13198, sizeof *d);
    for (size_t i = 0; i < 13198; i++) x[i] = 0, d[i] = (float)hash_value("several", i);
    for (int i = 0; i < 4; i++) moments_add(&m, sizes[i]);
    CHECK(m.codes == 9096 && m.floats == 4102 && m.blocks == 36);
    moments_take(c->a, &m);
    Moments next = m;
    for (size_t i = 0, at = 0; i < 4; at += sizes[i++]) moments_step(&next, x + at, d + at, sizes[i], HOW, 1, 2);
    CHECK(next.mean.value == m.mean.value + m.floats && next.square.code == m.square.code + m.codes && next.mean.most == m.mean.most + m.blocks);
    double worst = 0;
    for (size_t i = 0; i < 13198; i++) if (d[i] != 0) worst = fmax(worst, fabs(fabs((double)x[i]) / (HOW.rate * (1 - HOW.rate * HOW.decay)) - 1));
    CHECK_MSG(worst < 2e-3, "the first step is one of the rate's length: off by %g", worst);      /* eps where d is 1e-7 is more than 0.1%% of it */
}

/* ---- the rest --------------------------------------------------------------------------------- */

static void schedules(Case *c)
{
    double worst = 0;
    int found = 0;
    for (size_t i = 0; i < c->golden->count; i++) {
        const Weight *w = &c->golden->weight[i];
        char name[64];
        RateSchedule s = { .name = name, .end = 1e-7 / 1e-3 };
        if (w->type != F64 || sscanf(w->name, "%63s %lf %lf %lf", name, &s.warmup, &s.cycles, &s.power) != 4) continue;
        found++;
        for (int step = 0; step < SCHEDULE_STEPS; step++) {
            double expected = ((const double *)w->data)[step] / 1e-3, factor = schedule_factor(&s, step, SCHEDULE_STEPS);
            CHECK_MSG(fabs(factor - expected) < 1e-12, "%s, step %d: %.15g, expected %.15g", w->name, step, factor, expected);
            worst = fmax(worst, fabs(factor - expected));
        }
    }
    CHECK(found == 10);
    printf("  %d schedules: %.2g of 1e-12\n", found, worst);
    CHECK(schedule_factor(&(RateSchedule){ "linear", 5, 1, 1, 0 }, 4, 5) < 1 && schedule_factor(&(RateSchedule){ "cosine", 3, 1, 1, 0 }, 3, 3) >= 1);      /* all warm-up */
}

static void clipping(Case *c)
{
    float d[] = { 3, 0, -4 }, small[] = { 0.3f, 0.4f };
    (void)c;
    CHECK(fabs(clip_gradients(d, 3, 1) - 5) < 1e-12 && fabsf(d[0] - 0.6f) < 1e-6f && fabsf(d[2] + 0.8f) < 1e-6f);
    clip_gradients(small, 2, 1);
    CHECK(small[0] >= 0.3f);
    d[0] = 30;
    CHECK(clip_gradients(d, 3, 0) > 29 && d[0] >= 30);
    d[0] = NAN;
    CHECK(isnan(clip_gradients(d, 3, 1)));
}

static void run(void *to)
{
    Case *c = to;
    c->golden = safetensors_open(c->a, "tests/golden/optimizer.golden");
    void (*const parts[])(Case *) = { maps, adamw_32_bits, adamw_8_bits, halfway, several, schedules, clipping };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) parts[i](c);
}

int main(void)
{
    char message[1024];
    Case c = { .a = arena_new() };
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    arena_free(c.a);
    return done();
}
