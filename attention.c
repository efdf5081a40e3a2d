/* attention.c - softmax(q k' / sqrt(d)) v without the matrix of scores (Dao et al., FlashAttention, 2022).
 *
 * Everything is computed turned on its side: a column for each query.  For a panel of NR queries, over blocks of keys,
 *
 *     s = k q' / sqrt(d)             [keys][NR]      keys as they lie, times a panel of turned queries
 *     m' = max(m, max s)             down each column, so there is no sum or maximum across a vector anywhere
 *     p = e^(s - m');   l = l e^(m - m') + sum p
 *     o = o e^(m - m') + v' p        [d][NR]         turned values, times the panel of weights where it stands
 *
 * and at the end o / l, turned back.  Both products are tiles whose rows, keys and channels, waste nothing whatever the
 * width of a head is.  A thread packs the keys and values of a head once, for all queries it has of it, and takes PANELS panels
 * through each block of keys, which meanwhile stays in its cache. */
#include "gemm.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

enum { PANELS = 4, MOST_KEYS = 256, BLOCK = 1 << 16 };       /* BLOCK: most floats of a block of keys, or of values */
static const float NEVER = -1e30f;

/* one thread's scratch; k: [keys][k_row]   v: [d][v_row]   q, o: [panel][d][NR]   s: [block][NR]   max, sum: [panel][NR] */
typedef struct { float *k, *v, *q, *s, *o, *max, *sum; size_t k_row, v_row, block; int pairs; } Bench;

typedef struct { const float *x; size_t step; } Tokens;      /* channels of one head, from token to token */

static Tokens tokens(Rows r, size_t outer, size_t inner, size_t channel)
{
    return (Tokens){ r.x + (outer * r.step[0] + inner * r.step[1]) * r.row + channel, r.step[2] * r.row };
}

/* to[j][i] = scale * from[i][j] for n rows of c columns; the rows of `to` are filled up with zeros to whole vectors */
static void turn(float *restrict to, size_t to_step, const float *restrict from, size_t from_step, size_t n, size_t c, float scale)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t j = 0; j < c; j += LANES) {
            size_t rows = least(LANES, n - i), columns = least(LANES, c - j);
            vf v[LANES];
            for (size_t k = 0; k < LANES; k++) v[k] = all(0);
            if (columns == LANES) for (size_t k = 0; k < rows; k++) v[k] = load(from + (i + k) * from_step + j) * scale;
            else for (size_t k = 0; k < rows; k++) memcpy(&v[k], from + (i + k) * from_step + j, columns * sizeof *from), v[k] *= scale;
            transpose(v);
            for (size_t k = 0; k < columns; k++) store(to + (j + k) * to_step + i, v[k]);
        }
}

static void pack_keys_values(const Bench *t, Tokens k, Tokens v, size_t keys, size_t d)
{
    for (size_t j = 0; j < keys; j++) memcpy(t->k + j * t->k_row, k.x + j * k.step, d * sizeof *t->k);
    turn(t->v, t->v_row, v.x, v.step, keys, d, 1);
    if (!t->pairs) return;
    for (size_t j = 0; j < keys; j++) round_row(t->k + j * t->k_row, t->k + j * t->k_row, d);
    for (size_t i = 0; i < d; i++) round_row(t->v + i * t->v_row, t->v + i * t->v_row, keys);
}

/* scores [n][NR] -> weights, of which pairs are rounded and put together; the running maximum and sum, and what `shrink` all before must */
static inline __attribute__((always_inline)) void softmax_columns(const size_t vectors, float *restrict s, size_t n, float *restrict max, float *restrict sum, float *restrict shrink, int pairs)
{
    vf top[2] = { load(max), load(max + LANES) }, add[2] = { all(0), all(0) };
    for (size_t j = 0; j < n; j++) for (size_t v = 0; v < vectors; v++) top[v] = max_v(top[v], load(s + j * NR + v * LANES));
    for (size_t j = 0; j < n && !pairs; j++)
        for (size_t v = 0; v < vectors; v++) {
            vf p = exp2_v(load(s + j * NR + v * LANES) - top[v]);
            store(s + j * NR + v * LANES, p);
            add[v] += p;
        }
    for (size_t j = 0; j < n && pairs; j += 2)
        for (size_t v = 0; v < vectors; v++) {
            vf p = rough_exp2_v(load(s + j * NR + v * LANES) - top[v]), q = j + 1 < n ? rough_exp2_v(load(s + (j + 1) * NR + v * LANES) - top[v]) : all(0);
            vu low = (vu)p + 0x8000, high = (vu)q + 0x8000;              /* positive numbers: halves rounded up do no harm */
            store(s + j / 2 * NR + v * LANES, (vf)(low >> 16 | (high & 0xffff0000u)));
            add[v] += p + q;
        }
    for (size_t v = 0; v < vectors; v++) {
        vf less = exp2_v(load(max + v * LANES) - top[v]);
        store(shrink + v * LANES, less);
        store(sum + v * LANES, load(sum + v * LANES) * less + add[v]);
        store(max + v * LANES, top[v]);
    }
}

/* no query sees a key that comes after it */
static void hide_later(float *s, size_t first_key, size_t keys, size_t first_query)
{
    for (size_t j = 0; j < keys; j++)
        for (size_t i = 0; i < NR; i++) if (first_key + j > first_query + i) s[j * NR + i] = NEVER;
}

