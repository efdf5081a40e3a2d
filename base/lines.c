/* lines.c - a list of texts that grows.
 *
 * Everything about a command line is told together: what was understood in another way, what has no meaning, and all
 * that is wrong.  So each of them is added to a list where it is found, and the list is told once. */
#include "lines.h"

#include "chars.h"

void lines_add(Arena *a, Lines *l, const char *line)
{
    l->line = grow_array(a, l->line, l->count, &l->room, sizeof *l->line);
    l->line[l->count++] = line;
}

int lines_hold(const Lines *l, const char *line)
{
    size_t i = 0;
    while (i < l->count && !same(l->line[i], line)) i++;
    return i < l->count;
}

void lines_add_once(Arena *a, Lines *l, const char *line)
{
    if (!lines_hold(l, line)) lines_add(a, l, line);
}

void lines_remove(Lines *l, const char *line)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        if (!same(l->line[i], line)) l->line[kept++] = l->line[i];
    l->count = kept;
}

char *lines_joined(Arena *a, const Lines *l, const char *between)
{
    StringBuilder all = string_builder(a);
    for (size_t i = 0; i < l->count; i++) {
        if (i) string_builder_add(&all, between);
        string_builder_add(&all, l->line[i]);
    }
    return all.text;
}
