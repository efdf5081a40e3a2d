/* sampler.c - the samplers, on top of the noise schedule and the DDIM step in ddim.c.
 *
 *     x = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps,     sigma = sqrt((1 - alpha_bar) / alpha_bar)
 *
 * sampler_step() turns the model output into the predicted x0.  Then every sampler is a weighted sum of arrays:
 * x, x0, the x0 of earlier steps, and noise.  Samplers differ in the weights only, and many names share one function:
 *
 *   - DDIM, Euler and Euler a are ddim_step() with more or less noise, at other timesteps;
 *   - DPM++ 2M and DPM++ 2M SDE differ in eta; DPM++ 2M SDE Heun is DPM++ 3M SDE with a shorter history;
 *   - UniPC is the step of DPM++ 2M, after a correction of x by what the model predicted for it;
 *   - Heun, DPM2, DPM2 a, DPM++ 2S a and DPM++ SDE call the model twice in a step: they step part of the way with
 *     ddim_step(), and then all the way with what the model predicted there;
 *   - LMS and PLMS go along a weighted sum of the predicted eps of several steps.
 *
 * In the formulas x, x0 and sigma belong to the level where a step begins, x' and sigma' to the level where it ends.
 * Weights are computed in double.  x is rounded to float once in each call.  All samplers but DDIM and PLMS end
 * without noise.
 *
 * Papers: Karras et al., 2022 (EDM); Lu et al., 2022a (DPM-Solver) and 2022b (DPM-Solver++); Liu et al., 2022 (PNDM);
 * Zhao et al., 2023 (UniPC); Luo et al., 2023 (LCM). */
#include "sampler.h"

#include <math.h>

/* x, x0, noise: n values each; noise NULL adds none.  x is overwritten with the next x. */
typedef void Step(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n);

struct Method {
    const char  *name;                       /* the web UI's */
    const char  *alias;                      /* ComfyUI's or diffusers' */
    Step        *step;
    ScheduleType automatic;                  /* the schedule type, unless another one is asked for */
    double       eta;                        /* the default */
    int          takes_eta;                  /* another eta can be asked for */
    int          buffers;                    /* how many arrays of history it keeps between calls */
    int          whole_timesteps;            /* calls the model at whole timesteps only; init_noise_sigma is 1 */
    int          ends_at_first_alpha_bar;    /* stills end at alpha_bar[0], not at 1 (set_alpha_to_one False) */
    int          two_calls;                  /* of the model in each step */
    int          second_call_at_end;         /* the second of two calls is at the end of the step, not in its middle */
    int          noise_in_both_calls;        /* both of two calls add noise, not only the second */
    int          repeats_first_step;         /* the first step is computed twice, with one call each time */
    int          discards_penultimate_sigma; /* one more sigma is computed, and the last one before zero is left out */
};

/* ---- sums ------------------------------------------------------------------------------------- */

typedef struct { double weight; const float *of; } Term;

/* out = the sum of weight * array.  The list ends at the first term whose array is NULL.  The noise of a step is NULL
 * when none is added, so it stands last.  out may be one of the arrays. */
static void weighted_sum(float *out, size_t n, const Term *terms)
{
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (const Term *t = terms; t->of; t++) sum += t->weight * (double)t->of[k];
        out[k] = (float)sum;
    }
}

static void copy(float *to, const float *from, size_t n)
{
    for (size_t k = 0; k < n; k++) to[k] = from[k];
}

/* ---- one call a step: DDIM, Euler, Euler a ---------------------------------------------------- */

/* DDIM (Song et al., 2021, eq. 12 and 16): DDIMScheduler.
 * Euler (Karras et al., 2022): EulerDiscreteScheduler, sample_euler.  It steps along eps in x / sqrt(alpha_bar),
 *     x'/sqrt(alpha_bar') = x/sqrt(alpha_bar) + (sigma' - sigma) eps,
 * which is DDIM's eq. 13 and the same step.
 * Euler a: EulerAncestralDiscreteScheduler, sample_euler_ancestral.  It is the same step with eta 1; the sigma_up and
 * sigma_down of k-diffusion are those of ddim.c, divided by sqrt(alpha_bar'). */
