/* palette.c - many colours as a few.
 *
 *   table     count the colours; if they fit, they are the table. Otherwise cut the histogram where that saves most
 *             squared error (Wu 1992), then let each entry move to the mean of its colours (Lloyd 1982).
 *   index     a colour is mixed from its nearest entry and one other, chosen for the truest mean with the least grain;
 *             a fixed blue-noise matrix (Ulichney 1993) says which of the two stands at this place.
 *
 * What holds: a colour always has the same index at the same place, so nothing shimmers; a colour in the table is never
 * mixed; entries stand in order of brightness. Distances are 2 dr² + 4 dg² + 3 db², near enough to the eye, and integers.
 * It does no error diffusion, which crawls when pictures move. */
#include "palette.h"
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;
typedef PaletteMix Mix;

enum {
    SIDE = 32, PLACES = SIDE * SIDE,    /* the dither matrix */
    REFINE = 6,                         /* Lloyd steps */
    BITS = 6, CELLS = 1 << 3 * BITS     /* histogram */
};

/* ---- the table of colours, and the nearest entry of it ---- */

/* near[g][0..count[g]) are the only entries that can be nearest to a colour in box g of a 16x16x16 grid. */

static int square(int x) { return x * x; }

int palette_distance(const unsigned char *a, const unsigned char *b)
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
    return palette_distance(rgb, at);
}

static int box_farthest(const Byte *rgb, const Byte *low, const Byte *high)
{
    Byte at[3];
    for (int c = 0; c < 3; c++) at[c] = 2 * rgb[c] < low[c] + high[c] ? high[c] : low[c];
    return palette_distance(rgb, at);
}

/* An entry farther from all of the box than another one is at its farthest is nearest to nothing in it. */
static void list_box(Palette *t, int g)
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

static void list_boxes(Palette *t)
{
    for (int g = 0; g < 4096; g++) list_box(t, g);
}

static int nearest(const Palette *t, const Byte *rgb)
{
    int g = rgb[0] >> 4 << 8 | rgb[1] >> 4 << 4 | rgb[2] >> 4;
    int best = t->near[g][0], least = palette_distance(rgb, t->rgb[best]);
    for (int i = 1; i < t->count[g]; i++) {
        int d = palette_distance(rgb, t->rgb[t->near[g][i]]);
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
static int collect(Palette *t, const Byte *rgb, size_t n, int limit)
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
static void cut_all(Palette *t, Cell *cells, size_t n, int limit)
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
static void refine(Palette *t, const Cell *cells, size_t n)
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

/* ---- an index for every pixel ---- */

/* Void and cluster (Ulichney 1993), grown from nothing: each next rank goes to the emptiest place of a torus, where
 * crowding is the sum of 1/d⁴ over the places taken. A little noise to begin with, or they would line up in a lattice. */
static void rank_places(int rank[PALETTE_PLACES])
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
static Mix mix(const Palette *t, const Byte *rgb)
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

/* ---- the whole ---- */

int palette_choose(Palette *t, const unsigned char *rgb, size_t n, int limit)
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
    memset(t->known, 0, sizeof t->known);
    if (!t->exact) rank_places(t->rank);
    return 1;
}

/* The index of a colour at (x, y). Brighter entries always take the high ranks, so that neighbours agree. */
int palette_index(Palette *p, const unsigned char *rgb, int x, int y)
{
    uint32_t key = (uint32_t)(rgb[0] << 16 | rgb[1] << 8 | rgb[2]) + 1;
    Mix *m = &p->known[key * 2654435761u >> 18];
    if (m->key != key) {
        *m = mix(p, rgb);
        m->key = key;
    }
    return p->rank[y % SIDE * SIDE + x % SIDE] >= PLACES - m->share ? m->bright : m->dark;
}
