/* vp8.c - decodes VP8 key frames (RFC 6386).
 *
 *     header -> probabilities, quantizers, filter levels      from the first partition, by the arithmetic decoder
 *     macroblock -> modes                                     from the first partition too
 *     macroblock -> coefficients                              from one of up to 8 other partitions, row by row in turn
 *     prediction + inverse transform -> samples               Y, and U and V of half the size
 *     loop filter, upsampling -> RGB                          when all macroblocks are there
 *
 * A macroblock has 16 x 16 samples of Y and 8 x 8 of U and V.  It predicts from samples before the loop filter, so the
 * filter runs at the end over the whole picture.
 *
 * From samples on, every number is libwebp's to the bit, so pictures equal those that other programs see: upsampling
 * weighs the four nearest samples of U and V by 9, 3, 3 and 1, and RGB is computed in 14 bits.
 *
 * Invariants: sizes are checked before memory is taken; a partition that was read past its end is refused, at the
 * latest after a row.  It refuses frames that need another one, and those that are not to be shown.
 * References are to the sections of the RFC. */
#include "vp8.h"

#include "vp8_filter.h"
#include "vp8_predict.h"
#include "vp8_tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t Byte;

enum { SEGMENTS = 4, MAX_PARTITIONS = 8, PLANES = 3, MB = 16 };

/* The arithmetic decoder (7.3) of one partition. */
typedef struct {
    const Byte *at, *end;
    uint32_t value;                     /* what was read and is not decoded yet */
    int range;                          /* 128..255 */
    int bits;                           /* how many bits of value lie below the 8 that are compared; -8..7 */
    int is_past_end;
} Bools;

/* What a macroblock's header says (19.3). */
typedef struct {
    Byte segment;
    Byte is_skipped;                    /* it has no coefficients */
    Byte has_4x4;                       /* each of its 16 blocks has a mode of its own */
    Byte has_details;                   /* it has coefficients, or blocks of their own: it is filtered inside too */
    Byte mode[16];                      /* of its blocks; else all are the mode of the whole */
    Byte uv_mode;
} Macroblock;

/* Factors of coefficients: of the first one, and of the others. */
typedef struct { int y[2], y2[2], uv[2]; } Quantizers;

/* Which blocks beside this macroblock have coefficients: 4 of Y, 2 of U, 2 of V, and that of the first ones (Y2). */
typedef struct { Byte y[4], uv[2][2], y2; } Neighbour;

typedef struct { Byte *at; size_t stride; } Plane;

typedef struct {
    char *why;
    int width, height;
    int across, down;                   /* macroblocks */
    Bools header;                       /* the first partition */
    Bools partition[MAX_PARTITIONS];
    int partitions;

    int has_segments, has_map, is_absolute;
    int segment_quantizer[SEGMENTS], segment_level[SEGMENTS];
    Byte segment_probability[3];
    int is_simple_filter, level, sharpness;
    int has_deltas, intra_delta, block_delta;           /* added to the level; the second for blocks of 4 x 4 */
    Quantizers quantizers[SEGMENTS];
    Byte coefficient[4][8][3][11];      /* probabilities */
    int has_skips;
    int skip_probability;

    Macroblock *macroblock;             /* [down, across] */
    Byte *mode_above;                   /* [4 across], modes of the blocks above */
    Byte mode_left[4];
    Neighbour *above, left;             /* [across] */
    Plane plane[PLANES];                /* whole macroblocks */
} Vp8;

static int refuse(Vp8 *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(Vp8 *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->why, VP8_WHY, fmt, args);
    va_end(args);
    return 0;
}

/* ---- the arithmetic decoder ---- */

static void load_byte(Bools *b)
{
    b->value <<= 8;
    b->bits += 8;
    if (b->at < b->end) b->value |= *b->at++;
    else b->is_past_end = 1;
}

static Bools begin_bools(const Byte *at, const Byte *end)
{
    return (Bools){ .at = at, .end = end, .range = 255, .bits = -8 };
}

/* 7.3.  probability: that it is 0, of 256 */
static int take(Bools *b, int probability)
{
    if (b->bits < 0) load_byte(b);
    uint32_t split = 1 + ((uint32_t)(b->range - 1) * (uint32_t)probability >> 8);
    int is_one = b->value >= split << b->bits;
    if (is_one) {
        b->value -= split << b->bits;
        b->range -= (int)split;
    } else {
        b->range = (int)split;
    }
    while (b->range < 128) {
        b->range <<= 1;
        b->bits--;
    }
    return is_one;
}

