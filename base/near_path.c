/* near_path.c - "did you mean" for files and folders.
 *
 * The names in the folder of a path that is not there are compared with its own.  In this order the nearest is
 *
 *     the same name but for capitals;  the same but for its ending;  one that begins with it;
 *     one that a few letters make of it, with its ending or without.
 *
 * So few that they are at most a third of the name and one more: "a.txt" is not meant by "b.txt".  When the folder is
 * not there either, the nearest folder is taken first, so "Promts/woman.txt" finds "prompts/woman.txt".
 *
 * This runs while another failure is told, so it never fails itself: a folder that cannot be read has no names.  Names
 * that a terminal would obey are never proposed. */
#include "near_path.h"

#include "chars.h"
#include "files.h"

#include <string.h>

enum { MOST_NAMES = 20000 };             /* of one folder that are compared */

typedef struct {
    Arena      *a;
    const char *folder, *name;           /* what was asked for */
    PathKind    kind;
    size_t      distance;                /* only what is nearer counts */
    const char *nearest;                 /* a path; NULL: none yet */
} Search;

/* ---- names ------------------------------------------------------------------------------------- */

enum { OTHER_CAPITALS, OTHER_ENDING, LONGER, LETTERS };          /* distances; LETTERS: of letters that differ */

/* Letters that may differ are fewer than this (as nearest_to() has it for words). */
static size_t limit_of(const char *stem)
{
    enum { SHORTEST_BEGINNING = 3 };
    size_t n = strlen(stem);
    if (n < 2) return LONGER;
    return LETTERS + (n + 2) / 3 + (n >= SHORTEST_BEGINNING);
}

static size_t distance_of(Search *s, const char *name)
{
    const char *stem = without_extension(s->a, name);
    const char *wanted = without_extension(s->a, s->name);
    if (same(name, s->name)) return OTHER_CAPITALS;
    if (same(stem, wanted)) return OTHER_ENDING;
    if (strlen(s->name) > 2 && begins(name, s->name)) return LONGER;
    size_t whole = edit_distance(name, s->name);
    size_t without = edit_distance(stem, wanted) + !same(file_extension(name), file_extension(s->name));
    return LETTERS + (whole < without ? whole : without);
}

static int is_printable(const char *name)
{
    while (*name) {
        size_t n = printable_size(name);
        if (!n) return 0;
        name += n;
    }
    return 1;
}

static int is_of_kind(const char *path, PathKind kind)
{
    return kind == FILE_PATH ? file_is(path) : folder_is(path);
}

/* ---- folders ----------------------------------------------------------------------------------- */

static const char *joined(Arena *a, const char *folder, const char *name)
{
    if (!strcmp(folder, ".")) return format(a, "%s", name);
    return format(a, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
}

static void consider_names(void *search)
{
    Search *s = search;
    size_t count;
    const char **names = folder_list(s->a, s->folder, &count);
    for (size_t i = 0; i < count && i < MOST_NAMES; i++) {
        size_t before = mark(s->a);
        size_t distance = distance_of(s, names[i]);
        release(s->a, before);
        if (distance >= s->distance || !is_printable(names[i])) continue;
        const char *path = joined(s->a, s->folder, names[i]);
        if (!is_of_kind(path, s->kind)) continue;
        s->nearest = path;
        s->distance = distance;
    }
}

const char *near_path(Arena *a, const char *path, PathKind kind)
{
    enum { MOST_PATH = 4096 };
    char why[MESSAGE];
    if (!*path || strlen(path) > MOST_PATH) return NULL;
    path = without_slashes(a, path);
    Search s = { .a = a, .folder = folder_of(a, path), .name = file_name(path), .kind = kind };
    if (!*s.name) return NULL;
    if (!folder_is(s.folder)) {
        s.folder = near_path(a, s.folder, FOLDER_PATH);
        const char *same_name = s.folder ? joined(a, s.folder, s.name) : NULL;
        if (!same_name) return NULL;
        if (is_of_kind(same_name, kind)) return same_name;
    }
    s.distance = limit_of(without_extension(a, s.name));
    int failed = attempt(a, consider_names, &s, why);        /* then what it found is gone, too */
    return failed ? NULL : s.nearest;
}

const char *near_path_hint(Arena *a, const char *path, PathKind kind)
{
    const char *near = near_path(a, path, kind);
    return near ? format(a, "; did you mean %s?", near) : "";
}
