/* terminal.c - what the user sees while work goes on.
 *
 *     lines       what was chosen, one by one, and they stay
 *     picture     what the latents come to so far, drawn over itself     on a terminal that shows 24-bit colour
 *     bar         the step, and the time left, drawn over itself         on a terminal; elsewhere a line every so often
 *
 * Picture and bar stand below all lines: before a line is said they are taken away, and appear again below it.  Nothing here keeps track of
 * the screen but how many lines of picture stand above the cursor, so what else is written there does no harm that
 * the next picture does not end. */
#include "terminal.h"

#include "chars.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

/* ---- pictures --------------------------------------------------------------------------------- */

enum { MOST_SIDE = 80, KEPT_FREE = 4, CELL = 48 };      /* pixels; rows for what is said beside the picture; bytes of a character in two colours, at most */

/* as large as the terminal shows, at most MOST_SIDE */
static Picture fitted(Arena *a, Picture p)
{
    int columns = 0, lines = 0;
    int known = system_terminal_size(&columns, &lines) && columns > 1 && lines > 0;
    int across = known ? columns - 1 : MOST_SIDE, down = known ? 2 * (lines - KEPT_FREE) : MOST_SIDE;
    if (across > MOST_SIDE) across = MOST_SIDE;
    if (down > MOST_SIDE) down = MOST_SIDE;
    if (down < 2) down = 2;
    double by = (double)across / p.width < (double)down / p.height ? (double)across / p.width : (double)down / p.height;
    int width = (int)(p.width * by), height = (int)(p.height * by);
    return image_resize(a, p, width > 0 ? width : 1, height > 0 ? height : 1, by < 1 ? BOX : LANCZOS);
}

static char *colour(char *to, const char *begin, const unsigned char *rgb) { return to + sprintf(to, "%s;2;%d;%d;%d", begin, rgb[0], rgb[1], rgb[2]); }

char *half_blocks(Arena *a, Picture p)
{
    size_t width = (size_t)p.width, rows = ((size_t)p.height + 1) / 2;
    char *text = take(a, rows * (width * CELL + 16) + 1, 1), *end = text;
    for (size_t y = 0; y < rows; y++) {
        const unsigned char *above = p.rgb + 6 * y * width, *below = 2 * y + 1 < (size_t)p.height ? above + 3 * width : NULL;
        *end++ = '\r';
        for (size_t x = 0; x < 3 * width; x += 3) {
            int new = !x || memcmp(above + x, above + x - 3, 3), under = below && (!x || memcmp(below + x, below + x - 3, 3));
            if (new || under) end += sprintf(end, "\033[");
            if (new) end = colour(end, "38", above + x);
            if (under) end = colour(end, new ? ";48" : "48", below + x);
            end += sprintf(end, "%s\xe2\x96\x80", new || under ? "m" : "");
        }
        end += sprintf(end, "\033[0m\033[K\n");
    }
    *end = 0;
    return text;
}

/* over the picture before */
static void show(Terminal *t, Picture p)
{
    size_t before = mark(t->a);
    Picture fits = fitted(t->a, p);
    const char *text = half_blocks(t->a, fits);
    fputs("\r\033[K", stderr);
    if (t->above) fprintf(stderr, "\033[%dA", t->above);
    fputs(text, stderr);
    t->above = (fits.height + 1) / 2, t->bar = 0;
    release(t->a, before);
}

/* picture and bar are taken away */
static void lift(Terminal *t)
{
    if (t->above) fprintf(stderr, "\r\033[%dA\033[J", t->above), t->bar = 0;
    t->above = 0;
}

static Picture frame_of(Pictures p, int i) { return (Picture){ p.width, p.height, p.rgb + (size_t)(i % p.frames) * (size_t)p.width * (size_t)p.height * 3 }; }

