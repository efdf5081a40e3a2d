/* train_resume.c - what a training job depends on, and resuming it.
 *
 * A job that is resumed gives the same bytes as without the interruption.  So everything that
 * the result depends on is listed by name: seed, weights, options, each picture.  The list goes into the state
 * (training_state.c), and the job goes on from a state only where all of it is the same.  A digest of the list is the
 * job's number, which its results carry. */
#include "trainer.h"

#include "chars.h"
#include "output.h"
#include "system.h"

#include <string.h>

/* ---- what the result depends on ---------------------------------------------------------------- */

static uint64_t digest_text(uint64_t h, const char *text) { return digest(h, text, strlen(text)); }

static const char *digest_of_weights(Trainer *t)
{
    uint64_t h = 0;
    const Weight *w;
    size_t i = 0;
    while ((w = weights_at(t->run.weights, i++))) {
        h = digest_text(h, w->name);
        h = digest(h, w->data, w->bytes);
        files_trim(t->mem);              /* all of them at once would be the most memory of the whole job */
    }
    return format(t->mem, "weights of digest %016llx", (unsigned long long)h);
}

static const char *digest_of_file(Trainer *t, const char *path)
{
    const WeightFile *f = weights_open(t->mem, path);
    uint64_t h = 0;
    for (size_t i = 0; i < f->count; i++) {
        h = digest_text(h, f->weight[i].name);
        h = digest(h, f->weight[i].data, f->weight[i].bytes);
    }
    return format(t->mem, "weights of digest %016llx", (unsigned long long)h);
}

static const char *role_said(ImageRole role)
{
    switch (role) {
    case CLASS_IMAGE:      return ", of the class";
    case VALIDATION_IMAGE: return ", held out";
    default:               return "";
    }
}

static const char *photo_said(Trainer *t, const Photo *photo)
{
    const char *name = quoted(t->mem, photo->name);
    const char *caption = quoted(t->mem, photo->caption);
    uint64_t h = digest_text(photo->digest, photo->caption);
    return format(t->mem, "%s, %d times, %s, digest %016llx%s", name, photo->repeats, caption, (unsigned long long)h,
                  role_said(photo->role));
}

typedef struct {
    KeyValue *pair;
    size_t    count;
} Identity;

static void add_entry(Identity *id, const char *key, const char *value)
{
    id->pair[id->count++] = (KeyValue){ key, value };
}

static size_t count_options(void)
{
    const char *value, *help;
    size_t n = 0;
    while (training_option(n, &value, &help)) n++;
    return n;
}

static void add_options(Trainer *t, Identity *id)
{
    for (size_t i = 0; i < count_options(); i++) {
        const char *argument, *help;
        const char *name = training_option(i, &argument, &help);
        const char *value = training_option_text(t->mem, t->config, i);
        if (value) add_entry(id, format(t->mem, "--%s", name), value);
    }
}

/* The options of one of several folders of pictures, as a number. */
static const char *subset_said(Trainer *t, const Subset *s)
{
    uint64_t h = 0;
    for (size_t i = 0; i < count_options(); i++) {
        const char *value = training_option_text(t->mem, &s->config, i);
        if (value) h = digest_text(h, value);
    }
    return format(t->mem, "options of digest %016llx", (unsigned long long)h);
}

static void add_subsets(Trainer *t, Identity *id)
{
    for (size_t i = 0; t->subsets.count > 1 && i < t->subsets.count; i++)
        add_entry(id, format(t->mem, "subset %zu", i + 1), subset_said(t, &t->subsets.subset[i]));
}

/* What makes one measurement comparable with another. */
static void add_validation(Trainer *t, Identity *id)
{
    const TrainingConfig *c = t->config;
    if (c->validation_split <= 0) return;
    if (c->validation_seed >= 0) add_entry(id, "--validation_seed", format(t->mem, "%d", c->validation_seed));
    if (c->max_validation_steps > 0)
        add_entry(id, "--max_validation_steps", format(t->mem, "%d", c->max_validation_steps));
}

void trainer_identify(Trainer *t)
{
    enum { OTHERS = 10 };
    Arena *a = t->mem;
    const Photos *p = &t->dataset.photos;
    Identity id = { .pair = allocate(a, p->count + t->subsets.count + count_options() + OTHERS, sizeof *id.pair) };
    add_entry(&id, "seed", format(a, "%llu", (unsigned long long)t->seed));
    add_entry(&id, "model", digest_of_weights(t));
    add_entry(&id, "word", t->word ? quoted(a, t->word) : "");
    add_entry(&id, "clip_skip", format(a, "%d", t->dataset.clip_skip));
    add_entry(&id, "precision", t->machine.bf16 ? "bf16" : "f32");
    if (t->config->network_weights) add_entry(&id, "network_weights", digest_of_file(t, t->config->network_weights));
    add_validation(t, &id);
    add_options(t, &id);
    add_subsets(t, &id);
    add_entry(&id, "the number of pictures", format(a, "%zu", p->count));
    for (size_t i = 0; i < p->count; i++) add_entry(&id, format(a, "picture %zu", i + 1), photo_said(t, &p->photo[i]));
    t->state = (TrainingState){ .identity = id.pair, .entries = id.count, .progress = t->progress, .pictures = p->count,
                                .repeated = p->repeated, .loss = t->loss, .steps = (size_t)t->steps };
    if (p->validations) t->state.validation = &t->validation;
    if (t->resumed) training_state_match(a, t->resumed, id.pair, id.count);
}

const char *trainer_job_id(Trainer *t)
{
    uint64_t h = 0;
    for (size_t i = 0; i < t->state.entries; i++) {
        h = digest_text(h, t->state.identity[i].key);
        h = digest_text(h, t->state.identity[i].value);
    }
    return format(t->mem, "%016llx", (unsigned long long)h);
}

/* ---- resuming ---------------------------------------------------------------------------------- */

void trainer_open_state(Trainer *t)
{
    const char *path = t->config->resume;
    if (!path) return;
    if (!file_is(path)) path = format(t->mem, "%s/%s-state.safetensors", path, trainer_stem(t->mem, t->job->out));
    t->resumed = training_state_open(t->mem, path);
    if (!t->job->seeded) t->seed = training_state_seed(t->mem, t->resumed);
}

void trainer_resume(Trainer *t)
{
    if (!t->resumed) return;
    size_t steps = training_state_load(t->mem, t->resumed, &t->state);
    const char *other_number = "";
    if (steps != (size_t)t->steps)
        other_number = format(t->mem, "; they were %zu when it was saved, and the learning rate follows the new "
                                      "number from here on", steps);
    callbacks_say(t->callbacks, "%s: goes on after step %u of %d%s", t->resumed->path, t->progress->step, t->steps,
                  other_number);
}

/* The state of a job that was stopped is hours of work.  A job that does not go on from it leaves it there under
 * another name. */
void trainer_set_aside(Trainer *t)
{
    const char *path = trainer_state_path(t);
    if (!file_is_there(t->mem, path) || (t->resumed && same_file(t->resumed->path, path))) return;
    const char *to = output_kept(output_keep(t->mem, path));
    system_file_remove(path);
    callbacks_say(t->callbacks, "warning: %s was there from a job before and is %s now; this job does not go on from "
                  "it, as with --resume", path, to);
}
