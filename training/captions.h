/* captions.h - the caption of a picture, as token numbers of CLIP's text encoder. */
#ifndef CAPTIONS_H
#define CAPTIONS_H

#include "clip.h"
#include "random.h"
#include "tokenizer.h"

typedef struct {
    const Tokenizer *tokenizer;
    const char      *word;               /* of textual inversion: the word that is trained; NULL: none */
    int              first, vectors;     /* its token numbers: first, first + 1, ..., so many as it has vectors */
} Captions;

/* What may happen to a caption in each step; kohya sd-scripts, library/train_util.py, process_caption. */
typedef struct {
    double caption_dropout_rate;         /* how often the caption is left out */
    int    shuffle_caption;              /* what stands between its commas comes in a new order ... */
    int    keep_tokens;                  /* ... but for so many parts in front */
} CaptionAugmentation;

/* The caption as one step sees it, or NULL where it is left out.  No random number is drawn for what is not asked
 * for. */
const char *caption_augmented(Arena *a, const char *caption, CaptionAugmentation how, Rng *rng);

/* Token numbers of a caption (NULL is an empty one): begin, at most 75 tokens, and ends.  The rest of a longer
 * caption is left out, as kohya's trainer does.  The vectors of the trained word stand wherever its name does.
 * name_it: where the name is missing, they stand in front. */
void caption_ids(Arena *a, const Captions *c, const char *caption, int name_it, int ids[CONTEXT]);

#endif
