/* png.c - PNG, in and out, and animated PNG out.
 *
 *   file      chunks of length, type, data and CRC. An animation keeps the first frame where a still has its picture,
 *             and of each later one the rectangle that changed.
 *   rows      each is stored as its difference from what a filter predicts of it; of the five filters the one with the
 *             smallest sum of differences, which is a guess at what packs best and nearly always a good one.
 *   bytes     deflate.c
 *   reading   every kind that the specification knows is brought to RGB by one line of steps: sample, palette or grey,
 *             8 bits, over white. A plain picture is an interlaced one of a single pass.
 *
 * What holds: every length is checked against what is there before it is used, sizes before memory is taken; a failed
 * malloc is remembered by the buffer it was for, so one look at the end is enough.
 * It does not write palettes, alpha, 16 bits, interlacing or packed text, reads of an animation the first picture,
 * or all where it is one that was written here, and follows no colour profile or gamma. */
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

static const Byte signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };

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

/* | length 4 | type 4 | data | CRC of type and data 4 |: open, append the data, close. */
static size_t open_chunk(Buffer *b, const char *type)
{
    size_t at = b->size;
    put32(b, 0);
    buffer_append(b, type, 4);
    return at;
}

static void close_chunk(Buffer *b, size_t at)
{
    if (b->failed || b->size - at - 8 > INT32_MAX) { b->failed = 1; return; }
    uint32_t length = (uint32_t)(b->size - at - 8);
    for (int i = 0; i < 4; i++) b->at[at + (size_t)i] = (Byte)(length >> (24 - 8 * i) & 255);
    put32(b, crc32_of(0, b->at + at + 4, (size_t)length + 4));
}

/* ---- text: UTF-8 and Latin-1 ---- */

/* UTF-8 as Latin-1 on `to`; 0 if it holds something else (or is not UTF-8). */
static int to_latin1(Buffer *to, const char *text)
{
    for (const Byte *p = (const Byte *)text; *p; p++) {
        if (*p < 0x80) { buffer_put(to, *p); continue; }
        if ((*p != 0xC2 && *p != 0xC3) || (p[1] & 0xC0) != 0x80) return 0;
        buffer_put(to, (p[0] & 3) << 6 | (p[1] & 0x3F));
        p++;
    }
    return 1;
}

static void from_latin1(Buffer *to, const Byte *text, size_t size)
{
    for (; size--; text++) {
        if (*text >= 0x80) buffer_put(to, 0xC0 | *text >> 6);
        buffer_put(to, *text < 0x80 ? *text : 0x80 | (*text & 0x3F));
    }
}

/* tEXt: keyword 0 Latin-1      iTXt: keyword 0 | packed? 0 | method 0 | language 0 | keyword translated 0 | UTF-8 */
static void put_text(Buffer *out, const char *keyword, const char *text)
{
    Buffer latin1 = { NULL, 0, 0, 0 };
    int fits = to_latin1(&latin1, text);
    size_t chunk = open_chunk(out, fits ? "tEXt" : "iTXt");
    buffer_append(out, keyword, strlen(keyword) + 1);
    if (fits) buffer_append(out, latin1.at, latin1.size);
    else buffer_append(out, "\0\0\0", 4), buffer_append(out, text, strlen(text));
    close_chunk(out, chunk);
    out->failed |= latin1.failed;
    free(latin1.at);
}

/* ---- rows ---- */

typedef struct { size_t x, y, width, height; } Rect;

/* What filter f predicts of a byte from a, left of it, b, above, and c, above left: nothing, a, b, their mean, or that of
 * the three which is closest to a + b - c. */
static int predict(int f, int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    switch (f) {
    case 1: return a;
    case 2: return b;
    case 3: return (a + b) / 2;
    case 4: return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    default: return 0;
    }
}

/* row, above: [size], above NULL for the first row  ->  out: filter, [size]. Returns the sum of differences. */
static size_t filter_row(int f, const Byte *row, const Byte *above, size_t size, Byte *out)
{
    size_t sum = 0;
    *out++ = (Byte)f;
    for (size_t i = 0; i < size; i++) {
        int a = i < 3 ? 0 : row[i - 3], b = above ? above[i] : 0, c = i < 3 || !above ? 0 : above[i - 3];
        out[i] = (Byte)(row[i] - predict(f, a, b, c));
        sum += out[i] < 128 ? out[i] : 256u - out[i];
    }
    return sum;
}

