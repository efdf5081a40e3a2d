/* element.c - the types of number that files of weights hold.
 *
 * Halves, bf16 and fp8 are read by shifting their bits into a float's place and multiplying by a power of two, exact for all of them,
 * subnormals too; and written by adding something that leaves the sum rounded.  ggml's blocks share a scale, the larger ones
 * with a second, smaller one for every 16 or 32 values; what they stand for is in front of each function.
 *
 * Whatever is no number is zeros.  Nothing here fails: sizes are asked of dtype_bytes first. */
#include "element.h"

#include <string.h>

/* ---- half floats ------------------------------------------------------------------------------ */

static float    bits_to_float(uint32_t u) { float f;    memcpy(&f, &u, 4); return f; }
static uint32_t float_to_bits(float f)    { uint32_t u; memcpy(&u, &f, 4); return u; }

/* Shifted into place, a half reads as a float 2^112 times too small, subnormals included. */
float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = (uint32_t)(h & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) return bits_to_float(sign | 0x70000000u | rest);      /* infinity, NaN */
    return bits_to_float(sign | float_to_bits(bits_to_float(rest) * 0x1p112f));
}

/* Adding 2^(e+13) to a value of exponent e leaves it rounded to ten bits, to nearest even, by the adder itself. */
uint16_t float_to_half(float f)
{
    uint32_t u = float_to_bits(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);                /* NaN */
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);               /* rounds past 65504 */
    if (magnitude < 0x38800000u) {                                                 /* subnormal half: units of 2^-24 */
        float units = bits_to_float(magnitude) + 0.5f;                             /* 0.5 has ulp 2^-24 */
        return (uint16_t)(sign | (float_to_bits(units) - 0x3f000000u));
    }
    uint32_t even = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + even) >> 13));
}

float bf16_to_float(uint16_t b) { return bits_to_float((uint32_t)b << 16); }

uint16_t float_to_bf16(float f)
{
    uint32_t u = float_to_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);       /* NaN stays NaN */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* ---- elements --------------------------------------------------------------------------------- */

enum { BLOCK = 32, SUPER = 256, GROUP = 16 };    /* values in one of ggml's blocks, in one of its larger ones, and in a part of that with one scale */

static const struct { const char *name; unsigned bits, values; enum { BITS, INTEGER, FLOAT } is; } dtypes[DTYPES] = {      /* bits of so many values together */
    [BOOL]        = { "BOOL",        8, 1, BITS },            [F4]          = { "F4",          4, 1, BITS },            [F6_E2M3]     = { "F6_E2M3",     6, 1, BITS },
    [F6_E3M2]     = { "F6_E3M2",     6, 1, BITS },            [U8]          = { "U8",          8, 1, INTEGER },         [I8]          = { "I8",          8, 1, INTEGER },
    [F8_E5M2]     = { "F8_E5M2",     8, 1, FLOAT },           [F8_E4M3]     = { "F8_E4M3",     8, 1, FLOAT },           [F8_E8M0]     = { "F8_E8M0",     8, 1, BITS },
    [F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8, 1, BITS },            [F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8, 1, BITS },            [I16]         = { "I16",         16, 1, INTEGER },
    [U16]         = { "U16",         16, 1, INTEGER },        [F16]         = { "F16",         16, 1, FLOAT },          [BF16]        = { "BF16",        16, 1, FLOAT },
    [I32]         = { "I32",         32, 1, INTEGER },        [U32]         = { "U32",         32, 1, INTEGER },        [F32]         = { "F32",         32, 1, FLOAT },
    [C64]         = { "C64",         64, 1, BITS },           [F64]         = { "F64",         64, 1, FLOAT },          [I64]         = { "I64",         64, 1, INTEGER },
    [U64]         = { "U64",         64, 1, INTEGER },        [Q4_0]        = { "Q4_0",        18 * 8, BLOCK, FLOAT },  [Q4_1]        = { "Q4_1",        20 * 8, BLOCK, FLOAT },
    [Q5_0]        = { "Q5_0",        22 * 8, BLOCK, FLOAT },  [Q5_1]        = { "Q5_1",        24 * 8, BLOCK, FLOAT },  [Q8_0]        = { "Q8_0",        34 * 8, BLOCK, FLOAT },
    [Q2_K]        = { "Q2_K",        84 * 8, SUPER, FLOAT },  [Q3_K]        = { "Q3_K",        110 * 8, SUPER, FLOAT }, [Q4_K]        = { "Q4_K",        144 * 8, SUPER, FLOAT },
    [Q5_K]        = { "Q5_K",        176 * 8, SUPER, FLOAT }, [Q6_K]        = { "Q6_K",        210 * 8, SUPER, FLOAT },
};

