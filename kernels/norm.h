/* norm.h - what group norm forward and backward share.  For the kernels only. */
#ifndef NORM_H
#define NORM_H

#include "kernel.h"

/* How many rows one thread sums at a time.  It is the same for any number of threads, because the order in which
 * numbers are added depends on it. */
enum { NORM_CHUNK = 256 };

/* The statistics of group norm for each channel: mean, and scale = gamma / sqrt(var + eps).  Writes both, [samples][c].
 * x: [samples][rows][c]     gamma: float32, [c]; NULL stands for 1 */
void group_statistics(Machine *m, float *mean, float *scale, const float *x, const float *gamma, GroupNorm shape);

#endif
