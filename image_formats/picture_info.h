/* picture_info.h - what a picture file says about the picture besides its pixels: its size, which way is
 * up, and the places where programs store words.
 *
 * Useful copied alone with the readers of this folder and what they need, see README.md. */
#ifndef PICTURE_INFO_H
#define PICTURE_INFO_H

#include "files.h"

/* In these functions bytes is any picture file, or any bytes at all: [n]. */

/* The size that a GIF, PNG, JPEG, WebP or BMP states, 0 x 0 when that is cut off or cannot be.  The picture itself may
 * be broken. */
void picture_size(const uint8_t *bytes, size_t n, int *width, int *height);

/* How the picture is to be turned, 1..8 as EXIF numbers it (TIFF 6.0, tag Orientation); 1 when nothing says. */
int picture_orientation(Arena *a, const uint8_t *bytes, size_t n);

/* The places where programs store words.  exif, xmp: empty when there is none; they lie inside bytes or in the arena.
 * comment: UTF-8 in the arena, or NULL.  A GIF's comment is read by gif_comment (gif_comment.h). */
typedef struct { Bytes exif, xmp; const char *comment[2]; } PictureInfo;
PictureInfo picture_info(Arena *a, const uint8_t *bytes, size_t n);

#endif
