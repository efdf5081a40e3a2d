/* output.h - the place of an output file: checked before the work that makes it, and saved to after it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "callbacks.h"

/* Fails unless a file of this name, of so many bytes, can be written: when there is something else of that name, when
 * the folder is missing or may not be written to, or when the disk has less room.  Leaves nothing behind. */
void output_check(Arena *a, const char *path, double bytes);

/* Fails when a file is there that nobody may write to. */
void output_check_protected(Arena *a, const char *path);

/* Fails when the output `path` would replace the file that it is made from.  input: that file; may be NULL. */
void output_spare(Arena *a, const char *path, const char *input);

/* ---- one after the other ------------------------------------------------------------------------- */

/* A lock on the folder of `path`, for the moments in which it is decided what a file is called and it is saved: other
 * processes wait.  A folder that cannot be locked is not.  It ends with output_unlock() or on release. */
typedef struct OutputLock OutputLock;
OutputLock *output_lock(Arena *a, const char *path);
void        output_unlock(OutputLock *lock);

/* Until release, no other process may claim this path: for jobs that write files beside it for hours.  Fails when
 * another has it.  PATH.lock is there meanwhile; one that a killed process has left claims nothing. */
void output_claim(Arena *a, const char *path);

/* ---- what is there already ----------------------------------------------------------------------- */

/* x-again.gif from x.gif and the word -again; from n = 2 on with the number: x-again-2.gif.  In the arena. */
const char *output_beside(Arena *a, const char *path, const char *word, int n);

/* Is there nothing of that name?  Fails where that cannot be known. */
int output_is_free(Arena *a, const char *path);

/* Keeps the file at `path`, which is to be replaced, under a second name, until release: from output_kept() on for
 * good.  output_keep() chooses output_before(): x-before.gif, or with a number where that is there; where a symbolic
 * link leads, beside the file itself.  output_kept() returns the second name.  Fails when there can be none. */
typedef struct KeptFile KeptFile;
const char *output_before(Arena *a, const char *path);
KeptFile   *output_keep(Arena *a, const char *path);
KeptFile   *output_keep_as(Arena *a, const char *path, const char *to);
const char *output_kept(KeptFile *kept);

/* ---- saving --------------------------------------------------------------------------------------- */

/* Writes a file, whole or not at all.  Fails with path and reason. */
typedef void SaveFile(void *what, const char *path);

/* Calls save_file(what, path).  When that fails, makes the folder of `path` again, should it be gone, and tries a
 * second time.  When that fails, too, saves in the first of the folders `elsewhere` that takes it, under a name that is
 * free there, and says so in a warning.
 * keeps:     whether a file that is at `path` is kept, as output_keep() does; then that is said, too
 * elsewhere: one or more, and NULL; NULL: nowhere else
 * Returns the path that the file has now: `path` itself, or one in the arena.  Fails with the reason when it could not
 * be saved anywhere. */
const char *output_save(Arena *a, const char *path, int keeps, const char *const *elsewhere, SaveFile *save_file,
                        void *what, const Callbacks *callbacks);

#endif
