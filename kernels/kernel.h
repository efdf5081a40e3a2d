/* kernel.h - the loops that take the time.  Behind it are the only files that know the machine:
 *     gemm.c  winograd.c  attention.c  norm.c  merge.c  backward.c        (vector.h, gemm.h: what they share; backward.h: the way back)
 *
 * All tensors float32, channels last; weights in F32, F16 or BF16 as they lie in the file, widened
 * while they are packed.  Every result element is summed in one fixed order by one thread, so any number of
 * threads gives the same bytes.  Arguments are trusted: nn.c checks shapes before it calls. */
#ifndef KERNEL_H
#define KERNEL_H

#include "safetensors.h"

typedef struct {
    Arena *mem;          /* scratch is taken here and given back */
    int    threads;
    int    dry;          /* only take scratch and count operations; results are not written */
    double ops;          /* floating point operations so far, a multiply-add as two */
    int    bf16;         /* products and attention round what they multiply to bf16, and sum in float32 */
} Machine;

int    machine_threads(void);            /* the cores of this machine, or as many of them as this process may use */
double machine_speed  (Machine *m);      /* operations a second of a small product, measured now */

/* y = scale * (x * w) + bias; or with add (and no bias) y += scale * (x * w).  Kernel size is w's: [out,in] or [out,in,k,k].
 * x: [n,h,w,in]   y: [n,oh,ow,out]   pad: rows above and left (below and right follow from y)
 * turned: w is read the other way round, as [in,out] or [in,out,k,k] with its k x k taps in reverse order, as on the way back */
typedef struct { int stride, pad; float scale; int add, turned; } Conv;
void conv(Machine *m, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how);

/* What a low-rank pair adds to a layer: scale * up(down(x)), down as a convolution that goes as `how` says (its own scale 1), up [out,r] or [out,r,1,1].
 * w: the layer's weight; NULL: the pair alone, added to what there is.
 * d_down, d_up: float32 gradients laid out as the weights; NULL where the pair does not learn. */
typedef struct { const Weight *w, *down, *up; float scale; Conv how; float *d_down, *d_up; } LowRank;
/* y = x w' + bias + scale up(middle);  middle = down(x) */
void low_rank_product(Machine *m, Tensor y, Tensor middle, Tensor x, const Weight *bias, const LowRank *p);
/* w + scale up down, in the arena, where a product of so many rows with it takes less time than one with w and one with the pair; else NULL */
const Weight *both_in_one(Machine *m, const LowRank *p, size_t rows);

/* softmax(q k' / sqrt(c/heads)) v, over any axis: element (outer, inner, token) of a tensor is the row
 * outer*step[0] + inner*step[1] + token*step[2], each row `row` floats apart. */
typedef struct { const float *x; size_t step[3], row; } Rows;
typedef struct {
    int    outer, inner, queries, keys, heads, width;      /* width: of one head */
    int    causal;
    float *sums;                                           /* NULL, or for each row of y and head the maximum of the scores, in powers of two, and 1 / the sum that y was divided by */
} Attention;
void attend(Machine *m, float *y, Rows q, Rows k, Rows v, Attention shape);      /* y: laid out as q */

/* x: samples x rows x c.  Statistics over each sample's rows and group of channels; then * gamma + beta. */
typedef struct { size_t samples, rows; int c, groups; float eps; int silu; } GroupNorm;
void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm shape);
void layer_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, size_t count, int c, float eps);

/* y's row r = x's row from[r] (NULL: r), of c floats each; y_row, x_row: from row to row */
void gather_rows(Machine *m, float *y, size_t y_row, const float *x, size_t x_row, const size_t *from, size_t count, size_t c);
void move_down (Machine *m, float *y, const float *x, size_t n);                                  /* y = x, where y lies below x and may overlap it */
void add_row   (Machine *m, float *y, const float *row, size_t count, size_t c);                  /* each of y's rows += row */
void add_columns(Machine *m, float *y, const float *x, size_t x_row, size_t count, size_t c);     /* each of y's rows += the first c floats of one of x */
void clear     (Machine *m, float *y, size_t n);                                                  /* y = 0 */
void add_into  (Machine *m, float *y, const float *x, size_t n);                                  /* y += x */
void silu_of   (Machine *m, float *y, const float *x, size_t n);                                  /* x sigmoid(x) */
void quick_gelu_of(Machine *m, float *y, const float *x, size_t n);                               /* x sigmoid(1.702 x) */
void geglu_of  (Machine *m, float *y, const float *x, size_t count, int c);                       /* [.., 2c] -> [.., c]: first half * gelu(second) */

/* What adapters add to a weight, which lies as rows, one for each output. */
typedef struct { float *x; size_t rows, columns; } Matrix;
void weight_into  (Machine *m, float *y, const Weight *w, size_t n, float scale, int add);            /* y (+)= scale w */
void add_hadamard (Machine *m, float *y, const float *a, const float *b, size_t n, float scale);      /* y += scale a b */
void add_kronecker(Machine *m, float *y, Matrix a, Matrix b, float scale);                            /* y += scale a (x) b */
/* DoRA (Liu et al., 2024): y = old + strength * (size * y / |y| - old), for vectors y of some parts, n columns wide and a
 * row apart: a row whole (1 part), or what all rows have for one input. */
typedef struct { size_t parts, n; float strength; } Decompose;
void decompose(Machine *m, Matrix y, const float *old, const float *size, Decompose d);

#endif
