/* captions.h - the caption of a picture: as each step sees it, and as token numbers of CLIP's text encoder. */
#ifndef CAPTIONS_H
#define CAPTIONS_H

#include "clip.h"
#include "random.h"
#include "tokenizer.h"

enum { MOST_CHUNKS = 3 };

typedef struct {
    const Tokenizer *tokenizer;
    const char      *word;               /* of textual inversion: the word that is trained; NULL: none */
    int              first, vectors;     /* its token numbers: first, first + 1, ..., so many as it has vectors */
    int              chunks;             /* of 75 tokens: max_token_length / 75, 1 .. MOST_CHUNKS */
} Captions;

/* What becomes of a caption in each step, by the names of kohya's options (sd-scripts, library/train_util.py,
 * process_caption).  Texts may be NULL: none. */
typedef struct {
    double      caption_dropout_rate;            /* how often the caption is left out */
    int         caption_dropout_every_n_epochs;  /* and in each n-th epoch, counted from 1; 0: in none */
    int         enable_wildcard;                 /* one of its lines, and of {a|b} one, at random */
    const char *caption_prefix, *caption_suffix; /* before and behind each line, with a space between */
    const char *caption_separator;               /* stands between tags; NULL: "," */
    int         shuffle_caption;                 /* tags in a new order ... */
    int         keep_tokens;                     /* ... but for so many in front */
    const char *keep_tokens_separator;           /* or for those before it, and those behind the second one */
    int         token_warmup_step;               /* until this step more and more tags are seen; 0: all at once */
    int         token_warmup_min;                /* so many in the first */
    double      caption_tag_dropout_rate;        /* how often a tag that may move is left out */
    const char *secondary_separator;             /* becomes the first one at the end: "a;b" stays together */
} CaptionAugmentation;

/* Is it the same in every step? */
int caption_stays(const CaptionAugmentation *how);

/* The caption as one step sees it, or NULL where it is left out.  caption: lines with '\n' between; without
 * enable_wildcard the first counts.  epoch: from 1.  step: from 0.  No random number is drawn for what is not asked
 * for. */
const char *caption_augmented(Arena *a, const char *caption, const CaptionAugmentation *how, size_t epoch, size_t step,
                              Rng *rng);

/* How many tokens a caption (NULL is an empty one) takes.  The vectors of the trained word stand wherever its name
 * does.  name_it: where the name is missing, they stand in front. */
size_t caption_length(Arena *a, const Captions *c, const char *caption, int name_it);

/* Token numbers of a caption, in c->chunks chunks: begin, 75 tokens, and end, again and again.  What is longer is cut;
 * what is shorter is filled up with ends, whole chunks too.  This is how kohya's trainer encodes it (sd-scripts,
 * library/strategy_base.py, _get_input_ids). */
void caption_ids(Arena *a, const Captions *c, const char *caption, int name_it, int *ids);

#endif
