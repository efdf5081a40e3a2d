/* jpeg.h - JPEG in. Stands alone: copy jpeg.c and jpeg.h.
 *
 * No files, no globals, no printing: bytes in memory to bytes in memory. Any number of threads may call at once.
 * ITU-T T.81 (JPEG), T.871 (JFIF); arithmetic as libjpeg's, see jpeg.c. */
#ifndef JPEG_H
#define JPEG_H
#include <stddef.h>

enum { JPEG_PIXELS = 1 << 26, JPEG_SCANS = 500, JPEG_WHY = 128 };

/* A baseline, extended or progressive Huffman JPEG of 8 bits, grey or of three colours, with any sampling that libjpeg
 * knows -> rgb: [*height,*width,3], sRGB, which the caller frees, as the file has it (see jpeg_exif for the way up).
 * jpeg: any size bytes at all. NULL: `why` says what is wrong, or what kind of JPEG is not read: arithmetic coding, lossless,
 * hierarchical, 12 bits, CMYK and YCCK; more than JPEG_PIXELS pixels or JPEG_SCANS scans. A file that ends early is refused. */
unsigned char *jpeg_decode(const unsigned char *jpeg, size_t size, int *width, int *height, char why[JPEG_WHY]);

/* The EXIF block inside jpeg, *n bytes from "II" or "MM" on; NULL: there is none. */
const unsigned char *jpeg_exif(const unsigned char *jpeg, size_t size, size_t *n);

#endif
