/* png.c - writes and reads PNG files and animated PNG (APNG) files.
 *
 *   file      A signature, then chunks of length, type, data and CRC.  IHDR has the size, IDAT the picture.  In an APNG
 *             acTL counts the frames; each frame has an fcTL with its rectangle and delay, then its data in IDAT (the
 *             first) or fdAT.
 *   rows      Each row is stored as its difference from what a filter predicts of it: None, Sub, Up, Average or Paeth.
 *             The writer takes the filter with the smallest sum of absolute differences (PNG, 12.7).
 *   bytes     The filtered rows are one zlib stream, see deflate.c.
 *   reading   All kinds of PNG take the same steps to RGB: unfilter, sample, palette or grey, 8 bits, over white.  A
 *             picture without interlacing is an interlaced one of a single pass.
 *
 * Invariants: every length is checked against what is there before it is used, and sizes before memory is taken.  A
 * failed malloc is remembered by the Buffer it was for, so one look at the end is enough.
 * It does not write palettes, alpha, 16 bits, interlacing or compressed text.  Of an animation it reads the first
 * picture, or all frames where it has written them itself.  It ignores colour profiles and gamma. */
#include "png.h"
#include "deflate.h"
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- chunks ---- */

static const Byte signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };        /* PNG, 5.2 */

/* PNG, 7.1.  Numbers have their highest byte first. */
static void put16(Buffer *b, uint32_t n)
{
    buffer_put(b, (int)(n >> 8 & 255));
    buffer_put(b, (int)(n & 255));
}

static void put32(Buffer *b, uint32_t n)
{
    put16(b, n >> 16);
    put16(b, n & 65535);
}

static uint32_t get32(const Byte *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* PNG, 5.3.  A chunk:  | length 4 | type 4 | data | CRC-32 of type and data 4 |
 * open_chunk, append the data, close_chunk with what open_chunk returned. */
static size_t open_chunk(Buffer *b, const char *type)
{
    size_t at = b->size;
    put32(b, 0);
    buffer_append(b, type, 4);
    return at;
}

static void close_chunk(Buffer *b, size_t at)
{
    if (b->failed || b->size - at - 8 > INT32_MAX) {
        b->failed = 1;
        return;
    }
    uint32_t length = (uint32_t)(b->size - at - 8);
    for (int i = 0; i < 4; i++) b->at[at + (size_t)i] = (Byte)(length >> (24 - 8 * i) & 255);
    put32(b, crc32_of(0, b->at + at + 4, (size_t)length + 4));
}

/* ---- text: UTF-8 and Latin-1 ---- */

/* Appends UTF-8 text as Latin-1.  Returns 0 when it holds other characters, or is not UTF-8. */
static int append_as_latin1(Buffer *to, const char *text)
{
    for (const Byte *p = (const Byte *)text; *p; p++) {
        if (*p < 0x80) {
            buffer_put(to, *p);
            continue;
        }
        if ((p[0] != 0xC2 && p[0] != 0xC3) || (p[1] & 0xC0) != 0x80) return 0;
        buffer_put(to, (p[0] & 3) << 6 | (p[1] & 0x3F));
        p++;
    }
    return 1;
}

/* Appends Latin-1 text: [size] as UTF-8. */
static void append_as_utf8(Buffer *to, const Byte *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int c = text[i];
        if (c >= 0x80) {
            buffer_put(to, 0xC0 | c >> 6);
            c = 0x80 | (c & 0x3F);
        }
        buffer_put(to, c);
    }
}

/* PNG, 11.3.3.2 and 11.3.3.4.
 *   tEXt:  | keyword 0 | Latin-1 |
 *   iTXt:  | keyword 0 | compressed? 0 | method 0 | language 0 | translated keyword 0 | UTF-8 | */
static void put_text(Buffer *out, const char *keyword, const char *text)
{
    Buffer latin1 = { .at = NULL };
    int fits = append_as_latin1(&latin1, text);
    size_t chunk = open_chunk(out, fits ? "tEXt" : "iTXt");
    buffer_append(out, keyword, strlen(keyword) + 1);
    if (fits) {
        buffer_append(out, latin1.at, latin1.size);
    } else {
        buffer_append(out, "\0\0\0", 4);
        buffer_append(out, text, strlen(text));
    }
    close_chunk(out, chunk);
    if (latin1.failed) out->failed = 1;
    free(latin1.at);
}

