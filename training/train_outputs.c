/* train_outputs.c - every file that training writes.
 *
 * The result is written at the end, and on the way as often as the configuration wants it: every n epochs, every n
 * steps.  Sample images come at the same points, drawn from a temporary file of what is trained so far.
 * train_paths.c says what the files are called.
 *
 * Every result says in its metadata which job wrote it.  So this job deletes and overwrites only what is its own; what
 * another one left in the place of a result is kept as OUT-before.  Pictures do not say it: one with other bytes is
 * kept.
 *
 * What is written at the end, or on Ctrl-C, is the only copy of what was learned: where it cannot be written as wanted,
 * it goes to another place, and the message says where.  What is written on the way, and the loss curve and samples at
 * the end, may fail: that is a warning, and learning goes on. */
#include "output.h"
#include "trainer.h"

#include "chars.h"
#include "curve.h"
#include "metadata.h"
#include "own_pictures.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

/* keys of metadata */
static const char JOB[] = "persona_job", LOSS[] = "persona_loss", STEPS[] = "ss_max_train_steps";

/* ---- results ----------------------------------------------------------------------------------- */

static KeyValue *result_metadata(Trainer *t, ResultKind kind, size_t *count)
{
    const ResultInfo info = { .config = t->config, .photos = &t->dataset.photos, .model = t->job->job.model,
                              .side = t->side, .clip_skip = t->dataset.clip_skip, .seed = t->seed,
                              .step = t->progress->step, .steps = (size_t)t->steps, .epoch = trainer_epoch(t),
                              .validation = &t->validation };
    KeyValue *metadata = metadata_of(t->mem, &info, kind, 2, count);
    metadata[(*count)++] = (KeyValue){ JOB, trainer_job_id(t) };
    metadata[(*count)++] = (KeyValue){ LOSS, curve_text(t->mem, t->loss, t->progress->step) };
    return metadata;
}

/* The next ones are each a SaveFile of a Trainer. */

static void write_lora(void *trainer, const char *path)
{
    Trainer *t = trainer;
    size_t before = mark(t->mem);
    size_t count;
    KeyValue *metadata = result_metadata(t, LORA_RESULT, &count);
    trainable_save_lora(t->mem, t->trainable, path, metadata, count);
    release(t->mem, before);
}

/* tensor: its name in the file */
static void write_words(Trainer *t, const char *tensor, const char *path)
{
    size_t before = mark(t->mem);
    size_t count;
    KeyValue *metadata = result_metadata(t, EMBEDDING_RESULT, &count);
    trainable_save_embedding(t->mem, t->trainable, tensor, path, metadata, count);
    release(t->mem, before);
}

static void write_embedding(void *trainer, const char *path) { write_words(trainer, "emb_params", path); }

/* Where the job stood after the last whole step. */
static void write_state(void *trainer, const char *path)
{
    Trainer *t = trainer;
    training_state_save(t->mem, &t->state, t->safe, path);
}

static Bytes curve_of(Trainer *t)
{
    const Validation *v = &t->validation;
    CurvePoint *point = allocate(t->mem, v->count + 1, sizeof *point);
    for (size_t i = 0; i < v->count; i++) point[i] = (CurvePoint){ v->at[i].step, validation_loss(v, i) };
    CurvePoints held_out = { point, v->count, v->count ? validation_best(v) : 0 };
    return curve_png(t->mem, t->loss, (size_t)t->steps, held_out);
}

static void write_curve(void *trainer, const char *path)
{
    Trainer *t = trainer;
    files_save(t->mem, &(File){ path, curve_of(t) }, 1);
}

/* ---- whose a file is --------------------------------------------------------------------------- */

typedef struct {
    Arena      *a;
    const char *path, *job, *steps;
} Owned;

static void ask_owner(void *to)
{
    Owned *o = to;
    const WeightFile *f = safetensors_open(o->a, o->path);
    o->job = file_metadata(f, JOB);
    o->steps = file_metadata(f, STEPS);
}

/* The job that wrote a file of weights, and how many steps it was to have; NULL: it is none of persona's. */
static Owned owner_of(Trainer *t, const char *path)
{
    char why[MESSAGE];
    Owned o = { .a = t->mem, .path = path };
    return attempt(t->mem, ask_owner, &o, why) ? (Owned){ .path = path } : o;
}

/* Does a file of weights say that this very job wrote it? */
static int is_own(Trainer *t, const char *path)
{
    size_t before = mark(t->mem);
    Owned o = owner_of(t, path);
    int is = o.job && o.steps && !strcmp(o.job, trainer_job_id(t)) && !strcmp(o.steps, format(t->mem, "%d", t->steps));
    release(t->mem, before);
    return is;
}

