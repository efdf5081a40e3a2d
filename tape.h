/* tape.h - backpropagation: reverse-mode differentiation of whatever the layers of nn.c computed.
 *
 * With a tape, each layer records an op: what it computed, and how to go back.  backward() walks the ops in reverse
 * and
 * adds up gradients.  Only what depends on a trainable parameter is recorded, so backward() never visits the frozen
 * layers below the first trainable one.  d stands for the gradient of the loss by a thing: dx = d loss / d x. */
#ifndef TAPE_H
#define TAPE_H

#include "backward.h"

/* A tensor as backward() sees it.
 * t.x: its value; NULL where the derivative does not need it.
 * d:   where its gradient is added up, laid out as the value was; NULL where none is wanted. */
typedef struct { Tensor t; float *d; } Var;

enum { INPUTS = 4, MOST_ARGS = 256 };

/* A block of a model, for gradient checkpointing: it computes its result from its inputs and the weights alone, the
 * same
 * each time.  run: a Run of nn.h;  args: what its caller passed on. */
typedef Tensor Block(void *run, const void *args);

typedef struct Tape Tape;

/* An entry of the tape:  y = op(in).
 * backward: adds to each in[].d what follows from y.d.
 * forward:  y.t.x = op(in[0]) once more; only for ops that cost next to nothing, so that their results need not be
 *           copied.  NULL for all others. */
typedef struct Op {
    void (*backward)(Machine *m, const struct Op *op);
    void (*forward) (Machine *m, const struct Op *op);
    Var    y, in[INPUTS];
    int    values;                       /* backward reads in[0 .. values-1].t.x; unused elements of in are empty */
    int    needs_result;                 /* backward reads the value of y too: it is in copy */
    int    is_leaf;                      /* has trainable parameters: recorded even when no input has a gradient */
    int    clears_gradient;              /* nothing before this op wants y's gradient: it is cleared after backward */
    Tensor copied;                       /* y as it was when its value was copied ... */
    float *copy;                         /* ... and the copy; NULL before */
    union {                              /* the op's other arguments */
        struct { const Weight *w; Conv how; } product;
        LoraLayer low_rank;
        struct { const Weight *gamma, *beta; GroupNorm shape; } norm;
        struct { StridedRows q, k, v; Attention shape; } attention;
        struct { const int *ids; int first; float *d; } embedding;
        struct {
            Tape  *tape;
            Block *block;
            void  *run;
            char   args[MOST_ARGS];
            float *place[INPUTS];        /* where the inputs stood in the forward pass */
            size_t mark, copied;         /* where the arena and the tape's copies stood */
        } checkpoint;
    };
} Op;

/* An empty tape, for a dry run: with machine->dry, a forward pass and backward() only count the room that copies and
 * gradients will take.  The tape lives in the arena. */
Tape  *tape_new  (Arena *a);
/* After the dry run: allocates that room, which stays until it is released.  Each pass from now on must begin where
 * the arena stands on return, and allocate what the dry run allocated. */
void   tape_start(Arena *a, Tape *t);

/* Called by a layer.  y: its result, just allocated, or the tensor that it has added to.  Returns y, on the tape if
 * anything about it can be trained; t may be NULL.  Fails when the tape is full. */
Tensor record(Machine *m, Tape *t, Tensor y, Op op);

/* Gradient checkpointing (Chen et al., 2016): y = block(run, args), of which only the inputs are kept.  What else the
 * way back needs is computed again when it is due.  in: every tensor that the block reads, INPUTS at most, the rest
 * empty.  args: `bytes` of them, MOST_ARGS at most, are copied. */
Tensor record_checkpoint(Machine *m, Tape *t, Block *block, void *run, const void *args, size_t bytes,
                         const Tensor in[INPUTS]);

/* Where the gradient of a tensor is, while the tensor is still in place; whoever computes the loss fills it in.
 * NULL when the tensor depends on nothing trainable. */
float *gradient  (const Tape *t, Tensor x);
/* Adds to the gradients of all trainable parameters, and empties the tape. */
void   backward  (Machine *m, Tape *t);

/* Bytes of the copies, and of the gradients of tensors. */
size_t tape_copies   (const Tape *t);
size_t tape_gradients(const Tape *t);

#endif
