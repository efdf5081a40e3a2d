/* request_paths.c - from the names in a request to the paths of files in its job.
 *
 * The files that come with the source (the small model, its motion module, CLIP's merges) are looked for in weights/
 * first, so that a file of the same name near a prompt cannot take its place. */
#include "request_paths.h"

#include "chars.h"
#include "file_hash.h"
#include "files.h"
#include "lines.h"
#include "mask_box.h"
#include "near_path.h"
#include "picture_sequence.h"
#include "upscale_method.h"
#include "weight_names.h"

#include <string.h>

static const char OUR_MODEL[] = "persona";
static const char OUR_MOTION[] = "persona_motion";

/* supplied: the name of the file that comes with the source; any other name is searched for as usual */
static const char *find_or_supplied(Arena *a, const SearchPath *p, WantedWeights w, const char *supplied)
{
    if (strcmp(w.name.text, supplied)) return find_weights(a, p, w);
    return find_supplied(a, p, format(a, "%s.safetensors", supplied));
}

/* ---- hashes that other programs write beside the names ------------------------------------------ */

/* The hash behind KEY in "KEY: HASH, KEY: HASH" or {"KEY": "HASH"}; NULL when there is none. */
static const char *hash_of_key(Arena *a, const char *list, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = list; at && (at = strstr(at, key)); at += n) {
        int begins_here = at == list || strchr("\"{, ", at[-1]);
        const char *after = at + n + strspn(at + n, "\" ");
        if (!begins_here || *after != ':') continue;
        after += 1 + strspn(after + 1, " \"");
        return file_hash_read(a, copy(a, after, strspn(after, "0123456789abcdefABCDEFxX")));
    }
    return NULL;
}

/* Were both typed, or both read from one text?  The hash of a pasted text says nothing about a name that was typed. */
static int belong_together(Name name, Name hash)
{
    return hash.text && (!name.text || begins(name.label ? name.label : "", "--") == begins(hash.label, "--"));
}

/* own: the setting for this hash alone; key: what it is called in Hashes */
static const char *hash_for(Arena *a, const Request *r, Name name, Name own, const char *key)
{
    const char *hash = belong_together(name, own) ? file_hash_read(a, own.text) : NULL;
    if (!hash && belong_together(name, r->hashes)) hash = hash_of_key(a, r->hashes.text, key);
    return hash;
}

static const char *lora_hash(Arena *a, const Request *r, Name name)
{
    const char *hash = NULL;
    if (belong_together(name, r->lora_hashes)) hash = hash_of_key(a, r->lora_hashes.text, name.text);
    if (hash) return hash;
    return hash_for(a, r, name, (Name){ NULL, NULL }, format(a, "lora:%s", name.text));
}

/* Calls name(to, NAME) for each NAME in "NAME: HASH, NAME: HASH", or for each "lora:NAME" of {"lora:NAME": "HASH"} when
 * the kind is "lora:". */
static void each_name(Arena *a, const char *list, const char *kind, void (*name)(void *to, const char *name), void *to)
{
    for (const char *at = list; at && *at; ) {
        at += strspn(at, "{\", ");
        size_t n = strcspn(at, "\",}");
        const char *key = copy(a, at, n);
        at += n;
        if (!*kind && strchr(key, ':')) name(to, trimmed(a, key, (size_t)(strrchr(key, ':') - key)));
        if (*kind && begins(key, kind)) name(to, key + strlen(kind));
        if (*kind) at += strcspn(at, ",");
    }
}

typedef struct { Arena *a; const Request *r; Lines missing; } Unfound;

static void check_embedding(void *to, const char *name)
{
    Unfound *u = to;
    for (size_t i = 0; i < u->r->job.embeddings; i++) {
        const char *file = file_name(u->r->job.embedding[i]);
        if (begins(file, name) && file[strlen(name)] == '.') return;
    }
    lines_add_once(u->a, &u->missing, quoted(u->a, name));
}

static void check_lora(void *to, const char *name)
{
    Unfound *u = to;
    for (size_t i = 0; i < u->r->tags + u->r->keys; i++) {
        const LoraName *l = i < u->r->tags ? &u->r->tag[i] : &u->r->key[i - u->r->tags];
        if (same(weight_name_stem(u->a, l->name.text), weight_name_stem(u->a, name))) return;
    }
    lines_add_once(u->a, &u->missing, quoted(u->a, name));
}