static void delete_own(Trainer *t, const char *path)
{
    if (path && file_is(path) && is_own(t, path)) remove(path);
}

/* ---- where they are saved ---------------------------------------------------------------------- */

/* Beside the pictures, in the current folder, in that of temporary files. */
static const char **folders_elsewhere(Trainer *t)
{
    const char *photos = t->subsets.subset->image_dir;
    size_t n = strlen(photos);
    const char **folder = allocate(t->mem, 4, sizeof *folder);
    while (n > 1 && photos[n - 1] == '/') n--;
    folder[0] = folder_of(t->mem, copy(t->mem, photos, n));
    folder[1] = ".";
    folder[2] = system_temporary_folder();
    folder[3] = NULL;
    return folder;
}

/* A file to be saved, as wanted or, with `anywhere`, in one of those folders.  saved: the path that it has then. */
typedef struct {
    Trainer    *t;
    SaveFile   *write;
    const char *path;
    int         anywhere;
    const char *saved;
} Saving;

/* Is what is at that path to be kept?  States of other jobs have gone before the first step: trainer_set_aside(). */
static int keeps(Trainer *t, SaveFile *write, const char *path)
{
    int overwrite = t->job->overwrite;
    if (!file_is_there(t->mem, path) || write == write_state) return 0;
    if (write == write_curve) return own_picture_keeps(t->mem, (File){ path, curve_of(t) }, overwrite);
    return !overwrite && !is_own(t, path);
}

static void save(void *saving)
{
    Saving *s = saving;
    Trainer *t = s->t;
    const char **elsewhere = s->anywhere ? folders_elsewhere(t) : NULL;
    s->saved = output_save(t->mem, s->path, keeps(t, s->write, s->path), elsewhere, s->write, t, t->callbacks);
}

/* Returns whether the file was saved; when it was not, training goes on after a warning. */
static int try_saving(Trainer *t, SaveFile *write, const char *path, int anywhere)
{
    char why[MESSAGE];
    Saving s = { .t = t, .write = write, .path = path, .anywhere = anywhere };
    int failed = attempt(t->mem, save, &s, why);
    if (failed) callbacks_say(t->callbacks, "warning: %s", why);
    return !failed;
}

static int save_on_the_way(Trainer *t, SaveFile *write, const char *path) { return try_saving(t, write, path, 0); }
static int save_anywhere(Trainer *t, SaveFile *write, const char *path)   { return try_saving(t, write, path, 1); }

/* ---- at the end -------------------------------------------------------------------------------- */

/* Both are saved before one of them may fail. */
TrainedFiles trainer_save(Trainer *t)
{
    char why[MESSAGE] = "";
    Saving word = { .t = t, .write = write_embedding, .path = trainer_embedding_path(t, ""), .anywhere = 1 };
    Saving lora = { .t = t, .write = write_lora, .path = trainer_lora_path(t, ""), .anywhere = 1 };
    if (word.path) attempt(t->mem, save, &word, why);
    if (lora.path) attempt(t->mem, save, &lora, why);
    if (*why && lora.saved) fail(t->mem, "%s; the LoRA was saved: %s", why, lora.saved);
    if (*why && word.saved) fail(t->mem, "%s; the word was saved: %s", why, word.saved);
    if (*why) fail(t->mem, "%s", why);
    return (TrainedFiles){ .lora = lora.saved, .embedding = word.saved };
}

void trainer_save_state(Trainer *t) { save_anywhere(t, write_state, trainer_state_path(t)); }

void trainer_save_curve(Trainer *t)
{
    if (curve_of(t).data) save_anywhere(t, write_curve, trainer_curve_path(t));
}

const char *trainer_keep_state(Trainer *t)
{
    char why[MESSAGE];
    Saving s = { .t = t, .write = write_state, .path = trainer_state_path(t), .anywhere = 1 };
    if (attempt(t->mem, save, &s, why)) return format(t->mem, "its state could not be saved: %s", why);
    return format(t->mem, "the same command with --resume %s goes on from there", s.saved);
}

/* ---- when ---------------------------------------------------------------------------------------- */

/* every: steps; 0: never */
static int is_due(size_t step, size_t every) { return every && step % every == 0; }

/* What is due after a step, every n epochs and every n steps.  Nothing is after the last one: the result comes
 * then. */
typedef struct { int epochs, steps; } Due;

