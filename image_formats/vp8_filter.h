/* vp8_filter.h - the loop filter of VP8, which smooths the edges of blocks.  Source: RFC 6386, 15. */
#ifndef VP8_FILTER_H
#define VP8_FILTER_H

#include <stddef.h>
#include <stdint.h>

/* How strongly a macroblock is filtered; limits of differences between samples.
 *   edge       above this a step is kept: it belongs to the picture; 0: no filtering
 *   interior   the same for samples on one side of the edge
 *   variance   above this the block has detail, which is kept */
typedef struct { int edge, interior, variance; } Vp8Strength;

/* level: 0..63; sharpness: 0..7 */
Vp8Strength vp8_strength(int level, int sharpness);

/* Filters a macroblock's edges: to the left (when has_left), inside it at every fourth sample (when has_inside), above
 * it (when has_top), inside it.
 *   p      its first sample, [size, size], size 16 or 8
 *   is_simple   the simple filter, which looks at two samples on each side, else at four */
void vp8_filter(uint8_t *p, size_t stride, int size, int is_simple, Vp8Strength s,
                int has_left, int has_top, int has_inside);

#endif
