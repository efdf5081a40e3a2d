/* preview.h - latents as a small picture without decoding them: a linear map, fitted to the decoder that the job has. */
#ifndef PREVIEW_H
#define PREVIEW_H

#include "nn.h"

typedef struct { float by[4][3], plus[3]; } LatentMap;       /* colours in -1..1 = latents by + plus */

/* z: [1,h,w,4], the latents that there are now.  Decodes them at a few pixels a side. */
LatentMap preview_fit(Run *r, Tensor z);

/* z: [n,h,w,4] -> rgb: [n,h,w,3] */
void preview_draw(const LatentMap *m, Tensor z, unsigned char *rgb);

#endif
