/* lr_scheduler.h - schedules of the learning rate, with learning-rate warm-up: get_scheduler of diffusers and
 * transformers (optimization.py), by its names.
 *
 * Useful alone. */
#ifndef LR_SCHEDULER_H
#define LR_SCHEDULER_H

typedef enum {
    LR_CONSTANT,
    LR_CONSTANT_WITH_WARMUP,
    LR_LINEAR,
    LR_COSINE,
    LR_COSINE_WITH_RESTARTS,
    LR_POLYNOMIAL,
    LR_INVERSE_SQRT,
    LR_COSINE_WITH_MIN_LR,
    LR_WARMUP_STABLE_DECAY,
    LR_SCHEDULERS                        /* how many there are */
} LrSchedulerType;

extern const char *const lr_scheduler_names[];      /* "constant", ... by LrSchedulerType; NULL after the last */

typedef struct {
    LrSchedulerType type;
    double warmup;                       /* steps; below 1 the part of all steps */
    double cycles;                       /* of LR_COSINE_WITH_RESTARTS and the last two */
    double power, end;                   /* of LR_POLYNOMIAL: its exponent, and the factor at the end */
    double timescale;                    /* of LR_INVERSE_SQRT; 0: the warm-up, or 10000 */
    double min_ratio;                    /* the least factor of the last two */
    double decay;                        /* of LR_WARMUP_STABLE_DECAY: steps; below 1 the part of all steps */
} LrScheduler;

/* The warm-up in steps, of so many steps in all. */
int lr_warmup_steps(const LrScheduler *s, int steps);

/* What the learning rate is multiplied by in step 0 .. steps-1. */
double lr_factor(const LrScheduler *s, int step, int steps);

#endif
