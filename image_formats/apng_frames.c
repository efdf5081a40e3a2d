/* apng_frames.c - reads the frames of animated PNG files (PNG, third edition).
 *
 *     IHDR, acTL, PLTE, tRNS, ...   | fcTL, IDAT, ... |   | fcTL, fdAT, ... |  ...   IEND
 *
 * A frame is a PNG of its own: with the colours, depth and palette of the file, and with the size that its fcTL says.
 * So it is decoded as one: a PNG is put together in memory from the head of the file, with the other size in IHDR, and
 * from the frame's data, with IDAT for fdAT.  png.c reads that.
 *
 * Invariants: chunks are checked with their CRC before their content is believed; fcTL and fdAT count up from 0; frames
 * lie inside the canvas.  A file that is cut off, or has fewer frames than acTL says, is refused. */
#include "apng_frames.h"

#include "deflate.h"
#include "png.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum { SIGNATURE = 8, IHDR_SIZE = 13, FCTL_SIZE = 26 };

/* ---- chunks ---- */

typedef struct { const Byte *begin, *type, *data; size_t size; } Chunk;
typedef struct { const Byte *at, *end; } Run;                   /* of chunks */

static uint32_t big32(const Byte *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t big16(const Byte *p) { return (uint32_t)p[0] << 8 | p[1]; }

static int is(const Chunk *c, const char *type) { return !memcmp(c->type, type, 4); }

/* PNG, 5.3:  | length 4 | type 4 | data | CRC-32 of type and data 4 |.  Returns 0 when the run ends before or in it. */
static int next_chunk(Run *r, Chunk *c)
{
    size_t left = (size_t)(r->end - r->at);
    if (left < 12 || big32(r->at) > left - 12) return 0;
    *c = (Chunk){ .begin = r->at, .type = r->at + 4, .data = r->at + 8, .size = big32(r->at) };
    r->at += 12 + c->size;
    return 1;
}

static int has_right_crc(const Chunk *c) { return crc32_of(0, c->type, c->size + 4) == big32(c->data + c->size); }

static int is_png(const Byte *png, size_t size)
{
    return size >= SIGNATURE && !memcmp(png, "\x89PNG\r\n\x1A\n", SIGNATURE);
}

int apng_is_animated(const unsigned char *png, size_t size)
{
    Run r = { png + SIGNATURE, png + size };
    Chunk c;
    if (!is_png(png, size)) return 0;
    while (next_chunk(&r, &c) && !is(&c, "IDAT"))
        if (is(&c, "acTL")) return 1;
    return 0;
}

/* ---- the list of frames ---- */

typedef struct {
    AnimationFrames *all;
    uint32_t said;                      /* frames, by acTL */
    uint32_t next;                      /* the next sequence number */
    int      in_frame;                  /* the chunk belongs to the last of all->frame */
    int      has_data;                  /* which has some */
    char    *why;
} Finding;

static int in_sequence(Finding *s, const Chunk *c)
{
    if (c->size >= 4 && big32(c->data) == s->next++) return 1;
    return animation_refuse(s->why, "a chunk %.4s out of order, behind frame %zu", (const char *)c->type,
                            s->all->count);
}

/* delay: | numerator 2 | denominator 2, 0 means 100 |, in seconds */
static double delay(const Byte *d) { return big16(d) / (big16(d + 2) ? (double)big16(d + 2) : 100.0); }

/* PNG, 11.3.6.2.  fcTL:
 *   | sequence number 4 | width 4 | height 4 | x 4 | y 4 | delay 2 + 2 | disposal 1 | blend 1 |
 * What is there before the first frame is nothing, so RESTORED is CLEARED there. */
static int read_control(Finding *s, const Chunk *c, size_t at)
{
    static const Disposal disposals[] = { STAYS, CLEARED, RESTORED };
    const Byte *d = c->data;
    size_t nth = s->all->count + 1;
    if (c->size != FCTL_SIZE || d[24] > 2 || d[25] > 1)
        return animation_refuse(s->why, "frame %zu has a broken fcTL", nth);
    uint32_t width = big32(d + 4), height = big32(d + 8), x = big32(d + 12), y = big32(d + 16);
    uint32_t w = (uint32_t)s->all->width, h = (uint32_t)s->all->height;
    if (!width || !height || width > w || height > h || x > w - width || y > h - height)
        return animation_refuse(s->why, "frame %zu, %ux%u at %u, %u, lies outside of the picture", nth, width, height,
                                x, y);
    AnimationFrame f = {
        .x = (int)x, .y = (int)y, .width = (int)width, .height = (int)height,
        .seconds = delay(d + 20), .blends = d[25], .disposal = disposals[d[24]], .at = at,
    };
    s->in_frame = 1;
    s->has_data = 0;
    return animation_add(s->all, f, s->why);
}

static int read_chunk(Finding *s, const Chunk *c, size_t at)
{
    AnimationFrames *all = s->all;
    int is_data = is(c, "IDAT") || is(c, "fdAT");
    int is_end = is(c, "IEND") || is(c, "fcTL");
    if (!has_right_crc(c)) return animation_refuse(s->why, "a wrong CRC in a chunk %.4s", (const char *)c->type);
    if ((is(c, "fcTL") || is(c, "fdAT")) && !in_sequence(s, c)) return 0;
    if (is(c, "fdAT") && !s->in_frame) return animation_refuse(s->why, "data before the first fcTL");
    if (is_data) s->has_data = 1;
    if (is_end && s->in_frame && !s->has_data) return animation_refuse(s->why, "frame %zu has no data", all->count);
    if (is_end && s->in_frame) all->frame[all->count - 1].end = at;
    return is(c, "fcTL") ? read_control(s, c, at) : 1;
}

/* PNG, 11.2.1 and 11.3.6.1.  IHDR: | width 4 | height 4 | ... |    acTL: | frames 4 | plays 4 | */
static int read_head(Run *r, AnimationFrames *all, Finding *s)
{
    Chunk c;
    if (!next_chunk(r, &c) || !is(&c, "IHDR") || c.size != IHDR_SIZE || !has_right_crc(&c))
        return animation_refuse(s->why, "its head is broken");
    uint32_t width = big32(c.data), height = big32(c.data + 4);
    if (!width || !height || width > ANIMATION_MAX_PIXELS / height)
        return animation_refuse(s->why, "a canvas of %ux%u, expected 1 to %d pixels", width, height,
                                ANIMATION_MAX_PIXELS);
    all->width = (int)width;
    all->height = (int)height;
    return 1;
}

int apng_frames(const unsigned char *png, size_t size, AnimationFrames *all, char why[ANIMATION_WHY])
{
    Run r = { png + SIGNATURE, png + size };
    Finding s = { .all = all, .why = why };
    Chunk c = { .type = NULL };
    *all = (AnimationFrames){ .count = 0 };
    if (!apng_is_animated(png, size)) return animation_refuse(why, "no animated PNG");
    if (!read_head(&r, all, &s)) return 0;
    do {
        if (!next_chunk(&r, &c)) return animation_refuse(why, "the file ends behind frame %zu", all->count);
        if (!read_chunk(&s, &c, (size_t)(c.begin - png))) return 0;
        if (is(&c, "acTL") && c.size == 8 && !s.said) s.said = big32(c.data);
    } while (!is(&c, "IEND"));
    if (all->count && all->count == s.said) return 1;
    return animation_refuse(why, "it says that it has %u frames, and has %zu", s.said, all->count);
}

/* ---- one frame ---- */

static void put32(Buffer *b, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8) buffer_put(b, (int)(n >> shift & 255));
}

