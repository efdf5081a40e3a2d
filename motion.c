/* motion.c - motion modules: temporal attention.
 *
 *     h = proj_in(norm x)
 *     twice:  y = layer_norm h + positional encoding of the frame;   h += to_out(attention over frames of y)
 *     h += ff(layer_norm h);   x + proj_out h
 *
 * The norm is per frame, as in AnimateDiff's own code.  diffusers computes its statistics over all frames, and its
 * pictures differ.  The positional encoding is added before q, k and v, so the values carry it too.  proj_in and
 * proj_out are linear layers here and 1x1 convolutions in the UNet, which compute the same.
 *
 * AnimateDiff trains a module with proj_out at zero in the beginning, so an untrained module changes nothing. */
#include "motion.h"

#include <math.h>
#include <string.h>

#define FIRST_MODULE "motion.down_blocks.0.motion_modules.0.temporal_transformer."
static const char POSITIONS[] = "pos_encoder.pe";
enum { HEADS = 8, V1_POSITIONS = 24, LCM_POSITIONS = 64 };

/* ---- which module is it? ----------------------------------------------------------------------- */

static int has_mid_block(const Weights *w)
{
    return weights_find(w, "motion.mid_block.motion_modules.0.temporal_transformer.proj_in.weight") != NULL;
}

/* AnimateLCM's files have no positional encoding, so it is computed.  A file that has some of it must have all. */
static int computes_positions(const Weights *w)
{
    const Weight *x;
    size_t i = 0;
    while ((x = weights_at(w, i))) {
        if (strstr(x->name, POSITIONS)) return 0;
        i++;
    }
    return has_mid_block(w);
}

int motion_positions(const Weights *w)
{
    const Weight *pe = weights_find(w, FIRST_MODULE "transformer_blocks.0.attention_blocks.0.pos_encoder.pe");
    if (!pe) return computes_positions(w) ? LCM_POSITIONS : 0;
    return pe->rank == 3 && pe->shape[1] < 1 << 16 ? (int)pe->shape[1] : 0;
}

MotionKind motion_kind(const Weights *w)
{
    if (has_mid_block(w)) return computes_positions(w) ? MOTION_LCM : MOTION_V2;
    if (!weights_find(w, FIRST_MODULE "proj_in.weight")) return NO_MOTION;
    return motion_positions(w) == V1_POSITIONS ? MOTION_V1 : MOTION_V3;
}

const char *motion_kind_name(MotionKind k)
{
    static const char *const names[] = {
        [NO_MOTION] = "none",
        [MOTION_V1] = "AnimateDiff v1",
        [MOTION_V2] = "AnimateDiff v2",
        [MOTION_V3] = "AnimateDiff v3",
        [MOTION_LCM] = "AnimateLCM",
    };
    return names[k];
}

/* ---- positional encoding ----------------------------------------------------------------------- */

/* Sinusoidal positional encoding:
 *     pe[p,2i] = sin(p 10000^(-2i/c)),  pe[p,2i+1] = cos(p 10000^(-2i/c))      (Vaswani et al., 2017) */
static float *sinusoidal_positions(Run *r, size_t frames, size_t c)
{
    float *pe = allocate(r->machine->mem, frames * c, sizeof *pe);
    if (r->machine->dry) return pe;
    for (size_t p = 0; p < frames; p++)
        for (size_t k = 0; k < c; k++) {
            double angle = (double)p * pow(10000, -(double)(k / 2 * 2) / (double)c);
            double value = k % 2 ? cos(angle) : sin(angle);
            pe[p * c + k] = (float)value;
        }
    return pe;
}

static int positions_fit(Run *r, const char *p, const Weight *pe, size_t frames, size_t c)
{
    if (!pe) {
        problem(r, "%s.%s is missing", p, POSITIONS);
        return 0;
    }
    if (pe->rank == 3 && pe->shape[0] == 1 && pe->shape[1] >= frames && (!c || pe->shape[2] == c)) return 1;
    const char *found = shape_text(r->machine->mem, pe);
    problem(r, "%s.%s is %s, expected [1,%d or more,%zu]", p, POSITIONS, found, r->frames, c);
    return 0;
}

