/* request_paths.h - from the names in a request to the paths of files in its job.
 *
 * All strings are in the arena, or the caller's.  Failures say what was searched for, and where. */
#ifndef REQUEST_PATHS_H
#define REQUEST_PATHS_H

#include "search_path.h"

/* Turns all names of the request into paths in its job: model, VAE, motion module, init image, LoRAs, CLIP's merges,
 * and every embedding that the prompt may name.  When no model is named, it is the one that comes with persona.  Fails
 * when there is no such file, with the nearest names that there are. */
void search_path_resolve(Arena *a, const SearchPath *p, Request *r);

/* The same, but what is not found is added to faults, and its path in the job is "" then; a LoRA is left out.
 * Where the search path is incomplete, nothing is added. */
void search_path_try(Arena *a, const SearchPath *p, Request *r, Faults *faults);

#endif
