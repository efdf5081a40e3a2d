/* search_path.c - the search path: the folders that names of weights are looked for in.
 *
 * People name weights as the download sites do, "toonyou_beta3", and keep them in folders of folders.  So a list of
 * folders is made once, each with all the folders in it, sorted by name, so that a name means the same file every
 * time.  A folder is in the list once, by device and number, whatever it is called, and remembers how many levels of
 * what is below it were entered.  So links may lead in a circle, and a folder that is first searched alone (that of
 * the prompt file) and then with all below it (weights/) is both.
 *
 * weight_names.c looks for a name in these folders. */
#include "search_path.h"

#include "chars.h"
#include "files.h"
#include "near_path.h"
#include "system.h"

#include <string.h>

enum { MOST_DEPTH = 8, MOST_FOLDERS = 10000, MOST_TOLD = 64 };
enum { MOST_LISTED = 500 };              /* bytes of the list of folders in a message, about */

static const char EMBEDDINGS[] = "embeddings";   /* folders of that name are searched for what a prompt may name */

/* What was told already, by digest: the cells of a grid ask for the same names. */
struct Told { uint64_t line[MOST_TOLD]; size_t lines; };

/* ---- the list of folders ----------------------------------------------------------------------- */

const char *search_path_join(Arena *a, const char *folder, const char *name)
{
    if (!strcmp(folder, ".") || system_path_is_absolute(name)) return format(a, "%s", name);
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    return format(a, "%s%s%s", folder, slash, name);
}

/* Is the folder, or one above it, called embeddings? */
static int holds_embeddings(const char *path)
{
    size_t n = sizeof EMBEDDINGS - 1;
    for (const char *part = path; part; ) {
        if (begins(part, EMBEDDINGS) && (!part[n] || part[n] == '/')) return 1;
        const char *slash = strchr(part, '/');
        part = slash ? slash + 1 : NULL;
    }
    return 0;
}

/* The folder's place in the list, at the end when it is new.  NULL when it is no folder. */
static SearchedFolder *add(Arena *a, SearchPath *p, const char *path)
{
    FileInfo info;
    if (system_file_info(path, &info) || !info.is_folder) return NULL;
    for (size_t i = 0; i < p->count; i++) {
        SearchedFolder *f = &p->folder[i];
        if (f->device == info.device && f->number == info.number) return f;
    }
    if (p->count == MOST_FOLDERS)
        fail(a, "%s: more than %d folders to look for weights in; use --weights with a smaller one", path,
             MOST_FOLDERS);
    p->folder = grow_array(a, p->folder, p->count, &p->room, sizeof *p->folder);
    p->folder[p->count] = (SearchedFolder){ .path = path, .device = info.device, .number = info.number };
    return &p->folder[p->count++];
}

/* Adds the folder and all folders in it, `depth` levels deep. */
static void add_tree(Arena *a, SearchPath *p, const char *path, int is_root, int depth)
{
    SearchedFolder *f = add(a, p, path);
    if (!f) return;
    f->is_root |= is_root;
    f->has_embeddings |= holds_embeddings(path);
    if (f->depth >= depth) return;
    f->depth = depth;
    size_t count;
    const char **names = folder_list(a, path, &count);
    for (size_t i = 0; i < count; i++) add_tree(a, p, search_path_join(a, path, names[i]), 0, depth - 1);
}

/* The folder that the program lies in; NULL when the system does not know. */
static const char *program_folder(Arena *a, const char *program)
{
    char path[4096];
    if (!system_program_path(program, path, sizeof path)) return NULL;
    return folder_of(a, path);
}

SearchPath *search_path_new(Arena *a, const char *beside, const char *const *extra, size_t extras, const char *program,
                            LineCallback *say, void *to)
{
    SearchPath *p = allocate(a, 1, sizeof *p);
    *p = (SearchPath){ .say = say, .to = to, .told = allocate(a, 1, sizeof *p->told) };
    p->told->lines = 0;
    if (beside) add_tree(a, p, folder_of(a, beside), 0, 0);
    add_tree(a, p, ".", 0, 0);
    if (beside) add_tree(a, p, search_path_join(a, folder_of(a, beside), EMBEDDINGS), 0, MOST_DEPTH);
    add_tree(a, p, EMBEDDINGS, 0, MOST_DEPTH);
    for (size_t i = 0; i < extras; i++) {
        if (!folder_is(extra[i])) 
            fail(a, "--weights is %s, and there is no such folder%s", quoted(a, extra[i]),
                 near_path_hint(a, extra[i], FOLDER_PATH));
        add_tree(a, p, extra[i], 1, MOST_DEPTH);
    }
    add_tree(a, p, "weights", 1, MOST_DEPTH);
    const char *folder = program_folder(a, program);
    if (folder) add_tree(a, p, search_path_join(a, folder, "weights"), 1, MOST_DEPTH);
    return p;
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* Is this folder in one that is searched with all below it? */
static int is_below_another(const SearchPath *p, size_t i)
{
    const char *path = p->folder[i].path;
    for (size_t k = 0; k < p->count; k++) {
        const SearchedFolder *f = &p->folder[k];
        size_t n = strlen(f->path);
        if (k == i || !f->depth) continue;
        if (!strcmp(f->path, ".") && !system_path_is_absolute(path) && !begins(path, "..")) return 1;
        if (!strncmp(path, f->path, n) && path[n] == '/') return 1;
    }
    return 0;
}

/* The folders by name, without those in others; cut off, as a message has an end. */
const char *search_path_list(Arena *a, const SearchPath *p)
{
    const char *list = "";
    for (size_t i = 0; i < p->count && strlen(list) <= MOST_LISTED; i++) {
        const SearchedFolder *f = &p->folder[i];
        if (is_below_another(p, i)) continue;
        const char *name = strcmp(f->path, ".") ? format(a, "%s/", f->path) : "the current folder";
        const char *comma = *list ? ", " : "";
        list = format(a, "%s%s%s%s", list, comma, name, f->depth ? " and below" : "");
    }
    return *list ? list : "no folder";
}

void search_path_say(const SearchPath *p, const char *line)
{
    uint64_t this = digest(0, line, strlen(line));
    struct Told *told = p->told;
    for (size_t i = 0; i < told->lines; i++)
        if (told->line[i] == this) return;
    if (told->lines < MOST_TOLD) told->line[told->lines++] = this;
    if (p->say) p->say(p->to, line);
}
