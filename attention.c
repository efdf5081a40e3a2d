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
#include "backward.h"
#include "gemm.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

/* BLOCK: most floats of a block of keys, or of values;  FEW: keys fetched ahead for the next of the inner ones */
enum { PANELS = 4, MOST_KEYS = 256, BLOCK = 1 << 16, FEW = 64 };
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
        vf before = load(max + v * LANES), less = pick(before == top[v], all(1), exp2_v(before - top[v]));
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

/* from query to query of one head in Attention's sums */
static size_t sums_step(Rows q, const Attention *s) { return q.step[2] * (size_t)s->heads * 2; }
static float *sums_of(Rows q, const Attention *s, size_t outer, size_t inner, size_t head)
{
    return s->sums + ((outer * q.step[0] + inner * q.step[1]) * (size_t)s->heads + head) * 2;
}

/* queries first .. first+count, PANELS panels at most, against all keys; y: laid out as q; sums: see Attention */
static void attend_panels(const Bench *t, float *y, float *sums, size_t step, Tokens q, const Attention *s, size_t first, size_t count)
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
            for (size_t i = 0; i < n; i++) {
                size_t at = first + p * NR + v + i;
                memcpy(y + at * q.step, rows + i * wide, d * sizeof *rows);
                if (sums) sums[at * step] = t->max[p * NR + v + i], sums[at * step + 1] = over[i];
            }
        }
}

/* these tokens will be read soon; few and far apart, as the frames of a pixel are, they are nobody's stream */
static void expect(Tokens t, size_t n, size_t d)
{
    for (size_t j = 0; j < n; j++) for (size_t i = 0; i < d; i += LANES) __builtin_prefetch(t.x + j * t.step + i);
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
#pragma omp parallel for schedule(dynamic, 1 + pairs * parts / (16 * threads)) num_threads(m->threads)
        for (size_t job = 0; job < pairs * parts; job++) {
            const Bench *mine = &t[thread_id()];
            size_t part = job % parts, pair = job / parts, head = pair % heads, in = pair / heads % inner, out = pair / heads / inner;
            size_t from = blocks * part / parts * PANELS * NR, end = least(queries, blocks * (part + 1) / parts * PANELS * NR);      /* the same panels for any number of parts */
            Tokens mine_q = tokens(q, out, in, head * d);
            for (int i = 0; i < 3 && s.keys <= FEW && in + 1 < inner; i++) expect(tokens((Rows[]){ q, k, v }[i], out, in + 1, head * d), (size_t)s.keys, d);
            pack_keys_values(mine, tokens(k, out, in, head * d), tokens(v, out, in, head * d), (size_t)s.keys, d);
            float *sums = s.sums ? sums_of(q, &s, out, in, head) : NULL;
            for (size_t i = from; i < end; i += PANELS * NR) attend_panels(mine, y + (mine_q.x - q.x), sums, sums_step(q, &s), mine_q, &s, i, least(PANELS * NR, end - i));
        }
    }
    release(m->mem, before);
}

/* ---- the way back ----------------------------------------------------------------------------- */
/* With the maxima and sums of the way forward, weights p and their gradients need no more than a block of keys and a panel of queries:
 *
 *     s = k q' / sqrt(d);  p = e^(s - m) / l;  dp = v dy';  ds = p (dp - D) / sqrt(d)       [keys][NR];  D = dy y', by query
 *     dv += p dy;   dk += ds q                                                             [keys][d]
 *     dq += k' ds                                                                          [d][NR], turned back                     */

enum { KEYS_BACK = 512 };

/* one thread's scratch.  keys, values: [block][row], rounded to bf16 if that is what the way forward did   keys_t: [d][keys_row]
 * s, ds: [block][NR]   q_t, dy_t, dq: [d][NR]   q, dy: [panel of NR channels][NR queries][NR]   dk, dv: [block][wide] */
typedef struct { float *keys, *values, *keys_t, *s, *ds, *q_t, *dy_t, *dq, *q, *dy, *dk, *dv; size_t d, block, row, keys_row, wide; int pairs; } Back;

