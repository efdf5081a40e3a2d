/* adapter_weight.c - the weight of a layer with what an adapter changes in it: W' as one function of W for each family.
 *
 *     LoRA, LoCon      W' = W + s dW                dW = B A, or B core A
 *     LoHa                                          dW = (B1 A1) * (B2 A2), element by element
 *     LoKr                                          dW = M1 (x) M2, the Kronecker product
 *     full difference                               dW as it is in the file
 *     GLoRA                                         dW = W A1 A2 + B1 B2
 *     (IA)^3                                        dW = W scaled, row by row or column by column
 *     DoRA             W' = W + m (magnitude V / |V| - W),      V = W + dW of LoRA, LoHa or LoKr at full strength
 *     OFT, BOFT        W' = rho * ((I + m (R - I)) W), block by block and stage by stage
 *
 * m is the strength of use, and s = m alpha / rank.  Several files change a weight one after the other, so what
 * multiplies multiplies what is there by then (as in the web UI and ComfyUI).  References: LyCORIS' modules, PEFT. */
#include "adapter_weight.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- the matrix of a factor --------------------------------------------------------------------- */

/* A copy of w as floats. */
static float *widen(Machine *m, const Weight *w)
{
    size_t n = weight_numel(w);
    float *x = allocate(m->mem, n, sizeof *x);
    weight_into(m, x, w, n, 1, 0);
    return x;
}

/* [rows,columns] -> [columns,rows] */
static float *transpose(Machine *m, const float *x, size_t rows, size_t columns)
{
    float *y = allocate(m->mem, rows * columns, sizeof *y);
    for (size_t j = 0; j < columns && !m->dry; j++)
        for (size_t i = 0; i < rows; i++) y[j * rows + i] = x[i * columns + j];
    return y;
}

/* (core right)':  core [p,q,taps], right [q,in] -> [in,taps,p] */
static float *core_times_right(Machine *m, const float *core, const float *right,
                               size_t p, size_t q, size_t in, size_t taps)
{
    float *y = allocate(m->mem, in * taps * p, sizeof *y);
    m->ops += 2 * (double)(in * taps) * (double)(p * q);
    for (size_t i = 0; i < in && !m->dry; i++)
        for (size_t t = 0; t < taps; t++)
            for (size_t k = 0; k < p; k++) {
                float sum = 0;
                for (size_t j = 0; j < q; j++) sum += core[(k * q + j) * taps + t] * right[j * in + i];
                y[(i * taps + t) * p + k] = sum;
            }
    return y;
}

/* y (+)= scale left right, or scale left core right.  y: [out, in*taps] */
static void add_product(Machine *m, Matrix y, const Module *mod, Factor f, float scale, int add)
{
    const Weight *core = mod->part[f.core];
    const Weight *right = mod->part[f.right];
    size_t before = mark(m->mem);
    size_t q = right->shape[0];
    size_t p = core ? core->shape[0] : q;
    float *l = widen(m, mod->part[f.left]);
    float *r = widen(m, right);
    if (core && mod->family->left_transposed) l = transpose(m, l, p, y.rows);
    if (core) {
        size_t in = values_per_output(right);
        r = core_times_right(m, widen(m, core), r, p, q, in, y.columns / in);
    }
    else r = transpose(m, r, q, y.columns);
    size_t shape[] = { y.columns, p };
    Weight w = { .name = "", .data = r, .type = F32, .rank = 2, .shape = shape, .bytes = y.columns * p * sizeof *r };
    Tensor result = { .n = 1, .h = (int)y.rows, .w = 1, .c = (int)y.columns, .x = y.x };
    Tensor left = { .n = 1, .h = (int)y.rows, .w = 1, .c = (int)p, .x = l };
    conv(m, result, left, &w, NULL, (Conv){ .stride = 1, .scale = scale, .add = add });
    release(m->mem, before);
}

/* y (+)= scale times the factor's matrix */
static void add_factor(Machine *m, Matrix y, const Module *mod, Factor f, float scale, int add)
{
    const Weight *whole = mod->part[f.whole];
    if (whole) weight_into(m, y.x, whole, y.rows * y.columns, scale, add);
    else add_product(m, y, mod, f, scale, add);
}

