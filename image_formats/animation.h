/* animation.h - the frames of a moving picture: animated GIF, PNG (APNG) and WebP; a still picture is one frame.
 *
 * Useful copied alone with image.[ch], the readers of frames, and what they need, see README.md. */
#ifndef ANIMATION_H
#define ANIMATION_H

#include "animation_frame.h"
#include "image.h"

/* What was found in a file, before any pixel is decoded. */
typedef struct {
    Bytes       file;
    const char *name;                   /* of the file, for messages */
    size_t      count;                  /* frames, at least 1 */
    double     *start;                  /* [count + 1] seconds: when each begins, and when the last one ends; all zero
                                           for a still picture.  A frame of 10 ms or less counts as 100 ms, as browsers
                                           show it. */
    int         ends_early;             /* it has whole frames only, but not the mark of its end */
    const struct AnimationReader *reader;       /* NULL for a still picture */
    AnimationFrames frames;             /* unless it is a still picture */
} Animation;

/* Looks at a file: a PNG, JPEG, WebP, BMP or GIF, as its first bytes say.  Fails as image_decode() does.
 * file, name: the caller's, until the animation is not used any more */
Animation animation_find(Arena *a, Bytes file, const char *name);

/* Receives frame `nth` of those that are wanted, over white, the right way up; it is valid until this returns. */
typedef void AnimationVisit(void *to, size_t nth, Picture frame);

/* Decodes what is needed and no more: all frames up to the last that is wanted, as each may show parts of those before.
 *   wanted: [n] frames, from 0, in ascending order; one may be wanted several times
 * Holds one canvas, one frame, and what stood below it.  Fails with the file's name, the frame and the reason.  visit
 * may allocate in the arena, and what it allocates is gone when it returns; it may fail, to stop. */
void animation_decode(Arena *a, const Animation *m, const size_t *wanted, size_t n, AnimationVisit *visit, void *to);

#endif
