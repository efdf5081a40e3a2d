/* backward.c - backpropagation through products, LoRA pairs, norms and activations (attention's is in attention.c).
 *
 * dy is the gradient of the loss by the result y, dx that by the argument x.  For a linear layer y = x W', with
 * x [rows][in], y [rows][out] and W [out,in],
 *
 *     dx += dy W          a product with the transposed weight
 *     dW += dy' x         a sum of outer products over all rows
 *
 * and for a convolution dx is a convolution again, with its taps in reverse order.  So dx is computed by the kernels
 * of the forward pass.  dW is needed for LoRA pairs only, because all other weights are frozen.  There one side of the
 * matrix is the rank r, so the product here is made for thin matrices.
 *
 * Each function adds to its gradient, so that a tensor which is used twice gets the sum.  Every element is summed by
 * one thread in one order.
 * plain.c: the functions of the same names say the same in plain loops. */
#include "backward.h"

#include "norm.h"
#include "pack.h"
#include "parallel.h"
#include "vector.h"

#include <math.h>

/* ---- vectors at ragged ends ------------------------------------------------------------------- */

/* n <= LANES floats; the lanes after them are 0. */
static inline vf load_part(const float *p, size_t n)
{
    vf v = splat(0);
    if (n == LANES) return load(p);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void add_part(float *p, vf v, size_t n)
{
    v += load_part(p, n);
    if (n == LANES) store(p, v);            /* one instruction, where memcpy of n bytes is a call */
    else memcpy(p, &v, n * sizeof *p);
}

/* ---- A' B for thin matrices: the gradient of a weight ----------------------------------------- */

/* A strip of A, packed, stays in the first-level cache. */
enum {
    STRIP = 8 * MR,             /* columns of a strip */
    NEAR = 64                   /* rows of a strip */
};

/* C[MR][vectors] = A' B, or with add C += A' B, summed over `count` rows: a column of A is a row of C.  vectors is a
 * constant where this is inlined.  Meanwhile, what will be packed next is prefetched: `next`, its rows next_row floats
 * apart. */
static ALWAYS_INLINE void outer_kernel(const int vectors, float *restrict c, size_t c_row, const float *restrict a,
                                       const float *restrict b, size_t b_row, size_t count, int add, const float *next,
                                       size_t next_row)
{
    vf sum[MR][2] = { { { 0 } } };
    if (add) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < vectors; v++) sum[i][v] = load(c + (size_t)i * c_row + v * LANES);
    }
    for (size_t p = 0; p < count; p++) {
        __builtin_prefetch(next);
        vf b0 = load(b);
        vf b1 = vectors > 1 ? load(b + LANES) : b0;
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            vf x = splat(a[i]);
            sum[i][0] += x * b0;
            if (vectors > 1) sum[i][1] += x * b1;
        }
        a += STRIP;
        b += b_row;
        next += next_row;
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
        for (int v = 0; v < vectors; v++) store(c + (size_t)i * c_row + v * LANES, sum[i][v]);
}

/* Packs n columns of A, filled up with zeros to whole tiles.  packed: [count][STRIP] */
static void pack_strip(float *restrict packed, const float *restrict a, size_t a_row, size_t n, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        float *to = packed + p * STRIP;
        const float *from = a + p * a_row;
        if (n == STRIP) {
            for (size_t f = 0; f < STRIP; f += LANES) store(to + f, load(from + f));
            continue;
        }
        memcpy(to, from, n * sizeof *from);
        for (size_t f = n; f < round_up(n, MR); f++) to[f] = 0;
    }
}

/* C[n][wide] = A' B, or with add C += A' B, for one packed strip of n columns of A.  C has room for whole tiles. */
static void multiply_strip(float *c, size_t wide, const float *packed, size_t n, const float *b, size_t count, int add,
                           const float *next, size_t next_row)
{
    for (size_t j = 0; j < wide; j += NR)
        for (size_t i = 0; i < n; i += MR) {
            float *to = c + i * wide + j;
            if (wide - j > LANES) outer_kernel(2, to, wide, packed + i, b + j, wide, count, add, next + i, next_row);
            else outer_kernel(1, to, wide, packed + i, b + j, wide, count, add, next + i, next_row);
        }
}

