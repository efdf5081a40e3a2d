/* Files that are not what they should be: each tensor of a model, module and LoRA left out once, misshapen
 * once and of a wrong type once; each kind of file in the place of each other; settings out of range.
 * Each time: a message that names the tensor or the file, nothing drawn, and the next job works.
 *
 * Only headers are written; the data behind them is a hole in the file, since a dry run never reads it. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"
#include "generate.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 1500, KEEP, DROP, GROW, RETYPE };
typedef struct { char name[256], type[8], dims[64]; } Line;
typedef struct { Line *line; size_t count; char path[64]; } Recipe;

static void read_recipe(Arena *a, Recipe *r, const char *recipe, const char *folder, const char *name)
{
    FILE *f = fopen(recipe, "r");
    char text[4096];
    *r = (Recipe){ allocate(a, MOST, sizeof *r->line), 0, "" };
    snprintf(r->path, sizeof r->path, "%s/%s.safetensors", folder, name);
    CHECK_MSG(f, "%s is missing", recipe);
    while (f && r->count < MOST && fgets(text, sizeof text, f)) {
        Line *l = &r->line[r->count];
        if (strncmp(text, "metadata ", 9) && sscanf(text, "%255s %7s %63s", l->name, l->type, l->dims) == 3) r->count++;
    }
    if (f) fclose(f);
}

/* the header only, with one line changed, and as much hole as its tensors need */
static void write_header(Arena *a, const Recipe *r, size_t which, int change)
{
    size_t before = mark(a), n = 0, at = 0;
    char *header = allocate(a, r->count + 1, 400);
    n += (size_t)sprintf(header, "{");
    for (size_t i = 0; i < r->count; i++) {
        const Line *l = &r->line[i];
        int mine = i == which ? change : KEEP;
        if (mine == DROP) continue;
        const char *type = mine == RETYPE ? "I32" : l->type, *dims = *l->dims == '-' ? "" : l->dims;
        char grown[80];
        if (mine == GROW)
            snprintf(grown, sizeof grown, "%lu%s", strtoul(dims, NULL, 10) + 1,
                     strchr(dims, ',') ? strchr(dims, ',') : ""), dims = grown;
        size_t bytes = !strcmp(type, "I64") ? 8 : !strcmp(type, "F32") || !strcmp(type, "I32") ? 4 : 2;
        for (const char *d = dims; *d; d += *d == ',') bytes *= strtoul(d, (char **)&d, 10);
        n += (size_t)sprintf(header + n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                             n > 1 ? "," : "", l->name, type, dims, at, at + bytes);
        at += bytes;
    }
    n += (size_t)sprintf(header + n, "}");
    FILE *f = fopen(r->path, "wb");
    for (int i = 0; i < 8; i++) fputc((int)(n >> 8 * i & 255), f);
    fwrite(header, 1, n, f);
    fclose(f);
    CHECK(truncate(r->path, (off_t)(8 + n + at)) == 0);
    release(a, before);
}

typedef struct { Arena *a; Job job; Callbacks watch; } Checking;
static void check_it(void *job)
{
    Checking *c = job;
    generate_check(c->a, &c->job, &c->watch);
}

static int status_of(Arena *a, Job job, char message[MESSAGE])
{
    Checking c = { a, job, { 0 } };
    size_t before = mark(a);
    message[0] = 0;
    int status = attempt(a, check_it, &c, message);
    CHECK(mark(a) == before);
    return status;
}

/* our name ends as the file's does, but for these */
static int mentions(const char *message, const char *name)
{
    const char *last = strrchr(name, '.');
    return strstr(message, "missing") || strstr(message, "expected") || strstr(message, "is of type")
        || strstr(message, "beside it") || strstr(message, "do not fit") || (last && strstr(message, last));
}

/* of the half of the VAE that sees pictures and draws none */
static int sees(const char *name)
{
    return strstr(name, "first_stage_model.encoder")
        || (strstr(name, "quant_conv") && !strstr(name, "post_quant_conv"));
}

/* these are left over from training, or have no part in the job */
static int ignored(const char *name, const Job *job)
{
    return strstr(name, "position_ids") || strstr(name, "model_ema") || (sees(name) && !job->init) || !strchr(name, '.')
        || strstr(name, "logvar") || strstr(name, "denoiser");
}

/* what is missed by nobody: without alpha the scale is 1, without its length DoRA is LoRA, without a difference there
 * is one fewer */