static Matrix factor_matrix(Machine *m, const Module *mod, Factor f, Extent e)
{
    Matrix y = { .x = allocate(m->mem, e.rows * e.columns, sizeof *y.x), .rows = e.rows, .columns = e.columns };
    add_factor(m, y, mod, f, 1, 0);
    return y;
}

/* ---- W + dW, and DoRA ---------------------------------------------------------------------------- */

/* y += scale dW, for the families whose dW does not depend on W */
static void add_delta(Machine *m, Matrix y, const Module *mod, float scale)
{
    size_t before = mark(m->mem);
    const Family *f = mod->family;
    if (f->combination == SUM) {
        add_factor(m, y, mod, f->second, scale, 1);
        return;
    }
    Matrix first = factor_matrix(m, mod, f->first, mod->first);
    Matrix second = factor_matrix(m, mod, f->second, mod->second);
    if (f->combination == HADAMARD) add_hadamard(m, y.x, first.x, second.x, y.rows * y.columns, scale);
    else add_kronecker(m, y.x, first, second, scale);
    release(m->mem, before);
}

/* DoRA's |V|: one length for each row (output) if the file has as many magnitudes as rows, and else one for each
 * input, over all rows. */
static int has_magnitude_by_row(const Module *mod, size_t rows)
{
    return mod->part[MAGNITUDE] || mod->part[SCALE]->shape[0] == rows;
}

/* DoRA:  y = W + strength (magnitude V / |V| - W),  V = W + alpha/r dW */
static void add_dora(Machine *m, Matrix y, const Module *mod, size_t inputs, float strength)
{
    size_t before = mark(m->mem);
    size_t bytes = y.rows * y.columns * sizeof *y.x;
    float *w = allocate(m->mem, bytes, 1);
    if (!m->dry) memcpy(w, y.x, bytes);
    add_delta(m, y, mod, mod->scale);
    Decompose d = { .parts = y.rows, .n = y.columns / inputs, .strength = strength };
    if (has_magnitude_by_row(mod, y.rows)) {
        d.parts = 1;
        d.n = y.columns;
    }
    decompose(m, y, w, widen(m, adapter_magnitude(mod)), d);
    release(m->mem, before);
}

/* ---- GLoRA (Chavan et al., 2023) ----------------------------------------------------------------- */

/* y [rows,columns] += scale x w,  x [rows,inner], w [inner,columns] or [inner,columns,1,1] */
static void add_matrix_product(Machine *m, Matrix y, const float *x, const Weight *w, float scale, int add)
{
    Tensor to = { .n = 1, .h = (int)y.rows, .w = 1, .c = (int)y.columns, .x = y.x };
    Tensor from = { .n = 1, .h = (int)y.rows, .w = 1, .c = (int)w->shape[0], .x = (float *)(uintptr_t)x };
    conv(m, to, from, w, NULL, (Conv){ .stride = 1, .scale = scale, .add = add, .transposed = 1 });
}

/* to [rows,taps,inputs] = from [rows,inputs,taps] */
static void swap_taps(Machine *m, float *to, const float *from, size_t rows, size_t inputs, size_t taps)
{
    if (m->dry) return;
    for (size_t r = 0; r < rows; r++, to += inputs * taps, from += inputs * taps)
        for (size_t i = 0; i < inputs; i++)
            for (size_t t = 0; t < taps; t++) to[t * inputs + i] = from[i * taps + t];
}

/* y += scale (W A1 A2 + B1 B2),  W = y.  A1 A2 mixes the inputs, the same way at every tap of a kernel. */
static void add_of_weight(Machine *m, Matrix y, const Module *mod, size_t inputs, float scale)
{
    size_t before = mark(m->mem);
    const Factor a = mod->family->first;
    size_t taps = y.columns / inputs;
    size_t n = y.rows * y.columns;
    size_t rank = mod->first.rank;
    float *w = allocate(m->mem, n, sizeof *w);
    float *wa = allocate(m->mem, n, sizeof *wa);
    Matrix narrow = { .x = allocate(m->mem, y.rows * taps * rank, sizeof(float)), .rows = y.rows * taps,
                      .columns = rank };
    swap_taps(m, w, y.x, y.rows, inputs, taps);
    add_matrix_product(m, narrow, w, mod->part[a.left], 1, 0);
    add_matrix_product(m, (Matrix){ .x = wa, .rows = y.rows * taps, .columns = inputs }, narrow.x, mod->part[a.right],
                       1, 0);
    swap_taps(m, w, wa, y.rows, taps, inputs);
    add_factor(m, y, mod, mod->family->second, scale, 1);
    Weight delta = { .name = "", .data = w, .type = F32 };
    weight_into(m, y.x, &delta, n, scale, 1);
    release(m->mem, before);
}

