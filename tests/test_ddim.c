/* Schedules and the DDIM step against diffusers' DDIMScheduler over whole trajectories. */
#include "ddim.h"
#include "test.h"

#include <math.h>

static const struct { Betas betas; int steps; double eta; int first, last; double x[3][4]; } cases[] = {
#include "golden/ddim.inc"
};

int main(void)
{
    double most = 0;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        Schedule s;
        float x[4] = { 1, -2, 0.5f, 3 }, noise[4], fresh[4];
        int steps = cases[c].steps, kept[] = { 0, steps / 2, steps - 1 };
        ddim_init(&s, cases[c].betas, steps);
        CHECK(ddim_timestep(&s, 0) == cases[c].first && ddim_timestep(&s, steps - 1) == cases[c].last);
        for (int i = 0; i < steps; i++) {
            for (int k = 0; k < 4; k++) noise[k] = (float)sin(4 * i + k), fresh[k] = (float)cos(4 * i + k);
            ddim_step(&s, i, x, noise, 4, (float)cases[c].eta, fresh);
            for (int r = 0; r < 3; r++)
                for (int k = 0; k < 4 && kept[r] == i; k++) most = fmax(most, fabs((double)x[k] - cases[c].x[r][k]) / fmax(1, fabs(cases[c].x[r][k])));
        }
    }
    CHECK_MSG(most < 2e-5, "differs from diffusers by %g", most);
    printf("  trajectories: %.0f%% of 2e-5\n", 100 * most / 2e-5);
    return done();
}
