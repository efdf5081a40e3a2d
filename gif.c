/* gif.c - writes frames as an animated GIF.
 *
 * The file (palette.c chooses colour tables and indices into them):
 *     Header | Logical Screen Descriptor | Global Color Table | NETSCAPE2.0 loop | Comment Extension
 *     for each frame:  Graphic Control Extension (delay, disposal) | Image Descriptor | Local Color Table | LZW codes
 *     Trailer
 *
 * Stays: the time of each pixel is cut into stays, in which its colour changes no more than noise does.  A pixel is
 * drawn when a stay begins, in the mean colour of the stay; otherwise it is transparent, and keeps what is shown.
 * Tables: a frame has a table of its own, for the pixels that it draws alone.  They are few, so it fits them well.
 *
 * LZW (Welch 1984; GIF89a, Appendix F): each code that is written adds an entry to the code table: the run of indices
 * that it stands for, and the next index.  Codes begin with one bit more than an index has and grow to 12 bits; the
 * clear code empties a full table.  Codes a, b, c ... of 5 bits fill bytes from the lowest bit (bit 0) up:
 *
 *     bit    7  6  5  4  3  2  1  0     7  6  5  4  3  2  1  0
 *           b2 b1 b0 a4 a3 a2 a1 a0    d0 c4 c3 c2 c1 c0 b4 b3    ...
 *
 * and the bytes are cut into data sub-blocks (GIF89a, 15):   | 255 | 255 bytes | 255 | 255 bytes | 17 | 17 bytes | 0 |
 * Lossy LZW lets a run that has no code go on with another index that has one, where that costs little error.
 *
 * Invariants: nothing is drawn while a stay lasts, so nothing shimmers, with and without loss; where one table holds
 * all colours of the clip, every pixel is exact.  It writes no interlacing, and refuses sizes above 65535. */
#include "gif.h"
#include "palette.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum {
    LEAST_LOSS = 4,         /* of 255, where one table cannot hold all colours: smaller changes are noise anyway */
    PIXELS_A_COLOUR = 8,    /* that a frame draws: with fewer, a larger table costs more than it gains */
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
    int prefix;                         /* the code of the run that is open, -1: no index came yet */
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

/* Begins to append codes to out, not yet cut into sub-blocks. */
static void lzw_begin(Lzw *z, Buffer *out, int index_bits)
{
    z->out = out;
    z->bits = 0;
    z->bit_count = 0;
    z->index_bits = index_bits;
    z->code_size = index_bits + 1;
    z->prefix = -1;
    clear_table(z);
}

/* Does the open run have a code when it goes on with this index? */
static int lzw_goes_on(const Lzw *z, int index)
{
    return z->prefix >= 0 && z->key[find_slot(z, z->prefix << 8 | index)] >= 0;
}

/* Adds an index, below 1 << index_bits. */
static void lzw_put(Lzw *z, int index)
{
    if (z->prefix < 0) {
        z->prefix = index;
        return;
    }
    int32_t key = z->prefix << 8 | index;
    int slot = find_slot(z, key);
    if (z->key[slot] >= 0) {
        z->prefix = z->code[slot];
        return;
    }
    put_code(z, z->prefix);
    add_code(z, slot, key);
    z->prefix = index;
}

/* Ends the codes, after at least one index. */
static void lzw_end(Lzw *z)
{
    put_code(z, z->prefix);
    widen_codes(z);                     /* the decoder's table grows after the last code too */
    put_code(z, end_code(z));
    if (z->bit_count) put(z->out, (int)z->bits);
}

/* ---- the blocks of the file ---- */

typedef struct { int x, y, width, height; } Rect;

/* GIF89a, 19 and 21.  A colour table of 1 << bits entries. */
static void put_table(Buffer *out, const Palette *p, int bits)
{
    append(out, p->rgb, 3 * (size_t)p->n);
    for (int i = p->n; i < 1 << bits; i++) append(out, "\0\0", 3);
}

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
    put_table(out, p, bits);
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

