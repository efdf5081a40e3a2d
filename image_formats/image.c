/* image.c - a picture from any file that is one, the right way up, and to another size.
 *
 * What a file is, its first bytes say, not its name.  Cameras store a picture as the sensor had it and write in EXIF how
 * to turn it; all eight ways are one rule: swap the axes or not, then count each from the other end or not.
 *
 * Resizing is two passes, along rows and along columns, of one kind: each output pixel is a weighted mean of a window of
 * input pixels.  Shrinking widens the window by the factor, so that nothing falls between (without that, eyelashes turn
 * to dots).  Weights are whole numbers of 22 bits and each pass rounds to bytes, as Pillow does, so results are the same.
 *
 * It refuses every other format by name. */
#include "image.h"
#include "jpeg.h"
#include "png.h"

#include <math.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- which way is up -------------------------------------------------------------------------- */

enum { ORIENTATION = 0x112, SHORT = 3 };

/* A TIFF number of 2 or 4 bytes in the file's order. */
static size_t number(const Byte *p, int bytes, int little)
{
    size_t x = 0;
    for (int i = 0; i < bytes; i++) x = x << 8 | p[little ? bytes - 1 - i : i];
    return x;
}

/* exif: "II" or "MM" | 42 | where the list is 4;   the list: n 2 | n times: tag 2, type 2, count 4, value 4
 * -> 1..8; 1, upright, when it does not say */
