/* result.h - a drawn picture into files: the format, the checks before the work, and the saving. */
#ifndef RESULT_H
#define RESULT_H

#include "callbacks.h"
#include "files.h"
#include "prompt.h"

typedef struct {
    const char      *path;               /* ends in .gif, .png (several frames become NAME-001.png and on) or .apng */
    int              is_streamed;        /* the caller writes it to no file; the path says its format */
    int              is_named;           /* -o says the path; otherwise another may be chosen */
    int              is_redrawn;         /* path is the picture that the settings came from: it is never lost */
    int              overwrite;          /* other pictures of this program that are there are replaced */
    const char      *placed;             /* what result_place() said; NULL: it was not asked */
    const Request   *request;
    const Callbacks *callbacks;          /* may be NULL */
} Result;

/* Does a path end like a picture that can be written? */
int result_has_format(const char *path);

/* File i, from 0, of a result of that path: the path itself, or of several name-001.png.  In the arena. */
const char *result_file_path(Arena *a, const char *path, size_t i, size_t count);

/* Fails with all that can be known before the work: an ending of no format, a setting that this format does not have,
 * no place for the file.  prompt_file: the file that the request was read from, which must not be replaced; may be
 * NULL. */
void result_check(Arena *a, const Result *r, const char *prompt_file);

/* Where the picture will be, in the arena: r->path, or beside it where that is another job's; says so, and of what -o
 * names that it will be kept.  The request must be complete, as generate() leaves it. */
const char *result_place(Arena *a, const Result *r);

/* Encodes the pictures, with their settings inside, and saves all files or none; streamed: none.  What is there and not
 * of this job stays, or is kept under another name, as result.c says.  Returns the files, [*count], with the paths that
 * they got.  Fails as files_save does. */
File *result_save(Arena *a, const Result *r, Pictures p, size_t *count);

#endif
