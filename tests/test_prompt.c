/* test_prompt.c - prompt files: the grammar of infotext, its messages, the way there and back, hostile text; and
 * looking up names. */
#define _XOPEN_SOURCE 700
#include "chars.h"
#include "request_paths.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    Arena      *a;
    const char *text, *flag, *value, *where;    /* in; where: a folder to look names up in */
    size_t      size;                           /* 0: strlen(text) */
    Request    *r;                              /* out */
    char        message[MESSAGE], warning[2048];
} Reading;

static void keep_warning(void *to, const char *line)
{
    Reading *t = to;
    size_t n = strlen(t->warning);
    snprintf(t->warning + n, sizeof t->warning - n, "%s%s", n ? "\n" : "", line);
}

static void work(void *to)
{
    Reading *t = to;
    t->r = allocate(t->a, 1, sizeof *t->r);
    prompt_parse(t->a, t->r, t->text, t->size ? t->size : strlen(t->text), "p.txt", keep_warning, t);
    if (t->flag) prompt_set(t->a, t->r, t->flag, t->value);
    if (t->where) search_path_resolve(t->a, search_path_new(t->a, NULL, &(Name){ t->where, "--weights" }, 1, NULL, NULL, NULL), t->r);
}

/* "" or the message it failed with */
static const char *reading(Reading *t)
{
    t->message[0] = t->warning[0] = 0;
    attempt(t->a, work, t, t->message);
    return t->message;
}

/* two texts, of which each may be NULL */
static int same_text(const char *x, const char *y) { return x && y ? !strcmp(x, y) : x == y; }

/* ---- the grammar ---- */

