/* denoise.c - the denoising loop.
 *
 *     x_T = noise, from the seed; or noise added to the latents of a picture            random.c
 *     for each call of the sampler, t going down from 999 towards 0:
 *         predict eps(x_t, t, text) for every prompt, one context window at a time      unet.c, context_windows.c
 *         classifier-free guidance combines them into one prediction                    here
 *         one step of the sampler, x_t to x_(t-1)                                       ddim.c, sampler.c
 *
 * A clip that the motion module can take at once is one window.  Where windows overlap, their predictions are averaged
 * before guidance.  So guidance and the sampler see whole clips and know nothing of windows.  The memory is that of one
 * window and a few latents.  All prompts see the same frames.  If a clip were split between prompts, the GIF would show
 * two different scenes one after the other. */
#include "denoise.h"

#include "finite.h"
#include "lora.h"
#include "unet.h"
#include "vae.h"

#include <math.h>
#include <string.h>

/* ---- noise ------------------------------------------------------------------------------------- */

/* x[f,i,c] = from[f*frame_step + c*channel_step + i]:  torch's channels first to channels last, [frames,h,w,4] */
static void to_channels_last(Tensor x, const float *from, size_t frame_step, size_t channel_step)
{
    size_t plane = (size_t)x.h * (size_t)x.w;
    for (size_t f = 0; f < (size_t)x.n; f++)
        for (size_t c = 0; c < LATENT; c++)
            for (size_t i = 0; i < plane; i++)
                x.x[(f * plane + i) * LATENT + c] = from[f * frame_step + c * channel_step + i];
}

/* Normal noise.  torch draws a clip as [4, frames, h, w]; the web UI draws each frame as [4, h, w], from its own
 * seed. */
static void draw_noise(Run *r, const Denoising *d, DenoisingState *at, Tensor x)
{
    size_t before = mark(r->machine->mem);
    size_t plane = (size_t)x.h * (size_t)x.w;
    size_t frames = (size_t)x.n;
    float *drawn = allocate(r->machine->mem, size(x), sizeof *drawn);
    if (d->nv_noise) {
        for (size_t f = 0; f < frames; f++)
            philox_normal(d->seed + f, at->draws, drawn + f * LATENT * plane, LATENT * plane);
        to_channels_last(x, drawn, LATENT * plane, plane);
    }
    else {
        rng_normal(&at->rng, drawn, size(x));
        to_channels_last(x, drawn, plane, frames * plane);
    }
    at->draws++;
    release(r->machine->mem, before);
}

/* ---- context windows --------------------------------------------------------------------------- */

/* Picks the frames of one window, in each of the b clips of t: [b*frames, ...] -> [b*length, ...] */
static Tensor gather_frames(Run *r, Tensor t, int frames, const int *frame, int length)
{
    Tensor y = tensor(r, t.n / frames * length, t.h, t.w, t.c);
    size_t each = size(t) / (size_t)t.n;
    for (int i = 0; i < y.n && !r->machine->dry; i++) {
        int from = i / length * frames + frame[i % length];
        memcpy(y.x + (size_t)i * each, t.x + (size_t)from * each, each * sizeof *y.x);
    }
    return y;
}

/* [prompts, 1, tokens, width] -> [prompts, length, tokens, width] */
static Tensor repeat_for_frames(Run *r, Tensor text, int length)
{
    Tensor y = tensor(r, text.n, length, text.w, text.c);
    size_t each = size(text) / (size_t)text.n;
    for (int i = 0; i < y.n * length && !r->machine->dry; i++)
        memcpy(y.x + (size_t)i * each, text.x + (size_t)(i / length) * each, each * sizeof *y.x);
    return y;
}

/* text: [prompts, 1 or frames, tokens, width] -> [prompts, 1 or length, tokens, width] */
static Tensor gather_text(Run *r, Tensor text, const int *frame, int length)
{
    if (text.h == 1 && lora_changes_with_frames(r->lora)) return repeat_for_frames(r, text, length);
    if (text.h == 1) return text;
    Tensor rows_of_text = { .n = text.n * text.h, .h = text.w, .w = 1, .c = text.c, .x = text.x };
    Tensor y = gather_frames(r, rows_of_text, text.h, frame, length);
    return (Tensor){ .n = text.n, .h = length, .w = text.w, .c = text.c, .x = y.x };
}