static Due due_after(const Trainer *t, size_t step, int every_n_epochs, int every_n_steps)
{
    if (step >= (size_t)t->steps) return (Due){ 0, 0 };
    Due due;
    due.epochs = is_due(step, trainer_epoch(t) * (size_t)every_n_epochs);
    due.steps = is_due(step, (size_t)every_n_steps);
    return due;
}

/* ---- before training --------------------------------------------------------------------------- */

/* Nobody named the file of a word beside a LoRA.  One that is there may be replaced if it was trained here. */
static void check_embedding(Trainer *t)
{
    const char *path = trainer_embedding_path(t, "");
    folder_make(t->mem, folder_of(t->mem, path));
    output_check(t->mem, path, 0);
    if (file_is(path) && !owner_of(t, path).job)
        fail(t->mem, "%s: is there, and was not learned here; choose another word with --token, or another folder "
                     "with -o", path);
}

static size_t count_saves_of_epochs(const Trainer *t)
{
    const TrainingConfig *c = t->config;
    if (!c->save_every_n_epochs) return 0;
    size_t saves = (size_t)t->steps / ((size_t)c->save_every_n_epochs * trainer_epoch(t));
    size_t kept = (size_t)c->save_last_n_epochs;
    return kept && saves > kept ? kept : saves;
}

static size_t count_saves_of_steps(const Trainer *t)
{
    size_t each = (size_t)t->config->save_every_n_steps;
    return each ? (size_t)t->steps / each : 0;
}

/* The LoRA that training goes on from may be the result of an epoch or a step, which would be saved anew. */
static void spare_inputs(Trainer *t)
{
    const char *from = t->config->network_weights;
    const char *state = t->resumed ? t->resumed->path : NULL;
    output_spare(t->mem, t->job->out, state);
    output_spare(t->mem, t->job->out, from);
    if (from && t->dataset.photos.validations) output_spare(t->mem, trainer_path(t, trainer_best), from);
    for (size_t step = 1; from && step < (size_t)t->steps; step++) {
        size_t before = mark(t->mem);
        Due due = due_after(t, step, t->config->save_every_n_epochs, t->config->save_every_n_steps);
        if (due.epochs) output_spare(t->mem, trainer_path(t, trainer_after_epoch(t, step / trainer_epoch(t))), from);
        if (due.steps) output_spare(t->mem, trainer_path(t, trainer_after_step(t, step)), from);
        release(t->mem, before);
    }
}

/* Room for the result, each time that it is saved, and for the state, which is there twice while it is saved anew. */
void trainer_check_room(Trainer *t)
{
    size_t saves = count_saves_of_epochs(t) + count_saves_of_steps(t);
    double lora = (double)t->trainable->count * sizeof(uint16_t);
    double embedding = (double)t->trainable->word_count * sizeof(float);
    if (t->dataset.photos.validations) saves++;      /* the best */
    double results = (double)(1 + saves) * (lora + embedding);
    double states = (saves ? 2 : 1) * training_state_bytes(&t->state);
    spare_inputs(t);
    output_check_protected(t->mem, t->job->out);
    output_check(t->mem, t->job->out, results + states);
    output_check(t->mem, trainer_state_path(t), 0);
    output_check(t->mem, trainer_curve_path(t), 0);
    if (t->word && !is_textual_inversion(t->config)) check_embedding(t);
}

/* ---- while training ---------------------------------------------------------------------------- */

/* What is learned so far, as OUT<what>.  Returns whether all of it was saved. */
static int save_result(Trainer *t, const char *what)
{
    const char *embedding = trainer_embedding_path(t, what);
    const char *lora = trainer_lora_path(t, what);
    int all = 1;
    if (embedding) all &= save_on_the_way(t, write_embedding, embedding);
    if (lora) all &= save_on_the_way(t, write_lora, lora);
    return all;
}

void trainer_save_best(Trainer *t) { save_result(t, trainer_best); }

void trainer_delete_best(Trainer *t)
{
    delete_own(t, trainer_lora_path(t, trainer_best));
    delete_own(t, trainer_embedding_path(t, trainer_best));
}

/* Of the results of epochs the last ones stay. */
static void delete_old(Trainer *t)
{
    size_t epoch = t->progress->step / trainer_epoch(t);
    size_t kept = (size_t)t->config->save_every_n_epochs * (size_t)t->config->save_last_n_epochs;
    if (!kept || epoch <= kept) return;
    const char *old = trainer_after_epoch(t, epoch - kept);
    delete_own(t, trainer_lora_path(t, old));
    delete_own(t, trainer_embedding_path(t, old));
}

