/* train_validation.c - how alike it becomes, measured on held-out pictures while training.
 *
 * When: before the first step, every so many epochs or steps, and after the last one.  validation.c says what is
 * measured.  Measuring draws no random number of the job and changes no parameter, so the result is as without it.
 *
 * What is learned so far is kept as OUT-best whenever it is the best until now, so that nobody needs to know beforehand
 * which step to save.  A measurement belongs to the state after its step: a job that is resumed has all until there,
 * and goes on as if it had never stopped. */
#include "trainer.h"

#include "chars.h"

#include <math.h>

/* ---- what is said -------------------------------------------------------------------------------- */

/* "epoch 3", or "step 200" where they are measured by steps */
static const char *when(const Trainer *t, double step)
{
    size_t epoch = trainer_epoch(t);
    size_t n = (size_t)step;
    int is_epoch = !t->config->validate_every_n_steps && n % epoch == 0;
    return format(t->mem, is_epoch ? "epoch %zu" : "step %zu", is_epoch ? n / epoch : n);
}

static const char *percent(const Trainer *t, size_t i)
{
    double likeness = validation_likeness(&t->validation, i);
    return isfinite(likeness) ? format(t->mem, "%.1f %%", 100 * likeness) : "no number";
}

static void say_measurement(Trainer *t)
{
    const Validation *v = &t->validation;
    size_t last = v->count - 1;
    size_t best = validation_best(v);
    if (!last) {
        callbacks_say(t->callbacks, "held out: loss %.4f", validation_loss(v, 0));
        return;
    }
    const char *so_far = "not better than at first yet";
    if (best) so_far = format(t->mem, "best %s after %s", percent(t, best), when(t, v->at[best].step));
    callbacks_say(t->callbacks, "%s: held out: loss %.4f, %.4f at first; likeness %s, %s", when(t, v->at[last].step),
                  validation_loss(v, last), validation_loss(v, 0), percent(t, last), so_far);
}

static void say_falling(Trainer *t)
{
    Validation *v = &t->validation;
    size_t best;
    if (v->is_told || !validation_falls(t->mem, v, &best)) return;
    v->is_told = 1;
    const char *step = format(t->mem, "step %.0f", v->at[best].step);
    callbacks_say(t->callbacks, "warning: likeness to the held-out pictures falls since %s, from %s to %s: from there "
                  "on the pictures are learned by heart; you can stop now: the best until here is %s", step,
                  percent(t, best), percent(t, v->count - 1), trainer_path(t, trainer_best));
}

/* ---- while training ------------------------------------------------------------------------------ */

void trainer_validate(Trainer *t)
{
    Validation *v = &t->validation;
    size_t step = t->progress->step;
    if (!t->dataset.photos.validations || validation_has(v, step)) return;
    if (v->count && !trainer_validates_at(t, step)) return;
    size_t before = mark(t->mem);
    Measurement m = { .step = (double)step };
    dataset_validate(&t->dataset, m.loss);
    validation_add(v, m);
    say_measurement(t);
    int is_best = v->count > 1 && validation_best(v) == v->count - 1;
    if (is_best && step < (size_t)t->steps) trainer_save_best(t);
    say_falling(t);
    release(t->mem, before);
}

/* ---- at the end ---------------------------------------------------------------------------------- */

/* Where the best is, when this job could save it. */
static const char *where_best(Trainer *t)
{
    const char *path = trainer_lora_path(t, trainer_best);
    if (!path) path = trainer_embedding_path(t, trainer_best);
    return file_is(path) ? format(t->mem, ": %s", path) : "; it was not saved";
}

void trainer_say_best(Trainer *t, TrainedFiles result)
{
    const Validation *v = &t->validation;
    size_t before = mark(t->mem);
    if (v->count < 2) return;
    size_t best = validation_best(v);
    if (best && best < v->count - 1)
        callbacks_say(t->callbacks, "likeness was best after step %.0f of %d, %s, and is %s at the end; stop at step "
                      "%.0f%s", v->at[best].step, t->steps, percent(t, best), percent(t, v->count - 1),
                      v->at[best].step, where_best(t));
    else trainer_delete_best(t);
    if (best == v->count - 1)
        callbacks_say(t->callbacks, "likeness was best at the end, %s: %s; more steps may make it better still",
                      percent(t, best), result.lora ? result.lora : result.embedding);
    if (!best)
        callbacks_say(t->callbacks, "warning: nothing that was learned comes nearer to the held-out pictures than the "
                      "model did at first; take a lower --learning_rate, or see whether the captions call the person "
                      "by the same word");
    release(t->mem, before);
}
