/* winograd.h - 3x3 convolutions with a quarter of the multiplications.  For the kernels only. */
#ifndef WINOGRAD_H
#define WINOGRAD_H

#include "kernel.h"

/* Is this a convolution for winograd()?  It must be 3x3, of stride 1 and pad 1, with whole vectors of channels on both
 * sides, and at least 32.  For these winograd() is faster than gemm_conv() for any number of pixels, even in bf16. */
int winograd_fits(Tensor y, Tensor x, const Weight *w, Conv how);

/* conv() of kernel.h, for what winograd_fits() returns 1 for.  bias: float32, [out] or NULL. */
void winograd(Machine *m, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how);

#endif
