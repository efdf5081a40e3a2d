/* info.h - describes a weight file, or the settings in a picture, to people: persona info FILE. */
#ifndef INFO_H
#define INFO_H

#include "weights_open.h"

/* Returns the description, in the arena, in printable characters.  Its lines are: path, kind, dtypes and size; what is
 * particular to the kind; how it was trained, where kohya's trainer says so; all metadata, one a line; the tensors, one
 * a line.  most: bytes of the file's words that a line shows; the rest is cut. */
const char *info_weights(Arena *a, const WeightFile *f, size_t most);

/* Returns "a textual inversion embedding, 8 vectors of 768, called face", in the arena, when the weight file or picture
 * at path holds one; else NULL. */
const char *info_embedding(Arena *a, const char *path);

/* Returns "made with" and the settings that a picture or a workflow holds, and of one that another program made which
 * program that is, the settings as persona understands them, and what it does not; or "without settings".  In the
 * arena, printable.  path: for messages. */
const char *info_metadata(Arena *a, const char *path, Bytes file);

#endif
