/* test_loss.c - the noise and the losses of training, against kohya's own functions: tests/golden_loss.py says what the
 * golden holds.  Run from the repository's root. */
#include "hash_weights.h"
#include "objective.h"
#include "test.h"

#include "chars.h"

#include <math.h>
#include <string.h>

enum { H = 20, W = 12, C = 4, N = H * W * C, TIMES = 6 };
static const int timesteps[TIMES] = { 0, 1, 200, 499, 800, 999 };

typedef struct { Arena *a; const WeightFile *golden; } Case;

static const Weight *tensor_of(const Case *c, const char *name)
{
    const Weight *w = file_weight(c->golden, name);
    if (!w) fail(c->a, "the golden has no %s", name);
    return w;
}

static float *uniform(Arena *a, const char *name, size_t n)
{
    float *x = allocate(a, n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)hash_value(name, i);
    return x;
}

static Tensor latents_of(Arena *a)
{
    return (Tensor){ .n = 1, .h = H, .w = W, .c = C, .x = uniform(a, "latents", N) };
}

/* float32 sums of a few values around 1 */
static const double TOLERANCE = 1e-6;

static void compare(Case *c, const char *name, const float *found)
{
    const float *expected = tensor_of(c, name)->data;
    double worst = 0;
    for (size_t i = 0; i < N; i++) worst = fmax(worst, fabs((double)found[i] - (double)expected[i]));
    printf("  %s: %.2g of %g\n", name, worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "%s is off by %g", name, worst);
}

/* ---- noise ------------------------------------------------------------------------------------- */

static void offset(Case *c)
{
    Tensor latents = latents_of(c->a);
    const float *drawn = uniform(c->a, "draw 0", C);
    float *noise = uniform(c->a, "noise", N);
    add_noise_offset(noise, latents, 0.3, 0, drawn);
    compare(c, "offset", noise);
    noise = uniform(c->a, "noise", N);
    add_noise_offset(noise, latents, 0.003, -0.2, drawn);
    compare(c, "offset.adaptive", noise);
}

static void pyramid(Case *c)
{
    Tensor latents = latents_of(c->a);
    const char *text = file_metadata(c->golden, "r");
    float *noise = uniform(c->a, "noise", N);
    int level = 0;
    for (size_t n; text && *text; text += n + (text[n] == ' ')) {
        double r;
        n = number_at(text, &r);
        if (!n) fail(c->a, "the golden's r is no list of numbers");
        int rows = pyramid_side(H, r, level);
        int columns = pyramid_side(W, r, level);
        const float *drawn = uniform(c->a, format(c->a, "draw %d", level), (size_t)(rows * columns * C));
        pyramid_noise_level(noise, latents, drawn, rows, columns, pow(0.3, level));
        level++;
    }
    CHECK(level == 3);
    divide_by_std(noise, N);
    compare(c, "pyramid", noise);
}

/* What objective_draw() makes of the options. */
static void drawing(Case *c)
{
    enum { RUNS = 60 };
    TrainingExample e = { .latents = latents_of(c->a) };
    Objective o = { .min_timestep = 100, .max_timestep = 103 };
    Rng *rng = allocate(c->a, 1, sizeof *rng);
    float *noise = allocate(c->a, 2 * N, sizeof *noise);
    int seen[3] = { 0 };
    objective_schedule(&o);
    rng_seed(rng, 1);
    for (int i = 0; i < RUNS; i++) {
        objective_draw(c->a, &o, &e, noise, rng);
        CHECK(e.timestep >= 100 && e.timestep < 103 && !e.perturbation);
        seen[e.timestep - 100]++;
    }
    CHECK(seen[0] && seen[1] && seen[2]);
    o.noise.multires_noise_iterations = 6;
    o.noise.multires_noise_discount = 0.8;
    o.noise.ip_noise_gamma = 0.1;
    objective_draw(c->a, &o, &e, noise, rng);
    double square = 0, perturbed = 0;
    for (size_t i = 0; i < N; i++) {
        square += (double)noise[i] * (double)noise[i];
        perturbed += (double)e.perturbation[i] * (double)e.perturbation[i];
    }
    CHECK(e.noise == noise && e.perturbation == noise + N);
    CHECK(sqrt(square / N) > 0.9 && sqrt(square / N) < 1.6);
    CHECK(fabs(sqrt(perturbed / N) - 0.1) < 0.01);
}

/* ---- losses ------------------------------------------------------------------------------------ */

static LossConfig config_of(Case *c, const char *name)
{
    LossConfig l = { LOSS_L2, HUBER_SNR, 0, 0 };
    char type[16], schedule[16];
    if (sscanf(name, "loss %15s %15s %lf %lf", type, schedule, &l.huber_c, &l.huber_scale) != 4)
        fail(c->a, "%s is no case", name);
    while (strcmp(loss_type_names[l.loss_type], type)) l.loss_type++;
    while (strcmp(huber_schedule_names[l.huber_schedule], schedule)) l.huber_schedule++;
    return l;
}

static void losses(Case *c)
{
    const float *mask = tensor_of(c, "mask")->data;
    const float *prediction = uniform(c->a, "prediction", N);
    const float *target = uniform(c->a, "target", N);
    int cases = 0;
    double worst = 0;
    for (size_t i = 0; i < c->golden->count; i++) {
        const Weight *w = &c->golden->weight[i];
        const double *expected = w->data;
        if (strncmp(w->name, "loss ", 5)) continue;
        cases++;
        Objective o = { .min_snr_gamma = 5, .debiased_estimation_loss = 1, .loss = config_of(c, w->name) };
        objective_schedule(&o);
        for (int k = 0; k < TIMES; k++) {
            TrainingExample e = { .mask = mask };
            double loss = 0, square = 0;
            objective_set_timestep(&o, &e, timesteps[k]);
            double weight = objective_weight(&o, &e);
            for (size_t j = 0; j < N; j++) {
                double derivative;
                double share = weight * (double)mask[j / C] / N;
                loss += share * loss_of(e.loss, (double)prediction[j] - (double)target[j], &derivative);
                square += share * derivative * share * derivative;
            }
            worst = fmax(worst, fabs(loss / expected[2 * k] - 1));
            worst = fmax(worst, fabs(sqrt(square) / expected[2 * k + 1] - 1));
        }
    }
    CHECK(cases == 8);
    printf("  losses and gradients: %.2g of %g\n", worst, TOLERANCE);
    CHECK_MSG(worst < TOLERANCE, "losses are off by %g", worst);
}

static void run(void *to)
{
    Case *c = to;
    c->golden = safetensors_open(c->a, "tests/golden/loss.golden");
    offset(c);
    pyramid(c);
    drawing(c);
    losses(c);
}

int main(void)
{
    char message[MESSAGE];
    Case c = { .a = arena_new() };
    CHECK_MSG(!attempt(c.a, run, &c, message), "%s", message);
    arena_free(c.a);
    return done();
}
