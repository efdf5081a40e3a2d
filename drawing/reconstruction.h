/* reconstruction.h - can this autoencoder draw such a picture at all? */
#ifndef RECONSTRUCTION_H
#define RECONSTRUCTION_H

#include "checkpoint.h"
#include "image.h"
#include "vae.h"

/* Is it an autoencoder much smaller than Stable Diffusion's, as that of the model that comes with persona?  A large one
 * takes seconds for each picture and has seen photographs, so it need not be asked. */
int autoencoder_is_small(const Weights *w);

/* How far a picture is from itself after encoding and decoding, in 255ths: the root of the mean squared error at this
 * size, in multiples of 8.  Fails as nn.h says. */
double reconstruction_error(Run *r, Picture p, int width, int height);

/* Above this the autoencoder was made for other pictures. */
extern const double MOST_RECONSTRUCTION_ERROR;

#endif