/* Lists of hashes name what a picture was drawn with.  What is not drawn with here is told. */
static void tell_unfound(Arena *a, const SearchPath *p, const Request *r)
{
    Unfound words = { .a = a, .r = r }, loras = { .a = a, .r = r };
    each_name(a, r->ti_hashes.text, "", check_embedding, &words);
    each_name(a, r->hashes.text, "embed:", check_embedding, &words);
    each_name(a, r->lora_hashes.text, "", check_lora, &loras);
    each_name(a, r->hashes.text, "lora:", check_lora, &loras);
    Name label = r->ti_hashes.text ? r->ti_hashes : r->hashes;
    if (words.missing.count)
        search_path_say(p, format(a, "%s: the picture was drawn with embeddings that are not here, so their names are "
                                  "read as words: %s", label.label, lines_joined(a, &words.missing, ", ")));
    label = r->lora_hashes.text ? r->lora_hashes : r->hashes;
    if (loras.missing.count)
        search_path_say(p, format(a, "%s: the picture was drawn with LoRAs that the prompt does not name: %s; write "
                                  "<lora:NAME:STRENGTH> for each", label.label, lines_joined(a, &loras.missing, ", ")));
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
    WantedWeights w = { .name = r->motion, .kind = MOTION_FILE };
    if (r->job.frames != 1 && is_named(r->motion)) r->job.motion = find_or_supplied(a, p, w, OUR_MOTION);
}

static int is_picture_or_clip(Arena *a, const char *path)
{
    size_t count;
    return folder_is(path) || picture_sequence(a, path, &count);
}

/* An image to begin from, by its whole name, in any folder of the search path; or a folder, or pattern, of images. */
static const char *find_image(Arena *a, const SearchPath *p, Name name)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *path = search_path_join(a, p->folder[i].path, name.text);
        if (is_picture_or_clip(a, path)) return path;
    }
    const char *near = near_path_hint(a, name.text, FILE_PATH);
    for (size_t i = 0; i < p->count && !*near; i++)
        near = near_path_hint(a, search_path_join(a, p->folder[i].path, name.text), FILE_PATH);
    fail(a, "%s is %s, and there is no such file%s", name.label, quoted(a, name.text), near);
}

static const char *find_lora(Arena *a, const SearchPath *p, Request *r, Name name)
{
    WantedWeights w = { .name = name, .kind = LORA_FILE, .is_by_hash = &r->is_by_hash };
    w.hash = lora_hash(a, r, name);
    return find_weights(a, p, w);
}

static const LoraName *lora_at_place(const Request *r, size_t i)
{
    return i < r->tags ? &r->tag[i] : &r->key[i - r->tags];
}

/* Does a LoRA key of the request name the same file as this tag in the prompt?  found: the path of each; or NULL */
static int is_also_key(const Request *r, const char *const *found, size_t tag)
{
    for (size_t k = 0; k < r->keys; k++) {
        const char *path = found[r->tags + k];
        if (!strcmp(r->tag[tag].name.text, r->key[k].name.text)) return 1;
        if (path && same_file(found[tag], path)) return 1;
    }
    return 0;
}

/* Those of the prompt's tags first, then those of LoRA keys.  A file that has both is used once, as the key says. */
static void use_loras(Arena *a, Request *r, const char *const *found)
{
    LoraUse *use = allocate(a, r->tags + r->keys, sizeof *use);
    r->job.lora = use;
    r->job.loras = 0;
    for (size_t i = 0; i < r->tags + r->keys; i++) {
        const LoraName *l = lora_at_place(r, i);
        if (!found[i] || (i < r->tags && is_also_key(r, found, i))) continue;
        use[r->job.loras++] = (LoraUse){
            .path = found[i],
            .text = (float)l->text,
            .unet = (float)l->unet,
            .how = l->how,
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
            const char *path = search_path_join(a, p->folder[i].path, names[k]);
            if (!ends_like_embedding(names[k]) || !file_is(path)) continue;
            list = grow_array(a, list, count, &room, sizeof *list);
            list[count++] = path;
        }
    }
    r->job.embedding = list;
    r->job.embeddings = count;
}

