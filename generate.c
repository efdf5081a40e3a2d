/* generate.c - a job -> frames.
 *
 *     prompts -> tokens -> conditioning                   text.c, clip.c
 *     img2img: the init image -> latents                  image.c, vae.c
 *     seed -> noise -> latents, step by step              denoise.c; the second pass (hires fix) at a larger size
 *     latents -> frames, one by one                       vae.c
 *
 * The same lines run twice.  In the dry run, layers only check their weights and count; then they compute.  So every
 * missing or misshapen tensor is found before work begins, and the plan of memory and time comes from the code that
 * will run.
 *
 * Checks that do not depend on each other are tried one by one, and all that is wrong is told together.  What is wrong
 * is then left out of the dry run: a VAE that cannot be opened must not hide a LoRA of another model. */
#include "generate.h"

#include "adapter_report.h"
#include "chars.h"
#include "clip.h"
#include "clip_identity.h"
#include "clip_state.h"
#include "denoise.h"
#include "image.h"
#include "latent_resize.h"
#include "lines.h"
#include "lora.h"
#include "model_limits.h"
#include "motion.h"
#include "preview.h"
#include "reconstruction.h"
#include "sampler_names.h"
#include "system.h"
#include "vae.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_FRAMES = 16, DEFAULT_STEPS = 25, DEFAULT_CONTEXT = 16, LARGEST_SIDE = 8192, PROBLEM_TEXT = 4096 };
static const double DEFAULT_CFG = 7.5;

typedef struct {
    Arena                  *mem;
    Job                    *job;
    Job                     asked;           /* the job as it came: a field that is zero has its default in `job` */
    ModelSpec               spec;            /* what the model was made for */
    const Callbacks        *callbacks;
    Machine                 machine;
    Run                     run;
    MotionKind              motion;
    const TokenizedPrompts *text;
    Picture                 init;            /* img2img: the init image, at the size of the first pass */
    Denoising               denoising;       /* the first pass */
    Denoising               hires;           /* the second pass (hires fix) */
    double                  next_preview;    /* no preview before this time */
    size_t                  planned;         /* dry run: bytes of the stage that needs most, mapped weights counted */
    size_t                  mapped;          /* dry run: bytes of that stage's mapped weights */
    double                  ops_before[FRAMES + 2];      /* dry run: operations before each stage, and of all */
    ClipState              *state;           /* where it is kept how far the job is; NULL: nowhere */
    ClipIdentity           *identity;
    ClipBounds              bounds;
    ClipPosition            at;              /* how far it is */
    const DenoisingState   *denoised;        /* how far a pass is, while one is under way */
    Weights                *weights;         /* those of run, as files are added */
    double                  ops;             /* dry run: floating point operations */
    Faults                 *faults;          /* everything that is wrong with the job */
    int                     has_model, has_vae, has_init, has_hires;      /* what is there and in order */
    int                     is_run_dry;      /* every layer has asked for its weights */
} Work;

/* Runs check(w); -1: it failed, and its message is among the faults. */
static int try(Work *w, void (*check)(void *work))
{
    return faults_try(w->mem, w->faults, check, w);
}

/* Was the file of this path not found?  That was told. */
static int is_unfound(const char *path)
{
    return path && !*path;
}

/* ---- checking the job -------------------------------------------------------------------------- */

static void add_fault(Work *w, const char *what)
{
    faults_add(w->faults, what);
}

static void check_range(Work *w, const char *what, double value, double from, double to)
{
    if (value >= from && value <= to) return;
    add_fault(w, format(w->mem, "%s is %g, expected %g to %g", what, value, from, to));
}

static void check_choice(Work *w, const char *what, const char *value, const char *one, const char *other)
{
    if (!value || !strcmp(value, one) || !strcmp(value, other)) return;
    add_fault(w, format(w->mem, "%s is %s, expected %s or %s", what, value, one, other));
}

static int valid_side(int side)
{
    return side == 0 || (side >= FACTOR && side <= LARGEST_SIDE && side % FACTOR == 0);
}

static void fill_defaults(Job *j)
{
    if (j->fps == 0) j->fps = 8;
    if (j->strength == 0 && (j->init || j->hires > 0)) j->strength = 0.75;
    if (j->threads <= 0) j->threads = machine_threads();
}

static int predicts_v(const char *prediction)
{
    return !strcmp(prediction, "v") || !strcmp(prediction, "v_prediction") || !strcmp(prediction, "v-prediction");
}

static void check_prediction(Work *w, const char *prediction)
{
    if (prediction && !predicts_v(prediction)) check_choice(w, "Prediction type", prediction, "epsilon", "v");
}

/* -> 0 when the job itself makes no sense, whatever the files hold */
static int check_job(Work *w)
{
    Job *j = w->job;
    size_t before = w->faults->count;
    if (!j->model)  add_fault(w, "no model named: set Model, or --model");
    if (!j->merges) add_fault(w, "CLIP's merges.txt is not there; it belongs in weights/");
    fill_defaults(j);
    check_range(w, "Steps", j->steps, 0, TRAIN_TIMESTEPS);
    check_range(w, "Clip skip", j->clip_skip, 0, 100);
    check_range(w, "CFG scale", j->cfg, 0, 1000);
    check_range(w, "Eta", j->eta, -1, 1);
    check_range(w, "Denoising strength", j->strength, 0, 1);
    check_range(w, "Hires upscale", j->hires, 0, 8);
    check_range(w, "Hires steps", j->hires_steps, 0, TRAIN_TIMESTEPS);
    check_range(w, "CFG rescale", j->cfg_rescale, 0, 1);
    check_range(w, "Context", j->context, 0, 100000);
    check_range(w, "Stride", j->stride, 0, 30);
    check_range(w, "FPS", j->fps, 0.1, 100);
    check_range(w, "threads", j->threads, 1, 1024);
    check_range(w, "Frames", j->frames, 0, 100000);
    check_choice(w, "Precision", j->precision, "f32", "bf16");
    check_choice(w, "RNG", j->rng, "CPU", "NV");
    check_choice(w, "Noise Schedule", j->noise_schedule, "Default", "Zero Terminal SNR");
    check_prediction(w, j->prediction);
    if (!valid_side(j->width) || !valid_side(j->height))
        add_fault(w, format(w->mem, "Size is %dx%d, expected multiples of %d from %d to %d", j->width, j->height, FACTOR,
                            FACTOR, LARGEST_SIDE));
    return w->faults->count == before;
}

