/* train.c - a folder of pictures to a LoRA, or to the vectors of a new word.
 *
 *     pictures and captions -> lessons                               dataset.c; encoded once
 *     for each step: lessons under fresh noise -> loss, gradients    lesson.c
 *         clipped, then AdamW                                        learn.c
 *     pairs, or vectors -> file
 *
 * A batch is one picture after the other with their gradients added: norms here are of each picture alone, so that is
 * the same sum in the memory of one.  Texts are encoded once unless their encoder learns too.
 *
 * All chance comes from one generator, in one order, so a seed says which LoRA comes out, to the byte.  A step that is
 * interrupted never was: the state is that before it, and a job that goes on from there draws the same again. */
#define _POSIX_C_SOURCE 200809L
#include "train.h"

#include "chars.h"
#include "clip.h"
#include "curve.h"
#include "dataset.h"
#include "generate.h"
#include "lesson.h"
#include "metadata.h"
#include "prior.h"
#include "result.h"
#include "state.h"
#include "survey.h"
#include "unet.h"
#include "vae.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char JOB[] = "persona_job";      /* in the metadata: which job wrote a file */

enum { STEPS_A_PICTURE = 100, LINES = 20, MOST_BROKEN = 10 };

typedef struct {
    Arena          *mem;
    const Training *t;
    const Watch    *watch;
    Machine         machine;
    Run             run;
    Dataset         data;
    Learner        *learner;
    const char     *word;                /* that is learned, alone or with a LoRA; NULL: none */
    Course         *course, *safe;       /* where the job stands; where it stood after the last whole step */
    State           state;
    const WeightFile *resumed;           /* NULL: it begins anew */
    uint64_t        seed;
    float          *loss;                /* of each step done */
    int             side, steps;         /* of the pictures in pixels; in all */
    struct { double first, least; size_t epoch, rising; } held;      /* the loss of what is held out; its least was after that epoch, and so many in a row were worse */
} Work;

/* the output's name without its folder and its ending */
static const char *stem_of(Arena *a, const char *path) { return without_ending(a, file_name(path)); }

static void load(Work *w)
{
    const Training *t = w->t;
    Weights *weights = weights_add(w->mem, NULL, t->job.model, MODEL_FILE);
    if (t->job.vae) weights = weights_add(w->mem, weights, t->job.vae, VAE_FILE);
    int across, down;
    weights_resolution(weights, &across, &down);
    w->side = t->recipe.resolution > 0 ? (int)t->recipe.resolution : across;
    w->run = (Run){ .machine = &w->machine, .weights = weights, .frames = 1, .stop = w->watch ? w->watch->stop : NULL };
    w->word = t->recipe.token ? t->recipe.token : recipe_is_word(&t->recipe) ? stem_of(w->mem, t->out) : NULL;
    if (weights_predict_v(weights)) fail(w->mem, "%s: predicts v, and only models that predict epsilon can learn here yet", t->job.model);
    clip_check_skip(w->mem, weights, t->job.clip_skip);
    watch_say(w->watch, "model %s, pictures of %dx%d", t->job.model, w->side, w->side);
}

/* OUT-state.safetensors */
static const char *beside(Work *w, const char *what) { return format(w->mem, "%s%s%s", without_ending(w->mem, w->t->out), what, ending_of(w->t->out)); }

static const char *curve_path(Work *w) { return format(w->mem, "%s-loss.png", without_ending(w->mem, w->t->out)); }

/* A word beside a LoRA is embeddings/WORD.safetensors next to it: programs know an embedding by its file's name, and look for it in such a folder. */
static const char *word_path(Work *w, const char *what)
{
    const char *out = w->t->out;
    if (recipe_is_word(&w->t->recipe)) return beside(w, what);
    return format(w->mem, "%.*sembeddings/%s%s.safetensors", (int)(file_name(out) - out), out, w->word, what);
}

