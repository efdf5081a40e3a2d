/* survey.h - looks at all training images before training. */
#ifndef SURVEY_H
#define SURVEY_H

#include "callbacks.h"
#include "image.h"
#include "photos.h"

/* Decodes a picture, and fills in its size, digest and thumbnail.  Fails when it cannot be read. */
Picture survey_open(Arena *a, Photo *photo);

/* Opens every picture and fills in its size, bucket, digest and thumbnail.  Fails, with each picture and why, when some
 * cannot be used; with skip_unreadable they are left out and named, and it fails only when none is left. */
void survey_look(Arena *a, Photos *p, int skip_unreadable, const Callbacks *callbacks);

/* Are these nearly the same picture, by their thumbnails? */
int survey_are_alike(const Photo *x, const Photo *y);

/* Says what the user should know: counts, buckets, pictures that are there twice or nearly so, that get enlarged, that
 * have no caption.  folder: for messages. */
void survey_tell(Arena *a, const Photos *p, const char *folder, const Callbacks *callbacks);

#endif
