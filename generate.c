/* generate.c - a job -> frames.
 *
 *     words -> tokens -> text vectors                     text.c
 *     a picture to begin from, if any -> latents          image.c, vae.c
 *     seed -> noise -> latents, step by step              denoise.c; larger once more, if asked
 *     latents -> frames, one by one                       vae.c
 *
 * The same lines run twice: first dry, where layers only check their weights and count, then for real.
 * So nothing is found wrong after work has begun, and the plan is not an estimate of the code but the code. */
#include "generate.h"

#include "chars.h"
#include "clip.h"
#include "denoise.h"
#include "image.h"
#include "lora.h"
#include "motion.h"
#include "preview.h"
#include "system.h"
#include "vae.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_FRAMES = 16, DEFAULT_STEPS = 25, DEFAULT_CONTEXT = 16, LARGEST_SIDE = 8192, PROBLEM_TEXT = 4096 };

typedef struct {
    Arena       *mem;
    Job         *job;
    const Watch *watch;
    Machine      machine;
    Run          run;
    MotionKind   motion;
    const Text  *text;
    Picture      init;                   /* at the size of the first pass */
    Denoising    denoising, hires;       /* the first pass, and the second */
    double       look_again;             /* not before this time */
    size_t       planned, mapped;        /* bytes of the stage that needs most, and of its weights */
} Work;

/* ---- what is loaded, what is chosen ----------------------------------------------------------- */

static void check_range(Arena *a, const char *what, double value, double from, double to)
{
    if (!(value >= from && value <= to)) fail(a, "%s is %g, expected %g to %g", what, value, from, to);
}

static void check_choice(Arena *a, const char *what, const char *value, const char *one, const char *other)
{
    if (value && strcmp(value, one) && strcmp(value, other)) fail(a, "%s is %s, expected %s or %s", what, value, one, other);
}

static void check_job(Work *w)
{
    Job *j = w->job;
    if (!j->model)  fail(w->mem, "no model named: set Model, or --model");
    if (!j->merges) fail(w->mem, "CLIP's merges.txt is not there; it belongs in weights/");
    if (!j->steps) j->steps = DEFAULT_STEPS;
    if (!j->clip_skip) j->clip_skip = 1;
    if (j->cfg == 0) j->cfg = 7.5;
    if (j->fps == 0) j->fps = 8;
    if (j->strength == 0 && (j->init || j->hires > 0)) j->strength = 0.75;
    if (j->threads <= 0) j->threads = machine_threads();
    check_range(w->mem, "Steps", j->steps, 1, TRAIN_STEPS);
    check_range(w->mem, "Clip skip", j->clip_skip, 1, 100);
    check_range(w->mem, "CFG scale", j->cfg, 0, 1000);
    check_range(w->mem, "Eta", j->eta, -1, 1);
    check_range(w->mem, "Denoising strength", j->strength, 0, 1);
    check_range(w->mem, "Hires upscale", j->hires, 0, 8);
    check_range(w->mem, "Hires steps", j->hires_steps, 0, TRAIN_STEPS);
    check_range(w->mem, "CFG rescale", j->cfg_rescale, 0, 1);
    check_range(w->mem, "Context", j->context, 0, 100000);
    check_range(w->mem, "Stride", j->stride, 0, 30);
    check_range(w->mem, "FPS", j->fps, 0.1, 100);
    check_range(w->mem, "threads", j->threads, 1, 1024);
    check_range(w->mem, "Frames", j->frames, 0, 100000);
    check_choice(w->mem, "Precision", j->precision, "f32", "bf16");
    check_choice(w->mem, "RNG", j->rng, "CPU", "NV");
    check_choice(w->mem, "Noise Schedule", j->noise_schedule, "Default", "Zero Terminal SNR");
    check_choice(w->mem, "Prediction type", j->prediction, "epsilon", j->prediction && *j->prediction == 'v' ? j->prediction : "v");
    for (const int *side = &j->width; side; side = side == &j->width ? &j->height : NULL)
        if (*side && (*side < FACTOR || *side > LARGEST_SIDE || *side % FACTOR))
            fail(w->mem, "Size is %dx%d, expected multiples of %d from %d to %d", j->width, j->height, FACTOR, FACTOR, LARGEST_SIDE);
}

