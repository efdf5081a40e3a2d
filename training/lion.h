/* lion.h - Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023). */
#ifndef LION_H
#define LION_H

#include "optimizer_args.h"

float sign(float x);                     /* -1, 0 or 1; 0 for NaN */

/* Moves one tensor by one step.  exp_avg [count] is its state, zero at first.  lr: the rate before any schedule, by
 * which decoupled_weight_decay divides.  lion_pytorch/lion_pytorch.py, update_fn. */
void lion_step(const OptimizerTensor *t, float *exp_avg, const OptimizerArgs *args, double lr);

#endif