/* GIF89a, 20 to 22.  Image Descriptor, Local Color Table, and Table Based Image Data:
 *   | 2C | x | y | width | height | flags | table | LZW minimum code size | codes in sub-blocks |
 * own: the frame's own table; NULL: it uses the global one */
static void put_image(Buffer *out, Rect r, const Palette *own, int index_bits, const Buffer *codes)
{
    put(out, 0x2C);
    put16(out, r.x);
    put16(out, r.y);
    put16(out, r.width);
    put16(out, r.height);
    put(out, own ? 0x80 | (index_bits - 1) : 0);
    if (own) put_table(out, own, index_bits);
    put(out, index_bits);
    put_sub_blocks(out, codes->at, codes->size);
    if (codes->failed) out->failed = 1;
}

/* Returns the bits of an index into n entries, at most 8.  LZW wants at least 2 (GIF89a, Appendix F). */
static int bits_for(size_t n)
{
    int bits = 2;
    while (bits < 8 && (size_t)1 << bits < n) bits++;
    return bits;
}

/* ---- the clip, and what is known of its pixels ---- */

/* The arguments of gif_encode. */
typedef struct {
    const Byte *rgb;
    int frames, width, height;
    double fps;
    const char *comment;
} Clip;

/* A pixel in the present frame. */
typedef struct {
    Byte want[3];               /* the mean colour of its stay */
    Byte shown[3];              /* what a viewer sees */
    Byte index;                 /* the entry for want, in the table of the frame that drew it last */
    int length;                 /* frames of the stay that begins now, of those that are kept; 0: none begins */
    int until;                  /* the frame in which the next stay begins */
} Pixel;

typedef struct {
    const Clip *clip;
    GifEffort effort;
    size_t area;                /* width height */
    int loss;                   /* of 255: what a colour may change in a stay; see price() too */
    int is_exact;               /* the global table holds all colours of the clip; there are no others */
    int is_first;               /* the first frame: nothing is shown yet */
    Palette palette;            /* of this frame */
    int index_bits;
    int transparent;            /* the transparent index, behind all colours; -1: none */
    Pixel *pixel;               /* [height, width] */
    Byte *rgb;                  /* [area, 3]: the colours that this frame draws, for palette_choose ... */
    int *weight;                /* [area]: ... and for how many frames each is shown */
    Lzw lzw;
    Buffer codes;               /* of this frame */
    Buffer out;                 /* the file */
} Encoder;

/* ---- stays ---- */

/* The colours of a pixel over some frames. */
typedef struct { int low[3], high[3], sum[3], n; } Span;

/* Takes one more colour into the span.  Returns 0, and leaves it, when they would differ by more than range. */
static int span_grows(Span *s, const Byte *rgb, int range)
{
    Span t = *s;
    for (int k = 0; k < 3; k++) {
        if (rgb[k] < t.low[k]) t.low[k] = rgb[k];
        if (rgb[k] > t.high[k]) t.high[k] = rgb[k];
        if (t.high[k] - t.low[k] > range) return 0;
        t.sum[k] += rgb[k];
    }
    t.n++;
    *s = t;
    return 1;
}

/* Begins the stay of pixel i at a frame: as many frames as its colour differs by at most e->loss, in each channel. */
static void begin_stay(Encoder *e, size_t i, int frame)
{
    Pixel *p = &e->pixel[i];
    Span s = { .low = { 255, 255, 255 } };
    int next = frame;
    while (next < e->clip->frames && span_grows(&s, e->clip->rgb + 3 * (e->area * (size_t)next + i), e->loss))
        next += e->effort.every;
    for (int k = 0; k < 3; k++) p->want[k] = (Byte)((s.sum[k] + s.n / 2) / s.n);
    p->length = s.n;
    p->until = next;
}

/* Begins all stays that begin at a frame.  Returns how many pixels it draws; e->rgb and e->weight are theirs. */
static size_t begin_stays(Encoder *e, int frame)
{
    size_t n = 0;
    for (size_t i = 0; i < e->area; i++) {
        Pixel *p = &e->pixel[i];
        p->length = 0;
        if (frame < p->until) continue;
        begin_stay(e, i, frame);
        if (!e->is_first && !memcmp(p->want, p->shown, 3)) p->length = 0;
        if (!p->length) continue;
        memcpy(e->rgb + 3 * n, p->want, 3);
        e->weight[n] = p->length;
        n++;
    }
    return n;
}

