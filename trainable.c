/* trainable.c - trainable parameters.
 *
 * LoRA (Hu et al., 2021) leaves the weight W [out,in] of a layer as it is and trains a low-rank product beside it:
 *
 *     y = W x + b + alpha / rank * up(down(x))                 down [rank,in], up [out,rank]
 *
 * up begins at zero, so training begins with an unchanged model.  lora_backward() in kernels/ computes the gradients.
 * Its relatives LoHa, LoKr and DoRA train other matrices: adapters/adapter_parts.c says which, and adapter_weight.c
 * computes W' and the gradients.
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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TOKEN_TABLE[] = "te.text_model.embeddings.token_embedding.weight";
static const char WEIGHT[] = ".weight";
enum { LONGEST_NAME = 256 };             /* of a weight with an adapter; no model has such long ones */

/* ---- which layers get an adapter -------------------------------------------------------------- */

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

/* kohya: TEXT_ENCODER_TARGET_REPLACE_MODULE; LyCORIS' attn-only without CLIPMLP */
static int is_text_target(const Weight *w, Targets targets)
{
    if (!has_kernel(w, 1)) return 0;
    return has_part(w, ".self_attn.") || (has_part(w, ".mlp.") && targets != TARGETS_ATTN_ONLY);
}

/* kohya: UNET_TARGET_REPLACE_MODULE_CONV2D_3X3: the layers of resnets and samplers */
static int is_of_resnets(const Weight *w)
{
    return has_part(w, ".resnets.") || has_part(w, ".downsamplers.") || has_part(w, ".upsamplers.");
}

/* LyCORIS: UNET_TARGET_REPLACE_NAME of the preset full */
static int is_of_ends(const Weight *w)
{
    return starts_with(w->name, "unet.conv_in.") || starts_with(w->name, "unet.conv_out.")
        || starts_with(w->name, "unet.time_embedding.");
}

/* kohya: UNET_TARGET_REPLACE_MODULE, and the presets of LyCORIS (config.py) */
static int is_unet_target(const Weight *w, const TrainableConfig *config)
{
    int convolutions = config->conv_rank > 0;
    if (!has_kernel(w, 1) && !(convolutions && has_kernel(w, 3))) return 0;
    int is_in_transformer = has_part(w, ".attentions.");
    switch (config->targets) {
    case TARGETS_ATTN_ONLY: return has_part(w, ".attn1.") || has_part(w, ".attn2.");
    case TARGETS_ATTN_MLP:  return is_in_transformer;
    case TARGETS_FULL_LIN:  return is_in_transformer || has_part(w, ".resnets.") || is_of_ends(w);
    case TARGETS_FULL:      return is_in_transformer || is_of_resnets(w) || is_of_ends(w);
    default:                return is_in_transformer || (convolutions && is_of_resnets(w));
    }
}

static int is_target(const Weight *w, const TrainableConfig *config)
{
    if (!ends_with(w->name, WEIGHT) || strlen(w->name) >= LONGEST_NAME) return 0;
    if (starts_with(w->name, "te.")) return config->text && is_text_target(w, config->targets);
    return config->unet && starts_with(w->name, "unet.") && is_unet_target(w, config);
}

/* The next weight, from number *i on, whose layer gets an adapter; or NULL.  It skips weights that a later file has
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

static size_t elements(const Weight *w) { return w->bytes / sizeof(float); }

static int by_layer(const void *x, const void *y)
{
    const Module *a = x;
    const Module *b = y;
    return strcmp(a->layer, b->layer);
}

static const char *layer_of(Arena *a, const Weight *w)
{
    return format(a, "%.*s", (int)(strlen(w->name) - strlen(WEIGHT)), w->name);
}

/* Makes the parts for each target, without data, in the order of the layers' names. */
static void make_modules(Arena *a, Trainable *t, const Weights *weights, const TrainableConfig *config)
{
    size_t i = 0;
    while (next_target(weights, config, &i)) t->modules++;
    t->module = allocate(a, t->modules, sizeof *t->module);
    i = 0;
    for (size_t k = 0; k < t->modules; k++) {
        const Weight *w = next_target(weights, config, &i);
        int is_3x3 = has_kernel(w, 3);
        size_t rank = (size_t)(is_3x3 ? config->conv_rank : config->rank);
        float alpha = is_3x3 ? config->conv_alpha : config->alpha;
        t->module[k] = adapter_parts(a, layer_of(a, w), w, &config->kind, rank, alpha);
    }
    if (t->modules) qsort(t->module, t->modules, sizeof *t->module, by_layer);
}

static int is_trained(AdapterPart p, const Module *m) { return m->part[p] && p != ALPHA; }

