/* A whole tiny model in every container, made by the library that defines it: each draws the picture that PyTorch draws.
 * See tests/golden_formats.py.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "../generate.h"
#include "hash_weights.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

enum { TOLERANCE = 2 };

typedef struct { const char *what, *shell, *model, *vae, *picture; } Row;      /* model, vae: paths in the folder */

static const Row containers[] = {
    { "safetensors, float64",                              NULL,        "f64.safetensors",   NULL,           "f32" },
    { "safetensors, both fp8",                             NULL,        "fp8.safetensors",   NULL,           "fp8" },
    { ".ckpt of torch, in \"state_dict\"",                 "ckpt_zip",  "model.ckpt",        NULL,           "f16" },
    { ".vae.pt of torch before 1.6",                       "vae_old",   "blind.safetensors", "model.vae.pt", "f32" },
    { "diffusers VAE, .bin, names before 0.18",            "vae_bin",   "blind.safetensors", "vae",          "f32" },
    { "diffusers folder, sharded",                         "folder",    "folder",            NULL,           "f32" },
    { "GGUF, Q8_0 and F16, as stable-diffusion.cpp's",     "gguf_q8_0", "model.gguf",        NULL,           "q8_0" },
};

typedef struct { Arena *a; const char *folder; const Row *row; } Case;

/* The recipe as safetensors: in other types, or without its VAE. */
static void write_variants(Arena *a, const char *folder)
{
    size_t before = mark(a), count, kept = 0;
    Weight *w = hash_recipe(a, "tests/golden/model_f32.weights", &count), *as = take(a, count, sizeof *as);
    for (size_t i = 0; i < count; i++) as[i] = w[i].type == F32 ? hash_as(a, w[i], F64) : w[i];
    safetensors_save(a, format(a, "%s/f64.safetensors", folder), as, count, NULL, 0);
    for (size_t i = 0; i < count; i++) as[i] = w[i].type == F32 ? hash_as(a, w[i], i % 2 ? F8_E5M2 : F8_E4M3) : w[i];
    safetensors_save(a, format(a, "%s/fp8.safetensors", folder), as, count, NULL, 0);
    for (size_t i = 0; i < count; i++) if (strncmp(w[i].name, "first_stage_model.", 18)) as[kept++] = w[i];
    safetensors_save(a, format(a, "%s/blind.safetensors", folder), as, kept, NULL, 0);
    release(a, before);
}

static void draw(void *to)
{
    Case *c = to;
    const Row *row = c->row;
    if (row->shell) hash_shell(c->a, format(c->a, "tests/golden/formats/%s.shell", row->shell), c->folder);
    Job job = { .prompt = "a man with a red hat smiling", .negative = "blue", .merges = "weights/merges.txt", .steps = 3, .cfg = 7.5, .seed = 1,
                .width = 64, .height = 64, .frames = 1, .threads = 1, .model = format(c->a, "%s/%s", c->folder, row->model) };
    if (row->vae) job.vae = format(c->a, "%s/%s", c->folder, row->vae);
    Pictures p = generate(c->a, &job, NULL);
    const Weight *wanted = file_weight(safetensors_open(c->a, "tests/golden/formats/pictures.safetensors"), row->picture);
    CHECK(wanted && wanted->type == U8 && wanted->bytes == 64 * 64 * 3 && p.width == 64 && p.height == 64);
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

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX", message[1024], command[64];
    Arena *a = arena_new();
    CHECK(a && mkdtemp(folder));
    write_variants(a, folder);
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        size_t before = mark(a);
        Case c = { a, folder, &containers[i] };
        CHECK_MSG(!attempt(a, draw, &c, message), "%s: %s", containers[i].what, message);
        release(a, before);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    arena_free(a);
    return done();
}
