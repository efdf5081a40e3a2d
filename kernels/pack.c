/* pack.c - weights as float32, laid out for the micro-kernel of gemm.c; numbers rounded to bf16.
 *
 * A file holds a weight as [out][in][taps]: the numbers of one filter lie together.  The micro-kernel wants NR filters
 * beside each other instead, b[k][NR].  So packing transposes, in squares of LANES x LANES numbers.  On the way the
 * numbers become float32: F16 and BF16 by vectors, types other than these and F32 by dtype.c.
 *
 * The gradient by a layer's input needs the transposed weight, whose file holds [in][out][taps] (see Conv in kernel.h).
 * There the NR filters of one channel lie together already, and only the taps change places.
 *
 * The weights of a model do not fit in the cache: each layer's come from memory.  So both ways of packing prefetch what
 * they will read next.  Only upcast_vector() allocates. */
#include "pack.h"

enum {
    PIECE = 320,                /* most numbers of one filter that are transposed at a time */
    MOST_TAPS = 9,
    AHEAD = 24,                 /* cache lines of transposed weights prefetched ahead */
    LINE = 64                   /* bytes of a cache line */
};

/* ---- float32 ---------------------------------------------------------------------------------- */

void upcast(float *restrict out, const Weight *w, size_t first, size_t count)
{
    const unsigned char *data = w->data;
    if (w->type == F32) {
        memcpy(out, data + first * 4, count * 4);
        return;
    }
    if (w->type != F16 && w->type != BF16) {
        dtype_to_float(out, w->data, w->type, first, count);
        return;
    }
    for (size_t i = 0; i < count; i += LANES) {
        vh half = { 0 };
        size_t n = min(count - i, LANES);
        if (n == LANES) memcpy(&half, data + (first + i) * 2, sizeof half);
        else memcpy(&half, data + (first + i) * 2, n * 2);
        vf wide = w->type == F16 ? f16_to_float_v(half) : bf16_to_float_v(half);
        if (n == LANES) store(out + i, wide);
        else memcpy(out + i, &wide, n * 4);
    }
}

float *upcast_vector(Machine *m, const Weight *w, size_t n)
{
    if (!w) return NULL;
    float *out = allocate(m->mem, n, sizeof *out);
    if (!m->dry) upcast(out, w, 0, n);
    return out;
}

/* ---- bf16 ------------------------------------------------------------------------------------- */

void bf16_row(void *to, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        vf v = splat(0);
        if (n - i >= LANES) v = load(x + i);
        else memcpy(&v, x + i, (n - i) * sizeof *x);
        vh half = float_to_bf16_v(v);
        memcpy((uint16_t *)to + i, &half, sizeof half);
    }
}

void bf16_panel(float *panel, size_t k)
{
    for (size_t i = 0; i < k; i += 2)
        for (size_t v = 0; v < NR; v += LANES) {
            vf low = load(panel + i * NR + v);
            vf high = i + 1 < k ? load(panel + (i + 1) * NR + v) : splat(0);
            store(panel + i / 2 * NR + v, bf16_pair_v(low, high));
        }
}

/* ---- panels ----------------------------------------------------------------------------------- */

static size_t taps_of(const Weight *w) { return w->rank == 4 ? w->shape[2] * w->shape[3] : 1; }

static void prefetch_bytes(const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += LINE) __builtin_prefetch(from + i);
}

/* Packs the block's channels i .. i + n - 1 for LANES filters from `filter` on, into the first LANES columns of panel.
 * The numbers of a filter for these channels lie together in the file, channel by channel, and are read once. */
static void pack_filters(float *restrict panel, const WeightBlock *block, size_t filter, size_t i, size_t n)
{
    const Weight *w = block->w;
    size_t in = w->shape[1], taps = taps_of(w), numbers = n * taps;
    size_t each = w->bytes / (w->shape[0] * in * taps);
    size_t channels = block->channels;
    int tap_major = block->tap_major;
    float lines[LANES][PIECE + LANES];
    for (size_t o = 0; o < LANES; o++) {
        size_t first = ((filter + o) * in + block->channel + i) * taps;
        if (filter + o < w->shape[0]) upcast(lines[o], w, first, numbers);
        else memset(lines[o], 0, numbers * sizeof **lines);
        const char *next_piece = (const char *)w->data + (first + numbers) * each;
        prefetch_bytes(next_piece, numbers * each);
    }
    for (size_t k = 0; k < numbers; k += LANES) {
        vf v[LANES];
        for (size_t o = 0; o < LANES; o++) v[o] = load(&lines[o][k]);
        transpose_v(v);
        for (size_t l = 0; l < LANES && k + l < numbers; l++) {
            size_t row = tap_major ? (k + l) % taps * channels + i + (k + l) / taps : i * taps + k + l;
            store(panel + row * NR, v[l]);
        }
    }
}

static void pack_block(float *restrict panel, const WeightBlock *block)
{
    size_t most = PIECE / taps_of(block->w);
    for (size_t i = 0; i < block->channels; i += most)
        for (size_t half = 0; half < NR; half += LANES)
            pack_filters(panel + half, block, block->filter + half, i, min(most, block->channels - i));
}

/* Packs channel i of a transposed block for LANES filters, into columns half .. half + LANES - 1 of the panel.
 * line: [NR][taps].  Tap t of the file becomes tap taps - 1 - t of the panel. */
static void reverse_taps(float *restrict panel, const float *line, const WeightBlock *block, size_t taps, size_t i,
                         size_t half)
{
    for (size_t t = 0; t < taps; t += LANES) {
        vf v[LANES];
        for (size_t o = 0; o < LANES; o++) v[o] = load(line + (half + o) * taps + t);
        transpose_v(v);
        for (size_t k = 0; k < LANES && t + k < taps; k++) {
            size_t tap = taps - 1 - t - k;
            size_t row = block->tap_major ? tap * block->channels + i : i * taps + tap;
            store(panel + row * NR + half, v[k]);
        }
    }
}

/* The numbers of NR filters for one channel lie together in the file; those of the next channel are far away. */
static void pack_transposed(float *restrict panel, const WeightBlock *block)
{
    const Weight *w = block->w;
    size_t out = w->shape[1];
    size_t taps = taps_of(w);
    size_t filters = min(NR, out - block->filter);
    size_t each = w->bytes / (w->shape[0] * out * taps);
    size_t ahead = ceil_div(AHEAD, taps);
    float line[NR * MOST_TAPS + LANES];
    memset(line, 0, sizeof line);
    for (size_t i = 0; i < block->channels; i++) {
        size_t first = ((block->channel + i) * out + block->filter) * taps;
        prefetch_bytes((const char *)w->data + (first + ahead * out * taps) * each, filters * taps * each);
        upcast(line, w, first, filters * taps);
        if (taps == 1) {
            memcpy(panel + i * NR, line, NR * sizeof *panel);
            continue;
        }
        for (size_t half = 0; half < NR; half += LANES) reverse_taps(panel, line, block, taps, i, half);
    }
}

void pack_weights(float *panel, const WeightBlock *block)
{
    if (block->transposed) pack_transposed(panel, block);
    else pack_block(panel, block);
}
