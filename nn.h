/* nn.h - layers, as torch.nn has them.
 *
 * A call names its weights where it uses them, as diffusers names the module: conv2d(r, "unet.conv_in", x, 1).
 * The layer finds the tensors, checks their shapes and computes.  All sizes come from the weights, so the same code
 * runs Stable Diffusion 1.5 and the small model in weights/.
 *
 * In a dry run (machine->dry) the same calls only check and count.  Every missing or misshapen tensor is listed in
 * `problems`, memory is allocated but never touched (the arena's peak is the plan), and operations are added up.
 *
 * With a tape, each layer whose result depends on something trainable also records how to go back (tape.h).
 *
 * Tensors are [n,h,w,c], c fastest.  Results are allocated in machine->mem and belong to it.  A problem outside a dry
 * run fails through the arena (tensor.h: fail), with the layer, what was expected and what was found. */
#ifndef NN_H
#define NN_H

#include "callbacks.h"
#include "kernel.h"
#include "tape.h"

/* Sees the queries and keys of each attention over the pixels of a UNet, before it is computed, in dry runs too.  The
 * kernels keep no softmax: who wants to know where a token was looked at computes it from these once more.
 * q: [pictures,h,w,c]    k: [texts,tokens,1,c], each for pictures / texts of the pictures */
typedef struct {
    void (*see)(void *to, const char *layer, Tensor q, Tensor k, int heads);
    void *to;
} AttentionListener;

typedef struct { int count; char *text; } Problems;      /* text: the first few, a line each, in the arena */

typedef struct {
    Machine       *machine;
    const struct Weights   *weights;     /* of the model, see checkpoint.h */
    const struct Lora      *lora;        /* LoRA files in use; NULL: none */
    const struct Trainable *trainable;   /* the trainable parameters; NULL: none */
    Tape          *tape;                 /* NULL when nothing is trained, or when only the loss is needed */
    int            gradient_checkpointing;       /* with a tape: backward() recomputes blocks to save memory */
    int            frames;               /* of one clip; the n of a UNet tensor is a multiple of it */
    int            picture;              /* in a slice of a tensor: the picture that it is of, from 1; 0: all of them */
    const float   *motion_strength;      /* [frames] of the motion module, see motion.c; NULL: 1 in all */
    int            norm_across_frames;   /* v1 motion modules: the UNet's resnets have a group norm across frames */
    Problems      *problems;             /* of a dry run; NULL: a problem fails at once */
    const Callbacks *callbacks;          /* probe, and what stops a job; NULL: none */
    const AttentionListener *listener;   /* of the UNet; NULL: none */
} Run;

/* ---- names and problems ------------------------------------------------------------------------ */

