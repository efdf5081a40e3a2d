/* info.c - what a file of weights is, for people.
 *
 * First a line that would do: "toonyou.safetensors: a Stable Diffusion 1.x checkpoint, 1131 tensors, 2132.6 MB".  Then what
 * can be said of that kind by the rooms that read it, a summary of what kohya's trainer wrote down (dozens of ss_ values and a
 * table of all tags), and at last everything as it is.
 *
 * A file that is of a kind known here but cannot be used is still described; the reason stands in its place.  All that
 * comes out of the file is made printable. */
#include "info.h"

#include "chars.h"
#include "clip.h"
#include "curve.h"
#include "embedding.h"
#include "json.h"
#include "adapter_report.h"
#include "lora.h"
#include "motion.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words of the file ------------------------------------------------------------------------ */

typedef struct { Draft draft; size_t most; } Text;      /* most: bytes of a value of the file, the rest is cut */

static void append(Text *t, const char *words) { draft_add(&t->draft, words); }

/* one line, printable, cut */
static const char *shown(const Text *t, const char *words)
{
    size_t n = strlen(words), cut = n > t->most ? t->most : n;
    char *line = format(t->draft.mem, "%.*s%s", (int)cut, words, n > cut ? "..." : "");
    make_printable(line, "");
    return line;
}

/* ---- how many, of what ------------------------------------------------------------------------ */

/* "1130 F16, 1 I64" */
static const char *types(Arena *a, const WeightFile *f)
{
    size_t count[DTYPES] = { 0 };
    const char *text = "";
    for (size_t i = 0; i < f->count; i++) count[f->weight[i].type]++;
    for (int t = 0; t < DTYPES; t++) if (count[t]) text = format(a, "%s%s%zu %s", text, *text ? ", " : "", count[t], dtype_name((DType)t));
    return text;
}

/* ---- by kind ---------------------------------------------------------------------------------- */

/* "UNet 859.5 million values, text encoder ..., VAE ...; 12 layers, 49408 words" */
static const char *about_model(Arena *a, const WeightFile *f)
{
    static const char *const parts[][2] = { { "unet.", "UNet" }, { "te.", "text encoder" }, { "vae.", "VAE" } };
    const Weights *w = weights_add(a, NULL, f->path, MODEL_FILE);
    const char *text = "";
    for (size_t p = 0; p < 3; p++) {
        double values = 0;
        const Weight *one;
        for (size_t i = 0; (one = weights_at(w, i)); i++) if (!strncmp(one->name, parts[p][0], strlen(parts[p][0]))) values += (double)weight_values(one);
        text = format(a, values > 0 ? "%s%s %.1f million values, " : "%sno %s, ", text, parts[p][1], values / 1e6);
    }
    return format(a, "%s%s, %d words", text, amount(a, (size_t)clip_layers(w), "text layer"), clip_vocabulary(w));
}

static const char *about_motion(Arena *a, const WeightFile *f)
{
    const Weights *w = weights_add(a, NULL, f->path, MOTION_FILE);
    int most = motion_positions(w);
    return format(a, "%s%s", motion_kind_name(motion_kind(w)), most ? format(a, ", up to %d frames at once", most) : "");
}

static const char *about_vae(Arena *a, const WeightFile *f)
{
    const Weights *w = weights_add(a, NULL, f->path, VAE_FILE);
    return weights_find(w, "vae.encoder.conv_in.weight") ? "encoder and decoder" : "decoder only";
}

static const char *about_lora(Arena *a, const WeightFile *f) { return lora_about(a, lora_open(a, &(LoraUse){ f->path, 1, 1 }, 1), 0); }

typedef struct { Arena *a; const WeightFile *f; const char *text; } Ask;

static void ask(void *to)
{
    static const char *(*const about[])(Arena *, const WeightFile *) = {
        [MODEL_FILE] = about_model, [VAE_FILE] = about_vae, [MOTION_FILE] = about_motion, [LORA_FILE] = about_lora,
    };
    Ask *q = to;
    FileKind kind = file_kind(q->f);
    if (kind < sizeof about / sizeof *about && about[kind]) q->text = about[kind](q->a, q->f);
}

