/* gif.c - writes frames as an animated GIF.
 *
 * palette.c chooses one table of at most 256 colours for the clip, and an index for each pixel.  This makes a file:
 *
 *     Header | Logical Screen Descriptor | Global Color Table | NETSCAPE2.0 loop | Comment Extension
 *     for each frame:  Graphic Control Extension (delay, disposal) | Image Descriptor | LZW codes
 *     Trailer
 *
 * LZW (Welch 1984; GIF89a, Appendix F): each code that is written adds an entry to the code table: the run of indices
 * that it stands for, and the next index.  Codes begin with one bit more than an index has and grow to 12 bits; the
 * clear code empties a full table.  Codes a, b, c ... of 5 bits fill bytes from the lowest bit (bit 0) up:
 *
 *     bit    7  6  5  4  3  2  1  0     7  6  5  4  3  2  1  0
 *           b2 b1 b0 a4 a3 a2 a1 a0    d0 c4 c3 c2 c1 c0 b4 b3    ...
 *
 * and the bytes are cut into data sub-blocks (GIF89a, 15):   | 255 | 255 bytes | 255 | 255 bytes | 17 | 17 bytes | 0 |
 *
 * Small files: a frame stores only the rectangle that changed, with unchanged pixels transparent if that is smaller.
 * Lossy LZW lets a run that has no code go on with a similar colour that has one.
 * Invariant: a pixel whose colour stays keeps its index, with and without loss, so nothing shimmers.
 * It writes no local colour tables and no interlacing. */
#include "gif.h"
#include "palette.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum {
    STILL = 2,              /* of 255: a smaller change is noise; to ignore it halves the file */
    MAX_CODE_SIZE = 12,     /* bits of an LZW code */
    CODES = 4096,           /* 1 << MAX_CODE_SIZE: entries of a full code table */
    SLOTS = 3 * CODES       /* of the hash table that finds them */
};

/* ---- a buffer that grows: after a failed realloc it stays failed, so one look at the end is enough ---- */

typedef struct { Byte *at; size_t size, room; int failed; } Buffer;

static void append(Buffer *b, const void *from, size_t n)
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

static void put(Buffer *b, int byte)
{
    Byte x = (Byte)byte;
    append(b, &x, 1);
}

/* Numbers of 16 bits have their low byte first. */
static void put16(Buffer *b, int n)
{
    put(b, n & 255);
    put(b, n >> 8);
}

/* GIF89a, 15 and 16.  Data sub-blocks:  | n 1..255 | n bytes | n | n bytes | ... | 0 | */
static void put_sub_blocks(Buffer *b, const void *data, size_t size)
{
    const Byte *at = data;
    while (size) {
        size_t n = size < 255 ? size : 255;
        put(b, (int)n);
        append(b, at, n);
        at += n;
        size -= n;
    }
    put(b, 0);
}

/* ---- similar colours, for lossy LZW ---- */

/* For each index: the other indices of about its colour, the nearest first. */
typedef struct { int count[256]; Byte index[256][256]; } SimilarColours;

/* Inserts index k into the list of index i, which is sorted by distance. */
static void insert_similar(SimilarColours *s, const Palette *p, int i, int k)
{
    int distance = palette_distance(p->rgb[i], p->rgb[k]);
    int at = s->count[i]++;
    while (at > 0 && palette_distance(p->rgb[i], p->rgb[s->index[i][at - 1]]) > distance) {
        s->index[i][at] = s->index[i][at - 1];
        at--;
    }
    s->index[i][at] = (Byte)k;
}

/* Lists the colours that differ by at most `loss`, of 255, in each channel.  No loss gives empty lists. */
static void find_similar_colours(SimilarColours *s, const Palette *p, int loss)
{
    int most = (2 + 4 + 3) * loss * loss;           /* palette_distance of two colours that differ by loss everywhere */
    memset(s->count, 0, sizeof s->count);
    if (!loss) return;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->n; k++)
            if (i != k && palette_distance(p->rgb[i], p->rgb[k]) <= most) insert_similar(s, p, i, k);
}

/* ---- LZW ---- */

/* The encoder.  The code table is a hash table: the code of a run is found by the code of the run without its last
 * index (the prefix), and that index. */
typedef struct {
    Buffer *out;
    uint32_t bits;                      /* bits that do not fill a byte yet, the oldest lowest */
    int bit_count;                      /* how many */
    int index_bits;                     /* bits of an index: GIF's "LZW minimum code size" */
    int code_size;                      /* bits of a code now */
    int next_code;                      /* the first free code */
    int32_t key[SLOTS];                 /* prefix << 8 | index; -1: the slot is empty */
    int16_t code[SLOTS];
} Lzw;

