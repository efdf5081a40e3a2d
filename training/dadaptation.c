/* dadaptation.c - optimizers that find the learning rate themselves.
 *
 * The best learning rate is in proportion to D, how far the solution is from the start.  Nobody knows D, but the
 * gradients bound it from below: while every gradient still points the way that the parameters have gone, the solution
 * must be further on.  Each of these optimizers begins with a D that is far too small (d0), and raises it to
 *
 *     d_hat = numerator / denominator        numerator:   how far the gradients agree with the way gone
 *                                            denominator: the length of the sum of the gradients, s
 *
 * Prodigy measures the way gone by itself, p0 - p; D-Adaptation by the sum s of the gradients.
 *
 * One step walks over all tensors twice: first the moments and the two sums, then, with the new d, the parameters.
 * Sums are taken in float64, tensor by tensor in their order, so the threads, which share out whole tensors, change
 * nothing.  As in the references, nothing moves while there has been no gradient at all. */
#include "dadaptation.h"

#include "lion.h"

#include <math.h>

#ifndef _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wunused-parameter"      /* threads */
#endif

/* What one tensor adds to the estimate. */
typedef struct { double numerator, denominator; } Sums;

/* One step: the optimizer's arguments, and what is the same for all tensors. */
typedef struct {
    const OptimizerArgs *args;
    double lr;                           /* the one rate of all tensors that move */
    double d;                            /* as it was before the step */
    double dlr;                          /* d lr, with the bias correction */
    double beta3;                        /* how s is averaged; sqrt(beta2) unless asked otherwise */
} Step;

static double largest_rate(const OptimizerTensor *t, size_t tensors)
{
    double lr = 0;
    for (size_t i = 0; i < tensors; i++) lr = fmax(lr, t[i].lr);
    return lr;
}

/* bias_correction = sqrt(1 - beta2^(k+1)) / (1 - beta1^(k+1)) */
static double bias_correction(const OptimizerArgs *args, double steps)
{
    if (!args->use_bias_correction) return 1;
    return sqrt(1 - pow(args->beta2, steps + 1)) / (1 - pow(args->beta1, steps + 1));
}

static Step step_of(const OptimizerTensor *t, size_t tensors, const DEstimate *e, const OptimizerArgs *args)
{
    Step s = { .args = args, .lr = largest_rate(t, tensors), .d = e->d };
    s.dlr = e->d * s.lr * bias_correction(args, e->steps);
    s.beta3 = args->beta3 > 0 ? args->beta3 : sqrt(args->beta2);
    return s;
}

/* The gradient with coupled weight decay: grad += weight_decay p.  With decoupled decay it stays as it is. */
static float gradient_at(const Step *s, const OptimizerTensor *t, size_t i)
{
    double decay = s->args->decouple ? 0 : s->args->weight_decay;
    return t->d[i] + (float)decay * t->x[i];
}

/* Decoupled weight decay: p -= weight_decay dlr p. */
static void decay_weights(const Step *s, const OptimizerTensor *t)
{
    float factor = (float)(s->args->weight_decay * s->dlr);
    if (!s->args->decouple) return;
    for (size_t i = 0; i < t->count; i++) t->x[i] -= factor * t->x[i];
}

/* What one tensor does before the estimate: it brings its moments up to date, and returns what it adds to the sums. */
typedef Sums (*Part)(const Step *s, const OptimizerTensor *t, const DState *state);

static Sums sum_over(Arena *a, const Step *s, const OptimizerTensor *t, const DState *state, size_t tensors, Part part,
                     int threads)
{
    size_t before = mark(a);
    Sums *of = allocate(a, tensors, sizeof *of);
    Sums all = { 0 };
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < tensors; i++) {
        of[i] = (Sums){ 0 };
        if (t[i].lr > 0) of[i] = part(s, &t[i], &state[i]);
    }
    for (size_t i = 0; i < tensors; i++) {
        all.numerator += of[i].numerator;
        all.denominator += of[i].denominator;
    }
    release(a, before);
    return all;
}

/* ---- Prodigy ----------------------------------------------------------------------------------- */

