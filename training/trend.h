/* trend.h - what a series of losses says: that what is learned breaks, or is learned by heart. */
#ifndef TREND_H
#define TREND_H

#include <stddef.h>

/* Overfitting: does the validation loss rise for good?  loss: [n], one of each validation, under the same noise each
 * time.  Returns 1 when the last three are all above the least by more than noise explains, and by more than LITTLE of
 * it.  *least receives its place, where training should have ended. */
int trend_rises(const double *loss, size_t n, size_t *least);

typedef enum { NOT_BROKEN, NO_BETTER_THAN_NOTHING, LOSS_DOUBLED } BrokenLearning;

typedef struct {
    BrokenLearning how;
    double         before, now;          /* LOSS_DOUBLED: of the first and the last steps.  NO_BETTER: zero, and now */
    size_t         window;               /* steps that `now` is of */
} BrokenTrend;

/* Divergence: does learning break?  loss: [n], of each step of a job of so many steps until now, NaN where one was left
 * out.  zero: the loss of a prediction of nothing at all, which any model is below. */
BrokenTrend trend_breaks(const float *loss, size_t n, size_t steps, double zero);

#endif
