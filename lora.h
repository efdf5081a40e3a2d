/* lora.h - low-rank pairs: which files are in use, and what they hold for a layer. */
#ifndef LORA_H
#define LORA_H

#include "safetensors.h"

typedef struct { const char *path; float strength; } LoraUse;

typedef struct LoraFile LoraFile;
typedef struct { LoraFile *file; size_t count; } Lora;

/* y += scale * up(down(x)):  down [r,in] or [r,in,k,k], up [out,r] or [out,r,1,1];
 * scale = strength * alpha / r, alpha = r where it is absent or zero (kohya sd-scripts, networks/lora.py). */
typedef struct { const Weight *down, *up; float scale; } LoraPair;

/* Opens the files.  Fails when one is no kohya LoRA, or when halves of a pair are missing or do not fit. */
Lora *lora_open(Arena *a, const LoraUse *use, size_t count);

/* The pair that file i holds for the layer of this name ("unet.down_blocks.0...." or "te.text_model....");
 * 0 when it has none.  The pair counts as applied from then on. */
int   lora_pair(Arena *a, const Lora *l, size_t i, const char *layer, LoraPair *pair);

/* After a dry run: says "applied n/N" for each file, and which were left over; fails for a file that matched nothing. */
void  lora_report(Arena *a, const Lora *l, void (*say)(void *to, const char *line), void *to);

#endif
