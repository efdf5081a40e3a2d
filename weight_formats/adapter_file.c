/* adapter_file.c - files of adapters: LoRA and its relatives, in every spelling that people have.
 *
 * A file holds a few tensors for each layer that it changes.  adapter_names.c reads from a tensor's name which part it
 * is, and of which layer.  The table of families says how the parts make dW, the change of a weight.  In every family
 * dW is made of one or two factors, and a factor is one matrix, or a product of two (LyCORIS: Yeh et al., 2024).
 *
 * Broken files are refused: a partner that is missing, a rank or shape that does not fit, two families for one layer.
 * Reference: kohya's networks/lora.py, LyCORIS' modules, PEFT's LoraConfig. */
#include "adapter_file.h"

#include "chars.h"
#include "checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- families ---------------------------------------------------------------------------------- */

static const Family families[ADAPTER_FAMILIES] = {
    {
        .name = "LoRA",
        .second = { .left = UP, .right = DOWN, .core = MID },
        .combination = SUM,
    },
    {
        .name = "LoHa",
        .first  = { .left = HADA_1A, .right = HADA_1B, .core = HADA_T1 },
        .second = { .left = HADA_2A, .right = HADA_2B, .core = HADA_T2 },
        .combination = HADAMARD,
        .left_transposed = 1,
    },
    {
        .name = "LoKr",
        .first  = { .whole = LOKR_1, .left = LOKR_1A, .right = LOKR_1B },
        .second = { .whole = LOKR_2, .left = LOKR_2A, .right = LOKR_2B, .core = LOKR_T2 },
        .combination = KRONECKER,
        .left_transposed = 1,
    },
    {
        .name = "difference",
        .second = { .whole = DIFF },
        .combination = SUM,
    },
};

const Family *adapter_family(size_t i)
{
    return &families[i];
}

/* ---- shapes ------------------------------------------------------------------------------------ */

size_t values_per_output(const Weight *w)
{
    return weight_numel(w) / w->shape[0];
}

static int has_possible_shape(const Weight *w)
{
    if (w->rank < 1 || w->rank > 4) return 0;
    for (size_t i = 0; i < w->rank; i++)
        if (!w->shape[i] || w->shape[i] >= LARGEST_SIDE_OF_A_WEIGHT) return 0;
    return values_per_output(w) < LARGEST_SIDE_OF_A_WEIGHT;
}

static int is_given(const Module *m, Factor f)
{
    return m->part[f.whole] || m->part[f.left] || m->part[f.right] || m->part[f.core];
}

static _Noreturn void fail_misfit(Arena *a, const char *path, const Weight *x, const Weight *y)
{
    fail(a, "%s: %s is %s and %s is %s, which do not fit together: the file is damaged",
         path, x->name, shape_text(a, x), y->name, shape_text(a, y));
}

static _Noreturn void fail_missing(Arena *a, const char *path, const Weight *x, AdapterPart missing)
{
    fail(a, "%s: %s has no %s beside it: the file is damaged or of a kind not known here",
         path, x->name, adapter_part_name(missing));
}

/* The core of a Tucker decomposition is [p,q,k,k] and its right partner [q,in] (or [q,in,1,1]). */
static int core_fits(const Weight *core, const Weight *right)
{
    if (core->rank != 4 || core->shape[1] != right->shape[0]) return 0;
    return right->rank <= 2 || values_per_output(right) == right->shape[1];
}

