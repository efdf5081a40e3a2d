/* validation.c - how alike what is learned becomes, measured on pictures that are not learned from.
 *
 * A picture that the model has not learned from is noised, and the model says, by its caption alone, what it was.  From
 * its prediction follows a picture (ddim.c, the predicted x0), and how far that is from the true one is the loss but
 * for a factor that depends on the timestep alone:
 *
 *     x0' - x0 = -sqrt((1 - alpha_bar_t) / alpha_bar_t) (eps' - eps)
 *
 * so the ratio of two losses at the same timestep and noise is that of two squared distances, in the latents of the
 * autoencoder.  Likeness is how much of the distance at first is gone:
 *
 *     likeness = 1 - mean over t of  loss_t / loss_t at first
 *
 * Each timestep is taken relative to itself, for else the loss at t = 200, where details are, would rule the mean, and
 * at t = 800, where nearly all comes from the words, hardly count.  The same noise each time makes differences between
 * two steps those of the model.  It rises while the person is learned, and falls when the pictures learned from are
 * known by heart.  No other model is needed, and 4 forward passes for each held-out picture.
 *
 * Timesteps and the mean loss are those of kohya's trainer (sd-scripts, train_network.py: validation_timesteps). */
#include "validation.h"

#include "chars.h"
#include "trend.h"

#include <math.h>
#include <string.h>

/* np.linspace(0, 1000, 4 + 2)[1:-1] */
const int validation_timesteps[VALIDATION_TIMES] = { 200, 400, 600, 800 };

void validation_add(Validation *v, Measurement m) { v->at[v->count++] = m; }

void validation_take(Arena *a, Validation *v, const Measurement *from, size_t n)
{
    v->most += n;
    v->at = allocate(a, v->most, sizeof *v->at);
    memcpy(v->at, from, n * sizeof *from);
    v->count = n;
}

int validation_has(const Validation *v, size_t step) { return v->count && v->at[v->count - 1].step >= (double)step; }

double validation_loss(const Validation *v, size_t i)
{
    double sum = 0;
    for (int k = 0; k < VALIDATION_TIMES; k++) sum += v->at[i].loss[k];
    return sum / VALIDATION_TIMES;
}

double validation_likeness(const Validation *v, size_t i)
{
    double sum = 0;
    for (int k = 0; k < VALIDATION_TIMES; k++) sum += v->at[i].loss[k] / v->at[0].loss[k];
    return isfinite(sum) ? 1 - sum / VALIDATION_TIMES : NAN;
}

size_t validation_best(const Validation *v)
{
    size_t best = 0;
    for (size_t i = 1; i < v->count; i++)
        if (validation_likeness(v, i) > validation_likeness(v, best)) best = i;
    return best;
}

int validation_falls(Arena *a, const Validation *v, size_t *best)
{
    size_t before = mark(a);
    double *distance = allocate(a, v->count, sizeof *distance);
    for (size_t i = 0; i < v->count; i++) distance[i] = 1 - validation_likeness(v, i);
    int falls = trend_rises(distance, v->count, best);
    release(a, before);
    return falls;
}

/* ---- as text ----------------------------------------------------------------------------------- */

static const char *number(Arena *a, double x) { return isfinite(x) ? number_text(a, round(x * 1e5) / 1e5) : "-"; }

const char *validation_losses_text(Arena *a, const Validation *v)
{
    const char *text = "";
    for (size_t i = 0; i < v->count; i++)
        text = format(a, "%s%s%.0f:%s", text, i ? " " : "", v->at[i].step, number(a, validation_loss(v, i)));
    return text;
}

const char *validation_likeness_text(Arena *a, const Validation *v)
{
    const char *text = "";
    for (size_t i = 0; i < v->count; i++)
        text = format(a, "%s%s%.0f:%s", text, i ? " " : "", v->at[i].step,
                      number(a, round(validation_likeness(v, i) * 1e4) / 100));
    return text;
}
