/* trainable.c - trainable parameters.
 *
 * LoRA (Hu et al., 2021) leaves the weight W [out,in] of a layer as it is and trains a low-rank product beside it:
 *
 *     y = W x + b + alpha / rank * up(down(x))                 down [rank,in], up [out,rank]
 *
 * up begins at zero, so training begins with an unchanged model.  lora_backward() in kernels/ computes the gradients.
 *
 * Textual inversion (Gal et al., 2022) trains new rows v_0 .. v_K-1 of the text encoder's token embedding table.
 * They come after its V rows, so token numbers V .. V+K-1 in a caption (captions.c) stand for them.  With the input of
 * the text encoder at place p of a prompt, h_p = v_k + position_p where ids[p] = V + k, the gradient of textual
 * inversion is
 *
 *     dv_k = the sum of dh_p over all places p with ids[p] = V + k                        (clip.c adds it up)
 *
 * There is no list of layers here, only the rule of kohya's trainer, applied to the names of the weights.  All
 * trainable parameters lie in one array, so the optimizer, the norm of the gradient and a saved state need to know no
 * layers. */
#include "trainable.h"

#include <math.h>
#include <string.h>

static const char TOKEN_TABLE[] = "te.text_model.embeddings.token_embedding.weight";
static const char WEIGHT[] = ".weight";

/* ---- which layers get a pair ------------------------------------------------------------------ */

static int starts_with(const char *name, const char *start) { return !strncmp(name, start, strlen(start)); }

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name);
    size_t m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

static int has_part(const Weight *w, const char *part) { return strstr(w->name, part) != NULL; }

/* Is the kernel side x side?  A linear layer counts as 1 x 1. */
static int has_kernel(const Weight *w, size_t side)
{
    if (w->rank == 4) return w->shape[2] == side && w->shape[3] == side;
    return w->rank == 2 && side == 1;
}

/* kohya: TEXT_ENCODER_TARGET_REPLACE_MODULE */
static int is_text_target(const Weight *w)
{
    return has_kernel(w, 1) && (has_part(w, ".self_attn.") || has_part(w, ".mlp."));
}

/* kohya: UNET_TARGET_REPLACE_MODULE, and with convolutions UNET_TARGET_REPLACE_MODULE_CONV2D_3X3 */
static int is_unet_target(const Weight *w, int convolutions)
{
    if (!has_kernel(w, 1) && !(convolutions && has_kernel(w, 3))) return 0;
    if (has_part(w, ".attentions.")) return 1;
    return convolutions && (has_part(w, ".resnets.") || has_part(w, ".downsamplers.") || has_part(w, ".upsamplers."));
}

static int is_target(const Weight *w, const TrainableConfig *config)
{
    if (!ends_with(w->name, WEIGHT)) return 0;
    if (starts_with(w->name, "te.")) return config->text && is_text_target(w);
    return config->unet && starts_with(w->name, "unet.") && is_unet_target(w, config->conv_rank > 0);
}

/* The next weight, from number *i on, whose layer gets a LoRA pair; or NULL.  It skips weights that a later file has
 * replaced. */
static const Weight *next_target(const Weights *weights, const TrainableConfig *config, size_t *i)
{
    const Weight *w;
    while ((w = weights_at(weights, *i))) {
        ++*i;
        if (is_target(w, config) && weights_find(weights, w->name) == w) return w;
    }
    return NULL;
}

/* ---- making the parameters -------------------------------------------------------------------- */

/* A matrix without its data: [rows,columns], or [rows,columns,side,side] for a convolution (rank 4). */
static Weight matrix_of(Arena *a, const char *name, size_t rank, size_t rows, size_t columns, size_t side)
{
    size_t *shape = allocate(a, 4, sizeof *shape);
    shape[0] = rows;
    shape[1] = columns;
    shape[2] = side;
    shape[3] = side;
    return (Weight){ .name = name, .type = F32, .rank = rank, .shape = shape,
                     .bytes = rows * columns * side * side * sizeof(float) };
}

static size_t elements(const Weight *w) { return w->bytes / sizeof(float); }

/* Makes a LoRA pair for each target, without data, in the order of the layers' names. */
static void make_pairs(Arena *a, Trainable *t, const Weights *weights, const TrainableConfig *config)
{
    size_t i = 0;
    while (next_target(weights, config, &i)) t->pairs++;
    t->down = allocate(a, t->pairs, sizeof *t->down);
    t->up = allocate(a, t->pairs, sizeof *t->up);
    i = 0;
    for (size_t k = 0; k < t->pairs; k++) {
        const Weight *w = next_target(weights, config, &i);
        const char *layer = format(a, "%.*s", (int)(strlen(w->name) - strlen(WEIGHT)), w->name);
        size_t side = has_kernel(w, 3) ? 3 : 1;
        size_t rank = (size_t)(side == 3 ? config->conv_rank : config->rank);
        t->down[k] = matrix_of(a, layer, w->rank, rank, w->shape[1], side);
        t->up[k] = matrix_of(a, layer, w->rank, w->shape[0], rank, 1);
    }
    weights_sort(t->down, t->pairs);
    weights_sort(t->up, t->pairs);
}

static size_t count_all(const Trainable *t)
{
    size_t count = elements(&t->words);
    for (size_t k = 0; k < t->pairs; k++) count += elements(&t->down[k]) + elements(&t->up[k]);
    return count;
}

/* Gives a tensor the next place in x. */
static void place(Trainable *t, Weight *w, ParameterGroup group)
{
    w->data = t->x + t->count;
    t->tensor[t->tensors++] = (ParameterTensor){ .offset = t->count, .count = elements(w), .group = group,
                                                 .rows = w->shape[w->rank - 2], .columns = w->shape[w->rank - 1] };
    t->count += elements(w);
}

