/* ddim.h - noise schedules and the DDIM sampler (Song et al., 2021), on float arrays only.
 *
 * Useful copied alone.  No memory, no failure; a Schedule is a plain value. */
#ifndef DDIM_H
#define DDIM_H

#include <stddef.h>

enum { TRAIN_STEPS = 1000 };

/* Both run from 0.00085 to 0.012.  SCALED_LINEAR: square roots evenly spaced, what Stable Diffusion 1.x was trained
 * with.  LINEAR: the betas themselves, what AnimateDiff's modules were trained with.  (The names are
 * diffusers'; LDM and ComfyUI call the first one "linear".) */
typedef enum { SCALED_LINEAR, LINEAR } Betas;

typedef struct {
    float alpha_bar[TRAIN_STEPS];      /* product of 1 - beta up to each timestep */
    float final;                       /* alpha_bar before timestep 0: the first one for stills, 1 for clips */
    int   steps;
} Schedule;

/* steps: 1..1000.  As diffusers' DDIMScheduler with timestep_spacing "leading", steps_offset 1, clip_sample False,
 * set_alpha_to_one for LINEAR (AnimateDiff's own setting), not for SCALED_LINEAR (Stable Diffusion's). */
void ddim_init(Schedule *s, Betas betas, int steps);
int  ddim_timestep(const Schedule *s, int i);      /* of step i = 0 .. steps-1, falling */

/* One step, in place: x at ddim_timestep(i), given the noise predicted in it -> x at the next.
 * eta 0: deterministic; else `fresh` holds n normal values. */
void ddim_step(const Schedule *s, int i, float *x, const float *noise, size_t n, float eta, const float *fresh);

#endif
