/* metadata.h - what is said within a result of training of how it came to be, by the names of kohya's trainer. */
#ifndef METADATA_H
#define METADATA_H

#include "photos.h"
#include "recipe.h"
#include "safetensors.h"

typedef struct {
    const Recipe *recipe;
    const Photos *photos;
    const char   *model;                 /* the checkpoint's path */
    int           side, clip_skip;
    uint64_t      seed;
    size_t        step, steps, epoch;    /* done; in all; in which all pictures are seen */
} Made;

/* Of a LoRA, or of a word's vectors.  In the arena, with room for `more` behind them. */
Pair *metadata_of(Arena *a, const Made *m, int lora, size_t more, size_t *count);

#endif