/* ---- sampler and schedule ---------------------------------------------------------------------- */

/* Returns the schedule type that the job names, or AUTOMATIC.  When only other programs have that type, the nearest one
 * here is used, and the user is told. */
static int choose_schedule(Work *w)
{
    Job *j = w->job;
    if (!j->schedule) return AUTOMATIC;
    SpelledSchedule found = schedule_spelled(j->schedule);
    if (found.type < 0) fail(w->mem, "Schedule type is %s, expected %s", j->schedule, names_of(w->mem, schedule_name));
    const char *name = schedule_name(found.type);
    if (found.is_near) callbacks_say(w->callbacks, "Schedule type %s is not here; %s instead", j->schedule, name);
    j->schedule = name;
    return found.type;
}

/* Tells that persona lacks the sampler that the job names, and that the nearest one takes its place. */
static void say_nearest_sampler(Work *w, const char *asked, SpelledSampler found, const char *type)
{
    const char *guidance = "";
    const char *noise = found.adds_no_noise ? ", with Eta 0," : "";
    if (found.is_cfg_pp) guidance = "; a CFG scale that was chosen for CFG++ is too low for it";
    callbacks_say(w->callbacks, "Sampler %s is not here; %s%s%s instead%s", asked, sampler_name(found.method), type,
                  noise, guidance);
}

/* The setting Schedule type wins over a schedule type in the sampler's name ("DPM++ 2M Karras").  When only other
 * programs have the sampler, the nearest one here is used, and the user is told; it may include a schedule type, as
 * "Heun Karras" does. */
static void choose_sampler(void *work)
{
    Work *w = work;
    Job *j = w->job;
    SamplerSetup *s = &w->denoising.sampling;
    int schedule = choose_schedule(w);
    SpelledSampler found = { 0 };
    if (j->sampler) found = sampler_spelled(j->sampler);
    if (found.method < 0) fail(w->mem, "Sampler is %s, expected %s", j->sampler, names_of(w->mem, sampler_name));
    s->method = found.method;
    s->type = found.type;
    if (schedule) s->type = (ScheduleType)schedule;
    if (found.is_near) {
        const char *type = "";
        if (found.type && !schedule) {
            j->schedule = schedule_name((int)found.type);
            type = format(w->mem, " %s", j->schedule);
        }
        if (found.adds_no_noise && j->eta == 0) j->eta = -1;
        say_nearest_sampler(w, j->sampler, found, type);
        j->sampler = sampler_name(s->method);
    }
    s->steps = j->steps;
    s->eta = j->eta;
    if (j->eta > 0 && !sampler_takes_eta(s->method))
        callbacks_say(w->callbacks, "Eta is ignored: %s adds no noise", sampler_name(s->method));
}

/* Chooses what the model predicts, eps or v, and whether its noise schedule has zero terminal SNR.  The job's settings
 * win over what the checkpoint says. */
static void choose_prediction(Work *w)
{
    const Job *j = w->job;
    SamplerSetup *s = &w->denoising.sampling;
    if (j->prediction) s->v_prediction = predicts_v(j->prediction);
    else s->v_prediction = w->spec.v_prediction;
    if (j->noise_schedule) s->zero_snr = !strcmp(j->noise_schedule, "Zero Terminal SNR");
    else s->zero_snr = w->spec.zero_snr;
    if (s->zero_snr && !s->v_prediction)
        callbacks_say(w->callbacks, "Noise schedule is Zero Terminal SNR, but the model predicts epsilon, which says "
                      "nothing where there is noise alone; expect a poor picture");
}

/* ---- motion module and context windows --------------------------------------------------------- */

static int choose_overlap(const Job *j, int length)
{
    if (j->overlap < 0) return 0;
    if (j->overlap && j->overlap < length) return j->overlap;
    return length / 4;
}

static void check_overlap(Work *w, int length)
{
    const Job *j = w->job;
    if (j->overlap >= length && length < j->frames)
        add_fault(w, format(w->mem, "Overlap is %d, expected less than the %d frames of a window", j->overlap, length));
}

/* most: how many frames the motion module can take.  A clip of up to that many frames is one window, unless the job
 * sets another length (Context). */
static void choose_windows(Work *w, int most)
{
    const Job *j = w->job;
    int loop = j->loop ? closed_loop_named(j->loop) : OPEN;
    int length = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    if (j->frames <= most) length = j->frames;
    if (j->context) length = j->context;
    if (loop < 0)
        add_fault(w, format(w->mem, "Closed loop is %s, expected %s", j->loop,
                            names_of(w->mem, closed_loop_name)));
    if (loop < 0) loop = OPEN;
    if (length > most)
        add_fault(w, format(w->mem, "Context is %d, but %s (%s) holds at most %d frames; set Context: %d or less", length,
                            j->motion, motion_kind_name(w->motion), most, most));
    check_overlap(w, length);
    if (length > most) length = most;
    if (length > j->frames) length = j->frames;
    w->denoising.windows = (ContextOptions){
        .frames = j->frames,
        .length = length,
        .overlap = choose_overlap(j, length),
        .stride = j->stride ? j->stride : 1,
        .loop = (ClosedLoop)loop,
    };
}

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
    choose_windows(w, most);
    const char *frames = amount(w->mem, (size_t)most, "frame");
    callbacks_say(w->callbacks, "motion module %s: %s, up to %s at once", path, motion_kind_name(w->motion), frames);
}

