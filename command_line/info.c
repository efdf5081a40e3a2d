/* info.c - describes a weight file to people.
 *
 *     weights/yumin.safetensors: a LoRA for Stable Diffusion 1.x
 *     for: teaches a model a person, a thing or a style
 *     use: <lora:yumin:0.8> in the prompt, or --lora yumin:0.8
 *     trained words: yumin
 *     ...
 *
 * What matters first stands first: what the file is, what for, and how it is used here, or what to take instead.  Then
 * come what it holds, a summary of what kohya's trainer wrote down (dozens of ss_ values and a table of all tags),
 * size, dtypes and hashes, and at last the metadata as they are.  Tensors are listed only when they are asked for.
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
#include "file_hash.h"
#include "foreign_metadata.h"
#include "lora.h"
#include "model_card.h"
#include "motion.h"
#include "training_state.h"

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

/* ---- dtypes ----------------------------------------------------------------------------------- */

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

static int has_tensor(const WeightFile *f, const char *beginning)
{
    for (size_t i = 0; i < f->count; i++)
        if (begins(f->weight[i].name, beginning)) return 1;
    return 0;
}

/* What some checkpoints have besides. */
static const char *extras(Arena *a, const WeightFile *f)
{
    const char *text = "";
    if (has_tensor(f, "ztsnr") || file_metadata(f, "rescale_betas_zero_snr"))
        text = format(a, "%s; zero terminal SNR", text);
    if (has_tensor(f, "model_ema.")) text = format(a, "%s; EMA copies, which are not used", text);
    return text;
}

/* Says "UNet 859.5 million values, text encoder ..., VAE ..., 12 text layers, 49408 words; predicts epsilon". */
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
    const char *predicts = weights_v_prediction(w) ? "v" : "epsilon";
    return format(a, "%s%s, %d words; predicts %s%s", text, layers, clip_vocabulary(w), predicts, extras(a, f));
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

