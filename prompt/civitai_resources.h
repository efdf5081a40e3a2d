/* civitai_resources.h - the models that civitai says a picture was made with. */
#ifndef CIVITAI_RESOURCES_H
#define CIVITAI_RESOURCES_H

#include "tensor.h"

/* json: the value of "Civitai resources".  Returns the models in it that are not said in another way, as a list for
 * people with what to write: "Detail Tweaker" (write <lora:FILE:0.6>).  has_tags: the prompt names its LoRAs and
 * embeddings; has_model: there is a Model.  "" when all is said, NULL when it is no such JSON.  In the arena. */
char *civitai_resources(Arena *a, const char *json, int has_tags, int has_model);

#endif
