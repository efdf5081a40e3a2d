/* safetensors.h - reading and writing the safetensors format.
 *
 * Useful copied alone, together with safetensors.c, json.[ch], weight_file.[ch], dtype.[ch] and tensor.[ch]. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "files.h"
#include "weight_file.h"

/* Maps the file into memory and checks all of its header; safetensors.c lists the rules.  The data of the tensors are
 * not read: they stay in the mapping, valid until the arena is released below this call.
 * Fails with file, tensor and reason. */
WeightFile *safetensors_open(Arena *a, const char *path);

/* The same for a file that is already in memory, which must outlive the result.  path is only named in messages. */
WeightFile *safetensors_read(Arena *a, const char *path, Bytes file);

/* Writes a file through a temporary one that is renamed, tensor by tensor, in little memory.  Order and padding are
 * those of the reference writer, so the same tensors give the same bytes.  weights: [count], metadata: [pairs].
 * Fails with a message; then a file that existed is untouched. */
void safetensors_save(Arena *a, const char *path, const Weight *weights, size_t count,
                      const KeyValue *metadata, size_t pairs);

/* The same for tensors that are float32 in memory and F16 in the file: type and bytes of each are those in the file. */
void safetensors_save_halves(Arena *a, const char *path, const Weight *weights, size_t count,
                             const KeyValue *metadata, size_t pairs);

#endif