/* The size of a factor's matrix, after a check of its parts. */
static Extent factor_extent(Arena *a, const char *path, const Module *m, Factor f, int left_transposed)
{
    const Weight *whole = m->part[f.whole];
    const Weight *left = m->part[f.left];
    const Weight *right = m->part[f.right];
    const Weight *core = m->part[f.core];
    if (whole && (left || right || core))
        fail(a, "%s: %s stands beside its own factors: the file is damaged", path, whole->name);
    if (whole) return (Extent){ .rows = whole->shape[0], .columns = values_per_output(whole) };
    if (!left)  fail_missing(a, path, right ? right : core, f.left);
    if (!right) fail_missing(a, path, left, f.right);
    size_t inner = right->shape[0];
    size_t taps = 1;
    if (core) {
        inner = core->shape[0];
        taps = weight_numel(core) / core->shape[0] / right->shape[0];
        if (!core_fits(core, right)) fail_misfit(a, path, core, right);
    }
    if (left->rank < 2 || right->rank < 2) fail_misfit(a, path, core ? core : right, left);
    int transposed = left_transposed && core;
    size_t left_inner = transposed ? left->shape[0] : left->shape[1];
    size_t left_rows = transposed ? left->shape[1] : left->shape[0];
    if (left_inner != inner || weight_numel(left) != left->shape[0] * left->shape[1])
        fail_misfit(a, path, core ? core : right, left);
    return (Extent){ .rows = left_rows, .columns = values_per_output(right) * taps, .rank = right->shape[0] };
}

/* The size of dW, after a check that its two matrices fit together. */
static Extent whole_extent(Arena *a, const char *path, const Module *m)
{
    Extent x = m->first;
    Extent y = m->second;
    Factor f = m->family->first;
    Factor g = m->family->second;
    if (x.rank && y.rank && x.rank != y.rank) fail_misfit(a, path, m->part[f.right], m->part[g.right]);
    size_t rank = y.rank ? y.rank : x.rank;
    switch (m->family->combination) {
    case HADAMARD:
        if (x.rows != y.rows)       fail_misfit(a, path, m->part[f.left], m->part[g.left]);
        if (x.columns != y.columns) fail_misfit(a, path, m->part[f.right], m->part[g.right]);
        break;
    case KRONECKER:
        return (Extent){ .rows = x.rows * y.rows, .columns = x.columns * y.columns, .rank = rank };
    case SUM:
        break;
    }
    return (Extent){ .rows = y.rows, .columns = y.columns, .rank = rank };
}

const Weight *adapter_some_part(const Module *m)
{
    AdapterPart p = DOWN;
    while (!m->part[p]) p++;
    return m->part[p];
}

/* ---- alpha: a tensor of the file, or a number in PEFT's configuration --------------------------- */

static int is_of_text_encoder(const Module *m)
{
    return !strncmp(m->layer, "te_", 3);
}

/* The value of a key, or of "unet.key" and "text_encoder.key", as diffusers puts both models into one configuration.
 * */
static int configured(Arena *a, const LoraFile *f, const Module *m, const char *key, Json *value)
{
    if (!f->config.at) return 0;
    *value = f->config;
    const char *model = is_of_text_encoder(m) ? "text_encoder" : "unet";
    if (json_member(value, format(a, "%s.%s", model, key))) return 1;
    return json_member(value, key);
}

static double config_number(Json *value, const char *key)
{
    double x;
    const char *text = json_number(value);
    if (!text || !read_number(text, &x)) json_bad(value, format(value->mem, "%s is not a number", key));
    return x;
}

/* PEFT: a pattern is the end of a layer's name.  It may be a regular expression too; nobody has been seen to use one.
 * */
static int pattern_fits(const Json *at, const char *pattern, const char *name, size_t n)
{
    if (strpbrk(pattern, "*+?()[]{}|^$\\"))
        json_bad(at, "alpha_pattern holds a regular expression, which is not supported");
    size_t k = strlen(pattern);
    if (n < k || strncmp(name + n - k, pattern, k)) return 0;
    return n == k || name[n - k - 1] == '.';
}

/* Sets *alpha when a pattern of "alpha_pattern" fits this layer. */
static int pattern_alpha(Arena *a, const LoraFile *f, const Module *m, double *alpha)
{
    Json value;
    size_t stem;
    const Weight *w = adapter_some_part(m);
    adapter_part(w->name, &stem);
    if (!configured(a, f, m, "alpha_pattern", &value)) return 0;
    if (!json_accept(&value, '{') || json_accept(&value, '}')) return 0;
    do {
        const char *pattern = json_string(&value);
        json_expect(&value, ':', "alpha_pattern lacks a colon");
        *alpha = config_number(&value, "alpha_pattern");
        if (pattern_fits(&value, pattern, w->name, stem)) return 1;
    } while (json_accept(&value, ','));
    return 0;
}

