/* adapter_report.h - describes LoRA files: what they hold, and which of their layers were applied. */
#ifndef ADAPTER_REPORT_H
#define ADAPTER_REPORT_H

#include "checkpoint.h"
#include "lora.h"

/* To be called after a dry run.  Says "applied n/N" for each file, which layers were left over and what is called
 * nearly so, and whether the strengths add up to too much.  Fails for a file of which nothing was applied.  say may
 * be NULL. */
void lora_report(Arena *a, const Lora *l, const Weights *model, void (*say)(void *to, const char *line), void *to);

/* What file i is: how many layers of which families and where, rank, scale.  In the arena. */
const char *lora_about(Arena *a, const Lora *l, size_t i);

#endif
