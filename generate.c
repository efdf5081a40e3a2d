/* generate.c - a job -> frames.
 *
 *     prompts -> tokens -> conditioning                   text.c, clip.c
 *     img2img: the init image -> latents                  image.c, vae.c
 *     seed -> noise -> latents, step by step              denoise.c; the second pass (hires fix) at a larger size,
 *                                                         over larger latents or pictures (enlarging.c)
 *     latents -> frames, one by one                       vae.c; the face by face_pass.c; larger ones by upscaler.c
 *
 * The same lines run twice.  In the dry run, layers only check their weights and count; then they compute.  So every
 * missing or misshapen tensor is found before work begins, and the plan of memory and time comes from the code that
 * will run.
 *
 * What the settings mean, the files, and how a job goes on after an interruption are in drawing/ (see work.h). */
#include "generate.h"

#include "adapter_report.h"
#include "chars.h"
#include "clip.h"
#include "enlarging.h"
#include "face_pass.h"
#include "latent_resize.h"
#include "preview.h"
#include "system.h"
#include "vae.h"
#include "work.h"

#include <string.h>

enum { PROBLEM_TEXT = 4096 };

/* ---- stages -------------------------------------------------------------------------------------- */

/* Ends a stage that used the weights with these prefixes: drops their mapped pages from memory.  A dry run instead
 * records how much memory the stage needed, if that is the most so far.  prefix: ends with NULL */
static void end_stage(Work *w, const char *const *prefix)
{
    if (!w->machine.dry) {
        files_trim(w->mem);
        return;
    }
    size_t mapped = 0;
    for (; *prefix; prefix++) mapped += weights_bytes(w->run.weights, *prefix);
    if (arena_peak(w->mem) + mapped > w->planned) {
        w->planned = arena_peak(w->mem) + mapped;
        w->mapped = mapped;
    }
    arena_peak_reset(w->mem);
}

static const char *const encoder[] = { "vae.encoder.", "vae.quant_conv.", NULL };
static const char *const words[] = { "te.", NULL };
static const char *const enlarger[] = { "vae.", "enlarging.", NULL };
static const char *const denoiser[] = { "unet.", "motion.", NULL };
static const char *const decoder[] = { "vae.decoder.", "vae.post_quant_conv.", "upscaler.", NULL };

/* ---- latents ------------------------------------------------------------------------------------ */

/* VAE encode of one picture: [height,width,3] -> the moments of its latents: [1,h,w,8] */
static Tensor encode_frame(Work *w, const unsigned char *rgb)
{
    size_t before = mark(w->mem);
    Tensor x = picture_of_bytes(&w->run, rgb, w->init.width, w->init.height);
    return compact(&w->run, before, vae_encode(&w->run, x));
}

/* The init image, or each frame of the init clip -> [1,h,w,8], or [frames,h,w,8]; with a last picture [2,h,w,8].  A dry
 * run encodes one frame, which stands for all. */
