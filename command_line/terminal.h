/* terminal.h - what the user sees while work goes on: lines, a progress bar, and the picture as it forms; on stderr. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "callbacks.h"
#include "image.h"

typedef struct {
    Arena      *a;
    int         quiet;
    int         bar;                            /* the cursor stands behind a progress bar */
    int         above, looks;                   /* lines of the picture above it, 0: none; how often one was shown */
    const char *stage;  int from, done, of;     /* what is under way; from: a job that is resumed is half done when it begins */
    char        beside[64];                     /* what the bar says of it */
    double      begun, told;
} Terminal;

/* For a Watch, whose `to` is the Terminal. */
void terminal_say     (void *terminal, const char *line);
void terminal_progress(void *terminal, const char *stage, int done, int of);
void terminal_note    (void *terminal, const char *words);
void terminal_preview (void *terminal, Pictures p);         /* of a clip another frame each time */

void terminal_print(const char *line);                      /* all that a terminal would obey as ? */
void terminal_end  (Terminal *t);                           /* the bar is done with */

/* NULL, or why no picture can be shown here */
const char *terminal_lacks(void);

/* The clip, twice, below what was said.  Ends early when *stop is set. */
void terminal_play(Terminal *t, Pictures p, double fps, const volatile sig_atomic_t *stop);

/* Two pixels a character: the upper half block U+2580 in the colour of the upper one on that of the lower one.  Each row begins at the
 * left and ends with a newline; below an odd last row of pixels is the terminal's own background. */
char *half_blocks(Arena *a, Picture p);

#endif
