/* adapter_rotation.h - OFT and BOFT: the rotations that an adapter file holds for a layer. */
#ifndef ADAPTER_ROTATION_H
#define ADAPTER_ROTATION_H

#include "adapter_names.h"
#include "weight_file.h"

/* Rotations R of blocks of rows of a weight, or of blocks of its columns.  stage by stage, with W as the weight or as
 * the weight transposed:
 *
 *     (block j of W)' = R[stage][j] (block j of W)
 *
 * butterfly: before stage i the rows are taken in another order, and put back after it: with k = size / 2 * 2^i and
 * rows numbered (c, g, k') where g is 0 or 1 and k' < k, the new order is (c, k', g) (BOFT). */
typedef struct {
    const float *block;          /* [stages][blocks][size][size], in the arena; NULL: there is no rotation */
    size_t       stages, blocks, size;
    int          of_columns;     /* PEFT's: the columns of the weight are rotated */
    int          shared;         /* blocks is 1, and all blocks of the weight share it */
    int          butterfly;
} Rotation;

/* What the rotations are limited to, and how they are computed. */
typedef struct {
    double limit;                /* on |Q| over all blocks; 0: none */
    double block_limit;          /* on the |Q| of each block; 0: none */
    int    terms;                /* of Neumann's series; 0: Cayley's transform itself */
} RotationLimits;

/* The rotations that a tensor of this part stands for.  Fails when its shape is none of such a tensor. */
Rotation adapter_rotation(Arena *a, const char *path, AdapterPart part, const Weight *w, RotationLimits limits);

#endif