static double configured_alpha(Arena *a, const LoraFile *f, const Module *m)
{
    Json value;
    double alpha;
    if (pattern_alpha(a, f, m, &alpha)) return alpha;
    if (configured(a, f, m, "lora_alpha", &value)) return config_number(&value, "lora_alpha");
    if (configured(a, f, m, "alpha", &value)) return config_number(&value, "alpha");
    return 0;
}

/* scale = alpha / rank;  1 where alpha is absent or zero (kohya), alpha / sqrt(rank) for rsLoRA (Kalajdzievski, 2023)
 * */
static float scale_of(Arena *a, const LoraFile *f, const Module *m)
{
    const Weight *w = m->part[ALPHA];
    Json value;
    double rank = (double)m->all.rank;
    double alpha = w ? (double)dtype_value(w->data, w->type, 0) : configured_alpha(a, f, m);
    if (!isfinite(alpha)) fail(a, "%s: %s is not a finite number: the file is damaged", f->file->path, w->name);
    if (!w && configured(a, f, m, "use_rslora", &value) && json_literal(&value, "true")) rank = sqrt(rank);
    if (alpha == 0 || !m->all.rank) return 1;
    return (float)(alpha / rank);
}

/* ---- checking a module ------------------------------------------------------------------------- */

static void check_part(Arena *a, const char *path, AdapterPart p, const Weight *w)
{
    int type_fits = p == ALPHA ? dtype_is_number(w->type) : dtype_is_float(w->type);
    if (!type_fits) fail(a, "%s: %s is of type %s, expected floating point", path, w->name, dtype_name(w->type));
    int shape_fits = p == ALPHA ? weight_numel(w) == 1 : has_possible_shape(w);
    if (!shape_fits) fail(a, "%s: %s is %s, which cannot be", path, w->name, shape_text(a, w));
}

static void set_family(Arena *a, const char *path, Module *m, const Family *f)
{
    int has_first = is_given(m, f->first);
    int has_second = is_given(m, f->second);
    if (!has_first && !has_second) return;
    if (m->family)
        fail(a, "%s: %s is of two kinds at once, %s and %s",
             path, adapter_some_part(m)->name, m->family->name, f->name);
    m->family = f;
    int needs_first = f->combination != SUM;
    if (needs_first && !has_first) fail_missing(a, path, adapter_some_part(m), f->first.left);
    if (!has_second)               fail_missing(a, path, adapter_some_part(m), f->second.left);
    if (needs_first) m->first = factor_extent(a, path, m, f->first, f->left_transposed);
    m->second = factor_extent(a, path, m, f->second, f->left_transposed);
    m->all = whole_extent(a, path, m);
}

static void complete(Arena *a, const LoraFile *file, Module *m)
{
    const char *path = file->file->path;
    for (AdapterPart p = DOWN; p < PARTS; p++)
        if (m->part[p]) check_part(a, path, p, m->part[p]);
    for (size_t i = 0; i < ADAPTER_FAMILIES; i++) set_family(a, path, m, &families[i]);
    if (!m->family && !m->part[DIFF_B])
        fail(a, "%s: %s stands alone: the file is damaged or of a kind not known here",
             path, adapter_some_part(m)->name);
    if (m->part[SCALE] && m->part[MAGNITUDE])
        fail(a, "%s: %s stands beside %s", path, m->part[SCALE]->name, m->part[MAGNITUDE]->name);
    if (!m->family && (m->part[SCALE] || m->part[MAGNITUDE])) fail_missing(a, path, adapter_some_part(m), UP);
    m->scale = scale_of(a, file, m);
}

/* ---- opening ----------------------------------------------------------------------------------- */

