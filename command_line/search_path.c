/* search_path.c - the search path: the folders that names of weights are looked for in.
 *
 * People name weights as the download sites do, "toonyou_beta3", and keep them in folders of folders.  So a list of
 * folders is made once, each with all the folders in it, sorted by name, so that a name means the same file every
 * time.  A folder is in the list once, by device and number, whatever it is called, and remembers how many levels of
 * what is below it were entered.  So links may lead in a circle, and a folder that is first searched alone (that of
 * the prompt file) and then with all below it (weights/) is both.
 *
 * A folder of the web UI's or ComfyUI's tree adds the folders of that tree that have weights (installation.c), also
 * when the prompt file or the current folder is somewhere in it, and those that its extra_model_paths.yaml names.
 * Those in the home folder are a list of their own, in which only a name is looked for that is nowhere else.
 *
 * weight_names.c looks for a name in these folders. */
#include "search_path.h"

#include "chars.h"
#include "extra_model_paths.h"
#include "files.h"
#include "installation.h"
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

/* The folder's place in the list, at the end when it is new.  NULL when it is no folder, or when the list is full. */
static SearchedFolder *add(Arena *a, SearchPath *p, const char *path)
{
    FileInfo info;
    if (system_file_info(path, &info) || !info.is_folder) return NULL;
    for (size_t i = 0; i < p->count; i++) {
        SearchedFolder *f = &p->folder[i];
        if (f->device == info.device && f->number == info.number) return f;
    }
    if (p->count == MOST_FOLDERS) {
        search_path_say(p, format(a, "%s: more than %d folders to look for weights in; this one and what follows are "
                                  "left out; name a smaller one with --weights", path, MOST_FOLDERS));
        return NULL;
    }
    p->folder = grow_array(a, p->folder, p->count, &p->room, sizeof *p->folder);
    p->folder[p->count] = (SearchedFolder){ .path = path, .device = info.device, .number = info.number };
    return &p->folder[p->count++];
}

typedef struct { Arena *a; const char *folder; const char **names; size_t count; } Listing;

static void list_folder(void *listing)
{
    Listing *l = listing;
    l->names = folder_list(l->a, l->folder, &l->count);
}

/* A folder that cannot be read, as "lost+found" on many disks, is told and left out. */
static Listing names_in(Arena *a, const SearchPath *p, const char *folder)
{
    char why[MESSAGE];
    Listing l = { .a = a, .folder = folder };
    if (!attempt(a, list_folder, &l, why)) return l;
    search_path_say(p, format(a, "%s", why));
    return (Listing){ 0 };
}

static int has_folders(Arena *a, const Listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (folder_is(search_path_join(a, l->folder, l->names[i]))) return 1;
    return 0;
}

typedef struct { Arena *a; const char *path; ExtraFolders read; } ExtraReading;

static void read_extra(void *reading)
{
    ExtraReading *e = reading;
    e->read = extra_model_paths(e->a, e->path);
}

static ExtraFolders extra_folders(Arena *a, const SearchPath *p, const char *root, const Installation *program)
{
    char why[MESSAGE];
    if (!program || !program->more) return (ExtraFolders){ 0 };
    ExtraReading e = { .a = a, .path = search_path_join(a, root, program->more) };
    if (!file_is(e.path) || !attempt(a, read_extra, &e, why)) return e.read;
    search_path_say(p, format(a, "%s; the folders that it names are not searched", why));
    return (ExtraFolders){ 0 };
}

static void add_tree(Arena *a, SearchPath *p, const char *path, int is_root, int depth);

/* What is called embeddings there holds them, whatever its name. */
static void add_extra_folder(Arena *a, SearchPath *p, const char *file, const ExtraFolder *e)
{
    if (!folder_is(e->path)) {
        search_path_say(p, format(a, "%s: line %zu: %s is %s, and there is no such folder", file, e->line, e->kind,
                                  quoted(a, e->path)));
        return;
    }
    add_tree(a, p, e->path, 0, MOST_DEPTH);
    size_t n = strlen(e->path);
    for (size_t i = 0; !strcmp(e->kind, EMBEDDINGS) && i < p->count; i++) {
        SearchedFolder *f = &p->folder[i];
        int is_in_it = !strncmp(f->path, e->path, n) && (!f->path[n] || f->path[n] == '/');
        if (is_in_it) f->has_embeddings = 1;
    }
}

static void add_extra(Arena *a, SearchPath *p, const char *root, const Installation *program, const ExtraFolders *extra,
                      int is_default)
{
    for (size_t i = 0; i < extra->count; i++)
        if (extra->folder[i].is_default == is_default)
            add_extra_folder(a, p, search_path_join(a, root, program->more), &extra->folder[i]);
}

