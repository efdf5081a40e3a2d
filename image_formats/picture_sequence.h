/* picture_sequence.h - the files of a clip that is kept as a picture for each frame.
 *
 * Useful copied alone with files.[ch], chars.[ch], system.[ch], tensor.[ch], unicode.[ch]. */
#ifndef PICTURE_SEQUENCE_H
#define PICTURE_SEQUENCE_H

#include "files.h"

/* The files that a path stands for, in their order, and in *count how many:
 *     a file                    itself
 *     a folder                  its files whose names end like pictures; numbers in names count as numbers
 *     "frames/%04d.png"         the files of its folder that printf would make so, in the order of their numbers
 * Returns NULL, and 0, when there are none. */
const char **picture_sequence(Arena *a, const char *path, size_t *count);

#endif
