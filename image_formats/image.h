/* image.h - a picture from any file that is one, the right way up, and to another size.
 * Useful copied alone with png.[ch], jpeg.[ch], deflate.[ch], tensor.[ch] and element.[ch]. */
#ifndef IMAGE_H
#define IMAGE_H

#include "files.h"

typedef struct { int width, height; unsigned char *rgb; } Picture;      /* rgb: [height,width,3], sRGB, rows from the top */

/* A PNG or JPEG, told apart by what is in it, turned as its EXIF says; at most 2^26 pixels; lives as long as the arena's
 * next release.  Fails with the path and what is wrong, or what else the file is. */
Picture image_open(Arena *a, const char *path);
Picture image_read(Arena *a, Bytes file, const char *name);             /* the same, of bytes; name: for messages */

/* Antialiased, as Pillow's resize to the byte.  BOX: the mean of the pixels that fall together, which is area resize
 * where the size is divided by a whole number.  LANCZOS: sharper, for growing too. */
typedef enum { BOX, LANCZOS } Filter;
Picture image_resize(Arena *a, Picture p, int width, int height, Filter filter);
/* width x height out of the middle of a picture that is at least as large. */
Picture image_middle(Arena *a, Picture p, int width, int height);
/* Resized so that it covers width x height just so, its middle cut out. */
Picture image_cover (Arena *a, Picture p, int width, int height, Filter filter);

#endif
