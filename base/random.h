/* random.h - random numbers, the same as torch draws on the CPU and on CUDA.
 *
 * The reference is PyTorch: torch.manual_seed, torch.randn, torch.Generator("cuda").  Both generators are published
 * algorithms; random.c names the papers.  No memory, no errors.  Useful copied alone. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* torch's CPU generator, the Mersenne Twister MT19937.  next: of the 624 words, the one to be used next. */
typedef struct { uint32_t state[624]; int next; } Rng;

void     rng_seed  (Rng *r, uint64_t seed);            /* torch.manual_seed(seed): the low 32 bits count */
uint32_t rng_bits  (Rng *r);                           /* 32 random bits */
uint32_t rng_below (Rng *r, uint32_t n);               /* 0 .. n-1, n > 0: the rest of a division, as torch takes it */
float    rng_uniform(Rng *r);                          /* torch.rand, float32: 0 <= u < 1, of 24 bits */
void     rng_normal(Rng *r, float *out, size_t n);     /* torch.randn(n), float32: mean 0, variance 1 */

/* torch's CUDA generator, Philox, as the web UI's "NV" and stable-diffusion.cpp compute it: torch.manual_seed(seed),
 * then torch.randn(n) on the GPU.  call: 0 for the first randn after seeding, 1 for the second, ...  n: below 2^32. */
void philox_normal(uint64_t seed, uint32_t call, float *out, size_t n);

#endif
