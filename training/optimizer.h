/* optimizer.h - updates the trainable parameters: AdamW over three parameter groups, after gradient clipping. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "adamw.h"
#include "trainable.h"

typedef enum { OPTIMIZER_ADAMW, OPTIMIZER_ADAMW_8BIT, OPTIMIZERS } OptimizerType;

extern const char *const optimizer_names[];      /* "AdamW", "AdamW8bit" by OptimizerType; NULL after the last */

/* The learning rate of each parameter group. */
typedef struct { double words, text, unet; } LearningRates;

/* AdamW's moments for all trainable parameters, all zero, in the arena. */
AdamWState *optimizer_new(Arena *a, const Trainable *t, OptimizerType type);

/* optimizer.step(): moves all trainable parameters by their gradients.  how.lr does not count, the rates do.  step
 * counts from 1, without those that were left out.  Any number of threads gives the same bytes. */
void optimizer_step(AdamWState *s, Trainable *t, LearningRates rates, AdamW how, int step, int threads);

/* torch.nn.utils.clip_grad_norm_: returns the norm of all gradients d [count], and scales them down to max_norm when
 * it is above that.  max_norm 0: they stay as they are. */
double clip_grad_norm(float *d, size_t count, double max_norm);

#endif
