/* search_path.h - the search path: from the names of weights in a prompt to the paths of files.
 *
 * All strings are in the arena, or the caller's.  Failures say what was searched for, and where. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "prompt.h"

/* The folders that are searched, in this order, none of them twice:
 *   - the folder of the prompt file, and the current folder, without the folders in them
 *   - embeddings/ in both, the extra folders (--weights), weights/ in the current folder, and weights/ where the
 *     program lies; each of these with all folders in it */
typedef struct SearchPath SearchPath;

/* beside: the path of the prompt file or picture; NULL when there is none.  extra[extras]: folders.  program: argv[0].
 * Fails when an extra folder does not exist. */
SearchPath *search_path_new(Arena *a, const char *beside, const char *const *extra, size_t extras, const char *program);

/* Turns all names of the request into paths in its job: model, VAE, motion module, init image, LoRAs, CLIP's merges,
 * and every embedding that the prompt may name.  When no model is named, it is the one that comes with persona.  Fails
 * when there is no such file, with the nearest names that there are. */
void search_path_resolve(Arena *a, const SearchPath *p, Request *r);

#endif
