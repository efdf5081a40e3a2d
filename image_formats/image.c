/* image.c - reads a picture from a file, turns it the right way up, and resizes it.
 *
 * A file is recognized by its first bytes, not by its name.  Cameras store a picture as the sensor had it, and write
 * into EXIF how to turn it.  All eight orientations are one rule: swap the axes or not, then mirror each axis or not.
 *
 * Resizing takes two passes of one kind, along rows and along columns.  Each output pixel is a weighted mean of a
 * window of input pixels.  When shrinking, the window is wider by the same factor (antialiasing); without that,
 * eyelashes turn into dots.  Weights are whole numbers of 22 bits, and each pass rounds to bytes.  Pillow does the
 * same, so results are the same bytes.
 *
 * It refuses every other format by name. */
#include "image.h"

#include "bmp.h"
#include "jpeg.h"
#include "picture_info.h"
#include "picture_kinds.h"
#include "png.h"
#include "webp.h"

#include <math.h>
#include <string.h>

typedef unsigned char Byte;

static Picture new_picture(Arena *a, int width, int height)
{
    return (Picture){ .width = width, .height = height, .rgb = allocate(a, 3 * (size_t)width, (size_t)height) };
}

static Byte *pixel(Picture p, int x, int y) { return p.rgb + 3 * ((size_t)y * (size_t)p.width + (size_t)x); }

/* ---- the right way up ------------------------------------------------------------------------- */

/* Returns the picture the right way up.  EXIF orientations (TIFF 6.0, 8): 1 as it is, 2 mirrored, 3 rotated by 180
 * degrees, 4 upside down.  5 to 8 have rows and columns swapped: mirrored at the diagonal, rotated clockwise, mirrored
 * at the other diagonal, rotated counterclockwise. */
static Picture upright(Arena *a, Picture p, int orientation)
{
    int swaps = orientation >= 5;
    int mirrors_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int mirrors_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    Picture q = swaps ? new_picture(a, p.height, p.width) : new_picture(a, p.width, p.height);
    for (int y = 0; y < q.height; y++)
        for (int x = 0; x < q.width; x++) {
            int from_x = swaps ? y : x;
            int from_y = swaps ? x : y;
            if (mirrors_x) from_x = p.width - 1 - from_x;
            if (mirrors_y) from_y = p.height - 1 - from_y;
            memcpy(pixel(q, x, y), pixel(p, from_x, from_y), 3);
        }
    return q;
}

/* ---- reading ---------------------------------------------------------------------------------- */

enum { WHY = 256 };                     /* bytes of a message, as many as any reader needs */

typedef unsigned char *Decode(const unsigned char *file, size_t size, int *width, int *height, char *why);

/* A reader, by the name of picture_kinds.c.  decode_alpha: NULL where pictures are opaque. */
typedef struct { const char *kind; Decode *decode, *decode_alpha; } Reader;

static const Reader readers[] = {
    { "PNG",  png_decode,  png_decode_alpha },
    { "JPEG", jpeg_decode, NULL },
    { "WebP", webp_decode, webp_decode_alpha },
    { "BMP",  bmp_decode,  NULL },
};

/* The reader for this kind of picture.  Fails for what is no picture, and for kinds that are not read. */
static const Reader *reader_of(Arena *a, Bytes file, const char *name, const PictureKind *kind)
{
    if (!file.size) fail(a, "%s: is an empty file, expected a PNG, JPEG, WebP or BMP", name);
    if (!kind) fail(a, "%s: is no picture, expected a PNG, JPEG, WebP or BMP; convert it", name);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcmp(readers[i].kind, kind->name)) return &readers[i];
    fail(a, "%s: is %s %s, expected a PNG, JPEG, WebP or BMP; to convert it: %s", name, kind->article, kind->name,
         picture_conversion(a, kind, name));
}

void image_check_kind(Arena *a, Bytes file, const char *name)
{
    reader_of(a, file, name, picture_kind(file.data, file.size));
}

Picture image_upright(Arena *a, Bytes file, Picture p)
{
    int orientation = picture_orientation(a, file.data, file.size);
    return orientation == 1 ? p : upright(a, p, orientation);
}

Picture image_decode(Arena *a, Bytes file, const char *name)
{
    char why[WHY] = "";
    const PictureKind *kind = picture_kind(file.data, file.size);
    const Reader *reader = reader_of(a, file, name, kind);
    Picture p;
    p.rgb = arena_own(a, reader->decode(file.data, file.size, &p.width, &p.height, why));
    if (!p.rgb) fail(a, "%s: this %s cannot be read: %s", name, kind->name, why);
    return image_upright(a, file, p);
}

Picture image_open(Arena *a, const char *path) { return image_decode(a, file_map(a, path), path); }

Picture image_open_alpha(Arena *a, const char *path)
{
    Bytes file = file_map(a, path);
    Picture p = image_decode(a, file, path);
    Decode *decode_alpha = reader_of(a, file, path, picture_kind(file.data, file.size))->decode_alpha;
    char why[WHY] = "";
    memset(p.rgb, 255, 3 * (size_t)p.width * (size_t)p.height);
    if (!decode_alpha) return p;
    p.rgb = arena_own(a, decode_alpha(file.data, file.size, &p.width, &p.height, why));
    if (!p.rgb) fail(a, "%s: its alpha channel cannot be read: %s", path, why);
    return image_upright(a, file, p);
}