/* A hash without a name, as some programs leave names out. */
static void find_model_by_hash(Arena *a, const SearchPath *p, Request *r)
{
    Name none = { NULL, NULL };
    const char *hash = r->model.text ? NULL : hash_for(a, r, none, r->model_hash, "model");
    Name said = r->model_hash;
    if (!said.text && hash) said = (Name){ hash, format(a, "%s: the model's", r->hashes.label) };
    if (r->model.text || (!hash && !r->model_hash.text)) return;
    WantedWeights w = { .name = said, .kind = MODEL_FILE, .hash = hash };
    r->job.model = w.hash ? find_weights_by_hash(a, p, w) : NULL;
    r->is_by_hash |= r->job.model != NULL;
    if (r->job.model) return;
    search_path_say(p, format(a, "%s is %s, and no model in %s has it; the one that comes with persona is used",
                              said.label, quoted(a, said.text), search_path_list(a, p)));
}

static void find_model(Arena *a, const SearchPath *p, Request *r)
{
    WantedWeights w = { .name = r->model, .kind = MODEL_FILE, .is_by_hash = &r->is_by_hash };
    w.hash = hash_for(a, r, r->model, r->model_hash, "model");
    r->job.model = find_or_supplied(a, p, w, OUR_MODEL);
}

static void find_vae(Arena *a, const SearchPath *p, Request *r)
{
    WantedWeights w = { .name = r->vae, .kind = VAE_FILE, .is_by_hash = &r->is_by_hash };
    w.hash = hash_for(a, r, r->vae, r->vae_hash, "vae");
    if (is_named(r->vae)) r->job.vae = find_weights(a, p, w);
}

/* ---- all of them --------------------------------------------------------------------------------- */

typedef struct {
    Arena            *a;
    const SearchPath *p;
    Request          *r;
    int               is_our_model;
    Faults           *faults;
    size_t            missing;
} Resolving;

static void resolve_model(void *to)
{
    Resolving *s = to;
    if (s->r->model.text) find_model(s->a, s->p, s->r);
}

static void resolve_motion(void *to)
{
    Resolving *s = to;
    find_motion(s->a, s->p, s->r, s->is_our_model);
}

static void resolve_vae(void *to)
{
    Resolving *s = to;
    find_vae(s->a, s->p, s->r);
}

