/* motion.c - attention over time.
 *
 *     h = proj_in(norm x)                                   norm: per frame (AnimateDiff's own code; diffusers differs)
 *     twice:  y = layer_norm h + position of the frame;  h += to_out(attention over frames(to_q y, to_k y, to_v y))
 *     h += ff(layer_norm h);   x += proj_out h
 *
 * The positions are added before q, k and v, so the values carry them too.  proj_in and proj_out are
 * linear here, 1x1 convolutions in the UNet; to this program they are the same. */
#include "motion.h"

#include <string.h>

static const char FIRST[] = "motion.down_blocks.0.motion_modules.0.temporal_transformer.";
enum { HEADS = 8, V1_POSITIONS = 24 };

int motion_positions(const Weights *w)
{
    char name[160] = { 0 };
    strcat(strcat(name, FIRST), "transformer_blocks.0.attention_blocks.0.pos_encoder.pe");
    const Weight *pe = weights_find(w, name);
    return pe && pe->rank == 3 && pe->shape[1] < 1 << 16 ? (int)pe->shape[1] : 0;
}

MotionKind motion_kind(const Weights *w)
{
    char name[160] = { 0 };
    if (weights_find(w, "motion.mid_block.motion_modules.0.temporal_transformer.proj_in.weight")) return MOTION_V2;
    if (!weights_find(w, strcat(strcat(name, FIRST), "proj_in.weight"))) return NO_MOTION;
    return motion_positions(w) == V1_POSITIONS ? MOTION_V1 : MOTION_V3;
}

const char *motion_kind_name(MotionKind k)
{
    static const char *const names[] = { "none", "AnimateDiff v1", "AnimateDiff v2", "AnimateDiff v3" };
    return names[k];
}

/* y[frame] += pe[frame of its clip] */
static Tensor add_positions(Run *r, const char *p, Tensor y)
{
    const Weight *pe = find(r, p, "pos_encoder.pe");
    if (!pe || pe->rank != 3 || pe->shape[0] != 1 || pe->shape[1] < (size_t)r->clip || (y.c && pe->shape[2] != (size_t)y.c)) {
        if (!pe) problem(r, "%s.pos_encoder.pe is missing", p);
        else problem(r, "%s.pos_encoder.pe is %s, expected [1,%d or more,%d]", p, shape_text(r->machine->mem, pe->rank, pe->shape), r->clip, y.c);
        return y;
    }
    size_t frame = (size_t)y.h * (size_t)y.w, c = (size_t)y.c;
    if (r->machine->dry) return y;
    for (size_t n = 0; n < (size_t)y.n; n++)
        for (size_t i = 0; i < c; i++) {
            float position = dtype_value(pe->data, pe->type, n % (size_t)r->clip * c + i);
            for (size_t k = 0; k < frame; k++) y.x[(n * frame + k) * c + i] += position;
        }
    return y;
}

static Tensor attention_over_time(Run *r, const char *p, Tensor y)
{
    y = add_positions(r, p, y);
    Tensor q = linear_unbiased(r, at(r, p, "to_q"), y), k = linear_unbiased(r, at(r, p, "to_k"), y), v = linear_unbiased(r, at(r, p, "to_v"), y);
    return linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, HEADS, TIME));
}

static Tensor block(Run *r, const char *p, Tensor h)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    for (int i = 0; i < 2; i++) {
        Tensor y = layer_norm(r, format(a, "%s.norms.%d", p, i), h);
        add(r, h, attention_over_time(r, format(a, "%s.attention_blocks.%d", p, i), y));
        release(a, before);
    }
    return feed_forward(r, p, "ff_norm", h);
}

Tensor motion(Run *r, const char *slot, Tensor x)
{
    MotionKind kind = motion_kind(r->weights);
    if (kind == NO_MOTION || (kind != MOTION_V2 && *slot == 'm')) return x;
    size_t before = mark(r->machine->mem);
    const char *p = format(r->machine->mem, "motion.%s.temporal_transformer", slot);
    Tensor h = linear(r, at(r, p, "proj_in"), group_norm(r, at(r, p, "norm"), x, 1e-6f, 1, PLAIN));
    h = block(r, at(r, p, "transformer_blocks.0"), h);
    return keep(r, before, add(r, linear(r, at(r, p, "proj_out"), h), x));
}
