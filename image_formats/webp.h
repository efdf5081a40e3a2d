/* webp.h - reads WebP files.
 *
 * Stands alone: copy webp.[ch], vp8l.[ch], vp8.[ch], vp8_predict.[ch], vp8_filter.[ch] and vp8_tables.[ch].  It uses no
 * files and no globals, and it prints nothing: it turns bytes in memory into bytes in memory.  Any number of threads
 * may call it at once.
 * Source: RFC 9649; pixels are libwebp's, to the byte. */
#ifndef WEBP_H
#define WEBP_H
#include <stddef.h>

enum { WEBP_WHY = 160 };                /* bytes of a message */

/* Decodes any WebP: lossy, lossless, with transparency.  Transparent pixels are put over white.  Of an animation it
 * takes the first frame.
 *   webp            any bytes at all, [size]
 *   width, height   receive the size of the picture
 *   why             receives the reason of a failure
 * Returns rgb: [*height, *width, 3], sRGB, rows from the top, which the caller frees.  The picture is as the file
 * stores it; the chunk EXIF tells which way is up.
 * Returns NULL when the file is broken or ends early, when it has more than 2^28 pixels, or when out of memory. */
unsigned char *webp_decode(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY]);

/* Does the same for the alpha channel alone, as a grey picture: 0 transparent, 255 opaque. */
unsigned char *webp_decode_alpha(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY]);

/* The frame alone, in all four channels: [*height, *width, 4], 0 transparent to 255, colours as they are stored.  It
 * may be smaller than the canvas of an animation. */
unsigned char *webp_decode_rgba(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY]);

/* Returns the content of the first chunk with this name of four letters, like "EXIF" or "XMP "; *n receives its size.
 *   webp   any bytes at all, [size]
 * Returns NULL when this is no WebP, when it is broken before that chunk, or when there is none. */
const unsigned char *webp_chunk(const unsigned char *webp, size_t size, const char *name, size_t *n);

#endif