const char *info_details(Arena *a, const WeightFile *f)
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
const char *info_kind(Arena *a, const WeightFile *f, FileAbout about)
{
    TrainingStateInfo s;
    if (training_state_info(a, f, &s))
        return format(a, "a state of training, step %u of %zu, %s", s.step, s.steps, amount(a, s.pictures, "picture"));
    const char *embedding = NULL;
    if (about.kind == EMBEDDING_FILE || about.kind == UNKNOWN_FILE) embedding = info_embedding(a, f->path);
    if (!embedding) return file_in_words(a, about);
    return about.base ? format(a, "%s, for %s", embedding, about.base) : embedding;
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

/* ---- what matters first ----------------------------------------------------------------------- */

enum { TAGS_SHOWN = 12, WORDS_SHOWN = 5, METADATA_SHOWN = 100 };

/* Appends "label: words", unless there are none. */
static void say_words(Text *t, const char *label, const char *words)
{
    if (!words || !*words) return;
    append(t, format(t->draft.mem, "%s: %s\n", label, shown(t, words)));
}

/* How a file of this kind is named.  strength: what somebody prefers, or NULL */
static const char *use_of(Arena *a, FileKind kind, const char *name, const char *strength)
{
    if (!strength) strength = "0.8";
    switch (kind) {
    case MODEL_FILE:     return format(a, "Model: %s in a prompt file, or --model %s", name, name);
    case VAE_FILE:       return format(a, "VAE: %s in a prompt file, or --vae %s", name, name);
    case MOTION_FILE:    return format(a, "Motion module: %s in a prompt file, or --motion %s", name, name);
    case UPSCALER_FILE:  return format(a, "Upscaler: %s in a prompt file, or --upscaler %s", name, name);
    case LORA_FILE:
        return format(a, "<lora:%s:%s> in the prompt, or --lora %s:%s", name, strength, name, strength);
    case EMBEDDING_FILE: return format(a, "%s in the prompt; its place is a folder called embeddings/", name);
    default:             return NULL;
    }
}

/* What to do with a file that is not used here. */
static const char *instead_of(Arena *a, FileAbout about)
{
    int is_foreign = !base_is_used(about.base);
    if (about.kind == LORA_FILE) about.advice = "use one for Stable Diffusion 1.x";
    if (!about.advice) return NULL;
    if (about.kind == UNKNOWN_FILE) return about.advice;                 /* a file of persona's own */
    const char *who = is_foreign ? "; ComfyUI and Forge can use this one" : "";
    return format(a, "not used here: %s%s", about.advice, who);
}

/* diffusers' embeddings have no sign but that they are alone and have a width. */
static int is_embedding(FileAbout about, const char *kind)
{
    return about.kind == EMBEDDING_FILE || (about.kind == UNKNOWN_FILE && begins(kind, "a textual inversion"));
}

static void purpose_and_use(Text *t, const WeightFile *f, FileAbout about, const char *kind, const ModelCard *card,
                            InfoWanted wanted)
{
    Arena *a = t->draft.mem;
    TrainingStateInfo s;
    const char *name = wanted.name ? wanted.name : f->path;
    if (training_state_info(a, f, &s)) {
        say_words(t, "use", "the same persona train command with --resume goes on from it");
        return;
    }
    if (is_embedding(about, kind)) {
        about.kind = EMBEDDING_FILE;
        about.purpose = "a word that a model learned";
        about.advice = "use one for Stable Diffusion 1.x";
    }
    int is_used = about.kind != UNSUPPORTED_FILE && about.kind != UNKNOWN_FILE && base_is_used(about.base);
    say_words(t, "for", about.purpose);
    say_words(t, "use", is_used ? use_of(a, about.kind, name, card->strength) : instead_of(a, about));
}

/* "v1-5.safetensors, sd_v1, SD 1.5": what the file and the notes beside it call the model that it is made for */
static void base_model(Text *t, const WeightFile *f, const ModelCard *card)
{
    static const char *const keys[] = { "ss_sd_model_name", "ss_base_model_version", "modelspec.architecture",
                                        "base_model", "general.architecture" };
    Arena *a = t->draft.mem;
    const char *all = "";
    for (size_t i = 0; i <= sizeof keys / sizeof *keys; i++) {
        int is_key = i < sizeof keys / sizeof *keys;
        const char *value = is_key ? file_metadata(f, keys[i]) : card->base;
        if (!value || !*value || !strcmp(value, "None") || strstr(all, value)) continue;
        all = format(a, "%s%s%s", all, *all ? ", " : "", shown(t, value));
    }
    say_words(t, "base model", all);
}

/* Appends "tags: red hair 12, smiling 9 and 40 more". */
static void most_used_tags(Text *t, const ModelCard *card)
{
    Arena *a = t->draft.mem;
    for (size_t i = 0; i < card->tags && i < TAGS_SHOWN; i++) {
        append(t, i ? ", " : "tags: ");
        append(t, format(a, "%s %.0f", shown(t, card->tag[i].name), card->tag[i].count));
    }
    if (card->tags > TAGS_SHOWN) append(t, format(a, " and %zu more", card->tags - TAGS_SHOWN));
    if (card->tags) append(t, "\n");
}

/* A LoRA for few steps is of no use with the usual settings.  Nothing but its name tells. */
static const char *few_steps(FileKind kind, const WeightFile *f)
{
    static const char *const words[] = { "lcm", "hyper", "turbo", "lightning", "tcd", "pcm", "dmd" };
    const char *name = file_name(f->path);
    if (kind != LORA_FILE && kind != MOTION_FILE) return NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (const char *at = name; *at; at++)
            if (begins(at, words[i]))
                return "by its name it is for few steps: strength 1, Sampler: LCM, Steps: 4 to 8, CFG scale: 1 to 2";
    return NULL;
}

static void words_and_hints(Text *t, const WeightFile *f, FileKind kind, const ModelCard *card)
{
    say_words(t, "title", card->title);
    say_words(t, "trained words", model_card_words(t->draft.mem, card, WORDS_SHOWN));
    most_used_tags(t, card);
    say_words(t, "strength", card->strength);
    say_words(t, "hint", few_steps(kind, f));
    say_words(t, "hint", card->hint);
    say_words(t, "negative prompt", card->negative);
    say_words(t, "notes from", card->notes);
}

/* What a model made for a few things says of them: keys of ours. */
static void limits(Text *t, const WeightFile *f)
{
    static const struct { const char *key, *label; } rows[] = {
        { "persona.pictures", "draws" },
        { "persona.sizes", "sizes" },
        { "persona.cfg_scale", "CFG scale" },
        { "persona.steps", "Steps" },
        { "persona.words", "knows the words" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) say_words(t, rows[i].label, file_metadata(f, rows[i].key));
    const char *resolution = file_metadata(f, "modelspec.resolution");
    if (!file_metadata(f, "persona.sizes")) say_words(t, "resolution", resolution);
}

/* ---- size and hashes -------------------------------------------------------------------------- */


typedef struct { Arena *a; const char *path; int in_full; FileHashes hashes; } HashesOf;

static void read_hashes(void *to)
{
    HashesOf *h = to;
    h->hashes = file_hashes(h->a, h->path, h->in_full);
}

static const char *add_hash(Arena *a, const char *text, const char *name, const char *hash)
{
    if (!*hash) return text;
    return format(a, "%s%s%s %s", text, *text ? ", " : "", name, hash);
}

/* Appends "hashes: AutoV2 a1b2c3d4e5, ...", by which the web UI and civitai call a file. */
static void hashes_of(Text *t, const WeightFile *f, InfoWanted wanted)
{
    static const size_t SMALL = (size_t)200 << 20;               /* bytes, read in a moment */
    char why[MESSAGE];
    Arena *a = t->draft.mem;
    HashesOf h = { .a = a, .path = f->path, .in_full = wanted.all || f->bytes <= SMALL };
    if (folder_is(f->path) || attempt(a, read_hashes, &h, why)) return;
    const char *text = add_hash(a, "", "AutoV2", h.hashes.auto_v2);
    text = add_hash(a, text, "AutoV3", h.hashes.auto_v3);
    text = add_hash(a, text, "AutoV1", h.hashes.auto_v1);
    if (!h.in_full) text = format(a, "%s; --verbose reads all of the file for AutoV2", text);
    say_words(t, "hashes", text);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void all_metadata(Text *t, const WeightFile *f, size_t most)
{
    for (size_t i = 0; i < f->pairs && i < most; i++) {
        append(t, shown(t, f->metadata[i].key));
        append(t, ": ");
        append(t, shown(t, f->metadata[i].value));
        append(t, "\n");
    }
    if (f->pairs > most)
        append(t, format(t->draft.mem, "and %zu more metadata; --verbose shows them all\n", f->pairs - most));
}

const char *info_tensor(Arena *a, const Weight *w)
{
    enum { LONGEST_NAME = 1 << 16 };
    return format(a, "%-7s %-20s %s", dtype_name(w->type), shape_text(a, w), printable_words(a, w->name, LONGEST_NAME));
}

const char *info_weights(Arena *a, const WeightFile *f, InfoWanted wanted)
{
    Text t = { string_builder(a), wanted.most };
    ModelCard card = model_card(a, f);
    FileAbout about = file_about(f);
    const char *kind = info_kind(a, f, about);
    const char *more = info_details(a, f);
    append(&t, format(a, "%s: %s\n", printable_words(a, f->path, strlen(f->path)), shown(&t, kind)));
    purpose_and_use(&t, f, about, kind, &card, wanted);
    base_model(&t, f, &card);
    words_and_hints(&t, f, about.kind, &card);
    limits(&t, f);
    say_words(&t, "holds", more);
    training_settings(&t, f);
    const char *chart = loss_chart(a, f);
    if (chart) append(&t, chart);
    append(&t, format(a, "size: %s\n", data_size(a, (double)f->bytes)));
    append(&t, format(a, "dtype: %s (%s)\n", amount(a, f->count, "tensor"), dtype_counts(a, f)));
    hashes_of(&t, f, wanted);
    if (f->pairs) append(&t, "metadata:\n");
    all_metadata(&t, f, wanted.all ? f->pairs : METADATA_SHOWN);
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
