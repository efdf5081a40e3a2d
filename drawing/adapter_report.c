/* adapter_report.c - describes LoRA files: what they hold, and which of their layers were applied.
 *
 * A LoRA whose key names fit no layer changes nothing, and the picture does not show why.  So a report counts how many
 * of its layers the model asked for, and lists the others, each with the layer whose name is most like it.
 *
 * Strengths add up: several LoRAs at full strength on one layer give noise, so a sum that is too high gets a warning.
 * A file of which nothing was applied is an error, because a picture without it would be taken for one with it. */
#include "adapter_report.h"

#include "adapter_file.h"
#include "chars.h"
#include "faults.h"
#include "finite.h"

#include <math.h>
#include <string.h>

enum { LISTED = 3, MODELS = 3 };

/* A flat name begins with the model that its layer belongs to. */
enum { TEXT_ENCODER, UNET, MOTION_MODULE };
static const struct { const char *prefix, *name; } models[MODELS] = {
    [TEXT_ENCODER] = { "te_", "text encoder" },
    [UNET] = { "unet_", "UNet" },
    [MOTION_MODULE] = { "motion_", "motion module" },
};

static int is_of_model(const Module *m, size_t model)
{
    return !strncmp(m->layer, models[model].prefix, strlen(models[model].prefix));
}

static size_t count_modules(const LoraFile *f, size_t model)
{
    size_t n = 0;
    for (size_t i = 0; i < f->modules; i++)
        if (is_of_model(&f->module[i], model)) n++;
    return n;
}

/* ---- what a file is ---------------------------------------------------------------------------- */

/* "before, 3 UNet"; before itself when n is 0 */
static const char *append_count(Arena *a, const char *before, size_t n, const char *what)
{
    if (!n) return before;
    return format(a, "%s%s%zu %s", before, *before ? ", " : "", n, what);
}

static const char *list_families(Arena *a, const LoraFile *f)
{
    const char *text = "";
    size_t dora = 0;
    for (size_t k = 0; k < ADAPTER_FAMILIES; k++) {
        const char *name = adapter_family(k)->name;
        if (k && !strcmp(name, adapter_family(k - 1)->name)) continue;      /* one more form of the same family */
        size_t n = 0;
        for (size_t i = 0; i < f->modules; i++)
            if (f->module[i].family && !strcmp(f->module[i].family->name, name)) n++;
        text = append_count(a, text, n, name);
    }
    for (size_t i = 0; i < f->modules; i++)
        if (f->module[i].part[SCALE] || f->module[i].part[MAGNITUDE]) dora++;
    return append_count(a, text, dora, "of them DoRA");
}

/* ", rank 8 to 32, alpha/rank 1"; "" when the file has no ranks */
static const char *list_ranks(Arena *a, const LoraFile *f)
{
    size_t lowest = LARGEST_SIDE_OF_A_WEIGHT;
    size_t highest = 0;
    float least = INFINITY;
    float most = -INFINITY;
    for (size_t i = 0; i < f->modules; i++) {
        const Module *m = &f->module[i];
        if (!m->all.rank) continue;
        if (m->all.rank < lowest) lowest = m->all.rank;
        if (m->all.rank > highest) highest = m->all.rank;
        least = fminf(least, m->scale);
        most = fmaxf(most, m->scale);
    }
    if (!highest) return "";
    const char *text = format(a, ", rank %zu", lowest);
    if (lowest < highest) text = format(a, "%s to %zu", text, highest);
    text = format(a, "%s, alpha/rank %g", text, (double)least);
    if (least < most) text = format(a, "%s to %g", text, (double)most);
    return text;
}

const char *lora_about(Arena *a, const Lora *l, size_t i)
{
    const LoraFile *f = &l->file[i];
    const char *where = "";
    for (size_t k = 0; k < MODELS; k++) where = append_count(a, where, count_modules(f, k), models[k].name);
    const char *layers = amount(a, f->modules, "layer");
    const char *text = format(a, "%s (%s): %s%s", layers, where, list_families(a, f), list_ranks(a, f));
    if (!f->unknowns) return text;
    return format(a, "%s; %s not understood", text, amount(a, f->unknowns, "tensor"));
}

/* ---- what was left over ------------------------------------------------------------------------ */

