/* clip.h - CLIP's text encoder (Radford et al., 2021): token numbers to vectors.
 * Reference: transformers' CLIPTextModel. */
#ifndef CLIP_H
#define CLIP_H

#include "checkpoint.h"
#include "nn.h"

enum { CHUNK_TOKENS = 75, CONTEXT = CHUNK_TOKENS + 2 };      /* begin of text, 75 tokens, end of text */

int  clip_vocabulary(const Weights *w);      /* rows of the token embedding table; 0 when there is none */
int  clip_width(const Weights *w);           /* of its rows, 768 in Stable Diffusion 1.x; 0 when there is none */
int  clip_layers(const Weights *w);          /* 12 in Stable Diffusion 1.x */

/* Fails when there are fewer layers than clip skip needs. */
void clip_check_skip(Arena *a, const Weights *w, int skip);

/* Copies row id of the token embedding table, clip_width() floats. */
void clip_token(const Weights *w, int id, float *to);

/* ids:     n chunks of CONTEXT token numbers; number vocabulary + k stands for row k of learned
 * skip:    clip skip: 1 uses the last layer's output, 2 that of the layer before, as the web UI counts (diffusers
 *          counts from 0)
 * learned: [rows,width], vectors of textual inversion; NULL when no id needs them
 * Returns [n,77,1,width], after the final layer norm for every skip, in the arena.  Fails as nn.h says. */
Tensor clip_encode(Run *r, const int *ids, int n, int skip, const float *learned);

/* [n,77,1,width] -> [1,1,75 n + 2,width]: the chunks of one caption as one text.  Of all begins and ends only the first
 * and the last stay.  kohya's trainer does so for --max_token_length 150 and 225 (sd-scripts, library/strategy_sd.py,
 * _encode_with_clip_skip); a prompt that is drawn keeps all of them, as the web UI does. */
Tensor clip_join_chunks(Run *r, Tensor chunks);

#endif
