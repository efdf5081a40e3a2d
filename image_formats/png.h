/* png.h - writes and reads PNG files and animated PNG (APNG) files.
 *
 * Stands alone: copy png.c, png.h, deflate.c and deflate.h.  It uses no files and no globals, and it prints nothing: it
 * turns bytes in memory into bytes in memory.  Any number of threads may call it at once.  The same input gives the
 * same bytes.
 * Source: PNG specification, third edition (W3C 2025), below "PNG". */
#ifndef PNG_H
#define PNG_H
#include <stddef.h>

enum {
    PNG_MAX_PIXELS = 1 << 28,           /* of a picture that is read */
    PNG_WHY = 128                       /* bytes of a message */
};

/* Encodes a picture as a PNG of 8-bit RGB.
 *   rgb             [height, width, 3], sRGB, rows from the top
 *   width, height   at least 1, and at most 2 GB of pixels together
 *   parameters      UTF-8, stored under the keyword "parameters" as the Stable Diffusion web UI does: in tEXt if it
 *                   fits in Latin-1, otherwise in iTXt; NULL stores none
 *   size            receives the number of bytes
 * Returns the file, which the caller frees.  Returns NULL when out of memory or when an argument is out of range. */
unsigned char *png_encode(const unsigned char *rgb, int width, int height, const char *parameters, size_t *size);

/* Encodes a clip as an APNG that loops for ever.
 *   rgb   [frames, height, width, 3], frames at least 1
 *   fps   frames a second, 0.1..100
 * The rest is as in png_encode.  Viewers without animation show the first frame.  One frame makes a plain PNG. */
unsigned char *apng_encode(const unsigned char *rgb, int frames, int width, int height, double fps,
                           const char *parameters, size_t *size);

/* Returns the text stored under a keyword, as UTF-8, which the caller frees.  It ends at its first NUL, if it has one.
 *   png   any bytes at all, [size]
 * Returns NULL when this is no PNG, when it is broken (a wrong CRC too) before or in that text, when there is no such
 * text, when it is compressed (zTXt, iTXt) and comes to more than a megabyte, or when out of memory. */
char *png_text(const unsigned char *png, size_t size, const char *keyword);

/* Decodes any PNG: every colour type, bit depth and interlacing.  Transparent pixels are put over white, and 16 bits
 * are rounded to 8.  Of an animation it takes the first picture.
 *   png             any bytes at all, [size]
 *   width, height   receive the size of the picture
 *   why             receives the reason of a failure
 * Returns rgb: [*height, *width, 3], which the caller frees.
 * Returns NULL when the file is broken or has more than PNG_MAX_PIXELS, or when out of memory.  Sizes are checked
 * before memory is taken; then the CRC of each chunk, the Adler-32 of the data, and that there is as much data as the
 * picture needs and no more. */
unsigned char *png_decode(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY]);

/* Does the same for the alpha channel alone, as a grey picture: 0 transparent, 255 opaque. */
unsigned char *png_decode_alpha(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY]);

/* Does the same for all four channels: [*height, *width, 4], alpha 0 transparent to 255, colours as they are stored. */
unsigned char *png_decode_rgba(const unsigned char *png, size_t size, int *width, int *height, char why[PNG_WHY]);

/* Decodes an APNG that apng_encode wrote, of exactly so many frames and pixels.
 *   png   any bytes at all, [size]
 * Returns rgb: [frames, height, width, 3], which the caller frees.  Returns NULL for anything else, for a broken file,
 * or when out of memory. */
unsigned char *apng_decode(const unsigned char *png, size_t size, int frames, int width, int height);

/* Returns the EXIF block inside png, which begins with "II" or "MM"; *n receives its size.  Returns NULL when there is
 * none. */
const unsigned char *png_exif(const unsigned char *png, size_t size, size_t *n);

#endif