/* a schedule type or a sampler that other programs have and this one has not is told, and the nearest taken */
static int choose_schedule(Work *w)
{
    Job *j = w->job;
    int type = j->schedule ? schedule_named(j->schedule) : AUTOMATIC;
    if (type >= 0) return type;
    if ((type = schedule_nearest(j->schedule)) < 0) fail(w->mem, "Schedule type is %s, expected %s", j->schedule, names_of(w->mem, schedule_name));
    watch_say(w->watch, "Schedule type %s is not here; %s instead", j->schedule, schedule_name(type));
    j->schedule = schedule_name(type);
    return type;
}

/* the sampler's name may hold a schedule type, over which one that is given wins */
static void choose_sampler(Work *w)
{
    Job *j = w->job;
    SamplerSetup *s = &w->denoising.sampling;
    int given = choose_schedule(w);
    s->method = j->sampler ? sampler_named(j->sampler, &s->type) : 0;
    if (s->method < 0 && (s->method = sampler_nearest(j->sampler, &s->type)) >= 0) {
        const char *type = s->type && !given ? schedule_name((int)s->type) : NULL;
        watch_say(w->watch, "Sampler %s is not here; %s%s%s instead", j->sampler, sampler_name(s->method), type ? " " : "", type ? type : "");
        j->sampler = sampler_name(s->method);
        if (type) j->schedule = type;
    }
    if (s->method < 0) fail(w->mem, "Sampler is %s, expected %s", j->sampler, names_of(w->mem, sampler_name));
    if (given) s->type = (ScheduleType)given;
    s->steps = j->steps, s->eta = j->eta;
    if (j->eta > 0 && !sampler_takes_eta(s->method)) watch_say(w->watch, "Eta is ignored: %s adds no noise", sampler_name(s->method));
}

static void choose_prediction(Work *w, const Weights *weights)
{
    const Job *j = w->job;
    SamplerSetup *s = &w->denoising.sampling;
    s->velocity = j->prediction ? *j->prediction == 'v' : weights_predict_v(weights);
    s->zero_snr = j->noise_schedule ? *j->noise_schedule == 'Z' : weights_find(weights, "unet.ztsnr") || weights_metadata(weights, "rescale_betas_zero_snr");
    if (s->zero_snr && !s->velocity)
        watch_say(w->watch, "Noise schedule is Zero Terminal SNR, but the model predicts epsilon, which says nothing where there is noise alone; expect a poor picture");
}

/* The whole clip at once where the module holds it and no other is asked for. */
static void choose_windows(Work *w, int most)
{
    const Job *j = w->job;
    int fits = j->frames <= most ? j->frames : most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    int length = j->context ? j->context : fits, loop = j->loop ? loop_named(j->loop) : OPEN;
    if (loop < 0) fail(w->mem, "Closed loop is %s, expected %s", j->loop, names_of(w->mem, loop_name));
    if (length > most)
        fail(w->mem, "Context is %d, but %s (%s) holds at most %d frames; set Context: %d or less", length, j->motion, motion_kind_name(w->motion), most, most);
    if (j->overlap >= length && length < j->frames) fail(w->mem, "Overlap is %d, expected less than the %d frames of a window", j->overlap, length);
    if (length > j->frames) length = j->frames;
    int overlap = j->overlap < 0 ? 0 : j->overlap && j->overlap < length ? j->overlap : length / 4;
    w->denoising.windows = (Windows){ j->frames, length, overlap, j->stride ? j->stride : 1, (Loop)loop };
}

