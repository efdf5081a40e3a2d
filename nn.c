/* nn.c - layers, forward beside backward.
 *
 * Every layer has the same parts: it finds and checks its weights, allocates its result, hands both to the kernels
 * (kernel.h), and records on the tape how to go back (tape.h).  The backward function of a layer stands above the
 * layer.  Its comment quotes the forward formula and then the gradients: dx is the gradient of the loss by x, s is the
 * sigmoid, ' means transposed.
 *
 * A tensor with c = 0 is one of unknown size, because the weight that sets its size is missing.  Checks skip it, so a
 * dry run reports causes and not their consequences.
 *
 * LoRA is applied here.  low_rank_adapter() adds a pair of matrices beside the layer's own product, whether the pair
 * comes from a file (lora.c) or is being trained.  merge_adapters() replaces the weight where a file holds more than a
 * pair.  lora.c says what a LoRA is. */
#include "nn.h"

#include "adapter_weight.h"
#include "checkpoint.h"
#include "files.h"
#include "lora.h"
#include "trainable.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 8, GROUPS = 32, MOST_OUTPUTS = 1 << 20 };

/* ---- names and problems ------------------------------------------------------------------------ */

const char *at(Run *r, const char *prefix, const char *leaf)
{
    return format(r->machine->mem, "%s.%s", prefix, leaf);
}

const Weight *find(Run *r, const char *layer, const char *leaf)
{
    size_t before = mark(r->machine->mem);
    const Weight *w = weights_find(r->weights, at(r, layer, leaf));
    release(r->machine->mem, before);
    return w;
}

int has(Run *r, const char *layer)
{
    return find(r, layer, "weight") != NULL;
}

