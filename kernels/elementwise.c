/* elementwise.c - activations, sums and copies: what goes element by element or row by row, forward.
 *
 * All of these are bound by memory.  Each is one pass, shared out among the threads by elements or rows.  Activations
 * are computed by the vector functions of vector.h, also for the few values after the last whole vector.  So the result
 * for a value does not depend on where it stands.
 *
 * plain.c: the functions of the same names say the same in plain loops.  The gradients are in backward.c. */
#include "kernel.h"
#include "pack.h"
#include "parallel.h"
#include "vector.h"

enum { PAGE = 4096 };           /* floats that a thread copies or clears at a time */

/* ---- activations ------------------------------------------------------------------------------ */

/* y = x sigmoid(k x) */
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
    for (size_t i = whole * LANES; i < n; i++) y[i] = x[i] * sigmoid_v(splat(x[i] * k))[0];
}

void silu_of(Machine *m, float *y, const float *x, size_t n)       { swish(m, y, x, n, 1); }
void quick_gelu_of(Machine *m, float *y, const float *x, size_t n) { swish(m, y, x, n, 1.702f); }

void prelu_of(Machine *m, float *x, const Weight *slope, float same, size_t count, int c)
{
    size_t before = mark(m->mem), wide = (size_t)c;
    float *s = slope ? upcast_vector(m, slope, wide) : allocate(m->mem, wide, sizeof *s);
    m->ops += 2.0 * (double)count * c;
    for (size_t i = 0; i < wide && !slope && !m->dry; i++) s[i] = same;
#pragma omp parallel for schedule(static) num_threads(m->threads) if (!m->dry)
    for (size_t r = 0; r < (m->dry ? 0 : count); r++)
        for (size_t i = 0; i < wide; i++) {
            float v = x[r * wide + i];
            x[r * wide + i] = v > 0 ? v : v * s[i];
        }
    release(m->mem, before);
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
        for (; i < wide; i++) y[r * wide + i] = value[i] * gelu_v(splat(gate[i]))[0];
    }
}

/* ---- sums ------------------------------------------------------------------------------------- */

void add_into(Machine *m, float *y, const float *x, size_t n)
{
    m->ops += (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

void add_row(Machine *m, float *y, const float *row, size_t count, size_t c)
{
    m->ops += (double)count * (double)c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < c; i++) y[r * c + i] += row[i];
}

void add_columns(Machine *m, float *y, const float *x, size_t x_row, size_t count, size_t c)
{
    m->ops += (double)count * (double)c;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < c; i++) y[r * c + i] += x[r * x_row + i];
}

/* ---- copies ----------------------------------------------------------------------------------- */

void clear(Machine *m, float *y, size_t n)
{
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += PAGE) memset(y + i, 0, min(PAGE, n - i) * sizeof *y);
}

void gather_rows(Machine *m, float *y, size_t y_row, const float *x, size_t x_row, const size_t *from, size_t count,
                 size_t c)
{
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t r = 0; r < count; r++) memcpy(y + r * y_row, x + (from ? from[r] : r) * x_row, c * sizeof *y);
}

/* SplitMix64 (G. Steele et al., 2014) */
double dropout_uniform(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 40) * 0x1p-24;
}

/* What is left of value i of a picture's component k: torch.nn.functional.dropout, and kohya's mask over the rank. */
static float left_of(const Dropout *d, size_t i, size_t component)
{
    float left = 1;
    if (d->element > 0) left *= dropout_uniform(d->seed, 2 * i) < (double)d->element ? 0 : 1 / (1 - d->element);
    if (d->rank > 0) left *= dropout_uniform(d->seed, 2 * component + 1) > (double)d->rank ? 1 / (1 - d->rank) : 0;
    return left;
}

void drop_out(Machine *m, Tensor z, Dropout d)
{
    size_t r = (size_t)z.c, picture = (size_t)z.h * (size_t)z.w * r;
    if (m->dry || !d.seed) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < size(z); i++) z.x[i] *= left_of(&d, i, i / picture * r + i % r);
}

/* As many floats as lie between y and x can be moved at once, in any order: none of them overwrites another. */
void move_down(Machine *m, float *y, const float *x, size_t n)
{
    size_t gap = (size_t)(x - y);
    if (m->dry || !gap) return;
    if (gap < PAGE * (size_t)m->threads) {
        memmove(y, x, n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i += gap) {
        size_t now = min(gap, n - i), paged = now / PAGE * PAGE;
        gather_rows(m, y + i, PAGE, x + i, PAGE, NULL, now / PAGE, PAGE);
        memcpy(y + i + paged, x + i + paged, (now - paged) * sizeof *y);
    }
}
