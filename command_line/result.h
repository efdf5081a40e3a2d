/* result.h - where a picture goes: which format, is there a place for it, and into files. */
#ifndef RESULT_H
#define RESULT_H

#include "callbacks.h"
#include "prompt.h"

typedef struct {
    const char    *path;                 /* .gif, .png (with several frames name-001.png and on) or .apng */
    int            again;                /* of the picture that it is made again from, which is replaced by the same bytes only */
    const Request *request;
    const Watch   *watch;
} Result;

/* Does a path end like a picture that can be written? */
int result_known(const char *path);

/* Fails with all that can be known before the work: a format for GIFs only, no folder, a path that is no file, or one that is `keep`
 * (may be NULL), the file that the request was read from. */
void result_check(Arena *a, const Result *r, const char *keep);

/* The files that the pictures became, whole or not at all; their paths are where they are.  Fails as files_save does. */
File *result_save(Arena *a, const Result *r, Pictures p, size_t *count);

/* Fails unless a file of that name can be written, and so many bytes: where something is that is no file, too.  Leaves nothing. */
void place_check(Arena *a, const char *path, double bytes);

/* Fails when what is made from a file (NULL: none) would take its place. */
void place_spare(Arena *a, const char *path, const char *input);

/* What a PNG was made with, NULL when it does not say, is none, or cannot be read. */
const char *settings_in(Arena *a, const char *path);

#endif
