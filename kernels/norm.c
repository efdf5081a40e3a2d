/* norm.c - norms and what goes element by element: bound by memory, so each is one pass, or two.
 *
 * Statistics are summed in double over chunks of rows that are the same for any number of threads. */
#include "gemm.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

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

/* for one sample, each channel's mean and scale = gamma / sqrt(var + eps); gamma NULL: 1 */
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
            scale[i] = (float)(gamma ? (double)gamma[i] * over : over);
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

void group_statistics(Machine *m, float *mean, float *scale, const float *x, const float *gamma, GroupNorm g)
{
    size_t before = mark(m->mem), c = (size_t)g.c, chunks = parts_of(g.rows, CHUNK), count = g.samples * chunks;
    double *sums = take(m->mem, count * 2 * c, sizeof *sums);
    m->ops += 4.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel num_threads(m->threads)
        {
#pragma omp for schedule(static)
            for (size_t k = 0; k < count; k++) {
                size_t r = k % chunks * CHUNK;
                channel_sums(sums + k * 2 * c, x + (k / chunks * g.rows + r) * c, least(CHUNK, g.rows - r), c);
            }
#pragma omp for schedule(static)
            for (size_t n = 0; n < g.samples; n++) scales(mean + n * c, scale + n * c, sums + n * chunks * 2 * c, chunks, gamma, g);
        }
    }
    release(m->mem, before);
}

void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm g)
{
    size_t before = mark(m->mem), c = (size_t)g.c, chunks = parts_of(g.rows, CHUNK);
    float *mean = take(m->mem, 2 * c * g.samples, sizeof *mean), *scale = mean + c * g.samples, *w = widened(m, gamma, c), *b = widened(m, beta, c);
    group_statistics(m, mean, scale, x, w, g);
    m->ops += 4.0 * (double)g.samples * (double)g.rows * (double)c;
    if (!m->dry) {
#pragma omp parallel for schedule(static) num_threads(m->threads)
        for (size_t k = 0; k < g.samples * chunks; k++) {
            size_t n = k / chunks, r = k % chunks * CHUNK, at = (n * g.rows + r) * c;
            normalize(y + at, x + at, mean + n * c, scale + n * c, b, least(CHUNK, g.rows - r), c, g.silu);
        }
    }
    release(m->mem, before);
}

/* sum of n values, lane by lane and then across; the ragged end is a lane's turn more */
static float sum_of(const float *x, size_t n, float middle, int squares)
{
    vf sum = all(0);
    float all_of_it = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) { vf v = load(x + i) - middle; sum += squares ? v * v : v; }
    for (; i < n; i++) sum[i % LANES] += squares ? (x[i] - middle) * (x[i] - middle) : x[i] - middle;
    for (int l = 0; l < LANES; l++) all_of_it += sum[l];
    return all_of_it;
}

static void layer_row(float *restrict y, const float *restrict x, const float *restrict gamma, const float *restrict beta, size_t c, float eps)
{
    float mean = sum_of(x, c, 0, 0) / (float)c, over = 1 / sqrtf(sum_of(x, c, mean, 1) / (float)c + eps);
    for (size_t i = 0; i < c; i++) y[i] = (x[i] - mean) * over * gamma[i] + beta[i];
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

void gather_rows(Machine *m, float *y, size_t y_row, const float *x, size_t x_row, const size_t *from, size_t count, size_t c)
{
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++) memcpy(y + r * y_row, x + (from ? from[r] : r) * x_row, c * sizeof *y);
}

/* As many floats as lie between the two can be moved at once, in any order. */
void move_down(Machine *m, float *y, const float *x, size_t n)
{
    enum { PAGE = 4096 };
    size_t gap = (size_t)(x - y);
    if (m->dry || !gap) return;
    if (gap < PAGE * (size_t)m->threads) { memmove(y, x, n * sizeof *y); return; }
    for (size_t i = 0; i < n; i += gap) {
        size_t now = least(gap, n - i);
        gather_rows(m, y + i, PAGE, x + i, PAGE, NULL, now / PAGE, PAGE);
        memcpy(y + i + now / PAGE * PAGE, x + i + now / PAGE * PAGE, now % PAGE * sizeof *y);
    }
}

void add_row(Machine *m, float *y, const float *row, size_t count, size_t c)
{
    m->ops += (double)count * (double)c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++) for (size_t i = 0; i < c; i++) y[r * c + i] += row[i];
}

void add_columns(Machine *m, float *y, const float *x, size_t x_row, size_t count, size_t c)
{
    m->ops += (double)count * (double)c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++) for (size_t i = 0; i < c; i++) y[r * c + i] += x[r * x_row + i];
}

void clear(Machine *m, float *y, size_t n)
{
    enum { PAGE = 4096 };
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += PAGE) memset(y + i, 0, least(PAGE, n - i) * sizeof *y);
}

void add_into(Machine *m, float *y, const float *x, size_t n)
{
    m->ops += (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

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
