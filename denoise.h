/* denoise.h - noise to latents: the loop around the noise predictor. */
#ifndef DENOISE_H
#define DENOISE_H

#include "sampler.h"
#include "text.h"
#include "context_windows.h"

typedef struct {
    SamplerSetup sampling;               /* memory is taken here */
    Windows      windows;                /* a run's clip is as long as one of them */
    double       cfg, rescale;           /* guidance, and how far to bring its spread back to that of the prompt's own prediction, 0..1 */
    uint64_t     seed;
    int          first, over;            /* over: noise is laid over latents, and the steps before the first are skipped; else both 0 */
    Tensor       moments;                /* [1,h,w,8]: the picture that every frame's latents begin as, from vae_encode; x NULL: those in x */
    void       (*look)(void *to, Tensor clean);  void *looks;      /* NULL, or shown what each call takes for the clean picture: [frames,h,w,4] */
    const char  *stage;                  /* what progress calls a step; NULL: "step" */
    int          nv;                     /* noise of the web UI's "NV": Philox, frame i drawn by seed + i; else torch's CPU generator, the clip as a whole */
} Denoising;

typedef void Progress(void *to, const char *stage, int done, int of);

int denoise_calls (const Denoising *d);          /* of the sampler's: so many guides are needed */
int denoise_passes(const Denoising *d);          /* of the noise predictor: a window of frames in one call of the sampler's */

/* x: [frames,h,w,4], filled with what the noise of this seed comes to, or the latents in it;  guide: one for each call of the sampler's, its texts one or `frames`.
 * progress, which may be NULL, hears before each pass how many are done.  Fails when x is no longer finite.
 * Dry, all the passes' operations are added up; x is not touched. */
void denoise(Run *r, const Denoising *d, Tensor x, const Guide *guide, Progress *progress, void *to);

#endif
