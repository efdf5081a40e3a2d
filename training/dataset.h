/* dataset.h - the training images and their captions as training examples: encoded once, then drawn in random order. */
#ifndef DATASET_H
#define DATASET_H

#include "callbacks.h"
#include "captions.h"
#include "objective.h"
#include "photos.h"
#include "training_config.h"
#include "training_state.h"
#include "validation.h"

/* One picture, encoded.  Noise, timestep and what augmentation changes are set when it is drawn. */
typedef struct {
    const Photo    *photo;
    float          *latents, *mirrored;  /* x0; mirrored is NULL without flip_aug */
    float          *mask, *mirrored_mask;      /* of masks.h; NULL: none */
    TrainingExample example;
    double          ops;                 /* operations of a step; only of the first item of each size */
} DatasetItem;

/* The caller fills in everything above `item`; dataset_read() the rest. */
typedef struct {
    Arena                *mem;
    Run                  *run;
    const TrainingConfig *config;
    const Objective      *objective;
    const Callbacks      *callbacks;
    Photos                photos;
    Captions              captions;
    int                   steps;         /* of the whole job, for what is a part of them */
    int                   clip_skip;
    DatasetItem          *item;          /* [photos.count] */
    int                   ids[MOST_CHUNKS * CONTEXT];      /* of the item drawn last, where captions are augmented */
    float                *noise;         /* of the item that was drawn last */
    double                validation_ops;      /* operations of a measurement; dataset_dry_run() counts them */
} Dataset;

/* Says which captions are longer than what is read of them, and fills in what is learned of each (photo->learned). */
void dataset_check_captions(Dataset *d);

/* Encodes all pictures, and the captions too when nothing about them changes.  rng draws the latents. */
void dataset_read(Dataset *d, Rng *rng);

/* Takes the memory that a step of any item needs (see objective_dry_run).  The machine's ops become those of one
 * example, on average over an epoch. */
void dataset_dry_run(Dataset *d);

/* Begins an epoch's order: each picture as often as it is repeated, all of it to be shuffled before the first is
 * drawn. */
void dataset_begin(const Dataset *d, TrainingProgress *p);

/* Draws the next example, under fresh noise.  It lasts until the next call. */
const DatasetItem *dataset_next(Dataset *d, TrainingProgress *p);

/* The mean loss of the validation images at each of the timesteps, always under the same noise. */
void dataset_validate(Dataset *d, double loss[VALIDATION_TIMES]);

#endif
