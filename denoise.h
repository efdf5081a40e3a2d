/* denoise.h - the denoising loop: from noise to latents, around the noise predictor and the sampler. */
#ifndef DENOISE_H
#define DENOISE_H

#include "context_windows.h"
#include "random.h"
#include "sampler.h"
#include "text.h"

/* What the UNet is about to see: these frames of the clip, in this call of the sampler.  weight: what its
 * prediction for each of them weighs where windows overlap; those of a frame add up to 1. */
typedef struct { int call, length; const int *frame; const float *weight; } WindowCall;

/* What the latents that are drawn anew begin as: those of the init image, noise in their place, or zeros. */
typedef enum { ORIGINAL_CONTENT, LATENT_NOISE, LATENT_NOTHING } MaskedContent;

typedef struct {
    SamplerSetup sampling;               /* its memory is that of the DenoisingState */
    ContextOptions windows;              /* context windows; r->frames is the length of one */
    const float *motion_strength;        /* [windows.frames], see motion.c; NULL: 1 in all frames */
    double       cfg;                    /* scale of classifier-free guidance */
    double       cfg_rescale;            /* phi of Lin et al., 2024, 0..1; 0: no rescaling */
    uint64_t     seed;
    int          nv_noise;               /* 1: the web UI's Philox, frame i from seed + i; 0: torch's CPU generator */
    int          img2img;                /* 1: noise is added to latents, and the first first_step steps are skipped */
    int          first_step;             /* 0 unless img2img */
    Tensor       moments;                /* img2img: of vae_encode(), from which latents are sampled: [1,h,w,8], for
                                            every frame; or [frames,h,w,8]; .x NULL: the latents are in x already */
    const float *mask;                   /* inpainting, with moments: [h,w], 1 where latents are drawn anew, 0 where
                                            they are kept; NULL: all are drawn */
    MaskedContent masked_content;
    const float *first_weight;           /* first and last picture, with moments of both, [2,h,w,8]: how much of each a
                                            clean frame is, [frames], the rest noise; NULL: no last picture */
    const float *last_weight;            /* [frames], with first_weight */
    void       (*on_x0)(void *to, Tensor x0);      /* sees the predicted x0 of each call, [frames,h,w,4]; may be NULL */
    void        *on_x0_to;               /* passed to on_x0 */
    void       (*on_window)(void *to, const WindowCall *c);      /* before each run of the UNet; may be NULL */
    void        *on_window_to;           /* passed to on_window */
    int          is_second_pass;         /* of the hires fix; LoRAs may have other strengths there */
    const char  *stage;                  /* what progress messages call a step; NULL: "step" or "pass" */
} Denoising;

typedef void Progress(void *to, const char *stage, int done, int of);

/* How often the sampler calls the model.  denoise() needs one conditioning for each of these calls. */
int denoise_calls(const Denoising *d);
/* How often the UNet runs: once for each context window in each of those calls. */
int denoise_passes(const Denoising *d);

/* Where the loop stands between two calls of the model.  What is to come depends on this, and on nothing else that
 * changes: so a loop that goes on from a copy of it comes to the same latents. */
typedef struct {
    uint32_t calls;                      /* how many are done */
    uint32_t draws;                      /* how often noise was drawn */
    Rng      rng;                        /* torch's generator, where the noise comes from it */
    Tensor   x;                          /* [frames,h,w,4] */
    float   *memory;                     /* what the sampler keeps between calls: [SAMPLER_BUFFERS * size(x)], of which
                                            sampler_buffers() are in use */
} DenoisingState;

/* The state before the first call.  x: [frames,h,w,4], where the latents will be.  Its contents matter only for img2img
 * without moments. */
DenoisingState *denoising_begin(Run *r, Tensor x);

/* Makes the calls that are left: at->x becomes the denoised latents.  When it fails as CANCELLED or NO_MEMORY, *at is
 * the state before the call that did not end.
 * conditioning: denoise_calls() of them, one for each call; its text is for all frames, or one for each of `frames`
 * progress: called before each pass of the UNet, with how many are done; may be NULL.  `to` is passed to it.
 * Fails when x is no longer finite, or as nn.h says.  A dry run adds up the operations of all passes and does not
 * touch x. */
void denoise(Run *r, const Denoising *d, DenoisingState *at, const Conditioning *conditioning, Progress *progress,
             void *to);

#endif
