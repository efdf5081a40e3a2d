/* lora.c - adapters: LoRA and its relatives, in every dialect people have.
 *
 * A file holds, for some layers, tensors; adapter_names.c says from their names what each is, and for which layer.  The families
 * below say how they make a dW.  All are built of one thing, a matrix that is given whole, or as left right, or with a
 * core between (Tucker), and of at most two of these:
 *
 *     W' = W + strength alpha/r dW        r: the inner size of the product; alpha = r where it is absent or zero
 *     DoRA: V = W + alpha/r dW,           W' = W + strength (size V / |V| - W)
 *
 * A layer that is given plain pairs only runs them as they are, x -> down -> up; any other gets its W' built for the call
 * and let go after it.  A layer asks for its own name; what nobody asked for is left over, and said.  Broken files are refused:
 * a partner missing, a rank or shape that does not fit, two kinds at once. */
#include "lora.h"

#include "adapter_names.h"
#include "chars.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- families --------------------------------------------------------------------------------- */

typedef struct { Part whole, left, right, core; } Factor;

/* left [out,r], right [r,in..]; a core [r,r,k,k] goes between, and then left is turned, [r,out], in all families but the first */
typedef struct { const char *name; Factor first, second; enum { SUM, HADAMARD, KRONECKER } how; int turned; } Family;

static const Family families[] = {
    { "LoRA", { 0 },                                 { 0, UP, DOWN, MID },                    SUM, 0 },
    { "LoHa", { 0, HADA_1A, HADA_1B, HADA_T1 },      { 0, HADA_2A, HADA_2B, HADA_T2 },        HADAMARD, 1 },
    { "LoKr", { LOKR_1, LOKR_1A, LOKR_1B, 0 },       { LOKR_2, LOKR_2A, LOKR_2B, LOKR_T2 },   KRONECKER, 1 },
    { "difference", { 0 },                           { DIFF, 0, 0, 0 },                       SUM, 0 },
};
enum { FAMILIES = sizeof families / sizeof *families, LARGEST = 1 << 20 };

typedef struct { size_t rows, columns, rank; } Extent;      /* rank: the inner size, 0 for a whole matrix */

typedef struct {
    const char   *layer;                   /* its flat name */
    const Weight *part[PARTS];             /* NULL: absent, as part[NONE] always is */
    const Family *family;                  /* NULL: a bias only */
    Extent        first, second, all;
    float         scale;                   /* alpha / rank */
    int           applied;
} Module;

struct LoraFile {
    const WeightFile *file;
    LoraUse           use;
    Json              config;              /* PEFT's, where the file has one: at NULL without */
    Module           *module;              /* sorted by layer */
    size_t            modules, strangers;
    const char      **stranger;            /* tensors with an ending not known here */
};

/* ---- what belongs together -------------------------------------------------------------------- */

static const char *shape_of(Arena *a, const Weight *w) { return shape_text(a, w->rank, w->shape); }

static size_t rest(const Weight *w) { return weight_values(w) / w->shape[0]; }

static int sound(const Weight *w)
{
    int flat = w->rank >= 1 && w->rank <= 4;
    for (size_t i = 0; i < w->rank; i++) flat = flat && w->shape[i] && w->shape[i] < LARGEST;
    return flat && rest(w) < LARGEST;
}

static int is_given(const Module *m, Factor f) { return m->part[f.whole] || m->part[f.left] || m->part[f.right] || m->part[f.core]; }

static _Noreturn void misfit(Arena *a, const char *path, const Weight *x, const Weight *y)
{
    fail(a, "%s: %s is %s and %s is %s, which do not fit together: the file is damaged", path, x->name, shape_of(a, x), y->name, shape_of(a, y));
}

static _Noreturn void partner_missing(Arena *a, const char *path, const Weight *x, Part missing)
{
    fail(a, "%s: %s has no %s beside it: the file is damaged or of a kind not known here", path, x->name, part_name(missing));
}

