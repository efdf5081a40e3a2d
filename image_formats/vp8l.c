/* vp8l.c - decodes VP8L, the lossless pictures of WebP (RFC 9649, chapter 3).
 *
 *     bits -> transforms, each with a small picture of its own
 *     bits -> pixels, by prefix codes, copies of earlier pixels, and a cache of colours
 *     pixels -> the picture: the transforms undone, the last one first
 *
 * Everything is a picture of ARGB pixels, packed in the same way: the transforms' data, the colour table, and the map
 * that says which prefix codes belong to which block.  So one function, read_image, reads all of them.
 *
 * Invariants: a prefix code is complete (every string of bits is a symbol), or has one symbol, which takes no bits.  A
 * copy lies inside the pixels that are there, and does not pass the end of the picture.  Memory for prefix codes grows
 * with the bits that describe them.  Bits past the end read as zeros, and a picture that used one is refused.  All
 * memory but the picture is linked together and freed at the end.
 * References are to the sections of the RFC. */
#include "vp8l.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t Byte;

enum {
    MAX_CODE = 15,                      /* bits of a prefix code */
    FAST_BITS = 8,                      /* codes up to this length are looked up at once */
    LITERALS = 256,
    LENGTHS = 24,                       /* prefixes of lengths of copies */
    DISTANCES = 40,                     /* prefixes of distances of copies */
    MAX_CACHE_BITS = 11,
    MAX_ALPHABET = LITERALS + LENGTHS + (1 << MAX_CACHE_BITS),
    BLACK = 0xFF                        /* its alpha */
};

typedef struct {
    int symbols;                        /* how many symbols have a code; one alone takes no bits */
    int fast_bits;
    uint16_t count[MAX_CODE + 1];       /* how many codes have each length */
    uint16_t *symbol;                   /* [symbols], in order of their codes */
    uint16_t *fast;                     /* [1 << fast_bits], by the next bits: length << 12 | symbol; 0: it is longer */
} PrefixCode;

/* The five prefix codes of a block, in the order of the file. */
enum { GREEN, RED, BLUE, ALPHA, DISTANCE, CODES };
typedef struct { PrefixCode code[CODES]; } Group;

/* 3.5.1 to 3.5.4 */
typedef enum { PREDICTOR, COLOR, SUBTRACT_GREEN, COLOR_INDEXING, TRANSFORMS } TransformKind;
typedef struct {
    TransformKind kind;
    int bits;                           /* a block is 1 << bits wide and high; or so many pixels are packed in one */
    int width;                          /* of the picture before it was transformed */
    uint32_t *data;                     /* a pixel for each block, or the colour table, [256] */
} Transform;

/* Memory that is freed at the end. */
typedef struct Piece { struct Piece *next; } Piece;

typedef struct {
    const Byte *at, *end;               /* what is left of the file */
    char *why;
    uint64_t bits;                      /* bits that were read ahead, the next one lowest */
    int bit_count;                      /* how many */
    int past;                           /* how many of them lie past the end */
    int width, height;                  /* of the picture as it is packed */
    Transform transform[TRANSFORMS];
    int transforms;
    Piece *pieces;
} Vp8l;

static int refuse(Vp8l *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(Vp8l *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->why, VP8L_WHY, fmt, args);
    va_end(args);
    return 0;
}

/* Cleared memory that is freed at the end; NULL, and the reason, when there is none. */
static void *take_memory(Vp8l *v, size_t count, size_t each)
{
    enum { HEAD = 16 };                 /* keeps what follows aligned */
    Piece *piece = calloc(1, HEAD + count * each);
    if (!piece) {
        refuse(v, "no memory left");
        return NULL;
    }
    piece->next = v->pieces;
    v->pieces = piece;
    return (Byte *)piece + HEAD;
}

static int divide_up(int a, int bits) { return (a + (1 << bits) - 1) >> bits; }

/* ---- bits ---- */

static void need_bits(Vp8l *v, int n)
{
    while (v->bit_count < n) {
        if (v->at < v->end) v->bits |= (uint64_t)*v->at++ << v->bit_count;
        else v->past += 8;
        v->bit_count += 8;
    }
}

static void drop_bits(Vp8l *v, int n)
{
    v->bits >>= n;
    v->bit_count -= n;
}

