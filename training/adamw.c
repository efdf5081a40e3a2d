/* adamw.c - AdamW, and AdamW8bit.
 *
 * AdamW keeps two floats for each trainable parameter, running means of its gradient and of the gradient's square.
 * AdamW8bit (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022) keeps two bytes instead.  A byte
 * stands for one of 256 values of a fixed map, which lie close to each other near zero, times the largest magnitude
 * of its block of 256 elements.  A block is dequantized, updated and quantized again before the next one, so only
 * one block at a time is in 32 bits.
 *
 * Both do the same operations as their libraries, in the same order: AdamW those of torch, AdamW8bit those of
 * bitsandbytes' kernels.  This concerns the places of eps and of the bias corrections, when the weight decay comes, and
 * which code a value between two codes gets.  As in bitsandbytes, a tensor of fewer than 4096 elements stays in 32
 * bits, and each tensor begins a block of its own.
 *
 * An element depends on nothing outside its block, so any number of threads gives the same bytes. */
#include "adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wunused-parameter"      /* threads */
#endif

enum { BLOCK = 256, FEWEST_IN_8_BITS = 4096 };

struct QuantizationMaps { float mean[QUANTIZATION_CODES], square[QUANTIZATION_CODES]; };

/* ---- quantization maps ------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    if (x < y) return -1;
    return x > y;
}

/* torch.linspace(0.1, 1, n + 1)[i] in float32, which counts from both ends */
static float boundary(int i, int n)
{
    double step = (double)((1 - 0.1f) / (float)n);
    if (i < (n + 1) / 2) return (float)((double)0.1f + step * i);
    return (float)(1 - step * (n - i));
}

/* For each power of ten from 1e-6 to 1, the middles of equal parts of 0.1 .. 1: twice as many for the next power. */
void dynamic_map(float code[QUANTIZATION_CODES], int with_sign)
{
    int n = 0;
    for (int power = 0; power < 7; power++) {
        int parts = 1 << (with_sign ? power : power + 1);
        for (int i = 0; i < parts; i++) {
            float middle = (float)pow(10, power - 6) * ((boundary(i, parts) + boundary(i + 1, parts)) / 2);
            code[n++] = middle;
            if (with_sign) code[n++] = -middle;
        }
    }
    code[n++] = 0;
    code[n++] = 1;
    qsort(code, QUANTIZATION_CODES, sizeof *code, by_value);
}

/* ---- blocks ----------------------------------------------------------------------------------- */

static void dequantize(float *to, const float *map, const uint8_t *code, float absmax, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = map[code[i]] * absmax;
}

/* The code whose value is nearest to x / absmax.  Halfway between two it is the even one, where the search of the
 * kernels ends.  What is negative stays negative however small, as in the kernels.  In a block of zeros x / absmax is
 * NaN, which is above nothing, and the code is 0.
 *
 * All elements take each step of the binary search together, without a branch, so that none waits for another one. */
static void nearest_codes(uint8_t *to, const float *map, const float *x, float absmax, size_t n)
{
    float share[BLOCK];
    uint32_t below[BLOCK];
    for (size_t i = 0; i < n; i++) {
        share[i] = x[i] / absmax;
        below[i] = 0;
    }
    for (uint32_t half = QUANTIZATION_CODES / 2; half; half /= 2)
        for (size_t i = 0; i < n; i++) below[i] += share[i] > map[below[i] + half] ? half : 0;
    for (size_t i = 0; i < n; i++) {
        size_t c = below[i];
        size_t above = c < QUANTIZATION_CODES - 1 ? c + 1 : c;
        float middle = (map[c] + map[above]) * 0.5f;
        if ((share[i] > middle) | ((share[i] == middle) & (c % 2 == 1))) c = above;
        int turns_positive = signbit(x[i]) && !signbit(map[c]);
        to[i] = (uint8_t)(turns_positive ? c - 1 : c);
    }
}

/* Returns the block's absmax. */
static float quantize(uint8_t *to, const float *map, const float *x, size_t n)
{
    float absmax = 0;
    for (size_t i = 0; i < n; i++) absmax = fmaxf(absmax, fabsf(x[i]));
    nearest_codes(to, map, x, absmax, n);
    return absmax;
}

/* ---- the state -------------------------------------------------------------------------------- */

static size_t blocks_of(size_t n) { return (n + BLOCK - 1) / BLOCK; }

static int is_quantized(const AdamWState *s, size_t n) { return s->eight_bits && n >= FEWEST_IN_8_BITS; }

void adamw_add(AdamWState *s, size_t n)
{
    if (is_quantized(s, n)) {
        s->codes += n;
        s->blocks += blocks_of(n);
    }
    else s->floats += n;
}

static void *zeros(Arena *a, size_t count, size_t each) { return memset(allocate(a, count, each), 0, count * each); }

static Moment moment_of(Arena *a, const AdamWState *s)
{
    Moment m;
    m.value = zeros(a, s->floats, sizeof(float));
    m.code = zeros(a, s->codes, 1);
    m.absmax = zeros(a, s->blocks, sizeof(float));
    return m;
}