static void euler(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    ddim_step(x, x, x0, noise, n, s->level[i], s->level[i + 1], s->eta);
}

/* ---- two calls a step: Heun, DPM2, DPM2 a, DPM++ 2S a, DPM++ SDE ------------------------------ */

/* The first of two calls: stores x and x0, and steps x to the level of the second call. */
static void first_call(Sampler *s, int i, float *x, const float *x0, size_t n)
{
    copy(s->history[0], x, n);
    copy(s->history[1], x0, n);
    ddim_step(x, x, x0, NULL, n, s->level[i], s->second_level[i], 0);
}

/* Heun (Karras et al., 2022, algorithm 1): HeunDiscreteScheduler, sample_heun.
 * Euler's step, and then the same step with the mean of the eps at its two ends:
 *     x'/sqrt(alpha_bar') = x/sqrt(alpha_bar) + (sigma' - sigma) (eps + eps')/2
 * Each eps is written as (x - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar). */
static void heun(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n)
{
    int i = call / 2;
    (void)noise;
    if (call % 2 == 0) {
        first_call(s, i, x, x0, n);
        return;
    }
    const float *x_begin = s->history[0];
    const float *x0_begin = s->history[1];
    NoiseLevel from = s->level[i];
    NoiseLevel to = s->level[i + 1];
    double half = to.sqrt_alpha_bar * (sigma_of(to) - sigma_of(from)) / 2;
    double begin = half / from.sqrt_one_minus_alpha_bar;
    double end = half / to.sqrt_one_minus_alpha_bar;
    weighted_sum(x, n, (Term[]){
        { to.sqrt_alpha_bar / from.sqrt_alpha_bar + begin, x_begin },
        { -begin * from.sqrt_alpha_bar, x0_begin },
        { end, x },
        { -end * to.sqrt_alpha_bar, x0 },
        { 0, NULL },
    });
}

/* DPM2 (DPM-Solver-2, Lu et al., 2022a, algorithm 1): KDPM2DiscreteScheduler, sample_dpm_2.
 * DPM2 a: KDPM2AncestralDiscreteScheduler, sample_dpm_2_ancestral.
 * The whole step with the eps in the middle:
 *     x'/sqrt(alpha_bar') = x/sqrt(alpha_bar) + (sigma_down/sqrt(alpha_bar') - sigma) eps_middle
 *                           + sigma_up/sqrt(alpha_bar') noise
 * with eps_middle = (x_middle - sqrt(alpha_bar_middle) x0) / sqrt(1 - alpha_bar_middle) */
static void dpm_2(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n)
{
    int i = call / 2;
    if (call % 2 == 0) {
        first_call(s, i, x, x0, n);
        return;
    }
    const float *x_begin = s->history[0];
    NoiseLevel from = s->level[i];
    NoiseLevel middle = s->second_level[i];
    NoiseLevel to = s->level[i + 1];
    double sigma_up = ddim_sigma_up(from, to, s->eta);
    double sigma_down = ddim_sigma_down(from, to, s->eta);
    double x_weight = (sigma_down - to.sqrt_alpha_bar * sigma_of(from)) / middle.sqrt_one_minus_alpha_bar;
    weighted_sum(x, n, (Term[]){
        { to.sqrt_alpha_bar / from.sqrt_alpha_bar, x_begin },
        { x_weight, x },
        { -x_weight * middle.sqrt_alpha_bar, x0 },
        { sigma_up, noise },
        { 0, NULL },
    });
}

/* DPM++ 2S a (DPM-Solver++(2S), Lu et al., 2022b, algorithm 1, with noise): sample_dpmpp_2s_ancestral.
 * The whole step with the x0 in the middle. */
static void dpmpp_2s(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n)
{
    int i = call / 2;
    if (call % 2 == 0) first_call(s, i, x, x0, n);
    else               ddim_step(x, s->history[0], x0, noise, n, s->level[i], s->level[i + 1], s->eta);
}

