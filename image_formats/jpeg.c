/* jpeg.c - JPEG in.
 *
 *     marker segments -> tables, frame, scans       a scan brings bits of some coefficients of some components
 *     bits -> coefficients, whole picture            a baseline scan is a progressive one that brings all there is to know
 *     coefficients -> samples -> full size -> RGB    inverse cosine transform, upsampling, colour
 *
 * From the coefficients on, every number is libjpeg's to the bit: the transform is its accurate one ("islow"), whose
 * butterflies are written out as the matrix that they multiply by, and chroma grows by its triangle filters
 * ("fancy upsampling"), so pictures equal those that other programs see.
 *
 * What holds: a coefficient only ever gets more exact (each scan must bring bits below those it has), so a file cannot
 * ask for the same work twice; sizes are checked before memory is taken; bits past the end of a scan are zeros, and a
 * scan that used one is refused; the first thing wrong ends it, `why` says what.
 * Other readers make do with a scan that is cut short or broken; this one refuses it: half a face teaches nothing.
 * It refuses, by name, arithmetic coding, lossless and hierarchical files, 12 bits, and four colours. */
#include "jpeg.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum { FAST = 9, COMPONENTS = 3, LARGEST = 4 };     /* bits that a code is looked up by; how many; the largest sampling factor */

/* Canonical codes: how many there are of each length, the symbols in their order, the first code of each length; and, for
 * a code no longer than FAST bits, length << 8 | symbol at every index that begins with it. */
typedef struct { int known, count[17]; Byte symbol[256]; uint16_t fast[1 << FAST]; } Huffman;

typedef struct {
    int id, h, v, table;                /* sampling factors; which quantisation table */
    int width, height;                  /* samples that matter */
    int across, down;                   /* blocks as stored: whole MCUs */
    Byte bits[64];                      /* of each coefficient: how many low bits are unknown yet, of 14 */
    int dc, dc_code, ac_code;           /* in a scan: the last DC, its codes */
    uint16_t quant[64];                 /* the table, when its first scan came */
    int16_t *coef;                      /* [down, across, 64], rows of the block one after the other */
    Byte *plane;                        /* [8 down, 8 across] */
} Component;

typedef struct {
    const Byte *at, *end;               /* what is left of the file */
    char *why;
    int width, height, progressive, restart, scans;
    int components, h, v;               /* components of the frame, 0: no frame yet; largest sampling factors */
    int jfif, adobe;                    /* seen; the transform it names, -1: not seen */
    Component component[COMPONENTS];
    uint16_t quant[4][64];              /* as in the file, zigzag; all 0: not given */
    Huffman dc[4], ac[4];
    /* in a scan */
    int from, to, high, low;            /* coefficients; bits that the scan before left unknown (0: all) and that this one does */
    int run;                            /* blocks to come without a coefficient, this one included */
    uint64_t bits;
    int held, past;                     /* bits taken; how many of them were not there */
} Jpeg;

