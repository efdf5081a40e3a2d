/* train_plan.c - the plan of a training job: its steps, and the memory and time that they take.
 *
 * A dry run takes all memory and counts all operations of one step, but computes nothing.  The time is its operations,
 * divided by how fast this machine is now.  The memory is the arena's peak in that dry run, and the mapped weights that
 * are in memory together with it; or, if that is more, what encoding the pictures took, or what drawing the samples
 * will.  Saving takes next to none, as files are written piece by piece.
 *
 * Nothing is refused here.  The plan is printed before the hours of training, so that people can stop it in time. */
#include "trainer.h"

#include "chars.h"

#include <math.h>
#include <string.h>

enum { STEPS_A_PICTURE = 100 };
static const double MOST_STEPS = 1e9;

/* ---- steps ------------------------------------------------------------------------------------- */

size_t trainer_epoch(const Trainer *t)
{
    size_t each = (size_t)objective_examples(&t->objective);
    return (t->dataset.photos.repeated + each - 1) / each;
}

/* max_train_steps, or max_train_epochs; of both what comes to fewer steps; of neither 0 */
static double steps_asked_for(const Trainer *t)
{
    const TrainingConfig *c = t->config;
    double steps = c->max_train_steps;
    double by_epochs = c->max_train_epochs * (double)trainer_epoch(t);
    if (steps > 0 && by_epochs > 0) return fmin(steps, by_epochs);
    return steps + by_epochs;
}

static double usual_steps(const Trainer *t)
{
    const Photos *p = &t->dataset.photos;
    size_t examples = STEPS_A_PICTURE * p->instances;
    if (p->classes) examples *= 2;
    return ceil((double)examples / (double)objective_examples(&t->objective));
}

static TrainingProgress *progress_new(const Trainer *t)
{
    TrainingProgress *p = allocate(t->mem, progress_bytes(t->dataset.photos.repeated), 1);
    p->step = 0;
    p->taken = 0;
    return p;
}

void trainer_count_steps(Trainer *t)
{
    double asked = steps_asked_for(t);
    t->steps = (int)fmin(asked > 0 ? asked : usual_steps(t), MOST_STEPS);
    t->progress = progress_new(t);
    t->safe = progress_new(t);
    dataset_begin(&t->dataset, t->progress);
    t->loss = allocate(t->mem, (size_t)t->steps, sizeof *t->loss);
    t->validation.most = trainer_count_validations(t);
    t->validation.at = allocate(t->mem, t->validation.most, sizeof *t->validation.at);
    memset(t->loss, 0, (size_t)t->steps * sizeof *t->loss);
}

/* ---- when held-out pictures are measured --------------------------------------------------------- */

/* In steps, 0: never.  Nobody said how often: after each epoch. */
typedef struct { size_t by_steps, by_epochs; } Interval;

static Interval interval_of(const Trainer *t)
{
    const TrainingConfig *c = t->config;
    Interval every = { (size_t)c->validate_every_n_steps, (size_t)c->validate_every_n_epochs * trainer_epoch(t) };
    if (!every.by_steps && !every.by_epochs) every.by_epochs = trainer_epoch(t);
    return every;
}

static int is_due(size_t step, size_t every) { return every && step % every == 0; }

int trainer_validates_at(const Trainer *t, size_t step)
{
    Interval every = interval_of(t);
    return step == (size_t)t->steps || is_due(step, every.by_steps) || is_due(step, every.by_epochs);
}

