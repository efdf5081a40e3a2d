/* clip.h - words to vectors: CLIP's text encoder (Radford et al., 2021). */
#ifndef CLIP_H
#define CLIP_H

#include "nn.h"

enum { CHUNK_TOKENS = 75, CONTEXT = CHUNK_TOKENS + 2 };      /* begin, 75 tokens, end */

int clip_vocabulary(const Weights *w);      /* rows of the embedding table; 0 when there is none */
int clip_width     (const Weights *w);      /* of its rows */
int clip_layers    (const Weights *w);
void clip_check_skip(Arena *a, const Weights *w, int skip);             /* fails where there are fewer layers */
void clip_token    (const Weights *w, int id, float *to);      /* row id of the table, of clip_width floats */

/* ids: n chunks of CONTEXT token numbers -> [n,77,1,width].  A number from the vocabulary's size on is a row of learned, [rows,width].
 * skip: 1 takes the last layer's output, 2 the one before, as the web UI counts "Clip skip"; the final norm always follows. */
Tensor clip_encode(Run *r, const int *ids, int n, int skip, const float *learned);

#endif
