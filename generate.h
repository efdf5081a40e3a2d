/* generate.h - a job in, frames out. */
#ifndef GENERATE_H
#define GENERATE_H

#include "callbacks.h"
#include "faults.h"
#include "job.h"
#include "plan.h"

/* Draws.  Zero fields of the job receive the values that were chosen.  Only the pictures stay in the arena.
 * Fails through the arena with a message, so call it inside attempt().  callbacks may be NULL. */
Pictures generate(Arena *a, Job *job, const Callbacks *callbacks);

/* Does everything that comes before drawing: opens the files, checks all shapes and matches the LoRAs.  Fails as
 * generate() does. */
Plan generate_check(Arena *a, Job *job, const Callbacks *callbacks);

/* The same, but everything that is wrong is added to faults; with any the plan is not to be used.  A path in the job
 * that is "" is that of a file that was not found, which faults tell already: what depends on it is left out. */
Plan generate_faults(Arena *a, Job *job, const Callbacks *callbacks, Faults *faults);

#endif
