/* checkpoint_names.c - the key names of checkpoints -> diffusers' names.
 *
 * Single-file checkpoints have the names of LDM, the original Stable Diffusion code (ldm/modules/diffusionmodules).
 * Its UNet numbers all blocks in one row, where diffusers counts by stage and layer:
 *
 *     input_blocks.B.P      B = 0 is conv_in.  B = 1 + 3 stage + layer.
 *                           Layers 0 and 1: P = 0 a resnet, P = 1 a transformer.  Layer 2: the stage's downsampler.
 *     middle_block.P        P = 0 a resnet, P = 1 a transformer, P = 2 a resnet.
 *     output_blocks.B.P     B = 3 stage + layer.  P = 0 a resnet, then a transformer where the stage has them,
 *                           and in layer 2 the upsampler.
 *
 * Its VAE decoder counts stages backwards.  Files of diffusers have the names already, except those of the oldest VAEs
 * (before diffusers 0.18).  Motion modules have AnimateDiff's names, or fewer levels in diffusers' motion adapters.
 *
 * A name is made by replacing prefixes, from tables.  A key that fits no table is a weight that is not used here; its
 * name is NULL. */
#include "checkpoint_names.h"

#include <string.h>

/* ---- prefixes --------------------------------------------------------------------------------- */

/* Returns the rest of text behind prefix, or NULL when text begins otherwise.
 * A '_' in text fits a '.' in prefix, because the names in LoRA files have no dots. */
static const char *after(const char *text, const char *prefix)
{
    for (; *prefix; prefix++) {
        int same = *text == *prefix || (*prefix == '.' && *text == '_');
        if (!same) return NULL;
        text++;
    }
    return text;
}

/* Reads a number of at most three digits and its '.', as in "12.", and moves *text behind them.
 * Returns -1, and moves nothing, when there is none. */
static int block_number(const char **text)
{
    enum { MOST_DIGITS = 3 };
    const char *p = *text;
    int n = 0;
    for (int digits = 0; digits < MOST_DIGITS && *p >= '0' && *p <= '9'; digits++) {
        n = n * 10 + (*p - '0');
        p++;
    }
    const char *rest = after(p, ".");
    if (p == *text || !rest) return -1;
    *text = rest;
    return n;
}

/* Rows of a table end with { NULL, NULL }. */
typedef struct { const char *from, *to; } Rename;

/* Replaces the first prefix of the table that text begins with, and puts `before` in front.
 * Returns NULL when none fits. */
static char *renamed(Arena *a, const char *before, const char *text, const Rename *table)
{
    for (; table->from; table++) {
        const char *rest = after(text, table->from);
        if (rest) return format(a, "%s%s%s", before, table->to, rest);
    }
    return NULL;
}

/* ---- the UNet --------------------------------------------------------------------------------- */

static const Rename resnet_names[] = {
    { "in_layers.0.",     "norm1." },
    { "in_layers.2.",     "conv1." },
    { "emb_layers.1.",    "time_emb_proj." },
    { "out_layers.0.",    "norm2." },
    { "out_layers.3.",    "conv2." },
    { "skip_connection.", "conv_shortcut." },
    { NULL, NULL }
};
static const Rename downsampler_names[] = {
    { "op.", "conv." },
    { NULL, NULL }
};
static const Rename unet_end_names[] = {
    { "time_embed.0.",     "time_embedding.linear_1." },
    { "time_embed.2.",     "time_embedding.linear_2." },
    { "input_blocks.0.0.", "conv_in." },
    { "out.0.",            "conv_norm_out." },
    { "out.2.",            "conv_out." },
    { NULL, NULL }
};

/* In LoRAs that were made in the web UI, a motion module is appended to its block. */
static int is_temporal(const char *rest) { return after(rest, "temporal_transformer.") != NULL; }

/* Names the spatial transformer, or the motion module, of a layer of a block.  block: "down_blocks.1" */
static char *transformer_name(Arena *a, const char *block, int layer, const char *rest)
{
    if (is_temporal(rest)) return format(a, "motion.%s.motion_modules.%d.%s", block, layer, rest);
    return format(a, "unet.%s.attentions.%d.%s", block, layer, rest);
}

static char *resnet_name(Arena *a, const char *block, int layer, const char *rest)
{
    return renamed(a, format(a, "unet.%s.resnets.%d.", block, layer), rest, resnet_names);
}

static char *down_block_name(Arena *a, int number, int part, const char *rest)
{
    int layer = (number - 1) % 3;
    const char *block = format(a, "down_blocks.%d", (number - 1) / 3);
    if (layer == 2) return renamed(a, format(a, "unet.%s.downsamplers.0.", block), rest, downsampler_names);
    if (part == 0) return resnet_name(a, block, layer, rest);
    return transformer_name(a, block, layer, rest);
}

