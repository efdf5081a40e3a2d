/* kernel.c - matrix product, convolution, attention, norms.
 *
 * A linear layer is a 1x1 convolution, and a convolution is a product of [pixels x taps*channels] with
 * [taps*channels x filters], whose left side is gathered from the image while it is copied for the cache.
 *
 *      for each NC filters, for each KC of the sum           (KC = 9 taps of 32 channels, or 288 channels)
 *          all threads: pack weights, widened to float:      b[panel][KC][NR]
 *          each thread, for its MC pixels:                   a[MC][KC], rows of the image, zero outside
 *              for each panel, for each MR rows: the tile    MR x NR sums in registers, KC steps
 *
 * The tile is GCC vector extensions: NR is two vectors, MR fills the registers (14 x 2 of 32 with
 * AVX-512, 6 x 2 of 16 with AVX2 and SSE, 8 x 2 with NEON).  Attention uses the same tile twice, with an
 * online softmax between (Dao et al., FlashAttention, 2022).
 *
 * Loops are parallel over outputs only.  Nothing here can fail but the taking of scratch, which
 * happens before any parallel loop. */
#include "kernel.h"

#include <math.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#else
#pragma GCC diagnostic ignored "-Wunknown-pragmas"      /* without OpenMP the parallel loops are plain loops */
#endif

#if defined __AVX512F__
enum { VECTOR = 64, MR = 14 };
#elif defined __AVX__
enum { VECTOR = 32, MR = 6 };
#elif defined __ARM_NEON
enum { VECTOR = 16, MR = 8 };
#else
enum { VECTOR = 16, MR = 6 };
#endif
enum { LANES = VECTOR / 4, NR = 2 * LANES, TAP_CHANNELS = 32, KC = 9 * TAP_CHANNELS, MC = MR * 16, NC = 1024 };

typedef float   vf __attribute__((vector_size(VECTOR)));
typedef int32_t vi __attribute__((vector_size(VECTOR)));

static vf   load (const float *p)  { vf v; memcpy(&v, p, sizeof v); return v; }
static void store(float *p, vf v)  { memcpy(p, &v, sizeof v); }
static vf   all  (float f)         { return (vf){ 0 } + f; }
static vf   pick (vi where, vf yes, vf no) { return (vf)((where & (vi)yes) | (~where & (vi)no)); }

static size_t least(size_t a, size_t b)   { return a < b ? a : b; }
static size_t above(size_t n, size_t step) { return (n + step - 1) / step * step; }

int machine_threads(void)
{
#ifdef _OPENMP
    return omp_get_num_procs();
#else
    return 1;
#endif
}

