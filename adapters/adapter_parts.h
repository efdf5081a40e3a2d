/* adapter_parts.h - the parts of an adapter that is trained: which matrices a layer gets, and how they begin. */
#ifndef ADAPTER_PARTS_H
#define ADAPTER_PARTS_H

#include "adapter_file.h"
#include "kernel.h"
#include "random.h"

/* LyCORIS' names of the families that are trained (--network_args "algo=..."). */
typedef enum { ALGO_LORA, ALGO_LOHA, ALGO_LOKR, ALGOS } AdapterAlgo;

extern const char *const adapter_algo_names[];      /* "lora", "loha", "lokr" by AdapterAlgo; NULL after the last */

/* What the parts of a layer are.  LyCORIS, modules/locon.py, loha.py and lokr.py; the fields have its names. */
typedef struct {
    AdapterAlgo algo;
    int   dora_wd;               /* DoRA: a magnitude for each output, or for each input without wd_on_output */
    int   wd_on_output;
    int   factor;                /* LoKr: the smaller side of the first factor; -1: near the square root */
    int   decompose_both;        /* LoKr: the first factor may be a product too */
    int   full_matrix;           /* LoKr: the second factor is never a product */
    int   rs_lora;               /* scale alpha / sqrt(rank) instead of alpha / rank */
} AdapterKind;

/* The two sides that LoKr splits a dimension in, the smaller one first (LyCORIS: factorization). */
void adapter_factorize(size_t dimension, int factor, size_t side[2]);

/* The parts of the layer with weight w, without data, in the arena.  Its part ALPHA holds what a file says, one float.
 * layer: its name; it is kept */
Module adapter_parts(Arena *a, const char *layer, const Weight *w, const AdapterKind *kind, size_t rank, float alpha);

/* The same with the parts, the rank and the scale that a file has for the layer.  Returns NULL, or a message in the
 * arena when they do not fit the layer, or are of a family that is not trained. */
const char *adapter_parts_like(Arena *a, const char *layer, const Weight *w, const Module *from, Module *made);

/* Fills the parts with those that a file has for the layer, and takes its scale.  Returns NULL, or a message in the
 * arena when these are others, or of other shapes. */
const char *adapter_take(Arena *a, Module *to, const Module *from);

/* |dW|, the square root of the sum of squares. */
double adapter_norm(Machine *m, const Module *mod, const Weight *w);

/* Multiplies dW by the ratio, as kohya's trainer and LyCORIS share it out among the parts. */
void adapter_multiply(const Module *mod, double ratio);

/* Once each part has its place: the values at the beginning of training, with which W' = W.  All parts are zero
 * before.  w: the weight of the layer */
void adapter_begin(const Module *mod, const Weight *w, Rng *rng);

#endif
