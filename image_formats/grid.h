/* grid.h - many pictures as one: columns, rows and pages of cells of one size, labelled. */
#ifndef GRID_H
#define GRID_H

#include "tensor.h"

enum { GRID_SIDE = 65535, GRID_PIXELS = 1 << 26 };       /* most of a grid: a GIF's, and what a PNG may have to be read here */

typedef struct {
    int         count[3];            /* columns, rows, pages; at least 1 */
    const char *const *label[3];     /* one for each, UTF-8; NULL: no labels */
    int         frames, width, height;          /* of every cell */
} GridSetup;

typedef struct {
    GridSetup      of;
    int            width, height;    /* of the whole */
    int            scale, gap, title, top, left, page[2];    /* the font's; between cells; bands for labels; from page to page, across and down */
    unsigned char *rgb;              /* [frames,height,width,3]; NULL until grid_begin */
} Grid;

/* The layout; no memory is taken for pictures.  Fails when the grid is larger than GRID_SIDE or GRID_PIXELS. */
Grid grid_layout(Arena *a, const GridSetup *setup);

/* Takes the pictures: white, with all labels. */
void grid_begin(Arena *a, Grid *g);

/* rgb: [frames,height,width,3] of a cell, to its place in every frame. */
void grid_paste(Grid *g, int column, int row, int page, const unsigned char *rgb);

#endif
