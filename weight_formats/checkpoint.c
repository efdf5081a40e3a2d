/* checkpoint.c - other layouts' names -> ours, and what kind of file this is.
 *
 * A single-file checkpoint (LDM, what civitai hosts) counts the blocks of the UNet through: stage i of the
 * way down holds input_blocks 1+3i, 2+3i (a resnet, maybe a transformer) and 3+3i (the downsampler);
 * stage i of the way up holds output_blocks 3i .. 3i+2, its upsampler last in the third.  The VAE's
 * decoder counts its stages backwards.  A diffusers folder has our names already, but for the oldest of the VAE's.
 *
 * Each name is rewritten once, when the file is opened, and looked up by our name from then on.  Tensors that are no weights (EMA copies,
 * schedules, the often corrupt position_ids) are left out; what is missing or misshapen shows in the dry run. */
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>

struct Weights { Weight *weight; size_t count; const WeightFile *file; Weights *below; };

/* the rest of text after prefix, or NULL; in the names of LoRA files '_' stands for '.' */
static const char *after(const char *text, const char *prefix)
{
    while (*prefix && (*text == *prefix || (*prefix == '.' && *text == '_'))) text++, prefix++;
    return *prefix ? NULL : text;
}

/* reads "12." and steps over it */
static int block_number(const char **text)
{
    int n = 0, digits = 0;
    for (; **text >= '0' && **text <= '9' && digits < 3; digits++) n = n * 10 + *(*text)++ - '0';
    const char *rest = digits ? after(*text, ".") : NULL;
    if (rest) *text = rest;
    return rest ? n : -1;
}

typedef struct { const char *from, *to; } Rename;

/* the first prefix that fits is replaced; NULL when none does */
static char *renamed(Arena *a, const char *before, const char *text, const Rename *table)
{
    for (; table->from; table++) {
        const char *rest = after(text, table->from);
        if (rest) return format(a, "%s%s%s", before, table->to, rest);
    }
    return NULL;
}

static const Rename resnet_names[] = {
    { "in_layers.0.", "norm1." },  { "in_layers.2.", "conv1." },  { "emb_layers.1.", "time_emb_proj." },
    { "out_layers.0.", "norm2." }, { "out_layers.3.", "conv2." }, { "skip_connection.", "conv_shortcut." }, { 0 }
};
static const Rename unet_ends[] = {
    { "time_embed.0.", "time_embedding.linear_1." }, { "time_embed.2.", "time_embedding.linear_2." },
    { "input_blocks.0.0.", "conv_in." }, { "out.0.", "conv_norm_out." }, { "out.2.", "conv_out." }, { 0 }
};
static const Rename vae_names[] = {
    { "nin_shortcut.", "conv_shortcut." }, { "", "" }, { 0 }
};
static const Rename vae_ends[] = {
    { "norm_out.", "conv_norm_out." }, { "conv_norm_out.", "conv_norm_out." }, { "conv_in.", "conv_in." }, { "conv_out.", "conv_out." },
    { "up_blocks.", "up_blocks." }, { "down_blocks.", "down_blocks." }, { "mid_block.resnets.", "mid_block.resnets." }, { 0 }
};
static const Rename vae_diffusers_attention_names[] = {      /* before diffusers 0.18, and since */
    { "query.", "to_q." }, { "key.", "to_k." }, { "value.", "to_v." }, { "proj_attn.", "to_out.0." }, { "", "" }, { 0 }
};
static const Rename vae_attention_names[] = {
    { "norm.", "group_norm." }, { "q.", "to_q." }, { "k.", "to_k." }, { "v.", "to_v." }, { "proj_out.", "to_out.0." }, { 0 }
};

static const char TEMPORAL[] = "temporal_transformer.";      /* a motion module that the web UI has appended to a block: LoRAs made there are named so */