static int refuse(Jpeg *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(Jpeg *j, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(j->why, JPEG_WHY, fmt, args);
    va_end(args);
    return 0;
}

static int get16(const Byte *p) { return p[0] << 8 | p[1]; }

/* ---- bits ---- */

/* A scan's bytes: FF is data when 00 follows, which is dropped; otherwise a marker, where the scan ends. */
static void need(Jpeg *j, int n)
{
    for (; j->held < n; j->held += 8) {
        int there = j->at < j->end && !(*j->at == 0xFF && (j->end - j->at < 2 || j->at[1]));
        j->bits = j->bits << 8 | (there ? *j->at : 0);
        if (there) j->at += *j->at == 0xFF ? 2 : 1;
        else j->past += 8;
    }
}

static int peek(const Jpeg *j, int n) { return (int)(j->bits >> (j->held - n) & ((1u << n) - 1)); }

static int take_bits(Jpeg *j, int n)
{
    need(j, n);
    j->held -= n;
    return (int)(j->bits >> j->held & ((1u << n) - 1));
}

/* n bits as a number: those that begin with 0 are the negative ones, from -(2^n - 1) up */
static int take_signed(Jpeg *j, int n)
{
    int x = take_bits(j, n);
    return n && x < 1 << (n - 1) ? x - (1 << n) + 1 : x;
}

static int beyond(const Jpeg *j) { return j->past > j->held; }

/* The next symbol; -1 if the bits are no code. */
static int take_symbol(Jpeg *j, const Huffman *h)
{
    need(j, 16);
    int entry = h->fast[peek(j, FAST)], first = 0, at = 0;
    if (entry) { j->held -= entry >> 8; return entry & 255; }
    for (int n = 1; n <= 16; n++) {
        int code = peek(j, n);
        if (code - first < h->count[n]) { j->held -= n; return h->symbol[at + code - first]; }
        at += h->count[n], first = (first + h->count[n]) << 1;
    }
    return -1;
}

/* data: 16 counts, then the symbols. Returns the bytes used, 0 if these are no codes. */
static int make_code(Huffman *h, const Byte *data, int size)
{
    int code = 0, at = 0, symbols = 0;
    if (size < 16) return 0;
    memset(h, 0, sizeof *h);
    for (int n = 1; n <= 16; n++) symbols += h->count[n] = data[n - 1];
    if (symbols > 256 || symbols > size - 16) return 0;
    memcpy(h->symbol, data + 16, (size_t)symbols);
    for (int n = 1; n <= 16; n++, code <<= 1) {
        if (code + h->count[n] > 1 << n) return 0;
        for (int i = 0; i < h->count[n]; i++, code++, at++)
            for (int k = 0; n <= FAST && k < 1 << (FAST - n); k++) h->fast[(code << (FAST - n)) + k] = (uint16_t)(n << 8 | h->symbol[at]);
    }
    h->known = 1;
    return 16 + symbols;
}

/* ---- one block of a scan ---- */

/* Where coefficient k of the file's order stands in the block. */
static const Byte zigzag[64] = {
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63 };

/* The difference to the block before. */
static int read_dc(Jpeg *j, Component *c, int16_t *block)
{
    if (j->high) {
        block[0] = (int16_t)(block[0] | take_bits(j, 1) << j->low);
        return 1;
    }
    int n = take_symbol(j, &j->dc[c->dc_code]);
    if (n < 0 || n > 15) return 0;
    c->dc += take_signed(j, n);
    int value = c->dc * (1 << j->low);
    if (value < INT16_MIN || value > INT16_MAX) return 0;
    block[0] = (int16_t)value;
    return 1;
}

/* Symbols of AC coefficients: r << 4 | n. n > 0: r zeros, then a coefficient of n bits. n = 0: r = 15 is 16 zeros; otherwise
 * the block ends here, and so do the next ones, 2^r - 1 + r bits of them. Returns n, sets *zeros; -1: wrong. */
static int read_ac_symbol(Jpeg *j, const Component *c, int *zeros)
{
    int s = take_symbol(j, &j->ac[c->ac_code]), r = s >> 4, n = s & 15;
    *zeros = r;
    if (s < 0) return -1;
    if (!n && r < 15) {
        if (r && !j->progressive) return -1;
        j->run = (1 << r) + take_bits(j, r);
    }
    return n;
}

static int first_ac(const Jpeg *j) { return j->from ? j->from : 1; }

static int read_ac(Jpeg *j, Component *c, int16_t *block)
{
    for (int k = first_ac(j); k <= j->to && !j->run; k++) {
        int zeros, n = read_ac_symbol(j, c, &zeros);
        if (n < 0) return 0;
        if (j->run) break;
        k += zeros;
        if (n && k > j->to) return 0;
        if (n) block[zigzag[k]] = (int16_t)(take_signed(j, n) * (1 << j->low));
    }
    if (j->run) j->run--;
    return 1;
}

/* One more bit of a coefficient that is known to be there: further from zero or not. */
static void refine(Jpeg *j, int16_t *x)
{
    if (take_bits(j, 1)) *x = (int16_t)(*x + (*x > 0 ? 1 : -1) * (1 << j->low));
}

/* As read_ac, but the zeros that are counted are those still zero; the others on the way get their next bit. */
static int refine_ac(Jpeg *j, Component *c, int16_t *block)
{
    int k = first_ac(j);
    while (k <= j->to && !j->run) {
        int zeros, n = read_ac_symbol(j, c, &zeros);
        if (n < 0 || n > 1) return 0;
        if (j->run) break;
        int fresh = n ? (take_bits(j, 1) ? 1 : -1) * (1 << j->low) : 0;
        for (; k <= j->to && (block[zigzag[k]] || zeros--); k++) if (block[zigzag[k]]) refine(j, &block[zigzag[k]]);
        if (fresh && k > j->to) return 0;
        if (k <= j->to) block[zigzag[k++]] = (int16_t)fresh;
    }
    for (; k <= j->to; k++) if (block[zigzag[k]]) refine(j, &block[zigzag[k]]);
    if (j->run) j->run--;
    return 1;
}

static int read_block(Jpeg *j, Component *c, int16_t *block)
{
    if (!j->from && !read_dc(j, c, block)) return 0;
    return !j->to ? 1 : j->high ? refine_ac(j, c, block) : read_ac(j, c, block);
}

/* ---- scans ---- */

/* The next marker, at which j->at then stands behind it; bytes before it that are none are passed over, as libjpeg does.
 * 0: the file ends first. */
static int next_marker(Jpeg *j)
{
    while (j->end - j->at >= 2) {
        int marker = *j->at++ == 0xFF ? *j->at : 0;
        if (marker && marker != 0xFF) return j->at++, marker;
    }
    return 0;
}

static int blocks(int samples) { return (samples + 7) / 8; }

/* Everything starts anew. number: of the restart marker that must stand here; -1 at the start of a scan, which has none */
static int restart(Jpeg *j, Component **c, int n, int number)
{
    j->held = j->past = 0, j->bits = 0, j->run = 0;
    for (int i = 0; i < n; i++) c[i]->dc = 0;
    return number < 0 || next_marker(j) == 0xD0 + number % 8 ? 1 : refuse(j, "restart marker %d of scan %d is missing", number, j->scans);
}

/* One component alone: its blocks row by row, only those that hold some of the picture. Several: by MCU, of each
 * component h x v blocks. */
static int read_mcu(Jpeg *j, Component **c, int n, int x, int y)
{
    if (n == 1) return read_block(j, c[0], c[0]->coef + ((size_t)y * (size_t)c[0]->across + (size_t)x) * 64);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < c[i]->h * c[i]->v; k++) {
            size_t row = (size_t)(y * c[i]->v + k / c[i]->h), column = (size_t)(x * c[i]->h + k % c[i]->h);
            if (!read_block(j, c[i], c[i]->coef + (row * (size_t)c[i]->across + column) * 64)) return 0;
        }
    return 1;
}

