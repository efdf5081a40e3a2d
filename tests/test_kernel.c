/* The kernels against slow loops in double that share nothing with them, for all shapes of edge, and for 1, 2 and 3 threads. */
#include "kernel.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

static uint32_t state = 1;
static float noise(void)                                       /* -1 .. 1 */
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

static float *noises(Arena *a, size_t n)
{
    float *x = take(a, n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = noise();
    return x;
}

static double worst;                                           /* largest |found - expected| / root mean square of expected */
static void compare(const float *found, const double *expected, size_t n)
{
    double square = 0, most = 0;
    for (size_t i = 0; i < n; i++) square += expected[i] * expected[i];
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)found[i] - expected[i]));
    most /= sqrt(square / (double)n) + 1e-30;
    worst = isnan(most) ? INFINITY : fmax(worst, most);
}

static void limit(const char *what, double allowed)
{
    CHECK_MSG(worst <= allowed, "%s: error %.3g, allowed %.3g", what, worst, allowed);
    printf("  %s: %.0f%% of %g\n", what, 100 * worst / allowed, allowed);
    worst = 0;
}

/* ---- convolution ------------------------------------------------------------------------------ */

static Weight weight_of(Arena *a, DType type, size_t out, size_t in, size_t side, float scale)
{
    size_t n = out * in * side * side, *shape = take(a, 4, sizeof *shape);
    uint16_t *half = take(a, n, 2);
    float *full = noises(a, n);
    memcpy(shape, (size_t[]){ out, in, side, side }, 4 * sizeof *shape);
    for (size_t i = 0; i < n; i++) full[i] *= scale, half[i] = type == F16 ? float_to_half(full[i]) : float_to_bf16(full[i]);
    return (Weight){ "w", type == F32 ? (void *)full : half, type, side > 1 ? 4 : 2, shape, n * 4 };
}

static void conv_slowly(double *y, Tensor shape, Tensor x, const Weight *w, const float *bias, Conv how)
{
    size_t side = w->rank == 4 ? w->shape[2] : 1;
    for (size_t r = 0; r < rows(shape); r++)
        for (size_t o = 0; o < (size_t)shape.c; o++) {
            size_t n = r / ((size_t)shape.h * (size_t)shape.w);
            int row = (int)(r / (size_t)shape.w % (size_t)shape.h) * how.stride - how.pad, column = (int)(r % (size_t)shape.w) * how.stride - how.pad;
            double sum = 0;
            for (size_t c = 0; c < (size_t)x.c; c++)
                for (int i = 0; i < (int)side; i++)
                    for (int j = 0; j < (int)side; j++) {
                        int p = row + i, q = column + j;
                        if (p < 0 || q < 0 || p >= x.h || q >= x.w) continue;
                        double v = (double)x.x[((n * (size_t)x.h + (size_t)p) * (size_t)x.w + (size_t)q) * (size_t)x.c + c];
                        sum += v * (double)dtype_value(w->data, w->type, ((o * (size_t)x.c + c) * side + (size_t)i) * side + (size_t)j);
                    }
            double *to = &y[r * (size_t)shape.c + o];
            *to = (how.add ? *to : 0) + (double)how.scale * sum + (bias ? (double)bias[o] : 0);
        }
}

static void conv_case(Arena *a, Tensor x, int out, int side, int stride, int pad, DType type, int add)
{
    size_t before = mark(a);
    int edge = pad * 2 - side;
    Tensor y = { x.n, (x.h + edge) / stride + 1, (x.w + edge) / stride + 1, out, NULL };
    Weight w = weight_of(a, type, (size_t)out, (size_t)x.c, (size_t)side, 0.1f);
    float *bias = noises(a, (size_t)out), *first = noises(a, size(y)), *kept = NULL;
    size_t shape[] = { (size_t)out };
    Weight b = { "b", bias, F32, 1, shape, 0 };
    Conv how = { stride, pad, add ? 0.7f : 1, add };
    double *expected = take(a, size(y), sizeof *expected);
    x.x = noises(a, size(x));
    for (size_t i = 0; i < size(y); i++) expected[i] = (double)first[i];
    conv_slowly(expected, y, x, &w, add ? NULL : bias, how);
    for (int threads = 1; threads <= 3; threads++) {
        Machine m = { a, threads, 0, 0, 0 };
        y.x = take(a, size(y), sizeof *y.x);
        memcpy(y.x, first, size(y) * sizeof *y.x);
        conv(&m, y, x, &w, add ? NULL : &b, how);
        if (!kept) kept = y.x, compare(y.x, expected, size(y));
        CHECK(!memcmp(y.x, kept, size(y) * sizeof *y.x));
    }
    release(a, before);
}

