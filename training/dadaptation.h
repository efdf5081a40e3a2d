/* dadaptation.h - optimizers that find the learning rate themselves: Prodigy, DAdaptAdam, DAdaptLion.
 *
 * Defazio and Mishchenko, "Learning-Rate-Free Learning by D-Adaptation", 2023; Mishchenko and Defazio, "Prodigy", 2023.
 * The learning rate that is given only scales the one that is found, and is usually 1. */
#ifndef DADAPTATION_H
#define DADAPTATION_H

#include "optimizer_args.h"

/* What is known of D, the distance from the start to the solution. */
typedef struct {
    double d;                            /* the estimate; it only grows */
    double d_max;                        /* Prodigy: the largest estimate so far */
    double numerator;                    /* prodigyopt: d_numerator; dadaptation: numerator_weighted */
    double steps;                        /* those that moved anything: k of the references */
} DEstimate;

/* The arrays of the state, [n] floats of each tensor.  p0: the values at the start, which Prodigy alone needs. */
typedef struct { float *exp_avg, *exp_avg_sq, *s, *p0; } DState;

/* Each moves all tensors by one step, and brings the estimate up to date.  All rates above 0 must be the same one.
 * state [tensors].  Any number of threads gives the same bytes.
 *
 * prodigyopt/prodigy.py with slice_p = 1; dadaptation/dadapt_adam.py; dadaptation/dadapt_lion.py: step(). */
void prodigy_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                  const OptimizerArgs *args, int threads);
void dadapt_adam_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                      const OptimizerArgs *args, int threads);
void dadapt_lion_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                      const OptimizerArgs *args, int threads);

#endif