static Extent extent(Arena *a, const char *path, const Module *m, Factor f, int turned)
{
    const Weight *whole = m->part[f.whole], *left = m->part[f.left], *right = m->part[f.right], *core = m->part[f.core];
    if (whole && (left || right || core)) fail(a, "%s: %s stands beside its own factors: the file is damaged", path, whole->name);
    if (whole) return (Extent){ whole->shape[0], rest(whole), 0 };
    if (!left)  partner_missing(a, path, right ? right : core, f.left);
    if (!right) partner_missing(a, path, left, f.right);
    size_t inner = core ? core->shape[0] : right->shape[0], taps = core ? weight_values(core) / core->shape[0] / right->shape[0] : 1;
    turned = turned && core;
    if (core && (core->rank != 4 || core->shape[1] != right->shape[0] || (right->rank > 2 && rest(right) != right->shape[1]))) misfit(a, path, core, right);
    if (left->rank < 2 || right->rank < 2 || left->shape[!turned] != inner || weight_values(left) != left->shape[0] * left->shape[1])
        misfit(a, path, core ? core : right, left);
    return (Extent){ left->shape[turned], rest(right) * taps, right->shape[0] };
}

/* how both factors make the whole, and whether their ranks agree */
static Extent together(Arena *a, const char *path, const Module *m)
{
    Extent x = m->first, y = m->second;
    Factor f = m->family->first, g = m->family->second;
    if (x.rank && y.rank && x.rank != y.rank) misfit(a, path, m->part[f.right], m->part[g.right]);
    if (m->family->how == HADAMARD && x.rows != y.rows)       misfit(a, path, m->part[f.left], m->part[g.left]);
    if (m->family->how == HADAMARD && x.columns != y.columns) misfit(a, path, m->part[f.right], m->part[g.right]);
    size_t rank = y.rank ? y.rank : x.rank;
    return m->family->how == KRONECKER ? (Extent){ x.rows * y.rows, x.columns * y.columns, rank } : (Extent){ y.rows, y.columns, rank };
}

static const Weight *some_part(const Module *m)
{
    Part p = DOWN;
    while (!m->part[p]) p++;
    return m->part[p];
}

/* ---- alpha: a tensor of the file's, or a number in PEFT's configuration ------------------------- */

/* The value of a key, or of "unet.key" and "text_encoder.key" as diffusers puts both models' in one. */
static int configured(Arena *a, const LoraFile *f, const Module *m, const char *key, Json *value)
{
    if (!f->config.at) return 0;
    *value = f->config;
    if (json_member(value, format(a, "%s.%s", strncmp(m->layer, "te_", 3) ? "unet" : "text_encoder", key))) return 1;
    return json_member(value, key);
}

static double config_number(Json *value, const char *key)
{
    double x;
    const char *text = json_number(value);
    if (!text || !read_number(text, &x)) json_bad(value, format(value->mem, "%s is not a number", key));
    return x;
}

/* PEFT: a pattern is the end of a layer's name (a regular expression of one, which nobody has been seen to use) */
static int pattern_fits(const Json *at, const char *pattern, const char *name, size_t n)
{
    if (strpbrk(pattern, "*+?()[]{}|^$\\")) json_bad(at, "alpha_pattern holds a regular expression, which is not supported");
    size_t k = strlen(pattern);
    return n >= k && !strncmp(name + n - k, pattern, k) && (n == k || name[n - k - 1] == '.');
}

static double configured_alpha(Arena *a, const LoraFile *f, const Module *m)
{
    Json value;
    size_t stem;
    const Weight *w = some_part(m);
    part_of(w->name, &stem);
    if (configured(a, f, m, "alpha_pattern", &value) && json_next(&value, '{') && !json_next(&value, '}'))
        do {
            const char *pattern = json_string(&value);
            json_expect(&value, ':', "alpha_pattern lacks a colon");
            double alpha = config_number(&value, "alpha_pattern");
            if (pattern_fits(&value, pattern, w->name, stem)) return alpha;
        } while (json_next(&value, ','));
    if (configured(a, f, m, "lora_alpha", &value)) return config_number(&value, "lora_alpha");
    return configured(a, f, m, "alpha", &value) ? config_number(&value, "alpha") : 0;
}

