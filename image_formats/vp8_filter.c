/* vp8_filter.c - the loop filter of VP8 (RFC 6386, 15).
 *
 * Blocks that are coded apart show their edges.  The filter looks along a line across an edge:
 *
 *     p3 p2 p1 p0 | q0 q1 q2 q3
 *
 * A small step between p0 and q0 comes from coding, and is smoothed; a large one belongs to the picture, and stays.
 * Edges of macroblocks allow a larger step, and change three samples on each side; edges inside one change two.  Where
 * the samples beside the edge already differ much, only p0 and q0 change.
 *
 * The macroblocks are filtered in the order of the file, since a filtered edge changes samples of the next one.
 * Rounding is that of the RFC to the bit. */
#include "vp8_filter.h"

#include <stdlib.h>

typedef uint8_t Byte;

static int clamp(int x, int low, int high)
{
    if (x < low) return low;
    return x > high ? high : x;
}

static Byte clamp_byte(int x) { return (Byte)clamp(x, 0, 255); }
static int clamp_signed(int x) { return clamp(x, -128, 127); }

/* 15.2 and 15.6 */
Vp8Strength vp8_strength(int level, int sharpness)
{
    if (level <= 0) return (Vp8Strength){ .edge = 0 };
    int interior = level;
    if (sharpness > 0) {
        interior >>= sharpness > 4 ? 2 : 1;
        if (interior > 9 - sharpness) interior = 9 - sharpness;
    }
    if (interior < 1) interior = 1;
    int variance = 0;
    if (level >= 15) variance = 1;
    if (level >= 40) variance = 2;
    return (Vp8Strength){ .edge = 2 * level + interior, .interior = interior, .variance = variance };
}

/* ---- one line across an edge: q is q0, samples are `step` apart, so that p0 is q[-step] ---- */

static int difference(const Byte *q, ptrdiff_t a, ptrdiff_t b) { return abs(q[a] - q[b]); }

/* 2 |p0 - q0| + |p1 - q1| / 2 <= limit */
static int is_small_step(const Byte *q, ptrdiff_t step, int limit)
{
    return 4 * difference(q, -step, 0) + difference(q, -2 * step, step) <= 2 * limit + 1;
}

static int is_smooth(const Byte *q, ptrdiff_t step, int limit)
{
    for (ptrdiff_t i = 0; i < 3; i++) {
        if (difference(q, i * step, (i + 1) * step) > limit) return 0;
        if (difference(q, (-1 - i) * step, (-2 - i) * step) > limit) return 0;
    }
    return 1;
}

static int has_high_variance(const Byte *q, ptrdiff_t step, int limit)
{
    return difference(q, -2 * step, -step) > limit || difference(q, step, 0) > limit;
}

/* Moves p_i and q_i, i samples away from the edge, towards each other. */
static void move(Byte *q, ptrdiff_t step, ptrdiff_t i, int up, int down)
{
    q[(-1 - i) * step] = clamp_byte(q[(-1 - i) * step] + up);
    q[i * step] = clamp_byte(q[i * step] - down);
}

/* The filter of p0 and q0 alone. */
static void filter_2(Byte *q, ptrdiff_t step)
{
    int a = 3 * (q[0] - q[-step]) + clamp_signed(q[-2 * step] - q[step]);
    move(q, step, 0, clamp(a + 3, -128, 127) >> 3, clamp(a + 4, -128, 127) >> 3);
}

/* Inside a macroblock. */
static void filter_4(Byte *q, ptrdiff_t step)
{
    int a = 3 * (q[0] - q[-step]);
    int down = clamp(a + 4, -128, 127) >> 3;
    int up = clamp(a + 3, -128, 127) >> 3;
    int outer = (down + 1) >> 1;
    move(q, step, 0, up, down);
    move(q, step, 1, outer, outer);
}

/* Between macroblocks: weights 27, 18 and 9 of 128. */
static void filter_6(Byte *q, ptrdiff_t step)
{
    int a = clamp_signed(3 * (q[0] - q[-step]) + clamp_signed(q[-2 * step] - q[step]));
    for (int i = 0; i < 3; i++) {
        int by = (9 * (3 - i) * a + 63) >> 7;
        move(q, step, i, by, by);
    }
}

/* ---- edges ---- */

/* An edge of `length` samples.  along: from a sample of the edge to the next; across: from p0 to q0 */
static void filter_edge(Byte *q, ptrdiff_t along, ptrdiff_t across, int length, int is_simple, int is_outer,
                        Vp8Strength s)
{
    int limit = is_outer ? s.edge + 4 : s.edge;
    for (int i = 0; i < length; i++, q += along) {
        if (!is_small_step(q, across, limit)) continue;
        if (!is_simple && !is_smooth(q, across, s.interior)) continue;
        if (is_simple || has_high_variance(q, across, s.variance)) filter_2(q, across);
        else if (is_outer) filter_6(q, across);
        else filter_4(q, across);
    }
}

void vp8_filter(uint8_t *p, size_t stride, int size, int is_simple, Vp8Strength s,
                int has_left, int has_top, int has_inside)
{
    ptrdiff_t row = (ptrdiff_t)stride;
    if (!s.edge) return;
    if (has_left) filter_edge(p, row, 1, size, is_simple, 1, s);
    for (int x = 4; has_inside && x < size; x += 4) filter_edge(p + x, row, 1, size, is_simple, 0, s);
    if (has_top) filter_edge(p, 1, row, size, is_simple, 1, s);
    for (int y = 4; has_inside && y < size; y += 4) filter_edge(p + y * row, 1, row, size, is_simple, 0, s);
}
