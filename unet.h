/* unet.h - the noise predictor of Stable Diffusion 1.x (Rombach et al., 2022), with motion modules where they are loaded. */
#ifndef UNET_H
#define UNET_H

#include "nn.h"

/* x: noisy latents [clip,h,w,4] at timestep t (0..999);  text: [prompts, 1 or clip, tokens, width], one for the whole clip or one
 * for each frame -> the noise in them, [prompts * clip, h,w,4].  Every prompt is for all of x, and what does not depend on the
 * text is computed once. */
Tensor unet(Run *r, Tensor x, float t, Tensor text);

#endif
