/* learn.h - what learns: low-rank pairs beside the layers of a model, and vectors of new words. */
#ifndef LEARN_H
#define LEARN_H

#include "backward.h"
#include "checkpoint.h"
#include "optimizer.h"
#include "random.h"

/* All that learns is one array of floats, with its gradient in another of the same layout. */
typedef struct {
    float  *x, *d;
    Moments moments;
    size_t  count, word_count, text_count;      /* in this order: the words' vectors, the text encoder's pairs up to text_count, the UNet's */
    Weight  words;                       /* [vectors,width], in x: token numbers from the vocabulary's size on; no rows: none */
    Weight *down, *up;                   /* of each pair, in x; in the order of the layers' names, which their own names are */
    size_t  pairs;
    float   alpha, conv_alpha;           /* of the pairs, and of those of 3x3 convolutions; a pair counts alpha / rank times */
} Learner;

/* kohya's targets: in the UNet all linear layers and 1x1 convolutions of its transformers, in the text encoder those of
 * attention and MLP; with a conv_rank also those of the UNet's resnets, and the 3x3 convolutions of resnets, down- and upsamplers, at that rank.
 * vectors: of new words, as textual inversion learns them (Gal et al., 2022).
 * eight_bits: of AdamW's moments. */
typedef struct { int unet, text, rank, conv_rank; float alpha, conv_alpha; int vectors, eight_bits; } LearnPlan;

/* A pair for every target that the weights hold: down [rank,in] or as the layer [rank,in,k,k], up [out,rank] or [out,rank,1,1]; and the vectors; all zero.  Fails when nothing learns. */
Learner *learner_new(Arena *a, const Weights *w, LearnPlan plan);

/* kohya's beginning of the pairs: down uniform in +-1/sqrt(in k k), up zero as it is */
void learner_seed(Learner *l, Rng *rng);

/* Writes the pairs as kohya's trainer does, in half precision, each with its alpha. */
void learner_save(Arena *a, const Learner *l, const char *path, const Pair *metadata, size_t pairs);

/* Writes the vectors of new words, [vectors,width], under a name: kohya's trainer calls them emb_params, diffusers by their word. */
void learner_save_words(Arena *a, const Learner *l, const char *name, const char *path, const Pair *metadata, size_t pairs);

/* Fills in weights, scale and gradients of the pair of this layer; 0 when it has none.  l may be NULL. */
int  learning_pair(const Learner *l, const char *layer, LowRank *pair);

/* where the gradient of a weight that learns is summed; NULL when it does not.  l may be NULL. */
float *learning_gradient(const Learner *l, const float *x);

/* Moves all that learns, each kind at its own rate. */
void learner_step(Learner *l, Rates rates, AdamW how, int step, int threads);

#endif
