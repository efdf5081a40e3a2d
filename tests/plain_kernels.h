/* plain_kernels.h - the functions of kernels/plain.c under names with plain_ before them, so that one program can hold
 * them beside the fast kernels.  A function of plain.c that is missing here is defined twice, which no linker takes. */
#ifndef PLAIN_KERNELS_H
#define PLAIN_KERNELS_H

#include "backward.h"

#define PLAIN(name) plain_##name
#define conv PLAIN(conv)
#define conv_back PLAIN(conv_back)
#define drop_out PLAIN(drop_out)
#define dropout_uniform PLAIN(dropout_uniform)
#define conv_weight_back PLAIN(conv_weight_back)
#define lora_merged_weight PLAIN(lora_merged_weight)
#define lora_forward PLAIN(lora_forward)
#define lora_backward PLAIN(lora_backward)
#define attend PLAIN(attend)
#define attend_back PLAIN(attend_back)
#define group_normalize PLAIN(group_normalize)
#define group_normalize_back PLAIN(group_normalize_back)
#define layer_normalize PLAIN(layer_normalize)
#define layer_normalize_back PLAIN(layer_normalize_back)
#define silu_of PLAIN(silu_of)
#define quick_gelu_of PLAIN(quick_gelu_of)
#define prelu_of PLAIN(prelu_of)
#define swish_back PLAIN(swish_back)
#define geglu_of PLAIN(geglu_of)
#define geglu_back PLAIN(geglu_back)
#define gather_rows PLAIN(gather_rows)
#define move_down PLAIN(move_down)
#define clear PLAIN(clear)
#define add_into PLAIN(add_into)
#define add_columns PLAIN(add_columns)
#define add_row PLAIN(add_row)
#define add_row_back PLAIN(add_row_back)
#define weight_into PLAIN(weight_into)
#define add_hadamard PLAIN(add_hadamard)
#define add_kronecker PLAIN(add_kronecker)
#define decompose PLAIN(decompose)
#define machine_threads PLAIN(machine_threads)
#define machine_speed PLAIN(machine_speed)
#include "plain.c"

#undef PLAIN
#undef conv
#undef conv_back
#undef drop_out
#undef dropout_uniform
#undef conv_weight_back
#undef lora_merged_weight
#undef lora_forward
#undef lora_backward
#undef attend
#undef attend_back
#undef group_normalize
#undef group_normalize_back
#undef layer_normalize
#undef layer_normalize_back
#undef silu_of
#undef quick_gelu_of
#undef prelu_of
#undef swish_back
#undef geglu_of
#undef geglu_back
#undef gather_rows
#undef move_down
#undef clear
#undef add_into
#undef add_columns
#undef add_row
#undef add_row_back
#undef weight_into
#undef add_hadamard
#undef add_kronecker
#undef decompose
#undef machine_threads
#undef machine_speed

#endif
