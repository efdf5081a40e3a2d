/* adapter_file.h - a file of adapters, opened and checked: what it holds for each layer, and how to make dW from it.
 *
 * lora.c applies it, and adapter_report.c describes it. */
#ifndef ADAPTER_FILE_H
#define ADAPTER_FILE_H

#include "adapter_names.h"
#include "adapter_rotation.h"
#include "adapter_strength.h"
#include "job.h"
#include "json.h"
#include "safetensors.h"

enum { ADAPTER_FAMILIES = 12, LARGEST_SIDE_OF_A_WEIGHT = 1 << 20 };

/* A matrix of the file: given whole, or as left right, or as left core right (Tucker decomposition).  Each is the
 * part that holds it, NO_PART where the family has no such part. */
typedef struct { AdapterPart whole, left, right, core; } Factor;

/* How a family changes a weight: W' of W and at most two matrices.
 *     SUM:        W' = W + dW,  dW = second                                 LoRA, LoCon; a full difference
 *     HADAMARD:                 dW = first * second, element by element     LoHa
 *     KRONECKER:                dW = first (x) second                       LoKr
 *     OF_WEIGHT:                dW = W first + second                       GLoRA
 *     SCALING:                  dW = W scaled by `second`, row by row or column by column     (IA)^3
 *     ROTATION:   W' = W rotated in blocks (adapter_rotation.h)             OFT, BOFT
 * left is [out,r] and right [r,in..]; a core is [r,r,k,k].  left_transposed: with a core, left is stored as [r,out].
 * For a SCALING and a ROTATION the tensor is the whole of `second`. */
typedef enum { SUM, HADAMARD, KRONECKER, OF_WEIGHT, SCALING, ROTATION } Combination;
struct Module;
typedef struct {
    const char *name;
    Factor      first, second;
    Combination combination;
    int         left_transposed;
    int       (*is_other)(const struct Module *m);   /* are its parts those of another row?  NULL: never */
} Family;

/* rank: the inner size of the product, 0 for a whole matrix */
typedef struct { size_t rows, columns, rank; } Extent;

/* What the file holds for one layer. */
typedef struct Module {
    const char   *layer;                   /* its flat name, see adapter_names.h */
    const Weight *part[PARTS];             /* NULL: absent, as part[NO_PART] always is */
    const Family *family;                  /* NULL: only a difference of the bias */
    Extent        first, second, all;      /* of the two matrices, and of dW */
    float         scale;                   /* alpha / rank */
    Rotation      rotation;                /* of a ROTATION */
    int           on_input;                /* of a SCALING: it scales the columns */
    int           applied;                 /* a layer has asked for it */
} Module;

typedef struct LoraFile {
    const WeightFile *file;
    LoraUse           use;
    LoraStrength      strength;            /* what `use` says */
    const LoraMoment     *moment;              /* where the run is */
    Json              config;              /* PEFT's configuration; its .at is NULL when the file has none */
    Module           *module;              /* sorted by layer */
    size_t            modules;
    const char      **unknown;             /* names of tensors with an ending that adapter_names.c does not know */
    size_t            unknowns;
} LoraFile;

/* Opens and checks a file.  Fails when it is no adapter, when a part is missing, when shapes or ranks do not fit
 * together, or when one layer has parts of two families. */
LoraFile    adapter_open(Arena *a, LoraUse use);

/* Finds the family of a module by its parts, and the sizes of its matrices.  Fails when parts are missing or do not fit
 * together.  path: for the message */
void        adapter_measure(Arena *a, const char *path, Module *m);

/* What the file holds for the layer of this flat name; NULL when it holds nothing.  It counts as applied from then
 * on. */
Module     *adapter_module(const LoraFile *f, const char *flat);

/* The strength in use for this layer, at this moment: that of the text encoder, or that of UNet and motion module.
 * Where it changes with the frames, all of it but that. */
float       adapter_strength(const LoraFile *f, const Module *m);

/* Is it a plain low-rank pair, which runs beside its layer? */
int         adapter_is_pair(const Module *m);

/* Any of its tensors, to name it by. */
const Weight *adapter_some_part(const Module *m);

/* DoRA's lengths, by either name; NULL: the layer has none. */
const Weight *adapter_magnitude(const Module *m);

const Family *adapter_family(size_t i);      /* i < ADAPTER_FAMILIES */

/* The number of values that belong to one output of a weight. */
size_t      values_per_output(const Weight *w);

#endif
