/* info.c - describes a weight file to people.
 *
 * The first line is the summary: "toonyou.safetensors: a Stable Diffusion 1.x checkpoint, 1131 tensors, 2132.6 MB".
 * Then come the details of this kind of file, a summary of what kohya's trainer wrote down (dozens of ss_ values
 * and a table of all tags), and at last all metadata and tensors as they are.
 *
 * A file that is of a known kind but cannot be used is described too; the reason stands where its details would be.
 *
 * All words that come out of the file are cut to a length and made printable: a terminal must not obey them. */
#include "info.h"

#include "adapter_report.h"
#include "chars.h"
#include "clip.h"
#include "curve.h"
#include "embedding.h"
#include "foreign_metadata.h"
#include "json.h"
#include "lora.h"
#include "motion.h"
#include "training_state.h"

#include <stdlib.h>
#include <string.h>


/* ---- words of the file ------------------------------------------------------------------------ */

/* The description so far.  most: bytes of the file's words that a line shows */
typedef struct { StringBuilder draft; size_t most; } Text;

static void append(Text *t, const char *words) { string_builder_add(&t->draft, words); }

/* Makes words of the file printable, on one line, and cuts them after `most` bytes. */
static const char *printable_words(Arena *a, const char *words, size_t most)
{
    size_t n = strlen(words);
    char *line = n > most ? format(a, "%.*s...", (int)most, words) : format(a, "%s", words);
    make_printable(line, "");
    return line;
}

static const char *shown(const Text *t, const char *words) { return printable_words(t->draft.mem, words, t->most); }

/* ---- the first line --------------------------------------------------------------------------- */

/* Says how many tensors there are of each dtype: "1130 F16, 1 I64". */
static const char *dtype_counts(Arena *a, const WeightFile *f)
{
    size_t count[DTYPES] = { 0 };
    const char *text = "";
    for (size_t i = 0; i < f->count; i++) count[f->weight[i].type]++;
    for (int t = 0; t < DTYPES; t++) {
        if (!count[t]) continue;
        const char *comma = *text ? ", " : "";
        text = format(a, "%s%s%zu %s", text, comma, count[t], dtype_name((DType)t));
    }
    return text;
}

static double megabytes(const WeightFile *f)
{
    double bytes = 0;
    for (size_t i = 0; i < f->count; i++) bytes += (double)f->weight[i].bytes;
    return bytes / 1e6;
}

/* ---- details of each kind --------------------------------------------------------------------- */

static double parameters(const Weights *w, const char *prefix)
{
    double sum = 0;
    size_t i = 0;
    const Weight *one;
    while ((one = weights_at(w, i++)))
        if (!strncmp(one->name, prefix, strlen(prefix))) sum += (double)weight_numel(one);
    return sum;
}

/* Says "UNet 859.5 million values, text encoder ..., VAE ..., 12 text layers, 49408 words". */
static const char *about_model(Arena *a, const WeightFile *f)
{
    static const struct { const char *prefix, *name; } parts[] = {
        { "unet.", "UNet" },
        { "te.", "text encoder" },
        { "vae.", "VAE" },
    };
    const Weights *w = weights_add(a, NULL, f->path, MODEL_FILE);
    const char *text = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double values = parameters(w, parts[i].prefix);
        if (values > 0) text = format(a, "%s%s %.1f million values, ", text, parts[i].name, values / 1e6);
        else            text = format(a, "%sno %s, ", text, parts[i].name);
    }
    const char *layers = amount(a, (size_t)clip_layers(w), "text layer");
    return format(a, "%s%s, %d words", text, layers, clip_vocabulary(w));
}

static const char *about_motion(Arena *a, const WeightFile *f)
{
    const Weights *w = weights_add(a, NULL, f->path, MOTION_FILE);
    const char *name = motion_kind_name(motion_kind(w));
    int frames = motion_positions(w);
    if (!frames) return name;
    return format(a, "%s, up to %d frames at once", name, frames);
}

