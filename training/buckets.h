/* buckets.h - which size a picture is learned at: kohya's aspect buckets. */
#ifndef BUCKETS_H
#define BUCKETS_H

/* side: of the square that all buckets have about the area of.  least .. most: their sides, in steps; all in pixels, least and most
 * multiples of step.  step 0: no buckets but the square.  no_upscale: sizes come from the pictures, least and most do not count. */
typedef struct { int side, least, most, step, no_upscale; } Buckets;

/* The picture is resized to wide x high, and of that the middle, width x height, is learned from.  A side of 0: it is too small. */
typedef struct { int width, height, wide, high; } Bucket;

/* Of a picture of so many pixels.  kohya sd-scripts: make_bucket_resolutions, BucketManager.select_bucket */
Bucket bucket_of(const Buckets *b, int width, int height);

#endif
