/* adapter_names.h - the key names in files of adapters (LoRA and relatives): what a tensor is, and for which layer. */
#ifndef ADAPTER_NAMES_H
#define ADAPTER_NAMES_H

#include "tensor.h"

/* What a tensor is to its adapter.  The weight W becomes W + dW, and dW is
 *     LoRA   UP DOWN, or UP MID DOWN      lora_B lora_A in PEFT; MID is LyCORIS' core of a convolution (Tucker)
 *     LoHa   (HADA_1A HADA_1B) * (HADA_2A HADA_2B), element by element; HADA_T1 and HADA_T2 are cores
 *     LoKr   LOKR_1 (x) LOKR_2, the Kronecker product; each whole, or a product A B; LOKR_T2 is a core
 *     DIFF   given whole; DIFF_B is the same for the bias
 *     GLoRA  W GLORA_A1 GLORA_A2 + GLORA_B1 GLORA_B2; an older order has W GLORA_A2 GLORA_A1 + GLORA_B2 GLORA_B1
 * In some families W' is W multiplied:
 *     (IA)^3 each row of W times 1 + VECTOR, or each column where ON_INPUT is 1; IA3_L is 1 + VECTOR in PEFT
 *     OFT    blocks of rows are rotated, by matrices made of OFT_BLOCKS (four dimensions: BOFT) or given as OFT_DIAG;
 *            blocks of columns by those of OFT_R and BOFT_R in PEFT; then each row is multiplied by RESCALE
 * SCALE and MAGNITUDE are DoRA's lengths of the rows or columns, in LyCORIS and in PEFT.  ALPHA is a number. */
typedef enum {
    NO_PART, DOWN, UP, MID, HADA_1A, HADA_1B, HADA_T1, HADA_2A, HADA_2B, HADA_T2,
    LOKR_1, LOKR_1A, LOKR_1B, LOKR_2, LOKR_2A, LOKR_2B, LOKR_T2, DIFF, DIFF_B, SCALE, MAGNITUDE,
    GLORA_A1, GLORA_A2, GLORA_B1, GLORA_B2, VECTOR, ON_INPUT, IA3_L, OFT_BLOCKS, OFT_DIAG, OFT_R, BOFT_R, RESCALE,
    ALPHA, PARTS
} AdapterPart;

/* Tells from its ending what a tensor is, NO_PART when the ending is not known.
 * stem: how many bytes of the key, from its start, are the layer's. */
AdapterPart adapter_part(const char *key, size_t *stem);

/* Returns an ending that such a tensor has, without the dot: "lora_up.weight". */
const char *adapter_part_name(AdapterPart part);

/* Returns the flat name, in the arena, of a layer that an adapter file calls by the first n bytes of name.
 * A flat name is "unet_", "te_" or "motion_" and then the diffusers path with '_' for '.' */
char *flat_name(Arena *a, const char *name, size_t n);

/* Returns the flat name, in the arena, of the layer with this diffusers name: "unet.down_blocks.0.resnets.0.conv1". */
char *flat_layer(Arena *a, const char *layer);

/* What a layer of this flat name belongs to, where that is a model that is not used here; NULL: nothing is known. */
const char *adapter_other_model(const char *flat);

/* The family of a tensor of this name, where it is one that is not supported; NULL: nothing is known of it. */
const char *adapter_other_family(const char *key);

#endif
