/* job_files.c - opens the files of a drawing job, and checks what they are.
 *
 * Each file is tried alone.  When one is wrong, its fault is told and the job goes on without it, so that one run tells
 * everything: a list of LoRAs is opened without the broken ones, a prompt that cannot be read leaves the negative one
 * to be checked. */
#include "work.h"

#include "chars.h"
#include "clip.h"
#include "lines.h"
#include "sampler_names.h"

#include <string.h>

static void add_weights(Work *w, const char *path, FileKind kind)
{
    w->weights = weights_add(w->mem, w->weights, path, kind);
    w->run.weights = w->weights;
}

/* ---- the model and its VAE ---------------------------------------------------------------------- */

static void read_spec(Work *w)
{
    Lines ignored = { 0 };
    w->spec = model_spec(w->mem, w->weights, &ignored);
    if (ignored.count)
        callbacks_say(w->callbacks, "warning: %s: its metadata make no sense here and are left out: %s", w->job->model,
                      lines_joined(w->mem, &ignored, "; "));
}

static void open_model(void *work)
{
    Work *w = work;
    Job *j = w->job;
    add_weights(w, j->model, MODEL_FILE);
    callbacks_say(w->callbacks, "model %s: Stable Diffusion 1.x", j->model);
    read_spec(w);
}

static void load_model(Work *w)
{
    enum { USUAL = 512 };
    Job *j = w->job;
    w->spec.size = (PixelSize){ USUAL, USUAL };
    w->has_model = !is_unfound(j->model) && !job_try(w, open_model);
    job_choose_size(w);
    w->denoising = (Denoising){
        .windows = { .frames = 1, .length = 1, .stride = 1, .loop = OPEN },
        .cfg = j->cfg,
        .cfg_rescale = j->cfg_rescale,
        .seed = j->seed,
        .nv_noise = j->rng && !strcmp(j->rng, "NV"),
    };
    job_try(w, job_choose_sampler);
    if (w->has_model) job_choose_prediction(w);
}

static void open_vae(void *work)
{
    Work *w = work;
    add_weights(w, w->job->vae, VAE_FILE);
    callbacks_say(w->callbacks, "VAE %s", w->job->vae);
}

/* A file may hold less than a whole model: all parts that are missing, and what to get. */
static void check_parts(Work *w)
{
    static const struct { const char *prefix, *what; int is_vae; } parts[] = {
        { "unet.", "a UNet: use a whole checkpoint as Model", 0 },
        { "te.", "a text encoder: use a whole checkpoint as Model", 0 },
        { "vae.decoder.", "a VAE: name one as VAE or --vae, such as vae-ft-mse-840000-ema-pruned, or kl-f8-anime2 for "
                          "drawings", 1 },
    };
    const char *missing = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int is_wanted = w->has_vae || !parts[i].is_vae;
        if (weights_bytes(w->weights, parts[i].prefix) || !is_wanted) continue;
        missing = format(w->mem, "%s%s%s", missing, *missing ? "; it lacks " : "", parts[i].what);
        if (parts[i].is_vae) w->has_vae = 0;
        else w->has_model = 0;
    }
    if (*missing) job_fault(w, format(w->mem, "%s: it lacks %s", w->job->model, missing));
}

static void load_vae(Work *w)
{
    const char *path = w->job->vae;
    w->has_vae = !path || (!is_unfound(path) && !job_try(w, open_vae));
    if (w->has_model) check_parts(w);
}

static void check_skip(void *work)
{
    Work *w = work;
    clip_check_skip(w->mem, w->weights, w->job->clip_skip);
}

/* ---- LoRAs ------------------------------------------------------------------------------------- */

static void open_loras(void *work)
{
    Work *w = work;
    w->run.lora = lora_open(w->mem, w->job->lora, w->job->loras);
}

typedef struct { Arena *mem; const LoraUse *use; } OneLora;

static void open_one(void *one)
{
    OneLora *o = one;
    size_t before = mark(o->mem);
    lora_open(o->mem, o->use, 1);
    release(o->mem, before);
}

/* All of them; or, when one is wrong, each alone, to tell all that are, and to check the others. */
static void load_loras(Work *w)
{
    Job *j = w->job;
    if (!j->loras || !job_try(w, open_loras)) return;
    Job *good = allocate(w->mem, 1, sizeof *good);
    LoraUse *use = allocate(w->mem, j->loras, sizeof *use);
    *good = *j;
    good->lora = use;
    good->loras = 0;
    for (size_t i = 0; i < j->loras; i++) {
        OneLora one = { w->mem, &j->lora[i] };
        if (!faults_try(w->mem, w->faults, open_one, &one)) use[good->loras++] = j->lora[i];
    }
    w->job = good;
    if (good->loras) job_try(w, open_loras);
}

/* ---- the motion module -------------------------------------------------------------------------- */

static void check_motion(Work *w)
{
    const char *path = w->job->motion;
    int most = motion_positions(w->run.weights);
    if (w->motion != NO_MOTION && !weights_bytes(w->run.weights, "motion.down_blocks.3."))
        fail(w->mem, "%s: this motion module has three levels, so it is for SDXL; use one for Stable Diffusion 1.x, "
                     "such as v3_sd15_mm or mm_sd_v15_v2", path);
    if (w->motion == NO_MOTION)
        fail(w->mem, "%s: this motion module lacks down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight: "
             "is the file whole?", path);
    if (!most)
        fail(w->mem, "%s: this motion module lacks the frame positions of its first block (pos_encoder.pe): "
             "is the file whole?", path);
    int is_chosen = !w->asked.frames && w->init_clip.count > 1;
    if (is_chosen && w->job->frames > most) w->job->frames = most;
    job_choose_windows(w, most);
    const char *frames = amount(w->mem, (size_t)most, "frame");
    callbacks_say(w->callbacks, "motion module %s: %s, up to %s at once", path, motion_kind_name(w->motion), frames);
}

