/* palette.c - reduces many colours to a palette of at most 256, and dithers.
 *
 *   palette   When all colours fit, they are the palette.  Otherwise the colour histogram is cut into boxes, as by
 *             median cut, but each time where the cut saves most squared error (Wu 1992).  The means of the boxes are
 *             then improved by k-means (Lloyd 1982).  Colours have weights: one that is seen for long counts for more.
 *   indices   Ordered dithering: a colour is mixed from two entries, its nearest and a neighbour of that.  A fixed
 *             threshold matrix says which of the two a place gets.  The matrix is blue noise (void and cluster,
 *             Ulichney 1993), which shows no crosshatch as a Bayer matrix does.
 *
 * Invariants: with one palette, a colour has the same index at the same place; a colour that is in the palette is never
 * mixed; entries stand in order of brightness.
 * Distances are 2 dr^2 + 4 dg^2 + 3 db^2: close to what the eye sees, and whole numbers.
 * It does no error diffusion (Floyd-Steinberg), which crawls when pictures move. */
#include "palette.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Byte;

enum {
    SIDE = 32,                          /* of the threshold matrix */
    PLACES = PALETTE_THRESHOLDS,        /* SIDE * SIDE */
    K_MEANS_STEPS = 3,
    HISTOGRAM_BITS = 6,                 /* of each channel */
    HISTOGRAM_SIDE = 1 << HISTOGRAM_BITS,
    CELLS = 1 << 3 * HISTOGRAM_BITS
};

/* ---- the nearest entry ---- */

static int square(int x) { return x * x; }

int palette_distance(const unsigned char *a, const unsigned char *b)
{
    return 2 * square(a[0] - b[0]) + 4 * square(a[1] - b[1]) + 3 * square(a[2] - b[2]);
}

/* The colour cube is split into 16 x 16 x 16 boxes: the upper four bits of each channel number the box of a colour. */
static int box_of(const Byte *rgb) { return rgb[0] >> 4 << 8 | rgb[1] >> 4 << 4 | rgb[2] >> 4; }

/* The colour in the middle of a box: no colour of the box is farther from it than 8 in each channel. */
static void box_middle(int box, Byte rgb[3])
{
    for (int c = 0; c < 3; c++) rgb[c] = (Byte)((box >> (8 - 4 * c) & 15) << 4 | 8);
}

/* Lists the entries that can be the nearest to a colour c of the box, whose middle is m.  With r, the greatest distance
 * of c from m, and a, the entry nearest to m, an entry e that is nearest to c has
 *     |e - m| <= |e - c| + r <= |a - c| + r <= |a - m| + 2 r           r^2 = (2 + 4 + 3) 8^2 = 24^2 */
static void list_candidates(Palette *p, int box)
{
    int distance[256];
    Byte middle[3];
    int least = INT32_MAX;
    int n = 0;
    box_middle(box, middle);
    for (int i = 0; i < p->n; i++) {
        distance[i] = palette_distance(middle, p->rgb[i]);
        if (distance[i] < least) least = distance[i];
    }
    int bound = least + (int)ceil(2 * 48 * sqrt(least)) + 48 * 48;      /* (|a - m| + 2 r)^2 */
    for (int i = 0; i < p->n; i++)
        if (distance[i] <= bound) p->candidate[box][n++] = (Byte)i;
    p->candidate_count[box] = n;
}

/* No box has candidates until nearest() asks for them. */
static void forget_candidates(Palette *p) { memset(p->candidate_count, 0, sizeof p->candidate_count); }

/* Returns the nearest entry; of equally near ones the first. */
static int nearest(Palette *p, const Byte *rgb)
{
    int box = box_of(rgb);
    if (!p->candidate_count[box]) list_candidates(p, box);
    int best = p->candidate[box][0];
    int least = palette_distance(rgb, p->rgb[best]);
    for (int i = 1; i < p->candidate_count[box]; i++) {
        int distance = palette_distance(rgb, p->rgb[p->candidate[box][i]]);
        if (distance >= least) continue;
        least = distance;
        best = p->candidate[box][i];
    }
    return best;
}

/* ---- a palette of all colours, where they fit ---- */

/* Adds a colour unless it is there.  Returns 0 when it would be more than limit.  Until the palette is complete, the
 * candidates of a box are simply the entries that lie in it. */