/* picture: [.,width,3]  ->  out: the rows of r, filtered: [r.height, 1 + 3 r.width]; one row more serves as scratch */
static void filter_rows(const Byte *picture, size_t width, Rect r, Byte *out)
{
    size_t size = 3 * r.width;
    Byte *trial = out + r.height * (size + 1);
    for (size_t y = 0; y < r.height; y++, out += size + 1) {
        const Byte *row = picture + 3 * ((r.y + y) * width + r.x), *above = y ? row - 3 * width : NULL;
        size_t least = filter_row(0, row, above, size, out);
        for (int f = 1; f <= 4; f++) {
            size_t sum = filter_row(f, row, above, size, trial);
            if (sum < least) least = sum, memcpy(out, trial, size + 1);
        }
    }
}

/* The rows of r as a zlib stream. */
static void put_picture(Buffer *out, const Byte *picture, size_t width, Rect r)
{
    size_t row = 1 + 3 * r.width;
    Byte *rows = malloc((r.height + 1) * row);
    if (!rows) { out->failed = 1; return; }
    filter_rows(picture, width, r, rows);
    zlib_pack(out, rows, r.height * row);
    free(rows);
}

/* ---- the file ---- */

/* The rectangle where two pictures [height,width,3] differ; one pixel when they do not, for a frame cannot be empty. */
static Rect changed(const Byte *a, const Byte *b, size_t width, size_t height)
{
    size_t left = width, right = 0, top = height, bottom = 0;           /* right and bottom: one past */
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++, a += 3, b += 3) {
            if (!memcmp(a, b, 3)) continue;
            if (x < left) left = x;
            if (x >= right) right = x + 1;
            if (y < top) top = y;
            bottom = y + 1;
        }
    if (!bottom) return (Rect){ 0, 0, 1, 1 };
    return (Rect){ left, top, right - left, bottom - top };
}

static void put_header(Buffer *out, size_t width, size_t height)
{
    buffer_append(out, signature, sizeof signature);
    size_t chunk = open_chunk(out, "IHDR");
    put32(out, (uint32_t)width);
    put32(out, (uint32_t)height);
    buffer_append(out, "\x08\x02\0\0", 5);                 /* 8 bits, RGB, deflate, filters, no interlacing */
    close_chunk(out, chunk);
}

/* frames, and 0: for ever */
static void put_animation(Buffer *out, int frames)
{
    size_t chunk = open_chunk(out, "acTL");
    put32(out, (uint32_t)frames);
    put32(out, 0);
    close_chunk(out, chunk);
}

/* 1 / fps as k / (k fps), k the least power of ten that makes the second a whole number, or the greatest that fits. */
static void put_delay(Buffer *out, double fps)
{
    uint32_t k = 1;
    while (fabs(k * fps - round(k * fps)) > 1e-6 && 10 * k <= 10000 && 10 * k * fps < 65535.5) k *= 10;
    put16(out, k);
    put16(out, (uint32_t)lround(k * fps));
}

/* | number | width | height | x | y | delay | disposal 0 (keep), blend 0 (replace) | */
static void put_control(Buffer *out, uint32_t number, Rect r, double fps)
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

/* Frame i > 0 of rgb: controls and pictures are numbered together, and 0 was the first frame's control. */
static void put_frame(Buffer *out, const Byte *rgb, int i, size_t width, size_t height, double fps)
{
    const Byte *frame = rgb + 3 * width * height * (size_t)i;
    Rect r = changed(frame - 3 * width * height, frame, width, height);
    uint32_t number = 2 * (uint32_t)i - 1;
    put_control(out, number, r, fps);
    size_t chunk = open_chunk(out, "fdAT");
    put32(out, number + 1);
    put_picture(out, frame, width, r);
    close_chunk(out, chunk);
}