/* sum += weight * window, at the frames of the window.  sum: [prompts*frames, ...]    window: [prompts*length, ...] */
static void scatter_frames(Tensor sum, int frames, Tensor window, const int *frame, int length, const float *weight)
{
    size_t each = size(sum) / (size_t)sum.n;
    for (int i = 0; i < window.n; i++) {
        int target = i / length * frames + frame[i % length];
        const float *from = window.x + (size_t)i * each;
        float *to = sum.x + (size_t)target * each;
        for (size_t k = 0; k < each; k++) to[k] += weight[i % length] * from[k];
    }
}

/* Sums the weights that each frame has in all windows.  Divided by this sum, its weights add up to one. */
static void total_weights(const ContextOptions *w, const ContextWindow *window, int count, int *frame, float *total)
{
    memset(total, 0, (size_t)w->frames * sizeof *total);
    for (int k = 0; k < count; k++) {
        context_window_frames(w, window[k], frame);
        for (int i = 0; i < w->length; i++) total[frame[i]] += (float)context_window_weight(w, i);
    }
}

/* Counts the passes of the UNet for the progress callback. */
typedef struct { Progress *callback; void *to; int done, of; const char *stage; } ProgressCount;

static void report_progress(ProgressCount *p)
{
    if (p->callback) p->callback(p->to, p->stage, p->done, p->of);
    p->done++;
}

/* Where the run is at this call of the sampler; some samplers call twice in a step. */
static LoraMoment moment(const Denoising *d, int call, const int *frame)
{
    int steps = d->sampling.steps - d->first_step;
    return (LoraMoment){
        .step = (int)((int64_t)call * steps / denoise_calls(d)),
        .steps = steps,
        .is_second_pass = d->is_second_pass,
        .frame = frame,
    };
}

/* The motion strength of the frames in one window: [length], or NULL where it is 1. */
static const float *gather_strengths(Run *r, const Denoising *d, const int *frame)
{
    if (!d->motion_strength) return NULL;
    float *strength = allocate(r->machine->mem, (size_t)d->windows.length, sizeof *strength);
    for (int i = 0; i < d->windows.length; i++) strength[i] = d->motion_strength[frame[i]];
    return strength;
}

/* The model's prediction for every prompt and frame, averaged over the context windows: [prompts*frames,h,w,4].
 * A dry run computes one window, which stands for all. */
static Tensor predict(Run *r, const Denoising *d, Tensor x, double t, Tensor text, int call, ProgressCount *progress)
{
    Arena *a = r->machine->mem;
    int dry = r->machine->dry;
    const ContextOptions *w = &d->windows;
    int count = context_windows(w, call, NULL);
    int computed = dry ? 1 : count;
    int *frame = allocate(a, (size_t)w->length, sizeof *frame);
    ContextWindow *window = allocate(a, (size_t)count, sizeof *window);
    float *total = allocate(a, (size_t)w->frames, sizeof *total);
    float *weight = allocate(a, (size_t)w->length, sizeof *weight);
    Tensor sum = tensor(r, text.n * x.n, x.h, x.w, x.c);
    context_windows(w, call, window);
    total_weights(w, window, count, frame, total);
    if (!dry) memset(sum.x, 0, size(sum) * sizeof *sum.x);
    for (int k = 0; k < computed; k++) {
        size_t before = mark(a);
        report_progress(progress);
        context_window_frames(w, window[k], frame);
        lora_at(r->lora, moment(d, call, frame));
        r->motion_strength = gather_strengths(r, d, frame);
        for (int i = 0; i < w->length; i++) weight[i] = (float)context_window_weight(w, i) / total[frame[i]];
        WindowCall seen = { .call = call, .length = w->length, .frame = frame, .weight = weight };
        if (d->on_window) d->on_window(d->on_window_to, &seen);
        Tensor x_window = gather_frames(r, x, x.n, frame, w->length);
        Tensor text_window = gather_text(r, text, frame, w->length);
        Tensor eps = unet(r, x_window, (float)t, text_window);
        if (!dry) scatter_frames(sum, x.n, eps, frame, w->length, weight);
        r->motion_strength = NULL;
        release(a, before);
    }
    return sum;
}

/* ---- classifier-free guidance ------------------------------------------------------------------ */

/* Classifier-free guidance (Ho and Salimans, 2022, whose w is cfg - 1).  For several prompts joined by AND: composable
 * diffusion (Liu et al., 2022).
 *     eps = eps_uncond + cfg * sum over p of weight[p] (eps_cond[p] - eps_uncond)
 * diffusers:  noise_pred = noise_pred_uncond + guidance_scale * (noise_pred_text - noise_pred_uncond)
 * eps: [prompts, n].  The first is the unconditional prediction, which is that of the negative prompt; it receives the
 * result.  unscaled: receives the result for cfg = 1, which is what the prompts predict without guidance. */
