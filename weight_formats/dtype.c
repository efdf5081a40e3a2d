/* dtype.c - the dtypes of tensors in weight files, and their values as float32.
 *
 * Small floats (F16, F8_E4M3) are shifted so that exponent and mantissa stand where a float32 has them, and multiplied
 * by a power of two because the exponent's bias differs.  This is exact, subnormals included.
 *
 * ggml's quantisation blocks (ggml, src/ggml-common.h and ggml-quants.c).  The number behind ':' is a size in bytes,
 * d, m and dmin are float16, q are the quantised values:
 *
 *     a block of 32 values                                              value
 *     Q4_0   d:2  q:16                                                  d * (q - 8)
 *     Q4_1   d:2  m:2  q:16                                             d * q + m
 *     Q5_0   d:2  fifth bits:4  q:16                                    d * (q - 16)
 *     Q5_1   d:2  m:2  fifth bits:4  q:16                               d * q + m
 *     Q8_0   d:2  q:32                                                  d * q
 *     a super-block of 256 values
 *     Q2_K   scales, mins:16  q:64  d:2  dmin:2                         d * scale * q - dmin * min
 *     Q3_K   third bits:32  q:64  scales:12  d:2                        d * (scale - 32) * (q - 4)
 *     Q4_K   d:2  dmin:2  scales, mins:12  q:128                        d * scale * q - dmin * min
 *     Q5_K   d:2  dmin:2  scales, mins:12  fifth bits:32  q:128         d * scale * q - dmin * min
 *     Q6_K   low four bits:128  high two bits:64  scales:16  d:2        d * scale * (q - 32)
 *
 * Nothing here fails or checks a length: the caller asks dtype_bytes first.  Dtypes without numbers read as zeros. */
#include "dtype.h"

#include <string.h>

/* ---- 16-bit floats ---------------------------------------------------------------------------- */

static float bits_to_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint32_t float_to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* The exponent's bias is 127 in a float32 and 15 in a half, so a shifted half reads 2^112 times too small. */
float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t rest = (uint32_t)(h & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) return bits_to_float(sign | 0x70000000u | rest);      /* infinity, NaN */
    return bits_to_float(sign | float_to_bits(bits_to_float(rest) * 0x1p112f));
}

uint16_t float_to_half(float f)
{
    uint32_t u = float_to_bits(f);
    uint32_t sign = u >> 16 & 0x8000u;
    uint32_t magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);                /* NaN */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);               /* rounds to more than 65504 */
    if (magnitude < 0x38800000u) {
        /* A subnormal half counts units of 2^-24, which is the spacing of floats at 0.5: the addition rounds. */
        float units = bits_to_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (float_to_bits(units) - 0x3f000000u));
    }
    /* 13 bits of the mantissa go.  Adding 0xfff, and 1 more when the last bit kept is 1, rounds ties to even. */
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

float bf16_to_float(uint16_t b) { return bits_to_float((uint32_t)b << 16); }

uint16_t float_to_bf16(float f)
{
    uint32_t u = float_to_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);       /* NaN stays NaN */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* ---- the table of dtypes ---------------------------------------------------------------------- */

enum { BLOCK = 32, SUPER_BLOCK = 256, GROUP = 16 };      /* values */

typedef enum { NO_NUMBER, INTEGER, FLOAT } NumberKind;

/* `values` elements together take `bits`. */
typedef struct { const char *name; unsigned bits, values; NumberKind kind; } DTypeInfo;

