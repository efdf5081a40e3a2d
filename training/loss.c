/* loss.c - how far a prediction is from its target, element by element.
 *
 *     l2         error^2
 *     l1         |error|
 *     huber      2 c (sqrt(error^2 + c^2) - c)         near 0 like error^2, further out like 2 c |error|
 *     smooth_l1  2 (sqrt(error^2 + c^2) - c)           the same, divided by c
 *
 * (The pseudo-Huber loss: Charbonnier et al., 1994.)  Elements that are far off, as those of a broken picture, pull
 * less with it.  c depends on the timestep, by one of three schedules. */
#include "loss.h"

#include <math.h>
#include <stddef.h>

const char *const loss_type_names[] = {
    [LOSS_L2]        = "l2",
    [LOSS_L1]        = "l1",
    [LOSS_HUBER]     = "huber",
    [LOSS_SMOOTH_L1] = "smooth_l1",
    [LOSS_TYPES]     = NULL,
};

const char *const huber_schedule_names[] = {
    [HUBER_SNR]         = "snr",
    [HUBER_EXPONENTIAL] = "exponential",
    [HUBER_CONSTANT]    = "constant",
    [HUBER_SCHEDULES]   = NULL,
};

/* snr:         sigma = sqrt((1 - alpha_bar) / alpha_bar);  c = (1 - huber_c) / (1 + sigma)^2 + huber_c
 * exponential: c = exp(t log(huber_c) / timesteps) huber_scale
 * constant:    c = huber_c huber_scale */
Loss loss_at(const LossConfig *l, int timestep, int timesteps, double alpha_bar)
{
    Loss loss = { .type = l->loss_type, .c = l->huber_c * l->huber_scale };
    if (l->huber_schedule == HUBER_SNR) {
        double sigma = sqrt((1 - alpha_bar) / alpha_bar);
        loss.c = (1 - l->huber_c) / ((1 + sigma) * (1 + sigma)) + l->huber_c;
    }
    if (l->huber_schedule == HUBER_EXPONENTIAL)
        loss.c = exp(timestep * log(l->huber_c) / timesteps) * l->huber_scale;
    return loss;
}

double loss_of(Loss l, double error, double *derivative)
{
    double root = sqrt(error * error + l.c * l.c);
    switch (l.type) {
    case LOSS_L1:
        *derivative = (error > 0) - (error < 0);
        return fabs(error);
    case LOSS_HUBER:
        *derivative = 2 * l.c * error / root;
        return 2 * l.c * (root - l.c);
    case LOSS_SMOOTH_L1:
        *derivative = 2 * error / root;
        return 2 * (root - l.c);
    default:
        *derivative = 2 * error;
        return error * error;
    }
}