static void test_conv(Arena *a)
{
    static const int channels[] = { 1, 3, 4, 31, 32, 33, 64, 320, 700 }, outs[] = { 1, 3, 16, 32, 33, 100, 1100 };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t o = 0; o < sizeof outs / sizeof *outs; o++) {
            DType type = (i + o) % 3 == 0 ? F32 : (i + o) % 3 == 1 ? F16 : BF16;
            conv_case(a, (Tensor){ 1, 5, 7, channels[i], NULL }, outs[o], 1, 1, 0, type, (int)o % 2);
            if (channels[i] * outs[o] < 100000) conv_case(a, (Tensor){ 2, 5, 6, channels[i], NULL }, outs[o], 3, 1 + (int)i % 2, 1, type, (int)i % 2);
        }
    for (int rows = 2; rows < 15; rows++)                       /* tiles of all heights, each in company of others and alone */
        for (int add = 0; add < 2; add++) conv_case(a, (Tensor){ 1, rows, 1, 40, NULL }, 3 + 9 * add, 1, 1, 0, F32, add), conv_case(a, (Tensor){ 1, rows, 1, 40, NULL }, 16, 1, 1, 0, F32, add);
    conv_case(a, (Tensor){ 1, 1, 1, 64, NULL }, 8, 3, 1, 1, F16, 0);
    conv_case(a, (Tensor){ 1, 37, 41, 8, NULL }, 40, 3, 1, 1, F16, 0);
    conv_case(a, (Tensor){ 3, 16, 17, 40, NULL }, 40, 5, 2, 2, F32, 0);
    conv_case(a, (Tensor){ 1, 900, 1, 40, NULL }, 70, 1, 1, 0, F32, 0);
    limit("products and convolutions", 1e-5);      /* direct ones stay below 1e-6; the rest is Winograd without fused multiply-add */
}

/* scratch that is taken next holds NaN */
static void poison(Arena *a)
{
    size_t before = mark(a), bytes = 1 << 20;
    memset(take(a, bytes, 1), 0xff, bytes);
    release(a, before);
}

/* numbers that are bf16 already multiply exactly in float32, so here too only the order of sums may differ */
static void test_bf16(Arena *a)
{
    for (int c = 1; c < 900; c = c * 3 + 2) {
        size_t before = mark(a);
        Tensor x = { 1, 3, 37, c, noises(a, 111 * (size_t)c) }, y = { 1, 3, 37, 50, NULL };
        Weight w = weight_of(a, BF16, 50, (size_t)c, c < 100 ? 3 : 1, 0.1f);
        Conv how = { 1, c < 100, 1, 0 };
        double *expected = take(a, size(y), sizeof *expected);
        float *kept = NULL;
        for (size_t i = 0; i < size(x); i++) x.x[i] = bf16_to_float(float_to_bf16(x.x[i]));
        conv_slowly(expected, y, x, &w, NULL, how);
        for (int threads = 1; threads <= 3; threads++) {
            Machine m = { a, threads, 0, 0, 1 };
            y.x = take(a, size(y), sizeof *y.x);
            poison(a);
            conv(&m, y, x, &w, NULL, how);
            if (!kept) kept = y.x, compare(y.x, expected, size(y));
            CHECK(!memcmp(y.x, kept, size(y) * sizeof *y.x));
        }
        release(a, before);
    }
    limit("bf16 products of bf16 numbers", 4e-6);
}

/* ---- attention -------------------------------------------------------------------------------- */

