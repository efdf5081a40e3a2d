/* denoise.c - noise to latents.
 *
 *     seed -> noise, perhaps over a picture, and for each call of the sampler's:    tensor.c
 *         noise predicted for every prompt, a window of frames at a time        unet.c, motion.c, windows.c
 *         apart by the guidance                                                 here
 *         and one step back                                                     sampler.c
 *
 * A clip that the motion module holds is one window.  Where windows overlap, predictions are averaged, and only then go apart,
 * so guidance and sampler see whole clips and know nothing of windows.  Memory is one window's, and some latents. */
#include "denoise.h"

#include "random.h"
#include "unet.h"
#include "vae.h"

#include <math.h>
#include <string.h>

/* ---- noise ------------------------------------------------------------------------------------ */

typedef struct { Rng torch; uint64_t seed; uint32_t drawn; int nv; } Noise;

/* from[f*frame_step + c*channel_step + i] to [frames,h,w,4] */
static void to_channels_last(Tensor x, const float *from, size_t frame_step, size_t channel_step)
{
    size_t plane = (size_t)x.h * (size_t)x.w;
    for (size_t f = 0; f < (size_t)x.n; f++)
        for (size_t c = 0; c < LATENT; c++)
            for (size_t i = 0; i < plane; i++) x.x[(f * plane + i) * LATENT + c] = from[f * frame_step + c * channel_step + i];
}

/* torch draws a clip as [4, frames, h, w]; the web UI draws each picture as [4, h, w], by a generator of its own */
static void draw(Run *r, Noise *noise, Tensor x)
{
    size_t before = mark(r->machine->mem), plane = (size_t)x.h * (size_t)x.w, frames = (size_t)x.n, frame = LATENT * plane;
    float *drawn = take(r->machine->mem, size(x), sizeof *drawn);
    for (size_t f = 0; f < frames && noise->nv; f++) philox_normal(noise->seed + f, noise->drawn, drawn + f * frame, frame);
    if (!noise->nv) rng_normal(&noise->torch, drawn, size(x));
    noise->drawn++;
    if (noise->nv) to_channels_last(x, drawn, frame, plane);
    else           to_channels_last(x, drawn, plane, frames * plane);
    release(r->machine->mem, before);
}

/* ---- windows ---------------------------------------------------------------------------------- */

/* frames of each of t's rows of pictures, [rows, of, ...] -> [rows, length, ...] */
static Tensor gather(Run *r, Tensor t, int of, const int *frame, int length)
{
    Tensor y = tensor(r, t.n / of * length, t.h, t.w, t.c);
    size_t each = size(t) / (size_t)t.n;
    for (int i = 0; i < y.n && !r->machine->dry; i++) memcpy(y.x + (size_t)i * each, t.x + (size_t)(i / length * of + frame[i % length]) * each, each * sizeof *y.x);
    return y;
}

/* text: [prompts, 1 or frames, tokens, width] -> [prompts, 1 or length, tokens, width] */
static Tensor gather_text(Run *r, Tensor text, const int *frame, int length)
{
    if (text.h == 1) return text;
    Tensor y = gather(r, (Tensor){ text.n * text.h, text.w, 1, text.c, text.x }, text.h, frame, length);
    return (Tensor){ text.n, length, text.w, text.c, y.x };
}

/* sum: [prompts * of, ...] += weight of the window's frame * part: [prompts * length, ...] */
static void scatter(Tensor sum, int of, Tensor part, const int *frame, int length, const float *weight)
{
    size_t each = size(sum) / (size_t)sum.n;
    for (int i = 0; i < part.n; i++) {
        const float *from = part.x + (size_t)i * each;
        float *to = sum.x + (size_t)(i / length * of + frame[i % length]) * each;
        for (size_t k = 0; k < each; k++) to[k] += weight[i % length] * from[k];
    }
}

/* what each frame counts in all the windows together, so that its shares add up to one */
static void total_weights(const Windows *w, const Window *one, int count, int *frame, float *total)
{
    memset(total, 0, (size_t)w->frames * sizeof *total);
    for (int k = 0; k < count; k++) {
        window_frames(w, one[k], frame);
        for (int i = 0; i < w->length; i++) total[frame[i]] += (float)window_weight(w, i);
    }
}

