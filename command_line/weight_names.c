/* weight_names.c - from the name of a file of weights, as people and programs write it, to its path.
 *
 * A name that ends like a weights file, or gets such an ending, is tried in all folders before the bare name is.
 * Otherwise "persona" would be the program ./persona, and not weights/persona.safetensors.
 *
 * When no file has that very name, it is what another program wrote: "SD15\\toonyou.ckpt [a1b2c3d4e5]".  Then, in this
 * order, the hash and the folders are left out of the name, and a file is taken that has it
 *
 *     with another ending;  with other capitals;  with other signs between its words;
 *     as one of several that training saved (kohya: NAME-000008, NAME-step00000500), the last one;
 *     in its metadata (kohya's ss_output_name, as the web UI does; modelspec.title), if it is the only one;
 *     or not at all, but the hash.
 *
 * Only files of the wanted kind count, and what was taken is said.  Only the last rule reads more than the beginning of
 * a file.  A path that begins with / or . means that file and no other. */
#include "weight_names.h"

#include "chars.h"
#include "file_hash.h"
#include "files.h"
#include "system.h"
#include "weights_open.h"

#include <string.h>

static const char *const endings[] = { "", ".safetensors", ".ckpt", ".pt", ".bin", ".pth", ".gguf" };
enum { ENDINGS = sizeof endings / sizeof *endings };

/* ---- names -------------------------------------------------------------------------------------- */

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

/* The hash in brackets that the name ends with, "NAME [a1b2c3d4e5]" or "NAME(a1b2c3d4e5)"; NULL when there is none.
 * *end: where the name ends. */
static const char *hash_behind(Arena *a, const char *name, size_t *end)
{
    size_t n = strlen(name);
    *end = n;
    if (!n || (name[n - 1] != ']' && name[n - 1] != ')')) return NULL;
    const char *open = strrchr(name, name[n - 1] == ']' ? '[' : '(');
    if (!open) return NULL;
    const char *hash = file_hash_read(a, copy(a, open + 1, (size_t)(name + n - 1 - (open + 1))));
    if (!hash) return NULL;
    *end = (size_t)(open - name);
    return hash;
}

/* The name with "/" between its folders, and without a hash behind it. */
static const char *plain_name(Arena *a, const char *name)
{
    size_t end;
    hash_behind(a, name, &end);
    char *plain = trimmed(a, name, end);
    for (char *c = plain; *c; c++)
        if (*c == '\\') *c = '/';
    return plain;
}

const char *weight_name_stem(Arena *a, const char *name)
{
    return stem(a, plain_name(a, name));
}

/* ---- files -------------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *path; FileKind kind; size_t bytes; } Header;

static void read_header(void *header)
{
    Header *h = header;
    const WeightFile *f = weights_open(h->a, h->path);
    h->kind = file_kind(f);
    h->bytes = f->bytes;
}

/* Is it a file of that kind?  A whole model has a VAE too. */
static int is_of_kind(Arena *a, const char *path, FileKind kind, size_t *bytes)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Header h = { .a = a, .path = path };
    attempt(a, read_header, &h, why);                        /* a broken file is of no kind */
    release(a, before);
    if (bytes) *bytes = h.bytes;
    return h.kind == kind || (kind == VAE_FILE && h.kind == MODEL_FILE);
}

Candidates weight_candidates(Arena *a, const SearchPath *p)
{
    Candidates c = { 0 };
    for (size_t i = 0; i < p->count; i++) {
        size_t count;
        const char **names = folder_list(a, p->folder[i].path, &count);
        for (size_t k = 0; k < count; k++) {
            const char *path = search_path_join(a, p->folder[i].path, names[k]);
            if (folder_is(path) ? !weights_exist(a, path) : !ending_index(names[k])) continue;
            c.file = grow_array(a, c.file, c.count, &c.room, sizeof *c.file);
            c.file[c.count++] = (Candidate){ path, stem(a, names[k]), i, ending_index(names[k]) };
        }
    }
    return c;
}

/* ---- the rules ---------------------------------------------------------------------------------- */

/* How well a file's stem fits a name: 0 not at all; of several files, the first of those that fit best is taken. */
typedef uint64_t Fit(const char *name, const char *file_stem);

