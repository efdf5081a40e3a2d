/* adapter_weight.h - the weight of a layer with what an adapter changes in it: W' as one function of W for each family.
 *
 * lora.c calls it for files, nn.c for what is trained.  The families are those of adapter_file.h. */
#ifndef ADAPTER_WEIGHT_H
#define ADAPTER_WEIGHT_H

#include "adapter_file.h"
#include "backward.h"

/* Returns NULL when the adapter fits the layer, or a message, in the arena, that says what does not fit.
 * layer: its name, for the message    bias: NULL when the layer has none */
const char *adapter_misfit(Arena *a, const Module *mod, const char *layer, const Weight *w, const Weight *bias);

/* W becomes W':  y, float32 [out, in k k], is overwritten.  inputs: in    strength: of use; 0 changes nothing.
 * The adapter must fit.  Scratch is in m->mem. */
void adapter_change(Machine *m, Matrix y, const Module *mod, size_t inputs, float strength);

/* dW of LoRA, LoHa or LoKr, without DoRA, for a layer with weight w: float32 like w, in m->mem. */
const float *adapter_delta(Machine *m, const Module *mod, const Weight *w);

/* A copy of the weight as float32, in m->mem, as the adapter changes it at strength 1: W' of w. */
const Weight *adapter_changed(Machine *m, const Weight *w, const Module *mod);

/* Backward of adapter_changed(), for LoRA, LoHa and LoKr, with DoRA or without:  adds the gradients of all parts.
 * dw: dL/dW' [out, in k k]; it is overwritten     w: W     to_gradient: the gradient of a part is as many floats behind
 * its value */
void adapter_changed_back(Machine *m, Matrix dw, const Weight *w, const Module *mod, size_t to_gradient);

#endif
