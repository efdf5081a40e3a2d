/* attention.c - softmax(q k' / sqrt(d)) v, without storing the matrix of scores; and its gradients.
 *
 * Scores are computed for one block of keys at a time, with a running maximum and a running sum for each query.  This
 * is the online softmax (M. Milakov and N. Gimelshein, 2018), applied to attention by M. Rabe and C. Staats ("Self-
 * attention Does Not Need O(n^2) Memory", 2021) and T. Dao et al. ("FlashAttention", 2022).  Memory grows with the
 * number of tokens, and not with its square.  Spatial self-attention, cross-attention, temporal attention and the
 * causal attention of CLIP are the same loops over other strides (see kernel.h).
 *
 * Everything is computed transposed, with a column for each query.  For a panel of NR queries, and each block of keys:
 *
 *     s     = k q' / sqrt(d)              [keys][NR]    scores: the keys as they lie, times the transposed queries
 *     m_new = max(m, max s)               [NR]          running maximum, down each column
 *     p     = e^(s - m_new)               [keys][NR]
 *     l     = l e^(m - m_new) + sum p     [NR]          running sum
 *     o     = o e^(m - m_new) + v' p      [d][NR]       running result: the transposed values, times p
 *
 * At the end y = o / l, transposed back.  So no maximum or sum goes across a vector.  Both products are panels of
 * gemm.c, whose rows are keys, then channels: nothing is wasted on padding, whatever the width d of a head is.
 *
 * A thread packs the keys and values of a head once, for all the queries that it has of this head.  It takes PANELS
 * panels of queries through each block of keys, which meanwhile stays in its cache.  The panels are the same for any
 * number of threads, and so are the bytes of the result.
 * plain.c: attend() and attend_back() say the same in plain loops. */
#include "backward.h"
#include "gemm.h"
#include "parallel.h"

#include <math.h>

enum {
    PANELS = 4,
    MOST_KEYS = 256,            /* a block of keys has at most so many keys, */
    BLOCK = 1 << 16,            /* and about so many floats */
    FEW = 64                    /* up to so many tokens, those of the next sequence are prefetched */
};

static const float MASKED = -1e30f;      /* a score whose weight p becomes 0 */

/* e^s = 2^(s log2 e).  The factor log2 e goes into the queries, together with 1 / sqrt(d), so that 2^x is enough. */
static const double LOG2_E = 1.4426950408889634;

/* ---- tokens ----------------------------------------------------------------------------------- */

/* One head of one sequence: see kernel.h. */
typedef struct { size_t outer, inner, head; } Head;

/* Its tokens, d channels each; from one token to the next there are `stride` floats. */
typedef struct { const float *x; size_t stride; } Tokens;

static Tokens tokens_of(StridedRows r, Head at, size_t d)
{
    size_t row = at.outer * r.step[0] + at.inner * r.step[1];
    return (Tokens){ .x = r.x + row * r.row + at.head * d, .stride = r.step[2] * r.row };
}

/* The softmax statistics, two floats for each query: where those of a head's first query stand, and how many floats
 * further those of the next one. */
static float *sums_of(StridedRows q, const Attention *s, Head at)
{
    size_t row = at.outer * q.step[0] + at.inner * q.step[1];
    return s->softmax_stats + (row * (size_t)s->heads + at.head) * 2;
}
static size_t sums_stride(StridedRows q, const Attention *s) { return q.step[2] * (size_t)s->heads * 2; }

/* to[j][i] = scale * from[i][j], for n rows of c columns; the rows of to are filled up with zeros to whole vectors. */
static void transpose_rows(float *restrict to, size_t to_row, const float *restrict from, size_t from_row, size_t n,
                           size_t c, float scale)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t j = 0; j < c; j += LANES) {
            size_t rows = min(LANES, n - i);
            size_t columns = min(LANES, c - j);
            vf v[LANES];
            for (size_t k = 0; k < LANES; k++) v[k] = splat(0);
            if (columns == LANES)
                for (size_t k = 0; k < rows; k++) v[k] = load(from + (i + k) * from_row + j) * scale;
            else
                for (size_t k = 0; k < rows; k++) {
                    memcpy(&v[k], from + (i + k) * from_row + j, columns * sizeof *from);
                    v[k] *= scale;
                }
            transpose_v(v);
            for (size_t k = 0; k < columns; k++) store(to + (j + k) * to_row + i, v[k]);
        }
}

