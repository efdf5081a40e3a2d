/* lora.h - LoRA (Hu et al., 2021) and its relatives: what files hold for a layer.  lora.c says what a LoRA is. */
#ifndef LORA_H
#define LORA_H

#include "adapter_strength.h"
#include "checkpoint.h"
#include "job.h"
#include "kernel.h"

/* The files in use.  LoraFile: adapter_file.h */
typedef struct Lora { struct LoraFile *file; size_t count; LoraMoment *moment; } Lora;

/* y += scale up(down(x)):  down [r,in] or [r,in,k,k], up [out,r] or [out,r,1,1];
 * scale = strength alpha / r, where alpha = r when it is absent or zero (kohya sd-scripts, networks/lora.py).
 * by_frame: what the scale is multiplied by in each frame that the model sees; NULL: 1. */
typedef struct { const Weight *down, *up; float scale; const float *by_frame; } LoraPair;

/* Opens the files; they live in the arena.  Fails when one is no adapter, or when its parts are missing or do not
 * fit. */
Lora *lora_open(Arena *a, const LoraUse *use, size_t count);

/* Says where the run is, from which strengths that change follow.  Layers that are computed later have them. */
void  lora_at(const Lora *l, LoraMoment m);

/* Does a strength change with the frames?  Then the frames must not share what a LoRA changes. */
int   lora_changes_with_frames(const Lora *l);

/* Beside the layer: the pair that file i holds for the layer of this name ("unet.down_blocks.0...",
 * "te.text_model...", "motion....").  Returns 0 when it has none, or when the layer needs lora_merge().  The pair
 * counts as applied.  frames: how many the model sees.
 * pair->by_frame lives in the arena. */
int   lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, int frames, LoraPair *pair);

/* Merged: where a file holds more for this layer than a pair, *w and *bias are replaced by copies that include what all
 * files add.  bias may be NULL, or point to NULL.  The copies live in the arena m->mem.  Returns NULL, or a message
 * that says what does not fit. */
const char *lora_merge(Machine *m, const Lora *l, const char *layer, const Weight **w, const Weight **bias);

#endif