static void check_motion(Work *w, const char *path)
{
    int most = motion_positions(w->run.weights);
    if (w->motion == NO_MOTION) fail(w->mem, "%s: this motion module lacks down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight: is the file whole?", path);
    if (!most) fail(w->mem, "%s: this motion module lacks the frame positions of its first block (pos_encoder.pe): is the file whole?", path);
    choose_windows(w, most);
    watch_say(w->watch, "motion module %s: %s, up to %s at once", path, motion_kind_name(w->motion), amount(w->mem, (size_t)most, "frame"));
}

/* ---- from a picture, and larger ----------------------------------------------------------------- */

static const struct { const char *name; int nearest; } upscalers[] = { { "Latent", 0 }, { "Latent (nearest)", 1 } };
enum { UPSCALERS = sizeof upscalers / sizeof *upscalers };

static size_t upscaler_named(const char *name)
{
    size_t i = 0;
    while (i < UPSCALERS && strcmp(upscalers[i].name, name)) i++;
    return i;
}

static int hires_side(const Job *j, int side) { return j->hires > 0 ? (int)(side * j->hires) / FACTOR * FACTOR : side; }

/* As diffusers' img2img: of the steps the last int(steps * strength). */
static void choose_init(Work *w)
{
    const Job *j = w->job;
    Denoising *d = &w->denoising;
    if (!j->init) return;
    Picture p = image_open(w->mem, j->init);
    int left = (int)(j->steps * j->strength);
    if (!left) fail(w->mem, "Denoising strength is %g, and of %d steps that leaves none; set it to %.2g or more", j->strength, j->steps, 1.0 / j->steps);
    d->over = 1, d->first = j->steps - left;
    w->init = image_cover(w->mem, p, j->width, j->height, LANCZOS);
    watch_say(w->watch, "begins as %s (%dx%d), strength %g: %d of %s", j->init, p.width, p.height, j->strength, left, amount(w->mem, (size_t)j->steps, "step"));
}

/* As the web UI's second pass: all of its steps, on a schedule of int(steps / strength). */
static void choose_hires(Work *w)
{
    Job *j = w->job;
    Denoising *d = &w->hires;
    if (!(j->hires > 0)) return;
    int left = j->hires_steps ? j->hires_steps : j->steps, width = hires_side(j, j->width), height = hires_side(j, j->height);
    double steps = left / (j->strength < 0.999 ? j->strength : 0.999);
    if (steps > TRAIN_STEPS)
        fail(w->mem, "Denoising strength is %g, and %d Hires steps at that come to more than %d in all; set one higher or the other lower",
             j->strength, left, TRAIN_STEPS);
    if (width > LARGEST_SIDE || height > LARGEST_SIDE)
        fail(w->mem, "Hires upscale is %g, which makes %dx%d; expected at most %d a side", j->hires, width, height, LARGEST_SIDE);
    if (!j->upscaler) j->upscaler = upscalers[0].name;
    if (upscaler_named(j->upscaler) == UPSCALERS)
        watch_say(w->watch, "Hires upscaler %s is not here; %s instead", j->upscaler, upscalers[0].name), j->upscaler = upscalers[0].name;
    *d = w->denoising;
    d->over = 1, d->stage = "hires step";
    d->sampling.steps = (int)steps, d->first = (int)steps - left;
    watch_say(w->watch, "then at %dx%d, %s, strength %g: %s", width, height, j->upscaler, j->strength, amount(w->mem, (size_t)left, "step"));
}

/* -> moments of the picture's latents: [1,h,w,8] */
static Tensor encode(Work *w)
{
    size_t before = mark(w->mem);
    Tensor x = tensor(&w->run, 1, w->init.height, w->init.width, 3);
    for (size_t i = 0; i < size(x) && !w->machine.dry; i++) x.x[i] = 2 * (w->init.rgb[i] / 255.0f) - 1;
    return compact(&w->run, before, vae_encode(&w->run, x));
}

