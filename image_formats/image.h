/* image.h - reads a picture from a file, turns it the right way up, and resizes it.
 *
 * Useful copied alone with picture_info.[ch] and picture_kinds.[ch] and what they need, see README.md.
 * Sources: TIFF 6.0, tag Orientation, which EXIF uses; Pillow's resampling, to the byte. */
#ifndef IMAGE_H
#define IMAGE_H

#include "files.h"

/* rgb: [height, width, 3], sRGB, rows from the top.  All pictures lie in the arena that is given. */
typedef struct { int width, height; unsigned char *rgb; } Picture;

/* Reads a PNG, JPEG, WebP or BMP, as its first bytes say, and rotates it as EXIF or XMP says.  It has at most 2^28
 * pixels.  It fails with the path and what is wrong, or with what else the file is. */
Picture image_open(Arena *a, const char *path);

/* Reads the alpha channel of a picture as a grey picture: 0 where it is transparent, 255 where it is opaque. */
Picture image_open_alpha(Arena *a, const char *path);

/* Does the same as image_open for a file that is in memory.  name: for messages */
Picture image_decode(Arena *a, Bytes file, const char *name);

/* Fails as image_decode() does when the file is no kind of picture that it reads, and looks no further. */
void image_check_kind(Arena *a, Bytes file, const char *name);

/* Turns a picture that was decoded from this file the right way up, as the file's EXIF or XMP says. */
Picture image_upright(Arena *a, Bytes file, Picture p);

/* Resampling filters.  BOX is the mean of the pixels that fall together; where a size is divided by a whole number, it
 * is area resize.  LANCZOS (three lobes) is sharper, and serves for growing too. */
typedef enum { BOX, LANCZOS } Filter;

/* Resizes to width x height, each at least 1, with antialiasing.  Returns p itself when it has that size. */
Picture image_resize(Arena *a, Picture p, int width, int height, Filter filter);

/* Center crop: returns the middle width x height of a picture that is at least as large. */
Picture image_center_crop(Arena *a, Picture p, int width, int height);

/* Resizes so that the picture just covers width x height, then takes the center crop.  The proportions stay. */
Picture image_resize_and_crop(Arena *a, Picture p, int width, int height, Filter filter);

#endif
