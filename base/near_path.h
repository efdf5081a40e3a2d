/* near_path.h - "did you mean" for files and folders. */
#ifndef NEAR_PATH_H
#define NEAR_PATH_H

#include "tensor.h"

typedef enum { FILE_PATH, FOLDER_PATH } PathKind;

/* The path of that kind that is most like one that is not there: with other capitals, another ending or none, a few
 * letters wrong, or in a folder whose name is.  NULL when none is near, and when its folder cannot be read. */
const char *near_path(Arena *a, const char *path, PathKind kind);

/* "; did you mean PATH?", or "" */
const char *near_path_hint(Arena *a, const char *path, PathKind kind);

#endif