static void attention_case(Arena *a, Attention s, int over_time, int bf16)
{
    size_t before = mark(a), c = (size_t)s.heads * (size_t)s.width, outer = (size_t)s.outer, inner = (size_t)s.inner;
    size_t nq = outer * inner * (size_t)s.queries, nk = outer * (over_time ? inner : 1) * (size_t)s.keys;
    Rows q = { noises(a, nq * c), { 0 }, c }, k = { noises(a, nk * c), { 0 }, c }, v = { noises(a, nk * c), { 0 }, c };
    if (over_time) for (Rows *r = &q; r; r = r == &q ? &k : r == &k ? &v : NULL) r->step[0] = inner * (size_t)s.keys, r->step[1] = 1, r->step[2] = inner;
    else {
        q.step[0] = inner * (size_t)s.queries, q.step[1] = (size_t)s.queries, q.step[2] = 1;
        k.step[0] = v.step[0] = (size_t)s.keys, k.step[2] = v.step[2] = 1;
    }
    float *big = (float *)(uintptr_t)q.x, *kept = NULL;
    for (size_t i = 0; i < nq * c; i++) big[i] *= bf16 ? 2 : 6;      /* sharp softmax, so that the running maximum matters */
    double *expected = take(a, nq * c, sizeof *expected), *p = take(a, (size_t)s.keys, sizeof *p);
    for (size_t o = 0; o < outer; o++)
        for (size_t n = 0; n < inner; n++)
            for (size_t h = 0; h < (size_t)s.heads; h++)
                for (size_t i = 0; i < (size_t)s.queries; i++) {
                    size_t d = (size_t)s.width, row = (o * q.step[0] + n * q.step[1] + i * q.step[2]) * c + h * d, last = s.causal ? i + 1 : (size_t)s.keys;
                    double top = -1e300, sum = 0;
                    for (size_t j = 0; j < last; j++) {
                        size_t other = (o * k.step[0] + n * k.step[1] + j * k.step[2]) * c + h * d;
                        p[j] = 0;
                        for (size_t e = 0; e < d; e++) p[j] += (double)q.x[row + e] * (double)k.x[other + e];
                        top = fmax(top, p[j] /= sqrt((double)d));
                    }
                    for (size_t j = 0; j < last; j++) sum += p[j] = exp(p[j] - top);
                    for (size_t e = 0; e < d; e++) expected[row + e] = 0;
                    for (size_t j = 0; j < last; j++)
                        for (size_t e = 0; e < d; e++) expected[row + e] += p[j] / sum * (double)v.x[(o * v.step[0] + n * v.step[1] + j * v.step[2]) * c + h * d + e];
                }
    for (int threads = 1; threads <= 3; threads++) {
        Machine m = { a, threads, 0, 0, bf16 };
        float *y = take(a, nq * c, sizeof *y);
        attend(&m, y, q, k, v, s);
        if (!kept) kept = y, compare(y, expected, nq * c);
        CHECK(!memcmp(y, kept, nq * c * sizeof *y));
    }
    release(a, before);
}

static void test_attention(Arena *a, int bf16)
{
    static const struct { Attention s; int over_time; } cases[] = {
        { { 2, 1, 70, 70, 2, 40, 0 }, 0 }, { { 1, 1, 300, 700, 1, 8, 0 }, 0 }, { { 1, 1, 5, 1, 3, 5, 0 }, 0 },
        { { 2, 3, 40, 77, 8, 12, 0 }, 0 },                           /* text shared by the frames of a clip */
        { { 3, 1, 77, 77, 2, 64, 1 }, 0 }, { { 1, 1, 400, 400, 1, 16, 1 }, 0 }, { { 1, 1, 60, 90, 1, 512, 0 }, 0 },
        { { 2, 9, 16, 16, 8, 8, 0 }, 1 }, { { 1, 4, 24, 24, 8, 40, 0 }, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) attention_case(a, cases[i].s, cases[i].over_time, bf16);
    if (bf16) limit("attention in bf16", 3e-2);
    else limit("attention", 1e-5);
}

/* ---- norms and the rest ----------------------------------------------------------------------- */

static void test_group_norm(Arena *a)
{
    static const GroupNorm shapes[] = { { 1, 1, 32, 32, 1e-5f, 0 }, { 2, 7, 64, 32, 1e-6f, 1 }, { 3, 600, 96, 32, 1e-5f, 0 }, { 1, 1000, 320, 32, 1e-5f, 1 }, { 2, 33, 20, 4, 1e-5f, 1 } };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        GroupNorm g = shapes[i];
        size_t before = mark(a), c = (size_t)g.c, n = g.samples * g.rows * c, wide = c / (size_t)g.groups, one[] = { c };
        float *x = noises(a, n), *gamma = noises(a, c), *beta = noises(a, c), *kept = NULL;
        for (size_t k = 0; k < n; k++) x[k] = x[k] * 3 + 10;   /* a mean far from zero */
        double *expected = take(a, n, sizeof *expected);
        for (size_t s = 0; s < g.samples; s++)
            for (size_t first = 0; first < c; first += wide) {
                double mean = 0, var = 0, count = (double)(g.rows * wide);
                for (size_t r = 0; r < g.rows; r++) for (size_t k = first; k < first + wide; k++) mean += (double)x[(s * g.rows + r) * c + k] / count;
                for (size_t r = 0; r < g.rows; r++) for (size_t k = first; k < first + wide; k++) var += pow((double)x[(s * g.rows + r) * c + k] - mean, 2) / count;
                for (size_t r = 0; r < g.rows; r++)
                    for (size_t k = first; k < first + wide; k++) {
                        double v = ((double)x[(s * g.rows + r) * c + k] - mean) / sqrt(var + (double)g.eps) * (double)gamma[k] + (double)beta[k];
                        expected[(s * g.rows + r) * c + k] = g.silu ? v / (1 + exp(-v)) : v;
                    }
            }
        Weight w = { "", gamma, F32, 1, one, 0 }, b = { "", beta, F32, 1, one, 0 };
        for (int threads = 1; threads <= 3; threads++) {
            Machine m = { a, threads, 0, 0, 0 };
            float *y = take(a, n, sizeof *y);
            group_normalize(&m, y, x, &w, &b, g);
            if (!kept) kept = y, compare(y, expected, n);
            CHECK(!memcmp(y, kept, n * sizeof *y));
        }
        release(a, before);
    }
    limit("group norm", 6e-6);
}