const char *dtype_name(DType t)     { return dtypes[t].name; }
int         dtype_is_float(DType t) { return dtypes[t].is == FLOAT; }
int         dtype_is_number(DType t) { return dtypes[t].is != BITS; }

int dtype_bytes(DType t, size_t n, size_t *bytes)
{
    size_t blocks = n / dtypes[t].values, bits = dtypes[t].bits;
    if (n % dtypes[t].values || blocks > SIZE_MAX / bits || blocks * bits % 8) return 0;
    *bytes = blocks * bits / 8;
    return 1;
}

/* Four bits of exponent, biased by 7, three of mantissa; no infinity, and NaN where all are set.
 * As with halves: shifted into place it reads as a float 2^120 times too small. */
static float e4m3_to_float(unsigned b)
{
    uint32_t sign = (b & 0x80u) << 24, rest = (b & 0x7fu) << 20;
    return bits_to_float(sign | (rest == 0x7f00000u ? 0x7fc00000u : float_to_bits(bits_to_float(rest) * 0x1p120f)));
}

/* One block of ggml's: a scale d, in some types a least value m, in some a fifth bit of every value, then the values;
 * of four bits each, a byte holds one of the first half and one of the second.  value = d * q, q signed, or d * q + m. */
static void widen_block(float out[BLOCK], const unsigned char *p, DType t)
{
    uint16_t half[2];
    uint32_t fifth = 0;
    memcpy(half, p, 4);
    float d = half_to_float(half[0]), m = half_to_float(half[1]);
    int least = t == Q4_1 || t == Q5_1, five = t == Q5_0 || t == Q5_1;
    p += least ? 4 : 2;
    if (t == Q8_0) {
        for (int i = 0; i < BLOCK; i++) out[i] = d * (float)(signed char)p[i];
        return;
    }
    if (five) memcpy(&fifth, p, 4), p += 4;
    for (int i = 0; i < BLOCK; i++) {
        int q = (i < BLOCK / 2 ? p[i] & 15 : p[i - BLOCK / 2] >> 4) | (int)(fifth >> i & 1) << 4;
        out[i] = least ? d * (float)q + m : d * (float)(q - (five ? 16 : 8));
    }
}

/* ---- ggml's larger blocks: of group g, 0 to 15, the scale d, the least value m, and q
 *      value = d * scale * q - m * least         with scales of 4 or 6 bits and halves d and m for the whole block
 * q lies in layers: 32 bytes hold two or four bits each of the values 32 apart, so a group is 16 bytes in a row and a shift. */

static float half_at(const unsigned char *p) { uint16_t h; memcpy(&h, p, 2); return half_to_float(h); }

static void widen_q2(float *out, const unsigned char *p, int g)                         /* scales and leasts, q, d, m */
{
    float d = half_at(p + 80) * (float)(p[g] & 15), m = half_at(p + 82) * (float)(p[g] >> 4);
    const unsigned char *q = p + 16 + g / 8 * 32 + g % 2 * GROUP;
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(q[i] >> g / 2 % 4 * 2 & 3) - m;
}

static void widen_q3(float *out, const unsigned char *p, int g)                         /* q's highest bits, q, scales, d */
{
    const unsigned char *high = p + g % 2 * GROUP, *q = p + 32 + g / 8 * 32 + g % 2 * GROUP, *s = p + 96;
    int scale = (s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4;
    float d = half_at(p + 108) * (float)(scale - 32);
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)((q[i] >> g / 2 % 4 * 2 & 3) - (high[i] >> g / 2 & 1 ? 0 : 4));
}

