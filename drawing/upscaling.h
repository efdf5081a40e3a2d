/* upscaling.h - pictures after the VAE as bytes, at the size that is wanted. */
#ifndef UPSCALING_H
#define UPSCALING_H

#include "upscale_method.h"
#include "upscaler.h"

/* How a picture becomes larger.
 * network: of BY_NETWORK
 * factor:  what it does by itself: the network's scale, 2 for BY_NEAREST and BY_LANCZOS, 1 for NOT_UPSCALED */
typedef struct { UpscaleMethod method; Upscaler network; double factor; } Upscaling;

/* Writes a picture of the VAE as bytes, width x height of them.
 * x: [1,h,w,3], -1..1     rgb: [height,width,3]
 * A network works on x as floating point numbers, clamped to 0..1.  What has not the size then is resized as bytes:
 * to the nearest pixel, or by Lanczos.  In a dry run it only counts.  Fails as nn.h says. */
void upscale_picture(Run *r, const Upscaling *u, Tensor x, unsigned char *rgb, int width, int height);

/* The way there: 2 (rgb / 255) - 1, as the VAE encodes it.  [height,width,3] -> [1,h,w,3]; a dry run only counts. */
Tensor picture_of_bytes(Run *r, const unsigned char *rgb, int width, int height);

#endif
