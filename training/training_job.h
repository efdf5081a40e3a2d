/* training_job.h - a training job: everything that decides what is trained, as plain values.  job.h is the same for
 * drawing.
 *
 * The command line or a host program fills it in, train() carries it out.  Strings and lists belong to the caller and
 * must stay while the job runs. */
#ifndef TRAINING_JOB_H
#define TRAINING_JOB_H

#include "dataset_config.h"
#include "job.h"
#include "samples.h"
#include "training_config.h"

typedef struct {
    const char    *photos;               /* a folder, see photos.h */
    Subsets        subsets;              /* or several, the first of them photos too; count 0: only that one */
    const char    *out;                  /* the file to write, a path that ends in .safetensors */
    Job            job;                  /* what counts of it: model, vae, merges, clip_skip, seed, threads,
                                          * precision, and prompt for pictures without a caption */
    TrainingConfig config;
    SamplePrompts  sample_prompts;       /* to draw on the way; their model and VAE become those of the job */
    int            overwrite;            /* files of other jobs in its place are replaced; otherwise they are kept */
    int            seeded;               /* job.seed was asked for; otherwise a job that is resumed keeps its own */
} TrainingJob;

#endif