static const char *about_vae(Arena *a, const WeightFile *f)
{
    const Weights *w = weights_add(a, NULL, f->path, VAE_FILE);
    return weights_find(w, "vae.encoder.conv_in.weight") ? "encoder and decoder" : "decoder only";
}

static const char *about_lora(Arena *a, const WeightFile *f)
{
    LoraUse use = { .path = f->path, .text = 1, .unet = 1 };
    return lora_about(a, lora_open(a, &use, 1), 0);
}

typedef struct { Arena *a; const WeightFile *f; const char *text; } Details;

static void find_details(void *to)
{
    Details *d = to;
    switch (file_kind(d->f)) {
    case MODEL_FILE:  d->text = about_model(d->a, d->f); break;
    case VAE_FILE:    d->text = about_vae(d->a, d->f); break;
    case MOTION_FILE: d->text = about_motion(d->a, d->f); break;
    case LORA_FILE:   d->text = about_lora(d->a, d->f); break;
    default:          break;
    }
}

/* Says what is particular to the kind of f, or why f cannot be used.  Returns NULL when there is nothing to say. */
static const char *details(Arena *a, const WeightFile *f)
{
    char why[MESSAGE];
    Details d = { .a = a, .f = f };
    if (attempt(a, find_details, &d, why)) return format(a, "cannot be used: %s", why);
    return d.text;
}

/* ---- embeddings ------------------------------------------------------------------------------- */

typedef struct { Arena *a; const char *path, *text; } EmbeddingText;

/* diffusers names the only tensor of such a file by its token, so any file of one tensor could be an embedding.  It
 * counts as one when it has few vectors, as wide as a text encoder can be, and is not named like a layer's tensor. */
static int like_vectors(const char *name, size_t count, size_t width)
{
    if (count > CHUNK_TOKENS) return 0;
    if (!width || width % 64) return 0;
    return !strstr(name, ".weight") && !strstr(name, ".bias");
}

static void describe_embedding(void *to)
{
    enum { LONGEST_NAME = 200 };
    EmbeddingText *t = to;
    const char *name;
    const Weight *w = embedding_read(t->a, t->path, &name);
    if (w->rank < 1 || w->rank > 2 || !dtype_is_float(w->type)) return;
    size_t width = w->shape[w->rank - 1];
    size_t count = width ? weight_numel(w) / width : 0;
    if (name && !like_vectors(name, count, width)) return;
    const char *called = name ? format(t->a, ", called %s", printable_words(t->a, name, LONGEST_NAME)) : "";
    t->text = format(t->a, "a textual inversion embedding, %s of %zu%s", amount(t->a, count, "vector"), width, called);
}

const char *info_embedding(Arena *a, const char *path)
{
    char why[MESSAGE];
    EmbeddingText t = { .a = a, .path = path };
    if (attempt(a, describe_embedding, &t, why)) return NULL;
    return t.text;
}

/* A file may also be a saved state of training.  And file_kind does not know an embedding whose only tensor is named by
 * its token. */
static const char *kind_of(Arena *a, const WeightFile *f)
{
    TrainingStateInfo s;
    if (training_state_info(a, f, &s))
        return format(a, "a state of training, step %u of %zu, %s", s.step, s.steps, amount(a, s.pictures, "picture"));
    FileKind kind = file_kind(f);
    const char *embedding = NULL;
    if (kind == EMBEDDING_FILE || kind == UNKNOWN_FILE) embedding = info_embedding(a, f->path);
    return embedding ? embedding : file_kind_name(f);
}

/* ---- how it was trained ----------------------------------------------------------------------- */

