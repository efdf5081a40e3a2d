/* gif_limit.h - makes a GIF that is not larger than a limit.
 *
 * Stands alone with gif.[ch] of the root and palette.[ch].  It uses no files and no globals, and it prints nothing. */
#ifndef GIF_LIMIT_H
#define GIF_LIMIT_H
#include "gif.h"

/* Encodes as gif_encode does, in at most `most` bytes if that is possible.  It takes loss first, then fewer
 * colours, then fewer frames, by turns and no more than is needed.  Two frames of a clip are always kept.
 *   effort   receives what was given up
 * When nothing is small enough it returns the smallest GIF that it can make; *size is then above `most`.
 * Ownership and errors are those of gif_encode. */
unsigned char *gif_encode_within(const unsigned char *rgb, int frames, int width, int height, double fps,
                                 const char *comment, size_t most, GifEffort *effort, size_t *size);

#endif
