/* vp8_predict.c - the samples of VP8: intra prediction and the inverse transforms (RFC 6386, 12 and 14).
 *
 * A block is predicted from samples that are known already: the row above it and the column to its left, before the
 * loop filter.  Outside the picture they are 127 above and 129 to the left; the DC mode of large blocks leaves them out
 * instead.
 *
 * The modes of 4 x 4 blocks continue an edge in one of several directions.  All samples on one line of that direction
 * are the same mean of 2 or 3 neighbours along the edge.  So a mode is a table that says for each sample where on the
 * edge its line begins, in half steps: between two samples of the edge (a mean of 2), or on one (a weighted mean of 3).
 *
 * Numbers are those of the RFC to the bit; they must be, since each block is predicted from others. */
#include "vp8_predict.h"

typedef uint8_t Byte;

enum { ABOVE = 127, BESIDE = 129 };             /* samples outside the picture */

static Byte clamp_byte(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (Byte)x;
}

/* ---- the neighbours ---- */

enum { LARGEST = 16 };
typedef struct { int corner, top[LARGEST], left[LARGEST]; } Neighbours;

static Neighbours neighbours_of(const Byte *p, size_t stride, int size, int has_top, int has_left)
{
    Neighbours n = { .corner = ABOVE };
    for (int i = 0; i < size; i++) {
        n.top[i] = has_top ? *(p - stride + i) : ABOVE;
        n.left[i] = has_left ? *(p + (size_t)i * stride - 1) : BESIDE;
    }
    if (has_top) n.corner = has_left ? *(p - stride - 1) : BESIDE;
    return n;
}

/* The mean of the neighbours that are inside the picture. */
static int mean_of(const Neighbours *n, int size, int has_top, int has_left)
{
    int sum = 0;
    int count = size * (has_top + has_left);
    if (!count) return 128;
    for (int i = 0; i < size; i++) {
        if (has_top) sum += n->top[i];
        if (has_left) sum += n->left[i];
    }
    return (sum + count / 2) / count;
}

/* ---- prediction ---- */

static Byte predicted(const Neighbours *n, Vp8Mode mode, int mean, int x, int y)
{
    switch (mode) {
    case TM_PRED: return clamp_byte(n->left[y] + n->top[x] - n->corner);
    case V_PRED:  return (Byte)n->top[x];
    case H_PRED:  return (Byte)n->left[y];
    default:      return (Byte)mean;
    }
}

void vp8_predict_large(uint8_t *p, size_t stride, int size, Vp8Mode mode, int has_top, int has_left)
{
    Neighbours n = neighbours_of(p, stride, size, has_top, has_left);
    int mean = mean_of(&n, size, has_top, has_left);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) p[(size_t)y * stride + (size_t)x] = predicted(&n, mode, mean, x, y);
}

/* The edge goes from the lowest sample on the left to the corner, and on to the last one above to the right.  Its ends
 * are doubled. */
enum { CORNER = 5, EDGE = 15 };

/* 2 i stands for (e[i - 1] + 2 e[i] + e[i + 1] + 2) / 4, and 2 i + 1 for (e[i] + e[i + 1] + 1) / 2. */
static const Byte lines[VP8_MODES][16] = {
    [V_PRED]    = { 12, 14, 16, 18,   12, 14, 16, 18,   12, 14, 16, 18,   12, 14, 16, 18 },
    [H_PRED]    = {  8,  8,  8,  8,    6,  6,  6,  6,    4,  4,  4,  4,    2,  2,  2,  2 },
    [B_RD_PRED] = { 10, 12, 14, 16,    8, 10, 12, 14,    6,  8, 10, 12,    4,  6,  8, 10 },
    [B_VR_PRED] = { 11, 13, 15, 17,   10, 12, 14, 16,    8, 11, 13, 15,    6, 10, 12, 14 },
    [B_LD_PRED] = { 14, 16, 18, 20,   16, 18, 20, 22,   18, 20, 22, 24,   20, 22, 24, 26 },
    [B_VL_PRED] = { 13, 15, 17, 19,   14, 16, 18, 20,   15, 17, 19, 22,   16, 18, 20, 24 },
    [B_HD_PRED] = {  9, 10, 12, 14,    7,  8,  9, 10,    5,  6,  7,  8,    3,  4,  5,  6 },
    [B_HU_PRED] = {  7,  6,  5,  4,    5,  4,  3,  2,    3,  2,  1,  1,    1,  1,  1,  1 },
};

