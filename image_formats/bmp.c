/* bmp.c - reads BMP files.
 *
 *     | "BM" | file size 4 | 0, 4 bytes | offset of the pixels 4 | header, its size first | masks | palette | pixels |
 *
 * The header has grown over the years and is told apart by its size; longer ones only add fields at the end.  All
 * numbers are little endian.  Pixels come in two kinds: an index into the palette (1, 4 or 8 bits), or a number whose
 * red, green, blue and alpha are cut out by masks (16, 24 or 32 bits).  Files without masks have the usual ones.
 *
 * RLE packs indices as runs; it is unpacked first and then read as 8 bits a pixel.
 *
 * Pixels equal Pillow's, also where a run is longer than its row, or a file says nothing about a pixel.  Two things are
 * read that Pillow refuses: masks of other bits, and packed pictures that end before their last pixel.  An alpha
 * channel of zeros alone comes from a program that has filled it with nothing, and counts as opaque.
 *
 * Sizes are checked before memory is taken, and offsets before use. */
#include "bmp.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum { FILE_HEADER = 14, OS2_HEADER = 12, V1_HEADER = 40, V2_HEADER = 52, V3_HEADER = 56 };
enum { RAW, RLE8, RLE4, BITFIELDS };
enum { RED, GREEN, BLUE, ALPHA, CHANNELS };

typedef struct {
    const Byte *data;
    size_t size;
    char *why;
    int width, height, is_top_down, bits;
    uint32_t compression;
    uint32_t mask[CHANNELS];            /* of pixels of 16 bits and more; alpha 0: there is none */
    Byte palette[256][3];               /* red, green, blue */
    const Byte *pixels;                 /* the rest of the file; or indices of 8 bits, once unpacked */
    size_t pixel_bytes;
    Byte *unpacked;                     /* [height, width]; NULL: it is not packed */
} Bmp;

