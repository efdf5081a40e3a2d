/* animation.c - the frames of a moving picture, as a viewer shows them.
 *
 * GIF, APNG and WebP differ in their bytes only (gif_frames.c, apng_frames.c, webp_frames.c).  Here is what a viewer
 * does with their frames, the same for all three:
 *
 *     canvas = transparent
 *     for each frame:   remember what is below it, if it is to be restored
 *                       put it on the canvas, over what is there or in place of it
 *                       show the canvas
 *                       dispose of it: let it stay, clear its rectangle, or restore what was below
 *
 * The arithmetic of "over" is libwebp's, without alpha premultiplied: whole numbers, rounded down.  What is cleared is
 * transparent, and transparent is shown as white, as in still pictures.
 *
 * Invariants: sizes are checked by the readers before memory is taken; a frame is clipped to the canvas.  Frames behind
 * the last that is wanted are not decoded, so what is broken in them is not seen. */
#include "animation.h"

#include "apng_frames.h"
#include "gif_frames.h"
#include "picture_kinds.h"
#include "webp_frames.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

/* ---- the formats ---- */

static int is_any_gif(const Byte *gif, size_t size)
{
    return size >= 4 && !memcmp(gif, "GIF8", 4);
}

typedef struct AnimationReader {
    const char *kind;
    int   (*knows) (const Byte *file, size_t size);
    int   (*find)  (const Byte *file, size_t size, AnimationFrames *all, char why[ANIMATION_WHY]);
    Byte *(*decode)(const Byte *file, size_t size, const AnimationFrame *f, char why[ANIMATION_WHY]);
} AnimationReader;

static const AnimationReader readers[] = {
    { "GIF",           is_any_gif,       gif_frames,  gif_frame_decode },
    { "animated PNG",  apng_is_animated, apng_frames, apng_frame_decode },
    { "animated WebP", webp_is_animated, webp_frames, webp_frame_decode },
};

/* ---- finding frames ---- */

/* Browsers take a time this short for one that nobody chose. */
static double seconds_shown(double said)
{
    const double TOO_SHORT = 0.0101;
    const double INSTEAD = 0.1;
    return said < TOO_SHORT ? INSTEAD : said;
}

static void find_with(Arena *a, Animation *m)
{
    char why[ANIMATION_WHY] = "";
    int is_good = m->reader->find(m->file.data, m->file.size, &m->frames, why);
    arena_own(a, m->frames.frame);
    if (!is_good) fail(a, "%s: this %s cannot be read: %s", m->name, m->reader->kind, why);
    m->count = m->frames.count;
    m->ends_early = m->frames.ends_early;
    m->start = allocate(a, m->count + 1, sizeof *m->start);
    m->start[0] = 0;
    for (size_t i = 0; i < m->count; i++) m->start[i + 1] = m->start[i] + seconds_shown(m->frames.frame[i].seconds);
}

Animation animation_find(Arena *a, Bytes file, const char *name)
{
    Animation m = { .file = file, .name = name, .count = 1 };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        m.reader = &readers[i];
        if (!m.reader->knows(file.data, file.size)) continue;
        find_with(a, &m);
        return m;
    }
    m.reader = NULL;
    image_check_kind(a, file, name);
    m.start = allocate(a, 2, sizeof *m.start);
    m.start[0] = 0;
    m.start[1] = 0;
    return m;
}

/* ---- the canvas ---- */

/* rgba: [height, width, 4] */
typedef struct { int width, height; Byte *rgba; } Canvas;
typedef struct { int left, top, right, bottom; } Rect;          /* right and bottom are one past */

static Rect clipped(const AnimationFrame *f, const Canvas *c)
{
    Rect r = { f->x, f->y, f->x + f->width, f->y + f->height };
    if (r.left > c->width)   r.left = c->width;
    if (r.top > c->height)   r.top = c->height;
    if (r.right > c->width)  r.right = c->width;
    if (r.bottom > c->height) r.bottom = c->height;
    return r;
}

static size_t row_bytes(Rect r) { return 4 * (size_t)(r.right - r.left); }

static Byte *canvas_row(const Canvas *c, Rect r, int y)
{
    return c->rgba + 4 * ((size_t)y * (size_t)c->width + (size_t)r.left);
}

/* alpha = a + below (1 - a),     colour = (c a + below's colour below (1 - a)) / alpha */
static void blend(const Byte *from, Byte *to)
{
    unsigned a = from[3];
    int is_all = a == 255 || to[3] == 0;
    unsigned below = to[3] * (256 - a) >> 8;
    unsigned alpha = a + below;
    uint32_t scale = a ? (1u << 24) / alpha : 0;
    if (!a) return;
    for (int k = 0; k < 3 && !is_all; k++) to[k] = (Byte)((from[k] * a + to[k] * below) * scale >> 24);
    if (is_all) memcpy(to, from, 3);
    to[3] = (Byte)alpha;
}