typedef struct { const char *layer; AdapterPart part; const Weight *weight; } Entry;

static int by_layer(const void *x, const void *y)
{
    const Entry *a = x;
    const Entry *b = y;
    int order = strcmp(a->layer, b->layer);
    if (order) return order;
    if (a->part == b->part) return 0;
    return a->part < b->part ? -1 : 1;
}

/* The file's tensors by layer; those with an unknown ending are listed apart.  Returns how many were known. */
static size_t list_entries(Arena *a, LoraFile *f, Entry *entry)
{
    const WeightFile *s = f->file;
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const char *name = s->weight[i].name;
        size_t stem;
        AdapterPart part = adapter_part(name, &stem);
        if (begins(name, "bundle_emb.")) continue;                      /* an embedding in the file: see embedding.h */
        if (part) entry[n++] = (Entry){ .layer = flat_name(a, name, stem), .part = part, .weight = &s->weight[i] };
        else f->unknown[f->unknowns++] = name;
    }
    return n;
}

static void sort_into_modules(Arena *a, LoraFile *f)
{
    const WeightFile *s = f->file;
    Entry *entry = allocate(a, s->count, sizeof *entry);
    f->unknown = allocate(a, s->count, sizeof *f->unknown);
    size_t n = list_entries(a, f, entry);
    if (n) qsort(entry, n, sizeof *entry, by_layer);
    f->module = allocate(a, n, sizeof *f->module);
    for (size_t i = 0; i < n; i++) {
        int is_new = !i || strcmp(entry[i].layer, entry[i - 1].layer);
        if (is_new) f->module[f->modules++] = (Module){ .layer = entry[i].layer };
        const Weight **place = &f->module[f->modules - 1].part[entry[i].part];
        if (*place) fail(a, "%s: %s and %s are the same thing twice", s->path, (*place)->name, entry[i].weight->name);
        *place = entry[i].weight;
    }
}

/* The configuration that diffusers puts into the file, or PEFT beside it. */
static Json config_of(Arena *a, const WeightFile *s)
{
    static const char KIND[] = "configuration of a LoRA";
    const char *text = file_metadata(s, "lora_adapter_metadata");
    if (text) return json_begin(a, s->path, KIND, (Bytes){ (const unsigned char *)text, strlen(text) });
    int folder = (int)(file_name(s->path) - s->path);
    const char *beside = format(a, "%.*sadapter_config.json", folder, s->path);
    int by_peft = s->count && strstr(s->weight[0].name, "base_model.model.");
    if (!by_peft || !(file_is_given(a, beside) || file_is(beside))) return (Json){ .at = NULL };
    return json_begin(a, beside, KIND, file_map(a, beside));
}

LoraFile adapter_open(Arena *a, LoraUse use)
{
    LoraFile f = { .file = weights_open(a, use.path), .use = use };
    if (file_kind(f.file) != LORA_FILE) fail(a, "%s: expected a LoRA, found %s", use.path, file_kind_name(f.file));
    f.config = config_of(a, f.file);
    sort_into_modules(a, &f);
    for (size_t i = 0; i < f.modules; i++) complete(a, &f, &f.module[i]);
    return f;
}

/* ---- looking up -------------------------------------------------------------------------------- */

static int compare_layer(const void *key, const void *module)
{
    return strcmp(key, ((const Module *)module)->layer);
}

Module *adapter_module(const LoraFile *f, const char *flat)
{
    if (!f->modules) return NULL;
    Module *m = bsearch(flat, f->module, f->modules, sizeof *m, compare_layer);
    if (m) m->applied = 1;
    return m;
}

float adapter_strength(const LoraFile *f, const Module *m)
{
    return is_of_text_encoder(m) ? f->use.text : f->use.unet;
}

int adapter_is_pair(const Module *m)
{
    for (AdapterPart p = DOWN; p < PARTS; p++) {
        int belongs_to_pair = p == DOWN || p == UP || p == ALPHA;
        if (m->part[p] && !belongs_to_pair) return 0;
    }
    return 1;
}
