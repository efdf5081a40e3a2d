/* weight_names.h - from the name of a file of weights, as people and programs write it, to its path. */
#ifndef WEIGHT_NAMES_H
#define WEIGHT_NAMES_H

#include "file_kind.h"
#include "search_path.h"

/* kind: what it is to be.  hash: a hash of the file as file_hash.h reads it, for when no file has the name; or NULL.
 * is_by_hash: is set when it was found so; or NULL. */
typedef struct { Name name; FileKind kind; const char *hash; int *is_by_hash; } WantedWeights;

/* The path of the weights with that name: a path as it is, or a name in the folders of the search path, by the rules in
 * weight_names.c.  Says by which rule, unless it is the very name.  Fails with the nearest names that there are. */
const char *find_weights(Arena *a, const SearchPath *p, WantedWeights w);

/* The path of the weights with that hash, or NULL.  Says that it reads files, and what it has found. */
const char *find_weights_by_hash(Arena *a, const SearchPath *p, WantedWeights w);

/* A file that comes with the source: in a weights/ folder itself. */
const char *find_supplied(Arena *a, const SearchPath *p, const char *name);

/* The name without folders, without an ending of weights files and without a hash in brackets behind it. */
const char *weight_name_stem(Arena *a, const char *name);

/* A file or a folder of weights in the search path.
 * stem:   the name by which it is found
 * folder: which folder of the search path it is in
 * ending: 0 for a folder, and for a file the place of its ending in the order in which endings are tried, from 1 on */
typedef struct { const char *path, *stem; size_t folder, ending; } Candidate;
typedef struct { Candidate *file; size_t count, room; } Candidates;

/* All of them, folder by folder. */
Candidates weight_candidates(Arena *a, const SearchPath *p);

#endif
