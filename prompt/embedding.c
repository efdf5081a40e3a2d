/* embedding.c - textual inversion.
 *
 *     web UI, .pt          {"string_to_param": {"*": [n,width]}, ...}
 *     kohya, .safetensors  emb_params [n,width]
 *     diffusers            one tensor [n,width] or [width], whose name is the token that it is used by
 *     web UI, .png         a picture of what it makes, see painted.h
 *     within a LoRA        bundle_emb.NAME.string_to_param.* [n,width]
 *
 * Names are compared as tokens, so "EasyNegative" is easynegative, and a name within a longer word is none.  All files are opened,
 * for some say their token themselves, but those that no prompt names may be anything.  A file's vectors get their ids when it
 * is first matched; those of the rest are never read. */
#include "embedding.h"

#include "chars.h"
#include "clip.h"
#include "painted.h"

#include <string.h>

enum { MOST_VECTORS = 75 };             /* in a chunk, which is never split */

typedef struct {
    const char   *path, *name;          /* name: as it was matched last */
    const char   *namesake;             /* another file of that name, which is not used; NULL: none */
    const Weight *vectors;              /* NULL: unusable, and why */
    const char   *why;
    size_t        count;
    int           row;                  /* the first of its vectors among those in use; -1: not used */
} Learned;

typedef struct { Tokens tokens; const char *name; Learned *learned; } Trigger;

struct Embeddings {
    Trigger *trigger;                   /* longest first */
    Learned *learned;
    size_t   triggers, count, width;
    int      vocabulary, rows;
};

/* ---- files ------------------------------------------------------------------------------------ */

/* the tensor of a file of weights; name: its token, where the file says one */
static const Weight *from_weights(Arena *a, const WeightFile *f, const char **name)
{
    static const char web_ui[] = "string_to_param.";
    const Weight *w = file_weight(f, "emb_params");
    for (size_t i = 0; i < f->count && !w; i++) if (begins(f->weight[i].name, web_ui)) w = &f->weight[i];
    if (w) return w;
    if (file_weight(f, "clip_g")) fail(a, "%s: this embedding is for SDXL, expected one for Stable Diffusion 1.x", f->path);
    if (f->count != 1) fail(a, "%s: expected an embedding, found %s with %zu tensors", f->path, file_kind_name(f), f->count);
    *name = f->weight[0].name;
    return &f->weight[0];
}

const Weight *embedding_read(Arena *a, const char *path, const char **name)
{
    Bytes bytes = file_map(a, path);
    *name = NULL;
    if (stands_at(bytes, 0, "\x89PNG\r\n\x1a\n", 8)) return painted_embedding(a, path, bytes, name);
    return from_weights(a, weights_open(a, path), name);
}

typedef struct { Arena *a; Learned *to; size_t width; const char *name; } Opening;

static void check_vectors(const Opening *o, const Weight *w)
{
    Arena *a = o->a;
    const char *path = o->to->path;
    size_t width = w->rank ? w->shape[w->rank - 1] : 0, count = w->rank == 2 ? w->shape[0] : 1;
    if ((w->rank != 1 && w->rank != 2) || !dtype_is_float(w->type))
        fail(a, "%s: %s is %s of type %s, expected an embedding of [vectors,%zu]", path, w->name, shape_text(a, w->rank, w->shape), dtype_name(w->type), o->width);
    if (width != o->width)
        fail(a, "%s: this embedding's vectors are %zu wide, but the model's are %zu%s", path, width, o->width,
             width == 1024 ? ": it is for Stable Diffusion 2" : width == 1280 ? ": it is for SDXL" : "");
    if (!count || count > MOST_VECTORS) fail(a, "%s: this embedding has %zu vectors, expected 1 to %d", path, count, MOST_VECTORS);
    o->to->vectors = w, o->to->count = count;
}

static void open_file(void *to)
{
    Opening *o = to;
    check_vectors(o, embedding_read(o->a, o->to->path, &o->name));
}

typedef struct { Opening opening; const Weight *weight; } Bundled;

static void open_bundled(void *to) { check_vectors(&((Bundled *)to)->opening, ((Bundled *)to)->weight); }

static void add_trigger(Arena *a, Embeddings *e, const Tokenizer *t, const char *name, Learned *learned)
{
    Tokens tokens = tokenize(a, t, name, strlen(name));
    size_t i = e->triggers;
    if (!tokens.count) return;
    for (e->triggers++; i > 0 && e->trigger[i - 1].tokens.count < tokens.count; i--) e->trigger[i] = e->trigger[i - 1];
    e->trigger[i] = (Trigger){ tokens, name, learned };
}