/* A clip without its motion module, so that the rest can be checked. */
static void leave_motion_out(Work *w)
{
    int frames = w->job->frames;
    int length = frames < DEFAULT_CONTEXT ? frames : DEFAULT_CONTEXT;
    w->motion = NO_MOTION;
    w->denoising.windows = (ContextOptions){ .frames = frames, .length = length, .stride = 1, .loop = OPEN };
    if (w->job->context) check_overlap(w, w->job->context);
}

static void add_weights(Work *w, const char *path, FileKind kind)
{
    w->weights = weights_add(w->mem, w->weights, path, kind);
    w->run.weights = w->weights;
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
    if (!j->frames) j->frames = j->motion ? DEFAULT_FRAMES : 1;
    if (j->frames > 1 && !j->motion)
        add_fault(w, format(w->mem, "Frames is %d, but no motion module is named; set Motion module, or Frames: 1 for a "
                            "still", j->frames));
    int moves = j->motion && j->frames > 1;
    w->denoising.sampling.betas = moves ? LINEAR : SCALED_LINEAR;
    if (moves && !is_unfound(j->motion) && !try(w, open_motion)) return;
    w->weights = others;
    w->run.weights = others;
    leave_motion_out(w);
}

/* ---- img2img and the second pass (hires fix) --------------------------------------------------- */

static const struct { const char *name; int nearest; } upscalers[] = { { "Latent", 0 }, { "Latent (nearest)", 1 } };
enum { UPSCALERS = sizeof upscalers / sizeof *upscalers };

static size_t upscaler_named(const char *name)
{
    size_t i = 0;
    while (i < UPSCALERS && strcmp(upscalers[i].name, name)) i++;
    return i;
}

static int hires_side(const Job *j, int side)
{
    if (!(j->hires > 0)) return side;
    return (int)(side * j->hires) / FACTOR * FACTOR;
}

static void open_init(void *work)
{
    Work *w = work;
    const Job *j = w->job;
    Picture p = image_open(w->mem, j->init);
    w->init = image_resize_and_crop(w->mem, p, j->width, j->height, LANCZOS);
    const char *steps = amount(w->mem, (size_t)j->steps, "step");
    callbacks_say(w->callbacks, "begins as %s (%dx%d), strength %g: %d of %s", j->init, p.width, p.height, j->strength,
                  (int)(j->steps * j->strength), steps);
}

/* img2img as in diffusers: only the last int(steps * strength) of the steps are run. */
static void choose_init(Work *w)
{
    const Job *j = w->job;
    Denoising *d = &w->denoising;
    if (!j->init) return;
    int left = (int)(j->steps * j->strength);
    if (!left)
        add_fault(w, format(w->mem, "Denoising strength is %g, and of %d steps that leaves none; set it to %.2g or more",
                            j->strength, j->steps, 1.0 / j->steps));
    w->has_init = !is_unfound(j->init) && !try(w, open_init) && left;
    if (!w->has_init) return;
    d->img2img = 1;
    d->first_step = j->steps - left;
}

static void choose_upscaler(Work *w)
{
    Job *j = w->job;
    const char *latent = upscalers[0].name;
    if (!j->upscaler) j->upscaler = latent;
    if (upscaler_named(j->upscaler) < UPSCALERS) return;
    callbacks_say(w->callbacks, "Hires upscaler %s is not here; %s instead", j->upscaler, latent);
    j->upscaler = latent;
}

/* The second pass (hires fix) as in the web UI.  To run `left` steps, it makes a schedule of int(left / strength) steps
 * and runs the last ones. */
static void choose_hires(Work *w)
{
    Job *j = w->job;
    Denoising *d = &w->hires;
    if (!(j->hires > 0)) return;
    int left = j->hires_steps ? j->hires_steps : j->steps;
    int width = hires_side(j, j->width);
    int height = hires_side(j, j->height);
    double strength = j->strength < 0.999 ? j->strength : 0.999;
    double steps = left / strength;
    int is_too_long = steps > TRAIN_TIMESTEPS;
    int is_too_large = width > LARGEST_SIDE || height > LARGEST_SIDE;
    if (is_too_long)
        add_fault(w, format(w->mem, "Denoising strength is %g, and %d Hires steps at that come to more than %d in all; "
                            "set one higher or the other lower", j->strength, left, TRAIN_TIMESTEPS));
    if (is_too_large)
        add_fault(w, format(w->mem, "Hires upscale is %g, which makes %dx%d; expected at most %d a side", j->hires, width,
                            height, LARGEST_SIDE));
    if (is_too_long || is_too_large) return;
    choose_upscaler(w);
    w->has_hires = 1;
    *d = w->denoising;
    d->img2img = 1;
    d->is_second_pass = 1;
    d->stage = "hires step";
    d->sampling.steps = (int)steps;
    d->first_step = (int)steps - left;
    callbacks_say(w->callbacks, "then at %dx%d, %s, strength %g: %s", width, height, j->upscaler, j->strength,
                  amount(w->mem, (size_t)left, "step"));
}

/* VAE encode of the init image -> the moments of its latents: [1,h,w,8] */
static Tensor encode(Work *w)
{
    size_t before = mark(w->mem);
    Tensor x = tensor(&w->run, 1, w->init.height, w->init.width, 3);
    for (size_t i = 0; i < size(x) && !w->machine.dry; i++) x.x[i] = 2 * (w->init.rgb[i] / 255.0f) - 1;
    return compact(&w->run, before, vae_encode(&w->run, x));
}

/* ---- going on after an interruption ------------------------------------------------------------ */

static void bound_pass(Work *w, ClipStage stage, const Denoising *d, int width, int height)
{
    w->bounds.most[stage] = (ClipPosition){
        .stage = stage,
        .done = (uint32_t)denoise_calls(d),
        .latents = { .n = w->job->frames, .h = height / FACTOR, .w = width / FACTOR, .c = LATENT },
        .buffers = sampler_buffers(d->sampling.method),
    };
}

