/* me_steps.h - the steps of persona me: each is a command that can be typed, and is done once. */
#ifndef ME_STEPS_H
#define ME_STEPS_H

#include "run.h"

typedef struct {
    Arena      *a;
    Run        *r;                       /* of persona me itself */
    RunCommand *run_command;
    const char *folder;                  /* where the record is, and all results */
    Lines       record;                  /* its lines */
    size_t      steps;                   /* done in this run of the program, or found done */
    ToldWarnings told;                   /* the steps use one model, which warns of the same in each */
} MeSteps;

/* One step. */
typedef struct {
    const char *what;                    /* what it does, for people */
    Lines       words;                   /* the command, without the name of the program */
    const char *result;                  /* the file that it makes */
    uint64_t    made_from;               /* a digest of everything that it reads */
    const char *state;                   /* the file that --resume goes on from, when it was interrupted; NULL: none */
} MeStep;

/* Makes the folder, and reads the record of a run before. */
MeSteps me_steps_open(Run *r, RunCommand *run_command, const char *folder);

/* Prints the command and carries it out, unless its result is there already, made by this command from the same files.
 * Fails as the command does; r->status is that of the command then. */
void me_step(MeSteps *s, const MeStep *step);

/* A digest of a file's bytes, on top of another; only of its size and time when it is larger than 64 MB. */
uint64_t me_digest(Arena *a, uint64_t of, const char *path);

#endif
