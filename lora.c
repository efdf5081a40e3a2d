/* lora.c - what a LoRA is, and how it changes a layer.
 *
 * A linear layer or convolution computes y = W x + b with a weight W of [out,in].  A LoRA (Hu et al., 2021) leaves W
 * as it is and adds a product of two thin matrices, B of [out,r] ("lora_up") and A of [r,in] ("lora_down"), r being
 * its rank:
 *
 *     W' = W + strength alpha/r B A
 *
 * It is computed in three ways, which give the same y:
 *
 *     beside the layer    y = W x + strength alpha/r B (A x).  This is cheap, and W stays as it is in its file.
 *                         nn.c: low_rank_adapter(), with the pair from lora_pair() here
 *     merged              W' is built for the call and released after it.  This is for everything that is more than a
 *                         pair: lora_merge() here.  diffusers: fuse_lora
 *     learned             A and B are trainable parameters.  Their gradients, with ' for transposed:
 *                             dA = strength alpha/r B' dy x',        dB = strength alpha/r dy (A x)'
 *                         nn.c: low_rank_backward(); trainable.c has the parameters
 *
 * The relatives make dW differently (LoHa, LoKr, full differences: adapter_file.h), or scale the rows of the result:
 *
 *     DoRA (Liu et al., 2024):   V = W + alpha/r dW,    W' = W + strength (magnitude V / |V| - W)
 *
 * A layer asks for its own name.  adapter_report.c reports what no layer asked for. */
#include "lora.h"

#include "adapter_file.h"

#include <string.h>

Lora *lora_open(Arena *a, const LoraUse *use, size_t count)
{
    Lora *l = allocate(a, 1, sizeof *l);
    *l = (Lora){ .file = allocate(a, count, sizeof *l->file), .count = count };
    for (size_t i = 0; i < count; i++) l->file[i] = adapter_open(a, use[i]);
    return l;
}

/* ---- beside the layer -------------------------------------------------------------------------- */

/* Does any file hold more for this layer than a pair?  Then all of them are merged. */
static int needs_merging(const Lora *l, const char *flat)
{
    for (size_t i = 0; i < l->count; i++) {
        const Module *m = adapter_module(&l->file[i], flat);
        if (m && !adapter_is_pair(m)) return 1;
    }
    return 0;
}

int lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, LoraPair *pair)
{
    size_t before = mark(a);
    const char *flat = flat_layer(a, layer);
    const Module *m = adapter_module(&l->file[i], flat);
    if (m && needs_merging(l, flat)) m = NULL;
    release(a, before);
    if (!m) return 0;
    *pair = (LoraPair){
        .down = m->part[DOWN],
        .up = m->part[UP],
        .scale = adapter_strength(&l->file[i], m) * m->scale,
    };
    return 1;
}

/* ---- merged: the matrix of a factor ------------------------------------------------------------ */

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

/* ---- merged: W + dW ---------------------------------------------------------------------------- */

/* y += scale dW */
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

static const Weight *magnitude_of(const Module *mod)
{
    return mod->part[MAGNITUDE] ? mod->part[MAGNITUDE] : mod->part[SCALE];
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
    decompose(m, y, w, widen(m, magnitude_of(mod)), d);
    release(m->mem, before);
}

/* A copy of a weight as floats, which the adapters are then added to. */
static Weight *copy_as_floats(Machine *m, const Weight *w)
{
    Weight *y = allocate(m->mem, 1, sizeof *y);
    *y = *w;
    y->data = widen(m, w);
    y->type = F32;
    y->bytes = weight_numel(w) * sizeof(float);
    return y;
}

static float *writable(const Weight *copy)
{
    return (float *)(uintptr_t)copy->data;
}

static int magnitude_fits(const Module *mod, const Weight *w)
{
    size_t inputs = w->rank > 1 ? w->shape[1] : 0;
    size_t expected = has_magnitude_by_row(mod, w->shape[0]) ? w->shape[0] : inputs;
    return weight_numel(magnitude_of(mod)) == expected;
}

/* Returns NULL when the adapter fits the layer, or a message that says what does not fit. */
static const char *misfit(Arena *a, const Module *mod, const char *layer, const Weight *w, const Weight *bias)
{
    const Weight *magnitude = magnitude_of(mod);
    const Weight *bias_difference = mod->part[DIFF_B];
    if (mod->family && (mod->all.rows != w->shape[0] || mod->all.columns != values_per_output(w)))
        return format(a, "%s and its partners (%s) make [%zu,%zu], but %s.weight is %s", adapter_some_part(mod)->name,
                      mod->family->name, mod->all.rows, mod->all.columns, layer, shape_text(a, w));
    if (magnitude && !magnitude_fits(mod, w))
        return format(a, "%s is %s, but %s.weight is %s", magnitude->name, shape_text(a, magnitude), layer,
                      shape_text(a, w));
    if (bias_difference && !bias) return format(a, "%s: %s has no bias", bias_difference->name, layer);
    if (bias_difference && weight_numel(bias_difference) != weight_numel(bias))
        return format(a, "%s is %s, but %s.bias is %s", bias_difference->name, shape_text(a, bias_difference), layer,
                      shape_text(a, bias));
    return NULL;
}

static void merge_module(Machine *m, const Module *mod, float strength, const Weight *w, const Weight *bias)
{
    Matrix y = { .x = writable(w), .rows = w->shape[0], .columns = values_per_output(w) };
    size_t inputs = w->rank > 1 ? w->shape[1] : 1;
    const Weight *bias_difference = mod->part[DIFF_B];
    if (mod->family && magnitude_of(mod)) add_dora(m, y, mod, inputs, strength);
    else if (mod->family) add_delta(m, y, mod, strength * mod->scale);
    if (bias_difference) weight_into(m, writable(bias), bias_difference, weight_numel(bias), strength, 1);
}

/* LoRA merged into the weight:  W' = W + the sum of what every file adds */
const char *lora_merge(Machine *m, const Lora *l, const char *layer, const Weight **w, const Weight **bias)
{
    const char *flat = flat_layer(m->mem, layer);
    if (!needs_merging(l, flat)) return NULL;
    Weight *merged = copy_as_floats(m, *w);
    Weight *merged_bias = NULL;
    if (bias && *bias) merged_bias = copy_as_floats(m, *bias);
    for (size_t i = 0; i < l->count; i++) {
        const Module *mod = adapter_module(&l->file[i], flat);
        if (!mod) continue;
        const char *wrong = misfit(m->mem, mod, layer, merged, merged_bias);
        if (wrong) return wrong;
        merge_module(m, mod, adapter_strength(&l->file[i], mod), merged, merged_bias);
    }
    *w = merged;
    if (merged_bias) *bias = merged_bias;
    return NULL;
}
