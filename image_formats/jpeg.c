/* jpeg.c - reads JPEG files (ITU-T T.81).
 *
 *     marker segments -> tables, frame, scans      a scan brings bits of some DCT coefficients of some components
 *     bits -> coefficients, of the whole picture    a baseline scan is a progressive scan that brings everything;
 *                                                   the bits are Huffman codes, or arithmetic coding
 *     coefficients -> samples -> RGB                IDCT, chroma upsampling, colour conversion
 *
 * The last step is jpeg_pixels.c.
 *
 * Invariants: a coefficient only gets more exact (each scan must bring bits below those that are known), so a file
 * cannot ask for the same work twice.  Sizes are checked before memory is taken.  Bits past the end of a scan read as
 * zeros, and a scan that used one is refused.  The first thing that is wrong ends the work.
 * Other programs show what they can read of a broken file.  This one refuses it: training needs whole pictures.
 * It refuses, by name, lossless and hierarchical files, and 12 bits. */
#include "jpeg.h"

#include "jpeg_arithmetic.h"
#include "jpeg_pixels.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* Markers: the byte behind FF (T.81, table B.1). */
enum {
    TEM = 0x01, SOF0 = 0xC0, SOF1 = 0xC1, SOF2 = 0xC2, SOF3 = 0xC3, DHT = 0xC4, JPG = 0xC8, SOF9 = 0xC9,
    SOF10 = 0xCA, SOF11 = 0xCB, DAC = 0xCC, RST0 = 0xD0, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, DQT = 0xDB, DNL = 0xDC,
    DRI = 0xDD, DHP = 0xDE, EXP = 0xDF, APP0 = 0xE0, APP1 = 0xE1, APP14 = 0xEE, COM = 0xFE
};

enum {
    MAX_SAMPLING = 4,           /* the largest sampling factor */
    MAX_MCU_BLOCKS = 10,        /* T.81, B.2.3 */
    COEFFICIENT_BITS = 14,
    MAX_CODE = 16,              /* bits of a Huffman code */
    FAST_BITS = 9               /* Huffman codes up to this length are looked up at once */
};

/* A Huffman table (T.81, Annex C), of canonical codes. */
typedef struct {
    int is_known;                       /* whether the file has given it */
    int count[MAX_CODE + 1];            /* how many codes have each length */
    Byte symbol[256];                   /* the symbols in order of their codes */
    uint16_t fast[1 << FAST_BITS];      /* by the next bits: length << 8 | symbol; 0: the code is longer, or none */
} Huffman;