/* the folder of class pictures, in which all are by now */
static const char *class_folder(Work *w, size_t photos)
{
    const Recipe *r = &w->t->recipe;
    if (r->class_photos) return r->class_photos;
    size_t count = r->class_images > 0 ? (size_t)r->class_images : photos < 25 ? 4 * photos : 100;
    Job job = w->t->job;
    job.prompt = r->class_prompt, job.width = job.height = w->side, job.seed = w->seed, job.loras = 0;
    const char *folder = format(w->mem, "%s-class", without_ending(w->mem, w->t->out));
    prior_draw(w->mem, &job, folder, count, w->watch);
    return folder;
}

static void find_photos(Work *w)
{
    const Recipe *r = &w->t->recipe;
    Photos photos = photos_find(w->mem, w->t->photos, r->ending, w->t->job.prompt, (int)r->repeats, w->t->out);
    Buckets buckets = recipe_buckets(w->mem, r, w->side);
    if (r->held_out > 0) photos_hold_out(w->mem, &photos, r->held_out);
    survey(w->mem, &photos, &buckets, w->t->photos, w->watch);
    if (recipe_has_class(r)) {
        const char *folder = class_folder(w, photos.learned);
        Photos class = photos_find(w->mem, folder, r->ending, r->class_prompt, 1, NULL);
        for (size_t i = 0; i < class.count; i++) class.photo[i].role = PRIOR;
        survey(w->mem, &class, &buckets, folder, w->watch);
        photos_add_prior(w->mem, &photos, class);
        watch_say(w->watch, "%s of the class, counting %g: with them %zu pictures in an epoch%s", amount(w->mem, photos.prior, "picture"), r->prior_weight, photos.repeated,
            photos.prior < class.count ? format(w->mem, "; %zu more are not needed", class.count - photos.prior) : "");
    }
    w->data = (Dataset){ .mem = w->mem, .run = &w->run, .recipe = r, .watch = w->watch, .clip_skip = w->t->job.clip_skip ? w->t->job.clip_skip : 1, .photos = photos };
}

/* the vectors begin as those of a word that is known */
static void begin_word(Work *w)
{
    const char *as = w->t->recipe.init_word;
    Tokens known = tokenize(w->mem, w->data.captions.tokenizer, as, strlen(as));
    const Weight *words = &w->learner->words;
    if (!known.count) fail(w->mem, "--init_word says nothing; expected a word that the model knows");
    for (size_t i = 0; i < words->shape[0]; i++) clip_token(w->run.weights, known.id[i % known.count], w->learner->x + i * words->shape[1]);
}

/* every tensor that is missing or does not fit, before the first picture is encoded */
static void check_model(Work *w)
{
    size_t before = mark(w->mem);
    Problems problems = { 0, take(w->mem, 4096, 1) };
    problems.text[0] = 0;
    w->machine.dry = 1, w->run.problems = &problems;
    Tensor picture = tensor(&w->run, 1, w->side, w->side, 3);
    vae_encode(&w->run, picture);
    Tensor text = clip_encode(&w->run, NULL, 1, 1, NULL);
    unet(&w->run, tensor(&w->run, 1, w->side / FACTOR, w->side / FACTOR, LATENT), 1, (Tensor){ 1, 1, text.h, text.c, text.x });
    if (problems.count) fail(w->mem, "%s: %d tensors are missing or do not fit%s", w->t->job.model, problems.count, problems.text);
    w->machine.dry = 0, w->run.problems = NULL;
    release(w->mem, before);
}

/* steps in which all pictures are seen */
static size_t epoch_steps(const Work *w)
{
    size_t each = (size_t)(w->t->recipe.batch * w->t->recipe.accumulate);
    return (w->data.photos.repeated + each - 1) / each;
}

static void plan(Work *w)
{
    const Recipe *r = &w->t->recipe;
    size_t each = (size_t)(r->batch * r->accumulate);
    double epochs = r->epochs * (double)epoch_steps(w), seen = (double)(STEPS_A_PICTURE * w->data.photos.learned * (w->data.photos.prior ? 2 : 1));
    double asked = r->steps > 0 && epochs > 0 ? fmin(r->steps, epochs) : r->steps + epochs;
    w->steps = (int)fmin(asked > 0 ? asked : ceil(seen / (double)each), 1e9);
    w->course = take(w->mem, course_bytes(w->data.photos.repeated), 1), w->safe = take(w->mem, course_bytes(w->data.photos.repeated), 1);
    dataset_order(&w->data, w->course);
    w->course->step = w->course->taken = 0;
    w->loss = take(w->mem, (size_t)w->steps, sizeof *w->loss);
    memset(w->loss, 0, (size_t)w->steps * sizeof *w->loss);
}