static char *mid_block_name(Arena *a, int part, const char *rest)
{
    if (part == 1 || is_temporal(rest)) return transformer_name(a, "mid_block", 0, rest);
    return resnet_name(a, "mid_block", part / 2, rest);
}

static char *up_block_name(Arena *a, int number, int part, const char *rest)
{
    int layer = number % 3;
    const char *block = format(a, "up_blocks.%d", number / 3);
    if (part == 0) return resnet_name(a, block, layer, rest);
    if (after(rest, "conv.")) return format(a, "unet.%s.upsamplers.0.%s", block, rest);
    return transformer_name(a, block, layer, rest);
}

/* Reads "PREFIX12.0.": writes the two numbers and returns what follows; NULL when text begins otherwise. */
static const char *after_block_and_part(const char *text, const char *prefix, int *block, int *part)
{
    const char *rest = after(text, prefix);
    if (!rest) return NULL;
    *block = block_number(&rest);
    if (*block < 0) return NULL;
    *part = block_number(&rest);
    return *part < 0 ? NULL : rest;
}

char *diffusers_unet_name(Arena *a, const char *key)
{
    int block, part;
    const char *rest = after_block_and_part(key, "input_blocks.", &block, &part);
    if (rest && block > 0) return down_block_name(a, block, part, rest);
    rest = after_block_and_part(key, "output_blocks.", &block, &part);
    if (rest) return up_block_name(a, block, part, rest);
    rest = after(key, "middle_block.");
    part = rest ? block_number(&rest) : -1;
    if (part >= 0) return mid_block_name(a, part, rest);
    return renamed(a, "unet.", key, unet_end_names);
}

/* ---- the VAE ---------------------------------------------------------------------------------- */

static const Rename vae_resnet_names[] = {
    { "nin_shortcut.", "conv_shortcut." },
    { "", "" },
    { NULL, NULL }
};
static const Rename vae_sampler_names[] = {
    { "upsample.",   "upsamplers.0." },
    { "downsample.", "downsamplers.0." },
    { NULL, NULL }
};
static const Rename vae_attention_names[] = {
    { "norm.",     "group_norm." },
    { "q.",        "to_q." },
    { "k.",        "to_k." },
    { "v.",        "to_v." },
    { "proj_out.", "to_out.0." },
    { NULL, NULL }
};
static const Rename vae_diffusers_attention_names[] = {      /* before diffusers 0.18; since then all stays */
    { "query.",     "to_q." },
    { "key.",       "to_k." },
    { "value.",     "to_v." },
    { "proj_attn.", "to_out.0." },
    { "", "" },
    { NULL, NULL }
};
static const Rename vae_end_names[] = {
    { "norm_out.",          "conv_norm_out." },      /* LDM */
    { "conv_in.",           "conv_in." },            /* both */
    { "conv_out.",          "conv_out." },
    { "conv_norm_out.",     "conv_norm_out." },      /* diffusers */
    { "up_blocks.",         "up_blocks." },
    { "down_blocks.",       "down_blocks." },
    { "mid_block.resnets.", "mid_block.resnets." },
    { NULL, NULL }
};

/* Names what is in a stage of LDM's encoder or decoder.  half: "vae.decoder"    rest: behind "up.STAGE." */
static char *vae_stage_name(Arena *a, const char *half, const char *direction, int stage, const char *rest)
{
    const char *block = format(a, "%s.%s_blocks.%d.", half, direction, stage);
    const char *in_resnet = after(rest, "block.");
    int layer = in_resnet ? block_number(&in_resnet) : -1;
    if (layer >= 0) return renamed(a, format(a, "%sresnets.%d.", block, layer), in_resnet, vae_resnet_names);
    return renamed(a, block, rest, vae_sampler_names);
}

/* Reads LDM's names for the middle of the VAE, and diffusers' name for its attention.  Returns NULL for others. */
static char *vae_middle_name(Arena *a, const char *half, const char *key)
{
    const char *rest = after(key, "mid.block_");
    int layer = rest ? block_number(&rest) : -1;      /* counts from 1 */
    if (layer >= 1) return renamed(a, format(a, "%s.mid_block.resnets.%d.", half, layer - 1), rest, vae_resnet_names);
    const char *attention = format(a, "%s.mid_block.attentions.0.", half);
    rest = after(key, "mid_block.attentions.0.");
    if (rest) return renamed(a, attention, rest, vae_diffusers_attention_names);
    rest = after(key, "mid.attn_1.");
    if (rest) return renamed(a, attention, rest, vae_attention_names);
    return NULL;
}