/* DPM++ SDE (DPM-Solver++ of order 2 with noise): DPMSolverSDEScheduler, sample_dpmpp_sde.
 * As DPM++ 2S a, but the step to the middle adds noise too.  The noise of the whole step is that of its two halves,
 * one path of Brownian motion in sigma:
 *     sqrt(sigma - sigma') noise = sqrt(sigma - sigma_middle) noise_1 + sqrt(sigma_middle - sigma') noise_2 */
static void dpmpp_sde(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n)
{
    int i = call / 2;
    float *x_begin = s->history[0];
    float *noise_begin = s->history[1];
    NoiseLevel from = s->level[i];
    NoiseLevel middle = s->second_level[i];
    NoiseLevel to = s->level[i + 1];
    if (call % 2 == 0) {
        copy(x_begin, x, n);
        if (noise) copy(noise_begin, noise, n);
        ddim_step(x, x, x0, noise, n, from, middle, s->eta);
        return;
    }
    ddim_step(x, x_begin, x0, NULL, n, from, to, s->eta);
    if (!noise) return;
    double sigma_up = ddim_sigma_up(from, to, s->eta);
    double whole = sigma_of(from) - sigma_of(to);
    double half = whole > 0 ? (sigma_of(from) - sigma_of(middle)) / whole : 0;
    weighted_sum(x, n, (Term[]){
        { 1, x },
        { sigma_up * sqrt(half), noise_begin },
        { sigma_up * sqrt(1 - half), noise },
        { 0, NULL },
    });
}

/* ---- one call a step, with the x0 of earlier steps: DPM++ 2M, 2M SDE, 3M SDE, UniPC ------------ */

/* h of step i: by how much lambda = -log(sigma) grows */
static double lambda_step(const Sampler *s, int i)
{
    return log(sigma_of(s->level[i]) / sigma_of(s->level[i + 1]));
}

typedef struct { double x, x0, noise; } Weights;

/* The weights of SDE-DPM-Solver++ of order 1, with q = sigma'/sigma = exp(-h):
 *     x' = sqrt(1 - alpha_bar')/sqrt(1 - alpha_bar) q^eta x + sqrt(alpha_bar') (1 - q^(1 + eta)) x0
 *          + sqrt(1 - alpha_bar') sqrt(1 - q^(2 eta)) noise */
static Weights first_order(NoiseLevel from, NoiseLevel to, double eta)
{
    double q = sigma_of(to) / sigma_of(from);
    return (Weights){
        .x = to.sqrt_one_minus_alpha_bar / from.sqrt_one_minus_alpha_bar * pow(q, eta),
        .x0 = to.sqrt_alpha_bar * (1 - pow(q, 1 + eta)),
        .noise = to.sqrt_one_minus_alpha_bar * sqrt(1 - pow(q, 2 * eta)),
    };
}

/* DPM++ 2M (DPM-Solver++(2M), Lu et al., 2022b, algorithm 2): DPMSolverMultistepScheduler, sample_dpmpp_2m.
 * DPM++ 2M SDE (SDE-DPM-Solver++(2M)): its algorithm_type "sde-dpmsolver++", sample_dpmpp_2m_sde.
 * A step of order 1 with x0 moved to the middle of the step, on a straight line through this x0 and the last one:
 *     D = x0 + h/(2 h_last) (x0 - x0_last) */
static void dpmpp_2m(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    NoiseLevel to = s->level[i + 1];
    float *x0_last = s->history[0];
    Weights w = first_order(s->level[i], to, s->eta);
    double slope = 0;
    if (s->calls_done && to.sqrt_one_minus_alpha_bar > 0 && lambda_step(s, i - 1) > 0)
        slope = w.x0 * lambda_step(s, i) / (2 * lambda_step(s, i - 1));
    if (!s->calls_done) copy(x0_last, x0, n);
    weighted_sum(x, n, (Term[]){
        { w.x, x },
        { w.x0 + slope, x0 },
        { -slope, x0_last },
        { w.noise, noise },
        { 0, NULL },
    });
    copy(x0_last, x0, n);
}

