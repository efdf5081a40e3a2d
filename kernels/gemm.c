/* gemm.c - matrix product, and convolution as a matrix product.
 *
 * All linear layers and the convolutions that winograd.c does not take are computed here; attention.c and winograd.c
 * use the tiles.  A linear layer is a 1x1 convolution, and a convolution is
 *
 *     C[M][N] = A[M][K] B[K][N]         M   output pixels: n * oh * ow
 *                                       N   filters: the output channels
 *                                       K   taps * input channels: the length of each sum
 *
 * where a row of A is one pixel's window of the image.  A is never stored as a whole: its rows are gathered block
 * by block, while they are packed for the cache (im2col, implicit GEMM).
 *
 * The blocking is that of K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008);
 * the names are BLIS's.  A tile of C stays in registers while it runs along the sum.  All that it reads is packed:
 * it lies in the order in which it is read, and in the nearest cache that it fits in.
 *
 *     for each NC filters, whose packed weights are 8 MB at most:
 *         all threads: pack the weights as float32:      B[chunk][panel][chunk of K][NR]    last-level cache
 *         each thread, for its MC pixels:
 *             for each chunk of K: pack the pixels:      A[MC][K_CHUNK]                     second-level cache
 *                 for each panel, each KC of the chunk:  B[KC][NR] and C[MC][NR]            first-level cache
 *                     for each MR pixels:                the micro-kernel: C[MR][NR]        registers
 *
 * NR is two vectors.  A last panel of one vector and a last tile of fewer rows have micro-kernels of their own, so no
 * multiplication is wasted on padding.
 *
 * Each sum is taken in the order of K, whatever the tile and the thread, so any number of threads gives the same bytes.
 * Nothing here can fail except allocating scratch, which happens before the parallel loop.
 * plain.c: conv() says the same in plain loops. */
#include "gemm.h"

#include "parallel.h"

enum {
    KC = 320,                   /* steps of the sum that a tile does in one go: all channels of SD's first level */
    MC = 8 * MR,                /* most rows in a block */
    K_CHUNK = 4 * KC,           /* floats of a packed row of A */
    MOST_FILTERS = 1024,        /* NC is at most so many, */
    MOST_PACKED = 1 << 21       /* and at most so many weights: 8 MB of float32 */
};

/* ---- the micro-kernel ------------------------------------------------------------------------- */

/* Writes the finished sums of a tile to C: see Epilogue. */
static ALWAYS_INLINE void store_tile(const int rows, const int vectors, float *restrict c, size_t c_row, vf sum[MR][2],
                                     Epilogue epilogue)
{
    vf scale = splat(epilogue.scale);
    if (epilogue.add) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) {
                float *to = c + (size_t)i * c_row + v * LANES;
                store(to, fma_v(scale, sum[i][v], load(to)));
            }
    }
    else if (!epilogue.bias) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) store(c + (size_t)i * c_row + v * LANES, scale * sum[i][v]);
    }
    else {
        vf bias[2] = { load(epilogue.bias), vectors > 1 ? load(epilogue.bias + LANES) : splat(0) };
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                store(c + (size_t)i * c_row + v * LANES, fma_v(scale, sum[i][v], bias[v]));
    }
}

/* C[rows][vectors * LANES] = A[rows][k] B[k][NR].  rows, vectors and bf16 are constants where this is inlined, so the
 * loops over them are unrolled and the sums are registers.  A step of the sum loads two vectors of B; each row then
 * takes one broadcast of A and two multiply-adds. */
static ALWAYS_INLINE void micro_kernel(const int rows, const int vectors, const int bf16, float *restrict c,
                                       size_t c_row, const float *restrict a, size_t a_row, const float *restrict b,
                                       size_t k, Epilogue epilogue)
{
    vf sum[MR][2] = { { { 0 } } };
    for (size_t p = 0; p < k; p++) {
        vf b0 = load(b + p * NR);
        vf b1 = vectors > 1 ? load(b + p * NR + LANES) : b0;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            vf x = splat(a[(size_t)i * a_row + p]);
            sum[i][0] = dot_add_v(sum[i][0], x, b0, bf16);
            if (vectors > 1) sum[i][1] = dot_add_v(sum[i][1], x, b1, bf16);
        }
    }
    store_tile(rows, vectors, c, c_row, sum, epilogue);
}