static float scale_of(Arena *a, const LoraFile *f, const Module *m)
{
    const Weight *w = m->part[ALPHA];
    Json value;
    double rank = (double)m->all.rank, alpha = w ? (double)dtype_value(w->data, w->type, 0) : configured_alpha(a, f, m);
    if (!isfinite(alpha)) fail(a, "%s: %s is not a finite number: the file is damaged", f->file->path, w->name);
    if (!w && configured(a, f, m, "use_rslora", &value) && json_word(&value, "true")) rank = sqrt(rank);       /* Kalajdzievski, 2023 */
    return (float)(alpha != 0 && m->all.rank ? alpha / rank : 1);
}

static void complete(Arena *a, const LoraFile *file, Module *m)
{
    const char *path = file->file->path;
    for (Part p = DOWN; p < PARTS; p++) {
        const Weight *w = m->part[p];
        if (w && !(p == ALPHA ? dtype_is_number(w->type) : dtype_is_float(w->type)))
            fail(a, "%s: %s is of type %s, expected floating point", path, w->name, dtype_name(w->type));
        if (w && (p == ALPHA ? weight_values(w) != 1 : !sound(w))) fail(a, "%s: %s is %s, which cannot be", path, w->name, shape_of(a, w));
    }
    for (size_t i = 0; i < FAMILIES; i++) {
        const Family *f = &families[i];
        if (!is_given(m, f->first) && !is_given(m, f->second)) continue;
        if (m->family) fail(a, "%s: %s is of two kinds at once, %s and %s", path, some_part(m)->name, m->family->name, f->name);
        m->family = f;
        if (f->how != SUM && !is_given(m, f->first))  partner_missing(a, path, some_part(m), f->first.left);
        if (!is_given(m, f->second))                  partner_missing(a, path, some_part(m), f->second.left);
        if (f->how != SUM) m->first = extent(a, path, m, f->first, f->turned);
        m->second = extent(a, path, m, f->second, f->turned);
        m->all = together(a, path, m);
    }
    if (!m->family && !m->part[DIFF_B]) fail(a, "%s: %s stands alone: the file is damaged or of a kind not known here", path, some_part(m)->name);
    if (m->part[SCALE] && m->part[MAGNITUDE]) fail(a, "%s: %s stands beside %s", path, m->part[SCALE]->name, m->part[MAGNITUDE]->name);
    if (!m->family && (m->part[SCALE] || m->part[MAGNITUDE])) partner_missing(a, path, some_part(m), UP);
    m->scale = scale_of(a, file, m);
}

/* ---- opening ---------------------------------------------------------------------------------- */

typedef struct { const char *layer; Part part; const Weight *weight; } Entry;

static int by_layer(const void *x, const void *y)
{
    const Entry *a = x, *b = y;
    int order = strcmp(a->layer, b->layer);
    return order ? order : (a->part > b->part) - (a->part < b->part);
}

static void sort_out(Arena *a, LoraFile *f)
{
    const WeightFile *s = f->file;
    Entry *entry = take(a, s->count, sizeof *entry);
    size_t n = 0;
    f->stranger = take(a, s->count, sizeof *f->stranger);
    for (size_t i = 0; i < s->count; i++) {
        const char *name = s->weight[i].name;
        size_t stem;
        Part part = part_of(name, &stem);
        if (begins(name, "bundle_emb.")) continue;                      /* see embedding.h */
        if (!part) f->stranger[f->strangers++] = name;
        else entry[n++] = (Entry){ flat_name(a, name, stem), part, &s->weight[i] };
    }
    if (n) qsort(entry, n, sizeof *entry, by_layer);
    f->module = take(a, n, sizeof *f->module);
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(entry[i].layer, entry[i - 1].layer)) f->module[f->modules++] = (Module){ .layer = entry[i].layer };
        const Weight **place = &f->module[f->modules - 1].part[entry[i].part];
        if (*place) fail(a, "%s: %s and %s are the same thing twice", s->path, (*place)->name, entry[i].weight->name);
        *place = entry[i].weight;
    }
}