static int add_colour(Palette *p, const Byte *rgb, int limit)
{
    int box = box_of(rgb);
    for (int i = 0; i < p->candidate_count[box]; i++)
        if (!memcmp(p->rgb[p->candidate[box][i]], rgb, 3)) return 1;
    if (p->n == limit) return 0;
    p->candidate[box][p->candidate_count[box]++] = (Byte)p->n;
    memcpy(p->rgb[p->n++], rgb, 3);
    return 1;
}

/* rgb: [n, 3].  Returns 1 when its colours are at most limit; they are the palette then. */
static int collect_colours(Palette *p, const Byte *rgb, size_t n, int limit)
{
    p->n = 0;
    forget_candidates(p);
    for (size_t i = 0; i < n; i++)
        if (!add_colour(p, rgb + 3 * i, limit)) return 0;
    return 1;
}

/* ---- the histogram ---- */

/* A cell of the histogram, or many: the sum of the weights, and the sum of the colours by weight. */
typedef struct { uint64_t n, sum[3]; } Cell;

static void add_cell(Cell *to, const Cell *c)
{
    to->n += c->n;
    for (int i = 0; i < 3; i++) to->sum[i] += c->sum[i];
}

/* The mean colour, rounded. */
static void cell_mean(const Cell *c, Byte rgb[3])
{
    for (int i = 0; i < 3; i++) rgb[i] = (Byte)((c->sum[i] + c->n / 2) / c->n);
}

static int cell_of(const Byte *rgb)
{
    const int shift = 8 - HISTOGRAM_BITS;
    return rgb[0] >> shift << 2 * HISTOGRAM_BITS | rgb[1] >> shift << HISTOGRAM_BITS | rgb[2] >> shift;
}

/* rgb: [n, 3].  weight: [n].  Fills the first of cells: [n or CELLS, the lesser] with those that are not empty, and
 * returns how many they are.
 *   place    [CELLS], zeros before: one more than where a cell is; 0: it is empty */
static size_t histogram(Cell *cells, uint32_t *place, const Byte *rgb, const int *weight, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const Byte *c = rgb + 3 * i;
        uint64_t w = (uint64_t)weight[i];
        uint32_t *at = &place[cell_of(c)];
        if (!*at) {
            cells[used] = (Cell){ .n = 0 };
            used++;
            *at = (uint32_t)used;
        }
        Cell pixels = { w, { w * c[0], w * c[1], w * c[2] } };
        add_cell(&cells[*at - 1], &pixels);
    }
    return used;
}

/* ---- median cut, by variance (Wu 1992) ---- */

/* Cells from .. to - 1, which share an entry, and the cut in two that would gain most. */
typedef struct {
    Cell *from, *to;
    double gain;                        /* the squared error that the cut saves; 0: none saves any */
    int axis, cut;                      /* cells below cut on this axis (0 red, 1 green, 2 blue) are the low half */
} Box;

static int coordinate(const Cell *c, int axis) { return (int)(c->sum[axis] / c->n) >> (8 - HISTOGRAM_BITS); }

/* The squared error of pixels that take their mean is   sum |x - mean|^2 = sum |x|^2 - |sum x|^2 / n.
 * A cut changes only the second term, which this returns. */
static double explained(const Cell *c)
{
    if (!c->n) return 0;
    double r = (double)c->sum[0];
    double g = (double)c->sum[1];
    double b = (double)c->sum[2];
    return (2 * r * r + 4 * g * g + 3 * b * b) / (double)c->n;
}

static Cell difference(const Cell *a, const Cell *b)
{
    Cell d = { a->n - b->n, { a->sum[0] - b->sum[0], a->sum[1] - b->sum[1], a->sum[2] - b->sum[2] } };
    return d;
}

/* Keeps the best cut across this axis, if it is better than the one that the box has. */
static void plan_axis(Box *box, int axis)
{
    Cell slice[HISTOGRAM_SIDE] = { { 0, { 0 } } };
    Cell all = { 0, { 0 } };
    Cell low = { 0, { 0 } };
    for (const Cell *c = box->from; c < box->to; c++) {
        add_cell(&slice[coordinate(c, axis)], c);
        add_cell(&all, c);
    }
    for (int cut = 1; cut < HISTOGRAM_SIDE; cut++) {
        add_cell(&low, &slice[cut - 1]);
        Cell high = difference(&all, &low);
        double gain = explained(&low) + explained(&high) - explained(&all);
        if (!low.n || !high.n || gain <= box->gain) continue;
        box->gain = gain;
        box->axis = axis;
        box->cut = cut;
    }
}

static Box make_box(Cell *from, Cell *to)
{
    Box box = { .from = from, .to = to };
    for (int axis = 0; axis < 3; axis++) plan_axis(&box, axis);
    return box;
}