static uint64_t has_another_ending(const char *name, const char *file_stem)
{
    return !strcmp(name, file_stem);
}

static uint64_t has_other_capitals(const char *name, const char *file_stem)
{
    return begins(file_stem, name) && strlen(file_stem) == strlen(name);
}

static int is_sign(char c) { return c == '_' || c == '-' || c == ' ' || c == '.'; }

static uint64_t has_other_signs(const char *name, const char *file_stem)
{
    for (; *name && *file_stem; name++, file_stem++) {
        int both_signs = is_sign(*name) && is_sign(*file_stem);
        if (!both_signs && lower(*name) != lower(*file_stem)) return 0;
    }
    return *name == *file_stem;
}

/* kohya: "{name}-{epoch:06d}", "{name}-step{step:08d}".  Later ones fit better, and epochs better than steps. */
static uint64_t is_an_epoch(const char *name, const char *file_stem)
{
    enum { EPOCH_DIGITS = 6 };
    static const char STEP[] = "step";
    uint64_t number;
    size_t n = strlen(name);
    if (!begins(file_stem, name) || file_stem[n] != '-') return 0;
    const char *digits = file_stem + n + 1;
    int is_step = begins(digits, STEP);
    if (is_step) digits += strlen(STEP);
    if (strlen(digits) < EPOCH_DIGITS || !read_whole(digits, &number) || number >> 60) return 0;
    return (is_step ? 0 : (uint64_t)1 << 60) + number + 1;
}

static const struct { Fit *fit; const char *why; } rules[] = {
    { has_another_ending, "the same name with another ending, or in another folder" },
    { has_other_capitals, "the same name but for capitals" },
    { has_other_signs, "the same name but for capitals and signs" },
    { is_an_epoch, "the last one of that name that training saved" },
};
enum { RULES = sizeof rules / sizeof *rules };

static const char *best_fit(Arena *a, const Candidates *c, const char *name, Fit *fit, FileKind kind)
{
    const char *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t this = fit(name, c->file[i].stem);
        if (this <= most || !is_of_kind(a, c->file[i].path, kind, NULL)) continue;
        most = this;
        best = c->file[i].path;
    }
    return best;
}

/* ---- the name in a file's metadata -------------------------------------------------------------- */

typedef struct { Arena *a; const char *path, *name; FileKind kind; int is_called_so; } Alias;

static void read_alias(void *alias)
{
    static const char *const keys[] = { "ss_output_name", "modelspec.title", "general.name" };
    Alias *l = alias;
    const WeightFile *f = weights_open(l->a, l->path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = file_metadata(f, keys[i]);
        if (!value) continue;
        l->is_called_so |= !strcmp(value, l->name) && file_kind(f) == l->kind;
        if (i == 0) return;                              /* the web UI's alias; a title counts where there is none */
    }
}

static int is_called_so(Arena *a, const char *path, const char *name, FileKind kind)
{
    char why[MESSAGE];
    size_t before = mark(a);
    Alias l = { .a = a, .path = path, .name = name, .kind = kind };
    attempt(a, read_alias, &l, why);
    release(a, before);
    return l.is_called_so;
}

/* The only file that calls itself so; fails when there are two, as the web UI uses neither then. */
static const char *find_alias(Arena *a, const Candidates *c, WantedWeights w, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const char *path = c->file[i].path;
        if (!is_called_so(a, path, name, w.kind) || (found && same_file(found, path))) continue;
        if (found)
            fail(a, "%s is %s: no file has that name, and two call themselves so, %s and %s; name the file",
                 w.name.label, quoted(a, w.name.text), found, path);
        found = path;
    }
    return found;
}

/* ---- the hash ----------------------------------------------------------------------------------- */

static const char *file_of_hash(Arena *a, const Candidates *c, WantedWeights w, int in_full)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *path = c->file[i].path;
        if (is_of_kind(a, path, w.kind, NULL) && file_hash_is(a, path, w.hash, in_full)) return path;
    }
    return NULL;
}

static void say_reading(Arena *a, const SearchPath *p, const Candidates *c, WantedWeights w)
{
    size_t files = 0;
    double all = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t bytes;
        if (!is_of_kind(a, c->file[i].path, w.kind, &bytes)) continue;
        files++;
        all += (double)bytes;
    }
    if (files)
        search_path_say(p, format(a, "%s: reading %s (%.2f GB) to find the one whose SHA-256 begins with %s",
                                  w.name.label, amount(a, files, "file"), all / 1e9, w.hash));
}

