/* jpeg_pixels.c - from the coefficients of a JPEG to its pixels.
 *
 *     coefficients -> samples      dequantisation and inverse DCT, block by block
 *     samples -> planes            chroma upsampling to the size of the picture, row by row
 *     planes -> RGB                colour conversion
 *
 * Every number is libjpeg's to the bit, so pictures equal those that other programs see.  The IDCT is libjpeg's
 * accurate one ("islow"), with its butterflies multiplied out to a matrix.  Chroma upsampling is its triangle filter
 * ("fancy upsampling").  Pictures with four colours become RGB as in Pillow. */
#include "jpeg_pixels.h"

#include <stdlib.h>
#include <string.h>

typedef uint8_t Byte;

/* ---- coefficients to samples: the inverse DCT ---- */

/* T.81, A.3.3.  libjpeg's accurate integer IDCT of 8 numbers, up to its scale:
 *     y_i = sum over k of cos((2i + 1) k pi / 16) x_k
 * Its constants are rounded to 13 bits first and then added; these are its sums.
 * even[i][k], odd[i][k]: what coefficient 2k, or 2k + 1, adds to output i.  Output 7 - i has the same even part, and
 * the odd part with the opposite sign. */
enum { CONSTANT_BITS = 13, PASS_BITS = 2 };
enum {
    A = 4433,           /*  0.541196100 */
    B = 6270,           /*  0.765366865 */
    C = -15137,         /* -1.847759065 */
    Z1 = -7373,         /* -0.899976223, of x7 + x1 */
    Z2 = -20995,        /* -2.562915447, of x5 + x3 */
    Z3 = -16069,        /* -1.961570560, of x7 + x3 */
    Z4 = -3196,         /* -0.390180644, of x5 + x1 */
    Z5 = 9633           /*  1.175875602, of all four */
};
static const int even[4][4] = {                                         /* of x0, x2, x4, x6 */
    { 8192,    A + B,   8192,       A },
    { 8192,        A,  -8192,   A + C },
    { 8192,       -A,  -8192, -(A + C) },
    { 8192, -(A + B),   8192,      -A },
};
static const int odd[4][4] = {                                          /* of x1, x3, x5, x7 */
    { 12299 + Z1 + Z4 + Z5,                   Z5,              Z4 + Z5,             Z1 + Z5 },
    {                   Z5, 25172 + Z2 + Z3 + Z5,              Z2 + Z5,             Z3 + Z5 },
    {              Z4 + Z5,              Z2 + Z5, 16819 + Z2 + Z4 + Z5,                  Z5 },
    {              Z1 + Z5,              Z3 + Z5,                   Z5, 2446 + Z1 + Z3 + Z5 },
};

/* x: 8 numbers, `step` apart, transformed in place.  Each sum is rounded and shifted down. */
static void idct_8(int32_t *x, int step, int shift)
{
    int64_t half = (int64_t)1 << (shift - 1);
    int64_t e[4], o[4];
    for (int i = 0; i < 4; i++) {
        e[i] = half;
        o[i] = 0;
        for (int k = 0; k < 4; k++) {
            e[i] += (int64_t)even[i][k] * x[2 * k * step];
            o[i] += (int64_t)odd[i][k] * x[(2 * k + 1) * step];
        }
    }
    for (int i = 0; i < 4; i++) {
        x[i * step] = (int32_t)((e[i] + o[i]) >> shift);
        x[(7 - i) * step] = (int32_t)((e[i] - o[i]) >> shift);
    }
}

static Byte clamp_byte(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (Byte)x;
}

/* Dequantises (T.81, A.3.4), transforms columns, then rows, and shifts samples up by 128.
 * to: 8 rows, `stride` bytes apart */
static void decode_block(const int16_t *coefficients, const uint16_t *quant, Byte *to, size_t stride)
{
    int32_t x[64];
    for (int k = 0; k < 64; k++) x[k] = coefficients[k] * quant[k];
    for (int i = 0; i < 8; i++) idct_8(x + i, 8, CONSTANT_BITS - PASS_BITS);
    for (int i = 0; i < 8; i++) idct_8(x + 8 * i, 1, CONSTANT_BITS + PASS_BITS + 3);
    for (int k = 0; k < 64; k++) to[(size_t)(k / 8) * stride + (size_t)(k % 8)] = clamp_byte(x[k] + 128);
}

static int decode_component(JpegComponent *c)
{
    size_t across = (size_t)c->blocks_across;
    size_t down = (size_t)c->blocks_down;
    size_t stride = 8 * across;
    c->plane = malloc(64 * across * down);
    if (!c->plane) return 0;
    for (size_t y = 0; y < down; y++)
        for (size_t x = 0; x < across; x++)
            decode_block(c->coefficients + 64 * (y * across + x), c->quant, c->plane + 8 * (y * stride + x), stride);
    free(c->coefficients);
    c->coefficients = NULL;
    return 1;
}

/* ---- samples to pixels ---- */

/* Chroma upsampling by 2 along a row.  Each output is (3 nearest + 1 next nearest) / 4, rounded up and down in turn.
 * in: [n].  shift: 2; or 4 where `in` holds sums of two rows, which are 4 times as large.  out: [width] */
