/* optimizer.h - updates the trainable parameters, after gradient clipping: AdamW and its relatives, each over three
 * parameter groups. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "adamw.h"
#include "dadaptation.h"
#include "optimizer_args.h"
#include "trainable.h"

/* The learning rate of each parameter group. */
typedef struct { double words, text, unet; } LearningRates;

/* One array of the state, as a saved state has it. */
typedef struct { const char *name; void *data; DType type; size_t count; } StateArray;

enum { STATE_ARRAYS = 6 };

typedef struct {
    OptimizerType type;
    OptimizerArgs args;
    LearningRates rates;                 /* before any schedule */
    AdamWState    adamw;                 /* of both AdamW */
    DState        d_state;               /* of those that find the rate themselves; of Lion and Adafactor exp_avg */
    DEstimate     estimate;
    float        *row, *column;          /* of Adafactor */
    StateArray    array[STATE_ARRAYS];   /* all of the above that this optimizer has */
    int           arrays;
} Optimizer;

/* An optimizer of all trainable parameters, in the arena, with its state as before the first step.  The parameters must
 * have their initial values. */
Optimizer *optimizer_new(Arena *a, const Trainable *t, OptimizerType type, OptimizerArgs args, LearningRates rates);

/* optimizer.step(): moves all trainable parameters by their gradients.  factor: of the schedule, on every rate.  step
 * counts from 1, without those that were left out.  Any number of threads gives the same bytes. */
void optimizer_step(Arena *a, Optimizer *o, Trainable *t, double factor, int step, int threads);

/* What the rates that were given are multiplied by: the estimate d of those that find it themselves, else 1. */
double optimizer_d(const Optimizer *o);

/* torch.nn.utils.clip_grad_norm_: returns the norm of all gradients d [count], and scales them down to max_norm when
 * it is above that.  max_norm 0: they stay as they are. */
double clip_grad_norm(float *d, size_t count, double max_norm);

#endif
