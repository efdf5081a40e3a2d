/* gif.c - frames to an animated GIF.
 *
 * A GIF is indices into a table of at most 256 colours, so the work is choosing the table, and then an index for every
 * pixel so that the eye does not miss the other 16 million.
 *
 *   table     count the clip's colours; if they fit, they are the table. Otherwise cut the histogram where that saves
 *             most squared error (Wu 1992), then let each entry move to the mean of its colours (Lloyd 1982).
 *   index     a colour is mixed from its nearest entry and one other, chosen for the truest mean with the least grain;
 *             a fixed blue-noise matrix (Ulichney 1993) says which of the two stands at this place.
 *   frame     only the rectangle that changed; inside it, what stayed is transparent if that packs smaller.
 *   bytes     LZW in sub-blocks.
 *
 * What holds: a pixel whose colour stays keeps its index, so nothing shimmers; a colour in the table is never mixed;
 * entries stand in order of brightness. Distances are 2 dr² + 4 dg² + 3 db², near enough to the eye, and integers.
 * It does not do tables per frame, interlacing, or error diffusion, which crawls when pictures move. */
#include "gif.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum {
    SIDE = 32, PLACES = SIDE * SIDE,    /* the dither matrix */
    STILL = 2,                          /* of 255: no greater move is none: of faint noise, half the file */
    REFINE = 6,                         /* Lloyd steps */
    CODES = 4096, SLOTS = 3 * CODES,    /* LZW dictionary; slots of its hash table */
    BITS = 6, CELLS = 1 << 3 * BITS     /* histogram */
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

/* ---- the table of colours, and the nearest entry of it ---- */

/* near[g][0..count[g]) are the only entries that can be nearest to a colour in box g of a 16x16x16 grid. */
typedef struct {
    Byte rgb[256][3];
    int n, exact;                       /* entries; whether they are all the colours there are */
    int count[4096];
    Byte near[4096][256];
} Table;

static int square(int x) { return x * x; }

static int distance(const Byte *a, const Byte *b)
{
    return 2 * square(a[0] - b[0]) + 4 * square(a[1] - b[1]) + 3 * square(a[2] - b[2]);
}

/* The two corners of box g. */
static void box_corners(int g, Byte low[3], Byte high[3])
{
    for (int c = 0; c < 3; c++) {
        low[c] = (Byte)((g >> (8 - 4 * c) & 15) << 4);
        high[c] = (Byte)(low[c] | 15);
    }
}

/* The closest and the farthest that a colour of the box can be from rgb. */
static int box_closest(const Byte *rgb, const Byte *low, const Byte *high)
{
    Byte at[3];
    for (int c = 0; c < 3; c++) at[c] = rgb[c] < low[c] ? low[c] : rgb[c] > high[c] ? high[c] : rgb[c];
    return distance(rgb, at);
}

static int box_farthest(const Byte *rgb, const Byte *low, const Byte *high)
{
    Byte at[3];
    for (int c = 0; c < 3; c++) at[c] = 2 * rgb[c] < low[c] + high[c] ? high[c] : low[c];
    return distance(rgb, at);
}

/* An entry farther from all of the box than another one is at its farthest is nearest to nothing in it. */
static void list_box(Table *t, int g)
{
    Byte low[3], high[3];
    int bound = INT32_MAX;
    box_corners(g, low, high);
    for (int i = 0; i < t->n; i++) {
        int far = box_farthest(t->rgb[i], low, high);
        if (far < bound) bound = far;
    }
    t->count[g] = 0;
    for (int i = 0; i < t->n; i++)
        if (box_closest(t->rgb[i], low, high) <= bound) t->near[g][t->count[g]++] = (Byte)i;
}

static void list_boxes(Table *t)
{
    for (int g = 0; g < 4096; g++) list_box(t, g);
}

static int nearest(const Table *t, const Byte *rgb)
{
    int g = rgb[0] >> 4 << 8 | rgb[1] >> 4 << 4 | rgb[2] >> 4;
    int best = t->near[g][0], least = distance(rgb, t->rgb[best]);
    for (int i = 1; i < t->count[g]; i++) {
        int d = distance(rgb, t->rgb[t->near[g][i]]);
        if (d < least) least = d, best = t->near[g][i];
    }
    return best;
}

/* ---- choosing the table ---- */

static int brightness(const Byte *rgb) { return 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]; }

static int by_brightness(const void *a, const void *b)
{
    int x = brightness(a), y = brightness(b);
    return x != y ? (x > y) - (x < y) : memcmp(a, b, 3);
}

