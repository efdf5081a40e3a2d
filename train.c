/* train.c - training: the loop.
 *
 *     pictures and captions -> training examples                         dataset.c; encoded once
 *     for each step:
 *         for each example of the batch:  loss, gradients                objective.c
 *         gradient clipping, then the optimizer                          optimizer.c
 *         save, draw sample images, measure the validation loss          where the configuration wants it
 *     LoRA pairs, or token vectors -> file
 *
 * The setup before the loop, the output files and resuming are in files of their own: trainer.h lists them.
 *
 * All random numbers come from one generator, in one order, so the seed decides every byte of the LoRA.  When a step is
 * interrupted, the state from before that step is saved, and a resumed job draws the same random numbers. */
#include "train.h"

#include "chars.h"
#include "curve.h"
#include "idle_options.h"
#include "output.h"
#include "trainer.h"
#include "trend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LOSS_MESSAGES = 20,                  /* how often the mean loss is reported in the whole job */
    MOST_BROKEN = 10                     /* steps in a row that are left out before training fails */
};

/* ---- a step ------------------------------------------------------------------------------------ */

static double lr_factor_of(const Trainer *t, int step)
{
    LrScheduler scheduler = training_lr_scheduler(t->config);
    return lr_factor(&scheduler, step, t->steps);
}

/* What is dropped in an example; 0: nothing is. */
static uint64_t dropout_seed(Trainer *t)
{
    const TrainingConfig *c = t->config;
    int drops = c->network_dropout > 0 || c->rank_dropout > 0 || c->module_dropout > 0;
    return drops ? 1 + (uint64_t)rng_bits(&t->progress->rng) : 0;
}

/* Sums the gradients of all examples of a step, and returns their mean loss.  last: receives the last example, or the
 * first one whose loss is not finite. */
static double accumulate_gradients(Trainer *t, const DatasetItem **last)
{
    Trainable *trainable = t->trainable;
    double loss = 0;
    memset(trainable->d, 0, trainable->count * sizeof *trainable->d);      /* optimizer.zero_grad() */
    for (int i = 0; i < objective_examples(&t->objective); i++) {
        const DatasetItem *item = dataset_next(&t->dataset, t->progress);
        trainable->dropout.seed = dropout_seed(t);
        int was_finite = isfinite(loss);
        loss += objective_accumulate(&t->run, &t->objective, &item->example);
        t->zero_loss.sum += objective_zero_loss(&item->example);
        t->zero_loss.count++;
        if (was_finite) *last = item;
    }
    trainable->dropout.seed = 0;         /* held-out pictures and samples see all of it */
    return loss;
}

/* What to do when learning breaks. */
static const char *lower_rate(const Trainer *t)
{
    const double FACTOR = 4;             /* what people are told: halve it, or quarter it */
    double rate = training_learning_rate(t->config);
    double lower = rate > t->usual_rate ? t->usual_rate : rate / FACTOR;
    int has_others = t->config->unet_lr >= 0 || t->config->text_encoder_lr >= 0 || t->config->embedding_lr >= 0;
    return format(t->mem, "stop it, and take a lower rate: --learning_rate %s instead of %s%s",
                  number_text(t->mem, lower), number_text(t->mem, rate),
                  has_others ? ", and the others in proportion" : "");
}

/* Of a loss that is not finite the advice is said once. */
static void say_not_finite(Trainer *t, const char *what, const DatasetItem *last)
{
    size_t before = mark(t->mem);
    const char *advice = t->is_break_said ? "" : format(t->mem, "; if it comes again, %s", lower_rate(t));
    callbacks_say(t->callbacks, "step %u: the %s %s; the step is left out%s", t->progress->step + 1, what,
                  last->photo->path, advice);
    t->is_break_said = 1;
    release(t->mem, before);
}

/* One training step: gradients, gradient clipping, the optimizer.  Returns the mean loss of its examples.  Returns NaN
 * when the loss or a gradient was not finite, and the optimizer did not move. */
