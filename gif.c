/* gif.c - frames to an animated GIF.
 *
 * A GIF is indices into a table of at most 256 colours. palette.c chooses the table, one for the clip, and the index for
 * every pixel; here they become a file.
 *
 *   frame     only the rectangle that changed; inside it, what stayed is transparent if that packs smaller.
 *   bytes     LZW in sub-blocks. Where loss is allowed, a run that has no code goes on with the nearest colour that has
 *             one: longer runs, fewer codes.
 *   size      the first rung of a ladder that is small enough, found by halving.
 *
 * What holds: a pixel whose colour stays keeps its index, so nothing shimmers, loss or not.
 * It does not do tables per frame or interlacing. */
#include "gif.h"
#include "palette.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum {
    STILL = 2,                          /* of 255: no greater move is none: of faint noise, half the file */
    CODES = 4096, SLOTS = 3 * CODES     /* LZW dictionary; slots of its hash table */
};

/* ---- bytes that grow; after a failed malloc they stay failed, and one look at the end is enough ---- */

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

static void put16(Bytes *b, int n)
{
    put(b, n & 255);
    put(b, n >> 8);
}

/* data of any length in a GIF:  | n 1..255 | n bytes | n | n bytes | ... | 0 | */
static void put_blocks(Bytes *b, const void *data, size_t size)
{
    const Byte *at = data;
    while (size) {
        size_t n = size < 255 ? size : 255;
        put(b, (int)n);
        append(b, at, n);
        at += n, size -= n;
    }
    put(b, 0);
}

/* ---- LZW ---- */

/* For each index others of about its colour, the nearest first. */
typedef struct { int count[256]; Byte index[256][256]; } Likes;

/* loss: of 255, in each channel */
static void list_likes(Likes *l, const Palette *p, int loss)
{
    int most = 9 * loss * loss;                     /* palette_distance of that much */
    memset(l->count, 0, sizeof l->count);
    for (int i = 0; i < p->n && loss; i++)
        for (int k = 0; k < p->n; k++) {
            int d = palette_distance(p->rgb[i], p->rgb[k]), at = l->count[i];
            if (i == k || d > most) continue;
            for (; at && palette_distance(p->rgb[i], p->rgb[l->index[i][at - 1]]) > d; at--) l->index[i][at] = l->index[i][at - 1];
            l->index[i][at] = (Byte)k, l->count[i]++;
        }
}

/* Codes are packed from the lowest bit up; they start at depth+1 bits and grow to 12 as the dictionary does. */
typedef struct {
    Bytes *out;
    uint32_t bits;
    int filled, width, depth, next;     /* bits waiting; bits per code; of an index; the next free code */
    int32_t key[SLOTS];                 /* prefix << 8 | index, or -1 */
    int16_t code[SLOTS];
} Packer;

static void put_code(Packer *p, int code)
{
    p->bits |= (uint32_t)code << p->filled;
    for (p->filled += p->width; p->filled >= 8; p->filled -= 8, p->bits >>= 8) put(p->out, (int)(p->bits & 255));
}

static void clear(Packer *p)
{
    put_code(p, 1 << p->depth);
    p->next = (1 << p->depth) + 2;
    p->width = p->depth + 1;
    memset(p->key, -1, sizeof p->key);
}

/* The slot of prefix + index, or the empty one where it belongs. */
static int slot_of(const Packer *p, int32_t key)
{
    int slot = (int)((uint32_t)key * 2654435761u >> 16) % SLOTS;
    while (p->key[slot] >= 0 && p->key[slot] != key) slot = slot + 1 == SLOTS ? 0 : slot + 1;
    return slot;
}

/* After each code the dictionary grows by one, and codes by one bit when the new one needs it. */
static void grow(Packer *p, int slot, int32_t key)
{
    if (p->next == CODES) { clear(p); return; }
    p->key[slot] = key;
    p->code[slot] = (int16_t)p->next;
    if (p->next == 1 << p->width && p->width < 12) p->width++;
    p->next++;
}

