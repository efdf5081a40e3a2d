/* adapter_names.c - the key names in files of adapters, in all namings that people have:
 *
 *     kohya        lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight
 *     LyCORIS      lycoris_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a
 *     PEFT         base_model.model.unet.down_blocks.0.attentions.0.proj_in.lora_A.weight
 *     diffusers    unet.down_blocks.0.attentions.0.proj_in.lora.down.weight
 *     its older    unet.down_blocks.0.attentions.0.processor.to_q_lora.down.weight
 *     AnimateDiff  down_blocks.0.motion_modules.0.temporal_transformer.[...].processor.to_q_lora.down.weight
 *     the web UI   LDM's names: lora_unet_input_blocks_1_1_proj_in.lora_down.weight
 *     ComfyUI      diffusion_model.input_blocks.1.1.proj_in.lora_down.weight,
 *                  text_encoders.clip_l.transformer.text_model.[...].lora_down.weight
 *     OneTrainer   unet.down_blocks.0.attentions.0.proj_in.lora_down.weight, clip_l.text_model...
 *
 * A key is the name of a layer and an ending.  kohya writes '_' for each '.' of the layer.  This cannot be undone,
 * since module names have underscores of their own.  So names are not parsed.  Instead, prefixes and spellings are
 * replaced until all namings of a layer give one flat name, and each layer of the model looks for its own flat name.
 *
 * A name that fits nothing is returned too.  No layer will ask for it, so adapter_report.c lists it, with what
 * adapter_other_model() and adapter_other_family() know of it. */
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
    { ".lora_A.*.weight", DOWN }, { ".lora_B.*.weight", UP },
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
    { ".lora_magnitude_vector.*.weight", MAGNITUDE },
    /* GLoRA */
    { ".a1.weight", GLORA_A1 }, { ".a2.weight", GLORA_A2 }, { ".b1.weight", GLORA_B1 }, { ".b2.weight", GLORA_B2 },
    /* OFT and BOFT: kohya and LyCORIS, PEFT */
    { ".oft_blocks", OFT_BLOCKS }, { ".oft_diag", OFT_DIAG }, { ".rescale", RESCALE },
    { ".oft_R.weight", OFT_R }, { ".oft_R.*.weight", OFT_R }, { ".boft_R", BOFT_R }, { ".boft_s", RESCALE },
    /* (IA)^3: PEFT, LyCORIS; the last ending is that of every weight, so it counts only where an on_input is beside */
    { ".ia3_l", IA3_L }, { ".on_input", ON_INPUT }, { ".weight", VECTOR },
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

/* Returns where this ending of a key begins; NULL when the key ends otherwise.  '*' in it stands for one word without
 * a '.': PEFT puts the name of the adapter there. */
static const char *find_ending(const char *key, const char *ending)
{
    size_t n = strlen(key);
    const char *star = strchr(ending, '*');
    const char *tail = star ? star + 1 : ending;
    if (!ends_with(key, tail)) return NULL;
    const char *at = key + n - strlen(tail);
    if (!star) return at;
    size_t head = (size_t)(star - ending);
    while (at > key && at[-1] != '.') at--;
    if ((size_t)(at - key) < head || strncmp(at - head, ending, head)) return NULL;
    return at - head;
}

