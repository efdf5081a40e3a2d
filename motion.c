/* motion.c - attention over time.
 *
 *     h = proj_in(norm x)                                   norm: per frame (AnimateDiff's own code; diffusers differs)
 *     twice:  y = layer_norm h + position of the frame;  h += to_out(attention over frames(to_q y, to_k y, to_v y))
 *     h += ff(layer_norm h);   x += proj_out h
 *
 * The positions are added before q, k and v, so the values carry them too.  proj_in and proj_out are
 * linear here, 1x1 convolutions in the UNet; to this program they are the same. */
#include "motion.h"

#include <math.h>
#include <string.h>

static const char FIRST[] = "motion.down_blocks.0.motion_modules.0.temporal_transformer.", POSITIONS[] = "pos_encoder.pe";
enum { HEADS = 8, V1_POSITIONS = 24, LCM_POSITIONS = 64 };

static int has_middle(const Weights *w) { return weights_find(w, "motion.mid_block.motion_modules.0.temporal_transformer.proj_in.weight") != NULL; }

/* AnimateLCM's files leave the positions out; a file that has some must have all */
static int computes_positions(const Weights *w)
{
    const Weight *x;
    for (size_t i = 0; (x = weights_at(w, i)); i++) if (strstr(x->name, POSITIONS)) return 0;
    return has_middle(w);
}

int motion_positions(const Weights *w)
{
    char name[160] = { 0 };
    const Weight *pe = weights_find(w, strcat(strcat(strcat(name, FIRST), "transformer_blocks.0.attention_blocks.0."), POSITIONS));
    if (!pe) return computes_positions(w) ? LCM_POSITIONS : 0;
    return pe->rank == 3 && pe->shape[1] < 1 << 16 ? (int)pe->shape[1] : 0;
}

MotionKind motion_kind(const Weights *w)
{
    char name[160] = { 0 };
    if (has_middle(w)) return computes_positions(w) ? MOTION_LCM : MOTION_V2;
    if (!weights_find(w, strcat(strcat(name, FIRST), "proj_in.weight"))) return NO_MOTION;
    return motion_positions(w) == V1_POSITIONS ? MOTION_V1 : MOTION_V3;
}

const char *motion_kind_name(MotionKind k)
{
    static const char *const names[] = { "none", "AnimateDiff v1", "AnimateDiff v2", "AnimateDiff v3", "AnimateLCM" };
    return names[k];
}

/* pe[p,2i] = sin(p 10000^(-2i/c)), pe[p,2i+1] = cos(the same) */
static float *sinusoids(Run *r, size_t frames, size_t c)
{
    float *pe = take(r->machine->mem, frames * c, sizeof *pe);
    for (size_t i = 0; i < frames * c && !r->machine->dry; i++) {
        double angle = (double)(i / c) * pow(10000, -(double)(i % c / 2 * 2) / (double)c);
        pe[i] = (float)(i % c % 2 ? cos(angle) : sin(angle));
    }
    return pe;
}

/* the positions of a block's attention, from the file or by their formula: [frames of a clip, c]; NULL after a complaint */
static const float *positions(Run *r, const char *p, size_t c)
{
    const Weight *pe = find(r, p, POSITIONS);
    size_t frames = (size_t)r->clip;
    if (!pe && computes_positions(r->weights)) return sinusoids(r, frames, c);
    if (!pe || pe->rank != 3 || pe->shape[0] != 1 || pe->shape[1] < frames || (c && pe->shape[2] != c)) {
        if (!pe) problem(r, "%s.%s is missing", p, POSITIONS);
        else problem(r, "%s.%s is %s, expected [1,%d or more,%zu]", p, POSITIONS, shape_text(r->machine->mem, pe->rank, pe->shape), r->clip, c);
        return NULL;
    }
    float *x = take(r->machine->mem, frames * c, sizeof *x);
    for (size_t i = 0; i < frames * c && !r->machine->dry; i++) x[i] = dtype_value(pe->data, pe->type, i);
    return x;
}

/* y[frame] += pe[frame of its clip] */
static Tensor add_positions(Run *r, const char *p, Tensor y)
{
    size_t before = mark(r->machine->mem), frame = (size_t)y.h * (size_t)y.w, c = (size_t)y.c;
    const float *pe = positions(r, p, c);
    for (size_t n = 0; n < (size_t)y.n && pe; n++) add_row(r->machine, y.x + n * frame * c, pe + n % (size_t)r->clip * c, frame, c);
    release(r->machine->mem, before);
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
        h = add(r, h, attention_over_time(r, format(a, "%s.attention_blocks.%d", p, i), y));
        release(a, before);
    }
    return feed_forward(r, p, "ff_norm", h);
}

Tensor motion(Run *r, const char *slot, Tensor x)
{
    MotionKind kind = motion_kind(r->weights);
    if (kind == NO_MOTION || (*slot == 'm' && kind != MOTION_V2 && kind != MOTION_LCM)) return x;
    size_t before = mark(r->machine->mem);
    const char *p = format(r->machine->mem, "motion.%s.temporal_transformer", slot);
    size_t named = mark(r->machine->mem);
    Tensor h = keep(r, named, linear(r, at(r, p, "proj_in"), group_norm(r, at(r, p, "norm"), x, 1e-6f, 1, PLAIN)));
    h = block(r, at(r, p, "transformer_blocks.0"), h);
    return keep(r, before, add(r, linear(r, at(r, p, "proj_out"), h), x));
}