/* The slot of a code for prefix and *index, or an index like it, which *index becomes; otherwise the one where it belongs. */
static int slot_like(const Packer *p, const Likes *l, int prefix, Byte *index)
{
    int slot = slot_of(p, prefix << 8 | *index);
    for (int k = 0; p->key[slot] < 0 && k < l->count[*index]; k++) {
        int other = slot_of(p, prefix << 8 | l->index[*index][k]);
        if (p->key[other] >= 0) return *index = l->index[*index][k], other;
    }
    return slot;
}

/* index: [n], n >= 1, each under 1 << depth, changed to what was written  ->  out, without sub-blocks */
static void lzw(Packer *p, Bytes *out, const Likes *likes, Byte *index, size_t n, int depth)
{
    *p = (Packer){ .out = out, .depth = depth, .width = depth + 1 };
    clear(p);
    int prefix = index[0];
    for (size_t i = 1; i < n; i++) {
        int slot = slot_like(p, likes, prefix, &index[i]);
        if (p->key[slot] >= 0) { prefix = p->code[slot]; continue; }
        put_code(p, prefix);
        grow(p, slot, prefix << 8 | index[i]);
        prefix = index[i];
    }
    put_code(p, prefix);
    if (p->next == 1 << p->width && p->width < 12) p->width++;      /* the decoder's dictionary grows here too */
    put_code(p, (1 << depth) + 1);
    if (p->filled) put(out, (int)p->bits);
}

/* ---- the file ---- */

typedef struct { int x, y, width, height; } Rect;

/* The rectangle where two pictures differ; one pixel when they do not, for a frame cannot be empty. */
static Rect changed(const Byte *a, const Byte *b, int width, int height)
{
    int left = width, right = -1, top = height, bottom = -1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            if (*a++ == *b++) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            bottom = y;
        }
    if (bottom < 0) return (Rect){ 0, 0, 1, 1 };
    return (Rect){ left, top, right - left + 1, bottom - top + 1 };
}

/* Start of frame i in hundredths of a second, halves down. */
static double start(int i, double fps) { return ceil(100.0 * i / fps - 0.5); }

/* | 21 F9 | 4 | disposal 1 (keep), transparent or not | delay | transparent index | 0 | */
static void put_control(Bytes *out, int delay, int transparent)
{
    append(out, "\x21\xF9\x04", 3);
    put(out, 1 << 2 | (transparent >= 0));
    put16(out, delay);
    put(out, transparent >= 0 ? transparent : 0);
    put(out, 0);
}

/* | 2C | x | y | width | height | no table of its own | depth | LZW in sub-blocks | */
static void put_picture(Bytes *out, Rect r, int depth, const Bytes *codes)
{
    put(out, 0x2C);
    put16(out, r.x);
    put16(out, r.y);
    put16(out, r.width);
    put16(out, r.height);
    put(out, 0);
    put(out, depth);
    put_blocks(out, codes->at, codes->size);
    if (codes->failed) out->failed = 1;
}

/* Bits of an index into n entries, as GIF wants them: 2..8 for LZW. */
static int bits_for(int n)
{
    int bits = 2;
    while (1 << bits < n) bits++;
    return bits;
}

/* GIF89a | width | height | table of 1 << bits | background 0 | square pixels | the table */
static void put_header(Bytes *out, const Palette *t, int width, int height, int bits)
{
    append(out, "GIF89a", 6);
    put16(out, width);
    put16(out, height);
    put(out, 0xF0 | (bits - 1));
    put16(out, 0);
    append(out, t->rgb, 3 * (size_t)t->n);
    for (int i = t->n; i < 1 << bits; i++) append(out, "\0\0", 3);
}

static void put_loop(Bytes *out) { append(out, "\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0", 19); }

static void put_comment(Bytes *out, const char *text)
{
    append(out, "\x21\xFE", 2);
    put_blocks(out, text, strlen(text));
}

/* ---- the whole clip ---- */

typedef struct {
    Palette palette;
    Packer packer;
    Likes likes;
    Bytes out, codes[2];                /* the file; a frame's codes without and with transparency */
    Byte *drawn, *shown, *now, *crop[2];    /* [h,w,3]; indices [h,w] of the frame before and of this one; of its rectangle, without and with */
    int width, height, bits, hole;      /* hole: the transparent index */
    int still;                          /* of 255: no greater move is one */
} Clip;

