/* ddim.h - the noise schedule of Stable Diffusion and the DDIM step, on float arrays only.
 *
 * Useful copied alone: ddim.c and ddim.h need only libm.  They take no memory and cannot fail.
 *
 *     float alpha_bar[TRAIN_TIMESTEPS];
 *     alpha_bars(alpha_bar, SCALED_LINEAR, 0);
 *     for (int i = 0; i < steps; i++) {
 *         NoiseLevel t = noise_level_at(alpha_bar, ddim_timestep(i, steps));
 *         NoiseLevel prev = ddim_final_level(alpha_bar, 0);
 *         if (i + 1 < steps) prev = noise_level_at(alpha_bar, ddim_timestep(i + 1, steps));
 *         predict(x, t.timestep) -> model_output;
 *         predict_x0(model_output, x, n, t, 0);
 *         ddim_step(x, x, model_output, NULL, n, t, prev, 0);
 *     } */
#ifndef DDIM_H
#define DDIM_H

#include <stddef.h>

/* num_train_timesteps: the number of timesteps that the model was trained on, 0 .. 999. */
enum { TRAIN_TIMESTEPS = 1000 };

/* beta_schedule, by the names of diffusers.  Both run from 0.00085 to 0.012.
 *   SCALED_LINEAR   The square roots of the betas are evenly spaced.  Stable Diffusion 1.x was trained with it;
 *                   LDM and ComfyUI call this one "linear".
 *   LINEAR          The betas are evenly spaced.  The motion modules of AnimateDiff were trained with it.
 *                   With the wrong one, clips come out grey and washed out. */
typedef enum { SCALED_LINEAR, LINEAR } BetaSchedule;

/* alpha_bar[t] = product of (1 - beta_s) for s <= t: diffusers' alphas_cumprod.
 * zero_snr: rescale_betas_zero_snr (zero terminal SNR); the last alpha_bar is then 2^-24, which stands for zero. */
void alpha_bars(float alpha_bar[TRAIN_TIMESTEPS], BetaSchedule schedule, int zero_snr);

/* How much noise is in x_t:  x_t = sqrt_alpha_bar x0 + sqrt_one_minus_alpha_bar eps. */
typedef struct {
    double timestep;                         /* 0 .. 999; it may lie between two timesteps */
    double sqrt_alpha_bar;                   /* the factor of x0, also called the signal rate */
    double sqrt_one_minus_alpha_bar;         /* the factor of eps, also called the noise rate */
} NoiseLevel;

/* sigma = sqrt((1 - alpha_bar) / alpha_bar): the standard deviation of the noise in x_t / sqrt(alpha_bar_t). */
double     alpha_bar_to_sigma(float alpha_bar);
double     sigma_of(NoiseLevel level);
NoiseLevel noise_level(double timestep, double sigma);       /* the level that has this sigma */

/* The level of this timestep, 0 .. 999.  Between two timesteps sigma is interpolated linearly. */
NoiseLevel noise_level_at(const float alpha_bar[TRAIN_TIMESTEPS], double timestep);

/* The timestep where step i of `steps` (1 .. 1000) begins: timestep_spacing "leading", steps_offset 1. */
int ddim_timestep(int i, int steps);

/* The level where the last step ends.  set_alpha_to_one: 1 for alpha_bar = 1, no noise at all (AnimateDiff's clips);
 * 0 for the first of the alpha_bars (Stable Diffusion's stills). */
NoiseLevel ddim_final_level(const float alpha_bar[TRAIN_TIMESTEPS], int set_alpha_to_one);

/* Forward diffusion.  x: n values of x0, becomes x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise. */
void ddim_add_noise(float *x, const float *noise, size_t n, NoiseLevel level);

/* model_output: n values, what the model predicted for x at this level; becomes the predicted x0
 * (diffusers: pred_original_sample).
 * v_prediction: 0 when the model predicts eps, 1 when it predicts v (Salimans and Ho, 2022). */
void predict_x0(float *model_output, const float *x, size_t n, NoiseLevel level, int v_prediction);

/* The standard deviation of the noise that a step adds, eq. 16.  eta: 0 for DDIM, 1 for DDPM. */
double ddim_sigma_up(NoiseLevel t, NoiseLevel prev, double eta);

/* sqrt(1 - alpha_bar_prev - sigma_up^2): how much of the predicted eps stays in x_prev, eq. 12. */
double ddim_sigma_down(NoiseLevel t, NoiseLevel prev, double eta);

/* The DDIM step from x_t to x_prev, which may be the same array.  All arrays hold n values.
 * noise: normal values, or NULL, which adds none. */
void ddim_step(float *x_prev, const float *x_t, const float *x0, const float *noise, size_t n,
               NoiseLevel t, NoiseLevel prev, double eta);

#endif