/* DPM++ 3M SDE: sample_dpmpp_3m_sde.  A step of order 1, and x0 follows a parabola through this x0 and the last two.
 * With h times (1 + eta) for h, r_1 = h_last/h and r_2 = h_older/h:
 *     phi_2 = (exp(-h) - 1)/h + 1,                    phi_3 = phi_2/h - 1/2
 *     d_1 = (x0 - x0_last)/r_1,                       d_2 = (x0_last - x0_older)/r_2
 *     x' += sqrt(alpha_bar') (phi_2 d_1 + (phi_2 r_1 - phi_3) (d_1 - d_2)/(r_1 + r_2))
 * The code adds this up as last (x0 - x0_last) + older (x0_older - x0_last).
 * earlier: how many earlier x0 are used, 1 or 2; with 1, (d_1 - d_2) is left out. */
static void dpmpp_3m(Sampler *s, int i, float *x, const float *x0, const float *noise, int earlier, size_t n)
{
    NoiseLevel from = s->level[i];
    NoiseLevel to = s->level[i + 1];
    float *x0_last = s->history[0];
    float *x0_older = s->history[1];
    Weights w = first_order(from, to, s->eta);
    double h = -log(sigma_of(to) / sigma_of(from)) * (1 + s->eta);
    double last = 0;
    double older = 0;
    if (!s->calls_done) copy(x0_last, x0, n);
    if (s->calls_done < 2) copy(x0_older, x0_last, n);
    if (s->calls_done && to.sqrt_one_minus_alpha_bar > 0 && h > 0 && lambda_step(s, i - 1) > 0) {
        double phi_2 = (exp(-h) - 1) / h + 1;
        double phi_3 = phi_2 / h - 0.5;
        double r_1 = lambda_step(s, i - 1) / lambda_step(s, i);
        double r_2 = 0;
        double bend = 0;
        if (earlier > 1 && s->calls_done > 1) r_2 = lambda_step(s, i - 2) / lambda_step(s, i);
        if (r_2 > 0) bend = (phi_2 * r_1 - phi_3) / (r_1 + r_2);
        last = to.sqrt_alpha_bar * (phi_2 + bend) / r_1;
        if (r_2 > 0) older = to.sqrt_alpha_bar * bend / r_2;
    }
    weighted_sum(x, n, (Term[]){
        { w.x, x },
        { w.x0 + last, x0 },
        { -last - older, x0_last },
        { older, x0_older },
        { w.noise, noise },
        { 0, NULL },
    });
    copy(x0_older, x0_last, n);
    copy(x0_last, x0, n);
}

/* DPM++ 2M SDE Heun: DPMSolverMultistepScheduler with algorithm_type "sde-dpmsolver++" and solver_type "heun" */
static void dpmpp_2m_sde_heun(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    dpmpp_3m(s, i, x, x0, noise, 1, n);
}

static void dpmpp_3m_sde(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    dpmpp_3m(s, i, x, x0, noise, 2, n);
}

/* UniC of order 1 or 2, with B(h) = exp(-h) - 1 (Zhao et al., 2023, algorithm 1): UniPCMultistepScheduler,
 * multistep_uni_c_bh_update with solver_type "bh2".  Computes the last step, from level i - 1 to level i, a second
 * time, now that x0 is known at its end.  rho is diffusers' rhos_c, the solution of
 *     rho_1 + rho_c = b_1,     r rho_1 + rho_c = b_2
 *     x' = sqrt(1 - alpha_bar')/sqrt(1 - alpha_bar) x_last + sqrt(alpha_bar') (1 - exp(-h)) D
 *     D  = x0_last + rho_c (x0 - x0_last) + rho_1/r (x0_older - x0_last) */
