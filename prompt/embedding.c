/* embedding.c - textual inversion: files, names and vectors.
 *
 *     web UI, .pt          {"string_to_param": {"*": [n,width]}, ...}
 *     kohya, .safetensors  emb_params [n,width]
 *     diffusers            one tensor [n,width] or [width], whose name is the token that it is used by
 *     web UI, .png         a picture with the embedding inside, see embedding_image.h
 *     ComfyUI              clip_l [n,width]; with a clip_g beside it, it is one for SDXL
 *     inside a LoRA        all of these behind bundle_emb.NAME. (LyCORIS)
 *
 * Names are compared as tokens: "EasyNegative" matches easynegative, and a name inside a longer word does not
 * match.  All files are opened, because some of them state their token themselves.  A file that cannot be used is
 * an error only when a prompt names it, so a folder of embeddings may hold anything.  The vectors of a file get
 * their ids when it is first matched; the vectors of files that are not matched are never read. */
#include "embedding.h"

#include "chars.h"
#include "clip.h"
#include "embedding_image.h"

#include <math.h>
#include <string.h>

enum { MOST_VECTORS = 75 };             /* in a chunk; an embedding is never split */
enum { UNUSED = -1 };
static const char BUNDLE[] = "bundle_emb.";

typedef struct {
    const char   *path;
    const char   *name;                 /* as it was matched last */
    const char   *namesake;             /* the path of another file with that name, which is not used; or NULL */
    int           is_bundled;           /* inside a LoRA */
    const Weight *vectors;              /* NULL: the file cannot be used, for this reason: */
    const char   *why;
    size_t        count;                /* of vectors */
    int           row;                  /* of its first vector among those in use, or UNUSED */
} Embedding;

typedef struct { Tokens tokens; const char *name; Embedding *embedding; } Trigger;

struct Embeddings {
    Trigger   *trigger;                 /* names; those of more tokens first */
    size_t     triggers;
    Embedding *embedding;
    size_t     count;
    size_t     width;
    int        vocabulary, rows;
    Faults    *faults;                  /* see embeddings_collect(); or NULL */
};

/* ---- files ------------------------------------------------------------------------------------ */

/* The tensor of vectors in a file of weights.  name: its token, where the file states one. */
static const Weight *from_weights(Arena *a, const WeightFile *f, const char **name)
{
    const Weight *kohya = file_weight(f, "emb_params");
    if (kohya) return kohya;
    for (size_t i = 0; i < f->count; i++)
        if (begins(f->weight[i].name, "string_to_param.")) return &f->weight[i];
    if (file_weight(f, "clip_g"))
        fail(a, "%s: this embedding is for SDXL, expected one for Stable Diffusion 1.x", f->path);
    const Weight *clip_l = file_weight(f, "clip_l");
    if (clip_l) return clip_l;
    if (f->count != 1)
        fail(a, "%s: expected an embedding, found %s with %zu tensors", f->path, file_kind_name(f), f->count);
    *name = f->weight[0].name;
    return &f->weight[0];
}

const Weight *embedding_read(Arena *a, const char *path, const char **name)
{
    Bytes bytes = file_map(a, path);
    *name = NULL;
    if (has_bytes_at(bytes, 0, "\x89PNG\r\n\x1a\n", 8)) return embedding_image_read(a, path, bytes, name);
    return from_weights(a, weights_open(a, path), name);
}

static void check_vectors(Arena *a, Embedding *e, size_t model_width, const Weight *w)
{
    size_t width = w->rank ? w->shape[w->rank - 1] : 0;
    size_t count = w->rank == 2 ? w->shape[0] : 1;
    if ((w->rank != 1 && w->rank != 2) || !dtype_is_float(w->type))
        fail(a, "%s: %s is %s of type %s, expected an embedding of [vectors,%zu]", e->path, w->name,
             shape_text(a, w), dtype_name(w->type), model_width);
    if (width != model_width) {
        const char *hint = "";
        if (width == 1024) hint = ": it is for Stable Diffusion 2";
        if (width == 1280) hint = ": it is for SDXL";
        fail(a, "%s: this embedding's vectors are %zu wide, but the model's are %zu%s", e->path, width, model_width,
             hint);
    }
    if (!count || count > MOST_VECTORS)
        fail(a, "%s: this embedding has %zu vectors, expected 1 to %d", e->path, count, MOST_VECTORS);
    e->vectors = w;
    e->count = count;
}