/* one step of AdamW -> the mean loss of its lessons; NaN when it was left out, because something was not finite */
static double take_step(Work *w)
{
    const Sample *sample = NULL, *bad = NULL;
    const Recipe *r = &w->t->recipe;
    Learner *l = w->learner;
    int lessons = (int)(r->batch * r->accumulate);
    double loss = 0, factor = recipe_factor(r, (int)w->course->step, w->steps);
    Rates rates = recipe_rates(r);
    memset(l->d, 0, l->count * sizeof *l->d);
    for (int i = 0; i < lessons; i++) {
        sample = dataset_next(&w->data, w->course);
        loss += learn_from(&w->run, &sample->lesson, sample_weight(&w->data, sample) / lessons) / lessons;
        if (!bad && !isfinite(loss)) bad = sample;
    }
    double norm = clip_gradients(l->d, l->count, r->clip);
    if (!isfinite(loss) || !isfinite(norm)) {
        watch_say(w->watch, "step %u: the %s %s; the step is left out", w->course->step + 1, bad ? "loss is not finite at" : "gradient is not finite after",
            (bad ? bad : sample)->photo->path);
        return NAN;
    }
    rates = (Rates){ factor * rates.words, factor * rates.text, factor * rates.unet };
    learner_step(l, rates, (AdamW){ 0, r->decay, 0.9, 0.999, 1e-8 }, (int)++w->course->taken, w->machine.threads);
    return loss;
}

/* a number for all that the result depends on */
static const char *job_of(Work *w)
{
    uint64_t h = 0;
    for (const Pair *p = w->state.said; p < w->state.said + w->state.pairs; p++) h = digest(digest(h, p->key, strlen(p->key)), p->value, strlen(p->value));
    return format(w->mem, "%016llx", (unsigned long long)h);
}

/* name: the word's tensor; word, lora: where to, NULL for what is not learned */
static void write(Work *w, const char *name, const char *word, const char *lora)
{
    Arena *a = w->mem;
    const Made made = { &w->t->recipe, &w->data.photos, w->t->job.model, w->side, w->data.clip_skip, w->seed, w->course->step, (size_t)w->steps, epoch_steps(w) };
    for (int is_lora = 0; is_lora < 2; is_lora++) {
        size_t count, before = mark(a);
        if (!(is_lora ? lora : word)) continue;
        Pair *said = metadata_of(a, &made, is_lora, 2, &count);
        said[count++] = (Pair){ JOB, job_of(w) };
        said[count++] = (Pair){ "persona_loss", curve_text(a, w->loss, w->course->step) };
        if (is_lora) learner_save(a, w->learner, lora, said, count);
        else learner_save_words(a, w->learner, name, word, said, count);
        release(a, before);
    }
}

static const char *lora_path(Work *w, const char *what) { return recipe_is_word(&w->t->recipe) ? NULL : beside(w, what); }

static void save(Work *w, const char *what)
{
    const char *word = w->word ? word_path(w, what) : NULL, *lora = lora_path(w, what);
    if (word && lora) folder_make(w->mem, folder_of(w->mem, word));
    write(w, "emb_params", word, lora);
}

static const char *after_epoch(Work *w, size_t epoch) { return format(w->mem, "-%06zu", epoch); }
static const char *after_step (Work *w, size_t step)  { return format(w->mem, "-step%08zu", step); }

typedef struct { Arena *a; const char *path, *job; } Owned;

static void ask_owner(void *to)
{
    Owned *o = to;
    o->job = file_metadata(safetensors_open(o->a, o->path), JOB);
}

/* which job wrote a file of weights; NULL: none of ours */
static const char *owner(Work *w, const char *path)
{
    char why[1024];
    Owned o = { w->mem, path, NULL };
    return attempt(w->mem, ask_owner, &o, why) ? NULL : o.job;
}

