/* curve.c - the loss curve.
 *
 *     losses of all steps -> means of up to 200 equal parts     in the metadata of the result, as text
 *     those means -> a chart of 60 x 10 characters              for persona info
 *     losses of all steps -> a picture of 480 x 270             beside the result, with that of held-out pictures
 *
 * A chart begins at zero, so a loss that falls by a tenth looks like a tenth, and not like a cliff.  Where there are
 * fewer steps than the chart has columns, a step takes several columns. */
#include "curve.h"

#include "chars.h"
#include "files.h"
#include "font.h"
#include "own_pictures.h"
#include "png.h"

#include <math.h>
#include <string.h>

/* Larger losses are no losses; 0.0001 is nothing to draw. */
static const double MOST = 1000000;
static const double LEAST = 1e-4;

double curve_mean(const float *loss, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (!isfinite(loss[i])) continue;
        sum += (double)loss[i];
        n++;
    }
    return n ? sum / (double)n : NAN;
}

/* The steps that fall on column i of so many columns, one at least. */
typedef struct { size_t from, to; } Range;

static Range range_of(size_t i, size_t columns, size_t steps)
{
    Range r = { i * steps / columns, (i + 1) * steps / columns };
    if (r.to <= r.from) r.to = r.from + 1;
    return r;
}

/* ---- as text ---------------------------------------------------------------------------------- */

/* Five decimals at most, whatever the locale. */
static const char *number(Arena *a, double x) { return number_text(a, round(x * 1e5) / 1e5); }

const char *curve_text(Arena *a, const float *loss, size_t steps)
{
    size_t parts = steps < CURVE_PARTS ? steps : CURVE_PARTS;
    const char *text = "";
    for (size_t i = 0; i < parts; i++) {
        Range r = range_of(i, parts, steps);
        double mean = curve_mean(loss, r.from, r.to);
        const char *part = mean < MOST ? number(a, mean) : "-";      /* NaN: "-" */
        text = format(a, "%s%s%s", text, i ? " " : "", part);
    }
    return text;
}

/* Reads one mean; "-" becomes NaN.  Returns its length, 0 when there is none. */
static size_t read_mean(const char *text, float *mean)
{
    double x;
    *mean = NAN;
    if (*text == '-') return 1;
    size_t n = number_at(text, &x);
    if (!n || !(x >= 0 && x < MOST)) return 0;
    *mean = (float)x;
    return n;
}

/* Returns how many means they are, 0 when it is no such text. */
static size_t read_means(const char *text, float mean[CURVE_PARTS])
{
    size_t n = 0;
    while (*text && n < CURVE_PARTS) {
        size_t length = read_mean(text, &mean[n++]);
        if (!length) return 0;
        text += length;
        if (!*text) return n;
        if (text[0] != ' ' || !text[1]) return 0;
        text++;
    }
    return *text ? 0 : n;
}

/* ---- as a chart ------------------------------------------------------------------------------- */

enum { COLUMNS = 60, ROWS = 10, EIGHTHS = 8 };

/* The least of 1, 1.2, 1.5 ... times a power of ten that is no less than x. */
static double round_up(double x)
{
    static const double nice[] = { 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 };
    double unit = pow(10, floor(log10(x)));
    size_t i = 0;
    while (i < sizeof nice / sizeof *nice - 1 && nice[i] * unit < x * (1 - 1e-6)) i++;
    return nice[i] * unit;
}

/* How many eighths of a row, counted from the bottom, a bar of this height (0 .. 1) fills.  NaN fills none. */
static int eighths_of(double height, int row)
{
    double filled = height * ROWS * EIGHTHS - row * EIGHTHS;
    if (filled >= EIGHTHS) return EIGHTHS;
    return filled > 0 ? (int)(filled + 0.5) : 0;
}

