/* unet.h - the noise predictor of Stable Diffusion 1.x (Rombach et al., 2022), with motion modules where they are loaded. */
#ifndef UNET_H
#define UNET_H

#include "nn.h"

/* x: noisy latents [n,h,w,4] at timestep t (0..999);  text: [prompts, tokens, 1, width], each for n/prompts pictures
 * -> the noise in them, [n,h,w,4].  n is a multiple of r->clip. */
Tensor unet(Run *r, Tensor x, float t, Tensor text);

#endif
