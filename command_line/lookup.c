/* lookup.c - names to paths.
 *
 * People name weights as galleries do, "toonyou_beta3", and keep them in folders of folders.  So a list of
 * folders is made once, each with all below it, in the order of their names, so that the same name means the
 * same file every time; links that lead in a circle are seen by device and inode.  Then a name is tried in each.
 *
 * A name that ends like weights, or gets such an ending, is tried everywhere before the bare name is:
 * "persona" means weights/persona.safetensors and not the program ./persona.
 *
 * What comes with the source (the small model, its motion module, CLIP's merges) is taken from weights/ itself
 * first, so that a file of the same name near a prompt cannot take its place. */
#define _XOPEN_SOURCE 700
#include "lookup.h"

#include "chars.h"
#include "weights_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 8, FOLDERS = 10000 };

static const char OUR_MODEL[] = "persona", OUR_MOTION[] = "persona_motion";
static const char EMBEDDINGS[] = "embeddings";         /* folders of that name are searched for what a prompt may name */

typedef struct { const char *path; dev_t device; ino_t inode; int top; } Folder;      /* top: a weights/ folder itself */

struct Places { Folder *folder; size_t count, room; };

static const char *const endings[] = { "", ".safetensors", ".ckpt", ".pt", ".bin", ".pth", ".gguf" };
enum { ENDINGS = sizeof endings / sizeof *endings };

/* ---- the list of folders ---------------------------------------------------------------------- */

static const char *join(Arena *a, const char *folder, const char *name)
{
    if (!strcmp(folder, ".") || *name == '/') return format(a, "%s", name);
    return format(a, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
}

/* 1: new;  0: no folder, or one that is there already */
static int add(Arena *a, Places *p, const char *path, int top)
{
    struct stat s;
    if (stat(path, &s) || !S_ISDIR(s.st_mode)) return 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->folder[i].device != s.st_dev || p->folder[i].inode != s.st_ino) continue;
        p->folder[i].top |= top;
        return 0;
    }
    if (p->count == FOLDERS) fail(a, "%s: more than %d folders to look for weights in; use --weights with a smaller one", path, FOLDERS);
    p->folder = roomier(a, p->folder, p->count, &p->room, sizeof *p->folder);
    p->folder[p->count++] = (Folder){ path, s.st_dev, s.st_ino, top };
    return 1;
}

static void add_below(Arena *a, Places *p, const char *path, int top, int depth)
{
    if (!add(a, p, path, top) || !depth) return;
    size_t count;
    const char **names = names_in(a, path, &count);
    for (size_t i = 0; i < count; i++) add_below(a, p, join(a, path, names[i]), 0, depth - 1);
}

/* The folder the program lies in, NULL when the system does not say.  A bare argv[0] came from PATH. */
static const char *program_folder(Arena *a, const char *program)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0) { path[n] = 0; return folder_of(a, path); }
    char *real = program && strchr(program, '/') ? realpath(program, NULL) : NULL;
    const char *folder = real ? folder_of(a, real) : NULL;
    free(real);
    return folder;
}

Places *places(Arena *a, const char *beside, const char *const *extra, size_t extras, const char *program)
{
    Places *p = take(a, 1, sizeof *p);
    *p = (Places){ 0 };
    if (beside) add(a, p, folder_of(a, beside), 0);
    add(a, p, ".", 0);
    if (beside) add_below(a, p, join(a, folder_of(a, beside), EMBEDDINGS), 0, DEPTH);
    add_below(a, p, EMBEDDINGS, 0, DEPTH);
    for (size_t i = 0; i < extras; i++) {
        if (!folder_is(extra[i])) fail(a, "--weights is %s, and there is no such folder", quoted(a, extra[i]));
        add_below(a, p, extra[i], 1, DEPTH);
    }
    add_below(a, p, "weights", 1, DEPTH);
    const char *folder = program_folder(a, program);
    if (folder) add_below(a, p, join(a, folder, "weights"), 1, DEPTH);
    return p;
}

/* ---- what to say when there is no such file --------------------------------------------------- */

enum { NEAREST = 3 };

typedef struct { const char *name; size_t apart; } Near;