static int thread_id(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* ---- exp -------------------------------------------------------------------------------------- */
/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; the Taylor series of e^r to r^7 is within 2e-8.
 * x is held within -87 .. 88, where neither end leaves the normal floats. */
static vf exp_v(vf x)
{
    vf low = all(-87.0f), high = all(88.0f);
    x = pick(x < low, low, x);
    x = pick(x > high, high, x);
    vf magic = all(12582912.0f), n = x * 1.44269504f + magic;       /* 1.5 * 2^23: the sum is rounded to a whole number */
    vi power = ((vi)n - (vi)magic) << 23;
    n -= magic;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = all(1 / 5040.0f);
    p = p * r + 1 / 720.0f;
    p = p * r + 1 / 120.0f;
    p = p * r + 1 / 24.0f;
    p = p * r + 1 / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (vf)((vi)p + power);
}

static vf sigmoid_v(vf x) { return 1.0f / (1.0f + exp_v(-x)); }

static vf polynomial(vf x, const float *c, int degree)
{
    vf p = all(c[degree]);
    while (degree--) p = p * x + c[degree];
    return p;
}

/* erf x, within 2e-7: below 1 an odd polynomial, from there 1 - e^(-x^2) t P(t) with t = 1 / (1 + 0.4 x)
 * (the form of Abramowitz and Stegun 7.1.26; least squares fits of this project, weighted by e^(-x^2)) */
static vf erf_v(vf x)
{
    static const float small[] = { 1.12837917f, -0.376126269f, 0.112835975f, -0.0268543288f, 0.00518931194f, -8.01885499e-4f, 7.88249711e-5f };
    static const float large[] = { 0.229468397f, 0.184332199f, 0.389472193f, -0.237320711f, 0.59852328f, -0.164256446f };
    vf size = pick(x < all(0), -x, x), square = x * x, t = 1.0f / (1.0f + 0.4f * size);
    vf near = size * polynomial(square, small, 6), far = 1.0f - exp_v(-square) * t * polynomial(t, large, 5);
    vf y = pick(size < all(1), near, far);
    return pick(x < all(0), -y, y);
}

/* ---- the tile --------------------------------------------------------------------------------- */

/* c[MR][NR] = a[MR][k] b[k][NR];  rows of a lie KC apart */
static void tile(float *restrict c, const float *restrict a, const float *restrict b, size_t k)
{
    vf sum[MR][2] = { { { 0 } } };
    for (size_t p = 0; p < k; p++) {
        vf b0 = load(b + p * NR), b1 = load(b + p * NR + LANES);
#pragma GCC unroll 16
        for (size_t i = 0; i < MR; i++) {
            vf x = all(a[i * KC + p]);
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < MR; i++) {
        store(c + i * NR, sum[i][0]);
        store(c + i * NR + LANES, sum[i][1]);
    }
}

/* ---- weights, widened ------------------------------------------------------------------------- */

static float float_of(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

/* n elements of w from element i on, as floats; the loops vectorize */
static void widen(float *restrict out, const Weight *w, size_t i, size_t n)
{
    const unsigned char *p = w->data;
    if (w->type == F32) { memcpy(out, p + i * 4, n * 4); return; }
    if (w->type != F16 && w->type != BF16) {
        for (size_t j = 0; j < n; j++) out[j] = dtype_value(w->data, w->type, i + j);
        return;
    }
    uint16_t half[KC];
    for (size_t done = 0, now; done < n; done += now) {
        now = least(n - done, KC);
        memcpy(half, p + (i + done) * 2, now * 2);
        if (w->type == BF16) for (size_t j = 0; j < now; j++) out[done + j] = float_of((uint32_t)half[j] << 16);
        else for (size_t j = 0; j < now; j++) {                     /* see half_to_float in tensor.c */
            uint32_t sign = (uint32_t)(half[j] & 0x8000u) << 16, rest = (uint32_t)(half[j] & 0x7fffu) << 13;
            uint32_t finite, scaled_up = rest | 0x70000000u;
            float f = float_of(rest) * 0x1p112f;
            memcpy(&finite, &f, 4);
            out[done + j] = float_of(sign | (rest >= 0x0f800000u ? scaled_up : finite));
        }
    }
}

/* a small vector of parameters as floats, in the arena; NULL stays NULL */
static float *widened(Machine *m, const Weight *w, size_t n)
{
    if (!w) return NULL;
    float *out = take(m->mem, n, sizeof *out);
    if (!m->dry) widen(out, w, 0, n);
    return out;
}

/* ---- convolution ------------------------------------------------------------------------------ */

typedef struct {
    Tensor y, x;
    const Weight *w;
    const float *bias;
    int side, taps, stride, pad, channels;      /* channels: of one block of the sum */
    float scale;
    int add;
} Job;

/* Panel j of the weights for one block of the sum, channels ic .. ic+n:  b[tap*n + i][NR filters].
 * The n*taps weights of a filter are contiguous in the file and read once, in order. */
static void pack_weights(float *restrict b, const Job *job, size_t j, size_t ic, size_t n)
{
    size_t in = (size_t)job->x.c, taps = (size_t)job->taps, filters = least(NR, (size_t)job->y.c - j);
    float filter[KC];
    memset(b, 0, taps * n * NR * sizeof *b);
    for (size_t o = 0; o < filters; o++) {
        widen(filter, job->w, ((j + o) * in + ic) * taps, n * taps);
        for (size_t t = 0; t < taps; t++)
            for (size_t i = 0; i < n; i++) b[(t * n + i) * NR + o] = filter[i * taps + t];
    }
}

/* Row r of the output as a row of the product's left side: its window of the image, taps x n channels from ic. */
static void gather(float *restrict a, const Job *job, size_t r, size_t ic, size_t n)
{
    size_t ow = (size_t)job->y.w, oh = (size_t)job->y.h, c = (size_t)job->x.c;
    int column = (int)(r % ow) * job->stride - job->pad, row = (int)(r / ow % oh) * job->stride - job->pad;
    const float *image = job->x.x + r / (ow * oh) * (size_t)job->x.h * (size_t)job->x.w * c;
    for (int i = 0; i < job->side; i++)
        for (int j = 0; j < job->side; j++, a += n) {
            int inside = row + i >= 0 && row + i < job->x.h && column + j >= 0 && column + j < job->x.w;
            if (inside) memcpy(a, image + ((size_t)(row + i) * (size_t)job->x.w + (size_t)(column + j)) * c + ic, n * sizeof *a);
            else memset(a, 0, n * sizeof *a);
        }
}

/* y rows r.., columns j..  from the tile: the first block of the sum sets them, later ones add */
static void finish(const Job *job, const float *restrict c, size_t r, size_t count, size_t j, int first)
{
    size_t out = (size_t)job->y.c, n = least(NR, out - j);
    for (size_t i = 0; i < count; i++, c += NR) {
        float *y = job->y.x + (r + i) * out + j;
        const float *bias = job->bias ? job->bias + j : NULL;
        if (!first || job->add) for (size_t k = 0; k < n; k++) y[k] += job->scale * c[k];
        else                    for (size_t k = 0; k < n; k++) y[k]  = job->scale * c[k];
        if (first && bias)      for (size_t k = 0; k < n; k++) y[k] += bias[k];
    }
}

/* One block of rows against panels p0 .. p1 of the packed weights. */
static void multiply(const Job *job, const float *b, float *a, size_t r, size_t count, size_t jc, size_t p0, size_t p1, size_t ic, size_t n)
{
    size_t k = n * (size_t)job->taps;
    float c[MR * NR] __attribute__((aligned(64)));
    for (size_t i = 0; i < count; i++) gather(a + i * KC, job, r + i, ic, n);
    for (size_t p = p0; p < p1; p++)
        for (size_t i = 0; i < count; i += MR) {
            tile(c, a + i * KC, b + p * KC * NR, k);
            finish(job, c, r + i, least(MR, count - i), jc + p * NR, ic == 0);
        }
}

static void product(Machine *m, const Job *job)
{
    size_t all_rows = rows(job->y), out = (size_t)job->y.c, in = (size_t)job->x.c, step = (size_t)job->channels;
    size_t threads = (size_t)m->threads, blocks = (all_rows + MC - 1) / MC;
    size_t height = blocks >= threads ? MC : above((all_rows + threads - 1) / threads, MR);
    blocks = (all_rows + height - 1) / height;
    float *b = take(m->mem, above(least(NC, out), NR) * KC, sizeof *b);
    float *a = take(m->mem, threads * MC * KC, sizeof *a);
    if (m->dry) return;
#pragma omp parallel num_threads(m->threads)
    for (size_t jc = 0; jc < out; jc += NC) {
        size_t panels = (least(NC, out - jc) + NR - 1) / NR;
        size_t groups = least(panels, blocks >= 4 * threads ? 1 : (4 * threads + blocks - 1) / blocks);
        for (size_t ic = 0; ic < in; ic += step) {
            size_t n = least(step, in - ic);
#pragma omp for schedule(static)
            for (size_t p = 0; p < panels; p++) pack_weights(b + p * KC * NR, job, jc + p * NR, ic, n);
#pragma omp for schedule(dynamic)
            for (size_t t = 0; t < blocks * groups; t++) {
                size_t r = t / groups * height, g = t % groups;
                multiply(job, b, a + (size_t)thread_id() * MC * KC, r, least(height, all_rows - r), jc, panels * g / groups, panels * (g + 1) / groups, ic, n);
            }
        }
    }
}

void conv(Machine *m, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how)
{
    size_t before = mark(m->mem);
    int side = w->rank == 4 ? (int)w->shape[2] : 1, taps = side * side;
    Job job = { y, x, w, widened(m, bias, (size_t)y.c), side, taps, how.stride, how.pad, KC / taps, how.scale, how.add };
    m->ops += 2.0 * (double)size(y) * (double)taps * (double)x.c;
    product(m, &job);
    release(m->mem, before);
}

/* ---- attention -------------------------------------------------------------------------------- */
/* For QB queries at a time, over blocks of KB keys:
 *     s = q k' / sqrt(d);   m' = max(m, max s);   p = e^(s - m');   o = o e^(m - m') + p v;   l = l e^(m - m') + sum p
 * and at the end o / l. */
enum { QB = MR * 4, KB = KC / NR * NR };

typedef struct { float *k, *v, *q, *s, *o, *max, *sum; } Bench;      /* one thread's scratch */

static const float *row_of(Rows r, size_t outer, size_t inner, size_t token)
{
    return r.x + (outer * r.step[0] + inner * r.step[1] + token * r.step[2]) * r.row;
}

/* k'[block of KC of width][panel of NR keys]: b[p][width][NR];   v[panel of NR of width]: b[p][keys][NR] */
static void pack_keys_values(const Bench *t, Rows k, Rows v, const Attention *s, size_t outer, size_t inner, size_t head)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, padded = above(keys, NR);
    memset(t->k, 0, padded * d * sizeof *t->k);
    memset(t->v, 0, above(d, NR) * keys * sizeof *t->v);
    for (size_t j = 0; j < keys; j++) {
        const float *from = row_of(k, outer, inner, j) + head * d, *value = row_of(v, outer, inner, j) + head * d;
        float *to = t->k + j / NR * d * NR + j % NR;
        for (size_t i = 0; i < d; i++) to[i * NR] = from[i];
        for (size_t i = 0; i < d; i += NR) memcpy(t->v + i * keys + j * NR, value + i, least(NR, d - i) * sizeof *value);
    }
}

/* c[count][ldc] = (or +=) a b for `panels` panels, a in blocks [width/KC][QB][KC] */
static void block_product(float *c, size_t ldc, const float *a, const float *b, size_t panel, size_t panels, size_t k, size_t count, int add)
{
    float out[MR * NR] __attribute__((aligned(64)));
    for (size_t p = 0; p < panels; p++)
        for (size_t i = 0; i < count; i += MR)
            for (size_t at = 0; at < k; at += KC) {
                tile(out, a + at * QB + i * KC, b + p * panel + at * NR, least(KC, k - at));
                for (size_t r = 0; r < least(MR, count - i); r++) {
                    float *y = c + (i + r) * ldc + p * NR;
                    if (add || at) for (int l = 0; l < NR; l++) y[l] += out[r * NR + (size_t)l];
                    else           for (int l = 0; l < NR; l++) y[l]  = out[r * NR + (size_t)l];
                }
            }
}

/* scores of one query against keys j0 .. j0+n -> weights, the running maximum and sum brought up to date */
static void softmax_row(float *restrict s, float *restrict o, float *max, float *sum, size_t n, size_t wide)
{
    float top = *max;
    for (size_t j = 0; j < n; j++) top = s[j] > top ? s[j] : top;
    for (size_t j = n; j < above(n, LANES); j++) s[j] = -1e30f;
    float shrink = *sum > 0 ? expf(*max - top) : 0;
    vf total = all(0);
    for (size_t j = 0; j < n; j += LANES) {
        vf x = load(s + j), p = exp_v(x - top);
        p = pick(x > all(-1e29f), p, all(0));
        store(s + j, p);
        total += p;
    }
    float add = 0;
    for (int l = 0; l < LANES; l++) add += total[l];
    *sum = *sum * shrink + add;
    *max = top;
    for (size_t j = 0; j < wide; j++) o[j] *= shrink;
}

static void attend_block(float *y, const Bench *t, Rows q, const Attention *s, size_t outer, size_t inner, size_t head, size_t q0, size_t count)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, wide = above(d, NR);
    float scale = 1 / sqrtf((float)d);
    for (size_t i = 0; i < count; i++) {
        const float *from = row_of(q, outer, inner, q0 + i) + head * d;
        for (size_t e = 0; e < d; e++) t->q[e / KC * KC * QB + i * KC + e % KC] = from[e] * scale;
        t->max[i] = -1e30f, t->sum[i] = 0;
    }
    memset(t->o, 0, count * wide * sizeof *t->o);
    for (size_t j = 0; j < keys; j += KB) {
        size_t n = least(KB, keys - j);
        block_product(t->s, KC, t->q, t->k + j * d, d * NR, (n + NR - 1) / NR, d, count, 0);
        for (size_t i = 0; i < count; i++) {
            size_t seen = !s->causal ? n : q0 + i < j ? 0 : least(n, q0 + i + 1 - j);
            for (size_t e = seen; e < n; e++) t->s[i * KC + e] = -1e30f;
            softmax_row(t->s + i * KC, t->o + i * wide, &t->max[i], &t->sum[i], n, wide);
        }
        block_product(t->o, wide, t->s, t->v + j * NR, keys * NR, wide / NR, n, count, 1);
    }
    for (size_t i = 0; i < count; i++) {
        float *to = y + (row_of(q, outer, inner, q0 + i) - q.x) + head * d, over = 1 / t->sum[i];
        for (size_t e = 0; e < d; e++) to[e] = t->o[i * wide + e] * over;
    }
}

static Bench bench(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, wide = above(d, NR);
    return (Bench){ take(m->mem, above(keys, NR) * d, 4), take(m->mem, wide * keys, 4), take(m->mem, QB * above(d, KC), 4),
                    take(m->mem, QB * KC, 4), take(m->mem, QB * wide, 4), take(m->mem, QB, 4), take(m->mem, QB, 4) };
}

void attend(Machine *m, float *y, Rows q, Rows k, Rows v, Attention s)
{
    size_t before = mark(m->mem), heads = (size_t)s.heads, inner = (size_t)s.inner, queries = (size_t)s.queries;
    size_t pairs = (size_t)s.outer * inner * heads, threads = (size_t)m->threads, blocks = (queries + QB - 1) / QB;
    size_t parts = least(blocks, pairs >= 4 * threads ? 1 : (4 * threads + pairs - 1) / pairs);
    Bench *t = take(m->mem, threads, sizeof *t);
    for (size_t i = 0; i < threads; i++) t[i] = bench(m, &s);
    m->ops += 4.0 * (double)pairs * (double)queries * s.keys * s.width;
    if (!m->dry) {
#pragma omp parallel for schedule(dynamic) num_threads(m->threads)
        for (size_t job = 0; job < pairs * parts; job++) {
            const Bench *mine = &t[thread_id()];
            size_t part = job % parts, pair = job / parts, head = pair % heads, in = pair / heads % inner, out = pair / heads / inner;
            pack_keys_values(mine, k, v, &s, out, in, head);
            for (size_t b = blocks * part / parts; b < blocks * (part + 1) / parts; b++)
                attend_block(y, mine, q, &s, out, in, head, b * QB, least(QB, queries - b * QB));
        }
    }
    release(m->mem, before);
}

/* ---- norms ------------------------------------------------------------------------------------ */

enum { CHUNK = 256 };        /* rows summed by one thread at a time; the same for any number of threads */

/* sums and sums of squares of each channel over some rows, in double */
static void channel_sums(double *restrict sum, const float *restrict x, size_t count, size_t c)
{
    double *square = sum + c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t r = 0; r < count; r++, x += c)
        for (size_t i = 0; i < c; i++) {
            double v = (double)x[i];
            sum[i] += v;
            square[i] += v * v;
        }
}

