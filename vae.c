/* vae.c - latents to pictures, and pictures to latents.
 *
 *     z / 0.18215, post_quant_conv, conv_in, [resnet attention resnet], then four stages of resnets,
 *     the first three doubling the size, and at last norm SiLU conv to three colours; the encoder is
 *     the same the other way round, and gives a distribution to draw latents from
 *
 * Every norm here has eps 1e-6, and the attention is over one head. */
#include "vae.h"

enum { STAGES = 4, MOST_RESNETS = 8, COLOURS = 3, MOMENTS = 8 };
static const float EPS = 1e-6f;

static Tensor vae_resnet(Run *r, const char *block, Tensor x) { return resnet(r, block, x, NULL, EPS, 1); }

static Tensor vae_attention(Run *r, const char *p, Tensor x)
{
    size_t before = mark(r->machine->mem);
    Tensor h = group_norm(r, at(r, p, "group_norm"), x, EPS, 1, PLAIN);
    Tensor q = linear(r, at(r, p, "to_q"), h), k = linear(r, at(r, p, "to_k"), h), v = linear(r, at(r, p, "to_v"), h);
    return keep(r, before, add(r, linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, 1, SPACE)), x));
}

/* SD has three resnets a stage; here as many as there are names for */
static int resnets(Run *r, const char *stage)
{
    int n = 1;
    for (int j = 1; j < MOST_RESNETS; j++) {
        const char *p = format(r->machine->mem, "%s.resnets.%d", stage, j);
        if (has(r, at(r, p, "conv1")) || has(r, at(r, p, "conv2"))) n = j + 1;
    }
    return n;
}

static Tensor middle(Run *r, const char *half, Tensor x)
{
    Arena *a = r->machine->mem;
    x = vae_resnet(r, format(a, "vae.%s.mid_block.resnets.0", half), x);
    x = vae_attention(r, format(a, "vae.%s.mid_block.attentions.0", half), x);
    return vae_resnet(r, format(a, "vae.%s.mid_block.resnets.1", half), x);
}

/* resnets, then twice the size or half of it */
static Tensor stage(Run *r, const char *blocks, int i, int up, Tensor x)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    const char *p = format(a, "%s.%d", blocks, i);
    int count = resnets(r, p);
    size_t named = mark(a);
    for (int j = 0; j < count; j++) x = keep(r, named, vae_resnet(r, format(a, "%s.resnets.%d", p, j), x));
    if (i < STAGES - 1) x = up ? conv2d(r, at(r, p, "upsamplers.0.conv"), upsample(r, x, 2 * x.h, 2 * x.w), 1) : conv2d_half(r, at(r, p, "downsamplers.0.conv"), x);
    return keep(r, before, x);
}

/* norm SiLU conv, to `channels` */
static Tensor last(Run *r, const char *half, Tensor x, int channels)
{
    Arena *a = r->machine->mem;
    x = group_norm(r, format(a, "vae.%s.conv_norm_out", half), x, EPS, 1, SILU);
    x = conv2d(r, format(a, "vae.%s.conv_out", half), x, 1);
    if (x.c && x.c != channels) problem(r, "vae.%s.conv_out gives %d channels, expected %d", half, x.c, channels);
    return x;
}

Tensor vae_decode(Run *r, Tensor z)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor x = tensor(r, z.n, z.h, z.w, z.c);
    for (size_t i = 0; i < size(z) && !r->machine->dry; i++) x.x[i] = z.x[i] / LATENT_SCALE;
    x = linear(r, "vae.post_quant_conv", x);
    x = middle(r, "decoder", conv2d(r, "vae.decoder.conv_in", x, 1));
    for (int i = 0; i < STAGES; i++) x = keep(r, before, stage(r, "vae.decoder.up_blocks", i, 1, x));
    return keep(r, before, last(r, "decoder", x, COLOURS));
}

Tensor vae_encode(Run *r, Tensor x)
{
    size_t before = mark(r->machine->mem);
    x = conv2d(r, "vae.encoder.conv_in", x, 1);
    for (int i = 0; i < STAGES; i++) x = keep(r, before, stage(r, "vae.encoder.down_blocks", i, 0, x));
    x = linear(r, "vae.quant_conv", last(r, "encoder", middle(r, "encoder", x), MOMENTS));
    if (x.c && x.c != MOMENTS) problem(r, "vae.quant_conv gives %d channels, expected %d", x.c, MOMENTS);
    return keep(r, before, x);
}
