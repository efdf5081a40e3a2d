/* axis.h - what one axis of a grid goes through: "CFG scale: 3, 7, 11", in the syntax of the web UI's X/Y/Z plot. */
#ifndef AXIS_H
#define AXIS_H

#include "prompt.h"

enum { AXIS_VALUES = 1000 };             /* most values of an axis */

typedef struct {
    const char  *label;                  /* who says so, for messages */
    const char  *key;                    /* the setting; NULL: the prompts, where the first value is replaced by each */
    const char  *lora;                   /* the LoRA whose strength it is, where key is LoRA; may be NULL */
    int          count;
    const char **value, **said;          /* [count]: as the setting takes it; as a grid shows it */
} Axis;

/* text: "SETTING: VALUE, VALUE, ..."; SETTING: a key or a command-line name, "Prompt S/R", or "LoRA NAME".  Numbers may be ranges:
 *     1-5   1, 2, 3, 4, 5          1-5 (+2)   1, 3, 5          10-5 (-3)   10, 7          1-10 [5]   1, 3, 5, 7, 10: five, evenly spaced
 * A value with a comma stands in quotes.  Fails with axis, value and what is allowed; that a file is there is asked later. */
Axis axis_read(Arena *a, Name text);

/* Value i into r.  Fails where there is nothing to replace. */
void axis_set(Arena *a, const Axis *x, int i, Request *r);

#endif
