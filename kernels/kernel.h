/* kernel.h - the functions that take the time: convolution, attention, norms, activations, and what adapters add.
 *
 * The files of this folder are the only ones that know the processor; the layers of nn.c are written on top of them.
 * Each function exists twice: in these files for speed, and in plain.c in loops that are easy to read.  The tests
 * compare the two.
 *
 *     conv.c  winograd.c  gemm.c  pack.c    convolutions and linear layers
 *     attention.c                           attention, forward and backward
 *     norm.c  elementwise.c                 norms; activations, sums and copies
 *     merge.c                               LoRA and other adapters
 *     backward.c                            the gradients of all but attention: see backward.h
 *     machine.c                             how many cores there are, and how fast they multiply
 *
 * Letters:    n        pictures or frames                            h, w   rows and columns
 *             c        channels                                      k      side of a convolution's kernel
 *             in, out  channels that a layer takes and gives         r      rank of a LoRA pair
 *             d        channels of one attention head                '      transposed
 *
 * Tensors are float32, channels last: [n,h,w,c], c fastest.  Their rows are the n * h * w pixels or tokens, of c
 * floats each.  Weights are F32, F16, BF16 or any other type of dtype.h, as they lie in the file; they become
 * float32 while they are packed.  y is the result, and each comment says whether y is written or added to.  y must
 * not overlap the other arguments, except where a comment allows it.
 *
 * Each number is summed by one thread, in an order that does not depend on the number of threads, so any number of
 * threads gives the same bytes.  Arguments are trusted: nn.c has checked the shapes.  The only error is running out
 * of memory: scratch is allocated in m->mem, given back before the function returns, and allocating it fails
 * through the arena. */
#ifndef KERNEL_H
#define KERNEL_H

#include "safetensors.h"

/* What a kernel runs on. */
typedef struct {
    Arena *mem;          /* scratch is allocated here */
    int    threads;      /* how many, 1 or more */
    int    dry;          /* a dry run: allocate scratch and count operations, but read and write no tensor */
    double ops;          /* floating point operations so far are added up here, a multiply-add as two */
    int    bf16;         /* products and attention round their operands to bf16, and sum in float32 */
} Machine;

/* How many threads to use: OMP_NUM_THREADS; where that is not set, the cores that this process may run on (taskset), or
 * as many as a container's limit has time for.  Never more than OMP_THREAD_LIMIT. */
int machine_threads(void);

/* Operations per second of a small product on m->threads threads, measured now, in 0.03 seconds. */
typedef struct {
    double alone;        /* when no other program uses the processor */
    double now;          /* as long as others take as much of it as they do now; at most `alone` */
} MachineSpeed;

MachineSpeed machine_speed(Machine *m);

/* ---- convolution and linear layers ------------------------------------------------------------ */

/* torch.nn.functional.conv2d, and linear as a 1x1 convolution:
 *
 *     y = scale * (x * w) + bias        or with add (and no bias)        y += scale * (x * w)
 *
 * x: [n,h,w,in]     y: [n,oh,ow,out]     w: [out,in] or [out,in,k,k]     bias: [out], or NULL for none */
typedef struct {
    int   stride;       /* 1 or more */
    int   pad;          /* zeros above and to the left; those below and to the right follow from the size of y */
    float scale;
    int   add;          /* y is added to; else it is written */
    int   transposed;   /* w is transposed: [in,out] or [in,out,k,k], its k x k taps in reverse order.  The gradient
                           by x is such a convolution, see conv_back(). */
} Conv;
void conv(Machine *m, Tensor y, Tensor x, const Weight *w, const Weight *bias, Conv how);

/* Dropout of what lies between the two matrices of a LoRA pair, as kohya's trainer has it (networks/lora.py).
 * Survivors grow by 1 / (1 - p).  Which these are is a function of the seed, so that the way back finds the same. */
typedef struct {
    uint64_t seed;       /* 0: nothing is dropped */
    float    element;    /* network_dropout: the part of all values that is dropped */
    float    rank;       /* rank_dropout: the part of the components that is dropped, for each picture anew */
} Dropout;

/* The random number i of this seed, uniform in [0, 1), a multiple of 2^-24. */
double dropout_uniform(uint64_t seed, uint64_t i);

/* z [n,h,w,r] *= what the dropout leaves of it. */
void drop_out(Machine *m, Tensor z, Dropout d);

/* A layer and its LoRA pair:  W' = W + scale * up down  (E. Hu et al., 2021). */
typedef struct {
    const Weight *w;                /* the layer's weight W; NULL stands for the pair alone */
    const Weight *down, *up;        /* [r,in] or [r,in,k,k], and [out,r] or [out,r,1,1] */
    float         scale;            /* strength * alpha / r */
    Conv          how;              /* of the layer and of down, with a scale of 1; up is a linear layer */
    Dropout       dropout;          /* of down(x) */
    float        *d_down, *d_up;    /* the gradients, float32, laid out as down and up; NULL where the pair is frozen */
} LoraLayer;

/* LoRA forward:  middle = dropout(down(x));  y = w(x) + bias + scale * up(middle)
 * Writes middle [n,oh,ow,r] and y.  Where p->w is NULL, it adds scale * up(middle) to y, and bias is not used. */
void lora_forward(Machine *m, Tensor y, Tensor middle, Tensor x, const Weight *bias, const LoraLayer *p);

/* The merged weight W' = W + scale * up down, float32, allocated in m's arena, where it stays.  Returns NULL where
 * building W' costs more than it saves for a product of so many rows, where p->w is NULL, where the kernel is larger
 * than 1x1, and in bf16. */
const Weight *lora_merged_weight(Machine *m, const LoraLayer *p, size_t rows);

