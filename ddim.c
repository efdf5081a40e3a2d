/* ddim.c - the noise schedule of Stable Diffusion and the DDIM step.
 *
 * Denoising Diffusion Implicit Models (Song, Meng and Ermon, 2021).  Equation numbers are those of this paper.
 * The paper writes alpha_t where Ho et al. (2020) and this file write alpha_bar_t, and t - 1 for the next timestep
 * of the run, which is called prev here.  The reference for the arithmetic is diffusers' DDIMScheduler.
 *
 *     x_t    = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps                                      (eq. 4)
 *     x0     = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t)                                 (eq. 9)
 *     x_prev = sqrt(alpha_bar_prev) x0 + sqrt(1 - alpha_bar_prev - sigma_t^2) eps + sigma_t noise    (eq. 12)
 *
 * The model predicts eps from x_t.  With eps we estimate x0, and with both we write down a less noisy x_prev.
 * Weights are computed in double.  Arrays are float and are rounded once in each function. */
#include "ddim.h"

#include <math.h>

/* ---- the noise schedule ----------------------------------------------------------------------- */

/* torch.linspace(from, to, n)[i] in float32.  torch counts from the nearer end, and so does this. */
static float linspace(float from, float to, int i, int n)
{
    float step = (to - from) / (float)(n - 1);
    return i < n / 2 ? from + step * (float)i : to - step * (float)(n - 1 - i);
}

/* scaled_linear: torch.linspace(0.00085**0.5, 0.012**0.5, 1000)[t] ** 2 */
static float beta(BetaSchedule schedule, int t)
{
    if (schedule == LINEAR) return linspace(0.00085f, 0.012f, t, TRAIN_TIMESTEPS);
    float root = linspace((float)sqrt(0.00085), (float)sqrt(0.012), t, TRAIN_TIMESTEPS);
    return root * root;
}

/* Moves and scales sqrt(alpha_bar) so that the first stays and the last is zero (Lin et al., 2024, algorithm 1).
 * 2^-24 stands for zero, as in diffusers: eq. 9 divides by sqrt(alpha_bar). */
static void rescale_zero_terminal_snr(float alpha_bar[TRAIN_TIMESTEPS])
{
    double first = sqrt((double)alpha_bar[0]);
    double last = sqrt((double)alpha_bar[TRAIN_TIMESTEPS - 1]);
    for (int t = 0; t < TRAIN_TIMESTEPS; t++) {
        double sqrt_alpha_bar = (sqrt((double)alpha_bar[t]) - last) * first / (first - last);
        alpha_bar[t] = (float)fmax(sqrt_alpha_bar * sqrt_alpha_bar, 0x1p-24);
    }
}

/* alpha_bar:  alphas_cumprod = torch.cumprod(1 - betas, dim=0) */
void alpha_bars(float alpha_bar[TRAIN_TIMESTEPS], BetaSchedule schedule, int zero_snr)
{
    double product = 1;
    for (int t = 0; t < TRAIN_TIMESTEPS; t++) {
        product *= (double)(1 - beta(schedule, t));
        alpha_bar[t] = (float)product;
    }
    if (zero_snr) rescale_zero_terminal_snr(alpha_bar);
}

/* ---- noise levels ----------------------------------------------------------------------------- */

double alpha_bar_to_sigma(float alpha_bar) { return sqrt((1 - (double)alpha_bar) / (double)alpha_bar); }

double sigma_of(NoiseLevel level) { return level.sqrt_one_minus_alpha_bar / level.sqrt_alpha_bar; }

/* sigma^2 = (1 - alpha_bar) / alpha_bar, therefore alpha_bar = 1 / (1 + sigma^2) */
NoiseLevel noise_level(double timestep, double sigma)
{
    double sqrt_alpha_bar = 1 / sqrt(1 + sigma * sigma);
    return (NoiseLevel){
        .timestep = timestep,
        .sqrt_alpha_bar = sqrt_alpha_bar,
        .sqrt_one_minus_alpha_bar = sigma * sqrt_alpha_bar,
    };
}

