/* webp.c - reads WebP files (RFC 9649).
 *
 *     | "RIFF" | size 4 | "WEBP" | chunks: name 4, size 4, content, and a byte of padding when the size is odd |
 *
 * A still picture is a chunk "VP8 " or VP8L.  A file with more than that begins with VP8X: the size of the canvas, and
 * what is there.  Transparency of a lossy picture is a plane of its own before it, ALPH.  An animation has a chunk ANMF
 * for each frame, with chunks of a still picture inside.  So a frame is always decoded from a run of chunks, and put on
 * the canvas at its place; a still picture is the only frame, as large as its canvas.
 *
 * All numbers are little endian.  Sizes are checked before use: a chunk lies inside the file, a frame inside the canvas
 * and as large as its chunk says.  A file that is shorter than its head says is refused, since some of it is missing;
 * what follows its end is ignored. */
#include "webp.h"

#include "vp8.h"
#include "vp8l.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum { VP8X_ANIMATION = 0x02, VP8X_ALPHA = 0x10 };

typedef struct { const Byte *at, *end; } Run;                   /* of chunks */
typedef struct { const Byte *name, *data; size_t size; } Chunk;

/* alpha: [height, width], NULL when all of it is opaque; rgb: [height, width, 3] */
typedef struct { int x, y, width, height; Byte *rgb, *alpha; } Frame;

static int refuse(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, WEBP_WHY, fmt, args);
    va_end(args);
    return 0;
}

static size_t number(const Byte *p, int bytes)
{
    size_t x = 0;
    for (int i = bytes - 1; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

/* ---- chunks ---- */

static int is_webp(const Byte *webp, size_t size)
{
    return size >= 12 && !memcmp(webp, "RIFF", 4) && !memcmp(webp + 8, "WEBP", 4);
}

static int is(const Chunk *c, const char *name) { return !memcmp(c->name, name, 4); }

/* Reads the next chunk, and moves past it.  Returns 0 when the run ends before it, or in it. */
static int next_chunk(Run *r, Chunk *c)
{
    size_t left = (size_t)(r->end - r->at);
    if (left < 8 || number(r->at + 4, 4) > left - 8) return 0;
    *c = (Chunk){ .name = r->at, .data = r->at + 8, .size = number(r->at + 4, 4) };
    size_t padded = 8 + c->size + c->size % 2;
    r->at += padded < left ? padded : left;
    return 1;
}

const unsigned char *webp_chunk(const unsigned char *webp, size_t size, const char *name, size_t *n)
{
    Run r = { .at = webp + 12, .end = webp + size };
    Chunk c;
    if (!is_webp(webp, size)) return NULL;
    while (next_chunk(&r, &c)) {
        if (!is(&c, name)) continue;
        *n = c.size;
        return c.data;
    }
    return NULL;
}

/* ---- transparency ---- */

static Byte clamp_byte(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (Byte)x;
}

enum { NONE, HORIZONTAL, VERTICAL, GRADIENT };

/* What the filter predicts for a value of the plane, alpha: [height, width], from those before it.  The first row is
 * always predicted from the left, and the first column from above. */
static int alpha_prediction(const Byte *alpha, int width, int x, int y, int filter)
{
    const Byte *p = alpha + (size_t)y * (size_t)width + (size_t)x;
    if (filter == NONE || (x == 0 && y == 0)) return 0;
    if (y == 0) return p[-1];
    if (x == 0) return p[-width];
    if (filter == HORIZONTAL) return p[-1];
    if (filter == VERTICAL) return p[-width];
    return clamp_byte(p[-1] + p[-width] - p[-width - 1]);
}

static void undo_filter(Byte *alpha, int width, int height, int filter)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            Byte *p = alpha + (size_t)y * (size_t)width + (size_t)x;
            *p = (Byte)(*p + alpha_prediction(alpha, width, x, y, filter));
        }
}

/* The plane as it is stored: raw, or as the green of a lossless picture. */
static int unpack_alpha(const Chunk *c, int is_lossless, Byte *alpha, int width, int height, char *why)
{
    size_t count = (size_t)width * (size_t)height;
    if (!is_lossless) {
        if (c->size - 1 < count) return refuse(why, "its transparency ends early");
        memcpy(alpha, c->data + 1, count);
        return 1;
    }
    char reason[VP8L_WHY];
    uint32_t *pixels = vp8l_decode_stream(c->data + 1, c->size - 1, width, height, reason);
    if (!pixels) return refuse(why, "its transparency: %s", reason);
    for (size_t i = 0; i < count; i++) alpha[i] = (Byte)(pixels[i] >> 8);
    free(pixels);
    return 1;
}

