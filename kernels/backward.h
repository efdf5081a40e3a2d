/* backward.h - the loops that take the time on the way back, beside kernel.h's on the way forward.
 *
 * dy is the gradient of the loss by what the forward loop gave; each of these ADDS to the gradient (dx, ...) of what the
 * forward loop was given.  Same layouts, same promise: any number of threads gives the same bytes. */
#ifndef BACKWARD_H
#define BACKWARD_H

#include "kernel.h"

/* y = scale * (x * w).  dy and dx are tensors of y's and x's shapes. */
void conv_back(Machine *m, Tensor dx, Tensor dy, const Weight *w, Conv how);

/* As low_rank_product().  dy, dx: as above; x, middle: needed, as values, only where the pair learns.  dx.x: NULL where it is not wanted. */
void low_rank_back(Machine *m, Tensor dx, Tensor dy, Tensor x, Tensor middle, const LowRank *p);

/* As attend(), which must have left y and shape.sums; dq, dk, dv are laid out as q, k, v; NULL where not wanted.  The scores are computed again.
 * Heads are shared out among the threads, not the tokens of one. */
typedef struct { float *q, *k, *v; } AttentionGradients;
void attend_back(Machine *m, AttentionGradients d, const float *dy, const float *y, Rows q, Rows k, Rows v, Attention shape);

void group_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, const Weight *beta, GroupNorm shape);
void layer_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, size_t count, int c, float eps);
void swish_back(Machine *m, float *dx, const float *dy, const float *x, size_t n, float k);             /* y = x sigmoid(k x) */
void geglu_back(Machine *m, float *dx, const float *dy, const float *x, size_t count, int c);           /* dx, x: [.., 2c] */
void sum_rows_of(Machine *m, float *dx, const float *dy, size_t count, int c);                          /* dx[c] += the sum of count rows */

#endif
