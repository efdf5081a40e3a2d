/* test_model_spec.c - what models say of themselves in their metadata: what is taken, what makes no sense, and what
 * follows for sizes, words of prompts and options of training.  Run from the repository's root. */
#include "chars.h"
#include "files.h"
#include "known_words.h"
#include "model_recipe.h"
#include "model_spec.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* A file of weights in memory with these metadata, "\"key\": \"value\", ...", and one tensor. */
static Weights *model(Arena *a, const char *metadata)
{
    static int files;
    const char *header = format(a, "{\"__metadata__\": {%s}, \"first_stage_model.decoder.conv_in.weight\": {\"dtype\": \"F16\", "
                                "\"shape\": [8,4,3,3], \"data_offsets\": [0,576]}}", metadata);
    size_t n = strlen(header);
    unsigned char *file = allocate(a, 8 + n + 576, 1);
    memset(file, 0, 8 + n + 576);
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)(n >> 8 * i);
    memcpy(file + 8, header, n);
    const char *name = format(a, "model%d.safetensors", files++);
    file_give(a, name, (Bytes){ file, 8 + n + 576 });
    return weights_add(a, NULL, name, VAE_FILE);
}

static void test_values(Arena *a)
{
    static const struct { const char *metadata; int width, height; double cfg; int steps, skip, v, zero, ignored; } row[] = {
        { "\"format\": \"pt\"", 512, 512, 0, 0, 0, 0, 0, 0 },
        { "\"modelspec.resolution\": \"768x512\", \"modelspec.prediction_type\": \"v\"", 768, 512, 0, 0, 0, 1, 0, 0 },
        { "\"ss_resolution\": \"(768, 640)\", \"ss_clip_skip\": \"2\", \"ss_v_parameterization\": \"True\", "
          "\"ss_zero_terminal_snr\": \"True\"", 768, 640, 0, 0, 2, 1, 1, 0 },
        { "\"ss_resolution\": \"None\", \"ss_clip_skip\": \"None\", \"ss_zero_terminal_snr\": \"False\"", 512, 512, 0, 0, 0, 0, 0, 0 },
        { "\"ss_resolution\": \"640\", \"modelspec.encoder_layer\": \"2\", \"ss_clip_skip\": \"1\"", 640, 640, 0, 0, 2, 0, 0, 0 },
        { "\"ss_resolution\": \"512,768\", \"modelspec.prediction_type\": \"epsilon\"", 512, 768, 0, 0, 0, 0, 0, 0 },
        { "\"modelspec.resolution\": \"128x128\", \"persona.cfg_scale\": \"4\", \"persona.steps\": \"25\"", 128, 128, 4, 25, 0, 0, 0, 0 },
        /* nonsense is told and left out; the next key may still say it */
        { "\"modelspec.resolution\": \"99999x1\", \"ss_resolution\": \"(256, 256)\"", 256, 256, 0, 0, 0, 0, 0, 1 },
        { "\"modelspec.resolution\": \"-512x512\"", 512, 512, 0, 0, 0, 0, 0, 1 },
        { "\"modelspec.resolution\": \"513x512\"", 512, 512, 0, 0, 0, 0, 0, 1 },
        { "\"modelspec.resolution\": \"512x512 and more\"", 512, 512, 0, 0, 0, 0, 0, 1 },
        { "\"persona.cfg_scale\": \"nan\", \"persona.steps\": \"1e9\", \"ss_clip_skip\": \"99\"", 512, 512, 0, 0, 0, 0, 0, 3 },
        { "\"persona.cfg_scale\": \"1e99\", \"persona.steps\": \"-3\", \"modelspec.prediction_type\": \"sample\"", 512, 512, 0, 0, 0, 0, 0, 3 },
        { "\"persona.sizes\": \"64x64-8x8\", \"persona.words\": \"a\\u001b[31m\", \"persona.pictures\": \"<b>\"", 512, 512, 0, 0, 0, 0, 0, 3 },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Lines ignored = { 0 };
        ModelSpec m = model_spec(a, model(a, row[i].metadata), &ignored);
        CHECK_MSG(m.size.width == row[i].width && m.size.height == row[i].height, "%s: %dx%d", row[i].metadata,
                  m.size.width, m.size.height);
        CHECK_MSG(m.cfg == row[i].cfg && m.steps == row[i].steps && m.clip_skip == row[i].skip, "%s: %g, %d, %d",
                  row[i].metadata, m.cfg, m.steps, m.clip_skip);
        CHECK_MSG(m.v_prediction == row[i].v && m.zero_snr == row[i].zero, "%s: v %d, zero %d", row[i].metadata,
                  m.v_prediction, m.zero_snr);
        CHECK_MSG((int)ignored.count == row[i].ignored, "%s: %zu left out", row[i].metadata, ignored.count);
        CHECK(!m.words && !m.pictures && !m.most.width);
    }
}