/* The state comes first: on a full disk what is learned so far is the smaller loss.  An old result is deleted only when
 * the new one is there. */
void trainer_save_periodically(Trainer *t)
{
    size_t before = mark(t->mem);
    size_t step = t->progress->step;
    Due due = due_after(t, step, t->config->save_every_n_epochs, t->config->save_every_n_steps);
    if (due.epochs || due.steps) save_on_the_way(t, write_state, trainer_state_path(t));
    if (due.epochs && save_result(t, trainer_after_epoch(t, step / trainer_epoch(t)))) delete_old(t);
    if (due.steps) save_result(t, trainer_after_step(t, step));
    release(t->mem, before);
}

/* ---- sample images ----------------------------------------------------------------------------- */

static void remove_file(void *path) { remove(path); }

typedef struct {
    Trainer       *t;
    TrainedFiles   trained;              /* temporary files that hold what is trained so far */
    const Request *request;
    const char    *stem;                 /* of the sample's path */
} Drawing;

/* The samples' prompts know the word by the name of its tensor, for the file has a name of its own. */
static void write_word_by_name(void *trainer, const char *path)
{
    Trainer *t = trainer;
    write_words(t, t->word, path);
}

/* Returns whether both are there. */
static int write_trained(Drawing *d)
{
    const char *lora = d->trained.lora;
    const char *embedding = d->trained.embedding;
    if (lora && !save_on_the_way(d->t, write_lora, lora)) return 0;
    return !embedding || save_on_the_way(d->t, write_word_by_name, embedding);
}

static void draw_sample(void *to)
{
    Drawing *d = to;
    Trainer *t = d->t;
    size_t before = mark(t->mem);
    File picture = sample_draw(t->mem, d->request, d->trained, d->stem, t->callbacks);
    own_picture_save(t->mem, picture, t->job->overwrite, t->callbacks);
    callbacks_say(t->callbacks, "sample %s", picture.path);
    release(t->mem, before);
}

/* A path for a temporary file, which is removed when the arena is released. */
static char *temporary_path(Trainer *t, const char *kind)
{
    char *path = format(t->mem, "%s.%s.part", t->job->out, kind);
    on_release(t->mem, remove_file, path);
    return path;
}

/* Draws sample i; returns 0 when it was interrupted. */
static int try_sample(Drawing *d, size_t i, const char *stem)
{
    char why[MESSAGE];
    d->request = &d->t->job->sample_prompts.request[i];
    d->stem = format(d->t->mem, "%s-sample%zu", stem, i + 1);
    if (!attempt(d->t->mem, draw_sample, d, why)) return 1;
    callbacks_say(d->t->callbacks, "warning: sample %s was not drawn: %s", d->stem, why);
    return fail_kind(d->t->mem) != CANCELLED;
}

static void draw_all(void *to)
{
    Drawing *d = to;
    const SamplePrompts *prompts = &d->t->job->sample_prompts;
    const char *stem = d->stem;
    if (!write_trained(d)) fail(d->t->mem, "what is trained so far could not be saved for them");
    for (size_t i = 0; i < prompts->count; i++)
        if (!try_sample(d, i, stem)) return;
}

/* Draws all samples with what is trained so far, as it will be found under the name of OUT<what>.  Training goes on
 * whatever becomes of them: when they are interrupted, the next step will be, too. */
static void draw_samples(Trainer *t, const char *what)
{
    char why[MESSAGE];
    size_t before = mark(t->mem);
    const char *as = trainer_path(t, what);
    Drawing d = { .t = t, .trained = { .lora_name = trainer_stem(t->mem, as) } };
    d.stem = without_extension(t->mem, as);
    if (!is_textual_inversion(t->config)) d.trained.lora = temporary_path(t, "lora");
    if (t->word) d.trained.embedding = temporary_path(t, "word");
    files_trim(t->mem);                      /* the weights are mapped once more to draw */
    if (attempt(t->mem, draw_all, &d, why)) callbacks_say(t->callbacks, "warning: samples were not drawn: %s", why);
    release(t->mem, before);
}

void trainer_draw_samples(Trainer *t) { draw_samples(t, ""); }

void trainer_sample_periodically(Trainer *t)
{
    size_t before = mark(t->mem);
    size_t step = t->progress->step;
    Due due = due_after(t, step, t->config->sample_every_n_epochs, t->config->sample_every_n_steps);
    if (due.epochs) draw_samples(t, trainer_after_epoch(t, step / trainer_epoch(t)));
    else if (due.steps) draw_samples(t, trainer_after_step(t, step));
    release(t->mem, before);
}
