/* list_command.h - persona list: what the names of weights can mean here. */
#ifndef LIST_COMMAND_H
#define LIST_COMMAND_H

#include "run.h"

/* Prints the files of weights in the search path, by kind, a line each: models, VAEs, motion modules, LoRAs,
 * embeddings, and what cannot be used, with the reason.  r->options.several: kinds and parts of names; only what fits
 * all of them is listed.  Fails when nothing fits. */
void list_command(Run *r);

/* The path of the first file of weights in the search path that is called so; NULL when there is none. */
const char *list_find(Run *r, const char *name);

#endif
