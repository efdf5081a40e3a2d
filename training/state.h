/* state.h - a job of learning in a file, to be gone on with. */
#ifndef STATE_H
#define STATE_H

#include "learn.h"

/* Where a job stands, all of it numbers of 32 bits: what chance has left, and the epoch's pictures in their order. */
typedef struct {
    Rng      rng;
    uint32_t step, taken;                /* steps done; those of them that moved anything */
    uint32_t next, order[];              /* pictures by number, each as often as it is repeated; the next of them */
} Course;

typedef struct {
    const Pair *said;  size_t pairs;     /* what the job depends on: names, and what each is */
    Learner    *learner;
    Course     *course;
    size_t      pictures, repeated;      /* how many there are; how many stand in order */
    float      *loss;  size_t steps;     /* of each step of the job, 0 for those to come, NaN for those left out */
} State;

size_t course_bytes(size_t repeated);

double state_bytes(const State *s);      /* about so large is its file */

/* By temporary file and rename: the old state stays until the new one is whole.  course: instead of the state's own. */
void state_save(Arena *a, const State *s, const Course *course, const char *path);

/* Fails when it is no state.  state_seed: what its job was seeded with. */
const WeightFile *state_open(Arena *a, const char *path);
uint64_t          state_seed(Arena *a, const WeightFile *f);

/* What the file says of a job, for people; 0 when it is no state, or a damaged one.  loss: of the steps done. */
typedef struct { uint32_t step; size_t steps, pictures; const float *loss; } StateSaid;
int state_said(Arena *a, const WeightFile *f, StateSaid *s);

/* Fails, with what differs, unless the file's job depends on the same. */
void state_match(Arena *a, const WeightFile *f, const Pair *said, size_t pairs);

/* Fills in the learner, the course and the losses of the steps done.  Fails when the file's do not fit or point outside, or when more steps are
 * done than the job has now.  -> how many it had when it was saved */
size_t state_load(Arena *a, const WeightFile *f, State *s);

#endif
