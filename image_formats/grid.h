/* grid.h - puts many pictures or clips of one size into one: columns, rows and pages of labelled cells. */
#ifndef GRID_H
#define GRID_H

#include "tensor.h"

/* A grid is at most as large as a GIF may be a side, and as a PNG may be that is read here. */
enum { GRID_MAX_SIDE = 65535, GRID_MAX_PIXELS = 1 << 26 };

typedef struct {
    int         count[3];                   /* columns, rows, pages; each at least 1 */
    const char *const *label[3];            /* [count] UTF-8 texts for each; NULL: no labels */
    int         frames, width, height;      /* of every cell */
} GridSetup;

/* Sizes are in pixels. */
typedef struct {
    GridSetup      of;                      /* what was asked for */
    int            width, height;           /* of the whole grid */
    int            scale;                   /* of the font */
    int            gap;                     /* between cells */
    int            title_height;            /* of the band for the page's label, above all else */
    int            top_height;              /* of the band for column labels */
    int            left_width;              /* of the band for row labels */
    int            page_x, page_y;          /* from a page to the next */
    unsigned char *rgb;                     /* [frames, height, width, 3]; NULL until grid_begin */
} Grid;

/* Works out the layout.  It takes no memory for pictures.  Fails when the grid would be larger than GRID_MAX_SIDE or
 * GRID_MAX_PIXELS. */
Grid grid_layout(Arena *a, const GridSetup *setup);

/* Takes the pictures, in the arena: white, with all labels. */
void grid_begin(Arena *a, Grid *g);

/* Copies a cell, rgb: [of.frames, of.height, of.width, 3], to its place in every frame. */
void grid_paste(Grid *g, int column, int row, int page, const unsigned char *rgb);

#endif
