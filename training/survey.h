/* survey.h - looks at all training images before training. */
#ifndef SURVEY_H
#define SURVEY_H

#include "callbacks.h"
#include "photos.h"

/* Opens every picture and fills in its size, bucket, digest and thumbnail.  Says what the user should know: counts,
 * buckets, pictures that are there twice or nearly so, that get enlarged, that have no caption.  Fails, with each
 * picture and why, when some cannot be used.  folder: for messages. */
void survey(Arena *a, Photos *p, const Buckets *b, const char *folder, const Callbacks *callbacks);

#endif