static int take_flag(Bools *b) { return take(b, 128); }

/* n bits, the highest first */
static int take_number(Bools *b, int n)
{
    int x = 0;
    for (int i = 0; i < n; i++) x = x << 1 | take_flag(b);
    return x;
}

/* n bits and a sign */
static int take_signed(Bools *b, int n)
{
    int x = take_number(b, n);
    return take_flag(b) ? -x : x;
}

/* A number that is there only if the flag before it says so; else 0. */
static int take_optional(Bools *b, int n) { return take_flag(b) ? take_signed(b, n) : 0; }

/* ---- the header of the frame ---- */

/* 9.3 */
static void read_segments(Vp8 *v)
{
    Bools *b = &v->header;
    memset(v->segment_probability, 255, sizeof v->segment_probability);
    v->is_absolute = 1;
    v->has_segments = take_flag(b);
    if (!v->has_segments) return;
    v->has_map = take_flag(b);
    if (take_flag(b)) {
        v->is_absolute = take_flag(b);
        for (int i = 0; i < SEGMENTS; i++) v->segment_quantizer[i] = take_optional(b, 7);
        for (int i = 0; i < SEGMENTS; i++) v->segment_level[i] = take_optional(b, 6);
    }
    if (!v->has_map) return;
    for (int i = 0; i < 3; i++)
        if (take_flag(b)) v->segment_probability[i] = (Byte)take_number(b, 8);
}

/* 9.6.  Of the four deltas of each kind, a key frame uses the first. */
static void read_filter(Vp8 *v)
{
    Bools *b = &v->header;
    v->is_simple_filter = take_flag(b);
    v->level = take_number(b, 6);
    v->sharpness = take_number(b, 3);
    v->has_deltas = take_flag(b);
    if (!v->has_deltas || !take_flag(b)) return;
    int delta[8];
    for (int i = 0; i < 8; i++) delta[i] = take_optional(b, 6);
    v->intra_delta = delta[0];
    v->block_delta = delta[4];
}

static int clamp(int x, int low, int high)
{
    if (x < low) return low;
    return x > high ? high : x;
}

static int dc_factor(int index) { return vp8_dc_quantizer[clamp(index, 0, 127)]; }
static int ac_factor(int index) { return vp8_ac_quantizer[clamp(index, 0, 127)]; }

/* 9.6 and 14.1 */
static void read_quantizers(Vp8 *v)
{
    Bools *b = &v->header;
    int base = take_number(b, 7);
    int y_dc = take_optional(b, 4);
    int y2_dc = take_optional(b, 4);
    int y2_ac = take_optional(b, 4);
    int uv_dc = take_optional(b, 4);
    int uv_ac = take_optional(b, 4);
    for (int i = 0; i < SEGMENTS; i++) {
        int q = base;
        if (v->has_segments) q = v->segment_quantizer[i] + (v->is_absolute ? 0 : base);
        int y2 = ac_factor(q + y2_ac) * 155 / 100;
        v->quantizers[i] = (Quantizers){
            .y = { dc_factor(q + y_dc), ac_factor(q) },
            .y2 = { 2 * dc_factor(q + y2_dc), y2 < 8 ? 8 : y2 },
            .uv = { dc_factor(clamp(q + uv_dc, 0, 117)), ac_factor(q + uv_ac) },
        };
    }
}

/* 13.4 */
static void read_probabilities(Vp8 *v)
{
    Bools *b = &v->header;
    const Byte *update = &vp8_update_probability[0][0][0][0];
    const Byte *given = &vp8_coefficient_probability[0][0][0][0];
    Byte *probability = &v->coefficient[0][0][0][0];
    for (size_t i = 0; i < sizeof v->coefficient; i++)
        probability[i] = take(b, update[i]) ? (Byte)take_number(b, 8) : given[i];
    v->has_skips = take_flag(b);
    if (v->has_skips) v->skip_probability = take_number(b, 8);
}

/* 9.5.  at: | sizes of all partitions but the last, 3 bytes each | the partitions | */
static int find_partitions(Vp8 *v, const Byte *at, const Byte *end)
{
    size_t sizes = 3 * (size_t)(v->partitions - 1);
    if ((size_t)(end - at) < sizes) return refuse(v, "it ends early");
    const Byte *part = at + sizes;
    for (int i = 0; i < v->partitions; i++) {
        const Byte *p = at + 3 * i;
        size_t size = (size_t)(end - part);
        size_t said = size;
        if (i < v->partitions - 1) said = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
        if (said > size) return refuse(v, "it ends early");
        v->partition[i] = begin_bools(part, part + said);
        part += said;
    }
    return 1;
}

