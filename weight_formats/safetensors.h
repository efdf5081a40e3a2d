/* safetensors.h - weights by name: reading and writing the safetensors format.
 *
 * Useful copied alone, together with json.[ch], tensor.[ch] and element.[ch]. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "element.h"
#include "files.h"

typedef struct {
    const char   *name;
    const void   *data;         /* little-endian, row-major, not necessarily aligned */
    DType         type;
    size_t        rank;
    const size_t *shape;        /* rank of them */
    size_t        bytes;
} Weight;

typedef struct { const char *key, *value; } Pair;

typedef struct {                /* what any file of weights comes to, whatever its format */
    const char *path;
    Weight     *weight;         /* sorted by name */
    size_t      count;
    Pair       *metadata;
    size_t      pairs;
    size_t      bytes;          /* of the whole file */
} WeightFile;

/* Maps the file and checks all of its header: see safetensors.c for the rules.  Data stay in the
 * mapping, valid until the arena is released below this call.  Fails with file, tensor and reason. */
WeightFile *safetensors_open(Arena *a, const char *path);
/* The same for bytes already in memory; path is only named in messages. */
WeightFile *safetensors_read(Arena *a, const char *path, Bytes file);

/* Tables of weights in the order of their names: made so, and searched (NULL when absent). */
void          weights_sort(Weight *w, size_t count);
void          file_sort   (Arena *a, WeightFile *f);      /* fails when two tensors have one name */
const Weight *weight_named(const Weight *w, size_t count, const char *name);

const Weight *file_weight  (const WeightFile *f, const char *name);     /* NULL when absent */
const char   *file_metadata(const WeightFile *f, const char *key);      /* NULL when absent */

/* Writes by temporary file and rename; order and padding as the reference writer's, so equal input
 * gives equal bytes.  Fails with a message, an existing file untouched. */
void safetensors_save(Arena *a, const char *path, const Weight *weights, size_t count, const Pair *metadata, size_t pairs);

/* Bytes of such a tensor.  NULL, or what is wrong: its dims are multiplied in order, each product checked. */
const char *shape_bytes(DType t, size_t rank, const size_t *shape, size_t *bytes);
size_t      weight_values(const Weight *w);                              /* how many: the product of its shape, which its file's reader has checked */
const char *shape_text(Arena *a, size_t rank, const size_t *shape);      /* "[320,4,3,3]" */

#endif
