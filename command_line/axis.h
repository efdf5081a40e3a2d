/* axis.h - an axis of the web UI's X/Y/Z plot: a setting and the values that it goes through, "CFG scale: 3, 7, 11". */
#ifndef AXIS_H
#define AXIS_H

#include "prompt.h"

enum { AXIS_VALUES = 1000 };             /* most values of an axis */

/* Everything is in the arena. */
typedef struct {
    const char  *label;                  /* who says so, for messages: "--x" */
    const char  *key;                    /* the setting; NULL for Prompt S/R, which replaces value[0] in the prompts */
    const char  *lora;                   /* where key is LoRA: the one whose strength it is; else NULL */
    int          count;
    const char **value;                  /* [count], as the setting takes them */
    const char **said;                   /* [count], as the grid shows them */
} Axis;

/* Reads "SETTING: VALUE, VALUE, ...".  SETTING is a key of prompt files, a name of the command line, "Prompt S/R", or
 * "LoRA NAME".  A value with a comma stands in quotes.  A value may be a range where the setting takes numbers:
 *     1-5        1, 2, 3, 4, 5
 *     1-5 (+2)   1, 3, 5                by steps of 2
 *     10-5 (-3)  10, 7
 *     1-10 [5]   1, 3, 5, 7, 10         five values, evenly spaced
 * Fails with the axis, the value and what is allowed.  Whether files exist is not checked here. */
Axis axis_read(Arena *a, Name text);

/* Sets value i in the request.  Fails where Prompt S/R finds nothing to replace. */
void axis_set(Arena *a, const Axis *x, int i, Request *r);

#endif
