/* gif_frames.h - reads the frames of GIF files.
 *
 * Stands alone: copy gif_frames.[ch] and animation_frame.[ch].  It uses no files and no globals, and it prints nothing:
 * it turns bytes in memory into bytes in memory.  Any number of threads may call it at once.
 * Source: Graphics Interchange Format, Version 89a (CompuServe 1990); for what it leaves open, what browsers do. */
#ifndef GIF_FRAMES_H
#define GIF_FRAMES_H

#include "animation_frame.h"

/* Finds all frames of a GIF, and decodes none.
 *   gif   any bytes at all, [size]
 *   all   receives the size of the canvas and the frames; the caller frees all->frame in any case
 *   why   receives the reason of a failure
 * Returns 0 when it is no GIF, when it is broken or ends within a frame, when the canvas or a frame has more than
 * ANIMATION_MAX_PIXELS, when it has no frame, or when out of memory. */
int gif_frames(const unsigned char *gif, size_t size, AnimationFrames *all, char why[ANIMATION_WHY]);

/* Decodes a frame that gif_frames() found in the same bytes.  Returns rgba: [height, width, 4], rows from the top,
 * alpha 0 or 255, which the caller frees; NULL when its data are broken or end early, or when out of memory. */
unsigned char *gif_frame_decode(const unsigned char *gif, size_t size, const AnimationFrame *f,
                                char why[ANIMATION_WHY]);

#endif
