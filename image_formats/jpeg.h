/* jpeg.h - reads JPEG files.
 *
 * Stands alone: copy jpeg.[ch], jpeg_arithmetic.[ch] and jpeg_pixels.[ch].  It uses no files and no globals, and it
 * prints nothing: it turns bytes in memory into bytes in memory.  Any number of threads may call it at once.
 * Sources: ITU-T T.81 (JPEG), T.871 (JFIF).  The arithmetic is that of libjpeg, see jpeg_pixels.c. */
#ifndef JPEG_H
#define JPEG_H
#include <stddef.h>

enum {
    JPEG_MAX_PIXELS = 1 << 28,          /* the cameras of phones have up to 200 million */
    JPEG_MAX_SCANS = 500,               /* real progressive files have about ten; many scans only cost time */
    JPEG_WHY = 128                      /* bytes of a message */
};

/* Decodes a baseline, extended or progressive JPEG of 8 bits, Huffman or arithmetic, grey, of three colours, or CMYK,
 * with any sampling factors that libjpeg knows.  It needs up to 9 bytes a pixel; 12 for CMYK.
 *   jpeg            any bytes at all, [size]
 *   width, height   receive the size of the picture
 *   why             receives the reason of a failure
 * Returns rgb: [*height, *width, 3], sRGB, rows from the top, which the caller frees.  The picture is as the file
 * stores it; jpeg_exif tells which way is up.
 * Returns NULL when the file is broken or ends early, when it has more than JPEG_MAX_PIXELS or JPEG_MAX_SCANS, when it
 * is of a kind that is not read (lossless, hierarchical, 12 bits), or when out of memory. */
unsigned char *jpeg_decode(const unsigned char *jpeg, size_t size, int *width, int *height, char why[JPEG_WHY]);

/* Receives the size that the file states, 1..65535 each.  Returns 0 when it states none before its first scan. */
int jpeg_size(const unsigned char *jpeg, size_t size, int *width, int *height);

/* What stands in the segments before the picture: the EXIF block, which begins with "II" or "MM"; the XMP text; and the
 * comment.  Each returns where it begins inside jpeg, and *n receives its size; or NULL when there is none. */
const unsigned char *jpeg_exif(const unsigned char *jpeg, size_t size, size_t *n);
const unsigned char *jpeg_xmp(const unsigned char *jpeg, size_t size, size_t *n);
const unsigned char *jpeg_comment(const unsigned char *jpeg, size_t size, size_t *n);

#endif