/* The flat name of the layer whose weight this is; NULL when it is something else. */
static const char *layer_of_weight(Arena *a, const Weight *w)
{
    size_t n = strlen(w->name);
    size_t end = strlen(".weight");
    if (n <= end || strcmp(w->name + n - end, ".weight")) return NULL;
    return flat_layer(a, format(a, "%.*s", (int)(n - end), w->name));
}

/* Our name of the layer whose flat name is most like this one; "" when there is none. */
static const char *nearest_layer(Arena *a, const Weights *model, const char *flat)
{
    const char *best = "";
    size_t least = (size_t)-1;
    const Weight *w;
    size_t i = 0;
    while ((w = weights_at(model, i++))) {
        size_t before = mark(a);
        const char *layer = layer_of_weight(a, w);
        size_t distance = layer ? edit_distance(layer, flat) : (size_t)-1;
        if (distance < least) {
            least = distance;
            best = w->name;
        }
        release(a, before);
    }
    size_t ending = *best ? strlen(".weight") : 0;
    return format(a, "%.*s", (int)(strlen(best) - ending), best);
}

/* Is it a layer of the text encoder that the model has, and that clip skip left out? */
static int is_skipped(Arena *a, const Weights *model, const Module *m)
{
    if (!is_of_model(m, TEXT_ENCODER)) return 0;
    int found = 0;
    size_t i = 0;
    const Weight *w;
    while (!found && (w = weights_at(model, i++))) {
        size_t before = mark(a);
        const char *layer = layer_of_weight(a, w);
        found = layer && !strcmp(layer, m->layer);
        release(a, before);
    }
    return found;
}

/* ---- what was left over, by what it is --------------------------------------------------------- */

/* What a layer that nothing asked for is of; NULL when that is not known. */
static const char *left_over_of(Arena *a, const Weights *model, const Module *m)
{
    if (is_skipped(a, model, m)) return "what Clip skip leaves out";
    return adapter_other_model(m->layer);
}

/* Names with counts: what is left over of each kind, in the order in which the kinds are met. */
typedef struct { const char *name; size_t count; } Kind;
enum { KINDS = 16 };
typedef struct { Kind kind[KINDS]; size_t kinds; } Tally;

static void count_kind(Tally *t, const char *name)
{
    size_t k = 0;
    while (k < t->kinds && strcmp(t->kind[k].name, name)) k++;
    if (k == KINDS) return;
    if (k == t->kinds) t->kind[t->kinds++] = (Kind){ name, 0 };
    t->kind[k].count++;
}

/* "; 72 for SDXL's second text encoder" */
static const char *list_kinds(Arena *a, const char *text, const Tally *t, const char *what)
{
    for (size_t k = 0; k < t->kinds; k++)
        text = format(a, "%s; %zu %s %s", text, t->kind[k].count, what, t->kind[k].name);
    return text;
}

static const char *and_more(Arena *a, const char *text, size_t count)
{
    return count > LISTED ? format(a, "%s and %zu more", text, count - LISTED) : text;
}

/* "; 72 for SDXL's second text encoder; no layer here for NAME (nearest: NAME), NAME ... and 3 more" */
static const char *list_layers(Arena *a, const char *text, const LoraFile *f, const Weights *model)
{
    Tally tally = { .kinds = 0 };
    size_t unknown = 0;
    const char *names = "";
    for (size_t i = 0; i < f->modules; i++) {
        const Module *m = &f->module[i];
        const char *of = m->applied ? NULL : left_over_of(a, model, m);
        if (of) count_kind(&tally, of);
        if (m->applied || of || unknown++ >= LISTED) continue;
        const char *join = unknown > 1 ? "," : "; no layer here for";
        const char *nearest = nearest_layer(a, model, m->layer);
        names = format(a, "%s%s %s (nearest: %s)", names, join, adapter_some_part(m)->name, nearest);
    }
    return format(a, "%s%s", list_kinds(a, text, &tally, "for"), and_more(a, names, unknown));
}

/* "; 24 tensors of VeRA, which is not supported; not understood: NAME, NAME ... and 3 more" */
static const char *list_tensors(Arena *a, const char *text, const LoraFile *f)
{
    Tally tally = { .kinds = 0 };
    size_t unknown = 0;
    const char *names = "";
    for (size_t i = 0; i < f->unknowns; i++) {
        const char *of = adapter_other_family(f->unknown[i]);
        if (of) count_kind(&tally, of);
        if (of || unknown++ >= LISTED) continue;
        names = format(a, "%s%s %s", names, unknown > 1 ? "," : "; not understood:", f->unknown[i]);
    }
    for (size_t k = 0; k < tally.kinds; k++)
        text = format(a, "%s; %s of %s, which is not supported", text, amount(a, tally.kind[k].count, "tensor"),
                      tally.kind[k].name);
    return format(a, "%s%s", text, and_more(a, names, unknown));
}