/* what diffusers puts into the file, or PEFT beside it */
static Json config_of(Arena *a, const WeightFile *s)
{
    static const char KIND[] = "configuration of a LoRA";
    const char *text = file_metadata(s, "lora_adapter_metadata");
    if (text) return json_begin(a, s->path, KIND, (Bytes){ (const unsigned char *)text, strlen(text) });
    const char *beside = format(a, "%.*sadapter_config.json", (int)(file_name(s->path) - s->path), s->path);
    int by_peft = s->count && strstr(s->weight[0].name, "base_model.model.") && file_is(beside);
    return by_peft ? json_begin(a, beside, KIND, file_map(a, beside)) : (Json){ .at = NULL };
}

static LoraFile open_one(Arena *a, LoraUse use)
{
    LoraFile f = { .file = weights_open(a, use.path), .use = use };
    if (file_kind(f.file) != LORA_FILE) fail(a, "%s: expected a LoRA, found %s", use.path, file_kind_name(f.file));
    f.config = config_of(a, f.file);
    sort_out(a, &f);
    for (size_t i = 0; i < f.modules; i++) complete(a, &f, &f.module[i]);
    return f;
}

Lora *lora_open(Arena *a, const LoraUse *use, size_t count)
{
    Lora *l = take(a, 1, sizeof *l);
    *l = (Lora){ take(a, count, sizeof *l->file), count };
    for (size_t i = 0; i < count; i++) l->file[i] = open_one(a, use[i]);
    return l;
}

/* ---- a layer asks ----------------------------------------------------------------------------- */

static int module_order(const void *key, const void *module) { return strcmp(key, ((const Module *)module)->layer); }

static Module *module_of(const LoraFile *f, const char *flat)
{
    Module *m = f->modules ? bsearch(flat, f->module, f->modules, sizeof *m, module_order) : NULL;
    if (m) m->applied = 1;
    return m;
}

static float strength(const LoraFile *f, const Module *m) { return strncmp(m->layer, "te_", 3) ? f->use.unet : f->use.text; }

static int is_pair(const Module *m)
{
    for (Part p = DOWN; p < PARTS; p++) if (m->part[p] && p != DOWN && p != UP && p != ALPHA) return 0;
    return 1;
}

static int needs_merging(const Lora *l, const char *flat)
{
    for (size_t i = 0; i < l->count; i++) {
        const Module *m = module_of(&l->file[i], flat);
        if (m && !is_pair(m)) return 1;
    }
    return 0;
}

int lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, LoraPair *pair)
{
    size_t before = mark(a);
    const char *flat = flat_layer(a, layer);
    const Module *m = module_of(&l->file[i], flat);
    if (m && needs_merging(l, flat)) m = NULL;
    release(a, before);
    if (m) *pair = (LoraPair){ m->part[DOWN], m->part[UP], strength(&l->file[i], m) * m->scale };
    return m != NULL;
}

/* ---- W' --------------------------------------------------------------------------------------- */

static float *floats(Machine *m, const Weight *w)
{
    size_t n = weight_values(w);
    float *x = take(m->mem, n, sizeof *x);
    weight_into(m, x, w, n, 1, 0);
    return x;
}

/* [rows,columns] -> [columns,rows] */
static float *transposed(Machine *m, const float *x, size_t rows, size_t columns)
{
    float *y = take(m->mem, rows * columns, sizeof *y);
    for (size_t j = 0; j < columns && !m->dry; j++)
        for (size_t i = 0; i < rows; i++) y[j * rows + i] = x[i * columns + j];
    return y;
}

/* core [p,q,taps], right [q,in] -> [in,taps,p]: what transposed() makes of core * right */
static float *through_core(Machine *m, const float *core, const float *right, size_t p, size_t q, size_t in, size_t taps)
{
    float *y = take(m->mem, in * taps * p, sizeof *y);
    m->ops += 2 * (double)(in * taps) * (double)(p * q);
    for (size_t i = 0; i < in && !m->dry; i++)
        for (size_t t = 0; t < taps; t++)
            for (size_t k = 0; k < p; k++) {
                float sum = 0;
                for (size_t j = 0; j < q; j++) sum += core[(k * q + j) * taps + t] * right[j * in + i];
                y[(i * taps + t) * p + k] = sum;
            }
    return y;
}