unsigned char *apng_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                           const char *parameters, size_t *size)
{
    if (frames < 1 || width < 1 || height < 1 || !(fps >= 0.1 && fps <= 100)) return NULL;
    size_t w = (size_t)width, h = (size_t)height, most = INT32_MAX;
    if (w > most / 3 - 1 || h > most / (3 * w + 1) - 1 || (size_t)frames > SIZE_MAX / (3 * w * h)) return NULL;
    Rect whole = { 0, 0, w, h };
    Buffer out = { NULL, 0, 0, 0 };

    put_header(&out, w, h);
    if (frames > 1) put_animation(&out, frames);
    if (parameters) put_text(&out, "parameters", parameters);
    if (frames > 1) put_control(&out, 0, whole, fps);
    size_t chunk = open_chunk(&out, "IDAT");
    put_picture(&out, rgb, w, whole);
    close_chunk(&out, chunk);
    for (int i = 1; i < frames; i++) put_frame(&out, rgb, i, w, h, fps);
    close_chunk(&out, open_chunk(&out, "IEND"));

    if (!out.failed) { *size = out.size; return out.at; }
    free(out.at);
    return NULL;
}

unsigned char *png_encode(const unsigned char *rgb, int width, int height, const char *parameters, size_t *size)
{
    return apng_encode(rgb, 1, width, height, 1, parameters, size);
}

/* ---- reading: chunks ---- */

static int is_png(const Byte *png, size_t size) { return size >= 8 && !memcmp(png, signature, 8); }

typedef struct { const Byte *type, *data; size_t size; } Chunk;

static int is(const Chunk *c, const char *type) { return !memcmp(c->type, type, 4); }

/* The chunk at *png, which moves past it. 0: the file ends in it, or its CRC is wrong, and then it has a type. */
static int next_chunk(const Byte **png, const Byte *end, Chunk *c)
{
    size_t left = (size_t)(end - *png);
    *c = (Chunk){ NULL, NULL, 0 };
    if (left < 12 || get32(*png) > left - 12) return 0;
    *c = (Chunk){ *png + 4, *png + 8, get32(*png) };
    *png += 12 + c->size;
    return crc32_of(0, c->type, c->size + 4) == get32(c->data + c->size);
}

/* ---- reading: text ---- */

/* Past the next NUL, or NULL. */
static const Byte *past_nul(const Byte *at, const Byte *end)
{
    const Byte *nul = at ? memchr(at, 0, (size_t)(end - at)) : NULL;
    return nul ? nul + 1 : NULL;
}

enum { MOST_TEXT = 1 << 20 };                           /* bytes that packed text may come to, as in Pillow */

/* -> to->at, or NULL if it is broken or longer */
static const Byte *unpack_text(Buffer *to, const Byte *at, const Byte *end)
{
    to->at = malloc(MOST_TEXT);
    return to->at && !zlib_unpack(at, (size_t)(end - at), to->at, MOST_TEXT, &to->size) ? to->at : NULL;
}

/* 1: the chunk is text under this keyword, and stands in `text`. zTXt: keyword 0 | method 0 | Latin-1, packed */
static int read_text(const Chunk *c, const char *keyword, Buffer *text)
{
    int plain = is(c, "tEXt"), packed = is(c, "zTXt"), utf8 = is(c, "iTXt");
    const Byte *end = c->data + c->size, *at = past_nul(c->data, end);
    Buffer whole = { NULL, 0, 0, 0 };
    if (!(plain || packed || utf8) || !at || strcmp((const char *)c->data, keyword)) return 0;
    if (end - at < 2 * utf8 + packed) return 0;
    if (utf8) packed = at[0], at = past_nul(past_nul(at + 2, end), end);        /* language, translated keyword */
    else at += packed;
    if (at && packed) at = unpack_text(&whole, at, end), end = at ? at + whole.size : end;
    if (at && utf8) buffer_append(text, at, (size_t)(end - at));
    else if (at)    from_latin1(text, at, (size_t)(end - at));
    free(whole.at);
    return at != NULL;
}

char *png_text(const unsigned char *png, size_t size, const char *keyword)
{
    const Byte *end = png + size;
    Buffer text = { NULL, 0, 0, 0 };
    Chunk c;
    if (!is_png(png, size)) return NULL;
    for (png += 8; next_chunk(&png, end, &c) && !is(&c, "IEND"); ) {
        if (!read_text(&c, keyword, &text)) continue;
        buffer_put(&text, 0);
        if (!text.failed) return (char *)text.at;
        break;
    }
    free(text.at);
    return NULL;
}

/* ---- reading: the picture ---- */

enum { GREY = 0, RGB = 2, PALETTE = 3 };                /* colour types; 4 and 6 are the first two with alpha */

