/* adapter_rotation.c - OFT and BOFT: the rotations that an adapter file holds for a layer.
 *
 * OFT (Qiu et al., 2023) multiplies a weight by rotations instead of adding to it.  A rotation R has R' R = I, so the
 * lengths of the rows and the angles between them stay.  Blocks of rows are rotated, each by a matrix of its own, which
 * is trained as any matrix B without a condition.  Its antisymmetric part makes the rotation by Cayley's transform:
 *
 *     Q = B - B',     R = (I + Q) (I - Q)^-1 = 2 (I - Q)^-1 - I          (I - Q is never singular)
 *
 * What files hold, and what the rows of a block are multiplied by (kohya's networks/oft.py, LyCORIS' diag_oft.py and
 * boft.py, PEFT's oft and boft):
 *
 *     oft_blocks [n,b,b]       kohya, LyCORIS     R',  Q = B - B'
 *     oft_diag   [n,b,b]       older LyCORIS      B',  which is R itself
 *     oft_blocks [m,n,b,b]     LyCORIS' BOFT      R in m stages (Liu et al., 2024)
 *     oft_R [n, b (b-1) / 2]   PEFT               Neumann's series I + 2 Q + 2 Q^2 + .. + Q^4 of R; Q's upper triangle.
 *     boft_R [1,n,b,b]         PEFT               R',  Q = (B - B') / 2       In PEFT the columns are rotated.
 *
 * R' is the transform of -Q.  The transforms are computed once, when the file is opened.  A constraint of the training
 * limits the length |Q| of all blocks of a layer together (COFT; in PEFT that of each block). */
#include "adapter_rotation.h"

#include "dtype.h"

#include <math.h>
#include <string.h>

enum { MOST_STAGES = 20 };           /* BOFT has log2 of the number of blocks, and one more */

/* ---- square matrices of doubles ---------------------------------------------------------------- */

static void add_to_row(double *to, const double *row, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += factor * row[i];
}

static void swap_rows(double *x, double *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double kept = x[i];
        x[i] = y[i];
        y[i] = kept;
    }
}

static size_t largest_below(const double *x, size_t column, size_t n)
{
    size_t best = column;
    for (size_t i = column + 1; i < n; i++)
        if (fabs(x[i * n + column]) > fabs(x[best * n + column])) best = i;
    return best;
}

static void make_identity(double *x, size_t n)
{
    memset(x, 0, n * n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i * n + i] = 1;
}

/* y = x^-1 by Gauss and Jordan's elimination; x is overwritten */
static void invert(double *y, double *x, size_t n)
{
    make_identity(y, n);
    for (size_t k = 0; k < n; k++) {
        size_t pivot = largest_below(x, k, n);
        if (pivot != k) {
            swap_rows(x + pivot * n, x + k * n, n);
            swap_rows(y + pivot * n, y + k * n, n);
        }
        double over = 1 / x[k * n + k];
        for (size_t i = 0; i < n; i++) {
            if (i == k) continue;
            double factor = -x[i * n + k] * over;
            add_to_row(x + i * n + k, x + k * n + k, factor, n - k);
            add_to_row(y + i * n, y + k * n, factor, n);
        }
        for (size_t i = 0; i < n; i++) {
            x[k * n + i] *= over;
            y[k * n + i] *= over;
        }
    }
}

/* ---- from Q to R ------------------------------------------------------------------------------- */

/* Scratch for one block, each [n,n]. */
typedef struct { double *q, *r, *power, *next; } Scratch;

/* Cayley's transform:  r = 2 (I - q)^-1 - I;  q is overwritten */
static void cayley(const Scratch *s, size_t n)
{
    for (size_t i = 0; i < n * n; i++) s->q[i] = -s->q[i];
    for (size_t i = 0; i < n; i++) s->q[i * n + i] += 1;
    invert(s->r, s->q, n);
    for (size_t i = 0; i < n * n; i++) s->r[i] *= 2;
    for (size_t i = 0; i < n; i++) s->r[i * n + i] -= 1;
}

static void multiply(double *y, const double *a, const double *b, size_t n)
{
    memset(y, 0, n * n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) add_to_row(y + i * n, b + k * n, a[i * n + k], n);
}

/* PEFT, OFTRotationModule._cayley_batch:  r = I + 2 q + 2 q^2 + .. + q^last.  The last power counts once, but for
 * that of two terms; three terms are computed as four. */
static void neumann(Scratch *s, size_t n, int terms)
{
    int last = terms == 3 ? 3 : terms - 1;
    make_identity(s->r, n);
    make_identity(s->power, n);
    for (int k = 1; k <= last; k++) {
        multiply(s->next, s->power, s->q, n);
        add_to_row(s->r, s->next, k == last && k > 1 ? 1 : 2, n * n);
        double *kept = s->power;
        s->power = s->next;
        s->next = kept;
    }
}

/* ---- what a tensor holds ----------------------------------------------------------------------- */