/* y (+)= scale * the factor's matrix */
static void factor_into(Machine *m, Matrix y, const Module *mod, Factor f, float scale, int add)
{
    const Weight *whole = mod->part[f.whole], *core = mod->part[f.core], *right = mod->part[f.right];
    if (whole) { weight_into(m, y.x, whole, y.rows * y.columns, scale, add); return; }
    size_t before = mark(m->mem), q = right->shape[0], p = core ? core->shape[0] : q;
    float *l = floats(m, mod->part[f.left]), *r = floats(m, right);
    if (core && mod->family->turned) l = transposed(m, l, p, y.rows);
    r = core ? through_core(m, floats(m, core), r, p, q, rest(right), y.columns / rest(right)) : transposed(m, r, q, y.columns);
    size_t shape[] = { y.columns, p };
    Weight w = { "", r, F32, 2, shape, y.columns * p * sizeof *r };
    conv(m, (Tensor){ 1, (int)y.rows, 1, (int)y.columns, y.x }, (Tensor){ 1, (int)y.rows, 1, (int)p, l }, &w, NULL, (Conv){ 1, 0, scale, add });
    release(m->mem, before);
}

static Matrix factor(Machine *m, const Module *mod, Factor f, Extent e)
{
    Matrix y = { take(m->mem, e.rows * e.columns, sizeof *y.x), e.rows, e.columns };
    factor_into(m, y, mod, f, 1, 0);
    return y;
}

/* y += scale * dW */
static void add_delta(Machine *m, Matrix y, const Module *mod, float scale)
{
    size_t before = mark(m->mem);
    const Family *f = mod->family;
    if (f->how == SUM) { factor_into(m, y, mod, f->second, scale, 1); return; }
    Matrix a = factor(m, mod, f->first, mod->first), b = factor(m, mod, f->second, mod->second);
    if (f->how == HADAMARD) add_hadamard(m, y.x, a.x, b.x, y.rows * y.columns, scale);
    else add_kronecker(m, y.x, a, b, scale);
    release(m->mem, before);
}

/* DoRA: the length is that of a row where there is one for each, of an input's part of all rows otherwise */
static int by_row(const Module *mod, size_t rows) { return mod->part[MAGNITUDE] || mod->part[SCALE]->shape[0] == rows; }

static void add_module(Machine *m, Matrix y, const Module *mod, size_t inputs, float by)
{
    const Weight *size = mod->part[MAGNITUDE] ? mod->part[MAGNITUDE] : mod->part[SCALE];
    if (!size) { add_delta(m, y, mod, by * mod->scale); return; }
    size_t before = mark(m->mem), bytes = y.rows * y.columns * sizeof *y.x;
    float *old = take(m->mem, bytes, 1);
    if (!m->dry) memcpy(old, y.x, bytes);
    add_delta(m, y, mod, mod->scale);
    int rowwise = by_row(mod, y.rows);
    decompose(m, y, old, floats(m, size), (Decompose){ rowwise ? 1 : y.rows, rowwise ? y.columns : y.columns / inputs, by });
    release(m->mem, before);
}

/* a copy of the weight as floats, to be added to */
static Weight *copied(Machine *m, const Weight *w)
{
    Weight *y = take(m->mem, 1, sizeof *y);
    *y = *w;
    y->data = floats(m, w), y->type = F32, y->bytes = weight_values(w) * sizeof(float);
    return y;
}

static const char *does_not_fit(Arena *a, const Module *mod, const char *layer, const Weight *w, const Weight *bias)
{
    const Weight *size = mod->part[MAGNITUDE] ? mod->part[MAGNITUDE] : mod->part[SCALE], *diff = mod->part[DIFF_B];
    if (mod->family && (mod->all.rows != w->shape[0] || mod->all.columns != rest(w)))
        return format(a, "%s and its partners (%s) make [%zu,%zu], but %s.weight is %s", some_part(mod)->name, mod->family->name,
                      mod->all.rows, mod->all.columns, layer, shape_of(a, w));
    if (size && weight_values(size) != (by_row(mod, w->shape[0]) ? w->shape[0] : w->rank > 1 ? w->shape[1] : 0))
        return format(a, "%s is %s, but %s.weight is %s", size->name, shape_of(a, size), layer, shape_of(a, w));
    if (diff && !bias) return format(a, "%s: %s has no bias", diff->name, layer);
    if (diff && weight_values(diff) != weight_values(bias)) return format(a, "%s is %s, but %s.bias is %s", diff->name, shape_of(a, diff), layer, shape_of(a, bias));
    return NULL;
}

