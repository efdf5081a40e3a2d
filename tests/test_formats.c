/* A whole tiny model in every container, made by the library that defines it: each draws the picture that PyTorch
 * draws. See tests/golden_formats.py.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "generate.h"
#include "hash_weights.h"
#include "test.h"
#include "weights_open.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOLERANCE = 2 };

/* model, vae, motion: paths in the folder */
typedef struct { const char *what, *shell, *model, *vae, *motion, *picture; } Row;

static const Row containers[] = {
    { "safetensors of torch, float64",                 "f64",       "f64.safetensors",   NULL,           NULL,
      "f32" },
    { "safetensors of torch, both fp8",                "fp8",       "fp8.safetensors",   NULL,           NULL,
      "fp8" },
    { ".ckpt of torch, in \"state_dict\"",             "ckpt_zip",  "model.ckpt",        NULL,           NULL,
      "f16" },
    { ".vae.pt of torch before 1.6",                   "vae_old",   "blind.safetensors", "model.vae.pt", NULL,
      "f32" },
    { "diffusers VAE, .bin, names before 0.18",        "vae_bin",   "blind.safetensors", "vae",          NULL,
      "f32" },
    { "diffusers folder, sharded",                     "folder",    "folder",            NULL,           NULL,
      "f32" },
    { "diffusers folder for its VAE alone",            NULL,        "blind.safetensors", "folder",       NULL,
      "f32" },
    { "diffusers motion adapter",                      "motion",    "bf16.safetensors",  NULL,           "adapter",
      "clip" },
    { "GGUF, Q8_0 and F16, as stable-diffusion.cpp's", "gguf_q8_0", "model.gguf",        NULL,           NULL,
      "q8_0" },
};

typedef struct { Arena *a; const char *folder; const Row *row; } Case;

/* The recipes as safetensors, one without its VAE. */
static void write_variants(Arena *a, const char *folder)
{
    size_t before = mark(a), count, kept = 0;
    Weight *w = hash_recipe(a, "tests/golden/model_f32.weights", &count), *as = allocate(a, count, sizeof *as);
    for (size_t i = 0; i < count; i++) if (strncmp(w[i].name, "first_stage_model.", 18)) as[kept++] = w[i];
    safetensors_save(a, format(a, "%s/blind.safetensors", folder), as, kept, NULL, 0);
    hash_weights(a, "tests/golden/model_bf16.weights", format(a, "%s/bf16.safetensors", folder));
    release(a, before);
}

static void draw(void *to)
{
    Case *c = to;
    const Row *row = c->row;
    if (row->shell) hash_shell(c->a, format(c->a, "tests/golden/formats/%s.shell", row->shell), c->folder);
    Job job = { .prompt = "a man with a red hat smiling", .negative = "blue", .merges = "weights/merges.txt",
                .steps = 3, .cfg = 7.5, .seed = 1,
                .width = 64, .height = 64, .frames = 1, .threads = 1,
                    .model = format(c->a, "%s/%s", c->folder, row->model) };
    if (row->vae) job.vae = format(c->a, "%s/%s", c->folder, row->vae);
    if (row->motion) job.motion = format(c->a, "%s/%s", c->folder, row->motion), job.frames = 2;
    Pictures p = generate(c->a, &job, NULL);
    const Weight *wanted = file_weight(safetensors_open(c->a, "tests/golden/formats/pictures.safetensors"),
                                       row->picture);
    CHECK(wanted && wanted->type == U8 && wanted->bytes == (size_t)p.frames * 64 * 64 * 3 && p.width == 64
          && p.height == 64);
    int worst = 0;
    double sum = 0;
    for (size_t i = 0; i < wanted->bytes; i++) {
        int d = abs(p.rgb[i] - ((const unsigned char *)wanted->data)[i]);
        sum += d;
        if (d > worst) worst = d;
    }
    printf("  %-46s off by %d of %d, mean %.5f\n", row->what, worst, TOLERANCE, sum / (double)wanted->bytes);
    CHECK_MSG(worst <= TOLERANCE, "%s: a pixel is off by %d/255", row->what, worst);
}

