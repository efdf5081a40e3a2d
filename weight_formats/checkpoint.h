/* checkpoint.h - the weights of a model, from the files that people have, under one set of names.
 *
 * The names are those of diffusers' modules, behind "unet.", "te." (text encoder), "vae." or "motion." */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "file_kind.h"
#include "weights_open.h"

/* The tensors of several files.  A name is looked for in the file added last, then in those before it: a separate VAE
 * file wins over the VAE in the checkpoint. */
typedef struct Weights Weights;

/* Opens a file or folder and adds its tensors to `below`, which is NULL for the first.
 * Fails when it is of another kind than wanted, with what it is and how it is used instead; when a tensor is not
 * floating point; when two tensors come to one name; when it holds nothing that is used here. */
Weights *weights_add(Arena *a, Weights *below, const char *path, FileKind wanted);

/* The same for the file of an upscaler, under the names of BasicSR's modules behind `prefix`: "upscaler.conv_first". */
Weights *weights_add_upscaler(Arena *a, Weights *below, const char *path, const char *prefix);

/* Adds tensors in memory that have the names already.  They are sorted in place, and must outlive the result. */
Weights *weights_of(Arena *a, Weights *below, Weight *weights, size_t count);

/* Returns the tensor of this name, or NULL when it is absent. */
const Weight *weights_find(const Weights *w, const char *name);

/* Returns the path of the file that the tensor of this name is in; NULL when it is absent, or only in memory. */
const char *weights_path(const Weights *w, const char *name);

/* Returns tensor i = 0, 1, ... of all files, in no useful order, and NULL behind the last. */
const Weight *weights_at(const Weights *w, size_t i);

/* Returns the bytes of all tensors whose names begin with prefix. */
size_t weights_bytes(const Weights *w, const char *prefix);

/* Returns the value of this key in the metadata of the files, or NULL when it is absent. */
const char *weights_metadata(const Weights *w, const char *key);

/* Does the model predict v instead of epsilon?  The answer is in modelspec's metadata, in the empty tensor that ComfyUI
 * looks for, or in the scheduler's configuration of a folder. */
int weights_v_prediction(const Weights *w);

#endif