typedef struct { Progress *progress; void *to; int done, of; const char *stage; } Told;

static void tell(Told *told)
{
    if (told->progress) told->progress(told->to, told->stage, told->done, told->of);
    told->done++;
}

/* what the model says of every frame for every prompt: [prompts * frames,h,w,4]; dry, one window stands for all */
static Tensor predict(Run *r, const Denoising *d, Tensor x, double t, Tensor text, int call, Told *told)
{
    Arena *a = r->machine->mem;
    const Windows *w = &d->windows;
    int count = windows(w, call, NULL), *frame = take(a, (size_t)w->length, sizeof *frame);
    Window *one = take(a, (size_t)count, sizeof *one);
    float *total = take(a, (size_t)w->frames, sizeof *total), *weight = take(a, (size_t)w->length, sizeof *weight);
    Tensor sum = tensor(r, text.n * x.n, x.h, x.w, x.c);
    windows(w, call, one);
    total_weights(w, one, count, frame, total);
    if (!r->machine->dry) memset(sum.x, 0, size(sum) * sizeof *sum.x);
    for (int k = 0; k < (r->machine->dry ? 1 : count); k++) {
        size_t before = mark(a);
        tell(told);
        window_frames(w, one[k], frame);
        for (int i = 0; i < w->length; i++) weight[i] = (float)window_weight(w, i) / total[frame[i]];
        Tensor part = unet(r, gather(r, x, x.n, frame, w->length), (float)t, gather_text(r, text, frame, w->length));
        if (!r->machine->dry) scatter(sum, x.n, part, frame, w->length, weight);
        release(a, before);
    }
    return sum;
}

/* ---- guidance --------------------------------------------------------------------------------- */

/* spread of the values about their mean, over the whole clip */
static double deviation(const float *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    for (size_t i = 0; i < n; i++) squares += ((double)x[i] - sum / (double)n) * ((double)x[i] - sum / (double)n);
    return sqrt(squares / (double)n);
}

/* noise: [prompts, n values] -> its first n: negative + sum of cfg * weight * (prompt - negative)
 * and, rescaled (Lin et al., 2024), times phi * deviation(the same with cfg 1) / deviation + 1 - phi */
static void apart(const Denoising *d, const Guide *g, float *noise, float *plain, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float negative = noise[i];
        plain[i] = negative;
        for (size_t p = 1; p < (size_t)g->text.n; p++) {
            float toward = g->weight[p - 1] * (noise[p * n + i] - negative);
            plain[i] += toward;
            noise[i] += (float)d->cfg * toward;
        }
    }
    double now = d->rescale > 0 ? deviation(noise, n) : 0, by = now > 0 ? d->rescale * deviation(plain, n) / now + 1 - d->rescale : 1;
    for (size_t i = 0; i < n && now > 0; i++) noise[i] *= (float)by;
}

/* ---- the loop --------------------------------------------------------------------------------- */

int denoise_calls(const Denoising *d) { return sampler_calls(d->sampling.method, d->sampling.steps - d->first); }

int denoise_passes(const Denoising *d)
{
    int passes = 0;
    for (int i = 0; i < denoise_calls(d); i++) passes += windows(&d->windows, i, NULL);
    return passes;
}

static void check_finite(Run *r, Tensor x, int step)
{
    for (size_t i = 0; i < size(x); i++)
        if (!isfinite(x.x[i])) fail(r->machine->mem, "the picture is not finite after step %d: a broken checkpoint or LoRA, or a LoRA strength far too high", step + 1);
}

static int same_shape(Tensor a, Tensor b) { return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c; }

/* Dry, a pass is counted once for each shape of text and multiplied. */
static void rehearse(Run *r, const Denoising *d, Tensor x, const Guide *guide, int calls)
{
    double each = 0;
    for (int i = 0; i < calls && !(r->problems && r->problems->count); i++) {
        size_t before = mark(r->machine->mem);
        double begun = r->machine->ops;
        if (!i || !same_shape(guide[i].text, guide[i - 1].text)) {
            predict(r, d, x, 1, guide[i].text, i, &(Told){ 0 });
            each = r->machine->ops - begun;
        }
        r->machine->ops = begun + each * windows(&d->windows, i, NULL);
        release(r->machine->mem, before);
    }
}