/* Prefetches n tokens.  Where tokens are few and far apart, as the frames of a pixel are, the processor does not
 * foresee them by itself. */
static void prefetch(Tokens t, size_t n, size_t d)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < d; i += LANES) __builtin_prefetch(t.x + j * t.stride + i);
}

/* ---- scratch ---------------------------------------------------------------------------------- */

/* n zeros.  Padding is multiplied, though the results are not used, and must not be NaN. */
static float *zeros(Machine *m, size_t n)
{
    float *x = allocate(m->mem, n, sizeof *x);
    if (!m->dry) memset(x, 0, n * sizeof *x);
    return x;
}

/* Floats from one row to the next: an odd number of vectors, so that a column does not share one set of the cache. */
static size_t row_of(size_t n) { return (ceil_div(n, LANES) | 1) * LANES; }

/* One thread's memory.  k and v hold bf16 numbers where bf16 is set, q and s pairs of them. */
typedef struct {
    float *k;                   /* [keys][k_row] */
    float *v;                   /* [d][v_row], transposed */
    float *q, *o;               /* [panel][d][NR] */
    float *s;                   /* [block][NR] */
    float *max, *sum;           /* [panel][NR]: m and l */
    size_t k_row, v_row, block; /* block: keys in a block */
    int    bf16;
} Scratch;

static Scratch scratch_of(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, queries = PANELS * NR;
    size_t block = min(MOST_KEYS, round_up(BLOCK / d + 1, LANES));
    size_t scores = block * NR, results = LANES * round_up(d, LANES);      /* at the end s holds results */
    Scratch t = { .k_row = row_of(d), .v_row = row_of(keys), .block = block, .bf16 = m->bf16 };
    t.k = zeros(m, keys * t.k_row);
    t.v = zeros(m, d * t.v_row);
    t.q = zeros(m, d * queries);
    t.s = zeros(m, scores > results ? scores : results);
    t.o = allocate(m->mem, d * queries, sizeof *t.o);
    t.max = allocate(m->mem, queries, sizeof *t.max);
    t.sum = allocate(m->mem, queries, sizeof *t.sum);
    return t;
}

/* ---- forward ---------------------------------------------------------------------------------- */

static void pack_keys_values(const Scratch *t, Tokens k, Tokens v, size_t keys, size_t d)
{
    for (size_t j = 0; j < keys; j++) memcpy(t->k + j * t->k_row, k.x + j * k.stride, d * sizeof *t->k);
    transpose_rows(t->v, t->v_row, v.x, v.stride, keys, d, 1);
    if (!t->bf16) return;
    for (size_t j = 0; j < keys; j++) bf16_row(t->k + j * t->k_row, t->k + j * t->k_row, d);
    for (size_t i = 0; i < d; i++) bf16_row(t->v + i * t->v_row, t->v + i * t->v_row, keys);
}

/* One block of the online softmax: the scores s, [n][NR], become p = 2^(s - max), and max and sum are updated.
 * Writes shrink = 2^(old max - new max), by which all results before must be multiplied.
 * In bf16, two rows of p become one row of pairs, and 2^x and the rounding may be rougher. */
static ALWAYS_INLINE void softmax_columns(const size_t vectors, float *restrict s, size_t n, float *restrict max,
                                          float *restrict sum, float *restrict shrink, int bf16)
{
    vf top[2] = { load(max), load(max + LANES) };
    vf add[2] = { splat(0), splat(0) };
    for (size_t j = 0; j < n; j++)
        for (size_t v = 0; v < vectors; v++) top[v] = max_v(top[v], load(s + j * NR + v * LANES));
    for (size_t j = 0; j < n && !bf16; j++)
        for (size_t v = 0; v < vectors; v++) {
            vf p = exp2_v(load(s + j * NR + v * LANES) - top[v]);
            store(s + j * NR + v * LANES, p);
            add[v] += p;
        }
    for (size_t j = 0; j < n && bf16; j += 2)
        for (size_t v = 0; v < vectors; v++) {
            vf p = rough_exp2_v(load(s + j * NR + v * LANES) - top[v]);
            vf q = j + 1 < n ? rough_exp2_v(load(s + (j + 1) * NR + v * LANES) - top[v]) : splat(0);
            vu low = (vu)p + 0x8000, high = (vu)q + 0x8000;      /* rounded to nearest, ties up */
            store(s + j / 2 * NR + v * LANES, (vf)(low >> 16 | (high & 0xffff0000u)));
            add[v] += p + q;
        }
    for (size_t v = 0; v < vectors; v++) {
        vf before = load(max + v * LANES);
        vf less = select_v(before == top[v], splat(1), exp2_v(before - top[v]));      /* exactly 1 if max stays */
        store(shrink + v * LANES, less);
        store(sum + v * LANES, load(sum + v * LANES) * less + add[v]);
        store(max + v * LANES, top[v]);
    }
}

