/* schedule.h - schedule types: the noise levels that a run of some steps visits.
 *
 * The names are those of the web UI's "Schedule type"; the comments say what diffusers and k-diffusion call them. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "ddim.h"

typedef enum {
    AUTOMATIC,           /* what the web UI takes for this sampler */
    UNIFORM,             /* timestep_spacing "linspace"; for DDIM, PLMS and LCM their own even spacing, below */
    KARRAS,              /* use_karras_sigmas, get_sigmas_karras (Karras et al., 2022) */
    EXPONENTIAL,         /* use_exponential_sigmas, get_sigmas_exponential */
    SGM_UNIFORM,         /* timestep_spacing "trailing" */
    DDIM_UNIFORM,        /* timestep_spacing "leading", steps_offset 1 */
    LCM_UNIFORM,         /* evenly spaced among the 50 timesteps that latent consistency models are distilled on */
    SIMPLE,              /* evenly spaced among the 1000 trained timesteps, from the last one down */
    NORMAL,              /* timesteps evenly spaced from 999 to 0, for every sampler */
    BETA,                /* use_beta_sigmas: dense at both ends (Lee et al., 2024) */
    KL_OPTIMAL,          /* arctan(sigma) evenly spaced (Sabour et al., 2024, appendix) */
    ALIGN_YOUR_STEPS     /* the sigmas that Sabour et al. published for Stable Diffusion 1.5 */
} ScheduleType;

/* Returns the ScheduleType of this name, or -1.  Case, spaces, "-" and "_" do not matter. */
int         schedule_named(const char *name);

/* Returns the name, or NULL after the last type. */
const char *schedule_name(int type);

/* Returns 1 for the types that are the even spacing of one family of samplers: DDIM and LCM. */
int         schedule_is_own_spacing(ScheduleType type);

/* Returns the level where step i of `steps` begins.  type: any but AUTOMATIC.
 * whole_timesteps: 1 for samplers that look at trained timesteps only; 0 where a timestep may lie between two. */
NoiseLevel  schedule_level(const float alpha_bar[TRAIN_TIMESTEPS], ScheduleType type, int whole_timesteps,
                           int i, int steps);

/* Returns the timestep of this sigma, 0 .. 999.  Between two timesteps log(sigma) is interpolated linearly. */
double      sigma_to_timestep(const float alpha_bar[TRAIN_TIMESTEPS], double sigma);

/* Returns what follows `name` at the beginning of text, or NULL when text begins otherwise.
 * Case, spaces, "-" and "_" do not matter, and "+" is the same as "p". */
const char *text_after_name(const char *text, const char *name);

/* Is text this name, and nothing more? */
int names_match(const char *text, const char *name);

#endif
