/* jpeg_arithmetic.h - the arithmetic coding of JPEG: decisions, and the coefficients made of them.
 *
 * A part of jpeg.c.  Source: ITU-T T.81, annex D, F.1.4, F.2.4 and G.1.3. */
#ifndef JPEG_ARITHMETIC_H
#define JPEG_ARITHMETIC_H
#include <stddef.h>
#include <stdint.h>

enum { ARITHMETIC_TABLES = 4 };

typedef struct {
    const uint8_t **at, *end;           /* the data of the scan; *at moves */
    uint32_t code, interval;            /* C and A */
    int bits;                           /* CT: how many bits of the last byte are not used yet */
    uint8_t half;                       /* the state of a decision of which both outcomes are as probable */
    uint8_t dc[ARITHMETIC_TABLES][64];  /* states of decisions, which learn how probable each outcome is */
    uint8_t ac[ARITHMETIC_TABLES][256];
    uint8_t low[ARITHMETIC_TABLES], high[ARITHMETIC_TABLES];        /* conditioning of DC: L and U */
    uint8_t split[ARITHMETIC_TABLES];                               /* of AC: Kx */
} Arithmetic;

/* The conditioning that holds when a file gives none: L 0, U 1, Kx 5. */
void arithmetic_defaults(Arithmetic *d);

/* Starts at the data from *at to end: of a scan, or behind a restart marker.  All that was learnt is forgotten.  Behind
 * the last data byte, or at a marker, it reads zeros: encoders leave out zeros at the end. */
void arithmetic_begin(Arithmetic *d, const uint8_t **at, const uint8_t *end);

/* A bit of which both values are as probable. */
int arithmetic_bit(Arithmetic *d);

/* The difference of a DC coefficient to the one before.
 *   context   of its component: what the last difference was like; 0 at the start, and updated
 * Returns 0 when the data is broken. */
int arithmetic_difference(Arithmetic *d, int table, int *context, int *difference);

/* The AC coefficients first..last of a block, times 1 << shift.
 *   block   by rows: zeros; order: where the coefficient k stands in it
 * Returns 0 when the data is broken. */
int arithmetic_ac(Arithmetic *d, int table, int16_t *block, const uint8_t *order, int first, int last, int shift);

/* One more bit, 1 << shift, of the AC coefficients first..last. */
int arithmetic_refine_ac(Arithmetic *d, int table, int16_t *block, const uint8_t *order, int first, int last,
                         int shift);

#endif
