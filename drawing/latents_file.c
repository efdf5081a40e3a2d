/* latents_file.c - the final latents of a drawing job in a file.
 *
 *     latent_tensor    F32 [frames,4,h,w]     as the UNet has them: diffusers' latents before vae.decode
 *     metadata         "parameters": the settings as infotext;  "scaling_factor": "0.18215"
 *
 * A safetensors file.  In diffusers:  vae.decode(load_file(path)["latent_tensor"] / 0.18215)
 * ComfyUI's LoadLatent reads it, when it is called NAME.latent: without the tensor latent_format_version_0 it takes
 * latents for scaled ones, and divides.  Its own files have that tensor, and hold what the VAE has.
 *
 * The file is not trusted: it refuses other shapes, and numbers that are not finite. */
#include "latents_file.h"

#include "safetensors.h"
#include "vae.h"

#include <math.h>
#include <string.h>

enum { MOST_FRAMES = 100000, MOST_SIDE = 1024 };

/* to[(f*4 + c)*plane + i] = x[(f*plane + i)*4 + c]:  channels last to channels first */
static void to_channels_first(float *to, Tensor x)
{
    size_t plane = (size_t)x.h * (size_t)x.w;
    for (size_t f = 0; f < (size_t)x.n; f++)
        for (size_t c = 0; c < LATENT; c++)
            for (size_t i = 0; i < plane; i++)
                to[(f * LATENT + c) * plane + i] = x.x[(f * plane + i) * LATENT + c];
}

void latents_save(Arena *a, const char *path, const Latents *l)
{
    size_t before = mark(a);
    const Tensor x = l->x;
    size_t shape[] = { (size_t)x.n, LATENT, (size_t)x.h, (size_t)x.w };
    float *data = allocate(a, size(x), sizeof *data);
    Weight w = { .name = "latent_tensor", .data = data, .type = F32, .rank = 4, .shape = shape };
    w.bytes = size(x) * sizeof *data;
    to_channels_first(data, x);
    KeyValue metadata[] = { { "format", "pt" }, { "scaling_factor", "0.18215" }, { "parameters", l->parameters } };
    safetensors_save(a, path, &w, 1, metadata, sizeof metadata / sizeof *metadata);
    release(a, before);
}

static void check_shape(Arena *a, const char *path, const Weight *w)
{
    int fits = w->rank == 4 && dtype_is_float(w->type) && w->shape[1] == LATENT;
    fits = fits && w->shape[0] >= 1 && w->shape[0] <= MOST_FRAMES;
    fits = fits && w->shape[2] >= 1 && w->shape[2] <= MOST_SIDE && w->shape[3] >= 1 && w->shape[3] <= MOST_SIDE;
    if (fits) return;
    fail(a, "%s: latent_tensor is %s of %s, expected latents of Stable Diffusion 1.x: floats of [frames,4,h,w]", path,
         shape_text(a, w), dtype_name(w->type));
}

/* Does it begin as safetensors, with a tensor of that name in the header? */
static int names_latents(Bytes file)
{
    static const char name[] = "\"latent_tensor\"";
    size_t most = file.size < 1 << 20 ? file.size : 1 << 20;
    if (most < 9 || file.data[8] != '{') return 0;
    for (size_t at = 8; at + sizeof name < most; at++)
        if (has_bytes_at(file, at, name, sizeof name - 1)) return 1;
    return 0;
}

int latents_read(Arena *a, const char *path, Bytes file, Latents *l)
{
    if (!names_latents(file)) return 0;
    const WeightFile *f = safetensors_read(a, path, file);
    const Weight *w = file_weight(f, "latent_tensor");
    if (!w) return 0;
    check_shape(a, path, w);
    float scale = file_weight(f, "latent_format_version_0") ? LATENT_SCALE : 1;
    Tensor x = { .n = (int)w->shape[0], .h = (int)w->shape[2], .w = (int)w->shape[3], .c = LATENT };
    size_t plane = (size_t)x.h * (size_t)x.w;
    x.x = allocate(a, size(x), sizeof *x.x);
    for (size_t i = 0; i < size(x); i++) {
        size_t channel = i / plane;
        float value = scale * dtype_value(w->data, w->type, i);
        if (!isfinite(value)) fail(a, "%s: its latents are not finite", path);
        x.x[(channel / LATENT * plane + i % plane) * LATENT + channel % LATENT] = value;
    }
    *l = (Latents){ .x = x, .width = x.w * FACTOR, .height = x.h * FACTOR };
    l->parameters = file_metadata(f, "parameters");
    return 1;
}
