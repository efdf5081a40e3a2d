/* test_last_image.c - a first and a last picture: how much of each a frame begins as, and what is refused.
 * The pictures themselves are compared with PyTorch's in test_golden.c. */
#include "test.h"

#include "chars.h"
#include "generate.h"
#include "last_image.h"

#include <math.h>

static const char PICTURE[] = "tests/golden/init.png";
static const char LAST[] = "tests/golden/last.png";

/* ---- weights: first_and_last() of tests/golden.py, by numpy ---- */

static void test_weights(void)
{
    enum { FRAMES = 6 };
    static const struct { LatentFade first, last; float a[FRAMES], b[FRAMES]; } cases[] = {
        { { 1, 32, 1 }, { 1, 32, 1 },
          { 1, 0.5254237f, 0.5084746f, 0.4915254f, 0.4745763f, 0 },
          { 0, 0.4745763f, 0.4915254f, 0.5084746f, 0.5254237f, 1 } },
        { { 1, 6, 1 }, { 2, 9, 0.4 },
          { 1, 0.8333333f, 0.6666667f, 0.4736842f, 0.2727273f, 0 },
          { 0, 0, 0, 0.2105263f, 0.2909091f, 0.4f } },
        { { 0.5, 2, 0.5 }, { 1, 1, 1 },
          { 0.5f, 0.25f, 0.1464466f, 0.0669873f, 0, 0 },
          { 0, 0, 0, 0, 0, 1 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float a[FRAMES];
        float b[FRAMES];
        last_image_weights(FRAMES, cases[i].first, cases[i].last, a, b);
        for (int f = 0; f < FRAMES; f++) {
            CHECK_MSG(fabsf(a[f] - cases[i].a[f]) < 1e-6f, "case %zu, frame %d: a is %g", i, f, (double)a[f]);
            CHECK_MSG(fabsf(b[f] - cases[i].b[f]) < 1e-6f, "case %zu, frame %d: b is %g", i, f, (double)b[f]);
        }
    }
}

/* ---- jobs ---- */

typedef struct { Arena *a; Job job; char said[MESSAGE]; } Trial;

static void hear(void *to, const char *line)
{
    Trial *t = to;
    size_t n = strlen(t->said);
    snprintf(t->said + n, sizeof t->said - n, "%s\n", line);
}

static void check(void *trial)
{
    Trial *t = trial;
    Callbacks listen = { .to = t, .say = hear };
    generate_check(t->a, &t->job, &listen);
}

static Job job(void)
{
    return (Job){ .model = "weights/persona.safetensors", .motion = "weights/persona_motion.safetensors",
                  .merges = "weights/merges.txt", .prompt = "a man", .width = 32, .height = 32, .frames = 4, .steps = 4,
                  .seed = 5, .strength = 0.5, .init = PICTURE, .last = LAST, .threads = 1, .upscaler = "None" };
}

static void expect(Arena *a, Job j, int is_refused, const char *message)
{
    static Trial t;
    char why[MESSAGE] = "";
    t = (Trial){ .a = a, .job = j };
    size_t before = mark(a);
    int is_wrong = attempt(a, check, &t, why) != 0;
    if (!is_wrong) release(a, before);
    CHECK_MSG(is_wrong == is_refused, "\"%s\": %s", message, why);
    CHECK_MSG(strstr(is_wrong ? why : t.said, message), "expected \"%s\", found \"%s\"", message, is_wrong ? why : t.said);
}

static void test_messages(Arena *a)
{
    Job j;
    j = job();                          expect(a, j, 0, "strength 0.5: the middle frame begins as 49% of the first and 51% of the last");
    j = job(); j.last_strength = 0.75;  expect(a, j, 0, "ends as tests/golden/last.png (72x72), strength 0.75");
    j = job(); j.last_strength = 0.25;  expect(a, j, 0, "strength 0.5: 1 of 4 steps");
    j = job(); j.last_strength = 0.2;   expect(a, j, 1, "Last strength is 0.2, and of 4 steps that leaves none");
    j = job(); j.last_strength = 1.5;   expect(a, j, 1, "Last strength is 1.5, expected 0 to 1");
    j = job(); j.latent_scale_last = 129;       expect(a, j, 1, "Latent scale last is 129");
    j = job(); j.init = NULL;           expect(a, j, 1, "there is no first one; name it as Init image, or --init");
    j = job(); j.init = "tests/golden/init.gif"; expect(a, j, 1, "init.gif is a clip of 4 frames");
    j = job(); j.last = "tests/golden/init.gif"; expect(a, j, 1, "init.gif: has 4 frames, expected one picture");
    j = job(); j.last = "no such file"; expect(a, j, 1, "no such file: cannot be opened");
    j = job(); j.frames = 1;            expect(a, j, 1, "Last image needs a clip: set Motion module, and Frames to 2");
    j = job(); j.frames = 0; j.motion = NULL;   expect(a, j, 1, "Last image needs a clip: set Motion module");
    j = job(); j.motion = NULL;         expect(a, j, 1, "no motion module is named");
    j = job(); j.mask = "8,8,24,24";    expect(a, j, 1, "Mask and Last image do not go together");
    j = job(); j.last = NULL; j.latent_power = 2;       expect(a, j, 0, "have no effect without Last image");
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_weights();
    test_messages(a);
    arena_free(a);
    return done();
}
