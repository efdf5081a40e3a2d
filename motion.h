/* motion.h - AnimateDiff's motion modules (Guo et al., 2023): attention over time at every pixel. */
#ifndef MOTION_H
#define MOTION_H

#include "nn.h"

typedef enum { NO_MOTION, MOTION_V1, MOTION_V2, MOTION_V3, MOTION_LCM } MotionKind;

/* Which module is loaded, told from its tensors: v2 has a middle block, v1 24 positions, AnimateLCM a middle block and no positions. */
MotionKind  motion_kind     (const Weights *w);
const char *motion_kind_name(MotionKind k);
int         motion_positions(const Weights *w);       /* the most frames it can take; 0: no module, or the first positions are missing */

/* x: [clips*r->clip, h, w, c], changed by the module in that slot ("down_blocks.0.motion_modules.0");
 * x itself when no module is loaded, or it has no such slot (v2 and AnimateLCM alone have one in the middle). */
Tensor motion(Run *r, const char *slot, Tensor x);

#endif