/* The metadata of kohya's trainer that the summary shows, each between two words of ours. */
static const struct { const char *key, *before, *after; } kohya[] = {
    { .key = "ss_sd_model_name",    .before = "on ",           .after = "" },
    { .key = "ss_network_module",   .before = "by ",           .after = "" },
    { .key = "ss_network_dim",      .before = "rank ",         .after = "" },
    { .key = "ss_network_alpha",    .before = "alpha ",        .after = "" },
    { .key = "ss_num_train_images", .before = "",              .after = " pictures" },
    { .key = "ss_num_reg_images",   .before = "",              .after = " class pictures" },
    { .key = "ss_resolution",       .before = "at ",           .after = "" },
    { .key = "ss_steps",            .before = "",              .after = " steps" },
    { .key = "ss_num_epochs",       .before = "",              .after = " epochs" },
    { .key = "ss_optimizer",        .before = "",              .after = "" },
    { .key = "ss_learning_rate",    .before = "rate ",         .after = "" },
    { .key = "ss_unet_lr",          .before = "UNet ",         .after = "" },
    { .key = "ss_text_encoder_lr",  .before = "text encoder ", .after = "" },
    { .key = "ss_lr_scheduler",     .before = "",              .after = "" },
    { .key = "ss_clip_skip",        .before = "clip skip ",    .after = "" },
    { .key = "ss_min_snr_gamma",    .before = "min SNR ",      .after = "" },
    { .key = "ss_noise_offset",     .before = "noise offset ", .after = "" },
    { .key = "ss_seed",             .before = "seed ",         .after = "" },
};
enum { KOHYA_KEYS = sizeof kohya / sizeof *kohya };

/* kohya's trainer writes all of its settings down, also those that were not used. */
static int is_set(const char *value) { return value && *value && strcmp(value, "None") && strcmp(value, "0"); }

/* Appends "trained: on v1-5.safetensors, rank 16, ...". */
static void training_settings(Text *t, const WeightFile *f)
{
    int count = 0;
    for (size_t i = 0; i < KOHYA_KEYS; i++) {
        const char *value = file_metadata(f, kohya[i].key);
        if (!is_set(value)) continue;
        append(t, count++ ? ", " : "trained: ");
        append(t, kohya[i].before);
        append(t, shown(t, value));
        append(t, kohya[i].after);
    }
    if (count) append(t, "\n");
}

/* Draws how the loss went, in a saved state of training, or in a LoRA that persona has trained; else returns NULL. */
static const char *loss_chart(Arena *a, const WeightFile *f)
{
    TrainingStateInfo s;
    if (training_state_info(a, f, &s)) {
        const char *curve = curve_text(a, s.loss, s.step);
        return curve ? curve_chart(a, curve, s.step) : NULL;
    }
    uint64_t steps;
    const char *curve = file_metadata(f, "persona_loss");
    const char *said = file_metadata(f, "ss_steps");
    if (!curve || !said || !read_whole(said, &steps)) return NULL;
    return curve_chart(a, curve, steps);
}

/* ---- tags of the captions --------------------------------------------------------------------- */

typedef struct { const char *name; double count; } Tag;

/* The order is: the most frequent first, then by name. */
static int by_count(const void *x, const void *y)
{
    const Tag *a = x;
    const Tag *b = y;
    if (a->count > b->count) return -1;
    if (a->count < b->count) return 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y)
{
    const Tag *a = x;
    const Tag *b = y;
    return strcmp(a->name, b->name);
}

/* Reads "folder": {"tag": count, ...} and appends its tags. */
static void read_folder(Json *c, Tag *tag, size_t *count)
{
    json_string(c);
    json_expect(c, ':', "a folder is without tags");
    json_expect(c, '{', "a folder is without tags");
    do {
        if (json_peek(c) == '}') break;
        const char *name = json_string(c);
        json_expect(c, ':', "a tag is without its count");
        const char *number = json_number(c);
        tag[(*count)++] = (Tag){ name, number ? strtod(number, NULL) : 0 };
    } while (json_accept(c, ','));
    json_expect(c, '}', "a folder does not end");
}

/* Adds up the counts of tags that are there several times; returns how many tags are left, sorted by name. */
static size_t merge_same(Tag *tag, size_t count)
{
    size_t kept = 0;
    if (count) qsort(tag, count, sizeof *tag, by_name);
    for (size_t i = 0; i < count; i++) {
        if (kept && !strcmp(tag[kept - 1].name, tag[i].name)) tag[kept - 1].count += tag[i].count;
        else tag[kept++] = tag[i];
    }
    return kept;
}

