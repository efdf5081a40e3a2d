/* comfyui_settings.h - the settings of a picture of ComfyUI, read off its graph. */
#ifndef COMFYUI_SETTINGS_H
#define COMFYUI_SETTINGS_H

#include "comfyui_graph.h"
#include "infotext_writer.h"

/* Follows the links of the graph back from its sampler and puts what is found into t: prompts, seed, steps, CFG scale,
 * sampler, schedule, size, frames, checkpoint, VAE, LoRAs, clip skip, motion module, a second pass.  What has no equal
 * here goes to infotext_lose.
 * Returns NULL, or why the graph is not plain enough to be read: what was expected and what is there instead. */
const char *comfyui_settings(InfotextWriter *t, const Graph *g);

/* "12 nodes: CheckpointLoaderSimple, CLIPTextEncode, ...": what is in the graph, in the arena. */
char *comfyui_nodes(Arena *a, const Graph *g);

#endif