static void unipc_corrector(Sampler *s, int i, float *x, const float *x0, size_t n)
{
    NoiseLevel from = s->level[i - 1];
    NoiseLevel to = s->level[i];
    const float *x0_last = s->history[0];
    const float *x_last = s->history[1];
    const float *x0_older = s->history[2];
    double h = lambda_step(s, i - 1);
    double q = exp(-h);
    double gain = to.sqrt_alpha_bar * (1 - q);
    double c_new = 0.5;                      /* rho_c */
    double c_older = 0;                      /* rho_1/r */
    if (!(h > 0)) return;
    if (s->calls_done > 1 && lambda_step(s, i - 2) > 0) {
        double r = -lambda_step(s, i - 2) / h;
        double phi_2 = (q - 1) / -h - 1;
        double phi_3 = phi_2 / -h - 0.5;
        double b_1 = phi_2 / (q - 1);
        double b_2 = 2 * phi_3 / (q - 1);
        double rho_1 = (b_1 - b_2) / (1 - r);
        c_new = b_1 - rho_1;
        c_older = rho_1 / r;
    }
    weighted_sum(x, n, (Term[]){
        { to.sqrt_one_minus_alpha_bar / from.sqrt_one_minus_alpha_bar, x_last },
        { gain * (1 - c_new - c_older), x0_last },
        { gain * c_older, x0_older },
        { gain * c_new, x0 },
        { 0, NULL },
    });
}

/* UniPC of order 2: the predictor UniP-2 is the step of DPM++ 2M. */
static void unipc(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    float *x0_last = s->history[0];
    float *x_last = s->history[1];
    float *x0_older = s->history[2];
    if (s->calls_done) unipc_corrector(s, i, x, x0, n);
    copy(x_last, x, n);
    if (s->calls_done) copy(x0_older, x0_last, n);
    dpmpp_2m(s, i, x, x0, noise, n);
}

/* ---- latent consistency models ---------------------------------------------------------------- */

/* LCM (Luo et al., 2023, algorithm 3): LCMScheduler.  The consistency function goes all the way to x0, and then
 * noise is added for the next level.  sigma_data is 1/2 and timesteps are scaled by 10:
 *     c_skip = sigma_data^2/(t^2 + sigma_data^2),     c_out = t/sqrt(t^2 + sigma_data^2) */
static void lcm(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    NoiseLevel to = s->level[i + 1];
    double t = 10 * s->level[i].timestep;
    double c_skip = 0.25 / (t * t + 0.25);
    double c_out = t / sqrt(t * t + 0.25);
    weighted_sum(x, n, (Term[]){
        { to.sqrt_alpha_bar * c_skip, x },
        { to.sqrt_alpha_bar * c_out, x0 },
        { to.sqrt_one_minus_alpha_bar, noise },
        { 0, NULL },
    });
}

/* ---- along the eps of several steps: LMS, PLMS ------------------------------------------------ */

/* x'/sqrt(alpha_bar') = x_begin/sqrt(alpha_bar) + sum over j of weight[j] eps_(i-j)
 * eps_i = (x - sqrt(alpha_bar_at) x0) / sqrt(1 - alpha_bar_at), of x at level `at`, is the i-th of the run.  It is
 * stored for later steps in history[i % SAMPLER_BUFFERS].  In this sum x and x0 are used instead, because the first x
 * holds very little of x0, and an eps rounded to float would lose it. */
static void linear_multistep(Sampler *s, int i, NoiseLevel at, NoiseLevel from, NoiseLevel to,
                             const double weight[SAMPLER_BUFFERS], const float *x_begin,
                             float *x, const float *x0, size_t n)
{
    double x_weight = to.sqrt_alpha_bar * weight[0] / at.sqrt_one_minus_alpha_bar;
    Term terms[SAMPLER_BUFFERS + 3] = {
        { to.sqrt_alpha_bar / from.sqrt_alpha_bar, x_begin },
        { x_weight, x },
        { -x_weight * at.sqrt_alpha_bar, x0 },
    };
    for (int j = 1; j < SAMPLER_BUFFERS && weight[j] != 0; j++)
        terms[j + 2] = (Term){ to.sqrt_alpha_bar * weight[j], s->history[(i - j) % SAMPLER_BUFFERS] };
    weighted_sum(s->history[i % SAMPLER_BUFFERS], n, (Term[]){
        { 1 / at.sqrt_one_minus_alpha_bar, x },
        { -at.sqrt_alpha_bar / at.sqrt_one_minus_alpha_bar, x0 },
        { 0, NULL },
    });
    weighted_sum(x, n, terms);
}

