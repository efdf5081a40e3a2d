/* Adapter files: every spelling finds its layer, what is left over is said, broken ones are refused by name.
 *
 * The layers here are small tables without a model around them; the pictures are test_golden's. */
#define _POSIX_C_SOURCE 200809L
#include "adapter_report.h"
#include "lora.h"
#include "nn.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/persona-test-XXXXXX", path[64];

typedef struct { const char *name; size_t dims[4]; } Shape;      /* as many dims as are not 0 */

/* values in [-1, 1), others for every name */
static void fill(float *x, size_t n, const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 16777619u;
    for (size_t i = 0; i < n; i++) {
        h = h * 1664525u + 1013904223u;
        x[i] = (float)(h >> 8) * 0x1p-23f - 1;
    }
}

static Weight weight(Arena *a, const char *name, const size_t *dims)
{
    Weight w = { .name = name, .type = F32, .shape = dims };
    size_t n = 1;
    while (w.rank < 4 && dims[w.rank]) n *= dims[w.rank++];
    float *x = allocate(a, n, sizeof *x);
    fill(x, n, name);
    w.data = x;
    w.bytes = n * sizeof *x;
    return w;
}

/* written plainly: safetensors_save flushes every file to the disk, and there are thousands */
static void save(Arena *a, const Shape *s, size_t count, const KeyValue *metadata)
{
    size_t before = mark(a), at = 0, n = 0;
    char *header = allocate(a, 200, count + 10);
    Weight *w = allocate(a, count, sizeof *w);
    header[n++] = '{';
    if (metadata) {
        n += (size_t)sprintf(header + n, "\"__metadata__\":{\"%s\":\"", metadata->key);
        for (const char *c = metadata->value; *c; c++) n += (size_t)sprintf(header + n, *c == '"' ? "\\\"" : "%c", *c);
        n += (size_t)sprintf(header + n, "\"}%s", count ? "," : "");
    }
    for (size_t i = 0; i < count; at += w[i++].bytes) {
        w[i] = weight(a, s[i].name, s[i].dims);
        n += (size_t)sprintf(header + n, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                             i ? "," : "", w[i].name, shape_text(a, &w[i]), at, at + w[i].bytes);
    }
    header[n++] = '}';
    FILE *f = fopen(path, "wb");
    for (size_t i = 0; i < 8; i++) putc((int)(n >> 8 * i & 255), f);
    fwrite(header, 1, n, f);
    for (size_t i = 0; i < count; i++) fwrite(w[i].data, 1, w[i].bytes, f);
    fclose(f);
    release(a, before);
}

/* ---- what is asked of a file ---- */

enum { MOST = 16, LINES = 2048 };
typedef struct {
    Arena *a;
    const char *layer[MOST];
    Weight w[MOST], bias;
    size_t layers;
    float text, unet;
    char said[LINES];
    int pairs;
    double sum;
} Asking;

static void say(void *to, const char *line)
{
    Asking *q = to;
    strncat(strncat(q->said, line, sizeof q->said - strlen(q->said) - 1), "\n", sizeof q->said - strlen(q->said) - 1);
}

/* opens the file, lets every layer ask for its pair and for W', reports; sums all elements of W' */
static void ask(void *asking)
{
    Asking *q = asking;
    Machine m = { q->a, 1, 0, 0, 0 };
    LoraUse use = { path, q->text, q->unet, NULL };
    Lora *l = lora_open(q->a, &use, 1);
    q->pairs = 0;
    q->sum = 0;
    q->said[0] = 0;
    for (size_t i = 0; i < q->layers; i++) {
        LoraPair pair;
        const Weight *w = &q->w[i], *bias = &q->bias;
        if (lora_pair(q->a, l, 0, q->layer[i], 1, &pair)) {
            q->pairs++;
            /* as nn.c has it */
            if (pair.down->shape[1] != w->shape[1] || pair.up->shape[0] != w->shape[0])
                fail(q->a, "%s does not fit", pair.down->name);
        }
        const char *wrong = lora_merge(&m, l, q->layer[i], &w, &bias);
        if (wrong) fail(q->a, "%s", wrong);
        for (size_t k = 0; w != &q->w[i] && k < w->bytes / sizeof(float); k++)
            q->sum += (double)dtype_value(w->data, w->type, k);
    }
    Weight *named = allocate(q->a, q->layers, sizeof *named);
    for (size_t i = 0; i < q->layers; i++) {
        named[i] = q->w[i];
        named[i].name = format(q->a, "%s.weight", q->layer[i]);
    }
    lora_report(q->a, l, weights_of(q->a, NULL, named, q->layers), say, q);
}

