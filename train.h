/* train.h - training: a folder of pictures to a LoRA, or to an embedding. */
#ifndef TRAIN_H
#define TRAIN_H

#include "callbacks.h"
#include "training_job.h"

/* Trains what the configuration says, a LoRA, the token vectors of textual inversion or both, and writes it as
 * kohya's trainer would.  Call it inside attempt().  When it fails, it has written only what the configuration
 * wants saved periodically.  When it is stopped after the first step has begun, it saves its state and fails with a
 * message that says how to resume. */
void train(Arena *a, const TrainingJob *job, const Callbacks *callbacks);

#endif