static int read_mcus(Jpeg *j, Component **c, int n)
{
    int across = n == 1 ? blocks(c[0]->width)  : c[0]->across / c[0]->h;
    int down   = n == 1 ? blocks(c[0]->height) : c[0]->down / c[0]->v;
    restart(j, c, n, -1);
    for (int i = 0, total = across * down; i < total; i++) {
        if (j->restart && i && i % j->restart == 0 && !restart(j, c, n, i / j->restart - 1)) return 0;
        int good = read_mcu(j, c, n, i % across, i / across);
        if (beyond(j)) return refuse(j, "scan %d ends early", j->scans);
        if (!good) return refuse(j, "scan %d is broken", j->scans);
    }
    return j->run ? refuse(j, "scan %d is broken", j->scans) : 1;
}

/* The scan's bits must be new for each of its coefficients; and in the right order for those that have been seen. */
static int check_progress(Jpeg *j, Component *c)
{
    if (j->from > j->to || j->to > 63 || (!j->from && j->to && j->progressive) || j->low > 13 || (j->high && j->high != j->low + 1))
        return refuse(j, "scan %d has coefficients %d to %d, bits %d to %d, which cannot be", j->scans, j->from, j->to, j->high, j->low);
    for (int k = j->from; k <= j->to; k++) {
        if (j->low >= c->bits[k]) return refuse(j, "scan %d brings again what is known", j->scans);
        c->bits[k] = (Byte)j->low;
    }
    return 1;
}

static int check_codes(Jpeg *j, const Component *c)
{
    int need_dc = !j->from && !j->high, good = (!need_dc || j->dc[c->dc_code].known) && (!j->to || j->ac[c->ac_code].known);
    return good ? 1 : refuse(j, "scan %d needs a Huffman table that is missing: a frame of Motion JPEG?", j->scans);
}

