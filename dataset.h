/* dataset.h - a folder of pictures as lessons: latents and tokens, encoded once, in an order that chance decides. */
#ifndef DATASET_H
#define DATASET_H

#include "captions.h"
#include "generate.h"
#include "lesson.h"
#include "photos.h"
#include "recipe.h"
#include "state.h"

enum { PIXELS = 8, LATENT = 4 };         /* a latent has 4 channels, and stands for 8 x 8 pixels */

typedef struct {
    Arena        *mem;
    Run          *run;
    const Recipe *recipe;
    const Watch  *watch;
    Photos        photos;
    Captions      captions;
    int           side, clip_skip;       /* of the pictures, in pixels */
    Lesson       *lesson;                /* of each photo, but for what chance decides */
    float        *noise, alpha_bar[TRAIN_STEPS];
} Dataset;

/* Encodes all pictures, and captions too when no text encoder learns; the fields above lesson are filled in. */
void dataset_read(Dataset *d, Rng *rng);

/* The course of an epoch: each picture as often as it is repeated, all of it still to be drawn. */
void dataset_order(const Dataset *d, Course *c);

/* The next picture, under fresh noise.  It lasts until the next call. */
Lesson *dataset_next(Dataset *d, Course *c);

const Photo *dataset_photo(const Dataset *d, const Lesson *l);

#endif
