/* test_strength.c - LoRA strengths by block, step and frame: equal to what other files and other runs draw.
 *
 * A LoRA is made for the small model, for layers that its checkpoint calls by LDM's names.  In a second file its
 * tensors are scaled by what these names say of the block.  So the blocks in adapter_strength.c, which are found by
 * diffusers' names, are compared with names that they do not know. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "chars.h"
#include "generate.h"
#include "lora.h"
#include "nn.h"
#include "safetensors.h"
#include "weights_open.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { RANK = 3, SIDE = 64, STEPS = 4, MOST_PAIRS = 400, OF_PAIR = 3 };

/* ---- files ---- */

/* The name of this layer in a LoRA, and its block as adapter_strength.h counts them; NULL: it is none for this test. */
static const char *lora_name(Arena *a, const Weight *w, int *block)
{
    static const char unet[] = "model.diffusion_model.", te[] = "cond_stage_model.transformer.";
    size_t n = strlen(w->name);
    int is_matrix = w->rank == 2 || w->rank == 4;
    if (!is_matrix || strcmp(w->name + n - 7, ".weight") || strstr(w->name, "embedding")) return NULL;
    const char *rest = w->name;
    const char *prefix;
    *block = 0;
    if (begins(rest, te)) {
        rest += strlen(te);
        prefix = "lora_te_";
    }
    else if (begins(rest, unet)) {
        rest += strlen(unet);
        prefix = "lora_unet_";
        if (sscanf(rest, "input_blocks.%d", block) == 1) *block += 1;
        else if (sscanf(rest, "output_blocks.%d", block) == 1) *block += 14;
        else if (begins(rest, "middle_block")) *block = 13;
        else return NULL;
    }
    else return NULL;
    char *name = format(a, "%s%.*s", prefix, (int)(w->name + n - 7 - rest), rest);
    for (char *c = name; *c; c++)
        if (*c == '.') *c = '_';
    return name;
}

static Weight tensor_of(Arena *a, const char *name, size_t rank, const size_t *shape, float scale, unsigned *seed)
{
    Weight w = { .name = name, .type = F32, .rank = rank };
    size_t *dims = allocate(a, rank, sizeof *dims);
    memcpy(dims, shape, rank * sizeof *dims);
    w.shape = dims;
    size_t n = weight_numel(&w);
    float *x = allocate(a, n, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        x[i] = scale * ((float)(*seed >> 8) / (float)(1 << 24) - 0.5f);
    }
    w.data = x;
    w.bytes = n * sizeof *x;
    return w;
}

/* A LoRA for the model; `up` of each pair times the weight of its block (NULL: 1), and only the first `ranks`. */
static const char *write_lora(Arena *a, const char *path, const double *weight)
{
    const WeightFile *model = weights_open(a, "weights/persona.safetensors");
    Weight *list = allocate(a, OF_PAIR * MOST_PAIRS, sizeof *list);
    size_t count = 0;
    unsigned seed = 7;
    for (size_t i = 0; i < model->count && count < OF_PAIR * (MOST_PAIRS - 1); i++) {
        int block;
        const Weight *w = &model->weight[i];
        const char *name = lora_name(a, w, &block);
        if (!name) continue;
        size_t down[4] = { RANK, w->shape[1], 1, 1 };
        size_t up[4] = { w->shape[0], RANK, 1, 1 };
        for (size_t k = 2; k < w->rank; k++) down[k] = w->shape[k];
        float scale = weight ? (float)weight[block] : 1;
        list[count++] = tensor_of(a, format(a, "%s.lora_down.weight", name), w->rank, down, 0.2f, &seed);
        list[count++] = tensor_of(a, format(a, "%s.lora_up.weight", name), w->rank, up, 0.15f * scale, &seed);
    }
    CHECK_MSG(count > 2 * 100, "%zu", count);
    safetensors_save(a, path, list, count, NULL, 0);
    return path;
}

/* ---- drawing ---- */

typedef struct { Arena *a; Job job; Pictures picture; } Drawing;

static void draw(void *drawing)
{
    Drawing *d = drawing;
    d->picture = generate(d->a, &d->job, NULL);
}

/* Draws with these LoRAs -> rgb, or NULL. */
static const unsigned char *drawn(Arena *a, const LoraUse *use, size_t count, int frames)
{
    char message[MESSAGE];
    Drawing d = { .a = a, .job = { .prompt = "a woman", .model = "weights/persona.safetensors",
                                   .merges = "weights/merges.txt", .width = SIDE, .height = SIDE, .steps = STEPS,
                                   .frames = frames, .seed = 5, .lora = use, .loras = count } };
    if (frames > 1) d.job.motion = "weights/persona_motion.safetensors";
    if (attempt(a, draw, &d, message)) {
        CHECK_MSG(0, "%s: %s", use ? use->how : "", message);
        return NULL;
    }
    return d.picture.rgb;
}

