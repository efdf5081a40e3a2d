/* foreign_settings.c - settings as other programs write them: their keys and values, and what they are here.
 *
 * Three tables: other names of our keys; keys that mean nothing here but show that a line is settings; and values.
 * A value is translated only after the setting has refused it, so what is right stays as it is.
 *
 * The programs are the web UI and its extensions, Forge, SD.Next, ComfyUI, InvokeAI, stable-diffusion.cpp, diffusers,
 * Draw Things, Fooocus, NovelAI, Easy Diffusion, SwarmUI and Civitai.
 *
 * Nothing here fails, and nothing is told: the caller tells what was translated and what was left out. */
#include "foreign_settings.h"

#include "chars.h"
#include "sampler_names.h"

#include <math.h>
#include <string.h>

/* ---- keys ------------------------------------------------------------------------------------- */

/* Case, "-", "_" and blanks do not matter, but for the first character, which mostly decides. */
static int is_key(const char *text, const char *name)
{
    if (lower(*text) != lower(*name)) return 0;
    const char *rest = text_after_name(text, name);
    return rest && !*rest;
}

static const struct { const char *ours, *theirs[12]; } keys[] = {
    { "Steps",              { "Sampling steps", "Number of steps", "num_inference_steps", "Inference steps",
                              "ddim_steps", "sample_steps", "num_steps", "Step count" } },
    { "Sampler",            { "Sampler name", "Sampling method", "Sample method", "Sampling sampler", "ksamplerName",
                              "Sampler index" } },
    { "Schedule type",      { "Schedule", "Scheduler", "Scheduler type", "Sampler sigma", "Sampler spacing",
                              "Sigma schedule" } },
    { "CFG scale",          { "CFG", "Guidance scale", "cfg_scale_value", "Classifier free guidance scale",
                              "unconditional_guidance_scale", "Prompt guidance" } },
    { "Seed",               { "noise_seed", "Random seed", "Seed number" } },
    { "Size",               { "Resolution", "Image size", "Dimensions" } },
    { "Model",              { "Checkpoint", "Checkpoint name", "ckpt", "ckpt_name", "Model name", "Model checkpoint",
                              "sd_model_name", "SD model", "Stable Diffusion model", "use_stable_diffusion_model",
                              "sd_model_checkpoint" } },
    { "VAE",                { "VAE name", "sd_vae", "VAE model", "use_vae_model" } },
    { "Init image",         { "Input image" } },
    { "Last image",         { "Last frame", "End image" } },
    { "Denoising strength", { "Denoise", "Denoising", "Denoise strength", "Strength", "Hires strength" } },
    { "Clip skip",          { "clip_stop_at_last_layers", "clip_stop_at_layer", "stop_at_clip_layer",
                              "CLIP_stop_at_last_layers" } },
    { "RNG",                { "RNG source", "Random number generator", "randn_source" } },
    { "Eta",                { "Eta DDIM", "ddim_eta", "Eta noise seed" } },
    { "CFG rescale",        { "CFG Rescale \xcf\x86", "CFG Rescale phi", "Guidance rescale",
                              "cfg_rescale_multiplier" } },
    { "Prediction type",    { "Sampler type", "Prediction" } },
    { "Hires upscale",      { "Hires scale", "hr_scale" } },
    { "Hires steps",        { "hr_second_pass_steps" } },
    { "Hires upscaler",     { "hr_upscaler" } },
    { "Upscaler",           { "Postprocess upscaler", "upscaler_1", "extras_upscaler_1", "Upscale model",
                              "upscale_model" } },
    { "Upscale by",         { "Postprocess upscale by", "upscaling_resize" } },
    { "Motion module",      { "Motion model", "Motion module name", "Motion adapter" } },
    { "Motion strength",    { "Motion scale", "scale_multival" } },
    { "Frames",             { "Number of frames", "Frame count", "num_frames", "Video length", "video_frames" } },
    { "FPS",                { "Frame rate", "Frames per second" } },
    { "Context",            { "Context length", "Context batch size" } },
    { "Overlap",            { "Context overlap" } },
    { "Stride",             { "Context stride" } },
};

