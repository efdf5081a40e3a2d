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
/* With the maxima and sums of the way forward, weights p and their gradients need no more than a block of queries and a panel of NR
 * keys.  Here a column is a key; q and dy are the block's queries, k and v the panel's keys, D = the sum of dy y for each query:
 *
 *     s = q k' / sqrt(d);  p = e^(s - m) / l;  dp = dy v';  ds = p (dp - D)       [queries][NR]
 *     dv' += dy' p;  dk' += q' ds / sqrt(d)                                      [d][NR], turned back when all queries have been seen
 *     dq += ds k / sqrt(d)                                                       [queries][d]
 *
 * A thread packs the keys and values of a head once, for all its queries. */

enum { QUERIES = 128, GROUP = 64 };      /* GROUP: keys, some panels of them, that a sum for dq goes over at a time */

/* one thread's scratch.  Of all keys, in panels:  k_t, v_t, dk, dv: [panel][d][NR]   k: [group][wide / NR, rounded up][GROUP][NR]
 * Of a block of queries:  q, dy: [QUERIES][row]   q_t, dy_t: [d][turned_row]   s, ds: [QUERIES][NR]   dq: [QUERIES][wide]
 * ds_rows: ds of a group's panels beside each other, [QUERIES][row_of(GROUP)], as bf16 for pairs
 * max, over, product (D): of each query */
typedef struct { float *k_t, *v_t, *dk, *dv, *k, *q, *dy, *q_t, *dy_t, *s, *ds, *ds_rows, *dq, max[QUERIES], over[QUERIES], product[QUERIES]; size_t d, row, turned_row, wide; int pairs; } Back;

static Back bench_back(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, wide = above(d, LANES), keys = above((size_t)s->keys, NR), scores = QUERIES * NR, rows = LANES * wide;
    Back t = { .d = d, .row = row_of(d), .turned_row = row_of(QUERIES), .wide = wide, .pairs = m->bf16 };
    t.k_t = cleared(m, keys * d), t.v_t = cleared(m, keys * d), t.dk = cleared(m, keys * d), t.dv = cleared(m, keys * d), t.k = cleared(m, above(keys, GROUP) * above(d, NR));
    t.q = cleared(m, QUERIES * t.row), t.dy = cleared(m, QUERIES * t.row), t.q_t = cleared(m, d * t.turned_row), t.dy_t = cleared(m, d * t.turned_row);
    t.s = cleared(m, scores > rows ? scores : rows), t.ds = cleared(m, scores), t.ds_rows = cleared(m, QUERIES * row_of(GROUP)), t.dq = cleared(m, QUERIES * wide);
    return t;
}

/* n rows as panels [NR channels][GROUP][NR], for the right side of a product over them */
static void pack_rows(float *to, Tokens from, size_t n, size_t d, int pairs)
{
    for (size_t e = 0; e < d; e += NR, to += GROUP * NR) {
        for (size_t i = 0; i < n; i++) memcpy(to + i * NR, from.x + i * from.step + e, least(NR, d - e) * sizeof *to);
        if (pairs) round_panel(to, n);
    }
}

static void pack_keys_back(const Back *t, Tokens k, Tokens v, size_t keys)
{
    for (size_t j = 0; j < keys; j += GROUP) pack_rows(t->k + j * above(t->d, NR), (Tokens){ k.x + j * k.step, k.step }, least(GROUP, keys - j), t->d, t->pairs);
    for (size_t j = 0; j < keys; j += NR, k.x += NR * k.step, v.x += NR * v.step) {
        size_t n = least(NR, keys - j);
        turn(t->k_t + j * t->d, NR, k.x, k.step, n, t->d, 1);
        turn(t->v_t + j * t->d, NR, v.x, v.step, n, t->d, 1);
        if (t->pairs) round_panel(t->k_t + j * t->d, t->d), round_panel(t->v_t + j * t->d, t->d);
    }
    memset(t->dk, 0, above(keys, NR) * t->d * sizeof *t->dk);
    memset(t->dv, 0, above(keys, NR) * t->d * sizeof *t->dv);
}

