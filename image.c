/* image.c - pictures to PNG and animated PNG.
 *
 *   rows      each is stored as its difference from what a filter predicts of it; of the five filters the one with the
 *             smallest sum of differences, which is a guess at what packs best and nearly always a good one.
 *   bytes     deflate: repeats found through chains of equal hashes, one step lazy (a match waits to see whether the
 *             next byte starts a longer one), then a Huffman code per block, the block's own or the fixed one.
 *   file      chunks of length, type, data and CRC. An animation keeps the first frame where a still has its picture,
 *             and of each later one the rectangle that changed.
 *
 * What holds: every length is checked against what is there; a failed malloc is remembered by the buffer it was for, so
 * one look at the end is enough.
 * It does not do palettes, alpha, 16 bits, interlacing or compressed text. */
#include "image.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- bytes that grow ---- */

typedef struct { Byte *at; size_t size, room; int failed; } Bytes;

static void append(Bytes *b, const void *from, size_t n)
{
    if (b->failed || n > SIZE_MAX / 4 || b->size > SIZE_MAX / 4) { b->failed = 1; return; }
    if (b->size + n > b->room) {
        size_t room = 2 * (b->size + n) + 256;
        Byte *at = realloc(b->at, room);
        if (!at) { b->failed = 1; return; }
        b->at = at, b->room = room;
    }
    if (n) memcpy(b->at + b->size, from, n);
    b->size += n;
}

static void put(Bytes *b, int byte)
{
    Byte x = (Byte)byte;
    append(b, &x, 1);
}

static void put16(Bytes *b, uint32_t n)
{
    put(b, (int)(n >> 8 & 255));
    put(b, (int)(n & 255));
}

static void put32(Bytes *b, uint32_t n)
{
    put16(b, n >> 16);
    put16(b, n & 65535);
}