/* ---- (IA)^3 (Liu et al., 2022) ------------------------------------------------------------------- */

/* Row o of W, or column i, times 1 + strength v.  PEFT holds 1 + v. */
static void scale_weight(Machine *m, Matrix y, const Module *mod, size_t inputs, float strength)
{
    size_t before = mark(m->mem);
    const float *v = widen(m, mod->part[mod->family->second.whole]);
    float one = mod->part[IA3_L] ? 1 : 0;
    size_t taps = y.columns / inputs;
    m->ops += 2 * (double)(y.rows * y.columns);
    for (size_t o = 0; o < y.rows && !m->dry; o++)
        for (size_t i = 0; i < y.columns; i++)
            y.x[o * y.columns + i] *= 1 + strength * (v[mod->on_input ? i / taps : o] - one);
    release(m->mem, before);
}

/* ---- OFT and BOFT (Qiu et al., 2023; Liu et al., 2024) ------------------------------------------- */

/* The row that stands at place i in the order of BOFT's stage, k rows apart: (c, k', g) for (c, g, k'). */
static size_t butterfly_row(size_t i, size_t k)
{
    size_t inside = i % (2 * k);
    return i - inside + inside % 2 * k + inside / 2;
}

/* to = from with its rows in the order of the stage, or, with `back`, out of it */
static void order_rows(Machine *m, Matrix to, const float *from, size_t k, int back)
{
    for (size_t i = 0; i < to.rows && !m->dry; i++) {
        size_t row = butterfly_row(i, k);
        size_t target = back ? row : i;
        size_t source = back ? i : row;
        memcpy(to.x + target * to.columns, from + source * to.columns, to.columns * sizeof *to.x);
    }
}

/* to += strength (R - I) x,  for a block of rows */
static void rotate_block(Machine *m, float *to, const float *x, const float *rotation, size_t size, size_t columns,
                         float strength)
{
    size_t before = mark(m->mem);
    float *r = allocate(m->mem, size * size, sizeof *r);
    for (size_t i = 0; i < size * size && !m->dry; i++) r[i] = rotation[i] - (i % (size + 1) == 0);
    size_t shape[] = { size, columns };
    Weight rows = { .name = "", .data = x, .type = F32, .rank = 2, .shape = shape,
                    .bytes = size * columns * sizeof *x };
    add_matrix_product(m, (Matrix){ .x = to, .rows = size, .columns = columns }, r, &rows, strength, 1);
    release(m->mem, before);
}

/* The rows of y:  block j += strength (R_j - I) block j */
static void rotate_rows(Machine *m, Matrix y, const Rotation *r, const float *block, float strength)
{
    size_t before = mark(m->mem);
    float *old = allocate(m->mem, y.rows * y.columns, sizeof *old);
    if (!m->dry) memcpy(old, y.x, y.rows * y.columns * sizeof *old);
    for (size_t j = 0; j * r->size < y.rows; j++) {
        size_t first = j * r->size * y.columns;
        const float *rotation = block + (r->shared ? 0 : j * r->size * r->size);
        rotate_block(m, y.x + first, old + first, rotation, r->size, y.columns, strength);
    }
    release(m->mem, before);
}

static void rotate_stage(Machine *m, Matrix y, const Rotation *r, size_t stage, float strength)
{
    const float *block = r->block + stage * r->blocks * r->size * r->size;
    if (!r->butterfly) {
        rotate_rows(m, y, r, block, strength);
        return;
    }
    size_t before = mark(m->mem);
    size_t k = r->size / 2 << stage;
    Matrix ordered = { .x = allocate(m->mem, y.rows * y.columns, sizeof *y.x), .rows = y.rows, .columns = y.columns };
    order_rows(m, ordered, y.x, k, 0);
    rotate_rows(m, ordered, r, block, strength);
    order_rows(m, y, ordered.x, k, 1);
    release(m->mem, before);
}