/* The files of upscalers that the web UI names otherwise. */
static const char *upscaler_file(const char *name)
{
    static const struct { const char *theirs, *file; } names[] = {
        { "R-ESRGAN 4x+", "RealESRGAN_x4plus" },
        { "R-ESRGAN 4x+ Anime6B", "RealESRGAN_x4plus_anime_6B" },
        { "R-ESRGAN 2x+", "RealESRGAN_x2plus" },
        { "R-ESRGAN General 4xV3", "realesr-general-x4v3" },
        { "R-ESRGAN General WDN 4xV3", "realesr-general-wdn-x4v3" },
        { "R-ESRGAN AnimeVideo", "realesr-animevideov3" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same(name, names[i].theirs)) return names[i].file;
    return name;
}

typedef struct { Resolving *all; Name name; const char *path; } ResolvingUpscaler;

static void find_upscaler(void *to)
{
    ResolvingUpscaler *u = to;
    WantedWeights w = { .name = u->name, .kind = UPSCALER_FILE };
    w.name.text = upscaler_file(w.name.text);
    u->path = find_weights(u->all->a, u->all->p, w);
}

/* What needs no file keeps its name.  What the web UI did to a picture after it was drawn is left out where its file is
 * not here. */
static void resolve_upscaler(void *to)
{
    Resolving *s = to;
    Name *name = &s->r->upscaler;
    s->r->job.upscaler = name->text;
    if (upscale_method(name->text) != BY_NETWORK) return;
    ResolvingUpscaler u = { .all = s, .name = *name };
    Faults missing = { 0 };
    if (!strstr(name->label, "ostprocess")) find_upscaler(&u);
    else faults_try(s->a, &missing, find_upscaler, &u);
    s->r->job.upscaler = u.path;
    if (u.path) return;
    search_path_say(s->p, format(s->a, "%.*s; it is left out", (int)strcspn(missing.text, "\n"), missing.text));
    name->text = NULL;
}

/* The same before the second pass; what is no file goes on as the name that it is: "Latent", or one that is not here,
 * which the job tells. */
static void resolve_hires_upscaler(Resolving *s)
{
    Request *r = s->r;
    ResolvingUpscaler u = { .all = s, .name = r->hires_upscaler };
    Faults missing = { 0 };
    if (!u.name.text) return;
    int is_file = upscale_method(u.name.text) == BY_NETWORK && !begins(u.name.text, "Latent");
    if (is_file && r->job.hires > 0) faults_try(s->a, &missing, find_upscaler, &u);
    r->job.hires_upscaler = u.path ? u.path : u.name.text;
}

static void resolve_init(void *to)
{
    Resolving *s = to;
    if (is_named(s->r->init)) s->r->job.init = find_image(s->a, s->p, s->r->init);
}

static void resolve_last(void *to)
{
    Resolving *s = to;
    if (is_named(s->r->last)) s->r->job.last = find_image(s->a, s->p, s->r->last);
}

/* A mask may be a file, or words and numbers that are none. */
static void resolve_mask(void *to)
{
    Resolving *s = to;
    Request *r = s->r;
    int is_file = is_named(r->mask) && !same(r->mask.text, "alpha") && !mask_is_box(r->mask.text);
    if (is_named(r->mask)) r->job.mask = is_file ? find_image(s->a, s->p, r->mask) : r->mask.text;
}

typedef struct { Resolving *all; const LoraName *lora; const char *path; } ResolvingLora;

static void resolve_lora(void *to)
{
    ResolvingLora *l = to;
    l->path = find_lora(l->all->a, l->all->p, l->all->r, l->lora->name);
}

/* Tries to find a file; -1: it is not there.  Names that are not found are collected, so that one message has them
 * all. */
static int try_to_find(Resolving *s, void (*find)(void *to), void *to)
{
    int is_missing = faults_try(s->a, s->faults, find, to);
    if (is_missing) s->missing++;
    return is_missing;
}

/* Where the names were looked for, once for all of them. */
static void tell_where(Resolving *s)
{
    if (!s->missing) return;
    const char *where = format(s->a, "looked in %s; --weights DIR adds a folder", search_path_list(s->a, s->p));
    if (s->missing > 1) where = format(s->a, "\n  %zu files are missing; %s", s->missing, where);
    else where = format(s->a, "; %s", where);
    faults_add_to_last(s->faults, where);
}

static void resolve_merges(void *to)
{
    Resolving *s = to;
    s->r->job.merges = find_supplied(s->a, s->p, "merges.txt");
}

void search_path_try(Arena *a, const SearchPath *p, Request *r, Faults *faults)
{
    static const char unfound[] = "";
    find_model_by_hash(a, p, r);
    Faults found = { 0 };
    Resolving all = { .a = a, .p = p, .r = r, .faults = &found };
    all.is_our_model = !r->model.text && !r->job.model;
    if (all.is_our_model) r->model.text = OUR_MODEL;
    const char **lora = allocate(a, r->tags + r->keys, sizeof *lora);
    if (try_to_find(&all, resolve_model, &all)) r->job.model = unfound;
    if (try_to_find(&all, resolve_motion, &all)) r->job.motion = unfound;
    if (try_to_find(&all, resolve_vae, &all)) r->job.vae = unfound;
    if (try_to_find(&all, resolve_upscaler, &all)) r->job.upscaler = unfound;
    resolve_hires_upscaler(&all);
    if (try_to_find(&all, resolve_init, &all)) r->job.init = unfound;
    if (try_to_find(&all, resolve_last, &all)) r->job.last = unfound;
    if (try_to_find(&all, resolve_mask, &all)) r->job.mask = unfound;
    for (size_t i = 0; i < r->tags + r->keys; i++) {
        ResolvingLora l = { &all, lora_at_place(r, i), NULL };
        lora[i] = try_to_find(&all, resolve_lora, &l) ? NULL : l.path;
    }
    tell_where(&all);
    use_loras(a, r, lora);
    find_embeddings(a, p, r);
    if (!all.missing) tell_unfound(a, p, r);
    if (faults_try(a, &found, resolve_merges, &all)) r->job.merges = unfound;
    if (!p->is_incomplete) faults_add(faults, found.text);
}

void search_path_resolve(Arena *a, const SearchPath *p, Request *r)
{
    Faults faults = { 0 };
    search_path_try(a, p, r, &faults);
    faults_fail(a, &faults);
}