/* What this job depends on, and what its positions may be. */
static void identify(Work *w)
{
    const Job *j = w->job;
    int width = hires_side(j, j->width);
    int height = hires_side(j, j->height);
    w->identity = allocate(w->mem, 1, sizeof *w->identity);
    clip_identity_begin(w->mem, w->identity, j, w->init);
    bound_pass(w, FIRST_PASS, &w->denoising, j->width, j->height);
    if (w->has_hires) bound_pass(w, SECOND_PASS, &w->hires, width, height);
    w->bounds.most[FRAMES] = (ClipPosition){
        .stage = FRAMES,
        .done = (uint32_t)j->frames,
        .latents = { .n = j->frames, .h = height / FACTOR, .w = width / FACTOR, .c = LATENT },
        .width = width,
        .height = height,
    };
}

/* "step 7 of 25" */
static const char *position_said(Work *w, const ClipPosition *p)
{
    if (p->stage == FRAMES && !p->done) return "the last step";
    if (p->stage == FRAMES) return format(w->mem, "frame %u of %d", p->done, w->job->frames);
    const Denoising *d = p->stage == FIRST_PASS ? &w->denoising : &w->hires;
    int steps = d->sampling.steps - d->first_step;
    int step = (int)((int64_t)p->done * steps / denoise_calls(d));
    return format(w->mem, "step %d of %d%s", step, steps, p->stage == FIRST_PASS ? "" : " of the second pass");
}

/* Looks for a state of this job.  entries: of the identity, as many as are known by now */
static void find_state(Work *w, size_t entries)
{
    clip_state_find(w->mem, w->state, w->identity->entry, entries, &w->bounds);
    if (!w->state->is_found) return;
    const char *path = clip_state_path(w->mem, w->state);
    callbacks_say(w->state->callbacks, "%s: goes on after %s", path, position_said(w, &w->state->from));
}

/* The share of the operations that a job saves which goes on. */
static double ops_done(Work *w)
{
    if (!w->state || !w->state->is_found) return 0;
    const ClipPosition *p = &w->state->from;
    double stage = w->ops_before[p->stage + 1] - w->ops_before[p->stage];
    return w->ops_before[p->stage] - w->ops_before[FIRST_PASS] + stage * p->done / w->bounds.most[p->stage].done;
}

/* Fails when the disk has no room for the result, and for two states where there will be some: the new one is whole
 * before the old one goes. */
static void check_room(Work *w, const Plan *plan)
{
    const ClipState *s = w->state;
    double room = system_disk_free(folder_of(w->mem, s->target));
    double result = (double)plan->frames * plan->width * plan->height * 3;
    double states = s->every < 0 ? 0 : 2 * clip_state_bytes(&w->bounds);
    if (room < 0 || room >= result + states) return;
    if (room >= result && plan_seconds(w->mem, plan) < s->every) return;
    fail(w->mem, "%s: up to %.1f MB are to be written, %.1f of them to keep how far it is, and there is room for %.1f; "
                 "make some, or choose another place with -o", s->target, (result + states) / 1e6, states / 1e6,
         room / 1e6);
}

/* The job is only to decode these. */
static void take_given_latents(Work *w)
{
    ClipState *s = w->state;
    const Tensor x = s->given;
    const Tensor expected = w->bounds.most[FRAMES].latents;
    if (x.n != expected.n || x.h != expected.h || x.w != expected.w)
        fail(w->mem, "the latents are %s of %dx%d, and the settings say %d of %dx%d",
             amount(w->mem, (size_t)x.n, "frame"), x.w * FACTOR, x.h * FACTOR, expected.n, expected.w * FACTOR,
             expected.h * FACTOR);
    s->every = -1;
    s->is_found = 1;
    s->from = w->bounds.most[FRAMES];
    s->from.done = 0;
    s->from.latents.x = x.x;
    callbacks_say(w->callbacks, "the latents are there, and are only decoded: another VAE, Precision or FPS "
                  "makes a difference, and other settings none");
}

static void take_up_state(Work *w, const Plan *plan)
{
    w->state = w->callbacks ? w->callbacks->state : NULL;
    if (!w->state) return;
    identify(w);
    w->state->number = 0;
    if (w->state->given.x) {
        take_given_latents(w);
        return;
    }
    int is_there = system_file_exists(format(w->mem, "%s.state", w->state->target));
    if (is_there) clip_identity_weights(w->mem, w->identity, w->run.weights, w->run.lora);
    find_state(w, w->identity->count - 1);
    check_room(w, plan);
}

/* What the words became is known now: a state that was made with other vectors is another job's. */
static void check_conditioning(Work *w, const Conditioning *conditioning)
{
    const SamplerSetup *s = &w->denoising.sampling;
    int calls = denoise_calls(&w->denoising);
    if (!w->state || w->machine.dry) return;
    if (w->has_hires) calls += denoise_calls(&w->hires);
    float setup[] = { (float)s->betas, (float)s->zero_snr, (float)s->v_prediction };
    clip_identity_condition(w->identity, setup, sizeof setup / sizeof *setup);
    for (int i = 0; i < calls; i++) {
        const Conditioning *c = &conditioning[i];
        clip_identity_condition(w->identity, c->text.x, size(c->text));
        clip_identity_condition(w->identity, c->weight, (size_t)(c->text.n - c->has_negative));
    }
    if (!w->state->is_found || w->state->given.x) return;
    const KeyValue *now = &w->identity->entry[w->identity->count - 1];
    const char *then = file_metadata(w->state->file, now->key);
    if (then && !strcmp(then, now->value)) return;
    const char *path = clip_state_path(w->mem, w->state);
    callbacks_say(w->state->callbacks, "%s: is left alone after all: it differs in %s", path, now->key);
    find_state(w, w->identity->count);
}

/* Writes how far the job is. */
static int keep(Work *w)
{
    if (w->denoised) {
        w->at.done = w->denoised->calls;
        w->at.draws = w->denoised->draws;
        w->at.rng = w->denoised->rng;
    }
    clip_identity_weights(w->mem, w->identity, w->run.weights, w->run.lora);
    return clip_state_save(w->mem, w->state, w->identity->entry, w->identity->count, &w->at);
}