static void widen_q4(float *out, const unsigned char *p, int g, const unsigned char *fifth)      /* d, m, scales and leasts; in Q5_K q's fifth bits; q */
{
    int k = g / 2;
    const unsigned char *s = p + 4, *q = p + (fifth ? 48 : 16) + g / 4 * 32 + g % 2 * GROUP;
    int scale = k < 4 ? s[k] & 63 : (s[k + 4] & 15) | s[k - 4] >> 6 << 4, least = k < 4 ? s[k + 4] & 63 : s[k + 4] >> 4 | s[k] >> 6 << 4;
    float d = half_at(p) * (float)scale, m = half_at(p + 2) * (float)least;
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)((q[i] >> k % 2 * 4 & 15) | (fifth ? fifth[g % 2 * GROUP + i] >> k & 1 : 0) << 4) - m;
}

static void widen_q6(float *out, const unsigned char *p, int g)                         /* q's low four bits, its high two, scales, d */
{
    const unsigned char *low = p + g / 8 * 64 + g % 4 * GROUP, *high = p + 128 + g / 8 * 32 + g % 2 * GROUP;
    float d = half_at(p + 208) * (float)(signed char)p[192 + g];
    for (int i = 0; i < GROUP; i++) out[i] = d * (float)(((low[i] >> g / 4 % 2 * 4 & 15) | (high[i] >> g / 2 % 4 * 2 & 3) << 4) - 32);
}

static void widen_group(float out[GROUP], const unsigned char *p, DType t, int g)
{
    switch (t) {
    case Q2_K: widen_q2(out, p, g); return;
    case Q3_K: widen_q3(out, p, g); return;
    case Q6_K: widen_q6(out, p, g); return;
    default:   widen_q4(out, p, g, t == Q5_K ? p + 16 : NULL);
    }
}

static void widen_blocks(float *out, const unsigned char *p, DType t, size_t i, size_t n)
{
    float part[BLOCK];
    size_t whole = dtypes[t].values, unit = whole == SUPER ? GROUP : BLOCK;
    for (size_t end = i + n; i < end; ) {
        size_t skip = i % unit, now = unit - skip < end - i ? unit - skip : end - i;
        const unsigned char *block = p + i / whole * (dtypes[t].bits / 8);
        if (whole == SUPER) widen_group(part, block, t, (int)(i % whole / unit));
        else                widen_block(part, block, t);
        memcpy(out, part + skip, now * sizeof *out);
        out += now, i += now;
    }
}

#define WIDEN(type, expression) for (size_t j = 0; j < n; j++) { type v; memcpy(&v, p + (i + j) * sizeof v, sizeof v); out[j] = expression; } return
void dtype_widen(float *out, const void *data, DType t, size_t i, size_t n)
{
    const unsigned char *p = data;
    switch (t) {
    case F64:     WIDEN(double,   (float)v);
    case F32:     memcpy(out, p + i * 4, n * 4); return;
    case F16:     WIDEN(uint16_t, half_to_float(v));
    case BF16:    WIDEN(uint16_t, bf16_to_float(v));
    case F8_E4M3: WIDEN(uint8_t,  e4m3_to_float(v));
    case F8_E5M2: WIDEN(uint8_t,  half_to_float((uint16_t)(v << 8)));      /* a half without its last bits */
    case I8:      WIDEN(int8_t,   (float)v);
    case U8:      WIDEN(uint8_t,  (float)v);
    case I16:     WIDEN(int16_t,  (float)v);
    case U16:     WIDEN(uint16_t, (float)v);
    case I32:     WIDEN(int32_t,  (float)v);
    case U32:     WIDEN(uint32_t, (float)v);
    case I64:     WIDEN(int64_t,  (float)v);
    case U64:     WIDEN(uint64_t, (float)v);
    case Q4_0: case Q4_1: case Q5_0: case Q5_1: case Q8_0:
    case Q2_K: case Q3_K: case Q4_K: case Q5_K: case Q6_K: widen_blocks(out, p, t, i, n); return;
    default:      memset(out, 0, n * sizeof *out);
    }
}
#undef WIDEN

float dtype_value(const void *data, DType t, size_t i)
{
    float f;
    dtype_widen(&f, data, t, i, 1);
    return f;
}