char *unet_name(Arena *a, const char *text)
{
    const char *p;
    int block, part;
    if ((p = after(text, "input_blocks.")) && (block = block_number(&p)) > 0 && (part = block_number(&p)) >= 0) {
        int stage = (block - 1) / 3, layer = (block - 1) % 3;
        if (layer == 2)  return renamed(a, format(a, "unet.down_blocks.%d.downsamplers.0.", stage), p, (Rename[]){ { "op.", "conv." }, { 0 } });
        if (part == 0)   return renamed(a, format(a, "unet.down_blocks.%d.resnets.%d.", stage, layer), p, resnet_names);
        if (after(p, TEMPORAL)) return format(a, "motion.down_blocks.%d.motion_modules.%d.%s", stage, layer, p);
        return format(a, "unet.down_blocks.%d.attentions.%d.%s", stage, layer, p);
    }
    if ((p = after(text, "middle_block.")) && (part = block_number(&p)) >= 0) {
        if (after(p, TEMPORAL)) return format(a, "motion.mid_block.motion_modules.0.%s", p);
        if (part == 1)   return format(a, "unet.mid_block.attentions.0.%s", p);
        return renamed(a, format(a, "unet.mid_block.resnets.%d.", part / 2), p, resnet_names);
    }
    if ((p = after(text, "output_blocks.")) && (block = block_number(&p)) >= 0 && (part = block_number(&p)) >= 0) {
        int stage = block / 3, layer = block % 3;
        if (part == 0)   return renamed(a, format(a, "unet.up_blocks.%d.resnets.%d.", stage, layer), p, resnet_names);
        if (after(p, "conv.")) return format(a, "unet.up_blocks.%d.upsamplers.0.%s", stage, p);
        if (after(p, TEMPORAL)) return format(a, "motion.up_blocks.%d.motion_modules.%d.%s", stage, layer, p);
        return format(a, "unet.up_blocks.%d.attentions.%d.%s", stage, layer, p);
    }
    return renamed(a, "unet.", text, unet_ends);
}

/* what follows first_stage_model. or vae., or stands alone in a VAE file; LDM's stages are four, diffusers' names are ours */
static char *vae_name(Arena *a, const char *text)
{
    const char *p, *half = after(text, "encoder.") ? "encoder" : after(text, "decoder.") ? "decoder" : NULL;
    int up = half && *half == 'd', stage, layer;
    if (!half) return after(text, "quant_conv.") || after(text, "post_quant_conv.") ? format(a, "vae.%s", text) : NULL;
    text += 8;
    if ((p = after(text, up ? "up." : "down.")) && (stage = block_number(&p)) >= 0) {
        if (up) stage = 3 - stage;
        const char *blocks = format(a, "vae.%s.%s_blocks.%d.", half, up ? "up" : "down", stage), *q;
        if ((q = after(p, "block.")) && (layer = block_number(&q)) >= 0) return renamed(a, format(a, "%sresnets.%d.", blocks, layer), q, vae_names);
        return renamed(a, blocks, p, (Rename[]){ { "upsample.", "upsamplers.0." }, { "downsample.", "downsamplers.0." }, { 0 } });
    }
    if ((p = after(text, "mid.block_")) && (layer = block_number(&p)) >= 1)
        return renamed(a, format(a, "vae.%s.mid_block.resnets.%d.", half, layer - 1), p, vae_names);
    if ((p = after(text, "mid_block.attentions.0."))) return renamed(a, format(a, "vae.%s.mid_block.attentions.0.", half), p, vae_diffusers_attention_names);
    if ((p = after(text, "mid.attn_1."))) return renamed(a, format(a, "vae.%s.mid_block.attentions.0.", half), p, vae_attention_names);
    return renamed(a, format(a, "vae.%s.", half), text, vae_ends);
}

/* what follows cond_stage_model.transformer.; older files lack text_model. */
static char *text_name(Arena *a, const char *text)
{
    const char *p = after(text, "text_model.");
    if (!p) p = text;
    return strstr(p, "position_ids") ? NULL : format(a, "te.text_model.%s", p);
}

static const char *unwrapped(const char *name)
{
    const char *p = after(name, "state_dict.");
    if (!p) p = name;
    const char *q = after(p, "module.");
    return q ? q : p;
}