/* All colours of rgb: [n,3], if they are at most limit: 1, and they are the table. Otherwise 0. */
static int collect(Table *t, const Byte *rgb, size_t n, int limit)
{
    t->n = 0;
    for (int g = 0; g < 4096; g++) t->count[g] = 0;
    for (size_t i = 0; i < n; i++, rgb += 3) {
        int g = rgb[0] >> 4 << 8 | rgb[1] >> 4 << 4 | rgb[2] >> 4, k = 0;
        while (k < t->count[g] && memcmp(t->rgb[t->near[g][k]], rgb, 3)) k++;
        if (k < t->count[g]) continue;
        if (t->n == limit) return 0;
        t->near[g][t->count[g]++] = (Byte)t->n;
        memcpy(t->rgb[t->n++], rgb, 3);
    }
    return 1;
}

/* A cell of the histogram: how many pixels, and the sum of their colours. */
typedef struct { uint64_t n, sum[3]; } Cell;

static void join(Cell *to, const Cell *c)
{
    to->n += c->n;
    for (int i = 0; i < 3; i++) to->sum[i] += c->sum[i];
}

static void mean(const Cell *c, Byte rgb[3])
{
    for (int i = 0; i < 3; i++) rgb[i] = (Byte)((c->sum[i] + c->n / 2) / c->n);
}

/* rgb: [n,3] -> the cells that are not empty, moved to the front; returns how many */
static size_t histogram(Cell *cells, const Byte *rgb, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++, rgb += 3) {
        const int s = 8 - BITS;
        Cell pixel = { 1, { rgb[0], rgb[1], rgb[2] } };
        join(&cells[rgb[0] >> s << 2 * BITS | rgb[1] >> s << BITS | rgb[2] >> s], &pixel);
    }
    for (size_t i = 0; i < CELLS; i++)
        if (cells[i].n) cells[used++] = cells[i];
    return used;
}

/* Cells that share an entry, and the cut in two that would gain most. */
typedef struct { Cell *from, *to; double gain; int axis, cut; } Box;

static int coordinate(const Cell *c, int axis) { return (int)(c->sum[axis] / c->n) >> (8 - BITS); }

/* Σ |x - mean|² = Σ |x|² - |Σ x|² / n: the second term, which is all that a cut changes. */
static double saved(const Cell *c)
{
    double r = (double)c->sum[0], g = (double)c->sum[1], b = (double)c->sum[2];
    return c->n ? (2 * r * r + 4 * g * g + 3 * b * b) / (double)c->n : 0;
}

static void plan_axis(Box *box, int axis)
{
    Cell slice[1 << BITS] = { { 0, { 0 } } }, all = { 0, { 0 } }, low = all;
    for (const Cell *c = box->from; c < box->to; c++) {
        join(&slice[coordinate(c, axis)], c);
        join(&all, c);
    }
    for (int cut = 1; cut < 1 << BITS; cut++) {
        join(&low, &slice[cut - 1]);
        Cell high = { all.n - low.n, { all.sum[0] - low.sum[0], all.sum[1] - low.sum[1], all.sum[2] - low.sum[2] } };
        double gain = saved(&low) + saved(&high) - saved(&all);
        if (low.n && high.n && gain > box->gain) box->gain = gain, box->axis = axis, box->cut = cut;
    }
}

static Box plan(Cell *from, Cell *to)
{
    Box box = { from, to, 0, 0, 0 };
    for (int axis = 0; axis < 3; axis++) plan_axis(&box, axis);
    return box;
}

/* Carries out the planned cut: the box keeps the low half, the high half is returned. */
static Box cut(Box *box)
{
    Cell *low = box->from, *high = box->to, *end = box->to;
    while (low < high) {
        if (coordinate(low, box->axis) < box->cut) { low++; continue; }
        Cell c = *low;
        *low = *--high, *high = c;
    }
    *box = plan(box->from, low);
    return plan(low, end);
}

/* cells: [n] -> at most limit entries */
static void cut_all(Table *t, Cell *cells, size_t n, int limit)
{
    Box box[256];
    box[0] = plan(cells, cells + n);
    for (t->n = 1; t->n < limit; t->n++) {
        int best = 0;
        for (int i = 1; i < t->n; i++) if (box[i].gain > box[best].gain) best = i;
        if (box[best].gain <= 0) break;
        box[t->n] = cut(&box[best]);
    }
    for (int i = 0; i < t->n; i++) {
        Cell all = { 0, { 0 } };
        for (const Cell *c = box[i].from; c < box[i].to; c++) join(&all, c);
        mean(&all, t->rgb[i]);
    }
}

/* Each entry moves to the mean of the cells that it is nearest to. */
static void refine(Table *t, const Cell *cells, size_t n)
{
    Cell sum[256] = { { 0, { 0 } } };
    list_boxes(t);
    for (size_t i = 0; i < n; i++) {
        Byte rgb[3];
        mean(&cells[i], rgb);
        join(&sum[nearest(t, rgb)], &cells[i]);
    }
    for (int i = 0; i < t->n; i++) if (sum[i].n) mean(&sum[i], t->rgb[i]);
}

