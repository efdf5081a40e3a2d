/* schedule.c - schedule types: the noise levels that a run of some steps visits.
 *
 * There are two kinds of schedule types:
 *   - some space the timesteps; the sigma of each timestep then follows from alpha_bar;
 *   - others space the sigmas; the timestep of each sigma is then looked up, and may lie between two trained ones.
 *
 * Levels go down from the noisiest.  The level after the last step belongs to the sampler, see sampler_init().
 * sigma_max and sigma_min are the sigmas of timesteps 999 and 0.
 *
 * The reference is set_timesteps() of diffusers' schedulers; for Simple, KL Optimal and Align Your Steps it is
 * the web UI's modules/sd_schedulers.py. */
#include "schedule.h"

#include <math.h>

enum { LAST_TIMESTEP = TRAIN_TIMESTEPS - 1 };

/* ---- names ------------------------------------------------------------------------------------ */

static const char *const names[] = {
    [AUTOMATIC]        = "Automatic",
    [UNIFORM]          = "Uniform",
    [KARRAS]           = "Karras",
    [EXPONENTIAL]      = "Exponential",
    [SGM_UNIFORM]      = "SGM Uniform",
    [DDIM_UNIFORM]     = "DDIM",
    [LCM_UNIFORM]      = "LCM",
    [SIMPLE]           = "Simple",
    [NORMAL]           = "Normal",
    [BETA]             = "Beta",
    [KL_OPTIMAL]       = "KL Optimal",
    [ALIGN_YOUR_STEPS] = "Align Your Steps",
};
enum { TYPES = sizeof names / sizeof *names };

static const char *skip_separators(const char *s)
{
    while (*s == ' ' || *s == '_' || *s == '-') s++;
    return s;
}

/* "DPM++" and "dpmpp" are the same name */
static int normalized(int c)
{
    if (c == '+') return 'p';
    if (c >= 'A' && c <= 'Z') return c - 'A' + 'a';
    return c;
}

const char *text_after_name(const char *text, const char *name)
{
    text = skip_separators(text);
    name = skip_separators(name);
    while (*name) {
        if (normalized(*text) != normalized(*name)) return NULL;
        text = skip_separators(text + 1);
        name = skip_separators(name + 1);
    }
    return text;
}

int names_match(const char *text, const char *name)
{
    const char *rest = text_after_name(text, name);
    return rest && !*rest;
}

int schedule_named(const char *name)
{
    for (int i = 0; i < TYPES; i++)
        if (names_match(name, names[i])) return i;
    return -1;
}

const char *schedule_name(int type) { return type < TYPES ? names[type] : NULL; }

int schedule_is_own_spacing(ScheduleType type) { return type == DDIM_UNIFORM || type == LCM_UNIFORM; }

/* ---- types that space timesteps --------------------------------------------------------------- */

/* torch.linspace(0, 1, n)[i] */
static double fraction(int i, int n) { return n > 1 ? (double)i / (n - 1) : 0; }

/* torch.linspace(999, 0, n)[i], in float32 */
static double linspace_timestep(int i, int n) { return (double)(float)(LAST_TIMESTEP * (1 - fraction(i, n))); }

/* torch.linspace(0, 999, n + 1).round(), from the last one down; the schedulers of whole timesteps do not visit 0 */
static double whole_linspace_timestep(int i, int n) { return nearbyint((n - i) * ((double)LAST_TIMESTEP / n)); }

/* np.arange(1000, 0, -1000 / n).round() - 1 */
static double trailing_timestep(int i, int n)
{
    return nearbyint(TRAIN_TIMESTEPS - i * ((double)TRAIN_TIMESTEPS / n)) - 1;
}

/* The distillation took every 20th timestep: 999, 979, ... 19. */
static double lcm_timestep(int i, int n)
{
    enum { ORIGINAL_INFERENCE_STEPS = 50 };
    int index = ORIGINAL_INFERENCE_STEPS - (int)(i * ((double)ORIGINAL_INFERENCE_STEPS / n));
    return index * (TRAIN_TIMESTEPS / ORIGINAL_INFERENCE_STEPS) - 1;
}

static double simple_timestep(int i, int n) { return LAST_TIMESTEP - (int)(i * ((double)TRAIN_TIMESTEPS / n)); }

static double spaced_timestep(ScheduleType type, int whole_timesteps, int i, int n)
{
    switch (type) {
    case DDIM_UNIFORM: return ddim_timestep(i, n);
    case LCM_UNIFORM:  return lcm_timestep(i, n);
    case SGM_UNIFORM:  return trailing_timestep(i, n);
    case SIMPLE:       return simple_timestep(i, n);
    case NORMAL:       return linspace_timestep(i, n);
    default:           return whole_timesteps ? whole_linspace_timestep(i, n) : linspace_timestep(i, n);
    }
}

/* ---- types that space sigmas ------------------------------------------------------------------ */

