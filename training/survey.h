/* survey.h - pictures looked at before anything is learned from them. */
#ifndef SURVEY_H
#define SURVEY_H

#include "callbacks.h"
#include "photos.h"

/* Opens every picture, finds its size and its bucket, and says what is to be known: counts, buckets, pictures that are there twice or
 * nearly so, that are enlarged, that nothing is said of.  Fails when one cannot be used, with each and why.  folder: for messages. */
void survey(Arena *a, Photos *p, const Buckets *b, const char *folder, const Watch *watch);

#endif
