/* upscaler.h - networks that make a finished picture larger: SRVGGNetCompact and RRDBNet.
 *
 * References: Real-ESRGAN (X. Wang et al., 2021), realesrgan/archs/srvgg_arch.py; ESRGAN (X. Wang et al., 2018) and
 * BasicSR, basicsr/archs/rrdbnet_arch.py. */
#ifndef UPSCALER_H
#define UPSCALER_H

#include "nn.h"

enum { COMPACT_TILE = 768, RRDB_TILE = 192 };    /* sides of the tiles that upscale() works in, in pixels of x */

/* What the weights of an upscaler say.
 * prefix:      its tensors are called so, "upscaler."
 * scale:       the picture becomes so many times as large
 * blocks:      SRVGGNetCompact: convolutions between the first and the last; RRDBNet: its RRDBs
 * is_prelu:    SRVGGNetCompact: the activation is PReLU, else ReLU
 * ups:         RRDBNet: how often the features are doubled
 * unshuffle:   RRDBNet: the picture is made so many times smaller before, with its pixels as channels; 1: it is not */
typedef struct {
    const char *prefix;
    int is_rrdb, scale, blocks, is_prelu, ups, unshuffle;
} Upscaler;

/* Reads it from r->weights.  Fails, with the name of the file, where this is neither of the two networks, or where its
 * scale is not 1, 2, 3, 4 or 8. */
Upscaler upscaler_of(Run *r, const char *prefix);

/* "SRVGGNetCompact of 16 convolutions, 4x", "RRDBNet of 23 blocks, 2x" */
const char *upscaler_said(Arena *a, const Upscaler *u);

/* x: one picture [1,h,w,3], RGB in 0..1 -> [1,scale h,scale w,3], about 0..1, not clamped, in the arena.
 * It works in tiles of `tile` pixels a side, or in one with tile 0, so the memory is bounded.  Fails as nn.h says. */
Tensor upscale(Run *r, const Upscaler *u, Tensor x, int tile);

#endif