const char *lora_merge(Machine *m, const Lora *l, const char *layer, const Weight **w, const Weight **bias)
{
    const char *flat = flat_layer(m->mem, layer), *wrong;
    if (!needs_merging(l, flat)) return NULL;
    Weight *new = copied(m, *w), *shifted = bias && *bias ? copied(m, *bias) : NULL;
    Matrix y = { (float *)(uintptr_t)new->data, new->shape[0], rest(new) };
    for (size_t i = 0; i < l->count; i++) {
        const Module *mod = module_of(&l->file[i], flat);
        if (!mod) continue;
        float by = strength(&l->file[i], mod);
        if ((wrong = does_not_fit(m->mem, mod, layer, new, shifted))) return wrong;
        if (mod->family) add_module(m, y, mod, new->rank > 1 ? new->shape[1] : 1, by);
        if (mod->part[DIFF_B]) weight_into(m, (float *)(uintptr_t)shifted->data, mod->part[DIFF_B], weight_values(shifted), by, 1);
    }
    *w = new;
    if (shifted) *bias = shifted;
    return NULL;
}

/* ---- what came of it -------------------------------------------------------------------------- */

enum { LISTED = 3, DOMAINS = 3 };
static const struct { const char *prefix, *name; } places[DOMAINS] = { { "te_", "text encoder" }, { "unet_", "UNet" }, { "motion_", "motion module" } };

static const char *counted(Arena *a, const char *before, size_t n, const char *what)
{
    return n ? format(a, "%s%s%zu %s", before, *before ? ", " : "", n, what) : before;
}

const char *lora_about(Arena *a, const Lora *l, size_t i)
{
    const LoraFile *f = &l->file[i];
    size_t by_family[FAMILIES] = { 0 }, by_place[DOMAINS] = { 0 }, weighed = 0, low = LARGEST, high = 0;
    float least = INFINITY, most = -INFINITY;
    const char *families_said = "", *places_said = "";
    for (const Module *m = f->module; m < f->module + f->modules; m++) {
        for (size_t d = 0; d < DOMAINS; d++) by_place[d] += !strncmp(m->layer, places[d].prefix, strlen(places[d].prefix));
        if (m->family) by_family[m->family - families]++;
        weighed += m->part[SCALE] || m->part[MAGNITUDE];
        if (!m->all.rank) continue;
        low = m->all.rank < low ? m->all.rank : low, high = m->all.rank > high ? m->all.rank : high;
        least = fminf(least, m->scale), most = fmaxf(most, m->scale);
    }
    for (size_t k = 0; k < FAMILIES; k++) families_said = counted(a, families_said, by_family[k], families[k].name);
    for (size_t d = 0; d < DOMAINS; d++) places_said = counted(a, places_said, by_place[d], places[d].name);
    const char *text = format(a, "%s (%s): %s", amount(a, f->modules, "layer"), places_said, counted(a, families_said, weighed, "of them DoRA"));
    if (high) text = format(a, low < high ? "%s, rank %zu to %zu" : "%s, rank %zu", text, low, high);
    if (high) text = format(a, least < most ? "%s, alpha/rank %g to %g" : "%s, alpha/rank %g", text, (double)least, (double)most);
    return f->strangers ? format(a, "%s; %s not understood", text, amount(a, f->strangers, "tensor")) : text;
}

/* the layer that a weight is of, flat; NULL when it is something else of one */
static const char *layer_of(Arena *a, const Weight *w)
{
    size_t n = strlen(w->name), end = strlen(".weight");
    return n > end && !strcmp(w->name + n - end, ".weight") ? flat_layer(a, format(a, "%.*s", (int)(n - end), w->name)) : NULL;
}

