/* webp_frames.h - reads the frames of animated WebP files.
 *
 * Stands alone: copy webp_frames.[ch], animation_frame.[ch], and webp.[ch] with what it needs.  It uses no files and no
 * globals, and it prints nothing: it turns bytes in memory into bytes in memory.  Any number of threads may call it at
 * once.
 * Source: RFC 9649, 2.7.1.1; what is left open is done as libwebp's WebPAnimDecoder does it. */
#ifndef WEBP_FRAMES_H
#define WEBP_FRAMES_H

#include "animation_frame.h"

/* Is this a WebP whose head says that it is an animation? */
int webp_is_animated(const unsigned char *webp, size_t size);

/* Finds all frames, and decodes none.
 *   webp  any bytes at all, [size]
 *   all   receives the size of the canvas and the frames; the caller frees all->frame in any case
 *   why   receives the reason of a failure
 * Returns 0 when it is no animated WebP, when it is broken or ends early, when a frame lies outside of the canvas, when
 * that has more than ANIMATION_MAX_PIXELS, when it has no frame, or when out of memory. */
int webp_frames(const unsigned char *webp, size_t size, AnimationFrames *all, char why[ANIMATION_WHY]);

/* Decodes a frame that webp_frames() found in the same bytes.  Returns rgba: [height, width, 4], rows from the top,
 * which the caller frees; NULL when its data are broken, or when out of memory. */
unsigned char *webp_frame_decode(const unsigned char *webp, size_t size, const AnimationFrame *f,
                                 char why[ANIMATION_WHY]);

#endif