NoiseLevel noise_level_at(const float alpha_bar[TRAIN_TIMESTEPS], double timestep)
{
    int below = timestep < TRAIN_TIMESTEPS - 1 ? (int)timestep : TRAIN_TIMESTEPS - 2;
    double from = alpha_bar_to_sigma(alpha_bar[below]);
    double to = alpha_bar_to_sigma(alpha_bar[below + 1]);
    return noise_level(timestep, from + (to - from) * (timestep - below));
}

/* ---- timesteps -------------------------------------------------------------------------------- */

/* torch.arange(steps) * (1000 // steps) + 1, reversed.  Of 1000 steps the first would begin at timestep 1000,
 * which does not exist: it begins and ends at 999, and changes nothing. */
int ddim_timestep(int i, int steps)
{
    int timestep = (steps - 1 - i) * (TRAIN_TIMESTEPS / steps) + 1;
    return timestep < TRAIN_TIMESTEPS ? timestep : TRAIN_TIMESTEPS - 1;
}

NoiseLevel ddim_final_level(const float alpha_bar[TRAIN_TIMESTEPS], int set_alpha_to_one)
{
    return set_alpha_to_one ? noise_level(0, 0) : noise_level_at(alpha_bar, 0);
}

/* ---- a step ----------------------------------------------------------------------------------- */

/* Forward diffusion, eq. 4, in float32 as diffusers' add_noise computes it. */
void ddim_add_noise(float *x, const float *noise, size_t n, NoiseLevel level)
{
    float x0_weight = (float)level.sqrt_alpha_bar;
    float noise_weight = (float)level.sqrt_one_minus_alpha_bar;
    for (size_t k = 0; k < n; k++) x[k] = x0_weight * x[k] + noise_weight * noise[k];
}

/* The predicted x0 (diffusers: pred_original_sample):
 * eq. 9                      x0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar)
 * and for v-prediction,      x0 = sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v */
void predict_x0(float *model_output, const float *x, size_t n, NoiseLevel level, int v_prediction)
{
    double x_weight = 1 / level.sqrt_alpha_bar;
    double output_weight = -level.sqrt_one_minus_alpha_bar / level.sqrt_alpha_bar;
    if (v_prediction) {
        x_weight = level.sqrt_alpha_bar;
        output_weight = -level.sqrt_one_minus_alpha_bar;
    }
    for (size_t k = 0; k < n; k++)
        model_output[k] = (float)(x_weight * (double)x[k] + output_weight * (double)model_output[k]);
}

/* eq. 16:  sigma_t = eta sqrt((1 - alpha_bar_prev) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_prev) */
double ddim_sigma_up(NoiseLevel t, NoiseLevel prev, double eta)
{
    double ratio = t.sqrt_alpha_bar / prev.sqrt_alpha_bar;
    return eta * prev.sqrt_one_minus_alpha_bar / t.sqrt_one_minus_alpha_bar * sqrt(fmax(1 - ratio * ratio, 0));
}

/* the weight of eps in eq. 12:  sqrt(1 - alpha_bar_prev - sigma_t^2) */
double ddim_sigma_down(NoiseLevel t, NoiseLevel prev, double eta)
{
    double sigma_up = ddim_sigma_up(t, prev, eta);
    return sqrt(fmax(prev.sqrt_one_minus_alpha_bar * prev.sqrt_one_minus_alpha_bar - sigma_up * sigma_up, 0));
}

/* The DDIM step, eq. 12:
 *     x_prev = sqrt(alpha_bar_prev) x0 + sigma_down eps + sigma_up noise
 * predict_x0() has overwritten eps, so it is computed from x_t and x0:
 *     eps = (x_t - sqrt(alpha_bar_t) x0) / sqrt(1 - alpha_bar_t) */
void ddim_step(float *x_prev, const float *x_t, const float *x0, const float *noise, size_t n,
               NoiseLevel t, NoiseLevel prev, double eta)
{
    double x_weight = ddim_sigma_down(t, prev, eta) / t.sqrt_one_minus_alpha_bar;
    double x0_weight = prev.sqrt_alpha_bar - x_weight * t.sqrt_alpha_bar;
    double noise_weight = ddim_sigma_up(t, prev, eta);
    for (size_t k = 0; k < n; k++) {
        double sum = x_weight * (double)x_t[k] + x0_weight * (double)x0[k];
        if (noise) sum += noise_weight * (double)noise[k];
        x_prev[k] = (float)sum;
    }
}
