/* dialect.h - what files of adapters call things: what a tensor is, and for which layer. */
#ifndef DIALECT_H
#define DIALECT_H

#include "tensor.h"

typedef enum {
    NONE, DOWN, UP, MID, HADA_1A, HADA_1B, HADA_T1, HADA_2A, HADA_2B, HADA_T2,
    LOKR_1, LOKR_1A, LOKR_1B, LOKR_2, LOKR_2A, LOKR_2B, LOKR_T2, DIFF, DIFF_B, SCALE, MAGNITUDE, ALPHA, PARTS
} Part;

Part        part_of  (const char *tensor, size_t *stem);      /* NONE: its ending is not known; stem: how much of the name is its layer's */
const char *part_name(Part part);                             /* one of its endings, without the dot */

/* Any spelling of a layer, n bytes of it -> its flat name: "unet_", "te_" or "motion_", then the diffusers path with '_' for '.' */
char *flat_name(Arena *a, const char *name, size_t n);
/* The same of a name of ours, "unet.down_blocks.0...." */
char *flat_layer(Arena *a, const char *layer);

#endif