/* both ways that the left side of a product can lie: n rows [n][row], and turned [d][turned_row] */
static void pack_queries(const Back *t, float *rows, float *turned, Tokens from, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t e = 0; e < t->d; e++) rows[i * t->row + e] = from.x[i * from.step + e] * scale;
        if (t->pairs) round_row(rows + i * t->row, rows + i * t->row, t->d);
    }
    turn(turned, t->turned_row, from.x, from.step, n, t->d, scale);
    for (size_t e = 0; e < t->d && t->pairs; e++) round_row(turned + e * t->turned_row, turned + e * t->turned_row, n);
}

/* s: scores -> p;  ds: dp -> ds */
static inline __attribute__((always_inline)) void softmax_back(const size_t vectors, const Back *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < vectors; v++) {
            float *s = t->s + i * NR + v * LANES, *ds = t->ds + i * NR + v * LANES;
            vf p = exp2_v(load(s) - t->max[i]) * t->over[i];
            store(s, p);
            store(ds, p * (load(ds) - t->product[i]));
        }
}

/* Of the keys from the j-th on, query i sees those before the (seen + i)-th, and there are no more than `keys` */
static void hide(float *s, size_t n, size_t j, size_t keys, size_t seen)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = seen + i > j ? least(keys, seen + i - j) : 0; c < NR; c++) s[i * NR + c] = NEVER;
}

/* what n queries, of which the first sees `seen` keys, have to do with those of a panel, the j-th and on: adds to their dk and dv */
static void panel_back(const Back *t, size_t j, size_t keys, size_t n, size_t seen)
{
    size_t d = t->d, columns = above(keys, LANES), at = j * d, steps = steps_of(n, t->pairs);
    Finish new = { NULL, 1, 0, t->pairs }, more = { NULL, 1, 1, t->pairs };
    tiles(t->s, NR, columns, t->q, t->row, n, t->k_t + at, steps_of(d, t->pairs), new);
    tiles(t->ds, NR, columns, t->dy, t->row, n, t->v_t + at, steps_of(d, t->pairs), new);
    if (least(keys, seen - least(seen, j)) < NR) hide(t->s, n, j, keys, seen);
    if (columns > LANES) softmax_back(2, t, n);
    else softmax_back(1, t, n);
    for (size_t i = 0; i < n; i++) {
        float *row = t->ds_rows + i * row_of(GROUP);
        if (t->pairs) round_row((uint16_t *)row + j % GROUP, t->ds + i * NR, NR);
        else memcpy(row + j % GROUP, t->ds + i * NR, NR * sizeof *row);
    }
    if (t->pairs) round_panel(t->s, n), round_panel(t->ds, n);
    tiles(t->dv + at, NR, columns, t->dy_t, t->turned_row, d, t->s, steps, more);
    tiles(t->dk + at, NR, columns, t->q_t, t->turned_row, d, t->ds, steps, more);
}

/* the same for a group of keys, and the queries' dq */
static void group_back(const Back *t, size_t j, size_t keys, size_t n, size_t seen)
{
    for (size_t p = 0; p < keys; p += NR) panel_back(t, j + p, least(NR, keys - p), n, seen);
    for (size_t e = 0; e < t->wide; e += NR)
        tiles(t->dq + e, t->wide, least(NR, t->wide - e), t->ds_rows, row_of(GROUP), n, t->k + j * above(t->d, NR) + e * GROUP, steps_of(keys, t->pairs), (Finish){ NULL, 1, j > 0, t->pairs });
}

static void add_rows(float *to, size_t step, const float *from, size_t wide, size_t count, size_t d, float scale)
{
    for (size_t i = 0; i < count && to; i++)
        for (size_t e = 0; e < d; e++) to[i * step + e] += scale * from[i * wide + e];
}

