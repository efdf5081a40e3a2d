/* dataset.h - pictures and captions as lessons: encoded once, then drawn from in an order that chance decides. */
#ifndef DATASET_H
#define DATASET_H

#include "captions.h"
#include "callbacks.h"
#include "job.h"
#include "lesson.h"
#include "photos.h"
#include "recipe.h"
#include "sampler.h"
#include "state.h"

typedef struct {
    const Photo *photo;
    float       *latents[2];             /* as it is, and mirrored; the second NULL unless asked for */
    Lesson       lesson;                 /* of it, but for what chance decides */
    double       ops;                    /* of a step; of the first sample of each size */
} Sample;

typedef struct {
    Arena        *mem;
    Run          *run;
    const Recipe *recipe;
    const Watch  *watch;
    Photos        photos;
    Captions      captions;
    int           clip_skip;
    Sample       *sample;                /* of each photo */
    int           ids[CONTEXT];          /* of the sample that was drawn last, and its noise */
    float        *noise, alpha_bar[TRAIN_STEPS];
} Dataset;

/* Encodes all pictures, and captions too when no text encoder learns; the fields above sample are filled in. */
void dataset_read(Dataset *d, Rng *rng);

/* For learn_from: the room that any of them takes.  The machine's ops become those of one step of a picture. */
void dataset_rehearse(Dataset *d);

/* The course of an epoch: each picture as often as it is repeated, all of it still to be drawn. */
void dataset_order(const Dataset *d, Course *c);

/* The next picture, under fresh noise.  It lasts until the next call. */
const Sample *dataset_next(Dataset *d, Course *c);

/* How much its loss counts. */
double sample_weight(const Dataset *d, const Sample *s);

/* The mean loss of the pictures that are held out, always under the same noise. */
double dataset_held_out_loss(Dataset *d);

#endif
