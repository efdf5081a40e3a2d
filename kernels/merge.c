/* merge.c - what an adapter adds to a layer: to its weight, before the product, or to its result, beside it.
 *
 * LoRA (E. Hu et al., 2021) replaces a layer's weight W by
 *
 *     W' = W + scale * up down          W [out,in]   down [r,in]   up [out,r]   scale = strength * alpha / r
 *
 * and there are two ways to compute y = W' x, which are equal up to rounding:
 *
 *     beside the layer    y = W x + scale * up (down x)         cheaper for few rows of x
 *     merged              y = (W + scale * up down) x           cheaper for many rows: W' is built once
 *
 * LoRA forward takes the cheaper one.  The functions before it are the parts from which lora.c builds the merged
 * weights of other adapters: LoHa's Hadamard product, LoKr's Kronecker product, and DoRA's new length for each vector.
 *
 * Each element is computed by one thread in one order.
 * plain.c: the functions of the same names say the same in plain loops. */
#include "kernel.h"
#include "pack.h"
#include "parallel.h"
#include "vector.h"

#include <float.h>
#include <math.h>

/* ---- parts of merged weights ------------------------------------------------------------------ */

void weight_into(Machine *m, float *y, const Weight *w, size_t n, float scale, int add)
{
    enum { PART = 320 };
    m->ops += 2 * (double)n;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t i = 0; i < n; i += PART) {
        float part[PART];
        size_t count = min(n - i, PART);
        upcast(part, w, i, count);
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
        const float *left = a.x + i / b.rows * a.columns;
        const float *right = b.x + i % b.rows * b.columns;
        float *row = y + i * a.columns * b.columns;
        for (size_t k = 0; k < a.columns; k++) {
            for (size_t j = 0; j < b.columns; j++) row[j] += scale * left[k] * right[j];
            row += b.columns;
        }
    }
}

/* ---- DoRA ------------------------------------------------------------------------------------- */

static double sum_of_squares(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

/* One vector, whose parts lie `columns` apart:  y = old + strength * (size * y / |y| - old) */
static void set_length(float *y, const float *old, const Decompose *d, size_t columns, float size)
{
    double square = 0;
    for (size_t p = 0; p < d->parts; p++) square += sum_of_squares(y + p * columns, d->n);
    float factor = (float)((double)size / (sqrt(square) + (double)FLT_EPSILON));
    for (size_t p = 0; p < d->parts; p++)
        for (size_t i = p * columns; i < p * columns + d->n; i++)
            y[i] = old[i] + d->strength * (factor * y[i] - old[i]);
}

void decompose(Machine *m, Matrix y, const float *old, const float *size, Decompose d)
{
    size_t count = y.rows * y.columns / (d.parts * d.n);
    m->ops += 6 * (double)y.rows * (double)y.columns;
    if (m->dry) return;
#pragma omp parallel for schedule(static) num_threads(m->threads)
    for (size_t v = 0; v < count; v++) set_length(y.x + v * d.n, old + v * d.n, &d, y.columns, size[v]);
}

/* ---- LoRA ------------------------------------------------------------------------------------- */

/* The pair beside the layer costs rows * r * (in + out) multiply-adds, merging costs r * in * out.  Merging also writes
 * a whole weight to memory, so it is done from about twice as many rows on.  It is not done in bf16, because rounding
 * W' would lose what the pair adds. */
const Weight *lora_merged_weight(Machine *m, const LoraLayer *p, size_t rows)
{
    size_t out = p->up->shape[0], r = p->up->shape[1], in = p->down->shape[1];
    size_t side = p->down->rank == 4 ? p->down->shape[2] : 1;
    if (!p->w || p->dropout.seed || m->bf16 || side > 1 || rows * (in + out) < 2 * in * out) return NULL;
    Weight *merged = allocate(m->mem, 1, sizeof *merged);
    float *x = allocate(m->mem, out * in, sizeof *x);
    weight_into(m, x, p->w, out * in, 1, 0);
    /* merged [out,in] += scale * up [out,r] down [r,in]: as a layer, its weight is down transposed */
    Tensor y = { .n = 1, .h = (int)out, .w = 1, .c = (int)in, .x = x };
    Tensor up = { .n = 1, .h = (int)out, .w = 1, .c = (int)r, .x = upcast_vector(m, p->up, out * r) };
    conv(m, y, up, p->down, NULL, (Conv){ .stride = 1, .scale = p->scale, .add = 1, .transposed = 1 });
    *merged = *p->w;
    merged->data = x;
    merged->type = F32;
    merged->bytes = out * in * sizeof *x;
    return merged;
}

void lora_forward(Machine *m, Tensor y, Tensor middle, Tensor x, const Weight *bias, const LoraLayer *p)
{
    size_t before = mark(m->mem);
    const Weight *merged = lora_merged_weight(m, p, rows(y));
    const Weight *w = merged ? merged : p->w;
    conv(m, middle, x, p->down, NULL, p->how);
    drop_out(m, middle, p->dropout);
    if (w) conv(m, y, x, w, bias, p->how);
    if (!merged) conv(m, y, middle, p->up, NULL, (Conv){ .stride = 1, .scale = p->scale, .add = 1 });
    release(m->mem, before);
}