/* ---- attention -------------------------------------------------------------------------------- */

/* A strided view of a tensor as sequences of tokens.  The token t of the sequence (outer, inner) is this row of x:
 *
 *     outer * step[0] + inner * step[1] + t * step[2]           rows are `row` floats apart
 *
 * The heads of a token lie side by side in its row.  So spatial self-attention, cross-attention and temporal
 * attention differ in their steps only.  Where all inner sequences share their keys, as the frames of a clip share
 * the text, step[1] of the keys and values is 0. */
typedef struct { const float *x; size_t step[3], row; } StridedRows;

typedef struct {
    int    outer, inner;         /* outer * inner sequences */
    int    queries, keys;        /* tokens of one sequence */
    int    heads, width;         /* width d of one head, in channels */
    int    causal;               /* causal mask: query i sees keys 0 .. i only */
    float *softmax_stats;        /* softmax statistics, see attend(); NULL where they are not wanted */
} Attention;

/* torch.nn.functional.scaled_dot_product_attention, each head of each sequence by itself:
 *
 *     y = softmax(q k' / sqrt(d)) v
 *
 * k and v have the same steps.  Writes y, laid out as q, and the softmax statistics that attend_back() needs.  These
 * are two floats for each row of y and head: m log2 e, where m is the largest score, and 1 / l, where l is the sum
 * over the keys of e^(score - m). */
void attend(Machine *m, float *y, StridedRows q, StridedRows k, StridedRows v, Attention shape);

/* ---- norms ------------------------------------------------------------------------------------ */

/* torch.nn.functional.group_norm, and SiLU after it with silu:
 *
 *     y = (x - mean) / sqrt(var + eps) * gamma + beta
 *
 * mean and var are taken over all `rows` of a sample and the channels of one group.  A sample is one frame, or all
 * frames of a clip where the group norm goes across frames.
 * x, y: [samples][rows][c]     gamma, beta: [c]     Writes y. */
typedef struct { size_t samples, rows; int c, groups; float eps; int silu; } GroupNorm;
void group_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, GroupNorm shape);

/* torch.nn.functional.layer_norm: the same formula with mean and var of each row.
 * x, y: [count][c]     gamma, beta: [c]     Writes y. */
void layer_normalize(Machine *m, float *y, const float *x, const Weight *gamma, const Weight *beta, size_t count, int c,
                     float eps);

/* ---- activations ------------------------------------------------------------------------------ */

/* SiLU, y = x sigmoid(x), and CLIP's quick_gelu, y = x sigmoid(1.702 x), for n values.  Write y, which may be x. */
void silu_of      (Machine *m, float *y, const float *x, size_t n);
void quick_gelu_of(Machine *m, float *y, const float *x, size_t n);

/* PReLU:  x = max(x, 0) + slope * min(x, 0),  with a slope for each channel; slope NULL: `same` for all, a leaky ReLU.
 * x: [count][c], overwritten     slope: [c] */
void prelu_of(Machine *m, float *x, const Weight *slope, float same, size_t count, int c);

/* GEGLU:  y = value * gelu(gate), with the exact gelu.
 * x: [count][2c], value first, gate second     y: [count][c]     Writes y. */
void geglu_of(Machine *m, float *y, const float *x, size_t count, int c);

/* ---- sums and copies -------------------------------------------------------------------------- */

/* y += x, for n values. */
void add_into(Machine *m, float *y, const float *x, size_t n);

/* y[r] += row: the same row of c floats is added to each of the `count` rows of y. */
void add_row(Machine *m, float *y, const float *row, size_t count, size_t c);

/* y[r] += the first c floats of row r of x.
 * y: [count][c]     x: `count` rows, x_row floats apart */
void add_columns(Machine *m, float *y, const float *x, size_t x_row, size_t count, size_t c);

/* y = 0, for n values. */
void clear(Machine *m, float *y, size_t n);

/* y[r] = x[from[r]], or y[r] = x[r] where from is NULL, for `count` rows of c floats.  Writes y.
 * y_row, x_row: floats from one row to the next */
void gather_rows(Machine *m, float *y, size_t y_row, const float *x, size_t x_row, const size_t *from, size_t count,
                 size_t c);

/* y = x, for n values.  y lies below x in memory, and the two may overlap. */
void move_down(Machine *m, float *y, const float *x, size_t n);

/* ---- what adapters add to a weight ------------------------------------------------------------ */

/* A weight, or a factor of one, as float32: each row belongs to one output. */
typedef struct { float *x; size_t rows, columns; } Matrix;

/* y = scale * w, or with add  y += scale * w,  for n values. */
void weight_into(Machine *m, float *y, const Weight *w, size_t n, float scale, int add);

/* LoHa's Hadamard product:  y += scale * a * b,  element by element, for n values. */
void add_hadamard(Machine *m, float *y, const float *a, const float *b, size_t n, float scale);

/* LoKr's Kronecker product:  y += scale * torch.kron(a, b).
 * y: [a.rows * b.rows][a.columns * b.columns] */
void add_kronecker(Machine *m, float *y, Matrix a, Matrix b, float scale);

/* DoRA's weight decomposition (S.-Y. Liu et al., 2024), for each vector of a weight:
 *
 *     y = old + strength * (size * y / |y| - old)
 *
 * y:        the weight with what the adapter adds; it is overwritten
 * old:      the weight without
 * size:     the learned length of each vector
 * parts, n: the vector lies in so many rows, n columns of each.  With 1 part it is a whole row: what one output has.
 *           With all rows it is what all outputs have for one input. */
typedef struct { size_t parts, n; float strength; } Decompose;
void decompose(Machine *m, Matrix y, const float *old, const float *size, Decompose d);

#endif
