/* tokenizer.h - text to CLIP's token ids: byte-pair encoding, BPE (Sennrich, Haddow and Birch 2016), of lower-cased
 * words.
 *
 * For any text, the ids are those of transformers' CLIPTokenizer 5.23.  They are row numbers of the embedding
 * table, V rows:
 *
 *     0 .. 255    a byte                         512 .. V-3   the token that merge 0, 1, 2, ... makes
 *   256 .. 511    a byte that ends a word        V-2, V-1     BOS and EOS
 *
 * So the vocabulary's size V tells how many merges of merges.txt a checkpoint was trained with: all 48,894 (V =
 * 49408), or only the first few thousand. */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "files.h"

typedef struct Tokenizer Tokenizer;
typedef struct { const int *id; size_t count; } Tokens;

/* merges: the content of weights/merges.txt, which is read only during this call.  vocabulary: V.  Lives in the arena.
 * Fails when there are fewer than V - 514 merges, or when one of them joins what is not a token. */
Tokenizer *tokenizer_new(Arena *a, Bytes merges, size_t vocabulary);

int tokenizer_bos(const Tokenizer *t);      /* V-2, beginning of text */
int tokenizer_eos(const Tokenizer *t);      /* V-1, end of text; SD 1.x also pads with it */

/* text: [length] bytes of UTF-8, NUL allowed -> ids without BOS and EOS, in the arena.
 *
 * Any length and any bytes: invalid UTF-8 counts as U+FFFD, as Python's bytes.decode(errors="replace") has it.  The
 * words "<|startoftext|>" and "<|endoftext|>" in a text are the ids V-2 and V-1.  Fails only when memory runs out:
 * each byte of text takes some 20 bytes meanwhile, 45 when it is all one word, 110 when that word is no valid
 * UTF-8.  1 MB takes 0.03 s, one word of 1 MB 0.3 s. */
Tokens tokenize(Arena *a, const Tokenizer *t, const char *text, size_t length);

#endif