const Setting *foreign_key(const char *key)
{
    const Setting *own = setting_key(key);
    if (own) return own;
    for (const Setting *s = all_settings; s->flag; s++)
        if (s->key && is_key(key, s->key)) return s;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (const char *const *theirs = keys[i].theirs; *theirs; theirs++)
            if (is_key(key, *theirs)) return setting_key(keys[i].ours);
    return NULL;
}

const Setting *foreign_setting(const char *key, const char *value)
{
    const Setting *s = foreign_key(key);
    if (!s || !s->key || !value) return s;
    int is_number = digit(*value) || *value == '.' || *value == '-';
    if (is_key(s->key, "Hires upscale") && !is_number && *value) return setting_key("Hires upscaler");
    if (is_key(s->key, "Noise Schedule") && schedule_spelled(value).type > 0) return setting_key("Schedule type");
    return s;
}

/* Is text one of the names, or does it begin as one that ends with "*" does? */
static int is_listed(const char *const *names, const char *text)
{
    for (; *names; names++) {
        size_t n = strlen(*names) - 1;
        int is_prefix = (*names)[n] == '*';
        size_t i = 0;
        while (is_prefix && i < n && lower(text[i]) == lower((*names)[i])) i++;
        if (is_prefix ? i == n : is_key(text, *names)) return 1;
    }
    return 0;
}

int foreign_key_is_known(const char *key)
{
    static const char *const known[] = {
        "Model hash", "VAE hash", "VAE Encoder", "VAE Decoder", "Version", "ENSD", "Face restoration", "Variation seed",
        "Variation seed strength", "Variation strength", "Seed resize from", "Conditional mask weight",
        "Image CFG scale", "Distilled CFG Scale", "Token merging ratio", "Token merging ratio hr", "Tiling",
        "FP8 weight", "Mask blur", "Mask mode", "Masked content", "Inpaint area", "Masked area padding",
        "Noise multiplier", "Extra noise", "Init image hash", "First pass size", "Batch size", "Batch pos", "Batch",
        "Hashes", "Lora hashes", "TI hashes", "Hypernet", "Hypernet strength", "Pad conds", "NGMS", "Refiner",
        "Refiner switch at", "Sigma churn", "Sigma tmin", "Sigma tmax", "Sigma noise", "Schedule rho",
        "Schedule max sigma", "Schedule min sigma", "Skip Early CFG", "Discard penultimate sigma",
        "Beta schedule alpha", "Beta schedule beta", "SGM noise multiplier", "Script", "X Type", "X Values", "Y Type",
        "Y Values", "Z Type", "Z Values", "Styles", "Parser", "Pipeline", "Backend", "Operations", "Sampler RNG",
        "Sampler order", "Sampler low order", "Sampler beta schedule", "Sampler rescale", "CFG true", "CFG end",
        "Guidance", "Downcast alphas_cumprod", "Emphasis", "Created Date", "Civitai resources", "Civitai metadata",
        "Diffusion in Low Bits", "Dynamic thresholding enabled", "Mimic scale", "Width", "Height", "sag_*", "pag_*",
        "freeu_*", "dynthres_*", "ADetailer*", "ControlNet*", "Hires *", "AddNet *", "Tiled *", "Module *", NULL
    };
    return is_listed(known, key);
}

int foreign_key_is_tail(const char *key)
{
    static const char *const tail[] = {
        "Template", "Negative Template", "Time taken", "Civitai resources", "Civitai metadata", "Hashes",
        "Hashed prompt", "Hashed Negative prompt", "Used embeddings", "Resources", "Torch active*", "Sys VRAM", "A",
        "Wildcard prompt", "Wildcard negative prompt", "Saved", "Execution", "Time", NULL
    };
    return is_listed(tail, key);
}

/* ---- values ----------------------------------------------------------------------------------- */