static void keep_if_due(Work *w)
{
    if (w->state && !w->machine.dry && clip_state_due(w->state)) keep(w);
}

/* Runs a stage of the work.  When it is interrupted, or has no memory, keeps how far it came. */
static void interruptible(Work *w, void (*run)(void *stage), void *stage)
{
    char why[MESSAGE];
    if (!w->state || w->machine.dry) {
        run(stage);
        return;
    }
    if (!attempt(w->mem, run, stage, why)) return;
    FailKind kind = fail_kind(w->mem);
    int is_begun = w->at.stage > FIRST_PASS || w->at.done || (w->denoised && w->denoised->calls);
    if (kind == FAILURE || !is_begun || !clip_state_worth(w->state) || !keep(w)) fail_as(w->mem, kind, "%s", why);
    fail_as(w->mem, kind, "%s after %s; the same command goes on from there, by %s", why, position_said(w, &w->at),
            clip_state_path(w->mem, w->state));
}

/* One pass, from where it is. */
typedef struct {
    Work               *w;
    const Denoising    *d;
    DenoisingState     *at;
    const Conditioning *conditioning;
} Pass;

static void run_pass(void *pass)
{
    Pass *p = pass;
    Work *w = p->w;
    Progress *progress = w->machine.dry || !w->callbacks ? NULL : w->callbacks->progress;
    denoise(&w->run, p->d, p->at, p->conditioning, progress, w->callbacks ? w->callbacks->to : NULL);
}

/* Goes on from a state that was found.  Returns whether this stage is over already. */
static int go_on(Work *w, ClipStage stage, DenoisingState *at)
{
    if (!w->state || w->machine.dry || !w->state->is_found || stage > w->state->from.stage) return 0;
    if (stage < w->state->from.stage) return 1;
    const ClipPosition *from = &w->state->from;
    size_t n = size(at->x);
    at->calls = from->done;
    at->draws = from->draws;
    at->rng = from->rng;
    memcpy(at->x.x, from->latents.x, n * sizeof *at->x.x);
    if (from->buffers) memcpy(at->memory, from->memory, (size_t)from->buffers * n * sizeof *at->memory);
    return 0;
}

/* Denoises x. */
static void denoise_pass(Work *w, ClipStage stage, Tensor x, const Conditioning *conditioning)
{
    size_t before = mark(w->mem);
    const Denoising *d = stage == FIRST_PASS ? &w->denoising : &w->hires;
    Pass p = { .w = w, .d = d, .at = denoising_begin(&w->run, x), .conditioning = conditioning };
    if (!go_on(w, stage, p.at)) {
        w->at = (ClipPosition){ .stage = stage, .latents = x, .memory = p.at->memory };
        w->at.buffers = sampler_buffers(d->sampling.method);
        w->denoised = p.at;
        interruptible(w, run_pass, &p);
        w->denoised = NULL;
    }
    release(w->mem, before);
}

/* Returns x, enlarged and then denoised by the second pass, which begins by adding noise. */
static Tensor second_pass(Work *w, Tensor x, const Conditioning *conditioning)
{
    const Job *j = w->job;
    Tensor y = tensor(&w->run, x.n, hires_side(j, j->height) / FACTOR, hires_side(j, j->width) / FACTOR, x.c);
    if (!w->machine.dry) latent_resize(y, x, upscalers[upscaler_named(j->upscaler)].nearest);
    denoise_pass(w, SECOND_PASS, y, conditioning);
    return y;
}

/* ---- previews ---------------------------------------------------------------------------------- */

/* Shows the predicted x0.  The next preview waits a hundred times as long as this one took, so that previews cost at
 * most one percent of the time.  The first call shows nothing, because its x0 shows little yet. */
static void preview(Work *w, Tensor x0)
{
    size_t before = mark(w->mem);
    size_t frame = size(x0) / (size_t)x0.n;
    double begun = system_seconds();
    if (begun < w->next_preview) return;
    if (w->next_preview <= 0) {
        w->next_preview = begun;
        return;
    }
    Run unprobed = w->run;
    unprobed.callbacks = NULL;
    float *middle = x0.x + (size_t)(x0.n / 2) * frame;
    Tensor middle_frame = { .n = 1, .h = x0.h, .w = x0.w, .c = x0.c, .x = middle };
    LatentMap map = preview_fit(&unprobed, middle_frame);
    Pictures p = { .frames = x0.n, .width = x0.w, .height = x0.h, .rgb = allocate(w->mem, rows(x0), 3) };
    preview_draw(&map, x0, p.rgb);
    w->callbacks->preview(w->callbacks->to, p);
    release(w->mem, before);
    w->next_preview = system_seconds() + 100 * (system_seconds() - begun);
}

static void after_call(void *work, Tensor x0)
{
    Work *w = work;
    keep_if_due(w);
    if (w->callbacks && w->callbacks->preview) preview(w, x0);
}

/* ---- loading ----------------------------------------------------------------------------------- */

/* Tells the user which settings have no effect in this job, because they expect one. */
static void say_without_effect(Work *w)
{
    const Job *j = w->job;
    const ContextOptions *v = &w->denoising.windows;
    int has_hires = j->hires > 0;
    if (j->strength > 0 && !j->init && !has_hires)
        callbacks_say(w->callbacks, "Denoising strength has no effect: there is neither an Init image "
                      "nor a Hires upscale");
    if (j->upscaler && !has_hires)
        callbacks_say(w->callbacks, "Hires upscaler has no effect without Hires upscale");
    else if (j->hires_steps && !has_hires)
        callbacks_say(w->callbacks, "Hires steps have no effect without Hires upscale");
    if ((j->context || j->overlap || j->stride > 1) && v->length == v->frames && v->loop != CLOSED) {
        const char *why = "this is a still";
        if (v->frames > 1) why = format(w->mem, "all %d frames are seen together", v->frames);
        callbacks_say(w->callbacks, "Context, Overlap and Stride have no effect: %s", why);
    }
}

