/* vector.h - SIMD: a vector of floats, and the functions on it that the kernels need.  For the kernels only.
 *
 * The types are GCC's and Clang's vector extensions, on which + - * / and comparisons work lane by lane.  So the
 * same source becomes AVX-512, AVX, SSE or NEON code.  Intrinsics are used only where no plain expression gives the
 * instruction.  A function whose name ends in _v takes and returns vectors, and computes each lane from the same lane
 * of its arguments.
 *
 *     LANES     floats in a vector: 16, 8 or 4
 *     MR, NR    rows and columns of the tile of a matrix product that stays in registers (see gemm.c)
 *
 * exp and gelu are polynomials, because the C library computes them for one number at a time only.  The coefficients
 * are minimax fits of this project, or Taylor series.  The comment above each function states its error. */
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

/* VECTOR: bytes of a vector.  MR: 2 * MR vectors of sums stay in registers, and a few registers are left for the
 * operands. */
#if defined __AVX512F__
#define VECTOR 64
#define MR 14                   /* 28 of 32 registers */
#elif defined __AVX__
#define VECTOR 32
#define MR 6                    /* 12 of 16 */
#elif defined __ARM_NEON
#define VECTOR 16
#define MR 8                    /* 16 of 32 */
#else
#define VECTOR 16
#define MR 6                    /* 12 of 16 */
#endif

enum { LANES = VECTOR / 4, NR = 2 * LANES };

typedef float    vf __attribute__((vector_size(VECTOR)));          /* LANES floats */
typedef int32_t  vi __attribute__((vector_size(VECTOR)));          /* LANES integers; a comparison gives 0 or -1 */
typedef uint32_t vu __attribute__((vector_size(VECTOR)));          /* LANES bit patterns of floats, or pairs of bf16 */
typedef uint16_t vh __attribute__((vector_size(VECTOR / 2)));      /* LANES bit patterns of F16 or BF16 numbers */

/* For functions that take constants as arguments: their loops are then unrolled, and their sums stay in registers. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* ---- sizes ------------------------------------------------------------------------------------ */

static inline size_t min(size_t a, size_t b)              { return a < b ? a : b; }
static inline size_t ceil_div(size_t n, size_t size)      { return (n + size - 1) / size; }
static inline size_t round_up(size_t n, size_t multiple)  { return (n + multiple - 1) / multiple * multiple; }

/* ---- vectors ---------------------------------------------------------------------------------- */

/* p need not be aligned.  The compiler turns each memcpy into one instruction. */
static inline vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

/* splat (broadcast): f in every lane.  It is f - 0, because f + 0 would turn -0 into 0 and cost an addition. */
static inline vf splat(float f) { return f - (vf){ 0 }; }

/* select: `yes` in the lanes where the condition is -1, `no` where it is 0 */
static inline vf select_v(vi condition, vf yes, vf no)
{
    return (vf)((condition & (vi)yes) | (~condition & (vi)no));
}

/* the larger one; y where one of them is NaN */
#if defined __AVX512F__
static inline vf max_v(vf x, vf y) { return (vf)_mm512_max_ps((__m512)x, (__m512)y); }
#elif defined __AVX__
static inline vf max_v(vf x, vf y) { return (vf)_mm256_max_ps((__m256)x, (__m256)y); }
#else
static inline vf max_v(vf x, vf y) { return select_v(x > y, x, y); }
#endif

/* fused multiply-add: a * b + sum, rounded once where the processor can.  It is asked for by name, because the compiler
 * fuses an expression in one tile and leaves it in another, and the same sum would then give two results. */
#if defined __AVX512F__
static inline vf fma_v(vf a, vf b, vf sum) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum); }
#elif defined __AVX__ && defined __FMA__
static inline vf fma_v(vf a, vf b, vf sum) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)sum); }
#elif defined __ARM_NEON && defined __ARM_FEATURE_FMA
static inline vf fma_v(vf a, vf b, vf sum) { return (vf)vfmaq_f32((float32x4_t)sum, (float32x4_t)a, (float32x4_t)b); }
#else
static inline vf fma_v(vf a, vf b, vf sum) { return sum + a * b; }
#endif

/* ---- exponential functions -------------------------------------------------------------------- */

