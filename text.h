/* text.h - what the noise predictor is told: prompts to vectors, for each of its calls. */
#ifndef TEXT_H
#define TEXT_H

#include "nn.h"

typedef struct {
    const char *prompt, *negative;       /* UTF-8; NULL is empty */
    const char *merges;                  /* path of CLIP's merges */
    double      cfg;                     /* guidance; up to 1 there is none, and the negative prompt has no part in it */
    int         calls;                   /* how often noise is predicted: the steps, twice that for a second-order sampler */
    int         clip_skip, frames;
} Wording;

typedef struct Text Text;

/* What one call is told: a batch of prompts, all of the same number of tokens, for the same noisy latents.
 *     noise = negative + sum over the others of cfg * weight[i] * (prompt[i] - negative)      with guidance: the negative is text's first
 *     noise = the only prompt                                                                without */
typedef struct {
    Tensor       text;                   /* [prompts, 1 or frames, tokens, width]: one text for all frames, or one for each */
    int          guided;
    const float *weight;                 /* [prompts - guided] */
} Guide;

/* Splits the prompts into chunks of tokens.  Lives in the arena.  Fails when a prompt is too long, or the merges cannot be read. */
const Text *text_read(Arena *a, const Weights *w, const Wording *wording);

/* Encodes what is said, each chunk once -> [calls] guides.  Calls that are told the same share one tensor, so its address can be a key. */
const Guide *text_encode(Run *r, const Text *t);

#endif