typedef struct {
    const Byte *at, *end;               /* what is left of the file */
    char *why;
    JpegFrame frame;                    /* frame.components 0: there is none yet */
    int is_progressive, is_arithmetic;
    int restart_interval;               /* MCUs between restart markers; 0: there are none */
    int has_jfif;
    int adobe_transform;                /* the colour transform that an Adobe segment names; -1: there is none */
    uint16_t quant[4][64];              /* quantisation tables, zigzag; first entry 0: not given */
    Huffman dc[4], ac[4];
    Arithmetic arithmetic;

    int scans;                          /* how many, this one included */
    JpegComponent *scan[JPEG_COMPONENTS];        /* the components of this scan */
    int scan_components;
    int ss, se;                         /* spectral selection: the first and the last coefficient of the scan */
    int ah, al;                         /* successive approximation: low bits unknown before (0: all), and after it */
    int eob_run;                        /* blocks that end at once, this one included (EOBRUN) */
    uint64_t bits;                      /* bits that were read ahead, the next one highest */
    int bit_count;                      /* how many */
    int past;                           /* how many of them lie past the end of the scan */
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

/* ---- the bits of a scan ---- */

/* T.81, B.1.1.5.  FF 00 is the data byte FF.  FF and anything else is a marker, which ends the data. */
static int is_data(const Jpeg *j)
{
    if (j->at >= j->end) return 0;
    if (*j->at != 0xFF) return 1;
    return j->end - j->at >= 2 && j->at[1] == 0;
}

static void need_bits(Jpeg *j, int n)
{
    while (j->bit_count < n) {
        j->bits <<= 8;
        if (is_data(j)) {
            j->bits |= *j->at;
            j->at += *j->at == 0xFF ? 2 : 1;
        } else {
            j->past += 8;
        }
        j->bit_count += 8;
    }
}

/* The next n of the bits that were read ahead. */
static int peek_bits(const Jpeg *j, int n) { return (int)(j->bits >> (j->bit_count - n) & ((1u << n) - 1)); }

static int take_bits(Jpeg *j, int n)
{
    need_bits(j, n);
    j->bit_count -= n;
    return (int)(j->bits >> j->bit_count & ((1u << n) - 1));
}

/* T.81, F.2.2.1, EXTEND.  A number of n bits: those that begin with 0 are negative, from -(2^n - 1) up. */
static int take_signed(Jpeg *j, int n)
{
    int x = take_bits(j, n);
    if (n && x < 1 << (n - 1)) x -= (1 << n) - 1;
    return x;
}

/* Were bits used that lie past the end of the scan? */
static int is_past_end(const Jpeg *j) { return j->past > j->bit_count; }

/* ---- Huffman codes ---- */

/* T.81, F.2.2.3, DECODE.  Returns the next symbol, -1 when the bits are no code. */
static int take_symbol(Jpeg *j, const Huffman *h)
{
    need_bits(j, MAX_CODE);
    int entry = h->fast[peek_bits(j, FAST_BITS)];
    if (entry) {
        j->bit_count -= entry >> 8;
        return entry & 255;
    }
    int first_code = 0;                 /* of n bits */
    int first_symbol = 0;               /* where its symbol stands */
    for (int n = 1; n <= MAX_CODE; n++) {
        int code = peek_bits(j, n);
        if (code - first_code < h->count[n]) {
            j->bit_count -= n;
            return h->symbol[first_symbol + code - first_code];
        }
        first_symbol += h->count[n];
        first_code = (first_code + h->count[n]) << 1;
    }
    return -1;
}

/* Enters a code of n bits at every index of the fast table that begins with it. */
static void add_fast(Huffman *h, int code, int n, Byte symbol)
{
    if (n > FAST_BITS) return;
    int shift = FAST_BITS - n;
    for (int k = 0; k < 1 << shift; k++) h->fast[(code << shift) + k] = (uint16_t)(n << 8 | symbol);
}

/* T.81, B.2.4.2 and C.2.  data: how many codes have each length, 16 bytes, then the symbols.
 * Returns the bytes that were used, 0 when they make no Huffman table. */
static int make_huffman(Huffman *h, const Byte *data, int size)
{
    int symbols = 0;
    if (size < 16) return 0;
    memset(h, 0, sizeof *h);
    for (int n = 1; n <= MAX_CODE; n++) {
        h->count[n] = data[n - 1];
        symbols += h->count[n];
    }
    if (symbols > 256 || symbols > size - 16) return 0;
    memcpy(h->symbol, data + 16, (size_t)symbols);
    int code = 0;
    int at = 0;
    for (int n = 1; n <= MAX_CODE; n++) {
        if (code + h->count[n] > 1 << n) return 0;
        for (int i = 0; i < h->count[n]; i++) add_fast(h, code + i, n, h->symbol[at + i]);
        at += h->count[n];
        code = (code + h->count[n]) << 1;
    }
    h->is_known = 1;
    return 16 + symbols;
}

/* ---- the coefficients of one block: each function returns 0 when the bits break the rules ---- */

/* T.81, A.3.6.  Where the coefficient k of the file's zigzag order stands in the block. */
static const Byte zigzag[64] = {
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* T.81, F.2.2.1: the difference of DC to the block before. */
static int read_difference(Jpeg *j, JpegComponent *c, int *difference)
{
    if (j->is_arithmetic) return arithmetic_difference(&j->arithmetic, c->dc_table, &c->dc_context, difference);
    int size = take_symbol(j, &j->dc[c->dc_table]);
    if (size < 0 || size > 15) return 0;
    *difference = take_signed(j, size);
    return 1;
}

/* T.81, G.1.2.1.  The first scan stores DC as differences; later ones add a bit. */
static int read_dc(Jpeg *j, JpegComponent *c, int16_t *block)
{
    int difference;
    if (j->ah) {
        int bit = j->is_arithmetic ? arithmetic_bit(&j->arithmetic) : take_bits(j, 1);
        block[0] = (int16_t)(block[0] | bit << j->al);
        return 1;
    }
    if (!read_difference(j, c, &difference)) return 0;
    c->dc += difference;
    int value = c->dc * (1 << j->al);
    if (value < INT16_MIN || value > INT16_MAX) return 0;
    block[0] = (int16_t)value;
    return 1;
}

/* T.81, F.2.2.2 and G.1.2.2.  A symbol is run << 4 | size.  size > 0: run zeros, then a coefficient of size bits.
 * size = 0: run = 15 is sixteen zeros; a smaller run ends this block, and 2^run - 1 + (run more bits) blocks after it.
 * Returns the size and sets *zeros; -1: wrong. */
static int read_ac_symbol(Jpeg *j, const JpegComponent *c, int *zeros)
{
    int symbol = take_symbol(j, &j->ac[c->ac_table]);
    if (symbol < 0) return -1;
    int run = symbol >> 4;
    int size = symbol & 15;
    *zeros = run;
    if (size == 0 && run < 15) {
        if (run && !j->is_progressive) return -1;
        j->eob_run = (1 << run) + take_bits(j, run);
    }
    return size;
}

static int first_ac(const Jpeg *j) { return j->ss ? j->ss : 1; }

/* The first scan of these AC coefficients. */
static int read_ac(Jpeg *j, const JpegComponent *c, int16_t *block)
{
    int k = first_ac(j);
    while (k <= j->se && !j->eob_run) {
        int zeros;
        int size = read_ac_symbol(j, c, &zeros);
        if (size < 0) return 0;
        if (j->eob_run) break;
        k += zeros;
        if (size) {
            if (k > j->se) return 0;
            block[zigzag[k]] = (int16_t)(take_signed(j, size) * (1 << j->al));
        }
        k++;
    }
    if (j->eob_run) j->eob_run--;
    return 1;
}

/* From coefficient k on, passes over `zeros` coefficients that are still zero.  Those on the way that are not zero get
 * their next bit.  Returns the place of the next zero, or se + 1. */
static int refine_past_zeros(Jpeg *j, int16_t *block, int k, int zeros)
{
    for (; k <= j->se; k++) {
        int16_t *x = &block[zigzag[k]];
        if (*x) {
            int is_larger = take_bits(j, 1);
            int step = *x > 0 ? 1 << j->al : -(1 << j->al);
            if (is_larger) *x = (int16_t)(*x + step);
        } else {
            if (zeros == 0) break;
            zeros--;
        }
    }
    return k;
}

/* T.81, G.1.2.3.  A later scan of these AC coefficients brings one more bit of each.  A run counts only those that are
 * still zero, and a coefficient that becomes known is 1 or -1 in this bit. */
static int refine_ac(Jpeg *j, const JpegComponent *c, int16_t *block)
{
    int k = first_ac(j);
    while (k <= j->se && !j->eob_run) {
        int zeros;
        int size = read_ac_symbol(j, c, &zeros);
        if (size < 0 || size > 1) return 0;
        if (j->eob_run) break;
        int value = 0;
        if (size) value = take_bits(j, 1) ? 1 << j->al : -(1 << j->al);
        k = refine_past_zeros(j, block, k, zeros);
        if (value && k > j->se) return 0;
        if (k <= j->se) block[zigzag[k]] = (int16_t)value;
        k++;
    }
    refine_past_zeros(j, block, k, 64);
    if (j->eob_run) j->eob_run--;
    return 1;
}

static int read_block(Jpeg *j, JpegComponent *c, int16_t *block)
{
    if (j->ss == 0 && !read_dc(j, c, block)) return 0;
    if (j->se == 0) return 1;
    if (j->is_arithmetic) {
        int (*read)(Arithmetic *, int, int16_t *, const uint8_t *, int, int, int) = j->ah ? arithmetic_refine_ac
                                                                                          : arithmetic_ac;
        return read(&j->arithmetic, c->ac_table, block, zigzag, first_ac(j), j->se, j->al);
    }
    return j->ah ? refine_ac(j, c, block) : read_ac(j, c, block);
}

/* ---- scans ---- */

/* Returns the next marker and moves behind it; 0 when the file ends first.  Other bytes before it are passed over, as
 * libjpeg does. */
static int next_marker(Jpeg *j)
{
    while (j->end - j->at >= 2) {
        int is_marker = j->at[0] == 0xFF && j->at[1] != 0 && j->at[1] != 0xFF;
        j->at++;
        if (is_marker) return *j->at++;
    }
    return 0;
}

/* Bits and predictions start anew, at the start of a scan and after a restart marker. */
static void reset_scan(Jpeg *j)
{
    j->bits = 0;
    j->bit_count = 0;
    j->past = 0;
    j->eob_run = 0;
    for (int i = 0; i < j->scan_components; i++) {
        j->scan[i]->dc = 0;
        j->scan[i]->dc_context = 0;
    }
}

/* T.81, E.2.4.  number: how many restart markers came before in this scan; they count from RST0 to RST7, modulo 8. */
static int read_restart_marker(Jpeg *j, int number)
{
    reset_scan(j);
    if (next_marker(j) != RST0 + number % 8)
        return refuse(j, "restart marker %d of scan %d is missing", number, j->scans);
    if (j->is_arithmetic) arithmetic_begin(&j->arithmetic, &j->at, j->end);
    return 1;
}

static int16_t *block_at(const JpegComponent *c, int row, int column)
{
    return c->coefficients + ((size_t)row * (size_t)c->blocks_across + (size_t)column) * 64;
}

/* T.81, A.2.  The MCU of one component alone is a block; that of several has h x v blocks of each component. */
static int read_mcu(Jpeg *j, int x, int y)
{
    if (j->scan_components == 1) return read_block(j, j->scan[0], block_at(j->scan[0], y, x));
    for (int i = 0; i < j->scan_components; i++) {
        JpegComponent *c = j->scan[i];
        for (int k = 0; k < c->h * c->v; k++)
            if (!read_block(j, c, block_at(c, y * c->v + k / c->h, x * c->h + k % c->h))) return 0;
    }
    return 1;
}

static int ceil_div(int a, int b) { return (a + b - 1) / b; }

/* One component alone has only the blocks that hold some of the picture. */
static int read_mcus(Jpeg *j)
{
    const JpegComponent *c = j->scan[0];
    int is_single = j->scan_components == 1;
    int across = is_single ? ceil_div(c->width, 8) : c->blocks_across / c->h;
    int down = is_single ? ceil_div(c->height, 8) : c->blocks_down / c->v;
    reset_scan(j);
    if (j->is_arithmetic) arithmetic_begin(&j->arithmetic, &j->at, j->end);
    for (int i = 0; i < across * down; i++) {
        int is_restart = j->restart_interval && i && i % j->restart_interval == 0;
        if (is_restart && !read_restart_marker(j, i / j->restart_interval - 1)) return 0;
        int good = read_mcu(j, i % across, i / across);
        if (is_past_end(j)) return refuse(j, "scan %d ends early", j->scans);
        if (!good) return refuse(j, "scan %d is broken", j->scans);
    }
    return j->eob_run ? refuse(j, "scan %d is broken", j->scans) : 1;
}

/* The bits of the scan must be new for each of its coefficients, and come in order (T.81, G.1.1.1). */
static int check_progress(Jpeg *j, JpegComponent *c)
{
    int is_good = j->ss <= j->se && j->se <= 63 && j->al < COEFFICIENT_BITS;
    if (j->is_progressive && j->ss == 0 && j->se > 0) is_good = 0;          /* DC has scans of its own */
    if (j->ah && j->ah != j->al + 1) is_good = 0;                           /* later scans bring one bit each */
    if (!is_good)
        return refuse(j, "scan %d has coefficients %d to %d, bits %d to %d, which cannot be",
                      j->scans, j->ss, j->se, j->ah, j->al);
    for (int k = j->ss; k <= j->se; k++) {
        if (j->al >= c->unknown_bits[k]) return refuse(j, "scan %d brings again what is known", j->scans);
        c->unknown_bits[k] = (Byte)j->al;
    }
    return 1;
}

static int check_huffman(Jpeg *j, const JpegComponent *c)
{
    if (j->is_arithmetic) return 1;
    int needs_dc = j->ss == 0 && j->ah == 0;
    int needs_ac = j->se > 0;
    if ((!needs_dc || j->dc[c->dc_table].is_known) && (!needs_ac || j->ac[c->ac_table].is_known)) return 1;
    return refuse(j, "scan %d needs a Huffman table that is missing: a frame of Motion JPEG?", j->scans);
}

/* A component keeps the quantisation table that was there when its first scan came; the file may replace it later. */
static int keep_quant(Jpeg *j, JpegComponent *c)
{
    const uint16_t *table = j->quant[c->quant_table];
    if (c->quant[0]) return 1;
    if (!table[0]) return refuse(j, "quantisation table %d is missing", c->quant_table);
    for (int k = 0; k < 64; k++) c->quant[zigzag[k]] = table[k];
    return 1;
}

/* data:  | component | DC table 4 bits, AC table 4 bits | */
static int add_scan_component(Jpeg *j, const Byte *data)
{
    int k = 0;
    while (k < j->frame.components && j->frame.component[k].id != data[0]) k++;
    if (k == j->frame.components) return refuse(j, "a scan of component %d, which there is not", data[0]);
    JpegComponent *c = &j->frame.component[k];
    c->dc_table = data[1] >> 4;
    c->ac_table = data[1] & 15;
    if (c->dc_table > 3 || c->ac_table > 3)
        return refuse(j, "a Huffman table of number %d and %d, expected 0 to 3", c->dc_table, c->ac_table);
    j->scan[j->scan_components++] = c;
    return check_progress(j, c) && check_huffman(j, c) && keep_quant(j, c);
}

/* T.81, B.2.3.  data:  | n | n components | Ss | Se | Ah 4 bits, Al 4 bits | */
static int read_scan(Jpeg *j, const Byte *data, int size)
{
    int n = size ? data[0] : 0;
    int mcu_blocks = 0;
    j->scans++;
    if (j->scans > JPEG_MAX_SCANS) return refuse(j, "more than %d scans", JPEG_MAX_SCANS);
    if (!j->frame.components) return refuse(j, "a scan before its frame");
    if (n < 1 || n > j->frame.components || size != 4 + 2 * n)
        return refuse(j, "a scan of %d components in %d bytes", n, size);
    const Byte *last = data + 1 + 2 * n;
    j->ss = j->is_progressive ? last[0] : 0;                /* a baseline scan brings everything, whatever it says */
    j->se = j->is_progressive ? last[1] : 63;
    j->ah = j->is_progressive ? last[2] >> 4 : 0;
    j->al = j->is_progressive ? last[2] & 15 : 0;
    j->scan_components = 0;
    for (int i = 0; i < n; i++) {
        if (!add_scan_component(j, data + 1 + 2 * i)) return 0;
        mcu_blocks += j->scan[i]->h * j->scan[i]->v;
    }
    if (n > 1 && (mcu_blocks > MAX_MCU_BLOCKS || j->ss))
        return refuse(j, "scan %d has more in one unit than a JPEG may", j->scans);
    return read_mcus(j);
}

/* ---- the other segments ---- */

/* T.81, B.2.4.1, DQT.  data:  | Pq 4 bits: 0 is 8 bits an entry, 1 is 16; number 4 bits | 64 entries |, repeated */
static int read_quant(Jpeg *j, const Byte *data, int size)
{
    while (size > 0) {
        int pq = data[0] >> 4;
        int table = data[0] & 15;
        int bytes = 1 + 64 * (1 + pq);
        if (pq > 1 || table > 3 || size < bytes) return refuse(j, "a broken quantisation table");
        for (int k = 0; k < 64; k++) {
            int value = pq ? get16(data + 1 + 2 * k) : data[1 + k];
            j->quant[table][k] = (uint16_t)value;
            if (!value) return refuse(j, "a quantisation table with a zero");
        }
        data += bytes;
        size -= bytes;
    }
    return 1;
}

/* T.81, B.2.4.2, DHT.  data:  | class 4 bits: 0 is DC, 1 is AC; number 4 bits | the table |, repeated */
static int read_huffman(Jpeg *j, const Byte *data, int size)
{
    while (size > 0) {
        int kind = data[0] >> 4;
        int number = data[0] & 15;
        if (kind > 1 || number > 3) return refuse(j, "a Huffman table of kind %d, number %d", kind, number);
        int used = make_huffman(kind ? &j->ac[number] : &j->dc[number], data + 1, size - 1);
        if (!used) return refuse(j, "a broken Huffman table");
        data += 1 + used;
        size -= 1 + used;
    }
    return 1;
}

/* T.81, B.2.4.3, DAC.  data:  | class 4 bits: 0 is DC, 1 is AC; number 4 bits | for DC U and L, 4 bits each; for AC
 * Kx |, repeated */
static int read_conditioning(Jpeg *j, const Byte *data, int size)
{
    Arithmetic *d = &j->arithmetic;
    for (; size > 1; data += 2, size -= 2) {
        int kind = data[0] >> 4;
        int table = data[0] & 15;
        if (kind > 1 || table >= ARITHMETIC_TABLES || (kind == 0 && (data[1] & 15) > data[1] >> 4))
            return refuse(j, "broken conditioning of arithmetic coding");
        if (kind) {
            d->split[table] = data[1];
        } else {
            d->low[table] = data[1] & 15;
            d->high[table] = data[1] >> 4;
        }
    }
    return size ? refuse(j, "broken conditioning of arithmetic coding") : 1;
}

/* T.81, B.2.4.4, DRI. */
static int read_restart_interval(Jpeg *j, const Byte *data, int size)
{
    if (size != 2) return refuse(j, "a broken restart interval");
    j->restart_interval = get16(data);
    return 1;
}

/* T.81, A.1.1 and A.2.4: the samples of a component, and its blocks, which fill whole MCUs. */
static int lay_out(Jpeg *j, JpegComponent *c)
{
    if (j->frame.h % c->h || j->frame.v % c->v)
        return refuse(j, "samples of %dx%d beside %dx%d, expected a divisor", c->h, c->v, j->frame.h, j->frame.v);
    c->width = ceil_div(j->frame.width * c->h, j->frame.h);
    c->height = ceil_div(j->frame.height * c->v, j->frame.v);
    c->blocks_across = ceil_div(j->frame.width, 8 * j->frame.h) * c->h;
    c->blocks_down = ceil_div(j->frame.height, 8 * j->frame.v) * c->v;
    memset(c->unknown_bits, COEFFICIENT_BITS, sizeof c->unknown_bits);
    c->coefficients = calloc((size_t)c->blocks_across * (size_t)c->blocks_down, 64 * sizeof *c->coefficients);
    return c->coefficients ? 1 : refuse(j, "no memory left");
}

/* data:  | component | h 4 bits, v 4 bits | number of its quantisation table | */
static int read_component(Jpeg *j, int i, const Byte *data)
{
    JpegComponent *c = &j->frame.component[i];
    c->id = data[0];
    c->h = data[1] >> 4;
    c->v = data[1] & 15;
    c->quant_table = data[2];
    if (c->h < 1 || c->h > MAX_SAMPLING || c->v < 1 || c->v > MAX_SAMPLING || c->quant_table > 3)
        return refuse(j, "a broken frame");
    for (int k = 0; k < i; k++)
        if (j->frame.component[k].id == c->id) return refuse(j, "two components of number %d", c->id);
    if (c->h > j->frame.h) j->frame.h = c->h;
    if (c->v > j->frame.v) j->frame.v = c->v;
    return 1;
}

/* T.81, B.2.2.  data:  | bits a sample | height 2 | width 2 | n | n components | */
static int read_frame(Jpeg *j, const Byte *data, int size)
{
    if (j->frame.components) return refuse(j, "a second frame");
    if (size < 6 || size != 6 + 3 * data[5]) return refuse(j, "a broken frame");
    if (data[0] != 8) return refuse(j, "%d bits a sample; only 8 are read", data[0]);
    j->frame.height = get16(data + 1);
    j->frame.width = get16(data + 3);
    if (!j->frame.width || !j->frame.height || j->frame.width > JPEG_MAX_PIXELS / j->frame.height)
        return refuse(j, "a picture of %dx%d, expected at least 1x1, at most %d pixels",
                      j->frame.width, j->frame.height, JPEG_MAX_PIXELS);
    if (data[5] != 1 && data[5] != 3 && data[5] != 4) return refuse(j, "%d components, expected 1, 3 or 4", data[5]);
    j->frame.components = data[5];
    for (int i = 0; i < j->frame.components; i++)
        if (!read_component(j, i, data + 6 + 3 * i)) return 0;
    for (int i = 0; i < j->frame.components; i++)
        if (!lay_out(j, &j->frame.component[i])) return 0;
    return 1;
}

static const char *unread_kind(int marker)
{
    if (marker == SOF3) return "lossless coding";
    if (marker >= 0xC5 && marker <= 0xC7) return "hierarchical coding";
    if (marker == SOF11) return "lossless coding";
    if (marker >= 0xCD && marker <= 0xCF) return "hierarchical coding";
    if (marker == DNL) return "a height that follows the picture (DNL)";
    if (marker == DHP || marker == EXP) return "hierarchical coding";
    return NULL;
}

static int read_segment(Jpeg *j, int marker, const Byte *data, int size)
{
    const char *kind = unread_kind(marker);
    if (kind) return refuse(j, "%s, which is not read: save it as a baseline or progressive JPEG", kind);
    switch (marker) {
    case SOF0:
    case SOF1:
    case SOF2:
    case SOF9:
    case SOF10:
        j->is_progressive = marker == SOF2 || marker == SOF10;
        j->is_arithmetic = marker == SOF9 || marker == SOF10;
        return read_frame(j, data, size);
    case DAC: return read_conditioning(j, data, size);
    case DHT: return read_huffman(j, data, size);
    case SOS: return read_scan(j, data, size);
    case DQT: return read_quant(j, data, size);
    case DRI: return read_restart_interval(j, data, size);
    case APP0:
        if (size >= 5 && !memcmp(data, "JFIF", 5)) j->has_jfif = 1;
        return 1;
    case APP14:
        if (size >= 12 && !memcmp(data, "Adobe", 5)) j->adobe_transform = data[11];
        return 1;
    default: return 1;
    }
}

/* These markers stand alone; after all others a size of 2 bytes follows (T.81, B.1.1.3). */
static int stands_alone(int marker) { return marker == TEM || (marker >= RST0 && marker <= SOI); }

static int read_segments(Jpeg *j)
{
    if (j->end - j->at < 2 || get16(j->at) != 0xFFD8) return refuse(j, "no JPEG");
    j->at += 2;
    for (;;) {
        int marker = next_marker(j);
        if (!marker) return refuse(j, "the file ends early");
        if (marker == EOI) break;
        if (stands_alone(marker)) continue;
        int size = j->end - j->at < 2 ? 0 : get16(j->at);
        if (size < 2 || size > j->end - j->at) return refuse(j, "the file ends early");
        const Byte *data = j->at + 2;
        j->at += size;
        if (!read_segment(j, marker, data, size - 2)) return 0;
    }
    for (int i = 0; i < j->frame.components; i++) {
        const JpegComponent *c = &j->frame.component[i];
        if (!c->quant[0]) return refuse(j, "the scan of component %d is missing", c->id);
    }
    return j->frame.components ? 1 : refuse(j, "no picture in it");
}

/* ---- the whole file ---- */

/* Are the first three components no YCbCr, but RGB, or CMY beside K?  Three are YCbCr unless the file says, or names
 * them, otherwise; four are CMYK unless it says YCCK.  libjpeg guesses the same way. */
static int has_plain_colours(const Jpeg *j)
{
    const JpegComponent *c = j->frame.component;
    if (j->frame.components == 4) return j->adobe_transform <= 0;
    if (j->has_jfif) return 0;
    if (j->adobe_transform >= 0) return j->adobe_transform == 0;
    return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B';
}

unsigned char *jpeg_decode(const unsigned char *jpeg, size_t size, int *width, int *height, char why[JPEG_WHY])
{
    Jpeg *j = calloc(1, sizeof *j);
    Byte *rgb = NULL;
    if (!j) {
        snprintf(why, JPEG_WHY, "no memory left");
        return NULL;
    }
    j->at = jpeg;
    j->end = jpeg + size;
    j->why = why;
    j->adobe_transform = -1;
    arithmetic_defaults(&j->arithmetic);
    if (read_segments(j)) {
        rgb = jpeg_pixels(&j->frame, has_plain_colours(j));
        if (!rgb) refuse(j, "no memory left");
    }
    *width = j->frame.width;
    *height = j->frame.height;
    for (int i = 0; i < JPEG_COMPONENTS; i++) {
        free(j->frame.component[i].coefficients);
        free(j->frame.component[i].plane);
    }
    free(j);
    return rgb;
}

/* Returns what follows `head` in the first segment of this kind that begins with it; NULL when there is none. */
static const Byte *find_segment(const Byte *jpeg, size_t size, int kind, const char *head, size_t head_size, size_t *n)
{
    if (size < 2 || get16(jpeg) != 0xFFD8) return NULL;
    size_t at = 2;
    while (size - at >= 4 && jpeg[at] == 0xFF) {
        int marker = jpeg[at + 1];
        const Byte *data = jpeg + at + 4;
        size_t length = (size_t)get16(jpeg + at + 2);
        if (marker == SOS || length < 2 || length > size - at - 2) return NULL;
        if (marker == kind && length - 2 >= head_size && !memcmp(data, head, head_size)) {
            *n = length - 2 - head_size;
            return data + head_size;
        }
        at += 2 + length;
    }
    return NULL;
}

int jpeg_size(const unsigned char *jpeg, size_t size, int *width, int *height)
{
    for (int kind = SOF0; kind <= 0xCF; kind++) {
        size_t n;
        int is_frame = kind != DHT && kind != JPG && kind != DAC;
        const Byte *frame = is_frame ? find_segment(jpeg, size, kind, "", 0, &n) : NULL;
        if (!frame || n < 5) continue;
        *height = get16(frame + 1);
        *width = get16(frame + 3);
        return *width && *height;
    }
    return 0;
}

/* EXIF 2.32 (CIPA DC-008), 4.5.4:  | FF E1 | size | "Exif" 0 0 | the block | */
const unsigned char *jpeg_exif(const unsigned char *jpeg, size_t size, size_t *n)
{
    return find_segment(jpeg, size, APP1, "Exif\0\0", 6, n);
}

/* XMP part 3, 1.1.3:  | FF E1 | size | its name space and 0 | the text | */
const unsigned char *jpeg_xmp(const unsigned char *jpeg, size_t size, size_t *n)
{
    static const char name[] = "http://ns.adobe.com/xap/1.0/";
    return find_segment(jpeg, size, APP1, name, sizeof name, n);
}

const unsigned char *jpeg_comment(const unsigned char *jpeg, size_t size, size_t *n)
{
    return find_segment(jpeg, size, COM, "", 0, n);
}
