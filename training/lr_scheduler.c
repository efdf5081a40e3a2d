/* lr_scheduler.c - schedules of the learning rate.
 *
 * The factor rises from 0 to 1 over the warm-up, in a straight line, and then follows the schedule's shape.
 * LR_CONSTANT alone has no warm-up.  The reference is the optimization.py of diffusers and transformers, where each
 * shape is a function get_..._schedule_with_warmup; cosine and its restarts are from Loshchilov and Hutter, "SGDR",
 * 2017. */
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
    [LR_INVERSE_SQRT]         = "inverse_sqrt",
    [LR_COSINE_WITH_MIN_LR]   = "cosine_with_min_lr",
    [LR_WARMUP_STABLE_DECAY]  = "warmup_stable_decay",
    [LR_SCHEDULERS]           = NULL,
};

/* A number of steps; below 1 it is the part of all steps. */
static int in_steps(double x, int steps) { return (int)(x < 1 ? x * steps : x); }

int lr_warmup_steps(const LrScheduler *s, int steps) { return in_steps(s->warmup, steps); }

/* cosine_with_min_lr, and the end of warmup_stable_decay */
static double cosine_to(double least, double cycles, double progress)
{
    return least + (1 - least) * 0.5 * (1 + cos(PI * cycles * progress));
}

/* 1 until the last `decay` steps, and in them a cosine */
static double stable_then_decay(const LrScheduler *s, int step, int steps)
{
    int decay = in_steps(s->decay, steps);
    int first = steps - decay;
    return step < first ? 1 : cosine_to(s->min_ratio, s->cycles, (double)(step - first) / (decay > 0 ? decay : 1));
}

/* 1 / sqrt((step + timescale - warmup) / timescale) */
static double inverse_sqrt(const LrScheduler *s, int step, int warmup)
{
    double timescale = s->timescale;
    if (!(timescale > 0)) timescale = warmup > 0 ? warmup : 10000;
    return 1 / sqrt((step + timescale - warmup) / timescale);
}

/* progress: 0 .. 1, how much of the steps after the warm-up is over */
static double shape(const LrScheduler *s, double progress)
{
    switch (s->type) {
    case LR_LINEAR:               return 1 - progress;
    case LR_COSINE:               return 0.5 * (1 + cos(PI * progress));
    case LR_COSINE_WITH_RESTARTS: return 0.5 * (1 + cos(PI * fmod(s->cycles * progress, 1)));
    case LR_COSINE_WITH_MIN_LR:   return cosine_to(s->min_ratio, s->cycles, progress);
    case LR_POLYNOMIAL:           return (1 - s->end) * pow(1 - progress, s->power) + s->end;
    default:                      return 1;
    }
}

/* The warm-up, progress 0 .. 1.  warmup_stable_decay begins it at its least factor, all others at 0. */
static double rising(const LrScheduler *s, double progress)
{
    double least = s->type == LR_WARMUP_STABLE_DECAY ? s->min_ratio : 0;
    return least + (1 - least) * progress;
}

double lr_factor(const LrScheduler *s, int step, int steps)
{
    int warmup = lr_warmup_steps(s, steps);
    if (s->type == LR_CONSTANT) return 1;
    if (step < warmup) return rising(s, (double)step / warmup);
    if (s->type == LR_INVERSE_SQRT) return inverse_sqrt(s, step, warmup);
    if (s->type == LR_WARMUP_STABLE_DECAY) return stable_then_decay(s, step, steps);
    return shape(s, (double)(step - warmup) / (steps > warmup ? steps - warmup : 1));
}
