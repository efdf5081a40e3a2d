/* gif_limit.c - makes a GIF that is not larger than a limit.
 *
 * A table of efforts goes from the best picture to the smallest file: it gives up exact colours first, then colours of
 * the tables, then frames.  Bisection finds the first row that is small enough.
 *
 * How large a GIF becomes is not known before it is encoded, for that depends on the runs that LZW finds.  So each try
 * encodes the whole clip: once where the first row fits, and otherwise six times at most.
 *
 * Invariants: where the first row fits, the file is that of gif_encode, byte by byte.  Two frames of a clip are always
 * kept, so that it moves.
 * No size is refused: when no row is small enough, the last one is the answer, and the caller compares *size. */
#include "gif_limit.h"
#include <stdlib.h>

/* Each row makes a smaller file than the row above, and looks worse. */
static const GifEffort efforts[] = {
    { .colours = 256, .loss =   0, .every =  1 },
    { .colours = 256, .loss =   6, .every =  1 },
    { .colours = 256, .loss =   8, .every =  1 },
    { .colours = 256, .loss =  10, .every =  1 },
    { .colours = 256, .loss =  12, .every =  1 },
    { .colours = 128, .loss =  12, .every =  1 },
    { .colours =  64, .loss =  12, .every =  1 },
    { .colours =  64, .loss =  16, .every =  1 },
    { .colours =  32, .loss =  16, .every =  1 },
    { .colours =  32, .loss =  24, .every =  1 },
    { .colours =  32, .loss =  24, .every =  2 },
    { .colours =  16, .loss =  24, .every =  2 },
    { .colours =  16, .loss =  32, .every =  2 },
    { .colours =  16, .loss =  32, .every =  3 },
    { .colours =  16, .loss =  32, .every =  4 },
    { .colours =   8, .loss =  32, .every =  4 },
    { .colours =   8, .loss =  48, .every =  4 },
    { .colours =   4, .loss =  64, .every =  4 },
    { .colours =   4, .loss =  64, .every =  8 },
    { .colours =   4, .loss =  96, .every = 16 },
    { .colours =   4, .loss = 128, .every = 32 },
};

/* Returns row i for a clip, of which at least two frames are kept. */
static GifEffort effort_for(int frames, int i)
{
    GifEffort effort = efforts[i];
    if (effort.every >= frames) effort.every = frames > 1 ? frames - 1 : 1;
    return effort;
}

/* The rows up to too_large are too large, and those from `fits` on are small enough.  The last row is kept in any
 * case, for nothing is smaller.  A row that fits stands above those that did before, so it looks better. */
unsigned char *gif_encode_within(const unsigned char *rgb, int frames, int width, int height, double fps,
                                 const char *comment, size_t most, GifEffort *effort, size_t *size)
{
    unsigned char *best = NULL;
    int last = sizeof efforts / sizeof *efforts - 1;
    int too_large = -1;
    int fits = last + 1;
    int i = 0;
    while (fits - too_large > 1) {
        size_t n;
        GifEffort now = effort_for(frames, i);
        unsigned char *gif = gif_encode_with(rgb, frames, width, height, fps, comment, now, &n);
        if (!gif) {
            free(best);
            return NULL;
        }
        if (n <= most || i == last) {
            free(best);
            best = gif;
            *size = n;
            *effort = now;
        } else {
            free(gif);
        }
        if (n > most) too_large = i;
        else fits = i;
        i = (too_large + fits) / 2;
    }
    return best;
}
