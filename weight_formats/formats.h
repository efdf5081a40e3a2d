/* formats.h - any file or folder of weights, told apart by what is in it. */
#ifndef FORMATS_H
#define FORMATS_H

#include "safetensors.h"

/* Opens it: safetensors, torch's, GGUF, or a folder as diffusers writes them.  The table and its data are valid until the
 * arena is released below this call.  Fails with file, tensor and reason. */
const WeightFile *weights_open(Arena *a, const char *path);
const WeightFile *weights_read(Arena *a, const char *path, Bytes file);      /* the same for the bytes of a file already in memory */

int weights_like (Bytes file);                  /* does it begin as a file of weights does? */
int weights_exist(Arena *a, const char *path);  /* is there a file, or a folder as diffusers writes them? */

#endif