/* Row o of y times rho[o]: LyCORIS' rescale and PEFT's boft_s, at any strength */
static void rescale_rows(Machine *m, Matrix y, const Weight *rescale)
{
    const float *rho = widen(m, rescale);
    for (size_t o = 0; o < y.rows && !m->dry; o++)
        for (size_t i = 0; i < y.columns; i++) y.x[o * y.columns + i] *= rho[o];
}

static void rotate_weight(Machine *m, Matrix y, const Module *mod, float strength)
{
    size_t before = mark(m->mem);
    const Rotation *r = &mod->rotation;
    Matrix turned = y;
    if (r->of_columns) {
        turned = (Matrix){ .x = transpose(m, y.x, y.rows, y.columns), .rows = y.columns, .columns = y.rows };
    }
    for (size_t i = 0; i < r->stages; i++) rotate_stage(m, turned, r, i, strength);
    if (r->of_columns) {
        const float *back = transpose(m, turned.x, turned.rows, turned.columns);
        if (!m->dry) memcpy(y.x, back, y.rows * y.columns * sizeof *y.x);
    }
    if (mod->part[RESCALE]) rescale_rows(m, y, mod->part[RESCALE]);
    release(m->mem, before);
}

/* ---- all of them --------------------------------------------------------------------------------- */

void adapter_change(Machine *m, Matrix y, const Module *mod, size_t inputs, float strength)
{
    if (strength == 0) return;
    switch (mod->family->combination) {
    case OF_WEIGHT: add_of_weight(m, y, mod, inputs, strength * mod->scale); break;
    case SCALING:   scale_weight(m, y, mod, inputs, strength); break;
    case ROTATION:  rotate_weight(m, y, mod, strength); break;
    default:
        if (adapter_magnitude(mod)) add_dora(m, y, mod, inputs, strength);
        else add_delta(m, y, mod, strength * mod->scale);
    }
}

/* ---- the way back ------------------------------------------------------------------------------- */
/* G is dL/dW', V = W + s dW, s = alpha / rank, and ' means transposed below:
 *
 *     DoRA:   g v, v = V / |V|, vector by vector            dL/dg = <v, G>,   dL/dV = g / |V| (G - v <v, G>)
 *     LoRA:   dW = B A                                      D = s dL/dV:      dB = D A',   dA = B' D
 *     LoHa:   dW = P * Q, P = B1 A1, Q = B2 A2              dP = D * Q,       dQ = D * P
 *     LoKr:   dW = P (x) Q                                  dP[i,j] = sum of D[ib+k,jd+l] Q[k,l] over k, l;
 *                                                           dQ[k,l] = sum of D[ib+k,jd+l] P[i,j] over i, j
 *
 * LyCORIS lets the gradient through |V|; the paper of DoRA does not. */

static float *gradient_of(const Weight *part, size_t to_gradient)
{
    return (float *)(uintptr_t)part->data + to_gradient;
}

static Tensor as_rows(float *x, size_t rows, size_t columns)
{
    return (Tensor){ .n = 1, .h = (int)rows, .w = 1, .c = (int)columns, .x = x };
}

/* M = left right:  d_left += dM right',  d_right += left' dM.  A whole matrix takes dM itself. */
static void factor_back(Machine *m, const Module *mod, Factor f, Matrix dm, size_t to_gradient)
{
    const Weight *whole = mod->part[f.whole];
    const Weight *left = mod->part[f.left];
    const Weight *right = mod->part[f.right];
    if (whole) {
        add_into(m, gradient_of(whole, to_gradient), dm.x, dm.rows * dm.columns);
        return;
    }
    size_t r = right->shape[0];
    size_t shape[] = { r, dm.columns };
    Weight flat = *right;
    flat.rank = 2;
    flat.shape = shape;
    Tensor d = as_rows(dm.x, dm.rows, dm.columns);
    Tensor l = as_rows((float *)(uintptr_t)left->data, dm.rows, r);
    conv(m, as_rows(gradient_of(left, to_gradient), dm.rows, r), d, &flat, NULL,
         (Conv){ .stride = 1, .scale = 1, .add = 1 });
    conv_weight_back(m, gradient_of(right, to_gradient), l, d, &flat, (Conv){ .stride = 1, .scale = 1 });
}