/* The rows of x, filled up with zeros to `wide` floats, whole vectors.  Returns x itself where they are whole. */
static const float *whole_vectors(Machine *m, const float *x, size_t count, size_t c, size_t wide)
{
    if (wide == c) return x;
    float *y = allocate(m->mem, count * wide, sizeof *y);
    if (m->dry) return y;
    memset(y, 0, count * wide * sizeof *y);
    for (size_t i = 0; i < count; i++) memcpy(y + i * wide, x + i * c, c * sizeof *y);
    return y;
}

/* One thread's share of sums[n][wide] = x' thin: the columns from .. end - 1 of x. */
static void multiply_share(float *sums, float *packed, const float *x, size_t n, const float *thin, size_t wide,
                           size_t count, size_t from, size_t end)
{
    for (size_t p = 0; p < count; p += NEAR)
        for (size_t i = from; i < end; i += STRIP) {
            size_t columns = min(STRIP, end - i);
            size_t near = min(NEAR, count - p);
            const float *next = x;
            if (i + STRIP < end) next = x + p * n + i + STRIP;
            else if (p + NEAR < count) next = x + (p + NEAR) * n + from;
            pack_strip(packed, x + p * n + i, n, columns, near);
            multiply_strip(sums + i * wide, wide, packed, columns, thin + p * wide, near, p > 0, next, n);
        }
}

/* d[ac][bc] += scale A' B, summed over `count` rows in their order.  A: [count][ac]     B: [count][bc]
 * The thinner of the two becomes the right side.  The wider one is packed in strips, and its columns are shared out
 * among the threads. */
static void add_outer(Machine *m, float *d, const float *a, size_t ac, const float *b, size_t bc, size_t count,
                      float scale)
{
    int swapped = ac < bc;
    const float *x = swapped ? b : a;
    const float *other = swapped ? a : b;
    size_t n = swapped ? bc : ac;
    size_t r = swapped ? ac : bc;
    size_t wide = round_up(r, LANES);
    size_t before = mark(m->mem);
    size_t tiles = ceil_div(n, MR);
    size_t shares = min(tiles, (size_t)m->threads);
    const float *thin = whole_vectors(m, other, count, r, wide);
    float *sums = allocate(m->mem, round_up(n, MR) * wide, sizeof *sums);
    float *packed = allocate(m->mem, shares * NEAR * STRIP, sizeof *packed);
    m->ops += 2.0 * (double)count * (double)ac * (double)bc;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t share = 0; share < shares; share++) {
            size_t from = tiles * share / shares * MR, end = min(n, tiles * (share + 1) / shares * MR);
            multiply_share(sums, packed + share * NEAR * STRIP, x, n, thin, wide, count, from, end);
            if (!swapped)
                for (size_t i = from; i < end; i++)
                    for (size_t k = 0; k < r; k++) d[i * r + k] += scale * sums[i * wide + k];
            else
                for (size_t k = 0; k < r; k++)
                    for (size_t i = from; i < end; i++) d[k * n + i] += scale * sums[i * wide + k];
        }
    }
    release(m->mem, before);
}

/* ---- convolutions and LoRA -------------------------------------------------------------------- */

/* The pixels of x, `stride` apart, with zeros between them, in an image of the size of `like`. */
static Tensor spread(Machine *m, Tensor x, Tensor like, int stride)
{
    size_t c = (size_t)x.c, h = (size_t)x.h, w = (size_t)x.w;
    Tensor y = { .n = like.n, .h = like.h, .w = like.w, .c = x.c };
    y.x = allocate(m->mem, rows(like) * c, sizeof *y.x);
    if (m->dry) return y;
    memset(y.x, 0, size(y) * sizeof *y.x);
    for (size_t r = 0; r < rows(x); r++) {
        size_t n = r / (h * w), i = r / w % h * (size_t)stride, j = r % w * (size_t)stride;
        memcpy(y.x + ((n * (size_t)y.h + i) * (size_t)y.w + j) * c, x.x + r * c, c * sizeof *y.x);
    }
    return y;
}

/* dx is a convolution of stride 1 with the transposed weight.  A stride becomes zeros between the pixels of dy, and pad
 * becomes side - 1 - pad, by which the kernel reaches over the edge on the way back. */
