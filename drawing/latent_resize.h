/* latent_resize.h - latents at another size, for the second pass ("Hires fix"). */
#ifndef LATENT_RESIZE_H
#define LATENT_RESIZE_H

#include "tensor.h"

/* F.interpolate(x, size=(y.h, y.w), mode="bilinear", antialias=False), or mode="nearest".
 * x: [n,h,w,c] -> y: [n,y.h,y.w,c], allocated by the caller */
void latent_resize(Tensor y, Tensor x, int nearest);

#endif