/* ---- filters ---- */

enum { FILTER_NONE, FILTER_SUB, FILTER_UP, FILTER_AVERAGE, FILTER_PAETH, FILTERS };

/* PNG, 9.4.  Returns the neighbour that is nearest to a + b - c; of equally near ones the first of a, b, c. */
static int paeth(int a, int b, int c)
{
    int p = a + b - c;
    int pa = abs(p - a);
    int pb = abs(p - b);
    int pc = abs(p - c);
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
}

/* PNG, 9.2.  Returns what a filter predicts of a byte from a, left of it, b, above it, and c, above left. */
static int predict(int filter, int a, int b, int c)
{
    switch (filter) {
    case FILTER_SUB: return a;
    case FILTER_UP: return b;
    case FILTER_AVERAGE: return (a + b) / 2;
    case FILTER_PAETH: return paeth(a, b, c);
    default: return 0;
    }
}

/* row, above: [size], above NULL for the first row.  out: the filter, then the differences, [1 + size].
 * Returns the sum of absolute differences. */
static size_t filter_row(int filter, const Byte *row, const Byte *above, size_t size, Byte *out)
{
    size_t sum = 0;
    *out++ = (Byte)filter;
    for (size_t i = 0; i < size; i++) {
        int a = i < 3 ? 0 : row[i - 3];
        int b = above ? above[i] : 0;
        int c = i < 3 || !above ? 0 : above[i - 3];
        out[i] = (Byte)(row[i] - predict(filter, a, b, c));
        sum += out[i] < 128 ? out[i] : 256u - out[i];
    }
    return sum;
}

/* out: [1 + size].  trial: [1 + size], scratch */
static void filter_row_best(const Byte *row, const Byte *above, size_t size, Byte *out, Byte *trial)
{
    size_t least = filter_row(FILTER_NONE, row, above, size, out);
    for (int filter = FILTER_SUB; filter < FILTERS; filter++) {
        size_t sum = filter_row(filter, row, above, size, trial);
        if (sum >= least) continue;
        least = sum;
        memcpy(out, trial, size + 1);
    }
}

typedef struct { size_t x, y, width, height; } Rect;

/* Appends the rectangle r of a picture: [., width, 3] as a zlib stream (PNG, 10.1). */
static void put_picture(Buffer *out, const Byte *picture, size_t width, Rect r)
{
    size_t size = 3 * r.width;
    size_t stride = size + 1;
    Byte *rows = malloc((r.height + 1) * stride);               /* one row more, as scratch */
    if (!rows) {
        out->failed = 1;
        return;
    }
    for (size_t y = 0; y < r.height; y++) {
        const Byte *row = picture + 3 * ((r.y + y) * width + r.x);
        const Byte *above = y ? row - 3 * width : NULL;
        filter_row_best(row, above, size, rows + y * stride, rows + r.height * stride);
    }
    zlib_compress(out, rows, r.height * stride);
    free(rows);
}

/* ---- the file ---- */

/* a, b: [height, width, 3].  Returns the rectangle where they differ.  Equal frames give one pixel, as a frame cannot
 * be empty. */
static Rect changed_rect(const Byte *a, const Byte *b, size_t width, size_t height)
{
    size_t left = width;
    size_t right = 0;                   /* right and bottom are one past */
    size_t top = height;
    size_t bottom = 0;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t i = 3 * (y * width + x);
            if (!memcmp(a + i, b + i, 3)) continue;
            if (x < left) left = x;
            if (x >= right) right = x + 1;
            if (y < top) top = y;
            bottom = y + 1;
        }
    if (!bottom) return (Rect){ .x = 0, .y = 0, .width = 1, .height = 1 };
    return (Rect){ .x = left, .y = top, .width = right - left, .height = bottom - top };
}

/* PNG, 11.2.1.  IHDR:
 *   | width 4 | height 4 | bit depth 8 | colour type 2: RGB | compression 0 | filter 0 | interlace 0 | */
static void put_header(Buffer *out, size_t width, size_t height)
{
    buffer_append(out, signature, sizeof signature);
    size_t chunk = open_chunk(out, "IHDR");
    put32(out, (uint32_t)width);
    put32(out, (uint32_t)height);
    buffer_append(out, "\x08\x02\0\0", 5);
    close_chunk(out, chunk);
}

