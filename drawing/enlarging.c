/* enlarging.c - the second pass by pictures: what the first one drew, made larger by an upscaler.
 *
 *     decode      the latents of each frame, by the VAE
 *     enlarge     by the network, Lanczos or Nearest, to the size of the second pass (upscaling.c)
 *     encode      by the VAE, to the means of its latents
 *
 * Source: the web UI, modules/processing.py, StableDiffusionProcessingTxt2Img.sample_hr_pass(), for upscalers whose
 * name does not begin with "Latent".  It samples latents instead, with noise that does not follow from the seed and
 * cannot be repeated; the means are very close to any sample.
 *
 * The frames are made one by one, so the memory is that of one.  The first pass is kept before: an interruption costs
 * the frames that are enlarged by then, and no step. */
#include "enlarging.h"

#include "vae.h"

typedef struct { Work *w; Tensor from, to; } Enlarging;

static Tensor frame_of(Tensor x, int f)
{
    return (Tensor){ .n = 1, .h = x.h, .w = x.w, .c = x.c, .x = x.x + (size_t)f * size(x) / (size_t)x.n };
}

static void enlarge_frame(const Enlarging *e, int f)
{
    Work *w = e->w;
    size_t before = mark(w->mem);
    int width = e->to.w * FACTOR;
    int height = e->to.h * FACTOR;
    unsigned char *rgb = allocate(w->mem, 3 * (size_t)width, (size_t)height);
    upscale_picture(&w->run, &w->enlarging, vae_decode(&w->run, frame_of(e->from, f)), rgb, width, height);
    Tensor x = picture_of_bytes(&w->run, rgb, width, height);
    Tensor moments = vae_encode(&w->run, x);
    if (!w->machine.dry) vae_means(frame_of(e->to, f), moments);
    release(w->mem, before);
}

/* A dry run enlarges one frame, which stands for all. */
static void enlarge_frames(void *enlarging)
{
    const Enlarging *e = enlarging;
    Work *w = e->w;
    double ops_before = w->machine.ops;
    if (w->machine.dry) {
        enlarge_frame(e, 0);
        w->machine.ops += (w->machine.ops - ops_before) * (e->from.n - 1);
        return;
    }
    if (w->state && clip_state_worth(w->state)) job_keep(w);
    for (int f = 0; f < e->from.n; f++) {
        callbacks_progress(w->callbacks, "frame", f, e->from.n);
        enlarge_frame(e, f);
    }
}

void enlarge_pictures(Work *w, Tensor to, Tensor from)
{
    Enlarging e = { w, from, to };
    if (job_is_past(w, FIRST_PASS)) return;
    size_t before = mark(w->mem);
    DenoisingState *over = denoising_begin(&w->run, from);
    over->calls = (uint32_t)denoise_calls(&w->denoising);
    w->at = (ClipPosition){ .stage = FIRST_PASS, .latents = from, .memory = over->memory };
    w->at.buffers = sampler_buffers(w->denoising.sampling.method);
    w->denoised = over;
    job_run_stage(w, enlarge_frames, &e);
    w->denoised = NULL;
    release(w->mem, before);
}