size_t trainer_count_validations(const Trainer *t)
{
    Interval every = interval_of(t);
    size_t steps = (size_t)t->steps;
    size_t count = 2;                    /* before the first step and after the last one */
    if (every.by_steps) count += steps / every.by_steps;
    if (every.by_epochs) count += steps / every.by_epochs;
    return count;
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* Weights that are in memory by turns (nn.h): the autoencoder's; those from the text encoder to the UNet's middle;
 * those of the UNet's way up. */
typedef struct { size_t autoencoder, down_to_middle, up; } Mapped;

static Mapped mapped_weights(const Trainer *t)
{
    const Weights *w = t->run.weights;
    Mapped m = { .autoencoder = weights_bytes(w, "vae."), .up = weights_bytes(w, "unet.up_") };
    m.down_to_middle = weights_bytes(w, "") - m.autoencoder - m.up;
    return m;
}

size_t trainer_trim(Trainer *t)
{
    size_t bytes = arena_peak(t->mem) + mapped_weights(t).autoencoder;
    files_trim(t->mem);
    arena_trim(t->mem);
    arena_peak_reset(t->mem);
    return bytes;
}

static void say_memory_and_time(Trainer *t, size_t encoding)
{
    Mapped m = mapped_weights(t);
    size_t mapped = m.down_to_middle > m.up ? m.down_to_middle : m.up;
    size_t most = arena_peak(t->mem) + mapped;
    if (most < encoding) {
        most = encoding;
        mapped = m.autoencoder;
    }
    size_t lora = t->trainable->count * sizeof(uint16_t);      /* as the samples read it from a file */
    size_t sampling = mark(t->mem) + t->sampling.memory + lora;
    if (t->job->sample_prompts.count && most < sampling) {
        most = sampling;
        mapped = t->sampling.mapped;
    }
    double ops = t->machine.ops * t->steps * objective_examples(&t->objective);
    ops += t->dataset.validation_ops * (double)trainer_count_validations(t);
    callbacks_say(t->callbacks, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), %s", (double)most / 1e9,
                  (double)mapped / 1e9, plan_time(t->mem, ops, &t->machine));
}

/* ---- in words ---------------------------------------------------------------------------------- */

/* How many steps were chosen, and why. */
static const char *steps_said(const Trainer *t)
{
    const TrainingConfig *c = t->config;
    const Photos *p = &t->dataset.photos;
    const char *who = t->job->config.max_train_steps > 0 ? "as asked for" : "as the model wants them";
    if (c->max_train_steps > 0 && t->steps == c->max_train_steps)
        return format(t->mem, "%s %s, %.3g epochs", amount(t->mem, (size_t)t->steps, "step"), who,
                      t->steps / (double)trainer_epoch(t));
    if (c->max_train_epochs > 0)
        return format(t->mem, "%s of %s", amount(t->mem, (size_t)c->max_train_epochs, "epoch"),
                      amount(t->mem, p->repeated, "picture"));
    return format(t->mem, "%d steps for each picture%s, for no number was asked for", STEPS_A_PICTURE,
                  p->classes ? ", and as many of the class" : "");
}

/* " at 0.0001"; nothing where the optimizer has rates of its own */
static const char *at_rate(const Trainer *t, double rate)
{
    return t->optimizer->args.relative_step ? "" : format(t->mem, " at %g", rate);
}

static const char *learning_rate_said(const Trainer *t)
{
    if (t->optimizer->args.relative_step) return "learning rates of its own";
    return format(t->mem, "learning rate %g", training_learning_rate(t->config));
}

static const char *rates_said(const Trainer *t)
{
    const char *init_word = t->config->init_word;
    LearningRates rates = training_learning_rates(t->config);
    if (is_textual_inversion(t->config)) return format(t->mem, "begins as \"%s\"", init_word);
    const char *unet = "no UNet";
    const char *text = "no text encoder";
    const char *word = "";
    if (rates.unet > 0) unet = format(t->mem, "the UNet%s", at_rate(t, rates.unet));
    if (rates.text > 0) text = format(t->mem, "the text encoder%s", at_rate(t, rates.text));
    if (t->word) word = format(t->mem, ", the word, which begins as \"%s\",%s", init_word, at_rate(t, rates.words));
    return format(t->mem, "%s, %s%s", unet, text, word);
}