/* PNG, 11.3.6.1.  acTL:  | frames 4 | plays 4, 0: for ever | */
static void put_animation_control(Buffer *out, int frames)
{
    size_t chunk = open_chunk(out, "acTL");
    put32(out, (uint32_t)frames);
    put32(out, 0);
    close_chunk(out, chunk);
}

/* Writes 1 / fps as k / (k fps).  k is the least power of ten that makes k fps a whole number, or the greatest for
 * which both fit in 16 bits. */
static void put_delay(Buffer *out, double fps)
{
    uint32_t k = 1;
    while (fabs(k * fps - round(k * fps)) > 1e-6 && 10 * k <= 10000 && 10 * k * fps < 65535.5) k *= 10;
    put16(out, k);
    put16(out, (uint32_t)lround(k * fps));
}

/* PNG, 11.3.6.2.  fcTL:
 *   | sequence number 4 | width 4 | height 4 | x 4 | y 4 | delay 2 + 2 | disposal 0: none | blend 0: replace | */
static void put_frame_control(Buffer *out, uint32_t number, Rect r, double fps)
{
    size_t chunk = open_chunk(out, "fcTL");
    put32(out, number);
    put32(out, (uint32_t)r.width);
    put32(out, (uint32_t)r.height);
    put32(out, (uint32_t)r.x);
    put32(out, (uint32_t)r.y);
    put_delay(out, fps);
    put16(out, 0);
    close_chunk(out, chunk);
}

/* PNG, 11.3.6.3.  Writes frame i > 0 of rgb as fcTL and fdAT.  These share sequence numbers; frame 0 has only an fcTL,
 * with number 0. */
static void put_frame(Buffer *out, const Byte *rgb, int i, size_t width, size_t height, double fps)
{
    const Byte *frame = rgb + 3 * width * height * (size_t)i;
    Rect r = changed_rect(frame - 3 * width * height, frame, width, height);
    uint32_t number = 2 * (uint32_t)i - 1;
    put_frame_control(out, number, r, fps);
    size_t chunk = open_chunk(out, "fdAT");
    put32(out, number + 1);
    put_picture(out, frame, width, r);
    close_chunk(out, chunk);
}

unsigned char *apng_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                           const char *parameters, size_t *size)
{
    if (frames < 1 || width < 1 || height < 1 || !(fps >= 0.1 && fps <= 100)) return NULL;
    size_t w = (size_t)width;
    size_t h = (size_t)height;
    size_t most = INT32_MAX;
    if (w > most / 3 - 1 || h > most / (3 * w + 1) - 1 || (size_t)frames > SIZE_MAX / (3 * w * h)) return NULL;
    Rect whole = { .x = 0, .y = 0, .width = w, .height = h };
    Buffer out = { .at = NULL };

    put_header(&out, w, h);
    if (frames > 1) put_animation_control(&out, frames);
    if (parameters) put_text(&out, "parameters", parameters);
    if (frames > 1) put_frame_control(&out, 0, whole, fps);
    size_t chunk = open_chunk(&out, "IDAT");
    put_picture(&out, rgb, w, whole);
    close_chunk(&out, chunk);
    for (int i = 1; i < frames; i++) put_frame(&out, rgb, i, w, h, fps);
    close_chunk(&out, open_chunk(&out, "IEND"));

    if (out.failed) {
        free(out.at);
        return NULL;
    }
    *size = out.size;
    return out.at;
}

unsigned char *png_encode(const unsigned char *rgb, int width, int height, const char *parameters, size_t *size)
{
    return apng_encode(rgb, 1, width, height, 1, parameters, size);
}

/* ---- reading: chunks ---- */

typedef struct { const Byte *type, *data; size_t size; } Chunk;

static int is_png(const Byte *png, size_t size) { return size >= 8 && !memcmp(png, signature, 8); }

static int is(const Chunk *c, const char *type) { return !memcmp(c->type, type, 4); }

/* Reads the chunk at *png, which moves past it.  Returns 0 when the file ends in it, and then c->type is NULL, or when
 * its CRC is wrong. */
static int next_chunk(const Byte **png, const Byte *end, Chunk *c)
{
    size_t left = (size_t)(end - *png);
    *c = (Chunk){ .type = NULL };
    if (left < 12 || get32(*png) > left - 12) return 0;
    *c = (Chunk){ .type = *png + 4, .data = *png + 8, .size = get32(*png) };
    *png += 12 + c->size;
    return crc32_of(0, c->type, c->size + 4) == get32(c->data + c->size);
}

