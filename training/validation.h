/* validation.h - how alike what is learned becomes, measured on pictures that are not learned from. */
#ifndef VALIDATION_H
#define VALIDATION_H

#include "tensor.h"

/* kohya sd-scripts: validation_timesteps, 4 of them, evenly over the schedule. */
enum { VALIDATION_TIMES = 4 };
extern const int validation_timesteps[VALIDATION_TIMES];

/* The mean loss of the held-out pictures at each of these timesteps.  All of it is float64, as a saved state has it. */
typedef struct { double step, loss[VALIDATION_TIMES]; } Measurement;

/* The measurements of a job, in the order of their steps. */
typedef struct {
    Measurement *at;                     /* [most], of which count are there */
    size_t       count, most;
    int          is_told;                /* that likeness falls */
} Validation;

/* Adds one; there is room for it. */
void validation_add(Validation *v, Measurement m);

/* Makes these n the measurements, in memory of their own with as much room for more as there was. */
void validation_take(Arena *a, Validation *v, const Measurement *from, size_t n);

/* Is there one of that step, which is the last if any? */
int validation_has(const Validation *v, size_t step);

/* The mean loss over the timesteps: kohya's loss/validation/average. */
double validation_loss(const Validation *v, size_t i);

/* Likeness of measurement i: how much nearer to the held-out pictures the model comes than at first, 0: as near, 1: it
 * draws them.  NaN when a loss is not finite. */
double validation_likeness(const Validation *v, size_t i);

/* The measurement of the greatest likeness, the first of those.  count is at least 1. */
size_t validation_best(const Validation *v);

/* Does likeness fall for good (trend_rises())?  *best receives where it was greatest, smoothed. */
int validation_falls(Arena *a, const Validation *v, size_t *best);

/* "0:0.06 48:0.0571", step and loss of each, and the same with likeness in percent. */
const char *validation_losses_text(Arena *a, const Validation *v);
const char *validation_likeness_text(Arena *a, const Validation *v);

#endif