/* Deletes a file of weights, if it says that this very job wrote it. */
static void forget(Work *w, const char *path)
{
    const char *job = path && file_is(path) ? owner(w, path) : NULL;
    if (job && !strcmp(job, job_of(w))) remove(path);
}

static int due(size_t step, double every) { return every > 0 && step % (size_t)every == 0; }

/* What the recipe wants saved after this step; the state first, for on a full disk what is learned so far is the smaller loss. */
static void save_on_the_way(Work *w)
{
    const Recipe *r = &w->t->recipe;
    size_t before = mark(w->mem), step = w->course->step, epoch = epoch_steps(w);
    size_t each = (size_t)r->save_epochs, kept = each * (size_t)r->last_epochs;
    int epochs = due(step, (double)epoch * r->save_epochs), steps = due(step, r->save_steps);
    if ((epochs || steps) && step < (size_t)w->steps) {
        state_save(w->mem, &w->state, w->course, beside(w, "-state"));
        if (epochs) save(w, after_epoch(w, step / epoch));
        if (steps) save(w, after_step(w, step));
        const char *old = epochs && kept && step / epoch > kept ? after_epoch(w, step / epoch - kept) : NULL;
        if (old) forget(w, lora_path(w, old));
        if (old && w->word) forget(w, word_path(w, old));
    }
    release(w->mem, before);
}

/* ---- samples ---------------------------------------------------------------------------------- */

/* what the training decides for them, then everything up to the first step of work */
static void check_samples(Work *w)
{
    const Job *job = &w->t->job;
    for (size_t i = 0; i < w->t->samples.count; i++) {
        Request *s = &w->t->samples.request[i];
        if (!s->seeded) s->job.seed = w->seed, s->seeded = 1;
        if (!s->job.clip_skip) s->job.clip_skip = job->clip_skip;
        s->job.threads = job->threads, s->job.model = job->model, s->job.vae = job->vae;
        Job once = s->job;
        generate_check(w->mem, &once, NULL);
    }
}

static void remove_file(void *path) { remove(path); }

typedef struct { Work *w; const Request *request; Newcomer learned; const char *path; } Drawing;

static void write_newcomer(void *to)
{
    Drawing *d = to;
    write(d->w, d->w->word, d->learned.word, d->learned.lora);
}

static void draw_sample(void *to)
{
    Drawing *d = to;
    watch_say(d->w->watch, "sample %s", sample_draw(d->w->mem, d->request, d->learned, d->path, d->w->watch));
}

/* Draws all samples with what is learned so far, as it will be found under that name.  Learning goes on whatever becomes of them:
 * when they are interrupted the next step will be, too. */
static void draw_samples(Work *w, const char *what)
{
    char why[1024];
    size_t before = mark(w->mem);
    const char *as = beside(w, what);
    char *lora = recipe_is_word(&w->t->recipe) ? NULL : format(w->mem, "%s.lora.part", w->t->out);
    char *word = w->word ? format(w->mem, "%s.word.part", w->t->out) : NULL;
    if (lora) undo(w->mem, remove_file, lora);
    if (word) undo(w->mem, remove_file, word);
    Drawing d = { w, NULL, { lora, stem_of(w->mem, as), word }, NULL };
    int wrong = attempt(w->mem, write_newcomer, &d, why);
    if (wrong) watch_say(w->watch, "samples were not drawn: %s", why);
    for (size_t i = 0; i < w->t->samples.count && !wrong; i++) {
        d.request = &w->t->samples.request[i], d.path = format(w->mem, "%s-sample%zu", without_ending(w->mem, as), i + 1);
        if (!attempt(w->mem, draw_sample, &d, why)) continue;
        wrong = !strcmp(why, "interrupted");
        watch_say(w->watch, "sample %s was not drawn: %s", d.path, why);
    }
    release(w->mem, before);
}