/* The Lagrange polynomial that is 1 at the sigma of step i - j and 0 at those of the other `order` steps */
static double lagrange(const Sampler *s, int i, int j, int order, double sigma)
{
    double product = 1;
    for (int k = 0; k < order; k++) {
        double other = sigma_of(s->level[i - k]);
        if (k != j) product *= (sigma - other) / (sigma_of(s->level[i - j]) - other);
    }
    return product;
}

/* get_lms_coefficient, linear_multistep_coeff: the integral of this polynomial from sigma to sigma'.  It is of degree 3
 * at most, so the Gauss-Legendre rule with two points is exact. */
static double lms_coefficient(const Sampler *s, int i, int j, int order)
{
    double from = sigma_of(s->level[i]);
    double to = sigma_of(s->level[i + 1]);
    double sum = 0;
    for (int side = -1; side <= 1; side += 2) {
        double sigma = (from + to) / 2 + side * (to - from) / (2 * sqrt(3));
        sum += lagrange(s, i, j, order, sigma) * (to - from) / 2;
    }
    return sum;
}

/* LMS of order 4 (Karras' ODE by a linear multistep method): LMSDiscreteScheduler, sample_lms.
 * The integral over sigma of the polynomial through the latest eps. */
static void lms(Sampler *s, int i, float *x, const float *x0, const float *noise, size_t n)
{
    NoiseLevel from = s->level[i];
    int order = 1;
    double weight[SAMPLER_BUFFERS] = { 0 };
    (void)noise;
    while (order < SAMPLER_BUFFERS && order <= s->calls_done && lambda_step(s, i - order) > 0) order++;
    for (int j = 0; j < order; j++) weight[j] = lms_coefficient(s, i, j, order);
    linear_multistep(s, i, from, from, s->level[i + 1], weight, x, x, x0, n);
}

/* PLMS (Liu et al., 2022, eq. 12): PNDMScheduler with skip_prk_steps.  DDIM's step with a weighted mean of eps.
 * The first step is computed twice: the second time from its beginning, with the mean of the eps at its two ends. */
static void plms(Sampler *s, int call, float *x, const float *x0, const float *noise, size_t n)
{
    static const double adams_bashforth[][SAMPLER_BUFFERS] = {
        { 1 },
        { 1 / 2.0, 1 / 2.0 },            /* the first step, the second time */
        { 3 / 2.0, -1 / 2.0 },
        { 23 / 12.0, -16 / 12.0, 5 / 12.0 },
        { 55 / 24.0, -59 / 24.0, 37 / 24.0, -9 / 24.0 },
    };
    int row = s->calls_done < SAMPLER_BUFFERS ? s->calls_done : SAMPLER_BUFFERS;
    int i = s->calls_done > 0 ? call - 1 : call;                        /* the step */
    int nth = s->calls_done > 1 ? s->calls_done - 1 : s->calls_done;    /* the number of this eps */
    NoiseLevel at = sampler_level(s, call);
    NoiseLevel from = s->level[i];
    NoiseLevel to = s->level[i + 1];
    float *x_first = s->history[SAMPLER_BUFFERS - 1];
    double weight[SAMPLER_BUFFERS];
    (void)noise;
    if (!(at.sqrt_one_minus_alpha_bar > 0)) return;     /* the first step was the only one: x has no noise any more */
    if (s->calls_done == 0) copy(x_first, x, n);
    for (int j = 0; j < SAMPLER_BUFFERS; j++) weight[j] = adams_bashforth[row][j] * (sigma_of(to) - sigma_of(from));
    linear_multistep(s, nth, at, from, to, weight, s->calls_done == 1 ? x_first : x, x, x0, n);
}

/* ---- the methods ------------------------------------------------------------------------------ */

