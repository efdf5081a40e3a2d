/* generate.c - a job -> frames.
 *
 *     words -> tokens -> text vectors                     text.c
 *     seed -> noise, and for each step:                   tensor.c
 *         noise predicted without and with the words      unet.c, motion.c; one batch, the negative prompt first
 *         apart by the guidance, and one step back        ddim.c
 *     latents -> frames, one by one                       vae.c
 *
 * The same lines run twice: first dry, where layers only check their weights and count, then for real.
 * So nothing is found wrong after work has begun, and the plan is not an estimate of the code but the code. */
#include "generate.h"

#include "clip.h"
#include "ddim.h"
#include "motion.h"
#include "text.h"
#include "unet.h"
#include "vae.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LATENT = 4, FACTOR = 8, DEFAULT_SIDE = 512, DEFAULT_FRAMES = 16, DEFAULT_STEPS = 25, LARGEST_SIDE = 8192, PROBLEM_TEXT = 4096 };

typedef struct {
    Arena       *mem;
    Job         *job;
    const Watch *watch;
    Machine      machine;
    Run          run;
    MotionKind   motion;
    const Text  *text;
    Schedule     schedule;
} Work;

static void say(Work *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(Work *w, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (w->watch && w->watch->say) w->watch->say(w->watch->to, line);
}

static void report(Work *w, const char *stage, int done, int of)
{
    if (w->watch && w->watch->progress) w->watch->progress(w->watch->to, stage, done, of);
}

/* ---- what is loaded, what is chosen ----------------------------------------------------------- */

/* "128x128" from the checkpoint's metadata (modelspec), or 512 x 512 */
static void native_size(const Weights *weights, int *width, int *height)
{
    const char *text = weights_metadata(weights, "modelspec.resolution");
    int w, h;
    if (!text || sscanf(text, "%5dx%5d", &w, &h) != 2 || w < FACTOR || h < FACTOR || w % FACTOR || h % FACTOR) w = h = DEFAULT_SIDE;
    if (!*width)  *width  = w;
    if (!*height) *height = h;
}

static void check_range(Arena *a, const char *what, double value, double from, double to)
{
    if (!(value >= from && value <= to)) fail(a, "%s is %g, expected %g to %g", what, value, from, to);
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
    if (j->threads <= 0) j->threads = machine_threads();
    check_range(w->mem, "Steps", j->steps, 1, TRAIN_STEPS);
    check_range(w->mem, "Clip skip", j->clip_skip, 1, 100);
    check_range(w->mem, "CFG scale", j->cfg, 0, 1000);
    check_range(w->mem, "Eta", j->eta, 0, 1);
    check_range(w->mem, "FPS", j->fps, 0.1, 100);
    check_range(w->mem, "threads", j->threads, 1, 1024);
    check_range(w->mem, "Frames", j->frames, 0, 1 << 20);
    if (j->precision && strcmp(j->precision, "f32") && strcmp(j->precision, "bf16")) fail(w->mem, "Precision is %s, expected f32 or bf16", j->precision);
    for (const int *side = &j->width; side; side = side == &j->width ? &j->height : NULL)
        if (*side && (*side < FACTOR || *side > LARGEST_SIDE || *side % FACTOR)) fail(w->mem, "Size is %dx%d, expected multiples of %d from %d to %d", j->width, j->height, FACTOR, FACTOR, LARGEST_SIDE);
}

static void check_motion(Work *w, const char *path)
{
    Job *j = w->job;
    int most = motion_positions(w->run.weights);
    if (w->motion == NO_MOTION) fail(w->mem, "%s: this motion module lacks down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight: is the file whole?", path);
    if (!most) fail(w->mem, "%s: this motion module lacks the frame positions of its first block (pos_encoder.pe): is the file whole?", path);
    if (j->frames > most) fail(w->mem, "Frames is %d, but %s (%s) was made for at most %d; set Frames: %d or less", j->frames, path, motion_kind_name(w->motion), most, most);
    say(w, "motion module %s: %s, up to %d frames", path, motion_kind_name(w->motion), most);
}

static void load(Work *w)
{
    Job *j = w->job;
    Weights *weights = weights_add(w->mem, NULL, j->model, MODEL_FILE);
    say(w, "model %s: Stable Diffusion 1.x", j->model);
    native_size(weights, &j->width, &j->height);
    if (j->vae) weights = weights_add(w->mem, weights, j->vae, VAE_FILE), say(w, "VAE %s", j->vae);
    if (!j->frames) j->frames = j->motion ? DEFAULT_FRAMES : 1;
    if (j->frames > 1 && !j->motion) fail(w->mem, "Frames is %d, but no motion module is named; set Motion module, or Frames: 1 for a still", j->frames);
    int moves = j->motion && j->frames > 1;
    if (moves) weights = weights_add(w->mem, weights, j->motion, MOTION_FILE);
    w->run.weights = weights;
    w->motion = motion_kind(weights);
    if (moves) check_motion(w, j->motion);
    int layers = clip_layers(weights);
    if (layers && j->clip_skip > layers) fail(w->mem, "Clip skip is %d, but this text encoder has %d layers", j->clip_skip, layers);
    ddim_init(&w->schedule, moves ? LINEAR : SCALED_LINEAR, j->steps);
    if (j->loras) w->run.lora = lora_open(w->mem, j->lora, j->loras);
    w->run.machine = &w->machine;
    w->run.clip = j->frames;
    w->run.across = w->motion == MOTION_V1;
}

/* ---- noise and latents ------------------------------------------------------------------------ */

/* torch draws a clip as [4, frames, h, w]; ours is [frames, h, w, 4] */
static void draw_noise(Work *w, Rng *rng, Tensor x)
{
    size_t before = mark(w->mem), plane = (size_t)x.h * (size_t)x.w, frames = (size_t)x.n;
    float *drawn = take(w->mem, size(x), sizeof *drawn);
    rng_normal(rng, drawn, size(x));
    for (size_t c = 0; c < LATENT; c++)
        for (size_t f = 0; f < frames; f++)
            for (size_t i = 0; i < plane; i++) x.x[(f * plane + i) * LATENT + c] = drawn[(c * frames + f) * plane + i];
    release(w->mem, before);
}

/* the noise in x: with guidance, negative + sum of cfg * weight * (prompt - negative) */
static Tensor predict(Work *w, Tensor x, int t, Guide guide)
{
    Tensor noise = unet(&w->run, x, (float)t, guide.text);
    size_t one = size(x), prompts = (size_t)guide.text.n;
    for (size_t i = 0; i < one && guide.guided && !w->machine.dry; i++) {
        float negative = noise.x[i];
        for (size_t p = 1; p < prompts; p++) noise.x[i] += (float)w->job->cfg * guide.weight[p - 1] * (noise.x[p * one + i] - negative);
    }
    noise.n = x.n;
    return noise;
}

static void check_finite(Work *w, Tensor x, int step)
{
    for (size_t i = 0; i < size(x); i++)
        if (!isfinite(x.x[i])) fail(w->mem, "the picture is not finite after step %d: a broken checkpoint or LoRA, or a LoRA strength far too high", step + 1);
}

static void denoise(Work *w, Tensor x, const Guide *guide)
{
    size_t before = mark(w->mem);
    Rng *rng = take(w->mem, 1, sizeof *rng);
    Tensor fresh = tensor(&w->run, x.n, x.h, x.w, x.c);
    rng_seed(rng, w->job->seed);
    draw_noise(w, rng, x);
    for (int i = 0; i < w->job->steps; i++) {
        size_t step = mark(w->mem);
        report(w, "step", i, w->job->steps);
        Tensor noise = predict(w, x, ddim_timestep(&w->schedule, i), guide[i]);
        if (w->job->eta > 0) draw_noise(w, rng, fresh);
        ddim_step(&w->schedule, i, x.x, noise.x, size(x), (float)w->job->eta, fresh.x);
        check_finite(w, x, i);
        release(w->mem, step);
    }
    release(w->mem, before);
}

/* round(255 clamp(x/2 + 1/2)), halves to even as torch and numpy round */
static unsigned char pixel(float x)
{
    float v = x / 2 + 0.5f;
    return (unsigned char)nearbyintf(255 * (v < 0 ? 0 : v > 1 ? 1 : v));
}

static void decode(Work *w, Tensor x, unsigned char *rgb)
{
    for (int f = 0; f < x.n; f++) {
        size_t before = mark(w->mem), frame = size(x) / (size_t)x.n;
        report(w, "frame", f, x.n);
        Tensor picture = vae_decode(&w->run, (Tensor){ 1, x.h, x.w, x.c, x.x + (size_t)f * frame });
        for (size_t i = 0; i < size(picture); i++) *rgb++ = pixel(picture.x[i]);
        release(w->mem, before);
    }
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
    const Job *j = w->job;
    size_t before = mark(w->mem);
    Problems problems = { 0, take(w->mem, PROBLEM_TEXT, 1) };
    double ops[3];
    problems.text[0] = 0;
    w->machine.dry = 1, w->run.problems = &problems;
    Tensor x = tensor(&w->run, j->frames, j->height / FACTOR, j->width / FACTOR, LATENT);
    const Guide *guide = text_encode(&w->run, w->text);
    ops[0] = w->machine.ops;
    if (!clip_layers(w->run.weights)) problem(&w->run, "the text encoder has no layers");
    predict(w, x, 1, guide[0]);
    ops[1] = w->machine.ops;
    vae_decode(&w->run, (Tensor){ 1, x.h, x.w, x.c, x.x });
    ops[2] = w->machine.ops;
    if (problems.count) fail(w->mem, "%s: %d tensors are missing or do not fit%s", files_used(w), problems.count, problems.text);
    w->machine.dry = 0;
    w->run.problems = NULL;
    release(w->mem, before);
    return ops[0] + (ops[1] - ops[0]) * j->steps + (ops[2] - ops[1]) * j->frames;
}

static const char *duration(Work *w, double seconds)
{
    if (seconds < 90) return format(w->mem, "%.0f s", seconds < 1 ? 1 : seconds);
    if (seconds < 5400) return format(w->mem, "%.0f min", seconds / 60);
    return format(w->mem, "%.1f h", seconds / 3600);
}

static void prepare(Work *w)
{
    const Job *j = w->job;
    check_job(w);
    load(w);
    w->text = text_read(w->mem, w->run.weights, &(Wording){ j->prompt, j->negative, j->merges, j->cfg, j->steps, j->clip_skip, j->frames });
    double ops = rehearse(w), mapped = (double)weights_bytes(w->run.weights) / 1e9;
    if (w->run.lora) lora_report(w->mem, w->run.lora, w->run.weights, w->watch ? w->watch->say : NULL, w->watch ? w->watch->to : NULL);
    say(w, "betas %s, DDIM, %d steps, CFG scale %g, clip skip %d, %dx%d, %s, seed %llu%s", w->motion ? "linear" : "scaled linear", j->steps, j->cfg, j->clip_skip,
        j->width, j->height, j->frames == 1 ? "a still" : format(w->mem, "%d frames at %g fps", j->frames, j->fps), (unsigned long long)j->seed, w->machine.bf16 ? ", bf16" : "");
    say(w, "plan: %.2f GB of memory (%.2f GB of it the mapped weights), about %s on %d thread%s", (double)peak(w->mem) / 1e9 + mapped, mapped,
        duration(w, ops / machine_speed(&w->machine)), w->machine.threads, w->machine.threads == 1 ? "" : "s");
}

static Work begin(Arena *a, Job *job, const Watch *watch)
{
    Work w = { .mem = a, .job = job, .watch = watch };
    w.machine = (Machine){ a, job->threads > 0 ? job->threads : machine_threads(), 0, 0, job->precision && !strcmp(job->precision, "bf16") };
    if (watch) w.run.probe = watch->probe, w.run.to = watch->to, w.run.stop = watch->stop;
    return w;
}

void generate_check(Arena *a, Job *job, const Watch *watch)
{
    size_t before = mark(a);
    Work w = begin(a, job, watch);
    prepare(&w);
    release(a, before);
}

Pictures generate(Arena *a, Job *job, const Watch *watch)
{
    size_t before = mark(a);
    Work w = begin(a, job, watch);
    prepare(&w);
    Pictures p = { job->frames, job->width, job->height, NULL };
    size_t bytes = (size_t)p.frames * (size_t)p.height * (size_t)p.width * 3;
    unsigned char *rgb = take(a, bytes, 1);
    Tensor x = tensor(&w.run, p.frames, p.height / FACTOR, p.width / FACTOR, LATENT);
    denoise(&w, x, text_encode(&w.run, w.text));
    decode(&w, x, rgb);
    report(&w, "done", p.frames, p.frames);
    release(a, before);                              /* files unmapped, all memory back; then the pictures move down */
    p.rgb = take(a, bytes, 1);
    memmove(p.rgb, rgb, bytes);
    return p;
}
