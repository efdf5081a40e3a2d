/* test_foreign.c - the settings that other programs store in pictures: each program's form, the order of trust,
 * graphs of ComfyUI that are plain and that are not, and hostile ones. */
#include "deflate.h"
#include "chars.h"
#include "foreign_metadata.h"
#include "gif.h"
#include "prompt.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

/* ---- pictures made by hand ---- */

static size_t put_chunk(unsigned char *out, const char *type, const void *data, size_t n)
{
    unsigned char *body = out + 4;
    memcpy(body, type, 4);
    if (n) memcpy(body + 4, data, n);
    uint32_t crc = crc32_of(0, body, n + 4);
    for (int i = 0; i < 4; i++) {
        out[i] = (unsigned char)(n >> (24 - 8 * i));
        body[4 + n + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    }
    return n + 12;
}

typedef struct { const char *chunk, *keyword, *text; } Stored;

/* A PNG with these texts and no pixels: texts are read before and behind them. */
static Bytes png_with(Arena *a, const Stored *stored, size_t count)
{
    size_t room = 64, n = 8;
    for (size_t i = 0; i < count; i++) room += strlen(stored[i].keyword) + strlen(stored[i].text) + 16;
    unsigned char *png = allocate(a, room, 1);
    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    n += put_chunk(png + n, "IHDR", "\0\0\0\1\0\0\0\1\x8\2\0\0\0", 13);
    for (size_t i = 0; i < count; i++) {
        char *data = format(a, "%s|%s", stored[i].keyword, stored[i].text);
        size_t length = strlen(data);
        data[strlen(stored[i].keyword)] = 0;
        n += put_chunk(png + n, stored[i].chunk, data, length);
    }
    n += put_chunk(png + n, "IEND", NULL, 0);
    return (Bytes){ png, n };
}

static Bytes png_text_chunk(Arena *a, const char *keyword, const char *text)
{
    return png_with(a, &(Stored){ "tEXt", keyword, text }, 1);
}

/* ---- what comes out ---- */

/* The infotext, or "none" */
static const char *infotext(Arena *a, Bytes file, ForeignMetadata *m)
{
    if (!foreign_metadata(a, "p.png", file, m)) return "none";
    return m->infotext ? m->infotext : format(a, "not plain: %s", m->lost);
}

static void expect(Arena *a, const char *what, Bytes file, const char *program, const char *text, const char *lost)
{
    ForeignMetadata m;
    const char *got = infotext(a, file, &m);
    CHECK_MSG(!strcmp(got, text), "%s: reads as\n%s\nexpected\n%s", what, got, text);
    const char *by = m.program ? m.program : "";
    CHECK_MSG(!strcmp(by, program), "%s: by \"%s\", expected \"%s\"", what, by, program);
    const char *missing = m.lost ? m.lost : "";
    CHECK_MSG(!strcmp(missing, lost), "%s: lost \"%s\", expected \"%s\"", what, missing, lost);
}

/* ---- programs with JSON ---- */

static void test_programs(Arena *a)
{
    static const struct { const char *keyword, *text, *program, *infotext, *lost; } cases[] = {
        { "parameters", "a cat\nSteps: 3", "", "a cat\nSteps: 3", "" },
        { "parameters", "{a|b} cat\nSteps: 3", "", "{a|b} cat\nSteps: 3", "" },
        { "parameters",
          "{\"prompt\": \"a cat\", \"negative_prompt\": \"dog\", \"base_model\": \"juggernaut.safetensors\", "
          "\"steps\": 30, \"sampler\": \"dpmpp_2m_sde_gpu\", \"scheduler\": \"karras\", \"guidance_scale\": 4.0, "
          "\"seed\": \"77\", \"resolution\": \"(832, 1216)\", \"sharpness\": 2.0, \"vae\": \"Default\", "
          "\"lora_combined_1\": \"detail.safetensors : 0.5\", \"loras\": [[\"detail\", 0.5, \"ab\"]], "
          "\"clip_skip\": 2, \"version\": \"Fooocus v2.5.0\"}",
          "Fooocus",
          "a cat\nNegative prompt: dog\nModel: juggernaut.safetensors, Steps: 30, Sampler: dpmpp_2m_sde_gpu, "
          "Schedule type: karras, CFG scale: 4, Seed: 77, Size: 832x1216, VAE: Default, "
          "LoRA: \"detail.safetensors:0.5:0.5\", Clip skip: 2", "sharpness" },
        { "parameters",
          "{\"sui_image_params\": {\"prompt\": \"a cat\", \"negativeprompt\": \"dog\", \"model\": \"SD/toon\", "
          "\"seed\": 5, \"steps\": 20, \"cfgscale\": 7.5, \"width\": 512, \"height\": 768, \"sampler\": \"euler\", "
          "\"scheduler\": \"normal\", \"clipstopatlayer\": -2, \"loras\": [\"a/one\", \"two\"], "
          "\"loraweights\": [\"0.5\", \"1\"], \"refinermethod\": \"PostApply\"}, \"sui_models\": []}",
          "SwarmUI",
          "a cat\nNegative prompt: dog\nModel: toon, Seed: 5, Steps: 20, CFG scale: 7.5, Sampler: euler, "
          "Schedule type: normal, Clip skip: 2, LoRA: \"one:0.5:0.5\", LoRA: \"two:1:1\", Size: 512x768",
          "refinermethod" },
        { "parameters",
          "{\"Prompt\": \"a cat\", \"Negative\": \"dog\", \"steps\": 30, \"cfg\": 8, \"width\": 64, \"height\": 64, "
          "\"seed\": 3, \"sampler_name\": \"dpmpp_2m\", \"scheduler\": \"karras\", \"base_model_name\": \"x.safetensors\""
          ", \"base_model_hash\": \"ab\", \"denoise\": null, \"software\": \"RuinedFooocus\"}",
          "RuinedFooocus",
          "a cat\nNegative prompt: dog\nSteps: 30, CFG scale: 8, Seed: 3, Sampler: dpmpp_2m, Schedule type: karras, "
          "Model: x.safetensors, Size: 64x64", "" },
        { "invokeai_metadata",
          "{\"positive_prompt\": \"a red++ cat\", \"negative_prompt\": \"[dog]\", \"seed\": 9, \"steps\": 30, "
          "\"cfg_scale\": 7.5, \"scheduler\": \"euler_k\", \"width\": 512, \"height\": 512, \"clip_skip\": 1, "
          "\"model\": {\"name\": \"dreamshaper\", \"base\": \"sd-1\"}, \"vae\": null, \"app_version\": \"4.2\", "
          "\"loras\": [{\"model\": {\"name\": \"ink\"}, \"weight\": 0.75}], \"controlnets\": [{\"x\": 1}]}",
          "InvokeAI",
          "a (red:1.21) cat\nNegative prompt: \\[dog\\]\nSeed: 9, Steps: 30, CFG scale: 7.5, Sampler: euler_k, "
          "Clip skip: 2, Model: dreamshaper, LoRA: \"ink:0.75:0.75\", Size: 512x512", "controlnets" },
        { "sd-metadata",
          "{\"model_weights\": \"stable-diffusion-1.5\", \"image\": {\"prompt\": [{\"prompt\": \"a cat [dog]\", "
          "\"weight\": 1.0}], \"steps\": 50, \"cfg_scale\": 7.5, \"seed\": 8, \"sampler\": \"k_lms\", \"width\": 512, "
          "\"height\": 512, \"type\": \"txt2img\"}}",
          "InvokeAI",
          "a cat \nNegative prompt: dog\nModel: stable-diffusion-1.5, Steps: 50, CFG scale: 7.5, Seed: 8, "
          "Sampler: k_lms, Size: 512x512", "" },
        { "Dream", "\"a (big cat)1.3 [dog]\" -s 50 -S 8 -W 512 -H 640 -C7.5 -A k_lms -U 2", "InvokeAI",
          "a (big cat:1.3) \nNegative prompt: dog\nSteps: 50, Seed: 8, CFG scale: 7.5, Sampler: k_lms, Size: 512x640",
          "-U" },
        { "generation_data",
          "{\"prompt\": \"a cat\", \"negativePrompt\": \"dog\", \"seed\": \"12\", \"steps\": 25, \"cfgScale\": 7, "
          "\"width\": 512, \"height\": 512, \"samplerName\": \"euler\", \"clipSkip\": 2, "
          "\"baseModel\": {\"modelFileName\": \"toon\"}}",
          "TensorArt",
          "a cat\nNegative prompt: dog\nSeed: 12, Steps: 25, CFG scale: 7, Sampler: euler, Clip skip: 2, Model: toon, "
          "Size: 512x512", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(a, cases[i].program, png_text_chunk(a, cases[i].keyword, cases[i].text), cases[i].program,
               cases[i].infotext, cases[i].lost);

    const Stored novel[] = {
        { "tEXt", "Software", "NovelAI" },
        { "tEXt", "Description", "{{girl}}, [hat], (sad)" },
        { "tEXt", "Comment", "{\"steps\": 28, \"sampler\": \"k_euler_ancestral\", \"seed\": 4, \"scale\": 11.0, "
                             "\"uc\": \"1.5::lowres::\", \"width\": 512, \"height\": 768, \"sm\": true}" },
    };
    expect(a, "NovelAI", png_with(a, novel, 3), "NovelAI",
           "((girl:1.05):1.05), (hat:0.9524), \\(sad\\)\nNegative prompt: (lowres:1.5)\nSteps: 28, "
           "Sampler: k_euler_ancestral, Seed: 4, CFG scale: 11, Size: 512x768", "sm");

    const Stored easy[] = {
        { "tEXt", "prompt", "a cat" },        { "tEXt", "negative_prompt", "dog" }, { "tEXt", "seed", "5" },
        { "tEXt", "num_inference_steps", "25" }, { "tEXt", "guidance_scale", "7.5" }, { "tEXt", "width", "512" },
        { "tEXt", "height", "512" },          { "tEXt", "sampler_name", "euler_a" },
        { "tEXt", "use_stable_diffusion_model", "models/sd/toon" },
    };
    expect(a, "Easy Diffusion", png_with(a, easy, 9), "Easy Diffusion",
           "a cat\nNegative prompt: dog\nSeed: 5, Steps: 25, CFG scale: 7.5, Sampler: euler_a, Model: toon, "
           "Size: 512x512", "");
}

/* ---- graphs ---- */

#define TEXTS "\"6\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": \"a [cat]\", \"clip\": [\"11\", 0]}}, " \
              "\"7\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": \"dog\", \"clip\": [\"11\", 0]}}, " \
              "\"11\": {\"class_type\": \"CLIPSetLastLayer\", \"inputs\": {\"stop_at_clip_layer\": -2, " \
              "\"clip\": [\"4\", 1]}}, "
#define MODEL "\"4\": {\"class_type\": \"CheckpointLoaderSimple\", \"inputs\": {\"ckpt_name\": \"sub\\\\toon.ckpt\"}}, "
#define LATENT(n) "\"5\": {\"class_type\": \"EmptyLatentImage\", \"inputs\": {\"width\": 512, \"height\": 768, " \
                  "\"batch_size\": " n "}}, "
#define SAMPLER(model) "\"3\": {\"class_type\": \"KSampler\", \"inputs\": {\"seed\": 7, \"steps\": 20, \"cfg\": 8.0, " \
                       "\"sampler_name\": \"dpmpp_2m\", \"scheduler\": \"karras\", \"denoise\": 1.0, " \
                       "\"model\": [\"" model "\", 0], \"positive\": [\"6\", 0], \"negative\": [\"7\", 0], " \
                       "\"latent_image\": [\"5\", 0]}}, "
#define DECODE "\"8\": {\"class_type\": \"VAEDecode\", \"inputs\": {\"samples\": [\"3\", 0], \"vae\": [\"12\", 0]}}, " \
               "\"12\": {\"class_type\": \"VAELoader\", \"inputs\": {\"vae_name\": \"mse.safetensors\"}}, "
#define SAVE "\"9\": {\"class_type\": \"SaveImage\", \"inputs\": {\"images\": [\"8\", 0], \"x\": [NaN]}}"
#define RUN "Steps: 20, Sampler: dpmpp_2m, Schedule type: karras, CFG scale: 8, Seed: 7, RNG: CPU, "

static const char plain_graph[] = "{" TEXTS MODEL LATENT("1") SAMPLER("4") DECODE SAVE "}";
static const char plain_text[] = "a \\[cat\\]\nNegative prompt: dog\n" RUN
                                 "Model: toon.ckpt, Clip skip: 2, Size: 512x768, Frames: 1, VAE: mse.safetensors";

static void test_graphs(Arena *a)
{
    expect(a, "plain", png_text_chunk(a, "prompt", plain_graph), "ComfyUI", plain_text, "");
    Stored animated = { "comf", "prompt", plain_graph };
    expect(a, "comf", png_with(a, &animated, 1), "ComfyUI", plain_text, "");
    Bytes file = { (const unsigned char *)plain_graph, strlen(plain_graph) };
    expect(a, "file", file, "ComfyUI", plain_text, "");

    static const char motion[] = "{" TEXTS MODEL LATENT("24") SAMPLER("20") DECODE
        "\"20\": {\"class_type\": \"ADE_UseEvolvedSampling\", \"inputs\": {\"model\": [\"21\", 0], \"m_models\": "
        "[\"22\", 0], \"context_options\": [\"24\", 0], \"beta_schedule\": \"autoselect\"}}, "
        "\"21\": {\"class_type\": \"LoraLoader\", \"inputs\": {\"lora_name\": \"people/yumin.safetensors\", "
        "\"strength_model\": 0.8, \"strength_clip\": 0.5, \"model\": [\"4\", 0]}}, "
        "\"22\": {\"class_type\": \"ADE_ApplyAnimateDiffModelSimple\", \"inputs\": {\"motion_model\": [\"23\", 0], "
        "\"motion_lora\": [\"26\", 0], \"scale_multival\": [\"27\", 0], \"effect_multival\": [\"28\", 0]}}, "
        "\"27\": {\"class_type\": \"ADE_MultivalDynamic\", \"inputs\": {\"float_val\": 1.25}}, "
        "\"28\": {\"class_type\": \"ADE_MultivalDynamicFloatInput\", \"inputs\": {\"float_val\": 0.5}}, "
        "\"23\": {\"class_type\": \"ADE_LoadAnimateDiffModel\", \"inputs\": {\"model_name\": \"mm_sd_v15_v2.ckpt\"}}, "
        "\"24\": {\"class_type\": \"ADE_LoopedUniformContextOptions\", \"inputs\": {\"context_length\": 16, "
        "\"context_stride\": 1, \"context_overlap\": 4, \"closed_loop\": true}}, "
        "\"26\": {\"class_type\": \"ADE_AnimateDiffLoRALoader\", \"inputs\": {\"name\": \"zoom.ckpt\", \"strength\": 0.7}}, "
        "\"25\": {\"class_type\": \"VHS_VideoCombine\", \"inputs\": {\"images\": [\"8\", 0], \"frame_rate\": 12, "
        "\"pingpong\": false}}}";
    expect(a, "motion", png_text_chunk(a, "prompt", motion), "ComfyUI",
           "a \\[cat\\]\nNegative prompt: dog\n" RUN "Motion module: mm_sd_v15_v2.ckpt, Context: 16, Stride: 1, "
           "Overlap: 4, Closed loop: A, LoRA: \"zoom.ckpt:1:0.7\", Motion strength: 1.25, "
           "LoRA: \"yumin.safetensors:0.5:0.8\", Model: toon.ckpt, Clip skip: 2, Size: 512x768, Frames: 24, "
           "VAE: mse.safetensors, FPS: 12", "effect_multival 0.5");

    static const char hires[] = "{" TEXTS MODEL LATENT("1") SAMPLER("30")
        "\"30\": {\"class_type\": \"FreeU_V2\", \"inputs\": {\"b1\": 1.3, \"model\": [\"4\", 0]}}, "
        "\"31\": {\"class_type\": \"LatentUpscaleBy\", \"inputs\": {\"upscale_method\": \"nearest-exact\", "
        "\"scale_by\": 1.5, \"samples\": [\"3\", 0]}}, "
        "\"32\": {\"class_type\": \"KSampler\", \"inputs\": {\"seed\": 8, \"steps\": 10, \"cfg\": 8.0, "
        "\"sampler_name\": \"dpmpp_2m\", \"scheduler\": \"karras\", \"denoise\": 0.5, \"model\": [\"4\", 0], "
        "\"positive\": [\"6\", 0], \"negative\": [\"7\", 0], \"latent_image\": [\"31\", 0]}}, " SAVE "}";
    expect(a, "hires", png_text_chunk(a, "prompt", hires), "ComfyUI",
           "a \\[cat\\]\nNegative prompt: dog\n" RUN "Model: toon.ckpt, Clip skip: 2, Size: 512x768, Frames: 1, "
           "Hires upscale: 1.5, Hires steps: 10, Hires upscaler: Latent (nearest), Denoising strength: 0.5",
           "FreeU_V2, seed of the second pass (8)");

#define NETWORK "\"40\": {\"class_type\": \"UpscaleModelLoader\", \"inputs\": {\"model_name\": \"sub/4x-Ultra.pth\"}}, " \
                "\"41\": {\"class_type\": \"ImageUpscaleWithModel\", \"inputs\": {\"upscale_model\": [\"40\", 0], \"image\": [\"8\", 0]}}, "
#define SCALE(n, inputs) "\"42\": {\"class_type\": \"" n "\", \"inputs\": {\"upscale_method\": \"lanczos\", " inputs ", \"image\": [\"41\", 0]}}, "
#define SHOWN(n) "\"43\": {\"class_type\": \"SaveImage\", \"inputs\": {\"images\": [\"" n "\", 0]}}}"
#define SIZES "a \\[cat\\]\nNegative prompt: dog\n" RUN "Model: toon.ckpt, Clip skip: 2, Size: 512x768, Frames: 1, "
    static const char network[] = "{" TEXTS MODEL LATENT("1") SAMPLER("4") DECODE SAVE ", " NETWORK SHOWN("41");
    expect(a, "network", png_text_chunk(a, "prompt", network), "ComfyUI", SIZES "Upscaler: 4x-Ultra.pth, VAE: mse.safetensors", "");
    static const char halved[] = "{" TEXTS MODEL LATENT("1") SAMPLER("4") DECODE SAVE ", " NETWORK
        SCALE("ImageScaleBy", "\"scale_by\": 0.5") SHOWN("42");
    expect(a, "halved", png_text_chunk(a, "prompt", halved), "ComfyUI", SIZES "Upscaler: 4x-Ultra.pth, Upscale by: 2, VAE: mse.safetensors", "");
    static const char sized[] = "{" TEXTS MODEL LATENT("1") SAMPLER("4") DECODE SAVE ", " NETWORK
        SCALE("ImageScale", "\"width\": 768, \"height\": 1152") SHOWN("42");
    expect(a, "sized", png_text_chunk(a, "prompt", sized), "ComfyUI", SIZES "Upscaler: 4x-Ultra.pth, Upscale by: 1.5, VAE: mse.safetensors", "");

    /* before the second pass; what is shown of the first one is not the result */
    static const char pictures[] = "{" TEXTS MODEL LATENT("1") SAMPLER("4") DECODE SAVE ", " NETWORK
        SCALE("ImageScaleBy", "\"scale_by\": 0.5")
        "\"44\": {\"class_type\": \"VAEEncode\", \"inputs\": {\"pixels\": [\"42\", 0]}}, "
        "\"32\": {\"class_type\": \"KSampler\", \"inputs\": {\"seed\": 7, \"steps\": 10, \"cfg\": 8.0, \"denoise\": 0.5, "
        "\"latent_image\": [\"44\", 0]}}, " SHOWN("42");
    expect(a, "pictures", png_text_chunk(a, "prompt", pictures), "ComfyUI",
           SIZES "Hires upscale: 2, Hires steps: 10, Hires upscaler: 4x-Ultra.pth, Denoising strength: 0.5, VAE: mse.safetensors", "");

    static const char split[] = "{"
        "\"1\": {\"class_type\": \"SamplerCustomAdvanced\", \"inputs\": {\"noise\": [\"2\", 0], \"guider\": [\"3\", 0], "
        "\"sampler\": [\"4\", 0], \"sigmas\": [\"5\", 0], \"latent_image\": [\"6\", 0]}}, "
        "\"2\": {\"class_type\": \"RandomNoise\", \"inputs\": {\"noise_seed\": [\"20\", 0]}}, "
        "\"20\": {\"class_type\": \"Seed (rgthree)\", \"inputs\": {\"seed\": 99}}, "
        "\"3\": {\"class_type\": \"CFGGuider\", \"inputs\": {\"cfg\": 6.5, \"positive\": [\"7\", 0], "
        "\"negative\": [\"8\", 0], \"model\": [\"9\", 0]}}, "
        "\"4\": {\"class_type\": \"KSamplerSelect\", \"inputs\": {\"sampler_name\": \"euler\"}}, "
        "\"5\": {\"class_type\": \"BasicScheduler\", \"inputs\": {\"scheduler\": \"normal\", \"steps\": 12, "
        "\"denoise\": 0.6}}, "
        "\"6\": {\"class_type\": \"SetLatentNoiseMask\", \"inputs\": {\"samples\": [\"60\", 0], \"mask\": [\"61\", 0]}}, "
        "\"60\": {\"class_type\": \"VAEEncode\", \"inputs\": {\"pixels\": [\"10\", 0]}}, "
        "\"61\": {\"class_type\": \"LoadImageMask\", \"inputs\": {\"image\": \"hole.png\", \"channel\": \"red\"}}, "
        "\"10\": {\"class_type\": \"LoadImage\", \"inputs\": {\"image\": \"me.png\"}}, "
        "\"7\": {\"class_type\": \"ConditioningConcat\", \"inputs\": {\"conditioning_to\": [\"11\", 0], "
        "\"conditioning_from\": [\"12\", 0]}}, "
        "\"11\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": [\"13\", 0]}}, "
        "\"12\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": \"embedding:x/face.pt, <lora:a:1>hat\"}}, "
        "\"13\": {\"class_type\": \"Text Concatenate\", \"inputs\": {\"text_a\": \"one\", \"text_b\": [\"14\", 0], "
        "\"delimiter\": \", \"}}, "
        "\"14\": {\"class_type\": \"ShowText|pysssss\", \"inputs\": {\"text\": [\"13\", 0], \"text_0\": \"two\"}}, "
        "\"8\": {\"class_type\": \"ConditioningZeroOut\", \"inputs\": {\"conditioning\": [\"7\", 0]}}, "
        "\"9\": {\"class_type\": \"Power Lora Loader (rgthree)\", \"inputs\": {\"lora_1\": {\"on\": true, \"lora\": "
        "\"a.safetensors\", \"strength\": 0.4}, \"lora_2\": {\"on\": false, \"lora\": \"b\", \"strength\": 1}, "
        "\"model\": [\"15\", 0]}}, "
        "\"15\": {\"class_type\": \"CheckpointLoader|pysssss\", \"inputs\": {\"ckpt_name\": {\"content\": \"c.ckpt\"}}}}";
    expect(a, "split", png_text_chunk(a, "prompt", split), "ComfyUI",
           "one, two\nBREAK\nface, hat\nSteps: 12, Sampler: euler, Schedule type: normal, CFG scale: 6.5, Seed: 99, "
           "RNG: CPU, LoRA: \"a.safetensors:0.4:0.4\", Model: c.ckpt, Init image: me.png, Mask: hole.png, Denoising strength: 0.6, "
           "Frames: 1", "\"<lora:a:1>\"");

    static const char efficient[] = "{"
        "\"1\": {\"class_type\": \"KSampler (Efficient)\", \"inputs\": {\"seed\": 1, \"steps\": 9, \"cfg\": 7, "
        "\"sampler_name\": \"euler\", \"scheduler\": \"normal\", \"denoise\": 1, \"model\": [\"2\", 0], "
        "\"positive\": [\"2\", 1], \"negative\": [\"2\", 2], \"latent_image\": [\"2\", 3]}}, "
        "\"2\": {\"class_type\": \"Efficient Loader\", \"inputs\": {\"ckpt_name\": \"c.ckpt\", \"vae_name\": "
        "\"Baked VAE\", \"clip_skip\": -1, \"lora_name\": \"None\", \"lora_model_strength\": 1, "
        "\"lora_clip_strength\": 1, \"positive\": \"cat\", \"negative\": \"dog\", \"empty_latent_width\": 64, "
        "\"empty_latent_height\": 128, \"batch_size\": 2, \"lora_stack\": [\"3\", 0]}}, "
        "\"3\": {\"class_type\": \"LoRA Stacker\", \"inputs\": {\"lora_name_1\": \"s.safetensors\", \"lora_wt_1\": 0.3}}}";
    expect(a, "efficient", png_text_chunk(a, "prompt", efficient), "ComfyUI",
           "cat\nNegative prompt: dog\nSteps: 9, Sampler: euler, Schedule type: normal, CFG scale: 7, Seed: 1, RNG: CPU, "
           "LoRA: \"s.safetensors:0.3:0.3\", Model: c.ckpt, Clip skip: 1, Size: 64x128, Frames: 1", "a batch of 2");
}

/* The same as plain_graph, as the web page keeps it; node 20 is bypassed, and 21 muted. */
static const char page[] =
    "{\"nodes\": ["
    "{\"id\": 3, \"type\": \"KSampler\", \"mode\": 0, \"inputs\": [{\"name\": \"model\", \"type\": \"MODEL\", \"link\": 1}, "
    "{\"name\": \"positive\", \"type\": \"CONDITIONING\", \"link\": 2}, {\"name\": \"negative\", \"type\": \"CONDITIONING\", "
    "\"link\": 3}, {\"name\": \"latent_image\", \"type\": \"LATENT\", \"link\": 4}], "
    "\"widgets_values\": [7, \"randomize\", 20, 8, \"dpmpp_2m\", \"karras\", 1]}, "
    "{\"id\": 20, \"type\": \"LoraLoader\", \"mode\": 4, \"inputs\": [{\"name\": \"model\", \"type\": \"MODEL\", \"link\": 5}, "
    "{\"name\": \"clip\", \"type\": \"CLIP\", \"link\": 6}], \"widgets_values\": [\"x\", 1, 1]}, "
    "{\"id\": 4, \"type\": \"CheckpointLoaderSimple\", \"widgets_values\": [\"toon.ckpt\"]}, "
    "{\"id\": 5, \"type\": \"EmptyLatentImage\", \"widgets_values\": [512, 768, 1]}, "
    "{\"id\": 6, \"type\": \"CLIPTextEncode\", \"inputs\": [{\"name\": \"clip\", \"type\": \"CLIP\", \"link\": 7}], "
    "\"widgets_values\": [\"a [cat]\"]}, "
    "{\"id\": 7, \"type\": \"CLIPTextEncode\", \"inputs\": [{\"name\": \"clip\", \"type\": \"CLIP\", \"link\": 8}], "
    "\"widgets_values\": [\"dog\"]}, "
    "{\"id\": 11, \"type\": \"CLIPSetLastLayer\", \"inputs\": [{\"name\": \"clip\", \"type\": \"CLIP\", \"link\": 9}], "
    "\"widgets_values\": [-2]}, "
    "{\"id\": 8, \"type\": \"VAEDecode\", \"inputs\": [{\"name\": \"samples\", \"type\": \"LATENT\", \"link\": 10}, "
    "{\"name\": \"vae\", \"type\": \"VAE\", \"link\": 11}]}, "
    "{\"id\": 12, \"type\": \"VAELoader\", \"widgets_values\": [\"mse.safetensors\"]}, "
    "{\"id\": 21, \"type\": \"KSampler\", \"mode\": 2, \"widgets_values\": [9]}], "
    "\"links\": [[1, 20, 0, 3, 0, \"MODEL\"], [2, 6, 0, 3, 1, \"CONDITIONING\"], [3, 7, 0, 3, 2, \"CONDITIONING\"], "
    "[4, 5, 0, 3, 3, \"LATENT\"], [5, 4, 0, 20, 0, \"MODEL\"], [6, 4, 1, 20, 1, \"CLIP\"], [7, 11, 0, 6, 0, \"CLIP\"], "
    "[8, 11, 0, 7, 0, \"CLIP\"], [9, 20, 1, 11, 0, \"CLIP\"], [10, 3, 0, 8, 0, \"LATENT\"], "
    "[11, 12, 0, 8, 1, \"VAE\"]]}";

static void test_page(Arena *a)
{
    expect(a, "workflow", png_text_chunk(a, "workflow", page), "ComfyUI", plain_text, "");
}

/* ---- what cannot be read, and what is preferred ---- */

static void test_not_plain(Arena *a)
{
    static const struct { const char *text, *words; } cases[] = {
        { "{\"1\": {\"class_type\": \"LoadImage\", \"inputs\": {\"image\": \"a.png\"}}}", "no sampler" },
        { "{" TEXTS MODEL LATENT("1") SAMPLER("99") SAVE "}", "no checkpoint" },
        { "{" MODEL LATENT("1") SAMPLER("4") SAVE "}", "no words" },
        { "{" TEXTS LATENT("1") SAMPLER("4") "\"4\": {\"class_type\": \"FreeU\", \"inputs\": {\"model\": [\"4\", 0]}}}",
          "no checkpoint" },
        { "{" MODEL LATENT("1") SAMPLER("4") "\"6\": {\"class_type\": \"ConditioningCombine\", \"inputs\": "
          "{\"conditioning_1\": [\"6\", 0], \"conditioning_2\": [\"6\", 0]}}}", "no words" },
        { "{" TEXTS MODEL SAMPLER("4") "\"5\": {\"class_type\": \"LatentBlend\", \"inputs\": {\"samples\": [\"5\", 0]}}}",
          "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ForeignMetadata m;
        const char *got = infotext(a, png_text_chunk(a, "prompt", cases[i].text), &m);
        int is_told = strstr(got, "not plain") && strstr(got, cases[i].words) && strstr(got, "node");
        CHECK_MSG(is_told || !*cases[i].words, "case %zu: %s", i, got);
        if (m.infotext) continue;
        CHECK(strstr(foreign_metadata_message(a, "p.png", &m), "p.png: made by ComfyUI, and its graph is not plain"));
    }
    static const struct { const char *keyword, *text, *words; } no_graphs[] = {
        { "prompt", "{}", "it is empty" }, { "workflow", "{ }", "it is empty" },
        { "prompt", "{\"1\": {\"class_type\"", "its JSON is broken" }, { "workflow", "{ \"nodes", "its JSON is broken" },
    };
    for (size_t i = 0; i < sizeof no_graphs / sizeof *no_graphs; i++) {
        ForeignMetadata m;
        const char *got = infotext(a, png_text_chunk(a, no_graphs[i].keyword, no_graphs[i].text), &m);
        CHECK_MSG(m.program && strstr(got, no_graphs[i].words), "%s %s: %s", no_graphs[i].keyword, no_graphs[i].text, got);
    }
}

static void test_order(Arena *a)
{
    const Stored both[] = { { "tEXt", "prompt", plain_graph }, { "tEXt", "parameters", "words\nSteps: 4" } };
    expect(a, "parameters first", png_with(a, both, 2), "", "words\nSteps: 4", "");
    const Stored unplain[] = {
        { "tEXt", "prompt", "{\"1\": {\"class_type\": \"X\", \"inputs\": {}}}" }, { "tEXt", "workflow", page },
    };
    expect(a, "then the workflow", png_with(a, unplain, 2), "ComfyUI", plain_text, "");
    ForeignMetadata m;
    CHECK(!strcmp(infotext(a, png_text_chunk(a, "Comment", "made with love"), &m), "none"));
    CHECK(!strcmp(infotext(a, png_text_chunk(a, "prompt", "{broken"), &m), "none"));
    CHECK(!strcmp(infotext(a, (Bytes){ (const unsigned char *)"{\"a\": 1}", 8 }, &m), "none"));

    size_t size;
    unsigned char rgb[12] = { 0 };
    unsigned char *gif = gif_encode(rgb, 1, 2, 2, 8, "a cat\\nNegative prompt: dog\\nSteps: 3", &size);
    expect(a, "exiftool's newlines", (Bytes){ gif, size }, "", "a cat\nNegative prompt: dog\nSteps: 3", "");
    free(gif);
    gif = gif_encode(rgb, 1, 2, 2, 8, "{\"c\": \"a\\nSteps: of stone\", \"steps\": 20}", &size);
    expect(a, "escapes of JSON", (Bytes){ gif, size }, "Draw Things", "a\nSteps: of stone\nSteps: 20", "");
    free(gif);
    gif = gif_encode(rgb, 1, 2, 2, 8, "{\"c\": \"a cat\", \"uc\": \"dog\", \"steps\": 20, \"sampler\": \"DPM++ 2M Karras\", "
                                      "\"scale\": 4.5, \"seed\": 3, \"size\": \"512x768\", \"model\": \"sd.ckpt\", "
                                      "\"strength\": 1, \"seed_mode\": \"Scale Alike\", \"v2\": {\"loras\": "
                                      "[{\"file\": \"ink.ckpt\", \"weight\": 0.6}]}}", &size);
    expect(a, "Draw Things", (Bytes){ gif, size }, "Draw Things",
           "a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 4.5, Seed: 3, Size: 512x768, "
           "Model: sd.ckpt, LoRA: \"ink.ckpt:0.6:0.6\"", "seed_mode");
    free(gif);
}

/* ---- hostile ---- */

typedef struct { Arena *a; Bytes file; } Trial;

static void try_file(void *to)
{
    Trial *t = to;
    ForeignMetadata m;
    Request r;
    if (foreign_metadata(t->a, "p.png", t->file, &m) && m.infotext)
        prompt_parse(t->a, &r, m.infotext, strlen(m.infotext), "p.png", NULL, NULL);
}

/* Never crashes, and any refusal has words. */
static void survive(Arena *a, const unsigned char *data, size_t n)
{
    char why[MESSAGE] = "";
    size_t before = mark(a);
    unsigned char *exact = malloc(n ? n : 1);
    if (!exact) abort();
    memcpy(exact, data, n);
    Trial t = { a, { exact, n } };
    int failed = attempt(a, try_file, &t, why);
    if (failed && !*why) CHECK_MSG(0, "refused without a word");
    release(a, before);
    free(exact);
}

static void damage_text(Arena *a, const char *keyword, const char *text)
{
    size_t n = strlen(text);
    char *copied = format(a, "%s", text);
    for (size_t i = 0; i < n; i++) {
        size_t before = mark(a);
        copied[i] = 0;
        Bytes cut = png_text_chunk(a, keyword, copied);
        survive(a, cut.data, cut.size);
        for (int bit = 0; bit < 7; bit++) {
            copied[i] = (char)(text[i] ^ (1 << bit));
            Bytes flipped = png_text_chunk(a, keyword, copied);
            survive(a, flipped.data, flipped.size);
        }
        copied[i] = text[i];
        release(a, before);
    }
    CHECK(!strcmp(copied, text));
}

/* A second pass, and so long a chain before the model that the steps end anywhere behind it. */
static void test_long_chain(Arena *a, int length)
{
    size_t before = mark(a);
    StringBuilder text = string_builder(a);
    string_builder_add(&text, "{" TEXTS MODEL LATENT("1") SAMPLER("r1"));
    for (int i = 1; i <= length; i++) {
        const char *next = i < length ? format(a, "r%d", i + 1) : "4";
        string_builder_add(&text, format(a, "\"r%d\": {\"class_type\": \"Reroute\", ", i));
        string_builder_add(&text, format(a, "\"inputs\": {\"\": [\"%s\", 0]}}, ", next));
    }
    string_builder_add(&text, "\"31\": {\"class_type\": \"LatentUpscaleBy\", "
                              "\"inputs\": {\"scale_by\": 1.5, \"samples\": [\"3\", 0]}}, "
                              "\"32\": {\"class_type\": \"KSampler\", "
                              "\"inputs\": {\"latent_image\": [\"31\", 0]}}, " SAVE "}");
    survive(a, (const unsigned char *)text.text, text.n);
    release(a, before);
}

/* ---- ADetailer ---- */

typedef struct { Arena *a; const char *text; Request r; char warning[1024]; } Pasted;

static void keep_line(void *to, const char *line)
{
    Pasted *p = to;
    size_t n = strlen(p->warning);
    snprintf(p->warning + n, sizeof p->warning - n, "%s\n", line);
}

static void read_pasted(void *to)
{
    Pasted *p = to;
    prompt_parse(p->a, &p->r, p->text, strlen(p->text), "p.txt", keep_line, p);
}

/* A model of ADetailer that finds faces is Face pass, whatever the order of the keys; other keys are told. */
static void test_adetailer(Arena *a)
{
    static const struct { const char *keys; double pass; const char *words, *said, *untold; } cases[] = {
        { "ADetailer model: face_yolov8n.pt", 0.4, NULL, "ADetailer model \"face_yolov8n.pt\" is Face pass 0.4", "ignored" },
        { "ADetailer denoising strength: 0.25, ADetailer model: mediapipe_face_full", 0.25, NULL, "Face pass 0.25", "ignored" },
        { "ADetailer model: hand_yolov8n.pt, ADetailer denoising strength: 0.25", 0, NULL,
          "\"ADetailer model\", \"ADetailer denoising strength\"", "Face pass" },
        { "ADetailer denoising strength: 0.25, ADetailer prompt: a face", 0, NULL, "\"ADetailer prompt\"", "Face p" },
        { "ADetailer model: face_yolov8s.pt, ADetailer prompt: \"a face, (detailed:1.2), <lora:any:1>\", ADetailer "
          "confidence: 0.3, ADetailer negative prompt: blurry", 0.4, "a face, (detailed:1.2)",
          "left out: <lora:any:1> in ADetailer prompt, as the face has", "\"ADetailer prompt\"" },
        { "ADetailer model: person_yolov8n-seg.pt, ADetailer prompt: body, ADetailer model 2nd: face_yolov8n.pt, "
          "ADetailer prompt 2nd: \"[PROMPT], sad[SEP]b\", ADetailer denoising strength 2nd: 0.3", 0.3, "cat, sad",
          "\"ADetailer model\", \"ADetailer prompt\"", "\"ADetailer model 2nd\"" },
        { "ADetailer model: face_yolov8n.pt, ADetailer prompt: [PROMPT]", 0.4, NULL, "Face pass 0.4", "Face prompt" },
        { "ADetailer model: face_yolov8n.pt, ADetailer prompt: [SKIP]", 0, NULL, "\"ADetailer model\"", "Face p" },
        { "ADetailer model: face_yolov8n.pt, Face pass: 0.7", 0.7, NULL, "\"ADetailer model\"", "is Face pass" },
        { "ADetailer model: face_yolov8n.pt, ADetailer confidence: 0.3", 0.4, NULL, "\"ADetailer confidence\"", "\"ADetailer model\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[MESSAGE] = "";
        Pasted p = { .a = a, .text = format(a, "cat\nSteps: 9, %s", cases[i].keys) };
        CHECK_MSG(!attempt(a, read_pasted, &p, why), "%s: %s", cases[i].keys, why);
        const char *words = p.r.job.face_prompt;
        CHECK_MSG(fabs(p.r.job.face_pass - cases[i].pass) < 1e-9, "%s: %g", cases[i].keys, p.r.job.face_pass);
        CHECK_MSG(words && cases[i].words ? !strcmp(words, cases[i].words) : words == cases[i].words, "%s: %s",
                  cases[i].keys, words ? words : "none");
        CHECK_MSG(strstr(p.warning, cases[i].said), "%s: no \"%s\": %s", cases[i].keys, cases[i].said, p.warning);
        CHECK_MSG(!strstr(p.warning, cases[i].untold), "%s: \"%s\": %s", cases[i].keys, cases[i].untold, p.warning);
    }
}

static void test_hostile(Arena *a)
{
    damage_text(a, "prompt", plain_graph);
    damage_text(a, "workflow", page);
    damage_text(a, "Dream", "\"a (b)1.2 [c]\" -s 5 -S3 -W 64 -H 64 -A k_lms");
    damage_text(a, "parameters", "{\"sui_image_params\": {\"prompt\": \"a\", \"loras\": [\"x\"], \"loraweights\": [1], "
                                 "\"width\": 64, \"height\": 64, \"resolution\": [1, 2]}}");
    damage_text(a, "invokeai_metadata", "{\"positive_prompt\": \"((a)+ b--, (c)1.5\", \"loras\": [{\"model\": {\"name\": "
                                        "\"x\"}, \"weight\": 1e3}], \"clip_skip\": 3}");
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP + 1);
    if (!deep) abort();
    memset(deep, '[', DEEP);
    memcpy(deep, "{\"a\":", 5);
    deep[DEEP] = 0;
    survive(a, (const unsigned char *)deep, DEEP);
    free(deep);

    /* a diamond of 40 levels, where every path is another text, and nodes with one id */
    char *text = format(a, "{\"6\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": \"a\"}}, \"3\": {");
    text = format(a, "%s\"class_type\": \"KSampler\", \"inputs\": {\"latent_image\": [\"5\", 0], \"positive\": [\"c40\", 0]}"
                     "}, \"5\": {\"class_type\": \"EmptyLatentImage\", \"inputs\": {}}, \"c0\": {\"class_type\": "
                     "\"CLIPTextEncode\", \"inputs\": {\"text\": \"b\"}}", text);
    for (int i = 1; i <= 40; i++)
        text = format(a, "%s, \"c%d\": {\"class_type\": \"ConditioningCombine\", \"inputs\": {\"conditioning_1\": [\"c%d\", 0], "
                         "\"conditioning_2\": [\"c%d\", 0]}}, \"5\": {\"class_type\": \"X\", \"inputs\": {\"a\": 1, \"b\": 2}}",
                      text, i, i - 1, i - 1);
    text = format(a, "%s}", text);
    survive(a, (const unsigned char *)text, strlen(text));
    for (int length = 1700; length < 2000; length++) test_long_chain(a, length);
}

int main(void)
{
    Arena *a = arena_new();
    test_programs(a);
    test_graphs(a);
    test_page(a);
    test_not_plain(a);
    test_order(a);
    test_adetailer(a);
    test_hostile(a);
    arena_free(a);
    return done();
}
