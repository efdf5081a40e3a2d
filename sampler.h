/* sampler.h - samplers (diffusers: schedulers), on float arrays only.
 *
 * Useful copied alone, with schedule.[ch] and ddim.[ch].  Takes no memory and cannot fail; a Sampler is a plain value.
 *
 * The caller owns the model.  x begins as normal noise times sampler_init_noise_sigma().
 * Then, for each call of the model:
 *
 *     for (int call = 0; call < sampler_calls(method, steps); call++) {
 *         predict(x, sampler_timestep(&s, call)) -> model_output;
 *         sampler_step(&s, call, x, model_output, sampler_needs_noise(&s, call) ? noise : NULL, n);
 *     }
 *
 * x has the scale that the model was trained with, for every sampler: x = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps.
 * (The x of k-diffusion, and of those diffusers schedulers that call scale_model_input, is x / sqrt(alpha_bar) here.)
 * The reference for the arithmetic is the scheduler of the same name in diffusers, with final sigma zero.  It is
 * k-diffusion, as the web UI calls it, for DPM2, DPM2 a, DPM++ 2S a, DPM++ SDE and DPM++ 3M SDE. */
#ifndef SAMPLER_H
#define SAMPLER_H

#include "schedule.h"

/* How many arrays of the size of x a sampler keeps between calls, at most. */
enum { SAMPLER_BUFFERS = 4 };

typedef struct {
    const struct Method *method;
    int        v_prediction;                 /* 1: the model predicts v, not eps */
    int        calls_done;                   /* how often sampler_step() was called */
    double     eta;
    float     *history[SAMPLER_BUFFERS];     /* what each sampler keeps between calls */
    NoiseLevel level[TRAIN_TIMESTEPS + 1];       /* where each step begins; the last one is where the run ends */
    NoiseLevel second_level[TRAIN_TIMESTEPS];    /* where the second of two calls in a step looks at x */
} Sampler;

/* A method is a number, 0 for DDIM.  Returns the method of this name, or -1 when the name is unknown.
 * Names are those of the web UI and ComfyUI, with or without a schedule type behind them: "DPM++ 2M Karras",
 * "dpmpp_2m".  Case, spaces, "-" and "_" do not matter.  sampler_names.h knows many more.  *type is set only when the
 * name holds a schedule type. */
int         sampler_named(const char *name, ScheduleType *type);

const char *sampler_name(int method);        /* NULL after the last method */
const char *sampler_alias(int method);       /* the name that ComfyUI or diffusers has for it */
int         sampler_takes_eta(int method);   /* 1 when eta changes anything */
int         sampler_buffers(int method);     /* how many arrays it keeps between calls: the first of its memory */

typedef struct {
    int          method;
    ScheduleType type;
    BetaSchedule betas;
    int          zero_snr;                   /* rescale_betas_zero_snr */
    int          v_prediction;               /* prediction_type: 0 for epsilon, 1 for v_prediction */
    int          steps;                      /* num_inference_steps, 1 .. 1000 */
    double       eta;                        /* how much noise is added, 0 .. 1.  0: the sampler's default; -1: none.
                                                It is ignored unless sampler_takes_eta(). */
    float       *memory;                     /* SAMPLER_BUFFERS * n values, in use until the last step */
    size_t       n;                          /* the size of x */
} SamplerSetup;

void sampler_init(Sampler *s, const SamplerSetup *setup);

/* The schedule type that is used: never AUTOMATIC. */
ScheduleType sampler_schedule(const SamplerSetup *setup);

/* 1 for samplers of order 2 that call the model twice in each step, and once in the last. */
int sampler_calls_twice(int method);

/* The number of calls of the model (NFE): steps, 2 steps - 1, or steps + 1 for PLMS. */
int sampler_calls(int method, int steps);

/* The level of x in this call, and its timestep, 0 .. 999, which may lie between two timesteps.
 * They must be asked for before this call's sampler_step(). */
NoiseLevel sampler_level(const Sampler *s, int call);
double     sampler_timestep(const Sampler *s, int call);

/* init_noise_sigma, in the scale that x has here: the first x is this times normal noise. */
double sampler_init_noise_sigma(const Sampler *s);

/* 1 when this call adds noise. */
int sampler_needs_noise(const Sampler *s, int call);

/* x: n values, becomes the next x.
 * model_output: n values, what the model predicted for x; becomes the predicted x0 (pred_original_sample).
 * noise: n normal values where sampler_needs_noise() returns 1, else NULL. */
void sampler_step(Sampler *s, int call, float *x, float *model_output, const float *noise, size_t n);

#endif