static uint32_t get32(const Byte *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- deflate: Huffman codes ---- */

enum {
    LITERALS = 288, SENT = 286,                     /* bytes, end and lengths; the last two only fill the fixed code */
    DISTANCES = 30, LENGTHS = 19,                   /* the alphabets of distances and of code lengths */
    END = 256,
    WINDOW = 32768, CHAIN = 128, ENOUGH = 128,      /* how far back, how many tries, a length that ends the search */
    SHORTEST = 3, LONGEST = 258, WORTH = 6,         /* filtered rows are mostly small numbers: short repeats lose */
    BLOCK = 1 << 14                                 /* tokens that share a code */
};

typedef struct { Byte length[LITERALS]; uint16_t code[LITERALS]; } Huffman;

/* Joins the two rarest until one tree is left; its depths are the lengths. Returns the deepest. */
static int tree_depths(const uint32_t *count, int n, Byte *length)
{
    uint32_t weight[2 * LITERALS];
    int parent[2 * LITERALS], nodes = n, deepest = 0;
    for (int i = 0; i < n; i++) weight[i] = count[i];
    for (;;) {
        int a = -1, b = -1;                         /* the rarest and the next */
        for (int i = 0; i < nodes; i++) {
            if (!weight[i]) continue;
            if (a < 0 || weight[i] < weight[a]) b = a, a = i;
            else if (b < 0 || weight[i] < weight[b]) b = i;
        }
        if (b < 0) break;
        weight[nodes] = weight[a] + weight[b];
        weight[a] = weight[b] = 0;
        parent[a] = parent[b] = nodes++;
    }
    for (int i = 0; i < n; i++) {
        int depth = 0;
        if (count[i]) for (int k = i; k != nodes - 1; k = parent[k]) depth++;
        length[i] = (Byte)depth;
        if (depth > deepest) deepest = depth;
    }
    return deepest;
}

/* Canonical codes: in order of length, then of symbol; stored reversed, for bits leave from the lowest up. */
static void assign_codes(Huffman *h, int n)
{
    uint32_t next = 0;
    for (int length = 1; length <= 15; length++, next <<= 1)
        for (int i = 0; i < n; i++) {
            if (h->length[i] != length) continue;
            uint32_t code = next++, reversed = 0;
            for (int k = 0; k < length; k++) reversed = reversed << 1 | (code >> k & 1);
            h->code[i] = (uint16_t)reversed;
        }
}

/* count: [n], changed. A tree deeper than limit is flattened by halving the counts until it is not. At least two
 * symbols get a code, as some decoders want. */
static void make_code(Huffman *h, uint32_t *count, int n, int limit)
{
    int used = 0;
    for (int i = 0; i < n; i++) used += count[i] > 0;
    for (int i = 0; used < 2; i++) if (!count[i]) count[i] = 1, used++;
    while (tree_depths(count, n, h->length) > limit)
        for (int i = 0; i < n; i++) if (count[i]) count[i] = count[i] / 2 + 1;
    assign_codes(h, n);
}

/* RFC 1951 3.2.6 */
static void fixed_codes(Huffman *literal, Huffman *distance)
{
    for (int i = 0; i < LITERALS; i++) literal->length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    for (int i = 0; i < DISTANCES; i++) distance->length[i] = 5;
    assign_codes(literal, LITERALS);
    assign_codes(distance, DISTANCES);
}

/* ---- deflate: blocks ---- */

typedef struct { uint16_t length, distance; } Token;            /* distance 0: the byte `length` itself */

typedef struct {
    Bytes *out;
    uint64_t bits;
    int filled;                                                 /* bits waiting */
    Token token[BLOCK];
    int tokens;
    uint32_t literals[LITERALS], distances[DISTANCES];          /* how often each symbol stands in the block */
    Huffman literal, distance;
    uint32_t head[WINDOW], before[WINDOW];                      /* last position + 1 with a hash; the one before it */
} Deflate;

static void put_bits(Deflate *d, uint32_t value, int n)
{
    d->bits |= (uint64_t)value << d->filled;
    for (d->filled += n; d->filled >= 8; d->filled -= 8, d->bits >>= 8) put(d->out, (int)(d->bits & 255));
}

/* A symbol for a range of numbers: x itself while it is small; later its top bits, the others follow as they are.
 *     e = max(0, log2(x) - top)    symbol = (e << top) + (x >> e)    extra = the low e bits
 * With top 2 these are the lengths of RFC 1951 3.2.5, with top 1 its distances. */
typedef struct { int symbol, extra; } Range;

static Range range_of(unsigned x, int top)
{
    int e = 0;
    while (x >> e >> top > 1) e++;
    return (Range){ (e << top) + (int)(x >> e), e };
}

static Range length_range(int length)
{
    Range r = range_of((unsigned)length - SHORTEST, 2);
    r.symbol += END + 1;
    return length == LONGEST ? (Range){ SENT - 1, 0 } : r;
}

static Range distance_range(int distance) { return range_of((unsigned)distance - 1, 1); }

static void put_token(Deflate *d, const Huffman *literal, const Huffman *distance, Token t)
{
    Range l = t.distance ? length_range(t.length) : (Range){ t.length, 0 };
    put_bits(d, literal->code[l.symbol], literal->length[l.symbol]);
    if (!t.distance) return;
    put_bits(d, (t.length - SHORTEST) & ((1u << l.extra) - 1), l.extra);
    Range r = distance_range(t.distance);
    put_bits(d, distance->code[r.symbol], distance->length[r.symbol]);
    put_bits(d, (t.distance - 1u) & ((1u << r.extra) - 1), r.extra);
}

/* Bits that the counted symbols take, without the extra ones. */
static size_t cost(const uint32_t *count, const Huffman *h, int n)
{
    size_t bits = 0;
    for (int i = 0; i < n; i++) bits += (size_t)count[i] * h->length[i];
    return bits;
}

/* The code lengths of a block as runs: 0..15 a length, 16 the last one 3..6 times, 17 and 18 zero 3..10, 11..138 times. */
typedef struct { Byte symbol, extra; } Run;

/* How many of length[i..n) are alike, up to most. */
static int alike(const Byte *length, int i, int n, int most)
{
    int k = 1;
    while (k < most && i + k < n && length[i + k] == length[i]) k++;
    return k;
}

static int runs_of(const Byte *length, int n, Run *run)
{
    int runs = 0;
    for (int i = 0; i < n; ) {
        int zero = !length[i], again = i && length[i] == length[i - 1], k = alike(length, i, n, zero ? 138 : 6);
        if (k < 3 || !(zero || again)) run[runs++] = (Run){ length[i], 0 }, k = 1;
        else if (!zero) run[runs++] = (Run){ 16, (Byte)(k - 3) };
        else if (k <= 10) run[runs++] = (Run){ 17, (Byte)(k - 3) };
        else run[runs++] = (Run){ 18, (Byte)(k - 11) };
        i += k;
    }
    return runs;
}

static int extra_bits(int symbol) { return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0; }

/* The head of a block with its own code: how many of each alphabet, the code of the runs, the runs. */
typedef struct { Run run[SENT + DISTANCES]; int runs; Huffman code; size_t bits; } Head;

static void make_head(Head *h, const Huffman *literal, const Huffman *distance)
{
    Byte length[SENT + DISTANCES];
    uint32_t count[LENGTHS] = { 0 };
    memcpy(length, literal->length, SENT);
    memcpy(length + SENT, distance->length, DISTANCES);
    h->runs = runs_of(length, SENT + DISTANCES, h->run);
    for (int i = 0; i < h->runs; i++) count[h->run[i].symbol]++;
    make_code(&h->code, count, LENGTHS, 7);
    h->bits = 5 + 5 + 4 + 3 * LENGTHS;
    for (int i = 0; i < h->runs; i++) h->bits += (size_t)(h->code.length[h->run[i].symbol] + extra_bits(h->run[i].symbol));
}

static void put_head(Deflate *d, const Head *h)
{
    static const Byte order[LENGTHS] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    put_bits(d, SENT - 257, 5);
    put_bits(d, DISTANCES - 1, 5);
    put_bits(d, LENGTHS - 4, 4);
    for (int i = 0; i < LENGTHS; i++) put_bits(d, h->code.length[order[i]], 3);
    for (int i = 0; i < h->runs; i++) {
        int s = h->run[i].symbol;
        put_bits(d, h->code.code[s], h->code.length[s]);
        put_bits(d, h->run[i].extra, extra_bits(s));
    }
}

/* | last? 1 | kind 2: 1 fixed code, 2 own code | head | tokens | end | */
static void put_block(Deflate *d, int last)
{
    static const Token end = { END, 0 };
    Huffman literal, distance;
    Head head;
    d->literals[END] = 1;
    fixed_codes(&literal, &distance);
    size_t fixed = cost(d->literals, &literal, LITERALS) + cost(d->distances, &distance, DISTANCES);
    make_code(&d->literal, d->literals, LITERALS, 15);
    make_code(&d->distance, d->distances, DISTANCES, 15);
    make_head(&head, &d->literal, &d->distance);
    size_t own = cost(d->literals, &d->literal, LITERALS) + cost(d->distances, &d->distance, DISTANCES) + head.bits;

    put_bits(d, (uint32_t)last, 1);
    put_bits(d, own < fixed ? 2 : 1, 2);
    if (own < fixed) put_head(d, &head), literal = d->literal, distance = d->distance;
    for (int i = 0; i < d->tokens; i++) put_token(d, &literal, &distance, d->token[i]);
    put_token(d, &literal, &distance, end);
    d->tokens = 0;
    memset(d->literals, 0, sizeof d->literals);
    memset(d->distances, 0, sizeof d->distances);
}

static void add_token(Deflate *d, int length, int distance)
{
    if (d->tokens == BLOCK) put_block(d, 0);
    d->token[d->tokens++] = (Token){ (uint16_t)length, (uint16_t)distance };
    d->literals[distance ? length_range(length).symbol : length]++;
    if (distance) d->distances[distance_range(distance).symbol]++;
}

/* ---- deflate: repeats ---- */

typedef struct { int length, distance; } Match;

static uint32_t hash(const Byte *p) { return (((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) * 2654435761u) >> 17; }

/* Notes that data[at..at+3) stands here. */
static void note(Deflate *d, const Byte *data, size_t at, size_t size)
{
    if (size - at < SHORTEST) return;
    uint32_t *head = &d->head[hash(data + at)];
    d->before[at % WINDOW] = *head;
    *head = (uint32_t)at + 1;
}

static int same(const Byte *a, const Byte *b, int most)
{
    int n = 0;
    while (n < most && a[n] == b[n]) n++;
    return n;
}

/* The longest repeat of what starts at `at`; distance 0 if none is worth it. */
static Match find(const Deflate *d, const Byte *data, size_t at, size_t size)
{
    Match best = { WORTH - 1, 0 };
    int most = size - at < LONGEST ? (int)(size - at) : LONGEST;
    if (most < WORTH) return best;
    size_t from = d->head[hash(data + at)];         /* one past the position, as in the chains */
    for (int tries = CHAIN; from && at - (from - 1) <= WINDOW && tries; tries--, from = d->before[(from - 1) % WINDOW]) {
        const Byte *old = data + from - 1;
        if (old[best.length] != data[at + (size_t)best.length]) continue;
        int n = same(old, data + at, most);
        if (n > best.length) best = (Match){ n, (int)(at - (from - 1)) };
        if (n >= ENOUGH || n == most) break;
    }
    return best;
}

/* data: [size], size < 2³²  ->  a deflate stream on d->out */
static void deflate(Deflate *d, const Byte *data, size_t size)
{
    Match held = { 0, 0 };                          /* the match one byte back, which this one may beat */
    for (size_t at = 0; at < size; ) {
        Match now = held.length < ENOUGH ? find(d, data, at, size) : (Match){ 0, 0 };
        if (held.distance && held.length >= now.length) {
            add_token(d, held.length, held.distance);
            for (size_t end = at - 1 + (size_t)held.length; at < end; at++) note(d, data, at, size);
            held = (Match){ 0, 0 };
            continue;
        }
        if (held.length) add_token(d, data[at - 1], 0);
        note(d, data, at++, size);
        held = now;
    }
    if (held.length) add_token(d, data[size - 1], 0);
    put_block(d, 1);
    put_bits(d, 0, -d->filled & 7);
}

/* RFC 1950: a = 1 + the sum of bytes, b = the sum of all the a, both modulo 65521; kept small 5552 bytes at a time. */
static uint32_t adler32(const Byte *data, size_t size)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < size; ) {
        size_t end = size - i < 5552 ? size : i + 5552;
        for (; i < end; i++) a += data[i], b += a;
        a %= 65521, b %= 65521;
    }
    return b << 16 | a;
}

