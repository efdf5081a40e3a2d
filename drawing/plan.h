/* plan.h - what a drawing job takes. */
#ifndef PLAN_H
#define PLAN_H

#include "callbacks.h"
#include "kernel.h"

/* What a job costs, and the size of its result. */
typedef struct {
    double ops;                          /* floating point operations, as machine_speed() counts them */
    size_t memory;                       /* bytes of the stage that needs most */
    size_t mapped;                       /* of these, mapped weights, which the system may drop and read again */
    int    passes;                       /* runs of the UNet, in both passes together, as progress counts them */
    int    frames, width, height;        /* of the result, pixels */
    int    threads, bf16;
} Plan;

/* How long the plan will take, in seconds.  It measures how fast the machine is now, which takes a moment. */
double plan_seconds(Arena *a, const Plan *plan);

/* "about 9 s on 2 threads", for so many operations; where other programs use the processor now, also how long it would
 * take without them. */
const char *plan_time(Arena *a, double ops, Machine *machine);

/* Says "plan: 0.05 GB of memory (...), about 3 s on 2 threads".  It measures as plan_seconds() does. */
void plan_say(Arena *a, const Plan *plan, const Callbacks *callbacks);

#endif
