/* winograd.c - 3x3 convolutions with a quarter of the multiplications.
 *
 * This is Winograd's minimal filtering (S. Winograd, 1980), as A. Lavin and S. Gray apply it to networks ("Fast
 * Algorithms for Convolutional Neural Networks", 2016; the letters are theirs).  In F(4x4, 3x3), each 4x4 tile of the
 * output is computed from a 6x6 tile of the input:
 *
 *     Y = A' [ (G g G') * (B' d B) ] A        d  6x6 pixels of one channel        U = G g G', the transformed filter
 *                                             g  3x3 filter                       V = B' d B, the transformed input
 *                                             Y  4x4 results                      *   element by element
 *
 * That is 36 products, where the direct way needs 144.  Summed over channels, element e of the 6x6 is a matrix product
 * M[e] = V[e] U[e], [tiles][channels] by [channels][filters], and there are 36 of them.
 *
 * The interpolation points are 0, +-5/8, +-3/2 and infinity.  The usual points 0, +-1, +-2 and infinity cost the same,
 * but their error is twice as large.  These have the smallest error of all short binary fractions, about 1e-6 of the
 * output, and every factor is an exact float.  The error that is left comes from sums in M that are larger than the
 * result and cancel in the output transform.
 *
 *     for each pass, of PASS channels at most, and some blocks of TILES tiles:
 *         all threads: V[step of the sum][element][tile][channel] = B' d B                 last-level cache
 *         each thread, for one block of tiles and NR filters:
 *             for each step, of CHANNELS at most:
 *                 U[element][channel][NR] = G g G'                                         its own cache
 *                 M[element][tile][NR] += V U
 *             y = scale / SCALE^2 * A' M A + bias
 *
 * The filters are transformed again for each block of tiles.  Keeping them would cost more: a transformed filter has
 * 36 floats where the file has 9 halves, and it would come back from memory each time.
 *
 * V and U stay float32, whatever Machine.bf16 says: bf16 would lose two of its three digits here.  Every sum is taken
 * in the order of the channels, so any number of threads gives the same bytes.
 * plain.c: conv() says the same in plain loops. */
#include "winograd.h"

#include "gemm.h"
#include "parallel.h"

enum {
    OUT = 4,                    /* side of a tile of the output */
    IN = 6,                     /* side of its tile of the input: OUT + 3 - 1 */
    ELEMENTS = IN * IN,
    TAPS = 9,
    TILES = 84,                 /* most tiles in a block */
    PASS = 1280,                /* most channels in a pass, so that V stays in the last-level cache */
    CHANNELS = 128,             /* most channels in a step of the sum */
    PIECE = 32,                 /* channels of filters that are packed at a time */
    SPREAD = 16                 /* floats left free between elements: else all 36 share one set of the cache */
};

/* The points are 0, +-P, +-Q and infinity; PP is P^2, and PPP is P^3.  Interpolation divides by a denominator for each
 * point, the product of its differences from the others.  SCALE is their least common multiple.  So A is stored as
 * SCALE / denominator, which are whole numbers and exact, and the result is divided by SCALE^2 at the end. */
static const float P = 0.625f, PP = 0.390625f, PPP = 0.244140625f;
static const float Q = 1.5f, QQ = 2.25f, QQQ = 3.375f;
static const float AT_ZERO = 30464, AT_P = -18432, AT_Q = 3200, SCALE = 26775;

/* ---- the three transforms of one row or column ------------------------------------------------ */

/* t = B' d.  The row of point p has the coefficients of x (x^2 - P^2) (x^2 - Q^2) / (x - p); the row of infinity has
 * those of the product itself. */
static ALWAYS_INLINE void input_row(vf t[IN], vf d0, vf d1, vf d2, vf d3, vf d4, vf d5)
{
    vf even_p = d4 - QQ * d2;
    vf odd_p = P * (d3 - QQ * d1);
    vf even_q = d4 - PP * d2;
    vf odd_q = Q * (d3 - PP * d1);
    t[0] = PP * QQ * d0 - (PP + QQ) * d2 + d4;
    t[1] = even_p + odd_p;
    t[2] = even_p - odd_p;
    t[3] = even_q + odd_q;
    t[4] = even_q - odd_q;
    t[5] = PP * QQ * d1 - (PP + QQ) * d3 + d5;
}

