/* grid.c - many pictures as one.
 *
 *              title of the page
 *              column   column
 *        row   cell     cell
 *        row   cell     cell
 *
 * Pages stand beside or below each other, whichever makes the longer side shorter.  Labels are broken at spaces, and what four
 * lines do not hold ends in dots; a band is as large as its largest label.  All cells play in step: frame f of the grid is
 * frame f of each.  Everything is placed before memory is taken, in numbers that hold any product of what is asked for. */
#include "grid.h"

#include "chars.h"
#include "font.h"

#include <string.h>

/* lines of a label; characters across a row's; pixels of a cell that the font is doubled for, tripled, ... */
enum { LINES = 4, LEAST_ROW = 12, MOST_ROW = 24, LEGIBLE = 192 };

enum { COLUMNS, ROWS, PAGES };

typedef struct { int lines, widest; char *line[LINES]; } Label;

/* ---- labels ----------------------------------------------------------------------------------- */

/* one byte for each character: itself where the font has it */
static char *shown(Arena *a, const char *text)
{
    size_t n = strlen(text);
    char *out = take(a, n + 1, 1), *end = out;
    for (const unsigned char *s = (const unsigned char *)text; n; ) {
        uint32_t c;
        size_t step = utf8_decode(s, n, &c);
        *end++ = blank((int)(c < 128 ? c : 'x')) ? ' ' : c > ' ' && c < 127 ? (char)c : '\x7f';
        s += step, n -= step;
    }
    *end = 0;
    return out;
}

/* how much of text stands in a line of so many columns: up to the last space that fits, or all that fits */
static int line_length(const char *text, int columns)
{
    int fits = 0, space = 0;
    for (; text[fits] && fits < columns; fits++) if (text[fits] == ' ') space = fits;
    return !text[fits] || text[fits] == ' ' || !space ? fits : space;
}

/* "..." behind line, or over its end where there is no room */
static void end_in_dots(char *line, int columns)
{
    int n = (int)strlen(line), dots = columns < 3 ? columns : 3, from = n + dots <= columns ? n : columns - dots;
    strcpy(line + from, &"..."[3 - dots]);
}

static Label wrapped(Arena *a, const char *words, int columns)
{
    Label l = { 0 };
    const char *text = shown(a, words);
    if (columns < 1) columns = 1;
    while (*text == ' ') text++;
    while (*text && l.lines < LINES) {
        int n = line_length(text, columns);
        char *line = take(a, (size_t)columns + 1, 1);
        memcpy(line, text, (size_t)n), line[n] = 0;
        for (text += n; *text == ' '; text++) { }
        if (*text && l.lines == LINES - 1) end_in_dots(line, columns);
        if ((int)strlen(line) > l.widest) l.widest = (int)strlen(line);
        l.line[l.lines++] = line;
    }
    return l;
}

/* middle x, top y */
static void draw_label(Grid *g, Label l, int middle, int top)
{
    for (int i = 0; i < l.lines; i++)
        font_draw(g->rgb, g->width, g->height, middle - (int)strlen(l.line[i]) * FONT_WIDTH * g->scale / 2, top + i * FONT_HEIGHT * g->scale, g->scale, l.line[i]);
}

/* ---- the layout ------------------------------------------------------------------------------- */

static int step_x(const Grid *g) { return g->of.width + g->gap; }
static int step_y(const Grid *g) { return g->of.height + g->gap; }

/* characters across a label of this axis */
static int columns_for(const Grid *g, int axis)
{
    int across = (axis == PAGES ? g->of.count[COLUMNS] * step_x(g) - g->gap : g->of.width) / (FONT_WIDTH * g->scale);
    return axis != ROWS ? across : across < LEAST_ROW ? LEAST_ROW : across > MOST_ROW ? MOST_ROW : across;
}

/* lines of the longest label of an axis, and characters of its widest line */
static Label largest(Arena *a, const Grid *g, int axis)
{
    Label all = { 0 };
    for (int i = 0; g->of.label[axis] && i < g->of.count[axis]; i++) {
        size_t before = mark(a);
        Label one = wrapped(a, g->of.label[axis][i], columns_for(g, axis));
        if (one.lines > all.lines) all.lines = one.lines;
        if (one.widest > all.widest) all.widest = one.widest;
        release(a, before);
    }
    return all;
}

static int band(const Grid *g, int characters, int each) { return characters ? characters * each * g->scale + 2 * g->gap : 0; }

