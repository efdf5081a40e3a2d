/* animation_frame.h - what the readers of animated pictures say about frames, before any pixel is decoded.
 *
 * A frame is a rectangle of the canvas.  GIF, APNG and animated WebP say the same things about it in different bytes:
 * where it lies, how long it is seen, how it is put on the canvas, and what is left of it when the next one comes.
 * Stands alone: copy animation_frame.c and animation_frame.h. */
#ifndef ANIMATION_FRAME_H
#define ANIMATION_FRAME_H
#include <stddef.h>

enum {
    ANIMATION_MAX_PIXELS = 1 << 26,     /* of a canvas, and of a frame */
    ANIMATION_WHY = 192                 /* bytes of a message */
};

/* What becomes of the rectangle before the next frame: it stays; it is cleared and transparent; or it becomes again
 * what it was before this frame. */
typedef enum { STAYS, CLEARED, RESTORED } Disposal;

typedef struct {
    int      x, y, width, height;
    double   seconds;                   /* as the file has it, 0 or more */
    int      blends;                    /* 1: it is laid over what is there; 0: it takes its place, alpha too */
    Disposal disposal;
    size_t   at, end;                   /* where its data lie in the file */
} AnimationFrame;

/* frame: [count], from malloc.  ends_early: the file has whole frames only, but not the mark of its end. */
typedef struct { int width, height; size_t count, room; AnimationFrame *frame; int ends_early; } AnimationFrames;

/* Adds a frame at the end.  Returns 0, and the reason, when out of memory. */
int animation_add(AnimationFrames *all, AnimationFrame f, char why[ANIMATION_WHY]);

/* Writes a reason, and returns 0. */
int animation_refuse(char why[ANIMATION_WHY], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