const char *terminal_lacks(void)
{
    const char *colours = system_terminal_colours();
    if (!system_is_terminal()) return "no preview: stderr is no terminal";
    if (!colours || !(same(colours, "truecolor") || same(colours, "24bit")))
        return "no preview: this terminal does not say that it shows 24-bit colour; if it does, set COLORTERM=truecolor";
    return NULL;
}

void terminal_play(Terminal *t, Pictures p, double fps, const volatile sig_atomic_t *stop)
{
    lift(t);
    for (int i = 0; i < (p.frames > 1 ? 2 * p.frames : 1) && !*stop; i++) {
        show(t, frame_of(p, i));
        fflush(stderr);
        if (p.frames > 1) system_sleep(1 / fps);
    }
    t->above = 0;
}

/* ---- lines and bar ---------------------------------------------------------------------------- */

void terminal_end(Terminal *t)
{
    if (t->bar) fputc('\n', stderr);
    t->bar = 0;
}

/* Names out of files may hold what a terminal would obey. */
void terminal_print(const char *line)
{
    for (size_t n; *line; line += n ? n : 1) {
        n = printable(line);
        if (n) fwrite(line, 1, n, stderr);
        else fputc(*line == '\n' ? '\n' : '?', stderr);
    }
    fputc('\n', stderr);
}

void terminal_say(void *terminal, const char *line)
{
    Terminal *t = terminal;
    if (t->quiet) return;
    lift(t);
    terminal_end(t);
    terminal_print(line);
}

static void time_left(char text[32], double s)
{
    if (s < 99.5)      snprintf(text, 32, ", %.0f s left", s);
    else if (s < 5970) snprintf(text, 32, ", %.0f min left", s / 60);
    else               snprintf(text, 32, ", %.1f h left", s / 3600);
}

/* "step 7/25 [=======>         ] loss 0.1034, rate 0.0001, 1.21 s/it, 22 s left"; on a terminal over the line before */
static void draw_bar(Terminal *t, int done)
{
    enum { WIDTH = 30 };
    static const char filled[] = "==============================", empty[] = "                              ";
    char left[32] = "";
    int terminal = system_is_terminal(), full = done * WIDTH / (t->of > 0 ? t->of : 1);
    double each = done > t->from ? (clock_now() - t->begun) / (done - t->from) : 0;
    if (each > 0 && done < t->of) time_left(left, each * (t->of - done));
    fprintf(stderr, "%s%s %d/%d", terminal ? "\r" : "", t->stage, done, t->of);
    if (terminal) fprintf(stderr, " [%.*s%s%.*s]", full, filled, done < t->of ? ">" : "=", WIDTH - full, empty);
    if (each > 0) fprintf(stderr, " %s%.2f s/it%s", t->beside, each, left);
    fputs(terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
    t->bar = terminal;
    t->told = clock_now();
}

/* Work reports before each step how many are done.  A new stage means that the last one is. */
void terminal_progress(void *terminal, const char *stage, int done, int of)
{
    enum { EVERY = 10 };                        /* seconds from line to line, when no terminal shows a bar */
    Terminal *t = terminal;
    if (t->quiet) return;
    int fresh = !t->stage || strcmp(t->stage, stage), bar = system_is_terminal();
    if (fresh && t->stage) { lift(t); draw_bar(t, t->of); terminal_end(t); }
    if (fresh) t->begun = t->told = clock_now(), t->from = done, t->beside[0] = 0;
    t->stage = strcmp(stage, "done") ? stage : NULL, t->done = done, t->of = of;
    if (t->stage && (bar ? clock_now() > t->told + 0.1 || fresh || done == of : clock_now() >= t->told + EVERY)) draw_bar(t, done);
}

void terminal_note(void *terminal, const char *words) { snprintf(((Terminal *)terminal)->beside, sizeof ((Terminal *)terminal)->beside, "%.60s, ", words); }

void terminal_preview(void *terminal, Pictures p)
{
    Terminal *t = terminal;
    show(t, frame_of(p, t->looks++));
    if (t->stage) draw_bar(t, t->done);
}
