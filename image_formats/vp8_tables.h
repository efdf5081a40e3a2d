/* vp8_tables.h - the tables of VP8: probabilities and quantizers.  Source: RFC 6386. */
#ifndef VP8_TABLES_H
#define VP8_TABLES_H
#include <stdint.h>

/* How a block is predicted (RFC 6386, 8.2 and 11.2).  Blocks of 4 x 4 have all of these modes, larger ones the first
 * four. */
typedef enum {
    DC_PRED, TM_PRED, V_PRED, H_PRED, B_RD_PRED, B_VR_PRED, B_LD_PRED, B_VL_PRED, B_HD_PRED, B_HU_PRED, VP8_MODES
} Vp8Mode;

/* By the quantizer index: the factor of the first coefficient, and of the others. */
extern const uint16_t vp8_dc_quantizer[128];
extern const uint16_t vp8_ac_quantizer[128];

/* Of the modes of a 4 x 4 block: [mode above][mode to the left][node of the tree of modes] */
extern const uint8_t vp8_mode_probability[VP8_MODES][VP8_MODES][VP8_MODES - 1];

/* Of coefficients: [type of block][band][what the one before was][node of the tree of tokens] */
extern const uint8_t vp8_coefficient_probability[4][8][3][11];

/* That the file replaces them. */
extern const uint8_t vp8_update_probability[4][8][3][11];

#endif