static Sampler *begin(Run *r, const Denoising *d, size_t n)
{
    SamplerSetup setup = d->sampling;
    Sampler *s = take(r->machine->mem, 1, sizeof *s);
    setup.memory = take(r->machine->mem, KEPT * n, sizeof *setup.memory), setup.n = n;
    sampler_init(s, &setup);
    return s;
}

/* Of a picture's distribution one draw, for every frame: mean + exp(logarithm of variance / 2) normal, as diffusers.
 * The web UI draws it from a generator that nobody can repeat; with its noise it is the mean, which is next to no other. */
static void draw_picture(Run *r, Noise *noise, Tensor moments, Tensor x)
{
    size_t before = mark(r->machine->mem), frame = size(x) / (size_t)x.n;
    Tensor z = tensor(r, 1, x.h, x.w, x.c);
    if (noise->nv) memset(z.x, 0, frame * sizeof *z.x);
    else           draw(r, noise, z);
    for (size_t i = 0; i < frame; i++) {
        const float *m = moments.x + i / LATENT * 2 * LATENT + i % LATENT;
        float logvar = fminf(fmaxf(m[LATENT], -30), 20);
        z.x[i] = LATENT_SCALE * (m[0] + expf(logvar / 2) * z.x[i]);
    }
    for (size_t f = 0; f < (size_t)x.n; f++) memcpy(x.x + f * frame, z.x, frame * sizeof *x.x);
    release(r->machine->mem, before);
}

/* Noise alone; or as much of it as belongs to the first step, over latents:  x = signal x + noise e */
static void start(Run *r, const Denoising *d, const Sampler *s, Noise *noise, Tensor x, Tensor e)
{
    *noise = (Noise){ .seed = d->seed, .nv = d->nv };
    rng_seed(&noise->torch, d->seed);
    if (d->moments.x) draw_picture(r, noise, d->moments, x);
    draw(r, noise, e);
    Level at = s->level[d->first];
    for (size_t i = 0; i < size(x); i++) x.x[i] = d->over ? (float)at.signal * x.x[i] + (float)at.noise * e.x[i] : (float)sampler_start(s) * e.x[i];
}

void denoise(Run *r, const Denoising *d, Tensor x, const Guide *guide, Progress *progress, void *to)
{
    Arena *a = r->machine->mem;
    size_t begun = mark(a), n = size(x);
    int calls = denoise_calls(d), first = sampler_calls(d->sampling.method, d->sampling.steps) - calls;
    Sampler *s = begin(r, d, n);
    Noise *noise = take(a, 1, sizeof *noise);
    float *plain = take(a, n, sizeof *plain);
    Tensor fresh = tensor(r, x.n, x.h, x.w, x.c);
    Told told = { progress, to, 0, denoise_passes(d), d->stage };
    if (!told.stage) told.stage = told.of > d->sampling.steps - d->first ? "pass" : "step";
    if (r->machine->dry) {
        rehearse(r, d, x, guide, calls);
        release(a, begun);
        return;
    }
    start(r, d, s, noise, x, fresh);
    for (int i = 0; i < calls; i++) {
        size_t before = mark(a);
        Tensor said = predict(r, d, x, sampler_time(s, first + i), guide[i].text, i, &told);
        if (guide[i].guided) apart(d, &guide[i], said.x, plain, n);
        int draws = sampler_draws(s, first + i);
        if (draws) draw(r, noise, fresh);
        sampler_step(s, first + i, x.x, said.x, draws ? fresh.x : NULL, n);
        check_finite(r, x, i * (d->sampling.steps - d->first) / calls);
        if (d->look) d->look(d->looks, (Tensor){ x.n, x.h, x.w, x.c, said.x });
        release(a, before);
    }
    release(a, begun);
}