/* rgb: [n,3] -> a table of at most limit entries in order of brightness. 0: out of memory */
static int choose_table(Table *t, const Byte *rgb, size_t n, int limit)
{
    t->exact = collect(t, rgb, n, limit);
    if (!t->exact) {
        Cell *cells = calloc(CELLS, sizeof *cells);
        if (!cells) return 0;
        size_t used = histogram(cells, rgb, n);
        cut_all(t, cells, used, limit);
        for (int i = 0; i < REFINE; i++) refine(t, cells, used);
        free(cells);
    }
    qsort(t->rgb, (size_t)t->n, 3, by_brightness);
    list_boxes(t);
    return 1;
}

/* ---- an index for every pixel ---- */

/* A colour as two entries: `bright` in `share` of PLACES places, `dark` in the others. */
typedef struct { uint32_t key; int share; Byte dark, bright; } Mix;

typedef struct {
    Table table;
    int rank[PLACES];                   /* SIDE rows of SIDE; 0..PLACES-1, each once */
    Mix known[1 << 14];                 /* mixes worked out before, by colour; key 0 is none */
} Painter;

/* Void and cluster (Ulichney 1993), grown from nothing: each next rank goes to the emptiest place of a torus, where
 * crowding is the sum of 1/d⁴ over the places taken. A little noise to begin with, or they would line up in a lattice. */
static void rank_places(int rank[PLACES])
{
    uint32_t crowd[PLACES], noise = 1;
    for (int i = 0; i < PLACES; i++) crowd[i] = (noise = noise * 1664525 + 1013904223) >> 12;
    for (int next = 0; next < PLACES; next++) {
        int at = 0;
        for (int i = 1; i < PLACES; i++) if (crowd[i] < crowd[at]) at = i;
        rank[at] = next;
        for (int i = 0; i < PLACES; i++) {
            int dx = abs(i % SIDE - at % SIDE), dy = abs(i / SIDE - at / SIDE);
            if (dx > SIDE / 2) dx = SIDE - dx;
            if (dy > SIDE / 2) dy = SIDE - dy;
            crowd[i] += i == at ? 1u << 31 : (1u << 24) / (uint32_t)square(dx * dx + dy * dy);
        }
    }
}

/* Mixing the nearest entry a with b in share s leaves the mean off by e and grain of variance v around it:
 *     u = (p - a)·(b - a)     l = |b - a|²     s = u / l     e² = |p - a|² - u s     v = s (1 - s) l
 * The best b has the least e² + v / 4; less than no mixing at all when u (5 s - 1) > 0. Without v, far entries speckle;
 * with all of v, nothing is ever mixed and gradients turn to steps. */
static Mix mix(const Table *t, const Byte *rgb)
{
    int a = nearest(t, rgb), best = a;
    double share = 0, most = 0;
    for (int b = 0; b < t->n; b++) {
        const Byte *from = t->rgb[a], *to = t->rgb[b];
        int r = to[0] - from[0], g = to[1] - from[1], k = to[2] - from[2];
        int u = 2 * r * (rgb[0] - from[0]) + 4 * g * (rgb[1] - from[1]) + 3 * k * (rgb[2] - from[2]);
        if (u <= 0) continue;
        double s = u / (double)(2 * r * r + 4 * g * g + 3 * k * k), gain = u * (5 * s - 1);
        if (gain > most) most = gain, best = b, share = s;
    }
    int places = (int)(share * PLACES + 0.5);
    if (best < a) return (Mix){ 0, PLACES - places, (Byte)best, (Byte)a };
    return (Mix){ 0, places, (Byte)a, (Byte)best };
}

/* The index of a colour at (x, y). Brighter entries always take the high ranks, so that neighbours agree. */
static int pick(Painter *p, const Byte *rgb, int x, int y)
{
    uint32_t key = (uint32_t)(rgb[0] << 16 | rgb[1] << 8 | rgb[2]) + 1;
    Mix *m = &p->known[key * 2654435761u >> 18];
    if (m->key != key) {
        *m = mix(&p->table, rgb);
        m->key = key;
    }
    return p->rank[y % SIDE * SIDE + x % SIDE] >= PLACES - m->share ? m->bright : m->dark;
}

/* rgb -> index: [height,width]. drawn: the colours that index stands for so far, [height,width,3]; those that moved are
 * drawn anew. A table that holds every colour misses no move at all. */
