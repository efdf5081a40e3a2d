/* torch.h - weights as torch.save writes them: .ckpt, .pt, .pth, .bin. */
#ifndef TORCH_H
#define TORCH_H

#include "safetensors.h"

/* Does it begin as such a file does?  The tar layout too, which is then refused by name.  The length at the head of a safetensors
 * file can be the same bytes: ask for those first. */
int torch_is(Bytes file);

/* Reads both layouts: the zip archive, and that of torch before 1.6.  Dicts in dicts become names with dots, numbers and
 * texts among them become metadata.  Data stay in file, but for tensors that are not contiguous there.
 * Fails with path, tensor and reason; see torch.c and pickle.c for what is refused. */
WeightFile *torch_read(Arena *a, const char *path, Bytes file);

#endif