static void classifier_free_guidance(float *eps, float *unscaled, const Conditioning *g, double cfg, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float uncond = eps[i];
        unscaled[i] = uncond;
        for (size_t p = 1; p < (size_t)g->text.n; p++) {
            float direction = g->weight[p - 1] * (eps[p * n + i] - uncond);
            unscaled[i] += direction;
            eps[i] += (float)cfg * direction;
        }
    }
}

/* sqrt(mean((x - mean(x))^2)), over the whole clip */
static double standard_deviation(const float *x, size_t n)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    for (size_t i = 0; i < n; i++) {
        double difference = (double)x[i] - sum / (double)n;
        squares += difference * difference;
    }
    return sqrt(squares / (double)n);
}

/* CFG rescale (Lin et al., 2024, eq. 15-16).  diffusers: guidance_rescale, in rescale_noise_cfg().
 * Guidance increases the standard deviation of the prediction, which shows as overexposed pictures.  phi = 1 restores
 * that of the unscaled prediction:     eps *= phi std(unscaled) / std(eps) + 1 - phi */
static void rescale_guidance(float *eps, const float *unscaled, double phi, size_t n)
{
    if (!(phi > 0)) return;
    double spread = standard_deviation(eps, n);
    if (!(spread > 0)) return;
    double factor = phi * standard_deviation(unscaled, n) / spread + 1 - phi;
    for (size_t i = 0; i < n; i++) eps[i] *= (float)factor;
}

/* ---- the first x: x_T, or x_t of img2img ------------------------------------------------------- */

/* Noise for the frames of a clip, each a picture of its own: torch draws [frames, 4, h, w].  x: its next frames */
static void draw_frames_noise(Run *r, DenoisingState *at, Tensor x)
{
    size_t before = mark(r->machine->mem);
    size_t plane = (size_t)x.h * (size_t)x.w;
    float *drawn = allocate(r->machine->mem, size(x), sizeof *drawn);
    rng_normal(&at->rng, drawn, size(x));
    to_channels_last(x, drawn, LATENT * plane, plane);
    at->draws++;
    release(r->machine->mem, before);
}

/* Some frames of x, which share its memory. */
static Tensor some_frames(Tensor x, int from, int count)
{
    size_t frame = size(x) / (size_t)x.n;
    return (Tensor){ .n = count, .h = x.h, .w = x.w, .c = x.c, .x = x.x + (size_t)from * frame };
}

/* One sample from the normal distribution that the VAE gives for each picture:
 *     z = 0.18215 (mean + exp(logvar / 2) noise)        diffusers: DiagonalGaussianDistribution.sample
 * z: the noise, which becomes the sample, [n,h,w,4]; moments: [n,h,w,8] */
static void sample(Tensor z, const float *moments)
{
    for (size_t i = 0; i < size(z); i++) {
        const float *m = moments + i / LATENT * 2 * LATENT + i % LATENT;
        float logvar = fminf(fmaxf(m[LATENT], -30), 20);
        z.x[i] = LATENT_SCALE * (m[0] + expf(logvar / 2) * z.x[i]);
    }
}

/* The latents of a picture, the same for every frame; or those of a clip, 16 frames at a time as diffusers encodes them
 * (AnimateDiffVideoToVideoPipeline.encode_video).
 * The web UI's own sample does not follow from the seed and cannot be repeated.  With the web UI's noise (nv) the mean
 * is used instead; it is very close to any sample. */
static void draw_latents(Run *r, const Denoising *d, DenoisingState *at)
{
    enum { AT_ONCE = 16 };
    Tensor x = at->x;
    size_t frame = size(x) / (size_t)x.n;
    int pictures = d->moments.n;
    for (int f = 0; f < pictures; f += AT_ONCE) {
        int count = pictures - f < AT_ONCE ? pictures - f : AT_ONCE;
        Tensor z = some_frames(x, f, count);
        if (d->nv_noise) memset(z.x, 0, size(z) * sizeof *z.x);
        else draw_frames_noise(r, at, z);
        sample(z, some_frames(d->moments, f, count).x);
    }
    for (size_t f = (size_t)pictures; f < (size_t)x.n; f++) memcpy(x.x + f * frame, x.x, frame * sizeof *x.x);
}

/* First and last picture: their latents are the first two frames of x, which becomes
 *     a_i first + b_i last + (1 - a_i - b_i) z          sd-webui-animatediff: AnimateDiffI2VLatent.randomize
 * z: room for noise that is drawn before that of img2img */
