/* job_settings.c - what the settings of a drawing job mean.
 *
 * A zero field of the job receives its default: the model's own, where its metadata say one, or what is usual.  A value
 * that makes no sense is a fault; one that other programs have and persona lacks becomes the nearest one here, which is
 * said.
 *
 * img2img runs only the last int(steps * strength) steps, as diffusers does.  The second pass (hires fix) is the web
 * UI's: to run `left` steps it makes a schedule of int(left / strength) steps and runs the last ones. */
#include "work.h"

#include "chars.h"
#include "frame_values.h"
#include "sampler_names.h"
#include "vae.h"

#include <math.h>
#include <string.h>

static const double DEFAULT_CFG = 7.5;
static const double SLOWEST = 0.1, QUICKEST = 100;       /* frames a second */
enum { MOST_FRAMES = 100000 };

/* ---- checking the job -------------------------------------------------------------------------- */

static void check_range(Work *w, const char *what, double value, double from, double to)
{
    if (value >= from && value <= to) return;
    job_fault(w, format(w->mem, "%s is %g, expected %g to %g", what, value, from, to));
}

static void check_choice(Work *w, const char *what, const char *value, const char *one, const char *other)
{
    if (!value || !strcmp(value, one) || !strcmp(value, other)) return;
    job_fault(w, format(w->mem, "%s is %s, expected %s or %s", what, value, one, other));
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

void job_fill_from_model(Job *j, const ModelSpec *m)
{
    if (!j->width)     j->width = m->size.width;
    if (!j->height)    j->height = m->size.height;
    if (!j->steps)     j->steps = m->steps ? m->steps : DEFAULT_STEPS;
    if (!j->clip_skip) j->clip_skip = m->clip_skip ? m->clip_skip : 1;
    if (j->cfg == 0)   j->cfg = m->cfg > 0 ? m->cfg : DEFAULT_CFG;
}

static int predicts_v(const char *prediction)
{
    return !strcmp(prediction, "v") || !strcmp(prediction, "v_prediction") || !strcmp(prediction, "v-prediction");
}

static void check_prediction(Work *w, const char *prediction)
{
    if (prediction && !predicts_v(prediction)) check_choice(w, "Prediction type", prediction, "epsilon", "v");
}

int job_check(Work *w)
{
    Job *j = w->job;
    size_t before = w->faults->count;
    if (!j->model)  job_fault(w, "no model named: set Model, or --model");
    if (!j->merges) job_fault(w, "CLIP's merges.txt is not there; it belongs in weights/");
    fill_defaults(j);
    check_range(w, "Steps", j->steps, 0, TRAIN_TIMESTEPS);
    check_range(w, "Clip skip", j->clip_skip, 0, 100);
    check_range(w, "CFG scale", j->cfg, 0, 1000);
    check_range(w, "Eta", j->eta, -1, 1);
    check_range(w, "Denoising strength", j->strength, 0, 1);
    check_range(w, "Last strength", j->last_strength, 0, 1);
    check_range(w, "Latent power", j->latent_power, 0, 10);
    check_range(w, "Latent scale", j->latent_scale, 0, 128);
    check_range(w, "Latent power last", j->latent_power_last, 0, 10);
    check_range(w, "Latent scale last", j->latent_scale_last, 0, 128);
    check_range(w, "Hires upscale", j->hires, 0, 8);
    check_range(w, "Hires steps", j->hires_steps, 0, TRAIN_TIMESTEPS);
    check_range(w, "Upscale by", j->upscale_by, 0, MOST_UPSCALING);
    check_range(w, "Face pass", j->face_pass, 0, 1);
    check_range(w, "Mask blur", j->mask_blur, -1, 64);
    check_range(w, "CFG rescale", j->cfg_rescale, 0, 1);
    check_range(w, "Context", j->context, 0, 100000);
    check_range(w, "Stride", j->stride, 0, 30);
    check_range(w, "FPS", j->fps, SLOWEST, QUICKEST);
    check_range(w, "threads", j->threads, 1, 1024);
    check_range(w, "Frames", j->frames, 0, MOST_FRAMES);
    check_choice(w, "Precision", j->precision, "f32", "bf16");
    check_choice(w, "RNG", j->rng, "CPU", "NV");
    check_choice(w, "Noise Schedule", j->noise_schedule, "Default", "Zero Terminal SNR");
    check_prediction(w, j->prediction);
    if (!valid_side(j->width) || !valid_side(j->height))
        job_fault(w, format(w->mem, "Size is %dx%d, expected multiples of %d from %d to %d", j->width, j->height,
                            FACTOR, FACTOR, LARGEST_SIDE));
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
void job_choose_sampler(void *work)
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
void job_choose_prediction(Work *w)
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

/* ---- context windows ---------------------------------------------------------------------------- */

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
        job_fault(w, format(w->mem, "Overlap is %d, expected less than the %d frames of a window", j->overlap, length));
}

void job_choose_windows(Work *w, int most)
{
    const Job *j = w->job;
    int loop = j->loop ? closed_loop_named(j->loop) : OPEN;
    int length = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    if (j->frames <= most) length = j->frames;
    if (j->context) length = j->context;
    if (loop < 0)
        job_fault(w, format(w->mem, "Closed loop is %s, expected %s", j->loop,
                            names_of(w->mem, closed_loop_name)));
    if (loop < 0) loop = OPEN;
    if (length > most)
        job_fault(w, format(w->mem, "Context is %d, but %s (%s) holds at most %d frames; set Context: %d or less",
                            length, j->motion, motion_kind_name(w->motion), most, most));
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

void job_choose_one_window(Work *w)
{
    int frames = w->job->frames;
    int length = frames < DEFAULT_CONTEXT ? frames : DEFAULT_CONTEXT;
    w->denoising.windows = (ContextOptions){ .frames = frames, .length = length, .stride = 1, .loop = OPEN };
    if (w->job->context) check_overlap(w, w->job->context);
}

/* ---- motion strength ----------------------------------------------------------------------------- */

static const double STRONGEST_MOTION = 10;

void job_choose_motion_strength(Work *w)
{
    const Job *j = w->job;
    FrameValues v;
    if (!j->motion_strength || j->frames < 2) return;
    const char *wrong = frame_values_read(w->mem, j->motion_strength, 0, STRONGEST_MOTION, &v);
    if (!wrong && v.at[v.count - 1].frame >= j->frames)
        wrong = format(w->mem, "and the clip's %d frames are 0 to %d", j->frames, j->frames - 1);
    if (wrong) {
        job_fault(w, format(w->mem, "Motion strength is %s, %s", j->motion_strength, wrong));
        return;
    }
    float *strength = allocate(w->mem, (size_t)j->frames, sizeof *strength);
    for (int i = 0; i < j->frames; i++) strength[i] = (float)frame_values_in(&v, i);
    w->denoising.motion_strength = frame_values_are(&v, 1) ? NULL : strength;
}

/* ---- img2img, inpainting and the second pass (hires fix) --------------------------------------------------- */

static const char *const MASK_MODES[] = { "Inpaint masked", "Inpaint not masked" };
static const double DEFAULT_MASK_BLUR = 4;

/* -1: there is no such content */
static int masked_content_named(const char *name)
{
    static const char *const names[] = { [ORIGINAL_CONTENT] = "original", [LATENT_NOISE] = "latent noise",
                                         [LATENT_NOTHING] = "latent nothing" };
    int i = LATENT_NOTHING;
    if (!name) return ORIGINAL_CONTENT;
    while (i >= 0 && strcmp(names[i], name)) i--;
    return i;
}

int job_hires_side(const Job *j, int side)
{
    if (!(j->hires > 0)) return side;
    return (int)(side * j->hires) / FACTOR * FACTOR;
}

static void find_init(void *work)
{
    Work *w = work;
    w->init_clip = init_clip_find(w->mem, w->job->init);
    if (w->init_clip.animation.ends_early)
        callbacks_say(w->callbacks, "warning: %s: the mark of its end is missing, so frames may be, too; it has %zu",
                      w->job->init, w->init_clip.count);
}

void job_find_init(Work *w)
{
    if (w->job->init && !is_unfound(w->job->init)) job_try(w, find_init);
}

int job_usual_frames(const Work *w)
{
    size_t count = w->init_clip.count;
    if (count < 2) return DEFAULT_FRAMES;
    return count < MOST_FRAMES ? (int)count : MOST_FRAMES;
}

/* "1, 3, 5, ..., 15": which frames of a clip are drawn from, counted from 1 */
static const char *frames_said(Arena *a, const size_t *of, int frames)
{
    enum { LISTED = 8 };
    const char *text = "";
    for (int i = 0; i < frames; i++) {
        int is_left_out = frames > LISTED && i >= LISTED - 1 && i < frames - 1;
        if (is_left_out && i == LISTED - 1) text = format(a, "%s, ...", text);
        if (!is_left_out) text = format(a, "%s%s%zu", text, i ? ", " : "", of[i] + 1);
    }
    return text;
}

/* Which frames of the clip become which of the drawing, in words; "" where there is nothing to tell. */
static const char *clip_said(Work *w, const size_t *of)
{
    const Job *j = w->job;
    size_t count = w->init_clip.count;
    const char *more = "";
    if (count < 2) return "";
    if ((size_t)j->frames == count) return format(w->mem, ", frame by frame: %zu", count);
    if (!w->asked.frames && j->frames == 1) more = "; a clip needs a Motion module";
    else if (!w->asked.frames)
        more = format(w->mem, ", as many as the motion module takes at once; for all: --frames %zu", count);
    return format(w->mem, ", of its %zu frames %d: %s%s", count, j->frames, frames_said(w->mem, of, j->frames), more);
}

/* A clip is drawn as fast as it was, unless the job says how fast. */
static void keep_pace(Work *w)
{
    Job *j = w->job;
    double fps = j->frames / w->init_clip.seconds;
    if (w->asked.fps > 0 || j->frames < 2 || !(w->init_clip.seconds > 0)) return;
    j->fps = fmin(fmax(round(100 * fps) / 100, SLOWEST), QUICKEST);
}

static void open_init(void *work)
{
    Work *w = work;
    const Job *j = w->job;
    Picture original;
    w->init_frames = w->init_clip.count > 1 ? j->frames : 1;
    size_t *of = allocate(w->mem, (size_t)w->init_frames, sizeof *of);
    init_clip_choose(&w->init_clip, w->init_frames, of);
    w->init = init_clip_decode(w->mem, &w->init_clip, of, w->init_frames, j->width, j->height, w->callbacks, &original);
    keep_pace(w);
    w->init_size = (PixelSize){ original.width, original.height };
    const char *steps = amount(w->mem, (size_t)j->steps, "step");
    callbacks_say(w->callbacks, "begins as %s (%dx%d%s), strength %g: %d of %s", j->init, original.width,
                  original.height, clip_said(w, of), j->strength, (int)(j->steps * job_init_strength(j)), steps);
}

/* img2img as in diffusers: only the last int(steps * strength) of the steps are run. */
void job_choose_init(Work *w)
{
    const Job *j = w->job;
    Denoising *d = &w->denoising;
    if (!j->init) return;
    double strength = job_init_strength(j);
    const char *key = strength < j->strength ? "Last strength" : "Denoising strength";
    int left = (int)(j->steps * strength);
    if (!left)
        job_fault(w, format(w->mem, "%s is %g, and of %d steps that leaves none; set it to %.2g or more", key, strength,
                            j->steps, 1.0 / j->steps));
    w->has_init = w->init_clip.count && !job_try(w, open_init) && left;
    if (!w->has_init) return;
    d->img2img = 1;
    d->first_step = j->steps - left;
}

/* "mask face.png, blur 4: 37 of 100 parts of the picture are drawn anew" */
static void say_mask(Work *w, size_t drawn, size_t latents)
{
    const Job *j = w->job;
    const char *blur = j->mask_blur > 0 ? format(w->mem, "blur %g", j->mask_blur) : "no blur";
    const char *mode = j->mask_mode ? format(w->mem, ", %s", j->mask_mode) : "";
    const char *content = j->masked_content ? format(w->mem, ", from %s", j->masked_content) : "";
    callbacks_say(w->callbacks, "mask %s, %s%s%s: %.0f%% of the picture is drawn anew", j->mask, blur, mode, content,
                  100 * (double)drawn / (double)latents);
    if (drawn == latents)
        callbacks_say(w->callbacks, "warning: %s: the mask keeps nothing, so the picture is drawn as without it",
                      j->mask);
}

static void open_mask(void *work)
{
    Work *w = work;
    Job *j = w->job;
    Denoising *d = &w->denoising;
    size_t drawn;
    size_t latents = (size_t)(j->width / FACTOR) * (size_t)(j->height / FACTOR);
    int is_turned = j->mask_mode && !strcmp(j->mask_mode, MASK_MODES[1]);
    const InitClip *c = &w->init_clip;
    MaskedInit init = { j->init, c->file[0], w->init_size.width, w->init_size.height, c->count };
    Mask m = mask_open(w->mem, j->mask, &init, j->width, j->height, is_turned);
    if (!(j->mask_blur < 0 || j->mask_blur > 0)) j->mask_blur = DEFAULT_MASK_BLUR;
    const float *latent = mask_latents(w->mem, m, &drawn);
    if (!drawn)
        fail(w->mem, "%s: as a mask it is too small: nothing of it is white in the upper left pixel of a square of "
                     "%dx%d, which are drawn as a whole; make it larger", j->mask, FACTOR, FACTOR);
    w->mask = m;
    w->soft_mask = mask_blurred(w->mem, m, j->mask_blur);
    d->mask = latent;
    d->masked_content = masked_content_named(j->masked_content);
    say_mask(w, drawn, latents);
}

/* Inpainting as in diffusers.  What is kept of the init image has its own pixels in the end, at its own size. */
void job_choose_mask(Work *w)
{
    const Job *j = w->job;
    int is_named = j->mask && strcmp(j->mask, "none");
    check_choice(w, "Mask mode", j->mask_mode, MASK_MODES[0], MASK_MODES[1]);
    if (masked_content_named(j->masked_content) < 0)
        job_fault(w, format(w->mem, "Masked content is %s, expected original, latent noise or latent nothing",
                            j->masked_content));
    if (!is_named || is_unfound(j->mask)) return;
    if (!j->init)
        job_fault(w, format(w->mem, "Mask is %s, but there is no picture to keep; name it as Init image, or --init",
                            j->mask));
    if (j->hires > 0)
        job_fault(w, "Mask and Hires upscale do not go together: the second pass would draw all of the picture anew; "
                     "leave one out, or set Size larger");
    if (j->face_pass > 0)
        job_fault(w, "Mask and Face pass do not go together: the face would be drawn anew where the mask keeps it; "
                     "leave one out");
    if (w->init.rgb && !(j->hires > 0)) job_try(w, open_mask);
}

/* The second pass (hires fix) as in the web UI.  To run `left` steps, it makes a schedule of int(left / strength) steps
 * and runs the last ones. */
void job_choose_hires(Work *w)
{
    Job *j = w->job;
    Denoising *d = &w->hires;
    if (!(j->hires > 0)) return;
    int left = j->hires_steps ? j->hires_steps : j->steps;
    int width = job_hires_side(j, j->width);
    int height = job_hires_side(j, j->height);
    double strength = j->strength < 0.999 ? j->strength : 0.999;
    double steps = left / strength;
    int is_too_long = steps > TRAIN_TIMESTEPS;
    int is_too_large = width > LARGEST_SIDE || height > LARGEST_SIDE;
    if (is_too_long)
        job_fault(w, format(w->mem, "Denoising strength is %g, and %d Hires steps at that come to more than %d in all; "
                            "set one higher or the other lower", j->strength, left, TRAIN_TIMESTEPS));
    if (is_too_large)
        job_fault(w, format(w->mem, "Hires upscale is %g, which makes %dx%d; expected at most %d a side", j->hires,
                            width, height, LARGEST_SIDE));
    if (is_too_long || is_too_large) return;
    w->has_hires = 1;
    *d = w->denoising;
    d->img2img = 1;
    d->is_second_pass = 1;
    d->stage = "hires step";
    d->sampling.steps = (int)steps;
    d->first_step = (int)steps - left;
}

/* ---- without effect ----------------------------------------------------------------------------- */

void job_say_without_effect(Work *w)
{
    const Job *j = w->job;
    const ContextOptions *v = &w->denoising.windows;
    int has_hires = j->hires > 0;
    if (j->strength > 0 && !j->init && !has_hires)
        callbacks_say(w->callbacks, "Denoising strength has no effect: there is neither an Init image "
                      "nor a Hires upscale");
    if (j->face_prompt && !(j->face_pass > 0))
        callbacks_say(w->callbacks, "Face prompt has no effect without Face pass");
    if (j->hires_upscaler && !has_hires)
        callbacks_say(w->callbacks, "Hires upscaler has no effect without Hires upscale");
    else if (j->hires_steps && !has_hires)
        callbacks_say(w->callbacks, "Hires steps have no effect without Hires upscale");
    int has_mask = j->mask && strcmp(j->mask, "none");
    if (!has_mask && (j->mask_blur < 0 || j->mask_blur > 0 || j->mask_mode || j->masked_content))
        callbacks_say(w->callbacks, "Mask blur, Mask mode and Masked content have no effect without Mask");
    int has_fade = j->latent_power > 0 || j->latent_scale > 0 || j->latent_power_last > 0 || j->latent_scale_last > 0;
    if (!j->last && (has_fade || j->last_strength > 0))
        callbacks_say(w->callbacks, "Last strength, Latent power and Latent scale have no effect without Last image");
    if (j->motion_strength && v->frames == 1)
        callbacks_say(w->callbacks, "Motion strength has no effect: this is a still");
    if ((j->context || j->overlap || j->stride > 1) && v->length == v->frames && v->loop != CLOSED) {
        const char *why = "this is a still";
        if (v->frames > 1) why = format(w->mem, "all %d frames are seen together", v->frames);
        callbacks_say(w->callbacks, "Context, Overlap and Stride have no effect: %s", why);
    }
}
