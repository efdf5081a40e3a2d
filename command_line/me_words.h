/* me_words.h - the words of persona me: what captions call the person, and what prompts say. */
#ifndef ME_WORDS_H
#define ME_WORDS_H

#include "photos.h"
#include "portrait_words.h"

typedef struct {
    const char *words;                   /* "portrait of yumin woman": what a prompt begins with */
    const char *who;                     /* "woman", "man", or "person" when nothing says it */
    const char *prefix;                  /* to put before captions that do not name the person; NULL: none */
    enum { FROM_CAPTIONS, FROM_NAME, CHOSEN } from;
} Subject;

/* name: of --name; NULL: what all captions begin with or hold, else a word that means nothing yet. */
Subject me_subject(Arena *a, const Photos *p, const char *name);

/* A sentence about it, for people. */
const char *me_subject_said(Arena *a, const Subject *s);

/* The caption of a photo that has none. */
const char *me_caption(Arena *a, const Subject *s, const PortraitWords *w);

/* The prompt for what was learned.  asked: of --prompt; NULL: nothing.  move: where nothing was asked for, or "" */
const char *me_prompt(Arena *a, const Subject *s, const char *asked, const char *move);

/* The prompt for a picture that begins as a photo, in the words of the small model.  What was asked for is all of it
 * when it begins with "portrait". */
const char *me_described(Arena *a, const Subject *s, const PortraitWords *w, const char *asked, const char *move);

#endif