/* 9.1.  data:  | 3 bytes: 0 for a key frame, 1 bit; version 3; shown 1; size of the first partition 19 | 9D 01 2A |
 *              | width 14 bits, scale 2 | height 14 bits, scale 2 | the first partition | ... |
 * The scales only advise how to show the picture. */
static int read_header(Vp8 *v, const Byte *data, size_t size)
{
    enum { HEAD = 10 };
    if (size < HEAD) return refuse(v, "it ends early");
    unsigned tag = data[0] | (unsigned)data[1] << 8 | (unsigned)data[2] << 16;
    if (tag & 1) return refuse(v, "it is no key frame");
    if ((tag >> 1 & 7) > 3) return refuse(v, "version %u, expected 0 to 3", tag >> 1 & 7);
    if (!(tag >> 4 & 1)) return refuse(v, "a frame that is not shown");
    if (memcmp(data + 3, "\x9D\x01\x2A", 3)) return refuse(v, "no VP8 picture");
    v->width = (data[6] | data[7] << 8) & 0x3FFF;
    v->height = (data[8] | data[9] << 8) & 0x3FFF;
    if (!v->width || !v->height) return refuse(v, "a picture of %dx%d", v->width, v->height);
    size_t first = tag >> 5;
    if (first > size - HEAD) return refuse(v, "it ends early");
    const Byte *rest = data + HEAD + first;
    v->header = begin_bools(data + HEAD, rest);
    take_flag(&v->header);                      /* the colour space: there is only one */
    take_flag(&v->header);                      /* whether samples must be clamped: they always are */
    read_segments(v);
    read_filter(v);
    v->partitions = 1 << take_number(&v->header, 2);
    read_quantizers(v);
    take_flag(&v->header);                      /* whether the probabilities serve later frames, too */
    read_probabilities(v);
    if (v->header.is_past_end) return refuse(v, "it ends early");
    return find_partitions(v, rest, data + size);
}

/* ---- the header of a macroblock ---- */

/* 11.2: the tree of modes of large blocks */
static Vp8Mode read_large_mode(Bools *b)
{
    if (!take(b, 156)) return take(b, 163) ? V_PRED : DC_PRED;
    return take(b, 128) ? TM_PRED : H_PRED;
}

static Vp8Mode read_uv_mode(Bools *b)
{
    if (!take(b, 142)) return DC_PRED;
    if (!take(b, 114)) return V_PRED;
    return take(b, 183) ? TM_PRED : H_PRED;
}

/* 11.2: the tree of modes of 4 x 4 blocks: two branches for each node.  A positive number is the next node, others are
 * a mode, negative. */
static Vp8Mode read_mode(Bools *b, const Byte *probability)
{
    static const signed char tree[9][2] = {
        { -DC_PRED, 1 }, { -TM_PRED, 2 }, { -V_PRED, 3 }, { 4, 6 }, { -H_PRED, 5 }, { -B_RD_PRED, -B_VR_PRED },
        { -B_LD_PRED, 7 }, { -B_VL_PRED, 8 }, { -B_HD_PRED, -B_HU_PRED },
    };
    int node = 0;
    do node = tree[node][take(b, probability[node])]; while (node > 0);
    return (Vp8Mode)-node;
}

/* 11.3.  Blocks outside the picture count as DC_PRED. */
static void read_macroblock_header(Vp8 *v, int x, Macroblock *m)
{
    Bools *b = &v->header;
    Byte *above = v->mode_above + 4 * x;
    if (v->has_map) {
        int high = take(b, v->segment_probability[0]);
        m->segment = (Byte)(2 * high + take(b, v->segment_probability[1 + high]));
    }
    if (v->has_skips) m->is_skipped = (Byte)take(b, v->skip_probability);
    m->has_4x4 = !take(b, 145);
    Vp8Mode whole = m->has_4x4 ? DC_PRED : read_large_mode(b);
    for (int i = 0; i < 16; i++) {
        Byte *top = above + i % 4;
        Byte *left = v->mode_left + i / 4;
        Vp8Mode mode = m->has_4x4 ? read_mode(b, vp8_mode_probability[*top][*left]) : whole;
        m->mode[i] = (Byte)mode;
        *top = (Byte)mode;
        *left = (Byte)mode;
    }
    m->uv_mode = (Byte)read_uv_mode(b);
}