static const Rename motion_names[] = {      /* diffusers' are without the wrapper; its positions serve both attentions of a block */
    { "temporal_transformer.", "temporal_transformer." },
    { "transformer_blocks.0.norm1.", "temporal_transformer.transformer_blocks.0.norms.0." },
    { "transformer_blocks.0.norm2.", "temporal_transformer.transformer_blocks.0.norms.1." },
    { "transformer_blocks.0.norm3.", "temporal_transformer.transformer_blocks.0.ff_norm." },
    { "transformer_blocks.0.attn1.", "temporal_transformer.transformer_blocks.0.attention_blocks.0." },
    { "transformer_blocks.0.attn2.", "temporal_transformer.transformer_blocks.0.attention_blocks.1." },
    { "transformer_blocks.0.pos_embed.", "temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder." },
    { "", "temporal_transformer." }, { 0 }
};

static char *motion_name(Arena *a, const char *text)
{
    const char *p = strstr(text, "motion_modules.");
    if (!p) return NULL;
    p += strlen("motion_modules.");
    return block_number(&p) < 0 ? NULL : renamed(a, format(a, "motion.%.*s", (int)(p - text), text), p, motion_names);
}

/* our name for a tensor of a file of this kind, or NULL when it is no weight of ours */
static char *our_name(Arena *a, FileKind kind, const char *name)
{
    const char *p;
    name = unwrapped(name);
    if (kind == MOTION_FILE)                                return motion_name(a, name);
    if ((p = after(name, "first_stage_model.")))            return vae_name(a, p);
    if ((p = after(name, "vae.")))                          return vae_name(a, p);
    if (kind == VAE_FILE)                                   return vae_name(a, name);
    if ((p = after(name, "model.diffusion_model.")))        return unet_name(a, p);
    if ((p = after(name, "cond_stage_model.transformer."))) return text_name(a, p);
    if ((p = after(name, "text_encoder.")))                 return text_name(a, p);
    if (after(name, "unet."))                               return format(a, "%s", name);
    if (!strcmp(name, "v_pred") || !strcmp(name, "ztsnr"))  return format(a, "unet.%s", name);      /* empty; that they are there tells how the model was trained */
    return NULL;
}

/* ---- kinds ------------------------------------------------------------------------------------ */

#define USE_15   "use one for Stable Diffusion 1.x"
#define USE_TEXT "use a text-to-image one"
#define NONE_YET "nothing here can use it"

