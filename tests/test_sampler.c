/* Samplers and schedule types against diffusers over whole trajectories, and what must hold for all of them. */
#include "sampler.h"
#include "test.h"

#include <math.h>

enum { N = 3 };

/* x after this call of the model */
typedef struct { int call; double x[N]; } Row;

/* in the order of golden/sampler.inc */
typedef struct {
    const char  *sampler, *type;
    BetaSchedule betas;
    int          steps;
    double       eta;
    int          v_prediction, zero_snr, rows;
    const Row   *row;
} Case;

static const Case cases[] = {
#include "golden/sampler.inc"
};
enum { CASES = sizeof cases / sizeof *cases };

static const float first_noise[N] = { 1, -2, 0.5f };

static double relative(double found, double expected) { return fabs(found - expected) / fmax(1, fabs(expected)); }

/* The largest relative error of an x.  Not a number is infinitely wrong. */
static double worst_of(const float *x, const double *expected)
{
    double worst = 0;
    for (int k = 0; k < N; k++) worst = fmax(worst, isnan(x[k]) ? INFINITY : relative((double)x[k], expected[k]));
    return worst;
}

static SamplerSetup setup_of(const Case *c, float *memory)
{
    ScheduleType type = AUTOMATIC;
    return (SamplerSetup){
        .method = sampler_named(c->sampler, &type),
        .type = (ScheduleType)schedule_named(c->type),
        .betas = c->betas,
        .zero_snr = c->zero_snr,
        .v_prediction = c->v_prediction,
        .steps = c->steps,
        .eta = c->eta,
        .memory = memory,
        .n = N,
    };
}

/* The largest error of a case.  The model answers sin(x_k + t/100 + k), the noise is cos(4 call + k). */
static double trajectory(const Case *c)
{
    Sampler s;
    float x[N], model_output[N], noise[N], memory[SAMPLER_BUFFERS * N];
    SamplerSetup setup = setup_of(c, memory);
    int calls = sampler_calls(setup.method, setup.steps);
    double worst = 0;
    int row = 0;
    sampler_init(&s, &setup);
    for (int k = 0; k < N; k++) x[k] = first_noise[k] * (float)sampler_init_noise_sigma(&s);
    for (int i = 0; i < calls; i++) {
        for (int k = 0; k < N; k++) model_output[k] = (float)sin(x[k] + sampler_timestep(&s, i) / 100 + k);
        for (int k = 0; k < N; k++) noise[k] = (float)cos(4 * i + k);
        sampler_step(&s, i, x, model_output, sampler_needs_noise(&s, i) ? noise : NULL, N);
        if (row == c->rows || c->row[row].call != i) continue;
        worst = fmax(worst, worst_of(x, c->row[row].x));
        row++;
    }
    CHECK_MSG(row == c->rows, "%s %s: %d calls, expected %d", c->sampler, c->type, calls, c->row[c->rows - 1].call + 1);
    return worst;
}

static void trajectories(void)
{
    static const double tolerance = 2e-5;
    double most = 0;
    for (int i = 0; i < CASES; i++) {
        const Case *c = &cases[i];
        double worst = trajectory(c);
        most = fmax(most, worst);
        CHECK_MSG(worst < tolerance, "%s, %s, %s, %d steps, eta %g%s%s: differs from diffusers by %g",
                  c->sampler, c->type, c->betas == LINEAR ? "linear" : "scaled linear", c->steps, c->eta,
                  c->v_prediction ? ", v" : "", c->zero_snr ? ", zero SNR" : "", worst);
    }
    printf("  %d trajectories: %.0f%% of %g\n", CASES, 100 * most / tolerance, tolerance);
}

/* What a model that knows x0 predicts: eps, or v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 */
static float perfect_output(float x, float x0, NoiseLevel at, int v_prediction)
{
    double eps = (x - at.sqrt_alpha_bar * x0) / at.sqrt_one_minus_alpha_bar;
    if (!v_prediction) return (float)eps;
    return (float)(at.sqrt_alpha_bar * eps - at.sqrt_one_minus_alpha_bar * x0);
}

/* How far from x0 a run with such a model ends.  Every sampler must end at x0: its weights add up.
 * DDIM ends stills with a little noise, that of the first alpha_bar.  Its single step begins next to the end and says
 * nothing; 0 then. */
static double distance_from_x0(SamplerSetup setup)
{
    static const float x0[N] = { 0.3f, -1.5f, 4 };
    static const float noise[N] = { 0.5f, -1, 0.1f };
    Sampler s;
    float x[N], model_output[N], memory[SAMPLER_BUFFERS * N];
    setup.memory = memory;
    setup.n = N;
    sampler_init(&s, &setup);
    if (s.level[0].timestep < 100) return 0;
    for (int k = 0; k < N; k++) x[k] = first_noise[k] * (float)sampler_init_noise_sigma(&s);
    for (int i = 0; i < sampler_calls(setup.method, setup.steps); i++) {
        NoiseLevel at = sampler_level(&s, i);
        for (int k = 0; k < N; k++) model_output[k] = perfect_output(x[k], x0[k], at, setup.v_prediction);
        sampler_step(&s, i, x, model_output, sampler_needs_noise(&s, i) ? noise : NULL, N);
    }
    double allowed = 3 * s.level[setup.steps].sqrt_one_minus_alpha_bar;
    double worst = 0;
    for (int k = 0; k < N; k++) worst = fmax(worst, isnan(x[k]) ? INFINITY : fabs((double)x[k] - x0[k]) - allowed);
    return worst;
}

