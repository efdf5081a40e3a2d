/* progress_bar.c - the words of a progress bar.
 *
 *     step 7/25 [=======>         ] loss 0.1034, rate 0.0001, 1.21 s/it, 22 s left
 *
 * A line that is longer than the terminal is wide becomes two, and the second one cannot be drawn over.  So the bar
 * is made to fit: there is a table of what it says, from everything down to the number of the step, and the first row
 * counts that fits with a short gauge.  The gauge then takes the room that is left.  A stage and a note may hold any
 * text; wide characters count as wide.
 *
 * A speed below one in a second is told as seconds for each, as "0.04 it/s" says less than "25 s/it".
 *
 * Nothing here fails: all texts are cut to the room that they have. */
#include "progress_bar.h"

#include "chars.h"

#include <stdio.h>
#include <string.h>

enum { SHORT_GAUGE = 6, LONG_GAUGE = 30, PART_TEXT = 64, ALL_PARTS = 1000 };

/* ---- the parts --------------------------------------------------------------------------------- */

static int decimals(double x)
{
    if (x < 9.995) return 2;
    return x < 99.95 ? 1 : 0;
}

static void speed_text(char text[PART_TEXT], double seconds)
{
    double times = 1 / seconds;
    if (seconds < 0.995) snprintf(text, PART_TEXT, "%.*f it/s", decimals(times), times);
    else                 snprintf(text, PART_TEXT, "%.*f s/it", decimals(seconds), seconds);
}

static void left_text(char text[PART_TEXT], double seconds)
{
    if (seconds < 99.5)      snprintf(text, PART_TEXT, "%.0f s left", seconds);
    else if (seconds < 5970) snprintf(text, PART_TEXT, "%.0f min left", seconds / 60);
    else                     snprintf(text, PART_TEXT, "%.1f h left", seconds / 3600);
}

/* The first parts of a note, so many, without the comma behind them. */
static int size_of_parts(const char *note, int parts)
{
    const char *end = note;
    for (int i = 0; i < parts && *end; i++) {
        const char *comma = strstr(i ? end + 1 : end, ", ");
        if (!comma) return (int)strlen(note);
        end = comma;
    }
    return (int)(end - note);
}

/* Adds a part behind a comma. */
static void add_part(char text[BAR_TEXT], const char *part, int size)
{
    size_t n = strlen(text);
    if (size) snprintf(text + n, BAR_TEXT - n, "%s%.*s", n ? ", " : "", size, part);
}

/* ---- the line ---------------------------------------------------------------------------------- */

/* What a bar says besides the number of the step. */
typedef struct {
    int has_gauge;
    int note_parts;                      /* of the note, at most */
    int has_speed;
    int has_left;
} Layout;

/* What is behind the gauge. */
static void details(char text[BAR_TEXT], const ProgressBar *b, const Layout *layout)
{
    char part[PART_TEXT];
    text[0] = 0;
    add_part(text, b->note, size_of_parts(b->note, layout->note_parts));
    if (b->seconds > 0) speed_text(part, b->seconds);
    if (b->seconds > 0 && layout->has_speed) add_part(text, part, PART_TEXT);
    if (b->left > 0) left_text(part, b->left);
    if (b->left > 0 && layout->has_left) add_part(text, part, PART_TEXT);
}

/* [=======>         ] */
static void add_gauge(char text[BAR_TEXT], int done, int of, int length)
{
    static const char filled[] = "==============================";
    static const char empty[]  = "                              ";
    double part = of > 0 ? (double)done / of : 1;
    int full = (int)(part * length);
    if (full < 0) full = 0;
    if (full > length) full = length;
    size_t n = strlen(text);
    snprintf(text + n, BAR_TEXT - n, " [%.*s%s%.*s]", full, filled, done < of ? ">" : "=", length - full, empty);
}

static void begin_line(char text[BAR_TEXT], const ProgressBar *b)
{
    snprintf(text, BAR_TEXT, "%.200s %d/%d", b->stage, b->done, b->of);
}

/* Returns whether this layout fits. */
static int lay_out(char text[BAR_TEXT], const ProgressBar *b, const Layout *layout, int columns)
{
    enum { FRAME = 4 };                  /* of the gauge: a space, two brackets and the tip */
    char behind[BAR_TEXT];
    begin_line(text, b);
    details(behind, b, layout);
    int free_columns = columns - text_columns(text, strlen(text));
    if (*behind) free_columns -= 1 + text_columns(behind, strlen(behind));
    int length = free_columns - FRAME < LONG_GAUGE ? free_columns - FRAME : LONG_GAUGE;
    if (free_columns < 0 || (layout->has_gauge && length < SHORT_GAUGE)) return 0;
    if (layout->has_gauge) add_gauge(text, b->done, b->of, length);
    size_t n = strlen(text);
    if (*behind) snprintf(text + n, BAR_TEXT - n, " %.500s", behind);
    return 1;
}

void progress_bar(char text[BAR_TEXT], const ProgressBar *b, int columns)
{
    static const Layout layouts[] = {    /* the first that fits counts */
        { .has_gauge = 1, .note_parts = ALL_PARTS, .has_speed = 1, .has_left = 1 },
        { .has_gauge = 1, .note_parts = 1,         .has_speed = 1, .has_left = 1 },
        { .has_gauge = 1, .has_speed = 1, .has_left = 1 },
        { .has_gauge = 1, .has_left = 1 },
        { .has_left = 1 },
        { .has_left = 0 },
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (lay_out(text, b, &layouts[i], columns)) return;
    begin_line(text, b);
    text[fitting_size(text, columns)] = 0;
}

void progress_line(char text[BAR_TEXT], const ProgressBar *b)
{
    static const Layout all = { .note_parts = ALL_PARTS, .has_speed = 1, .has_left = 1 };
    char behind[BAR_TEXT];
    begin_line(text, b);
    details(behind, b, &all);
    size_t n = strlen(text);
    if (*behind) snprintf(text + n, BAR_TEXT - n, " %.500s", behind);
}
