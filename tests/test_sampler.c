/* Schedules and samplers against diffusers' schedulers over whole trajectories, and what must hold for all of them. */
#include "sampler.h"
#include "test.h"

#include <math.h>

enum { N = 3 };
typedef struct { int call; double x[N]; } Row;

static const struct { const char *sampler, *type; Betas betas; int steps; double eta; int velocity, zero_snr, rows; const Row *row; } cases[] = {
#include "golden/sampler.inc"
};
enum { CASES = sizeof cases / sizeof *cases };

static const float start[N] = { 1, -2, 0.5f };

static double relative(double found, double expected) { return fabs(found - expected) / fmax(1, fabs(expected)); }

/* the worst of a case, in parts of the values */
static double trajectory(int c)
{
    Sampler s;
    float x[N], said[N], fresh[N], memory[KEPT * N];
    ScheduleType type = AUTOMATIC;
    SamplerSetup setup = { sampler_named(cases[c].sampler, &type), (ScheduleType)schedule_named(cases[c].type), cases[c].betas, cases[c].zero_snr,
                           cases[c].velocity, cases[c].steps, cases[c].eta, memory, N };
    double worst = 0;
    int row = 0;
    sampler_init(&s, &setup);
    for (int k = 0; k < N; k++) x[k] = start[k] * (float)sampler_start(&s);
    for (int i = 0; i < sampler_calls(setup.method, setup.steps); i++) {
        for (int k = 0; k < N; k++) said[k] = (float)sin(x[k] + sampler_time(&s, i) / 100 + k), fresh[k] = (float)cos(4 * i + k);
        sampler_step(&s, i, x, said, sampler_draws(&s, i) ? fresh : NULL, N);
        if (row == cases[c].rows || cases[c].row[row].call != i) continue;
        for (int k = 0; k < N; k++) worst = fmax(worst, isnan(x[k]) ? INFINITY : relative((double)x[k], cases[c].row[row].x[k]));
        row++;
    }
    CHECK_MSG(row == cases[c].rows, "%s %s: %d calls, expected %d", cases[c].sampler, cases[c].type, sampler_calls(setup.method, setup.steps), cases[c].row[cases[c].rows - 1].call + 1);
    return worst;
}

static void trajectories(void)
{
    static const double tolerance = 2e-5;
    double most = 0;
    for (int c = 0; c < CASES; c++) {
        double worst = trajectory(c);
        most = fmax(most, worst);
        CHECK_MSG(worst < tolerance, "%s, %s, %s, %d steps, eta %g%s%s: differs from diffusers by %g", cases[c].sampler, cases[c].type, cases[c].betas == LINEAR ? "linear" : "scaled linear",
                  cases[c].steps, cases[c].eta, cases[c].velocity ? ", v" : "", cases[c].zero_snr ? ", zero SNR" : "", worst);
    }
    printf("  %d trajectories: %.0f%% of %g\n", CASES, 100 * most / tolerance, tolerance);
}

/* Were the model always right about the clean picture, every sampler would end at it: its weights add up.  DDIM ends stills with a little
 * noise, the first alpha_bar's.  Left out: DDIM's single step, which begins next to the end, LCM at timesteps it is not made for, PLMS where
 * noise alone is the beginning or its second call looks next to the end, as its slopes say little there, and LMS that goes on through many sigmas side by side to zero. */
static double arrives(SamplerSetup setup)
{
    static const float clean[N] = { 0.3f, -1.5f, 4 };
    Sampler s;
    float x[N], said[N], memory[KEPT * N];
    static const float fresh[N] = { 0.5f, -1, 0.1f };
    setup.memory = memory, setup.n = N;
    sampler_init(&s, &setup);
    if (s.level[0].t < 100) return 0;
    for (int k = 0; k < N; k++) x[k] = start[k] * (float)sampler_start(&s);
    for (int i = 0; i < sampler_calls(setup.method, setup.steps); i++) {
        Level at = sampler_look(&s, i);
        for (int k = 0; k < N; k++) {
            double e = (x[k] - at.signal * clean[k]) / at.noise;
            said[k] = (float)(setup.velocity ? at.signal * e - at.noise * clean[k] : e);
        }
        sampler_step(&s, i, x, said, sampler_draws(&s, i) ? fresh : NULL, N);
    }
    double worst = 0;
    for (int k = 0; k < N; k++) worst = fmax(worst, isnan(x[k]) ? INFINITY : fabs((double)x[k] - clean[k]) - 3 * s.level[setup.steps].noise);
    return worst;
}

