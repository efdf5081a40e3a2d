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
 * The relatives of LoRA make another W' of W: LoHa, LoKr, GLoRA, DoRA, (IA)^3, OFT.  adapters/adapter_weight.c has one
 * line for each.
 *
 * The strength may change from step to step.  That costs nothing, as W' is built for each call.  Where it changes from
 * frame to frame, the rows of A x that belong to a frame are scaled by its strength: this is for pairs beside the
 * layer.
 *
 * A layer asks for its own name.  adapter_report.c reports what no layer asked for. */
#include "lora.h"

#include "adapter_file.h"
#include "adapter_weight.h"
#include "chars.h"

Lora *lora_open(Arena *a, const LoraUse *use, size_t count)
{
    Lora *l = allocate(a, 1, sizeof *l);
    *l = (Lora){ .file = allocate(a, count, sizeof *l->file), .count = count };
    l->moment = allocate(a, 1, sizeof *l->moment);
    *l->moment = (LoraMoment){ .steps = 1 };
    for (size_t i = 0; i < count; i++) {
        l->file[i] = adapter_open(a, use[i]);
        l->file[i].moment = l->moment;
    }
    return l;
}

void lora_at(const Lora *l, LoraMoment m)
{
    if (l) *l->moment = m;
}

int lora_changes_with_frames(const Lora *l)
{
    for (size_t i = 0; l && i < l->count; i++)
        if (strength_by_frame(&l->file[i].strength, l->moment)) return 1;
    return 0;
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

/* The strength in each frame that the model sees; NULL where it is the same in all.  The text encoder has no frames. */
static const float *strengths_by_frame(Arena *a, const Lora *l, const LoraFile *f, const char *layer, int frames)
{
    const StrengthCurve *c = strength_by_frame(&f->strength, l->moment);
    if (!c || begins(layer, "te.")) return NULL;
    float *by_frame = allocate(a, (size_t)frames, sizeof *by_frame);
    for (int i = 0; i < frames; i++)
        by_frame[i] = strength_in_frame(c, l->moment->frame ? l->moment->frame[i] : i);
    return by_frame;
}

int lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, int frames, LoraPair *pair)
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
        .by_frame = strengths_by_frame(a, l, &l->file[i], layer, frames),
    };
    return 1;
}

/* ---- merged ------------------------------------------------------------------------------------- */

/* A copy of a weight as floats, which the adapters then change. */
static Weight *copy_as_floats(Machine *m, const Weight *w)
{
    size_t n = weight_numel(w);
    float *x = allocate(m->mem, n, sizeof *x);
    weight_into(m, x, w, n, 1, 0);
    Weight *y = allocate(m->mem, 1, sizeof *y);
    *y = *w;
    y->data = x;
    y->type = F32;
    y->bytes = n * sizeof *x;
    return y;
}

static float *writable(const Weight *copy)
{
    return (float *)(uintptr_t)copy->data;
}

static void merge_module(Machine *m, const Module *mod, float strength, const Weight *w, const Weight *bias)
{
    Matrix y = { .x = writable(w), .rows = w->shape[0], .columns = values_per_output(w) };
    size_t inputs = w->rank > 1 ? w->shape[1] : 1;
    const Weight *bias_difference = mod->part[DIFF_B];
    if (mod->family) adapter_change(m, y, mod, inputs, strength);
    if (bias_difference) weight_into(m, writable(bias), bias_difference, weight_numel(bias), strength, 1);
}

/* LoRA merged into the weight:  W' = W + the sum of what every file adds, or more generally what they make of it */
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
        const char *wrong = adapter_misfit(m->mem, mod, layer, merged, merged_bias);
        if (wrong) return wrong;
        if (strength_by_frame(&l->file[i].strength, l->moment) && !begins(layer, "te."))
            return format(m->mem, "%s: %s is changed by more than a low-rank pair, so its strength cannot change with "
                                  "the frames", l->file[i].file->path, layer);
        merge_module(m, mod, adapter_strength(&l->file[i], mod), merged, merged_bias);
    }
    *w = merged;
    if (merged_bias) *bias = merged_bias;
    return NULL;
}
