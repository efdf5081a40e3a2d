/* last_image.h - a clip from one picture to another: how much of both each frame begins as. */
#ifndef LAST_IMAGE_H
#define LAST_IMAGE_H

/* How a picture fades from its end of the clip: at the i-th frame from there  max(0, 1 - i^power / scale)  of it is
 * left.  part: and of that so much, 0..1. */
typedef struct { double power, scale, part; } LatentFade;

/* The weights of the clean latents of the first and the last picture in each frame; a, b: [frames], frames > 1.  Where
 * both are more than 1 together they are divided by their sum, and the ends are one picture alone, before the parts are
 * taken.  What they are less than 1 together is noise.  Source: sd-webui-animatediff, animatediff_latent.py. */
void last_image_weights(int frames, LatentFade first, LatentFade last, float *a, float *b);

#endif
