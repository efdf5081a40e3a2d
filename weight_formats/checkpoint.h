/* checkpoint.h - the files people have, under one set of names: the diffusers module names, after
 *     "unet."   "te." (text encoder)   "vae."   "motion." */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "formats.h"

typedef enum { UNKNOWN_FILE, MODEL_FILE, VAE_FILE, MOTION_FILE, LORA_FILE, EMBEDDING_FILE, UNSUPPORTED_FILE } FileKind;

FileKind    file_kind     (const WeightFile *f);
const char *file_kind_name(const WeightFile *f);         /* "a Stable Diffusion 1.x checkpoint", "a LoRA", ... */

/* Weights of several files; a name is looked for in the file added last, then in those before. */
typedef struct Weights Weights;

/* Opens the file and adds its tensors to `below` (NULL: nothing yet).  Fails when the file is of
 * another kind than wanted, with what it is and how it is used instead. */
Weights *weights_add(Arena *a, Weights *below, const char *path, FileKind wanted);

/* The same for tensors in memory that already have our names; they are sorted in place and must stay. */
Weights *weights_of(Arena *a, Weights *below, Weight *weights, size_t count);

const Weight *weights_find    (const Weights *w, const char *name);     /* NULL when absent */
const Weight *weights_at      (const Weights *w, size_t i);             /* all of them, in no order of use; NULL after the last */
size_t        weights_bytes   (const Weights *w, const char *prefix);   /* of those whose names begin so */
const char   *weights_metadata(const Weights *w, const char *key);      /* NULL when absent */
int           weights_predict_v(const Weights *w);                      /* v, not epsilon: by modelspec's metadata, the empty tensor by which ComfyUI tells, or a folder's scheduler */

/* The pictures that a model was made for, in pixels: what its metadata say (modelspec.resolution), if that can be, or 512 x 512. */
void weights_resolution(const Weights *w, int *width, int *height);

/* Our name of what a single-file checkpoint has after "model.diffusion_model.", which must end with '.' if it is a layer's and not
 * a tensor's; '_' may stand for '.' in it, as in LoRA files.  NULL when it is no such name. */
char *unet_name(Arena *a, const char *text);

#endif
