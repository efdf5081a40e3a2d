/* foreign_json.c - the settings that other programs store as JSON.
 *
 * Most programs mean the same few things and call them almost alike, so there is one table of names for all of them.  A
 * row with a program is for that one only, and stands before the row for all.  Case, "-", "_" and " " do not matter in
 * names.  A row says which setting it is here, and how its value is written:
 *
 *     InvokeAI counts the layers that it skips from 0, SwarmUI from -1, the web UI and persona from 1;
 *     Fooocus writes a size as "(832, 1216)", Draw Things as "832x1216", most as two numbers.
 *
 * A row without a setting is for what changes no picture: dates, versions, hashes.  Any other member that is neither
 * empty nor zero nor false is told to be lost.
 *
 * The JSON may hold anything: a value of the wrong kind is as if it were not there. */
#include "foreign_json.h"

#include "foreign_prompt.h"

#include <math.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------------ */

/* How a value is written here; NULL when it is none of that kind. */
typedef const char *Convert(Arena *a, const JsonValue *v);

static const char *as_it_is(Arena *a, const JsonValue *v)
{
    double x;
    uint64_t whole;
    const char *text = json_words(v);
    if (!text || v->kind != JSON_NUMBER || read_whole(text, &whole)) return text;
    return number_at(text, &x) == strlen(text) && fabs(x) < 1e14 ? number_text(a, x) : text;
}

/* A name of a file, or an object that holds one. */
static const char *as_file(Arena *a, const JsonValue *v)
{
    static const char *const names[] = { "name", "model_name", "modelFileName", "file" };
    const char *found = json_words(v);
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) found = json_words(json_get(v, names[i]));
    return found && !same(found, "None") ? infotext_file(a, found) : NULL;
}

/* 0 -> nothing, 1 -> 2 */
static const char *as_one_more(Arena *a, const JsonValue *v)
{
    uint64_t n;
    const char *text = json_words(v);
    return text && read_whole(text, &n) && n && n < 100 ? format(a, "%d", (int)n + 1) : NULL;
}

/* 0 -> nothing, the others as they are */
static const char *unless_zero(Arena *a, const JsonValue *v)
{
    const char *text = as_it_is(a, v);
    return text && strcmp(text, "0") ? text : NULL;
}

/* -2 -> 2 */
static const char *as_positive(Arena *a, const JsonValue *v)
{
    const char *text = as_it_is(a, v);
    return text && *text == '-' ? text + 1 : text;
}

/* (832, 1216), [832, 1216] or 832x1216 -> 832x1216 */
static const char *as_pair(Arena *a, const JsonValue *v)
{
    const char *text = json_words(v);
    if (v->kind == JSON_LIST && v->count == 2 && json_words(v->first) && json_words(v->first->next))
        return format(a, "%sx%s", json_words(v->first), json_words(v->first->next));
    if (!text) return NULL;
    size_t from = strcspn(text, "0123456789");
    size_t width = strspn(text + from, "0123456789");
    const char *second = text + from + width;
    second += strcspn(second, "0123456789");
    size_t height = strspn(second, "0123456789");
    return format(a, "%.*sx%.*s", (int)width, text + from, (int)height, second);
}

/* "cpu" -> CPU: the noise of a GPU is another one */
static const char *cpu_or_nothing(Arena *a, const JsonValue *v)
{
    (void)a;
    return v->text && same(v->text, "cpu") ? "CPU" : NULL;
}

