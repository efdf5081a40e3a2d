/* What persona info says of files of weights: of each kind, of what kohya's trainer wrote, and of names that are not
 * printable. */
#define _POSIX_C_SOURCE 200809L
#include "info.h"
#include "hash_weights.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

static void says(const char *text, const char *words)
{
    CHECK_MSG(strstr(text, words), "'%s' is not in: %.300s", words, text);
}

static const char *of(Arena *a, const char *path) { return info_weights(a, weights_open(a, path), (InfoWanted){ .most = 200 }); }

static const char *made(Arena *a, const char *folder, const char *recipe)
{
    const char *path = format(a, "%s/%s", folder, recipe);
    hash_weights(a, format(a, "tests/golden/%s.weights", recipe), path);
    return of(a, path);
}

static void test_kinds(Arena *a, const char *folder)
{
    const char *text = made(a, folder, "model_f32");
    says(text, ": a Stable Diffusion 1.x checkpoint\nfor: draws pictures from words\nuse: Model: ");
    says(text, "\ndtype: 981 tensors (980 F32, 1 I64)\n");
    says(text, "holds: UNet 3.3 million values, text encoder 0.3 million values, VAE 1.4 million values, 3 text layers, 1514 words; predicts epsilon\n");
    CHECK(!strstr(text, "input_blocks.0.0.weight"));             /* tensors are shown where they are asked for */
    const WeightFile *f = weights_open(a, format(a, "%s/model_f32", folder));
    says(info_tensor(a, file_weight(f, "model.diffusion_model.input_blocks.0.0.weight")),
         "F32     [32,4,3,3]           model.diffusion_model.input_blocks.0.0.weight");
    text = made(a, folder, "motion_v2");
    says(text, "an AnimateDiff motion module for Stable Diffusion 1.x\n");
    says(text, "AnimateDiff v2, up to 32 frames at once\n");
    text = made(a, folder, "lora_one");
    says(text, ": a LoRA\n");
    says(text, "dtype: 280 tensors");
    says(text, "LoRA, rank 4, alpha/rank 0.5 to 1\n");
    says(of(a, "tests/golden/files/torch_zip.ckpt"), "dtype: 16 tensors (1 BOOL, 1 U8, 1 F8_E5M2, 1 F8_E4M3, 2 F16, 1 BF16, 7 F32, 1 F64, 1 I64)");
    says(of(a, "tests/golden/files/torch_zip.ckpt"), "\npytorch-lightning_version: 1.4.2\n");
}

static void test_embeddings(Arena *a)
{
    says(of(a, "tests/golden/embeddings/sks_face profile.pt"),
         "profile.pt: a textual inversion embedding, 2 vectors of 64\n");
    says(of(a, "tests/golden/embeddings/learned_embeds.safetensors"),
         "learned_embeds.safetensors: a textual inversion embedding, 1 vector of 64, called <cat-toy>\nfor: a word that a model learned\nuse: ");
    says(of(a, "tests/golden/embeddings/of-sdxl.safetensors"), "an SDXL embedding");
    const char *picture = info_embedding(a, "tests/golden/embeddings/sample-500.png");
    CHECK(picture && strstr(picture, "a textual inversion embedding, ")
          && !info_embedding(a, "tests/golden/lora_dora.weights"));
}

static const char *with(Arena *a, const char *folder, const char *name, const KeyValue *m, size_t pairs)
{
    const char *path = format(a, "%s/made", folder);
    size_t shape[] = { 2, 3 }, turned[] = { 3, 2 };
    float zeros[6] = { 0 };
    int64_t one = 1;
    Weight w[] = { { format(a, "%s.lora_down.weight", name), zeros, F32, 2, shape, 24 },
                   { format(a, "%s.lora_up.weight", name), zeros, F32, 2, turned, 24 },
                   { format(a, "%s.alpha", name), &one, I64, 0, shape, 8 } };
    safetensors_save(a, path, w, 3, m, pairs);
    return of(a, path);
}

/* diffusers' embeddings are a tensor that is called by its token; not every tensor that is alone in a file is one */
static void test_alone(Arena *a, const char *folder)
{
    static const struct { const char *name; size_t rows, width; int is; } files[] = {
        { "<cat-toy>", 2, 64, 1 }, { "sks", 75, 768, 1 }, { "sks", 76, 64, 0 }, { "sks", 2, 65, 0 },
        { "proj.weight", 2, 64, 0 }, { "conv.bias", 1, 64, 0 },
    };
    float *zeros = allocate(a, 75 * 768, sizeof *zeros);
    memset(zeros, 0, 75 * 768 * sizeof *zeros);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = format(a, "%s/alone", folder);
        size_t shape[] = { files[i].rows, files[i].width };
        safetensors_save(a, path, &(Weight){ files[i].name, zeros, F32, 2, shape, shape[0] * shape[1] * sizeof *zeros },
                         1, NULL, 0);
        CHECK_MSG(!strstr(of(a, path), "a textual inversion embedding") == !files[i].is, "%s of %zux%zu", files[i].name,
                  shape[0], shape[1]);
    }
}

static void test_kohya(Arena *a, const char *folder)
{
    const KeyValue m[] = { { "ss_sd_model_name", "v1-5.safetensors" }, { "ss_network_dim", "16" },
                           { "ss_network_alpha", "8.0" }, { "ss_num_train_images", "20" },
                       { "ss_num_reg_images", "0" }, { "ss_steps", "1500" }, { "persona_loss", "0.2 0.1" },
                       { "ss_clip_skip", "None" }, { "ss_seed", "42" },
                       { "ss_tag_frequency", "{\"10_ohwx\": {\"red hair\": 7, \"smiling\": 9}, \"5_b\": {\"red hair\": 5, \"a\\u001bb\": 1}, \"empty\": {}}" } };
    const char *text = with(a, folder, "lora_unet_down_blocks_0_attentions_0_proj_in", m, sizeof m / sizeof *m);
    says(text, "1 layer (1 UNet): 1 LoRA, rank 2, alpha/rank 0.5\n");
    says(text, "trained: on v1-5.safetensors, rank 16, alpha 8.0, 20 pictures, 1500 steps, seed 42\n");
    says(text, "\nloss, on average, of 1500 steps\n     0.2 |");
    says(text, "tags: red hair 12, smiling 9, a b 1\n");
    says(text, "\nss_seed: 42\n");
    const KeyValue broken[] = { { "ss_tag_frequency", "{\"a\": {\"b\": " }, { "line\nbreak", "\x1b[31m" },
                                { "persona_loss", "\x1b[31m" }, { "ss_steps", "3" } };
    text = with(a, folder, "lora_unet_x\n", broken, 4);
    says(text, "\nline break:  [31m\n");
    says(info_tensor(a, &(Weight){ .name = "lora_unet_x\n.lora_down.weight", .type = F32 }), "lora_unet_x .lora_down.weight");
    CHECK(!strstr(text, "tags: ") && !strstr(text, "loss, ") && !strchr(text, 0x1b));
}

int main(void)
{
    char folder[] = "/tmp/persona-test-XXXXXX", command[64];
    Arena *a = arena_new();
    CHECK(a && mkdtemp(folder));
    test_kinds(a, folder);
    test_embeddings(a);
    test_alone(a, folder);
    test_kohya(a, folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    arena_free(a);
    return done();
}