/* The defaults that are the model's: what its metadata say, else what is usual for Stable Diffusion 1.x. */
static void fill_from_model(Job *j, const ModelSpec *m)
{
    if (!j->width)     j->width = m->size.width;
    if (!j->height)    j->height = m->size.height;
    if (!j->steps)     j->steps = m->steps ? m->steps : DEFAULT_STEPS;
    if (!j->clip_skip) j->clip_skip = m->clip_skip ? m->clip_skip : 1;
    if (j->cfg == 0)   j->cfg = m->cfg > 0 ? m->cfg : DEFAULT_CFG;
}

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
    w->has_model = !is_unfound(j->model) && !try(w, open_model);
    fill_from_model(j, &w->spec);
    w->denoising = (Denoising){
        .windows = { .frames = 1, .length = 1, .stride = 1, .loop = OPEN },
        .cfg = j->cfg,
        .cfg_rescale = j->cfg_rescale,
        .seed = j->seed,
        .nv_noise = j->rng && !strcmp(j->rng, "NV"),
    };
    try(w, choose_sampler);
    if (w->has_model) choose_prediction(w);
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
    if (*missing) add_fault(w, format(w->mem, "%s: it lacks %s", w->job->model, missing));
}

static void load_vae(Work *w)
{
    const char *path = w->job->vae;
    w->has_vae = !path || (!is_unfound(path) && !try(w, open_vae));
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
    if (!j->loras || !try(w, open_loras)) return;
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
    if (good->loras) try(w, open_loras);
}

static void load(Work *w)
{
    load_model(w);
    load_vae(w);
    load_motion(w);
    w->denoising.on_x0 = after_call;
    w->denoising.on_x0_to = w;
    choose_init(w);
    choose_hires(w);
    say_without_effect(w);
    if (w->has_model) try(w, check_skip);
    load_loras(w);
    w->run.machine = &w->machine;
    w->run.frames = w->denoising.windows.length;
    w->run.norm_across_frames = w->motion == MOTION_V1;
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
    void (*say)(void *, const char *) = w->callbacks ? w->callbacks->say : NULL;
    w->text = text_tokenize(w->mem, w->run.weights, &specification, say, w->callbacks ? w->callbacks->to : NULL);
}