AdapterPart adapter_part(const char *key, size_t *stem)
{
    for (size_t e = 0; e < ENDINGS; e++) {
        const char *ending = find_ending(key, endings[e].ending);
        if (!ending) continue;
        *stem = (size_t)(ending - key);
        return endings[e].part;
    }
    *stem = strlen(key);
    return NO_PART;
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

/* These may stand in front of a name, several of them too, also between the names of models. */
static const Spelling wrappers[] = {
    { "state_dict_", "" },
    { "module_", "" },
    { "base_model_model_", "" },
    { "_orig_mod_", "" },
    { "lycoris_", "" },
    { "lora_", "" },
    { "oft_", "" },
    { NULL, NULL }
};

/* These say which model the layer is of.  The last that is met counts: "lora_te.clip_l.", "text_encoders.clip_l.". */
static const Spelling models[] = {
    { "unet_",                       "unet_" },
    { "diffusion_model_",            "unet_" },
    { "model_diffusion_model_",      "unet_" },
    { "te_",                         "te_" },
    { "te1_",                        "te_" },
    { "text_encoder_",               "te_" },
    { "text_encoders_clip_l_",       "te_" },
    { "clip_l_",                     "te_" },
    { "cond_stage_model_",           "te_" },
    { NULL, NULL }
};

/* A name that does not say which model it is of begins so in the text encoder.  All others are of the UNet. */
static const Spelling text_encoder_names[] = {
    { "transformer_text_model_", "te_text_model_" },
    { "text_model_",             "te_text_model_" },
    { "encoder_layers_",         "te_encoder_layers_" },
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

/* Replaces everything in front of the layer by the model that it is of. */
static char *with_model(Arena *a, char *text)
{
    const char *model = NULL;
    for (;;) {
        char *rest = replace_prefix(a, text, wrappers);
        const Spelling *s = models;
        while (!rest && s->from && !begins_with(text, s->from)) s++;
        if (!rest && !s->from) break;
        if (!rest) model = s->to;
        text = rest ? rest : text + strlen(s->from);
    }
    char *named = replace_prefix(a, text, text_encoder_names);
    if (named) return named;
    return format(a, "%s%s", model ? model : "unet_", text);
}

char *flat_name(Arena *a, const char *name, size_t n)
{
    char *text = flattened(format(a, "%.*s", (int)n, name));
    text = with_model(a, text);
    text = without_ldm(a, text);
    text = replace_spellings(a, text, spellings);
    if (strstr(text, "motion_modules_")) text = motion_layer(a, text);
    if (ends_with(text, "_to_out")) text = format(a, "%s_0", text);
    return text;
}

char *flat_layer(Arena *a, const char *layer) { return flattened(format(a, "%s", layer)); }

/* ---- what is of another model, or of a family that is not known here ---------------------------- */

static const struct { const char *part, *name; } other_models[] = {
    { "te2_",                       "SDXL's second text encoder" },
    { "te_2_",                      "SDXL's second text encoder" },
    { "clip_g_",                    "SDXL's second text encoder" },
    { "conditioner_embedders_",     "SDXL's text encoders" },
    { "te3_",                       "T5, a text encoder of Stable Diffusion 3" },
    { "te_3_",                      "T5, a text encoder of Stable Diffusion 3" },
    { "t5xxl_",                     "T5, a text encoder of Stable Diffusion 3 and Flux" },
    { "double_blocks_",             "Flux" },
    { "single_blocks_",             "Flux" },
    { "single_transformer_blocks_", "Flux" },
    { "joint_blocks_",              "Stable Diffusion 3" },
    { "unet_transformer_blocks_",   "Stable Diffusion 3 or Flux" },
    { "unet_transformer_transformer_blocks_", "Stable Diffusion 3 or Flux" },
    { "controlnet_",                "a ControlNet" },
    { "unet_vae_",                  "a VAE" },
    { "first_stage_model_",         "a VAE" },
};

/* SD 1.x has one transformer block in a place, number 0.  SDXL has more. */
static int has_second_transformer_block(const char *flat)
{
    static const char BLOCKS[] = "_transformer_blocks_";
    const char *number = strstr(flat, BLOCKS);
    return number && number[strlen(BLOCKS)] >= '1' && number[strlen(BLOCKS)] <= '9';
}

const char *adapter_other_model(const char *flat)
{
    for (size_t i = 0; i < sizeof other_models / sizeof *other_models; i++)
        if (strstr(flat, other_models[i].part)) return other_models[i].name;
    return has_second_transformer_block(flat) ? "SDXL's UNet" : NULL;
}

static const struct { const char *part, *name; } other_families[] = {
    { ".bm.weight",         "GLoRA with a core" },
    { ".oft_r",             "OFT as PEFT had it before 0.15" },
    { ".oft_s",             "OFT as PEFT had it before 0.15" },
    { ".vera_lambda",       "VeRA" },
    { "vera_A",             "VeRA" },
    { "vera_B",             "VeRA" },
    { ".lora_E",            "AdaLoRA" },
    { ".ranknum",           "AdaLoRA" },
    { ".hra_u",             "HRA" },
    { ".lora_embedding_",   "LoRA of a table of embeddings" },
    { ".lora_B.bias",       "LoRA with a bias of its own" },
    { ".lora_up.bias",      "LoRA with a bias of its own" },
    { ".modules_to_save.",  "layers that PEFT saved whole" },
    { ".bone_",             "Bone" },
    { ".miss_",             "MiSS" },
    { ".fourierft_",        "FourierFT" },
    { ".randlora_",         "RandLoRA" },
};

const char *adapter_other_family(const char *key)
{
    for (size_t i = 0; i < sizeof other_families / sizeof *other_families; i++)
        if (strstr(key, other_families[i].part)) return other_families[i].name;
    return NULL;
}
