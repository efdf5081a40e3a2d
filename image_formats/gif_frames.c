/* gif_frames.c - reads the frames of GIF files (GIF89a).
 *
 *     | "GIF89a" | logical screen 7 | global colour table | blocks | 3B |
 *
 *   blocks    A graphic control extension (21 F9) says how long the next image is seen, which index is transparent and
 *             how it is disposed of.  An image (2C) has its rectangle, maybe a colour table of its own, and its indices
 *             by LZW in sub-blocks.  Other extensions are passed over.
 *   LZW       Codes of 3 to 12 bits, the lowest bit first.  A code stands for a string of indices: the string of
 *             another code and one index more.  Two codes are not strings: clear the table, and the end.
 *   pixels    Rows of an interlaced image come in four passes.  An index without a colour is black.
 *
 * Invariants: nothing is read beyond the file, nothing written beyond the image; a string is as long as its table says,
 * and is cut where the image ends.  The canvas grows to hold the first frame, as in browsers; later frames may reach
 * over its edge.  It refuses a file that ends within a block, images without any colour table, and images whose data
 * have too few pixels.  A file that only lacks its last byte is read, and that is told. */
#include "gif_frames.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

static int little(const Byte *p) { return p[0] | p[1] << 8; }

/* ---- blocks ---- */

typedef struct { const Byte *begin, *at, *end; } Reader;

/* Returns the next n bytes, and moves past them; NULL when the file ends before. */
static const Byte *take(Reader *r, size_t n)
{
    const Byte *at = r->at;
    if ((size_t)(r->end - at) < n) return NULL;
    r->at += n;
    return at;
}

/* Passes over data sub-blocks and the empty one behind them.  Returns 0 when the file ends in them. */
static int skip_sub_blocks(Reader *r)
{
    const Byte *n;
    while ((n = take(r, 1)) && *n)
        if (!take(r, *n)) return 0;
    return n != NULL;
}

/* The bytes of the colour table that a descriptor's flags announce. */
static size_t colour_table_bytes(int flags) { return flags & 0x80 ? (size_t)6 << (flags & 7) : 0; }

/* What a graphic control extension says of the image behind it. */
typedef struct { double seconds; Disposal disposal; } Control;

/* GIF89a, 23:  | 4 | flags: disposal << 2, 1 for a transparent index | delay in 1/100 s 2 | index | 0 |
 * Disposals 4 to 7 are not defined; 4 was written for 3 by old programs. */
static int read_control(Reader *r, Control *c)
{
    const Byte *n = take(r, 1);
    const Byte *d = n ? take(r, *n) : NULL;
    if (!d) return 0;
    int disposal = *n >= 4 ? d[0] >> 2 & 7 : 0;
    if (*n >= 4) c->seconds = little(d + 1) / 100.0;
    c->disposal = STAYS;
    if (disposal == 2) c->disposal = CLEARED;
    if (disposal == 3 || disposal == 4) c->disposal = RESTORED;
    return skip_sub_blocks(r);
}

/* GIF89a, 20, behind 2C:  | x 2 | y 2 | width 2 | height 2 | flags | colour table | LZW's first size | sub-blocks |
 * control: where its extension begins, or the image itself; the frame's data begin there. */
static int read_image(Reader *r, const Byte *control, Control c, int has_table, AnimationFrames *all, char *why)
{
    const Byte *d = take(r, 9);
    if (!d || !take(r, colour_table_bytes(d[8])) || !take(r, 1) || !skip_sub_blocks(r))
        return animation_refuse(why, "the file ends within frame %zu", all->count + 1);
    AnimationFrame f = {
        .x = little(d), .y = little(d + 2), .width = little(d + 4), .height = little(d + 6),
        .seconds = c.seconds, .blends = 1, .disposal = c.disposal,
        .at = (size_t)(control - r->begin), .end = (size_t)(r->at - r->begin),
    };
    if (!f.width || !f.height || f.width > ANIMATION_MAX_PIXELS / f.height)
        return animation_refuse(why, "frame %zu is %dx%d, expected 1 to %d pixels", all->count + 1, f.width, f.height,
                      ANIMATION_MAX_PIXELS);
    if (!has_table && !(d[8] & 0x80)) return animation_refuse(why, "frame %zu has no colour table", all->count + 1);
    return animation_add(all, f, why);
}

