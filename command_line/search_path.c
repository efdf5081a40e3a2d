/* search_path.c - the search path.
 *
 * People name weights as the download sites do, "toonyou_beta3", and keep them in folders of folders.  So a list of
 * folders is made once, each with all the folders in it, sorted by name, so that a name means the same file every
 * time.  A folder is in the list once, by device and number, whatever it is called, and remembers how many levels of
 * what is below it were entered.  So links may lead in a circle, and a folder that is first searched alone (that of
 * the prompt file) and then with all below it (weights/) is both.  Then a name is tried in each folder.
 *
 * A name that ends like a weights file, or gets such an ending, is tried in all folders before the bare name is.
 * Otherwise "persona" would be the program ./persona, and not weights/persona.safetensors.
 *
 * The files that come with the source (the small model, its motion module, CLIP's merges) are looked for in weights/
 * first, so that a file of the same name near a prompt cannot take its place. */
#include "search_path.h"

#include "chars.h"
#include "files.h"
#include "system.h"
#include "weights_open.h"

#include <string.h>

enum { MOST_DEPTH = 8, MOST_FOLDERS = 10000 };

static const char OUR_MODEL[] = "persona";
static const char OUR_MOTION[] = "persona_motion";
static const char EMBEDDINGS[] = "embeddings";   /* folders of that name are searched for what a prompt may name */

typedef struct {
    const char *path;
    uint64_t    device, number;          /* which folder that is, whatever it is called */
    int         depth;                   /* so many levels of folders in it are in the list too */
    int         is_root;                 /* a weights folder itself, not one in it */
    int         has_embeddings;          /* one of its names says that it holds what prompts may name */
} SearchedFolder;

struct SearchPath { SearchedFolder *folder; size_t count, room; };

static const char *const endings[] = { "", ".safetensors", ".ckpt", ".pt", ".bin", ".pth", ".gguf" };
enum { ENDINGS = sizeof endings / sizeof *endings };

/* ---- the list of folders ----------------------------------------------------------------------- */

static const char *join(Arena *a, const char *folder, const char *name)
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
    for (size_t i = 0; i < count; i++) add_tree(a, p, join(a, path, names[i]), 0, depth - 1);
}

/* The folder that the program lies in; NULL when the system does not know. */
static const char *program_folder(Arena *a, const char *program)
{
    char path[4096];
    if (!system_program_path(program, path, sizeof path)) return NULL;
    return folder_of(a, path);
}

SearchPath *search_path_new(Arena *a, const char *beside, const char *const *extra, size_t extras, const char *program)
{
    SearchPath *p = allocate(a, 1, sizeof *p);
    *p = (SearchPath){ 0 };
    if (beside) add_tree(a, p, folder_of(a, beside), 0, 0);
    add_tree(a, p, ".", 0, 0);
    if (beside) add_tree(a, p, join(a, folder_of(a, beside), EMBEDDINGS), 0, MOST_DEPTH);
    add_tree(a, p, EMBEDDINGS, 0, MOST_DEPTH);
    for (size_t i = 0; i < extras; i++) {
        if (!folder_is(extra[i])) fail(a, "--weights is %s, and there is no such folder", quoted(a, extra[i]));
        add_tree(a, p, extra[i], 1, MOST_DEPTH);
    }
    add_tree(a, p, "weights", 1, MOST_DEPTH);
    const char *folder = program_folder(a, program);
    if (folder) add_tree(a, p, join(a, folder, "weights"), 1, MOST_DEPTH);
    return p;
}

/* ---- the message when there is no such file ---------------------------------------------------- */

enum { NEAREST = 3, MOST_LISTED = 500 };         /* names in a message; bytes of its list of folders, about */

typedef struct { const char *name; size_t distance; } Candidate;      /* name NULL: none */

/* Which of `endings` the name ends with; 0 when it ends like no weights file. */
static size_t ending_index(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 1; i < ENDINGS; i++) {
        size_t e = strlen(endings[i]);
        if (n > e && !strcmp(name + n - e, endings[i])) return i;
    }
    return 0;
}

/* the file's name, without its folder and without an ending of weights files */
static const char *stem(Arena *a, const char *path)
{
    const char *name = file_name(path);
    return copy(a, name, strlen(name) - strlen(endings[ending_index(name)]));
}

