/* going_on.c - a drawing job goes on where it was interrupted.
 *
 * What a job is, and how far it is, stands in a file (clip_state.c).  Here is what that means for the job: which stages
 * and calls are over, how much work that saves, and when the file is written.  The result is that of a job that was
 * never interrupted, to the byte: everything that the rest depends on is in the file or named in it. */
#include "work.h"

#include "chars.h"
#include "files.h"
#include "sampler.h"
#include "system.h"
#include "vae.h"

#include <string.h>

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
    int width = job_hires_side(j, j->width);
    int height = job_hires_side(j, j->height);
    PixelSize decoded = job_decoded_size(w);
    w->identity = allocate(w->mem, 1, sizeof *w->identity);
    const char *upscaler = upscale_method_name(w->upscaling.method);
    Picture last = { .rgb = NULL };
    if (w->has_last) last = w->init;
    if (w->has_last) last.rgb += (size_t)last.width * (size_t)last.height * 3;
    int init_frames = w->has_last ? 1 : w->init_frames;
    Job said = *j;
    if (w->enlarging.method != NOT_UPSCALED) said.hires_upscaler = upscale_method_name(w->enlarging.method);
    clip_identity_begin(w->mem, w->identity, &said, w->init, init_frames, last, w->mask, upscaler);
    bound_pass(w, FIRST_PASS, &w->denoising, j->width, j->height);
    if (w->has_hires) bound_pass(w, SECOND_PASS, &w->hires, width, height);
    w->bounds.most[FRAMES] = (ClipPosition){
        .stage = FRAMES,
        .done = (uint32_t)j->frames,
        .latents = { .n = j->frames, .h = height / FACTOR, .w = width / FACTOR, .c = LATENT },
        .width = decoded.width,
        .height = decoded.height,
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

double job_ops_done(Work *w)
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
    fail(w->mem, "%s: up to %s are to be written, %s of them to keep how far it is, and there is room for %s; make "
                 "some, or choose another place with -o", s->target, data_size(w->mem, result + states),
         data_size(w->mem, states), data_size(w->mem, room));
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

void job_take_up_state(Work *w, const Plan *plan)
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

void job_check_conditioning(Work *w, const Conditioning *conditioning)
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

void job_keep(Work *w)
{
    keep(w);
}

void job_keep_if_due(Work *w)
{
    if (w->state && !w->machine.dry && clip_state_due(w->state)) keep(w);
}

void job_run_stage(Work *w, void (*run)(void *stage), void *stage)
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

int job_is_past(const Work *w, ClipStage stage)
{
    return w->state && !w->machine.dry && w->state->is_found && stage < w->state->from.stage;
}

int job_goes_on(Work *w, ClipStage stage, DenoisingState *at)
{
    if (job_is_past(w, stage)) return 1;
    if (!w->state || w->machine.dry || !w->state->is_found || stage > w->state->from.stage) return 0;
    const ClipPosition *from = &w->state->from;
    size_t n = size(at->x);
    at->calls = from->done;
    at->draws = from->draws;
    at->rng = from->rng;
    memcpy(at->x.x, from->latents.x, n * sizeof *at->x.x);
    if (from->buffers) memcpy(at->memory, from->memory, (size_t)from->buffers * n * sizeof *at->memory);
    return 0;
}
