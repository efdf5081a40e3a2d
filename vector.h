/* vector.h - the machine's vectors and a few functions on them; for the kernels only.
 *
 * GCC and Clang vector extensions: the same source is AVX-512, AVX2, SSE or NEON code.  Where a result
 * depends on a lane's own numbers only, it is the same on all of them. */
#ifndef VECTOR_H
#define VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline vf   load (const float *p)                { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void store(float *p, vf v)                { memcpy(p, &v, sizeof v); }
static inline vf   all  (float f)                       { return (vf){ 0 } + f; }
static inline vf   pick (vi where, vf yes, vf no)       { return (vf)((where & (vi)yes) | (~where & (vi)no)); }
static inline size_t least(size_t a, size_t b)          { return a < b ? a : b; }
static inline size_t above(size_t n, size_t step)       { return (n + step - 1) / step * step; }
static inline size_t parts_of(size_t n, size_t size)    { return (n + size - 1) / size; }

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; the Taylor series of e^r to r^7 is within 2e-8.
 * For x up to 88; below -87, where the normal floats end, it stays at e^-87. */
static inline vf exp_negative_v(vf x)
{
    vf low = all(-87.0f), magic = all(12582912.0f);       /* 1.5 * 2^23: a sum with it is rounded to a whole number */
    x = pick(x < low, low, x);
    vf n = x * 1.44269504f + magic;
    vi power = ((vi)n - (vi)magic) << 23;
    n -= magic;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = all(1 / 5040.0f);
    p = p * r + 1 / 720.0f;
    p = p * r + 1 / 120.0f;
    p = p * r + 1 / 24.0f;
    p = p * r + 1 / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (vf)((vi)p + power);
}

static inline vf exp_v(vf x)
{
    vf high = all(88.0f);
    return exp_negative_v(pick(x > high, high, x));
}

static inline vf sigmoid_v(vf x) { return 1.0f / (1.0f + exp_v(-x)); }

static inline vf polynomial(vf x, const float *c, int degree)
{
    vf p = all(c[degree]);
    while (degree--) p = p * x + c[degree];
    return p;
}

/* erf x, within 2e-7: below 1 an odd polynomial, from there 1 - e^(-x^2) t P(t) with t = 1 / (1 + 0.4 x)
 * (the form of Abramowitz and Stegun 7.1.26; least squares fits of this project, weighted by e^(-x^2)) */
static inline vf erf_v(vf x)
{
    static const float small[] = { 1.12837917f, -0.376126269f, 0.112835975f, -0.0268543288f, 0.00518931194f, -8.01885499e-4f, 7.88249711e-5f };
    static const float large[] = { 0.229468397f, 0.184332199f, 0.389472193f, -0.237320711f, 0.59852328f, -0.164256446f };
    vf size = pick(x < all(0), -x, x), square = x * x, t = 1.0f / (1.0f + 0.4f * size);
    vf near = size * polynomial(square, small, 6), far = 1.0f - exp_v(-square) * t * polynomial(t, large, 5);
    vf y = pick(size < all(1), near, far);
    return pick(x < all(0), -y, y);
}

/* the exact gelu, x/2 (1 + erf(x / sqrt 2)) */
static inline vf gelu_v(vf x) { return 0.5f * x * (1.0f + erf_v(x * 0.707106781f)); }

#endif
