/* checkpoint_names.h - the key names of checkpoints -> the diffusers names that are used here. */
#ifndef CHECKPOINT_NAMES_H
#define CHECKPOINT_NAMES_H

#include "file_kind.h"

/* Returns the diffusers name, in the arena, of a tensor with this key in a model, VAE or motion module file:
 * "unet.", "te." (text encoder), "vae." or "motion.", and then the path of diffusers' modules.
 * Returns NULL when it is no weight that is used here: EMA copies, noise schedules, position_ids. */
char *diffusers_name(Arena *a, FileKind kind, const char *key);

/* diffusers' motion adapters have one positional encoding for both attentions of a transformer block.
 * Returns the name of the second one when key is of such a tensor, and name its diffusers_name; else NULL. */
char *diffusers_second_name(Arena *a, const char *key, const char *name);

/* Returns the diffusers name of what LDM's UNet calls key, without "model.diffusion_model.".  A '_' may stand for '.',
 * as in LoRA files.  A layer's key must end with '.'.  Returns NULL when the UNet has no such key. */
char *diffusers_unet_name(Arena *a, const char *key);

#endif
