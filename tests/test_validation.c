/* test_validation.c - likeness from the losses of held-out pictures: its formula, the best, when it falls, its texts. */
#include "validation.h"
#include "test.h"

#include <math.h>

static Validation empty(Arena *a, size_t most)
{
    return (Validation){ .at = allocate(a, most, sizeof(Measurement)), .most = most };
}

static void add(Validation *v, double step, double t200, double t400, double t600, double t800)
{
    validation_add(v, (Measurement){ step, { t200, t400, t600, t800 } });
}

/* Each timestep counts alike, however large its loss: likeness is the mean of 50, 0, 0 and -10 %. */
static void test_likeness(Arena *a)
{
    Validation v = empty(a, 4);
    add(&v, 0, 0.4, 0.02, 0.01, 0.001);
    add(&v, 50, 0.2, 0.02, 0.01, 0.0011);
    CHECK(fabs(validation_loss(&v, 0) - 0.10775) < 1e-12);
    CHECK(fabs(validation_likeness(&v, 0)) < 1e-12);
    CHECK(fabs(validation_likeness(&v, 1) - 0.1) < 1e-12);
    CHECK(validation_has(&v, 50) && validation_has(&v, 0) && !validation_has(&v, 51));
    CHECK(!validation_has(&(Validation){ 0 }, 0));
}

static void test_best(Arena *a)
{
    Validation v = empty(a, 8);
    add(&v, 0, 1, 1, 1, 1);
    CHECK(validation_best(&v) == 0);
    add(&v, 10, 0.9, 0.9, 0.9, 0.9);
    add(&v, 20, 0.8, 0.8, 0.8, 0.8);
    add(&v, 30, 0.8, 0.8, 0.8, 0.8);
    CHECK(validation_best(&v) == 2);                     /* of equals the first: fewer steps */
    add(&v, 40, NAN, 0.1, 0.1, 0.1);
    add(&v, 50, INFINITY, 0.1, 0.1, 0.1);
    CHECK(validation_best(&v) == 2 && isnan(validation_likeness(&v, 4)) && isnan(validation_likeness(&v, 5)));
    CHECK(!strcmp(validation_losses_text(a, &v), "0:1 10:0.9 20:0.8 30:0.8 40:- 50:-"));
    CHECK(!strcmp(validation_likeness_text(a, &v), "0:0 10:10 20:20 30:20 40:- 50:-"));
}

/* It is told for a fall that goes on, and not for a rise. */
static void test_falls(Arena *a)
{
    Validation falls = empty(a, 24);
    Validation rises = empty(a, 24);
    size_t best = 0;
    for (int i = 0; i < 24; i++) {
        double down = i < 8 ? 1 - 0.05 * i : 0.65 + 0.02 * (i - 8) * (i - 8);
        double up = 1 / (1 + 0.1 * i);
        add(&falls, 10 * i, down, down, down, down);
        add(&rises, 10 * i, up, up, up, up);
    }
    CHECK(validation_falls(a, &falls, &best) && best >= 6 && best <= 9);
    CHECK(!validation_falls(a, &rises, &best));
}

/* A state's measurements, in memory with room for those to come. */
static void test_take(Arena *a)
{
    Validation v = empty(a, 3);
    const Measurement from[2] = { { 0, { 1, 1, 1, 1 } }, { 5, { 0.5, 0.5, 0.5, 0.5 } } };
    validation_take(a, &v, from, 2);
    CHECK(v.count == 2 && v.most == 5);
    for (int i = 0; i < 3; i++) add(&v, 10 + i, 1, 1, 1, 1);
    CHECK(v.count == v.most && fabs(validation_likeness(&v, 1) - 0.5) < 1e-12 && v.at[4].step > 11);
}

int main(void)
{
    Arena *a = arena_new();
    CHECK(a != NULL);
    test_likeness(a);
    test_best(a);
    test_falls(a);
    test_take(a);
    arena_free(a);
    return done();
}
