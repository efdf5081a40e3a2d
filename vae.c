/* vae.c - the autoencoder: latents to pictures, and pictures to latents.
 *
 *     decoder:  z / 0.18215, post_quant_conv, conv_in, [resnet attention resnet], four stages of resnets of which the
 *               first three double the size, norm, SiLU, conv_out to three colours
 *     encoder:  the same in the other direction; it gives a normal distribution over latents
 *
 * Every group norm here has eps 1e-6 (the UNet's resnets have 1e-5), and attention has one head.  Stages are numbered
 * as diffusers numbers them: up_blocks.0 runs first; in a single-file checkpoint that one is called up.3. */
#include "vae.h"

#include "finite.h"

enum { STAGES = 4, MOST_RESNETS = 8, COLOURS = 3, MOMENTS = 8 };
enum { DOWN, UP };
static const float EPS = 1e-6f;

static Tensor vae_resnet(Run *r, const char *block, Tensor x)
{
    return resnet(r, block, x, NULL, EPS, 1);
}

static Tensor vae_attention(Run *r, const char *p, Tensor x)
{
    size_t before = mark(r->machine->mem);
    Tensor h = group_norm(r, at(r, p, "group_norm"), x, EPS, 1, NO_ACTIVATION);
    Tensor q = linear(r, at(r, p, "to_q"), h);
    Tensor k = linear(r, at(r, p, "to_k"), h);
    Tensor v = linear(r, at(r, p, "to_v"), h);
    h = linear(r, at(r, p, "to_out.0"), attention(r, q, k, v, 1, SPATIAL));
    return compact(r, before, add(r, h, x));
}

/* Stable Diffusion has three resnets a stage in the decoder and two in the encoder.  Here the file's names decide, so
 * smaller models work too.  Returns at least 1. */
static int count_resnets(Run *r, const char *stage)
{
    int n = 1;
    for (int j = 1; j < MOST_RESNETS; j++) {
        const char *p = format(r->machine->mem, "%s.resnets.%d", stage, j);
        if (has(r, at(r, p, "conv1")) || has(r, at(r, p, "conv2"))) n = j + 1;
    }
    return n;
}

static Tensor mid_block(Run *r, const char *half, Tensor x)
{
    Arena *a = r->machine->mem;
    x = vae_resnet(r, format(a, "vae.%s.mid_block.resnets.0", half), x);
    x = vae_attention(r, format(a, "vae.%s.mid_block.attentions.0", half), x);
    return vae_resnet(r, format(a, "vae.%s.mid_block.resnets.1", half), x);
}

static Tensor double_size(Run *r, const char *stage, Tensor x)
{
    return conv2d(r, at(r, stage, "upsamplers.0.conv"), upsample(r, x, 2 * x.h, 2 * x.w), 1);
}

/* PyTorch: F.pad(x, (0, 1, 0, 1)), then a convolution of stride 2 without padding.  Padding on all sides instead
 * shows as a border around the picture. */
static Tensor half_size(Run *r, const char *stage, Tensor x)
{
    return conv2d_half(r, at(r, stage, "downsamplers.0.conv"), x);
}

/* UpDecoderBlock2D or DownEncoderBlock2D: resnets, and then double or half the size.  The last stage keeps its size. */
static Tensor stage(Run *r, const char *blocks, int i, int direction, Tensor x)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    const char *p = format(a, "%s.%d", blocks, i);
    int count = count_resnets(r, p);
    size_t after_name = mark(a);
    for (int j = 0; j < count; j++)
        x = compact(r, after_name, vae_resnet(r, format(a, "%s.resnets.%d", p, j), x));
    if (i < STAGES - 1) {
        if (direction == UP) x = double_size(r, p, x);
        else x = half_size(r, p, x);
    }
    return compact(r, before, x);
}

/* conv_out(SiLU(conv_norm_out(x))), which must give `channels` channels. */
static Tensor output(Run *r, const char *half, Tensor x, int channels)
{
    Arena *a = r->machine->mem;
    x = group_norm(r, format(a, "vae.%s.conv_norm_out", half), x, EPS, 1, SILU);
    x = conv2d(r, format(a, "vae.%s.conv_out", half), x, 1);
    if (x.c && x.c != channels) problem(r, "vae.%s.conv_out gives %d channels, expected %d", half, x.c, channels);
    return x;
}

/* A VAE whose weights overflowed in fp16 makes black pictures. */
static Tensor finite(Run *r, Tensor x, const char *what)
{
    check_finite(r, x, (FiniteCheck){ .what = what, .part = "vae.", .is_vae = 1 });
    return x;
}

/* VAE decode:  vae.decode(z / vae.config.scaling_factor) */
Tensor vae_decode(Run *r, Tensor z)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor x = tensor(r, z.n, z.h, z.w, z.c);
    for (size_t i = 0; i < size(z) && !r->machine->dry; i++) x.x[i] = z.x[i] / LATENT_SCALE;
    x = linear(r, "vae.post_quant_conv", x);
    x = conv2d(r, "vae.decoder.conv_in", x, 1);
    x = mid_block(r, "decoder", x);
    for (int i = 0; i < STAGES; i++) x = compact(r, before, stage(r, "vae.decoder.up_blocks", i, UP, x));
    x = compact(r, before, output(r, "decoder", x, COLOURS));
    return finite(r, x, "the picture is not finite after the VAE");
}

/* VAE encode:  vae.encode(x).latent_dist.parameters */
Tensor vae_encode(Run *r, Tensor x)
{
    size_t before = mark(r->machine->mem);
    x = conv2d(r, "vae.encoder.conv_in", x, 1);
    for (int i = 0; i < STAGES; i++) x = compact(r, before, stage(r, "vae.encoder.down_blocks", i, DOWN, x));
    x = mid_block(r, "encoder", x);
    x = output(r, "encoder", x, MOMENTS);
    x = linear(r, "vae.quant_conv", x);
    if (x.c && x.c != MOMENTS) problem(r, "vae.quant_conv gives %d channels, expected %d", x.c, MOMENTS);
    return finite(r, compact(r, before, x), "the latents are not finite after the VAE's encoder");
}

void vae_means(Tensor z, Tensor moments)
{
    for (size_t i = 0; i < size(z); i++) z.x[i] = LATENT_SCALE * moments.x[i / LATENT * 2 * LATENT + i % LATENT];
}
