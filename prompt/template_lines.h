/* template_lines.h - what a prompt was drawn from, as lines of infotext. */
#ifndef TEMPLATE_LINES_H
#define TEMPLATE_LINES_H

#include "settings.h"

/* Is this a line "Template: ..." or "Negative Template: ..."?  Returns the size of the words before the template,
 * or 0. */
size_t template_line(const char *line);

/* Reads such lines, which stand behind the settings, into r, whose prompts are drawn already then.  A template may
 * go on over several lines. text: from the first such line on; NULL for none. */
void template_lines_read(Arena *a, Request *r, const char *text);

/* The lines of r, each with a newline before it; "" when nothing was drawn. */
char *template_lines(Arena *a, const Request *r);

#endif