static double training_step(Trainer *t)
{
    Trainable *trainable = t->trainable;
    const DatasetItem *last = NULL;
    double loss = accumulate_gradients(t, &last);
    double norm = clip_grad_norm(trainable->d, trainable->count, t->config->max_grad_norm);
    if (!isfinite(loss) || !isfinite(norm)) {
        say_not_finite(t, isfinite(loss) ? "gradient is not finite after" : "loss is not finite at", last);
        return NAN;
    }
    t->progress->taken++;
    int number = (int)t->progress->taken;
    double factor = lr_factor_of(t, (int)t->progress->step);
    optimizer_step(t->mem, t->optimizer, trainable, factor, number, t->machine.threads);
    if (t->config->scale_weight_norms > 0)
        t->keys_scaled = trainable_limit_norms(&t->machine, trainable, t->run.weights, t->config->scale_weight_norms,
                                               &t->mean_norm);
    return loss;
}

/* ---- progress messages ------------------------------------------------------------------------- */

/* Shows the mean loss of the last CURVE_WINDOW steps and the learning rate beside the progress bar. */
static void show_loss(const Trainer *t)
{
    size_t step = t->progress->step;
    double loss = curve_mean(t->loss, step > CURVE_WINDOW ? step - CURVE_WINDOW : 0, step);
    double rate = optimizer_d(t->optimizer) * training_learning_rate(t->config) * lr_factor_of(t, (int)step - 1);
    const char *norms = "";
    char limited[80];
    if (t->config->scale_weight_norms > 0) {      /* kohya: Keys Scaled, Average key norm */
        snprintf(limited, sizeof limited, ", keys scaled %zu, average key norm %.3g", t->keys_scaled, t->mean_norm);
        norms = limited;
    }
    callbacks_note(t->callbacks, "loss %.4f, rate %.3g%s", loss, rate, norms);
}

/* ---- the loop ---------------------------------------------------------------------------------- */

/* Remembers the progress after a whole step, as the state to save when the next step is interrupted. */
static void remember_progress(Trainer *t)
{
    memcpy(t->safe, t->progress, progress_bytes(t->dataset.photos.repeated));
}

/* Is the mean loss reported after this step?  It is after LOSS_MESSAGES of all steps, and after the last one. */
static int reports_loss(const Trainer *t, size_t step)
{
    double every = fmax(1, t->steps / (double)LOSS_MESSAGES);
    if (step == (size_t)t->steps) return 1;
    return floor((double)step / every) > floor((double)(step - 1) / every);
}

/* The step of the last report before a job is resumed. */
static size_t last_reported_step(const Trainer *t)
{
    double every = fmax(1, t->steps / (double)LOSS_MESSAGES);
    return (size_t)(floor(t->progress->step / every) * every);
}

/* Says, once, that learning breaks. */
static void say_broken(Trainer *t)
{
    size_t step = t->progress->step;
    double zero = t->zero_loss.sum / (double)t->zero_loss.count;
    if (t->is_break_said) return;
    BrokenTrend b = trend_breaks(t->loss, step, (size_t)t->steps, zero);
    if (!b.how) return;
    size_t before = mark(t->mem);
    t->is_break_said = 1;
    if (b.how == NO_BETTER_THAN_NOTHING)
        callbacks_say(t->callbacks, "warning: learning breaks: the last %zu steps have a loss of %.3g, and predicting "
                      "no noise at all has %.3g; %s", b.window, b.now, b.before, lower_rate(t));
    else
        callbacks_say(t->callbacks, "warning: learning breaks: the loss of a step was %.3g at first and is %.3g now; "
                      "%s", b.before, b.now, lower_rate(t));
    release(t->mem, before);
}

static void check_broken(const Trainer *t, int broken)
{
    if (broken < MOST_BROKEN) return;
    fail(t->mem, "%d steps in a row came to nothing finite: a broken checkpoint, or a learning rate far too high; "
                 "%s was not written", broken, t->job->out);
}