static char *vae_encoder_name(Arena *a, const char *key)
{
    const char *rest = after(key, "down.");
    int stage = rest ? block_number(&rest) : -1;
    if (stage >= 0) return vae_stage_name(a, "vae.encoder", "down", stage, rest);
    char *middle = vae_middle_name(a, "vae.encoder", key);
    return middle ? middle : renamed(a, "vae.encoder.", key, vae_end_names);
}

static char *vae_decoder_name(Arena *a, const char *key)
{
    enum { LAST_STAGE = 3 };
    const char *rest = after(key, "up.");
    int stage = rest ? block_number(&rest) : -1;
    if (stage >= 0) return vae_stage_name(a, "vae.decoder", "up", LAST_STAGE - stage, rest);
    char *middle = vae_middle_name(a, "vae.decoder", key);
    return middle ? middle : renamed(a, "vae.decoder.", key, vae_end_names);
}

/* key: behind "first_stage_model." or "vae.", or the whole key in the file of a VAE */
static char *vae_name(Arena *a, const char *key)
{
    const char *rest = after(key, "encoder.");
    if (rest) return vae_encoder_name(a, rest);
    rest = after(key, "decoder.");
    if (rest) return vae_decoder_name(a, rest);
    if (after(key, "quant_conv.") || after(key, "post_quant_conv.")) return format(a, "vae.%s", key);
    return NULL;
}

/* ---- the text encoder ------------------------------------------------------------------------- */

/* key: behind "cond_stage_model.transformer." or "text_encoder."; older files lack "text_model." */
static char *text_encoder_name(Arena *a, const char *key)
{
    const char *rest = after(key, "text_model.");
    if (!rest) rest = key;
    if (strstr(rest, "position_ids")) return NULL;      /* not a weight, and corrupt in many merged files */
    return format(a, "te.text_model.%s", rest);
}

/* ---- motion modules --------------------------------------------------------------------------- */

static const Rename motion_names[] = {
    { "temporal_transformer.", "temporal_transformer." },      /* AnimateDiff */
    /* diffusers */
    { "transformer_blocks.0.norm1.", "temporal_transformer.transformer_blocks.0.norms.0." },
    { "transformer_blocks.0.norm2.", "temporal_transformer.transformer_blocks.0.norms.1." },
    { "transformer_blocks.0.norm3.", "temporal_transformer.transformer_blocks.0.ff_norm." },
    { "transformer_blocks.0.attn1.", "temporal_transformer.transformer_blocks.0.attention_blocks.0." },
    { "transformer_blocks.0.attn2.", "temporal_transformer.transformer_blocks.0.attention_blocks.1." },
    { "transformer_blocks.0.pos_embed.", "temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder." },
    { "", "temporal_transformer." },
    { NULL, NULL }
};

static char *motion_name(Arena *a, const char *key)
{
    static const char MODULES[] = "motion_modules.";
    const char *rest = strstr(key, MODULES);
    if (!rest) return NULL;
    rest += strlen(MODULES);
    if (block_number(&rest) < 0) return NULL;
    return renamed(a, format(a, "motion.%.*s", (int)(rest - key), key), rest, motion_names);
}

char *diffusers_second_name(Arena *a, const char *key, const char *name)
{
    static const char FIRST[] = "0.pos_encoder.pe";
    if (!strstr(key, ".pos_embed.pe")) return NULL;
    size_t n = strlen(name) - strlen(FIRST);
    return format(a, "%.*s1.pos_encoder.pe", (int)n, name);
}

/* ---- any of them ------------------------------------------------------------------------------ */

/* Returns key without the "state_dict." and "module." that trainers put in front. */
static const char *unwrapped(const char *key)
{
    const char *rest = after(key, "state_dict.");
    if (rest) key = rest;
    rest = after(key, "module.");
    return rest ? rest : key;
}

/* ComfyUI marks checkpoints that predict v, or that were trained with zero terminal SNR, by an empty tensor. */
static int is_marker(const char *key) { return !strcmp(key, "v_pred") || !strcmp(key, "ztsnr"); }

char *diffusers_name(Arena *a, FileKind kind, const char *key)
{
    key = unwrapped(key);
    if (kind == MOTION_FILE) return motion_name(a, key);

    const char *vae = after(key, "first_stage_model.");
    if (!vae) vae = after(key, "vae.");
    if (!vae && kind == VAE_FILE) vae = key;
    if (vae) return vae_name(a, vae);

    const char *unet = after(key, "model.diffusion_model.");
    if (unet) return diffusers_unet_name(a, unet);

    const char *text_encoder = after(key, "cond_stage_model.transformer.");
    if (!text_encoder) text_encoder = after(key, "text_encoder.");
    if (text_encoder) return text_encoder_name(a, text_encoder);

    if (after(key, "unet.")) return format(a, "%s", key);
    if (is_marker(key)) return format(a, "unet.%s", key);
    return NULL;
}
