/* unet.h - the noise predictor of Stable Diffusion 1.x (Rombach et al., 2022), with motion modules where they are loaded. */
#ifndef UNET_H
#define UNET_H

#include "nn.h"

/* x: noisy latents [n,h,w,4] at timestep t (0..999), n a multiple of r->clip;  text: [prompts, tokens, 1, width]
 * -> the noise in them, [prompts * r->clip, h,w,4].  With more prompts than clips (both halves of guidance) every
 * prompt is for all of x, and what does not depend on the text is computed once. */
Tensor unet(Run *r, Tensor x, float t, Tensor text);

#endif
