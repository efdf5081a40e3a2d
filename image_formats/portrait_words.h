/* portrait_words.h - a portrait in words, by a look at its colours. */
#ifndef PORTRAIT_WORDS_H
#define PORTRAIT_WORDS_H

#include "head.h"

/* Each is a word of weights/README.md, which others know too; NULL: it cannot be told. */
typedef struct {
    const char *hair_length;             /* "short" or "long" */
    const char *hair;                    /* "black", "brown", "blonde", ... */
    const char *skin;                    /* "pale", "light", "tan", "brown" or "dark" */
    const char *clothes;                 /* "red", "black", ... */
    const char *background;
} PortraitWords;

/* head: where head_find() found it; NULL: it found none, and then only the background has a word.  The words are
 * constants. */
PortraitWords portrait_words(Picture p, const Head *head);

#endif