/* The next n bits, at most 24, as a number; the first one is the lowest. */
static int take_bits(Vp8l *v, int n)
{
    need_bits(v, n);
    int x = (int)(v->bits & ((1u << n) - 1));
    drop_bits(v, n);
    return x;
}

/* Were bits used that lie past the end? */
static int is_past_end(const Vp8l *v) { return v->past > v->bit_count; }

/* ---- prefix codes ---- */

/* Returns the next symbol.  The first bit of a code is its highest. */
static int take_symbol(Vp8l *v, const PrefixCode *c)
{
    if (c->symbols == 1) return c->symbol[0];
    need_bits(v, MAX_CODE);
    int entry = c->fast[v->bits & ((1u << c->fast_bits) - 1)];
    if (entry) {
        drop_bits(v, entry >> 12);
        return entry & 4095;
    }
    int code = 0;
    int first_code = 0;                 /* of n bits */
    int first_symbol = 0;               /* where its symbol stands */
    for (int n = 1; n <= MAX_CODE; n++) {
        code = code << 1 | (int)(v->bits >> (n - 1) & 1);
        if (code - first_code < c->count[n]) {
            drop_bits(v, n);
            return c->symbol[first_symbol + code - first_code];
        }
        first_symbol += c->count[n];
        first_code = (first_code + c->count[n]) << 1;
    }
    return 0;                           /* never: the code is complete */
}

static int reversed(int code, int n)
{
    int x = 0;
    for (int i = 0; i < n; i++) x |= (code >> i & 1) << (n - 1 - i);
    return x;
}

/* Enters the codes of n bits at every index of the fast table that begins with them. */
static void add_fast(PrefixCode *c, int code, int n, int symbol)
{
    if (n > c->fast_bits) return;
    for (int k = reversed(code, n); k < 1 << c->fast_bits; k += 1 << n) c->fast[k] = (uint16_t)(n << 12 | symbol);
}

/* A code is complete when its lengths fill the tree: the sum of 2^-length is 1.  Returns the longest length, 0 when it
 * is not complete. */
static int longest_of_complete(const PrefixCode *c)
{
    int free_codes = 1;
    int longest = 0;
    for (int n = 1; n <= MAX_CODE; n++) {
        free_codes = 2 * free_codes - c->count[n];
        if (free_codes < 0) return 0;
        if (c->count[n]) longest = n;
    }
    return free_codes ? 0 : longest;
}

/* 3.7.2.1.  length: [alphabet], of each symbol's code, 0: it has none */
static int make_code(Vp8l *v, PrefixCode *c, const Byte *length, int alphabet)
{
    memset(c, 0, sizeof *c);
    for (int s = 0; s < alphabet; s++) c->count[length[s]]++;
    c->symbols = alphabet - c->count[0];
    c->count[0] = 0;
    int longest = longest_of_complete(c);
    if (c->symbols != 1 && !longest) return refuse(v, "a prefix code that is not complete");
    c->fast_bits = longest < FAST_BITS ? longest : FAST_BITS;
    c->symbol = take_memory(v, (size_t)c->symbols + (1u << c->fast_bits), sizeof *c->symbol);
    if (!c->symbol) return 0;
    c->fast = c->symbol + c->symbols;
    int place[MAX_CODE + 2] = { 0 };
    for (int n = 1; n <= MAX_CODE; n++) place[n + 1] = place[n] + c->count[n];
    for (int s = 0; s < alphabet; s++)
        if (length[s]) c->symbol[place[length[s]]++] = (uint16_t)s;
    if (c->symbols == 1) return 1;
    int code = 0;
    int at = 0;
    for (int n = 1; n <= c->fast_bits; n++) {
        for (int i = 0; i < c->count[n]; i++) add_fast(c, code + i, n, c->symbol[at + i]);
        at += c->count[n];
        code = (code + c->count[n]) << 1;
    }
    return 1;
}

/* One or two symbols, with codes of one bit. */
static void read_simple_lengths(Vp8l *v, Byte *length)
{
    int is_two = take_bits(v, 1);
    int is_wide = take_bits(v, 1);
    length[take_bits(v, is_wide ? 8 : 1)] = 1;
    if (is_two) length[take_bits(v, 8)] = 1;
}

