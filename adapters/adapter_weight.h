/* adapter_weight.h - the weight of a layer with what an adapter changes in it: W' as one function of W for each family.
 *
 * lora.c calls it for files.  The families are those of adapter_file.h. */
#ifndef ADAPTER_WEIGHT_H
#define ADAPTER_WEIGHT_H

#include "adapter_file.h"
#include "kernel.h"

/* Returns NULL when the adapter fits the layer, or a message, in the arena, that says what does not fit.
 * layer: its name, for the message    bias: NULL when the layer has none */
const char *adapter_misfit(Arena *a, const Module *mod, const char *layer, const Weight *w, const Weight *bias);

/* W becomes W':  y, float32 [out, in k k], is overwritten.  inputs: in    strength: of use; 0 changes nothing.
 * The adapter must fit.  Scratch is in m->mem. */
void adapter_change(Machine *m, Matrix y, const Module *mod, size_t inputs, float strength);

#endif
