/* curve.h - the loss curve: averaged, as text in a file's metadata, as a chart of characters, and as a picture. */
#ifndef CURVE_H
#define CURVE_H

#include "files.h"

/* The loss of single steps says little: it depends on how much noise the step happened to draw. */
enum { CURVE_WINDOW = 100, CURVE_PARTS = 200 };

/* The mean of loss[from .. to-1], without the steps that were left out (NaN); NaN when there is no other. */
double curve_mean(const float *loss, size_t from, size_t to);

/* The steps in at most CURVE_PARTS equal parts -> "0.1423 0.1267 - 0.1198", in the arena: the mean of each part, "-"
 * where there is none. */
const char *curve_text(Arena *a, const float *loss, size_t steps);

/* Such a text -> a chart of a few lines, in the arena; NULL when the text, which may be any bytes, is no such text.
 * steps: how many they were, for the axis. */
const char *curve_chart(Arena *a, const char *text, uint64_t steps);

/* The mean loss of held-out pictures after some steps, in their order.  best: of them, the one to be marked. */
typedef struct { double step, loss; } CurvePoint;
typedef struct {
    const CurvePoint *point;
    size_t            count, best;
} CurvePoints;

/* The losses of all steps as a PNG of 480x270, with its mark as an own picture, in the arena.  Light: the mean of the
 * steps that fall on each column.  Dark: the mean of the last CURVE_WINDOW steps up to there.  Red: a line through the
 * points of held_out, if there are any, with a mark at the best.  data is NULL when no step has a loss. */
Bytes curve_png(Arena *a, const float *loss, size_t steps, CurvePoints held_out);

#endif