static int clear_code(const Lzw *z) { return 1 << z->index_bits; }
static int end_code(const Lzw *z) { return clear_code(z) + 1; }

static void put_code(Lzw *z, int code)
{
    z->bits |= (uint32_t)code << z->bit_count;
    z->bit_count += z->code_size;
    while (z->bit_count >= 8) {
        put(z->out, (int)(z->bits & 255));
        z->bits >>= 8;
        z->bit_count -= 8;
    }
}

/* Writes the clear code: the decoder's code table starts anew too. */
static void clear_table(Lzw *z)
{
    put_code(z, clear_code(z));
    z->next_code = end_code(z) + 1;
    z->code_size = z->index_bits + 1;
    memset(z->key, -1, sizeof z->key);
}

/* Returns the slot of this key, or the empty slot where it belongs. */
static int find_slot(const Lzw *z, int32_t key)
{
    int slot = (int)((uint32_t)key * 2654435761u >> 16) % SLOTS;
    while (z->key[slot] >= 0 && z->key[slot] != key) {
        slot++;
        if (slot == SLOTS) slot = 0;
    }
    return slot;
}

/* The decoder adds an entry after each code, so codes get a bit longer exactly when the next code needs it.  With a bit
 * more or less at one place, everything behind it is noise. */
static void widen_codes(Lzw *z)
{
    if (z->next_code == 1 << z->code_size && z->code_size < MAX_CODE_SIZE) z->code_size++;
}

static void add_code(Lzw *z, int slot, int32_t key)
{
    if (z->next_code == CODES) {
        clear_table(z);
        return;
    }
    z->key[slot] = key;
    z->code[slot] = (int16_t)z->next_code;
    widen_codes(z);
    z->next_code++;
}

/* Returns the slot of the run prefix + *index.  When that has no code but prefix + a similar colour has one, *index
 * becomes that colour.  When neither has one, it returns the empty slot where prefix + *index belongs. */
static int find_run(const Lzw *z, const SimilarColours *s, int prefix, Byte *index)
{
    int slot = find_slot(z, prefix << 8 | *index);
    if (z->key[slot] >= 0) return slot;
    for (int k = 0; k < s->count[*index]; k++) {
        Byte similar = s->index[*index][k];
        int other = find_slot(z, prefix << 8 | similar);
        if (z->key[other] < 0) continue;
        *index = similar;
        return other;
    }
    return slot;
}

/* index: [n], n >= 1, each below 1 << index_bits.  Appends the codes to out, not yet cut into sub-blocks.
 * Afterwards index holds what a decoder will read, which differs from before only where there are similar colours. */
static void lzw_encode(Lzw *z, Buffer *out, const SimilarColours *similar, Byte *index, size_t n, int index_bits)
{
    *z = (Lzw){ .out = out, .index_bits = index_bits, .code_size = index_bits + 1 };
    clear_table(z);
    int prefix = index[0];
    for (size_t i = 1; i < n; i++) {
        int slot = find_run(z, similar, prefix, &index[i]);
        if (z->key[slot] >= 0) {
            prefix = z->code[slot];
            continue;
        }
        put_code(z, prefix);
        add_code(z, slot, prefix << 8 | index[i]);
        prefix = index[i];
    }
    put_code(z, prefix);
    widen_codes(z);                     /* the decoder's table grows after the last code too */
    put_code(z, end_code(z));
    if (z->bit_count) put(out, (int)z->bits);
}

/* ---- the blocks of the file ---- */

typedef struct { int x, y, width, height; } Rect;

/* GIF89a, 17 to 19.  Header, Logical Screen Descriptor, and Global Color Table of 1 << bits entries:
 *   | "GIF89a" | width | height | flags | background 0 | aspect ratio 0: square pixels | table |
 * flags: there is a table, 8 bits a channel, bits - 1 */
static void put_logical_screen(Buffer *out, const Palette *p, int width, int height, int bits)
{
    append(out, "GIF89a", 6);
    put16(out, width);
    put16(out, height);
    put(out, 0xF0 | (bits - 1));
    put16(out, 0);
    append(out, p->rgb, 3 * (size_t)p->n);
    for (int i = p->n; i < 1 << bits; i++) append(out, "\0\0", 3);
}

/* GIF89a, 26.  Application Extension of Netscape Navigator 2.0:  sub-block | 3 | 1 | loops: 0 is for ever | */
static void put_netscape_loop(Buffer *out) { append(out, "\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0", 19); }

