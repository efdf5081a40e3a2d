/* deflate.c - zlib streams (RFC 1950), written and read: DEFLATE (RFC 1951) with an Adler-32 checksum.
 *
 * DEFLATE is LZ77 and Huffman codes.  LZ77 replaces bytes that stood in the last 32768 bytes (the sliding window) by a
 * match: a length and a distance back.  Literals, lengths and distances are then written by Huffman codes, in blocks.
 *
 *   packing      Matches are found through hash chains.  A match waits to see whether the next byte starts a longer one
 *                (lazy matching, RFC 1951, 4).  A block gets its own Huffman codes, or the fixed ones where they are
 *                shorter.
 *   unpacking    Huffman codes up to FAST_BITS bits are looked up in a table.  Longer ones are decoded bit by bit.
 *
 * Invariants: the same bytes pack to the same bytes.  Unpacking reads nothing behind the stream and writes nothing
 * behind `room`.  Bits past the end of the input read as zeros, and a symbol that used one is refused.
 * It packs files of a few megabytes: it has one level of effort, and it writes no stored blocks. */
#include "deflate.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- a buffer that grows ---- */

void buffer_append(Buffer *b, const void *from, size_t n)
{
    if (n > SIZE_MAX / 4 || b->size > SIZE_MAX / 4) b->failed = 1;
    if (b->failed) return;
    if (b->size + n > b->room) {
        size_t room = 2 * (b->size + n) + 256;
        Byte *at = realloc(b->at, room);
        if (!at) {
            b->failed = 1;
            return;
        }
        b->at = at;
        b->room = room;
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

/* CRC-32 (PNG specification, Annex D), half a byte at a time: entry i is the remainder of i by the polynomial
 * x^32 + x^26 + ... + 1, which is 0xEDB88320 with its bits reversed. */
uint32_t crc32_of(uint32_t before, const unsigned char *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C };
    uint32_t crc = ~before;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* Adler-32 (RFC 1950, 8.2): a = 1 + the sum of the bytes, b = the sum of all values of a, both modulo 65521.
 * 5552 bytes are the most after which b still fits in 32 bits. */
static uint32_t adler32(const Byte *data, size_t size)
{
    uint32_t a = 1;
    uint32_t b = 0;
    size_t i = 0;
    while (i < size) {
        size_t end = size - i < 5552 ? size : i + 5552;
        for (; i < end; i++) {
            a += data[i];
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

/* ---- Huffman codes, for both directions ---- */

enum {
    FIXED_LITERALS = 288,           /* symbols of the fixed literal/length code; the last two are never used */
    LITERALS = 286,                 /* 0..255 literal bytes, 256 end of block, 257..285 lengths */
    DISTANCES = 30,                 /* symbols of the distance code */
    CODE_LENGTHS = 19,              /* symbols of the code that code lengths are written by */
    END_OF_BLOCK = 256,
    MAX_BITS = 15,                  /* of a Huffman code */
    MIN_MATCH = 3,
    MAX_MATCH = 258,
    MAX_LENGTH_SYMBOL = 285,        /* stands for MAX_MATCH alone */
    WINDOW = 32768                  /* the sliding window: how far back a match may lie */
};

/* A Huffman code: of each symbol the length in bits, 0 for none, and the code with its bits reversed. */
typedef struct { Byte length[FIXED_LITERALS]; uint16_t code[FIXED_LITERALS]; } Huffman;

/* RFC 1951, 3.1.1: Huffman codes are packed from their highest bit on, everything else from the lowest. */
static uint32_t reversed(uint32_t code, int length)
{
    uint32_t r = 0;
    for (int k = 0; k < length; k++) r = r << 1 | (code >> k & 1);
    return r;
}

/* RFC 1951, 3.2.2.  Canonical codes: they count up in order of length, and of symbol where lengths are equal. */
static void assign_codes(Huffman *h, int n)
{
    uint32_t next = 0;
    for (int length = 1; length <= MAX_BITS; length++) {
        for (int i = 0; i < n; i++) {
            if (h->length[i] != length) continue;
            h->code[i] = (uint16_t)reversed(next, length);
            next++;
        }
        next <<= 1;
    }
}

/* RFC 1951, 3.2.6. */
static void fixed_codes(Huffman *literal, Huffman *distance)
{
    memset(literal->length, 8, FIXED_LITERALS);
    memset(literal->length + 144, 9, 256 - 144);
    memset(literal->length + 256, 7, 280 - 256);
    memset(distance->length, 5, DISTANCES);
    assign_codes(literal, FIXED_LITERALS);
    assign_codes(distance, DISTANCES);
}

/* RFC 1951, 3.2.7.  Code lengths are written as runs: 0..15 is a length, 16 repeats the last one 3..6 times, 17 and 18
 * are 3..10 and 11..138 zeros.  The lengths of the code for these symbols stand in this order. */
static const Byte code_length_order[CODE_LENGTHS] = {
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

/* The extra bits of such a symbol. */
static int run_bits(int symbol)
{
    switch (symbol) {
    case 16: return 2;
    case 17: return 3;
    case 18: return 7;
    default: return 0;
    }
}

/* ---- packing: Huffman codes from counts ---- */

/* Finds the rarest of the nodes and the next rarest, of those with weight.  *next is -1 when there is only one. */
static void find_rarest(const uint32_t *weight, int nodes, int *rarest, int *next)
{
    int a = -1;
    int b = -1;
    for (int i = 0; i < nodes; i++) {
        if (!weight[i]) continue;
        if (a < 0 || weight[i] < weight[a]) {
            b = a;
            a = i;
        } else if (b < 0 || weight[i] < weight[b]) {
            b = i;
        }
    }
    *rarest = a;
    *next = b;
}

/* Huffman 1952.  count: [n], how often each symbol occurs.  The two rarest nodes are joined until one tree is left; the
 * depth of a symbol in it is the length of its code.  Returns the greatest depth. */
static int tree_depths(const uint32_t *count, int n, Byte *length)
{
    uint32_t weight[2 * FIXED_LITERALS];            /* 0: the node has a parent, or its symbol does not occur */
    int parent[2 * FIXED_LITERALS];
    int nodes = n;
    int deepest = 0;
    for (int i = 0; i < n; i++) weight[i] = count[i];
    for (;;) {
        int a, b;
        find_rarest(weight, nodes, &a, &b);
        if (b < 0) break;
        weight[nodes] = weight[a] + weight[b];
        weight[a] = 0;
        weight[b] = 0;
        parent[a] = nodes;
        parent[b] = nodes;
        nodes++;
    }
    for (int i = 0; i < n; i++) {
        int depth = 0;
        if (count[i])
            for (int k = i; k != nodes - 1; k = parent[k]) depth++;
        length[i] = (Byte)depth;
        if (depth > deepest) deepest = depth;
    }
    return deepest;
}

/* Some decoders want at least two symbols with a code. */
static void use_two_symbols(uint32_t *count, int n)
{
    int used = 0;
    for (int i = 0; i < n; i++)
        if (count[i]) used++;
    for (int i = 0; used < 2; i++) {
        if (count[i]) continue;
        count[i] = 1;
        used++;
    }
}

/* count: [n], which is changed.  While the tree is deeper than limit, the counts are halved, which flattens it. */
static void make_huffman(Huffman *h, uint32_t *count, int n, int limit)
{
    use_two_symbols(count, n);
    while (tree_depths(count, n, h->length) > limit)
        for (int i = 0; i < n; i++)
            if (count[i]) count[i] = count[i] / 2 + 1;
    assign_codes(h, n);
}

/* ---- packing: tokens ---- */

enum {
    BLOCK_TOKENS = 1 << 14,         /* tokens that share their Huffman codes */
    CHAIN = 128,                    /* candidates that are tried for a match */
    GOOD_MATCH = 128,               /* a match of this length ends the search */
    WORTHWHILE_MATCH = 6            /* filtered rows of a PNG are mostly small numbers: shorter matches lose there */
};

/* A match, or a literal: then distance is 0 and length is the byte. */
typedef struct { uint16_t length, distance; } Token;

typedef struct {
    Buffer *out;
    uint64_t bits;                                      /* bits that do not fill a byte yet, the oldest lowest */
    int bit_count;
    Token token[BLOCK_TOKENS];
    int tokens;
    uint32_t literal_count[FIXED_LITERALS];             /* how often each symbol occurs in the block */
    uint32_t distance_count[DISTANCES];
    /* Hash chains.  Positions are stored + 1, so that 0 is none. */
    uint32_t head[WINDOW];                              /* by hash: the last position with it */
    uint32_t before[WINDOW];                            /* by position % WINDOW: the one before with the same hash */
} Deflate;

static void put_bits(Deflate *d, uint32_t value, int n)
{
    d->bits |= (uint64_t)value << d->bit_count;
    d->bit_count += n;
    while (d->bit_count >= 8) {
        buffer_put(d->out, (int)(d->bits & 255));
        d->bits >>= 8;
        d->bit_count -= 8;
    }
}

/* RFC 1951, 3.2.5.  A symbol and extra bits stand for a number.  Small numbers have a symbol each; later ones share one
 * by their highest bits, and the low bits follow as they are:
 *     extra = max(0, floor(log2(x)) - top)    symbol = (extra << top) + (x >> extra)    then the low `extra` bits of x
 * top = 2 gives the RFC's table of lengths, top = 1 that of distances. */
typedef struct { int symbol, extra; } Coded;

static Coded coded(unsigned x, int top)
{
    int extra = 0;
    while (x >> extra >> top > 1) extra++;
    return (Coded){ (extra << top) + (int)(x >> extra), extra };
}

static Coded coded_length(int length)
{
    if (length == MAX_MATCH) return (Coded){ MAX_LENGTH_SYMBOL, 0 };
    Coded c = coded((unsigned)length - MIN_MATCH, 2);
    c.symbol += END_OF_BLOCK + 1;
    return c;
}

static Coded coded_distance(int distance) { return coded((unsigned)distance - 1, 1); }

static uint32_t low_bits(int x, int n) { return (uint32_t)x & ((1u << n) - 1); }

static void put_symbol(Deflate *d, const Huffman *h, int symbol) { put_bits(d, h->code[symbol], h->length[symbol]); }

static void put_token(Deflate *d, const Huffman *literal, const Huffman *distance, Token t)
{
    if (!t.distance) {
        put_symbol(d, literal, t.length);
        return;
    }
    Coded length = coded_length(t.length);
    put_symbol(d, literal, length.symbol);
    put_bits(d, low_bits(t.length - MIN_MATCH, length.extra), length.extra);
    Coded back = coded_distance(t.distance);
    put_symbol(d, distance, back.symbol);
    put_bits(d, low_bits(t.distance - 1, back.extra), back.extra);
}

/* ---- packing: a block ---- */

/* A symbol of the code for code lengths, and its extra bits. */
typedef struct { Byte symbol, extra; } Run;

/* The header of a block with its own codes. */
typedef struct {
    Run run[LITERALS + DISTANCES];
    int runs;
    Huffman code;                   /* that the runs are written by */
    size_t bits;                    /* that the header takes */
} DynamicHeader;

/* Returns how many of length[i..n) are alike, up to most. */
static int count_alike(const Byte *length, int i, int n, int most)
{
    int k = 1;
    while (k < most && i + k < n && length[i + k] == length[i]) k++;
    return k;
}

/* Finds the run that begins at length[i].  Returns how many lengths it stands for. */
static int find_run(const Byte *length, int i, int n, Run *run)
{
    int is_zero = length[i] == 0;
    int is_repeated = i > 0 && length[i] == length[i - 1];
    int k = count_alike(length, i, n, is_zero ? 138 : 6);
    if (k < 3 || (!is_zero && !is_repeated)) {
        *run = (Run){ length[i], 0 };
        return 1;
    }
    if (!is_zero) *run = (Run){ 16, (Byte)(k - 3) };
    else if (k <= 10) *run = (Run){ 17, (Byte)(k - 3) };
    else *run = (Run){ 18, (Byte)(k - 11) };
    return k;
}

static void make_header(DynamicHeader *h, const Huffman *literal, const Huffman *distance)
{
    Byte length[LITERALS + DISTANCES];
    uint32_t count[CODE_LENGTHS] = { 0 };
    memcpy(length, literal->length, LITERALS);
    memcpy(length + LITERALS, distance->length, DISTANCES);
    h->runs = 0;
    for (int i = 0; i < LITERALS + DISTANCES; ) {
        Run *run = &h->run[h->runs++];
        i += find_run(length, i, LITERALS + DISTANCES, run);
        count[run->symbol]++;
    }
    make_huffman(&h->code, count, CODE_LENGTHS, 7);
    h->bits = 5 + 5 + 4 + 3 * CODE_LENGTHS;
    for (int i = 0; i < h->runs; i++) {
        int symbol = h->run[i].symbol;
        h->bits += (size_t)(h->code.length[symbol] + run_bits(symbol));
    }
}

/* RFC 1951, 3.2.7:  | HLIT 5 | HDIST 5 | HCLEN 4 | HCLEN + 4 times: length 3 | runs | */
static void put_header(Deflate *d, const DynamicHeader *h)
{
    put_bits(d, LITERALS - 257, 5);
    put_bits(d, DISTANCES - 1, 5);
    put_bits(d, CODE_LENGTHS - 4, 4);
    for (int i = 0; i < CODE_LENGTHS; i++) put_bits(d, h->code.length[code_length_order[i]], 3);
    for (int i = 0; i < h->runs; i++) {
        int symbol = h->run[i].symbol;
        put_symbol(d, &h->code, symbol);
        put_bits(d, h->run[i].extra, run_bits(symbol));
    }
}

/* Returns the bits that the counted symbols take, without their extra bits, which are the same by any code. */
static size_t cost(const uint32_t *count, const Huffman *h, int n)
{
    size_t bits = 0;
    for (int i = 0; i < n; i++) bits += (size_t)count[i] * h->length[i];
    return bits;
}

static void put_tokens(Deflate *d, const Huffman *literal, const Huffman *distance)
{
    for (int i = 0; i < d->tokens; i++) put_token(d, literal, distance, d->token[i]);
    put_symbol(d, literal, END_OF_BLOCK);
}

/* RFC 1951, 3.2.3:  | BFINAL 1 | BTYPE 2: 1 fixed codes, 2 dynamic ones | header if dynamic | tokens | end of block |
 * make_huffman may change the counts to flatten a tree, so costs are an estimate then. */
static void put_block(Deflate *d, int is_last)
{
    Huffman fixed_literal, fixed_distance, literal, distance;
    DynamicHeader header;
    d->literal_count[END_OF_BLOCK] = 1;
    fixed_codes(&fixed_literal, &fixed_distance);
    size_t fixed = cost(d->literal_count, &fixed_literal, FIXED_LITERALS);
    fixed += cost(d->distance_count, &fixed_distance, DISTANCES);
    make_huffman(&literal, d->literal_count, FIXED_LITERALS, MAX_BITS);
    make_huffman(&distance, d->distance_count, DISTANCES, MAX_BITS);
    make_header(&header, &literal, &distance);
    size_t dynamic = cost(d->literal_count, &literal, FIXED_LITERALS) + header.bits;
    dynamic += cost(d->distance_count, &distance, DISTANCES);

    put_bits(d, (uint32_t)is_last, 1);
    if (dynamic < fixed) {
        put_bits(d, 2, 2);
        put_header(d, &header);
        put_tokens(d, &literal, &distance);
    } else {
        put_bits(d, 1, 2);
        put_tokens(d, &fixed_literal, &fixed_distance);
    }
    d->tokens = 0;
    memset(d->literal_count, 0, sizeof d->literal_count);
    memset(d->distance_count, 0, sizeof d->distance_count);
}

static void add_token(Deflate *d, Token t)
{
    int symbol = t.distance ? coded_length(t.length).symbol : t.length;
    if (d->tokens == BLOCK_TOKENS) put_block(d, 0);
    d->token[d->tokens++] = t;
    d->literal_count[symbol]++;
    if (t.distance) d->distance_count[coded_distance(t.distance).symbol]++;
}

/* ---- packing: LZ77 ---- */

/* Of three bytes, 15 bits. */
static uint32_t hash(const Byte *p)
{
    uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return three * 2654435761u >> 17;
}

/* Adds the position to the chain of its hash. */
static void insert_hash(Deflate *d, const Byte *data, size_t at, size_t size)
{
    if (size - at < MIN_MATCH) return;
    uint32_t *head = &d->head[hash(data + at)];
    d->before[at % WINDOW] = *head;
    *head = (uint32_t)at + 1;
}

static int match_length(const Byte *a, const Byte *b, int most)
{
    int n = 0;
    while (n < most && a[n] == b[n]) n++;
    return n;
}

/* Returns the longest match for what starts at `at`; of equally long ones the nearest.  Its distance is 0 when no match
 * is worthwhile. */
static Token find_match(const Deflate *d, const Byte *data, size_t at, size_t size)
{
    int longest = WORTHWHILE_MATCH - 1;
    size_t distance = 0;
    int most = size - at < MAX_MATCH ? (int)(size - at) : MAX_MATCH;
    size_t next = most < WORTHWHILE_MATCH ? 0 : d->head[hash(data + at)];
    for (int tries = CHAIN; tries && next; tries--) {
        size_t from = next - 1;
        if (at - from > WINDOW) break;
        next = d->before[from % WINDOW];
        if (data[from + (size_t)longest] != data[at + (size_t)longest]) continue;
        int n = match_length(data + from, data + at, most);
        if (n > longest) {
            longest = n;
            distance = at - from;
        }
        if (n >= GOOD_MATCH || n == most) break;
    }
    return (Token){ (uint16_t)longest, (uint16_t)distance };
}

/* data: [size], size < 2^32.  Appends a DEFLATE stream to d->out.
 * Lazy matching: `held` is the best match one byte back.  It is written when the match here is not longer.  Otherwise
 * that byte becomes a literal, and the match here is held. */
static void deflate(Deflate *d, const Byte *data, size_t size)
{
    const Token none = { 0, 0 };
    Token held = none;                              /* length 0: no byte waits */
    size_t at = 0;
    while (at < size) {
        Token now = held.length < GOOD_MATCH ? find_match(d, data, at, size) : none;
        if (held.distance && held.length >= now.length) {
            add_token(d, held);
            size_t end = at - 1 + held.length;
            for (; at < end; at++) insert_hash(d, data, at, size);
            held = none;
            continue;
        }
        if (held.length) add_token(d, (Token){ data[at - 1], 0 });
        insert_hash(d, data, at, size);
        at++;
        held = now;
    }
    if (held.length) add_token(d, (Token){ data[size - 1], 0 });
    put_block(d, 1);
    put_bits(d, 0, -d->bit_count & 7);
}

/* RFC 1950, 2.2:  | CMF 78: DEFLATE, window of 32K | FLG 9C: default level, check bits | DEFLATE stream | Adler-32 | */
void zlib_compress(Buffer *out, const unsigned char *data, size_t size)
{
    uint32_t sum = adler32(data, size);
    Deflate *d = calloc(1, sizeof *d);
    if (!d) {
        out->failed = 1;
        return;
    }
    d->out = out;
    buffer_append(out, "\x78\x9C", 2);
    deflate(d, data, size);
    for (int shift = 24; shift >= 0; shift -= 8) buffer_put(out, (int)(sum >> shift & 255));
    free(d);
}

/* ---- unpacking: bits ---- */

enum { FAST_BITS = 10 };            /* Huffman codes up to this length are looked up at once */

/* A canonical Huffman code for reading. */
typedef struct {
    uint16_t count[MAX_BITS + 1];           /* how many codes have each length */
    uint16_t symbol[FIXED_LITERALS];        /* the symbols in order of their codes */
    uint16_t fast[1 << FAST_BITS];          /* by the next bits: symbol << 4 | length; 0: the code is longer, or none */
} Decoder;

typedef struct {
    const Byte *at, *end;           /* what is still packed */
    uint64_t bits;                  /* bits that were read ahead, the next one lowest */
    int bit_count;                  /* how many */
    int past;                       /* how many of them lie past the end of the input */
    Byte *out;
    size_t size, room;
    Decoder literal, distance;
    int is_fixed;                   /* whether these are the fixed codes */
} Inflate;

static void need_bits(Inflate *z, int n)
{
    while (z->bit_count < n) {
        if (z->at == z->end) z->past += 8;
        else z->bits |= (uint64_t)*z->at++ << z->bit_count;
        z->bit_count += 8;
    }
}

static void drop_bits(Inflate *z, int n)
{
    z->bits >>= n;
    z->bit_count -= n;
}

static unsigned take_bits(Inflate *z, int n)
{
    need_bits(z, n);
    unsigned value = (unsigned)(z->bits & ((1u << n) - 1));
    drop_bits(z, n);
    return value;
}

/* Were bits used that lie past the end of the input? */
static int is_past_end(const Inflate *z) { return z->past > z->bit_count; }

/* ---- unpacking: Huffman codes ---- */

/* Do the codes use all bit patterns, and none twice?  As in zlib, no codes at all are accepted, and one code of one bit
 * where is_single_allowed is set. */
static int is_complete(const Decoder *d, int is_single_allowed)
{
    int left = 1;                   /* unused patterns of n bits */
    int codes = 0;
    for (int n = 1; n <= MAX_BITS; n++) {
        left = 2 * left - d->count[n];
        codes += d->count[n];
    }
    if (left == 0 || codes == 0) return 1;
    return is_single_allowed && codes == 1 && d->count[1];
}

/* Enters the code of a symbol at every index of the fast table that ends with it. */
static void add_fast(Decoder *d, int symbol, int code, int length)
{
    if (length > FAST_BITS) return;
    uint32_t step = 1u << length;
    for (uint32_t at = reversed((uint32_t)code, length); at < 1 << FAST_BITS; at += step)
        d->fast[at] = (uint16_t)(symbol << 4 | length);
}

/* length: [n], 0 for a symbol without a code (RFC 1951, 3.2.2).  Returns 0 when these lengths make no Huffman code. */
static int make_decoder(Decoder *d, const Byte *length, int n, int is_single_allowed)
{
    int next_code[MAX_BITS + 1] = { 0 };
    int next_symbol[MAX_BITS + 1] = { 0 };
    memset(d, 0, sizeof *d);
    for (int i = 0; i < n; i++)
        if (length[i]) d->count[length[i]]++;
    if (!is_complete(d, is_single_allowed)) return 0;
    for (int k = 1; k < MAX_BITS; k++) {
        next_code[k + 1] = (next_code[k] + d->count[k]) << 1;
        next_symbol[k + 1] = next_symbol[k] + d->count[k];
    }
    for (int i = 0; i < n; i++) {
        int k = length[i];
        if (!k) continue;
        d->symbol[next_symbol[k]++] = (uint16_t)i;
        add_fast(d, i, next_code[k]++, k);
    }
    return 1;
}

/* Returns the next symbol, -1 when the bits are no code. */
static int take_symbol(Inflate *z, const Decoder *d)
{
    need_bits(z, MAX_BITS);
    int entry = d->fast[z->bits & ((1 << FAST_BITS) - 1)];
    if (entry) {
        drop_bits(z, entry & 15);
        return entry >> 4;
    }
    int code = 0;
    int first_code = 0;             /* of n bits */
    int first_symbol = 0;           /* where its symbol stands */
    for (int n = 1; n <= MAX_BITS; n++) {
        code = code << 1 | (int)(z->bits >> (n - 1) & 1);
        if (code - first_code < d->count[n]) {
            drop_bits(z, n);
            return d->symbol[first_symbol + code - first_code];
        }
        first_symbol += d->count[n];
        first_code = (first_code + d->count[n]) << 1;
    }
    return -1;
}

/* The inverse of coded(): takes the extra bits and returns the number. */
static int take_coded(Inflate *z, int symbol, int top)
{
    int extra = symbol >> top > 1 ? (symbol >> top) - 1 : 0;
    return ((symbol - (extra << top)) << extra) + (int)take_bits(z, extra);
}

/* ---- unpacking: blocks.  Each function returns NULL, or what is wrong ---- */

/* RFC 1951, 3.2.4:  | to the next byte | LEN 2 | NLEN 2: its complement | LEN bytes |
 * Bytes that were read ahead are given back first. */
static const char *inflate_stored(Inflate *z)
{
    drop_bits(z, z->bit_count & 7);                     /* to the next byte */
    unsigned n = take_bits(z, 16);
    unsigned complement = take_bits(z, 16);
    if (is_past_end(z)) return "an early end";
    z->at -= (z->bit_count - z->past) / 8;
    z->bits = 0;
    z->bit_count = 0;
    z->past = 0;
    if ((n ^ complement) != 65535) return "a block whose length does not fit";
    if (n > (size_t)(z->end - z->at)) return "an early end";
    if (n > z->room - z->size) return "more than there should be";
    memcpy(z->out + z->size, z->at, n);
    z->at += n;
    z->size += n;
    return NULL;
}

/* Reads the rest of a match, of which the length symbol was taken, and copies.  Source and destination may overlap: a
 * distance of 1 repeats one byte, so bytes are copied one after the other. */
static const char *inflate_match(Inflate *z, int symbol)
{
    int length = MAX_MATCH;
    if (symbol != MAX_LENGTH_SYMBOL) length = MIN_MATCH + take_coded(z, symbol - END_OF_BLOCK - 1, 2);
    int back = take_symbol(z, &z->distance);
    if (symbol >= LITERALS || back < 0 || back >= DISTANCES) return "a code that means nothing";
    size_t distance = 1 + (size_t)take_coded(z, back, 1);
    if (distance > z->size) return "a repeat of something before its beginning";
    if ((size_t)length > z->room - z->size) return "more than there should be";
    for (int i = 0; i < length; i++) {
        z->out[z->size] = z->out[z->size - distance];
        z->size++;
    }
    return NULL;
}

/* RFC 1951, 3.2.3: the tokens of a block, up to the end of block. */
static const char *inflate_tokens(Inflate *z)
{
    for (;;) {
        const char *wrong = NULL;
        int symbol = take_symbol(z, &z->literal);
        if (symbol < 0) wrong = "a code that means nothing";
        if (symbol > END_OF_BLOCK) wrong = inflate_match(z, symbol);
        if (is_past_end(z)) return "an early end";
        if (wrong || symbol == END_OF_BLOCK) return wrong;
        if (symbol > END_OF_BLOCK) continue;
        if (z->size == z->room) return "more than there should be";
        z->out[z->size++] = (Byte)symbol;
    }
}

/* RFC 1951, 3.2.6.  Distances 30 and 31 have a code but no meaning. */
static void use_fixed_codes(Inflate *z)
{
    Huffman literal, distance;
    if (z->is_fixed) return;
    fixed_codes(&literal, &distance);
    make_decoder(&z->literal, literal.length, FIXED_LITERALS, 1);
    memset(distance.length + DISTANCES, 5, 2);
    make_decoder(&z->distance, distance.length, DISTANCES + 2, 1);
    z->is_fixed = 1;
}

/* RFC 1951, 3.2.7.  Reads n code lengths, written as runs by the code in z->literal.  Returns 0 when these are not n
 * lengths. */
static int read_code_lengths(Inflate *z, Byte *length, int n)
{
    int i = 0;
    while (i < n) {
        int symbol = take_symbol(z, &z->literal);
        if (symbol < 0 || is_past_end(z)) return 0;
        if (symbol == 16 && i == 0) return 0;
        int value = 0;
        int times = 1;
        if (symbol < 16) value = symbol;
        if (symbol == 16) value = length[i - 1];
        if (symbol >= 16) times = (symbol == 18 ? 11 : 3) + (int)take_bits(z, run_bits(symbol));
        if (times > n - i) return 0;
        memset(length + i, value, (size_t)times);
        i += times;
    }
    return 1;
}

static const char *read_dynamic_codes(Inflate *z)
{
    static const char wrong[] = "an impossible code";
    Byte length[FIXED_LITERALS + 32] = { 0 };
    Byte run_length[CODE_LENGTHS] = { 0 };
    int literals = 257 + (int)take_bits(z, 5);
    int distances = 1 + (int)take_bits(z, 5);
    int n = 4 + (int)take_bits(z, 4);
    z->is_fixed = 0;
    for (int i = 0; i < n; i++) run_length[code_length_order[i]] = (Byte)take_bits(z, 3);
    if (literals > LITERALS || distances > DISTANCES) return wrong;
    if (!make_decoder(&z->literal, run_length, CODE_LENGTHS, 0)) return wrong;
    if (!read_code_lengths(z, length, literals + distances)) return wrong;
    if (!make_decoder(&z->literal, length, literals, 1)) return wrong;
    if (!make_decoder(&z->distance, length + literals, distances, 1)) return wrong;
    return NULL;
}

/* RFC 1951, 3.2.3. */
static const char *inflate_block(Inflate *z, unsigned type)
{
    const char *wrong;
    switch (type) {
    case 0:
        return inflate_stored(z);
    case 1:
        use_fixed_codes(z);
        return inflate_tokens(z);
    case 2:
        wrong = read_dynamic_codes(z);
        return wrong ? wrong : inflate_tokens(z);
    default:
        return "a block of no known kind";
    }
}

static const char *inflate(Inflate *z)
{
    int is_last = 0;
    while (!is_last) {
        is_last = (int)take_bits(z, 1);
        const char *wrong = inflate_block(z, take_bits(z, 2));
        if (is_past_end(z)) return "an early end";
        if (wrong) return wrong;
    }
    return NULL;
}

/* RFC 1950, 2.2:  | CMF | FLG | DEFLATE stream | Adler-32 |.  The first two, as one number, are a multiple of 31. */
static const char *inflate_zlib(Inflate *z)
{
    unsigned cmf = take_bits(z, 8);
    unsigned flg = take_bits(z, 8);
    unsigned method = cmf & 15;
    unsigned window = cmf >> 4;             /* log2 of its size - 8 */
    unsigned has_dictionary = flg & 32;
    if (is_past_end(z)) return "an early end";
    if (method != 8 || window > 7 || (cmf << 8 | flg) % 31 || has_dictionary) return "a head that is not zlib's";
    const char *wrong = inflate(z);
    if (wrong) return wrong;
    uint32_t sum = 0;
    drop_bits(z, z->bit_count & 7);                     /* to the next byte */
    for (int i = 0; i < 4; i++) sum = sum << 8 | take_bits(z, 8);
    if (is_past_end(z)) return "an early end";
    if (sum != adler32(z->out, z->size)) return "a wrong checksum";
    return NULL;
}

const char *zlib_decompress(const unsigned char *from, size_t n, unsigned char *to, size_t room, size_t *size)
{
    Inflate *z = calloc(1, sizeof *z);
    if (!z) return "no memory left";
    *z = (Inflate){ .at = from, .end = from + n, .out = to, .room = room };
    const char *wrong = inflate_zlib(z);
    *size = z->size;
    free(z);
    return wrong;
}