const char   *at(Run *r, const char *prefix, const char *leaf);        /* "prefix.leaf", in the arena */
const Weight *find(Run *r, const char *layer, const char *leaf);       /* the tensor layer.leaf, or NULL */
int           has(Run *r, const char *layer);                          /* is there a tensor layer.weight? */
/* printf-style.  A dry run lists the problem in r->problems; otherwise this fails with it. */
void          problem(Run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- memory ------------------------------------------------------------------------------------ */

Tensor tensor(Run *r, int n, int h, int w, int c);                     /* torch.empty: allocated, not cleared */
/* Releases everything that was allocated since the mark `to`, except t, which is moved there. */
Tensor compact(Run *r, size_t to, Tensor t);
/* Returns x.  In training, this drops the mapped weights that were read so far from memory, and backward() reads them
 * from their file again.  So the weights before this point and those after it are never in memory together. */
Tensor drop_mapped_weights(Run *r, Tensor x);
/* block(r, args): runs a block of layers, with gradient checkpointing where r->gradient_checkpointing is set.  The
 * arguments are those of record_checkpoint() in tape.h.  PyTorch: torch.utils.checkpoint.checkpoint(block, args) */
Tensor checkpointed(Run *r, Block *block, const void *args, size_t bytes, const Tensor in[INPUTS]);

/* ---- layers with weights ----------------------------------------------------------------------- */

/* nn.Linear, or a 1x1 nn.Conv2d:  y = x W' + b, and what LoRA adds.  W: [out,in] or [out,in,1,1] */
Tensor linear(Run *r, const char *layer, Tensor x);
Tensor linear_no_bias(Run *r, const char *layer, Tensor x);
/* nn.Conv2d(in, out, 3, stride, padding=1).  W: [out,in,3,3].  [n,h,w,in] -> [n,(h-1)/stride+1,(w-1)/stride+1,out] */
Tensor conv2d(Run *r, const char *layer, Tensor x, int stride);
/* The same with stride 2 and padding on the right and below only, for even sizes.  Autoencoders downsample with it.
 * [n,h,w,in] -> [n,h/2,w/2,out] */
Tensor conv2d_half(Run *r, const char *layer, Tensor x);
/* nn.GroupNorm(32, c, eps), and then SiLU when activation is SILU.  frames: how many pictures share their statistics,
 * which is 1 except for a group norm across frames. */
enum { NO_ACTIVATION, SILU };
Tensor group_norm(Run *r, const char *layer, Tensor x, float eps, int frames, int activation);
Tensor layer_norm(Run *r, const char *layer, Tensor x);                /* nn.LayerNorm(c, eps=1e-5) */

/* nn.PReLU(c):  max(x, 0) + weight * min(x, 0).  x is overwritten; use the result.  Forward only. */
Tensor prelu(Run *r, const char *layer, Tensor x);

/* ---- layers without weights -------------------------------------------------------------------- */

Tensor silu(Run *r, Tensor x);                                         /* x sigmoid(x) */
Tensor quick_gelu(Run *r, Tensor x);                                   /* x sigmoid(1.702 x), CLIP's */
Tensor leaky_relu(Run *r, Tensor x, float slope);                      /* max(x, 0) + slope min(x, 0), as prelu */
Tensor geglu(Run *r, Tensor x);                                        /* [..,2c] -> [..,c]: first half gelu(second) */
Tensor add(Run *r, Tensor a, Tensor b);                                /* a += b; use the result.  b may be [1,1,1,c] */
Tensor concat(Run *r, Tensor a, Tensor b);                             /* torch.cat along channels */
Tensor upsample(Run *r, Tensor x, int h, int w);                       /* F.interpolate(mode="nearest") */
Tensor repeat(Run *r, Tensor x, int n);                                /* [x; x; ...] of n pictures */

/* Scaled dot-product attention: softmax(q k' / sqrt(d)) v, with d channels a head.
 * PyTorch: F.scaled_dot_product_attention(q, k, v, is_causal=(axis == CAUSAL))
 * SPATIAL:  over the pixels of each picture.  It is self-attention when q, k and v come from one tensor.  It is
 *           cross-attention when k and v come from a text; then each of the k.n texts serves q.n / k.n pictures.
 * CAUSAL:   the same with a causal attention mask: no token sees a later one.
 * TEMPORAL: temporal attention, over the frames of a clip, at each pixel. */
typedef enum { SPATIAL, CAUSAL, TEMPORAL } AttentionAxis;
Tensor attention(Run *r, Tensor q, Tensor k, Tensor v, int heads, AttentionAxis axis);

/* ---- blocks ------------------------------------------------------------------------------------ */

/* diffusers' FeedForward:  h += ff.net.2(geglu(ff.net.0.proj(norm h))).  It is computed some rows at a time, because
 * the result of ff.net.0.proj is the widest tensor of a transformer. */
Tensor feed_forward(Run *r, const char *block, const char *norm, Tensor h);

/* ResnetBlock2D of UNet and VAE:  norm1 SiLU conv1 (+ time_emb_proj SiLU time) norm2 SiLU conv2, + x.
 * time: the time embedding [1,1,1,t]; NULL for none. */
Tensor resnet(Run *r, const char *block, Tensor x, const Tensor *time, float eps, int frames);

#endif
