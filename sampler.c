/* sampler.c - noise schedules and samplers.
 *
 *     x = signal clean + noise e,     sigma = noise / signal
 *
 * What the model predicts is solved for the clean picture.  Then every sampler is one weighted sum: of x, this clean picture,
 * those it remembers, and fresh noise.  What differs are the weights.  So there are fewer samplers than names:
 *
 *   - DDIM, Euler and Euler a are one step with more or less fresh noise, over different timesteps;
 *   - DPM++ 2M and DPM++ 2M SDE likewise;
 *   - UniPC of order 2 is DPM++ 2M's step, after x has been corrected by what the model just said of it.
 *
 * Weights are computed in double; x is rounded to float once a step.  The last step of all but DDIM ends without noise. */
#include "sampler.h"

#include <math.h>

/* ---- noise schedules -------------------------------------------------------------------------- */

/* torch.linspace in float32: counted from the nearer end */
static float spaced(float from, float to, int i, int n)
{
    float step = (to - from) / (float)(n - 1);
    return i < n / 2 ? from + step * (float)i : to - step * (float)(n - 1 - i);
}

static float beta(Betas kind, int i)
{
    if (kind == LINEAR) return spaced(0.00085f, 0.012f, i, TRAIN_STEPS);
    float root = spaced((float)sqrt(0.00085), (float)sqrt(0.012), i, TRAIN_STEPS);
    return root * root;
}

void alpha_bars(float alpha_bar[TRAIN_STEPS], Betas betas, int zero_snr)
{
    double product = 1;
    for (int i = 0; i < TRAIN_STEPS; i++) {
        product *= (double)(1 - beta(betas, i));
        alpha_bar[i] = (float)product;
    }
    /* signal_t <- (signal_t - signal_T) signal_0 / (signal_0 - signal_T) */
    double first = sqrt((double)alpha_bar[0]), last = sqrt((double)alpha_bar[TRAIN_STEPS - 1]);
    for (int i = 0; i < TRAIN_STEPS && zero_snr; i++) {
        double signal = (sqrt((double)alpha_bar[i]) - last) * first / (first - last);
        alpha_bar[i] = (float)fmax(signal * signal, 0x1p-24);
    }
}

static double sigma_of(Level l) { return l.noise / l.signal; }

static Level level(double t, double sigma)
{
    double signal = 1 / sqrt(1 + sigma * sigma);
    return (Level){ t, signal, sigma * signal };
}

static double sigma_at(const float *alpha_bar, int t) { return sqrt((1 - (double)alpha_bar[t]) / (double)alpha_bar[t]); }

/* between timesteps, sigma on a straight line */
static Level level_at(const float *alpha_bar, double t)
{
    int below = t < TRAIN_STEPS - 1 ? (int)t : TRAIN_STEPS - 2;
    double from = sigma_at(alpha_bar, below), to = sigma_at(alpha_bar, below + 1);
    return level(t, from + (to - from) * (t - below));
}

/* the timestep of a sigma, log sigma on a straight line between timesteps */
static double time_of(const float *alpha_bar, double sigma)
{
    int below = 0;
    while (below < TRAIN_STEPS - 2 && sigma_at(alpha_bar, below + 1) <= sigma) below++;
    double from = log(sigma_at(alpha_bar, below)), to = log(sigma_at(alpha_bar, below + 1)), part = (log(sigma) - from) / (to - from);
    return below + fmin(fmax(part, 0), 1);
}

/* ---- the methods ------------------------------------------------------------------------------ */

typedef void Step(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n);

/* FRACTIONS: sigmas come first, timesteps may lie between the trained ones.  WHOLE: timesteps come first, and are whole. */
typedef enum { FRACTIONS, WHOLE } Times;

struct Method {
    const char  *name, *alias;
    Step        *step;
    Times        times;
    ScheduleType automatic;
    double       eta;                        /* usual */
    int          takes_eta;
};

typedef struct { double by; const float *of; } Term;

/* out = the sum of the terms, up to the first without an array; out may be among them */
static void mix(float *out, size_t n, const Term *terms)
{
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (const Term *t = terms; t->of; t++) sum += t->by * (double)t->of[k];
        out[k] = (float)sum;
    }
}

static void copy(float *to, const float *from, size_t n)
{
    for (size_t k = 0; k < n; k++) to[k] = from[k];
}

/* x' = signal' clean + sqrt(noise'^2 - up^2) e + up fresh,     up = eta noise'/noise sqrt(1 - (signal/signal')^2)
 * (Song et al., 2021, eq. 12 and 16).  In x / signal this is Euler's step down in sigma, and up again with fresh noise. */