/* Keeps the nearest names, sorted by distance, each once. */
static void consider(Candidate nearest[NEAREST], Candidate c)
{
    for (size_t i = 0; i < NEAREST; i++) {
        if (nearest[i].name && !strcmp(nearest[i].name, c.name)) return;
        if (nearest[i].name && nearest[i].distance <= c.distance) continue;
        Candidate pushed_out = nearest[i];
        nearest[i] = c;
        if (!pushed_out.name) return;
        c = pushed_out;
    }
}

/* One stem within the other is near, whatever the distance. */
static size_t stem_distance(const char *x, const char *y)
{
    if (strstr(x, y) || strstr(y, x)) return 1;
    return edit_distance(x, y);
}

/* "; the nearest: NAME, NAME", or "" */
static const char *nearest_names(Arena *a, const SearchPath *p, const char *wanted)
{
    Candidate nearest[NEAREST] = { { 0 } };
    const char *want = stem(a, wanted);
    for (size_t i = 0; i < p->count; i++) {
        size_t count;
        const char **names = folder_list(a, p->folder[i].path, &count);
        for (size_t k = 0; k < count; k++) {
            if (!ending_index(names[k])) continue;
            size_t distance = stem_distance(want, stem(a, names[k]));
            if (distance <= strlen(want) / 2 + 1) consider(nearest, (Candidate){ names[k], distance });
        }
    }
    const char *list = "";
    for (size_t i = 0; i < NEAREST && nearest[i].name; i++)
        list = format(a, "%s%s%s", list, i ? ", " : "; the nearest: ", nearest[i].name);
    return list;
}

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
static const char *list_folders(Arena *a, const SearchPath *p)
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

static _Noreturn void not_found(Arena *a, const SearchPath *p, Name name)
{
    if (folder_is(name.text))
        fail(a, "%s is %s, a folder without weights as diffusers writes them; name a file in it", name.label,
             quoted(a, name.text));
    const char *tried = " (as .safetensors, .ckpt, .pt, .bin, .pth or .gguf)";
    if (ending_index(name.text) || strstr(name.text, ".txt")) tried = "";
    fail(a, "%s is %s, and there is no such file%s%s; looked in %s; --weights DIR adds a folder", name.label,
         quoted(a, name.text), tried, nearest_names(a, p, name.text), list_folders(a, p));
}

/* ---- searching --------------------------------------------------------------------------------- */

/* Tries the name in a folder with endings[from .. to-1]. */
static const char *try_endings(Arena *a, const char *folder, const char *name, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const char *path = format(a, "%s%s", join(a, folder, name), endings[i]);
        if (weights_exist(a, path)) return path;
    }
    return NULL;
}

/* The path of the weights with that name: a path as it is, or a name in the folders of the search path, with an ending
 * or without. */
static const char *find_weights(Arena *a, const SearchPath *p, Name name)
{
    const char *path = NULL;
    int has_ending = ending_index(name.text) > 0;
    size_t first = has_ending ? 0 : 1;           /* a bare name that does not end like weights comes last */
    size_t folders = system_path_is_absolute(name.text) ? 0 : p->count;
    if (strchr(name.text, '/')) path = try_endings(a, ".", name.text, 0, ENDINGS);
    for (size_t i = 0; i < folders && !path; i++) path = try_endings(a, p->folder[i].path, name.text, first, ENDINGS);
    for (size_t i = 0; i < folders && !path; i++) path = try_endings(a, p->folder[i].path, name.text, 0, first);
    if (!path) not_found(a, p, name);
    return path;
}

/* A file that comes with the source: in a weights/ folder itself.  The last of them comes first, as the program lies
 * beside it. */
static const char *find_supplied(Arena *a, const SearchPath *p, const char *name)
{
    for (size_t i = p->count; i-- > 0; ) {
        if (!p->folder[i].is_root) continue;
        const char *path = try_endings(a, p->folder[i].path, name, 0, 1);
        if (path) return path;
    }
    return find_weights(a, p, (Name){ name, "what comes with persona in weights/" });
}