/* One function for each height of a tile, 1 .. MR rows, for one vector and two, for float32 and bf16. */
typedef void MicroKernel(float *restrict c, size_t c_row, const float *restrict a, size_t a_row,
                         const float *restrict b, size_t k, Epilogue epilogue);

#define HEIGHTS_TO_6(DO)  DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)
#define HEIGHTS_TO_8(DO)  HEIGHTS_TO_6(DO) DO(7) DO(8)
#define HEIGHTS_TO_14(DO) HEIGHTS_TO_8(DO) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14)
#if MR == 14
#define HEIGHTS(DO) HEIGHTS_TO_14(DO)
#elif MR == 8
#define HEIGHTS(DO) HEIGHTS_TO_8(DO)
#else
#define HEIGHTS(DO) HEIGHTS_TO_6(DO)
#endif

#define DEFINE(rows, vectors, bf16)                                                                                 \
    static void micro_kernel_##rows##_##vectors##_##bf16(float *restrict c, size_t c_row, const float *restrict a,  \
                                                         size_t a_row, const float *restrict b, size_t k,           \
                                                         Epilogue epilogue)                                         \
    {                                                                                                               \
        micro_kernel(rows, vectors, bf16, c, c_row, a, a_row, b, k, epilogue);                                      \
    }
#define DEFINE_ALL(rows) DEFINE(rows, 1, 0) DEFINE(rows, 2, 0) DEFINE(rows, 1, 1) DEFINE(rows, 2, 1)
HEIGHTS(DEFINE_ALL)

#define FLOAT_KERNELS(rows) { micro_kernel_##rows##_1_0, micro_kernel_##rows##_2_0 },
#define BF16_KERNELS(rows)  { micro_kernel_##rows##_1_1, micro_kernel_##rows##_2_1 },
static MicroKernel *const float_kernels[MR][2] = { HEIGHTS(FLOAT_KERNELS) };       /* [rows - 1][vectors - 1] */
static MicroKernel *const bf16_kernels [MR][2] = { HEIGHTS(BF16_KERNELS) };

/* A tile of C with fewer columns than its vectors hold goes through a buffer. */
static void partial_columns(MicroKernel *kernel, float *c, size_t c_row, size_t columns, const float *a, size_t a_row,
                            size_t rows, const float *b, size_t k, Epilogue epilogue)
{
    float whole[MR * NR] __attribute__((aligned(VECTOR)));
    float bias[NR] = { 0 };
    if (epilogue.bias) {
        memcpy(bias, epilogue.bias, columns * sizeof *bias);
        epilogue.bias = bias;
    }
    if (epilogue.add)
        for (size_t i = 0; i < rows; i++) memcpy(whole + i * NR, c + i * c_row, columns * sizeof *c);
    kernel(whole, NR, a, a_row, b, k, epilogue);
    for (size_t i = 0; i < rows; i++) memcpy(c + i * c_row, whole + i * NR, columns * sizeof *c);
}

/* Tiles are as even as can be: 16 rows are 8 and 8, not 14 and 2, because a tile of few rows is slow. */
void gemm_panel(float *c, size_t c_row, size_t columns, const float *a, size_t a_row, size_t rows,
                const float *b, size_t k, Epilogue epilogue)
{
    size_t vectors = ceil_div(columns, LANES);
    size_t tiles = ceil_div(rows, MR);
    MicroKernel *const (*kernels)[2] = epilogue.bf16 ? bf16_kernels : float_kernels;
    for (size_t t = 0; t < tiles; t++) {
        size_t i = rows * t / tiles;
        size_t n = rows * (t + 1) / tiles - i;
        MicroKernel *kernel = kernels[n - 1][vectors - 1];
        const float *a_i = a + i * a_row;
        float *c_i = c + i * c_row;
        if (columns % LANES) partial_columns(kernel, c_i, c_row, columns, a_i, a_row, n, b, k, epilogue);
        else kernel(c_i, c_row, a_i, a_row, b, k, epilogue);
    }
}

/* ---- convolution ------------------------------------------------------------------------------ */

