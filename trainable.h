/* trainable.h - trainable parameters: the adapters of a model's layers (LoRA pairs, LoHa, LoKr, DoRA), and token
 * vectors of textual inversion.
 *
 * The model's own weights are frozen.  What is trained is listed here, together with its gradients.  The optimizer is
 * in training/optimizer.h. */
#ifndef TRAINABLE_H
#define TRAINABLE_H

#include "adapter_parts.h"
#include "checkpoint.h"
#include "kernel.h"

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
    Module *module;                      /* [modules] the adapters, whose parts are in x, sorted by layer name */
    size_t  modules;
    Dropout dropout;                     /* of the LoRA pairs; its seed is that of the example */
    double  module_dropout;              /* the part of the adapters that is left out, for each example anew */
} Trainable;

/* Which layers learn.  TARGETS_KOHYA as in kohya sd-scripts, networks/lora.py: in the UNet all linear layers and 1x1
 * convolutions of the transformers, in the text encoder those of attention and MLP.  A conv_rank above 0 adds the
 * UNet's resnets, and the 3x3 convolutions of resnets, downsamplers and upsamplers with that rank (LoCon).
 * The others are LyCORIS' presets: FULL adds to that conv_in, conv_out and the time embedding; FULL_LIN is FULL without
 * 3x3 convolutions; ATTN_MLP the transformers; ATTN_ONLY their attention, and that of the text encoder. */
typedef enum { TARGETS_KOHYA, TARGETS_FULL, TARGETS_FULL_LIN, TARGETS_ATTN_MLP, TARGETS_ATTN_ONLY } Targets;

/* What to train. */
typedef struct {
    int   unet, text;                    /* 1: adapters there */
    int   rank, conv_rank;
    float alpha, conv_alpha;
    int   vectors;                       /* token vectors of textual inversion; 0: none */
    Targets     targets;
    AdapterKind kind;                    /* all zero: LoRA */
} TrainableConfig;

/* Makes all trainable parameters, at zero, in the arena.  Every layer that is trained gets the parts of an adapter
 * (adapter_parts.h); for LoRA that is a pair: down [rank,in] and up [out,rank], or for a convolution [rank,in,k,k] and
 * [out,rank,1,1].  Then there are the token vectors.  Fails when there is nothing to train. */
Trainable *trainable_new(Arena *a, const Weights *w, TrainableConfig config);

/* Makes the adapters that a file has, with its ranks and scales (kohya: dim_from_weights).  config: unet, text and
 * vectors count.  Fails when the file has none for this model, and with all that does not fit. */
Trainable *trainable_like(Arena *a, const Weights *w, TrainableConfig config, const LoraFile *file);

/* Begins with the values of a file instead (kohya: network_weights).  Returns how many adapters it has none for; these
 * stay as they are.  Fails with all whose shapes differ. */
size_t trainable_take(Arena *a, Trainable *t, const LoraFile *file);

/* Max norm regularization (kohya: scale_weight_norms): every dW longer than `most` is made this long.  Returns how many
 * were, and the mean of the lengths after it. */
size_t trainable_limit_norms(Machine *m, Trainable *t, const Weights *w, double most, double *mean);

/* Initialises the adapters as kohya's trainer and LyCORIS do (adapter_parts.c).  w: the model */
void trainable_init(Trainable *t, const Weights *w, Rng *rng);

/* The adapter of this layer; NULL when it has none.  t may be NULL. */
const Module *trainable_module(const Trainable *t, const char *layer);

/* Is this adapter left out, for the dropout of the example?  (kohya: module_dropout) */
int trainable_is_dropped(const Trainable *t, const Module *module);

/* For the forward pass: fills in the weights, the scale, the gradients and the dropout of a module that is a LoRA pair.
 * The rest of *pair stays. */
void trainable_pair(const Trainable *t, const Module *module, LoraLayer *pair);

/* Where the gradient of the parameters at x is summed.  Returns NULL when they are not trainable.  t may be NULL. */
float *trainable_gradient(const Trainable *t, const float *x);

/* Writes the adapters as a file by kohya's and LyCORIS' names, in half precision, each with its alpha.  Fails as
 * safetensors_save. */
void trainable_save_lora(Arena *a, const Trainable *t, const char *path, const KeyValue *metadata, size_t pairs);

/* Writes the token vectors, F32 [vectors,width], as an embedding file.  name: of the tensor, "emb_params" as kohya's
 * trainer has it, or the token itself as diffusers has it. */
void trainable_save_embedding(Arena *a, const Trainable *t, const char *name, const char *path,
                              const KeyValue *metadata, size_t pairs);

#endif