/* ---- reading: text ---- */

/* Returns what follows the next NUL; NULL when there is none, or when at is NULL. */
static const Byte *past_nul(const Byte *at, const Byte *end)
{
    const Byte *nul = at ? memchr(at, 0, (size_t)(end - at)) : NULL;
    return nul ? nul + 1 : NULL;
}

enum { MAX_UNPACKED_TEXT = 1 << 20 };               /* as in Pillow */

/* Unpacks at..end.  Returns to->at, or NULL when it is broken or longer than MAX_UNPACKED_TEXT.  The caller frees
 * to->at either way. */
static const Byte *unpack_text(Buffer *to, const Byte *at, const Byte *end)
{
    to->at = malloc(MAX_UNPACKED_TEXT);
    if (!to->at) return NULL;
    const char *wrong = zlib_decompress(at, (size_t)(end - at), to->at, MAX_UNPACKED_TEXT, &to->size);
    return wrong ? NULL : to->at;
}

/* Returns 1 when the chunk is a text under this keyword, which is then in `text`.
 *   zTXt (PNG, 11.3.3.3):  | keyword 0 | method 0 | Latin-1, compressed |        the others: see put_text
 *   comf:  | keyword 0 | Latin-1 |, the private chunk of ComfyUI's animated PNG files */
static int read_text(const Chunk *c, const char *keyword, Buffer *text)
{
    int is_utf8 = is(c, "iTXt");
    int is_packed = is(c, "zTXt");
    const Byte *end = c->data + c->size;
    const Byte *at = past_nul(c->data, end);
    if (!is_utf8 && !is_packed && !is(c, "tEXt") && !is(c, "comf")) return 0;
    if (!at || strcmp((const char *)c->data, keyword)) return 0;
    if (is_utf8) {
        if (end - at < 2) return 0;
        is_packed = at[0];
        at = past_nul(past_nul(at + 2, end), end);      /* past language and translated keyword */
        if (!at) return 0;
    } else if (is_packed) {
        if (end - at < 1) return 0;
        at++;
    }
    Buffer unpacked = { .at = NULL };
    if (is_packed) {
        at = unpack_text(&unpacked, at, end);
        if (at) end = at + unpacked.size;
    }
    if (at && is_utf8) buffer_append(text, at, (size_t)(end - at));
    if (at && !is_utf8) append_as_utf8(text, at, (size_t)(end - at));
    free(unpacked.at);
    return at != NULL;
}

char *png_text(const unsigned char *png, size_t size, const char *keyword)
{
    const Byte *end = png + size;
    Buffer text = { .at = NULL };
    Chunk c;
    if (!is_png(png, size)) return NULL;
    png += sizeof signature;
    while (next_chunk(&png, end, &c) && !is(&c, "IEND")) {
        if (!read_text(&c, keyword, &text)) continue;
        buffer_put(&text, 0);
        if (!text.failed) return (char *)text.at;
        break;
    }
    free(text.at);
    return NULL;
}

/* ---- reading: the chunks of a picture ---- */

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };         /* colour types (PNG, 11.2.1) */

/* What becomes of a pixel: RGB over white; its alpha as grey; or RGBA. */
typedef enum { OVER_WHITE, ALPHA_AS_GREY, WITH_ALPHA } Output;

typedef struct {
    size_t width, height;
    int colour_type, depth, channels, is_interlaced;
    Byte palette[256][4];                       /* red, green, blue, alpha; entries that are not there are black */
    int entries;                                /* of the palette */
    Output output;
    int has_key;
    unsigned key[3];                            /* if has_key: the colour, as stored, that is transparent */
    Buffer packed;                              /* the data of all IDAT chunks */
    char *why;
} Reader;

static int refuse(Reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(Reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why, PNG_WHY, fmt, args);
    va_end(args);
    return 0;
}

static int refuse_place(Reader *r, const Chunk *c)
{
    return refuse(r, "a chunk %.4s where it may not stand", (const char *)c->type);
}

/* Returns 0 for a colour type that does not exist. */
static int channels_of(int colour_type)
{
    switch (colour_type) {
    case GREY: return 1;
    case PALETTE: return 1;
    case GREY_ALPHA: return 2;
    case RGB: return 3;
    case RGB_ALPHA: return 4;
    default: return 0;
    }
}