static const char *by_hash(Arena *a, const SearchPath *p, const Candidates *c, WantedWeights w)
{
    const char *path = file_of_hash(a, c, w, 0);
    if (path) return path;
    say_reading(a, p, c, w);
    return file_of_hash(a, c, w, 1);
}

const char *find_weights_by_hash(Arena *a, const SearchPath *p, WantedWeights w)
{
    Candidates c = weight_candidates(a, p);
    const char *path = by_hash(a, p, &c, w);
    if (path) search_path_say(p, format(a, "%s: %s has this hash", w.name.label, path));
    return path;
}

/* ---- the message when there is no such file ---------------------------------------------------- */

enum { NEAREST = 3 };                    /* names in a message */

typedef struct { const char *name; size_t distance; } Near;       /* name NULL: none */

/* Keeps the nearest names, sorted by distance, each once. */
static void consider(Near nearest[NEAREST], Near c)
{
    for (size_t i = 0; i < NEAREST; i++) {
        if (nearest[i].name && !strcmp(nearest[i].name, c.name)) return;
        if (nearest[i].name && nearest[i].distance <= c.distance) continue;
        Near pushed_out = nearest[i];
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
    Near nearest[NEAREST] = { { 0 } };
    const char *want = stem(a, wanted);
    for (size_t i = 0; i < p->count; i++) {
        size_t count;
        const char **names = folder_list(a, p->folder[i].path, &count);
        for (size_t k = 0; k < count; k++) {
            if (!ending_index(names[k])) continue;
            size_t distance = stem_distance(want, stem(a, names[k]));
            if (distance <= strlen(want) / 2 + 1) consider(nearest, (Near){ names[k], distance });
        }
    }
    const char *list = "";
    for (size_t i = 0; i < NEAREST && nearest[i].name; i++)
        list = format(a, "%s%s%s", list, i ? ", " : "; the nearest: ", nearest[i].name);
    return list;
}

/* "OWNER/NAME", by which diffusers loads a model down. */
static int is_name_on_hub(Arena *a, const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') || ending_index(name)) return 0;
    if (folder_is(copy(a, name, (size_t)(slash - name)))) return 0;
    for (const char *c = name; *c; c++)
        if (!word_character((unsigned char)*c) && !strchr("/.-", *c)) return 0;
    return *name != '.';
}

/* What to do about such a name; "" for other names. */
static const char *about_hub(Arena *a, WantedWeights w)
{
    static const struct { const char *part, *file; } files[] = {
        { "stable-diffusion-v1-5", "v1-5-pruned-emaonly.safetensors" },
        { "stable-diffusion-v1-4", "sd-v1-4.ckpt of CompVis/stable-diffusion-v-1-4-original" },
        { "sd-vae-ft-mse", "diffusion_pytorch_model.safetensors" },
    };
    if (!is_name_on_hub(a, w.name.text)) return "";
    const char *file = w.kind == MODEL_FILE ? "its one .safetensors file of the whole model, or the folder with unet, "
                                              "vae and text_encoder" : "its .safetensors file";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strstr(w.name.text, files[i].part)) file = files[i].file;
    return format(a, "; it looks like a name on Hugging Face's hub, and persona uses no network: download %s, and name "
                     "it here", file);
}

static _Noreturn void not_found(Arena *a, const SearchPath *p, WantedWeights w)
{
    Name name = w.name;
    if (folder_is(name.text))
        fail(a, "%s is %s, a folder without weights as diffusers writes them; name a file in it", name.label,
             quoted(a, name.text));
    const char *tried = " (as .safetensors, .ckpt, .pt, .bin, .pth or .gguf)";
    if (ending_index(name.text) || strstr(name.text, ".txt")) tried = "";
    const char *hash = w.hash ? format(a, ", and none has the hash %s", w.hash) : "";
    fail(a, "%s is %s, and there is no such file%s%s%s%s", name.label, quoted(a, name.text), tried, hash,
         about_hub(a, w), nearest_names(a, p, name.text));
}

/* ---- searching --------------------------------------------------------------------------------- */

