/* preview.h - latents as a small picture without decoding them.
 *
 * The picture is a linear map of the latents, which is fitted to the decoder that the job has. */
#ifndef PREVIEW_H
#define PREVIEW_H

#include "nn.h"

/* colour, -1..1 = sum over channels of factor[channel] z[channel] + offset */
typedef struct { float factor[4][3], offset[3]; } LatentMap;

/* Fits the map.  z: [1,h,w,4], the latents that there are now; they are decoded at a few pixels a side.  Fails as
 * nn.h says. */
LatentMap preview_fit(Run *r, Tensor z);

/* z: [n,h,w,4] -> rgb: [n,h,w,3], allocated by the caller */
void preview_draw(const LatentMap *m, Tensor z, unsigned char *rgb);

#endif