/* our name of the layer that is called most nearly so, "" when there is none */
static const char *nearest(Arena *a, const Weights *model, const char *flat)
{
    const char *best = "", *layer;
    size_t least = (size_t)-1, apart;
    const Weight *w;
    for (size_t i = 0; (w = weights_at(model, i)); i++) {
        size_t before = mark(a);
        if ((layer = layer_of(a, w)) && (apart = edit_distance(layer, flat)) < least) least = apart, best = w->name;
        release(a, before);
    }
    return format(a, "%.*s", (int)(strlen(best) - (*best ? strlen(".weight") : 0)), best);
}

/* a layer of the text encoder that is there, and not come by */
static int left_out(Arena *a, const Weights *model, const char *flat)
{
    int found = 0;
    const Weight *w;
    for (size_t i = 0; !found && !strncmp(flat, "te_", 3) && (w = weights_at(model, i)); i++) {
        size_t before = mark(a);
        const char *layer = layer_of(a, w);
        found = layer && !strcmp(layer, flat);
        release(a, before);
    }
    return found;
}

static const char *left_over(Arena *a, const LoraFile *f, const Weights *model)
{
    const char *text = "";
    size_t listed = 0, skipped = 0;
    for (size_t i = 0; i < f->modules; i++) skipped += !f->module[i].applied && left_out(a, model, f->module[i].layer);
    if (skipped) text = format(a, "; %zu for what Clip skip leaves out", skipped);
    for (size_t i = 0; i < f->modules && listed < LISTED; i++)
        if (!f->module[i].applied && !left_out(a, model, f->module[i].layer))
            text = format(a, "%s%s %s (nearest: %s)", text, listed++ ? "," : "; no layer here for", some_part(&f->module[i])->name,
                          nearest(a, model, f->module[i].layer));
    for (size_t i = 0; i < f->strangers && i < LISTED; i++)
        text = format(a, "%s%s %s", text, i ? "," : "; not understood:", f->stranger[i]);
    return text;
}

static void report_one(Arena *a, const LoraFile *f, const Weights *model, void (*say)(void *, const char *), void *to)
{
    size_t applied = 0;
    int by_place[DOMAINS] = { 0 };
    for (size_t i = 0; i < f->modules; i++) {
        applied += f->module[i].applied != 0;
        for (size_t d = 0; d < DOMAINS; d++) by_place[d] += !strncmp(f->module[i].layer, places[d].prefix, strlen(places[d].prefix));
    }
    const char *left = left_over(a, f, model), *path = f->file->path;
    if (!applied && by_place[2]) fail(a, "%s: nothing of this motion LoRA fits (0/%zu)%s: it needs a motion module, and one of its own kind", path, f->modules, left);
    if (!applied) fail(a, "%s: nothing of this LoRA fits this model (0/%zu)%s: was it made for another kind of model?", path, f->modules, left);
    const char *text = f->use.text == f->use.unet || !by_place[0] ? "" : format(a, " (text encoder %g)", (double)f->use.text);
    if (say) say(to, format(a, "LoRA %s: strength %g%s, applied %zu/%zu%s", path, (double)f->use.unet, text, applied, f->modules, left));
}

/* pictures fall apart where the strengths of all files add up to much more than one */
static void warn_of_strengths(Arena *a, const Lora *l, void (*say)(void *, const char *), void *to)
{
    static const double MOST = 1.5;
    for (size_t d = 0; d < DOMAINS; d++) {
        double sum = 0;
        for (size_t i = 0; i < l->count; i++) {
            const LoraFile *f = &l->file[i];
            size_t k = 0;
            while (k < f->modules && !(f->module[k].applied && !strncmp(f->module[k].layer, places[d].prefix, strlen(places[d].prefix)))) k++;
            if (k < f->modules) sum += fabs((double)strength(f, &f->module[k]));
        }
        if (sum > MOST + 1e-6)
            say(to, format(a, "warning: LoRA strengths add up to %.3g in the %s, more than %g: if the picture looks burnt, lower them", sum, places[d].name, MOST));
    }
}

void lora_report(Arena *a, const Lora *l, const Weights *model, void (*say)(void *, const char *), void *to)
{
    size_t before = mark(a);
    for (size_t i = 0; i < l->count; i++) report_one(a, &l->file[i], model, say, to);
    if (say) warn_of_strengths(a, l, say, to);
    release(a, before);
}
