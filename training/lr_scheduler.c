/* lr_scheduler.c - schedules of the learning rate.
 *
 * The factor rises from 0 to 1 over the warm-up, in a straight line, and then follows the schedule's shape.
 * LR_CONSTANT alone has no warm-up.  The reference is diffusers' optimization.py, where each shape is a function
 * get_..._schedule_with_warmup; cosine and its restarts are from Loshchilov and Hutter, "SGDR", 2017. */
#include "lr_scheduler.h"

#include <math.h>
#include <stddef.h>

static const double PI = 3.141592653589793;

const char *const lr_scheduler_names[] = {
    [LR_CONSTANT]             = "constant",
    [LR_CONSTANT_WITH_WARMUP] = "constant_with_warmup",
    [LR_LINEAR]               = "linear",
    [LR_COSINE]               = "cosine",
    [LR_COSINE_WITH_RESTARTS] = "cosine_with_restarts",
    [LR_POLYNOMIAL]           = "polynomial",
    [LR_SCHEDULERS]           = NULL,
};

int lr_warmup_steps(const LrScheduler *s, int steps) { return (int)(s->warmup < 1 ? s->warmup * steps : s->warmup); }

/* progress: 0 .. 1, how much of the steps after the warm-up is over */
static double shape(const LrScheduler *s, double progress)
{
    switch (s->type) {
    case LR_LINEAR:               return 1 - progress;
    case LR_COSINE:               return 0.5 * (1 + cos(PI * progress));
    case LR_COSINE_WITH_RESTARTS: return 0.5 * (1 + cos(PI * fmod(s->cycles * progress, 1)));
    case LR_POLYNOMIAL:           return (1 - s->end) * pow(1 - progress, s->power) + s->end;
    default:                      return 1;
    }
}

double lr_factor(const LrScheduler *s, int step, int steps)
{
    int warmup = lr_warmup_steps(s, steps);
    if (s->type == LR_CONSTANT) return 1;
    if (step < warmup) return (double)step / warmup;
    return shape(s, (double)(step - warmup) / (steps > warmup ? steps - warmup : 1));
}
