/* train.h - a folder of pictures to a LoRA, or to a new word. */
#ifndef TRAIN_H
#define TRAIN_H

#include "callbacks.h"
#include "job.h"
#include "recipe.h"
#include "samples.h"

typedef struct {
    const char *photos, *out;        /* a folder, see photos.h; a path that ends in .safetensors */
    Job         job;                 /* model, vae, merges, prompt (for pictures without a caption), clip_skip, seed, threads, precision */
    Recipe      recipe;
    Samples     samples;             /* to draw on the way; model and vae are those of the job */
    int         seeded;              /* job.seed was asked for; otherwise a job that is resumed keeps its own */
} Training;

/* Learns what the recipe says, a LoRA, the vectors of a new word or both, and writes it as kohya's trainer would.  Fails with a message,
 * nothing written but what the recipe asks to be saved on the way; call it inside attempt().  When it is stopped after it has begun to
 * learn, it saves its state and fails with how to go on. */
void train(Arena *a, const Training *t, const Watch *watch);

#endif