/* The largest difference of two pictures; 255 where one is missing. */
static int difference(const unsigned char *x, const unsigned char *y, int frames)
{
    int most = 0;
    if (!x || !y) return 255;
    for (int i = 0; i < frames * SIDE * SIDE * 3; i++)
        if (abs(x[i] - y[i]) > most) most = abs(x[i] - y[i]);
    return most;
}

static const unsigned char *with(Arena *a, const char *path, const char *how)
{
    LoraUse use = { path, 0.8f, 0.8f, how };
    return drawn(a, &use, 1, 1);
}

/* ---- by block ---- */

static void test_blocks(Arena *a, const char *folder, const char *lora, const unsigned char *without,
                        const unsigned char *plain)
{
    double weight[26];
    const char *numbers = "";
    for (int i = 0; i < 26; i++) {
        weight[i] = (i * 7 % 11) / 8.0;
        numbers = format(a, "%s%s%g", numbers, i ? "," : "", weight[i]);
    }
    const char *scaled = write_lora(a, format(a, "%s/scaled.safetensors", folder), weight);
    const unsigned char *by_block = with(a, lora, format(a, "lbw=%s", numbers));
    CHECK_MSG(difference(by_block, with(a, scaled, NULL), 1) <= 1, "%d", difference(by_block, with(a, scaled, NULL), 1));
    CHECK(difference(by_block, plain, 1) > 8);
    CHECK(difference(with(a, lora, "lbw=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), plain, 1) == 0);
    CHECK(difference(with(a, lora, "lbw=NONE"), without, 1) == 0);
    CHECK(difference(with(a, lora, "in=1:mid=1:out=1"), plain, 1) == 0);
    for (int i = 0; i < 26; i++) weight[i] = i == 0 || (i >= 6 && i <= 18);
    const char *range = write_lora(a, format(a, "%s/range.safetensors", folder), weight);
    CHECK(difference(with(a, lora, "lbw=IN05-OUT04"), with(a, range, NULL), 1) <= 1);
    for (int i = 0; i < 26; i++) weight[i] = 1 - (i >= 1 && i <= 12 ? 0.5 : 0) - (i >= 14 ? 1 : 0);
    const char *parts = write_lora(a, format(a, "%s/parts.safetensors", folder), weight);
    CHECK(difference(with(a, lora, "in=0.5:out=0"), with(a, parts, NULL), 1) <= 1);
    for (int i = 0; i < 26; i++) weight[i] = i == 0 || (i >= 17 && i <= 20);
    const char *outd = write_lora(a, format(a, "%s/outd.safetensors", folder), weight);
    CHECK(difference(with(a, lora, "lbw=OUTD"), with(a, outd, NULL), 1) <= 1);
}

/* ---- over the steps ---- */

/* Parts of a run that follow each other come to the whole run. */
static void test_steps(Arena *a, const char *lora, const unsigned char *plain)
{
    static const char *const parts[][2] = {
        { "stop=2", "start=2" }, { "stop=0.5", "start=2" }, { "step=0-3", "start=3" }, { "stop=1", "start=0.1" },
        { "unet=0.8@0,0.8@2,0@2", "unet=0@0,0@2,0.8@2" }, { "unet=0.8@0,0.8@0.5,0@0.5,0@1", "unet=0@0;0@0.5;0.8~0.5" },
        { "unet=0.8@0,0@1", "unet=0@0,0.8@1" }, { "dyn=3", "start=4" },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        LoraUse both[] = { { lora, 0.8f, 0.8f, parts[i][0] }, { lora, 0, 0.8f, parts[i][1] } };
        int most = difference(drawn(a, both, 2, 1), plain, 1);
        CHECK_MSG(most <= 1, "%s and %s: %d", parts[i][0], parts[i][1], most);
        CHECK_MSG(i == 7 || difference(drawn(a, both, 1, 1), plain, 1) > 2, "%s alone", parts[i][0]);
    }
    CHECK(difference(with(a, lora, "unet=0.8@0,0.8@1"), plain, 1) == 0);
    CHECK(difference(with(a, lora, "hr=0"), plain, 1) == 0);
}

/* ---- ranks ---- */

/* dyn=2 is the pair without its third rank. */
static void test_rank(Arena *a, const char *folder, const char *lora, const unsigned char *plain)
{
    const WeightFile *f = weights_open(a, lora);
    Weight *list = allocate(a, f->count, sizeof *list);
    for (size_t i = 0; i < f->count; i++) {
        size_t n = weight_numel(&f->weight[i]);
        float *x = allocate(a, n, sizeof *x);
        memcpy(x, f->weight[i].data, n * sizeof *x);
        size_t row = f->weight[i].shape[1];
        int is_up = strstr(f->weight[i].name, "lora_up") != NULL;
        for (size_t k = 0; k < n && is_up; k++)
            if (k % row == RANK - 1) x[k] = 0;
        list[i] = f->weight[i];
        list[i].data = x;
    }
    const char *path = format(a, "%s/rank.safetensors", folder);
    safetensors_save(a, path, list, f->count, NULL, 0);
    const unsigned char *cut = with(a, lora, "dyn=2");
    CHECK(difference(cut, with(a, path, NULL), 1) <= 1);
    CHECK(difference(cut, plain, 1) > 2);
    CHECK(difference(with(a, lora, "dyn=64"), plain, 1) == 0);
}

/* ---- over the frames ---- */

/* A layer computes each frame as a run of its own with that frame's strength. */
static void test_layer_by_frame(Arena *a, const char *lora)
{
    enum { FRAMES = 4, CHANNELS = 64 };
    static const float expected[FRAMES] = { 0.25f, 0.5f, 0.75f, 0.75f };
    static const char layer[] = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    Machine machine = { .mem = a, .threads = 1 };
    Run r = { .machine = &machine, .weights = weights_add(a, NULL, "weights/persona.safetensors", MODEL_FILE),
              .frames = FRAMES };
    LoraUse use = { lora, 1, 1, "unet=0.25@2f,0.75@4f" };
    int frame[FRAMES] = { 0, 3, 4, 9 };
    Tensor x = tensor(&r, 2 * FRAMES, 2, 3, CHANNELS);
    for (size_t i = 0; i < size(x); i++) x.x[i] = sinf((float)i);
    Lora *l = lora_open(a, &use, 1);
    lora_at(l, (LoraMoment){ .steps = 1, .frame = frame });
    r.lora = l;
    Tensor y = linear_no_bias(&r, layer, x);
    size_t each = size(y) / (size_t)y.n;
    for (int n = 0; n < x.n; n++) {
        LoraUse alone = { lora, 1, expected[n % FRAMES], NULL };
        r.lora = lora_open(a, &alone, 1);
        r.frames = 1;
        Tensor one = { .n = 1, .h = 2, .w = 3, .c = CHANNELS, .x = x.x + (size_t)n * each };
        Tensor z = linear_no_bias(&r, layer, one);
        double most = 0;
        for (size_t i = 0; i < each; i++) most = fmax(most, fabs((double)(z.x[i] - y.x[(size_t)n * each + i])));
        CHECK_MSG(most < 1e-5, "frame %d: %g", n, most);
    }
}

/* Two copies whose strengths come to 1 in every frame are one copy of strength 1. */
static void test_frames(Arena *a, const char *lora)
{
    enum { FRAMES = 4 };
    LoraUse plain = { lora, 0.8f, 0.8f, NULL };
    LoraUse same = { lora, 0.8f, 0, "unet=0.8@0f,0.8@3f" };
    LoraUse both[] = { { lora, 0.8f, 0, "unet=0.8@0f,0@3f" }, { lora, 0, 0, "unet=0@0f,0.8@3f" } };
    const unsigned char *expected = drawn(a, &plain, 1, FRAMES);
    int most = difference(drawn(a, &same, 1, FRAMES), expected, FRAMES);
    CHECK_MSG(most <= 1, "the same in all frames: %d", most);
    most = difference(drawn(a, both, 2, FRAMES), expected, FRAMES);
    CHECK_MSG(most <= 1, "two that come to one: %d", most);
    const unsigned char *rising = drawn(a, &both[1], 1, FRAMES);
    CHECK(difference(rising, expected, FRAMES) > 2);
}

/* ---- what is wrong ---- */

static void test_messages(Arena *a, const char *lora)
{
    static const struct { const char *how, *says; } cases[] = {
        { "lbw=1,2", "\"lbw=1,2\" is not understood" }, { "lbw=", "not understood" }, { "x=1", "not understood" },
        { "unet=1@0f,1@1", "not understood" }, { "unet=1@", "not understood" }, { "unet=1e9@0", "not understood" },
        { "unet=,", "not understood" }, { "start=-1", "not understood" }, { "dyn=0", "not understood" },
        { "step=5", "not understood" }, { "te=1@0f,0@8f", "cannot change with the frames" },
        { "unet=1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,1@0,"
          "1@0,1@0,1@0,1@0,1@0,1@0,1@0", "not understood" },
    };
    LoraStrength s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *wrong = strength_read(a, 1, 1, cases[i].how, &s);
        CHECK_MSG(wrong && strstr(wrong, cases[i].says), "%s: %s", cases[i].how, wrong ? wrong : "taken");
    }
    (void)lora;
}

int main(void)
{
    Arena *a = arena_new();
    char folder[] = "/tmp/persona-test-XXXXXX";
    CHECK(mkdtemp(folder));
    const char *lora = write_lora(a, format(a, "%s/lora.safetensors", folder), NULL);
    const unsigned char *without = drawn(a, NULL, 0, 1);
    const unsigned char *plain = with(a, lora, NULL);
    CHECK(difference(without, plain, 1) > 8);
    test_blocks(a, folder, lora, without, plain);
    test_steps(a, lora, plain);
    test_rank(a, folder, lora, plain);
    test_layer_by_frame(a, lora);
    test_frames(a, lora);
    test_messages(a, lora);
    static const char *const files[] = { "lora", "scaled", "range", "parts", "outd", "rank" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(format(a, "%s/%s.safetensors", folder, files[i]));
    rmdir(folder);
    arena_free(a);
    return done();
}