static Matrix cleared(Machine *m, size_t rows, size_t columns)
{
    Matrix y = { .x = allocate(m->mem, rows * columns, sizeof *y.x), .rows = rows, .columns = columns };
    clear(m, y.x, rows * columns);
    return y;
}

/* dP and dQ of D = d (P (x) Q) */
static void kronecker_back(Machine *m, Matrix d, Matrix p, Matrix q, Matrix dp, Matrix dq)
{
    m->ops += 4 * (double)(d.rows * d.columns);
    for (size_t o = 0; o < d.rows && !m->dry; o++)
        for (size_t j = 0; j < p.columns; j++) {
            size_t first = o / q.rows * p.columns + j;
            const float *row = d.x + o * d.columns + j * q.columns;
            const float *other = q.x + o % q.rows * q.columns;
            float *d_other = dq.x + o % q.rows * q.columns;
            float sum = 0;
            for (size_t l = 0; l < q.columns; l++) {
                sum += row[l] * other[l];
                d_other[l] += row[l] * p.x[first];
            }
            dp.x[first] += sum;
        }
}

/* The gradients of the parts from d = dL/dV, which is overwritten. */
static void delta_back(Machine *m, Matrix d, const Module *mod, size_t to_gradient)
{
    const Family *f = mod->family;
    size_t n = d.rows * d.columns;
    Weight unscaled = { .name = "", .data = d.x, .type = F32 };
    weight_into(m, d.x, &unscaled, n, mod->scale, 0);
    if (f->combination == SUM) {
        factor_back(m, mod, f->second, d, to_gradient);
        return;
    }
    Matrix p = factor_matrix(m, mod, f->first, mod->first);
    Matrix q = factor_matrix(m, mod, f->second, mod->second);
    Matrix dp = cleared(m, p.rows, p.columns);
    Matrix dq = cleared(m, q.rows, q.columns);
    if (f->combination == KRONECKER) kronecker_back(m, d, p, q, dp, dq);
    else {
        add_hadamard(m, dp.x, d.x, q.x, n, 1);
        add_hadamard(m, dq.x, d.x, p.x, n, 1);
    }
    factor_back(m, mod, f->first, dp, to_gradient);
    factor_back(m, mod, f->second, dq, to_gradient);
}

/* One vector of DoRA: where it begins, and its `parts` of n values, `step` floats apart. */
typedef struct { size_t first, parts, n, step; } Vector;

/* d becomes dL/dV of this vector.  Returns dL/dg. */
static double vector_back(float *d, const float *v, Vector x, double g)
{
    double square = 0;
    double product = 0;
    for (size_t p = 0; p < x.parts; p++)
        for (size_t i = 0; i < x.n; i++) {
            size_t at = x.first + p * x.step + i;
            square += (double)v[at] * (double)v[at];
            product += (double)v[at] * (double)d[at];
        }
    double length = sqrt(square) + (double)FLT_EPSILON;
    double along = square > 0 ? product / (sqrt(square) * length) : 0;
    for (size_t p = 0; p < x.parts; p++)
        for (size_t i = 0; i < x.n; i++) {
            size_t at = x.first + p * x.step + i;
            d[at] = (float)(g / length * ((double)d[at] - along * (double)v[at]));
        }
    return product / length;
}

/* dL/dg is added, and d becomes dL/dV. */
static void dora_back(Machine *m, Matrix d, const Weight *w, const Module *mod, size_t to_gradient)
{
    const Weight *magnitude = adapter_magnitude(mod);
    const float *g = magnitude->data;
    Matrix v = { .x = widen(m, w), .rows = d.rows, .columns = d.columns };
    add_delta(m, v, mod, mod->scale);
    int by_row = has_magnitude_by_row(mod, d.rows);
    Vector x = { .parts = by_row ? 1 : d.rows, .n = by_row ? d.columns : d.columns / w->shape[1], .step = d.columns };
    m->ops += 6 * (double)(d.rows * d.columns);
    for (size_t i = 0; i < weight_numel(magnitude) && !m->dry; i++) {
        x.first = i * x.n;
        gradient_of(magnitude, to_gradient)[i] += (float)vector_back(d.x, v.x, x, (double)g[i]);
    }
}

