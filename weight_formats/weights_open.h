/* weights_open.h - opens any file or folder of weights; its content says which kind it is. */
#ifndef WEIGHTS_OPEN_H
#define WEIGHTS_OPEN_H

#include "files.h"
#include "weight_file.h"

/* Opens a file (safetensors, torch.save's, GGUF) or a folder in diffusers' layout.  The tensors of a folder's parts are
 * called "unet.NAME", "vae.NAME", "text_encoder.NAME".  The result and its data are valid until the arena is released
 * below this call.  Fails with file, tensor and reason; for other kinds of file, with what it is instead. */
const WeightFile *weights_open(Arena *a, const char *path);

/* The same for a file that is already in memory, which must outlive the result.  path is only named in messages. */
const WeightFile *weights_read(Arena *a, const char *path, Bytes file);

/* Does it begin as a weight file does? */
int looks_like_weights(Bytes file);

/* Is there a file, or a folder in diffusers' layout, at this path? */
int weights_exist(Arena *a, const char *path);

#endif
