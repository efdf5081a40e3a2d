/* tape.c - the way back.
 *
 * The forward pass works as it does when drawing: tensors are taken, added to in place, moved down, released, and
 * their room is used again.  Two ideas let the way back live with that:
 *
 *   - A value that a derivative needs is copied when its op is noted, once however many ask.  So only what is needed is
 *     kept, and what the forward pass does with its memory afterwards is its own business.
 *   - The gradient of the float at an address stands at that address plus a fixed distance, in a shadow of the working
 *     memory.  So what is one value in the forward pass is one gradient on the way back: x added to h in place
 *     needs nothing for h, a part of a tensor is that part of its gradient, and a tensor moved is a gradient moved back.
 *
 * Addresses are used again, so one rule is kept: the shadow is zero but for gradients under way.  An op that has passed on the
 * gradient of its result clears it, and whatever had that room before finds zeros to add to.
 *
 * How much room there must be is known before anything is computed: the pass is rehearsed dry, as for drawing. */
#include "tape.h"

#include <string.h>

enum { MOST_NOTES = 1 << 14, ALIGNED = 16 };      /* floats: a whole line of the cache */

struct Tape {
    Note  *note;
    size_t count;
    float *base, *shadow, *copies;      /* where the working memory begins, where its gradients do, and the copies */
    size_t copied;                      /* floats, so far in this pass */
    size_t most_copied, reach;          /* the most of a pass; how far above base any result stood */
    int    rehearsal;
};

Tape *tape_new(Arena *a)
{
    Tape *t = take(a, 1, sizeof *t);
    *t = (Tape){ .note = take(a, MOST_NOTES, sizeof *t->note), .rehearsal = 1 };
    t->base = t->shadow = t->copies = take(a, 0, 1);
    return t;
}

void tape_start(Arena *a, Tape *t)
{
    t->rehearsal = 0, t->count = 0, t->copied = 0;
    t->copies = take(a, t->most_copied, sizeof *t->copies);
    t->shadow = take(a, t->reach, sizeof *t->shadow);
    memset(t->shadow, 0, t->reach * sizeof *t->shadow);
    t->base = take(a, 0, 1);
}

size_t tape_copies(const Tape *t)    { return t->most_copied * sizeof(float); }
size_t tape_gradients(const Tape *t) { return t->reach * sizeof(float); }

/* now floats are in use: in rehearsal that may become the most, afterwards it must not pass it */
static void check_room(Arena *a, const Tape *t, size_t *most, size_t now)
{
    if (now <= *most) return;
    if (!t->rehearsal) fail(a, "the tape is full: this pass takes more than it did in rehearsal");
    *most = now;
}

/* ---- on the way forward ----------------------------------------------------------------------- */

static int same(Tensor a, Tensor b) { return a.x == b.x && size(a) == size(b); }

/* the value of x, which will not stay where it is */
static float *copy(Machine *m, Tape *t, Tensor x)
{
    if (x.from && x.from->copy && same(x, x.from->copied)) return x.from->copy;
    float *to = t->copies + t->copied;
    t->copied += (size(x) + ALIGNED - 1) / ALIGNED * ALIGNED;
    check_room(m->mem, t, &t->most_copied, t->copied);
    gather_rows(m, to, (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    if (x.from) x.from->copied = x, x.from->copy = to;
    return to;
}

float *gradient(const Tape *t, Tensor x) { return x.from ? t->shadow + (x.x - t->base) : NULL; }

Tensor noted(Machine *m, Tape *t, Tensor y, Note n)
{
    int wanted = n.learns || y.from;
    for (int i = 0; i < INPUTS; i++) wanted |= n.in[i].t.from != NULL;
    if (!t || !wanted) return y;
    if (t->count == MOST_NOTES) fail(m->mem, "the tape is full: more than %d operations", MOST_NOTES);
    for (int i = 0; i < INPUTS; i++) {
        n.in[i].d = gradient(t, n.in[i].t);
        n.in[i].t.x = i < n.values ? copy(m, t, n.in[i].t) : NULL;
    }
    n.last = !y.from;
    y.from = &t->note[t->count++];
    n.y = (Var){ y, gradient(t, y) };
    *y.from = n;
    if (n.result) copy(m, t, y);
    check_room(m->mem, t, &t->reach, (size_t)(y.x - t->base) + size(y));
    return y;
}

/* ---- on the way back -------------------------------------------------------------------------- */

void backward(Machine *m, Tape *t)
{
    while (t->count) {
        const Note *n = &t->note[--t->count];
        n->back(m, n);
        if (n->last && !m->dry) memset(n->y.d, 0, size(n->y.t) * sizeof *n->y.d);
    }
    t->copied = 0;
}
