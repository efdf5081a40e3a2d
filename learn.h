/* learn.h - what learns: low-rank pairs beside the layers of a model, and the AdamW that moves them. */
#ifndef LEARN_H
#define LEARN_H

#include "backward.h"
#include "checkpoint.h"

/* All that learns is one array of floats, with its gradient and AdamW's two moments in three more of the same layout. */
typedef struct {
    float  *x, *d, *mean, *square;
    size_t  count, text_count;           /* the first text_count belong to the text encoder */
    Weight *down, *up;                   /* of each pair, in x; in the order of the layers' names, which their own names are */
    size_t  pairs;
    float   scale;                       /* alpha / rank */
} Learner;

/* kohya's targets: in the UNet all linear layers and 1x1 convolutions of its transformers, in the text encoder those of
 * attention and MLP.  conv_rank: of the UNet's resnets and samplers, 3x3 convolutions too; 0: these stay as they are. */
typedef struct { int unet, text, rank; float alpha; } LearnPlan;

/* A pair for every target that the weights hold: down [rank,in], up [out,rank], all zero.  Fails when there is none. */
Learner *learner_new(Arena *a, const Weights *w, LearnPlan plan);

/* kohya's beginning: down uniform in +-1/sqrt(in), up zero */
void learner_seed(Learner *l, Rng *rng);

/* Fills in weights, scale and gradients of the pair of this layer; 0 when it has none.  l may be NULL. */
int  learning_pair(const Learner *l, const char *layer, LowRank *pair);

/* torch.optim.AdamW, step counted from 1:
 *     x *= 1 - rate * decay;  mean += (1 - b1)(d - mean);  square = b2 square + (1 - b2) d^2
 *     x -= rate / (1 - b1^step) * mean / (sqrt(square) / sqrt(1 - b2^step) + eps) */
typedef struct { double rate, decay, b1, b2, eps; } AdamW;
void adamw(float *x, const float *d, float *mean, float *square, size_t count, AdamW how, int step);

/* torch.nn.utils.clip_grad_norm_: the norm of all gradients, which are made smaller when it is above `most` (0: never) */
double clip_gradients(float *d, size_t count, double most);

#endif
