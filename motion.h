/* motion.h - AnimateDiff's motion modules (Guo et al., 2023): temporal attention, over the frames of a clip at every
 * pixel. Reference: AnimateDiff's own motion_module.py (VanillaTemporalModule). */
#ifndef MOTION_H
#define MOTION_H

#include "checkpoint.h"
#include "nn.h"

typedef enum { NO_MOTION, MOTION_V1, MOTION_V2, MOTION_V3, MOTION_LCM } MotionKind;

/* Which module is loaded, told from its tensors: v2 has one in the mid block; v1 has 24 frame positions; AnimateLCM
 * has one in the mid block and no positions; what is left is v3. */
MotionKind  motion_kind     (const Weights *w);
const char *motion_kind_name(MotionKind k);
/* The most frames it can take; 0 when there is no module, or when the positions of its first block are missing. */
int         motion_positions(const Weights *w);

/* x: [clips * r->frames, h, w, c], changed by the module in that slot, e.g. "down_blocks.0.motion_modules.0".
 * Returns x itself when no module is loaded, or when it has no such slot (only v2 and AnimateLCM have one in the mid
 * block).  Fails as nn.h says. */
Tensor motion(Run *r, const char *slot, Tensor x);

#endif