/* Reads blocks until the trailer.  An extension's control counts for the next image only. */
static int read_blocks(Reader *r, int has_table, AnimationFrames *all, char *why)
{
    const Control none = { 0, STAYS };
    const Byte *control = NULL;
    Control c = none;
    for (;;) {
        const Byte *introducer = take(r, 1);
        if (!introducer) all->ends_early = 1;
        if (!introducer || *introducer == 0x3B) return 1;
        if (*introducer == 0) continue;                 /* some programs write one too many behind an image */
        if (*introducer == 0x2C) {
            if (!read_image(r, control ? control : introducer, c, has_table, all, why)) return 0;
            control = NULL;
            c = none;
            continue;
        }
        if (*introducer != 0x21)
            return animation_refuse(why, "a block of unknown kind %02x behind frame %zu", *introducer, all->count);
        const Byte *label = take(r, 1);
        int is_control = label && *label == 0xF9;
        if (is_control) control = introducer;
        if (!label || !(is_control ? read_control(r, &c) : skip_sub_blocks(r)))
            return animation_refuse(why, "the file ends within a block behind frame %zu", all->count);
    }
}

/* The canvas is the logical screen, or as large as the first frame needs. */
static int make_canvas(const Byte *screen, AnimationFrames *all, char *why)
{
    const AnimationFrame *first = all->frame;
    if (!all->count) return animation_refuse(why, "no picture in it");
    all->width = little(screen);
    all->height = little(screen + 2);
    if (first->x + first->width > all->width) all->width = first->x + first->width;
    if (first->y + first->height > all->height) all->height = first->y + first->height;
    if (all->width <= ANIMATION_MAX_PIXELS / all->height) return 1;
    return animation_refuse(why, "a canvas of %dx%d, expected at most %d pixels", all->width, all->height,
                            ANIMATION_MAX_PIXELS);
}

static int is_gif(const Byte *gif, size_t size)
{
    return size >= 6 && (!memcmp(gif, "GIF87a", 6) || !memcmp(gif, "GIF89a", 6));
}

int gif_frames(const unsigned char *gif, size_t size, AnimationFrames *all, char why[ANIMATION_WHY])
{
    Reader r = { gif, gif + 6, gif + size };
    *all = (AnimationFrames){ .count = 0 };
    if (!is_gif(gif, size)) return animation_refuse(why, "no GIF");
    const Byte *screen = take(&r, 7);
    if (!screen || !take(&r, colour_table_bytes(screen[4])))
        return animation_refuse(why, "the file ends within its head");
    return read_blocks(&r, screen[4] & 0x80, all, why) && make_canvas(screen, all, why);
}

/* ---- LZW ---- */

enum { MOST_CODES = 4096, NO_CODE = -1 };

/* A code's string is that of `before`, then `last`.  first: the first index of the string */
typedef struct { int16_t before; uint16_t length; Byte last, first; } Entry;

typedef struct {
    Reader   r;
    int      block_left;                /* bytes of this sub-block that are not read yet */
    uint32_t bits;                      /* the next ones, lowest first */
    int      bit_count;
    int      first_size;                /* of a code, before the bit for the two special codes is added */
    int      size, codes;               /* now */
    Entry    table[MOST_CODES];
} Lzw;

/* Returns the next code, NO_CODE when the sub-blocks end. */
static int next_code(Lzw *z)
{
    while (z->bit_count < z->size) {
        const Byte *n = z->block_left ? NULL : take(&z->r, 1);
        if (n) z->block_left = *n;
        if (!z->block_left) return NO_CODE;
        const Byte *byte = take(&z->r, 1);
        if (!byte) return NO_CODE;
        z->block_left--;
        z->bits |= (uint32_t)*byte << z->bit_count;
        z->bit_count += 8;
    }
    int code = (int)(z->bits & ((1u << z->size) - 1));
    z->bits >>= z->size;
    z->bit_count -= z->size;
    return code;
}

/* Only the strings of one index are left. */
static void clear_table(Lzw *z)
{
    int single = 1 << z->first_size;
    for (int i = 0; i < single; i++)
        z->table[i] = (Entry){ .before = NO_CODE, .length = 1, .last = (Byte)i, .first = (Byte)i };
    z->codes = single + 2;
    z->size = z->first_size + 1;
}

/* The table grows by the string of `before` and one index more, unless it is full. */
static void add_code(Lzw *z, int before, Byte last)
{
    if (z->codes == MOST_CODES) return;
    const Entry *b = &z->table[before];
    z->table[z->codes++] = (Entry){
        .before = (int16_t)before,
        .length = (uint16_t)(b->length + 1),
        .last = last,
        .first = b->first,
    };
    if (z->codes == 1 << z->size && z->size < 12) z->size++;
}

