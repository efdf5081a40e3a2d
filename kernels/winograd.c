/* winograd.c - 3x3 convolutions with a quarter of the multiplications (Winograd, 1980; Lavin and Gray, 2016).
 *
 * F(4x4, 3x3): each 4x4 tile of the output comes from a 6x6 tile of the input,
 *
 *      Y = A' [ (G g G') * (B' d B) ] A            * element by element, 36 products where 144 were
 *
 * and for all tiles, channels and filters together the middle is 36 matrix products [tiles x channels][channels x filters],
 * one for each place in the 6x6.  The interpolation points are 0, +-5/8, +-3/2 and infinity, not the usual 0, +-1, +-2:
 * the same work at half the error (about 1e-6 of the output); of short binary fractions these have the least, and all
 * factors are exact floats.  What is left comes from sums and transforms that are larger than their results: they cancel in A' M A.
 *
 *      for some blocks of TILES tiles:
 *          all threads: V[block of the sum][place][tiles][CHANNELS] = B' d B              in the last-level cache, read in order
 *          each thread, for one block of tiles and NR filters:
 *              for each CHANNELS channels: U[place][CHANNELS][NR] = G g G';  M[place][tiles][NR] += V U     U and M stay in its own cache
 *              y = A' M A / SCALE^2 + bias
 *
 * The filters are transformed anew for each block of tiles, which costs less than keeping them would: they are 36/9 floats for each
 * half in the file, and would come back from memory each time.
 *
 * bf16 must not come near this: it would lose two digits of three. */
#include "gemm.h"

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

/* PASS: most channels at a time, so that V stays in the last-level cache.  PIECE: channels of filters turned at a time.  SPREAD: from one place to the next, a little more than needed, so that the 36 do not share one set of the cache */
enum { PLACES = 36, OUT = 4, IN = 6, TILES = 84, PASS = 1280, CHANNELS = 128, PIECE = 32, SPREAD = 16 };

/* The points: 0, +-P, +-Q, infinity.  Each has a denominator, the product of its differences from the others; over their least common
 * multiple SCALE the fractions are whole numbers, which stand in A.  So all factors are exact, and SCALE is divided by at the very end. */
static const float P = 0.625f, Q = 1.5f, PP = 0.390625f, QQ = 2.25f, PPP = 0.244140625f, QQQ = 3.375f;
static const float ZERO = 30464, NEAR = -18432, FAR = 3200, SCALE = 26775;

/* ---- the three transforms of one row or column -------------------------------------------------- */

/* B' d:  row of point p = coefficients of x (x^2 - P^2)(x^2 - Q^2) / (x - p); the last of the product itself */
static inline __attribute__((always_inline)) void input_row(vf t[6], vf d0, vf d1, vf d2, vf d3, vf d4, vf d5)
{
    vf even_p = d4 - QQ * d2, odd_p = P * (d3 - QQ * d1), even_q = d4 - PP * d2, odd_q = Q * (d3 - PP * d1);
    t[0] = PP * QQ * d0 - (PP + QQ) * d2 + d4;
    t[1] = even_p + odd_p;
    t[2] = even_p - odd_p;
    t[3] = even_q + odd_q;
    t[4] = even_q - odd_q;
    t[5] = PP * QQ * d1 - (PP + QQ) * d3 + d5;
}

/* G g:  row of point p = 1, p, p^2 */
static inline __attribute__((always_inline)) void filter_row(vf t[6], vf g0, vf g1, vf g2)
{
    vf even_p = g0 + PP * g2, even_q = g0 + QQ * g2;
    t[0] = g0;
    t[1] = even_p + P * g1;
    t[2] = even_p - P * g1;
    t[3] = even_q + Q * g1;
    t[4] = even_q - Q * g1;
    t[5] = g2;
}

/* A' m:  row i = i-th powers of the points, times SCALE / (product of p - other points); infinity counts in the last */
static inline __attribute__((always_inline)) void output_row(vf y[4], vf m0, vf m1, vf m2, vf m3, vf m4, vf m5)
{
    vf sum_p = m1 + m2, sum_q = m3 + m4, diff_p = m1 - m2, diff_q = m3 - m4;
    y[0] = ZERO * m0 + NEAR * sum_p + FAR * sum_q;
    y[1] = P * NEAR * diff_p + Q * FAR * diff_q;
    y[2] = PP * NEAR * sum_p + QQ * FAR * sum_q;
    y[3] = PPP * NEAR * diff_p + QQQ * FAR * diff_q + SCALE * m5;
}

/* ---- over tiles ------------------------------------------------------------------------------- */

typedef struct {
    Tensor y, x;
    const Weight *w;
    const float *bias;
    Conv how;
    size_t across, each, block;              /* tiles in a row of a picture, in a picture, in a block */
    size_t first, in, step;                  /* channels of this pass, and in one block of its sum */
    int threads;
} Job;