static int refuse(Bmp *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(Bmp *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(b->why, BMP_WHY, fmt, args);
    va_end(args);
    return 0;
}

static uint32_t number(const Byte *p, int bytes)
{
    uint32_t x = 0;
    for (int i = bytes - 1; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

/* ---- the header ---- */

static void usual_masks(Bmp *b)
{
    static const uint32_t usual[2][CHANNELS] = { { 0x7C00, 0x3E0, 0x1F, 0 }, { 0xFF0000, 0xFF00, 0xFF, 0 } };
    memcpy(b->mask, usual[b->bits > 16], sizeof b->mask);
}

/* Are the bits of this mask side by side? */
static int is_one_run(uint32_t mask)
{
    uint32_t low = mask & (0 - mask);
    return mask && !((mask + low) & mask);
}

/* Masks stand behind a header of 40 bytes, and inside longer ones: red, green, blue, and alpha from 56 on.  32 bits
 * with masks of zeros have all four channels. */
static int read_masks(Bmp *b, size_t header)
{
    size_t masks = header >= V3_HEADER ? CHANNELS : CHANNELS - 1;
    if (b->bits < 16) return refuse(b, "masks for %d bits a pixel", b->bits);
    if (b->size < FILE_HEADER + V1_HEADER + 4 * masks) return refuse(b, "it ends early");
    for (size_t i = 0; i < masks; i++) b->mask[i] = number(b->data + FILE_HEADER + V1_HEADER + 4 * i, 4);
    if (b->bits < 32) b->mask[ALPHA] = 0;
    int is_empty = !(b->mask[RED] | b->mask[GREEN] | b->mask[BLUE] | b->mask[ALPHA]);
    if (is_empty) {
        usual_masks(b);
        if (b->bits == 32) b->mask[ALPHA] = 0xFF000000;
    }
    for (int i = 0; i < CHANNELS; i++)
        if ((i != ALPHA || b->mask[i]) && !is_one_run(b->mask[i]))
            return refuse(b, "a mask %08X", (unsigned)b->mask[i]);
    return 1;
}

/* at: behind the header.  An entry is blue, green, red, and 0 except in the oldest header. */
static int read_palette(Bmp *b, size_t at, size_t colours, size_t entry)
{
    if (colours > 65536 || b->size - at < colours * entry) return refuse(b, "a palette of %zu colours", colours);
    for (size_t i = 0; i < colours && i < 256; i++)
        for (size_t k = 0; k < 3; k++) b->palette[i][k] = b->data[at + entry * i + 2 - k];
    return 1;
}

/* Reads what stands between the header and the pixels.  colours: of the palette; 0: as many as there are indices.  The
 * file says where the pixels are; 0, or the place of the palette, means behind it. */
static int find_pixels(Bmp *b, size_t header, size_t colours)
{
    size_t end = FILE_HEADER + header;
    size_t offset = number(b->data + 10, 4);
    if (b->compression == BITFIELDS && header == V1_HEADER) end += 12;
    if (b->bits <= 8) {
        size_t entry = header == OS2_HEADER ? 3 : 4;
        if (!colours) colours = (size_t)1 << b->bits;
        if (!read_palette(b, end, colours, entry)) return 0;
        if (offset == end) offset = 0;
        end += colours * entry;
    }
    if (!offset) offset = end;
    if (offset > b->size) return refuse(b, "it ends early");
    b->pixels = b->data + offset;
    b->pixel_bytes = b->size - offset;
    return 1;
}

static int check_kind(Bmp *b)
{
    static const Byte known[] = { 1, 4, 8, 16, 24, 32 };
    if (b->width < 1 || b->height < 1 || b->width > BMP_MAX_PIXELS / b->height)
        return refuse(b, "a picture of %dx%d, expected at least 1x1, at most %d pixels",
                      b->width, b->height, BMP_MAX_PIXELS);
    if (b->bits > 32 || !memchr(known, b->bits, sizeof known))
        return refuse(b, "%d bits a pixel, expected 1, 4, 8, 16, 24 or 32", b->bits);
    if (b->compression > BITFIELDS)
        return refuse(b, "compression %u, expected none, RLE or masks", (unsigned)b->compression);
    int is_packed = b->compression == RLE8 || b->compression == RLE4;
    if (is_packed && b->bits > 8) return refuse(b, "RLE of %d bits a pixel", b->bits);
    return 1;
}

/* The header of OS/2 has sizes of 16 bits and no compression. */
static void read_short_header(Bmp *b, const Byte *h)
{
    b->width = (int)number(h + 4, 2);
    b->height = (int)number(h + 6, 2);
    b->bits = (int)number(h + 10, 2);
}

/* A height below zero means rows from the top. */
static void read_long_header(Bmp *b, const Byte *h)
{
    uint32_t height = number(h + 8, 4);
    b->is_top_down = h[11] == 0xFF;
    if (b->is_top_down) height = 0 - height;
    b->width = (int)number(h + 4, 4);
    b->height = (int)height;
    b->bits = (int)number(h + 14, 2);
    b->compression = number(h + 16, 4);
}

/* Reads the fields of the header; *header receives its size. */
static int read_fields(Bmp *b, size_t *header)
{
    static const Byte sizes[] = { OS2_HEADER, V1_HEADER, V2_HEADER, V3_HEADER, 64, 108, 124 };
    if (b->size < FILE_HEADER + 4 || memcmp(b->data, "BM", 2)) return refuse(b, "no BMP");
    const Byte *h = b->data + FILE_HEADER;
    *header = number(h, 4);
    if (*header > 255 || !memchr(sizes, (int)*header, sizeof sizes)) return refuse(b, "a header of %zu bytes", *header);
    if (b->size < FILE_HEADER + *header) return refuse(b, "it ends early");
    if (*header == OS2_HEADER) read_short_header(b, h);
    else read_long_header(b, h);
    return 1;
}

static int read_header(Bmp *b)
{
    size_t header;
    if (!read_fields(b, &header) || !check_kind(b)) return 0;
    usual_masks(b);
    if (b->compression == BITFIELDS && !read_masks(b, header)) return 0;
    return find_pixels(b, header, header == OS2_HEADER ? 0 : number(b->data + FILE_HEADER + 32, 4));
}

void bmp_size(const unsigned char *bmp, size_t size, int *width, int *height)
{
    char why[BMP_WHY];
    size_t header;
    Bmp b = { .data = bmp, .size = size, .why = why };
    int is_good = read_fields(&b, &header) && b.width > 0 && b.height > 0;
    *width = is_good ? b.width : 0;
    *height = is_good ? b.height : 0;
}

/* ---- RLE ---- */

/* What is unpacked, and what is left. */
typedef struct { const Byte *start, *at, *end; Byte *out; size_t n, room; int is_rle4; } Unpacking;

static void put_zeros(Unpacking *u, size_t count)
{
    if (count > u->room - u->n) count = u->room - u->n;
    memset(u->out + u->n, 0, count);
    u->n += count;
}

/* Two values in turn; in RLE8 they are the same. */
static void put_run(Unpacking *u, size_t count, Byte value)
{
    Byte high = u->is_rle4 ? value >> 4 : value;
    Byte low = u->is_rle4 ? value & 15 : value;
    for (size_t i = 0; i < count && u->n < u->room; i++) u->out[u->n++] = i % 2 ? low : high;
}

/* Literal values, padded to an even place in the file.  Returns 0 when they end early. */
static int put_literals(Unpacking *u, size_t count)
{
    if (count > u->room - u->n) count = u->room - u->n;
    size_t bytes = u->is_rle4 ? (count + 1) / 2 : count;
    if ((size_t)(u->end - u->at) < bytes) return 0;
    for (size_t i = 0; i < count; i++) {
        Byte value = u->at[u->is_rle4 ? i / 2 : i];
        if (u->is_rle4) value = i % 2 ? value & 15 : value >> 4;
        u->out[u->n++] = value;
    }
    u->at += bytes;
    if ((u->at - u->start) % 2 && u->at < u->end) u->at++;
    return 1;
}

/* |n > 0| value|: a run.  |0|0|: the end of the row.  |0|1|: of the picture.  |0|2|right|up|: so many zeros.
 * |0|n > 2|n values|: literals.  start: of the file, which places are even by.  Returns 0 when the file ends early. */
static int unpack(Unpacking *u, size_t width)
{
    size_t x = 0;
    while (u->n < u->room) {
        if (u->end - u->at < 2) return 0;
        size_t count = u->at[0];
        Byte value = u->at[1];
        u->at += 2;
        if (count) {
            size_t left = x < width ? width - x : 0;
            if (count > left) count = left;
            put_run(u, count, value);
            x += count;
        } else if (value == 0) {
            if (u->n % width) put_zeros(u, width - u->n % width);
            x = 0;
        } else if (value == 1) {
            break;
        } else if (value == 2) {
            if (u->end - u->at < 2) return 0;
            put_zeros(u, u->at[0] + u->at[1] * width);
            u->at += 2;
            x = u->n % width;
        } else {
            if (!put_literals(u, value)) return 0;
            x += value;
        }
    }
    put_zeros(u, u->room);
    return 1;
}

static int unpack_picture(Bmp *b)
{
    size_t width = (size_t)b->width;
    size_t room = width * (size_t)b->height;
    b->unpacked = malloc(room);
    if (!b->unpacked) return refuse(b, "no memory left");
    Unpacking u = {
        .start = b->data, .at = b->pixels, .end = b->data + b->size, .out = b->unpacked, .room = room,
        .is_rle4 = b->compression == RLE4,
    };
    if (!unpack(&u, width)) return refuse(b, "it ends early");
    b->pixels = b->unpacked;
    b->pixel_bytes = room;
    b->bits = 8;
    return 1;
}

/* ---- pixels ---- */

/* The bytes of a row, which is padded to 4 bytes, unless it is unpacked. */
static size_t row_bytes(const Bmp *b)
{
    if (b->unpacked) return (size_t)b->width;
    return ((size_t)b->width * (size_t)b->bits + 31) / 32 * 4;
}

static int check_size(Bmp *b)
{
    size_t row = row_bytes(b);
    size_t last = ((size_t)b->width * (size_t)b->bits + 7) / 8;     /* the last row may do without its padding */
    size_t needed = row * (size_t)(b->height - 1) + last;
    return b->pixel_bytes >= needed ? 1 : refuse(b, "it ends early");
}

static const Byte *row_at(const Bmp *b, int y)
{
    return b->pixels + row_bytes(b) * (size_t)(b->is_top_down ? y : b->height - 1 - y);
}

/* The channel of a pixel as 8 bits: v 255 / largest, cut. */
static int channel(uint32_t pixel, uint32_t mask)
{
    uint64_t value = pixel & mask;
    uint64_t largest = mask;
    while (!(largest & 1)) {
        largest >>= 1;
        value >>= 1;
    }
    return (int)(value * 255 / largest);
}

/* row: of 16 bits or more.  Returns the alpha. */
static int cut_pixel(const Bmp *b, const Byte *row, int x, Byte *rgb)
{
    int bytes = b->bits / 8;
    uint32_t pixel = number(row + (size_t)x * (size_t)bytes, bytes);
    for (int k = 0; k < ALPHA; k++) rgb[k] = (Byte)channel(pixel, b->mask[k]);
    return b->mask[ALPHA] ? channel(pixel, b->mask[ALPHA]) : 255;
}

/* row: of 8 bits or less, the first pixel in the highest bits */
static void look_up_pixel(const Bmp *b, const Byte *row, int x, Byte *rgb)
{
    size_t bit = (size_t)x * (size_t)b->bits;
    int index = row[bit / 8] >> (8 - b->bits - (int)(bit % 8)) & ((1 << b->bits) - 1);
    memcpy(rgb, b->palette[index], 3);
}

/* Is any pixel not quite transparent?  If none is, alpha means nothing. */
static int has_alpha(const Bmp *b)
{
    Byte rgb[3];
    if (b->bits < 16 || !b->mask[ALPHA]) return 0;
    for (int y = 0; y < b->height; y++)
        for (int x = 0; x < b->width; x++)
            if (cut_pixel(b, row_at(b, y), x, rgb)) return 1;
    return 0;
}

static void put_pixels(const Bmp *b, Byte *rgb)
{
    int is_transparent = has_alpha(b);
    for (int y = 0; y < b->height; y++) {
        const Byte *row = row_at(b, y);
        for (int x = 0; x < b->width; x++, rgb += 3) {
            if (b->bits <= 8) {
                look_up_pixel(b, row, x, rgb);
                continue;
            }
            int alpha = cut_pixel(b, row, x, rgb);
            for (int k = 0; is_transparent && k < 3; k++)
                rgb[k] = (Byte)((rgb[k] * alpha + 255 * (255 - alpha) + 127) / 255);
        }
    }
}

static int read_picture(Bmp *b)
{
    if (!read_header(b)) return 0;
    int is_packed = b->compression == RLE8 || b->compression == RLE4;
    if (is_packed && !unpack_picture(b)) return 0;
    return check_size(b);
}

unsigned char *bmp_decode(const unsigned char *bmp, size_t size, int *width, int *height, char why[BMP_WHY])
{
    Bmp b = { .data = bmp, .size = size, .why = why };
    Byte *rgb = NULL;
    if (read_picture(&b)) {
        rgb = malloc(3 * (size_t)b.width * (size_t)b.height);
        if (rgb) put_pixels(&b, rgb);
        else refuse(&b, "no memory left");
    }
    *width = b.width;
    *height = b.height;
    free(b.unpacked);
    return rgb;
}