/* Carries out the planned cut: the box keeps the low half, and the high half is returned. */
static Box cut_box(Box *box)
{
    Cell *low = box->from;
    Cell *high = box->to;
    Cell *end = box->to;
    while (low < high) {
        if (coordinate(low, box->axis) < box->cut) {
            low++;
            continue;
        }
        high--;
        Cell c = *low;
        *low = *high;
        *high = c;
    }
    *box = make_box(box->from, low);
    return make_box(low, end);
}

static void box_mean(const Box *box, Byte rgb[3])
{
    Cell all = { 0, { 0 } };
    for (const Cell *c = box->from; c < box->to; c++) add_cell(&all, c);
    cell_mean(&all, rgb);
}

/* cells: [n].  Cuts the box that gains most until there are limit boxes or none gains; each becomes an entry. */
static void median_cut(Palette *p, Cell *cells, size_t n, int limit)
{
    Box box[256];
    box[0] = make_box(cells, cells + n);
    p->n = 1;
    while (p->n < limit) {
        int best = 0;
        for (int i = 1; i < p->n; i++)
            if (box[i].gain > box[best].gain) best = i;
        if (box[best].gain <= 0) break;
        box[p->n] = cut_box(&box[best]);
        p->n++;
    }
    for (int i = 0; i < p->n; i++) box_mean(&box[i], p->rgb[i]);
}

/* ---- k-means (Lloyd 1982) ---- */

/* One step: each entry moves to the mean of the cells that it is nearest to. */
static void k_means_step(Palette *p, const Cell *cells, size_t n)
{
    Cell sum[256] = { { 0, { 0 } } };
    forget_candidates(p);
    for (size_t i = 0; i < n; i++) {
        Byte rgb[3];
        cell_mean(&cells[i], rgb);
        add_cell(&sum[nearest(p, rgb)], &cells[i]);
    }
    for (int i = 0; i < p->n; i++)
        if (sum[i].n) cell_mean(&sum[i], p->rgb[i]);
}

/* ---- ordered dithering ---- */

/* How a colour is dithered: `bright` at `share` of the PLACES, `dark` at the others; dark <= bright. */
typedef struct { int share; Byte dark, bright; } Mix;

/* Adds to the crowding of all places that this one is taken: 1/d^4 at distance d on a torus, in units of 2^-24. */
static void crowd_around(uint32_t crowding[PLACES], int taken)
{
    for (int i = 0; i < PLACES; i++) {
        int dx = abs(i % SIDE - taken % SIDE);
        int dy = abs(i / SIDE - taken / SIDE);
        if (dx > SIDE / 2) dx = SIDE - dx;
        if (dy > SIDE / 2) dy = SIDE - dy;
        if (i == taken) crowding[i] += 1u << 31;
        else crowding[i] += (1u << 24) / (uint32_t)square(dx * dx + dy * dy);
    }
}

/* Makes the threshold matrix by void and cluster (Ulichney 1993), grown from nothing: each next threshold goes to the
 * least crowded place.  It starts from a little noise; without it, places line up in a lattice. */
static void make_thresholds(int threshold[PALETTE_THRESHOLDS])
{
    uint32_t crowding[PLACES];
    uint32_t noise = 1;
    for (int i = 0; i < PLACES; i++) {
        noise = noise * 1664525 + 1013904223;
        crowding[i] = noise >> 12;
    }
    for (int next = 0; next < PLACES; next++) {
        int at = 0;
        for (int i = 1; i < PLACES; i++)
            if (crowding[i] < crowding[at]) at = i;
        threshold[at] = next;
        crowd_around(crowding, at);
    }
}

/* Inserts entry k, at this distance, into the neighbours of entry i, sorted by distance.
 * distances: [PALETTE_NEIGHBOURS]; count: how many there are */
static void insert_neighbour(Palette *p, int i, int k, int distance, int *distances, int count)
{
    int at = count < PALETTE_NEIGHBOURS ? count : PALETTE_NEIGHBOURS - 1;
    while (at > 0 && distances[at - 1] > distance) {
        distances[at] = distances[at - 1];
        p->neighbour[i][at] = p->neighbour[i][at - 1];
        at--;
    }
    distances[at] = distance;
    p->neighbour[i][at] = (Byte)k;
}