/* The first row that fits says what a file is: a tensor with this in its name, and so many inputs where a number is given. */
static const struct { const char *part; size_t inputs; FileKind kind; const char *name, *instead; } kinds[] = {
    { "conditioner.embedders.",          0, UNSUPPORTED_FILE, "an SDXL checkpoint", USE_15 },
    { "unet.add_embedding.",             0, UNSUPPORTED_FILE, "an SDXL folder", USE_15 },
    { "attn2.to_k.weight",             2048, UNSUPPORTED_FILE, "an SDXL model", USE_15 },
    { "cond_stage_model.model.",         0, UNSUPPORTED_FILE, "a Stable Diffusion 2.x checkpoint", USE_15 },
    { "attn2.to_k.weight",             1024, UNSUPPORTED_FILE, "a Stable Diffusion 2.x model", USE_15 },
    { "joint_blocks.",                   0, UNSUPPORTED_FILE, "a Stable Diffusion 3 model", USE_15 },
    { "double_blocks.",                  0, UNSUPPORTED_FILE, "a Flux model", USE_15 },
    { "single_transformer_blocks.",      0, UNSUPPORTED_FILE, "a Flux model", USE_15 },
    { "input_blocks.0.0.weight",         9, UNSUPPORTED_FILE, "an inpainting checkpoint", USE_TEXT },
    { "unet.conv_in.weight",             9, UNSUPPORTED_FILE, "an inpainting folder", USE_TEXT },
    { "input_blocks.0.0.weight",         8, UNSUPPORTED_FILE, "an editing checkpoint (InstructPix2Pix)", USE_TEXT },
    { "unet.conv_in.weight",             8, UNSUPPORTED_FILE, "an editing folder (InstructPix2Pix)", USE_TEXT },
    { "scale_weight",                    0, UNSUPPORTED_FILE, "a checkpoint of scaled fp8", "use the same as F16, F32 or plain fp8" },
    { "input_hint_block.",               0, UNSUPPORTED_FILE, "a ControlNet", NONE_YET },
    { "controlnet_cond_embedding.",      0, UNSUPPORTED_FILE, "a ControlNet", NONE_YET },
    { "lora_controlnet",                 0, UNSUPPORTED_FILE, "a ControlNet", NONE_YET },
    { "ip_adapter.",                     0, UNSUPPORTED_FILE, "an IP-Adapter", NONE_YET },
    { "body.0.block1.",                  0, UNSUPPORTED_FILE, "a T2I-Adapter", NONE_YET },
    { "body.0.resnets.",                 0, UNSUPPORTED_FILE, "a T2I-Adapter", NONE_YET },
    { "lora",                            0, LORA_FILE,        "a LoRA", "use it in the prompt as <lora:name:0.8>" },
    { "lycoris_",                        0, LORA_FILE,        "a LoRA", "use it in the prompt as <lora:name:0.8>" },
    { "hada_w1",                         0, LORA_FILE,        "a LoHa", "use it in the prompt as <lora:name:0.8>" },
    { "lokr_w",                          0, LORA_FILE,        "a LoKr", "use it in the prompt as <lora:name:0.8>" },
    { "diffusion_model.input_blocks.",   0, MODEL_FILE,       "a Stable Diffusion 1.x checkpoint", "name it as Model or --model" },
    { "unet.down_blocks.",               0, MODEL_FILE,       "a Stable Diffusion 1.x folder", "name it as Model or --model" },
    { "motion_modules.",                 0, MOTION_FILE,      "an AnimateDiff motion module", "name it as Motion module or --motion" },
    { "emb_params",                      0, EMBEDDING_FILE,   "a textual inversion embedding", "put it in embeddings/" },
    { "string_to_param.",                0, EMBEDDING_FILE,   "a textual inversion embedding", "put it in embeddings/" },
    { "clip_g",                          0, UNSUPPORTED_FILE, "an SDXL embedding", "use one for Stable Diffusion 1.x" },
    { "first_stage_model.",              0, VAE_FILE,         "a VAE", "name it as VAE or --vae" },
    { "decoder.up.0.",                   0, VAE_FILE,         "a VAE", "name it as VAE or --vae" },
    { "decoder.up_blocks.",              0, VAE_FILE,         "a VAE", "name it as VAE or --vae" },
    { "input_blocks.",                   0, UNSUPPORTED_FILE, "a UNet without its checkpoint", "use the whole checkpoint" },
    { "down_blocks.",                    0, UNSUPPORTED_FILE, "a part of a diffusers folder", "name the folder, or the single-file checkpoint" },
    { "text_model.encoder.layers.",      0, UNSUPPORTED_FILE, "a text encoder without its checkpoint", "use the whole checkpoint" },
    { "vision_model.",                   0, UNSUPPORTED_FILE, "an image encoder or safety checker", "nothing here needs it" },
    { ".linear.0.weight",                0, UNSUPPORTED_FILE, "a hypernetwork", NONE_YET },
    { "RDB1.conv1.",                     0, UNSUPPORTED_FILE, "an upscaler", NONE_YET },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int fits(const Weight *w, size_t row)
{
    return strstr(w->name, kinds[row].part) && (!kinds[row].inputs || (w->rank > 1 && w->shape[1] == kinds[row].inputs));
}

static size_t kind_row(const WeightFile *f)
{
    for (size_t row = 0; row < KINDS; row++)
        for (size_t i = 0; i < f->count; i++) if (fits(&f->weight[i], row)) return row;
    return KINDS;
}

FileKind    file_kind     (const WeightFile *f) { size_t i = kind_row(f); return i < KINDS ? kinds[i].kind : UNKNOWN_FILE; }
const char *file_kind_name(const WeightFile *f) { size_t i = kind_row(f); return i < KINDS ? kinds[i].name : "a file of no kind known here"; }

static const char *wanted_name(FileKind wanted)
{
    size_t i = 0;
    while (i + 1 < KINDS && kinds[i].kind != wanted) i++;
    return kinds[i].name;
}

/* ---- the table -------------------------------------------------------------------------------- */

static void check_kind(Arena *a, const WeightFile *s, FileKind wanted)
{
    size_t row = kind_row(s);
    FileKind found = row < KINDS ? kinds[row].kind : UNKNOWN_FILE;
    if (found == wanted || (wanted == VAE_FILE && found == MODEL_FILE)) return;
    fail(a, "%s: expected %s, found %s%s%s", s->path, wanted_name(wanted), file_kind_name(s), row < KINDS ? ": " : "", row < KINDS ? kinds[row].instead : "");
}

Weights *weights_of(Arena *a, Weights *below, Weight *weights, size_t count)
{
    Weights *w = take(a, 1, sizeof *w);
    *w = (Weights){ weights, count, NULL, below };
    weights_sort(weights, count);
    return w;
}

Weights *weights_add(Arena *a, Weights *below, const char *path, FileKind wanted)
{
    const WeightFile *s = weights_open(a, path);
    check_kind(a, s, wanted);
    Weight *ours = take(a, s->count, 2 * sizeof *ours);
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        const char *name = our_name(a, wanted, s->weight[i].name);
        if (!name || (wanted == VAE_FILE && !after(name, "vae."))) continue;
        if (!dtype_is_float(s->weight[i].type)) fail(a, "%s: %s is of type %s, expected floating point", path, s->weight[i].name, dtype_name(s->weight[i].type));
        ours[count] = s->weight[i];
        ours[count++].name = name;
        if (!strstr(s->weight[i].name, ".pos_embed.pe")) continue;
        ours[count] = ours[count - 1];
        ours[count++].name = format(a, "%.*s1.pos_encoder.pe", (int)(strlen(name) - strlen("0.pos_encoder.pe")), name);
    }
    if (!count) fail(a, "%s: holds no weights that %s has", path, wanted_name(wanted));
    Weights *w = weights_of(a, below, ours, count);
    w->file = s;
    for (size_t i = 1; i < count; i++)
        if (!strcmp(ours[i - 1].name, ours[i].name)) fail(a, "%s: two of its tensors are both %s", path, ours[i].name);
    return w;
}