/* index in endings, 0 when the name ends like no weights */
static size_t ending(const char *name)
{
    for (size_t i = 1; i < ENDINGS; i++) {
        size_t n = strlen(name), e = strlen(endings[i]);
        if (n > e && !strcmp(name + n - e, endings[i])) return i;
    }
    return 0;
}

static const char *stem(Arena *a, const char *name)
{
    name = file_name(name);
    return copy(a, name, strlen(name) - strlen(endings[ending(name)]));
}

static void consider(Near near[NEAREST], const char *name, size_t apart)
{
    for (size_t i = 0; i < NEAREST; i++) {
        if (near[i].name && !strcmp(near[i].name, name)) return;
        if (near[i].name && near[i].apart <= apart) continue;
        Near worse = near[i];
        near[i] = (Near){ name, apart };
        if (!worse.name) return;
        name = worse.name, apart = worse.apart;
    }
}

static char *nearest(Arena *a, const Places *p, const char *wanted)
{
    Near near[NEAREST] = { { 0 } };
    const char *want = stem(a, wanted);
    for (size_t i = 0; i < p->count; i++) {
        size_t count;
        const char **names = names_in(a, p->folder[i].path, &count);
        for (size_t k = 0; k < count; k++) {
            if (!ending(names[k])) continue;
            const char *have = stem(a, names[k]);
            size_t apart = strstr(have, want) || strstr(want, have) ? 1 : edit_distance(want, have);
            if (apart <= strlen(want) / 2 + 1) consider(near, names[k], apart);
        }
    }
    char *list = NULL;
    for (size_t i = 0; i < NEAREST && near[i].name; i++) list = format(a, "%s%s%s", list ? list : "; the nearest: ", list ? ", " : "", near[i].name);
    return list ? list : format(a, "%s", "");
}

/* the folders by name, those within others left out; no longer than a message can be */
static char *where(Arena *a, const Places *p)
{
    char *list = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const Folder *f = &p->folder[i];
        int within = 0;
        for (size_t k = 0; k < i; k++) {
            size_t n = strlen(p->folder[k].path);
            within |= p->folder[k].top && !strncmp(f->path, p->folder[k].path, n) && f->path[n] == '/';
        }
        if (within || (list && strlen(list) > 500)) continue;
        list = format(a, "%s%s%s%s", list ? list : "", list ? ", " : "", !strcmp(f->path, ".") ? "the current folder" : f->path, f->top ? "/ and below" : "");
    }
    return list ? list : format(a, "no folder");
}

static _Noreturn void not_found(Arena *a, const Places *p, Name name)
{
    const char *what = ending(name.text) || strstr(name.text, ".txt") ? "" : " (as .safetensors, .ckpt, .pt, .bin, .pth or .gguf)";
    if (folder_is(name.text))
        fail(a, "%s is %s, a folder without weights as diffusers writes them; name a file in it", name.label, quoted(a, name.text));
    fail(a, "%s is %s, and there is no such file%s%s; looked in %s; --weights DIR adds a folder", name.label, quoted(a, name.text), what,
         nearest(a, p, name.text), where(a, p));
}

/* ---- looking ---------------------------------------------------------------------------------- */

static const char *try(Arena *a, const char *folder, const char *name, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const char *path = format(a, "%s%s", join(a, folder, name), endings[i]);
        if (weights_exist(a, path)) return path;
    }
    return NULL;
}

const char *lookup(Arena *a, const Places *p, Name name)
{
    const char *path = strchr(name.text, '/') ? try(a, ".", name.text, 0, ENDINGS) : NULL;
    size_t first = ending(name.text) ? 0 : 1, count = *name.text == '/' ? 0 : p->count;
    for (size_t i = 0; i < count && !path; i++) path = try(a, p->folder[i].path, name.text, first, ENDINGS);
    for (size_t i = 0; i < count && !path; i++) path = try(a, p->folder[i].path, name.text, 0, first);
    if (!path) not_found(a, p, name);
    return path;
}

/* something that comes with the source: from a weights/ folder itself */
static const char *ours(Arena *a, const Places *p, const char *name)
{
    const char *path = NULL;
    for (size_t i = p->count; i-- > 0 && !path; ) if (p->folder[i].top) path = try(a, p->folder[i].path, name, 0, 1);
    return path ? path : lookup(a, p, (Name){ name, "what comes with persona in weights/" });
}

