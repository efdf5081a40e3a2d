/* file_kind.c - what a weight file is for, recognized by the names and shapes of its tensors.
 *
 * There is one table.  The first row that fits any tensor of the file decides, so more special kinds stand higher: an
 * SDXL checkpoint also has the names of a Stable Diffusion 1.x checkpoint, and a LoRA may be one for SDXL.
 *
 * A kind that is known by name but not used here has a row too, so that the message can say what the file is and what
 * to take instead.  Models of one architecture differ in their input sizes: 768, 1024 or 2048 for the text embeddings
 * of cross-attention; 4, 8 or 9 channels for the first convolution. */
#include "file_kind.h"

#include <string.h>

#define TAKE_SD_1          "use one for Stable Diffusion 1.x"
#define TAKE_TEXT_TO_IMAGE "use a text-to-image one"
#define NOTHING_USES_IT    "nothing here can use it"
#define USE_IN_PROMPT      "use it in the prompt as <lora:name:0.8>"
#define USE_AS_MODEL       "name it as Model or --model"
#define USE_AS_VAE         "name it as VAE or --vae"
#define USE_AS_MOTION      "name it as Motion module or --motion"
#define USE_AS_EMBEDDING   "put it in embeddings/"

/* part: stands anywhere in the name of a tensor    inputs: the second dim of that tensor; 0: any
 * name: what the file is    advice: what to do with it, where another kind is wanted */
typedef struct { const char *part; size_t inputs; FileKind kind; const char *name, *advice; } KindRow;

#define SUPPORTED(its_part, its_kind, its_name, use)         \
    { .part = its_part, .kind = its_kind, .name = its_name, .advice = use }
#define UNSUPPORTED(its_part, its_name, instead)             \
    { .part = its_part, .kind = UNSUPPORTED_FILE, .name = its_name, .advice = instead }
#define UNSUPPORTED_INPUTS(its_part, n, its_name, instead)   \
    { .part = its_part, .inputs = n, .kind = UNSUPPORTED_FILE, .name = its_name, .advice = instead }