/* true -> v */
static const char *v_if_true(Arena *a, const JsonValue *v)
{
    (void)a;
    return v->text && !strcmp(v->text, "true") ? "v" : NULL;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const char INVOKE[] = "InvokeAI", NOVEL[] = "NovelAI", SWARM[] = "SwarmUI", THINGS[] = "Draw Things",
                  FOOOCUS[] = "Fooocus", RUINED[] = "RuinedFooocus", TENSOR[] = "TensorArt";

/* ours: a setting, or one of these */
static const char PROMPT[] = "prompt", NEGATIVE[] = "negative", WIDTH[] = "width", HEIGHT[] = "height",
                  LORAS[] = "loras", WEIGHTS[] = "loraweights", MORE[] = "more of the same";

typedef struct {
    const char *program;                 /* one of the above; NULL: any */
    const char *theirs;
    const char *ours;                    /* NULL: changes no picture */
    Convert    *convert;
} KeyRow;

static const KeyRow keys[] = {
    { INVOKE, "scheduler", "Sampler", as_it_is },
    { INVOKE, "clip_skip", "Clip skip", as_one_more },
    { INVOKE, "skipped_layers", "Clip skip", as_one_more },
    { INVOKE, "rand_device", "RNG", cpu_or_nothing },
    { INVOKE, "generation_mode", NULL, NULL },
    { INVOKE, "seamless_x", "seamless_x", NULL },
    { INVOKE, "type", NULL, NULL },
    { INVOKE, "postprocessing", "postprocessing", NULL },
    { INVOKE, "variations", "variations", NULL },
    { SWARM, "clipstopatlayer", "Clip skip", as_positive },
    { SWARM, "swarm_version", NULL, NULL },
    { SWARM, "swarmversion", NULL, NULL },
    { SWARM, "aspectratio", NULL, NULL },
    { SWARM, "automaticvae", NULL, NULL },
    { SWARM, "images", NULL, NULL },
    { THINGS, "c", PROMPT, as_it_is },
    { THINGS, "uc", NEGATIVE, as_it_is },
    { THINGS, "v2", MORE, NULL },
    { THINGS, "size", "Size", as_pair },
    { THINGS, "seed_mode", "seed_mode", NULL },
    { THINGS, "strength", NULL, NULL },
    { NOVEL, "uc", NEGATIVE, as_it_is },
    { NOVEL, "strength", NULL, NULL },
    { NOVEL, "noise", NULL, NULL },
    { NOVEL, "request_type", NULL, NULL },
    { NOVEL, "signed_hash", NULL, NULL },
    { NOVEL, "n_samples", NULL, NULL },
    { NOVEL, "v4_prompt", NULL, NULL },
    { NOVEL, "v4_negative_prompt", NULL, NULL },
    { NOVEL, "legacy_v3_extend", NULL, NULL },
    { FOOOCUS, "loras", NULL, NULL },                   /* they are in lora_combined_1 too; see read_fooocus_loras */
    { FOOOCUS, "full_prompt", NULL, NULL },
    { FOOOCUS, "full_negative_prompt", NULL, NULL },
    { FOOOCUS, "metadata_scheme", NULL, NULL },
    { NULL, "prompt", PROMPT, as_it_is },
    { NULL, "positive_prompt", PROMPT, as_it_is },
    { NULL, "negative_prompt", NEGATIVE, as_it_is },
    { NULL, "negativePrompt", NEGATIVE, as_it_is },
    { NULL, "negative", NEGATIVE, as_it_is },
    { NULL, "steps", "Steps", as_it_is },
    { NULL, "num_inference_steps", "Steps", as_it_is },
    { NULL, "sampler", "Sampler", as_it_is },
    { NULL, "sampler_name", "Sampler", as_it_is },
    { NULL, "samplerName", "Sampler", as_it_is },
    { NULL, "ksamplerName", "Sampler", as_it_is },
    { NULL, "comfyuisampler", "Sampler", as_it_is },
    { NULL, "autowebuisampler", "Sampler", as_it_is },
    { NULL, "scheduler", "Schedule type", as_it_is },
    { NULL, "schedule", "Schedule type", as_it_is },
    { NULL, "comfyuischeduler", "Schedule type", as_it_is },
    { NULL, "noise_schedule", "Schedule type", as_it_is },
    { NULL, "cfg_scale", "CFG scale", as_it_is },
    { NULL, "cfgscale", "CFG scale", as_it_is },
    { NULL, "guidance_scale", "CFG scale", as_it_is },
    { NULL, "scale", "CFG scale", as_it_is },
    { NULL, "cfg", "CFG scale", as_it_is },
    { NULL, "cfg_rescale", "CFG rescale", unless_zero },
    { NULL, "cfg_rescale_multiplier", "CFG rescale", unless_zero },
    { NULL, "seed", "Seed", as_it_is },
    { NULL, "width", WIDTH, as_it_is },
    { NULL, "height", HEIGHT, as_it_is },
    { NULL, "resolution", "Size", as_pair },
    { NULL, "model", "Model", as_file },
    { NULL, "model_weights", "Model", as_file },
    { NULL, "base_model", "Model", as_file },
    { NULL, "base_model_name", "Model", as_file },
    { NULL, "baseModel", "Model", as_file },
    { NULL, "use_stable_diffusion_model", "Model", as_file },
    { NULL, "Stable Diffusion model", "Model", as_file },
    { NULL, "vae", "VAE", as_file },
    { NULL, "sdVae", "VAE", as_file },
    { NULL, "use_vae_model", "VAE", as_file },
    { NULL, "VAE model", "VAE", as_file },
    { NULL, "clip_skip", "Clip skip", unless_zero },
    { NULL, "clipSkip", "Clip skip", unless_zero },
    { NULL, "v_prediction", "Prediction type", v_if_true },
    { NULL, "loras", LORAS, NULL },
    { NULL, "loraweights", WEIGHTS, NULL },
    { NULL, "loratencweights", WEIGHTS, NULL },
    { NULL, "version", NULL, NULL },
    { NULL, "app_version", NULL, NULL },
    { NULL, "app_id", NULL, NULL },
    { NULL, "software", NULL, NULL },
    { NULL, "model_hash", NULL, NULL },
    { NULL, "base_model_hash", NULL, NULL },
    { NULL, "vae_hash", NULL, NULL },
    { NULL, "date", NULL, NULL },
    { NULL, "generation_time", NULL, NULL },
    { NULL, "created_by", NULL, NULL },
    { NULL, "denoise", NULL, NULL },
};

/* The name in this file of a program, so that names can be compared by their address; NULL for one without rows. */
static const char *canonical(const char *program)
{
    static const char *const programs[] = { INVOKE, NOVEL, SWARM, THINGS, FOOOCUS, RUINED, TENSOR };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(program, programs[i])) return programs[i];
    return NULL;
}