/* rgb -> now; drawn: the colours that it stands for so far; those that moved are drawn anew. */
static void paint(Clip *c, const Byte *rgb, int first)
{
    Byte *drawn = c->drawn, *index = c->now;
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++, rgb += 3, drawn += 3, index++) {
            if (!first && abs(rgb[0] - drawn[0]) <= c->still && abs(rgb[1] - drawn[1]) <= c->still
                       && abs(rgb[2] - drawn[2]) <= c->still) continue;
            memcpy(drawn, rgb, 3);
            *index = (Byte)palette_index(&c->palette, rgb, x, y);
        }
}

static void pack(Clip *c, Rect r, int holes)
{
    Byte *to = c->crop[holes];
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            size_t i = (size_t)y * (size_t)c->width + (size_t)x;
            *to++ = holes && c->now[i] == c->shown[i] ? (Byte)c->hole : c->now[i];
        }
    c->codes[holes].size = 0;
    lzw(&c->packer, &c->codes[holes], &c->likes, c->crop[holes], (size_t)r.width * (size_t)r.height, c->bits);
}

/* What was written is what the frame now is. */
static void settle(Clip *c, Rect r, int holes)
{
    const Byte *from = c->crop[holes];
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++, from++)
            if (!holes || *from != c->hole) c->now[(size_t)y * (size_t)c->width + (size_t)x] = *from;
    memcpy(c->shown, c->now, (size_t)c->width * (size_t)c->height);
}

static void add_frame(Clip *c, const Byte *rgb, int first, int delay)
{
    Rect r = { 0, 0, c->width, c->height };
    paint(c, rgb, first);
    if (!first) r = changed(c->shown, c->now, c->width, c->height);
    pack(c, r, 0);
    if (!first) pack(c, r, 1);
    int holes = !first && c->codes[1].size < c->codes[0].size;
    put_control(&c->out, delay, holes ? c->hole : -1);
    put_picture(&c->out, r, c->bits, &c->codes[holes]);
    settle(c, r, holes);
}

static int open_clip(Clip *c, const Byte *rgb, int frames, int width, int height, GifEffort e)
{
    size_t area = (size_t)width * (size_t)height;
    c->width = width, c->height = height;
    c->drawn = malloc(3 * area);
    c->shown = malloc(area);
    c->now = malloc(area);
    c->crop[0] = malloc(area), c->crop[1] = malloc(area);
    if (!c->drawn || !c->shown || !c->now || !c->crop[0] || !c->crop[1]) return 0;
    if (!palette_choose(&c->palette, rgb, (size_t)frames * area, e.colours - (frames > 1))) return 0;
    list_likes(&c->likes, &c->palette, e.loss);
    c->hole = c->palette.n;
    c->bits = bits_for(c->hole + (frames > 1));
    c->still = c->palette.exact && !e.loss ? 0 : STILL + e.loss / 2;       /* a table that holds every colour misses no move at all */
    return 1;
}

static void close_clip(Clip *c)
{
    free(c->drawn), free(c->shown), free(c->now), free(c->crop[0]), free(c->crop[1]);
    free(c->codes[0].at), free(c->codes[1].at);
    free(c);
}

static Byte *encode(const Byte *rgb, int frames, int width, int height, double fps, const char *comment, GifEffort e, size_t *size)
{
    Clip *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    int ready = open_clip(c, rgb, frames, width, height, e);
    Bytes *out = &c->out;
    if (ready) {
        put_header(out, &c->palette, width, height, c->bits);
        if (frames > e.every) put_loop(out);
        if (comment) put_comment(out, comment);
        for (int i = 0; i < frames; i += e.every)
            add_frame(c, rgb + 3 * (size_t)i * (size_t)width * (size_t)height, i == 0,
                      (int)(start(i + e.every < frames ? i + e.every : frames, fps) - start(i, fps)));
        put(out, 0x3B);
    }
    Byte *result = out->at;
    if (!ready || out->failed) free(result), result = NULL;
    else *size = out->size;
    close_clip(c);
    return result;
}

