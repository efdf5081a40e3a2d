/* jpeg_pixels.h - from the coefficients of a JPEG to its pixels.
 *
 * A part of jpeg.c.  Source: ITU-T T.81, A.3; T.871; where they leave it open, libjpeg. */
#ifndef JPEG_PIXELS_H
#define JPEG_PIXELS_H
#include <stddef.h>
#include <stdint.h>

enum { JPEG_COMPONENTS = 4 };           /* of a picture at most: Y, Cb, Cr, K */

typedef struct {
    int id;
    int h, v;                           /* sampling factors */
    int quant_table;                    /* number of its quantisation table */
    int width, height;                  /* samples that belong to the picture */
    int blocks_across, blocks_down;     /* as stored: whole MCUs */
    uint8_t unknown_bits[64];              /* of each coefficient: how many low bits no scan has brought yet */
    int dc, dc_table, ac_table;         /* in a scan: the last DC coefficient, and the numbers of its tables */
    int dc_context;                     /* of arithmetic coding: what the last difference was like */
    uint16_t quant[64];                 /* its quantisation table, by rows; 0: it was in no scan yet */
    int16_t *coefficients;              /* [blocks_down, blocks_across, 64], each block by rows */
    uint8_t *plane;                      /* samples, [8 blocks_down, 8 blocks_across] */
} JpegComponent;

typedef struct {
    int width, height;
    int components;
    int h, v;                           /* the largest sampling factors */
    JpegComponent component[JPEG_COMPONENTS];
} JpegFrame;

/* Makes the pixels of a frame whose coefficients and quantisation tables are there.  They, and the planes that it makes
 * on the way, stay the caller's to free; coefficients are freed as soon as they are used.
 *   is_plain   the first three components are RGB, or CMY beside K; else YCbCr
 * Returns rgb: [height, width, 3], which the caller frees; NULL when out of memory. */
unsigned char *jpeg_pixels(JpegFrame *f, int is_plain);

#endif
