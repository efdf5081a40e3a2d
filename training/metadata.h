/* metadata.h - the metadata of a result of training, by the names of kohya's trainer. */
#ifndef METADATA_H
#define METADATA_H

#include "photos.h"
#include "safetensors.h"
#include "training_config.h"
#include "validation.h"

typedef enum { LORA_RESULT, EMBEDDING_RESULT } ResultKind;

typedef struct {
    const TrainingConfig *config;
    const Photos         *photos;
    const char           *model;            /* the checkpoint's path */
    int                   side, clip_skip;  /* of the pictures, in pixels */
    uint64_t              seed;
    size_t                step, steps;      /* done, and in all */
    size_t                epoch;            /* steps in which all pictures are seen */
    const Validation     *validation;       /* what was measured until now */
} ResultInfo;

/* Returns count entries, in the arena, with room for `more` behind them. */
KeyValue *metadata_of(Arena *a, const ResultInfo *info, ResultKind kind, size_t more, size_t *count);

#endif
