/* unet.c - the noise predictor: eps_theta(x_t, t, text).
 *
 *     conv_in                                                       conv_norm_out, SiLU, conv_out
 *       level 0: 2 x (resnet, transformer, motion)  --skips-->  3 x (resnet, transformer, motion)
 *         level 1: the same at half the size
 *           level 2: the same at a quarter
 *             level 3: at an eighth, without transformers
 *               mid block: resnet, transformer, motion (v2 modules only), resnet
 *
 * A level runs two layers, then the level below it, then three layers on the way up.  Each of these three also gets a
 * skip connection: the outputs of the two layers and the input of the level, in reverse order.  So the UNet is a
 * recursion, and the memory of a level is released when it returns.  Layers are named as diffusers names them
 * (UNet2DConditionModel); up_blocks.k belongs to level 3-k. */
#include "unet.h"

#include "checkpoint.h"
#include "lora.h"
#include "motion.h"

#include <math.h>
#include <stdio.h>

enum { LEVELS = 4, DEEPEST = LEVELS - 1, HEADS = 8 };

/* ---- time embedding ---------------------------------------------------------------------------- */

/* Sinusoidal timestep embedding:  [cos(t f), sin(t f)],  f_i = 10000^(-i/half)
 * diffusers: get_timestep_embedding(t, c, flip_sin_to_cos=True, downscale_freq_shift=0) */
static void sinusoidal_embedding(float *e, float t, int half)
{
    for (int i = 0; i < half; i++) {
        float angle = t * expf(-logf(10000) * (float)i / (float)half);
        e[i] = cosf(angle);
        e[half + i] = sinf(angle);
    }
}

/* Time embedding:  linear_2(SiLU(linear_1(sinusoidal embedding))) -> [1,1,1,4c], or a row for each frame */
static Tensor time_embedding(Run *r, float t)
{
    const Weight *w = find(r, "unet.time_embedding.linear_1", "weight");
    int c = w && w->rank == 2 && w->shape[1] < 1 << 16 ? (int)w->shape[1] : 0;
    Tensor e = tensor(r, 1, 1, 1, c);
    if (c % 2) problem(r, "unet.time_embedding.linear_1 has %d inputs, expected an even number", c);
    if (!r->machine->dry) sinusoidal_embedding(e.x, t, c / 2);
    if (lora_changes_with_frames(r->lora)) e = repeat(r, e, r->frames);
    e = linear(r, "unet.time_embedding.linear_1", e);
    return linear(r, "unet.time_embedding.linear_2", silu(r, e));
}

/* ---- transformer ------------------------------------------------------------------------------- */

/* What every layer is conditioned on: the time embedding and the text.  pictures: frames times prompts. */
typedef struct { Tensor time, text; int pictures; } Condition;

/* Attention from x to a context:  to_out(softmax(to_q(x) to_k(context)' / sqrt(d)) to_v(context))
 * It is cross-attention when the context is the text, and spatial self-attention when the context is x. */
static Tensor cross_attention(Run *r, const char *p, Tensor x, Tensor context)
{
    Tensor q = linear_no_bias(r, at(r, p, "to_q"), x);
    Tensor k = linear_no_bias(r, at(r, p, "to_k"), context);
    if (r->listener) r->listener->see(r->listener->to, p, q, k, HEADS);
    Tensor v = linear_no_bias(r, at(r, p, "to_v"), context);
    return linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, HEADS, SPATIAL));
}

static Tensor self_attention(Run *r, const char *p, Tensor x)
{
    return cross_attention(r, p, x, x);
}

/* BasicTransformerBlock:   h += attn1(norm1 h);   h += attn2(norm2 h, text);   h += ff(norm3 h)
 * The conditional and the unconditional prediction differ only in their text.  Before the first cross-attention their h
 * is the same, so it is computed once and repeated there. */
static Tensor transformer_block(Run *r, const char *p, Tensor h, const Condition *c)
{
    size_t before = mark(r->machine->mem);
    h = add(r, h, self_attention(r, at(r, p, "attn1"), layer_norm(r, at(r, p, "norm1"), h)));
    release(r->machine->mem, before);
    if (h.n < c->pictures) h = repeat(r, h, c->pictures);
    size_t repeated = mark(r->machine->mem);
    h = add(r, h, cross_attention(r, at(r, p, "attn2"), layer_norm(r, at(r, p, "norm2"), h), c->text));
    release(r->machine->mem, repeated);
    return feed_forward(r, p, "norm3", h);
}

/* Transformer2DModel:  x + proj_out(block(proj_in(norm x))) */
static Tensor transformer(Run *r, const char *p, Tensor x, const Condition *c)
{
    size_t before = mark(r->machine->mem);
    Tensor h = group_norm(r, at(r, p, "norm"), x, 1e-6f, 1, NO_ACTIVATION);
    h = compact(r, before, linear(r, at(r, p, "proj_in"), h));
    h = transformer_block(r, at(r, p, "transformer_blocks.0"), h, c);
    h = linear(r, at(r, p, "proj_out"), h);
    return compact(r, before, add(r, h, repeat(r, x, h.n)));
}