static void put_chunk(Buffer *b, const char *type, const Byte *data, size_t size)
{
    uint32_t crc = crc32_of(crc32_of(0, (const Byte *)type, 4), data, size);
    put32(b, (uint32_t)size);
    buffer_append(b, type, 4);
    buffer_append(b, data, size);
    put32(b, crc);
}

/* The file's IHDR with the frame's size, and its palette and transparency. */
static void put_head(Buffer *b, const Byte *png, size_t size, const AnimationFrame *f)
{
    Run r = { png + SIGNATURE, png + size };
    Byte head[IHDR_SIZE];
    Chunk c;
    buffer_append(b, png, SIGNATURE);
    while (next_chunk(&r, &c) && !is(&c, "IDAT")) {
        if (is(&c, "PLTE") || is(&c, "tRNS")) put_chunk(b, (const char *)c.type, c.data, c.size);
        if (!is(&c, "IHDR") || b->size > SIGNATURE) continue;
        memcpy(head, c.data, IHDR_SIZE);
        for (int i = 0; i < 4; i++) {
            head[i] = (Byte)(f->width >> (24 - 8 * i) & 255);
            head[4 + i] = (Byte)(f->height >> (24 - 8 * i) & 255);
        }
        put_chunk(b, "IHDR", head, IHDR_SIZE);
    }
}

unsigned char *apng_frame_decode(const unsigned char *png, size_t size, const AnimationFrame *f,
                                 char why[ANIMATION_WHY])
{
    Run r = { png + f->at, png + f->end };
    Buffer b = { .at = NULL };
    Byte *rgba = NULL;
    Chunk c;
    int width, height;
    put_head(&b, png, size, f);
    while (next_chunk(&r, &c)) {
        size_t number = is(&c, "fdAT") ? 4 : 0;         /* bytes of the sequence number */
        if (number || is(&c, "IDAT")) put_chunk(&b, "IDAT", c.data + number, c.size - number);
    }
    put_chunk(&b, "IEND", NULL, 0);
    if (b.failed) animation_refuse(why, "no memory left");
    else rgba = png_decode_rgba(b.at, b.size, &width, &height, why);
    free(b.at);
    return rgba;
}
