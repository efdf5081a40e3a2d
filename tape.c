/* tape.c - backpropagation: reverse-mode differentiation (autograd) with a tape.
 *
 * The forward pass works as it does when drawing: tensors are allocated, added to in place, moved down and released,
 * and their memory is reused.  Two ideas make the backward pass possible all the same:
 *
 *   - A value that a derivative needs is copied when its op is recorded, once, however many ops need it.  If it is the
 *     result of a cheap op (a norm, an activation), only that op's input is copied, and the value is recomputed.  So it
 *     does not matter what the forward pass does with its memory afterwards.
 *   - The gradient of the float at an address is at that address plus a fixed distance, in a shadow of the working
 *     memory.  So one place in the forward pass is one gradient in the backward pass.  Adding x to h in place costs
 *     nothing for h, a slice of a tensor has that slice of its gradient, and moving a tensor moves its gradient back.
 *
 * Addresses are reused, so there is one rule: the shadow is zero, except for gradients that have not been passed on
 * yet.  After an op has passed on the gradient of its result, that gradient is cleared.  So the gradient of an
 * earlier tensor at the same address begins at zero.
 *
 * How much memory copies and gradients need is known before anything is computed, from the same dry run that plans a
 * drawing. */
#include "tape.h"

#include <string.h>

enum { MOST_OPS = 1 << 14, ALIGNED = 16 };      /* ALIGNED: floats, one line of the cache */

struct Tape {
    Op    *op;
    size_t count;
    float *base;                        /* where the working memory begins */
    float *shadow;                      /* where its gradients begin */
    float *copies;                      /* the copied values */
    size_t copied;                      /* floats copied so far in this pass */
    size_t most_copied;                 /* the most floats that a pass copies */
    size_t reach;                       /* how many floats above base the highest result ends */
    int    dry;                         /* memory is only counted, not allocated yet */
    int    inside_checkpoint;           /* this block will be recomputed: its values are counted, not copied */
};

Tape *tape_new(Arena *a)
{
    Tape *t = allocate(a, 1, sizeof *t);
    *t = (Tape){ .op = allocate(a, MOST_OPS, sizeof *t->op), .dry = 1 };
    t->base = allocate(a, 0, 1);
    t->shadow = t->base;
    t->copies = t->base;
    return t;
}

void tape_start(Arena *a, Tape *t)
{
    t->dry = 0;
    t->count = 0;
    t->copied = 0;
    t->copies = allocate(a, t->most_copied, sizeof *t->copies);
    t->shadow = allocate(a, t->reach, sizeof *t->shadow);
    memset(t->shadow, 0, t->reach * sizeof *t->shadow);
    t->base = allocate(a, 0, 1);
}

size_t tape_copies(const Tape *t)
{
    return t->most_copied * sizeof(float);
}

size_t tape_gradients(const Tape *t)
{
    return t->reach * sizeof(float);
}

/* The dry run raises *most to the most floats that are ever used.  Afterwards a pass that uses more fails. */
static void check_room(Arena *a, const Tape *t, size_t *most, size_t used)
{
    if (used <= *most) return;
    if (!t->dry) fail(a, "the tape is full: this pass needs more than the dry run counted");
    *most = used;
}

/* ---- recording, in the forward pass ------------------------------------------------------------ */

static int same(Tensor a, Tensor b)
{
    return a.x == b.x && size(a) == size(b);
}

