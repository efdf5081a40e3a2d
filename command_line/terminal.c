/* terminal.c - what the user sees while a job runs.
 *
 *     messages    what was chosen, line by line; they stay
 *     picture     the picture so far, drawn over the one before      on a terminal that shows 24-bit colours
 *     bar         the step and the time left, drawn over itself      on a terminal; otherwise a line every ten seconds
 *
 * Picture and bar stand below all messages.  The cursor waits where they begin, not behind them.  When the window
 * becomes narrower, some terminals break what they show into more lines and some cut it off; but all of them keep the
 * cursor at its character.  So everything from the cursor on is erased, and no lines need to be counted.
 *
 * The width is asked for whenever something is drawn.  A bar is made to fit, and leaves the last column free, behind
 * which some terminals begin a new line.  Messages are broken between words.
 *
 * Colours: NO_COLOR (no-color.org), and CLICOLOR=0, leave nothing but characters and carriage returns; there is no
 * picture then.  On a terminal of the kind "dumb" everything is as in a file.
 *
 * Names that come out of files may hold bytes that a terminal would obey; none of them is ever printed. */
#include "terminal.h"

#include "chars.h"
#include "files.h"
#include "progress_bar.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

/* ---- the terminal ------------------------------------------------------------------------------ */

typedef struct { int columns, lines; } Size;

/* Where nobody knows the size, it is that of the first terminals. */
static Size size_now(void)
{
    Size s = { 0, 0 };
    system_terminal_size(&s.columns, &s.lines);
    if (s.columns <= 0) s.columns = 80;
    if (s.lines <= 0) s.lines = 24;
    return s;
}

/* Can what was written be drawn over? */
static int can_draw_over(void)
{
    const char *kind = system_environment("TERM");
    return system_is_terminal() && !(kind && same(kind, "dumb"));
}

/* no-color.org: "when present and not an empty string"; bixense.com/clicolors: CLICOLOR=0 */
static int wants_no_colour(void)
{
    const char *no_colour = system_environment("NO_COLOR");
    const char *colour = system_environment("CLICOLOR");
    return (no_colour && *no_colour) || (colour && !strcmp(colour, "0"));
}

/* Has the size of the window changed since something was drawn? */
static int is_resized(const Terminal *t)
{
    Size now = size_now();
    return t->columns != now.columns || t->lines != now.lines;
}

static void remember_size(Terminal *t)
{
    Size now = size_now();
    t->columns = now.columns;
    t->lines = now.lines;
}

