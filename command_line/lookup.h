/* lookup.h - names to paths: where weights are looked for. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "prompt.h"

/* Folders in the order of search: beside the prompt file, the current one, embeddings/ in both and what is in them, the extra ones
 * and what is in them, weights/ and what is in it, here and where the program lies.  No folder twice. */
typedef struct Places Places;

/* beside: the prompt file or picture, NULL when there is none.  program: argv[0].
 * Fails when an extra folder is not there. */
Places *places(Arena *a, const char *beside, const char *const *extra, size_t extras, const char *program);

/* The path of the file that is meant: name itself, or name with .safetensors, .ckpt, .pt or .bin, in one of the
 * places.  Fails with what was looked for, the nearest names there are, and where it looked. */
const char *lookup(Arena *a, const Places *p, Name name);

/* The paths, merges, LoRAs and embeddings of the request's job.  With no model named: the one that comes with persona. */
void lookup_request(Arena *a, const Places *p, Request *r);

#endif