static void sample_on_the_way(Work *w)
{
    size_t before = mark(w->mem), step = w->course->step, epoch = epoch_steps(w);
    int epochs = due(step, (double)epoch * w->t->recipe.sample_epochs), steps = due(step, w->t->recipe.sample_steps);
    if ((epochs || steps) && step < (size_t)w->steps) draw_samples(w, epochs ? after_epoch(w, step / epoch) : after_step(w, step));
    release(w->mem, before);
}

/* ---- the loop --------------------------------------------------------------------------------- */

/* beside the progress bar: the loss of the last steps on average, and the learning rate */
static void show_loss(const Work *w)
{
    size_t step = w->course->step;
    const Recipe *r = &w->t->recipe;
    double loss = curve_mean(w->loss, step > CURVE_WINDOW ? step - CURVE_WINDOW : 0, step);
    if (step) watch_note(w->watch, "loss %.4f, rate %.3g", loss, recipe_rate(r) * recipe_factor(r, (int)step - 1, w->steps));
}

/* after so many epochs; once it has been rising, learning goes on by heart */
static void tell_held_out(Work *w, size_t epoch)
{
    double loss = dataset_held_out_loss(&w->data);
    if (!(w->held.first > 0)) {
        w->held.first = w->held.least = loss, w->held.epoch = epoch;
        watch_say(w->watch, "held out: loss %.4f", loss);
        return;
    }
    int least = loss < w->held.least;
    if (least) w->held.least = loss, w->held.epoch = epoch, w->held.rising = 0;
    watch_say(w->watch, "epoch %zu: held out: loss %.4f, %.4f at first, least %.4f after epoch %zu", epoch, loss, w->held.first, w->held.least, w->held.epoch);
    if (!least && ++w->held.rising == 2)
        watch_say(w->watch, "the held-out loss has been rising since epoch %zu: from there on the pictures are learned by heart; fewer steps may be better",
            w->held.epoch);
}

static void settle(Work *w) { memcpy(w->safe, w->course, course_bytes(w->data.photos.repeated)); }

static void learn(void *work)
{
    Work *w = work;
    double every = fmax(1, w->steps / (double)LINES);
    size_t told = (size_t)(floor(w->course->step / every) * every);
    int broken = 0;
    settle(w);
    if (w->data.photos.held_out) tell_held_out(w, w->course->step / epoch_steps(w));
    while ((int)w->course->step < w->steps) {
        watch_progress(w->watch, "step", (int)w->course->step, w->steps);
        double loss = take_step(w);
        size_t step = ++w->course->step;
        w->loss[step - 1] = (float)loss;
        settle(w);
        show_loss(w);
        broken = isfinite(loss) ? 0 : broken + 1;
        if (broken == MOST_BROKEN)
            fail(w->mem, "%d steps in a row came to nothing finite: a broken checkpoint, or a learning rate far too high; %s was not written", broken, w->t->out);
        save_on_the_way(w);
        sample_on_the_way(w);
        if (w->data.photos.held_out && step % epoch_steps(w) == 0) tell_held_out(w, step / epoch_steps(w));
        if (floor((double)step / every) == floor((double)(step - 1) / every) && step < (size_t)w->steps) continue;
        watch_say(w->watch, "step %zu/%d: loss %.4f on average", step, w->steps, curve_mean(w->loss, told, step));
        told = step;
    }
    watch_progress(w->watch, "done", w->steps, w->steps);
}

/* When it is stopped, the step under way is dropped: nothing but the course has changed since the last one. */
static void learn_or_save(Work *w)
{
    char why[1024];
    if (!attempt(w->mem, learn, w, why)) return;
    if (strcmp(why, "interrupted")) fail(w->mem, "%s", why);
    const char *path = beside(w, "-state");
    state_save(w->mem, &w->state, w->safe, path);
    fail(w->mem, "interrupted after step %u of %d; the same command with --resume %s goes on from there", w->safe->step, w->steps, path);
}

