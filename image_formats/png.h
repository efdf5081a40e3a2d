/* png.h - PNG, in and out, and animated PNG out. Stands alone with deflate.[ch].
 *
 * No files, no globals, no printing: bytes in memory to bytes in memory. Any number of threads may call at once.
 * The same input gives the same bytes. PNG specification 3rd edition (W3C 2025). */
#ifndef PNG_H
#define PNG_H
#include <stddef.h>

/* rgb: [height,width,3], sRGB, rows from the top  ->  a whole 8-bit RGB PNG of *size bytes; the caller frees it.
 *   width and height at least 1, at most 2 GB of pixels.
 *   parameters: UTF-8, stored under that keyword as the Stable Diffusion web UI does (tEXt if it fits in Latin-1,
 *   otherwise iTXt), or NULL.
 * NULL: out of memory, or an argument out of range. */
unsigned char *png_encode(const unsigned char *rgb, int width, int height, const char *parameters, size_t *size);

/* The same for rgb: [frames,height,width,3], as a PNG that plays for ever, fps frames a second: 0.1..100. Viewers that
 * know no animation show the first frame; one frame makes a plain PNG. */
unsigned char *apng_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                           const char *parameters, size_t *size);

/* The text stored under a keyword, as UTF-8, which the caller frees; it ends at the first NUL, if it holds one.
 * png: any size bytes at all. NULL: not a PNG, broken (a wrong CRC too) before or in that text, no such text, one
 * that is packed (zTXt, iTXt) and comes to more than a megabyte, or out of memory. */
char *png_text(const unsigned char *png, size_t size, const char *keyword);

enum { PNG_PIXELS = 1 << 26, PNG_WHY = 128 };

/* Any PNG -> rgb: [*height,*width,3], which the caller frees: every colour type, depth and interlacing; what is
 * transparent, over white; 16 bits rounded to 8. Of an animation the first picture. png: any size bytes at all.
 * NULL: `why` says what is wrong, or that it has more than PNG_PIXELS pixels. Checked before memory is taken: sizes; then
 * everything: the CRC of each chunk, the data's own sum, and that there is as much as the picture needs and no more. */
unsigned char *png_decode(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY]);

/* An animated PNG as apng_encode writes it, of just so many frames and pixels -> rgb: [frames,height,width,3], which the caller frees.
 * NULL: anything else, broken as above, or out of memory. png: any size bytes at all. */
unsigned char *apng_decode(const unsigned char *png, size_t size, int frames, int width, int height);

/* The EXIF block inside png, *n bytes from "II" or "MM" on; NULL: there is none. */
const unsigned char *png_exif(const unsigned char *png, size_t size, size_t *n);

#endif