/* GIF89a, 24.  Comment Extension. */
static void put_comment(Buffer *out, const char *text)
{
    append(out, "\x21\xFE", 2);
    put_sub_blocks(out, text, strlen(text));
}

/* GIF89a, 23.  Graphic Control Extension:
 *   | 21 F9 | 4 | flags: disposal 1 (do not dispose: the frame stays), transparency | delay | transparent index | 0 |
 * transparent: an index, or -1 when none is transparent */
static void put_graphic_control(Buffer *out, int delay, int transparent)
{
    int flags = 1 << 2;
    if (transparent >= 0) flags |= 1;
    append(out, "\x21\xF9\x04", 3);
    put(out, flags);
    put16(out, delay);
    put(out, transparent >= 0 ? transparent : 0);
    put(out, 0);
}

/* GIF89a, 20 and 22.  Image Descriptor and Table Based Image Data:
 *   | 2C | x | y | width | height | no local table | LZW minimum code size | codes in sub-blocks | */
static void put_image(Buffer *out, Rect r, int index_bits, const Buffer *codes)
{
    put(out, 0x2C);
    put16(out, r.x);
    put16(out, r.y);
    put16(out, r.width);
    put16(out, r.height);
    put(out, 0);
    put(out, index_bits);
    put_sub_blocks(out, codes->at, codes->size);
    if (codes->failed) out->failed = 1;
}

/* Returns the bits of an index into n entries.  LZW wants at least 2 (GIF89a, Appendix F). */
static int bits_for(int n)
{
    int bits = 2;
    while (1 << bits < n) bits++;
    return bits;
}

/* ---- one frame ---- */

/* One of two ways to store a frame: unchanged pixels as they are, or transparent. */
typedef struct {
    int transparent;            /* the transparent index, -1: none */
    Byte *index;                /* [rectangle's height, rectangle's width] */
    Buffer codes;               /* the same by LZW */
} Candidate;

typedef struct {
    int width, height, index_bits;
    Palette palette;
    SimilarColours similar;
    Lzw lzw;
    Buffer out;                 /* the file */
    Byte *drawn;                /* [height, width, 3]: the colours that the indices stand for */
    Byte *shown;                /* [height, width]: indices of the frame before, as a viewer sees it */
    Byte *now;                  /* [height, width]: indices of this frame */
    Candidate opaque, sparse;   /* this frame, without and with transparent pixels */
    int tolerance;              /* of 255: a smaller change of a pixel counts as none */
} Encoder;

static int is_near(const Byte *a, const Byte *b, int tolerance)
{
    return abs(a[0] - b[0]) <= tolerance && abs(a[1] - b[1]) <= tolerance && abs(a[2] - b[2]) <= tolerance;
}

/* Brings e->now up to rgb: [height, width, 3].  A pixel that did not change keeps its index. */
static void index_frame(Encoder *e, const Byte *rgb, int is_first)
{
    Byte *drawn = e->drawn;
    Byte *index = e->now;
    for (int y = 0; y < e->height; y++)
        for (int x = 0; x < e->width; x++) {
            if (is_first || !is_near(rgb, drawn, e->tolerance)) {
                memcpy(drawn, rgb, 3);
                *index = (Byte)palette_index(&e->palette, rgb, x, y);
            }
            rgb += 3;
            drawn += 3;
            index++;
        }
}

/* a, b: [height, width].  Returns the rectangle where they differ.  Equal frames give one pixel, as a GIF's image
 * cannot be empty. */
static Rect changed_rect(const Byte *a, const Byte *b, int width, int height)
{
    int left = width;
    int right = -1;
    int top = height;
    int bottom = -1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            size_t i = (size_t)y * (size_t)width + (size_t)x;
            if (a[i] == b[i]) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            bottom = y;
        }
    if (bottom < 0) return (Rect){ .x = 0, .y = 0, .width = 1, .height = 1 };
    return (Rect){ .x = left, .y = top, .width = right - left + 1, .height = bottom - top + 1 };
}

static void encode_candidate(Encoder *e, Rect r, Candidate *c)
{
    Byte *to = c->index;
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            size_t i = (size_t)y * (size_t)e->width + (size_t)x;
            int is_transparent = c->transparent >= 0 && e->now[i] == e->shown[i];
            *to++ = is_transparent ? (Byte)c->transparent : e->now[i];
        }
    c->codes.size = 0;
    lzw_encode(&e->lzw, &c->codes, &e->similar, c->index, (size_t)r.width * (size_t)r.height, e->index_bits);
}