/* What attempt() needs to open a file, or to check what a LoRA carries. */
typedef struct {
    Arena            *a;
    Embedding        *to;
    size_t            width;
    const WeightFile *bundled;          /* inside a LoRA; NULL for a file of its own */
    const char       *name;             /* out: the name that the file states, or NULL */
} Opening;

static void open_vectors(void *opening)
{
    Opening *o = opening;
    const Weight *w;
    if (o->bundled) w = from_weights(o->a, o->bundled, &o->name);
    else w = embedding_read(o->a, o->to->path, &o->name);
    check_vectors(o->a, o->to, o->width, w);
}

/* Keeps the reason of a failure for the prompt that names this embedding. */
static void try_to_open(Opening *o)
{
    char why[MESSAGE];
    if (!attempt(o->a, open_vectors, o, why)) return;
    o->to->why = format(o->a, "%s", why);
    o->name = NULL;
}

/* Adds a name behind those of as many tokens or more. */
static void add_trigger(Arena *a, Embeddings *e, const Tokenizer *t, const char *name, Embedding *embedding)
{
    Tokens tokens = tokenize(a, t, name, strlen(name));
    if (!tokens.count) return;
    size_t i = e->triggers++;
    for (; i > 0 && e->trigger[i - 1].tokens.count < tokens.count; i--) e->trigger[i] = e->trigger[i - 1];
    e->trigger[i] = (Trigger){ .tokens = tokens, .name = name, .embedding = embedding };
}

static void add_file(Arena *a, Embeddings *e, const Tokenizer *t, Embedding *to, const char *path)
{
    Opening o = { .a = a, .to = to, .width = e->width };
    *to = (Embedding){ .path = path, .row = UNUSED };
    try_to_open(&o);
    add_trigger(a, e, t, without_extension(a, file_name(path)), to);
    if (o.name) add_trigger(a, e, t, o.name, to);
}

/* The bytes of "bundle_emb.NAME." that a tensor's name begins with, or 0.  NAME ends at the first dot. */
static size_t bundle_prefix(const char *tensor)
{
    if (!begins(tensor, BUNDLE)) return 0;
    const char *dot = strchr(tensor + strlen(BUNDLE), '.');
    return dot ? (size_t)(dot + 1 - tensor) : 0;
}

/* The tensors of an embedding inside a LoRA, from lora->weight[first] on, as the file that they once were: without the
 * prefix in front of their names.  They stand together, as the table is sorted. */
static WeightFile *bundled_file(Arena *a, const WeightFile *lora, size_t first, size_t prefix)
{
    WeightFile *f = allocate(a, 1, sizeof *f);
    const char *bundle = lora->weight[first].name;
    *f = (WeightFile){ .path = lora->path, .weight = allocate(a, lora->count - first, sizeof *f->weight) };
    for (size_t i = first; i < lora->count && !strncmp(lora->weight[i].name, bundle, prefix); i++) {
        f->weight[f->count] = lora->weight[i];
        f->weight[f->count++].name += prefix;
    }
    return f;
}

/* LyCORIS puts the files of embeddings into a LoRA, each tensor behind the embedding's name. */
static void add_bundles(Arena *a, Embeddings *e, const Tokenizer *t, const WeightFile *lora)
{
    size_t i = 0;
    while (i < lora->count) {
        const char *tensor = lora->weight[i].name;
        size_t prefix = bundle_prefix(tensor);
        if (!prefix) {
            i++;
            continue;
        }
        const char *name = copy(a, tensor + strlen(BUNDLE), prefix - strlen(BUNDLE) - 1);
        Embedding *to = &e->embedding[e->count++];
        Opening o = { .a = a, .to = to, .width = e->width, .bundled = bundled_file(a, lora, i, prefix) };
        *to = (Embedding){ .path = lora->path, .name = name, .is_bundled = 1, .row = UNUSED };
        try_to_open(&o);
        add_trigger(a, e, t, name, to);
        i += o.bundled->count;
    }
}