static void test_sizes(Arena *a)
{
    static const int row[][4] = { { 128, 128, 128, 128 }, { 112, 144, 112, 144 }, { 512, 512, 128, 128 },
        { 64, 64, 112, 112 }, { 512, 768, 112, 144 }, { 768, 512, 128, 112 }, { 8, 8192, 112, 144 },
        { 8192, 8, 128, 112 }, { 144, 144, 128, 128 }, { 104, 128, 112, 136 } };
    ModelSpec m = model_spec(a, model(a, "\"modelspec.resolution\": \"128x128\", \"persona.sizes\": \"112x112-128x144\""), NULL);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        PixelSize near = model_spec_nearest_size(&m, (PixelSize){ row[i][0], row[i][1] });
        CHECK_MSG(near.width == row[i][2] && near.height == row[i][3], "%dx%d: %dx%d", row[i][0], row[i][1], near.width,
                  near.height);
    }
    ModelSpec silent = model_spec(a, model(a, "\"modelspec.resolution\": \"512x512\""), NULL);
    CHECK(model_spec_nearest_size(&silent, (PixelSize){ 64, 64 }).width == 64);
}

static void test_words(Arena *a)
{
    static const struct { const char *prompt, *unknown; } row[] = {
        { "portrait of a woman with long blonde hair, (red sweater:1.3), [blue|green] eyes BREAK waving", "" },
        { "masterpiece, best quality, 1girl, 2girls, long_hair, blue-eyed, (smile), waves, nods, 8k, 85mm", "" },
        { "a cat AND a dog, Cat", "cat, dog" },
        { "blnode woman, swaeter, hair, womna", "blnode (blonde?), swaeter (sweater?), womna (woman?)" },
        { "yumin woman, yumin-word", "yumin" },
        { "\xe5\xa5\xb3\xe4\xba\xba\xef\xbc\x8cwoman, woman\xe2\x80\x94hair \xf0\x9f\x98\x80", "\xe5\xa5\xb3\xe4\xba\xba" },
        { "---''' - ' \xff\xfe woman's", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        Lines known = { 0 }, unknown = { 0 };
        lines_add(a, &known, "portrait woman girl long blonde red blue green hair eyes smile sweater masterpiece best wave nod");
        lines_add(a, &known, "yumin-word");
        unknown_words(a, row[i].prompt, &known, &unknown);
        CHECK_MSG(!strcmp(lines_joined(a, &unknown, ", "), row[i].unknown), "%s: %s", row[i].prompt,
                  lines_joined(a, &unknown, ", "));
    }
    StringBuilder all = string_builder(a);
    Lines none = { 0 }, unknown = { 0 };
    for (int i = 0; i < 500; i++) string_builder_add(&all, format(a, "word%dx%dqq ", i, i));
    unknown_words(a, all.text, &none, &unknown);
    CHECK_MSG(unknown.count <= 100, "%zu", unknown.count);
}

static TrainingConfig recipe(Arena *a, const char *said, TrainingConfig given, const char **taken)
{
    const Callbacks deaf = { 0 };
    const char *metadata = format(a, "\"persona.train.lora\": \"%s\", \"persona.train.textual_inversion\": \"num_vectors=8\"", said);
    return model_recipe(a, &given, model(a, metadata), "model", &deaf, taken);
}

static void test_recipe(Arena *a)
{
    static const char said[] = "max_train_steps=600 learning_rate=0.001  min_snr_gamma=5";
    const char *taken;
    TrainingConfig given = training_config_default;
    TrainingConfig c = recipe(a, said, given, &taken);
    CHECK(c.max_train_steps == 600 && c.learning_rate == 0.001 && c.min_snr_gamma == 5 && c.num_vectors == 4);
    CHECK_MSG(!strcmp(taken, "--max_train_steps 600 --learning_rate 0.001 --min_snr_gamma 5"), "%s", taken);
    c = recipe(a, "", given, &taken);
    CHECK(!c.max_train_steps && c.learning_rate < 0 && c.min_snr_gamma == 0 && !*taken);
    given.method = METHOD_TEXTUAL_INVERSION;
    c = recipe(a, said, given, &taken);
    CHECK(c.num_vectors == 8 && c.learning_rate < 0);
    given = training_config_default;                 /* what was given wins, also when it is as usual */
    training_config_set(a, &given, "min_snr_gamma", "0");
    training_config_set(a, &given, "max_train_epochs", "3");
    training_config_set(a, &given, "learning_rate", "1e-4");
    c = recipe(a, said, given, &taken);
    CHECK(!c.max_train_steps && c.max_train_epochs == 3 && c.learning_rate == 1e-4 && c.min_snr_gamma == 0 && !*taken);
    given = training_config_default;                 /* the rate is AdamW's */
    training_config_set(a, &given, "optimizer_type", "Prodigy");
    CHECK(training_learning_rate(&given) == 1);
    c = recipe(a, said, given, &taken);
    CHECK(training_learning_rate(&c) == 1);
    training_config_set(a, &given, "optimizer_type", "Lion");
    c = recipe(a, said, given, &taken);
    CHECK_MSG(fabs(c.learning_rate - 0.0003) < 1e-9, "%g", c.learning_rate);
    given = training_config_default;                 /* nothing but numbers of the table, and in their range */
    c = recipe(a, "resume=/etc/passwd learning_rate=1e9 max_train_steps=0 network_dim=1024 min_snr_gamma = =5 num_vectors", given,
               &taken);
    CHECK(!c.resume && c.learning_rate < 0 && !c.max_train_steps && c.network_dim == 16 && c.min_snr_gamma == 0 && !*taken);
}

static void all(void *to)
{
    Arena *a = to;
    test_values(a);
    test_sizes(a);
    test_words(a);
    test_recipe(a);
}

int main(void)
{
    char message[MESSAGE];
    Arena *a = arena_new();
    if (attempt(a, all, a, message)) CHECK_MSG(0, "%s", message);
    arena_free(a);
    return done();
}
