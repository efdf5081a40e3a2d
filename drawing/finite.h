/* finite.h - checks that what a part of the model makes is finite, and names the tensor that spoils it. */
#ifndef FINITE_H
#define FINITE_H

#include "nn.h"

/* what: begins the message: "the picture is not finite after step 3".  part: the prefix of the weights that made it,
 * "unet."; other: a second one, or NULL.  is_vae: the message names VAEs that are whole;
 * is_upscaler: no LoRA changes it. */
typedef struct { const char *what, *part, *other; int is_vae, is_upscaler; } FiniteCheck;

/* Fails when a number of x is NaN or infinite, with the file and tensor that such numbers come from.  Does nothing in
 * a dry run. */
void check_finite(Run *r, Tensor x, FiniteCheck c);

/* Reads all of a tensor. */
int  weight_is_finite(const Weight *w);

#endif