typedef struct { Arena *a; const char *path; } Opening;
static void open_it(void *to) { Opening *o = to; weights_open(o->a, o->path); }

/* The list of shards is as hostile as any file: it names nothing but files beside it, and what it lists must be there.
 * */
static void test_shards(Arena *a, const char *folder)
{
    static const struct { const char *index, *why; } cases[] = {
        { "{\"weight_map\": {\"a\": \"w.safetensors\"}}", NULL },
        { "{\"metadata\": {\"x\": [1, {}]}, \"weight_map\": {}}", NULL },
        { "", "object" },
        { "{}", "no weight_map" },
        { "{\"weight_map\": 5}", "not an object" },
        { "{\"weight_map\": {\"a\": 5}}", "string" },
        { "{\"weight_map\": {\"a\": \"w.safetensors\"", "not a valid list of shards" },
        { "{\"weight_map\": {\"a\": \"w.safetensors\", \"b\": \"w.safetensors\"}}",
          "lists b, which none of the files holds" },
        { "{\"weight_map\": {\"a\": \"gone.safetensors\"}}", "gone.safetensors: cannot be opened" },
        { "{\"weight_map\": {\"a\": \"../w.safetensors\"}}", "no name of a file beside it" },
        { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "no name of a file beside it" },
        { "{\"weight_map\": {\"a\": \"diffusion_pytorch_model.safetensors.index.json\"}}",
          "index.json: is text, expected weights" },
    };
    char message[MESSAGE];
    const char *shards = format(a, "%s/shards", folder);
    size_t two[] = { 2 };
    float zeros[2] = { 0 };
    mkdir(shards, 0777);
    safetensors_save(a, format(a, "%s/w.safetensors", shards), &(Weight){ "a", zeros, F32, 1, two, 8 }, 1, NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].index, *why = cases[i].why;
        files_save(a, &(File){ format(a, "%s/diffusion_pytorch_model.safetensors.index.json", shards),
                               { (const unsigned char *)text, strlen(text) } }, 1);
        int refused = attempt(a, open_it, &(Opening){ a, shards }, message);
        CHECK_MSG(why ? refused && strstr(message, why) : !refused, "%s: %s", text, refused ? message : "accepted");
    }
}

static void hear(void *heard, const char *line) { strncat(strncat(heard, line, 200), "\n", 2); }

/* a folder's scheduler tells what the model predicts */
static void schedule(void *to)
{
    const Case *c = to;
    char heard[4096] = "";
    static const char config[] = "{\"_class_name\": \"DDIMScheduler\", \"prediction_type\": \"v_prediction\", \"beta_start\": 0.00085, \"rescale_betas_zero_snr\": true}";
    Job job = { .prompt = "a", .merges = "weights/merges.txt", .frames = 1, .width = 64, .height = 64,
                .model = format(c->a, "%s/folder", c->folder) };
    CHECK(!mkdir(format(c->a, "%s/scheduler", job.model), 0777));
    files_save(c->a, &(File){ format(c->a, "%s/scheduler/scheduler_config.json", job.model),
                              { (const unsigned char *)config, strlen(config) } }, 1);
    generate_check(c->a, &job, &(Callbacks){ .to = heard, .say = hear });
    CHECK_MSG(strstr(heard, "v-prediction, zero terminal SNR"), "a folder's scheduler is not heeded: %s", heard);
}

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX", message[MESSAGE], command[64];
    Arena *a = arena_new();
    CHECK(a && mkdtemp(folder));
    write_variants(a, folder);
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        size_t before = mark(a);
        Case c = { a, folder, &containers[i] };
        CHECK_MSG(!attempt(a, draw, &c, message), "%s: %s", containers[i].what, message);
        release(a, before);
    }
    test_shards(a, folder);
    Case last = { a, folder, NULL };
    CHECK_MSG(!attempt(a, schedule, &last, message), "a folder's scheduler: %s", message);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    arena_free(a);
    return done();
}
