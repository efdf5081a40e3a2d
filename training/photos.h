/* photos.h - what is learned from: a folder of pictures and what is said of them. */
#ifndef PHOTOS_H
#define PHOTOS_H

#include "buckets.h"
#include "tensor.h"

typedef enum { LEARNED, PRIOR, HELD_OUT } Role;      /* PRIOR: of the class that the subject is one of, so that the model stays as it is there */
enum { LOOK = 8 * 8 * 3 };

typedef struct {
    const char   *path, *name, *caption; /* name: the path within the folder */
    int           captioned, repeats;    /* a caption was found beside it; in an epoch, HELD_OUT: 0 */
    Role          role;
    /* what survey.h finds out: */
    int           width, height;
    Bucket        bucket;
    uint64_t      digest;                /* of the file */
    unsigned char look[LOOK];            /* the picture made 8 x 8 */
} Photo;

typedef struct {
    Photo      *photo;
    size_t      count, repeated, captioned, learned, prior, held_out;      /* repeated: all repeats together, what an epoch is */
    const char *passed_over;             /* a folder of pictures that are none of these, for its name says no repeats; NULL: none */
} Photos;

/* PNG and JPEG files of the folder, by name (and those of other formats, which survey.h refuses); or of folders in it that are called
 * <repeats>_<class tokens>, as kohya's trainer wants them.  The caption is the first line of the file beside with `ending` (NULL: .txt, or
 * else .caption); without one it is the class tokens, or else `words`.  What training to `out` draws there is no lesson (NULL: none is).  Fails when there is no picture, or a caption is no UTF-8, with what was looked for; or when an
 * epoch is more than 10^9 pictures, so that it and class pictures beside it can be counted in 32 bits. */
Photos photos_find(Arena *a, const char *folder, const char *ending, const char *words, int repeats, const char *out);

/* Holds back about so large a part of the pictures, spread evenly over their names.  Fails when that is none, or all. */
void photos_hold_out(Arena *a, Photos *p, double part);

/* The sizes that they are learned at, that of most pictures first, and of each how many there are, and how many with their repeats. */
typedef struct { int width, height; size_t pictures, repeated; } BucketCount;
const BucketCount *photos_buckets(Arena *a, const Photos *p, size_t *count);

/* Adds class pictures, as often as the others come in an epoch, all together: repeated when they are fewer, and the last left out when they are more
 * (kohya sd-scripts, DreamBoothDataset). */
void photos_add_prior(Arena *a, Photos *p, Photos class);

#endif
