/* pack.h - weights as float32, laid out for the micro-kernel; numbers rounded to bf16.  For the kernels only.
 *
 * A panel is the right side of the micro-kernel's product, b[k][NR]: for each of the k steps of a sum, NR filters
 * beside each other.  In bf16 a panel holds pairs: the place of one float has the numbers of two steps, and there are
 * (k + 1) / 2 rows. */
#ifndef PACK_H
#define PACK_H

#include "kernel.h"
#include "vector.h"

/* Elements first .. first + count - 1 of w, whatever their type, as float32. */
void upcast(float *out, const Weight *w, size_t first, size_t count);

/* All n elements of w as float32, allocated in m's arena.  NULL stays NULL. */
float *upcast_vector(Machine *m, const Weight *w, size_t n);

/* What pack_weights() packs: NR filters (outputs) by some channels (inputs) of one weight, with all taps.
 * A tap is one of the k x k positions in the kernel of a convolution; a linear layer has one. */
typedef struct {
    const Weight *w;            /* [out,in] or [out,in,k,k] */
    size_t        filter;       /* the first of the NR filters; those past the last one are packed as zeros */
    size_t        channel, channels;      /* the first of the channels, and how many */
    int           tap_major;    /* channel i and tap t are row t * channels + i of the panel; else row i * taps + t */
    int           transposed;   /* w is [in,out] or [in,out,k,k], and its taps are in reverse order: see Conv */
} WeightBlock;

/* Writes panel: [taps * channels][NR]. */
void pack_weights(float *panel, const WeightBlock *block);

/* Rounds n float32 numbers to bf16, and writes zeros up to the next whole vector.  `to` may be x itself. */
void bf16_row(void *to, const float *x, size_t n);

/* Rounds a panel [k][NR] to pairs [(k + 1) / 2][NR], in the first half of the same memory.  With an odd k, the second
 * number of the last pairs is 0. */
void bf16_panel(float *panel, size_t k);

/* How many rows a panel has for k steps of the sum. */
static inline size_t packed_steps(size_t k, int bf16) { return bf16 ? (k + 1) / 2 : k; }

#endif
