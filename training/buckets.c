/* buckets.c - aspect-ratio buckets.
 *
 * A face in an upright photo should not be cut to a square, and the UNet takes any size.  Buckets are all sizes, in
 * steps of some pixels, of at most the square's area.  A picture goes to the bucket of the nearest aspect ratio
 * (width / height), is resized until it covers the bucket, and is cut equally at both ends.
 *
 * Aspect ratio bucketing is NovelAI's ("NovelAI Improvements on Stable Diffusion", 2022).  The sizes, and the
 * choice of the nearest one, are to the pixel those of kohya's trainer (sd-scripts: make_bucket_resolutions in
 * library/model_util.py, BucketManager.select_bucket in library/train_util.py). */
#include "buckets.h"

#include <math.h>

/* ---- the bucket of the nearest aspect ratio ----------------------------------------------------- */

/* Of two equally near buckets kohya's sorted list has this one first. */
static int comes_first(int width, int height, const Bucket *best)
{
    return width < best->width || (width == best->width && height < best->height);
}

/* The best bucket so far (width 0: none yet), or width x height where that is nearer. */
static Bucket nearer(Bucket best, int width, int height, double aspect)
{
    Bucket this = { .width = width, .height = height };
    if (!best.width) return this;
    double best_error = fabs((double)best.width / best.height - aspect);
    double error = fabs((double)width / height - aspect);
    if (error < best_error) return this;
    return error <= best_error && comes_first(width, height, &best) ? this : best;
}

/* Tries the square, and of every width w the largest height h that keeps the area, both ways round.  A picture that
 * has a bucket's size already goes there. */
static Bucket nearest_bucket(const Buckets *b, int width, int height)
{
    int area = b->side * b->side;
    int square = b->step ? b->side / b->step * b->step : b->side;
    double aspect = (double)width / height;
    Bucket best = nearer((Bucket){ 0 }, square, square, aspect);
    for (int w = b->least; b->step && w <= b->most; w += b->step) {
        int h = area / w / b->step * b->step;
        if (h > b->most) h = b->most;
        if (h < b->least) continue;
        int is_this = (w == width && h == height) || (h == width && w == height);
        if (is_this) return (Bucket){ .width = width, .height = height };
        best = nearer(best, w, h, aspect);
        best = nearer(best, h, w, aspect);
    }
    return best;
}

static Bucket covered(Bucket to, int width, int height)
{
    int is_wider = (double)width / height > (double)to.width / to.height;
    double scale = is_wider ? (double)to.height / height : (double)to.width / width;
    to.wide = (int)(width * scale + 0.5);
    to.high = (int)(height * scale + 0.5);
    return to;
}

/* ---- without upscaling -------------------------------------------------------------------------- */

static int round_to(double x) { return (int)(x + 0.5); }

static int round_down_to_step(double x, int step)
{
    int whole = round_to(x);
    return whole - whole % step;
}

/* Makes a picture smaller, to the square's area, with one side a multiple of step: the side that keeps the aspect
 * ratio better.  Returns 0 when nothing would be left. */
static int shrink(const Buckets *b, int width, int height, int *wide, int *high)
{
    double aspect = (double)width / height;
    double w = sqrt((double)b->side * b->side * aspect);
    double h = (double)b->side * b->side / w;
    int by_w = round_down_to_step(w, b->step);
    int by_h = round_down_to_step(h, b->step);
    int h_of_w = by_w ? round_down_to_step(by_w / aspect, b->step) : 0;
    int w_of_h = by_h ? round_down_to_step(by_h * aspect, b->step) : 0;
    if (!h_of_w || !w_of_h) return 0;
    double error_by_w = fabs((double)by_w / h_of_w - aspect);
    double error_by_h = fabs((double)w_of_h / by_h - aspect);
    if (error_by_w < error_by_h) {
        *wide = by_w;
        *high = round_to(by_w / aspect);
    }
    else {
        *wide = round_to(by_h * aspect);
        *high = by_h;
    }
    return 1;
}

/* The picture as it is, or made smaller, cut to steps. */
static Bucket without_upscaling(const Buckets *b, int width, int height)
{
    int wide = width;
    int high = height;
    int is_large = (double)width * height > (double)b->side * b->side;
    if (is_large && !shrink(b, width, height, &wide, &high)) return (Bucket){ 0 };
    return (Bucket){ .width = wide - wide % b->step, .height = high - high % b->step, .wide = wide, .high = high };
}

Bucket bucket_of(const Buckets *b, int width, int height)
{
    if (b->step && b->no_upscale) return without_upscaling(b, width, height);
    return covered(nearest_bucket(b, width, height), width, height);
}
