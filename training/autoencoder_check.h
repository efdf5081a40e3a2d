/* autoencoder_check.h - can this autoencoder draw the pictures to learn from? */
#ifndef AUTOENCODER_CHECK_H
#define AUTOENCODER_CHECK_H

#include "photos.h"
#include "vae.h"

/* How far pictures are from themselves after encoding and decoding, in 255ths: the median, over a few of them, of the
 * reconstruction error (reconstruction.h) at the model's own size.  Fails as nn.h says, and as image_open() does. */
double autoencoder_error(Run *r, const Photos *p);

#endif