/* Erases the picture and the bar. */
static void erase(Terminal *t)
{
    if (t->is_open && wants_no_colour()) fprintf(stderr, "\r%*s\r", t->bar_columns, "");
    else if (t->is_open) fputs("\r\033[J", stderr);
    t->is_open = 0;
    t->picture_lines = 0;
    t->bar_columns = 0;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

enum {
    MOST_SIDE = 80,                      /* pixels of the longer side */
    KEPT_FREE = 4,                       /* lines of the terminal for what is printed below the picture */
    CELL = 48,                           /* most bytes of a character in two colours */
};

static int at_most(int x, int most)
{
    return x < most ? x : most;
}

/* The picture as large as the terminal shows it, at most MOST_SIDE pixels. */
static Picture fitted(Arena *a, Picture p)
{
    Size size = size_now();
    int across = at_most(size.columns > 1 ? size.columns - 1 : 1, MOST_SIDE);
    int down = at_most(2 * (size.lines - KEPT_FREE), MOST_SIDE);
    if (down < 2) down = 2;
    double scale = (double)across / p.width;
    double scale_down = (double)down / p.height;
    if (scale_down < scale) scale = scale_down;
    int width = (int)(p.width * scale);
    int height = (int)(p.height * scale);
    if (width < 1) width = 1;
    if (height < 1) height = 1;
    return image_resize(a, p, width, height, scale < 1 ? BOX : LANCZOS);
}

/* Writes the parameters of an escape sequence for a 24-bit colour, and returns their end.  which: "38" for the
 * character, "48" for its background */
static char *put_colour(char *to, const char *which, const unsigned char *rgb)
{
    return to + sprintf(to, "%s;2;%d;%d;%d", which, rgb[0], rgb[1], rgb[2]);
}

/* Writes one character for the pixels at upper and lower (NULL: none), with the colours that changed, and returns its
 * end.  first: the row begins here, so all colours are new */
static char *put_cell(char *to, const unsigned char *upper, const unsigned char *lower, int first)
{
    int new_upper = first || memcmp(upper, upper - 3, 3);
    int new_lower = lower && (first || memcmp(lower, lower - 3, 3));
    if (new_upper || new_lower) to += sprintf(to, "\033[");
    if (new_upper) to = put_colour(to, "38", upper);
    if (new_upper && new_lower) *to++ = ';';
    if (new_lower) to = put_colour(to, "48", lower);
    if (new_upper || new_lower) *to++ = 'm';
    return to + sprintf(to, "\xe2\x96\x80");
}

char *half_block_text(Arena *a, Picture p)
{
    size_t width = (size_t)p.width;
    size_t height = (size_t)p.height;
    size_t lines = (height + 1) / 2;
    char *text = allocate(a, lines * (width * CELL + 16) + 1, 1);
    char *end = text;
    for (size_t y = 0; y < lines; y++) {
        const unsigned char *upper = p.rgb + 2 * y * width * 3;
        const unsigned char *lower = 2 * y + 1 < height ? upper + width * 3 : NULL;
        *end++ = '\r';
        for (size_t x = 0; x < width; x++) end = put_cell(end, upper + 3 * x, lower ? lower + 3 * x : NULL, x == 0);
        end += sprintf(end, "\033[0m\033[K\n");
    }
    *end = 0;
    return text;
}

/* Draws the picture over the one before, and leaves the cursor where it begins. */
static void show(Terminal *t, Picture p)
{
    size_t before = mark(t->a);
    if (is_resized(t)) erase(t);
    Picture small = fitted(t->a, p);
    t->picture_lines = (small.height + 1) / 2;
    fprintf(stderr, "\r%s\033[J\033[%dA", half_block_text(t->a, small), t->picture_lines);
    t->is_open = 1;
    remember_size(t);
    release(t->a, before);
}

/* frame i of a clip that plays on and on */
static Picture frame_of(Pictures p, int i)
{
    size_t frame = (size_t)p.width * (size_t)p.height * 3;
    return (Picture){ .width = p.width, .height = p.height, .rgb = p.rgb + (size_t)(i % p.frames) * frame };
}

const char *terminal_why_no_preview(void)
{
    const char *colours = system_terminal_colours();
    if (!system_is_terminal()) return "no preview: stderr is no terminal";
    if (!can_draw_over()) return "no preview: the kind of this terminal, TERM, is dumb";
    if (wants_no_colour()) return "no preview: it is all colour, and NO_COLOR or CLICOLOR=0 asks for none";
    if (colours && (same(colours, "truecolor") || same(colours, "24bit"))) return NULL;
    return "no preview: this terminal does not say that it shows 24-bit colour; if it does, set COLORTERM=truecolor";
}

void terminal_play(Terminal *t, Pictures p, double fps, const volatile sig_atomic_t *stop)
{
    int shown = p.frames > 1 ? 2 * p.frames : 1;
    erase(t);
    for (int i = 0; i < shown && !*stop; i++) {
        show(t, frame_of(p, i));
        fflush(stderr);
        if (p.frames > 1) system_sleep(1 / fps);
    }
    if (t->is_open) fprintf(stderr, "\r\033[%dB", t->picture_lines);      /* the last frame stays */
    t->is_open = 0;
    t->picture_lines = 0;
}

/* ---- the progress bar -------------------------------------------------------------------------- */

/* Seconds that one step takes; 0: not known yet. */
static double seconds_each(const Terminal *t, int done)
{
    return done > t->from ? (t->stepped - t->begun) / (done - t->from) : 0;
}

static ProgressBar bar_now(const Terminal *t, int done)
{
    double each = seconds_each(t, done);
    double left = each * (t->of - done) - (system_seconds() - t->stepped);
    ProgressBar b = { .stage = t->stage, .done = done, .of = t->of, .note = t->note, .seconds = each };
    if (each > 0 && done < t->of) b.left = left > 0.1 ? left : 0.1;
    return b;
}

/* Draws the bar over the one before, below the picture, and leaves the cursor where the picture or the bar begins. */
static void draw_bar(Terminal *t)
{
    char text[BAR_TEXT];
    ProgressBar b = bar_now(t, t->done);
    if (is_resized(t)) erase(t);
    progress_bar(text, &b, size_now().columns - 1);
    int columns = text_columns(text, strlen(text));
    int rest = t->bar_columns > columns ? t->bar_columns - columns : 0;
    if (wants_no_colour()) fprintf(stderr, "\r%s%*s\r", text, rest, "");
    else if (!t->picture_lines) fprintf(stderr, "\r%s\033[J\r", text);
    else fprintf(stderr, "\r\033[%dB%s\033[J\r\033[%dA", t->picture_lines, text, t->picture_lines);
    fflush(stderr);
    t->is_open = 1;
    t->bar_columns = columns;
    t->drawn = system_seconds();
    remember_size(t);
}

/* Writes how far it is as a line that stays. */
static void write_line(Terminal *t, int done)
{
    char text[BAR_TEXT];
    ProgressBar b = bar_now(t, done);
    erase(t);
    if (can_draw_over()) progress_bar(text, &b, size_now().columns - 1);
    else progress_line(text, &b);
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
    t->drawn = system_seconds();
}

static void begin_stage(Terminal *t, int done)
{
    t->begun = system_seconds();
    t->drawn = t->begun;
    t->from = done;
    t->note[0] = 0;
}

static void finish_stage(Terminal *t)
{
    t->stepped = system_seconds();
    write_line(t, t->of);
    t->stage = NULL;
}

/* Is it time to draw the bar again?  A terminal also shows where a stage begins and ends. */
static int is_due(const Terminal *t, int is_new)
{
    const double every = 10;                     /* seconds from line to line, where no terminal shows a bar */
    const double redraw = 0.1;
    if (!can_draw_over()) return system_seconds() >= t->drawn + every;
    return is_new || t->done == t->of || system_seconds() > t->drawn + redraw;
}

/* A job calls this before each step with the number of those done.  So a new stage means that the last one is finished,
 * and the stage "done" that all are. */
void terminal_progress(void *terminal, const char *stage, int done, int of)
{
    Terminal *t = terminal;
    if (t->quiet) return;
    int is_new = !t->stage || strcmp(t->stage, stage);
    if (is_new && t->stage) finish_stage(t);
    if (is_new) begin_stage(t, done);
    t->stepped = system_seconds();
    t->stage = strcmp(stage, "done") ? stage : NULL;
    t->done = done;
    t->of = of;
    if (!t->stage || !is_due(t, is_new)) return;
    if (can_draw_over()) draw_bar(t);
    else write_line(t, done);
}

/* A step may take minutes: the bar counts down meanwhile, and follows the window. */
int terminal_tick(void *terminal)
{
    const double redraw = 0.1;
    const double count = 1;
    Terminal *t = terminal;
    double since = system_seconds() - t->drawn;
    if (!t->is_open || !t->stage || since < redraw) return 0;
    if (since >= count || is_resized(t)) draw_bar(t);
    return 0;
}

void terminal_note(void *terminal, const char *words)
{
    Terminal *t = terminal;
    snprintf(t->note, sizeof t->note, "%s", words);
}

void terminal_preview(void *terminal, Pictures p)
{
    Terminal *t = terminal;
    show(t, frame_of(p, t->previews));
    t->previews++;
    if (t->stage) draw_bar(t);
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* Writes n bytes, with "?" for each that a terminal would obey. */
static void write_printable(const char *text, size_t n)
{
    const char *end = text + n;
    while (text < end) {
        size_t size = printable_size(text);
        if (size) fwrite(text, 1, size, stderr);
        else fputc('?', stderr);
        text += size ? size : 1;
    }
}

/* The size of the word that text begins with, up to a blank or the end of the line.  Words between quotes are one, if
 * they are no wider than most columns: they may be a name, which people copy. */
static size_t word_size(const char *text, size_t n, int most)
{
    size_t bare = 0;
    size_t quoted_size = 0;
    int is_inside = 0;
    while (bare < n && text[bare] != ' ') bare++;
    for (size_t i = 0; i < n && !quoted_size; i++) {
        if (text[i] == '"') is_inside = !is_inside;
        if (!is_inside && (i + 1 == n || text[i + 1] == ' ')) quoted_size = i + 1;
    }
    return quoted_size > bare && text_columns(text, quoted_size) <= most ? quoted_size : bare;
}

/* Writes a line of n bytes, broken between words.  What begins far to the right is a command to be copied, and is left
 * to the terminal to break, as is a word that is too long. */
static void write_broken(const char *text, size_t n, int columns)
{
    enum { OF_A_COMMAND = 4, HANGING = 2 };
    size_t indent = strspn(text, " ");
    size_t hanging = indent + HANGING;
    int most = columns - (int)hanging;
    int at = (int)indent;
    int is_command = indent >= OF_A_COMMAND;
    if (is_command || most < 1 || text_columns(text, n) <= columns) {
        write_printable(text, n);
        return;
    }
    write_printable(text, indent);
    for (size_t i = indent; i < n; ) {
        size_t size = word_size(text + i, n - i, most);
        int width = text_columns(text + i, size);
        size_t blanks = 0;
        while (i + size + blanks < n && text[i + size + blanks] == ' ') blanks++;
        if (at > (int)hanging && at + width > columns) {
            fprintf(stderr, "\n%*s", (int)hanging, "");
            at = (int)hanging;
        }
        write_printable(text + i, size);
        at += width;
        i += size + blanks;
        if (i < n && at + (int)blanks < columns) fprintf(stderr, "%*s", (int)blanks, "");
        at += (int)blanks;
    }
}

void terminal_print(const char *message)
{
    int columns = can_draw_over() ? size_now().columns - 1 : 0;
    for (;;) {
        size_t n = strcspn(message, "\n");
        if (columns > 0) write_broken(message, n, columns);
        else write_printable(message, n);
        fputc('\n', stderr);
        if (!message[n]) return;
        message += n + 1;
    }
}

/* Was it told before?  From now on it was. */
static int is_told(ToldWarnings *told, const char *line)
{
    uint64_t this = digest(0, line, strlen(line));
    for (size_t i = 0; i < told->lines; i++)
        if (told->line[i] == this) return 1;
    if (told->lines < MOST_TOLD) told->line[told->lines++] = this;
    return 0;
}

void terminal_say(void *terminal, const char *line)
{
    Terminal *t = terminal;
    int is_warning = begins(line, "warning: ");
    t->warnings += is_warning;
    if (t->quiet || (is_warning && t->told && is_told(t->told, line))) return;
    erase(t);
    terminal_print(line);
    if (t->stage && can_draw_over()) draw_bar(t);
}

void terminal_end(Terminal *t)
{
    erase(t);
    t->stage = NULL;
}