/* supplied: the name of the file that comes with the source; any other name is searched for as usual */
static const char *find_or_supplied(Arena *a, const SearchPath *p, Name name, const char *supplied)
{
    if (strcmp(name.text, supplied)) return find_weights(a, p, name);
    return find_supplied(a, p, format(a, "%s.safetensors", supplied));
}

/* ---- the names of a request -------------------------------------------------------------------- */

static int is_named(Name n)
{
    return n.text && strcmp(n.text, "none");
}

/* Our own model is a clip by default, with our motion module; another model is a still unless a module is named. */
static void find_motion(Arena *a, const SearchPath *p, Request *r, int is_our_model)
{
    if (r->motion.text && !is_named(r->motion)) r->job.frames = 1;       /* "none" */
    if (!r->motion.text && is_our_model && r->job.frames != 1) r->motion.text = OUR_MOTION;
    if (r->job.frames != 1 && is_named(r->motion)) r->job.motion = find_or_supplied(a, p, r->motion, OUR_MOTION);
}

/* An image to begin from, by its whole name, in any folder of the search path. */
static const char *find_image(Arena *a, const SearchPath *p, Name name)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *path = join(a, p->folder[i].path, name.text);
        if (file_is(path)) return path;
    }
    fail(a, "%s is %s, and there is no such file; looked in %s", name.label, quoted(a, name.text), list_folders(a, p));
}

/* Does a LoRA key of the request name the same file as this tag in the prompt? */
static int is_also_key(Arena *a, const SearchPath *p, const Request *r, Name tag)
{
    for (size_t k = 0; k < r->keys; k++) {
        Name key = r->key[k].name;
        if (!strcmp(tag.text, key.text) || same_file(find_weights(a, p, tag), find_weights(a, p, key))) return 1;
    }
    return 0;
}

/* Those of the prompt's tags first, then those of LoRA keys.  A file that has both is used once, as the key says. */
static void find_loras(Arena *a, const SearchPath *p, Request *r)
{
    LoraUse *use = allocate(a, r->tags + r->keys, sizeof *use);
    r->job.lora = use;
    r->job.loras = 0;
    for (size_t i = 0; i < r->tags + r->keys; i++) {
        int is_tag = i < r->tags;
        const LoraName *l = is_tag ? &r->tag[i] : &r->key[i - r->tags];
        if (is_tag && is_also_key(a, p, r, l->name)) continue;
        use[r->job.loras++] = (LoraUse){
            .path = find_weights(a, p, l->name),
            .text = (float)l->text,
            .unet = (float)l->unet,
        };
    }
}

static int ends_like_embedding(const char *name)
{
    static const char *const kinds[] = { ".safetensors", ".pt", ".bin", ".png" };
    const char *dot = strrchr(name, '.');
    if (!dot || strstr(name, ".preview.")) return 0;             /* NAME.preview.png: what a tool shows of NAME */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (same(dot, kinds[i])) return 1;
    return 0;
}

/* All embeddings that the prompt may name, in the order of search.  Which ones it names is known once it is read. */
static void find_embeddings(Arena *a, const SearchPath *p, Request *r)
{
    const char **list = NULL;
    size_t count = 0;
    size_t room = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!p->folder[i].has_embeddings) continue;
        size_t files;
        const char **names = folder_list(a, p->folder[i].path, &files);
        for (size_t k = 0; k < files; k++) {
            const char *path = join(a, p->folder[i].path, names[k]);
            if (!ends_like_embedding(names[k]) || !file_is(path)) continue;
            list = grow_array(a, list, count, &room, sizeof *list);
            list[count++] = path;
        }
    }
    r->job.embedding = list;
    r->job.embeddings = count;
}

void search_path_resolve(Arena *a, const SearchPath *p, Request *r)
{
    int is_our_model = !r->model.text;
    if (is_our_model) r->model.text = OUR_MODEL;
    r->job.model = find_or_supplied(a, p, r->model, OUR_MODEL);
    find_motion(a, p, r, is_our_model);
    if (is_named(r->vae)) r->job.vae = find_weights(a, p, r->vae);
    if (is_named(r->init)) r->job.init = find_image(a, p, r->init);
    find_loras(a, p, r);
    find_embeddings(a, p, r);
    r->job.merges = find_supplied(a, p, "merges.txt");
}