/* A component is multiplied by the table that was there when its first scan came. */
static int check_quant(Jpeg *j, Component *c)
{
    if (c->quant[0]) return 1;
    if (!j->quant[c->table][0]) return refuse(j, "quantisation table %d is missing", c->table);
    for (int k = 0; k < 64; k++) c->quant[zigzag[k]] = j->quant[c->table][k];
    return 1;
}

/* data: component 1, DC code 4 bits, AC code 4 bits. NULL: wrong */
static Component *scan_component(Jpeg *j, const Byte *data)
{
    int k = 0;
    while (k < j->components && j->component[k].id != data[0]) k++;
    if (k == j->components) { refuse(j, "a scan of component %d, which there is not", data[0]); return NULL; }
    Component *c = &j->component[k];
    c->dc_code = data[1] >> 4, c->ac_code = data[1] & 15;
    if (c->dc_code > 3 || c->ac_code > 3) { refuse(j, "a Huffman table of number %d and %d, expected 0 to 3", c->dc_code, c->ac_code); return NULL; }
    return check_progress(j, c) && check_codes(j, c) && check_quant(j, c) ? c : NULL;
}

/* data: n | n times a component | from | to | high 4 bits, low 4 bits */
static int read_scan(Jpeg *j, const Byte *data, int size)
{
    Component *c[COMPONENTS];
    int n = size ? data[0] : 0, area = 0;
    if (++j->scans > JPEG_SCANS) return refuse(j, "more than %d scans", JPEG_SCANS);
    if (!j->components) return refuse(j, "a scan before its frame");
    if (n < 1 || n > j->components || size != 4 + 2 * n) return refuse(j, "a scan of %d components in %d bytes", n, size);
    const Byte *last = data + 1 + 2 * n;
    j->from = 0, j->to = 63, j->high = j->low = 0;          /* a baseline scan, whatever it says */
    if (j->progressive) j->from = last[0], j->to = last[1], j->high = last[2] >> 4, j->low = last[2] & 15;
    for (int i = 0; i < n; i++) {
        c[i] = scan_component(j, data + 1 + 2 * i);
        if (!c[i]) return 0;
        area += c[i]->h * c[i]->v;
    }
    if (n > 1 && (area > 10 || j->from)) return refuse(j, "scan %d has more in one unit than a JPEG may", j->scans);
    return read_mcus(j, c, n);
}

/* ---- the other segments ---- */

static int read_quant(Jpeg *j, const Byte *data, int size)
{
    while (size > 0) {
        int wide = data[0] >> 4, table = data[0] & 15, bytes = 1 + 64 * (1 + wide);
        if (wide > 1 || table > 3 || size < bytes) return refuse(j, "a broken quantisation table");
        for (int k = 0; k < 64; k++) {
            j->quant[table][k] = (uint16_t)(wide ? get16(data + 1 + 2 * k) : data[1 + k]);
            if (!j->quant[table][k]) return refuse(j, "a quantisation table with a zero");
        }
        data += bytes, size -= bytes;
    }
    return 1;
}

static int read_codes(Jpeg *j, const Byte *data, int size)
{
    while (size > 0) {
        int ac = data[0] >> 4, number = data[0] & 15;
        if (ac > 1 || number > 3) return refuse(j, "a Huffman table of kind %d, number %d", ac, number);
        int used = make_code(ac ? &j->ac[number] : &j->dc[number], data + 1, size - 1);
        if (!used) return refuse(j, "a broken Huffman table");
        data += 1 + used, size -= 1 + used;
    }
    return 1;
}

static int ceil_of(int a, int b) { return (a + b - 1) / b; }

static int lay_out(Jpeg *j, Component *c)
{
    if (j->h % c->h || j->v % c->v) return refuse(j, "samples of %dx%d beside %dx%d, expected a divisor", c->h, c->v, j->h, j->v);
    c->width  = ceil_of(j->width * c->h, j->h);
    c->height = ceil_of(j->height * c->v, j->v);
    c->across = ceil_of(j->width, 8 * j->h) * c->h;
    c->down   = ceil_of(j->height, 8 * j->v) * c->v;
    memset(c->bits, 14, sizeof c->bits);
    c->coef = calloc((size_t)c->across * (size_t)c->down, 64 * sizeof *c->coef);
    return c->coef ? 1 : refuse(j, "no memory left");
}