/* c[0] + c[1] x + ... + c[degree] x^degree, by Horner's rule */
static inline vf polynomial_v(vf x, const float *c, int degree)
{
    vf p = splat(c[degree]);
    while (degree--) p = p * x + c[degree];
    return p;
}

/* 1.5 * 2^23.  A sum with it is rounded to a whole number, which then stands in the lowest bits of the float. */
static const float ROUND = 12582912.0f;

/* 2^x = 2^n 2^r with n = round(x) and |r| <= 1/2:  2^r is a polynomial, and n is added to the exponent's bits.
 * For x up to 127.  Below -126, where the normal floats end, the result stays at 2^-126.  NaN stays NaN, so a softmax
 * does not hide a broken weight. */
static inline vf exp2_by(vf x, const float *c, int degree)
{
    x = max_v(splat(-126.0f), x);
    vf n = x + ROUND;
    vf r = x - (n - ROUND);
    return (vf)((vi)polynomial_v(r, c, degree) + ((vi)n << 23));
}

/* Minimax fits of 2^r: to 8e-8, and to 8e-5 for attention in bf16, whose numbers are only exact to 4e-3. */
static const float EXP2[] = { 1.00000007f, 0.693146967f, 0.240221197f, 0.0555071336f, 0.00967554113f, 0.00132764454f };
static const float ROUGH_EXP2[] = { 0.999928073f, 0.693260989f, 0.242611138f, 0.0551716601f };
static inline vf exp2_v(vf x)       { return exp2_by(x, EXP2, 5); }
static inline vf rough_exp2_v(vf x) { return exp2_by(x, ROUGH_EXP2, 3); }

/* e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2.  The Taylor series of e^r up to r^7 is within 2e-8.
 * ln 2 is subtracted in two parts, of which the first has few digits, so that n times it is exact (Cody and Waite,
 * 1980).  x is clamped to -87 .. 88, so that the result stays a normal float. */
static inline vf exp_v(vf x)
{
    static const float c[] = { 1, 1, 1 / 2.0f, 1 / 6.0f, 1 / 24.0f, 1 / 120.0f, 1 / 720.0f, 1 / 5040.0f };
    x = -max_v(-max_v(x, splat(-87.0f)), splat(-88.0f));
    vf n = x * 1.44269504f + ROUND;
    vf whole = n - ROUND;
    vf r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    return (vf)((vi)polynomial_v(r, c, 7) + ((vi)n << 23));
}

static inline vf sigmoid_v(vf x) { return 1.0f / (1.0f + exp_v(-x)); }

/* Phi(x) = (1 + erf(x / sqrt 2)) / 2, the cumulative distribution function of the normal distribution, within 3e-8.
 * Its smaller tail is computed, so that this keeps its digits:  Phi(-|x|) = erfc(z) / 2 = e^(-z^2) t P(t) / 2 with
 * z = |x| / sqrt 2 and t = 1 / (1 + 0.4 z).  The form is Abramowitz and Stegun's 7.1.26, the fit of P is this
 * project's. */
static inline vf normal_cdf_v(vf x)
{
    static const float c[] = { 0.232653343f, 0.157289291f, 0.479440427f, -0.384563279f, 0.71744237f, -0.202262194f };
    vf t = 1.0f / (1.0f + 0.282842712f * select_v(x < splat(0), -x, x));      /* 0.4 / sqrt 2 */
    vf tail = 0.5f * exp_v(-0.5f * x * x) * t * polynomial_v(t, c, 5);
    return select_v(x < splat(0), tail, 1.0f - tail);
}

/* torch.nn.functional.gelu(x), the exact one:  x Phi(x) */
static inline vf gelu_v(vf x) { return x * normal_cdf_v(x); }

/* ---- half precision: F16 and BF16 ------------------------------------------------------------- */