static void check_size(Arena *a, const Grid *g, double width, double height)
{
    if (width <= GRID_SIDE && height <= GRID_SIDE && width * height <= GRID_PIXELS) return;
    fail(a, "a grid of %d x %d x %d pictures of %dx%d would be %.0fx%.0f, expected at most %d a side and %d million pixels; ask for fewer values, or a smaller Size",
         g->of.count[COLUMNS], g->of.count[ROWS], g->of.count[PAGES], g->of.width, g->of.height, width, height, GRID_SIDE, GRID_PIXELS / 1000000);
}

Grid grid_layout(Arena *a, const GridSetup *setup)
{
    Grid g = { .of = *setup };
    int least = setup->width < setup->height ? setup->width : setup->height;
    g.scale = least < 2 * LEGIBLE ? 1 : least / LEGIBLE;
    g.gap = 4 * g.scale;
    const int *n = setup->count;
    double across = (double)n[COLUMNS] * step_x(&g), down = (double)n[ROWS] * step_y(&g), pages = n[PAGES];
    check_size(a, &g, across, down * pages);
    g.title = band(&g, largest(a, &g, PAGES).lines, FONT_HEIGHT);
    g.top   = band(&g, largest(a, &g, COLUMNS).lines, FONT_HEIGHT);
    g.left  = band(&g, largest(a, &g, ROWS).widest, FONT_WIDTH);
    across += g.left, down += g.title + g.top;
    int beside = (pages * across > down ? pages * across : down) <= (across > pages * down ? across : pages * down);
    double width = g.gap + (beside ? pages : 1) * across, height = g.gap + (beside ? 1 : pages) * down;
    check_size(a, &g, width, height);
    g.width = (int)width, g.height = (int)height;
    g.page[0] = beside ? (int)across : 0, g.page[1] = beside ? 0 : (int)down;
    return g;
}

/* ---- the pictures ----------------------------------------------------------------------------- */

static int cell_x(const Grid *g, int column, int page) { return g->gap + page * g->page[0] + g->left + column * step_x(g); }
static int cell_y(const Grid *g, int row, int page)    { return g->gap + page * g->page[1] + g->title + g->top + row * step_y(g); }

static void draw_page(Arena *a, Grid *g, int page)
{
    const GridSetup *s = &g->of;
    int line = FONT_HEIGHT * g->scale, x = cell_x(g, 0, page), y = cell_y(g, 0, page);
    if (s->label[PAGES])
        draw_label(g, wrapped(a, s->label[PAGES][page], columns_for(g, PAGES)), x + (s->count[COLUMNS] * step_x(g) - g->gap) / 2, y - g->top - g->title + g->gap);
    for (int c = 0; s->label[COLUMNS] && c < s->count[COLUMNS]; c++) {
        Label l = wrapped(a, s->label[COLUMNS][c], columns_for(g, COLUMNS));
        draw_label(g, l, cell_x(g, c, page) + s->width / 2, y - g->gap - l.lines * line);
    }
    for (int r = 0; s->label[ROWS] && r < s->count[ROWS]; r++) {
        Label l = wrapped(a, s->label[ROWS][r], columns_for(g, ROWS));
        draw_label(g, l, x - g->left / 2, cell_y(g, r, page) + (s->height - l.lines * line) / 2);
    }
}

void grid_begin(Arena *a, Grid *g)
{
    size_t frame = (size_t)g->height * (size_t)g->width * 3;
    g->rgb = take(a, (size_t)g->of.frames, frame);
    size_t before = mark(a);
    memset(g->rgb, 255, frame);
    for (int page = 0; page < g->of.count[PAGES]; page++) draw_page(a, g, page);
    release(a, before);
    for (int f = 1; f < g->of.frames; f++) memcpy(g->rgb + (size_t)f * frame, g->rgb, frame);
}

void grid_paste(Grid *g, int column, int row, int page, const unsigned char *rgb)
{
    size_t width = (size_t)g->width, across = 3 * (size_t)g->of.width, x = (size_t)cell_x(g, column, page), y = (size_t)cell_y(g, row, page);
    for (size_t f = 0; f < (size_t)g->of.frames; f++)
        for (size_t i = 0; i < (size_t)g->of.height; i++, rgb += across)
            memcpy(g->rgb + 3 * ((f * (size_t)g->height + y + i) * width + x), rgb, across);
}
