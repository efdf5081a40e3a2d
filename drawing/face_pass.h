/* face_pass.h - draws a small face anew at the model's own size, and puts it back. */
#ifndef FACE_PASS_H
#define FACE_PASS_H

#include "work.h"

/* A square of a picture, in pixels.  side 0: none. */
typedef struct { int left, top, side; } FaceBox;

/* The box of what an attention map shows: blurred, least to most as 0 to 1, above 0.5, the largest part that hangs
 * together, with a margin, as a square inside the picture.  map: [frames,h,w]; of a clip, what any frame shows belongs
 * to it, so the box is one that stands still.  Returns side 0 when the map shows nothing: it is flat. */
FaceBox face_box(Arena *a, const float *map, int frames, int h, int w, int width, int height);

/* Chooses what the pass needs from the job's settings, once the files are open: w->has_face.  Faults are told. */
void face_pass_choose(Work *w);

/* Finds the face in the final latents and draws it anew in the pictures, rgb: [frames,height,width,3] of that size.  A
 * dry run counts.  Where no face is found, or one that is large already, says so and changes nothing. */
void face_pass(Work *w, Tensor latents, unsigned char *rgb, int width, int height);

#endif