/* IEEE binary16 to float32; infinities and NaN stay what they are (half_to_float says the same for one number). */
static inline vf f16_to_float_v(vh h)
{
#if defined __AVX512F__
    return (vf)_mm512_cvtph_ps((__m256i)h);
#elif defined __F16C__ && defined __AVX__
    return (vf)_mm256_cvtph_ps((__m128i)h);
#else
    vu bits = __builtin_convertvector(h, vu);
    vu sign = (bits & 0x8000) << 16;
    vu rest = (bits & 0x7fff) << 13;
    vf finite = (vf)rest * 0x1p112f;                     /* moves the exponent from 5 bits to 8, denormal numbers too */
    vf infinite = (vf)(rest | 0x70000000);
    return (vf)((vu)select_v((vi)(rest >= 0x0f800000), infinite, finite) | sign);
#endif
}

/* bf16 is the upper half of a float32. */
static inline vf bf16_to_float_v(vh b) { return (vf)(__builtin_convertvector(b, vu) << 16); }

/* The bits of float32 numbers, rounded to the nearest bf16, ties to even; the result is the upper half.  Finite
 * numbers only. */
static inline vu round_to_bf16_v(vf x)
{
    vu bits = (vu)x;
    return bits + 0x7fff + (bits >> 16 & 1);
}

static inline vh float_to_bf16_v(vf x)
{
#if defined __AVX512BF16__
    return (vh)_mm512_cvtneps_pbh((__m512)x);
#else
    return __builtin_convertvector(round_to_bf16_v(x) >> 16, vh);
#endif
}

/* a pair of bf16 numbers in each lane: x in the lower half, y in the upper */
static inline vf bf16_pair_v(vf x, vf y)
{
    return (vf)(round_to_bf16_v(x) >> 16 | (round_to_bf16_v(y) & 0xffff0000u));
}

/* One step of a sum: sum + a * b.  With bf16, a and b hold a pair of bf16 numbers in each lane, and both products are
 * added, in float32: two steps in one instruction where the processor has it. */
static inline vf dot_add_v(vf sum, vf a, vf b, const int bf16)
{
    if (!bf16) return fma_v(a, b, sum);
#if defined __AVX512BF16__
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    vu upper = (vu){ 0 } + 0xffff0000u;
    sum = fma_v((vf)((vu)a & upper), (vf)((vu)b & upper), sum);
    return fma_v((vf)((vu)a << 16), (vf)((vu)b << 16), sum);
#endif
}

/* ---- transpose -------------------------------------------------------------------------------- */

#if defined __has_builtin
#if __has_builtin(__builtin_shufflevector) && VECTOR == 64
#define SHUFFLES 1
#endif
#endif

/* v[i][j] -> v[j][i] for a square of LANES x LANES floats.  With shuffles, it is done in four rounds: vectors that
 * are 8 apart exchange halves, then those 4 apart quarters, then 2 and 1. */
static inline void transpose_v(vf v[LANES])
{
#ifdef SHUFFLES
#define EXCHANGE(step)                                      \
    for (int i = 0; i < LANES; i++)                         \
        if (!(i & step)) {                                  \
            vf p = v[i];                                    \
            vf q = v[i + step];                             \
            v[i] = EXCHANGE_LOW_##step(p, q);               \
            v[i + step] = EXCHANGE_HIGH_##step(p, q);       \
        }
#define SHUFFLE(p, q, ...) __builtin_shufflevector(p, q, __VA_ARGS__)
#define EXCHANGE_LOW_8(p, q)  SHUFFLE(p, q, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define EXCHANGE_HIGH_8(p, q) SHUFFLE(p, q, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define EXCHANGE_LOW_4(p, q)  SHUFFLE(p, q, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define EXCHANGE_HIGH_4(p, q) SHUFFLE(p, q, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define EXCHANGE_LOW_2(p, q)  SHUFFLE(p, q, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define EXCHANGE_HIGH_2(p, q) SHUFFLE(p, q, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define EXCHANGE_LOW_1(p, q)  SHUFFLE(p, q, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define EXCHANGE_HIGH_1(p, q) SHUFFLE(p, q, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#pragma GCC unroll 16
    EXCHANGE(8)
#pragma GCC unroll 16
    EXCHANGE(4)
#pragma GCC unroll 16
    EXCHANGE(2)
#pragma GCC unroll 16
    EXCHANGE(1)
#else
    vf t[LANES];
    memcpy(t, v, sizeof t);
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < LANES; j++) v[i][j] = t[j][i];
#endif
}

#endif
