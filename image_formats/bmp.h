/* bmp.h - reads BMP files.
 *
 * Stands alone: copy bmp.c and bmp.h.  It uses no files and no globals, and it prints nothing: it turns bytes in memory
 * into bytes in memory.  Any number of threads may call it at once.
 * Source: Microsoft's description of BITMAPFILEHEADER and BITMAPINFOHEADER to BITMAPV5HEADER; where that is silent,
 * Pillow. */
#ifndef BMP_H
#define BMP_H
#include <stddef.h>

enum {
    BMP_MAX_PIXELS = 1 << 28,
    BMP_WHY = 128                       /* bytes of a message */
};

/* Decodes a BMP of 1, 4, 8, 16, 24 or 32 bits a pixel, plain, with masks (BITFIELDS) or packed (RLE4, RLE8), from the
 * top or from the bottom, with a header of Windows or of OS/2.  Transparent pixels are put over white; only a file with
 * a mask for them has any.
 *   bmp             any bytes at all, [size]
 *   width, height   receive the size of the picture
 *   why             receives the reason of a failure
 * Returns rgb: [*height, *width, 3], rows from the top, which the caller frees.
 * Returns NULL when the file is broken or ends early, when it has more than BMP_MAX_PIXELS, when it is of a kind that
 * is not read (a JPEG or PNG inside, Huffman, 2 bits), or when out of memory. */
unsigned char *bmp_decode(const unsigned char *bmp, size_t size, int *width, int *height, char why[BMP_WHY]);

/* Receives the size that the file states; 0 x 0 when it is cut off, or cannot be. */
void bmp_size(const unsigned char *bmp, size_t size, int *width, int *height);

#endif
