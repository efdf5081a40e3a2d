/* model_limits.h - what a model was not made for, told before the work. */
#ifndef MODEL_LIMITS_H
#define MODEL_LIMITS_H

#include "callbacks.h"
#include "job.h"
#include "model_spec.h"

/* Each warns in one line, or says nothing, as where the model's metadata say nothing.  model: its path.
 *
 * Of a size that the model was not made for, with the nearest one that it was.  label: what the size is of,
 * for the message. */
void limits_tell_size(Arena *a, const ModelSpec *m, const char *model, PixelSize size, const char *label,
                      const Callbacks *callbacks);

/* Of words in the job's prompt that neither the model nor the job's LoRAs and embeddings know. */
void limits_tell_words(Arena *a, const ModelSpec *m, const Job *j, const Callbacks *callbacks);

/* Of a picture of another kind than those that the model was made for.  error: its reconstruction error. */
void limits_tell_picture(const ModelSpec *m, const char *model, const char *picture, double error,
                         const Callbacks *callbacks);

/* What does more than a small model, for messages. */
extern const char large_model[];

#endif
