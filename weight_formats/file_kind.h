/* file_kind.h - what a weight file is: a checkpoint, a VAE, a motion module, a LoRA, or nothing that is used here. */
#ifndef FILE_KIND_H
#define FILE_KIND_H

#include "weight_file.h"

typedef enum {
    UNKNOWN_FILE, MODEL_FILE, VAE_FILE, MOTION_FILE, LORA_FILE, EMBEDDING_FILE,
    UNSUPPORTED_FILE      /* known by name, but not used here: SDXL, ControlNet, ... */
} FileKind;

/* Tells the kind from the names and shapes of the tensors. */
FileKind file_kind(const WeightFile *f);

/* Returns what the file is, in words: "a Stable Diffusion 1.x checkpoint", "a LoRA", "a file of no kind known here". */
const char *file_kind_name(const WeightFile *f);

/* Fails unless f is of the kind that is wanted: with what it is, and how it is used instead.
 * Where a VAE is wanted, a whole model is accepted too, since it has one. */
void check_file_kind(Arena *a, const WeightFile *f, FileKind wanted);

/* Returns how messages call a file of this kind: "a LoRA". */
const char *kind_name(FileKind kind);

#endif
