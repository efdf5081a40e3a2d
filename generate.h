/* generate.h - a job in, frames out. */
#ifndef GENERATE_H
#define GENERATE_H

#include "callbacks.h"
#include "faults.h"
#include "job.h"
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

/* Draws.  Zero fields of the job receive the values that were chosen.  Only the pictures stay in the arena.
 * Fails through the arena with a message, so call it inside attempt().  callbacks may be NULL. */
Pictures generate(Arena *a, Job *job, const Callbacks *callbacks);

/* Does everything that comes before drawing: opens the files, checks all shapes and matches the LoRAs.  Fails as
 * generate() does. */
Plan generate_check(Arena *a, Job *job, const Callbacks *callbacks);

/* The same, but everything that is wrong is added to faults; with any the plan is not to be used.  A path in the job that
 * is "" is that of a file that was not found, which faults tell already: what depends on it is left out. */
Plan generate_faults(Arena *a, Job *job, const Callbacks *callbacks, Faults *faults);

/* How long the plan will take, in seconds.  It measures how fast the machine is now, which takes a moment. */
double plan_seconds(Arena *a, const Plan *plan);

/* "about 9 s on 2 threads", for so many operations; where other programs use the processor now, also how long it would
 * take without them. */
const char *plan_time(Arena *a, double ops, Machine *machine);

/* Says "plan: 0.05 GB of memory (...), about 3 s on 2 threads".  It measures as plan_seconds() does. */
void plan_say(Arena *a, const Plan *plan, const Callbacks *callbacks);

#endif