/* Where output pixel i looks: between at and at + 1, `far` of the way. */
typedef struct { int at, next; float far; } Between;

static Between between(int i, int from, int to, int nearest)
{
    float scale = (float)from / (float)to, x = nearest ? (float)i * scale : fmaxf(((float)i + 0.5f) * scale - 0.5f, 0);
    int at = (int)x < from - 1 ? (int)x : from - 1;
    return (Between){ at, at < from - 1 ? at + 1 : at, nearest ? 0 : x - (float)at };
}

/* torch.nn.functional.interpolate(x, size=(h, w), mode="bilinear", antialias=False), or mode="nearest" */
static Tensor larger(Work *w, Tensor x, int height, int width)
{
    Tensor y = tensor(&w->run, x.n, height, width, x.c);
    int nearest = upscalers[upscaler_named(w->job->upscaler)].nearest;
    size_t c = (size_t)x.c, row = (size_t)x.w * c;
    float *to = y.x;
    for (int n = 0; n < y.n && !w->machine.dry; n++)
        for (int i = 0; i < height; i++)
            for (int k = 0; k < width; k++, to += c) {
                Between v = between(i, x.h, height, nearest), u = between(k, x.w, width, nearest);
                const float *a = x.x + ((size_t)n * (size_t)x.h + (size_t)v.at) * row, *b = x.x + ((size_t)n * (size_t)x.h + (size_t)v.next) * row;
                const float *al = a + (size_t)u.at * c, *ar = a + (size_t)u.next * c, *bl = b + (size_t)u.at * c, *br = b + (size_t)u.next * c;
                for (size_t q = 0; q < c; q++) to[q] = (1 - v.far) * ((1 - u.far) * al[q] + u.far * ar[q]) + v.far * ((1 - u.far) * bl[q] + u.far * br[q]);
            }
    return y;
}

/* What was asked for and changes nothing is said: it was meant to. */
static void say_without_effect(Work *w)
{
    const Job *j = w->job;
    const Windows *v = &w->denoising.windows;
    if (j->strength > 0 && !j->init && !(j->hires > 0)) watch_say(w->watch, "Denoising strength has no effect: there is neither an Init image nor a Hires upscale");
    if ((j->hires_steps || j->upscaler) && !(j->hires > 0))
        watch_say(w->watch, "%s no effect without Hires upscale", j->upscaler ? "Hires upscaler has" : "Hires steps have");
    if ((j->context || j->overlap || j->stride > 1) && v->length == v->frames && v->loop != CLOSED)
        watch_say(w->watch, "Context, Overlap and Stride have no effect: %s",
            v->frames == 1 ? "this is a still" : format(w->mem, "all %d frames are seen together", v->frames));
}

/* Shows what the latents come to, and then not for a hundred times as long as that took.  The first call knows little yet. */
static void look(void *work, Tensor clean)
{
    Work *w = work;
    size_t before = mark(w->mem), frame = size(clean) / (size_t)clean.n;
    double begun = clock_now();
    if (begun < w->look_again) return;
    if (w->look_again <= 0) { w->look_again = begun; return; }
    Run quiet = w->run;
    quiet.probe = NULL;
    LatentMap map = preview_fit(&quiet, (Tensor){ 1, clean.h, clean.w, clean.c, clean.x + (size_t)(clean.n / 2) * frame });
    Pictures p = { clean.n, clean.w, clean.h, take(w->mem, rows(clean), 3) };
    preview_draw(&map, clean, p.rgb);
    w->watch->preview(w->watch->to, p);
    release(w->mem, before);
    w->look_again = clock_now() + 100 * (clock_now() - begun);
}

