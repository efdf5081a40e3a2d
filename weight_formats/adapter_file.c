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

static int has_sides(const Weight *w, size_t rows, size_t columns)
{
    return w->rank > 1 && w->shape[0] == rows && w->shape[1] == columns;
}

/* Are the parts of GLoRA in their older order, a1 [r,in], a2 [in,r], b1 [r,in], b2 [out,r]?  Where both orders fit, the
 * smaller side is the rank (ComfyUI, weight_adapter/glora.py). */
static int is_older_glora(const Module *m)
{
    const Weight *a1 = m->part[GLORA_A1];
    const Weight *a2 = m->part[GLORA_A2];
    const Weight *b1 = m->part[GLORA_B1];
    const Weight *b2 = m->part[GLORA_B2];
    if (!a1 || !a2 || !b1 || !b2 || a1->rank < 2 || b2->rank < 2 || b1->rank < 2) return 0;
    size_t r = a1->shape[0];
    int old = has_sides(a2, a1->shape[1], r) && b1->shape[0] == r && b2->shape[1] == r;
    int new = has_sides(a2, a1->shape[1], r) && b1->shape[1] == a1->shape[1] && b2->shape[0] == a1->shape[1];
    return old && (!new || r < a1->shape[1]);
}

static int is_newer_glora(const Module *m) { return !is_older_glora(m); }

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
    {
        .name = "GLoRA",
        .is_other = is_older_glora,
        .first  = { .left = GLORA_A1, .right = GLORA_A2 },
        .second = { .left = GLORA_B1, .right = GLORA_B2 },
        .combination = OF_WEIGHT,
    },
    {
        .name = "GLoRA",                 /* in its older order */
        .is_other = is_newer_glora,
        .first  = { .left = GLORA_A2, .right = GLORA_A1 },
        .second = { .left = GLORA_B2, .right = GLORA_B1 },
        .combination = OF_WEIGHT,
    },
    { .name = "(IA)^3", .second = { .whole = VECTOR }, .combination = SCALING },
    { .name = "(IA)^3", .second = { .whole = IA3_L }, .combination = SCALING },
    { .name = "OFT", .second = { .whole = OFT_BLOCKS }, .combination = ROTATION },
    { .name = "OFT", .second = { .whole = OFT_DIAG }, .combination = ROTATION },
    { .name = "OFT", .second = { .whole = OFT_R }, .combination = ROTATION },
    { .name = "BOFT", .second = { .whole = BOFT_R }, .combination = ROTATION },
};

const Family *adapter_family(size_t i)
{
    return &families[i];
}

