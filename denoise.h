/* denoise.h - the denoising loop: from noise to latents, around the noise predictor and the sampler. */
#ifndef DENOISE_H
#define DENOISE_H

#include "context_windows.h"
#include "sampler.h"
#include "text.h"

typedef struct {
    SamplerSetup sampling;               /* its memory is allocated by denoise() */
    ContextOptions windows;              /* context windows; r->frames is the length of one */
    double       cfg;                    /* scale of classifier-free guidance */
    double       cfg_rescale;            /* phi of Lin et al., 2024, 0..1; 0: no rescaling */
    uint64_t     seed;
    int          nv_noise;               /* the web UI's Philox, frame i from seed + i; else torch's CPU generator */
    int          img2img;                /* noise is added to latents, and the first first_step steps are skipped */
    int          first_step;             /* 0 unless img2img */
    Tensor       moments;                /* img2img: [1,h,w,8] of vae_encode(), from which the latents of every frame
                                            are drawn; .x NULL: the latents are in x */
    void       (*on_x0)(void *to, Tensor x0);      /* sees the predicted x0 of each call, [frames,h,w,4]; may be NULL */
    void        *on_x0_to;
    const char  *stage;                  /* what progress calls a step; NULL: "step" */
} Denoising;

typedef void Progress(void *to, const char *stage, int done, int of);

/* How often the sampler asks for the noise: so many conditionings are needed. */
int denoise_calls (const Denoising *d);
/* How often the UNet runs: once for each context window in each of those calls. */
int denoise_passes(const Denoising *d);

/* x:     [frames,h,w,4]; receives the denoised latents.  Its contents matter only for img2img without moments.
 * conditioning: for each call, denoise_calls() of them; texts for all frames, or for each of `frames`
 * progress, which may be NULL, is called before each pass with how many are done.
 * Fails when x is no longer finite, or as nn.h says.  Dry, the operations of all passes are added up and x is not
 * touched. */
void denoise(Run *r, const Denoising *d, Tensor x, const Conditioning *conditioning, Progress *progress, void *to);

#endif