/* | 78 9C | deflate | Adler-32 | */
static void put_zlib(Bytes *out, const Byte *data, size_t size)
{
    Deflate *d = calloc(1, sizeof *d);
    if (!d) { out->failed = 1; return; }
    d->out = out;
    append(out, "\x78\x9C", 2);
    deflate(d, data, size);
    put32(out, adler32(data, size));
    free(d);
}

/* ---- chunks ---- */

/* CRC-32 of PNG, half a byte at a time: entry i is i run through x³² + x²⁶ + ... + 1, reflected 0xEDB88320. */
static uint32_t crc32(const Byte *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C };
    uint32_t crc = 0xFFFFFFFF;
    while (size--) {
        crc ^= *data++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* | length 4 | type 4 | data | CRC of type and data 4 |: open, append the data, close. */
static size_t open_chunk(Bytes *b, const char *type)
{
    size_t at = b->size;
    put32(b, 0);
    append(b, type, 4);
    return at;
}

static void close_chunk(Bytes *b, size_t at)
{
    if (b->failed || b->size - at - 8 > INT32_MAX) { b->failed = 1; return; }
    uint32_t length = (uint32_t)(b->size - at - 8);
    for (int i = 0; i < 4; i++) b->at[at + (size_t)i] = (Byte)(length >> (24 - 8 * i) & 255);
    put32(b, crc32(b->at + at + 4, (size_t)length + 4));
}

/* ---- text: UTF-8 and Latin-1 ---- */

/* UTF-8 as Latin-1 on `to`; 0 if it holds something else (or is not UTF-8). */
static int to_latin1(Bytes *to, const char *text)
{
    for (const Byte *p = (const Byte *)text; *p; p++) {
        if (*p < 0x80) { put(to, *p); continue; }
        if ((*p != 0xC2 && *p != 0xC3) || (p[1] & 0xC0) != 0x80) return 0;
        put(to, (p[0] & 3) << 6 | (p[1] & 0x3F));
        p++;
    }
    return 1;
}

static void from_latin1(Bytes *to, const Byte *text, size_t size)
{
    for (; size--; text++) {
        if (*text >= 0x80) put(to, 0xC0 | *text >> 6);
        put(to, *text < 0x80 ? *text : 0x80 | (*text & 0x3F));
    }
}

/* tEXt: keyword 0 Latin-1      iTXt: keyword 0 | compressed? 0 | method 0 | language 0 | keyword translated 0 | UTF-8 */
static void put_text(Bytes *out, const char *keyword, const char *text)
{
    Bytes latin1 = { NULL, 0, 0, 0 };
    int fits = to_latin1(&latin1, text);
    size_t chunk = open_chunk(out, fits ? "tEXt" : "iTXt");
    append(out, keyword, strlen(keyword) + 1);
    if (fits) append(out, latin1.at, latin1.size);
    else append(out, "\0\0\0", 4), append(out, text, strlen(text));
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
static void put_picture(Bytes *out, const Byte *picture, size_t width, Rect r)
{
    size_t row = 1 + 3 * r.width;
    Byte *rows = malloc((r.height + 1) * row);
    if (!rows) { out->failed = 1; return; }
    filter_rows(picture, width, r, rows);
    put_zlib(out, rows, r.height * row);
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

static void put_header(Bytes *out, size_t width, size_t height)
{
    append(out, "\x89PNG\r\n\x1A\n", 8);
    size_t chunk = open_chunk(out, "IHDR");
    put32(out, (uint32_t)width);
    put32(out, (uint32_t)height);
    append(out, "\x08\x02\0\0", 5);                 /* 8 bits, RGB, deflate, filters, no interlacing */
    close_chunk(out, chunk);
}

/* frames, and 0: for ever */
static void put_animation(Bytes *out, int frames)
{
    size_t chunk = open_chunk(out, "acTL");
    put32(out, (uint32_t)frames);
    put32(out, 0);
    close_chunk(out, chunk);
}

/* 1 / fps as k / (k fps), k the least power of ten that makes the second a whole number, or the greatest that fits. */
static void put_delay(Bytes *out, double fps)
{
    uint32_t k = 1;
    while (fabs(k * fps - round(k * fps)) > 1e-6 && 10 * k <= 10000 && 10 * k * fps < 65535.5) k *= 10;
    put16(out, k);
    put16(out, (uint32_t)lround(k * fps));
}

/* | number | width | height | x | y | delay | disposal 0 (keep), blend 0 (replace) | */
static void put_control(Bytes *out, uint32_t number, Rect r, double fps)
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
static void put_frame(Bytes *out, const Byte *rgb, int i, size_t width, size_t height, double fps)
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
    Bytes out = { NULL, 0, 0, 0 };

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

/* ---- reading text back ---- */

typedef struct { const Byte *type, *data; size_t size; } Chunk;

/* The chunk at *png, which moves past it. 0: the file ends in it, or its CRC is wrong. */
static int next_chunk(const Byte **png, const Byte *end, Chunk *c)
{
    size_t left = (size_t)(end - *png);
    if (left < 12 || get32(*png) > left - 12) return 0;
    *c = (Chunk){ *png + 4, *png + 8, get32(*png) };
    *png += 12 + c->size;
    return crc32(c->type, c->size + 4) == get32(c->data + c->size);
}

/* Past the next NUL, or NULL. */
static const Byte *past_nul(const Byte *at, const Byte *end)
{
    const Byte *nul = at ? memchr(at, 0, (size_t)(end - at)) : NULL;
    return nul ? nul + 1 : NULL;
}

/* 1: the chunk is text under this keyword, and stands in `text`. */
static int read_text(const Chunk *c, const char *keyword, Bytes *text)
{
    int latin1 = !memcmp(c->type, "tEXt", 4), utf8 = !memcmp(c->type, "iTXt", 4);
    const Byte *end = c->data + c->size, *at = past_nul(c->data, end);
    if (!(latin1 || utf8) || !at || strcmp((const char *)c->data, keyword)) return 0;
    if (latin1) {
        from_latin1(text, at, (size_t)(end - at));
        return 1;
    }
    if (end - at < 2 || at[0]) return 0;            /* compressed */
    at = past_nul(past_nul(at + 2, end), end);      /* language, translated keyword */
    if (at) append(text, at, (size_t)(end - at));
    return at != NULL;
}

char *png_text(const unsigned char *png, size_t size, const char *keyword)
{
    const Byte *end = png + size;
    Bytes text = { NULL, 0, 0, 0 };
    Chunk c;
    if (size < 8 || memcmp(png, "\x89PNG\r\n\x1A\n", 8)) return NULL;
    for (png += 8; next_chunk(&png, end, &c) && memcmp(c.type, "IEND", 4); ) {
        if (!read_text(&c, keyword, &text)) continue;
        put(&text, 0);
        if (!text.failed) return (char *)text.at;
        break;
    }
    free(text.at);
    return NULL;
}