static Tensor encode(Work *w)
{
    size_t pixels = (size_t)w->init.height * (size_t)w->init.width * 3;
    double ops_before = w->machine.ops;
    if (w->init_frames == 1) return encode_frame(w, w->init.rgb);
    Tensor moments = tensor(&w->run, w->init_frames, w->init.height / FACTOR, w->init.width / FACTOR, 2 * LATENT);
    size_t frame = size(moments) / (size_t)moments.n;
    for (int f = 0; f < moments.n; f++) {
        size_t before = mark(w->mem);
        Tensor one = encode_frame(w, w->init.rgb + (size_t)f * pixels);
        if (!w->machine.dry) memcpy(moments.x + (size_t)f * frame, one.x, frame * sizeof *one.x);
        release(w->mem, before);
        if (!w->machine.dry) continue;
        w->machine.ops += (w->machine.ops - ops_before) * (moments.n - 1);
        break;
    }
    return moments;
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

/* Denoises x. */
static void denoise_pass(Work *w, ClipStage stage, Tensor x, const Conditioning *conditioning)
{
    size_t before = mark(w->mem);
    const Denoising *d = stage == FIRST_PASS ? &w->denoising : &w->hires;
    Pass p = { .w = w, .d = d, .at = denoising_begin(&w->run, x), .conditioning = conditioning };
    if (!job_goes_on(w, stage, p.at)) {
        w->at = (ClipPosition){ .stage = stage, .latents = x, .memory = p.at->memory };
        w->at.buffers = sampler_buffers(d->sampling.method);
        w->denoised = p.at;
        job_run_stage(w, run_pass, &p);
        w->denoised = NULL;
    }
    release(w->mem, before);
}

static void enlarge(Work *w, Tensor to, Tensor from)
{
    end_stage(w, denoiser);
    if (w->has_vae) enlarge_pictures(w, to, from);
    end_stage(w, enlarger);
}

/* Returns x, enlarged as latents or as pictures, and then denoised by the second pass, which begins by adding noise. */
static Tensor second_pass(Work *w, Tensor x, const Conditioning *conditioning)
{
    const Job *j = w->job;
    Tensor y = tensor(&w->run, x.n, job_hires_side(j, j->height) / FACTOR, job_hires_side(j, j->width) / FACTOR, x.c);
    if (w->enlarging.method != NOT_UPSCALED) enlarge(w, y, x);
    else if (!w->machine.dry) latent_resize(y, x, job_upscales_to_nearest(j));
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
    job_keep_if_due(w);
    if (w->callbacks && w->callbacks->preview) preview(w, x0);
}

static void listen(Work *w, Denoising *d)
{
    d->on_x0 = after_call;
    d->on_x0_to = w;
}

/* ---- frames ------------------------------------------------------------------------------------- */

/* The latents that are decoded, and where the pixels go: [frames,height,width,3] of this size, by this upscaling. */
typedef struct { Work *w; Tensor x; unsigned char *rgb; PixelSize size; const Upscaling *upscaling; } Decoding;

static void decode_frame(const Decoding *d, int f)
{
    Work *w = d->w;
    size_t before = mark(w->mem);
    size_t frame = size(d->x) / (size_t)d->x.n;
    Tensor latents = { .n = 1, .h = d->x.h, .w = d->x.w, .c = d->x.c, .x = d->x.x + (size_t)f * frame };
    Tensor picture = vae_decode(&w->run, latents);
    const unsigned char *init = w->init.rgb;
    if (w->init_frames > 1 && w->mask.white) init += (size_t)f * (size_t)w->init.height * (size_t)w->init.width * 3;
    if (w->mask.white && !w->machine.dry) mask_composite(w->soft_mask, init, picture.x);
    unsigned char *rgb = d->rgb + (size_t)f * (size_t)d->size.height * (size_t)d->size.width * 3;
    upscale_picture(&w->run, d->upscaling, picture, rgb, d->size.width, d->size.height);
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
        job_keep_if_due(w);
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
        if (clip_state_worth(w->state)) job_keep(w);
        return;
    }
    w->at.done = from->done;
    memcpy(d->x.x, from->latents.x, size(d->x) * sizeof *d->x.x);
    if (from->done) memcpy(d->rgb, from->rgb, (size_t)from->done * (size_t)from->height * (size_t)from->width * 3);
}

/* VAE decode: latents -> pictures, a frame at a time.  A dry run decodes one frame, which stands for all. */
static void decode(Work *w, Tensor x, unsigned char *rgb, const Upscaling *upscaling)
{
    Decoding d = { .w = w, .x = x, .rgb = rgb, .size = job_decoded_size(w), .upscaling = upscaling };
    double ops_before = w->machine.ops;
    if (w->machine.dry) {
        decode_frame(&d, 0);
        w->machine.ops += (w->machine.ops - ops_before) * (x.n - 1);
        return;
    }
    begin_decoding(w, &d);
    if (w->callbacks && w->callbacks->latents) w->callbacks->latents(w->callbacks->to, x);
    if (w->state && w->state->on_latents) w->state->on_latents(w->state->on_latents_to, x);
    job_run_stage(w, decode_rest, &d);
}

/* Pictures that are bytes already, and where the larger ones go. */
typedef struct { Work *w; const unsigned char *from; unsigned char *rgb; } ToUpscale;

static void upscale_frame(const ToUpscale *e, int f)
{
    Work *w = e->w;
    size_t before = mark(w->mem);
    PixelSize from = job_decoded_size(w);
    int width = job_result_side(w, w->job->width);
    int height = job_result_side(w, w->job->height);
    const unsigned char *rgb = e->from + (size_t)f * (size_t)from.height * (size_t)from.width * 3;
    Tensor x = picture_of_bytes(&w->run, rgb, from.width, from.height);
    unsigned char *to = e->rgb + (size_t)f * (size_t)height * (size_t)width * 3;
    upscale_picture(&w->run, &w->upscaling, x, to, width, height);
    release(w->mem, before);
}

static void upscale_frames(void *upscaling)
{
    const ToUpscale *e = upscaling;
    Work *w = e->w;
    double ops_before = w->machine.ops;
    for (int f = 0; f < w->job->frames; f++) {
        int is_told = !w->machine.dry && w->upscaling.method != NOT_UPSCALED;
        if (is_told) callbacks_progress(w->callbacks, "upscaling", f, w->job->frames);
        upscale_frame(e, f);
        if (!w->machine.dry) continue;
        w->machine.ops += (w->machine.ops - ops_before) * (w->job->frames - 1);
        break;
    }
}

