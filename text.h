/* text.h - what the noise predictor is told: prompts to vectors, for each of its calls.
 *
 * The prompts are the web UI's (grammar.h), embeddings stand where their name does (embedding.h), and all prompts of a job, at every
 * step, fill the same number of chunks of 75 tokens.  Emphasis is the web UI's "Original": a chunk's vectors times their
 * weights, then all of them by one factor that brings its mean back.  Unlike there, the mean is that of each chunk alone and not
 * of all versions that editing makes of it.  Prompt travel goes from key to key on the arc between them (slerp), see text.c. */
#ifndef TEXT_H
#define TEXT_H

#include "nn.h"

typedef struct {
    const char *prompt, *negative;       /* UTF-8; NULL is empty */
    const char *merges;                  /* path of CLIP's merges */
    const char *const *embedding;        /* paths of the embeddings that may be used; of two with one name the first */
    size_t      embeddings;
    const char *const *lora;             /* paths of LoRAs, which may carry embeddings of their own */
    size_t      loras;
    double      cfg;                     /* guidance; up to 1 there is none, unless ANDs or weights need it, and then the negative prompt has no part in it */
    int         calls, again;            /* how often noise is predicted, and how often in a second pass */
    int         counted, counted_again;  /* what editing takes for all steps of each: the steps, twice that for a sampler of the second order */
    int         clip_skip, frames;
    int         closed;                  /* prompt travel goes on from the last key to the first */
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

/* Reads the prompts, to the tokens of every text that a call will be told.  Lives in the arena.  Says which embeddings are used (say
 * may be NULL).  Fails when a prompt is too long, its keys or weights make no sense, or a file that it names is none of use. */
const Text *text_read(Arena *a, const Weights *w, const Wording *wording, void (*say)(void *to, const char *line), void *to);

/* Encodes what is said, each text once -> [calls + again] guides.  Calls that are told the same share one tensor, so its address can be a key. */
const Guide *text_encode(Run *r, const Text *t);

#endif
