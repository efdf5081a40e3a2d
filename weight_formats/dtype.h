/* dtype.h - the dtypes of tensors in weight files: their names, their sizes, and their values as float32.
 *
 * Useful copied alone, together with dtype.c.  Needs nothing else of this project. */
#ifndef DTYPE_H
#define DTYPE_H

#include <stddef.h>
#include <stdint.h>

/* ---- 16-bit floats ---------------------------------------------------------------------------- */

/* Reads an IEEE 754 binary16 (F16).  The result is exact; subnormals, infinities and NaN are kept. */
float    half_to_float(uint16_t h);
/* Rounds to nearest, ties to even.  What would round to more than 65504 becomes infinity. */
uint16_t float_to_half(float f);
/* Reads a bfloat16 (BF16), which is the upper half of a float32.  The result is exact. */
float    bf16_to_float(uint16_t b);
/* Rounds to nearest, ties to even. */
uint16_t float_to_bf16(float f);

/* ---- dtypes ----------------------------------------------------------------------------------- */

/* The dtypes of the safetensors format come first, in the order of the reference implementation (narrow to wide).
 * Then come the block quantisation types of ggml: values in blocks of 32 that share a scale,
 * and the "K" types, in super-blocks of 256 whose 8 or 16 groups have a small scale of their own. */
typedef enum {
    BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ,
    I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64, SAFETENSORS_DTYPES,
    Q4_0 = SAFETENSORS_DTYPES, Q4_1, Q5_0, Q5_1, Q8_0,
    Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, DTYPES
} DType;

/* Returns the name as it is written above: "F16". */
const char *dtype_name(DType t);

/* Is it floating point (quantised blocks included), as the weights of a layer must be? */
int dtype_is_float(DType t);

/* Is it floating point or integer?  No for BOOL, complex, and the small floats that are not read here. */
int dtype_is_number(DType t);

/* Writes the size of n elements.  Returns 0, and writes nothing, when the size overflows,
 * or when n elements do not fill whole bytes and whole blocks. */
int dtype_bytes(DType t, size_t n, size_t *bytes);

/* Converts elements i .. i+n-1 of data to float32 (dequantises them): out is [n].
 * Integers are rounded to float32.  Dtypes that are no number give zeros.  data may be unaligned.
 * Does not fail; the caller has checked with dtype_bytes that data are long enough. */
void dtype_to_float(float *out, const void *data, DType t, size_t i, size_t n);

/* Returns element i of data as float32. */
float dtype_value(const void *data, DType t, size_t i);

#endif
