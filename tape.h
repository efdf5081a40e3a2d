/* tape.h - backpropagation: reverse-mode differentiation of what the layers of nn.c compute.
 *
 * With a tape, each layer records an op: what it computed, and how to go back.  backward() runs through the ops in
 * reverse and adds up gradients, as loss.backward() does in PyTorch.  Only what depends on a trainable parameter is
 * recorded, so backward() never visits the frozen layers before the first trainable one.  dx is the gradient of the
 * loss by x. */
#ifndef TAPE_H
#define TAPE_H

#include "backward.h"

/* A tensor as backward() sees it.
 * t.x: its value; NULL where the derivative does not need it.
 * d:   where its gradient is added up, laid out as the value was; NULL where none is needed. */
typedef struct { Tensor t; float *d; } Var;

enum { INPUTS = 4, MOST_ARGS = 256 };

/* A block of a model, for gradient checkpointing.  It computes its result from its inputs and the weights alone, the
 * same each time.  run: a Run of nn.h.  args: copied from the call of record_checkpoint(). */
typedef Tensor Block(void *run, const void *args);

typedef struct Tape Tape;

/* An entry of the tape:  y = op(in).
 * backward: adds to each in[].d the gradient that follows from y.d.
 * forward:  computes y.t.x = op(in[0]) again.  Only cheap ops have it, so that their results need not be copied.  NULL
 *           for all others. */
typedef struct Op {
    void (*backward)(Machine *m, const struct Op *op);
    void (*forward) (Machine *m, const struct Op *op);
    Var    y, in[INPUTS];
    int    values;                       /* backward reads in[0 .. values-1].t.x; unused elements of in are empty */
    int    needs_result;                 /* backward reads the value of y too: it is in copy */
    int    is_leaf;                      /* has trainable parameters: recorded even when no input has a gradient */
    int    clears_gradient;              /* no earlier op needs y's gradient: it is cleared after backward */
    Tensor copied;                       /* y as it was when its value was copied */
    float *copy;                         /* the copy of its value; NULL: not copied */
    union {                              /* the op's other arguments */
        struct { const Weight *w; Conv how; } product;
        LoraLayer low_rank;
        struct { const Weight *w; const struct Module *module; Conv how; size_t to_gradient; int is_dropped; } adapted;
        struct { const Weight *gamma, *beta; GroupNorm shape; } norm;
        struct { StridedRows q, k, v; Attention shape; } attention;
        struct { const int *ids; int first; float *d; } embedding;
        struct {
            Tape  *tape;
            Block *block;
            void  *run;
            char   args[MOST_ARGS];
            float *place[INPUTS];        /* where the inputs were in the forward pass */
            size_t mark;                 /* the arena's mark before the block */
            size_t copied;               /* the tape's count of copied floats before the block */
        } checkpoint;
    };
} Op;

/* An empty tape, for a dry run: with machine->dry, a forward pass and backward() only count the memory that copies and
 * gradients will need.  The tape lives in the arena. */
Tape *tape_new(Arena *a);
/* After the dry run: allocates that memory, which stays until it is released.  Each later forward pass must begin at
 * the arena's mark of this moment, and allocate what the dry run allocated. */
void  tape_start(Arena *a, Tape *t);

/* Called by a layer.  y: its result, just allocated, or the tensor that it has added to in place.  Returns y.  It is
 * recorded only if it depends on something trainable, and y.from is then its op.  t may be NULL.  Fails when the tape
 * is full. */
Tensor record(Machine *m, Tape *t, Tensor y, Op op);

/* Gradient checkpointing (Chen et al., 2016): returns y = block(run, args), and copies only the inputs.  backward()
 * runs the block again when it needs the rest.  in: every tensor that the block reads, INPUTS at most, the rest empty.
 * args: `bytes` bytes, MOST_ARGS at most; they are copied. */
Tensor record_checkpoint(Machine *m, Tape *t, Block *block, void *run, const void *args, size_t bytes,
                         const Tensor in[INPUTS]);

/* Where the gradient of a tensor is, as long as the tensor has not been moved or released.  The code that computes the
 * loss fills in the gradient of the model's output.  Returns NULL when the tensor depends on nothing trainable. */
float *gradient(const Tape *t, Tensor x);
/* PyTorch: loss.backward().  Adds to the gradients of all trainable parameters, and empties the tape. */
void   backward(Machine *m, Tape *t);

size_t tape_copies(const Tape *t);           /* bytes of the copied values */
size_t tape_gradients(const Tape *t);        /* bytes of the gradients of tensors */

#endif
