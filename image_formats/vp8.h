/* vp8.h - decodes VP8 key frames, the lossy pictures of WebP.
 *
 * Stands alone: copy vp8.[ch], vp8_predict.[ch], vp8_filter.[ch] and vp8_tables.[ch].  It uses no files and no globals,
 * and it prints nothing: it turns bytes in memory into bytes in memory.  Any number of threads may call it at once.
 * Source: RFC 6386; for what it leaves open, from samples to RGB, libwebp. */
#ifndef VP8_H
#define VP8_H
#include <stddef.h>

enum { VP8_WHY = 128 };                 /* bytes of a message */

/* Decodes a picture: the content of a chunk "VP8 ".
 *   vp8             any bytes at all, [size]
 *   width, height   receive the size of the picture, 1..16383 each
 *   why             receives the reason of a failure
 * Returns rgb: [*height, *width, 3], sRGB, rows from the top, which the caller frees.
 * Returns NULL when it is broken, when it ends early, when it is no key frame, or when out of memory. */
unsigned char *vp8_decode(const unsigned char *vp8, size_t size, int *width, int *height, char why[VP8_WHY]);

#endif
