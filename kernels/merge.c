/* merge.c - a layer's weight with what adapters add to it, built for one call: element by element, each a pass over the weight.
 *
 * Every element is computed by one thread in one order, as everywhere. */
#include "gemm.h"

#include <float.h>
#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

void weight_into(Machine *m, float *y, const Weight *w, size_t n, float scale, int add)
{
    m->ops += 2 * (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += KC) {
        float part[KC];
        size_t count = least(n - i, KC);
        widen(part, w, i, count);
        for (size_t j = 0; j < count; j++) y[i + j] = (add ? y[i + j] : 0) + scale * part[j];
    }
}

void add_hadamard(Machine *m, float *y, const float *a, const float *b, size_t n, float scale)
{
    m->ops += 3 * (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i++) y[i] += scale * a[i] * b[i];
}

void add_kronecker(Machine *m, float *y, Matrix a, Matrix b, float scale)
{
    m->ops += 2 * (double)(a.rows * b.rows) * (double)(a.columns * b.columns);
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < a.rows * b.rows; i++) {
        const float *left = a.x + i / b.rows * a.columns, *right = b.x + i % b.rows * b.columns;
        float *row = y + i * a.columns * b.columns;
        for (size_t k = 0; k < a.columns; k++, row += b.columns)
            for (size_t j = 0; j < b.columns; j++) row[j] += scale * left[k] * right[j];
    }
}

static double square_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

/* the parts of one vector lie `columns` apart */
static void set_length(float *y, const float *old, const Decompose *d, size_t columns, float size)
{
    double square = 0;
    for (size_t p = 0; p < d->parts; p++) square += square_of(y + p * columns, d->n);
    float by = (float)((double)size / (sqrt(square) + (double)FLT_EPSILON));
    for (size_t p = 0; p < d->parts; p++)
        for (size_t i = p * columns; i < p * columns + d->n; i++) y[i] = old[i] + d->strength * (by * y[i] - old[i]);
}

void decompose(Machine *m, Matrix y, const float *old, const float *size, Decompose d)
{
    size_t count = y.rows * y.columns / (d.parts * d.n);
    m->ops += 6 * (double)y.rows * (double)y.columns;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t v = 0; v < count; v++) set_length(y.x + v * d.n, old + v * d.n, &d, y.columns, size[v]);
}

/* ---- a layer and its pair --------------------------------------------------------------------- */

/* not in bf16, where what a pair adds would be lost in rounding */
const Weight *both_in_one(Machine *m, const LowRank *p, size_t rows)
{
    size_t out = p->up->shape[0], r = p->up->shape[1], in = p->down->shape[1], side = p->down->rank == 4 ? p->down->shape[2] : 1;
    if (!p->w || m->bf16 || side > 1 || rows * (in + out) < 2 * in * out) return NULL;
    Weight *y = take(m->mem, 1, sizeof *y);
    float *x = take(m->mem, out * in, sizeof *x);
    weight_into(m, x, p->w, out * in, 1, 0);
    conv(m, (Tensor){ 1, (int)out, 1, (int)in, x }, (Tensor){ 1, (int)out, 1, (int)r, widened(m, p->up, out * r) }, p->down, NULL, (Conv){ 1, 0, p->scale, 1, 1 });
    *y = *p->w;
    y->data = x, y->type = F32, y->bytes = out * in * sizeof *x;
    return y;
}

void low_rank_product(Machine *m, Tensor y, Tensor middle, Tensor x, const Weight *bias, const LowRank *p)
{
    size_t before = mark(m->mem);
    const Weight *both = both_in_one(m, p, rows(y)), *w = both ? both : p->w;
    conv(m, middle, x, p->down, NULL, p->how);
    if (w) conv(m, y, x, w, bias, p->how);
    if (!both) conv(m, y, middle, p->up, NULL, (Conv){ 1, 0, p->scale, 1 });
    release(m->mem, before);
}
