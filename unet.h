/* unet.h - the noise predictor of Stable Diffusion 1.x (Rombach et al., 2022), with motion modules where they are
 * loaded.
 * Reference: diffusers' UNet2DConditionModel and UNetMotionModel. */
#ifndef UNET_H
#define UNET_H

#include "nn.h"

/* eps_theta(x_t, t, text), or v where the model predicts v.
 * x:    noisy latents x_t, [frames,h,w,4]
 * t:    the timestep, 0..999; it may lie between two timesteps
 * text: [prompts, 1 or frames, tokens, width]: one text for the whole clip, or one for each frame
 * Returns [prompts * frames, h,w,4], in the arena.  Every prompt is applied to all of x (classifier-free guidance
 * needs two), and what does not depend on the text is computed once.  Fails as nn.h says. */
Tensor unet(Run *r, Tensor x, float t, Tensor text);

#endif