typedef struct {
    size_t width, height;
    int type, depth, channels, interlaced;
    Byte palette[256][4];                               /* red, green, blue, alpha; what is not there is black */
    int entries, keyed;
    unsigned key[3];                                    /* if keyed: the colour, as stored, that is transparent */
    Buffer packed;                                      /* all of IDAT */
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

static int read_header(Reader *r, const Chunk *c)
{
    static const int channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    static const unsigned depths[7] = { 0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100 };      /* bit d: d bits a sample may be */
    if (c->size != 13) return refuse(r, "IHDR has %zu bytes, expected 13", c->size);
    const Byte *d = c->data;
    r->width = get32(d), r->height = get32(d + 4), r->depth = d[8], r->type = d[9], r->interlaced = d[12];
    if (!r->width || !r->height || r->width > PNG_PIXELS / r->height)
        return refuse(r, "a picture of %zux%zu, expected at most %d pixels", r->width, r->height, PNG_PIXELS);
    if (r->type > 6 || r->depth > 16 || !(depths[r->type] >> r->depth & 1)) return refuse(r, "colour type %d with %d bits is no kind of PNG", r->type, r->depth);
    if (d[10] || d[11] || r->interlaced > 1) return refuse(r, "compression %d, filter %d, interlace %d: no kind of PNG", d[10], d[11], r->interlaced);
    r->channels = channels[r->type];
    return 1;
}

static int read_palette(Reader *r, const Chunk *c)
{
    if (r->type != PALETTE) return 1;                   /* only a suggestion */
    if (r->entries || !c->size || c->size % 3 || c->size > 768) return refuse(r, "PLTE has %zu bytes, expected one of 3 to 768", c->size);
    for (; (size_t)r->entries < c->size / 3; r->entries++) memcpy(r->palette[r->entries], c->data + 3 * r->entries, 3);
    return 1;
}

static int read_transparency(Reader *r, const Chunk *c)
{
    size_t colours = r->type == GREY ? 1 : 3;
    if (r->type > PALETTE) return 1;                    /* it has an alpha channel */
    if (r->type == PALETTE) {
        if (c->size > 256) return refuse(r, "tRNS has %zu bytes, expected at most 256", c->size);
        for (size_t i = 0; i < c->size; i++) r->palette[i][3] = c->data[i];
        return 1;
    }
    if (c->size != 2 * colours) return refuse(r, "tRNS has %zu bytes, expected %zu", c->size, 2 * colours);
    for (size_t i = 0; i < colours; i++) r->key[i] = (unsigned)c->data[2 * i] << 8 | c->data[2 * i + 1];
    r->keyed = 1;
    return 1;
}

/* Types that begin with a capital may not be passed over. */
static int read_chunk(Reader *r, const Chunk *c, int after_data)
{
    int place = !r->packed.size;
    if (is(c, "IDAT")) buffer_append(&r->packed, c->data, c->size), place |= after_data;
    else if (is(c, "PLTE")) { if (!read_palette(r, c)) return 0; }
    else if (is(c, "tRNS")) { if (!read_transparency(r, c)) return 0; }
    else if (!is(c, "IEND") && !(c->type[0] & 32)) return refuse(r, "a chunk of unknown type %.4s", (const char *)c->type);
    else return 1;
    return place ? 1 : refuse(r, "a chunk %.4s where it may not stand", (const char *)c->type);
}

static int read_chunks(Reader *r, const Byte *at, const Byte *end)
{
    Chunk c = { NULL, NULL, 0 };
    for (int first = 1, data = 0; first || !is(&c, "IEND"); first = 0) {
        if (!next_chunk(&at, end, &c)) return c.type ? refuse(r, "a wrong CRC in a chunk %.4s", (const char *)c.type) : refuse(r, "the file ends early");
        if (first != is(&c, "IHDR")) return refuse(r, "a chunk %.4s where it may not stand", (const char *)c.type);
        if (first ? !read_header(r, &c) : !read_chunk(r, &c, data)) return 0;
        data = is(&c, "IDAT");
    }
    if (r->packed.failed) return refuse(r, "no memory left");
    if (!r->packed.size) return refuse(r, "no picture in it");
    return r->type != PALETTE || r->entries ? 1 : refuse(r, "its palette is missing");
}

/* The pixels of a pass: every dx from x, every dy from y. */
typedef struct { Byte x, y, dx, dy; } Pass;

static const Pass adam7[7] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 }, { 2, 0, 4, 4 }, { 0, 2, 2, 4 }, { 1, 0, 2, 2 }, { 0, 1, 1, 2 } }, plain = { 0, 0, 1, 1 };