Embeddings *embeddings_open(Arena *a, const Tokenizer *t, const char *const *path, size_t count,
                            const char *const *lora, size_t loras, const Weights *model)
{
    Embeddings *e = allocate(a, 1, sizeof *e);
    const WeightFile **bundle = allocate(a, loras, sizeof *bundle);
    size_t room = count;
    for (size_t i = 0; i < loras; i++) {
        bundle[i] = weights_open(a, lora[i]);
        room += bundle[i]->count;
    }
    *e = (Embeddings){ .count = count, .width = (size_t)clip_width(model), .vocabulary = clip_vocabulary(model) };
    e->trigger = allocate(a, 2 * room, sizeof *e->trigger);
    e->embedding = allocate(a, room, sizeof *e->embedding);
    for (size_t i = 0; i < count; i++) add_file(a, e, t, &e->embedding[i], path[i]);
    for (size_t i = 0; i < loras; i++) add_bundles(a, e, t, bundle[i]);
    return e;
}

/* ---- use -------------------------------------------------------------------------------------- */

static int same_tokens(Tokens a, Tokens b)
{
    return a.count == b.count && !memcmp(a.id, b.id, a.count * sizeof *a.id);
}

/* Another file with the same name as the one that a prompt's words are taken for. */
static const char *find_namesake(const Embeddings *e, const Trigger *taken)
{
    for (const Trigger *t = taken + 1; t < e->trigger + e->triggers; t++)
        if (t->embedding != taken->embedding && same_tokens(t->tokens, taken->tokens)) return t->embedding->path;
    return NULL;
}

static int begins_with_name(const int *id, size_t count, Tokens name)
{
    return name.count <= count && !memcmp(name.id, id, name.count * sizeof *id);
}

/* Why an embedding that a prompt names cannot be used; NULL when it can. */
static const char *why_unusable(Arena *a, const Embedding *e, const char *name)
{
    const Weight *w = e->vectors;
    if (!w) return e->why;
    for (size_t i = 0; i < weight_numel(w); i++)
        if (!isfinite(dtype_value(w->data, w->type, i)))
            return format(a, "%s: the embedding %s holds numbers that are not finite: the file is broken; download it "
                             "again", e->path, name);
    return NULL;
}

void embeddings_collect(Embeddings *e, Faults *faults)
{
    e->faults = faults;
}

EmbeddingMatch embeddings_match(Arena *a, Embeddings *e, const int *id, size_t count)
{
    const Trigger *t = e->trigger, *end = e->trigger + e->triggers;
    while (t < end && !begins_with_name(id, count, t->tokens)) t++;
    if (t == end) return (EmbeddingMatch){ 0 };
    Embedding *found = t->embedding;
    const char *why = found->row == UNUSED ? why_unusable(a, found, t->name) : NULL;
    if (why && !e->faults) fail(a, "%s", why);
    if (why) {
        faults_add(e->faults, why);
        return (EmbeddingMatch){ 0 };
    }
    if (found->row == UNUSED) {
        found->row = e->rows;
        e->rows += (int)found->count;
    }
    found->name = t->name;
    found->namesake = find_namesake(e, t);
    return (EmbeddingMatch){
        .tokens = t->tokens.count,
        .id = e->vocabulary + found->row,
        .vectors = (int)found->count,
    };
}

const float *embeddings_rows(Arena *a, const Embeddings *e)
{
    float *x = allocate(a, (size_t)e->rows * e->width, sizeof *x);
    for (size_t i = 0; i < e->count; i++) {
        const Embedding *m = &e->embedding[i];
        if (m->row == UNUSED) continue;
        float *row = x + (size_t)m->row * e->width;
        for (size_t k = 0; k < m->count * e->width; k++) row[k] = dtype_value(m->vectors->data, m->vectors->type, k);
    }
    return x;
}

/* A LoRA's own embedding is meant to be used with it. */
static void report_unused_bundle(Arena *a, const Embedding *e, void (*say)(void *to, const char *line), void *to)
{
    const char *why = "to use it too, write its name into the prompt";
    if (!e->vectors) why = format(a, "it cannot be used: %s", e->why);
    say(to, format(a, "%s carries the embedding %s: %s", e->path, quoted(a, e->name), why));
}

void embeddings_report(Arena *a, const Embeddings *e, void (*say)(void *to, const char *line), void *to)
{
    for (size_t i = 0; i < e->count && say; i++) {
        const Embedding *m = &e->embedding[i];
        if (m->row == UNUSED && m->is_bundled) report_unused_bundle(a, m, say, to);
        if (m->row == UNUSED) continue;
        say(to, format(a, "embedding %s: %s, %s", m->name, amount(a, (size_t)m->count, "vector"), m->path));
        if (m->namesake)
            say(to, format(a, "warning: %s has the name %s too and is not used; rename one of them", m->namesake,
                           quoted(a, m->name)));
    }
}
