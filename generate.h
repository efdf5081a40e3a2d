/* generate.h - a job in, frames out. */
#ifndef GENERATE_H
#define GENERATE_H

#include "callbacks.h"
#include "job.h"

/* Draws.  Fills in the job's zero fields with what was chosen.  All memory comes from the arena and
 * only the pictures stay taken.  Fails with a message; call it inside attempt(). */
Pictures generate(Arena *a, Job *job, const Watch *watch);

/* What a job takes, and what comes of it. */
typedef struct {
    double ops;                          /* operations, as machine_speed counts them */
    size_t memory, mapped;               /* bytes of the stage that needs most, and of its weights */
    int    passes;                       /* steps, as progress counts them, of both passes */
    int    frames, width, height;
    int    threads, bf16;
} Plan;

/* Everything up to the first step of work: files found, shapes right, LoRA matched. */
Plan generate_check(Arena *a, Job *job, const Watch *watch);

/* "plan: 0.05 GB of memory (...), about 3 s on 2 threads", as fast as the machine is now */
void plan_say(Arena *a, const Plan *plan, const Watch *watch);

#endif