/* keys j .. j+n against panel p of the queries, which begins at query `first` */
static void panel_block(const Bench *t, size_t p, size_t first, size_t columns, size_t j, size_t n, size_t d, int causal)
{
    float *q = t->q + p * d * NR, *o = t->o + p * d * NR, shrink[NR] __attribute__((aligned(VECTOR)));
    tiles(t->s, NR, columns, t->k + j * t->k_row, t->k_row, n, q, steps_of(d, t->pairs), (Finish){ NULL, 1, 0, t->pairs });
    if (causal) hide_later(t->s, j, n, first);
    if (columns > LANES) softmax_columns(2, t->s, n, t->max + p * NR, t->sum + p * NR, shrink, t->pairs);
    else softmax_columns(1, t->s, n, t->max + p * NR, t->sum + p * NR, shrink, t->pairs);
    for (size_t i = 0; i < d && j; i++) for (size_t v = 0; v < columns; v += LANES) store(o + i * NR + v, load(o + i * NR + v) * load(shrink + v));
    tiles(o, NR, columns, t->v + steps_of(j, t->pairs), t->v_row, d, t->s, steps_of(n, t->pairs), (Finish){ NULL, 1, j > 0, t->pairs });
}

/* queries first .. first+count, PANELS panels at most, against all keys; y: laid out as q */
static void attend_panels(const Bench *t, float *y, Tokens q, const Attention *s, size_t first, size_t count)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, panels = parts_of(count, NR);
    float scale = (float)(1.4426950408889634 / sqrt((double)d));       /* scores in powers of two: e^s = 2^(s / ln 2) */
    for (size_t p = 0; p < panels; p++) {
        turn(t->q + p * d * NR, NR, q.x + (first + p * NR) * q.step, q.step, least(NR, count - p * NR), d, scale);
        if (t->pairs) round_panel(t->q + p * d * NR, d);
        for (size_t i = 0; i < NR; i++) t->max[p * NR + i] = NEVER, t->sum[p * NR + i] = 0;
    }
    for (size_t j = 0; j < keys; j += t->block)
        for (size_t p = 0; p < panels; p++) {
            size_t from = first + p * NR, columns = above(least(NR, count - p * NR), LANES);
            if (!s->causal || j < from + NR) panel_block(t, p, from, columns, j, least(t->block, keys - j), d, s->causal);
        }
    for (size_t p = 0; p < panels; p++)
        for (size_t v = 0; v < least(NR, count - p * NR); v += LANES) {
            float *o = t->o + p * d * NR + v, *rows = t->s;                /* the scores' place is free now */
            size_t n = least(LANES, count - p * NR - v), wide = above(d, LANES);
            vf over = 1.0f / load(t->sum + p * NR + v);
            for (size_t i = 0; i < d; i++) store(o + i * NR, load(o + i * NR) * over);
            turn(rows, wide, o, NR, d, n, 1);
            for (size_t i = 0; i < n; i++) memcpy(y + (first + p * NR + v + i) * q.step, rows + i * wide, d * sizeof *rows);
        }
}

static float *cleared(Machine *m, size_t n)
{
    float *x = take(m->mem, n, sizeof *x);
    if (!m->dry) memset(x, 0, n * sizeof *x);      /* padding is multiplied, though never used: it must not be NaN */
    return x;
}

/* rows of an odd number of cache lines, so that a column does not share one set of the cache */
static size_t row_of(size_t n) { return (parts_of(n, LANES) | 1) * LANES; }

static Bench bench(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, block = least(MOST_KEYS, above(BLOCK / d + 1, LANES)), panels = PANELS * NR;
    size_t scores = block * NR, turned = LANES * above(d, LANES);
    return (Bench){ cleared(m, keys * row_of(d)), cleared(m, d * row_of(keys)), cleared(m, d * panels), cleared(m, scores > turned ? scores : turned),
                    take(m->mem, d * panels, 4), take(m->mem, panels, 4), take(m->mem, panels, 4), row_of(d), row_of(keys), block, m->bf16 };
}

void attend(Machine *m, float *y, Rows q, Rows k, Rows v, Attention s)
{
    size_t before = mark(m->mem), heads = (size_t)s.heads, inner = (size_t)s.inner, queries = (size_t)s.queries, d = (size_t)s.width;
    size_t pairs = (size_t)s.outer * inner * heads, threads = (size_t)m->threads, blocks = parts_of(queries, PANELS * NR);
    size_t parts = least(blocks, pairs >= 4 * threads ? 1 : parts_of(4 * threads, pairs));
    Bench *t = take(m->mem, threads, sizeof *t);
    for (size_t i = 0; i < threads; i++) t[i] = bench(m, &s);
    m->ops += 4.0 * (double)pairs * (double)queries * s.keys * s.width;
    if (!m->dry) {
#pragma omp parallel for schedule(dynamic) num_threads(m->threads)
        for (size_t job = 0; job < pairs * parts; job++) {
            const Bench *mine = &t[thread_id()];
            size_t part = job % parts, pair = job / parts, head = pair % heads, in = pair / heads % inner, out = pair / heads / inner;
            size_t from = queries * part / parts, end = queries * (part + 1) / parts;
            Tokens mine_q = tokens(q, out, in, head * d);
            pack_keys_values(mine, tokens(k, out, in, head * d), tokens(v, out, in, head * d), (size_t)s.keys, d);
            for (size_t i = from; i < end; i += PANELS * NR) attend_panels(mine, y + (mine_q.x - q.x), mine_q, &s, i, least(PANELS * NR, end - i));
        }
    }
    release(m->mem, before);
}