int foreign_value_is_nothing(const char *value)
{
    static const char *const words[] = { "None", "null", "undefined", "N/A", "unknown", NULL };
    return !*value || is_listed(words, value);
}

static const struct { const char *key, *theirs, *ours; } values[] = {
    { "RNG",             "GPU",               "NV" },            /* Philox is the generator of NVIDIA's cards */
    { "RNG",             "cuda",              "NV" },
    { "RNG",             "philox",            "NV" },
    { "RNG",             "NVIDIA",            "NV" },
    { "RNG",             "mt19937",           "CPU" },
    { "Clip skip",       "0",                 "1" },             /* layers that are skipped, none of them */
    { "Clip skip",       "True",              "2" },             /* Easy Diffusion */
    { "Clip skip",       "False",             "1" },
    { "CFG scale",       "0",                 "1" },             /* diffusers: no guidance */
    { "Prediction type", "eps",               "epsilon" },
    { "Prediction type", "v_pred",            "v" },
    { "Prediction type", "velocity",          "v" },
    { "Noise Schedule",  "ZSNR",              "Zero Terminal SNR" },
    { "Noise Schedule",  "ZTSNR",             "Zero Terminal SNR" },
    { "Closed loop",     "True",              "R-P" },           /* the AnimateDiff extension before 1.9.4 */
    { "Closed loop",     "False",             "N" },
    { "Precision",       "fp32",              "f32" },
    { "Precision",       "float32",           "f32" },
    { "Precision",       "full",              "f32" },
    { "Precision",       "bfloat16",          "bf16" },
    { "VAE",             "Baked VAE",         "none" },
    { "VAE",             "Default",           "none" },
};

/* The number at the start of a value, when it ends there or only words about it follow: "20/20", "7.0 (default)",
 * "12; 13", "50%", "2x".  -> 0 when there is none */
static int leading_number(const char *value, double *x)
{
    size_t n = number_at(value, x);
    const char *rest = value + n;
    int ends = !*rest || blank(*rest) || strchr("/(;|%", *rest) || same(rest, "x") || same(rest, "px");
    return n && ends && isfinite(*x);
}

static const char *foreign_number(Arena *a, const Setting *s, const char *value)
{
    double x;
    if (!leading_number(value, &x)) return NULL;
    int is_seed = is_key(s->key, "Seed");
    int is_clip_skip = is_key(s->key, "Clip skip");
    if (is_seed && x < 0) return "-1";
    if (is_clip_skip && x < 0) x = -x;                   /* ComfyUI counts from the end */
    if (setting_value_type(s) != WHOLE) return number_text(a, x);
    return x >= 0 && x < 1e15 && floor(x) == x ? format(a, "%.0f", x) : NULL;
}

/* "512 * 768", "512x770", "512 by 768", "512": sides that are multiples of 8.  The web UI rounds them down. */
static const char *foreign_size(Arena *a, const char *value)
{
    double side[2];
    const char *s = value;
    for (int i = 0; i < 2; i++) {
        while (*s && !digit(*s)) s++;
        size_t n = number_at(s, &side[i]);
        if (!n && i == 0) return NULL;
        if (!n) side[i] = side[0];
        if (!(side[i] >= 8 && side[i] < 1e6)) return NULL;
        s += n;
    }
    return format(a, "%.0fx%.0f", floor(side[0] / 8) * 8, floor(side[1] / 8) * 8);
}

static const char *table_value(const Setting *s, const char *value)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (is_key(s->key, values[i].key) && is_key(value, values[i].theirs)) return values[i].ours;
    }
    return NULL;
}

const char *foreign_value(Arena *a, const Setting *s, const char *value)
{
    if (!s->key) return NULL;
    const char *ours = table_value(s, value);
    if (ours) return ours;
    if (is_key(s->key, "Size")) return foreign_size(a, value);
    const char *number = foreign_number(a, s, value);
    const char *twice = number ? table_value(s, number) : NULL;
    if (twice) return twice;
    return setting_value_type(s) == WORDS ? NULL : number;
}