static void euler(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    Level from = s->level[call], to = s->level[call + 1];
    double ratio = from.signal / to.signal, up = s->eta * to.noise / from.noise * sqrt(1 - ratio * ratio);
    double toward = sqrt(fmax(to.noise * to.noise - up * up, 0)) / from.noise;
    mix(x, n, (Term[]){ { toward, x }, { to.signal - toward * from.signal, clean }, { up, fresh }, { 0, NULL } });
}

/* Euler's step, then the same with the mean of the slopes e at both ends:
 * x'/signal' = x/signal + (sigma' - sigma) (e + e')/2     (Karras et al., 2022, alg. 1) */
static void heun(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    int i = call / 2;
    float *begun = s->kept[0], *first = s->kept[1];
    if (call % 2 == 0) {
        copy(begun, x, n);
        copy(first, clean, n);
        euler(s, i, x, clean, fresh, n);
        return;
    }
    Level from = s->level[i], to = s->level[i + 1];
    double half = to.signal * (sigma_of(to) - sigma_of(from)) / 2, a = half / from.noise, b = half / to.noise;
    mix(x, n, (Term[]){ { to.signal / from.signal + a, begun }, { -a * from.signal, first }, { b, x }, { -b * to.signal, clean }, { 0, NULL } });
}

/* log of sigma from level i to the next */
static double stretch(const Sampler *s, int i) { return log(sigma_of(s->level[i]) / sigma_of(s->level[i + 1])); }

/* x' = noise'/noise q^eta x + signal' (1 - q^(1+eta)) D + noise' sqrt(1 - q^(2 eta)) fresh,     q = sigma'/sigma = exp(-h)
 * D = clean + h/(2 h_before) (clean - clean_before), the middle of the step on a straight line   (Lu et al., 2022, 2M) */
static void multistep(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n)
{
    Level from = s->level[i], to = s->level[i + 1];
    float *before = s->kept[0];
    double q = sigma_of(to) / sigma_of(from), ahead = 0, fade = to.noise / from.noise * pow(q, s->eta), gain = to.signal * (1 - pow(q, 1 + s->eta));
    if (s->known && to.noise > 0 && stretch(s, i - 1) > 0) ahead = gain * stretch(s, i) / (2 * stretch(s, i - 1));
    double up = to.noise * sqrt(1 - pow(q, 2 * s->eta));
    if (!s->known) copy(before, clean, n);
    mix(x, n, (Term[]){ { fade, x }, { gain + ahead, clean }, { -ahead, before }, { up, fresh }, { 0, NULL } });
    copy(before, clean, n);
}

/* x at level i once more, from the level before, now that `clean` is known there: UniC of order 1 or 2, B(h) = e^-h - 1   (Zhao et al., 2023) */
static void correct(Sampler *s, int i, float *x, const float *clean, size_t n)
{
    Level from = s->level[i - 1], to = s->level[i];
    const float *begun = s->kept[1], *first = s->kept[0], *before = s->kept[2];
    double h = stretch(s, i - 1), q = exp(-h), gain = to.signal * (1 - q), c_new = 0.5, c_old = 0;
    if (!(h > 0)) return;
    if (s->known > 1 && stretch(s, i - 2) > 0) {         /* c_new + c_old = b1,  c_new + r c_old = b2 */
        double r = -stretch(s, i - 2) / h, phi2 = (q - 1) / -h - 1, phi3 = phi2 / -h - 0.5, b1 = phi2 / (q - 1), b2 = 2 * phi3 / (q - 1);
        c_old = (b1 - b2) / (1 - r);
        c_new = b1 - c_old;
        c_old /= r;
    }
    mix(x, n, (Term[]){ { to.noise / from.noise, begun }, { gain * (1 - c_new - c_old), first }, { gain * c_old, before }, { gain * c_new, clean }, { 0, NULL } });
}

static void unipc(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n)
{
    if (s->known) correct(s, i, x, clean, n);
    copy(s->kept[1], x, n);
    copy(s->kept[2], s->kept[0], s->known ? n : 0);
    multistep(s, i, x, clean, fresh, n);
}

/* to the end, and part of the way back   (Luo et al., 2023); sigma_data 1/2, timesteps scaled by 10 */
static void lcm(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n)
{
    Level to = s->level[i + 1];
    double t = 10 * s->level[i].t, skip = 0.25 / (t * t + 0.25), out = t / sqrt(t * t + 0.25);
    mix(x, n, (Term[]){ { to.signal * skip, x }, { to.signal * out, clean }, { to.noise, fresh }, { 0, NULL } });
}

