/* captions.h - what is said of a picture, as token numbers. */
#ifndef CAPTIONS_H
#define CAPTIONS_H

#include "clip.h"
#include "tokenizer.h"

typedef struct {
    const Tokenizer *tokenizer;
    const char      *word;               /* that is learned; NULL: none */
    int              first, vectors;     /* the token numbers that stand for it: first, first + 1, ... */
} Captions;

/* Begin, at most 75 tokens, and ends; the rest of a longer caption is left out, as kohya's trainer does.
 * The word that is learned stands where its name does, or in front where that is missing. */
void caption_ids(Arena *a, const Captions *c, const char *caption, int ids[CONTEXT]);

#endif
