/* dialect.c - the names in files of adapters, as their writers have them: kohya, LyCORIS, PEFT, diffusers (two ways),
 * AnimateDiff, the web UI.
 *
 * A tensor's name is a layer's and an ending.  kohya's layers have '_' for '.', which cannot be undone, as names have
 * underscores of their own.  So nothing is parsed: every name is brought to one flat form, by prefixes and spellings that are replaced. */
#include "dialect.h"

#include "checkpoint.h"

#include <string.h>

/* ---- what a tensor is ------------------------------------------------------------------------- */

static const struct { const char *ending; Part part; } endings[] = {
    { ".lora_down.weight", DOWN },   { ".lora_up.weight", UP },  { ".lora_mid.weight", MID },          /* kohya, LyCORIS */
    { ".lora.down.weight", DOWN },   { ".lora.up.weight", UP },                                        /* diffusers */
    { "_lora.down.weight", DOWN },   { "_lora.up.weight", UP },                                        /* diffusers, the older way; AnimateDiff */
    { ".lora_linear_layer.down.weight", DOWN }, { ".lora_linear_layer.up.weight", UP },                /* diffusers, text encoder */
    { ".lora_A.weight", DOWN },      { ".lora_B.weight", UP },                                         /* PEFT */
    { ".lora_A.default.weight", DOWN }, { ".lora_B.default.weight", UP },
    { ".hada_w1_a", HADA_1A }, { ".hada_w1_b", HADA_1B }, { ".hada_t1", HADA_T1 }, { ".hada_w2_a", HADA_2A }, { ".hada_w2_b", HADA_2B }, { ".hada_t2", HADA_T2 },
    { ".lokr_w1", LOKR_1 }, { ".lokr_w1_a", LOKR_1A }, { ".lokr_w1_b", LOKR_1B },
    { ".lokr_w2", LOKR_2 }, { ".lokr_w2_a", LOKR_2A }, { ".lokr_w2_b", LOKR_2B }, { ".lokr_t2", LOKR_T2 },
    { ".diff", DIFF }, { ".diff_b", DIFF_B }, { ".w_norm", DIFF }, { ".b_norm", DIFF_B },
    { ".dora_scale", SCALE }, { ".lora_magnitude_vector", MAGNITUDE }, { ".lora_magnitude_vector.weight", MAGNITUDE },
    { ".alpha", ALPHA }, { "_lora.alpha", ALPHA },
};
enum { ENDINGS = sizeof endings / sizeof *endings };

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

Part part_of(const char *tensor, size_t *stem)
{
    size_t e = 0;
    while (e < ENDINGS && !ends_with(tensor, endings[e].ending)) e++;
    *stem = strlen(tensor) - (e < ENDINGS ? strlen(endings[e].ending) : 0);
    return e < ENDINGS ? endings[e].part : NONE;
}

const char *part_name(Part part)
{
    size_t e = 0;
    while (endings[e].part != part) e++;
    return endings[e].ending + 1;
}

/* ---- for which layer -------------------------------------------------------------------------- */

static char *flattened(char *text)
{
    for (char *p = text; *p; p++) if (*p == '.') *p = '_';
    return text;
}

typedef struct { const char *from, *to; } Spelling;

/* the text with `to` in the place of the first `from`; the text itself when there is none */
static char *respelled(Arena *a, char *text, Spelling s)
{
    const char *found = strstr(text, s.from);
    return found ? format(a, "%.*s%s%s", (int)(found - text), text, s.to, found + strlen(s.from)) : text;
}

static const Spelling around[] = { { "state_dict_", "" }, { "module_", "" }, { "base_model_model_", "" }, { "lycoris_", "" }, { "lora_", "" }, { 0 } };
static const Spelling domains[] = {
    { "unet_", "unet_" }, { "te_", "te_" }, { "te1_", "te_" }, { "text_encoder_", "te_" }, { "text_model_", "te_text_model_" },
    { "encoder_layers_", "te_encoder_layers_" }, { "diffusion_model_", "unet_" }, { "", "unet_" }, { 0 }
};
static const Spelling within[] = {
    { "te_encoder_", "te_text_model_encoder_" }, { "_processor_", "_" }, { "self_attn_to_q", "self_attn_q_proj" }, { "self_attn_to_k", "self_attn_k_proj" },
    { "self_attn_to_v", "self_attn_v_proj" }, { "self_attn_to_out", "self_attn_out_proj" }, { 0 }
};
static const Spelling within_motion[] = { { "_attn1_", "_attention_blocks_0_" }, { "_attn2_", "_attention_blocks_1_" }, { 0 } };

/* the first prefix that fits, replaced */
static char *prefixed(Arena *a, char *text, const Spelling *s)
{
    while (s->from && strncmp(text, s->from, strlen(s->from))) s++;
    return s->from ? format(a, "%s%s", s->to, text + strlen(s->from)) : NULL;
}

/* diffusers drops the level temporal_transformer, and numbers the attentions from 1 */
static char *motion_name(Arena *a, char *text)
{
    if (!strncmp(text, "unet_", 5)) text = format(a, "motion_%s", text + 5);
    if (strstr(text, "temporal_transformer")) return text;
    const char *number = strstr(text, "motion_modules_") + strlen("motion_modules_"), *end = number + strcspn(number, "_");
    text = format(a, "%.*s_temporal_transformer%s", (int)(end - text), text, end);
    for (const Spelling *s = within_motion; s->from; s++) text = respelled(a, text, *s);
    return text;
}

char *flat_name(Arena *a, const char *name, size_t n)
{
    char *text = flattened(format(a, "%.*s", (int)n, name)), *rest, *ldm;
    while ((rest = prefixed(a, text, around))) text = rest;
    text = prefixed(a, text, domains);
    if (!strncmp(text, "unet_", 5) && (ldm = unet_name(a, format(a, "%s.", text + 5)))) {
        text = flattened(ldm);
        text[strlen(text) - 1] = 0;
    }
    for (const Spelling *s = within; s->from; s++) text = respelled(a, text, *s);
    if (strstr(text, "motion_modules_")) text = motion_name(a, text);
    return ends_with(text, "_to_out") ? format(a, "%s_0", text) : text;
}

char *flat_layer(Arena *a, const char *layer) { return flattened(format(a, "%s", layer)); }
