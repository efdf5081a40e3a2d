/* file_kind.h - what a weight file is: a checkpoint, a VAE, a motion module, a LoRA, or nothing that is used here. */
#ifndef FILE_KIND_H
#define FILE_KIND_H

#include "known_kinds.h"
#include "weight_file.h"

/* What a file is.
 * name:    in words: "a Stable Diffusion 1.x checkpoint", "a LoRA", "a file of no kind known here"
 * base:    the model that it is or is made for, by its tensors and its metadata: "SDXL"; NULL: they do not say
 * purpose: what such a file is for; NULL: not known
 * advice:  how it is used here, or what to take instead; NULL: not known */
typedef struct { FileKind kind; const char *name, *base, *purpose, *advice; } FileAbout;

/* Tells what f is, from the names and shapes of its tensors, and from its metadata.  Valid as long as f. */
FileAbout file_about(const WeightFile *f);

/* Are models of this base drawn with here?  base: of file_about(); NULL, not known, counts as one that may be. */
int base_is_used(const char *base);

/* The kind and the name alone. */
FileKind file_kind(const WeightFile *f);
const char *file_kind_name(const WeightFile *f);

/* "a LoRA for SDXL": the name, with the base unless the name says it already.  In the arena. */
const char *file_in_words(Arena *a, FileAbout about);

/* Fails unless f is of the kind that is wanted: with what it is, and how it is used instead.
 * Where a VAE is wanted, a whole model is accepted too, since it has one. */
void check_file_kind(Arena *a, const WeightFile *f, FileKind wanted);

/* Returns how messages call a file of this kind: "a LoRA". */
const char *kind_name(FileKind kind);

#endif
