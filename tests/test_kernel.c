/* test_kernel.c - each fast kernel against the function of the same name in plain.c, for all shapes of edge.
 *
 * For every case:
 *     - 1, 2 and 3 threads give the same bytes;
 *     - these differ from what plain.c gives by no more than the limit at the end of each test;
 *     - a dry run writes nothing, and counts as many operations and takes as much memory as a real run.
 * Scratch is full of NaN before each run, so a kernel that reads what it has not written is found out.
 *
 * plain.c itself is right if it gives what can be worked out by hand (test_known), if its gradients are those of
 * central differences (test_tape.c), and if it draws PyTorch's pictures (test_golden.c).  With make PLAIN=1 it stands
 * on both sides here, and those three are what counts. */
#include "plain_kernels.h"
#include "test.h"

#include <stdlib.h>

static uint32_t state = 1;
static float noise(void)                                       /* -1 .. 1 */
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

static float *noises(Arena *a, size_t n)
{
    float *x = allocate(a, n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = noise();
    return x;
}

static float *copied(Arena *a, const float *x, size_t n)
{
    float *y = allocate(a, n + 1, sizeof *y);
    memcpy(y, x, n * sizeof *y);
    return y;
}

/* Scratch that is taken next holds NaN. */
static void poison(Arena *a)
{
    size_t before = mark(a), bytes = 1 << 20;
    memset(allocate(a, bytes, 1), 0xff, bytes);
    release(a, before);
}

/* The largest |found - expected| / (root mean square of expected) so far */
static double worst;
static void compare(const float *found, const float *expected, size_t n)
{
    double square = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)found[i] - (double)expected[i]);
        square += (double)expected[i] * (double)expected[i];
        if (!(off <= most)) most = off;                        /* NaN too */
    }
    most /= sqrt(square / (double)n) + 1e-30;
    if (!(most <= worst)) worst = most;
}

static void limit(const char *what, double allowed)
{
    CHECK_MSG(worst <= allowed, "%s: error %.3g, allowed %.3g", what, worst, allowed);
    if (allowed > 0) printf("  %s: %.0f%% of %g\n", what, 100 * worst / allowed, allowed);
    else printf("  %s: equal\n", what);
    worst = 0;
}

/* Runs kernel(&machine, ...) and plain_kernel(&machine, ...) on copies of the n floats of `start`, and compares what
 * becomes of them.  In the arguments, `to` is the copy. */