/* t = G g.  The row of point p is 1, p, p^2; the row of infinity is 0, 0, 1. */
static ALWAYS_INLINE void filter_row(vf t[IN], vf g0, vf g1, vf g2)
{
    vf even_p = g0 + PP * g2;
    vf even_q = g0 + QQ * g2;
    t[0] = g0;
    t[1] = even_p + P * g1;
    t[2] = even_p - P * g1;
    t[3] = even_q + Q * g1;
    t[4] = even_q - Q * g1;
    t[5] = g2;
}

/* y = A' m.  Row i has the i-th power of each point, times SCALE / denominator; the last row has infinity too. */
static ALWAYS_INLINE void output_row(vf y[OUT], vf m0, vf m1, vf m2, vf m3, vf m4, vf m5)
{
    vf sum_p = m1 + m2, diff_p = m1 - m2;
    vf sum_q = m3 + m4, diff_q = m3 - m4;
    y[0] = AT_ZERO * m0 + AT_P * sum_p + AT_Q * sum_q;
    y[1] = P * AT_P * diff_p + Q * AT_Q * diff_q;
    y[2] = PP * AT_P * sum_p + QQ * AT_Q * sum_q;
    y[3] = PPP * AT_P * diff_p + QQQ * AT_Q * diff_q + SCALE * m5;
}

/* ---- the transforms of tiles ------------------------------------------------------------------ */

typedef struct {
    Tensor y, x;
    const Weight *w;
    const float *bias;
    Conv how;
    size_t tiles, picture, across;      /* tiles in all, in one picture, in one row of a picture */
    size_t block;                       /* tiles in a block; the last one may have fewer */
    size_t first, in, step;             /* a pass: its first channel, its channels, those in one step of the sum */
    size_t panels;                      /* of NR filters */
    int threads;
} Winograd;

/* floats from one element of the 6x6 to the next */
static size_t u_stride(const Winograd *g) { return g->step * NR + SPREAD; }
static size_t m_stride(const Winograd *g) { return g->block * NR + SPREAD; }
static size_t v_stride(const Winograd *g) { return g->block * g->step + SPREAD; }

/* Where the 4x4 results of a tile stand: in picture n, from this row and column on. */
typedef struct { size_t n; int row, column; } Corner;

static Corner corner_of(const Winograd *g, size_t tile)
{
    size_t in = tile % g->picture;
    int row = (int)(in / g->across) * OUT, column = (int)(in % g->across) * OUT;
    return (Corner){ .n = tile / g->picture, .row = row, .column = column };
}

/* U of NR filters from `filter` on, n channels from `channel` on.
 * u: [element], u_stride apart, of [channel][NR]      packed: scratch, [n][TAPS][NR] */
static void transform_filters(float *u, size_t stride, float *packed, const Winograd *g, size_t filter, size_t channel,
                              size_t n)
{
    pack_weights(packed, &(WeightBlock){ .w = g->w, .filter = filter, .channel = channel, .channels = n,
                                         .transposed = g->how.transposed });
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < NR; v += LANES) {
            vf tap[TAPS], rows_done[3][IN], t[IN];
            for (size_t k = 0; k < TAPS; k++) tap[k] = load(packed + (i * TAPS + k) * NR + v);
            for (int r = 0; r < 3; r++) filter_row(rows_done[r], tap[3 * r], tap[3 * r + 1], tap[3 * r + 2]);
            for (size_t col = 0; col < IN; col++) {
                filter_row(t, rows_done[0][col], rows_done[1][col], rows_done[2][col]);
                for (size_t row = 0; row < IN; row++) store(u + (row * IN + col) * stride + i * NR + v, t[row]);
            }
        }
}

/* V of one tile, n channels from `channel` on.  Pixels outside the picture are zeros: that is the padding.
 * v: [element], stride apart, of [channel] */
