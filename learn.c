/* learn.c - what learns.
 *
 * Pairs are made for the layers that the weights themselves name, so there is no list of layers here, only the rule
 * that kohya's trainer goes by.  The forward pass asks for a layer's pair by the layer's name, as it does for pairs from files.
 *
 * Everything that learns lies in one array, so that the optimizer, the norm of the gradient and a saved state
 * know nothing of layers; the gradient of a weight stands where the weight does, in another array. */
#include "learn.h"

#include <math.h>
#include <string.h>

static const char TOKENS[] = "te.text_model.embeddings.token_embedding.weight";

/* ---- which layers ----------------------------------------------------------------------------- */

static int begins(const char *name, const char *with) { return !strncmp(name, with, strlen(with)); }

static int has_side(const Weight *w, size_t side) { return w->rank == 4 ? w->shape[2] == side && w->shape[3] == side : w->rank == 2 && side == 1; }
static int named(const Weight *w, const char *part) { return strstr(w->name, part) != NULL; }

/* kohya sd-scripts, LoRANetwork: TEXT_ENCODER_TARGET_REPLACE_MODULE, UNET_TARGET_REPLACE_MODULE, UNET_TARGET_REPLACE_MODULE_CONV2D_3X3 */
static int is_target(const Weight *w, const LearnPlan *plan)
{
    size_t n = strlen(w->name);
    int convolutions = plan->conv_rank > 0;
    if ((!has_side(w, 1) && !(convolutions && has_side(w, 3))) || n < 8 || strcmp(w->name + n - 7, ".weight")) return 0;
    if (begins(w->name, "te.")) return plan->text && has_side(w, 1) && (named(w, ".self_attn.") || named(w, ".mlp."));
    return plan->unet && begins(w->name, "unet.") && (named(w, ".attentions.") || (convolutions && (named(w, ".resnets.") || named(w, ".downsamplers.") || named(w, ".upsamplers."))));
}

static const Weight *next_target(const Weights *w, const LearnPlan *plan, size_t *i)
{
    for (const Weight *one; (one = weights_at(w, *i)); ) {
        ++*i;
        if (is_target(one, plan) && weights_find(w, one->name) == one) return one;
    }
    return NULL;
}

/* ---- pairs ------------------------------------------------------------------------------------ */

/* [rows,columns], or [rows,columns,side,side] for a convolution */
static Weight matrix_of(Arena *a, const char *layer, size_t rank, size_t rows_of, size_t columns, size_t side)
{
    size_t *shape = take(a, 4, sizeof *shape);
    shape[0] = rows_of, shape[1] = columns, shape[2] = shape[3] = side;
    return (Weight){ layer, NULL, F32, rank, shape, rows_of * columns * side * side * sizeof(float) };
}

static size_t elements(const Weight *w) { return w->bytes / sizeof(float); }

/* a pair for each target, without its data; in the order of the layers' names */
static void name_pairs(Arena *a, Learner *l, const Weights *w, const LearnPlan *plan)
{
    size_t i = 0;
    while (next_target(w, plan, &i)) l->pairs++;
    l->down = take(a, l->pairs, sizeof *l->down), l->up = take(a, l->pairs, sizeof *l->up);
    i = 0;
    for (size_t k = 0; k < l->pairs; k++) {
        const Weight *target = next_target(w, plan, &i);
        const char *layer = format(a, "%.*s", (int)strlen(target->name) - 7, target->name);
        size_t side = has_side(target, 3) ? 3 : 1, rank = (size_t)(side > 1 ? plan->conv_rank : plan->rank);
        l->down[k] = matrix_of(a, layer, target->rank, rank, target->shape[1], side);
        l->up[k] = matrix_of(a, layer, target->rank, target->shape[0], rank, 1);
    }
    weights_sort(l->down, l->pairs), weights_sort(l->up, l->pairs);
}

/* tensors of all kinds by number, in the order in which they lie in x: the words, then down and up of each pair */
static size_t tensors(const Learner *l) { return 1 + 2 * l->pairs; }
static Weight *tensor_at(Learner *l, size_t i) { return !i ? &l->words : i % 2 ? &l->down[i / 2] : &l->up[i / 2 - 1]; }

static void place(Learner *l)
{
    float *x = l->x;
    for (size_t i = 0; i < tensors(l); x += elements(tensor_at(l, i++))) tensor_at(l, i)->data = x;
}

