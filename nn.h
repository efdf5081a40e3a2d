/* nn.h - layers.  A call names its weights at the point of use; the op finds them, checks their shapes,
 * and computes.  Sizes come from the weights.
 *
 * With machine->dry the same calls only check and count: every missing or misshapen tensor is noted
 * in `problems`, memory is taken but never touched (the arena's peak is the plan), operations are summed.
 *
 * With a tape, each op whose result depends on something that learns also notes how to go back. */
#ifndef NN_H
#define NN_H

#include "checkpoint.h"
#include "kernel.h"
#include "trainable.h"
#include "lora.h"
#include "tape.h"

#include <signal.h>

typedef struct { int count; char *text; } Problems;      /* text: the first few, a line each, in the arena */

typedef struct {
    Machine       *machine;
    const Weights *weights;
    const Lora    *lora;                 /* NULL: none */
    const Learner *learner;              /* what learns; NULL: nothing */
    int            again;                /* with a tape: blocks are computed again on the way back, and less is kept */
    Tape          *tape;                 /* NULL when nothing learns, or nobody will go back */
    int            clip;                 /* frames of one clip; the n of a UNet tensor is a multiple of it */
    int            across;               /* v1 motion modules: resnet norms take their statistics across the clip */
    Problems      *problems;             /* of a dry run; NULL: a problem fails at once */
    const volatile sig_atomic_t *stop;   /* set: the next product fails with "interrupted"; NULL: never */
    void         (*probe)(void *to, const char *layer, Tensor output);
    void          *to;
} Run;

const char   *at  (Run *r, const char *prefix, const char *leaf);      /* "prefix.leaf", in the arena */
const Weight *find(Run *r, const char *layer, const char *leaf);       /* layer.leaf, or NULL */
int           has (Run *r, const char *layer);                         /* is there a layer.weight? */
void          problem(Run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

Tensor tensor(Run *r, int n, int h, int w, int c);                     /* taken, not cleared */
/* Results outlive what was taken to compute them: moves t down to `to` and releases the rest. */
Tensor keep  (Run *r, size_t to, Tensor t);

/* part(r, told): a block of layers, computed again on the way back where r->again asks for that (see noted_again) */
Tensor recomputed(Run *r, Part *part, const void *told, size_t bytes, const Tensor in[INPUTS]);

/* x.  While something learns, weights read before this and weights read after it are in memory by turns, on the way back too. */
Tensor by_turns(Run *r, Tensor x);

/* y = x W' + b, and what LoRA adds.  W: [out,in], or [out,in,1,1] */
Tensor linear (Run *r, const char *layer, Tensor x);
Tensor linear_unbiased(Run *r, const char *layer, Tensor x);
/* 3 x 3, zero padding 1.  W: [out,in,3,3].  [n,h,w,in] -> [n,(h-1)/stride+1,..,out] */
Tensor conv2d (Run *r, const char *layer, Tensor x, int stride);
/* The same with stride 2 for even sizes, and zeros on the right and below only: what autoencoders shrink with.  [n,h,w,in] -> [n,h/2,w/2,out] */
Tensor conv2d_half(Run *r, const char *layer, Tensor x);
/* 32 groups; statistics over `frames` pictures together (1: each alone); then SiLU if asked */
enum { PLAIN, SILU };
Tensor group_norm(Run *r, const char *layer, Tensor x, float eps, int frames, int silu);
Tensor layer_norm(Run *r, const char *layer, Tensor x);                /* eps 1e-5 */
Tensor silu      (Run *r, Tensor x);
Tensor quick_gelu(Run *r, Tensor x);
Tensor geglu     (Run *r, Tensor x);                                   /* [..,2c] -> [..,c] */
Tensor add       (Run *r, Tensor a, Tensor b);                         /* a += b; go on with the result, not with a; b may be [1,1,1,c] */
Tensor concat    (Run *r, Tensor a, Tensor b);                         /* along channels */
Tensor upsample  (Run *r, Tensor x, int h, int w);                     /* nearest */
Tensor repeat    (Run *r, Tensor x, int n);                            /* [x; x; ...] until there are n pictures; x itself when there are */

/* softmax(q k' / sqrt(d)) v.  SPACE: over the pixels of each picture; k, v may be text, one row of tokens for
 * n/k.n pictures each.  CAUSAL: the same, no token sees a later one.  TIME: over the frames of a clip, at each pixel. */
typedef enum { SPACE, CAUSAL, TIME } Axis;
Tensor attention(Run *r, Tensor q, Tensor k, Tensor v, int heads, Axis over);

/* h += ff.net.2(geglu(ff.net.0.proj(norm h))), some rows at a time: the widest tensor of a transformer is never whole */
Tensor feed_forward(Run *r, const char *block, const char *norm, Tensor h);

/* norm1 SiLU conv1 (+ time) norm2 SiLU conv2, + x: the block of UNet and VAE.  time: [1,1,1,t], or x NULL for none */
Tensor resnet(Run *r, const char *block, Tensor x, const Tensor *time, float eps, int frames);

#endif