static void transform_input(float *restrict v, size_t stride, const Winograd *g, size_t tile, size_t channel, size_t n)
{
    static const float zeros[CHANNELS];
    Corner at = corner_of(g, tile);
    size_t width = (size_t)g->x.w, channels = (size_t)g->x.c;
    const float *pixel[ELEMENTS];
    const float *image = g->x.x + at.n * (size_t)g->x.h * width * channels + channel;
    for (int r = 0; r < IN; r++)
        for (int k = 0; k < IN; k++) {
            int row = at.row + r - 1, column = at.column + k - 1;
            int inside = row >= 0 && row < g->x.h && column >= 0 && column < g->x.w;
            pixel[r * IN + k] = inside ? image + ((size_t)row * width + (size_t)column) * channels : zeros;
        }
    for (size_t i = 0; i < n; i += LANES) {
        vf t[IN][IN], out[IN];
        for (int r = 0; r < IN; r++) {
            const float *const *d = pixel + r * IN;
            for (int k = IN - OUT; k < IN; k++)          /* the pixels that the next tile has and this one has not */
                __builtin_prefetch(d[k] + OUT * channels + i);
            input_row(t[r], load(d[0] + i), load(d[1] + i), load(d[2] + i),
                      load(d[3] + i), load(d[4] + i), load(d[5] + i));
        }
        for (size_t k = 0; k < IN; k++) {
            input_row(out, t[0][k], t[1][k], t[2][k], t[3][k], t[4][k], t[5][k]);
            for (size_t r = 0; r < IN; r++) store(v + (r * IN + k) * stride + i, out[r]);
        }
    }
}

/* One tile of y, n filters from `filter` on; results outside the picture are dropped.
 * m: [element], stride apart, of [n] */
static void transform_output(const float *restrict m, size_t stride, const Winograd *g, size_t tile, size_t filter,
                             size_t n)
{
    Corner at = corner_of(g, tile);
    size_t width = (size_t)g->y.w, filters = (size_t)g->y.c;
    float *image = g->y.x + at.n * (size_t)g->y.h * width * filters + filter;
    for (size_t i = 0; i < n; i += LANES) {
        vf t[OUT][IN], out[OUT];
        vf bias = g->bias ? load(g->bias + filter + i) : splat(0);
        for (size_t k = 0; k < IN; k++) {
            vf column[OUT];
            output_row(column, load(m + k * stride + i), load(m + (IN + k) * stride + i),
                       load(m + (2 * IN + k) * stride + i), load(m + (3 * IN + k) * stride + i),
                       load(m + (4 * IN + k) * stride + i), load(m + (5 * IN + k) * stride + i));
            for (int r = 0; r < OUT; r++) t[r][k] = column[r];
        }
        for (int r = 0; r < OUT && at.row + r < g->y.h; r++) {
            output_row(out, t[r][0], t[r][1], t[r][2], t[r][3], t[r][4], t[r][5]);
            for (int k = 0; k < OUT && at.column + k < g->y.w; k++) {
                float *to = image + ((size_t)(at.row + r) * width + (size_t)(at.column + k)) * filters + i;
                vf old = g->how.add ? load(to) : bias;
                store(to, old + g->how.scale * out[k]);
            }
        }
    }
}

/* ---- the products ----------------------------------------------------------------------------- */

/* One thread's memory.  u: [element][step][NR]   m: [element][block][NR]   packed: [PIECE][TAPS][NR] */
typedef struct { float *u, *m, *packed; } Scratch;

/* V of `count` tiles from `first` on, for step s of the sum.  v: [s][element][tile][channel] */
static void transform_block(const Winograd *g, float *v, size_t first, size_t count, size_t s)
{
    size_t channel = s * g->step;
    size_t n = min(g->step, g->in - channel);
    size_t stride = v_stride(g);
    for (size_t t = 0; t < count; t++)
        transform_input(v + s * ELEMENTS * stride + t * n, stride, g, first + t, g->first + channel, n);
}

/* y of `count` tiles from `first` on, whose V is v, and of NR filters from `filter` on.  U is made for a step of
 * the sum only, just before it is used, and so stays in this thread's cache. */
static void multiply_block(const Winograd *g, const float *v, const Scratch *t, size_t first, size_t count,
                           size_t filter)
{
    size_t columns = min(NR, (size_t)g->y.c - filter);
    for (size_t channel = 0; channel < g->in; channel += g->step) {
        size_t n = min(g->step, g->in - channel);
        for (size_t i = 0; i < n; i += PIECE)
            transform_filters(t->u + i * NR, u_stride(g), t->packed, g, filter, g->first + channel + i,
                              min(PIECE, n - i));
        Epilogue epilogue = { .scale = 1, .add = channel > 0 };
        for (size_t e = 0; e < ELEMENTS; e++) {
            const float *v_e = v + (channel / g->step * ELEMENTS + e) * v_stride(g);
            gemm_panel(t->m + e * m_stride(g), NR, columns, v_e, n, count, t->u + e * u_stride(g), n, epilogue);
        }
    }
    for (size_t i = 0; i < count; i++) transform_output(t->m + i * NR, m_stride(g), g, first + i, filter, columns);
}