static void upsample_across(const int *in, int n, int shift, Byte *out, int width)
{
    int left_half = shift == 4 ? 8 : 1;             /* rounding of the left and of the right output of a sample */
    int right_half = shift == 4 ? 7 : 2;
    for (int x = 0; x < width; x++) {
        int at = x / 2;
        int beside = x % 2 ? at + 1 : at - 1;
        int half = x % 2 ? right_half : left_half;
        if (beside < 0 || beside >= n) beside = at;
        out[x] = (Byte)((3 * in[at] + in[beside] + half) >> shift);
    }
}

/* Makes row y of the picture, out: [width], from the samples of a component.  A factor of 2 across, down or both has a
 * triangle filter; other factors repeat samples, and so do components too narrow to have neighbours.
 * sum: [width of the component], scratch */
static void upsample_row(const JpegFrame *f, const JpegComponent *c, int y, int *sum, Byte *out)
{
    int across = f->h / c->h;
    int down = f->v / c->v;
    int filters_across = across == 2 && down <= 2 && c->width > 2;
    int filters_down = down == 2 && (across == 1 || filters_across);
    int row = y / down;
    int next = y % 2 ? row + 1 : row - 1;           /* the next nearest row */
    if (next < 0 || next >= c->height) next = row;
    size_t stride = 8 * (size_t)c->blocks_across;
    const Byte *near = c->plane + (size_t)row * stride;
    const Byte *far = c->plane + (size_t)next * stride;
    if (!filters_across && !filters_down) {
        for (int x = 0; x < f->width; x++) out[x] = near[x / across];
        return;
    }
    for (int x = 0; x < c->width; x++) sum[x] = filters_down ? 3 * near[x] + far[x] : near[x];
    if (filters_across) {
        upsample_across(sum, c->width, filters_down ? 4 : 2, out, f->width);
        return;
    }
    for (int x = 0; x < f->width; x++) out[x] = (Byte)((sum[x] + 1 + y % 2) >> 2);
}

/* T.871, 7, in 16 bits:
 *     r = y + 1.402 cr      g = y - 0.344136 cb - 0.714136 cr      b = y + 1.772 cb */
static void ycbcr_to_rgb(int y, int cb, int cr, Byte *rgb)
{
    const int half = 1 << 15;
    cb -= 128;
    cr -= 128;
    rgb[0] = clamp_byte(y + ((91881 * cr + half) >> 16));
    rgb[1] = clamp_byte(y + ((-22554 * cb - 46802 * cr + half) >> 16));
    rgb[2] = clamp_byte(y + ((116130 * cb + half) >> 16));
}

/* Samples of CMYK count how much light is left: the ink is 255 less.  Pillow takes them all so, and makes of them
 *     rgb = k - round((255 - cmy) k / 255)
 * Of YCCK, libjpeg makes cmy = 255 - rgb.  cmy: receives rgb */
static void cmyk_to_rgb(int k, int is_ycck, Byte *cmy)
{
    for (int i = 0; i < 3; i++) {
        int sample = is_ycck ? 255 - cmy[i] : cmy[i];
        cmy[i] = clamp_byte(k - ((255 - sample) * k + 127) / 255);
    }
}

/* planes: [components, width].  rgb: [width, 3] */
static void put_row(const JpegFrame *f, const Byte *planes, int is_plain, Byte *rgb)
{
    size_t width = (size_t)f->width;
    for (size_t x = 0; x < width; x++) {
        Byte *to = rgb + 3 * x;
        if (f->components == 1) {
            memset(to, planes[x], 3);
        } else if (is_plain) {
            for (size_t k = 0; k < 3; k++) to[k] = planes[k * width + x];
        } else {
            ycbcr_to_rgb(planes[x], planes[width + x], planes[2 * width + x], to);
        }
        if (f->components == 4) cmyk_to_rgb(planes[3 * width + x], !is_plain, to);
    }
}

/* sum: [width] and planes: [components, width], scratch */
static void put_rows(const JpegFrame *f, int is_plain, int *sum, Byte *planes, Byte *rgb)
{
    size_t width = (size_t)f->width;
    for (int y = 0; y < f->height; y++) {
        for (int i = 0; i < f->components; i++)
            upsample_row(f, &f->component[i], y, sum, planes + (size_t)i * width);
        put_row(f, planes, is_plain, rgb + 3 * width * (size_t)y);
    }
}

unsigned char *jpeg_pixels(JpegFrame *f, int is_plain)
{
    size_t width = (size_t)f->width;
    for (int i = 0; i < f->components; i++)
        if (!decode_component(&f->component[i])) return NULL;
    int *sum = malloc(width * sizeof *sum);
    Byte *planes = malloc((size_t)f->components * width);
    Byte *rgb = malloc(3 * width * (size_t)f->height);
    if (sum && planes && rgb) {
        put_rows(f, is_plain, sum, planes, rgb);
    } else {
        free(rgb);
        rgb = NULL;
    }
    free(sum);
    free(planes);
    return rgb;
}