void conv_back(Machine *m, Tensor dx, Tensor dy, const Weight *w, Conv how)
{
    size_t before = mark(m->mem);
    int side = w->rank == 4 ? (int)w->shape[2] : 1;
    if (how.stride > 1) dy = spread(m, dy, dx, how.stride);
    Conv back = { .stride = 1, .pad = side - 1 - how.pad, .scale = how.scale, .add = 1, .transposed = 1 };
    conv(m, dx, dy, w, NULL, back);
    release(m->mem, before);
}

/* For each pixel of y, the pixel of x under tap (i,j) of the convolution; zeros outside the image.
 * Returns [rows of y][c]. */
static const float *tap_pixels(Machine *m, Tensor x, Tensor y, Conv how, int i, int j)
{
    size_t c = (size_t)x.c, w = (size_t)y.w, h = (size_t)y.h;
    float *to = allocate(m->mem, rows(y) * c, sizeof *to);
    for (size_t r = 0; r < rows(y) && !m->dry; r++) {
        size_t n = r / (h * w);
        int row = (int)(r / w % h) * how.stride - how.pad + i;
        int column = (int)(r % w) * how.stride - how.pad + j;
        int outside = row < 0 || row >= x.h || column < 0 || column >= x.w;
        size_t from = (n * (size_t)x.h + (size_t)row) * (size_t)x.w + (size_t)column;
        if (outside) memset(to + r * c, 0, c * sizeof *to);
        else memcpy(to + r * c, x.x + from * c, c * sizeof *to);
    }
    return to;
}

/* d[out][in][taps] += dy' x, where x is for each tap the pixels under it. */
void conv_weight_back(Machine *m, float *d, Tensor dy, Tensor x, const Weight *w, Conv how)
{
    size_t in = (size_t)x.c, out = (size_t)dy.c, side = w->rank == 4 ? w->shape[2] : 1, taps = side * side;
    if (side == 1 && how.stride == 1) {
        add_outer(m, d, dy.x, out, x.x, in, rows(dy), 1);
        return;
    }
    for (size_t tap = 0; tap < taps; tap++) {
        size_t before = mark(m->mem);
        float *sums = allocate(m->mem, out * in, sizeof *sums);
        const float *pixels = tap_pixels(m, x, dy, how, (int)(tap / side), (int)(tap % side));
        if (!m->dry) memset(sums, 0, out * in * sizeof *sums);
        add_outer(m, sums, dy.x, out, pixels, in, rows(dy), 1);
        for (size_t i = 0; i < out * in && !m->dry; i++) d[i * taps + tap] += sums[i];
        release(m->mem, before);
    }
}

/* y = x W' + scale * up(middle), middle = down(x):
 *     d_middle = scale * dy up                  d_up += scale * dy' middle
 *     d_down += d_middle' x                     dx += dy W + d_middle down, or dy (W + scale * up down) at once */
void lora_backward(Machine *m, Tensor dx, Tensor dy, Tensor x, Tensor middle, const LoraLayer *p)
{
    size_t before = mark(m->mem), r = p->down->shape[0];
    Tensor d_middle = { .n = dy.n, .h = dy.h, .w = dy.w, .c = (int)r };
    d_middle.x = allocate(m->mem, rows(dy) * r, sizeof *d_middle.x);
    conv(m, d_middle, dy, p->up, NULL, (Conv){ .stride = 1, .scale = p->scale, .transposed = 1 });
    drop_out(m, d_middle, p->dropout);
    if (p->d_up) add_outer(m, p->d_up, dy.x, (size_t)dy.c, middle.x, r, rows(dy), p->scale);
    if (p->d_down) conv_weight_back(m, p->d_down, d_middle, x, p->down, p->how);
    if (dx.x) {
        const Weight *merged = lora_merged_weight(m, p, rows(dy));
        const Weight *w = merged ? merged : p->w;
        if (w) conv_back(m, dx, dy, w, p->how);
        if (!merged) conv_back(m, dx, d_middle, p->down, p->how);
    }
    release(m->mem, before);
}

/* ---- norms ------------------------------------------------------------------------------------ */
/* z = (x - mean) / sqrt(var + eps);  v = z gamma + beta;  y = v, or v sigmoid(v) with silu.
 * With dv the gradient by v, a = gamma dv, and means over the group's rows and channels (or the row of layer norm):
 *
 *     dx += (a - mean(a) - z mean(a z)) / sqrt(var + eps) */

/* One sample's numbers for each channel; over is 1 / sqrt(var + eps). */
typedef struct { const float *mean, *over, *gamma, *beta; size_t c; int silu; } Norm;