/* The positional encoding of an attention block, from the file or by its formula: [frames of a clip, c].
 * Returns NULL after reporting a problem. */
static const float *positions(Run *r, const char *p, size_t c)
{
    const Weight *pe = find(r, p, POSITIONS);
    size_t frames = (size_t)r->frames;
    if (!pe && computes_positions(r->weights)) return sinusoidal_positions(r, frames, c);
    if (!positions_fit(r, p, pe, frames, c)) return NULL;
    float *x = allocate(r->machine->mem, frames * c, sizeof *x);
    for (size_t i = 0; i < frames * c && !r->machine->dry; i++) x[i] = dtype_value(pe->data, pe->type, i);
    return x;
}

/* Positional encoding:  y[n] += pe[n mod frames], for every pixel */
static Tensor add_positions(Run *r, const char *p, Tensor y)
{
    size_t before = mark(r->machine->mem);
    size_t pixels = (size_t)y.h * (size_t)y.w;
    size_t c = (size_t)y.c;
    const float *pe = positions(r, p, c);
    for (size_t n = 0; n < (size_t)y.n && pe; n++) {
        size_t frame = n % (size_t)r->frames;
        add_row(r->machine, y.x + n * pixels * c, pe + frame * c, pixels, c);
    }
    release(r->machine->mem, before);
    return y;
}

/* ---- the module -------------------------------------------------------------------------------- */

/* Motion strength:  k[n] *= strength[n mod frames], for every pixel.  AnimateDiff-Evolved: scale_multival.  Attention
 * that is sharper tells the frames apart, and one of strength 0 gives all of them the same average. */
static Tensor scale_keys(Run *r, Tensor k)
{
    size_t each = (size_t)k.h * (size_t)k.w * (size_t)k.c;
    for (size_t i = 0; i < size(k) && r->motion_strength && !r->machine->dry; i++)
        k.x[i] *= r->motion_strength[i / each % (size_t)r->frames];
    return k;
}

/* Temporal attention: self-attention over the frames of a clip, at each pixel alone.  nn.c: temporal_tokens() has the
 * strides. */
static Tensor temporal_attention(Run *r, const char *p, Tensor y)
{
    y = add_positions(r, p, y);
    Tensor q = linear_no_bias(r, at(r, p, "to_q"), y);
    Tensor k = scale_keys(r, linear_no_bias(r, at(r, p, "to_k"), y));
    Tensor v = linear_no_bias(r, at(r, p, "to_v"), y);
    return linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, HEADS, TEMPORAL));
}

/* TemporalTransformerBlock:  twice  h += temporal_attention(layer_norm h);   then  h += ff(ff_norm h) */
static Tensor transformer_block(Run *r, const char *p, Tensor h)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    for (int i = 0; i < 2; i++) {
        Tensor y = layer_norm(r, format(a, "%s.norms.%d", p, i), h);
        h = add(r, h, temporal_attention(r, format(a, "%s.attention_blocks.%d", p, i), y));
        release(a, before);
    }
    return feed_forward(r, p, "ff_norm", h);
}

static int has_module(MotionKind kind, const char *slot)
{
    int in_mid_block = !strncmp(slot, "mid_block", strlen("mid_block"));
    if (in_mid_block) return kind == MOTION_V2 || kind == MOTION_LCM;
    return kind != NO_MOTION;
}

Tensor motion(Run *r, const char *slot, Tensor x)
{
    if (!has_module(motion_kind(r->weights), slot)) return x;
    size_t before = mark(r->machine->mem);
    const char *p = format(r->machine->mem, "motion.%s.temporal_transformer", slot);
    size_t after_name = mark(r->machine->mem);
    Tensor h = group_norm(r, at(r, p, "norm"), x, 1e-6f, 1, NO_ACTIVATION);
    h = compact(r, after_name, linear(r, at(r, p, "proj_in"), h));
    h = transformer_block(r, at(r, p, "transformer_blocks.0"), h);
    return compact(r, before, add(r, linear(r, at(r, p, "proj_out"), h), x));
}
