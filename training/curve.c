/* curve.c - how the loss went.
 *
 *     losses of all steps -> means of up to 200 equal parts     in the metadata of what was learned, as text
 *     those means -> a chart of 60 x 10 characters              for persona info
 *     losses of all steps -> a picture of 480 x 270             beside what was learned
 *
 * A chart begins at zero: a loss that falls by a tenth looks like that, and not like a cliff.  Where fewer steps were
 * done than the chart has columns, a step takes several. */
#include "curve.h"

#include "chars.h"
#include "files.h"
#include "font.h"
#include "png.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 60, ROWS = 10, EIGHTHS = 8, MOST = 1000000 };

double curve_mean(const float *loss, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++) if (isfinite(loss[i])) sum += (double)loss[i], n++;
    return n ? sum / (double)n : NAN;
}

/* ---- as text ---------------------------------------------------------------------------------- */

/* five decimals at most, whatever the locale */
static const char *number(Arena *a, double x) { return number_text(a, round(x * 1e5) / 1e5); }

const char *curve_text(Arena *a, const float *loss, size_t steps)
{
    size_t parts = steps < CURVE_PARTS ? steps : CURVE_PARTS;
    const char *text = "";
    for (size_t i = 0; i < parts; i++) {
        double mean = curve_mean(loss, i * steps / parts, (i + 1) * steps / parts);
        text = format(a, "%s%s%s", text, i ? " " : "", mean < MOST ? number(a, mean) : "-");
    }
    return text;
}

/* -> how many, 0 when it is no such text; "-" becomes NaN */
static size_t read_parts(const char *text, float part[CURVE_PARTS])
{
    size_t n = 0;
    while (*text && n < CURVE_PARTS) {
        double mean = NAN;
        size_t length = *text == '-' ? 1 : number_at(text, &mean);
        if (*text != '-' && !(length && mean >= 0 && mean < MOST)) return 0;
        part[n++] = (float)mean, text += length;
        if (*text && (*text++ != ' ' || !*text)) return 0;
    }
    return *text ? 0 : n;
}

/* ---- as a chart ------------------------------------------------------------------------------- */

/* the least of 1, 1.2, 1.5 ... times a power of ten that is no less */
static double round_up(double x)
{
    static const double nice[] = { 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 };
    double unit = pow(10, floor(log10(x)));
    size_t i = 0;
    while (i < sizeof nice / sizeof *nice - 1 && nice[i] * unit < x * (1 - 1e-6)) i++;
    return nice[i] * unit;
}

/* the column's bar within a row, counted from the bottom, as one character of UTF-8: a space, or U+2581 "one eighth" to U+2588 "full" */
static char *block(char *to, double height, int row)
{
    double filled = height * ROWS * EIGHTHS - row * EIGHTHS;
    int eighths = filled >= EIGHTHS ? EIGHTHS : filled > 0 ? (int)(filled + 0.5) : 0;      /* NaN: none */
    if (!eighths) return *to = ' ', to + 1;
    to[0] = (char)0xe2, to[1] = (char)0x96, to[2] = (char)(0x80 + eighths);
    return to + 3;
}

const char *curve_chart(Arena *a, const char *text, uint64_t steps)
{
    float part[CURVE_PARTS];
    double column[COLUMNS], most = 0;
    size_t n = read_parts(text, part);
    for (size_t c = 0; n && c < COLUMNS; c++) {
        size_t from = c * n / COLUMNS, to = (c + 1) * n / COLUMNS;
        column[c] = curve_mean(part, from, to > from ? to : from + 1);
        if (column[c] > most) most = column[c];
    }
    if (!(most > 1e-4)) return NULL;
    double top = round_up(most);
    const char *chart = format(a, "loss, on average, of %s\n", amount(a, (size_t)steps, "step"));
    for (int row = ROWS - 1; row >= 0; row--) {
        char bars[3 * COLUMNS + 1], *end = bars;
        for (size_t c = 0; c < COLUMNS; c++) end = block(end, column[c] / top, row);
        *end = 0;
        double label = row == ROWS - 1 ? top : row == ROWS / 2 - 1 ? top / 2 : -1;
        chart = format(a, "%s%8s |%s\n", chart, label < 0 ? "" : number(a, label), bars);
    }
    static const char axis[] = "------------------------------------------------------------";
    return format(a, "%s       0 +%.*s\n          1%*llu\n", chart, COLUMNS, axis, COLUMNS - 1, (unsigned long long)steps);
}

