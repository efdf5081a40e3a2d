/* hash_weights.h - weight files made from a recipe: see tests/golden.py, which makes the same ones. */
#ifndef HASH_WEIGHTS_H
#define HASH_WEIGHTS_H

#include "safetensors.h"

/* Writes the file that a recipe (tests/golden/NAME.weights) describes.  Fails with a message. */
void hash_weights(Arena *a, const char *recipe, const char *path);

/* Its tensors in memory, in the order of its lines; and one of them rounded to another type (F64, fp8, Q8_0). */
Weight *hash_recipe(Arena *a, const char *recipe, size_t *count);
Weight  hash_as    (Arena *a, Weight w, DType type);

/* Writes into the folder the files that a shell (tests/golden/formats/NAME.shell) is of: see tests/golden_formats.py.
 * */
void hash_shell(Arena *a, const char *shell, const char *folder);

/* Element i of the tensor of this name, in [-1, 1), before a recipe scales it. */
double hash_value(const char *name, size_t i);

#endif