void adamw_allocate(Arena *a, AdamWState *s)
{
    struct QuantizationMaps *maps = allocate(a, 1, sizeof *maps);
    dynamic_map(maps->mean, 1);
    dynamic_map(maps->square, 0);
    s->maps = maps;
    s->mean = moment_of(a, s);
    s->square = moment_of(a, s);
}

/* Moves on over a tensor of n elements. */
static void pass(Moment *m, size_t n, int quantized)
{
    if (quantized) {
        m->code += n;
        m->absmax += blocks_of(n);
    }
    else m->value += n;
}

/* ---- a step ----------------------------------------------------------------------------------- */

/* What is the same for all elements of a tensor. */
typedef struct {
    float decay;                         /* 1 - lr weight_decay */
    float beta1, beta2, rest1, rest2;    /* rest: 1 - beta */
    float lr;                            /* with the bias correction of the mean, below zero */
    float root, eps;                     /* root: sqrt of the bias correction of the square */
} Coefficients;

/* torch computes these in float64, and rounds. */
static Coefficients torch_coefficients(AdamW how, int step)
{
    Coefficients c = { 0 };
    c.decay = (float)(1 - how.lr * how.weight_decay);
    c.rest1 = (float)(1 - how.beta1);
    c.beta2 = (float)how.beta2;
    c.rest2 = (float)(1 - how.beta2);
    c.lr = -(float)(how.lr / (1 - pow(how.beta1, step)));
    c.root = (float)sqrt(1 - pow(how.beta2, step));
    c.eps = (float)how.eps;
    return c;
}

/* The kernels compute in float32, where 1 - 0.999f is 5e-5 of itself more than 0.001. */
static Coefficients bitsandbytes_coefficients(AdamW how, int step)
{
    float beta1 = (float)how.beta1;
    float beta2 = (float)how.beta2;
    float lr = (float)how.lr;
    float root = sqrtf(1 - (float)pow((double)beta2, step));
    Coefficients c = { 0 };
    c.decay = 1 - lr * (float)how.weight_decay;
    c.beta1 = beta1;
    c.beta2 = beta2;
    c.rest1 = 1 - beta1;
    c.rest2 = 1 - beta2;
    c.lr = -lr * root / (1 - (float)pow((double)beta1, step));
    c.eps = root * (float)how.eps;
    return c;
}

static void torch_step(float *x, const float *d, float *mean, float *square, size_t n, const Coefficients *c)
{
    for (size_t i = 0; i < n; i++) {
        mean[i] += c->rest1 * (d[i] - mean[i]);
        square[i] = c->beta2 * square[i] + c->rest2 * d[i] * d[i];
        x[i] = x[i] * c->decay + c->lr * mean[i] / (sqrtf(square[i]) / c->root + c->eps);
    }
}

static void bitsandbytes_step(float *x, const float *d, float *mean, float *square, size_t n, const Coefficients *c)
{
    for (size_t i = 0; i < n; i++) {
        square[i] = square[i] * c->beta2 + c->rest2 * d[i] * d[i];
        mean[i] = mean[i] * c->beta1 + c->rest1 * d[i];
        x[i] = (x[i] + c->lr * (mean[i] / (sqrtf(square[i]) + c->eps))) * c->decay;
    }
}

/* Block b of a tensor whose moments are codes; n elements. */
static void quantized_step(const AdamWState *s, size_t b, float *x, const float *d, size_t n, const Coefficients *c)
{
    float mean[BLOCK], square[BLOCK];
    uint8_t *mean_code = s->mean.code + b * BLOCK;
    uint8_t *square_code = s->square.code + b * BLOCK;
    dequantize(mean, s->maps->mean, mean_code, s->mean.absmax[b], n);
    dequantize(square, s->maps->square, square_code, s->square.absmax[b], n);
    bitsandbytes_step(x, d, mean, square, n, c);
    s->mean.absmax[b] = quantize(mean_code, s->maps->mean, mean, n);
    s->square.absmax[b] = quantize(square_code, s->maps->square, square, n);
}

static void step_block(const AdamWState *s, size_t b, float *x, const float *d, size_t n, int quantized,
                       const Coefficients *c)
{
    if (quantized) {
        quantized_step(s, b, x, d, n, c);
        return;
    }
    float *mean = s->mean.value + b * BLOCK;
    float *square = s->square.value + b * BLOCK;
    if (s->eight_bits) bitsandbytes_step(x, d, mean, square, n, c);
    else torch_step(x, d, mean, square, n, c);
}

void adamw_step(AdamWState *next, float *x, const float *d, size_t n, AdamW how, int step, int threads)
{
    int quantized = is_quantized(next, n);
    size_t blocks = blocks_of(n);
    Coefficients c = next->eight_bits ? bitsandbytes_coefficients(how, step) : torch_coefficients(how, step);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t b = 0; b < blocks; b++) {
        size_t i = b * BLOCK;
        size_t count = n - i < BLOCK ? n - i : BLOCK;
        step_block(next, b, x + i, d + i, count, quantized, &c);
    }
    pass(&next->mean, n, quantized);
    pass(&next->square, n, quantized);
}