/* ---- resampling ------------------------------------------------------------------------------- */

enum { WEIGHT_BITS = 22 };

/* An output pixel is made from the input pixels from .. from + count - 1.  weight: [count], sum 1 << WEIGHT_BITS */
typedef struct { int from, count; int *weight; } Window;

static const double PI = 3.14159265358979323846;

static double sinc(double x) { return x == 0 ? 1 : sin(PI * x) / (PI * x); }

/* Half the width of the filter. */
static double support_of(Filter f) { return f == BOX ? 0.5 : 3; }

/* box(x) = 1      lanczos(x) = sinc(x) sinc(x / 3)      within the support, otherwise 0 */
static double filter_at(Filter f, double x)
{
    if (f == BOX) return x > -0.5 && x <= 0.5 ? 1 : 0;
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/* Makes the windows, [to], of `to` output pixels over `from` input pixels.  The output pixel i lies at
 * (i + 1/2) from/to.  When shrinking, the filter is from/to times as wide. */
static Window *make_windows(Arena *a, int from, int to, Filter f)
{
    double scale = (double)from / to;
    double widened = scale > 1 ? scale : 1;
    double support = support_of(f) * widened;
    int most = (int)ceil(support) * 2 + 1;
    Window *windows = allocate(a, (size_t)to, sizeof *windows);
    int *weights = allocate(a, (size_t)to * (size_t)most, sizeof *weights);
    double *exact = allocate(a, (size_t)most, sizeof *exact);
    for (int i = 0; i < to; i++) {
        double middle = (i + 0.5) * scale;
        double sum = 0;
        int first = (int)(middle - support + 0.5);
        int end = (int)(middle + support + 0.5);
        if (first < 0) first = 0;
        if (end > from) end = from;
        Window w = { .from = first, .count = end - first, .weight = weights + (size_t)i * (size_t)most };
        for (int k = 0; k < w.count; k++) {
            exact[k] = filter_at(f, (k + first - middle + 0.5) / widened);
            sum += exact[k];
        }
        for (int k = 0; k < w.count; k++) w.weight[k] = (int)lround(exact[k] / sum * (1 << WEIGHT_BITS));
        windows[i] = w;
    }
    return windows;
}

static Byte clamp_byte(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (Byte)x;
}

/* Makes one pixel from the window that begins at `from`, with pixels `step` bytes apart. */
static void weighted_mean(const Byte *from, size_t step, Window w, Byte *to)
{
    const int half = 1 << (WEIGHT_BITS - 1);
    int r = half;
    int g = half;
    int b = half;
    for (int k = 0; k < w.count; k++) {
        r += w.weight[k] * from[0];
        g += w.weight[k] * from[1];
        b += w.weight[k] * from[2];
        from += step;
    }
    to[0] = clamp_byte(r >> WEIGHT_BITS);
    to[1] = clamp_byte(g >> WEIGHT_BITS);
    to[2] = clamp_byte(b >> WEIGHT_BITS);
}

static Picture resize_across(Arena *a, Picture p, int width, Filter f)
{
    Picture q = new_picture(a, width, p.height);
    size_t before = mark(a);
    const Window *w = make_windows(a, p.width, width, f);
    for (int y = 0; y < q.height; y++) {
        const Byte *from = pixel(p, 0, y);
        Byte *to = pixel(q, 0, y);
        for (int x = 0; x < q.width; x++) weighted_mean(from + 3 * (size_t)w[x].from, 3, w[x], to + 3 * (size_t)x);
    }
    release(a, before);
    return q;
}

static Picture resize_down(Arena *a, Picture p, int height, Filter f)
{
    Picture q = new_picture(a, p.width, height);
    size_t before = mark(a);
    const Window *w = make_windows(a, p.height, height, f);
    size_t row = 3 * (size_t)p.width;
    for (int y = 0; y < q.height; y++) {
        const Byte *from = pixel(p, 0, w[y].from);
        Byte *to = pixel(q, 0, y);
        for (size_t x = 0; x < row; x += 3) weighted_mean(from + x, row, w[y], to + x);
    }
    release(a, before);
    return q;
}

Picture image_resize(Arena *a, Picture p, int width, int height, Filter filter)
{
    if (width != p.width)   p = resize_across(a, p, width, filter);
    if (height != p.height) p = resize_down(a, p, height, filter);
    return p;
}

/* ---- crops ------------------------------------------------------------------------------------ */

Picture image_center_crop(Arena *a, Picture p, int width, int height)
{
    Picture q = new_picture(a, width, height);
    int left = (p.width - width) / 2;
    int top = (p.height - height) / 2;
    for (int y = 0; y < height; y++) memcpy(pixel(q, 0, y), pixel(p, left, top + y), 3 * (size_t)width);
    return q;
}

/* The picture is cropped between the two passes.  Otherwise a strip of 20000 x 1 would become one of 2560000 x 128. */
Picture image_resize_and_crop(Arena *a, Picture p, int width, int height, Filter filter)
{
    double across = (double)width / p.width;
    double down = (double)height / p.height;
    double scale = across > down ? across : down;
    int scaled_width = across == scale ? width : (int)(p.width * scale + 0.5);
    int scaled_height = down == scale ? height : (int)(p.height * scale + 0.5);
    p = image_center_crop(a, image_resize(a, p, scaled_width, p.height, filter), width, p.height);
    return image_center_crop(a, image_resize(a, p, width, scaled_height, filter), width, height);
}
