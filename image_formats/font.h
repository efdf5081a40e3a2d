/* font.h - draws a line of text into a picture.  Stands alone: copy font.c and font.h. */
#ifndef FONT_H
#define FONT_H

#include <stddef.h>

enum { FONT_WIDTH = 6, FONT_HEIGHT = 10 };       /* pixels of a character, with the space around it */

/* Draws black letters onto rgb: [height, width, 3].  The upper left corner of the first letter is at (left, top), and
 * each pixel of the font becomes scale x scale pixels.  Pixels outside the picture are left out.
 * text: ASCII; every other byte is drawn as a box */
void font_draw(unsigned char *rgb, int width, int height, int left, int top, int scale, const char *text);

#endif