/* ---- coefficients ---- */

/* 13.2: the value of a token of more than 1.  p: the probabilities of its tree */
static int take_large(Bools *b, const Byte *p)
{
    static const Byte extra[4][12] = {          /* probabilities of the bits of the four largest categories */
        { 173, 148, 140 }, { 176, 155, 140, 135 }, { 180, 157, 141, 134, 130 },
        { 254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129 },
    };
    if (!take(b, p[3])) {
        if (!take(b, p[4])) return 2;
        return 3 + take(b, p[5]);
    }
    if (!take(b, p[6])) {
        if (!take(b, p[7])) return 5 + take(b, 159);
        int high = take(b, 165);
        return 7 + 2 * high + take(b, 145);
    }
    int high = take(b, p[8]);
    int category = 2 * high + take(b, p[9 + high]);
    int x = 0;
    for (const Byte *e = extra[category]; *e; e++) x = x << 1 | take(b, *e);
    return x + 3 + (8 << category);
}

/* 13.  Reads one block, from coefficient `first` on, and multiplies by the quantizers.  context: how many of the blocks
 * above and to the left have coefficients.  Returns where it ends: the number of the last coefficient, and one. */
static int read_block(Bools *b, const Byte (*probability)[3][11], int context, int first, const int factor[2],
                      int16_t *out)
{
    static const Byte zigzag[16] = { 0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15 };
    static const Byte band[17] = { 0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0 };
    const Byte *p = probability[band[first]][context];
    for (int i = first; i < 16; i++) {
        if (!take(b, p[0])) return i;           /* no more */
        while (!take(b, p[1])) {                /* a zero; behind it the block does not end */
            i++;
            if (i == 16) return 16;
            p = probability[band[i]][0];
        }
        int is_large = take(b, p[2]);
        int value = is_large ? take_large(b, p) : 1;
        if (take_flag(b)) value = -value;
        out[zigzag[i]] = (int16_t)(value * factor[i > 0]);
        p = probability[band[i + 1]][is_large ? 2 : 1];
    }
    return 16;
}

enum { Y_AFTER_Y2, Y2, CHROMA, Y_WITH_DC };     /* types of blocks */
enum { BLOCKS = 24 };                           /* 16 of Y, 4 of U, 4 of V */

/* Reads size x size blocks of one plane.  above, left: whether the neighbours have coefficients.
 * out: [size * size, 16].  Returns whether a block has more than a first coefficient. */
static int read_plane(Vp8 *v, Bools *b, int type, const int factor[2], int size, Byte *above, Byte *left, int16_t *out)
{
    int first = type == Y_AFTER_Y2;
    int has_more = 0;
    for (int i = 0; i < size * size; i++) {
        Byte *top = above + i % size;
        Byte *side = left + i / size;
        int end = read_block(b, (const Byte (*)[3][11])v->coefficient[type], *top + *side, first, factor, out + 16 * i);
        *top = end > first;
        *side = end > first;
        if (end > 1) has_more = 1;
    }
    return has_more;
}

/* out: [BLOCKS, 16], zeros.  A macroblock without 4 x 4 modes has the first coefficients of its Y blocks in a block of
 * their own, Y2.  Returns whether there is any coefficient. */
static int read_coefficients(Vp8 *v, Bools *b, int x, const Macroblock *m, int16_t *out)
{
    const Quantizers *q = &v->quantizers[m->segment];
    Neighbour *above = &v->above[x];
    Neighbour *left = &v->left;
    int type = Y_WITH_DC;
    if (!m->has_4x4) {
        int16_t y2[16] = { 0 };
        read_plane(v, b, Y2, q->y2, 1, &above->y2, &left->y2, y2);
        vp8_inverse_wht(y2, out);
        type = Y_AFTER_Y2;
    }
    int has_any = read_plane(v, b, type, q->y, 4, above->y, left->y, out);
    for (int i = 0; i < 2; i++)
        has_any |= read_plane(v, b, CHROMA, q->uv, 2, above->uv[i], left->uv[i], out + 16 * (16 + 4 * i));
    for (int i = 0; i < BLOCKS; i++) has_any |= out[16 * i] != 0;
    return has_any;
}

/* A macroblock without coefficients; when it has 4 x 4 modes, Y2 is left as it was before. */
static void skip_coefficients(Vp8 *v, int x, const Macroblock *m)
{
    Neighbour none_above = { .y2 = m->has_4x4 ? v->above[x].y2 : 0 };
    Neighbour none_left = { .y2 = m->has_4x4 ? v->left.y2 : 0 };
    v->above[x] = none_above;
    v->left = none_left;
}