/* Returns the rectangle of the pixels that are drawn.  Without any it is one pixel: a GIF's image cannot be empty. */
static Rect drawn_rect(const Encoder *e)
{
    int left = e->clip->width;
    int right = -1;
    int top = e->clip->height;
    int bottom = -1;
    const Pixel *p = e->pixel;
    for (int y = 0; y < e->clip->height; y++)
        for (int x = 0; x < e->clip->width; x++) {
            if (!p++->length) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            bottom = y;
        }
    if (bottom < 0) return (Rect){ .x = 0, .y = 0, .width = 1, .height = 1 };
    return (Rect){ .x = left, .y = top, .width = right - left + 1, .height = bottom - top + 1 };
}

/* ---- one frame ---- */

/* Chooses the table of a frame that draws n pixels, and their indices.  Returns 0 when out of memory. */
static int choose_indices(Encoder *e, size_t n)
{
    int reserved = e->clip->frames > 1;                     /* the transparent index */
    if (!e->is_exact) {
        int limit = (1 << bits_for(n / PIXELS_A_COLOUR)) - reserved;
        if (limit > e->effort.colours - reserved) limit = e->effort.colours - reserved;
        e->palette.n = 0;
        if (n && !palette_choose(&e->palette, e->rgb, e->weight, n, limit)) return 0;
    }
    e->index_bits = bits_for((size_t)(e->palette.n + reserved));
    e->transparent = reserved ? e->palette.n : -1;
    Pixel *p = e->pixel;
    for (int y = 0; y < e->clip->height; y++)
        for (int x = 0; x < e->clip->width; x++) {
            if (p->length) p->index = (Byte)palette_index(&e->palette, p->want, x, y);
            p++;
        }
    return 1;
}

/* The squared error, over all frames of a stay, that one code less is worth. */
static int price(const Encoder *e) { return 2 * e->loss * e->loss; }

/* Returns an index for a pixel with which the open run goes on; where there is none, the pixel's own.  A run may go on
 * with what is shown already, or with a similar colour, when the error grows by no more than the price.  A colour that
 * is in the table stays exact, unless the file is to be small: flat parts stay flat. */
static int index_that_goes_on(const Encoder *e, const Pixel *p)
{
    if (lzw_goes_on(&e->lzw, p->index) || !e->loss) return p->index;
    int error = palette_distance(p->want, e->palette.rgb[p->index]);
    if (!error && !e->effort.loss) return p->index;
    int most = error + price(e) / p->length;
    int may_stay = !e->is_first && palette_distance(p->want, p->shown) <= most;
    if (may_stay && lzw_goes_on(&e->lzw, e->transparent)) return e->transparent;
    for (int k = 0; k < e->palette.neighbours; k++) {
        int other = e->palette.neighbour[p->index][k];
        if (palette_distance(p->want, e->palette.rgb[other]) > most) continue;
        if (lzw_goes_on(&e->lzw, other)) return other;
    }
    return p->index;
}

/* The same for a pixel that stays: it is transparent, or has its index in the one table of an exact clip. */
static int index_that_stays(const Encoder *e, const Pixel *p)
{
    int is_better = e->is_exact && !lzw_goes_on(&e->lzw, e->transparent) && lzw_goes_on(&e->lzw, p->index);
    return is_better ? p->index : e->transparent;
}

static void encode_rect(Encoder *e, Rect r)
{
    e->codes.size = 0;
    lzw_begin(&e->lzw, &e->codes, e->index_bits);
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            Pixel *p = &e->pixel[(size_t)y * (size_t)e->clip->width + (size_t)x];
            int index = p->length ? index_that_goes_on(e, p) : index_that_stays(e, p);
            lzw_put(&e->lzw, index);
            if (index != e->transparent) memcpy(p->shown, e->palette.rgb[index], 3);
        }
    lzw_end(&e->lzw);
}