/* ---- embeddings ------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *path, *text; } Learned;

/* diffusers calls the only tensor of a file by its token, so any could be one: but then it is few vectors, as wide as a text encoder, and no layer's */
static int like_vectors(const char *name, size_t count, size_t width)
{
    return count <= CHUNK_TOKENS && width && width % 64 == 0 && !strstr(name, ".weight") && !strstr(name, ".bias");
}

static void describe(void *to)
{
    Learned *l = to;
    const Text t = { { .mem = l->a }, 200 };
    const char *name;
    const Weight *w = embedding_read(l->a, l->path, &name);
    size_t width = w->rank ? w->shape[w->rank - 1] : 0, count = width ? weight_values(w) / width : 0;
    if (w->rank < 1 || w->rank > 2 || !dtype_is_float(w->type) || (name && !like_vectors(name, count, width))) return;
    l->text = format(l->a, "a textual inversion embedding, %s of %zu%s%s", amount(l->a, count, "vector"), width, name ? ", called " : "",
                     name ? shown(&t, name) : "");
}

const char *info_embedding(Arena *a, const char *path)
{
    char why[1024];
    Learned l = { a, path, NULL };
    return attempt(a, describe, &l, why) ? NULL : l.text;
}

/* ---- kohya's trainer -------------------------------------------------------------------------- */

static const struct { const char *key, *before, *after; } trained[] = {
    { "ss_sd_model_name", "on ", "" },          { "ss_network_module", "by ", "" },           { "ss_network_dim", "rank ", "" },       { "ss_network_alpha", "alpha ", "" },
    { "ss_num_train_images", "", " pictures" }, { "ss_num_reg_images", "", " class pictures" }, { "ss_resolution", "at ", "" },        { "ss_steps", "", " steps" },
    { "ss_num_epochs", "", " epochs" },         { "ss_optimizer", "", "" },                   { "ss_learning_rate", "rate ", "" },     { "ss_unet_lr", "UNet ", "" },
    { "ss_text_encoder_lr", "text encoder ", "" }, { "ss_lr_scheduler", "", "" },             { "ss_clip_skip", "clip skip ", "" },    { "ss_min_snr_gamma", "min SNR ", "" },
    { "ss_noise_offset", "noise offset ", "" }, { "ss_seed", "seed ", "" },
};

static void how_trained(Text *t, const WeightFile *f)
{
    int said = 0;
    for (size_t i = 0; i < sizeof trained / sizeof *trained; i++) {
        const char *value = file_metadata(f, trained[i].key);
        if (!value || !*value || !strcmp(value, "None") || !strcmp(value, "0")) continue;
        append(t, said++ ? ", " : "trained: ");
        append(t, trained[i].before), append(t, shown(t, value)), append(t, trained[i].after);
    }
    if (said) append(t, "\n");
}

/* how the loss went, where persona's trainer says so */
static void loss_curve(Text *t, const WeightFile *f)
{
    StateSaid s;
    int state = state_said(t->draft.mem, f, &s);
    const char *curve = state ? curve_text(t->draft.mem, s.loss, s.step) : file_metadata(f, "persona_loss"), *said = state ? NULL : file_metadata(f, "ss_steps");
    uint64_t steps = state ? s.step : 0;
    const char *chart = curve && (state || (said && read_whole(said, &steps))) ? curve_chart(t->draft.mem, curve, steps) : NULL;
    if (chart) append(t, chart);
}

typedef struct { const char *name; double count; } Tag;

static int by_count(const void *x, const void *y)
{
    const Tag *a = x, *b = y;
    return a->count > b->count ? -1 : a->count < b->count ? 1 : strcmp(a->name, b->name);
}

static int by_tag(const void *x, const void *y) { return strcmp(((const Tag *)x)->name, ((const Tag *)y)->name); }

