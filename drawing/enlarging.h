/* enlarging.h - the second pass by pictures: what the first one drew, made larger by an upscaler. */
#ifndef ENLARGING_H
#define ENLARGING_H

#include "work.h"

/* Fills `to` with the latents that the second pass begins with, before its noise.
 * from: the final latents of the first pass, [frames,h,w,4]     to: [frames,H,W,4]
 * Where the job goes on behind the first pass, nothing is done.  A dry run counts.  Fails as nn.h says; when it is
 * interrupted, the first pass is kept. */
void enlarge_pictures(Work *w, Tensor to, Tensor from);

#endif