#define AGAINST_PLAIN(a, rounds, start, n, kernel, ...) do {                                                         \
        size_t begun_ = mark(a);                                                                                     \
        const float *start_ = start;                                                                                 \
        float *to = copied(a, start_, n), *expected_ = to, *kept_ = NULL;                                            \
        plain_##kernel(&(Machine){ .mem = a, .threads = 1, .bf16 = rounds }, __VA_ARGS__);                           \
        for (int threads_ = 1; threads_ <= 3; threads_++) {                                                          \
            Machine real_ = { .mem = a, .threads = threads_, .bf16 = rounds }, dry_ = real_;                         \
            dry_.dry = 1;                                                                                            \
            to = copied(a, start_, n);                                                                               \
            arena_peak_reset(a);                                                                                       \
            kernel(&dry_, __VA_ARGS__);                                                                              \
            size_t planned_ = arena_peak(a);                                                                           \
            CHECK_MSG(!memcmp(to, start_, (n) * sizeof *to), "%s: a dry run has written", #kernel);                  \
            poison(a);                                                                                               \
            arena_peak_reset(a);                                                                                       \
            kernel(&real_, __VA_ARGS__);                                                                             \
            CHECK_MSG(arena_peak(a) == planned_ && real_.ops == dry_.ops, "%s: a dry run counts otherwise", #kernel);  \
            if (!kept_) kept_ = to;                                                                                  \
            CHECK_MSG(!memcmp(to, kept_, (n) * sizeof *to), "%s: %d threads: other bytes", #kernel, threads_);       \
        }                                                                                                            \
        compare(kept_, expected_, n);                                                                                \
        release(a, begun_);                                                                                          \
    } while (0)

static Tensor with(Tensor t, float *x)
{
    t.x = x;
    return t;
}

/* ---- convolution ------------------------------------------------------------------------------ */

static Weight weight_of(Arena *a, DType type, size_t out, size_t in, size_t side, float scale)
{
    size_t n = out * in * side * side, *shape = allocate(a, 4, sizeof *shape);
    uint16_t *half = allocate(a, n, 2);
    float *full = noises(a, n);
    memcpy(shape, (size_t[]){ out, in, side, side }, 4 * sizeof *shape);
    for (size_t i = 0; i < n; i++) {
        full[i] *= scale;
        half[i] = type == F16 ? float_to_half(full[i]) : float_to_bf16(full[i]);
    }
    return (Weight){ "w", type == F32 ? (void *)full : half, type, side > 1 ? 4 : 2, shape, n * (type == F32 ? 4 : 2) };
}

static Weight vector_of(Arena *a, size_t n)
{
    size_t *shape = allocate(a, 1, sizeof *shape);
    *shape = n;
    return (Weight){ "v", noises(a, n), F32, 1, shape, n * sizeof(float) };
}

static Tensor output_of_conv(Tensor x, int out, int side, int stride, int pad)
{
    int edge = pad * 2 - side;
    return (Tensor){ x.n, (x.h + edge) / stride + 1, (x.w + edge) / stride + 1, out, NULL };
}

static void conv_case(Arena *a, Tensor x, int out, int side, int stride, int pad, DType type, int add)
{
    size_t before = mark(a);
    Tensor y = output_of_conv(x, out, side, stride, pad);
    Weight w = weight_of(a, type, (size_t)out, (size_t)x.c, (size_t)side, 0.1f), bias = vector_of(a, (size_t)out);
    Conv how = { .stride = stride, .pad = pad, .scale = add ? 0.7f : 1, .add = add };
    x.x = noises(a, size(x));
    y.x = noises(a, size(y));
    AGAINST_PLAIN(a, 0, y.x, size(y), conv, with(y, to), x, &w, add ? NULL : &bias, how);
    if (side <= 3) AGAINST_PLAIN(a, 0, x.x, size(x), conv_back, with(x, to), y, &w, how);
    if (stride == 1) {                                         /* the same weight, as that of a layer from out to in */
        how.transposed = 1;
        how.pad = side - 1 - pad;
        AGAINST_PLAIN(a, 0, x.x, size(x), conv, with(x, to), y, &w, NULL, how);
    }
    release(a, before);
}

static void test_conv(Arena *a)
{
    static const int channels[] = { 1, 3, 4, 31, 32, 33, 64, 320, 700 }, outs[] = { 1, 3, 16, 32, 33, 100, 1100 };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t o = 0; o < sizeof outs / sizeof *outs; o++) {
            DType type = (DType[]){ F32, F16, BF16 }[(i + o) % 3];
            conv_case(a, (Tensor){ 1, 5, 7, channels[i], NULL }, outs[o], 1, 1, 0, type, (int)o % 2);
            if (channels[i] * outs[o] >= 100000) continue;
            conv_case(a, (Tensor){ 2, 5, 6, channels[i], NULL }, outs[o], 3, 1 + (int)i % 2, 1, type, (int)i % 2);
        }
    for (int rows = 2; rows < 15; rows++)                      /* tiles of all heights, with others and alone */
        for (int add = 0; add < 2; add++) {
            conv_case(a, (Tensor){ 1, rows, 1, 40, NULL }, 3 + 9 * add, 1, 1, 0, F32, add);
            conv_case(a, (Tensor){ 1, rows, 1, 40, NULL }, 16, 1, 1, 0, F32, add);
        }
    conv_case(a, (Tensor){ 1, 1, 1, 64, NULL }, 8, 3, 1, 1, F16, 0);
    conv_case(a, (Tensor){ 1, 37, 41, 8, NULL }, 40, 3, 1, 1, F16, 0);
    conv_case(a, (Tensor){ 1, 37, 41, 32, NULL }, 40, 3, 1, 1, F16, 0);
    conv_case(a, (Tensor){ 3, 16, 17, 40, NULL }, 40, 5, 2, 2, F32, 0);
    conv_case(a, (Tensor){ 1, 6, 8, 5, NULL }, 7, 3, 2, 0, F32, 0);
    conv_case(a, (Tensor){ 1, 900, 1, 40, NULL }, 70, 1, 1, 0, F32, 0);
    /* direct ones stay below 1e-6; the rest is Winograd without fused multiply-add */
    limit("products and convolutions, both ways", 1e-5);
}

/* Numbers that are bf16 already multiply exactly in float32, so here too only the order of sums may differ. */
static void test_bf16(Arena *a)
{
    for (int c = 1; c < 900; c = c * 3 + 2) {
        size_t before = mark(a);
        Tensor x = { 1, 3, 37, c, noises(a, 111 * (size_t)c) }, y = { 1, 3, 37, 50, noises(a, 111 * 50) };
        Weight w = weight_of(a, BF16, 50, (size_t)c, c < 100 ? 3 : 1, 0.1f);
        Conv how = { .stride = 1, .pad = c < 100, .scale = 1 };
        for (size_t i = 0; i < size(x); i++) x.x[i] = bf16_to_float(float_to_bf16(x.x[i]));
        AGAINST_PLAIN(a, 1, y.x, size(y), conv, with(y, to), x, &w, NULL, how);
        release(a, before);
    }
    limit("bf16 products of bf16 numbers", 4e-6);
    for (int c = 1; c < 900; c = c * 3 + 2) {                  /* direct ones alone: Winograd does not round */
        size_t before = mark(a);
        Tensor x = { 1, 3, 37, c, noises(a, 111 * (size_t)c) }, y = { 1, 3, 37, 50, noises(a, 111 * 50) };
        Weight w = weight_of(a, F32, 50, (size_t)c, 1, 0.1f);
        Conv how = { .stride = 1, .scale = 1 };
        AGAINST_PLAIN(a, 1, y.x, size(y), conv, with(y, to), x, &w, NULL, how);
        AGAINST_PLAIN(a, 1, x.x, size(x), conv_back, with(x, to), y, &w, how);
        release(a, before);
    }
    limit("bf16 products, both ways", 4e-6);
}

/* ---- LoRA ------------------------------------------------------------------------------------- */

/* layer: is there a layer beside the pair?     learns: the gradients of the pair, else that of x */
static void low_rank_case(Arena *a, Tensor x, int out, int rank, int side, int stride, int layer, int learns)
{
    size_t before = mark(a), in = (size_t)x.c, r = (size_t)rank, taps = (size_t)(side * side);
    Tensor y = output_of_conv(x, out, side, stride, side / 2), middle = y;
    Weight w = weight_of(a, F16, (size_t)out, in, (size_t)side, 0.1f), bias = vector_of(a, (size_t)out);
    Weight down = weight_of(a, F32, r, in, (size_t)side, 0.1f), up = weight_of(a, F32, (size_t)out, r, 1, 1);
    LoraLayer pair = { &w, &down, &up, 0.8f, { .stride = stride, .pad = side / 2, .scale = 1 },
                       { .seed = learns ? 7 : 0, .element = 0.3f, .rank = 0.4f }, NULL, NULL };
    middle.c = rank;
    x.x = noises(a, size(x));
    y.x = noises(a, size(y));
    middle.x = noises(a, size(middle));
    if (!layer) pair.w = NULL;
    size_t ny = size(y), nx = size(x), n_down = r * in * taps, n_up = (size_t)out * r;
    AGAINST_PLAIN(a, 0, noises(a, ny + size(middle)), ny + size(middle), lora_forward, with(y, to),
                  with(middle, to + ny), x, layer ? &bias : NULL, &pair);
    if (learns)
        AGAINST_PLAIN(a, 0, noises(a, n_down + n_up), n_down + n_up, lora_backward, with(x, NULL), y, x, middle,
                      &(LoraLayer){ pair.w, &down, &up, pair.scale, pair.how, pair.dropout, to, to + n_down });
    if (learns)
        AGAINST_PLAIN(a, 0, noises(a, n_down), n_down, conv_weight_back, to, middle, x, &down, pair.how);
    else
        AGAINST_PLAIN(a, 0, noises(a, nx), nx, lora_backward, with(x, to), y, with(x, NULL), with(middle, NULL), &pair);
    release(a, before);
}

static void test_low_rank(Arena *a)
{
    for (int layer = 0; layer < 2; layer++)
        for (int learns = 0; learns < 2; learns++) {
            low_rank_case(a, (Tensor){ 1, 7, 9, 40, NULL }, 50, 4, 1, 1, layer, learns);
            low_rank_case(a, (Tensor){ 2, 30, 40, 33, NULL }, 31, 17, 1, 1, layer, learns);    /* enough rows for W' */
            low_rank_case(a, (Tensor){ 2, 8, 6, 32, NULL }, 64, 8, 3, 1, layer, learns);
            low_rank_case(a, (Tensor){ 1, 9, 6, 12, NULL }, 40, 3, 3, 2, layer, learns);
        }
    limit("a layer and its pair, both ways", 1e-5);

    size_t before = mark(a);
    Weight w = weight_of(a, F16, 20, 30, 1, 1);
    Weight down = weight_of(a, F32, 4, 30, 1, 1), up = weight_of(a, F32, 20, 4, 1, 1);
    LoraLayer pair = { &w, &down, &up, 0.8f, { .stride = 1, .scale = 1 }, { 0 }, NULL, NULL };
    Machine m = { .mem = a, .threads = 2 }, bf16 = { .mem = a, .threads = 2, .bf16 = 1 };
    const Weight *found = lora_merged_weight(&m, &pair, 24), *expected = plain_lora_merged_weight(&m, &pair, 24);
    CHECK(found && expected && found->type == F32 && expected->type == F32);
    if (found && expected) compare(found->data, expected->data, 20 * 30);
    /* more work than it saves */
    CHECK(!lora_merged_weight(&m, &pair, 23) && !plain_lora_merged_weight(&m, &pair, 23));
    CHECK(!lora_merged_weight(&bf16, &pair, 24) && !plain_lora_merged_weight(&bf16, &pair, 24));
    limit("a pair merged into its layer", 1e-6);
    release(a, before);
}

/* ---- attention -------------------------------------------------------------------------------- */

static void attention_case(Arena *a, Attention s, int over_time, int bf16, double *forward)
{
    size_t before = mark(a), c = (size_t)s.heads * (size_t)s.width, outer = (size_t)s.outer, inner = (size_t)s.inner;
    size_t nq = outer * inner * (size_t)s.queries * c, nk = outer * (over_time ? inner : 1) * (size_t)s.keys * c;
    size_t n_sums = nq / c * (size_t)s.heads * 2;
    float *q_of = noises(a, nq);
    StridedRows q = { q_of, { inner * (size_t)s.queries, (size_t)s.queries, 1 }, c };
    StridedRows k = { noises(a, nk), { (size_t)s.keys, 0, 1 }, c }, v = { noises(a, nk), { (size_t)s.keys, 0, 1 }, c };
    if (over_time) {
        size_t step[] = { inner * (size_t)s.keys, 1, inner };
        memcpy(q.step, step, sizeof step);
        memcpy(k.step, step, sizeof step);
        memcpy(v.step, step, sizeof step);
    }
    for (size_t i = 0; i < nq; i++) q_of[i] *= bf16 ? 2 : 6;   /* sharp softmax, so that the running maximum matters */
    AGAINST_PLAIN(a, bf16, noises(a, nq), nq, attend, to, q, k, v, s);
    if (worst > *forward) *forward = worst;
    worst = 0;

    float *y = noises(a, nq), *dy = noises(a, nq);
    s.softmax_stats = noises(a, n_sums);
    attend(&(Machine){ .mem = a, .threads = 2, .bf16 = bf16 }, y, q, k, v, s);
    AGAINST_PLAIN(a, bf16, noises(a, nq + 2 * nk), nq + 2 * nk, attend_back,
                  (AttentionGradients){ to, to + nq, to + nq + nk }, dy, y, q, k, v, s);
    AGAINST_PLAIN(a, bf16, noises(a, nk), nk, attend_back, (AttentionGradients){ NULL, NULL, to }, dy, y, q, k, v, s);
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
    double forward = 0, backward = 0;
    state = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        attention_case(a, cases[i].s, cases[i].over_time, bf16, &forward);
        if (worst > backward) backward = worst;
        worst = 0;
    }
    worst = forward;
    if (bf16) limit("attention in bf16", 3e-2);
    else limit("attention", 1e-5);
    worst = backward;
    if (bf16) limit("attention's gradients in bf16", 3e-2);
    else limit("attention's gradients", 1e-5);
}