/* data: bits a sample 1 | height 2 | width 2 | n 1 | n times: component 1, h 4 bits, v 4 bits, quantisation table 1 */
static int read_frame(Jpeg *j, const Byte *data, int size)
{
    if (j->components) return refuse(j, "a second frame");
    if (size < 6 || size != 6 + 3 * data[5]) return refuse(j, "a broken frame");
    if (data[0] != 8) return refuse(j, "%d bits a sample; only 8 are read", data[0]);
    j->height = get16(data + 1), j->width = get16(data + 3);
    if (!j->width || !j->height || j->width > JPEG_PIXELS / j->height)
        return refuse(j, "a picture of %dx%d, expected at least 1x1, at most %d pixels", j->width, j->height, JPEG_PIXELS);
    if (data[5] == 4) return refuse(j, "four colours (CMYK or YCCK); only grey and RGB are read: convert it to RGB");
    if (data[5] != 1 && data[5] != 3) return refuse(j, "%d components, expected 1 or 3", data[5]);
    j->components = data[5];
    for (int i = 0; i < j->components; i++) {
        const Byte *d = data + 6 + 3 * i;
        Component *c = &j->component[i];
        c->id = d[0], c->h = d[1] >> 4, c->v = d[1] & 15, c->table = d[2];
        if (c->h < 1 || c->h > LARGEST || c->v < 1 || c->v > LARGEST || c->table > 3) return refuse(j, "a broken frame");
        for (int k = 0; k < i; k++) if (j->component[k].id == c->id) return refuse(j, "two components of number %d", c->id);
        if (c->h > j->h) j->h = c->h;
        if (c->v > j->v) j->v = c->v;
    }
    for (int i = 0; i < j->components; i++) if (!lay_out(j, &j->component[i])) return 0;
    return 1;
}

static const char *unread_kind(int marker)
{
    if (marker == 0xC3) return "lossless coding";
    if (marker >= 0xC5 && marker <= 0xC7) return "hierarchical coding";
    if (marker >= 0xC9 && marker <= 0xCF) return "arithmetic coding";
    if (marker == 0xDC) return "a height that follows the picture (DNL)";
    if (marker == 0xDE || marker == 0xDF) return "hierarchical coding";
    return NULL;
}

static int read_segment(Jpeg *j, int marker, const Byte *data, int size)
{
    if (unread_kind(marker)) return refuse(j, "%s, which is not read: save it as a baseline or progressive JPEG", unread_kind(marker));
    switch (marker) {
    case 0xC0: case 0xC1: case 0xC2: j->progressive = marker == 0xC2; return read_frame(j, data, size);
    case 0xC4: return read_codes(j, data, size);
    case 0xDA: return read_scan(j, data, size);
    case 0xDB: return read_quant(j, data, size);
    case 0xDD: return size == 2 ? j->restart = get16(data), 1 : refuse(j, "a broken restart interval");
    case 0xE0: j->jfif |= size >= 5 && !memcmp(data, "JFIF", 5); return 1;
    case 0xEE: if (size >= 12 && !memcmp(data, "Adobe", 5)) j->adobe = data[11]; return 1;
    default: return 1;
    }
}

static int read_segments(Jpeg *j)
{
    if (j->end - j->at < 2 || get16(j->at) != 0xFFD8) return refuse(j, "no JPEG");
    for (j->at += 2;;) {
        int marker = next_marker(j);
        if (!marker) return refuse(j, "the file ends early");
        if (marker == 0xD9) break;
        if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;     /* nothing follows these */
        int size = j->end - j->at < 2 ? 0 : get16(j->at);
        if (size < 2 || size > j->end - j->at) return refuse(j, "the file ends early");
        const Byte *data = j->at + 2;
        j->at += size;
        if (!read_segment(j, marker, data, size - 2)) return 0;
    }
    for (int i = 0; i < j->components; i++) if (!j->component[i].quant[0]) return refuse(j, "the scan of component %d is missing", j->component[i].id);
    return j->components ? 1 : refuse(j, "no picture in it");
}

/* ---- coefficients to samples ---- */

/* The inverse cosine transform of 8 numbers, as libjpeg's accurate integer one: constants are rounded to 13 bits first,
 * then added; these are its sums.   even[i][k], odd[i][k]: what coefficient 2k or 2k + 1 adds to output i; to output
 * 7 - i the even part the same, the odd part negated. */
