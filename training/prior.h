/* prior.h - class images for prior preservation, drawn by the model that is to be trained. */
#ifndef PRIOR_H
#define PRIOR_H

#include "callbacks.h"
#include "job.h"

/* Draws stills of job->prompt into the folder, 0001.png .. as many as count says, each with a seed of its own: the
 * job's seed and up.  Makes the folder.  A picture that is there already is kept, whatever it shows; one of other
 * words is warned about.  When it is stopped, fails with how many are done. */
void prior_draw(Arena *a, const Job *job, const char *folder, size_t count, const Callbacks *callbacks);

#endif
