/* test_curve.c - the loss curve: means of parts, as text, and as a chart; texts that are none. */
#define _POSIX_C_SOURCE 200809L
#include "curve.h"
#include "files.h"
#include "png.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_means(void)
{
    const float loss[] = { 1, NAN, 3, 0.5f, NAN };
    CHECK(curve_mean(loss, 0, 3) == 2 && curve_mean(loss, 0, 4) == 1.5 && curve_mean(loss, 3, 5) == 0.5);
    CHECK(isnan(curve_mean(loss, 4, 5)) && isnan(curve_mean(loss, 2, 2)));
}

static void test_text(Arena *a)
{
    const float few[] = { 0.125f, NAN, 0.0333333f, INFINITY, 2e6f, 0 };
    CHECK(!strcmp(curve_text(a, few, 6), "0.125 - 0.03333 - - 0"));
    CHECK(!strcmp(curve_text(a, few, 0), ""));
    float many[1001];
    for (int i = 0; i < 1001; i++) many[i] = (float)i;
    const char *text = curve_text(a, many, 1001);
    size_t spaces = 0;
    for (const char *p = text; *p; p++) spaces += *p == ' ';
    CHECK(spaces == CURVE_PARTS - 1);
    CHECK(!strncmp(text, "2 7 12 17 22 ", 13));                                      /* 0..4, 5..9, ... */
    CHECK(!strcmp(text + strlen(text) - 10, " 992 997.5"));      /* 990..994, and what is left: 995..1000, mean 997.5 */
}

/* of each row, the columns that hold anything; -1: not a chart of that form */
static int filled(const char *chart, int row)
{
    for (int i = 0; i <= row && chart; i++) chart = strchr(chart, '\n') ? strchr(chart, '\n') + 1 : NULL;
    const char *bar = chart ? strchr(chart, '|') : NULL;
    if (!bar) return -1;
    int columns = 0, full = 0;
    for (bar++; *bar && *bar != '\n'; columns++) {
        if (*bar == ' ') {
            bar++;
            continue;
        }
        if (strncmp(bar, "\xe2\x96", 2)) return -1;
        full++;
        bar += 3;
    }
    return columns == 60 ? full : -1;
}

static void test_chart(Arena *a)
{
    const char *chart = curve_chart(a, "0.2 0.15 0.1 0.05", 400);
    CHECK(chart && !strncmp(chart, "loss, on average, of 400 steps\n     0.2 |", 41));
    const int rows[] = { 15, 15, 30, 30, 30, 45, 45, 60, 60, 60 };      /* from the top; 0.15 is 7.5 rows of 10 */
    for (int i = 0; i < 10; i++) CHECK_MSG(filled(chart, i) == rows[i], "row %d: %d", i, filled(chart, i));
    CHECK(strstr(chart, "\n     0.1 |") && strstr(chart, "\n       0 +---") && strstr(chart, "\n          1"));
    CHECK(!strcmp(chart + strlen(chart) - 5, " 400\n"));
    CHECK(strstr(chart, "\xe2\x96\x84"));                                             /* half a block */
    chart = curve_chart(a, "- 0.04 -", 3);
    CHECK(filled(chart, 0) == 20 && filled(chart, 9) == 20);
    CHECK(curve_chart(a, "0.013", 1) && strstr(curve_chart(a, "0.013", 1), "\n   0.015 |"));
}