/* What attend() keeps for its gradients, sums, as it is kept by plain.c */
static void test_sums(Arena *a)
{
    size_t before = mark(a), c = 3 * 20, n = 2 * 50 * 3 * 2;
    Attention s = { .outer = 2, .inner = 1, .queries = 50, .keys = 50, .heads = 3, .width = 20 };
    StridedRows q = { noises(a, 100 * c), { 50, 50, 1 }, c }, k = { noises(a, 100 * c), { 50, 0, 1 }, c };
    float *y = noises(a, 100 * c);
    for (s.causal = 0; s.causal < 2; s.causal++)
        AGAINST_PLAIN(a, 0, noises(a, n), n, attend, y, q, k, k,
                      (Attention){ s.outer, s.inner, s.queries, s.keys, s.heads, s.width, s.causal, to });
    limit("maxima and sums of attention", 1e-6);
    release(a, before);
}

/* ---- norms and activations -------------------------------------------------------------------- */

static void test_group_norm(Arena *a)
{
    static const GroupNorm shapes[] = {
        { 1, 1, 32, 32, 1e-5f, 0 }, { 2, 7, 64, 32, 1e-6f, 1 }, { 3, 600, 96, 32, 1e-5f, 0 },
        { 1, 1000, 320, 32, 1e-5f, 1 }, { 2, 33, 20, 4, 1e-5f, 1 },
    };
    double backward = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t before = mark(a), c = (size_t)shapes[i].c, n = shapes[i].samples * shapes[i].rows * c;
        float *x = noises(a, n), *dy = noises(a, n), *start = noises(a, n);
        Weight gamma = vector_of(a, c), beta = vector_of(a, c);
        for (size_t k = 0; k < n; k++) x[k] = x[k] * 3 + 10;   /* a mean far from zero */
        double forward = worst;
        worst = backward;
        AGAINST_PLAIN(a, 0, start, n, group_normalize_back, to, dy, x, &gamma, &beta, shapes[i]);
        backward = worst;
        worst = forward;
        AGAINST_PLAIN(a, 0, start, n, group_normalize, to, x, &gamma, &beta, shapes[i]);
        release(a, before);
    }
    limit("group norm", 6e-6);
    worst = backward;
    limit("group norm's gradient", 2e-5);
}

