/* lines.h - a list of texts that grows: words, messages, faults. */
#ifndef LINES_H
#define LINES_H

#include "tensor.h"

/* An empty list is { 0 }.  The texts are not copied. */
typedef struct { const char **line; size_t count, room; } Lines;

void lines_add     (Arena *a, Lines *l, const char *line);
void lines_add_once(Arena *a, Lines *l, const char *line);         /* unless it is in the list already */
int  lines_hold    (const Lines *l, const char *line);             /* compared as same() does */
void lines_remove  (Lines *l, const char *line);

/* All of them with that between each two. */
char *lines_joined(Arena *a, const Lines *l, const char *between);

#endif