static int named(Name n) { return n.text && strcmp(n.text, "none"); }

/* a name as it may stand in a picture: of what comes with the source, or of anything else */
static const char *lookup_ours(Arena *a, const Places *p, Name name, const char *own)
{
    return !strcmp(name.text, own) ? ours(a, p, format(a, "%s.safetensors", own)) : lookup(a, p, name);
}

static void find_motion(Arena *a, const Places *p, Request *r, int by_default)
{
    int none = r->motion.text && !named(r->motion);
    if (none) r->job.frames = 1;
    if (!r->motion.text && by_default && r->job.frames != 1) r->motion.text = OUR_MOTION;
    if (r->job.frames != 1 && named(r->motion)) r->job.motion = lookup_ours(a, p, r->motion, OUR_MOTION);
}

/* a picture, beside the prompt file, in the current folder or in those for weights, by its whole name */
static const char *find_picture(Arena *a, const Places *p, Name name)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *path = join(a, p->folder[i].path, name.text);
        if (file_is(path)) return path;
    }
    fail(a, "%s is %s, and there is no such file; looked in %s", name.label, quoted(a, name.text), where(a, p));
}

/* tags first, but those that a LoRA key names are that key's */
static void find_loras(Arena *a, const Places *p, Request *r)
{
    LoraUse *use = take(a, r->tags + r->keys, sizeof *use);
    r->job.lora = use, r->job.loras = 0;
    for (size_t i = 0; i < r->tags + r->keys; i++) {
        const LoraName *l = i < r->tags ? &r->tag[i] : &r->key[i - r->tags];
        int again = 0;
        for (size_t k = 0; i < r->tags && k < r->keys && !again; k++) {
            Name key = r->key[k].name;
            again = !strcmp(l->name.text, key.text) || same_file(lookup(a, p, l->name), lookup(a, p, key));
        }
        if (!again) use[r->job.loras++] = (LoraUse){ lookup(a, p, l->name), (float)l->text, (float)l->unet };
    }
}

/* Is the folder, or one above it, called embeddings? */
static int holds_embeddings(const char *path)
{
    size_t n = sizeof EMBEDDINGS - 1;
    for (const char *s = path; s; s = strchr(s, '/') ? strchr(s, '/') + 1 : NULL)
        if (begins(s, EMBEDDINGS) && (!s[n] || s[n] == '/')) return 1;
    return 0;
}

static int ends_like_embedding(const char *name)
{
    static const char *const kinds[] = { ".safetensors", ".pt", ".bin", ".png" };
    const char *dot = strrchr(name, '.');
    int found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) found |= dot && same(dot, kinds[i]);
    return found && !strstr(name, ".preview.");
}

/* All that a prompt may name, in the order of search.  Which it does name is known when it is read. */
static void find_embeddings(Arena *a, const Places *p, Request *r)
{
    size_t room = 0, count = 0, files;
    const char **list = NULL;
    for (size_t i = 0; i < p->count; i++) {
        if (!holds_embeddings(p->folder[i].path)) continue;
        const char **names = names_in(a, p->folder[i].path, &files);
        for (size_t k = 0; k < files; k++) {
            const char *path = join(a, p->folder[i].path, names[k]);
            if (!ends_like_embedding(names[k]) || !file_is(path)) continue;
            list = roomier(a, list, count, &room, sizeof *list);
            list[count++] = path;
        }
    }
    r->job.embedding = list, r->job.embeddings = count;
}

void lookup_request(Arena *a, const Places *p, Request *r)
{
    int by_default = !r->model.text;
    if (by_default) r->model.text = OUR_MODEL;
    r->job.model = lookup_ours(a, p, r->model, OUR_MODEL);
    find_motion(a, p, r, by_default);
    if (named(r->vae)) r->job.vae = lookup(a, p, r->vae);
    if (named(r->init)) r->job.init = find_picture(a, p, r->init);
    find_loras(a, p, r);
    find_embeddings(a, p, r);
    r->job.merges = ours(a, p, "merges.txt");
}