/* Both prompts; or, when one is wrong, each alone, and neither, for the rest of the checks. */
static void load_text(Work *w)
{
    if (is_unfound(w->job->merges) || !w->has_model || !try(w, read_text)) return;
    Job *whole = w->job;
    Job one = *whole;
    w->job = &one;
    one.prompt = NULL;
    try(w, read_text);
    one.negative = NULL;
    if (!w->text) try(w, read_text);
    one.prompt = whole->prompt;
    try(w, read_text);
    w->job = whole;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

/* (255 * (x / 2 + 0.5).clamp(0, 1)).round():  halves are rounded to even, as torch and numpy do. */
static unsigned char pixel(float x)
{
    float v = x / 2 + 0.5f;
    if (v < 0) v = 0;
    if (v > 1) v = 1;
    return (unsigned char)nearbyintf(255 * v);
}

/* The latents that are decoded, and where the pixels go. */
typedef struct { Work *w; Tensor x; unsigned char *rgb; } Decoding;

static void decode_frame(const Decoding *d, int f)
{
    Work *w = d->w;
    size_t before = mark(w->mem);
    size_t frame = size(d->x) / (size_t)d->x.n;
    Tensor latents = { .n = 1, .h = d->x.h, .w = d->x.w, .c = d->x.c, .x = d->x.x + (size_t)f * frame };
    Tensor picture = vae_decode(&w->run, latents);
    unsigned char *rgb = d->rgb + (size_t)f * size(picture);
    for (size_t i = 0; i < size(picture) && !w->machine.dry; i++) rgb[i] = pixel(picture.x[i]);
    release(w->mem, before);
}

static void decode_rest(void *decoding)
{
    Decoding *d = decoding;
    Work *w = d->w;
    while (w->at.done < (uint32_t)d->x.n) {
        int f = (int)w->at.done;
        callbacks_progress(w->callbacks, "frame", f, d->x.n);
        decode_frame(d, f);
        w->at.done++;
        keep_if_due(w);
    }
}

/* The position before the first frame.  It is kept in any case, if this job keeps one: hours of steps are done. */
static void begin_decoding(Work *w, const Decoding *d)
{
    const ClipPosition *most = &w->bounds.most[FRAMES];
    w->at = (ClipPosition){ .stage = FRAMES, .latents = d->x, .rgb = d->rgb, .width = most->width,
                            .height = most->height };
    if (!w->state) return;
    const ClipPosition *from = &w->state->from;
    if (!w->state->is_found || from->stage != FRAMES) {
        if (clip_state_worth(w->state)) keep(w);
        return;
    }
    w->at.done = from->done;
    memcpy(d->x.x, from->latents.x, size(d->x) * sizeof *d->x.x);
    if (from->done) memcpy(d->rgb, from->rgb, (size_t)from->done * (size_t)from->height * (size_t)from->width * 3);
}

/* VAE decode: latents -> pictures, a frame at a time.  A dry run decodes one frame, which stands for all. */
static void decode(Work *w, Tensor x, unsigned char *rgb)
{
    Decoding d = { .w = w, .x = x, .rgb = rgb };
    double ops_before = w->machine.ops;
    if (w->machine.dry) {
        decode_frame(&d, 0);
        w->machine.ops += (w->machine.ops - ops_before) * (x.n - 1);
        return;
    }
    begin_decoding(w, &d);
    if (w->callbacks && w->callbacks->latents) w->callbacks->latents(w->callbacks->to, x);
    if (w->state && w->state->on_latents) w->state->on_latents(w->state->on_latents_to, x);
    interruptible(w, decode_rest, &d);
}

/* Ends a stage that used the weights with these prefixes: drops their mapped pages from memory.  A dry run instead
 * records how much memory the stage needed, if that is the most so far.  other may be NULL. */
static void end_stage(Work *w, const char *prefix, const char *other)
{
    if (!w->machine.dry) {
        files_trim(w->mem);
        return;
    }
    size_t mapped = weights_bytes(w->run.weights, prefix);
    if (other) mapped += weights_bytes(w->run.weights, other);
    if (arena_peak(w->mem) + mapped > w->planned) {
        w->planned = arena_peak(w->mem) + mapped;
        w->mapped = mapped;
    }
    arena_peak_reset(w->mem);
}

/* -> [frames,height,width,3].  A dry run only checks and counts. */
static unsigned char *draw(Work *w)
{
    const Job *j = w->job;
    size_t pixels = (size_t)j->frames * (size_t)hires_side(j, j->height) * (size_t)hires_side(j, j->width);
    unsigned char *rgb = allocate(w->mem, pixels * 3, 1);
    Tensor x = tensor(&w->run, j->frames, j->height / FACTOR, j->width / FACTOR, LATENT);
    if (w->has_init && w->has_vae) w->denoising.moments = encode(w);
    end_stage(w, "vae.encoder.", "vae.quant_conv.");
    const Conditioning *conditioning = text_encode(&w->run, w->text);
    end_stage(w, "te.", NULL);
    check_conditioning(w, conditioning);
    w->ops_before[FIRST_PASS] = w->machine.ops;
    denoise_pass(w, FIRST_PASS, x, conditioning);
    w->ops_before[SECOND_PASS] = w->machine.ops;
    if (w->has_hires) x = second_pass(w, x, conditioning + denoise_calls(&w->denoising));
    end_stage(w, "unet.", "motion.");
    w->ops_before[FRAMES] = w->machine.ops;
    if (w->has_vae) decode(w, x, rgb);
    w->ops_before[FRAMES + 1] = w->machine.ops;
    end_stage(w, "vae.decoder.", "vae.post_quant_conv.");
    return rgb;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* "model.safetensors with module.safetensors and face.safetensors" */
static const char *files_used(Work *w)
{
    const Job *j = w->job;
    const char *text = j->model;
    const char *join = " with ";
    const char *const others[] = { w->has_vae ? j->vae : NULL, w->motion ? j->motion : NULL };
    for (size_t i = 0; i < 2; i++) {
        if (!others[i]) continue;
        text = format(w->mem, "%s%s%s", text, join, others[i]);
        join = " and ";
    }
    for (size_t i = 0; i < j->loras; i++) {
        text = format(w->mem, "%s%s%s", text, join, j->lora[i].path);
        join = " and ";
    }
    return text;
}

/* Runs the whole job dry, and counts its floating point operations.  Fails with all problems in one message. */
static void dry_run(void *work)
{
    Work *w = work;
    size_t before = mark(w->mem);
    Problems problems = { .text = allocate(w->mem, PROBLEM_TEXT, 1) };
    problems.text[0] = 0;
    w->machine.dry = 1;
    w->run.problems = &problems;
    draw(w);
    w->is_run_dry = 1;
    if (!clip_layers(w->run.weights)) problem(&w->run, "the text encoder has no layers");
    if (problems.count)
        fail(w->mem, "%s: %d tensors are missing or do not fit%s", files_used(w), problems.count, problems.text);
    w->machine.dry = 0;
    w->run.problems = NULL;
    release(w->mem, before);
    w->ops = w->machine.ops;
}

static void report_loras(void *work)
{
    Work *w = work;
    void (*say)(void *, const char *) = w->callbacks ? w->callbacks->say : NULL;
    lora_report(w->mem, w->run.lora, w->run.weights, say, w->callbacks ? w->callbacks->to : NULL);
}

static const char *duration(Arena *a, double seconds)
{
    if (seconds < 1) seconds = 1;
    if (seconds < 90) return format(a, "%.0f s", seconds);
    if (seconds < 5400) return format(a, "%.0f min", seconds / 60);
    return format(a, "%.1f h", seconds / 3600);
}

double plan_seconds(Arena *a, const Plan *p)
{
    Machine machine = { .mem = a, .threads = p->threads, .bf16 = p->bf16 };
    return p->ops / machine_speed(&machine).now;
}

const char *plan_time(Arena *a, double ops, Machine *machine)
{
    const double LITTLE = 0.8;           /* of the processor; more is about all */
    MachineSpeed speed = machine_speed(machine);
    const char *load = "";
    if (speed.now < LITTLE * speed.alone)
        load = format(a, ", measured while other programs were using the processor; alone it would be about %s",
                      duration(a, ops / speed.alone));
    return format(a, "about %s on %s%s", duration(a, ops / speed.now), amount(a, (size_t)machine->threads, "thread"),
                  load);
}

void plan_say(Arena *a, const Plan *p, const Callbacks *callbacks)
{
    if (!callbacks || !callbacks->say) return;
    size_t before = mark(a);
    Machine machine = { .mem = a, .threads = p->threads, .bf16 = p->bf16 };
    callbacks_say(callbacks, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), %s", (double)p->memory / 1e9,
                  (double)p->mapped / 1e9, plan_time(a, p->ops, &machine));
    release(a, before);
}

/* "DPM++ 2M SDE Karras, 25 steps, NV noise" */
static const char *describe_sampling(Work *w)
{
    const SamplerSetup *s = &w->denoising.sampling;
    ScheduleType schedule = sampler_schedule(s);
    int own_schedule = schedule_is_own_spacing(schedule);
    const char *type = own_schedule ? "" : format(w->mem, " %s", schedule_name((int)schedule));
    const char *steps = amount(w->mem, (size_t)s->steps, "step");
    const char *v_prediction = s->v_prediction ? ", v-prediction" : "";
    const char *zero_snr = s->zero_snr ? ", zero terminal SNR" : "";
    const char *noise = w->denoising.nv_noise ? ", NV noise" : "";
    return format(w->mem, "%s%s, %s%s%s%s", sampler_name(s->method), type, steps, v_prediction, zero_snr, noise);
}

/* "; as the model's metadata say: Steps, CFG scale": the defaults that are its own */
static const char *own_defaults(Work *w)
{
    const Job *asked = &w->asked;
    const ModelSpec *m = &w->spec;
    Lines own = { 0 };
    if (m->steps && !asked->steps)         lines_add(w->mem, &own, "Steps");
    if (m->cfg > 0 && asked->cfg == 0)     lines_add(w->mem, &own, "CFG scale");
    if (m->clip_skip && !asked->clip_skip) lines_add(w->mem, &own, "Clip skip");
    if (m->is_size_said && !asked->width)  lines_add(w->mem, &own, "Size");
    return own.count ? format(w->mem, "; as the model's metadata say: %s", lines_joined(w->mem, &own, ", ")) : "";
}

static void say_settings(Work *w)
{
    const Job *j = w->job;
    const char *length = "a still";
    if (j->frames > 1) length = format(w->mem, "%d frames at %g fps", j->frames, j->fps);
    const char *betas = w->motion ? "linear" : "scaled linear";
    const char *precision = w->machine.bf16 ? ", bf16" : "";
    const char *sampling = describe_sampling(w);
    callbacks_say(w->callbacks, "betas %s, %s, CFG scale %g, clip skip %d, %dx%d, %s, seed %llu%s%s", betas,
                  sampling, j->cfg, j->clip_skip, j->width, j->height, length, (unsigned long long)j->seed, precision,
                  own_defaults(w));
}

static void say_windows(Work *w)
{
    const ContextOptions *v = &w->denoising.windows;
    if (v->length == v->frames && v->loop != CLOSED) return;
    const char *steps = amount(w->mem, (size_t)w->denoising.sampling.steps, "step");
    const char *loop = closed_loop_name((int)v->loop);
    callbacks_say(w->callbacks, "windows of %d frames, overlap %d, stride %d, closed loop %s: %d passes in %s",
                  v->length, v->overlap, v->stride, loop, denoise_passes(&w->denoising), steps);
}

/* Whatever can be checked is; a plan is there only when nothing was wrong.  Files that were not found count as wrong,
 * whether the caller has told them or not. */
static void prepare(Work *w)
{
    Job *j = w->job;
    if (!check_job(w)) return;
    load(w);
    load_text(w);
    if (w->has_model && w->text) try(w, dry_run);
    if (w->is_run_dry && w->run.lora) try(w, report_loras);
    w->job = j;
    if (w->faults->count) return;
    if (is_unfound(j->model) || is_unfound(j->vae) || is_unfound(j->motion) || is_unfound(j->init))
        add_fault(w, "a path in the job is empty, expected that of a file");
}

/* What the model was not made for, in this job. */
static void tell_limits(Work *w)
{
    const Job *j = w->job;
    const ModelSpec *m = &w->spec;
    Run quiet = w->run;
    quiet.callbacks = NULL;
    limits_tell_size(w->mem, m, j->model, (PixelSize){ j->width, j->height }, "Size", w->callbacks);
    limits_tell_words(w->mem, m, j, w->callbacks);
    if (!j->init || !m->pictures || !autoencoder_is_small(w->run.weights)) return;
    double error = reconstruction_error(&quiet, w->init, m->size.width, m->size.height);
    limits_tell_picture(m, j->model, j->init, error, w->callbacks);
}

static Plan plan_of(Work *w)
{
    const Job *j = w->job;
    Plan plan = { .ops = w->ops };
    say_settings(w);
    say_windows(w);
    tell_limits(w);
    plan.memory = w->planned;
    plan.mapped = w->mapped;
    plan.passes = denoise_passes(&w->denoising);
    if (w->has_hires) plan.passes += denoise_passes(&w->hires);
    plan.frames = j->frames;
    plan.width = hires_side(j, j->width);
    plan.height = hires_side(j, j->height);
    plan.threads = w->machine.threads;
    plan.bf16 = w->machine.bf16;
    take_up_state(w, &plan);
    plan.ops -= ops_done(w);
    return plan;
}

static Work begin(Arena *a, Job *job, const Callbacks *callbacks, Faults *faults)
{
    Work w = { .mem = a, .job = job, .asked = *job, .callbacks = callbacks, .faults = faults };
    w.machine = (Machine){
        .mem = a,
        .threads = job->threads > 0 ? job->threads : machine_threads(),
        .bf16 = job->precision && !strcmp(job->precision, "bf16"),
    };
    w.run.callbacks = callbacks;
    return w;
}

Plan generate_faults(Arena *a, Job *job, const Callbacks *callbacks, Faults *faults)
{
    size_t before = mark(a);
    Plan plan = { 0 };
    Work w = begin(a, job, callbacks, faults);
    prepare(&w);
    if (!faults->count) plan = plan_of(&w);
    release(a, before);
    return plan;
}

Plan generate_check(Arena *a, Job *job, const Callbacks *callbacks)
{
    Faults faults = { 0 };
    Plan plan = generate_faults(a, job, callbacks, &faults);
    faults_fail(a, &faults);
    return plan;
}

Pictures generate(Arena *a, Job *job, const Callbacks *callbacks)
{
    size_t before = mark(a);
    Faults faults = { 0 };
    Work w = begin(a, job, callbacks, &faults);
    prepare(&w);
    faults_fail(a, &faults);
    Plan plan = plan_of(&w);
    plan_say(a, &plan, callbacks);
    Pictures p = { .frames = plan.frames, .width = plan.width, .height = plan.height };
    size_t bytes = (size_t)p.frames * (size_t)p.height * (size_t)p.width * 3;
    if (w.state) clip_state_begin(w.state);
    const unsigned char *rgb = draw(&w);
    callbacks_progress(w.callbacks, "done", p.frames, p.frames);
    release(a, before);                      /* unmaps the files and gives all memory back; the pictures move down */
    p.rgb = allocate(a, bytes, 1);
    memmove(p.rgb, rgb, bytes);
    return p;
}
