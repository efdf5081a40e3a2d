/* training_state.h - a training job in a file, to be resumed.  kohya sd-scripts: --save_state, --resume. */
#ifndef TRAINING_STATE_H
#define TRAINING_STATE_H

#include "optimizer.h"
#include "random.h"
#include "trainable.h"
#include "validation.h"

/* Training progress: where a job stands.  All of it is numbers of 32 bits, as the file has them. */
typedef struct {
    Rng      rng;                        /* of everything random in the job */
    uint32_t step;                       /* steps done */
    uint32_t taken;                      /* those of them that moved anything: the optimizer's step */
    uint32_t next;                       /* where in order the next example stands */
    uint32_t order[];                    /* the epoch: numbers of pictures, each as often as it is repeated */
} TrainingProgress;

/* What a file of state holds.  The arrays belong to the caller. */
typedef struct {
    const KeyValue   *identity;          /* what the job depends on: names, and what each is */
    size_t            entries;           /* of identity */
    Trainable        *trainable;
    Optimizer        *optimizer;
    TrainingProgress *progress;
    size_t            pictures;          /* how many there are */
    size_t            repeated;          /* how many stand in progress->order */
    float            *loss;              /* of each step of the job; 0 of those to come, NaN of those left out */
    size_t            steps;             /* of the job */
    Validation       *validation;        /* what was measured; NULL: no pictures are held out */
} TrainingState;

/* Bytes of a TrainingProgress for epochs of so many examples. */
size_t progress_bytes(size_t repeated);

/* About how large the file is. */
double training_state_bytes(const TrainingState *s);

/* Writes the file by temporary file and rename: the old state stays until the new one is whole.  progress is written
 * in place of the state's own. */
void training_state_save(Arena *a, const TrainingState *s, const TrainingProgress *progress, const char *path);

/* Fails when the file is no state. */
const WeightFile *training_state_open(Arena *a, const char *path);

/* The seed of the job that it was saved by. */
uint64_t training_state_seed(Arena *a, const WeightFile *f);

/* Fails, with what differs, unless the file's job depends on the same. */
void training_state_match(Arena *a, const WeightFile *f, const KeyValue *identity, size_t entries);

/* Fills in parameters, moments, progress, and the losses and measurements of the steps done.  Returns how many steps
 * the job had when it was saved.  Fails when the file's tensors do not fit or point outside, or when more steps are
 * done than the job has now. */
size_t training_state_load(Arena *a, const WeightFile *f, TrainingState *s);

/* What a file of state says of its job, for people. */
typedef struct {
    uint32_t     step;                   /* steps done */
    size_t       steps, pictures;        /* in all */
    const float *loss;                   /* [step] in the arena */
} TrainingStateInfo;

/* Returns 0 when the file is no state, or a damaged one. */
int training_state_info(Arena *a, const WeightFile *f, TrainingStateInfo *info);

#endif
