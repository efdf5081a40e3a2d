/* embedding.h - textual inversion (Gal et al., 2022): learned vectors that stand in a prompt where their name does. */
#ifndef EMBEDDING_H
#define EMBEDDING_H

#include "checkpoint.h"
#include "tokenizer.h"

/* The tensor of vectors in such a file or picture, [count,width] or [width], and the name it says it has, NULL when none.  Fails when
 * there is none. */
const Weight *embedding_read(Arena *a, const char *path, const char **name);

typedef struct Embeddings Embeddings;

/* lora: paths of LoRAs, which may carry embeddings of their own.  The files' names as tokens.  A name is the file's stem, or the token that
 * the file itself says (diffusers); of two with one name the first counts.  What is wrong with a file is only said, by embeddings_match, when a
 * prompt names it. */
Embeddings *embeddings_open(Arena *a, const Tokenizer *t, const char *const *path, size_t count, const char *const *lora, size_t loras, const Weights *model);

/* The embedding with the longest name that these tokens begin with; tokens 0 when there is none.  Its vectors are ids from the vocabulary's size
 * on: id, id + 1, ...  Fails when the file cannot be used with this model, by file and reason. */
typedef struct { size_t tokens; int id, vectors; } EmbeddingMatch;
EmbeddingMatch embeddings_match(Arena *a, Embeddings *e, const int *id, size_t count);

/* Vectors of all that were matched, [rows, width]; row 0 is id V. */
const float *embeddings_rows(Arena *a, const Embeddings *e);

/* "embedding easynegative: 8 vectors, PATH", for all that were matched, and which file of the same name was passed over. */
void embeddings_report(Arena *a, const Embeddings *e, void (*say)(void *to, const char *line), void *to);

#endif