typedef struct {
    Tensor y, x;
    const Weight *w;
    const float *bias;
    Conv how;
    int side, bf16;
    size_t rows, out, in, taps;     /* M, N, and the two factors of K */
    size_t chunk;                   /* input channels of one chunk of the sum; the last one may have fewer */
    size_t filters;                 /* NC */
    size_t blocks;                  /* blocks of rows */
} Gemm;

static size_t chunk_channels(const Gemm *g, size_t channel) { return min(g->chunk, g->in - channel); }

/* Where a panel begins.  Packed weights lie as [chunk][panel][taps * channels of the chunk][NR]. */
static size_t panel_at(const Gemm *g, size_t panels, size_t panel, size_t channel)
{
    return (panels * channel + panel * chunk_channels(g, channel)) * g->taps * NR;
}

static size_t most_steps(int bf16) { return bf16 ? 2 * KC : KC; }

/* Parts of at most `most`, as even as can be: 400 are 200 and 200, not 320 and 80. */
static size_t even_step(size_t n, size_t most)
{
    size_t step = ceil_div(n, ceil_div(n, most));
    return min(round_up(step, 8), most);
}

/* im2col: one row of A.  It is the window of output pixel r, taps x n channels from `channel` on, with zeros outside
 * the image.  In bf16 the numbers are rounded on the way. */
static void im2col_row(void *a, const Gemm *g, size_t r, size_t channel, size_t n)
{
    size_t ow = (size_t)g->y.w, oh = (size_t)g->y.h, c = (size_t)g->x.c;
    size_t each = g->bf16 ? sizeof(uint16_t) : sizeof(float);
    int column = (int)(r % ow) * g->how.stride - g->how.pad;
    int row = (int)(r / ow % oh) * g->how.stride - g->how.pad;
    const float *image = g->x.x + r / (ow * oh) * (size_t)g->x.h * (size_t)g->x.w * c;
    for (int i = 0; i < g->side; i++)
        for (int j = 0; j < g->side; j++) {
            int inside = row + i >= 0 && row + i < g->x.h && column + j >= 0 && column + j < g->x.w;
            size_t pixel = inside ? (size_t)(row + i) * (size_t)g->x.w + (size_t)(column + j) : 0;
            const float *from = image + pixel * c + channel;
            if (!inside) memset(a, 0, n * each);
            else if (g->bf16) bf16_row(a, from, n);
            else memcpy(a, from, n * each);
            a = (char *)a + n * each;
        }
    /* the second number of the last pair is multiplied by 0, but it must not be NaN */
    if (g->bf16 && n * (size_t)(g->side * g->side) % 2) memset(a, 0, each);
}

/* In a 1x1 convolution the pixels are the rows of A already, and can be multiplied where they lie.  But if the rows are
 * a multiple of 4 kB apart, those of a tile share one set of the cache and push each other out.  Then they are packed
 * like all others. */
static int reads_in_place(const Gemm *g)
{
    return g->side == 1 && g->how.stride == 1 && !g->bf16 && g->x.c % 1024;
}

/* This panel of C will be written next; its rows are far apart. */
static void prefetch_panel(const Gemm *g, size_t row, size_t count, size_t filter)
{
    const float *y = g->y.x + row * g->out + filter;
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < NR; v += 16) __builtin_prefetch(y + v, 1);
        y += g->out;
    }
}

/* One chunk of the sum, which begins at `channel`, for C[count][NR] from row `row` and filter `filter` on. */
static void multiply_panel(const Gemm *g, const float *a, size_t a_row, const float *panel, size_t row, size_t count,
                           size_t filter, size_t channel)
{
    size_t steps = chunk_channels(g, channel) * g->taps;
    size_t step = even_step(steps, most_steps(g->bf16));
    float *c = g->y.x + row * g->out + filter;
    for (size_t s = 0; s < steps; s += step) {
        size_t done = packed_steps(s, g->bf16);
        size_t now = packed_steps(min(step, steps - s), g->bf16);
        Epilogue epilogue = { .scale = g->how.scale, .add = g->how.add || channel || s, .bf16 = g->bf16 };
        if (g->bias) epilogue.bias = g->bias + filter;
        gemm_panel(c, g->out, min(NR, g->out - filter), a + done, a_row, count, panel + done * NR, now, epilogue);
    }
}

