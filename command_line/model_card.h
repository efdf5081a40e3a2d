/* model_card.h - what a file of weights, and the notes beside it, say about how to use it. */
#ifndef MODEL_CARD_H
#define MODEL_CARD_H

#include "weights_open.h"

/* A caption's tag and how often it was learned. */
typedef struct { const char *name; double count; } Tag;

/* What was said; NULL where nothing was.  All of it is words of the file: print them through make_printable().
 * title:    what the file calls itself
 * base:     the model that it is made for, as notes beside it say
 * words:    the words that call what it has learned (trigger words)
 * strength: what somebody prefers, "0.8"
 * negative: words for the negative prompt
 * hint:     how to use it, in a sentence
 * notes:    the path of the file beside it that some of this is from
 * tag:      [tags] of the captions that it was trained with, the most frequent first */
typedef struct {
    const char *title, *base, *words, *strength, *negative, *hint, *notes;
    Tag        *tag;
    size_t      tags;
} ModelCard;

/* Reads the metadata of f, and the notes that the web UI, Civitai Helper, Stability Matrix and LoRA managers leave
 * beside a file: NAME.json, NAME.civitai.info, NAME.cm-info.json, NAME.metadata.json.  What is broken is passed
 * over. */
ModelCard model_card(Arena *a, const WeightFile *f);

/* The words that call what was learned, or, when nobody says them, the captions' most frequent tags, at most `most`
 * of them; "" when there are none. */
const char *model_card_words(Arena *a, const ModelCard *c, size_t most);

#endif