static void blend_first_and_last(Run *r, const Denoising *d, DenoisingState *at, Tensor z)
{
    size_t before = mark(r->machine->mem);
    Tensor x = at->x;
    size_t frame = size(x) / (size_t)x.n;
    float *picture = allocate(r->machine->mem, 2 * frame, sizeof *picture);
    memcpy(picture, x.x, 2 * frame * sizeof *picture);
    draw_noise(r, d, at, z);
    for (size_t i = 0; i < size(x); i++) {
        float a = d->first_weight[i / frame];
        float b = d->last_weight[i / frame];
        x.x[i] = a * picture[i % frame] + b * picture[frame + i % frame] + (1 - a - b) * z.x[i];
    }
    release(r->machine->mem, before);
}

/* Masked content:  x0 = mask content + (1 - mask) x0.  The web UI takes the noise that begins the run, too. */
static void set_masked_content(const Denoising *d, Tensor x0, Tensor eps)
{
    size_t plane = (size_t)x0.h * (size_t)x0.w;
    for (size_t i = 0; i < size(x0) && d->masked_content != ORIGINAL_CONTENT; i++) {
        if (!(d->mask[i / LATENT % plane] > 0)) continue;
        x0.x[i] = d->masked_content == LATENT_NOISE ? eps.x[i] : 0;
    }
}

/* img2img:    x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps, at the level of the first step that is run
 * otherwise, and where all steps of inpainting are run:  x_T = init_noise_sigma eps
 * eps: room for the noise that is drawn */
static void start(Run *r, const Denoising *d, const Sampler *s, DenoisingState *at, Tensor eps)
{
    Tensor x = at->x;
    rng_seed(&at->rng, d->seed);
    if (d->moments.x) draw_latents(r, d, at);
    int is_blended = d->moments.x && d->first_weight;
    if (is_blended) blend_first_and_last(r, d, at, eps);
    int is_clip = d->moments.n > 1 && !is_blended;
    if (is_clip && !d->nv_noise) draw_frames_noise(r, at, eps);      /* as diffusers' video to video does */
    else draw_noise(r, d, at, eps);
    if (d->mask) set_masked_content(d, x, eps);
    if (d->img2img && !(d->mask && !d->first_step)) {
        ddim_add_noise(x.x, eps.x, size(x), s->level[d->first_step]);
        return;
    }
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)sampler_init_noise_sigma(s) * eps.x[i];
}

/* ---- inpainting -------------------------------------------------------------------------------- */

/* The latents of the init image, and the noise that the run begins with.  They follow from the seed, so a run that goes
 * on draws them once more. */
typedef struct { Tensor x0, eps; } Kept;

static Kept draw_kept(Run *r, const Denoising *d, Tensor x)
{
    if (!d->mask) return (Kept){ { 0 } };
    Kept k = { tensor(r, x.n, x.h, x.w, x.c), tensor(r, x.n, x.h, x.w, x.c) };
    if (r->machine->dry) return k;
    DenoisingState from_seed = { .x = k.x0 };
    rng_seed(&from_seed.rng, d->seed);
    draw_latents(r, d, &from_seed);
    draw_noise(r, d, &from_seed, k.eps);
    return k;
}

/* Inpainting: what is kept becomes that of the init image again, with the noise of this level.
 * diffusers:  init_latents_proper = scheduler.add_noise(image_latents, noise, timesteps[i + 1])
 *             latents = (1 - init_mask) * init_latents_proper + init_mask * latents */
static void keep_outside(const Denoising *d, Tensor x, Kept k, NoiseLevel level)
{
    size_t plane = (size_t)x.h * (size_t)x.w;
    float signal = (float)level.sqrt_alpha_bar;
    float noise = (float)level.sqrt_one_minus_alpha_bar;
    for (size_t i = 0; i < size(x) && d->mask; i++)
        if (!(d->mask[i / LATENT % plane] > 0)) x.x[i] = signal * k.x0.x[i] + noise * k.eps.x[i];
}

/* Where the next call looks at x; behind the last one there is no noise. */
static NoiseLevel level_of_next(const Sampler *s, int call, int calls)
{
    return call + 1 < calls ? sampler_level(s, call + 1) : (NoiseLevel){ .sqrt_alpha_bar = 1 };
}

/* ---- the loop ---------------------------------------------------------------------------------- */

int denoise_calls(const Denoising *d)
{
    return sampler_calls(d->sampling.method, d->sampling.steps - d->first_step);
}

int denoise_passes(const Denoising *d)
{
    int passes = 0;
    for (int i = 0; i < denoise_calls(d); i++) passes += context_windows(&d->windows, i, NULL);
    return passes;
}