static Back bench_back(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, wide = above(d, LANES), block = least(KEYS_BACK, above((size_t)s->keys, LANES)), turned = LANES * wide;
    Back t = { .d = d, .block = block, .row = row_of(d), .keys_row = row_of(block), .wide = wide, .pairs = m->bf16 };
    t.keys = cleared(m, block * t.row), t.values = cleared(m, block * t.row), t.keys_t = cleared(m, d * t.keys_row);
    t.s = cleared(m, block * NR), t.ds = cleared(m, block * NR > turned ? block * NR : turned);
    t.q_t = cleared(m, d * NR), t.dy_t = cleared(m, d * NR), t.dq = cleared(m, d * NR);
    t.q = cleared(m, above(d, NR) * NR), t.dy = cleared(m, above(d, NR) * NR);
    t.dk = cleared(m, block * wide), t.dv = cleared(m, block * wide);
    return t;
}

/* n rows as panels [NR channels][n][NR], for the right side of a product */
static void pack_rows(float *to, const float *from, size_t step, size_t n, size_t d)
{
    for (size_t e = 0; e < d; e += NR)
        for (size_t i = 0; i < n; i++) memcpy(to + e * NR + i * NR, from + i * step + e, least(NR, d - e) * sizeof *to);
}

/* to[rows][wide] += a[rows][NR] times the packed rows of n queries */
static void add_product(const Back *t, float *to, const float *a, size_t count, const float *packed, size_t n)
{
    for (size_t e = 0; e < t->wide; e += NR) tiles(to + e, t->wide, least(NR, t->wide - e), a, NR, count, packed + e * NR, n, (Finish){ NULL, 1, 1, 0 });
}

/* s: scores -> p;  ds: dp -> ds */
static void softmax_back(float *s, float *ds, size_t count, const float *max, const float *over, const float *product, float scale)
{
    vf top = load(max), by = load(over), mean = load(product);
    for (size_t j = 0; j < count; j++) {
        vf p = exp2_v(load(s + j * NR) - top) * by;
        store(s + j * NR, p);
        store(ds + j * NR, p * (load(ds + j * NR) - mean) * scale);
    }
}

/* What n queries from `first`, whose tokens are q, y and dy, have to do with count keys from j on: adds to t->dk, t->dv and dq. */
static void panel_back(const Back *t, float *dq, Tokens q, const float *dy, const float *y, const float *sums, size_t sums_at, size_t first, size_t n, size_t j, size_t count, int causal)
{
    size_t d = t->d, columns = above(n, LANES);
    float scale = (float)(1 / sqrt((double)d)), max[NR] = { 0 }, over[NR] = { 0 }, product[NR] = { 0 };
    for (size_t i = 0; i < n; i++) {
        max[i] = sums[i * sums_at], over[i] = sums[i * sums_at + 1];
        for (size_t e = 0; e < d; e++) product[i] += dy[i * q.step + e] * y[i * q.step + e];
    }
    turn(t->q_t, NR, q.x, q.step, n, d, (float)(1.4426950408889634 / sqrt((double)d)));
    turn(t->dy_t, NR, dy, q.step, n, d, 1);
    if (t->pairs) round_panel(t->q_t, d);
    tiles(t->s, NR, columns, t->keys, t->row, count, t->q_t, steps_of(d, t->pairs), (Finish){ NULL, 1, 0, t->pairs });
    tiles(t->ds, NR, columns, t->values, t->row, count, t->dy_t, d, (Finish){ NULL, 1, 0, 0 });
    if (causal) hide_later(t->s, j, count, first);
    for (size_t l = 0; l < columns; l += LANES) softmax_back(t->s + l, t->ds + l, count, max + l, over + l, product + l, scale);
    pack_rows(t->dy, dy, q.step, n, d);
    pack_rows(t->q, q.x, q.step, n, d);
    add_product(t, t->dv, t->s, count, t->dy, n);
    add_product(t, t->dk, t->ds, count, t->q, n);
    if (!dq) return;
    tiles(t->dq, NR, columns, t->keys_t, t->keys_row, d, t->ds, count, (Finish){ NULL, 1, 0, 0 });
    for (size_t l = 0; l < n; l += LANES) {
        float *rows = t->ds;                            /* their place is free now */
        turn(rows, t->wide, t->dq + l, NR, d, least(LANES, n - l), 1);
        for (size_t i = 0; i < least(LANES, n - l); i++)
            for (size_t e = 0; e < d; e++) dq[(l + i) * q.step + e] += rows[i * t->wide + e];
    }
}