static void put(const Canvas *c, const AnimationFrame *f, const Byte *rgba)
{
    Rect r = clipped(f, c);
    for (int y = r.top; y < r.bottom; y++) {
        const Byte *from = rgba + 4 * (size_t)(y - f->y) * (size_t)f->width;
        Byte *to = canvas_row(c, r, y);
        if (!f->blends) memcpy(to, from, row_bytes(r));
        for (size_t i = 0; f->blends && i < row_bytes(r); i += 4) blend(from + i, to + i);
    }
}

/* What lies below a frame: [its rows, its columns, 4], as far as it is on the canvas. */
static Byte *remember(Arena *a, const Canvas *c, Rect r)
{
    size_t bytes = row_bytes(r);
    Byte *below = allocate(a, (size_t)(r.bottom - r.top), bytes);
    for (int y = r.top; y < r.bottom; y++) memcpy(below + (size_t)(y - r.top) * bytes, canvas_row(c, r, y), bytes);
    return below;
}

static void dispose(const Canvas *c, Rect r, Disposal how, const Byte *below)
{
    size_t bytes = row_bytes(r);
    for (int y = r.top; y < r.bottom && how != STAYS; y++) {
        if (how == CLEARED) memset(canvas_row(c, r, y), 0, bytes);
        else memcpy(canvas_row(c, r, y), below + (size_t)(y - r.top) * bytes, bytes);
    }
}

/* The canvas over white. */
static Picture shown(Arena *a, const Canvas *c)
{
    size_t count = (size_t)c->width * (size_t)c->height;
    Picture p = { .width = c->width, .height = c->height, .rgb = allocate(a, count, 3) };
    for (size_t i = 0; i < count; i++) {
        const Byte *from = c->rgba + 4 * i;
        for (size_t k = 0; k < 3; k++)
            p.rgb[3 * i + k] = (Byte)((from[k] * from[3] + 255 * (255 - from[3]) + 127) / 255);
    }
    return p;
}

/* ---- decoding ---- */

/* Puts frame i on the canvas.  Its pixels are freed at once. */
static void put_frame(Arena *a, const Animation *m, size_t i, const Canvas *c)
{
    char why[ANIMATION_WHY] = "";
    size_t before = mark(a);
    const AnimationFrame *f = &m->frames.frame[i];
    Byte *rgba = arena_own(a, m->reader->decode(m->file.data, m->file.size, f, why));
    if (!rgba)
        fail(a, "%s: frame %zu of this %s cannot be read: %s", m->name, i + 1, m->reader->kind, why);
    put(c, f, rgba);
    release(a, before);
}

static void show(Arena *a, const Animation *m, const Canvas *c, size_t nth, AnimationVisit *visit, void *to)
{
    size_t before = mark(a);
    visit(to, nth, image_upright(a, m->file, shown(a, c)));
    release(a, before);
}

static void decode_still(Arena *a, const Animation *m, size_t n, AnimationVisit *visit, void *to)
{
    size_t before = mark(a);
    Picture p = image_decode(a, m->file, m->name);
    for (size_t nth = 0; nth < n; nth++) {
        size_t before_visit = mark(a);
        visit(to, nth, p);
        release(a, before_visit);
    }
    release(a, before);
}

void animation_decode(Arena *a, const Animation *m, const size_t *wanted, size_t n, AnimationVisit *visit, void *to)
{
    size_t before = mark(a);
    if (!m->reader) {
        decode_still(a, m, n, visit, to);
        return;
    }
    Canvas c = { .width = m->frames.width, .height = m->frames.height };
    c.rgba = allocate(a, 4 * (size_t)c.width, (size_t)c.height);
    memset(c.rgba, 0, 4 * (size_t)c.width * (size_t)c.height);
    size_t nth = 0;
    for (size_t i = 0; i < m->count && nth < n; i++) {
        size_t before_frame = mark(a);
        const AnimationFrame *f = &m->frames.frame[i];
        Rect r = clipped(f, &c);
        Byte *below = f->disposal == RESTORED ? remember(a, &c, r) : NULL;
        put_frame(a, m, i, &c);
        while (nth < n && wanted[nth] == i) show(a, m, &c, nth++, visit, to);
        dispose(&c, r, f->disposal, below);
        release(a, before_frame);
    }
    release(a, before);
}
