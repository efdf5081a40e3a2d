/* vector.h - the machine's vectors and a few functions on them; for the kernels only.
 *
 * GCC and Clang vector extensions: the same source is AVX-512, AVX2, SSE or NEON code.  Where a result
 * depends on a lane's own numbers only, it is the same on all of them. */
#ifndef VECTOR_H
#define VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined __AVX__
#include <immintrin.h>
#elif defined __ARM_NEON
#include <arm_neon.h>
#endif

/* MR x 2 vectors of sums fill the registers: 28 of 32, 12 of 16, 16 of 32 */
#if defined __AVX512F__
#define VECTOR 64
#define MR 14
#elif defined __AVX__
#define VECTOR 32
#define MR 6
#elif defined __ARM_NEON
#define VECTOR 16
#define MR 8
#else
#define VECTOR 16
#define MR 6
#endif

enum { LANES = VECTOR / 4, NR = 2 * LANES };

typedef float   vf __attribute__((vector_size(VECTOR)));
typedef int32_t vi __attribute__((vector_size(VECTOR)));
typedef uint32_t vu __attribute__((vector_size(VECTOR)));
typedef uint16_t vh __attribute__((vector_size(VECTOR / 2)));

static inline vf   load (const float *p)                { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void store(float *p, vf v)                { memcpy(p, &v, sizeof v); }
static inline vf   all  (float f)                       { return f - (vf){ 0 }; }      /* not +: that would turn -0 to 0, and cost an addition */
static inline vf   pick (vi where, vf yes, vf no)       { return (vf)((where & (vi)yes) | (~where & (vi)no)); }
static inline size_t least(size_t a, size_t b)          { return a < b ? a : b; }
static inline size_t above(size_t n, size_t step)       { return (n + step - 1) / step * step; }
static inline size_t parts_of(size_t n, size_t size)    { return (n + size - 1) / size; }

static inline vf polynomial(vf x, const float *c, int degree)
{
    vf p = all(c[degree]);
    while (degree--) p = p * x + c[degree];
    return p;
}

/* one instruction that no idiom of C brings forth here */
#if defined __AVX512F__
static inline vf max_v(vf x, vf y) { return (vf)_mm512_max_ps((__m512)x, (__m512)y); }
#elif defined __AVX__
static inline vf max_v(vf x, vf y) { return (vf)_mm256_max_ps((__m256)x, (__m256)y); }
#else
static inline vf max_v(vf x, vf y) { return pick(x > y, x, y); }
#endif

/* sum + a * b, rounded once where the machine can.  Left to the compiler, some tiles would have it fused and some not, and other numbers. */
#if defined __AVX512F__
static inline vf fused(vf sum, vf a, vf b) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum); }
#elif defined __AVX__ && defined __FMA__
static inline vf fused(vf sum, vf a, vf b) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum); }
#elif defined __ARM_NEON && defined __ARM_FEATURE_FMA
static inline vf fused(vf sum, vf a, vf b) { return (vf)vfmaq_f32((float32x4_t)sum, (float32x4_t)a, (float32x4_t)b); }
#else
static inline vf fused(vf sum, vf a, vf b) { return sum + a * b; }
#endif

static const float ROUND = 12582912.0f;      /* 1.5 * 2^23: a sum with it is rounded to a whole number, which stands in its low bits */

/* 2^x = 2^n 2^r, n = round(x), |r| <= 1/2; for x up to 127; below -126, where the normal floats end, it stays at 2^-126.
 * 2^r is a polynomial, and n goes straight into the exponent. */
static inline vf exp2_by(vf x, const float *c, int degree)
{
    x = max_v(x, all(-126.0f));
    vf n = x + ROUND, r = x - (n - ROUND);
    return (vf)((vi)polynomial(r, c, degree) + ((vi)n << 23));
}

/* minimax fits of this project: to 8e-8, and to 8e-5, which is little beside bf16's 4e-3 */
static const float EXP2[] = { 1.00000007f, 0.693146967f, 0.240221197f, 0.0555071336f, 0.00967554113f, 0.00132764454f };
static const float ROUGH_EXP2[] = { 0.999928073f, 0.693260989f, 0.242611138f, 0.0551716601f };
static inline vf exp2_v(vf x)       { return exp2_by(x, EXP2, 5); }
static inline vf rough_exp2_v(vf x) { return exp2_by(x, ROUGH_EXP2, 3); }

/* IEEE halves, widened; infinities and NaN too (see half_to_float in element.c) */
static inline vf half_v(vh h)
{
#if defined __AVX512F__
    return (vf)_mm512_cvtph_ps((__m256i)h);
#elif defined __F16C__ && defined __AVX__
    return (vf)_mm256_cvtph_ps((__m128i)h);
#else
    vu u = __builtin_convertvector(h, vu), sign = (u & 0x8000) << 16, rest = (u & 0x7fff) << 13;
    vf finite = (vf)rest * 0x1p112f, infinite = (vf)(rest | 0x70000000);
    return (vf)((vu)pick((vi)(rest >= 0x0f800000), infinite, finite) | sign);
#endif
}
static inline vf bf16_v(vh b) { return (vf)(__builtin_convertvector(b, vu) << 16); }