/* The causal attention mask: no query sees a key that comes after it. */
static void causal_mask(float *s, size_t first_key, size_t keys, size_t first_query)
{
    for (size_t j = 0; j < keys; j++)
        for (size_t i = 0; i < NR; i++)
            if (first_key + j > first_query + i) s[j * NR + i] = MASKED;
}

/* One block of keys, j .. j + n - 1, for panel p of the queries, which begins at query `first`. */
static void panel_block(const Scratch *t, size_t p, size_t first, size_t columns, size_t j, size_t n, size_t d,
                        int causal)
{
    float *q = t->q + p * d * NR, *o = t->o + p * d * NR, *max = t->max + p * NR, *sum = t->sum + p * NR;
    float shrink[NR] __attribute__((aligned(VECTOR)));

    /* s = k q' */
    gemm_panel(t->s, NR, columns, t->k + j * t->k_row, t->k_row, n, q, packed_steps(d, t->bf16),
               (Epilogue){ .scale = 1, .bf16 = t->bf16 });
    if (causal) causal_mask(t->s, j, n, first);

    /* m, p, l */
    if (columns > LANES) softmax_columns(2, t->s, n, max, sum, shrink, t->bf16);
    else softmax_columns(1, t->s, n, max, sum, shrink, t->bf16);

    /* o = o shrink + v' p */
    for (size_t i = 0; i < d && j; i++)
        for (size_t v = 0; v < columns; v += LANES) store(o + i * NR + v, load(o + i * NR + v) * load(shrink + v));
    gemm_panel(o, NR, columns, t->v + packed_steps(j, t->bf16), t->v_row, d, t->s, packed_steps(n, t->bf16),
               (Epilogue){ .scale = 1, .add = j > 0, .bf16 = t->bf16 });
}

static void begin_panel(const Scratch *t, size_t p, Tokens q, size_t first, size_t n, size_t d)
{
    float scale = (float)(LOG2_E / sqrt((double)d));
    float *panel = t->q + p * d * NR;
    transpose_rows(panel, NR, q.x + first * q.stride, q.stride, n, d, scale);
    if (t->bf16) bf16_panel(panel, d);
    for (size_t i = 0; i < NR; i++) {
        t->max[p * NR + i] = MASKED;
        t->sum[p * NR + i] = 0;
    }
}

/* y = o / l for n <= LANES queries, from query v of panel p on; and their statistics, if sums is not NULL.
 * y, sums: where those of the first of these queries go */
static void finish_vector(const Scratch *t, float *y, size_t y_row, float *sums, size_t sums_row, size_t p, size_t v,
                          size_t n, size_t d)
{
    float *o = t->o + p * d * NR + v;
    float *results = t->s;                      /* the scores are not needed any more */
    size_t row = round_up(d, LANES);
    vf over = 1.0f / load(t->sum + p * NR + v);
    for (size_t i = 0; i < d; i++) store(o + i * NR, load(o + i * NR) * over);
    transpose_rows(results, row, o, NR, d, n, 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(y + i * y_row, results + i * row, d * sizeof *results);
        if (!sums) continue;
        sums[i * sums_row] = t->max[p * NR + v + i];
        sums[i * sums_row + 1] = over[i];
    }
}

/* Queries first .. first + count - 1 of a head, at most PANELS panels, against all keys.
 * y: of the head, laid out as q     sums: of the head, or NULL */
