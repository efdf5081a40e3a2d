/* chunks.h - a prompt as CLIP reads it: chunks of 75 tokens, each token with the weight of its emphasis. */
#ifndef CHUNKS_H
#define CHUNKS_H

#include "clip.h"
#include "embedding.h"

enum { MOST_CHUNKS = 64 };

/* BOS, up to 75 tokens, then EOS to the end.  An id from the vocabulary's size on is a row of embeddings_rows(). */
typedef struct { int id[CONTEXT]; float weight[CONTEXT]; } Chunk;

/* A chunk without tokens. */
Chunk chunk_empty(const Tokenizer *t);

/* Tokenizes a text with emphasis (grammar_emphasis) -> the number of chunks that it fills, 1 to MOST_CHUNKS; chunk
 * has room for MOST_CHUNKS.  The rules are those of the web UI (modules/sd_hijack_clip.py): when a text runs past
 * the end of a chunk, what stands behind its last comma moves to the next chunk, if that comma is at most 20 tokens
 * away; BREAK ends a chunk; the vectors of an embedding are never split.  Fails when the text needs more chunks or
 * has a weight beyond +-1000.  what: "prompt" or "negative prompt", for messages. */
int chunks_tokenize(Arena *a, const Tokenizer *t, Embeddings *e, const char *text, const char *what, Chunk *chunk);

#endif
