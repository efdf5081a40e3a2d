/* embedding_image.h - a textual inversion embedding inside a picture, as the web UI saves those that it trains
 * (modules/textual_inversion/image_embedding.py). */
#ifndef EMBEDDING_IMAGE_H
#define EMBEDDING_IMAGE_H

#include "files.h"
#include "safetensors.h"

/* png: any bytes -> the embedding's tensor [vectors,width], in the arena.  name is set to the word that it is used
 * by, if it states one.  Fails, with path and reason, when the picture carries no embedding or a damaged one. */
const Weight *embedding_image_read(Arena *a, const char *path, Bytes png, const char **name);

#endif