static int may_go(const char *name)
{
    return strstr(name, ".alpha") || strstr(name, ".dora_scale") || strstr(name, ".lora_magnitude")
        || strstr(name, ".diff") || strstr(name, "_norm");
}

static void test_each_tensor(Arena *a, Recipe *r, Job job, int step)
{
    char message[MESSAGE];
    int silent = 0, asked = 0;
    for (size_t i = 0; i < r->count; i += (size_t)step)
        for (int change = DROP; change <= RETYPE; change++) {
            const char *name = r->line[i].name;
            if (ignored(name, &job) || strstr(name, "animatediff_config")) continue;
            if (change == DROP && may_go(name)) continue;
            if (change == RETYPE && strstr(name, ".alpha")) continue;      /* an integer will do */
            /* one row more is no fault */
            if (change == GROW && (strstr(name, "token_embedding") || strstr(name, "position_embedding")
                                   || *r->line[i].dims == '-')) continue;
            write_header(a, r, i, change);
            int status = status_of(a, job, message);
            asked++;
            if (status == 0 && silent++ < 5)
                CHECK_MSG(0, "%s %s: accepted", change == DROP ? "without" : change == GROW ? "grown" : "retyped",
                          name);
            if (status) CHECK_MSG(mentions(message, name), "%s: '%s'", name, message);
        }
    write_header(a, r, r->count, KEEP);
    CHECK_MSG(asked && !silent, "%d of %d faults passed in %s", silent, asked, r->path);
    CHECK_MSG(status_of(a, job, message) == 0, "the whole file: %s", message);
}

static void expect(Arena *a, Job job, const char *words)
{
    char message[MESSAGE];
    int status = status_of(a, job, message);
    CHECK_MSG(status && strstr(message, words), "expected a message with '%s', found %s", words,
              status ? message : "none");
}