static Norm norm_of_sample(Norm all, size_t n)
{
    all.mean += n * all.c;
    all.over += n * all.c;
    return all;
}

static inline vf normalized(const Norm *n, const float *x, size_t i, size_t l)
{
    return (load_part(x + i, l) - load_part(n->mean + i, l)) * load_part(n->over + i, l);
}

/* dv = dy without silu.  With it, s = sigmoid(v) and dv = dy s (1 + v (1 - s)). */
static inline vf silu_gradient(const Norm *n, vf z, vf dy, size_t i, size_t l)
{
    if (!n->silu) return dy;
    vf v = z * load_part(n->gamma + i, l) + load_part(n->beta + i, l);
    vf s = sigmoid_v(v);
    return dy * s * (1.0f + v * (1.0f - s));
}

/* sum[i] = the sum of dv over some rows, sum[c + i] = the sum of dv z. */
static void norm_sums(float *restrict sum, const Norm *n, const float *x, const float *dy, size_t count)
{
    size_t c = n->c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < c; i += LANES) {
            size_t l = min(LANES, c - i);
            vf z = normalized(n, x, i, l);
            vf dv = silu_gradient(n, z, load_part(dy + i, l), i, l);
            add_part(sum + i, dv, l);
            add_part(sum + c + i, dv * z, l);
        }
        x += c;
        dy += c;
    }
}

/* dx += (a - mean(a) - z mean(a z)) / sqrt(var + eps) for some rows.  mean_a, mean_az: [c], of each channel's group */
static void norm_rows_backward(float *dx, const Norm *n, const float *x, const float *dy, const float *mean_a,
                               const float *mean_az, size_t count)
{
    size_t c = n->c;
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < c; i += LANES) {
            size_t l = min(LANES, c - i);
            vf z = normalized(n, x, i, l);
            vf a = silu_gradient(n, z, load_part(dy + i, l), i, l) * load_part(n->gamma + i, l);
            vf over = load_part(n->over + i, l);
            add_part(dx + i, over * (a - load_part(mean_a + i, l) - z * load_part(mean_az + i, l)), l);
        }
        x += c;
        dy += c;
        dx += c;
    }
}

/* mean(a) and mean(a z) of each channel's group, from the sums of dv and dv z over the chunks of one sample. */
static void group_means(float *mean_a, float *mean_az, const float *sums, size_t chunks, const float *gamma,
                        GroupNorm g)
{
    size_t c = (size_t)g.c, wide = c / (size_t)g.groups;
    for (size_t first = 0; first < c; first += wide) {
        double a = 0, az = 0, n = (double)g.rows * (double)wide;
        for (size_t k = 0; k < chunks; k++)
            for (size_t i = first; i < first + wide; i++) {
                a += (double)gamma[i] * (double)sums[k * 2 * c + i];
                az += (double)gamma[i] * (double)sums[k * 2 * c + c + i];
            }
        for (size_t i = first; i < first + wide; i++) {
            mean_a[i] = (float)(a / n);
            mean_az[i] = (float)(az / n);
        }
    }
}

void group_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma,
                          const Weight *beta, GroupNorm g)
{
    size_t before = mark(m->mem);
    size_t c = (size_t)g.c;
    size_t chunks = ceil_div(g.rows, NORM_CHUNK);
    size_t count = g.samples * chunks;
    float *mean = allocate(m->mem, 4 * c * g.samples, sizeof *mean);
    float *over = mean + c * g.samples, *mean_a = over + c * g.samples, *mean_az = mean_a + c * g.samples;
    float *w = upcast_vector(m, gamma, c);
    float *b = upcast_vector(m, beta, c);
    float *sums = allocate(m->mem, count * 2 * c, sizeof *sums);
    group_statistics(m, mean, over, x, NULL, g);
    m->ops += 20.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
        Norm all = { .mean = mean, .over = over, .gamma = w, .beta = b, .c = c, .silu = g.silu };
#pragma omp parallel num_threads(m->threads)
        {
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t n = k / chunks, r = k % chunks * NORM_CHUNK, at = (n * g.rows + r) * c;
                Norm norm = norm_of_sample(all, n);
                norm_sums(sums + k * 2 * c, &norm, x + at, dy + at, min(NORM_CHUNK, g.rows - r));
            }
#pragma omp for schedule(static)
            for (size_t n = 0; n < g.samples; n++)
                group_means(mean_a + n * c, mean_az + n * c, sums + n * chunks * 2 * c, chunks, w, g);
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t n = k / chunks, r = k % chunks * NORM_CHUNK, at = (n * g.rows + r) * c;
                Norm norm = norm_of_sample(all, n);
                norm_rows_backward(dx + at, &norm, x + at, dy + at, mean_a + n * c, mean_az + n * c,
                               min(NORM_CHUNK, g.rows - r));
            }
        }
    }
    release(m->mem, before);
}

