/* tokenizer.h - text to CLIP's token ids: byte-pair encoding (Sennrich, Haddow, Birch 2016) of lower-cased words.
 *
 * The ids are those of transformers' CLIPTokenizer 5.23 for any text.  Row numbers of the embedding table:
 *
 *     0 .. 255    one byte              512 .. V-3   what merge 0, 1, 2 ... makes
 *   256 .. 511    a byte ending a word  V-2, V-1     beginning and end of text
 *
 * so the V rows of a checkpoint say how many merges of the one merges.txt it was trained with: all 48,894 (V = 49408) or
 * only the first few thousand. */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "files.h"

typedef struct Tokenizer Tokenizer;
typedef struct { const int *id; size_t count; } Tokens;

/* merges: the content of weights/merges.txt, read only during this call.  vocabulary: V.  Lives in the arena.
 * Fails when there are fewer than V - 514 merges, or one of them joins what is not a token. */
Tokenizer *tokenizer_new(Arena *a, Bytes merges, size_t vocabulary);
int        tokenizer_bos(const Tokenizer *t);     /* V-2, beginning of text */
int        tokenizer_eos(const Tokenizer *t);     /* V-1, end of text; SD 1.x also pads with it */

/* UTF-8 text, NUL allowed -> ids, without the beginning and the end.  Any length, any bytes: what is no UTF-8 counts as
 * U+FFFD, as Python's bytes.decode(errors="replace") does.  "<|startoftext|>" and "<|endoftext|>" in the text are ids
 * V-2 and V-1.  The ids live in the arena.  Fails only for want of memory: meanwhile it takes some 20 bytes for each byte
 * of text, 45 if that is one word, 110 if that is one word of bytes that are no UTF-8.  1 MB takes 0.03 s, one word of
 * 1 MB 0.3 s. */
Tokens tokenize(Arena *a, const Tokenizer *t, const char *text, size_t length);

#endif