static void check_step(Run *r, Tensor x, int step)
{
    const char *what = format(r->machine->mem, "the picture is not finite after step %d", step + 1);
    check_finite(r, x, (FiniteCheck){ .what = what, .part = "unet.", .other = "motion." });
}

static int same_shape(Tensor a, Tensor b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* Counts the operations of all calls.  One pass is counted for each new shape of text, and multiplied by the number of
 * context windows. */
static void dry_run(Run *r, const Denoising *d, Tensor x, const Conditioning *conditioning)
{
    double operations = 0;
    for (int i = 0; i < denoise_calls(d); i++) {
        if (r->problems && r->problems->count) return;
        size_t before = mark(r->machine->mem);
        double ops_before = r->machine->ops;
        if (!i || !same_shape(conditioning[i].text, conditioning[i - 1].text)) {
            ProgressCount no_progress = { 0 };
            predict(r, d, x, 1, conditioning[i].text, i, &no_progress);
            operations = r->machine->ops - ops_before;
        }
        r->machine->ops = ops_before + operations * context_windows(&d->windows, i, NULL);
        release(r->machine->mem, before);
    }
}

static Sampler *new_sampler(Run *r, const Denoising *d, const DenoisingState *at)
{
    SamplerSetup setup = d->sampling;
    Sampler *s = allocate(r->machine->mem, 1, sizeof *s);
    setup.memory = at->memory;
    setup.n = size(at->x);
    sampler_init(s, &setup);
    s->calls_done = (int)at->calls;
    return s;
}

/* The passes of calls that are done already are counted, too. */
static ProgressCount count_progress(const Denoising *d, const DenoisingState *at, Progress *callback, void *to)
{
    ProgressCount p = { .callback = callback, .to = to, .of = denoise_passes(d), .stage = d->stage };
    int steps = d->sampling.steps - d->first_step;
    if (!p.stage) p.stage = p.of > steps ? "pass" : "step";
    for (int i = 0; i < (int)at->calls; i++) p.done += context_windows(&d->windows, i, NULL);
    return p;
}

DenoisingState *denoising_begin(Run *r, Tensor x)
{
    DenoisingState *at = allocate(r->machine->mem, 1, sizeof *at);
    *at = (DenoisingState){ .x = x };
    at->memory = allocate(r->machine->mem, SAMPLER_BUFFERS * size(x), sizeof *at->memory);
    if (!r->machine->dry) memset(at->memory, 0, SAMPLER_BUFFERS * size(x) * sizeof *at->memory);
    return at;
}

/* Nothing but predict() can be interrupted, and it leaves the state as it was: so a state is always that between two
 * calls. */
void denoise(Run *r, const Denoising *d, DenoisingState *at, const Conditioning *conditioning, Progress *progress,
             void *to)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    Tensor x = at->x;
    size_t n = size(x);
    int calls = denoise_calls(d);
    int first_call = sampler_calls(d->sampling.method, d->sampling.steps) - calls;
    Sampler *s = new_sampler(r, d, at);
    float *unscaled = allocate(a, n, sizeof *unscaled);
    Tensor drawn = tensor(r, x.n, x.h, x.w, x.c);
    Kept kept = draw_kept(r, d, x);
    ProgressCount count = count_progress(d, at, progress, to);
    if (r->machine->dry) {
        dry_run(r, d, x, conditioning);
        release(a, before);
        return;
    }
    if (!at->calls) start(r, d, s, at, drawn);
    while (at->calls < (uint32_t)calls) {
        size_t before_call = mark(a);
        int i = (int)at->calls;
        int call = first_call + i;
        Tensor eps = predict(r, d, x, sampler_timestep(s, call), conditioning[i].text, i, &count);
        if (conditioning[i].has_negative) {
            classifier_free_guidance(eps.x, unscaled, &conditioning[i], d->cfg, n);
            rescale_guidance(eps.x, unscaled, d->cfg_rescale, n);
        }
        int needs_noise = sampler_needs_noise(s, call);
        if (needs_noise) draw_noise(r, d, at, drawn);
        sampler_step(s, call, x.x, eps.x, needs_noise ? drawn.x : NULL, n);      /* eps becomes the predicted x0 */
        keep_outside(d, x, kept, level_of_next(s, call, first_call + calls));
        at->calls++;
        check_step(r, x, i * (d->sampling.steps - d->first_step) / calls);
        Tensor x0 = { .n = x.n, .h = x.h, .w = x.w, .c = x.c, .x = eps.x };
        if (d->on_x0) d->on_x0(d->on_x0_to, x0);
        release(a, before_call);
    }
    release(a, before);
}
