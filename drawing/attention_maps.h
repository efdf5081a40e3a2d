/* attention_maps.h - where in the picture the UNet looked at each word of the prompt: cross-attention maps. */
#ifndef ATTENTION_MAPS_H
#define ATTENTION_MAPS_H

#include "callbacks.h"
#include "denoise.h"
#include "lines.h"

enum { ATTENTION_LAYERS = 32 };

/* One cross-attention of the UNet.  sum: [words,frames,h,w], over the calls of the sampler: the mean over the heads,
 * and over the tokens of the word, of  softmax(q k' / sqrt(d)). */
typedef struct { char name[80]; int h, w; float *sum; } AttentionLayer;

typedef struct AttentionMaps {
    Lines       words;                   /* the caller's; the rest is for the functions below */
    int         frames, layers;
    int         calls, all_calls;        /* of the sampler: how many were seen, and how many there are */
    AttentionLayer layer[ATTENTION_LAYERS];
    const TokenizedPrompts *text;
    Run        *run;
    AttentionListener listener;
    WindowCall  window;
} AttentionMaps;

/* What was asked for, as a list: "hair, red sweater"; of "all", the words of the prompt, each once.
 * Returns at most ATTENTION_WORDS.  Fails when there are more, or none. */
Lines attention_words(Arena *a, const char *asked, const char *prompt);

/* From here on, each run of the UNet is seen: m becomes a listener of r and d.  A dry run finds the layers and counts;
 * the next run has its sums in the arena.  m->words are those that `text` watches.  Ends with attention_maps_stop(). */
void attention_maps_begin(AttentionMaps *m, Run *r, Denoising *d, const TokenizedPrompts *text, int frames);
void attention_maps_stop(AttentionMaps *m, Denoising *d);

/* The map of one layer, [frames,h,w], as it was summed. */
const float *attention_layer_map(const AttentionMaps *m, size_t word, const AttentionLayer *layer);

/* DAAM's global heat map (Tang et al., 2022): the sums of all layers on the way down and up, each at the size of the
 * largest one (bicubic, no value below 0); then their mean.  Returns [frames,h,w] in the arena. */
float *attention_map(Arena *a, const AttentionMaps *m, size_t word, int *h, int *w);

/* F.interpolate(mode="bicubic", align_corners=False, antialias=False) of n pictures of one channel, [n,h,w] ->
 * [n,to_h,to_w] in the arena */
float *bicubic(Arena *a, const float *x, int n, int h, int w, int to_h, int to_w);

#endif
