/* draw_batch.h - several pictures in one run: the web UI's batch count. */
#ifndef DRAW_BATCH_H
#define DRAW_BATCH_H

#include "run.h"

void draw_batch_check(void *run);            /* RunCommand: fails where there can be one file only */

/* Draws pictures OUT-1, OUT-2, ..., with the seed of the request and those behind it; persona check: checks the first.
 * Fails when one of them failed, with how many did. */
void draw_batch(Run *r, RunCommand *draw_picture);

#endif