/* Writes the string of a code from its end, as much of it as has room.  Returns how many indices that are. */
static size_t put_string(const Lzw *z, int code, Byte *to, size_t room)
{
    size_t length = z->table[code].length;
    for (size_t i = length; i-- > 0; code = z->table[code].before)
        if (i < room) to[i] = z->table[code].last;
    return length < room ? length : room;
}

/* -> index: [count].  Returns how many there are. */
static size_t unpack(Lzw *z, Byte *index, size_t count)
{
    int clear = 1 << z->first_size;
    int before = NO_CODE;
    size_t n = 0;
    int code;
    clear_table(z);
    while (n < count && (code = next_code(z)) != NO_CODE && code != clear + 1) {
        if (code == clear) {
            clear_table(z);
            before = NO_CODE;
            continue;
        }
        int is_next = code == z->codes && before != NO_CODE && z->codes < MOST_CODES;     /* defined by itself */
        if (code >= z->codes && !is_next) break;
        if (before == NO_CODE && code > clear) break;
        if (before != NO_CODE) add_code(z, before, z->table[is_next ? before : code].first);
        n += put_string(z, code, index + n, count - n);
        before = code;
    }
    return n;
}

/* ---- pixels ---- */

/* Where row i of the data stands in an interlaced image (GIF89a, appendix E): every 8th row, every 8th from 4, every
 * 4th from 2, every 2nd from 1. */
static int interlaced_row(int i, int height)
{
    static const struct { int from, step; } pass[] = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 } };
    for (int k = 0; k < 4; k++) {
        int in_pass = height > pass[k].from ? (height - pass[k].from + pass[k].step - 1) / pass[k].step : 0;
        if (i < in_pass) return pass[k].from + i * pass[k].step;
        i -= in_pass;
    }
    return 0;
}

typedef struct {
    int width, height, is_interlaced;
    int transparent;                    /* the transparent index, -1: none */
    Byte colour[256][3];                /* black where there is none */
} Image;

static Byte *colour_pixels(const Image *m, const Byte *index)
{
    Byte *rgba = malloc((size_t)m->width * (size_t)m->height * 4);
    for (int i = 0; i < m->height && rgba; i++) {
        int y = m->is_interlaced ? interlaced_row(i, m->height) : i;
        Byte *to = rgba + (size_t)y * (size_t)m->width * 4;
        for (int x = 0; x < m->width; x++, to += 4) {
            int k = *index++;
            memcpy(to, m->colour[k], 3);
            to[3] = k == m->transparent ? 0 : 255;
        }
    }
    return rgba;
}

static void read_colours(Image *m, const Byte *table, size_t bytes)
{
    memset(m->colour, 0, sizeof m->colour);
    memcpy(m->colour, table, bytes);
}

/* Reads the frame's blocks up to its indices, which begin at r->at.  They were read before, so they are there. */
static void read_head(const Byte *gif, Reader *r, Image *m)
{
    read_colours(m, gif + 13, colour_table_bytes(gif[10]));
    m->transparent = -1;
    for (Byte introducer = *take(r, 1); introducer != 0x2C; introducer = *take(r, 1)) {
        if (introducer == 0) continue;
        int is_control = *take(r, 1) == 0xF9 && r->at[0] >= 4;
        if (is_control) m->transparent = r->at[1] & 1 ? r->at[4] : -1;
        skip_sub_blocks(r);
    }
    const Byte *d = take(r, 9);
    const Byte *table = take(r, colour_table_bytes(d[8]));
    if (d[8] & 0x80) read_colours(m, table, colour_table_bytes(d[8]));
    m->is_interlaced = d[8] & 0x40;
}

unsigned char *gif_frame_decode(const unsigned char *gif, size_t size, const AnimationFrame *f,
                                char why[ANIMATION_WHY])
{
    Reader r = { gif, gif + f->at, gif + f->end };
    Image m = { .width = f->width, .height = f->height };
    size_t count = (size_t)f->width * (size_t)f->height;
    (void)size;
    read_head(gif, &r, &m);
    int first_size = *take(&r, 1);
    Lzw *z = malloc(sizeof *z);
    Byte *index = malloc(count);
    Byte *rgba = NULL;
    size_t got = 0;
    if (z && index && first_size >= 1 && first_size <= 8) {
        *z = (Lzw){ .r = r, .first_size = first_size };
        got = unpack(z, index, count);
        if (got == count) rgba = colour_pixels(&m, index);
    }
    if (first_size < 1 || first_size > 8) animation_refuse(why, "LZW codes of %d bits, expected 1 to 8", first_size);
    else if (!z || !index || got == count) animation_refuse(why, "no memory left");
    else animation_refuse(why, "its data have %zu pixels, expected %zu", got, count);
    free(index);
    free(z);
    return rgba;
}
