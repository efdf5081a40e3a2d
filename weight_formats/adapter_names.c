/* adapter_names.c - the key names in files of adapters, in all namings that people have:
 *
 *     kohya        lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight
 *     LyCORIS      lycoris_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a
 *     PEFT         base_model.model.unet.down_blocks.0.attentions.0.proj_in.lora_A.weight
 *     diffusers    unet.down_blocks.0.attentions.0.proj_in.lora.down.weight
 *     its older    unet.down_blocks.0.attentions.0.processor.to_q_lora.down.weight
 *     AnimateDiff  down_blocks.0.motion_modules.0.temporal_transformer.[...].processor.to_q_lora.down.weight
 *     the web UI   LDM's names: lora_unet_input_blocks_1_1_proj_in.lora_down.weight
 *
 * A key is the name of a layer and an ending.  kohya writes '_' for each '.' of the layer.  This cannot be undone,
 * since module names have underscores of their own.  So names are not parsed.  Instead, prefixes and spellings are
 * replaced until all namings of a layer give one flat name, and each layer of the model looks for its own flat name.
 *
 * A name that fits nothing is returned too.  No layer will ask for it, so adapter_report.c lists it. */
#include "adapter_names.h"

#include "checkpoint_names.h"

#include <string.h>

/* ---- endings: what a tensor is ---------------------------------------------------------------- */

static const struct { const char *ending; AdapterPart part; } endings[] = {
    /* kohya, LyCORIS */
    { ".lora_down.weight", DOWN }, { ".lora_up.weight", UP }, { ".lora_mid.weight", MID },
    /* diffusers */
    { ".lora.down.weight", DOWN }, { ".lora.up.weight", UP },
    /* diffusers, the older way; AnimateDiff */
    { "_lora.down.weight", DOWN }, { "_lora.up.weight", UP },
    /* diffusers, text encoder */
    { ".lora_linear_layer.down.weight", DOWN }, { ".lora_linear_layer.up.weight", UP },
    /* PEFT */
    { ".lora_A.weight", DOWN }, { ".lora_B.weight", UP },
    { ".lora_A.default.weight", DOWN }, { ".lora_B.default.weight", UP },
    /* LoHa */
    { ".hada_w1_a", HADA_1A }, { ".hada_w1_b", HADA_1B }, { ".hada_t1", HADA_T1 },
    { ".hada_w2_a", HADA_2A }, { ".hada_w2_b", HADA_2B }, { ".hada_t2", HADA_T2 },
    /* LoKr */
    { ".lokr_w1", LOKR_1 }, { ".lokr_w1_a", LOKR_1A }, { ".lokr_w1_b", LOKR_1B },
    { ".lokr_w2", LOKR_2 }, { ".lokr_w2_a", LOKR_2A }, { ".lokr_w2_b", LOKR_2B }, { ".lokr_t2", LOKR_T2 },
    /* differences of weights and biases, and of those of norms */
    { ".diff", DIFF }, { ".diff_b", DIFF_B }, { ".w_norm", DIFF }, { ".b_norm", DIFF_B },
    /* DoRA: LyCORIS, PEFT */
    { ".dora_scale", SCALE }, { ".lora_magnitude_vector", MAGNITUDE }, { ".lora_magnitude_vector.weight", MAGNITUDE },
    { ".alpha", ALPHA }, { "_lora.alpha", ALPHA },
};
enum { ENDINGS = sizeof endings / sizeof *endings };

static int begins_with(const char *text, const char *prefix) { return !strncmp(text, prefix, strlen(prefix)); }

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

AdapterPart adapter_part(const char *key, size_t *stem)
{
    size_t n = strlen(key);
    for (size_t e = 0; e < ENDINGS; e++)
        if (ends_with(key, endings[e].ending)) {
            *stem = n - strlen(endings[e].ending);
            return endings[e].part;
        }
    *stem = n;
    return NONE;
}

const char *adapter_part_name(AdapterPart part)
{
    size_t e = 0;
    while (endings[e].part != part) e++;
    return endings[e].ending + 1;
}

/* ---- layers: replacing spellings -------------------------------------------------------------- */

/* Rows of a table end with { NULL, NULL }. */
typedef struct { const char *from, *to; } Spelling;

