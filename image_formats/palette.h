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
    PALETTE_CACHED = 1 << 14,           /* colours whose dithering is remembered */
    PALETTE_BOXES = 4096                /* the colour cube in boxes of 16 x 16 x 16 colours */
};

/* How one colour is dithered: `bright` at `share` of the PALETTE_THRESHOLDS places, `dark` at the others. */
typedef struct {
    uint32_t key;                       /* the colour + 1; 0: nothing is remembered here */
    int share;
    unsigned char dark, bright;         /* entries; dark <= bright */
} PaletteDither;

/* 1.3 MB, so it does not belong on the stack. */
typedef struct {
    unsigned char rgb[256][3];                              /* the entries, in order of brightness */
    int n;                                                  /* how many */
    int is_exact;                                           /* whether they are all the colours that there are */
    int candidate_count[PALETTE_BOXES];                     /* of each box: how many entries can be nearest in it */
    unsigned char candidate[PALETTE_BOXES][256];            /* and which */
    int threshold[PALETTE_THRESHOLDS];                      /* [32, 32]: 0..PALETTE_THRESHOLDS-1, each once */
    PaletteDither cache[PALETTE_CACHED];
} Palette;

/* Chooses the palette of a picture or a clip.
 *   rgb      [n, 3], sRGB; n >= 1
 *   limit    1..256 entries at most
 * When rgb has no more colours than limit, they are the palette and is_exact is set.
 * Returns 0 when out of memory, otherwise 1. */
int palette_choose(Palette *p, const unsigned char *rgb, size_t n, int limit);

/* Returns the entry that stands for the colour rgb: [3] at the place (x, y).  The same colour at the same place always
 * gives the same entry.  It changes the cache, so a palette serves one thread at a time. */
int palette_index(Palette *p, const unsigned char *rgb, int x, int y);

/* Returns the squared distance of two colours a, b: [3]:   2 dr^2 + 4 dg^2 + 3 db^2,   0..585225 */
int palette_distance(const unsigned char *a, const unsigned char *b);

#endif
