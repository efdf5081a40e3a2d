/* apng_frames.h - reads the frames of animated PNG files.
 *
 * Stands alone: copy apng_frames.[ch], animation_frame.[ch], png.[ch] and deflate.[ch].  It uses no files and no
 * globals, and it prints nothing: it turns bytes in memory into bytes in memory.  Any number of threads may call it at
 * once.
 * Source: PNG specification, third edition (W3C 2025): 11.3.6, and 4.9 "APNG". */
#ifndef APNG_FRAMES_H
#define APNG_FRAMES_H

#include "animation_frame.h"

/* Is this a PNG with an animation?  One that only has a still picture, or acTL behind it, is none. */
int apng_is_animated(const unsigned char *png, size_t size);

/* Finds all frames, and decodes none.  A default image without fcTL is no frame.
 *   png   any bytes at all, [size]
 *   all   receives the size of the canvas and the frames; the caller frees all->frame in any case
 *   why   receives the reason of a failure
 * Returns 0 when it is no animated PNG, when a chunk is broken, out of order or missing, when it has another number of
 * frames than it says, when the canvas has more than ANIMATION_MAX_PIXELS, or when out of memory. */
int apng_frames(const unsigned char *png, size_t size, AnimationFrames *all, char why[ANIMATION_WHY]);

/* Decodes a frame that apng_frames() found in the same bytes.  Returns rgba: [height, width, 4], rows from the top,
 * which the caller frees; NULL when its data are broken, or when out of memory. */
unsigned char *apng_frame_decode(const unsigned char *png, size_t size, const AnimationFrame *f,
                                 char why[ANIMATION_WHY]);

#endif