static size_t steps(size_t size, size_t from, size_t step) { return size > from ? (size - from + step - 1) / step : 0; }

static size_t row_bytes(const Reader *r, size_t width) { return (width * (size_t)(r->channels * r->depth) + 7) / 8; }

static size_t pass_bytes(const Reader *r, Pass p)
{
    size_t width = steps(r->width, p.x, p.dx);
    return width ? steps(r->height, p.y, p.dy) * (1 + row_bytes(r, width)) : 0;
}

/* row: filter, [size], in place; above: [size], NULL for the first row; step: bytes of a pixel, at least 1 */
static int unfilter(Byte *row, const Byte *above, size_t size, size_t step)
{
    int f = *row++;
    if (f > 4) return 0;
    for (size_t i = 0; i < size; i++) {
        int a = i < step ? 0 : row[i - step], b = above ? above[i] : 0, c = i < step || !above ? 0 : above[i - step];
        row[i] = (Byte)(row[i] + predict(f, a, b, c));
    }
    return 1;
}

/* Sample i of a row. */
static unsigned sample(const Byte *row, size_t i, int depth)
{
    if (depth == 8)  return row[i];
    if (depth == 16) return (unsigned)row[2 * i] << 8 | row[2 * i + 1];
    size_t bit = i * (size_t)depth;
    return (unsigned)row[bit / 8] >> (8 - depth - (int)(bit % 8)) & ((1u << depth) - 1);
}

/* round(255 v / (2^depth - 1)), which is libpng's png_set_scale_16 and its expansion of few bits */
static unsigned to_8_bits(unsigned v, int depth) { return depth == 16 ? (v * 255 + 32895) >> 16 : v * (255u / ((1u << depth) - 1)); }

static Byte over_white(unsigned c, unsigned alpha) { return (Byte)((c * alpha + 255 * (255 - alpha) + 127) / 255); }

/* Pixel x of a row, as RGB. */
static void put_pixel(const Reader *r, const Byte *row, size_t x, Byte *rgb)
{
    unsigned v[4], c[4];                                /* as stored; red, green, blue, alpha in 8 bits */
    int n = r->channels, grey = n < 3;
    for (int k = 0; k < n; k++) v[k] = sample(row, x * (size_t)n + (size_t)k, r->depth);
    for (int k = 0; k < 3; k++) c[k] = to_8_bits(v[grey ? 0 : k], r->depth);
    int clear = r->keyed && v[0] == r->key[0] && (grey || (v[1] == r->key[1] && v[2] == r->key[2]));
    c[3] = n % 2 ? (clear ? 0 : 255) : to_8_bits(v[n - 1], r->depth);
    for (int k = 0; k < 4 && r->type == PALETTE; k++) c[k] = r->palette[v[0]][k];
    for (int k = 0; k < 3; k++) rgb[k] = over_white(c[k], c[3]);
}

static int put_pass(Reader *r, Pass p, Byte *row, Byte *rgb)
{
    size_t width = steps(r->width, p.x, p.dx), size = row_bytes(r, width), step = row_bytes(r, 1);
    const Byte *above = NULL;
    for (size_t y = p.y; y < r->height && width; y += p.dy, row += 1 + size) {
        if (!unfilter(row, above, size, step)) return refuse(r, "filter %d in row %zu, expected 0 to 4", *row, y);
        above = row + 1;
        for (size_t i = 0; i < width; i++) put_pixel(r, above, i, rgb + 3 * (y * r->width + p.x + i * p.dx));
    }
    return 1;
}

/* rows: [size], what the picture unpacks to */
static int put_passes(Reader *r, const Pass *pass, int passes, Byte *rows, size_t size, Byte *rgb)
{
    size_t got;
    if (!rows || !rgb) return refuse(r, "no memory left");
    const char *wrong = zlib_unpack(r->packed.at, r->packed.size, rows, size, &got);
    if (wrong) return refuse(r, "%s in its packed data", wrong);
    if (got != size) return refuse(r, "its data unpacks to %zu bytes, expected %zu", got, size);
    for (int i = 0; i < passes; rows += pass_bytes(r, pass[i++])) if (!put_pass(r, pass[i], rows, rgb)) return 0;
    return 1;
}