static void attend_panels(const Scratch *t, float *y, float *sums, size_t sums_row, Tokens q, const Attention *s,
                          size_t first, size_t count)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, panels = ceil_div(count, NR);
    for (size_t p = 0; p < panels; p++) begin_panel(t, p, q, first + p * NR, min(NR, count - p * NR), d);
    for (size_t j = 0; j < keys; j += t->block)
        for (size_t p = 0; p < panels; p++) {
            size_t from = first + p * NR, columns = round_up(min(NR, count - p * NR), LANES);
            int all_masked = s->causal && j >= from + NR;
            if (!all_masked) panel_block(t, p, from, columns, j, min(t->block, keys - j), d, s->causal);
        }
    for (size_t p = 0; p < panels; p++)
        for (size_t v = 0; v < min(NR, count - p * NR); v += LANES) {
            size_t at = first + p * NR + v, n = min(LANES, count - p * NR - v);
            finish_vector(t, y + at * q.stride, q.stride, sums ? sums + at * sums_row : NULL, sums_row, p, v, n, d);
        }
}

/* Queries from .. end - 1 of one head.  y: laid out as q */
static void attend_head(const Scratch *t, float *y, StridedRows q, StridedRows k, StridedRows v, const Attention *s,
                        Head at, size_t from, size_t end)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys;
    Tokens mine = tokens_of(q, at, d);
    if (keys <= FEW && at.inner + 1 < (size_t)s->inner) {
        Head next = { .outer = at.outer, .inner = at.inner + 1, .head = at.head };
        prefetch(tokens_of(q, next, d), keys, d);
        prefetch(tokens_of(k, next, d), keys, d);
        prefetch(tokens_of(v, next, d), keys, d);
    }
    pack_keys_values(t, tokens_of(k, at, d), tokens_of(v, at, d), keys, d);
    float *sums = s->softmax_stats ? sums_of(q, s, at) : NULL;
    for (size_t i = from; i < end; i += PANELS * NR)
        attend_panels(t, y + (mine.x - q.x), sums, sums_stride(q, s), mine, s, i, min(PANELS * NR, end - i));
}

/* Each head of each sequence is a job.  Where these are few, the queries of a head are cut into parts too, but always
 * between whole groups of PANELS panels, so that the result is the same for any number of parts. */
void attend(Machine *m, float *y, StridedRows q, StridedRows k, StridedRows v, Attention s)
{
    size_t before = mark(m->mem), threads = (size_t)m->threads;
    size_t heads = (size_t)s.heads, inner = (size_t)s.inner, queries = (size_t)s.queries;
    size_t all = (size_t)s.outer * inner * heads, blocks = ceil_div(queries, PANELS * NR);
    size_t parts = min(blocks, all >= 4 * threads ? 1 : ceil_div(4 * threads, all));
    Scratch *t = allocate(m->mem, threads, sizeof *t);
    for (size_t i = 0; i < threads; i++) t[i] = scratch_of(m, &s);
    m->ops += 4.0 * (double)all * (double)queries * s.keys * s.width;
    if (!m->dry) {
#pragma omp parallel for schedule(dynamic, 1 + all * parts / (16 * threads)) num_threads(m->threads)
        for (size_t job = 0; job < all * parts; job++) {
            size_t part = job % parts, i = job / parts;
            Head at = { .outer = i / heads / inner, .inner = i / heads % inner, .head = i % heads };
            size_t from = blocks * part / parts * PANELS * NR;
            size_t end = min(queries, blocks * (part + 1) / parts * PANELS * NR);
            attend_head(&t[thread_id()], y, q, k, v, &s, at, from, end);
        }
    }
    release(m->mem, before);
}

/* ---- backward --------------------------------------------------------------------------------- */
/* The forward pass has kept m and 1 / l of each query.  So the weights p are computed again without a running maximum,
 * for a block of queries and one panel of NR keys at a time.  Here a column is a key.  With D the sum of dy y over the
 * channels:
 *
 *     s = q k' / sqrt(d)        p = e^(s - m) / l                     [queries][NR]
 *     dp = dy v'                ds = p (dp - D)                       [queries][NR]
 *     dv' += dy' p              dk' += q' ds / sqrt(d)                [d][NR], over all queries
 *     dq += ds k / sqrt(d)                                            [queries][d], over all keys
 *
 * A thread takes whole heads: it packs their keys and values once, and it alone adds to their dk and dv. */

enum {
    QUERIES = 128,              /* queries in a block */
    GROUP = 64                  /* keys, some panels of them, that a sum for dq goes over at a time */
};