/* delta_numerator += (d / d0) dlr <grad, p0 - p>
 * exp_avg = beta1 exp_avg + d (1 - beta1) grad
 * exp_avg_sq = beta2 exp_avg_sq + d^2 (1 - beta2) grad^2
 * s = beta3 s + (d / d0) dlr grad               safeguard_warmup: d for dlr, which is small during warm-up
 * d_denom += |s| */
static Sums prodigy_moments(const Step *s, const OptimizerTensor *t, const DState *state)
{
    const OptimizerArgs *args = s->args;
    double scale = s->d / args->d0;
    float beta1 = (float)args->beta1;
    float beta2 = (float)args->beta2;
    float beta3 = (float)s->beta3;
    float rest1 = (float)(s->d * (1 - args->beta1));
    float rest2 = (float)(s->d * s->d * (1 - args->beta2));
    float rest3 = (float)(scale * (args->safeguard_warmup ? s->d : s->dlr));
    Sums sums = { 0 };
    for (size_t i = 0; i < t->count; i++) {
        float g = gradient_at(s, t, i);
        sums.numerator += (double)g * ((double)state->p0[i] - (double)t->x[i]);
        state->exp_avg[i] = beta1 * state->exp_avg[i] + rest1 * g;
        state->exp_avg_sq[i] = beta2 * state->exp_avg_sq[i] + rest2 * g * g;
        state->s[i] = beta3 * state->s[i] + rest3 * g;
        sums.denominator += fabs((double)state->s[i]);
    }
    sums.numerator *= scale * s->dlr;
    return sums;
}

/* d_hat = d_coef numerator / denominator
 * if d == d0: d = max(d, d_hat)
 * d_max = max(d_max, d_hat);  d = min(d_max, d growth_rate) */
static void prodigy_estimate(DEstimate *e, const OptimizerArgs *args, double numerator, double denominator)
{
    double d_hat = args->d_coef * numerator / denominator;
    int is_first = e->d <= args->d0;
    e->numerator = numerator;
    if (is_first) e->d = fmax(e->d, d_hat);
    e->d_max = fmax(e->d_max, d_hat);
    e->d = fmin(e->d_max, e->d * args->growth_rate);
}

/* p -= dlr exp_avg / (sqrt(exp_avg_sq) + d eps): dlr with the d before the step, eps with the one after it */
static void prodigy_move(const Step *s, const OptimizerTensor *t, const DState *state, double d)
{
    float eps = (float)(d * s->args->eps);
    float dlr = (float)s->dlr;
    decay_weights(s, t);
    for (size_t i = 0; i < t->count; i++) t->x[i] -= dlr * state->exp_avg[i] / (sqrtf(state->exp_avg_sq[i]) + eps);
}

void prodigy_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                  const OptimizerArgs *args, int threads)
{
    Step s = step_of(t, tensors, e, args);
    Sums sums = sum_over(a, &s, t, state, tensors, prodigy_moments, threads);
    if (!(sums.denominator > 0)) return;
    prodigy_estimate(e, args, s.beta3 * e->numerator + sums.numerator, sums.denominator);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < tensors; i++)
        if (t[i].lr > 0) prodigy_move(&s, &t[i], &state[i], e->d);
    e->steps++;
}

/* ---- D-Adaptation ------------------------------------------------------------------------------ */

/* numerator_weighted = beta3 numerator_weighted + (1 - beta3) numerator_acum
 * d_hat = numerator_weighted / ((1 - beta3) sk_l1);  d = max(d, min(d_hat, d growth_rate))
 * Returns 0 when there has been no gradient: then nothing counts. */
static int dadapt_estimate(DEstimate *e, const Step *s, Sums sums)
{
    double numerator = s->beta3 * e->numerator + (1 - s->beta3) * sums.numerator;
    if (!(sums.denominator > 0)) return 0;
    double d_hat = numerator / ((1 - s->beta3) * sums.denominator);
    e->numerator = numerator;
    e->d = fmax(e->d, fmin(d_hat, e->d * s->args->growth_rate));
    e->steps++;
    return 1;
}

/* numerator_acum += dlr <grad, s / (sqrt(exp_avg_sq) + eps)>       with s and exp_avg_sq of the step before
 * exp_avg = beta1 exp_avg + dlr (1 - beta1) grad
 * exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) grad^2
 * s = beta3 s + dlr (1 - beta3) grad;  sk_l1 += |s| */