/* ---- samples ---- */

static Byte *sample(const Plane *p, int x, int y) { return p->at + (size_t)y * p->stride + (size_t)x; }

/* The 4 samples above and to the right of a macroblock; all four rows of its 4 x 4 blocks end with them. */
static void samples_above_right(const Vp8 *v, int x, int y, Byte out[4])
{
    const Plane *p = &v->plane[0];
    memset(out, 127, 4);
    if (y == 0) return;
    const Byte *row = sample(p, MB * x, MB * y - 1);
    if (x + 1 < v->across) memcpy(out, row + MB, 4);
    else memset(out, row[MB - 1], 4);
}

static void make_4x4_blocks(const Vp8 *v, int x, int y, const Macroblock *m, const int16_t *coefficients)
{
    const Plane *p = &v->plane[0];
    Byte far_right[4];
    samples_above_right(v, x, y, far_right);
    for (int i = 0; i < 16; i++) {
        int column = i % 4;
        int row = i / 4;
        int has_top = y > 0 || row > 0;
        Byte *to = sample(p, MB * x + 4 * column, MB * y + 4 * row);
        const Byte *top_right = column == 3 || !has_top ? far_right : to - p->stride + 4;
        vp8_predict_4x4(to, p->stride, (Vp8Mode)m->mode[i], has_top, x > 0 || column > 0, top_right);
        vp8_add_block(coefficients + 16 * i, to, p->stride);
    }
}

/* blocks: in a row of the macroblock: 4 of Y, 2 of U and V */
static void make_large_block(const Plane *p, int x, int y, int blocks, Vp8Mode mode, const int16_t *coefficients)
{
    int size = 4 * blocks;
    vp8_predict_large(sample(p, size * x, size * y), p->stride, size, mode, y > 0, x > 0);
    for (int i = 0; i < blocks * blocks; i++) {
        Byte *to = sample(p, size * x + 4 * (i % blocks), size * y + 4 * (i / blocks));
        vp8_add_block(coefficients + 16 * i, to, p->stride);
    }
}

static void make_samples(const Vp8 *v, int x, int y, const Macroblock *m, const int16_t *coefficients)
{
    if (m->has_4x4) make_4x4_blocks(v, x, y, m, coefficients);
    else make_large_block(&v->plane[0], x, y, 4, (Vp8Mode)m->mode[0], coefficients);
    for (int i = 0; i < 2; i++)
        make_large_block(&v->plane[1 + i], x, y, 2, (Vp8Mode)m->uv_mode, coefficients + 16 * (16 + 4 * i));
}

static int read_row(Vp8 *v, int y)
{
    Bools *b = &v->partition[y % v->partitions];
    memset(&v->left, 0, sizeof v->left);
    memset(v->mode_left, DC_PRED, sizeof v->mode_left);
    for (int x = 0; x < v->across; x++) {
        Macroblock *m = &v->macroblock[(size_t)y * (size_t)v->across + (size_t)x];
        int16_t coefficients[16 * BLOCKS] = { 0 };
        read_macroblock_header(v, x, m);
        m->has_details = m->has_4x4;
        if (m->is_skipped) skip_coefficients(v, x, m);
        else if (read_coefficients(v, b, x, m, coefficients)) m->has_details = 1;
        make_samples(v, x, y, m, coefficients);
    }
    if (v->header.is_past_end || b->is_past_end) return refuse(v, "it ends early");
    return 1;
}

/* ---- the loop filter ---- */

/* 9.6 */
static Vp8Strength strength_of(const Vp8 *v, const Macroblock *m)
{
    int level = v->level;
    if (v->has_segments) level = v->segment_level[m->segment] + (v->is_absolute ? 0 : v->level);
    if (v->has_deltas) level += v->intra_delta + (m->has_4x4 ? v->block_delta : 0);
    return vp8_strength(clamp(level, 0, 63), v->sharpness);
}

/* The simple filter leaves U and V alone. */
static void filter_picture(Vp8 *v)
{
    if (!v->level) return;
    for (int i = 0; i < v->across * v->down; i++) {
        const Macroblock *m = &v->macroblock[i];
        Vp8Strength s = strength_of(v, m);
        int x = i % v->across;
        int y = i / v->across;
        for (int k = 0; k < (v->is_simple_filter ? 1 : PLANES); k++) {
            int size = k ? MB / 2 : MB;
            vp8_filter(sample(&v->plane[k], size * x, size * y), v->plane[k].stride, size, v->is_simple_filter, s,
                       x > 0, y > 0, m->has_details);
        }
    }
}

