/* font.h - a line of text into a picture.  Stands alone. */
#ifndef FONT_H
#define FONT_H

#include <stddef.h>

enum { FONT_WIDTH = 6, FONT_HEIGHT = 10 };       /* of a character, the space around it included */

/* Black letters onto rgb: [height,width,3], the first one's upper left corner at (left, top), each pixel of the font as scale x scale.
 * What lies outside the picture is left out.  text: ASCII; every other byte is drawn as a box. */
void font_draw(unsigned char *rgb, int width, int height, int left, int top, int scale, const char *text);

#endif