static const struct Method methods[] = {     /* the first is the default */
    { "DDIM",         "ddim",            euler,     WHOLE,     DDIM_UNIFORM, 0, 1 },
    { "Euler",        "euler",           euler,     FRACTIONS, UNIFORM,      0, 0 },
    { "Euler a",      "euler_ancestral", euler,     FRACTIONS, UNIFORM,      1, 1 },
    { "Heun",         "heun",            heun,      FRACTIONS, UNIFORM,      0, 0 },
    { "DPM++ 2M",     "dpmpp_2m",        multistep, WHOLE,     KARRAS,       0, 0 },
    { "DPM++ 2M SDE", "dpmpp_2m_sde",    multistep, WHOLE,     EXPONENTIAL,  1, 1 },
    { "UniPC",        "uni_pc",          unipc,     WHOLE,     UNIFORM,      0, 0 },
    { "LCM",          "lcm",             lcm,       WHOLE,     LCM_UNIFORM,  1, 0 },
};
enum { METHODS = sizeof methods / sizeof *methods };

/* in the order of ScheduleType */
static const char *const schedules[] = { "Automatic", "Uniform", "Karras", "Exponential", "SGM Uniform", "DDIM", "LCM" };
enum { SCHEDULES = sizeof schedules / sizeof *schedules };

/* ---- names ------------------------------------------------------------------------------------ */

static const char *past_space(const char *s)
{
    while (*s == ' ' || *s == '_' || *s == '-') s++;
    return s;
}

static int plain(int c) { return c == '+' ? 'p' : c >= 'A' && c <= 'Z' ? c + 32 : c; }     /* "DPM++" is "dpmpp" */

/* what follows `name` at the beginning of text, NULL when that is something else */
static const char *after_name(const char *text, const char *name)
{
    for (text = past_space(text); *(name = past_space(name)); text = past_space(text + 1), name++)
        if (plain(*text) != plain(*name)) return NULL;
    return text;
}

int schedule_named(const char *name)
{
    for (int i = 0; i < SCHEDULES; i++) {
        const char *rest = after_name(name, schedules[i]);
        if (rest && !*rest) return i;
    }
    return -1;
}

/* Is text this name, alone or with a schedule type behind it? */
static int is_named(const char *text, const char *name, ScheduleType *type)
{
    const char *rest = after_name(text, name);
    if (!rest || !*rest) return rest != NULL;
    int schedule = schedule_named(rest);
    if (schedule >= 0) *type = (ScheduleType)schedule;
    return schedule >= 0;
}

int sampler_named(const char *name, ScheduleType *type)
{
    for (int i = 0; i < METHODS; i++) if (is_named(name, methods[i].name, type) || is_named(name, methods[i].alias, type)) return i;
    return -1;
}

/* names of the web UI's, Forge's and ComfyUI's samplers and schedule types that are not here, and what is nearest to them */
static const char *const elsewhere[][2] = {
    { "DPM fast", "DPM++ 2M Uniform" }, { "DPM adaptive", "DPM++ 2M Karras" }, { "Restart", "Heun Karras" }, { "DPM++ 2M SDE Heun", "DPM++ 2M SDE" },
    { "DDIM CFG++", "DDIM" }, { "Euler CFG++", "Euler" }, { "Euler a CFG++", "Euler a" }, { "DPM++ 2M CFG++", "DPM++ 2M" }, { "HeunPP2", "Heun" },
    { "Euler Dy", "Euler" }, { "Euler SMEA", "Euler" }, { "Euler SMEA Dy", "Euler" }, { "Euler Max", "Euler" }, { "Euler Negative", "Euler" },
    { "DEIS", "DPM++ 2M Uniform" }, { "TCD", "LCM" }, { "DDPM", "Euler a" }, { "UniPC BH2", "UniPC" },
}, *const types_elsewhere[][2] = {
    { "Turbo", "SGM Uniform" }, { "Polyexponential", "Exponential" },
};

int sampler_nearest(const char *name, ScheduleType *type)
{
    ScheduleType asked = AUTOMATIC;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        if (!is_named(name, elsewhere[i][0], &asked)) continue;
        int method = sampler_named(elsewhere[i][1], type);
        if (asked) *type = asked;
        return method;
    }
    return -1;
}

int schedule_nearest(const char *name)
{
    for (size_t i = 0; i < sizeof types_elsewhere / sizeof *types_elsewhere; i++) {
        const char *rest = after_name(name, types_elsewhere[i][0]);
        if (rest && !*rest) return schedule_named(types_elsewhere[i][1]);
    }
    return -1;
}

const char *sampler_name(int method)      { return method < METHODS ? methods[method].name : NULL; }
const char *schedule_name(int type)       { return type < SCHEDULES ? schedules[type] : NULL; }
int         sampler_takes_eta(int method) { return methods[method].takes_eta; }

/* ---- a run ------------------------------------------------------------------------------------ */