#define ELEMENT(dtype, its_bits, its_kind) \
    [dtype] = { .name = #dtype, .bits = its_bits, .values = 1, .kind = its_kind }
#define QUANTISED(dtype, its_bytes, its_values) \
    [dtype] = { .name = #dtype, .bits = 8 * its_bytes, .values = its_values, .kind = FLOAT }

static const DTypeInfo dtypes[DTYPES] = {
    ELEMENT(BOOL,        8,  NO_NUMBER),
    ELEMENT(F4,          4,  NO_NUMBER),
    ELEMENT(F6_E2M3,     6,  NO_NUMBER),
    ELEMENT(F6_E3M2,     6,  NO_NUMBER),
    ELEMENT(U8,          8,  INTEGER),
    ELEMENT(I8,          8,  INTEGER),
    ELEMENT(F8_E5M2,     8,  FLOAT),
    ELEMENT(F8_E4M3,     8,  FLOAT),
    ELEMENT(F8_E8M0,     8,  NO_NUMBER),
    ELEMENT(F8_E4M3FNUZ, 8,  NO_NUMBER),
    ELEMENT(F8_E5M2FNUZ, 8,  NO_NUMBER),
    ELEMENT(I16,         16, INTEGER),
    ELEMENT(U16,         16, INTEGER),
    ELEMENT(F16,         16, FLOAT),
    ELEMENT(BF16,        16, FLOAT),
    ELEMENT(I32,         32, INTEGER),
    ELEMENT(U32,         32, INTEGER),
    ELEMENT(F32,         32, FLOAT),
    ELEMENT(C64,         64, NO_NUMBER),
    ELEMENT(F64,         64, FLOAT),
    ELEMENT(I64,         64, INTEGER),
    ELEMENT(U64,         64, INTEGER),
    QUANTISED(Q4_0, 18,  BLOCK),
    QUANTISED(Q4_1, 20,  BLOCK),
    QUANTISED(Q5_0, 22,  BLOCK),
    QUANTISED(Q5_1, 24,  BLOCK),
    QUANTISED(Q8_0, 34,  BLOCK),
    QUANTISED(Q2_K, 84,  SUPER_BLOCK),
    QUANTISED(Q3_K, 110, SUPER_BLOCK),
    QUANTISED(Q4_K, 144, SUPER_BLOCK),
    QUANTISED(Q5_K, 176, SUPER_BLOCK),
    QUANTISED(Q6_K, 210, SUPER_BLOCK),
};

#undef ELEMENT
#undef QUANTISED

const char *dtype_name(DType t) { return dtypes[t].name; }
int dtype_is_float(DType t)     { return dtypes[t].kind == FLOAT; }
int dtype_is_number(DType t)    { return dtypes[t].kind != NO_NUMBER; }

int dtype_bytes(DType t, size_t n, size_t *bytes)
{
    size_t blocks = n / dtypes[t].values;
    size_t bits = dtypes[t].bits;
    if (n % dtypes[t].values) return 0;
    if (blocks > SIZE_MAX / bits) return 0;
    if (blocks * bits % 8) return 0;
    *bytes = blocks * bits / 8;
    return 1;
}

/* F8_E4M3: four bits of exponent with bias 7, three of mantissa.  It has no infinity; all ones is NaN.
 * Shifted, it reads as a float 2^120 times too small, as 127 - 7 = 120. */
static float e4m3_to_float(unsigned b)
{
    uint32_t sign = (b & 0x80u) << 24;
    uint32_t rest = (b & 0x7fu) << 20;
    if (rest == 0x7f00000u) return bits_to_float(sign | 0x7fc00000u);
    return bits_to_float(sign | float_to_bits(bits_to_float(rest) * 0x1p120f));
}

/* F8_E5M2 is a half without its last eight bits. */
static float e5m2_to_float(unsigned b) { return half_to_float((uint16_t)(b << 8)); }

/* ---- blocks of 32 values: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 -------------------------------------------- */

static float half_at(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

/* Byte k holds the low four bits of value k (in its low half) and of value k + 16 (in its high half). */
static int low_four_bits(const unsigned char *q, int i)
{
    if (i < BLOCK / 2) return q[i] & 15;
    return q[i - BLOCK / 2] >> 4;
}

/* Puts the fifth bits to the low four: that of value i is bit i of the 32 in front of q. */
static void five_bits(int out[BLOCK], const unsigned char *p)
{
    uint32_t fifth;
    memcpy(&fifth, p, 4);
    for (int i = 0; i < BLOCK; i++) out[i] = low_four_bits(p + 4, i) | (int)(fifth >> i & 1) << 4;
}

static void dequantise_q4_0(float out[BLOCK], const unsigned char *p)
{
    float d = half_at(p);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(low_four_bits(p + 2, i) - 8);
}

static void dequantise_q4_1(float out[BLOCK], const unsigned char *p)
{
    float d = half_at(p);
    float m = half_at(p + 2);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)low_four_bits(p + 4, i) + m;
}

static void dequantise_q5_0(float out[BLOCK], const unsigned char *p)
{
    int q[BLOCK];
    float d = half_at(p);
    five_bits(q, p + 2);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(q[i] - 16);
}

static void dequantise_q5_1(float out[BLOCK], const unsigned char *p)
{
    int q[BLOCK];
    float d = half_at(p);
    float m = half_at(p + 2);
    five_bits(q, p + 4);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)q[i] + m;
}

static void dequantise_q8_0(float out[BLOCK], const unsigned char *p)
{
    float d = half_at(p);
    for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(signed char)p[2 + i];
}

static void dequantise_block(float out[BLOCK], const unsigned char *p, DType t)
{
    switch (t) {
    case Q4_0: dequantise_q4_0(out, p); return;
    case Q4_1: dequantise_q4_1(out, p); return;
    case Q5_0: dequantise_q5_0(out, p); return;
    case Q5_1: dequantise_q5_1(out, p); return;
    default:   dequantise_q8_0(out, p);
    }
}

/* ---- super-blocks of 256 values: Q2_K Q3_K Q4_K Q5_K Q6_K -------------------------------------
 *
 * p is the super-block.  Each function converts group g of 16 values, g = 0 .. 15.
 * The bits of q are interleaved: one byte holds the same bits of values that are 32 apart.  So the 16 values of a
 * group stand in 16 consecutive bytes, all at the same shift. */

static void dequantise_q2_k(float out[GROUP], const unsigned char *p, int g)
{
    const unsigned char *q = p + 16 + g / 8 * 32 + g % 2 * GROUP;
    int shift = g / 2 % 4 * 2;
    float d = half_at(p + 80) * (float)(p[g] & 15);
    float m = half_at(p + 82) * (float)(p[g] >> 4);
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(q[i] >> shift & 3) - m;
}

/* A scale has six bits: the low four are in the first eight bytes of the scales, the high two in the last four. */
static void dequantise_q3_k(float out[GROUP], const unsigned char *p, int g)
{
    const unsigned char *third = p + g % 2 * GROUP;
    const unsigned char *q = p + 32 + g / 8 * 32 + g % 2 * GROUP;
    const unsigned char *scales = p + 96;
    int shift = g / 2 % 4 * 2;
    int scale = (scales[g % 8] >> g / 8 * 4 & 15) | (scales[8 + g % 4] >> g / 4 * 2 & 3) << 4;
    float d = half_at(p + 108) * (float)(scale - 32);
    for (int i = 0; i < GROUP; i++) {
        int value = (q[i] >> shift & 3) | (third[i] >> g / 2 & 1) << 2;
        out[i] = d * (float)(value - 4);
    }
}

/* Q4_K and Q5_K have a scale and a minimum for each 32 values, part k = 0 .. 7, of six bits each, packed in 12 bytes:
 *     parts 0 .. 3: scales are the low six bits of bytes 0 .. 3, minimums those of bytes 4 .. 7
 *     parts 4 .. 7: the low four bits are in bytes 8 .. 11 (scale low, minimum high);
 *                   the high two bits are the high two bits of bytes 0 .. 3 and 4 .. 7 */
static void scale_and_min(const unsigned char *s, int k, int *scale, int *min)
{
    if (k < 4) {
        *scale = s[k] & 63;
        *min = s[k + 4] & 63;
    } else {
        *scale = (s[k + 4] & 15) | s[k - 4] >> 6 << 4;
        *min = s[k + 4] >> 4 | s[k] >> 6 << 4;
    }
}

static void dequantise_q4_k(float out[GROUP], const unsigned char *p, int g)
{
    const unsigned char *q = p + 16 + g / 4 * 32 + g % 2 * GROUP;
    int part = g / 2;
    int shift = part % 2 * 4;
    int scale, min;
    scale_and_min(p + 4, part, &scale, &min);
    float d = half_at(p) * (float)scale;
    float m = half_at(p + 2) * (float)min;
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(q[i] >> shift & 15) - m;
}

static void dequantise_q5_k(float out[GROUP], const unsigned char *p, int g)
{
    const unsigned char *fifth = p + 16 + g % 2 * GROUP;
    const unsigned char *q = p + 48 + g / 4 * 32 + g % 2 * GROUP;
    int part = g / 2;
    int shift = part % 2 * 4;
    int scale, min;
    scale_and_min(p + 4, part, &scale, &min);
    float d = half_at(p) * (float)scale;
    float m = half_at(p + 2) * (float)min;
    for (int i = 0; i < GROUP; i++) {
        int value = (q[i] >> shift & 15) | (fifth[i] >> part & 1) << 4;
        out[i] = d * (float)value - m;
    }
}

static void dequantise_q6_k(float out[GROUP], const unsigned char *p, int g)
{
    const unsigned char *low = p + g / 8 * 64 + g % 4 * GROUP;
    const unsigned char *high = p + 128 + g / 8 * 32 + g % 2 * GROUP;
    int low_shift = g / 4 % 2 * 4;
    int high_shift = g / 2 % 4 * 2;
    float d = half_at(p + 208) * (float)(signed char)p[192 + g];
    for (int i = 0; i < GROUP; i++) {
        int value = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
        out[i] = d * (float)(value - 32);
    }
}

static void dequantise_group(float out[GROUP], const unsigned char *p, DType t, int g)
{
    switch (t) {
    case Q2_K: dequantise_q2_k(out, p, g); return;
    case Q3_K: dequantise_q3_k(out, p, g); return;
    case Q4_K: dequantise_q4_k(out, p, g); return;
    case Q5_K: dequantise_q5_k(out, p, g); return;
    default:   dequantise_q6_k(out, p, g);
    }
}

/* Dequantises elements i .. i+n-1.  The range may begin and end within a block: each block of 32, or group of 16,
 * is dequantised whole, and the part of it that was asked for is copied. */
static void dequantise(float *out, const unsigned char *data, DType t, size_t i, size_t n)
{
    float values[BLOCK];
    size_t block_values = dtypes[t].values;
    size_t block_bytes = dtypes[t].bits / 8;
    size_t unit = block_values == SUPER_BLOCK ? GROUP : BLOCK;
    for (size_t end = i + n; i < end; ) {
        const unsigned char *block = data + i / block_values * block_bytes;
        size_t skip = i % unit;
        size_t now = unit - skip < end - i ? unit - skip : end - i;
        if (block_values == SUPER_BLOCK) dequantise_group(values, block, t, (int)(i % block_values / unit));
        else                             dequantise_block(values, block, t);
        memcpy(out, values + skip, now * sizeof *out);
        out += now;
        i += now;
    }
}

/* ---- any dtype to float32 --------------------------------------------------------------------- */

/* Reads each element as v, of a C type, by memcpy as data may be unaligned; and stores `value`, which is made of v. */
#define CONVERT(type, value)                              \
    for (size_t k = 0; k < n; k++) {                      \
        type v;                                           \
        memcpy(&v, p + (i + k) * sizeof v, sizeof v);     \
        out[k] = value;                                   \
    }                                                     \
    return

void dtype_to_float(float *out, const void *data, DType t, size_t i, size_t n)
{
    const unsigned char *p = data;
    switch (t) {
    case F32:     memcpy(out, p + i * 4, n * 4); return;
    case F64:     CONVERT(double,   (float)v);
    case F16:     CONVERT(uint16_t, half_to_float(v));
    case BF16:    CONVERT(uint16_t, bf16_to_float(v));
    case F8_E4M3: CONVERT(uint8_t,  e4m3_to_float(v));
    case F8_E5M2: CONVERT(uint8_t,  e5m2_to_float(v));
    case I8:      CONVERT(int8_t,   (float)v);
    case U8:      CONVERT(uint8_t,  (float)v);
    case I16:     CONVERT(int16_t,  (float)v);
    case U16:     CONVERT(uint16_t, (float)v);
    case I32:     CONVERT(int32_t,  (float)v);
    case U32:     CONVERT(uint32_t, (float)v);
    case I64:     CONVERT(int64_t,  (float)v);
    case U64:     CONVERT(uint64_t, (float)v);
    case Q4_0: case Q4_1: case Q5_0: case Q5_1: case Q8_0:
    case Q2_K: case Q3_K: case Q4_K: case Q5_K: case Q6_K:
        dequantise(out, p, t, i, n);
        return;
    default:
        memset(out, 0, n * sizeof *out);
    }
}

#undef CONVERT

float dtype_value(const void *data, DType t, size_t i)
{
    float f;
    dtype_to_float(&f, data, t, i, 1);
    return f;
}