typedef struct { float *u, *m, *packed; } Bench;      /* one thread's scratch; u: [place][step][NR], m: [place][block][NR] */

typedef struct { size_t n; int row, column; } Place;      /* of a tile's first output */

static Place place_of(const Job *job, size_t tile)
{
    size_t in = tile % job->each;
    return (Place){ tile / job->each, (int)(in / job->across) * OUT, (int)(in % job->across) * OUT };
}

/* U for panel p of the filters from j, channels c .. c+n: scratch: as pack_weights lays the filters out */
static void transform_filters(float *u, size_t stride, float *scratch, const Job *job, size_t j, size_t c, size_t n)
{
    pack_weights(scratch, job->w, j, c, n, 0, job->how.turned);
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < NR; v += LANES) {
            vf g[9], rows3[3][6], t[6];
            for (size_t k = 0; k < 9; k++) g[k] = load(scratch + (i * 9 + k) * NR + v);
            for (int r = 0; r < 3; r++) filter_row(rows3[r], g[3 * r], g[3 * r + 1], g[3 * r + 2]);
            for (size_t col = 0; col < 6; col++) {
                filter_row(t, rows3[0][col], rows3[1][col], rows3[2][col]);
                for (size_t row = 0; row < 6; row++) store(u + (row * 6 + col) * stride + i * NR + v, t[row]);
            }
        }
}

/* V for one tile, channels c .. c+n.  v: [place], stride apart */
static void transform_input(float *restrict v, size_t stride, const Job *job, size_t tile, size_t c, size_t n)
{
    static const float zeros[CHANNELS];
    Place at = place_of(job, tile);
    size_t width = (size_t)job->x.w, channels = (size_t)job->x.c;
    const float *d[PLACES], *image = job->x.x + at.n * (size_t)job->x.h * width * channels + c;
    for (int r = 0; r < IN; r++)
        for (int k = 0; k < IN; k++) {
            int row = at.row + r - 1, column = at.column + k - 1, inside = row >= 0 && row < job->x.h && column >= 0 && column < job->x.w;
            d[r * IN + k] = inside ? image + ((size_t)row * width + (size_t)column) * channels : zeros;
        }
    for (size_t i = 0; i < n; i += LANES) {
        vf t[IN][IN], out[IN];
        for (int r = 0; r < IN; r++) {
            const float *const *e = d + r * IN;
            for (int k = IN - OUT; k < IN; k++) __builtin_prefetch(e[k] + OUT * channels + i);          /* what the next tile has and this has not */
            input_row(t[r], load(e[0] + i), load(e[1] + i), load(e[2] + i), load(e[3] + i), load(e[4] + i), load(e[5] + i));
        }
        for (size_t k = 0; k < IN; k++) {
            input_row(out, t[0][k], t[1][k], t[2][k], t[3][k], t[4][k], t[5][k]);
            for (size_t r = 0; r < IN; r++) store(v + (r * IN + k) * stride + i, out[r]);
        }
    }
}

/* one tile of y, filters j .. j+n, from m: [place], stride apart */
static void transform_output(const float *restrict m, size_t stride, const Job *job, size_t tile, size_t j, size_t n)
{
    Place at = place_of(job, tile);
    size_t width = (size_t)job->y.w, filters = (size_t)job->y.c;
    float *image = job->y.x + at.n * (size_t)job->y.h * width * filters + j;
    for (size_t i = 0; i < n; i += LANES) {
        vf t[OUT][IN], out[OUT], bias = job->bias ? load(job->bias + j + i) : all(0);
        for (size_t k = 0; k < IN; k++) {
            vf column[OUT];
            output_row(column, load(m + k * stride + i), load(m + (6 + k) * stride + i), load(m + (12 + k) * stride + i),
                       load(m + (18 + k) * stride + i), load(m + (24 + k) * stride + i), load(m + (30 + k) * stride + i));
            for (int r = 0; r < OUT; r++) t[r][k] = column[r];
        }
        for (int r = 0; r < OUT && at.row + r < job->y.h; r++) {
            output_row(out, t[r][0], t[r][1], t[r][2], t[r][3], t[r][4], t[r][5]);
            for (int k = 0; k < OUT && at.column + k < job->y.w; k++) {
                float *to = image + ((size_t)(at.row + r) * width + (size_t)(at.column + k)) * filters + i;
                store(to, (job->how.add ? load(to) : bias) + job->how.scale * out[k]);
            }
        }
    }
}

