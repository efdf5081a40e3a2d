/* test_adapters.c - adapter files of many families against the weights that LyCORIS and PEFT make with them.
 *
 * tests/golden_adapters.py says what the goldens hold.  Run from the repository's root. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"
#include "lora.h"
#include "test.h"
#include "weights_open.h"

#include <math.h>
#include <stdlib.h>

static const char FOLDER[] = "tests/golden/adapters";

static const struct { const char *name, *layer; } layers[] = {
    { "linear", "unet.down_blocks.0.attentions.0.proj_in" },
    { "conv", "unet.down_blocks.0.resnets.0.conv1" },
};

typedef struct {
    Arena            *a;
    const WeightFile *expected;
    double            worst;
    int               compared;
} Case;

static const Weight *named(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->expected, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

/* A pair beside the layer, put into the weight. */
static void add_pair(const LoraPair *p, float *w, size_t columns)
{
    size_t r = p->down->shape[0];
    for (size_t o = 0; o < p->up->shape[0]; o++)
        for (size_t i = 0; i < columns; i++)
            for (size_t k = 0; k < r; k++)
                w[o * columns + i] += p->scale * dtype_value(p->up->data, p->up->type, o * r + k)
                                    * dtype_value(p->down->data, p->down->type, k * columns + i);
}

static double difference(const float *x, const float *y, size_t n)
{
    double error = 0, whole = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        whole += (double)y[i] * (double)y[i];
    }
    return sqrt(error / whole);
}

/* "CASE LAYER STRENGTH" */
static void compare(Case *c, const Weight *golden)
{
    static const double TOLERANCE = 2e-6;
    char name[64], which[16];
    float strength;
    if (sscanf(golden->name, "%63s %15s %f", name, which, &strength) != 3) return;
    size_t before = mark(c->a);
    const char *layer = layers[strcmp(which, "conv") == 0].layer;
    const char *path = format(c->a, "%s/%s", FOLDER, name);
    if (!folder_is(path)) path = format(c->a, "%s.safetensors", path);
    LoraUse use = { .path = path, .unet = strength };
    Machine m = { .mem = c->a, .threads = 2 };
    Lora *l = lora_open(c->a, &use, 1);
    const Weight *own = named(c, which), *w = own, *bias = NULL;
    LoraPair pair;
    size_t n = weight_numel(own);
    float *x = allocate(c->a, n, sizeof *x);
    const char *wrong = lora_merge(&m, l, layer, &w, &bias);
    memcpy(x, w->data, n * sizeof *x);
    if (lora_pair(c->a, l, 0, layer, 1, &pair)) add_pair(&pair, x, n / own->shape[0]);
    double d = difference(x, golden->data, n);
    CHECK_MSG(!wrong, "%s: %s", golden->name, wrong);
    CHECK_MSG(d < TOLERANCE, "%s: differs by %.2g", golden->name, d);
    CHECK_MSG(difference(own->data, golden->data, n) > 1e-3, "%s: the golden changes nothing", golden->name);
    if (d > c->worst) c->worst = d;
    c->compared++;
    release(c->a, before);
}

static void run(void *to)
{
    Case *c = to;
    c->expected = weights_open(c->a, format(c->a, "%s/expected.safetensors", FOLDER));
    for (size_t i = 0; i < c->expected->count; i++) compare(c, &c->expected->weight[i]);
}

/* The configuration of a golden with one word in place of another. */
static void give_changed(Arena *a, const char *word, const char *other)
{
    Bytes weights = file_map(a, format(a, "%s/peft_oft_limited/adapter_model.safetensors", FOLDER));
    Bytes config = file_map(a, format(a, "%s/peft_oft_limited/adapter_config.json", FOLDER));
    const char *text = format(a, "%.*s", (int)config.size, (const char *)config.data);
    const char *at = strstr(text, word);
    text = format(a, "%.*s%s%s", (int)(at - text), text, other, at + strlen(word));
    file_give(a, "given/adapter_model.safetensors", weights);
    file_give(a, "given/adapter_config.json", (Bytes){ (const unsigned char *)text, strlen(text) });
}

static void open_given(void *to)
{
    Case *c = to;
    lora_open(c->a, &(LoraUse){ .path = "given/adapter_model.safetensors", .unet = 1 }, 1);
}

/* Python writes a small number as 6e-05, and anybody may write a number of terms that takes for ever. */
static void test_numbers(Case *c)
{
    char message[MESSAGE] = "";
    give_changed(c->a, "0.3", "6e-05");
    CHECK_MSG(!attempt(c->a, open_given, c, message), "%s", message);
    give_changed(c->a, "terms\": 5", "terms\": 2000000000000");
    CHECK(attempt(c->a, open_given, c, message));
    CHECK_MSG(strstr(message, "num_cayley_neumann_terms is 2000000000000, expected at most 100"), "%s", message);
}

int main(void)
{
    Case c = { .a = arena_new() };
    char message[MESSAGE] = "";
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    CHECK(c.compared > 60);
    test_numbers(&c);
    printf("  %d weights, at most %.2g off\n", c.compared, c.worst);
    arena_free(c.a);
    return done();
}