/* ---- levels ------------------------------------------------------------------------------------ */

/* Group norm across frames: v1 motion modules were trained with the resnets' statistics taken over a whole clip. */
static int frames_of_a_norm(const Run *r)
{
    return r->norm_across_frames ? r->frames : 1;
}

/* Layer j of a level: resnet, transformer where the level has one, motion module.  On the way up the resnet gets
 * torch.cat([x, skip]).  The result is moved to the arena's mark `to`.  Everything above that mark is released as soon
 * as it has been read; on the way up that includes x and the skip. */
typedef struct {
    int       level, up, j;
    size_t    to;
    Tensor    x, skip;
    Condition condition;
} Layer;

static Tensor run_layer(void *run, const void *args)
{
    Run *r = run;
    Layer l = *(const Layer *)args;
    Arena *a = r->machine->mem;
    const char *way = l.up ? "up" : "down";
    int number = l.up ? DEEPEST - l.level : l.level;
    char block[32];                      /* not in the arena: everything above `to` is released below */
    snprintf(block, sizeof block, "%s_blocks.%d", way, number);
    Tensor x = l.x;
    if (l.up) x = compact(r, l.to, concat(r, x, repeat(r, l.skip, x.n)));
    const char *name = format(a, "unet.%s.resnets.%d", block, l.j);
    x = compact(r, l.to, resnet(r, name, x, &l.condition.time, 1e-5f, frames_of_a_norm(r)));
    if (l.level < DEEPEST) x = transformer(r, format(a, "unet.%s.attentions.%d", block, l.j), x, &l.condition);
    x = motion(r, format(a, "%s.motion_modules.%d", block, l.j), x);
    return compact(r, l.to, x);
}

/* A layer, with gradient checkpointing where the run asks for it. */
static Tensor layer(Run *r, Layer l)
{
    Tensor inputs[INPUTS] = { l.x, l.condition.time, l.condition.text, l.skip };
    return checkpointed(r, run_layer, &l, sizeof l, inputs);
}

static Tensor mid_block(Run *r, Tensor x, const Condition *c)
{
    size_t before = mark(r->machine->mem);
    x = resnet(r, "unet.mid_block.resnets.0", x, &c->time, 1e-5f, frames_of_a_norm(r));
    x = transformer(r, "unet.mid_block.attentions.0", x, c);
    x = motion(r, "mid_block.motion_modules.0", x);
    return compact(r, before, resnet(r, "unet.mid_block.resnets.1", x, &c->time, 1e-5f, frames_of_a_norm(r)));
}

static Tensor level(Run *r, int i, Tensor x, const Condition *c);

/* Half the size, through the level below, and back to the size of x. */
static Tensor deeper(Run *r, int i, Tensor x, const Condition *c)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor h = conv2d(r, format(a, "unet.down_blocks.%d.downsamplers.0.conv", i), x, 2);
    h = level(r, i + 1, h, c);
    h = upsample(r, h, x.h, x.w);
    return compact(r, before, conv2d(r, format(a, "unet.up_blocks.%d.upsamplers.0.conv", DEEPEST - i - 1), h, 1));
}

/* Down, through the levels below, and up: [n,h,w,c] -> [n,h,w,c'] */
static Tensor level(Run *r, int i, Tensor x, const Condition *c)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor first = layer(r, (Layer){ .level = i, .j = 0, .to = before, .x = x, .condition = *c });
    size_t at_second = mark(a);
    Tensor second = layer(r, (Layer){ .level = i, .j = 1, .to = at_second, .x = first, .condition = *c });
    Tensor h;
    if (i < DEEPEST) h = deeper(r, i, second, c);
    else h = drop_mapped_weights(r, mid_block(r, second, c));
    h = layer(r, (Layer){ .level = i, .up = 1, .j = 0, .to = at_second, .x = h, .skip = second, .condition = *c });
    h = layer(r, (Layer){ .level = i, .up = 1, .j = 1, .to = before, .x = h, .skip = first, .condition = *c });
    return layer(r, (Layer){ .level = i, .up = 1, .j = 2, .to = before, .x = h, .skip = x, .condition = *c });
}

Tensor unet(Run *r, Tensor x, float t, Tensor text)
{
    size_t before = mark(r->machine->mem);
    Tensor texts = { .n = text.n * text.h, .h = text.w, .w = 1, .c = text.c, .x = text.x, .from = text.from };
    Condition c = { .time = time_embedding(r, t), .text = texts, .pictures = text.n * x.n };
    Tensor h = conv2d(r, "unet.conv_in", x, 1);
    h = level(r, 0, h, &c);
    h = group_norm(r, "unet.conv_norm_out", h, 1e-5f, frames_of_a_norm(r), SILU);
    h = conv2d(r, "unet.conv_out", h, 1);
    if (h.c && h.c != x.c) problem(r, "unet.conv_out gives %d channels, expected %d", h.c, x.c);
    return compact(r, before, h);
}
