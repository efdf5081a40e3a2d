/* windows.h - a clip longer than a motion module holds: which frames the model sees together, on integers only.
 *
 * Useful copied alone.  The schedule is "uniform" of sd-webui-animatediff and ComfyUI-AnimateDiff-Evolved: windows of `length`
 * frames that overlap, moved round the clip from call to call so that their ends do not stay in one place. */
#ifndef WINDOWS_H
#define WINDOWS_H

/* How the end meets the beginning, as sd-webui-animatediff names it.
 *   OPEN     "N"    no window holds both, but one of every second frame or fewer may
 *   REDUCED  "R-P"  windows wrap around only where that saves one;  REDUCED_TOO "R+P": the same, and prompts travel round
 *   CLOSED   "A"    windows cover the joint like any other place, in a clip no longer than a window too: then each is the whole clip, turned */
typedef enum { OPEN, REDUCED, REDUCED_TOO, CLOSED } Loop;

int         loop_named(const char *name);        /* a Loop, or -1 */
const char *loop_name (int loop);                /* NULL after the last */

typedef struct {
    int  frames;
    int  length;                     /* of a window, 1..frames */
    int  overlap;                    /* frames that neighbours share, 0..length-1 */
    int  stride;                     /* 1: neighbouring frames only; 2: also windows of every second frame; 3: and every fourth; ... */
    Loop loop;
} Windows;

typedef struct { int from, by; } Window;         /* `length` frames from `from` on, every by-th, around the end */

/* The windows of a call -> out, which may be NULL; returns how many.  Together they hold every frame. */
int  windows(const Windows *w, int call, Window *out);
void window_frames(const Windows *w, Window one, int *frame);      /* -> frame[length] */

/* How much frame i of a window counts where several hold it: most in the middle, 1 at the ends ("pyramid"). */
int window_weight(const Windows *w, int i);

#endif