static void open_motion(void *work)
{
    Work *w = work;
    add_weights(w, w->job->motion, MOTION_FILE);
    w->motion = motion_kind(w->weights);
    check_motion(w);
}

/* Clips with SCALED_LINEAR come out grey. */
static void load_motion(Work *w)
{
    Job *j = w->job;
    Weights *others = w->weights;
    if (!j->frames) j->frames = j->motion ? job_usual_frames(w) : 1;
    if (j->frames > 1 && !j->motion)
        job_fault(w, format(w->mem, "Frames is %d, but no motion module is named; set Motion module, or Frames: 1 for "
                            "a still", j->frames));
    int moves = j->motion && j->frames > 1;
    w->denoising.sampling.betas = moves ? LINEAR : SCALED_LINEAR;
    if (moves && !is_unfound(j->motion) && !job_try(w, open_motion)) return;
    w->weights = others;
    w->run.weights = others;
    w->motion = NO_MOTION;
    job_choose_one_window(w);
}

void job_load(Work *w)
{
    load_model(w);
    load_vae(w);
    job_find_init(w);
    load_motion(w);
    job_choose_motion_strength(w);
    job_choose_init(w);
    job_choose_last(w);
    job_choose_mask(w);
    job_choose_hires(w);
    job_choose_enlarging(w);
    job_choose_upscaler(w);
    job_say_without_effect(w);
    if (w->has_model) job_try(w, check_skip);
    load_loras(w);
    w->run.machine = &w->machine;
    w->run.frames = w->denoising.windows.length;
    w->run.norm_across_frames = w->motion == MOTION_V1;
}

/* ---- the words ---------------------------------------------------------------------------------- */

/* The words whose attention maps are wanted; those of "all" that became no token of the prompt are left out. */
static void find_watched(Work *w)
{
    Lines words = attention_words(w->mem, w->callbacks->attention->asked, w->job->prompt ? w->job->prompt : "");
    w->maps->words = words;
}

/* Words that the prompt does not hold have no map. */
static void check_watched(Work *w)
{
    Lines *words = &w->maps->words;
    int is_all = same(w->callbacks->attention->asked, "all");
    for (size_t i = 0; i < words->count && !is_all; i++) {
        if (text_holds(w->text, i)) continue;
        Lines there = { 0 };
        if (w->job->prompt && *w->job->prompt) there = attention_words(w->mem, "all", w->job->prompt);
        Nearest near = nearest_to(words->line[i]);
        for (size_t k = 0; k < there.count; k++) nearest_consider(&near, there.line[k]);
        job_fault(w, format(w->mem, "--attention: the prompt has no %s%s; its words are: %s",
                            quoted(w->mem, words->line[i]), did_you_mean(w->mem, near),
                            lines_joined(w->mem, &there, " ")));
    }
}

static void read_text(void *work)
{
    Work *w = work;
    const Job *j = w->job;
    int evaluations = sampler_calls_twice(w->denoising.sampling.method) ? 2 : 1;      /* of the model, in a step */
    int hires_steps = j->hires_steps ? j->hires_steps : j->steps;
    const char **lora = allocate(w->mem, j->loras, sizeof *lora);
    for (size_t i = 0; i < j->loras; i++) lora[i] = j->lora[i].path;
    ClosedLoop loop = w->denoising.windows.loop;
    PromptSpecification specification = {
        .prompt = j->prompt,
        .negative = j->negative,
        .merges = j->merges,
        .embedding = j->embedding,
        .embeddings = j->embeddings,
        .lora = lora,
        .loras = j->loras,
        .cfg = j->cfg,
        .calls = denoise_calls(&w->denoising),
        .editing_steps = evaluations * j->steps,
        .clip_skip = j->clip_skip,
        .frames = j->frames,
        .closed_loop = loop == REDUCED_WITH_PROMPTS || loop == CLOSED,
        .faults = w->faults,
    };
    if (w->has_hires) specification.second_pass_calls = denoise_calls(&w->hires);
    if (specification.second_pass_calls) specification.second_pass_editing_steps = evaluations * hires_steps;
    int is_watched = w->maps && j->prompt;
    if (is_watched) find_watched(w);
    if (is_watched) specification.watched = w->maps->words.line;
    if (is_watched) specification.watches = w->maps->words.count;
    void (*say)(void *, const char *) = w->callbacks ? w->callbacks->say : NULL;
    w->text = text_tokenize(w->mem, w->run.weights, &specification, say, w->callbacks ? w->callbacks->to : NULL);
    if (is_watched) check_watched(w);
}

/* Both prompts; or, when one is wrong, each alone, and neither, for the rest of the checks. */
void job_load_text(Work *w)
{
    if (is_unfound(w->job->merges) || !w->has_model || !job_try(w, read_text)) return;
    Job *whole = w->job;
    Job one = *whole;
    w->job = &one;
    one.prompt = NULL;
    job_try(w, read_text);
    one.negative = NULL;
    if (!w->text) job_try(w, read_text);
    one.prompt = whole->prompt;
    job_try(w, read_text);
    w->job = whole;
}