/* all that learns, as it is before the first step */
static void begin(Work *w)
{
    const Recipe *r = &w->t->recipe;
    int lora = !recipe_is_word(r);
    Rates rates = recipe_rates(r);
    LearnPlan what = { .unet = lora && rates.unet > 0, .text = lora && rates.text > 0, .rank = (int)r->rank, .alpha = (float)(r->alpha > 0 ? r->alpha : r->rank),
                       .conv_rank = (int)r->conv_rank, .conv_alpha = (float)(r->conv_alpha > 0 ? r->conv_alpha : r->conv_rank),
                       .vectors = w->word ? (int)r->vectors : 0, .eight_bits = recipe_eight_bits(r) };
    int vocabulary = clip_vocabulary(w->run.weights);
    w->data.captions = (Captions){ tokenizer_new(w->mem, file_map(w->mem, w->t->job.merges), (size_t)vocabulary), w->word, vocabulary, (int)r->vectors };
    w->learner = learner_new(w->mem, w->run.weights, what);
    rng_seed(&w->course->rng, w->seed);
    if (w->word) begin_word(w);
    learner_seed(w->learner, &w->course->rng);
    w->state.learner = w->learner;
}

/* Nobody named the file of a word beside a LoRA: one that is there may be replaced if it was learned here. */
static void check_word(Work *w)
{
    const char *path = word_path(w, "");
    folder_make(w->mem, folder_of(w->mem, path));
    place_check(w->mem, path, 0);
    if (file_is(path) && !owner(w, path)) fail(w->mem, "%s: is there, and was not learned here; choose another word with --token, or another folder with -o", path);
}

/* All that is going to be written, before hours of work: what is learned, each time that it is saved, and the state, which is there twice while it is saved anew. */
static void check_room(Work *w)
{
    const Recipe *r = &w->t->recipe;
    size_t each = (size_t)r->save_epochs * epoch_steps(w), epochs = each ? (size_t)w->steps / each : 0;
    size_t steps = r->save_steps > 0 ? (size_t)w->steps / (size_t)r->save_steps : 0;
    double learned = (double)w->learner->count * sizeof(uint16_t) + (double)w->learner->word_count * sizeof(float);
    if (r->last_epochs > 0 && epochs > (size_t)r->last_epochs) epochs = (size_t)r->last_epochs;
    place_check(w->mem, w->t->out, (double)(1 + epochs + steps) * learned + (epochs || steps ? 2 : 1) * state_bytes(&w->state));
    place_check(w->mem, beside(w, "-state"), 0), place_check(w->mem, curve_path(w), 0);
    if (w->word && !recipe_is_word(r)) check_word(w);
}

/* ---- going on --------------------------------------------------------------------------------- */

static const char *digest_of_weights(Work *w)
{
    uint64_t h = 0;
    const Weight *one;
    for (size_t i = 0; (one = weights_at(w->run.weights, i)); i++) {
        h = digest(digest(h, one->name, strlen(one->name)), one->data, one->bytes);
        files_rest(w->mem);                              /* all of them at once would be the most memory of the whole job */
    }
    return format(w->mem, "weights of digest %016llx", (unsigned long long)h);
}

static const char *describe_photo(Work *w, const Photo *photo)
{
    static const char *const role[] = { [LEARNED] = "", [PRIOR] = ", of the class", [HELD_OUT] = ", held out" };
    Arena *a = w->mem;
    const char *caption = quoted(a, photo->caption);
    uint64_t h = digest(photo->digest, photo->caption, strlen(photo->caption));
    return format(a, "%s, %d times, %s, digest %016llx%s", quoted(a, photo->name), photo->repeats, caption, (unsigned long long)h, role[photo->role]);
}

/* all that the result depends on */
static void describe(Work *w)
{
    const char *flag, *value, *help;
    Arena *a = w->mem;
    size_t n = 0, options = 0;
    while (recipe_flag(options, &value, &help)) options++;
    Pair *said = take(a, w->data.photos.count + options + 8, sizeof *said);
    said[n++] = (Pair){ "seed", format(a, "%llu", (unsigned long long)w->seed) };
    said[n++] = (Pair){ "model", digest_of_weights(w) };
    said[n++] = (Pair){ "word", w->word ? quoted(a, w->word) : "" };
    said[n++] = (Pair){ "clip_skip", format(a, "%d", w->data.clip_skip) };
    said[n++] = (Pair){ "precision", w->machine.bf16 ? "bf16" : "f32" };
    for (size_t i = 0; (flag = recipe_flag(i, &value, &help)); i++)
        if ((value = recipe_text(a, &w->t->recipe, i))) said[n++] = (Pair){ format(a, "--%s", flag), value };
    said[n++] = (Pair){ "the number of pictures", format(a, "%zu", w->data.photos.count) };
    for (size_t i = 0; i < w->data.photos.count; i++) said[n++] = (Pair){ format(a, "picture %zu", i + 1), describe_photo(w, &w->data.photos.photo[i]) };
    w->state = (State){ said, n, NULL, w->course, w->data.photos.count, w->data.photos.repeated, w->loss, (size_t)w->steps };
}