/* For many blocks: each thread has some of its own, so that one fetches its pixels while another multiplies. */
static void blocks_apart(const Winograd *g, float *v, size_t v_size, const Scratch *scratch)
{
    size_t steps = ceil_div(g->in, g->step);
#pragma omp parallel for schedule(dynamic) num_threads(g->threads)
    for (size_t first = 0; first < g->tiles; first += g->block) {
        size_t id = (size_t)thread_id();
        size_t count = min(g->block, g->tiles - first);
        float *mine = v + id * v_size;
        for (size_t s = 0; s < steps; s++) transform_block(g, mine, first, count, s);
        for (size_t p = 0; p < g->panels; p++) multiply_block(g, mine, &scratch[id], first, count, p * NR);
    }
}

/* For few blocks: all threads share each block, or at_once of them where there are few filters. */
static void blocks_shared(const Winograd *g, float *v, size_t v_size, const Scratch *scratch, size_t at_once)
{
    size_t steps = ceil_div(g->in, g->step);
#pragma omp parallel num_threads(g->threads)
    for (size_t begin = 0; begin < g->tiles; begin += at_once * g->block) {
        size_t blocks = min(at_once, ceil_div(g->tiles - begin, g->block));
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < blocks * steps; i++) {
            size_t b = i / steps, first = begin + b * g->block;
            transform_block(g, v + b * v_size, first, min(g->block, g->tiles - first), i % steps);
        }
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < blocks * g->panels; i++) {
            size_t b = i / g->panels, first = begin + b * g->block, filter = i % g->panels * NR;
            multiply_block(g, v + b * v_size, &scratch[thread_id()], first, min(g->block, g->tiles - first), filter);
        }
    }
}

/* ---- the convolution -------------------------------------------------------------------------- */

int winograd_fits(Tensor y, Tensor x, const Weight *w, Conv how)
{
    int is_3x3 = w->rank == 4 && w->shape[2] == 3 && how.stride == 1 && how.pad == 1;
    return is_3x3 && x.c % LANES == 0 && y.c % LANES == 0 && x.c >= 32 && y.c >= 32;
}

/* n channels in parts of at most `most`, as even as can be, rounded up to whole vectors. */
static size_t even_channels(size_t n, size_t most) { return round_up(ceil_div(n, ceil_div(n, most)), LANES); }

static Scratch *scratch_of(Machine *m, const Winograd *g)
{
    size_t threads = (size_t)g->threads;
    Scratch *t = allocate(m->mem, threads, sizeof *t);
    for (size_t i = 0; i < threads; i++) {
        t[i].u = allocate(m->mem, ELEMENTS * u_stride(g), sizeof(float));
        t[i].m = allocate(m->mem, ELEMENTS * m_stride(g), sizeof(float));
        t[i].packed = allocate(m->mem, TAPS * PIECE * NR, sizeof(float));
    }
    return t;
}

void winograd(Machine *m, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how)
{
    size_t before = mark(m->mem), threads = (size_t)m->threads, channels = (size_t)x.c;
    Winograd g = { .y = y, .x = x, .w = w, .bias = bias, .how = how, .threads = m->threads };
    g.across = ceil_div((size_t)y.w, OUT);
    g.picture = g.across * ceil_div((size_t)y.h, OUT);
    g.tiles = g.picture * (size_t)y.n;
    g.panels = ceil_div((size_t)y.c, NR);
    size_t pass = even_channels(channels, PASS);
    g.step = even_channels(pass, CHANNELS);

    size_t blocks = ceil_div(g.tiles, TILES);
    int many = blocks >= 2 * threads;
    if (many) blocks = round_up(blocks, threads);
    g.block = ceil_div(g.tiles, blocks);
    size_t at_once = many ? threads : min(blocks, ceil_div(4 * threads, g.panels));      /* blocks whose V is kept */
    size_t v_size = ceil_div(pass, g.step) * ELEMENTS * v_stride(&g);
    float *v = allocate(m->mem, at_once * v_size, sizeof *v);
    Scratch *scratch = scratch_of(m, &g);

    g.how.scale /= SCALE * SCALE;
    for (size_t channel = 0; channel < channels && !m->dry; channel += pass) {
        g.first = channel;
        g.in = min(pass, channels - channel);
        if (channel > 0) g.how.add = 1;
        if (many) blocks_apart(&g, v, v_size, scratch);
        else blocks_shared(&g, v, v_size, scratch, at_once);
    }
    release(m->mem, before);
}
