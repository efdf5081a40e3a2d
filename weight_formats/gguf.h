/* gguf.h - weights as ggml's programs write them, stable-diffusion.cpp among them (ggml, docs/gguf.md). */
#ifndef GGUF_H
#define GGUF_H

#include "safetensors.h"

int gguf_is(Bytes file);

/* Versions 2 and 3, little-endian.  Shapes come in our order, slowest first.  Single values become metadata.
 * Data stay in file.  Fails with path, tensor and reason; see gguf.c. */
WeightFile *gguf_read(Arena *a, const char *path, Bytes file);

#endif
