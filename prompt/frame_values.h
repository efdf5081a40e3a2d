/* frame_values.h - a number that changes with the frames of a clip, as people write it. */
#ifndef FRAME_VALUES_H
#define FRAME_VALUES_H

#include "tensor.h"

/* frame: from 0, rising */
typedef struct { int frame; double value; } FrameValue;
typedef struct { FrameValue *at; size_t count; } FrameValues;

/* Reads "0.5", or "0: 0.5, 8: 1.5" with values from low to high.  Returns NULL, or what was expected, in the arena. */
const char *frame_values_read(Arena *a, const char *text, double low, double high, FrameValues *v);

/* The number in a frame: linear between those that are given, constant before the first and behind the last. */
double frame_values_in(const FrameValues *v, int frame);

/* Is it x in every frame? */
int frame_values_are(const FrameValues *v, double x);

#endif