static void paint(Painter *p, const Byte *rgb, Byte *drawn, Byte *index, int width, int height, int first)
{
    int still = p->table.exact ? 0 : STILL;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, rgb += 3, drawn += 3, index++) {
            if (!first && abs(rgb[0] - drawn[0]) <= still && abs(rgb[1] - drawn[1]) <= still
                       && abs(rgb[2] - drawn[2]) <= still) continue;
            memcpy(drawn, rgb, 3);
            *index = (Byte)pick(p, rgb, x, y);
        }
}

/* ---- LZW ---- */

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

/* index: [n], n >= 1, each under 1 << depth  ->  out, without sub-blocks */
static void lzw(Packer *p, Bytes *out, const Byte *index, size_t n, int depth)
{
    *p = (Packer){ .out = out, .depth = depth, .width = depth + 1 };
    clear(p);
    int prefix = index[0];
    for (size_t i = 1; i < n; i++) {
        int32_t key = prefix << 8 | index[i];
        int slot = slot_of(p, key);
        if (p->key[slot] == key) { prefix = p->code[slot]; continue; }
        put_code(p, prefix);
        grow(p, slot, key);
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
static void put_header(Bytes *out, const Table *t, int width, int height, int bits)
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
    Painter painter;
    Packer packer;
    Bytes out, plain, holed;            /* the file; a frame's codes without and with transparency */
    Byte *drawn, *shown, *now, *crop;   /* [h,w,3]; indices [h,w] of the frame before and of this one; scratch [h,w] */
    int width, height, bits, hole;      /* hole: the transparent index */
} Clip;

static void crop(const Clip *c, Rect r, int transparent)
{
    Byte *to = c->crop;
    for (int y = r.y; y < r.y + r.height; y++)
        for (int x = r.x; x < r.x + r.width; x++) {
            size_t i = (size_t)y * (size_t)c->width + (size_t)x;
            *to++ = transparent && c->now[i] == c->shown[i] ? (Byte)c->hole : c->now[i];
        }
}

static void pack(Clip *c, Rect r, int transparent, Bytes *codes)
{
    codes->size = 0;
    crop(c, r, transparent);
    lzw(&c->packer, codes, c->crop, (size_t)r.width * (size_t)r.height, c->bits);
}

static void add_frame(Clip *c, const Byte *rgb, int first, int delay)
{
    Rect r = { 0, 0, c->width, c->height };
    paint(&c->painter, rgb, c->drawn, c->now, c->width, c->height, first);
    if (!first) r = changed(c->shown, c->now, c->width, c->height);
    pack(c, r, 0, &c->plain);
    if (!first) pack(c, r, 1, &c->holed);
    int holes = !first && c->holed.size < c->plain.size;
    put_control(&c->out, delay, holes ? c->hole : -1);
    put_picture(&c->out, r, c->bits, holes ? &c->holed : &c->plain);
    memcpy(c->shown, c->now, (size_t)c->width * (size_t)c->height);
}

static int open_clip(Clip *c, const Byte *rgb, int frames, int width, int height)
{
    size_t area = (size_t)width * (size_t)height;
    c->width = width, c->height = height;
    c->drawn = malloc(3 * area);
    c->shown = malloc(area);
    c->now = malloc(area);
    c->crop = malloc(area);
    if (!c->drawn || !c->shown || !c->now || !c->crop) return 0;
    if (!choose_table(&c->painter.table, rgb, (size_t)frames * area, frames > 1 ? 255 : 256)) return 0;
    if (!c->painter.table.exact) rank_places(c->painter.rank);
    c->hole = c->painter.table.n;
    c->bits = bits_for(c->hole + (frames > 1));
    return 1;
}

static void close_clip(Clip *c)
{
    free(c->drawn), free(c->shown), free(c->now), free(c->crop);
    free(c->plain.at), free(c->holed.at);
    free(c);
}

unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size)
{
    if (frames < 1 || width < 1 || height < 1 || width > 65535 || height > 65535) return NULL;
    if (!(fps >= 0.1 && fps <= 100)) return NULL;
    if ((size_t)frames > SIZE_MAX / 3 / (size_t)width / (size_t)height) return NULL;
    Clip *c = calloc(1, sizeof *c);
    if (!c) return NULL;

    int ready = open_clip(c, rgb, frames, width, height);
    Bytes *out = &c->out;
    if (ready) {
        put_header(out, &c->painter.table, width, height, c->bits);
        if (frames > 1) put_loop(out);
        if (comment) put_comment(out, comment);
        for (int i = 0; i < frames; i++)
            add_frame(c, rgb + 3 * (size_t)i * (size_t)width * (size_t)height, i == 0,
                      (int)(start(i + 1, fps) - start(i, fps)));
        put(out, 0x3B);
    }
    Byte *result = out->at;
    if (!ready || out->failed) free(result), result = NULL;
    else *size = out->size;
    close_clip(c);
    return result;
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
