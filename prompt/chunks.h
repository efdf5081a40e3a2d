/* chunks.h - a prompt as CLIP reads it: chunks of 75 tokens, each token with its weight. */
#ifndef CHUNKS_H
#define CHUNKS_H

#include "clip.h"
#include "embedding.h"

enum { MOST_CHUNKS = 64 };

typedef struct { int id[CONTEXT]; float weight[CONTEXT]; } Chunk;              /* an id from the vocabulary's size on is an embedding's row */

/* text, in the grammar of emphasis -> how many chunks it fills, 1 to MOST_CHUNKS; chunk has room for so many.  As the web UI
 * (modules/sd_hijack_clip.py): text that runs into the end of a chunk moves to the next one from its last comma on, if
 * that stands within 20 tokens; BREAK ends a chunk; an embedding is never split.  Fails, naming `what`, when there is too much. */
int chunks_of(Arena *a, const Tokenizer *t, Embeddings *e, const char *text, const char *what, Chunk *chunk);

#endif