/* ---- as a picture ----------------------------------------------------------------------------- */

enum { WIDTH = 480, HEIGHT = 270, LEFT = 54, RIGHT = 466, TOP = 30, BOTTOM = 236, LIGHT = 190, DARK = 40 };

/* one column from height to height of the plot, 0..1; what is NaN is not drawn */
static void upright(unsigned char *rgb, int x, double from, double to, unsigned char grey)
{
    int a = BOTTOM - (int)lround(fmin(from, to) * (BOTTOM - TOP)), b = BOTTOM - (int)lround(fmax(from, to) * (BOTTOM - TOP));
    for (int y = b > TOP ? b : TOP; y <= a; y++) memset(rgb + 3 * (y * WIDTH + x), grey, 3);
}

static void axes(Arena *a, unsigned char *rgb, double top, size_t steps)
{
    for (int half = 0; half <= 2; half++) {
        int y = BOTTOM - half * (BOTTOM - TOP) / 2;
        const char *label = number(a, top * half / 2);
        memset(rgb + 3 * (y * WIDTH + LEFT), half ? 225 : 0, 3 * (RIGHT - LEFT));
        font_draw(rgb, WIDTH, HEIGHT, LEFT - 6 - FONT_WIDTH * (int)strlen(label), y - FONT_HEIGHT / 2, 1, label);
    }
    const char *last = format(a, "step %zu", steps);
    font_draw(rgb, WIDTH, HEIGHT, LEFT, BOTTOM + 8, 1, "1");
    font_draw(rgb, WIDTH, HEIGHT, RIGHT - FONT_WIDTH * (int)strlen(last), BOTTOM + 8, 1, last);
    font_draw(rgb, WIDTH, HEIGHT, LEFT, 10, 1, format(a, "loss, and its average over the last %d steps", CURVE_WINDOW));
}

void curve_save(Arena *a, const float *loss, size_t steps, const char *path)
{
    enum { COUNT = RIGHT - LEFT };
    size_t before = mark(a), size;
    double light[COUNT], dark[COUNT], most = 0;
    for (size_t x = 0; steps && x < COUNT; x++) {
        size_t from = x * steps / COUNT, to = (x + 1) * steps / COUNT, end = to > from ? to : from + 1;
        light[x] = curve_mean(loss, from, end), dark[x] = curve_mean(loss, end > CURVE_WINDOW ? end - CURVE_WINDOW : 0, end);
        most = fmax(most, light[x]);
    }
    if (!(most > 1e-4 && most < MOST)) return;
    double top = round_up(most);
    unsigned char *rgb = memset(take(a, WIDTH * HEIGHT, 3), 255, WIDTH * HEIGHT * 3);
    axes(a, rgb, top, steps);
    for (int x = 0; x < COUNT; x++) if (!isnan(light[x])) upright(rgb, LEFT + x, (x && !isnan(light[x - 1]) ? light[x - 1] : light[x]) / top, light[x] / top, LIGHT);
    for (int x = 0; x < COUNT; x++) if (!isnan(dark[x])) upright(rgb, LEFT + x, (x && !isnan(dark[x - 1]) ? dark[x - 1] : dark[x]) / top + 0.005, dark[x] / top, DARK);
    unsigned char *png = adopt(a, png_encode(rgb, WIDTH, HEIGHT, NULL, &size));
    if (!png) fail(a, "%s: out of memory", path);
    files_save(a, &(File){ path, { png, size } }, 1);
    release(a, before);
}