static void open_state(Work *w)
{
    const char *path = w->t->recipe.resume;
    if (!path) return;
    if (!file_is(path)) path = format(w->mem, "%s/%s-state.safetensors", path, stem_of(w->mem, w->t->out));
    w->resumed = state_open(w->mem, path);
    if (!w->t->seeded) w->seed = state_seed(w->mem, w->resumed);
}

/* The state of a job that was stopped is hours of work: one that does not go on from it leaves it there under another name. */
static void set_aside(Work *w)
{
    const char *path = beside(w, "-state"), *to = path;
    if (!file_is(path) || (w->resumed && same_file(w->resumed->path, path))) return;
    for (int n = 1; file_is(to); n++) to = beside(w, n > 1 ? format(w->mem, "-state-before%d", n) : "-state-before");
    if (rename(path, to)) fail(w->mem, "%s: cannot be renamed to %s: %s", path, to, strerror(errno));
    watch_say(w->watch, "warning: %s was there from a job before and is %s now; this job does not go on from it, as with --resume", path, to);
}

/* after all that chance had a part in before the first step */
static void resume(Work *w)
{
    if (!w->resumed) return;
    size_t steps = state_load(w->mem, w->resumed, &w->state);
    watch_say(w->watch, "%s: goes on after step %u of %d%s", w->resumed->path, w->course->step, w->steps,
        steps == (size_t)w->steps ? "" : format(w->mem, "; they were %zu when it was saved, and the learning rate follows the new number from here on", steps));
}

/* what was chosen, and why */
static const char *steps_said(Work *w)
{
    const Recipe *r = &w->t->recipe;
    const Photos *p = &w->data.photos;
    if (r->steps > 0 && w->steps == (int)r->steps) return format(w->mem, "%s as asked for, %.3g epochs", amount(w->mem, (size_t)w->steps, "step"), w->steps / (double)epoch_steps(w));
    if (r->epochs > 0) return format(w->mem, "%s of %s", amount(w->mem, (size_t)r->epochs, "epoch"), amount(w->mem, p->repeated, "picture"));
    return format(w->mem, "%d steps for each picture%s, for no number was asked for", STEPS_A_PICTURE, p->prior ? ", and as many of the class" : "");
}

static const char *rates_said(Work *w)
{
    const Recipe *r = &w->t->recipe;
    Rates rates = recipe_rates(r);
    if (recipe_is_word(r)) return format(w->mem, "begins as \"%s\"", r->init_word);
    const char *word = w->word ? format(w->mem, ", the word, which begins as \"%s\", at %g", r->init_word, rates.words) : "";
    return format(w->mem, "%s, %s%s", rates.unet > 0 ? format(w->mem, "the UNet at %g", rates.unet) : "no UNet",
                  rates.text > 0 ? format(w->mem, "the text encoder at %g", rates.text) : "no text encoder", word);
}

/* Weights that are in memory by turns: the autoencoder's; those from the text to the UNet's middle; those of its way up */
typedef enum { AUTOENCODER, DOWN_TO_MIDDLE, UP } Turn;

static size_t mapped_bytes(const Work *w, Turn turn)
{
    size_t vae = weights_bytes(w->run.weights, "vae."), up = weights_bytes(w->run.weights, "unet.up_");
    return turn == AUTOENCODER ? vae : turn == UP ? up : weights_bytes(w->run.weights, "") - vae - up;
}

