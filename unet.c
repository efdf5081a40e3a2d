/* unet.c - the noise predictor.
 *
 *     conv_in                                                       conv_norm_out, conv_out
 *       level 0: 2 x (resnet, transformer, motion)  --skips-->  3 x (resnet, transformer, motion)
 *         level 1: the same at half size
 *           level 2: the same at a quarter
 *             level 3: at an eighth, without transformers
 *               middle: resnet, transformer, motion (v2), resnet
 *
 * A level takes what comes in, goes down through the next level, and on the way up is given back
 * its two layers' outputs and its own input, last first.  So it is a recursion, and what it holds is let go when it returns.
 * Layers are named as diffusers names them; up_blocks.k belongs to level 3-k. */
#include "unet.h"

#include "motion.h"

#include <math.h>
#include <stdio.h>

enum { LEVELS = 4, DEEPEST = LEVELS - 1, HEADS = 8 };

/* [cos(t f), sin(t f)], f_i = 10000^(-i/half)   (diffusers get_timestep_embedding, flip_sin_to_cos) */
static Tensor time_embedding(Run *r, float t)
{
    const Weight *w = find(r, "unet.time_embedding.linear_1", "weight");
    int c = w && w->rank == 2 && w->shape[1] < 1 << 16 ? (int)w->shape[1] : 0, half = c / 2;
    Tensor e = tensor(r, 1, 1, 1, c);
    if (c % 2) problem(r, "unet.time_embedding.linear_1 has %d inputs, expected an even number", c);
    if (!r->machine->dry)
        for (int i = 0; i < half; i++) {
            float angle = t * expf(-logf(10000) * (float)i / (float)half);
            e.x[i] = cosf(angle), e.x[half + i] = sinf(angle);
        }
    e = linear(r, "unet.time_embedding.linear_1", e);
    return linear(r, "unet.time_embedding.linear_2", silu(r, e));
}

typedef struct { Tensor time, text; int pictures; } Given;      /* what every layer is told; how many pictures all prompts make */

static Tensor attend_to(Run *r, const char *p, Tensor x, Tensor context)
{
    Tensor q = linear_unbiased(r, at(r, p, "to_q"), x), k = linear_unbiased(r, at(r, p, "to_k"), context), v = linear_unbiased(r, at(r, p, "to_v"), context);
    return linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, HEADS, SPACE));
}

/* h += attn1(norm1 h);  h += attn2(norm2 h, text);  h += ff(norm3 h)
 * Until here the halves of guidance, which differ in their text alone, are one: h is repeated when it first meets the text. */
static Tensor transformer_block(Run *r, const char *p, Tensor h, const Given *g)
{
    size_t before = mark(r->machine->mem);
    Tensor y = layer_norm(r, at(r, p, "norm1"), h);
    h = add(r, h, attend_to(r, at(r, p, "attn1"), y, y));
    release(r->machine->mem, before);
    if (h.n < g->pictures) h = repeat(r, h, g->pictures);
    size_t met = mark(r->machine->mem);
    h = add(r, h, attend_to(r, at(r, p, "attn2"), layer_norm(r, at(r, p, "norm2"), h), g->text));
    release(r->machine->mem, met);
    return feed_forward(r, p, "norm3", h);
}

static Tensor transformer(Run *r, const char *p, Tensor x, const Given *g)
{
    size_t before = mark(r->machine->mem);
    Tensor h = keep(r, before, linear(r, at(r, p, "proj_in"), group_norm(r, at(r, p, "norm"), x, 1e-6f, 1, PLAIN)));
    h = transformer_block(r, at(r, p, "transformer_blocks.0"), h, g);
    return keep(r, before, add(r, linear(r, at(r, p, "proj_out"), h), repeat(r, x, h.n)));
}

/* v1 motion modules were trained with the resnets' norms across the frames of a clip */
static int norm_frames(const Run *r) { return r->across ? r->clip : 1; }

/* Layer j of a level, on the way down or up: resnet, transformer where the level has one, motion.  On the way up the resnet sees
 * x and the skip side by side.  The result goes to `to`: what lies above, x and the skip among it on the way up, is let go as soon as
 * it has been read. */
typedef struct { int level, up, j; size_t to; Tensor x, skip; Given given; } Layer;

static Tensor layer_of(void *run, const void *told)
{
    Run *r = run;
    Layer l = *(const Layer *)told;
    Arena *a = r->machine->mem;
    char block[32];                                                /* not in the arena, where nothing from `to` on stays */
    snprintf(block, sizeof block, "unet.%s_blocks.%d", l.up ? "up" : "down", l.up ? DEEPEST - l.level : l.level);
    Tensor x = l.up ? keep(r, l.to, concat(r, l.x, repeat(r, l.skip, l.x.n))) : l.x;
    x = keep(r, l.to, resnet(r, format(a, "%s.resnets.%d", block, l.j), x, &l.given.time, 1e-5f, norm_frames(r)));
    if (l.level < DEEPEST) x = transformer(r, format(a, "%s.attentions.%d", block, l.j), x, &l.given);
    x = motion(r, format(a, "%s.motion_modules.%d", block + 5, l.j), x);
    return keep(r, l.to, x);
}

static Tensor layer(Run *r, Layer l) { return recomputed(r, layer_of, &l, sizeof l, (Tensor[INPUTS]){ l.x, l.given.time, l.given.text, l.skip }); }

static Tensor middle(Run *r, Tensor x, const Given *g)
{
    size_t before = mark(r->machine->mem);
    x = resnet(r, "unet.mid_block.resnets.0", x, &g->time, 1e-5f, norm_frames(r));
    x = transformer(r, "unet.mid_block.attentions.0", x, g);
    x = motion(r, "mid_block.motion_modules.0", x);
    return keep(r, before, resnet(r, "unet.mid_block.resnets.1", x, &g->time, 1e-5f, norm_frames(r)));
}

/* down and up again: the result has the size of x */
static Tensor level(Run *r, int i, Tensor x, const Given *g)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor first = layer(r, (Layer){ i, 0, 0, before, x, .given = *g });
    size_t at_second = mark(a);
    Tensor second = layer(r, (Layer){ i, 0, 1, at_second, first, .given = *g }), h;
    size_t at_h = mark(a);
    if (i < DEEPEST) {
        h = level(r, i + 1, conv2d(r, format(a, "unet.down_blocks.%d.downsamplers.0.conv", i), second, 2), g);
        h = keep(r, at_h, conv2d(r, format(a, "unet.up_blocks.%d.upsamplers.0.conv", DEEPEST - i - 1), upsample(r, h, second.h, second.w), 1));
    }
    else h = by_turns(r, middle(r, second, g));
    h = layer(r, (Layer){ i, 1, 0, at_second, h, second, *g });
    h = layer(r, (Layer){ i, 1, 1, before, h, first, *g });
    return layer(r, (Layer){ i, 1, 2, before, h, x, *g });
}

Tensor unet(Run *r, Tensor x, float t, Tensor text)
{
    size_t before = mark(r->machine->mem);
    Tensor texts = { text.n * text.h, text.w, 1, text.c, text.x, text.from };
    Given given = { time_embedding(r, t), texts, text.n * x.n };
    Tensor h = level(r, 0, conv2d(r, "unet.conv_in", x, 1), &given);
    h = group_norm(r, "unet.conv_norm_out", h, 1e-5f, norm_frames(r), SILU);
    h = conv2d(r, "unet.conv_out", h, 1);
    if (h.c && h.c != x.c) problem(r, "unet.conv_out gives %d channels, expected %d", h.c, x.c);
    return keep(r, before, h);
}
