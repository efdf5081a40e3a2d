/* painted.h - an embedding within a picture, as the web UI saves the ones that it trains (modules/textual_inversion/image_embedding.py). */
#ifndef PAINTED_H
#define PAINTED_H

#include "safetensors.h"

/* png: any bytes -> the embedding's tensor [vectors,width], in the arena; name: the word that it is used by, if it says one.
 * Fails with path and reason when there is none, or it is damaged. */
const Weight *painted_embedding(Arena *a, const char *path, Bytes png, const char **name);

#endif