static void test_layer_norm(Arena *a)
{
    double backward = 0;
    for (int c = 1; c < 1300; c = c * 3 + 1) {
        size_t before = mark(a), n = 5 * (size_t)c;
        float *x = noises(a, n), *dy = noises(a, n), *start = noises(a, n);
        Weight gamma = vector_of(a, (size_t)c), beta = vector_of(a, (size_t)c);
        double forward = worst;
        worst = backward;
        AGAINST_PLAIN(a, 0, start, n, layer_normalize_back, to, dy, x, &gamma, 5, c, 1e-5f);
        backward = worst;
        worst = forward;
        AGAINST_PLAIN(a, 0, start, n, layer_normalize, to, x, &gamma, &beta, 5, c, 1e-5f);
        release(a, before);
    }
    limit("layer norm", 2e-6);
    worst = backward;
    limit("layer norm's gradient", 2e-5);
}

static void test_activations(Arena *a)
{
    enum { N = 10007, C = 1429, ROWS = 7 };                    /* N = C * ROWS */
    size_t before = mark(a);
    float *x = allocate(a, N, sizeof *x), *dy = noises(a, N), *start = noises(a, 2 * N), *pair = noises(a, 2 * N);
    for (int i = 0; i < N; i++) x[i] = ((float)i - N / 2) * 0.004f;
    for (int i = 0; i < N; i++) pair[i / C * 2 * C + C + i % C] = x[i];
    AGAINST_PLAIN(a, 0, start, N, silu_of, to, x, N);
    AGAINST_PLAIN(a, 0, x, N, silu_of, to, to, N);             /* in place */
    limit("silu", 1e-6);
    AGAINST_PLAIN(a, 0, start, N, quick_gelu_of, to, x, N);
    limit("quick gelu", 1e-6);
    AGAINST_PLAIN(a, 0, start, N, geglu_of, to, pair, ROWS, C);
    limit("geglu", 1e-6);
    AGAINST_PLAIN(a, 0, start, N, swish_back, to, dy, x, N, 1);
    AGAINST_PLAIN(a, 0, start, N, swish_back, to, dy, x, N, 1.702f);
    limit("silu's and quick gelu's gradients", 2e-6);
    AGAINST_PLAIN(a, 0, start, 2 * N, geglu_back, to, dy, pair, ROWS, C);
    limit("geglu's gradient", 2e-6);
    Weight slope = vector_of(a, C);
    AGAINST_PLAIN(a, 0, x, N, prelu_of, to, &slope, 0, ROWS, C);
    AGAINST_PLAIN(a, 0, x, N, prelu_of, to, NULL, 0.2f, ROWS, C);
    limit("PReLU and leaky ReLU", 1e-7);
    float far[] = { -1e30f, -200, -100, 100, 200, 1e30f }, out[6];
    silu_of(&(Machine){ .mem = a, .threads = 3 }, out, far, 6);
    CHECK(fabsf(out[0]) < 1e-3f && fabsf(out[1]) < 1e-30f && out[3] == 100 && out[5] == 1e30f);
    release(a, before);
}

