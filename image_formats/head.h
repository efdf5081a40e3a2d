/* head.h - where the head is in a picture of a person. */
#ifndef HEAD_H
#define HEAD_H

#include "image.h"

/* In pixels of the picture: the middle of the face, between the eyes and the nose, and how wide the face is.
 * likeness: how much it looks like one, above 1 for a clear face */
typedef struct { double x, y, width, likeness; } Head;

/* Finds the face that is the clearest, by the colour of skin and its shape; a drawn one too.  Returns 0 when nothing
 * looks like one; head is then where it would be in a portrait. */
int head_find(Arena *a, Picture p, Head *head);

/* Has this pixel [3] the colour of skin, of any tone? */
int head_is_skin(const unsigned char *rgb);

/* The part of the picture in which that head has the place and the size of a portrait's: square, and partly outside of
 * the picture, whose edge goes on there.  Returns it as side x side pixels. */
Picture head_portrait(Arena *a, Picture p, Head head, int side);

#endif
