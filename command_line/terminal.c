/* terminal.c - what the user sees while a job runs.
 *
 *     messages    what was chosen, line by line; they stay
 *     picture     the picture so far, drawn over the one before      on a terminal that shows 24-bit colours
 *     bar         the step and the time left, drawn over itself      on a terminal; otherwise a line every ten seconds
 *
 * Picture and bar stand below all messages: before a message is printed they are erased, and they appear again below
 * it.  The only thing known about the screen is how many lines of picture stand above the cursor.  So when another
 * program writes there, the next picture puts the screen in order again.
 *
 * Names that come out of files may hold bytes that a terminal would obey; none of them is ever printed. */
#include "terminal.h"

#include "chars.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

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
    int columns = 0;
    int lines = 0;
    int across = MOST_SIDE;
    int down = MOST_SIDE;
    if (system_terminal_size(&columns, &lines) && columns > 1 && lines > 0) {
        across = at_most(columns - 1, MOST_SIDE);
        down = at_most(2 * (lines - KEPT_FREE), MOST_SIDE);
    }
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

/* Draws the picture over the one before. */
static void show(Terminal *t, Picture p)
{
    size_t before = mark(t->a);
    Picture small = fitted(t->a, p);
    const char *text = half_block_text(t->a, small);
    fputs("\r\033[K", stderr);
    if (t->picture_lines) fprintf(stderr, "\033[%dA", t->picture_lines);
    fputs(text, stderr);
    t->picture_lines = (small.height + 1) / 2;
    t->is_bar_open = 0;
    release(t->a, before);
}

/* Erases the picture, and the bar below it. */
static void erase_picture(Terminal *t)
{
    if (!t->picture_lines) return;
    fprintf(stderr, "\r\033[%dA\033[J", t->picture_lines);
    t->is_bar_open = 0;
    t->picture_lines = 0;
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
    if (colours && (same(colours, "truecolor") || same(colours, "24bit"))) return NULL;
    return "no preview: this terminal does not say that it shows 24-bit colour; if it does, set COLORTERM=truecolor";
}

void terminal_play(Terminal *t, Pictures p, double fps, const volatile sig_atomic_t *stop)
{
    int shown = p.frames > 1 ? 2 * p.frames : 1;
    erase_picture(t);
    for (int i = 0; i < shown && !*stop; i++) {
        show(t, frame_of(p, i));
        fflush(stderr);
        if (p.frames > 1) system_sleep(1 / fps);
    }
    t->picture_lines = 0;
}

/* ---- messages ---------------------------------------------------------------------------------- */

void terminal_end(Terminal *t)
{
    if (t->is_bar_open) fputc('\n', stderr);
    t->is_bar_open = 0;
}

void terminal_print(const char *line)
{
    while (*line) {
        size_t n = printable_size(line);
        if (n) {
            fwrite(line, 1, n, stderr);
            line += n;
            continue;
        }
        fputc(*line == '\n' ? '\n' : '?', stderr);
        line++;
    }
    fputc('\n', stderr);
}

void terminal_say(void *terminal, const char *line)
{
    Terminal *t = terminal;
    if (t->quiet) return;
    erase_picture(t);
    terminal_end(t);
    terminal_print(line);
}

/* ---- the progress bar -------------------------------------------------------------------------- */

static void format_time_left(char text[32], double seconds)
{
    if (seconds < 99.5)      snprintf(text, 32, ", %.0f s left", seconds);
    else if (seconds < 5970) snprintf(text, 32, ", %.0f min left", seconds / 60);
    else                     snprintf(text, 32, ", %.1f h left", seconds / 3600);
}

/* [=======>         ] */
static void draw_gauge(int done, int of)
{
    enum { WIDTH = 30 };
    static const char filled[] = "==============================";
    static const char empty[]  = "                              ";
    int full = done * WIDTH / (of > 0 ? of : 1);
    fprintf(stderr, " [%.*s%s%.*s]", full, filled, done < of ? ">" : "=", WIDTH - full, empty);
}

/* "step 7/25 [=======>         ] loss 0.1034, rate 0.0001, 1.21 s/it, 22 s left"; on a terminal over the line before */
static void draw_bar(Terminal *t, int done)
{
    char left[32] = "";
    int is_terminal = system_is_terminal();
    double seconds = 0;                          /* of a step; 0: not known yet */
    if (done > t->from) seconds = (system_seconds() - t->begun) / (done - t->from);
    if (seconds > 0 && done < t->of) format_time_left(left, seconds * (t->of - done));
    fprintf(stderr, "%s%s %d/%d", is_terminal ? "\r" : "", t->stage, done, t->of);
    if (is_terminal) draw_gauge(done, t->of);
    if (seconds > 0) fprintf(stderr, " %s%.2f s/it%s", t->note, seconds, left);
    fputs(is_terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
    t->is_bar_open = is_terminal;
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
    erase_picture(t);
    draw_bar(t, t->of);
    terminal_end(t);
}

/* Is it time to draw the bar again?  A terminal also shows where a stage begins and ends. */
static int is_due(const Terminal *t, int is_new)
{
    const double every = 10;                     /* seconds from line to line, where no terminal shows a bar */
    const double redraw = 0.1;
    if (!system_is_terminal()) return system_seconds() >= t->drawn + every;
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
    t->stage = strcmp(stage, "done") ? stage : NULL;
    t->done = done;
    t->of = of;
    if (t->stage && is_due(t, is_new)) draw_bar(t, done);
}

void terminal_note(void *terminal, const char *words)
{
    Terminal *t = terminal;
    snprintf(t->note, sizeof t->note, "%.60s, ", words);
}

void terminal_preview(void *terminal, Pictures p)
{
    Terminal *t = terminal;
    show(t, frame_of(p, t->previews));
    t->previews++;
    if (t->stage) draw_bar(t, t->done);
}