/* ---- copies and sums -------------------------------------------------------------------------- */

static void test_copies(Arena *a)
{
    enum { N = 50000, C = 37, ROWS = 900, WIDE = 50 };
    static size_t from[ROWS];
    size_t before = mark(a);
    float *x = noises(a, N), *start = noises(a, N);
    for (size_t i = 0; i < ROWS; i++) from[i] = i * 7 % ROWS;
    AGAINST_PLAIN(a, 0, start, ROWS * WIDE, gather_rows, to, WIDE, x, C + 2, from, ROWS, C);
    AGAINST_PLAIN(a, 0, start, ROWS * WIDE, gather_rows, to + 3, WIDE, x, C, NULL, ROWS, C);
    for (size_t gap = 0; gap <= 40000; gap = gap * 3 + 1)
        AGAINST_PLAIN(a, 0, start, N, move_down, to, to + gap, N - gap);
    AGAINST_PLAIN(a, 0, start, N, clear, to + 1, N - 2);
    AGAINST_PLAIN(a, 0, start, N, add_into, to, x, N);
    AGAINST_PLAIN(a, 0, start, ROWS * C, add_row, to, x, ROWS, C);
    AGAINST_PLAIN(a, 0, start, ROWS * C, add_columns, to, x, WIDE, ROWS, C);
    limit("copies and sums of two", 0);
    AGAINST_PLAIN(a, 0, start, C, add_row_back, to, x, ROWS, C);
    limit("sum of rows", 1e-6);
    release(a, before);
}