static int mean_at(const int *edge, int line)
{
    int i = line / 2;
    if (line % 2) return (edge[i] + edge[i + 1] + 1) >> 1;
    return (edge[i - 1] + 2 * edge[i] + edge[i + 1] + 2) >> 2;
}

void vp8_predict_4x4(uint8_t *p, size_t stride, Vp8Mode mode, int has_top, int has_left, const uint8_t *top_right)
{
    Neighbours n = neighbours_of(p, stride, 4, has_top, has_left);
    int is_flat = mode == DC_PRED || mode == TM_PRED;
    int mean = mean_of(&n, 4, 1, 1);
    int edge[EDGE];
    edge[CORNER] = n.corner;
    for (int i = 0; i < 4; i++) {
        edge[CORNER - 1 - i] = n.left[i];
        edge[CORNER + 1 + i] = n.top[i];
        edge[CORNER + 5 + i] = top_right[i];
    }
    edge[0] = edge[1];
    edge[EDGE - 1] = edge[EDGE - 2];
    for (int i = 0; i < 16; i++) {
        Byte *to = p + (size_t)(i / 4) * stride + i % 4;
        *to = is_flat ? predicted(&n, mode, mean, i % 4, i / 4) : (Byte)mean_at(edge, lines[mode][i]);
    }
}

/* ---- inverse transforms ---- */

/* sqrt(2) cos(pi / 8) and sqrt(2) sin(pi / 8), in 16 bits */
static int times_cosine(int x) { return x + (int)((int64_t)x * 20091 >> 16); }
static int times_sine(int x) { return (int)((int64_t)x * 35468 >> 16); }

/* The inverse DCT of four numbers, `step` apart. */
static void idct_4(int *x, int step)
{
    int even = x[0] + x[2 * step];
    int odd = x[0] - x[2 * step];
    int c = times_sine(x[step]) - times_cosine(x[3 * step]);
    int d = times_cosine(x[step]) + times_sine(x[3 * step]);
    x[0] = even + d;
    x[step] = odd + c;
    x[2 * step] = odd - c;
    x[3 * step] = even - d;
}

/* 14.3: columns, then rows. */
void vp8_add_block(const int16_t *coefficients, uint8_t *p, size_t stride)
{
    int x[16];
    for (int i = 0; i < 16; i++) x[i] = coefficients[i];
    for (int i = 0; i < 4; i++) idct_4(x + i, 4);
    for (int i = 0; i < 4; i++) {
        x[4 * i] += 4;                          /* rounds all four */
        idct_4(x + 4 * i, 1);
    }
    for (int i = 0; i < 16; i++) {
        Byte *to = p + (size_t)(i / 4) * stride + i % 4;
        *to = clamp_byte(*to + (x[i] >> 3));
    }
}

/* Of four numbers, `step` apart. */
static void wht_4(int *x, int step)
{
    int a = x[0] + x[3 * step];
    int b = x[step] + x[2 * step];
    int c = x[step] - x[2 * step];
    int d = x[0] - x[3 * step];
    x[0] = a + b;
    x[step] = d + c;
    x[2 * step] = a - b;
    x[3 * step] = d - c;
}

/* 14.3 */
void vp8_inverse_wht(const int16_t *coefficients, int16_t *out)
{
    int x[16];
    for (int i = 0; i < 16; i++) x[i] = coefficients[i];
    for (int i = 0; i < 4; i++) wht_4(x + i, 4);
    for (int i = 0; i < 4; i++) {
        x[4 * i] += 3;
        wht_4(x + 4 * i, 1);
    }
    for (int i = 0; i < 16; i++) out[16 * i] = (int16_t)(x[i] >> 3);
}
