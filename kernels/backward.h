/* backward.h - backpropagation: the gradients of kernel.h's functions.
 *
 * d stands for "gradient of the loss by": dy has the shape of the result y, dx that of the argument x.  Each function
 * reads dy and ADDS to dx, dq, ..., so a tensor that is used twice gets the sum of both gradients.  Letters, layouts
 * and promises are those of kernel.h: any number of threads gives the same bytes. */
#ifndef BACKWARD_H
#define BACKWARD_H

#include "kernel.h"

/* Backward of conv().  y = scale * (x * w):  dx += scale * (dy * w'), where w' is w transposed (see Conv).
 * how: as it was for conv()     w: frozen, it gets no gradient */
void conv_back(Machine *m, Tensor dx, Tensor dy, const Weight *w, Conv how);

/* The gradient of a convolution by its weight.  y = x * w:  dw += dy' x, for each tap of the kernel with the pixels
 * under it.  dw: [out,in] or [out,in,k,k] as w is, of which only the shape counts     how: as it was for conv() */
void conv_weight_back(Machine *m, float *dw, Tensor dy, Tensor x, const Weight *w, Conv how);

/* LoRA backward.  y = w(x) + bias + scale * up(middle), middle = dropout(down(x)):
 *
 *     d_middle = dropout(scale * dy up)        dx     += dy W + d_middle down
 *                                     d_up   += scale * dy' middle
 *                                     d_down += d_middle' x
 *
 * d_up and d_down are p->d_up and p->d_down.  Where these are NULL, the pair is not trained, and the values of x and
 * middle are not read.  dx.x is NULL where the gradient by x is not wanted. */
void lora_backward(Machine *m, Tensor dx, Tensor dy, Tensor x, Tensor middle, const LoraLayer *p);

/* dq, dk and dv, laid out as q, k and v; each is NULL where it is not wanted. */
typedef struct { float *q, *k, *v; } AttentionGradients;

/* Backward of attend().  y = p v, p = softmax(q k' / sqrt(d)).  With D the sum of dy y over the channels of a head:
 *
 *     ds = p (dy v' - D) / sqrt(d)        dq += ds k        dk += ds' q        dv += p' dy
 *
 * y: the result of attend().  shape has the softmax statistics that it wrote, with which p is computed again. */
void attend_back(Machine *m, AttentionGradients d, const float *dy, const float *y,
                 StridedRows q, StridedRows k, StridedRows v, Attention shape);

/* Backward of group_normalize() and layer_normalize().  z = (x - mean) / sqrt(var + eps), v = z gamma + beta, and y is
 * v, or silu(v) with shape.silu.  dv is the gradient by v, and a = gamma dv.  Means go over the same rows and channels
 * as mean and var:
 *
 *     dx += (a - mean(a) - z mean(a z)) / sqrt(var + eps)
 *
 * x: the argument of the norm.  gamma and beta are frozen and get no gradient. */
void group_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma,
                          const Weight *beta, GroupNorm shape);
void layer_normalize_back(Machine *m, float *dx, const float *dy, const float *x, const Weight *gamma, size_t count,
                          int c, float eps);

/* Backward of silu_of() with k = 1, and of quick_gelu_of() with k = 1.702.  y = x s with s = sigmoid(k x), n values:
 *
 *     dx += dy s (1 + k x (1 - s)) */
void swish_back(Machine *m, float *dx, const float *dy, const float *x, size_t n, float k);

/* Backward of geglu_of().  y = value gelu(gate):
 *
 *     d_value += dy gelu(gate)        d_gate += dy value gelu'(gate), where gelu' is the derivative
 *
 * x, dx: [count][2c], value first     dy: [count][c] */
void geglu_back(Machine *m, float *dx, const float *dy, const float *x, size_t count, int c);

/* Backward of add_row(), by its row:  dx += the sum of the rows of dy.
 * dx: [c]     dy: [count][c] */
void add_row_back(Machine *m, float *dx, const float *dy, size_t count, int c);

#endif