static void place_all(Arena *a, Trainable *t)
{
    size_t count = count_all(t);
    t->x = allocate(a, 2 * count, sizeof *t->x);
    memset(t->x, 0, 2 * count * sizeof *t->x);
    t->d = t->x + count;
    t->tensor = allocate(a, 1 + 2 * t->pairs, sizeof *t->tensor);
    place(t, &t->words, TOKEN_VECTORS);
    t->word_count = t->count;
    for (size_t k = 0; k < t->pairs; k++) {
        ParameterGroup group = starts_with(t->down[k].name, "te.") ? TEXT_ENCODER_LORA : UNET_LORA;
        place(t, &t->down[k], group);
        place(t, &t->up[k], group);
    }
}

Trainable *trainable_new(Arena *a, const Weights *w, TrainableConfig config)
{
    Trainable *t = allocate(a, 1, sizeof *t);
    *t = (Trainable){ .alpha = config.alpha, .conv_alpha = config.conv_alpha };
    const Weight *table = config.vectors ? weights_find(w, TOKEN_TABLE) : NULL;
    make_pairs(a, t, w, &config);
    if (config.vectors && (!table || table->rank != 2))
        fail(a, "no word can be learned: the model has no %s", TOKEN_TABLE);
    if (!t->pairs && !table)
        fail(a, "no layer of this model can learn: it has neither UNet nor text encoder layers by names known here");
    t->words = matrix_of(a, "words", 2, (size_t)config.vectors, table ? table->shape[1] : 0, 1);
    place_all(a, t);
    return t;
}

static float uniform(Rng *rng) { return (float)(rng_bits(rng) & 0xffffffu) * 0x1p-23f - 1; }      /* -1 .. 1 */

/* Where this matrix begins in x, or in d, which has the same layout. */
static float *part_of(float *array, const Trainable *t, const Weight *w)
{
    return array + ((const float *)w->data - t->x);
}

/* torch.nn.init.kaiming_uniform_(down, a=sqrt(5)), which is uniform in +-1/sqrt(fan_in).  zeros_(up) has been done. */
void trainable_init(Trainable *t, Rng *rng)
{
    for (size_t k = 0; k < t->pairs; k++) {
        const Weight *down = &t->down[k];
        float *x = part_of(t->x, t, down);
        float bound = 1 / sqrtf((float)(elements(down) / down->shape[0]));
        for (size_t i = 0; i < elements(down); i++) x[i] = uniform(rng) * bound;
    }
}

/* ---- for the forward and the backward pass ---------------------------------------------------- */

static float alpha_of(const Trainable *t, const Weight *down) { return has_kernel(down, 3) ? t->conv_alpha : t->alpha; }

int trainable_pair(const Trainable *t, const char *layer, LoraLayer *pair)
{
    const Weight *down = t ? weight_named(t->down, t->pairs, layer) : NULL;
    if (!down) return 0;
    pair->down = down;
    pair->up = &t->up[down - t->down];
    pair->scale = alpha_of(t, down) / (float)down->shape[0];
    pair->d_down = part_of(t->d, t, pair->down);
    pair->d_up = part_of(t->d, t, pair->up);
    return 1;
}

float *trainable_gradient(const Trainable *t, const float *x)
{
    if (!t) return NULL;
    uintptr_t at = (uintptr_t)x;
    uintptr_t first = (uintptr_t)t->x;
    if (at < first || at >= first + t->count * sizeof *x) return NULL;
    return t->d + (x - t->x);
}

/* ---- files ------------------------------------------------------------------------------------ */

/* "unet.mid_block.x" -> "lora_unet_mid_block_x", followed by `end` */
static char *kohya_name(Arena *a, const char *layer, const char *end)
{
    char *name = format(a, "lora_%s%s", layer, end);
    size_t prefix = strlen("lora_");
    for (size_t i = prefix; i < prefix + strlen(layer); i++)
        if (name[i] == '.') name[i] = '_';
    return name;
}

/* As it stands in the file; the data stay float32 until they are written. */
static Weight in_half_precision(Arena *a, const Weight *w, const char *end)
{
    return (Weight){ .name = kohya_name(a, w->name, end), .data = w->data, .type = F16, .rank = w->rank,
                     .shape = w->shape, .bytes = elements(w) * sizeof(uint16_t) };
}

static Weight alpha_tensor(Arena *a, const Trainable *t, const Weight *down)
{
    float *alpha = allocate(a, 1, sizeof *alpha);
    *alpha = alpha_of(t, down);
    return (Weight){ .name = kohya_name(a, down->name, ".alpha"), .data = alpha, .type = F16,
                     .bytes = sizeof(uint16_t) };
}

void trainable_save_lora(Arena *a, const Trainable *t, const char *path, const KeyValue *metadata, size_t pairs)
{
    size_t before = mark(a);
    Weight *list = allocate(a, 3 * t->pairs, sizeof *list);
    for (size_t k = 0; k < t->pairs; k++) {
        list[3 * k] = in_half_precision(a, &t->down[k], ".lora_down.weight");
        list[3 * k + 1] = in_half_precision(a, &t->up[k], ".lora_up.weight");
        list[3 * k + 2] = alpha_tensor(a, t, &t->down[k]);
    }
    safetensors_save_halves(a, path, list, 3 * t->pairs, metadata, pairs);
    release(a, before);
}

void trainable_save_embedding(Arena *a, const Trainable *t, const char *name, const char *path,
                              const KeyValue *metadata, size_t pairs)
{
    Weight words = t->words;
    words.name = name;
    safetensors_save(a, path, &words, 1, metadata, pairs);
}