/* for one sample, each channel's mean and scale = gamma / sqrt(var + eps) */
static void scales(float *mean_of, float *scale, const double *sums, size_t chunks, const float *gamma, GroupNorm g)
{
    size_t c = (size_t)g.c, wide = c / (size_t)g.groups;
    for (size_t first = 0; first < c; first += wide) {
        double sum = 0, square = 0, n = (double)g.rows * (double)wide;
        for (size_t k = 0; k < chunks; k++)
            for (size_t i = first; i < first + wide; i++) sum += sums[k * 2 * c + i], square += sums[k * 2 * c + c + i];
        double mean = sum / n, var = square / n - mean * mean, over = 1 / sqrt((var > 0 ? var : 0) + (double)g.eps);
        for (size_t i = first; i < first + wide; i++) {
            mean_of[i] = (float)mean;
            scale[i] = (float)((double)gamma[i] * over);
        }
    }
}

/* y = (x - mean) * scale + beta */
static void normalize(float *restrict y, const float *restrict x, const float *restrict mean, const float *restrict scale, const float *restrict beta, size_t count, size_t c, int silu)
{
    for (size_t r = 0; r < count; r++, x += c, y += c) {
        size_t i = 0;
        for (; i + LANES <= c; i += LANES) {
            vf v = (load(x + i) - load(mean + i)) * load(scale + i) + load(beta + i);
            store(y + i, silu ? v * sigmoid_v(v) : v);
        }
        for (; i < c; i++) {
            float v = (x[i] - mean[i]) * scale[i] + beta[i];
            y[i] = silu ? v * sigmoid_v(all(v))[0] : v;
        }
    }
}

