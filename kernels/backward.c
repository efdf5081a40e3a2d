/* backward.c - the loops that take the time on the way back.
 *
 * The gradient of a product by its left side is a product with the weight turned round, [out,in] as [in,out], and that of a
 * convolution is a convolution again, its taps in reverse order besides; so the kernels of the way forward serve both.
 * The gradient by a weight is needed for low-rank pairs only, where it is thin: a sum over all pixels of r x c outer products. */
#include "backward.h"

#include "gemm.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

/* ---- vectors at ragged ends ------------------------------------------------------------------- */

/* n <= LANES floats; the lanes behind them are 0 */
static inline vf part(const float *p, size_t n)
{
    vf v = all(0);
    if (n == LANES) return load(p);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void add_part(float *p, vf v, size_t n)
{
    v += part(p, n);
    if (n == LANES) store(p, v);            /* a whole one is no call of memcpy */
    else memcpy(p, &v, n * sizeof *p);
}

/* ---- sums of products ------------------------------------------------------------------------- */

enum { STRIP = 8 * MR, NEAR = 64 };       /* columns of a, and rows of both, that are read together: packed, they stay in the first cache */

/* c[MR][vectors] (+)= A' B, summed over count rows: a column of a is a row of c; vectors is a constant where this is inlined.
 * next, row: what will be packed next is fetched meanwhile */
static inline __attribute__((always_inline)) void block(const int vectors, float *restrict c, size_t ldc, const float *restrict a, const float *restrict b, size_t ldb, size_t count, int add, const float *next, size_t row)
{
    vf sum[MR][2] = { { { 0 } } };
    if (add) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < vectors; v++) sum[i][v] = load(c + (size_t)i * ldc + v * LANES);
    }
    for (size_t p = 0; p < count; p++, a += STRIP, b += ldb, next += row) {
        __builtin_prefetch(next);
        vf b0 = load(b), b1 = vectors > 1 ? load(b + LANES) : b0;
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            vf x = all(a[i]);
            sum[i][0] += x * b0;
            if (vectors > 1) sum[i][1] += x * b1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
        for (int v = 0; v < vectors; v++) store(c + (size_t)i * ldc + v * LANES, sum[i][v]);
}

/* n columns of a, filled up with zeros to whole blocks */
static void pack_strip(float *restrict to, const float *restrict a, size_t lda, size_t n, size_t count)
{
    for (size_t p = 0; p < count; p++, to += STRIP, a += lda) {
        if (n == STRIP) for (size_t f = 0; f < STRIP; f += LANES) store(to + f, load(a + f));
        else {
            memcpy(to, a, n * sizeof *a);
            for (size_t f = n; f < above(n, MR); f++) to[f] = 0;
        }
    }
}

/* c[n][wide] (+)= A' B for a strip of a; c has room for whole blocks */
static void strip(float *c, size_t wide, const float *packed, size_t n, const float *b, size_t count, int add, const float *next, size_t row)
{
    for (size_t j = 0; j < wide; j += NR)
        for (size_t i = 0; i < n; i += MR) {
            float *to = c + i * wide + j;
            if (wide - j > LANES) block(2, to, wide, packed + i, b + j, wide, count, add, next + i, row);
            else block(1, to, wide, packed + i, b + j, wide, count, add, next + i, row);
        }
}

/* ---- products by their left side -------------------------------------------------------------- */

/* every stride-th pixel from x, zeros between them; the size is that of `like` */
static Tensor spread(Machine *m, Tensor x, Tensor like, int stride)
{
    Tensor y = { like.n, like.h, like.w, x.c, take(m->mem, rows(like) * (size_t)x.c, sizeof *y.x) };
    size_t c = (size_t)x.c;
    if (m->dry) return y;
    memset(y.x, 0, size(y) * sizeof *y.x);
    for (size_t r = 0; r < rows(x); r++) {
        size_t n = r / ((size_t)x.h * (size_t)x.w), i = r / (size_t)x.w % (size_t)x.h * (size_t)stride, j = r % (size_t)x.w * (size_t)stride;
        memcpy(y.x + ((n * (size_t)y.h + i) * (size_t)y.w + j) * c, x.x + r * c, c * sizeof *y.x);
    }
    return y;
}

