/* recipe.h - how to learn: the options of kohya's trainer, by its names. */
#ifndef RECIPE_H
#define RECIPE_H

#include "buckets.h"
#include "optimizer.h"

typedef struct {
    double resolution;                   /* a side in pixels; 0: the model's own */
    double rank, alpha;                  /* alpha 0: as rank */
    double conv_rank, conv_alpha;        /* the same of pairs for 3x3 convolutions; rank 0: none */
    double rate, unet_rate, text_rate, word_rate;      /* -1: see recipe_rates; at 0 nothing learns */
    double unet_only;
    double batch, accumulate, repeats;
    double decay, clip, snr, noise_offset;
    RateSchedule schedule;               /* of the learning rate */
    double vectors;
    double prior_weight;                 /* how much class pictures count */
    double buckets, bucket_least, bucket_most, bucket_step, no_upscale;      /* sizes 0: kohya's, see recipe_buckets */
    double flip, shuffle, keep, drop;    /* of pictures; of captions: parts that stay in front, how often they are dropped */
    double held_out;                     /* a part of the pictures */
    const char *ending;                  /* of caption files, NULL: .txt, or .caption */
    const char *optimizer;               /* "AdamW" or "AdamW8bit" */
    const char *method;                  /* "lora", "dreambooth" or "textual_inversion" */
    const char *token, *init_word;       /* of a word that is learned: NULL: the output's name, or none beside a LoRA; what the vectors begin as */
    /* from here on a state may be gone on with under another value */
    double steps, epochs;                                  /* steps 0: the epochs; epochs 0: as many as make 100 steps a picture */
    /* and nothing that is learned depends on it */
    double class_images;                                   /* to be drawn; what the pictures are counts */
    const char *class_photos, *class_prompt;               /* their folder; what they show; NULL: none */
    double save_epochs, save_steps, save_state;            /* how often the work is saved, 0: never; its state at the end too */
    double checkpointing;                                  /* less memory, more time: see noted_again in tape.h */
    double last_epochs;                                    /* how many of those saved each few epochs stay, 0: all */
    double sample_epochs, sample_steps;                    /* how often samples are drawn, 0: at the end only */
    const char *samples;                                   /* a file of prompts, see samples.h; NULL: none */
    const char *resume;                                    /* a state, or the folder of one; NULL: from the beginning */
} Recipe;

extern const Recipe recipe_default;

/* One option by its name (without dashes, "-", "_" and case alike); value NULL for those that take none.  Fails with what is allowed. */
void recipe_set(Arena *a, Recipe *r, const char *flag, const char *value);

/* Names: i from 0; NULL after the last.  value is what to call its argument, NULL when it takes none. */
const char *recipe_flag(size_t i, const char **value, const char **help);
const char *recipe_flag_find(const char *name, int *bare);      /* NULL when there is none */

/* Fails when options that are each right do not go together. */
void   recipe_check(Arena *a, const Recipe *r);

int    recipe_is_word(const Recipe *r);      /* textual inversion */
int    recipe_has_class(const Recipe *r);    /* prior preservation */
/* Sizes for pictures of about side x side.  Fails when they contradict each other. */
Buckets recipe_buckets(Arena *a, const Recipe *r, int side);
/* What option i is, as text; NULL where a state may be gone on with under another value. */
const char *recipe_text(Arena *a, const Recipe *r, size_t i);
double recipe_rate(const Recipe *r);         /* the learning rate that holds */
Rates  recipe_rates(const Recipe *r);        /* those of each kind that learns: a word's vectors, the text encoder, the UNet */
/* What rates are multiplied by in step 0 .. steps-1. */
double recipe_factor(const Recipe *r, int step, int steps);
int    recipe_eight_bits(const Recipe *r);   /* of the moments */

#endif
