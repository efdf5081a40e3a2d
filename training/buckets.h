/* buckets.h - aspect-ratio buckets: which size a picture is trained at.
 *
 * Useful alone. */
#ifndef BUCKETS_H
#define BUCKETS_H

/* Which buckets there are; all sizes in pixels. */
typedef struct {
    int side;                            /* of the square: no bucket has a larger area */
    int least, most;                     /* of the sides of a bucket, both multiples of step */
    int step;                            /* sides are multiples of it; 0: the square is the only bucket */
    int no_upscale;                      /* 1: pictures are never enlarged, and their sizes are the buckets; least and
                                          * most do not count */
} Buckets;

/* A picture is resized to wide x high, and the middle of that, width x height, is trained on. */
typedef struct { int width, height, wide, high; } Bucket;

/* The bucket of a picture of width x height pixels.  A result with a side of 0 means that the picture is too small. */
Bucket bucket_of(const Buckets *b, int width, int height);

#endif