static int orientation(const Byte *exif, size_t size)
{
    if (!exif || size < 8 || (memcmp(exif, "II*", 4) && memcmp(exif, "MM\0*", 4))) return 1;
    int little = exif[0] == 'I';
    size_t list = number(exif + 4, 4, little);
    if (list > size - 2) return 1;
    size_t count = number(exif + list, 2, little), room = (size - list - 2) / 12;
    const Byte *entry = exif + list + 2;
    for (size_t i = 0; i < count && i < room; i++, entry += 12) {
        size_t value = number(entry + 8, 2, little);
        if (number(entry, 2, little) == ORIENTATION && number(entry + 2, 2, little) == SHORT) return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* 1 as it is, 2 mirrored, 3 half a turn, 4 upside down, 5 to 8 with rows and columns swapped: over the diagonal, a quarter
 * turn to the right, over the other diagonal, a quarter turn to the left */
static Picture turned(Arena *a, Picture p, int way)
{
    int swap = way >= 5, back = way == 2 || way == 3 || way == 7 || way == 8, up = way == 3 || way == 4 || way == 6 || way == 7;
    Picture q = { swap ? p.height : p.width, swap ? p.width : p.height, take(a, 3 * (size_t)p.width, (size_t)p.height) };
    Byte *to = q.rgb;
    for (int y = 0; y < q.height; y++)
        for (int x = 0; x < q.width; x++, to += 3) {
            int column = swap ? y : x, row = swap ? x : y;
            if (back) column = p.width - 1 - column;
            if (up) row = p.height - 1 - row;
            memcpy(to, p.rgb + 3 * ((size_t)row * (size_t)p.width + (size_t)column), 3);
        }
    return q;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static int has(Bytes b, size_t at, const char *text) { return stands_at(b, at, text, strlen(text)); }

static const char *other_kind(Bytes b)
{
    if (!b.size)                                       return "an empty file";
    if (has(b, 0, "GIF8"))                             return "a GIF";
    if (has(b, 0, "RIFF") && has(b, 8, "WEBP"))        return "a WebP";
    if (has(b, 4, "ftypavif"))                         return "an AVIF";
    if (has(b, 4, "ftyphei") || has(b, 4, "ftypmif1")) return "a HEIC";
    if (has(b, 0, "BM"))                               return "a BMP";
    if (has(b, 0, "II*") || has(b, 0, "MM"))           return "a TIFF, or a camera's raw file";
    return "no picture";
}

Picture image_read(Arena *a, Bytes file, const char *name)
{
    char why[128] = "";
    int jpeg = has(file, 0, "\xFF\xD8"), png = has(file, 0, "\x89PNG"), width, height;
    size_t n = 0;
    if (!jpeg && !png) fail(a, "%s: is %s, expected a PNG or JPEG; convert it", name, other_kind(file));
    Byte *rgb = adopt(a, (jpeg ? jpeg_decode : png_decode)(file.data, file.size, &width, &height, why));
    if (!rgb) fail(a, "%s: this %s cannot be read: %s", name, jpeg ? "JPEG" : "PNG", why);
    const Byte *exif = (jpeg ? jpeg_exif : png_exif)(file.data, file.size, &n);
    Picture p = { width, height, rgb };
    int way = orientation(exif, n);
    return way == 1 ? p : turned(a, p, way);
}

Picture image_open(Arena *a, const char *path) { return image_read(a, file_map(a, path), path); }

/* ---- another size ----------------------------------------------------------------------------- */

enum { WEIGHT_BITS = 22 };

typedef struct { int from, count; int *weight; } Window;        /* pixels from .. from + count - 1; weights sum to 1 << WEIGHT_BITS */

static const double PI = 3.14159265358979323846;

static double sinc(double x) { return x == 0 ? 1 : sin(PI * x) / (PI * x); }

static double weight_at(Filter f, double x)
{
    if (f == BOX) return x > -0.5 && x <= 0.5 ? 1 : 0;
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/* The windows of `to` pixels over `from`:  pixel i lies at (i + 1/2) from/to, and the filter is as wide as it is there or,
 * when shrinking, from/to times as wide. */
static Window *windows(Arena *a, int from, int to, Filter f)
{
    double scale = (double)from / to, wide = scale > 1 ? scale : 1, support = (f == BOX ? 0.5 : 3) * wide;
    int most = (int)ceil(support) * 2 + 1;
    Window *w = take(a, (size_t)to, sizeof *w);
    int *weight = take(a, (size_t)to * (size_t)most, sizeof *weight);
    double *exact = take(a, (size_t)most, sizeof *exact);
    for (int i = 0; i < to; i++, weight += most) {
        double middle = (i + 0.5) * scale, sum = 0;
        int first = (int)(middle - support + 0.5), end = (int)(middle + support + 0.5);
        if (first < 0) first = 0;
        if (end > from) end = from;
        w[i] = (Window){ first, end - first, weight };
        for (int k = 0; k < end - first; k++) sum += exact[k] = weight_at(f, (k + first - middle + 0.5) / wide);
        for (int k = 0; k < end - first; k++) weight[k] = (int)lround(exact[k] / sum * (1 << WEIGHT_BITS));
    }
    return w;
}

/* One pixel from a window of them, `step` bytes apart. */
static void blend(const Byte *from, size_t step, Window w, Byte *to)
{
    int sum[3] = { 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1), 1 << (WEIGHT_BITS - 1) };
    for (int k = 0; k < w.count; k++, from += step)
        for (int c = 0; c < 3; c++) sum[c] += w.weight[k] * from[c];
    for (int c = 0; c < 3; c++) to[c] = (Byte)(sum[c] < 0 ? 0 : sum[c] >> WEIGHT_BITS > 255 ? 255 : sum[c] >> WEIGHT_BITS);
}

/* Along rows, or down columns; p's other side stays. */
static Picture along(Arena *a, Picture p, int down, int size, Filter f)
{
    Picture q = { down ? p.width : size, down ? size : p.height, NULL };
    q.rgb = take(a, 3 * (size_t)q.width, (size_t)q.height);
    size_t before = mark(a), row = 3 * (size_t)p.width;
    const Window *w = windows(a, down ? p.height : p.width, size, f);
    Byte *to = q.rgb;
    for (int y = 0; y < q.height; y++)
        for (int x = 0; x < q.width; x++, to += 3) {
            Window here = w[down ? y : x];
            blend(p.rgb + (size_t)(down ? here.from : y) * row + 3 * (size_t)(down ? x : here.from), down ? row : 3, here, to);
        }
    release(a, before);
    return q;
}

Picture image_resize(Arena *a, Picture p, int width, int height, Filter filter)
{
    if (width != p.width)   p = along(a, p, 0, width, filter);
    if (height != p.height) p = along(a, p, 1, height, filter);
    return p;
}

Picture image_middle(Arena *a, Picture p, int width, int height)
{
    Picture q = { width, height, take(a, 3 * (size_t)width, (size_t)height) };
    const Byte *from = p.rgb + 3 * ((size_t)((p.height - height) / 2) * (size_t)p.width + (size_t)((p.width - width) / 2));
    for (size_t y = 0; y < (size_t)height; y++) memcpy(q.rgb + 3 * y * (size_t)width, from + 3 * y * (size_t)p.width, 3 * (size_t)width);
    return q;
}

Picture image_cover(Arena *a, Picture p, int width, int height, Filter filter)
{
    double across = (double)width / p.width, down = (double)height / p.height, scale = across > down ? across : down;
    int w = across == scale ? width : (int)(p.width * scale + 0.5), h = down == scale ? height : (int)(p.height * scale + 0.5);
    p = image_middle(a, image_resize(a, p, w, p.height, filter), width, p.height);      /* cut between the passes: a strip must not become a field first */
    return image_middle(a, image_resize(a, p, width, h, filter), width, height);
}