/* Lengths by a prefix code of their own: 0..15 are lengths, 16 repeats the last one that was not zero, 17 and 18 are
 * runs of zeros. */
static int read_coded_lengths(Vp8l *v, const PrefixCode *lengths, Byte *length, int alphabet)
{
    static const struct { int bits, least; } runs[] = { { 2, 3 }, { 3, 3 }, { 7, 11 } };
    int symbols = alphabet;                     /* that the file describes */
    int last = 8;
    if (take_bits(v, 1)) symbols = 2 + take_bits(v, 2 + 2 * take_bits(v, 3));
    if (symbols > alphabet) return refuse(v, "a prefix code of %d symbols, expected at most %d", symbols, alphabet);
    for (int s = 0; s < alphabet && symbols > 0; symbols--) {
        int symbol = take_symbol(v, lengths);
        if (symbol < 16) {
            length[s++] = (Byte)symbol;
            if (symbol) last = symbol;
            continue;
        }
        int run = runs[symbol - 16].least + take_bits(v, runs[symbol - 16].bits);
        if (run > alphabet - s) return refuse(v, "a prefix code of too many symbols");
        memset(length + s, symbol == 16 ? last : 0, (size_t)run);
        s += run;
    }
    return 1;
}

static int read_normal_lengths(Vp8l *v, Byte *length, int alphabet)
{
    static const Byte order[19] = { 17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    Byte length_of_length[19] = { 0 };
    PrefixCode lengths;
    int count = 4 + take_bits(v, 4);
    for (int i = 0; i < count; i++) length_of_length[order[i]] = (Byte)take_bits(v, 3);
    if (!make_code(v, &lengths, length_of_length, 19)) return 0;
    return read_coded_lengths(v, &lengths, length, alphabet);
}

static int read_code(Vp8l *v, PrefixCode *c, int alphabet)
{
    Byte length[MAX_ALPHABET] = { 0 };
    if (take_bits(v, 1)) read_simple_lengths(v, length);
    else if (!read_normal_lengths(v, length, alphabet)) return 0;
    if (is_past_end(v)) return refuse(v, "it ends early");
    return make_code(v, c, length, alphabet);
}

/* ---- pixels ---- */

/* One packed picture, while it is read. */
typedef struct {
    int width, height;
    uint32_t *pixels;                   /* [height, width] */
    int cache_bits;                     /* 0: it has no cache */
    uint32_t *cache;                    /* [1 << cache_bits], colours that were seen, by their hash */
    int block_bits;                     /* a block of prefix codes is 1 << block_bits wide and high */
    uint32_t *map;                      /* the number of the group of each block << 8; NULL: all have the first group */
    int groups;
    Group *group;
} Image;

static void put_pixel(Image *m, size_t at, uint32_t argb)
{
    m->pixels[at] = argb;
    if (m->cache_bits) m->cache[(0x1E35A7BDu * argb) >> (32 - m->cache_bits)] = argb;
}

/* 3.6.2: the prefix of a length or a distance says how many bits follow it. */
static int take_prefixed(Vp8l *v, int prefix)
{
    if (prefix < 4) return prefix + 1;
    int bits = (prefix - 2) >> 1;
    return ((2 + (prefix & 1)) << bits) + take_bits(v, bits) + 1;
}

/* 3.6.2.2: the first 120 distances are places near the pixel: so many columns to the left, and rows up. */
static int distance_of(int code, int width)
{
    static const signed char near[120][2] = {
        {  0, 1 }, {  1, 0 }, {  1, 1 }, { -1, 1 }, {  0, 2 }, {  2, 0 }, {  1, 2 }, { -1, 2 }, {  2, 1 }, { -2, 1 },
        {  2, 2 }, { -2, 2 }, {  0, 3 }, {  3, 0 }, {  1, 3 }, { -1, 3 }, {  3, 1 }, { -3, 1 }, {  2, 3 }, { -2, 3 },
        {  3, 2 }, { -3, 2 }, {  0, 4 }, {  4, 0 }, {  1, 4 }, { -1, 4 }, {  4, 1 }, { -4, 1 }, {  3, 3 }, { -3, 3 },
        {  2, 4 }, { -2, 4 }, {  4, 2 }, { -4, 2 }, {  0, 5 }, {  3, 4 }, { -3, 4 }, {  4, 3 }, { -4, 3 }, {  5, 0 },
        {  1, 5 }, { -1, 5 }, {  5, 1 }, { -5, 1 }, {  2, 5 }, { -2, 5 }, {  5, 2 }, { -5, 2 }, {  4, 4 }, { -4, 4 },
        {  3, 5 }, { -3, 5 }, {  5, 3 }, { -5, 3 }, {  0, 6 }, {  6, 0 }, {  1, 6 }, { -1, 6 }, {  6, 1 }, { -6, 1 },
        {  2, 6 }, { -2, 6 }, {  6, 2 }, { -6, 2 }, {  4, 5 }, { -4, 5 }, {  5, 4 }, { -5, 4 }, {  3, 6 }, { -3, 6 },
        {  6, 3 }, { -6, 3 }, {  0, 7 }, {  7, 0 }, {  1, 7 }, { -1, 7 }, {  5, 5 }, { -5, 5 }, {  7, 1 }, { -7, 1 },
        {  4, 6 }, { -4, 6 }, {  6, 4 }, { -6, 4 }, {  2, 7 }, { -2, 7 }, {  7, 2 }, { -7, 2 }, {  3, 7 }, { -3, 7 },
        {  7, 3 }, { -7, 3 }, {  5, 6 }, { -5, 6 }, {  6, 5 }, { -6, 5 }, {  8, 0 }, {  4, 7 }, { -4, 7 }, {  7, 4 },
        { -7, 4 }, {  8, 1 }, {  8, 2 }, {  6, 6 }, { -6, 6 }, {  8, 3 }, {  5, 7 }, { -5, 7 }, {  7, 5 }, { -7, 5 },
        {  8, 4 }, {  6, 7 }, { -6, 7 }, {  7, 6 }, { -7, 6 }, {  8, 5 }, {  7, 7 }, { -7, 7 }, {  8, 6 }, {  8, 7 },
    };
    if (code > 120) return code - 120;
    int distance = near[code - 1][0] + near[code - 1][1] * width;
    return distance < 1 ? 1 : distance;
}

/* Copies pixels from before; at: where they go.  Returns how many, 0 when they are not there. */
static size_t copy_pixels(Vp8l *v, Image *m, const Group *g, size_t at, int prefix)
{
    size_t length = (size_t)take_prefixed(v, prefix);
    int code = take_prefixed(v, take_symbol(v, &g->code[DISTANCE]));
    size_t distance = (size_t)distance_of(code, m->width);
    size_t left = (size_t)m->width * (size_t)m->height - at;
    if (distance > at || length > left) {
        refuse(v, "a copy from outside the picture");
        return 0;
    }
    for (size_t i = 0; i < length; i++) put_pixel(m, at + i, m->pixels[at + i - distance]);
    return length;
}

static uint32_t take_literal(Vp8l *v, const Group *g, int green)
{
    uint32_t red = (uint32_t)take_symbol(v, &g->code[RED]);
    uint32_t blue = (uint32_t)take_symbol(v, &g->code[BLUE]);
    uint32_t alpha = (uint32_t)take_symbol(v, &g->code[ALPHA]);
    return alpha << 24 | red << 16 | (uint32_t)green << 8 | blue;
}

static const Group *group_at(const Image *m, size_t at)
{
    if (!m->map) return m->group;
    size_t x = at % (size_t)m->width >> m->block_bits;
    size_t y = at / (size_t)m->width >> m->block_bits;
    return &m->group[m->map[y * (size_t)divide_up(m->width, m->block_bits) + x] >> 8 & 0xFFFF];
}

/* 3.7.3 */
static int read_pixels(Vp8l *v, Image *m)
{
    size_t pixels = (size_t)m->width * (size_t)m->height;
    for (size_t at = 0; at < pixels; ) {
        const Group *g = group_at(m, at);
        int symbol = take_symbol(v, &g->code[GREEN]);
        size_t count = 1;
        if (symbol < LITERALS) put_pixel(m, at, take_literal(v, g, symbol));
        else if (symbol < LITERALS + LENGTHS) count = copy_pixels(v, m, g, at, symbol - LITERALS);
        else put_pixel(m, at, m->cache[symbol - LITERALS - LENGTHS]);
        if (is_past_end(v)) return refuse(v, "it ends early");
        if (!count) return 0;
        at += count;
    }
    return 1;
}

static int read_groups(Vp8l *v, Image *m)
{
    int cache_size = m->cache_bits ? 1 << m->cache_bits : 0;
    int alphabet[CODES] = { LITERALS + LENGTHS + cache_size, LITERALS, LITERALS, LITERALS, DISTANCES };
    m->group = take_memory(v, (size_t)m->groups, sizeof *m->group);
    if (!m->group) return 0;
    for (int i = 0; i < m->groups; i++)
        for (int k = 0; k < CODES; k++)
            if (!read_code(v, &m->group[i].code[k], alphabet[k])) return 0;
    return 1;
}

static int read_cache_size(Vp8l *v, Image *m)
{
    if (!take_bits(v, 1)) return 1;
    m->cache_bits = take_bits(v, 4);
    if (m->cache_bits < 1 || m->cache_bits > MAX_CACHE_BITS)
        return refuse(v, "a colour cache of %d bits, expected 1 to %d", m->cache_bits, MAX_CACHE_BITS);
    m->cache = take_memory(v, (size_t)1 << m->cache_bits, sizeof *m->cache);
    return m->cache != NULL;
}

/* A picture that belongs to another one: it has one group of prefix codes. */
static int read_small_image(Vp8l *v, int width, int height, uint32_t *pixels)
{
    Image m = { .width = width, .height = height, .pixels = pixels, .groups = 1 };
    return read_cache_size(v, &m) && read_groups(v, &m) && read_pixels(v, &m);
}

/* 3.7.2.2: which group belongs to which block is a picture too. */
static int read_map(Vp8l *v, Image *m)
{
    m->groups = 1;
    if (!take_bits(v, 1)) return 1;
    m->block_bits = take_bits(v, 3) + 2;
    int across = divide_up(m->width, m->block_bits);
    int down = divide_up(m->height, m->block_bits);
    m->map = take_memory(v, (size_t)across * (size_t)down, sizeof *m->map);
    if (!m->map || !read_small_image(v, across, down, m->map)) return 0;
    for (int i = 0; i < across * down; i++) {
        int number = (int)(m->map[i] >> 8 & 0xFFFF);
        if (number >= m->groups) m->groups = number + 1;
    }
    return 1;
}

static int read_image(Vp8l *v, int width, int height, uint32_t *pixels)
{
    Image m = { .width = width, .height = height, .pixels = pixels };
    return read_cache_size(v, &m) && read_map(v, &m) && read_groups(v, &m) && read_pixels(v, &m);
}

/* ---- reading transforms ---- */

static int read_block_transform(Vp8l *v, Transform *t)
{
    t->bits = take_bits(v, 3) + 2;
    int across = divide_up(v->width, t->bits);
    int down = divide_up(v->height, t->bits);
    t->data = take_memory(v, (size_t)across * (size_t)down, sizeof *t->data);
    return t->data && read_small_image(v, across, down, t->data);
}

/* Adds two pixels channel by channel, each modulo 256. */
static uint32_t add_pixels(uint32_t a, uint32_t b)
{
    uint32_t alpha_and_green = (a & 0xFF00FF00) + (b & 0xFF00FF00);
    uint32_t red_and_blue = (a & 0x00FF00FF) + (b & 0x00FF00FF);
    return (alpha_and_green & 0xFF00FF00) | (red_and_blue & 0x00FF00FF);
}

/* The table is stored as differences.  Colours that it does not have are transparent black.  With at most 16 colours,
 * 2, 4 or 8 pixels are packed in one. */
static int read_color_table(Vp8l *v, Transform *t)
{
    int colours = take_bits(v, 8) + 1;
    t->data = take_memory(v, 256, sizeof *t->data);
    if (!t->data || !read_small_image(v, colours, 1, t->data)) return 0;
    for (int i = 1; i < colours; i++) t->data[i] = add_pixels(t->data[i], t->data[i - 1]);
    if (colours <= 16) t->bits = 1;
    if (colours <= 4)  t->bits = 2;
    if (colours <= 2)  t->bits = 3;
    v->width = divide_up(v->width, t->bits);
    return 1;
}

static int read_transform(Vp8l *v)
{
    Transform *t = &v->transform[v->transforms];
    TransformKind kind = (TransformKind)take_bits(v, 2);
    for (int i = 0; i < v->transforms; i++)
        if (v->transform[i].kind == kind) return refuse(v, "a transform of kind %d for the second time", (int)kind);
    *t = (Transform){ .kind = kind, .width = v->width };
    v->transforms++;
    if (kind == SUBTRACT_GREEN) return 1;
    return kind == COLOR_INDEXING ? read_color_table(v, t) : read_block_transform(v, t);
}

/* ---- undoing transforms: pixels is [height, t->width] ---- */

static int channel(uint32_t argb, int shift) { return (int)(argb >> shift & 255); }

static uint32_t average(uint32_t a, uint32_t b) { return (((a ^ b) & 0xFEFEFEFE) >> 1) + (a & b); }

static uint32_t clamped(int x)
{
    if (x < 0) return 0;
    return x > 255 ? 255 : (uint32_t)x;
}

/* How far apart two pixels are: the sum over the channels. */
static int distance_between(uint32_t a, uint32_t b)
{
    int sum = 0;
    for (int shift = 0; shift < 32; shift += 8) sum += abs(channel(a, shift) - channel(b, shift));
    return sum;
}

/* left or top, whichever is nearer to left + top - corner */
static uint32_t nearer(uint32_t left, uint32_t top, uint32_t corner)
{
    return distance_between(top, corner) < distance_between(left, corner) ? left : top;
}

/* a + b - c in each channel */
static uint32_t add_subtract(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t sum = 0;
    for (int shift = 0; shift < 32; shift += 8)
        sum |= clamped(channel(a, shift) + channel(b, shift) - channel(c, shift)) << shift;
    return sum;
}

/* a + (a - b) / 2 in each channel */
static uint32_t add_subtract_half(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;
    for (int shift = 0; shift < 32; shift += 8)
        sum |= clamped(channel(a, shift) + (channel(a, shift) - channel(b, shift)) / 2) << shift;
    return sum;
}

/* 3.5.1.  p: the pixel, neither in the first row nor in the first column.  The pixel up and to the right of the last
 * in a row is the first one of its own row: the one that follows in memory. */
static uint32_t prediction(int mode, const uint32_t *p, int width)
{
    uint32_t left = p[-1];
    uint32_t top = p[-width];
    uint32_t corner = p[-width - 1];
    uint32_t right = p[-width + 1];
    switch (mode) {
    case 1:  return left;
    case 2:  return top;
    case 3:  return right;
    case 4:  return corner;
    case 5:  return average(average(left, right), top);
    case 6:  return average(left, corner);
    case 7:  return average(left, top);
    case 8:  return average(corner, top);
    case 9:  return average(top, right);
    case 10: return average(average(left, corner), average(top, right));
    case 11: return nearer(left, top, corner);
    case 12: return add_subtract(left, top, corner);
    case 13: return add_subtract_half(average(left, top), corner);
    default: return (uint32_t)BLACK << 24;
    }
}

static void undo_predictor(const Transform *t, int height, uint32_t *pixels)
{
    int across = divide_up(t->width, t->bits);
    uint32_t *p = pixels;
    *p = add_pixels(*p, (uint32_t)BLACK << 24);
    for (int x = 1; x < t->width; x++) p[x] = add_pixels(p[x], p[x - 1]);
    for (int y = 1; y < height; y++) {
        const uint32_t *modes = t->data + (size_t)(y >> t->bits) * (size_t)across;
        p += t->width;
        p[0] = add_pixels(p[0], p[-t->width]);
        for (int x = 1; x < t->width; x++) {
            int mode = channel(modes[x >> t->bits], 8) & 15;
            p[x] = add_pixels(p[x], prediction(mode, p + x, t->width));
        }
    }
}

/* 3.5.2: both are signed, and the product has five bits behind the point. */
static int color_delta(int element, int colour) { return (signed char)element * (signed char)colour >> 5; }

static uint32_t undo_color_of(uint32_t argb, uint32_t element)
{
    int green = channel(argb, 8);
    int red = channel(argb, 16) + color_delta(channel(element, 0), green);
    red &= 255;
    int blue = channel(argb, 0) + color_delta(channel(element, 8), green) + color_delta(channel(element, 16), red);
    return (argb & 0xFF00FF00) | (uint32_t)red << 16 | (uint32_t)(blue & 255);
}

static void undo_color(const Transform *t, int height, uint32_t *pixels)
{
    int across = divide_up(t->width, t->bits);
    for (int y = 0; y < height; y++) {
        const uint32_t *elements = t->data + (size_t)(y >> t->bits) * (size_t)across;
        uint32_t *row = pixels + (size_t)y * (size_t)t->width;
        for (int x = 0; x < t->width; x++) row[x] = undo_color_of(row[x], elements[x >> t->bits]);
    }
}

/* 3.5.3: green is added to red and to blue. */
static void undo_subtract_green(const Transform *t, int height, uint32_t *pixels)
{
    size_t count = (size_t)t->width * (size_t)height;
    for (size_t i = 0; i < count; i++) {
        uint32_t green = pixels[i] >> 8 & 255;
        pixels[i] = add_pixels(pixels[i], green << 16 | green);
    }
}

/* 3.5.4.  The packed rows are narrower, and stand at the start of the same memory.  From the last pixel to the first,
 * no packed pixel is overwritten before it is used. */
static void undo_color_indexing(const Transform *t, int height, uint32_t *pixels)
{
    int packed_width = divide_up(t->width, t->bits);
    int bits = 8 >> t->bits;                    /* of one index */
    for (int y = height - 1; y >= 0; y--) {
        const uint32_t *packed = pixels + (size_t)y * (size_t)packed_width;
        uint32_t *row = pixels + (size_t)y * (size_t)t->width;
        for (int x = t->width - 1; x >= 0; x--) {
            int at = x & ((1 << t->bits) - 1);
            int index = channel(packed[x >> t->bits], 8) >> (at * bits) & ((1 << bits) - 1);
            row[x] = t->data[index];
        }
    }
}

static void undo(const Transform *t, int height, uint32_t *pixels)
{
    switch (t->kind) {
    case PREDICTOR:      undo_predictor(t, height, pixels); break;
    case COLOR:          undo_color(t, height, pixels); break;
    case SUBTRACT_GREEN: undo_subtract_green(t, height, pixels); break;
    default:             undo_color_indexing(t, height, pixels); break;
    }
}

/* ---- the whole picture ---- */

static int read_stream(Vp8l *v, uint32_t *pixels)
{
    while (take_bits(v, 1))
        if (!read_transform(v)) return 0;
    return read_image(v, v->width, v->height, pixels);
}

/* v: at its first transform, with the size of the picture */
static uint32_t *decode(Vp8l *v)
{
    uint32_t *pixels = calloc((size_t)v->width * (size_t)v->height, sizeof *pixels);
    if (!pixels) refuse(v, "no memory left");
    int is_good = pixels && read_stream(v, pixels);
    for (int i = v->transforms - 1; is_good && i >= 0; i--) undo(&v->transform[i], v->height, pixels);
    while (v->pieces) {
        Piece *next = v->pieces->next;
        free(v->pieces);
        v->pieces = next;
    }
    if (is_good) return pixels;
    free(pixels);
    return NULL;
}

uint32_t *vp8l_decode_stream(const uint8_t *vp8l, size_t size, int width, int height, char why[VP8L_WHY])
{
    Vp8l v = { .at = vp8l, .end = vp8l + size, .why = why, .width = width, .height = height };
    return decode(&v);
}

/* 3.4:  | 2F | width - 1, 14 bits | height - 1, 14 bits | has alpha, 1 bit | version, 3 bits: 0 | */
uint32_t *vp8l_decode(const uint8_t *vp8l, size_t size, int *width, int *height, int *has_alpha, char why[VP8L_WHY])
{
    enum { SIGNATURE = 0x2F };
    Vp8l v = { .at = vp8l, .end = vp8l + size, .why = why };
    int signature = take_bits(&v, 8);
    v.width = *width = take_bits(&v, 14) + 1;
    v.height = *height = take_bits(&v, 14) + 1;
    *has_alpha = take_bits(&v, 1);
    int version = take_bits(&v, 3);
    if (signature != SIGNATURE || version != 0 || is_past_end(&v)) {
        refuse(&v, "no VP8L picture");
        return NULL;
    }
    return decode(&v);
}