void conv_back(Machine *m, Tensor dx, Tensor dy, const Weight *w, Conv how)
{
    size_t before = mark(m->mem);
    int side = w->rank == 4 ? (int)w->shape[2] : 1;
    if (how.stride > 1) dy = spread(m, dy, dx, how.stride);
    conv(m, dx, dy, w, NULL, (Conv){ 1, side - 1 - how.pad, how.scale, 1, 1 });
    release(m->mem, before);
}

/* ---- products by their weights: thin ones ----------------------------------------------------- */

/* columns filled up with zeros to whole vectors; x itself where they are */
static const float *widened_rows(Machine *m, const float *x, size_t count, size_t c, size_t wide)
{
    if (wide == c) return x;
    float *y = take(m->mem, count * wide, sizeof *y);
    if (m->dry) return y;
    memset(y, 0, count * wide * sizeof *y);
    for (size_t i = 0; i < count; i++) memcpy(y + i * wide, x + i * c, c * sizeof *y);
    return y;
}

/* d[ac][bc] += scale A' B, summed over count rows in their order.  A: [count][ac]   B: [count][bc].  The wider of the two comes in strips, a share of them for each thread. */
static void outer(Machine *m, float *d, const float *a, size_t ac, const float *b, size_t bc, size_t count, float scale)
{
    int turned = ac < bc;
    size_t before = mark(m->mem), n = turned ? bc : ac, r = turned ? ac : bc, wide = above(r, LANES), blocks = parts_of(n, MR), shares = least(blocks, (size_t)m->threads);
    const float *x = turned ? b : a, *thin = widened_rows(m, turned ? a : b, count, r, wide);
    float *sums = take(m->mem, above(n, MR) * wide, sizeof *sums), *packed = take(m->mem, shares * NEAR * STRIP, sizeof *packed);
    m->ops += 2.0 * (double)count * (double)ac * (double)bc;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t share = 0; share < shares; share++) {
            size_t from = blocks * share / shares * MR, end = least(n, blocks * (share + 1) / shares * MR);
            float *mine = packed + share * NEAR * STRIP;
            for (size_t p = 0; p < count; p += NEAR)
                for (size_t i = from; i < end; i += STRIP) {
                    size_t columns = least(STRIP, end - i), near = least(NEAR, count - p);
                    pack_strip(mine, x + p * n + i, n, columns, near);
                    const float *next = i + STRIP < end ? x + p * n + i + STRIP : p + NEAR < count ? x + (p + NEAR) * n + from : x;
                    strip(sums + i * wide, wide, mine, columns, thin + p * wide, near, p > 0, next, n);
                }
            for (size_t i = from; i < end && !turned; i++) for (size_t k = 0; k < r; k++) d[i * r + k] += scale * sums[i * wide + k];
            for (size_t k = 0; k < r && turned; k++) for (size_t i = from; i < end; i++) d[k * n + i] += scale * sums[i * wide + k];
        }
    }
    release(m->mem, before);
}

/* the pixels of x that tap (i,j) of a convolution meets, a row for each of y; zero outside */
static const float *window(Machine *m, Tensor x, Tensor y, Conv how, int i, int j)
{
    size_t c = (size_t)x.c;
    float *to = take(m->mem, rows(y) * c, sizeof *to);
    for (size_t r = 0; r < rows(y) && !m->dry; r++) {
        size_t n = r / ((size_t)y.h * (size_t)y.w);
        int row = (int)(r / (size_t)y.w % (size_t)y.h) * how.stride - how.pad + i, column = (int)(r % (size_t)y.w) * how.stride - how.pad + j;
        if (row < 0 || row >= x.h || column < 0 || column >= x.w) memset(to + r * c, 0, c * sizeof *to);
        else memcpy(to + r * c, x.x + ((n * (size_t)x.h + (size_t)row) * (size_t)x.w + (size_t)column) * c, c * sizeof *to);
    }
    return to;
}

/* d[out][in][taps] += dy' x, for each tap the x that it meets */
static void conv_weight_back(Machine *m, float *d, Tensor dy, Tensor x, const Weight *w, Conv how)
{
    size_t in = (size_t)x.c, out = (size_t)dy.c, side = w->rank == 4 ? w->shape[2] : 1;
    if (side == 1 && how.stride == 1) { outer(m, d, dy.x, out, x.x, in, rows(dy), 1); return; }
    for (size_t tap = 0; tap < side * side; tap++) {
        size_t before = mark(m->mem);
        float *sums = take(m->mem, out * in, sizeof *sums);
        const float *met = window(m, x, dy, how, (int)(tap / side), (int)(tap % side));
        if (!m->dry) memset(sums, 0, out * in * sizeof *sums);
        outer(m, sums, dy.x, out, met, in, rows(dy), 1);
        for (size_t i = 0; i < out * in && !m->dry; i++) d[i * side * side + tap] += sums[i];
        release(m->mem, before);
    }
}

