/* grid.c - puts many pictures or clips of one size into one.
 *
 *              title of the page
 *              column   column
 *        row   cell     cell
 *        row   cell     cell
 *
 * Pages stand beside or below each other, whichever makes the longer side of the grid shorter.  Labels are broken into
 * lines at spaces; a label that does not fit in four lines ends in dots.  A band is as large as its largest label.  All
 * cells play in step: frame f of the grid shows frame f of each.
 *
 * Invariant: everything is placed before memory is taken, in doubles, so that no product of counts and sizes overflows.
 * It refuses grids that could not be saved or read again. */
#include "grid.h"

#include "chars.h"
#include "font.h"

#include <string.h>

enum {
    MAX_LINES = 4,              /* of a label */
    MIN_ROW = 12,               /* characters across the labels of rows */
    MAX_ROW = 24,
    LEGIBLE = 192               /* pixels of a cell for each step of the font's scale, beyond the first */
};

enum { COLUMNS, ROWS, PAGES };

typedef struct { int lines, widest; char *line[MAX_LINES]; } Label;         /* widest: characters of its longest line */

/* ---- labels ----------------------------------------------------------------------------------- */

/* Returns the byte that the font draws for a code point; 7F is its box. */
static char font_byte(uint32_t c)
{
    if (c < 128 && blank((int)c)) return ' ';
    return c > ' ' && c < 127 ? (char)c : '\x7f';
}

/* Returns UTF-8 text with one byte for each code point. */
static char *as_font_bytes(Arena *a, const char *text)
{
    size_t n = strlen(text);
    char *out = allocate(a, n + 1, 1);
    char *end = out;
    const unsigned char *s = (const unsigned char *)text;
    while (n) {
        uint32_t c;
        size_t step = utf8_decode(s, n, &c);
        *end++ = font_byte(c);
        s += step;
        n -= step;
    }
    *end = 0;
    return out;
}

static const char *without_leading_spaces(const char *text)
{
    while (*text == ' ') text++;
    return text;
}

/* Returns how much of text stands in a line of so many columns: up to the last space that fits, or all that fits. */
static int line_length(const char *text, int columns)
{
    int fits = 0;
    int space = 0;
    for (; text[fits] && fits < columns; fits++)
        if (text[fits] == ' ') space = fits;
    int is_word_cut = text[fits] && text[fits] != ' ';
    return is_word_cut && space ? space : fits;
}

/* Puts "..." behind line, or over its end where there is no room.  line: [columns + 1] */
static void end_in_dots(char *line, int columns)
{
    int n = (int)strlen(line);
    int dots = columns < 3 ? columns : 3;
    int from = n + dots <= columns ? n : columns - dots;
    memset(line + from, '.', (size_t)dots);
    line[from + dots] = 0;
}

static Label wrap(Arena *a, const char *words, int columns)
{
    Label l = { 0 };
    if (columns < 1) columns = 1;
    const char *text = without_leading_spaces(as_font_bytes(a, words));
    while (*text && l.lines < MAX_LINES) {
        int n = line_length(text, columns);
        char *line = allocate(a, (size_t)columns + 1, 1);
        memcpy(line, text, (size_t)n);
        line[n] = 0;
        text = without_leading_spaces(text + n);
        if (*text && l.lines == MAX_LINES - 1) end_in_dots(line, columns);
        if ((int)strlen(line) > l.widest) l.widest = (int)strlen(line);
        l.line[l.lines++] = line;
    }
    return l;
}

/* Draws a label with its lines centred at x = middle, the first at y = top. */
static void draw_label(Grid *g, Label l, int middle, int top)
{
    for (int i = 0; i < l.lines; i++) {
        int left = middle - (int)strlen(l.line[i]) * FONT_WIDTH * g->scale / 2;
        font_draw(g->rgb, g->width, g->height, left, top + i * FONT_HEIGHT * g->scale, g->scale, l.line[i]);
    }
}

/* ---- the layout ------------------------------------------------------------------------------- */

/* From a cell to the next. */
static int step_x(const Grid *g) { return g->of.width + g->gap; }
static int step_y(const Grid *g) { return g->of.height + g->gap; }

/* The width of all cells of a page. */
static int cells_width(const Grid *g) { return g->of.count[COLUMNS] * step_x(g) - g->gap; }

/* Returns how many characters stand in a line of a label of this axis. */
static int columns_for(const Grid *g, int axis)
{
    int width = axis == PAGES ? cells_width(g) : g->of.width;
    int columns = width / (FONT_WIDTH * g->scale);
    if (axis != ROWS) return columns;
    if (columns < MIN_ROW) return MIN_ROW;
    return columns > MAX_ROW ? MAX_ROW : columns;
}

/* Returns the most lines of a label of an axis, and the widest line of all; nothing to draw. */
static Label largest_label(Arena *a, const Grid *g, int axis)
{
    Label all = { 0 };
    if (!g->of.label[axis]) return all;
    for (int i = 0; i < g->of.count[axis]; i++) {
        size_t before = mark(a);
        Label one = wrap(a, g->of.label[axis][i], columns_for(g, axis));
        if (one.lines > all.lines) all.lines = one.lines;
        if (one.widest > all.widest) all.widest = one.widest;
        release(a, before);
    }
    return all;
}