/* the next tensor of an embedding that a LoRA carries, NULL when there is none; name: the embedding's, which ends at a dot */
static const Weight *next_bundled(Arena *a, const WeightFile *f, size_t *i, const char **name)
{
    static const char bundle[] = "bundle_emb.", web_ui[] = ".string_to_param.";
    while (*i < f->count) {
        const Weight *w = &f->weight[(*i)++];
        const char *s = begins(w->name, bundle) ? w->name + strlen(bundle) : "", *end = strchr(s, '.');
        if (!end || !begins(end, web_ui)) continue;
        *name = copy(a, s, (size_t)(end - s));
        return w;
    }
    return NULL;
}

static void add_bundle(Arena *a, Embeddings *e, const Tokenizer *t, const WeightFile *f)
{
    const char *name;
    const Weight *w;
    for (size_t i = 0; (w = next_bundled(a, f, &i, &name)); ) {
        char why[1024];
        Learned *l = &e->learned[e->count++];
        Bundled b = { { a, l, e->width, NULL }, w };
        *l = (Learned){ .path = f->path, .row = -1 };
        if (attempt(a, open_bundled, &b, why)) l->why = format(a, "%s", why);
        add_trigger(a, e, t, name, l);
    }
}

Embeddings *embeddings_open(Arena *a, const Tokenizer *t, const char *const *path, size_t count, const char *const *lora, size_t loras, const Weights *model)
{
    Embeddings *e = take(a, 1, sizeof *e);
    const WeightFile **bundle = take(a, loras, sizeof *bundle);
    size_t room = count;
    for (size_t i = 0; i < loras; i++) bundle[i] = weights_open(a, lora[i]), room += bundle[i]->count;
    *e = (Embeddings){ take(a, 2 * room, sizeof *e->trigger), take(a, room, sizeof *e->learned), 0, count, (size_t)clip_width(model), clip_vocabulary(model), 0 };
    for (size_t i = 0; i < count; i++) {
        char why[1024];
        Learned *l = &e->learned[i];
        Opening o = { a, l, e->width, NULL };
        *l = (Learned){ .path = path[i], .row = -1 };
        if (attempt(a, open_file, &o, why)) l->why = format(a, "%s", why), o.name = NULL;
        add_trigger(a, e, t, without_ending(a, file_name(path[i])), l);
        if (o.name) add_trigger(a, e, t, o.name, l);
    }
    for (size_t i = 0; i < loras; i++) add_bundle(a, e, t, bundle[i]);
    return e;
}

/* ---- use -------------------------------------------------------------------------------------- */

static int alike(Tokens a, Tokens b) { return a.count == b.count && !memcmp(a.id, b.id, a.count * sizeof *a.id); }

/* another file that the prompt's words could mean as well as the one that they are taken for */
static const char *namesake(const Embeddings *e, const Trigger *taken)
{
    for (const Trigger *t = taken + 1; t < e->trigger + e->triggers; t++)
        if (t->learned != taken->learned && alike(t->tokens, taken->tokens)) return t->learned->path;
    return NULL;
}

EmbeddingMatch embeddings_match(Arena *a, Embeddings *e, const int *id, size_t count)
{
    for (size_t i = 0; i < e->triggers; i++) {
        const Trigger *t = &e->trigger[i];
        if (t->tokens.count > count || memcmp(t->tokens.id, id, t->tokens.count * sizeof *id)) continue;
        Learned *l = t->learned;
        if (!l->vectors) fail(a, "%s", l->why);
        if (l->row < 0) l->row = e->rows, e->rows += (int)l->count;
        l->name = t->name, l->namesake = namesake(e, t);
        return (EmbeddingMatch){ t->tokens.count, e->vocabulary + l->row, (int)l->count };
    }
    return (EmbeddingMatch){ 0 };
}

const float *embeddings_rows(Arena *a, const Embeddings *e)
{
    float *x = take(a, (size_t)e->rows * e->width, sizeof *x);
    for (size_t i = 0; i < e->count; i++) {
        const Learned *l = &e->learned[i];
        for (size_t k = 0; l->row >= 0 && k < l->count * e->width; k++) x[(size_t)l->row * e->width + k] = dtype_value(l->vectors->data, l->vectors->type, k);
    }
    return x;
}

void embeddings_report(Arena *a, const Embeddings *e, void (*say)(void *to, const char *line), void *to)
{
    for (size_t i = 0; i < e->count && say; i++) {
        const Learned *l = &e->learned[i];
        if (l->row < 0) continue;
        say(to, format(a, "embedding %s: %s, %s", l->name, amount(a, (size_t)l->count, "vector"), l->path));
        if (l->namesake) say(to, format(a, "warning: %s has the name %s too and is not used; rename one of them", l->namesake, quoted(a, l->name)));
    }
}