/* PNG, 11.2.1, the allowed bit depths.  Only grey and palettes may have fewer than 8 bits, and palettes not more. */
static int is_depth_allowed(int colour_type, int depth)
{
    if (depth == 8) return 1;
    if (depth == 16) return colour_type != PALETTE;
    return (depth == 1 || depth == 2 || depth == 4) && (colour_type == GREY || colour_type == PALETTE);
}

static int read_header(Reader *r, const Chunk *c)
{
    if (c->size != 13) return refuse(r, "IHDR has %zu bytes, expected 13", c->size);
    const Byte *d = c->data;
    r->width = get32(d);
    r->height = get32(d + 4);
    r->depth = d[8];
    r->colour_type = d[9];
    r->channels = channels_of(r->colour_type);
    r->is_interlaced = d[12];
    if (!r->width || !r->height || r->width > PNG_MAX_PIXELS / r->height)
        return refuse(r, "a picture of %zux%zu, expected at most %d pixels", r->width, r->height, PNG_MAX_PIXELS);
    if (!r->channels || !is_depth_allowed(r->colour_type, r->depth))
        return refuse(r, "colour type %d with %d bits is no kind of PNG", r->colour_type, r->depth);
    if (d[10] || d[11] || d[12] > 1)
        return refuse(r, "compression %d, filter %d, interlace %d: no kind of PNG", d[10], d[11], d[12]);
    return 1;
}

/* PNG, 11.2.2.  PLTE of a picture without a palette is a mere suggestion. */
static int read_palette(Reader *r, const Chunk *c)
{
    if (r->colour_type != PALETTE) return 1;
    if (r->entries || !c->size || c->size % 3 || c->size > 768)
        return refuse(r, "PLTE has %zu bytes, expected one of 3 to 768", c->size);
    r->entries = (int)(c->size / 3);
    for (int i = 0; i < r->entries; i++) memcpy(r->palette[i], c->data + 3 * i, 3);
    return 1;
}

/* PNG, 11.3.1.1.  tRNS has the alpha of each palette entry, or the one colour that is transparent.  It means nothing
 * beside an alpha channel. */
static int read_transparency(Reader *r, const Chunk *c)
{
    size_t colours = r->colour_type == GREY ? 1 : 3;
    if (r->colour_type > PALETTE) return 1;
    if (r->colour_type == PALETTE) {
        if (c->size > 256) return refuse(r, "tRNS has %zu bytes, expected at most 256", c->size);
        for (size_t i = 0; i < c->size; i++) r->palette[i][3] = c->data[i];
        return 1;
    }
    if (c->size != 2 * colours) return refuse(r, "tRNS has %zu bytes, expected %zu", c->size, 2 * colours);
    for (size_t i = 0; i < colours; i++) r->key[i] = (unsigned)c->data[2 * i] << 8 | c->data[2 * i + 1];
    r->has_key = 1;
    return 1;
}

/* Reads a chunk behind IHDR.  PLTE and tRNS stand before the data, and IDAT chunks follow each other (PNG, 5.6).
 * Unknown chunks may be passed over unless their type begins with a capital, which means critical (PNG, 5.4).
 * is_after_data: whether the chunk before is an IDAT */
static int read_chunk(Reader *r, const Chunk *c, int is_after_data)
{
    int may_stand = r->packed.size == 0;
    if (is(c, "IDAT")) {
        buffer_append(&r->packed, c->data, c->size);
        if (is_after_data) may_stand = 1;
    } else if (is(c, "PLTE")) {
        if (!read_palette(r, c)) return 0;
    } else if (is(c, "tRNS")) {
        if (!read_transparency(r, c)) return 0;
    } else {
        int is_critical = !(c->type[0] & 32);
        if (!is_critical || is(c, "IEND")) return 1;
        return refuse(r, "a chunk of unknown type %.4s", (const char *)c->type);
    }
    return may_stand ? 1 : refuse_place(r, c);
}

/* As next_chunk, and says what is wrong. */
static int expect_chunk(Reader *r, const Byte **at, const Byte *end, Chunk *c)
{
    if (next_chunk(at, end, c)) return 1;
    if (c->type) return refuse(r, "a wrong CRC in a chunk %.4s", (const char *)c->type);
    return refuse(r, "the file ends early");
}

