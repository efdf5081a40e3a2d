/* upscaler_names.h - the key names in files of upscalers -> those of BasicSR's modules. */
#ifndef UPSCALER_NAMES_H
#define UPSCALER_NAMES_H

#include "weight_file.h"

/* The tensors of an upscaler's file (SRVGGNetCompact or RRDBNet) under the names that BasicSR's modules have, with
 * `prefix` in front: "upscaler.body.0.weight", "upscaler.conv_first.bias".  Writes how many they are.  The list and the
 * names are in the arena, in no order. */
Weight *upscaler_weights(Arena *a, const WeightFile *f, const char *prefix, size_t *count);

#endif
