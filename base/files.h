/* files.h - files and folders: reads them as memory, saves them whole or not at all, and says what a path is.
 *
 * Useful copied alone, with tensor.[ch] and system.[ch]. */
#ifndef FILES_H
#define FILES_H

#include "tensor.h"

typedef struct { const unsigned char *data; size_t size; } Bytes;
typedef struct { const char *path; Bytes content; } File;

/* Are b's bytes from `at` on these n bytes? */
int has_bytes_at(Bytes b, size_t at, const void *what, size_t n);

/* ---- reading ----------------------------------------------------------------------------------- */

/* Maps a file into memory, to read; unmapped on release.  Never waits.  Fails when it is no readable regular file. */
Bytes file_map(Arena *a, const char *path);

/* Until release, these bytes are the file of that path: file_map() returns them and looks at no disk.  path, bytes: the
 * caller's, who keeps them until then. */
void  file_give(Arena *a, const char *path, Bytes content);
int   file_is_given(Arena *a, const char *path);

/* Gives the memory of all mapped files back; what is read of them afterwards comes from the disk again. */
void  files_trim(Arena *a);

/* The path of the mapped file that this address lies in, or NULL.  May be called from a signal handler. */
const char *mapped_file_at(Arena *a, const void *address);

/* ---- what a path is ---------------------------------------------------------------------------- */

int   file_is  (const char *path);    /* Is there a regular file? */
int   file_is_there(Arena *a, const char *path);    /* The same; fails, with the reason, where that cannot be known. */
int   folder_is(const char *path);
int   same_file(const char *x, const char *y);      /* Do both exist, and are they one file or folder? */

/* ---- folders ----------------------------------------------------------------------------------- */

/* Does nothing when the folder exists already.  The folder around it must exist. */
void  folder_make(Arena *a, const char *path);

/* Makes the folder, and those around it, where they were deleted.  Does not fail: what is written there then will. */
void  folder_make_again(Arena *a, const char *path);

/* The names in a folder, sorted by bytes, without hidden ones (".name").  *count is 0 when there is no such folder.
 * Fails, with the reason, when it or a part of it cannot be read. */
const char **folder_list(Arena *a, const char *folder, size_t *count);

/* file_is() for what such a list names: fails, with the reason, where nothing can be known of it. */
int   listed_file_is(Arena *a, const char *path);   /* a link to nothing is such a reason */

/* ---- saving ------------------------------------------------------------------------------------ */

/* Saves all files or none: writes each to a temporary file beside its target and flushes it to the disk, then renames
 * them all.  A reader sees the old file or the whole new one.  On failure nothing is left behind, and the old files
 * stay, or come back when a later one could not be renamed. */
void  files_save(Arena *a, const File *files, size_t count);

/* The path that is written when `path` is saved: where it leads, if it is a symbolic link.  Fails when that is no path,
 * as of links in a circle. */
const char *file_target(Arena *a, const char *path);

/* The same for one large file, piece by piece: file_begin, file_append for each piece, file_finish, file_replace.  A
 * file that was not finished and replaced is gone on release, and the old one stays.  path: the caller's, until then.
 * All of them fail with the path and the reason. */
typedef struct FileWriter FileWriter;

FileWriter *file_begin(Arena *a, const char *path);
void  file_append (FileWriter *w, const void *data, size_t size);
void  file_finish (FileWriter *w);       /* all of it is on the disk now */
void  file_replace(FileWriter *w);       /* it has its own name now */

/* Removes the temporary files of this path that a process left which was killed.  Does not fail. */
void  file_remove_abandoned(Arena *a, const char *path);

/* ---- digests ----------------------------------------------------------------------------------- */

/* A 64-bit hash that other bytes will not have by accident; somebody can make some that do.
 * of: the digest of what came before, 0 at the beginning. */
uint64_t digest(uint64_t of, const void *data, size_t bytes);

#endif