/* how far step i of n is, 0 to 1 */
static double part(int i, int n) { return n > 1 ? (double)i / (n - 1) : 0; }

/* sigma of step i of n, for the two types that space sigmas */
static double spaced_sigma(ScheduleType type, double most, double least, double where)
{
    if (type == EXPONENTIAL) return exp(log(most) + where * (log(least) - log(most)));
    return pow(pow(most, 1 / 7.0) + where * (pow(least, 1 / 7.0) - pow(most, 1 / 7.0)), 7);
}

/* the timestep of step i of n, for those that space timesteps */
static double spaced_time(ScheduleType type, Times times, int i, int n)
{
    enum { LAST = TRAIN_STEPS - 1, LCM_STEPS = 50 };
    switch (type) {
    case DDIM_UNIFORM: return fmin((n - 1 - i) * (TRAIN_STEPS / n) + 1, LAST);          /* of 1000 steps the first stands still */
    case LCM_UNIFORM:  return (LCM_STEPS - (int)(i * ((double)LCM_STEPS / n))) * (TRAIN_STEPS / LCM_STEPS) - 1;
    case SGM_UNIFORM:  return nearbyint(TRAIN_STEPS - i * ((double)TRAIN_STEPS / n)) - 1;
    default:           return times == WHOLE ? nearbyint((n - i) * ((double)LAST / n)) : (double)(float)(LAST * (1 - part(i, n)));
    }
}

static Level level_of_step(const float *alpha_bar, ScheduleType type, Times times, int i, int n)
{
    if (type != KARRAS && type != EXPONENTIAL) return level_at(alpha_bar, spaced_time(type, times, i, n));
    double sigma = spaced_sigma(type, sigma_at(alpha_bar, TRAIN_STEPS - 1), sigma_at(alpha_bar, 0), part(i, n)), t = time_of(alpha_bar, sigma);
    /* diffusers rounds the one and cuts the other; there the first, 999 but for a rounding, comes out as 998 */
    if (times == WHOLE) t = type == KARRAS ? nearbyint(t) : fmax(floor(t - 1e-4), 0);
    return level(t, sigma);
}

ScheduleType sampler_schedule(const SamplerSetup *setup)
{
    ScheduleType own = methods[setup->method].automatic;
    return setup->type == AUTOMATIC || (setup->type == UNIFORM && own >= DDIM_UNIFORM) ? own : setup->type;
}

/* DDIM ends at the first alpha_bar for stills (Stable Diffusion's set_alpha_to_one false), at 1 for clips (AnimateDiff's own setting) */
void sampler_init(Sampler *s, const SamplerSetup *setup)
{
    float alpha_bar[TRAIN_STEPS];
    const struct Method *m = &methods[setup->method];
    int steps = setup->steps, noisy_end = setup->method == 0 && setup->betas == SCALED_LINEAR;
    *s = (Sampler){ .method = m, .steps = steps, .velocity = setup->velocity, .eta = m->takes_eta && setup->eta > 0 ? setup->eta : m->eta };
    alpha_bars(alpha_bar, setup->betas, setup->zero_snr);
    for (int i = 0; i < steps; i++) s->level[i] = level_of_step(alpha_bar, sampler_schedule(setup), m->times, i, steps);
    s->level[steps] = noisy_end ? level_at(alpha_bar, 0) : level(0, 0);
    for (size_t i = 0; i < KEPT; i++) s->kept[i] = setup->memory + i * setup->n;
}

int    sampler_calls(int method, int steps)     { return methods[method].step == heun ? 2 * steps - 1 : steps; }
int    sampler_level(const Sampler *s, int call) { return s->method->step == heun ? (call + 1) / 2 : call; }
double sampler_time(const Sampler *s, int call) { return s->level[sampler_level(s, call)].t; }
int    sampler_draws(const Sampler *s)          { return s->eta > 0; }

/* diffusers: init_noise_sigma, sigma for the samplers that count in sigmas, else 1 */
double sampler_start(const Sampler *s) { return s->method->times == FRACTIONS ? s->level[0].noise : 1; }

/* e = (x - signal clean) / noise,  v = signal e - noise clean */
static void to_clean(const Sampler *s, Level at, const float *x, float *predicted, size_t n)
{
    double x_by = s->velocity ? at.signal : 1 / at.signal, by = s->velocity ? -at.noise : -at.noise / at.signal;
    mix(predicted, n, (Term[]){ { x_by, x }, { by, predicted }, { 0, NULL } });
}

void sampler_step(Sampler *s, int call, float *x, float *predicted, const float *fresh, size_t n)
{
    to_clean(s, s->level[sampler_level(s, call)], x, predicted, n);
    s->method->step(s, call, x, predicted, fresh, n);
    s->known++;
}