static int asked(Asking *q, char message[MESSAGE])
{
    size_t before = mark(q->a);
    message[0] = 0;
    int status = attempt(q->a, ask, q, message);
    release(q->a, before);
    return status;
}

/* ---- names ---- */

static const size_t square[] = { 2, 2, 0, 0 };
#define ATTENTION "transformer_blocks_0_attn1_to_"
#define DOTTED    "transformer_blocks.0.attn1.to_"
#define TEMPORAL  "temporal_transformer.transformer_blocks.0.attention_blocks.0.to_"

static const struct { const char *file, *down, *up, *layer; } spellings[] = {
    { "lora_unet_down_blocks_0_attentions_1_" ATTENTION "q", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.0.attentions.1." DOTTED "q" },
    { "lora_unet_mid_block_attentions_0_" ATTENTION "out_0", ".lora_down.weight", ".lora_up.weight",
      "unet.mid_block.attentions.0." DOTTED "out.0" },
    { "lycoris_down_blocks_0_attentions_1_" ATTENTION "q", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.0.attentions.1." DOTTED "q" },
    { "lycoris_text_model_encoder_layers_0_mlp_fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "lora_te_text_model_encoder_layers_10_self_attn_q_proj", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.10.self_attn.q_proj" },
    { "lora_te1_text_model_encoder_layers_0_mlp_fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "text_encoder.encoder.layers.0.mlp.fc1", ".lora_A.weight", ".lora_B.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora", ".down.weight", ".up.weight",
      "te.text_model.encoder.layers.0.self_attn.out_proj" },
    { "text_encoder.text_model.encoder.layers.0.self_attn.v_proj.lora_linear_layer", ".down.weight", ".up.weight",
      "te.text_model.encoder.layers.0.self_attn.v_proj" },
    { "unet.up_blocks.1.attentions.2." DOTTED "v", ".lora_A.weight", ".lora_B.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "base_model.model.up_blocks.1.attentions.2." DOTTED "v", ".lora_A.default.weight", ".lora_B.default.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "base_model.model.text_model.encoder.layers.0.mlp.fc1", ".lora_A.weight", ".lora_B.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "unet.up_blocks.1.attentions.2." DOTTED "v.lora", ".down.weight", ".up.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora", ".down.weight", ".up.weight",
      "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0" },
    { "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora", ".down.weight", ".up.weight",
      "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k" },
    { "lora_unet_input_blocks_4_1_" ATTENTION "k", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.1.attentions.0." DOTTED "k" },
    { "lora_unet_input_blocks_3_0_op", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.0.downsamplers.0.conv" },
    { "lora_unet_middle_block_2_in_layers_2", ".lora_down.weight", ".lora_up.weight",
      "unet.mid_block.resnets.1.conv1" },
    { "lora_unet_output_blocks_5_2_conv", ".lora_down.weight", ".lora_up.weight",
      "unet.up_blocks.1.upsamplers.0.conv" },
    { "lora_unet_output_blocks_11_0_skip_connection", ".lora_down.weight", ".lora_up.weight",
      "unet.up_blocks.3.resnets.2.conv_shortcut" },
    { "diffusion_model.input_blocks.11.0.emb_layers.1", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.3.resnets.1.time_emb_proj" },
    { "clip_l.text_model.encoder.layers.0.mlp.fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "lora_te.clip_l.text_model.encoder.layers.0.mlp.fc1", ".lora_down.weight", ".lora_up.weight",
      "te.text_model.encoder.layers.0.mlp.fc1" },
    { "text_encoder.base_model.model.text_model.encoder.layers.0.mlp.fc1", ".lora_A.yumin.weight",
      ".lora_B.yumin.weight", "te.text_model.encoder.layers.0.mlp.fc1" },
    { "lora_unet.unet.up_blocks.1.attentions.2." DOTTED "v", ".lora_down.weight", ".lora_up.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "lora_unet.up_blocks.1.attentions.2." DOTTED "v", ".lora_down.weight", ".lora_up.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "unet.input_blocks.4.1." DOTTED "k", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.1.attentions.0." DOTTED "k" },
    { "diffusion_model.input_blocks.4.1." DOTTED "k", ".lora_A.weight", ".lora_B.weight",
      "unet.down_blocks.1.attentions.0." DOTTED "k" },
    { "model.diffusion_model.input_blocks.4.1." DOTTED "k", ".lora_down.weight", ".lora_up.weight",
      "unet.down_blocks.1.attentions.0." DOTTED "k" },
    { "unet.base_model.model.up_blocks.1.attentions.2." DOTTED "v", ".lora_A.default_0.weight",
      ".lora_B.default_0.weight", "unet.up_blocks.1.attentions.2." DOTTED "v" },
    { "up_blocks.1.attentions.2." DOTTED "k_lora", ".down.weight", ".up.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "k" },
    { "up_blocks.1.attentions.2." DOTTED "k", ".lora_A.a-b.weight", ".lora_B.a-b.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "k" },
    { "oft_unet_up_blocks_1_attentions_2_" ATTENTION "k", ".lora_down.weight", ".lora_up.weight",
      "unet.up_blocks.1.attentions.2." DOTTED "k" },
    { "lora_unet_time_embed_0", ".lora_down.weight", ".lora_up.weight", "unet.time_embedding.linear_1" },
    { "lora_unet_out_2", ".lora_down.weight", ".lora_up.weight", "unet.conv_out" },
    { "down_blocks.0.motion_modules.1.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.to_q_lora",
      ".down.weight", ".up.weight", "motion.down_blocks.0.motion_modules.1." TEMPORAL "q" },
    { "state_dict.module.mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0."
      "processor.to_out_lora", ".down.weight", ".up.weight", "motion.mid_block.motion_modules.0." TEMPORAL "out.0" },
    { "unet.up_blocks.2.motion_modules.0.transformer_blocks.0.attn1.processor.to_v_lora", ".down.weight", ".up.weight",
      "motion.up_blocks.2.motion_modules.0." TEMPORAL "v" },
    { "unet.up_blocks.2.motion_modules.0.transformer_blocks.0.attn1.to_v", ".lora_A.weight", ".lora_B.weight",
      "motion.up_blocks.2.motion_modules.0." TEMPORAL "v" },
    { "lora_unet_input_blocks_10_1_temporal_transformer_transformer_blocks_0_attention_blocks_0_to_q",
      ".lora_down.weight", ".lora_up.weight", "motion.down_blocks.3.motion_modules.0." TEMPORAL "q" },
    { "lora_unet_middle_block_2_temporal_transformer_transformer_blocks_0_attention_blocks_0_to_k", ".lora_down.weight",
      ".lora_up.weight", "motion.mid_block.motion_modules.0." TEMPORAL "k" },
};

static void test_names(Arena *a)
{
    char message[MESSAGE];
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        size_t before = mark(a);
        Shape file[2] = { { format(a, "%s%s", spellings[i].file, spellings[i].down), { 1, 2 } },
                          { format(a, "%s%s", spellings[i].file, spellings[i].up), { 2, 1 } } };
        save(a, file, 2, NULL);
        Asking q = { .a = a, .layer = { spellings[i].layer }, .layers = 1, .w = { weight(a, "w", square) }, .text = 1,
                     .unet = 1 };
        CHECK_MSG(asked(&q, message) == 0 && q.pairs == 1, "%s is not %s: %s", spellings[i].file, spellings[i].layer,
                  message);
        CHECK_MSG(strstr(q.said, "applied 1/1\n"), "%s", q.said);
        release(a, before);
    }
}

/* ---- what is said ---- */

static void test_report(Arena *a)
{
    static const Shape some[] = { { "lora_unet_conv_in.lora_down.weight", { 1, 2 } },
                                  { "lora_unet_conv_in.lora_up.weight", { 2, 1 } },
                                  { "lora_unet_convout.lora_down.weight", { 1, 2 } },
                                  { "lora_unet_convout.lora_up.weight", { 2, 1 } },
                                  { "lora_te_text_model_x.lora_down.weight", { 1, 2 } },
                                  { "lora_te_text_model_x.lora_up.weight", { 2, 1 } },
                                  { "lora_unet_conv_in.lora_magic", { 2 } } };
    char message[MESSAGE];
    Weight w = weight(a, "w", square);
    Asking q = { .a = a, .layer = { "unet.conv_in", "unet.conv_out" }, .layers = 2, .w = { w, w }, .text = 0.25,
                 .unet = 1.6f };
    save(a, some, 6, NULL);
    CHECK_MSG(asked(&q, message) == 0, "%s", message);
    const char *const words[] = { "strength 1.6 (text encoder 0.25), applied 1/3; no layer here for",
                                  "lora_te_text_model_x.lora_down.weight",
                                  "lora_unet_convout.lora_down.weight (nearest: unet.conv_out)",
                                  "warning: LoRA strengths add up to 1.6 in the UNet, more than 1.5" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CHECK_MSG(strstr(q.said, words[i]), "no '%s' in: %s", words[i], q.said);
    q.unet = 1.5f;
    CHECK_MSG(asked(&q, message) == 0 && !strstr(q.said, "warning"), "%s%s", q.said, message);
    save(a, some, 7, NULL);
    CHECK_MSG(asked(&q, message) == 0 && strstr(q.said, "not understood: lora_unet_conv_in.lora_magic"), "%s%s", q.said,
              message);
    save(a, some + 2, 4, NULL);
    CHECK_MSG(asked(&q, message) && strstr(message, "nothing of this LoRA fits this model (0/2)")
              && strstr(message, "nearest: unet.conv_out"), "%s", message);
    static const Shape foreign[] = {
        { "lora_unet_conv_in.lora_down.weight", { 1, 2 } }, { "lora_unet_conv_in.lora_up.weight", { 2, 1 } },
        { "lora_te2_text_model_x.lora_down.weight", { 1, 2 } }, { "lora_te2_text_model_x.lora_up.weight", { 2, 1 } },
        { "lora_te2_text_model_y.lora_down.weight", { 1, 2 } }, { "lora_te2_text_model_y.lora_up.weight", { 2, 1 } },
        { "lora_unet_mid_block_transformer_blocks_9_x.lora_down.weight", { 1, 2 } },
        { "lora_unet_mid_block_transformer_blocks_9_x.lora_up.weight", { 2, 1 } },
        { "a.vera_lambda_b", { 1 } }, { "b.vera_lambda_b", { 1 } }, { "c.lora_E", { 1 } },
        { "d.odd", { 1 } }, { "e.odd", { 1 } }, { "f.odd", { 1 } }, { "g.odd", { 1 } }, { "h.odd", { 1 } },
    };
    save(a, foreign, sizeof foreign / sizeof *foreign, NULL);
    CHECK_MSG(asked(&q, message) == 0, "%s", message);
    const char *const kinds[] = { "applied 1/4; 1 for SDXL's UNet; 2 for SDXL's second text encoder",
                                  "; 2 tensors of VeRA, which is not supported; 1 tensor of AdaLoRA",
                                  "not understood: d.odd, e.odd, f.odd and 2 more" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        CHECK_MSG(strstr(q.said, kinds[i]), "no '%s' in: %s", kinds[i], q.said);
    static const Shape moving[] = { { "down_blocks.0.motion_modules.0.processor.to_q_lora.down.weight", { 1, 2 } },
                                    { "down_blocks.0.motion_modules.0.processor.to_q_lora.up.weight", { 2, 1 } } };
    save(a, moving, 2, NULL);
    CHECK_MSG(asked(&q, message) && strstr(message, "it needs a motion module"), "%s", message);
    save(a, (Shape[]){ { "a.lora_magic", { 1 } } }, 1, NULL);
    CHECK_MSG(asked(&q, message) && strstr(message, "not understood: a.lora_magic"), "%s", message);
}

/* ---- alpha ---- */

static double scale_of(Arena *a, const Shape *s, size_t count, const char *config, char message[MESSAGE])
{
    size_t before = mark(a);
    KeyValue p = { "lora_adapter_metadata", config };
    save(a, s, count, config ? &p : NULL);
    LoraUse use = { path, 3, 2, NULL };
    Asking q = { .a = a, .layer = { "unet.conv_in" }, .layers = 1, .w = { weight(a, "w", square) }, .text = 1,
                 .unet = 1 };
    LoraPair pair = { 0 };
    if (asked(&q, message) == 0) lora_pair(a, lora_open(a, &use, 1), 0, "unet.conv_in", 1, &pair);
    release(a, before);
    return (double)pair.scale;
}

static void test_alpha(Arena *a)
{
    static const Shape plain[] = { { "unet.conv_in.lora_A.weight", { 4, 2 } },
                                   { "unet.conv_in.lora_B.weight", { 2, 4 } }, { "unet.conv_in.alpha", { 1 } } };
    static const struct { const char *config; double scale; const char *why; } cases[] = {
        { NULL, 1, NULL }, { "{}", 1, NULL }, { "{\"unet.lora_alpha\": 8, \"unet.r\": 4}", 2, NULL },
        { "{\"lora_alpha\": 2.0}", 0.5, NULL }, { "{\"text_encoder.lora_alpha\": 8}", 1, NULL },
        { "{\"unet.lora_alpha\": 8, \"unet.use_rslora\": true}", 4, NULL },
        { "{\"unet.lora_alpha\": 8, \"unet.use_rslora\": false}", 2, NULL },
        { "{\"unet.lora_alpha\": 8, \"unet.alpha_pattern\": {\"conv_out\": 1, \"in\": 1, \"conv_in\": 16}}", 4, NULL },
        { "{\"alpha\": 12}", 3, NULL }, { "{\"unet.lora_alpha\": 0.8e1}", 2, NULL },
        { "", 0, "not a valid configuration" }, { "{\"unet.lora_alpha\": \"8\"}", 0, "lora_alpha is not a number" },
        { "{\"unet.lora_alpha\": 1e999}", 0, "lora_alpha is not a number" }, { "[1", 0, "object" },
        { "{\"unet.alpha_pattern\": {\"conv.*\": 1}}", 0, "regular expression" },
        { "{\"unet.alpha_pattern\": {\"conv\": }}", 0, "JSON" }, { "{\"a\" 1}", 0, "colon" },
    };
    char message[MESSAGE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double scale = scale_of(a, plain, 2, cases[i].config, message);
        if (cases[i].why) CHECK_MSG(strstr(message, cases[i].why), "%s: '%s'", cases[i].config, message);
        else
            CHECK_MSG(fabs(scale - 2 * cases[i].scale) < 1e-6, "%s: %g, expected %g %s", cases[i].config, scale,
                      2 * cases[i].scale, message);
    }
    float alpha;
    fill(&alpha, 1, "unet.conv_in.alpha");
    /* the tensor wins */
    CHECK(fabs(scale_of(a, plain, 3, "{\"lora_alpha\": 2}", message) - 2 * (double)alpha / 4) < 1e-6);

    /* PEFT's own folder */
    static const Shape peft[] = { { "base_model.model.conv_in.lora_A.weight", { 4, 2 } },
                                  { "base_model.model.conv_in.lora_B.weight", { 2, 4 } } };
    char beside[80];
    snprintf(beside, sizeof beside, "%s/adapter_config.json", folder);
    static const char config[] = "{\n  \"lora_alpha\": 6,\n  \"r\": 4,\n  \"target_modules\": [\"conv_in\"]\n}\n";
    files_save(a, &(File){ beside, { (const unsigned char *)config, sizeof config - 1 } }, 1);
    CHECK(fabs(scale_of(a, peft, 2, NULL, message) - 2 * 1.5) < 1e-6);
    /* no file of PEFT's */
    CHECK(fabs(scale_of(a, plain, 2, NULL, message) - 2) < 1e-6);
    unlink(beside);
}

/* ---- broken files ---- */

/* One of each family, small; the layers are [4,6] or [4,2,3,3], n of their module's number. */
static const Shape every[] = {
    { "lora_unet_a.lora_down.weight", { 2, 6 } }, { "lora_unet_a.lora_up.weight", { 4, 2 } },
    { "lora_unet_a.alpha", { 1 } },
    { "lora_unet_b.lora_down.weight", { 2, 2, 1, 1 } }, { "lora_unet_b.lora_mid.weight", { 2, 2, 3, 3 } },
    { "lora_unet_b.lora_up.weight", { 4, 2, 1, 1 } }, { "lora_unet_b.dora_scale", { 1, 2, 1, 1 } },
    { "lora_unet_c.hada_w1_a", { 4, 2 } }, { "lora_unet_c.hada_w1_b", { 2, 6 } }, { "lora_unet_c.hada_w2_a", { 4, 2 } },
    { "lora_unet_c.hada_w2_b", { 2, 6 } }, { "lora_unet_c.dora_scale", { 4, 1 } },
    { "lora_unet_d.hada_w1_a", { 3, 4 } }, { "lora_unet_d.hada_w1_b", { 3, 2 } },
    { "lora_unet_d.hada_t1", { 3, 3, 3, 3 } }, { "lora_unet_d.hada_w2_a", { 3, 4 } },
    { "lora_unet_d.hada_w2_b", { 3, 2 } }, { "lora_unet_d.hada_t2", { 3, 3, 3, 3 } },
    { "lora_unet_e.lokr_w1", { 2, 3 } }, { "lora_unet_e.lokr_w2_a", { 2, 1 } }, { "lora_unet_e.lokr_w2_b", { 1, 2 } },
    { "lora_unet_f.lokr_w1_a", { 2, 1 } }, { "lora_unet_f.lokr_w1_b", { 1, 2 } }, { "lora_unet_f.lokr_w2_a", { 1, 2 } },
    { "lora_unet_f.lokr_w2_b", { 1, 1 } }, { "lora_unet_f.lokr_t2", { 1, 1, 3, 3 } },
    { "lora_unet_g.diff", { 4, 6 } }, { "lora_unet_g.diff_b", { 4 } }, { "lora_unet_h.lokr_w1", { 4, 6 } },
    { "lora_unet_h.lokr_w2", { 1, 1 } },
    { "lora_unet_i.lora_A.weight", { 1, 6 } }, { "lora_unet_i.lora_B.weight", { 4, 1 } },
    { "lora_unet_i.lora_magnitude_vector", { 4 } },
    { "lora_unet_j.weight", { 4 } }, { "lora_unet_j.on_input", { 1 } },
    { "lora_unet_k.oft_blocks", { 2, 2, 2 } }, { "lora_unet_k.rescale", { 4, 1 } },
    { "lora_unet_l.a1.weight", { 6, 2 } }, { "lora_unet_l.a2.weight", { 2, 6 } },
    { "lora_unet_l.b1.weight", { 4, 2 } }, { "lora_unet_l.b2.weight", { 2, 6 } },
    { "lora_unet_m.oft_blocks", { 2, 2, 2, 2 } }, { "lora_unet_n.oft_R.weight", { 2, 3 } },
};
enum { EVERY = sizeof every / sizeof *every };
static const size_t matrix[] = { 4, 6, 0, 0 }, convolution[] = { 4, 2, 3, 3 }, four[] = { 4, 0, 0, 0 };

static Asking of_every(Arena *a)
{
    Asking q = { .a = a, .layer = { "unet.a", "unet.b", "unet.c", "unet.d", "unet.e", "unet.f", "unet.g", "unet.h",
                                    "unet.i", "unet.j", "unet.k", "unet.l", "unet.m", "unet.n" }, .layers = 14, .text = 1, .unet = 0.75f };
    for (size_t i = 0; i < q.layers; i++) q.w[i] = weight(a, "w", strchr("bdf", q.layer[i][5]) ? convolution : matrix);
    q.bias = weight(a, "bias", four);
    return q;
}

/* gone alone without a trace: what is optional, or a module of its own */
static int may_go(const char *name)
{
    return strstr(name, "alpha") || strstr(name, "dora_scale") || strstr(name, "magnitude") || strstr(name, ".diff")
        || strstr(name, "on_input") || strstr(name, ".oft_") || strstr(name, "rescale");
}

static void test_every_tensor(Arena *a)
{
    char message[MESSAGE];
    Asking q = of_every(a);
    save(a, every, EVERY, NULL);
    CHECK_MSG(asked(&q, message) == 0 && strstr(q.said, "applied 14/14") && q.pairs == 1, "%s%s", q.said, message);
    for (size_t i = 0; i < EVERY; i++) {
        Shape s[EVERY];
        memcpy(s, every, sizeof s);
        memmove(s + i, s + i + 1, (EVERY - i - 1) * sizeof *s);
        save(a, s, EVERY - 1, NULL);
        int status = asked(&q, message);
        if (!may_go(every[i].name))
            CHECK_MSG(status && strstr(message, "lora_unet_"), "without %s: '%s'", every[i].name, message);
        for (size_t d = 0; d < 4 && every[i].dims[d]; d++) {
            memcpy(s, every, sizeof s);
            s[i].dims[d]++;
            save(a, s, EVERY, NULL);
            CHECK_MSG(asked(&q, message) && strstr(message, "lora_unet_"), "%s, larger in %zu: '%s'", every[i].name, d,
                      message);
        }
    }
}

/* every file of this content opens and works, or is refused with a message */
static void try_bytes(Asking *q, const unsigned char *bytes, size_t n, int *refused)
{
    char message[MESSAGE];
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) fclose(f);
    int status = asked(q, message);
    *refused += status != 0;
    if (status && !*message) CHECK_MSG(0, "refused without a word");
}

static void test_bits(Arena *a)
{
    static const KeyValue config = { "lora_adapter_metadata",
                                     "{\"unet.lora_alpha\":3,\"unet.alpha_pattern\":{\"b\":2},"
                                     "\"unet.use_rslora\":true}" };
    Asking q = of_every(a);
    int refused = 0, all = 0;
    save(a, every, EVERY, &config);
    Bytes whole = file_map(a, path);
    unsigned char *copy = allocate(a, whole.size, 1);
    memcpy(copy, whole.data, whole.size);
    size_t size = whole.size, header = 8 + copy[0] + 256u * copy[1];
    for (size_t n = 0; n < size; n++, all++) try_bytes(&q, copy, n, &refused);
    CHECK_MSG(refused == all, "%d of %d truncations accepted", all - refused, all);
    for (size_t i = 0; i < header; i++)
        for (int bit = 0; bit < 8; bit++, all++) {
            copy[i] ^= (unsigned char)(1 << bit);
            try_bytes(&q, copy, size, &refused);
            copy[i] ^= (unsigned char)(1 << bit);
        }
    for (size_t i = header; i < size; i++, all++) {
        copy[i] ^= 0xff;
        try_bytes(&q, copy, size, &refused);
        copy[i] ^= 0xff;
    }
    printf("  %d broken files, %d refused\n", all, refused);
}

/* ranks, shapes and endings that contradict each other in every way, in files that are sound as such */
static void test_mutations(Arena *a, int rounds)
{
    uint32_t h = 1;
    int refused = 0;
    Asking q = of_every(a);
    char message[MESSAGE];
    for (int r = 0; r < rounds; r++) {
        Shape s[EVERY];
        memcpy(s, every, sizeof s);
        for (uint32_t changes = 1 + (h >> 16) % 3; changes; changes--) {
            h = h * 1664525u + 1013904223u;
            size_t i = (h >> 8) % EVERY, j = (h >> 16) % EVERY;
            if (h >> 30 == 0) memcpy(s[i].dims, every[j].dims, sizeof s[i].dims);
            else if (h >> 30 == 1) s[i].dims[(h >> 20) % 4] = (h >> 24) % 5;
            else {
                Shape t = s[i];
                s[i].name = s[j].name;
                s[j].name = t.name;
            }
        }
        size_t count = EVERY - (h >> 12) % 2;
        for (size_t i = 0; i < count; i++)
            for (size_t d = 0; d < 3; d++)
                if (!s[i].dims[d]) s[i].dims[d + 1] = 0;
        save(a, s, count, NULL);
        refused += asked(&q, message) != 0;
    }
    CHECK(refused > rounds / 2 && refused < rounds);
    printf("  %d contradictory files, %d refused\n", rounds, refused);
}

/* ---- pairs whose shape is another than the layer's, met where they are applied ---- */

typedef struct { Arena *a; Weight w[2]; int side; } Meeting;

static void meet(void *to)
{
    Meeting *m = to;
    Machine machine = { m->a, 1, 0, 0, 0 };
    LoraUse use = { path, 1, 1, NULL };
    Run r = { .machine = &machine, .weights = weights_of(m->a, NULL, m->w, 2), .frames = 1,
              .lora = lora_open(m->a, &use, 1) };
    Tensor x = tensor(&r, 1, 4, 4, 4);
    memset(x.x, 0, size(x) * sizeof *x.x);
    if (m->side == 3) conv2d(&r, "unet.mid", x, 1);
    else linear(&r, "unet.mid", x);
}

static void test_shapes(Arena *a)
{
    static const size_t flat[] = { 6, 4, 0, 0 }, tap[] = { 6, 4, 1, 1 }, window[] = { 6, 4, 3, 3 },
        up[] = { 6, 2, 0, 0 }, bias[] = { 6, 0, 0, 0 };
    static const struct { const size_t *layer; size_t down[4]; int fits; } cases[] = {
        { flat, { 2, 4 }, 1 }, { tap, { 2, 4, 1, 1 }, 1 }, { tap, { 2, 4 }, 1 }, { flat, { 2, 4, 1, 1 }, 1 },
        { window, { 2, 4, 3, 3 }, 1 },
        { flat, { 2, 4, 5 }, 0 }, { flat, { 2, 4, 1, 5 }, 0 }, { flat, { 2, 4, 1, 400 }, 0 },
        { window, { 2, 4, 3, 1 }, 0 }, { window, { 2, 4, 3, 100 }, 0 }, { window, { 2, 4, 3 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[MESSAGE] = "";
        size_t before = mark(a);
        Shape s[] = { { "lora_unet_mid.lora_down.weight", { 0 } },
                      { "lora_unet_mid.lora_up.weight", { up[0], up[1] } } };
        memcpy(s[0].dims, cases[i].down, sizeof s[0].dims);
        save(a, s, 2, NULL);
        Meeting m = { a, { weight(a, "unet.mid.weight", cases[i].layer), weight(a, "unet.mid.bias", bias) },
                      cases[i].layer[2] == 3 ? 3 : 1 };
        int refused = attempt(a, meet, &m, message);
        CHECK_MSG(cases[i].fits ? !refused : refused && strstr(message, "lora_down"), "case %zu: '%s'", i, message);
        release(a, before);
    }
}

/* argument, if any: how many contradictory files */
int main(int argc, char **argv)
{
    Arena *a = arena_new();
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lora.safetensors", folder);
    test_names(a);
    test_report(a);
    test_alpha(a);
    test_every_tensor(a);
    test_shapes(a);
    test_bits(a);
    test_mutations(a, argc > 1 ? atoi(argv[1]) : 4000);
    unlink(path);
    rmdir(folder);
    arena_free(a);
    return done();
}