/* Q of a block:  sign (B - B') */
static void antisymmetric(double *q, const Weight *w, size_t block, size_t n, double sign)
{
    size_t first = block * n * n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double b = (double)dtype_value(w->data, w->type, first + i * n + j);
            double transposed = (double)dtype_value(w->data, w->type, first + j * n + i);
            q[i * n + j] = sign * (b - transposed);
        }
}

/* Q of a block from its upper triangle, row by row */
static void from_triangle(double *q, const Weight *w, size_t block, size_t n)
{
    size_t at = block * (n * (n - 1) / 2);
    memset(q, 0, n * n * sizeof *q);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            q[i * n + j] = (double)dtype_value(w->data, w->type, at++);
            q[j * n + i] = -q[i * n + j];
        }
}

static void block_q(double *q, AdapterPart part, const Weight *w, size_t block, size_t n, int butterfly)
{
    switch (part) {
    case OFT_R:  from_triangle(q, w, block, n); break;
    case BOFT_R: antisymmetric(q, w, block, n, -0.5); break;
    default:     antisymmetric(q, w, block, n, butterfly ? 1 : -1); break;
    }
}

static double length_of(const double *q, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += q[i] * q[i];
    return sqrt(square);
}

/* What Q is multiplied by, so that its length is at most the limit. */
static double limited(double length, double limit)
{
    return limit > 0 && length > limit ? limit / length : 1;
}

/* Q of n x n from n (n - 1) / 2 values; 0 when no n fits */
static size_t side_of_triangle(size_t values)
{
    size_t n = (size_t)((1 + sqrt(1 + 8 * (double)values)) / 2);
    return n * (n - 1) / 2 == values ? n : 0;
}

static Rotation shape_of(AdapterPart part, const Weight *w)
{
    Rotation r = { .stages = 1, .blocks = w->shape[0], .of_columns = part == OFT_R || part == BOFT_R };
    int is_triangle = part == OFT_R;
    size_t rank = is_triangle ? 2 : 3;
    r.butterfly = part == OFT_BLOCKS && w->rank == 4;
    if (part == BOFT_R || r.butterfly) rank = 4;
    if (w->rank != rank) return (Rotation){ .size = 0 };
    r.size = is_triangle ? side_of_triangle(w->shape[1]) : w->shape[rank - 1];
    if (rank == 4) {
        r.stages = w->shape[0];
        r.blocks = w->shape[1];
    }
    if (!is_triangle && w->shape[rank - 2] != r.size) r.size = 0;
    if (r.butterfly && (r.size % 2 || r.stages > MOST_STAGES)) r.size = 0;
    return r;
}

static void fill_blocks(float *block, const Rotation *r, AdapterPart part, const Weight *w, RotationLimits limits,
                        Scratch s)
{
    size_t n = r->size;
    size_t count = r->stages * r->blocks;
    double square = 0;
    for (size_t i = 0; limits.limit > 0 && i < count; i++) {
        block_q(s.q, part, w, i, n, r->butterfly);
        double length = length_of(s.q, n * n);
        square += length * length;
    }
    double factor = limited(sqrt(square), limits.limit);
    for (size_t i = 0; i < count; i++, block += n * n) {
        block_q(s.q, part, w, i, n, r->butterfly);
        double all = factor * limited(length_of(s.q, n * n), limits.block_limit);
        int in_series = part == OFT_R && limits.terms;
        if (part == OFT_R && !in_series) all = -all;      /* without the series PEFT turns the other way */
        for (size_t k = 0; k < n * n; k++) s.q[k] *= all;
        if (in_series) neumann(&s, n, limits.terms);
        else cayley(&s, n);
        for (size_t k = 0; k < n * n; k++) block[k] = (float)s.r[k];
    }
}

/* oft_diag holds R itself */
static void fill_transposed(float *block, const Rotation *r, const Weight *w)
{
    size_t n = r->size;
    for (size_t i = 0; i < r->blocks; i++)
        for (size_t y = 0; y < n; y++)
            for (size_t x = 0; x < n; x++)
                block[(i * n + x) * n + y] = (float)dtype_value(w->data, w->type, (i * n + y) * n + x);
}

Rotation adapter_rotation(Arena *a, const char *path, AdapterPart part, const Weight *w, RotationLimits limits)
{
    Rotation r = shape_of(part, w);
    if (!r.size) fail(a, "%s: %s is %s, which cannot be", path, w->name, shape_text(a, w));
    if (part == BOFT_R && r.stages > 1)
        fail(a, "%s: %s is %s: BOFT of %zu stages as PEFT has it is not supported; with boft_n_butterfly_factor=1 "
                "it is", path, w->name, shape_text(a, w), r.stages);
    size_t square = r.size * r.size;
    float *block = allocate(a, r.stages * r.blocks * square, sizeof *block);
    size_t before = mark(a);
    Scratch s = { .q = allocate(a, square, sizeof *s.q), .r = allocate(a, square, sizeof *s.r),
                  .power = allocate(a, square, sizeof *s.power), .next = allocate(a, square, sizeof *s.next) };
    if (part == OFT_DIAG) fill_transposed(block, &r, w);
    else fill_blocks(block, &r, part, w, limits, s);
    release(a, before);
    r.block = block;
    return r;
}
