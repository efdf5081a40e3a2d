/* wildcards.c - wildcard files.
 *
 * A wildcard file is a text with a choice on each line.  "hair.txt" in a folder called wildcards is what __hair__ in a
 * prompt draws from.  The folders are listed once, sorted by name, so that the same prompt draws the same line on every
 * machine that has the same files.
 *
 * A name may hold a star, which stands for any characters within a name, or two, which stand for folders too.  Then the
 * lines of all these files are one list, in the order of their names.  Upper and lower case are alike, as on a system
 * that does not tell them apart.
 *
 * Files come from collections that people download: a size is the most that is read, and broken UTF-8 passes
 * through.  A link to a folder around itself is not followed. */
#include "wildcards.h"

#include "chars.h"
#include "files.h"

#include <string.h>

enum { MOST_DEPTH = 8, MOST_FILES = 20000, MOST_BYTES = 16 << 20, MOST_LINES = 1 << 20 };

/* name: "people/hair", without ".txt"; root: which of the folders */
typedef struct { const char *name, *path; size_t root; } WildcardFile;

struct Wildcards {
    const char *const *folder;
    size_t             folders;
    WildcardFile      *file;
    size_t             files, room;
};

/* ---- the list of files ------------------------------------------------------------------------- */

/* Does the path lead to a folder that it goes through?  path: that of a folder within `root` */
static int leads_back(Arena *a, const char *root, const char *path)
{
    size_t n = strlen(root);
    if (same_file(root, path)) return 1;
    for (const char *slash = strchr(path + n + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (same_file(copy(a, path, (size_t)(slash - path)), path)) return 1;
    return 0;
}

static void add_folder(Arena *a, Wildcards *w, size_t root, const char *path, const char *prefix, int depth)
{
    size_t count;
    const char **names = folder_list(a, path, &count);
    for (size_t i = 0; i < count && w->files < MOST_FILES; i++) {
        const char *full = format(a, "%s/%s", path, names[i]);
        const char *ending = file_extension(names[i]);
        if (folder_is(full)) {
            int is_new = depth < MOST_DEPTH && !leads_back(a, w->folder[root], full);
            if (is_new) add_folder(a, w, root, full, format(a, "%s%s/", prefix, names[i]), depth + 1);
        } else if (same(ending, ".txt")) {
            const char *stem = copy(a, names[i], strlen(names[i]) - strlen(ending));
            w->file = grow_array(a, w->file, w->files, &w->room, sizeof *w->file);
            w->file[w->files++] = (WildcardFile){ format(a, "%s%s", prefix, stem), full, root };
        }
    }
}

Wildcards *wildcards_new(Arena *a, const char *const *folder, size_t folders)
{
    Wildcards *w = allocate(a, 1, sizeof *w);
    *w = (Wildcards){ .folder = folder, .folders = folders };
    for (size_t i = 0; i < folders; i++) add_folder(a, w, i, folder[i], "", 0);
    return w;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* Does the name match the pattern?  On a mismatch the last star takes one character more. */
static int matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;
    int is_deep = 0;
    while (*name) {
        if (*pattern == '*') {
            is_deep = pattern[1] == '*';
            pattern += 1 + is_deep;
            star = pattern;
            from = name;
        } else if (lower(*pattern) == lower(*name)) {
            pattern++;
            name++;
        } else if (star && (is_deep || *from != '/')) {
            from++;
            name = from;
            pattern = star;
        } else {
            return 0;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static int is_meant(const WildcardFile *f, const char *pattern, size_t root, int by_last_part)
{
    if (f->root != root) return 0;
    return matches(pattern, by_last_part ? file_name(f->name) : f->name);
}

/* ---- lines ------------------------------------------------------------------------------------- */

static WildcardLine weighted_line(Arena *a, const char *text, size_t n)
{
    double weight;
    char *line = trimmed(a, text, n);
    size_t number = number_at(line, &weight);
    if (!number || line[number] != ':' || line[number + 1] != ':' || !(weight >= 0) || weight > 1e9)
        return (WildcardLine){ line, 1 };
    return (WildcardLine){ line + number + 2, weight };
}

static void read_lines(Arena *a, WildcardLines *lines, size_t *room, const char *path)
{
    Bytes text = file_map(a, path);
    if (text.size > MOST_BYTES) fail(a, "%s: has more than %d MB, expected a list of words", path, MOST_BYTES >> 20);
    const char *s = (const char *)text.data, *end = s + text.size;
    if (text.size >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)) s += 3;
    while (s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const char *stop = newline ? newline : end;
        while (s < stop && blank(*s)) s++;
        if (s < stop && memchr(s, 0, (size_t)(stop - s))) fail(a, "%s: is no text, expected a list of words", path);
        if (s < stop && *s != '#' && lines->count < MOST_LINES) {
            lines->line = grow_array(a, lines->line, lines->count, room, sizeof *lines->line);
            lines->line[lines->count++] = weighted_line(a, s, (size_t)(stop - s));
        }
        s = newline ? newline + 1 : end;
    }
}

WildcardLines wildcards_lines(Arena *a, const Wildcards *w, const char *name)
{
    WildcardLines lines = { NULL, 0 };
    size_t room = 0;
    for (int by_last_part = 0; w && by_last_part < 2; by_last_part++)
        for (size_t root = 0; root < w->folders && !lines.count; root++)
            for (size_t i = 0; i < w->files; i++)
                if (is_meant(&w->file[i], name, root, by_last_part)) read_lines(a, &lines, &room, w->file[i].path);
    return lines;
}

char *wildcards_why_none(Arena *a, const Wildcards *w, const char *name, const char *written)
{
    Nearest near = nearest_to(name);
    char *list = format(a, "there is no wildcard file for %s, looked in", quoted(a, written));
    for (size_t i = 0; w && i < w->files; i++) {
        const WildcardFile *f = &w->file[i];
        if (is_meant(f, name, f->root, 0)) return format(a, "%s has no lines for %s", f->path, quoted(a, written));
        nearest_consider(&near, f->name);
    }
    for (size_t i = 0; w && i < w->folders; i++) {
        const char *between = i + 1 == w->folders ? " and" : ",";
        list = format(a, "%s%s %s/", list, i ? between : "", w->folder[i]);
    }
    return near.name ? format(a, "%s (did you mean __%s__?)", list, near.name) : list;
}