static Sums dadapt_adam_moments(const Step *s, const OptimizerTensor *t, const DState *state)
{
    const OptimizerArgs *args = s->args;
    float beta1 = (float)args->beta1;
    float beta2 = (float)args->beta2;
    float beta3 = (float)s->beta3;
    float rest1 = (float)(s->dlr * (1 - args->beta1));
    float rest2 = (float)(1 - args->beta2);
    float rest3 = (float)(s->dlr * (1 - s->beta3));
    float eps = (float)args->eps;
    Sums sums = { 0 };
    for (size_t i = 0; i < t->count; i++) {
        float g = gradient_at(s, t, i);
        sums.numerator += (double)g * (double)(state->s[i] / (sqrtf(state->exp_avg_sq[i]) + eps));
        state->exp_avg[i] = beta1 * state->exp_avg[i] + rest1 * g;
        state->exp_avg_sq[i] = beta2 * state->exp_avg_sq[i] + rest2 * g * g;
        state->s[i] = beta3 * state->s[i] + rest3 * g;
        sums.denominator += fabs((double)state->s[i]);
    }
    sums.numerator *= s->dlr;
    return sums;
}

/* p -= exp_avg / (sqrt(exp_avg_sq) + eps): the rate is in exp_avg */
static void dadapt_adam_move(const Step *s, const OptimizerTensor *t, const DState *state)
{
    float eps = (float)s->args->eps;
    decay_weights(s, t);
    for (size_t i = 0; i < t->count; i++) t->x[i] -= state->exp_avg[i] / (sqrtf(state->exp_avg_sq[i]) + eps);
}

void dadapt_adam_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                      const OptimizerArgs *args, int threads)
{
    Step s = step_of(t, tensors, e, args);
    Sums sums = sum_over(a, &s, t, state, tensors, dadapt_adam_moments, threads);
    if (!dadapt_estimate(e, &s, sums)) return;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < tensors; i++)
        if (t[i].lr > 0) dadapt_adam_move(&s, &t[i], &state[i]);
}

/* p *= 1 - dlr weight_decay;  u = sign(beta1 exp_avg + (1 - beta1) grad);  p -= dlr u
 * exp_avg = beta2 exp_avg + dlr (1 - beta2) grad
 * numerator_acum += dlr <u, s>                                      with s of the step before
 * s = beta3 s + dlr (1 - beta3) u;  sk_l1 += |s|
 * So p has moved before the new d is known. */
static Sums dadapt_lion_move(const Step *s, const OptimizerTensor *t, const DState *state)
{
    const OptimizerArgs *args = s->args;
    float keep = (float)(1 - s->dlr * args->weight_decay);
    float beta1 = (float)args->beta1;
    float beta2 = (float)args->beta2;
    float beta3 = (float)s->beta3;
    float rest1 = (float)(1 - args->beta1);
    float rest2 = (float)(s->dlr * (1 - args->beta2));
    float rest3 = (float)(s->dlr * (1 - s->beta3));
    float dlr = (float)s->dlr;
    Sums sums = { 0 };
    for (size_t i = 0; i < t->count; i++) {
        float g = t->d[i];
        float u = sign(beta1 * state->exp_avg[i] + rest1 * g);
        t->x[i] = t->x[i] * keep - dlr * u;
        state->exp_avg[i] = beta2 * state->exp_avg[i] + rest2 * g;
        sums.numerator += (double)u * (double)state->s[i];
        state->s[i] = beta3 * state->s[i] + rest3 * u;
        sums.denominator += fabs((double)state->s[i]);
    }
    sums.numerator *= s->dlr;
    return sums;
}

void dadapt_lion_step(Arena *a, const OptimizerTensor *t, const DState *state, size_t tensors, DEstimate *e,
                      const OptimizerArgs *args, int threads)
{
    Step s = step_of(t, tensors, e, args);
    Sums sums = sum_over(a, &s, t, state, tensors, dadapt_lion_move, threads);
    dadapt_estimate(e, &s, sums);
}