const Weight *weights_find(const Weights *w, const char *name)
{
    const Weight *found = NULL;
    for (; w && !found; w = w->below) found = weight_named(w->weight, w->count, name);
    return found;
}

const Weight *weights_at(const Weights *w, size_t i)
{
    for (; w && i >= w->count; w = w->below) i -= w->count;
    return w ? &w->weight[i] : NULL;
}

size_t weights_bytes(const Weights *w, const char *prefix)
{
    size_t bytes = 0, n = strlen(prefix);
    const Weight *one;
    for (size_t i = 0; (one = weights_at(w, i)); i++) if (!strncmp(one->name, prefix, n)) bytes += one->bytes;
    return bytes;
}

const char *weights_metadata(const Weights *w, const char *key)
{
    for (; w; w = w->below) {
        const char *value = w->file ? file_metadata(w->file, key) : NULL;
        if (value) return value;
    }
    return NULL;
}

int weights_predict_v(const Weights *w)
{
    const char *told = weights_metadata(w, "modelspec.prediction_type");
    return weights_find(w, "unet.v_pred") || (told && *told == 'v');
}

void weights_resolution(const Weights *w, int *width, int *height)
{
    enum { USUAL = 512, STEP = 8, LARGEST = 8192 };
    const char *text = weights_metadata(w, "modelspec.resolution");
    int two = text && sscanf(text, "%5dx%5d", width, height) == 2;
    if (!two || *width < STEP || *height < STEP || *width > LARGEST || *height > LARGEST || *width % STEP || *height % STEP) *width = *height = USUAL;
}