/* Reads {"folder": {"tag": count, ...}, ...} and writes how many different tags there are. */
static Tag *all_tags(Arena *a, const char *path, const char *json, size_t *count)
{
    Bytes text = { (const unsigned char *)json, strlen(json) };
    Json c = json_begin(a, path, "table of tags", text);
    size_t most = 1;
    for (const char *p = json; *p; p++)
        if (*p == ':') most++;
    Tag *tag = allocate(a, most, sizeof *tag);
    size_t n = 0;
    json_expect(&c, '{', "it is not an object");
    do {
        if (json_peek(&c) == '}') break;
        read_folder(&c, tag, &n);
    } while (json_accept(&c, ','));
    *count = merge_same(tag, n);
    return tag;
}

typedef struct { Arena *a; const WeightFile *f; const char *json; Tag *tag; size_t count; } TagTable;

static void read_tags(void *to)
{
    TagTable *t = to;
    t->tag = all_tags(t->a, t->f->path, t->json, &t->count);
    if (t->count) qsort(t->tag, t->count, sizeof *t->tag, by_count);
}

/* Appends "tags: red hair 12, smiling 9 and 40 more".  A broken table is passed over, as the metadata show it too. */
static void most_used_tags(Text *t, const WeightFile *f)
{
    enum { SHOWN = 12 };
    char why[MESSAGE];
    Arena *a = t->draft.mem;
    TagTable table = { .a = a, .f = f, .json = file_metadata(f, "ss_tag_frequency") };
    if (!table.json || attempt(a, read_tags, &table, why) || !table.count) return;
    for (size_t i = 0; i < table.count && i < SHOWN; i++) {
        append(t, i ? ", " : "tags: ");
        append(t, format(a, "%s %.0f", shown(t, table.tag[i].name), table.tag[i].count));
    }
    if (table.count > SHOWN) append(t, format(a, " and %zu more", table.count - SHOWN));
    append(t, "\n");
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void all_metadata(Text *t, const WeightFile *f)
{
    for (size_t i = 0; i < f->pairs; i++) {
        append(t, shown(t, f->metadata[i].key));
        append(t, ": ");
        append(t, shown(t, f->metadata[i].value));
        append(t, "\n");
    }
}

static void all_tensors(Text *t, const WeightFile *f)
{
    Arena *a = t->draft.mem;
    for (size_t i = 0; i < f->count; i++) {
        const Weight *w = &f->weight[i];
        const char *shape = shape_text(a, w);
        append(t, format(a, "%-7s %-20s %s\n", dtype_name(w->type), shape, shown(t, w->name)));
    }
}

const char *info_weights(Arena *a, const WeightFile *f, size_t most)
{
    Text t = { string_builder(a), most };
    const char *kind = kind_of(a, f);
    const char *more = details(a, f);
    append(&t, format(a, "%s: %s, %s (%s), %.1f MB\n",
                      f->path, kind, amount(a, f->count, "tensor"), dtype_counts(a, f), megabytes(f)));
    if (more) append(&t, format(a, "%s\n", shown(&t, more)));
    training_settings(&t, f);
    const char *chart = loss_chart(a, f);
    if (chart) append(&t, chart);
    most_used_tags(&t, f);
    all_metadata(&t, f);
    all_tensors(&t, f);
    return t.draft.text;
}

/* ---- the settings in a picture ---------------------------------------------------------------- */

const char *info_metadata(Arena *a, const char *path, Bytes file)
{
    ForeignMetadata m;
    if (!foreign_metadata(a, path, file, &m)) return "without settings";
    StringBuilder text = string_builder(a);
    if (!m.program) string_builder_add(&text, "made with");
    else string_builder_add(&text, format(a, "made by %s (\"%s\")", m.program, m.where));
    if (m.program && m.infotext) string_builder_add(&text, "; as persona's settings:");
    if (m.infotext) string_builder_add(&text, format(a, "\n%s", m.infotext));
    if (m.infotext && m.lost) string_builder_add(&text, format(a, "\nnot translated: %s", m.lost));
    if (!m.infotext) string_builder_add(&text, format(a, ", not plain enough to be read: %s", m.lost));
    make_printable(text.text, "\n");
    return text.text;
}