Learner *learner_new(Arena *a, const Weights *w, LearnPlan plan)
{
    Learner *l = take(a, 1, sizeof *l);
    const Weight *table = plan.vectors ? weights_find(w, TOKENS) : NULL;
    *l = (Learner){ .alpha = plan.alpha, .conv_alpha = plan.conv_alpha };
    name_pairs(a, l, w, &plan);
    if (plan.vectors && (!table || table->rank != 2)) fail(a, "no word can be learned: the model has no %s", TOKENS);
    if (!l->pairs && !table) fail(a, "no layer of this model can learn: it has neither UNet nor text encoder layers by names known here");
    l->words = matrix_of(a, "words", 2, (size_t)plan.vectors, table ? table->shape[1] : 0, 1);
    l->moments.eight_bits = plan.eight_bits;
    for (size_t i = 0; i < tensors(l); i++) {
        size_t n = elements(tensor_at(l, i));
        l->count += n;
        if (begins(tensor_at(l, i)->name, "te.")) l->text_count = l->count;      /* "te." comes before "unet." */
        if (!i) l->word_count = l->text_count = n;
        moments_add(&l->moments, n);
    }
    l->x = take(a, 2 * l->count, sizeof *l->x);
    memset(l->x, 0, 2 * l->count * sizeof *l->x);
    l->d = l->x + l->count;
    moments_take(a, &l->moments);
    place(l);
    return l;
}

static float *in(float *array, const Learner *l, const Weight *w) { return array + ((const float *)w->data - l->x); }

float *learning_gradient(const Learner *l, const float *x)
{
    uintptr_t at = (uintptr_t)x, from = l ? (uintptr_t)l->x : 0;
    return l && at >= from && at < from + l->count * sizeof *x ? l->d + (x - l->x) : NULL;
}

void learner_seed(Learner *l, Rng *rng)
{
    for (size_t k = 0; k < l->pairs; k++) {
        const Weight *down = &l->down[k];
        float *x = in(l->x, l, down), bound = 1 / sqrtf((float)(elements(down) / down->shape[0]));
        for (size_t i = 0; i < elements(down); i++) x[i] = ((float)(rng_bits(rng) & 0xffffffu) * 0x1p-23f - 1) * bound;
    }
}

static float alpha_of(const Learner *l, const Weight *down) { return has_side(down, 3) ? l->conv_alpha : l->alpha; }

int learning_pair(const Learner *l, const char *layer, LowRank *pair)
{
    const Weight *down = l ? weight_named(l->down, l->pairs, layer) : NULL;
    if (!down) return 0;
    pair->down = down, pair->up = l->up + (down - l->down), pair->scale = alpha_of(l, down) / (float)down->shape[0];
    pair->d_down = in(l->d, l, pair->down), pair->d_up = in(l->d, l, pair->up);
    return 1;
}

/* ---- the file --------------------------------------------------------------------------------- */

/* the weight as kohya's file has it: named so, in half precision */
static Weight exported(Arena *a, const Weight *w, const char *end)
{
    char *name = format(a, "lora_%s%s", w->name, end);
    for (char *p = name + 5, *stop = p + strlen(w->name); p < stop; p++) if (*p == '.') *p = '_';
    uint16_t *half = take(a, elements(w), sizeof *half);
    for (size_t i = 0; i < elements(w); i++) half[i] = float_to_half(((const float *)w->data)[i]);
    return (Weight){ name, half, F16, w->rank, w->shape, elements(w) * sizeof *half };
}

void learner_save(Arena *a, const Learner *l, const char *path, const Pair *metadata, size_t pairs)
{
    size_t before = mark(a);
    Weight *list = take(a, 3 * l->pairs, sizeof *list);
    uint16_t *alpha = take(a, l->pairs, sizeof *alpha);
    for (size_t k = 0; k < l->pairs; k++) {
        alpha[k] = float_to_half(alpha_of(l, &l->down[k]));
        Weight down = list[3 * k] = exported(a, &l->down[k], ".lora_down.weight");
        list[3 * k + 1] = exported(a, &l->up[k], ".lora_up.weight");
        list[3 * k + 2] = (Weight){ format(a, "%.*s.alpha", (int)(strlen(down.name) - strlen(".lora_down.weight")), down.name), &alpha[k], F16, 0, NULL, sizeof *alpha };
    }
    safetensors_save(a, path, list, 3 * l->pairs, metadata, pairs);
    release(a, before);
}

void learner_save_words(Arena *a, const Learner *l, const char *name, const char *path, const Pair *metadata, size_t pairs)
{
    Weight words = l->words;
    words.name = name;
    safetensors_save(a, path, &words, 1, metadata, pairs);
}

/* ---- a step ----------------------------------------------------------------------------------- */

void learner_step(Learner *l, Rates rates, AdamW how, int step, int threads)
{
    Moments next = l->moments;
    for (size_t i = 0, at = 0, n; i < tensors(l); i++, at += n) {
        n = elements(tensor_at(l, i));
        how.rate = at < l->word_count ? rates.words : at < l->text_count ? rates.text : rates.unet;
        moments_step(&next, l->x + at, l->d + at, n, how, step, threads);
    }
}
