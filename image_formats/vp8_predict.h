/* vp8_predict.h - the samples of VP8: intra prediction and the inverse transforms.  Source: RFC 6386, 12 and 14. */
#ifndef VP8_PREDICT_H
#define VP8_PREDICT_H

#include "vp8_tables.h"
#include <stddef.h>

/* Predicts a block of size x size samples, 16 or 8, from the row above and the column to the left.
 *   p                  its first sample; rows are `stride` apart
 *   mode               DC_PRED, TM_PRED, V_PRED or H_PRED
 *   has_top, has_left  whether there is something above and to the left, inside the picture */
void vp8_predict_large(uint8_t *p, size_t stride, int size, Vp8Mode mode, int has_top, int has_left);

/* Predicts a block of 4 x 4 samples, in any mode.
 *   top_right   the 4 samples that follow those above it */
void vp8_predict_4x4(uint8_t *p, size_t stride, Vp8Mode mode, int has_top, int has_left, const uint8_t *top_right);

/* Adds the inverse DCT of 16 coefficients, by rows, to a block of 4 x 4 samples. */
void vp8_add_block(const int16_t *coefficients, uint8_t *p, size_t stride);

/* The inverse Walsh-Hadamard transform of 16 coefficients: the first coefficient of each of 16 blocks.
 * out: [16], 16 numbers apart */
void vp8_inverse_wht(const int16_t *coefficients, int16_t *out);

#endif