static void list_neighbours(Palette *p)
{
    p->neighbours = p->n - 1 < PALETTE_NEIGHBOURS ? p->n - 1 : PALETTE_NEIGHBOURS;
    for (int i = 0; i < p->n; i++) {
        int distances[PALETTE_NEIGHBOURS];
        int count = 0;
        for (int k = 0; k < p->n; k++) {
            int distance = palette_distance(p->rgb[i], p->rgb[k]);
            int is_full = count == PALETTE_NEIGHBOURS;
            if (k == i || (is_full && distance >= distances[count - 1])) continue;
            insert_neighbour(p, i, k, distance, distances, count);
            if (!is_full) count++;
        }
    }
}

/* Chooses the two entries that a colour p is mixed from, and their shares.  A mix of the nearest entry a with b in
 * share s has a mean that is off by e, and grain of variance v around it:
 *     u = (p - a)(b - a)     l = |b - a|^2     s = u / l     e^2 = |p - a|^2 - u s     v = s (1 - s) l
 * The best b has the least e^2 + v / 2, which is less than without a mix by u (3 s - 1) / 2.
 * Without v, far entries speckle.  With all of v, nothing is ever mixed and gradients turn into steps. */
static Mix choose_mix(Palette *p, const Byte *rgb)
{
    int a = nearest(p, rgb);
    int best = a;
    double share = 0;
    double most = 0;
    const Byte *from = p->rgb[a];
    for (int k = 0; k < p->neighbours; k++) {
        int b = p->neighbour[a][k];
        const Byte *to = p->rgb[b];
        int dr = to[0] - from[0];
        int dg = to[1] - from[1];
        int db = to[2] - from[2];
        int u = 2 * dr * (rgb[0] - from[0]) + 4 * dg * (rgb[1] - from[1]) + 3 * db * (rgb[2] - from[2]);
        int l = 2 * dr * dr + 4 * dg * dg + 3 * db * db;
        if (3 * u <= l) continue;                       /* then the gain below is none */
        double s = u / (double)l;
        double gain = u * (3 * s - 1);
        if (gain <= most) continue;
        most = gain;
        best = b;
        share = s;
    }
    int taken = (int)(share * PLACES + 0.5);            /* places that b takes */
    if (best < a) return (Mix){ .share = PLACES - taken, .dark = (Byte)best, .bright = (Byte)a };
    return (Mix){ .share = taken, .dark = (Byte)a, .bright = (Byte)best };
}

/* ---- the whole ---- */

static int brightness(const Byte *rgb) { return 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]; }

/* For qsort.  Equally bright colours are ordered too, so that the order is the same everywhere. */
static int by_brightness(const void *a, const void *b)
{
    int x = brightness(a);
    int y = brightness(b);
    if (x < y) return -1;
    if (x > y) return 1;
    return memcmp(a, b, 3);
}

/* Returns 0 when out of memory. */
static int reduce_colours(Palette *p, const Byte *rgb, const int *weight, size_t n, int limit)
{
    Cell *cells = calloc(n < CELLS ? n : CELLS, sizeof *cells);
    uint32_t *place = calloc(CELLS, sizeof *place);
    int good = cells && place;
    if (good) {
        size_t used = histogram(cells, place, rgb, weight, n);
        median_cut(p, cells, used, limit);
        for (int i = 0; i < K_MEANS_STEPS; i++) k_means_step(p, cells, used);
    }
    free(place);
    free(cells);
    return good;
}

/* Makes all that palette_index needs from the entries. */
static void finish(Palette *p)
{
    qsort(p->rgb, (size_t)p->n, 3, by_brightness);
    forget_candidates(p);
    list_neighbours(p);
    if (p->threshold[0] == p->threshold[1]) make_thresholds(p->threshold);  /* no two are equal once they are made */
}

int palette_of_all(Palette *p, const unsigned char *rgb, size_t n, int limit)
{
    if (!collect_colours(p, rgb, n, limit)) return 0;
    finish(p);
    return 1;
}

int palette_choose(Palette *p, const unsigned char *rgb, const int *weight, size_t n, int limit)
{
    if (!collect_colours(p, rgb, n, limit) && !reduce_colours(p, rgb, weight, n, limit)) return 0;
    finish(p);
    return 1;
}

/* The brighter entry always takes the high thresholds, so that neighbours of nearly one colour agree. */
int palette_index(Palette *p, const unsigned char *rgb, int x, int y)
{
    Mix mix = choose_mix(p, rgb);
    int threshold = p->threshold[y % SIDE * SIDE + x % SIDE];
    return threshold >= PLACES - mix.share ? mix.bright : mix.dark;
}