static void test_layer_norm(Arena *a)
{
    for (size_t c = 1; c < 1300; c = c * 3 + 1) {
        size_t n = 5 * c, one[] = { c };
        float *x = noises(a, n), *gamma = noises(a, c), *beta = noises(a, c), *y = take(a, n, sizeof *y);
        double *expected = take(a, n, sizeof *expected);
        for (size_t r = 0; r < 5; r++) {
            double mean = 0, var = 0;
            for (size_t k = 0; k < c; k++) mean += (double)x[r * c + k] / (double)c;
            for (size_t k = 0; k < c; k++) var += pow((double)x[r * c + k] - mean, 2) / (double)c;
            for (size_t k = 0; k < c; k++) expected[r * c + k] = ((double)x[r * c + k] - mean) / sqrt(var + 1e-5) * (double)gamma[k] + (double)beta[k];
        }
        Weight w = { "", gamma, F32, 1, one, 0 }, b = { "", beta, F32, 1, one, 0 };
        layer_normalize(&(Machine){ a, 2, 0, 0, 0 }, y, x, &w, &b, 5, (int)c, 1e-5f);
        compare(y, expected, n);
    }
    limit("layer norm", 2e-6);
}

static void test_functions(Arena *a)
{
    enum { N = 10007 };
    float *x = take(a, N, 4), *y = take(a, N, 4), *z = take(a, 2 * N, 4);
    double *e = take(a, N, 8);
    Machine m = { a, 3, 0, 0, 0 };
    for (int i = 0; i < N; i++) x[i] = ((float)i - N / 2) * 0.004f, e[i] = (double)x[i] / (1 + exp(-(double)x[i]));
    silu_of(&m, y, x, N);
    compare(y, e, N);
    limit("silu", 1e-6);
    for (int i = 0; i < N; i++) e[i] = (double)x[i] / (1 + exp(-1.702 * (double)x[i]));
    quick_gelu_of(&m, y, x, N);
    compare(y, e, N);
    limit("quick gelu", 1e-6);
    for (int i = 0; i < N; i++) {
        z[i] = noise(), z[N + i] = x[i];
        e[i] = (double)z[i] * 0.5 * (double)x[i] * (1 + erf((double)x[i] / sqrt(2)));
    }
    geglu_of(&m, y, z, 1, N);
    compare(y, e, N);
    limit("geglu", 1e-6);
    for (int i = 0; i < N; i++) y[i] = x[i], e[i] = (double)(x[i] + z[i]);
    add_into(&m, y, z, N);
    compare(y, e, N);
    limit("add", 1e-12);
    float far[] = { -1e30f, -200, -100, 100, 200, 1e30f }, out[6];
    silu_of(&m, out, far, 6);
    CHECK(fabsf(out[0]) < 1e-3f && fabsf(out[1]) < 1e-30f && out[3] == 100 && out[5] == 1e30f);
}

int main(void)
{
    Arena *a = arena_new();
    test_conv(a);
    test_bf16(a);
    test_attention(a, 0);
    test_attention(a, 1);
    test_group_norm(a);
    test_layer_norm(a);
    test_functions(a);
    Machine dry = { a, 2, 1, 0, 0 };
    Tensor t = { 1, 2, 3, 4, NULL };
    size_t shape[] = { 4, 4 }, before = mark(a);
    conv(&dry, t, t, &(Weight){ "", NULL, F32, 2, shape, 0 }, NULL, (Conv){ 1, 0, 1, 0 });
    CHECK(dry.ops == 2 * 24 * 4 && mark(a) == before);         /* counted, not computed */
    CHECK(machine_speed(&(Machine){ a, 1, 0, 0, 0 }) > 1e6);
    arena_free(a);
    return done();
}
