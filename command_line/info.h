/* info.h - what a file of weights is, for people. */
#ifndef INFO_H
#define INFO_H

#include "formats.h"

/* Kind, size, types; what is particular to its kind; how it was trained, where kohya's trainer says so; then the other
 * metadata and every tensor, a line each, in printable characters.  most: bytes of a line's value, the rest is cut.
 * In the arena. */
const char *info_weights(Arena *a, const WeightFile *f, size_t most);

/* "a textual inversion embedding, 8 vectors of 768, called face", of a file or picture that holds one; else NULL. */
const char *info_embedding(Arena *a, const char *path);

#endif
