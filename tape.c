/* tape.c - the way back.
 *
 * The forward pass works as it does when drawing: tensors are taken, added to in place, moved down, released, and
 * their room is used again.  Two ideas let the way back live with that:
 *
 *   - A value that a derivative needs is copied when its op is noted, once however many ask; or it is computed again from such
 *     a copy, where that takes no product.  So only what is needed is kept, and what the forward pass does with its memory afterwards is its own business.
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
    int    passing;                     /* what is computed now will be computed again: values are not copied, though their room is counted */
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
    if (!t->passing) gather_rows(m, to, (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    if (x.from) x.from->copied = x, x.from->copy = to;
    return to;
}

/* the same, or NULL where its maker will make it again from a copy of its own input */
static float *kept(Machine *m, Tape *t, Tensor x)
{
    const Note *maker = x.from;
    int again = maker && maker->forth && maker->in[0].t.x && !maker->copy && same(x, maker->y.t);
    return again ? NULL : copy(m, t, x);
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
        n.in[i].t.x = i < n.values ? kept(m, t, n.in[i].t) : NULL;
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

/* x again, as it was not kept */
static float *made_again(Machine *m, Tensor x)
{
    Note maker = *x.from;
    maker.y.t.x = take(m->mem, size(x), sizeof *x.x);
    maker.forth(m, &maker);
    return maker.y.t.x;
}

static void go_back(Machine *m, Tape *t, size_t to)
{
    while (t->count > to) {
        Note n = t->note[--t->count];                /* a copy, for its place may be needed */
        size_t before = mark(m->mem);
        for (int i = 0; i < n.values; i++) if (!n.in[i].t.x) n.in[i].t.x = made_again(m, n.in[i].t);
        n.back(m, &n);
        release(m->mem, before);
        if (n.last) clear(m, n.y.d, size(n.y.t));
    }
}

void backward(Machine *m, Tape *t)
{
    go_back(m, t, 0);
    t->copied = 0;
}

/* ---- computed again --------------------------------------------------------------------------- */
/* A part's inputs are copied, and put back where they were before it is computed again with the arena standing where it stood: so every
 * tensor in it has the address it had, and every gradient its place. */

/* whoever asks for the value of an input finds the copy that stays */
static void inputs_stay(Note *n)
{
    for (int i = 0; i < INPUTS; i++) {
        Tensor x = n->in[i].t;
        if (!x.from) continue;
        x.from->copy = x.x;
        x.x = n->again.place[i], x.from->copied = x;
    }
}

static void again_back(Machine *m, const Note *done)
{
    Note n = *done;
    Tape *t = n.again.tape;
    size_t before = mark(m->mem), count = t->count;
    take(m->mem, n.again.mark - before, 1);
    for (int i = 0; i < INPUTS; i++) {
        Tensor x = n.in[i].t;
        gather_rows(m, n.again.place[i], (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    }
    t->copied = n.again.copied;
    inputs_stay(&n);
    n.again.part(n.again.run, n.again.told);
    release(m->mem, before);
    go_back(m, t, count);
}

Tensor noted_again(Machine *m, Tape *t, Part *part, void *run, const void *told, size_t bytes, const Tensor in[INPUTS])
{
    size_t count = t->count;
    Note n = { again_back, .again = { t, part, run, .mark = mark(m->mem) } };
    if (bytes > TOLD) fail(m->mem, "the tape holds %d bytes of what a part is told, this has %zu", TOLD, bytes);
    memcpy(n.again.told, told, bytes);
    for (int i = 0; i < INPUTS; i++) {
        n.in[i] = (Var){ in[i], gradient(t, in[i]) };
        n.in[i].t.x = copy(m, t, in[i]), n.again.place[i] = in[i].x;
    }
    n.again.copied = t->copied;
    t->passing++;
    Tensor y = part(run, told);
    t->passing--;
    t->copied = n.again.copied;
    inputs_stay(&n);
    if (t->count == count) return y;                 /* nothing in it learns */
    n.y = (Var){ y, gradient(t, y) };
    t->count = count + 1;
    y.from = &t->note[count];
    *y.from = n;
    return y;
}