static void load(Work *w)
{
    Job *j = w->job;
    Weights *weights = weights_add(w->mem, NULL, j->model, MODEL_FILE);
    watch_say(w->watch, "model %s: Stable Diffusion 1.x", j->model);
    int across, down;
    weights_resolution(weights, &across, &down);
    if (!j->width)  j->width  = across;
    if (!j->height) j->height = down;
    w->denoising = (Denoising){ .windows = { 1, 1, 0, 1, OPEN }, .cfg = j->cfg, .rescale = j->cfg_rescale, .seed = j->seed, .nv = j->rng && !strcmp(j->rng, "NV") };
    choose_sampler(w);
    choose_prediction(w, weights);
    if (j->vae) weights = weights_add(w->mem, weights, j->vae, VAE_FILE), watch_say(w->watch, "VAE %s", j->vae);
    if (!j->frames) j->frames = j->motion ? DEFAULT_FRAMES : 1;
    if (j->frames > 1 && !j->motion) fail(w->mem, "Frames is %d, but no motion module is named; set Motion module, or Frames: 1 for a still", j->frames);
    int moves = j->motion && j->frames > 1;
    if (moves) weights = weights_add(w->mem, weights, j->motion, MOTION_FILE);
    w->run.weights = weights;
    w->motion = motion_kind(weights);
    w->denoising.sampling.betas = moves ? LINEAR : SCALED_LINEAR;
    if (moves) check_motion(w, j->motion);
    if (w->watch && w->watch->preview) w->denoising.look = look, w->denoising.looks = w;
    choose_init(w);
    choose_hires(w);
    say_without_effect(w);
    clip_check_skip(w->mem, weights, j->clip_skip);
    if (j->loras) w->run.lora = lora_open(w->mem, j->lora, j->loras);
    w->run.machine = &w->machine;
    w->run.frames = w->denoising.windows.length;
    w->run.norm_across_frames = w->motion == MOTION_V1;
}

/* ---- the work ---------------------------------------------------------------------------------- */

/* round(255 clamp(x/2 + 1/2)), halves to even as torch and numpy round */
static unsigned char pixel(float x)
{
    float v = x / 2 + 0.5f;
    return (unsigned char)nearbyintf(255 * (v < 0 ? 0 : v > 1 ? 1 : v));
}

static void decode(Work *w, Tensor x, unsigned char *rgb)
{
    int dry = w->machine.dry;
    double begun = w->machine.ops;
    for (int f = 0; f < (dry ? 1 : x.n); f++) {
        size_t before = mark(w->mem), frame = size(x) / (size_t)x.n;
        if (!dry) watch_progress(w->watch, "frame", f, x.n);
        Tensor picture = vae_decode(&w->run, (Tensor){ 1, x.h, x.w, x.c, x.x + (size_t)f * frame });
        for (size_t i = 0; i < size(picture) && !dry; i++) *rgb++ = pixel(picture.x[i]);
        release(w->mem, before);
    }
    if (dry) w->machine.ops += (w->machine.ops - begun) * (x.n - 1);
}

/* x at the larger size, noise laid over it and taken off again */
static Tensor again(Work *w, Tensor x, const Guide *guide, Progress *progress, void *to)
{
    const Job *j = w->job;
    Tensor y = larger(w, x, hires_side(j, j->height) / FACTOR, hires_side(j, j->width) / FACTOR);
    denoise(&w->run, &w->hires, y, guide, progress, to);
    return y;
}

/* A stage is over, which used the weights whose names begin so: they leave memory.  Dry: what it takes goes into the plan. */
static void rest(Work *w, const char *name, const char *other)
{
    if (!w->machine.dry) { files_rest(w->mem); return; }
    size_t mapped = weights_bytes(w->run.weights, name) + (other ? weights_bytes(w->run.weights, other) : 0);
    if (peak(w->mem) + mapped > w->planned) w->planned = peak(w->mem) + mapped, w->mapped = mapped;
    peak_anew(w->mem);
}

