/* text.h - conditioning: from prompts to the vectors that the cross-attention of the UNet reads, for each of its calls.
 *
 *     conditional prompt      what the picture should show.  AND joins several of them (composable diffusion).
 *     unconditional prompt    the negative prompt, often empty: classifier-free guidance moves away from it.
 *
 * The prompt language is the web UI's (grammar.h).  The vectors of a textual inversion replace its name in a
 * prompt (embedding.h).  All prompts of a job fill the same number of 75-token chunks at every step (chunks.h).
 *
 * Emphasis is the web UI's "Original" mode: each vector of a chunk is multiplied by its weight, then all of them by one
 * factor that restores the mean.  The web UI takes that mean over all versions that prompt editing makes of a
 * prompt; here each chunk has its own.  Prompt travel interpolates from key to key by slerp, see text.c. */
#ifndef TEXT_H
#define TEXT_H

#include "checkpoint.h"
#include "faults.h"
#include "nn.h"

/* The prompt specification: everything that decides what the noise predictor is conditioned on. */
typedef struct {
    const char *prompt, *negative;      /* UTF-8; NULL is empty */
    const char *merges;                 /* path of CLIP's merges */
    const char *const *embedding;       /* paths of the textual inversions that prompts may name.  Of two files with
                                           one name the first counts. */
    size_t      embeddings;
    const char *const *lora;            /* paths of LoRAs, which may carry embeddings of their own */
    size_t      loras;
    double      cfg;                    /* guidance scale.  Up to 1 there is no guidance and the negative prompt is not
                                           used, unless AND or a weight of the prompt needs the formula below. */
    int         calls;                  /* of the noise predictor, in the first pass */
    int         second_pass_calls;      /* and in the second (Hires); 0 without one */
    int         editing_steps;          /* steps of each pass as prompt editing counts them: the sampler's steps, or
                                           twice as many for a sampler of the second order */
    int         second_pass_editing_steps;
    int         clip_skip;              /* 1: the last layer of CLIP, 2: the one before, as the web UI counts */
    int         frames;
    int         closed_loop;            /* prompt travel also leads from the last key to the first */
    const char *const *watched;         /* words and phrases whose tokens text_word_columns() finds */
    size_t      watches;
    Faults     *faults;                 /* gets what is wrong with embeddings that prompts name; NULL: that fails */
} PromptSpecification;

typedef struct TokenizedPrompts TokenizedPrompts;

/* The conditioning of one call of the noise predictor: a batch of prompts for the same noisy latents.
 *
 * Classifier-free guidance (Ho and Salimans 2022), extended to several prompts by composable diffusion (Liu et al.
 * 2022):
 *
 *     eps = eps_negative + sum over i of cfg * weight[i] * (eps_prompt[i] - eps_negative)
 *
 * classifier_free_guidance() in denoise.c computes it.  Without guidance there is one prompt: eps = eps_prompt[0]. */
typedef struct {
    Tensor       text;                  /* [prompts, 1 or frames, tokens, width]: the same for all frames, or one for
                                           each.  diffusers: prompt_embeds, and in the UNet encoder_hidden_states. */
    int          has_negative;          /* 1: with guidance, the first of the batch is the negative prompt */
    const float *weight;                /* one for each prompt but the negative */
} Conditioning;

/* Reads and tokenizes the prompts: every text of every call.  The result lives in the arena.  say, which may
 * be NULL, receives messages about the embeddings that are used.  Fails when a prompt is too long, when its keys or
 * weights make no sense, or when a file that it names cannot be used with this model. */
const TokenizedPrompts *text_tokenize(Arena *a, const Weights *w, const PromptSpecification *specification,
                                      void (*say)(void *to, const char *line), void *to);

/* Where a watched word stands in what a prompt reads at this call and frame: the columns of its tokens in the keys of
 * the cross-attention, 77 * chunk + position, each time that it stands there.
 * word: an index of `watched`    prompt: as in the batch of a Conditioning; the negative prompt holds no word
 * column: receives them, and has room for the tokens of the text; NULL: they are only counted.  Returns how many. */
int text_word_columns(const TokenizedPrompts *t, size_t word, int call, int prompt, int frame, int *column);

/* Does a prompt hold this watched word, at any call and frame? */
int text_holds(const TokenizedPrompts *t, size_t word);

/* Runs CLIP's text encoder on each distinct text once (diffusers: encode_prompt) -> [calls of both passes].
 * Calls with the same conditioning share one tensor, so its address can be a key. */
const Conditioning *text_encode(Run *r, const TokenizedPrompts *t);

#endif
