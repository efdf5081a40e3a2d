/* optimizer.h - what moves the weights: AdamW, with its moments in 32 or in 8 bits, clipping, and the schedules of the learning rate.
 * It knows of weights only that they are floats, in tensors of some sizes. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "tensor.h"

typedef struct { double rate, decay, b1, b2, eps; } AdamW;

/* AdamW's two moments of all tensors, one after the other.  In 8 bits a tensor of many elements has codes, and for each block of them
 * the largest magnitude; the others, and all in 32 bits, have floats. */
typedef struct {
    int eight_bits;
    size_t floats, codes, blocks;
    struct Moment { float *value; uint8_t *code; float *most; } mean, square;      /* of [floats], [codes], [blocks] elements */
    const struct Codes *meaning;         /* of the codes */
} Moments;

/* For each tensor moments_add, in the order in which they will be moved; then the room for all, in the arena, at zero. */
void moments_add(Moments *m, size_t n);
void moments_take(Arena *a, Moments *m);
/* The next tensor of n elements, x by its gradient d; step counts from 1.  `next` begins as a copy of the moments, and moves on.
 *
 * 32 bits, torch.optim.AdamW:
 *     x *= 1 - rate decay;  mean += (1 - b1)(d - mean);  square = b2 square + (1 - b2) d^2
 *     x -= rate / (1 - b1^step) mean / (sqrt(square) / sqrt(1 - b2^step) + eps)
 * 8 bits, bitsandbytes.optim.AdamW8bit (csrc/kernels.cu, kOptimizerStatic8bit2StateBlockwise; of few elements, kOptimizer32bit2State):
 *     mean = b1 mean + (1 - b1) d;  square = b2 square + (1 - b2) d^2;  root = sqrt(1 - b2^step)
 *     x -= rate root / (1 - b1^step) mean / (sqrt(square) + root eps);  x *= 1 - rate decay */
void moments_step(Moments *next, float *x, const float *d, size_t n, AdamW how, int step, int threads);

/* bitsandbytes' dynamic map: what the 256 codes of 8 bits stand for, rising to 1 */
void dynamic_map(float code[256], int with_sign);

typedef struct { double words, text, unet; } Rates;      /* learning rates of a word's vectors, the text encoder, the UNet */

/* torch.nn.utils.clip_grad_norm_: the norm of all gradients, which are made smaller when it is above `most` (0: never) */
double clip_gradients(float *d, size_t count, double most);

/* diffusers' get_scheduler, by its names.  warmup: steps, or below 1 the part of all steps.  cycles: of cosine_with_restarts;
 * power, and end, the last factor: of polynomial. */
typedef struct { const char *name; double warmup, cycles, power, end; } RateSchedule;
extern const char *const schedule_names[];      /* NULL after the last */
int    schedule_warmup(const RateSchedule *s, int steps);      /* in steps */
/* The learning rate's factor for step 0 .. steps-1. */
double schedule_factor(const RateSchedule *s, int step, int steps);

#endif