/* ---- samples to pixels ---- */

static Byte clamp_byte(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (Byte)x;
}

/* ITU-R BT.601, Y 16..235, in 14 bits, with products cut to 6 bits below the point:
 *     r = 1.164 (y - 16) + 1.596 (v - 128)
 *     g = 1.164 (y - 16) - 0.391 (u - 128) - 0.813 (v - 128)
 *     b = 1.164 (y - 16) + 2.018 (u - 128) */
static void yuv_to_rgb(int y, int u, int v, Byte *rgb)
{
    int luma = y * 19077 >> 8;
    rgb[0] = clamp_byte((luma + (v * 26149 >> 8) - 14234) >> 6);
    rgb[1] = clamp_byte((luma - (u * 6419 >> 8) - (v * 13320 >> 8) + 8708) >> 6);
    rgb[2] = clamp_byte((luma + (u * 33050 >> 8) - 17685) >> 6);
}

/* Of the four samples around a pixel: (9 near + 3 beside + 3 below + corner + 8) / 16, rounded in two steps. */
static int upsampled(int near, int beside, int below, int corner)
{
    int diagonal = (near + 3 * beside + 3 * below + corner + 8) >> 3;
    return (near + diagonal) >> 1;
}

/* Pixel (x, y) of U or V, which have half the size, rounded up. */
static int chroma_at(const Plane *p, int x, int y, int width, int height)
{
    int last_x = (width - 1) / 2;
    int last_y = (height - 1) / 2;
    int near_x = x / 2;
    int near_y = y / 2;
    int far_x = clamp(x % 2 ? near_x + 1 : near_x - 1, 0, last_x);
    int far_y = clamp(y % 2 ? near_y + 1 : near_y - 1, 0, last_y);
    const Byte *near = sample(p, 0, near_y);
    const Byte *far = sample(p, 0, far_y);
    return upsampled(near[near_x], near[far_x], far[near_x], far[far_x]);
}

static void put_pixels(const Vp8 *v, Byte *rgb)
{
    for (int y = 0; y < v->height; y++)
        for (int x = 0; x < v->width; x++, rgb += 3) {
            int chroma_u = chroma_at(&v->plane[1], x, y, v->width, v->height);
            int chroma_v = chroma_at(&v->plane[2], x, y, v->width, v->height);
            yuv_to_rgb(*sample(&v->plane[0], x, y), chroma_u, chroma_v, rgb);
        }
}

/* ---- the whole picture ---- */

static int take_memory(Vp8 *v)
{
    size_t across = (size_t)v->across;
    size_t down = (size_t)v->down;
    v->macroblock = calloc(across * down, sizeof *v->macroblock);
    v->mode_above = calloc(across, 4);
    v->above = calloc(across, sizeof *v->above);
    int is_good = v->macroblock && v->mode_above && v->above;
    for (int i = 0; i < PLANES; i++) {
        size_t size = i ? MB / 2 : MB;
        v->plane[i] = (Plane){ .at = malloc(size * across * size * down), .stride = size * across };
        if (!v->plane[i].at) is_good = 0;
    }
    return is_good ? 1 : refuse(v, "no memory left");
}

static void free_memory(Vp8 *v)
{
    free(v->macroblock);
    free(v->mode_above);
    free(v->above);
    for (int i = 0; i < PLANES; i++) free(v->plane[i].at);
}

static int read_picture(Vp8 *v, const Byte *data, size_t size)
{
    if (!read_header(v, data, size)) return 0;
    v->across = (v->width + MB - 1) / MB;
    v->down = (v->height + MB - 1) / MB;
    if (!take_memory(v)) return 0;
    for (int y = 0; y < v->down; y++)
        if (!read_row(v, y)) return 0;
    filter_picture(v);
    return 1;
}

unsigned char *vp8_decode(const unsigned char *vp8, size_t size, int *width, int *height, char why[VP8_WHY])
{
    Vp8 v = { .why = why };
    Byte *rgb = NULL;
    if (read_picture(&v, vp8, size)) {
        rgb = malloc(3 * (size_t)v.width * (size_t)v.height);
        if (rgb) put_pixels(&v, rgb);
        else refuse(&v, "no memory left");
    }
    *width = v.width;
    *height = v.height;
    free_memory(&v);
    return rgb;
}
