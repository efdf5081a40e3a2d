/* inpainting.h - which part of a picture is drawn anew, and which is kept. */
#ifndef INPAINTING_H
#define INPAINTING_H

#include "image.h"

/* How white a mask is, 0 to 255, in the pixels of the picture that is drawn: [height,width]. */
typedef struct { int width, height; unsigned char *white; } Mask;

/* What is begun from: a picture, or a clip.
 * path, file:      as it was named, and the file of its first frame
 * width, height:   of that frame, as its file has it
 * frames:          how many there are */
typedef struct {
    const char *path, *file;
    int         width, height;
    size_t      frames;
} MaskedInit;

/* mask: alpha, a box, or the path of a picture (see persona.h, mask).  It is resized and cropped to width x height as
 * the init image is, and is the same for all frames of a clip.  is_turned: 1 when white is kept instead.
 * Fails when the file cannot be read, has another shape than the init image, when the box does not fit, when nothing
 * is white, or with the alpha channel of a clip. */
Mask mask_open(Arena *a, const char *mask, const MaskedInit *init, int width, int height, int is_turned);

/* Which latents are drawn anew, 1, and which are kept, 0: [height / 8, width / 8].  *count: how many are drawn. */
float *mask_latents(Arena *a, Mask m, size_t *count);

/* Mask blur, with this sigma in pixels; sigma 0 returns the mask itself. */
Mask mask_blurred(Arena *a, Mask m, double sigma);

/* drawn: [height,width,3] from -1 to 1, as the VAE gives it, becomes the picture that is kept where the mask is black,
 * and a mixture where it is grey. */
void mask_composite(Mask m, const unsigned char *kept, float *drawn);

#endif