void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm g)
{
    size_t before = mark(m->mem), c = (size_t)g.c, chunks = (g.rows + CHUNK - 1) / CHUNK, count = g.samples * chunks;
    float *mean = take(m->mem, 2 * c * g.samples, sizeof *mean), *scale = mean + c * g.samples, *w = widened(m, gamma, c), *b = widened(m, beta, c);
    double *sums = take(m->mem, count * 2 * c, sizeof *sums);
    m->ops += 8.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel num_threads(m->threads)
        {
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t r = k % chunks * CHUNK;
                channel_sums(sums + k * 2 * c, x + (k / chunks * g.rows + r) * c, least(CHUNK, g.rows - r), c);
            }
#pragma omp for schedule(static)
            for (size_t n = 0; n < g.samples; n++) scales(mean + n * c, scale + n * c, sums + n * chunks * 2 * c, chunks, w, g);
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t n = k / chunks, r = k % chunks * CHUNK, at = (n * g.rows + r) * c;
                normalize(y + at, x + at, mean + n * c, scale + n * c, b, least(CHUNK, g.rows - r), c, g.silu);
            }
        }
    }
    release(m->mem, before);
}

static void layer_row(float *restrict y, const float *restrict x, const float *restrict gamma, const float *restrict beta, size_t c, float eps)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < c; i++) sum += (double)x[i];
    double mean = sum / (double)c;
    for (size_t i = 0; i < c; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean);
    float over = (float)(1 / sqrt(square / (double)c + (double)eps)), middle = (float)mean;
    for (size_t i = 0; i < c; i++) y[i] = (x[i] - middle) * over * gamma[i] + beta[i];
}