/* Returns the size of a band that holds so many characters, or lines, of `each` pixels; 0 when it holds none. */
static int band(const Grid *g, int characters, int each)
{
    return characters ? characters * each * g->scale + 2 * g->gap : 0;
}

static void check_size(Arena *a, const Grid *g, double width, double height)
{
    if (width <= GRID_MAX_SIDE && height <= GRID_MAX_SIDE && width * height <= GRID_MAX_PIXELS) return;
    const int *n = g->of.count;
    fail(a, "a grid of %d x %d x %d pictures of %dx%d would be %.0fx%.0f, expected at most %d a side and "
            "%d million pixels; ask for fewer values, or a smaller Size",
         n[COLUMNS], n[ROWS], n[PAGES], g->of.width, g->of.height, width, height, GRID_MAX_SIDE,
         GRID_MAX_PIXELS / 1000000);
}

static double larger(double a, double b) { return a > b ? a : b; }

/* Sizes are checked without labels first: the labels of too large a grid would take long to wrap. */
Grid grid_layout(Arena *a, const GridSetup *setup)
{
    Grid g = { .of = *setup };
    int shorter = setup->width < setup->height ? setup->width : setup->height;
    g.scale = shorter < 2 * LEGIBLE ? 1 : shorter / LEGIBLE;
    g.gap = 4 * g.scale;

    double pages = setup->count[PAGES];
    double across = (double)setup->count[COLUMNS] * step_x(&g);         /* of one page */
    double down = (double)setup->count[ROWS] * step_y(&g);
    check_size(a, &g, across, down * pages);
    g.title_height = band(&g, largest_label(a, &g, PAGES).lines, FONT_HEIGHT);
    g.top_height = band(&g, largest_label(a, &g, COLUMNS).lines, FONT_HEIGHT);
    g.left_width = band(&g, largest_label(a, &g, ROWS).widest, FONT_WIDTH);
    across += g.left_width;
    down += g.title_height + g.top_height;

    int is_beside = larger(pages * across, down) <= larger(across, pages * down);
    double width = g.gap + (is_beside ? pages * across : across);
    double height = g.gap + (is_beside ? down : pages * down);
    check_size(a, &g, width, height);
    g.width = (int)width;
    g.height = (int)height;
    if (is_beside) g.page_x = (int)across;
    else g.page_y = (int)down;
    return g;
}

/* ---- the pictures ----------------------------------------------------------------------------- */

/* The upper left corner of a cell. */
static int cell_x(const Grid *g, int column, int page)
{
    return g->gap + page * g->page_x + g->left_width + column * step_x(g);
}

static int cell_y(const Grid *g, int row, int page)
{
    return g->gap + page * g->page_y + g->title_height + g->top_height + row * step_y(g);
}

static void draw_title(Arena *a, Grid *g, int page)
{
    int top = cell_y(g, 0, page) - g->top_height - g->title_height + g->gap;
    Label l = wrap(a, g->of.label[PAGES][page], columns_for(g, PAGES));
    draw_label(g, l, cell_x(g, 0, page) + cells_width(g) / 2, top);
}

/* Stands on the cells: with fewer lines than others it begins lower. */
static void draw_column_label(Arena *a, Grid *g, int column, int page)
{
    Label l = wrap(a, g->of.label[COLUMNS][column], columns_for(g, COLUMNS));
    int top = cell_y(g, 0, page) - g->gap - l.lines * FONT_HEIGHT * g->scale;
    draw_label(g, l, cell_x(g, column, page) + g->of.width / 2, top);
}

static void draw_row_label(Arena *a, Grid *g, int row, int page)
{
    Label l = wrap(a, g->of.label[ROWS][row], columns_for(g, ROWS));
    int top = cell_y(g, row, page) + (g->of.height - l.lines * FONT_HEIGHT * g->scale) / 2;
    draw_label(g, l, cell_x(g, 0, page) - g->left_width / 2, top);
}

static void draw_page_labels(Arena *a, Grid *g, int page)
{
    const GridSetup *s = &g->of;
    if (s->label[PAGES]) draw_title(a, g, page);
    for (int c = 0; s->label[COLUMNS] && c < s->count[COLUMNS]; c++) draw_column_label(a, g, c, page);
    for (int r = 0; s->label[ROWS] && r < s->count[ROWS]; r++) draw_row_label(a, g, r, page);
}

void grid_begin(Arena *a, Grid *g)
{
    size_t frame = (size_t)g->height * (size_t)g->width * 3;
    g->rgb = allocate(a, (size_t)g->of.frames, frame);
    size_t before = mark(a);
    memset(g->rgb, 255, frame);
    for (int page = 0; page < g->of.count[PAGES]; page++) draw_page_labels(a, g, page);
    release(a, before);
    for (int f = 1; f < g->of.frames; f++) memcpy(g->rgb + (size_t)f * frame, g->rgb, frame);
}

void grid_paste(Grid *g, int column, int row, int page, const unsigned char *rgb)
{
    size_t width = (size_t)g->width;
    size_t across = 3 * (size_t)g->of.width;
    size_t x = (size_t)cell_x(g, column, page);
    size_t y = (size_t)cell_y(g, row, page);
    for (size_t f = 0; f < (size_t)g->of.frames; f++)
        for (size_t i = 0; i < (size_t)g->of.height; i++) {
            memcpy(g->rgb + 3 * ((f * (size_t)g->height + y + i) * width + x), rgb, across);
            rgb += across;
        }
}