static const struct Method methods[] = {     /* the first is the default */
    { .name = "DDIM", .alias = "ddim", .step = euler, .automatic = DDIM_UNIFORM,
      .takes_eta = 1, .whole_timesteps = 1, .ends_at_first_alpha_bar = 1 },
    { .name = "Euler", .alias = "euler", .step = euler, .automatic = UNIFORM },
    { .name = "Euler a", .alias = "euler_ancestral", .step = euler, .automatic = UNIFORM,
      .eta = 1, .takes_eta = 1 },
    { .name = "Heun", .alias = "heun", .step = heun, .buffers = 2, .automatic = UNIFORM,
      .two_calls = 1, .second_call_at_end = 1 },
    { .name = "LMS", .alias = "lms", .step = lms, .buffers = 4, .automatic = UNIFORM },
    { .name = "PLMS", .alias = "pndm", .step = plms, .buffers = 4, .automatic = DDIM_UNIFORM,
      .whole_timesteps = 1, .ends_at_first_alpha_bar = 1, .repeats_first_step = 1 },
    { .name = "DPM2", .alias = "dpm_2", .step = dpm_2, .buffers = 2, .automatic = KARRAS,
      .two_calls = 1, .discards_penultimate_sigma = 1 },
    { .name = "DPM2 a", .alias = "dpm_2_ancestral", .step = dpm_2, .buffers = 2, .automatic = KARRAS,
      .eta = 1, .takes_eta = 1, .two_calls = 1, .discards_penultimate_sigma = 1 },
    { .name = "DPM++ 2M", .alias = "dpmpp_2m", .step = dpmpp_2m, .buffers = 1, .automatic = KARRAS,
      .whole_timesteps = 1 },
    { .name = "DPM++ 2M SDE", .alias = "dpmpp_2m_sde", .step = dpmpp_2m, .buffers = 1, .automatic = EXPONENTIAL,
      .eta = 1, .takes_eta = 1, .whole_timesteps = 1 },
    { .name = "DPM++ 2M SDE Heun", .alias = "dpmpp_2m_sde_heun", .step = dpmpp_2m_sde_heun, .buffers = 2,
      .automatic = EXPONENTIAL, .eta = 1, .takes_eta = 1, .whole_timesteps = 1 },
    { .name = "DPM++ 2S a", .alias = "dpmpp_2s_ancestral", .step = dpmpp_2s, .buffers = 2, .automatic = KARRAS,
      .eta = 1, .takes_eta = 1, .two_calls = 1 },
    { .name = "DPM++ SDE", .alias = "dpmpp_sde", .step = dpmpp_sde, .buffers = 2, .automatic = KARRAS,
      .eta = 1, .takes_eta = 1, .two_calls = 1, .noise_in_both_calls = 1 },
    { .name = "DPM++ 3M SDE", .alias = "dpmpp_3m_sde", .step = dpmpp_3m_sde, .buffers = 2, .automatic = EXPONENTIAL,
      .eta = 1, .takes_eta = 1, .discards_penultimate_sigma = 1 },
    { .name = "UniPC", .alias = "uni_pc", .step = unipc, .buffers = 3, .automatic = UNIFORM,
      .whole_timesteps = 1 },
    { .name = "LCM", .alias = "lcm", .step = lcm, .automatic = LCM_UNIFORM,
      .eta = 1, .whole_timesteps = 1 },
};
enum { METHODS = sizeof methods / sizeof *methods };

/* Is text this name, alone or with a schedule type behind it? */
static int is_named(const char *text, const char *name, ScheduleType *type)
{
    const char *rest = text_after_name(text, name);
    if (!rest) return 0;
    if (!*rest) return 1;
    int schedule = schedule_named(rest);
    if (schedule < 0) return 0;
    *type = (ScheduleType)schedule;
    return 1;
}

int sampler_named(const char *name, ScheduleType *type)
{
    for (int i = 0; i < METHODS; i++)
        if (is_named(name, methods[i].name, type) || is_named(name, methods[i].alias, type)) return i;
    return -1;
}

const char *sampler_name(int method) { return method < METHODS ? methods[method].name : NULL; }

const char *sampler_alias(int method) { return methods[method].alias; }

int sampler_takes_eta(int method) { return methods[method].takes_eta; }

int sampler_buffers(int method) { return methods[method].buffers; }

/* ---- a run ------------------------------------------------------------------------------------ */