void problem(Run *r, const char *fmt, ...)
{
    char line[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (!r->problems) fail(r->machine->mem, "%s", line);
    r->problems->count++;
    if (r->problems->count > LISTED) return;
    size_t n = strlen(r->problems->text);
    snprintf(r->problems->text + n, LISTED * sizeof line - n, "\n  %s", line);
}

/* Is w [out,in] or [out,in,1,1] for kernel_size 1, else [out,in,kernel_size,kernel_size]? */
static int has_matrix_shape(const Weight *w, size_t kernel_size)
{
    int shape_fits = w->rank == 2 && kernel_size == 1;
    if (w->rank == 4) shape_fits = w->shape[2] == kernel_size && w->shape[3] == kernel_size;
    return shape_fits && w->shape[0] && w->shape[0] < MOST_OUTPUTS;
}

/* The weight of a layer whose input has c channels.  Returns NULL after reporting a problem. */
static const Weight *matrix(Run *r, const char *layer, int c, size_t kernel_size)
{
    const Weight *w = find(r, layer, "weight");
    if (!w) {
        problem(r, "%s.weight is missing", layer);
        return NULL;
    }
    int shape_fits = has_matrix_shape(w, kernel_size);
    if (shape_fits && (!c || w->shape[1] == (size_t)c)) return w;
    Arena *a = r->machine->mem;
    const char *expected = format(a, "[out,%d]", c);
    const char *hint = "";
    if (kernel_size > 1) expected = format(a, "[out,%d,%zu,%zu]", c, kernel_size, kernel_size);
    if (shape_fits && !strcmp(layer, "unet.conv_in") && w->shape[1] > 4)
        hint = ": an inpainting or editing checkpoint? use a text-to-image one";
    problem(r, "%s.weight is %s, expected %s%s", layer, shape_text(a, w), expected, hint);
    return NULL;
}

/* A vector of c values.  Returns NULL after reporting a problem. */
static const Weight *vector(Run *r, const char *layer, const char *leaf, int c)
{
    const Weight *w = find(r, layer, leaf);
    if (!w) {
        problem(r, "%s.%s is missing", layer, leaf);
        return NULL;
    }
    if (w->rank == 1 && (!c || w->shape[0] == (size_t)c)) return w;
    problem(r, "%s.%s is %s, expected [%d]", layer, leaf, shape_text(r->machine->mem, w), c);
    return NULL;
}

static Tensor probed(Run *r, const char *layer, Tensor y)
{
    const Callbacks *c = r->callbacks;
    if (c && c->probe && !r->machine->dry) c->probe(c->to, layer, y);
    return y;
}

/* ---- memory ------------------------------------------------------------------------------------ */

Tensor tensor(Run *r, int n, int h, int w, int c)
{
    Tensor t = { .n = n, .h = h, .w = w, .c = c };
    t.x = allocate(r->machine->mem, size(t), sizeof *t.x);
    return t;
}

/* y = x, moved down in memory:  dx = dy, moved up again.  They may overlap, so only the rest of dy is cleared. */
static void compact_backward(Machine *m, const Op *op)
{
    size_t count = size(op->y.t);
    size_t shift = (size_t)(op->in[0].d - op->y.d);
    if (m->dry || !shift) return;
    memmove(op->in[0].d, op->y.d, count * sizeof *op->y.d);
    memset(op->y.d, 0, (shift < count ? shift : count) * sizeof *op->y.d);
}

Tensor compact(Run *r, size_t to, Tensor t)
{
    Tensor before = t;
    release(r->machine->mem, to);
    t.x = allocate(r->machine->mem, size(t), sizeof *t.x);
    move_down(r->machine, t.x, before.x, size(t));
    return record(r->machine, r->tape, t, (Op){ .backward = compact_backward, .in = { { before } } });
}

static void drop_mapped_backward(Machine *m, const Op *op)
{
    (void)op;
    if (!m->dry) files_trim(m->mem);
}

Tensor drop_mapped_weights(Run *r, Tensor x)
{
    if (!r->trainable) return x;
    if (!r->machine->dry) files_trim(r->machine->mem);
    return record(r->machine, r->tape, x, (Op){ .backward = drop_mapped_backward });
}

/* Gradient checkpointing, if the run wants it. */
Tensor checkpointed(Run *r, Block *block, const void *args, size_t bytes, const Tensor in[INPUTS])
{
    if (r->tape && r->gradient_checkpointing) return record_checkpoint(r->machine, r->tape, block, r, args, bytes, in);
    return block(r, args);
}

/* ---- adapters that are more than a low-rank pair ----------------------------------------------- */

/* LoRA merged: replaces *w and *bias by W' and the new bias where a LoRA file holds more than a pair (lora_merge() in
 * lora.c).  W' is released with the layer, so backward() could not use it: with a tape that is a problem. */
static void merge_adapters(Run *r, const char *layer, const Weight **w, const Weight **bias)
{
    const Weight *own_weight = *w;
    const Weight *own_bias = *bias;
    if (!r->lora) return;
    const char *wrong = lora_merge(r->machine, r->lora, layer, w, bias);
    if (wrong) problem(r, "%s", wrong);
    if (r->tape && (*w != own_weight || *bias != own_bias))
        problem(r, "%s: nothing can learn while a file in use changes this layer by more than a low-rank pair", layer);
}

/* ---- products: linear layers, convolutions, and LoRA beside them ------------------------------- */

static Tensor gradient_tensor(Var v)
{
    v.t.x = v.d;
    return v.t;
}

/* y = x W' + b:  dx += dy W */
static void product_backward(Machine *m, const Op *op)
{
    if (op->in[0].d) conv_back(m, gradient_tensor(op->in[0]), gradient_tensor(op->y), op->product.w, op->product.how);
}

/* y = x W' + b + scale up(z),  z = down(x):
 * d up += scale dy' z;   dz = scale dy up;   d down += dz' x;   dx += dy W + dz down */
static void low_rank_backward(Machine *m, const Op *op)
{
    lora_backward(m, gradient_tensor(op->in[0]), gradient_tensor(op->y), op->in[0].t, op->in[1].t, &op->low_rank);
}

/* LoRA forward, beside the layer:  y = x W' + b + scale up(down(x));  without W:  y += scale up(down(x))
 * scale = strength * alpha / rank.  in[1] is z = down(x).  Only the gradients of a trainable pair need values. */
static Tensor low_rank_adapter(Run *r, Tensor y, Tensor x, const Weight *bias, LoraLayer pair)
{
    size_t before = mark(r->machine->mem);
    int trainable = pair.d_down != NULL;
    Tensor z = tensor(r, y.n, y.h, y.w, (int)pair.down->shape[0]);
    lora_forward(r->machine, y, z, x, bias, &pair);
    Op op = {
        .backward = low_rank_backward,
        .in = { { x }, { z } },
        .values = trainable ? 2 : 0,
        .is_leaf = trainable,
        .low_rank = pair,
    };
    y = record(r->machine, r->tape, y, op);
    release(r->machine->mem, before);
    return y;
}

/* Does this LoRA pair fit a layer with weight w, input x and output y?  Reports a problem when it does not. */
static int pair_fits(Run *r, Tensor y, Tensor x, const Weight *w, const LoraLayer *p)
{
    size_t kernel_size = w->rank == 4 ? w->shape[2] : 1;
    size_t down_size = p->down->rank == 4 ? p->down->shape[2] : 1;
    int kernel_fits = weight_numel(p->down) == p->down->shape[0] * p->down->shape[1] * kernel_size * kernel_size;
    int inputs_fit = p->down->shape[1] == (size_t)x.c;
    int outputs_fit = p->up->shape[0] == (size_t)y.c;
    if (inputs_fit && outputs_fit && down_size == kernel_size && kernel_fits) return 1;
    Arena *a = r->machine->mem;
    const char *down = shape_text(a, p->down);
    const char *up = shape_text(a, p->up);
    problem(r, "%s is %s and its lora_up %s, but the layer it is for is %s", p->down->name, down, up,
            shape_text(a, w));
    return 0;
}

/* The same with another strength in each frame:  y[n] += scale by_frame[n mod frames] up(down(x[n])) */
static Tensor low_rank_adapter_by_frame(Run *r, Tensor y, Tensor x, LoraLayer pair, const float *by_frame)
{
    size_t before = mark(r->machine->mem);
    Tensor z = tensor(r, y.n, y.h, y.w, (int)pair.down->shape[0]);
    size_t each = size(z) / (size_t)z.n;
    size_t first = r->picture ? (size_t)r->picture - 1 : 0;
    int has_all_frames = r->picture || y.n % r->frames == 0;
    if (r->tape || !has_all_frames)
        problem(r, "%s: its strength cannot change with the frames here", pair.down->name);
    conv(r->machine, z, x, pair.down, NULL, pair.how);
    for (size_t n = 0; n < (size_t)z.n && !r->machine->dry; n++)
        for (size_t i = 0; i < each; i++) z.x[n * each + i] *= by_frame[(first + n) % (size_t)r->frames];
    conv(r->machine, y, z, pair.up, NULL, (Conv){ .stride = 1, .scale = pair.scale, .add = 1 });
    release(r->machine->mem, before);
    return y;
}

/* y += scale up(down(x)), for every LoRA file that has a pair for this layer */
static Tensor add_pairs_of_files(Run *r, const char *layer, Tensor y, Tensor x, const Weight *w, Conv how)
{
    if (!r->lora) return y;
    for (size_t i = 0; i < r->lora->count; i++) {
        LoraPair pair;
        if (!lora_pair(r->machine->mem, r->lora, i, layer, r->frames, &pair)) continue;
        LoraLayer p = { .down = pair.down, .up = pair.up, .scale = pair.scale, .how = how };
        if (!pair_fits(r, y, x, w, &p)) continue;
        if (pair.by_frame) y = low_rank_adapter_by_frame(r, y, x, p, pair.by_frame);
        else y = low_rank_adapter(r, y, x, NULL, p);
    }
    return y;
}

/* y = V(x) + b, where V is what a trainable adapter makes of the weight:  dx += dy V,  dV = dy' x, and from there to
 * the parts of the adapter (adapter_weight.c).  V is made again, because those of all layers would be
 * a second model. */
static void adapted_backward(Machine *m, const Op *op)
{
    const Weight *w = op->adapted.w;
    if (op->adapted.is_dropped) {
        if (op->in[0].d) conv_back(m, gradient_tensor(op->in[0]), gradient_tensor(op->y), w, op->adapted.how);
        return;
    }
    size_t before = mark(m->mem);
    Tensor dy = gradient_tensor(op->y);
    if (op->in[0].d)
        conv_back(m, gradient_tensor(op->in[0]), dy, adapter_changed(m, w, op->adapted.module), op->adapted.how);
    Matrix dw = { .rows = w->shape[0], .columns = values_per_output(w) };
    dw.x = allocate(m->mem, dw.rows * dw.columns, sizeof *dw.x);
    clear(m, dw.x, dw.rows * dw.columns);
    conv_weight_back(m, dw.x, dy, op->in[0].t, w, op->adapted.how);
    adapter_changed_back(m, dw, w, op->adapted.module, op->adapted.to_gradient);
    release(m->mem, before);
}

static Tensor adapted_product(Run *r, const Module *module, Tensor y, Tensor x, const Weight *w, const Weight *bias,
                              Conv how)
{
    size_t before = mark(r->machine->mem);
    int is_dropped = trainable_is_dropped(r->trainable, module);
    conv(r->machine, y, x, is_dropped ? w : adapter_changed(r->machine, w, module), bias, how);
    Op op = {
        .backward = adapted_backward,
        .in = { { x } },
        .values = 1,
        .is_leaf = 1,
        .adapted = { .w = w, .module = module, .how = how, .is_dropped = is_dropped,
                     .to_gradient = (size_t)(r->trainable->d - r->trainable->x) },
    };
    y = record(r->machine, r->tape, y, op);
    release(r->machine->mem, before);
    return y;
}

/* The layer's own product, with the trainable adapter if there is one. */
static Tensor own_product(Run *r, const char *layer, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how)
{
    LoraLayer p = { .w = w, .how = how };
    const Module *module = trainable_module(r->trainable, layer);
    if (module && !adapter_is_pair(module)) return adapted_product(r, module, y, x, w, bias, how);
    if (module) {
        trainable_pair(r->trainable, module, &p);
        if (pair_fits(r, y, x, w, &p)) return low_rank_adapter(r, y, x, bias, p);
    }
    conv(r->machine, y, x, w, bias, how);
    return record(r->machine, r->tape, y, (Op){ .backward = product_backward, .in = { { x } }, .product = { w, how } });
}

/* How linear(), linear_no_bias(), conv2d() and conv2d_half() differ. */
typedef struct { int stride, pad, biased; size_t kernel_size; } ProductShape;

/* A linear layer or convolution with everything that LoRA adds.  place: an allocated tensor for the result; NULL: the
 * result is allocated here. */
static Tensor product(Run *r, const char *layer, Tensor x, ProductShape s, const Tensor *place)
{
    const Weight *w = matrix(r, layer, x.c, s.kernel_size);
    int outputs = w ? (int)w->shape[0] : 0;
    const Weight *bias = s.biased ? vector(r, layer, "bias", outputs) : NULL;
    Tensor y;
    if (place && w) y = *place;
    else y = tensor(r, x.n, (x.h - 1) / s.stride + 1, (x.w - 1) / s.stride + 1, outputs);
    if (!w || !x.c) return y;
    if (callbacks_stopped(r->callbacks)) fail_as(r->machine->mem, CANCELLED, "interrupted");
    size_t before = mark(r->machine->mem);
    Conv how = { .stride = s.stride, .pad = s.pad, .scale = 1 };
    merge_adapters(r, layer, &w, &bias);
    y = own_product(r, layer, y, x, w, bias, how);
    y = add_pairs_of_files(r, layer, y, x, w, how);
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

static const ProductShape conv3x3 = { .kernel_size = 3, .stride = 1, .pad = 1, .biased = 1 };

Tensor linear(Run *r, const char *layer, Tensor x)
{
    return product(r, layer, x, (ProductShape){ .kernel_size = 1, .stride = 1, .biased = 1 }, NULL);
}

Tensor linear_no_bias(Run *r, const char *layer, Tensor x)
{
    return product(r, layer, x, (ProductShape){ .kernel_size = 1, .stride = 1 }, NULL);
}

Tensor conv2d(Run *r, const char *layer, Tensor x, int stride)
{
    return product(r, layer, x, (ProductShape){ .kernel_size = 3, .stride = stride, .pad = 1, .biased = 1 }, NULL);
}

Tensor conv2d_half(Run *r, const char *layer, Tensor x)
{
    return product(r, layer, x, (ProductShape){ .kernel_size = 3, .stride = 2, .biased = 1 }, NULL);
}

/* ---- norms ------------------------------------------------------------------------------------- */

/* Group norm:  z = (x - mean) inv,  inv = 1 / sqrt(var + eps);   v = z gamma + beta;   y = v, or silu(v)
 * With a = gamma dv, and means over the group:   dx += inv (a - mean(a) - z mean(a z)) */
static void group_norm_backward(Machine *m, const Op *op)
{
    group_normalize_back(m, op->in[0].d, op->y.d, op->in[0].t.x, op->norm.gamma, op->norm.beta, op->norm.shape);
}

static void group_norm_forward(Machine *m, const Op *op)
{
    group_normalize(m, op->y.t.x, op->in[0].t.x, op->norm.gamma, op->norm.beta, op->norm.shape);
}

Tensor group_norm(Run *r, const char *layer, Tensor x, float eps, int frames, int activation)
{
    const Weight *gamma = vector(r, layer, "weight", x.c);
    const Weight *beta = vector(r, layer, "bias", x.c);
    if (x.c % GROUPS) problem(r, "%s: %d channels do not divide into %d groups", layer, x.c, GROUPS);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    if (!gamma || !beta || x.c % GROUPS || !x.c) return y;
    size_t before = mark(r->machine->mem);
    GroupNorm shape = {
        .samples = (size_t)(x.n / frames),
        .rows = (size_t)frames * (size_t)x.h * (size_t)x.w,
        .c = x.c,
        .groups = GROUPS,
        .eps = eps,
        .silu = activation == SILU,
    };
    merge_adapters(r, layer, &gamma, &beta);
    group_normalize(r->machine, y.x, x.x, gamma, beta, shape);
    Op op = {
        .backward = group_norm_backward,
        .forward = group_norm_forward,
        .in = { { x } },
        .values = 1,
        .norm = { .gamma = gamma, .beta = beta, .shape = shape },
    };
    y = record(r->machine, r->tape, y, op);
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

static const float LAYER_NORM_EPS = 1e-5f;

/* Layer norm is a group norm of one group, over each row alone. */
static void layer_norm_backward(Machine *m, const Op *op)
{
    const float *x = op->in[0].t.x;
    layer_normalize_back(m, op->in[0].d, op->y.d, x, op->norm.gamma, rows(op->y.t), op->y.t.c, LAYER_NORM_EPS);
}

static void layer_norm_forward(Machine *m, const Op *op)
{
    const float *x = op->in[0].t.x;
    layer_normalize(m, op->y.t.x, x, op->norm.gamma, op->norm.beta, rows(op->y.t), op->y.t.c, LAYER_NORM_EPS);
}

Tensor layer_norm(Run *r, const char *layer, Tensor x)
{
    const Weight *gamma = vector(r, layer, "weight", x.c);
    const Weight *beta = vector(r, layer, "bias", x.c);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    if (!gamma || !beta || !x.c) return y;
    size_t before = mark(r->machine->mem);
    merge_adapters(r, layer, &gamma, &beta);
    layer_normalize(r->machine, y.x, x.x, gamma, beta, rows(x), x.c, LAYER_NORM_EPS);
    Op op = {
        .backward = layer_norm_backward,
        .forward = layer_norm_forward,
        .in = { { x } },
        .values = 1,
        .norm = { .gamma = gamma, .beta = beta },
    };
    y = record(r->machine, r->tape, y, op);
    release(r->machine->mem, before);
    return probed(r, layer, y);
}

/* ---- activations ------------------------------------------------------------------------------- */

/* y = x s(k x):  dx += dy s (1 + k x (1 - s)),  s = s(k x)      SiLU: k = 1;  quick GELU: k = 1.702 */
static void silu_backward(Machine *m, const Op *op)
{
    swish_back(m, op->in[0].d, op->y.d, op->in[0].t.x, size(op->y.t), 1);
}

static void quick_gelu_backward(Machine *m, const Op *op)
{
    swish_back(m, op->in[0].d, op->y.d, op->in[0].t.x, size(op->y.t), 1.702f);
}

static void silu_forward(Machine *m, const Op *op)
{
    silu_of(m, op->y.t.x, op->in[0].t.x, size(op->y.t));
}

static void quick_gelu_forward(Machine *m, const Op *op)
{
    quick_gelu_of(m, op->y.t.x, op->in[0].t.x, size(op->y.t));
}

Tensor silu(Run *r, Tensor x)
{
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    silu_of(r->machine, y.x, x.x, size(x));
    Op op = { .backward = silu_backward, .forward = silu_forward, .in = { { x } }, .values = 1 };
    return record(r->machine, r->tape, y, op);
}

Tensor prelu(Run *r, const char *layer, Tensor x)
{
    const Weight *slope = vector(r, layer, "weight", x.c);
    if (slope) prelu_of(r->machine, x.x, slope, 0, rows(x), x.c);
    return x;
}

Tensor leaky_relu(Run *r, Tensor x, float slope)
{
    prelu_of(r->machine, x.x, NULL, slope, rows(x), x.c);
    return x;
}

Tensor quick_gelu(Run *r, Tensor x)
{
    Tensor y = tensor(r, x.n, x.h, x.w, x.c);
    quick_gelu_of(r->machine, y.x, x.x, size(x));
    Op op = { .backward = quick_gelu_backward, .forward = quick_gelu_forward, .in = { { x } }, .values = 1 };
    return record(r->machine, r->tape, y, op);
}

/* y = value gelu(gate):  d value += dy gelu(gate);   d gate += dy value gelu'(gate) */
static void geglu_backward(Machine *m, const Op *op)
{
    geglu_back(m, op->in[0].d, op->y.d, op->in[0].t.x, rows(op->y.t), op->y.t.c);
}

static void geglu_forward(Machine *m, const Op *op)
{
    geglu_of(m, op->y.t.x, op->in[0].t.x, rows(op->y.t), op->y.t.c);
}

Tensor geglu(Run *r, Tensor x)
{
    if (x.c % 2) problem(r, "a feed-forward layer has %d outputs, expected an even number", x.c);
    Tensor y = tensor(r, x.n, x.h, x.w, x.c / 2);
    geglu_of(r->machine, y.x, x.x, rows(x), y.c);
    Op op = { .backward = geglu_backward, .forward = geglu_forward, .in = { { x } }, .values = 1 };
    return record(r->machine, r->tape, y, op);
}

/* ---- adding, joining, repeating ---------------------------------------------------------------- */

/* a += b:  db += da, summed over all rows where b has only one row.  The gradient of a stays in place. */
static void add_backward(Machine *m, const Op *op)
{
    Var b = op->in[0];
    if (!b.d) return;
    if (rows(b.t) == rows(op->y.t)) add_into(m, b.d, op->y.d, size(b.t));
    else add_row_back(m, b.d, op->y.d, rows(op->y.t), b.t.c);
}

Tensor add(Run *r, Tensor a, Tensor b)
{
    if (a.c && b.c && a.c != b.c) {
        problem(r, "a layer gives %d channels where %d are added to it", a.c, b.c);
        return a;
    }
    if (!a.c || !b.c) {
        a.c = a.c ? a.c : b.c;
        return a;
    }
    size_t c = (size_t)a.c;
    size_t each = rows(a) / (size_t)a.n;
    if (size(a) == size(b)) add_into(r->machine, a.x, b.x, size(a));
    else if (b.n == 1) add_row(r->machine, a.x, b.x, rows(a), c);
    else for (size_t n = 0; n < (size_t)a.n; n++)
        add_row(r->machine, a.x + n * each * c, b.x + n % (size_t)b.n * c, each, c);
    return record(r->machine, r->tape, a, (Op){ .backward = add_backward, .in = { { b } } });
}

/* y = [a b]:  da += the left columns of dy;  db += the right ones */
static void concat_backward(Machine *m, const Op *op)
{
    size_t width = (size_t)op->y.t.c;
    size_t left = (size_t)op->in[0].t.c;
    size_t right = (size_t)op->in[1].t.c;
    if (op->in[0].d) add_columns(m, op->in[0].d, op->y.d, width, rows(op->y.t), left);
    if (op->in[1].d) add_columns(m, op->in[1].d, op->y.d + left, width, rows(op->y.t), right);
}

Tensor concat(Run *r, Tensor a, Tensor b)
{
    int known = a.c && b.c;
    Tensor y = tensor(r, a.n, a.h, a.w, known ? a.c + b.c : 0);
    size_t left = (size_t)a.c;
    size_t right = (size_t)b.c;
    if (y.c) gather_rows(r->machine, y.x, left + right, a.x, left, NULL, rows(y), left);
    if (y.c) gather_rows(r->machine, y.x + left, left + right, b.x, right, NULL, rows(y), right);
    return record(r->machine, r->tape, y, (Op){ .backward = concat_backward, .in = { { a }, { b } } });
}

/* y = [x; x; ...]:  dx += the dy of each */
static void repeat_backward(Machine *m, const Op *op)
{
    size_t each = size(op->in[0].t);
    for (size_t i = 0; i < size(op->y.t); i += each) add_into(m, op->in[0].d, op->y.d + i, each);
}

Tensor repeat(Run *r, Tensor x, int n)
{
    if (x.n == n) return x;
    Tensor y = tensor(r, n, x.h, x.w, x.c);
    size_t c = (size_t)x.c;
    for (int i = 0; i < n / x.n; i++) gather_rows(r->machine, y.x + (size_t)i * size(x), c, x.x, c, NULL, rows(x), c);
    return record(r->machine, r->tape, y, (Op){ .backward = repeat_backward, .in = { { x } } });
}

/* ---- upsampling -------------------------------------------------------------------------------- */

/* F.interpolate(x, size=(h, w), mode="nearest"):  source = floor(target * float32(in / out)) */
static int nearest(int target, int in, int out)
{
    int source = (int)floorf((float)target * ((float)in / (float)out));
    return source < in ? source : in - 1;
}

/* For every row (pixel) of y, the row of x that is copied there: [n*y.h*y.w] */
static size_t *nearest_rows(Run *r, Tensor y, Tensor x)
{
    size_t *from = allocate(r->machine->mem, rows(y), sizeof *from);
    size_t *next = from;
    for (int n = 0; n < x.n && !r->machine->dry; n++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++) {
                size_t row = (size_t)n * (size_t)x.h + (size_t)nearest(i, x.h, y.h);
                *next++ = row * (size_t)x.w + (size_t)nearest(j, x.w, y.w);
            }
    return from;
}

/* y[i,j] = x[nearest i, nearest j]:  dx[nearest i, nearest j] += dy[i,j] */
static void upsample_backward(Machine *m, const Op *op)
{
    Tensor y = op->y.t;
    Tensor x = op->in[0].t;
    size_t c = (size_t)x.c;
    for (size_t k = 0; k < rows(y) && !m->dry; k++) {
        size_t picture = k / ((size_t)y.h * (size_t)y.w);
        size_t i = k / (size_t)y.w % (size_t)y.h;
        size_t j = k % (size_t)y.w;
        size_t row = picture * (size_t)x.h + (size_t)nearest((int)i, x.h, y.h);
        float *dx = op->in[0].d + (row * (size_t)x.w + (size_t)nearest((int)j, x.w, y.w)) * c;
        for (size_t e = 0; e < c; e++) dx[e] += op->y.d[k * c + e];
    }
}

Tensor upsample(Run *r, Tensor x, int h, int w)
{
    Tensor y = tensor(r, x.n, h, w, x.c);
    size_t before = mark(r->machine->mem);
    size_t c = (size_t)x.c;
    gather_rows(r->machine, y.x, c, x.x, c, nearest_rows(r, y, x), rows(y), c);
    release(r->machine->mem, before);
    return record(r->machine, r->tape, y, (Op){ .backward = upsample_backward, .in = { { x } } });
}

/* ---- attention --------------------------------------------------------------------------------- */

/* p = softmax(q k' / sqrt(d)),  y = p v:   with  ds = p (dy v' - sum over keys of p dy v') / sqrt(d)
 * dq += ds k;   dk += ds' q;   dv += p' dy */
static void attention_backward(Machine *m, const Op *op)
{
    StridedRows q = op->attention.q;
    StridedRows k = op->attention.k;
    StridedRows v = op->attention.v;
    Attention shape = op->attention.shape;
    q.x = op->in[0].t.x;
    k.x = op->in[1].t.x;
    v.x = op->in[2].t.x;
    shape.softmax_stats = op->in[3].t.x;
    AttentionGradients d = { .q = op->in[0].d, .k = op->in[1].d, .v = op->in[2].d };
    attend_back(m, d, op->y.d, op->copy, q, k, v, shape);
}

/* Which rows of q, k and v are the tokens of each of the outer * inner attentions.  Token t of attention (outer, inner)
 * is row outer * step[0] + inner * step[1] + t * step[2] of the tensor.  A row is the c values of a pixel. */
typedef struct { StridedRows q, k, v; Attention shape; } Tokens;

/* Spatial attention: the tokens are the pixels of a picture, which lie one after the other.
 * outer: a text, or a picture for self-attention.  inner: the pictures that share its keys. */
static Tokens spatial_tokens(Tensor q, Tensor k, int heads, int causal)
{
    size_t pixels = (size_t)q.h * (size_t)q.w;
    size_t keys = (size_t)k.h * (size_t)k.w;
    int pictures_a_text = q.n / k.n;
    StridedRows q_rows = { .step = { (size_t)pictures_a_text * pixels, pixels, 1 }, .row = (size_t)q.c };
    StridedRows k_rows = { .step = { keys, 0, 1 }, .row = (size_t)k.c };
    Attention shape = {
        .outer = k.n,
        .inner = pictures_a_text,
        .queries = (int)pixels,
        .keys = (int)keys,
        .heads = heads,
        .width = q.c / heads,
        .causal = causal,
    };
    return (Tokens){ .q = q_rows, .k = k_rows, .v = k_rows, .shape = shape };
}

/* Temporal attention: the tokens are the frames of a clip, at one pixel.  The same pixel of the next frame is `pixels`
 * rows further on, so these strides replace a transpose.  outer: a clip.  inner: a pixel. */
static Tokens temporal_tokens(Tensor q, int frames, int heads)
{
    size_t pixels = (size_t)q.h * (size_t)q.w;
    StridedRows rows_of_frames = { .step = { (size_t)frames * pixels, 1, pixels }, .row = (size_t)q.c };
    Attention shape = {
        .outer = q.n / frames,
        .inner = (int)pixels,
        .queries = frames,
        .keys = frames,
        .heads = heads,
        .width = q.c / heads,
    };
    return (Tokens){ .q = rows_of_frames, .k = rows_of_frames, .v = rows_of_frames, .shape = shape };
}

static int attention_fits(Run *r, Tensor q, Tensor k, Tensor v, int heads)
{
    int same_width = k.c == q.c && v.c == q.c;
    if (q.c % heads) problem(r, "attention over %d channels does not divide into %d heads", q.c, heads);
    if (q.c && k.c && v.c && !same_width)
        problem(r, "attention: queries have %d channels, keys %d and values %d; expected the same", q.c, k.c, v.c);
    return q.c && same_width && q.c % heads == 0;
}

Tensor attention(Run *r, Tensor q, Tensor k, Tensor v, int heads, AttentionAxis axis)
{
    Tensor y = tensor(r, q.n, q.h, q.w, q.c);
    if (!attention_fits(r, q, k, v, heads)) return y;
    Tokens t;
    if (axis == TEMPORAL) t = temporal_tokens(q, r->frames, heads);
    else t = spatial_tokens(q, k, heads, axis == CAUSAL);
    t.q.x = q.x;
    t.k.x = k.x;
    t.v.x = v.x;
    size_t before = mark(r->machine->mem);
    Tensor sums = tensor(r, q.n, q.h, q.w, r->tape ? 2 * heads : 0);      /* of the softmax, for backward() */
    if (r->tape) t.shape.softmax_stats = sums.x;
    attend(r->machine, y.x, t.q, t.k, t.v, t.shape);
    Op op = {
        .backward = attention_backward,
        .in = { { q }, { k }, { v }, { sums } },
        .values = 4,
        .needs_result = 1,
        .attention = { .q = t.q, .k = t.k, .v = t.v, .shape = t.shape },
    };
    y = record(r->machine, r->tape, y, op);
    release(r->machine->mem, before);
    return y;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

enum { SLICE = 8192 };      /* rows of the feed-forward layer that are computed at a time */

Tensor feed_forward(Run *r, const char *block, const char *norm, Tensor h)
{
    size_t before = mark(r->machine->mem);
    size_t all = rows(h);
    size_t c = (size_t)h.c;
    int by_picture = lora_changes_with_frames(r->lora);
    size_t most = by_picture ? all / (size_t)h.n : SLICE;
    for (size_t i = 0; i < all; i += most) {
        size_t count = all - i < most ? all - i : most;
        if (by_picture) r->picture = (int)(i / most) + 1;
        Tensor slice = { .n = 1, .h = (int)count, .w = 1, .c = h.c, .x = h.x + i * c, .from = h.from };
        Tensor y = layer_norm(r, at(r, block, norm), slice);
        y = linear(r, at(r, block, "ff.net.0.proj"), y);
        y = linear(r, at(r, block, "ff.net.2"), geglu(r, y));
        h.from = add(r, slice, y).from;
        release(r->machine->mem, before);
    }
    r->picture = 0;
    return h;
}

/* conv(SiLU(norm x)).  The result is allocated first, so that the normalized tensor above it can be released without
 * moving the result. */
static Tensor norm_silu_conv(Run *r, const char *norm, const char *layer, Tensor x, float eps, int frames)
{
    const Weight *w = find(r, layer, "weight");
    int outputs = w && w->rank && w->shape[0] < MOST_OUTPUTS ? (int)w->shape[0] : 0;
    Tensor place = tensor(r, x.n, x.h, x.w, outputs);
    size_t before = mark(r->machine->mem);
    Tensor y = product(r, layer, group_norm(r, norm, x, eps, frames, SILU), conv3x3, &place);
    release(r->machine->mem, before);
    return y;
}

/* A residual block:
 *     h = conv1(SiLU(norm1 x)) + time_emb_proj(SiLU(time));    y = conv2(SiLU(norm2 h)) + conv_shortcut(x) */
Tensor resnet(Run *r, const char *block, Tensor x, const Tensor *time, float eps, int frames)
{
    size_t before = mark(r->machine->mem);
    Tensor h = norm_silu_conv(r, at(r, block, "norm1"), at(r, block, "conv1"), x, eps, frames);
    if (time) h = add(r, h, linear(r, at(r, block, "time_emb_proj"), silu(r, *time)));
    h = norm_silu_conv(r, at(r, block, "norm2"), at(r, block, "conv2"), h, eps, frames);
    if (has(r, at(r, block, "conv_shortcut"))) x = linear(r, at(r, block, "conv_shortcut"), x);
    return compact(r, before, add(r, h, x));
}