/* -> [height,width,3], or NULL */
static Byte *unpack_picture(Reader *r)
{
    const Pass *pass = r->interlaced ? adam7 : &plain;
    int passes = r->interlaced ? 7 : 1;
    size_t size = 0;
    for (int i = 0; i < passes; i++) size += pass_bytes(r, pass[i]);
    Byte *rows = malloc(size), *rgb = malloc(3 * r->width * r->height);
    int good = put_passes(r, pass, passes, rows, size, rgb);
    free(rows);
    if (good) return rgb;
    free(rgb);
    return NULL;
}

unsigned char *png_decode(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY])
{
    Reader r = { .why = why };
    Byte *rgb = NULL;
    for (int i = 0; i < 256; i++) r.palette[i][3] = 255;
    if (!is_png(png, size)) refuse(&r, "no PNG");
    else if (read_chunks(&r, png + 8, png + size)) rgb = unpack_picture(&r);
    free(r.packed.at);
    *width = (int)r.width, *height = (int)r.height;
    return rgb;
}

/* ---- reading: an animation ---- */

/* rows of a rectangle, packed -> its place in frame: [.,width,3] */
static int put_rect(Byte *frame, size_t width, Rect r, const Byte *packed, size_t n)
{
    size_t row = 3 * r.width, size = r.height * (1 + row), got = 0;
    Byte *rows = malloc(size), *at = rows;
    const Byte *above = NULL;
    int good = rows && !zlib_unpack(packed, n, rows, size, &got) && got == size;
    for (size_t y = 0; y < r.height && good; y++, at += 1 + row) {
        good = unfilter(at, above, row, 3), above = at + 1;
        memcpy(frame + 3 * ((r.y + y) * width + r.x), above, row);
    }
    free(rows);
    return good;
}

/* fcTL: where the next frame stands; 0: not within the picture, or to be blended or disposed of */
static int read_control(const Chunk *c, size_t width, size_t height, Rect *r)
{
    if (c->size != 26 || c->data[24] || c->data[25]) return 0;
    *r = (Rect){ get32(c->data + 12), get32(c->data + 16), get32(c->data + 4), get32(c->data + 8) };
    return r->width && r->height && r->width <= width && r->height <= height && r->x <= width - r->width && r->y <= height - r->height;
}

/* The header is read. Each frame begins as the one before. */
static int put_frames(const Byte *at, const Byte *end, Byte *rgb, size_t frames, size_t width, size_t height)
{
    size_t frame = 3 * width * height, f = 0;
    Rect whole = { 0, 0, width, height }, r = whole;
    Chunk c;
    while (next_chunk(&at, end, &c) && !is(&c, "IEND")) {
        size_t numbered = is(&c, "fdAT") ? 4 : 0;
        if (is(&c, "fcTL")) { if (!read_control(&c, width, height, &r)) return 0; continue; }
        if (!numbered && !is(&c, "IDAT")) continue;
        if (f == frames || c.size < numbered || !f == !!numbered) return 0;
        if (f) memcpy(rgb + f * frame, rgb + (f - 1) * frame, frame);
        if (!put_rect(rgb + f++ * frame, width, numbered ? r : whole, c.data + numbered, c.size - numbered)) return 0;
    }
    return c.type && is(&c, "IEND") && f == frames;
}

unsigned char *apng_decode(const unsigned char *png, size_t size, int frames, int width, int height)
{
    char why[PNG_WHY];
    Reader r = { .why = why };
    Chunk c;
    const Byte *at = png + 8, *end = png + size;
    if (!is_png(png, size) || !next_chunk(&at, end, &c) || !is(&c, "IHDR") || !read_header(&r, &c)) return NULL;
    if (r.type != RGB || r.depth != 8 || r.interlaced || frames < 1 || r.width != (size_t)width || r.height != (size_t)height) return NULL;
    if ((size_t)frames > SIZE_MAX / (3 * r.width * r.height)) return NULL;
    Byte *rgb = malloc((size_t)frames * 3 * r.width * r.height);
    if (rgb && put_frames(at, end, rgb, (size_t)frames, r.width, r.height)) return rgb;
    free(rgb);
    return NULL;
}

const unsigned char *png_exif(const unsigned char *png, size_t size, size_t *n)
{
    const Byte *end = png + size;
    Chunk c;
    if (!is_png(png, size)) return NULL;
    for (png += 8; next_chunk(&png, end, &c) && !is(&c, "IEND"); ) if (is(&c, "eXIf")) return *n = c.size, c.data;
    return NULL;
}
