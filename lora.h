/* lora.h - adapters: LoRA files and their relatives, and what they hold for a layer.  lora.c has the table of them. */
#ifndef LORA_H
#define LORA_H

#include "checkpoint.h"
#include "job.h"
#include "kernel.h"

typedef struct LoraFile LoraFile;
typedef struct { LoraFile *file; size_t count; } Lora;

/* y += scale * up(down(x)):  down [r,in] or [r,in,k,k], up [out,r] or [out,r,1,1];
 * scale = strength * alpha / r, alpha = r where it is absent or zero (kohya sd-scripts, networks/lora.py). */
typedef struct { const Weight *down, *up; float scale; } LoraPair;

/* Opens the files.  Fails when one is no adapter, or when parts of one are missing or do not fit together. */
Lora *lora_open(Arena *a, const LoraUse *use, size_t count);

/* The pair that file i holds for the layer of this name ("unet.down_blocks.0...."  "te.text_model...."  "motion....");
 * 0 when it has none, or when the layer needs lora_merge.  The pair counts as applied from then on. */
int   lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, LoraPair *pair);

/* Where a file holds more for this layer than a pair: puts a new weight and bias, with what all files add, in
 * the place of these (bias: may be NULL, or point to NULL).  They live in the arena.  Returns what does not fit, or NULL. */
const char *lora_merge(Machine *m, const Lora *l, const char *layer, const Weight **w, const Weight **bias);

/* After a dry run: says "applied n/N" for each file, which were left over and what is called nearly so, and
 * whether the strengths add up to too much; fails for a file that matched nothing. */
void  lora_report(Arena *a, const Lora *l, const Weights *model, void (*say)(void *to, const char *line), void *to);

/* What file i is: how many layers of which families and where, rank, scale. */
const char *lora_about(Arena *a, const Lora *l, size_t i);

#endif
