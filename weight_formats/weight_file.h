/* weight_file.h - what the readers of all formats return: tensors by name, and metadata.
 *
 * Useful copied alone, together with weight_file.c, dtype.[ch] and tensor.[ch]. */
#ifndef WEIGHT_FILE_H
#define WEIGHT_FILE_H

#include "dtype.h"
#include "tensor.h"

/* One named tensor.  It does not own its name, shape and data. */
typedef struct {
    const char   *name;
    const void   *data;         /* [bytes]: little-endian, row-major, perhaps not aligned */
    DType         type;
    size_t        rank;         /* how many dims */
    const size_t *shape;        /* [rank], slowest dim first, as in PyTorch */
    size_t        bytes;
} Weight;

/* One entry of a file's metadata. */
typedef struct { const char *key, *value; } KeyValue;

/* The state dict of a file.  All of it lives in the arena that it was read into; data may be a mapping of the file. */
typedef struct {
    const char *path;           /* for messages */
    Weight     *weight;         /* [count], sorted by name */
    size_t      count;
    KeyValue   *metadata;       /* [pairs], in the file's order; those of GGUF are sorted */
    size_t      pairs;
    size_t      bytes;          /* size of the whole file */
} WeightFile;

/* ---- tables of weights ------------------------------------------------------------------------ */

/* Sorts a table by name. */
void weights_sort(Weight *w, size_t count);

/* Finds a name by binary search in a sorted table.  Returns NULL when it is absent. */
const Weight *weight_named(const Weight *w, size_t count, const char *name);

/* Sorts the tensors of a file.  Fails with path and name when two have the same name. */
void file_sort(Arena *a, WeightFile *f);

/* Returns the tensor of this name, or NULL when it is absent. */
const Weight *file_weight(const WeightFile *f, const char *name);

/* Returns the value of this metadata key, the first if there are several, or NULL when it is absent. */
const char *file_metadata(const WeightFile *f, const char *key);

/* ---- shapes ----------------------------------------------------------------------------------- */

/* Writes the size in bytes of a tensor.  Returns NULL, or in words what is wrong: the dims are multiplied in order, and
 * each product is checked for overflow. */
const char *shape_bytes(DType t, size_t rank, const size_t *shape, size_t *bytes);

/* Returns the number of elements (numel).  The reader of the file has checked that the product does not overflow. */
size_t weight_numel(const Weight *w);

/* Returns the shape of a tensor as text, "[320,4,3,3]", in the arena. */
const char *shape_text(Arena *a, const Weight *w);

#endif
