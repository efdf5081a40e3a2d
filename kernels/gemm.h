/* gemm.h - what the kernels share: the tile, and weights widened for it; for the kernels only. */
#ifndef GEMM_H
#define GEMM_H

#include "kernel.h"
#include "vector.h"

/* KC: most steps of a sum done at a time, twice as many of bf16: the channels of Stable Diffusion's first level */
enum { KC = 320 };

/* c = (add ? c : bias, or 0 where NULL) + scale * sum;  pairs: a and b hold bf16 numbers, two steps of the sum in one */
typedef struct { const float *bias; float scale; int add, pairs; } Finish;

/* c[rows][NR or fewer] from a[rows][k] and b[k][NR].  Any number of rows; ldc, lda: from row to row. */
void tiles(float *c, size_t ldc, size_t columns, const float *a, size_t lda, size_t rows, const float *b, size_t k, Finish f);

/* n floats -> n bf16 numbers, which may take the same place, and zeros up to the next whole vector */
void round_row(void *to, const float *x, size_t n);
/* panel [k][NR] -> pairs [k/2, rounded up][NR], in the first half of the same place */
void round_panel(float *b, size_t k);
static inline size_t steps_at_once(int pairs) { return pairs ? 2 * KC : KC; }
static inline size_t steps_of(size_t k, int pairs) { return pairs ? (k + 1) / 2 : k; }

/* n elements of w from element i on, as floats */
void widen(float *out, const Weight *w, size_t i, size_t n);
/* a vector of n parameters as floats, taken from the arena; NULL stays NULL */
float *widened(Machine *m, const Weight *w, size_t n);
/* NR filters from filter j, channels ic .. ic+n, of w [out,in,taps]; missing filters are zero:  b[tap*n + i][NR], or b[i*taps + tap][NR] as they lie;
 * turned: see Conv */
void pack_weights(float *b, const Weight *w, size_t j, size_t ic, size_t n, int by_tap, int turned);

int thread_id(void);

/* Group norm's mean and scale = gamma / sqrt(var + eps) for each channel of each sample; gamma NULL: 1 */
void group_statistics(Machine *m, float *mean, float *scale, const float *x, const float *gamma, GroupNorm g);

/* winograd.c: a 3x3 convolution of stride 1 and pad 1 by fewer multiplications, for whole vectors of channels; faster whatever the number of pixels, and than bf16 too */
int  winograd_fits(Tensor y, Tensor x, const Weight *w, Conv how);
void winograd(Machine *m, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how);

#endif