enum { CONSTANT_BITS = 13, PASS_BITS = 2 };
enum { A = 4433, B = 6270, C = -15137,                      /* 0.541196100, 0.765366865, -1.847759065 */
       Z1 = -7373, Z2 = -20995, Z3 = -16069, Z4 = -3196,    /* -0.899976223, -2.562915447, -1.961570560, -0.390180644: of x7 + x1, x5 + x3, x7 + x3, x5 + x1 */
       Z5 = 9633 };                                         /* 1.175875602, of all four */
static const int even[4][4] = {
    { 8192, A + B, 8192, A }, { 8192, A, -8192, A + C }, { 8192, -A, -8192, -(A + C) }, { 8192, -(A + B), 8192, -A } };
static const int odd[4][4] = {                                                      /* of x1, x3, x5, x7 */
    { 12299 + Z1 + Z4 + Z5, Z5, Z4 + Z5, Z1 + Z5 },
    { Z5, 25172 + Z2 + Z3 + Z5, Z2 + Z5, Z3 + Z5 },
    { Z4 + Z5, Z2 + Z5, 16819 + Z2 + Z4 + Z5, Z5 },
    { Z1 + Z5, Z3 + Z5, Z5, 2446 + Z1 + Z3 + Z5 } };

/* x: 8 numbers, `step` apart, in place, each sum rounded and shifted down */
static void transform(int32_t *x, int step, int shift)
{
    int64_t half = (int64_t)1 << (shift - 1), e[4], o[4];
    for (int i = 0; i < 4; i++) {
        e[i] = half, o[i] = 0;
        for (int k = 0; k < 4; k++) e[i] += (int64_t)even[i][k] * x[2 * k * step], o[i] += (int64_t)odd[i][k] * x[(2 * k + 1) * step];
    }
    for (int i = 0; i < 4; i++) x[i * step] = (int32_t)((e[i] + o[i]) >> shift), x[(7 - i) * step] = (int32_t)((e[i] - o[i]) >> shift);
}

static Byte clamp(int x) { return (Byte)(x < 0 ? 0 : x > 255 ? 255 : x); }

/* Columns, then rows, then up by 128. to: 8 rows, `stride` apart */
static void block_samples(const int16_t *coef, const uint16_t *quant, Byte *to, size_t stride)
{
    int32_t x[64];
    for (int k = 0; k < 64; k++) x[k] = coef[k] * quant[k];
    for (int i = 0; i < 8; i++) transform(x + i, 8, CONSTANT_BITS - PASS_BITS);
    for (int i = 0; i < 8; i++) transform(x + 8 * i, 1, CONSTANT_BITS + PASS_BITS + 3);
    for (int k = 0; k < 64; k++) to[(size_t)(k / 8) * stride + (size_t)(k % 8)] = clamp(x[k] + 128);
}

static int component_samples(Jpeg *j, Component *c)
{
    size_t across = (size_t)c->across, down = (size_t)c->down, stride = 8 * across;
    c->plane = malloc(64 * across * down);
    if (!c->plane) return refuse(j, "no memory left");
    for (size_t y = 0; y < down; y++)
        for (size_t x = 0; x < across; x++) block_samples(c->coef + 64 * (y * across + x), c->quant, c->plane + 8 * (y * stride + x), stride);
    free(c->coef);
    c->coef = NULL;
    return 1;
}

/* ---- samples to pixels ---- */

/* Row y of the picture, from half as many samples in one direction or both, each (3 nearest + 1 next nearest) / 4, rounded up
 * and down in turn; other factors repeat samples, and so do components too narrow to have neighbours.
 * sum: [width of the component], scratch */