/* Karras et al., 2022, eq. 5, with rho = 7:
 * sigma = (sigma_max^(1/rho) + x (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho */
static double karras_sigma(double sigma_max, double sigma_min, double x)
{
    double max_inv_rho = pow(sigma_max, 1 / 7.0);
    double min_inv_rho = pow(sigma_min, 1 / 7.0);
    return pow(max_inv_rho + x * (min_inv_rho - max_inv_rho), 7);
}

/* log(sigma) evenly spaced */
static double exponential_sigma(double sigma_max, double sigma_min, double x)
{
    return exp(log(sigma_max) + x * (log(sigma_min) - log(sigma_max)));
}

/* The incomplete beta function B(x; 0.6, 0.6) for x <= 1/2, by its series:
 * x^a sum of (1 - b)_k x^k / (k! (a + k)) */
static double incomplete_beta(double x)
{
    double sum = 0;
    double term = pow(x, 0.6);
    for (int k = 0; k < 60; k++) {
        sum += term / (0.6 + k);
        term *= x * (k + 0.4) / (k + 1);
    }
    return sum;
}

/* scipy.stats.beta.ppf(p, 0.6, 0.6), by bisection.  The distribution is symmetric. */
static double beta_ppf(double p)
{
    if (p > 0.5) return 1 - beta_ppf(1 - p);
    double low = 0;
    double high = 0.5;
    double goal = p * 2 * incomplete_beta(0.5);
    for (int k = 0; k < 60; k++) {
        double middle = (low + high) / 2;
        if (incomplete_beta(middle) < goal) low = middle;
        else high = middle;
    }
    return high;
}

static double beta_sigma(double sigma_max, double sigma_min, double x)
{
    return sigma_min + beta_ppf(1 - x) * (sigma_max - sigma_min);
}

/* sigma = tan(x arctan(sigma_min) + (1 - x) arctan(sigma_max)) */
static double kl_optimal_sigma(double sigma_max, double sigma_min, double x)
{
    return tan(x * atan(sigma_min) + (1 - x) * atan(sigma_max));
}

/* The published sigmas.  Between them log(sigma) is interpolated linearly. */
static double align_your_steps_sigma(double x)
{
    static const double sigma[] = { 14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029 };
    enum { LAST = sizeof sigma / sizeof *sigma - 1 };
    int i = x < 1 ? (int)(x * LAST) : LAST - 1;
    return exp(log(sigma[i]) + (x * LAST - i) * log(sigma[i + 1] / sigma[i]));
}

static int spaces_sigmas(ScheduleType type)
{
    return type == KARRAS || type == EXPONENTIAL || type == BETA || type == KL_OPTIMAL || type == ALIGN_YOUR_STEPS;
}

static double spaced_sigma(const float *alpha_bar, ScheduleType type, int i, int n)
{
    double sigma_max = alpha_bar_to_sigma(alpha_bar[LAST_TIMESTEP]);
    double sigma_min = alpha_bar_to_sigma(alpha_bar[0]);
    switch (type) {
    case EXPONENTIAL:      return exponential_sigma(sigma_max, sigma_min, fraction(i, n));
    case BETA:             return beta_sigma(sigma_max, sigma_min, fraction(i, n));
    case KL_OPTIMAL:       return kl_optimal_sigma(sigma_max, sigma_min, (double)i / n);
    case ALIGN_YOUR_STEPS: return align_your_steps_sigma(fraction(i, n));
    default:               return karras_sigma(sigma_max, sigma_min, fraction(i, n));
    }
}

double sigma_to_timestep(const float alpha_bar[TRAIN_TIMESTEPS], double sigma)
{
    int below = 0;
    while (below < TRAIN_TIMESTEPS - 2 && alpha_bar_to_sigma(alpha_bar[below + 1]) <= sigma) below++;
    double from = log(alpha_bar_to_sigma(alpha_bar[below]));
    double to = log(alpha_bar_to_sigma(alpha_bar[below + 1]));
    double part = (log(sigma) - from) / (to - from);
    return below + fmin(fmax(part, 0), 1);
}

/* diffusers rounds the timesteps of Karras sigmas and truncates those of the others.  The 1e-4 is for the first one:
 * it is 999 but for a rounding error, and comes out as 998 there. */
static double whole_timestep(ScheduleType type, double timestep)
{
    if (type == KARRAS) return nearbyint(timestep);
    return fmax(floor(timestep - 1e-4), 0);
}

NoiseLevel schedule_level(const float alpha_bar[TRAIN_TIMESTEPS], ScheduleType type, int whole_timesteps,
                          int i, int steps)
{
    if (!spaces_sigmas(type)) return noise_level_at(alpha_bar, spaced_timestep(type, whole_timesteps, i, steps));
    double sigma = spaced_sigma(alpha_bar, type, i, steps);
    double timestep = sigma_to_timestep(alpha_bar, sigma);
    if (whole_timesteps) timestep = whole_timestep(type, timestep);
    return noise_level(timestep, sigma);
}