/* One thread's memory.  Operands of products hold bf16 numbers, or pairs of them, where bf16 is set. */
typedef struct {
    float *k_t, *v_t, *dk, *dv;     /* all keys, transposed: [panel][d][NR] */
    float *k;                       /* all keys: [group][wide / NR, rounded up][GROUP][NR] */
    float *q, *dy;                  /* a block of queries: [QUERIES][row] */
    float *q_t, *dy_t;              /* transposed: [d][t_row] */
    float *s, *ds;                  /* [QUERIES][NR] */
    float *ds_rows;                 /* ds of a group's panels beside each other: [QUERIES][row_of(GROUP)] */
    float *dq;                      /* [QUERIES][wide] */
    float  max[QUERIES], over[QUERIES], dot[QUERIES];      /* m, 1 / l and D of each query */
    size_t d, row, t_row, wide;     /* wide: d, rounded up to whole vectors */
    int    bf16;
} Backward;

static Backward backward_of(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width;
    size_t wide = round_up(d, LANES);
    size_t keys = round_up((size_t)s->keys, NR);
    size_t scores = QUERIES * NR, results = LANES * wide;      /* at the end s holds results */
    Backward t = { .d = d, .row = row_of(d), .t_row = row_of(QUERIES), .wide = wide, .bf16 = m->bf16 };
    t.k_t = zeros(m, keys * d);
    t.v_t = zeros(m, keys * d);
    t.dk = zeros(m, keys * d);
    t.dv = zeros(m, keys * d);
    t.k = zeros(m, round_up(keys, GROUP) * round_up(d, NR));
    t.q = zeros(m, QUERIES * t.row);
    t.dy = zeros(m, QUERIES * t.row);
    t.q_t = zeros(m, d * t.t_row);
    t.dy_t = zeros(m, d * t.t_row);
    t.s = zeros(m, scores > results ? scores : results);
    t.ds = zeros(m, scores);
    t.ds_rows = zeros(m, QUERIES * row_of(GROUP));
    t.dq = zeros(m, QUERIES * wide);
    return t;
}

/* Packs n rows as panels of NR channels, [GROUP][NR] each: the right side of a product that sums over the rows. */
static void pack_rows(float *to, Tokens from, size_t n, size_t d, int bf16)
{
    for (size_t e = 0; e < d; e += NR) {
        for (size_t i = 0; i < n; i++) memcpy(to + i * NR, from.x + i * from.stride + e, min(NR, d - e) * sizeof *to);
        if (bf16) bf16_panel(to, n);
        to += GROUP * NR;
    }
}

static void pack_keys_backward(const Backward *t, Tokens k, Tokens v, size_t keys)
{
    size_t d = t->d;
    for (size_t j = 0; j < keys; j += GROUP) {
        Tokens group = { .x = k.x + j * k.stride, .stride = k.stride };
        pack_rows(t->k + j * round_up(d, NR), group, min(GROUP, keys - j), d, t->bf16);
    }
    for (size_t j = 0; j < keys; j += NR) {
        size_t n = min(NR, keys - j);
        transpose_rows(t->k_t + j * d, NR, k.x + j * k.stride, k.stride, n, d, 1);
        transpose_rows(t->v_t + j * d, NR, v.x + j * v.stride, v.stride, n, d, 1);
        if (!t->bf16) continue;
        bf16_panel(t->k_t + j * d, d);
        bf16_panel(t->v_t + j * d, d);
    }
    memset(t->dk, 0, round_up(keys, NR) * d * sizeof *t->dk);
    memset(t->dv, 0, round_up(keys, NR) * d * sizeof *t->dv);
}

/* Packs n queries, or their dy, in both ways that products need: rows, [n][row], and transposed, [d][t_row]. */
static void pack_queries(const Backward *t, float *rows, float *transposed, Tokens from, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t e = 0; e < t->d; e++) rows[i * t->row + e] = from.x[i * from.stride + e] * scale;
        if (t->bf16) bf16_row(rows + i * t->row, rows + i * t->row, t->d);
    }
    transpose_rows(transposed, t->t_row, from.x, from.stride, n, t->d, scale);
    for (size_t e = 0; e < t->d && t->bf16; e++) bf16_row(transposed + e * t->t_row, transposed + e * t->t_row, n);
}

/* The scores in s become p = 2^(s - m) / l, and dp in ds becomes p (dp - D). */
static ALWAYS_INLINE void softmax_backward(const size_t vectors, const Backward *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < vectors; v++) {
            float *s = t->s + i * NR + v * LANES, *ds = t->ds + i * NR + v * LANES;
            vf p = exp2_v(load(s) - t->max[i]) * t->over[i];
            store(s, p);
            store(ds, p * (load(ds) - t->dot[i]));
        }
}

