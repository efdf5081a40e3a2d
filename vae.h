/* vae.h - pictures to latents and back: Stable Diffusion's autoencoder. */
#ifndef VAE_H
#define VAE_H

#include "nn.h"

enum { LATENT = 4, FACTOR = 8 };         /* a latent has 4 channels, and stands for 8 x 8 pixels */

static const float LATENT_SCALE = 0.18215f;      /* latents in the UNet = this times the VAE's */

/* z: the UNet's latents [n,h,w,4] -> [n,8h,8w,3], about -1..1 */
Tensor vae_decode(Run *r, Tensor z);

/* x: [n,8h,8w,3], -1..1 -> [n,h,w,8]: of a normal distribution over the VAE's latents, the 4 means and the 4 logarithms of variance */
Tensor vae_encode(Run *r, Tensor x);

#endif
