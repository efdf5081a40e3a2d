/* civitai_resources.h - the models that civitai says a picture was made with. */
#ifndef CIVITAI_RESOURCES_H
#define CIVITAI_RESOURCES_H

#include "tensor.h"

/* json: the value of "Civitai resources".  Returns the LoRAs and embeddings in it, as a list for people with the
 * tags to write: "Detail Tweaker" (write <lora:FILE:0.6>).  NULL when there is none, or when it is no such JSON.
 * In the arena. */
char *civitai_resources(Arena *a, const char *json);

#endif