static const KeyRow *find_key(const char *program, const char *name)
{
    for (const KeyRow *k = keys; k < keys + sizeof keys / sizeof *keys; k++)
        if ((!k->program || k->program == program) && same(k->theirs, name)) return k;
    return NULL;
}

/* ---- LoRAs ------------------------------------------------------------------------------------- */

/* ["name.safetensors", 0.8], {"model": {"name": "x"}, "weight": 0.8}, {"file": "x", "weight": 0.8} or "name" */
static void read_lora(InfotextWriter *t, const JsonValue *v, const JsonValue *weight)
{
    static const char *const files[] = { "model", "lora", "file", "name" };
    const char *name = json_words(v);
    if (v->kind == JSON_LIST) {
        name = json_words(json_at(v, 0));
        weight = json_at(v, 1);
    }
    if (v->kind == JSON_OBJECT) weight = json_get(v, "weight");
    for (size_t i = 0; i < sizeof files / sizeof *files && v->kind == JSON_OBJECT && !name; i++) {
        const JsonValue *file = json_get(v, files[i]);
        name = file ? as_file(t->a, file) : NULL;
    }
    if (name) infotext_lora(t, name, weight ? as_it_is(t->a, weight) : NULL, NULL);
    else infotext_lose(t, LORAS);
}

static void read_loras(InfotextWriter *t, const JsonValue *list, const JsonValue *weights)
{
    const JsonValue *weight = weights ? weights->first : NULL;
    for (const JsonValue *v = list->first; v; v = v->next) {
        read_lora(t, v, weight);
        if (weight) weight = weight->next;
    }
}