/* ALPH:  | compression, 2 bits: 0 raw, 1 lossless | filter 2 | preprocessing 2 | 0, 2 bits | the plane | */
static int read_alpha(const Chunk *c, Frame *f, char *why)
{
    int head = c->size ? c->data[0] : 0xFF;
    int compression = head & 3;
    int filter = head >> 2 & 3;
    if (compression > 1 || (head >> 4 & 3) > 1 || head >> 6 > 1)
        return refuse(why, "transparency of a kind that is not known");
    f->alpha = malloc((size_t)f->width * (size_t)f->height);
    if (!f->alpha) return refuse(why, "no memory left");
    if (!unpack_alpha(c, compression, f->alpha, f->width, f->height, why)) return 0;
    undo_filter(f->alpha, f->width, f->height, filter);
    return 1;
}

/* ---- frames ---- */

static int read_lossy(const Chunk *c, Frame *f, char *why)
{
    char reason[VP8_WHY];
    f->rgb = vp8_decode(c->data, c->size, &f->width, &f->height, reason);
    return f->rgb ? 1 : refuse(why, "%s", reason);
}

/* Takes a lossless picture apart. */
static int split_pixels(const uint32_t *argb, int has_alpha, Frame *f, char *why)
{
    size_t count = (size_t)f->width * (size_t)f->height;
    f->rgb = malloc(3 * count);
    if (has_alpha) f->alpha = malloc(count);
    if (!f->rgb || (has_alpha && !f->alpha)) return refuse(why, "no memory left");
    for (size_t i = 0; i < count; i++) {
        f->rgb[3 * i] = (Byte)(argb[i] >> 16);
        f->rgb[3 * i + 1] = (Byte)(argb[i] >> 8);
        f->rgb[3 * i + 2] = (Byte)argb[i];
        if (has_alpha) f->alpha[i] = (Byte)(argb[i] >> 24);
    }
    return 1;
}

static int read_lossless(const Chunk *c, Frame *f, char *why)
{
    char reason[VP8L_WHY];
    int has_alpha;
    uint32_t *argb = vp8l_decode(c->data, c->size, &f->width, &f->height, &has_alpha, reason);
    if (!argb) return refuse(why, "%s", reason);
    int is_good = split_pixels(argb, has_alpha, f, why);
    free(argb);
    return is_good;
}

/* Decodes the next picture in a run of chunks; the caller frees f->rgb and f->alpha in any case.
 * has_alpha: whether the file says that it has transparency; a plane of it is ignored else */
static int read_frame(Run r, int has_alpha, Frame *f, char *why)
{
    Chunk c;
    Chunk alpha = { .name = NULL };
    while (next_chunk(&r, &c)) {
        if (is(&c, "VP8L")) return read_lossless(&c, f, why);
        if (is(&c, "VP8 ")) return read_lossy(&c, f, why) && (!alpha.name || read_alpha(&alpha, f, why));
        if (is(&c, "ALPH") && has_alpha) alpha = c;
    }
    return refuse(why, r.at < r.end ? "it ends early" : "no picture in it");
}

/* ANMF:  | x / 2, 3 bytes | y / 2, 3 | width - 1, 3 | height - 1, 3 | milliseconds 3 | flags 1 | chunks | */
static int read_animation_frame(const Chunk *c, int has_alpha, Frame *f, char *why)
{
    enum { HEAD = 16 };
    if (c->size < HEAD) return refuse(why, "a broken frame");
    if (!read_frame((Run){ c->data + HEAD, c->data + c->size }, has_alpha, f, why)) return 0;
    f->x = 2 * (int)number(c->data, 3);
    f->y = 2 * (int)number(c->data + 3, 3);
    if (number(c->data + 6, 3) + 1 == (size_t)f->width && number(c->data + 9, 3) + 1 == (size_t)f->height) return 1;
    return refuse(why, "a frame of another size than it says");
}

static int read_first_frame(Run r, int has_alpha, Frame *f, char *why)
{
    Chunk c;
    while (next_chunk(&r, &c))
        if (is(&c, "ANMF")) return read_animation_frame(&c, has_alpha, f, why);
    return refuse(why, r.at < r.end ? "it ends early" : "no picture in it");
}

