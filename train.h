/* train.h - a folder of pictures to a LoRA. */
#ifndef TRAIN_H
#define TRAIN_H

#include "generate.h"
#include "recipe.h"

typedef struct {
    const char *photos, *out;        /* a folder, see photos.h; a path that ends in .safetensors */
    Job         job;                 /* model, vae, merges, prompt (for pictures without a caption), clip_skip, seed, threads, precision */
    Recipe      recipe;
} Training;

/* Learns a LoRA and writes it, for kohya's names.  Fails with a message, nothing written; call it inside attempt(). */
void train(Arena *a, const Training *t, const Watch *watch);

#endif
