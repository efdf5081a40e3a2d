/* vae.c - latents to pictures.
 *
 *     z / 0.18215, post_quant_conv, conv_in, [resnet attention resnet], then four stages of resnets,
 *     the first three doubling the size, and at last norm SiLU conv to three colours
 *
 * Every norm here has eps 1e-6, and the attention is over one head. */
#include "vae.h"

enum { STAGES = 4, MOST_RESNETS = 8 };
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

static Tensor stage(Run *r, int i, Tensor x)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    const char *p = format(a, "vae.decoder.up_blocks.%d", i);
    int count = resnets(r, p);
    size_t named = mark(a);
    for (int j = 0; j < count; j++) x = keep(r, named, vae_resnet(r, format(a, "%s.resnets.%d", p, j), x));
    if (i < STAGES - 1) x = conv2d(r, at(r, p, "upsamplers.0.conv"), upsample(r, x, 2 * x.h, 2 * x.w), 1);
    return keep(r, before, x);
}

Tensor vae_decode(Run *r, Tensor z)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor x = tensor(r, z.n, z.h, z.w, z.c);
    for (size_t i = 0; i < size(z) && !r->machine->dry; i++) x.x[i] = z.x[i] / LATENT_SCALE;
    x = linear(r, "vae.post_quant_conv", x);
    x = conv2d(r, "vae.decoder.conv_in", x, 1);
    x = vae_resnet(r, "vae.decoder.mid_block.resnets.0", x);
    x = vae_attention(r, "vae.decoder.mid_block.attentions.0", x);
    x = vae_resnet(r, "vae.decoder.mid_block.resnets.1", x);
    for (int i = 0; i < STAGES; i++) x = keep(r, before, stage(r, i, x));
    x = group_norm(r, "vae.decoder.conv_norm_out", x, EPS, 1, SILU);
    x = conv2d(r, "vae.decoder.conv_out", x, 1);
    if (x.c && x.c != 3) problem(r, "vae.decoder.conv_out gives %d channels, expected 3", x.c);
    return keep(r, before, x);
}
