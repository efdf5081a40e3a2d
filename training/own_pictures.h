/* own_pictures.h - pictures that training makes: how they are marked, and known again. */
#ifndef OWN_PICTURES_H
#define OWN_PICTURES_H

#include "callbacks.h"
#include "files.h"

typedef enum {
    NOT_OWN,
    OWN_CURVE,                           /* a loss curve */
    OWN_SAMPLE,                          /* a sample image */
    OWN_CLASS_IMAGE,                     /* a class image of prior preservation */
    OWN_GRID,                            /* a grid of pictures, of this program or of the web UI; it has no mark */
    OWN_KINDS
} OwnPicture;

extern const char *const own_picture_names[];      /* "loss curve", by OwnPicture; NULL for NOT_OWN */

/* Returns the PNG or GIF, which this program has just made, with its mark, in the arena.  kind: one that has a mark */
Bytes own_picture_mark(Arena *a, Bytes picture, OwnPicture kind);

/* Which kind a picture is, by what is inside it.  file: any bytes at all */
OwnPicture own_picture_kind(Arena *a, Bytes file);

/* Has a picture that training draws to keep what is at its path?  The same bytes need no keeping, nor, with overwrite,
 * does a picture that training drew. */
int own_picture_keeps(Arena *a, File picture, int overwrite);

/* Saves such a picture, and keeps what it has to, as output_save() does.  Fails as that does. */
void own_picture_save(Arena *a, File picture, int overwrite, const Callbacks *callbacks);

#endif
