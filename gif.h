/* gif.h - frames to an animated GIF, and the comment back out of one. Stands alone with palette.[ch].
 *
 * No files, no globals, no printing: bytes in memory to bytes in memory. Any number of threads may call at once.
 * The same input gives the same bytes. */
#ifndef GIF_H
#define GIF_H
#include <stddef.h>

/* rgb: [frames,height,width,3], sRGB, rows from the top  ->  a whole GIF89a of *size bytes; the caller frees it.
 *   frames >= 1, width and height 1..65535, fps 0.1..100 (browsers slow everything above 50 down to 10).
 *   comment: UTF-8, stored for gif_comment, or NULL.
 * Colours: one table for the clip. At most 255 different colours (256 in a still) come through exactly; more are
 * mixed from 255 by ordered dithering, and then a pixel that moves by 2/255 or less counts as not moving.
 * Time: frame i starts at 100 i / fps hundredths of a second, halves rounded down, so 8 fps is 12, 13, 12, 13 and
 * the average is exact. Several frames loop for ever.
 * NULL: out of memory, or an argument out of range. */
unsigned char *gif_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                          const char *comment, size_t *size);

/* What a clip was reduced to: at most so many colours, the transparent one among them; runs that go on with a colour within
 * loss/255 in each channel; every n-th of its frames, in the same time. */
typedef struct { int colours, loss, every; } GifEffort;

/* The same in at most `most` bytes, if that can be: with fewer colours, then with loss, then with fewer frames, no more of
 * it than is needed.  *effort: { 256, 0, 1 } for nothing.  When all of it is not enough, *size says so: it is above `most`,
 * and the smallest there is. */
unsigned char *gif_encode_within(const unsigned char *rgb, int frames, int width, int height, double fps,
                                 const char *comment, size_t most, GifEffort *effort, size_t *size);

/* The first comment of a GIF as text, which the caller frees; it ends at the first NUL, if it holds one.
 * gif: any size bytes at all. NULL: not a GIF, broken before or in its first comment, no comment, or out of memory. */
char *gif_comment(const unsigned char *gif, size_t size);

#endif
