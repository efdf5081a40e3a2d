/* autoencoder_check.c - can this autoencoder draw such pictures at all?
 *
 * Training moves the UNet and the text encoder, never the autoencoder.  What that cannot draw, no training teaches.
 * The one that comes with persona has seen drawn portraits only: a photograph comes out of it as a smear of flat
 * colours, and hours of training on photos would end with that.
 *
 * Whether a picture is a photograph is not guessed from its colours or its EXIF.  The question is put to the
 * autoencoder itself: the picture goes in and comes out, and the error says how much is lost.  Measured with the model
 * in weights/:
 *
 *     examples/yumin, frames of examples/gallery, stills that it drew       5 to 10 of 255
 *     photographs: faces, animals, rooms, landscapes (13 of them)          12 to 31, faces 17 and more
 *
 * The median of a few pictures decides, so that one flat photo or one busy drawing does not.  A large autoencoder takes
 * seconds for each picture and has seen photographs, so it is not asked. */
#include "autoencoder_check.h"

#include "image.h"

#include <math.h>
#include <stdlib.h>

const double AUTOENCODER_MOST_ERROR = 12;

enum {
    ASKED = 5,                           /* pictures */
    SMALL_BYTES = 32 << 20               /* Stable Diffusion's has 84 million values */
};

int autoencoder_is_small(const Weights *w) { return weights_bytes(w, "vae.") < SMALL_BYTES; }

/* [1,height,width,3], -1 .. 1 */
static Tensor pixels_of(Run *r, const char *path, int width, int height)
{
    Arena *a = r->machine->mem;
    Picture p = image_resize_and_crop(a, image_open(a, path), width, height, BOX);
    Tensor x = tensor(r, 1, height, width, 3);
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)p.rgb[i] / 127.5f - 1;
    return x;
}

/* The means of the latents, without noise: vae.encode(x).latent_dist.mode() * 0.18215 */
static Tensor latents_of(Run *r, Tensor moments)
{
    Tensor z = tensor(r, 1, moments.h, moments.w, LATENT);
    for (size_t i = 0; i < size(z); i++) z.x[i] = LATENT_SCALE * moments.x[i / LATENT * 2 * LATENT + i % LATENT];
    return z;
}

static double error_of(Run *r, const char *path)
{
    int width, height;
    double sum = 0;
    size_t before = mark(r->machine->mem);
    weights_resolution(r->weights, &width, &height);
    Tensor x = pixels_of(r, path, width, height);
    Tensor y = vae_decode(r, latents_of(r, vae_encode(r, x)));
    for (size_t i = 0; i < size(x); i++) {
        double error = (double)(fminf(1, fmaxf(-1, y.x[i])) - x.x[i]);
        sum += error * error;
    }
    double n = (double)size(x);
    release(r->machine->mem, before);
    return sqrt(sum / n) * 127.5;
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
    for (size_t i = 0; i < n; i++) error[i] = error_of(r, p->photo[i * p->count / n].path);
    qsort(error, n, sizeof *error, by_value);
    return n ? error[(n - 1) / 2] : 0;
}