static const Family *family_named(const char *name)
{
    size_t i = 0;
    while (strcmp(families[i].name, name)) i++;
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
    case OF_WEIGHT:
        if (x.rows != x.columns)     fail_misfit(a, path, m->part[f.left], m->part[f.right]);
        if (y.columns % x.rows)      fail_misfit(a, path, m->part[f.right], m->part[g.right]);
        break;
    default:
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

/* Python writes small numbers with an exponent: 6e-05. */
static double config_number(Json *value, const char *key)
{
    double x;
    const char *text = json_number(value);
    size_t n = text ? number_at(text, &x) : 0;
    if (!n || text[n] || !isfinite(x)) json_bad(value, format(value->mem, "%s is not a number", key));
    return x;
}

static int is_true(Arena *a, const LoraFile *f, const Module *m, const char *key)
{
    Json value;
    return configured(a, f, m, key, &value) && json_literal(&value, "true");
}

static double number_or(Arena *a, const LoraFile *f, const Module *m, const char *key, double usual)
{
    Json value;
    return configured(a, f, m, key, &value) ? config_number(&value, key) : usual;
}

/* PEFT: a pattern is the end of a layer's name, or with '^' the whole name.  It may be any regular expression; no other
 * has been seen. */
static int pattern_fits(const Json *at, const char *pattern, const char *name, size_t n)
{
    static const char WRAPPER[] = "base_model.model.";
    int is_whole = *pattern == '^';
    if (is_whole) pattern++;
    if (strpbrk(pattern, "*+?()[]{}|^$\\"))
        json_bad(at, "a pattern of layers is a regular expression, which is not supported");
    size_t k = strlen(pattern);
    if (n < k || strncmp(name + n - k, pattern, k)) return 0;
    if (is_whole && n - k == strlen(WRAPPER)) return begins(name, WRAPPER);
    return n == k || (!is_whole && name[n - k - 1] == '.');
}

/* Sets *number when a pattern of "alpha_pattern" or "rank_pattern" fits this layer. */
static int pattern_number(Arena *a, const LoraFile *f, const Module *m, const char *key, double *number)
{
    Json value;
    size_t stem;
    const Weight *w = adapter_some_part(m);
    adapter_part(w->name, &stem);
    if (!configured(a, f, m, key, &value)) return 0;
    if (!json_accept(&value, '{') || json_accept(&value, '}')) return 0;
    do {
        const char *pattern = json_string(&value);
        json_expect(&value, ':', "a pattern of layers lacks a colon");
        *number = config_number(&value, key);
        if (pattern_fits(&value, pattern, w->name, stem)) return 1;
    } while (json_accept(&value, ','));
    return 0;
}

/* Does this layer stand in a list of ends of names, as PEFT has feedforward_modules? */
static int is_listed(Arena *a, const LoraFile *f, const Module *m, const char *key)
{
    Json value;
    size_t stem;
    const Weight *w = adapter_some_part(m);
    adapter_part(w->name, &stem);
    if (!configured(a, f, m, key, &value)) return 0;
    if (!json_accept(&value, '[') || json_accept(&value, ']')) return 0;
    do {
        const char *end = json_string(&value);
        size_t n = strlen(end);
        if (n <= stem && !strncmp(w->name + stem - n, end, n)) return 1;
    } while (json_accept(&value, ','));
    return 0;
}

static double configured_alpha(Arena *a, const LoraFile *f, const Module *m)
{
    Json value;
    double alpha;
    if (pattern_number(a, f, m, "alpha_pattern", &alpha)) return alpha;
    if (configured(a, f, m, "lora_alpha", &value)) return config_number(&value, "lora_alpha");
    if (configured(a, f, m, "alpha", &value)) return config_number(&value, "alpha");
    return 0;
}

/* The rank that alpha is divided by.  PEFT divides LoKr's by that of its configuration where no factor has one. */
static double rank_of(Arena *a, const LoraFile *f, const Module *m)
{
    double rank;
    if (m->all.rank) return (double)m->all.rank;
    if (!m->family || m->family->combination != KRONECKER) return 0;
    if (pattern_number(a, f, m, "rank_pattern", &rank)) return rank;
    return number_or(a, f, m, "r", 0);
}

/* scale = alpha / rank;  1 where alpha is absent or zero (kohya), alpha / sqrt(rank) for rsLoRA (Kalajdzievski, 2023)
 * */
static float scale_of(Arena *a, const LoraFile *f, const Module *m)
{
    const Weight *w = m->part[ALPHA];
    double rank = w ? (double)m->all.rank : rank_of(a, f, m);
    double alpha = w ? (double)dtype_value(w->data, w->type, 0) : configured_alpha(a, f, m);
    if (!isfinite(alpha)) fail(a, "%s: %s is not a finite number: the file is damaged", f->file->path, w->name);
    if (!w && is_true(a, f, m, "use_rslora")) rank = sqrt(rank);
    if (alpha == 0 || !(rank > 0)) return 1;
    return (float)(alpha / rank);
}

/* ---- what multiplies a weight ------------------------------------------------------------------ */

/* kohya and LyCORIS keep the constraint of OFT as alpha: a limit of alpha for each row.  Zero or none is no limit, as
 * LyCORIS has it.  PEFT has it in its configuration, for each block ("coft"). */
static RotationLimits limits_of(Arena *a, const LoraFile *f, const Module *m, const Weight *w)
{
    enum { MOST_TERMS = 100 };           /* after a few nothing changes any more */
    const Weight *alpha = m->part[ALPHA];
    RotationLimits l = { .limit = 0 };
    size_t rows = w->rank > 2 ? w->shape[w->rank - 3] * w->shape[w->rank - 1] : 0;
    if (alpha) l.limit = (double)dtype_value(alpha->data, alpha->type, 0) * (double)rows;
    if (is_true(a, f, m, "coft")) l.block_limit = number_or(a, f, m, "eps", 6e-5) / sqrt((double)w->shape[0]);
    Json value;
    double terms = number_or(a, f, m, "num_cayley_neumann_terms", 5);
    if (configured(a, f, m, "use_cayley_neumann", &value) && json_literal(&value, "false")) terms = 0;
    if (!(terms >= 0 && terms <= MOST_TERMS))
        json_bad(&f->config, format(a, "num_cayley_neumann_terms is %s, expected at most %d", number_text(a, terms),
                                    MOST_TERMS));
    l.terms = (int)terms;
    return l;
}

static void set_rotation(Arena *a, const LoraFile *f, Module *m)
{
    AdapterPart part = m->family->second.whole;
    const Weight *w = m->part[part];
    m->rotation = adapter_rotation(a, f->file->path, part, w, limits_of(a, f, m, w));
    m->rotation.shared = is_true(a, f, m, "block_share");
    if (m->rotation.shared && m->rotation.blocks > 1) fail_misfit(a, f->file->path, w, w);
    if (m->rotation.butterfly) m->family = family_named("BOFT");
}

/* Does (IA)^3 scale what goes into the layer?  LyCORIS says so in a tensor, PEFT by the shape of the vector, or for a
 * convolution in its configuration. */
static int scales_input(Arena *a, const LoraFile *f, const Module *m)
{
    const Weight *flag = m->part[ON_INPUT];
    const Weight *l = m->part[IA3_L];
    if (flag && flag->type == BOOL) return *(const unsigned char *)flag->data != 0;
    if (flag) return dtype_value(flag->data, flag->type, 0) > 0;
    if (l && l->rank == 2) return l->shape[0] == 1 && l->shape[1] > 1;
    return is_listed(a, f, m, "feedforward_modules");
}

static void set_scaling(Arena *a, const LoraFile *f, Module *m)
{
    const Weight *w = m->part[m->family->second.whole];
    size_t most = 1;
    for (size_t i = 0; i < w->rank; i++)
        if (w->shape[i] > most) most = w->shape[i];
    if (most != weight_numel(w)) fail(a, "%s: %s is %s, expected a vector", f->file->path, w->name, shape_text(a, w));
    m->on_input = scales_input(a, f, m);
}

/* ---- checking a module ------------------------------------------------------------------------- */

static void check_part(Arena *a, const char *path, AdapterPart p, const Weight *w)
{
    int is_number = p == ALPHA || p == ON_INPUT;
    int type_fits = is_number ? dtype_is_number(w->type) : dtype_is_float(w->type);
    if (p == ON_INPUT && w->type == BOOL) type_fits = 1;
    if (!type_fits) fail(a, "%s: %s is of type %s, expected floating point", path, w->name, dtype_name(w->type));
    int shape_fits = is_number ? weight_numel(w) == 1 : has_possible_shape(w);
    if (!shape_fits) fail(a, "%s: %s is %s, which cannot be", path, w->name, shape_text(a, w));
}

static void set_family(Arena *a, const char *path, Module *m, const Family *f)
{
    if (f->is_other && f->is_other(m)) return;
    int has_first = is_given(m, f->first);
    int has_second = is_given(m, f->second);
    if (!has_first && !has_second) return;
    if (m->family)
        fail(a, "%s: %s is of two kinds at once, %s and %s",
             path, adapter_some_part(m)->name, m->family->name, f->name);
    m->family = f;
    int needs_first = f->first.whole || f->first.left;
    if (needs_first && !has_first) fail_missing(a, path, adapter_some_part(m), f->first.left);
    if (!has_second)               fail_missing(a, path, adapter_some_part(m), f->second.left);
    if (needs_first) m->first = factor_extent(a, path, m, f->first, f->left_transposed);
    m->second = factor_extent(a, path, m, f->second, f->left_transposed);
    m->all = whole_extent(a, path, m);
}

void adapter_measure(Arena *a, const char *path, Module *m)
{
    for (size_t i = 0; i < ADAPTER_FAMILIES; i++) set_family(a, path, m, &families[i]);
}

const Weight *adapter_magnitude(const Module *m)
{
    return m->part[MAGNITUDE] ? m->part[MAGNITUDE] : m->part[SCALE];
}

/* DoRA is for what adds a matrix that does not depend on W. */
static int is_added(Combination how)
{
    return how == SUM || how == HADAMARD || how == KRONECKER;
}

static void complete(Arena *a, const LoraFile *file, Module *m)
{
    const char *path = file->file->path;
    for (AdapterPart p = DOWN; p < PARTS; p++)
        if (m->part[p]) check_part(a, path, p, m->part[p]);
    adapter_measure(a, path, m);
    if (!m->family && !m->part[DIFF_B])
        fail(a, "%s: %s stands alone: the file is damaged or of a kind not known here",
             path, adapter_some_part(m)->name);
    if (m->part[SCALE] && m->part[MAGNITUDE])
        fail(a, "%s: %s stands beside %s", path, m->part[SCALE]->name, m->part[MAGNITUDE]->name);
    if (!m->family && (m->part[SCALE] || m->part[MAGNITUDE])) fail_missing(a, path, adapter_some_part(m), UP);
    m->scale = scale_of(a, file, m);
    Combination how = m->family ? m->family->combination : SUM;
    if (how == ROTATION) set_rotation(a, file, m);
    if (how == SCALING) set_scaling(a, file, m);
    if (m->part[RESCALE] && how != ROTATION) fail_missing(a, path, m->part[RESCALE], OFT_BLOCKS);
    if (m->part[ON_INPUT] && how != SCALING) fail_missing(a, path, m->part[ON_INPUT], VECTOR);
    if (adapter_magnitude(m) && !is_added(how))
        fail(a, "%s: %s stands beside %s, which it cannot", path, adapter_magnitude(m)->name, m->family->name);
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

/* ".weight" is the ending of an (IA)^3 vector, and of any weight. */
static int has_on_input(Arena *a, const WeightFile *s, const char *name, size_t stem)
{
    return file_weight(s, format(a, "%.*s.on_input", (int)stem, name)) != NULL;
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
        if (part == VECTOR && !has_on_input(a, s, name, stem)) part = NO_PART;
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

/* Only the first ranks of a pair (the web UI's dyn):  up[:, :rank], down[:rank, :].  Its scale stays as it is. */
static void cut_rank(Arena *a, Module *m, size_t rank)
{
    if (!rank || m->family != &families[0] || m->part[MID] || rank >= m->all.rank) return;
    const Weight *down = m->part[DOWN];
    const Weight *up = m->part[UP];
    size_t rows = up->shape[0];
    Weight *fewer_down = allocate(a, 1, sizeof *fewer_down);
    Weight *fewer_up = allocate(a, 1, sizeof *fewer_up);
    size_t *down_shape = allocate(a, down->rank + up->rank, sizeof *down_shape);
    size_t *up_shape = down_shape + down->rank;
    float *x = allocate(a, rows * rank, sizeof *x);
    memcpy(down_shape, down->shape, down->rank * sizeof *down_shape);
    memcpy(up_shape, up->shape, up->rank * sizeof *up_shape);
    down_shape[0] = rank;
    up_shape[1] = rank;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < rank; k++) x[i * rank + k] = dtype_value(up->data, up->type, i * up->shape[1] + k);
    *fewer_down = *down;
    *fewer_up = *up;
    fewer_down->shape = down_shape;
    fewer_down->bytes = down->bytes / down->shape[0] * rank;
    fewer_up->shape = up_shape;
    fewer_up->type = F32;
    fewer_up->data = x;
    fewer_up->bytes = rows * rank * sizeof *x;
    m->part[DOWN] = fewer_down;
    m->part[UP] = fewer_up;
    m->second.rank = rank;
    m->all.rank = rank;
}

LoraFile adapter_open(Arena *a, LoraUse use)
{
    static const LoraMoment beginning = { .steps = 1 };
    LoraFile f = { .file = weights_open(a, use.path), .use = use, .moment = &beginning };
    const char *wrong = strength_read(a, (double)use.text, (double)use.unet, use.how, &f.strength);
    if (wrong) fail(a, "%s: %s", use.path, wrong);
    if (file_kind(f.file) != LORA_FILE) fail(a, "%s: expected a LoRA, found %s", use.path, file_kind_name(f.file));
    f.config = config_of(a, f.file);
    sort_into_modules(a, &f);
    for (size_t i = 0; i < f.modules; i++) {
        complete(a, &f, &f.module[i]);
        cut_rank(a, &f.module[i], f.strength.rank);
    }
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
    return strength_at(&f->strength, m->layer, f->moment);
}

int adapter_is_pair(const Module *m)
{
    for (AdapterPart p = DOWN; p < PARTS; p++) {
        int belongs_to_pair = p == DOWN || p == UP || p == ALPHA;
        if (m->part[p] && !belongs_to_pair) return 0;
    }
    return 1;
}