/* -> [frames,height,width,3].  Dry: nothing but the operations, of it all. */
static unsigned char *draw(Work *w)
{
    const Job *j = w->job;
    Progress *progress = w->machine.dry || !w->watch ? NULL : w->watch->progress;
    void *to = w->watch ? w->watch->to : NULL;
    unsigned char *rgb = take(w->mem, (size_t)j->frames * (size_t)hires_side(j, j->height) * (size_t)hires_side(j, j->width) * 3, 1);
    Tensor x = tensor(&w->run, j->frames, j->height / FACTOR, j->width / FACTOR, LATENT);
    if (j->init) w->denoising.moments = encode(w);
    rest(w, "vae.encoder.", "vae.quant_conv.");
    const Guide *guide = text_encode(&w->run, w->text);
    rest(w, "te.", NULL);
    denoise(&w->run, &w->denoising, x, guide, progress, to);
    if (j->hires > 0) x = again(w, x, guide + denoise_calls(&w->denoising), progress, to);
    rest(w, "unet.", "motion.");
    decode(w, x, rgb);
    rest(w, "vae.decoder.", "vae.post_quant_conv.");
    return rgb;
}

/* ---- the plan --------------------------------------------------------------------------------- */

/* "model.safetensors with module.safetensors and face.safetensors" */
static const char *files_used(Work *w)
{
    const Job *j = w->job;
    const char *text = j->model, *join = " with ";
    const char *const more[] = { j->vae, w->motion ? j->motion : NULL };
    for (size_t i = 0; i < 2; i++) if (more[i]) text = format(w->mem, "%s%s%s", text, join, more[i]), join = " and ";
    for (size_t i = 0; i < j->loras; i++) text = format(w->mem, "%s%s%s", text, join, j->lora[i].path), join = " and ";
    return text;
}

/* Runs everything dry.  Returns the operations of the whole job. */
static double rehearse(Work *w)
{
    size_t before = mark(w->mem);
    Problems problems = { 0, take(w->mem, PROBLEM_TEXT, 1) };
    problems.text[0] = 0;
    w->machine.dry = 1, w->run.problems = &problems;
    draw(w);
    if (!clip_layers(w->run.weights)) problem(&w->run, "the text encoder has no layers");
    if (problems.count) fail(w->mem, "%s: %d tensors are missing or do not fit%s", files_used(w), problems.count, problems.text);
    w->machine.dry = 0;
    w->run.problems = NULL;
    release(w->mem, before);
    return w->machine.ops;
}

static const char *duration(Arena *a, double seconds)
{
    if (seconds < 90) return format(a, "%.0f s", seconds < 1 ? 1 : seconds);
    if (seconds < 5400) return format(a, "%.0f min", seconds / 60);
    return format(a, "%.1f h", seconds / 3600);
}

void plan_say(Arena *a, const Plan *p, const Watch *watch)
{
    size_t before = mark(a);
    Machine machine = { a, p->threads, 0, 0, p->bf16 };
    if (watch && watch->say)
        watch_say(watch, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), about %s on %s", (double)p->memory / 1e9, (double)p->mapped / 1e9,
            duration(a, p->ops / machine_speed(&machine)), amount(a, (size_t)p->threads, "thread"));
    release(a, before);
}

/* "DPM++ 2M SDE Karras, 25 steps, NV noise" */
static const char *sampling_said(Work *w)
{
    const SamplerSetup *s = &w->denoising.sampling;
    const char *type = sampler_schedule(s) == DDIM_UNIFORM || sampler_schedule(s) == LCM_UNIFORM ? "" : format(w->mem, " %s", schedule_name((int)sampler_schedule(s)));
    return format(w->mem, "%s%s, %s%s%s%s", sampler_name(s->method), type, amount(w->mem, (size_t)s->steps, "step"), s->velocity ? ", v-prediction" : "",
                  s->zero_snr ? ", zero terminal SNR" : "", w->denoising.nv ? ", NV noise" : "");
}

