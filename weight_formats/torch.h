/* torch.h - weights as torch.save writes them: .ckpt, .pt, .pth, .bin. */
#ifndef TORCH_H
#define TORCH_H

#include "files.h"
#include "weight_file.h"

/* Does the file begin as one of torch.save does?  Yes also for the tar layout, which torch_read refuses by name.
 * The header length of a safetensors file can be the same bytes: ask for that format first. */
int torch_is(Bytes file);

/* Reads the state dict of both layouts: the zip archive, and that of torch before 1.6.  Dicts in dicts become names
 * with dots; numbers and texts in them become metadata.  Data stay in file, which must outlive the result; only tensors
 * that are not contiguous are copied.
 * Fails with path, tensor and reason.  torch.c and pickle.c say what is refused. */
WeightFile *torch_read(Arena *a, const char *path, Bytes file);

#endif
