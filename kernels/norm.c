/* norm.c - group norm (Y. Wu and K. He, 2018) and layer norm (J. Ba et al., 2016), forward.
 *
 *     y = (x - mean) / sqrt(var + eps) * gamma + beta          var is the biased variance, as in PyTorch
 *
 * Both are bound by memory, not by arithmetic.  Group norm reads x twice: for the statistics, and to normalize it.  The
 * SiLU that often follows is computed in the second pass and costs no third one.  Layer norm has its row in the cache,
 * so it can subtract the mean before it squares.
 *
 * Group norm sums x and x^2 in double, because var = mean(x^2) - mean^2 loses digits where the mean is large.  It sums
 * chunks of rows, which are the same for any number of threads, and adds these sums in order, so the bytes are too.
 *
 * plain.c: group_normalize() and layer_normalize() say the same in plain loops.  Their gradients are in backward.c. */
#include "norm.h"

#include "pack.h"
#include "parallel.h"
#include "vector.h"

#include <math.h>

/* ---- group norm ------------------------------------------------------------------------------- */

/* sum[i] = the sum of channel i over some rows, sum[c + i] = the sum of its squares. */
static void channel_sums(double *restrict sum, const float *restrict x, size_t count, size_t c)
{
    double *square = sum + c;
    memset(sum, 0, 2 * c * sizeof *sum);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < c; i++) {
            double v = (double)x[i];
            sum[i] += v;
            square[i] += v * v;
        }
        x += c;
    }
}

/* The mean and scale of each channel of one sample, from the sums of its chunks. */
static void sample_statistics(float *mean_of, float *scale, const double *sums, size_t chunks, const float *gamma,
                              GroupNorm g)
{
    size_t c = (size_t)g.c, wide = c / (size_t)g.groups;
    for (size_t first = 0; first < c; first += wide) {
        double sum = 0, square = 0, n = (double)g.rows * (double)wide;
        for (size_t k = 0; k < chunks; k++)
            for (size_t i = first; i < first + wide; i++) {
                sum += sums[k * 2 * c + i];
                square += sums[k * 2 * c + c + i];
            }
        double mean = sum / n;
        double var = square / n - mean * mean;
        double over = 1 / sqrt((var > 0 ? var : 0) + (double)g.eps);      /* rounding can make var < 0 */
        for (size_t i = first; i < first + wide; i++) {
            mean_of[i] = (float)mean;
            scale[i] = (float)(gamma ? (double)gamma[i] * over : over);
        }
    }
}

void group_statistics(Machine *m, float *mean, float *scale, const float *x, const float *gamma, GroupNorm g)
{
    size_t before = mark(m->mem);
    size_t c = (size_t)g.c;
    size_t chunks = ceil_div(g.rows, NORM_CHUNK);
    size_t count = g.samples * chunks;
    double *sums = allocate(m->mem, count * 2 * c, sizeof *sums);
    m->ops += 4.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel num_threads(m->threads)
        {
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t r = k % chunks * NORM_CHUNK;
                const float *rows = x + (k / chunks * g.rows + r) * c;
                channel_sums(sums + k * 2 * c, rows, min(NORM_CHUNK, g.rows - r), c);
            }
#pragma omp for schedule(static)
            for (size_t n = 0; n < g.samples; n++)
                sample_statistics(mean + n * c, scale + n * c, sums + n * chunks * 2 * c, chunks, gamma, g);
        }
    }
    release(m->mem, before);
}

/* y = (x - mean) * scale + beta; with silu then y = y sigmoid(y). */
static void normalize_rows(float *restrict y, const float *restrict x, const float *restrict mean,
                           const float *restrict scale, const float *restrict beta, size_t count, size_t c, int silu)
{
    for (size_t r = 0; r < count; r++) {
        size_t i = 0;
        for (; i + LANES <= c; i += LANES) {
            vf v = (load(x + i) - load(mean + i)) * load(scale + i) + load(beta + i);
            store(y + i, silu ? v * sigmoid_v(v) : v);
        }
        for (; i < c; i++) {
            float v = (x[i] - mean[i]) * scale[i] + beta[i];
            y[i] = silu ? v * sigmoid_v(splat(v))[0] : v;
        }
        x += c;
        y += c;
    }
}

void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm g)
{
    size_t before = mark(m->mem);
    size_t c = (size_t)g.c;
    size_t chunks = ceil_div(g.rows, NORM_CHUNK);
    float *mean = allocate(m->mem, 2 * c * g.samples, sizeof *mean);
    float *scale = mean + c * g.samples;
    float *w = upcast_vector(m, gamma, c);
    float *b = upcast_vector(m, beta, c);
    group_statistics(m, mean, scale, x, w, g);
    m->ops += 4.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t k = 0; k < g.samples * chunks; k++) {
            size_t n = k / chunks, r = k % chunks * NORM_CHUNK, at = (n * g.rows + r) * c;
            size_t count = min(NORM_CHUNK, g.rows - r);
            normalize_rows(y + at, x + at, mean + n * c, scale + n * c, b, count, c, g.silu);
        }
    }
    release(m->mem, before);
}

/* ---- layer norm ------------------------------------------------------------------------------- */

/* The sum of x - middle, or of (x - middle)^2, over n values.  Each lane sums every LANES-th value, and at the end the
 * lanes are added in order. */
static float sum_of(const float *x, size_t n, float middle, int squares)
{
    vf sum = splat(0);
    float total = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf v = load(x + i) - middle;
        sum += squares ? v * v : v;
    }
    for (; i < n; i++) sum[i % LANES] += squares ? (x[i] - middle) * (x[i] - middle) : x[i] - middle;
    for (int l = 0; l < LANES; l++) total += sum[l];
    return total;
}

static void layer_row(float *restrict y, const float *restrict x, const float *restrict gamma,
                      const float *restrict beta, size_t c, float eps)
{
    float mean = sum_of(x, c, 0, 0) / (float)c;
    float over = 1 / sqrtf(sum_of(x, c, mean, 1) / (float)c + eps);
    for (size_t i = 0; i < c; i++) y[i] = (x[i] - mean) * over * gamma[i] + beta[i];
}

void layer_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, size_t count, int c,
                     float eps)
{
    size_t before = mark(m->mem), wide = (size_t)c;
    float *w = upcast_vector(m, gamma, wide);
    float *b = upcast_vector(m, beta, wide);
    m->ops += 8.0 * (double)count * c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t r = 0; r < count; r++) layer_row(y + r * wide, x + r * wide, w, b, wide, eps);
    }
    release(m->mem, before);
}
