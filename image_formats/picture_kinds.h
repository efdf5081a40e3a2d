/* picture_kinds.h - what kind of picture a file is, by its first bytes; and how to convert the kinds that are not read.
 *
 * Useful copied alone with exif.[ch], files.[ch], chars.[ch], unicode.[ch], system.[ch] and tensor.[ch]. */
#ifndef PICTURE_KINDS_H
#define PICTURE_KINDS_H

#include "tensor.h"

typedef struct {
    const char *name;               /* "HEIC" */
    const char *article;            /* "a", or "an" */
    int is_read;                    /* whether image_open reads this kind */
    const char *command;            /* converts it, with IN and OUT for the paths; NULL for kinds that are read */
} PictureKind;

/* The kind of the picture in bytes: [n], any bytes; the first 64 kilobytes are enough.  Returns NULL when it is none
 * that is known.  What it returns lasts as long as the program. */
const PictureKind *picture_kind(const uint8_t *bytes, size_t n);

/* The command line that converts the file `path` of this kind to a PNG beside it, for the system that the program runs
 * on: "heif-convert me.heic me.png".  In the arena.  kind: one that is not read */
const char *picture_conversion(Arena *a, const PictureKind *kind, const char *path);

#endif
