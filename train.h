/* train.h - training: a folder of pictures to a LoRA, or to an embedding. */
#ifndef TRAIN_H
#define TRAIN_H

#include "callbacks.h"
#include "training_job.h"

/* What was trained, in files. */
typedef struct {
    const char *path;                    /* of the result: that of the LoRA, else of the embedding */
    const char *lora, *embedding;        /* paths; NULL: there is none */
    const char *word;                    /* which the embedding was learned for; NULL: there is none */
    const char *words;                   /* of the captions: photos_shared_words() */
} Trained;

/* Trains what the configuration says, a LoRA, the token vectors of textual inversion or both, and writes it as
 * kohya's trainer would.  Call it inside attempt().  When it fails, it has written only what the configuration
 * wants saved periodically.  When it is stopped, or fails, after the first step has begun, it saves its state and fails
 * with a message that says how to resume.
 * The path of the result is job->out, or one in the arena: when the result cannot be written there any more, it is
 * saved beside the pictures, in the current folder or in the folder of temporary files, with a warning.
 * All memory of the training stays in the arena until the caller releases it. */
Trained train(Arena *a, const TrainingJob *job, const Callbacks *callbacks);

#endif