void low_rank_back(Machine *m, Tensor dx, Tensor dy, Tensor x, Tensor middle, const LowRank *p)
{
    size_t before = mark(m->mem), r = p->down->shape[0];
    Tensor d_middle = { dy.n, dy.h, dy.w, (int)r, take(m->mem, rows(dy) * r, sizeof *d_middle.x) };
    conv(m, d_middle, dy, p->up, NULL, (Conv){ 1, 0, p->scale, 0, 1 });
    if (p->d_up)   outer(m, p->d_up, dy.x, (size_t)dy.c, middle.x, r, rows(dy), p->scale);
    if (p->d_down) conv_weight_back(m, p->d_down, d_middle, x, p->down, p->how);
    const Weight *both = dx.x ? both_in_one(m, p, rows(dy)) : NULL, *w = both ? both : p->w;
    if (dx.x && w)     conv_back(m, dx, dy, w, p->how);
    if (dx.x && !both) conv_back(m, dx, d_middle, p->down, p->how);
    release(m->mem, before);
}

/* ---- norms ------------------------------------------------------------------------------------ */

enum { CHUNK = 256 };        /* rows summed by one thread at a time; the same for any number of threads */

typedef struct { const float *mean, *over, *gamma, *beta; size_t c; int silu; } Norm;      /* by channel, of one sample */

static inline vf normal_of(const Norm *n, const float *x, size_t i, size_t l) { return (part(x + i, l) - part(n->mean + i, l)) * part(n->over + i, l); }

/* v = z gamma + beta;  dv = dy, or through the silu: dy s (1 + v (1 - s)) */
static inline vf inner_gradient(const Norm *n, vf z, vf dy, size_t i, size_t l)
{
    if (!n->silu) return dy;
    vf v = z * part(n->gamma + i, l) + part(n->beta + i, l), s = sigmoid_v(v);
    return dy * s * (1.0f + v * (1.0f - s));
}

/* sum[i] = the sum of dv over some rows, sum[c + i] that of dv z */
static void norm_sums(float *restrict sum, const Norm *n, const float *x, const float *dy, size_t count)
{
    size_t c = n->c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t r = 0; r < count; r++, x += c, dy += c)
        for (size_t i = 0; i < c; i += LANES) {
            size_t l = least(LANES, c - i);
            vf z = normal_of(n, x, i, l), dv = inner_gradient(n, z, part(dy + i, l), i, l);
            add_part(sum + i, dv, l);
            add_part(sum + c + i, dv * z, l);
        }
}

/* mean_a, mean_az: by channel, of its group */
static void norm_rows_back(float *dx, const Norm *n, const float *x, const float *dy, const float *mean_a, const float *mean_az, size_t count)
{
    size_t c = n->c;
    for (size_t r = 0; r < count; r++, x += c, dy += c, dx += c)
        for (size_t i = 0; i < c; i += LANES) {
            size_t l = least(LANES, c - i);
            vf z = normal_of(n, x, i, l), a = inner_gradient(n, z, part(dy + i, l), i, l) * part(n->gamma + i, l);
            add_part(dx + i, part(n->over + i, l) * (a - part(mean_a + i, l) - z * part(mean_az + i, l)), l);
        }
}

/* sums of gamma dv and of gamma dv z over the rows and channels of each group -> their means, by channel */
static void group_means(float *mean_a, float *mean_az, const float *sums, size_t chunks, const float *gamma, const GroupNorm *g)
{
    size_t c = (size_t)g->c, wide = c / (size_t)g->groups;
    for (size_t first = 0; first < c; first += wide) {
        double a = 0, az = 0, n = (double)g->rows * (double)wide;
        for (size_t k = 0; k < chunks; k++)
            for (size_t i = first; i < first + wide; i++) {
                a += (double)gamma[i] * (double)sums[k * 2 * c + i];
                az += (double)gamma[i] * (double)sums[k * 2 * c + c + i];
            }
        for (size_t i = first; i < first + wide; i++) mean_a[i] = (float)(a / n), mean_az[i] = (float)(az / n);
    }
}

