/* masks.h - masked loss: which places of a picture are learned from.  kohya: --masked_loss, --alpha_mask. */
#ifndef MASKS_H
#define MASKS_H

#include "callbacks.h"
#include "photos.h"

/* Finds the mask of each instance image, as its options say: in the folder conditioning_data_dir the picture of the
 * same name without its extension, or with alpha_mask its own alpha channel.  Fails with all pictures that
 * have none. */
void masks_find(Arena *a, Photos *p);

/* Reads all masks once.  Fails with all that mask_read() refuses, a line each. */
void masks_check(Arena *a, const Photos *p, const Callbacks *callbacks);

/* The mask of a photo in latent pixels, [bucket.height / 8, bucket.width / 8], 0 to 1, resized and cropped as the photo
 * is.  mirrored: 1 for the mirrored photo.  NULL when it has no mask.  Fails when the mask cannot be read, is not of
 * the photo's shape, or is 0 everywhere. */
float *mask_read(Arena *a, const Photo *photo, int mirrored);

#endif