/* "lora_combined_1": "name.safetensors : 0.8"                                                          (Fooocus) */
static int read_combined_lora(InfotextWriter *t, const JsonValue *v)
{
    const char *text = json_words(v);
    const char *between = text ? strstr(text, " : ") : NULL;
    if (!begins(v->key, "lora_combined_") || !between) return 0;
    const char *weight = trimmed(t->a, between + 3, strlen(between + 3));
    infotext_lora(t, copy(t->a, text, (size_t)(between - text)), weight, NULL);
    return 1;
}

/* ---- one program's JSON ------------------------------------------------------------------------ */

static int says_something(const JsonValue *v)
{
    static const char *const nothing[] = { "", "0", "0.0", "false", "None", "none" };
    if (v->kind == JSON_NULL) return 0;
    if (!v->text) return v->count > 0;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (!strcmp(v->text, nothing[i])) return 0;
    return 1;
}

/* The words of a prompt as the web UI writes them. */
static const char *words_of(Arena *a, const char *program, const char *text)
{
    if (program == NOVEL) return foreign_prompt_novelai(a, text);
    if (program == INVOKE) return foreign_prompt_compel(a, text);
    return text;
}

typedef struct { const char *width, *height; } Sides;

static void read_member(InfotextWriter *t, const char *program, const JsonValue *all, const JsonValue *v, Sides *sides)
{
    const KeyRow *k = find_key(program, v->key);
    const char *value = k && k->convert ? k->convert(t->a, v) : NULL;
    if (k && !k->ours) return;
    if (k && k->ours == MORE) foreign_json(t, program, v);
    else if (k && k->ours == LORAS) read_loras(t, v, json_get(all, WEIGHTS));
    else if (k && k->ours == WEIGHTS) return;
    else if (k && k->ours == WIDTH) sides->width = value;
    else if (k && k->ours == HEIGHT) sides->height = value;
    else if (k && k->ours == PROMPT && value) t->prompt = words_of(t->a, program, value);
    else if (k && k->ours == NEGATIVE && value) t->negative = words_of(t->a, program, value);
    else if (value) infotext_set(t, k->ours, value);
    else if (says_something(v) && !(k && k->convert)) infotext_lose(t, v->key);
}

/* InvokeAI 2 keeps the negative words inside the prompt, in [ ]. */
static void split_negative(InfotextWriter *t)
{
    const char *open = t->prompt ? strchr(t->prompt, '[') : NULL;
    const char *close = open ? strchr(open, ']') : NULL;
    if (!close) return;
    t->negative = trimmed(t->a, open + 1, (size_t)(close - open) - 1);
    const char *before = copy(t->a, t->prompt, (size_t)(open - t->prompt));
    t->prompt = format(t->a, "%s%s", before, close + 1);
}

/* "image": {"prompt": [{"prompt": "words", "weight": 1}], ...}                  (InvokeAI 2, sd-metadata) */
static void read_invoke_image(InfotextWriter *t, const JsonValue *image)
{
    const JsonValue *list = json_get(image, "prompt");
    foreign_json(t, INVOKE, image);
    if (!list || list->kind != JSON_LIST) return;
    t->prompt = json_words(json_get(list->first, "prompt"));
    if (list->count > 1) infotext_lose(t, "further prompts with weights");
    split_negative(t);
    if (t->prompt) t->prompt = words_of(t->a, INVOKE, t->prompt);
    if (t->negative) t->negative = words_of(t->a, INVOKE, t->negative);
}

/* NovelAI 4 has the words of its characters beside the prompt. */
static void read_characters(InfotextWriter *t, const JsonValue *v)
{
    const JsonValue *caption = json_get(json_get(v, "v4_prompt"), "caption");
    const JsonValue *list = json_get(caption, "char_captions");
    const char *base = json_words(json_get(caption, "base_caption"));
    if (base && !t->prompt) t->prompt = words_of(t->a, NOVEL, base);
    for (const JsonValue *c = list ? list->first : NULL; c; c = c->next) {
        const char *more = json_words(json_get(c, "char_caption"));
        if (more && t->prompt) t->prompt = format(t->a, "%s, %s", t->prompt, words_of(t->a, NOVEL, more));
    }
}

