/* gif.h - writes frames as an animated GIF.
 *
 * Stands alone: copy gif.c, gif.h, image_formats/palette.c and image_formats/palette.h.
 * It uses no files and no globals, and it prints nothing: it turns bytes in memory into bytes in memory.
 * Any number of threads may call it at once.  The same input gives the same bytes.
 *
 * Source: Graphics Interchange Format, Version 89a (CompuServe 1990), below "GIF89a".  The endless loop is the
 * NETSCAPE2.0 application extension, which is no part of that text; all browsers follow it. */
#ifndef GIF_H
#define GIF_H
#include <stddef.h>

/* Encodes a clip as a GIF89a.
 *   rgb      [frames, height, width, 3], sRGB, rows from the top
 *   frames   at least 1
 *   width    1..65535, and so is height
 *   fps      frames a second, 0.1..100; browsers slow everything above 50 down to 10
 *   comment  UTF-8; gif_comment.c reads it back; NULL stores none
 *   size     receives the number of bytes
 * Returns the file, which the caller frees.  Returns NULL when out of memory or when an argument is out of range.
 *
 * Colours: at most 255 different colours in the clip (256 in a still) have one table and are kept exactly.  Of more,
 * each frame has up to 255 of its own for the pixels that it draws, and mixes what lies between by ordered dithering.
 * Then a pixel is drawn again only when it changes by more than 4/255, and before that in the mean of its colours.
 * Time: frame i starts at 100 i / fps hundredths of a second, halves rounded down.  8 fps gives delays of 12, 13, 12,
 * 13, so the average is exact.  Two frames or more loop for ever. */
unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size);

/* What was given up to make a GIF smaller.  { 256, 0, 1 } means nothing.
 *   colours  entries of a colour table at most, the transparent one included
 *   loss     a pixel is drawn again only when it changes by more than this, of 255, in a channel; and LZW runs may take
 *            colours that are off by about as much.  With 0 that is 4, or nothing where one table holds all colours
 *   every    one of so many frames is kept; the clip lasts as long as before */
typedef struct { int colours, loss, every; } GifEffort;

/* Encodes as gif_encode does, and gives up so much.  gif_limit.c finds how much is needed for a limit of size.
 *   effort   colours 2..256, loss 0..255, every 1 or more */
unsigned char *gif_encode_with(const unsigned char *rgb, int frames, int width, int height, double fps,
                               const char *comment, GifEffort effort, size_t *size);

#endif
