/* vp8l.h - decodes VP8L, the lossless pictures of WebP.
 *
 * Stands alone: copy vp8l.c and vp8l.h.  It uses no files and no globals, and it prints nothing: it turns bytes in
 * memory into numbers in memory.  Any number of threads may call it at once.
 * Source: RFC 9649, chapter 3: the WebP lossless bitstream. */
#ifndef VP8L_H
#define VP8L_H
#include <stddef.h>
#include <stdint.h>

enum { VP8L_WHY = 128 };                /* bytes of a message */

/* Decodes a picture: the content of a chunk VP8L.
 *   vp8l            any bytes at all, [size]
 *   width, height   receive the size of the picture, 1..16384 each
 *   has_alpha       receives whether the file says that some pixels are transparent
 *   why             receives the reason of a failure
 * Returns argb: [*height, *width], alpha in the highest byte, rows from the top, which the caller frees.
 * Returns NULL when it is broken, when it ends early, or when out of memory. */
uint32_t *vp8l_decode(const uint8_t *vp8l, size_t size, int *width, int *height, int *has_alpha, char why[VP8L_WHY]);

/* Decodes the same stream without its header, for a picture of this size, 1..16384 each.  So the alpha plane of a lossy
 * WebP is packed; its values are the green ones. */
uint32_t *vp8l_decode_stream(const uint8_t *vp8l, size_t size, int width, int height, char why[VP8L_WHY]);

#endif