void group_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, const Weight *beta, GroupNorm g)
{
    size_t before = mark(m->mem), c = (size_t)g.c, chunks = parts_of(g.rows, CHUNK), count = g.samples * chunks;
    float *mean = take(m->mem, 4 * c * g.samples, sizeof *mean), *over = mean + c * g.samples, *mean_a = over + c * g.samples, *mean_az = mean_a + c * g.samples;
    float *w = widened(m, gamma, c), *b = widened(m, beta, c), *sums = take(m->mem, count * 2 * c, sizeof *sums);
    group_statistics(m, mean, over, x, NULL, g);
    m->ops += 20.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel num_threads(m->threads)
        {
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t n = k / chunks, r = k % chunks * CHUNK, at = (n * g.rows + r) * c;
                norm_sums(sums + k * 2 * c, &(Norm){ mean + n * c, over + n * c, w, b, c, g.silu }, x + at, dy + at, least(CHUNK, g.rows - r));
            }
#pragma omp for schedule(static)
            for (size_t n = 0; n < g.samples; n++) group_means(mean_a + n * c, mean_az + n * c, sums + n * chunks * 2 * c, chunks, w, &g);
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t n = k / chunks, r = k % chunks * CHUNK, at = (n * g.rows + r) * c;
                norm_rows_back(dx + at, &(Norm){ mean + n * c, over + n * c, w, b, c, g.silu }, x + at, dy + at, mean_a + n * c, mean_az + n * c, least(CHUNK, g.rows - r));
            }
        }
    }
    release(m->mem, before);
}

static double across(vf v)
{
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += (double)v[l];
    return sum;
}

static void layer_row_back(float *restrict dx, const float *restrict dy, const float *restrict x, const float *restrict gamma, size_t c, float eps)
{
    vf sum = all(0), square = all(0), a_sum = all(0), az_sum = all(0);
    for (size_t i = 0; i < c; i += LANES) sum += part(x + i, least(LANES, c - i));
    float mean = (float)(across(sum) / (double)c);
    for (size_t i = 0; i < c; i += LANES) {
        size_t l = least(LANES, c - i);
        vf z = part(x + i, l) - mean, a = part(dy + i, l) * part(gamma + i, l);
        if (l == LANES) square += z * z;
        else for (size_t k = 0; k < l; k++) square[k] += z[k] * z[k];
        a_sum += a, az_sum += a * z;
    }
    float over = (float)(1 / sqrt(across(square) / (double)c + (double)eps)), mean_a = (float)(across(a_sum) / (double)c), mean_az = (float)(across(az_sum) / (double)c) * over;
    for (size_t i = 0; i < c; i += LANES) {
        size_t l = least(LANES, c - i);
        add_part(dx + i, over * (part(dy + i, l) * part(gamma + i, l) - mean_a - (part(x + i, l) - mean) * over * mean_az), l);
    }
}

void layer_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, size_t count, int c, float eps)
{
    size_t before = mark(m->mem), wide = (size_t)c;
    float *w = widened(m, gamma, wide);
    m->ops += 16.0 * (double)count * c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t r = 0; r < count; r++) layer_row_back(dx + r * wide, dy + r * wide, x + r * wide, w, wide, eps);
    }
    release(m->mem, before);
}

/* ---- element by element ----------------------------------------------------------------------- */

void swish_back(Machine *m, float *dx, const float *dy, const float *x, size_t n, float k)
{
    m->ops += 8.0 * (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += LANES) {
        size_t l = least(LANES, n - i);
        vf v = part(x + i, l), s = sigmoid_v(v * k);
        add_part(dx + i, part(dy + i, l) * s * (1.0f + k * v * (1.0f - s)), l);
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
            size_t l = least(LANES, wide - i), at = r * 2 * wide + i;
            vf value = part(x + at, l), gate = part(x + at + wide, l), d = part(dy + r * wide + i, l);
            vf phi = normal_cdf_v(gate), slope = phi + gate * exp_v(gate * gate * -0.5f) * 0.398942280f;
            add_part(dx + at, d * gate * phi, l);
            add_part(dx + at + wide, d * value * slope, l);
        }
}

void sum_rows_of(Machine *m, float *dx, const float *dy, size_t count, int c)
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