static int read_chunks(Reader *r, const Byte *at, const Byte *end)
{
    Chunk c;
    int is_after_data = 0;
    if (!expect_chunk(r, &at, end, &c)) return 0;
    if (!is(&c, "IHDR")) return refuse_place(r, &c);
    if (!read_header(r, &c)) return 0;
    while (!is(&c, "IEND")) {
        if (!expect_chunk(r, &at, end, &c)) return 0;
        if (is(&c, "IHDR")) return refuse_place(r, &c);
        if (!read_chunk(r, &c, is_after_data)) return 0;
        is_after_data = is(&c, "IDAT");
    }
    if (r->packed.failed) return refuse(r, "no memory left");
    if (!r->packed.size) return refuse(r, "no picture in it");
    if (r->colour_type == PALETTE && !r->entries) return refuse(r, "its palette is missing");
    return 1;
}

/* ---- reading: pixels ---- */

/* Returns sample i of a row. */
static unsigned sample(const Byte *row, size_t i, int depth)
{
    if (depth == 8) return row[i];
    if (depth == 16) return (unsigned)row[2 * i] << 8 | row[2 * i + 1];
    size_t bit = i * (size_t)depth;
    return (unsigned)row[bit / 8] >> (8 - depth - (int)(bit % 8)) & ((1u << depth) - 1);
}

/* PNG, 13.12:   round(255 v / (2^depth - 1)),   the same as libpng's png_set_scale_16 and its expansion of few bits. */
static unsigned to_8_bits(unsigned v, int depth)
{
    if (depth == 16) return (v * 255 + 32895) >> 16;
    return v * (255u / ((1u << depth) - 1));
}

/* PNG, 13.16, with a white background. */
static Byte over_white(unsigned c, unsigned alpha) { return (Byte)((c * alpha + 255 * (255 - alpha) + 127) / 255); }

/* v: the samples of a pixel, as stored */
static int is_key(const Reader *r, const unsigned *v)
{
    if (!r->has_key || v[0] != r->key[0]) return 0;
    return r->channels == 1 || (v[1] == r->key[1] && v[2] == r->key[2]);
}

/* v: the samples of a pixel, as stored.  rgba: in 8 bits */
static void to_rgba(const Reader *r, const unsigned *v, unsigned rgba[4])
{
    if (r->colour_type == PALETTE) {
        for (int k = 0; k < 4; k++) rgba[k] = r->palette[v[0]][k];
        return;
    }
    int is_grey = r->channels < 3;
    int has_alpha = r->channels % 2 == 0;
    for (int k = 0; k < 3; k++) rgba[k] = to_8_bits(v[is_grey ? 0 : k], r->depth);
    rgba[3] = is_key(r, v) ? 0 : 255;
    if (has_alpha) rgba[3] = to_8_bits(v[r->channels - 1], r->depth);
}

static size_t output_channels(const Reader *r) { return r->output == WITH_ALPHA ? 4 : 3; }

static Byte output_value(const Reader *r, unsigned value, unsigned alpha)
{
    if (r->output == WITH_ALPHA) return (Byte)value;
    return r->output == ALPHA_AS_GREY ? (Byte)alpha : over_white(value, alpha);
}

/* Pixel x of a row, as the output wants it. */
static void put_pixel(const Reader *r, const Byte *row, size_t x, Byte *to)
{
    unsigned v[4], rgba[4];
    size_t n = (size_t)r->channels;
    for (size_t k = 0; k < n; k++) v[k] = sample(row, x * n + k, r->depth);
    to_rgba(r, v, rgba);
    for (size_t k = 0; k < output_channels(r); k++) to[k] = output_value(r, rgba[k], rgba[3]);
}

/* ---- reading: rows and passes ---- */

/* PNG, 9.2.  row: the filter, [size], which is unfiltered in place.  above: [size], NULL for the first row.
 * step: bytes from a pixel to the next, at least 1.  Returns 0 when there is no such filter. */
static int unfilter(Byte *row, const Byte *above, size_t size, size_t step)
{
    int filter = *row++;
    if (filter >= FILTERS) return 0;
    for (size_t i = 0; i < size; i++) {
        int a = i < step ? 0 : row[i - step];
        int b = above ? above[i] : 0;
        int c = i < step || !above ? 0 : above[i - step];
        row[i] = (Byte)(row[i] + predict(filter, a, b, c));
    }
    return 1;
}