static const char *list_left_over(Arena *a, const LoraFile *f, const Weights *model)
{
    return list_tensors(a, list_layers(a, "", f, model), f);
}

/* Fails for a file of a training that diverged: attention could hide such numbers, and the picture would be wrong. */
static void check_numbers(Arena *a, const LoraFile *f)
{
    for (size_t i = 0; i < f->file->count; i++)
        if (!weight_is_finite(&f->file->weight[i]))
            fail(a, "%s: %s holds numbers that are not finite: its training went wrong, or the file is broken; "
                    "use an earlier epoch, or download it again", f->file->path, f->file->weight[i].name);
}

/* ---- what was applied -------------------------------------------------------------------------- */

/* Why nothing of a LoRA fits: what its tensors or its metadata say that it is made for, when that is another model. */
static const char *other_base(Arena *a, const LoraFile *f)
{
    const char *base = file_about(f->file).base;
    if (base_is_used(base)) return "was it made for another kind of model?";
    return format(a, "it is made for %s, and pictures are drawn with Stable Diffusion 1.x here", base);
}

typedef struct {
    Arena          *a;
    const LoraFile *file;
    const Weights  *model;
    void          (*say)(void *, const char *);
    void           *to;
} Report;

static void report_file(void *report)
{
    const Report *r = report;
    Arena *a = r->a;
    const LoraFile *f = r->file;
    size_t applied = 0;
    check_numbers(a, f);
    for (size_t i = 0; i < f->modules; i++)
        if (f->module[i].applied) applied++;
    const char *left = list_left_over(a, f, r->model);
    const char *path = f->file->path;
    if (!applied && count_modules(f, MOTION_MODULE))
        fail(a, "%s: nothing of this motion LoRA fits (0/%zu)%s: it needs a motion module, and one of its own kind",
             path, f->modules, left);
    if (!applied)
        fail(a, "%s: nothing of this LoRA fits this model (0/%zu)%s: %s", path, f->modules, left, other_base(a, f));
    const char *text = "";
    if (f->use.text != f->use.unet && count_modules(f, TEXT_ENCODER))
        text = format(a, " (text encoder %g)", (double)f->use.text);
    if (f->use.how) text = format(a, "%s, %s", text, f->use.how);
    if (!r->say) return;
    double strength = (double)f->use.unet;
    r->say(r->to, format(a, "LoRA %s: strength %g%s, applied %zu/%zu%s", path, strength, text, applied, f->modules,
                         left));
}

/* The strength that a file is applied with to one of the models; 0 where it changes nothing there. */
static double applied_strength(const LoraFile *f, size_t model)
{
    for (size_t i = 0; i < f->modules; i++) {
        const Module *m = &f->module[i];
        if (m->applied && is_of_model(m, model)) return fabs((double)adapter_strength(f, m));
    }
    return 0;
}

/* Pictures fall apart where the strengths of all files add up to much more than one. */
static void warn_of_strengths(Arena *a, const Lora *l, void (*say)(void *, const char *), void *to)
{
    static const double MOST = 1.5;
    for (size_t k = 0; k < MODELS; k++) {
        double sum = 0;
        for (size_t i = 0; i < l->count; i++) sum += applied_strength(&l->file[i], k);
        if (sum > MOST + 1e-6)
            say(to, format(a, "warning: LoRA strengths add up to %.3g in the %s, more than %g: "
                              "if the picture looks burnt, lower them", sum, models[k].name, MOST));
    }
}

void lora_report(Arena *a, const Lora *l, const Weights *model, void (*say)(void *to, const char *line), void *to)
{
    size_t before = mark(a);
    Faults faults = { 0 };
    for (size_t i = 0; i < l->count; i++) {
        Report r = { a, &l->file[i], model, say, to };
        faults_try(a, &faults, report_file, &r);
    }
    faults_fail(a, &faults);
    if (say) warn_of_strengths(a, l, say, to);
    release(a, before);
}
