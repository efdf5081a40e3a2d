/* trend.c - what a series of losses says: that what is learned breaks, or is learned by heart.
 *
 * Both are said once and cost hours when they are said wrongly, so both compare with the noise of the series itself.
 *
 * Learned by heart: the validation loss falls, and then rises although the training loss still falls.  It is measured
 * under the same noise each time, but the model wanders, so every series has a least value and is above it afterwards.
 * A rise is one of several times the usual difference from one validation to the next.  That difference is a median,
 * and the least value is one of medians of three, so that no single outlier makes a rise.
 *
 * Broken: with too high a learning rate the model forgets how to predict noise.  The loss of a step depends on its
 * timestep and spreads over a factor of ten, so means of many steps are compared, and to tell a doubling means of
 * logarithms, which few large losses do not rule. */
#include "trend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- learned by heart ---------------------------------------------------------------------------- */

static const double LITTLE = 0.02;       /* of the least loss: less is no rise that anybody sees */
static const double TIMES = 6;           /* the usual difference: 6 medians are 4 standard deviations of a difference */

enum { LAST = 3, LEAST_COUNT = 8 };

static double median_of_three(const double *x)
{
    double low = fmin(x[0], x[1]);
    double high = fmax(x[0], x[1]);
    return fmax(low, fmin(high, x[2]));
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The median of |loss[i + 1] - loss[i]|; infinite when memory is out, and then nothing rises. */
static double usual_difference(const double *loss, size_t n)
{
    double *difference = malloc((n - 1) * sizeof *difference);
    if (!difference) return INFINITY;
    for (size_t i = 0; i + 1 < n; i++) difference[i] = fabs(loss[i + 1] - loss[i]);
    qsort(difference, n - 1, sizeof *difference, by_value);
    double median = difference[(n - 1) / 2];
    free(difference);
    return median;
}

int trend_rises(const double *loss, size_t n, size_t *least)
{
    if (n < LEAST_COUNT) return 0;
    double lowest = INFINITY;
    for (size_t i = 0; i + LAST + 2 < n; i++) {
        double median = median_of_three(loss + i);
        if (median >= lowest) continue;
        lowest = median;
        *least = i + 1;
    }
    double last = INFINITY;              /* the least of the last ones */
    for (size_t i = n - LAST; i < n; i++) last = fmin(last, loss[i]);
    double rise = last - lowest;
    return rise > LITTLE * lowest && rise > TIMES * usual_difference(loss, n);
}

/* ---- broken -------------------------------------------------------------------------------------- */

enum { WINDOW = 20, LONG_WINDOW = 50, SHORT_WINDOW = 10 };

static const double HARDLY = 0.9;        /* of the loss of predicting nothing */
static const double TWICE = 0.6931471805599453;      /* ln 2 */
static const double CERTAIN = 5;         /* standard errors */

typedef struct {
    double mean, variance;               /* of the mean */
    size_t count;
} Mean;

static double itself(double x) { return x; }

/* The mean of f(loss) over those that are finite and not 0. */
static Mean mean_of(const float *loss, size_t n, double (*f)(double))
{
    double sum = 0;
    double squares = 0;
    Mean m = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(loss[i]) || !(loss[i] > 0)) continue;
        double x = f((double)loss[i]);
        sum += x;
        squares += x * x;
        m.count++;
    }
    if (!m.count) return m;
    double count = (double)m.count;
    m.mean = sum / count;
    m.variance = fmax(0, squares / count - m.mean * m.mean) / count;
    return m;
}

static BrokenTrend against_nothing(const float *loss, size_t n, size_t steps, double zero)
{
    BrokenTrend t = { .before = zero, .window = n < WINDOW ? n : WINDOW };
    if (n < WINDOW && n < steps) return t;
    Mean now = mean_of(loss + n - t.window, t.window, itself);
    double usual = exp(mean_of(loss + n - t.window, t.window, log).mean);      /* no single loss makes it large */
    t.now = now.mean;
    int is_hardly_better = now.mean >= HARDLY * zero && usual >= zero / 2;
    if (now.count >= SHORT_WINDOW / 2 && is_hardly_better) t.how = NO_BETTER_THAN_NOTHING;
    return t;
}

static BrokenTrend against_the_first(const float *loss, size_t n, size_t steps)
{
    BrokenTrend t = { .window = steps / 4 < LONG_WINDOW ? steps / 4 : LONG_WINDOW };
    if (t.window < SHORT_WINDOW || n < 2 * t.window) return t;
    Mean first = mean_of(loss, t.window, log);
    Mean now = mean_of(loss + n - t.window, t.window, log);
    double risen = now.mean - first.mean;
    int is_certain = risen > TWICE && risen > CERTAIN * sqrt(first.variance + now.variance);
    t.before = exp(first.mean);
    t.now = exp(now.mean);
    if (first.count && now.count && is_certain) t.how = LOSS_DOUBLED;
    return t;
}

BrokenTrend trend_breaks(const float *loss, size_t n, size_t steps, double zero)
{
    BrokenTrend t = against_nothing(loss, n, steps, zero);
    return t.how ? t : against_the_first(loss, n, steps);
}
