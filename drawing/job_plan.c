/* job_plan.c - what is said of a drawing job before it begins, and what it takes.
 *
 * Memory and operations were counted by the dry run.  What the model was not made for is told here too, as nothing of
 * it keeps the job from being drawn. */
#include "work.h"

#include "chars.h"
#include "lines.h"
#include "model_limits.h"
#include "reconstruction.h"
#include "sampler_names.h"

const char *job_files_used(Work *w)
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
    if (w->denoising.motion_strength) length = format(w->mem, "%s, motion strength %s", length, j->motion_strength);
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

Plan job_plan(Work *w)
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
    if (w->has_face) plan.passes += denoise_passes(&w->face.look) + denoise_passes(&w->face.denoising);
    plan.frames = j->frames;
    plan.width = job_result_side(w, j->width);
    plan.height = job_result_side(w, j->height);
    plan.threads = w->machine.threads;
    plan.bf16 = w->machine.bf16;
    job_take_up_state(w, &plan);
    plan.ops -= job_ops_done(w);
    return plan;
}
