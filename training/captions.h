/* captions.h - what is said of a picture, as token numbers. */
#ifndef CAPTIONS_H
#define CAPTIONS_H

#include "clip.h"
#include "random.h"
#include "tokenizer.h"

typedef struct {
    const Tokenizer *tokenizer;
    const char      *word;               /* that is learned; NULL: none */
    int              first, vectors;     /* the token numbers that stand for it: first, first + 1, ... */
} Captions;

/* A caption as one step sees it: dropped altogether (NULL) at this rate, or with the parts between its commas in a new order, but for
 * the first `keep` (kohya sd-scripts, process_caption).  Nothing is drawn from chance that is not asked for. */
typedef struct { double drop; int shuffle, keep; } CaptionChance;
const char *caption_drawn(Arena *a, const char *caption, CaptionChance chance, Rng *rng);

/* Begin, at most 75 tokens, and ends; the rest of a longer caption is left out, as kohya's trainer does.
 * The word that is learned stands where its name does; where that is missing, in front if it is the caption of what is learned.
 * NULL: nothing is said. */
void caption_ids(Arena *a, const Captions *c, const char *caption, int learned, int ids[CONTEXT]);

#endif