/* ---- what adapters add to a weight ------------------------------------------------------------ */

static void test_adapters(Arena *a)
{
    enum { ROWS = 24, COLUMNS = 90, N = ROWS * COLUMNS };
    size_t before = mark(a);
    float *x = noises(a, N), *z = noises(a, N), *start = noises(a, N), *size = noises(a, COLUMNS);
    for (int add = 0; add < 2; add++) {
        Weight full = weight_of(a, F32, ROWS, COLUMNS, 1, 1), half = weight_of(a, F16, ROWS, COLUMNS, 1, 1);
        Weight bf16 = weight_of(a, BF16, ROWS, COLUMNS, 1, 1);
        AGAINST_PLAIN(a, 0, start, N, weight_into, to, &full, N, 0.7f, add);
        AGAINST_PLAIN(a, 0, start, N, weight_into, to, &half, N, 0.7f, add);
        AGAINST_PLAIN(a, 0, start, N - 1, weight_into, to, &bf16, N - 1, -1.3f, add);
    }
    AGAINST_PLAIN(a, 0, start, N, add_hadamard, to, x, z, N, 0.3f);
    AGAINST_PLAIN(a, 0, start, N, add_kronecker, to, (Matrix){ x, 4, 9 }, (Matrix){ z, 6, 10 }, 0.3f);
    limit("weights, Hadamard and Kronecker products", 1e-6);
    Decompose by_row = { .parts = 1, .n = COLUMNS, .strength = 0.6f };
    Decompose by_input = { .parts = ROWS, .n = 9, .strength = 0.6f };
    AGAINST_PLAIN(a, 0, start, N, decompose, (Matrix){ to, ROWS, COLUMNS }, x, size, by_row);
    AGAINST_PLAIN(a, 0, start, N, decompose, (Matrix){ to, ROWS, COLUMNS }, x, size, by_input);
    limit("weight decomposition", 1e-6);
    release(a, before);
}