/* Masks the scores s, [n][NR], of a panel that begins at key j and has `keys` keys.  Query 0 sees the first `seen` keys
 * of all, and each further query one more (the causal mask; without it seen is the number of keys). */
static void mask_scores(float *s, size_t n, size_t j, size_t keys, size_t seen)
{
    for (size_t i = 0; i < n; i++) {
        size_t visible = seen + i > j ? min(keys, seen + i - j) : 0;
        for (size_t c = visible; c < NR; c++) s[i * NR + c] = MASKED;
    }
}

/* n queries, of which the first sees `seen` keys, against the panel of keys that begins at key j.  Adds to dk and dv of
 * the panel, and writes ds to ds_rows. */
static void panel_backward(const Backward *t, size_t j, size_t keys, size_t n, size_t seen)
{
    size_t d = t->d;
    size_t columns = round_up(keys, LANES);
    size_t at = j * d;
    size_t steps = packed_steps(n, t->bf16);
    Epilogue set = { .scale = 1, .bf16 = t->bf16 };
    Epilogue add = { .scale = 1, .add = 1, .bf16 = t->bf16 };
    gemm_panel(t->s, NR, columns, t->q, t->row, n, t->k_t + at, packed_steps(d, t->bf16), set);
    gemm_panel(t->ds, NR, columns, t->dy, t->row, n, t->v_t + at, packed_steps(d, t->bf16), set);
    if (min(keys, seen - min(seen, j)) < NR) mask_scores(t->s, n, j, keys, seen);
    if (columns > LANES) softmax_backward(2, t, n);
    else softmax_backward(1, t, n);
    for (size_t i = 0; i < n; i++) {
        float *row = t->ds_rows + i * row_of(GROUP);
        if (t->bf16) bf16_row((uint16_t *)row + j % GROUP, t->ds + i * NR, NR);
        else memcpy(row + j % GROUP, t->ds + i * NR, NR * sizeof *row);
    }
    if (t->bf16) {
        bf16_panel(t->s, n);
        bf16_panel(t->ds, n);
    }
    gemm_panel(t->dv + at, NR, columns, t->dy_t, t->t_row, d, t->s, steps, add);
    gemm_panel(t->dk + at, NR, columns, t->q_t, t->t_row, d, t->ds, steps, add);
}

/* The same for a group of keys, which begins at key j; then dq += ds k over these keys. */
static void group_backward(const Backward *t, size_t j, size_t keys, size_t n, size_t seen)
{
    for (size_t p = 0; p < keys; p += NR) panel_backward(t, j + p, min(NR, keys - p), n, seen);
    Epilogue epilogue = { .scale = 1, .add = j > 0, .bf16 = t->bf16 };
    for (size_t e = 0; e < t->wide; e += NR)
        gemm_panel(t->dq + e, t->wide, min(NR, t->wide - e), t->ds_rows, row_of(GROUP), n,
                   t->k + j * round_up(t->d, NR) + e * GROUP, packed_steps(keys, t->bf16), epilogue);
}

/* to += scale * from, for n rows of d floats.  `to` is NULL where this gradient is not wanted. */
static void add_rows(float *to, size_t to_row, const float *from, size_t from_row, size_t n, size_t d, float scale)
{
    if (!to) return;
    for (size_t i = 0; i < n; i++)
        for (size_t e = 0; e < d; e++) to[i * to_row + e] += scale * from[i * from_row + e];
}

/* The same for dk or dv of all keys, which lie as panels [d][NR]. */
static void add_transposed(const Backward *t, float *to, size_t to_row, const float *from, size_t keys, float scale)
{
    float *results = t->s;                      /* the scores are not needed any more */
    if (!to) return;
    for (size_t j = 0; j < keys; j += LANES) {
        size_t n = min(LANES, keys - j);
        transpose_rows(results, t->wide, from + j / NR * NR * t->d + j % NR, NR, t->d, n, 1);
        add_rows(to + j * to_row, to_row, results, t->wide, n, t->d, scale);
    }
}

/* D of n queries, summed in the same order as dp.  So with a single key, where p = 1 and dp = D, ds is exactly 0. */
static void dots(Backward *t, const float *dy, const float *y, size_t stride, size_t n)
{
    transpose_rows(t->dy_t, t->t_row, dy, stride, n, t->d, 1);
    transpose_rows(t->q_t, t->t_row, y, stride, n, t->d, 1);
    for (size_t i = 0; i < n; i += LANES) {
        vf sum = splat(0);
        for (size_t e = 0; e < t->d; e++)
            sum = fma_v(load(t->dy_t + e * t->t_row + i), load(t->q_t + e * t->t_row + i), sum);
        store(t->dot + i, sum);
    }
}

