/* output.h - the place of an output file: checked before the work that makes it, and saved to after it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "callbacks.h"

/* Fails unless a file of this name, of so many bytes, can be written: when there is something else of that name, when
 * the folder is missing or may not be written to, or when the disk has less room.  Leaves nothing behind. */
void output_check(Arena *a, const char *path, double bytes);

/* Fails when the output `path` would replace the file that it is made from.  input: that file; may be NULL. */
void output_spare(Arena *a, const char *path, const char *input);

/* Writes a file, whole or not at all.  Fails with path and reason. */
typedef void SaveFile(void *what, const char *path);

/* Calls save_file(what, path).  When that fails, makes the folder of `path` again, should it be gone, and tries a
 * second time.  When that fails, too, saves in the first of the folders `elsewhere` that takes it, under a name that is
 * free there, and says so in a warning.  elsewhere: one or more, and NULL; NULL: nowhere else.
 * Returns the path that the file has now: `path` itself, or one in the arena.  Fails with the reason when it could not
 * be saved anywhere. */
const char *output_save(Arena *a, const char *path, const char *const *elsewhere, SaveFile *save_file, void *what,
                        const Callbacks *callbacks);

#endif
