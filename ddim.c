/* ddim.c - noise schedules and the DDIM sampler.
 *
 *     x_t = sqrt(a) x_0 + sqrt(1 - a) e,     a = alpha_bar(t)
 *
 * Given e, that is solved for x_0 and written down again for an earlier t; sigma > 0 puts some fresh
 * noise in the place of the predicted one.  Rounded to float32 where diffusers rounds. */
#include "ddim.h"

#include <math.h>

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

void ddim_init(Schedule *s, Betas betas, int steps)
{
    double product = 1;
    for (int i = 0; i < TRAIN_STEPS; i++) {
        product *= (double)(1 - beta(betas, i));
        s->alpha_bar[i] = (float)product;
    }
    s->final = betas == LINEAR ? 1 : s->alpha_bar[0];
    s->steps = steps;
}

int ddim_timestep(const Schedule *s, int i)
{
    int t = (s->steps - 1 - i) * (TRAIN_STEPS / s->steps) + 1;
    return t < TRAIN_STEPS ? t : TRAIN_STEPS - 1;
}

void ddim_step(const Schedule *s, int i, float *x, const float *noise, size_t n, float eta, const float *fresh)
{
    int t = ddim_timestep(s, i), before = t - TRAIN_STEPS / s->steps;
    float a = s->alpha_bar[t], prev = before >= 0 ? s->alpha_bar[before] : s->final;
    float sigma = eta * sqrtf((1 - prev) / (1 - a) * (1 - a / prev));
    float root = sqrtf(a), rest = sqrtf(1 - a), next = sqrtf(prev), toward = sqrtf(1 - prev - sigma * sigma);
    for (size_t k = 0; k < n; k++) {
        float clean = (x[k] - rest * noise[k]) / root;
        x[k] = next * clean + toward * noise[k];
        if (sigma > 0) x[k] += sigma * fresh[k];
    }
}
