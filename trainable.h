/* trainable.h - trainable parameters: LoRA pairs beside the layers of a model, and token vectors of textual inversion.
 *
 * The model's own weights are frozen.  What is trained is listed here, together with its gradients.  The optimizer is
 * in training/optimizer.h. */
#ifndef TRAINABLE_H
#define TRAINABLE_H

#include "checkpoint.h"
#include "kernel.h"
#include "random.h"

/* torch's parameter groups: each has a learning rate of its own. */
typedef enum { TOKEN_VECTORS, TEXT_ENCODER_LORA, UNET_LORA } ParameterGroup;

/* One tensor of trainable parameters: count floats, from x + offset of Trainable on. */
typedef struct {
    size_t         offset, count;
    size_t         rows, columns;        /* its last two dimensions, of which a pair of a convolution has four */
    ParameterGroup group;
} ParameterTensor;

/* All trainable parameters are one array of floats, and their gradients another one of the same layout. */
typedef struct Trainable {
    float  *x, *d;                       /* [count] values (torch: param), [count] gradients (torch: param.grad) */
    size_t  count;
    size_t  word_count;                  /* floats of the token vectors, which come first in x */
    ParameterTensor *tensor;             /* [tensors] in the order in which they lie in x */
    size_t  tensors;
    Weight  words;                       /* token vectors [vectors,width], in x; no rows: none are trained */
    Weight *down, *up;                   /* [pairs] the matrices of the LoRA pairs, in x, sorted by layer name */
    size_t  pairs;                       /* LoRA pairs */
    float   alpha, conv_alpha;           /* of the pairs, and of those of 3x3 convolutions; the scale is alpha / rank */
} Trainable;

/* What to train.  Layers as in kohya sd-scripts, networks/lora.py: in the UNet all linear layers and 1x1 convolutions
 * of the transformers, in the text encoder those of attention and MLP.  A conv_rank above 0 adds the UNet's resnets,
 * and the 3x3 convolutions of resnets, downsamplers and upsamplers with that rank (LoCon). */
typedef struct {
    int   unet, text;                    /* 1: LoRA pairs there */
    int   rank, conv_rank;
    float alpha, conv_alpha;
    int   vectors;                       /* token vectors of textual inversion; 0: none */
} TrainableConfig;

/* Makes all trainable parameters, at zero, in the arena.  Every layer that is trained gets a LoRA pair: down [rank,in]
 * and up [out,rank], or for a convolution [rank,in,k,k] and [out,rank,1,1].  Then there are the token vectors.  Fails
 * when there is nothing to train. */
Trainable *trainable_new(Arena *a, const Weights *w, TrainableConfig config);

/* Initialises the pairs as kohya's trainer does: down uniform in +-1/sqrt(in k k), up stays zero. */
void trainable_init(Trainable *t, Rng *rng);

/* For the forward pass: fills in the weights, the scale and the gradients of this layer's LoRA pair.  The rest of *pair
 * stays.  Returns 0 when the layer has none.  t may be NULL. */
int trainable_pair(const Trainable *t, const char *layer, LoraLayer *pair);

/* Where the gradient of the parameters at x is summed.  Returns NULL when they are not trainable.  t may be NULL. */
float *trainable_gradient(const Trainable *t, const float *x);

/* Writes the pairs as a LoRA file by kohya's names, in half precision, each with its alpha.  Fails as
 * safetensors_save. */
void trainable_save_lora(Arena *a, const Trainable *t, const char *path, const KeyValue *metadata, size_t pairs);

/* Writes the token vectors, F32 [vectors,width], as an embedding file.  name: of the tensor, "emb_params" as kohya's
 * trainer has it, or the token itself as diffusers has it. */
void trainable_save_embedding(Arena *a, const Trainable *t, const char *name, const char *path,
                              const KeyValue *metadata, size_t pairs);

#endif
