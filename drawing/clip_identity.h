/* clip_identity.h - all that the pixels of a drawing job depend on, by name. */
#ifndef CLIP_IDENTITY_H
#define CLIP_IDENTITY_H

#include "image.h"
#include "inpainting.h"
#include "job.h"
#include "lora.h"
#include "weight_file.h"

enum { IDENTITY_ENTRIES = 48, DIGEST_TEXT = 17 };

/* The values are in the arena, but for the digests, which are taken late, as weights are gigabytes. */
typedef struct {
    KeyValue entry[IDENTITY_ENTRIES];
    size_t   count;                      /* of all; the last is that of the conditioning */
    char     model[DIGEST_TEXT], lora[DIGEST_TEXT], conditioning[DIGEST_TEXT];
} ClipIdentity;

/* The settings of a job, with its defaults filled in.  init: the picture that it begins as, or the first of so many
 * frames, one behind the other; .rgb may be NULL.  last: what a clip ends as; .rgb may be NULL.  mask: what of init is
 * drawn anew, without its blur; .white may be NULL.
 * upscaler: what makes the finished picture larger; a network counts by its weights, with those of the model. */
void clip_identity_begin(Arena *a, ClipIdentity *id, const Job *job, Picture init, int frames, Picture last,
                         Mask mask, const char *upscaler);

/* The digests of what the files hold; taken once.  lora: may be NULL. */
void clip_identity_weights(Arena *a, ClipIdentity *id, const Weights *weights, const Lora *lora);

/* Adds the digest of n floats to that of the conditioning: of all that the words became, by the embeddings and by the
 * arithmetic of this machine. */
void clip_identity_condition(ClipIdentity *id, const float *x, size_t n);

#endif
