/* reconstruction.c - can this autoencoder draw such a picture at all?
 *
 * Nothing that is drawn or learned changes the autoencoder.  What that cannot draw, no prompt and no training brings.
 * The one that comes with persona has seen drawn portraits only: a photograph comes out of it as a smear of flat
 * colours.
 *
 * Whether a picture is a photograph is not guessed from its colours or its EXIF.  The question is put to the
 * autoencoder itself: the picture goes in and comes out, and the error says how much is lost.  Measured with the model
 * in weights/:
 *
 *     examples/yumin, frames of examples/gallery, stills that it drew       5 to 10 of 255
 *     photographs: faces, animals, rooms, landscapes (13 of them)          12 to 31, faces 17 and more */
#include "reconstruction.h"

#include <math.h>

const double MOST_RECONSTRUCTION_ERROR = 12;

enum { SMALL_BYTES = 32 << 20 };         /* Stable Diffusion's has 84 million values */

int autoencoder_is_small(const Weights *w) { return weights_bytes(w, "vae.") < SMALL_BYTES; }

/* [1,height,width,3], -1 .. 1 */
static Tensor pixels_of(Run *r, Picture picture, int width, int height)
{
    Picture p = image_resize_and_crop(r->machine->mem, picture, width, height, BOX);
    Tensor x = tensor(r, 1, height, width, 3);
    for (size_t i = 0; i < size(x); i++) x.x[i] = (float)p.rgb[i] / 127.5f - 1;
    return x;
}

/* The means of the latents, without noise: vae.encode(x).latent_dist.mode() * 0.18215 */
static Tensor latents_of(Run *r, Tensor moments)
{
    Tensor z = tensor(r, 1, moments.h, moments.w, LATENT);
    vae_means(z, moments);
    return z;
}

double reconstruction_error(Run *r, Picture p, int width, int height)
{
    double sum = 0;
    size_t before = mark(r->machine->mem);
    Tensor x = pixels_of(r, p, width, height);
    Tensor y = vae_decode(r, latents_of(r, vae_encode(r, x)));
    for (size_t i = 0; i < size(x); i++) {
        double error = (double)(fminf(1, fmaxf(-1, y.x[i])) - x.x[i]);
        sum += error * error;
    }
    double n = (double)size(x);
    release(r->machine->mem, before);
    return sqrt(sum / n) * 127.5;
}
