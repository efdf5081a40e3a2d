/* gemm.h - matrix product (GEMM): C = A B, in tiles that stay in registers.  For the kernels only. */
#ifndef GEMM_H
#define GEMM_H

#include "kernel.h"
#include "pack.h"
#include "vector.h"

/* What is done with a finished sum:
 *
 *     c = bias + scale * sum        or with add (and no bias)        c = c + scale * sum
 *
 * bias:  [columns], or NULL for 0
 * bf16:  A and B hold pairs of bf16 numbers, so one step of the loop does two steps of the sum (see pack.h) */
typedef struct { const float *bias; float scale; int add, bf16; } Epilogue;

/* C = A B for one panel of B, and any number of rows of A, which are read where they lie.
 *
 * c: [rows][columns], columns <= NR     a: [rows][k]     b: a panel, [k][NR]
 * c_row, a_row: floats from one row to the next
 *
 * Every sum is taken in the order of k, whatever the number of rows. */
void gemm_panel(float *c, size_t c_row, size_t columns, const float *a, size_t a_row, size_t rows,
                const float *b, size_t k, Epilogue epilogue);

/* conv() of kernel.h, as one matrix product.  bias: float32, [out] or NULL. */
void gemm_conv(Machine *m, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how);

#endif
