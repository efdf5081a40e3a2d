/* adapter_parts.c - the parts of an adapter that is trained: which matrices a layer gets, and how they begin.
 *
 * W is [out,in], or [out,in,k,k] for a convolution.  r is the rank, and U is uniform in +-1/sqrt(fan_in)
 * (torch.nn.init.kaiming_uniform_(w, a=sqrt(5))):
 *
 *     LoRA   down [r,in(,k,k)] U, up [out,r(,1,1)] zero
 *     LoHa   w1_a [out,r] N(0, 0.1), w1_b [r,in k k] N(0, 1), w2_a [out,r] zero, w2_b [r,in k k] N(0, 1)
 *     LoKr   out = a b, in = c d:  w1 [a,c] U, or w1_a [a,r] U and w1_b [r,c] U;
 *                                  w2 [b,d(,k,k)] zero, or w2_a [b,r] U and w2_b [r,d k k] zero
 *     DoRA   dora_scale, the lengths of the rows of W [out,1(,1,1)], or of its columns [1,in(,1,1)]
 *
 * One part of each begins at zero, so training begins with an unchanged model.  A factor of LoKr is a product only
 * where that is smaller: where r is below half of its longer side.  Reference: LyCORIS' modules, which write the
 * same. */
#include "adapter_parts.h"

#include "adapter_weight.h"
#include "dtype.h"

#include <math.h>
#include <string.h>

const char *const adapter_algo_names[] = {
    [ALGO_LORA] = "lora",
    [ALGO_LOHA] = "loha",
    [ALGO_LOKR] = "lokr",
    [ALGOS]     = NULL,
};

/* ---- shapes ------------------------------------------------------------------------------------ */

void adapter_factorize(size_t dimension, int factor, size_t side[2])
{
    size_t most = factor > 0 ? (size_t)factor : dimension;
    size_t m = 1;
    if (factor > 0 && dimension % most == 0) m = most;
    else
        for (size_t next = 2; next <= most && m < dimension / m; next++)
            if (dimension % next == 0) m = next;
    size_t n = dimension / m;
    side[0] = m < n ? m : n;
    side[1] = m < n ? n : m;
}

static void add_part(Arena *a, Module *m, AdapterPart part, size_t rank, const size_t shape[4])
{
    Weight *w = allocate(a, 1, sizeof *w);
    size_t *own = allocate(a, 4, sizeof *own);
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) {
        own[i] = shape[i];
        n *= shape[i];
    }
    *w = (Weight){ .name = adapter_part_name(part), .type = F32, .rank = rank, .shape = own,
                   .bytes = n * sizeof(float) };
    m->part[part] = w;
}

static void add_matrix(Arena *a, Module *m, AdapterPart part, size_t rows, size_t columns)
{
    add_part(a, m, part, 2, (size_t[]){ rows, columns, 0, 0 });
}

static size_t kernel_of(const Weight *w) { return w->rank == 4 ? w->shape[2] : 1; }

static void add_lora(Arena *a, Module *m, const Weight *w, size_t r)
{
    size_t k = kernel_of(w);
    add_part(a, m, DOWN, w->rank, (size_t[]){ r, w->shape[1], k, k });
    add_part(a, m, UP, w->rank, (size_t[]){ w->shape[0], r, 1, 1 });
}

static void add_loha(Arena *a, Module *m, const Weight *w, size_t r)
{
    add_matrix(a, m, HADA_1A, w->shape[0], r);
    add_matrix(a, m, HADA_1B, r, values_per_output(w));
    add_matrix(a, m, HADA_2A, w->shape[0], r);
    add_matrix(a, m, HADA_2B, r, values_per_output(w));
}

static void add_lokr(Arena *a, Module *m, const Weight *w, const AdapterKind *kind, size_t r)
{
    size_t out[2], in[2];
    size_t k = kernel_of(w);
    adapter_factorize(w->shape[0], kind->factor, out);
    adapter_factorize(w->shape[1], kind->factor, in);
    size_t first = out[0] > in[0] ? out[0] : in[0];
    size_t second = out[1] > in[1] ? out[1] : in[1];
    if (kind->decompose_both && !kind->full_matrix && 2 * r < first) {
        add_matrix(a, m, LOKR_1A, out[0], r);
        add_matrix(a, m, LOKR_1B, r, in[0]);
    }
    else add_matrix(a, m, LOKR_1, out[0], in[0]);
    if (!kind->full_matrix && 2 * r < second) {
        add_matrix(a, m, LOKR_2A, out[1], r);
        add_matrix(a, m, LOKR_2B, r, in[1] * k * k);
    }
    else add_part(a, m, LOKR_2, w->rank, (size_t[]){ out[1], in[1], k, k });
}

