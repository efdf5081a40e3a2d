/* windows.c - which frames of a long clip the model sees together.
 *
 * In call t the windows begin at `shift`, which is the clip's length times t's bits read backwards behind the point: 0, 1/2, 1/4, 3/4,
 * 1/8 ... of it.  They follow one another by length - overlap, around the end, until every frame is held.
 * When the clip is to stay open, a window around the end gives way to the last and the first that do not go around, where they are not
 * there already.  (sd-webui-animatediff computes them twice then, and in some calls forgets the first, which leaves frames without noise.) */
#include "context_windows.h"

#include <math.h>
#include <string.h>

static const char *const loops[] = { "N", "R-P", "R+P", "A" };

const char *loop_name(int loop) { return loop <= CLOSED ? loops[loop] : NULL; }

int loop_named(const char *name)
{
    int i = CLOSED;
    while (i >= 0 && strcmp(name, loops[i])) i--;
    return i;
}

/* the bits of n in reverse, behind the point: 1 -> 1/2, 2 -> 1/4, 3 -> 3/4 */
static double halving(int n)
{
    double sum = 0, bit = 0.5;
    for (; n; n >>= 1, bit /= 2) if (n & 1) sum += bit;
    return sum;
}

int windows(const Windows *w, int call, Window *out)
{
    int count = 0, last = w->frames - w->length, shift = (int)nearbyint(w->frames * halving(call));        /* halves to even, as Python's round */
    int strides = (int)ceil(log2((double)w->frames / w->length)) + 1, end = w->frames + shift - (w->loop == CLOSED ? 0 : w->overlap);
    if (!last && w->loop != CLOSED) strides = 1, shift = 0, end = 1;           /* the clip itself */
    for (int i = 0, by = 1; i < w->stride && i < strides; i++, by *= 2) {
        int open = by == 1 && w->loop == OPEN, replaced = 0, is_there[2] = { 0, 0 };
        for (int from = shift + (int)(halving(call) * by); from < end; from += w->length * by - w->overlap) {
            Window one = { from % w->frames, by };
            if (open && one.from > last) { replaced = 1; continue; }
            is_there[0] |= one.from == last, is_there[1] |= one.from == 0;
            if (out) out[count] = one;
            count++;
        }
        for (int e = 0; e < 2 && replaced; e++) {
            if (is_there[e]) continue;
            if (out) out[count] = (Window){ e ? 0 : last, 1 };
            count++;
        }
    }
    return count;
}

void window_frames(const Windows *w, Window one, int *frame)
{
    for (int i = 0; i < w->length; i++) frame[i] = (one.from + i * one.by) % w->frames;
}

int window_weight(const Windows *w, int i) { return i + 1 < w->length - i ? i + 1 : w->length - i; }