/* Tries the name in a folder with endings[from .. to-1]. */
static const char *try_endings(Arena *a, const char *folder, const char *name, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const char *path = format(a, "%s%s", search_path_join(a, folder, name), endings[i]);
        if (weights_exist(a, path)) return path;
    }
    return NULL;
}

/* The weights of this very name, with endings[from .. to-1], in the first folder where they are of the wanted kind, or
 * in the first one. */
static const char *in_folders(Arena *a, const SearchPath *p, const char *name, FileKind kind, size_t from, size_t to)
{
    const char *first = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const char *path = try_endings(a, p->folder[i].path, name, from, to);
        if (!path) continue;
        if (is_of_kind(a, path, kind, NULL)) return path;
        if (!first) first = path;
    }
    return first;
}

static const char *find_exactly(Arena *a, const SearchPath *p, const char *name, FileKind kind)
{
    const char *path = NULL;
    size_t bare = ending_index(name) ? 0 : 1;    /* a name that does not end like weights comes last as it is */
    if (strchr(name, '/')) path = try_endings(a, ".", name, 0, ENDINGS);
    if (path || system_path_is_absolute(name)) return path;
    path = in_folders(a, p, name, kind, bare, ENDINGS);
    return path ? path : in_folders(a, p, name, kind, 0, bare);
}

/* A path on this machine, which somebody typed. */
static int is_explicit(const char *name)
{
    return system_path_is_absolute(name) || begins(name, "./") || begins(name, "../");
}

/* The file that the name may mean, by the rules; NULL when there is none.  *why: what was taken. */
static const char *find_nearly(Arena *a, const SearchPath *p, WantedWeights w, const char **why)
{
    const char *plain = plain_name(a, w.name.text);
    const char *path = strcmp(plain, w.name.text) ? find_exactly(a, p, plain, w.kind) : NULL;
    if (path && is_of_kind(a, path, w.kind, NULL)) return path;
    Candidates c = weight_candidates(a, p);
    const char *name = stem(a, plain);
    for (size_t i = 0; i < RULES; i++) {
        path = best_fit(a, &c, name, rules[i].fit, w.kind);
        *why = rules[i].why;
        if (path) return path;
    }
    *why = "which its metadata call so";
    path = find_alias(a, &c, w, name);
    if (path || !w.hash) return path;
    *why = format(a, "which has the hash %s", w.hash);
    path = by_hash(a, p, &c, w);
    if (path && w.is_by_hash) *w.is_by_hash = 1;
    return path;
}

/* In the installations of other programs, for a name that is nowhere else.  No file is read for its hash there. */
static const char *find_at_home(Arena *a, const SearchPath *p, WantedWeights w, const char **why)
{
    const char *ignored = NULL;
    if (!p->at_home || !p->at_home->count) return NULL;
    w.hash = NULL;
    const char *path = find_exactly(a, p->at_home, plain_name(a, w.name.text), w.kind);
    if (path && !is_of_kind(a, path, w.kind, NULL)) path = NULL;
    if (!path) path = find_nearly(a, p->at_home, w, &ignored);
    *why = "as it is nowhere else";
    return path;
}

const char *find_weights(Arena *a, const SearchPath *p, WantedWeights w)
{
    size_t end;
    const char *why = NULL;
    const char *path = find_exactly(a, p, w.name.text, w.kind);
    if (path) return path;
    const char *behind = hash_behind(a, w.name.text, &end);
    if (behind) w.hash = behind;
    if (is_explicit(w.name.text)) not_found(a, p, w);
    path = find_nearly(a, p, w, &why);
    if (!path) path = find_at_home(a, p, w, &why);
    if (!path) not_found(a, p, w);
    if (why)
        search_path_say(p, format(a, "%s is %s: taken is %s, %s", w.name.label, quoted(a, w.name.text), path, why));
    return path;
}

/* The last of the weights folders comes first, as the program lies beside it. */
const char *find_supplied(Arena *a, const SearchPath *p, const char *name)
{
    for (size_t i = p->count; i-- > 0; ) {
        if (!p->folder[i].is_root) continue;
        const char *path = try_endings(a, p->folder[i].path, name, 0, 1);
        if (path) return path;
    }
    return find_weights(a, p, (WantedWeights){ .name = { name, "what comes with persona in weights/" } });
}
