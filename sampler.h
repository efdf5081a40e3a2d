/* sampler.h - noise schedules and samplers, on float arrays only.
 *
 * Useful copied alone.  No memory of its own, no failure; a Sampler is a plain value.
 *
 * The caller owns the model.  x starts as sampler_start() times normal noise; then for each call the model looks at x
 * at sampler_time(), and sampler_step() takes x one step on:
 *
 *     for (int call = 0; call < sampler_calls(method, steps); call++)
 *         predict(x, sampler_time(&s, call)) -> predicted;   sampler_step(&s, call, x, predicted, fresh, n);
 *
 * x has the scale that the model was trained with, for every sampler: x = signal * clean + noise * e, signal^2 + noise^2 = 1.
 * The reference for the arithmetic is the scheduler of the same name in diffusers, with final sigma zero; k-diffusion, as the web UI
 * calls it, for what diffusers lacks: DPM2, DPM2 a, DPM++ 2S a, DPM++ SDE and DPM++ 3M SDE. */
#ifndef SAMPLER_H
#define SAMPLER_H

#include <stddef.h>

enum { TRAIN_STEPS = 1000, KEPT = 4 };

/* Both run from 0.00085 to 0.012.  SCALED_LINEAR: square roots evenly spaced, what Stable Diffusion 1.x was trained
 * with.  LINEAR: the betas themselves, what AnimateDiff's modules were trained with.  (The names are
 * diffusers'; LDM and ComfyUI call the first one "linear".) */
typedef enum { SCALED_LINEAR, LINEAR } Betas;

/* alpha_bar: the product of 1 - beta up to each timestep.  zero_snr: moved so that the last one is next to nothing,
 * 2^-24 (Lin et al., 2024). */
void alpha_bars(float alpha_bar[TRAIN_STEPS], Betas betas, int zero_snr);

/* Which timesteps a number of steps stands for. */
typedef enum {
    AUTOMATIC,           /* what the web UI takes for this sampler */
    UNIFORM,             /* diffusers' timestep_spacing "linspace"; for DDIM and LCM their own even spacing, below */
    KARRAS,              /* use_karras_sigmas (Karras et al., 2022) */
    EXPONENTIAL,         /* use_exponential_sigmas */
    SGM_UNIFORM,         /* timestep_spacing "trailing" */
    DDIM_UNIFORM,        /* timestep_spacing "leading", steps_offset 1 */
    LCM_UNIFORM,         /* even steps of the 50 that latent consistency models are distilled on */
    SIMPLE,              /* every so many-th of the trained timesteps, from the last down */
    NORMAL,              /* timesteps evenly spaced, for every sampler */
    BETA,                /* use_beta_sigmas: dense at both ends (Lee et al., 2024) */
    KL_OPTIMAL,          /* arctangents of sigma evenly spaced (Sabour et al., 2024, appendix) */
    ALIGN_YOUR_STEPS     /* the sigmas that Sabour et al. found for Stable Diffusion 1.5 */
} ScheduleType;

typedef struct { double t, signal, noise; } Level;

typedef struct {
    const struct Method *method;
    int    steps, velocity, known;
    double eta;
    float *kept[KEPT];
    Level  level[TRAIN_STEPS + 1];           /* where each step begins; the last one is the end */
    Level  middle[TRAIN_STEPS];              /* where the second of two calls in a step looks */
} Sampler;

/* Name -> number for sampler_init, -1 when there is none.  As the web UI, diffusers and ComfyUI write it, a schedule
 * type behind it too ("DPM++ 2M Karras", "dpmpp_2m"); case, spaces, "-" and "_" count for nothing.  *type is set when the name holds one. */
int         sampler_named(const char *name, ScheduleType *type);
int         sampler_nearest(const char *name, ScheduleType *type);   /* what comes nearest to one that other programs have and this has not, or -1 */
int         schedule_nearest(const char *name);
const char *sampler_name (int method);                           /* NULL after the last */
int         schedule_named(const char *name);                    /* a ScheduleType, or -1 */
const char *schedule_name(int type);                             /* NULL after the last */
int         sampler_takes_eta(int method);

typedef struct {
    int          method;                     /* 0: DDIM */
    ScheduleType type;
    Betas        betas;
    int          zero_snr;
    int          velocity;                   /* the model predicts v = signal e - noise clean, not e (Salimans and Ho, 2022) */
    int          steps;                      /* 1..1000 */
    double       eta;                        /* 0..1, fresh noise; 0: what the sampler usually takes, -1: none; ignored where it takes none */
    float       *memory;                     /* KEPT * n values, in use until the last step */
    size_t       n;
} SamplerSetup;

void         sampler_init(Sampler *s, const SamplerSetup *setup);
ScheduleType sampler_schedule(const SamplerSetup *setup);        /* what AUTOMATIC comes to */
int    sampler_twice(int method);                                /* two calls of the model in each step, one in the last */
int    sampler_calls(int method, int steps);                     /* of the model: steps, 2 steps - 1, or steps + 1 for PLMS */
Level  sampler_look (const Sampler *s, int call);                /* where this call looks at x; to be asked before sampler_step() */
double sampler_time (const Sampler *s, int call);                /* its timestep, 0..999; may lie between timesteps */
double sampler_start(const Sampler *s);
int    sampler_draws(const Sampler *s, int call);                /* this call wants fresh noise */

/* predicted: n values, what the model said of x; overwritten with the clean picture that this comes to.
 * fresh: n normal values where sampler_draws(), else NULL. */
void   sampler_step(Sampler *s, int call, float *x, float *predicted, const float *fresh, size_t n);

#endif