/* The pictures have been encoded: what that took is needed no more.  -> what it was */
static size_t rest(Work *w)
{
    size_t bytes = peak(w->mem) + mapped_bytes(w, AUTOENCODER);
    files_rest(w->mem), arena_rest(w->mem), peak_anew(w->mem);
    return bytes;
}

static void tell_plan(Work *w, size_t encoding)
{
    const Recipe *r = &w->t->recipe;
    int lessons = (int)(r->batch * r->accumulate), warmup = schedule_warmup(&r->schedule, w->steps);
    size_t before = mark(w->mem);                  /* the lessons must begin where the arena stands now */
    size_t down = mapped_bytes(w, DOWN_TO_MIDDLE), up = mapped_bytes(w, UP), mapped = down > up ? down : up, most = peak(w->mem) + mapped;
    double seconds = w->machine.ops * w->steps * lessons / machine_speed(&w->machine);
    if (most < encoding) most = encoding, mapped = mapped_bytes(w, AUTOENCODER);
    const char *word = w->word ? format(w->mem, "%s, called %s", amount(w->mem, (size_t)r->vectors, "vector"), w->word) : NULL;
    const char *convolutions = r->conv_rank > 0 ? format(w->mem, ", 3x3 convolutions %d,", (int)r->conv_rank) : "";
    const char *lora = format(w->mem, "LoRA of rank %d%s on %s", (int)r->rank, convolutions, amount(w->mem, w->learner->pairs, "layer"));
    const char *what = recipe_is_word(r) ? format(w->mem, "textual inversion of %s", word) : word ? format(w->mem, "%s and %s", lora, word) : lora;
    const char *rate = warmup > 0 ? format(w->mem, "%s after %s of warm-up", r->schedule.name, amount(w->mem, (size_t)warmup, "step")) : r->schedule.name;
    watch_say(w->watch, "%s, %s of %d, learning rate %g, seed %llu", what, amount(w->mem, (size_t)w->steps, "step"), lessons, recipe_rate(r),
        (unsigned long long)w->seed);
    watch_say(w->watch, "%s; %s, %s, %s, gradients of %s", steps_said(w), rates_said(w), r->optimizer, rate,
        r->clip > 0 ? format(w->mem, "at most %g", r->clip) : "any size");
    watch_say(w->watch, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), about %.0f min on %s", (double)most / 1e9, (double)mapped / 1e9, ceil(seconds / 60),
        amount(w->mem, (size_t)w->machine.threads, "thread"));
    release(w->mem, before);
}

void train(Arena *a, const Training *t, const Watch *watch)
{
    size_t before = mark(a);
    Work *w = take(a, 1, sizeof *w);
    *w = (Work){ .mem = a, .t = t, .watch = watch, .seed = t->job.seed };
    w->machine = (Machine){ a, t->job.threads > 0 ? t->job.threads : machine_threads(), 0, 0, t->job.precision && !strcmp(t->job.precision, "bf16") };
    recipe_check(a, &t->recipe);
    open_state(w);
    load(w);
    check_model(w);
    check_samples(w);
    find_photos(w);
    plan(w);
    describe(w);
    if (w->resumed) state_match(a, w->resumed, w->state.said, w->state.pairs);
    begin(w);
    check_room(w);
    dataset_read(&w->data, &w->course->rng);
    resume(w);
    set_aside(w);
    size_t encoding = rest(w);
    w->run.learner = w->learner, w->run.gradient_checkpointing = t->recipe.checkpointing > 0;
    dataset_rehearse(&w->data);
    tell_plan(w, encoding);
    learn_or_save(w);
    if (t->recipe.save_state > 0) state_save(a, &w->state, w->course, beside(w, "-state"));
    save(w, "");
    if (file_is(beside(w, "-state")))
        watch_say(watch, "%s: the state stays; --resume with a larger --max_train_steps learns on from it; it may be deleted", beside(w, "-state"));
    if (w->word && !recipe_is_word(&t->recipe)) watch_say(watch, "the word %s: %s; the two belong together", w->word, word_path(w, ""));
    curve_save(a, w->loss, (size_t)w->steps, curve_path(w));
    if (t->samples.count) draw_samples(w, "");
    release(a, before);
}
