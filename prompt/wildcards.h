/* wildcards.h - wildcard files: lists of words, one a line, that a dynamic prompt draws from. */
#ifndef WILDCARDS_H
#define WILDCARDS_H

#include "tensor.h"

/* A line of a wildcard file.  weight: how often it is drawn, relative to the others */
typedef struct { const char *text; double weight; } WildcardLine;
typedef struct { WildcardLine *line; size_t count; } WildcardLines;

typedef struct Wildcards Wildcards;

/* The .txt files in these folders and below, 8 levels deep. folder[folders]: some may not exist.  Nothing is read
 * yet. */
Wildcards *wildcards_new(Arena *a, const char *const *folder, size_t folders);

/* All lines of the files that a name means: "season", "people/hair", "colours*" or "artists/" and two stars.  A name is
 * looked for in one folder after the other, and without its folders when it is not found.  Lines that begin with # and
 * empty ones are left out; "2::red" is red with weight 2.  w may be NULL.
 * count is 0 when there is no such file. */
WildcardLines wildcards_lines(Arena *a, const Wildcards *w, const char *name);

/* Why there are no lines for a name: there is no such file, "looked in wildcards/ and weights/wildcards/ (did you mean
 * __season__?)", or it is empty.  written: as it stands in the prompt */
char *wildcards_why_none(Arena *a, const Wildcards *w, const char *name, const char *written);

#endif