/* ---- what can be worked out by hand ----------------------------------------------------------- */

static int are(const float *x, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i] - expected[i]) < 1e-5f)) return 0;
    return 1;
}
#define ARE(x, ...) CHECK(are(x, (float[]){ __VA_ARGS__ }, sizeof (float[]){ __VA_ARGS__ } / sizeof(float)))

static void test_known(Arena *a)
{
    Machine m = { .mem = a, .threads = 1 };
    float y[16], ones[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, counting[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, zeros[9] = { 0 };
    size_t one_tap[] = { 1, 1, 3, 3 };
    Weight box = { "", ones, F32, 4, one_tap, 36 }, ramp = { "", counting, F32, 4, one_tap, 36 };
    float middle[9] = { 0, 0, 0, 0, 1, 0, 0, 0, 0 };
    Tensor x = { 1, 3, 3, 1, ones }, dot = { 1, 3, 3, 1, middle }, to = { 1, 3, 3, 1, y };
    Conv same = { .stride = 1, .pad = 1, .scale = 1 };
    conv(&m, to, x, &box, NULL, same);            /* how many pixels of the picture each pixel's window has */
    ARE(y, 4, 6, 4, 6, 9, 6, 4, 6, 4);
    conv(&m, to, dot, &ramp, NULL, same);         /* a correlation, so a dot gives the kernel transposed round */
    ARE(y, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    memcpy(y, zeros, sizeof zeros);
    conv_back(&m, to, dot, &ramp, same);
    ARE(y, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    memcpy(y, zeros, sizeof zeros);
    Tensor dy = { 1, 1, 1, 1, (float[]){ 2 } };
    conv_back(&m, to, dy, &ramp, (Conv){ .stride = 2, .pad = 0, .scale = 0.5f });
    ARE(y, 1, 2, 3, 4, 5, 6, 7, 8, 9);

    /* keys all alike: the mean of the values seen; sums: the scores are 0, so there are 1 / count */
    float values[] = { 1, 5, 9 }, sums[6];
    StridedRows q = { counting, { 3, 0, 1 }, 1 }, k = { zeros, { 3, 0, 1 }, 1 }, v = { values, { 3, 0, 1 }, 1 };
    attend(&m, y, q, k, v, (Attention){ 1, 1, 3, 3, 1, 1, 0, sums });
    ARE(y, 5, 5, 5);
    ARE(sums, 0, 1 / 3.0f, 0, 1 / 3.0f, 0, 1 / 3.0f);
    attend(&m, y, q, k, v, (Attention){ 1, 1, 3, 3, 1, 1, 1, NULL });
    ARE(y, 1, 3, 5);
    k.x = (float[]){ 0, 1.0986123f, 0 };                       /* ln 3: the second key counts three times for query 1 */
    attend(&m, y, q, k, v, (Attention){ 1, 1, 1, 2, 1, 1, 0, NULL });
    ARE(y, 4);

    size_t four[] = { 4 };
    Weight gamma = { "", (float[]){ 1, 1, 2, 2 }, F32, 1, four, 16 };
    Weight beta = { "", (float[]){ 0, 0, 1, 1 }, F32, 1, four, 16 };
    GroupNorm pairs = { .samples = 1, .rows = 1, .c = 4, .groups = 2, .eps = 1e-12f };
    group_normalize(&m, y, (float[]){ 3, 7, 10, 30 }, &gamma, &beta, pairs);
    ARE(y, -1, 1, -1, 3);
    layer_normalize(&m, y, (float[]){ 1, 1, 3, 3 }, &gamma, &beta, 1, 4, 1e-12f);
    ARE(y, -1, -1, 3, 3);
    silu_of(&m, y, (float[]){ 0, 1, -1 }, 3);
    ARE(y, 0, 0.7310586f, -0.2689414f);
    geglu_of(&m, y, (float[]){ 10, 10, 1, -1 }, 1, 2);
    ARE(y, 8.413447f, -1.586553f);

    memcpy(y, zeros, sizeof zeros);
    add_kronecker(&m, y, (Matrix){ (float[]){ 1, 2 }, 1, 2 }, (Matrix){ (float[]){ 1, 10 }, 2, 1 }, 1);
    ARE(y, 1, 2, 10, 20);
    float vectors[] = { 3, 4, 0, 2 }, old[] = { 0, 0, 0, 0 };
    decompose(&m, (Matrix){ vectors, 2, 2 }, old, (float[]){ 10, 1 }, (Decompose){ .parts = 1, .n = 2, .strength = 1 });
    ARE(vectors, 6, 8, 0, 1);
}

int main(void)
{
    Arena *a = arena_new();
    test_known(a);
    test_conv(a);
    test_bf16(a);
    test_low_rank(a);
    test_attention(a, 0);
    test_attention(a, 1);
    test_sums(a);
    test_group_norm(a);
    test_layer_norm(a);
    test_activations(a);
    test_copies(a);
    test_adapters(a);
    Machine dry = { .mem = a, .threads = 2, .dry = 1 };
    Tensor t = { 1, 2, 3, 4, NULL };
    size_t shape[] = { 4, 4 }, before = mark(a);
    conv(&dry, t, t, &(Weight){ "", NULL, F32, 2, shape, 0 }, NULL, (Conv){ .stride = 1, .scale = 1 });
    CHECK(dry.ops == 2 * 24 * 4 && mark(a) == before);         /* counted, not computed */
    CHECK(machine_speed(&(Machine){ .mem = a, .threads = 1 }).now > 1e6);
    CHECK(machine_threads() >= 1);
    CHECK(plain_machine_speed(&(Machine){ .mem = a, .threads = 1 }).now > 1e6 && plain_machine_threads() == 1);
    arena_free(a);
    return done();
}