/* DDIM, PLMS and LCM have an even spacing of their own, and use it for UNIFORM too. */
ScheduleType sampler_schedule(const SamplerSetup *setup)
{
    ScheduleType automatic = methods[setup->method].automatic;
    if (setup->type == AUTOMATIC) return automatic;
    if (setup->type == UNIFORM && schedule_is_own_spacing(automatic)) return automatic;
    return setup->type;
}

static double chosen_eta(const struct Method *m, double eta)
{
    int has_eta = eta > 0 || eta < 0;
    if (!m->takes_eta || !has_eta) return m->eta;
    return fmax(eta, 0);
}

/* The level of x in the second of two calls: the end of the step, or its middle in log(sigma).  The middle lies between
 * sigma and sigma' for DPM++ SDE, and between sigma and sigma_down for the others.  A step that ends without noise has
 * no second call. */
static NoiseLevel level_of_second_call(const float *alpha_bar, const struct Method *m, double eta,
                                       NoiseLevel from, NoiseLevel to)
{
    if (m->second_call_at_end || !(to.sqrt_one_minus_alpha_bar > 0)) return to;
    double sigma_down = ddim_sigma_down(from, to, m->noise_in_both_calls ? 0 : eta);
    double sigma = sqrt(sigma_of(from) * sigma_down / to.sqrt_alpha_bar);
    return noise_level(sigma_to_timestep(alpha_bar, sigma), sigma);
}

void sampler_init(Sampler *s, const SamplerSetup *setup)
{
    float alpha_bar[TRAIN_TIMESTEPS];
    const struct Method *m = &methods[setup->method];
    ScheduleType type = sampler_schedule(setup);
    int steps = setup->steps;
    int computed = m->discards_penultimate_sigma ? steps + 1 : steps;
    int still = setup->betas == SCALED_LINEAR;
    *s = (Sampler){ .method = m, .v_prediction = setup->v_prediction, .eta = chosen_eta(m, setup->eta) };
    alpha_bars(alpha_bar, setup->betas, setup->zero_snr);
    for (int i = 0; i < steps; i++)
        s->level[i] = schedule_level(alpha_bar, type, m->whole_timesteps, i, computed);
    s->level[steps] = ddim_final_level(alpha_bar, !(m->ends_at_first_alpha_bar && still));
    if (m->two_calls)
        for (int i = 0; i < steps; i++)
            s->second_level[i] = level_of_second_call(alpha_bar, m, s->eta, s->level[i], s->level[i + 1]);
    for (size_t i = 0; i < SAMPLER_BUFFERS; i++) s->history[i] = setup->memory + i * setup->n;
}

int sampler_calls_twice(int method) { return methods[method].two_calls; }

int sampler_calls(int method, int steps)
{
    if (methods[method].two_calls) return 2 * steps - 1;
    if (methods[method].repeats_first_step) return steps + 1;
    return steps;
}

NoiseLevel sampler_level(const Sampler *s, int call)
{
    int repeated = s->method->repeats_first_step && s->calls_done > 1;
    if (!s->method->two_calls) return s->level[repeated ? call - 1 : call];
    return call % 2 ? s->second_level[call / 2] : s->level[call / 2];
}

double sampler_timestep(const Sampler *s, int call) { return sampler_level(s, call).timestep; }

double sampler_init_noise_sigma(const Sampler *s)
{
    return s->method->whole_timesteps ? 1 : s->level[0].sqrt_one_minus_alpha_bar;
}

/* The first of two calls in a step adds no noise, except for DPM++ SDE. */
int sampler_needs_noise(const Sampler *s, int call)
{
    int first_of_two = s->method->two_calls && call % 2 == 0;
    if (first_of_two && !s->method->noise_in_both_calls) return 0;
    return s->eta > 0;
}

void sampler_step(Sampler *s, int call, float *x, float *model_output, const float *noise, size_t n)
{
    predict_x0(model_output, x, n, sampler_level(s, call), s->v_prediction);
    const float *x0 = model_output;
    s->method->step(s, call, x, x0, noise, n);
    s->calls_done++;
}
