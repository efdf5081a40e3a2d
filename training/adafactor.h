/* adafactor.h - Adafactor (Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
 * 2018). */
#ifndef ADAFACTOR_H
#define ADAFACTOR_H

#include "optimizer_args.h"

/* How many floats of row and of column averages a tensor needs.  A vector needs count of row averages, which are then
 * its whole exp_avg_sq. */
size_t adafactor_rows(const OptimizerTensor *t);
size_t adafactor_columns(const OptimizerTensor *t);

/* Moves one tensor by one step; step counts from 1.  row, column: its state, zero at first; exp_avg [count] too, which
 * is used only when beta1 is above 0.  t->lr counts unless args->relative_step.  The arena holds what is needed for the
 * step.  transformers/optimization.py, class Adafactor. */
void adafactor_step(Arena *a, const OptimizerTensor *t, float *row, float *column, float *exp_avg,
                    const OptimizerArgs *args, int step);

#endif