/* A block of C: some rows by the panels first .. end - 1.  `panels` are packed, and the first begins at `filter`. */
typedef struct { size_t row, rows, filter, panels, first, end; } Block;

/* packed: this thread's A, [MC][K_CHUNK] */
static void multiply_block(const Gemm *g, const float *b, float *packed, Block k)
{
    int in_place = reads_in_place(g);
    for (size_t channel = 0; channel < g->in; channel += g->chunk) {
        const float *a = in_place ? g->x.x + k.row * g->in + channel : packed;
        size_t a_row = in_place ? g->in : K_CHUNK;
        if (!in_place)
            for (size_t i = 0; i < k.rows; i++)
                im2col_row(packed + i * K_CHUNK, g, k.row + i, channel, chunk_channels(g, channel));
        for (size_t p = k.first; p < k.end; p++) {
            size_t filter = k.filter + p * NR;
            if (!channel && p + 1 < k.end) prefetch_panel(g, k.row, k.rows, filter + NR);
            multiply_panel(g, a, a_row, b + panel_at(g, k.panels, p, channel), k.row, k.rows, filter, channel);
        }
    }
}

/* Panel i / chunks, chunk i % chunks of the weights that begin at `filter`. */
static void pack_panel(const Gemm *g, float *b, size_t filter, size_t panels, size_t i, size_t chunks)
{
    size_t p = i / chunks, channel = i % chunks * g->chunk;
    float *panel = b + panel_at(g, panels, p, channel);
    WeightBlock block = { .w = g->w, .filter = filter + p * NR, .channel = channel,
                          .channels = chunk_channels(g, channel), .tap_major = 1, .transposed = g->how.transposed };
    pack_weights(panel, &block);
    if (g->bf16) bf16_panel(panel, block.channels * g->taps);
}

/* The threads share out the blocks of rows.  Where these are few, they share out groups of panels too. */
static void multiply_all(const Gemm *g, float *b, float *a, size_t threads)
{
    size_t chunks = ceil_div(g->in, g->chunk);
#pragma omp parallel num_threads((int)threads)
    for (size_t filter = 0; filter < g->out; filter += g->filters) {
        size_t panels = ceil_div(min(g->filters, g->out - filter), NR);
        size_t groups = min(panels, g->blocks >= 4 * threads ? 1 : ceil_div(4 * threads, g->blocks));
#pragma omp for schedule(static)
        for (size_t i = 0; i < panels * chunks; i++) pack_panel(g, b, filter, panels, i, chunks);
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < g->blocks * groups; i++) {
            size_t block = i / groups, group = i % groups;
            size_t row = g->rows * block / g->blocks, end = g->rows * (block + 1) / g->blocks;
            multiply_block(g, b, a + (size_t)thread_id() * MC * K_CHUNK,
                           (Block){ .row = row, .rows = end - row, .filter = filter, .panels = panels,
                                    .first = panels * group / groups, .end = panels * (group + 1) / groups });
        }
    }
}

void gemm_conv(Machine *m, Tensor y, Tensor x, const Weight *w, const float *bias, Conv how)
{
    size_t before = mark(m->mem), threads = (size_t)m->threads;
    int side = w->rank == 4 ? (int)w->shape[2] : 1;
    Gemm g = { .y = y, .x = x, .w = w, .bias = bias, .how = how, .side = side, .bf16 = m->bf16,
               .rows = rows(y), .out = (size_t)y.c, .in = (size_t)x.c, .taps = (size_t)(side * side) };
    g.chunk = even_step(g.in, K_CHUNK / KC * most_steps(g.bf16) / g.taps);
    size_t most = min(MC, ceil_div(g.rows, threads));
    g.blocks = min(round_up(ceil_div(g.rows, most), threads), g.rows);
    size_t fit = min(MOST_FILTERS, MOST_PACKED / (g.in * g.taps) / NR * NR);
    g.filters = min(round_up(g.out, NR), fit ? fit : NR);
    float *b = allocate(m->mem, g.filters * g.in * g.taps, sizeof *b);
    float *a = allocate(m->mem, threads * MC * K_CHUNK, sizeof *a);
    if (!m->dry) multiply_all(&g, b, a, threads);
    release(m->mem, before);
}