/* What stands before the first frame, whose table is the global one. */
static void put_head(Encoder *e)
{
    const Clip *c = e->clip;
    put_logical_screen(&e->out, &e->palette, c->width, c->height, e->index_bits);
    if (c->frames > e->effort.every) put_netscape_loop(&e->out);
    if (c->comment) put_comment(&e->out, c->comment);
}

/* delay: hundredths of a second */
static void put_frame(Encoder *e, int frame, int delay)
{
    e->is_first = frame == 0;
    size_t n = begin_stays(e, frame);
    if (!choose_indices(e, n)) {
        e->out.failed = 1;
        return;
    }
    int has_table = !e->is_first && !e->is_exact && n;
    Rect r = drawn_rect(e);
    encode_rect(e, r);
    if (e->is_first) put_head(e);
    put_graphic_control(&e->out, delay, e->is_first ? -1 : e->transparent);
    put_image(&e->out, r, has_table ? &e->palette : NULL, e->index_bits, &e->codes);
}

/* ---- the whole clip ---- */

static int is_valid(const Clip *c)
{
    if (c->frames < 1 || c->width < 1 || c->height < 1 || c->width > 65535 || c->height > 65535) return 0;
    if (!(c->fps >= 0.1 && c->fps <= 100)) return 0;
    return (size_t)c->frames <= SIZE_MAX / 3 / (size_t)c->width / (size_t)c->height;
}

static int is_effort(GifEffort e)
{
    return e.colours >= 2 && e.colours <= 256 && e.loss >= 0 && e.loss <= 255 && e.every >= 1;
}

/* Returns the start of frame i in hundredths of a second, halves rounded down. */
static double frame_start(const Clip *c, int i) { return ceil(100.0 * i / c->fps - 0.5); }

/* Takes memory.  Returns 0 when out of it. */
static int encoder_open(Encoder *e, const Clip *c, GifEffort effort)
{
    int reserved = c->frames > 1;                           /* the transparent index, behind all colours */
    e->clip = c;
    e->effort = effort;
    e->area = (size_t)c->width * (size_t)c->height;
    e->pixel = calloc(e->area, sizeof *e->pixel);
    e->rgb = malloc(3 * e->area);
    e->weight = calloc(e->area, sizeof *e->weight);
    if (!e->pixel || !e->rgb || !e->weight) return 0;
    e->loss = effort.loss > LEAST_LOSS ? effort.loss : LEAST_LOSS;
    if (effort.loss) return 1;
    e->is_exact = palette_of_all(&e->palette, c->rgb, (size_t)c->frames * e->area, effort.colours - reserved);
    if (e->is_exact) e->loss = 0;
    return 1;
}

static void encoder_close(Encoder *e)
{
    free(e->pixel);
    free(e->rgb);
    free(e->weight);
    free(e->codes.at);
    free(e);
}

static void put_clip(Encoder *e)
{
    const Clip *c = e->clip;
    int every = e->effort.every;
    for (int i = 0; i < c->frames; i += every) {
        int next = i + every < c->frames ? i + every : c->frames;
        put_frame(e, i, (int)(frame_start(c, next) - frame_start(c, i)));
    }
    put(&e->out, 0x3B);                 /* GIF89a, 27.  Trailer */
}

/* Returns the file, which the caller frees; NULL when out of memory. */
static Byte *encode(const Clip *c, GifEffort effort, size_t *size)
{
    Encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    int good = encoder_open(e, c, effort);
    if (good) put_clip(e);
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

unsigned char *gif_encode_with(const unsigned char *rgb, int frames, int width, int height, double fps,
                               const char *comment, GifEffort effort, size_t *size)
{
    Clip clip = { .rgb = rgb, .frames = frames, .width = width, .height = height, .fps = fps, .comment = comment };
    if (!is_valid(&clip) || !is_effort(effort)) return NULL;
    return encode(&clip, effort, size);
}

unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size)
{
    GifEffort effort = { .colours = 256, .loss = 0, .every = 1 };
    return gif_encode_with(rgb, frames, width, height, fps, comment, effort, size);
}