static void pack_block(const Back *t, Tokens k, Tokens v, size_t j, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(t->keys + i * t->row, k.x + (j + i) * k.step, t->d * sizeof *k.x);
        memcpy(t->values + i * t->row, v.x + (j + i) * v.step, t->d * sizeof *v.x);
        if (t->pairs) round_row(t->keys + i * t->row, t->keys + i * t->row, t->d);
    }
    turn(t->keys_t, t->keys_row, k.x + j * k.step, k.step, count, t->d, 1);
    memset(t->dk, 0, count * t->wide * sizeof *t->dk);
    memset(t->dv, 0, count * t->wide * sizeof *t->dv);
}

static void add_rows(float *to, size_t step, const float *from, size_t wide, size_t count, size_t d)
{
    for (size_t i = 0; i < count && to; i++)
        for (size_t e = 0; e < d; e++) to[i * step + e] += from[i * wide + e];
}

/* where the gradient of x stands, when that of `from` stands at `to`; NULL where none is wanted */
static float *beside(float *to, const float *from, const float *x) { return to ? to + (x - from) : NULL; }

/* one head: all keys, and the queries of inner .. end that share them */
static void head_back(const Back *t, AttentionGradients g, const float *dy, const float *y, Rows q, Rows k, Rows v, const Attention *s, size_t outer, size_t inner, size_t end, size_t head)
{
    Tokens mine_k = tokens(k, outer, inner, head * t->d), mine_v = tokens(v, outer, inner, head * t->d);
    float *dk = beside(g.k, k.x, mine_k.x), *dv = beside(g.v, v.x, mine_v.x);
    for (size_t j = 0; j < (size_t)s->keys; j += t->block) {
        size_t count = least(t->block, (size_t)s->keys - j);
        pack_block(t, mine_k, mine_v, j, count);
        for (size_t in = inner; in < end; in++)
            for (size_t i = 0; i < (size_t)s->queries; i += NR) {
                Tokens mine = tokens(q, outer, in, head * t->d);
                mine.x += i * mine.step;
                size_t at = (size_t)(mine.x - q.x);
                panel_back(t, beside(g.q, q.x, mine.x), mine, dy + at, y + at, sums_of(q, s, outer, in, head) + i * sums_step(q, s), sums_step(q, s), i, least(NR, (size_t)s->queries - i), j, count, s->causal);
            }
        add_rows(beside(dk, k.x, k.x + j * mine_k.step), mine_k.step, t->dk, t->wide, count, t->d);
        add_rows(beside(dv, v.x, v.x + j * mine_v.step), mine_v.step, t->dv, t->wide, count, t->d);
    }
}

/* A thread takes whole heads, so that it alone adds to their dk and dv. */
void attend_back(Machine *m, AttentionGradients g, const float *dy, const float *y, Rows q, Rows k, Rows v, Attention s)
{
    size_t before = mark(m->mem), heads = (size_t)s.heads, shared = k.step[1] == 0 ? (size_t)s.inner : 1, groups = (size_t)s.inner / shared;
    Back *t = take(m->mem, (size_t)m->threads, sizeof *t);
    for (size_t i = 0; i < (size_t)m->threads; i++) t[i] = bench_back(m, &s);
    m->ops += 10.0 * (double)s.outer * s.inner * s.heads * (double)s.queries * s.keys * s.width;
    if (!m->dry) {
#pragma omp parallel for schedule(dynamic) num_threads(m->threads)
        for (size_t job = 0; job < (size_t)s.outer * groups * heads; job++) {
            size_t head = job % heads, group = job / heads % groups, outer = job / heads / groups;
            head_back(&t[thread_id()], g, dy, y, q, k, v, &s, outer, group * shared, (group + 1) * shared, head);
        }
    }
    release(m->mem, before);
}
