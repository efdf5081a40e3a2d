/* info.h - describes a weight file, or the settings in a picture, to people: persona info FILE. */
#ifndef INFO_H
#define INFO_H

#include "file_kind.h"
#include "weights_open.h"

/* How a file is described.
 * most:  bytes of the file's words that a line shows; the rest is cut
 * all:   all of its metadata, and hashes for which all of it must be read
 * name:  by which it is found when a picture is drawn: a name, or its path; NULL: its path */
typedef struct { size_t most; int all; const char *name; } InfoWanted;

/* Returns the description, in the arena, in printable characters.  Its lines are, where there is something to say: path
 * and kind; what such a file is for; how to use it; the model that it is made for; the words that call what it has
 * learned; its strength; what it holds; how it was trained; size, dtypes and hashes; the metadata. */
const char *info_weights(Arena *a, const WeightFile *f, InfoWanted wanted);

/* Returns "F16     [320,4,3,3]          conv_in.weight", in the arena, printable. */
const char *info_tensor(Arena *a, const Weight *w);

/* Returns "a LoRA for SDXL": what f is, also where only its whole content tells that, in the arena.  about: of f */
const char *info_kind(Arena *a, const WeightFile *f, FileAbout about);

/* Returns what is particular to the kind of f, "AnimateDiff v3, up to 32 frames at once", or why f cannot be used, in
 * the arena; NULL when there is nothing to say. */
const char *info_details(Arena *a, const WeightFile *f);

/* Returns "a textual inversion embedding, 8 vectors of 768, called face", in the arena, when the weight file or picture
 * at path holds one; else NULL. */
const char *info_embedding(Arena *a, const char *path);

/* Returns "made with" and the settings that a picture or a workflow holds, and of one that another program made which
 * program that is, the settings as persona understands them, and what it does not; or "without settings".  In the
 * arena, printable.  path: for messages. */
const char *info_metadata(Arena *a, const char *path, Bytes file);

#endif
