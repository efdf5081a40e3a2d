/* curve.h - how the loss went: averaged, written down, drawn in characters and as a picture. */
#ifndef CURVE_H
#define CURVE_H

#include "tensor.h"

/* The loss of single steps says little: it depends on how much noise the step happened to draw. */
enum { CURVE_WINDOW = 100, CURVE_PARTS = 200 };

/* The mean of loss[from .. to-1], steps that were left out (NaN) aside; NaN when there is no other. */
double curve_mean(const float *loss, size_t from, size_t to);

/* The steps in at most CURVE_PARTS equal parts -> "0.1423 0.1267 - 0.1198": the mean of each, "-" where there is none.  In the arena. */
const char *curve_text(Arena *a, const float *loss, size_t steps);

/* Such a text, any bytes at all, as a chart of a few lines; steps: how many they were, for the axis.  NULL when it is none.  In the arena. */
const char *curve_chart(Arena *a, const char *text, uint64_t steps);

/* Writes the losses of all steps as a PNG of 480x270: light, the mean of what falls on each column; dark, that of the last CURVE_WINDOW
 * steps up to there.  Nothing when no step came to anything.  Fails as files_save does. */
void curve_save(Arena *a, const float *loss, size_t steps, const char *path);

#endif