static void grow_row(const Jpeg *j, const Component *c, int y, int *sum, Byte *out)
{
    int across = j->h / c->h, down = j->v / c->v, n = c->width, wide = across == 2 && down <= 2 && n > 2;
    int high = down == 2 && (across == 1 || wide), row = y / down, next = y % 2 ? row + 1 : row - 1;
    if (next < 0 || next >= c->height) next = row;
    const Byte *a = c->plane + (size_t)row * 8 * (size_t)c->across, *b = c->plane + (size_t)next * 8 * (size_t)c->across;
    if (!wide && !high) {
        for (int x = 0; x < j->width; x++) out[x] = a[x / across];
        return;
    }
    for (int x = 0; x < n; x++) sum[x] = high ? 3 * a[x] + b[x] : a[x];
    if (!wide) {
        for (int x = 0; x < j->width; x++) out[x] = (Byte)((sum[x] + 1 + y % 2) >> 2);
        return;
    }
    int shift = high ? 4 : 2, left = high ? 8 : 1, right = high ? 7 : 2;
    for (int x = 0; x < j->width; x++) {
        int at = x / 2, beside = x % 2 ? (at + 1 < n ? at + 1 : at) : (at ? at - 1 : at);
        out[x] = (Byte)((3 * sum[at] + sum[beside] + (x % 2 ? right : left)) >> shift);
    }
}

/* T.871, in 16 bits:  r = y + 1.402 cr    g = y - 0.344136 cb - 0.714136 cr    b = y + 1.772 cb */
static void put_colour(int y, int cb, int cr, Byte *rgb)
{
    const int half = 1 << 15;
    cb -= 128, cr -= 128;
    rgb[0] = clamp(y + ((91881 * cr + half) >> 16));
    rgb[1] = clamp(y + ((-22554 * cb - 46802 * cr + half) >> 16));
    rgb[2] = clamp(y + ((116130 * cb + half) >> 16));
}

/* Three components are YCbCr unless the file says, or names them, otherwise; as libjpeg guesses. */
static int is_rgb(const Jpeg *j)
{
    const Component *c = j->component;
    if (j->jfif) return 0;
    if (j->adobe >= 0) return j->adobe == 0;
    return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B';
}

/* rows: [3, width], scratch */
static void put_rows(const Jpeg *j, int *sum, Byte *rows, Byte *rgb)
{
    size_t width = (size_t)j->width;
    int rgb_already = is_rgb(j);
    for (int y = 0; y < j->height; y++) {
        for (int i = 0; i < j->components; i++) grow_row(j, &j->component[i], y, sum, rows + (size_t)i * width);
        for (size_t x = 0; x < width; x++, rgb += 3) {
            Byte a = rows[x], b = j->components == 3 ? rows[width + x] : a, c = j->components == 3 ? rows[2 * width + x] : a;
            if (j->components == 1 || rgb_already) rgb[0] = a, rgb[1] = b, rgb[2] = c;
            else put_colour(a, b, c, rgb);
        }
    }
}

static Byte *to_rgb(Jpeg *j)
{
    size_t width = (size_t)j->width;
    for (int i = 0; i < j->components; i++) if (!component_samples(j, &j->component[i])) return NULL;
    int *sum = malloc(width * sizeof *sum);
    Byte *rows = malloc(3 * width), *rgb = malloc(3 * width * (size_t)j->height);
    if (sum && rows && rgb) put_rows(j, sum, rows, rgb);
    else refuse(j, "no memory left"), free(rgb), rgb = NULL;
    free(sum);
    free(rows);
    return rgb;
}

unsigned char *jpeg_decode(const unsigned char *jpeg, size_t size, int *width, int *height, char why[JPEG_WHY])
{
    Jpeg *j = calloc(1, sizeof *j);
    Byte *rgb = NULL;
    if (!j) { snprintf(why, JPEG_WHY, "no memory left"); return NULL; }
    j->at = jpeg, j->end = jpeg + size, j->why = why, j->adobe = -1;
    if (read_segments(j)) rgb = to_rgb(j);
    *width = j->width, *height = j->height;
    for (int i = 0; i < COMPONENTS; i++) free(j->component[i].coef), free(j->component[i].plane);
    free(j);
    return rgb;
}

const unsigned char *jpeg_exif(const unsigned char *jpeg, size_t size, size_t *n)
{
    if (size < 2 || get16(jpeg) != 0xFFD8) return NULL;
    for (size_t at = 2, length; size - at >= 4 && jpeg[at] == 0xFF; at += 2 + length) {
        length = (size_t)get16(jpeg + at + 2);
        if (jpeg[at + 1] == 0xDA || length < 2 || length > size - at - 2) return NULL;
        if (jpeg[at + 1] == 0xE1 && length >= 8 && !memcmp(jpeg + at + 4, "Exif\0\0", 6)) return *n = length - 8, jpeg + at + 10;
    }
    return NULL;
}