/* "LoKr of rank 8 with factor 4, as DoRA," */
static const char *lora_said(const Trainer *t)
{
    static const char *const families[] = { [ALGO_LORA] = "LoRA", [ALGO_LOHA] = "LoHa", [ALGO_LOKR] = "LoKr" };
    const TrainingConfig *c = t->config;
    int conv_dim = training_trainable(c).conv_rank;
    const char *convolutions = "";
    const char *dora = "";
    if (c->dim_from_weights)
        return format(t->mem, "what %s has, on %s", c->network_weights, amount(t->mem, t->trainable->modules, "layer"));
    if (c->dora_wd) dora = conv_dim > 0 ? " as DoRA," : ", as DoRA,";
    if (conv_dim > 0) convolutions = format(t->mem, ", 3x3 convolutions %d,", conv_dim);
    return format(t->mem, "%s of rank %d%s%s on %s", families[c->algo], c->network_dim, convolutions, dora,
                  amount(t->mem, t->trainable->modules, "layer"));
}

static const char *what_said(const Trainer *t)
{
    if (!t->word) return lora_said(t);
    size_t vectors = (size_t)t->config->num_vectors;
    const char *word = format(t->mem, "%s, called %s", amount(t->mem, vectors, "vector"), t->word);
    if (is_textual_inversion(t->config)) return format(t->mem, "textual inversion of %s", word);
    return format(t->mem, "%s and %s", lora_said(t), word);
}

static const char *scheduler_said(const Trainer *t)
{
    LrScheduler scheduler = training_lr_scheduler(t->config);
    const char *name = lr_scheduler_names[scheduler.type];
    if (t->optimizer->args.relative_step) return "rates that follow from the step alone";
    int warmup = lr_warmup_steps(&scheduler, t->steps);
    return warmup > 0 ? format(t->mem, "%s after %s of warm-up", name, amount(t->mem, (size_t)warmup, "step")) : name;
}

static const char *optimizer_said(const Trainer *t)
{
    const char *name = optimizer_names[t->optimizer->type];
    if (finds_own_rate(t->optimizer->type)) return format(t->mem, "%s, which finds the rate itself", name);
    return name;
}

/* Rates that do not do what is probably meant.  kohya warns of the first too: "learning rate is too low". */
static void say_rate_doubts(const Trainer *t)
{
    const TrainingConfig *c = t->config;
    const char *name = optimizer_names[t->optimizer->type];
    double rate = training_learning_rate(c);
    if (c->optimizer_note) callbacks_say(t->callbacks, "%s", c->optimizer_note);
    int rate_was_given = c->learning_rate >= 0 || c->unet_lr >= 0 || c->text_encoder_lr >= 0;
    if (finds_own_rate(t->optimizer->type) && rate <= 0.1)
        callbacks_say(t->callbacks, "warning: --learning_rate %g slows down what %s finds; 1 is usual", rate, name);
    if (t->optimizer->args.relative_step && rate_was_given)
        callbacks_say(t->callbacks, "warning: %s takes its rates from the step alone, so the given ones do not count; "
                      "they do with --optimizer_args \"relative_step=False scale_parameter=False\"", name);
}

static const char *clipping_said(const Trainer *t)
{
    double max_norm = t->config->max_grad_norm;
    return max_norm > 0 ? format(t->mem, "at most %g", max_norm) : "any size";
}

void trainer_say_plan(Trainer *t, size_t encoding)
{
    size_t before = mark(t->mem);                  /* examples must begin where the arena stands now */
    callbacks_say(t->callbacks, "%s, %s of %d, %s, seed %llu", what_said(t), amount(t->mem, (size_t)t->steps, "step"),
                  objective_examples(&t->objective), learning_rate_said(t), (unsigned long long)t->seed);
    callbacks_say(t->callbacks, "%s; %s, %s, %s, gradients of %s", steps_said(t), rates_said(t),
                  optimizer_said(t), scheduler_said(t), clipping_said(t));
    if (*t->recipe)
        callbacks_say(t->callbacks, "from the metadata of %s, for no option said otherwise: %s", t->job->job.model,
                      t->recipe);
    say_rate_doubts(t);
    say_memory_and_time(t, encoding);
    release(t->mem, before);
}
