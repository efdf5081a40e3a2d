/* motion.h - AnimateDiff's motion modules (Guo et al., 2023): temporal attention, over the frames of a clip at every
 * pixel.
 * Reference: AnimateDiff's own motion_module.py (VanillaTemporalModule). */
#ifndef MOTION_H
#define MOTION_H

#include "checkpoint.h"
#include "nn.h"

typedef enum { NO_MOTION, MOTION_V1, MOTION_V2, MOTION_V3, MOTION_LCM } MotionKind;

/* Which motion module is loaded, found out from its tensors: AnimateLCM has a module in the mid block and no positional
 * encoding, v2 has both, v1 has positions for 24 frames, and everything else is v3. */
MotionKind  motion_kind(const Weights *w);
const char *motion_kind_name(MotionKind k);
/* The most frames that it can take at once.  Returns 0 when there is no module, or when the positional encoding of its
 * first block is missing. */
int         motion_positions(const Weights *w);

/* x: [clips * r->frames, h, w, c], changed by the module in that slot, e.g. "down_blocks.0.motion_modules.0".
 * Returns x itself when no module is loaded, or when it has no such slot (only v2 and AnimateLCM have one in the mid
 * block).  Fails as nn.h says. */
Tensor motion(Run *r, const char *slot, Tensor x);

#endif
