/* autoencoder_check.c - can this autoencoder draw the pictures to learn from?
 *
 * Training moves the UNet and the text encoder, never the autoencoder, so hours of training on photographs would end
 * with smears when it has seen drawings only.  reconstruction.c asks it about one picture.  The median of a few of them
 * decides, so that one flat photo or one busy drawing does not. */
#include "autoencoder_check.h"

#include "image.h"
#include "model_spec.h"
#include "reconstruction.h"

#include <stdlib.h>

enum { ASKED = 5 };                      /* pictures */

static double error_of(Run *r, const char *path, PixelSize s)
{
    Arena *a = r->machine->mem;
    size_t before = mark(a);
    double error = reconstruction_error(r, image_open(a, path), s.width, s.height);
    release(a, before);
    return error;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

double autoencoder_error(Run *r, const Photos *p)
{
    double error[ASKED];
    size_t n = p->count < ASKED ? p->count : ASKED;
    PixelSize s = model_spec(r->machine->mem, r->weights, NULL).size;
    for (size_t i = 0; i < n; i++) error[i] = error_of(r, p->photo[i * p->count / n].path, s);
    qsort(error, n, sizeof *error, by_value);
    return n ? error[(n - 1) / 2] : 0;
}
