/* embedding.h - textual inversion (Gal et al. 2022): learned vectors that stand in a prompt where their name does. */
#ifndef EMBEDDING_H
#define EMBEDDING_H

#include "checkpoint.h"
#include "faults.h"
#include "tokenizer.h"

/* The tensor of vectors in an embedding's file or picture, [count,width] or [width].  name: the name that the file
 * gives itself, or NULL.  Fails, naming the path, when there is none. */
const Weight *embedding_read(Arena *a, const char *path, const char **name);

typedef struct Embeddings Embeddings;

/* Opens the embeddings that prompts may name, and tokenizes their names.
 *
 * path: [count] files of embeddings.  lora: [loras] LoRAs, which may carry embeddings of their own.  A name is the
 * file's name without its extension, and also the token that the file itself states (diffusers).  Of two files with
 * one name the first counts.  A file that cannot be used fails only when a prompt names it, in embeddings_match. */
Embeddings *embeddings_open(Arena *a, const Tokenizer *t, const char *const *path, size_t count,
                            const char *const *lora, size_t loras, const Weights *model);

/* From now on an embedding that a prompt names and that cannot be used is added to faults, and its name read as words.
 * faults: NULL, and that fails. */
void embeddings_collect(Embeddings *e, Faults *faults);

/* tokens: of the name, 0 when nothing matches.  The vectors have the ids id, id + 1, ..., from the vocabulary's
 * size on. */
typedef struct { size_t tokens; int id, vectors; } EmbeddingMatch;

/* Finds the embedding with the longest name that these tokens begin with.  Fails, naming file and reason, when it
 * cannot be used with this model. */
EmbeddingMatch embeddings_match(Arena *a, Embeddings *e, const int *id, size_t count);

/* The vectors of all embeddings that were matched, [rows, width].  Row 0 has the vocabulary's size as its id. */
const float *embeddings_rows(Arena *a, const Embeddings *e);

/* Says "embedding easynegative: 8 vectors, PATH" for each embedding that was matched, and which file of the same
 * name is not used; and which embeddings inside LoRAs the prompts do not name, or cannot use.  The callback may be
 * NULL. */
void embeddings_report(Arena *a, const Embeddings *e, void (*say)(void *to, const char *line), void *to);

#endif