static void test_no_curve(Arena *a)
{
    static const char *const none[] = {
        "", " ", "-", "0", "x", "0.1x", "0.1  0.2", "0.1 ", "-0.1", "nan", "inf", "1e400", "1e7", "0.1,0.2",
        "0.1 \x1b[31m", "--"
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_MSG(!curve_chart(a, none[i], 10), "\"%s\" is a curve", none[i]);
    char *long_one = allocate(a, 2 * (CURVE_PARTS + 1) + 1, 1);
    for (size_t i = 0; i <= CURVE_PARTS; i++) memcpy(long_one + 2 * i, "1 ", 2);
    long_one[2 * CURVE_PARTS + 1] = 0;
    CHECK(!curve_chart(a, long_one, 10));
    long_one[2 * CURVE_PARTS - 1] = 0;
    CHECK(curve_chart(a, long_one, 10) != NULL);
}

/* dark pixels between two rows of a column */
static int dark(const unsigned char *rgb, int x, int from, int to)
{
    int n = 0;
    for (int y = from; y < to; y++) n += rgb[3 * (y * 480 + x)] < 100;
    return n;
}

static void test_picture(Arena *a)
{
    char why[PNG_WHY];
    int width, height;
    float loss[300];
    for (int i = 0; i < 300; i++) loss[i] = i < 150 ? 0.2f : 0.1f;
    loss[7] = NAN;
    Bytes b = curve_png(a, loss, 300, (CurvePoints){ 0 });
    unsigned char *rgb = png_decode(b.data, b.size, &width, &height, why);
    CHECK(rgb && width == 480 && height == 270);
    if (rgb) {
        int first = dark(rgb, 100, 28, 34), first_below = dark(rgb, 100, 60, 230);
        int last = dark(rgb, 460, 130, 136), last_above = dark(rgb, 460, 34, 120);
        CHECK_MSG(first && !first_below, "at first: %d %d", first, first_below);
        CHECK_MSG(last && !last_above, "at last: %d %d", last, last_above);
        CHECK(dark(rgb, 260, 236, 237) == 1);
        CHECK(dark(rgb, 300, 36, 130) > 0);                  /* the average is on its way down for 100 steps */
    }
    free(rgb);
    for (int i = 0; i < 300; i++) loss[i] = NAN;
    CHECK(!curve_png(a, loss, 300, (CurvePoints){ 0 }).data && !curve_png(a, loss, 0, (CurvePoints){ 0 }).data);
}

/* red pixels of columns from .. to-1, and the mean of their rows */
static int red(const unsigned char *rgb, int from, int to, double *row)
{
    int n = 0;
    *row = 0;
    for (int i = 0; i < 480 * 270; i++) {
        const unsigned char *p = rgb + 3 * i;
        if (i % 480 < from || i % 480 >= to || p[0] < 150 || p[1] > 100) continue;
        *row += i / 480;
        n++;
    }
    if (n) *row /= n;
    return n;
}

/* The line of held-out pictures: at 0.2, down to 0.1 in the middle, where the mark is, and up again; a NaN is a gap. */
static void test_held_out(Arena *a)
{
    char why[PNG_WHY];
    int width, height;
    double row;
    float loss[300];
    for (int i = 0; i < 300; i++) loss[i] = 0.2f;
    const CurvePoint point[] = { { 0, 0.2 }, { 150, 0.1 }, { 225, 0.15 }, { 250, NAN }, { 300, INFINITY } };
    Bytes b = curve_png(a, loss, 300, (CurvePoints){ point, 5, 1 });
    Bytes without = curve_png(a, loss, 300, (CurvePoints){ 0 });
    unsigned char *rgb = png_decode(b.data, b.size, &width, &height, why);
    CHECK(rgb != NULL && b.size != without.size);
    if (!rgb) return;
    CHECK(red(rgb, 54, 56, &row) > 0 && row < 40);
    CHECK(red(rgb, 157, 158, &row) == 1 && fabs(row - 81.5) <= 1);      /* half of the way: 0.15 */
    CHECK_MSG(red(rgb, 257, 264, &row) >= 49 && fabs(row - 133) <= 2, "the mark of the best: row %g", row);
    CHECK(red(rgb, 366, 466, &row) == 0);
    free(rgb);
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_means();
    test_text(a);
    test_chart(a);
    test_no_curve(a);
    test_picture(a);
    test_held_out(a);
    arena_free(a);
    return done();
}