/* PNG, 8.1.  A pass of interlacing has the pixels at every dx from x, in every dy-th row from y. */
typedef struct { Byte x, y, dx, dy; } Pass;

static const Pass adam7[7] = {
    { .x = 0, .y = 0, .dx = 8, .dy = 8 },
    { .x = 4, .y = 0, .dx = 8, .dy = 8 },
    { .x = 0, .y = 4, .dx = 4, .dy = 8 },
    { .x = 2, .y = 0, .dx = 4, .dy = 4 },
    { .x = 0, .y = 2, .dx = 2, .dy = 4 },
    { .x = 1, .y = 0, .dx = 2, .dy = 2 },
    { .x = 0, .y = 1, .dx = 1, .dy = 2 },
};
static const Pass whole_picture = { .x = 0, .y = 0, .dx = 1, .dy = 1 };

/* Returns how many of from, from + step, ... lie below size. */
static size_t count_steps(size_t size, size_t from, size_t step)
{
    return size > from ? (size - from + step - 1) / step : 0;
}

static size_t row_bytes(const Reader *r, size_t width) { return (width * (size_t)(r->channels * r->depth) + 7) / 8; }

/* Returns the bytes of the filtered rows of a pass.  A pass without columns has no rows. */
static size_t pass_bytes(const Reader *r, Pass p)
{
    size_t width = count_steps(r->width, p.x, p.dx);
    return width ? count_steps(r->height, p.y, p.dy) * (1 + row_bytes(r, width)) : 0;
}

/* row: the first of the pass's filtered rows.  pixels: [height, width, output_channels] */
static int put_pass(Reader *r, Pass p, Byte *row, Byte *pixels)
{
    size_t width = count_steps(r->width, p.x, p.dx);
    size_t size = row_bytes(r, width);
    const Byte *above = NULL;
    if (!width) return 1;
    for (size_t y = p.y; y < r->height; y += p.dy) {
        if (!unfilter(row, above, size, row_bytes(r, 1)))
            return refuse(r, "filter %d in row %zu, expected 0 to 4", *row, y);
        above = row + 1;
        for (size_t i = 0; i < width; i++)
            put_pixel(r, above, i, pixels + output_channels(r) * (y * r->width + p.x + i * p.dx));
        row += 1 + size;
    }
    return 1;
}

/* rows: [size], for the filtered rows of all passes */
static int put_passes(Reader *r, const Pass *pass, int passes, Byte *rows, size_t size, Byte *pixels)
{
    size_t got;
    if (!rows || !pixels) return refuse(r, "no memory left");
    const char *wrong = zlib_decompress(r->packed.at, r->packed.size, rows, size, &got);
    if (wrong) return refuse(r, "%s in its packed data", wrong);
    if (got != size) return refuse(r, "its data unpacks to %zu bytes, expected %zu", got, size);
    for (int i = 0; i < passes; i++) {
        if (!put_pass(r, pass[i], rows, pixels)) return 0;
        rows += pass_bytes(r, pass[i]);
    }
    return 1;
}

/* Returns [height, width, output_channels], or NULL. */
static Byte *unpack_picture(Reader *r)
{
    const Pass *pass = r->is_interlaced ? adam7 : &whole_picture;
    int passes = r->is_interlaced ? 7 : 1;
    size_t size = 0;
    for (int i = 0; i < passes; i++) size += pass_bytes(r, pass[i]);
    Byte *rows = malloc(size);
    Byte *pixels = malloc(output_channels(r) * r->width * r->height);
    int good = put_passes(r, pass, passes, rows, size, pixels);
    free(rows);
    if (good) return pixels;
    free(pixels);
    return NULL;
}

static Byte *decode(const Byte *png, size_t size, Output output, int *width, int *height, char why[PNG_WHY])
{
    Reader r = { .why = why, .output = output };
    Byte *pixels = NULL;
    for (int i = 0; i < 256; i++) r.palette[i][3] = 255;
    if (!is_png(png, size)) refuse(&r, "no PNG");
    else if (read_chunks(&r, png + sizeof signature, png + size)) pixels = unpack_picture(&r);
    free(r.packed.at);
    *width = (int)r.width;
    *height = (int)r.height;
    return pixels;
}

unsigned char *png_decode(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY])
{
    return decode(png, size, OVER_WHITE, width, height, why);
}

unsigned char *png_decode_alpha(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY])
{
    return decode(png, size, ALPHA_AS_GREY, width, height, why);
}