static int possible(int frames, int width, int height, double fps)
{
    if (frames < 1 || width < 1 || height < 1 || width > 65535 || height > 65535) return 0;
    return fps >= 0.1 && fps <= 100 && (size_t)frames <= SIZE_MAX / 3 / (size_t)width / (size_t)height;
}

/* ---- a size to keep to ---- */

static const GifEffort ladder[] = {
    { 256, 0, 1 }, { 192, 0, 1 }, { 128, 0, 1 }, { 128, 6, 1 }, { 128, 9, 1 }, { 128, 12, 1 }, { 128, 16, 1 }, { 128, 20, 1 }, { 128, 24, 1 },
    { 128, 24, 2 }, { 128, 24, 3 }, { 128, 24, 4 } };
enum { RUNGS = sizeof ladder / sizeof *ladder };

/* rungs that leave a clip two frames or more */
static int rungs_for(int frames)
{
    int n = RUNGS;
    while (ladder[n - 1].every > 1 && ladder[n - 1].every >= frames) n--;
    return n;
}

/* Halving: the last rung that was tried too large, the first that fits, until they are neighbours. */
unsigned char *gif_encode_within(const unsigned char *rgb, int frames, int width, int height, double fps,
                                 const char *comment, size_t most, GifEffort *effort, size_t *size)
{
    if (!possible(frames, width, height, fps)) return NULL;
    Byte *best = NULL;
    for (int large = -1, fits = rungs_for(frames), rung = 0; fits - large > 1; rung = (large + fits) / 2) {
        size_t n;
        Byte *gif = encode(rgb, frames, width, height, fps, comment, ladder[rung], &n);
        if (!gif) { free(best); return NULL; }
        int last = rung == rungs_for(frames) - 1;
        if (n > most) large = rung;
        else fits = rung;
        if (n > most && !last) { free(gif); continue; }
        free(best);
        best = gif, *size = n, *effort = ladder[rung];
    }
    return best;
}

unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size)
{
    GifEffort effort;
    return gif_encode_within(rgb, frames, width, height, fps, comment, SIZE_MAX, &effort, size);
}

/* ---- reading the comment back ---- */

typedef struct { const Byte *at, *end; } Reader;

static int skip(Reader *r, size_t n)
{
    if ((size_t)(r->end - r->at) < n) return 0;
    r->at += n;
    return 1;
}

static int next(Reader *r) { return r->at < r->end ? *r->at++ : -1; }

/* Sub-blocks, added to text if there is one. 0: the file ends in them. */
static int read_blocks(Reader *r, Bytes *text)
{
    int n;
    while ((n = next(r)) > 0) {
        const Byte *at = r->at;
        if (!skip(r, (size_t)n)) return 0;
        if (text) append(text, at, (size_t)n);
    }
    return n == 0;
}

/* Header, screen size, and the table for all pictures. */
static int read_header(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 13) || (memcmp(at, "GIF87a", 6) && memcmp(at, "GIF89a", 6))) return 0;
    return !(at[10] & 0x80) || skip(r, (size_t)6 << (at[10] & 7));
}

/* A picture's place, table and codes, after its 2C. */
static int skip_picture(Reader *r)
{
    const Byte *at = r->at;
    if (!skip(r, 9)) return 0;
    if ((at[8] & 0x80) && !skip(r, (size_t)6 << (at[8] & 7))) return 0;
    return skip(r, 1) && read_blocks(r, NULL);
}

/* 1: text holds the first comment. 0: there is none, or the file is broken before it. */
static int find_comment(Reader *r, Bytes *text)
{
    if (!read_header(r)) return 0;
    for (;;) {
        int kind = next(r);
        if (kind == 0x2C) { if (!skip_picture(r)) return 0; continue; }
        if (kind != 0x21) return 0;
        if (next(r) == 0xFE) return read_blocks(r, text);
        if (!read_blocks(r, NULL)) return 0;
    }
}

char *gif_comment(const unsigned char *gif, size_t size)
{
    Reader r = { gif, gif + size };
    Bytes text = { NULL, 0, 0, 0 };
    int found = find_comment(&r, &text);
    put(&text, 0);
    if (found && !text.failed) return (char *)text.at;
    free(text.at);
    return NULL;
}