/* float32 bits -> bf16 in the upper half, to nearest even; finite numbers only */
static inline vu rounded_v(vf x) { vu u = (vu)x; return u + 0x7fff + (u >> 16 & 1); }
static inline vh bf16_of(vf x)
{
#if defined __AVX512BF16__
    return (vh)_mm512_cvtneps_pbh((__m512)x);
#else
    return __builtin_convertvector(rounded_v(x) >> 16, vh);
#endif
}
/* two numbers a lane, x in the lower half */
static inline vf pair_v(vf x, vf y) { return (vf)(rounded_v(x) >> 16 | (rounded_v(y) & 0xffff0000u)); }

/* sum + a * b; with pairs, a and b hold two bf16 numbers in each lane, and both products are added */
static inline vf multiply_add(vf sum, vf a, vf b, const int pairs)
{
    if (!pairs) return fused(sum, a, b);
#if defined __AVX512BF16__
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    vu upper = (vu){ 0 } + 0xffff0000u;
    sum = fused(sum, (vf)((vu)a & upper), (vf)((vu)b & upper));
    return fused(sum, (vf)((vu)a << 16), (vf)((vu)b << 16));
#endif
}

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; the Taylor series of e^r to r^7 is within 2e-8.
 * x is held within -87 .. 88, where neither end leaves the normal floats. */
static inline vf exp_v(vf x)
{
    static const float c[] = { 1, 1, 1 / 2.0f, 1 / 6.0f, 1 / 24.0f, 1 / 120.0f, 1 / 720.0f, 1 / 5040.0f };
    x = -max_v(-max_v(x, all(-87.0f)), all(-88.0f));
    vf n = x * 1.44269504f + ROUND, whole = n - ROUND, r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    return (vf)((vi)polynomial(r, c, 7) + ((vi)n << 23));
}

static inline vf sigmoid_v(vf x) { return 1.0f / (1.0f + exp_v(-x)); }

/* the normal distribution up to x, (1 + erf(x / sqrt 2)) / 2, within 3e-8; its small end, erfc(z) / 2 = e^(-z^2) t P(t) / 2 with
 * z = |x| / sqrt 2 and t = 1 / (1 + 0.4 z), keeps its digits (the form of Abramowitz and Stegun 7.1.26, a minimax fit of this project) */
static inline vf normal_cdf_v(vf x)
{
    static const float c[] = { 0.232653343f, 0.157289291f, 0.479440427f, -0.384563279f, 0.71744237f, -0.202262194f };
    vf t = 1.0f / (1.0f + 0.282842712f * pick(x < all(0), -x, x)), end = 0.5f * exp_v(-0.5f * x * x) * t * polynomial(t, c, 5);
    return pick(x < all(0), end, 1.0f - end);
}

/* the exact gelu, x/2 (1 + erf(x / sqrt 2)) */
static inline vf gelu_v(vf x) { return x * normal_cdf_v(x); }

#if defined __has_builtin
#if __has_builtin(__builtin_shufflevector) && VECTOR == 64
#define SHUFFLES 1
#endif
#endif

/* v[i][j] -> v[j][i]: halves swapped between rows 8 apart, then quarters 4 apart, and so on */
static inline void transpose(vf v[LANES])
{
#ifdef SHUFFLES
#define SWAP(step, ...) for (int i = 0; i < LANES; i++) if (!(i & step)) { vf p = v[i], q = v[i + step]; v[i] = SWAP_LOW_##step(p, q); v[i + step] = SWAP_HIGH_##step(p, q); }
#define SWAP_LOW_8(p, q)  __builtin_shufflevector(p, q, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define SWAP_HIGH_8(p, q) __builtin_shufflevector(p, q, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define SWAP_LOW_4(p, q)  __builtin_shufflevector(p, q, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define SWAP_HIGH_4(p, q) __builtin_shufflevector(p, q, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define SWAP_LOW_2(p, q)  __builtin_shufflevector(p, q, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define SWAP_HIGH_2(p, q) __builtin_shufflevector(p, q, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define SWAP_LOW_1(p, q)  __builtin_shufflevector(p, q, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define SWAP_HIGH_1(p, q) __builtin_shufflevector(p, q, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#pragma GCC unroll 16
    SWAP(8)
#pragma GCC unroll 16
    SWAP(4)
#pragma GCC unroll 16
    SWAP(2)
#pragma GCC unroll 16
    SWAP(1)
#else
    vf t[LANES];
    memcpy(t, v, sizeof t);
    for (int i = 0; i < LANES; i++) for (int j = 0; j < LANES; j++) v[i][j] = t[j][i];
#endif
}

#endif
