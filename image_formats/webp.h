/* webp.h - reads WebP files.
 *
 * Source: RFC 9649, the container. */
#ifndef WEBP_H
#define WEBP_H
#include <stddef.h>

/* Returns the content of the first chunk with this name of four letters, like "EXIF" or "XMP "; *n receives its size.
 *   webp   any bytes at all, [size]
 * Returns NULL when this is no WebP, when it is broken before that chunk, or when there is none. */
const unsigned char *webp_chunk(const unsigned char *webp, size_t size, const char *name, size_t *n);

#endif
