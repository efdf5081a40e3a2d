/* latents_file.h - the final latents of a drawing job in a file, to be decoded again. */
#ifndef LATENTS_FILE_H
#define LATENTS_FILE_H

#include "files.h"

typedef struct {
    Tensor      x;                       /* [frames,h,w,4], as the UNet has them */
    int         width, height;           /* of the picture that they are decoded to; read, not written */
    const char *parameters;              /* the settings that they were drawn with, as infotext; NULL: not there */
} Latents;

/* Writes them through a temporary file.  Fails with the path and the reason. */
void latents_save(Arena *a, const char *path, const Latents *l);

/* Reads latents, also those that ComfyUI saves (".latent").  Returns 0 when the file holds none.  Fails when what it
 * holds cannot be decoded here. */
int latents_read(Arena *a, const char *path, Bytes file, Latents *l);

#endif
