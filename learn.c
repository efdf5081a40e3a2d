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

/* kohya sd-scripts: LoRANetwork.UNET_TARGET_REPLACE_MODULE, TEXT_ENCODER_TARGET_REPLACE_MODULE */
static int is_target(const Weight *w, const LearnPlan *plan)
{
    int matrix = w->rank == 2 || (w->rank == 4 && w->shape[2] == 1 && w->shape[3] == 1);
    size_t n = strlen(w->name);
    if (!matrix || n < 8 || strcmp(w->name + n - 7, ".weight")) return 0;
    if (begins(w->name, "unet.")) return plan->unet && strstr(w->name, ".attentions.") != NULL;
    return plan->text && begins(w->name, "te.") && (strstr(w->name, ".self_attn.") || strstr(w->name, ".mlp."));
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

/* [rows,columns], or [rows,columns,1,1] for a convolution */
static Weight matrix_of(Arena *a, const char *layer, size_t rank, size_t rows_of, size_t columns)
{
    size_t *shape = take(a, 4, sizeof *shape);
    shape[0] = rows_of, shape[1] = columns, shape[2] = shape[3] = 1;
    return (Weight){ layer, NULL, F32, rank, shape, rows_of * columns * sizeof(float) };
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
        l->down[k] = matrix_of(a, layer, target->rank, (size_t)plan->rank, target->shape[1]);
        l->up[k] = matrix_of(a, layer, target->rank, target->shape[0], (size_t)plan->rank);
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
    *l = (Learner){ .alpha = plan.alpha, .scale = plan.rank ? plan.alpha / (float)plan.rank : 0 };
    name_pairs(a, l, w, &plan);
    if (plan.vectors && (!table || table->rank != 2)) fail(a, "no word can be learned: the model has no %s", TOKENS);
    if (!l->pairs && !table) fail(a, "no layer of this model can learn: it has neither UNet nor text encoder layers by names known here");
    l->words = matrix_of(a, "words", 2, (size_t)plan.vectors, table ? table->shape[1] : 0);
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
        float *x = in(l->x, l, &l->down[k]), bound = 1 / sqrtf((float)l->down[k].shape[1]);
        for (size_t i = 0; i < elements(&l->down[k]); i++) x[i] = ((float)(rng_bits(rng) & 0xffffffu) * 0x1p-23f - 1) * bound;
    }
}

int learning_pair(const Learner *l, const char *layer, LowRank *pair)
{
    const Weight *down = l ? weight_named(l->down, l->pairs, layer) : NULL;
    if (!down) return 0;
    pair->down = down, pair->up = l->up + (down - l->down), pair->scale = l->scale;
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
    uint16_t *alpha = take(a, 1, sizeof *alpha);
    *alpha = float_to_half(l->alpha);
    for (size_t k = 0; k < l->pairs; k++) {
        Weight down = list[3 * k] = exported(a, &l->down[k], ".lora_down.weight");
        list[3 * k + 1] = exported(a, &l->up[k], ".lora_up.weight");
        list[3 * k + 2] = (Weight){ format(a, "%.*s.alpha", (int)(strlen(down.name) - strlen(".lora_down.weight")), down.name), alpha, F16, 0, NULL, sizeof *alpha };
    }
    safetensors_save(a, path, list, 3 * l->pairs, metadata, pairs);
    release(a, before);
}

void learner_save_words(Arena *a, const Learner *l, const char *path, const Pair *metadata, size_t pairs)
{
    Weight words = l->words;
    words.name = "emb_params";
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