static const KindRow kinds[] = {
    UNSUPPORTED       ("conditioner.embedders.", "an SDXL checkpoint", TAKE_SD_1),
    UNSUPPORTED       ("unet.add_embedding.", "an SDXL folder", TAKE_SD_1),
    UNSUPPORTED_INPUTS("attn2.to_k.weight", 2048, "an SDXL model", TAKE_SD_1),
    UNSUPPORTED       ("cond_stage_model.model.", "a Stable Diffusion 2.x checkpoint", TAKE_SD_1),
    UNSUPPORTED_INPUTS("attn2.to_k.weight", 1024, "a Stable Diffusion 2.x model", TAKE_SD_1),
    UNSUPPORTED       ("joint_blocks.", "a Stable Diffusion 3 model", TAKE_SD_1),
    UNSUPPORTED       ("double_blocks.", "a Flux model", TAKE_SD_1),
    UNSUPPORTED       ("single_transformer_blocks.", "a Flux model", TAKE_SD_1),
    UNSUPPORTED_INPUTS("input_blocks.0.0.weight", 9, "an inpainting checkpoint", TAKE_TEXT_TO_IMAGE),
    UNSUPPORTED_INPUTS("unet.conv_in.weight", 9, "an inpainting folder", TAKE_TEXT_TO_IMAGE),
    UNSUPPORTED_INPUTS("input_blocks.0.0.weight", 8, "an editing checkpoint (InstructPix2Pix)", TAKE_TEXT_TO_IMAGE),
    UNSUPPORTED_INPUTS("unet.conv_in.weight", 8, "an editing folder (InstructPix2Pix)", TAKE_TEXT_TO_IMAGE),
    UNSUPPORTED       ("scale_weight", "a checkpoint of scaled fp8", "use the same as F16, F32 or plain fp8"),
    UNSUPPORTED       ("input_hint_block.", "a ControlNet", NOTHING_USES_IT),
    UNSUPPORTED       ("controlnet_cond_embedding.", "a ControlNet", NOTHING_USES_IT),
    UNSUPPORTED       ("lora_controlnet", "a ControlNet", NOTHING_USES_IT),
    UNSUPPORTED       ("ip_adapter.", "an IP-Adapter", NOTHING_USES_IT),
    UNSUPPORTED       ("image_proj.", "an IP-Adapter", NOTHING_USES_IT),
    UNSUPPORTED       ("temporal_attentions.", "a HotShot motion module, for SDXL", TAKE_SD_1),
    UNSUPPORTED       ("body.0.block1.", "a T2I-Adapter", NOTHING_USES_IT),
    UNSUPPORTED       ("body.0.resnets.", "a T2I-Adapter", NOTHING_USES_IT),

    SUPPORTED("lora", LORA_FILE, "a LoRA", USE_IN_PROMPT),
    SUPPORTED("lycoris_", LORA_FILE, "a LoRA", USE_IN_PROMPT),
    UNSUPPORTED(":0:up", "a LoRA of cloneofsimo's trainer, whose layers have numbers and no names",
                "convert it, or look for one in kohya's or diffusers' names"),
    SUPPORTED("hada_w1", LORA_FILE, "a LoHa", USE_IN_PROMPT),
    SUPPORTED("lokr_w", LORA_FILE, "a LoKr", USE_IN_PROMPT),
    SUPPORTED("oft_blocks", LORA_FILE, "an OFT", USE_IN_PROMPT),
    SUPPORTED("oft_diag", LORA_FILE, "an OFT", USE_IN_PROMPT),
    SUPPORTED(".oft_R.", LORA_FILE, "an OFT", USE_IN_PROMPT),
    SUPPORTED(".boft_R", LORA_FILE, "a BOFT", USE_IN_PROMPT),
    SUPPORTED(".ia3_l", LORA_FILE, "an (IA)^3", USE_IN_PROMPT),
    SUPPORTED(".on_input", LORA_FILE, "an (IA)^3", USE_IN_PROMPT),
    SUPPORTED("base_model.model.", LORA_FILE, "a file of PEFT", USE_IN_PROMPT),
    SUPPORTED("diffusion_model.input_blocks.", MODEL_FILE, "a Stable Diffusion 1.x checkpoint", USE_AS_MODEL),
    SUPPORTED("unet.down_blocks.", MODEL_FILE, "a Stable Diffusion 1.x folder", USE_AS_MODEL),
    SUPPORTED("motion_modules.", MOTION_FILE, "an AnimateDiff motion module", USE_AS_MOTION),
    SUPPORTED("emb_params", EMBEDDING_FILE, "a textual inversion embedding", USE_AS_EMBEDDING),
    SUPPORTED("string_to_param.", EMBEDDING_FILE, "a textual inversion embedding", USE_AS_EMBEDDING),
    UNSUPPORTED("clip_g", "an SDXL embedding", TAKE_SD_1),
    SUPPORTED("first_stage_model.", VAE_FILE, "a VAE", USE_AS_VAE),
    SUPPORTED("decoder.up.0.", VAE_FILE, "a VAE", USE_AS_VAE),
    SUPPORTED("decoder.up_blocks.", VAE_FILE, "a VAE", USE_AS_VAE),

    UNSUPPORTED("input_blocks.", "a UNet without its checkpoint", "use the whole checkpoint"),
    UNSUPPORTED("down_blocks.", "a part of a diffusers folder", "name the folder, or the single-file checkpoint"),
    UNSUPPORTED("text_model.encoder.layers.", "a text encoder without its checkpoint", "use the whole checkpoint"),
    UNSUPPORTED("vision_model.", "an image encoder or safety checker", "nothing here needs it"),
    UNSUPPORTED(".linear.0.weight", "a hypernetwork", NOTHING_USES_IT),
    UNSUPPORTED("RDB1.conv1.", "an upscaler", NOTHING_USES_IT),
    UNSUPPORTED("rdb1.conv1.", "an upscaler", NOTHING_USES_IT),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

#undef SUPPORTED
#undef UNSUPPORTED
#undef UNSUPPORTED_INPUTS

static int fits(const Weight *w, const KindRow *row)
{
    if (!strstr(w->name, row->part)) return 0;
    return !row->inputs || (w->rank > 1 && w->shape[1] == row->inputs);
}

/* Returns the first row that fits a tensor of the file, or NULL when none does. */
static const KindRow *row_of(const WeightFile *f)
{
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < f->count; i++)
            if (fits(&f->weight[i], &kinds[k])) return &kinds[k];
    return NULL;
}

FileKind file_kind(const WeightFile *f)
{
    const KindRow *row = row_of(f);
    return row ? row->kind : UNKNOWN_FILE;
}

const char *file_kind_name(const WeightFile *f)
{
    const KindRow *row = row_of(f);
    return row ? row->name : "a file of no kind known here";
}

const char *kind_name(FileKind kind)
{
    size_t k = 0;
    while (k + 1 < KINDS && kinds[k].kind != kind) k++;
    return kinds[k].name;
}

void check_file_kind(Arena *a, const WeightFile *f, FileKind wanted)
{
    const KindRow *row = row_of(f);
    FileKind found = row ? row->kind : UNKNOWN_FILE;
    if (found == wanted) return;
    if (wanted == VAE_FILE && found == MODEL_FILE) return;
    const char *advice = row ? format(a, ": %s", row->advice) : "";
    fail(a, "%s: expected %s, found %s%s", f->path, kind_name(wanted), file_kind_name(f), advice);
}
