/* test_inpainting.c - masks: as boxes, from files and from alpha; what is kept has its own bytes; what is wrong is said.
 * The pictures themselves are compared with PyTorch's in test_golden.c. */
#include "test.h"

#include "chars.h"
#include "generate.h"
#include "inpainting.h"
#include "mask_box.h"


enum { SIDE = 72 };
static const char PICTURE[] = "tests/golden/init.png";

/* ---- boxes ---- */

static void test_boxes(Arena *a)
{
    static const struct { const char *text; int at[4]; } right[] = {
        { "20,30,57,64", { 20, 30, 57, 64 } },       { " 0, 0, 72 , 72", { 0, 0, 72, 72 } },
        { "25%,50%,75%,100%", { 18, 36, 54, 72 } },  { "1.6,0,10%,1", { 2, 0, 7, 1 } },
    };
    static const char *const wrong[] = { "20,30,57", "20,30,57,64,80", "20,30,57,73", "-1,0,5,5", "20,30,20,64", "9,9,5,5",
                                         "0,0,101%,5", "1,2,3,4%%", ",,,", "1e9,0,2,2", "0,0,0.2,9" };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        MaskBox box;
        int at[4] = { 0 };
        CHECK_MSG(mask_is_box(right[i].text), "%s is a box", right[i].text);
        const char *why = mask_box_read(a, right[i].text, &box);
        if (!why) why = mask_box_pixels(a, &box, SIDE, SIDE, at);
        CHECK_MSG(!why, "%s: %s", right[i].text, why);
        CHECK_MSG(!memcmp(at, right[i].at, sizeof at), "%s is %d,%d,%d,%d", right[i].text, at[0], at[1], at[2], at[3]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        MaskBox box;
        int at[4];
        const char *why = mask_box_read(a, wrong[i], &box);
        if (!why) why = mask_box_pixels(a, &box, SIDE, SIDE, at);
        CHECK_MSG(why, "%s is no box", wrong[i]);
    }
    CHECK(!mask_is_box("alpha"));
    CHECK(!mask_is_box("face.png"));
    CHECK(!mask_is_box("1.png"));
}

/* ---- latents, blur and pixels ---- */

static void test_mask(Arena *a)
{
    size_t count;
    const MaskedInit init = { PICTURE, PICTURE, SIDE, SIDE, 1 };
    Mask m = mask_open(a, "9,8,24,33", &init, SIDE, SIDE, 0);
    const float *latent = mask_latents(a, m, &count);
    CHECK_MSG(count == 4, "%zu latents have their first pixel in the box", count);
    CHECK(latent[9 + 2] > 0 && latent[4 * 9 + 2] > 0 && !(latent[9 + 1] > 0) && !(latent[2] > 0) && !(latent[9 + 3] > 0));
    Mask turned = mask_open(a, "9,8,24,33", &init, SIDE, SIDE, 1);
    mask_latents(a, turned, &count);
    CHECK_MSG(count == 81 - 4, "%zu others", count);
    Mask soft = mask_blurred(a, m, 2);
    CHECK(soft.white[20 * SIDE + 16] == 255 && soft.white[20 * SIDE + 30] == 0);
    CHECK(soft.white[20 * SIDE + 9] + soft.white[20 * SIDE + 8] == 255);         /* the two sides of an edge */
    CHECK(mask_blurred(a, m, 0).white == m.white);
    unsigned char *kept = allocate(a, SIDE * SIDE, 3);
    float *drawn = allocate(a, SIDE * SIDE * 3, sizeof *drawn);
    memset(kept, 0, SIDE * SIDE * 3);
    for (size_t i = 0; i < SIDE * SIDE * 3; i++) drawn[i] = 1;
    mask_composite(soft, kept, drawn);
    CHECK(drawn[3 * (20 * SIDE + 16)] >= 1 && drawn[3 * (20 * SIDE + 30)] <= -1);
    CHECK(drawn[3 * (20 * SIDE + 9)] > 0 && drawn[3 * (20 * SIDE + 8)] < 0);
}

/* ---- jobs ---- */

typedef struct { Arena *a; Job job; Pictures p; int is_check; } Trial;

static void draw(void *trial)
{
    Trial *t = trial;
    if (t->is_check) generate_check(t->a, &t->job, NULL);
    else t->p = generate(t->a, &t->job, NULL);
}

static Job job(void)
{
    return (Job){ .model = "weights/persona.safetensors", .merges = "weights/merges.txt", .prompt = "a man", .width = SIDE,
                  .height = SIDE, .frames = 1, .steps = 3, .seed = 5, .strength = 0.7, .init = PICTURE, .threads = 1,
                  .mask = "16,16,48,56", .mask_blur = -1, .upscaler = "None" };
}