/* Writes one character of UTF-8, a space, or U+2581 "one eighth" to U+2588 "full", and returns its end. */
static char *put_block(char *to, int eighths)
{
    if (!eighths) {
        *to = ' ';
        return to + 1;
    }
    to[0] = (char)0xe2;
    to[1] = (char)0x96;
    to[2] = (char)(0x80 + eighths);
    return to + 3;
}

/* Only the top and the middle have a label. */
static const char *row_label(Arena *a, double top, int row)
{
    if (row == ROWS - 1) return number(a, top);
    return row == ROWS / 2 - 1 ? number(a, top / 2) : "";
}

const char *curve_chart(Arena *a, const char *text, uint64_t steps)
{
    float mean[CURVE_PARTS];
    double column[COLUMNS];
    double most = 0;
    size_t n = read_means(text, mean);
    for (size_t c = 0; n && c < COLUMNS; c++) {
        Range r = range_of(c, COLUMNS, n);
        column[c] = curve_mean(mean, r.from, r.to);
        if (column[c] > most) most = column[c];
    }
    if (!(most > LEAST)) return NULL;
    double top = round_up(most);
    const char *chart = format(a, "loss, on average, of %s\n", amount(a, (size_t)steps, "step"));
    for (int row = ROWS - 1; row >= 0; row--) {
        char bars[3 * COLUMNS + 1];
        char *end = bars;
        for (size_t c = 0; c < COLUMNS; c++) end = put_block(end, eighths_of(column[c] / top, row));
        *end = 0;
        chart = format(a, "%s%8s |%s\n", chart, row_label(a, top, row), bars);
    }
    static const char axis[] = "------------------------------------------------------------";
    unsigned long long last = steps;
    return format(a, "%s       0 +%.*s\n          1%*llu\n", chart, COLUMNS, axis, COLUMNS - 1, last);
}

/* ---- as a picture ----------------------------------------------------------------------------- */

enum {
    WIDTH = 480, HEIGHT = 270,
    LEFT = 54, RIGHT = 466, TOP = 30, BOTTOM = 236,      /* of the plot */
    BLACK = 0, DARK = 40, LIGHT = 190, PALE = 225,       /* greys */
    POINTS = RIGHT - LEFT
};

/* Draws column x of the plot from one height to another, 0 .. 1, in any order. */
static void draw_upright(unsigned char *rgb, int x, double from, double to, unsigned char grey)
{
    int low = BOTTOM - (int)lround(fmin(from, to) * (BOTTOM - TOP));
    int high = BOTTOM - (int)lround(fmax(from, to) * (BOTTOM - TOP));
    if (high < TOP) high = TOP;
    for (int y = high; y <= low; y++) memset(rgb + 3 * (y * WIDTH + x), grey, 3);
}

/* Draws a line through the heights of all columns.  A NaN is a gap. */
static void draw_line(unsigned char *rgb, const double *y, double top, double thickness, unsigned char grey)
{
    for (int x = 0; x < POINTS; x++) {
        if (isnan(y[x])) continue;
        double before = x && !isnan(y[x - 1]) ? y[x - 1] : y[x];
        draw_upright(rgb, LEFT + x, before / top + thickness, y[x] / top, grey);
    }
}

/* ---- held-out pictures ---- */

static const unsigned char RED[3] = { 200, 40, 40 };

static void draw_dot(unsigned char *rgb, int x, int y, int radius)
{
    for (int v = y - radius; v <= y + radius; v++)
        for (int u = x - radius; u <= x + radius; u++)
            if (u >= LEFT && u < RIGHT && v >= TOP && v <= BOTTOM) memcpy(rgb + 3 * (v * WIDTH + u), RED, 3);
}

static double column_of(double step, size_t steps) { return LEFT + step / (double)steps * (POINTS - 1); }
static double row_of(double loss, double top)      { return BOTTOM - loss / top * (BOTTOM - TOP); }

