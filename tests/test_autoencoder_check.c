/* test_autoencoder_check.c - the autoencoder of weights/ is asked whether it can draw a picture: the pictures of
 * examples/ it can, pictures with the spectrum and the noise of photographs it cannot.  Run from the repository's
 * root. */
#define _POSIX_C_SOURCE 200809L
#include "autoencoder_check.h"
#include "files.h"
#include "png.h"
#include "reconstruction.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIDE = 256, COUNT = 5 };

static uint32_t state;
static double noise(void)                /* -1 .. 1 */
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) * 0x1p-23 - 1;
}

/* Natural pictures have a spectrum of 1/f (Field, 1987): noise of every size, each as strong as the others.  On top the
 * noise of a sensor. */
static void save_photo(Arena *a, const char *path, uint32_t seed)
{
    double *grey = allocate(a, SIDE * SIDE, sizeof *grey);
    unsigned char *rgb = allocate(a, SIDE * SIDE, 3);
    size_t size;
    state = seed;
    for (int i = 0; i < SIDE * SIDE; i++) grey[i] = 128;
    for (int cell = SIDE / 2; cell >= 2; cell /= 2) {
        double corner[SIDE / 2 + 2][SIDE / 2 + 2];
        for (int y = 0; y <= SIDE / cell; y++)
            for (int x = 0; x <= SIDE / cell; x++) corner[y][x] = 30 * noise();
        for (int i = 0; i < SIDE * SIDE; i++) {
            int x = i % SIDE / cell, y = i / SIDE / cell;
            double u = (double)(i % SIDE % cell) / cell, v = (double)(i / SIDE % cell) / cell;
            double above = corner[y][x] * (1 - u) + corner[y][x + 1] * u;
            double below = corner[y + 1][x] * (1 - u) + corner[y + 1][x + 1] * u;
            grey[i] += above * (1 - v) + below * v;
        }
    }
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        double x = grey[i / 3] + (i % 3 - 1) * 12 + 6 * noise();
        rgb[i] = (unsigned char)fmax(0, fmin(255, x));
    }
    unsigned char *png = arena_own(a, png_encode(rgb, SIDE, SIDE, NULL, &size));
    files_save(a, &(File){ path, { png, size } }, 1);
}

static Photos list(Arena *a, const char *form)
{
    Photos p = { .photo = allocate(a, COUNT, sizeof *p.photo), .count = COUNT };
    for (int i = 0; i < COUNT; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%02d.png", form, 3 * i + 1);
        p.photo[i] = (Photo){ .path = format(a, "%s", path) };
    }
    return p;
}

typedef struct { Arena *a; const char *folder; } Start;

static void run(void *to)
{
    Arena *a = ((Start *)to)->a;
    Machine machine = { .mem = a, .threads = 2 };
    Run r = { .machine = &machine, .weights = weights_add(a, NULL, "weights/persona.safetensors", MODEL_FILE),
              .frames = 1 };
    CHECK(autoencoder_is_small(r.weights));
    Photos drawn = list(a, "examples/yumin");
    double error = autoencoder_error(&r, &drawn);
    CHECK_MSG(error < 0.85 * MOST_RECONSTRUCTION_ERROR, "drawn portraits: %.2f", error);
    Photos photos = list(a, ((Start *)to)->folder);
    for (int i = 0; i < COUNT; i++) save_photo(a, photos.photo[i].path, (uint32_t)i + 1);
    error = autoencoder_error(&r, &photos);
    CHECK_MSG(error > 1.2 * MOST_RECONSTRUCTION_ERROR, "like photographs: %.2f", error);
    drawn.photo[0] = photos.photo[0];    /* one among others does not decide */
    CHECK(autoencoder_error(&r, &drawn) < MOST_RECONSTRUCTION_ERROR);
    for (int i = 0; i < COUNT; i++) unlink(photos.photo[i].path);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char folder[4096], message[MESSAGE];
    snprintf(folder, sizeof folder, "%s/autoencoder-XXXXXX", tmp && strlen(tmp) < 4000 ? tmp : "/tmp");
    Arena *a = arena_new();
    if (!a || !mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    CHECK_MSG(!attempt(a, run, &(Start){ a, folder }, message), "%s", message);
    rmdir(folder);
    arena_free(a);
    return done();
}
