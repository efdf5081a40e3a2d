/* sampler.c - noise schedules and samplers.
 *
 *     x = signal clean + noise e,     sigma = noise / signal
 *
 * What the model predicts is solved for the clean picture.  Then every sampler is one weighted sum: of x, this clean picture,
 * those it remembers, and fresh noise.  What differs are the weights.  So there are fewer samplers than names:
 *
 *   - DDIM, Euler and Euler a are one step with more or less fresh noise, over different timesteps;
 *   - DPM++ 2M and DPM++ 2M SDE likewise; DPM++ 2M SDE Heun is DPM++ 3M SDE with one picture less to look back on;
 *   - UniPC of order 2 is DPM++ 2M's step, after x has been corrected by what the model just said of it;
 *   - Heun, DPM2, DPM2 a, DPM++ 2S a and DPM++ SDE ask twice in a step: Euler's step part of the way, and the whole way by what was seen there;
 *   - LMS and PLMS go along the slopes e of several steps.
 *
 * Weights are computed in double; x is rounded to float once a step.  The last step of all but DDIM and PLMS ends without noise. */
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

typedef enum { ONCE, TWICE, ONE_MORE } Calls;        /* of the model, in each step; ONE_MORE: in the first */

struct Method {
    const char  *name, *alias;
    Step        *step;
    Times        times;
    ScheduleType automatic;
    double       eta;                        /* usual */
    int          takes_eta;
    Calls        calls;
    int          jumps;                      /* the schedule is of one step more, and the last level but the end left out (web UI: discard_next_to_last_sigma) */
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

/* the noise that a step brings: eta noise'/noise sqrt(1 - (signal/signal')^2) */
static double up_of(Level from, Level to, double eta)
{
    double ratio = from.signal / to.signal;
    return eta * to.noise / from.noise * sqrt(fmax(1 - ratio * ratio, 0));
}

/* and what is left of that of x: sqrt(noise'^2 - up^2) */
static double down_of(Level from, Level to, double eta)
{
    double up = up_of(from, to, eta);
    return sqrt(fmax(to.noise * to.noise - up * up, 0));
}

/* x' = signal' clean + down e + up fresh     (Song et al., 2021, eq. 12 and 16)
 * In x / signal this is Euler's step down in sigma, and up again with fresh noise. */
static void go(float *to_x, Level from, Level to, double eta, const float *x, const float *clean, const float *fresh, size_t n)
{
    double toward = down_of(from, to, eta) / from.noise;
    mix(to_x, n, (Term[]){ { toward, x }, { to.signal - toward * from.signal, clean }, { up_of(from, to, eta), fresh }, { 0, NULL } });
}

static void euler(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n)
{
    go(x, s->level[i], s->level[i + 1], s->eta, x, clean, fresh, n);
}

/* The first call of two: what the second will want is kept, and x goes to where it looks. */
static void set_out(Sampler *s, int i, float *x, const float *clean, size_t n)
{
    copy(s->kept[0], x, n);
    copy(s->kept[1], clean, n);
    go(x, s->level[i], s->middle[i], 0, x, clean, NULL, n);
}

/* Euler's step, then the same with the mean of the slopes e at both ends:
 * x'/signal' = x/signal + (sigma' - sigma) (e + e')/2     (Karras et al., 2022, alg. 1) */
static void heun(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    int i = call / 2;
    float *begun = s->kept[0], *first = s->kept[1];
    (void)fresh;
    if (call % 2 == 0) { set_out(s, i, x, clean, n); return; }
    Level from = s->level[i], to = s->level[i + 1];
    double half = to.signal * (sigma_of(to) - sigma_of(from)) / 2, a = half / from.noise, b = half / to.noise;
    mix(x, n, (Term[]){ { to.signal / from.signal + a, begun }, { -a * from.signal, first }, { b, x }, { -b * to.signal, clean }, { 0, NULL } });
}

/* DPM2, DPM2 a: by the slope in the middle, x'/signal' = x/signal + (down/signal' - sigma) e_middle + up/signal' fresh     (Lu et al., 2022a) */
static void midpoint(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    int i = call / 2;
    if (call % 2 == 0) { set_out(s, i, x, clean, n); return; }
    Level from = s->level[i], at = s->middle[i], to = s->level[i + 1];
    double slope = (down_of(from, to, s->eta) - to.signal * sigma_of(from)) / at.noise;
    mix(x, n, (Term[]){ { to.signal / from.signal, s->kept[0] }, { slope, x }, { -slope * at.signal, clean }, { up_of(from, to, s->eta), fresh }, { 0, NULL } });
}

/* DPM++ 2S a: by the clean picture as it looks from the middle     (Lu et al., 2022b, alg. 1, with fresh noise) */
static void singlestep(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    int i = call / 2;
    if (call % 2 == 0) set_out(s, i, x, clean, n);
    else go(x, s->level[i], s->level[i + 1], s->eta, s->kept[0], clean, fresh, n);
}

/* DPM++ SDE: the same, with fresh noise on the way to the middle too.  The whole step's noise is that of both its halves, one path of
 * Brownian motion in sigma:  sqrt(sigma - sigma') fresh = sqrt(sigma - sigma_middle) first + sqrt(sigma_middle - sigma') second */
static void twofold(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    int i = call / 2;
    Level from = s->level[i], at = s->middle[i], to = s->level[i + 1];
    float *begun = s->kept[0], *first = s->kept[1];
    if (call % 2 == 0) {
        copy(begun, x, n);
        if (fresh) copy(first, fresh, n);
        go(x, from, at, s->eta, x, clean, fresh, n);
        return;
    }
    double whole = sigma_of(from) - sigma_of(to), half = whole > 0 ? (sigma_of(from) - sigma_of(at)) / whole : 0, up = up_of(from, to, s->eta);
    go(x, from, to, s->eta, begun, clean, NULL, n);
    if (fresh) mix(x, n, (Term[]){ { 1, x }, { up * sqrt(half), first }, { up * sqrt(1 - half), fresh }, { 0, NULL } });
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

/* As multistep, but the clean picture is followed on a curve through what it was, and integrated.  h: the step, times 1 + eta;
 * phi2 = (e^-h - 1)/h + 1, phi3 = phi2/h - 1/2     (k-diffusion, sample_dpmpp_3m_sde; with one picture before, 2M SDE's "heun") */
static void curved(Sampler *s, int i, float *x, const float *clean, const float *fresh, int before, size_t n)
{
    Level from = s->level[i], to = s->level[i + 1];
    double q = sigma_of(to) / sigma_of(from), fade = to.noise / from.noise * pow(q, s->eta);
    double gain = to.signal * (1 - pow(q, 1 + s->eta)), up = to.noise * sqrt(1 - pow(q, 2 * s->eta));
    double h = -log(q) * (1 + s->eta), phi2 = (exp(-h) - 1) / h + 1, phi3 = phi2 / h - 0.5, one = 0, two = 0;
    float *last = s->kept[0], *older = s->kept[1];
    if (!s->known) copy(last, clean, n);
    if (s->known < 2) copy(older, last, n);
    if (s->known && to.noise > 0 && h > 0 && stretch(s, i - 1) > 0) {
        double r = stretch(s, i - 1) / stretch(s, i), r2 = before > 1 && s->known > 1 ? stretch(s, i - 2) / stretch(s, i) : 0;
        double bend = r2 > 0 ? (phi2 * r - phi3) / (r + r2) : 0;
        one = to.signal * (phi2 + bend) / r, two = r2 > 0 ? to.signal * bend / r2 : 0;
    }
    mix(x, n, (Term[]){ { fade, x }, { gain + one, clean }, { -one - two, last }, { two, older }, { up, fresh }, { 0, NULL } });
    copy(older, last, n);
    copy(last, clean, n);
}

static void multistep_heun(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n) { curved(s, i, x, clean, fresh, 1, n); }
static void multistep_3   (Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n) { curved(s, i, x, clean, fresh, 2, n); }

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

/* x'/signal' = begun/signal + the weighted sum of the latest slopes e, the i-th of all first, which is kept for later.  It stands in the sum
 * as x and clean themselves: rounded to float, it would hide the little signal that there is at first. */
static void along(const Sampler *s, int i, Level at, Level from, Level to, const double weight[KEPT], const float *begun, float *x, const float *clean, size_t n)
{
    double by = to.signal * weight[0] / at.noise;
    Term terms[KEPT + 3] = { { to.signal / from.signal, begun }, { by, x }, { -by * at.signal, clean } };
    mix(s->kept[i % KEPT], n, (Term[]){ { 1 / at.noise, x }, { -at.signal / at.noise, clean }, { 0, NULL } });
    for (int j = 1; j < KEPT && weight[j] != 0; j++) terms[j + 2] = (Term){ to.signal * weight[j], s->kept[(i - j) % KEPT] };
    mix(x, n, terms);
}

/* weight of the slope of step i - j in the step from sigma to sigma': the integral of the polynomial of this degree that is 1 at that
 * step's sigma and 0 at those of the others; by two points, as it is a cubic at most */
static double share(const Sampler *s, int i, int j, int slopes)
{
    double from = sigma_of(s->level[i]), to = sigma_of(s->level[i + 1]), sum = 0;
    for (int side = -1; side <= 1; side += 2) {
        double at = (from + to) / 2 + side * (to - from) / (2 * sqrt(3)), product = 1;
        for (int k = 0; k < slopes; k++) {
            double other = sigma_of(s->level[i - k]);
            if (k != j) product *= (at - other) / (sigma_of(s->level[i - j]) - other);
        }
        sum += product * (to - from) / 2;
    }
    return sum;
}

/* LMS: the integral of the slope over sigma, by a polynomial through up to four of them */
static void linear_multistep(Sampler *s, int i, float *x, const float *clean, const float *fresh, size_t n)
{
    Level from = s->level[i];
    int slopes = 1;
    double weight[KEPT] = { 0 };
    (void)fresh;
    while (slopes < KEPT && slopes <= s->known && stretch(s, i - slopes) > 0) slopes++;
    for (int j = 0; j < slopes; j++) weight[j] = share(s, i, j, slopes);
    along(s, i, from, from, s->level[i + 1], weight, x, x, clean, n);
}

/* PLMS: DDIM's step along a mean of slopes     (Liu et al., 2022, eq. 12)
 * The first step is taken twice: the second time from where it began, by the mean of the slopes at its ends. */
static void adams_bashforth(Sampler *s, int call, float *x, const float *clean, const float *fresh, size_t n)
{
    static const double mean[][KEPT] = { { 1 }, { 1 / 2.0, 1 / 2.0 }, { 3 / 2.0, -1 / 2.0 },
                                         { 23 / 12.0, -16 / 12.0, 5 / 12.0 }, { 55 / 24.0, -59 / 24.0, 37 / 24.0, -9 / 24.0 } };
    int again = s->known == 1, slope = s->known - (s->known > 1), row = s->known < KEPT ? s->known : KEPT;
    Level at = sampler_look(s, call), from = s->level[call - (s->known > 0)], to = s->level[call + !s->known];
    float *begun = s->kept[KEPT - 1];
    double weight[KEPT];
    (void)fresh;
    if (!(at.noise > 0)) return;                         /* the first step was the last, and ended clean: there is no slope to see */
    if (!s->known) copy(begun, x, n);
    for (int j = 0; j < KEPT; j++) weight[j] = mean[row][j] * (sigma_of(to) - sigma_of(from));
    along(s, slope, at, from, to, weight, again ? begun : x, x, clean, n);
}

static const struct Method methods[] = {     /* the first is the default */
    { "DDIM",              "ddim",                euler,            WHOLE,     DDIM_UNIFORM, 0, 1 },
    { "Euler",             "euler",               euler,            FRACTIONS, UNIFORM,      0, 0 },
    { "Euler a",           "euler_ancestral",     euler,            FRACTIONS, UNIFORM,      1, 1 },
    { "Heun",              "heun",                heun,             FRACTIONS, UNIFORM,      0, 0, TWICE },
    { "LMS",               "lms",                 linear_multistep, FRACTIONS, UNIFORM,      0, 0 },
    { "PLMS",              "pndm",                adams_bashforth,  WHOLE,     DDIM_UNIFORM, 0, 0, ONE_MORE },
    { "DPM2",              "dpm_2",               midpoint,         FRACTIONS, KARRAS,       0, 0, TWICE, 1 },
    { "DPM2 a",            "dpm_2_ancestral",     midpoint,         FRACTIONS, KARRAS,       1, 1, TWICE, 1 },
    { "DPM++ 2M",          "dpmpp_2m",            multistep,        WHOLE,     KARRAS,       0, 0 },
    { "DPM++ 2M SDE",      "dpmpp_2m_sde",        multistep,        WHOLE,     EXPONENTIAL,  1, 1 },
    { "DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun",   multistep_heun,   WHOLE,     EXPONENTIAL,  1, 1 },
    { "DPM++ 2S a",        "dpmpp_2s_ancestral",  singlestep,       FRACTIONS, KARRAS,       1, 1, TWICE },
    { "DPM++ SDE",         "dpmpp_sde",           twofold,          FRACTIONS, KARRAS,       1, 1, TWICE },
    { "DPM++ 3M SDE",      "dpmpp_3m_sde",        multistep_3,      FRACTIONS, EXPONENTIAL,  1, 1, ONCE, 1 },
    { "UniPC",             "uni_pc",              unipc,            WHOLE,     UNIFORM,      0, 0 },
    { "LCM",               "lcm",                 lcm,              WHOLE,     LCM_UNIFORM,  1, 0 },
};
enum { METHODS = sizeof methods / sizeof *methods };

/* in the order of ScheduleType */
static const char *const schedules[] = {
    "Automatic", "Uniform", "Karras", "Exponential", "SGM Uniform", "DDIM", "LCM", "Simple", "Normal", "Beta", "KL Optimal", "Align Your Steps",
};
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
    { "DPM fast", "DPM++ 2S a" }, { "DPM adaptive", "DPM++ 2M Karras" }, { "Restart", "Heun Karras" }, { "DDIM CFG++", "DDIM" }, { "Euler CFG++", "Euler" },
    { "Euler a CFG++", "Euler a" }, { "euler_cfg_pp", "Euler" }, { "euler_ancestral_cfg_pp", "Euler a" }, { "DPM++ 2S a CFG++", "DPM++ 2S a" },
    { "dpmpp_2s_ancestral_cfg_pp", "DPM++ 2S a" },
    { "DPM++ 2M CFG++", "DPM++ 2M" }, { "dpmpp_2m_cfg_pp", "DPM++ 2M" }, { "HeunPP2", "Heun" }, { "Euler Dy", "Euler" }, { "Euler SMEA", "Euler" },
    { "Euler SMEA Dy", "Euler" },
    { "Euler Max", "Euler" }, { "Euler Negative", "Euler" }, { "IPNDM", "LMS" }, { "IPNDM V", "LMS" }, { "DEIS", "DPM++ 2M Uniform" }, { "TCD", "LCM" },
    { "DDPM", "Euler a" },
    { "UniPC BH2", "UniPC" }, { "dpmpp_sde_gpu", "DPM++ SDE" }, { "dpmpp_2m_sde_gpu", "DPM++ 2M SDE" }, { "dpmpp_2m_sde_heun_gpu", "DPM++ 2M SDE Heun" },
    { "dpmpp_3m_sde_gpu", "DPM++ 3M SDE" }, { "Res Multistep", "DPM++ 2M" }, { "Gradient Estimation", "Euler" }, { "ER SDE", "DPM++ 3M SDE" },
    { "SA Solver", "DPM++ 3M SDE" },
}, *const types_elsewhere[][2] = {
    { "Polyexponential", "Exponential" }, { "Turbo", "SGM Uniform" }, { "DDIM Uniform", "DDIM" }, { "Align Your Steps GITS", "Align Your Steps" },
    { "Align Your Steps 11", "Align Your Steps" },
    { "Align Your Steps 32", "Align Your Steps" }, { "Align Your Steps Custom", "Align Your Steps" }, { "GITS", "Align Your Steps" }, { "AYS", "Align Your Steps" },
    { "Beta57", "Beta" }, { "Linear Quadratic", "Simple" }, { "Bong Tangent", "KL Optimal" }, { "Smoothstep", "Beta" }, { "Sine", "Simple" }, { "Cosine", "Beta" },
    { "Phi", "Karras" }, { "Laplace", "Karras" },
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

/* how much of the beta distribution (0.6, 0.6) lies below x <= 1/2, but for a factor:  x^a sum of (1-b)_k x^k / (k! (a + k)) */
static double beta_below(double x)
{
    double sum = 0, term = pow(x, 0.6);
    for (int k = 0; k < 60; k++) sum += term / (0.6 + k), term *= x * (k + 0.4) / (k + 1);
    return sum;
}

/* where so much of it lies below; it is symmetric */
static double beta_quantile(double p)
{
    if (p > 0.5) return 1 - beta_quantile(1 - p);
    double low = 0, high = 0.5, goal = p * 2 * beta_below(0.5);
    for (int k = 0; k < 60; k++) {
        double middle = (low + high) / 2;
        if (beta_below(middle) < goal) low = middle;
        else high = middle;
    }
    return high;
}

/* the published sigmas, and between them on a straight line in the logarithm */
static double aligned(double where)
{
    static const double sigma[] = { 14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029 };
    enum { LAST = sizeof sigma / sizeof *sigma - 1 };
    int i = where < 1 ? (int)(where * LAST) : LAST - 1;
    return exp(log(sigma[i]) + (where * LAST - i) * log(sigma[i + 1] / sigma[i]));
}

static int spaces_sigmas(ScheduleType type) { return type == KARRAS || type == EXPONENTIAL || type == BETA || type == KL_OPTIMAL || type == ALIGN_YOUR_STEPS; }

/* sigma of step i of n, for the types that space sigmas */
static double spaced_sigma(ScheduleType type, double most, double least, int i, int n)
{
    double where = part(i, n), down = (double)i / n;
    switch (type) {
    case EXPONENTIAL:      return exp(log(most) + where * (log(least) - log(most)));
    case BETA:             return least + beta_quantile(1 - where) * (most - least);
    case KL_OPTIMAL:       return tan(down * atan(least) + (1 - down) * atan(most));
    case ALIGN_YOUR_STEPS: return aligned(where);
    default:               return pow(pow(most, 1 / 7.0) + where * (pow(least, 1 / 7.0) - pow(most, 1 / 7.0)), 7);
    }
}

/* the timestep of step i of n, for those that space timesteps */
static double spaced_time(ScheduleType type, Times times, int i, int n)
{
    enum { LAST = TRAIN_STEPS - 1, LCM_STEPS = 50 };
    switch (type) {
    case DDIM_UNIFORM: return fmin((n - 1 - i) * (TRAIN_STEPS / n) + 1, LAST);          /* of 1000 steps the first stands still */
    case LCM_UNIFORM:  return (LCM_STEPS - (int)(i * ((double)LCM_STEPS / n))) * (TRAIN_STEPS / LCM_STEPS) - 1;
    case SGM_UNIFORM:  return nearbyint(TRAIN_STEPS - i * ((double)TRAIN_STEPS / n)) - 1;
    case SIMPLE:       return LAST - (int)(i * ((double)TRAIN_STEPS / n));
    default:           return times == WHOLE && type != NORMAL ? nearbyint((n - i) * ((double)LAST / n)) : (double)(float)(LAST * (1 - part(i, n)));
    }
}

static Level level_of_step(const float *alpha_bar, ScheduleType type, Times times, int i, int n)
{
    if (!spaces_sigmas(type)) return level_at(alpha_bar, spaced_time(type, times, i, n));
    double sigma = spaced_sigma(type, sigma_at(alpha_bar, TRAIN_STEPS - 1), sigma_at(alpha_bar, 0), i, n), t = time_of(alpha_bar, sigma);
    /* diffusers rounds the one and cuts the other; there the first, 999 but for a rounding, comes out as 998 */
    if (times == WHOLE) t = type == KARRAS ? nearbyint(t) : fmax(floor(t - 1e-4), 0);
    return level(t, sigma);
}

ScheduleType sampler_schedule(const SamplerSetup *setup)
{
    ScheduleType own = methods[setup->method].automatic;
    return setup->type == AUTOMATIC || (setup->type == UNIFORM && own >= DDIM_UNIFORM) ? own : setup->type;
}

/* Heun looks at the end of a step, the others half-way down in log sigma; of DPM++ SDE the noise is left out of this */
static Level middle(const float *alpha_bar, const struct Method *m, double eta, Level from, Level to)
{
    if (m->step == heun || !(to.noise > 0)) return to;
    double sigma = sqrt(sigma_of(from) * down_of(from, to, m->step == twofold ? 0 : eta) / to.signal);
    return level(time_of(alpha_bar, sigma), sigma);
}

/* DDIM and PLMS end at the first alpha_bar for stills (Stable Diffusion's set_alpha_to_one false), at 1 for clips (AnimateDiff's own setting) */
void sampler_init(Sampler *s, const SamplerSetup *setup)
{
    float alpha_bar[TRAIN_STEPS];
    const struct Method *m = &methods[setup->method];
    int steps = setup->steps, noisy_end = m->automatic == DDIM_UNIFORM && setup->betas == SCALED_LINEAR;
    *s = (Sampler){ .method = m, .steps = steps, .velocity = setup->velocity, .eta = !m->takes_eta || !(setup->eta > 0 || setup->eta < 0) ? m->eta : fmax(setup->eta, 0) };
    alpha_bars(alpha_bar, setup->betas, setup->zero_snr);
    for (int i = 0; i < steps; i++) s->level[i] = level_of_step(alpha_bar, sampler_schedule(setup), m->times, i, steps + m->jumps);
    s->level[steps] = noisy_end ? level_at(alpha_bar, 0) : level(0, 0);
    for (int i = 0; i < steps && m->calls == TWICE; i++) s->middle[i] = middle(alpha_bar, m, s->eta, s->level[i], s->level[i + 1]);
    for (size_t i = 0; i < KEPT; i++) s->kept[i] = setup->memory + i * setup->n;
}

int sampler_twice(int method)            { return methods[method].calls == TWICE; }
int sampler_calls(int method, int steps) { return sampler_twice(method) ? 2 * steps - 1 : methods[method].calls == ONE_MORE ? steps + 1 : steps; }

Level sampler_look(const Sampler *s, int call)
{
    if (s->method->calls == TWICE) return call % 2 ? s->middle[call / 2] : s->level[call / 2];
    return s->level[s->method->calls == ONE_MORE && s->known > 1 ? call - 1 : call];
}

double sampler_time(const Sampler *s, int call) { return sampler_look(s, call).t; }

/* of two calls in a step the second, but for DPM++ SDE */
int sampler_draws(const Sampler *s, int call) { return s->eta > 0 && (s->method->calls != TWICE || s->method->step == twofold || call % 2); }

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
    to_clean(s, sampler_look(s, call), x, predicted, n);
    s->method->step(s, call, x, predicted, fresh, n);
    s->known++;
}