static void add_magnitude(Arena *a, Module *m, const Weight *w, int on_output)
{
    size_t rows = on_output ? w->shape[0] : 1;
    size_t columns = on_output ? 1 : w->shape[1];
    add_part(a, m, SCALE, w->rank, (size_t[]){ rows, columns, 1, 1 });
}

/* alpha as files have it, which divided by the rank is the scale.  Where no factor of LoKr is a product it counts
 * once, and LyCORIS writes the rank; a rank that half precision does not hold is written as 1, which means the same. */
static void add_alpha(Arena *a, Module *m, const AdapterKind *kind, size_t rank, float alpha)
{
    float *value = allocate(a, 1, sizeof *value);
    int is_scaled = m->all.rank > 0;
    *value = is_scaled ? alpha : (float)rank;
    if (!is_scaled && rank > 2048) *value = 1;
    m->scale = is_scaled ? *value / (float)rank : 1;
    if (kind->rs_lora && is_scaled) {
        m->scale = (float)((double)*value / sqrt((double)rank));
        *value = (float)((double)*value * sqrt((double)rank));
    }
    add_part(a, m, ALPHA, 0, NULL);
    ((Weight *)(uintptr_t)m->part[ALPHA])->data = value;
}

Module adapter_parts(Arena *a, const char *layer, const Weight *w, const AdapterKind *kind, size_t rank, float alpha)
{
    Module m = { .layer = layer };
    switch (kind->algo) {
    case ALGO_LOHA: add_loha(a, &m, w, rank); break;
    case ALGO_LOKR: add_lokr(a, &m, w, kind, rank); break;
    default:        add_lora(a, &m, w, rank); break;
    }
    adapter_measure(a, layer, &m);
    if (kind->dora_wd) add_magnitude(a, &m, w, kind->wd_on_output);
    add_alpha(a, &m, kind, rank, alpha);
    return m;
}

/* ---- from a file -------------------------------------------------------------------------------- */

/* LyCORIS' dora_scale and PEFT's magnitude are the same: the lengths of the rows. */
static const Weight *part_of(const Module *m, AdapterPart p)
{
    if (p == SCALE && !m->part[SCALE]) return m->part[MAGNITUDE];
    return p == MAGNITUDE ? NULL : m->part[p];
}

static int is_trained_family(const Module *m)
{
    Combination how = m->family ? m->family->combination : ROTATION;
    int is_added = how == SUM || how == HADAMARD || how == KRONECKER;
    return is_added && !m->part[MID] && !m->part[HADA_T1] && !m->part[LOKR_T2] && !m->part[DIFF] && !m->part[DIFF_B];
}

static void take_scale(Module *to, const Module *from)
{
    double rank = to->all.rank ? (double)to->all.rank : 1;
    to->scale = from->scale;
    *(float *)(uintptr_t)to->part[ALPHA]->data = (float)((double)from->scale * rank);
}

const char *adapter_parts_like(Arena *a, const char *layer, const Weight *w, const Module *from, Module *made)
{
    if (!is_trained_family(from))
        return format(a, "%s is of a kind that is not trained here", adapter_some_part(from)->name);
    const char *wrong = adapter_misfit(a, from, layer, w, NULL);
    if (wrong) return wrong;
    *made = (Module){ .layer = layer };
    for (AdapterPart p = DOWN; p < ALPHA; p++) {
        const Weight *part = part_of(from, p);
        size_t shape[4] = { 0, 1, 1, 1 };
        if (!part) continue;
        for (size_t i = 0; i < part->rank; i++) shape[i] = part->shape[i];
        if (part == from->part[MAGNITUDE]) {
            memcpy(shape, (size_t[]){ weight_numel(part), 1, 1, 1 }, sizeof shape);
            add_part(a, made, p, w->rank, shape);
        }
        else add_part(a, made, p, part->rank, shape);
    }
    adapter_measure(a, layer, made);
    float *alpha = allocate(a, 1, sizeof *alpha);
    add_part(a, made, ALPHA, 0, NULL);
    ((Weight *)(uintptr_t)made->part[ALPHA])->data = alpha;
    take_scale(made, from);
    return NULL;
}

