/* test_face_place.c - the face pass puts the face back where it was.
 *
 * A portrait stands in a larger canvas, and is drawn at a strength that changes next to nothing, without the face pass
 * and with it.  The two pictures are compared within the square, one shifted against the other: they must match best
 * without a shift, and the bottom of the parabola through the errors beside it be nearer than a quarter of a pixel. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "chars.h"
#include "generate.h"
#include "image.h"
#include "png.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { CANVAS = 192, HEAD = 96, LEFT = 60, TOP = 70, FAR = 3 };

typedef struct { Arena *a; Job job; Pictures p; int side, left, top; } Trial;

/* "face: 104x104 pixels at 12,0, ..." */
static void listen(void *trial, const char *line)
{
    Trial *t = trial;
    int height;
    if (begins(line, "face: ")) sscanf(line, "face: %dx%d pixels at %d,%d", &t->side, &height, &t->left, &t->top);
}

static void draw(void *trial)
{
    Trial *t = trial;
    Callbacks callbacks = { .say = listen, .to = t };
    t->p = generate(t->a, &t->job, &callbacks);
}

/* The portrait at LEFT, TOP of a canvas in the colour of its corner, as a PNG. */
static void write_canvas(Arena *a, int file)
{
    Picture p = image_resize(a, image_open(a, "examples/yumin/03.png"), HEAD, HEAD, LANCZOS);
    unsigned char *rgb = allocate(a, CANVAS * CANVAS, 3);
    for (size_t i = 0; i < CANVAS * CANVAS; i++) memcpy(rgb + 3 * i, p.rgb, 3);
    for (size_t y = 0; y < HEAD; y++) memcpy(rgb + 3 * ((TOP + y) * CANVAS + LEFT), p.rgb + 3 * y * HEAD, 3 * HEAD);
    size_t bytes;
    unsigned char *png = png_encode(rgb, CANVAS, CANVAS, NULL, &bytes);
    CHECK(png && write(file, png, bytes) == (ssize_t)bytes);
    free(png);
}

static Trial drawn(Arena *a, const char *init, double face_pass)
{
    char why[MESSAGE] = "";
    Trial t = { .a = a };
    t.job = (Job){ .model = "weights/persona.safetensors", .merges = "weights/merges.txt", .frames = 1, .steps = 20,
                   .prompt = "portrait of a woman with purple hair, happy", .width = CANVAS, .height = CANVAS, .seed = 1,
                   .strength = 0.05, .init = init, .threads = 1, .upscaler = "None", .face_pass = face_pass };
    CHECK_MSG(!attempt(a, draw, &t, why), "%s", why);
    return t;
}

/* The mean square of the differences in the middle of the square, where nothing is mixed; y is moved by dx, dy. */
static double error(const Trial *x, const Trial *y, int dx, int dy)
{
    double sum = 0;
    size_t count = 0;
    int edge = y->side / 8 + FAR;
    for (int v = y->top + edge; v < y->top + y->side - edge; v++)
        for (int u = y->left + edge; u < y->left + y->side - edge; u++)
            for (int c = 0; c < 3; c++, count++) {
                double d = x->p.rgb[3 * (v * CANVAS + u) + c] - y->p.rgb[3 * ((v + dy) * CANVAS + u + dx) + c];
                sum += d * d;
            }
    return sum / (double)count;
}

/* Where the parabola through three errors, at -1, 0 and 1, has its bottom. */
static double bottom(double before, double here, double behind)
{
    return (before - behind) / (2 * (before - 2 * here + behind));
}

static void test_place(Arena *a, const char *init)
{
    Trial x = drawn(a, init, 0);
    Trial y = drawn(a, init, 0.05);
    CHECK(x.side == 0 && y.side > 2 * HEAD / 3 && x.p.rgb && y.p.rgb);
    if (!x.p.rgb || !y.side) return;
    double here = error(&x, &y, 0, 0);
    CHECK(here > 0);
    for (int dy = -FAR; dy <= FAR; dy++)
        for (int dx = -FAR; dx <= FAR; dx++)
            CHECK_MSG(here <= error(&x, &y, dx, dy), "shifted by %d,%d they match better", dx, dy);
    double across = bottom(error(&x, &y, -1, 0), here, error(&x, &y, 1, 0));
    double down = bottom(error(&x, &y, 0, -1), here, error(&x, &y, 0, 1));
    CHECK_MSG(fabs(across) < 0.25 && fabs(down) < 0.25, "shifted by %.2f,%.2f", across, down);
}

int main(void)
{
    char path[] = "/tmp/test_face_place.XXXXXX";
    Arena *a = arena_new();
    int file = mkstemp(path);
    if (!a || file < 0) return 1;
    write_canvas(a, file);
    close(file);
    test_place(a, path);
    unlink(path);
    arena_free(a);
    return done();
}
