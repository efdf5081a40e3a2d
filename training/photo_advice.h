/* photo_advice.h - which photos of a person to leave out of training, and why. */
#ifndef PHOTO_ADVICE_H
#define PHOTO_ADVICE_H

#include "callbacks.h"
#include "head.h"
#include "photos.h"
#include "portrait_words.h"

typedef struct {
    const char   *why_not;               /* why it is left out; NULL: it is used */
    const char   *fault;                 /* why it would be left out, if others were better; NULL: nothing is wrong */
    double        sharpness;             /* of the picture at the size that it is learned at */
    int           has_head;              /* head_find() found one */
    Head          head;
    PortraitWords words;
} PhotoAdvice;

/* Looks at every picture and says of each whether it is used, in their order.  side: of the pictures that are learned,
 * in pixels.  Fills in size, digest and thumbnail of the photos.  A picture that cannot be read is left out; when all
 * would be left out for what they look like, those that can be read are used. */
PhotoAdvice *photo_advice(Arena *a, Photos *p, int side, const Callbacks *callbacks);

/* The photo that shows a head best, of those that are used: the clearest face, sharp and in the picture whole. */
size_t photo_advice_best(const Photos *p, const PhotoAdvice *advice);

/* What matters of a model here. */
typedef struct {
    int is_small;                        /* the one that comes with persona, which draws no photographs */
    int side;                            /* of its pictures, in pixels */
} ModelLook;

ModelLook photo_advice_model(Arena *a, const char *model);

/* Can the small model's autoencoder not draw such pictures (autoencoder_check.h)?  photos: those that are used */
int photo_advice_are_photographs(Arena *a, const char *model, const Photos *p, const Callbacks *callbacks);

#endif