/* count tiles from `first`, of which v is V, and NR filters from j: their U lives for step channels only, in this thread's cache */
static void filter_panel(const Job *job, const float *v, const Bench *t, size_t first, size_t count, size_t j)
{
    size_t n = least(NR, (size_t)job->y.c - j), u_stride = job->step * NR + SPREAD, m_stride = job->block * NR + SPREAD, v_stride = job->block * job->step + SPREAD;
    for (size_t c = 0; c < job->in; c += job->step) {
        size_t k = least(job->step, job->in - c);
        for (size_t i = 0; i < k; i += PIECE) transform_filters(t->u + i * NR, u_stride, t->packed, job, j, job->first + c + i, least(PIECE, k - i));
        for (size_t p = 0; p < PLACES; p++)
            tiles(t->m + p * m_stride, NR, n, v + (c / job->step * PLACES + p) * v_stride, k, count, t->u + p * u_stride, k, (Finish){ NULL, 1, c > 0, 0 });
    }
    for (size_t i = 0; i < count; i++) transform_output(t->m + i * NR, m_stride, job, first + i, j, n);
}

int winograd_fits(Tensor y, Tensor x, const Weight *w, Conv how)
{
    int right = w->rank == 4 && w->shape[2] == 3 && how.stride == 1 && how.pad == 1;
    return right && x.c % LANES == 0 && y.c % LANES == 0 && x.c >= 32 && y.c >= 32;
}

/* V of count tiles from `first`, for block s of the sum */
static void transform_block(const Job *job, float *v, size_t first, size_t count, size_t s)
{
    size_t c = s * job->step, k = least(job->step, job->in - c), stride = job->block * job->step + SPREAD;
    for (size_t t = 0; t < count; t++) transform_input(v + s * PLACES * stride + t * k, stride, job, first + t, job->first + c, k);
}

/* Many blocks: each thread has some of its own, so that one fetches its picture while another multiplies. */
static void alone(const Job *job, float *v, size_t v_size, const Bench *bench, size_t tiles, size_t steps, size_t panels)
{
#pragma omp parallel for schedule(dynamic) num_threads(job->threads)
    for (size_t first = 0; first < tiles; first += job->block) {
        size_t id = (size_t)thread_id(), count = least(job->block, tiles - first);
        for (size_t s = 0; s < steps; s++) transform_block(job, v + id * v_size, first, count, s);
        for (size_t p = 0; p < panels; p++) filter_panel(job, v + id * v_size, &bench[id], first, count, p * NR);
    }
}

/* Few blocks: all threads share them, one after another, or several where there are few filters. */
static void together(const Job *job, float *v, size_t v_size, const Bench *bench, size_t tiles, size_t steps, size_t panels, size_t at_once)
{
#pragma omp parallel num_threads(job->threads)
    for (size_t begin = 0; begin < tiles; begin += at_once * job->block) {
        size_t blocks = least(at_once, parts_of(tiles - begin, job->block));
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < blocks * steps; i++) {
            size_t b = i / steps, first = begin + b * job->block;
            transform_block(job, v + b * v_size, first, least(job->block, tiles - first), i % steps);
        }
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < blocks * panels; i++) {
            size_t b = i / panels, first = begin + b * job->block;
            filter_panel(job, v + b * v_size, &bench[thread_id()], first, least(job->block, tiles - first), i % panels * NR);
        }
    }
}

void winograd(Machine *mc, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how)
{
    size_t before = mark(mc->mem), across = parts_of((size_t)y.w, OUT), each = across * parts_of((size_t)y.h, OUT), all_tiles = each * (size_t)y.n;
    size_t threads = (size_t)mc->threads, channels = (size_t)x.c, panels = parts_of((size_t)y.c, NR), blocks = parts_of(all_tiles, TILES);
    size_t in = above(parts_of(channels, parts_of(channels, PASS)), LANES), step = above(parts_of(in, parts_of(in, CHANNELS)), LANES), steps = parts_of(in, step);
    int many = blocks >= 2 * threads;
    if (many) blocks = above(blocks, threads);
    size_t block = parts_of(all_tiles, blocks), v_size = steps * PLACES * (block * step + SPREAD), at_once = many ? threads : least(blocks, parts_of(4 * threads, panels));
    float *v = take(mc->mem, at_once * v_size, sizeof *v);
    Bench *bench = take(mc->mem, threads, sizeof *bench);
    for (size_t i = 0; i < threads; i++)
        bench[i] = (Bench){ take(mc->mem, PLACES * (step * NR + SPREAD), 4), take(mc->mem, PLACES * (block * NR + SPREAD), 4), take(mc->mem, 9 * PIECE * NR, 4) };
    for (size_t c = 0; c < channels && !mc->dry; c += in) {
        Job job = { y, x, w, bias, how, across, each, block, c, least(in, channels - c), step, mc->threads };
        job.how.add |= c > 0;
        job.how.scale /= SCALE * SCALE;
        if (many) alone(&job, v, v_size, bench, all_tiles, parts_of(job.in, step), panels);
        else together(&job, v, v_size, bench, all_tiles, parts_of(job.in, step), panels, at_once);
    }
    release(mc->mem, before);
}
