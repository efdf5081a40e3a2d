/* optimizer.c - what moves the weights.
 *
 * AdamW keeps two floats for each one that learns.  AdamW8bit (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022) keeps
 * two bytes: a block of 256 elements is unpacked, moved and packed again at once, so that no more than a block is ever in 32 bits.
 * A byte stands for one of 256 values of a fixed map, close to each other near zero, times the block's largest magnitude.
 *
 * Both follow their libraries to the operation, AdamW torch, AdamW8bit the kernels of bitsandbytes: where eps and the corrections stand, whether the
 * decay comes first, what a value between two codes becomes.  Blocks and small tensors too: a tensor of fewer than 4096 elements
 * stays in 32 bits, and each tensor begins a block of its own.
 *
 * An element depends on nothing outside its block, so any number of threads gives the same bytes. */
#include "optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wunused-parameter"      /* threads */
#endif

enum { BLOCK = 256, CODES = 256, FEWEST_IN_8_BITS = 4096 };

struct Codes { float of_mean[CODES], of_square[CODES]; };

/* ---- the codes -------------------------------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* torch.linspace(0.1, 1, n + 1), float32, which counts from both ends */
static float boundary(int i, int n)
{
    double step = (double)((1 - 0.1f) / (float)n);
    return (float)(i < (n + 1) / 2 ? (double)0.1f + step * i : 1 - step * (n - i));
}

/* bitsandbytes/functional.py, create_dynamic_map: for each power of ten from 1e-6 to 1 the middles of equal parts of 0.1 .. 1, as many as
 * a byte has left: twice as many for the next power */
void dynamic_map(float code[256], int with_sign)
{
    int n = 0;
    for (int power = 0; power < 7; power++)
        for (int i = 0, parts = 1 << (with_sign ? power : power + 1); i < parts; i++) {
            code[n++] = (float)pow(10, power - 6) * ((boundary(i, parts) + boundary(i + 1, parts)) / 2);
            if (with_sign) code[n] = -code[n - 1], n++;
        }
    code[n++] = 0, code[n++] = 1;
    qsort(code, CODES, sizeof *code, rising);
}

/* The code nearest to x / most; halfway between two the even one, at which the search of the kernels ends.  All elements of a block take
 * each step of the search together: none waits for another's.  What is negative stays so, however small, as in the kernels.
 * In a block of zeros x / most is above nothing: code 0. */
static void nearest(uint8_t *to, const float *code, const float *x, float most, size_t n)
{
    float share[BLOCK];
    uint32_t below[BLOCK];
    for (size_t i = 0; i < n; i++) share[i] = x[i] / most, below[i] = 0;
    for (uint32_t half = CODES / 2; half; half /= 2)
        for (size_t i = 0; i < n; i++) below[i] += half * (share[i] > code[below[i] + half]);
    for (size_t i = 0; i < n; i++) {
        size_t c = below[i], above = c + (c < CODES - 1);
        float middle = (code[c] + code[above]) * 0.5f;
        if ((share[i] > middle) | ((share[i] == middle) & (c % 2))) c = above;
        to[i] = (uint8_t)(c - (signbit(x[i]) && !signbit(code[c])));
    }
}

/* ---- the room --------------------------------------------------------------------------------- */

static size_t blocks_of(size_t n) { return (n + BLOCK - 1) / BLOCK; }

static int has_codes(const Moments *m, size_t n) { return m->eight_bits && n >= FEWEST_IN_8_BITS; }

void moments_add(Moments *m, size_t n)
{
    if (has_codes(m, n)) m->codes += n, m->blocks += blocks_of(n);
    else m->floats += n;
}

static void *zeros(Arena *a, size_t count, size_t each) { return memset(take(a, count, each), 0, count * each); }

static struct Moment moment(Arena *a, const Moments *m)
{
    return (struct Moment){ zeros(a, m->floats, sizeof(float)), zeros(a, m->codes, 1), zeros(a, m->blocks, sizeof(float)) };
}

void moments_take(Arena *a, Moments *m)
{
    struct Codes *codes = take(a, 1, sizeof *codes);
    dynamic_map(codes->of_mean, 1), dynamic_map(codes->of_square, 0);
    m->mean = moment(a, m), m->square = moment(a, m), m->meaning = codes;
}

static void pass(struct Moment *m, size_t floats, size_t codes, size_t blocks) { m->value += floats, m->code += codes, m->most += blocks; }

/* ---- a step ----------------------------------------------------------------------------------- */

typedef struct { float keep, b1, b2, new1, new2, rate, root, eps; } Rule;      /* what holds for all elements; rate: below zero */

static Rule torch_rule(AdamW how, int step)
{
    return (Rule){ .keep = (float)(1 - how.rate * how.decay), .new1 = (float)(1 - how.b1), .b2 = (float)how.b2, .new2 = (float)(1 - how.b2),
                   .rate = -(float)(how.rate / (1 - pow(how.b1, step))), .root = (float)sqrt(1 - pow(how.b2, step)), .eps = (float)how.eps };
}