/* {"folder": {"tag": count, ...}, ...} -> every tag, with its counts added up */
static Tag *all_tags(Arena *a, const char *path, const char *json, size_t *count)
{
    Json c = json_begin(a, path, "table of tags", (Bytes){ (const unsigned char *)json, strlen(json) });
    size_t most = 1, n = 0, kept = 0;
    for (const char *p = json; *p; p++) most += *p == ':';
    Tag *tag = take(a, most, sizeof *tag);
    json_expect(&c, '{', "it is not an object");
    do {
        if (json_peek(&c) == '}') break;
        json_string(&c), json_expect(&c, ':', "a folder is without tags"), json_expect(&c, '{', "a folder is without tags");
        do {
            if (json_peek(&c) == '}') break;
            const char *name = json_string(&c);
            json_expect(&c, ':', "a tag is without its count");
            const char *number = json_number(&c);
            tag[n++] = (Tag){ name, number ? strtod(number, NULL) : 0 };
        } while (json_next(&c, ','));
        json_expect(&c, '}', "a folder does not end");
    } while (json_next(&c, ','));
    if (n) qsort(tag, n, sizeof *tag, by_tag);
    for (size_t i = 0; i < n; i++) {
        if (kept && !strcmp(tag[kept - 1].name, tag[i].name)) tag[kept - 1].count += tag[i].count;
        else tag[kept++] = tag[i];
    }
    *count = kept;
    return tag;
}

typedef struct { Arena *a; const WeightFile *f; const char *json; Tag *tag; size_t count; } Tagging;

static void count_tags(void *to)
{
    Tagging *g = to;
    g->tag = all_tags(g->a, g->f->path, g->json, &g->count);
    if (g->count) qsort(g->tag, g->count, sizeof *g->tag, by_count);
}

/* the most used first; a table that is broken is passed over, it stands among the metadata anyway */
static void most_used_tags(Text *t, const WeightFile *f)
{
    enum { SHOWN = 12 };
    char why[1024];
    Tagging g = { t->draft.mem, f, file_metadata(f, "ss_tag_frequency"), NULL, 0 };
    if (!g.json || attempt(t->draft.mem, count_tags, &g, why) || !g.count) return;
    for (size_t i = 0; i < g.count && i < SHOWN; i++) append(t, format(t->draft.mem, "%s%s %.0f", i ? ", " : "tags: ", shown(t, g.tag[i].name), g.tag[i].count));
    append(t, g.count > SHOWN ? format(t->draft.mem, " and %zu more\n", g.count - SHOWN) : "\n");
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* one that names its only tensor after its token looks like no kind at all */
static const char *kind_of(Arena *a, const WeightFile *f)
{
    StateSaid s;
    if (state_said(a, f, &s)) return format(a, "a state of training, step %u of %zu, %s", s.step, s.steps, amount(a, s.pictures, "picture"));
    FileKind kind = file_kind(f);
    const char *embedding = kind == EMBEDDING_FILE || kind == UNKNOWN_FILE ? info_embedding(a, f->path) : NULL;
    return embedding ? embedding : file_kind_name(f);
}

static const char *details(Arena *a, const WeightFile *f)
{
    char why[1024];
    Ask q = { a, f, NULL };
    return attempt(a, ask, &q, why) ? format(a, "cannot be used: %s", why) : q.text;
}

const char *info_weights(Arena *a, const WeightFile *f, size_t most)
{
    Text t = { draft(a), most };
    const char *what = kind_of(a, f), *more = details(a, f);
    double bytes = 0;
    for (size_t i = 0; i < f->count; i++) bytes += (double)f->weight[i].bytes;
    append(&t, format(a, "%s: %s, %s (%s), %.1f MB\n", f->path, what, amount(a, f->count, "tensor"), types(a, f), bytes / 1e6));
    if (more) append(&t, format(a, "%s\n", shown(&t, more)));
    how_trained(&t, f);
    loss_curve(&t, f);
    most_used_tags(&t, f);
    for (size_t i = 0; i < f->pairs; i++) append(&t, format(a, "%s: %s\n", shown(&t, f->metadata[i].key), shown(&t, f->metadata[i].value)));
    for (size_t i = 0; i < f->count; i++) {
        const Weight *w = &f->weight[i];
        append(&t, format(a, "%-7s %-20s %s\n", dtype_name(w->type), shape_text(a, w->rank, w->shape), shown(&t, w->name)));
    }
    return t.draft.text;
}