void layer_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, size_t count, int c, float eps)
{
    size_t before = mark(m->mem), wide = (size_t)c;
    float *w = widened(m, gamma, wide), *b = widened(m, beta, wide);
    m->ops += 8.0 * (double)count * c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t r = 0; r < count; r++) layer_row(y + r * wide, x + r * wide, w, b, wide, eps);
    }
    release(m->mem, before);
}

/* ---- element by element ----------------------------------------------------------------------- */

/* x * sigmoid(k x) over n values; the ragged end goes through one padded vector, so every value takes the same path */
static void swish(Machine *m, float *y, const float *x, size_t n, float k)
{
    m->ops += 4.0 * (double)n;
    if (m->dry) return;
    size_t whole = n / LANES;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < whole; i++) {
        vf v = load(x + i * LANES);
        store(y + i * LANES, v * sigmoid_v(v * k));
    }
    for (size_t i = whole * LANES; i < n; i++) y[i] = x[i] * sigmoid_v(all(x[i] * k))[0];
}

void silu_of(Machine *m, float *y, const float *x, size_t n)       { swish(m, y, x, n, 1); }
void quick_gelu_of(Machine *m, float *y, const float *x, size_t n) { swish(m, y, x, n, 1.702f); }

void add_into(Machine *m, float *y, const float *x, size_t n)
{
    m->ops += (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

/* the exact gelu, x/2 (1 + erf(x / sqrt 2)) */
static vf gelu_v(vf x) { return 0.5f * x * (1.0f + erf_v(x * 0.707106781f)); }

void geglu_of(Machine *m, float *y, const float *x, size_t count, int c)
{
    size_t wide = (size_t)c;
    m->ops += 8.0 * (double)count * c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++) {
        const float *value = x + r * 2 * wide, *gate = value + wide;
        size_t i = 0;
        for (; i + LANES <= wide; i += LANES) store(y + r * wide + i, load(value + i) * gelu_v(load(gate + i)));
        for (; i < wide; i++) y[r * wide + i] = value[i] * gelu_v(all(gate[i]))[0];
    }
}

/* ---- how fast is it here ---------------------------------------------------------------------- */
/* The fastest of some runs of one thread, times the threads: what else goes on in the machine at this moment says little about the next hour. */

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double machine_speed(Machine *m)
{
    size_t before = mark(m->mem), shape[] = { 256, 512 };
    Tensor x = { 1, 512, 1, 512, take(m->mem, 512 * 512, 4) }, y = { 1, 512, 1, 256, take(m->mem, 512 * 256, 4) };
    Weight w = { "", take(m->mem, 256 * 512, 4), F32, 2, shape, 256 * 512 * 4 };
    Machine real = { m->mem, 1, 0, 0 };
    double begun, fastest = 1e9, seconds;
    memset(x.x, 0, size(x) * 4);
    memset((void *)(uintptr_t)w.data, 0, w.bytes);
    for (begun = now(); now() < begun + 0.03; fastest = seconds < fastest ? seconds : fastest) {
        double start = now();
        real.ops = 0;
        conv(&real, y, x, &w, NULL, (Conv){ 1, 0, 1, 0 });
        seconds = now() - start;
    }
    release(m->mem, before);
    return real.ops / fastest * m->threads;
}
