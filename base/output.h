/* output.h - the place of an output file, checked before the work that makes it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "tensor.h"

/* Fails unless a file of this name, of so many bytes, can be written: when there is something else of that name, when
 * the folder is missing or may not be written to, or when the disk has less room.  Leaves nothing behind. */
void output_check(Arena *a, const char *path, double bytes);

/* Fails when the output `path` would replace the file that it is made from.  input: that file; may be NULL. */
void output_spare(Arena *a, const char *path, const char *input);

#endif