const char *adapter_take(Arena *a, Module *to, const Module *from)
{
    for (AdapterPart p = DOWN; p < ALPHA; p++) {
        const Weight *mine = to->part[p];
        const Weight *other = part_of(from, p);
        if (!mine && !other) continue;
        if (mine && other && weight_numel(mine) == weight_numel(other)) continue;
        const char *here = mine ? shape_text(a, mine) : "none";
        const char *there = other ? shape_text(a, other) : "none";
        return format(a, "%s of %s is %s there, %s here", adapter_part_name(p), to->layer, there, here);
    }
    for (AdapterPart p = DOWN; p < ALPHA; p++)
        if (to->part[p])
            dtype_to_float((float *)(uintptr_t)to->part[p]->data, part_of(from, p)->data, part_of(from, p)->type, 0,
                           weight_numel(to->part[p]));
    take_scale(to, from);
    return NULL;
}

/* ---- max norm regularization --------------------------------------------------------------------- */

double adapter_norm(Machine *m, const Module *mod, const Weight *w)
{
    size_t before = mark(m->mem);
    size_t n = weight_numel(w);
    const float *dw = adapter_delta(m, mod, w);
    double square = 0;
    for (size_t i = 0; i < n && !m->dry; i++) square += (double)dw[i] * (double)dw[i];
    release(m->mem, before);
    return sqrt(square);
}

static void multiply(const Weight *w, double factor)
{
    for (size_t i = 0; w && i < weight_numel(w); i++) ((float *)(uintptr_t)w->data)[i] *= (float)factor;
}

/* kohya: both matrices of a pair take the square root of it.  LyCORIS: LoHa's first matrix takes it, and the factors of
 * LoKr, of which there are two to four, share it. */
void adapter_multiply(const Module *mod, double ratio)
{
    static const AdapterPart shared[] = { DOWN, UP, LOKR_1, LOKR_1A, LOKR_1B, LOKR_2, LOKR_2A, LOKR_2B };
    enum { SHARED = sizeof shared / sizeof *shared };
    int count = 0;
    for (size_t i = 0; i < SHARED; i++)
        if (mod->part[shared[i]]) count++;
    for (size_t i = 0; i < SHARED; i++) multiply(mod->part[shared[i]], pow(ratio, 1.0 / count));
    multiply(mod->part[HADA_1A], ratio);
}

/* ---- the beginning ------------------------------------------------------------------------------ */

static float *writable(const Weight *w) { return (float *)(uintptr_t)w->data; }

/* torch.nn.init.kaiming_uniform_(w, a=sqrt(5)), which is uniform in +-1/sqrt(fan_in) */
static void kaiming_uniform(const Weight *w, Rng *rng)
{
    if (!w) return;
    float *x = writable(w);
    size_t n = weight_numel(w);
    float bound = 1 / sqrtf((float)values_per_output(w));
    for (size_t i = 0; i < n; i++) x[i] = (2 * rng_uniform(rng) - 1) * bound;
}

/* torch.nn.init.normal_(w, std=deviation) */
static void normal(const Weight *w, Rng *rng, float deviation)
{
    if (!w) return;
    float *x = writable(w);
    size_t n = weight_numel(w);
    rng_normal(rng, x, n);
    for (size_t i = 0; i < n; i++) x[i] *= deviation;
}

/* The lengths of the rows of W, or of its columns over all rows and taps. */
static void lengths(const Weight *scale, const Weight *w)
{
    size_t n = weight_numel(scale);
    size_t columns = values_per_output(w);
    size_t taps = columns / w->shape[1];
    int of_rows = scale->shape[0] == w->shape[0];
    for (size_t v = 0; v < n; v++) {
        double square = 0;
        size_t rows = of_rows ? 1 : w->shape[0];
        size_t length = of_rows ? columns : taps;
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < length; i++) {
                double x = (double)dtype_value(w->data, w->type, r * columns + v * length + i);
                square += x * x;
            }
        writable(scale)[v] = (float)sqrt(square);
    }
}

void adapter_begin(const Module *mod, const Weight *w, Rng *rng)
{
    kaiming_uniform(mod->part[DOWN], rng);
    normal(mod->part[HADA_1B], rng, 1);
    normal(mod->part[HADA_1A], rng, 0.1f);
    normal(mod->part[HADA_2B], rng, 1);
    kaiming_uniform(mod->part[LOKR_2A], rng);
    kaiming_uniform(mod->part[LOKR_1], rng);
    kaiming_uniform(mod->part[LOKR_1A], rng);
    kaiming_uniform(mod->part[LOKR_1B], rng);
    if (mod->part[SCALE]) lengths(mod->part[SCALE], w);
}