/* Left out:
 *   - zero SNR without v-prediction, for which it is not made;
 *   - LCM at timesteps it is not made for;
 *   - PLMS where x begins as noise alone, or where its second call looks next to the end: eps says little there;
 *   - LMS that goes on through many sigmas side by side to zero. */
static int left_out(const char *sampler, int automatic, int steps, int v_prediction, int zero_snr)
{
    if (zero_snr && !v_prediction) return 1;
    if (!strcmp(sampler, "LCM")) return !automatic;
    if (!strcmp(sampler, "PLMS")) return zero_snr || (steps < 3 && !automatic);
    if (!strcmp(sampler, "LMS")) return steps > 51;
    return 0;
}

static void ends_at_x0(int method, int type, int steps)
{
    for (int bits = 0; bits < 8; bits++) {
        SamplerSetup setup = {
            .method = method,
            .type = (ScheduleType)type,
            .betas = bits & 1 ? LINEAR : SCALED_LINEAR,
            .v_prediction = bits >> 1 & 1,
            .zero_snr = bits >> 2 & 1,
            .steps = steps,
        };
        if (left_out(sampler_name(method), type == AUTOMATIC, steps, setup.v_prediction, setup.zero_snr)) continue;
        double off = distance_from_x0(setup);
        CHECK_MSG(off < 1e-4, "%s, %s, %d steps, case %d: ends %g beside",
                  sampler_name(method), schedule_name(type), steps, bits, off);
    }
}

static void all_end_at_x0(void)
{
    static const int steps[] = { 1, 2, 3, 20, 51, 999, 1000 };
    for (int method = 0; sampler_name(method); method++)
        for (int type = AUTOMATIC; schedule_name(type); type++)
            for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) ends_at_x0(method, type, steps[i]);
}

typedef struct { const char *text, *sampler; ScheduleType type; } Name;

static void known_names(void)
{
    static const Name known[] = {
        { "DDIM",                     "DDIM",         AUTOMATIC },
        { "ddim",                     "DDIM",         AUTOMATIC },
        { "Euler a",                  "Euler a",      AUTOMATIC },
        { "EULER A",                  "Euler a",      AUTOMATIC },
        { "euler_a",                  "Euler a",      AUTOMATIC },
        { "euler_ancestral",          "Euler a",      AUTOMATIC },
        { "Euler",                    "Euler",        AUTOMATIC },
        { "heun",                     "Heun",         AUTOMATIC },
        { "DPM++ 2M",                 "DPM++ 2M",     AUTOMATIC },
        { "DPM++ 2M Karras",          "DPM++ 2M",     KARRAS },
        { "DPM++ 2M SDE Karras",      "DPM++ 2M SDE", KARRAS },
        { "DPM++ 2M SDE Exponential", "DPM++ 2M SDE", EXPONENTIAL },
        { "dpmpp_2m_sde",             "DPM++ 2M SDE", AUTOMATIC },
        { "dpm++2m",                  "DPM++ 2M",     AUTOMATIC },
        { "UniPC",                    "UniPC",        AUTOMATIC },
        { "uni_pc",                   "UniPC",        AUTOMATIC },
        { "LCM",                      "LCM",          AUTOMATIC },
        { "Euler SGM Uniform",        "Euler",        SGM_UNIFORM },
        { "euler_a_karras",           "Euler a",      KARRAS },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ScheduleType type = AUTOMATIC;
        int method = sampler_named(known[i].text, &type);
        const char *found = method < 0 ? "none" : sampler_name(method);
        CHECK_MSG(!strcmp(found, known[i].sampler) && type == known[i].type, "%s is read as %s", known[i].text, found);
    }
}

static void unknown_names(void)
{
    static const char *const unknown[] = {
        "", " ", "Oiler", "Euler b", "DPM++ 2M Gamma", "DPM++ 4M", "DDIM CFG++", "Karras",
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        ScheduleType type = AUTOMATIC;
        CHECK_MSG(sampler_named(unknown[i], &type) < 0, "\"%s\" is read as a sampler", unknown[i]);
    }
}

static void automatic_types(void)
{
    ScheduleType type = AUTOMATIC;
    int dpmpp_2m = sampler_named("DPM++ 2M", &type);
    CHECK(sampler_schedule(&(SamplerSetup){ .type = UNIFORM }) == DDIM_UNIFORM);
    CHECK(sampler_schedule(&(SamplerSetup){ .type = KARRAS }) == KARRAS);
    CHECK(sampler_schedule(&(SamplerSetup){ .method = dpmpp_2m }) == KARRAS);
}

int main(void)
{
    trajectories();
    all_end_at_x0();
    known_names();
    unknown_names();
    automatic_types();
    return done();
}