static void all_arrive(void)
{
    static const int steps[] = { 1, 2, 3, 20, 51, 999, 1000 };
    for (int method = 0; sampler_name(method); method++)
        for (int type = AUTOMATIC; schedule_name(type); type++)
            for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
                for (int bits = 0; bits < 8; bits++) {
                    const char *name = sampler_name(method);
                    if ((bits & 6) == 4 || (type != AUTOMATIC && !strcmp(name, "LCM")) || (bits & 4 && !strcmp(name, "PLMS"))) continue;        /* zero SNR is for v-prediction */
                    if ((steps[i] > 51 && !strcmp(name, "LMS")) || (steps[i] < 3 && type != AUTOMATIC && !strcmp(name, "PLMS"))) continue;
                    double off = arrives((SamplerSetup){ .method = method, .type = (ScheduleType)type, .betas = bits & 1 ? LINEAR : SCALED_LINEAR, .velocity = bits >> 1 & 1,
                                                         .zero_snr = bits >> 2, .steps = steps[i] });
                    CHECK_MSG(off < 1e-4, "%s, %s, %d steps, case %d: ends %g beside", sampler_name(method), schedule_name(type), steps[i], bits, off);
                }
}

static void names(void)
{
    static const struct { const char *text, *sampler; ScheduleType type; } written[] = {
        { "DDIM", "DDIM", AUTOMATIC }, { "ddim", "DDIM", AUTOMATIC }, { "Euler a", "Euler a", AUTOMATIC }, { "EULER A", "Euler a", AUTOMATIC }, { "euler_a", "Euler a", AUTOMATIC },
        { "euler_ancestral", "Euler a", AUTOMATIC }, { "Euler", "Euler", AUTOMATIC }, { "heun", "Heun", AUTOMATIC }, { "DPM++ 2M", "DPM++ 2M", AUTOMATIC },
        { "DPM++ 2M Karras", "DPM++ 2M", KARRAS }, { "DPM++ 2M SDE Karras", "DPM++ 2M SDE", KARRAS }, { "DPM++ 2M SDE Exponential", "DPM++ 2M SDE", EXPONENTIAL },
        { "dpmpp_2m_sde", "DPM++ 2M SDE", AUTOMATIC }, { "dpm++2m", "DPM++ 2M", AUTOMATIC }, { "UniPC", "UniPC", AUTOMATIC }, { "uni_pc", "UniPC", AUTOMATIC }, { "LCM", "LCM", AUTOMATIC },
        { "Euler SGM Uniform", "Euler", SGM_UNIFORM }, { "euler_a_karras", "Euler a", KARRAS },
    };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        ScheduleType type = AUTOMATIC;
        int method = sampler_named(written[i].text, &type);
        CHECK_MSG(method >= 0 && !strcmp(sampler_name(method), written[i].sampler) && type == written[i].type, "%s is read as %s", written[i].text, method < 0 ? "none" : sampler_name(method));
    }
    CHECK(sampler_schedule(&(SamplerSetup){ .type = UNIFORM }) == DDIM_UNIFORM && sampler_schedule(&(SamplerSetup){ .type = KARRAS }) == KARRAS);
    CHECK(sampler_schedule(&(SamplerSetup){ .method = sampler_named("DPM++ 2M", &(ScheduleType){ AUTOMATIC }) }) == KARRAS);
    static const struct { const char *text, *sampler; ScheduleType type; } near[] = {
        { "Restart", "Heun", KARRAS }, { "restart exponential", "Heun", EXPONENTIAL }, { "dpmpp_sde_gpu", "DPM++ SDE", AUTOMATIC }, { "DDIM CFG++", "DDIM", AUTOMATIC },
        { "DPM adaptive", "DPM++ 2M", KARRAS },
    };
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        ScheduleType type = AUTOMATIC;
        int method = sampler_named(near[i].text, &type) < 0 ? sampler_nearest(near[i].text, &type) : -1;
        CHECK_MSG(method >= 0 && !strcmp(sampler_name(method), near[i].sampler) && type == near[i].type, "nearest to %s is %s", near[i].text, method < 0 ? "none" : sampler_name(method));
    }
    CHECK(schedule_nearest("Turbo") == SGM_UNIFORM && schedule_nearest("Turbo 2") < 0 && sampler_nearest("Oiler", &(ScheduleType){ AUTOMATIC }) < 0);
    static const char *const none[] = { "", " ", "Oiler", "Euler b", "DPM++ 2M Gamma", "DPM++ 4M", "DDIM CFG++", "Karras" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) CHECK_MSG(sampler_named(none[i], &(ScheduleType){ AUTOMATIC }) < 0, "\"%s\" is read as a sampler", none[i]);
}

int main(void)
{
    trajectories();
    all_arrive();
    names();
    return done();
}
