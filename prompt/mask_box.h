/* mask_box.h - a mask in numbers: the box of a picture that is drawn anew. */
#ifndef MASK_BOX_H
#define MASK_BOX_H

#include "tensor.h"

/* Left, top, right and bottom; right and bottom are the first column and row that do not belong to it.  In pixels, or
 * in percent of width (left, right) and height. */
typedef struct { double at[4]; int is_percent[4]; } MaskBox;

/* Is it meant as a box: nothing but numbers? */
int mask_is_box(const char *text);

/* Reads "20,30,90,120" or "10%,20%,60%,90%".  Returns NULL, or what was expected. */
const char *mask_box_read(Arena *a, const char *text, MaskBox *box);

/* The same in pixels of a picture of this size: left, top, right, bottom.  Returns NULL, or what was expected, in the
 * arena, when it reaches out of the picture or holds no pixel. */
const char *mask_box_pixels(Arena *a, const MaskBox *box, int width, int height, int pixel[4]);

#endif