/* VP8X:  | flags 1 | 0, 3 bytes | width - 1, 3 | height - 1, 3 |.  canvas: receives the size, when it is there. */
static int read_picture(Run r, Frame *canvas, Frame *f, char *why)
{
    Run rest = r;
    Chunk c;
    if (!next_chunk(&rest, &c)) return refuse(why, "it ends early");
    int is_extended = is(&c, "VP8X");
    if (is_extended && c.size < 10) return refuse(why, "a broken head");
    int flags = is_extended ? c.data[0] : 0;
    int is_good = flags & VP8X_ANIMATION ? read_first_frame(rest, flags & VP8X_ALPHA, f, why)
                                         : read_frame(is_extended ? rest : r, flags & VP8X_ALPHA, f, why);
    if (!is_good) return 0;
    canvas->width = is_extended ? (int)number(c.data + 4, 3) + 1 : f->width;
    canvas->height = is_extended ? (int)number(c.data + 7, 3) + 1 : f->height;
    int is_inside = f->x <= canvas->width - f->width && f->y <= canvas->height - f->height;
    int is_whole = f->width == canvas->width && f->height == canvas->height;
    if (is_inside && (is_whole || flags & VP8X_ANIMATION)) return 1;
    return refuse(why, "a picture of %dx%d, expected %dx%d", f->width, f->height, canvas->width, canvas->height);
}

/* ---- the canvas ---- */

/* Puts a frame over white. */
static void put_frame(const Frame *f, Frame *canvas)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            size_t from = (size_t)y * (size_t)f->width + (size_t)x;
            size_t to = (size_t)(f->y + y) * (size_t)canvas->width + (size_t)(f->x + x);
            int alpha = f->alpha ? f->alpha[from] : 255;
            for (size_t k = 0; k < 3; k++)
                canvas->rgb[3 * to + k] = (Byte)((f->rgb[3 * from + k] * alpha + 255 * (255 - alpha) + 127) / 255);
        }
}

/* Makes the canvas: the frame itself when that is all of it.  empty: what stands beside it */
static int make_canvas(Frame *f, Frame *canvas, Byte empty, char *why)
{
    enum { MAX_PIXELS = 1 << 28 };
    if (canvas->width > MAX_PIXELS / canvas->height)
        return refuse(why, "a picture of %dx%d, expected at most %d pixels", canvas->width, canvas->height, MAX_PIXELS);
    if (!f->alpha && f->width == canvas->width && f->height == canvas->height) {
        canvas->rgb = f->rgb;
        f->rgb = NULL;
        return 1;
    }
    size_t bytes = 3 * (size_t)canvas->width * (size_t)canvas->height;
    canvas->rgb = malloc(bytes);
    if (!canvas->rgb) return refuse(why, "no memory left");
    memset(canvas->rgb, empty, bytes);
    put_frame(f, canvas);
    return 1;
}

/* Puts the alpha channel in the place of the colours. */
static void show_alpha(Frame *f)
{
    size_t count = (size_t)f->width * (size_t)f->height;
    for (size_t i = 0; i < 3 * count; i++) f->rgb[i] = f->alpha ? f->alpha[i / 3] : 255;
    free(f->alpha);
    f->alpha = NULL;
}

/* Reads the picture, or the first frame, of a file: the caller frees f->rgb and f->alpha in any case. */
static int read_file(const Byte *webp, size_t size, Frame *canvas, Frame *f, char *why)
{
    if (!is_webp(webp, size)) return refuse(why, "no WebP");
    size_t said = number(webp + 4, 4);
    if (said < 4 || said > size - 8) return refuse(why, "the file ends early");
    return read_picture((Run){ .at = webp + 12, .end = webp + 8 + said }, canvas, f, why);
}

static Byte *decode(const Byte *webp, size_t size, int wants_alpha, int *width, int *height, char why[WEBP_WHY])
{
    Frame f = { .rgb = NULL };
    Frame canvas = { .rgb = NULL };
    int is_good = read_file(webp, size, &canvas, &f, why);
    if (is_good && wants_alpha) show_alpha(&f);
    if (is_good) make_canvas(&f, &canvas, wants_alpha ? 0 : 255, why);      /* transparent, shown over white */
    *width = canvas.width;
    *height = canvas.height;
    free(f.rgb);
    free(f.alpha);
    return canvas.rgb;
}

unsigned char *webp_decode(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY])
{
    return decode(webp, size, 0, width, height, why);
}

unsigned char *webp_decode_alpha(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY])
{
    return decode(webp, size, 1, width, height, why);
}

unsigned char *webp_decode_rgba(const unsigned char *webp, size_t size, int *width, int *height, char why[WEBP_WHY])
{
    Frame f = { .rgb = NULL };
    Frame canvas = { .rgb = NULL };
    Byte *rgba = NULL;
    int is_good = read_file(webp, size, &canvas, &f, why);
    size_t count = is_good ? (size_t)f.width * (size_t)f.height : 0;
    if (is_good) rgba = malloc(4 * count);
    if (is_good && !rgba) refuse(why, "no memory left");
    for (size_t i = 0; i < count && rgba; i++) {
        memcpy(rgba + 4 * i, f.rgb + 3 * i, 3);
        rgba[4 * i + 3] = f.alpha ? f.alpha[i] : 255;
    }
    *width = f.width;
    *height = f.height;
    free(f.rgb);
    free(f.alpha);
    return rgba;
}
