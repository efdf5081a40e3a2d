/* context_windows.h - context windows: which frames of a clip the model sees together, when the clip is longer than its
 * motion module holds.
 *
 * Useful copied alone: it computes with integers only, takes no memory and cannot fail.  The context schedule is
 * "uniform" of sd-webui-animatediff and ComfyUI-AnimateDiff-Evolved ("Looped Uniform"): windows of `length` frames
 * that overlap.  They begin at another frame in each call of the model, so that their ends do not stay in one place. */
#ifndef CONTEXT_WINDOWS_H
#define CONTEXT_WINDOWS_H

/* closed_loop: how the end of the clip meets its beginning, by the names of sd-webui-animatediff.
 *   OPEN         "N"    No window holds both, except those with a stride above 1.
 *   REDUCED      "R-P"  Windows wrap around the end only where that saves one.
 *   REDUCED_WITH_PROMPTS  "R+P"  The same, and prompt travel leads from the last prompt to the first.
 *   CLOSED       "A"    Windows cover the joint like any other place.  When the clip is one window long, each window
 *                       is the whole clip and begins at another frame. */
typedef enum { OPEN, REDUCED, REDUCED_WITH_PROMPTS, CLOSED } ClosedLoop;

int         closed_loop_named(const char *name);        /* returns a ClosedLoop, or -1 */
const char *closed_loop_name (int loop);                /* returns NULL after the last */

/* context options */
typedef struct {
    int        frames;               /* of the clip */
    int        length;               /* context_length: the frames of a window, 1 .. frames */
    int        overlap;              /* context_overlap: the frames that neighbouring windows share, 0 .. length - 1 */
    int        stride;               /* context_stride, from 1.  1: windows of neighbouring frames only;
                                        2: also windows of every second frame; 3: also of every fourth; ... */
    ClosedLoop loop;
} ContextOptions;

/* The frames from, from + by, from + 2 by, ...: `length` of them, counted around the end of the clip. */
typedef struct { int from, by; } ContextWindow;

/* Writes the windows of this call of the model to out, unless it is NULL, and returns how many there are.
 * Together they hold every frame. */
int  context_windows(const ContextOptions *w, int call, ContextWindow *out);

/* Writes the frames of a window to frame[length]. */
void context_window_frames(const ContextOptions *w, ContextWindow one, int *frame);

/* Returns the weight of frame i of a window where windows overlap: 1 at its ends, the most in its middle
 * ("pyramid"). */
int  context_window_weight(const ContextOptions *w, int i);

#endif
