/* context_windows.c - which frames of a long clip the model sees together: the context schedule "uniform".
 *
 * In each call of the model the windows begin at another frame: at the fraction 0, 1/2, 1/4, 3/4, 1/8, ... of the clip
 * (ordered_halving).  They follow one another at a distance of length - overlap and wrap around the end, until every
 * frame is held.  With a stride above 1 there are also windows of every second frame, of every fourth, and so on.
 *
 * In an open clip a window of neighbouring frames may not wrap around.  Such a window is replaced by two: the last and
 * the first one that do not wrap around, unless these are there already.  (sd-webui-animatediff computes these twice
 * then, and in some calls forgets the first one, which leaves frames full of noise.) */
#include "context_windows.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [OPEN]        = "N",
    [REDUCED]     = "R-P",
    [REDUCED_WITH_PROMPTS] = "R+P",
    [CLOSED]      = "A",
};

const char *closed_loop_name(int loop) { return loop <= CLOSED ? names[loop] : NULL; }

int closed_loop_named(const char *name)
{
    for (int i = OPEN; i <= CLOSED; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

/* The bits of n in reverse, behind the binary point: 1 -> 1/2, 2 -> 1/4, 3 -> 3/4, 4 -> 1/8 */
static double ordered_halving(int n)
{
    double sum = 0;
    double bit = 0.5;
    for (; n; n >>= 1) {
        if (n & 1) sum += bit;
        bit /= 2;
    }
    return sum;
}

static int append(ContextWindow *out, int count, ContextWindow one)
{
    if (out) out[count] = one;
    return count + 1;
}

/* Appends the windows of every by-th frame; returns the new count. */
static int append_stride(const ContextOptions *w, int call, int by, ContextWindow *out, int count)
{
    double fraction = ordered_halving(call);
    int shift = (int)nearbyint(w->frames * fraction);               /* halves to even, as Python's round */
    int end = w->frames + shift;
    if (w->loop != CLOSED) end -= w->overlap;
    int last = w->frames - w->length;                               /* a window from here on does not wrap around */
    int may_wrap = w->loop != OPEN || by > 1;
    int replaced = 0;
    int has_first = 0;
    int has_last = 0;
    for (int from = shift + (int)(fraction * by); from < end; from += w->length * by - w->overlap) {
        ContextWindow one = { from % w->frames, by };
        if (!may_wrap && one.from > last) {
            replaced = 1;
            continue;
        }
        if (one.from == 0) has_first = 1;
        if (one.from == last) has_last = 1;
        count = append(out, count, one);
    }
    if (replaced && !has_last)  count = append(out, count, (ContextWindow){ last, 1 });
    if (replaced && !has_first) count = append(out, count, (ContextWindow){ 0, 1 });
    return count;
}

int context_windows(const ContextOptions *w, int call, ContextWindow *out)
{
    if (w->length == w->frames && w->loop != CLOSED) return append(out, 0, (ContextWindow){ 0, 1 });
    int strides = (int)ceil(log2((double)w->frames / w->length)) + 1;
    if (strides > w->stride) strides = w->stride;
    int count = 0;
    for (int i = 0; i < strides; i++) count = append_stride(w, call, 1 << i, out, count);
    return count;
}

void context_window_frames(const ContextOptions *w, ContextWindow one, int *frame)
{
    for (int i = 0; i < w->length; i++) frame[i] = (one.from + i * one.by) % w->frames;
}

int context_window_weight(const ContextOptions *w, int i)
{
    int from_begin = i + 1;
    int from_end = w->length - i;
    return from_begin < from_end ? from_begin : from_end;
}
