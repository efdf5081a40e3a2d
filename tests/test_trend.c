/* test_trend.c - what is said of losses: synthetic curves that rise, and many that only look so. */
#include "trend.h"
#include "test.h"

#include <math.h>
#include <stdint.h>

enum { MOST = 2000 };

static uint64_t state;

/* 0 .. 1, never 0 */
static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 40) + 1) * 0x1p-24;
}

static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }

/* ---- learned by heart ---------------------------------------------------------------------------- */

/* A curve: falls by `gain` over `fall` epochs, then rises by `slope` in each, all with noise. */
typedef struct { double start, gain, slope, noise; size_t fall; } Curve;

static double curve_at(Curve c, size_t i)
{
    double fallen = i < c.fall ? c.gain * (double)i / (double)c.fall : c.gain;
    double risen = i < c.fall ? 0 : c.slope * (double)(i - c.fall);
    return c.start - fallen + risen + c.noise * normal();
}

/* The first epoch at which it is said, 0 when it never is; it is asked after each, as training does. */
static size_t said_at(const double *loss, size_t n, size_t *least)
{
    for (size_t i = 1; i <= n; i++)
        if (trend_rises(loss, i, least)) return i;
    return 0;
}

static size_t said_of(Curve c, size_t n, uint64_t seed, size_t *least)
{
    static double loss[MOST];
    state = seed * 7919 + 1;
    for (size_t i = 0; i < n; i++) loss[i] = curve_at(c, i);
    return said_at(loss, n, least);
}

/* Noise of any size around a plateau, or around a fall, is no rise: 300 epochs each. */
static void test_noise(void)
{
    static const double noises[] = { 1e-4, 1e-3, 5e-3, 0.02 };
    size_t least;
    for (size_t k = 0; k < sizeof noises / sizeof *noises; k++) {
        int false_alarms = 0;
        for (uint64_t seed = 0; seed < 100; seed++) {
            Curve plateau = { .start = 0.1, .noise = noises[k] };
            Curve falls = { .start = 0.1, .gain = 0.03, .fall = 20, .noise = noises[k] };
            false_alarms += said_of(plateau, 300, seed, &least) > 0;
            false_alarms += said_of(falls, 300, seed, &least) > 0;
        }
        CHECK_MSG(!false_alarms, "noise of %g: %d false alarms of 200", noises[k], false_alarms);
    }
}

/* A true rise is said, soon after it is one of 2 in a hundred, and names the turn. */
static void test_rises(void)
{
    static const struct { double slope, noise; size_t latest; } cases[] = {
        { 0.004, 1e-4, 18 }, { 0.001, 1e-4, 25 }, { 0.0002, 2e-5, 30 }, { 0.0002, 1e-4, 45 }, { 0.001, 1e-3, 40 },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            size_t least = 0;
            Curve c = { .start = 0.1, .gain = 0.02, .fall = 10, .slope = cases[k].slope, .noise = cases[k].noise };
            size_t at = said_of(c, 100, seed, &least);
            CHECK_MSG(at > 10 && at <= cases[k].latest, "slope %g, noise %g: said after %zu", c.slope, c.noise, at);
            CHECK_MSG(least >= 8 && least <= 14, "slope %g, noise %g: the least is %zu", c.slope, c.noise, least);
        }
}

static void test_outliers(void)
{
    size_t least;
    double loss[60];
    for (size_t place = 0; place < 60; place++)
        for (int high = 0; high < 2; high++) {
            state = place + 1;
            for (size_t i = 0; i < 60; i++) loss[i] = 0.08 + 2e-4 * normal();
            loss[place] = high ? 0.3 : 0.01;
            CHECK_MSG(!said_at(loss, 60, &least), "an outlier at %zu, %s", place, high ? "high" : "low");
        }
}

/* a curve that is what it is: no noise at all */
static void test_exact(void)
{
    size_t least = 0;
    double flat[40], falling[40];
    for (size_t i = 0; i < 40; i++) {
        flat[i] = 0.1;
        falling[i] = 0.1 / (double)(i + 1);
    }
    CHECK(!said_at(flat, 40, &least) && !said_at(falling, 40, &least));
    flat[39] = flat[38] = flat[37] = 0.103;
    CHECK(said_at(flat, 40, &least) == 40);
    CHECK(!trend_rises(flat, 0, &least) && !trend_rises(flat, 3, &least));
}

/* ---- broken -------------------------------------------------------------------------------------- */

/* Losses of steps, as they are: spread over a factor of ten and more, with a few of 1 and above. */
static float step_loss(double mean) { return (float)(mean * exp(1.1 * normal() - 0.6)); }

/* Of a job that learns, or wanders about its start. */
static void test_healthy(void)
{
    static float loss[MOST];
    int false_alarms = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        state = seed + 1;
        size_t steps = seed % 2 ? 100 : MOST;
        for (size_t i = 0; i < steps; i++) loss[i] = step_loss(0.15);
        for (size_t i = 1; i <= steps; i++) {
            if (!trend_breaks(loss, i, steps, 1).how) continue;
            false_alarms++;
            break;
        }
    }
    CHECK_MSG(!false_alarms, "%d false alarms of 100", false_alarms);
}

static BrokenTrend after(double start, size_t turn, double end, size_t steps, size_t *step)
{
    static float loss[MOST];
    BrokenTrend t = { 0 };
    for (size_t i = 0; i < steps; i++) loss[i] = step_loss(i < turn ? start : end);
    for (*step = 1; *step <= steps; ++*step) {
        t = trend_breaks(loss, *step, steps, 1);
        if (t.how) break;
    }
    return t;
}

static void test_broken(void)
{
    size_t step;
    for (state = 1; state < 20; state++) {
        CHECK(after(0.15, 1, 1.4, 100, &step).how == NO_BETTER_THAN_NOTHING && step <= 40);
        BrokenTrend t = after(0.15, 500, 0.5, 1000, &step);
        CHECK_MSG(t.how == LOSS_DOUBLED && step > 500 && step < 600, "%d at %zu", t.how, step);
        CHECK(t.now > 2 * t.before && t.window == 50);
        CHECK(after(0.1, 30, 0.8, 100, &step).how != NOT_BROKEN);
    }
    const float few[] = { 1.2f, 1.1f, NAN, 1.3f, 1.2f, 1.4f };
    const float none[] = { NAN, NAN, NAN };
    CHECK(trend_breaks(few, 6, 6, 1).how == NO_BETTER_THAN_NOTHING && !trend_breaks(few, 6, 100, 1).how);
    CHECK(!trend_breaks(none, 3, 3, 1).how && !trend_breaks(none, 0, 0, 1).how);
}

int main(void)
{
    test_noise();
    test_rises();
    test_outliers();
    test_exact();
    test_healthy();
    test_broken();
    return done();
}