static void run_steps(void *trainer)
{
    Trainer *t = trainer;
    size_t reported = last_reported_step(t);
    int broken = 0;
    remember_progress(t);
    trainer_validate(t);
    while ((int)t->progress->step < t->steps) {
        callbacks_progress(t->callbacks, "step", (int)t->progress->step, t->steps);
        double loss = training_step(t);
        t->progress->step++;
        size_t step = t->progress->step;
        t->loss[step - 1] = (float)loss;
        remember_progress(t);
        show_loss(t);
        broken = isfinite(loss) ? 0 : broken + 1;
        check_broken(t, broken);
        say_broken(t);
        trainer_validate(t);             /* before the state is saved, which holds it */
        trainer_save_periodically(t);
        trainer_sample_periodically(t);
        if (!reports_loss(t, step)) continue;
        double mean = curve_mean(t->loss, reported, step);
        callbacks_say(t->callbacks, "step %zu/%d: loss %.4f on average", step, t->steps, mean);
        reported = step;
    }
    callbacks_progress(t->callbacks, "done", t->steps, t->steps);
}

/* Is the state worth to be kept, after a failure?  Not when nothing new was learned, nor when the numbers broke. */
static int has_learned(const Trainer *t, uint32_t began)
{
    uint32_t step = t->safe->step;
    return step > began && isfinite(t->loss[step - 1]);
}

/* Runs the steps.  When the job is interrupted or fails, the unfinished step is dropped: it has changed nothing but the
 * progress and the gradients, so the remembered progress is saved. */
static void run_or_save(Trainer *t)
{
    char why[MESSAGE];
    uint32_t began = t->progress->step;
    if (!attempt(t->mem, run_steps, t, why)) return;
    FailKind kind = fail_kind(t->mem);
    if (kind != CANCELLED && !has_learned(t, began)) fail_as(t->mem, kind, "%s", why);
    const char *kept = trainer_keep_state(t);
    if (kind != CANCELLED) fail_as(t->mem, kind, "%s; %u of %d steps are done: %s", why, t->safe->step, t->steps, kept);
    fail_as(t->mem, kind, "interrupted after step %u of %d; %s", t->safe->step, t->steps, kept);
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void say_idle_options(Trainer *t)
{
    Lines idle = idle_options(t->mem, t->config);
    if (idle.count) callbacks_say(t->callbacks, "warning: without effect here: %s", lines_joined(t->mem, &idle, ", "));
}

/* Everything up to the first step. */
static void set_up(Trainer *t)
{
    training_config_check(t->mem, t->config);
    output_claim(t->mem, t->job->out);
    say_idle_options(t);
    trainer_open_state(t);
    trainer_open_model(t);
    trainer_check_model(t);
    trainer_check_samples(t);
    trainer_find_photos(t);
    trainer_count_steps(t);
    trainer_identify(t);
    trainer_begin(t);
    trainer_check_room(t);
    dataset_read(&t->dataset, &t->progress->rng);
    trainer_resume(t);
    trainer_set_aside(t);
    size_t encoding = trainer_trim(t);
    t->run.trainable = t->trainable;
    t->run.gradient_checkpointing = t->config->gradient_checkpointing;
    dataset_dry_run(&t->dataset);
    trainer_say_plan(t, encoding);
}

static Trained write_results(Trainer *t)
{
    const char *state = trainer_state_path(t);
    if (t->config->save_state) trainer_save_state(t);
    TrainedFiles saved = trainer_save(t);
    if (file_is(state))
        callbacks_say(t->callbacks, "%s: the state stays; --resume with a larger --max_train_steps learns on from it; "
                      "it may be deleted", state);
    if (saved.lora && saved.embedding)
        callbacks_say(t->callbacks, "the word %s: %s; the two belong together", t->word, saved.embedding);
    trainer_say_best(t, saved);
    trainer_save_curve(t);
    if (t->job->sample_prompts.count) trainer_draw_samples(t);
    return (Trained){
        .path = saved.lora ? saved.lora : saved.embedding,
        .lora = saved.lora,
        .embedding = saved.embedding,
        .word = t->word,
        .words = photos_shared_words(t->mem, &t->dataset.photos),
    };
}

Trained train(Arena *a, const TrainingJob *job, const Callbacks *callbacks)
{
    Trainer *t = allocate(a, 1, sizeof *t);
    *t = (Trainer){ .mem = a, .job = job, .config = &job->config, .callbacks = callbacks, .seed = job->job.seed };
    t->machine = (Machine){ .mem = a, .threads = job->job.threads > 0 ? job->job.threads : machine_threads() };
    t->machine.bf16 = job->job.precision && !strcmp(job->job.precision, "bf16");
    set_up(t);
    run_or_save(t);
    return write_results(t);
}
