/* vae.h - Stable Diffusion's variational autoencoder (VAE): pictures to latents and back.
 * Reference: diffusers' AutoencoderKL. */
#ifndef VAE_H
#define VAE_H

#include "nn.h"

enum { LATENT = 4, FACTOR = 8 };                 /* a latent has 4 channels and covers 8 x 8 pixels */

/* scaling_factor: the UNet's latents are the VAE's latents times this, so that their variance is about 1. */
static const float LATENT_SCALE = 0.18215f;

/* VAE decode.  z: the UNet's latents [n,h,w,4] -> [n,8h,8w,3], about -1..1, in the arena.  Fails as nn.h says. */
Tensor vae_decode(Run *r, Tensor z);

/* VAE encode.  x: [n,8h,8w,3], -1..1 -> moments [n,h,w,8]: the 4 means and the 4 logarithms of the variance of a
 * normal distribution over the VAE's latents, in the arena.  Fails as nn.h says. */
Tensor vae_encode(Run *r, Tensor x);

/* The means of the latents, without noise: vae.encode(x).latent_dist.mode() * scaling_factor
 * moments: [n,h,w,8], of vae_encode() -> z: the UNet's latents [n,h,w,4], allocated by the caller */
void vae_means(Tensor z, Tensor moments);

#endif