static void test_parts(Arena *a)
{
    static const struct { const char *text, *prompt, *negative; int steps; } cases[] = {
        { "a", "a", NULL, 0 },
        { "a\nb\n", "a\nb", NULL, 0 },
        { "a\nSteps: 20", "a", NULL, 20 },
        { "a\nsTePs :20\n\n  ", "a", NULL, 20 },
        { "Steps: 20", "", NULL, 20 },
        { "a\nNegative prompt: b\nc\nSteps: 3", "a", "b\nc", 3 },
        { "a\nnegative PROMPT:b", "a", "b", 0 },
        { "Negative prompt: b", "", "b", 0 },
        { "a\nSteps: 20\nb", "a\nb", NULL, 20 },
        { "a, Negative prompt: b", "a", "b", 0 },
        { "a\nStep: 20", "a\nStep: 20", NULL, 0 },
        { "\xef\xbb\xbf" "a\r\nNegative prompt: b\r\nSteps: 3\r\n", "a", "b", 3 },
        { "a\rb\rSteps: 3", "a\nb", NULL, 3 },
        { "a\nSteps: 3, Steps: 4,", "a", NULL, 4 },
        { "a\nclip_skip: 2, Steps: 9", "a", NULL, 9 },
        { "\xff\xc3( \xe2\x82", "\xff\xc3( \xe2\x82", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        const char *message = reading(&t);
        CHECK_MSG(!*message, "case %zu: %s", i, message);
        if (*message) continue;
        CHECK_MSG(!strcmp(t.r->job.prompt, cases[i].prompt), "case %zu: prompt is \"%s\"", i, t.r->job.prompt);
        const char *negative = t.r->job.negative;
        CHECK_MSG(same_text(negative, cases[i].negative), "case %zu: negative is \"%s\"", i,
                  negative ? negative : "none");
        CHECK_MSG(t.r->job.steps == cases[i].steps, "case %zu: steps %d", i, t.r->job.steps);
    }
}

static void test_settings(Arena *a)
{
    Reading t = { .a = a, .text =
        "portrait, <lora:yumin:0.8>waving\nNegative prompt: ugly\n"
        "Steps: 45, Sampler: DDIM, Schedule type: Automatic, CFG scale: 15, Seed: 18446744073709551615, Size: 512x768, "
        "Model hash: ab12, Model: \"a, \\\"b\\\": c\", VAE: Automatic, Clip skip: 2, RNG: CPU, Eta: .25, "
        "Motion module: mm_sd_v14, Frames: 16, FPS: 12.5, Precision: f32, Version: v1.6.0" };
    CHECK_MSG(!*reading(&t), "%s", t.message);
    const Job *j = &t.r->job;
    CHECK(!strcmp(j->prompt, "portrait, waving") && !strcmp(j->negative, "ugly"));
    CHECK(j->steps == 45 && j->clip_skip == 2 && j->frames == 16 && j->width == 512 && j->height == 768);
    CHECK(fabs(j->cfg - 15) < 1e-12 && fabs(j->fps - 12.5) < 1e-12 && fabs(j->eta - 0.25) < 1e-12);
    CHECK(t.r->seeded && j->seed == UINT64_MAX);
    CHECK(!strcmp(t.r->model.text, "a, \"b\": c") && !strcmp(t.r->vae.text, "none") &&
          !strcmp(t.r->motion.text, "mm_sd_v14"));
    CHECK(t.r->tags == 1 && !strcmp(t.r->tag[0].name.text, "yumin") && fabs(t.r->tag[0].text - 0.8) < 1e-12 &&
          fabs(t.r->tag[0].unet - 0.8) < 1e-12);
    CHECK_MSG(t.r->model_hash.text && strstr(t.warning, "\"Version\"") && strstr(t.warning, "p.txt: "),
              "%s", t.warning);

    t.text = "a\nStpes: 3, Steps: 4";                      /* does not begin with a key: all of it is prompt */
    CHECK(!*reading(&t) && t.r->job.steps == 0);
    t.text = "a\nSteps: 4, Stpes: 3";
    CHECK_MSG(!*reading(&t) && strstr(t.warning, "\"Stpes\" (did you mean Steps?)"), "%s", t.warning);
    t.text = "a\nSteps: 4, Seed: -1";
    CHECK(!*reading(&t) && !t.r->seeded);
}

/* what t holds as text, in the arena */
static char *settings(Reading *t)
{
    return *reading(t) ? format(t->a, "failed: %s", t->message) : prompt_infotext(t->a, t->r);
}

/* as the web UI of several years writes them, and what comes back */
static void test_sampling(Arena *a)
{
    static const char *const cases[][2] = {
        { "Sampler: DPM++ 2M Karras", "Sampler: DPM++ 2M, Schedule type: Karras, RNG: CPU" },
        { "Sampler: dpm++ 2m sde karras", "Sampler: DPM++ 2M SDE, Schedule type: Karras, RNG: CPU" },
        { "Sampler: Euler a, Schedule type: Automatic", "Sampler: Euler a, RNG: CPU" },
        { "Sampler: DPM++ 2M SDE, Schedule type: Exponential, RNG: NV",
          "Sampler: DPM++ 2M SDE, Schedule type: Exponential, RNG: NV" },
        { "Sampler: Heun, Schedule type: SGM Uniform", "Sampler: Heun, Schedule type: SGM Uniform, RNG: CPU" },
        { "Sampler: UniPC, Schedule type: Uniform", "Sampler: UniPC, Schedule type: Uniform, RNG: CPU" },
        { "Sampler: DPM++ SDE Karras", "Sampler: DPM++ SDE, Schedule type: Karras, RNG: CPU" },
        { "Sampler: DPM2 a Karras", "Sampler: DPM2 a, Schedule type: Karras, RNG: CPU" },
        { "Sampler: LMS Karras", "Sampler: LMS, Schedule type: Karras, RNG: CPU" },
        { "Sampler: DPM++ 2S a Karras", "Sampler: DPM++ 2S a, Schedule type: Karras, RNG: CPU" },
        { "Sampler: PLMS", "Sampler: PLMS, RNG: CPU" },
        { "Sampler: DPM++ 3M SDE Exponential", "Sampler: DPM++ 3M SDE, Schedule type: Exponential, RNG: CPU" },
        { "Sampler: DPM2", "Sampler: DPM2, RNG: CPU" },
        { "Sampler: Euler, Schedule type: Align Your Steps",
          "Sampler: Euler, Schedule type: Align Your Steps, RNG: CPU" },
        { "Sampler: Restart, Schedule type: Turbo", "Sampler: Restart, Schedule type: Turbo, RNG: CPU" },
        { "Sampler: LCM, CFG scale: 1", "Sampler: LCM, CFG scale: 1, RNG: CPU" },
        { "Sampler: DDIM, Eta DDIM: 0.5", "Sampler: DDIM, RNG: CPU, Eta: 0.5" },
        { "Sampler: Euler a, Eta: 0", "Sampler: Euler a, RNG: CPU, Eta: 0" },
        { "Sampler: Euler, CFG Rescale \xcf\x86: 0.7, Noise Schedule: Zero Terminal SNR, Prediction type: v",
          "Sampler: Euler, RNG: CPU, CFG rescale: 0.7, Prediction type: v, Noise Schedule: Zero Terminal SNR" },
        { "Sampler: Euler, Frames: 40, Context: 16, Overlap: 0, Stride: 2, Closed loop: A",
          "Sampler: Euler, RNG: CPU, Frames: 40, Context: 16, Overlap: 0, Stride: 2, Closed loop: A" },
        { "Sampler: Euler, Frames: 40, Overlap: -1, Stride: 1", "Sampler: Euler, RNG: CPU, Frames: 40" },
        { "Sampler: Euler, Init image: a.png, Mask: 20,30,90,120, Mask blur: 0, Denoising strength: 0.5",
          "Sampler: Euler, Init image: a.png, Mask: \"20, 30, 90, 120\", Mask blur: 0, Denoising strength: 0.5, RNG: CPU" },
        { "Sampler: Euler, Init image: a.png, last_frame: b.png, Last strength: 0.8, Latent scale: 8, latent_power_last: 2",
          "Sampler: Euler, Init image: a.png, Last image: b.png, Last strength: 0.8, Latent scale: 8, "
          "Latent power last: 2, RNG: CPU" },
        { "Sampler: Euler, AnimateDiff: \"enable: True, video_length: 8, latent_power: 1, latent_scale: 16, "
          "latent_power_last: 1, latent_scale_last: 32\"", "Sampler: Euler, Latent power: 1, Latent scale: 16, "
          "Latent power last: 1, Latent scale last: 32, RNG: CPU, Frames: 8" },
        { "Sampler: Euler, Mask: 20%, 30%, 90%, 100%, Steps: 9", "Sampler: Euler, Mask: \"20%, 30%, 90%, 100%\", RNG: CPU" },
        { "Sampler: Euler, Motion strength: 1.0, Frames: 4", "Sampler: Euler, RNG: CPU, Frames: 4" },
        { "Sampler: Euler, Motion strength: 0: 0.5, 8: 1.5, Frames: 9",
          "Sampler: Euler, RNG: CPU, Frames: 9, Motion strength: \"0: 0.5, 8: 1.5\"" },
        { "Sampler: Euler, Motion strength: \"0: 0.5, 8: 1.5\"",
          "Sampler: Euler, RNG: CPU, Motion strength: \"0: 0.5, 8: 1.5\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = format(a, "a\nSteps: 9, %s", cases[i][0]) };
        char *text = settings(&t);
        CHECK_MSG(!strcmp(text, format(a, "a\nSteps: 9, %s", cases[i][1])) && !*t.warning, "%s: reads as %s %s",
                  cases[i][0], text, t.warning);
    }
}

static void test_animatediff(Arena *a)
{
    Reading t = { .a = a, .text = "a\nSteps: 9, AnimateDiff: \"enable: True, model: mm_sd_v14.ckpt, video_length: 24, "
                                  "fps: 6, loop_number: 0, closed_loop: R-P\", Seed: 5" };
    CHECK_MSG(!*reading(&t), "%s", t.message);
    CHECK(t.r->job.frames == 24 && fabs(t.r->job.fps - 6) < 1e-12 && !strcmp(t.r->motion.text, "mm_sd_v14.ckpt") &&
          t.r->job.seed == 5);
    CHECK_MSG(strstr(t.warning, "loop_number") && !strstr(t.warning, "closed_loop") && !strcmp(t.r->job.loop, "R-P"),
              "%s", t.warning);
    t.text = "a\nAnimateDiff: \"enable: True, video_length: 48, batch_size: 16, stride: 2, overlap: 4, "
             "closed_loop: A\"";
    CHECK(!*reading(&t) && t.r->job.context == 16 && t.r->job.stride == 2 && t.r->job.overlap == 4 &&
          !strcmp(t.r->job.loop, "A"));
    t.text = "a\nAnimateDiff: \"video_length: 48, overlap: -1\"";
    CHECK(!*reading(&t) && t.r->job.overlap == 0);
    t.text = "a\nAnimateDiff: \"enable: False, model: mm\"";
    CHECK(!*reading(&t) && !strcmp(t.r->motion.text, "none"));
    t.text = "a\nAnimateDiff: \"video_length: 0, fps: x\"";
    CHECK_MSG(!*reading(&t) && strstr(t.warning, "left out: AnimateDiff fps is \"x\""), "%s", t.warning);
    /* before 1.9.4: JSON; since 2.0.0: no "enable" */
    t.text = "a\nSteps: 9, AnimateDiff: {\"enable\": true, \"video_length\": 24, \"fps\": 6, \"loop_number\": 0, "
             "\"closed_loop\": false, \"batch_size\": 8, \"format\": [\"GIF\", \"PNG\"], \"model\": \"mm, 2.ckpt\"}, Seed: 5";
    CHECK_MSG(!*reading(&t) && t.r->job.frames == 24 && t.r->job.context == 8 && !strcmp(t.r->job.loop, "N") &&
              !strcmp(t.r->motion.text, "mm, 2.ckpt") && t.r->job.seed == 5, "%s", t.message);
    CHECK_MSG(strstr(t.warning, "AnimateDiff \"loop_number\", AnimateDiff \"format\""), "%s", t.warning);
    t.text = "a\nAnimateDiff: {\"enable\": false, \"video_length\": 24}";
    CHECK(!*reading(&t) && t.r->job.frames == 0 && !strcmp(t.r->motion.text, "none"));
    t.text = "a\nAnimateDiff: \"model: mm.ckpt, video_length: 16, fps: 8.0, request_id: , freeinit_enable: False, "
             "version: v2.0.1-a\"";
    CHECK_MSG(!*reading(&t) && t.r->job.frames == 16 && !strcmp(t.r->motion.text, "mm.ckpt"), "%s", t.message);
    t.text = "a\nSteps: 9, AnimateDiff model: mm.ckpt, AnimateDiff video_length: 16, AnimateDiff fps: 6";
    CHECK_MSG(!*reading(&t) && t.r->job.frames == 16 && fabs(t.r->job.fps - 6) < 1e-12 &&
              !strcmp(t.r->motion.text, "mm.ckpt"), "%s", t.message);
}

/* what galleries hold runs as it is: keys of extensions and of later passes are told, not refused */
static void test_pasted(Arena *a)
{
    static const struct { const char *text, *sampler, *schedule; int steps, frames; size_t tags; } cases[] = {
        { "masterpiece, best quality, (1girl:1.2), [red:blue:0.5] hair, [cat|dog] BREAK outdoors, easynegative, "
          "<lora:add_detail:0.6>\n"
          "Negative prompt: easynegative, (worst quality, low quality:1.4), bad-hands-5, [text]\n"
          "Steps: 28, Sampler: DPM++ 2M SDE Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: "
          "45dee52b10, Model: toonyou_beta3, VAE hash: 735e4c3a44, VAE: vae-ft-mse-840000.pt, "
          "Clip skip: 2, ENSD: 31337, Token merging ratio: 0.5, ADetailer model: face_yolov8n.pt, ADetailer prompt: "
          "\"a face, (detailed:1.2)\", ADetailer confidence: 0.3, "
          "ADetailer inpaint only masked: True, ADetailer version: 23.11.0, Hires upscaler: 4x-UltraSharp, Lora "
          "hashes: \"add_detail: 7c6bad76eb54\", "
          "TI hashes: \"easynegative: c74b4e810b03, bad-hands-5: aa7651be154c\", Version: v1.6.0-2-g4afaaf8a",
          "DPM++ 2M SDE", "Karras", 28, 0, 1 },
        { "1girl, yoimiya (genshin impact), line, comet, wink, Masterpiece\n0: closed mouth\n8: open mouth\nsmile\n"
          "Negative prompt: (sketch, duplicate, (bad and mutated hands:1.3), (blurry:2.0)), horror, "
          "(bad_prompt_version2:0.8)\n"
          "Steps: 25, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 46, Size: 512x512, Model hash: "
          "7f96a1a9ca, Model: AnythingV5_v5PrtRE, AnimateDiff: \"enable: True, "
          "model: mm_sd_v15_v2.ckpt, video_length: 16, fps: 8, loop_number: 0, closed_loop: R+P, batch_size: 16, "
          "stride: 1, overlap: -1, interp: Off, interp_x: 10, mm_hash: 69ed0f5f\", "
          "RNG: NV, Version: v1.7.0", "Euler a", NULL, 25, 16, 0 },
        { "cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Schedule type: SGM Uniform, CFG scale: 5.5, Seed: 1, "
          "Size: 512x512, Model: x, Civitai resources: [{\"type\":\"checkpoint\","
          "\"modelVersionId\":143906,\"modelName\":\"epiCRealism\"},{\"type\":\"lora\",\"weight\":0.8}], Civitai "
          "metadata: {}, Hashes: {\"vae\": \"c6a5\", \"model\": \"c0d1\"}",
          "Euler", "SGM Uniform", 20, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        CHECK_MSG(!*reading(&t), "pasted text %zu: %s", i, t.message);
        const Job *j = &t.r->job;
        CHECK_MSG(!strcmp(j->sampler, cases[i].sampler) && same_text(j->schedule, cases[i].schedule),
                  "pasted text %zu: %s %s", i, j->sampler, j->schedule);
        CHECK_MSG(j->steps == cases[i].steps && j->frames == cases[i].frames && t.r->tags == cases[i].tags,
                  "pasted text %zu: %d steps, %d frames, %zu tags", i, j->steps, j->frames, t.r->tags);
        CHECK_MSG(strstr(t.warning, "ignored"), "pasted text %zu: %s", i, t.warning);
    }
}

/* The parts of a tag, and how a LoRA key with them is written and read again. */
static void test_lora_parts(Arena *a)
{
    static const struct { const char *tag, *how; double text, unet; } cases[] = {
        { "<lora:c>", NULL, 1, 1 },
        { "<lora:c:0.5>", NULL, 0.5, 0.5 },
        { "<lora:c:0.5:0.7:8>", "dyn=8", 0.5, 0.7 },
        { "<lora:c:dyn=8:unet=0.7:te=0.5>", "dyn=8", 0.5, 0.7 },
        { "<lora:c:0.5:IND>", "lbw=IND", 0.5, 0.5 },
        { "<lora:c:0.5:0.7:IN02>", "lbw=IN02", 0.5, 0.7 },
        { "<lora:c:0@0,1@0.4>", "te=0@0,1@0.4:unet=0@0,1@0.4", 1, 1 },
        { "<lora:c:0@0,1@0.4:0.7>", "te=0@0,1@0.4:unet=0@0,1@0.4:unet=0.7", 1, 0.7 },
        { "<lora:c:0.5:0@0,1@0.4>", "unet=0@0,1@0.4", 0.5, 0.5 },
        { "<lora:c:0@0f;1@8f>", "unet=0@0f;1@8f", 1, 1 },
        { "<lora:c:1:lbw=NONE:step=2-5:hr=0.5>", "lbw=NONE:step=2-5:hr=0.5", 1, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].tag };
        CHECK_MSG(!*reading(&t) && !t.r->ignored, "%s: %s", cases[i].tag, t.message);
        const LoraName *l = &t.r->tag[0];
        CHECK_MSG(same_text(l->how, cases[i].how), "%s: %s", cases[i].tag, l->how);
        CHECK(fabs(l->text - cases[i].text) < 1e-12 && fabs(l->unet - cases[i].unet) < 1e-12);
        const char *key = format(a, "a b:c%.*s", (int)strlen(cases[i].tag) - 8, cases[i].tag + 7);
        if (!strchr(key + 4, ':') || strstr(key, ":8") || strstr(key, ":IN")) continue;      /* a name with no strength */
        prompt_set(a, t.r, "lora", key);
        CHECK_MSG(same_text(t.r->key[0].how, cases[i].how) && !strcmp(t.r->key[0].name.text, "a b:c"), "%s: %s", key,
                  t.r->key[0].name.text);
        Reading again = { .a = a, .text = prompt_infotext(a, t.r) };
        CHECK_MSG(!*reading(&again) && again.r->keys == 1 && !strcmp(again.r->key[0].name.text, "a b:c") &&
                  same_text(again.r->key[0].how, cases[i].how), "%s: %s", key, again.text);
    }
}

/* what a settings line may hold beside its keys, and what follows it */
static void test_around(Arena *a)
{
    static const struct { const char *text, *ignored; } cases[] = {
        { "p: [{\"type\":\"lora\",\"weight\":0.8}, {\"a\": [1, 2]}], Seed: 5", "\"p\"" },
        { "p: {\"a]}\": \"\\\"b, c: d\"}, Seed: 5", "\"p\"" }, { "p: [], q: {} , Seed: 5", "\"p\", \"q\"" },
        { "p: [a, q: b, Seed: 5", "\"p\", \"q\"" }, { "p: [a] b, Seed: 5", "\"p\"" }, { "p: {\"a, Seed: 5", "\"p\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = format(a, "a\nSteps: 9, %s", cases[i].text) };
        CHECK_MSG(!*reading(&t) && t.r->job.seed == 5 && !strcmp(t.r->prompt, "a"), "%s: %s, prompt %s", cases[i].text,
                  t.message, t.r->prompt);
        CHECK_MSG(!strcmp(t.warning, format(a, "p.txt: ignored, as persona does not know them: %s", cases[i].ignored)),
                  "%s: %s", cases[i].text, t.warning);
    }
    Reading kept = { .a = a, .text = "a\nSteps: 9, Seed: 5\nTemplate: {a|b}\nc\nNegative Template: d" };
    CHECK(!*reading(&kept) && !*kept.warning && !strcmp(kept.r->prompt, "a") && kept.r->job.seed == 5);
    CHECK(!strcmp(kept.r->prompt_template, "{a|b}\nc") && !strcmp(kept.r->negative_template, "d"));
    Reading t = { .a = a, .text = "a <hypernet:b:1> <lora:c:1:lbw=XYZ:lbwe=ATTNDEEPON:stop=9>" };
    CHECK_MSG(!*reading(&t) && !strcmp(t.r->ignored, "\"<hypernet:b:1>\", \"c: lbw=XYZ\", \"c: lbwe=ATTNDEEPON\"") &&
              t.r->tags == 1 && !strcmp(t.r->tag[0].how, "stop=9"), "%s", t.r->ignored);
    test_lora_parts(a);
    t.text = "<x:1><x:2><x:3><x:4><x:5><x:6><x:7><x:8><x:9><x:10>";
    CHECK_MSG(!*reading(&t) && t.r->ignored_count == 10 && strstr(t.r->ignored, "\"<x:8>\" and more"), "%s",
              t.r->ignored);
    t.flag = "prompt";
    t.value = "a";
    CHECK(!*reading(&t) && !t.r->ignored);
}

static void test_tags(Arena *a)
{
    static const struct { const char *text, *prompt; size_t tags; double strength, unet; } cases[] = {
        { "a <lora:b:0.5> c", "a  c", 1, 0.5, 0.5 }, { "<lora:b>", "", 1, 1, 1 }, { "<lora: b : -1 >", "", 1, -1, -1 },
        { "<lyco:b:2>", "", 1, 2, 2 },
        { "a <3 > b", "a <3 > b", 0, 0, 0 }, { "<lora:>", "<lora:>", 0, 0, 0 }, { "<:b>", "<:b>", 0, 0, 0 },
        { "<lora:b:1", "<lora:b:1", 0, 0, 0 },
        { "<<lora:b:1>>", "<>", 1, 1, 1 }, { "a > <lora:b:1>", "a >", 1, 1, 1 },
        { "<lora:b:1>\nSteps: 1", "", 1, 1, 1 },
        /* web UI, extra_networks_lora.py: by place, or by name */
        { "<lora:b:0.5:0.75>", "", 1, 0.5, 0.75 }, { "<lora:b:te=0.5>", "", 1, 0.5, 0.5 },
        { "<lora:b:unet=0.5>", "", 1, 1, 0.5 }, { "<lora:b:0.25:unet=0.5>", "", 1, 0.25, 0.5 },
        { "<lora:b:te=2:unet=3>", "", 1, 2, 3 }, { "<lora:b:0.5:lbw=MIDD>", "", 1, 0.5, 0.5 },
        { "<hypernet:c:1><lora:b:1>", "", 1, 1, 1 }, { "<lora:b:0:1>", "", 1, 0, 1 },
        { "<lora:b:1:2:te=3>", "", 1, 3, 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        CHECK_MSG(!*reading(&t), "case %zu: %s", i, t.message);
        size_t n = strlen(cases[i].prompt);
        const char *prompt = t.r->job.prompt;
        CHECK_MSG(!strncmp(prompt, cases[i].prompt, n) && strspn(prompt + n, " ") == strlen(prompt + n),
                  "case %zu: \"%s\"", i, prompt);
        CHECK_MSG(t.r->tags == cases[i].tags, "case %zu: %zu tags", i, t.r->tags);
        if (!t.r->tags) continue;
        const LoraName *tag = &t.r->tag[0];
        CHECK_MSG(fabs(tag->text - cases[i].strength) + fabs(tag->unet - cases[i].unet) < 1e-12, "case %zu: %g, %g", i,
                  tag->text, tag->unet);
    }
}

/* ---- messages ---- */

/* What stands in a file and means nothing here is left out and told; only a text that is none is refused. */
static void test_left_out(Arena *a)
{
    static const struct { const char *text, *says; } cases[] = {
        { "Steps: abc", "p.txt: left out: Steps is \"abc\", expected a whole number from 1 to 1000" },
        { "Steps: 0", "from 1 to 1000" }, { "Steps: 1001", "Steps is \"1001\"" }, { "Steps: 20.5", "Steps" },
        { "Steps: 99999999999999999999", "Steps" }, { "Steps:", "Steps is \"\"" }, { "Steps: 0x10", "Steps" },
        { "CFG scale: nan", "CFG scale is \"nan\", expected a number from 0.1 to 100" },
        { "CFG scale: 1e9", "CFG scale" }, { "CFG scale: 7.5.1", "CFG scale" }, { "CFG scale: .", "CFG scale" },
        { "CFG scale: -", "CFG scale" }, { "CFG scale: None", "CFG scale is \"None\"" },
        { "CFG scale: 99999999999999999999999999", "CFG scale" },
        { "Seed: 18446744073709551616", "18446744073709551615" },
        { "Size: 0x512", "Size is \"0x512\", expected WIDTHxHEIGHT" }, { "Size: 8200x512", "8192" }, { "Size: x", "Size" },
        { "Sampler: Oiler",
          "p.txt: left out: Sampler is \"Oiler\", expected DDIM, Euler, Euler a, Heun, LMS, PLMS, DPM2, DPM2 a, DPM++ 2M, "
          "DPM++ 2M SDE, DPM++ 2M SDE Heun, DPM++ 2S a, DPM++ SDE, DPM++ 3M SDE, UniPC or LCM" },
        { "Sampler: Undefined", "Sampler is \"Undefined\"" }, { "Sampler: Default", "Sampler is \"Default\"" },
        { "RNG: std_default", "expected CPU or NV" }, { "Precision: f16", "expected f32 or bf16" },
        { "Schedule type: Gamma",
          "expected Automatic, Uniform, Karras, Exponential, SGM Uniform, DDIM, LCM, Simple, Normal, Beta, KL Optimal "
          "or Align Your Steps" },
        { "Sampler: Euler Gamma", "Sampler is \"Euler Gamma\"" },
        { "Overlap: -2", "Overlap is \"-2\"" }, { "Closed loop: B", "expected N, R-P, R+P or A" },
        { "Mask: 1,2,3", "expected a picture whose white is drawn anew, alpha, or a box" },
        { "Latent scale: 200", "Latent scale is \"200\"" },
        { "Masked content: fill", "expected original, latent noise or latent nothing" },
        { "Motion strength: much", "Motion strength is \"much\", expected a number from 0 to 10, or some with their frames" },
        { "Motion strength: 11", "from 0 to 10" }, { "Motion strength: -1", "from 0 to 10" },
        { "Motion strength: 0: 0.5, 8: x", "from 0 to 10" }, { "Motion strength: 0: 0.5, 8: 11", "from 0 to 10" },
        { "Motion strength: 8: 0.5, 8: 1", "frame 8 stands behind frame 8, expected rising order" },
        { "CFG rescale: 1.1", "from 0 to 1" }, { "Prediction type: x", "expected epsilon, v or v_prediction" },
        { "Clip skip: 13", "from 1 to 12" }, { "FPS: 101", "from 0.1 to 100" }, { "Eta: 2", "from 0 to 1" },
        { "Model: ", "Model is empty" }, { "Model: None", "Model is empty" }, { "LoRA: :1", "LoRA" },
        { "LoRA: b:x", "strength is \"x\"" }, { "Denoising strength: 0", "nothing to change" },
        { "Steps: 1\x1b[31mx", "Steps is \"1?[31mx\"" }, { "Steps: \xff\xc3", "Steps is \"??\"" },
        { "Steps: x, Seed: y, FPS: z", "left out: Steps is \"x\", expected a whole number from 1 to 1000; Seed is \"y\"" },
    };
    Reading plain = { .a = a, .text = "a\nSampler: DDIM" };
    const char *defaults = settings(&plain);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = format(a, "a\n%s", cases[i].text) };
        const char *text = settings(&t);
        CHECK_MSG(!*t.message && strstr(t.warning, cases[i].says), "%s: says \"%s\", %s", cases[i].text, t.warning,
                  t.message);
        CHECK_MSG(!strcmp(text, defaults), "%s: reads as %s", cases[i].text, text);
    }
}

/* What means something elsewhere is translated; says: what is told, NULL: nothing, as it is only another spelling. */
static void test_translated(Arena *a)
{
    static const struct { const char *text, *reads, *says; } cases[] = {
        { "RNG: cuda", "RNG: NV", "p.txt: in persona, RNG \"cuda\" is NV" }, { "RNG: GPU", "RNG: NV", "RNG \"GPU\"" },
        { "Clip skip: 0, RNG: NV", "RNG: NV", "Clip skip \"0\" is 1" },
        { "Clip skip: -2", "Clip skip: 2, RNG: CPU", "is 2" }, { "Clip skip: 2.0", "Clip skip: 2, RNG: CPU", NULL },
        { "CLiP-skip: 2", "Clip skip: 2, RNG: CPU", NULL }, { "Clip Skip: 1.0", "RNG: CPU", NULL },
        { "CFG scale: 0", "CFG scale: 1, RNG: CPU", "CFG scale \"0\" is 1" },
        { "CFG scale: 7.000000", "CFG scale: 7, RNG: CPU", NULL },
        { "cfg_scale: 6, cfgScale: 5", "CFG scale: 5, RNG: CPU",
          "left out: CFG scale \"6\", as \"5\" comes after it and counts" },
        { "Steps: 9, Steps: 9.0", "Steps: 9, RNG: CPU", NULL },
        { "Sampler sigma: karras, Sampler spacing: trailing", "Schedule type: Karras, RNG: CPU",
          "left out: Sampler spacing \"trailing\", as another setting says the schedule type" },
        { "Sampler sigma: default, Sampler spacing: trailing", "Schedule type: SGM Uniform, RNG: CPU", NULL },
        { "Size: 64x96, Hires resize: 128x192", "Size: 64x96, RNG: CPU, Hires upscale: 2",
          "Hires resize \"128x192\" is Hires upscale 2" },
        { "Size: 64x96, Hires resize: 0x144", "Size: 64x96, RNG: CPU, Hires upscale: 1.5", "is Hires upscale 1.5" },
        { "Size: 64x64, Hires resize: 128x192", "Size: 64x64, RNG: CPU", "does not know them: \"Hires resize\"" },
        { "Size: 64x96, Postprocess upscale to: 160x240", "Size: 64x96, RNG: CPU, Upscale by: 2.5",
          "Postprocess upscale to \"160x240\" is Upscale by 2.5" },
        { "Postprocess upscale to: 384x576, Size: 64x96, Hires resize: 128x192",
          "Size: 64x96, RNG: CPU, Hires upscale: 2, Upscale by: 3", "is Upscale by 3" },
        { "Size: 64x64, Postprocess upscale to: 128x192", "Size: 64x64, RNG: CPU",
          "does not know them: \"Postprocess upscale to\"" },
        { "Size: 64x64, Postprocess upscale to: 6400x6400", "Size: 64x64, RNG: CPU", "Postprocess upscale to" },
        { "Clip skip: True", "Clip skip: 2, RNG: CPU", "Clip skip \"True\" is 2" },
        { "Guidance scale: 5, Seed: 1", "CFG scale: 5, Seed: 1, RNG: CPU", NULL },
        { "Seed: 12.0", "Seed: 12, RNG: CPU", NULL }, { "Seed: -2", "RNG: CPU", "Seed \"-2\" is -1" },
        { "Seed: 4294967297", "Seed: 4294967297, RNG: CPU", NULL },
        { "Seed: 12; 13", "Seed: 12, RNG: CPU", "Seed \"12; 13\" is 12" },
        { "Steps: 20.0", "Steps: 20, RNG: CPU", NULL }, { "Steps: +5", "Steps: 5, RNG: CPU", NULL },
        { "Steps: 20/20", "Steps: 20, RNG: CPU", "Steps \"20/20\" is 20" },
        { "Size: 512 x 768", "Size: 512x768, RNG: CPU", NULL }, { "Size: 512X768", "Size: 512x768, RNG: CPU", NULL },
        { "Size: 512*768", "Size: 512x768, RNG: CPU", "Size \"512*768\" is 512x768" },
        { "Size: 512\xc3\x97" "768", "Size: 512x768, RNG: CPU", "is 512x768" },
        { "Size: 500x770", "Size: 496x768, RNG: CPU", "Size \"500x770\" is 496x768" },
        { "Size: 512", "Size: 512x512, RNG: CPU", "Size \"512\" is 512x512" },
        { "Seed: 1, width: 512, Height: 768", "Seed: 1, Size: 512x768, RNG: CPU", NULL },
        { "FPS: 8.0, Frames: 16", "RNG: CPU, Frames: 16, FPS: 8", NULL },
        { "Hires upscale: Latent, Hires scale: 2.000000", "RNG: CPU, Hires upscale: 2, Hires upscaler: Latent", NULL },
        { "Hires upscale: 2, Denoising strength: 0", "Denoising strength: 0.001, RNG: CPU, Hires upscale: 2",
          "Denoising strength \"0\" is 0.001" },
        { "Prediction type: v_prediction", "RNG: CPU, Prediction type: v_prediction", NULL },
        { "Prediction type: eps", "RNG: CPU, Prediction type: epsilon", "epsilon" },
        { "Noise Schedule: native", "Schedule type: Uniform, RNG: CPU", NULL },
        { "CFG scale: 7,5, Seed: 1", "CFG scale: 7.5, Seed: 1, RNG: CPU", "CFG scale \"7,5\" is 7.5" },
        { "VAE: None", "VAE: none, RNG: CPU", NULL }, { "VAE: Baked VAE", "VAE: Baked VAE, RNG: CPU", NULL },
        { "Motion scale: 1,2", "RNG: CPU, Motion strength: 1.2", "Motion strength \"1,2\" is 1.2" },
        { "Closed loop: True", "RNG: CPU, Closed loop: R-P", "Closed loop \"True\" is R-P" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = format(a, "a\nSampler: DDIM, %s", cases[i].text) };
        const char *text = settings(&t);
        const char *expected = format(a, "a\nSampler: DDIM, %s", cases[i].reads);
        if (begins(cases[i].reads, "Steps")) {
            size_t n = strcspn(cases[i].reads, ",");
            expected = format(a, "a\n%.*s, Sampler: DDIM%s", (int)n, cases[i].reads, cases[i].reads + n);
        }
        CHECK_MSG(!strcmp(text, expected), "%s: reads as %s", cases[i].text, text);
        if (cases[i].says) CHECK_MSG(strstr(t.warning, cases[i].says), "%s: says %s", cases[i].text, t.warning);
        else CHECK_MSG(!*t.warning, "%s: says %s", cases[i].text, t.warning);
    }
}

/* where settings stand: prompt, negative, and what is read of "Steps: 4, Seed: 5, Sampler: Euler a" */
static void test_where(Arena *a)
{
    static const char read[] = "Steps: 4, Sampler: Euler a, Seed: 5, RNG: CPU";
    static const struct { const char *text, *prompt, *negative, *settings; } cases[] = {
        { "a\nSteps: 4, Sampler: Euler a, Seed: 5\n\nTime taken: 5.1 sec.", "a", NULL, read },
        { "a\nSteps: 4, Sampler: Euler a, Seed: 5\nCivitai resources: [{\"type\":\"lora\"}]\n\nblah", "a", NULL, read },
        { "a\nSteps: 4, Sampler: Euler a, Seed: 5\nNegative prompt: b\nc", "a", "b\nc", read },
        { "Steps: 4, Sampler: Euler a, Seed: 5\na\nNegative prompt: b", "a", "b", read },
        { "a\nENSD: 31337, Seed: 5, Sampler: Euler a, Steps: 4", "a", NULL, read },
        { "a\nUnknown thing: 1, Seed: 5, Sampler: Euler a, Steps: 4", "a", NULL, read },
        { "a\nSteps: 4 | Seed: 5 | Sampler: Euler a", "a", NULL, read },
        { "a\nSteps: 4; Seed: 5; Sampler: Euler a", "a", NULL, read },
        { "a\nSteps: 4\tSeed: 5\tSampler: Euler a", "a", NULL, read },
        { "a\nSteps: 4\nSeed: 5\nSampler: Euler a", "a", NULL, read },
        { "a\r\nSteps: 4\r\n\r\nFoo: 1\r\nsampler_name: euler_a\r\nSeed: 5\r\n", "a", NULL, read },
        { "a\nSteps: 4, Sampler: Euler a,\nSeed: 5", "a", NULL, read },
        { "a\nSteps\xef\xbc\x9a" "4\xef\xbc\x8c" "Seed\xef\xbc\x9a" "5\xef\xbc\x8c" "Sampler\xef\xbc\x9a" "Euler a", "a", NULL, read },
        { "a\nSteps: 4, Seed:\xc2\xa0" "5, Sampler: \xe2\x80\x9c" "Euler a\xe2\x80\x9d", "a", NULL, read },
        { "a\\nNegative prompt: b\\nSteps: 4, Seed: 5, Sampler: Euler a", "a", "b", read },
        { "a, b. Negative prompt: c, d. Steps: 4, Seed: 5, Sampler: Euler a", "a, b.", "c, d.", read },
        { "a Steps: 4, Seed: 5, Sampler: Euler a", "a", NULL, read },
        { "Prompt: a\nNegative Prompt: b\nSteps: 4\nSampler: Euler a\nSeed: 5", "a", "b", read },
        { "parameters: a\nnegative_prompt\xef\xbc\x9a" "b\nSteps: 4, Sampler: Euler a, Seed: 5", "a", "b", read },
        /* prompts with colons */
        { "a cat: a dog: a bird, hello: 3", "a cat: a dog: a bird, hello: 3", NULL, NULL },
        { "(a:1.2), (b:1.3), (c:1.1)", "(a:1.2), (b:1.3), (c:1.1)", NULL, NULL },
        { "a\nmood: dark, light: soft, lens: 50mm", "a\nmood: dark, light: soft, lens: 50mm", NULL, NULL },
        { "a\nlook: thin, Size: small, Style: b", "a\nlook: thin, Size: small, Style: b", NULL, NULL },
        { "8: open\n0: closed", "8: open\n0: closed", NULL, NULL }, { "a | b; c | d: e", "a | b; c | d: e", NULL, NULL },
        { "a \\new: b", "a \\new: b", NULL, NULL },
        { "a\nSteps: 1, Seed: 2, Size: 8x8\nSteps: 4, Sampler: Euler a, Seed: 5",
          "a\nSteps: 1, Seed: 2, Size: 8x8", NULL, read },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        const char *text = settings(&t);
        CHECK_MSG(!*t.message && !strcmp(t.r->prompt, cases[i].prompt) &&
                  same_text(t.r->job.negative, cases[i].negative), "%s: prompt %s, negative %s, %s", cases[i].text,
                  t.r->prompt, t.r->job.negative, t.message);
        const char *line = strrchr(text, '\n') + 1;
        CHECK_MSG(!strcmp(line, cases[i].settings ? cases[i].settings : "Sampler: DDIM, RNG: CPU"), "%s: %s",
                  cases[i].text, line);
    }
    /* a picture holds settings for sure */
    Request r;
    prompt_parse_stored(a, &r, "a\nFoo: 1, Bar: 2, Seed: 5", "p.png", NULL, NULL);
    CHECK(r.job.seed == 5 && !strcmp(r.prompt, "a"));
    Reading t = { .a = a, .text = "a\nFoo: 1, Bar: 2, Seed: 5" };
    CHECK(!*reading(&t) && !t.r->seeded);
    t.text = "a\nSteps: many\nb";
    CHECK_MSG(!*reading(&t) && strstr(t.warning, "\"Steps:\" stands among words"), "%s", t.warning);
}

/* the same words as Windows saves them */
static void test_utf16(Arena *a)
{
    static const char words[] = "a\r\nSteps: 4, Seed: 5";
    char wide[2 * sizeof words + 2];
    for (int is_big = 0; is_big < 2; is_big++) {
        memcpy(wide, is_big ? "\xfe\xff" : "\xff\xfe", 2);
        for (size_t i = 0; i < sizeof words - 1; i++) {
            wide[2 + 2 * i + (is_big ? 1 : 0)] = words[i];
            wide[2 + 2 * i + (is_big ? 0 : 1)] = 0;
        }
        for (int has_mark = 0; has_mark < 2; has_mark++) {
            const char *text = has_mark ? wide : wide + 2;
            Reading t = { .a = a, .text = text, .size = 2 * (sizeof words - 1) + (has_mark ? 2 : 0) };
            CHECK_MSG(!*reading(&t) && !strcmp(t.r->prompt, "a") && t.r->job.steps == 4 && t.r->job.seed == 5,
                      "UTF-16 %d %d: %s", is_big, has_mark, t.message);
        }
    }
    /* U+732B, U+1F642, half a surrogate, and an odd byte */
    Reading t = { .a = a, .text = "\xff\xfe\x2b\x73\x3d\xd8\x42\xde\x3d\xd8x", .size = 11 };
    CHECK_MSG(!*reading(&t) && !strcmp(t.r->prompt, "\xe7\x8c\xab\xf0\x9f\x99\x82\xef\xbf\xbd\xef\xbf\xbd"), "%s",
              t.r->prompt);
}

/* what a bare name, an eta and a Scheduler mean depends on who wrote them */
static void test_programs(Arena *a)
{
    static const struct { const char *text, *reads; } cases[] = {
        { "Sampler: DPM++ 2M", "Sampler: DPM++ 2M" },
        { "Sampler: DPM++ 2M, Model hash: ab12", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: DPM++ 2M, Version: v1.6.0", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: DPM++ 2M, Version: 1.8.0-RC", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: DPM++ 2M, Model hash: ab12, Version: v1.9.4", "Sampler: DPM++ 2M" },
        { "Sampler: DPM++ 2M, Version: v1.10.1", "Sampler: DPM++ 2M" },
        { "Sampler: DPM++ 2M, Version: f2.0.1v1.10.1-previous-659-gc055f2d4", "Sampler: DPM++ 2M" },
        { "Sampler: DPM++ 2M, Model hash: ab12, Schedule type: Automatic", "Sampler: DPM++ 2M" },
        { "Sampler: DPM++ 2M Karras, Model hash: ab12", "Sampler: DPM++ 2M, Schedule type: Karras" },
        { "Sampler: Euler a, Model hash: ab12", "Sampler: Euler a" },
        { "Sampler: dpmpp_2m, Version: ComfyUI", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: dpmpp_2m_sde_karras, Version: ComfyUI", "Sampler: DPM++ 2M SDE, Schedule type: Karras" },
        { "Sampler: dpm++2m, Version: stable-diffusion.cpp", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: k_dpmpp_2m", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: DPM++ SDE, App: SD.Next, Version: 2d3f4a1", "Sampler: Euler a" },
        { "Sampler: DPM++ 2M, Sampler sigma: karras, App: SD.Next", "Sampler: DPM++ 2M, Schedule type: Karras" },
        { "Sampler: DPM++ 2M, Sampler sigma: default, Parser: a1111", "Sampler: DPM++ 2M, Schedule type: Uniform" },
        { "Sampler: Euler a, Scheduler: EulerAncestralDiscreteScheduler, App: SD.Next", "Sampler: Euler a" },
        { "Scheduler: euler_k", "Sampler: Euler, Schedule type: Karras" },
        { "Sampler: dpmpp_2m, Scheduler: karras", "Sampler: DPM++ 2M, Schedule type: Karras" },
        { "Sampler: Euler, Scheduler: ddim_uniform", "Sampler: Euler, Schedule type: ddim_uniform" },
        { "Sampler: euler_a, Eta: 0.000000", "Sampler: Euler a" },
        { "Sampler: euler_a, Eta: 0.0, Version: stable-diffusion.cpp", "Sampler: Euler a" },
        { "Sampler: Euler a, Eta: 0", "Sampler: Euler a, Eta: 0" },
        { "Sampler: Euler a, Eta: 0.0, Model hash: ab12", "Sampler: Euler a, Eta: 0" },
        { "Sampler: DDIM, Eta: 0.000000", "Sampler: DDIM, Eta: 0" },
        { "Sampler: DPM++ 2M SDE Heun, Eta: 0.500000, Schedule type: Karras",
          "Sampler: DPM++ 2M SDE Heun, Schedule type: Karras, Eta: 0.5" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = format(a, "a\nSteps: 4, %s", cases[i].text) };
        const char *text = settings(&t);
        char *rng = strstr(text, ", RNG: CPU");
        if (rng) memmove(rng, rng + 10, strlen(rng + 10) + 1);
        CHECK_MSG(!strcmp(text, format(a, "a\nSteps: 4, %s", cases[i].reads)), "%s: reads as %s", cases[i].text, text);
    }
    /* a picture that was drawn with a hash keeps its schedule type */
    Reading t = { .a = a, .text = "a\nSampler: DPM++ 2M, Model hash: ab12, Version: v1.9.4" };
    CHECK(!*reading(&t) && !t.r->job.schedule);
    t.r->is_by_hash = 1;
    t.text = prompt_infotext(a, t.r);
    CHECK_MSG(!*reading(&t) && !t.r->job.schedule, "%s", t.text);
    t.text = "a\nSteps: 4, Seed: 1, Model hash: ab12";
    CHECK_MSG(!*reading(&t) && strstr(t.warning, "RNG is CPU"), "%s", t.warning);
    t.text = "a\nSteps: 4, Seed: 1, Model hash: ab12, RNG: NV";
    CHECK_MSG(!*reading(&t) && !strstr(t.warning, "RNG"), "%s", t.warning);
}

/* command lines of other programs, and words with dashes */
static void test_commands(Arena *a)
{
    static const struct { const char *text, *reads, *ignored; } cases[] = {
        { "a cat, red hat --n dog, bad --w 512 --h 768 --d 1 --l 7.5 --s 28",
          "a cat, red hat\nNegative prompt: dog, bad\nSteps: 28, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Size: 512x768", NULL },
        { "# samples\na woman's cat --w 64 --ss euler_a\na dog --w 64", "a woman's cat\nSampler: Euler a, Size: 64x64",
          "\"the prompts of the other lines\"" },
        { "a\nb --s 3", "a\nb\nSteps: 3, Sampler: DDIM", NULL },
        { "./sd -m x.safetensors -p \"a, (b:1.2)\" -n c -W 512 -H 768 --steps 20 -s 42 --cfg-scale 7.0 "
          "--sampling-method euler_a --rng cuda -o out.png -v --diffusion-fa",
          "a, (b:1.2)\nNegative prompt: c\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x768, "
          "Model: x.safetensors, RNG: NV", "\"-o\", \"-v\", \"--diffusion-fa\"" },
        { "$ python scripts/txt2img.py --prompt \"a b\" --plms --ddim_steps 50 --n_samples 1 --scale 7.5 --H 64 --W 32 --seed=42",
          "a b\nSteps: 50, Sampler: PLMS, CFG scale: 7.5, Seed: 42, Size: 32x64", "\"--n_samples\"" },
        { "python generate.py --prompt 'a b' --negative_prompt c --num_inference_steps 30 \\\n  --guidance_scale 5",
          "a b\nNegative prompt: c\nSteps: 30, Sampler: DDIM, CFG scale: 5", NULL },
        { "--prompt \"a b\" --negative_prompt \"c\" --steps 20 --sampler_name \"DPM++ 2M Karras\"",
          "a b\nNegative prompt: c\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras", NULL },
        { "\"a cat [ugly]\" -s 50 -S 7 -W 512 -H 64 -C 7.5 -A k_lms",
          "a cat\nNegative prompt: ugly\nSteps: 50, Sampler: LMS, CFG scale: 7.5, Seed: 7, Size: 512x64", NULL },
        { "./persona --prompt \"a b\" --steps 20 --motion none --threads 2",
          "a b\nSteps: 20, Sampler: DDIM, Motion module: none", "\"--threads\"" },
        /* words */
        { "a cat -- a dog --is --fine", "a cat -- a dog --is --fine\nSampler: DDIM", NULL },
        { "a cat --s", "a cat --s\nSampler: DDIM", NULL }, { "a cat --s red", "a cat --s red\nSampler: DDIM", NULL },
        { "python snake, well-known -it", "python snake, well-known -it\nSampler: DDIM", NULL },
        { "sd, a cat", "sd, a cat\nSampler: DDIM", NULL }, { "-it is", "-it is\nSampler: DDIM", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        char *text = settings(&t);
        char *rng = strstr(text, ", RNG: CPU");
        if (rng) memmove(rng, rng + 10, strlen(rng + 10) + 1);
        CHECK_MSG(!strcmp(text, cases[i].reads), "%s: reads as %s", cases[i].text, text);
        if (cases[i].ignored) CHECK_MSG(strstr(t.warning, cases[i].ignored), "%s: says %s", cases[i].text, t.warning);
        else CHECK_MSG(!strstr(t.warning, "ignored"), "%s: says %s", cases[i].text, t.warning);
    }
    Reading t = { .a = a, .text = "./sd -p \"a cat --steps 20" };
    CHECK_MSG(strstr(reading(&t), "p.txt"), "%s", t.message);
}

/* SD.Next writes the template of a prompt before the settings */
static void test_template_before(Arena *a)
{
    Reading t = { .a = a, .text = "a\nNegative prompt: b\nTemplate: {a|c}\nNegative template: b\n"
                                  "Steps: 4, Sampler: Euler, Seed: 5, App: SD.Next" };
    CHECK_MSG(!*reading(&t) && !strcmp(t.r->prompt, "a") && !strcmp(t.r->job.negative, "b"), "%s, %s", t.r->prompt,
              t.r->job.negative);
}

static void test_refused(Arena *a)
{
    static const struct { const char *text, *says; } cases[] = {
        { "a\nSteps", NULL }, { "a\nCFG scale: 7,5", NULL },
        { "a\nCFG scale: 7.50000000000000000000000000000000000001", NULL },
        { "a\nSize: 512 X 64", NULL },
        { "<lora:../b:1>", "without folders" }, { "<lora:/b:1>", "without folders" },
        { "<lora:..:1>", "without folders" }, { "<lora:b:1:2:3:4>", "the strength is \"4\"" },
        { "<lora:b:te=x>", "strength is \"x\"" }, { "<lora:b:1e>", "strength" },
        { "", "empty" }, { " \r\n ", "empty" }, { "\xef\xbb\xbf", "empty" }, { "\xef\xbb\xbf \xef\xbb\xbf\n", "empty" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = cases[i].text };
        const char *message = reading(&t);
        if (cases[i].says) CHECK_MSG(strstr(message, cases[i].says), "%s: says \"%s\"", cases[i].text, message);
        else CHECK_MSG(!*message, "%s: says \"%s\"", cases[i].text, message);
    }
    Reading nul = { .a = a, .text = "ab\0c", .size = 4 };
    CHECK_MSG(strstr(reading(&nul), "p.txt: byte 3 is NUL"), "%s", nul.message);
}

static void test_options(Arena *a)
{
    static const struct { const char *flag, *value, *says; } cases[] = {
        { "steps", "abc", "--steps is \"abc\", expected a whole number" }, { "CLIP_SKIP", "0", "--clip-skip is \"0\"" },
        { "cfg_scale", "x", "--cfg is" }, { "nothing", "x", "no such" },
        { "prompt", "a\nNegative prompt: b", "--negative" }, { "lora", "/x/y.safetensors:0.5", NULL },
        { "motion-module", "none", NULL }, { "negative_prompt", "b", NULL },
        { "threads", "0", "from 1 to 1024" }, { "size", "64x64", NULL }, { "seed", "-1", NULL }, { "fps", "0.1", NULL },
        { "prompt", "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Reading t = { .a = a, .text = "a\nSteps: 3", .flag = cases[i].flag, .value = cases[i].value };
        const char *message = reading(&t);
        CHECK_MSG(cases[i].says ? strstr(message, cases[i].says) != NULL : !*message, "%s %s: %s", cases[i].flag,
                  cases[i].value, message);
    }
    Reading t = { .a = a, .text = "old <lora:b:1>\nSteps: 3, Size: 8x8", .flag = "prompt", .value = "new" };
    CHECK(!*reading(&t) && !strcmp(t.r->job.prompt, "new") && t.r->tags == 0 && t.r->job.steps == 3);
    for (const Setting *s = all_settings; s->flag; s++) {
        CHECK_MSG(s->value && s->help && setting_named(s->flag) == s, "%s", s->flag);
        if (s->key) CHECK_MSG(s->kind->show && setting_key(s->key) == s, "%s", s->key);
    }
}

/* ---- there and back ---- */

static void test_round_trip(Arena *a)
{
    static const char *const texts[] = {
        "a", "a\nb\nNegative prompt: c\nd", "Negative prompt: c", "a <lora:b:0.30000000000000004>",
        "a\nSteps: 20, CFG scale: 7.1, Seed: 18446744073709551615, Size: 64x128, Eta: 0.1",
        "a\nModel: \"x, y: \\\"z\\\" \\\\ \", VAE: v.pt, Clip skip: 2, LoRA: \"/p, q/r:s.safetensors:-0.75\", "
        "LoRA: n:1, Motion module: m, Frames: 8, FPS: 12.34",
        "a\nLoRA: b:0.5:0.75, LoRA: \"c:2:3:3\", LoRA: d:0:1",
        "a\nMotion module: none, Frames: 1", "a\nCFG scale: 99.99999999999", "a\nCFG scale: 0.3333333333333",
        "\xff\xfe\xfd<\nSteps: 1", " \xef\xbb\xbf\n\xef\xbb\xbf" "a\n \xef\xbb\xbf", " \xff\xfe", "a\nModel: nntr\\n",
        "a\nModel: \"new\\nline\\ttab\"",
        "a\nNegative prompt: b\nNegative prompt: c\nSteps: 3", "a\nSteps: 1\nSteps: 2\nSteps: 3",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Reading one = { .a = a, .text = texts[i] };
        char *first = settings(&one);
        Reading two = { .a = a, .text = first };
        char *second = settings(&two);
        CHECK_MSG(!strcmp(first, second), "%s\n -> %s\n -> %s", texts[i], first, second);
        if (*one.message || *two.message) continue;
        CHECK_MSG(!strcmp(one.r->job.prompt, two.r->job.prompt) && !*two.warning, "%s: %s", texts[i], two.warning);
    }
    Reading t = { .a = a, .text =
        "a, <lora:b:0.8>\nNegative prompt: c\n"
        "fps: 8, frames: 16, motion module: m, clip skip: 2, model: x, size: 64x64, seed: 3, cfg scale: 7.50, "
        "steps: 20, precision: f32" };
    char *text = settings(&t);
    CHECK_MSG(!strcmp(text, "a, <lora:b:0.8>\nNegative prompt: c\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 3, "
                            "Size: 64x64, Model: x, Clip skip: 2, RNG: CPU, "
                            "Motion module: m, Frames: 16, FPS: 8"), "%s", text);
    t.text = "a\nClip skip: 1, Eta: 0, Frames: 1, FPS: 9, Motion module: m, Seed: 0";
    text = settings(&t);
    CHECK_MSG(!strcmp(text, "a\nSampler: DDIM, Seed: 0, RNG: CPU, Eta: 0"), "%s", text);
    t.text = "a\nSteps: 1\nTemplate: b\nSteps: 3, Seed: 0";
    text = settings(&t);
    CHECK_MSG(!strcmp(text, "a\nTemplate: b\nSteps: 3, Sampler: DDIM, Seed: 0, RNG: CPU"), "%s", text);
}

/* every number that has few digits prints as it was written */
static void test_numbers(Arena *a)
{
    unsigned wrong = 0;
    for (unsigned i = 100; i < 100000; i += 7) {
        char text[64], value[16];
        snprintf(value, sizeof value, "%u.%03u", i / 1000, i % 1000);
        snprintf(text, sizeof text, "a\nCFG scale: %s", value);
        for (size_t n = strlen(value); value[n - 1] == '0' || value[n - 1] == '.'; ) {
            int point = value[--n] == '.';
            value[n] = 0;
            if (point) break;
        }
        Reading t = { .a = a, .text = text };
        size_t before = mark(a);
        char *out = settings(&t), *at = strstr(out, "CFG scale: ");
        size_t n = strlen(value);
        wrong += !at || strncmp(at + 11, value, n) || at[11 + n] != ',';
        release(a, before);
    }
    CHECK_MSG(!wrong, "%u numbers print otherwise than they were written", wrong);
}

/* ---- hostile text ---- */

static void check_repeated(Arena *a, const char *head, const char *piece, size_t times, const char *tail)
{
    size_t before = mark(a), n = strlen(piece), at = strlen(head);
    char *text = allocate(a, at + n * times + strlen(tail) + 1, 1);
    strcpy(text, head);
    for (size_t i = 0; i < times; i++, at += n) memcpy(text + at, piece, n);
    strcpy(text + at, tail);
    Reading t = { .a = a, .text = text };
    char *first = settings(&t);
    if (!*t.message) {
        Reading again = { .a = a, .text = first };
        CHECK_MSG(!strcmp(first, settings(&again)), "%zu times %s", times, piece);
    } else {
        CHECK_MSG(strstr(t.message, "p.txt"), "%s", t.message);
    }
    release(a, before);
}

static void test_hostile(Arena *a)
{
    static const char *const pieces[] = {
        "a portrait, ", "(", "<lora:", "<lora:a:1>", "<", ">", "\n", "\r", "\"", "\\", "Negative prompt:",
        "\nNegative prompt:", "Steps: 3\n", "a: [", "a: {\"", "a: [\"b", "\nTemplate:", "<a:b>", "<lora:a:b=c>",
        ",", ":", "\xff", "\xf0\x9f\x98",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        check_repeated(a, "x ", pieces[i], 10000000 / strlen(pieces[i]) / 4, "");
        check_repeated(a, "x\nSteps: 3, Model: ", pieces[i], 1000000 / strlen(pieces[i]), "");
        check_repeated(a, "x\nSteps: 3, ", pieces[i], 1000000 / strlen(pieces[i]), "\", Seed: 1");
    }
    check_repeated(a, "x\nSteps: 3", ", Foo: \"a\\\"b\"", 200000, "");
    check_repeated(a, "x\nSteps: 3", ", Foo:\"a", 200000, "");
    check_repeated(a, "x ", "a portrait, ", 900000, "");
}

/* every prefix and every single wrong byte of a real file ends in a reading or a message */
static void mangle(Arena *a, const char *whole)
{
    size_t n = strlen(whole), done = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        char text[512];
        memcpy(text, whole, n + 1);
        for (unsigned flip = 1; flip < 256; flip = i < n ? 256 : flip * 2) {
            size_t before = mark(a);
            if (i >= n) text[i - n] = (char)(whole[i - n] ^ (char)flip);
            Reading t = { .a = a, .text = text, .size = i < n ? i + 1 : n };
            done += *reading(&t) ? strstr(t.message, "p.txt") != NULL : prompt_infotext(a, t.r) != NULL;
            release(a, before);
        }
    }
    CHECK_MSG(done == n + 8 * n, "%zu", done);
}

static void test_mangled(Arena *a)
{
    mangle(a, "\xef\xbb\xbf" "a <lora:b:0.8>\r\nNegative prompt: (c:1.4)\r\n"
        "Steps: 45, Sampler: DDIM, Seed: 17, Size: 512x512, Model: \"m, \\\"n\\\"\", "
        "AnimateDiff: \"enable: True, model: m.ckpt, video_length: 16, fps: 8\"\n");
    mangle(a, "$ ./sd -p \"a, (b:1.2)\" -n c -W 512 --steps 20 \\\n --cfg-scale=7.0 -s '42' --rng cuda -v");
    mangle(a, "# x\na cat --n dog --w 512 --d 1 --l 7.5 --s 28\nb --w 64");
    mangle(a, "\"a [b]\" -s 50 -S 7 -W 512 -H 64 -C 7.5 -A k_lms");
    mangle(a, "a. Negative prompt: b. Steps\xef\xbc\x9a" "20.0\xef\xbc\x8c" "Seed: 1 | Size: 5*8; CFG scale: 7,5, AnimateDiff: {\"fps\": 8}");
    mangle(a, "\xff\xfe" "a\\nNegative prompt: b\\nSteps: 3");
}

/* ---- names ---- */

static void make(Arena *a, const char *folder, const char *name, int is_folder)
{
    char *path = format(a, "%s/%s", folder, name);
    FILE *f = is_folder ? NULL : fopen(path, "w");
    if (is_folder) CHECK_MSG(!mkdir(path, 0777), "%s", path);
    else if (f) fclose(f);
}

static void check_found(Arena *a, const char *folder, const char *text, const char *model, const char *lora)
{
    Reading t = { .a = a, .text = text, .where = folder };
    CHECK_MSG(!*reading(&t), "%s: %s", text, t.message);
    if (*t.message) return;
    CHECK_MSG(!model || !strcmp(t.r->job.model, format(a, "%s/%s", folder, model)), "%s: model %s", text,
              t.r->job.model);
    CHECK_MSG(!lora || (t.r->job.loras == 1 && !strcmp(t.r->job.lora[0].path, format(a, "%s/%s", folder, lora))),
              "%s: %zu LoRAs", text, t.r->job.loras);
}

static void test_lookup(Arena *a)
{
    static const char *const folders[] = { "sd", "lora", "lora/deep", "embeddings", "embeddings/more" };
    static const char *const files[] = {
        "merges.txt", "sd/toon_b3.safetensors", "sd/toon_b3.ckpt", "sd/other.ckpt", "sd/v1.5.pt",
        "lora/yumin.safetensors", "lora/deep/er.bin", "bare", "embeddings/b.safetensors", "embeddings/a.pt",
        "embeddings/more/c.png", "embeddings/c.preview.png", "embeddings/notes.txt",
    };
    char folder[] = "/tmp/persona-XXXXXX";
    if (!mkdtemp(folder)) { CHECK_MSG(0, "no temporary folder"); return; }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) make(a, folder, folders[i], 1);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) make(a, folder, files[i], 0);
    char *circle = format(a, "%s/lora/circle", folder);
    CHECK(!symlink(folder, circle));

    check_found(a, folder, "a\nModel: toon_b3", "sd/toon_b3.safetensors", NULL);
    check_found(a, folder, "a\nModel: toon_b3.ckpt", "sd/toon_b3.ckpt", NULL);
    check_found(a, folder, "a\nModel: v1.5", "sd/v1.5.pt", NULL);
    check_found(a, folder, "a\nModel: sd/other", "sd/other.ckpt", NULL);
    check_found(a, folder, "a <lora:yumin:1>\nModel: other, VAE: none, Motion module: none, Frames: 16",
                "sd/other.ckpt", "lora/yumin.safetensors");
    check_found(a, folder, "a <lora:er:1>\nModel: bare, Motion module: nowhere, Frames: 1", "bare", "lora/deep/er.bin");
    check_found(a, folder, format(a, "a <lora:yumin:1> <lora:yumin:2>\nModel: %s/sd/other, LoRA: yumin:0.5", folder),
                "sd/other.ckpt", "lora/yumin.safetensors");

    static const char *const found[] = { "a.pt", "b.safetensors", "more/c.png" };
    Reading e = { .a = a, .text = "a\nModel: bare, Frames: 1", .where = folder };
    CHECK_MSG(!*reading(&e) && e.r->job.embeddings == 3, "%zu embeddings: %s", e.r->job.embeddings, e.message);
    for (size_t i = 0; i < e.r->job.embeddings && i < 3; i++)
        CHECK_MSG(!strcmp(e.r->job.embedding[i], format(a, "%s/embeddings/%s", folder, found[i])), "%s",
                  e.r->job.embedding[i]);

    Reading t = { .a = a, .text = "a\nModel: toon_b4", .where = folder };
    CHECK_MSG(strstr(reading(&t), "p.txt: Model is \"toon_b4\"") && strstr(t.message, "toon_b3.safetensors") &&
              strstr(t.message, folder), "%s", t.message);
    t.text = "a <lora:yumim:1>\nModel: other";
    CHECK_MSG(strstr(reading(&t), "\"yumim\"") && strstr(t.message, "yumin.safetensors"), "%s", t.message);
    t.text = "a\nModel: other";
    t.flag = "motion";
    t.value = "mm";
    CHECK_MSG(strstr(reading(&t), "--motion is \"mm\""), "%s", t.message);
    t.flag = NULL;
    t.where = "/nowhere";
    CHECK_MSG(strstr(reading(&t), "--weights is \"/nowhere\""), "%s", t.message);

    unlink(circle);
    for (size_t i = sizeof files / sizeof *files; i-- > 0; ) unlink(format(a, "%s/%s", folder, files[i]));
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0; ) rmdir(format(a, "%s/%s", folder, folders[i]));
    rmdir(folder);
}

static void test_distance(void)
{
    CHECK(edit_distance("", "") == 0 && edit_distance("abc", "") == 3 && edit_distance("", "ab") == 2 &&
          edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("Clip skip", "clip_SKIP") == 0 && edit_distance("steps", "stpes") == 2 &&
          edit_distance("cat", "cart") == 1);
}

static void test_nearest(Arena *a)
{
    static const char *const there[] = { "Steps", "Seed", "Model", "Denoising strength", "X" };
    static const struct { const char *word, *meant; } words[] = {
        { "Stpes", " (did you mean Steps?)" }, { "sede", " (did you mean Seed?)" },
        { "denoising", " (did you mean Denoising strength?)" }, { "Mdl", "" }, { "Model hash", "" },
        { "Version", "" }, { "q", "" }, { "s", " (did you mean Steps?)" }, { "", "" },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        Nearest near = nearest_to(words[i].word);
        for (size_t k = 0; k < sizeof there / sizeof *there; k++) nearest_consider(&near, there[k]);
        CHECK_MSG(!strcmp(did_you_mean(a, near), words[i].meant), "%s:%s", words[i].word, did_you_mean(a, near));
    }
}

static void test_paths(Arena *a)
{
    static const struct { const char *path, *folder, *name, *ending, *without; } paths[] = {
        { "a/b.txt", "a", "b.txt", ".txt", "a/b" }, { "b", ".", "b", "", "b" },
        { "/x.y.z", "/", "x.y.z", ".z", "/x.y" }, { "a.b/.c", "a.b", ".c", "", "a.b/.c" },
        { "a//b.", "a", "b.", ".", "a//b" },
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *path = paths[i].path;
        CHECK_MSG(!strcmp(folder_of(a, path), paths[i].folder), "%s: %s", path, folder_of(a, path));
        CHECK_MSG(!strcmp(file_name(path), paths[i].name), "%s: %s", path, file_name(path));
        CHECK_MSG(!strcmp(file_extension(path), paths[i].ending), "%s: %s", path, file_extension(path));
        CHECK_MSG(!strcmp(without_extension(a, path), paths[i].without), "%s: %s", path, without_extension(a, path));
    }
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_parts(a);
    test_settings(a);
    test_sampling(a);
    test_animatediff(a);
    test_pasted(a);
    test_around(a);
    test_tags(a);
    test_left_out(a);
    test_translated(a);
    test_where(a);
    test_utf16(a);
    test_programs(a);
    test_commands(a);
    test_template_before(a);
    test_refused(a);
    test_options(a);
    test_round_trip(a);
    test_numbers(a);
    test_hostile(a);
    test_mangled(a);
    test_lookup(a);
    test_distance();
    test_nearest(a);
    test_paths(a);
    arena_free(a);
    return done();
}