static size_t count_all(const Trainable *t, size_t *tensors)
{
    size_t count = elements(&t->words);
    *tensors = 1;
    for (size_t k = 0; k < t->modules; k++)
        for (AdapterPart p = DOWN; p < PARTS; p++) {
            if (!is_trained(p, &t->module[k])) continue;
            count += elements(t->module[k].part[p]);
            ++*tensors;
        }
    return count;
}

/* Gives a tensor the next place in x.  A vector, as a file may hold one, has no rows: see optimizer.h. */
static void place(Trainable *t, Weight *w, ParameterGroup group)
{
    size_t rows = w->rank > 1 ? w->shape[w->rank - 2] : 0;
    w->data = t->x + t->count;
    t->tensor[t->tensors++] = (ParameterTensor){ .offset = t->count, .count = elements(w), .group = group,
                                                 .rows = rows, .columns = w->shape[w->rank - 1] };
    t->count += elements(w);
}

static void place_all(Arena *a, Trainable *t)
{
    size_t tensors;
    size_t count = count_all(t, &tensors);
    t->x = allocate(a, 2 * count, sizeof *t->x);
    memset(t->x, 0, 2 * count * sizeof *t->x);
    t->d = t->x + count;
    t->tensor = allocate(a, tensors, sizeof *t->tensor);
    place(t, &t->words, TOKEN_VECTORS);
    t->word_count = t->count;
    for (size_t k = 0; k < t->modules; k++) {
        const Module *m = &t->module[k];
        ParameterGroup group = starts_with(m->layer, "te.") ? TEXT_ENCODER_LORA : UNET_LORA;
        for (AdapterPart p = DOWN; p < PARTS; p++)
            if (is_trained(p, m)) place(t, (Weight *)(uintptr_t)m->part[p], group);
    }
}

/* All trainable parameters, whose adapters are made. */
static Trainable *complete(Arena *a, const Weights *w, const TrainableConfig *config, Trainable *t)
{
    size_t *shape = allocate(a, 2, sizeof *shape);
    const Weight *table = config->vectors ? weights_find(w, TOKEN_TABLE) : NULL;
    if (config->vectors && (!table || table->rank != 2))
        fail(a, "no word can be learned: the model has no %s", TOKEN_TABLE);
    if (!t->modules && !table)
        fail(a, "no layer of this model can learn: it has neither UNet nor text encoder layers by names known here");
    shape[0] = (size_t)config->vectors;
    shape[1] = table ? table->shape[1] : 0;
    t->words = (Weight){ .name = "words", .type = F32, .rank = 2, .shape = shape,
                         .bytes = shape[0] * shape[1] * sizeof(float) };
    place_all(a, t);
    return t;
}

Trainable *trainable_new(Arena *a, const Weights *w, TrainableConfig config)
{
    Trainable *t = allocate(a, 1, sizeof *t);
    *t = (Trainable){ .count = 0 };
    make_modules(a, t, w, &config);
    return complete(a, w, &config, t);
}

static const Weight *weight_of(const Weights *w, const Module *m)
{
    char name[LONGEST_NAME];
    snprintf(name, sizeof name, "%s%s", m->layer, WEIGHT);
    return weights_find(w, name);
}

/* ---- going on from a file --------------------------------------------------------------------- */

/* What is wrong, all of it; the first few in words. */
typedef struct { Arena *a; const char *text; size_t count; } Faults;

static void add_fault(Faults *f, const char *text)
{
    enum { LISTED = 8 };
    if (f->count++ < LISTED) f->text = format(f->a, "%s\n  %s", f->text, text);
}

static void fail_of_all(const Faults *f, const LoraFile *file, const char *advice)
{
    if (f->count)
        fail(f->a, "%s: %zu of its layers do not fit what is to be trained%s%s", file->file->path, f->count, advice,
             f->text);
}

Trainable *trainable_like(Arena *a, const Weights *w, TrainableConfig config, const LoraFile *file)
{
    Trainable *t = allocate(a, 1, sizeof *t);
    Faults faults = { a, "", 0 };
    const Weight *own;
    *t = (Trainable){ .module = allocate(a, file->modules, sizeof *t->module) };
    for (size_t i = 0; (own = weights_at(w, i)); i++) {
        if (!ends_with(own->name, WEIGHT) || strlen(own->name) >= LONGEST_NAME || own->rank < 2) continue;
        if (weights_find(w, own->name) != own) continue;
        int is_wanted = starts_with(own->name, "te.") ? config.text : starts_with(own->name, "unet.") && config.unet;
        const char *layer = layer_of(a, own);
        const Module *from = is_wanted ? adapter_module(file, flat_layer(a, layer)) : NULL;
        if (!from) continue;
        const char *wrong = adapter_parts_like(a, layer, own, from, &t->module[t->modules]);
        if (wrong) add_fault(&faults, wrong);
        else t->modules++;
    }
    fail_of_all(&faults, file, "");
    if (!t->modules)
        fail(a, "%s: none of its %zu layers is one that is to be trained", file->file->path, file->modules);
    qsort(t->module, t->modules, sizeof *t->module, by_layer);
    return complete(a, w, &config, t);
}