/* These wrappers may stand in front of a name, several of them too. */
static const Spelling wrappers[] = {
    { "state_dict_", "" },
    { "module_", "" },
    { "base_model_model_", "" },
    { "lycoris_", "" },
    { "lora_", "" },
    { NULL, NULL }
};

/* This says which model the layer is of.  A name that does not say it is of the UNet. */
static const Spelling models[] = {
    { "unet_",            "unet_" },
    { "te_",              "te_" },
    { "te1_",             "te_" },
    { "text_encoder_",    "te_" },
    { "text_model_",      "te_text_model_" },
    { "encoder_layers_",  "te_encoder_layers_" },
    { "diffusion_model_", "unet_" },
    { "", "unet_" },
    { NULL, NULL }
};

/* These are replaced anywhere in a name. */
static const Spelling spellings[] = {
    { "te_encoder_",      "te_text_model_encoder_" },
    { "_processor_",      "_" },
    { "self_attn_to_q",   "self_attn_q_proj" },
    { "self_attn_to_k",   "self_attn_k_proj" },
    { "self_attn_to_v",   "self_attn_v_proj" },
    { "self_attn_to_out", "self_attn_out_proj" },
    { NULL, NULL }
};
static const Spelling motion_spellings[] = {
    { "_attn1_", "_attention_blocks_0_" },
    { "_attn2_", "_attention_blocks_1_" },
    { NULL, NULL }
};

/* Replaces the first prefix of the table that text begins with.  Returns NULL when none fits. */
static char *replace_prefix(Arena *a, const char *text, const Spelling *table)
{
    for (; table->from; table++)
        if (begins_with(text, table->from)) return format(a, "%s%s", table->to, text + strlen(table->from));
    return NULL;
}

/* Replaces the first occurrence of each spelling of the table. */
static char *replace_spellings(Arena *a, char *text, const Spelling *table)
{
    for (; table->from; table++) {
        const char *found = strstr(text, table->from);
        if (!found) continue;
        const char *rest = found + strlen(table->from);
        text = format(a, "%.*s%s%s", (int)(found - text), text, table->to, rest);
    }
    return text;
}

/* Turns each '.' to '_', in place. */
static char *flattened(char *text)
{
    for (char *p = text; *p; p++)
        if (*p == '.') *p = '_';
    return text;
}

/* ---- layers: flat names ----------------------------------------------------------------------- */

/* Turns the name of a layer in LDM's UNet into diffusers' name.  Returns other names as they are. */
static char *without_ldm(Arena *a, char *text)
{
    if (!begins_with(text, "unet_")) return text;
    char *name = diffusers_unet_name(a, format(a, "%s.", text + strlen("unet_")));
    if (!name) return text;
    name[strlen(name) - 1] = 0;      /* the '.' that a layer has to end with */
    return flattened(name);
}

/* Names a layer of a motion module as AnimateDiff does.  diffusers leaves out the level temporal_transformer and
 * counts attentions from 1. */
static char *motion_layer(Arena *a, char *text)
{
    static const char MODULES[] = "motion_modules_";
    if (begins_with(text, "unet_")) text = format(a, "motion_%s", text + strlen("unet_"));
    if (strstr(text, "temporal_transformer")) return text;
    const char *number = strstr(text, MODULES) + strlen(MODULES);
    const char *rest = number + strcspn(number, "_");
    text = format(a, "%.*s_temporal_transformer%s", (int)(rest - text), text, rest);
    return replace_spellings(a, text, motion_spellings);
}

char *flat_name(Arena *a, const char *name, size_t n)
{
    char *text = flattened(format(a, "%.*s", (int)n, name));
    char *rest;
    while ((rest = replace_prefix(a, text, wrappers))) text = rest;
    text = replace_prefix(a, text, models);
    text = without_ldm(a, text);
    text = replace_spellings(a, text, spellings);
    if (strstr(text, "motion_modules_")) text = motion_layer(a, text);
    if (ends_with(text, "_to_out")) text = format(a, "%s_0", text);
    return text;
}

char *flat_layer(Arena *a, const char *layer) { return flattened(format(a, "%s", layer)); }
