/* deflate.c - zlib streams, in and out.
 *
 *   packing    repeats are found through chains of equal hashes, one step lazy (a match waits to see whether the next
 *              byte starts a longer one); then a Huffman code per block, the block's own or the fixed one.
 *   unpacking  codes up to FAST bits are looked up at once, longer ones counted through, length by length.
 *
 * What holds: the same bytes pack to the same bytes; unpacking reads nothing behind the stream and writes nothing behind
 * `room`; bits past the end are zeros, and a symbol that used one is refused.
 * It packs for small files of few megabytes: one effort, no stored blocks. */
#include "deflate.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- bytes that grow ---- */

void buffer_append(Buffer *b, const void *from, size_t n)
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

void buffer_put(Buffer *b, int byte)
{
    Byte x = (Byte)byte;
    buffer_append(b, &x, 1);
}

/* ---- checksums ---- */

/* Half a byte at a time: entry i is i run through x³² + x²⁶ + ... + 1, reflected 0xEDB88320. */
uint32_t crc32_of(uint32_t before, const unsigned char *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C };
    uint32_t crc = ~before;
    while (size--) {
        crc ^= *data++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
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

/* ---- deflate: Huffman codes ---- */

enum {
    LITERALS = 288, SENT = 286,                     /* bytes, end and lengths; the last two only fill the fixed code */
    DISTANCES = 30, LENGTHS = 19,                   /* the alphabets of distances and of code lengths */
    END = 256,
    WINDOW = 32768, CHAIN = 128, ENOUGH = 128,      /* how far back, how many tries, a length that ends the search */
    SHORTEST = 3, LONGEST = 258, WORTH = 6,         /* filtered rows are mostly small numbers: short repeats lose */
    BLOCK = 1 << 14,                                /* tokens that share a code */
    FAST = 10                                       /* bits that a code is looked up by */
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
    Buffer *out;
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
    for (d->filled += n; d->filled >= 8; d->filled -= 8, d->bits >>= 8) buffer_put(d->out, (int)(d->bits & 255));
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

static const Byte run_order[LENGTHS] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

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
    put_bits(d, SENT - 257, 5);
    put_bits(d, DISTANCES - 1, 5);
    put_bits(d, LENGTHS - 4, 4);
    for (int i = 0; i < LENGTHS; i++) put_bits(d, h->code.length[run_order[i]], 3);
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

/* | 78 9C | deflate | Adler-32 | */
void zlib_pack(Buffer *out, const unsigned char *data, size_t size)
{
    uint32_t sum = adler32(data, size);
    Deflate *d = calloc(1, sizeof *d);
    if (!d) { out->failed = 1; return; }
    d->out = out;
    buffer_append(out, "\x78\x9C", 2);
    deflate(d, data, size);
    for (int i = 24; i >= 0; i -= 8) buffer_put(out, (int)(sum >> i & 255));
    free(d);
}

/* ---- inflate ---- */

/* Canonical codes as how many there are of each length and the symbols in their order; and, for a code no longer than
 * FAST bits, symbol << 4 | length at every index whose low bits it is. */
typedef struct { uint16_t count[16], symbol[LITERALS], fast[1 << FAST]; } Decoder;

typedef struct {
    const Byte *at, *end;               /* what is still packed */
    uint64_t bits;                      /* what was taken from it and not yet used, the next bit lowest */
    int held, past;                     /* how many; how many of them were not there */
    Byte *out;
    size_t size, room;
    Decoder literal, distance;
    int fixed;                          /* they are the fixed ones */
} Inflate;

static void need(Inflate *z, int n)
{
    for (; z->held < n; z->held += 8) {
        if (z->at == z->end) z->past += 8;
        else z->bits |= (uint64_t)*z->at++ << z->held;
    }
}

static unsigned take_bits(Inflate *z, int n)
{
    need(z, n);
    unsigned value = (unsigned)(z->bits & ((1u << n) - 1));
    z->bits >>= n, z->held -= n;
    return value;
}

static int beyond(const Inflate *z) { return z->past > z->held; }

/* Do the codes fill all places, no more and no fewer? left: places of n bits. As zlib, none at all will do, and where
 * `single` is set one code of one bit. */
static int complete(const Decoder *d, int single)
{
    int left = 1, codes = 0;
    for (int n = 1; n <= 15; n++) left = 2 * left - d->count[n], codes += d->count[n];
    return !left || !codes || (single && codes == 1 && d->count[1]);
}

/* length: [n], 0 for a symbol without a code. Returns 0 if that is no code. */
static int make_decoder(Decoder *d, const Byte *length, int n, int single)
{
    int next[16] = { 0 }, at[16] = { 0 };
    memset(d, 0, sizeof *d);
    for (int i = 0; i < n; i++) if (length[i]) d->count[length[i]]++;
    if (!complete(d, single)) return 0;
    for (int k = 1; k < 15; k++) next[k + 1] = (next[k] + d->count[k]) << 1, at[k + 1] = at[k] + d->count[k];
    for (int i = 0; i < n; i++) {
        int k = length[i];
        if (!k) continue;
        d->symbol[at[k]++] = (uint16_t)i;
        int code = next[k]++, reversed = 0;
        for (int b = 0; b < k; b++) reversed = reversed << 1 | (code >> b & 1);
        for (; k <= FAST && reversed < 1 << FAST; reversed += 1 << k) d->fast[reversed] = (uint16_t)(i << 4 | k);
    }
    return 1;
}

/* The next symbol; -1 if the bits are no code. first: the least code of n bits; at: the first symbol with such a code. */
static int take_symbol(Inflate *z, const Decoder *d)
{
    need(z, 15);
    int entry = d->fast[z->bits & ((1 << FAST) - 1)], code = 0, first = 0, at = 0;
    if (entry) { take_bits(z, entry & 15); return entry >> 4; }
    for (int n = 1; n <= 15; n++) {
        code = code << 1 | (int)(z->bits >> (n - 1) & 1);
        if (code - first < d->count[n]) { take_bits(z, n); return d->symbol[at + code - first]; }
        at += d->count[n], first = (first + d->count[n]) << 1;
    }
    return -1;
}

/* The inverse of range_of: the least number of a symbol's range, then its extra bits. */
static int take_range(Inflate *z, int symbol, int top)
{
    int e = symbol >> top > 1 ? (symbol >> top) - 1 : 0;
    return ((symbol - (e << top)) << e) + (int)take_bits(z, e);
}

static const char *copy_repeat(Inflate *z, int symbol)
{
    int length = symbol == SENT - 1 ? LONGEST : SHORTEST + take_range(z, symbol - END - 1, 2);
    int far = take_symbol(z, &z->distance);
    if (symbol >= SENT || far < 0 || far >= DISTANCES) return "a code that means nothing";
    size_t distance = 1 + (size_t)take_range(z, far, 1);
    if (distance > z->size) return "a repeat of something before its beginning";
    if ((size_t)length > z->room - z->size) return "more than there should be";
    for (; length--; z->size++) z->out[z->size] = z->out[z->size - distance];
    return NULL;
}

static const char *unpack_coded(Inflate *z)
{
    for (;;) {
        int symbol = take_symbol(z, &z->literal);
        const char *wrong = symbol > END ? copy_repeat(z, symbol) : symbol < 0 ? "a code that means nothing" : NULL;
        if (beyond(z)) return "an early end";
        if (wrong || symbol == END) return wrong;
        if (symbol > END) continue;
        if (z->size == z->room) return "more than there should be";
        z->out[z->size++] = (Byte)symbol;
    }
}

/* | to the next byte | n 2 | ~n 2 | n bytes |. Bytes that were taken ahead are given back. */
static const char *unpack_stored(Inflate *z)
{
    take_bits(z, z->held & 7);
    unsigned n = take_bits(z, 16), inverse = take_bits(z, 16);
    if (beyond(z)) return "an early end";
    z->at -= (z->held - z->past) / 8, z->bits = 0, z->held = z->past = 0;
    if ((n ^ inverse) != 65535) return "a block whose length does not fit";
    if (n > (size_t)(z->end - z->at)) return "an early end";
    if (n > z->room - z->size) return "more than there should be";
    memcpy(z->out + z->size, z->at, n);
    z->at += n, z->size += n;
    return NULL;
}

static const char *read_fixed(Inflate *z)
{
    Huffman literal, distance;
    if (z->fixed) return NULL;
    fixed_codes(&literal, &distance);
    make_decoder(&z->literal, literal.length, LITERALS, 1);
    memset(distance.length + DISTANCES, 5, 2);          /* 30 and 31 have codes, and mean nothing */
    make_decoder(&z->distance, distance.length, DISTANCES + 2, 1);
    z->fixed = 1;
    return NULL;
}

/* The code lengths of both alphabets as one sequence of runs. 0: not one that can be */
static int read_runs(Inflate *z, Byte *length, int n)
{
    for (int i = 0; i < n; ) {
        int s = take_symbol(z, &z->literal), k = 1;
        if (s < 0 || beyond(z) || (s == 16 && !i)) return 0;
        if (s >= 16) k = (s == 18 ? 11 : 3) + (int)take_bits(z, extra_bits(s));
        if (k > n - i) return 0;
        memset(length + i, s < 16 ? s : s == 16 ? length[i - 1] : 0, (size_t)k);
        i += k;
    }
    return 1;
}

static const char *read_codes(Inflate *z)
{
    Byte length[LITERALS + 32] = { 0 }, of_runs[LENGTHS] = { 0 };
    int literals = 257 + (int)take_bits(z, 5), distances = 1 + (int)take_bits(z, 5), n = 4 + (int)take_bits(z, 4);
    z->fixed = 0;
    for (int i = 0; i < n; i++) of_runs[run_order[i]] = (Byte)take_bits(z, 3);
    if (literals > SENT || distances > DISTANCES || !make_decoder(&z->literal, of_runs, LENGTHS, 0)) return "an impossible code";
    if (!read_runs(z, length, literals + distances)) return "an impossible code";
    if (!make_decoder(&z->literal, length, literals, 1) || !make_decoder(&z->distance, length + literals, distances, 1)) return "an impossible code";
    return NULL;
}

static const char *unpack_blocks(Inflate *z)
{
    for (unsigned last = 0; !last; ) {
        last = take_bits(z, 1);
        unsigned kind = take_bits(z, 2);
        const char *wrong = kind == 0 ? unpack_stored(z) : kind == 1 ? read_fixed(z) : kind == 2 ? read_codes(z) : "a block of no known kind";
        if (!wrong && kind) wrong = unpack_coded(z);
        if (beyond(z)) return "an early end";
        if (wrong) return wrong;
    }
    return NULL;
}

static const char *unpack(Inflate *z)
{
    unsigned method = take_bits(z, 8), flags = take_bits(z, 8);
    if (beyond(z)) return "an early end";
    if ((method & 15) != 8 || method >> 4 > 7 || (method << 8 | flags) % 31 || flags & 32) return "a head that is not zlib's";
    const char *wrong = unpack_blocks(z);
    uint32_t sum = 0;
    take_bits(z, z->held & 7);
    for (int i = 0; i < 4; i++) sum = sum << 8 | take_bits(z, 8);
    if (wrong) return wrong;
    return beyond(z) ? "an early end" : sum != adler32(z->out, z->size) ? "a wrong checksum" : NULL;
}

const char *zlib_unpack(const unsigned char *from, size_t n, unsigned char *to, size_t room, size_t *size)
{
    Inflate *z = calloc(1, sizeof *z);
    if (!z) return "no memory left";
    *z = (Inflate){ .at = from, .end = from + n, .out = to, .room = room };
    const char *wrong = unpack(z);
    *size = z->size;
    free(z);
    return wrong;
}