/* Returns a copy of the value of x, because the forward pass will overwrite x.  A second call returns the same copy. */
static float *copy_value(Machine *m, Tape *t, Tensor x)
{
    if (x.from && x.from->copy && same(x, x.from->copied)) return x.from->copy;
    float *to = t->copies + t->copied;
    t->copied += (size(x) + ALIGNED - 1) / ALIGNED * ALIGNED;
    check_room(m->mem, t, &t->most_copied, t->copied);
    if (!t->inside_checkpoint) gather_rows(m, to, (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    if (x.from) {
        x.from->copied = x;
        x.from->copy = to;
    }
    return to;
}

/* Saves the value of x for backward().  Returns a copy, or NULL when the op that made x can recompute it. */
static float *save_value(Machine *m, Tape *t, Tensor x)
{
    const Op *maker = x.from;
    int can_recompute = maker && maker->forward && maker->in[0].t.x && !maker->copy && same(x, maker->y.t);
    if (can_recompute) return NULL;
    return copy_value(m, t, x);
}

float *gradient(const Tape *t, Tensor x)
{
    if (!x.from) return NULL;
    return t->shadow + (x.x - t->base);
}

static int has_gradient(Tensor y, const Op *op)
{
    if (op->is_leaf || y.from) return 1;
    for (int i = 0; i < INPUTS; i++)
        if (op->in[i].t.from) return 1;
    return 0;
}

Tensor record(Machine *m, Tape *t, Tensor y, Op op)
{
    if (!t || !has_gradient(y, &op)) return y;
    if (t->count == MOST_OPS) fail(m->mem, "the tape is full: more than %d operations", MOST_OPS);
    for (int i = 0; i < INPUTS; i++) {
        op.in[i].d = gradient(t, op.in[i].t);
        op.in[i].t.x = i < op.values ? save_value(m, t, op.in[i].t) : NULL;
    }
    op.clears_gradient = !y.from;            /* if y was added to in place, earlier ops need its gradient too */
    y.from = &t->op[t->count++];
    op.y = (Var){ y, gradient(t, y) };
    *y.from = op;
    if (op.needs_result) copy_value(m, t, y);
    check_room(m->mem, t, &t->reach, (size_t)(y.x - t->base) + size(y));
    return y;
}

/* ---- the backward pass ------------------------------------------------------------------------- */

/* The value of x, which was not copied, from the op that made it. */
static float *recompute(Machine *m, Tensor x)
{
    Op maker = *x.from;
    maker.y.t.x = allocate(m->mem, size(x), sizeof *x.x);
    maker.forward(m, &maker);
    return maker.y.t.x;
}

/* Takes the ops off the tape, the last one first, until `to` of them are left. */
static void go_back(Machine *m, Tape *t, size_t to)
{
    while (t->count > to) {
        t->count--;
        Op op = t->op[t->count];             /* a copy: recomputing a checkpoint overwrites its place */
        size_t before = mark(m->mem);
        for (int i = 0; i < op.values; i++)
            if (!op.in[i].t.x) op.in[i].t.x = recompute(m, op.in[i].t);
        op.backward(m, &op);
        release(m->mem, before);
        if (op.clears_gradient) clear(m, op.y.d, size(op.y.t));
    }
}

void backward(Machine *m, Tape *t)
{
    go_back(m, t, 0);
    t->copied = 0;
}

/* ---- gradient checkpointing -------------------------------------------------------------------- */
/* A block's inputs are copied.  Before the block runs again, they are put back where they were, and the arena is set to
 * the same mark.  So every tensor in the block gets the address that it had, and so does its gradient. */

/* Ops that need the value of an input, inside the block or after it, will find the copy that exists already. */
static void share_input_copies(Op *op)
{
    for (int i = 0; i < INPUTS; i++) {
        Tensor x = op->in[i].t;
        if (!x.from) continue;
        x.from->copy = x.x;
        x.x = op->checkpoint.place[i];
        x.from->copied = x;
    }
}

/* Puts the inputs back, runs the block again, which records its ops, and goes back through those. */
static void checkpoint_backward(Machine *m, const Op *recorded)
{
    Op op = *recorded;
    Tape *t = op.checkpoint.tape;
    size_t before = mark(m->mem);
    size_t count = t->count;
    allocate(m->mem, op.checkpoint.mark - before, 1);
    for (int i = 0; i < INPUTS; i++) {
        Tensor x = op.in[i].t;
        gather_rows(m, op.checkpoint.place[i], (size_t)x.c, x.x, (size_t)x.c, NULL, rows(x), (size_t)x.c);
    }
    t->copied = op.checkpoint.copied;
    share_input_copies(&op);
    op.checkpoint.block(op.checkpoint.run, op.checkpoint.args);
    release(m->mem, before);
    go_back(m, t, count);
}

Tensor record_checkpoint(Machine *m, Tape *t, Block *block, void *run, const void *args, size_t bytes,
                         const Tensor in[INPUTS])
{
    size_t count = t->count;
    Op op = {
        .backward = checkpoint_backward,
        .checkpoint = { .tape = t, .block = block, .run = run, .mark = mark(m->mem) },
    };
    if (bytes > MOST_ARGS)
        fail(m->mem, "an op has %zu bytes of arguments, expected at most %d", bytes, MOST_ARGS);
    memcpy(op.checkpoint.args, args, bytes);
    for (int i = 0; i < INPUTS; i++) {
        op.in[i] = (Var){ in[i], gradient(t, in[i]) };
        op.in[i].t.x = copy_value(m, t, in[i]);
        op.checkpoint.place[i] = in[i].x;
    }
    op.checkpoint.copied = t->copied;
    t->inside_checkpoint++;
    Tensor y = block(run, args);
    t->inside_checkpoint--;
    t->copied = op.checkpoint.copied;
    share_input_copies(&op);
    if (t->count == count) return y;         /* nothing in the block or before it is trainable */
    op.y = (Var){ y, gradient(t, y) };
    t->count = count + 1;
    y.from = &t->op[count];
    *y.from = op;
    return y;
}