unsigned char *png_decode_rgba(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY])
{
    return decode(png, size, WITH_ALPHA, width, height, why);
}

/* ---- reading: an animation ---- */

/* Unpacks packed: [n] into the rectangle r of a frame: [., width, 3]. */
static int put_rect(Byte *frame, size_t width, Rect r, const Byte *packed, size_t n)
{
    size_t row_size = 3 * r.width;
    size_t size = r.height * (1 + row_size);
    size_t got = 0;
    const Byte *above = NULL;
    Byte *rows = malloc(size);
    int good = rows && !zlib_decompress(packed, n, rows, size, &got) && got == size;
    for (size_t y = 0; y < r.height && good; y++) {
        Byte *row = rows + y * (1 + row_size);
        good = unfilter(row, above, row_size, 3);
        above = row + 1;
        memcpy(frame + 3 * ((r.y + y) * width + r.x), above, row_size);
    }
    free(rows);
    return good;
}

/* Reads from fcTL where the next frame stands.  Returns 0 when that is not within the picture, or when the frame is to
 * be blended or disposed of. */
static int read_frame_control(const Chunk *c, size_t width, size_t height, Rect *r)
{
    const Byte *d = c->data;
    if (c->size != 26 || d[24] || d[25]) return 0;
    *r = (Rect){ .x = get32(d + 12), .y = get32(d + 16), .width = get32(d + 4), .height = get32(d + 8) };
    if (!r->width || !r->height || r->width > width || r->height > height) return 0;
    return r->x <= width - r->width && r->y <= height - r->height;
}

/* at: behind IHDR.  rgb: [frames, height, width, 3].  Frame 0 is in IDAT.  Each other is in fdAT, behind a sequence
 * number, and begins as a copy of the one before. */
static int put_frames(const Byte *at, const Byte *end, Byte *rgb, size_t frames, size_t width, size_t height)
{
    size_t frame_size = 3 * width * height;
    size_t f = 0;
    Rect whole = { .x = 0, .y = 0, .width = width, .height = height };
    Rect r = whole;
    Chunk c;
    while (next_chunk(&at, end, &c) && !is(&c, "IEND")) {
        int is_first = is(&c, "IDAT");
        if (is(&c, "fcTL")) {
            if (!read_frame_control(&c, width, height, &r)) return 0;
            continue;
        }
        if (!is_first && !is(&c, "fdAT")) continue;
        size_t number = is_first ? 0 : 4;           /* bytes of the sequence number */
        if (f == frames || c.size < number || is_first != (f == 0)) return 0;
        Byte *frame = rgb + f * frame_size;
        if (f) memcpy(frame, frame - frame_size, frame_size);
        if (!put_rect(frame, width, is_first ? whole : r, c.data + number, c.size - number)) return 0;
        f++;
    }
    return c.type && is(&c, "IEND") && f == frames;
}

unsigned char *apng_decode(const unsigned char *png, size_t size, int frames, int width, int height)
{
    char why[PNG_WHY];
    Reader r = { .why = why };
    Chunk c;
    if (!is_png(png, size)) return NULL;
    const Byte *at = png + sizeof signature;
    const Byte *end = png + size;
    if (!next_chunk(&at, end, &c) || !is(&c, "IHDR") || !read_header(&r, &c)) return NULL;
    if (r.colour_type != RGB || r.depth != 8 || r.is_interlaced) return NULL;
    if (frames < 1 || r.width != (size_t)width || r.height != (size_t)height) return NULL;
    if ((size_t)frames > SIZE_MAX / (3 * r.width * r.height)) return NULL;
    Byte *rgb = malloc((size_t)frames * 3 * r.width * r.height);
    if (rgb && put_frames(at, end, rgb, (size_t)frames, r.width, r.height)) return rgb;
    free(rgb);
    return NULL;
}

/* ---- reading: EXIF ---- */

/* PNG, 11.3.4.5. */
const unsigned char *png_exif(const unsigned char *png, size_t size, size_t *n)
{
    const Byte *end = png + size;
    Chunk c;
    if (!is_png(png, size)) return NULL;
    png += sizeof signature;
    while (next_chunk(&png, end, &c) && !is(&c, "IEND")) {
        if (!is(&c, "eXIf")) continue;
        *n = c.size;
        return c.data;
    }
    return NULL;
}