/* turned sums of all keys, to where rows of channels are wanted */
static void add_turned(const Back *t, float *to, size_t step, const float *from, size_t keys, float scale)
{
    float *rows = t->s;                                     /* the scores' place is free now */
    for (size_t j = 0; j < keys && to; j += LANES) {
        size_t n = least(LANES, keys - j);
        turn(rows, t->wide, from + j / NR * NR * t->d + j % NR, NR, t->d, n, 1);
        add_rows(to + j * step, step, rows, t->wide, n, t->d, scale);
    }
}

/* D, summed in the order in which dp is: of one key nothing but 0 is left */
static void products(Back *t, const float *dy, const float *y, size_t step, size_t n)
{
    turn(t->dy_t, t->turned_row, dy, step, n, t->d, 1);
    turn(t->q_t, t->turned_row, y, step, n, t->d, 1);
    for (size_t i = 0; i < n; i += LANES) {
        vf sum = all(0);
        for (size_t e = 0; e < t->d; e++) sum = fused(sum, load(t->dy_t + e * t->turned_row + i), load(t->q_t + e * t->turned_row + i));
        store(t->product + i, sum);
    }
}

static const float LOG2_E = 1.44269504f;

/* n queries, the first of them the first-th, against all keys */
static void queries_back(Back *t, float *dq, Tokens q, const float *dy, const float *y, const float *sums, size_t sums_at, size_t first, size_t n, const Attention *s)
{
    size_t keys = (size_t)s->keys, seen = s->causal ? first + 1 : keys;
    float over_root = (float)(1 / sqrt((double)t->d));
    for (size_t i = 0; i < n; i++) t->max[i] = sums[i * sums_at], t->over[i] = sums[i * sums_at + 1];
    products(t, dy, y, q.step, n);
    pack_queries(t, t->q, t->q_t, q, n, LOG2_E * over_root);      /* scores in powers of two, as on the way forward */
    pack_queries(t, t->dy, t->dy_t, (Tokens){ dy, q.step }, n, 1);
    size_t met = least(keys, seen + n - 1);
    for (size_t j = 0; j < met; j += GROUP) group_back(t, j, least(GROUP, met - j), n, seen);
    add_rows(dq, q.step, t->dq, t->wide, n, t->d, over_root);
}

/* where the gradient of x stands, when that of `from` stands at `to`; NULL where none is wanted */
static float *beside(float *to, const float *from, const float *x) { return to ? to + (x - from) : NULL; }

/* one head: all keys, and the queries of inner .. end that share them */
static void head_back(Back *t, AttentionGradients g, const float *dy, const float *y, Rows q, Rows k, Rows v, const Attention *s, size_t outer, size_t inner, size_t end, size_t head)
{
    size_t keys = (size_t)s->keys, queries = (size_t)s->queries, sums_at = sums_step(q, s);
    Tokens mine_k = tokens(k, outer, inner, head * t->d), mine_v = tokens(v, outer, inner, head * t->d);
    pack_keys_back(t, mine_k, mine_v, keys);
    for (size_t in = inner; in < end; in++)
        for (size_t i = 0; i < queries; i += QUERIES) {
            Tokens mine = tokens(q, outer, in, head * t->d);
            mine.x += i * mine.step;
            size_t at = (size_t)(mine.x - q.x);
            queries_back(t, beside(g.q, q.x, mine.x), mine, dy + at, y + at, sums_of(q, s, outer, in, head) + i * sums_at, sums_at, i, least(QUERIES, queries - i), s);
        }
    add_turned(t, beside(g.k, k.x, mine_k.x), mine_k.step, t->dk, keys, 1 / LOG2_E);      /* q came with log2 e / sqrt(d) */
    add_turned(t, beside(g.v, v.x, mine_v.x), mine_v.step, t->dv, keys, 1);
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
