/* hash_weights.h - weight files made from a recipe: see tests/golden.py, which makes the same ones. */
#ifndef HASH_WEIGHTS_H
#define HASH_WEIGHTS_H

#include "../safetensors.h"

/* Writes the file that a recipe (tests/golden/NAME.weights) describes.  Fails with a message. */
void hash_weights(Arena *a, const char *recipe, const char *path);

/* Element i of the tensor of this name, in [-1, 1), before a recipe scales it. */
double hash_value(const char *name, size_t i);

#endif
