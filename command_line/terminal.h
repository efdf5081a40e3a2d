/* terminal.h - what the user sees while a job runs, on stderr: messages, a progress bar, and the picture so far. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "callbacks.h"
#include "image.h"
#include "progress_bar.h"

/* Warnings that were said already, by digest: a run of several commands says each once. */
enum { MOST_TOLD = 64 };
typedef struct { uint64_t line[MOST_TOLD]; size_t lines; } ToldWarnings;

/* All zero but a and quiet is a valid start. */
typedef struct {
    Arena      *a;
    ToldWarnings *told;                  /* NULL: every warning is said, as often as it comes */
    int         quiet;                   /* errors only */
    int         is_open;                 /* a picture or a bar is shown, and the cursor stands where it begins */
    int         picture_lines;           /* lines of the picture, with the bar below them; 0: there is none */
    int         bar_columns;             /* of the bar that is shown */
    int         columns, lines;          /* of the terminal when something was drawn */
    int         warnings;                /* how many messages were one */
    int         previews;                /* how many were shown */
    const char *stage;                   /* what is under way; NULL: nothing */
    int         from, done, of;          /* steps of the stage: done when it began (a resumed job), done now, in all */
    char        note[NOTE_TEXT];         /* what the bar says beside the steps */
    double      begun, stepped, drawn;   /* when the stage began, a step ended, and the bar was drawn, in seconds */
} Terminal;

/* Callbacks, whose `to` is the Terminal; see callbacks.h. */
void terminal_say     (void *terminal, const char *line);
void terminal_progress(void *terminal, const char *stage, int done, int of);
void terminal_note    (void *terminal, const char *words);
void terminal_preview (void *terminal, Pictures p);      /* of a clip, another frame each time */
int  terminal_tick    (void *terminal);  /* draws the bar again when it is time to, or the window changed; returns 0 */

/* Prints a message, with "?" for every byte that a terminal would obey.  On a terminal it is broken between words;
 * lines of it that begin with four blanks are commands to be copied, and stay whole. */
void terminal_print(const char *message);

void terminal_end(Terminal *t);          /* erases the picture and the progress bar */

/* Returns NULL when pictures can be shown here, else the reason why not. */
const char *terminal_why_no_preview(void);

/* Plays the clip twice, below the messages.  Ends early when *stop is set. */
void terminal_play(Terminal *t, Pictures p, double fps, const volatile sig_atomic_t *stop);

/* The picture as text: two pixels a character, the upper half block U+2580 in the colour of the upper pixel on that
 * of the lower one.  Each row of text begins with a carriage return and ends with a newline.  Below an odd last row
 * of pixels is the terminal's own background. */
char *half_block_text(Arena *a, Picture p);

#endif
