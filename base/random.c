/* random.c - torch's random numbers.
 *
 * A picture begins as noise.  So a seed gives the same picture as in other programs only if every number of the noise
 * is the same.  Both generators make uniform numbers, and the Box-Muller transform turns two of them into two normal
 * ones:
 *
 *     radius = sqrt(-2 ln u1)    angle = 2 pi u2    radius * cos(angle), radius * sin(angle)
 *
 * Which uniforms form a pair, and where a number is rounded to float32, is torch's own choice.  The comments below say
 * so where it is done.
 *
 * Sources: Matsumoto and Nishimura, "Mersenne Twister", 1998 (constants of MT19937).  Salmon et al., "Parallel Random
 * Numbers: As Easy as 1, 2, 3", 2011 (Philox).  Box and Muller, 1958.  Behaviour: PyTorch's CPU generator and normal
 * kernel, and the web UI's rng_philox.py. */
#include "random.h"

#include <math.h>
#include <string.h>

/* ---- Mersenne Twister: torch on the CPU -------------------------------------------------------- */

void rng_seed(Rng *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < 624; i++) {
        uint32_t last = r->state[i - 1];
        r->state[i] = 1812433253u * (last ^ last >> 30) + i;
    }
    r->next = 624;
}

/* the next 624 words */
static void twist(Rng *r)
{
    for (int i = 0; i < 624; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % 624] & 0x7fffffffu);
        uint32_t odd = y & 1u ? 0x9908b0dfu : 0;
        r->state[i] = r->state[(i + 397) % 624] ^ y >> 1 ^ odd;
    }
    r->next = 0;
}

uint32_t rng_bits(Rng *r)
{
    if (r->next == 624) twist(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t rng_below(Rng *r, uint32_t n)
{
    return rng_bits(r) % n;
}

float rng_uniform(Rng *r)
{
    return (float)(rng_bits(r) & 0xffffffu) * 0x1p-24f;
}

/* 0 <= u < 1, as torch.rand draws float64: 53 bits of two draws */
static double uniform_double(Rng *r)
{
    uint64_t high = rng_bits(r);
    uint64_t low = rng_bits(r);
    return (double)((high << 32 | low) & 0x1fffffffffffffu) * 0x1p-53;
}

/* Box-Muller on 16 uniforms in place: u1 = 1 - x[i], u2 = x[i + 8].  In float32, as torch rounds them. */
static void box_muller_16(float x[16])
{
    for (int i = 0; i < 8; i++) {
        float radius = sqrtf(-2 * logf(1 - x[i]));
        float angle = 6.28318548f * x[i + 8];
        x[i]     = radius * cosf(angle);
        x[i + 8] = radius * sinf(angle);
    }
}

/* Fewer than 16 values: torch draws pairs in double precision, the angle first. */
static void normal_few(Rng *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        double angle = 6.283185307179586 * uniform_double(r);
        double radius = sqrt(-2.0 * log1p(-uniform_double(r)));
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

/* 16 or more values: torch fills all n with uniforms, then transforms whole blocks of 16.  When some are left over, it
 * draws the last 16 values anew, which replaces some that were finished. */
void rng_normal(Rng *r, float *out, size_t n)
{
    if (n < 16) {
        normal_few(r, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = rng_uniform(r);
    for (size_t i = 0; i + 16 <= n; i += 16) box_muller_16(out + i);
    if (n % 16 == 0) return;
    for (size_t i = n - 16; i < n; i++) out[i] = rng_uniform(r);
    box_muller_16(out + n - 16);
}

/* ---- Philox: torch on CUDA --------------------------------------------------------------------- */

/* Philox4x32-10: ten rounds scramble a counter of four words by a key of two. */
static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)counter[0] * 0xd2511f53u;
        uint64_t b = (uint64_t)counter[2] * 0xcd9e8d57u;
        uint32_t next[4] = {
            (uint32_t)(b >> 32) ^ counter[1] ^ key0,
            (uint32_t)b,
            (uint32_t)(a >> 32) ^ counter[3] ^ key1,
            (uint32_t)a,
        };
        memcpy(counter, next, sizeof next);
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

/* Each value has a counter of its own, { call, 0, index, 0 }, and takes the sine half of its Box-Muller pair.
 * The constants are rounded to float32 and then used in double, as the web UI's numpy does. */
void philox_normal(uint64_t seed, uint32_t call, float *out, size_t n)
{
    const double unit = 0x1p-32;                                         /* a word to 0 .. 1 */
    const double turn = (double)(float)(2.3283064e-10 * 6.2831855);      /* a word to an angle */
    for (size_t i = 0; i < n; i++) {
        uint32_t c[4] = { call, 0, (uint32_t)i, 0 };
        philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
        double radius = sqrt(-2 * log(c[0] * unit + unit / 2));
        double angle = c[1] * turn + turn / 2;
        out[i] = (float)(radius * sin(angle));
    }
}
