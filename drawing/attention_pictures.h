/* attention_pictures.h - attention maps as pictures for people: heat over what was drawn. */
#ifndef ATTENTION_PICTURES_H
#define ATTENTION_PICTURES_H

#include "callbacks.h"
#include "image.h"

struct AttentionMaps;

/* What a caller of generate() wants of them, in its callbacks. */
typedef struct AttentionWish {
    const char *asked;                   /* "hair, red sweater", or "all" for each word of the prompt */
    /* Gets the pictures of each word that the prompt holds, when the clip is drawn; they are gone when it returns. */
    void      (*on_map)(void *to, const char *word, Picture strip, Picture sheet);
    void      (*on_maps)(void *to, const struct AttentionMaps *m);      /* gets the numbers before; may be NULL */
    void       *to;
} AttentionWish;

/* The word's map over the frames of a clip, side by side, eight in a row and at most 32, evenly chosen. */
Picture attention_strip(Arena *a, const struct AttentionMaps *m, size_t word, Pictures p);

/* The same layer by layer, over the middle frame: a row for each block of the UNet, a column for each of its
 * attentions.  Each layer has colours of its own: black where it looks least, white where it looks most. */
Picture attention_sheet(Arena *a, const struct AttentionMaps *m, size_t word, Pictures p);

/* Gives the wish its pictures.  p: what was drawn.  Says so when the maps are not those of all steps. */
void attention_grant(Arena *a, const struct AttentionMaps *m, Pictures p, const AttentionWish *wish,
                     const Callbacks *callbacks);

#endif