/* Models of other families are refused by what they are. */
static void test_strangers(Arena *a, const char *folder, Job job)
{
    static const struct { const char *tensor, *dims, *found; } strangers[] = {
        { "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", "768", "an SDXL checkpoint" },
        { "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "320,2048",
          "an SDXL model" },
        { "cond_stage_model.model.ln_final.weight", "1024", "a Stable Diffusion 2.x checkpoint" },
        { "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "320,1024",
          "a Stable Diffusion 2.x model" },
        { "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "64,64", "a Stable Diffusion 3 model" },
        { "model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "64,64", "a Flux model" },
        { "model.diffusion_model.input_blocks.0.0.weight", "320,9,3,3",
          "an inpainting checkpoint: use a text-to-image one" },
        { "model.diffusion_model.input_blocks.0.0.weight", "320,8,3,3", "an editing checkpoint" },
        { "model.diffusion_model.input_blocks.1.0.in_layers.2.scale_weight", "1", "scaled fp8" },
        { "control_model.input_hint_block.0.weight", "16,3,3,3", "a ControlNet" },
        { "controlnet_cond_embedding.conv_in.weight", "16,3,3,3", "a ControlNet" },
        { "ip_adapter.1.to_k_ip.weight", "320,768", "an IP-Adapter" },
        { "adapter.body.0.block1.weight", "320,320,3,3", "a T2I-Adapter" },
        { "clip_g", "4,1280", "an SDXL embedding" },
        { "emb_params", "4,768", "a textual inversion embedding" },
        { "string_to_param.*", "4,768", "a textual inversion embedding" },
        { "down_blocks.0.resnets.0.conv1.weight", "320,320,3,3", "a part of a diffusers folder" },
        { "input_blocks.1.0.in_layers.2.weight", "320,320,3,3", "a UNet without its checkpoint" },
        { "decoder.up_blocks.0.resnets.0.conv1.weight", "512,512,3,3", "a VAE" },
        { "text_model.encoder.layers.0.mlp.fc1.weight", "3072,768", "a text encoder without its checkpoint" },
        { "vision_model.embeddings.class_embedding", "1024", "an image encoder" },
        { "768.0.linear.0.weight", "768,768", "a hypernetwork" },
        { "model.1.sub.0.RDB1.conv1.0.weight", "32,64,3,3", "an upscaler" },
        { "anything", "1", "a file of no kind known here" },
    };
    Recipe r = { allocate(a, 1, sizeof *r.line), 1, "" };
    snprintf(r.path, sizeof r.path, "%s/stranger.safetensors", folder);
    job.model = r.path;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        *r.line = (Line){ .type = "F16" };
        snprintf(r.line->name, sizeof r.line->name, "%s", strangers[i].tensor);
        snprintf(r.line->dims, sizeof r.line->dims, "%s", strangers[i].dims);
        write_header(a, &r, MOST, KEEP);
        expect(a, job, strangers[i].found);
    }
    unlink(r.path);
}

static void hear(void *heard, const char *line) { strncat(strncat(heard, line, 400), "\n", 2); }

/* Empty tensors, as ComfyUI's models have them, say that v is predicted, and that the schedule ends without signal. */
static void test_markers(Arena *a, Recipe *model, Job job)
{
    char heard[4096] = "", message[MESSAGE];
    Checking c = { a, job, { .to = heard, .say = hear } };
    model->line[model->count++] = (Line){ "v_pred", "F32", "0" };
    model->line[model->count++] = (Line){ "ztsnr", "F32", "0" };
    write_header(a, model, MOST, KEEP);
    CHECK_MSG(!attempt(a, check_it, &c, message) && strstr(heard, "v-prediction, zero terminal SNR"),
              "markers of v-prediction: %s %s", message, heard);
    c = (Checking){ a, job, { .to = heard, .say = hear } };
    c.job.prediction = "epsilon", c.job.noise_schedule = "Default", *heard = 0;
    CHECK_MSG(!attempt(a, check_it, &c, message) && !strstr(heard, "v-prediction") && !strstr(heard, "zero"),
              "the job wins over the file: %s %s", message, heard);
    model->count -= 2;
    write_header(a, model, MOST, KEEP);
}

/* Half as many moments, weight and bias agreeing. */
static void test_moments(Arena *a, Recipe *model, Job job)
{
    Line whole[2], *changed[2];
    int n = 0;
    for (size_t i = 0; i < model->count && n < 2; i++) {
        Line *l = &model->line[i];
        if (!sees(l->name) || strstr(l->name, "encoder")) continue;
        whole[n] = *l, changed[n++] = l;
        l->dims[0] = '4';
    }
    CHECK(n == 2);
    write_header(a, model, MOST, KEEP);
    expect(a, job, "vae.quant_conv gives 4 channels, expected 8");
    for (int i = 0; i < n; i++) *changed[i] = whole[i];
    write_header(a, model, MOST, KEEP);
}

int main(void)
{
    Arena *a = arena_new();
    char folder[] = "/tmp/persona-test-XXXXXX", message[MESSAGE];
    CHECK(mkdtemp(folder));
    static const char *const families[] = { "locon", "loha", "lokr", "dora", "full", "peft", "older", "single" };
    Recipe model, module, lora, family;
    read_recipe(a, &model, "tests/golden/model_f32.weights", folder, "model");
    read_recipe(a, &module, "tests/golden/motion_v1.weights", folder, "module");
    read_recipe(a, &lora, "tests/golden/lora_one.weights", folder, "lora");
    write_header(a, &model, MOST, KEEP);
    write_header(a, &module, MOST, KEEP);
    write_header(a, &lora, MOST, KEEP);
    Job still = { .prompt = "a", .model = model.path, .merges = "weights/merges.txt", .width = 64, .height = 64,
                  .steps = 1, .threads = 1 };
    Job clip = still, with_lora = still, begun = still;
    clip.motion = module.path, clip.frames = 2;
    with_lora.lora = &(LoraUse){ lora.path, 1, 1, NULL }, with_lora.loras = 1;

    begun.init = "tests/golden/init.png", begun.strength = 1;
    test_each_tensor(a, &model, begun, 1);
    test_each_tensor(a, &module, clip, 1);
    test_each_tensor(a, &lora, with_lora, 3);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        read_recipe(a, &family, format(a, "tests/golden/lora_%s.weights", families[i]), folder, "lora");
        test_each_tensor(a, &family, with_lora, 3);
    }
    write_header(a, &lora, MOST, KEEP);
    test_markers(a, &model, still);
    test_moments(a, &model, begun);

    Job j = still; j.model = lora.path;       expect(a, j, "found a LoRA: use it in the prompt as <lora");
    j = still; j.model = module.path;
    expect(a, j, "found an AnimateDiff motion module: name it as Motion module");
    j = clip;  j.motion = model.path;         expect(a, j, "found a Stable Diffusion 1.x checkpoint");
    j = clip;  j.motion = lora.path;          expect(a, j, "found a LoRA");
    j = still; j.vae = lora.path;             expect(a, j, "expected a VAE, found a LoRA");
    j = with_lora; j.lora = &(LoraUse){ model.path, 1, 1, NULL };   expect(a, j, "expected a LoRA");
    j = still; j.model = "no such file";      expect(a, j, "no such file: cannot be opened");
    j = still; j.model = "Makefile";          expect(a, j, "Makefile: is text, expected weights");
    j = still; j.model = "tests";             expect(a, j, "folder without weights");
    j = still; j.merges = "LICENSE";          expect(a, j, "rows");
    j = still; j.model = NULL;                expect(a, j, "no model");
    j = still; j.width = 65;                  expect(a, j, "Size is 65x64, expected multiples of 8");
    j = still; j.height = -8;                 expect(a, j, "Size");
    j = still; j.steps = 1001;                expect(a, j, "Steps is 1001, expected 0 to 1000");
    j = still; j.prediction = "vanilla";      expect(a, j, "Prediction type is vanilla, expected epsilon or v");
    j = still; j.steps = -1;                  expect(a, j, "Steps");
    j = still; j.clip_skip = 9;               expect(a, j, "Clip skip is 9, but this text encoder has 3 layers");
    j = still; j.clip_skip = -1;              expect(a, j, "Clip skip");
    j = still; j.frames = 2;                  expect(a, j, "no motion module");
    j = clip;  j.context = 25;                expect(a, j, "at most 24 frames");
    j = clip;  j.frames = 25; j.context = 8; j.overlap = 8;
    expect(a, j, "Overlap is 8, expected less than the 8 frames");
    j = begun; j.init = "no such file";       expect(a, j, "no such file: cannot be opened");
    j = begun; j.init = "Makefile";           expect(a, j, "Makefile: is no picture, expected a PNG, JPEG, WebP or BMP");
    j = begun; j.strength = 0.5;              expect(a, j, "of 1 steps that leaves none; set it to 1 or more");
    j = still; j.strength = 1.5;              expect(a, j, "Denoising strength is 1.5, expected 0 to 1");
    j = still; j.hires = 9;                   expect(a, j, "Hires upscale is 9, expected 0 to 8");
    j = still; j.hires = 2; j.hires_steps = 900;   expect(a, j, "more than 1000 in all");
    j = still; j.hires = 8; j.width = 2048;   expect(a, j, "expected at most 8192 a side");
    j = clip;  j.loop = "B";                  expect(a, j, "Closed loop is B, expected N, R-P, R+P or A");
    j = clip;  j.motion_strength = "11";      expect(a, j, "Motion strength is 11, expected a number from 0 to 10");
    j = clip;  j.frames = 4; j.motion_strength = "0: 1, 4: 2";
    expect(a, j, "Motion strength is 0: 1, 4: 2, and the clip's 4 frames are 0 to 3");
    j = still; j.sampler = "Oiler";           expect(a, j, "Sampler is Oiler, expected DDIM, Euler");
    j = still; j.schedule = "Gamma";          expect(a, j, "Schedule type is Gamma, expected Automatic");
    j = still; j.width = j.height = 8192;     expect(a, j, "out of memory");
    j = clip;  j.frames = 24;                 CHECK_MSG(status_of(a, j, message) == 0, "%s", message);
    j = still; j.width = j.height = 8;        CHECK_MSG(status_of(a, j, message) == 0, "%s", message);
    j = still; j.vae = model.path;            CHECK_MSG(status_of(a, j, message) == 0, "%s", message);

    test_strangers(a, folder, still);
    for (size_t i = 0; i < 3; i++) {
        static const char *const other[][2] = { { "<!DOCTYPE html>", "a web page" },
                                                { "version https://git-lfs.github.com/spec/v1", "a Git LFS pointer" },
                                                { "", "is empty" } };
        const char *path = format(a, "%s/other", folder);
        files_save(a, &(File){ path, { (const unsigned char *)other[i][0], strlen(other[i][0]) } }, 1);
        j = still, j.model = path;            expect(a, j, other[i][1]);
        unlink(path);
    }
    unlink(model.path), unlink(module.path), unlink(lora.path), rmdir(folder);
    arena_free(a);
    return done();
}