size_t trainable_take(Arena *a, Trainable *t, const LoraFile *file)
{
    Faults faults = { a, "", 0 };
    size_t missing = 0;
    for (size_t k = 0; k < t->modules; k++) {
        const Module *from = adapter_module(file, flat_layer(a, t->module[k].layer));
        const char *wrong = from ? adapter_take(a, &t->module[k], from) : NULL;
        if (!from) missing++;
        if (wrong) add_fault(&faults, wrong);
    }
    fail_of_all(&faults, file, "; give the file's --network_dim and --conv_dim, or --dim_from_weights");
    if (missing == t->modules)
        fail(a, "%s: it has nothing for the %zu layers that are trained", file->file->path, t->modules);
    return missing;
}

/* kohya, networks/lora.py, apply_max_norm_regularization:
 *     norm = updown.norm().clamp(min=max_norm_value / 2);  ratio = torch.clamp(norm, max=max_norm_value) / norm */
size_t trainable_limit_norms(Machine *m, Trainable *t, const Weights *w, double most, double *mean)
{
    size_t scaled = 0;
    double sum = 0;
    for (size_t k = 0; k < t->modules; k++) {
        const Module *mod = &t->module[k];
        double norm = adapter_norm(m, mod, weight_of(w, mod));
        double ratio = norm > most ? most / norm : 1;
        sum += norm * ratio;
        if (!(norm > most)) continue;
        adapter_multiply(mod, ratio);
        scaled++;
    }
    *mean = t->modules ? sum / (double)t->modules : 0;
    return scaled;
}

/* ---- the beginning ----------------------------------------------------------------------------- */

void trainable_init(Trainable *t, const Weights *w, Rng *rng)
{
    for (size_t k = 0; k < t->modules; k++) adapter_begin(&t->module[k], weight_of(w, &t->module[k]), rng);
}

/* ---- for the forward and the backward pass ---------------------------------------------------- */

static int compare_layer(const void *layer, const void *module)
{
    return strcmp(layer, ((const Module *)module)->layer);
}

const Module *trainable_module(const Trainable *t, const char *layer)
{
    if (!t || !t->modules) return NULL;
    return bsearch(layer, t->module, t->modules, sizeof *t->module, compare_layer);
}

/* Each layer draws for itself. */
static uint64_t seed_of(const Trainable *t, const Module *module)
{
    return t->dropout.seed + (uint64_t)(module - t->module + 1) * 0x100000001u;
}

int trainable_is_dropped(const Trainable *t, const Module *module)
{
    return t->dropout.seed && dropout_uniform(~seed_of(t, module), 0) < t->module_dropout;
}

void trainable_pair(const Trainable *t, const Module *module, LoraLayer *pair)
{
    pair->down = module->part[DOWN];
    pair->up = module->part[UP];
    pair->scale = trainable_is_dropped(t, module) ? 0 : module->scale;
    pair->dropout = t->dropout;
    if (t->dropout.seed) pair->dropout.seed = seed_of(t, module);
    pair->d_down = trainable_gradient(t, pair->down->data);
    pair->d_up = trainable_gradient(t, pair->up->data);
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

/* A part as it stands in the file; the data stay float32 until they are written. */
static Weight in_half_precision(Arena *a, const char *layer, AdapterPart part, const Weight *w)
{
    const char *end = format(a, ".%s", adapter_part_name(part));
    return (Weight){ .name = kohya_name(a, layer, end), .data = w->data, .type = F16, .rank = w->rank,
                     .shape = w->shape, .bytes = elements(w) * sizeof(uint16_t) };
}

void trainable_save_lora(Arena *a, const Trainable *t, const char *path, const KeyValue *metadata, size_t pairs)
{
    size_t before = mark(a);
    size_t n = 0;
    Weight *list = allocate(a, t->modules * PARTS, sizeof *list);
    for (size_t k = 0; k < t->modules; k++)
        for (AdapterPart p = DOWN; p < PARTS; p++) {
            const Module *m = &t->module[k];
            if (m->part[p]) list[n++] = in_half_precision(a, m->layer, p, m->part[p]);
        }
    safetensors_save_halves(a, path, list, n, metadata, pairs);
    release(a, before);
}

void trainable_save_embedding(Arena *a, const Trainable *t, const char *name, const char *path,
                              const KeyValue *metadata, size_t pairs)
{
    Weight words = t->words;
    words.name = name;
    safetensors_save(a, path, &words, 1, metadata, pairs);
}
