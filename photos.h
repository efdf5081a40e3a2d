/* photos.h - what is learned from: a folder of pictures and what is said of them. */
#ifndef PHOTOS_H
#define PHOTOS_H

#include "tensor.h"

typedef struct { const char *path, *caption; int repeats; } Photo;
typedef struct { Photo *photo; size_t count, captioned, repeated; } Photos;      /* repeated: all repeats together, what an epoch is */

/* PNG and JPEG files of the folder, by name; or of folders in it that are called <repeats>_<class tokens>, as kohya's trainer
 * wants them.  The caption is the first line of the file beside with `ending` (NULL: .txt, or else .caption); without one it
 * is the class tokens, or else `words`.  Fails when there is no picture, or a caption is no text, with what was looked for. */
Photos photos_find(Arena *a, const char *folder, const char *ending, const char *words, int repeats);

#endif
