/* tape.h - the way back: reverse-mode differentiation of whatever the layers of nn.c computed.
 *
 * With a tape, each op leaves a note of what it did, and backward() walks the notes in reverse.  Only what depends on
 * something that learns is noted, so nothing below the first learning layer is ever visited. */
#ifndef TAPE_H
#define TAPE_H

#include "backward.h"

/* A tensor as backward sees it.  t.x: its value, NULL where the derivative does not need it.
 * d: where its gradient is summed, laid out as the value was; NULL where none is wanted. */
typedef struct { Tensor t; float *d; } Var;

enum { INPUTS = 4, TOLD = 256 };

/* A part of a model, which makes its result from its inputs and the weights alone, the same each time.  run: of nn.h; told: what its caller said */
typedef Tensor Part(void *run, const void *told);

typedef struct Tape Tape;

/* y = op(in).  back adds to the in[].d what y.d, the gradient of the loss by y, contributes to them.
 * forth: for ops that cost next to nothing, y.t.x = op(in[0]) again, so that who needs the value need not have it copied; else NULL. */
typedef struct Note {
    void (*back)(Machine *m, const struct Note *n), (*forth)(Machine *m, const struct Note *n);
    Var    y, in[INPUTS];
    int    values;                       /* in[0 .. values-1] need their values; all elements of in that are not used are empty */
    int    result;                       /* the value of y is needed too, in copy */
    int    learns;                       /* to be noted even when no input depends on anything that learns */
    int    last;                         /* nobody before wants y's gradient: it is cleared when it has been passed on */
    Tensor copied;  float *copy;         /* y as it stood when its value was copied, and the copy; NULL before */
    union {                              /* what else the op was told */
        struct { const Weight *w; Conv how; } product;
        LowRank                low_rank;
        struct { const Weight *gamma, *beta; GroupNorm shape; } norm;
        struct { Rows q, k, v; Attention shape; } attention;
        struct { const int *ids; int first; float *d; } rows;
        struct { Tape *tape; Part *part; void *run; char told[TOLD]; float *place[INPUTS]; size_t mark, copied; } again;
    };
} Note;

/* An empty tape, for a rehearsal: with machine->dry, a pass and backward() count what room copies and gradients will take. */
Tape  *tape_new  (Arena *a);
/* After the rehearsal: takes that room, which stays until released.  Each pass from now on must begin where the arena
 * stands on return, and take what it took in rehearsal. */
void   tape_start(Arena *a, Tape *t);

/* For ops: y is the result, just taken, or the tensor that the op has added to.  Returns y, on the tape if it belongs there. */
Tensor noted     (Machine *m, Tape *t, Tensor y, Note n);

/* y = part(run, told), of which no more than its inputs is kept: what else its way back needs is computed again when it is due
 * (Chen et al., 2016).  in: every tensor that it reads, INPUTS at most, the rest empty; told: `bytes` up to TOLD, copied. */
Tensor noted_again(Machine *m, Tape *t, Part *part, void *run, const void *told, size_t bytes, const Tensor in[INPUTS]);

/* The gradient of a tensor that is still in place, to be set by whoever knows the loss; NULL when it depends on nothing that learns. */
float *gradient  (const Tape *t, Tensor x);
/* Adds to the gradients of all that learns, and empties the tape. */
void   backward  (Machine *m, Tape *t);

/* bytes of the copies, and of the gradients of tensors */
size_t tape_copies(const Tape *t), tape_gradients(const Tape *t);

#endif