static void expect(Arena *a, Job j, const char *message)
{
    char why[MESSAGE] = "";
    Trial t = { .a = a, .job = j, .is_check = 1 };
    size_t before = mark(a);
    int is_wrong = attempt(a, draw, &t, why) != 0;
    if (!is_wrong) release(a, before);
    CHECK_MSG(is_wrong && strstr(why, message), "expected \"%s\", found \"%s\"", message, why);
}

static void test_messages(Arena *a)
{
    Job j;
    j = job(); j.init = NULL;                    expect(a, j, "there is no picture to keep; name it as Init image");
    j = job(); j.mask = "no such file";          expect(a, j, "no such file: cannot be opened");
    j = job(); j.mask = "tests/golden/embeddings/sample-600.png"; expect(a, j, "is 37x27, expected the shape of");
    j = job(); j.mask = "Makefile";              expect(a, j, "Makefile: is no picture");
    j = job(); j.mask = "16,16,48";              expect(a, j, "expected a picture whose white is drawn anew");
    j = job(); j.mask = "16,16,48,80";           expect(a, j, "and the picture is 72x72");
    j = job(); j.mask = "1,1,7,7";               expect(a, j, "too small");
    j = job(); j.mask = "alpha";                 expect(a, j, "nothing in it is transparent");
    j = job(); j.hires = 2;                      expect(a, j, "Mask and Hires upscale do not go together");
    j = job(); j.face_pass = 0.5;                expect(a, j, "Mask and Face pass do not go together");
    j = job(); j.mask_mode = "upside down";      expect(a, j, "expected Inpaint masked or Inpaint not masked");
    j = job(); j.masked_content = "fill";        expect(a, j, "expected original, latent noise or latent nothing");
    j = job(); j.mask_blur = 65;                 expect(a, j, "Mask blur is 65");
    j = job(); j.mask = "0,0,72,72"; j.mask_mode = "Inpaint not masked";
    expect(a, j, "white everywhere");
}

/* A clip, a folder of pictures for one, has one mask for all of its frames, of the shape that they have in their files.
 * What is wrong with a mask is told beside what is wrong with the strength. */
static void test_clips(Arena *a)
{
    char why[MESSAGE] = "";
    static const char *const clips[] = { "tests/golden/init.gif", "examples/yumin" };
    for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
        Job j = job();
        j.init = clips[i];
        j.mask = "examples/yumin/01.png";
        Trial t = { .a = a, .job = j, .is_check = 1 };
        size_t before = mark(a);
        int is_wrong = attempt(a, draw, &t, why) != 0;
        CHECK_MSG(!is_wrong, "%s: %s", clips[i], why);
        release(a, before);
        j.mask = "alpha";
        expect(a, j, "each with its own alpha channel");
        j.strength = 0.1;
        expect(a, j, "each with its own alpha channel");
    }
}

static Pictures drawn(Arena *a, Job j)
{
    char why[MESSAGE] = "";
    Trial t = { .a = a, .job = j };
    CHECK_MSG(!attempt(a, draw, &t, why), "%s", why);
    return t.p;
}

/* Outside of the box each byte is the picture's own; within it not. */
static void test_kept(Arena *a)
{
    static const char *const contents[] = { "original", "latent noise", "latent nothing" };
    Pictures first = { 0 };
    Picture own = image_open(a, PICTURE);
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        Job j = job();
        j.masked_content = contents[i];
        Pictures p = drawn(a, j);
        size_t outside = 0;
        size_t inside = 0;
        for (size_t k = 0; k < SIDE * SIDE * 3 && p.rgb; k++) {
            size_t x = k / 3 % SIDE;
            size_t y = k / 3 / SIDE;
            int is_inside = x >= 16 && x < 48 && y >= 16 && y < 56;
            if (p.rgb[k] != own.rgb[k]) ++*(is_inside ? &inside : &outside);
        }
        CHECK_MSG(!outside && inside > 1000, "%s: %zu bytes differ outside, %zu inside", contents[i], outside, inside);
        if (i) CHECK_MSG(memcmp(first.rgb, p.rgb, SIDE * SIDE * 3), "%s is as original", contents[i]);
        else first = p;
    }
}

int main(void)
{
    Arena *a = arena_new();
    if (!a) return 1;
    test_boxes(a);
    test_mask(a);
    test_messages(a);
    test_clips(a);
    test_kept(a);
    arena_free(a);
    return done();
}
