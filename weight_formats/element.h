/* element.h - the types of number that files of weights hold: halves, blocks, and how each becomes floats. */
#ifndef ELEMENT_H
#define ELEMENT_H

#include <stddef.h>
#include <stdint.h>

/* ---- half floats ------------------------------------------------------------------------------ */

float    half_to_float(uint16_t h);    /* IEEE binary16, exact, infinities and NaN kept */
uint16_t float_to_half(float f);       /* rounds to nearest even; past 65504 to infinity */
float    bf16_to_float(uint16_t b);
uint16_t float_to_bf16(float f);       /* rounds to nearest even */

/* ---- elements: the types of number that files of weights hold --------------------------------- */

typedef enum {
    BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ,
    I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64, SAFETENSORS_DTYPES,
    Q4_0 = SAFETENSORS_DTYPES, Q4_1, Q5_0, Q5_1, Q8_0,                  /* ggml's: 32 values share a scale */
    Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, DTYPES                                /* ggml's: 256 share one, of which 16 or 32 have a small one of their own */
} DType;

const char *dtype_name    (DType t);
int         dtype_is_float(DType t);     /* can a layer's weights be such? */
int         dtype_is_number(DType t);    /* or at least a single value, as an integer can? */
/* Bytes of n elements; fails to (returns 0) when they are too many to count or end inside a byte or block. */
int         dtype_bytes   (DType t, size_t n, size_t *bytes);
/* Elements i .. i+n-1 of such data, as floats.  Integers count as numbers; types that are no numbers give 0. */
void        dtype_widen   (float *out, const void *data, DType t, size_t i, size_t n);
float       dtype_value   (const void *data, DType t, size_t i);

#endif
