/* adamw.h - AdamW (Loshchilov and Hutter, 2019), with its two moments in 32 or in 8 bits.
 *
 * Useful alone, with tensor.h for memory: of parameters it knows only that they are floats, in tensors of some
 * sizes. */
#ifndef ADAMW_H
#define ADAMW_H

#include "tensor.h"

/* Hyperparameters, by torch's names. */
typedef struct {
    double lr, weight_decay, beta1, beta2, eps;
} AdamW;

enum { QUANTIZATION_CODES = 256 };       /* values of a byte */

/* One moment of all tensors, one after the other.  A tensor in 8 bits has codes, and for each block of 256 of them the
 * largest magnitude (absmax); any other tensor has values. */
typedef struct {
    float   *value;                      /* [floats] */
    uint8_t *code;                       /* [codes] */
    float   *absmax;                     /* [blocks] */
} Moment;

/* The state that AdamW keeps between steps.  It begins as { .eight_bits = 0 or 1 }. */
typedef struct {
    int                            eight_bits;      /* AdamW8bit */
    size_t                         floats, codes, blocks;
    Moment                         mean, square;    /* torch: exp_avg, exp_avg_sq; bitsandbytes: state1, state2 */
    const struct QuantizationMaps *maps;            /* what the codes stand for */
} AdamWState;

/* Call adamw_add() with the size of each tensor, in the order in which they will be moved, and then adamw_allocate()
 * once: it takes the moments from the arena, all zero. */
void adamw_add(AdamWState *s, size_t n);
void adamw_allocate(Arena *a, AdamWState *s);

/* Moves one tensor x [n] by its gradient d [n]; step counts from 1.  `next` begins as a copy of the state, and every
 * call moves it on to the next tensor.
 *
 * 32 bits, torch.optim.AdamW (torch/optim/adam.py, _single_tensor_adam):
 *     x *= 1 - lr weight_decay
 *     mean += (1 - beta1) (d - mean)
 *     square = beta2 square + (1 - beta2) d^2
 *     x -= lr / (1 - beta1^step) mean / (sqrt(square) / sqrt(1 - beta2^step) + eps)
 *
 * 8 bits, bitsandbytes.optim.AdamW8bit (csrc/kernels.cu: kOptimizerStatic8bit2StateBlockwise, and
 * kOptimizer32bit2State for tensors of fewer than 4096 elements), root = sqrt(1 - beta2^step):
 *     mean = beta1 mean + (1 - beta1) d
 *     square = beta2 square + (1 - beta2) d^2
 *     x -= lr root / (1 - beta1^step) mean / (sqrt(square) + root eps)
 *     x *= 1 - lr weight_decay */
void adamw_step(AdamWState *next, float *x, const float *d, size_t n, AdamW how, int step, int threads);

/* bitsandbytes' dynamic map (functional.py, create_dynamic_map): what the codes stand for, rising to 1.  with_sign:
 * from -1 on, else from 0 on. */
void dynamic_map(float code[QUANTIZATION_CODES], int with_sign);

#endif
