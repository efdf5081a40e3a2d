/* palette.h - reduces many colours to a palette of at most 256, and dithers.
 *
 * Stands alone: copy palette.c and palette.h.  It uses no files and no globals, and it prints nothing.
 * Sources: Wu 1992 (a median cut by variance), Lloyd 1982 (k-means), Ulichney 1993 (the threshold matrix). */
#ifndef PALETTE_H
#define PALETTE_H
#include <stddef.h>
#include <stdint.h>

enum {
    PALETTE_THRESHOLDS = 1024,          /* places of the threshold matrix, 32 x 32 */
    PALETTE_NEIGHBOURS = 16,            /* of an entry: so many others are known as the nearest to it */
    PALETTE_BOXES = 4096                /* the colour cube in boxes of 16 x 16 x 16 colours */
};

/* 1.1 MB, so it does not belong on the stack.  All zeros at first; then it can be chosen again and again. */
typedef struct {
    unsigned char rgb[256][3];                              /* the entries, in order of brightness */
    int n;                                                  /* how many */
    int neighbours;                                         /* how many neighbours each has, n - 1 at most */
    unsigned char neighbour[256][PALETTE_NEIGHBOURS];       /* the entries nearest to each, the nearest first */
    int candidate_count[PALETTE_BOXES];                     /* of each box: how many can be nearest; 0: not listed */
    unsigned char candidate[PALETTE_BOXES][256];            /* and which */
    int threshold[PALETTE_THRESHOLDS];                      /* [32, 32]: 0..PALETTE_THRESHOLDS-1, each once */
} Palette;

/* Chooses the palette of a picture, or of some pixels.
 *   rgb      [n, 3], sRGB; n >= 1
 *   weight   [n]: how much each pixel counts, 1 or more
 *   limit    1..256 entries at most
 * When rgb has no more colours than limit, they are the palette.
 * Returns 0 when out of memory, otherwise 1. */
int palette_choose(Palette *p, const unsigned char *rgb, const int *weight, size_t n, int limit);

/* Makes a palette of all colours of rgb: [n, 3].  Returns 0 when they are more than limit; there is no palette then. */
int palette_of_all(Palette *p, const unsigned char *rgb, size_t n, int limit);

/* Returns the entry that stands for the colour rgb: [3] at the place (x, y).  With one palette, the same colour at the
 * same place always gives the same entry.  It completes lists in p, so a palette serves one thread at a time. */
int palette_index(Palette *p, const unsigned char *rgb, int x, int y);

/* Returns the squared distance of two colours a, b: [3]:   2 dr^2 + 4 dg^2 + 3 db^2,   0..585225 */
int palette_distance(const unsigned char *a, const unsigned char *b);

#endif
