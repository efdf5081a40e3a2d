/* gguf.h - GGUF, the weight files of ggml's programs, stable-diffusion.cpp among them. */
#ifndef GGUF_H
#define GGUF_H

#include "files.h"
#include "weight_file.h"

/* Does the file begin as GGUF does? */
int gguf_is(Bytes file);

/* Reads versions 2 and 3, little-endian.  Shapes get PyTorch's order, slowest dim first.  Key-value pairs
 * become metadata, sorted by key; of an array only the length is kept.  Data stay in file, which must outlive the
 * result; they may be quantised (dtype.h).  Fails with path, tensor and reason; gguf.c says what is refused. */
WeightFile *gguf_read(Arena *a, const char *path, Bytes file);

#endif
