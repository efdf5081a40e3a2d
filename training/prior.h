/* prior.h - pictures of the class that a subject is one of, drawn by the model that is to learn the subject. */
#ifndef PRIOR_H
#define PRIOR_H

#include "callbacks.h"
#include "job.h"

/* Draws stills 0001.png .. into the folder, those of the count that are not there yet, the i-th with the job's seed + i.  Makes the
 * folder.  What is there stays as it is.  Fails with how many are done. */
void prior_draw(Arena *a, const Job *job, const char *folder, size_t count, const Watch *watch);

#endif