/* all in float32, for 1 - 0.999f is 5e-5 more than 0.001 */
static Rule kernel_rule(AdamW how, int step)
{
    float b1 = (float)how.b1, b2 = (float)how.b2, rate = (float)how.rate, root = sqrtf(1 - (float)pow((double)b2, step));
    return (Rule){ .keep = 1 - rate * (float)how.decay, .b1 = b1, .new1 = 1 - b1, .b2 = b2, .new2 = 1 - b2,
                   .rate = -rate * root / (1 - (float)pow((double)b1, step)), .eps = root * (float)how.eps };
}

static void torch_step(float *x, const float *d, float *mean, float *square, size_t n, const Rule *r)
{
    for (size_t i = 0; i < n; i++) {
        mean[i] += r->new1 * (d[i] - mean[i]);
        square[i] = r->b2 * square[i] + r->new2 * d[i] * d[i];
        x[i] = x[i] * r->keep + r->rate * mean[i] / (sqrtf(square[i]) / r->root + r->eps);
    }
}

static void kernel_step(float *x, const float *d, float *mean, float *square, size_t n, const Rule *r)
{
    for (size_t i = 0; i < n; i++) {
        square[i] = square[i] * r->b2 + r->new2 * d[i] * d[i];
        mean[i] = mean[i] * r->b1 + r->new1 * d[i];
        x[i] = (x[i] + r->rate * (mean[i] / (sqrtf(square[i]) + r->eps))) * r->keep;
    }
}

static void unpack(float *to, const float *code, const uint8_t *from, float most, size_t n) { for (size_t i = 0; i < n; i++) to[i] = code[from[i]] * most; }

static float pack(uint8_t *to, const float *code, const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    nearest(to, code, x, most, n);
    return most;
}

static void packed_step(float *x, const float *d, uint8_t *mean_code, float *mean_most, uint8_t *square_code, float *square_most, size_t n, const Rule *r,
                        const struct Codes *c)
{
    float mean[BLOCK], square[BLOCK];
    unpack(mean, c->of_mean, mean_code, *mean_most, n), unpack(square, c->of_square, square_code, *square_most, n);
    kernel_step(x, d, mean, square, n, r);
    *mean_most = pack(mean_code, c->of_mean, mean, n), *square_most = pack(square_code, c->of_square, square, n);
}

void moments_step(Moments *m, float *x, const float *d, size_t n, AdamW how, int step, int threads)
{
    struct Moment mean = m->mean, square = m->square;
    int codes = has_codes(m, n);
    size_t blocks = blocks_of(n);
    Rule rule = m->eight_bits ? kernel_rule(how, step) : torch_rule(how, step);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t b = 0; b < blocks; b++) {
        size_t i = b * BLOCK, count = n - i < BLOCK ? n - i : BLOCK;
        if (codes) packed_step(x + i, d + i, mean.code + i, mean.most + b, square.code + i, square.most + b, count, &rule, m->meaning);
        else (m->eight_bits ? kernel_step : torch_step)(x + i, d + i, mean.value + i, square.value + i, count, &rule);
    }
    pass(&m->mean, codes ? 0 : n, codes ? n : 0, codes ? blocks : 0), pass(&m->square, codes ? 0 : n, codes ? n : 0, codes ? blocks : 0);
}

double clip_gradients(float *d, size_t count, double most)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += (double)d[i] * (double)d[i];
    double norm = sqrt(square), factor = most / (norm + 1e-6);
    if (most > 0 && factor < 1) for (size_t i = 0; i < count; i++) d[i] *= (float)factor;
    return norm;
}

/* ---- schedules -------------------------------------------------------------------------------- */

static const double PI = 3.141592653589793;

/* diffusers/optimization.py; done: 0 .. 1, how much of the steps after the warm-up is over */
static double constant(const RateSchedule *s, double done)   { (void)s, (void)done; return 1; }
static double linear(const RateSchedule *s, double done)     { (void)s; return 1 - done; }
static double cosine(const RateSchedule *s, double done)     { (void)s; return 0.5 * (1 + cos(PI * done)); }
static double restarts(const RateSchedule *s, double done)   { return 0.5 * (1 + cos(PI * fmod(s->cycles * done, 1))); }
static double polynomial(const RateSchedule *s, double done) { return (1 - s->end) * pow(1 - done, s->power) + s->end; }

const char *const schedule_names[] = { "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", NULL };
static double (*const shapes[])(const RateSchedule *, double) = { constant, constant, linear, cosine, restarts, polynomial };

int schedule_warmup(const RateSchedule *s, int steps) { return (int)(s->warmup < 1 ? s->warmup * steps : s->warmup); }

double schedule_factor(const RateSchedule *s, int step, int steps)
{
    int kind = 0, warmup = schedule_warmup(s, steps);
    while (schedule_names[kind + 1] && strcmp(schedule_names[kind], s->name)) kind++;
    if (!kind) return 1;
    if (step < warmup) return (double)step / warmup;
    return shapes[kind](s, (double)(step - warmup) / (steps > warmup ? steps - warmup : 1));
}