/* A straight line between two points, as dots of which each touches the next. */
static void draw_segment(unsigned char *rgb, const CurvePoint p[2], double top, size_t steps)
{
    double x = column_of(p[0].step, steps);
    double y = row_of(p[0].loss, top);
    double right = column_of(p[1].step, steps) - x;
    double down = row_of(p[1].loss, top) - y;
    int dots = 1 + (int)fmax(fabs(right), fabs(down));
    for (int i = 0; i <= dots; i++)
        draw_dot(rgb, (int)lround(x + right * i / dots), (int)lround(y + down * i / dots), 0);
}

static int is_drawn(CurvePoint p) { return isfinite(p.loss) && p.loss < MOST; }

static void draw_held_out(unsigned char *rgb, CurvePoints held_out, double top, size_t steps)
{
    enum { RADIUS = 1, BEST_RADIUS = 3 };
    for (size_t i = 0; i < held_out.count; i++) {
        CurvePoint p = held_out.point[i];
        if (!is_drawn(p)) continue;
        int radius = i == held_out.best ? BEST_RADIUS : RADIUS;
        draw_dot(rgb, (int)lround(column_of(p.step, steps)), (int)lround(row_of(p.loss, top)), radius);
        if (i && is_drawn(held_out.point[i - 1])) draw_segment(rgb, &held_out.point[i - 1], top, steps);
    }
}

static const char *title_of(Arena *a, CurvePoints held_out)
{
    if (!held_out.count) return format(a, "loss, and its average over the last %d steps", CURVE_WINDOW);
    return format(a, "loss, its average over %d; red: held out, best after %.0f", CURVE_WINDOW,
                  held_out.point[held_out.best].step);
}

static void draw_axes(Arena *a, unsigned char *rgb, double top, size_t steps, CurvePoints held_out)
{
    for (int half = 0; half <= 2; half++) {
        int y = BOTTOM - half * (BOTTOM - TOP) / 2;
        const char *label = number(a, top * half / 2);
        int label_x = LEFT - 6 - FONT_WIDTH * (int)strlen(label);
        memset(rgb + 3 * (y * WIDTH + LEFT), half ? PALE : BLACK, 3 * POINTS);
        font_draw(rgb, WIDTH, HEIGHT, label_x, y - FONT_HEIGHT / 2, 1, label);
    }
    const char *last = format(a, "step %zu", steps);
    font_draw(rgb, WIDTH, HEIGHT, LEFT, BOTTOM + 8, 1, "1");
    font_draw(rgb, WIDTH, HEIGHT, RIGHT - FONT_WIDTH * (int)strlen(last), BOTTOM + 8, 1, last);
    font_draw(rgb, WIDTH, HEIGHT, LEFT, 10, 1, title_of(a, held_out));
}

Bytes curve_png(Arena *a, const float *loss, size_t steps, CurvePoints held_out)
{
    size_t size;
    double light[POINTS], dark[POINTS];
    double most = 0;
    for (size_t x = 0; steps && x < POINTS; x++) {
        Range r = range_of(x, POINTS, steps);
        light[x] = curve_mean(loss, r.from, r.to);
        dark[x] = curve_mean(loss, r.to > CURVE_WINDOW ? r.to - CURVE_WINDOW : 0, r.to);
        most = fmax(most, light[x]);
    }
    for (size_t i = 0; i < held_out.count; i++)
        if (is_drawn(held_out.point[i])) most = fmax(most, held_out.point[i].loss);
    if (!(most > LEAST && most < MOST)) return (Bytes){ NULL, 0 };
    double top = round_up(most);
    unsigned char *rgb = memset(allocate(a, WIDTH * HEIGHT, 3), 255, WIDTH * HEIGHT * 3);
    draw_axes(a, rgb, top, steps, held_out);
    draw_line(rgb, light, top, 0, LIGHT);
    draw_line(rgb, dark, top, 0.005, DARK);
    draw_held_out(rgb, held_out, top, steps);
    unsigned char *png = arena_own(a, png_encode(rgb, WIDTH, HEIGHT, NULL, &size));
    if (!png) fail(a, "the loss curve: out of memory");
    return own_picture_mark(a, (Bytes){ png, size }, OWN_CURVE);
}