const float *adapter_delta(Machine *m, const Module *mod, const Weight *w)
{
    Matrix y = cleared(m, w->shape[0], values_per_output(w));
    add_delta(m, y, mod, mod->scale);
    return y.x;
}

const Weight *adapter_changed(Machine *m, const Weight *w, const Module *mod)
{
    Weight *y = allocate(m->mem, 1, sizeof *y);
    *y = *w;
    float *x = widen(m, w);
    y->data = x;
    y->type = F32;
    y->bytes = weight_numel(w) * sizeof *x;
    adapter_change(m, (Matrix){ .x = x, .rows = w->shape[0], .columns = values_per_output(w) }, mod, w->shape[1], 1);
    return y;
}

void adapter_changed_back(Machine *m, Matrix dw, const Weight *w, const Module *mod, size_t to_gradient)
{
    size_t before = mark(m->mem);
    if (adapter_magnitude(mod)) dora_back(m, dw, w, mod, to_gradient);
    delta_back(m, dw, mod, to_gradient);
    release(m->mem, before);
}

/* ---- does it fit? -------------------------------------------------------------------------------- */

static int magnitude_fits(const Module *mod, const Weight *w)
{
    size_t inputs = w->rank > 1 ? w->shape[1] : 0;
    size_t expected = has_magnitude_by_row(mod, w->shape[0]) ? w->shape[0] : inputs;
    return weight_numel(adapter_magnitude(mod)) == expected;
}

static int vector_fits(const Module *mod, const Weight *w)
{
    size_t inputs = w->rank > 1 ? w->shape[1] : 1;
    return weight_numel(mod->part[mod->family->second.whole]) == (mod->on_input ? inputs : w->shape[0]);
}

static int rotation_fits(const Module *mod, const Weight *w)
{
    const Rotation *r = &mod->rotation;
    size_t rows = r->of_columns ? values_per_output(w) : w->shape[0];
    if (mod->part[RESCALE] && weight_numel(mod->part[RESCALE]) != w->shape[0]) return 0;
    if (r->stages > 1 && rows % (r->size << (r->stages - 1))) return 0;
    return r->shared ? rows % r->size == 0 : rows == r->blocks * r->size;
}

static int family_fits(const Module *mod, const Weight *w)
{
    size_t inputs = w->rank > 1 ? w->shape[1] : 1;
    switch (mod->family->combination) {
    case SCALING:   return vector_fits(mod, w);
    case ROTATION:  return rotation_fits(mod, w);
    case OF_WEIGHT: if (mod->first.rows != inputs) return 0; break;
    default:        break;
    }
    return mod->all.rows == w->shape[0] && mod->all.columns == values_per_output(w);
}

/* What the parts are together, for a message: "make [320,320]" */
static const char *made_of(Arena *a, const Module *mod)
{
    const Weight *part = adapter_some_part(mod);
    Combination how = mod->family->combination;
    if (how == SCALING || how == ROTATION) return format(a, "are of %s", shape_text(a, part));
    return format(a, "make [%zu,%zu]", mod->all.rows, mod->all.columns);
}

const char *adapter_misfit(Arena *a, const Module *mod, const char *layer, const Weight *w, const Weight *bias)
{
    const Weight *magnitude = adapter_magnitude(mod);
    const Weight *bias_difference = mod->part[DIFF_B];
    if (mod->family && !family_fits(mod, w))
        return format(a, "%s and its partners (%s) %s, but %s.weight is %s", adapter_some_part(mod)->name,
                      mod->family->name, made_of(a, mod), layer, shape_text(a, w));
    if (magnitude && !magnitude_fits(mod, w))
        return format(a, "%s is %s, but %s.weight is %s", magnitude->name, shape_text(a, magnitude), layer,
                      shape_text(a, w));
    if (bias_difference && !bias) return format(a, "%s: %s has no bias", bias_difference->name, layer);
    if (bias_difference && weight_numel(bias_difference) != weight_numel(bias))
        return format(a, "%s is %s, but %s.bias is %s", bias_difference->name, shape_text(a, bias_difference), layer,
                      shape_text(a, bias));
    return NULL;
}