/* Adds the folder and all folders in it, `depth` levels deep; of another program's installation, those with weights. */
static void add_tree(Arena *a, SearchPath *p, const char *path, int is_root, int depth)
{
    const Installation *program = installation_at(a, path);
    SearchedFolder *f = add(a, p, path);
    if (!f) return;
    f->is_root |= is_root;
    f->has_embeddings |= holds_embeddings(path);
    if (f->depth > depth || (f->depth == depth && depth)) return;
    f->depth = depth;
    ExtraFolders extra = extra_folders(a, p, path, program);
    add_extra(a, p, path, program, &extra, 1);
    for (size_t i = 0; program && program->folder[i]; i++)
        add_tree(a, p, search_path_join(a, path, program->folder[i]), 0, MOST_DEPTH);
    add_extra(a, p, path, program, &extra, 0);
    if (program) return;
    Listing in = names_in(a, p, path);
    if (!depth && has_folders(a, &in))
        search_path_say(p, format(a, "%s: is %d folders deep; those in it are not searched", path, MOST_DEPTH));
    for (size_t i = 0; depth && i < in.count; i++)
        if (!installation_is_clutter(in.names[i]))
            add_tree(a, p, search_path_join(a, path, in.names[i]), 0, depth - 1);
}

/* The folder that the program lies in; NULL when the system does not know. */
static const char *program_folder(Arena *a, const char *program)
{
    char path[4096];
    if (!system_program_path(program, path, sizeof path)) return NULL;
    return folder_of(a, path);
}

/* The installation that this folder is in: where a picture lies that it has drawn, or where somebody works. */
static void add_installation_around(Arena *a, SearchPath *p, const char *folder)
{
    enum { MOST_LEVELS = 6 };
    const char *root = folder;
    for (int i = 0; i < MOST_LEVELS; i++, root = format(a, "%s/..", root)) {
        const Installation *program = installation_at(a, root);
        if (!program) continue;
        const SearchedFolder *f = add(a, p, root);
        if (!f || f->depth) return;              /* it was named */
        search_path_say(p, format(a, "%s: is in a folder of %s, so its weights are found too", folder,
                                  program->program));
        add_tree(a, p, root, 0, MOST_DEPTH);
        return;
    }
}

/* Weights of programs in the usual places are found, too, but only by their names, and last of all. */
static SearchPath *installations_at_home(Arena *a, LineCallback *say, void *to, struct Told *told)
{
    SearchPath *p = allocate(a, 1, sizeof *p);
    *p = (SearchPath){ .say = say, .to = to, .told = told };
    const char *home = system_environment("HOME");
    if (!home || !*home) return p;
    for (size_t i = 0; installation_usual_place(i); i++) {
        const char *root = search_path_join(a, home, installation_usual_place(i));
        if (installation_at(a, root)) add_tree(a, p, root, 0, MOST_DEPTH);
    }
    return p;
}

/* A folder that somebody typed must be there; one that a file or a variable names may be on a disk that is not. */
static void add_named(Arena *a, SearchPath *p, Name folder)
{
    if (folder_is(folder.text)) {
        add_tree(a, p, folder.text, 1, MOST_DEPTH);
        return;
    }
    const char *fault = format(a, "%s is %s, and there is no such folder%s", folder.label, quoted(a, folder.text),
                               near_path_hint(a, folder.text, FOLDER_PATH));
    if (begins(folder.label, "--")) fail(a, "%s", fault);
    search_path_say(p, fault);
}

SearchPath *search_path_new(Arena *a, const char *beside, const Name *extra, size_t extras, const char *program,
                            LineCallback *say, void *to)
{
    SearchPath *p = allocate(a, 1, sizeof *p);
    *p = (SearchPath){ .say = say, .to = to, .told = allocate(a, 1, sizeof *p->told) };
    p->told->lines = 0;
    if (beside) add(a, p, folder_of(a, beside));
    add(a, p, ".");
    if (beside) add_tree(a, p, search_path_join(a, folder_of(a, beside), EMBEDDINGS), 0, MOST_DEPTH);
    add_tree(a, p, EMBEDDINGS, 0, MOST_DEPTH);
    for (size_t i = 0; i < extras; i++) add_named(a, p, extra[i]);
    add_tree(a, p, "weights", 1, MOST_DEPTH);
    const char *folder = program_folder(a, program);
    if (folder) add_tree(a, p, search_path_join(a, folder, "weights"), 1, MOST_DEPTH);
    if (beside) add_installation_around(a, p, folder_of(a, beside));
    add_installation_around(a, p, ".");
    p->at_home = installations_at_home(a, say, to, p->told);
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
