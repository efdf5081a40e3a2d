/* model_recipe.c - the options of training that a model wants where nobody gave any.
 *
 * The usual options are for Stable Diffusion 1.5.  With a hundred steps for each picture at 1e-4 a model of four
 * million values learns hardly anything.  So a model may say in its metadata how it learns, and then that holds:
 *
 *     persona.train.lora      max_train_steps=600 learning_rate=0.001 min_snr_gamma=5
 *
 * An option that was given always wins, also when it was given as what is usual.  A number of epochs stands for a
 * number of steps.  The learning rate is one for AdamW: Lion takes its usual part of it, and optimizers that find their
 * rate themselves do not take it.
 *
 * Metadata may say anything, so only the few options of the table are taken from them, within the range that they have
 * on the command line. */
#include "model_recipe.h"

#include "chars.h"
#include "model_spec.h"

#include <string.h>

enum { USUAL_VECTORS = 4 };

/* ---- which options ----------------------------------------------------------------------------- */

static int has_no_length(const TrainingConfig *c)  { return !c->max_train_steps && !c->max_train_epochs; }
static int has_no_gamma(const TrainingConfig *c)   { return c->min_snr_gamma < 0; }
static int has_no_vectors(const TrainingConfig *c) { return !c->num_vectors; }

static int has_no_rate(const TrainingConfig *c)
{
    int takes_rates = !finds_own_rate(c->optimizer_type) && c->optimizer_type != OPTIMIZER_ADAFACTOR;
    return takes_rates && c->learning_rate < 0;
}

static const struct { const char *name; int (*is_open)(const TrainingConfig *c); } options[] = {
    { "max_train_steps", has_no_length },
    { "learning_rate",   has_no_rate },
    { "min_snr_gamma",   has_no_gamma },
    { "num_vectors",     has_no_vectors },
};
enum { OPTIONS = sizeof options / sizeof *options };

/* ---- one of them ------------------------------------------------------------------------------- */

typedef struct {
    Arena                *a;
    const TrainingConfig *given;
    TrainingConfig        config;
    const char           *name, *value;
    Lines                 taken, faults;
} Recipe;

static void take(void *recipe)
{
    Recipe *r = recipe;
    TrainingConfig tried = r->config;
    size_t i = 0;
    while (i < OPTIONS && strcmp(options[i].name, r->name)) i++;
    if (i == OPTIONS) fail(r->a, "%s is no option that a model sets", quoted(r->a, r->name));
    training_config_set(r->a, &tried, options[i].name, r->value);
    if (!options[i].is_open(r->given)) return;
    int is_rate_for_lion = tried.learning_rate != r->config.learning_rate && tried.optimizer_type == OPTIMIZER_LION;
    if (is_rate_for_lion) tried.learning_rate *= TRAINING_LION_RATE;
    r->config = tried;
    const char *value = is_rate_for_lion ? number_text(r->a, tried.learning_rate) : r->value;
    lines_add(r->a, &r->taken, format(r->a, "--%s %s", options[i].name, value));
}

/* item: "learning_rate=0.001" */
static void read_item(Recipe *r, const char *item, size_t n)
{
    char why[MESSAGE];
    const char *equals = memchr(item, '=', n);
    size_t name = equals ? (size_t)(equals - item) : n;
    r->name = copy(r->a, item, name);
    r->value = equals ? copy(r->a, equals + 1, n - name - 1) : "";
    if (attempt(r->a, take, r, why)) lines_add(r->a, &r->faults, format(r->a, "%s", why));
}

/* ---- all of them ------------------------------------------------------------------------------- */

static const char *method_key(const TrainingConfig *c)
{
    int has_class = has_prior_preservation(c) || c->method == METHOD_DREAMBOOTH;
    if (is_textual_inversion(c)) return "textual_inversion";
    return has_class ? "dreambooth" : "lora";
}

TrainingConfig model_recipe(Arena *a, const TrainingConfig *given, const Weights *w, const char *model,
                            const Callbacks *callbacks, const char **taken)
{
    enum { LONGEST = 1000 };
    Recipe r = { .a = a, .given = given, .config = *given };
    const char *text = model_spec_recipe(w, method_key(given));
    if (text && strlen(text) > LONGEST) lines_add(a, &r.faults, "a recipe of more than 1000 letters");
    else for (const char *at = text ? text : ""; *at; ) {
        size_t n = strcspn(at, " ");
        if (n) read_item(&r, at, n);
        at += n + (at[n] == ' ');
    }
    if (r.faults.count)
        callbacks_say(callbacks, "warning: %s: its metadata make no sense here and are left out: %s", model,
                      lines_joined(a, &r.faults, "; "));
    if (has_no_gamma(&r.config)) r.config.min_snr_gamma = 0;
    if (has_no_vectors(&r.config)) r.config.num_vectors = USUAL_VECTORS;
    *taken = lines_joined(a, &r.taken, " ");
    return r.config;
}