/* Lossy LZW may have changed indices: what was written is what a viewer sees. */
static void show_candidate(Encoder *e, Rect r, const Candidate *c)
{
    const Byte *from = c->index;
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            if (*from != c->transparent) e->now[(size_t)y * (size_t)e->width + (size_t)x] = *from;
            from++;
        }
    memcpy(e->shown, e->now, (size_t)e->width * (size_t)e->height);
}

/* rgb: [height, width, 3].  delay: hundredths of a second */
static void put_frame(Encoder *e, const Byte *rgb, int is_first, int delay)
{
    Rect r = { .x = 0, .y = 0, .width = e->width, .height = e->height };
    Candidate *best = &e->opaque;
    index_frame(e, rgb, is_first);
    if (!is_first) r = changed_rect(e->shown, e->now, e->width, e->height);
    encode_candidate(e, r, &e->opaque);
    if (!is_first) {
        encode_candidate(e, r, &e->sparse);
        if (e->sparse.codes.size < e->opaque.codes.size) best = &e->sparse;
    }
    put_graphic_control(&e->out, delay, best->transparent);
    put_image(&e->out, r, e->index_bits, &best->codes);
    show_candidate(e, r, best);
}

/* ---- the whole clip ---- */

/* The arguments of gif_encode. */
typedef struct {
    const Byte *rgb;
    int frames, width, height;
    double fps;
    const char *comment;
} Clip;

static int is_valid(const Clip *c)
{
    if (c->frames < 1 || c->width < 1 || c->height < 1 || c->width > 65535 || c->height > 65535) return 0;
    if (!(c->fps >= 0.1 && c->fps <= 100)) return 0;
    return (size_t)c->frames <= SIZE_MAX / 3 / (size_t)c->width / (size_t)c->height;
}

/* Returns the start of frame i in hundredths of a second, halves rounded down. */
static double frame_start(const Clip *c, int i) { return ceil(100.0 * i / c->fps - 0.5); }

/* Takes memory and chooses the palette.  Returns 0 when out of memory. */
static int encoder_open(Encoder *e, const Clip *c, const GifEffort *effort)
{
    size_t area = (size_t)c->width * (size_t)c->height;
    int reserved = c->frames > 1 ? 1 : 0;                   /* the transparent index, behind all colours */
    e->width = c->width;
    e->height = c->height;
    e->drawn = malloc(3 * area);
    e->shown = malloc(area);
    e->now = malloc(area);
    e->opaque.index = malloc(area);
    e->sparse.index = malloc(area);
    if (!e->drawn || !e->shown || !e->now || !e->opaque.index || !e->sparse.index) return 0;
    if (!palette_choose(&e->palette, c->rgb, (size_t)c->frames * area, effort->colours - reserved)) return 0;
    find_similar_colours(&e->similar, &e->palette, effort->loss);
    e->opaque.transparent = -1;
    e->sparse.transparent = e->palette.n;
    e->index_bits = bits_for(e->palette.n + reserved);
    /* A table that holds every colour stores every change, however small. */
    e->tolerance = e->palette.is_exact && !effort->loss ? 0 : STILL + effort->loss / 2;
    return 1;
}

static void encoder_close(Encoder *e)
{
    free(e->drawn);
    free(e->shown);
    free(e->now);
    free(e->opaque.index);
    free(e->sparse.index);
    free(e->opaque.codes.at);
    free(e->sparse.codes.at);
    free(e);
}

static void put_clip(Encoder *e, const Clip *c, int every)
{
    size_t frame = 3 * (size_t)c->width * (size_t)c->height;
    put_logical_screen(&e->out, &e->palette, c->width, c->height, e->index_bits);
    if (c->frames > every) put_netscape_loop(&e->out);
    if (c->comment) put_comment(&e->out, c->comment);
    for (int i = 0; i < c->frames; i += every) {
        int next = i + every < c->frames ? i + every : c->frames;
        int delay = (int)(frame_start(c, next) - frame_start(c, i));
        put_frame(e, c->rgb + frame * (size_t)i, i == 0, delay);
    }
    put(&e->out, 0x3B);                 /* GIF89a, 27.  Trailer */
}

/* Returns the file, which the caller frees; NULL when out of memory. */
static Byte *encode(const Clip *c, const GifEffort *effort, size_t *size)
{
    Encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    int good = encoder_open(e, c, effort);
    if (good) put_clip(e, c, effort->every);
    Byte *gif = e->out.at;
    if (good && !e->out.failed) {
        *size = e->out.size;
    } else {
        free(gif);
        gif = NULL;
    }
    encoder_close(e);
    return gif;
}

/* ---- a limit of size ---- */

