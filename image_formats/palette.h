/* palette.h - many colours as a few: a table of at most 256, and which entry of it stands at a place. Stands alone:
 * copy palette.c and palette.h. No files, no globals, no printing. */
#ifndef PALETTE_H
#define PALETTE_H
#include <stddef.h>
#include <stdint.h>

enum { PALETTE_PLACES = 1024, PALETTE_KNOWN = 1 << 14 };

/* A colour as two entries: `bright` in `share` of PALETTE_PLACES places, `dark` in the others. */
typedef struct { uint32_t key; int share; unsigned char dark, bright; } PaletteMix;

typedef struct {                                    /* 1.3 MB: not for the stack */
    unsigned char rgb[256][3];                      /* the entries, in order of brightness */
    int n, exact;                                   /* how many; whether they are all the colours there are */
    int count[4096];                                /* near[g][0..count[g]): all that can be nearest in box g of a 16x16x16 grid */
    unsigned char near[4096][256];
    int rank[PALETTE_PLACES];                       /* 32 rows of 32; 0..PALETTE_PLACES-1, each once */
    PaletteMix known[PALETTE_KNOWN];                /* mixes worked out before, by colour; key 0 is none */
} Palette;

/* rgb: [n,3], n >= 1 -> the palette of at most limit entries, 1..256. Returns 0 when out of memory. */
int palette_choose(Palette *p, const unsigned char *rgb, size_t n, int limit);

/* The entry for a colour at (x, y). */
int palette_index(Palette *p, const unsigned char *rgb, int x, int y);

/* 2 dr² + 4 dg² + 3 db² */
int palette_distance(const unsigned char *a, const unsigned char *b);

#endif