/* The face is drawn anew before the upscaler, which makes it larger with the rest.  What was decoded stays as it is, as
 * an interrupted job goes on from that. */
static void decode_with_face(Work *w, Tensor x, unsigned char *rgb)
{
    static const Upscaling none = { .method = NOT_UPSCALED, .factor = 1 };
    size_t before = mark(w->mem);
    PixelSize s = job_decoded_size(w);
    size_t bytes = (size_t)x.n * (size_t)s.height * (size_t)s.width * 3;
    unsigned char *decoded = allocate(w->mem, bytes, 1);
    unsigned char *faces = allocate(w->mem, bytes, 1);
    ToUpscale e = { .w = w, .from = faces, .rgb = rgb };
    decode(w, x, decoded, &none);
    if (!w->machine.dry) memcpy(faces, decoded, bytes);
    face_pass(w, x, faces, s.width, s.height);
    job_run_stage(w, upscale_frames, &e);
    release(w->mem, before);
}

/* -> [frames,height,width,3].  A dry run only checks and counts. */
static unsigned char *draw(Work *w)
{
    const Job *j = w->job;
    size_t pixels = (size_t)job_result_side(w, j->height) * (size_t)job_result_side(w, j->width);
    unsigned char *rgb = allocate(w->mem, (size_t)j->frames * pixels * 3, 1);
    Tensor x = tensor(&w->run, j->frames, j->height / FACTOR, j->width / FACTOR, LATENT);
    if (w->has_init && w->has_vae) w->denoising.moments = encode(w);
    end_stage(w, encoder);
    const Conditioning *conditioning = text_encode(&w->run, w->text);
    end_stage(w, words);
    job_check_conditioning(w, conditioning);
    w->ops_before[FIRST_PASS] = w->machine.ops;
    if (w->maps) attention_maps_begin(w->maps, &w->run, &w->denoising, w->text, j->frames);
    denoise_pass(w, FIRST_PASS, x, conditioning);
    if (w->maps) attention_maps_stop(w->maps, &w->denoising);
    w->ops_before[SECOND_PASS] = w->machine.ops;
    if (w->has_hires) x = second_pass(w, x, conditioning + denoise_calls(&w->denoising));
    end_stage(w, denoiser);
    w->ops_before[FRAMES] = w->machine.ops;
    if (w->has_vae && w->has_face) decode_with_face(w, x, rgb);
    else if (w->has_vae) decode(w, x, rgb, &w->upscaling);
    w->ops_before[FRAMES + 1] = w->machine.ops;
    end_stage(w, decoder);
    return rgb;
}

/* ---- a job -------------------------------------------------------------------------------------- */

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
        fail(w->mem, "%s: %d tensors are missing or do not fit%s", job_files_used(w), problems.count, problems.text);
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

/* Whatever can be checked is; a plan is there only when nothing was wrong.  Files that were not found count as wrong,
 * whether the caller has told them or not. */
static void prepare(Work *w)
{
    Job *j = w->job;
    if (!job_check(w)) return;
    job_load(w);
    job_load_text(w);
    face_pass_choose(w);
    listen(w, &w->denoising);
    listen(w, &w->hires);
    if (w->has_model && w->text) job_try(w, dry_run);
    if (w->is_run_dry && w->run.lora) job_try(w, report_loras);
    w->job = j;
    if (w->faults->count) return;
    if (is_unfound(j->model) || is_unfound(j->vae) || is_unfound(j->motion) || is_unfound(j->init) ||
        is_unfound(j->last))
        job_fault(w, "a path in the job is empty, expected that of a file");
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
    if (callbacks && callbacks->attention) w.maps = allocate(a, 1, sizeof *w.maps);
    if (w.maps) *w.maps = (AttentionMaps){ .frames = 0 };
    return w;
}

Plan generate_faults(Arena *a, Job *job, const Callbacks *callbacks, Faults *faults)
{
    size_t before = mark(a);
    Plan plan = { 0 };
    Work w = begin(a, job, callbacks, faults);
    prepare(&w);
    if (!faults->count) plan = job_plan(&w);
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
    Plan plan = job_plan(&w);
    plan_say(a, &plan, callbacks);
    Pictures p = { .frames = plan.frames, .width = plan.width, .height = plan.height };
    size_t bytes = (size_t)p.frames * (size_t)p.height * (size_t)p.width * 3;
    if (w.state) clip_state_begin(w.state);
    unsigned char *rgb = draw(&w);
    callbacks_progress(w.callbacks, "done", p.frames, p.frames);
    p.rgb = rgb;
    if (w.maps) attention_grant(a, w.maps, p, callbacks->attention, callbacks);
    release(a, before);                      /* unmaps the files and gives all memory back; the pictures move down */
    p.rgb = allocate(a, bytes, 1);
    memmove(p.rgb, rgb, bytes);
    return p;
}
