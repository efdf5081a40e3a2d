/* attention.c - softmax(q k' / sqrt(d)) v without the matrix of scores (Dao et al., FlashAttention, 2022).
 *
 * For QB queries at a time, over blocks of KB keys:
 *     s = q k' / sqrt(d);   m' = max(m, max s);   p = e^(s - m');   o = o e^(m - m') + p v;   l = l e^(m - m') + sum p
 * and at the end o / l.  A thread packs the keys and values of a head once, for all queries it has of it. */
#include "gemm.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

enum { QB = MR * 4, KB = KC / NR * NR };
static const float NEVER = -1e30f;

typedef struct { float *k, *v, *q, *s, *o, *max, *sum; size_t wide; int pairs; } Bench;      /* one thread's scratch; wide: of a row of o */

static const float *row_of(Rows r, size_t outer, size_t inner, size_t token)
{
    return r.x + (outer * r.step[0] + inner * r.step[1] + token * r.step[2]) * r.row;
}

/* k: [panel of NR keys][width][NR];   v: [panel of NR of the width][keys][NR] */
static void pack_keys_values(const Bench *t, Rows k, Rows v, const Attention *s, size_t outer, size_t inner, size_t head)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys;
    for (size_t j = 0; j < keys; j++) {
        const float *from = row_of(k, outer, inner, j) + head * d, *value = row_of(v, outer, inner, j) + head * d;
        float *to = t->k + j / NR * d * NR + j % NR;
        for (size_t i = 0; i < d; i++) to[i * NR] = from[i];
        for (size_t i = 0; i < d; i += NR) memcpy(t->v + i * keys + j * NR, value + i, least(NR, d - i) * sizeof *value);
    }
    for (size_t j = 0; j < keys && t->pairs; j += NR) round_panel(t->k + j * d, d);
    for (size_t i = 0; i < d && t->pairs; i += NR) round_panel(t->v + i * keys, keys);
}

/* scores of one query against n keys, of which it may see the first `seen` -> weights; the running maximum and sum are brought up to date */
static void softmax_row(float *restrict s, float *restrict o, float *max, float *sum, size_t n, size_t seen, size_t wide)
{
    vf tops = all(*max), total = all(0);
    for (size_t j = seen; j < above(n, LANES); j++) s[j] = NEVER;
    for (size_t j = 0; j < seen; j += LANES) tops = max_v(tops, load(s + j));
    float top = tops[0], add = 0;
    for (int l = 1; l < LANES; l++) top = tops[l] > top ? tops[l] : top;
    for (size_t j = 0; j < seen; j += LANES) {
        vf p = exp2_v(load(s + j) - top);
        store(s + j, p);
        total += p;
    }
    for (size_t j = seen; j < above(seen, LANES); j++) total[j % LANES] -= s[j];      /* 2^-126 each: nothing, but exactly nothing */
    for (size_t j = seen; j < n; j++) s[j] = 0;
    for (int l = 0; l < LANES; l++) add += total[l];
    float shrink = *sum > 0 ? exp2f(*max - top) : 0;
    if (shrink != 1) for (size_t j = 0; j < wide; j += LANES) store(o + j, load(o + j) * shrink);
    *sum = *sum * shrink + add;
    *max = top;
}

static void attend_block(float *y, const Bench *t, Rows q, const Attention *s, size_t outer, size_t inner, size_t head, size_t q0, size_t count)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys;
    float scale = (float)(1.4426950408889634 / sqrt((double)d));       /* scores in powers of two: e^s = 2^(s / ln 2) */
    for (size_t i = 0; i < count; i++) {
        const float *from = row_of(q, outer, inner, q0 + i) + head * d;
        for (size_t e = 0; e < d; e++) t->q[e / KC * KC * QB + i * KC + e % KC] = from[e] * scale;
        for (size_t e = 0; e < d && t->pairs; e += KC) round_row(t->q + e * QB + i * KC, least(KC, d - e));
        t->max[i] = NEVER, t->sum[i] = 0;
    }
    memset(t->o, 0, count * t->wide * sizeof *t->o);
    for (size_t j = 0; j < keys && (!s->causal || j < q0 + count); j += KB) {
        size_t n = least(KB, keys - j);
        for (size_t p = 0; p < n; p += NR)
            for (size_t e = 0; e < d; e += KC)
                tiles(t->s + p, KC, least(NR, above(n - p, LANES)), t->q + e * QB, count, t->k + (j + p) * d + steps_of(e, t->pairs) * NR, steps_of(least(KC, d - e), t->pairs), (Finish){ NULL, 1, e > 0, t->pairs });
        for (size_t i = 0; i < count; i++) {
            size_t seen = !s->causal ? n : q0 + i < j ? 0 : least(n, q0 + i + 1 - j);
            softmax_row(t->s + i * KC, t->o + i * t->wide, &t->max[i], &t->sum[i], n, seen, t->wide);
            if (t->pairs) round_row(t->s + i * KC, n);
        }
        for (size_t e = 0; e < d; e += NR)
            tiles(t->o + e, t->wide, above(least(NR, d - e), LANES), t->s, count, t->v + e * keys + steps_of(j, t->pairs) * NR, steps_of(n, t->pairs), (Finish){ NULL, 1, 1, t->pairs });
    }
    for (size_t i = 0; i < count; i++) {
        float *to = y + (row_of(q, outer, inner, q0 + i) - q.x) + head * d, over = 1 / t->sum[i];
        for (size_t e = 0; e < d; e++) to[e] = t->o[i * t->wide + e] * over;
    }
}

static float *cleared(Machine *m, size_t n)
{
    float *x = take(m->mem, n, sizeof *x);
    if (!m->dry) memset(x, 0, n * sizeof *x);      /* padding is multiplied, though never used: it must not be NaN */
    return x;
}

static Bench bench(Machine *m, const Attention *s)
{
    size_t d = (size_t)s->width, keys = (size_t)s->keys, wide = above(d, LANES);
    return (Bench){ cleared(m, above(keys, NR) * d), cleared(m, above(d, NR) * keys), take(m->mem, QB * above(d, KC), 4),
                    take(m->mem, QB * KC, 4), take(m->mem, QB * wide, 4), take(m->mem, QB, 4), take(m->mem, QB, 4), wide, m->bf16 };
}

void attend(Machine *m, float *y, Rows q, Rows k, Rows v, Attention s)
{
    size_t before = mark(m->mem), heads = (size_t)s.heads, inner = (size_t)s.inner, queries = (size_t)s.queries;
    size_t pairs = (size_t)s.outer * inner * heads, threads = (size_t)m->threads, blocks = parts_of(queries, QB);
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
            pack_keys_values(mine, k, v, &s, out, in, head);
            for (size_t i = from; i < end; i += QB) attend_block(y, mine, q, &s, out, in, head, i, least(QB, end - i));
        }
    }
    release(m->mem, before);
}