/* Each row makes a smaller file than the row above, and looks worse. */
static const GifEffort efforts[] = {
    { .colours = 256, .loss =  0, .every = 1 },
    { .colours = 192, .loss =  0, .every = 1 },
    { .colours = 128, .loss =  0, .every = 1 },
    { .colours = 128, .loss =  6, .every = 1 },
    { .colours = 128, .loss =  9, .every = 1 },
    { .colours = 128, .loss = 12, .every = 1 },
    { .colours = 128, .loss = 16, .every = 1 },
    { .colours = 128, .loss = 20, .every = 1 },
    { .colours = 128, .loss = 24, .every = 1 },
    { .colours = 128, .loss = 24, .every = 2 },
    { .colours = 128, .loss = 24, .every = 3 },
    { .colours = 128, .loss = 24, .every = 4 },
};

/* Returns how many rows leave two frames of a clip, or more. */
static int efforts_for(int frames)
{
    int n = sizeof efforts / sizeof *efforts;
    while (efforts[n - 1].every > 1 && efforts[n - 1].every >= frames) n--;
    return n;
}

/* Bisection.  The rows up to too_large are too large, and those from `fits` on are small enough.  The last row counts
 * as small enough, for nothing is smaller. */
unsigned char *gif_encode_within(const unsigned char *rgb, int frames, int width, int height, double fps,
                                 const char *comment, size_t most, GifEffort *effort, size_t *size)
{
    Clip clip = { .rgb = rgb, .frames = frames, .width = width, .height = height, .fps = fps, .comment = comment };
    if (!is_valid(&clip)) return NULL;
    Byte *best = NULL;
    int count = efforts_for(frames);
    int too_large = -1;
    int fits = count;
    int i = 0;
    while (fits - too_large > 1) {
        size_t n;
        Byte *gif = encode(&clip, &efforts[i], &n);
        if (!gif) {
            free(best);
            return NULL;
        }
        if (n > most) too_large = i;
        else fits = i;
        if (n <= most || i == count - 1) {
            free(best);
            best = gif;
            *size = n;
            *effort = efforts[i];
        } else {
            free(gif);
        }
        i = (too_large + fits) / 2;
    }
    return best;
}

unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size)
{
    GifEffort effort;
    return gif_encode_within(rgb, frames, width, height, fps, comment, SIZE_MAX, &effort, size);
}

/* ---- reading the comment ---- */

typedef struct { const Byte *at, *end; } Reader;

/* Returns 0 when the file ends before. */
static int skip(Reader *r, size_t n)
{
    if ((size_t)(r->end - r->at) < n) return 0;
    r->at += n;
    return 1;
}

/* Returns the next byte, -1 at the end of the file. */
static int next_byte(Reader *r) { return r->at < r->end ? *r->at++ : -1; }

/* Reads data sub-blocks, and appends them to text unless that is NULL.  Returns 0 when the file ends in them. */
static int read_sub_blocks(Reader *r, Buffer *text)
{
    int n;
    while ((n = next_byte(r)) > 0) {
        const Byte *at = r->at;
        if (!skip(r, (size_t)n)) return 0;
        if (text) append(text, at, (size_t)n);
    }
    return n == 0;
}

/* Skips the colour table that a descriptor's flags announce: 2 << (flags & 7) entries of 3 bytes. */
static int skip_colour_table(Reader *r, int flags)
{
    if (!(flags & 0x80)) return 1;
    return skip(r, (size_t)6 << (flags & 7));
}

static int skip_logical_screen(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 13) || (memcmp(at, "GIF87a", 6) && memcmp(at, "GIF89a", 6))) return 0;
    return skip_colour_table(r, at[10]);
}

/* Skips what follows the 2C of an Image Descriptor. */
static int skip_image(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 9)) return 0;
    if (!skip_colour_table(r, at[8])) return 0;
    return skip(r, 1) && read_sub_blocks(r, NULL);
}

/* Returns 1 when text holds the first comment, 0 when there is none or the file is broken before it. */
static int find_comment(Reader *r, Buffer *text)
{
    if (!skip_logical_screen(r)) return 0;
    for (;;) {
        int introducer = next_byte(r);
        if (introducer == 0x2C) {
            if (!skip_image(r)) return 0;
            continue;
        }
        if (introducer != 0x21) return 0;
        if (next_byte(r) == 0xFE) return read_sub_blocks(r, text);
        if (!read_sub_blocks(r, NULL)) return 0;
    }
}

char *gif_comment(const unsigned char *gif, size_t size)
{
    Reader r = { gif, gif + size };
    Buffer text = { .at = NULL };
    int found = find_comment(&r, &text);
    put(&text, 0);
    if (found && !text.failed) return (char *)text.at;
    free(text.at);
    return NULL;
}