/* n queries, which begin at query `first`, against all keys.  q, dq, dy, y and sums are those of query `first`. */
static void queries_backward(Backward *t, float *dq, Tokens q, const float *dy, const float *y, const float *sums,
                             size_t sums_row, size_t first, size_t n, const Attention *s)
{
    size_t keys = (size_t)s->keys, seen = s->causal ? first + 1 : keys;
    float over_root = (float)(1 / sqrt((double)t->d));
    for (size_t i = 0; i < n; i++) {
        t->max[i] = sums[i * sums_row];
        t->over[i] = sums[i * sums_row + 1];
    }
    dots(t, dy, y, q.stride, n);
    pack_queries(t, t->q, t->q_t, q, n, (float)LOG2_E * over_root);
    pack_queries(t, t->dy, t->dy_t, (Tokens){ .x = dy, .stride = q.stride }, n, 1);
    size_t visible = min(keys, seen + n - 1);
    for (size_t j = 0; j < visible; j += GROUP) group_backward(t, j, min(GROUP, visible - j), n, seen);
    add_rows(dq, q.stride, t->dq, t->wide, n, t->d, over_root);
}

/* Where the gradient by x goes, if the gradient by `from` goes to `gradient`.  NULL where it is not wanted. */
static float *gradient_of(float *gradient, const float *from, const float *x)
{
    return gradient ? gradient + (x - from) : NULL;
}

/* One head: its keys, and the queries of the sequences at.inner .. end - 1, which all share these keys. */
static void head_backward(Backward *t, AttentionGradients g, const float *dy, const float *y,
                          StridedRows q, StridedRows k, StridedRows v, const Attention *s, Head at, size_t end)
{
    size_t keys = (size_t)s->keys, queries = (size_t)s->queries, sums_row = sums_stride(q, s);
    Tokens mine_k = tokens_of(k, at, t->d);
    Tokens mine_v = tokens_of(v, at, t->d);
    pack_keys_backward(t, mine_k, mine_v, keys);
    for (; at.inner < end; at.inner++)
        for (size_t i = 0; i < queries; i += QUERIES) {
            Tokens mine = tokens_of(q, at, t->d);
            mine.x += i * mine.stride;
            size_t offset = (size_t)(mine.x - q.x);
            queries_backward(t, gradient_of(g.q, q.x, mine.x), mine, dy + offset, y + offset,
                             sums_of(q, s, at) + i * sums_row, sums_row, i, min(QUERIES, queries - i), s);
        }
    /* the packed queries have the factor log2 e / sqrt(d), of which dk wants 1 / sqrt(d) only */
    add_transposed(t, gradient_of(g.k, k.x, mine_k.x), mine_k.stride, t->dk, keys, 1 / (float)LOG2_E);
    add_transposed(t, gradient_of(g.v, v.x, mine_v.x), mine_v.stride, t->dv, keys, 1);
}

void attend_back(Machine *m, AttentionGradients g, const float *dy, const float *y,
                 StridedRows q, StridedRows k, StridedRows v, Attention s)
{
    size_t before = mark(m->mem), threads = (size_t)m->threads, heads = (size_t)s.heads;
    size_t shared = k.step[1] == 0 ? (size_t)s.inner : 1;      /* sequences that have the same keys */
    size_t groups = (size_t)s.inner / shared;
    Backward *t = allocate(m->mem, threads, sizeof *t);
    for (size_t i = 0; i < threads; i++) t[i] = backward_of(m, &s);
    m->ops += 10.0 * (double)s.outer * s.inner * s.heads * (double)s.queries * s.keys * s.width;
    if (!m->dry) {
#pragma omp parallel for schedule(dynamic) num_threads(m->threads)
        for (size_t job = 0; job < (size_t)s.outer * groups * heads; job++) {
            size_t group = job / heads % groups;
            Head at = { .outer = job / heads / groups, .inner = group * shared, .head = job % heads };
            head_backward(&t[thread_id()], g, dy, y, q, k, v, &s, at, (group + 1) * shared);
        }
    }
    release(m->mem, before);
}
