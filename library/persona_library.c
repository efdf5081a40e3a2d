/* persona_library.c - the functions of persona.h, for other programs.
 *
 * Each of them is one job: an arena is made, the work runs inside attempt(), what the host keeps is copied to malloc's
 * memory, and the arena is freed.  So a failure comes back as a status and a message, and never jumps over a function
 * of the host.
 *
 * Nothing here decides anything about pictures: generate.c and train.c do, and they do the same for ./persona, to the
 * byte. */
#include "persona.h"

#include "chars.h"
#include "files.h"
#include "generate.h"
#include "gif.h"
#include "output.h"
#include "photo_folders.h"
#include "png.h"
#include "train.h"
#include "training_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *persona_version(void)
{
    return PERSONA_VERSION;
}

/* ---- one call of the library ------------------------------------------------------------------- */

typedef struct {
    Arena                   *a;
    const persona_job       *job;        /* as the host gave it */
    const persona_callbacks *host;       /* may be NULL */
    Callbacks                callbacks;  /* what passes on to those of the host */

    Job              *drawn;             /* persona_generate, persona_check */
    persona_pictures *pictures;
    persona_plan     *plan;

    const char *photos, *out;            /* persona_train */
    const char *const *option;
    size_t      options;
} Call;

static persona_status status_of(FailKind kind)
{
    if (kind == CANCELLED) return PERSONA_CANCELLED;
    if (kind == NO_MEMORY) return PERSONA_OUT_OF_MEMORY;
    return PERSONA_FAILED;
}

/* Runs work(call) in an arena of its own. */
static persona_status run(Call *c, void (*work)(void *call), char *message)
{
    char why[PERSONA_MESSAGE] = "";
    persona_status status = PERSONA_OK;
    c->a = arena_new();
    if (!c->a) {
        status = PERSONA_OUT_OF_MEMORY;
        snprintf(why, sizeof why, "out of memory before anything began");
    }
    else if (attempt(c->a, work, c, why)) status = status_of(fail_kind(c->a));
    arena_free(c->a);
    if (message) memcpy(message, why, sizeof why);
    return status;
}

/* ---- callbacks --------------------------------------------------------------------------------- */

static void pass_message(void *call, const char *line)
{
    const persona_callbacks *host = ((Call *)call)->host;
    host->message(host->to, line);
}

static void pass_progress(void *call, const char *stage, int done, int of)
{
    const persona_callbacks *host = ((Call *)call)->host;
    host->progress(host->to, stage, done, of);
}

static void pass_preview(void *call, Pictures p)
{
    const persona_callbacks *host = ((Call *)call)->host;
    host->preview(host->to, p.rgb, p.frames, p.width, p.height);
}

static int ask_cancel(void *call)
{
    const persona_callbacks *host = ((Call *)call)->host;
    return host->cancel(host->to);
}

/* A copy in malloc's memory, which outlives the arena. */
static void *keep(Arena *a, const void *data, size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) fail_as(a, NO_MEMORY, "out of memory: %zu bytes of a result", bytes);
    memcpy(memory, data, bytes);
    return memory;
}

static void keep_latents(void *call, Tensor x)
{
    Call *c = call;
    c->pictures->latents = keep(c->a, x.x, size(x) * sizeof *x.x);
}

/* The job's files, and a listener for each function that the host has. */
static void begin(Call *c)
{
    const persona_callbacks *host = c->host;
    c->callbacks = (Callbacks){ .to = c };
    for (size_t i = 0; i < c->job->files; i++) {
        const persona_file *f = &c->job->file[i];
        file_give(c->a, f->name, (Bytes){ f->data, f->size });
    }
    if (!host) return;
    if (host->message)  c->callbacks.say = pass_message;
    if (host->progress) c->callbacks.progress = pass_progress;
    if (host->preview)  c->callbacks.preview = pass_preview;
    if (host->cancel)   c->callbacks.cancel = ask_cancel;
}

/* ---- to draw ----------------------------------------------------------------------------------- */

static void draw(void *call)
{
    Call *c = call;
    begin(c);
    if (c->job->keep_latents) c->callbacks.latents = keep_latents;
    Pictures p = generate(c->a, c->drawn, &c->callbacks);
    size_t bytes = (size_t)p.frames * (size_t)p.height * (size_t)p.width * 3;
    c->pictures->rgb = keep(c->a, p.rgb, bytes);
    c->pictures->frames = p.frames;
    c->pictures->width = p.width;
    c->pictures->height = p.height;
}

persona_status persona_generate(persona_job *job, const persona_callbacks *callbacks, persona_pictures *pictures,
                                char *message)
{
    Call c = { .job = job, .host = callbacks, .drawn = job, .pictures = pictures };
    *pictures = (persona_pictures){ .rgb = NULL };
    persona_status status = run(&c, draw, message);
    if (status) persona_pictures_free(pictures);
    return status;
}

void persona_pictures_free(persona_pictures *pictures)
{
    if (!pictures) return;
    free(pictures->rgb);
    free(pictures->latents);
    *pictures = (persona_pictures){ .rgb = NULL };
}