static double sum_lanes(vf v)
{
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += (double)v[l];
    return sum;
}

static void layer_row_backward(float *restrict dx, const float *restrict dy, const float *restrict x,
                               const float *restrict gamma, size_t c, float eps)
{
    vf sum = splat(0);
    vf square = splat(0);
    vf a_sum = splat(0);
    vf az_sum = splat(0);
    for (size_t i = 0; i < c; i += LANES) sum += load_part(x + i, min(LANES, c - i));
    float mean = (float)(sum_lanes(sum) / (double)c);
    for (size_t i = 0; i < c; i += LANES) {
        size_t l = min(LANES, c - i);
        vf z = load_part(x + i, l) - mean;
        vf a = load_part(dy + i, l) * load_part(gamma + i, l);
        if (l == LANES) square += z * z;
        else
            for (size_t k = 0; k < l; k++) square[k] += z[k] * z[k];      /* in the other lanes z is -mean, not 0 */
        a_sum += a;
        az_sum += a * z;
    }
    float over = (float)(1 / sqrt(sum_lanes(square) / (double)c + (double)eps));
    float mean_a = (float)(sum_lanes(a_sum) / (double)c);
    float mean_az = (float)(sum_lanes(az_sum) / (double)c) * over;
    for (size_t i = 0; i < c; i += LANES) {
        size_t l = min(LANES, c - i);
        vf a_centred = load_part(dy + i, l) * load_part(gamma + i, l) - mean_a;
        vf z = (load_part(x + i, l) - mean) * over;
        add_part(dx + i, over * (a_centred - z * mean_az), l);
    }
}

void layer_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, size_t count,
                          int c, float eps)
{
    size_t before = mark(m->mem), wide = (size_t)c;
    float *w = upcast_vector(m, gamma, wide);
    m->ops += 16.0 * (double)count * c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t r = 0; r < count; r++) layer_row_backward(dx + r * wide, dy + r * wide, x + r * wide, w, wide, eps);
    }
    release(m->mem, before);
}

/* ---- activations and sums --------------------------------------------------------------------- */

/* With s = sigmoid(k x):  dx += dy s (1 + k x (1 - s)) */
void swish_back(Machine *m, float *dx, const float *dy, const float *x, size_t n, float k)
{
    m->ops += 8.0 * (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += LANES) {
        size_t l = min(LANES, n - i);
        vf v = load_part(x + i, l);
        vf s = sigmoid_v(v * k);
        add_part(dx + i, load_part(dy + i, l) * s * (1.0f + k * v * (1.0f - s)), l);
    }
}

/* gelu(g) = g Phi(g);  gelu'(g) = Phi(g) + g e^(-g^2 / 2) / sqrt(2 pi) */
void geglu_back(Machine *m, float *dx, const float *dy, const float *x, size_t count, int c)
{
    size_t wide = (size_t)c;
    m->ops += 24.0 * (double)count * c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < wide; i += LANES) {
            size_t l = min(LANES, wide - i), at = r * 2 * wide + i;
            vf value = load_part(x + at, l);
            vf gate = load_part(x + at + wide, l);
            vf d = load_part(dy + r * wide + i, l);
            vf phi = normal_cdf_v(gate);
            vf slope = phi + gate * exp_v(gate * gate * -0.5f) * 0.398942280f;
            add_part(dx + at, d * gate * phi, l);
            add_part(dx + at + wide, d * value * slope, l);
        }
}

void add_row_back(Machine *m, float *dx, const float *dy, size_t count, int c)
{
    m->ops += (double)count * c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (int i = 0; i < c; i++) {
        double sum = 0;
        for (size_t r = 0; r < count; r++) sum += (double)dy[r * (size_t)c + (size_t)i];
        dx[i] += (float)sum;
    }
}