void foreign_json(InfotextWriter *t, const char *name, const JsonValue *v)
{
    const char *program = canonical(name);
    enum { MOST = 4096 };
    Sides sides = { 0 };
    if (!v || v->kind != JSON_OBJECT || v->count > MOST) return;
    for (const JsonValue *m = v->first; m; m = m->next) {
        if (program == SWARM && !strcmp(m->key, "sui_image_params")) foreign_json(t, program, m);
        else if (program == SWARM && begins(m->key, "sui_")) continue;
        else if (program == INVOKE && !strcmp(m->key, "image")) read_invoke_image(t, m);
        else if (!read_combined_lora(t, m)) read_member(t, program, v, m, &sides);
    }
    if (program == FOOOCUS && !json_get(v, "lora_combined_1") && json_get(v, "loras"))
        read_loras(t, json_get(v, "loras"), NULL);
    if (program == NOVEL) read_characters(t, v);
    if (sides.width && sides.height) infotext_set(t, "Size", format(t->a, "%sx%s", sides.width, sides.height));
}

void foreign_json_setting(InfotextWriter *t, const char *program, const char *name, const char *value)
{
    JsonValue v = { .kind = JSON_STRING, .key = name, .text = value };
    program = canonical(program);
    Sides sides = { 0 };
    read_member(t, program, NULL, &v, &sides);
}

/* ---- which program ----------------------------------------------------------------------------- */

/* A member that only this program writes; value: how it has to begin, NULL for any. */
static const struct { const char *program, *key, *value; } marks[] = {
    { SWARM, "sui_image_params", NULL },   { RUINED, "software", "RuinedFooocus" }, { FOOOCUS, "base_model", NULL },
    { FOOOCUS, "metadata_scheme", NULL },  { INVOKE, "positive_prompt", NULL },     { INVOKE, "model_weights", NULL },
    { TENSOR, "baseModel", NULL },         { THINGS, "c", NULL },                   { NOVEL, "uc", NULL },
    { NOVEL, "v4_prompt", NULL },
};

const char *foreign_json_program(const JsonValue *v)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const JsonValue *found = json_get(v, marks[i].key);
        const char *text = json_words(found);
        if (found && (!marks[i].value || (text && begins(text, marks[i].value)))) return marks[i].program;
    }
    return NULL;
}

/* ---- InvokeAI's command ------------------------------------------------------------------------ */

void foreign_json_dream(InfotextWriter *t, const char *command)
{
    static const struct { const char *option, *name; } options[] = {
        { "-s", "steps" }, { "-S", "seed" }, { "-C", "cfg_scale" }, { "-A", "sampler" },
    };
    const char *open = strchr(command, '"');
    const char *close = strrchr(command, '"');
    const char *width = NULL, *height = NULL;
    const char *rest = close && close > open ? close + 1 : command + strcspn(command, "-");
    t->prompt = close && close > open ? copy(t->a, open + 1, (size_t)(close - open) - 1)
                                      : trimmed(t->a, command, (size_t)(rest - command));
    split_negative(t);
    t->prompt = words_of(t->a, INVOKE, t->prompt);
    while (*rest) {
        rest += strspn(rest, " ");
        size_t length = strcspn(rest, " ");
        const char *word = copy(t->a, rest, length);
        rest += length;
        rest += strspn(rest, " ");
        size_t joined = word[0] == '-' && length > 2 && word[1] != '-' ? 2 : length;      /* -s50 */
        const char *value = joined < length ? word + joined : copy(t->a, rest, strcspn(rest, " "));
        const char *option = copy(t->a, word, joined);
        int is_known = 0;
        for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
            if (strcmp(option, options[i].option)) continue;
            foreign_json_setting(t, INVOKE, options[i].name, value);
            is_known = 1;
        }
        if (!strcmp(option, "-W")) width = value;
        else if (!strcmp(option, "-H")) height = value;
        else if (!is_known && *option == '-') infotext_lose(t, option);
    }
    if (width && height) infotext_set(t, "Size", format(t->a, "%sx%s", width, height));
}