static void check(void *call)
{
    Call *c = call;
    begin(c);
    Plan p = generate_check(c->a, c->drawn, &c->callbacks);
    *c->plan = (persona_plan){
        .memory = p.memory,
        .mapped = p.mapped,
        .operations = p.ops,
        .seconds = plan_seconds(c->a, &p),
        .passes = p.passes,
        .frames = p.frames,
        .width = p.width,
        .height = p.height,
    };
}

persona_status persona_check(persona_job *job, const persona_callbacks *callbacks, persona_plan *plan, char *message)
{
    Call c = { .job = job, .host = callbacks, .drawn = job, .plan = plan };
    *plan = (persona_plan){ .memory = 0 };
    return run(&c, check, message);
}

/* ---- to train ---------------------------------------------------------------------------------- */

/* Sample images need the search path of the command line. */
static int is_for_the_program(const char *name)
{
    return begins(name, "sample_");
}

/* The option that may have been meant by a name that is none. */
static const char *meant_option(Arena *a, const char *name)
{
    const char *value, *help, *option;
    Nearest near = nearest_to(name);
    for (size_t i = 0; (option = training_option(i, &value, &help)); i++)
        if (!is_for_the_program(option)) nearest_consider(&near, option);
    return did_you_mean(a, near);
}

/* "network_dim=16", or "flip_aug" */
static void set_option(Arena *a, TrainingConfig *config, const char *option)
{
    int is_bare;
    const char *equals = strchr(option, '=');
    size_t n = equals ? (size_t)(equals - option) : strlen(option);
    const char *typed = trimmed(a, option, n);
    const char *name = training_option_find(typed, &is_bare);
    if (!name || is_for_the_program(name))
        fail(a, "%s is no option of training here%s; \"persona train --help\" lists them, but for those of samples",
             quoted(a, option), meant_option(a, typed));
    if (is_bare && equals) fail(a, "%s: %s takes no value", quoted(a, option), name);
    if (!is_bare && !equals) fail(a, "%s: expected %s=VALUE", quoted(a, option), name);
    training_config_set(a, config, name, equals ? trimmed(a, equals + 1, strlen(equals + 1)) : NULL);
}

static void check_paths(const Call *c)
{
    if (!c->photos) fail(c->a, "no folder of pictures is named");
    if (!c->out || strcmp(file_extension(c->out), ".safetensors"))
        fail(c->a, "%s: expected an output that ends in .safetensors", c->out ? c->out : "no output");
    if (!c->job->model) fail(c->a, "no model is named");
    if (!c->job->merges) fail(c->a, "CLIP's merges.txt is not named");
    output_check(c->a, c->out, 0);
    output_spare(c->a, c->out, c->job->model);
    output_spare(c->a, c->out, c->job->vae);
}

/* Fails with all that is wrong with --dataset_config. */
static void read_subsets(Call *c, TrainingJob *training)
{
    Lines told = { 0 }, faults = { 0 };
    const char *path = training->config.dataset_config;
    if (!path) return;
    training->subsets = dataset_config_read(c->a, path, &training->config, &told, &faults);
    if (faults.count) fail(c->a, "%s", lines_joined(c->a, &faults, "; "));
    for (size_t i = 0; i < told.count; i++) callbacks_say(&c->callbacks, "%s", told.line[i]);
    training->photos = training->subsets.subset[0].image_dir;
    c->photos = training->photos;
}

static void learn(void *call)
{
    Call *c = call;
    begin(c);
    TrainingJob training = {
        .photos = c->photos,
        .out = c->out,
        .job = *c->job,
        .config = training_config_default,
        .seeded = c->job->seed != 0,
    };
    for (size_t i = 0; i < c->options; i++) set_option(c->a, &training.config, c->option[i]);
    read_subsets(c, &training);
    int finds_class = !training.config.reg_data_dir && !training.subsets.count;
    if (finds_class) training.config.reg_data_dir = photo_folders_class(c->a, c->photos);
    training_config_check(c->a, &training.config);
    check_paths(c);
    const char *saved = train(c->a, &training, &c->callbacks).path;
    if (strcmp(saved, c->out)) fail(c->a, "%s: could not be written any more; the result was saved: %s", c->out, saved);
}

persona_status persona_train(const char *photos, const char *out, const persona_job *job, const char *const *option,
                             size_t options, const persona_callbacks *callbacks, char *message)
{
    Call c = { .job = job, .host = callbacks, .photos = photos, .out = out, .option = option, .options = options };
    return run(&c, learn, message);
}

/* ---- files of pictures ------------------------------------------------------------------------- */

unsigned char *persona_gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                                  const char *comment, size_t *size)
{
    return gif_encode(rgb, frames, width, height, fps, comment, size);
}

unsigned char *persona_png_encode(const unsigned char *rgb, int width, int height, const char *parameters, size_t *size)
{
    return png_encode(rgb, width, height, parameters, size);
}

void persona_free(void *memory)
{
    free(memory);
}
