/* autoencoder_check.h - can this autoencoder draw such pictures at all? */
#ifndef AUTOENCODER_CHECK_H
#define AUTOENCODER_CHECK_H

#include "photos.h"
#include "vae.h"

/* Is it an autoencoder much smaller than Stable Diffusion's, as that of the model that comes with persona? */
int autoencoder_is_small(const Weights *w);

/* How far pictures are from themselves after encoding and decoding, in 255ths: the median, over a few of them, of the
 * root of the mean squared error, at the model's own size.  Fails as nn.h says, and as image_open() does. */
double autoencoder_error(Run *r, const Photos *p);

/* Above this the autoencoder was made for other pictures. */
extern const double AUTOENCODER_MOST_ERROR;

#endif