static void say_windows(Work *w)
{
    const Windows *v = &w->denoising.windows;
    if (v->length < v->frames || v->loop == CLOSED)
        watch_say(w->watch, "windows of %d frames, overlap %d, stride %d, closed loop %s: %d passes in %s", v->length, v->overlap, v->stride, loop_name((int)v->loop),
            denoise_passes(&w->denoising), amount(w->mem, (size_t)w->denoising.sampling.steps, "step"));
}

static void read_text(Work *w)
{
    const Job *j = w->job;
    int calls = denoise_calls(&w->denoising), again = j->hires > 0 ? denoise_calls(&w->hires) : 0, second = sampler_twice(w->denoising.sampling.method) ? 2 : 1;
    const char **lora = take(w->mem, j->loras, sizeof *lora);
    for (size_t i = 0; i < j->loras; i++) lora[i] = j->lora[i].path;
    Wording wording = { .prompt = j->prompt, .negative = j->negative, .merges = j->merges, .embedding = j->embedding, .embeddings = j->embeddings,
                        .lora = lora, .loras = j->loras, .cfg = j->cfg, .calls = calls, .again = again, .counted = second * j->steps,
                        .counted_again = again ? second * (j->hires_steps ? j->hires_steps : j->steps) : 0, .clip_skip = j->clip_skip, .frames = j->frames,
                        .closed = w->denoising.windows.loop == REDUCED_TOO || w->denoising.windows.loop == CLOSED };
    w->text = text_read(w->mem, w->run.weights, &wording, w->watch ? w->watch->say : NULL, w->watch ? w->watch->to : NULL);
}

static Plan prepare(Work *w)
{
    const Job *j = w->job;
    check_job(w);
    load(w);
    read_text(w);
    double ops = rehearse(w);
    if (w->run.lora) lora_report(w->mem, w->run.lora, w->run.weights, w->watch ? w->watch->say : NULL, w->watch ? w->watch->to : NULL);
    const char *length = j->frames == 1 ? "a still" : format(w->mem, "%d frames at %g fps", j->frames, j->fps);
    watch_say(w->watch, "betas %s, %s, CFG scale %g, clip skip %d, %dx%d, %s, seed %llu%s", w->motion ? "linear" : "scaled linear", sampling_said(w), j->cfg,
        j->clip_skip, j->width, j->height, length, (unsigned long long)j->seed, w->machine.bf16 ? ", bf16" : "");
    say_windows(w);
    return (Plan){ ops, w->planned, w->mapped, denoise_passes(&w->denoising) + (j->hires > 0 ? denoise_passes(&w->hires) : 0),
                   j->frames, hires_side(j, j->width), hires_side(j, j->height), w->machine.threads, w->machine.bf16 };
}

static Work begin(Arena *a, Job *job, const Watch *watch)
{
    Work w = { .mem = a, .job = job, .watch = watch };
    w.machine = (Machine){ a, job->threads > 0 ? job->threads : machine_threads(), 0, 0, job->precision && !strcmp(job->precision, "bf16") };
    if (watch) w.run.probe = watch->probe, w.run.to = watch->to, w.run.stop = watch->stop;
    return w;
}

Plan generate_check(Arena *a, Job *job, const Watch *watch)
{
    size_t before = mark(a);
    Work w = begin(a, job, watch);
    Plan plan = prepare(&w);
    release(a, before);
    return plan;
}

Pictures generate(Arena *a, Job *job, const Watch *watch)
{
    size_t before = mark(a);
    Work w = begin(a, job, watch);
    Plan plan = prepare(&w);
    plan_say(a, &plan, watch);
    Pictures p = { plan.frames, plan.width, plan.height, NULL };
    size_t bytes = (size_t)p.frames * (size_t)p.height * (size_t)p.width * 3;
    const unsigned char *rgb = draw(&w);
    watch_progress(w.watch, "done", p.frames, p.frames);
    release(a, before);                              /* files unmapped, all memory back; then the pictures move down */
    p.rgb = take(a, bytes, 1);
    memmove(p.rgb, rgb, bytes);
    return p;
}
